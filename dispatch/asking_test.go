package dispatch

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The calls of a caller who hears what the kernel would say, and not what it said before. The property of
// package socketcore tries their whole kind; these go through the frames.

// bothStreams runs a test on a pair of TCP sockets and on one of local stream sockets.
func bothStreams(t *testing.T, f func(c *client, a, b uint64)) {
	t.Helper()
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.pair()
		f(c, a, b)
		a, b = c.localPair(t.TempDir())
		f(c, a, b)
	})
}

// fill sends until the kernel takes no more.
func (c *client) fill(s uint64) {
	c.t.Helper()
	data := strings.Repeat("x", 8000)
	for c.do(tuple("send", s, 1, none, 0, none, len(data), data)) == "ok" {
	}
}

func (c *client) counter(s uint64, name string) int {
	c.t.Helper()
	m := regexp.MustCompile(`\b` + name + `=>(\d+)`).FindStringSubmatch(c.do(tuple("info", s)))
	if m == nil {
		c.t.Fatalf("no %s", name)
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

func peek(s uint64, process, length int, timeout, ref any) []byte {
	return tuple("recv", s, process, length, []any{atom("peek")}, timeout, ref)
}

func TestASendFindsTheRoomThatNoEventHasTold(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.localPair(t.TempDir())
		c.want(c.do(tuple("setopt", a, 1, atom("socket"), atom("sndbuf"), 200000)), "ok")
		c.fill(a)
		for range 3 { // of less than three quarters no event tells
			c.do(recv(b, 1, 7000, 1000))
		}
		c.want(c.do(tuple("send", a, 1, none, 500, none, 1, "x")), "ok")
		c.want(c.do(send(a, 1, "x")), "ok")
	})
}

func TestASendThatWaitedCountsWhatItTried(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, _ := c.localPair(t.TempDir()) // TCP makes room at times of its own
		c.fill(a)
		tries, waits := c.counter(a, "write_tries"), c.counter(a, "write_waits")
		const size = 60000
		if got := c.do(tuple("send", a, 1, none, 20, none, size, strings.Repeat("x", size))); !strings.HasPrefix(got, "{error,{timeout,") {
			t.Fatal(got)
		}
		if n, m := c.counter(a, "write_tries")-tries, c.counter(a, "write_waits")-waits; n < 2 || n != m {
			t.Errorf("%d attempts, %d of them refused: at its start and at its deadline", n, m)
		}
	})
}

func TestAnErrorOfAnArgumentDoesNotWaitForRoom(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, _ := c.localPair(t.TempDir())
		c.fill(a)
		at := dict{"family": atom("local"), "path": t.TempDir() + "/s"}
		c.want(c.do(tuple("sendto", a, 1, at, none, atom("infinity"), none, 1, "x")), "{error,{eisconn,1}}")
		c.want(c.do(sendRights(a, "x", 9999)), "{error,ebadf}")
		a, _ = c.pair()
		c.fill(a)
		bad := dict{"level": 1, "type": 9999, "data": "abcd"}
		c.want(c.do(tuple("sendmsg", a, 1, atom("undefined"), []any{bad}, none, 500, none, 1, "x")), "{error,einval}")
	})
}

func TestALeastNumberOfBytesHidesNone(t *testing.T) {
	bothStreams(t, func(c *client, a, b uint64) {
		c.do(tuple("setopt", b, 1, atom("socket"), atom("rcvlowat"), 100))
		c.want(c.do(recv(b, 1, 0, 0)), "{error,timeout}")
		c.want(c.do(send(a, 1, "0123456789012345")), "ok")
		c.want(c.do(recv(b, 1, 10, 500)), `{ok,<<"0123456789">>}`)
		waiting := c.call(recv(b, 1, 20, atom("infinity")))
		c.want(c.do(send(a, 1, "01234567890123")), "ok")
		c.want(c.do(recv(b, 3, 0, 0)), "{error,timeout}") // its coming makes the first one ask
		c.want(c.reply(waiting), `{ok,<<"01234501234567890123">>}`)
	})
}

func TestAPeekThatFindsNothingMoreHidesNothing(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.localPair(t.TempDir())
		c.want(c.do(tuple("setopt", b, 1, atom("socket"), atom("peek_off"), 0)), "ok")
		c.want(c.do(send(a, 1, "abc")), "ok")
		c.want(c.do(peek(b, 1, 0, 0, none)), `{ok,<<"abc">>}`)
		c.want(c.do(peek(b, 1, 0, 1, none)), "{error,timeout}")
		c.want(c.do(recv(b, 1, 0, 500)), `{ok,<<"abc">>}`)
	})
}

