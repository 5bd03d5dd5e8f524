package socketcore

import "golang.org/x/sys/unix"

// What epoll reports is when to ask again, and not what the answer will be: it calls a TCP socket
// writable when a third of its buffer is free and a local stream at three quarters, and nothing of
// what SO_RCVLOWAT, SO_PEEK_OFF, peeks and error queues leave in a socket makes an event. So
// nothing is remembered of what the kernel said. An operation that nobody waits in front of asks
// it; one that waits asks again at each event, when another comes behind it, and at its deadline.
// There is one exception, [Socket.emptied].

const (
	readEvents  = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLPRI
	writeEvents = unix.EPOLLOUT
	badEvents   = unix.EPOLLERR | unix.EPOLLHUP
)

// emptied notes that a read has left nothing in a TCP socket: it took less than it had room for,
// which is enough with edges (epoll(7), question 9), or TCP_INQ said 0 (tcp(7)). A receive then
// waits without asking, since all that comes later makes an event.
//
// That is true of TCP alone, and only while bytes are all that decides: a minimum (SO_RCVLOWAT,
// socket(7)) keeps events back; an offset for peeks, an urgent mark and an upper-layer protocol have a
// read stop short of what is there; behind an error or the end of the stream nothing comes at
// all. Who shares the descriptor may have set any of these.
func (s *Socket) emptied() { s.drained = s.plain }

// isEmpty tells whether a receive may wait without asking the kernel.
func (s *Socket) isEmpty() bool { return s.drained && fds.isAlone(s.fd) }

// Touch is called before the user sees or sets an option: TCP_INQ is the user's from then on, and
// what changes the meaning of readable ends what [Socket.emptied] relies on.
func (s *Socket) Touch(level, number int) {
	switch level {
	case unix.SOL_SOCKET:
		if number == unix.SO_RCVLOWAT || number == unix.SO_PEEK_OFF {
			s.odd()
		}
	case unix.SOL_TCP:
		switch number {
		case unix.TCP_INQ:
			s.userControl()
		case unix.TCP_ULP, unix.TCP_REPAIR, unix.TCP_REPAIR_QUEUE:
			s.odd()
		}
	case unix.IPPROTO_IP, unix.IPPROTO_IPV6:
	default:
		s.odd()
	}
}

// odd says that the socket is none of those that [Socket.emptied] is about, from now on.
func (s *Socket) odd() { s.plain, s.drained, s.ahead.may = false, false, false }

// ready takes note of what epoll reports of a socket and lets its operations go on.
func (l *Loop) ready(s *Socket, events uint32) {
	l.recent.note(s.ID)
	if events&(badEvents|unix.EPOLLRDHUP|unix.EPOLLPRI) != 0 {
		s.odd()
	}
	if events&(badEvents|readEvents) != 0 {
		s.drained = false
	}
	if s.connector != nil && events&(badEvents|writeEvents) != 0 {
		l.connectReady(s)
	}
	// The end of an association that was shut down here is told to writers.
	if (events&(badEvents|readEvents) != 0 || s.whole && s.stream && s.shutWrite) && !l.arriveStraight(s) {
		l.advance(s, &s.acceptors)
		l.advance(s, &s.readers)
	}
	// A writer with a retry of its own knows better: its own attempts make such events.
	if o := s.writers.head; o != nil && (events&badEvents != 0 || events&writeEvents != 0 && o.backoff == 0) {
		l.advance(s, &s.writers)
	}
}

// want makes epoll report the events of s, edge-triggered. It returns Again, or why nothing
// will ever be reported.
func (l *Loop) want(s *Socket, events uint32) Code {
	if s.events&events == events || s.closed {
		return Again
	}
	op := unix.EPOLL_CTL_MOD
	if s.events == 0 {
		op = unix.EPOLL_CTL_ADD
	}
	ev := unix.EpollEvent{Events: s.events | events | unix.EPOLLET, Fd: int32(s.slot), Pad: int32(s.gen)}
	e := sysEpollCtl(l.epfd, op, s.watchFD(), &ev)
	if e == unix.EEXIST {
		// dup => false: another socket watches this descriptor already.
		if s.private, e = sysDup(s.fd); e == 0 {
			fds.reserve(s.private)
			e = sysEpollCtl(l.epfd, op, s.private, &ev)
		}
	}
	if e != 0 {
		return Code(e)
	}
	s.events |= events
	return Again
}

// isReady tells whether the attempt that a select message invites would find something.
func (l *Loop) isReady(s *Socket, o *Op) bool {
	events, poll := uint32(readEvents), int16(pollIn)
	if o.Flags&unix.MSG_OOB == 0 {
		poll &^= unix.POLLPRI // an urgent byte is nothing to those who do not ask for it
	}
	switch {
	case o.wantsErrors():
		poll = pollErr
	case o.Kind >= Send:
		events, poll = writeEvents, pollOut
	case o.follows() && l.turn(o) == Again:
		return false
	case o.gathersPeek():
		return l.want(s, events) != Again || l.hasMore(o)
	case o.follows() && s.input.firstBack() >= 0, o.Kind == Accept && len(s.connections) > 0:
		return true
	}
	// Those before it may never have had to wait. What cannot be watched is ready to fail.
	return l.want(s, events) != Again || sysReady(s.fd, poll) != 0
}
