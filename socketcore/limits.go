package socketcore

import (
	"math"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Limits are for all loops of a program together. Who would exceed one is told so; nobody else notices.
type Limits struct {
	Sockets int64 // open at a time: emfile
	Waiting int64 // operations that wait, without selects: enobufs
	Selects int64 // that are armed or have fired: enobufs
	Unread  int64 // bytes that waiting receives have gathered: enobufs
	FDs     int64 // descriptors that came with messages and were not opened: they are cut off
	Memory  int64 // bytes of the program, of which half may be in use when something is to wait or to be opened: enomem; 0 for any
}

// complete has 0 stand for as many as can be.
func (l *Limits) complete() {
	for _, n := range []*int64{&l.Sockets, &l.Waiting, &l.Selects, &l.Unread, &l.FDs} {
		if *n == 0 {
			*n = math.MaxInt64
		}
	}
}

// Negative names one that makes no sense.
func (l *Limits) Negative() string {
	switch {
	case l.Sockets < 0:
		return "socket"
	case l.Waiting < 0:
		return "waiting"
	case l.Selects < 0:
		return "select"
	case l.Unread < 0:
		return "unread"
	case l.FDs < 0:
		return "received"
	case l.Memory < 0:
		return "memory"
	}
	return ""
}

// Totals are what is there of all that has a limit, in all loops of a program.
type Totals struct {
	Parked  atomic.Int64 // bytes of payload kept
	Unread  atomic.Int64
	Sockets atomic.Int64
	Waiting atomic.Int64
	Selects atomic.Int64
	memory  memoryWatch
}

// ReceivedFDs is how many descriptors came with messages and were not opened.
func ReceivedFDs() int64 { return fds.unopenedAll.Load() }

// takePlace counts a socket that is about to be; givePlace one that is not any more.
func (l *Loop) takePlace() Code {
	t := l.totals
	switch n := t.Sockets.Add(1); {
	case n > l.cfg.Limits.Sockets:
		t.Sockets.Add(-1)
		return Code(unix.EMFILE)
	case t.memory.isShort(l.cfg.Limits.Memory):
		t.Sockets.Add(-1)
		return Code(unix.ENOMEM)
	}
	return 0
}

func (l *Loop) givePlace() { l.totals.Sockets.Add(-1) }

// mayPark tells by 0 that one more operation may wait, with what it has gathered. It is counted then; who is not parked uncounts it.
func (l *Loop) mayPark(o *Op) Code {
	t := l.totals
	n, limit := &t.Waiting, l.cfg.Limits.Waiting
	if o.Mode == Select {
		n, limit = &t.Selects, l.cfg.Limits.Selects
	}
	if o.counted == nil && !o.nobody {
		o.counted = n
		if n.Add(1) > limit { // other loops count, too
			return Code(unix.ENOBUFS)
		}
	}
	switch {
	case t.memory.isShort(l.cfg.Limits.Memory):
		return Code(unix.ENOMEM)
	case o.Mode == Wait && l.weigh(o): // others are given at once what they have gathered
		return Code(unix.ENOBUFS)
	}
	return 0
}

// countParked counts an operation that waits from now on, uncountParked one that does no more.
func (l *Loop) countParked(o *Op) {
	switch {
	case o.nobody || o.counted != nil:
		return
	case o.state == armed || o.state == fired:
		o.counted = &l.totals.Selects
	default:
		o.counted = &l.totals.Waiting
	}
	o.counted.Add(1)
}

func (l *Loop) uncountParked(o *Op) {
	if o.counted != nil {
		o.counted.Add(-1)
		o.counted = nil
	}
	if o.unread > 0 {
		l.totals.Unread.Add(-int64(o.unread))
		o.unread = 0
	}
}

// weigh counts what a receive that waits, or is about to, has gathered. It tells whether there is more of it now, and that is too
// much for all of them.
func (l *Loop) weigh(o *Op) (over bool) {
	if o.Kind >= Accept {
		return false
	}
	l.trim(o)
	if len(o.got) == o.unread {
		return false
	}
	more := len(o.got) - o.unread
	o.unread = len(o.got)
	return l.totals.Unread.Add(int64(more)) > l.cfg.Limits.Unread && more > 0
}

// A memoryWatch looks now and then how much memory is in use. Only a collection finds that out, and the runtime may let the heap
// grow to several times of it between two: when the heap is larger than half of the limit it is collected. The runtime is told
// the limit, too (debug.SetMemoryLimit).
type memoryWatch struct {
	short   atomic.Bool
	last    atomic.Int64 // when somebody looked
	collect atomic.Int64 // when the next collection may begin
}

const (
	memoryRest  = int64(time.Millisecond)      // between two looks: each costs 500 ns
	collectRest = int64(10 * time.Millisecond) // between two collections, or four times as long as the last one took
)

// isShort tells whether half of the limit is in use.
func (m *memoryWatch) isShort(limit int64) bool {
	if limit == 0 {
		return false
	}
	now, last := Now(), m.last.Load()
	if now-last < memoryRest || !m.last.CompareAndSwap(last, now) {
		return m.short.Load()
	}
	live, heap := readHeap()
	short := live > limit/2
	m.short.Store(short)
	if next := m.collect.Load(); heap > limit/2 && now >= next && m.collect.CompareAndSwap(next, math.MaxInt64) {
		go func() { // of a large heap it takes longer than a loop may stand
			runtime.GC()
			end := Now()
			m.collect.Store(end + max(collectRest, 4*(end-now)))
		}()
	}
	return short
}

// readHeap tells how many bytes the last collection found in use, and how many there are now with what is garbage.
func readHeap() (live, heap int64) {
	samples := [2]metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(samples[:])
	for i, n := range []*int64{&live, &heap} {
		if samples[i].Value.Kind() == metrics.KindUint64 {
			*n = int64(samples[i].Value.Uint64())
		}
	}
	return live, heap
}
