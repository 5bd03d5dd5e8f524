package dispatch

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"gosocket/socketcore"
)

// patience is how long to wait for what has to come.
const patience = 10 * time.Second

// veth makes two devices with a cable between them; in a namespace of the test their
// numbers are 10 and 11.
const veth = "link add name v0 index 10 type veth peer name v1 index 11"

// world puts the test, from here to its end, into a network namespace of its own whose
// localhost is up, and runs ip(8) in it.
func world(t *testing.T, commands ...string) {
	t.Helper()
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("a network namespace needs CAP_SYS_ADMIN: %v", err)
	}
	for _, command := range slices.Concat([]string{"link set lo up"}, commands) {
		if out, err := ip(t, strings.Fields(command)...).CombinedOutput(); err != nil {
			t.Skipf("ip %s: %s", command, out)
		}
	}
}

// ip returns a call of ip(8), which is not in the PATH of everybody.
func ip(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	for _, name := range []string{"ip", "/usr/sbin/ip", "/sbin/ip"} {
		if path, err := exec.LookPath(name); err == nil {
			return exec.Command(path, args...)
		}
	}
	t.Skip("the program ip is not installed")
	return nil
}

// sysctl sets a variable of the test's own namespace.
func sysctl(t *testing.T, name, value string) {
	t.Helper()
	must(t, os.WriteFile("/proc/sys/net/"+name, []byte(value), 0))
}

// proc returns a file of the namespace that the test is in.
func proc(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/net/" + name)
	must(t, err)
	return string(b)
}

// eventually looks again until it is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// ready waits until a descriptor has one of the events, and tells whether it has.
func ready(t *testing.T, fd int, events int16, wait time.Duration) bool {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
	for end := time.Now().Add(wait); ; {
		_, err := unix.Poll(fds, max(0, int(time.Until(end).Milliseconds())))
		if err != unix.EINTR {
			must(t, err)
			return fds[0].Revents&(events|unix.POLLERR) != 0
		}
	}
}

// localhost is the address of every host that a test talks to.
func localhost(family int) unix.Sockaddr {
	if family == unix.AF_INET6 {
		return &unix.SockaddrInet6{Addr: [16]byte{15: 1}}
	}
	return &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
}

// bound returns a socket bound to loopback, and its name.
func bound(t *testing.T, family, typ int, options ...string) (*fakeSocket, unix.Sockaddr) {
	t.Helper()
	s := &fakeSocket{fd: testSocket(t, family, typ, 0)}
	sets(t, s, options...)
	must(t, unix.Bind(s.fd, localhost(family)))
	return s, nameOf(t, s)
}

// nobody returns the name of a port of UDP that nobody has any more.
func nobody(t *testing.T, family int) (name unix.Sockaddr) {
	t.Helper()
	t.Run("peer", func(t *testing.T) { _, name = bound(t, family, unix.SOCK_DGRAM) }) // whose end closes it
	return name
}

func nameOf(t *testing.T, s *fakeSocket) unix.Sockaddr {
	t.Helper()
	name, err := unix.Getsockname(s.fd)
	must(t, err)
	return name
}

func portOf(name unix.Sockaddr) int {
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return name.Port
	case *unix.SockaddrInet6:
		return name.Port
	}
	return 0
}

// listener returns a listening socket with options, and its name.
func listener(t *testing.T, family int, options ...string) (*fakeSocket, unix.Sockaddr) {
	t.Helper()
	s, name := bound(t, family, unix.SOCK_STREAM, options...)
	must(t, unix.Listen(s.fd, 4))
	return s, name
}

// nextOf returns the next connection of a listener.
func nextOf(t *testing.T, l *fakeSocket) *fakeSocket {
	t.Helper()
	if !ready(t, l.fd, unix.POLLIN, patience) {
		t.Fatal("no connection came")
	}
	fd, _, err := unix.Accept4(l.fd, unix.SOCK_CLOEXEC)
	must(t, err)
	s := &fakeSocket{fd: fd}
	t.Cleanup(func() { hangUp(s) })
	return s
}

// hangUp closes a socket once.
func hangUp(s *fakeSocket) {
	if !s.closed {
		s.closed = true
		unix.Close(s.fd)
	}
}

// connected returns a socket with options, connected to a name.
func connected(t *testing.T, family int, name unix.Sockaddr, options ...string) *fakeSocket {
	t.Helper()
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	s := &fakeSocket{fd: fd}
	t.Cleanup(func() { hangUp(s) })
	sets(t, s, options...)
	must(t, unix.Connect(fd, name))
	return s
}

// connection returns a client with options and the accepted end of its connection.
func connection(t *testing.T, family int, options ...string) ends {
	t.Helper()
	l, name := listener(t, family)
	c := connected(t, family, name, options...)
	return ends{t, c, nextOf(t, l)}
}

