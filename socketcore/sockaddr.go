package socketcore

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Address families that have an address form of their own.
const (
	FamilyUnspec = unix.AF_UNSPEC
	FamilyLocal  = unix.AF_UNIX
	FamilyInet   = unix.AF_INET
	FamilyInet6  = unix.AF_INET6
	FamilyPacket = unix.AF_PACKET
)

// Sizes of the addresses as bind(2) and connect(2) want them.
const (
	sizeFamily = 2
	sizeAny    = 128 // struct sockaddr_storage
	sizeInet   = unix.SizeofSockaddrInet4
	sizeInet6  = unix.SizeofSockaddrInet6
	sizePacket = unix.SizeofSockaddrLinklayer
)

// PathMax is the size of sun_path (unix(7)): an abstract name may fill it, the path of
// a file needs a zero byte after it.
const PathMax = 108

// Sockaddr is a socket address in the kernel's own form, sockaddr_storage(3type). The
// zero Sockaddr is no address.
type Sockaddr struct {
	raw  [sizeAny]byte
	size int // bytes of raw that count
}

// Packet is what a sockaddr_ll(7) holds besides its family. Addr aliases the Sockaddr.
type Packet struct {
	Protocol uint16 // EtherType, in host order
	Ifindex  int32
	Hatype   uint16
	Pkttype  uint8
	Addr     []byte
}

func (sa *Sockaddr) pointer() unsafe.Pointer { return unsafe.Pointer(&sa.raw) }

// Clear makes sa no address.
func (sa *Sockaddr) Clear() { sa.size = 0 }

// Bytes returns the address as the kernel has it.
func (sa *Sockaddr) Bytes() []byte { return sa.raw[:sa.size] }

// SetBytes makes sa the address that b holds in the kernel's form.
func (sa *Sockaddr) SetBytes(b []byte) { sa.size = copy(sa.raw[:], b) }

// AddressSize returns how many bytes the Internet address at the start of b takes, 0
// when there is none.
func AddressSize(b []byte) int {
	if len(b) < sizeFamily {
		return 0
	}
	size := 0
	switch binary.NativeEndian.Uint16(b) {
	case FamilyInet:
		size = sizeInet
	case FamilyInet6:
		size = sizeInet6
	}
	if size > len(b) {
		return 0
	}
	return size
}

// Family returns the address family, FamilyUnspec when there is no address.
func (sa *Sockaddr) Family() int {
	if sa.size < sizeFamily {
		return FamilyUnspec
	}
	return int(binary.NativeEndian.Uint16(sa.raw[:]))
}

func (sa *Sockaddr) set(family, size int) {
	clear(sa.raw[:size])
	binary.NativeEndian.PutUint16(sa.raw[:], uint16(family))
	sa.size = size
}

// SetInet makes sa an IPv4 address (ip(7)).
func (sa *Sockaddr) SetInet(addr [4]byte, port uint16) {
	sa.set(FamilyInet, sizeInet)
	binary.BigEndian.PutUint16(sa.raw[2:], port)
	copy(sa.raw[4:], addr[:])
}

// Inet returns the parts of an IPv4 address; ok tells whether sa is one.
func (sa *Sockaddr) Inet() (addr [4]byte, port uint16, ok bool) {
	if sa.Family() != FamilyInet || sa.size < 8 {
		return addr, 0, false
	}
	copy(addr[:], sa.raw[4:])
	return addr, binary.BigEndian.Uint16(sa.raw[2:]), true
}

// SetInet6 makes sa an IPv6 address (ipv6(7)). The flow information is stored as it
// is given: sin6_flowinfo is in network order, and nobody swaps it for the caller.
func (sa *Sockaddr) SetInet6(addr [16]byte, port uint16, flowinfo, scope uint32) {
	sa.set(FamilyInet6, sizeInet6)
	binary.BigEndian.PutUint16(sa.raw[2:], port)
	binary.NativeEndian.PutUint32(sa.raw[4:], flowinfo)
	copy(sa.raw[8:], addr[:])
	binary.NativeEndian.PutUint32(sa.raw[24:], scope)
}

