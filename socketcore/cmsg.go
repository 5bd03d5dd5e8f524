package socketcore

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// A Cmsg is one row of the table of control messages that have a name (cmsg(3)).
type Cmsg struct {
	Level int
	Type  int
	Name  string
	Other string // a second name, taken when sending
	Recv  *Type  // of what is received; data of another size were cut and stay bytes
	Send  *Type  // what may be sent beside bytes; nil: nothing else
	Flags CmsgFlags
}

// CmsgFlags says what is special about a control message.
type CmsgFlags uint8

// NoSend marks a name that can only be received.
const NoSend CmsgFlags = 1

var (
	tosByte  = &Type{Form: Enum, Size: 1, Names: serviceTypes}
	inPktinf = &Type{Form: Struct, Size: unix.SizeofInet4Pktinfo, Fields: []Field{
		{Name: "ifindex", Type: int32Type}, {Name: "spec_dst", Offset: 4, Type: inetType}, {Name: "addr", Offset: 8, Type: inetType},
	}}
	inetAddr = &Type{Form: Address, Size: sizeInet}
	timespec = &Type{Form: Struct, Size: 2 * unix.SizeofLong, Fields: []Field{
		{Name: "sec", Type: long}, {Name: "nsec", Offset: unix.SizeofLong, Type: long},
	}}
	// By software, unused, by hardware (Linux, timestamping.rst); zeros are no time.
	timespecs = &Type{Form: List, Size: 6 * unix.SizeofLong, Elem: timespec}
)

// Sizes of struct sock_extended_err and of the address behind it (ip(7)).
const sizeExtendedErr = 16

// Cmsgs are the control messages that have a name: those of the man page of the API, and
// the ones of level socket that options with a name ask for. Linux names what it sends after
// what it tells (IP_TTL), others after the option that asks for it (IP_RECVTTL).
var Cmsgs = slices.Concat(inetCmsgs, sctpCmsgs)

var inetCmsgs = []Cmsg{
	{Level: unix.SOL_SOCKET, Type: unix.SO_TIMESTAMP, Name: "timestamp", Recv: timeval},
	{Level: unix.SOL_SOCKET, Type: unix.SCM_RIGHTS, Name: "rights", Recv: bytesType},
	{Level: unix.SOL_SOCKET, Type: unix.SCM_CREDENTIALS, Name: "credentials", Recv: bytesType},
	{Level: unix.SOL_SOCKET, Type: unix.SO_TIMESTAMPNS, Name: "timestampns", Recv: timespec, Flags: NoSend},
	{Level: unix.SOL_SOCKET, Type: unix.SO_TIMESTAMPING, Name: "timestamping", Recv: timespecs, Send: timestampingBits},
	{Level: unix.SOL_SOCKET, Type: unix.SO_RXQ_OVFL, Name: "rxq_ovfl", Recv: uint32T, Flags: NoSend},

	{Level: unix.SOL_IP, Type: unix.IP_TOS, Name: "tos", Recv: tosByte, Send: tos},
	{Level: unix.SOL_IP, Type: unix.IP_RECVTOS, Name: "recvtos", Recv: tosByte, Flags: NoSend},
	{Level: unix.SOL_IP, Type: unix.IP_TTL, Name: "ttl", Recv: int32Type, Send: int32Type},
	{Level: unix.SOL_IP, Type: unix.IP_RECVTTL, Name: "recvttl", Recv: int32Type, Flags: NoSend},
	{Level: unix.SOL_IP, Type: unix.IP_PKTINFO, Name: "pktinfo", Recv: inPktinf, Flags: NoSend},
	{Level: unix.SOL_IP, Type: unix.IP_ORIGDSTADDR, Name: "origdstaddr", Recv: inetAddr, Flags: NoSend},
	{
		Level: unix.SOL_IP, Type: unix.IP_RECVERR, Name: "recverr", Flags: NoSend,
		Recv: &Type{Form: ExtendedErr, Size: sizeExtendedErr + sizeInet},
	},

	{Level: unix.SOL_IPV6, Type: unix.IPV6_HOPLIMIT, Name: "hoplimit", Other: "hoplevel", Recv: int32Type, Send: int32Type},
	{Level: unix.SOL_IPV6, Type: unix.IPV6_PKTINFO, Name: "pktinfo", Recv: pktinfo6, Flags: NoSend},
	{Level: unix.SOL_IPV6, Type: unix.IPV6_TCLASS, Name: "tclass", Recv: int32Type, Send: int32Type},
	{
		Level: unix.SOL_IPV6, Type: unix.IPV6_RECVERR, Name: "recverr", Flags: NoSend,
		Recv: &Type{Form: ExtendedErr, Size: sizeExtendedErr + sizeInet6},
	},
}

