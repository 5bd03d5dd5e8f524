package dispatch

import (
	"fmt"
	"sort"
	"strings"
	"testing"

	"gosocket/etf"
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
		for told := 0; told < 5; { // another loop may take the first before the second is there
			n, _ := number(c.event("sent")[2])
			told += n
		}
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

// handed makes items that hand over these sends.
func handed(s uint64, sends ...string) (items [][]byte) {
	for _, data := range sends {
		items = append(items, tuple("send_ahead", s, data))
	}
	return items
}

func TestSendsAheadOfOneFrameLeaveTogetherAndCountAlone(t *testing.T) {
	c := newClient(t)
	a, b := c.aheadPair()
	c.set(a, "send_ahead", 1<<20)
	large := strings.Repeat("l", 20000)
	// what is large goes alone, and nothing overtakes
	c.write(handed(a, "abc", "de", "f", large, "ghijklm", "n")...)
	for told := 0; told < 20014; { // without a request behind them
		n, _ := number(c.event("sent")[2])
		told += n
	}
	c.want(string(c.take(b, 20014)), "abcdef"+large+"ghijklmn")
	for name, want := range map[string]int{"write_tries": 3, "write_pkg": 6, "write_pkg_max": 20000, "write_byte": 20014} {
		if got := c.counter(a, name); got != want {
			t.Errorf("%s is %d, not %d", name, got, want)
		}
	}
}

// Whatever comes behind sends ahead in a frame comes behind them at the socket, too.
func TestNothingInAFrameOvertakesSendsAhead(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.aheadPair()
		c.set(a, "send_ahead", 1<<20)
		d, e := c.pair()
		c.set(d, "send_ahead", 1<<20)
		owner := rawTerm(append(etf.AppendAtom([]byte{88}, "node"), 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3)) // NEW_PID_EXT
		f, g := c.pair()
		c.set(f, "send_ahead", 1<<20)
		c.set(f, "controlling_process", owner)
		call := func(id int, call []byte) []byte {
			return append(etf.AppendInt(etf.AppendTuple(nil, 2), int64(id)), call...)
		}
		items := append(handed(a, "1", "2"), handed(d, "x", "y")...)
		items = append(items, handed(a, "3", "4")...)
		items = append(items, call(901, send(a, 1, "5")), call(902, send(d, 1, "z")))
		items = append(items, handed(a, "6", "7")...)
		items = append(items, call(903, tuple("shutdown", a, atom("write"))), call(904, tuple("close", d, 1)))
		items = append(append(items, handed(f, "p", "q")...), tuple("died", owner))
		c.write(items...)
		for id := 901; id <= 904; id++ {
			c.want(c.reply(id), "ok")
		}
		for s, want := range map[uint64]string{b: "1234567", e: "xyz", g: "pq"} {
			c.want(string(c.take(s, len(want))), want)
			c.want(c.do(recv(s, 1, 0, 5000)), "{error,closed}")
		}
	})
}

// What the kernel takes of several sends counts as far as they are whole.
func TestSendsThatWereJoinedCountAsTheKernelTakesThem(t *testing.T) {
	c := newClient(t)
	c.want(c.do(tuple("hello", dict{"ahead": atom("true")})), "ok")
	a, b := c.localPair(t.TempDir())
	c.set(a, "send_ahead", 1<<20)
	all, ends := "", []int{}
	for size := 500; size < 2000; size += 50 { // each frame has others
		var items [][]byte
		for range 20 {
			piece := strings.Repeat("0123456789", size)[:size]
			all += piece
			ends = append(ends, len(all))
			items = append(items, tuple("send_ahead", a, piece))
		}
		c.write(items...)
	}
	taken, whole := c.counter(a, "write_byte"), c.counter(a, "write_pkg")
	want := sort.SearchInts(ends, taken+1)
	if whole != want || whole == 0 || whole == len(ends) {
		t.Errorf("%d bytes are %d sends, not %d", taken, whole, want)
	}
	if string(c.take(b, len(all))) != all {
		t.Error("other bytes arrive")
	}
	if whole := c.counter(a, "write_pkg"); whole != len(ends) || c.counter(a, "write_pkg_max") != 1950 {
		t.Errorf("%d sends", whole)
	}
}
