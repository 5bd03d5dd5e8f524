package dispatch

import (
	"encoding/binary"
	"math"

	"gosocket/etf"
	"gosocket/socketcore"
)

// fitness says how well a term suits a type; the better the higher.
type fitness uint8

const (
	wrongTerm  fitness = iota // raises {invalid, {not_supported, ...}}
	outOfRange                // the right sort of term, but nothing the kernel could be asked: einval
	fitting
)

// A valueEncoder writes terms in the kernel's form. Its first misfit stays.
type valueEncoder struct {
	b     []byte
	fit   fitness
	query bool // all that is missing is zero
}

// encodeValue returns the kernel's form of a term.
func encodeValue(t *socketcore.Type, term []byte) ([]byte, fitness) {
	if t.Form == socketcore.Control {
		return encodeControl(term)
	}
	e := valueEncoder{b: make([]byte, 0, t.Size), fit: fitting}
	e.value(t, term)
	return e.b, e.fit
}

// encodeQuery writes the parts of a value that are known, in a buffer that is large
// enough; the others are zero.
func encodeQuery(b []byte, t *socketcore.Type, term []byte) ([]byte, fitness) {
	e := valueEncoder{b: b, fit: fitting, query: true}
	e.value(t, term)
	return e.b, e.fit
}

func (e *valueEncoder) misfit(f fitness) {
	e.fit = min(e.fit, f)
}

func (e *valueEncoder) require(ok bool, f fitness) {
	if !ok {
		e.misfit(f)
	}
}

// value appends a value of its own; that of a type without a size is as long as it is.
func (e *valueEncoder) value(t *socketcore.Type, term []byte) {
	at := len(e.b)
	e.grow(t.Size)
	e.put(at, t, term)
}

func (e *valueEncoder) grow(n int) {
	for range n {
		e.b = append(e.b, 0)
	}
}

// put writes a value over the zeros at an offset, or behind them when its type has no
// size.
func (e *valueEncoder) put(at int, t *socketcore.Type, term []byte) {
	switch t.Form {
	case socketcore.Bool:
		e.boolean(at, t, term)
	case socketcore.Bits:
		e.bits(at, t, term)
	case socketcore.Chars:
		e.chars(at, t, term)
	case socketcore.Binary:
		e.binary(at, t, term)
	case socketcore.Inet:
		e.inet(at, t, term)
	case socketcore.Inet6:
		e.inet6(at, term)
	case socketcore.Address:
		e.address(at, t, term)
	case socketcore.Struct:
		e.fields(at, t, term)
	case socketcore.List:
		e.list(t, term)
	case socketcore.Linger:
		e.linger(at, term)
	default:
		e.integer(at, t, term)
	}
}

// store writes the low bytes of an integer; bit fields share theirs with others.
func (e *valueEncoder) store(at int, t *socketcore.Type, n uint64) {
	p := e.b[at : at+t.Size]
	if t.Form == socketcore.Network {
		for i := range p {
			p[len(p)-1-i] = byte(n >> (8 * i))
		}
		return
	}
	storeNative(p, loadNative(p)|n<<t.Shift)
}

// loadNative and storeNative move an integer of 0 to 8 bytes.
func loadNative(p []byte) uint64 {
	switch len(p) {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(binary.NativeEndian.Uint16(p))
	case 4:
		return uint64(binary.NativeEndian.Uint32(p))
	case 8:
		return binary.NativeEndian.Uint64(p)
	}
	return 0
}

func storeNative(p []byte, n uint64) {
	switch len(p) {
	case 1:
		p[0] = byte(n)
	case 2:
		binary.NativeEndian.PutUint16(p, uint16(n))
	case 4:
		binary.NativeEndian.PutUint32(p, uint32(n))
	case 8:
		binary.NativeEndian.PutUint64(p, n)
	}
}

// width returns how many bits an integer of the type has.
func width(t *socketcore.Type) int {
	if t.Bits > 0 {
		return int(t.Bits)
	}
	return 8 * t.Size
}

func (e *valueEncoder) integer(at int, t *socketcore.Type, term []byte) {
	switch kindOf(term) {
	case etf.KindAtom:
		n, ok := numberNamed(t.Names, atomOf(term))
		e.require(ok, wrongTerm)
		if ok {
			e.store(at, t, uint64(n))
		}
	case etf.KindInt:
		switch t.Form {
		case socketcore.Uint, socketcore.Network:
			n, ok := uintOf(term, math.MaxUint64>>(64-width(t)))
			e.require(ok, wrongTerm)
			if ok {
				e.store(at, t, n)
			}
		case socketcore.Named, socketcore.Posix:
			e.misfit(wrongTerm)
		default:
			e.signed(at, t, term)
		}
	default:
		e.misfit(wrongTerm)
	}
}

