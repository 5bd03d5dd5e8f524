package dispatch

import (
	"gosocket/etf"
	"gosocket/socketcore"
)

// arrived serves {arrived, Socket, Id}: a result of a far call has reached its receiver.
func (x *Dispatcher) arrived(d *etf.Decoder, _ int) {
	x.aboutCall(d, func(y *Dispatcher, s *socketcore.Socket, id uint32) { y.loop.Arrived(s, id) })
}

// drop serves {drop, Socket, Id}: nobody waits for this call any more.
func (x *Dispatcher) drop(d *etf.Decoder, _ int) {
	x.aboutCall(d, func(y *Dispatcher, s *socketcore.Socket, id uint32) {
		y.loop.Drop(s, id)
		y.untrace(func(t *trace) bool { return t.id == id })
	})
}

// aboutCall does something about a call on the loop of its socket.
func (x *Dispatcher) aboutCall(d *etf.Decoder, do func(y *Dispatcher, s *socketcore.Socket, id uint32)) {
	socket, id := d.Uint(), uint32(d.Uint())
	if d.Err() != nil {
		return
	}
	y := x.server.home(socket)
	switch y {
	case nil:
	case x:
		do(x, x.loop.Find(socket), id)
	default:
		y.loop.Post(func() { do(y, y.loop.Find(socket), id) })
	}
}
