package dispatch

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"gosocket/socketcore"
)

// socketProofs are those of level socket on any kind of socket.
var socketProofs = []proof{
	{"socket acceptconn", "it is true once the socket listens", proveAcceptconn},
	{"socket bindtodevice, socket bindtoifindex", "only what comes by the device arrives", proveBindtodevice},
	{"socket broadcast", "sending to a broadcast address is refused without it", proveBroadcast},
	{"socket domain, socket type, socket protocol", "they are what the socket was opened with", proveIdentity},
	{"socket dontroute", "what is behind a gateway is out of reach", proveDontroute},
	{"socket linger", "the peer of a socket that aborts is reset", proveLinger},
	{"socket priority, socket rcvpriority", "the priority comes with the message", provePriority},
	{"socket rcvbuf, socket sndbuf, socket meminfo", "the memory information has the sizes", proveBuffers},
	{"socket rcvlowat", "less than that does not make the socket readable", proveRcvlowat},
	{"socket sndtimeo", "a blocking send of the kernel ends then", proveSndtimeo},
	{"socket rcvtimeo_new, socket sndtimeo_new", "the options of the old numbers have the same times", proveNewTimeouts},
	{"socket sndlowat", "it is 1, and the kernel refuses to change it", proveSndlowat},
	{"socket reuseaddr", "two sockets have one port", proveReuseaddr},
	{"socket reuseport", "two sockets listen on one port", proveReuseport},
	{"socket timestamp, socket timestampns, socket timestamp_new, socket timestampns_new", "the time of arrival comes with the message", proveTimestamps},
	{"socket timestamping, socket timestamping_new", "three times come with the message, the first that of arrival", proveTimestamping},
	{"socket cookie", "no two sockets have the same", proveCookie},
	{"socket netns_cookie", "another namespace has another", proveNetnsCookie},
	{"socket detach_filter, socket lock_filter", "a filter works until it is detached, for ever when it is locked", proveFilters},
	{"socket detach_reuseport_bpf", "a program chooses the socket of a group until it is detached", proveReuseportProgram},
	{"socket bpf_extensions", "there are as many as the headers name", proveExtensions},
}

func proveAcceptconn(t *testing.T) {
	s, _ := bound(t, unix.AF_INET, unix.SOCK_STREAM)
	run(t, s, []step{{"socket", "acceptconn", "", "{ok,false}"}})
	must(t, unix.Listen(s.fd, 1))
	run(t, s, []step{{"socket", "acceptconn", "", "{ok,true}"}})
}

func proveBindtodevice(t *testing.T) {
	world(t, veth, "link set v0 up", "link set v1 up")
	for _, c := range []struct{ lo, other string }{
		{"socket bindtodevice \"lo\"", "socket bindtodevice \"v0\""},
		{"socket bindtoifindex 1", "socket bindtoifindex 10"},
	} {
		e := udp(t, unix.AF_INET)
		sets(t, e.rx, c.lo)
		run(t, e.rx, []step{{"socket", "bindtoifindex", "", "{ok,1}"}, {"socket", "bindtodevice", "", "{ok,\"lo\"}"}})
		says(t, e.tx, "x")
		if comes(t, e.rx) != "x" {
			t.Errorf("%s: it did not arrive", c.lo)
		}
		sets(t, e.rx, c.other)
		run(t, e.rx, []step{{"socket", "bindtoifindex", "", "{ok,10}"}, {"socket", "bindtodevice", "", "{ok,\"v0\"}"}})
		_, _ = unix.Write(e.tx.fd, []byte("x")) // may be told that nobody is there
		if got, ok := e.arrives(); ok {
			t.Errorf("%s: %q arrived", c.other, got)
		}
	}
}

func proveBroadcast(t *testing.T) {
	s := open(t, socketcore.UDP)
	everybody := &unix.SockaddrInet4{Addr: [4]byte{127, 255, 255, 255}, Port: 9}
	if err := unix.Sendto(s.fd, []byte("x"), 0, everybody); err != unix.EACCES {
		t.Errorf("without it: %v", err)
	}
	sets(t, s, "socket broadcast true")
	must(t, unix.Sendto(s.fd, []byte("x"), 0, everybody))
}