func TestAPeekForMoreThanThereIsWaits(t *testing.T) {
	bothStreams(t, func(c *client, a, b uint64) {
		c.want(c.do(send(a, 1, "abcd")), "ok")
		c.lost(7, b, c.resultOf(c.call(recv(b, 7, 2, 1000)))) // half of it was handed back
		c.want(c.do(peek(b, 8, 10, 0, none)), `{error,{timeout,<<"abcd">>}}`)
		c.want(c.do(peek(b, 8, 10, 5, none)), `{error,{timeout,<<"abcd">>}}`)
		c.want(c.do(peek(b, 8, 10, atom("nowait"), atom("r"))), `{ok,{<<"abcd">>,{select_info,recv,r}}}`)
		for range 2 {
			c.do(tuple("info", b))
		}
		for _, f := range c.kept {
			if isTuple(f, "select") {
				t.Fatal("a message, though nothing has come")
			}
		}
		c.want(c.do(send(a, 1, "ef")), "ok")
		c.want(text(c.event("select")), selected(b, 8, "r"))
		c.want(c.do(peek(b, 8, 6, atom("nowait"), atom("r"))), `{ok,<<"abcdef">>}`)
		waiting := c.call(peek(b, 8, 10, atom("infinity"), none))
		behind := c.call(recv(b, 9, 6, atom("infinity")))
		c.want(c.do(tuple("shutdown", a, atom("write"))), "ok")
		c.want(c.reply(waiting), `{error,{closed,<<"abcdef">>}}`)
		c.want(c.reply(behind), `{ok,<<"abcdef">>}`)
		c.want(c.do(recv(b, 9, 0, 1000)), "{error,closed}")
	})
}

func TestAcceptWhereNoConnectionWillEverCome(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		for _, typ := range []string{"stream", "seqpacket"} {
			l := c.open("local", typ)
			c.do(tuple("bind", l, dict{"family": atom("local"), "path": t.TempDir() + "/s"}))
			c.want(c.do(tuple("listen", l, 5)), "ok")
			c.want(c.do(tuple("accept", l, 1, atom("nowait"), atom("r"))), "{select,{select_info,accept,r}}")
			c.want(c.do(tuple("shutdown", l, atom("read_write"))), "ok")
			c.want(text(c.event("select")), selected(l, 1, "r"))
			c.want(c.do(tuple("accept", l, 1, atom("nowait"), atom("r"))), "{error,einval}")
			c.want(c.do(tuple("accept", l, 1, 100, none)), "{error,einval}")
		}
		_, b := c.pair()
		c.want(c.do(recv(b, 1, 0, 1)), "{error,timeout}")
		c.want(c.do(tuple("accept", b, 1, 100, none)), "{error,einval}")
	})
}

func TestAFullLocalReceiverIsTriedNowAndThen(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.open("local", "dgram"), c.open("local", "dgram")
		at := dict{"family": atom("local"), "path": t.TempDir() + "/s"}
		c.do(tuple("bind", b, at))
		sendto := func(timeout any) []byte { return tuple("sendto", a, 1, at, none, timeout, none, 1, "x") }
		for c.do(sendto(0)) == "ok" {
		}
		before := c.counter(a, "write_tries")
		c.want(c.do(sendto(200)), "{error,{timeout,1}}")
		if n := c.counter(a, "write_tries") - before; n < 5 || n > 200 {
			t.Errorf("%d attempts in 200 ms, at intervals of 1 to 20", n)
		}
		waiting := c.call(sendto(atom("infinity")))
		c.want(c.do(recv(b, 1, 0, 0)), `{ok,<<"x">>}`)
		c.want(c.reply(waiting), "ok")
	})
}

func TestAConnectAsksAtItsDeadline(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		l := c.open("local", "stream")
		at := dict{"family": atom("local"), "path": t.TempDir() + "/s"}
		c.do(tuple("bind", l, at))
		c.want(c.do(tuple("listen", l, 0)), "ok")
		connect := func(timeout any) []byte {
			return tuple("connect", c.open("local", "stream"), 1, at, timeout, none)
		}
		c.want(c.do(connect(0)), "ok")
		c.want(c.do(connect(0)), "{error,eagain}")
		c.want(c.do(connect(5)), "{error,timeout}")
		waiting := c.call(connect(5000))
		c.socketOf(c.replyTerm(c.call(tuple("accept", l, 1, 1000, none))))
		c.want(c.reply(waiting), "ok")
	})
}

func TestAnErrorOfOneSendIsNotThatOfTheNext(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.localPair(t.TempDir())
		c.fill(a)
		first := c.call(send(a, 1, strings.Repeat("y", 60000)))
		bad := c.call(sendRights(a, "x", 9999))
		last := c.call(send(a, 3, "z"))
		for done := ""; !strings.HasSuffix(done, `z">>}`); {
			if done = c.do(recv(b, 1, 0, 5000)); !strings.HasPrefix(done, "{ok,") {
				t.Fatal(done)
			}
		}
		for id, want := range map[int]string{first: "ok", bad: "{error,ebadf}", last: "ok"} {
			if got := c.reply(id); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	})
}
