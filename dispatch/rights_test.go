package dispatch

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// passed makes a socket, sends it over a local pair and closes it: from then on it is only on
// its way, or where it arrived.
func (c *client) passed(n int) (b uint64, target string) {
	c.t.Helper()
	a, b := c.localPair(c.t.TempDir())
	s := c.open("inet", "dgram")
	fd := c.fd(s)
	target = inodeOf(c.t, fd)
	var copies []int
	for range n {
		copies = append(copies, fd)
	}
	c.want(c.do(sendRights(a, "x", copies...)), "ok")
	c.want(c.do(tuple("close", s, 1)), "ok")
	wantHolders(c.t, target, 0)
	return b, target
}

func TestReceivedDescriptorsCloseWithTheirSocket(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		b, target := c.passed(3)
		got := rightsIn(t, c.replyTerm(c.call(recvmsg(b, 1, 0))))
		if len(got) != 3 || inodeOf(t, got[2]) != target {
			t.Fatalf("%v", got)
		}
		flags, err := unix.FcntlInt(uintptr(got[0]), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("close-on-exec: %x, %v", flags, err)
		}
		wantHolders(t, target, 3)
		c.want(c.do(tuple("close", b, 1)), "ok")
		wantHolders(t, target, 0)
	})
}

func TestReceivedDescriptorsCloseWithTheOwnerOfTheirSocket(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		b, target := c.passed(2)
		rightsIn(t, c.replyTerm(c.call(recvmsg(b, 7, 0))))
		c.write(tuple("died", 7)) // a reader, but not the owner
		c.do(tuple("sockname", b))
		wantHolders(t, target, 2)
		c.write(tuple("died", 1))
		wantHolders(t, target, 0)
	})
}

func TestAReceivedDescriptorBelongsToTheSocketThatIsMadeOfIt(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		b, target := c.passed(2)
		got := rightsIn(t, c.replyTerm(c.call(recvmsg(b, 1, 0))))
		s := c.openedFD(got[0], noDup)
		if fd := c.fd(s); fd != got[0] {
			t.Errorf("descriptor %d, not %d", fd, got[0])
		}
		copied := c.openedFD(got[1], dict{})
		wantHolders(t, target, 3)
		c.want(c.do(tuple("close", b, 1)), "ok")
		wantHolders(t, target, 2)
		c.want(c.do(tuple("bind", s, loopback)), fmt.Sprintf("{ok,%d}", c.port(copied)))
		c.want(c.do(tuple("close", s, 1)), "ok")
		wantHolders(t, target, 1)
		c.want(c.do(tuple("close", copied, 1)), "ok")
		wantHolders(t, target, 0)
	})
}

func TestDescriptorsThatAreOnlyPeekedAtDoNotStay(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		b, target := c.passed(2)
		for range 3 {
			got := rightsIn(t, c.replyTerm(c.call(recvmsg(b, 1, 0, atom("peek")))))
			if len(got) != 2 || got[0] != -1 || got[1] != -1 {
				t.Errorf("peeked at %v", got)
			}
			wantHolders(t, target, 0)
		}
		if got := rightsIn(t, c.replyTerm(c.call(recvmsg(b, 1, 0)))); len(got) != 2 || inodeOf(t, got[0]) != target {
			t.Errorf("received %v", got)
		}
	})
}

func TestDescriptorsThatDoNotFitDoNotStay(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		b, target := c.passed(5)
		const room = unix.SizeofCmsghdr + 2*4 // a header and two descriptors
		result := c.replyTerm(c.call(recvmsg(b, 1, room)))
		if got := rightsIn(t, result); len(got) != 2 {
			t.Errorf("received %v", got)
		}
		wantHolders(t, target, 2)
		c.want(c.do(tuple("close", b, 1)), "ok")
		wantHolders(t, target, 0)
		for _, read := range []func(b uint64) []byte{
			func(b uint64) []byte { return recv(b, 1, 0, 5000) },
			func(b uint64) []byte { return recv(b, 1, 1, 5000) },
			func(b uint64) []byte { return tuple("recvfrom", b, 1, 0, none, 5000, none) },
			func(b uint64) []byte { return recvmsg(b, 1, 15) },
		} {
			b, target := c.passed(5)
			c.do(read(b))
			wantHolders(t, target, 0)
		}
	})
}

