package dispatch

import (
	"encoding/binary"

	"gosocket/etf"
	"gosocket/socketcore"
)

// appendSockaddr appends a sockaddr() map; numbers and tuples, never names. An address
// that is none, or of a family without a map, is undefined.
func appendSockaddr(b []byte, sa *socketcore.Sockaddr) []byte {
	if addr, port, ok := sa.Inet(); ok {
		b = appendFamily(b, 3, "inet")
		b = etf.AppendUint(etf.AppendAtom(b, "port"), uint64(port))
		return appendInet(etf.AppendAtom(b, "addr"), addr[:])
	}
	if addr, port, flowinfo, scope, ok := sa.Inet6(); ok {
		b = appendFamily(b, 5, "inet6")
		b = etf.AppendUint(etf.AppendAtom(b, "port"), uint64(port))
		b = appendInet6(etf.AppendAtom(b, "addr"), addr[:])
		b = etf.AppendUint(etf.AppendAtom(b, "flowinfo"), uint64(flowinfo))
		return etf.AppendUint(etf.AppendAtom(b, "scope_id"), uint64(scope))
	}
	if path, ok := sa.Local(); ok {
		return etf.AppendString(etf.AppendAtom(appendFamily(b, 2, "local"), "path"), path)
	}
	if p, ok := sa.Packet(); ok {
		b = appendFamily(b, 6, "packet")
		b = etf.AppendUint(etf.AppendAtom(b, "protocol"), uint64(p.Protocol))
		b = etf.AppendInt(etf.AppendAtom(b, "ifindex"), int64(p.Ifindex))
		b = appendNamed(etf.AppendAtom(b, "pkttype"), packetTypes, int64(p.Pkttype))
		b = etf.AppendUint(etf.AppendAtom(b, "hatype"), uint64(p.Hatype))
		return etf.AppendBinary(etf.AppendAtom(b, "addr"), p.Addr)
	}
	return etf.AppendAtom(b, "undefined")
}

// appendSource appends where a message came from: undefined when the kernel does not
// say (connected streams), and for unnamed peers.
func appendSource(b []byte, sa *socketcore.Sockaddr) []byte {
	if path, ok := sa.Local(); ok && len(path) == 0 {
		return etf.AppendAtom(b, "undefined")
	}
	return appendSockaddr(b, sa)
}

// appendName appends the Result of sockname/1 and peername/1 for what the kernel said.
func appendName(b []byte, sa *socketcore.Sockaddr) []byte {
	switch sa.Family() {
	case socketcore.FamilyInet, socketcore.FamilyInet6, socketcore.FamilyLocal, socketcore.FamilyPacket:
		return appendSockaddr(etf.AppendAtom(etf.AppendTuple(b, 2), "ok"), sa)
	}
	v := refuse(socketcore.EAFNOSUPPORT)
	return v.append(b)
}

func appendFamily(b []byte, keys int, family string) []byte {
	return etf.AppendAtom(etf.AppendAtom(etf.AppendMap(b, keys), "family"), family)
}

// appendInet appends the octets of an IPv4 address as a tuple.
func appendInet(b, addr []byte) []byte {
	b = etf.AppendTuple(b, len(addr))
	for _, octet := range addr {
		b = etf.AppendUint(b, uint64(octet))
	}
	return b
}

// appendInet6 appends the words of an IPv6 address as a tuple.
func appendInet6(b, addr []byte) []byte {
	b = etf.AppendTuple(b, len(addr)/2)
	for i := 0; i < len(addr); i += 2 {
		b = etf.AppendUint(b, uint64(binary.BigEndian.Uint16(addr[i:])))
	}
	return b
}

// appendNamed appends the name of a number, or the number when it has none.
func appendNamed(b []byte, names []socketcore.Name, n int64) []byte {
	for i := range names {
		if names[i].Value == n {
			return etf.AppendAtom(b, names[i].Name)
		}
	}
	return etf.AppendInt(b, n)
}
