package port

import (
	"encoding/binary"
	"sync"
)

// BeginFrame appends room for a frame's length; EndFrame fills it in, start being the length
// that the slice had before BeginFrame.
func BeginFrame(b []byte) []byte { return append(b, 0, 0, 0, 0) }

// EndFrame completes the frame that began at start.
func EndFrame(b []byte, start int) []byte {
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-HeadSize))
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
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frames += uint64(count)
	if len(w.backlog) > 0 {
		if w.sent > len(w.backlog)/2 {
			w.backlog = w.backlog[:copy(w.backlog, w.backlog[w.sent:])]
			w.sent = 0
		}
		w.backlog = append(w.backlog, frames...)
		return w.frames, nil
	}
	n, err := rawWrite(w.fd, frames)
	if err != nil && !wouldBlock(err) {
		return w.frames, err
	}
	if n = max(n, 0); n < len(frames) {
		w.backlog = append(w.backlog, frames[n:]...)
		w.blocked(true)
	}
	return w.frames, nil
}

// keepBacklog is the largest backlog buffer kept for the next time.
const keepBacklog = 1 << 20

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
