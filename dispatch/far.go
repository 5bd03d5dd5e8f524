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
	atHome(x, d, socket, id, do)
}
