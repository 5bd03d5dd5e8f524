package dispatch

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inetProofs are those of levels ip and ipv6 that hold for both, or for ip alone.
var inetProofs = []proof{
	{"ip tos, ip recvtos", "the type of service arrives with the message", proveTos},
	{"ip ttl, ip recvttl", "the time to live arrives with the message", proveTTL},
	{"ip minttl, ipv6 minhopcount", "only what has hops left connects", proveMinTTL},
	{"ip mtu, ip mtu_discover, ipv6 mtu_discover", "what is longer than the path takes is refused, or fragmented", proveMTUDiscover},
	{"ip multicast_all, ipv6 multicast_all", "a socket that joined nothing hears groups of others", proveMulticastAll},
	{"ip multicast_loop, ipv6 multicast_loop", "the host hears itself", proveMulticastLoop},
	{"ip multicast_ttl, ipv6 multicast_hops, ipv6 recvhoplimit, ipv6 multicast_if, ipv6 mcast_join_group", "the hops arrive with the message", proveMulticastHops},
	{"ip pktinfo, ipv6 recvpktinfo", "interface and address arrive with the message", provePktinfo},
	{"ip recvorigdstaddr, ipv6 recvorigdstaddr", "the address sent to arrives with the message", proveOrigdstaddr},
	{"ip recverr, ipv6 recverr", "the error queue tells who refused", proveRecverr},
	{"ip retopts", "the options for the way back arrive with the message", proveRetopts},
	{"ip router_alert", "packets on their way through the host are read", proveRouterAlert},
	{"ip hdrincl, ipv6 hdrincl", "the header is the one that was sent", proveHdrincl},
	{"ip bind_address_no_port", "bind leaves the port to connect", proveNoPort},
	{"ip local_port_range", "bind chooses a port of the range", provePortRange},
	{"ip unicast_if, ipv6 unicast_if, ipv6 pktinfo", "what is sent leaves by the interface", proveUnicastIf},
	{"ip recvfragsize, ipv6 recvfragsize, ipv6 mtu", "the size of the largest fragment arrives with the message", proveFragsize},
	{"ip protocol", "it is what a raw socket was opened with", proveProtocol},
}

func proveTos(t *testing.T) {
	e := udp(t, unix.AF_INET)
	sets(t, e.rx, "ip recvtos true")
	sets(t, e.tx, "ip tos throughput")
	says(t, e.tx, "x")
	wants(t, carried(t, e.rx), "#{data=>throughput,level=>ip,type=>tos}")
}

func proveTTL(t *testing.T) {
	e := udp(t, unix.AF_INET)
	sets(t, e.rx, "ip recvttl true")
	sets(t, e.tx, "ip ttl 33")
	says(t, e.tx, "x")
	wants(t, carried(t, e.rx), "#{data=>33,level=>ip,type=>ttl}")
}

func proveMinTTL(t *testing.T) {
	for _, c := range []struct {
		family     int
		least, own string
	}{
		{unix.AF_INET, "ip minttl 255", "ip ttl 255"},
		{unix.AF_INET6, "ipv6 minhopcount 255", "ipv6 unicast_hops 255"},
	} {
		_, name := listener(t, c.family, c.least)
		connects := func(options ...string) bool {
			s := &fakeSocket{fd: testSocket(t, c.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)}
			sets(t, s, options...)
			return unix.Connect(s.fd, name) == nil || ready(t, s.fd, unix.POLLOUT, 200*time.Millisecond)
		}
		if !connects(c.own) || connects() {
			t.Errorf("%s: it makes no difference", c.least)
		}
	}
}

func proveMTUDiscover(t *testing.T) {
	world(t, "link set lo mtu 1500")
	for level, family := range map[string]int{"ip": unix.AF_INET, "ipv6": unix.AF_INET6} {
		e := udp(t, family)
		sets(t, e.tx, level+" mtu_discover do")
		if _, err := unix.Write(e.tx.fd, make([]byte, 2000)); err != unix.EMSGSIZE {
			t.Errorf("%s do: %v", level, err)
		}
		sets(t, e.tx, level+" mtu_discover dont")
		says(t, e.tx, string(make([]byte, 2000)))
		if !ready(t, e.rx.fd, unix.POLLIN, patience) {
			t.Errorf("%s dont: nothing came", level)
		}
		run(t, e.tx, []step{{level, "mtu", "", "{ok,1500}"}})
	}
}

