package socketcore

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sizes of receive steps, in bytes.
const (
	directMax  = 64 << 10 // up to here a receive is tried straight into the reply
	stepMax    = 256 << 10
	moreSize   = 1 << 20                           // a receive of more than this arrives in parts
	messageMax = 8 << 20                           // largest buffer of one message
	sizeLimit  = 1 << (30 + 16*(unix.SizeofPtr/8)) // more than this no address space holds
	farParts   = 2                                 // parts of a far receive that may be under way
)

const specialFlags = unix.MSG_PEEK | unix.MSG_OOB | unix.MSG_ERRQUEUE

// consumes tells whether the operation takes something that is lost with its reader.
func (o *Op) consumes() bool { return o.Kind < Accept && o.Flags&specialFlags == 0 }

// ignoredFlags are those that the kernel does not look at in a receive on this socket: what it reads then is the
// next data, as without them.
func (s *Socket) ignoredFlags() int {
	switch {
	case s.domain == unix.AF_UNIX:
		return unix.MSG_ERRQUEUE
	case s.SCTP(), s.proto == unix.IPPROTO_UDP && s.typ == unix.SOCK_DGRAM:
		return unix.MSG_OOB
	}
	return 0
}

// wantsErrors tells whether the operation looks at the error queue, where data that wait are
// nothing to it.
func (o *Op) wantsErrors() bool { return o.Flags&unix.MSG_ERRQUEUE != 0 }

// attempt runs an operation as far as it goes now.
func (l *Loop) attempt(o *Op) Code {
	switch {
	case o.Kind == Accept:
		return l.attemptAccept(o)
	case o.Kind > Accept:
		c := l.attemptSend(o)
		o.hungry = c == Hungry
		return c
	}
	s := o.sock
	l.behind = -1
	if s.ahead.owed > 0 {
		if c := l.discardBytes(s); c != 0 {
			return c
		}
	}
	if c, done := l.afterDead(o); done {
		return c
	}
	if max(o.Length, o.CtrlSize) > sizeLimit {
		return NoMemory
	}
	if o.Mode == Wait && o.Flags&specialFlags == 0 && s.isEmpty() {
		return l.want(s, readEvents)
	}
	if o.Flags&unix.MSG_OOB != 0 {
		s.odd() // its mark stays, when epoll has nothing to say of it any more
	}
	var c Code
	switch {
	case o.gathersPeek():
		c = l.attemptPeek(o)
	case o.Kind != Recv:
		c = l.attemptMessage(o)
	case s.stream && (o.Length > 0 || s.RcvCount > 0) && o.Flags&(specialFlags|unix.MSG_TRUNC) == 0:
		c = l.attemptGather(o)
	default:
		c = l.attemptOnce(o)
	}
	if c == Again {
		c = s.abandoned()
	}
	return l.received(s, c)
}

// received has a receive that found too little wait for what comes, and counts failures.
func (l *Loop) received(s *Socket, c Code) Code {
	if c == Again {
		c = l.want(s, readEvents)
	}
	if c != 0 && c != Again {
		s.Counters[ReadFails]++
	}
	return c
}

// attemptOnce does one recv(2) and takes what it gives.
func (l *Loop) attemptOnce(o *Op) Code {
	s := o.sock
	size := o.Length
	if size == 0 {
		size = s.RcvBuf
	}
	if s.stream {
		size = min(size, moreSize)
	} else {
		size = min(size, messageMax)
	}
	if size >= pourMin && o.Flags == 0 {
		if n := l.pour(o, size); n > 0 {
			l.countPackage(s, n)
			return 0
		}
	}
	p := l.handler.Room(o, size)
	if o.Flags&unix.MSG_TRUNC != 0 {
		clear(p)
	}
	if !s.stream || o.Flags&unix.MSG_ERRQUEUE != 0 {
		return l.recvMessage(o, p)
	}
	n, c := l.recv(s, p, o.Flags)
	if c != 0 {
		return c
	}
	if n == 0 && size > 0 {
		return Closed
	}
	o.Result = p[:min(n, len(p))]
	l.countPackage(s, len(o.Result))
	return 0
}

