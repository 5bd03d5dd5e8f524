package socketcore

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A closing is the descriptor of a closed socket that has to stay open: until what was handed over has left it, and, where
// SO_LINGER says so, until its peer has acknowledged all that was sent. Where close(2) would wait for that it has been shut
// down instead, which does the same and waits for nothing. Epoll tells of progress, a timer of the end of the time.
type closing struct {
	fd      int
	sctp    bool
	parts   [][]byte      // handed over, and not sent yet
	rest    time.Duration // how long they may take once it does not linger any more
	lingers bool
	shared  bool // it is a duplicate, others have the socket as well
	tcp     bool // of a shared one
	shuts   bool // a shared one ends with a shutdown of the write side, or a reset
	shut    bool // as close(2) does it before it waits
	timer   *time.Timer
	done    func() // of who waits for the end of close(2); nil when nobody does any more
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

// closeSlowly keeps a descriptor, which is of its socket alone, for at most so long.
func (l *Loop) closeSlowly(g *closing, limit time.Duration) {
	events := uint32(unix.EPOLLET & 0xffffffff) // each change of the connection's state is told as of a hang-up
	if len(g.parts) > 0 {
		events |= unix.EPOLLOUT
	}
	ev := unix.EpollEvent{Events: events, Fd: int32(g.fd), Pad: -foreignBit}
	if sysEpollCtl(l.epfd, unix.EPOLL_CTL_ADD, g.fd, &ev) != 0 {
		l.endClosing(g, len(g.parts) > 0)
		return
	}
	l.closings[g.fd] = g
	l.foreign[g.fd] = func(uint32) { l.goOn(g) }
	g.timer = l.after(limit, func() {
		if l.closings[g.fd] == g {
			l.timeOver(g)
		}
	})
	l.goOn(g)
}

// after runs f on the loop's thread in a while.
func (l *Loop) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() { l.Post(f) })
}

// goOn sends as much as the kernel takes of what was handed over, and ends when nothing is left to wait for.
func (l *Loop) goOn(g *closing) {
	for len(g.parts) > 0 {
		n, e := sysSend(g.fd, g.parts[0], 0, nil)
		if e == unix.EAGAIN {
			return
		}
		if e != 0 {
			l.endClosing(g, false)
			return
		}
		if g.parts[0] = g.parts[0][n:]; len(g.parts[0]) == 0 {
			g.parts = g.parts[1:]
		}
	}
	if g.lingers && !g.shut {
		g.shut, g.lingers = true, g.begin()
	}
	if !g.lingers || !g.isUnderWay() {
		l.endClosing(g, false)
	}
}

// timeOver is the end of the linger time, which is that of close(2) as well: the kernel goes on sending, and so does what
// was handed over. It is reset when that has had its time.
func (l *Loop) timeOver(g *closing) {
	if !g.lingers || len(g.parts) == 0 || g.rest <= 0 {
		l.endClosing(g, len(g.parts) > 0)
		return
	}
	g.lingers = false
	g.answer()
	g.timer.Reset(g.rest)
}

func (g *closing) answer() {
	if g.done != nil {
		g.done()
		g.done = nil
	}
}

// endClosing closes the descriptor: as any other, or by a reset.
func (l *Loop) endClosing(g *closing, reset bool) {
	if l.closings[g.fd] == g {
		delete(l.closings, g.fd)
		delete(l.foreign, g.fd)
	}
	if g.timer != nil {
		g.timer.Stop()
	}
	switch {
	case g.shared:
		l.closeDuplicate(g, reset)
	case reset:
		sysSetLinger(g.fd, unix.Linger{Onoff: 1})
		sysClose(g.fd)
		fds.closed(g.fd)
	default:
		closeAtOnce(g.fd)
	}
	g.answer()
}

// closeDuplicate closes a descriptor that others may go on with. It may have become the last one, and linger.
func (l *Loop) closeDuplicate(g *closing, reset bool) {
	_ = sysEpollCtl(l.epfd, unix.EPOLL_CTL_DEL, g.fd, nil) // the others would keep its events coming
	switch {
	case g.shuts && reset:
		disconnect(g.fd, g.tcp)
	case g.shuts:
		_ = sysShutdown(g.fd, unix.SHUT_WR)
	}
	fds.retire(g.fd)
	if on, seconds := sysGetLinger(g.fd); on && seconds > 0 {
		l.closeShared(g.fd, nil)
		return
	}
	sysClose(g.fd)
	fds.closed(g.fd)
}

// begin does what close(2) does before it waits. False means that it would not wait: unread data make it reset the
// connection, and one under repair ends without a word.
func (g *closing) begin() bool {
	if sysInq(g.fd) > 0 {
		return false
	}
	if !g.sctp {
		if repair, e := sysGetIntOf(g.fd, unix.IPPROTO_TCP, unix.TCP_REPAIR); e != 0 || repair != 0 {
			return false
		}
	}
	// What is not connected says ENOTCONN.
	return sysShutdown(g.fd, unix.SHUT_RDWR) == 0 && sysInq(g.fd) == 0
}

// isUnderWay tells whether the peer has yet to acknowledge something: the states of sk_stream_wait_close in the
// kernel. An SCTP socket has an association for as long.
func (g *closing) isUnderWay() bool {
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

// closeAtOnce closes a descriptor without lingering; what was sent is still delivered.
func closeAtOnce(fd int) {
	sysSetLinger(fd, unix.Linger{})
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
	if fault("getsockopt", fd) != 0 {
		return 0
	}
	size := uint32(unsafe.Sizeof(state))
	_, _, _ = unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(&state)), uintptr(unsafe.Pointer(&size)), 0)
	return state
}
