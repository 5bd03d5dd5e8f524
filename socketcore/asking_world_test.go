package socketcore

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// world is a socket of a loop, its peer, which the loop does not know, and what is under way between
// them. The test asks the kernel about the socket's descriptor behind the loop's back.
type world struct {
	*rapid.T
	loop     *Loop
	outcomes map[uint32]*outcome
	id       uint32
	kind     *askedKind
	s        *Socket
	peer     int       // -1 when it is closed, or there is none
	to       *Sockaddr // where to send, of one that is not connected; and the name of a listener
	from     *Sockaddr // where its peer sends then
	others   []int     // further descriptors

	parked            map[*queue][]*outcome // calls with infinity that wait
	stream            []byte                // what the peer has sent and the socket has not received; content only
	back              []byte                // what was handed back, of a stream
	sent              byte
	plain             bool // the content of the stream is known
	moves             bool // peeks go on behind the ones before
	frames, delivered uint64
	asked             map[*queue]question // the loop's latest of those that call the same
	asks              bool                // it is the test that asks the kernel
	last              *outcome            // the latest that has taken something, which may be handed back until it is delivered
}

// request is a call as a caller makes it.
type request struct {
	kind   Kind
	mode   Mode
	wait   time.Duration // 0 is for ever
	flags  int
	length int
	data   int
	to     *Sockaddr
	ctrl   []byte
}

func (r request) String() string {
	return fmt.Sprintf("kind %d mode %d wait %v flags %x length %d data %d to %v ctrl %x",
		r.kind, r.mode, r.wait, r.flags, r.length, r.data, r.to != nil, r.ctrl)
}

// outcome is what has become of it.
type outcome struct {
	request
	id      uint32
	due     int64 // when the kernel is to be asked at the earliest: at the deadline, or at once
	frame   uint64
	parts   int // of data that came ahead
	process string
	done    bool
	armed   bool
	fired   int
	code    Code
	data    []byte
	left    int
	conn    *Socket
}

// question is a moment at which the loop asked the kernel, and what was there then.
type question struct {
	at    int64
	state [3]int
}

// askedBy has the system calls that can refuse for now, each with a kind of call that waits then as all do that make it.
var askedBy = map[string]Kind{
	"recv": Recv, "recvmsg": Recv, "splice": Recv, "accept": Accept, "send": Send, "sendmsg": Send,
}

// state changes with all that comes and goes; where softirqs have threads of their own it may at any time.
func (w *world) state() [3]int {
	unsent, _ := unix.IoctlGetUint32(w.s.fd, unix.SIOCOUTQ)
	return [3]int{sysInq(w.s.fd), int(unsent), int(sysReady(w.s.fd, pollIn|unix.POLLOUT))}
}

func (w *world) outcomeOf(o *Op) *outcome { return w.outcomes[o.ID] }

// Room and the following make a world the handler of its loop.
func (w *world) Room(_ *Op, n int) []byte { return make([]byte, n) }

func (w *world) More(o *Op, data []byte) {
	out := w.outcomeOf(o)
	out.data = append(append(out.data, data...), w.poured(o)...)
	out.parts++
	w.frames++
}

func (w *world) poured(o *Op) []byte {
	p := make([]byte, o.Poured)
	for n := 0; n < len(p); {
		k, err := unix.Read(o.Pipe, p[n:])
		if err != nil {
			w.Fatalf("the pipe holds less than it should: %v", err)
		}
		n += k
	}
	return p
}

func (w *world) Done(o *Op) {
	w.frames++
	out := w.outcomeOf(o)
	out.frame = w.frames
	out.data = append(append(out.data, o.Result...), w.poured(o)...)
	out.done, out.armed, out.code, out.left, out.conn = true, o.SelectArmed(), o.Code, o.Remaining(), o.New
}

func (w *world) Want(*Op, int, int)   { w.Fatal("all bytes are there") }
func (w *world) Fire(o *Op)           { w.outcomeOf(o).fired++ }
func (w *world) Abort(*Op, Code)      {}
func (w *world) Gone(*Socket, []byte) {}
func (w *world) Watch([]byte)         {}
func (w *world) Unwatch([]byte)       {}
func (w *world) Mark() uint64         { return w.frames }
func (w *world) Confirm()             {}
func (w *world) Copied(int)           {}
func (w *world) Credit(*Socket, int)  {}
func (w *world) Sent(*Socket, int)    {}
func (w *world) CopyRoom(*Socket, uint32, int) []byte {
	return nil
}
func (w *world) Flush() {}

