package port

import (
	"encoding/binary"
	"slices"
	"sync"
)

// BeginFrame appends room for a frame's length; EndFrame fills it in, start being the length
// that the slice had before BeginFrame.
func BeginFrame(b []byte) []byte { return append(b, 0, 0, 0, 0) }

// EndFrame completes the frame that began at start.
func EndFrame(b []byte, start int) []byte { return EndFrameBefore(b, start, 0) }

// EndFrameBefore completes the frame that began at start and goes on for n bytes elsewhere.
func EndFrameBefore(b []byte, start, n int) []byte {
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-HeadSize+n))
	return b
}

// A Writer puts frames into a pipe in the order in which they are given to it, from any
// goroutine. What the pipe does not take waits in a backlog.
type Writer struct {
	fd      int
	mu      sync.Mutex
	backlog []byte
	sent    int // bytes of backlog already written
	frames  uint64
	blocked func(bool)
}

// NewWriter writes to fd. blocked is called with true when a backlog begins: somebody must
// call Resume when the pipe is writable again; and with false when all of it is out. The
// Writer is locked meanwhile, so that what it tells is in the order of its writes.
func NewWriter(fd int, blocked func(bool)) *Writer { return &Writer{fd: fd, blocked: blocked} }

// Write sends whole frames, with one write if the pipe takes them. It returns the number of
// the last of them, counted from the first frame ever written. io.ErrClosedPipe says that
// nobody reads any more.
func (w *Writer) Write(frames []byte, count int) (last uint64, err error) {
	return w.WriteFrom(frames, count, -1, 0)
}

// WriteFrom is Write for frames of which the last one ends with n bytes that are in a pipe: they
// go from there to the Writer's own by splice(2), as far as that takes them.
func (w *Writer) WriteFrom(frames []byte, count, pipe, n int) (last uint64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frames += uint64(count)
	waits := len(w.backlog) > 0
	if !waits {
		wrote, err := rawWrite(w.fd, frames)
		if err != nil && !wouldBlock(err) {
			return w.frames, err
		}
		frames = frames[max(wrote, 0):]
		if len(frames) == 0 {
			n -= rawSplice(pipe, w.fd, n)
		}
	}
	if len(frames)+n == 0 {
		return w.frames, nil
	}
	if w.sent > len(w.backlog)/2 {
		w.backlog = w.backlog[:copy(w.backlog, w.backlog[w.sent:])]
		w.sent = 0
	}
	w.backlog = append(w.backlog, frames...)
	if w.backlog, err = appendFrom(w.backlog, pipe, n); err != nil {
		return w.frames, err
	}
	if !waits {
		w.blocked(true)
	}
	return w.frames, nil
}

// appendFrom appends n bytes that are in a pipe.
func appendFrom(b []byte, pipe, n int) ([]byte, error) {
	for n > 0 {
		b = slices.Grow(b, n)
		m, err := rawRead(pipe, b[len(b):len(b)+n])
		if err != nil {
			return b, err
		}
		b, n = b[:len(b)+m], n-m
	}
	return b, nil
}

// keepBacklog is the largest backlog buffer kept for the next time.
const keepBacklog = 1 << 20

// Shrink lets go of the room for a backlog when there is none.
func (w *Writer) Shrink() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.backlog) == 0 {
		w.backlog = nil
	}
}

// Resume writes what waits, and tells whether all of it is out now; false when nothing waited.
func (w *Writer) Resume() (done bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.backlog) == 0 {
		return false, nil
	}
	for w.sent < len(w.backlog) {
		n, err := rawWrite(w.fd, w.backlog[w.sent:])
		if err != nil {
			if wouldBlock(err) {
				return false, nil
			}
			return false, err
		}
		w.sent += n
	}
	w.sent = 0
	if cap(w.backlog) > keepBacklog {
		w.backlog = nil
	}
	w.backlog = w.backlog[:0]
	w.blocked(false)
	return true, nil
}
