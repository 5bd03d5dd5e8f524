// Package etf reads and writes the Erlang external term format: what
// term_to_binary/1 of OTP 25 to 29 makes and binary_to_term/1 reads.
//
// [Decoder] is a cursor over a byte slice that keeps its first error, so that
// reading a term is a column of calls and one look at [Decoder.Err]. It does not
// allocate. The Append functions write terms the way term_to_binary/1 does.
// [Decode] and [Append] handle whole terms as Go values, for tools and tests.
//
// Pids, ports, references and funs are opaque: they are checked, kept as bytes
// and echoed unchanged. Compressed terms, local terms and terms that refer to an
// atom cache are refused ([ErrCompressed], [ErrLocal], [ErrAtomCache]).
//
// Where it is not as binary_to_term/1: keys of a map may be equal, identifiers may use
// bits that the VM refuses for its own node, references have at least one word, a fun
// must be as large as it says, text of floats has no decimal comma, nothing may follow
// the term that [Decode] reads, nor may it nest deeper than [MaxDepth]. FUN_EXT (117) is
// an unknown tag here as it is there (OTP 23 dropped it).
//
// The format: "External Term Format" in the ERTS user's guide.
package etf
