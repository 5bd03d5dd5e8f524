package dispatch

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"gosocket/etf"
)

// resultOf returns the frame of a reply as it came, for handback.
func (c *client) resultOf(id int) []byte {
	c.t.Helper()
	return frameOf(id, etf.Append(nil, c.replyTerm(id)))
}

func (c *client) deliverAll() []byte { return tuple("delivered", c.frames) }

// lost tells that process is dead and gives back what it did not get.
func (c *client) lost(process int, s uint64, frames ...[]byte) {
	items := [][]byte{tuple("died", process)}
	for _, f := range frames {
		items = append(items, tuple("handback", s, f))
	}
	c.write(append(items, c.deliverAll())...)
}

func TestTheNextReaderWaitsForDeliveryAndGetsWhatWasLost(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		c.want(c.do(send(a, 1, "abcdefgh")), "ok")
		first := c.resultOf(c.call(recv(b, 7, 3, atom("infinity"))))
		second := c.resultOf(c.call(recv(b, 7, 3, atom("infinity"))))
		next := c.call(recv(b, 8, 8, 5000))
		c.lost(7, b, first, second) // read one after the other, they come back so
		c.want(c.reply(next), `{ok,<<"abcdefgh">>}`)
	})
}

func TestAReceiveOfAllTakesWhatIsBehindWhatCameBackToo(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		c.want(c.do(send(a, 1, "abc")), "ok")
		first := c.resultOf(c.call(recv(b, 7, 2, atom("infinity"))))
		c.lost(7, b, first)
		c.want(c.do(send(a, 1, "def")), "ok")
		c.want(c.do(tuple("shutdown", a, atom("write"))), "ok")
		c.want(c.do(recv(b, 8, 0, 0)), `{ok,<<"abcdef">>}`)
		c.want(c.do(recv(b, 8, 0, 0)), "{error,closed}")
	})
}

func TestPeekSeesWhatCameBackAndLeavesIt(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		c.want(c.do(send(a, 1, "abc")), "ok")
		first := c.resultOf(c.call(recv(b, 7, 0, atom("infinity"))))
		c.lost(7, b, first)
		c.want(c.do(tuple("recv", b, 8, 2, []any{atom("peek")}, 1000, none)), `{ok,<<"ab">>}`)
		c.want(c.do(recv(b, 8, 0, 1000)), `{ok,<<"abc">>}`)
	})
}

func TestDataOfAPromisedSelectComesBackToo(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		c.want(c.do(send(a, 1, "abc")), "ok")
		id := c.call(tuple("recv", b, 7, 10, none, atom("nowait"), atom("r")))
		part := c.resultOf(id)
		c.want(c.do(send(a, 1, "def")), "ok")
		next := c.call(recv(b, 8, 6, 5000))
		c.lost(7, b, part)
		c.want(c.reply(next), `{ok,<<"abcdef">>}`)
	})
}

// The helper may hear of the death before the parts come back, or after, or be about to: until then it gathers for
// the dead.
func TestPartsThatWentAheadComeBackBeforeWhatWasGathered(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		for _, hears := range []string{"before", "after", "later"} {
			a, b := c.pair()
			data := random(600 << 10)
			c.call(recv(b, 7, 2<<20, atom("infinity")))
			for left := data; len(left) > 0; left = left[min(50<<10, len(left)):] {
				c.want(c.do(send(a, 1, string(left[:min(50<<10, len(left))]))), "ok")
			}
			first := tuple("handback", b, etf.Append(etf.AppendVersion(nil), c.event("more")))
			switch hears {
			case "before":
				c.write(tuple("died", 7), first)
			case "after":
				c.write(first, tuple("died", 7))
			default:
				c.write(first)
			}
			c.do(tuple("info", b)) // nothing goes ahead any more
			for _, f := range c.kept {
				if isTuple(f, "more") {
					c.write(tuple("handback", b, etf.Append(etf.AppendVersion(nil), f)))
				}
			}
			c.kept = nil
			next := c.call(recv(b, 8, len(data), 5000))
			c.write(c.deliverAll())
			if got, reason := c.gather(next, 0, -1, nil); !bytes.Equal(got, data) {
				t.Fatalf("%d bytes came of %d, or others; %s", len(got), len(data), reason)
			}
		}
	})
}

func TestAMessageComesBackWithItsSourceApartFromOthers(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.open("inet", "dgram"), c.open("inet", "dgram")
		c.do(tuple("bind", a, loopback))
		c.do(tuple("bind", b, loopback))
		for _, data := range []string{"one", "two", "three"} {
			c.want(c.do(tuple("sendto", a, 1, to(c.port(b)), none, atom("infinity"), none, len(data), data)), "ok")
		}
		from := fmt.Sprintf("#{addr=>{127,0,0,1},family=>inet,port=>%d}", c.port(a))
		first := c.resultOf(c.call(tuple("recvfrom", b, 7, 0, none, 1000, none)))
		second := c.resultOf(c.call(tuple("recvmsg", b, 7, 0, 0, none, 1000, none)))
		third := c.resultOf(c.call(recv(b, 7, 0, 1000)))
		c.lost(7, b, first, second, third)
		for _, data := range []string{"one", "two", "three"} {
			c.want(c.do(tuple("recvfrom", b, 8, 0, none, 1000, none)), fmt.Sprintf("{ok,{%s,<<%q>>}}", from, data))
		}
	})
}

