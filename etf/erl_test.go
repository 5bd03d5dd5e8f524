package etf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

// erl calls etf_terms:main/1 in a node of its own and returns what it prints. Without
// an Erlang on this machine it skips the test.
func erl(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("erl")
	if err != nil {
		t.Skipf("no Erlang to compare with: %v", err)
	}
	const run = `{ok, M, B} = compile:file("testdata/etf_terms", [binary, report_errors]),
		{module, M} = code:load_binary(M, "etf_terms", B), ok = M:main(init:get_plain_arguments()), halt().`
	cmd := exec.Command(path, append([]string{"-noshell", "-eval", run, "-extra"}, args...)...)
	cmd.Env = append(os.Environ(), "ERL_CRASH_DUMP_SECONDS=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("erl %q: %v\n%.2000s", args, err, out)
	}
	return string(out)
}

// readFrames returns the frames of a file: a length of 4 bytes before each.
func readFrames(t *testing.T, path string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var frames [][]byte
	for len(b) > 0 {
		n := 4 + binary.BigEndian.Uint32(b)
		frames = append(frames, b[4:n:n])
		b = b[n:]
	}
	return frames
}

func writeFrames(t *testing.T, path string, frames [][]byte) {
	t.Helper()
	var b []byte
	for _, f := range frames {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(f))), f...)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// randomFrames returns n random terms of a real Erlang.
func randomFrames(t *testing.T, path string, n int) [][]byte {
	t.Helper()
	seed := time.Now().UnixNano()
	t.Logf("%d terms, seed %d", n, seed)
	erl(t, "write", path, strconv.Itoa(n), strconv.FormatInt(seed, 10))
	frames := readFrames(t, path)
	if len(frames) != n {
		t.Fatalf("%d terms", len(frames))
	}
	return frames
}

// emitted are the tags that term_to_binary/1,2 makes (99 and 100 with an option
// minor_version that is not the default of each release). OTP 27 makes no NEW_PORT_EXT any
// more, it writes every port as V4_PORT_EXT.
var emitted = []byte{
	tagNewFloat, tagBitBinary, tagNewPid, tagNewPort, tagNewerReference, tagSmallInteger, tagInteger, tagFloat,
	tagAtom, tagSmallTuple, tagLargeTuple, tagNil, tagString, tagList, tagBinary, tagSmallBig, tagLargeBig,
	tagNewFun, tagExport, tagMap, tagAtomUTF8, tagSmallAtomUTF8, tagV4Port,
}

func TestRandomTermsOfErlangRoundTrip(t *testing.T) {
	const terms = 100_000
	theirs, ours := filepath.Join(t.TempDir(), "theirs"), filepath.Join(t.TempDir(), "ours")
	frames := randomFrames(t, theirs, terms)
	rewritten := make([][]byte, terms)
	var seen [256]int
	for i, frame := range frames {
		term, err := Decode(frame)
		if err != nil {
			t.Fatalf("%v: % x", err, frame)
		}
		if again := Append(AppendVersion(nil), term); !bytes.Equal(again, frame) {
			t.Fatalf("% x\nbecame\n% x", frame, again)
		}
		d := cursor(frame)
		d.Version()
		if raw := d.Raw(); !bytes.Equal(raw, frame[1:]) {
			t.Fatalf("Raw: % x\nof\n% x, %v", raw, frame, d.Err())
		}
		countTags(frame[1:], &seen)
		rewritten[i] = Append(AppendVersion(nil), plain(term))
	}
	for _, tag := range emitted {
		t.Logf("tag %3d: %7d", tag, seen[tag])
		if seen[tag] == 0 && (tag != tagNewPort || erl(t, "release") < "26") {
			t.Errorf("no term with tag %d", tag)
		}
	}
	for tag, n := range seen {
		if n > 0 && !slices.Contains(emitted, byte(tag)) {
			t.Errorf("%d terms with tag %d, which Erlang was not known to make", n, tag)
		}
	}
	writeFrames(t, ours, rewritten)
	if out := erl(t, "compare", theirs, ours); out != "0 differ []\n" {
		t.Errorf("what the Append functions wrote: %s", out)
	}
}

// countTags counts the tags of the term that b is, and of the terms in it.
func countTags(b []byte, seen *[256]int) {
	d := cursor(b)
	for d.Len() > 0 && d.Err() == nil {
		seen[d.buf[d.off]]++
		switch d.Kind() {
		case KindTuple:
			d.Tuple()
		case KindList:
			d.List()
		case KindMap:
			d.Map()
		default:
			d.Skip()
		}
	}
}