// newWorld makes one, and has it gone when the check ends.
func newWorld(t *rapid.T, kind *askedKind) *world {
	w := &world{
		T: t, kind: kind, peer: -1, plain: kind.stream,
		outcomes: map[uint32]*outcome{}, parked: map[*queue][]*outcome{}, asked: map[*queue]question{},
	}
	loop, err := NewLoop(Config{Window: 1 << 20, ParkedLimit: 4 << 20, MessageMax: 1 << 20}, new(Totals))
	w.must(err)
	loop.SetHandler(w)
	w.loop = loop
	Fault = func(call string, fd int) unix.Errno {
		if kind, ok := askedBy[call]; ok && w.s != nil && fd == w.s.fd && !w.asks {
			w.asked[w.s.queueOf(kind)] = question{Now(), w.state()}
		}
		return 0
	}
	t.Cleanup(func() {
		Fault = nil
		loop.Free()
		for _, fd := range append(w.others, w.peer) {
			if fd >= 0 {
				_ = unix.Close(fd)
			}
		}
	})
	kind.open(w)
	return w
}

func (w *world) must(err error) {
	if err != nil {
		w.Helper()
		w.Fatal(err)
	}
}

// owns makes a socket of the loop of a descriptor.
func (w *world) owns(fd int) {
	w.must(unix.SetNonblock(fd, true))
	domain, _ := sysGetInt(fd, unix.SO_DOMAIN)
	typ, _ := sysGetInt(fd, unix.SO_TYPE)
	proto, _ := sysGetInt(fd, unix.SO_PROTOCOL)
	fds.hold(fd, false)
	w.s = w.loop.add(fd, domain, typ, proto, []byte("owner"))
}

// small has little room in both directions, so that it is soon full, and not tuned by the kernel.
func (w *world) small(descriptors ...int) {
	for _, fd := range descriptors {
		w.must(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 16<<10))
		w.must(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 16<<10))
	}
}

func (w *world) socket(domain, typ, proto int) int {
	fd, err := unix.Socket(domain, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, proto)
	w.must(err)
	return fd
}

// bound is one with a name of its own.
func (w *world) bound(domain, typ, proto int) (int, unix.Sockaddr) {
	fd := w.socket(domain, typ, proto)
	var at unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	switch domain {
	case unix.AF_INET6:
		at = &unix.SockaddrInet6{Addr: [16]byte{15: 1}}
	case unix.AF_UNIX:
		at = &unix.SockaddrUnix{} // the kernel finds an abstract name (unix(7))
	}
	w.must(unix.Bind(fd, at))
	name, err := unix.Getsockname(fd)
	w.must(err)
	return fd, name
}

// askedKind is a row of what the property is tried with.
type askedKind struct {
	name                     string
	domain, typ, proto       int
	stream, listens, packets bool // packets of IP or a device, which a namespace of its own keeps apart
	open                     func(w *world)
}

