package dispatch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gosocket/socketcore"
)

// inet6Proofs are those of level ipv6 alone.
var inet6Proofs = []proof{
	{"ipv6 tclass, ipv6 recvtclass", "the traffic class arrives with the message", proveTclass},
	{"ipv6 unicast_hops, ipv6 recvhoplimit", "the hop limit arrives with the message", proveUnicastHops},
	{"ipv6 checksum", "the checksum is made in what is sent, and checked in what arrives", proveChecksum6},
	{"ipv6 rthdr, ipv6 recvrthdr, ipv6 rthdrdstopts", "the headers are on the wire", proveRthdr},
	{"ipv6 flowinfo, ipv6 flowinfo_send, ipv6 flowlabel_mgr", "the flow label arrives with the message", proveFlowinfo},
	{"ipv6 autoflowlabel", "the label on the wire is zero without it", proveAutoflowlabel},
	{"ipv6 dontfrag, ipv6 recvpathmtu, ipv6 pathmtu", "what is longer than the path takes is refused, with a message that says what it takes", provePathmtu},
	{"ipv6 join_anycast, ipv6 leave_anycast", "/proc/net/anycast6 lists the address while it is joined", proveAnycast},
	{"ipv6 pktinfo_2292, ipv6 hopopts_2292, ipv6 dstopts_2292, ipv6 rthdr_2292, ipv6 hoplimit_2292", "the control messages of RFC 2292 arrive", prove2292},
	{"ipv6 pktoptions, ipv6 hopopts", "a header set as a control message is one of the socket", provePktoptions6},
	{"ipv6 router_alert", "packets of IPv6 on their way through the host are read", proveRouterAlert6},
}

func proveTclass(t *testing.T) {
	e := udp(t, unix.AF_INET6)
	sets(t, e.rx, "ipv6 recvtclass true")
	sets(t, e.tx, "ipv6 tclass 184")
	says(t, e.tx, "x")
	wants(t, carried(t, e.rx), "#{data=>184,level=>ipv6,type=>tclass}")
}

func proveUnicastHops(t *testing.T) {
	e := udp(t, unix.AF_INET6)
	sets(t, e.rx, "ipv6 recvhoplimit true")
	sets(t, e.tx, "ipv6 unicast_hops 33")
	says(t, e.tx, "x")
	wants(t, carried(t, e.rx), "#{data=>33,level=>ipv6,type=>hoplimit}")
}

func proveChecksum6(t *testing.T) {
	tx, rx := open(t, socketcore.RawIP6), open(t, socketcore.RawIP6)
	sets(t, rx, "ipv6 checksum 2")
	to := &unix.SockaddrInet6{Addr: [16]byte{15: 1}}
	must(t, unix.Sendto(tx.fd, []byte("ab\x00\x00"), 0, to))
	if got, ok := (ends{t, tx, rx}).arrives(); ok {
		t.Errorf("%q arrived though its checksum is wrong", got)
	}
	sets(t, tx, "ipv6 checksum 2")
	must(t, unix.Sendto(tx.fd, []byte("ab\x00\x00"), 0, to))
	if got := comes(t, rx); len(got) != 4 || got[2:] == "\x00\x00" {
		t.Errorf("came as %q", got)
	}
}

// hasLabel wants UDP of IPv6 and returns its flow label.
func hasLabel(p []byte) uint32 { return uint32(p[1]&15)<<16 | uint32(p[2])<<8 | uint32(p[3]) }

func proveRthdr(t *testing.T) {
	world(t)
	w := tap(t, 1)
	for _, name := range []string{"all", "lo"} {
		sysctl(t, "ipv6/conf/"+name+"/seg6_enabled", "1")
	}
	e := udp(t, unix.AF_INET6)
	sets(t, e.rx, "ipv6 recvrthdr true")
	sets(t, e.tx, "ipv6 rthdr "+segments, "ipv6 rthdrdstopts <<0,0,30,4,1,2,3,4>>")
	says(t, e.tx, "x")
	p := w.next(isVersion(6, unix.IPPROTO_DSTOPTS))
	want := []byte{unix.IPPROTO_ROUTING, 0, 30, 4, 1, 2, 3, 4, unix.IPPROTO_UDP, 2, 4}
	if !bytes.HasPrefix(p[40:], want) {
		t.Errorf("% x", p[40:])
	}
	wants(t, carried(t, e.rx), "#{data=><<17,2,4,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1>>,level=>ipv6,type=>57}")
}

func proveFlowinfo(t *testing.T) {
	world(t)
	rx, name := bound(t, unix.AF_INET6, unix.SOCK_DGRAM, "ipv6 flowinfo true")
	tx := open(t, socketcore.UDP6)
	sets(t, tx, "ipv6 flowinfo_send true", "ipv6 flowlabel_mgr #{dst=>{0,0,0,0,0,0,0,1},label=>74565,action=>get,share=>excl,flags=>[create]}")
	wants(t, proc(t, "ip6_flowlabel"), "12345")
	joins(t, tx, portOf(name), binary.NativeEndian.Uint32([]byte{0, 1, 0x23, 0x45})) // the label in network order
	says(t, tx, "x")
	wants(t, carried(t, rx), "#{data=><<0,1,35,69>>,level=>ipv6,type=>11}")
}

