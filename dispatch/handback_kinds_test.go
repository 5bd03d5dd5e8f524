package dispatch

import (
	"fmt"
	"testing"

	"gosocket/etf"
)

// frameOf makes a frame as the server would send it.
func frameOf(id int, result []byte) []byte {
	return append(etf.AppendInt32(etf.AppendTuple(etf.AppendVersion(nil), 2), int32(id)), result...)
}

// A socket keeps bytes and connections apart: a call of the other kind finds what the kernel says.
func TestWhatCameBackIsForCallsOfItsKindOnly(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		c.want(c.do(send(a, 1, "abc")), "ok")
		c.lost(7, b, c.resultOf(c.call(recv(b, 7, 0, 1000))))
		c.want(c.do(tuple("accept", b, 8, 0, none)), "{error,einval}")
		c.want(c.do(recv(b, 8, 0, 1000)), `{ok,<<"abc">>}`)
	})
	everyLoops(t, func(_ *testing.T, c *client) {
		u := c.open("inet", "dgram")
		c.do(tuple("bind", u, loopback))
		c.want(c.do(tuple("sendto", u, 1, to(c.port(u)), none, 1000, none, 3, "abc")), "ok")
		c.lost(7, u, c.resultOf(c.call(recv(u, 7, 0, 1000))))
		c.want(c.do(tuple("accept", u, 8, 0, none)), "{error,enotsup}")
		c.want(c.do(recv(u, 8, 0, 1000)), `{ok,<<"abc">>}`)
	})
	everyLoops(t, func(_ *testing.T, c *client) {
		l, _, lost := c.accepted(7)
		c.lost(7, l, lost)
		c.want(c.do(recv(l, 8, 0, 0)), "{error,enotconn}")
		c.socketOf(c.replyTerm(c.call(tuple("accept", l, 8, 1000, none))))
	})
}

// accepted makes a listener, a connection to it and has process accept it. It returns the frame of that.
func (c *client) accepted(process int) (listener, peer uint64, frame []byte) {
	c.t.Helper()
	listener, peer = c.open("inet", "stream"), c.open("inet", "stream")
	c.do(tuple("bind", listener, loopback))
	c.want(c.do(tuple("listen", listener, 5)), "ok")
	c.want(c.do(tuple("connect", peer, 1, to(c.port(listener)), atom("infinity"), none)), "ok")
	return listener, peer, c.resultOf(c.call(tuple("accept", listener, process, 1000, none)))
}

func TestTheEndIsToldAfterWhatMayComeBack(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		first := c.call(recv(b, 7, 100, atom("infinity")))
		second := c.call(recv(b, 8, 0, atom("infinity")))
		c.want(c.do(nowait(b, 9, "r")), "{select,{select_info,recv,r}}")
		c.want(c.do(send(a, 1, "0123456789")), "ok")
		c.call(tuple("close", a, 1)) // behind the first result may come the question for its delivery
		c.lost(7, b, c.resultOf(first))
		c.want(c.reply(second), `{ok,<<"0123456789">>}`)
		c.write(c.deliverAll())
		c.want(text(c.event("abort")), fmt.Sprintf("{abort,%d,9,r,closed}", b))
		c.want(c.do(recv(b, 9, 0, 0)), "{error,closed}")
	})
}

// What nobody could have been sent, or has had, comes to nobody; and nothing of it stays.
func TestAHandBackOfWhatIsNotOutIsNone(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		d, e := c.pair()
		c.want(c.do(send(a, 1, "abcdef")), "ok")
		c.want(c.do(tuple("recv", b, 7, 2, []any{atom("peek")}, 1000, none)), `{ok,<<"ab">>}`)
		peeked := c.next
		had := c.resultOf(c.call(recv(b, 7, 2, 1000)))
		c.write(c.deliverAll())
		lost := c.resultOf(c.call(recv(b, 7, 2, 1000)))
		id := c.next
		data := func(s string) []byte { return append(appendOK(nil), encode(nil, s)...) }
		for _, f := range [][]byte{
			frameOf(peeked, data("ab")), had, frameOf(4711, data("cd")), frameOf(id, data("longer")),
			append(etf.AppendVersion(nil), tuple("more", id, "cd")...),
			frameOf(id, []byte{119, 2, 'o', 'k'}), frameOf(id, tuple("error", atom("closed"))),
			frameOf(id, tuple("raise", atom("badarg"))), frameOf(id, tuple("error", rawTerm(tuple("invalid", rawTerm(tuple("flag", 1)))))),
			frameOf(id, tuple("select", rawTerm(tuple("select_info", atom("recv"), 1)))),
		} {
			c.write(tuple("handback", b, f))
			c.write(tuple("handback", 1<<40|b, f))
		}
		c.write(tuple("handback", e, lost), tuple("handback", a, lost))
		c.write(tuple("died", 7), tuple("handback", b, lost), tuple("handback", b, lost), c.deliverAll(), tuple("handback", b, lost))
		c.want(c.do(recv(b, 8, 4, 1000)), `{ok,<<"cdef">>}`)
		for _, s := range []uint64{a, b, d, e} {
			c.want(c.do(recv(s, 8, 0, 0)), "{error,timeout}")
		}
	})
}

