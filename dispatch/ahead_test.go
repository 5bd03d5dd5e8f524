package dispatch

import (
	"fmt"
	"strings"
	"testing"
)

// aheadPair makes a connection for a client that takes copies and sends ahead.
func (c *client) aheadPair() (a, b uint64) {
	c.t.Helper()
	c.want(c.do(tuple("hello", dict{"ahead": atom("true")})), "ok")
	return c.pair()
}

func (c *client) set(s uint64, key string, value any) {
	c.t.Helper()
	c.want(c.do(tuple("setopt", s, 1, atom("otp"), atom(key), value)), "ok")
}

func TestACopyFollowsAReceiveAndTakesNothing(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.aheadPair()
		c.want(c.do(send(a, 1, "abcdefgh")), "ok")
		id := c.call(recv(b, 1, 2, 1000))
		c.want(c.reply(id), `{ok,<<"ab">>}`)
		c.want(text(c.event("ahead")), fmt.Sprintf(`{ahead,%d,%d,8192,<<"cdefgh">>}`, id, b))
		// Forgotten, it is as if it had never been; and what was taken of it is gone.
		c.write(tuple("took", b, 0, 0, 0, 0))
		id = c.call(recv(b, 1, 1, 1000))
		c.want(c.reply(id), `{ok,<<"c">>}`)
		c.want(text(c.event("ahead")), fmt.Sprintf(`{ahead,%d,%d,8192,<<"defgh">>}`, id, b))
		c.write(tuple("took", b, 2, 2, 1, 3), tuple("took", b, 1, 1, 1, 0))
		c.want(c.do(recv(b, 1, 0, 1000)), `{ok,<<"gh">>}`)
		if info := c.do(tuple("info", b)); !strings.Contains(info, "read_byte=>8,") || !strings.Contains(info, "read_pkg=>6,") {
			t.Error(info)
		}
	})
}

// What a client says that it took is no more than what it had.
func TestNothingIsTakenThatWasNotCopied(t *testing.T) {
	const huge = uint64(1 << 40)
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.aheadPair()
		c.want(c.do(send(a, 1, "abcd")), "ok")
		c.write(tuple("took", b, huge, huge, huge, huge), tuple("took", huge, 1, 1, 1, 0))
		c.want(c.do(recv(b, 1, 2, 1000)), `{ok,<<"ab">>}`)
		c.event("ahead")
		c.write(tuple("took", b, 1, 1, 1, 0), tuple("took", b, 1, 1, 1, 1))
		c.want(c.do(recv(b, 1, 0, 1000)), `{ok,<<"d">>}`)
		c.want(c.do(recv(a, 1, 0, 0)), "{error,timeout}")
	})
}

func TestCopiesAreForThoseWhoAskedForThem(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.pair()
		c.want(c.do(send(a, 1, "abcd")), "ok")
		c.want(c.do(recv(b, 1, 2, 1000)), `{ok,<<"ab">>}`)
		c.set(b, "send_ahead", 1000)
		c.want(c.do(tuple("sockname", b))[:4], "{ok,")
		for _, f := range c.kept {
			if isTuple(f, "ahead") || isTuple(f, "credit") {
				t.Errorf("nobody asked for %s", text(f))
			}
		}
	})
}

func TestCreditIsToldAheadOfTheAnswerAndWhatIsSentTakenOff(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.aheadPair()
		c.set(a, "send_ahead", 1000)
		c.want(text(c.event("credit")), fmt.Sprintf("{credit,%d,1000}", a))
		c.write(tuple("send_ahead", a, "abc"), tuple("send_ahead", a, "de"))
		c.want(c.do(recv(b, 1, 5, 5000)), `{ok,<<"abcde">>}`)
		c.want(text(c.event("sent")), fmt.Sprintf("{sent,%d,5}", a))
		c.want(c.do(tuple("shutdown", a, atom("write"))), "ok")
		c.want(text(c.event("credit")), fmt.Sprintf("{credit,%d,0}", a))
		c.write(tuple("send_ahead", a, "late"))
		c.want(c.do(recv(b, 1, 0, 5000)), "{error,closed}")
	})
}

func TestWhoGoesBeyondTheCreditFails(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.aheadPair()
		c.write(tuple("send_ahead", a, "no credit"))
		c.want(c.do(send(a, 1, "x")), "ok") // dropped, and nothing else
		c.set(a, "send_ahead", 10)
		c.write(tuple("send_ahead", a, "more than ten bytes"))
		c.want(c.do(send(a, 1, "abc")), "{error,{enobufs,3}}")
		c.want(c.do(send(a, 1, "abc")), "{error,{epipe,3}}")
		c.want(c.do(recv(b, 1, 0, 1000)), `{ok,<<"x">>}`)
		c.want(c.do(recv(b, 1, 0, 0)), "{error,timeout}")
	})
}
