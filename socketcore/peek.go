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
		if len(o.got) == 0 || !s.movesPeeks() {
			o.got = s.input.appendBack(o.got[:0], o.Length)
		}
		left := o.Length - len(o.got)
		if left == 0 {
			return l.gathered(o)
		}
		there := sysInq(s.fd)
		o.seen = s.input.bytesBack() + there
		room = max(room, there)
		p := o.spare(min(left, room))
		n, c := l.recv(s, p, o.Flags)
		o.got = o.got[:len(o.got)+n]
		o.Result = o.got
		switch {
		case c != 0:
			return c
		case n == left:
			return l.gathered(o)
		case n == len(p):
			room *= 2
		case n == 0 || ended:
			return Closed
		case sysReady(s.fd, unix.POLLRDHUP|unix.POLLHUP) == 0:
			return Again
		default:
			ended = true // nothing is added any more, but something may have been after the peek
		}
	}
}

// hasMore tells whether there is more to see than when a peek looked last, or nothing more to come.
func (s *Socket) hasMore(o *Op) bool {
	return s.input.bytesBack()+sysInq(s.fd) != o.seen || sysReady(s.fd, unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
}

// movesPeeks tells whether each peek goes on behind the one before.
func (s *Socket) movesPeeks() bool {
	offset, e := sysGetInt(s.fd, unix.SO_PEEK_OFF)
	return e == 0 && offset >= 0
}
