package dispatch

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gosocket/socketcore"
)

// packetProofs are those of UDP, and of packet sockets.
var packetProofs = []proof{
	{"udp segment, udp gro", "what was sent in one comes in segments, or in one with their size", proveSegments},
	{"socket no_check, udp no_check6_tx, udp no_check6_rx", "there is no checksum on the wire; only who takes none hears it", proveNoCheck},
	{"socket zerocopy", "the error queue says when the data is not needed any more", proveZerocopy},
	{"socket select_err_queue", "an error in the queue is urgent to poll", proveSelectErrQueue},
	{"socket busy_poll_budget", "the kernel refuses a budget that is none", proveBudget},
	{"packet statistics", "packets that came are counted once", proveStatistics},
	{"packet auxdata", "the length comes with the packet", proveAuxdata},
	{"packet vnet_hdr", "a header of ten bytes comes with the packet", proveVnetHdr},
	{"packet ignore_outgoing", "what this host sends is not seen", proveIgnoreOutgoing},
	{"packet fanout", "two sockets of a group share the packets", proveFanout},
	{"packet version, packet hdrlen", "each version has headers of its own length", proveHdrlen},
}

func proveSegments(t *testing.T) {
	e := udp(t, unix.AF_INET)
	sets(t, e.tx, "udp segment 3")
	says(t, e.tx, "abcdefgh")
	for _, want := range []string{"abc", "def", "gh"} {
		if got := comes(t, e.rx); got != want {
			t.Errorf("got %q", got)
		}
	}
	sets(t, e.rx, "udp gro true")
	says(t, e.tx, "abcdefgh")
	if got := carried(t, e.rx); got != nativeOrder("[#{data=><<3,0,0,0>>,level=>udp,type=>104}]") {
		t.Errorf("got %s", got)
	}
}

func proveNoCheck(t *testing.T) {
	world(t)
	w := tap(t, 1)
	for _, c := range []struct {
		family  int
		option  string
		version byte
		at      int
	}{{unix.AF_INET, "socket no_check true", 4, 26}, {unix.AF_INET6, "udp no_check6_tx true", 6, 46}} {
		e := udp(t, c.family)
		sets(t, e.tx, c.option)
		says(t, e.tx, "x")
		if p := w.next(isUDPTo(c.version, portOf(nameOf(t, e.rx)))); p[c.at] != 0 || p[c.at+1] != 0 {
			t.Errorf("%s: % x", c.option, p)
		}
		if c.family == unix.AF_INET6 {
			if _, ok := e.arrives(); ok {
				t.Error("it arrives though it has none")
			}
			sets(t, e.rx, "udp no_check6_rx true")
			says(t, e.tx, "x")
		}
		comes(t, e.rx)
	}
}

// isUDPTo wants UDP to a port.
func isUDPTo(version byte, port int) func(p []byte) bool {
	at := map[byte]int{4: 22, 6: 42}[version]
	return func(p []byte) bool {
		return isVersion(version, unix.IPPROTO_UDP)(p) && int(p[at])<<8|int(p[at+1]) == port
	}
}

func proveZerocopy(t *testing.T) {
	e := connection(t, unix.AF_INET)
	sets(t, e.tx, "socket zerocopy true")
	must(t, unix.Send(e.tx.fd, make([]byte, 1<<16), unix.MSG_ZEROCOPY))
	if !ready(t, e.tx.fd, unix.POLLERR, patience) {
		t.Fatal("nothing in the queue")
	}
	ctrl, _, _ := receive(t, e.tx.fd, 512, unix.MSG_ERRQUEUE)
	wants(t, ctrl, "origin=>5")
}

func proveSelectErrQueue(t *testing.T) {
	for _, value := range []string{"false", "true"} {
		tx := open(t, socketcore.UDP)
		sets(t, tx, "socket select_err_queue "+value, "ip recverr true")
		must(t, unix.Connect(tx.fd, nobody(t, unix.AF_INET)))
		says(t, tx, "x")
		fds := []unix.PollFd{{Fd: int32(tx.fd), Events: unix.POLLPRI}}
		_, err := unix.Poll(fds, int(patience.Milliseconds()))
		must(t, err)
		if urgent := fds[0].Revents&unix.POLLPRI != 0; urgent != (value == "true") {
			t.Errorf("%s: events %x", value, fds[0].Revents)
		}
	}
}

