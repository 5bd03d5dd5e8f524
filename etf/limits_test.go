package etf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/big"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// nested returns terms of the given depth, each of another kind of nesting.
func nested(depth int) map[string][]byte {
	levels := map[string]string{
		"tuple": "\x68\x01", "large tuple": "\x69\x00\x00\x00\x01", "list tail": "\x6c\x00\x00\x00\x01\x6a",
		"empty list": "\x6c\x00\x00\x00\x00", "map value": "\x74\x00\x00\x00\x01\x6a",
	}
	terms := make(map[string][]byte)
	for name, level := range levels {
		terms[name] = []byte("\x83" + strings.Repeat(level, depth-1) + "\x6a")
	}
	terms["list element"] = []byte("\x83" + strings.Repeat("\x6c\x00\x00\x00\x01", depth-1) + strings.Repeat("\x6a", depth))
	terms["map key"] = []byte("\x83" + strings.Repeat("\x74\x00\x00\x00\x01", depth-1) + strings.Repeat("\x6a", depth))
	return terms
}

func TestNestingIsLimited(t *testing.T) {
	for name, b := range nested(MaxDepth) {
		if _, err := Decode(b); err != nil {
			t.Errorf("%s: depth %d: %v", name, MaxDepth, err)
		}
	}
	for name, b := range nested(MaxDepth + 1) {
		if _, err := Decode(b); !errors.Is(err, ErrDepth) {
			t.Errorf("%s: depth %d: %v", name, MaxDepth+1, err)
		}
	}
}

// TestAnyDepthIsSkipped has each kind of nesting, as deep as a frame has room for, and funs in
// funs, which are the one kind that has to end where it said.
func TestAnyDepthIsSkipped(t *testing.T) {
	const depth = 300_000
	terms := nested(depth)
	terms["funs"] = append([]byte{Version}, nestedFuns(10_000, 0)...)
	for name, b := range terms {
		d := cursor(b)
		d.Version()
		if raw := d.Raw(); d.Err() != nil || d.Len() != 0 || len(raw) != len(b)-1 {
			t.Errorf("%s: %v, %d bytes left", name, d.Err(), d.Len())
		}
		short := cursor(b[:len(b)-1])
		short.Version()
		short.Skip()
		if !errors.Is(short.Err(), ErrTruncated) && !errors.Is(short.Err(), ErrCount) {
			t.Errorf("%s, one byte less: %v", name, short.Err())
		}
	}
	for _, lie := range []int{-1, 1} {
		d := cursor(nestedFuns(100, lie))
		d.Skip()
		wantError(t, d, ErrCount, 0)
	}
}

// nestedFuns returns a fun that has a fun in it, and so on; the outermost says that it is larger
// than it is by lie.
func nestedFuns(depth, lie int) []byte {
	const head = "\x77\x00\x61\x00\x61\x00\x6a" // module, two integers, and what is no pid
	var b []byte
	end := []byte("\x6a")
	size := func(level int) int { return level*(1+29+len(head)) - 1 + len(end) }
	for level := depth; level > 0; level-- {
		n := size(level)
		if level == depth {
			n += lie
		}
		b = binary.BigEndian.AppendUint32(append(b, tagNewFun), uint32(n))
		b = append(b, make([]byte, 1+16+4)...)
		b = append(binary.BigEndian.AppendUint32(b, 1), head...)
	}
	return append(b, end...)
}

func TestAtomsHaveAtMost255Characters(t *testing.T) {
	const latin1, one, four = "\xff", "a", "\U0001F600"
	for _, c := range []struct {
		tag   byte
		char  string
		chars int
		err   error
	}{
		{tagAtom, latin1, 255, nil},
		{tagAtom, latin1, 256, ErrAtom},
		{tagAtom, one, 256, ErrAtom},
		{tagSmallAtom, latin1, 255, nil},
		{tagSmallAtomUTF8, one, 255, nil},
		{tagSmallAtomUTF8, four, 63, nil},
		{tagAtomUTF8, one, 255, nil},
		{tagAtomUTF8, one, 256, ErrAtom},
		{tagAtomUTF8, four, 255, nil},
		{tagAtomUTF8, four, 256, ErrAtom},
	} {
		name := strings.Repeat(c.char, c.chars)
		b := []byte{c.tag, byte(len(name))}
		if shapes[c.tag].width == 2 {
			b = binary.BigEndian.AppendUint16([]byte{c.tag}, uint16(len(name)))
		}
		d := cursor(append(b, name...))
		got := d.Atom()
		if c.err != nil {
			wantError(t, d, c.err, 0)
			continue
		}
		want := []byte(name)
		if c.char == latin1 {
			want = []byte(strings.Repeat("ÿ", c.chars))
		}
		if !bytes.Equal(got, want) || d.Len() != 0 {
			t.Errorf("tag %d, %d characters: %q, %v", c.tag, c.chars, got, d.Err())
		}
	}
}

