package socketcore

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// System calls for what the program has besides sockets: epoll and its like, pipes, files of /proc, namespaces.

func sysEpollCreate() (int, syscall.Errno) {
	if e := fault("epoll_create1", -1); e != 0 {
		return -1, e
	}
	r, _, e := unix.RawSyscall(unix.SYS_EPOLL_CREATE1, unix.EPOLL_CLOEXEC, 0, 0)
	return int(r), e
}

func sysEventfd() (int, syscall.Errno) {
	if e := fault("eventfd2", -1); e != 0 {
		return -1, e
	}
	r, _, e := unix.RawSyscall(unix.SYS_EVENTFD2, 0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC, 0)
	return int(r), e
}

func sysPipe() (r, w int, e syscall.Errno) {
	if e := fault("pipe2", -1); e != 0 {
		return -1, -1, e
	}
	var fd [2]int32
	_, _, e = unix.RawSyscall(unix.SYS_PIPE2, uintptr(unsafe.Pointer(&fd)), unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	return int(fd[0]), int(fd[1]), e
}

// sysSetPipeSize asks for room in a pipe, which is what there is when it is refused.
func sysSetPipeSize(fd, size int) {
	if fault("fcntl", fd) == 0 {
		_, _, _ = unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETPIPE_SZ, uintptr(size))
	}
}

// sysOpenToRead opens a file, not by package os, whose files wait in the runtime's poller. Non-blocking: what should be a
// namespace may be a pipe that nobody writes to.
func sysOpenToRead(path string) (int, syscall.Errno) {
	if e := fault("open", -1); e != 0 {
		return -1, e
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, errnoOf(err)
	}
	return fd, 0
}

func sysRead(fd int, p []byte) (int, syscall.Errno) {
	if e := fault("read", fd); e != 0 {
		return 0, e
	}
	n, err := unix.Read(fd, p)
	if err != nil {
		return 0, errnoOf(err)
	}
	return n, 0
}

// sysEnterNetns moves the calling thread into a network namespace.
func sysEnterNetns(fd int) syscall.Errno {
	if e := fault("setns", fd); e != 0 {
		return e
	}
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return errnoOf(err)
	}
	return 0
}
