package dispatch

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosocket/socketcore"
)

// effectProofs are those of this file.
var effectProofs = []proof{
	{"socket error", "an error is told once: reading takes it", proveErrorIsTakenByReadingIt},
	{"socket peercred", "the peer is this process", provePeercredIsThePeer},
	{"ip add_membership, ip drop_membership, ip add_source_membership, ip drop_source_membership, ip block_source, ip unblock_source, ip msfilter, ip mcast_join_group, ip mcast_leave_group, ip multicast_if", "memberships and filters decide which datagrams to a group arrive", proveMembershipsDecideWhatArrives},
	{"ip msfilter", "a source filter is read for the group and interface asked for", proveSourceFilterIsReadByItsGroup},
	{"ipv6 add_membership, ipv6 drop_membership, ipv6 join_group, ipv6 leave_group", "/proc/net/igmp6 lists the group while it is joined", proveGroupsOfIPv6AreInProc},
	{"socket rcvbufforce, socket sndbufforce", "forced sizes pass the limit that sizes asked for stop at", proveForcedBuffersPassTheLimit},
	{"tcp info", "the structure is as long as that of the running kernel", proveTCPInfoHasEveryFieldOfTheKernel},
	{"ip pktoptions, ipv6 pktoptions", "an accepted socket tells where the SYN arrived", provePktoptionsAreControlMessages},
	{"tcp md5sig", "only a client with the same key connects", proveMD5SignaturesDecideWhoConnects},
	{"socket rcvtimeo", "a blocking receive of the kernel ends then", proveReceiveTimeoutIsTheKernels},
	{"udp cork", "parts sent while it is on leave as one datagram", proveCorkHoldsDatagramsBack},
	{"socket mark, socket rcvmark", "the mark comes with the message", proveMarkArrivesWithTheMessage},
	{"socket rxq_ovfl", "the number of dropped datagrams comes with the next one", proveDropsAreCounted},
	{"ipv6 hopopts, ipv6 dstopts, ipv6 recvhopopts, ipv6 recvdstopts", "the headers arrive with the message", proveHeadersOfIPv6Arrive},
	{"ip options, ip recvopts", "the record of the route arrives with the message", proveOptionsOfIPArrive},
	{"ip freebind, ipv6 freebind, ip transparent, ipv6 transparent", "bind takes an address that is not of this host", proveFreebindTakesForeignAddresses},
	{"socket oobinline", "urgent data is read with the rest", proveUrgentDataInline},
	{"socket peek_off", "the next peek goes on where the last one ended", provePeekGoesOnFromItsOffset},
	{"ipv6 addrform", "the socket is one of domain inet from then on", proveAddrformTurnsTheSocket},
	{"ipv6 v6only", "another socket has the port on IPv4", proveV6onlyLeavesThePortToIPv4},
	{"packet add_membership, packet drop_membership", "the device has the flag while it is on", provePacketMembershipsShowAtTheDevice},
	{"socket timestamping", "the time of sending comes by the error queue", proveTimestampsOfSendingComeBack},
}

// sets sets options that have to be accepted: Level Key Value.
func sets(t *testing.T, s optionSocket, options ...string) {
	t.Helper()
	for _, o := range options {
		f := strings.SplitN(o, " ", 3)
		switch got := set(t, s, f[0], f[1], f[2]); got {
		case "ok":
		case "{error,eperm}":
			t.Skipf("%s needs a capability", o)
		default:
			t.Fatalf("%s: %s", o, got)
		}
	}
}

// arrives tells whether a message is there, and what it says.
func (e ends) arrives() (string, bool) {
	b := make([]byte, 1024)
	n, _, err := unix.Recvfrom(e.rx.fd, b, unix.MSG_DONTWAIT)
	return string(b[:max(n, 0)]), err == nil
}

func proveErrorIsTakenByReadingIt(t *testing.T) {
	tx := testSocket(t, unix.AF_INET, unix.SOCK_DGRAM, 0)
	t.Run("peer", func(t *testing.T) {
		name, err := unix.Getsockname(udp(t, unix.AF_INET).rx.fd)
		must(t, err)
		must(t, unix.Connect(tx, name))
	})
	must(t, unix.Send(tx, []byte("x"), 0))
	run(t, &fakeSocket{fd: tx}, []step{{"socket", "error", "", "{ok,econnrefused}"}, {"socket", "error", "", "{ok,none}"}})
}

