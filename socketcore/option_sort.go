package socketcore

import "golang.org/x/sys/unix"

// Sort is a kind of socket, as far as options differ by it.
type Sort uint8

// The kinds of sockets that the rows of the option tables name. A pair is a connected
// socket; its peer is kept open with it.
const (
	NoSort Sort = iota
	TCP
	TCP6
	TCPPair
	TCPMapped // an IPv6 socket connected to an IPv4 address
	UDP
	UDP6
	UDPPair
	UDP6Pair
	UnixStream
	UnixDgram
	UnixPair
	ICMP       // raw, IPv4
	RawIP6     // raw, IPv6, a protocol of its own
	RawHeader6 // raw, IPv6, IPPROTO_RAW
	PacketSocket
	SCTP
	SCTPMany // one-to-many
	SCTPPair
)

type sortArgs struct {
	name                  string
	domain, typ, protocol int
	pair                  bool
	peerDomain            int
}

var sorts = [...]sortArgs{
	TCP:          {name: "tcp4", domain: unix.AF_INET, typ: unix.SOCK_STREAM},
	TCP6:         {name: "tcp6", domain: unix.AF_INET6, typ: unix.SOCK_STREAM},
	TCPPair:      {name: "tcp4 connected", domain: unix.AF_INET, typ: unix.SOCK_STREAM, pair: true, peerDomain: unix.AF_INET},
	TCPMapped:    {name: "tcp6 connected to IPv4", domain: unix.AF_INET6, typ: unix.SOCK_STREAM, pair: true, peerDomain: unix.AF_INET},
	UDP:          {name: "udp4", domain: unix.AF_INET, typ: unix.SOCK_DGRAM},
	UDP6:         {name: "udp6", domain: unix.AF_INET6, typ: unix.SOCK_DGRAM},
	UDPPair:      {name: "udp4 connected", domain: unix.AF_INET, typ: unix.SOCK_DGRAM, pair: true, peerDomain: unix.AF_INET},
	UDP6Pair:     {name: "udp6 connected", domain: unix.AF_INET6, typ: unix.SOCK_DGRAM, pair: true, peerDomain: unix.AF_INET6},
	UnixStream:   {name: "local stream", domain: unix.AF_UNIX, typ: unix.SOCK_STREAM},
	UnixDgram:    {name: "local dgram", domain: unix.AF_UNIX, typ: unix.SOCK_DGRAM},
	UnixPair:     {name: "local stream connected", domain: unix.AF_UNIX, typ: unix.SOCK_STREAM, pair: true, peerDomain: unix.AF_UNIX},
	ICMP:         {name: "raw icmp", domain: unix.AF_INET, typ: unix.SOCK_RAW, protocol: unix.IPPROTO_ICMP},
	RawIP6:       {name: "raw ipv6 254", domain: unix.AF_INET6, typ: unix.SOCK_RAW, protocol: 254},
	RawHeader6:   {name: "raw ipv6 255", domain: unix.AF_INET6, typ: unix.SOCK_RAW, protocol: unix.IPPROTO_RAW},
	PacketSocket: {name: "packet", domain: unix.AF_PACKET, typ: unix.SOCK_RAW},
	SCTP:         {name: "sctp stream", domain: unix.AF_INET, typ: unix.SOCK_STREAM, protocol: unix.IPPROTO_SCTP},
	SCTPMany:     {name: "sctp seqpacket", domain: unix.AF_INET, typ: unix.SOCK_SEQPACKET, protocol: unix.IPPROTO_SCTP},
	SCTPPair:     {name: "sctp stream connected", domain: unix.AF_INET, typ: unix.SOCK_STREAM, protocol: unix.IPPROTO_SCTP, pair: true, peerDomain: unix.AF_INET},
}

func (s Sort) String() string { return sorts[s].name }

// Open opens a socket of the kind, for nothing but its options; done closes it and
// what it is connected to. Raw and packet sockets need CAP_NET_RAW.
func (s Sort) Open() (fd int, done func(), e Errno) {
	a := &sorts[s]
	if fd, e = sysSocket(a.domain, a.typ|unix.SOCK_CLOEXEC, a.protocol); e != 0 {
		return -1, nil, e
	}
	if !a.pair {
		return fd, func() { closeAll(fd) }, 0
	}
	peer, e := sysSocket(a.peerDomain, a.typ|unix.SOCK_CLOEXEC, a.protocol)
	if e != 0 {
		closeAll(fd)
		return -1, nil, e
	}
	if e = pair(fd, peer, a); e != 0 {
		closeAll(fd, peer)
		return -1, nil, e
	}
	return fd, func() { closeAll(fd, peer) }, 0
}

func closeAll(fds ...int) {
	for _, fd := range fds {
		sysClose(fd)
	}
}

// pair connects a socket to another one on loopback.
func pair(fd, peer int, a *sortArgs) Errno {
	var local, name Sockaddr
	switch a.peerDomain {
	case unix.AF_INET:
		local.SetInet([4]byte{127, 0, 0, 1}, 0)
	case unix.AF_INET6:
		local.SetInet6([16]byte{15: 1}, 0, 0, 0)
	default:
		local.set(FamilyLocal, sizeFamily) // the kernel chooses an abstract name (unix(7), autobind)
	}
	if e := sysBind(peer, &local); e != 0 {
		return e
	}
	if a.typ == unix.SOCK_STREAM {
		if e := sysListen(peer, 1); e != 0 {
			return e
		}
	}
	if e := sysName(unix.SYS_GETSOCKNAME, peer, &name); e != 0 {
		return e
	}
	if addr, port, ok := name.Inet(); ok && a.domain == unix.AF_INET6 {
		mapped := [16]byte{10: 0xff, 11: 0xff}
		copy(mapped[12:], addr[:])
		name.SetInet6(mapped, port, 0, 0)
	}
	return connectThrough(fd, &name)
}

// connectThrough connects a descriptor that waits for it. A signal of the Go runtime may break in: the connect
// goes on, and the next call tells how it ended.
func connectThrough(fd int, to *Sockaddr) Errno {
	e := sysConnect(fd, to)
	for e == unix.EINTR || e == unix.EALREADY {
		e = sysConnect(fd, to)
	}
	if e == unix.EISCONN {
		return 0
	}
	return e
}