// plain returns t as the Append functions write it, whatever form it came in.
func plain(t Term) Term {
	switch t := t.(type) {
	case Atom:
		return Atom{Name: t.Name}
	case OldFloat:
		f, _ := parseFloat(tagFloat, t)
		return Float(f)
	case Big:
		d := cursor(t)
		if n := d.Int(); d.Err() == nil {
			return Int(n)
		}
	case String:
		if len(t) == 0 {
			return Nil{}
		}
	case Tuple:
		return Tuple(plainAll(t))
	case LargeTuple:
		return Tuple(plainAll(t))
	case List:
		if len(t.Elements) == 0 {
			return plain(t.Tail)
		}
		return List{Elements: plainAll(t.Elements), Tail: plain(t.Tail)}
	case Map:
		pairs := make(Map, len(t))
		for i, p := range t {
			pairs[i] = Pair{Key: plain(p.Key), Value: plain(p.Value)}
		}
		return pairs
	}
	return t
}

func plainAll(terms []Term) []Term {
	out := make([]Term, len(terms))
	for i, t := range terms {
		out[i] = plain(t)
	}
	return out
}

func TestCompressedAndLocalTermsOfErlangAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "refused")
	erl(t, "refused", path)
	frames := readFrames(t, path)
	for i, frame := range frames {
		_, err := Decode(frame)
		wantSyntax(t, err, []error{ErrCompressed, ErrLocal}[i], 1)
	}
	if len(frames) == 1 {
		t.Log("this Erlang is too old to make local terms")
	}
}

// TestErlangJudgesTheSame damages real terms and asks binary_to_term/1 about each.
func TestErlangJudgesTheSame(t *testing.T) {
	dir := t.TempDir()
	frames := randomFrames(t, filepath.Join(dir, "terms"), 30_000)
	for i, frame := range frames {
		frames[i] = damage(frame)
	}
	writeFrames(t, filepath.Join(dir, "damaged"), frames)
	erl(t, "judge", filepath.Join(dir, "damaged"), filepath.Join(dir, "verdicts"))
	verdicts := readFrames(t, filepath.Join(dir, "verdicts"))
	var good, bad, laxer, stricter int
	for i, frame := range frames {
		d := cursor(frame)
		d.Version()
		d.Skip()
		switch accepted, err := verdicts[i][0] == 1, d.Err(); {
		case accepted && err == nil:
			good++
		case !accepted && err != nil:
			bad++
		case err == nil && mayBeLaxer(frame[1:d.Offset()]):
			laxer++
		case err != nil && mayBeStricter(frame, err):
			stricter++
		default:
			t.Errorf("binary_to_term/1 accepts: %v, Skip: %v: %x", accepted, err, frame)
		}
	}
	t.Logf("%d terms are still good, %d bad; Skip is laxer for %d, stricter for %d", good, bad, laxer, stricter)
	if good == 0 || bad == 0 {
		t.Error("only one verdict")
	}
}

// mayBeLaxer says whether a term has what this package does not look at: whether keys of
// a map differ, and whether the bits of an identifier are in use.
func mayBeLaxer(term []byte) bool {
	var tags [256]int
	countTags(term, &tags)
	for tag, n := range tags {
		switch shapes[tag].kind {
		case KindMap, KindPid, KindPort, KindRef, KindFun:
			if n > 0 {
				return true
			}
		}
	}
	return false
}

// mayBeStricter says whether err is about something that only binary_to_term/1 takes:
// compressed terms, atoms by their index in its own atom table, a fun whose size is not
// its size, a float with the decimal comma of a locale, a reference of no words, and
// (up to OTP 25) a bit string of no bytes.
func mayBeStricter(frame []byte, err error) bool {
	var syntax *SyntaxError
	errors.As(err, &syntax)
	at := frame[syntax.Offset:]
	const atomInternalRef2, atomInternalRef3 = 73, 75
	switch {
	case errors.Is(err, ErrCompressed):
		return true
	case errors.Is(err, ErrTag):
		return at[0] == atomInternalRef2 || at[0] == atomInternalRef3
	case errors.Is(err, ErrCount):
		return at[0] == tagNewFun
	case errors.Is(err, ErrFloat):
		return at[0] == tagFloat && bytes.IndexByte(at[:oldFloatSize], ',') > 0
	case errors.Is(err, ErrBits):
		return bytes.HasPrefix(at, []byte{tagBitBinary, 0, 0, 0, 0, 0})
	case errors.Is(err, ErrRange):
		return bytes.HasPrefix(at, []byte{tagNewerReference, 0, 0})
	}
	return false
}

// damage changes some bytes of a term behind the version byte.
func damage(frame []byte) []byte {
	frame = bytes.Clone(frame)
	switch rand.N(4) {
	case 0:
		return frame[:1+rand.N(len(frame))]
	case 1:
		frame[1+rand.N(len(frame)-1)] = byte(rand.N(256))
	case 2:
		frame[1+rand.N(len(frame)-1)] ^= 1 << rand.N(8)
	case 3:
		frame[1+rand.N(min(len(frame)-1, 12))] += byte(rand.N(5) - 2)
	}
	return frame
}
