package dispatch

import (
	"bytes"
	"fmt"
	"math/rand"
	"syscall"
	"testing"
	"time"

	"gosocket/etf"
)

const testWindow = 64 << 10

// sendOf is a send of all of data, of which the first window goes along.
func sendOf(s uint64, process int, timeout any, data []byte) []byte {
	return tuple("send", s, process, none, timeout, atom("ref"), len(data), data[:min(len(data), testWindow)])
}

// feed answers wants for a send until its reply comes, which it returns.
func (c *client) feed(s uint64, id int, data []byte) string {
	c.t.Helper()
	for {
		f := c.frame().(etf.Tuple)
		n, isReply := number(f[0])
		switch {
		case isReply && n == id:
			return text(f[1])
		case text(f[0]) == "want":
			if who, _ := number(f[1]); who == id {
				c.serve(s, id, f, data)
				continue
			}
		}
		c.kept = append(c.kept, f)
	}
}

// serve answers one want.
func (c *client) serve(s uint64, id int, want etf.Tuple, data []byte) {
	offset, _ := number(want[2])
	n, _ := number(want[3])
	c.write(tuple("chunk", s, id, offset, data[offset:offset+n]))
}

func random(n int) []byte {
	p := make([]byte, n)
	rand.New(rand.NewSource(int64(n))).Read(p)
	return p
}

// take receives n bytes, in steps.
func (c *client) take(s uint64, n int) []byte {
	c.t.Helper()
	var got []byte
	for len(got) < n {
		step := min(n-len(got), 200<<10)
		data, reason := c.gather(c.call(recv(s, 1, step, 5000)), 0, -1, nil)
		if reason != "" {
			c.t.Fatalf("%s after %d bytes", reason, len(got))
		}
		got = append(got, data...)
	}
	return got
}

func TestRemainingIsWhatTheKernelHasNotTaken(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.pair()
		data := random(32 << 20)
		result := c.feed(a, c.call(sendOf(a, 1, 100, data)), data)
		var left int
		if _, err := fmt.Sscanf(result, "{error,{timeout,%d}}", &left); err != nil {
			t.Fatal(result)
		}
		taken := data[:len(data)-left]
		if !bytes.Equal(c.take(b, len(taken)), taken) {
			t.Fatal("other bytes than were taken")
		}
		c.want(c.do(recv(b, 1, 0, 0)), "{error,timeout}")
	})
}

func TestNowaitSendsGiveTheirPayloadBack(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.localPair(t.TempDir()) // whose buffer does not grow
		data := random(2 << 20)
		id := c.call(sendOf(a, 1, atom("nowait"), data))
		var left int
		if _, err := fmt.Sscanf(c.feed(a, id, data), "{ok,{%d,{select_info,send,ref}}}", &left); err != nil {
			t.Fatal(err)
		}
		c.write(tuple("chunk", a, id, len(data)-left, data[:testWindow])) // late: it is answered
		for range 50 {                                                    // 3 MiB in all, the limit is 1
			c.want(c.do(sendOf(a, 1, atom("nowait"), data[:testWindow])), "{select,{select_info,send,ref}}")
			c.want(c.do(sendOf(a, 2, 0, data[:testWindow])), fmt.Sprintf("{error,{timeout,%d}}", testWindow))
		}
		if n := c.server.totals.Parked.Load(); n != 0 {
			t.Errorf("%d bytes parked for a send that was answered", n)
		}
		c.want(c.do(cancel(a, 1, "send", "ref")), "ok")
		taken := data[:len(data)-left]
		if !bytes.Equal(c.take(b, len(taken)), taken) {
			t.Fatal("other bytes than were taken")
		}
	})
}

func TestParkedPayloadIsCountedToNothing(t *testing.T) {
	c := newClient(t)
	a, b := c.pair()
	data := random(32 << 20)
	c.feed(a, c.call(sendOf(a, 1, 50, data)), data)
	for i := range 20 {
		c.call(sendOf(a, 10+i, 30, data[:testWindow]))
		c.do(sendOf(a, 50, atom("nowait"), data[:testWindow]))
		c.do(cancel(a, 50, "send", "ref"))
	}
	dead := c.call(sendOf(a, 60, atom("infinity"), data))
	c.write(tuple("died", 60), tuple("chunk", a, dead, testWindow, data[:testWindow]))
	c.want(c.do(tuple("close", b, 1)), "ok")
	c.want(c.do(tuple("close", a, 1)), "ok")
	if n := c.server.totals.Parked.Load(); n != 0 {
		t.Errorf("%d bytes counted as parked, nothing waits", n)
	}
}

