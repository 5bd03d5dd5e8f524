package dispatch

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gosocket/etf"
	"gosocket/socketcore"
)

// ends are two sockets that can send to each other.
type ends struct {
	t      *testing.T
	tx, rx *fakeSocket
}

// udp returns a connected UDP socket and its peer, bound to loopback.
func udp(t *testing.T, family int) ends {
	t.Helper()
	var sa unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if family == unix.AF_INET6 {
		sa = &unix.SockaddrInet6{Addr: [16]byte{15: 1}}
	}
	tx, rx := testSocket(t, family, unix.SOCK_DGRAM, 0), testSocket(t, family, unix.SOCK_DGRAM, 0)
	must(t, unix.Bind(rx, sa))
	name, err := unix.Getsockname(rx)
	must(t, err)
	must(t, unix.Connect(tx, name))
	return ends{t, &fakeSocket{fd: tx}, &fakeSocket{fd: rx}}
}

// local returns a pair of Unix sockets.
func local(t *testing.T, typ int) ends {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() {
		unix.Close(fds[0])
		unix.Close(fds[1])
	})
	return ends{t, &fakeSocket{fd: fds[0]}, &fakeSocket{fd: fds[1]}}
}

func testSocket(t *testing.T, family, typ, protocol int) int {
	t.Helper()
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC, protocol)
	if err == unix.EPERM {
		t.Skip("raw sockets need CAP_NET_RAW")
	}
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ask sets a boolean option of the receiver.
func (e ends) ask(level, key string) {
	e.t.Helper()
	if got := set(e.t, e.rx, level, key, "true"); got != "ok" {
		e.t.Fatalf("%s %s: %s", level, key, got)
	}
}

// send sends with control messages and returns what is wrong, if anything is.
func (e ends) send(ctrl string) string {
	e.t.Helper()
	d := decoderOf(e.t, ctrl)
	control, v := decodeCtrl(d, nil, 1024)
	if d.Err() != nil || d.Len() != 0 {
		e.t.Errorf("ctrl %s leaves %d bytes, %v", ctrl, d.Len(), d.Err())
	}
	if !v.ok() {
		return show(e.t, v.append(nil))
	}
	if err := unix.Sendmsg(e.tx.fd, []byte("data"), control, nil, unix.MSG_NOSIGNAL); err != nil {
		return "{kernel," + err.Error() + "}"
	}
	return "ok"
}

// receive returns ctrl and flags of the next message.
func (e ends) receive(room, flags int) (ctrl, msgFlags string, control []byte) {
	e.t.Helper()
	return receive(e.t, e.rx.fd, room, flags)
}

func receive(t *testing.T, fd, room, flags int) (ctrl, msgFlags string, control []byte) {
	t.Helper()
	data, oob := make([]byte, 2048), make([]byte, room)
	_, n, got, _, err := unix.Recvmsg(fd, data, oob, flags|unix.MSG_DONTWAIT)
	must(t, err)
	return show(t, appendCtrl(nil, oob[:n])), show(t, appendMsgFlags(nil, got)), oob[:n]
}

func TestInetControlMessagesAreDecoded(t *testing.T) {
	e := udp(t, unix.AF_INET)
	for _, key := range []string{"recvtos", "recvttl", "pktinfo", "recvorigdstaddr"} {
		e.ask("ip", key)
	}
	must(t, unix.SetsockoptInt(e.tx.fd, unix.SOL_IP, unix.IP_TOS, 0x10))
	must(t, unix.SetsockoptInt(e.tx.fd, unix.SOL_IP, unix.IP_TTL, 33))
	e.send("[]")
	ctrl, _, _ := e.receive(1024, 0)
	port := strings.TrimPrefix(strings.SplitAfter(ctrl, "port=>")[1], "port=>")
	port, _, _ = strings.Cut(port, "}")
	for _, want := range []string{
		"#{data=>lowdelay,level=>ip,type=>tos}", "#{data=>33,level=>ip,type=>ttl}",
		"#{data=>#{addr=>{127,0,0,1},ifindex=>1,spec_dst=>{127,0,0,1}},level=>ip,type=>pktinfo}",
		"#{data=>#{addr=>{127,0,0,1},family=>inet,port=>" + port + "},level=>ip,type=>origdstaddr}",
	} {
		if !strings.Contains(ctrl, want) {
			t.Errorf("no %s in %s", want, ctrl)
		}
	}
}

