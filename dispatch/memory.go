package dispatch

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// burst is how many bytes that are of no use any more are worth a look.
	burst = 1 << 20
	// calm is how long no more of them have to come before the system gets them back.
	calm = 3 * time.Second
)

// A reclaimer gives memory back to the system when a burst is over: of itself the Go runtime keeps what it once
// had for many minutes. It is told of what becomes free, so that nobody has to look while nothing does.
type reclaimer struct {
	freed  atomic.Int64
	armed  atomic.Bool
	shrink func() // lets go of what is kept for the next call
}

// add notes that n bytes are of no use any more.
func (r *reclaimer) add(n int) {
	if r.freed.Add(int64(n)) >= burst && r.armed.CompareAndSwap(false, true) {
		r.lookLater()
	}
}

func (r *reclaimer) lookLater() {
	r.freed.Store(0)
	time.AfterFunc(calm, func() {
		if r.freed.Load() >= burst {
			r.lookLater()
			return
		}
		r.armed.Store(false)
		r.shrink()
	})
}

// shrink has all loops let go of what they keep, and the last of them the runtime.
func (s *Server) shrink() {
	var left atomic.Int32
	left.Store(int32(len(s.dispatchers)))
	s.writer.Shrink()
	s.dispatchers[0].loop.Post(func() { s.reader.Shrink() })
	for _, x := range s.dispatchers {
		x.loop.Post(func() {
			x.shrink()
			if left.Add(-1) == 0 {
				go returnMemory()
			}
		})
	}
}

const (
	// idleMax is how many bytes of memory that is free and not the system's are worth a second look.
	idleMax = 512 << 10
	stirred = 256 << 10
)

// returnMemory gives the system all memory that is free. The runtime's scavenger passes over free pages in parts of
// the heap (chunks of 4 MiB) that it counts as done until something is freed there, and its background work may have
// counted some so too early: up to 10 MiB stayed. So something is freed everywhere then, memory that nobody has
// written to: strings.Builder gets it without zeros, and the system has nothing to bring in.
func returnMemory() {
	debug.FreeOSMemory()
	idle, released := idleMemory()
	if idle <= idleMax {
		return
	}
	blocks := make([]strings.Builder, (idle+released)/stirred*97/100) // what is in between does not fit: the heap is not to grow
	for i := range blocks {
		blocks[i].Grow(stirred - 1)
	}
	runtime.KeepAlive(blocks)
	debug.FreeOSMemory()
}

// idleMemory tells how many bytes of the heap are free and not the system's, and how many are the system's.
func idleMemory() (idle, released uint64) {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(heap)
	return heap[0].Value.Uint64(), heap[1].Value.Uint64()
}

func (x *Dispatcher) shrink() {
	x.loop.Shrink()
	x.bounce, x.ctrl = nil, nil
	if len(x.out) == 0 {
		x.out = make([]byte, 0, flushBytes)
	}
	if len(x.flushes) == 0 {
		x.flushes = nil
	}
}
