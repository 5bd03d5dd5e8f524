package dispatch

import (
	"encoding/binary"
	"math"

	"gosocket/etf"
	"gosocket/socketcore"
)

// optionSocket is what options want to know of a socket, and have to tell it.
type optionSocket interface {
	FD() int
	Closed() bool
	// Touch says that the user is about to see or set an option.
	Touch(level, number int)
	// Permit tells by 0 that the user may set it, or ask for it.
	Permit(level, number int, value []byte, set bool) socketcore.Errno
	// Receive hands over a descriptor that an option gave. One too many is closed.
	Receive(fd int) bool
}

// appendSetopt reads Level, Key and Value and appends the Result of setopt/4. What is
// wrong with them raises, on a closed socket too.
func appendSetopt(b []byte, s optionSocket, d *etf.Decoder) []byte {
	level, key, value := d.Raw(), d.Raw(), d.Raw()
	v := badarg()
	if d.Err() == nil {
		v = setopt(s, level, key, value)
	}
	return v.append(b)
}

// appendGetopt reads Level and Key and appends the Result of getopt/3.
func appendGetopt(b []byte, s optionSocket, d *etf.Decoder) []byte {
	level, key := d.Raw(), d.Raw()
	if d.Err() != nil {
		v := badarg()
		return v.append(b)
	}
	if kindOf(level) == etf.KindInt {
		number, ok := intOf(level, 0, math.MaxInt32)
		if !ok {
			v := badarg()
			return v.append(b)
		}
		return appendNative(b, s, int(number), key)
	}
	l := socketcore.LevelNamed(atomOf(level))
	if l == nil {
		v := invalid("not_supported", level)
		return v.append(b)
	}
	return appendNamedOption(b, s, l, level, key)
}

func setopt(s optionSocket, level, key, value []byte) verdict {
	if kindOf(level) == etf.KindInt {
		return setNative(s, level, key, value)
	}
	l := socketcore.LevelNamed(atomOf(level))
	if l == nil {
		return invalid("not_supported", level)
	}
	if kindOf(key) == etf.KindInt && kindOf(value) == etf.KindBinary {
		return setNumber(s, l.Number, key, value)
	}
	o := l.Option(atomOf(key))
	if o == nil {
		return invalid("not_supported", level, key)
	}
	if o.Settable() == nil {
		// The reference checks the values of some options that it does not have.
		if o.Flags&socketcore.Absent != 0 && o.Type != nil {
			switch _, fits := encodeValue(o.Type, value); {
			case fits == wrongTerm:
				return invalid("not_supported", level, key, value)
			case s.Closed():
				return refuseWith("closed")
			}
		}
		return refuse(socketcore.EINVAL)
	}
	best := wrongTerm
	for o = o.Settable(); o != nil; o = o.Next.Settable() {
		bytes, fits := encodeValue(o.Type, value)
		if fits == fitting {
			return setBytes(s, o.Level.Number, o.Number, bytes)
		}
		best = max(best, fits)
	}
	switch {
	case best == wrongTerm:
		return invalid("not_supported", level, key, value)
	case s.Closed():
		return refuseWith("closed")
	}
	return refuse(socketcore.EINVAL)
}

// optionRoom is the size of the values that need no memory of their own, in bytes.
const optionRoom = 512

// setNative sets an option by the numbers of its level and name; the value is what
// setsockopt(2) gets.
func setNative(s optionSocket, level, key, value []byte) verdict {
	number, ok := intOf(level, math.MinInt32, math.MaxInt32)
	if !ok {
		return badarg()
	}
	if kindOf(key) != etf.KindInt || kindOf(value) != etf.KindBinary {
		return invalid("not_supported", level)
	}
	return setNumber(s, int(number), key, value)
}

func setNumber(s optionSocket, level int, key, value []byte) verdict {
	number, ok := intOf(key, math.MinInt32, math.MaxInt32)
	if !ok {
		return badarg()
	}
	var d etf.Decoder
	d.Reset(value)
	return setBytes(s, level, int(number), d.Binary())
}

func setBytes(s optionSocket, level, number int, value []byte) verdict {
	if s.Closed() {
		return refuseWith("closed")
	}
	if e := s.Permit(level, number, value, true); e != 0 {
		return refuse(e)
	}
	s.Touch(level, number)
	if e := socketcore.Setsockopt(s.FD(), level, number, value); e != 0 {
		return refuse(e)
	}
	return accept
}

// appendNamedOption answers a get of Name, of {Name, Query} (a map with what the kernel
// wants to know first: which group, which association), or of {Number, Size}.
func appendNamedOption(b []byte, s optionSocket, l *socketcore.Level, level, key []byte) []byte {
	name, query := key, []byte(nil)
	if first, second, ok := pairOf(key); ok {
		if kindOf(first) == etf.KindInt {
			return appendNative(b, s, l.Number, key)
		}
		name, query = first, second
	}
	v := accept
	o := l.Option(atomOf(name))
	switch {
	case kindOf(name) != etf.KindAtom, query != nil && kindOf(query) != etf.KindMap:
		v = badarg()
	case o == nil:
		v = invalid("not_supported", level, name)
	case s.Closed():
		v = refuseWith("closed")
	case o.Readable() == nil:
		v = refuse(socketcore.EINVAL)
	default:
		return appendOption(b, s, o.Readable(), level, key, query)
	}
	return v.append(b)
}

