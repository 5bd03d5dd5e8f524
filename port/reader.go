package port

import (
	"encoding/binary"
	"fmt"
	"io"
)

// HeadSize is the size of a frame's length.
const HeadSize = 4

// A LimitError is a frame whose length is above the limit of the Reader.
type LimitError struct{ Size, Limit uint32 }

func (e *LimitError) Error() string {
	return fmt.Sprintf("port: frame of %d bytes, the limit is %d", e.Size, e.Limit)
}

// readSize is the smallest room for a read; with it one read takes a batch of requests.
const readSize = 256 << 10

// ReaderKeeps is the size of a Reader's buffer when no frame needs a larger one.
const ReaderKeeps = 2 * readSize

// A Reader takes frames from a descriptor, many with one read. Frames lie in its buffer and
// are valid until the next Fill.
type Reader struct {
	fd    int
	limit int
	buf   []byte
	r, w  int
}

// NewReader reads frames of at most limit bytes from fd.
func NewReader(fd, limit int) *Reader {
	return &Reader{fd: fd, limit: limit, buf: make([]byte, ReaderKeeps)}
}

// Fill does one read. It returns the bytes read: 0 when nothing is there now, io.EOF at the
// end of the stream.
func (r *Reader) Fill() (int, error) {
	r.makeRoom()
	n, err := rawRead(r.fd, r.buf[r.w:])
	switch {
	case err != nil && wouldBlock(err):
		return 0, nil
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	r.w += n
	return n, nil
}

// makeRoom moves what is left to the front when the buffer has too little room behind it, and
// lets the buffer grow with a large frame as its bytes arrive, never ahead of them.
func (r *Reader) makeRoom() {
	if r.Shrink() {
		return
	}
	if len(r.buf)-r.w >= readSize {
		return
	}
	if r.r > 0 {
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	}
	if len(r.buf)-r.w < readSize {
		grown := make([]byte, 2*len(r.buf))
		copy(grown, r.buf[:r.w])
		r.buf = grown
	}
}

// Shrink lets go of the room that a large frame took when all frames are out, and tells whether they are.
func (r *Reader) Shrink() bool {
	if r.r < r.w {
		return false
	}
	r.r, r.w = 0, 0
	if len(r.buf) > ReaderKeeps {
		r.buf = make([]byte, ReaderKeeps)
	}
	return true
}

// Buffered is how many bytes there are behind the last frame.
func (r *Reader) Buffered() int { return r.w - r.r }

// Next returns the next whole frame, nil when there is none yet. A *LimitError is final.
func (r *Reader) Next() ([]byte, error) {
	if r.w-r.r < HeadSize {
		return nil, nil
	}
	size := binary.BigEndian.Uint32(r.buf[r.r:])
	if uint64(size) > uint64(r.limit) {
		return nil, &LimitError{size, uint32(r.limit)}
	}
	end := r.r + HeadSize + int(size)
	if r.w < end {
		return nil, nil
	}
	frame := r.buf[r.r+HeadSize : end : end]
	r.r = end
	return frame, nil
}
