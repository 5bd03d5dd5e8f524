package etf

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// Decoder is a cursor over terms. It keeps its first error: every method called after
// that returns a zero value (-1 for counts) and moves nothing, so that one look at
// [Decoder.Err] after a row of calls is enough. A Decoder is a plain value: a copy is
// a second, independent cursor. The zero Decoder has no input.
//
// What its methods return aliases the input, unless they say otherwise.
type Decoder struct {
	buf []byte // cut at off by the first error, so that nothing can be read after it
	off int
	err *SyntaxError
}

// Reset makes d read b from its first byte and forgets the error.
func (d *Decoder) Reset(b []byte) { *d = Decoder{buf: b} }

// Err returns the first error, a *[SyntaxError], or nil.
func (d *Decoder) Err() error {
	if d.err == nil {
		return nil
	}
	return d.err
}

// Offset returns how many bytes have been consumed; after an error, where it was.
func (d *Decoder) Offset() int { return d.off }

// Len returns how many bytes are left; 0 after an error.
func (d *Decoder) Len() int { return len(d.buf) - d.off }

// Fail makes err the error of d, found where d stands, unless it has one already. It
// is for what the caller finds wrong with a term.
func (d *Decoder) Fail(err error) { d.failAt(d.off, err) }

// failAt stays out of line, so that what can fail is small enough to be inlined.
//
//go:noinline
func (d *Decoder) failAt(offset int, err error) {
	if d.err == nil {
		d.err = &SyntaxError{Offset: offset, Err: err}
		d.off = offset
		d.buf = d.buf[:offset]
	}
}

// mismatch reports why the term at d is not of the type asked for.
func (d *Decoder) mismatch() {
	switch {
	case d.off == len(d.buf):
		d.Fail(ErrTruncated)
	case shapes[d.buf[d.off]].refuse != nil:
		d.Fail(shapes[d.buf[d.off]].refuse)
	default:
		d.Fail(ErrType)
	}
}

// peek returns the tag of the next term. Heads of LIST_EXT with no elements are passed
// over: binary_to_term/1 reads such a list as what stands for its tail. At the end of
// the input it returns 0, which is no tag.
func (d *Decoder) peek() byte {
	for len(d.buf)-d.off >= 5 && d.buf[d.off] == tagList && binary.BigEndian.Uint32(d.buf[d.off+1:]) == 0 {
		d.off += 5
	}
	if d.off == len(d.buf) {
		return 0
	}
	return d.buf[d.off]
}

// take consumes n bytes of the term that starts at start.
func (d *Decoder) take(start, n int) []byte {
	if n < 0 || n > len(d.buf)-d.off {
		d.failAt(start, ErrTruncated)
		return nil
	}
	b := d.buf[d.off : d.off+n : d.off+n]
	d.off += n
	return b
}

// count consumes the tag at d and the count after it. Whatever is counted takes a byte
// at least, so a count is never above the number of bytes left.
func (d *Decoder) count(s *shape) int {
	start := d.off
	d.off++
	var n uint
	switch b := d.take(start, int(s.width)); len(b) {
	case 1:
		n = uint(b[0])
	case 2:
		n = uint(binary.BigEndian.Uint16(b))
	case 4:
		n = uint(binary.BigEndian.Uint32(b))
	}
	if n <= uint(d.Len()) {
		return int(n)
	}
	if s.terms > 0 {
		d.failAt(start, ErrCount)
	} else {
		d.failAt(start, ErrTruncated)
	}
	return 0
}

// counted consumes a term that is a tag, a count and as many bytes, which it returns.
func (d *Decoder) counted(s *shape) []byte {
	start := d.off
	n := d.count(s)
	if d.err != nil {
		return nil
	}
	return d.take(start, n)
}

// head consumes the head of a compound term of the given kind and returns its count.
func (d *Decoder) head(kind Kind) int {
	s := &shapes[d.peek()]
	if s.kind != kind {
		d.mismatch()
		return -1
	}
	start := d.off
	n := d.count(s)
	if d.err != nil {
		return -1
	}
	if n*int(s.terms) > len(d.buf)-d.off {
		d.failAt(start, ErrCount)
		return -1
	}
	return n
}

// Version consumes the version byte.
func (d *Decoder) Version() {
	switch {
	case d.off == len(d.buf):
		d.Fail(ErrTruncated)
	case d.buf[d.off] != Version:
		d.Fail(ErrVersion)
	default:
		d.off++
	}
}

