package etf

import (
	"bytes"
	"encoding/binary"
	"math"
)

// Term is a whole term as a Go value: one of the types of this package that are named
// after Erlang's. A term that comes in a form other than the one which the Append
// functions choose keeps that form: [Append] restores every byte of what [Decode] read.
type Term interface {
	append(b []byte) []byte
}

// The types of terms. Those made of bytes alias what was decoded.
type (
	// Int is an integer that fits, in the form that [AppendInt] chooses.
	Int int64
	// Big is any other integer: its bytes, from the tag.
	Big []byte
	// Float is a float.
	Float float64
	// OldFloat is a float as text (FLOAT_EXT), padded with zero bytes.
	OldFloat []byte
	// Tuple is a tuple.
	Tuple []Term
	// LargeTuple is a tuple whose arity is sent in four bytes though one would do.
	LargeTuple []Term
	// Nil is the empty list.
	Nil struct{}
	// String is a list of bytes, sent as bytes.
	String []byte
	// Binary is a binary.
	Binary []byte
	// Map is a map, in the order in which it is sent.
	Map []Pair
	// Pid is a process identifier: its bytes, from the tag.
	Pid []byte
	// Port is a port identifier: its bytes, from the tag.
	Port []byte
	// Ref is a reference: its bytes, from the tag.
	Ref []byte
	// Fun is a fun with its environment: its bytes, from the tag.
	Fun []byte
	// Export is fun M:F/A: its bytes, from the tag.
	Export []byte
)

// Atom is an atom.
type Atom struct {
	Name string // UTF-8
	Tag  byte   // the tag it is sent with; 0: as [AppendAtom] chooses
}

// List is a list in LIST_EXT form, proper when its tail is [Nil].
type List struct {
	Elements []Term
	Tail     Term
}

// BitBinary is a bit string; Bits of the last byte of Bytes count, from the highest.
type BitBinary struct {
	Bytes []byte
	Bits  uint8
}

// Pair is an association in a map.
type Pair struct{ Key, Value Term }

// MaxDepth is how deep a term may nest that becomes a Go value. A term that holds no other
// has depth 1. The tail of a list is one level below the list, as its elements are.
const MaxDepth = 512

// Decode reads b, which must be one term with the version byte before it. What it
// allocates is at most 24 times the size of b, and little besides. The error is a
// *[SyntaxError].
func Decode(b []byte) (Term, error) {
	var d Decoder
	d.Reset(b)
	d.Version()
	ahead := d
	ahead.Skip()
	if ahead.Len() > 0 {
		ahead.Fail(ErrTrailing)
	}
	if err := ahead.Err(); err != nil {
		return nil, err
	}
	t := d.term(1)
	if err := d.Err(); err != nil {
		return nil, err
	}
	return t, nil
}

// Append appends t, without a version byte.
func Append(b []byte, t Term) []byte { return t.append(b) }

// term reads the next term, which [Decoder.Skip] has found to be right: counts can be
// trusted, and nothing fails but for nesting too deep.
func (d *Decoder) term(depth int) Term {
	if depth > MaxDepth {
		d.Fail(ErrDepth)
	}
	if d.err != nil {
		return nil
	}
	tag := d.buf[d.off]
	switch shapes[tag].kind {
	case KindInt:
		return d.intTerm()
	case KindFloat:
		if tag == tagFloat {
			return OldFloat(d.Raw()[1:])
		}
		return Float(d.Float())
	case KindAtom:
		return d.atomTerm(tag)
	case KindTuple:
		elements := d.terms(depth, d.Tuple())
		if tag == tagLargeTuple && len(elements) <= maxSmallTuple {
			return LargeTuple(elements)
		}
		return Tuple(elements)
	case KindList:
		return List{Elements: d.terms(depth, d.count(&shapes[tag])), Tail: d.term(depth + 1)}
	case KindNil:
		d.Skip()
		return Nil{}
	case KindMap:
		pairs := make(Map, d.Map())
		for i := range pairs {
			pairs[i] = Pair{Key: d.term(depth + 1), Value: d.term(depth + 1)}
		}
		return pairs
	}
	return d.bytesTerm()
}

