package socketcore

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A loop that is called rarely waits where the Go runtime waits for everything. A thread that waits in the kernel by
// itself, and each system call that the runtime is told of, wake the runtime's monitor, which then looks dozens of times
// whether that thread is still there.
const (
	longWait  = 20 * time.Millisecond
	shortWait = 2 * time.Millisecond
	// longWaits in a row begin the rest, a short one ends it.
	longWaits = 2
)

// rest is how a loop waits.
type rest struct {
	long int             // waits in a row that were long
	fd   int             // a duplicate of the epoll descriptor
	file *os.File        // that, as the runtime knows it; nil when the loop waits by itself
	conn syscall.RawConn // that of file
	look func(uintptr) bool
	n    int  // events that look has found
	due  bool // file has a deadline
}

// wait returns the number of events. It takes at most so many milliseconds, for ever when that is -1.
func (l *Loop) wait(sleep int) int {
	begin := Now()
	l.looks(begin)
	l.stats.Waits++
	var n int
	if l.rest.file != nil {
		n = l.waitWithRuntime(sleep)
	} else {
		n = l.waitInKernel(sleep, begin)
	}
	end := Now()
	l.sees(end)
	took := time.Duration(end - begin)
	switch {
	case took < shortWait:
		l.rest.long = 0
		l.endRest()
	case took >= longWait:
		if l.rest.long++; l.rest.long == longWaits {
			l.beginRest()
		}
	case l.rest.file == nil:
		l.rest.long = 0
	}
	return n
}

func (l *Loop) waitInKernel(sleep int, begin int64) int {
	for left := sleep; ; {
		n, e := l.sysEpollWait(left)
		if e == 0 {
			return n
		}
		if e != unix.EINTR {
			panic("socketcore: epoll_wait: " + e.Error())
		}
		if sleep > 0 {
			left = max(0, sleep-int((Now()-begin)/int64(time.Millisecond)))
		}
	}
}

func (l *Loop) sysEpollWait(sleep int) (int, syscall.Errno) {
	if e := fault("epoll_wait", l.epfd); e != 0 {
		return 0, e
	}
	n, err := unix.EpollWait(l.epfd, l.events[:], sleep)
	if err != nil {
		return 0, errnoOf(err)
	}
	return n, 0
}

func (l *Loop) waitWithRuntime(sleep int) int {
	r := &l.rest
	if sleep >= 0 || r.due {
		var deadline time.Time
		if r.due = sleep >= 0; r.due {
			deadline = time.Now().Add(time.Duration(sleep) * time.Millisecond)
		}
		_ = r.file.SetReadDeadline(deadline)
	}
	r.n = 0
	if err := r.conn.Read(r.look); err != nil {
		return l.pollNow() // the time is up
	}
	return r.n
}

// beginRest has the runtime watch the epoll descriptor. Watching costs something at each event: so that begins and ends
// with the rest.
func (l *Loop) beginRest() {
	r := &l.rest
	if r.file != nil {
		return
	}
	fd, e := sysDup(l.epfd)
	if e != 0 {
		r.long = 0
		return
	}
	fds.reserve(fd)
	sysSetNonblock(fd) // otherwise the runtime does not watch it
	r.fd, r.file, r.due = fd, os.NewFile(uintptr(fd), "epoll"), false
	var err error
	if r.conn, err = r.file.SyscallConn(); err != nil || r.file.SetReadDeadline(time.Time{}) != nil {
		r.long = 0
		l.endRest()
		return
	}
	if r.look == nil {
		r.look = func(uintptr) bool {
			r.n = l.pollNow()
			return r.n > 0
		}
	}
}

func (l *Loop) endRest() {
	r := &l.rest
	if r.file == nil {
		return
	}
	fds.retire(r.fd)
	_ = r.file.Close()
	fds.closed(r.fd)
	r.file, r.conn = nil, nil
}