// levels are those that have a name for each family, with a membership in its group.
var levels = []struct {
	name   string
	family int
	join   string
}{
	{"ip", unix.AF_INET, "ip add_membership " + group("10,9,0,1")},
	{"ipv6", unix.AF_INET6, "ipv6 mcast_join_group #{interface=>10,group=>#{family=>inet6,addr=>{65301,0,0,0,0,0,1,2}}}"},
}

// groupWorld is one with a device for groups: what is sent to loopback always comes back.
func groupWorld(t *testing.T) {
	t.Helper()
	world(t, veth, "link set v0 up", "link set v1 up", "addr add 10.9.0.1/24 dev v0", "-6 addr add fd09::1/64 dev v0 nodad", "route add 239.0.0.0/8 dev v0")
}

// groupSender returns a socket that sends to the group, and one bound to its port.
func groupSender(t *testing.T, family int) ends {
	t.Helper()
	tx, rx := &fakeSocket{fd: testSocket(t, family, unix.SOCK_DGRAM, 0)}, &fakeSocket{fd: testSocket(t, family, unix.SOCK_DGRAM, 0)}
	if family == unix.AF_INET {
		must(t, unix.Bind(rx.fd, &unix.SockaddrInet4{}))
		sets(t, tx, "ip multicast_if {10,9,0,1}")
		must(t, unix.Connect(tx.fd, &unix.SockaddrInet4{Addr: [4]byte{239, 1, 2, 3}, Port: portOf(nameOf(t, rx))}))
		return ends{t, tx, rx}
	}
	must(t, unix.Bind(rx.fd, &unix.SockaddrInet6{}))
	sets(t, tx, "ipv6 multicast_if 10")
	must(t, unix.Connect(tx.fd, &unix.SockaddrInet6{Addr: [16]byte{0xff, 0x15, 13: 1, 15: 2}, Port: portOf(nameOf(t, rx))}))
	return ends{t, tx, rx}
}

func proveMulticastAll(t *testing.T) {
	groupWorld(t)
	for _, l := range levels {
		e := groupSender(t, l.family)
		member := &fakeSocket{fd: testSocket(t, l.family, unix.SOCK_DGRAM, 0)}
		sets(t, member, l.join)
		for _, value := range []bool{true, false} {
			if sets(t, e.rx, fmt.Sprintf("%s multicast_all %v", l.name, value)); e.hears() != value {
				t.Errorf("%s %v: it does the opposite", l.name, value)
			}
		}
	}
}

func proveMulticastLoop(t *testing.T) {
	groupWorld(t)
	for _, l := range levels {
		e := groupSender(t, l.family)
		sets(t, e.rx, l.join)
		for _, value := range []bool{false, true} {
			if sets(t, e.tx, fmt.Sprintf("%s multicast_loop %v", l.name, value)); e.hears() != value {
				t.Errorf("%s %v: it does the opposite", l.name, value)
			}
		}
	}
}

func proveMulticastHops(t *testing.T) {
	groupWorld(t)
	for _, l := range levels {
		e := groupSender(t, l.family)
		sets(t, e.rx, l.join)
		want := "#{data=>7,level=>ip,type=>ttl}"
		if l.family == unix.AF_INET {
			sets(t, e.rx, "ip recvttl true")
			sets(t, e.tx, "ip multicast_ttl 7")
		} else {
			want = "#{data=>7,level=>ipv6,type=>hoplimit}"
			sets(t, e.rx, "ipv6 recvhoplimit true")
			sets(t, e.tx, "ipv6 multicast_hops 7")
		}
		says(t, e.tx, "x")
		wants(t, carried(t, e.rx), want)
	}
}

func provePktinfo(t *testing.T) {
	for _, c := range []struct {
		family       int
		option, want string
	}{
		{unix.AF_INET, "ip pktinfo true", "#{data=>#{addr=>{127,0,0,1},ifindex=>1,spec_dst=>{127,0,0,1}},level=>ip,type=>pktinfo}"},
		{unix.AF_INET6, "ipv6 recvpktinfo true", "#{data=>#{addr=>{0,0,0,0,0,0,0,1},ifindex=>1},level=>ipv6,type=>pktinfo}"},
	} {
		e := udp(t, c.family)
		sets(t, e.rx, c.option)
		says(t, e.tx, "x")
		wants(t, carried(t, e.rx), c.want)
	}
}

