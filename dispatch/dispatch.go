// Package dispatch turns the terms of the protocol (docs/protocol.md) into calls of
// socketcore and their results into terms.
package dispatch

import (
	"errors"
	"math"
	"sync/atomic"

	"github.com/rs/zerolog"

	"gosocket/etf"
	"gosocket/port"
	"gosocket/socketcore"
)

// ProtocolVersion is the version of docs/protocol.md that the helper speaks.
const ProtocolVersion = 0

// flushReplies is how many replies may gather before they are written while more
// requests wait: the receiver then works beside us.
const flushReplies = 24

// flushBytes is how many bytes of frames may gather.
const flushBytes = 256 << 10

// features are the frames that a client wants, as its hello says, and whether it wants them in batches.
type features struct{ watch, delivered, consumed, closed, batch, ahead bool }

// A Dispatcher serves the requests for the sockets of one loop.
type Dispatcher struct {
	server *Server
	loop   *socketcore.Loop
	log    *zerolog.Logger

	out       []byte
	frames    int // in out, elements of batches counted
	batch     batch
	total     uint64 // frames ever put into out
	copyStart int    // of the frame that CopyRoom has begun
	room      int    // where the bytes of Room begin in out
	confirm   bool   // a reader waits for a confirmation
	flushes   []flush
	waiting   atomic.Bool // wants to hear what the client confirms

	// Kept from call to call, so that a call allocates nothing.
	cur    call
	args   etf.Decoder
	to     socketcore.Sockaddr
	ctrl   []byte
	bounce []byte
	pid    []byte

	stats  statistics
	traces map[uint32]*trace // calls to be logged when they are answered
}

// flush remembers which number the last frame of a write has among all of the program's frames, and
// of how many it is the last.
type flush struct{ own, global, frames uint64 }

// A call is one request being served.
type call struct {
	*Dispatcher
	d    *etf.Decoder
	id   uint32
	args int
	far  bool
	term []byte // all of it
}

var errItem = errors.New("no item of the protocol")

// item serves one element of a frame.
func (x *Dispatcher) item(d *etf.Decoder) {
	start := d.Offset()
	n := d.Tuple()
	if n < 0 {
		return
	}
	if d.Kind() == etf.KindInt {
		if n != 2 {
			d.Fail(errItem)
			return
		}
		id := d.Uint()
		if id > math.MaxInt32 {
			d.Fail(errItem)
			return
		}
		x.loop.SendGathered()
		x.request(d, uint32(id))
		return
	}
	name := d.Atom()
	if string(name) != sendAheadItem {
		x.loop.SendGathered()
	}
	handler, ok := items[string(name)]
	if !ok || handler.arity != n {
		if d.Err() == nil {
			d.Fail(errItem)
		}
		return
	}
	handler.serve(x, d, start)
}

type itemRow struct {
	arity int
	serve func(x *Dispatcher, d *etf.Decoder, start int)
}

// items are what a client sends besides requests.
var items map[string]itemRow

func init() {
	items = map[string]itemRow{
		"chunk":       {5, (*Dispatcher).chunk},
		"debug":       {3, (*Dispatcher).debug},
		"died":        {2, (*Dispatcher).died},
		"delivered":   {2, (*Dispatcher).deliveredItem},
		"handback":    {3, (*Dispatcher).handback},
		"took":        {6, (*Dispatcher).took},
		sendAheadItem: {3, (*Dispatcher).sendAhead},
		"arrived":     {3, (*Dispatcher).arrived},
		"drop":        {3, (*Dispatcher).drop},
		"ping":        {2, (*Dispatcher).ping},
		"clock":       {2, (*Dispatcher).clock},
	}
}

