package dispatch

import (
	"gosocket/etf"
	"gosocket/socketcore"
)

// home is the dispatcher on whose loop a socket lives; nil for no loop of ours.
func (s *Server) home(socket uint64) *Dispatcher {
	if n := socketcore.LoopOf(socket); n < len(s.dispatchers) {
		return s.dispatchers[n]
	}
	return nil
}

// atHome does something about a socket on its loop: now, or soon when that is another one. What it hands on must be the item's own
// then (see own).
func atHome[T any](x *Dispatcher, d *etf.Decoder, socket uint64, item T, do func(y *Dispatcher, s *socketcore.Socket, item T)) {
	if d.Err() != nil {
		return
	}
	switch y := x.server.home(socket); y {
	case nil:
	case x:
		do(x, x.loop.Find(socket), item)
	default:
		y.loop.Post(func() {
			do(y, y.loop.Find(socket), item)
			y.loop.SendGathered()
		})
	}
}

// own copies bytes of a frame that are for another loop.
func (x *Dispatcher) own(socket uint64, data []byte) []byte {
	if x.server.home(socket) != x {
		return append([]byte(nil), data...)
	}
	return data
}

// forward has a request served on the loop of its socket, if that is not the one of x.
func (s *Server) forward(x *Dispatcher, to int, id uint32, term []byte) bool {
	if to >= len(s.dispatchers) || s.dispatchers[to] == x {
		return false
	}
	y := s.dispatchers[to]
	term = append([]byte(nil), term...)
	y.loop.Post(func() {
		var d etf.Decoder
		d.Reset(term)
		y.request(&d, id)
	})
	return true
}

// nextLoop picks the loop for a new socket.
func (s *Server) nextLoop(x *Dispatcher) *Dispatcher {
	if len(s.dispatchers) == 1 {
		return x
	}
	s.next = (s.next + 1) % len(s.dispatchers)
	return s.dispatchers[s.next]
}

// DefaultLoops is how many loops serve best: one below four processors, where a second one
// takes turns with the node's own threads, half of them above.
func DefaultLoops() int {
	n := socketcore.Processors()
	if n < 4 {
		return 1
	}
	return min(n/2, socketcore.MaxLoops)
}