// Inet6 returns the parts of an IPv6 address; ok tells whether sa is one.
func (sa *Sockaddr) Inet6() (addr [16]byte, port uint16, flowinfo, scope uint32, ok bool) {
	if sa.Family() != FamilyInet6 || sa.size < sizeInet6 {
		return addr, 0, 0, 0, false
	}
	copy(addr[:], sa.raw[8:])
	return addr, binary.BigEndian.Uint16(sa.raw[2:]), binary.NativeEndian.Uint32(sa.raw[4:]),
		binary.NativeEndian.Uint32(sa.raw[24:]), true
}

// SetLocal makes sa the path of a socket file, or an abstract name when its first byte
// is zero (unix(7)). EINVAL says that it is too long; no bytes make an unnamed address.
func (sa *Sockaddr) SetLocal(path []byte) syscall.Errno {
	abstract := len(path) > 0 && path[0] == 0
	if len(path) > PathMax || len(path) == PathMax && !abstract {
		return unix.EINVAL
	}
	size := sizeFamily + len(path)
	if len(path) > 0 && !abstract {
		size++
	}
	sa.set(FamilyLocal, size)
	copy(sa.raw[sizeFamily:], path)
	return 0
}

// Local returns the path or abstract name of a Unix address, empty when it is unnamed;
// ok tells whether sa is one. The path aliases sa.
func (sa *Sockaddr) Local() (path []byte, ok bool) {
	if sa.Family() != FamilyLocal {
		return nil, false
	}
	path = sa.raw[sizeFamily:sa.size]
	if len(path) == 0 || path[0] == 0 {
		return path, true
	}
	if end := bytes.IndexByte(path, 0); end >= 0 {
		path = path[:end]
	}
	return path, true
}

// SetPacket makes sa a link-layer address (packet(7)). EINVAL says that its hardware
// address is longer than the eight bytes that it has room for.
func (sa *Sockaddr) SetPacket(p Packet) syscall.Errno {
	if len(p.Addr) > sizePacket-12 {
		return unix.EINVAL
	}
	sa.set(FamilyPacket, sizePacket)
	binary.BigEndian.PutUint16(sa.raw[2:], p.Protocol)
	binary.NativeEndian.PutUint32(sa.raw[4:], uint32(p.Ifindex))
	binary.NativeEndian.PutUint16(sa.raw[8:], p.Hatype)
	sa.raw[10], sa.raw[11] = p.Pkttype, byte(len(p.Addr))
	copy(sa.raw[12:], p.Addr)
	return 0
}

// Packet returns the parts of a link-layer address; ok tells whether sa is one. The
// kernel gives such an address only as long as its hardware address needs.
func (sa *Sockaddr) Packet() (p Packet, ok bool) {
	if sa.Family() != FamilyPacket || sa.size < 12 {
		return p, false
	}
	return Packet{
		Protocol: binary.BigEndian.Uint16(sa.raw[2:]),
		Ifindex:  int32(binary.NativeEndian.Uint32(sa.raw[4:])),
		Hatype:   binary.NativeEndian.Uint16(sa.raw[8:]),
		Pkttype:  sa.raw[10],
		Addr:     sa.raw[12:min(12+int(sa.raw[11]), sa.size)],
	}, true
}

// endpoint is an address of the Internet.
func (sa *Sockaddr) endpoint() (name netip.AddrPort, ok bool) {
	if addr, port, ok := sa.Inet(); ok {
		return netip.AddrPortFrom(netip.AddrFrom4(addr), port), true
	}
	addr, port, _, _, ok := sa.Inet6()
	return netip.AddrPortFrom(netip.AddrFrom16(addr), port), ok
}
