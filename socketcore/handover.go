package socketcore

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Send-ahead: bytes that were handed over with nobody waiting for their end. They stand in the queue of writers as
// nobody's, so that no death and no later call displaces them. The first error is kept for the next call that is about the
// write side; nothing is sent behind it.

// defaultDrainTime bounds how long a shutdown or a close waits for what was handed over.
const defaultDrainTime = 60 * time.Second

// A handover is what a socket knows of its sends ahead.
type handover struct {
	may       bool // it was connected here, or accepted
	listed    bool // in Loop.handed
	credit    int  // what was told last
	most      int  // the most that was ever told
	ahead     int  // bytes that were handed over and are not done with
	ops       int  // that stand in the queue
	done      int  // bytes that are done with and were not told yet
	failure   Code // of a send ahead: the next call hears it
	refused   bool // calls of the write side fail from now on
	shutLater bool // a shutdown of the write side waits for the ops
	timer     *time.Timer
	until     time.Time // of that: the end of its time
}

// tellCredit says how many bytes may be ahead, when that has changed.
func (l *Loop) tellCredit(s *Socket) {
	h := &s.handover
	credit := 0
	if l.copies && h.may && !h.refused && !s.Debug && !s.shutWrite && !s.closed && fds.isAlone(s.fd) {
		credit = s.SendAhead
	}
	if credit != h.credit {
		h.credit, h.most = credit, max(h.most, credit)
		l.handler.Credit(s, credit)
	}
}

// connected says that a connect has succeeded.
func (l *Loop) connected(s *Socket) {
	s.handover.may = s.stream && !s.whole && s.CType == 0
	l.tellCredit(s)
}

// SetSendAhead sets the option.
func (l *Loop) SetSendAhead(s *Socket, n int) {
	s.SendAhead = n
	l.tellCredit(s)
}

// SendAhead takes bytes over.
func (l *Loop) SendAhead(s *Socket, data []byte) {
	if s == nil || s.closed || len(data) == 0 {
		return
	}
	h := &s.handover
	if h.refused || s.shutWrite || h.ahead+len(data) > h.most || len(data) > gatherPiece {
		l.SendGathered()
	}
	h.ahead += len(data)
	switch {
	case h.refused || s.shutWrite || h.most == 0:
		l.drop(s, len(data))
		return
	case h.ahead > h.most: // the client goes beyond its credit
		l.drop(s, len(data))
		l.fail(s, Code(unix.ENOBUFS))
		return
	case len(data) > gatherPiece:
		l.handOver(s, data, nil)
	default:
		l.gather(s, data)
	}
}

// handOver sends bytes of nobody's: one send, or several that end there.
func (l *Loop) handOver(s *Socket, data []byte, ends []int) {
	if s.handover.refused || s.shutWrite {
		l.drop(s, len(data))
		return
	}
	o := l.NewOp()
	o.Kind, o.Mode, o.Deadline, o.nobody = Send, Wait, Forever, true
	o.Data, o.Total, o.ends, o.sock = data, len(data), ends, s
	s.handover.ops++
	q := &s.writers
	if q.head != nil {
		l.advance(s, q)
	}
	c := Again
	if q.head == nil {
		c = l.attempt(o)
	}
	if c == Again {
		l.park(q, o, waiting, false)
	} else {
		l.conclude(q, o, c)
	}
}

// drop counts bytes as done with that are not sent.
func (l *Loop) drop(s *Socket, n int) {
	h := &s.handover
	h.done += n
	h.ahead -= n
	if !h.listed {
		h.listed = true
		l.handed = append(l.handed, s)
	}
}

// TellHanded tells for each socket how many bytes are done with.
func (l *Loop) TellHanded() {
	for i, s := range l.handed {
		h := &s.handover
		if !s.closed {
			l.handler.Sent(s, h.done)
		}
		h.done, h.listed = 0, false
		l.handed[i] = nil
	}
	l.handed = l.handed[:0]
}

// handedOver ends a send of nobody's.
func (l *Loop) handedOver(o *Op) {
	s := o.sock
	h := &s.handover
	h.ops--
	l.drop(s, o.Total)
	if o.Code != 0 {
		l.fail(s, o.Code)
	}
	if h.ops == 0 && h.shutLater {
		l.shutNow(s)
	}
}

