package socketcore

// What sockets are asked for most, to send some bytes and to receive so many by TCP, takes a shorter way while nothing is in it:
// what the general one would find out is known, and nothing of it is asked again. Whatever comes out otherwise goes on there, from
// where it stands.

// SendNow sends p with one system call where no operation is needed to do so. It tells whether it has tried; of the result it counts
// what was sent whole, and all else is for [Loop.GoOn].
func (l *Loop) SendNow(s *Socket, p []byte) (n int, c Code, tried bool) {
	if s == nil || s.closed || s.whole || s.connector != nil || s.writers.head != nil || s.handover.refused || l.cfg.Allow != nil {
		return 0, 0, false
	}
	s.Counters[WriteTries]++
	n, e := sysSend(s.fd, p, 0, nil)
	if e == 0 && n == len(p) {
		l.sends++
		s.Counters[WriteByte] += uint64(n)
		s.countSent(n)
	}
	return n, code(e), true
}

// GoOn submits a send that SendNow has tried, with what came out.
func (l *Loop) GoOn(s *Socket, o *Op, n int, c Code) {
	o.sock = s
	if c == Again {
		s.Counters[WriteWaits]++
	}
	c, _ = l.afterSend(o, n, c)
	l.settle(&s.writers, o, c, false)
}

// Receive submits a receive that waits for Length bytes and nothing else, without flags.
func (l *Loop) Receive(s *Socket, o *Op) {
	if s == nil || s.closed || s.readers.head != nil || s.acceptors.head != nil || !l.isStraight(s, o) {
		l.Submit(s, o)
		return
	}
	o.straight = true
	c := Again
	if !s.isEmpty() {
		if c = l.takeExact(s, o); c == 0 {
			l.concludeStraight(s, o)
			return
		}
	}
	l.settle(&s.readers, o, l.received(s, c), false)
}

// arriveStraight lets the receive go on that waits on s, and tells whether it is the only one, and still what Receive took it for.
func (l *Loop) arriveStraight(s *Socket) bool {
	o := s.readers.head
	if o == nil || !o.straight || o.state != waiting || o.next != nil || o.fate != 0 || len(o.got) > 0 || l.paused || !l.isStraight(s, o) {
		return false
	}
	if c := l.takeExact(s, o); c != 0 {
		l.settleHead(s, o, waiting, l.received(s, c))
		return true
	}
	l.uncountParked(o)
	s.readers.remove(o)
	o.proc.drop(o)
	o.state = idle
	l.concludeStraight(s, o)
	return true
}

// isStraight tells whether all that decides over a receive is what the kernel has: nobody else's result is out, and nothing has
// come back.
func (l *Loop) isStraight(s *Socket, o *Op) bool {
	o.sock = s
	in := &s.input
	return s.plain && s.inq > 0 && s.ahead.owed == 0 && o.Length > 0 && o.Length < pourMin && l.turn(o) == 0 && in.out == len(in.pieces)
}

// takeExact takes all that the receive wants into the room of the handler. Again says that there was less; that has been gathered.
// Where the kernel says that more is there, be it the end, it is asked for that as well.
func (l *Loop) takeExact(s *Socket, o *Op) Code {
	l.behind = -1
	o.place = s.input.next()
	p := l.handler.Room(o, o.Length)
	n, c := l.recvExact(s, p)
	switch {
	case c != 0:
		return c
	case n == 0:
		return Closed
	}
	o.Taken = n
	if n < len(p) {
		o.got = append(o.got, p[:n]...)
		return l.attemptGather(o)
	}
	o.Result = p
	l.countPackage(s, n)
	return 0
}

// concludeStraight answers a receive that has all it wants, and that nobody stands behind.
func (l *Loop) concludeStraight(s *Socket, o *Op) {
	copied, id := l.followedByCopy(o), o.ID
	l.handler.Done(o)
	l.given(o, o.Taken, false)
	l.ops.put(o)
	if copied {
		l.copyAhead(s, id)
	}
}
