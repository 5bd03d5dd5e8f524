package dispatch

import (
	"math"

	"gosocket/etf"
	"gosocket/socketcore"
)

// Most requests are sends and receives without flags, time-out and select, in the form in which
// most clients write them. They are served without what others need. A request that is not exactly one
// of these is none, whatever it means.

// How these begin, and the flags, time-out and reference of most.
const (
	recvHead = "\x68\x07\x77\x04recv"
	sendHead = "\x68\x08\x77\x04send"
	plainEnd = "\x6a" + "\x77\x08infinity" + "\x6a"
)

var noReference = []byte{'\x6a'}

// everyDay serves a call if it is one of these, and tells whether it was; if not, nothing was done.
func (x *Dispatcher) everyDay(d *etf.Decoder, id uint32) bool {
	args := *d
	isRecv := args.Match(recvHead)
	if !isRecv && !args.Match(sendHead) || len(x.server.dispatchers) > 1 || x.tracing() {
		return false
	}
	socket := args.Uint()
	if isRecv {
		process := x.process(&args)
		length := args.Uint()
		if !args.Match(plainEnd) || args.Err() != nil {
			return false
		}
		*d = args
		x.stats.calls[recvNumber]++
		o := x.newOp(socketcore.Recv, id, process)
		o.Length = int(min(length, math.MaxInt))
		x.loop.Receive(x.loop.Find(socket), o)
		return true
	}
	process := args
	if args.Kind() == etf.KindInt {
		args.Uint()
	} else {
		args.Skip()
	}
	if !args.Match(plainEnd) {
		return false
	}
	total := args.Uint()
	data := args.Binary()
	if args.Err() != nil || total != uint64(len(data)) || len(data) > x.server.cfg.Window {
		return false
	}
	*d = args
	x.stats.calls[sendNumber]++
	x.sendNow(x.loop.Find(socket), id, data, process)
	return true
}

// sendNow sends and answers. An operation is needed only when that is not done with one system call, and only then who asks.
func (x *Dispatcher) sendNow(s *socketcore.Socket, id uint32, data []byte, process etf.Decoder) {
	n, code, tried := x.loop.SendNow(s, data)
	if tried && code == 0 && n == len(data) {
		x.sent(id)
		return
	}
	o := x.newOp(socketcore.Send, id, x.process(&process))
	o.Data, o.Total = data, len(data)
	if tried {
		x.loop.GoOn(s, o, n, code)
	} else {
		x.loop.Submit(s, o)
	}
}

// newOp returns an operation that waits for as long as it takes.
func (x *Dispatcher) newOp(kind socketcore.Kind, id uint32, process []byte) *socketcore.Op {
	o := x.loop.NewOp()
	o.Kind, o.ID, o.Process = kind, id, process
	o.Mode, o.Deadline, o.Ref = socketcore.Wait, socketcore.Forever, noReference
	return o
}