func (e *valueEncoder) signed(at int, t *socketcore.Type, term []byte) {
	n, ok := intOf(term, math.MinInt64, math.MaxInt64)
	if !ok { // more than 64 bits are outside of every range, too
		n = math.MaxInt64
		if negative(term) {
			n = math.MinInt64
		}
	}
	if t.Low < t.High && (n < t.Low || n > t.High) {
		e.misfit(wrongTerm)
	}
	low, high := int64(math.MinInt64)>>(64-width(t)), int64(math.MaxInt64)>>(64-width(t))
	if t.Form == socketcore.Enum && t.Size < 4 { // a byte of the kernel's is not signed
		low, high = 0, math.MaxUint32>>(32-width(t))
	}
	e.require(ok && low <= n && n <= high, outOfRange)
	if e.fit == fitting {
		e.store(at, t, uint64(n))
	}
}

func (e *valueEncoder) boolean(at int, t *socketcore.Type, term []byte) {
	switch string(atomOf(term)) {
	case "true":
		storeNative(e.b[at:at+t.Size], 1)
	case "false":
	default:
		e.misfit(wrongTerm)
	}
}

// bits reads a list of names and numbers, or one number.
func (e *valueEncoder) bits(at int, t *socketcore.Type, term []byte) {
	var d etf.Decoder
	d.Reset(term)
	limit := uint64(math.MaxUint64) >> (64 - width(t))
	set := uint64(0)
	add := func(n uint64, ok bool) {
		e.require(ok && n <= limit, wrongTerm)
		set |= n
	}
	switch d.Kind() {
	case etf.KindInt:
		add(uintOf(term, limit))
	case etf.KindString:
		for _, n := range d.Bytes(nil) {
			add(uint64(n), true)
		}
	case etf.KindNil:
	case etf.KindList:
		for range d.List() {
			add(namedOf(d.Raw(), t.Names, limit))
		}
		d.Tail()
		e.require(d.Err() == nil, wrongTerm)
	default:
		e.misfit(wrongTerm)
	}
	if e.fit == fitting {
		e.store(at, t, set)
	}
}

// chars reads a string or a binary. The kernel would cut one that has no room, and so take
// another name than the caller's.
func (e *valueEncoder) chars(at int, t *socketcore.Type, term []byte) {
	var d etf.Decoder
	d.Reset(term)
	switch d.Kind() {
	case etf.KindNil, etf.KindString, etf.KindList, etf.KindBinary:
	default:
		e.misfit(wrongTerm)
		return
	}
	var room [256]byte
	s := d.Bytes(room[:0])
	e.require(d.Err() == nil && len(s) < len(room) && (t.Size == 0 || len(s) < t.Size), outOfRange)
	e.b = append(e.b[:at], s...)
}

func (e *valueEncoder) binary(at int, t *socketcore.Type, term []byte) {
	var d etf.Decoder
	d.Reset(term)
	data := d.Binary()
	e.require(d.Err() == nil, wrongTerm)
	if t.Size == 0 {
		e.b = append(e.b, data...)
		return
	}
	e.require(len(data) <= t.Size, outOfRange)
	copy(e.b[at:at+t.Size], data)
}

func (e *valueEncoder) inet(at int, t *socketcore.Type, term []byte) {
	if kindOf(term) == etf.KindAtom {
		n, ok := numberNamed(t.Names, atomOf(term))
		e.require(ok, wrongTerm)
		binary.BigEndian.PutUint32(e.b[at:], uint32(n))
		return
	}
	addr, ok := inetOf(term)
	e.require(ok, wrongTerm)
	copy(e.b[at:], addr[:])
}

func (e *valueEncoder) inet6(at int, term []byte) {
	addr, ok := inet6Of(term)
	e.require(ok && kindOf(term) == etf.KindTuple, wrongTerm)
	copy(e.b[at:], addr[:])
}

// address reads a sockaddr() map, or undefined for no address.
func (e *valueEncoder) address(at int, t *socketcore.Type, term []byte) {
	if string(atomOf(term)) == "undefined" {
		return
	}
	var sa socketcore.Sockaddr
	switch v := addrOf(term, &sa); v.kind {
	case raised:
		e.misfit(wrongTerm)
	case refused:
		e.misfit(outOfRange)
	default:
		e.require(len(sa.Bytes()) <= t.Size, outOfRange)
		copy(e.b[at:at+t.Size], sa.Bytes())
	}
}