func provePeercredIsThePeer(t *testing.T) {
	e := local(t, unix.SOCK_STREAM)
	want := fmt.Sprintf("{ok,#{gid=>%d,pid=>%d,uid=>%d}}", unix.Getgid(), unix.Getpid(), unix.Getuid())
	run(t, e.tx, []step{{"socket", "peercred", "", want}})
}

// multicast returns a receiver on a port of its own and a sender to a group on it.
func multicast(t *testing.T) ends {
	t.Helper()
	tx, rx := testSocket(t, unix.AF_INET, unix.SOCK_DGRAM, 0), testSocket(t, unix.AF_INET, unix.SOCK_DGRAM, 0)
	must(t, unix.Bind(rx, &unix.SockaddrInet4{}))
	name, err := unix.Getsockname(rx)
	must(t, err)
	must(t, unix.Bind(tx, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	e := ends{t, &fakeSocket{fd: tx}, &fakeSocket{fd: rx}}
	sets(t, e.tx, "ip multicast_if {127,0,0,1}")
	sets(t, e.rx, "ip multicast_all false")
	must(t, unix.Connect(tx, &unix.SockaddrInet4{Addr: [4]byte{239, 1, 2, 3}, Port: name.(*unix.SockaddrInet4).Port}))
	return e
}

// hears tells whether what is sent to the group arrives.
func (e ends) hears() bool {
	e.t.Helper()
	must(e.t, unix.Send(e.tx.fd, []byte("x"), 0))
	_, ok := e.arrives()
	return ok
}

func proveMembershipsDecideWhatArrives(t *testing.T) {
	from := source("127,0,0,1")
	for _, c := range []struct {
		name  string
		steps []string // an option, or who is to hear: yes, no
	}{
		{"membership", []string{"no", "ip add_membership " + group("127,0,0,1"), "yes", "ip drop_membership " + group("127,0,0,1"), "no"}},
		{"source membership", []string{"ip add_source_membership " + source("10,9,8,7"), "no", "ip add_source_membership " + from, "yes", "ip drop_source_membership " + from, "no"}},
		{"blocked source", []string{"ip add_membership " + group("127,0,0,1"), "ip block_source " + from, "no", "ip unblock_source " + from, "yes"}},
		{"filter", []string{
			"ip add_membership " + group("127,0,0,1"), "ip msfilter " + filter("exclude", "{10,9,8,7},{127,0,0,1}"), "no",
			"ip msfilter " + filter("include", "{127,0,0,1}"), "yes", "ip msfilter " + filter("include", "{10,9,8,7}"), "no",
		}},
		{"group request", []string{"ip mcast_join_group " + groupAddress("inet", "239,1,2,3"), "yes", "ip mcast_leave_group " + groupAddress("inet", "239,1,2,3"), "no"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := multicast(t)
			for i, s := range c.steps {
				if s != "yes" && s != "no" {
					sets(t, e.rx, s)
				} else if e.hears() != (s == "yes") {
					t.Errorf("step %d: not %s", i, s)
				}
			}
		})
	}
}

func proveSourceFilterIsReadByItsGroup(t *testing.T) {
	e := multicast(t)
	const query = "{msfilter,#{multiaddr=>{239,1,2,3},interface=>{127,0,0,1}}}"
	run(t, e.rx, []step{{"ip", query, "", "{error,eaddrnotavail}"}, {"ip", "{msfilter,5}", "", "{raise,badarg}"}})
	sets(t, e.rx, "ip add_membership "+group("127,0,0,1"), "ip msfilter "+filter("exclude", "{10,9,8,7},{10,9,8,6}"))
	run(t, e.rx, []step{{"ip", query, "", "{ok," + show(t, term(t, "#{interface=>{127,0,0,1},mode=>exclude,multiaddr=>{239,1,2,3},slist=>[{10,9,8,7},{10,9,8,6}]}")) + "}"}})
}

func proveGroupsOfIPv6AreInProc(t *testing.T) {
	s := open(t, socketcore.UDP6)
	member := func() bool { return strings.Contains(proc(t, "igmp6"), "ff150000000000000000000000010abc") }
	const mreq = "#{multiaddr=>{65301,0,0,0,0,0,1,2748},interface=>1}"
	for _, c := range []struct {
		option string
		want   bool
	}{
		{"ipv6 add_membership " + mreq, true},
		{"ipv6 drop_membership " + mreq, false},
		{"ipv6 join_group " + mreq, true},
		{"ipv6 leave_group " + mreq, false},
	} {
		if sets(t, s, c.option); member() != c.want {
			t.Errorf("after %s: %v", c.option, !c.want)
		}
	}
}

func proveForcedBuffersPassTheLimit(t *testing.T) {
	s := open(t, socketcore.UDP)
	sets(t, s, "socket rcvbuf 2147483647", "socket sndbuf 2147483647")
	rcv, snd := get(t, s, "socket", "rcvbuf"), get(t, s, "socket", "sndbuf")
	sets(t, s, "socket rcvbufforce 100000000", "socket sndbufforce 100000000")
	for key, limited := range map[string]string{"rcvbuf": rcv, "sndbuf": snd} {
		if got := get(t, s, "socket", key); got != "{ok,200000000}" || limited == got {
			t.Errorf("%s: %s, forced %s", key, limited, got)
		}
	}
}

func proveTCPInfoHasEveryFieldOfTheKernel(t *testing.T) {
	s := open(t, socketcore.TCPPair)
	info := get(t, s, "tcp", "info")
	for _, want := range []string{"state=>established", "ca_state=>open", "snd_mss=>", "total_retrans=>0", "bytes_sent=>0"} {
		if !strings.Contains(info, want) {
			t.Errorf("no %s in %s", want, info)
		}
	}
	raw := make([]byte, 4096)
	n, e := socketcore.Getsockopt(s.fd, unix.SOL_TCP, unix.TCP_INFO, raw)
	if e != 0 {
		t.Fatal(e)
	}
	o := socketcore.LevelNamed([]byte("tcp")).Option([]byte("info"))
	if n > o.Type.Size {
		t.Errorf("this kernel has %d bytes, the table %d", n, o.Type.Size)
	}
	if short := show(t, appendValue(nil, o.Type, raw[:104])); strings.Contains(short, "pacing_rate") || !strings.Contains(short, "total_retrans") {
		t.Errorf("104 bytes, as of Linux 3.14: %s", short)
	}
}

func provePktoptionsAreControlMessages(t *testing.T) {
	for _, c := range []struct {
		family        int
		level, option string
		want          string
	}{
		{unix.AF_INET, "ip", "pktinfo", "spec_dst=>{127,0,0,1}},level=>ip,type=>pktinfo}"},
		{unix.AF_INET6, "ipv6", "recvpktinfo", "#{data=>#{addr=>{0,0,0,0,0,0,0,1},ifindex=>1},level=>ipv6,type=>pktinfo}"},
	} {
		l, name := listener(t, c.family, c.level+" "+c.option+" true")
		connected(t, c.family, name)
		if got := get(t, nextOf(t, l), c.level, "pktoptions"); !strings.HasPrefix(got, "{ok,[#{") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", c.level, got)
		}
	}
}

func proveMD5SignaturesDecideWhoConnects(t *testing.T) {
	listener := testSocket(t, unix.AF_INET, unix.SOCK_STREAM, 0)
	must(t, unix.Bind(listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	key := func(key string) string { return "tcp md5sig #{addr=>#{family=>inet,addr=>loopback},key=>" + key + "}" }
	sets(t, &fakeSocket{fd: listener}, key("<<\"secret\">>"))
	must(t, unix.Listen(listener, 1))
	name, err := unix.Getsockname(listener)
	must(t, err)
	connects := func(options ...string) bool {
		fd := testSocket(t, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		sets(t, &fakeSocket{fd: fd}, options...)
		if err := unix.Connect(fd, name); err != unix.EINPROGRESS {
			return err == nil
		}
		n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 200)
		return n == 1
	}
	if !connects(key("<<\"secret\">>")) {
		t.Error("the right key does not connect")
	}
	if connects(key("<<\"other\">>")) || connects() {
		t.Error("another key connects")
	}
}

func proveReceiveTimeoutIsTheKernels(t *testing.T) {
	e := udp(t, unix.AF_INET)
	sets(t, e.rx, "socket rcvtimeo #{sec=>0,usec=>60000}")
	start := time.Now()
	if _, _, err := unix.Recvfrom(e.rx.fd, make([]byte, 8), 0); err != unix.EAGAIN {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took < 60*time.Millisecond {
		t.Errorf("after %v", took)
	}
}

func proveCorkHoldsDatagramsBack(t *testing.T) {
	e := udp(t, unix.AF_INET)
	sets(t, e.tx, "udp cork true")
	for _, part := range []string{"ab", "cd"} {
		must(t, unix.Send(e.tx.fd, []byte(part), 0))
	}
	if got, ok := e.arrives(); ok {
		t.Errorf("corked, but %q came", got)
	}
	sets(t, e.tx, "udp cork false")
	if got, _ := e.arrives(); got != "abcd" {
		t.Errorf("got %q", got)
	}
}

func proveMarkArrivesWithTheMessage(t *testing.T) {
	e := udp(t, unix.AF_INET)
	sets(t, e.tx, "socket mark 17", "socket priority 5")
	if got := set(t, e.rx, "socket", "rcvmark", "true"); got == "{error,enoprotoopt}" {
		t.Skip("this kernel does not tell marks")
	}
	e.send("[]")
	if ctrl, _, _ := e.receive(1024, 0); ctrl != nativeOrder("[#{data=><<17,0,0,0>>,level=>socket,type=>36}]") {
		t.Errorf("got %s", ctrl)
	}
}

func proveDropsAreCounted(t *testing.T) {
	e := udp(t, unix.AF_INET)
	sets(t, e.rx, "socket rxq_ovfl true", "socket rcvbuf 0")
	for range 20 {
		must(t, unix.Send(e.tx.fd, make([]byte, 500), 0))
	}
	for {
		if _, ok := e.arrives(); !ok {
			break
		}
	}
	e.send("[]")
	if ctrl, _, _ := e.receive(1024, 0); !strings.HasSuffix(ctrl, "level=>socket,type=>rxq_ovfl}]") {
		t.Errorf("got %s", ctrl)
	}
}

func proveHeadersOfIPv6Arrive(t *testing.T) {
	e := udp(t, unix.AF_INET6)
	sets(t, e.tx, "ipv6 hopopts <<0,0,1,4,0,0,0,0>>", "ipv6 dstopts <<0,0,30,4,1,2,3,4>>") // 30: experimental, to be skipped (RFC 4727)
	sets(t, e.rx, "ipv6 recvhopopts true", "ipv6 recvdstopts true")
	e.send("[]")
	ctrl, _, _ := e.receive(1024, 0)
	for _, want := range []string{"level=>ipv6,type=>54}", "30,4,1,2,3,4>>,level=>ipv6,type=>59}"} {
		if !strings.Contains(ctrl, want) {
			t.Errorf("no %s in %s", want, ctrl)
		}
	}
}

func proveOptionsOfIPArrive(t *testing.T) {
	e := udp(t, unix.AF_INET)
	sets(t, e.tx, "ip options <<7,7,4,0,0,0,0,0>>")
	sets(t, e.rx, "ip recvopts true")
	e.send("[]")
	if ctrl, _, _ := e.receive(1024, 0); !strings.HasPrefix(ctrl, "[#{data=><<7,7,8,127,0,0,1") {
		t.Errorf("got %s", ctrl)
	}
}

func proveFreebindTakesForeignAddresses(t *testing.T) {
	for _, c := range []struct {
		kind   socketcore.Sort
		option string
		name   unix.Sockaddr
	}{
		{socketcore.UDP, "ip freebind true", &unix.SockaddrInet4{Addr: [4]byte{192, 0, 2, 1}}},
		{socketcore.UDP6, "ipv6 freebind true", &unix.SockaddrInet6{Addr: [16]byte{0x20, 1, 0x0d, 0xb8, 15: 1}}},
		{socketcore.UDP, "ip transparent true", &unix.SockaddrInet4{Addr: [4]byte{192, 0, 2, 1}}},
		{socketcore.UDP6, "ipv6 transparent true", &unix.SockaddrInet6{Addr: [16]byte{0x20, 1, 0x0d, 0xb8, 15: 1}}},
	} {
		s := open(t, c.kind)
		if err := unix.Bind(s.fd, c.name); err != unix.EADDRNOTAVAIL {
			t.Errorf("without %s: %v", c.option, err)
		}
		sets(t, s, c.option)
		if err := unix.Bind(s.fd, c.name); err != nil {
			t.Errorf("with %s: %v", c.option, err)
		}
	}
}

func proveUrgentDataInline(t *testing.T) {
	e := local(t, unix.SOCK_STREAM)
	sets(t, e.rx, "socket oobinline true")
	must(t, unix.Send(e.tx.fd, []byte("abc"), unix.MSG_OOB))
	got, _ := e.arrives()
	more, _ := e.arrives()
	if got+more != "abc" {
		t.Errorf("got %q and %q", got, more)
	}
}

func provePeekGoesOnFromItsOffset(t *testing.T) {
	e := local(t, unix.SOCK_STREAM)
	must(t, unix.Send(e.tx.fd, []byte("abcdef"), 0))
	sets(t, e.rx, "socket peek_off 1")
	for _, want := range []string{"bc", "de"} {
		b := make([]byte, 2)
		if _, _, err := unix.Recvfrom(e.rx.fd, b, unix.MSG_PEEK); err != nil || string(b) != want {
			t.Errorf("peeked %q, %v", b, err)
		}
	}
}

func proveAddrformTurnsTheSocket(t *testing.T) {
	s := open(t, socketcore.TCPMapped)
	run(t, s, []step{
		{"ipv6", "addrform", "inet6", "BADVAL"},
		{"ipv6", "addrform", "2", "BADVAL"},
		{"ipv6", "addrform", "inet", "ok"},
		{"socket", "domain", "", "{ok,inet}"},
		{"ipv6", "v6only", "", "{error,enotsup}"},
	})
}

// proveV6onlyLeavesThePortToIPv4 tries ports: somebody else may have one on IPv4.
func proveV6onlyLeavesThePortToIPv4(t *testing.T) {
	free := func(value string) bool {
		six, four := open(t, socketcore.TCP6), open(t, socketcore.TCP)
		sets(t, six, "ipv6 v6only "+value)
		must(t, unix.Bind(six.fd, &unix.SockaddrInet6{}))
		must(t, unix.Listen(six.fd, 1))
		return unix.Bind(four.fd, &unix.SockaddrInet4{Port: portOf(nameOf(t, six))}) == nil
	}
	if free("false") {
		t.Error("IPv4 has the port without it")
	}
	eventually(t, "IPv4 has the port", func() bool { return free("true") })
}

func provePacketMembershipsShowAtTheDevice(t *testing.T) {
	s := open(t, socketcore.PacketSocket)
	allmulti := func() bool {
		b, err := os.ReadFile("/sys/class/net/lo/flags")
		must(t, err)
		var flags int
		fmt.Sscanf(string(b), "0x%x", &flags)
		return flags&unix.IFF_ALLMULTI != 0
	}
	if allmulti() {
		t.Skip("lo takes all groups already")
	}
	for _, c := range []struct {
		key  string
		want bool
	}{{"add_membership", true}, {"drop_membership", false}} {
		if sets(t, s, "packet "+c.key+" #{ifindex=>1,type=>allmulti}"); allmulti() != c.want {
			t.Errorf("after %s: %v", c.key, !c.want)
		}
	}
}

func proveTimestampsOfSendingComeBack(t *testing.T) {
	e := udp(t, unix.AF_INET)
	sets(t, e.tx, "socket timestamping [tx_software,software,opt_tsonly]")
	eventually(t, "a time stamp", func() bool {
		e.send("[]")
		data, oob := make([]byte, 64), make([]byte, 512)
		_, n, flags, _, err := unix.Recvmsg(e.tx.fd, data, oob, unix.MSG_ERRQUEUE)
		if err == unix.EAGAIN {
			return false
		}
		must(t, err)
		ctrl := show(t, appendCtrl(nil, oob[:n]))
		if show(t, appendMsgFlags(nil, flags)) != "[errqueue]" || !strings.Contains(ctrl, "level=>socket,type=>timestamping}") ||
			!strings.Contains(ctrl, "error=>enomsg,info=>0,offender=>undefined,origin=>txstatus") {
			t.Errorf("%s: %s", hex.EncodeToString(oob[:n]), ctrl)
		}
		return true
	})
}