// bytesTerm reads a term that is kept as bytes.
func (d *Decoder) bytesTerm() Term {
	kind := d.Kind()
	raw := d.Raw()
	switch kind {
	case KindString:
		return String(raw[3:])
	case KindBinary:
		return Binary(raw[5:])
	case KindBitBinary:
		return BitBinary{Bytes: raw[6:], Bits: raw[5]}
	case KindPid:
		return Pid(raw)
	case KindPort:
		return Port(raw)
	case KindRef:
		return Ref(raw)
	case KindFun:
		return Fun(raw)
	default:
		return Export(raw)
	}
}

// terms reads those inside a term of the given depth.
func (d *Decoder) terms(depth, n int) []Term {
	terms := make([]Term, n)
	for i := range terms {
		terms[i] = d.term(depth + 1)
	}
	return terms
}

func (d *Decoder) intTerm() Term {
	var scratch [16]byte
	ahead := *d
	raw := d.Raw()
	if n := ahead.Int(); ahead.Err() == nil && bytes.Equal(AppendInt(scratch[:0], n), raw) {
		return Int(n)
	}
	return Big(raw)
}

func (d *Decoder) atomTerm(tag byte) Term {
	a := Atom{Name: string(d.Atom())}
	if tag != atomTag(a.Name) {
		a.Tag = tag
	}
	return a
}

func (t Int) append(b []byte) []byte      { return AppendInt(b, int64(t)) }
func (t Big) append(b []byte) []byte      { return AppendRaw(b, t) }
func (t Float) append(b []byte) []byte    { return AppendFloat(b, float64(t)) }
func (t OldFloat) append(b []byte) []byte { return append(append(b, tagFloat), t...) }
func (t Nil) append(b []byte) []byte      { return AppendNil(b) }
func (t Binary) append(b []byte) []byte   { return AppendBinary(b, t) }
func (t Pid) append(b []byte) []byte      { return AppendRaw(b, t) }
func (t Port) append(b []byte) []byte     { return AppendRaw(b, t) }
func (t Ref) append(b []byte) []byte      { return AppendRaw(b, t) }
func (t Fun) append(b []byte) []byte      { return AppendRaw(b, t) }
func (t Export) append(b []byte) []byte   { return AppendRaw(b, t) }

func (t Tuple) append(b []byte) []byte {
	return appendTerms(AppendTuple(b, len(t)), t)
}

func (t LargeTuple) append(b []byte) []byte {
	return appendTerms(appendHead(b, tagLargeTuple, len(t)), t)
}

func (t List) append(b []byte) []byte {
	return t.Tail.append(appendTerms(appendHead(b, tagList, len(t.Elements)), t.Elements))
}

func (t String) append(b []byte) []byte {
	if len(t) > math.MaxUint16 {
		return AppendString(b, t)
	}
	return append(binary.BigEndian.AppendUint16(append(b, tagString), uint16(len(t))), t...)
}

func (t BitBinary) append(b []byte) []byte {
	return append(append(appendHead(b, tagBitBinary, len(t.Bytes)), t.Bits), t.Bytes...)
}

func (t Map) append(b []byte) []byte {
	b = AppendMap(b, len(t))
	for _, p := range t {
		b = p.Value.append(p.Key.append(b))
	}
	return b
}

func (t Atom) append(b []byte) []byte {
	name := t.Name
	switch t.Tag {
	case tagAtom, tagSmallAtom:
		name = utf8ToLatin1(name)
	case tagAtomUTF8:
	default:
		return AppendAtom(b, name)
	}
	b = append(b, t.Tag)
	if shapes[t.Tag].width == 2 {
		b = append(b, byte(len(name)>>8))
	}
	return append(append(b, byte(len(name))), name...)
}

func utf8ToLatin1(s string) string {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		out = append(out, byte(r))
	}
	return string(out)
}

func appendTerms(b []byte, terms []Term) []byte {
	for _, t := range terms {
		b = t.append(b)
	}
	return b
}
