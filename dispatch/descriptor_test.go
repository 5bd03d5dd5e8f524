package dispatch

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosocket/etf"
)

// fd asks for the descriptor of a socket.
func (c *client) fd(s uint64) int {
	c.t.Helper()
	ok := c.replyTerm(c.call(tuple("getopt", s, atom("otp"), atom("fd"))))
	n, _ := number(ok.(etf.Tuple)[1])
	return n
}

func openFD(process, fd int, opts dict) []byte { return tuple("openfd", process, fd, opts) }

var noDup = dict{"dup": atom("false")}

// openedFD opens a descriptor for process 1.
func (c *client) openedFD(fd int, opts dict) uint64 {
	c.t.Helper()
	return c.socketOf(c.replyTerm(c.call(openFD(1, fd, opts))))
}

func native(fds ...int) (b []byte) {
	for _, fd := range fds {
		b = binary.NativeEndian.AppendUint32(b, uint32(fd))
	}
	return b
}

// sendRights sends data with descriptors.
func sendRights(s uint64, data string, fds ...int) []byte {
	rights := dict{"level": atom("socket"), "type": atom("rights"), "data": native(fds...)}
	return tuple("sendmsg", s, 1, atom("undefined"), []any{rights}, none, atom("infinity"), none, len(data), data)
}

func recvmsg(s uint64, process, ctrlSize int, flags ...any) []byte {
	return tuple("recvmsg", s, process, 0, ctrlSize, append([]any{}, flags...), 5000, none)
}

// rightsIn returns the descriptors of the only control message of a received message.
func rightsIn(t *testing.T, result etf.Term) (fds []int) {
	t.Helper()
	ok, good := result.(etf.Tuple)
	if !good || text(ok[0]) != "ok" {
		t.Fatalf("no message: %s", text(result))
	}
	ctrl, good := field(t, ok[1], "ctrl").(etf.List)
	if !good || len(ctrl.Elements) != 1 || text(field(t, ctrl.Elements[0], "type")) != "rights" {
		t.Fatalf("not one control message with rights: %s", text(result))
	}
	data := field(t, ctrl.Elements[0], "data").(etf.Binary)
	if len(data)%4 != 0 {
		t.Fatalf("%d bytes of descriptors", len(data))
	}
	for ; len(data) > 0; data = data[4:] {
		fds = append(fds, int(int32(binary.NativeEndian.Uint32(data))))
	}
	return fds
}

// inodeOf names what a descriptor leads to, whichever number it has.
func inodeOf(t *testing.T, fd int) string {
	t.Helper()
	target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	must(t, err)
	return target
}

// holders counts the descriptors of this process that lead there.
func holders(target string) (n int) {
	for _, d := range listDescriptors() {
		if strings.HasSuffix(d, " "+target) {
			n++
		}
	}
	return n
}

// wantHolders waits until that many descriptors lead there: other loops close in their own time.
func wantHolders(t *testing.T, target string, want int) {
	t.Helper()
	n := 0
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if n = holders(target); n == want {
			return
		}
	}
	t.Fatalf("%d descriptors for %s, want %d", n, target, want)
}

func TestNoDescriptorOfTheHelperItselfIsOpened(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, _ := c.localPair(t.TempDir())
		seen := 0
		for _, d := range listDescriptors() {
			if strings.Contains(d, " socket:") {
				continue // what was opened for this
			}
			seen++
			fd := atoi(d)
			for _, opts := range []dict{{}, noDup, {"dup": atom("true"), "domain": atom("inet")}} {
				want := "{error,epfnosupport}"
				if opts["domain"] != nil {
					want = "{error,esocktnosupport}"
				}
				if got := c.do(openFD(1, fd, opts)); got != want {
					t.Errorf("%s with %v: %s", d, opts, got)
				}
			}
			if got := c.do(sendRights(a, "x", fd)); got != "{error,ebadf}" {
				t.Errorf("sent %s: %s", d, got)
			}
		}
		if seen < 5+2*len(c.server.dispatchers) { // 0 to 2, two pipes, and two for each loop
			t.Errorf("only %d descriptors looked at", seen)
		}
	})
}

func TestASharedDescriptorClosesWithTheLastOfItsSockets(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		for _, order := range [][3]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
			a, b := c.pair()
			fd := c.fd(b)
			same := []uint64{b, c.openedFD(fd, noDup), c.openedFD(fd, noDup)}
			target := inodeOf(t, fd)
			for i, n := range order {
				last := same[order[2]]
				c.want(c.do(send(a, 1, "x")), "ok")
				c.want(c.do(recv(last, 1, 0, 5000)), `{ok,<<"x">>}`)
				if holders(target) == 0 {
					t.Fatalf("order %v: closed before the socket number %d", order, i)
				}
				c.want(c.do(tuple("close", same[n], 1)), "ok")
			}
			wantHolders(t, target, 0)
			c.want(c.do(recv(a, 1, 0, 5000)), "{error,closed}")
			c.do(tuple("close", a, 1))
		}
	})
}

func TestSocketsThatShareADescriptorAllHearOfData(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.pair()
		fd := c.fd(b)
		target := inodeOf(t, fd)
		same := []uint64{b, c.openedFD(fd, noDup), c.openedFD(fd, noDup), c.openedFD(fd, dict{})}
		var waiting []int
		for _, s := range same {
			waiting = append(waiting, c.call(recv(s, 1, 1, 5000)))
		}
		for _, s := range same { // all of them have been parked
			c.do(tuple("sockname", s))
		}
		own := map[int]bool{fd: true, c.fd(same[3]): true}
		for _, d := range listDescriptors() {
			// The others are for epoll, which takes a descriptor once.
			if n := atoi(d); strings.HasSuffix(d, " "+target) && !own[n] {
				c.want(c.do(openFD(1, n, noDup)), "{error,epfnosupport}")
				c.want(c.do(openFD(1, n, dict{})), "{error,epfnosupport}")
			}
		}
		for range waiting { // who is woken takes one byte each
			c.want(c.do(send(a, 1, "x")), "ok")
		}
		for _, id := range waiting {
			c.want(c.reply(id), `{ok,<<"x">>}`)
		}
		for _, s := range same {
			c.want(c.do(tuple("close", s, 1)), "ok")
		}
		wantHolders(t, target, 0)
	})
}

