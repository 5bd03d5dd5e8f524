package dispatch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"gosocket/etf"
)

func TestPayloadsArriveAsTheyWereSent(t *testing.T) {
	f := injectFaults(t)
	run := func(t *testing.T, c *client) {
		for seed := range int64(8) {
			t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
				c.t = t
				m := newTorrent(t, c, f, seed)
				for range 40 {
					m.step()
				}
				m.settle()
				m.check()
			})
			if t.Failed() {
				return
			}
		}
	}
	everyLoops(t, run)
	t.Run("nothing is kept", func(t *testing.T) {
		run(t, newClient(t, func(cfg *Config) { cfg.ParkedLimit = 0 }))
	})
	if f.calls("splice") == 0 {
		t.Error("nothing was spliced")
	}
}

func TestAPeerThatGoesInTheMiddleOfAPayloadIsAnError(t *testing.T) {
	f := injectFaults(t)
	c := newClient(t)
	for i, at := range []int{70, 5000, spliceMin, testWindow - 1} {
		m := newTorrent(t, c, f, int64(i))
		m.send(2, 10, atom("infinity"), none)
		m.calm()
		m.send(3, testWindow, atom("infinity"), none) // what follows large sends is looked for
		m.calm()
		before := f.calls("splice")
		b := append(etf.AppendVersion(make([]byte, 4)), append(etf.AppendInt(etf.AppendTuple(nil, 2), 7777),
			tuple("send", m.socket, 4, none, atom("infinity"), none, testWindow, random(testWindow))...)...)
		binary.BigEndian.PutUint32(b, uint32(len(b)-4))
		m.put(b[:at])
		m.drained()
		_ = m.peer.SetLinger(0)
		m.peer.Close()
		m.put(b[at:])
		head := len(b) - testWindow
		if got, want := m.reply(7777), fmt.Sprintf("{error,{econnreset,%d}}", testWindow-(at-head)); got != want {
			t.Errorf("cut at %d: %s, want %s", at, got, want)
		}
		if at < spliceMin && f.calls("splice") == before {
			t.Errorf("cut at %d: nothing was spliced", at)
		}
		c.want(c.do(send(m.socket, 5, "more")), "{error,{epipe,4}}")
		c.want(c.do(tuple("send", m.socket, 5, none, 1000, none, testWindow, random(testWindow))), "{error,{epipe,65536}}")
		c.want(c.do(tuple("close", m.socket, 1)), "ok")
		if n := c.server.parked.Load(); n != 0 {
			t.Errorf("cut at %d: %d bytes are parked, nothing waits", at, n)
		}
	}
}

// What is not for the socket as it stands waits until its frame is whole, and is refused then if it is bad.
func TestOnlyThePayloadOfAGoodSendIsSpliced(t *testing.T) {
	f := injectFaults(t)
	c := newClient(t)
	m := newTorrent(t, c, f, 0)
	sendWith := func(flags []any, size int, data []byte) []byte {
		return tuple("send", m.socket, 1, flags, atom("infinity"), none, size, data)
	}
	c.want(c.do(sendWith(none, 4, []byte("some"))), "ok")
	large := func() { c.want(c.do(sendWith(none, testWindow, random(testWindow))), "ok") }
	sent := 4
	for _, x := range []struct {
		name   string
		call   []byte
		spoil  int // what is added to the length of the payload
		answer string
		bytes  int
	}{
		{"a flag", sendWith([]any{atom("more")}, testWindow, random(testWindow)), 0, "ok", testWindow},
		{"more than was announced", sendWith(none, testWindow-1, random(testWindow)), 0, "{raise,badarg}", 0},
		{"a byte behind the payload", sendWith(none, testWindow-1, random(testWindow)), -1, "{bad,trailing", testWindow - 1},
		{"a byte too few", sendWith(none, testWindow, random(testWindow)), 1, "{bad,truncated", 0},
		{"a flag that is none", sendWith([]any{atom("what")}, testWindow, random(testWindow)), 0, "{raise,{invalid,{flag,what}}}", 0},
		{"a closed socket", tuple("send", uint64(1<<24|77<<40), 1, none, atom("infinity"), none, testWindow, random(testWindow)), 0, "{error,{closed,65536}}", 0},
	} {
		large()
		m.read(1 << 20)
		sent += testWindow + x.bytes
		before := f.calls("splice")
		binary.BigEndian.PutUint32(x.call[len(x.call)-testWindow-4:], uint32(testWindow+x.spoil))
		id := c.call(x.call)
		var got string
		if strings.HasPrefix(x.answer, "{bad") {
			got = text(c.event("bad"))
		} else {
			got = c.reply(id)
		}
		if !strings.HasPrefix(got, x.answer) {
			t.Errorf("%s: %s, want %s", x.name, got, x.answer)
		}
		if n := f.calls("splice") - before; n != 0 {
			t.Errorf("%s: %d calls of splice", x.name, n)
		}
	}
	m.settle()
	if len(m.got) != sent {
		t.Errorf("%d bytes have arrived, want %d", len(m.got), sent)
	}
}

