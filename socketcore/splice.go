package socketcore

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A large receive does not pass through the program's memory: splice(2) moves its pages from the
// socket into a pipe of the loop, and whoever takes the result moves them on from there. What is
// announced lies in the pipe by then: a length promised from what a socket holds would be a lie
// as soon as another holder of the descriptor reads.

const (
	pourMin = 64 << 10 // from here on two system calls cost less than two copies
	pourMax = 1 << 20

	// A VM gets memory for each binary of 512 KiB and more from the system, and keeps ten such pieces for the next ones: a
	// receive of more parts than that has smaller ones.
	manyParts = 8
	partSize  = 448 << 10
)

// A pipe is there from the start, so that a program does not come to hold more than it began with.
// Without one (emfile) nothing is poured.
type pipe struct{ r, w int }

func newPipe() pipe {
	r, w, e := sysPipe()
	if e != 0 {
		return pipe{-1, -1}
	}
	fds.reserve(r)
	fds.reserve(w)
	sysSetPipeSize(w, pourMax)
	return pipe{r, w}
}

func (p pipe) descriptors() []int {
	if p.r < 0 {
		return nil
	}
	return []int{p.r, p.w}
}

// pour moves what a stream has for a receive that wants left more bytes into the loop's pipe, and
// hands it over unless it is the end of the result, as it always is for a receive of what there is:
// that goes with Done. It returns how much it was; 0 means that recv(2) is to be asked.
func (l *Loop) pour(o *Op, left int) int {
	s := o.sock
	if !s.tcp || s.CType != 0 || o.Far {
		return 0
	}
	there := sysInq(s.fd)
	if min(there, left) < pourMin || fds.isShared(s.fd) || l.pipe.r < 0 {
		return 0
	}
	if len(o.got) > 0 {
		l.more(o)
	}
	s.Counters[ReadTries]++
	step := min(left, pourMax)
	if o.Length > manyParts*moreSize {
		step = min(left, partSize)
	}
	n, e := sysSplice(s.fd, l.pipe.w, step)
	if e != 0 || n == 0 { // an urgent mark gives 0, too
		return 0
	}
	s.Counters[ReadByte] += uint64(n)
	o.Taken += n
	if n == there {
		s.emptied() // what came since is reported anew
	}
	o.Pipe, o.Poured = l.pipe.r, n
	if n < left && o.Length > 0 {
		l.more(o)
	}
	return n
}

// more hands over what o has so far.
func (l *Loop) more(o *Op) {
	size := len(o.got) + o.Poured
	l.handler.More(o, o.got)
	o.got, o.gaveMor, o.Poured = o.got[:0], true, 0
	l.given(o, size, true)
}

// sysInq is how many bytes a stream holds (SIOCINQ, tcp(7)); 0 when it does not tell.
func sysInq(fd int) int {
	if fault("ioctl", fd) != 0 {
		return 0
	}
	var n int32
	_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCINQ, uintptr(unsafe.Pointer(&n)))
	if e != 0 {
		return 0
	}
	return int(n)
}

func sysSplice(from, to, n int) (int, syscall.Errno) {
	if e := fault("splice", from); e != 0 {
		return 0, e
	}
	r, _, e := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n),
		unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
	return int(r), e
}
