package etftest

// A span is where a term lies.
type span struct{ start, end int }

const (
	maxSpans  = 64
	maxLevels = 16
)

// spansOf appends the spans of the terms in b, those inside others included, as far as b can be read and there are not too many.
func spansOf(spans []span, b []byte) []span {
	w := walker{b: b, spans: spans}
	if len(b) > 0 && b[0] == 131 {
		w.at = 1
	}
	for w.at < len(b) && w.term(0) {
	}
	return w.spans
}

type walker struct {
	b     []byte
	at    int
	spans []span
}

// count reads a number of width bytes.
func (w *walker) count(width int) (n int, ok bool) {
	if width > len(w.b)-w.at {
		return 0, false
	}
	for _, c := range w.b[w.at : w.at+width] {
		n = n<<8 | int(c)
	}
	w.at += width
	return n, n <= len(w.b)
}

func (w *walker) skip(n int) bool {
	if n > len(w.b)-w.at {
		return false
	}
	w.at += n
	return true
}

// term reads one term. The list of tags is that of the ERTS user's guide, without the rare ones.
func (w *walker) term(level int) bool {
	start := w.at
	if start == len(w.b) || level == maxLevels || len(w.spans) == maxSpans {
		return false
	}
	w.at++
	ok := false
	switch w.b[start] {
	case 106: // nil
		ok = true
	case 97:
		ok = w.skip(1)
	case 98:
		ok = w.skip(4)
	case 70:
		ok = w.skip(8)
	case 99:
		ok = w.skip(31)
	case 115, 119: // atoms
		ok = w.bytes(1, 0)
	case 100, 118, 107:
		ok = w.bytes(2, 0)
	case 109:
		ok = w.bytes(4, 0)
	case 110:
		ok = w.bytes(1, 1)
	case 111, 77:
		ok = w.bytes(4, 1)
	case 88: // process
		ok = w.term(level+1) && w.skip(12)
	case 89: // port
		ok = w.term(level+1) && w.skip(8)
	case 90: // reference
		n, good := w.count(2)
		ok = good && w.term(level+1) && w.skip(4+4*n)
	case 104:
		ok = w.terms(1, 1, 0, level)
	case 105:
		ok = w.terms(4, 1, 0, level)
	case 108:
		ok = w.terms(4, 1, 1, level)
	case 116:
		ok = w.terms(4, 2, 0, level)
	}
	if ok && len(w.spans) < maxSpans {
		w.spans = append(w.spans, span{start, w.at})
	}
	return ok
}

func (w *walker) bytes(width, more int) bool {
	n, ok := w.count(width)
	return ok && w.skip(n+more)
}

func (w *walker) terms(width, each, more, level int) bool {
	n, ok := w.count(width)
	for range n*each + more {
		if !ok || !w.term(level+1) {
			return false
		}
	}
	return ok
}