// fail keeps how a send ahead ended for the next call.
func (l *Loop) fail(s *Socket, c Code) {
	if h := &s.handover; !h.refused {
		h.failure, h.refused = c, true
		l.tellCredit(s)
	}
}

// hears returns what a call of the write side hears of sends ahead that failed; 0 when none has.
func (s *Socket) hears() Code {
	h := &s.handover
	if !h.refused {
		return 0
	}
	c := h.failure
	h.failure = Code(unix.EPIPE)
	return c
}

// endWriters ends those who stand behind a send of nobody's that failed.
func (l *Loop) endWriters(s *Socket) {
	for o := s.writers.head; o != nil; o = s.writers.head {
		if o.nobody {
			l.endParked(o, Code(unix.EPIPE))
		} else {
			l.cut(o, s.hears())
		}
	}
}

// shutBehind has a shutdown of the write side wait for what was handed over, which nobody has to wait for.
func (l *Loop) shutBehind(s *Socket) {
	h := &s.handover
	h.shutLater, h.refused, h.failure = true, true, Code(unix.EPIPE)
	l.tellCredit(s)
	h.until = time.Now().Add(l.cfg.DrainTime)
	h.timer = l.after(l.cfg.DrainTime, func() {
		if h.shutLater && !s.closed {
			l.reset(s)
		}
	})
}

func (l *Loop) shutNow(s *Socket) {
	h := &s.handover
	h.shutLater = false
	h.timer.Stop()
	_ = l.shutdown(s, unix.SHUT_WR)
}

// reset ends a connection whose peer takes nothing. What the kernel says of that is for those who receive.
func (l *Loop) reset(s *Socket) {
	disconnect(s.fd, s.tcp)
	s.odd()
	l.endWriters(s)
}

func disconnect(fd int, tcp bool) {
	if tcp {
		_ = sysConnect(fd, &Sockaddr{size: int(unsafe.Sizeof(unix.RawSockaddr{}))}) // AF_UNSPEC
	} else {
		_ = sysShutdown(fd, unix.SHUT_RDWR)
	}
}

// takeHanded takes what was handed over and not sent out of the queue of a socket that is about to be closed.
func (l *Loop) takeHanded(s *Socket) (parts [][]byte) {
	for o := s.writers.head; o != nil; {
		next := o.next
		if o.nobody {
			parts = append(parts, append([]byte(nil), o.Data...))
			s.handover.ops--
			l.discard(o)
		}
		o = next
	}
	return parts
}

// closeBehind closes a descriptor when the parts have left it. A shutdown that already waits for them has begun their time.
func (l *Loop) closeBehind(s *Socket, parts [][]byte, done func()) {
	limit := l.cfg.DrainTime
	if h := &s.handover; h.shutLater {
		h.timer.Stop()
		limit = time.Until(h.until)
	}
	on, seconds := sysGetLinger(s.fd)
	on = on && s.tcp
	if on && seconds == 0 { // that drops what is unsent
		l.closeDescriptor(s, done)
		return
	}
	if !fds.isAlone(s.fd) {
		l.closeBehindShared(s, parts, limit, done)
		return
	}
	fds.release(s.fd)
	g := &closing{fd: s.fd, parts: parts, lingers: on, done: done}
	if on {
		g.rest, limit = limit-time.Duration(seconds)*time.Second, time.Duration(seconds)*time.Second
	} else {
		g.answer()
	}
	l.closeSlowly(g, limit)
}

// closeBehindShared does so where others have the socket as well: a duplicate stays until the parts have left, or their time is
// over. What linger says is the others', and so is the connection, unless a shutdown waits for the parts: close(2) of one of
// several holders waits for nothing and ends nothing.
func (l *Loop) closeBehindShared(s *Socket, parts [][]byte, limit time.Duration, done func()) {
	g := &closing{shared: true, tcp: s.tcp, shuts: s.handover.shutLater, parts: parts}
	var e unix.Errno
	if g.fd, e = sysDup(s.fd); e == 0 {
		fds.reserve(g.fd)
	}
	l.closeDescriptor(s, done)
	if e == 0 {
		l.closeSlowly(g, limit)
	}
}