func proveIdentity(t *testing.T) {
	for _, c := range []struct {
		domain, typ, protocol int
		want                  [3]string
	}{
		{unix.AF_INET, unix.SOCK_STREAM, 0, [3]string{"inet", "stream", "tcp"}},
		{unix.AF_INET6, unix.SOCK_DGRAM, 0, [3]string{"inet6", "dgram", "udp"}},
		{unix.AF_UNIX, unix.SOCK_SEQPACKET, 0, [3]string{"local", "seqpacket", "default"}},
	} {
		s := &fakeSocket{fd: testSocket(t, c.domain, c.typ, c.protocol)}
		for i, key := range []string{"domain", "type", "protocol"} {
			run(t, s, []step{{"socket", key, "", "{ok," + c.want[i] + "}"}})
		}
	}
}

func proveDontroute(t *testing.T) {
	world(t, veth, "link set v0 up", "link set v1 up", "addr add 10.9.0.1/24 dev v0", "route add default via 10.9.0.2")
	far := &unix.SockaddrInet4{Addr: [4]byte{192, 0, 2, 1}, Port: 9}
	s := open(t, socketcore.UDP)
	must(t, unix.Connect(s.fd, far))
	sets(t, s, "socket dontroute true")
	if err := unix.Connect(s.fd, far); err != unix.ENETUNREACH {
		t.Errorf("got %v", err)
	}
}

func proveLinger(t *testing.T) {
	for option, want := range map[string]error{"socket linger abort": unix.ECONNRESET, "socket linger {true,0}": unix.ECONNRESET, "socket linger {false,0}": nil} {
		e := connection(t, unix.AF_INET, option)
		hangUp(e.tx)
		if !ready(t, e.rx.fd, unix.POLLIN, patience) {
			t.Fatal("nothing came")
		}
		if n, err := unix.Read(e.rx.fd, make([]byte, 8)); !errors.Is(err, want) || n > 0 {
			t.Errorf("%s: %d, %v", option, n, err)
		}
	}
}

func provePriority(t *testing.T) {
	e := udp(t, unix.AF_INET)
	if got := set(t, e.rx, "socket", "rcvpriority", "true"); got == "{error,enoprotoopt}" {
		t.Skip("this kernel does not tell priorities")
	}
	sets(t, e.tx, "socket priority 5")
	e.send("[]")
	wants(t, carried(t, e.rx), nativeOrder("#{data=><<5,0,0,0>>,level=>socket,type=>12}"))
}

func proveBuffers(t *testing.T) {
	s := open(t, socketcore.UDP)
	sets(t, s, "socket rcvbuf 20000", "socket sndbuf 30000")
	info := get(t, s, "socket", "meminfo")
	wants(t, info, "rcvbuf=>40000")
	wants(t, info, "sndbuf=>60000")
}

func proveRcvlowat(t *testing.T) {
	e := connection(t, unix.AF_INET)
	sets(t, e.rx, "socket rcvlowat 5")
	says(t, e.tx, "abc")
	eventually(t, "three bytes are there", func() bool {
		n, err := unix.IoctlGetUint32(e.rx.fd, unix.TIOCINQ)
		return err == nil && n == 3
	})
	if ready(t, e.rx.fd, unix.POLLIN, 0) {
		t.Error("three bytes make it readable")
	}
	says(t, e.tx, "de")
	if !ready(t, e.rx.fd, unix.POLLIN, patience) {
		t.Error("five bytes do not")
	}
}

