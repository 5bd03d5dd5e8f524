package socketcore

import "golang.org/x/sys/unix"

// Receive-ahead: behind the answer to a receive that got all it asked for goes a copy of what follows, when there is more.
// The kernel keeps the bytes. Who serves receives from the copy says how much of it was taken, and only that leaves the
// kernel: a copy that nobody uses, whatever the reason, is as if it had never been.

const (
	copyMax    = 64 << 10 // bytes of one copy
	copyMin    = 2 << 10  // where its size begins
	copiesMax  = 8 << 20  // bytes of all copies of a loop that somebody has
	copyPauses = 63       // after copies in vain, so many receives at most get none
)

// A lookahead is what a socket knows of its copies.
type lookahead struct {
	may         bool  // its kind, and what is set on it, allow them
	known       bool  // the first one only tells that there are any
	pause, idle uint8 // how many receives get none after one in vain, and how many of them are left
	size        int32 // of the next, at most
	given, left int32 // bytes of the last one: all, and those that may still be taken
	owed        int   // bytes that somebody has, and that the kernel did not give up yet
}

// SetCopies says whether the handler takes copies.
func (l *Loop) SetCopies(on bool) { l.copies = on }

// followedByCopy tells whether a receive that has succeeded was one that a copy may follow, as far as it is known before its
// answer.
func (l *Loop) followedByCopy(o *Op) bool {
	s := o.sock
	if !l.copies || o.Kind != Recv || o.Flags != 0 || o.Far || !s.ahead.may || s.ReceiveAhead == 0 || s.Debug || s.shutRead {
		return false
	}
	if o.Length == 0 {
		return s.RcvCount == 0 && len(o.Result) == s.RcvBuf
	}
	return o.Length < pourMin
}

// copyAhead sends a copy of what the kernel has next, behind the answer to the request with this number. Nobody else waits for
// it, and nothing that came back, or may come back, lies before it.
func (l *Loop) copyAhead(s *Socket, id uint32) {
	a := &s.ahead
	l.endCopy(s)
	if a.idle > 0 {
		a.idle--
		return
	}
	size := min(int(max(a.size, copyMin)), s.ReceiveAhead, copiesMax-l.copied)
	if l.behind >= 0 {
		size = min(size, l.behind)
	}
	if size <= 0 || l.paused || s.input.far > 0 || s.input.firstBack() >= 0 || !fds.isAlone(s.fd) {
		return
	}
	p := l.handler.CopyRoom(s, id, size)
	if p == nil {
		return
	}
	s.Counters[ReadTries]++
	n, e := sysRecv(s.fd, p, unix.MSG_PEEK)
	if e != 0 {
		n = 0 // what is wrong is told to those who take it
	}
	l.handler.Copied(n)
	if n == 0 {
		a.vain()
		return
	}
	a.given, a.left = int32(n), int32(n)
	l.copied += n
}

// vain makes copies rarer.
func (a *lookahead) vain() {
	a.pause = min(2*a.pause+1, copyPauses)
	a.idle = a.pause
}

// endCopy notes that nothing more of the last copy will be taken.
func (l *Loop) endCopy(s *Socket) {
	a := &s.ahead
	if a.given == 0 {
		return
	}
	used := a.given - a.left
	l.copied -= int(a.left)
	switch {
	case !a.known:
		a.known = true
	case used >= a.given/2:
		a.pause, a.size = 0, min(2*a.given, copyMax)
	default:
		a.size = max(a.given/2, copyMin)
		a.vain()
	}
	a.given, a.left = 0, 0
}

// A Taking says what was taken of the last copy of a socket.
type Taking struct {
	Bytes   int // since the last time
	Calls   int // that took them
	Largest int // bytes of the largest of these
	Left    int // bytes that may still be taken
}

// Took takes from the kernel what was taken of the copy.
func (l *Loop) Took(s *Socket, t *Taking) {
	if s == nil || s.closed {
		return
	}
	a := &s.ahead
	taken := min(t.Bytes, int(a.left))
	l.copied -= taken
	a.left -= int32(taken)
	if taken > 0 {
		a.owed += taken
		_ = l.discardBytes(s) // what is wrong is told to the next one who reads
		c := &s.Counters
		c[ReadByte] += uint64(taken)
		c[ReadPkg] += uint64(t.Calls)
		c[ReadPkgMax] = max(c[ReadPkgMax], uint64(t.Largest))
	}
	if t.Left == 0 {
		l.endCopy(s)
	}
}

// discardBytes reads bytes that are known to be there, and that somebody has: nobody else may get them.
func (l *Loop) discardBytes(s *Socket) Code {
	flags := 0
	if s.tcp {
		flags = unix.MSG_TRUNC // tcp(7): nothing is copied
	}
	if l.waste == nil {
		l.waste = make([]byte, copyMax)
	}
	for a := &s.ahead; a.owed > 0; {
		s.Counters[ReadTries]++
		got, e := sysRecv(s.fd, l.waste[:a.owed], flags)
		switch {
		case e != 0:
			return Code(e)
		case got == 0:
			return Closed
		}
		a.owed -= got
	}
	return 0
}