func TestAMessageComesBackWithItsControlMessagesAndFlags(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.open("inet", "dgram"), c.open("inet", "dgram")
		c.do(tuple("bind", a, loopback))
		c.do(tuple("bind", b, loopback))
		c.want(c.do(tuple("setopt", b, 1, atom("ip"), atom("recvttl"), atom("true"))), "ok")
		c.want(c.do(tuple("sendto", a, 1, to(c.port(b)), none, atom("infinity"), none, 8, "datagram")), "ok")
		from := fmt.Sprintf("#{addr=>{127,0,0,1},family=>inet,port=>%d}", c.port(a))
		const ttl = "#{data=>64,level=>ip,type=>ttl}"
		message := func(data, flags string) string {
			return fmt.Sprintf("{ok,#{addr=>%s,ctrl=>[%s],flags=>[%s],iov=>[<<%q>>]}}", from, ttl, flags, data)
		}
		receive := func(process, size int, flags []any) []byte {
			return tuple("recvmsg", b, process, size, 0, flags, 1000, none)
		}
		c.lost(7, b, c.resultOf(c.call(receive(7, 6, none))))
		c.want(c.do(receive(8, 0, []any{atom("peek"), atom("cmsg_cloexec")})), message("datagr", "trunc"))
		c.lost(8, b, c.resultOf(c.call(receive(8, 0, none))))
		c.want(c.do(receive(9, 4, none)), message("data", "trunc"))
	})
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.open("inet", "dgram"), c.open("inet", "dgram")
		c.do(tuple("bind", b, loopback))
		c.want(c.do(tuple("sendto", a, 1, to(c.port(b)), none, atom("infinity"), none, 8, "datagram")), "ok")
		c.lost(7, b, c.resultOf(c.call(tuple("recvmsg", b, 7, 0, 0, none, 1000, none))))
		if got := c.do(tuple("recvmsg", b, 8, 4, 0, none, 1000, none)); !strings.Contains(got, `flags=>[trunc],iov=>[<<"data">>]`) {
			t.Errorf("cut when it came back: %s", got)
		}
	})
}

func TestAConnectionAcceptedForTheDeadIsAcceptedOnce(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		l, a := c.open("inet", "stream"), c.open("inet", "stream")
		c.do(tuple("bind", l, loopback))
		c.want(c.do(tuple("listen", l, 5)), "ok")
		c.want(c.do(tuple("connect", a, 1, to(c.port(l)), atom("infinity"), none)), "ok")
		lost := c.resultOf(c.call(tuple("accept", l, 7, 1000, none)))
		c.want(c.do(tuple("accept", l, 8, atom("nowait"), atom("r"))), "{select,{select_info,accept,r}}")
		c.write(tuple("died", 7))
		c.want(text(c.event("select")), fmt.Sprintf("{select,%d,8,r}", l))
		b := c.socketOf(c.replyTerm(c.call(tuple("accept", l, 8, 1000, none))))
		c.write(tuple("handback", l, lost)) // late: it has another owner now
		c.want(c.do(tuple("accept", l, 9, 0, none)), "{error,timeout}")
		c.want(c.do(send(b, 8, "x")), "ok")
		c.want(c.do(recv(a, 1, 0, 1000)), `{ok,<<"x">>}`)
	})
}

// The listener's loop hears of what is delivered only when it has reason to ask.
func TestAConnectionThatItsOwnerHadEndsWithTheOwner(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		l, a := c.open("inet", "stream"), c.open("inet", "stream")
		c.do(tuple("bind", l, loopback))
		c.want(c.do(tuple("listen", l, 5)), "ok")
		c.want(c.do(tuple("connect", a, 1, to(c.port(l)), atom("infinity"), none)), "ok")
		for range 2 * manyFlushes {
			c.do(tuple("accept", l, 7, 0, none))
		}
		c.write(c.deliverAll(), tuple("died", 7))
		c.want(c.do(recv(a, 1, 0, 5000)), "{error,closed}")
		c.want(c.do(tuple("accept", l, 8, 0, none)), "{error,timeout}")
	})
}

func TestAnUnconfirmedFloodOfAnswersHidesNoDelivery(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		l := c.open("inet", "stream")
		x := c.server.home(l)
		for range 4 * manyFlushes {
			c.do(tuple("sockname", l))
		}
		c.write(c.deliverAll())
		c.do(tuple("sockname", l)) // behind what the delivery has posted
		flushes := make(chan int)
		x.loop.Post(func() { flushes <- len(x.flushes) })
		if n := <-flushes; n > 2 {
			t.Errorf("%d writes count as not delivered", n)
		}
	})
}