func proveSndtimeo(t *testing.T) {
	e := local(t, unix.SOCK_STREAM)
	sets(t, e.tx, "socket sndtimeo #{sec=>0,usec=>60000}")
	for {
		start := time.Now()
		if _, err := unix.Write(e.tx.fd, make([]byte, 1<<16)); err == nil {
			continue
		} else if err != unix.EAGAIN {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took < 60*time.Millisecond {
			t.Errorf("after %v", took)
		}
		return
	}
}

func proveNewTimeouts(t *testing.T) {
	s := open(t, socketcore.TCP)
	sets(t, s, "socket rcvtimeo_new #{sec=>7,usec=>0}", "socket sndtimeo_new #{sec=>8,usec=>0}")
	run(t, s, []step{{"socket", "rcvtimeo", "", "{ok,#{sec=>7,usec=>0}}"}, {"socket", "sndtimeo", "", "{ok,#{sec=>8,usec=>0}}"}})
}

func proveSndlowat(t *testing.T) {
	run(t, open(t, socketcore.TCP), []step{{"socket", "sndlowat", "", "{ok,1}"}, {"socket", "sndlowat", "2", "{error,enoprotoopt}"}})
}

func proveReuseaddr(t *testing.T) {
	_, name := bound(t, unix.AF_INET, unix.SOCK_DGRAM, "socket reuseaddr true")
	other := open(t, socketcore.UDP)
	if err := unix.Bind(other.fd, name); err != unix.EADDRINUSE {
		t.Errorf("the other one without it: %v", err)
	}
	sets(t, other, "socket reuseaddr true")
	must(t, unix.Bind(other.fd, name))
}

func proveReuseport(t *testing.T) {
	_, name := listener(t, unix.AF_INET, "socket reuseport true")
	other := open(t, socketcore.TCP)
	if err := unix.Bind(other.fd, name); err != unix.EADDRINUSE {
		t.Errorf("the other one without it: %v", err)
	}
	sets(t, other, "socket reuseport true")
	must(t, unix.Bind(other.fd, name))
	must(t, unix.Listen(other.fd, 1))
}

// stamped sends until a control message of the type comes: the kernel switches time
// stamps on some time after their first use on a system.
func stamped(t *testing.T, e ends, typ int) (stamp []byte) {
	t.Helper()
	eventually(t, "a time stamp", func() bool {
		e.send("[]")
		if !ready(t, e.rx.fd, unix.POLLIN, patience) {
			t.Fatal("nothing came")
		}
		_, _, control := e.receive(1024, 0)
		for {
			_, got, data, rest, ok := socketcore.NextCmsg(control)
			if !ok || got == typ {
				stamp = data
				return ok
			}
			control = rest
		}
	})
	return stamp
}

func proveTimestamps(t *testing.T) {
	for _, c := range []struct {
		key  string
		typ  int
		tick time.Duration
		size int
	}{
		{"timestamp", 29, time.Microsecond, unix.SizeofLong},
		{"timestampns", 35, time.Nanosecond, unix.SizeofLong},
		{"timestamp_new", 63, time.Microsecond, 8},
		{"timestampns_new", 64, time.Nanosecond, 8},
	} {
		e := udp(t, unix.AF_INET)
		e.ask("socket", c.key)
		data := stamped(t, e, c.typ)
		at := time.Unix(int64(loadNative(data[:c.size])), 0).Add(time.Duration(loadNative(data[c.size:])) * c.tick)
		if age := time.Since(at); age < -time.Second || age > time.Minute {
			t.Errorf("%s: %v", c.key, at)
		}
	}
}

func proveTimestamping(t *testing.T) {
	for _, c := range []struct {
		key       string
		typ, size int
	}{{"timestamping", 37, unix.SizeofLong}, {"timestamping_new", 65, 8}} {
		e := udp(t, unix.AF_INET)
		sets(t, e.rx, "socket "+c.key+" [rx_software,software]")
		data := stamped(t, e, c.typ)
		if age := time.Since(time.Unix(int64(loadNative(data[:c.size])), 0)); len(data) != 6*c.size || age < -time.Minute || age > time.Minute {
			t.Errorf("%s: %d bytes, of %v ago", c.key, len(data), age)
		}
	}
}

func proveCookie(t *testing.T) {
	a, b := open(t, socketcore.UDP), open(t, socketcore.UDP)
	first, other := get(t, a, "socket", "cookie"), get(t, b, "socket", "cookie")
	if first == other || first != get(t, a, "socket", "cookie") {
		t.Errorf("%s and %s", first, other)
	}
}

func proveNetnsCookie(t *testing.T) {
	here := get(t, open(t, socketcore.UDP), "socket", "netns_cookie")
	if here == "{error,enoprotoopt}" {
		t.Skip("this kernel has no cookies of namespaces")
	}
	world(t)
	if there := get(t, open(t, socketcore.UDP), "socket", "netns_cookie"); here == there {
		t.Errorf("both have %s", here)
	}
}

func proveFilters(t *testing.T) {
	e := udp(t, unix.AF_INET)
	arrives := func(want bool) {
		t.Helper()
		says(t, e.tx, "x")
		if _, ok := e.arrives(); ok != want {
			t.Errorf("arrives: %v", ok)
		}
	}
	deaf(t, e.rx.fd)
	arrives(false)
	sets(t, e.rx, "socket detach_filter 0")
	arrives(true)
	deaf(t, e.rx.fd)
	sets(t, e.rx, "socket lock_filter true")
	run(t, e.rx, []step{{"socket", "detach_filter", "0", "{error,eperm}"}})
	arrives(false)
}

func proveReuseportProgram(t *testing.T) {
	first, name := bound(t, unix.AF_INET, unix.SOCK_DGRAM, "socket reuseport true")
	second := open(t, socketcore.UDP)
	sets(t, second, "socket reuseport true")
	must(t, unix.Bind(second.fd, name))
	// The program returns the index of the socket that gets the datagram.
	program := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 1}}
	must(t, unix.SetsockoptSockFprog(first.fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF, &unix.SockFprog{Len: 1, Filter: &program[0]}))
	reached := func() (n int) {
		for range 64 { // each from a port of its own, which is what chooses without a program
			tx := open(t, socketcore.UDP)
			must(t, unix.Sendto(tx.fd, []byte("x"), 0, name))
			if _, ok := (ends{t, nil, first}).arrives(); ok {
				n++
			}
		}
		return n
	}
	if n := reached(); n != 0 {
		t.Errorf("%d datagrams for the first socket", n)
	}
	sets(t, first, "socket detach_reuseport_bpf 0")
	if n := reached(); n == 0 || n == 64 {
		t.Errorf("then %d of 64", n)
	}
}

