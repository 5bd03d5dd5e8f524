package socketcore

import "slices"

// A lease is what an answer gave to somebody until it is known that it has arrived.
type lease struct {
	mark uint64 // the frame of the answer
	id   uint32 // the request that was answered
	far  bool   // Arrived ends it, Delivered does not
	out  bool   // false when it has arrived or has come back
}

// isOut tells whether it may still come back, when frames up to the mark are delivered.
func (p *lease) isOut(delivered uint64) bool { return p.out && (p.far || p.mark > delivered) }

// A piece is what one answer took out of a socket: bytes of a stream, or a message. It is out, or it has
// come back and is the next one's to read; one that has arrived is no piece any more.
type piece struct {
	lease
	part   bool      // it went ahead of the answer
	back   *Returned // what has come back, nil while it is out
	place  uint64    // in all that the socket has given
	size   int       // bytes
	source source    // of a message whose answer does not tell it
}

// A source is an address that is kept for each message: those of the internet lie in place.
type source struct {
	raw  [sizeInet6]byte
	size uint8
	long *Sockaddr // what does not fit
}

func makeSource(from *Sockaddr) (s source) {
	if from.size > len(s.raw) {
		long := *from
		return source{long: &long}
	}
	s.size = uint8(copy(s.raw[:], from.Bytes()))
	return s
}

// address returns it; nil when there is none.
func (s *source) address() *Sockaddr {
	if s.size == 0 {
		return s.long
	}
	sa := new(Sockaddr)
	sa.SetBytes(s.raw[:s.size])
	return sa
}

// A ledger holds the pieces of a socket in the order of their places. What the kernel has comes behind them.
//
// Places count the bytes that were taken, so that there is a place for the rest of a piece, and one more for
// each piece, so that two never have the same.
type ledger struct {
	pieces  []piece
	end     uint64 // the place of what is taken from the kernel next
	out     int    // pieces that are out
	far     int    // those of them that Arrived ends
	settled uint64 // the mark up to which what has arrived is gone
}

// add puts a piece at its place. What comes newly out of the kernel is at the end.
func (g *ledger) add(p *piece) {
	i := len(g.pieces)
	for i > 0 && g.pieces[i-1].place > p.place {
		i--
	}
	g.pieces = slices.Insert(g.pieces, i, *p)
	g.end = max(g.end, p.place+uint64(p.size)+1)
	g.count(p, 1)
}

func (g *ledger) count(p *piece, n int) {
	if p.out {
		g.out += n
	}
	if p.out && p.far {
		g.far += n
	}
}

// remove takes a piece away: it has arrived, or was read again.
func (g *ledger) remove(i int) {
	g.count(&g.pieces[i], -1)
	g.pieces = slices.Delete(g.pieces, i, i+1)
}

// settle forgets what has arrived by this mark.
func (g *ledger) settle(delivered uint64) {
	if delivered == g.settled {
		return
	}
	g.settled = delivered
	if g.out == g.far {
		return
	}
	kept := 0
	for i := range g.pieces {
		p := &g.pieces[i]
		if p.out && !p.isOut(delivered) {
			g.count(p, -1)
			continue
		}
		if kept < i {
			g.pieces[kept] = *p
		}
		kept++
	}
	clear(g.pieces[kept:])
	g.pieces = g.pieces[:kept]
}

// find returns the place in pieces of what is out of this request, is a part or the whole result, and has
// this size; -1 when there is none. The parts of one request come back in order.
func (g *ledger) find(id uint32, part bool, size int) int {
	return slices.IndexFunc(g.pieces, func(p piece) bool {
		return p.out && p.id == id && p.part == part && p.size == size
	})
}

// arrive takes the first piece of a far request away, and tells whether there was one.
func (g *ledger) arrive(id uint32) bool {
	i := slices.IndexFunc(g.pieces, func(p piece) bool { return p.out && p.far && p.id == id })
	if i >= 0 {
		g.remove(i)
	}
	return i >= 0
}

// takeBack makes a piece that is out one to be read.
func (g *ledger) takeBack(i int, r *Returned) {
	p := &g.pieces[i]
	g.count(p, -1)
	p.out = false
	back := *r
	if back.From == nil {
		back.From = p.source.address()
	}
	p.back = &back
}

// firstBack returns the place in pieces of the first one to be read; -1 when there is none.
func (g *ledger) firstBack() int {
	if g.out == len(g.pieces) {
		return -1
	}
	return slices.IndexFunc(g.pieces, func(p piece) bool { return !p.out })
}

// isTidy tells whether all that is out stands before all that is to be read: whoever takes the first of the
// latter then has the place behind all of the former.
func (g *ledger) isTidy() bool {
	i := g.firstBack()
	return i < 0 || i == g.out
}

// weight is how many bytes have come back and are to be read.
func (g *ledger) weight() (n int) {
	for i := range g.pieces {
		if back := g.pieces[i].back; back != nil {
			n += len(back.Data)
		}
	}
	return n
}

// next is the place of what is taken next.
func (g *ledger) next() uint64 {
	if i := g.firstBack(); i >= 0 {
		return g.pieces[i].place
	}
	return g.end
}

// cut takes n bytes off the front of a piece to be read; what is left of it keeps its place.
func (g *ledger) cut(i, n int) {
	p := &g.pieces[i]
	p.back.Data = p.back.Data[n:]
	p.place += uint64(n)
	p.size -= n
}

// appendBack appends the first of these bytes, at most limit.
func (g *ledger) appendBack(b []byte, limit int) []byte {
	for i := range g.pieces {
		if back := g.pieces[i].back; back != nil {
			b = append(b, back.Data[:min(len(back.Data), limit-len(b))]...)
		}
	}
	return b
}
