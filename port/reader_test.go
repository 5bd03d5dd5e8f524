package port

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// pipe makes a non-blocking pipe that the test closes.
func pipe(t testing.TB) (r, w int) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, pipeSize); err != nil {
		t.Logf("pipe of the default size: %v", err)
	}
	t.Cleanup(func() {
		unix.Close(fds[0])
		unix.Close(fds[1])
	})
	return fds[0], fds[1]
}

func frame(body []byte) []byte {
	return EndFrame(append(BeginFrame(nil), body...), 0)
}

func put(t testing.TB, fd int, p []byte) {
	t.Helper()
	if n, err := unix.Write(fd, p); err != nil || n != len(p) {
		t.Fatalf("%d of %d bytes written, %v", n, len(p), err)
	}
}

// fill does one Fill and returns copies of the frames that are whole then.
func fill(t testing.TB, r *Reader) (frames [][]byte) {
	t.Helper()
	if _, err := r.Fill(); err != nil {
		t.Fatal(err)
	}
	for {
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if f == nil {
			return frames
		}
		frames = append(frames, append([]byte{}, f...))
	}
}

func TestFramesSplitAnywhereComeWhole(t *testing.T) {
	in, out := pipe(t)
	r := NewReader(in, 100)
	stream := append(append(frame([]byte("first")), frame(nil)...), frame([]byte("third one"))...)
	want := [][]byte{[]byte("first"), {}, []byte("third one")}
	for i := 0; i <= len(stream); i++ {
		for j := i; j <= len(stream); j++ {
			var got [][]byte
			for _, piece := range [][]byte{stream[:i], stream[i:j], stream[j:]} {
				if len(piece) == 0 {
					continue
				}
				put(t, out, piece)
				got = append(got, fill(t, r)...)
			}
			if len(got) != len(want) {
				t.Fatalf("cut at %d and %d: %d frames", i, j, len(got))
			}
			for k := range want {
				if !bytes.Equal(got[k], want[k]) {
					t.Fatalf("cut at %d and %d: frame %d is %q", i, j, k, got[k])
				}
			}
		}
	}
}

func TestOneReadTakesManyFrames(t *testing.T) {
	in, out := pipe(t)
	r := NewReader(in, 100)
	const n = 1000
	put(t, out, bytes.Repeat(frame([]byte("request")), n))
	if got := fill(t, r); len(got) != n {
		t.Fatalf("%d frames of %d", len(got), n)
	}
	put(t, out, bytes.Repeat(frame([]byte("request")), 3))
	if _, err := r.Fill(); err != nil {
		t.Fatal(err)
	}
	for left := 2; left >= 0; left-- {
		if f, err := r.Next(); f == nil || err != nil || r.Buffered() != left*len(frame([]byte("request"))) {
			t.Errorf("%q, %v, %d bytes behind it", f, err, r.Buffered())
		}
	}
}

func TestFramesAboveTheLimitAreRefusedByTheirLength(t *testing.T) {
	const limit = 1000
	for _, c := range []struct {
		size uint32
		fits bool
	}{{limit, true}, {limit + 1, false}, {1<<32 - 1, false}} {
		in, out := pipe(t)
		r := NewReader(in, limit)
		put(t, out, binary.BigEndian.AppendUint32(nil, c.size))
		if _, err := r.Fill(); err != nil {
			t.Fatal(err)
		}
		var m0, m1 runtime.MemStats
		runtime.ReadMemStats(&m0)
		_, err := r.Next()
		runtime.ReadMemStats(&m1)
		var le *LimitError
		if errors.As(err, &le) == c.fits {
			t.Errorf("length %d: %v", c.size, err)
		}
		if !c.fits && (le.Size != c.size || le.Limit != limit) {
			t.Errorf("length %d: %v", c.size, le)
		}
		if grown := m1.TotalAlloc - m0.TotalAlloc; grown > 1<<20 {
			t.Errorf("length %d: %d bytes allocated for it", c.size, grown)
		}
	}
}