func TestReferencesHaveOneToFiveWords(t *testing.T) {
	for _, head := range []string{"\x5a\x00N\x77\x00CCCC", "\x72\x00N\x77\x00C"} {
		for words := range 8 {
			b := []byte(strings.Replace(head, "N", string(rune(words)), 1) + strings.Repeat("WORD", words))
			d := cursor(b)
			d.Skip()
			if words >= 1 && words <= maxRefWords {
				if d.Err() != nil || d.Len() != 0 {
					t.Errorf("%d words: %v, %d bytes left", words, d.Err(), d.Len())
				}
			} else {
				wantError(t, d, ErrRange, 0)
			}
		}
	}
}

func TestIntegersFitOrAreOutOfRange(t *testing.T) {
	power := func(bits uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), bits) }
	for _, bits := range []uint{0, 7, 8, 15, 16, 31, 32, 62, 63, 64, 65, 8 * 255, 8 * 256} {
		for _, delta := range []int64{-1, 0, 1} {
			n := new(big.Int).Add(power(bits), big.NewInt(delta))
			checkInteger(t, n)
			checkInteger(t, new(big.Int).Neg(n))
		}
	}
}

// checkInteger reads n in every form that can hold it.
func checkInteger(t *testing.T, n *big.Int) {
	t.Helper()
	for _, b := range integerForms(n) {
		d := cursor(b)
		if got := d.Int(); n.IsInt64() != (d.Err() == nil) || n.IsInt64() && got != n.Int64() {
			t.Errorf("% x: Int %d, %v; want %v", b, got, d.Err(), n)
		}
		if !n.IsInt64() {
			wantError(t, d, ErrRange, 0)
		}
		d.Reset(b)
		if got := d.Uint(); n.IsUint64() != (d.Err() == nil) || n.IsUint64() && got != n.Uint64() {
			t.Errorf("% x: Uint %d, %v; want %v", b, got, d.Err(), n)
		}
		if !n.IsUint64() {
			wantError(t, d, ErrRange, 0)
		}
	}
	canonical := integerForms(n)[0]
	if n.IsInt64() && !bytes.Equal(AppendInt(nil, n.Int64()), canonical) {
		t.Errorf("AppendInt: %v became % x", n, AppendInt(nil, n.Int64()))
	}
	if n.IsUint64() && !bytes.Equal(AppendUint(nil, n.Uint64()), canonical) {
		t.Errorf("AppendUint: %v became % x", n, AppendUint(nil, n.Uint64()))
	}
}

// integerForms returns the encodings of n; term_to_binary/1 makes the first.
func integerForms(n *big.Int) (forms [][]byte) {
	if n.IsUint64() && n.Uint64() <= math.MaxUint8 {
		forms = append(forms, []byte{tagSmallInteger, byte(n.Uint64())})
	}
	if n.IsInt64() && n.Int64() == int64(int32(n.Int64())) {
		forms = append(forms, binary.BigEndian.AppendUint32([]byte{tagInteger}, uint32(n.Int64())))
	}
	for _, zeros := range []int{0, 1, 9} {
		digits := append(make([]byte, zeros), n.Bytes()...)
		slices.Reverse(digits)
		sign := byte(0)
		if n.Sign() < 0 {
			sign = 1
		}
		if len(digits) <= math.MaxUint8 {
			forms = append(forms, append([]byte{tagSmallBig, byte(len(digits)), sign}, digits...))
		}
		large := binary.BigEndian.AppendUint32([]byte{tagLargeBig}, uint32(len(digits)))
		forms = append(forms, append(append(large, sign), digits...))
	}
	return forms
}

// TestCountsAreCheckedAgainstTheDataLeft has the head of each term that counts
// something, for which the data is just enough or one byte short.
func TestCountsAreCheckedAgainstTheDataLeft(t *testing.T) {
	for _, c := range []struct {
		head string
		unit int
		read func(*Decoder) int
		err  error
	}{
		{"\x68\x05", 1, (*Decoder).Tuple, ErrCount},
		{"\x69\x00\x00\x00\x05", 1, (*Decoder).Tuple, ErrCount},
		{"\x6c\x00\x00\x00\x05", 1, (*Decoder).List, ErrCount},
		{"\x74\x00\x00\x00\x05", 2, (*Decoder).Map, ErrCount},
		{"\x6d\x00\x00\x00\x05", 1, func(d *Decoder) int { return len(d.Binary()) }, ErrTruncated},
		{"\x6b\x00\x05", 1, func(d *Decoder) int { return len(d.Bytes(nil)) }, ErrTruncated},
		{"\x77\x05", 1, func(d *Decoder) int { return len(d.Atom()) }, ErrTruncated},
		{"\x64\x00\x05", 1, func(d *Decoder) int { return len(d.Atom()) }, ErrTruncated},
	} {
		enough := cursor([]byte(c.head + strings.Repeat("\x6a", 5*c.unit)))
		if n := c.read(enough); n != 5 || enough.Err() != nil {
			t.Errorf("% x: %d, %v", c.head, n, enough.Err())
		}
		short := cursor([]byte(c.head + strings.Repeat("\x6a", 5*c.unit-1)))
		if n := c.read(short); n > 0 {
			t.Errorf("% x: one byte too few, and %d counted", c.head, n)
		}
		wantError(t, short, c.err, 0)
	}
}

