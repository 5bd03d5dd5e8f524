package dispatch

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

var socketBorders = []border{
	{
		name: "a domain", guards: []string{"open"}, refuse: []string{"domains=inet6"}, rule: "domains", allow: []string{"domains=inet"},
		calls: opening("inet", "stream", atom("default"), dict{}),
	},
	{
		name: "all domains", refuse: []string{"domains"}, rule: "domains", allow: []string{"domains=2"},
		calls: opening("inet", "stream", atom("default"), dict{}),
	},
	{
		name: "a type", refuse: []string{"types=dgram"}, rule: "types", allow: []string{"types=stream"},
		calls: opening("local", "stream", atom("default"), dict{}),
	},
	{
		name: "a protocol by default", refuse: []string{"protocols=udp"}, rule: "protocols", allow: []string{"protocols=tcp"},
		calls: opening("inet6", "stream", atom("default"), dict{}),
	},
	{
		name: "a protocol by number", refuse: []string{"protocols=tcp"}, rule: "protocols", allow: []string{"protocols=262"},
		calls: opening("inet", "stream", rawProtocol(262), dict{}),
	},
}

var addressBorders = []border{
	{
		name: "bind to a port", guards: []string{"bind"}, refuse: []string{"local_ports=80", "local_ports=4712-4720"}, rule: "local_ports",
		allow: []string{"local_ports=4700-4711"},
		calls: on("inet", "dgram", func(_ *client, s uint64) []byte { return tuple("bind", s, one) }),
	},
	{
		name: "bind to a port of the kernel's choice", refuse: []string{"local_ports=4711"}, rule: "local_ports", allow: []string{"local_ports=0"},
		calls: on("inet", "dgram", func(_ *client, s uint64) []byte { return tuple("bind", s, loopback) }),
	},
	{
		name: "bind to an address", refuse: []string{"local_addresses=127.0.0.2", "local_addresses=::1"}, rule: "local_addresses",
		allow: []string{"local_addresses=127.0.0.0/24"},
		calls: on("inet", "dgram", func(_ *client, s uint64) []byte { return tuple("bind", s, one) }),
	},
	{
		name: "bind to any address", refuse: []string{"local_addresses=127.0.0.1"}, rule: "local_addresses", allow: []string{"local_addresses=0.0.0.0"},
		calls: on("inet", "stream", func(_ *client, s uint64) []byte { return tuple("bind", s, atom("any")) }),
	},
	{
		name: "bind to an address of IPv4 as one of IPv6", refuse: []string{"local_addresses=::/0"}, rule: "local_addresses",
		allow: []string{"local_addresses=127.0.0.1"},
		calls: on("inet6", "dgram", func(_ *client, s uint64) []byte { return tuple("bind", s, mapped) }),
	},
	{
		name: "bind to a path", refuse: []string{"paths=/tmp/elsewhere/*"}, rule: "paths", allow: []string{"paths=/*"},
		calls: func(t *testing.T, c *client) []byte {
			return tuple("bind", c.open("local", "stream"), dict{"family": atom("local"), "path": t.TempDir() + "/s"})
		},
	},
	{
		name: "bind to a path that climbs", refuse: []string{"paths=/tmp/*"}, rule: "paths",
		calls: func(t *testing.T, c *client) []byte {
			return tuple("bind", c.open("local", "stream"), dict{"family": atom("local"), "path": "/tmp/../" + t.TempDir() + "/s"})
		},
	},
	{
		name: "bind to an abstract name", refuse: []string{"paths=/*", "paths=@other"}, rule: "paths", allow: []string{"paths=@gosocket*"},
		calls: on("local", "stream", func(c *client, s uint64) []byte {
			return tuple("bind", s, dict{"family": atom("local"), "path": fmt.Sprintf("\x00gosocket-%p", c)})
		}),
	},
	{
		name: "listen at a port of the kernel's choice", guards: []string{"listen"}, refuse: []string{"local_ports=4711"}, rule: "local_ports",
		allow: []string{"local_ports=0", "local_addresses=0.0.0.0"},
		calls: on("inet", "stream", func(_ *client, s uint64) []byte { return tuple("listen", s, 5) }),
	},
	{
		name: "listen at any address", refuse: []string{"local_addresses=::1"}, rule: "local_addresses", allow: []string{"local_addresses=::"},
		calls: on("inet6", "stream", func(_ *client, s uint64) []byte { return tuple("listen", s, 5) }),
	},
	{
		name: "connect to a port", guards: []string{"connect"}, refuse: []string{"remote_ports=80"}, rule: "remote_ports",
		allow: []string{"remote_ports=80", "remote_ports=4711", "remote_addresses=127.0.0.1"},
		calls: on("inet", "stream", func(_ *client, s uint64) []byte { return tuple("connect", s, 1, one, atom("infinity"), none) }),
	},
	{
		name: "connect that waits in nobody", refuse: []string{"remote_ports=80"}, rule: "remote_ports",
		calls: on("inet", "stream", func(_ *client, s uint64) []byte { return tuple("connect", s, 1, one, atom("nowait"), 7) }),
	},
	{
		name: "connect to any address", refuse: []string{"remote_addresses=127.0.0.2/32"}, rule: "remote_addresses",
		calls: on("inet", "dgram", func(_ *client, s uint64) []byte {
			return tuple("connect", s, 1, inet4([4]byte{}, 4711), atom("infinity"), none)
		}),
	},
	{
		name: "connect to an address of IPv4 as one of IPv6", refuse: []string{"remote_addresses=::/0"}, rule: "remote_addresses",
		allow: []string{"remote_addresses=127.0.0.0/8"},
		calls: on("inet6", "dgram", func(_ *client, s uint64) []byte { return tuple("connect", s, 1, mapped, atom("infinity"), none) }),
	},
	{
		name: "connect to an address of IPv4 from a socket of IPv6", refuse: []string{"remote_addresses=::/0"}, rule: "remote_addresses",
		allow: []string{"remote_addresses=127.0.0.0/8"},
		calls: on("inet6", "dgram", func(_ *client, s uint64) []byte { return tuple("connect", s, 1, one, atom("infinity"), none) }),
	},
	{
		// The kernel makes it one of the machine, of IPv4 as well when the socket is bound to one of those.
		name: "connect to the unspecified address of IPv6", refuse: []string{"remote_addresses=::/0"}, rule: "remote_addresses",
		allow: []string{"remote_addresses=::/0", "remote_addresses=0.0.0.0/0"},
		calls: on("inet6", "dgram", func(_ *client, s uint64) []byte { return tuple("connect", s, 1, unspecified, atom("infinity"), none) }),
	},
	{
		name: "send to the unspecified address of IPv6", refuse: []string{"remote_addresses=::/128", "remote_addresses=0.0.0.0/0"}, rule: "remote_addresses",
		allow: []string{"remote_addresses=::/0", "remote_addresses=0.0.0.0/0"},
		calls: on("inet6", "dgram", func(_ *client, s uint64) []byte {
			return tuple("sendto", s, 1, unspecified, none, 1000, none, 1, "x")
		}),
	},
	{
		name: "connect to the unspecified address of IPv4", refuse: []string{"remote_addresses=0.0.0.0/32"}, rule: "remote_addresses",
		allow: []string{"remote_addresses=0.0.0.0/0"},
		calls: on("inet", "stream", func(_ *client, s uint64) []byte {
			return tuple("connect", s, 1, inet4([4]byte{}, 4711), atom("infinity"), none)
		}),
	},
	{
		name: "connect by a device", refuse: nowhere, rule: "devices", allow: []string{"devices=lo"},
		calls: on("inet6", "dgram", func(_ *client, s uint64) []byte {
			there := dict{"family": atom("inet6"), "addr": words(0xff01, 0, 0, 0, 0, 0, 0, 1), "port": 4711, "scope_id": 1}
			return tuple("connect", s, 1, there, atom("infinity"), none)
		}),
	},
	{
		name: "connect to a path", refuse: []string{"paths=/tmp/elsewhere"}, rule: "paths", allow: []string{"paths=/tmp/nothing/here"},
		calls: on("local", "stream", func(_ *client, s uint64) []byte {
			return tuple("connect", s, 1, dict{"family": atom("local"), "path": "/tmp/nothing/here"}, atom("infinity"), none)
		}),
	},
	{
		name: "sendto", guards: []string{"sendto"}, refuse: []string{"remote_ports=53"}, rule: "remote_ports",
		allow: []string{"remote_ports=1-65535"}, calls: sendingTo("inet"), effect: nothingCame,
	},
	{
		name: "connect with fast open", refuse: []string{"remote_addresses=10.0.0.0/8"}, rule: "remote_addresses",
		allow: []string{"remote_addresses=127.0.0.1"},
		calls: on("inet", "stream", func(c *client, s uint64) []byte {
			c.want(c.do(tuple("setopt", s, 1, atom("tcp"), atom("fastopen_connect"), atom("true"))), "ok")
			return tuple("connect", s, 1, one, atom("infinity"), none)
		}),
	},
	{
		name: "sendto of a stream", refuse: []string{"remote_ports=443"}, rule: "remote_ports", allow: []string{"remote_ports=4711"},
		calls: on("inet", "stream", func(_ *client, s uint64) []byte { return tuple("sendto", s, 1, one, none, 1000, none, 1, "x") }),
	},
	{
		name: "sendmsg", guards: []string{"sendmsg"}, refuse: []string{"remote_addresses=10.0.0.0/8"}, rule: "remote_addresses",
		allow: []string{"remote_addresses=::1"},
		calls: on("inet6", "dgram", func(_ *client, s uint64) []byte { return tuple("sendmsg", s, 1, one6, none, none, 0, none, 1, "x") }),
	},
	{
		name: "sendto to a path", refuse: []string{"paths"}, rule: "paths", allow: []string{"paths=/tmp/nothing/*"},
		calls: on("local", "dgram", func(_ *client, s uint64) []byte {
			return tuple("sendto", s, 1, dict{"family": atom("local"), "path": "/tmp/nothing/here"}, none, 0, none, 1, "x")
		}),
	},
}

