package dispatch

import (
	"gosocket/etf"
	"gosocket/socketcore"
)

// A verdict is what came of reading an argument. The zero verdict accepts it.
type verdict struct {
	kind   verdictKind
	reason string    // the atom of {error, Reason} and of {raise, Reason}
	what   string    // What in {raise, {invalid, {What, Term}}}
	terms  [3][]byte // Term as it came; several make a tuple
	count  int
}

type verdictKind uint8

const (
	accepted verdictKind = iota
	refused              // {error, Reason}
	raised               // {raise, Reason}
)

// accept is the verdict on a good argument.
var accept = verdict{}

func (v *verdict) ok() bool { return v.kind == accepted }

// refuse answers with an errno.
func refuse(e socketcore.Errno) verdict { return refuseWith(socketcore.ErrnoName(e)) }

// refuseWith answers with a reason that is no errno, or with the name of one.
func refuseWith(reason string) verdict { return verdict{kind: refused, reason: reason} }

// raise makes the caller's process fail with error:Reason.
func raise(reason string) verdict { return verdict{kind: raised, reason: reason} }

// badarg raises error:badarg.
func badarg() verdict { return raise("badarg") }

// invalid raises error:{invalid, {What, Term}}, where several terms make one tuple.
func invalid(what string, terms ...[]byte) verdict {
	v := verdict{kind: raised, reason: "invalid", what: what}
	v.count = copy(v.terms[:], terms)
	return v
}

// append appends the verdict as the Result of a call.
func (v *verdict) append(b []byte) []byte {
	switch v.kind {
	case accepted:
		return etf.AppendAtom(b, "ok")
	case refused:
		return etf.AppendAtom(etf.AppendAtom(etf.AppendTuple(b, 2), "error"), v.reason)
	}
	b = etf.AppendAtom(etf.AppendTuple(b, 2), "raise")
	if v.what == "" {
		return etf.AppendAtom(b, v.reason)
	}
	b = etf.AppendAtom(etf.AppendTuple(b, 2), v.reason)
	b = etf.AppendAtom(etf.AppendTuple(b, 2), v.what)
	if v.count > 1 {
		b = etf.AppendTuple(b, v.count)
	}
	for _, term := range v.terms[:v.count] {
		b = etf.AppendRaw(b, term)
	}
	return b
}