// attemptGather reads from a stream until Length bytes are there, or N times the buffer
// when the rcvbuf option is {N, Size} and no Length is given.
func (l *Loop) attemptGather(o *Op) Code {
	s := o.sock
	for {
		left := o.Length - o.Taken
		if o.Length == 0 {
			if o.parts == 0 {
				o.parts = s.RcvCount
			}
			left = s.RcvBuf
		}
		if o.Length > 0 && left >= pourMin {
			switch n := l.pour(o, left); {
			case n == left:
				return l.gathered(o)
			case n > 0 && l.mustRest(o):
				return Again
			case n > 0:
				continue
			}
		}
		// Who waits hears of what is behind, be it the end; who does not has to ask.
		if o.Length > 0 && o.Taken > 0 && o.Mode == Wait && s.isEmpty() {
			o.Result = o.got
			return Again
		}
		direct := len(o.got) == 0 && !o.gaveMor && left <= directMax && o.Length > 0
		var p []byte
		if direct {
			p = l.handler.Room(o, left)
		} else {
			p = l.spare(o, min(left, stepMax))
		}
		n, c := l.recvExact(s, p)
		if c == Again && o.Length == 0 && len(o.got) > 0 {
			return l.gathered(o) // {N, Size}: what is there is the result
		}
		if c == 0 && n == 0 {
			c = Closed
		}
		if c != 0 {
			o.Result = o.got
			return c
		}
		o.Taken += n
		if direct {
			if n == left {
				o.Result = p
				l.countPackage(s, n)
				return 0
			}
			o.got = append(o.got, p[:n]...)
		} else {
			o.got = o.got[:len(o.got)+n]
		}
		if n < len(p) && o.Mode == Select && o.Length > 0 {
			o.Result = o.got // what there was; an end of the stream behind it is the next call's
			return Again
		}
		if direct {
			continue
		}
		if o.Length == 0 {
			o.parts--
			if n < len(p) || o.parts == 0 || o.Mode != Wait {
				o.goesOn = n == len(p) && o.Mode == Select
				return l.gathered(o)
			}
			continue
		}
		if n == left {
			return l.gathered(o)
		}
		if o.Length > moreSize && len(o.got) >= stepMax {
			l.more(o)
			if l.mustRest(o) {
				return Again
			}
		}
	}
}

// mustRest tells whether a receive that comes in parts has to wait after this one.
func (l *Loop) mustRest(o *Op) bool {
	if o.Mode != Wait {
		return false
	}
	if o.Far {
		if o.ahead++; o.ahead == farParts {
			return true // Arrived goes on
		}
	}
	if l.paused {
		l.postpone(o.sock) // the client takes less than the peer gives
	}
	return l.paused
}

func (l *Loop) gathered(o *Op) Code {
	o.Result = o.got
	l.countPackage(o.sock, o.Taken)
	return 0
}

// spare returns room for n more bytes behind what was gathered.
func (l *Loop) spare(o *Op, n int) []byte {
	need := len(o.got) + n
	if cap(o.got) < need {
		var grown []byte
		if cap(l.roomy) >= need {
			grown, l.roomy = l.roomy[:0], nil
		} else {
			grown = make([]byte, 0, max(need, min(2*cap(o.got), moreSize)))
		}
		o.got = append(grown, o.got...)
	}
	return o.got[len(o.got):need]
}

// trim takes from a receive that is to wait the room that it has not used: while it waits it keeps what counts as unread, and little
// more. The next receive of this loop that needs room has it.
func (l *Loop) trim(o *Op) {
	if cap(o.got)-len(o.got) <= keepBuffer {
		return
	}
	unused := o.got
	o.got = append([]byte(nil), o.got...)
	if cap(unused) <= moreSize {
		l.roomy, unused = unused, l.roomy
	}
	l.cfg.Freed(cap(unused))
	if o.Result != nil {
		o.Result = o.got
	}
}

func (l *Loop) countPackage(s *Socket, n int) {
	s.Counters[ReadPkg]++
	s.Counters[ReadPkgMax] = max(s.Counters[ReadPkgMax], uint64(n))
}

// recv wraps recv(2) and keeps the socket's readiness and counters.
func (l *Loop) recv(s *Socket, p []byte, flags int) (int, Code) {
	s.Counters[ReadTries]++
	n, e := sysRecv(s.fd, p, flags)
	if e != 0 {
		return 0, code(e)
	}
	if n > 0 && n < len(p) && flags&specialFlags == 0 {
		s.emptied()
	}
	s.Counters[ReadByte] += uint64(n)
	return n, 0
}

