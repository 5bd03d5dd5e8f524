package dispatch

import (
	"bytes"
	"testing"

	"gosocket/etf"
)

// gather collects the data of a recv out of its parts and its reply, and serves a send meanwhile.
// It returns the reason when the reply is an error.
func (c *client) gather(receiving int, s uint64, sending int, data []byte) (got []byte, reason string) {
	c.t.Helper()
	for {
		f := c.frame().(etf.Tuple)
		n, isReply := number(f[0])
		who, _ := number(f[1])
		switch {
		case isReply && n == receiving:
			switch result := f[1].(etf.Tuple)[1].(type) {
			case etf.Binary:
				return append(got, result...), ""
			case etf.Tuple: // {Reason, Data}
				return append(got, result[1].(etf.Binary)...), text(result[0])
			default:
				return got, text(f[1])
			}
		case text(f[0]) == "more" && who == receiving:
			got = append(got, f[2].(etf.Binary)...)
		case text(f[0]) == "want" && who == sending:
			c.serve(s, sending, f, data)
		default:
			c.kept = append(c.kept, f)
		}
	}
}

func TestALargeReceiveIsPoured(t *testing.T) {
	f := injectFaults(t)
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.pair()
		data := random(20 << 20)
		sending := c.call(sendOf(a, 1, atom("infinity"), data))
		before := f.calls("splice")
		got, reason := c.gather(c.call(recv(b, 2, len(data), 10_000)), a, sending, data)
		if !bytes.Equal(got, data) {
			t.Fatalf("%d bytes came of %d, or others; %s", len(got), len(data), reason)
		}
		c.want(c.reply(sending), "ok")
		if f.calls("splice") == before {
			t.Error("nothing was spliced")
		}
	})
}

func TestPouredPartsOfSeveralReceiversDoNotMix(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		const receivers = 5
		var ids [receivers]int
		for i := range ids {
			a, b := c.pair()
			data := random(1<<20 + i)
			sending := c.call(sendOf(a, 1, atom("infinity"), data))
			ids[i] = c.call(recv(b, 2, len(data), 10_000))
			if got, reason := c.gather(ids[i], a, sending, data); !bytes.Equal(got, data) {
				t.Fatalf("receiver %d: %d bytes, or others; %s", i, len(got), reason)
			}
		}
	})
}

func TestASmallRestBehindAPouredPartIsRead(t *testing.T) {
	c := newClient(t)
	a, b := c.pair()
	data := random(200_001)
	c.want(c.feed(a, c.call(sendOf(a, 1, atom("infinity"), data)), data), "ok")
	for _, n := range []int{70_000, 65_536, 64_465} { // above, at and below the least that is poured
		got, reason := c.gather(c.call(recv(b, 2, n, 5000)), 0, -1, nil)
		if !bytes.Equal(got, data[:n]) {
			t.Fatalf("other bytes in the part of %d; %s", n, reason)
		}
		data = data[n:]
	}
}

func TestWhatWasPouredBeforeTheDeadlineIsPartOfTheError(t *testing.T) {
	c := newClient(t)
	a, b := c.pair()
	data := random(300_000)
	c.want(c.feed(a, c.call(sendOf(a, 1, atom("infinity"), data)), data), "ok")
	got, reason := c.gather(c.call(recv(b, 2, 1_000_000, 100)), 0, -1, nil)
	c.want(reason, "timeout")
	if !bytes.Equal(got, data) {
		t.Fatalf("%d bytes came of %d, or others", len(got), len(data))
	}
}

// A descriptor that others may read from as well is not spliced from: see socketcore/splice.go.
func TestASocketOfADescriptorIsNotPouredFrom(t *testing.T) {
	f := injectFaults(t)
	c := newClient(t)
	a, b := c.pair()
	dup := c.openedFD(c.fd(b), dict{})
	data := random(300_000)
	c.want(c.feed(a, c.call(sendOf(a, 1, atom("infinity"), data)), data), "ok")
	got, reason := c.gather(c.call(recv(dup, 2, len(data), 5000)), 0, -1, nil)
	if !bytes.Equal(got, data) || f.calls("splice") != 0 {
		t.Fatalf("%d bytes came, %d calls of splice; %s", len(got), f.calls("splice"), reason)
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
