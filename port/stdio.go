// Package port speaks the framing of Erlang's {packet, 4} ports over two pipes: a 4-byte
// big-endian length, then that many bytes. It knows nothing of what the frames hold.
package port

import (
	"errors"
	"io"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pipeSize is what both pipes are asked to hold; where that is not allowed they stay as they are.
const pipeSize = 1 << 20

// Claim takes standard input and output for frames: the program's own descriptors 0 and 1
// lead to /dev/null and standard error from then on, so that a stray print cannot be taken
// for a frame. It returns the descriptors to read from and to write to, both non-blocking.
func Claim() (in, out int, err error) {
	if in, err = move(0); err != nil {
		return -1, -1, os.NewSyscallError("fcntl", err)
	}
	if out, err = move(1); err != nil {
		return -1, -1, os.NewSyscallError("fcntl", err)
	}
	null, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, -1, os.NewSyscallError("open", err)
	}
	defer func() { _ = unix.Close(null) }()
	if err := unix.Dup3(null, 0, 0); err != nil {
		return -1, -1, os.NewSyscallError("dup3", err)
	}
	if err := unix.Dup3(2, 1, 0); err != nil {
		return -1, -1, os.NewSyscallError("dup3", err)
	}
	return in, out, nil
}

func move(fd int) (int, error) {
	moved, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return -1, err
	}
	_, _ = unix.FcntlInt(uintptr(moved), unix.F_SETPIPE_SZ, pipeSize)
	return moved, unix.SetNonblock(moved, true)
}

// runtimeWrite is what the Go runtime writes through when it is set: the trace of a program that crashes, above all.
// The runtime keeps it for such use (go.dev/issue/67401).
//
//go:linkname runtimeWrite runtime.overrideWrite
var runtimeWrite func(fd uintptr, p unsafe.Pointer, n int32) int32

// CrashWithoutWaiting has a crash end the program soon even when standard error is full and nobody reads it. The
// runtime would wait for that reader with its trace, and whoever waits for the program's end with it.
func CrashWithoutWaiting() { runtimeWrite = writeSoon }

// lastWords is how long the runtime may wait for readers of standard error, in all.
const lastWords = int64(300 * time.Millisecond)

// lastWordsEnd is when that time is over, by the monotonic clock; 0 before the runtime has anything to say.
var lastWordsEnd int64

// writeSoon writes as the runtime does, but leaves out what standard error has no room for. It runs where nothing of
// Go works any more, on whatever stack there is: no calls but to the kernel.
//
//go:nosplit
//go:norace
//go:nocheckptr
func writeSoon(fd uintptr, p unsafe.Pointer, n int32) int32 {
	const piece = 4096 // a pipe that poll(2) calls writable has room for as much
	for done := int32(0); done < n; {
		size := min(n-done, piece)
		if fd == 2 && !hasRoom(fd) {
			return n
		}
		r, _, e := unix.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Add(p, done)), uintptr(size))
		if e != 0 {
			return -int32(e)
		}
		done += int32(r)
	}
	return n
}

//go:nosplit
//go:norace
//go:nocheckptr
func hasRoom(fd uintptr) bool {
	var now, wait [2]int // struct timespec
	_, _, _ = unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&now)), 0)
	at := int64(now[0])*int64(time.Second) + int64(now[1])
	if lastWordsEnd == 0 {
		lastWordsEnd = at + lastWords
	}
	if left := lastWordsEnd - at; left > 0 {
		wait[1] = int(left)
	}
	poll := unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT}
	r, _, _ := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1, uintptr(unsafe.Pointer(&wait)), 0, 0, 0)
	return r == 1
}

func rawRead(fd int, p []byte) (int, error) {
	for {
		n, err := transfer(unix.SYS_READ, fd, p)
		switch err {
		case unix.EINTR:
		case unix.ECONNRESET:
			return 0, nil
		case 0:
			return n, nil
		default:
			return 0, err
		}
	}
}

func rawWrite(fd int, p []byte) (int, error) {
	for {
		n, err := transfer(unix.SYS_WRITE, fd, p)
		switch err {
		case unix.EINTR:
		case unix.EPIPE, unix.ECONNRESET:
			return 0, io.ErrClosedPipe
		case 0:
			return n, nil
		default:
			return 0, err
		}
	}
}

// transfer is a read or write that never waits: the Go runtime need not be told of it.
func transfer(trap uintptr, fd int, p []byte) (int, unix.Errno) {
	n, _, err := unix.RawSyscall(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), err
}

// rawSplice moves n bytes from one pipe to another and returns how many it could. Why it could not
// move the others shows when they are written.
func rawSplice(from, to, n int) (moved int) {
	for moved < n {
		m, _, err := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n-moved),
			unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		switch {
		case err == unix.EINTR:
		case err != 0 || m == 0:
			return moved
		default:
			moved += int(m)
		}
	}
	return moved
}

func wouldBlock(err error) bool { return errors.Is(err, unix.EAGAIN) }
