package etf

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// Terms by hand: every tag, and forms that binary_to_term/1 accepts though
// term_to_binary/1 of the supported releases does not make them.
var vectors = []struct {
	name   string
	kind   Kind
	term   string // hexadecimal, without version
	erlang string // an expression for the same term
}{
	{"SMALL_INTEGER_EXT", KindInt, "61 ff", "255"},
	{"INTEGER_EXT", KindInt, "62 80000000", "-(1 bsl 31)"},
	{"INTEGER_EXT for one byte", KindInt, "62 00000005", "5"},
	{"SMALL_BIG_EXT", KindInt, "6e 04 00 00000080", "1 bsl 31"},
	{"SMALL_BIG_EXT of 9 bytes", KindInt, "6e 09 01 000000000000000001", "-(1 bsl 64)"},
	{"SMALL_BIG_EXT for one byte", KindInt, "6e 01 00 05", "5"},
	{"SMALL_BIG_EXT with leading zeros", KindInt, "6e 0b 01 0500000000000000000000", "-5"},
	{"SMALL_BIG_EXT without digits", KindInt, "6e 00 00", "0"},
	{"SMALL_BIG_EXT minus zero", KindInt, "6e 01 01 00", "0"},
	{"SMALL_BIG_EXT with sign 7", KindInt, "6e 01 07 05", "-5"},
	{"LARGE_BIG_EXT", KindInt, "6f 00000100 00 " + strings.Repeat("00", 255) + "01", "1 bsl (8 * 255)"},
	{"LARGE_BIG_EXT for one byte", KindInt, "6f 00000001 01 05", "-5"},
	{"NEW_FLOAT_EXT", KindFloat, "46 3ff8000000000000", "1.5"},
	{"NEW_FLOAT_EXT minus zero", KindFloat, "46 8000000000000000", "-0.0"},
	{"FLOAT_EXT", KindFloat, "63" + text("-1.50000000000000000000e+00"), "-1.5"},
	{"FLOAT_EXT without exponent", KindFloat, "63" + text("12.25"), "12.25"},
	{"FLOAT_EXT with signs", KindFloat, "63" + text("+1.0E-5"), "1.0e-5"},
	{"FLOAT_EXT that is too small", KindFloat, "63" + text("1.0e-999"), "0.0"},
	{"FLOAT_EXT with anything after a zero byte", KindFloat, "63" + text("1.5\x00garbage"), "1.5"},
	{"ATOM_EXT", KindAtom, "64 0002 6f6b", "ok"},
	{"ATOM_EXT with Latin-1", KindAtom, "64 0004 636166e9", `'caf\x{e9}'`},
	{"SMALL_ATOM_EXT", KindAtom, "73 02 6f6b", "ok"},
	{"SMALL_ATOM_EXT with Latin-1", KindAtom, "73 04 636166e9", `'caf\x{e9}'`},
	{"SMALL_ATOM_EXT empty", KindAtom, "73 00", "''"},
	{"ATOM_UTF8_EXT", KindAtom, "76 0003 e697a5", `'\x{65e5}'`},
	{"SMALL_ATOM_UTF8_EXT", KindAtom, "77 05 636166c3a9", `'caf\x{e9}'`},
	{"SMALL_ATOM_UTF8_EXT with the last character", KindAtom, "77 04 f48fbfbf", `'\x{10ffff}'`},
	{"SMALL_TUPLE_EXT", KindTuple, "68 02 6101 6a", "{1, []}"},
	{"SMALL_TUPLE_EXT empty", KindTuple, "68 00", "{}"},
	{"LARGE_TUPLE_EXT", KindTuple, "69 00000100" + strings.Repeat("6a", 256), "erlang:make_tuple(256, [])"},
	{"LARGE_TUPLE_EXT of one", KindTuple, "69 00000001 6a", "{[]}"},
	{"LARGE_TUPLE_EXT empty", KindTuple, "69 00000000", "{}"},
	{"NIL_EXT", KindNil, "6a", "[]"},
	{"STRING_EXT", KindString, "6b 0003 616263", `"abc"`},
	{"STRING_EXT empty", KindString, "6b 0000", "[]"},
	{"LIST_EXT", KindList, "6c 00000001 6101 6a", "[1]"},
	{"LIST_EXT improper", KindList, "6c 00000001 6101 6102", "[1 | 2]"},
	{"LIST_EXT as the tail of another", KindList, "6c 00000001 6101 6c 00000001 6102 6a", "[1, 2]"},
	{"LIST_EXT empty", KindNil, "6c 00000000 6a", "[]"},
	{"LIST_EXT empty before what is no list", KindInt, "6c 00000000 6c 00000000 6103", "3"},
	{"BINARY_EXT", KindBinary, "6d 00000002 6869", `<<"hi">>`},
	{"BINARY_EXT empty", KindBinary, "6d 00000000", "<<>>"},
	{"BIT_BINARY_EXT", KindBitBinary, "4d 00000002 03 ffa0", "<<255, 5:3>>"},
	{"BIT_BINARY_EXT with unused bits set", KindBitBinary, "4d 00000001 03 ff", "<<7:3>>"},
	{"BIT_BINARY_EXT of whole bytes", KindBitBinary, "4d 00000001 08 ff", "<<255>>"},
	{"MAP_EXT", KindMap, "74 00000002 6101 6a 6102 6800", "#{1 => [], 2 => {}}"},
	{"MAP_EXT empty", KindMap, "74 00000000", "#{}"},
	{"NEW_PID_EXT", KindPid, newPid, `list_to_pid("<0.7.1>")`},
	{"PID_EXT", KindPid, "67" + nonode + "00000007 00000001 00", `list_to_pid("<0.7.1>")`},
	{"PID_EXT with SMALL_ATOM_EXT", KindPid, "67 73 01 61 00000007 00000001 03", erlang("58 770161 00000007 00000001 00000003")},
	{"NEW_PORT_EXT", KindPort, "59" + nonode + "00000007 00000000", `list_to_port("#Port<0.7>")`},
	{"PORT_EXT", KindPort, "66" + nonode + "00000007 00", `list_to_port("#Port<0.7>")`},
	{"V4_PORT_EXT", KindPort, "78" + nonode + "0000000000000007 00000000", `list_to_port("#Port<0.7>")`},
	{"NEWER_REFERENCE_EXT", KindRef, "5a 0003" + nonode + "00000000 00000001 00000002 00000003", `list_to_ref("#Ref<0.3.2.1>")`},
	{"NEW_REFERENCE_EXT", KindRef, "72 0003" + nonode + "00 00000001 00000002 00000003", `list_to_ref("#Ref<0.3.2.1>")`},
	{
		"NEW_REFERENCE_EXT of five words", KindRef, "72 0005 770161 02 00000001 00000002 00000003 00000004 00000005",
		erlang("5a 0005 770161 00000002 00000001 00000002 00000003 00000004 00000005"),
	},
	{"REFERENCE_EXT", KindRef, "65 770161 00000009 02", erlang("5a 0001 770161 00000002 00000009")},
	{"EXPORT_EXT", KindExport, "71 7705 6c69737473 7703 6d6170 6102", "fun lists:map/2"},
	{"EXPORT_EXT with old atoms and arity", KindExport, "71 64 0005 6c69737473 73 03 6d6170 62 00000002", "fun lists:map/2"},
	{"NEW_FUN_EXT", KindFun, newFun(newPid), erlang(newFun(newPid))},
	{"NEW_FUN_EXT with PID_EXT", KindFun, newFun("67" + nonode + "00000007 00000001 00"), erlang(newFun(newPid))},
}

