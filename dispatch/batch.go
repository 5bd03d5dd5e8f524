package dispatch

import (
	"encoding/binary"

	"gosocket/etf"
	"gosocket/port"
)

// batchLimit is how many bytes a batch has at most. Whoever gets a result out of it may keep it as a part of the batch: that
// costs less than a copy, and nobody holds more than this besides what is his.
const batchLimit = 1 << 10

const (
	// batchHead is what a batch begins with: length, version, and the head of the list.
	batchHead = port.HeadSize + 1 + 5
	// elementHead is the head of a binary. Its size is the length that the term would have as a frame, so
	// that the head differs from a frame's by one byte in front.
	elementHead = 1 + port.HeadSize
)

// A batch is what Dispatcher.out ends with: a frame that may begin a batch, or a batch, which is complete as it stands
// and may get more elements.
type batch struct {
	start, end int // in Dispatcher.out
	count      int // elements; 1 is a frame that stands for itself
}

// enroll makes the frame that begins at start an element of the batch before it when the client wants that and
// both are small.
func (x *Dispatcher) enroll(start int) {
	b := &x.batch
	size := len(x.out) - start - port.HeadSize
	if size > batchLimit || !x.server.want.batch.Load() {
		return
	}
	if b.count == 0 || b.end != start || len(x.out)-b.start+batchHead+2 > batchLimit {
		*b = batch{start, len(x.out), 1}
		return
	}
	if b.count == 1 {
		start += x.openBatch(start)
	}
	// In front of the frame stands the end of the list so far.
	etf.AppendBinaryHead(x.out[:start-1], size)
	x.out = port.EndFrame(etf.AppendNil(x.out), b.start)
	b.count++
	b.end = len(x.out)
	binary.BigEndian.PutUint32(x.out[b.start+batchHead-4:], uint32(b.count))
}

// openBatch makes a batch of the frame that stands for itself, and tells how far the one behind it, which begins at
// next, has moved.
func (x *Dispatcher) openBatch(next int) int {
	b := &x.batch
	const first = batchHead + elementHead - port.HeadSize // how far the first one moves
	const second = first + 1                              // the end of the list stands before the second
	var room [second]byte
	size, end := next-b.start-port.HeadSize, len(x.out)
	x.out = append(x.out, room[:]...)
	copy(x.out[next+second:], x.out[next:end])
	copy(x.out[b.start+first:], x.out[b.start:next])
	head := etf.AppendList(etf.AppendVersion(port.BeginFrame(x.out[:b.start])), 1)
	etf.AppendBinaryHead(head, size)
	return second
}