func (k *askedKind) pair(w *world) {
	pair, err := unix.Socketpair(k.domain, k.typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	w.must(err)
	w.small(pair[:]...)
	w.owns(pair[0])
	w.peer = pair[1]
}

func (k *askedKind) listen(w *world) {
	fd, _ := w.bound(k.domain, k.typ, k.proto)
	w.small(fd)
	w.must(unix.Listen(fd, 3))
	w.owns(fd)
	w.to = nameOf(w, fd)
}

// connect makes the socket the client or the accepted one.
func (k *askedKind) connect(w *world) {
	l, name := w.bound(k.domain, k.typ, k.proto)
	w.others = append(w.others, l)
	w.small(l)
	w.must(unix.Listen(l, 3))
	c := w.socket(k.domain, k.typ, k.proto)
	w.small(c)
	if err := unix.Connect(c, name); err != unix.EINPROGRESS {
		w.must(err)
	}
	var a int
	for err := unix.EAGAIN; err == unix.EAGAIN; {
		var e error
		if a, _, e = unix.Accept4(l, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK); e != unix.EAGAIN {
			w.must(e)
			err = 0
		}
	}
	if rapid.Bool().Draw(w.T, "accepted") {
		a, c = c, a
	}
	w.owns(c)
	w.peer = a
}

// twoBound are connected to each other, or not.
func (k *askedKind) twoBound(w *world) {
	a, mine := w.bound(k.domain, k.typ, k.proto)
	b, its := w.bound(k.domain, k.typ, k.proto)
	if rapid.Bool().Draw(w.T, "connected") {
		w.must(unix.Connect(a, its))
		w.must(unix.Connect(b, mine))
		w.small(a, b)
	} else {
		// A peer that is not connected to its sender may be full while the sender has room (unix(7)).
		w.to, w.from = nameOf(w, b), nameOf(w, a)
	}
	w.owns(a)
	w.peer = b
}

func (k *askedKind) packet(w *world) {
	const experiment = 0xb588 // ETH_P_802_EX1, in the order of the network
	var ends [2]int
	for i := range ends {
		ends[i] = w.socket(k.domain, k.typ, experiment)
		w.must(unix.Bind(ends[i], &unix.SockaddrLinklayer{Protocol: experiment, Ifindex: 1}))
	}
	w.small(ends[:]...)
	w.owns(ends[0])
	w.peer = ends[1]
	w.to = nameOf(w, w.peer)
	w.from = w.to
}

func nameOf(w *world, fd int) *Sockaddr {
	var sa Sockaddr
	if e := sysName(unix.SYS_GETSOCKNAME, fd, &sa); e != 0 {
		w.Fatal(e)
	}
	return &sa
}

const experimental = 253 // a protocol of IP that nobody has (RFC 3692)

func askedKinds() []*askedKind {
	kinds := []*askedKind{
		{name: "tcp", domain: unix.AF_INET, typ: unix.SOCK_STREAM, stream: true},
		{name: "tcp6", domain: unix.AF_INET6, typ: unix.SOCK_STREAM, stream: true},
		{name: "tcp listener", domain: unix.AF_INET, typ: unix.SOCK_STREAM, listens: true},
		{name: "udp", domain: unix.AF_INET, typ: unix.SOCK_DGRAM},
		{name: "local stream", domain: unix.AF_UNIX, typ: unix.SOCK_STREAM, stream: true},
		{name: "local stream listener", domain: unix.AF_UNIX, typ: unix.SOCK_STREAM, listens: true},
		{name: "local dgram", domain: unix.AF_UNIX, typ: unix.SOCK_DGRAM},
		{name: "local dgram pair", domain: unix.AF_UNIX, typ: unix.SOCK_DGRAM},
		{name: "local seqpacket", domain: unix.AF_UNIX, typ: unix.SOCK_SEQPACKET},
		{name: "local seqpacket listener", domain: unix.AF_UNIX, typ: unix.SOCK_SEQPACKET, listens: true},
		{name: "sctp", domain: unix.AF_INET, typ: unix.SOCK_STREAM, proto: unix.IPPROTO_SCTP, stream: true},
		{name: "sctp listener", domain: unix.AF_INET, typ: unix.SOCK_STREAM, proto: unix.IPPROTO_SCTP, listens: true},
		{name: "raw", domain: unix.AF_INET, typ: unix.SOCK_RAW, proto: experimental, packets: true},
		{name: "packet", domain: unix.AF_PACKET, typ: unix.SOCK_DGRAM, packets: true},
	}
	for _, k := range kinds {
		switch {
		case k.listens:
			k.open = k.listen
		case k.domain == unix.AF_PACKET:
			k.open = k.packet
		case k.domain == unix.AF_UNIX && k.name != "local dgram":
			k.open = k.pair
		case k.typ == unix.SOCK_STREAM:
			k.open = k.connect
		default:
			k.open = k.twoBound
		}
	}
	return kinds
}

// available skips a test of what the kernel does not have or this user may not have.
func (k *askedKind) available(t *testing.T) {
	t.Helper()
	if k.packets {
		ownNetwork(t)
	}
	fd, err := unix.Socket(k.domain, k.typ|unix.SOCK_CLOEXEC, k.proto)
	if err != nil {
		t.Skipf("no such socket here: %v", err)
	}
	unix.Close(fd)
}

// ownNetwork puts the test into a network of its own with a loopback device.
func ownNetwork(t *testing.T) {
	t.Helper()
	lockForGood()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("a network namespace needs CAP_SYS_ADMIN: %v", err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(os.NewSyscallError("socket", err))
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		t.Fatal(os.NewSyscallError("ioctl", err))
	}
}
