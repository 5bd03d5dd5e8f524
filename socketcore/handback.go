package socketcore

import (
	"bytes"
	"slices"

	"golang.org/x/sys/unix"
)

// Nothing is lost with its reader. What a socket gives stands in its ledger until it is known to have
// arrived, at its place in the order in which it was taken; what comes back becomes unread there, and is read
// before what the kernel has. A reader of an ordered socket takes something only while all that is out before
// it is its own and none of that is behind what came back: so the ledger is at that time first what is out,
// then what is to be read, and a new piece goes between the two. Everybody else waits.

// Returned is a result that came back because its receiver was dead.
type Returned struct {
	Data  []byte
	From  *Sockaddr
	Flags int     // msg_flags of recvmsg(2)
	Extra []byte  // what else the handler had in the result, for its own use
	Conn  *Socket // an accepted connection
	ID    uint32  // the request that it was the result of
	Part  bool    // it went ahead of the result
}

// maxOut is how many answers of a socket may be out before its readers wait for those to arrive.
const maxOut = 4096

// follows tells whether the operation reads what comes next: out-of-band data and the error queue are
// apart from that.
func (o *Op) follows() bool { return o.Kind < Accept && o.Flags&(unix.MSG_OOB|unix.MSG_ERRQUEUE) == 0 }

// turn tells by 0 that o may see what its socket gives next. Held means that it will be known soon what that
// is; Again, that it may take long: by its mode the operation waits as for data.
func (l *Loop) turn(o *Op) Code {
	s := o.sock
	in := &s.input
	if !l.gating {
		return 0
	}
	in.settle(l.delivered)
	switch {
	case in.out == 0 || !o.follows():
		return 0
	case in.out < maxOut && (!s.ordered || in.isTidy() && bytes.Equal(s.lastReader, o.Process)):
		return 0
	case in.far > 0:
		l.hold(s)
		return Again
	}
	return Held
}

// afterDead serves a receive from what came back of the dead, and has it wait for what others have
// not got yet. It tells whether that was all, and how it ended.
func (l *Loop) afterDead(o *Op) (c Code, done bool) {
	in := &o.sock.input
	if c = l.turn(o); c != 0 {
		return c, true
	}
	switch {
	case !o.follows():
	case !o.consumes():
		if in.firstBack() >= 0 && !o.gathersPeek() {
			o.peekBack()
			return 0, true
		}
	case o.ahead >= farParts:
		return Again, true
	default:
		if len(o.got) == 0 {
			o.place = in.next()
		}
		if in.firstBack() >= 0 {
			if c = l.readBack(o); c != Again {
				return c, true
			}
		}
	}
	if o.fate == 0 || in.firstBack() >= 0 {
		return 0, false
	}
	o.Result = o.got
	return o.fate, true
}

// readBack serves a receive from what came back. Again means that it wants more than that; what there was has
// then been gathered.
func (l *Loop) readBack(o *Op) Code {
	s := o.sock
	in := &s.input
	limit := o.Length
	if limit == 0 {
		limit = s.RcvBuf
	}
	if o.Kind == Recv && s.stream {
		for i := in.firstBack(); i >= 0 && o.Taken < limit; i = in.firstBack() {
			data := in.pieces[i].back.Data
			n := min(len(data), limit-o.Taken)
			o.got = append(o.got, data[:n]...)
			o.Taken += n
			if n < len(data) {
				in.cut(i, n)
			} else {
				l.cfg.Freed(len(data))
				in.remove(i)
			}
		}
		if o.Taken < o.Length {
			return Again
		}
		if o.Length == 0 && s.RcvCount == 0 && o.Flags == 0 {
			l.readBehind(o, limit-o.Taken)
		}
		o.Result = o.got
		return 0
	}
	i := in.firstBack()
	p := in.pieces[i].back
	o.Result, o.From, o.Extra, o.InFlags = p.Data, p.From, p.Extra, p.Flags
	if len(o.Result) > limit {
		o.Result = o.Result[:limit]
		if s.stream || s.many {
			if s.whole {
				o.Extra, o.InFlags = nil, 0 // what tells of a message comes with its end
			}
			in.cut(i, limit)
			return 0
		}
		o.InFlags |= unix.MSG_TRUNC
	}
	l.cfg.Freed(len(p.Data))
	in.remove(i)
	return 0
}

// readBehind takes what the kernel has behind what came back, as one receive of all there is would have got both.
// An error or the end is the next call's.
func (l *Loop) readBehind(o *Op, limit int) {
	there := min(sysInq(o.sock.fd), limit)
	if there <= 0 {
		return
	}
	if n, c := l.recv(o.sock, l.spare(o, there), 0); c == 0 {
		o.Taken += n
		o.got = o.got[:len(o.got)+n]
	}
}