func proveAutoflowlabel(t *testing.T) {
	world(t)
	w := tap(t, 1)
	for value, zero := range map[string]bool{"true": false, "false": true} {
		rx, name := bound(t, unix.AF_INET6, unix.SOCK_DGRAM)
		tx := open(t, socketcore.UDP6)
		sets(t, tx, "ipv6 autoflowlabel "+value)
		must(t, unix.Connect(tx.fd, name))
		says(t, tx, "x")
		comes(t, rx)
		p := w.next(func(p []byte) bool {
			return isVersion(6, unix.IPPROTO_UDP)(p) && int(p[42])<<8|int(p[43]) == portOf(name)
		})
		if label := hasLabel(p); (label == 0) != zero {
			t.Errorf("%s: label %d", value, label)
		}
	}
}

func provePathmtu(t *testing.T) {
	world(t, "link set lo mtu 1500")
	e := udp(t, unix.AF_INET6)
	sets(t, e.tx, "ipv6 dontfrag true", "ipv6 recvpathmtu true")
	if _, err := unix.Write(e.tx.fd, make([]byte, 2000)); err != unix.EMSGSIZE {
		t.Errorf("got %v", err)
	}
	ctrl, _, _ := receive(t, e.tx.fd, 1024, 0)
	wants(t, ctrl, ","+showBytes(binary.NativeEndian.AppendUint32(nil, 1500))+">>,level=>ipv6,type=>61}")
	wants(t, get(t, e.tx, "ipv6", "pathmtu"), "mtu=>1500")
}

func proveAnycast(t *testing.T) {
	world(t, veth, "link set v0 up", "link set v1 up", "-6 addr add fd09::1/64 dev v0 nodad")
	s := open(t, socketcore.UDP6)
	for _, key := range []string{"join_anycast", "leave_anycast"} {
		sets(t, s, "ipv6 "+key+" #{multiaddr=>{64777,0,0,0,0,0,0,153},interface=>10}")
		listed := strings.Contains(proc(t, "anycast6"), "fd090000000000000000000000000099")
		if listed != (key == "join_anycast") {
			t.Errorf("after %s: %v", key, listed)
		}
	}
}

func prove2292(t *testing.T) {
	world(t)
	for _, name := range []string{"all", "lo"} {
		sysctl(t, "ipv6/conf/"+name+"/seg6_enabled", "1")
	}
	e := udp(t, unix.AF_INET6)
	for _, key := range []string{"pktinfo_2292", "hopopts_2292", "dstopts_2292", "rthdr_2292", "hoplimit_2292"} {
		sets(t, e.rx, "ipv6 "+key+" true")
	}
	sets(t, e.tx, "ipv6 hopopts <<0,0,1,4,0,0,0,0>>", "ipv6 dstopts <<0,0,30,4,1,2,3,4>>", "ipv6 rthdr "+segments)
	says(t, e.tx, "x")
	ctrl := carried(t, e.rx)
	for _, typ := range []int{2, 3, 4, 5, 8} {
		wants(t, ctrl, fmt.Sprintf("level=>ipv6,type=>%d}", typ))
	}
}

func provePktoptions6(t *testing.T) {
	s := open(t, socketcore.UDP6)
	sets(t, s, "ipv6 pktoptions [#{level=>ipv6,type=>54,data=><<0,0,1,4,0,0,0,0>>}]")
	run(t, s, []step{{"ipv6", "hopopts", "", "{ok,<<0,0,1,4,0,0,0,0>>}"}})
}

func proveRouterAlert6(t *testing.T) {
	world(t, veth, "link set v0 up", "link set v1 up", "-6 addr add fd09::1/64 dev v0 nodad")
	sysctl(t, "ipv6/conf/all/forwarding", "1")
	raw := open(t, socketcore.RawHeader6)
	outside := testSocket(t, unix.AF_PACKET, unix.SOCK_DGRAM, 0)
	passes := func() bool {
		packet := append([]byte{0x60, 5: 12, 7: 9, 8: 0xfd, 9: 9, 23: 7, 24: 0xfd, 25: 9, 39: 8, 40: 253, 42: 5, 43: 2, 46: 1, 47: 0}, "data"...)
		to := &unix.SockaddrLinklayer{Protocol: unix.ETH_P_IPV6&0xff<<8 | unix.ETH_P_IPV6>>8, Ifindex: 11, Halen: 6, Addr: macOf(t, "v0")}
		must(t, unix.Sendto(outside, packet, 0, to))
		return ready(t, raw.fd, unix.POLLIN, 200*1e6)
	}
	if passes() {
		t.Error("it is read without the option")
	}
	sets(t, raw, "ipv6 router_alert 0")
	if !passes() {
		t.Error("it is not read")
	}
}