// recvExact is recv for a caller who wants no more than len(p) bytes, so that a full read
// says nothing of what is left: on TCP the kernel tells (TCP_INQ, tcp(7)).
func (l *Loop) recvExact(s *Socket, p []byte) (int, Code) {
	if s.inq == 0 {
		s.inq = -1
		if sysSetInt(s.fd, unix.IPPROTO_TCP, unix.TCP_INQ, 1) == 0 {
			s.inq = 1
		}
	}
	if s.inq < 0 {
		return l.recv(s, p, 0)
	}
	s.Counters[ReadTries]++
	l.prepare(p, nil, l.inq[:])
	n, e := sysRecvmsg(s.fd, &l.msg, 0)
	if e != 0 {
		return 0, code(e)
	}
	s.Counters[ReadByte] += uint64(n)
	if n > 0 && l.msg.Controllen >= unix.SizeofCmsghdr+4 {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&l.inq[0]))
		if h.Type == unix.TCP_CM_INQ {
			if l.behind = int(*(*int32)(unsafe.Pointer(&l.inq[unix.SizeofCmsghdr]))); l.behind == 0 {
				s.emptied()
			}
		}
	}
	return n, 0
}

// prepare fills the loop's msghdr.
func (l *Loop) prepare(p []byte, name *Sockaddr, ctrl []byte) {
	l.iov.Base = unsafe.SliceData(p)
	l.iov.SetLen(len(p))
	l.msg = unix.Msghdr{Iov: &l.iov, Iovlen: 1}
	if name != nil {
		l.msg.Name = (*byte)(name.pointer())
		l.msg.Namelen = uint32(len(name.raw))
	}
	if len(ctrl) > 0 {
		l.msg.Control = unsafe.SliceData(ctrl)
		l.msg.SetControllen(len(ctrl))
	}
}

// attemptMessage does one recvmsg(2) for recvfrom and recvmsg.
func (l *Loop) attemptMessage(o *Op) Code {
	s := o.sock
	size := o.Length
	if size == 0 {
		size = s.RcvBuf
	}
	p := l.handler.Room(o, min(size, messageMax))
	if o.Flags&unix.MSG_TRUNC != 0 && s.stream {
		clear(p)
	}
	return l.recvMessage(o, p)
}

// recvMessage receives one message with its source, and its control messages when the
// operation wants them. A message longer than p is cut.
func (l *Loop) recvMessage(o *Op, p []byte) Code {
	s := o.sock
	var ctrl []byte
	if o.Kind == Recvmsg {
		s.userControl()
		size := o.CtrlSize
		if size == 0 {
			size = s.RcvCtrlBuf
		}
		size = min(size, messageMax)
		if cap(l.ctrl) < size {
			l.ctrl = make([]byte, size)
			l.cfg.Freed(size) // it is for this call alone, if it is large
		}
		ctrl = l.ctrl[:size]
	}
	s.Counters[ReadTries]++
	l.prepare(p, &l.from, ctrl)
	flags := o.Flags
	if s.domain == unix.AF_UNIX {
		flags |= unix.MSG_CMSG_CLOEXEC // others pass no descriptors, and packet sockets refuse it
	}
	n, e := sysRecvmsg(s.fd, &l.msg, flags)
	if e != 0 {
		return code(e)
	}
	o.InCtrl = ctrl[:min(int(l.msg.Controllen), len(ctrl))]
	o.InFlags = int(l.msg.Flags)
	var cut bool
	if o.InCtrl, cut = s.takeDescriptors(o.InCtrl, o.Flags); cut {
		o.InFlags |= unix.MSG_CTRUNC
	}
	if s.stream && n > 0 && n < len(p) && o.Flags&specialFlags == 0 {
		s.emptied()
	}
	if n == 0 && s.stream && len(p) > 0 && l.msg.Flags&unix.MSG_ERRQUEUE == 0 {
		return Closed
	}
	n = min(n, len(p)) // with MSG_TRUNC the kernel tells the full length
	s.Counters[ReadByte] += uint64(n)
	s.Counters[ReadPkg]++
	if o.Kind == Recv {
		s.Counters[ReadPkgMax] = max(s.Counters[ReadPkgMax], uint64(n))
	}
	o.Result = p[:n]
	if l.msg.Namelen > 0 {
		l.from.size = int(min(l.msg.Namelen, uint32(len(l.from.raw))))
		o.From = &l.from
	}
	return 0
}