func TestServiceTypesHaveNames(t *testing.T) {
	e := udp(t, unix.AF_INET)
	e.ask("ip", "recvtos")
	for tos, want := range map[int]string{0x10: "lowdelay", 8: "throughput", 4: "reliability", 2: "mincost", 0: "0", 184: "184"} {
		must(t, unix.SetsockoptInt(e.tx.fd, unix.SOL_IP, unix.IP_TOS, tos))
		e.send("[]")
		if ctrl, _, _ := e.receive(1024, 0); ctrl != "[#{data=>"+want+",level=>ip,type=>tos}]" {
			t.Errorf("%d is %s", tos, ctrl)
		}
	}
}

func TestInet6ControlMessagesAreDecoded(t *testing.T) {
	e := udp(t, unix.AF_INET6)
	for _, key := range []string{"recvhoplimit", "recvpktinfo", "recvtclass", "recvorigdstaddr"} {
		e.ask("ipv6", key)
	}
	must(t, unix.SetsockoptInt(e.tx.fd, unix.SOL_IPV6, unix.IPV6_TCLASS, 32))
	e.send("[]")
	ctrl, _, _ := e.receive(1024, 0)
	for _, want := range []string{
		"#{data=>64,level=>ipv6,type=>hoplimit}", "#{data=>32,level=>ipv6,type=>tclass}",
		"#{data=>#{addr=>{0,0,0,0,0,0,0,1},ifindex=>1},level=>ipv6,type=>pktinfo}",
		"level=>ipv6,type=>74}", // no name in the man page: number and bytes
	} {
		if !strings.Contains(ctrl, want) {
			t.Errorf("no %s in %s", want, ctrl)
		}
	}
}

func TestTimestampIsATimeval(t *testing.T) {
	e := udp(t, unix.AF_INET)
	e.ask("socket", "timestamp")
	for range 20 { // the first packets after the first use on a system may lack it
		e.send("[]")
		ctrl, _, control := e.receive(1024, 0)
		if ctrl == "[]" {
			continue
		}
		_, _, data, _, _ := socketcore.NextCmsg(control)
		want := fmt.Sprintf("[#{data=>#{sec=>%d,usec=>%d},level=>socket,type=>timestamp}]", loadNative(data[:8]), loadNative(data[8:]))
		if ctrl != want {
			t.Errorf("%s, want %s", ctrl, want)
		}
		return
	}
	t.Error("no time stamp came")
}