// request serves {Id, Call}, of which the decoder stands at Call.
func (x *Dispatcher) request(d *etf.Decoder, id uint32) {
	if d.Err() != nil || x.everyDay(d, id) {
		return
	}
	term := d.Raw()
	if d.Err() != nil {
		return
	}
	args := &x.args
	args.Reset(term)
	name, n, far := callHead(args)
	row, ok := calls[string(name)]
	x.cur = call{x, args, id, n, far, term}
	c := &x.cur
	if args.Err() != nil || !ok || c.args < row.least || c.args > row.most {
		c.badarg()
		return
	}
	if row.of >= ofSocket && len(x.server.dispatchers) > 1 {
		sid := *args
		if to := socketcore.LoopOf(sid.Uint()); sid.Err() == nil && x.server.forward(x, to, id, term) {
			return
		}
	}
	x.stats.calls[row.number]++
	if x.tracing() {
		c.trace(string(name), row.of)
	}
	start, frames := len(x.out), x.frames
	row.serve(c)
	if answered := len(x.out) != start || x.frames != frames; args.Err() != nil && !answered {
		c.badarg()
	}
}

// callHead reads what a call begins with: its name, and how many arguments follow.
func callHead(d *etf.Decoder) (name []byte, args int, far bool) {
	n := d.Tuple()
	name = d.Atom()
	if far = n == 2 && string(name) == "far"; far {
		n = d.Tuple()
		name = d.Atom()
	}
	return name, n - 1, far
}

// begin starts the reply frame of a request and leaves the caller to append the Result.
func (x *Dispatcher) begin(id uint32) int {
	start := len(x.out)
	b := port.BeginFrame(x.out)
	b = etf.AppendVersion(b)
	b = etf.AppendTuple(b, 2)
	x.out = etf.AppendInt32(b, int32(id))
	return start
}

// end completes a frame.
func (x *Dispatcher) end(start int) {
	x.out = port.EndFrame(x.out, start)
	x.count(start, 0)
	x.enroll(start)
	x.writeMuch()
}

// endAlone completes a frame that must not be part of a batch.
func (x *Dispatcher) endAlone(start int) {
	x.out = port.EndFrame(x.out, start)
	x.count(start, 0)
	x.writeMuch()
}

// writeMuch sends the frames that have gathered when they are many or large.
func (x *Dispatcher) writeMuch() {
	if x.frames >= flushReplies || len(x.out) >= flushBytes {
		x.write()
	}
}

// count notes a frame that is complete but for the bytes that are poured from a pipe.
func (x *Dispatcher) count(start, poured int) {
	x.frames++
	x.total++
	if len(x.traces) > 0 {
		x.traced(x.out[start+port.HeadSize:], poured)
	}
}

// message starts a frame of another kind: a tuple of n elements named name.
func (x *Dispatcher) message(n int, name string) int {
	start := len(x.out)
	b := port.BeginFrame(x.out)
	b = etf.AppendVersion(b)
	x.out = etf.AppendAtom(etf.AppendTuple(b, n), name)
	return start
}

// badarg replies with that exception.
func (c *call) badarg() { c.answer(badarg()) }

// answer replies with a verdict: ok, an error or an exception.
func (c *call) answer(v verdict) {
	start := c.begin(c.id)
	c.out = v.append(c.out)
	c.end(start)
}

// answerCode replies ok or {error, Reason}.
func (c *call) answerCode(code socketcore.Code) {
	start := c.begin(c.id)
	c.out = appendCode(c.out, code)
	c.end(start)
}

func appendCode(b []byte, code socketcore.Code) []byte {
	if code == 0 {
		return etf.AppendAtom(b, "ok")
	}
	return appendError(b, code)
}

// appendError appends {error, Reason}, or the exception that the code stands for.
func appendError(b []byte, code socketcore.Code) []byte {
	if code == socketcore.Already {
		v := raise("ealready")
		return v.append(b)
	}
	return appendReason(etf.AppendAtom(etf.AppendTuple(b, 2), "error"), code)
}

func appendReason(b []byte, code socketcore.Code) []byte {
	switch code {
	case socketcore.Closed:
		return etf.AppendAtom(b, "closed")
	case socketcore.Timeout:
		return etf.AppendAtom(b, "timeout")
	case socketcore.NoMemory:
		return etf.AppendAtom(b, "exalloc")
	}
	return etf.AppendAtom(b, socketcore.ErrnoName(socketcore.Errno(code)))
}
