package socketcore

import (
	"time"

	"golang.org/x/sys/unix"
)

// Retry intervals for what the kernel does not announce, in nanoseconds.
const (
	backoffMin = int64(time.Millisecond)
	backoffMax = 20 * backoffMin
)

// lastFlags belong to the last byte of a send, whichever chunk that is in.
const lastFlags = unix.MSG_OOB | unix.MSG_EOR

// attemptSend runs a send as far as the kernel takes it and asks for more bytes in time.
func (l *Loop) attemptSend(o *Op) Code {
	s := o.sock
	if s.whole {
		return l.attemptSendMessage(o)
	}
	for {
		last := o.Taken+len(o.Data) == o.Total
		if len(o.Data) == 0 && !last {
			l.askMore(o, o.Taken)
			return Hungry
		}
		flags := o.Flags
		if !last {
			flags = flags&^lastFlags | unix.MSG_MORE
		}
		n, c := l.send(o, flags)
		if c, ended := l.afterSend(o, n, c); ended {
			return c
		}
	}
}

// afterSend takes note of what a send(2) of a stream did, and tells whether the operation has ended or waits by that.
func (l *Loop) afterSend(o *Op, n int, c Code) (_ Code, ended bool) {
	s := o.sock
	if c == Again {
		return l.refused(o), true
	}
	if c != 0 {
		s.Counters[WriteFails]++
		return c, true
	}
	l.took(o, n)
	if o.Taken == o.Total {
		if o.ends == nil {
			s.countSent(o.Total)
		}
		return 0, true
	}
	if len(o.Data) > 0 {
		// A short write: the kernel's buffer is full (epoll(7)).
		s.Counters[WriteWaits]++
		return l.refused(o), true
	}
	return 0, false
}

// attemptSendMessage sends one message, gathered whole before.
func (l *Loop) attemptSendMessage(o *Op) Code {
	if o.Total > l.cfg.MessageMax {
		o.sock.Counters[WriteFails]++
		return Code(unix.EMSGSIZE)
	}
	if len(o.Data) < o.Total {
		if !o.kept && l.overLimit(len(o.Data)) {
			return Code(unix.ENOBUFS)
		}
		l.keepPayload(o)
		l.askMore(o, len(o.Data))
		return Hungry
	}
	n, c := l.send(o, o.Flags)
	switch {
	case c == Again:
		return l.refused(o)
	case c != 0:
		o.sock.Counters[WriteFails]++
		return c
	}
	l.took(o, n)
	o.Taken = o.Total
	o.sock.countSent(o.Total)
	return 0
}

func (s *Socket) countSent(size int) {
	c := &s.Counters
	c[WritePkg]++
	c[WritePkgMax] = max(c[WritePkgMax], uint64(size))
}

func (l *Loop) took(o *Op, n int) {
	l.sends++
	o.Taken += n
	o.Data = o.Data[n:]
	if o.kept {
		l.totals.Parked.Add(-int64(n))
		o.kept = len(o.Data) > 0
	}
	o.sock.Counters[WriteByte] += uint64(n)
	if o.ends != nil {
		l.countEnds(o)
	}
	o.To, o.Ctrl = nil, nil // they went with the first byte
}

// refused is where the kernel takes no more for now. For sendmsg a part is a result.
func (l *Loop) refused(o *Op) Code {
	s := o.sock
	if o.Kind == Sendmsg && o.Taken > 0 {
		return 0
	}
	c := l.want(s, writeEvents)
	if s.domain == unix.AF_UNIX && s.typ == unix.SOCK_DGRAM && o.To != nil {
		// The receiver's queue is full; epoll calls a sender that is not connected to it writable all the same.
		o.backoff = min(max(2*o.backoff, backoffMin), backoffMax)
	}
	return c
}