// peekBack shows what came back and leaves it there.
func (o *Op) peekBack() {
	s := o.sock
	p := s.input.pieces[s.input.firstBack()].back
	limit := o.Length
	if limit == 0 {
		limit = s.RcvBuf
	}
	o.Result, o.From, o.Extra, o.InFlags = p.Data, p.From, p.Extra, p.Flags
	if len(o.Result) > limit {
		o.Result = o.Result[:limit]
		if !s.stream {
			o.InFlags |= unix.MSG_TRUNC
		}
	}
}

// given notes that size bytes that o took have left in the newest frame.
func (l *Loop) given(o *Op, size int, part bool) {
	s := o.sock
	if s == nil || !l.gating || !o.consumes() || size == 0 && s.stream {
		return
	}
	p := piece{lease: lease{l.handler.Mark(), o.ID, o.Far, true}, part: part, place: o.place, size: size}
	if o.Kind == Recv && !s.stream && o.From != nil {
		p.source = makeSource(o.From)
	}
	s.input.add(&p)
	if s.isOf(o.Process) {
		s.lastReader = s.owner.keyBytes
	} else {
		s.readerRoom = append(s.readerRoom[:0], o.Process...)
		s.lastReader = s.readerRoom
	}
	o.place = s.input.end
}

// putBack makes what o has gathered unread again.
func (l *Loop) putBack(o *Op) {
	if o.Kind != Recv || len(o.got) == 0 || !o.consumes() {
		return
	}
	p := piece{place: o.place, size: len(o.got), back: &Returned{Data: bytes.Clone(o.got)}}
	o.sock.input.add(&p)
	o.Taken -= len(o.got)
	o.got, o.parts = o.got[:0], 0
	l.weigh(o)
}

// Return gives a result back to its socket, for the next reader or acceptor. It tells whether the result was
// one that could come back: it went out, and is not known to have arrived.
func (l *Loop) Return(s *Socket, r *Returned) bool {
	if r.Conn != nil {
		return l.returnConnection(s, r)
	}
	if s == nil || s.closed {
		return false
	}
	in := &s.input
	in.settle(l.delivered)
	i := in.find(r.ID, r.Part, len(r.Data))
	if i < 0 {
		return false
	}
	in.takeBack(i, r)
	if o := s.readers.head; o != nil {
		l.putBack(o) // it may belong behind
		if r.Part && o.ID == r.ID && (o.state == waiting || o.state == trying) {
			l.discard(o) // nobody has the beginning of what it gathers
		}
	}
	l.advance(s, &s.readers)
	return true
}

// returnConnection gives a connection back to its listener.
func (l *Loop) returnConnection(s *Socket, r *Returned) bool {
	conn := r.Conn
	from := conn.listener
	switch {
	case conn.closed || from == nil || conn.lease.id != r.ID || !conn.lease.isOut(l.delivered):
		return false // gone, here already, or given to another since
	case s == from && !s.closed:
		l.takeConnection(conn)
	case s == nil && from.closed:
		l.closeSocket(conn, nil, nil)
	default:
		return false
	}
	return true
}

// takeConnection makes a connection wait for the next accept, at its place.
func (l *Loop) takeConnection(conn *Socket) {
	s := conn.listener
	conn.owner.disown(conn)
	conn.lease.out = false
	i := len(s.connections)
	for i > 0 && s.connections[i-1].place > conn.place {
		i--
	}
	s.connections = slices.Insert(s.connections, i, conn)
	l.advance(s, &s.acceptors)
}

// leaveListener says that a connection does not go back to its listener any more.
func (s *Socket) leaveListener() {
	s.lease.out = false
	if from := s.listener; from != nil {
		if i := slices.Index(from.connections, s); i >= 0 {
			from.connections = slices.Delete(from.connections, i, i+1)
		}
	}
}

// endLater has all readers of s end with c once it is known that nothing comes back that they are to have
// before. It tells whether there may be anything.
func (l *Loop) endLater(s *Socket, c Code) bool {
	in := &s.input
	in.settle(l.delivered)
	if !l.gating || !s.ordered || len(in.pieces) == 0 {
		return false
	}
	for o := s.readers.head; o != nil; {
		next := o.next
		if o.state == fired {
			l.discard(o)
		} else {
			o.fate = c
		}
		o = next
	}
	l.advance(s, &s.readers)
	return true
}

// isOver tells whether a promised select ends by an error that came before.
func (l *Loop) isOver(o *Op) bool {
	return o.fate != 0 && l.turn(o) == 0 && o.sock.input.firstBack() < 0
}

// hold remembers that a socket's readers wait for a confirmation.
func (l *Loop) hold(s *Socket) {
	if !s.held {
		s.held = true
		l.held = append(l.held, s)
	}
	if s.input.out > s.input.far {
		l.handler.Confirm()
	}
}

// Delivered tells that all frames up to the mark have reached their receivers or have been
// given back with Return.
func (l *Loop) Delivered(mark uint64) {
	if mark > l.delivered {
		l.delivered = mark
	}
	l.letGo()
}

// letGo has the readers that were held try again.
func (l *Loop) letGo() {
	held := l.held
	l.held = nil
	for _, s := range held {
		s.held = false
		l.advance(s, &s.readers)
	}
}
