package dispatch

import (
	"unicode/utf8"

	"gosocket/etf"
)

// localMax is the number of bytes in a path above which the term is no address at all;
// what sun_path has no room for is einval.
const localMax = 255

// pathRoom is what localMax bytes take when another character is written behind them.
const pathRoom = localMax + utf8.UTFMax

// pathVerdict is what came of reading a path.
type pathVerdict uint8

const (
	pathFine   pathVerdict = iota
	pathNone               // the term is none: {invalid, {address, Address}}
	pathBadarg             // there is something in it that no string has
)

// pathOf reads a path: a binary as it is, or a list of up to localMax elements, which may be
// characters, binaries and lists of them (chardata(), unicode(3)) and comes in UTF-8, the
// encoding of file names on Linux. It stops behind localMax bytes; pathRoom bytes of room are enough.
func pathOf(term, room []byte) (path []byte, v pathVerdict) {
	var d etf.Decoder
	d.Reset(term)
	switch d.Kind() {
	case etf.KindBinary:
		return d.Binary(), pathFine
	case etf.KindString:
		for _, c := range d.Bytes(nil) {
			room = appendChar(room, int64(c))
		}
		return room, pathFine
	case etf.KindNil:
		return nil, pathFine
	case etf.KindList:
		ahead := d
		n := ahead.List()
		for range n {
			ahead.Skip()
		}
		if n > localMax || ahead.Kind() != etf.KindNil {
			return nil, pathNone
		}
		var w pathWalk
		return w.all(&d)
	}
	return nil, pathNone
}

// A pathWalk gathers the characters of a list. What is open stands on a stack of its own: how
// deep the lists nest is the caller's affair.
type pathWalk struct {
	path []byte
	none bool  // a number was no character
	left []int // of each open list, how many terms are to come, its tail included
}

func (w *pathWalk) all(d *etf.Decoder) ([]byte, pathVerdict) {
	w.left = append(w.left, 1)
	for n := len(w.left); n > 0; n = len(w.left) {
		if w.left[n-1] == 0 {
			w.left = w.left[:n-1]
			continue
		}
		w.left[n-1]--
		if v := w.next(d, n > 1 && w.left[n-1] == 0); v != pathFine {
			return nil, v
		}
	}
	if w.none || !utf8.Valid(w.path) {
		return nil, pathNone
	}
	return w.path, pathFine
}

// next reads one term, which may be the tail of a list.
func (w *pathWalk) next(d *etf.Decoder, tail bool) pathVerdict {
	switch d.Kind() {
	case etf.KindInt:
		if tail {
			return pathBadarg
		}
		c := d.Int()
		if d.Err() != nil {
			return pathNone // more than any character
		}
		if c < 0 || c > utf8.MaxRune || !utf8.ValidRune(rune(c)) {
			w.none = true
		} else {
			w.path = appendChar(w.path, c)
		}
	case etf.KindString:
		for _, c := range d.Bytes(nil) {
			w.path = appendChar(w.path, int64(c))
		}
	case etf.KindNil:
		d.Skip()
	case etf.KindList:
		w.left = append(w.left, d.List()+1)
	case etf.KindBinary:
		b := d.Binary()
		if room := localMax + 1 - len(w.path); room > 0 {
			w.path = append(w.path, b[:min(len(b), room)]...)
		}
	default:
		return pathBadarg
	}
	return pathFine
}

// appendChar appends a character, unless that makes no difference any more.
func appendChar(path []byte, c int64) []byte {
	if len(path) > localMax {
		return path
	}
	return utf8.AppendRune(path, rune(c))
}
