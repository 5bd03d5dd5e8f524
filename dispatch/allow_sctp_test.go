package dispatch

import (
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gosocket/socketcore"
)

func onSCTP(typ string, call func(c *client, s uint64) []byte) func(*testing.T, *client) []byte {
	return func(_ *testing.T, c *client) []byte {
		return call(c, c.socketOf(c.replyTerm(c.call(tuple("open", 1, atom("inet"), atom(typ), atom("sctp"), dict{})))))
	}
}

// encapsulatedAt is a struct sctp_udpencaps for all associations to come.
func encapsulatedAt(port int) []byte {
	return padded(int(unix.SizeofPtr)+136, make([]byte, int(unix.SizeofPtr)+128), []byte{byte(port >> 8), byte(port)})
}

var other4 = []byte{127, 0, 0, 2}

// manyPort is the port of the socket that many has made last, of those from 4712 on.
var manyPort uint16 = 4711

// many is an SCTP socket with many associations that the test has made itself, at these addresses of one port.
func many(t *testing.T, addrs ...[]byte) (fd int) {
	t.Helper()
	return ofSCTP(t, unix.SOCK_SEQPACKET, addrs...)
}

func ofSCTP(t *testing.T, typ int, addrs ...[]byte) (fd int) {
	t.Helper()
	manyPort++
	fd, err := unix.Socket(unix.AF_INET, typ|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	for _, addr := range addrs {
		must(t, unix.SetsockoptString(fd, socketcore.SolSCTP, 100, string(rawInet(addr, manyPort))))
	}
	return fd
}

// taken is the descriptor of the association that a socket of the server has with one of the test.
func taken(t *testing.T, c *client) []byte {
	t.Helper()
	s := c.socketOf(c.replyTerm(c.call(tuple("open", 1, atom("inet"), atom("seqpacket"), atom("sctp"), dict{}))))
	c.do(tuple("bind", s, loopback))
	c.want(c.do(tuple("listen", s, 5)), "ok")
	must(t, unix.Connect(many(t, home4), &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: c.port(s)}))
	id := 0
	eventually(t, "an association", func() bool {
		var err error
		id, err = strconv.Atoi(strings.Trim(c.do(tuple("getopt", s, atom("sctp"), atom("get_assoc_id_list"))), "{}[]ok,"))
		return err == nil
	})
	fd, err := strconv.Atoi(strings.Trim(c.do(tuple("getopt", s, atom("sctp"), rawTerm(tuple("peeloff", dict{"assoc_id": id})))), "{}ok,"))
	must(t, err)
	return openFD(1, fd, noDup)
}

