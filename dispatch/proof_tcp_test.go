package dispatch

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosocket/socketcore"
)

// tcpProofs are those of TCP, and of options of level socket that TCP alone shows.
var tcpProofs = []proof{
	{"socket keepalive, tcp keepidle", "/proc/net/tcp shows the timer of the probe", proveKeepidle},
	{"socket keepalive, tcp keepidle, tcp keepintvl, tcp keepcnt, tcp user_timeout, tcp syncnt", "a connection whose peer is silent ends in time", proveSilence},
	{"socket max_pacing_rate", "the information has the rate", proveMaxPacingRate},
	{"socket buf_lock, socket rcvbuf", "a size that was set is locked", proveBufLock},
	{"socket incoming_cpu", "it is the processor that the last packet came by", proveIncomingCPU},
	{"socket incoming_napi_id", "packets of loopback are of no queue", proveNapiID},
	{"socket reserve_mem, socket meminfo", "the memory is there before it is needed", proveReserveMem},
	{"socket cnx_advice, socket txrehash", "bad advice has the connection take another flow label", proveAdvice},
	{"tcp congestion, tcp cc_info", "each algorithm tells what it has", proveCongestion},
	{"tcp cork", "nothing leaves while it is on", proveTCPCork},
	{"tcp nodelay, tcp quickack", "small writes wait for the acknowledgement without it", proveNodelay},
	{"tcp maxseg, tcp save_syn, tcp saved_syn", "the connection request has the size", proveMaxseg},
	{"tcp window_clamp", "the peer sees no larger window", proveWindowClamp},
	{"tcp linger2", "/proc/net/tcp shows the timer of the closed socket", proveLinger2},
	{"tcp defer_accept", "a connection without data is not there to be accepted", proveDeferAccept},
	{"tcp fastopen, tcp fastopen_connect, tcp fastopen_no_cookie", "data came with the connection request", proveFastopen},
	{"tcp notsent_lowat", "a socket with more than that unsent is not writable", proveNotsentLowat},
	{"tcp inq", "the bytes that are left come with the data", proveInq},
	{"tcp repair, tcp timestamp", "closing tells the peer nothing; the clock is set", proveRepair},
	{"tcp is_mptcp", "it is true of a socket of MPTCP", proveIsMPTCP},
	{"tcp rto_min_us", "the information has a retransmission time of at least that, and not much more", proveRtoMin},
	{"tcp ulp", "the kernel names the protocol that the socket has", proveULP},
}

func proveKeepidle(t *testing.T) {
	e := connection(t, unix.AF_INET, "tcp keepidle 300", "socket keepalive true")
	_, timer, seconds := timers(t, portOf(nameOf(t, e.tx)), portOf(nameOf(t, e.rx)))
	if timer != 2 || seconds < 280 || seconds > 300 {
		t.Errorf("timer %d, %v s", timer, seconds)
	}
	sets(t, e.tx, "socket keepalive false")
	if _, timer, _ = timers(t, portOf(nameOf(t, e.tx)), portOf(nameOf(t, e.rx))); timer != 0 {
		t.Errorf("timer %d after it is off", timer)
	}
}