// Match reads on behind the bytes of s if they come next, and tells whether they do. They have to be terms, or heads of
// tuples and lists whose elements are read then.
func (d *Decoder) Match(s string) bool {
	if b := d.buf[d.off:]; len(b) < len(s) || string(b[:len(s)]) != s {
		return false
	}
	d.off += len(s)
	return true
}

// Kind returns the class of the next term and consumes nothing. It is KindInvalid at
// the end, after an error, and for terms that are refused; reading them says why.
func (d *Decoder) Kind() Kind {
	if d.off < len(d.buf) && d.buf[d.off] != tagList {
		return shapes[d.buf[d.off]].kind
	}
	ahead := *d
	return shapes[ahead.peek()].kind
}

// Tuple consumes the head of a tuple and returns its arity, or -1.
func (d *Decoder) Tuple() int {
	if b := d.buf[d.off:]; len(b) >= 2 && b[0] == tagSmallTuple && int(b[1]) <= len(b)-2 {
		d.off += 2
		return int(b[1])
	}
	return d.head(KindTuple)
}

// List consumes the head of a list and returns how many elements follow, or -1. After
// the elements of a list that is not empty comes its tail: see [Decoder.Tail]. A list of
// bytes is sent as a string, which List does not read: see [Decoder.Bytes].
func (d *Decoder) List() int {
	if d.peek() == tagNil {
		d.off++
		return 0
	}
	return d.head(KindList)
}

// Tail consumes the end of a proper list.
func (d *Decoder) Tail() {
	if d.peek() != tagNil {
		d.mismatch()
		return
	}
	d.off++
}

// Map consumes the head of a map and returns how many pairs of key and value follow,
// or -1. Whether keys differ is not checked.
func (d *Decoder) Map() int { return d.head(KindMap) }

// Int consumes an integer, in whatever size it is sent. [ErrRange] says that it does
// not fit.
func (d *Decoder) Int() int64 {
	if b := d.buf[d.off:]; len(b) >= 2 && b[0] == tagSmallInteger {
		d.off += 2
		return int64(b[1])
	}
	start := d.off
	negative, n, fits := d.integer()
	switch {
	case negative && n <= 1<<63 && fits:
		return -int64(n)
	case !negative && n <= math.MaxInt64 && fits:
		return int64(n)
	}
	d.failAt(start, ErrRange)
	return 0
}

// Uint consumes an integer that is not negative, in whatever size it is sent.
// [ErrRange] says that it does not fit.
func (d *Decoder) Uint() uint64 {
	if b := d.buf[d.off:]; len(b) >= 5 && b[0] == tagInteger && b[1] < 1<<7 {
		d.off += 5
		return uint64(binary.BigEndian.Uint32(b[1:]))
	}
	start := d.off
	negative, n, fits := d.integer()
	if fits && (!negative || n == 0) {
		return n
	}
	d.failAt(start, ErrRange)
	return 0
}

// Natural consumes an integer that is not negative, however large; what has more than 64
// bits counts as the largest that has not. [ErrRange] says that it is negative.
func (d *Decoder) Natural() uint64 {
	start := d.off
	negative, n, fits := d.integer()
	switch {
	case negative && (n != 0 || !fits):
		d.failAt(start, ErrRange)
		return 0
	case !fits:
		return math.MaxUint64
	}
	return n
}

// integer consumes an integer and returns its sign and magnitude, and whether it has
// at most 64 bits.
func (d *Decoder) integer() (negative bool, magnitude uint64, fits bool) {
	tag := d.peek()
	start := d.off
	switch tag {
	case tagSmallInteger:
		d.off++
		if b := d.take(start, 1); b != nil {
			return false, uint64(b[0]), true
		}
	case tagInteger:
		d.off++
		if b := d.take(start, 4); b != nil {
			n := int64(int32(binary.BigEndian.Uint32(b)))
			return n < 0, uint64(max(n, -n)), true
		}
	case tagSmallBig, tagLargeBig:
		n := d.count(&shapes[tag])
		if b := d.take(start, 1+n); b != nil {
			magnitude, fits = littleEndian(b[1:])
			return b[0] != 0, magnitude, fits
		}
	default:
		d.mismatch()
	}
	return false, 0, true
}