// fields reads a map with a key for each field; or the one field that may stand for it.
func (e *valueEncoder) fields(at int, t *socketcore.Type, term []byte) {
	if kindOf(term) != etf.KindMap {
		short := fieldNamed(t, t.Short)
		if short == nil {
			e.misfit(wrongTerm)
			return
		}
		e.field(at, short, term)
		return
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		value := mapValue(term, f.Name)
		if value != nil {
			e.field(at, f, value)
		} else if !f.Optional && !e.query {
			e.misfit(wrongTerm)
		}
	}
}

// field writes one field and the count that belongs to it.
func (e *valueEncoder) field(at int, f *socketcore.Field, term []byte) {
	before := len(e.b)
	e.put(at+f.Offset, f.Type, term)
	if f.Type.Count.Size == 0 || e.fit != fitting {
		return
	}
	n := len(e.b) - before
	switch {
	case f.Type.Form == socketcore.List:
		n /= f.Type.Elem.Size
	case f.Type.Size > 0:
		n = binarySize(term)
	}
	count := f.Type.Count
	if limit := uint64(math.MaxUint64) >> (64 - 8*count.Size); uint64(n) > limit {
		e.misfit(outOfRange)
		return
	}
	storeNative(e.b[at+count.Offset:at+count.Offset+count.Size], uint64(n))
}

func (e *valueEncoder) list(t *socketcore.Type, term []byte) {
	var d etf.Decoder
	d.Reset(term)
	switch d.Kind() {
	case etf.KindNil:
	case etf.KindString: // small integers
		var number [2]byte
		for _, c := range d.Bytes(nil) {
			e.value(t.Elem, etf.AppendUint(number[:0], uint64(c)))
		}
	case etf.KindList:
		for range d.List() {
			e.value(t.Elem, d.Raw())
		}
		d.Tail()
		e.require(d.Err() == nil, wrongTerm)
	default:
		e.misfit(wrongTerm)
	}
}

// encodeControl reads an option that consists of control messages: a list of
// cmsghdr_send(), or their bytes.
func encodeControl(term []byte) ([]byte, fitness) {
	if kindOf(term) == etf.KindBinary {
		return binaryOf(term), fitting
	}
	var d etf.Decoder
	d.Reset(term)
	b, v := decodeCtrl(&d, nil, math.MaxInt)
	if !v.ok() {
		return b, wrongTerm
	}
	return b, fitting
}

// linger reads {OnOff, Seconds}, abort, and the map of later releases.
func (e *valueEncoder) linger(at int, term []byte) {
	onoff, seconds, ok := pairOf(term)
	switch kindOf(term) {
	case etf.KindAtom:
		e.require(string(atomOf(term)) == "abort", wrongTerm)
		storeNative(e.b[at:at+4], 1)
		return
	case etf.KindMap:
		onoff, seconds, ok = mapValue(term, "onoff"), mapValue(term, "linger"), true
	}
	e.require(ok && kindOf(seconds) == etf.KindInt && !negative(seconds), wrongTerm)
	n, fits := uintOf(seconds, math.MaxInt32)
	e.require(fits, outOfRange)
	e.boolean(at, &socketcore.Type{Size: 4}, onoff)
	storeNative(e.b[at+4:at+8], n)
}

// negative tells whether an integer is below zero, whatever its size.
func negative(term []byte) bool {
	var d etf.Decoder
	d.Reset(term)
	if n := d.Int(); d.Err() == nil {
		return n < 0
	}
	// A big integer has its sign in front of its digits; the large form counts in 4 bytes.
	const smallBig, largeBig = 110, 111
	switch {
	case len(term) > 2 && term[0] == smallBig:
		return term[2] != 0
	case len(term) > 5 && term[0] == largeBig:
		return term[5] != 0
	}
	return false
}

func binarySize(term []byte) int {
	var d etf.Decoder
	d.Reset(term)
	return len(d.Binary())
}

// mapValue returns the value of an atom key, or nil.
func mapValue(term []byte, key string) []byte {
	var d etf.Decoder
	d.Reset(term)
	for range d.Map() {
		k, v := d.Raw(), d.Raw()
		if string(atomOf(k)) == key {
			return v
		}
	}
	return nil
}

func mapSize(term []byte) int {
	var d etf.Decoder
	d.Reset(term)
	return d.Map()
}

func fieldNamed(t *socketcore.Type, name string) *socketcore.Field {
	for i := range t.Fields {
		if name != "" && t.Fields[i].Name == name {
			return &t.Fields[i]
		}
	}
	return nil
}

func numberNamed(names []socketcore.Name, name []byte) (n int64, ok bool) {
	for i := range names {
		if names[i].Name == string(name) {
			return names[i].Value, true
		}
	}
	return 0, false
}