// proveSilence waits for all of them at once. Two more connections show that neither the
// interval nor the count alone would have ended the first one.
func proveSilence(t *testing.T) {
	silent := func(options ...string) *fakeSocket {
		e := connection(t, unix.AF_INET, options...)
		deaf(t, e.rx.fd)
		return e.tx
	}
	const probing = "socket keepalive true"
	ends := silent(probing, "tcp keepidle 1", "tcp keepintvl 1", "tcp keepcnt 1")
	rare := silent(probing, "tcp keepidle 1", "tcp keepintvl 100", "tcp keepcnt 9")
	often := silent(probing, "tcp keepidle 1", "tcp keepintvl 1", "tcp keepcnt 99")
	sending := silent("tcp user_timeout 700")
	says(t, sending, "x")
	l, name := listener(t, unix.AF_INET)
	deaf(t, l.fd)
	connecting := &fakeSocket{fd: testSocket(t, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)}
	sets(t, connecting, "tcp syncnt 1")
	start := time.Now()
	_ = unix.Connect(connecting.fd, name)
	for _, c := range []struct {
		s     *fakeSocket
		event int16
		least time.Duration
	}{{sending, unix.POLLIN, 600 * time.Millisecond}, {ends, unix.POLLIN, 1800 * time.Millisecond}, {connecting, unix.POLLOUT, 1800 * time.Millisecond}} {
		if !ready(t, c.s.fd, c.event, patience) || time.Since(start) < c.least {
			t.Errorf("after %v instead of %v", time.Since(start), c.least)
		}
		run(t, c.s, []step{{"socket", "error", "", "{ok,etimedout}"}})
	}
	eventually(t, "two probes, a second apart", func() bool { return infoOf(t, often, "probes") >= 2 })
	if n := infoOf(t, rare, "probes"); n != 1 {
		t.Errorf("%d probes, a hundred seconds apart", n)
	}
	run(t, rare, []step{{"socket", "error", "", "{ok,none}"}})
	run(t, often, []step{{"socket", "error", "", "{ok,none}"}})
}

func proveMaxPacingRate(t *testing.T) {
	e := connection(t, unix.AF_INET, "socket max_pacing_rate 12345678")
	if n := infoOf(t, e.tx, "max_pacing_rate"); n != 12345678 {
		t.Errorf("got %d", n)
	}
}

func proveBufLock(t *testing.T) {
	s := open(t, socketcore.TCP)
	sets(t, s, "socket rcvbuf 20000")
	run(t, s, []step{{"socket", "buf_lock", "", "{ok,[rcv]}"}})
	sets(t, s, "socket buf_lock [snd]")
	run(t, s, []step{{"socket", "buf_lock", "", "{ok,[snd]}"}})
}

func proveIncomingCPU(t *testing.T) {
	run(t, open(t, socketcore.TCP), []step{{"socket", "incoming_cpu", "", "{ok,-1}"}})
	e := connection(t, unix.AF_INET)
	says(t, e.tx, "x")
	comes(t, e.rx)
	if got := get(t, e.rx, "socket", "incoming_cpu"); !strings.HasPrefix(got, "{ok,") || got == "{ok,-1}" {
		t.Errorf("got %s", got)
	}
}

func proveNapiID(t *testing.T) {
	e := connection(t, unix.AF_INET)
	says(t, e.tx, "x")
	comes(t, e.rx)
	run(t, e.rx, []step{{"socket", "incoming_napi_id", "", "{ok,0}"}})
}

func proveReserveMem(t *testing.T) {
	s := open(t, socketcore.TCP)
	run(t, s, []step{{"socket", "reserve_mem", "", "{ok,0}"}})
	if got := set(t, s, "socket", "reserve_mem", "65536"); got != "ok" {
		t.Skipf("it needs a memory control group: %s", got)
	}
	if info := get(t, s, "socket", "meminfo"); strings.Contains(info, "fwd_alloc=>0,") {
		t.Errorf("got %s", info)
	}
}

// proveAdvice looks at the flow label of TCP, which is made of the hash that the advice
// has the kernel choose anew.
func proveAdvice(t *testing.T) {
	world(t)
	w := tap(t, 1)
	e := connection(t, unix.AF_INET6)
	label := func() uint32 {
		says(t, e.tx, "x")
		comes(t, e.rx)
		return hasLabel(w.next(func(p []byte) bool {
			return isVersion(6, unix.IPPROTO_TCP)(p) && len(p) > 72 && int(p[40])<<8|int(p[41]) == portOf(nameOf(t, e.tx))
		}))
	}
	before := label()
	sets(t, e.tx, "socket txrehash false", "socket cnx_advice 1")
	if after := label(); after != before {
		t.Errorf("label %d after %d, without rehash", after, before)
	}
	sets(t, e.tx, "socket txrehash true", "socket cnx_advice 1")
	eventually(t, "another label", func() bool { return label() != before })
}

