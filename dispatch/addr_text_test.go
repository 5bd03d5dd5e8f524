package dispatch

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"testing"

	"gosocket/etf"
)

// term returns the external form of a term written as Erlang text: integers (also in a
// base, 16#ff), atoms, "strings", <<1,2>>, <<"text">>, tuples, lists and maps.
func term(t testing.TB, text string) []byte {
	t.Helper()
	p := &textParser{in: text}
	b := p.term(nil)
	p.space()
	if p.bad != "" || p.in != "" {
		t.Fatalf("bad term %q: %s at %q", text, p.bad, p.in)
	}
	return b
}

type textParser struct {
	in  string
	bad string
}

func (p *textParser) space() { p.in = strings.TrimLeft(p.in, " \n\t") }

// take consumes s if it is next.
func (p *textParser) take(s string) bool {
	p.space()
	if !strings.HasPrefix(p.in, s) {
		return false
	}
	p.in = p.in[len(s):]
	return true
}

func (p *textParser) want(s string) {
	if !p.take(s) && p.bad == "" {
		p.bad = "no " + s
	}
}

func (p *textParser) until(stop string) string {
	i := strings.Index(p.in, stop)
	if i < 0 {
		p.bad = "no " + stop
		return ""
	}
	s := p.in[:i]
	p.in = p.in[i+len(stop):]
	return s
}

// list reads terms up to the closing bracket and returns them with their number.
func (p *textParser) list(end, sep string) (b []byte, n int) {
	for p.bad == "" && !p.take(end) {
		if n > 0 && n%2 == 1 && sep != "," {
			p.want(sep)
		} else if n > 0 {
			p.want(",")
		}
		b = p.term(b)
		n++
	}
	return b, n
}

func (p *textParser) term(b []byte) []byte {
	switch {
	case p.take("#{"):
		body, n := p.list("}", "=>")
		return append(etf.AppendMap(b, n/2), body...)
	case p.take("{"):
		body, n := p.list("}", ",")
		return append(etf.AppendTuple(b, n), body...)
	case p.take("["):
		return p.listTerm(b)
	case p.take("<<\""):
		return etf.AppendBinary(b, []byte(p.until("\">>")))
	case p.take("<<"):
		var data []byte
		for p.bad == "" && !p.take(">>") {
			p.take(",")
			p.space()
			data = append(data, byte(p.number()))
		}
		return etf.AppendBinary(b, data)
	case p.take("\""):
		return etf.AppendString(b, []byte(p.until("\"")))
	case p.take("'"):
		return etf.AppendAtom(b, p.until("'"))
	}
	if p.in != "" && (p.in[0] == '-' || p.in[0] >= '0' && p.in[0] <= '9') {
		return p.integer(b)
	}
	return etf.AppendAtom(b, p.word())
}

func (p *textParser) listTerm(b []byte) []byte {
	var body []byte
	n := 0
	for p.bad == "" && !p.take("]") {
		if n > 0 && p.take("|") {
			body = p.term(body)
			p.want("]")
			return append(etf.AppendList(b, n), body...)
		}
		if n > 0 {
			p.want(",")
		}
		body = p.term(body)
		n++
	}
	return etf.AppendNil(append(etf.AppendList(b, n), body...))
}

func (p *textParser) word() string {
	n := strings.IndexFunc(p.in, func(r rune) bool {
		return r != '_' && r != '@' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if n < 0 {
		n = len(p.in)
	}
	w := p.in[:n]
	p.in = p.in[n:]
	if w == "" {
		p.bad = "no term"
	}
	return w
}

func (p *textParser) number() int64 {
	sign := int64(1)
	if p.take("-") {
		sign = -1
	}
	digits, base := p.word(), 10
	if p.take("#") {
		base, _ = strconv.Atoi(digits)
		digits = p.word()
	}
	n, err := strconv.ParseInt(digits, base, 64)
	if err != nil {
		p.bad = err.Error()
	}
	return sign * n
}

// integer reads an integer; 1 bsl N makes one of any size.
func (p *textParser) integer(b []byte) []byte {
	n := p.number()
	if !p.take("bsl") {
		return etf.AppendInt(b, n)
	}
	p.space()
	shift := int(p.number())
	sign := byte(0)
	if n < 0 {
		sign = 1
	}
	digits := make([]byte, shift/8+1)
	digits[shift/8] = 1 << (shift % 8)
	return append(append(b, 110, byte(len(digits)), sign), digits...)
}

// show returns the text of a term, the keys of maps in order.
func show(t testing.TB, b []byte) string {
	t.Helper()
	var d etf.Decoder
	d.Reset(b)
	s := showNext(&d)
	if d.Err() != nil || d.Len() != 0 {
		t.Fatalf("bad term % x: %v, %d bytes left", b, d.Err(), d.Len())
	}
	return s
}

func showNext(d *etf.Decoder) string {
	switch d.Kind() {
	case etf.KindInt:
		raw, again := *d, *d
		if n := again.Int(); again.Err() == nil {
			d.Skip()
			return strconv.FormatInt(n, 10)
		}
		if n := raw; n.Uint() != 0 {
			return strconv.FormatUint(d.Uint(), 10)
		}
		return fmt.Sprintf("big%x", d.Raw())
	case etf.KindAtom:
		return string(d.Atom())
	case etf.KindBinary:
		return fmt.Sprintf("<<%s>>", showBytes(d.Binary()))
	case etf.KindString:
		return showString(d.Bytes(nil))
	case etf.KindNil:
		d.Tail()
		return "[]"
	case etf.KindTuple:
		return "{" + strings.Join(showAll(d, d.Tuple()), ",") + "}"
	case etf.KindList:
		return showList(d)
	case etf.KindMap:
		var pairs []string
		for range d.Map() {
			key := showNext(d)
			pairs = append(pairs, key+"=>"+showNext(d))
		}
		sort.Strings(pairs)
		return "#{" + strings.Join(pairs, ",") + "}"
	}
	d.Skip()
	return "?"
}

func showAll(d *etf.Decoder, n int) (items []string) {
	for range n {
		items = append(items, showNext(d))
	}
	return items
}

func showList(d *etf.Decoder) string {
	items := strings.Join(showAll(d, d.List()), ",")
	if d.Kind() != etf.KindNil {
		return "[" + items + "|" + showNext(d) + "]"
	}
	d.Tail()
	return "[" + items + "]"
}

func showString(b []byte) string {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return "[" + showBytes(b) + "]"
		}
	}
	return strconv.Quote(string(b))
}

func showBytes(b []byte) string {
	var items []string
	for _, c := range b {
		items = append(items, strconv.Itoa(int(c)))
	}
	return strings.Join(items, ",")
}

// decoderOf returns a decoder that stands before the given terms.
func decoderOf(t testing.TB, terms ...string) *etf.Decoder {
	t.Helper()
	var b []byte
	for _, text := range terms {
		b = append(b, term(t, text)...)
	}
	d := new(etf.Decoder)
	d.Reset(b)
	return d
}
