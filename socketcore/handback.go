package socketcore

import (
	"bytes"
	"slices"

	"golang.org/x/sys/unix"
)

// Returned is a result that came back because its receiver was dead.
type Returned struct {
	Data  []byte
	From  *Sockaddr
	Flags int     // msg_flags of recvmsg(2)
	Extra []byte  // what else the handler had in the result, for its own use
	Conn  *Socket // an accepted connection
	ID    uint32  // the request that it was the result of
}

// afterDead serves a receive from what came back of the dead, and has it wait for what others have
// not got yet. It tells whether that was all, and how it ended.
func (l *Loop) afterDead(o *Op) (c Code, done bool) {
	s := o.sock
	if o.consumes() {
		if l.gating && s.ordered && s.lastMark > l.delivered && !bytes.Equal(s.lastReader, o.Process) {
			return Held, true
		}
		if s.keeps(o) {
			l.hold(s)
			return Again, true
		}
		if o.ahead >= farParts {
			return Again, true
		}
		s.returnAt = 0 // from here on others hold what lay in front
		if len(s.returned) > 0 {
			c = l.fromReturned(o)
			return c, c != Again
		}
	} else if o.Flags&specialFlags == unix.MSG_PEEK && len(s.returned) > 0 && !o.gathersPeek() {
		s.peekReturned(o)
		return 0, true
	}
	return 0, false
}

// Return gives a result back to its socket, for the next reader or acceptor.
func (l *Loop) Return(s *Socket, r Returned) {
	if r.Conn != nil {
		r.Conn.settle(r.ID)
		if r.Conn.closed || r.Conn.owner == nil || r.Conn.acceptID != r.ID {
			return // gone, here already, or here before and given to another
		}
		r.Conn.owner.disown(r.Conn)
	}
	if s == nil || s.closed {
		if r.Conn != nil {
			l.closeSocket(r.Conn, nil, nil)
		}
		return
	}
	s.settle(r.ID)
	if r.From == nil && r.ID == s.lastID && s.lastFrom.size > 0 {
		from := s.lastFrom
		r.From = &from
	}
	s.giveBack(r)
	s.returnAt++
	if r.Conn != nil {
		l.advance(s, &s.acceptors)
	} else {
		l.advance(s, &s.readers)
	}
}

// giveBack puts a result in front of what the socket has, but behind those that have come
// back since the last read: they come in the order in which they were read.
func (s *Socket) giveBack(r Returned) { s.returned = slices.Insert(s.returned, s.returnAt, r) }

// peekReturned shows what came back and leaves it there.
func (s *Socket) peekReturned(o *Op) {
	r := &s.returned[0]
	limit := o.Length
	if limit == 0 {
		limit = s.RcvBuf
	}
	o.Result, o.From, o.Extra, o.InFlags = r.Data, r.From, r.Extra, r.Flags
	if len(o.Result) > limit {
		o.Result = o.Result[:limit]
		if !s.stream {
			o.InFlags |= unix.MSG_TRUNC
		}
	}
}

// fromReturned serves a receive from what came back. Again means that it wants more than
// that; what there was has then been gathered.
func (l *Loop) fromReturned(o *Op) Code {
	s := o.sock
	r := &s.returned[0]
	limit := o.Length
	if limit == 0 {
		limit = s.RcvBuf
	}
	if o.Kind == Recv && s.stream {
		for len(s.returned) > 0 && (o.Length == 0 || o.Taken < o.Length) {
			r = &s.returned[0]
			n := min(len(r.Data), limit-o.Taken)
			o.got = append(o.got, r.Data[:n]...)
			o.Taken += n
			if r.Data = r.Data[n:]; len(r.Data) > 0 {
				break
			}
			s.returned = s.returned[1:]
			if o.Length == 0 {
				break
			}
		}
		if o.Length > 0 && o.Taken < o.Length {
			return Again
		}
		o.Result = o.got
		return 0
	}
	o.Result, o.From, o.Extra, o.InFlags = r.Data, r.From, r.Extra, r.Flags
	if len(o.Result) > limit {
		if s.stream || s.many {
			if s.whole {
				o.Extra, o.InFlags = nil, 0 // what tells of a message comes with its end
			}
			r.Data = r.Data[limit:]
			o.Result = o.Result[:limit]
			return 0
		}
		o.Result = o.Result[:limit]
		o.InFlags |= unix.MSG_TRUNC
	}
	s.returned = s.returned[1:]
	return 0
}

// takes tells whether another reader has to wait until the result of o is delivered.
func (o *Op) takes() bool {
	s := o.sock
	return s != nil && s.ordered && o.consumes() && s.loop.gating
}

// lent notes that the process of o has got data in the newest frame.
func (l *Loop) lent(o *Op) {
	s := o.sock
	s.lastReader = append(s.lastReader[:0], o.Process...)
	s.lastMark = l.handler.Mark()
	if o.Far {
		s.away = append(s.away, o.ID)
	}
}

// hold remembers that a socket's readers wait for a confirmation.
func (l *Loop) hold(s *Socket) {
	if !s.held {
		s.held = true
		l.held = append(l.held, s)
	}
	if s.lastMark > l.delivered {
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
