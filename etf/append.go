package etf

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// The Append functions write one term, or the head of one, to the end of b and return
// the result, in the form that term_to_binary/1 chooses. Counts must not be negative.

// AppendVersion appends the version byte, which stands before a whole term.
func AppendVersion(b []byte) []byte { return append(b, Version) }

// maxSmallTuple is the largest arity that is sent in one byte.
const maxSmallTuple = math.MaxUint8

// AppendTuple appends the head of a tuple; n terms must follow.
func AppendTuple(b []byte, n int) []byte {
	if n <= maxSmallTuple {
		return append(b, tagSmallTuple, byte(n))
	}
	return appendHead(b, tagLargeTuple, n)
}

// AppendAtom appends an atom of at most 255 characters, in UTF-8.
func AppendAtom(b []byte, name string) []byte {
	tag := atomTag(name)
	b = append(b, tag)
	if tag == tagAtomUTF8 {
		b = append(b, byte(len(name)>>8))
	}
	return append(append(b, byte(len(name))), name...)
}

// atomTag returns the tag with which an atom is sent.
func atomTag(name string) byte {
	if len(name) <= math.MaxUint8 {
		return tagSmallAtomUTF8
	}
	return tagAtomUTF8
}

// AppendBool appends the atom true or false.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return AppendAtom(b, "true")
	}
	return AppendAtom(b, "false")
}

// AppendInt appends an integer.
func AppendInt(b []byte, n int64) []byte {
	switch {
	case n < math.MinInt32:
		return appendBig(b, 1, -uint64(n))
	case n < 0:
		return AppendInt32(b, int32(n))
	}
	return AppendUint(b, uint64(n))
}

// AppendUint appends an integer that is not negative.
func AppendUint(b []byte, n uint64) []byte {
	switch {
	case n <= math.MaxUint8:
		return append(b, tagSmallInteger, byte(n))
	case n <= math.MaxInt32:
		return AppendInt32(b, int32(n))
	}
	return appendBig(b, 0, n)
}

// AppendInt32 appends an integer as INTEGER_EXT, which has the same size for every n.
func AppendInt32(b []byte, n int32) []byte {
	return binary.BigEndian.AppendUint32(append(b, tagInteger), uint32(n))
}

func appendBig(b []byte, sign byte, magnitude uint64) []byte {
	size := (bits.Len64(magnitude) + 7) / 8
	b = append(b, tagSmallBig, byte(size), sign)
	return binary.LittleEndian.AppendUint64(b, magnitude)[:len(b)+size]
}

// AppendFloat appends a float, which must be finite: Erlang has no others.
func AppendFloat(b []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, tagNewFloat), math.Float64bits(f))
}

// AppendBinary appends a binary.
func AppendBinary(b, data []byte) []byte { return append(AppendBinaryHead(b, len(data)), data...) }

// AppendBinaryHead appends the head of a binary; n bytes must follow.
func AppendBinaryHead(b []byte, n int) []byte { return appendHead(b, tagBinary, n) }

// AppendList appends the head of a list; n terms and the tail ([AppendNil]) must follow.
// For n = 0 it appends nothing: the tail alone is the empty list.
func AppendList(b []byte, n int) []byte {
	if n == 0 {
		return b
	}
	return appendHead(b, tagList, n)
}

// AppendNil appends the empty list, which is also the tail of every proper list.
func AppendNil(b []byte) []byte { return append(b, tagNil) }

// AppendString appends a list of bytes.
func AppendString(b, data []byte) []byte {
	switch n := len(data); {
	case n == 0:
		return AppendNil(b)
	case n <= math.MaxUint16:
		return append(append(b, tagString, byte(n>>8), byte(n)), data...)
	}
	b = AppendList(b, len(data))
	for _, c := range data {
		b = append(b, tagSmallInteger, c)
	}
	return AppendNil(b)
}

// AppendMap appends the head of a map; n pairs of key and value must follow.
func AppendMap(b []byte, n int) []byte { return appendHead(b, tagMap, n) }

// AppendRaw appends a term that [Decoder.Raw] returned.
func AppendRaw(b, term []byte) []byte { return append(b, term...) }

func appendHead(b []byte, tag byte, n int) []byte {
	return binary.BigEndian.AppendUint32(append(b, tag), uint32(n))
}
