// Package port speaks the framing of Erlang's {packet, 4} ports over two pipes: a 4-byte
// big-endian length, then that many bytes. It knows nothing of what the frames hold.
package port

import (
	"errors"
	"io"
	"os"

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

func rawRead(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Read(fd, p)
		switch err {
		case unix.EINTR:
		case unix.ECONNRESET:
			return 0, nil
		default:
			return n, err
		}
	}
}

func rawWrite(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Write(fd, p)
		switch err {
		case unix.EINTR:
		case unix.EPIPE, unix.ECONNRESET:
			return 0, io.ErrClosedPipe
		default:
			return n, err
		}
	}
}

// rawSplice moves n bytes from one pipe to another and returns how many it could. Why it could not
// move the others shows when they are written.
func rawSplice(from, to, n int) (moved int) {
	for moved < n {
		m, err := unix.Splice(from, nil, to, nil, n-moved, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if err != nil && err != unix.EINTR || err == nil && m == 0 {
			break
		}
		moved += int(max(m, 0))
	}
	return moved
}

func wouldBlock(err error) bool { return errors.Is(err, unix.EAGAIN) }
