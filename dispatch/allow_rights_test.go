package dispatch

import (
	"testing"

	"golang.org/x/sys/unix"
)

// received makes a socket beside the server, as another program does, and passes it to the server; the last call opens it.
func received(domain, typ int, prepare func(t *testing.T, fd int)) func(*testing.T, *client) []byte {
	return receivedAs(domain, typ, 0, prepare)
}

func receivedAs(domain, typ, proto int, prepare func(t *testing.T, fd int)) func(*testing.T, *client) []byte {
	return func(t *testing.T, c *client) []byte {
		fd, err := unix.Socket(domain, typ|unix.SOCK_CLOEXEC, proto)
		must(t, err)
		defer unix.Close(fd)
		if prepare != nil {
			prepare(t, fd)
		}
		return passed(t, c, fd)
	}
}

// passed is a descriptor that came with a message, about to be opened.
func passed(t *testing.T, c *client, fd int) []byte {
	t.Helper()
	dir := t.TempDir()
	l := c.open("local", "stream")
	c.do(tuple("bind", l, dict{"family": atom("local"), "path": dir + "/s"}))
	c.want(c.do(tuple("listen", l, 5)), "ok")
	friend, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(friend)
	must(t, unix.Connect(friend, &unix.SockaddrUnix{Name: dir + "/s"}))
	s := c.socketOf(c.replyTerm(c.call(tuple("accept", l, 1, atom("infinity"), none))))
	must(t, unix.Sendmsg(friend, []byte("x"), unix.UnixRights(fd), nil, 0))
	got := rightsIn(t, c.replyTerm(c.call(recvmsg(s, 1, 0))))
	return openFD(1, got[0], noDup)
}

func connectedTo(t *testing.T, fd int) {
	t.Helper()
	must(t, unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 4711}))
}