func TestDescriptorsOfAResultThatCameBackAreThere(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		b, target := c.passed(2)
		lost := c.resultOf(c.call(recvmsg(b, 7, 0)))
		c.lost(7, b, lost)
		got := rightsIn(t, c.replyTerm(c.call(recvmsg(b, 8, 0))))
		if len(got) != 2 || inodeOf(t, got[0]) != target {
			t.Fatalf("%v", got)
		}
		s := c.openedFD(got[0], noDup)
		c.want(c.do(tuple("close", b, 1)), "ok")
		wantHolders(t, target, 1)
		c.want(c.do(tuple("close", s, 1)), "ok")
		wantHolders(t, target, 0)
	})
}

func TestDescriptorsThatCameBackAndAreNotReadAgainClose(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		b, target := c.passed(2)
		lost := c.resultOf(c.call(recvmsg(b, 7, 0)))
		c.lost(7, b, lost)
		c.want(c.do(tuple("close", b, 1)), "ok")
		wantHolders(t, target, 0)
	})
}

func TestReceivedDescriptorsThatAreNoSocketsCanBeSentOn(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.localPair(t.TempDir())
		r, w := pipe(t)
		target := inodeOf(t, int(r.Fd()))
		rights := unix.UnixRights(int(r.Fd()))
		must(t, unix.Sendmsg(c.fd(a), []byte("x"), rights, nil, 0))
		r.Close()
		w.Close()
		first := rightsIn(t, c.replyTerm(c.call(recvmsg(b, 1, 0))))
		c.want(c.do(openFD(1, first[0], noDup)), "{error,epfnosupport}")
		c.want(c.do(sendRights(a, "y", first[0])), "ok")
		second := rightsIn(t, c.replyTerm(c.call(recvmsg(b, 1, 0))))
		if inodeOf(t, second[0]) != target {
			t.Errorf("%v leads to %s", second, inodeOf(t, second[0]))
		}
		wantHolders(t, target, 2)
		c.want(c.do(tuple("close", b, 1)), "ok")
		wantHolders(t, target, 0)
	})
}

func TestADescriptorThatAnOptionGivesClosesWithItsSocket(t *testing.T) {
	c := newClient(t)
	_, b := c.localPair(t.TempDir())
	got := c.do(tuple("getopt", b, atom("socket"), atom("peerpidfd")))
	if got == "{error,enoprotoopt}" {
		t.Skip("this kernel has no SO_PEERPIDFD")
	}
	var fd int
	if _, err := fmt.Sscanf(got, "{ok,%d}", &fd); err != nil {
		t.Fatal(got)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
		t.Error(err)
	}
	c.want(c.do(tuple("close", b, 1)), "ok")
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("still open: %v", err)
	}
}

// Another holder of the same socket may make it blocking; that must not stop the loop.
func TestAListenerThatOthersMadeBlockingDoesNotBlockTheLoop(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		l := c.open("inet", "stream")
		c.do(tuple("bind", l, loopback))
		c.want(c.do(tuple("listen", l, 5)), "ok")
		a, b := c.localPair(t.TempDir())
		c.want(c.do(sendRights(a, "x", c.fd(l))), "ok")
		other := rightsIn(t, c.replyTerm(c.call(recvmsg(b, 1, 0))))
		must(t, unix.SetNonblock(other[0], false))
		c.want(c.do(tuple("accept", l, 1, 0, none)), "{error,timeout}")
		must(t, unix.SetNonblock(other[0], false))
		s := c.openedFD(other[0], dict{})
		must(t, unix.SetNonblock(other[0], false))
		c.want(c.do(tuple("accept", s, 1, 1, none)), "{error,timeout}")
		c.want(c.do(tuple("sockname", a))[:4], "{ok,")
	})
}
