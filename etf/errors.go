package etf

import (
	"errors"
	"fmt"
)

// What can be wrong with a term. A [Decoder] reports them inside a [SyntaxError].
var (
	// ErrTruncated says that the input ends inside a term.
	ErrTruncated = errors.New("etf: truncated")
	// ErrVersion says that the input does not start with the version byte 131.
	ErrVersion = errors.New("etf: no version byte")
	// ErrTag says that no term starts with this byte.
	ErrTag = errors.New("etf: unknown tag")
	// ErrDepth says that a term nests deeper than [MaxDepth], which [Decode] alone minds.
	ErrDepth = errors.New("etf: nested too deep")
	// ErrCount says that a term announces more elements than there are bytes left,
	// or a size that is not the size of what follows.
	ErrCount = errors.New("etf: count does not fit the data")
	// ErrRange says that a number does not fit the type asked for.
	ErrRange = errors.New("etf: number out of range")
	// ErrType says that the term is of another type than the one asked for.
	ErrType = errors.New("etf: unexpected type")
	// ErrAtom says that an atom is longer than 255 characters or is not UTF-8.
	ErrAtom = errors.New("etf: invalid atom")
	// ErrFloat says that a float is infinite, not a number, or malformed text.
	ErrFloat = errors.New("etf: invalid float")
	// ErrBits says that a bit string has an impossible number of bits in its last byte.
	ErrBits = errors.New("etf: invalid bit string")
	// ErrTrailing says that bytes follow the term.
	ErrTrailing = errors.New("etf: bytes after the term")
	// ErrCompressed refuses a term made with the option compressed (tag 80).
	ErrCompressed = errors.New("etf: compressed term")
	// ErrLocal refuses a term made with the option local (tag 121): only the node
	// that made it can read it.
	ErrLocal = errors.New("etf: local term")
	// ErrAtomCache refuses what has a meaning on distribution channels only: the
	// atom cache and the distribution headers that fill it (tags 67, 68, 69, 78, 82).
	ErrAtomCache = errors.New("etf: atom cache reference")
)

// SyntaxError is an error with the place where it was found.
type SyntaxError struct {
	Offset int // in bytes from the start of the input, where the offending term starts
	Err    error
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%v at offset %d", e.Err, e.Offset) }

// Unwrap returns what was wrong.
func (e *SyntaxError) Unwrap() error { return e.Err }