func TestPayloadAboveTheLimitIsAskedForAgain(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		const senders = 30 // of a window each, the limit holds 16
		a, b := c.pair()
		data := random(6 << 20)
		first := c.call(sendOf(a, 1, atom("infinity"), data))
		ids := map[int][]byte{first: data}
		for i := range senders {
			p := random(3*testWindow + i)
			ids[c.call(sendOf(a, 10+i, atom("infinity"), p))] = p
		}
		again, total := 0, len(data)+senders*3*testWindow+senders*(senders-1)/2
		receiving := c.call(recv(b, 2, total, atom("infinity")))
		var got bytes.Buffer
		for done := 0; done <= senders+1; {
			f := c.frame().(etf.Tuple)
			n, isReply := number(f[0])
			switch {
			case text(f[0]) == "want":
				id, _ := number(f[1])
				if offset, _ := number(f[2]); offset == 0 {
					again++
				}
				c.serve(a, id, f, ids[id])
			case text(f[0]) == "more":
				got.Write(f[2].(etf.Binary))
			case isReply && n == receiving:
				got.Write(f[1].(etf.Tuple)[1].(etf.Binary))
				done++
			case isReply:
				c.want(text(f[1]), "ok")
				done++
			}
		}
		var want bytes.Buffer
		for id := first; id <= first+senders; id++ {
			want.Write(ids[id])
		}
		if again == 0 {
			t.Error("no payload was dropped")
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Error("the payloads came otherwise than they were sent, one after the other")
		}
	}, func(cfg *Config) { cfg.ParkedLimit = 16 * testWindow })
}

func TestMessagesAreGatheredWholeAndFullQueuesTriedAgain(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		dir := t.TempDir()
		a, b := c.open("local", "dgram"), c.open("local", "dgram")
		at := dict{"family": atom("local"), "path": dir + "/b"}
		c.do(tuple("bind", b, at))
		sendto := func(timeout any, data []byte) []byte {
			return tuple("sendto", a, 1, at, none, timeout, none, len(data), data[:min(len(data), testWindow)])
		}
		message := random(150 << 10)
		c.want(c.feed(a, c.call(sendto(1, message)), message), "ok") // gathered however long it takes
		if r := c.replyTerm(c.call(recv(b, 1, 200<<10, 1000))).(etf.Tuple); text(r[1]) != text(etf.Binary(message)) {
			t.Fatal("another message")
		}
		c.want(c.do(sendto(0, make([]byte, 1<<20+1))), fmt.Sprintf("{error,{emsgsize,%d}}", 1<<20+1))
		n := 0
		for ; c.do(sendto(0, []byte("x"))) == "ok"; n++ {
		}
		waiting := c.call(sendto(5000, []byte("last")))
		for range n {
			c.want(c.do(recv(b, 1, 0, 1000)), `{ok,<<"x">>}`)
		}
		c.want(c.reply(waiting), "ok")
		c.want(c.do(recv(b, 1, 0, 1000)), `{ok,<<"last">>}`)
	})
}

func TestDeadlinesAreNeverEarlyAndCostOneSleep(t *testing.T) {
	c := newClient(t)
	_, b := c.pair()
	for _, ms := range []int{1, 2, 3, 7, 20, 51} {
		start := time.Now()
		c.want(c.do(recv(b, 1, 0, ms)), "{error,timeout}")
		if took := time.Since(start); took < time.Duration(ms)*time.Millisecond {
			t.Errorf("a deadline of %d ms passed after %v", ms, took)
		}
	}
	before := sleeps(t)
	c.want(c.do(recv(b, 1, 0, 600)), "{error,timeout}")
	if n := sleeps(t) - before; n > 300 {
		t.Errorf("%d sleeps for one wait: that is polling", n)
	}
	c.want(c.do(tuple("recv", b, 1, 0, none, rawTerm(tuple("at", 1)), none)), "{error,timeout}")
	c.want(c.do(recv(b, 1, 0, -1)), "{raise,badarg}")
	c.want(c.do(recv(b, 1, 0, "soon")), "{raise,badarg}")
}

// sleeps is how often the threads of this program have gone to sleep.
func sleeps(t *testing.T) int64 {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return int64(u.Nvcsw) //nolint:unconvert // 32 bits on some
}