func proveBudget(t *testing.T) {
	s := open(t, socketcore.UDP)
	sets(t, s, "socket busy_poll_budget 8")
	run(t, s, []step{{"socket", "busy_poll_budget", "65536", "{error,einval}"}})
}

// packetSocket returns a socket that sees what loopback carries, and one that sends.
func packetSocket(t *testing.T, options ...string) (*fakeSocket, ends) {
	t.Helper()
	world(t)
	w := tap(t, 1)
	s := &fakeSocket{fd: w.fd}
	sets(t, s, options...)
	return s, udp(t, unix.AF_INET)
}

func proveStatistics(t *testing.T) {
	s, e := packetSocket(t)
	says(t, e.tx, "x")
	comes(t, e.rx)
	run(t, s, []step{{"packet", "statistics", "", "{ok,#{drops=>0,packets=>2}}"}, {"packet", "statistics", "", "{ok,#{drops=>0,packets=>0}}"}})
}

func proveAuxdata(t *testing.T) {
	s, e := packetSocket(t, "packet auxdata true")
	says(t, e.tx, "x")
	// struct tpacket_auxdata: status, the length of the packet: 20 + 8 + 1.
	_, _, control := receive(t, s.fd, 512, 0)
	_, typ, data, _, ok := socketcore.NextCmsg(control)
	if !ok || typ != 8 || loadNative(data[4:8]) != 29 {
		t.Errorf("control message %d: % x", typ, data)
	}
}

func proveVnetHdr(t *testing.T) {
	world(t)
	s := &fakeSocket{fd: tapOf(t, 1, unix.SOCK_RAW).fd}
	sets(t, s, "packet vnet_hdr true")
	says(t, udp(t, unix.AF_INET).tx, "x")
	b := make([]byte, 100)
	n, _, err := unix.Recvfrom(s.fd, b, 0)
	must(t, err)
	if n != 10+14+29 || b[10+14] != 0x45 {
		t.Errorf("% x", b[:n])
	}
}

func proveIgnoreOutgoing(t *testing.T) {
	s, e := packetSocket(t, "packet ignore_outgoing true")
	says(t, e.tx, "x")
	_, from, err := unix.Recvfrom(s.fd, make([]byte, 100), 0)
	must(t, err)
	if kind := from.(*unix.SockaddrLinklayer).Pkttype; kind == unix.PACKET_OUTGOING {
		t.Error("an outgoing packet is seen")
	}
	if _, ok := (ends{t, nil, s}).arrives(); ok {
		t.Error("it is seen twice")
	}
}

func proveFanout(t *testing.T) {
	first, e := packetSocket(t, "packet fanout #{id=>7,type=>1}")
	second := &fakeSocket{fd: tap(t, 1).fd}
	sets(t, second, "packet fanout #{id=>7,type=>1}") // type 1: each in turn
	for range 10 {
		says(t, e.tx, "x")
	}
	count := func(s *fakeSocket) (n int) {
		for {
			if _, ok := (ends{t, nil, s}).arrives(); !ok {
				return n
			}
			n++
		}
	}
	// Kernels differ in whether they see what is sent besides what arrives.
	if a, b := count(first), count(second); a != b || a != 5 && a != 10 {
		t.Errorf("%d and %d packets", a, b)
	}
}

func proveHdrlen(t *testing.T) {
	s := open(t, socketcore.PacketSocket)
	for _, version := range []string{"0", "1", "2"} {
		sets(t, s, "packet version "+version)
	}
	// The version whose headers are asked for goes in as a number: 0 here.
	if got := get(t, s, "packet", "hdrlen"); !strings.HasPrefix(got, "{ok,") || got == "{ok,0}" {
		t.Errorf("got %s", got)
	}
}
