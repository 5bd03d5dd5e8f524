package etf

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
)

// oldFloatSize is the size of the text of FLOAT_EXT: "%.20e", padded with zero bytes.
const oldFloatSize = 31

// parseFloat returns the float whose bytes after the tag are b. Erlang has no infinite
// floats and no NaN, and binary_to_term/1 refuses them.
func parseFloat(tag byte, b []byte) (f float64, ok bool) {
	if tag == tagNewFloat {
		f = math.Float64frombits(binary.BigEndian.Uint64(b))
		return f, !math.IsInf(f, 0) && !math.IsNaN(f)
	}
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	if !isErlangFloat(b) {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(b), 64)
	return f, err == nil
}

// isErlangFloat reports whether b is digits, a point and digits, with a sign and an
// exponent or without: [strconv.ParseFloat] takes more than that.
func isErlangFloat(b []byte) bool {
	b = trimSign(b)
	whole := digits(b)
	if whole == 0 || whole == len(b) || b[whole] != '.' {
		return false
	}
	b = b[whole+1:]
	fraction := digits(b)
	if fraction == 0 || fraction == len(b) {
		return fraction > 0
	}
	if b[fraction] != 'e' && b[fraction] != 'E' {
		return false
	}
	b = trimSign(b[fraction+1:])
	return len(b) > 0 && digits(b) == len(b)
}

func trimSign(b []byte) []byte {
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		return b[1:]
	}
	return b
}

// digits returns how many bytes at the start of b are digits.
func digits(b []byte) int {
	for i, c := range b {
		if c < '0' || c > '9' {
			return i
		}
	}
	return len(b)
}
