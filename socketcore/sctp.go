package socketcore

import (
	"encoding/binary"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Numbers of what is a call and no option, for all that it goes through setsockopt(2) and
// getsockopt(2).
const (
	sctpBindxAdd     = 100
	sctpBindxRemove  = 101
	sctpPeeloff      = 102
	sctpConnectx     = 111
	sctpPeeloffFlags = 122
)

// SCTP tells whether the socket's protocol is SCTP.
func (s *Socket) SCTP() bool {
	return s.proto == unix.IPPROTO_SCTP && (s.domain == unix.AF_INET || s.domain == unix.AF_INET6)
}

// BindMore wraps sctp_bindx(3): it adds addresses to those of an SCTP socket, or removes
// them. They stand one behind the other, each as long as its family wants.
func (s *Socket) BindMore(addrs []byte, add bool) Code {
	number := sctpBindxRemove // which allows nothing that was not allowed
	if add {
		number = sctpBindxAdd
		if e := s.Permit(SolSCTP, number, addrs, true); e != 0 {
			return Code(e)
		}
	}
	e := Setsockopt(s.fd, SolSCTP, number, addrs)
	s.bound = s.bound || add && len(addrs) > 0 && e == 0
	return Code(e)
}

// associations checks what the name of an SCTP socket that others have made does not tell: the other addresses that it is bound to,
// and its associations, by which messages go to peers that no call names.
func (a *Allow) associations(fd int, name *Sockaddr) Rule {
	if r := a.first(ruleRemotePorts, ruleRemoteAddresses); r != noRule {
		var number [4]byte
		n, e := Getsockopt(fd, SolSCTP, sctpGetAssocNumber, number[:])
		if e != unix.EOPNOTSUPP && (e != 0 || isSet(number[:n])) { // a one-to-one socket has none without a peer
			return r
		}
	}
	if where, _ := name.endpoint(); where.Addr().IsUnspecified() || a.first(ruleLocalPorts, ruleLocalAddresses) == noRule {
		return noRule
	}
	const head = 8 // of a struct sctp_getaddrs
	value := make([]byte, VariableRoom)
	n, e := Getsockopt(fd, SolSCTP, sctpGetLocalAddrs, value)
	if e != 0 || n > len(value)-head { // the length is that of the addresses alone
		return ruleDescriptors
	}
	return packed((*Allow).local, ruleLocalPorts, ruleLocalAddresses)(a, fd, value[head:head+n])
}

// abandoned is what a receive ends with when the association of a one-to-one socket is gone: after
// an ABORT that was told already, or after the socket has shut down its side. The kernel says so to
// those who wait in it, and EAGAIN to others. Again means that there is an association, or none yet.
func (s *Socket) abandoned() Code {
	if !s.stream || !s.SCTP() {
		return Again
	}
	var status [sizeStatus]byte
	if _, e := Getsockopt(s.fd, SolSCTP, sctpStatus, status[:]); e != unix.EINVAL {
		return Again
	}
	switch {
	case s.shutWrite:
		return Closed
	case s.Peername(&s.loop.scratch) == 0:
		return Code(unix.ENOTCONN)
	}
	return Again
}

// sizeStatus is the size of struct sctp_status.
const sizeStatus = 176

// An association is one that a one-to-many socket sets up.
type association struct {
	id    int32
	begun int64 // when, in nanoseconds
}

// associate wraps sctp_connectx(3) with one address, which is what connect(2) does on a
// one-to-many socket, but that it tells which association it has begun. Neither epoll nor an
// error of the socket says what becomes of that (RFC 6458, section 3.1.6): a timer looks.
func (l *Loop) associate(o *Op) {
	s := o.sock
	id, e := sysConnectx(s.fd, o.To)
	if e != unix.EINPROGRESS {
		l.finish(o, Code(e))
		return
	}
	o.assoc = association{id: id, begun: Now()}
	o.backoff = backoffMin
	l.awaitConnect(o)
}

// associating looks at the association that a parked connect has begun.
func (l *Loop) associating(o *Op) {
	c := o.sock.associationState(&o.assoc)
	switch {
	case c == Again:
		o.backoff = min(2*o.backoff, backoffMax)
		l.setTimer(o)
	case o.state == armed:
		o.state = fired
		l.handler.Fire(o)
	default:
		l.endParked(o, c)
	}
}

// associationState asks how an association stands; Again means that it is being set up. One
// that is gone was refused, unless there was time for all attempts.
func (s *Socket) associationState(a *association) Code {
	var status [sizeStatus]byte
	binary.NativeEndian.PutUint32(status[:], uint32(a.id))
	_, e := Getsockopt(s.fd, SolSCTP, sctpStatus, status[:])
	const established = 4
	switch {
	case e == unix.EINVAL && Now()-a.begun >= s.patience():
		return Code(unix.ETIMEDOUT)
	case e == unix.EINVAL:
		return Code(unix.ECONNREFUSED)
	case e != 0:
		return Code(e)
	case binary.NativeEndian.Uint32(status[4:]) < established:
		return Again
	}
	return 0
}

// patience is how long the kernel tries to set up an association, in nanoseconds: it doubles
// the time that it waits for an answer, up to a limit (RFC 9260, section 6.3.3).
func (s *Socket) patience() (total int64) {
	var init [8]byte // struct sctp_initmsg
	var rto [16]byte // struct sctp_rtoinfo
	if _, e := Getsockopt(s.fd, SolSCTP, sctpInitmsg, init[:]); e != 0 {
		return 0
	}
	if _, e := Getsockopt(s.fd, SolSCTP, sctpRtoinfo, rto[:]); e != 0 {
		return 0
	}
	attempts, limit := binary.NativeEndian.Uint16(init[4:]), uint32(binary.NativeEndian.Uint16(init[6:]))
	wait := binary.NativeEndian.Uint32(rto[4:])
	for range int(attempts) + 1 {
		total += int64(wait) * int64(time.Millisecond)
		wait = min(2*wait, limit)
	}
	return total
}

// sysConnectx begins an association and tells its id.
func sysConnectx(fd int, sa *Sockaddr) (id int32, e Errno) {
	if e := fault("connect", fd); e != 0 {
		return 0, e
	}
	args := struct { // struct sctp_getaddrs_old; the id comes back in its place
		id    int32
		bytes int32
		addrs unsafe.Pointer
	}{bytes: int32(sa.size), addrs: sa.pointer()}
	size := uint32(unsafe.Sizeof(args))
	_, _, e = unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), SolSCTP, sctpConnectx,
		uintptr(unsafe.Pointer(&args)), uintptr(unsafe.Pointer(&size)), 0)
	return args.id, e
}
