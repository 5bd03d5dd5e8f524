package etf

import "encoding/binary"

// maxRefWords is the size of the longest reference, in words of 4 bytes (OTP 24 made
// them grow from 3 to 5).
const maxRefWords = 5

// Skip consumes the next term, checking all of it, in time linear in its size.
func (d *Decoder) Skip() { d.skip(1) }

// Raw consumes the next term as [Decoder.Skip] does, and returns its bytes, from its tag.
func (d *Decoder) Raw() []byte {
	start := d.off
	d.skip(1)
	if d.err != nil {
		return nil
	}
	return d.buf[start:d.off:d.off]
}

// skip consumes a term at the given depth.
func (d *Decoder) skip(depth int) {
	start := d.off
	if start == len(d.buf) {
		d.Fail(ErrTruncated)
		return
	}
	tag := d.buf[start]
	s := &shapes[tag]
	switch {
	case s.refuse != nil:
		d.Fail(s.refuse)
	case depth > MaxDepth:
		d.Fail(ErrDepth)
	case s.kind == KindAtom:
		d.atom()
	case s.kind == KindFun:
		d.skipFun(depth)
	case s.kind == KindExport:
		d.off++
		d.skipAtom()
		d.skipAtom()
		d.Uint()
	default:
		d.skipShape(start, depth, tag, s)
	}
}

// skipAtom consumes an atom in a place where only an atom may stand: unlike a whole term,
// it may not have heads of empty lists before it.
func (d *Decoder) skipAtom() {
	if d.off == len(d.buf) || shapes[d.buf[d.off]].kind != KindAtom {
		d.mismatch()
		return
	}
	d.atom()
}

// skipShape consumes a term that its row in the table describes.
func (d *Decoder) skipShape(start, depth int, tag byte, s *shape) {
	n := d.count(s)
	for range s.atoms {
		d.skipAtom()
	}
	b := d.take(start, int(s.fixed)+n*int(s.unit))
	if d.err != nil {
		return
	}
	switch s.kind {
	case KindFloat:
		if _, ok := parseFloat(tag, b); !ok {
			d.failAt(start, ErrFloat)
		}
	case KindBitBinary:
		if !validBits(b) {
			d.failAt(start, ErrBits)
		}
	case KindRef:
		if s.width > 0 && (n < 1 || n > maxRefWords) {
			d.failAt(start, ErrRange)
		}
	case KindTuple, KindList, KindMap:
		d.skipTerms(start, depth, n*int(s.terms), s.kind == KindList)
	}
}

// validBits checks the number of bits used in the last byte, which stands before the
// bytes of a bit string.
func validBits(b []byte) bool {
	return b[0] <= 8 && (b[0] == 0) == (len(b) == 1)
}

// skipTerms consumes n terms, and the tail of a list, that belong to the term at start.
func (d *Decoder) skipTerms(start, depth, n int, tail bool) {
	if n > d.Len() {
		d.failAt(start, ErrCount)
	}
	if tail {
		n++
	}
	for range n {
		d.skip(depth + 1)
		if d.err != nil {
			return
		}
	}
}

// skipFun consumes a NEW_FUN_EXT: size, arity, uniq, index and number of free
// variables; module, old index, old uniq, pid (for binary_to_term/1 any term will do);
// the free variables. The size is that of all of it, without the tag.
func (d *Decoder) skipFun(depth int) {
	const fixed = 4 + 1 + 16 + 4 + 4
	start := d.off
	d.off++
	head := d.take(start, fixed)
	if head == nil {
		return
	}
	d.skipAtom()
	d.Int()
	d.Int()
	d.skip(depth + 1)
	free := binary.BigEndian.Uint32(head[fixed-4:])
	if uint64(free) > uint64(d.Len()) {
		d.failAt(start, ErrCount)
		return
	}
	d.skipTerms(start, depth, int(free), false)
	if uint64(d.off-start-1) != uint64(binary.BigEndian.Uint32(head)) {
		d.failAt(start, ErrCount)
	}
}