var sctpBorders = []border{
	{
		name: "the protocol", refuse: []string{"protocols=tcp"}, rule: "protocols", allow: []string{"protocols=sctp"},
		calls: opening("inet", "stream", atom("sctp"), dict{}),
	},
	{
		name: "bind of one address", refuse: []string{"local_addresses=127.0.0.2"}, rule: "local_addresses", allow: []string{"local_addresses=127.0.0.1"},
		calls: onSCTP("stream", func(_ *client, s uint64) []byte { return tuple("bind", s, one) }),
	},
	{
		name: "bind of more addresses, the first of them", refuse: []string{"local_addresses=127.0.0.2"}, rule: "local_addresses",
		calls: onSCTP("seqpacket", func(_ *client, s uint64) []byte {
			return tuple("bind", s, []any{loopback, inet4([4]byte{127, 0, 0, 2}, 0)}, atom("add"))
		}),
	},
	{
		name: "listen behind binds that failed", refuse: []string{"local_ports=4711"}, rule: "local_ports", allow: []string{"local_ports=0", "local_ports=4711"},
		calls: onSCTP("seqpacket", func(c *client, s uint64) []byte {
			c.want(c.do(tuple("bind", s, []any{inet4([4]byte{192, 0, 2, 1}, 4711)}, atom("add"))), "{error,eaddrnotavail}")
			c.do(tuple("bind", s, []any{}, atom("add")))
			c.do(tuple("bind", s, []any{one}, atom("remove")))
			return tuple("listen", s, 5)
		}),
	},
	{
		name: "connect", refuse: []string{"remote_ports=80"}, rule: "remote_ports", allow: []string{"remote_ports=4711"},
		calls: onSCTP("stream", func(_ *client, s uint64) []byte { return tuple("connect", s, 1, one, 1000, none) }),
	},
	{
		name: "sendto a peer that there is not yet", refuse: []string{"remote_addresses=127.0.0.2"}, rule: "remote_addresses", allow: []string{"remote_addresses=127.0.0.1"},
		calls: onSCTP("seqpacket", func(_ *client, s uint64) []byte { return tuple("sendto", s, 1, one, none, 1000, none, 1, "x") }),
	},
	{
		name: "sendmsg to a peer that there is not yet", refuse: []string{"remote_ports=80"}, rule: "remote_ports", allow: []string{"remote_ports=4711"},
		calls: onSCTP("seqpacket", func(_ *client, s uint64) []byte { return tuple("sendmsg", s, 1, one, none, none, 0, none, 1, "x") }),
	},
	{
		name: "connectx that asks, with a rule about addresses", refuse: []string{"remote_addresses=127.0.0.1"}, rule: "remote_addresses",
		calls: onSCTP("stream", func(_ *client, s uint64) []byte { return tuple("getopt", s, socketcore.SolSCTP, words(111, 16)) }),
	},
	{
		name: "one more destination of IPv4 as one of IPv6", refuse: []string{"remote_addresses=::/0", "remote_addresses=127.0.0.1"}, rule: "remote_addresses",
		allow: []string{"remote_addresses=127.0.0.0/8"},
		calls: onSCTP("seqpacket", messaging(one, socketcore.SolSCTP, 8, append([]byte{10: 0xff, 11: 0xff}, other4...))),
	},
	{
		name: "one more destination that is cut", refuse: []string{"remote_addresses=127.0.0.1"}, rule: "remote_addresses",
		calls: onSCTP("seqpacket", messaging(one, socketcore.SolSCTP, 7, other4[:3])),
	},
	{
		name: "the peer of an association that is taken out", refuse: []string{"remote_ports=80"}, rule: "remote_ports", allow: []string{"remote_ports=4712-4799"},
		calls: taken,
	},
	{
		name: "the protocol of a received descriptor", refuse: []string{"protocols=tcp"}, rule: "protocols", allow: []string{"protocols=sctp"},
		calls: receivedAs(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP, nil),
	},
	{
		name: "the second address of a received descriptor", refuse: []string{"local_addresses=127.0.0.1"}, rule: "local_addresses",
		allow: []string{"local_addresses=127.0.0.0/30"},
		calls: func(t *testing.T, c *client) []byte { return passed(t, c, many(t, home4, other4)) },
	},
	{
		name: "the first address of a received descriptor", refuse: []string{"local_addresses=127.0.0.2"}, rule: "local_addresses",
		calls: func(t *testing.T, c *client) []byte { return passed(t, c, many(t, home4, other4)) },
	},
	{
		name: "the associations of a received descriptor", refuse: []string{"remote_addresses=127.0.0.1"}, rule: "remote_addresses",
		allow: []string{"local_addresses=127.0.0.1"},
		calls: func(t *testing.T, c *client) []byte {
			there, port := many(t, home4), int(manyPort)
			must(t, unix.Listen(there, 5))
			fd := many(t, home4)
			must(t, unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}))
			return passed(t, c, fd)
		},
	},
	{
		name: "a received descriptor without associations", refuse: []string{"local_addresses=127.0.0.2"}, rule: "local_addresses",
		allow: []string{"remote_addresses=127.0.0.1"},
		calls: func(t *testing.T, c *client) []byte { return passed(t, c, many(t, home4)) },
	},
	{
		name: "a received descriptor that is not connected", refuse: []string{"local_addresses=127.0.0.2"}, rule: "local_addresses",
		allow: []string{"remote_addresses=127.0.0.2"},
		calls: func(t *testing.T, c *client) []byte { return passed(t, c, ofSCTP(t, unix.SOCK_STREAM, home4)) },
	},
	{
		name: "bind of more addresses", refuse: []string{"local_addresses=127.0.0.1"}, rule: "local_addresses", allow: []string{"local_addresses=127.0.0.0/8"},
		calls: onSCTP("seqpacket", func(_ *client, s uint64) []byte {
			return tuple("bind", s, []any{loopback, inet4([4]byte{127, 0, 0, 2}, 0)}, atom("add"))
		}),
	},
	{
		name: "bindx by number", guards: []string{"SCTP_SOCKOPT_BINDX_ADD"}, refuse: []string{"local_ports=80"}, rule: "local_ports", allow: []string{"local_ports=4711"},
		calls: onSCTP("stream", setByNumber(socketcore.SolSCTP, 100, rawInet(home4, 4711))),
	},
	{
		name: "connectx by number", guards: []string{"SCTP_SOCKOPT_CONNECTX"}, refuse: []string{"remote_addresses=127.0.0.1"}, rule: "remote_addresses",
		allow: []string{"remote_addresses=127.0.0.0/8"},
		calls: onSCTP("stream", setByNumber(socketcore.SolSCTP, 110, append(rawInet(home4, 4711), rawInet([]byte{127, 0, 0, 2}, 4711)...))),
	},
	{
		name: "the older connectx", guards: []string{"SCTP_SOCKOPT_CONNECTX_OLD"}, refuse: []string{"remote_ports=80"}, rule: "remote_ports", allow: []string{"remote_ports=4711"},
		calls: onSCTP("stream", setByNumber(socketcore.SolSCTP, 107, rawInet(home4, 4711))),
	},
	{
		name: "connectx of what is no address", refuse: []string{"remote_ports=80"}, rule: "remote_ports",
		calls: onSCTP("stream", setByNumber(socketcore.SolSCTP, 110, []byte{1, 0, 3})),
	},
	{
		name: "connectx that asks", guards: []string{"getopt", "SCTP_SOCKOPT_CONNECTX3"}, refuse: []string{"remote_ports=80"}, rule: "remote_ports",
		calls: onSCTP("stream", func(_ *client, s uint64) []byte { return tuple("getopt", s, socketcore.SolSCTP, words(111, 16)) }),
	},
	{
		name: "connect of a socket with many associations", refuse: []string{"remote_ports=80"}, rule: "remote_ports", allow: []string{"remote_ports=4711"},
		calls: onSCTP("seqpacket", func(_ *client, s uint64) []byte { return tuple("connect", s, 1, one, 1000, none) }),
	},
	{
		name: "one more destination", guards: []string{"SCTP_DSTADDRV4"}, refuse: []string{"remote_addresses=127.0.0.1"}, rule: "remote_addresses",
		allow: []string{"remote_addresses=127.0.0.0/8"},
		calls: onSCTP("seqpacket", messaging(one, socketcore.SolSCTP, 7, []byte{127, 0, 0, 2})),
	},
	{
		name: "one more destination of IPv6", guards: []string{"SCTP_DSTADDRV6"}, refuse: []string{"remote_addresses=127.0.0.1"}, rule: "remote_addresses",
		calls: onSCTP("seqpacket", messaging(one, socketcore.SolSCTP, 8, home6)),
	},
	{
		name: "port of an encapsulation", guards: []string{"SCTP_REMOTE_UDP_ENCAPS_PORT"}, refuse: []string{"remote_ports=4711"}, rule: "remote_ports",
		allow: []string{"remote_ports=9899"},
		calls: onSCTP("seqpacket", setByNumber(socketcore.SolSCTP, 132, encapsulatedAt(9899))),
	},
	{
		name: "port of an encapsulation that is cut", refuse: []string{"remote_ports=4711"}, rule: "remote_ports",
		calls: onSCTP("seqpacket", setByNumber(socketcore.SolSCTP, 132, encapsulatedAt(9899)[:int(unix.SizeofPtr)+128+2])),
	},
	{
		name: "listen at a port that a send has taken", refuse: []string{"local_ports=80"}, rule: "local_ports", allow: []string{"local_ports=0"},
		calls: onSCTP("seqpacket", func(c *client, s uint64) []byte {
			c.do(tuple("sendto", s, 1, one, none, 1000, none, 1, "x"))
			return tuple("listen", s, 5)
		}),
	},
	{
		name: "an association that is taken out", refuse: []string{"descriptors=vm"}, rule: "descriptors", allow: []string{"descriptors=received", "remote_addresses=127.0.0.1"},
		calls: func(t *testing.T, c *client) []byte {
			many := func() uint64 {
				s := c.socketOf(c.replyTerm(c.call(tuple("open", 1, atom("inet"), atom("seqpacket"), atom("sctp"), dict{}))))
				c.do(tuple("bind", s, loopback))
				c.want(c.do(tuple("listen", s, 5)), "ok")
				return s
			}
			a, b := many(), many()
			c.want(c.do(tuple("connect", a, 1, to(c.port(b)), 5000, none)), "ok")
			id, err := strconv.Atoi(strings.Trim(c.do(tuple("getopt", a, atom("sctp"), atom("get_assoc_id_list"))), "{}[]ok,"))
			must(t, err)
			taken := c.do(tuple("getopt", a, atom("sctp"), rawTerm(tuple("peeloff", dict{"assoc_id": id}))))
			fd, err := strconv.Atoi(strings.Trim(taken, "{}ok,"))
			must(t, err)
			return openFD(1, fd, noDup)
		},
	},
}