func TestTheBufferGrowsWithTheBytesAndShrinksAgain(t *testing.T) {
	for name, shrink := range map[string]func(t *testing.T, r *Reader, out int){
		"with the next read": func(t *testing.T, r *Reader, out int) {
			put(t, out, frame([]byte("small")))
			fill(t, r)
		},
		"when asked to": func(t *testing.T, r *Reader, _ int) {
			if !r.Shrink() {
				t.Error("frames are left")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			const size = 3 << 20
			in, out := pipe(t)
			r := NewReader(in, 4<<20)
			start := len(r.buf)
			body := make([]byte, size)
			rand.New(rand.NewSource(1)).Read(body)
			stream := frame(body)
			var got [][]byte
			for sent := 0; sent < len(stream); {
				n := min(64<<10, len(stream)-sent)
				put(t, out, stream[sent:sent+n])
				sent += n
				got = append(got, fill(t, r)...)
				if limit := max(start, 2*(sent+readSize)); len(r.buf) > limit {
					t.Fatalf("a buffer of %d bytes when %d have come", len(r.buf), sent)
				}
				if sent < len(stream) && r.Shrink() {
					t.Fatal("a part of the frame was let go of")
				}
			}
			if len(got) != 1 || !bytes.Equal(got[0], body) {
				t.Fatal("the frame came otherwise than it was sent")
			}
			shrink(t, r, out)
			if len(r.buf) != start {
				t.Errorf("a buffer of %d bytes after the large frame, %d before", len(r.buf), start)
			}
		})
	}
}

func TestNothingThereIsNoErrorAndTheEndIsEOF(t *testing.T) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	r := NewReader(fds[0], 100)
	if n, err := r.Fill(); n != 0 || err != nil {
		t.Errorf("empty pipe: %d, %v", n, err)
	}
	put(t, fds[1], []byte{0, 0, 0, 9, 1})
	unix.Close(fds[1])
	if n, err := r.Fill(); n != 5 || err != nil {
		t.Errorf("last bytes: %d, %v", n, err)
	}
	if _, err := r.Fill(); !errors.Is(err, io.EOF) {
		t.Errorf("closed pipe: %v", err)
	}
	if f, err := r.Next(); f != nil || err != nil {
		t.Errorf("half a frame: %v, %v", f, err)
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	in, out := pipe(t)
	r := NewReader(in, 1<<20)
	batch := bytes.Repeat(frame(make([]byte, 50)), 20)
	if n := testing.AllocsPerRun(1000, func() {
		_, _ = unix.Write(out, batch)
		_, _ = r.Fill()
		for f, _ := r.Next(); f != nil; f, _ = r.Next() {
		}
	}); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}

// FuzzReader feeds any bytes, cut anywhere, and compares with the plain reading of them.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 7, 0, 0, 0, 0}, uint8(3))
	f.Fuzz(func(t *testing.T, stream []byte, step uint8) {
		const limit = 1 << 10
		in, out := pipe(t)
		r := NewReader(in, limit)
		rest, at, refused := stream, 0, false
		for !refused && at < len(stream) {
			n := min(int(step)+1, len(stream)-at)
			put(t, out, stream[at:at+n])
			at += n
			if _, err := r.Fill(); err != nil {
				t.Fatal(err)
			}
			for {
				got, err := r.Next()
				if err != nil {
					if size := binary.BigEndian.Uint32(rest); size <= limit {
						t.Fatalf("refused a length of %d", size)
					}
					refused = true
					break
				}
				if got == nil {
					break
				}
				if want := frame(got); !bytes.HasPrefix(rest, want) {
					t.Fatalf("frame %x, the stream has %x", got, rest)
				}
				rest = rest[HeadSize+len(got):]
			}
		}
		if !refused && len(rest) >= HeadSize && int(binary.BigEndian.Uint32(rest)) <= len(rest)-HeadSize {
			t.Fatalf("a whole frame was left: %x", rest)
		}
	})
}