// reader is the socket that the datagrams of a border would come to.
var reader uint64

func sendingTo(domain string) func(*testing.T, *client) []byte {
	return func(_ *testing.T, c *client) []byte {
		reader = c.open(domain, "dgram")
		c.do(tuple("bind", reader, loopback))
		return tuple("sendto", c.open(domain, "dgram"), 1, to(c.port(reader)), none, atom("infinity"), none, 1, "x")
	}
}

func nothingCame(_ *testing.T, c *client) {
	c.want(c.do(recv(reader, 1, 0, 0)), "{error,timeout}")
}

var optionBorders = []border{
	{
		name: "bindtodevice", guards: []string{"setopt", "SO_BINDTODEVICE"}, refuse: nowhere, rule: "devices", allow: []string{"devices=lo"},
		calls: on("inet", "dgram", func(_ *client, s uint64) []byte {
			return tuple("setopt", s, 1, atom("socket"), atom("bindtodevice"), "lo")
		}),
	},
	{
		name: "bindtodevice by number", refuse: nowhere, rule: "devices", allow: []string{"devices=lo"},
		calls: on("inet", "dgram", setByNumber(unix.SOL_SOCKET, unix.SO_BINDTODEVICE, []byte("lo\x00nowhere9"))),
	},
	{
		name: "bindtoifindex", guards: []string{"SO_BINDTOIFINDEX"}, refuse: nowhere, rule: "devices", allow: []string{"devices=lo"},
		calls: on("inet6", "dgram", setByNumber(unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, wordLE(1))),
	},
	{
		name: "options of IPv4", guards: []string{"IP_OPTIONS"}, refuse: []string{"remote_addresses=127.0.0.1"}, rule: "remote_addresses",
		calls: on("inet", "dgram", setByNumber(unix.SOL_IP, unix.IP_OPTIONS, []byte{131, 7, 4, 127, 0, 0, 9, 0})),
	},
	{
		name: "multicast_if by address", guards: []string{"IP_MULTICAST_IF"}, refuse: []string{"devices=lo"}, rule: "devices",
		calls: on("inet", "dgram", setByNumber(unix.SOL_IP, unix.IP_MULTICAST_IF, home4)),
	},
	{
		name: "multicast_if by index", refuse: nowhere, rule: "devices", allow: []string{"devices=lo"},
		calls: on("inet", "dgram", setByNumber(unix.SOL_IP, unix.IP_MULTICAST_IF, padded(12, make([]byte, 8), wordLE(1)))),
	},
	{
		name: "unicast_if", guards: []string{"IP_UNICAST_IF"}, refuse: nowhere, rule: "devices", allow: []string{"devices=lo"},
		calls: on("inet", "dgram", setByNumber(unix.SOL_IP, unix.IP_UNICAST_IF, wordBE(1))),
	},
	{
		name: "add_membership", guards: []string{"IP_ADD_MEMBERSHIP"}, refuse: []string{"local_addresses=127.0.0.0/8"}, rule: "local_addresses",
		allow: []string{"local_addresses=224.0.0.0/24"},
		calls: on("inet", "dgram", func(_ *client, s uint64) []byte {
			group := dict{"multiaddr": octets([4]byte{224, 0, 0, 99}), "interface": octets([4]byte{127, 0, 0, 1})}
			return tuple("setopt", s, 1, atom("ip"), atom("add_membership"), group)
		}),
	},
	{
		name: "add_membership by index", refuse: nowhere, rule: "devices", allow: []string{"devices=lo"},
		calls: on("inet", "dgram", setByNumber(unix.SOL_IP, unix.IP_ADD_MEMBERSHIP, padded(12, multicast4, make([]byte, 4), wordLE(1)))),
	},
	{
		name: "add_source_membership", guards: []string{"IP_ADD_SOURCE_MEMBERSHIP"}, refuse: nowhere, rule: "devices", allow: []string{"local_addresses=224.0.0.99"},
		calls: on("inet", "dgram", setByNumber(unix.SOL_IP, unix.IP_ADD_SOURCE_MEMBERSHIP, padded(12, multicast4, home4, []byte{127, 0, 0, 9}))),
	},
	{
		name: "mcast_join_group", guards: []string{"MCAST_JOIN_GROUP"}, refuse: nowhere, rule: "devices", allow: []string{"devices=lo", "local_addresses=224.0.0.99"},
		calls: on("inet", "dgram", setByNumber(unix.SOL_IP, unix.MCAST_JOIN_GROUP, groupReq(1, rawInet(multicast4, 0)))),
	},
	{
		name: "mcast_join_source_group", guards: []string{"MCAST_JOIN_SOURCE_GROUP"}, refuse: []string{"local_addresses=127.0.0.1", "options=0:46"},
		rule: "local_addresses", allow: []string{"local_addresses=224.0.0.99"},
		calls: on("inet", "dgram", setByNumber(unix.SOL_IP, unix.MCAST_JOIN_SOURCE_GROUP,
			groupReq(1, rawInet(multicast4, 0), rawInet([]byte{127, 0, 0, 9}, 0)))),
	},
	{
		name: "local_port_range", guards: []string{"IP_LOCAL_PORT_RANGE"}, refuse: []string{"local_ports=40000-40010"}, rule: "local_ports",
		allow: []string{"local_ports=40000-40011"},
		calls: on("inet", "stream", setByNumber(unix.SOL_IP, unix.IP_LOCAL_PORT_RANGE, wordLE(40000|40011<<16))),
	},
	{
		name: "addrform", guards: []string{"IPV6_ADDRFORM"}, refuse: []string{"domains=inet6"}, rule: "domains", allow: []string{"domains=inet6", "domains=inet"},
		calls: on("inet6", "dgram", func(c *client, s uint64) []byte {
			c.want(c.do(tuple("connect", s, 1, mapped, atom("infinity"), none)), "ok")
			return tuple("setopt", s, 1, unix.SOL_IPV6, unix.IPV6_ADDRFORM, wordLE(unix.AF_INET))
		}),
	},
	{
		name: "pktinfo", guards: []string{"IPV6_PKTINFO"}, refuse: []string{"local_addresses=::2"}, rule: "local_addresses", allow: []string{"local_addresses=::1"},
		calls: on("inet6", "dgram", setByNumber(unix.SOL_IPV6, unix.IPV6_PKTINFO, padded(20, home6))),
	},
	{
		name: "pktoptions", guards: []string{"IPV6_2292PKTOPTIONS"}, refuse: []string{"remote_addresses=::1"}, rule: "remote_addresses",
		calls: on("inet6", "dgram", setByNumber(unix.SOL_IPV6, unix.IPV6_2292PKTOPTIONS, make([]byte, 64))),
	},
	{
		name: "rthdr", guards: []string{"IPV6_RTHDR"}, refuse: []string{"remote_addresses=::1"}, rule: "remote_addresses",
		calls: on("inet6", "dgram", setByNumber(unix.SOL_IPV6, unix.IPV6_RTHDR, padded(24, []byte{0, 2, 2, 1, 0, 0, 0, 0}, home6))),
	},
	{
		name: "flowlabel_mgr", guards: []string{"IPV6_FLOWLABEL_MGR"}, refuse: []string{"remote_addresses=::1"}, rule: "remote_addresses",
		calls: on("inet6", "dgram", setByNumber(unix.SOL_IPV6, 32, padded(64, home6))),
	},
	{
		name: "multicast_if of IPv6", guards: []string{"IPV6_MULTICAST_IF"}, refuse: nowhere, rule: "devices", allow: []string{"devices=lo"},
		calls: on("inet6", "dgram", setByNumber(unix.SOL_IPV6, unix.IPV6_MULTICAST_IF, wordLE(1))),
	},
	{
		name: "unicast_if of IPv6", guards: []string{"IPV6_UNICAST_IF"}, refuse: nowhere, rule: "devices", allow: []string{"devices=lo"},
		calls: on("inet6", "dgram", setByNumber(unix.SOL_IPV6, unix.IPV6_UNICAST_IF, wordBE(1))),
	},
	{
		name: "join_group", guards: []string{"IPV6_JOIN_GROUP"}, refuse: []string{"local_addresses=::1"}, rule: "local_addresses",
		allow: []string{"local_addresses=ff01::/16", "devices=lo"},
		calls: on("inet6", "dgram", setByNumber(unix.SOL_IPV6, unix.IPV6_JOIN_GROUP, padded(20, multicast6, wordLE(1)))),
	},
	{
		name: "join_anycast", guards: []string{"IPV6_JOIN_ANYCAST"}, refuse: nowhere, rule: "devices",
		calls: on("inet6", "dgram", setByNumber(unix.SOL_IPV6, unix.IPV6_JOIN_ANYCAST, padded(20, multicast6, wordLE(1)))),
	},
	{
		name: "mcast_join_group of IPv6", guards: []string{"MCAST_JOIN_GROUP"}, refuse: []string{"local_addresses=::1"}, rule: "local_addresses",
		allow: []string{"local_addresses=ff01::99"},
		calls: on("inet6", "dgram", setByNumber(unix.SOL_IPV6, unix.MCAST_JOIN_GROUP, groupReq(1, rawInet6(multicast6)))),
	},
	{
		name: "mcast_join_source_group of IPv6", guards: []string{"MCAST_JOIN_SOURCE_GROUP"}, refuse: nowhere, rule: "devices",
		calls: on("inet6", "dgram", setByNumber(unix.SOL_IPV6, unix.MCAST_JOIN_SOURCE_GROUP, groupReq(1, rawInet6(multicast6), rawInet6(home6)))),
	},
	{
		name: "an upper-layer protocol", guards: []string{"TCP_ULP"}, refuse: []string{"protocols=tcp"}, rule: "protocols",
		allow: []string{"protocols=tcp", "upper_layers=tls"}, calls: layering("tls"),
	},
	{
		name: "another upper-layer protocol", refuse: []string{"upper_layers=tls"}, rule: "upper_layers", allow: []string{"upper_layers=smc"},
		calls: layering("smc"),
	},
	{
		name: "encapsulation", guards: []string{"UDP_ENCAP"}, refuse: []string{"upper_layers=tls"}, rule: "upper_layers", allow: []string{"upper_layers=udp_encap"},
		calls: on("inet", "dgram", setByNumber(unix.SOL_UDP, unix.UDP_ENCAP, wordLE(2))),
	},
	{
		name: "an option that nobody knows", refuse: []string{"domains=inet"}, rule: "options", allow: []string{"domains=inet", "options=0:17"},
		calls: on("inet", "dgram", setByNumber(unix.SOL_IP, unix.IP_XFRM_POLICY, make([]byte, 8))),
	},
}

