package dispatch

import (
	"bytes"

	"gosocket/etf"
	"gosocket/socketcore"
)

const (
	// maxFlushes bounds the memory of writes that the client has not confirmed.
	maxFlushes = 1 << 16
	// manyFlushes are worth a look at what it has.
	manyFlushes = 128
)

// remember notes under which number of all frames the newest frame of this loop has left.
func (x *Dispatcher) remember(f flush) {
	n := len(x.flushes)
	if n >= maxFlushes {
		x.flushes[n-1] = f // coarser: confirmed a little later than it could be
		return
	}
	if n >= manyFlushes {
		x.waiting.Store(true)
	}
	x.flushes = append(x.flushes, f)
}

// apply lets readers go on that wait for what the client has confirmed.
func (x *Dispatcher) apply(global uint64) {
	i, own := 0, uint64(0)
	for i < len(x.flushes) && x.flushes[i].global <= global {
		own = x.flushes[i].own
		i++
	}
	if i < len(x.flushes) {
		// The client may have seen the first frames of a write, and who got them may be dead by now.
		if f := &x.flushes[i]; f.global-global < f.frames {
			own = f.own - (f.global - global)
		}
	}
	x.flushes = x.flushes[:copy(x.flushes, x.flushes[i:])]
	if own > 0 {
		x.loop.Delivered(own)
	}
	if !x.loop.Holding() {
		x.waiting.Store(false)
	}
}

// Flush implements socketcore.Handler.
func (x *Dispatcher) Flush() {
	if x.loop.Quiet() && len(x.out) > 0 {
		x.loop.LookAgain(1)
	}
	if x.confirm {
		x.catchUp()
	}
	x.loop.TellHanded()
	x.write()
	if !x.confirm {
		return
	}
	x.confirm = false
	if n := len(x.flushes); n > 0 && x.loop.Holding() {
		start := x.message(2, "confirm")
		x.out = etf.AppendUint(x.out, x.flushes[n-1].global)
		x.end(start)
		x.write()
	}
}

// catchUp applies what the client has confirmed already. Waiting is set before the look, so
// that what comes later is posted; what was handed back before it lies in the inbox.
func (x *Dispatcher) catchUp() {
	x.waiting.Store(true)
	n := x.server.delivered.Load()
	if len(x.server.dispatchers) > 1 {
		x.loop.Drain()
	}
	x.apply(n)
}

// deliveredItem serves {delivered, N}.
func (x *Dispatcher) deliveredItem(d *etf.Decoder, _ int) {
	n := d.Uint()
	if d.Err() != nil {
		return
	}
	s := x.server
	s.delivered.Store(n)
	for _, y := range s.dispatchers {
		switch {
		case y == x:
			x.apply(n)
		case y.waiting.Load():
			y.loop.Post(func() { y.apply(n) })
		}
	}
}

// ping serves {ping, N}.
func (x *Dispatcher) ping(d *etf.Decoder, _ int) {
	n := d.Raw()
	if d.Err() != nil {
		return
	}
	start := x.message(2, "pong")
	x.out = etf.AppendRaw(x.out, n)
	x.end(start)
}

// clock serves {clock, N}: a client compares its own clock with the one that deadlines go by.
func (x *Dispatcher) clock(d *etf.Decoder, _ int) {
	n := d.Raw()
	if d.Err() != nil {
		return
	}
	start := x.message(3, "clock")
	x.out = etf.AppendInt(etf.AppendRaw(x.out, n), socketcore.Now())
	x.end(start)
}

// died serves {died, Process}.
func (x *Dispatcher) died(d *etf.Decoder, _ int) {
	process := d.Raw()
	if d.Err() != nil {
		return
	}
	s := x.server
	if len(s.dispatchers) > 1 {
		s.mu.Lock()
		delete(s.watched, string(process))
		s.mu.Unlock()
		process = append([]byte(nil), process...)
	}
	// A loop where nobody waits for it has not heard what is delivered. What is confirmed later is not
	// for this: it may tell of what is yet to be handed back.
	n := s.delivered.Load()
	dead := func(t *trace) bool { return bytes.Equal(t.process, process) }
	for _, y := range s.dispatchers {
		if y == x {
			x.loop.Died(process)
			x.untrace(dead)
		} else {
			y.loop.Post(func() {
				y.apply(n)
				y.loop.Died(process)
				y.untrace(dead)
			})
		}
	}
}

// watch asks for news of a process, or no longer, once for all loops.
func (s *Server) watch(x *Dispatcher, process []byte, on bool) {
	name := "unwatch"
	if on {
		name = "watch"
	}
	switch {
	case !s.want.watch.Load():
		return
	case len(s.dispatchers) == 1:
		x.aboutProcess(name, process)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before, self := s.watched[string(process)], uint32(1)<<x.loop.Index()
	after := before &^ self
	if on {
		after = before | self
	}
	if after == 0 {
		delete(s.watched, string(process))
	} else {
		s.watched[string(process)] = after
	}
	if (before == 0) != (after == 0) {
		x.aboutProcess(name, process)
		x.write() // before another loop says the opposite
	}
}

// piece is what a chunk brings.
type piece struct {
	id     uint32
	offset int
	data   []byte
}

// chunk serves {chunk, Socket, Id, Offset, Data}.
func (x *Dispatcher) chunk(d *etf.Decoder, _ int) {
	socket, id, offset, data := d.Uint(), uint32(d.Uint()), d.Int(), d.Binary()
	if offset != int64(int(offset)) {
		return
	}
	atHome(x, d, socket, piece{id, int(offset), x.own(socket, data)}, func(y *Dispatcher, _ *socketcore.Socket, p piece) {
		y.loop.Chunk(p.id, p.offset, p.data)
	})
}
