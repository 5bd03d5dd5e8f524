package dispatch

import (
	"bytes"

	"gosocket/etf"
	"gosocket/socketcore"
)

// appendValue appends what the kernel's form of a value says. Values that are shorter
// than their type are read as far as they go.
func appendValue(b []byte, t *socketcore.Type, data []byte) []byte {
	switch t.Form {
	case socketcore.Bool:
		return etf.AppendBool(b, loadShort(t.Size, data) != 0)
	case socketcore.Uint:
		return etf.AppendUint(b, loadShort(t.Size, data)>>t.Shift&(1<<width(t)-1))
	case socketcore.Network:
		return etf.AppendUint(b, loadNetwork(data))
	case socketcore.Bits:
		return appendBits(b, t, loadShort(t.Size, data))
	case socketcore.Posix:
		return appendPosix(b, loadShort(t.Size, data))
	case socketcore.Chars:
		if end := bytes.IndexByte(data, 0); end >= 0 {
			data = data[:end]
		}
		return etf.AppendString(b, data)
	case socketcore.Binary:
		return etf.AppendBinary(b, data)
	case socketcore.Inet:
		return appendInet(b, data)
	case socketcore.Inet6:
		return appendInet6(b, data)
	case socketcore.Address:
		var sa socketcore.Sockaddr
		sa.SetBytes(data)
		return appendSockaddr(b, &sa)
	case socketcore.Struct:
		return appendStruct(b, t, data)
	case socketcore.List:
		return appendList(b, t.Elem, data)
	case socketcore.Packed:
		return appendPacked(b, data)
	case socketcore.Control:
		return appendCtrl(b, data)
	}
	return appendNamed(b, t.Names, integerOf(t, data))
}

// loadShort reads an integer of size bytes. The kernel may have given a shorter one than asked for (ip(7): options of one
// byte), which is no part of the longer one where the high bytes come first.
func loadShort(size int, data []byte) uint64 {
	if n := len(data); n == 1 || n == 2 && size > 2 {
		return loadNative(data)
	}
	var whole [8]byte
	copy(whole[:], data)
	return loadNative(whole[:size])
}

// integerOf reads a signed integer; those of less than 4 bytes have no sign.
func integerOf(t *socketcore.Type, data []byte) int64 {
	n := loadShort(t.Size, data)
	if t.Size == 4 {
		return int64(int32(n))
	}
	return int64(n)
}

func loadNetwork(data []byte) (n uint64) {
	for _, c := range data {
		n = n<<8 | uint64(c)
	}
	return n
}

func hasName(names []socketcore.Name, n int64) bool {
	for i := range names {
		if names[i].Value == n {
			return true
		}
	}
	return false
}

// appendBits appends the names of the bits that are set, and what is left as a number.
func appendBits(b []byte, t *socketcore.Type, set uint64) []byte {
	n, rest := 0, set
	for i := range t.Names {
		if bit := uint64(t.Names[i].Value); bit != 0 && set&bit == bit {
			n++
			rest &^= bit
		}
	}
	if rest != 0 {
		n++
	}
	b = etf.AppendList(b, n)
	for i := range t.Names {
		if bit := uint64(t.Names[i].Value); bit != 0 && set&bit == bit {
			b = etf.AppendAtom(b, t.Names[i].Name)
		}
	}
	if rest != 0 {
		b = etf.AppendUint(b, rest)
	}
	return etf.AppendNil(b)
}

// appendPosix appends the name of an errno, none for 0.
func appendPosix(b []byte, e uint64) []byte {
	if e == 0 {
		return etf.AppendAtom(b, "none")
	}
	return etf.AppendAtom(b, socketcore.ErrnoName(socketcore.Errno(e)))
}

// appendStruct appends a map of the fields that are there, or the one that stands for
// them.
func appendStruct(b []byte, t *socketcore.Type, data []byte) []byte {
	if f := fieldNamed(t, t.Short); f != nil {
		return appendValue(b, f.Type, fieldData(f, data))
	}
	n := 0
	for i := range t.Fields {
		if within(&t.Fields[i], data) {
			n++
		}
	}
	b = etf.AppendMap(b, n)
	for i := range t.Fields {
		if f := &t.Fields[i]; within(f, data) {
			b = appendValue(etf.AppendAtom(b, f.Name), f.Type, fieldData(f, data))
		}
	}
	return b
}

func within(f *socketcore.Field, data []byte) bool { return f.Offset+f.Type.Size <= len(data) }

// fieldData returns the bytes of a field; of a list as many as are counted.
func fieldData(f *socketcore.Field, data []byte) []byte {
	t := f.Type
	if f.Offset > len(data) {
		return nil
	}
	tail := data[f.Offset:]
	if t.Size > 0 {
		tail = tail[:min(t.Size, len(tail))]
	}
	if t.Count.Size == 0 {
		return tail
	}
	n := loadNative(data[t.Count.Offset : t.Count.Offset+t.Count.Size])
	if t.Form == socketcore.List {
		n *= uint64(t.Elem.Size)
	}
	return tail[:min(n, uint64(len(tail)))]
}

func appendList(b []byte, elem *socketcore.Type, data []byte) []byte {
	b = etf.AppendList(b, len(data)/elem.Size)
	for ; len(data) >= elem.Size; data = data[elem.Size:] {
		b = appendValue(b, elem, data[:elem.Size])
	}
	return etf.AppendNil(b)
}

// appendPacked appends a list of addresses that follow each other without padding.
func appendPacked(b, data []byte) []byte {
	n := 0
	for rest := data; len(rest) > 0; n++ {
		size := socketcore.AddressSize(rest)
		if size == 0 {
			break
		}
		rest = rest[size:]
	}
	b = etf.AppendList(b, n)
	for range n {
		var sa socketcore.Sockaddr
		size := socketcore.AddressSize(data)
		sa.SetBytes(data[:size])
		b = appendSockaddr(b, &sa)
		data = data[size:]
	}
	return etf.AppendNil(b)
}
