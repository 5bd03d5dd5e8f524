package dispatch

import (
	"fmt"
	"testing"

	"gosocket/etf"
)

// Of a long list of sends the first are answered, and what they have caused is told, before the last are made: who has a part can go on.
func TestAnswersOfALongListLeaveInParts(t *testing.T) {
	for _, sends := range []int{3, 4, 16, 60} {
		t.Run(fmt.Sprint(sends), func(t *testing.T) {
			c := newClient(t)
			var items [][]byte
			for i := range sends {
				a, b := c.localPair(t.TempDir()) // where what is sent is there at once
				c.call(recv(b, i, 5, atom("infinity")))
				items = append(items, c.request(send(a, i, "hello")))
			}
			c.write(tuple("ping", 0))
			c.event("pong")
			c.kept = nil
			items = append(items, c.request(tuple("sockname", c.open("inet", "dgram"))))
			c.write(items...)
			c.reply(c.next) // behind all of the list: nothing more lies there meanwhile
			for i := range 2 {
				c.write(tuple("ping", i))
				c.event("pong")
			}
			data, sent, before := 0, 0, -1 // before is how many were sent when the first data came
			for _, f := range c.kept {
				switch text(f.(etf.Tuple)[1]) {
				case `{ok,<<"hello">>}`:
					if data++; data == 1 {
						before = sent
					}
				case "ok":
					sent++
				}
			}
			if share := sendsAtOnce(len(items), false); data != sends || sent != sends || before != min(share, sends) {
				t.Errorf("%d data, %d sent, the first data behind %d of these", data, sent, before)
			}
		})
	}
}