func TestAHandBackOfAConnectionGoesToItsListenerOnly(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		l, peer, lost := c.accepted(7)
		term, err := etf.Decode(lost)
		if err != nil {
			t.Fatal(err)
		}
		id, _ := number(term.(etf.Tuple)[0])
		conn := c.socketOf(term.(etf.Tuple)[1])
		connection := func(s uint64) []byte {
			return append(appendOK(nil), encode(nil, rawTerm(fiveOf(s)))...)
		}
		for _, s := range []uint64{l, peer, conn} {
			for _, in := range []uint64{l, peer, conn} {
				c.write(tuple("handback", s, frameOf(0, connection(in))))
				if s != l || in != conn {
					c.write(tuple("handback", s, frameOf(id, connection(in))))
				}
			}
		}
		c.want(c.do(tuple("accept", l, 8, 0, none)), "{error,timeout}")
		c.lost(7, l, lost, lost)
		again := c.socketOf(c.replyTerm(c.call(tuple("accept", l, 8, 1000, none))))
		c.want(fmt.Sprint(again), fmt.Sprint(conn))
		c.write(tuple("handback", l, lost))
		c.want(c.do(tuple("accept", l, 9, 0, none)), "{error,timeout}")
		for _, s := range []uint64{conn, l, peer} {
			c.want(c.do(tuple("close", s, 8)), "ok")
		}
	})
}

func fiveOf(s uint64) []byte {
	b := etf.AppendUint(etf.AppendTuple(nil, 5), s)
	for range 4 {
		b = etf.AppendInt(b, 2)
	}
	return b
}

func TestAConnectionClosedWhileItWaitsIsNotAccepted(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		l, peer, lost := c.accepted(7)
		term, _ := etf.Decode(lost)
		c.lost(7, l, lost)
		c.want(c.do(tuple("close", c.socketOf(term.(etf.Tuple)[1]), 1)), "ok")
		c.want(c.do(recv(peer, 1, 0, 1000)), "{error,closed}")
		c.want(c.do(tuple("accept", l, 8, 0, none)), "{error,timeout}")
	})
}

func TestConnectionsComeBackInTheOrderInWhichTheyCame(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		l := c.open("inet", "stream")
		c.do(tuple("bind", l, loopback))
		c.want(c.do(tuple("listen", l, 9)), "ok")
		var frames [][]byte
		var order []uint64
		for range 3 {
			peer := c.open("inet", "stream")
			c.want(c.do(tuple("connect", peer, 1, to(c.port(l)), atom("infinity"), none)), "ok")
			f := c.resultOf(c.call(tuple("accept", l, 7, 1000, none)))
			term, _ := etf.Decode(f)
			frames, order = append(frames, f), append(order, c.socketOf(term.(etf.Tuple)[1]))
		}
		c.write(tuple("handback", l, frames[2]), tuple("handback", l, frames[0]), tuple("handback", l, frames[1]), tuple("died", 7), c.deliverAll())
		for _, want := range order {
			if got := c.socketOf(c.replyTerm(c.call(tuple("accept", l, 8, 1000, none)))); got != want {
				t.Errorf("%d came, not %d", got, want)
			}
		}
	})
}

// The answers of one write may be seen one after the other, and what happens between counts.
func TestTheFirstAnswersOfAWriteAreDeliveredBeforeTheOthers(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		l, peer := c.open("inet", "stream"), c.open("inet", "stream")
		c.do(tuple("bind", l, loopback))
		c.want(c.do(tuple("listen", l, 5)), "ok")
		c.want(c.do(tuple("connect", peer, 1, to(c.port(l)), atom("infinity"), none)), "ok")
		var items [][]byte
		for _, call := range [][]byte{tuple("accept", l, 7, 1000, none), tuple("sockname", l), tuple("sockname", l)} {
			items = append(items, c.request(call))
		}
		c.write(items...)
		c.socketOf(c.replyTerm(c.next - 2))
		seen := c.frames
		c.reply(c.next)
		c.write(tuple("delivered", seen), tuple("died", 7))
		c.want(c.do(recv(peer, 1, 0, 5000)), "{error,closed}")
		c.want(c.do(tuple("accept", l, 8, 0, none)), "{error,timeout}")
	})
}

// A process may ask again before it has its answers. Of these some may be back while others are not yet.
func TestWhatIsBackIsNotReadTogetherWithWhatIsBehindSomethingElse(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		c.want(c.do(send(a, 1, "abcdefghi")), "ok")
		first := c.resultOf(c.call(recv(b, 7, 3, 1000)))
		second := c.resultOf(c.call(recv(b, 7, 3, 1000)))
		third := c.request(recv(b, 7, 6, atom("infinity")))
		c.write(tuple("handback", b, first), third, tuple("handback", b, second))
		c.lost(7, b, c.resultOf(c.next))
		c.want(c.do(recv(b, 8, 9, 1000)), `{ok,<<"abcdefghi">>}`)
	})
}
