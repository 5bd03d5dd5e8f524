package dispatch

import (
	"gosocket/etf"
	"gosocket/socketcore"
)

// handback serves {handback, Socket, Frame}: a result whose receiver was dead.
func (x *Dispatcher) handback(d *etf.Decoder, _ int) {
	socket, frame := d.Uint(), d.Binary()
	if d.Err() != nil {
		return
	}
	r, connection, err := returned(frame)
	if err != nil {
		d.Fail(errItem)
		return
	}
	switch y := x.server.home(socket); y {
	case nil:
	case x:
		x.takeBack(socket, r, connection)
	default:
		n := x.server.delivered.Load() // see died
		y.loop.Post(func() {
			y.apply(n)
			y.takeBack(socket, r, connection)
		})
	}
}

// takeBack gives what a frame held to its socket; a connection to its listener.
func (x *Dispatcher) takeBack(socket uint64, r *socketcore.Returned, connection uint64) {
	if r == nil {
		return
	}
	if connection != 0 {
		if r.Conn = x.loop.Find(connection); r.Conn == nil {
			return
		}
	}
	x.server.memory.add(len(r.Data))
	x.loop.Return(x.loop.Find(socket), r)
}

// returned reads a frame of our own. It is nil for one that took nothing out of its socket. The connection
// that an accept gave is told by its number, which is never 0.
func returned(frame []byte) (r *socketcore.Returned, connection uint64, err error) {
	var d etf.Decoder
	d.Reset(append([]byte(nil), frame...))
	d.Version()
	r = &socketcore.Returned{}
	took := true
	switch d.Tuple() {
	case 2:
		r.ID = uint32(d.Uint())
		took, connection = result(&d, r)
	case 3:
		if string(d.Atom()) != "more" {
			d.Fail(errItem)
		}
		r.ID, r.Data, r.Part = uint32(d.Uint()), d.Binary(), true
	default:
		d.Fail(errItem)
	}
	if !took || d.Err() != nil {
		r = nil
	}
	return r, connection, d.Err()
}

// result reads {ok, Result} or {error, {Reason, Data}} of a call that takes something from its socket, and
// tells whether this is one.
func result(d *etf.Decoder, r *socketcore.Returned) (took bool, connection uint64) {
	if d.Kind() != etf.KindTuple || d.Tuple() != 2 {
		return false, 0
	}
	failed := string(d.Atom()) == "error"
	switch d.Kind() {
	case etf.KindBinary: // recv
		r.Data = d.Binary()
		return !failed, 0
	case etf.KindMap: // recvmsg
		return returnedMsg(d, r), 0
	case etf.KindTuple:
	default:
		return false, 0
	}
	n := d.Tuple()
	switch {
	case n == 5: // accept
		return true, d.Uint()
	case n != 2:
		return false, 0
	case failed: // {Reason, Data}
		d.Skip()
	case d.Kind() == etf.KindBinary: // {Data, SelectInfo}
	default: // {Source, Data}
		r.From = returnedSource(d.Raw())
	}
	if d.Kind() != etf.KindBinary {
		return false, 0
	}
	r.Data = d.Binary()
	return true, 0
}

func returnedSource(term []byte) *socketcore.Sockaddr {
	var sa socketcore.Sockaddr
	var d etf.Decoder
	d.Reset(term)
	if v := decodeSockaddr(&d, &sa); !v.ok() {
		return nil
	}
	return &sa
}

// returnedMsg reads the msghdr() that appendMsgHdr made.
func returnedMsg(d *etf.Decoder, r *socketcore.Returned) bool {
	for range d.Map() {
		switch string(d.Atom()) {
		case "addr":
			r.From = returnedSource(d.Raw())
		case "ctrl":
			r.Extra = append([]byte(nil), d.Raw()...)
		case "flags":
			r.Flags, _ = decodeFlags(d, socketcore.MsgFlags)
		case "iov":
			if d.List() == 1 {
				r.Data = d.Binary()
				d.Tail()
			}
			return d.Err() == nil
		}
	}
	return false
}