// cmsgLevels are the levels that have a name in control messages. Those of tcp are left
// as a number: no man page type names them.
var cmsgLevels = []Name{
	{"socket", unix.SOL_SOCKET}, {"ip", unix.SOL_IP}, {"ipv6", unix.SOL_IPV6}, {"udp", unix.SOL_UDP}, {"sctp", SolSCTP},
}

// CmsgLevels returns the names of levels in control messages.
func CmsgLevels() []Name { return cmsgLevels }

// CmsgOf returns the row of a level and type, or nil.
func CmsgOf(level, typ int) *Cmsg {
	for i := range Cmsgs {
		if Cmsgs[i].Level == level && Cmsgs[i].Type == typ {
			return &Cmsgs[i]
		}
	}
	return nil
}

// CmsgNamed returns the row with a name on a level, or nil.
func CmsgNamed(level int, name []byte) *Cmsg {
	for i := range Cmsgs {
		c := &Cmsgs[i]
		if c.Level == level && (c.Name == string(name) || c.Other == string(name)) {
			return c
		}
	}
	return nil
}

// cmsgAlign rounds up to where the next header may start (CMSG_ALIGN(3)).
func cmsgAlign(n int) int { return aligned(n) }

// CmsgSpace returns how many bytes a control message of n bytes of data takes (CMSG_SPACE(3)).
func CmsgSpace(n int) int { return cmsgAlign(unix.SizeofCmsghdr) + cmsgAlign(n) }

// appendSize and sizeIn write and read a size_t.
func appendSize(b []byte, n int) []byte {
	if unix.SizeofPtr == 4 {
		return binary.NativeEndian.AppendUint32(b, uint32(n))
	}
	return binary.NativeEndian.AppendUint64(b, uint64(n))
}

func sizeIn(b []byte) uint64 {
	if unix.SizeofPtr == 4 {
		return uint64(binary.NativeEndian.Uint32(b))
	}
	return binary.NativeEndian.Uint64(b)
}

// AppendCmsg appends a control message.
func AppendCmsg(b []byte, level, typ int, data []byte) []byte {
	b = appendSize(b, unix.SizeofCmsghdr+len(data))
	b = binary.NativeEndian.AppendUint32(b, uint32(level))
	b = binary.NativeEndian.AppendUint32(b, uint32(typ))
	b = append(b, data...)
	for range cmsgAlign(len(data)) - len(data) {
		b = append(b, 0)
	}
	return b
}

// NextCmsg splits the first control message off; ok tells whether there is one. A
// message that the kernel cut has as much data as there was room for.
func NextCmsg(control []byte) (level, typ int, data, rest []byte, ok bool) {
	if len(control) < unix.SizeofCmsghdr {
		return 0, 0, nil, nil, false
	}
	size := sizeIn(control)
	if size < unix.SizeofCmsghdr || size > uint64(len(control)) {
		return 0, 0, nil, nil, false
	}
	level = int(int32(binary.NativeEndian.Uint32(control[unix.SizeofPtr:])))
	typ = int(int32(binary.NativeEndian.Uint32(control[unix.SizeofPtr+4:])))
	rest = control[min(cmsgAlign(int(size)), len(control)):]
	return level, typ, control[unix.SizeofCmsghdr:size], rest, true
}
