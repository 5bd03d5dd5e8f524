package etf

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"gosocket/etf/etftest"
)

// seeds are the terms of the other tests; more are in testdata/fuzz.
func seeds(f *testing.F) (terms [][]byte) {
	for _, v := range vectors {
		terms = append(terms, vector(f, v.term))
	}
	for _, m := range malformed {
		terms = append(terms, unhex(f, m.term))
	}
	return append(terms, unhex(f, requestLatin1), unhex(f, requestUTF8))
}

// FuzzDecode checks that a term is the same after it was decoded, encoded and decoded,
// and that every way through a term finds the same in it.
func FuzzDecode(f *testing.F) {
	donors := seeds(f)
	for _, term := range donors {
		f.Add(term)
	}
	var m etftest.Mutator
	count := etftest.NewCounter(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		count.Add(t, m.Each(t, b, donors, 32, func(_ int, b []byte) { checkDecode(t, b) }))
	})
}

func checkDecode(t *testing.T, b []byte) {
	term, err := Decode(b)
	d := cursor(b)
	d.Version()
	raw := d.Raw()
	if d.Len() > 0 {
		d.Fail(ErrTrailing)
	}
	if errors.Is(err, ErrDepth) && d.Err() == nil {
		return // only what becomes a Go value has to be flat enough
	}
	if !reflect.DeepEqual(err, d.Err()) {
		t.Fatalf("Decode: %v, Raw: %v", err, d.Err())
	}
	if err != nil {
		checkError(t, b, err)
		return
	}
	if !bytes.Equal(raw, b[1:]) {
		t.Fatalf("Raw: % x", raw)
	}
	again := Append(AppendVersion(nil), term)
	if !bytes.Equal(again, b) {
		t.Fatalf("encoded: % x", again)
	}
	if second, err := Decode(again); err != nil || !reflect.DeepEqual(term, second) {
		t.Fatalf("decoded: %#v, %v\nbefore: %#v", second, err, term)
	}
	d.Reset(b)
	d.Version()
	walk(d)
	if d.Err() != nil || d.Len() != 0 {
		t.Fatalf("read piece by piece: %v, %d bytes left", d.Err(), d.Len())
	}
}

// checkError checks that err is of this package, and its offset in b.
func checkError(t *testing.T, b []byte, err error) {
	t.Helper()
	var syntax *SyntaxError
	if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(b) {
		t.Fatalf("%d bytes: %v", len(b), err)
	}
}

// walk reads a term through the readers of d, as a caller would that asks for its kind.
func walk(d *Decoder) {
	switch kind := d.Kind(); kind {
	case KindFloat:
		d.Float()
	case KindAtom:
		d.Atom()
	case KindTuple:
		walkTerms(d, d.Tuple())
	case KindList:
		walkTerms(d, d.List())
		walk(d)
	case KindNil:
		d.List()
	case KindString:
		d.Bytes(nil)
	case KindBinary:
		d.Binary()
	case KindMap:
		walkTerms(d, 2*d.Map())
	default:
		d.Skip()
	}
}

func walkTerms(d *Decoder, n int) {
	for range n {
		walk(d)
	}
}

// FuzzCursor calls the readers that steps names on any bytes. Nothing may panic, move
// back without an error, or move at all after one.
func FuzzCursor(f *testing.F) {
	donors := seeds(f)
	for _, term := range donors {
		f.Add(term, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	}
	var m etftest.Mutator
	count := etftest.NewCounter(f)
	f.Fuzz(func(t *testing.T, b, steps []byte) {
		count.Add(t, m.Each(t, b, donors, 32, func(_ int, b []byte) { checkCursor(t, b, steps) }))
	})
}

var cursorReaders = []func(*Decoder){
	(*Decoder).Version,
	func(d *Decoder) { d.Kind() },
	func(d *Decoder) { d.Tuple() },
	func(d *Decoder) { d.List() },
	(*Decoder).Tail,
	func(d *Decoder) { d.Map() },
	func(d *Decoder) { d.Int() },
	func(d *Decoder) { d.Uint() },
	func(d *Decoder) { d.Float() },
	func(d *Decoder) { d.Atom() },
	func(d *Decoder) { d.Binary() },
	func(d *Decoder) { d.Bytes(make([]byte, 0, 64)) },
	func(d *Decoder) { d.Raw() },
	(*Decoder).Skip,
}

func checkCursor(t *testing.T, b, steps []byte) {
	d := cursor(b)
	for _, step := range steps {
		before := *d
		cursorReaders[int(step)%len(cursorReaders)](d)
		switch {
		case before.err != nil && *d.err == *before.err && d.off == before.off:
		case before.err != nil:
			t.Fatalf("%v became %v, offset %d became %d", before.err, d.err, before.off, d.off)
		case d.err != nil:
			checkError(t, b, d.err)
		case d.off < before.off || d.Offset()+d.Len() != len(b):
			t.Fatalf("offset %d became %d, %d bytes left of %d", before.off, d.off, d.Len(), len(b))
		}
	}
}