// littleEndian returns the number whose digits are b, least significant first, and
// whether it has at most 64 bits.
func littleEndian(b []byte) (n uint64, fits bool) {
	for len(b) > 8 {
		if b[len(b)-1] != 0 {
			return 0, false
		}
		b = b[:len(b)-1]
	}
	for i, c := range b {
		n |= uint64(c) << (8 * i)
	}
	return n, true
}

// Float consumes a float, sent as 8 bytes or as text.
func (d *Decoder) Float() float64 {
	tag := d.peek()
	if shapes[tag].kind != KindFloat {
		d.mismatch()
		return 0
	}
	start := d.off
	d.off++
	b := d.take(start, int(shapes[tag].fixed))
	if b == nil {
		return 0
	}
	f, ok := parseFloat(tag, b)
	if !ok {
		d.failAt(start, ErrFloat)
		return 0
	}
	return f
}

// maxAtomChars is the length of the longest atom, in characters.
const maxAtomChars = 255

// Atom consumes an atom and returns its name in UTF-8. It allocates for an atom sent in
// Latin-1 that has characters beyond ASCII, and only then does the result not alias the
// input.
func (d *Decoder) Atom() []byte {
	name, latin1 := d.atom()
	if latin1 && !isASCII(name) {
		return latin1ToUTF8(name)
	}
	return name
}

// atom consumes an atom and returns its name as it is sent.
func (d *Decoder) atom() (name []byte, latin1 bool) {
	if b := d.buf[d.off:]; len(b) >= 3 {
		head, size := 2, int(b[1])
		switch b[0] {
		case tagAtom:
			head, size = 3, size<<8|int(b[2])
			fallthrough
		case tagSmallAtomUTF8:
			if size <= min(maxAtomChars, len(b)-head) && isASCII(b[head:head+size]) {
				d.off += head + size
				return b[head : head+size : head+size], false
			}
		}
	}
	return d.anyAtom()
}

// anyAtom is atom for those that are not the common case: ASCII in the two usual forms.
func (d *Decoder) anyAtom() (name []byte, latin1 bool) {
	tag := d.peek()
	if shapes[tag].kind != KindAtom {
		d.mismatch()
		return nil, false
	}
	start := d.off
	name = d.counted(&shapes[tag])
	latin1 = tag == tagAtom || tag == tagSmallAtom
	if name != nil && !validAtom(name, latin1) {
		d.failAt(start, ErrAtom)
		return nil, false
	}
	return name, latin1
}

func validAtom(name []byte, latin1 bool) bool {
	switch {
	case latin1:
		return len(name) <= maxAtomChars
	case len(name) <= maxAtomChars:
		return utf8.Valid(name)
	}
	return len(name) <= maxAtomChars*utf8.UTFMax && utf8.Valid(name) && utf8.RuneCount(name) <= maxAtomChars
}

func isASCII(b []byte) bool {
	const high = 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b)&high != 0 {
			return false
		}
	}
	var all byte
	for _, c := range b {
		all |= c
	}
	return all < utf8.RuneSelf
}

func latin1ToUTF8(b []byte) []byte {
	out := make([]byte, 0, 2*len(b))
	for _, c := range b {
		out = utf8.AppendRune(out, rune(c))
	}
	return out
}

// Binary consumes a binary. A bit string is none, even one of whole bytes.
func (d *Decoder) Binary() []byte {
	if b := d.buf[d.off:]; len(b) >= 5 && b[0] == tagBinary {
		if n := uint(binary.BigEndian.Uint32(b[1:])); n <= uint(len(b)-5) {
			d.off += 5 + int(n)
			return b[5 : 5+n : 5+n]
		}
	}
	if d.peek() != tagBinary {
		d.mismatch()
		return nil
	}
	return d.counted(&shapes[tagBinary])
}

// Bytes consumes a binary or a list of bytes, in either of the forms in which lists of
// bytes are sent, and returns the bytes. Those of a list in the longer form (LIST_EXT)
// replace what scratch holds; the others alias the input.
func (d *Decoder) Bytes(scratch []byte) []byte {
	start := d.off
	switch d.peek() {
	case tagBinary:
		return d.Binary()
	case tagString:
		return d.counted(&shapes[tagString])
	case tagNil:
		d.off++
		return scratch[:0]
	}
	out := scratch[:0]
	n := d.List()
	for range n {
		c := d.Uint()
		if c > math.MaxUint8 {
			d.failAt(start, ErrRange)
		}
		if d.err != nil {
			return nil
		}
		out = append(out, byte(c))
	}
	d.Tail()
	if d.err != nil {
		return nil
	}
	return out
}
