package dispatch

import (
	"testing"

	"gosocket/socketcore"
)

// TestAMessageOfSCTPComesBackAndIsReadInParts has a reader with a short buffer come after one
// that died: as with what the kernel holds, the rest stays, and the end is marked.
func TestAMessageOfSCTPComesBackAndIsReadInParts(t *testing.T) {
	open(t, socketcore.SCTPMany)
	everyLoops(t, func(_ *testing.T, c *client) {
		var many [2]uint64
		for i := range many {
			many[i] = c.socketOf(c.replyTerm(c.call(tuple("open", 1, atom("inet"), atom("seqpacket"), atom("sctp"), dict{}))))
			c.do(tuple("bind", many[i], loopback))
		}
		a, b := many[0], many[1]
		c.want(c.do(tuple("listen", b, 5)), "ok")
		for _, data := range []string{"abcdef", "next"} {
			c.want(c.do(tuple("sendto", a, 1, to(c.port(b)), none, atom("infinity"), none, len(data), data)), "ok")
		}
		whole := c.resultOf(c.call(tuple("recvmsg", b, 7, 0, 0, none, 5000, none)))
		c.lost(7, b, whole)
		for _, part := range []string{"abcd", "ef", "next"} {
			c.want(c.do(recv(b, 8, 4, 5000)), `{ok,<<"`+part+`">>}`)
		}
	})
}