func proveCongestion(t *testing.T) {
	available, err := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
	must(t, err)
	s := open(t, socketcore.TCP)
	sets(t, s, "tcp congestion \"reno\"")
	run(t, s, []step{{"tcp", "cc_info", "", "{ok,<<>>}"}})
	if !strings.Contains(string(available), "bbr") {
		t.Skip("no algorithm here that tells something")
	}
	sets(t, s, "tcp congestion \"bbr\"")
	if got := get(t, s, "tcp", "cc_info"); len(got) < 40 {
		t.Errorf("got %s", got)
	}
}

func proveTCPCork(t *testing.T) {
	e := connection(t, unix.AF_INET)
	sets(t, e.tx, "tcp cork true")
	says(t, e.tx, "ab")
	says(t, e.tx, "cd")
	if got, ok := e.arrives(); ok {
		t.Errorf("corked, but %q came", got)
	}
	sets(t, e.tx, "tcp cork false")
	if got := comes(t, e.rx); got != "abcd" {
		t.Errorf("got %q", got)
	}
}

// proveNodelay has a peer that does not acknowledge at once. It may happen to do so all
// the same, when this thread is held up between two writes.
func proveNodelay(t *testing.T) {
	waits := func(nodelay string) bool {
		e := connection(t, unix.AF_INET, "tcp nodelay "+nodelay)
		sets(t, e.rx, "tcp quickack false")
		for range 3 {
			says(t, e.tx, "x")
		}
		return infoOf(t, e.tx, "data_segs_out") < 3
	}
	eventually(t, "writes wait", func() bool { return waits("false") })
	for range 5 {
		if waits("true") {
			t.Error("writes wait though it is on")
		}
	}
}

func proveMaxseg(t *testing.T) {
	l, name := listener(t, unix.AF_INET, "tcp save_syn 1")
	connected(t, unix.AF_INET, name, "tcp maxseg 1234")
	s := nextOf(t, l)
	// The option of RFC 9293: kind 2, length 4, 1234 in network order.
	wants(t, get(t, s, "tcp", "saved_syn"), ",2,4,4,210,")
	run(t, s, []step{{"tcp", "saved_syn", "", "{ok,<<>>}"}})
}

func proveWindowClamp(t *testing.T) {
	l, name := listener(t, unix.AF_INET, "tcp window_clamp 5000")
	c := connected(t, unix.AF_INET, name)
	nextOf(t, l)
	if n := infoOf(t, c, "snd_wnd"); n == 0 || n > 5000 {
		t.Errorf("a window of %d", n)
	}
}

func proveLinger2(t *testing.T) {
	e := connection(t, unix.AF_INET, "tcp linger2 20")
	local, remote := portOf(nameOf(t, e.tx)), portOf(nameOf(t, e.rx))
	hangUp(e.tx)
	eventually(t, "the timer runs", func() bool {
		state, timer, seconds := timers(t, local, remote)
		return state == "05" && timer == 3 && seconds > 10 && seconds <= 20
	})
}

func proveDeferAccept(t *testing.T) {
	l, name := listener(t, unix.AF_INET, "tcp defer_accept 5")
	c := connected(t, unix.AF_INET, name)
	if ready(t, l.fd, unix.POLLIN, 50*time.Millisecond) {
		t.Error("it is there without data")
	}
	says(t, c, "x")
	nextOf(t, l)
}

func proveFastopen(t *testing.T) {
	world(t)
	sysctl(t, "ipv4/tcp_fastopen", "3")
	l, name := listener(t, unix.AF_INET, "tcp fastopen 5", "tcp fastopen_no_cookie true")
	c := connected(t, unix.AF_INET, name, "tcp fastopen_connect true", "tcp fastopen_no_cookie true")
	says(t, c, "early")
	s := nextOf(t, l)
	wants(t, get(t, s, "tcp", "info"), "syn_data")
	if got := comes(t, s); got != "early" {
		t.Errorf("got %q", got)
	}
}

