package dispatch

import (
	"encoding/binary"
	"math"

	"gosocket/etf"
	"gosocket/socketcore"
)

// packetTypes are the values of sll_pkttype (packet(7)). Two names share a number: the
// first is told, both are taken.
var packetTypes = []socketcore.Name{
	{Name: "host", Value: 0},
	{Name: "broadcast", Value: 1},
	{Name: "multicast", Value: 2},
	{Name: "otherhost", Value: 3},
	{Name: "outgoing", Value: 4},
	{Name: "loopback", Value: 5},
	{Name: "user", Value: 6},
	{Name: "kernel", Value: 7},
	{Name: "fastroute", Value: 6},
}

// addrFields are the values of a sockaddr() map, as they came; nil for missing keys.
type addrFields struct {
	family, port, addr, flowinfo, scope, path  []byte
	protocol, ifindex, pkttype, hatype, ignore []byte
}

func (f *addrFields) read(d *etf.Decoder) {
	for range d.Map() {
		slot := &f.ignore
		if d.Kind() == etf.KindAtom {
			slot = f.slot(d.Atom())
		} else {
			d.Skip()
		}
		*slot = d.Raw()
	}
}

func (f *addrFields) slot(key []byte) *[]byte {
	switch string(key) {
	case "family":
		return &f.family
	case "port":
		return &f.port
	case "addr":
		return &f.addr
	case "flowinfo":
		return &f.flowinfo
	case "scope_id":
		return &f.scope
	case "path":
		return &f.path
	case "protocol":
		return &f.protocol
	case "ifindex":
		return &f.ifindex
	case "pkttype":
		return &f.pkttype
	case "hatype":
		return &f.hatype
	}
	return &f.ignore
}

// decodeSockaddr reads a sockaddr() map. A term that is none raises {invalid, {address,
// Term}}; a part of it that is out of range is einval.
func decodeSockaddr(d *etf.Decoder, sa *socketcore.Sockaddr) verdict {
	term := d.Raw()
	if d.Err() != nil {
		return badarg()
	}
	return addrOf(term, sa)
}

// decodeBindAddr reads what bind/2 takes: a sockaddr() map, or the name of an address
// of the socket's own domain. A link-layer address is for packet sockets only.
func decodeBindAddr(d *etf.Decoder, domain int, sa *socketcore.Sockaddr) verdict {
	term := d.Raw()
	switch kindOf(term) {
	case etf.KindMap:
		v := addrOf(term, sa)
		if v.ok() && sa.Family() == socketcore.FamilyPacket && domain != socketcore.FamilyPacket {
			return invalid("address", term)
		}
		return v
	case etf.KindAtom:
		return namedAddr(string(atomOf(term)), domain, sa)
	}
	return badarg()
}

func namedAddr(name string, domain int, sa *socketcore.Sockaddr) verdict {
	if name != "any" && name != "loopback" && name != "broadcast" {
		return badarg()
	}
	switch domain {
	case socketcore.FamilyInet:
		addr, _ := inetNamed(name)
		sa.SetInet(addr, 0)
	case socketcore.FamilyInet6:
		addr, ok := inet6Named(name)
		if !ok {
			return refuse(socketcore.EINVAL)
		}
		sa.SetInet6(addr, 0, 0, 0)
	default:
		return refuse(socketcore.EAFNOSUPPORT)
	}
	return accept
}

// addrOf reads one term as a sockaddr().
func addrOf(term []byte, sa *socketcore.Sockaddr) verdict {
	var fields addrFields
	var d etf.Decoder
	d.Reset(term)
	if d.Kind() == etf.KindMap {
		fields.read(&d)
	}
	known, fits := false, false
	switch string(atomOf(fields.family)) {
	case "inet":
		known, fits = true, fields.inet(sa)
	case "inet6":
		known, fits = true, fields.inet6(sa)
	case "local":
		var room [pathRoom]byte
		path, v := pathOf(fields.path, room[:0])
		if v == pathBadarg {
			return badarg()
		}
		known = v == pathFine && len(path) > 0 && len(path) <= localMax
		fits = known && sa.SetLocal(path) == 0
	case "packet":
		known, fits = true, fields.packet(sa)
	}
	switch {
	case !known:
		return invalid("address", term)
	case !fits:
		return refuse(socketcore.EINVAL)
	}
	return accept
}

func (f *addrFields) inet(sa *socketcore.Sockaddr) bool {
	port, ok := uintOf(f.port, math.MaxUint16)
	addr, okAddr := inetOf(f.addr)
	sa.SetInet(addr, uint16(port))
	return ok && okAddr
}

