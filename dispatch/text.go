package dispatch

import (
	"encoding/binary"
	"strconv"

	"gosocket/etf"
	"gosocket/socketcore"
)

// A printer writes terms as Erlang does, shortened: for logs.
type printer struct {
	b     []byte
	limit int   // bytes of b after which the rest is left out
	now   int64 // what deadlines are told from
	cut   bool
}

// textLimit is how long the text of a call's arguments or of its result may be, and textBytes how much is
// told of one binary, both in bytes.
const (
	textLimit = 240
	textBytes = 32
)

// textOf returns terms, one behind the other in d, separated by commas.
func textOf(d etf.Decoder, n int) string {
	p := printer{limit: textLimit, now: socketcore.Now()}
	p.terms(&d, n, ", ")
	return string(p.b)
}

func (p *printer) terms(d *etf.Decoder, n int, separator string) {
	for i := 0; i < n && !p.cut; i++ {
		if i > 0 {
			p.write(separator)
		}
		p.term(d)
	}
}

func (p *printer) write(s string) { p.b = append(p.b, s...) }

func (p *printer) term(d *etf.Decoder) {
	if len(p.b) > p.limit || d.Err() != nil {
		p.write("...")
		p.cut = true
		return
	}
	switch d.Kind() {
	case etf.KindInt:
		p.integer(d)
	case etf.KindFloat:
		p.b = strconv.AppendFloat(p.b, d.Float(), 'g', -1, 64)
	case etf.KindAtom:
		p.atom(d.Atom())
	case etf.KindTuple:
		p.tuple(d)
	case etf.KindNil:
		d.Skip()
		p.write("[]")
	case etf.KindList:
		p.list(d)
	case etf.KindString:
		p.bytes(d.Bytes(nil), "", "", "[", "]")
	case etf.KindBinary:
		p.bytes(d.Binary(), "<<", ">>", "<<", ">>")
	case etf.KindMap:
		p.pairs(d)
	default:
		p.opaque(d)
	}
}

func (p *printer) integer(d *etf.Decoder) {
	small := *d
	if n := small.Int(); small.Err() == nil {
		*d = small
		p.b = strconv.AppendInt(p.b, n, 10)
		return
	}
	d.Skip()
	p.write("#Integer<large>")
}

func (p *printer) atom(name []byte) {
	plain := len(name) > 0 && name[0] >= 'a' && name[0] <= 'z'
	for _, c := range name {
		plain = plain && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '@')
	}
	if plain {
		p.b = append(p.b, name...)
		return
	}
	p.write("'")
	for _, c := range name {
		if c == '\'' || c == '\\' {
			p.write(`\`)
		}
		p.b = append(p.b, c)
	}
	p.write("'")
}

// tuple writes a tuple; a deadline as the time that is left.
func (p *printer) tuple(d *etf.Decoder) {
	at := *d
	if at.Tuple() == 2 && at.Kind() == etf.KindAtom && string(at.Atom()) == "at" && at.Kind() == etf.KindInt {
		*d = at
		p.b = strconv.AppendFloat(append(p.b, "in "...), float64(d.Int()-p.now)/1e6, 'f', 1, 64)
		p.write(" ms")
		return
	}
	n := d.Tuple()
	p.write("{")
	p.terms(d, n, ",")
	p.write("}")
}

func (p *printer) list(d *etf.Decoder) {
	n := d.List()
	p.write("[")
	p.terms(d, n, ",")
	if !p.cut && d.Kind() != etf.KindNil {
		p.write("|")
		p.term(d)
	} else {
		d.Skip()
	}
	p.write("]")
}

func (p *printer) pairs(d *etf.Decoder) {
	p.write("#{")
	for i := range d.Map() {
		if p.cut {
			break
		}
		if i > 0 {
			p.write(",")
		}
		p.term(d)
		p.write("=>")
		if !p.cut {
			p.term(d)
		}
	}
	p.write("}")
}

// bytes writes the first ones as a string if they can be printed, else as numbers, and how many there
// are if that is not all.
func (p *printer) bytes(b []byte, open, end, openNumbers, endNumbers string) {
	shown := b[:min(len(b), textBytes)]
	text := true
	for _, c := range shown {
		text = text && c >= ' ' && c <= '~'
	}
	switch {
	case text && (len(b) > 0 || open == ""):
		p.b = strconv.AppendQuote(append(p.b, open...), string(shown))
	default:
		open, end = openNumbers, endNumbers
		p.write(open)
		for i, c := range shown {
			if i > 0 {
				p.write(",")
			}
			p.b = strconv.AppendUint(p.b, uint64(c), 10)
		}
	}
	if len(shown) < len(b) {
		p.b = strconv.AppendInt(append(p.b, "... "...), int64(len(b)), 10)
		p.write(" bytes")
	}
	p.write(end)
}

// opaque writes processes and references as the node that made them does, and the class of what else
// there is. Of a process the last 12 bytes are number, serial and creation; of a reference its words.
func (p *printer) opaque(d *etf.Decoder) {
	kind := d.Kind()
	raw := d.Raw()
	switch {
	case kind == etf.KindPid && raw[0] == newPid:
		p.write("<0")
		p.words(raw[len(raw)-12 : len(raw)-4])
		p.write(">")
	case kind == etf.KindRef && raw[0] == newerReference:
		words := raw[len(raw)-4*int(binary.BigEndian.Uint16(raw[1:])):]
		p.write("#Ref<0")
		for end := len(words); end > 0; end -= 4 {
			p.words(words[end-4 : end])
		}
		p.write(">")
	default:
		p.write(opaqueNames[kind])
	}
}

// Tags of the terms that today's nodes make (NEW_PID_EXT, NEWER_REFERENCE_EXT).
const (
	newPid         = 88
	newerReference = 90
)

var opaqueNames = map[etf.Kind]string{
	etf.KindPid: "#Pid<old>", etf.KindRef: "#Ref<old>", etf.KindPort: "#Port<>", etf.KindFun: "#Fun<>", etf.KindExport: "#Fun<>",
	etf.KindBitBinary: "#Bits<>", etf.KindInvalid: "#Invalid<>",
}

func (p *printer) words(b []byte) {
	for ; len(b) >= 4; b = b[4:] {
		p.b = strconv.AppendUint(append(p.b, '.'), uint64(binary.BigEndian.Uint32(b)), 10)
	}
}
