package socketcore

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A lingering is a closed socket whose close(2) would wait, by SO_LINGER, until its peer has acknowledged all that
// was sent or until that time is over. It has been shut down instead, which does the same and waits for nothing;
// epoll tells of the end of that, a timer of the end of the time.
type lingering struct {
	fd    int
	sctp  bool
	timer *time.Timer
	done  func()
}

// maxClosers bounds the threads that wait in close(2).
const maxClosers = 16

var closers = make(chan struct{}, maxClosers)

// lingers tells for how many seconds close(2) may wait: whoever shares the socket may have set that.
func (s *Socket) lingers() int {
	if s.domain == unix.AF_UNIX || !s.stream {
		return 0
	}
	on, seconds := sysGetLinger(s.fd)
	if !on {
		return 0
	}
	return seconds
}

// linger closes a descriptor that is of this socket alone.
func (l *Loop) linger(s *Socket, seconds int, done func()) {
	g := &lingering{fd: s.fd, sctp: s.SCTP(), done: done}
	if !g.begin() || !l.watchEnd(g) || !g.isUnderWay() {
		l.endLingering(g)
		return
	}
	g.timer = time.AfterFunc(time.Duration(seconds)*time.Second, func() {
		l.Post(func() {
			if l.lingering[g.fd] == g {
				l.endLingering(g)
			}
		})
	})
}

// begin does what close(2) does before it waits. False means that it would not wait: unread data make it reset the
// connection, and one under repair ends without a word.
func (g *lingering) begin() bool {
	if sysInq(g.fd) > 0 {
		return false
	}
	if !g.sctp {
		if repair, err := unix.GetsockoptInt(g.fd, unix.IPPROTO_TCP, unix.TCP_REPAIR); err != nil || repair != 0 {
			return false
		}
	}
	// What is not connected says ENOTCONN.
	return sysShutdown(g.fd, unix.SHUT_RDWR) == 0 && sysInq(g.fd) == 0
}

// isUnderWay tells whether the peer has yet to acknowledge something: the states of sk_stream_wait_close in the
// kernel. An SCTP socket has an association for as long.
func (g *lingering) isUnderWay() bool {
	if g.sctp {
		var status [sizeStatus]byte
		_, e := Getsockopt(g.fd, SolSCTP, sctpStatus, status[:])
		return e == 0
	}
	switch sysTCPState(g.fd) {
	case tcpFinWait1, tcpClosing, tcpLastAck:
		return true
	}
	return false
}

// States of TCP_INFO.
const (
	tcpFinWait1 = 4
	tcpLastAck  = 9
	tcpClosing  = 11
)

// watchEnd has the loop look at each change of the connection's state, of which epoll tells as of a hang-up.
func (l *Loop) watchEnd(g *lingering) bool {
	ev := unix.EpollEvent{Events: unix.EPOLLET, Fd: int32(g.fd), Pad: -foreignBit}
	if sysEpollCtl(l.epfd, unix.EPOLL_CTL_ADD, g.fd, &ev) != 0 {
		return false
	}
	l.lingering[g.fd] = g
	l.foreign[g.fd] = func(uint32) {
		if !g.isUnderWay() {
			l.endLingering(g)
		}
	}
	return true
}

func (l *Loop) endLingering(g *lingering) {
	if l.lingering[g.fd] == g {
		delete(l.lingering, g.fd)
		delete(l.foreign, g.fd)
	}
	if g.timer != nil {
		g.timer.Stop()
	}
	closeAtOnce(g.fd)
	if g.done != nil {
		g.done()
	}
}

// closeAtOnce closes a descriptor without lingering; what was sent is still delivered.
func closeAtOnce(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{})
	sysClose(fd)
	fds.closed(fd)
}

// closeShared closes a descriptor of a socket that others may have as well: whether this close(2) is the one that
// waits, only the kernel knows. Nor does anybody tell when the end of other protocols than TCP and SCTP has come.
func (l *Loop) closeShared(fd int, done func()) {
	select {
	case closers <- struct{}{}:
	default:
		closeAtOnce(fd)
		if done != nil {
			done()
		}
		return
	}
	go func() {
		sysCloseWait(fd)
		<-closers
		fds.closed(fd)
		if done != nil {
			l.Post(done)
		}
	}()
}

// sysTCPState is the state that a TCP socket is in; 0 when it does not tell.
func sysTCPState(fd int) (state uint8) {
	size := uint32(unsafe.Sizeof(state))
	_, _, _ = unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(&state)), uintptr(unsafe.Pointer(&size)), 0)
	return state
}