// SKF_AD_MAX of linux/filter.h is 64.
func proveExtensions(t *testing.T) {
	if got := get(t, open(t, socketcore.UDP), "socket", "bpf_extensions"); got != "{ok,64}" {
		t.Errorf("got %s", got)
	}
}

// unixProofs are those of level socket on local sockets.
var unixProofs = []proof{
	{"socket passcred", "the sender's ids come with the message", provePasscred},
	{"socket peergroups", "the groups are those that the peer had when it connected", provePeergroups},
	{"socket peersec", "the label is that of the process", provePeersec},
	{"socket peerpidfd", "the descriptor is one of the peer's process", provePeerpidfd},
	{"socket passpidfd", "a descriptor of the sender's process comes with the message", provePasspidfd},
	{"socket passrights", "without it senders of descriptors are refused", provePassrights},
	{"socket inq", "the bytes that are left come with the message", proveUnixInq},
}

func provePasscred(t *testing.T) {
	e := local(t, unix.SOCK_DGRAM)
	says(t, e.tx, "x")
	if got := carried(t, e.rx); got != "[]" {
		t.Errorf("without it: %s", got)
	}
	sets(t, e.rx, "socket passcred true")
	says(t, e.tx, "x")
	ids := make([]byte, 12)
	for i, n := range []int{unix.Getpid(), unix.Getuid(), unix.Getgid()} {
		storeNative(ids[4*i:4*i+4], uint64(n))
	}
	wants(t, carried(t, e.rx), "#{data=><<"+showBytes(ids)+">>,level=>socket,type=>credentials}")
}