func proveNotsentLowat(t *testing.T) {
	e := connection(t, unix.AF_INET, "socket sndbuf 1000000")
	must(t, unix.SetNonblock(e.tx.fd, true))
	data := make([]byte, 1<<16)
	for {
		if _, err := unix.Write(e.tx.fd, data); err != nil {
			break
		}
	}
	unsent := infoOf(t, e.tx, "notsent_bytes")
	if unsent < 50000 {
		t.Fatalf("%d bytes unsent", unsent)
	}
	// Room for half of what it had: the limit is what is left of it.
	e = connection(t, unix.AF_INET, "socket sndbuf 1000000", "tcp notsent_lowat 1")
	must(t, unix.SetNonblock(e.tx.fd, true))
	for range 50 {
		for {
			if _, err := unix.Write(e.tx.fd, data[:1000]); err != nil {
				break
			}
		}
		n := infoOf(t, e.tx, "notsent_bytes")
		if ready(t, e.tx.fd, unix.POLLOUT, 0) {
			continue // it has been sent meanwhile
		}
		if n >= unsent/2 {
			t.Errorf("%d bytes unsent", n)
		}
		return
	}
	t.Error("it stays writable")
}

func proveInq(t *testing.T) {
	e := connection(t, unix.AF_INET)
	sets(t, e.rx, "tcp inq true")
	says(t, e.tx, "abcde")
	data, oob := make([]byte, 2), make([]byte, 64)
	_, n, _, _, err := unix.Recvmsg(e.rx.fd, data, oob, 0)
	must(t, err)
	_, typ, left, _, ok := socketcore.NextCmsg(oob[:n])
	if !ok || typ != 36 || loadNative(left) != 3 {
		t.Errorf("control message %d: % x", typ, left)
	}
}

func proveRepair(t *testing.T) {
	e := connection(t, unix.AF_INET)
	sets(t, e.tx, "tcp repair 1", "tcp timestamp 1000000")
	var clock int
	got := get(t, e.tx, "tcp", "timestamp")
	if !strings.HasPrefix(got, "{ok,100") {
		t.Errorf("clock %s %d", got, clock)
	}
	hangUp(e.tx)
	if ready(t, e.rx.fd, unix.POLLIN, 50*time.Millisecond) {
		t.Error("the peer is told")
	}
}

func proveIsMPTCP(t *testing.T) {
	const mptcp = 262
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, mptcp)
	if err != nil {
		t.Skipf("no MPTCP: %v", err)
	}
	defer unix.Close(fd)
	got := get(t, &fakeSocket{fd: fd}, "tcp", "is_mptcp")
	if got == "{error,enoprotoopt}" || got == "{error,enotsup}" {
		t.Skip("this kernel does not tell")
	}
	run(t, open(t, socketcore.TCP), []step{{"tcp", "is_mptcp", "", "{ok,false}"}})
	wants(t, got, "{ok,true}")
}

func proveRtoMin(t *testing.T) {
	l, name := listener(t, unix.AF_INET)
	rto := func(option string) int {
		s := open(t, socketcore.TCP)
		switch got := set(t, s, "tcp", "rto_min_us", option); got {
		case "ok":
		case "{error,enoprotoopt}":
			t.Skip("this kernel does not have it")
		default:
			t.Fatal(got)
		}
		must(t, unix.Connect(s.fd, name))
		nextOf(t, l)
		return infoOf(t, s, "rto")
	}
	if n := rto("200000"); n < 200000 {
		t.Errorf("%d µs with the least of the system", n)
	}
	eventually(t, "a shorter time", func() bool { return rto("20000") < 150000 }) // what is measured adds to it
}

func proveULP(t *testing.T) {
	e := connection(t, unix.AF_INET)
	run(t, e.tx, []step{{"tcp", "ulp", "", "{ok,[]}"}})
	if got := set(t, e.tx, "tcp", "ulp", "\"tls\""); got != "ok" {
		t.Skipf("no TLS in this kernel: %s", got)
	}
	run(t, e.tx, []step{{"tcp", "ulp", "", "{ok,\"tls\"}"}})
}
