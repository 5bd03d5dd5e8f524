package etf

import "encoding/binary"

// maxRefWords is the size of the longest reference, in words of 4 bytes (OTP 24 made
// them grow from 3 to 5).
const maxRefWords = 5

// Skip consumes the next term, checking all of it, in time linear in its size. How deep
// the term nests makes no difference: it counts the terms that are still to come.
func (d *Decoder) Skip() {
	var funs []openFun
	for left := 1; left > 0; {
		left += d.skipHead(left-1, &funs) - 1
		if d.err != nil {
			return
		}
		for n := len(funs); n > 0 && funs[n-1].left == left; n-- {
			if d.off != funs[n-1].end {
				d.failAt(funs[n-1].start, ErrCount)
				return
			}
			funs = funs[:n-1]
		}
	}
}

// An openFun is a fun of which terms are still to come: it announced where it ends, and
// that has to be so when no more terms are left than behind it.
type openFun struct{ start, end, left int }

// Raw consumes the next term as [Decoder.Skip] does, and returns its bytes, from its tag.
func (d *Decoder) Raw() []byte {
	start := d.off
	d.Skip()
	if d.err != nil {
		return nil
	}
	return d.buf[start:d.off:d.off]
}

// skipHead consumes the next term up to the terms inside it, of which it returns the
// number. Behind the term itself left terms are to come.
func (d *Decoder) skipHead(left int, funs *[]openFun) int {
	start := d.off
	if start == len(d.buf) {
		d.Fail(ErrTruncated)
		return 0
	}
	tag := d.buf[start]
	s := &shapes[tag]
	switch {
	case s.refuse != nil:
		d.Fail(s.refuse)
	case s.kind == KindAtom:
		d.atom()
	case s.kind == KindFun:
		return d.skipFun(left, funs)
	case s.kind == KindExport:
		d.off++
		d.skipAtom()
		d.skipAtom()
		d.Uint()
	default:
		return d.skipShape(start, tag, s)
	}
	return 0
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

// skipShape consumes a term that its row in the table describes, but for the terms inside.
func (d *Decoder) skipShape(start int, tag byte, s *shape) int {
	n := d.count(s)
	for range s.atoms {
		d.skipAtom()
	}
	b := d.take(start, int(s.fixed)+n*int(s.unit))
	if d.err != nil {
		return 0
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
		return d.inside(start, n*int(s.terms), s.kind == KindList)
	}
	return 0
}

// validBits checks the number of bits used in the last byte, which stands before the
// bytes of a bit string. One of no bytes and no bits, which up to OTP 25 Erlang takes, is refused
// by OTP 27 and later; no release makes it.
func validBits(b []byte) bool {
	return len(b) > 1 && 1 <= b[0] && b[0] <= 8
}

// inside returns how many terms belong to the one at start, of which n are counted; a
// list has a tail besides.
func (d *Decoder) inside(start, n int, tail bool) int {
	if n > d.Len() {
		d.failAt(start, ErrCount)
		return 0
	}
	if tail {
		n++
	}
	return n
}

// skipFun consumes a NEW_FUN_EXT up to its pid: size, arity, uniq, index and number of
// free variables; module, old index, old uniq, pid (for binary_to_term/1 any term will
// do); the free variables. The size is that of all of it, without the tag.
func (d *Decoder) skipFun(left int, funs *[]openFun) int {
	const fixed = 4 + 1 + 16 + 4 + 4
	start := d.off
	d.off++
	head := d.take(start, fixed)
	if head == nil {
		return 0
	}
	d.skipAtom()
	d.Int()
	d.Int()
	size, free := binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[fixed-4:])
	if uint64(free) > uint64(d.Len()) {
		d.failAt(start, ErrCount)
		return 0
	}
	*funs = append(*funs, openFun{start: start, end: start + 1 + int(size), left: left})
	return 1 + int(free)
}
