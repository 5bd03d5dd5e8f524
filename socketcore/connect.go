package socketcore

import (
	"slices"

	"golang.org/x/sys/unix"
)

// submitConnect wraps connect(2). A connect in progress has no queue: others are told so.
func (l *Loop) submitConnect(o *Op) {
	s := o.sock
	if s.connector != nil {
		l.finish(o, l.FinishConnect(s, o.Process))
		return
	}
	l.connect(o)
}

func (l *Loop) connect(o *Op) {
	s := o.sock
	s.unblock()
	if s.many {
		l.associate(o)
		return
	}
	e := sysConnect(s.fd, o.To)
	switch {
	case e == unix.EINPROGRESS:
		if c := l.want(s, readEvents|writeEvents); c != Again {
			l.finish(o, c)
			return
		}
		o.backoff = 0
	case e == unix.EAGAIN && o.Mode == Wait:
		// The listener's backlog is full (unix(7)), and nothing will tell when it is not.
		o.backoff = min(max(2*o.backoff, backoffMin), backoffMax)
	default:
		l.finish(o, Code(e))
		return
	}
	l.awaitConnect(o)
}

// awaitConnect does what the mode says when a connect takes time.
func (l *Loop) awaitConnect(o *Op) {
	if o.Mode != Try && o.queue == nil && l.isRefused(nil, o) {
		return
	}
	switch o.Mode {
	case Try:
		l.finish(o, Timeout)
	case Select:
		l.parkConnect(o, armed)
		l.handler.Done(o)
	default:
		l.parkConnect(o, waiting)
	}
}

func (l *Loop) parkConnect(o *Op, st state) {
	l.keepArguments(o)
	o.state = st
	l.countParked(o)
	o.sock.connector = o
	if st == waiting || o.backoff > 0 {
		l.setTimer(o)
	}
}

// connectState asks how a connect in progress stands; Again means that it still is. A fresh
// TCP socket reports hang-up before it was ever connected, so the peer's name decides.
func (s *Socket) connectState(scratch *Sockaddr) Code {
	if s.many {
		return s.associationState(&s.connector.assoc)
	}
	v, e := sysGetInt(s.fd, unix.SO_ERROR)
	if e != 0 {
		return Code(e)
	}
	if v != 0 {
		return Code(v)
	}
	c := s.Peername(scratch)
	if c == Code(unix.ENOTCONN) {
		return Again
	}
	return c
}

// connectReady goes on with the connect of a socket that epoll reported.
func (l *Loop) connectReady(s *Socket) {
	o := s.connector
	switch {
	case o.state == fired || o.backoff > 0:
	case o.state == armed:
		if sysReady(s.fd, pollOut) != 0 {
			o.state = fired
			l.handler.Fire(o)
		}
	default:
		if c := s.connectState(&l.scratch); c != Again {
			l.endParked(o, c)
		}
	}
}

// FinishConnect is the second call of a connect that was answered with select.
func (l *Loop) FinishConnect(s *Socket, process []byte) Code {
	if s == nil || s.closed {
		return Closed
	}
	o := s.connector
	if o == nil {
		return Code(unix.EINVAL)
	}
	if o.state == waiting || o.proc != l.lookup(process) {
		return Code(unix.EALREADY)
	}
	c := s.connectState(&l.scratch)
	if c == Again {
		return Code(unix.EALREADY)
	}
	l.discard(o)
	if c == 0 {
		l.connected(s)
	}
	return c
}

// retry tries again what the kernel refused without saying when to come back.
func (l *Loop) retry(o *Op) {
	s := o.sock
	if o.Kind == Connect && s.many {
		l.associating(o)
		return
	}
	if o.Kind == Connect {
		proc := o.proc
		l.unpark(o)
		o.Process = proc.keyBytes
		l.connect(o)
		return
	}
	l.advance(s, o.queue)
	if o.queue != nil && o.state == armed {
		l.setTimer(o)
	}
}

// overdueConnect ends a connect at its deadline, unless it has come about meanwhile.
func (l *Loop) overdueConnect(o *Op) {
	s := o.sock
	var c Code
	if o.backoff > 0 && !s.many {
		c = code(sysConnect(s.fd, o.To))
	} else {
		c = s.connectState(&l.scratch)
	}
	if c == Again {
		c = Timeout
	}
	l.endParked(o, c)
}

// attemptAccept wraps accept(2). The new socket belongs to the process that asked.
func (l *Loop) attemptAccept(o *Op) Code {
	s := o.sock
	if len(s.connections) > 0 {
		o.New = s.connections[0]
		s.connections = slices.Delete(s.connections, 0, 1)
		l.intern(o.Process).own(o.New)
		s.Counters[AccSuccess]++
		return 0
	}
	if c := l.takePlace(); c != 0 {
		s.Counters[AccFails]++
		return c
	}
	s.unblock()
	fd, e := sysAccept(s.fd)
	for e == unix.EINTR { // SCTP looks for signals before it looks whether it may wait
		fd, e = sysAccept(s.fd)
	}
	if e != 0 {
		l.givePlace()
	}
	switch {
	case e == unix.EAGAIN && s.domain == unix.AF_UNIX && sysReady(s.fd, unix.POLLRDHUP) != 0:
		// It is shut down, which the kernel tells only to those who wait in it (unix(7)).
		s.Counters[AccFails]++
		return Code(einval)
	case e == unix.EAGAIN:
		l.countAccept(o)
		return l.want(s, readEvents)
	case e != 0:
		s.Counters[AccFails]++
		return Code(e)
	}
	fds.hold(fd, false)
	n := l.add(fd, s.domain, s.typ, s.proto, o.Process)
	n.Settings, n.inq, n.plain = s.Settings, s.inq, s.plain && fds.isAlone(s.fd)
	n.ahead.may = n.ahead.may && s.ahead.may && fds.isAlone(s.fd)
	n.handover.may = n.stream && !n.whole
	n.Meta = nil
	if n.Debug {
		l.debugged++
	}
	n.listener, n.place = s, s.accepted
	s.accepted++
	o.New = n
	s.Counters[AccSuccess]++
	return 0
}

func (l *Loop) countAccept(o *Op) {
	if !o.waited {
		o.sock.Counters[AccTries]++
	}
}

// unblock makes the calls that know no MSG_DONTWAIT return at once, when another program that
// shares the socket has changed its mode meanwhile.
func (s *Socket) unblock() {
	if fds.isShared(s.fd) {
		sysSetNonblock(s.fd)
	}
}