func (f *addrFields) inet6(sa *socketcore.Sockaddr) bool {
	port, ok := uintOf(f.port, math.MaxUint16)
	flowinfo, okFlow := uintOf(f.flowinfo, math.MaxUint32)
	scope, okScope := uintOf(f.scope, math.MaxUint32)
	addr, okAddr := inet6Of(f.addr)
	sa.SetInet6(addr, uint16(port), uint32(flowinfo), uint32(scope))
	return ok && okFlow && okScope && okAddr
}

func (f *addrFields) packet(sa *socketcore.Sockaddr) bool {
	protocol, ok := uintOf(f.protocol, math.MaxUint16)
	hatype, okType := uintOf(f.hatype, math.MaxUint16)
	ifindex, okIndex := intOf(f.ifindex, math.MinInt32, math.MaxInt32)
	pkttype, okPkt := namedOf(f.pkttype, packetTypes, math.MaxUint8)
	var addr []byte
	if f.addr != nil {
		var d etf.Decoder
		d.Reset(f.addr)
		addr = d.Binary()
		ok = ok && d.Err() == nil
	}
	return ok && okType && okIndex && okPkt && sa.SetPacket(socketcore.Packet{
		Protocol: uint16(protocol), Ifindex: int32(ifindex), Hatype: uint16(hatype), Pkttype: uint8(pkttype), Addr: addr,
	}) == 0
}

func inetNamed(name string) (addr [4]byte, ok bool) {
	switch name {
	case "any":
		return addr, true
	case "loopback":
		return [4]byte{127, 0, 0, 1}, true
	case "broadcast":
		return [4]byte{255, 255, 255, 255}, true
	}
	return addr, false
}

func inet6Named(name string) (addr [16]byte, ok bool) {
	switch name {
	case "any":
		return addr, true
	case "loopback":
		return [16]byte{15: 1}, true
	}
	return addr, false
}

// inetOf reads an IPv4 address: four octets or a name; any when there is no term.
func inetOf(term []byte) (addr [4]byte, ok bool) {
	var d etf.Decoder
	d.Reset(term)
	switch {
	case term == nil:
		return addr, true
	case d.Kind() == etf.KindAtom:
		return inetNamed(string(d.Atom()))
	case d.Tuple() != len(addr):
		return addr, false
	}
	for i := range addr {
		octet := d.Uint()
		if octet > math.MaxUint8 {
			return addr, false
		}
		addr[i] = byte(octet)
	}
	return addr, d.Err() == nil
}

// inet6Of reads an IPv6 address: eight words or a name; any when there is no term.
func inet6Of(term []byte) (addr [16]byte, ok bool) {
	var d etf.Decoder
	d.Reset(term)
	switch {
	case term == nil:
		return addr, true
	case d.Kind() == etf.KindAtom:
		return inet6Named(string(d.Atom()))
	case d.Tuple() != len(addr)/2:
		return addr, false
	}
	for i := 0; i < len(addr); i += 2 {
		word := d.Uint()
		if word > math.MaxUint16 {
			return addr, false
		}
		binary.BigEndian.PutUint16(addr[i:], uint16(word))
	}
	return addr, d.Err() == nil
}

// uintOf reads a number up to limit; 0 when there is no term.
func uintOf(term []byte, limit uint64) (n uint64, ok bool) {
	if term == nil {
		return 0, true
	}
	var d etf.Decoder
	d.Reset(term)
	n = d.Uint()
	return n, d.Err() == nil && n <= limit
}

// intOf reads a number between two limits; 0 when there is no term.
func intOf(term []byte, low, high int64) (n int64, ok bool) {
	if term == nil {
		return 0, true
	}
	var d etf.Decoder
	d.Reset(term)
	n = d.Int()
	return n, d.Err() == nil && low <= n && n <= high
}

// namedOf reads a number up to limit, or one of the names; 0 when there is no term.
func namedOf(term []byte, names []socketcore.Name, limit uint64) (n uint64, ok bool) {
	if kindOf(term) != etf.KindAtom {
		return uintOf(term, limit)
	}
	name := atomOf(term)
	for i := range names {
		if names[i].Name == string(name) {
			return uint64(names[i].Value), true
		}
	}
	return 0, false
}

func kindOf(term []byte) etf.Kind {
	var d etf.Decoder
	d.Reset(term)
	return d.Kind()
}

// atomOf returns the name of an atom, nothing for any other term.
func atomOf(term []byte) []byte {
	var d etf.Decoder
	d.Reset(term)
	if d.Kind() != etf.KindAtom {
		return nil
	}
	return d.Atom()
}