func proveOrigdstaddr(t *testing.T) {
	for _, l := range levels {
		e := udp(t, l.family)
		sets(t, e.rx, l.name+" recvorigdstaddr true")
		port := portOf(nameOf(t, e.rx))
		says(t, e.tx, "x")
		want := fmt.Sprintf("#{data=>#{addr=>{127,0,0,1},family=>inet,port=>%d},level=>ip,type=>origdstaddr}", port)
		if l.family == unix.AF_INET6 {
			family := showBytes(binary.NativeEndian.AppendUint16(nil, unix.AF_INET6))
			want = fmt.Sprintf("#{data=><<%s,%d,%d,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,0,0,0,0>>,level=>ipv6,type=>74}", family, port>>8, port&255)
		}
		wants(t, carried(t, e.rx), want)
	}
}

func proveRecverr(t *testing.T) {
	for _, l := range levels {
		tx := &fakeSocket{fd: testSocket(t, l.family, unix.SOCK_DGRAM, 0)}
		sets(t, tx, l.name+" recverr true")
		must(t, unix.Connect(tx.fd, nobody(t, l.family)))
		says(t, tx, "x")
		if !ready(t, tx.fd, unix.POLLERR, patience) {
			t.Fatal("nothing in the queue")
		}
		ctrl, _, _ := receive(t, tx.fd, 1024, unix.MSG_ERRQUEUE)
		wants(t, ctrl, "code=>port_unreach,data=>0,error=>econnrefused")
	}
}

func proveRetopts(t *testing.T) {
	e := udp(t, unix.AF_INET)
	sets(t, e.rx, "ip retopts true")
	sets(t, e.tx, "ip options <<7,7,4,0,0,0,0,0>>")
	says(t, e.tx, "x")
	wants(t, carried(t, e.rx), "level=>ip,type=>7}")
}

// header4 returns an IPv4 header with options, whose sum the kernel makes.
func header4(size int, ttl, protocol byte, from, to [4]byte, options []byte) []byte {
	h := make([]byte, 20, 60)
	h[0] = byte(0x45 + len(options)/4)
	h[2], h[3] = byte((20+len(options)+size)>>8), byte(20+len(options)+size)
	h[8], h[9] = ttl, protocol
	copy(h[12:], from[:])
	copy(h[16:], to[:])
	return append(h, options...)
}