func TestAppendChangesFormAtItsLimits(t *testing.T) {
	ones := func(n int) []byte { return bytes.Repeat([]byte{1}, n) }
	for _, c := range []struct {
		name string
		b    []byte
		tag  byte
	}{
		{"tuple of 255", AppendTuple(nil, 255), tagSmallTuple},
		{"tuple of 256", AppendTuple(nil, 256), tagLargeTuple},
		{"atom of 255 bytes", AppendAtom(nil, strings.Repeat("a", 255)), tagSmallAtomUTF8},
		{"atom of 256 bytes", AppendAtom(nil, strings.Repeat("é", 128)), tagAtomUTF8},
		{"string of 0", AppendString(nil, nil), tagNil},
		{"string of 1", AppendString(nil, ones(1)), tagString},
		{"string of 65535", AppendString(nil, ones(65535)), tagString},
		{"string of 65536", AppendString(nil, ones(65536)), tagList},
		{"list of 0", AppendNil(AppendList(nil, 0)), tagNil},
		{"list of 1", AppendList(nil, 1), tagList},
		{"int 255", AppendInt(nil, 255), tagSmallInteger},
		{"int 256", AppendInt(nil, 256), tagInteger},
		{"int -1", AppendInt(nil, -1), tagInteger},
		{"int 2^31-1", AppendInt(nil, math.MaxInt32), tagInteger},
		{"int 2^31", AppendInt(nil, math.MaxInt32+1), tagSmallBig},
		{"int -2^31", AppendInt(nil, math.MinInt32), tagInteger},
		{"int -2^31-1", AppendInt(nil, math.MinInt32-1), tagSmallBig},
		{"int32 0", AppendInt32(nil, 0), tagInteger},
	} {
		if c.b[0] != c.tag {
			t.Errorf("%s: tag %d, want %d", c.name, c.b[0], c.tag)
		}
	}
	for _, n := range []int{0, 1, 65535, 65536} {
		d := cursor(AppendString(nil, ones(n)))
		if b := d.Bytes(nil); !bytes.Equal(b, ones(n)) || d.Err() != nil || d.Len() != 0 {
			t.Errorf("string of %d: %d bytes, %v", n, len(b), d.Err())
		}
	}
}

// TestDecodeAllocatesLittle has the terms that take the fewest bytes for the largest
// values, and some that claim to be larger than they are.
func TestDecodeAllocatesLittle(t *testing.T) {
	const n = 50_000
	list := func(count uint32, element string) []byte {
		b := binary.BigEndian.AppendUint32([]byte{Version, tagList}, count)
		return append(append(b, strings.Repeat(element, n)...), tagNil)
	}
	lies := [][]byte{
		list(math.MaxUint32, "\x6a"),
		[]byte("\x83" + strings.Repeat("\x69\x00\x00\x40\x00", n)),
		[]byte("\x83\x74\xff\xff\xff\xff" + strings.Repeat("\x6a", n)),
	}
	honest := [][]byte{append([]byte{Version, tagMap, 0, 0, n / 2 >> 8, n / 2 & 255}, strings.Repeat("\x6a", n)...)}
	for _, element := range []string{
		"\x6a", "\x68\x00", "\x68\x01\x6a", "\x77\x00", "\x77\x01a", "\x77\x02ab", "\x73\x01\xff",
		"\x61\x00", "\x62\x7f\x00\x00\x00", "\x6b\x00\x00", "\x6d\x00\x00\x00\x00", "\x4d\x00\x00\x00\x01\x01\x80", "\x6e\x00\x00",
		"\x6e\x09\x00\x01\x01\x01\x01\x01\x01\x01\x01\x01", "\x6c\x00\x00\x00\x00\x6a", "\x6c\x00\x00\x00\x01\x6a\x6a",
		"\x74\x00\x00\x00\x00", "\x69\x00\x00\x00\x01\x6a", "\x46\x40\x00\x00\x00\x00\x00\x00\x00",
	} {
		honest = append(honest, list(n, element))
	}
	largest := 0.0
	for i, b := range append(lies, honest...) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Decode(b)
		runtime.ReadMemStats(&after)
		if (i < len(lies)) != (err != nil) {
			t.Errorf("% x...: %v", b[:12], err)
		}
		got := after.TotalAlloc - before.TotalAlloc
		if got > uint64(24*len(b))+4096 {
			t.Errorf("% x...: %d bytes allocated for %d bytes", b[:12], got, len(b))
		}
		largest = max(largest, float64(got)/float64(len(b)))
	}
	t.Logf("at most %.1f bytes for a byte", largest)
}
