// Package socketcore runs socket calls on Linux: sockets, the event loop that
// lets calls wait, addresses, options and control messages. It knows system
// calls and nothing of who asks for them.
package socketcore

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Fault may be set by a test before any loop runs. It is asked before every socket system
// call; an errno other than 0 is returned in place of the call.
var Fault func(call string, fd int) syscall.Errno

func fault(call string, fd int) syscall.Errno {
	if Fault == nil {
		return 0
	}
	return Fault(call, fd)
}

// None of these calls blocks: descriptors are non-blocking or the call has
// MSG_DONTWAIT. So they go to the kernel raw, without telling the Go scheduler.

func sysSocket(domain, typ, proto int) (int, syscall.Errno) {
	if e := fault("socket", -1); e != 0 {
		return -1, e
	}
	r, _, e := unix.RawSyscall(unix.SYS_SOCKET, uintptr(domain), uintptr(typ), uintptr(proto))
	return int(r), e
}

func sysBind(fd int, sa *Sockaddr) syscall.Errno {
	if e := fault("bind", fd); e != 0 {
		return e
	}
	_, _, e := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(sa.pointer()), uintptr(sa.size))
	return e
}

func sysConnect(fd int, sa *Sockaddr) syscall.Errno {
	if e := fault("connect", fd); e != 0 {
		return e
	}
	_, _, e := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(sa.pointer()), uintptr(sa.size))
	return e
}

func sysListen(fd, backlog int) syscall.Errno {
	if e := fault("listen", fd); e != 0 {
		return e
	}
	_, _, e := unix.RawSyscall(unix.SYS_LISTEN, uintptr(fd), uintptr(backlog), 0)
	return e
}

func sysAccept(fd int) (int, syscall.Errno) {
	if e := fault("accept", fd); e != 0 {
		return -1, e
	}
	r, _, e := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int(r), e
}

func sysShutdown(fd, how int) syscall.Errno {
	if e := fault("shutdown", fd); e != 0 {
		return e
	}
	_, _, e := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), uintptr(how), 0)
	return e
}

// sysClose has no answer: on Linux the descriptor is gone, whatever close(2) says of it.
func sysClose(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// sysCloseWait closes a descriptor whose close may linger, on a thread that may wait. A signal would
// end the waiting (socket(7) promises it whole), and the Go runtime sends them to its threads.
func sysCloseWait(fd int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before) == nil {
		defer func() { _ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil) }()
	}
	_, _, _ = unix.Syscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

func sysName(trap uintptr, fd int, sa *Sockaddr) syscall.Errno {
	if e := fault("name", fd); e != 0 {
		return e
	}
	size := uint32(len(sa.raw))
	_, _, e := unix.RawSyscall(trap, uintptr(fd), uintptr(sa.pointer()), uintptr(unsafe.Pointer(&size)))
	sa.size = int(min(size, uint32(len(sa.raw))))
	return e
}

func sysRecv(fd int, p []byte, flags int) (int, syscall.Errno) {
	if e := fault("recv", fd); e != 0 {
		return 0, e
	}
	r, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), uintptr(flags|unix.MSG_DONTWAIT), 0, 0)
	return int(r), e
}

func sysRecvmsg(fd int, m *unix.Msghdr, flags int) (int, syscall.Errno) {
	if e := fault("recvmsg", fd); e != 0 {
		return 0, e
	}
	r, _, e := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(m)), uintptr(flags|unix.MSG_DONTWAIT))
	return int(r), e
}

func sysSend(fd int, p []byte, flags int, to *Sockaddr) (int, syscall.Errno) {
	if e := fault("send", fd); e != 0 {
		return 0, e
	}
	var addr unsafe.Pointer
	var size int
	if to != nil {
		addr, size = to.pointer(), to.size
	}
	r, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), uintptr(flags|unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL), uintptr(addr), uintptr(size))
	return int(r), e
}

func sysSendmsg(fd int, m *unix.Msghdr, flags int) (int, syscall.Errno) {
	if e := fault("sendmsg", fd); e != 0 {
		return 0, e
	}
	r, _, e := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(m)),
		uintptr(flags|unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL))
	return int(r), e
}

// sysDup duplicates a descriptor, with close-on-exec.
func sysDup(fd int) (int, syscall.Errno) {
	if e := fault("dup", fd); e != 0 {
		return -1, e
	}
	r, _, e := unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if e != 0 {
		return -1, e
	}
	return int(r), 0
}

func sysSetNonblock(fd int) {
	if fault("fcntl", fd) != 0 {
		return
	}
	flags, _, e := unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_GETFL, 0)
	if e == 0 && flags&unix.O_NONBLOCK == 0 {
		_, _, _ = unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFL, flags|unix.O_NONBLOCK)
	}
}

func sysEpollCtl(epfd, op, fd int, ev *unix.EpollEvent) syscall.Errno {
	if e := fault("epoll_ctl", fd); e != 0 {
		return e
	}
	_, _, e := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epfd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(ev)), 0, 0)
	return e
}

func sysGetLinger(fd int) (on bool, seconds int) {
	if fault("getsockopt", fd) != 0 {
		return false, 0
	}
	var l unix.Linger
	size := uint32(unsafe.Sizeof(l))
	_, _, _ = unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER,
		uintptr(unsafe.Pointer(&l)), uintptr(unsafe.Pointer(&size)), 0)
	return l.Onoff != 0, int(l.Linger)
}

// sysSetLinger says how a close lingers.
func sysSetLinger(fd int, l unix.Linger) {
	if fault("setsockopt", fd) != 0 {
		return
	}
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER,
		uintptr(unsafe.Pointer(&l)), unsafe.Sizeof(l), 0)
}

// sysGetInt asks for an option of level SOL_SOCKET.
func sysGetInt(fd, name int) (int, syscall.Errno) {
	return sysGetIntOf(fd, unix.SOL_SOCKET, name)
}

func sysGetIntOf(fd, level, name int) (int, syscall.Errno) {
	if e := fault("getsockopt", fd); e != 0 {
		return 0, e
	}
	var v int32
	size := uint32(unsafe.Sizeof(v))
	_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&size)), 0)
	return int(v), e
}

func sysSetInt(fd, level, name, value int) syscall.Errno {
	if e := fault("setsockopt", fd); e != 0 {
		return e
	}
	v := int32(value)
	_, _, e := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(&v)), unsafe.Sizeof(v), 0)
	return e
}

// sysReady asks ppoll(2), without waiting, which of the events hold now. The newer architectures
// have no poll(2).
func sysReady(fd int, events int16) int16 {
	p := unix.PollFd{Fd: int32(fd), Events: events}
	var now unix.Timespec
	n, _, _ := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	if int(n) != 1 {
		return 0
	}
	return p.Revents
}

// HasRoom tells whether a descriptor takes bytes now, or fails at once.
func HasRoom(fd int) bool { return sysReady(fd, pollOut) != 0 }
