package socketcore

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// mute is told of results that nobody wants.
type mute struct{ Handler }

func (mute) Gone(*Socket, []byte) {}
func (mute) Watch([]byte)         {}
func (mute) Unwatch([]byte)       {}
func (mute) Mark() uint64         { return 0 }
func (mute) Flush()               {}

// running starts a loop.
func running(t *testing.T) *Loop {
	t.Helper()
	l, err := NewLoop(Config{}, new(Totals))
	if err != nil {
		t.Fatal(err)
	}
	l.SetHandler(mute{})
	ended := make(chan struct{})
	go func() {
		l.Run()
		close(ended)
	}()
	t.Cleanup(func() {
		l.Post(l.Stop)
		<-ended
		l.Free()
	})
	return l
}

// closed has the loop close a descriptor that is its own from now on; the channel tells of the end.
func closed(l *Loop, fd, domain, protocol int) <-chan struct{} {
	done := make(chan struct{})
	l.Post(func() {
		_ = unix.SetNonblock(fd, true)
		fds.hold(fd, false)
		l.Close(l.add(fd, domain, unix.SOCK_STREAM, protocol, []byte("me")), func() { close(done) })
	})
	return done
}

// A connection has two ends on loopback, with small buffers. Peer is -1 where there is none.
type connection struct{ fd, peer int }

func connected(t *testing.T, protocol int) connection {
	t.Helper()
	var name Sockaddr
	listener := opened(t, protocol)
	defer unix.Close(listener)
	name.SetInet([4]byte{127, 0, 0, 1}, 0)
	fd := opened(t, protocol)
	_, _, _ = sysBind(listener, &name), sysListen(listener, 1), sysName(unix.SYS_GETSOCKNAME, listener, &name)
	if e := connectThrough(fd, &name); e != 0 {
		t.Fatal("connect: ", e)
	}
	peer, e := sysAccept(listener)
	for e == unix.EINTR {
		peer, e = sysAccept(listener)
	}
	if e != 0 {
		t.Fatal("accept: ", e)
	}
	_ = unix.SetNonblock(peer, false)
	return connection{fd, peer}
}

func opened(t *testing.T, protocol int) int {
	t.Helper()
	fd, e := sysSocket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, protocol)
	if e != 0 {
		t.Skipf("protocol %d: %v", protocol, e)
	}
	size := 4096
	if protocol == unix.IPPROTO_SCTP {
		size = 64 << 10 // with less its windows stay shut for long
	}
	for _, option := range []int{unix.SO_RCVBUF, unix.SO_SNDBUF} {
		_ = sysSetInt(fd, unix.SOL_SOCKET, option, size)
	}
	return fd
}

// stick fills the connection until neither end holds more. SCTP acknowledges after 200 ms.
func (c connection) stick() {
	protocol, _ := sysGetInt(c.fd, unix.SO_PROTOCOL)
	for refused := 0; refused < 10 || protocol == unix.IPPROTO_SCTP && refused < 100; {
		if _, e := sysSend(c.fd, make([]byte, 1000), 0, nil); e != 0 {
			refused++
			time.Sleep(5 * time.Millisecond)
		} else {
			refused = 0
		}
	}
}

// What close(2) may find, and what the peer does when it waits.
var lingerings = []struct {
	name   string
	before func(c *connection)
	during func(c *connection)
}{
	{"nothing was sent", func(*connection) {}, nil},
	{"all has arrived", func(c *connection) { _, _ = unix.Write(c.fd, []byte("x")); time.Sleep(50 * time.Millisecond) }, nil},
	{"the peer reads nothing", func(c *connection) { c.stick() }, nil},
	{"the peer reads later", func(c *connection) { c.stick() }, func(c *connection) { c.read() }},
	{"the peer resets", func(c *connection) { c.stick() }, func(c *connection) { c.reset() }},
	{"the peer closes", func(c *connection) { c.stick() }, func(c *connection) {
		unix.Close(c.peer)
		c.peer = -1
	}},
	{"the peer writes", func(c *connection) { c.stick() }, func(c *connection) { _, _ = unix.Write(c.peer, []byte("late")) }},
	{"the peer is done", func(c *connection) { c.stick(); _ = unix.Shutdown(c.peer, unix.SHUT_WR) }, nil},
	{"the peer is done and reads later", func(c *connection) { c.stick(); _ = unix.Shutdown(c.peer, unix.SHUT_WR) }, func(c *connection) { c.read() }},
	{"unread data", func(c *connection) {
		c.stick()
		_, _ = unix.Write(c.peer, []byte("unread"))
		time.Sleep(50 * time.Millisecond)
	}, nil},
	{"it was shut down", func(c *connection) { c.stick(); _ = unix.Shutdown(c.fd, unix.SHUT_WR) }, nil},
	{"it was shut down and the peer reads later", func(c *connection) { c.stick(); _ = unix.Shutdown(c.fd, unix.SHUT_WR) }, func(c *connection) { c.read() }},
	{"reset by the peer", func(c *connection) { c.stick(); c.reset(); time.Sleep(50 * time.Millisecond) }, nil},
	{"not connected", func(c *connection) { c.without(unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)) }, nil},
	{"listening", func(c *connection) {
		c.without(unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0))
		_ = unix.Listen(c.fd, 1)
	}, nil},
}