// send does one send(2) or sendmsg(2).
func (l *Loop) send(o *Op, flags int) (int, Code) {
	s := o.sock
	s.Counters[WriteTries]++
	var n int
	var e Errno
	switch {
	case len(o.Ctrl) == 0:
		n, e = sysSend(s.fd, o.Data, flags, o.To)
	case s.domain == unix.AF_UNIX && !fds.lend(o.Ctrl):
		e = unix.EBADF
	default:
		l.prepare(o.Data, nil, o.Ctrl)
		if o.To != nil {
			l.msg.Name, l.msg.Namelen = (*byte)(o.To.pointer()), uint32(o.To.size)
		}
		n, e = sysSendmsg(s.fd, &l.msg, flags)
	}
	if e == unix.EAGAIN {
		s.Counters[WriteWaits]++
	}
	return n, code(e)
}

// askMore asks for the bytes that follow, so that two windows beyond base are here or on
// their way.
func (l *Loop) askMore(o *Op, base int) {
	l.asking[o.ID], o.listed = o, true
	o.asked = max(o.asked, o.Taken+len(o.Data))
	for o.asked < o.Total && o.asked-base < 2*l.cfg.Window {
		n := min(l.cfg.Window, o.Total-o.asked)
		l.handler.Want(o, o.asked, n)
		o.asked += n
	}
}

// unlist says that o is answered: what still comes of its bytes is not for it.
func (l *Loop) unlist(o *Op) {
	if o.listed && l.asking[o.ID] == o {
		delete(l.asking, o.ID)
	}
	o.listed = false
}

// Chunk brings bytes of the send with this ID that Want asked for. Bytes that are not next in
// line were asked for before the send dropped what it held: they are left out, and so are
// those for a send that is answered.
func (l *Loop) Chunk(id uint32, offset int, p []byte) {
	o := l.asking[id]
	if o == nil || o.queue == nil || offset != o.Taken+len(o.Data) || len(p) > o.Total-offset {
		return
	}
	q := o.queue
	if len(o.Data) > 0 {
		if !l.keepMore(o, p) {
			if o.sock.whole {
				l.giveUp(o, Code(unix.ENOBUFS)) // what is here of it is of no use without the rest
			}
			return
		}
	} else {
		o.Data = p
	}
	if q.head == o {
		l.advance(o.sock, q)
	}
	if l.asking[id] == o {
		l.keepPayload(o)
	}
}

// keepPayload copies the bytes of a waiting send out of the caller's buffer, or drops them
// when too many are kept already: they can be had again.
func (l *Loop) keepPayload(o *Op) {
	if o.Kind < Send || o.kept || len(o.Data) == 0 {
		return
	}
	if !o.nobody && l.overLimit(len(o.Data)) && (!o.sock.whole || len(o.Data) == o.Total || !o.listed) {
		o.Data, o.asked = nil, o.Taken
		return
	}
	o.got = append(o.got[:0], o.Data...)
	o.Data, o.kept = o.got, true
	l.totals.Parked.Add(int64(len(o.Data)))
}

// keepMore adds bytes to those kept.
func (l *Loop) keepMore(o *Op, p []byte) bool {
	if l.overLimit(len(p)) {
		o.asked = o.Taken + len(o.Data)
		return false
	}
	if used := len(o.got) - len(o.Data); used > 0 && cap(o.got)-len(o.got) < len(p) {
		o.got = o.got[:copy(o.got, o.Data)]
		o.Data = o.got
	}
	used := len(o.got) - len(o.Data)
	o.got = append(o.got, p...)
	o.Data = o.got[used:]
	l.totals.Parked.Add(int64(len(p)))
	return true
}

func (l *Loop) overLimit(n int) bool { return l.totals.Parked.Load()+int64(n) > l.cfg.ParkedLimit }

// unkeep forgets the payload of an operation.
func (l *Loop) unkeep(o *Op) {
	if o.kept {
		l.totals.Parked.Add(-int64(len(o.Data)))
	}
	o.Data, o.kept = nil, false
}