func appendOption(b []byte, s optionSocket, o *socketcore.Option, level, key, query []byte) []byte {
	if n := o.Type.Capacity(); query != nil || n > optionRoom {
		return appendLongOption(b, s, o, level, key, query)
	}
	var room [optionRoom]byte
	return appendRead(b, s, o, room[:o.Type.Capacity()])
}

// appendLongOption serves what needs memory: options of any length, and questions.
func appendLongOption(b []byte, s optionSocket, o *socketcore.Option, level, key, query []byte) []byte {
	data := make([]byte, o.Type.Capacity())
	if query != nil {
		asked, fits := encodeQuery(data[:0], o.Type, query)
		if fits != fitting || len(asked) > len(data) {
			v := invalid("not_supported", level, key)
			return v.append(b)
		}
		offerRoom(o.Type, data)
	}
	return appendRead(b, s, o, data)
}

// offerRoom says in the count of a list how many elements there is room for: that is
// what IP_MSFILTER reads there.
func offerRoom(t *socketcore.Type, data []byte) {
	if t.Form != socketcore.Struct {
		return
	}
	last := &t.Fields[len(t.Fields)-1]
	if c := last.Type.Count; last.Type.Form == socketcore.List && c.Size == 4 {
		storeNative(data[c.Offset:c.Offset+c.Size], uint64(len(data)-last.Offset)/uint64(last.Type.Elem.Size))
	}
}

func appendRead(b []byte, s optionSocket, o *socketcore.Option, data []byte) []byte {
	n, e := getBytes(s, o.Level.Number, o.Number, data)
	if e != 0 {
		v := refuse(e)
		return v.append(b)
	}
	if o.Flags&socketcore.Headless != 0 {
		n += o.Type.Size
	}
	return appendOptionValue(b, o.Type, data[:min(n, len(data))])
}

func getBytes(s optionSocket, level, number int, data []byte) (int, socketcore.Errno) {
	if e := s.Permit(level, number, nil, false); e != 0 {
		return 0, e
	}
	s.Touch(level, number)
	part, gives := socketcore.DescriptorIn(level, number, data)
	if gives && part == nil {
		return 0, socketcore.EINVAL
	}
	n, e := socketcore.Getsockopt(s.FD(), level, number, data)
	if e == 0 && gives && !s.Receive(int(int32(binary.NativeEndian.Uint32(part)))) {
		return 0, socketcore.EMFILE
	}
	return n, e
}

// appendOptionValue appends {ok, Value}, or {error, {unknown, N}} for a number that
// has no name and needs one.
func appendOptionValue(b []byte, t *socketcore.Type, data []byte) []byte {
	if t.Form == socketcore.Named {
		if n := integerOf(t, data); !hasName(t.Names, n) {
			b = etf.AppendAtom(etf.AppendTuple(b, 2), "error")
			return etf.AppendInt(etf.AppendAtom(etf.AppendTuple(b, 2), "unknown"), n)
		}
	}
	b = etf.AppendAtom(etf.AppendTuple(b, 2), "ok")
	if t.Form == socketcore.Linger { // as an option a pair, which is what the reference tells
		b = etf.AppendTuple(b, 2)
		b = etf.AppendBool(b, binary.NativeEndian.Uint32(data) != 0)
		return etf.AppendInt(b, int64(int32(binary.NativeEndian.Uint32(data[4:]))))
	}
	return appendValue(b, t, data)
}

// nativeMax is the most that a native get has room for, in bytes: no option is longer.
const nativeMax = 1 << 20

// appendNative answers a get of {Number, int | bool | Size}.
func appendNative(b []byte, s optionSocket, level int, key []byte) []byte {
	v := badarg()
	opt, size, ok := pairOf(key)
	number, okNumber := intOf(opt, 0, math.MaxInt32)
	form := string(atomOf(size))
	wanted := uint64(4)
	if form == "" {
		wanted, okNumber = uintMin(size, nativeMax, okNumber)
	}
	switch {
	case !ok || !okNumber || form != "" && form != "int" && form != "bool":
		return v.append(b)
	case s.Closed():
		v = refuseWith("closed")
		return v.append(b)
	}
	data := make([]byte, wanted)
	if wanted == 0 {
		data = nil
	}
	n, e := getBytes(s, level, int(number), data)
	if e != 0 {
		v = refuse(e)
		return v.append(b)
	}
	if wanted == 0 {
		return etf.AppendAtom(b, "ok")
	}
	b = etf.AppendAtom(etf.AppendTuple(b, 2), "ok")
	switch form {
	case "int":
		return etf.AppendInt(b, int64(int32(loadShort(4, data[:n]))))
	case "bool":
		return etf.AppendBool(b, loadShort(4, data[:n]) != 0)
	}
	return etf.AppendBinary(b, data[:n])
}

// pairOf returns the two terms of a pair.
func pairOf(term []byte) (first, second []byte, ok bool) {
	if kindOf(term) != etf.KindTuple {
		return nil, nil, false
	}
	var d etf.Decoder
	d.Reset(term)
	if d.Tuple() != 2 {
		return nil, nil, false
	}
	return d.Raw(), d.Raw(), true
}

// uintMin reads a number and cuts it to limit.
func uintMin(term []byte, limit uint64, ok bool) (uint64, bool) {
	n, isUint := uintOf(term, math.MaxUint64)
	return min(n, limit), ok && isUint && term != nil
}
