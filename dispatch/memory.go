package dispatch

import (
	"runtime/debug"
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
	for _, x := range s.dispatchers {
		x.loop.Post(func() {
			x.shrink()
			if left.Add(-1) == 0 {
				go debug.FreeOSMemory()
			}
		})
	}
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
