package socketcore

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Adopt makes a socket of a duplicate of a descriptor of another process (pidfd_getfd(2)).
// That may only be the client, which started this one: a program with more privileges than
// its client must not reach into others for it.
func (l *Loop) Adopt(pid, fd int, owner []byte) (*Socket, Code) {
	said := func() string { return fmt.Sprintf("descriptor %d of process %d", fd, pid) }
	r := l.cfg.Allow.refusal(func(a *Allow) Rule { return a.name(ruleDescriptors, fromVM) })
	if c := l.against(r, callOpenFD, 0, said); c != 0 {
		return nil, c
	}
	use, e := sysTakeFrom(pid, fd)
	if e != 0 {
		return nil, Code(e)
	}
	r = l.cfg.Allow.refusal(func(a *Allow) Rule { return a.descriptor(use, fromVM) })
	if c := l.against(r, callOpenFD, 0, said); c != 0 {
		sysClose(use)
		return nil, c
	}
	if c := l.takePlace(); c != 0 {
		sysClose(use)
		return nil, c
	}
	fds.hold(use, true)
	s, c := l.ofDescriptor(use, owner)
	if c != 0 {
		return nil, c
	}
	s.CType = 2 + fd
	return s, 0
}

// forker is the program between an Erlang node and the programs that it starts.
const forker = "erl_child_setup"

// started tells by 0 that a process has started this one, by itself or through its forker.
func started(pid int) Errno {
	parent := os.Getppid()
	if pid == parent {
		return 0
	}
	name, grandparent, e := statOf(parent)
	switch {
	case e == unix.EMFILE || e == unix.ENFILE:
		return e
	case pid != grandparent || name != forker:
		return unix.EPERM
	}
	return 0
}

// statOf reads the name of a process and the number of its parent (proc_pid_stat(5)).
func statOf(pid int) (name string, parent int, e Errno) {
	fd, e := sysOpenToRead(fmt.Sprintf("/proc/%d/stat", pid))
	if e != 0 {
		return "", 0, e
	}
	defer sysClose(fd)
	var stat [512]byte
	n, e := sysRead(fd, stat[:])
	if e != 0 {
		return "", 0, e
	}
	// The name stands in parentheses and may hold others; behind it come the state and the parent.
	open, end := bytes.IndexByte(stat[:n], '('), bytes.LastIndexByte(stat[:n], ')')
	fields := bytes.Fields(stat[end+1 : n])
	if open < 0 || end < open || len(fields) < 2 {
		return "", 0, unix.ESRCH
	}
	parent, _ = strconv.Atoi(string(fields[1]))
	return string(stat[open+1 : end]), parent, 0
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
	defer sysClose(int(process))
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