func TestTimesHaveNames(t *testing.T) {
	times := make([]byte, 48)
	storeNative(times[:8], 7)
	storeNative(times[8:16], 999_999_999)
	storeNative(times[40:], 3)
	for _, c := range []struct {
		typ  int
		data []byte
		want string
	}{
		{unix.SO_TIMESTAMPNS, times[:16], "data=>#{nsec=>999999999,sec=>7},level=>socket,type=>timestampns"},
		{unix.SO_TIMESTAMPING, times, "data=>[#{nsec=>999999999,sec=>7},#{nsec=>0,sec=>0},#{nsec=>3,sec=>0}],level=>socket,type=>timestamping"},
		{unix.SO_TIMESTAMPING, times[:47], "data=><<" + showBytes(times[:47]) + ">>,level=>socket,type=>timestamping"},
		{unix.SO_RXQ_OVFL, []byte{255, 255, 255, 255}, "data=>4294967295,level=>socket,type=>rxq_ovfl"},
	} {
		if got := show(t, appendCtrl(nil, socketcore.AppendCmsg(nil, unix.SOL_SOCKET, c.typ, c.data))); got != "[#{"+c.want+"}]" {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestCredentialsAreTwelveBytes(t *testing.T) {
	e := local(t, unix.SOCK_DGRAM)
	e.ask("socket", "passcred")
	e.send("[]")
	ctrl, _, control := e.receive(1024, 0)
	_, _, data, _, ok := socketcore.NextCmsg(control)
	if !ok || len(data) != 12 || ctrl != "[#{data=><<"+showBytes(data)+">>,level=>socket,type=>credentials}]" {
		t.Errorf("got %s", ctrl)
	}
	if pid := loadNative(data[:4]); int(pid) != unix.Getpid() {
		t.Errorf("from process %d", pid)
	}
	credentials := "[#{level=>socket,type=>credentials,data=><<" + showBytes(data) + ">>}]"
	if got := e.send(credentials); got != "ok" {
		t.Errorf("sending %s: %s", credentials, got)
	}
	if again, _, _ := e.receive(1024, 0); again != ctrl {
		t.Errorf("came as %s", again)
	}
}

func TestRightsPassDescriptors(t *testing.T) {
	e := local(t, unix.SOCK_STREAM)
	fd := [4]byte{}
	storeNative(fd[:], uint64(e.tx.fd))
	text := "[#{level=>socket,type=>rights,data=><<" + showBytes(fd[:]) + "," + showBytes(fd[:]) + ">>}]"
	if got := e.send(text); got != "ok" {
		t.Fatal(got)
	}
	ctrl, _, control := e.receive(1024, unix.MSG_CMSG_CLOEXEC)
	var fds []int
	for p := range socketcore.DescriptorsIn(control) {
		fds = append(fds, int(loadNative(p)))
	}
	if len(fds) != 2 || !strings.HasPrefix(ctrl, "[#{data=><<") || !strings.HasSuffix(ctrl, "level=>socket,type=>rights}]") {
		t.Fatalf("%v in %s", fds, ctrl)
	}
	var sent, came unix.Stat_t
	must(t, unix.Fstat(e.tx.fd, &sent))
	for _, fd := range fds {
		must(t, unix.Fstat(fd, &came))
		if came.Ino != sent.Ino {
			t.Errorf("%d is another socket", fd)
		}
		unix.Close(fd)
	}
}

func TestCutControlMessagesAreBytes(t *testing.T) {
	e := udp(t, unix.AF_INET)
	e.ask("ip", "pktinfo")
	e.send("[]")
	const head = unix.SizeofCmsghdr
	whole, flags, control := e.receive(head+12, 0)
	if !strings.Contains(whole, "spec_dst") || flags != "[]" {
		t.Errorf("with just enough room: %s %s", whole, flags)
	}
	for room := range head + 12 {
		e.send("[]")
		ctrl, flags, _ := e.receive(room, 0)
		want := "[]"
		if room >= head {
			want = "[#{data=><<" + showBytes(control[head:room]) + ">>,level=>ip,type=>pktinfo}]"
		}
		if ctrl != want || flags != "[ctrunc]" {
			t.Errorf("%d bytes of room: %s %s, want %s", room, ctrl, flags, want)
		}
	}
}

func TestUnknownControlMessagesAreNumbersAndBytes(t *testing.T) {
	e := udp(t, unix.AF_INET)
	e.ask("udp", "gro")
	if got := e.send(nativeOrder("[#{level=>udp,type=>103,data=><<2,0>>}]")); got != "ok" {
		t.Fatal(got)
	}
	ctrl, _, _ := e.receive(1024, 0)
	if ctrl != nativeOrder("[#{data=><<2,0,0,0>>,level=>udp,type=>104}]") {
		t.Errorf("got %s", ctrl)
	}
	raw := socketcore.AppendCmsg(nil, 6, 36, []byte{1, 2, 3, 4})
	raw = socketcore.AppendCmsg(raw, 263, 8, []byte{9})
	if got := show(t, appendCtrl(nil, raw)); got != "[#{data=><<1,2,3,4>>,level=>6,type=>36},#{data=><<9>>,level=>263,type=>8}]" {
		t.Errorf("got %s", got)
	}
}

func TestSentControlMessagesWork(t *testing.T) {
	inet, inet6 := udp(t, unix.AF_INET), udp(t, unix.AF_INET6)
	for _, key := range []string{"recvtos", "recvttl"} {
		inet.ask("ip", key)
	}
	for _, key := range []string{"recvhoplimit", "recvtclass"} {
		inet6.ask("ipv6", key)
	}
	for _, c := range []struct {
		e          ends
		ctrl, want string
	}{
		{inet, "#{level=>ip,type=>tos,data=>throughput}", "data=>throughput,level=>ip,type=>tos"},
		{inet, "#{level=>ip,type=>tos,data=>184}", "data=>184,level=>ip,type=>tos"},
		{inet, "#{level=>ip,type=>tos,data=><<8>>}", "data=>throughput,level=>ip,type=>tos"},
		{inet, "#{level=>0,type=>1,data=><<16,0,0,0>>,other=>1}", "data=>lowdelay,level=>ip,type=>tos"},
		{inet, "#{level=>ip,type=>ttl,data=>7}", "data=>7,level=>ip,type=>ttl"},
		{inet, "#{level=>ip,type=>1,data=>lowdelay}", "data=>lowdelay,level=>ip,type=>tos"},
		{inet, "#{level=>ip,type=>ttl,data=><<9,0,0,0>>}", "data=>9,level=>ip,type=>ttl"},
		{inet6, "#{level=>ipv6,type=>tclass,data=>12}", "data=>12,level=>ipv6,type=>tclass"},
		{inet6, "#{level=>ipv6,type=>hoplimit,data=>5}", "data=>5,level=>ipv6,type=>hoplimit"},
		{inet6, "#{level=>ipv6,type=>hoplevel,data=>6}", "data=>6,level=>ipv6,type=>hoplimit"},
		{inet6, "#{level=>41,type=>52,data=><<7,0,0,0>>}", "data=>7,level=>ipv6,type=>hoplimit"},
	} {
		if got := c.e.send(nativeOrder("[" + c.ctrl + "]")); got != "ok" {
			t.Errorf("%s: %s", c.ctrl, got)
			continue
		}
		if ctrl, _, _ := c.e.receive(1024, 0); !strings.Contains(ctrl, c.want) {
			t.Errorf("%s came as %s", c.ctrl, ctrl)
		}
	}
}

func TestBadControlMessagesAreEinval(t *testing.T) {
	e := udp(t, unix.AF_INET)
	for _, ctrl := range []string{
		"foo", "\"ab\"", "#{}", "[foo]", "[#{}]", "[#{level=>ip,type=>tos}]", "[#{level=>ip,data=>1}]", "[#{type=>tos,data=>1}]",
		"[#{level=>foo,type=>tos,data=>1}]", "[#{level=>ip,type=>foo,data=>1}]", "[#{level=>ip,type=>tos,data=>foo}]",
		"[#{level=>ip,type=>tos,data=>{a}}]", "[#{level=>ip,type=>8,data=>1}]", "[#{level=>socket,type=>rights,data=>1}]",
		"[#{level=>ip,type=>pktinfo,data=><<0,0,0,0,0,0,0,0,0,0,0,0>>}]", "[#{level=>ipv6,type=>recverr,data=><<>>}]",
		"[#{level=>ip,type=>ttl,data=>1 bsl 40}]", "[#{level=>1 bsl 40,type=>1,data=><<>>}]",
		"[#{level=>ip,type=>ttl,data=>1}|foo]", "[#{level=>socket,type=>99,data=><<\"" + strings.Repeat("x", 1024-unix.SizeofCmsghdr+1) + "\">>}]",
	} {
		if got := e.send(ctrl); got != "{error,einval}" {
			t.Errorf("%.60s: %s", ctrl, got)
		}
	}
	for _, ctrl := range []string{
		"[#{level=>ip,type=>tos,data=>256}]", "[#{level=>ip,type=>tos,data=><<>>}]", "[#{level=>ip,type=>ttl,data=>0}]",
		"[#{level=>ip,type=>ttl,data=><<9>>}]", "[#{level=>ip,type=>99,data=><<>>}]",
	} {
		if got := e.send(ctrl); got != "{kernel,invalid argument}" {
			t.Errorf("%s: %s", ctrl, got)
		}
	}
	if got := e.send("[#{level=>socket,type=>99,data=><<\"" + strings.Repeat("x", 1024-unix.SizeofCmsghdr) + "\">>}]"); got != "{kernel,invalid argument}" {
		t.Errorf("a list that fills the limit: %s", got)
	}
}

func TestBrokenControlBuffersAreRead(t *testing.T) {
	whole := socketcore.AppendCmsg(socketcore.AppendCmsg(nil, 0, 2, []byte{1, 0, 0, 0}), 0, 8, make([]byte, 12))
	for n := range whole {
		show(t, appendCtrl(nil, whole[:n]))
	}
	for i := range whole {
		for _, bad := range []byte{0, 1, 15, 17, 255} {
			b := bytes.Clone(whole)
			b[i] = bad
			show(t, appendCtrl(nil, b))
		}
	}
}

// closedPort sends to a port that nobody has any more and returns what the error queue
// says.
func closedPort(t *testing.T, family int, level, key string) string {
	t.Helper()
	tx := testSocket(t, family, unix.SOCK_DGRAM, 0)
	var name unix.Sockaddr
	t.Run("peer", func(t *testing.T) { // which closes its sockets at its end
		var err error
		name, err = unix.Getsockname(udp(t, family).rx.fd)
		must(t, err)
	})
	must(t, unix.Connect(tx, name))
	if got := set(t, &fakeSocket{fd: tx}, level, key, "true"); got != "ok" {
		t.Fatal(got)
	}
	must(t, unix.Send(tx, []byte("data"), 0))
	ctrl, flags, _ := receive(t, tx, 1024, unix.MSG_ERRQUEUE)
	if flags != "[errqueue]" {
		t.Errorf("flags %s", flags)
	}
	return ctrl
}

func TestExtendedErrOfAClosedPort(t *testing.T) {
	const want = "[#{data=>#{code=>port_unreach,data=>0,error=>econnrefused,info=>0,offender=>%s,origin=>%s,type=>dest_unreach},level=>%s,type=>recverr}]"
	for _, c := range []struct {
		family                  int
		level, origin, offender string
	}{
		{unix.AF_INET, "ip", "icmp", "#{addr=>{127,0,0,1},family=>inet,port=>0}"},
		{unix.AF_INET6, "ipv6", "icmp6", "#{addr=>{0,0,0,0,0,0,0,1},family=>inet6,flowinfo=>0,port=>0,scope_id=>0}"},
	} {
		if got := closedPort(t, c.family, c.level, "recverr"); got != fmt.Sprintf(want, c.offender, c.origin, c.level) {
			t.Errorf("got %s", got)
		}
	}
}

// extendedErr makes the data of a recverr message.
func extendedErr(errno uint32, origin, typ, code byte, info, data uint32, offender []byte) []byte {
	b := make([]byte, 16+len(offender))
	copy(b[16:], offender)
	storeNative(b[0:4], uint64(errno))
	b[4], b[5], b[6] = origin, typ, code
	storeNative(b[8:12], uint64(info))
	storeNative(b[12:16], uint64(data))
	return b
}

func TestExtendedErrNames(t *testing.T) {
	nobody := make([]byte, 16)
	for _, c := range []struct {
		errno             uint32
		origin, typ, code byte
		want              string
	}{
		{101, 2, 3, 0, "enetunreach,icmp,dest_unreach,net_unreach"},
		{113, 2, 3, 1, "ehostunreach,icmp,dest_unreach,host_unreach"},
		{92, 2, 3, 2, "enoprotoopt,icmp,dest_unreach,2"},
		{111, 2, 3, 3, "econnrefused,icmp,dest_unreach,port_unreach"},
		{90, 2, 3, 4, "emsgsize,icmp,dest_unreach,frag_needed"},
		{95, 2, 3, 5, "enotsup,icmp,dest_unreach,5"},
		{101, 2, 3, 6, "enetunreach,icmp,dest_unreach,net_unknown"},
		{112, 2, 3, 7, "ehostdown,icmp,dest_unreach,host_unknown"},
		{113, 2, 3, 15, "ehostunreach,icmp,dest_unreach,15"},
		{113, 2, 11, 0, "ehostunreach,icmp,time_exceeded,0"},
		{71, 2, 12, 1, "eproto,icmp,12,1"},
		{101, 3, 1, 0, "enetunreach,icmp6,dest_unreach,noroute"},
		{13, 3, 1, 1, "eacces,icmp6,dest_unreach,adm_prohibited"},
		{113, 3, 1, 2, "ehostunreach,icmp6,dest_unreach,not_neighbour"},
		{113, 3, 1, 3, "ehostunreach,icmp6,dest_unreach,addr_unreach"},
		{111, 3, 1, 4, "econnrefused,icmp6,dest_unreach,port_unreach"},
		{13, 3, 1, 5, "eacces,icmp6,dest_unreach,policy_fail"},
		{13, 3, 1, 6, "eacces,icmp6,dest_unreach,reject_route"},
		{71, 3, 1, 7, "eproto,icmp6,dest_unreach,7"},
		{90, 3, 2, 0, "emsgsize,icmp6,pkt_toobig,0"},
		{113, 3, 3, 1, "ehostunreach,icmp6,time_exceeded,1"},
		{71, 3, 4, 2, "eproto,icmp6,4,2"},
		{71, 3, 100, 0, "eproto,icmp6,100,0"},
		{90, 1, 0, 0, "emsgsize,local,0,0"},
		{42, 4, 0, 0, "enomsg,txstatus,0,0"},
		{0, 5, 0, 1, "none,5,0,1"},
		{0, 0, 3, 3, "none,none,3,3"},
	} {
		got := show(t, appendExtendedErr(nil, extendedErr(c.errno, c.origin, c.typ, c.code, 1300, 7, nobody)))
		w := strings.Split(c.want, ",")
		want := fmt.Sprintf("#{code=>%s,data=>7,error=>%s,info=>1300,offender=>undefined,origin=>%s,type=>%s}", w[3], w[0], w[1], w[2])
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestCutExtendedErrIsBytes(t *testing.T) {
	whole := extendedErr(111, 2, 3, 3, 0, 0, make([]byte, 16))
	for n := range whole {
		got := show(t, appendCtrl(nil, socketcore.AppendCmsg(nil, unix.SOL_IP, unix.IP_RECVERR, whole[:n])))
		if want := "[#{data=><<" + showBytes(whole[:n]) + ">>,level=>ip,type=>recverr}]"; got != want {
			t.Errorf("%d bytes: %s", n, got)
		}
	}
}

func TestControlMessagesDoNotAllocate(t *testing.T) {
	control := socketcore.AppendCmsg(nil, unix.SOL_IP, unix.IP_PKTINFO, make([]byte, 12))
	control = socketcore.AppendCmsg(control, unix.SOL_IP, unix.IP_RECVERR, extendedErr(111, 2, 3, 3, 0, 0, make([]byte, 16)))
	ctrl := term(t, "[#{level=>socket,type=>rights,data=><<1,0,0,0>>}]")
	out, buf := make([]byte, 0, 1024), make([]byte, 0, 1024)
	var d etf.Decoder
	allocs := testing.AllocsPerRun(100, func() {
		out = appendCtrl(out[:0], control)
		d.Reset(ctrl)
		if _, v := decodeCtrl(&d, buf, 1024); !v.ok() {
			t.Error("refused")
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
