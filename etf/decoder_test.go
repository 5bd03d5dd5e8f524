package etf

import (
	"bytes"
	"errors"
	"math"
	"testing"
)

// cursor returns a Decoder that reads b.
func cursor(b []byte) *Decoder {
	d := new(Decoder)
	d.Reset(b)
	return d
}

// wantError checks that d failed with target at the given offset.
func wantError(t *testing.T, d *Decoder, target error, offset int) {
	t.Helper()
	wantSyntax(t, d.Err(), target, offset)
}

func wantSyntax(t *testing.T, err, target error, offset int) {
	t.Helper()
	var syntax *SyntaxError
	if !errors.As(err, &syntax) || !errors.Is(err, target) || syntax.Offset != offset {
		t.Errorf("error %v, want %v at offset %d", err, target, offset)
	}
}

func TestCursorReadsWhatAppendWrote(t *testing.T) {
	b := AppendTuple(AppendVersion(nil), 8)
	b = AppendInt(b, -5)
	b = AppendUint(b, math.MaxUint64)
	b = AppendFloat(b, -1.5)
	b = AppendAtom(b, "infinity")
	b = AppendBinary(b, []byte("data"))
	b = AppendList(b, 2)
	b = AppendNil(AppendBool(AppendInt32(b, 7), true))
	b = AppendString(b, []byte("abc"))
	b = AppendMap(b, 1)
	b = AppendNil(AppendAtom(b, "key"))

	d := cursor(b)
	d.Version()
	if n := d.Tuple(); n != 8 {
		t.Fatalf("arity %d, error %v", n, d.Err())
	}
	if n := d.Int(); n != -5 {
		t.Errorf("integer %d", n)
	}
	if n := d.Uint(); n != math.MaxUint64 {
		t.Errorf("big integer %d", n)
	}
	if f := d.Float(); f != -1.5 {
		t.Errorf("float %v", f)
	}
	if a := d.Atom(); string(a) != "infinity" {
		t.Errorf("atom %q", a)
	}
	if data := d.Binary(); string(data) != "data" {
		t.Errorf("binary %q", data)
	}
	if n := d.List(); n != 2 {
		t.Errorf("list of %d", n)
	}
	if n, a := d.Int(), d.Atom(); n != 7 || string(a) != "true" {
		t.Errorf("elements %d, %q", n, a)
	}
	d.Tail()
	if data := d.Bytes(nil); string(data) != "abc" {
		t.Errorf("string %q", data)
	}
	if n := d.Map(); n != 1 {
		t.Errorf("map of %d", n)
	}
	if raw := d.Raw(); !bytes.Equal(raw, AppendAtom(nil, "key")) {
		t.Errorf("raw %v", raw)
	}
	d.Skip()
	if d.Err() != nil || d.Len() != 0 || d.Offset() != len(b) {
		t.Errorf("error %v, %d bytes left, offset %d", d.Err(), d.Len(), d.Offset())
	}
}

func TestFirstErrorSticks(t *testing.T) {
	d := cursor([]byte{tagSmallTuple, 1, tagNil, tagSmallInteger, 1})
	d.Tuple()
	d.Atom()
	wantError(t, d, ErrType, 2)
	d.Version()
	d.Skip()
	d.Fail(ErrCount)
	if d.Kind() != KindInvalid || d.Tuple() != -1 || d.List() != -1 || d.Map() != -1 || d.Int() != 0 ||
		d.Uint() != 0 || d.Float() != 0 || d.Atom() != nil || d.Binary() != nil || d.Bytes(nil) != nil ||
		d.Raw() != nil || d.Len() != 0 {
		t.Error("a decoder that has failed still reads")
	}
	d.Tail()
	wantError(t, d, ErrType, 2)
	d.Reset([]byte{tagSmallInteger, 9})
	if n := d.Int(); n != 9 || d.Err() != nil {
		t.Errorf("after Reset: %d, %v", n, d.Err())
	}
}

func TestBytesReadsEveryFormOfBytes(t *testing.T) {
	scratch := []byte("xyz")
	for _, c := range []struct {
		term, want string
		err        error
		offset     int
	}{
		{"6d 00000002 6869", "hi", nil, 0},
		{"6b 0002 6869", "hi", nil, 0},
		{"6c 00000002 6168 6200000069 6a", "hi", nil, 0},
		{"6a", "", nil, 0},
		{"6c 00000001 6200000100 6a", "", ErrRange, 0},
		{"6c 00000001 62ffffffff 6a", "", ErrRange, 5},
		{"6c 00000001 6a 6a", "", ErrType, 5},
		{"6c 00000001 6168 6169", "", ErrType, 7},
	} {
		d := cursor(unhex(t, c.term))
		got := d.Bytes(scratch)
		if string(got) != c.want {
			t.Errorf("%s: %q", c.term, got)
		}
		if c.err != nil {
			wantError(t, d, c.err, c.offset)
		} else if d.Err() != nil || d.Len() != 0 {
			t.Errorf("%s: %v, %d bytes left", c.term, d.Err(), d.Len())
		}
	}
}

func TestBooleansAreAtoms(t *testing.T) {
	d := cursor(AppendBool(AppendBool(nil, true), false))
	if first, second := d.Atom(), d.Atom(); string(first) != "true" || string(second) != "false" || d.Err() != nil {
		t.Errorf("%q, %q, %v", first, second, d.Err())
	}
}

func TestErrorsNameTheirOffset(t *testing.T) {
	_, err := Decode([]byte{Version, 0})
	if err == nil || err.Error() != "etf: unknown tag at offset 1" {
		t.Errorf("%v", err)
	}
}