var descriptorBorders = []border{
	{
		name: "a received descriptor", guards: []string{"openfd"}, refuse: []string{"descriptors=vm"}, rule: "descriptors", allow: []string{"descriptors=received"},
		calls: received(unix.AF_INET, unix.SOCK_DGRAM, nil),
	},
	{
		name: "the domain of a received descriptor", refuse: []string{"domains=local"}, rule: "domains", allow: []string{"domains=local", "domains=inet"},
		calls: received(unix.AF_INET, unix.SOCK_DGRAM, nil),
	},
	{
		name: "the type of a received descriptor", refuse: []string{"types=stream"}, rule: "types", allow: []string{"types=stream", "types=dgram"},
		calls: received(unix.AF_INET, unix.SOCK_DGRAM, nil),
	},
	{
		name: "the protocol of a received descriptor", refuse: []string{"protocols=tcp"}, rule: "protocols", allow: []string{"protocols=udp"},
		calls: received(unix.AF_INET, unix.SOCK_DGRAM, nil),
	},
	{
		name: "the peer of a received descriptor", refuse: []string{"remote_ports=80"}, rule: "remote_ports", allow: []string{"remote_ports=4711", "local_ports"},
		calls: received(unix.AF_INET, unix.SOCK_DGRAM, connectedTo),
	},
	{
		name: "the address of a received descriptor", refuse: []string{"local_addresses=127.0.0.2"}, rule: "local_addresses", allow: []string{"local_addresses=127.0.0.1"},
		calls: received(unix.AF_INET, unix.SOCK_DGRAM, func(t *testing.T, fd int) {
			must(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
		}),
	},
	{
		name: "listen of a received descriptor that nobody has bound", refuse: []string{"local_ports=80"}, rule: "local_ports", allow: []string{"local_ports=0"},
		calls: func(t *testing.T, c *client) []byte {
			last := received(unix.AF_INET, unix.SOCK_STREAM, nil)(t, c)
			return tuple("listen", c.socketOf(c.replyTerm(c.call(last))), 5)
		},
	},
	{
		name: "listen of a received descriptor", refuse: []string{"local_addresses=127.0.0.1"}, rule: "local_addresses", allow: []string{"local_addresses=0.0.0.0"},
		calls: func(_ *testing.T, c *client) []byte {
			s := c.open("inet", "stream")
			return tuple("listen", c.openedFD(c.fd(s), dict{}), 5)
		},
	},
	{
		name: "a domain that no rule is about", refuse: []string{"remote_ports=80"}, rule: "remote_ports", allow: []string{"domains=local", "domains=16", "remote_ports=80"},
		calls: received(unix.AF_NETLINK, unix.SOCK_RAW, nil),
	},
}

var privilegedBorders = []border{
	{
		name: "a namespace", refuse: []string{"namespaces=blue"}, rule: "namespaces", allow: []string{"namespaces=/proc/self/ns/net"},
		calls: opening("inet", "stream", atom("default"), dict{"netns": "/proc/self/ns/net"}),
	},
	{
		name: "a received descriptor of another namespace", refuse: []string{"namespaces"}, rule: "namespaces",
		calls: func(t *testing.T, c *client) []byte {
			must(t, unix.Unshare(unix.CLONE_NEWNET)) // the server stays
			return received(unix.AF_INET, unix.SOCK_DGRAM, nil)(t, c)
		},
	},
	{
		name: "a raw socket, which has no ports", refuse: []string{"remote_ports=80"}, rule: "remote_ports", allow: []string{"remote_ports=80", "types=raw"},
		calls: opening("inet", "raw", atom("icmp"), dict{}),
	},
	{
		name: "a raw socket's protocol", refuse: []string{"types=raw", "protocols=icmp"}, rule: "protocols", allow: []string{"protocols=253"},
		calls: opening("inet6", "raw", rawProtocol(253), dict{}),
	},
	{
		name: "a raw socket whose packets have any address", refuse: []string{"types=raw", "local_addresses=127.0.0.1"}, rule: "local_addresses",
		allow: []string{"types=raw", "protocols=raw"}, calls: opening("inet", "raw", atom("raw"), dict{}),
	},
	{
		name: "hdrincl", guards: []string{"IP_HDRINCL"}, refuse: []string{"protocols=icmp"}, rule: "protocols", allow: []string{"protocols=icmp", "protocols=raw"},
		calls: onRaw("inet", atom("icmp"), setByNumber(unix.SOL_IP, unix.IP_HDRINCL, []byte{1})),
	},
	{
		name: "hdrincl of IPv6", guards: []string{"IPV6_HDRINCL"}, refuse: []string{"remote_addresses=::1"}, rule: "remote_addresses", allow: []string{"types=raw"},
		calls: onRaw("inet6", rawProtocol(58), setByNumber(unix.SOL_IPV6, unix.IPV6_HDRINCL, wordLE(1))),
	},
	{
		name: "hdrincl of IPv6 by the level of raw sockets", refuse: []string{"remote_addresses=::1"}, rule: "remote_addresses", allow: []string{"types=raw"},
		calls: onRaw("inet6", rawProtocol(58), setByNumber(unix.SOL_RAW, unix.IPV6_HDRINCL, wordLE(1))),
	},
	{
		name: "a raw socket's destination", refuse: []string{"types=raw", "remote_addresses=127.0.0.2"}, rule: "remote_addresses", allow: []string{"remote_addresses=127.0.0.1"},
		calls: onRaw("inet", rawProtocol(253), func(_ *client, s uint64) []byte {
			return tuple("sendto", s, 1, inet4([4]byte{127, 0, 0, 1}, 0), none, 0, none, 1, "x")
		}),
	},
	{
		name: "a packet socket beside rules about addresses", refuse: []string{"remote_addresses=127.0.0.0/8"}, rule: "remote_addresses",
		allow: []string{"domains=packet", "remote_addresses=127.0.0.0/8"}, calls: opening("packet", "dgram", rawProtocol(0x88b5), dict{}),
	},
	{
		name: "a packet socket at all devices", refuse: []string{"devices=lo"}, rule: "devices", allow: []string{"domains=packet"},
		calls: opening("packet", "raw", rawProtocol(3), dict{}),
	},
	{
		name: "a packet socket that is bound to all devices", refuse: []string{"devices=lo"}, rule: "devices",
		calls: onRaw("packet", rawProtocol(0), func(_ *client, s uint64) []byte {
			return tuple("bind", s, dict{"family": atom("packet"), "protocol": 3, "ifindex": 0})
		}),
	},
	{
		name: "a packet socket's device", refuse: nowhere, rule: "devices", allow: []string{"devices=lo"},
		calls: onRaw("packet", rawProtocol(0), func(_ *client, s uint64) []byte {
			return tuple("bind", s, dict{"family": atom("packet"), "protocol": 3, "ifindex": 1})
		}),
	},
	{
		name: "where a packet socket sends", refuse: nowhere, rule: "devices", allow: []string{"devices=lo"},
		calls: onRaw("packet", rawProtocol(0), func(_ *client, s uint64) []byte {
			there := dict{"family": atom("packet"), "protocol": 0x88b5, "ifindex": 1, "addr": "\x00\x00\x00\x00\x00\x00"}
			return tuple("sendto", s, 1, there, none, 0, none, 20, "12345678901234567890")
		}),
	},
	{
		name: "membership of a packet socket", guards: []string{"PACKET_ADD_MEMBERSHIP"}, refuse: nowhere, rule: "devices", allow: []string{"devices=lo"},
		calls: onRaw("packet", rawProtocol(0), setByNumber(unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, padded(16, wordLE(1), []byte{1}))),
	},
}

func onRaw(domain string, proto any, call func(c *client, s uint64) []byte) func(*testing.T, *client) []byte {
	return func(_ *testing.T, c *client) []byte {
		return call(c, c.socketOf(c.replyTerm(c.call(tuple("open", 1, atom(domain), atom("raw"), proto, dict{})))))
	}
}
