package socketcore

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An Option is one row of the tables in option_*.go: all that set, get, probing, the
// reference of options and the tests know about a socket option.
//
// Rows of one level that share a name are alternatives: the first that can be read
// answers a get, and the first whose type takes the value is set.
type Option struct {
	Name   string
	Number int
	Type   *Type
	Flags  OptionFlags
	On     Sort   // a kind of socket that has the option
	Note   string // for the reference: units, and what is special
	Level  *Level
	Next   *Option // the next row of the same name
}

// OptionFlags says what is special about an option.
type OptionFlags uint8

const (
	// NoSet marks what can only be read.
	NoSet OptionFlags = 1 << iota
	// NoGet marks what can only be set.
	NoGet
	// Absent marks what other systems have and Linux has not.
	Absent
	// Unknown marks what is absent and not even known by name to get and set.
	Unknown
	// Extra marks what the man page of the API does not name.
	Extra
	// Refused marks what Linux has a number for and answers enoprotoopt to, always.
	Refused
	// Headless marks what the kernel answers with a length that leaves out the fields
	// in front of a list.
	Headless
)

// absent is the mark and the number of an option that Linux has not.
const (
	absent   = Absent | NoSet | NoGet
	noNumber = -1
)

// A Level is a protocol level with its options.
type Level struct {
	Name    string
	Number  int
	Options []Option
	byName  map[string]*Option
}

// Levels are the levels that have a name, in the order of the API's lists.
var Levels = []*Level{
	level("socket", unix.SOL_SOCKET, socketOptions),
	level("ip", unix.SOL_IP, ipOptions),
	level("ipv6", unix.SOL_IPV6, ipv6Options),
	level("tcp", unix.SOL_TCP, tcpOptions),
	level("udp", unix.SOL_UDP, udpOptions),
	level("sctp", SolSCTP, sctpOptions),
	level("packet", unix.SOL_PACKET, packetOptions),
}

func level(name string, number int, options []Option) *Level {
	l := &Level{Name: name, Number: number, Options: options, byName: make(map[string]*Option, len(options))}
	for i := range options {
		o := &options[i]
		o.Level = l
		if first := l.byName[o.Name]; first == nil {
			l.byName[o.Name] = o
		} else {
			first.Next = o
		}
	}
	return l
}

// LevelNamed returns the level of a name, or nil.
func LevelNamed(name []byte) *Level {
	for _, l := range Levels {
		if l.Name == string(name) {
			return l
		}
	}
	return nil
}

// Option returns the first row of a name, or nil.
func (l *Level) Option(name []byte) *Option {
	if o := l.byName[string(name)]; o != nil && o.Flags&Unknown == 0 {
		return o
	}
	return nil
}

// IsFirst tells whether a row of the level is the first of its name.
func (l *Level) IsFirst(o *Option) bool { return l.byName[o.Name] == o }

// Readable returns the first row from o on that answers a get, or nil.
func (o *Option) Readable() *Option { return o.without(NoGet) }

// Settable returns the first row from o on that can be set, or nil.
func (o *Option) Settable() *Option { return o.without(NoSet) }

func (o *Option) without(flag OptionFlags) *Option {
	for o != nil && o.Flags&flag != 0 {
		o = o.Next
	}
	return o
}

// Setsockopt is setsockopt(2). It may wait for locks of the kernel (a membership takes
// the one of the routing tables, an algorithm may be loaded as a module), so the Go
// scheduler is told.
func Setsockopt(fd, level, number int, value []byte) syscall.Errno {
	if e := fault("setsockopt", fd); e != 0 {
		return e
	}
	_, _, e := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(number),
		uintptr(unsafe.Pointer(unsafe.SliceData(value))), uintptr(len(value)), 0)
	return e
}

// Getsockopt is getsockopt(2) and returns how many bytes of value the kernel answered
// with. What value holds before is input to some options. A nil value goes as NULL.
func Getsockopt(fd, level, number int, value []byte) (int, syscall.Errno) {
	if e := fault("getsockopt", fd); e != 0 {
		return 0, e
	}
	size := uint32(len(value))
	_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(number),
		uintptr(unsafe.Pointer(unsafe.SliceData(value))), uintptr(unsafe.Pointer(&size)), 0)
	if e != 0 {
		return 0, e
	}
	return min(int(size), len(value)), 0
}

// DescriptorIn returns the part of the value of an option that is a new descriptor of this
// program; gives tells whether the option gives one.
func DescriptorIn(level, number int, value []byte) (part []byte, gives bool) {
	at := 0
	switch {
	case level == unix.SOL_SOCKET && number == unix.SO_PEERPIDFD:
	case level == SolSCTP && (number == sctpPeeloff || number == sctpPeeloffFlags):
		at = 4
	default:
		return nil, false
	}
	if len(value) < at+4 {
		return nil, true
	}
	return value[at : at+4], true
}