const (
	nonode = "770d 6e6f6e6f6465406e6f686f7374"
	newPid = "58" + nonode + "00000007 00000001 00000000"
)

// text returns the 31 bytes of a float as text.
func text(s string) string {
	return hex.EncodeToString([]byte(s)) + strings.Repeat("00", oldFloatSize-len(s))
}

// erlang returns an Erlang expression for a term.
func erlang(term string) string {
	return "binary_to_term(binary:decode_hex(<<\"83" + strings.ReplaceAll(term, " ", "") + "\">>))"
}

// newFun returns a fun of arity 1 with the free variables [] and 5.
func newFun(creator string) string {
	rest := strings.ReplaceAll("01"+strings.Repeat("ab", 16)+"00000003 00000002 7701 6d 6103 6204030201"+creator+"6a 6105", " ", "")
	return fmt.Sprintf("70%08x", 4+len(rest)/2) + rest
}

// vector returns the bytes of a term with the version byte before it.
func vector(tb testing.TB, term string) []byte {
	tb.Helper()
	return append([]byte{Version}, unhex(tb, term)...)
}

func TestVectorsRoundTrip(t *testing.T) {
	var tags [256]bool
	for _, v := range vectors {
		b := vector(t, v.term)
		tags[b[1]] = true
		term, err := Decode(b)
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		if again := Append(AppendVersion(nil), term); !bytes.Equal(again, b) {
			t.Errorf("%s: % x became % x", v.name, b, again)
		}
		d := cursor(b[1:])
		if kind := d.Kind(); kind != v.kind || d.Offset() != 0 {
			t.Errorf("%s: kind %d, want %d", v.name, kind, v.kind)
		}
	}
	for tag, s := range shapes {
		if tags[tag] != (s.refuse == nil) {
			t.Errorf("tag %d: has a vector: %v, is refused: %v", tag, tags[tag], s.refuse)
		}
	}
}

func TestErlangReadsVectorsAlike(t *testing.T) {
	dir := t.TempDir()
	var given, rewritten, expressions [][]byte
	for _, v := range vectors {
		b := vector(t, v.term)
		term, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		given = append(given, b)
		rewritten = append(rewritten, Append(AppendVersion(nil), plain(term)))
		expressions = append(expressions, []byte(v.erlang))
	}
	writeFrames(t, filepath.Join(dir, "expressions"), expressions)
	for name, frames := range map[string][][]byte{"given": given, "decoded, and encoded by Append": rewritten} {
		writeFrames(t, filepath.Join(dir, "terms"), frames)
		if out := erl(t, "evaluate", filepath.Join(dir, "terms"), filepath.Join(dir, "expressions")); out != "0 differ []\n" {
			t.Errorf("%s: %s", name, out)
		}
	}
}

func TestEveryPrefixOfATermIsAnError(t *testing.T) {
	for _, v := range vectors {
		b := vector(t, v.term)
		for n := range b {
			_, err := Decode(b[:n])
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset > n || !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrCount) {
				t.Errorf("%s: %d of %d bytes: %v", v.name, n, len(b), err)
			}
		}
		if _, err := Decode(append(b, tagNil)); !errors.Is(err, ErrTrailing) {
			t.Errorf("%s: a byte more: %v", v.name, err)
		}
	}
}