// provePeergroups has a thread of its own to be in groups, and leaves it to end.
func provePeergroups(t *testing.T) {
	runtime.LockOSThread()
	groups := []uint32{4, 70000}
	setgroups := uintptr(unix.SYS_SETGROUPS)
	if runtime.GOARCH == "arm" {
		setgroups = 206 // setgroups32: the other one takes groups of two bytes there
	}
	if _, _, e := unix.RawSyscall(setgroups, uintptr(len(groups)), uintptr(unsafe.Pointer(&groups[0])), 0); e != 0 {
		t.Skipf("groups need CAP_SETGID: %v", e)
	}
	run(t, local(t, unix.SOCK_STREAM).rx, []step{{"socket", "peergroups", "", "{ok,[4,70000]}"}})
}

func provePeersec(t *testing.T) {
	got := get(t, local(t, unix.SOCK_STREAM).rx, "socket", "peersec")
	if got == "{error,enoprotoopt}" {
		t.Skip("no security module labels sockets here")
	}
	label, err := os.ReadFile("/proc/thread-self/attr/current")
	if err != nil {
		t.Skipf("no label to compare with: %v", err)
	}
	wants(t, got, strings.TrimSpace(strings.TrimRight(string(label), "\x00")))
}

// isThisProcess tells whether a pidfd is one of this process.
func isThisProcess(t *testing.T, pidfd int) {
	t.Helper()
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", pidfd))
	must(t, err)
	wants(t, string(info), fmt.Sprintf("Pid:\t%d\n", unix.Getpid()))
}

func provePeerpidfd(t *testing.T) {
	s := local(t, unix.SOCK_STREAM).rx
	given := -1
	s.received = func(fd int) {
		given = fd
		isThisProcess(t, fd)
	}
	switch got := get(t, s, "socket", "peerpidfd"); got {
	case "{error,enoprotoopt}":
		t.Skip("this kernel does not have it")
	case fmt.Sprintf("{ok,%d}", given):
	default:
		t.Errorf("got %s, given %d", got, given)
	}
}

func provePasspidfd(t *testing.T) {
	e := local(t, unix.SOCK_DGRAM)
	if got := set(t, e.rx, "socket", "passpidfd", "true"); got == "{error,enoprotoopt}" {
		t.Skip("this kernel does not have it")
	}
	says(t, e.tx, "x")
	_, _, control := e.receive(1024, 0)
	_, typ, data, _, ok := socketcore.NextCmsg(control)
	if !ok || typ != unix.SCM_PIDFD || len(data) != 4 {
		t.Fatalf("control message %d of %d bytes", typ, len(data))
	}
	fd := int(loadNative(data))
	defer unix.Close(fd)
	isThisProcess(t, fd)
}

func provePassrights(t *testing.T) {
	e := local(t, unix.SOCK_STREAM)
	if got := set(t, e.rx, "socket", "passrights", "false"); got == "{error,enoprotoopt}" {
		t.Skip("this kernel does not have it")
	}
	if err := unix.Sendmsg(e.tx.fd, []byte("x"), unix.UnixRights(e.tx.fd), nil, 0); err != unix.EPERM {
		t.Errorf("got %v", err)
	}
}

func proveUnixInq(t *testing.T) {
	e := local(t, unix.SOCK_STREAM)
	if got := set(t, e.rx, "socket", "inq", "true"); got == "{error,enoprotoopt}" {
		t.Skip("this kernel does not have it")
	}
	says(t, e.tx, "abcde")
	data, oob := make([]byte, 2), make([]byte, 64)
	_, n, _, _, err := unix.Recvmsg(e.rx.fd, data, oob, 0)
	must(t, err)
	wants(t, show(t, appendCtrl(nil, oob[:n])), nativeOrder("#{data=><<3,0,0,0>>,level=>socket,type=>84}"))
}
