package etf

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// What is wrong with a term, and where.
var malformed = []struct {
	name   string
	term   string // hexadecimal, with version
	err    error
	offset int
}{
	{"nothing", "", ErrTruncated, 0},
	{"no version", "61 05", ErrVersion, 0},
	{"version alone", "83", ErrTruncated, 1},
	{"two versions", "83 83 61 05", ErrTag, 1},
	{"tag 0", "83 00", ErrTag, 1},
	{"tag 255", "83 ff", ErrTag, 1},
	{"unknown tag inside", "83 68 02 6a 01", ErrTag, 4},
	{"FUN_EXT, of releases before 23", "83 75 00000000", ErrTag, 1},
	{"compressed", "83 50 00000002 789c4b650400 00c500 63", ErrCompressed, 1},
	{"compressed inside", "83 68 01 50", ErrCompressed, 3},
	{"local", "83 79 0000000000000000 6a", ErrLocal, 1},
	{"local inside", "83 6c 00000001 79 6a", ErrLocal, 6},
	{"ATOM_CACHE_REF", "83 52 00", ErrAtomCache, 1},
	{"ATOM_CACHE_REF as a node", "83 58 52 00 00000000 00000000 00000000", ErrAtomCache, 2},
	{"NEW_CACHE", "83 4e 00 0001 61", ErrAtomCache, 1},
	{"CACHED_ATOM", "83 43 00", ErrAtomCache, 1},
	{"distribution header", "83 44 00 6a", ErrAtomCache, 1},
	{"distribution fragment", "83 45 0000000000000001 0000000000000001 00 6a", ErrAtomCache, 1},
	{"node that is no atom", "83 67 61 05 00000000 00000000 00", ErrType, 2},
	{"node behind an empty list", "83 67 6c 00000000 77 00 00000000 00000000 00", ErrType, 2},
	{"export of no atom", "83 71 6a 7700 6100", ErrType, 2},
	{"export with a negative arity", "83 71 7700 7700 62 ffffffff", ErrRange, 6},
	{"atom that is not UTF-8", "83 77 01 ff", ErrAtom, 1},
	{"atom with a surrogate", "83 77 03 eda080", ErrAtom, 1},
	{"atom with an overlong form", "83 77 02 c080", ErrAtom, 1},
	{"float infinite", "83 46 7ff0000000000000", ErrFloat, 1},
	{"float not a number", "83 46 7ff8000000000001", ErrFloat, 1},
	{"old float of no digits", "83 63" + text(""), ErrFloat, 1},
	{"old float without a point", "83 63" + text("15"), ErrFloat, 1},
	{"old float without a fraction", "83 63" + text("1.e5"), ErrFloat, 1},
	{"old float without a whole part", "83 63" + text(".5"), ErrFloat, 1},
	{"old float with an empty exponent", "83 63" + text("1.5e"), ErrFloat, 1},
	{"old float with more after it", "83 63" + text("1.5x"), ErrFloat, 1},
	{"old float with more after its exponent", "83 63" + text("1.5e1 "), ErrFloat, 1},
	{"old float in hexadecimal", "83 63" + text("0x1.8p1"), ErrFloat, 1},
	{"old float with separators", "83 63" + text("1_0.5"), ErrFloat, 1},
	{"old float infinite", "83 63" + text("inf"), ErrFloat, 1},
	{"old float that is too large", "83 63" + text("1.0e999"), ErrFloat, 1},
	{"bits of nothing", "83 4d 00000000 01", ErrBits, 1},
	{"no bits of nothing", "83 4d 00000000 00", ErrBits, 1},
	{"no bits of a byte", "83 4d 00000001 00 ff", ErrBits, 1},
	{"nine bits of a byte", "83 4d 00000001 09 ff", ErrBits, 1},
	{"tuple larger than the data", "83 68 02 6a", ErrCount, 1},
	{"list that fills the data, without a tail", "83 6c 00000001 6a", ErrTruncated, 7},
	{"map that lacks a value", "83 74 00000001 6a", ErrCount, 1},
	{"binary longer than the data", "83 6d 00000002 ff", ErrTruncated, 1},
	{"largest count", "83 69 ffffffff 6a", ErrCount, 1},
	{"fun larger than its size", "83" + wrongFun(-1), ErrCount, 1},
	{"fun smaller than its size", "83" + wrongFun(1), ErrCount, 1},
	{"a byte more", "83 6a 00", ErrTrailing, 2},
}

// wrongFun returns a fun whose size is wrong by delta.
func wrongFun(delta int) string {
	right := newFun("6a")
	return fmt.Sprintf("70%08x", len(right)/2-1+delta) + right[10:]
}

func TestMalformedTermsGiveTypedErrorsWithOffsets(t *testing.T) {
	for _, m := range malformed {
		t.Run(m.name, func(t *testing.T) {
			_, err := Decode(unhex(t, m.term))
			wantSyntax(t, err, m.err, m.offset)
		})
	}
}

// TestReadersRefuseOtherTypes calls every reader on every vector that is of a kind it
// does not read.
func TestReadersRefuseOtherTypes(t *testing.T) {
	readers := []struct {
		name  string
		read  func(*Decoder)
		kinds []Kind
	}{
		{"Tuple", func(d *Decoder) { d.Tuple() }, []Kind{KindTuple}},
		{"List", func(d *Decoder) { d.List() }, []Kind{KindList, KindNil}},
		{"Tail", func(d *Decoder) { d.Tail() }, []Kind{KindNil}},
		{"Map", func(d *Decoder) { d.Map() }, []Kind{KindMap}},
		{"Int", func(d *Decoder) { d.Int() }, []Kind{KindInt}},
		{"Uint", func(d *Decoder) { d.Uint() }, []Kind{KindInt}},
		{"Float", func(d *Decoder) { d.Float() }, []Kind{KindFloat}},
		{"Atom", func(d *Decoder) { d.Atom() }, []Kind{KindAtom}},
		{"Binary", func(d *Decoder) { d.Binary() }, []Kind{KindBinary}},
		{"Bytes", func(d *Decoder) { d.Bytes(nil) }, []Kind{KindBinary, KindString, KindNil, KindList}},
	}
	for _, r := range readers {
		for _, v := range vectors {
			d := cursor(vector(t, v.term)[1:])
			reads := slices.Contains(r.kinds, d.Kind())
			r.read(d)
			switch err := d.Err(); {
			case !reads && !errors.Is(err, ErrType):
				t.Errorf("%s of %s: %v", r.name, v.name, err)
			case reads && err != nil && !errors.Is(err, ErrRange) && d.Offset() == 0:
				t.Errorf("%s of %s: %v", r.name, v.name, err)
			}
		}
	}
}
