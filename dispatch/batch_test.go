package dispatch

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"gosocket/etf"
	"gosocket/port"
)

// TestBatchesHoldTheFramesInOrder ends frames of random kinds and sizes and compares what is written with the same
// frames of a client that asked for no batches.
func TestBatchesHoldTheFramesInOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	c := newClient(t)
	x := c.server.dispatchers[0]
	plain, batched := Dispatcher{server: &Server{}, loop: x.loop}, Dispatcher{server: &Server{}, loop: x.loop}
	batched.server.want.batch.Store(true)
	batches := 0
	for range 300 {
		var alone [][]byte
		for i := range random.IntN(flushReplies) {
			size := []int{0, random.IntN(60), random.IntN(1100), batchLimit - 20 + random.IntN(40), 5000}[random.IntN(5)]
			data := bytes.Repeat([]byte{byte(i)}, size)
			more := random.IntN(8) == 0
			for _, y := range []*Dispatcher{&plain, &batched} {
				start := y.message(3, "data")
				y.out = etf.AppendBinary(etf.AppendInt(y.out, int64(i)), data)
				if more {
					y.endAlone(start)
				} else {
					y.end(start)
				}
			}
			if more {
				frames := framesOf(t, plain.out)
				alone = append(alone, frames[len(frames)-1])
			}
		}
		want := framesOf(t, plain.out)
		var got [][]byte
		frames := framesOf(t, batched.out)
		for i, frame := range frames {
			if !isBatch(frame) {
				got = append(got, frame)
				single := func(f []byte) bool { return !isBatch(f) && !contains(alone, f) }
				const heads = batchHead + 2 + 2*port.HeadSize
				if i > 0 && single(frame) && single(frames[i-1]) && len(frame)+len(frames[i-1])+heads <= batchLimit {
					t.Fatal("two small frames stand for themselves")
				}
				continue
			}
			elements := unbatched(frame)
			got = append(got, elements...)
			batches++
			if len(elements) < 2 || len(frame) > batchLimit {
				t.Fatalf("a batch of %d elements and %d bytes", len(elements), len(frame))
			}
			for _, e := range elements {
				if len(e) > batchLimit || contains(alone, e) {
					t.Fatalf("an element of %d bytes", len(e))
				}
			}
		}
		if len(got) != len(want) || batched.frames != len(want) {
			t.Fatalf("%d frames, counted as %d, of %d", len(got), batched.frames, len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("frame %d: % x, want % x", i, got[i], want[i])
			}
		}
		for _, y := range []*Dispatcher{&plain, &batched} {
			y.out, y.frames, y.batch.count = y.out[:0], 0, 0
		}
	}
	if batches == 0 {
		t.Fatal("no batch")
	}
}

func contains(frames [][]byte, frame []byte) bool {
	for _, f := range frames {
		if bytes.Equal(f, frame) {
			return true
		}
	}
	return false
}

// framesOf cuts bytes that were written into frames.
func framesOf(t *testing.T, b []byte) (frames [][]byte) {
	t.Helper()
	for len(b) > 0 {
		n := int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		frames = append(frames, bytes.Clone(b[4:4+n]))
		b = b[4+n:]
	}
	return frames
}