// says writes data into the socket, all of it.
func says(t *testing.T, s *fakeSocket, data string) {
	t.Helper()
	n, err := unix.Write(s.fd, []byte(data))
	must(t, err)
	if n != len(data) {
		t.Fatalf("%d bytes of %d", n, len(data))
	}
}

// comes waits for the next message, or bytes.
func comes(t *testing.T, s *fakeSocket) string {
	t.Helper()
	if !ready(t, s.fd, unix.POLLIN, patience) {
		t.Fatal("nothing came")
	}
	got, _ := ends{t, nil, s}.arrives()
	return got
}

// carried returns the control messages of the next message.
func carried(t *testing.T, s *fakeSocket) string {
	t.Helper()
	if !ready(t, s.fd, unix.POLLIN, patience) {
		t.Fatal("nothing came")
	}
	ctrl, _, _ := receive(t, s.fd, 1024, 0)
	return ctrl
}

// wants fails the test unless a text has the part.
func wants(t *testing.T, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("no %s in %s", part, text)
	}
}

// deaf has a socket drop all that comes.
func deaf(t *testing.T, fd int) {
	t.Helper()
	filter := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &filter[0]})
	if err == unix.EPERM {
		t.Skip("a filter on TCP needs a capability")
	}
	must(t, err)
}

// wire listens to what a device carries: packets from their IP header on.
type wire struct {
	t  *testing.T
	fd int
}

func tap(t *testing.T, device int) wire {
	t.Helper()
	return tapOf(t, device, unix.SOCK_DGRAM)
}

func tapOf(t *testing.T, device, typ int) wire {
	t.Helper()
	everything := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}) // in network order
	fd := testSocket(t, unix.AF_PACKET, typ, int(everything))
	must(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: device}))
	return wire{t, fd}
}

// next returns the next packet that is wanted.
func (w wire) next(wanted func(p []byte) bool) []byte {
	w.t.Helper()
	b := make([]byte, 1<<16)
	for end := time.Now().Add(patience); ready(w.t, w.fd, unix.POLLIN, time.Until(end)); {
		n, _, err := unix.Recvfrom(w.fd, b, unix.MSG_DONTWAIT)
		must(w.t, err)
		if wanted(b[:n]) {
			return b[:n]
		}
	}
	w.t.Fatal("no such packet passed")
	return nil
}

// isVersion tells whether a packet is of IPv4 or IPv6, and of a protocol.
func isVersion(version, protocol byte) func(p []byte) bool {
	at := map[byte]int{4: 9, 6: 6}[version]
	return func(p []byte) bool { return len(p) > 28 && p[0]>>4 == version && p[at] == protocol }
}

// timers returns the timer of a TCP socket, in seconds, as /proc/net/tcp shows it: 1 is
// retransmission, 2 keep-alive, 3 waiting for the peer's end, 0 none.
func timers(t *testing.T, local, remote int) (state string, timer int, seconds float64) {
	t.Helper()
	for line := range strings.Lines(proc(t, "tcp")) {
		f := strings.Fields(line)
		if strings.HasSuffix(f[1], fmt.Sprintf(":%04X", local)) && strings.HasSuffix(f[2], fmt.Sprintf(":%04X", remote)) {
			kind, when, _ := strings.Cut(f[5], ":")
			timer, _ = strconv.Atoi(kind)
			hundredths, err := strconv.ParseUint(when, 16, 64)
			must(t, err)
			return f[3], timer, float64(hundredths) / 100
		}
	}
	return "none", 0, 0
}

// infoOf returns a number of getopt(S, tcp, info).
func infoOf(t *testing.T, s *fakeSocket, name string) int {
	t.Helper()
	_, tail, found := strings.Cut(get(t, s, "tcp", "info"), name+"=>")
	end := strings.IndexAny(tail, ",}")
	n, err := strconv.Atoi(tail[:max(end, 0)])
	if !found || err != nil {
		t.Fatalf("no %s in the information", name)
	}
	return n
}

// joins connects to an address that x/sys/unix cannot say: one with flow information.
func joins(t *testing.T, s *fakeSocket, port int, flowinfo uint32) {
	t.Helper()
	var sa socketcore.Sockaddr
	sa.SetInet6([16]byte{15: 1}, uint16(port), flowinfo, 0)
	b := sa.Bytes()
	if _, _, e := unix.Syscall(unix.SYS_CONNECT, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b))); e != 0 {
		t.Fatal(e)
	}
}

// macOf returns the address of a device of the test's namespace.
func macOf(t *testing.T, device string) (mac [8]byte) {
	t.Helper()
	out, err := ip(t, "-br", "link", "show", device).Output()
	must(t, err)
	for i, digits := range strings.Split(strings.Fields(string(out))[2], ":") {
		n, err := strconv.ParseUint(digits, 16, 8)
		must(t, err)
		mac[i] = byte(n)
	}
	return mac
}
