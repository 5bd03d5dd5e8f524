package dispatch

import (
	"bytes"
	"fmt"
	"math"

	"gosocket/etf"
	"gosocket/socketcore"
)

// A trace is what the log will say of a call that is not answered yet.
type trace struct {
	id      uint32
	call    string
	socket  uint64
	fd      int // -1 for no socket
	process []byte
	args    string
	start   int64
	more    int // bytes that went ahead of the answer
}

// tracing tells whether anybody wants to see calls, which costs no more than this where nobody does.
func (x *Dispatcher) tracing() bool { return x.server.tracing.Load() || x.loop.Debugged() }

// debug serves {debug, Debug, SocketDebug}: whether all calls are logged, and whether the sockets that are
// opened from now on have the option debug.
func (x *Dispatcher) debug(d *etf.Decoder, _ int) {
	all, sockets := string(d.Atom()) == "true", string(d.Atom()) == "true"
	if d.Err() != nil {
		return
	}
	s := x.server
	s.debugAll.Store(all)
	s.debugSocks.Store(sockets)
	s.tracing.Store(all || sockets)
}

// trace notes a call if it is to be logged.
func (c *call) trace(name string, of subject) {
	t := trace{call: name, fd: -1}
	d, n := *c.d, c.args
	wanted := c.server.debugAll.Load() || of == ofOwner && c.server.debugSocks.Load()
	if of >= ofSocket {
		n--
		t.socket = d.Uint()
		if s := c.loop.Find(t.socket); s != nil {
			t.fd = s.FD()
			wanted = wanted || s.Debug
		}
	}
	if wanted {
		c.note(t, of, d, n)
	}
}

// traceOpen has an open logged whose Opts say so.
func (c *call) traceOpen(opts *openOptions) {
	if !opts.debug || c.traces[c.id] != nil {
		return
	}
	var d etf.Decoder
	d.Reset(c.term)
	name, n, _ := callHead(&d)
	c.note(trace{call: string(name), fd: -1}, ofOwner, d, n)
}

// note keeps what is known of a call until it is answered. The decoder stands at n arguments.
func (c *call) note(t trace, of subject, d etf.Decoder, n int) {
	if n > 0 && (of == ofOwner || of == ofCaller) {
		own := *c
		own.d = &d
		t.process = bytes.Clone(own.process())
		n--
	}
	t.args = textOf(d, n)
	t.start = socketcore.Now()
	if c.traces == nil {
		c.traces = make(map[uint32]*trace)
	}
	t.id = c.id
	c.traces[c.id] = &t
}

// handTrace moves the note of a call to the loop that goes on with it, when what it returns is called
// there.
func (c *call) handTrace(to *Dispatcher) func() {
	id, t := c.id, c.traces[c.id]
	if t == nil {
		return func() {}
	}
	delete(c.traces, id)
	return func() {
		if to.traces == nil {
			to.traces = make(map[uint32]*trace)
		}
		to.traces[id] = t
	}
}

// traced looks at a frame that goes out, as long as there are notes: it may be an answer to one of them.
// The last bytes of its data may be in a pipe.
func (x *Dispatcher) traced(frame []byte, poured int) {
	var d etf.Decoder
	d.Reset(frame)
	d.Version()
	n := d.Tuple()
	if n == 3 && string(d.Atom()) == "more" {
		if t := x.traces[uint32(d.Uint())]; t != nil {
			t.more += max(poured, len(d.Binary()))
		}
		return
	}
	if n != 2 || d.Kind() != etf.KindInt {
		return
	}
	id := uint32(d.Uint())
	if t := x.traces[id]; t != nil {
		delete(x.traces, id)
		if poured > 0 {
			x.logCall(t, fmt.Sprintf("{ok,<<... %d bytes>>}", poured))
		} else {
			x.logCall(t, textOf(d, 1))
		}
	}
}

// untrace ends the notes of calls that nobody waits for any more: they get no answer.
func (x *Dispatcher) untrace(which func(t *trace) bool) {
	for id, t := range x.traces {
		if which(t) {
			delete(x.traces, id)
			x.logCall(t, "nobody waits any more")
		}
	}
}

func (x *Dispatcher) logCall(t *trace, result string) {
	e := x.server.trace.Debug().Str("call", t.call)
	if t.socket != 0 {
		e = e.Uint64("socket", t.socket).Int("fd", t.fd)
	}
	if t.process != nil {
		var d etf.Decoder
		d.Reset(t.process)
		e = e.Str("process", textOf(d, 1))
	}
	if t.more > 0 {
		e = e.Int("ahead", t.more)
	}
	us := float64(socketcore.Now()-t.start) / 1e3
	e.Str("args", t.args).Str("result", result).Float64("us", math.Round(us*10)/10).Msg("call")
}