// sum4 writes the sum of a header into it.
func sum4(h []byte) []byte {
	var sum uint32
	for i := 0; i < len(h); i += 2 {
		sum += uint32(h[i])<<8 | uint32(h[i+1])
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	h[10], h[11] = byte(^sum>>8), byte(^sum)
	return h
}

// proveRouterAlert sends a packet for somebody else through a host that forwards.
func proveRouterAlert(t *testing.T) {
	world(t, veth, "link set v0 up", "link set v1 up", "addr add 10.9.0.1/24 dev v0")
	for _, name := range []string{"all", "v0"} {
		sysctl(t, "ipv4/conf/"+name+"/rp_filter", "0")
	}
	sysctl(t, "ipv4/ip_forward", "1")
	raw := &fakeSocket{fd: testSocket(t, unix.AF_INET, unix.SOCK_RAW, 253)}
	outside := testSocket(t, unix.AF_PACKET, unix.SOCK_DGRAM, 0)
	passes := func() bool {
		packet := append(sum4(header4(4, 9, 253, [4]byte{10, 9, 0, 7}, [4]byte{10, 9, 0, 8}, []byte{148, 4, 0, 0})), "data"...)
		// From the other end of the cable, to the address of this one.
		to := &unix.SockaddrLinklayer{Protocol: unix.ETH_P_IP >> 8, Ifindex: 11, Halen: 6, Addr: macOf(t, "v0")}
		must(t, unix.Sendto(outside, packet, 0, to))
		return ready(t, raw.fd, unix.POLLIN, 200*time.Millisecond)
	}
	if passes() {
		t.Error("it is read without the option")
	}
	sets(t, raw, "ip router_alert 1")
	if !passes() {
		t.Error("it is not read")
	}
}

func proveHdrincl(t *testing.T) {
	tx, rx := &fakeSocket{fd: testSocket(t, unix.AF_INET, unix.SOCK_RAW, 253)}, testSocket(t, unix.AF_INET, unix.SOCK_RAW, 253)
	sets(t, tx, "ip hdrincl true")
	home := [4]byte{127, 0, 0, 1}
	packet := append(header4(4, 77, 253, [4]byte{127, 0, 0, 9}, home, nil), "data"...)
	must(t, unix.Sendto(tx.fd, packet, 0, &unix.SockaddrInet4{Addr: home}))
	b := make([]byte, 64)
	n, _, err := unix.Recvfrom(rx, b, 0)
	must(t, err)
	if n != 24 || b[8] != 77 || b[15] != 9 || string(b[20:24]) != "data" {
		t.Errorf("came as % x", b[:n])
	}

	tx6, rx6 := &fakeSocket{fd: testSocket(t, unix.AF_INET6, unix.SOCK_RAW, 253)}, testSocket(t, unix.AF_INET6, unix.SOCK_RAW, 253)
	sets(t, tx6, "ipv6 hdrincl true")
	sets(t, &fakeSocket{fd: rx6}, "ipv6 recvhoplimit true")
	packet = append([]byte{0x60, 5: 4, 6: 253, 7: 77, 23: 1, 39: 1}, "data"...)
	must(t, unix.Sendto(tx6.fd, packet, 0, localhost(unix.AF_INET6)))
	wants(t, carried(t, &fakeSocket{fd: rx6}), "#{data=>77,level=>ipv6,type=>hoplimit}")
}

func proveNoPort(t *testing.T) {
	_, name := listener(t, unix.AF_INET)
	s, before := bound(t, unix.AF_INET, unix.SOCK_STREAM, "ip bind_address_no_port true")
	must(t, unix.Connect(s.fd, name))
	if after := nameOf(t, s); portOf(before) != 0 || portOf(after) == 0 {
		t.Errorf("%d, then %d", portOf(before), portOf(after))
	}
}

func provePortRange(t *testing.T) {
	world(t)
	_, name := bound(t, unix.AF_INET, unix.SOCK_STREAM, "ip local_port_range #{low=>40000,high=>40007}")
	if port := portOf(name); port < 40000 || port > 40007 {
		t.Errorf("port %d", port)
	}
}

func proveUnicastIf(t *testing.T) {
	world(t, veth, "link set v0 up", "link set v1 up", "addr add 10.9.0.1/24 dev v0", "addr add 10.8.0.1/24 dev v1",
		"-6 addr add fd09::1/64 dev v0 nodad", "-6 addr add fd08::1/64 dev v1 nodad",
		"route add 192.0.2.0/24 dev v0 metric 1", "route add 192.0.2.0/24 dev v1 metric 2",
		"-6 route add 2001:db8::/64 dev v0 metric 1", "-6 route add 2001:db8::/64 dev v1 metric 2")
	for _, c := range []struct {
		family int
		option string
	}{
		{unix.AF_INET, "ip unicast_if %d"},
		{unix.AF_INET6, "ipv6 unicast_if %d"},
		{unix.AF_INET6, "ipv6 pktinfo #{addr=>{0,0,0,0,0,0,0,0},ifindex=>%d}"},
	} {
		var to unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte{192, 0, 2, 1}, Port: 9}
		if c.family == unix.AF_INET6 {
			to = &unix.SockaddrInet6{Addr: [16]byte{0x20, 1, 0x0d, 0xb8, 15: 1}, Port: 9}
		}
		for _, device := range []int{10, 11} {
			s := &fakeSocket{fd: testSocket(t, c.family, unix.SOCK_DGRAM, 0)}
			option := fmt.Sprintf(c.option, device)
			sets(t, s, option)
			must(t, unix.Connect(s.fd, to))
			var second byte // of the address that the socket has now
			switch name := nameOf(t, s).(type) {
			case *unix.SockaddrInet4:
				second = name.Addr[1]
			case *unix.SockaddrInet6:
				second = name.Addr[1]
			}
			if want := map[int]byte{10: 9, 11: 8}[device]; second != want {
				t.Errorf("%s: its address is that of the network %d", option, second)
			}
		}
	}
}

func proveFragsize(t *testing.T) {
	world(t, "link set lo mtu 1500")
	e := udp(t, unix.AF_INET)
	sets(t, e.rx, "ip recvfragsize true")
	says(t, e.tx, string(make([]byte, 3000)))
	wants(t, carried(t, e.rx), nativeOrder(fmt.Sprintf("#{data=><<%s>>,level=>ip,type=>25}", showBytes([]byte{0xdc, 5, 0, 0}))))
	e = udp(t, unix.AF_INET6)
	sets(t, e.rx, "ipv6 recvfragsize true")
	sets(t, e.tx, "ipv6 mtu 1400")
	says(t, e.tx, string(make([]byte, 3000)))
	wants(t, carried(t, e.rx), nativeOrder(fmt.Sprintf("#{data=><<%s>>,level=>ipv6,type=>77}", showBytes([]byte{0x78, 5, 0, 0}))))
}

func proveProtocol(t *testing.T) {
	for protocol, want := range map[int]string{1: "{ok,1}", 253: "{ok,253}"} {
		run(t, &fakeSocket{fd: testSocket(t, unix.AF_INET, unix.SOCK_RAW, protocol)}, []step{{"ip", "protocol", "", want}})
	}
}
