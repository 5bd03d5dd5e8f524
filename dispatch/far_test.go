package dispatch

import (
	"bytes"
	"fmt"
	"testing"

	"gosocket/etf"
)

func far(call []byte) []byte { return append(etf.AppendAtom(etf.AppendTuple(nil, 2), "far"), call...) }

func TestFarResultsHoldTheNextReaderUntilTheyArrive(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		c.want(c.do(send(a, 1, "abcdef")), "ok")
		id := c.call(far(recv(b, 7, 3, atom("infinity"))))
		c.want(c.reply(id), `{ok,<<"abc">>}`)
		c.write(c.deliverAll())
		c.want(c.do(recv(b, 8, 3, 50)), "{error,timeout}")
		c.want(c.do(recv(b, 8, 3, 0)), "{error,timeout}")
		next := c.call(recv(b, 8, 3, 5000))
		c.write(tuple("arrived", b, id))
		c.want(c.reply(next), `{ok,<<"def">>}`)
	})
}

func TestASelectBehindAFarResultFiresWhenThatHasArrived(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		c.want(c.do(send(a, 1, "abcdef")), "ok")
		id := c.call(far(recv(b, 7, 3, atom("infinity"))))
		c.want(c.reply(id), `{ok,<<"abc">>}`)
		c.write(c.deliverAll())
		c.want(c.do(tuple("recv", b, 8, 3, none, atom("nowait"), atom("r"))), "{select,{select_info,recv,r}}")
		c.do(tuple("sockname", b))
		for _, f := range c.kept {
			if isTuple(f, "select") {
				c.t.Fatal("the message came before")
			}
		}
		c.write(tuple("arrived", b, id))
		c.want(text(c.event("select")), fmt.Sprintf("{select,%d,8,r}", b))
		c.want(c.do(tuple("recv", b, 8, 3, none, atom("nowait"), atom("r"))), `{ok,<<"def">>}`)
	})
}

func TestFarResultsHoldNobodyOnAnotherSocket(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		d, e := c.pair()
		c.want(c.do(send(a, 1, "abc")), "ok")
		c.want(c.do(send(d, 1, "abcdef")), "ok")
		c.want(c.do(far(recv(b, 7, 3, atom("infinity")))), `{ok,<<"abc">>}`)
		c.want(c.do(recv(e, 8, 3, 5000)), `{ok,<<"abc">>}`)
		c.want(c.do(recv(e, 9, 3, 5000)), `{ok,<<"def">>}`)
	})
}

func TestFarResultsThatDoNotArriveComeBackInOrder(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		c.want(c.do(send(a, 1, "abcdefgh")), "ok")
		first := c.resultOf(c.call(far(recv(b, 7, 3, atom("infinity")))))
		second := c.resultOf(c.call(far(recv(b, 7, 3, atom("infinity")))))
		next := c.call(recv(b, 8, 8, 5000))
		c.write(c.deliverAll(), tuple("handback", b, first), tuple("handback", b, second))
		c.want(c.reply(next), `{ok,<<"abcdefgh">>}`)
	})
}

func TestAConnectionAcceptedFarBelongsToWhoHearsOfIt(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		l := c.open("inet", "stream")
		c.do(tuple("bind", l, loopback))
		c.want(c.do(tuple("listen", l, 5)), "ok")
		connect := func() uint64 {
			a := c.open("inet", "stream")
			c.want(c.do(tuple("connect", a, 1, to(c.port(l)), atom("infinity"), none)), "ok")
			return a
		}
		connect()
		c.socketOf(c.replyTerm(c.call(far(tuple("accept", l, 7, 1000, none)))))
		c.write(c.deliverAll(), tuple("died", 7))
		id := c.call(far(tuple("accept", l, 8, 1000, none)))
		b := c.socketOf(c.replyTerm(id)) // the same one again
		c.write(c.deliverAll(), tuple("arrived", b, id), tuple("died", 8))
		c.want(text(c.event("closed")[1]), fmt.Sprint(b))
		c.want(c.do(tuple("accept", l, 9, 0, none)), "{error,timeout}")
	})
}

func TestAFarReceiveHasTwoPartsUnderWay(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.pair()
		data := random(6 << 20)
		id := c.call(far(recv(b, 7, len(data), 60000)))
		sending := c.call(sendOf(a, 1, atom("infinity"), data))
		var got []byte
		ahead := 0
		take := func(f etf.Tuple) {
			n, isReply := number(f[0])
			switch {
			case isReply && n == id:
				got = append(got, f[1].(etf.Tuple)[1].(etf.Binary)...)
			case isReply && n == sending:
				c.want(text(f[1]), "ok")
			case text(f[0]) == "want":
				c.serve(a, sending, f, data)
			case text(f[0]) == "more":
				got = append(got, f[2].(etf.Binary)...)
				if ahead++; ahead > 2 {
					t.Fatal("a third part is under way")
				}
			}
		}
		for len(got) < len(data) {
			take(c.frame().(etf.Tuple))
			if ahead < 2 {
				continue
			}
			for range 20 { // whatever the loop would send comes before the last of these answers
				c.do(tuple("sockname", b))
			}
			kept := c.kept
			c.kept = nil
			for _, f := range kept {
				take(f.(etf.Tuple))
			}
			ahead = 0
			c.write(tuple("arrived", b, id), tuple("arrived", b, id))
		}
		if !bytes.Equal(got, data) {
			t.Error("other bytes than were sent")
		}
	})
}

func TestADroppedCallIsNotAnsweredAndTheNextOneHasItsTurn(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		c.want(c.do(send(a, 1, "abc")), "ok")
		first := c.call(recv(b, 7, 10, atom("infinity")))
		next := c.call(recv(b, 8, 5, 5000))
		c.write(tuple("drop", b, first))
		c.want(c.do(send(a, 1, "de")), "ok")
		c.want(c.reply(next), `{ok,<<"abcde">>}`)
		c.want(c.do(recv(b, 7, 1, 0)), "{error,timeout}")
		c.write(tuple("drop", b, first))
	})
}
