package dispatch

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"gosocket/port"
)

// droppings are the ways in which something large comes to be of no use. Each prepares what it drops, and says how
// many bytes that is.
var droppings = map[string]func(c *client, s uint64) (n int, drop func()){
	"meta of a socket that closes": func(c *client, s uint64) (int, func()) {
		c.setMeta(s, random(60_000))
		return 60_000, func() { c.want(c.do(tuple("close", s, 1)), "ok") }
	},
	"meta that is replaced": func(c *client, s uint64) (int, func()) {
		c.setMeta(s, random(60_000))
		return 60_000, func() { c.setMeta(s, nil) }
	},
	"an argument that is wrong": func(c *client, s uint64) (int, func()) {
		return port.ReaderKeeps, func() { c.do(tuple("bind", s, random(port.ReaderKeeps))) }
	},
	"what came back and nobody reads": func(c *client, _ uint64) (int, func()) {
		b := c.cameBack(60_000)
		return 60_000, func() { c.want(c.do(tuple("close", b, 1)), "ok") }
	},
	"what came back and is read": func(c *client, _ uint64) (int, func()) {
		b := c.cameBack(60_000)
		return 60_000, func() { c.do(recv(b, 1, 60_000, 1000)) }
	},
	"what came back and is read as a message": func(c *client, _ uint64) (int, func()) {
		b := c.cameBack(60_000)
		return 60_000, func() { c.do(tuple("recvfrom", b, 1, 60_000, none, 1000, none)) }
	},
	"room for control messages": func(c *client, s uint64) (int, func()) {
		return 100_000, func() { c.do(tuple("recvmsg", s, 1, 0, 100_000, none, 0, none)) }
	},
	"what is kept of calls for the next ones": func(c *client, s uint64) (int, func()) {
		const calls, each = 1000, 256 // bytes at least
		for i := range calls {
			c.call(recv(s, i+1, 1, 600_000))
		}
		return calls * each, func() { c.want(c.do(tuple("close", s, 1)), "ok") }
	},
	"control messages of a send that waits": func(c *client, s uint64) (int, func()) {
		c.want(c.do(tuple("setopt", s, 1, atom("otp"), atom("sndctrlbuf"), 200_000)), "ok")
		c.fill(s)
		c.call(tuple("send", s, 2, none, atom("infinity"), none, 1, "x"))
		control := dict{"level": 1, "type": 99, "data": random(100_000)}
		c.call(tuple("sendmsg", s, 3, atom("undefined"), []any{control}, none, atom("infinity"), none, 1, "x"))
		return 100_000, func() { c.want(c.do(tuple("close", s, 1)), "ok") }
	},
}

func (c *client) setMeta(s uint64, value []byte) {
	c.t.Helper()
	c.want(c.do(tuple("setopt", s, 1, atom("otp"), atom("meta"), value)), "ok")
}

// cameBack returns a socket that holds so many bytes that a dead process has read.
func (c *client) cameBack(n int) (b uint64) {
	c.t.Helper()
	a, b := c.pair()
	c.want(c.do(send(a, 1, string(random(n)))), "ok")
	c.lost(7, b, c.resultOf(c.call(recv(b, 7, n, 1000))))
	c.do(tuple("sockname", b)) // it is back
	return b
}

// TestWhatIsDroppedIsCounted: nobody looks for memory that is of no use any more but where this is counted.
func TestWhatIsDroppedIsCounted(t *testing.T) {
	for name, dropping := range droppings {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			s, _ := c.localPair(t.TempDir())
			n, drop := dropping(c, s)
			freed := &c.server.memory.freed
			before := freed.Load()
			drop()
			if counted := freed.Load() - before; counted < int64(n) {
				t.Errorf("%d bytes of %d were counted", counted, n)
			}
		})
	}
}

var kept [10][]byte

// TestFreeMemoryIsTheSystems has bursts of buffers of all sizes. How much debug.FreeOSMemory alone leaves after one is chance,
// from nothing to some MiB.
func TestFreeMemoryIsTheSystems(t *testing.T) {
	// A processor of the runtime that is busy keeps the pages that it has taken for itself.
	const pages = 64 * 8 << 10
	most := 2*idleMax + uint64(runtime.GOMAXPROCS(0))*pages
	for range 10 {
		for range 200 {
			buffer := make([]byte, (64+rand.IntN(8000))<<10)
			for i := 0; i < len(buffer); i += 4096 {
				buffer[i] = 1
			}
			kept[rand.IntN(len(kept))] = buffer
		}
		clear(kept[:])
		returnMemory()
		if idle, released := idleMemory(); idle > most {
			t.Errorf("%d KiB are free and not the system's, %d are", idle>>10, released>>10)
		}
	}
}
