package port

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// drain reads what a pipe holds.
func drain(fd int, into *bytes.Buffer) {
	p := make([]byte, 64<<10)
	for {
		n, err := unix.Read(fd, p)
		if err != nil || n == 0 {
			return
		}
		into.Write(p[:n])
	}
}

// states notes what a Writer tells of its backlog.
type states struct {
	mu  sync.Mutex
	all []bool
}

func (s *states) note(b bool) {
	s.mu.Lock()
	s.all = append(s.all, b)
	s.mu.Unlock()
}

func TestWhatThePipeRefusesWaitsInOrder(t *testing.T) {
	in, out := pipe(t)
	var seen states
	w := NewWriter(out, seen.note)
	var sent, got bytes.Buffer
	for i := range 100 {
		f := frame(bytes.Repeat([]byte{byte(i)}, 50_000)) // 5 MB
		sent.Write(f)
		if last, err := w.Write(f, 1); err != nil || last != uint64(i+1) {
			t.Fatalf("frame %d: %d, %v", i, last, err)
		}
	}
	for done := false; !done; {
		drain(in, &got)
		var err error
		if done, err = w.Resume(); err != nil {
			t.Fatal(err)
		}
	}
	drain(in, &got)
	if !bytes.Equal(got.Bytes(), sent.Bytes()) {
		t.Fatalf("%d bytes came of %d, or in another order", got.Len(), sent.Len())
	}
	if len(seen.all) != 2 || !seen.all[0] || seen.all[1] {
		t.Errorf("told %v, want one beginning and one end", seen.all)
	}
	if done, err := w.Resume(); done || err != nil {
		t.Errorf("nothing to resume: %v, %v", done, err)
	}
	if cap(w.backlog) > keepBacklog {
		t.Errorf("a backlog of %d bytes is kept", cap(w.backlog))
	}
}

func TestFramesOfSeveralGoroutinesStayWholeAndInEachOnesOrder(t *testing.T) {
	const writers, each = 4, 3000
	in, out := pipe(t)
	var seen states
	w := NewWriter(out, seen.note)
	var wg sync.WaitGroup
	for g := range writers {
		wg.Go(func() {
			for i := range each {
				body := binary.BigEndian.AppendUint32([]byte{byte(g)}, uint32(i))
				if _, err := w.Write(frame(append(body, make([]byte, 500)...)), 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() {
		wg.Wait()
		close(finished)
	}()
	r := NewReader(in, 1<<20)
	var next [writers]uint32
	for total := 0; total < writers*each; {
		if _, err := w.Resume(); err != nil {
			t.Fatal(err)
		}
		for _, f := range fill(t, r) {
			if i := binary.BigEndian.Uint32(f[1:]); i != next[f[0]] {
				t.Fatalf("writer %d: frame %d, want %d", f[0], i, next[f[0]])
			}
			next[f[0]]++
			total++
		}
	}
	<-finished
	for i, b := range seen.all {
		if b == (i%2 == 1) {
			t.Fatalf("beginnings and ends do not take turns: %v", seen.all)
		}
	}
}

func TestABacklogThatNeverEmptiesDoesNotGrow(t *testing.T) {
	in, out := pipe(t)
	w := NewWriter(out, func(bool) {})
	f := frame(make([]byte, 100_000))
	for range 40 {
		_, _ = w.Write(f, 1)
	}
	p := make([]byte, len(f))
	for range 500 {
		for n := 0; n < len(f); {
			m, err := unix.Read(in, p[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += m
		}
		if done, err := w.Resume(); done || err != nil {
			t.Fatalf("%v, %v: the backlog was to stay", done, err)
		}
		_, _ = w.Write(f, 1)
	}
	if len(w.backlog) > 3*40*len(f) {
		t.Errorf("%d bytes kept for %d frames that wait", len(w.backlog), 40)
	}
}

func TestAReaderThatIsGoneIsAClosedPipe(t *testing.T) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	w := NewWriter(fds[1], func(bool) {})
	_, _ = w.Write(frame(make([]byte, 1<<20)), 1)
	unix.Close(fds[0])
	if _, err := w.Resume(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("resume: %v", err)
	}
	w = NewWriter(fds[1], func(bool) {})
	if _, err := w.Write(frame(nil), 1); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write: %v", err)
	}
}

func TestWritingAllocatesNothing(t *testing.T) {
	in, out := pipe(t)
	w := NewWriter(out, func(bool) {})
	p := make([]byte, 4096)
	b := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(1000, func() {
		b = EndFrame(append(BeginFrame(b[:0]), "answer"...), 0)
		_, _ = w.Write(b, 1)
		_, _ = unix.Read(in, p)
	}); n != 0 {
		t.Errorf("%v allocations a write", n)
	}
}

func TestAFrameMayEndInAnotherPipe(t *testing.T) {
	in, out := pipe(t)
	from, into := pipe(t)
	var seen states
	w := NewWriter(out, seen.note)
	var sent, got bytes.Buffer
	for i := range 100 {
		tail := bytes.Repeat([]byte{byte(i)}, 20_000+i)
		head := append(BeginFrame(nil), "head"...)
		head = EndFrameBefore(head, 0, len(tail))
		if _, err := unix.Write(into, tail); err != nil {
			t.Fatal(err)
		}
		sent.Write(head)
		sent.Write(tail)
		if last, err := w.WriteFrom(head, 1, from, len(tail)); err != nil || last != uint64(i+1) {
			t.Fatalf("frame %d: %d, %v", i, last, err)
		}
		seen.mu.Lock()
		stalled := len(seen.all) > 0 && seen.all[len(seen.all)-1]
		seen.mu.Unlock()
		if i%10 == 9 { // nobody has read for ten frames
			for done := !stalled; !done; {
				drain(in, &got)
				var err error
				if done, err = w.Resume(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	drain(in, &got)
	if !bytes.Equal(got.Bytes(), sent.Bytes()) {
		t.Fatalf("%d bytes came of %d, or in another order", got.Len(), sent.Len())
	}
	if len(seen.all) == 0 {
		t.Error("the pipe never was full")
	}
}
