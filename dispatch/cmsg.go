package dispatch

import (
	"math"

	"gosocket/etf"
	"gosocket/socketcore"
)

// decodeCtrl reads a list of cmsghdr_send() and appends the control messages to buf, at
// most limit bytes of them. What is wrong with the list is einval.
func decodeCtrl(d *etf.Decoder, buf []byte, limit int) ([]byte, verdict) {
	switch d.Kind() {
	case etf.KindNil:
		d.Tail()
		return buf, accept
	case etf.KindList:
	default:
		d.Skip()
		return buf, refuse(socketcore.EINVAL)
	}
	start, fine := len(buf), true
	for range d.List() {
		element := d.Raw()
		if fine {
			buf, fine = appendCmsg(buf, element)
			fine = fine && len(buf)-start <= limit // the rest would only be thrown away
		}
	}
	if d.Kind() != etf.KindNil {
		fine = false
	}
	d.Skip()
	if !fine {
		return buf[:start], refuse(socketcore.EINVAL)
	}
	return buf, accept
}

// appendCmsg appends one control message, by name or number: bytes, or a value where the type
// is one that has values.
func appendCmsg(buf, element []byte) ([]byte, bool) {
	if kindOf(element) != etf.KindMap {
		return buf, false
	}
	levelTerm, typeTerm, dataTerm := mapValue(element, "level"), mapValue(element, "type"), mapValue(element, "data")
	level, okLevel := cmsgNumber(levelTerm, socketcore.CmsgLevels())
	if !okLevel || typeTerm == nil || dataTerm == nil {
		return buf, false
	}
	typ, c, okType := cmsgType(level, typeTerm)
	switch {
	case !okType:
		return buf, false
	case c != nil && c.Name == "rights" && mapSize(element) != 3:
		return buf, false // a key that means nothing may have been to say whose the descriptors are
	case kindOf(dataTerm) == etf.KindBinary:
		return socketcore.AppendCmsg(buf, level, typ, binaryOf(dataTerm)), true
	case c == nil || c.Send == nil:
		return buf, false
	}
	data, fits := encodeValue(c.Send, dataTerm)
	if fits != fitting {
		return buf, false
	}
	return socketcore.AppendCmsg(buf, level, typ, data), true
}

// cmsgType reads the type of a message to send, a name or a number, and finds its row if it
// has one.
func cmsgType(level int, term []byte) (typ int, c *socketcore.Cmsg, ok bool) {
	if kindOf(term) == etf.KindInt {
		n, ok := intOf(term, math.MinInt32, math.MaxInt32)
		return int(n), socketcore.CmsgOf(level, int(n)), ok
	}
	c = socketcore.CmsgNamed(level, atomOf(term))
	if c == nil || c.Flags&socketcore.NoSend != 0 {
		return 0, nil, false
	}
	return c.Type, c, true
}

// cmsgNumber reads a number or one of the names.
func cmsgNumber(term []byte, names []socketcore.Name) (int, bool) {
	switch kindOf(term) {
	case etf.KindAtom:
		n, ok := numberNamed(names, atomOf(term))
		return int(n), ok
	case etf.KindInt:
		n, ok := intOf(term, math.MinInt32, math.MaxInt32)
		return int(n), ok
	}
	return 0, false
}

// appendCtrl appends the control messages of a received message as a list of
// cmsghdr_recv(). Those without a name, and those that were cut, have their bytes.
func appendCtrl(b, control []byte) []byte {
	n := 0
	for rest, ok := control, true; ok; {
		if _, _, _, rest, ok = socketcore.NextCmsg(rest); ok {
			n++
		}
	}
	b = etf.AppendList(b, n)
	for range n {
		var level, typ int
		var data []byte
		level, typ, data, control, _ = socketcore.NextCmsg(control)
		b = appendNamed(etf.AppendAtom(etf.AppendMap(b, 3), "level"), socketcore.CmsgLevels(), int64(level))
		b = appendCmsgData(etf.AppendAtom(b, "type"), level, typ, data)
	}
	return etf.AppendNil(b)
}

func appendCmsgData(b []byte, level, typ int, data []byte) []byte {
	c := socketcore.CmsgOf(level, typ)
	if c == nil {
		b = etf.AppendInt(b, int64(typ))
		return etf.AppendBinary(etf.AppendAtom(b, "data"), data)
	}
	b = etf.AppendAtom(etf.AppendAtom(b, c.Name), "data")
	switch {
	case c.Recv.Size != 0 && len(data) != c.Recv.Size:
		return etf.AppendBinary(b, data)
	case c.Recv.Form == socketcore.ExtendedErr:
		return appendExtendedErr(b, data)
	}
	return appendValue(b, c.Recv, data)
}

func binaryOf(term []byte) []byte {
	var d etf.Decoder
	d.Reset(term)
	return d.Binary()
}
