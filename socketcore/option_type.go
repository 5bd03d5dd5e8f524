package socketcore

import (
	"encoding/binary"
	"math"
	"slices"

	"golang.org/x/sys/unix"
)

// A Type describes a value in the kernel's form: that of an option, of a control
// message, or of a part of one. Integers are in native order where nothing else is said.
type Type struct {
	Form   Form
	Size   int     // in bytes; 0: as long as the value is
	Low    int64   // what an integer may be, when High is above Low;
	High   int64   // otherwise what fits is left to the kernel to judge
	Shift  uint8   // a bit field: how far up it starts
	Bits   uint8   // and how wide it is; 0: all bits
	Names  []Name  // of an Enum, a Named or Bits; special values of addresses
	Fields []Field // of a Struct
	Short  string  // the field that may stand for the whole Struct, and is told for it
	Elem   *Type   // of a List
	Count  Count   // where a List, or Binary, has its length
	Room   int     // bytes to offer to getsockopt(2), when not Size
}

// A Field is a member of a Struct.
type Field struct {
	Name     string
	Offset   int
	Type     *Type
	Optional bool // zero when it is missing
}

// Count is an integer in a Struct that counts the elements of the list at its end. A
// Size of 0 is no count.
type Count struct{ Offset, Size int }

// Form is how the bytes of a value are read.
type Form uint8

// The forms of values.
const (
	Int         Form = iota // an integer
	Uint                    // an integer that is not negative
	Network                 // an integer that is not negative, in network order
	Bool                    // an integer, 0 is false
	Enum                    // an integer, some have names
	Named                   // an integer, only those with names are known
	Bits                    // a set of names, one bit each
	Posix                   // an errno
	Chars                   // characters, zero bytes behind them
	Binary                  // bytes
	Inet                    // an IPv4 address
	Inet6                   // an IPv6 address
	Address                 // a struct sockaddr_storage; all zero: none
	Struct                  // fields
	List                    // elements
	Linger                  // struct linger
	Control                 // control messages
	Packed                  // addresses one behind the other, each as long as its family wants
	ExtendedErr             // struct sock_extended_err and the address of the offender
)

// VariableRoom is the room for values of no known size, in bytes.
const VariableRoom = 1 << 16

// Capacity returns how many bytes a get must have room for.
func (t *Type) Capacity() int {
	switch {
	case t.Room > 0:
		return t.Room
	case t.Variable():
		return VariableRoom
	}
	return t.Size
}

// Variable tells whether values differ in length.
func (t *Type) Variable() bool {
	if n := len(t.Fields); n > 0 {
		return t.Fields[n-1].Type.Variable()
	}
	return t.Size == 0 && t.Form != Named
}

// bitField is a bit field of C in a byte. Compilers fill a byte from its low end on little-endian machines, from its
// high end on others.
func bitField(first, bits uint8) *Type {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		first = 8 - bits - first
	}
	return &Type{Form: Uint, Size: 1, Shift: first, Bits: bits}
}

// A struct sockaddr_storage is aligned as a pointer is: where it begins behind four bytes, and where it ends.
const (
	storageAt  = unix.SizeofPtr
	storageEnd = storageAt + sizeAny
)

// aligned returns the size of a struct that has a pointer's alignment and n bytes of fields.
func aligned(n int) int { return (n + unix.SizeofPtr - 1) &^ (unix.SizeofPtr - 1) }

func timevalOf(integer *Type) *Type {
	return &Type{Form: Struct, Size: 2 * integer.Size, Fields: []Field{
		{Name: "sec", Type: integer}, {Name: "usec", Offset: integer.Size, Type: integer},
	}}
}

// The types that many options share.
var (
	int32Type = &Type{Form: Int, Size: 4}
	uint8Type = &Type{Form: Uint, Size: 1}
	uint16T   = &Type{Form: Uint, Size: 2}
	uint32T   = &Type{Form: Uint, Size: 4}
	uint64T   = &Type{Form: Uint, Size: 8}
	long      = &Type{Form: Int, Size: unix.SizeofLong}
	ulong     = &Type{Form: Uint, Size: unix.SizeofLong}
	boolean   = &Type{Form: Bool, Size: 4}
	boolean8  = &Type{Form: Bool, Size: 1}
	natural   = &Type{Form: Int, Size: 4, High: math.MaxInt64} // a range of its own is the kernel's to judge
	octet     = &Type{Form: Int, Size: 4, High: math.MaxUint8}
	bytesType = &Type{Form: Binary}
	inetType  = &Type{Form: Inet, Size: 4}
	inet6Type = &Type{Form: Inet6, Size: 16}
	inetOrAny = &Type{Form: Inet, Size: 4, Names: []Name{{"any", 0}}}
	ifindexT  = &Type{Form: Network, Size: 4}
	cmsgChain = &Type{Form: Control}
	storage   = &Type{Form: Address, Size: sizeAny}
	ifname    = &Type{Form: Chars, Size: unix.IFNAMSIZ}

	timeval = timevalOf(long)
	// The options that are named _new have integers of 64 bits in theirs on every system.
	timeval64 = func() *Type {
		if unix.SizeofLong == 8 {
			return timeval
		}
		return timevalOf(&Type{Form: Int, Size: 8})
	}()
	ucred = &Type{Form: Struct, Size: unix.SizeofUcred, Fields: []Field{
		{Name: "pid", Type: int32Type}, {Name: "uid", Offset: 4, Type: uint32T}, {Name: "gid", Offset: 8, Type: uint32T},
	}}
	groupRequest = &Type{Form: Struct, Size: storageEnd, Fields: []Field{ // struct group_req
		{Name: "interface", Type: uint32T}, {Name: "group", Offset: storageAt, Type: storage},
	}}

	domains   = &Type{Form: Named, Size: 4, Names: Domains}
	types     = &Type{Form: Named, Size: 4, Names: slices.Concat(Types, []Name{{"rdm", unix.SOCK_RDM}})}
	protocols = &Type{Form: Named, Size: 4, Names: []Name{
		{"default", 0},
		{"icmp", unix.IPPROTO_ICMP},
		{"igmp", unix.IPPROTO_IGMP},
		{"tcp", unix.IPPROTO_TCP},
		{"udp", unix.IPPROTO_UDP},
		{"sctp", unix.IPPROTO_SCTP},
		{"raw", unix.IPPROTO_RAW},
	}}

	// The four services of RFC 1349; the two low bits are not theirs.
	serviceTypes = []Name{{"lowdelay", 0x10}, {"throughput", 0x08}, {"reliability", 0x04}, {"mincost", 0x02}}
	tos          = &Type{Form: Enum, Size: 4, Names: serviceTypes}
	pathMTU      = &Type{Form: Enum, Size: 4, Names: []Name{
		{"want", unix.IP_PMTUDISC_WANT}, {"dont", unix.IP_PMTUDISC_DONT}, {"do", unix.IP_PMTUDISC_DO}, {"probe", unix.IP_PMTUDISC_PROBE},
	}}
	hops = &Type{Form: Enum, Size: 4, High: math.MaxUint8, Names: []Name{{"default", -1}}}
)