// without has another descriptor in the place of the connection.
func (c *connection) without(fd int, _ error) {
	unix.Close(c.fd)
	unix.Close(c.peer)
	c.fd, c.peer = fd, -1
}

func (c *connection) reset() {
	setLinger(c.peer, 0)
	unix.Close(c.peer)
	c.peer = -1
}

// read takes all that the peer gets, and tells how that ended.
func (c *connection) read() string {
	if c.peer < 0 {
		return ""
	}
	buffer, got := make([]byte, 1<<16), false
	_ = unix.SetsockoptTimeval(c.peer, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10})
	for {
		n, err := unix.Read(c.peer, buffer)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil || n == 0:
			return fmt.Sprintf("data %v, then %v", got, err)
		default:
			got = true
		}
	}
}

func TestCloseLingersAsTheKernelDoes(t *testing.T) {
	lingersAsTheKernelDoes(t, unix.IPPROTO_TCP, "tcp", time.Second)
}

func TestCloseOfSCTPLingersAsTheKernelDoes(t *testing.T) {
	unix.Close(opened(t, unix.IPPROTO_SCTP))
	// An SCTP sender may look only after seconds whether its peer has room again.
	lingersAsTheKernelDoes(t, unix.IPPROTO_SCTP, "sctp", 6*time.Second)
}

// lingersAsTheKernelDoes compares a close of the loop's with a close(2) that may wait.
func lingersAsTheKernelDoes(t *testing.T, protocol int, name string, linger time.Duration) {
	l := running(t)
	const pause = 300 * time.Millisecond
	for _, c := range lingerings {
		// run closes one end in a way and tells when that was over, and what the other end saw.
		run := func(t *testing.T, how func(fd int) <-chan struct{}) string {
			end := connected(t, protocol)
			defer func() { unix.Close(end.peer) }()
			c.before(&end)
			setLinger(end.fd, linger)
			start, closed := time.Now(), how(end.fd)
			when := "at once, "
			select {
			case <-closed:
				return when + end.read()
			case <-time.After(pause):
			}
			if c.during != nil {
				c.during(&end)
			}
			<-closed
			when = "sooner, "
			if time.Since(start) >= linger {
				when = "when its time was over, "
			}
			return when + end.read()
		}
		t.Run(name+" "+c.name, func(t *testing.T) {
			t.Parallel()
			kernel := run(t, func(fd int) <-chan struct{} {
				done := make(chan struct{})
				go func() {
					sysCloseWait(fd)
					close(done)
				}()
				return done
			})
			ours := run(t, func(fd int) <-chan struct{} { return closed(l, fd, unix.AF_INET, protocol) })
			if ours != kernel {
				t.Errorf("ours %q, the kernel's %q", ours, kernel)
			}
		})
	}
}

func setLinger(fd int, d time.Duration) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: int32(d / time.Second)})
}

// More than the threads that the Go runtime may have.
func TestLingeringTakesNoThread(t *testing.T) {
	l := running(t)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	many := int(min(10100, limit.Cur-200))
	var waiting []<-chan struct{}
	for len(waiting) < many {
		// Connections that nobody accepts take no descriptor.
		listener := opened(t, unix.IPPROTO_TCP)
		defer unix.Close(listener)
		var name Sockaddr
		name.SetInet([4]byte{127, 0, 0, 1}, 0)
		_, _, _ = sysBind(listener, &name), sysListen(listener, 1000), sysName(unix.SYS_GETSOCKNAME, listener, &name)
		for range min(many-len(waiting), 1000) {
			fd := opened(t, unix.IPPROTO_TCP)
			if e := connectThrough(fd, &name); e != 0 {
				t.Fatal(e)
			}
			for {
				if _, e := sysSend(fd, make([]byte, 64<<10), 0, nil); e != 0 {
					break
				}
			}
			setLinger(fd, time.Hour)
			waiting = append(waiting, closed(l, fd, unix.AF_INET, unix.IPPROTO_TCP))
		}
	}
	<-closed(l, opened(t, unix.IPPROTO_TCP), unix.AF_INET, unix.IPPROTO_TCP)
	for i, done := range waiting {
		select {
		case <-done:
			t.Fatalf("close %d did not wait", i)
		default:
		}
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	if len(threads) > 50 {
		t.Errorf("%d threads for %d closes", len(threads), many)
	}
}
