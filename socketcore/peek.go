package socketcore

import "golang.org/x/sys/unix"

// gathersPeek tells whether o is a peek for a number of bytes of a stream.
func (o *Op) gathersPeek() bool {
	return o.Kind == Recv && o.sock.stream && o.Length > 0 && o.Flags&(specialFlags|unix.MSG_TRUNC) == unix.MSG_PEEK
}

// attemptPeek looks at Length bytes of a stream: at those that came back of the dead, then at those
// of the kernel. All attempts start with the first byte, so that none is shown twice, unless the
// kernel itself moves on from peek to peek (SO_PEEK_OFF, socket(7)).
func (l *Loop) attemptPeek(o *Op) Code {
	s := o.sock
	room, ended := directMax, false
	for {
		if len(o.got) == 0 || s.peekOffset() < 0 {
			o.got = s.input.appendBack(o.got[:0], o.Length)
		}
		left := o.Length - len(o.got)
		if left == 0 {
			return l.gathered(o)
		}
		room = max(room, sysInq(s.fd))
		p := l.spare(o, min(left, room))
		n, c := l.recv(s, p, o.Flags)
		o.got = o.got[:len(o.got)+n]
		o.Result, o.seen = o.got, len(o.got)
		switch {
		case c != 0:
			return c
		case n == left:
			return l.gathered(o)
		case n == len(p):
			room *= 2
		case n == 0 || ended:
			return Closed
		case s.peekOffset() >= 0: // the next one finds what is behind a mark, or nothing
		case sysReady(s.fd, unix.POLLRDHUP|unix.POLLHUP) == 0:
			return Again
		default:
			ended = true // nothing is added any more, but something may have been after the peek
		}
	}
}

// hasMore tells whether a peek that was answered with less than it asked for would show more now.
func (l *Loop) hasMore(o *Op) bool {
	s := o.sock
	counters, seen, offset := s.Counters, o.seen, s.peekOffset()
	shown := seen
	if offset >= 0 {
		shown = 0 // that lies behind
	}
	c := l.attemptPeek(o)
	more := c != Again || len(o.got) != shown
	// Nobody has asked for this look, and nobody is to notice it.
	s.Counters, o.seen, o.Result, o.got = counters, seen, nil, o.got[:0]
	if offset >= 0 {
		_ = sysSetInt(s.fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF, offset)
	}
	return more
}

// peekOffset is where the next peek begins, and moves with each; -1 when all begin with the first byte.
func (s *Socket) peekOffset() int {
	offset, e := sysGetInt(s.fd, unix.SO_PEEK_OFF)
	if e != 0 {
		return -1
	}
	return offset
}