// TestAHeadIsReadAsTheWholeFrameIs changes each byte in front of a payload, and compares what is answered with what is when
// the frame is read as a whole, as it is while calls are logged.
func TestAHeadIsReadAsTheWholeFrameIs(t *testing.T) {
	const size = 40_000
	var clients [2]*client
	for i := range clients {
		clients[i] = newClient(t)
		clients[i].want(clients[i].do(tuple("hello", dict{"consumed": atom("false"), "watch": atom("false")})), "ok")
	}
	head := len(tuple("send", uint64(1<<24), 2, none, atom("infinity"), none, size, "")) + 4
	for at := 0; at < head; at++ {
		for _, change := range []byte{1, 0x40, 0xff} {
			var got [2]string
			for i, c := range clients {
				a, b := c.pair()
				data := random(size)
				c.want(c.do(send(a, 2, "first")), "ok")
				c.want(c.do(tuple("send", a, 2, none, atom("infinity"), none, size, data)), "ok")
				c.take(b, 5+size)
				c.write(tuple("debug", atom([]string{"false", "true"}[i]), atom("false")))
				frame := append(etf.AppendVersion(make([]byte, 4)), etf.AppendInt(etf.AppendTuple(nil, 2), 200)...)
				frame = append(frame, tuple("send", a, 2, none, atom("infinity"), none, size, data)...)
				frame[len(frame)-size-head+at+4] ^= change
				c.raw(frame)
				got[i] = strings.ReplaceAll(text(c.frame()), fmt.Sprint(a), "SOCKET")
				c.write(tuple("debug", atom("false"), atom("false")))
				c.do(tuple("close", a, 1))
				c.do(tuple("close", b, 1))
				c.kept = nil
			}
			if got[0] != got[1] {
				t.Errorf("byte %d of %d, xor %#x: %s, as a whole %s", at, head, change, got[0], got[1])
			}
		}
	}
}

func TestAReceiveOfAllThereIsIsPouredWhenThereIsRoomForMuch(t *testing.T) {
	f := injectFaults(t)
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.pair()
		c.want(c.do(tuple("setopt", b, 1, atom("otp"), atom("rcvbuf"), 100_000)), "ok")
		data := random(170_000)
		c.want(c.feed(a, c.call(sendOf(a, 1, atom("infinity"), data)), data), "ok")
		c.want(c.do(send(b, 1, "the other way")), "ok")
		before := f.calls("splice")
		for _, n := range []int{100_000, 70_000} {
			got := c.frameOf(c.call(recv(b, 2, 0, 5000)))
			if !bytes.Equal(got, data[:n]) {
				t.Fatalf("%d bytes came of %d, or others", len(got), n)
			}
			data = data[n:]
		}
		if n := f.calls("splice") - before; n != 2 {
			t.Errorf("%d calls of splice", n)
		}
	})
}

// frameOf returns the data of a receive that is answered by one frame.
func (c *client) frameOf(id int) []byte {
	c.t.Helper()
	f := c.frame().(etf.Tuple)
	if n, ok := number(f[0]); !ok || n != id {
		c.t.Fatalf("another frame: %s", text(f[0]))
	}
	return f[1].(etf.Tuple)[1].(etf.Binary)
}

func TestALargeSendAllocatesNothing(t *testing.T) {
	f := injectFaults(t)
	const size = 40_000 // a pipe has room for all of it
	c := newClient(t)
	m := newTorrent(t, c, f, 0)
	c.want(c.do(tuple("hello", dict{"consumed": atom("false")})), "ok")
	go func() {
		p := make([]byte, 1<<20)
		for err := error(nil); err == nil; {
			_, err = m.peer.Read(p)
		}
	}()
	b := append(etf.AppendVersion(make([]byte, 4)), append(etf.AppendInt(etf.AppendTuple(nil, 2), 1),
		tuple("send", m.socket, 1, none, atom("infinity"), none, size, random(size))...)...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	round := func() {
		m.put(b)
		<-c.out
	}
	for range 50 {
		round()
	}
	const rounds = 200
	before := f.calls("splice")
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	for range rounds {
		round()
	}
	runtime.ReadMemStats(&m1)
	// The goroutine that reads the answers makes a head and a body of each.
	if n := m1.Mallocs - m0.Mallocs; n > 2*rounds+rounds/10 {
		t.Errorf("%d allocations in %d sends", n-2*rounds, rounds)
	}
	if n := f.calls("splice") - before; n < rounds {
		t.Errorf("%d calls of splice in %d sends", n, rounds)
	}
}
