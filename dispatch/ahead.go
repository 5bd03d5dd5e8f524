package dispatch

import (
	"encoding/binary"
	"math"

	"gosocket/etf"
	"gosocket/socketcore"
)

// copyHead is more than a copy has before its data.
const copyHead = 64

// CopyRoom implements socketcore.Handler: {ahead, Id, Socket, Size, Data}, with the Size that a receive for all there is would get.
func (x *Dispatcher) CopyRoom(s *socketcore.Socket, id uint32, n int) []byte {
	if x.tracing() {
		return nil
	}
	all := s.RcvBuf
	if s.RcvCount > 0 {
		all = 0
	}
	x.grow(copyHead + n)
	x.copyStart = x.message(5, "ahead")
	b := etf.AppendUint(etf.AppendInt32(x.out, int32(id)), s.ID)
	x.out = etf.AppendBinaryHead(etf.AppendInt32(b, int32(min(all, math.MaxInt32))), n)
	return x.out[len(x.out) : len(x.out)+n : len(x.out)+n]
}

// Copied implements socketcore.Handler.
func (x *Dispatcher) Copied(n int) {
	if n == 0 {
		x.out = x.out[:x.copyStart]
		return
	}
	data := len(x.out)
	binary.BigEndian.PutUint32(x.out[data-4:], uint32(n))
	x.out = x.out[:data+n]
	x.endAlone(x.copyStart)
}

// took serves {took, Socket, Bytes, Calls, Largest, Left}.
func (x *Dispatcher) took(d *etf.Decoder, _ int) {
	socket := d.Uint()
	t := socketcore.Taking{Bytes: x.bytes(d), Calls: x.bytes(d), Largest: x.bytes(d), Left: x.bytes(d)}
	atHome(x, d, socket, t, func(y *Dispatcher, s *socketcore.Socket, t socketcore.Taking) { y.loop.Took(s, &t) })
}

func (x *Dispatcher) bytes(d *etf.Decoder) int { return int(min(d.Uint(), math.MaxInt32)) }

// Credit implements socketcore.Handler.
func (x *Dispatcher) Credit(s *socketcore.Socket, n int) { x.aboutSends("credit", s, n) }

// Sent implements socketcore.Handler.
func (x *Dispatcher) Sent(s *socketcore.Socket, n int) { x.aboutSends("sent", s, n) }

func (x *Dispatcher) aboutSends(name string, s *socketcore.Socket, n int) {
	start := x.message(3, name)
	x.out = etf.AppendInt(etf.AppendUint(x.out, s.ID), int64(n))
	x.end(start)
}

const sendAheadItem = "send_ahead"

// sendAhead serves {send_ahead, Socket, Data}.
func (x *Dispatcher) sendAhead(d *etf.Decoder, _ int) {
	socket, data := d.Uint(), d.Binary()
	atHome(x, d, socket, x.own(socket, data), func(y *Dispatcher, s *socketcore.Socket, data []byte) { y.loop.SendAhead(s, data) })
}
