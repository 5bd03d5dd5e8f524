package socketcore

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Adopt makes a socket of a duplicate of a descriptor of another process (pidfd_getfd(2)).
// That may only be the client: the process that started this one, with or without another
// in between, as the forker of an Erlang node is. A program with more privileges than its
// client must not reach into others for it.
func (l *Loop) Adopt(pid, fd int, owner []byte) (*Socket, Code) {
	use, e := sysTakeFrom(pid, fd)
	if e != 0 {
		return nil, Code(e)
	}
	if _, e := sysGetInt(use, unix.SO_DOMAIN); e != 0 {
		sysClose(use)
		return nil, Code(e)
	}
	fds.hold(use, true)
	s := l.ofDescriptor(use, owner)
	s.CType = 2 + fd
	return s, 0
}

// started tells by 0 that a process has started this one, or its parent.
func started(pid int) Errno {
	parent := os.Getppid()
	if pid == parent {
		return 0
	}
	grandparent, e := parentOf(parent)
	switch {
	case e == unix.EMFILE || e == unix.ENFILE:
		return e
	case pid != grandparent:
		return unix.EPERM
	}
	return 0
}

// parentOf is the number of a process's parent (proc_pid_stat(5)).
func parentOf(pid int) (int, Errno) {
	// Not by package os, whose files have the runtime make a poller of its own.
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/stat", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, errnoOf(err)
	}
	defer func() { _ = unix.Close(fd) }()
	var stat [512]byte
	n, err := unix.Read(fd, stat[:])
	if err != nil {
		return 0, errnoOf(err)
	}
	// Behind the name, which may hold anything, come the state and the parent.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat[:n], ')')+1 : n])
	if len(fields) < 2 {
		return 0, unix.ESRCH
	}
	parent, _ := strconv.Atoi(string(fields[1]))
	return parent, 0
}

// sysTakeFrom duplicates a descriptor of another process into this one, with close-on-exec.
func sysTakeFrom(pid, fd int) (int, Errno) {
	if e := fault("pidfd_open", fd); e != 0 {
		return -1, e
	}
	process, _, e := unix.RawSyscall(unix.SYS_PIDFD_OPEN, uintptr(pid), 0, 0)
	if e != 0 {
		return -1, e
	}
	defer func() { _ = unix.Close(int(process)) }()
	// Only now: from here on the number cannot come to mean another process.
	if e := started(pid); e != 0 {
		return -1, e
	}
	if e := fault("pidfd_getfd", fd); e != 0 {
		return -1, e
	}
	r, _, e := unix.RawSyscall(unix.SYS_PIDFD_GETFD, process, uintptr(fd), 0)
	if e != 0 {
		return -1, e
	}
	return int(r), 0
}