func TestADuplicateIsASocketOfItsOwn(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.pair()
		fd := c.fd(b)
		reply := c.replyTerm(c.call(openFD(1, fd, dict{}))).(etf.Tuple)
		copied := c.socketOf(reply)
		if ctype, _ := number(reply[1].(etf.Tuple)[4]); ctype != 2+fd {
			t.Errorf("ctype %d for descriptor %d", ctype, fd)
		}
		if n := c.fd(copied); n == fd {
			t.Errorf("both have descriptor %d", fd)
		}
		c.want(c.do(tuple("close", b, 1)), "ok")
		c.want(c.do(send(a, 1, "x")), "ok")
		c.want(c.do(recv(copied, 1, 0, 5000)), `{ok,<<"x">>}`)
	})
}

// A socket that nobody can be told of when it is ready must not wait for ever.
func TestWhatCannotBeWatchedFailsAtOnce(t *testing.T) {
	f := injectFaults(t)
	c := newClient(t)
	a, b := c.pair()
	_, fresh := c.pair()
	l := c.open("inet", "stream")
	c.do(tuple("bind", l, loopback))
	c.want(c.do(tuple("listen", l, 5)), "ok")
	inf := atom("infinity")
	same := c.openedFD(c.fd(b), noDup)
	parked := c.call(recv(b, 1, 0, inf))
	f.once("dup", syscall.EMFILE)
	c.want(c.do(recv(same, 1, 0, inf)), "{error,emfile}")
	f.once("dup", syscall.EMFILE)
	c.want(c.do(openFD(1, c.fd(b), dict{})), "{error,emfile}")
	f.once("epoll_ctl", syscall.ENOSPC)
	c.want(c.do(tuple("accept", l, 1, inf, none)), "{error,enospc}")
	f.once("epoll_ctl", syscall.ENOMEM)
	c.want(c.do(recv(fresh, 1, 0, inf)), "{error,enomem}")
	f.once("epoll_ctl", syscall.ENOMEM)
	c.want(c.do(nowait(fresh, 1, "r")), "{error,enomem}")
	// And works again when the shortage is over.
	waiting := c.call(recv(same, 1, 1, 5000))
	c.do(tuple("sockname", same))
	c.want(c.do(send(a, 1, "xy")), "ok")
	got := c.reply(parked)
	if got == `{ok,<<"xy">>}` {
		c.want(c.do(send(a, 1, "z")), "ok")
	}
	if got = c.reply(waiting); !strings.HasPrefix(got, "{ok,") {
		t.Error(got)
	}
}

func atoi(s string) (n int) {
	_, _ = fmt.Sscan(s, &n)
	return n
}

// vsock is a family without a name in the API; where the kernel has it, opening works.
func TestSocketsOfAnyFamilyAreOpened(t *testing.T) {
	c := newClient(t)
	for _, x := range []struct {
		domain, typ, proto int
		sockname           string
	}{
		{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE, "{error,eafnosupport}"},
		{unix.AF_VSOCK, unix.SOCK_STREAM, 0, "{error,eafnosupport}"},
		{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP, "{ok,#{addr=>{0,0,0,0},family=>inet,port=>0}}"},
		{unix.AF_PACKET, unix.SOCK_DGRAM, 0, ""},
	} {
		fd, err := unix.Socket(x.domain, x.typ|unix.SOCK_CLOEXEC, x.proto)
		if err != nil {
			t.Logf("no sockets of family %d here: %v", x.domain, err)
			continue
		}
		reply := c.replyTerm(c.call(openFD(1, fd, noDup))).(etf.Tuple)
		s := c.socketOf(reply)
		proto := x.proto
		if want := fmt.Sprintf("{%d,%d,%d,%d,1}", s, x.domain, x.typ, proto); text(reply[1]) != want {
			t.Errorf("%s, want %s", text(reply[1]), want)
		}
		if got := c.do(tuple("sockname", s)); x.sockname != "" && got != x.sockname {
			t.Errorf("family %d: sockname %s", x.domain, got)
		}
		c.want(c.do(tuple("close", s, 1)), "ok")
		if _, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
			t.Errorf("family %d: close of a borrowed descriptor: %v", x.domain, err)
		}
		unix.Close(fd)
	}
}

// The first socket asks the kernel for TCP_INQ; who reads control messages of the second must not see it.
func TestASharedTCPSocketBringsNoControlMessagesOfOurs(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.pair()
		c.want(c.do(send(a, 1, "abcd")), "ok")
		c.want(c.do(recv(b, 1, 1, 5000)), `{ok,<<"a">>}`)
		for _, opts := range []dict{{}, noDup} {
			s := c.openedFD(c.fd(b), opts)
			c.want(c.do(recv(s, 1, 1, 5000))[:4], "{ok,")
			m := c.replyTerm(c.call(tuple("recvmsg", s, 1, 1, 0, none, 5000, none))).(etf.Tuple)[1]
			if got := text(field(t, m, "ctrl")); got != "[]" {
				t.Errorf("with %v: %s", opts, got)
			}
			c.want(c.do(send(a, 1, "ef")), "ok")
		}
	})
}