func layering(name string) func(*testing.T, *client) []byte {
	return func(_ *testing.T, c *client) []byte {
		s, _ := c.pair()
		return tuple("setopt", s, 1, unix.SOL_TCP, unix.TCP_ULP, name)
	}
}

var messageBorders = []border{
	{
		name: "retopts", guards: []string{"IP_RETOPTS"}, refuse: []string{"remote_addresses=127.0.0.1"}, rule: "remote_addresses",
		calls: on("inet", "dgram", messaging(one, unix.SOL_IP, unix.IP_RETOPTS, []byte{1, 1, 1, 0})),
	},
	{
		name: "pktinfo of IPv4, the device", guards: []string{"IP_PKTINFO"}, refuse: nowhere, rule: "devices", allow: []string{"devices=lo"},
		calls: on("inet", "dgram", messaging(one, unix.SOL_IP, unix.IP_PKTINFO, padded(12, wordLE(1)))),
	},
	{
		name: "pktinfo of IPv4, the source", refuse: []string{"local_addresses=127.0.0.1"}, rule: "local_addresses", allow: []string{"local_addresses=127.0.0.2"},
		calls: on("inet", "dgram", messaging(one, unix.SOL_IP, unix.IP_PKTINFO, padded(12, make([]byte, 4), []byte{127, 0, 0, 2}))),
	},
	{
		name: "protocol of a header", guards: []string{"IP_PROTOCOL"}, refuse: []string{"protocols=udp"}, rule: "protocols", allow: []string{"protocols=udp", "protocols=89"},
		calls: on("inet", "dgram", messaging(one, unix.SOL_IP, unix.IP_PROTOCOL, wordLE(89))),
	},
	{
		name: "pktinfo of IPv6", guards: []string{"IPV6_PKTINFO"}, refuse: nowhere, rule: "devices", allow: []string{"devices=lo", "local_addresses=::1"},
		calls: on("inet6", "dgram", messaging(one6, unix.SOL_IPV6, unix.IPV6_PKTINFO, padded(20, home6, wordLE(1)))),
	},
	{
		name: "pktinfo of RFC 2292", guards: []string{"IPV6_2292PKTINFO"}, refuse: []string{"local_addresses=::2"}, rule: "local_addresses",
		allow: []string{"local_addresses=::1"},
		calls: on("inet6", "dgram", messaging(one6, unix.SOL_IPV6, unix.IPV6_2292PKTINFO, padded(20, home6))),
	},
	{
		name: "rthdr in a message", guards: []string{"IPV6_RTHDR"}, refuse: []string{"remote_addresses=::1"}, rule: "remote_addresses",
		calls: on("inet6", "dgram", messaging(one6, unix.SOL_IPV6, unix.IPV6_RTHDR, padded(24, []byte{0, 2, 2, 1}))),
	},
	{
		name: "rthdr of RFC 2292", guards: []string{"IPV6_2292RTHDR"}, refuse: []string{"remote_addresses=::1"}, rule: "remote_addresses",
		calls: on("inet6", "dgram", messaging(one6, unix.SOL_IPV6, unix.IPV6_2292RTHDR, padded(24, []byte{0, 2, 2, 1}))),
	},
}
