package dispatch

import (
	"sync"
	"syscall"
	"testing"

	"gosocket/socketcore"
)

// faults makes system calls fail from the test.
type faults struct {
	mu   sync.Mutex
	next map[string]syscall.Errno
	seen map[string]int
}

// injectFaults arranges for socket calls to fail; it must come before the server.
func injectFaults(t *testing.T) *faults {
	t.Helper()
	f := &faults{next: map[string]syscall.Errno{}, seen: map[string]int{}}
	socketcore.Fault = func(call string, _ int) syscall.Errno {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.seen[call]++
		e := f.next[call]
		delete(f.next, call)
		return e
	}
	t.Cleanup(func() { socketcore.Fault = nil }) // cleanups run last first: the server has ended
	return f
}

// calls tells how often a system call was about to be made.
func (f *faults) calls(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[call]
}

// once makes the next call of a name fail.
func (f *faults) once(call string, e syscall.Errno) {
	f.mu.Lock()
	f.next[call] = e
	f.mu.Unlock()
}

// none takes back what no call has met.
func (f *faults) none() {
	f.mu.Lock()
	clear(f.next)
	f.mu.Unlock()
}

func TestErrnosReachTheCallerInTheShapeOfTheCall(t *testing.T) {
	f := injectFaults(t)
	c := newClient(t)
	a, b := c.pair()
	d, l := c.open("inet", "dgram"), c.open("inet", "stream")
	c.do(tuple("bind", d, loopback))
	c.do(tuple("bind", l, loopback))
	c.want(c.do(tuple("listen", l, 5)), "ok")
	at := to(c.port(d))
	inf := atom("infinity")
	for _, x := range []struct {
		syscall string
		errno   syscall.Errno
		call    []byte
		want    string
	}{
		{"socket", syscall.EMFILE, tuple("open", 1, atom("inet"), atom("stream"), atom("default"), dict{}), "{error,emfile}"},
		{"bind", syscall.EADDRINUSE, tuple("bind", d, loopback), "{error,eaddrinuse}"},
		{"listen", syscall.EADDRINUSE, tuple("listen", l, 5), "{error,eaddrinuse}"},
		{"connect", syscall.ENETUNREACH, tuple("connect", d, 1, at, inf, none), "{error,enetunreach}"},
		{"accept", syscall.ECONNABORTED, tuple("accept", l, 1, inf, none), "{error,econnaborted}"},
		{"accept", syscall.EMFILE, tuple("accept", l, 1, 0, none), "{error,emfile}"},
		{"recv", syscall.ECONNRESET, recv(b, 1, 0, inf), "{error,econnreset}"},
		{"recvmsg", syscall.ENOMEM, tuple("recvfrom", d, 1, 0, none, inf, none), "{error,enomem}"},
		{"recvmsg", syscall.ENOBUFS, tuple("recvmsg", d, 1, 0, 0, none, inf, none), "{error,enobufs}"},
		{"send", syscall.EPIPE, send(a, 1, "abc"), "{error,{epipe,3}}"},
		{"send", syscall.ENOBUFS, tuple("sendto", d, 1, at, none, inf, none, 2, "ab"), "{error,{enobufs,2}}"},
		{"send", syscall.EPERM, tuple("sendmsg", d, 1, at, none, none, inf, none, 2, "ab"), "{error,eperm}"},
		{"shutdown", syscall.ENOTCONN, tuple("shutdown", a, atom("write")), "{error,enotconn}"},
	} {
		f.once(x.syscall, x.errno)
		if got := c.do(x.call); got != x.want {
			t.Errorf("%s with %v: %s, want %s", x.syscall, x.errno, got, x.want)
		}
	}
	c.want(c.do(send(a, 1, "fine")), "ok")
	c.want(c.do(recv(b, 1, 0, inf)), `{ok,<<"fine">>}`)
}

func TestAReadErrorReachesThoseInTheQueue(t *testing.T) {
	f := injectFaults(t)
	c := newClient(t)
	a, b := c.pair()
	first, second := c.call(recv(b, 1, 0, atom("infinity"))), c.call(recv(b, 2, 0, atom("infinity")))
	c.want(c.do(nowait(b, 3, "r")), "{select,{select_info,recv,r}}")
	f.once("recv", syscall.ETIMEDOUT)
	c.want(c.do(send(a, 1, "x")), "ok")
	c.want(c.reply(first), "{error,etimedout}")
	c.want(c.reply(second), "{error,etimedout}")
	c.want(text(c.event("abort")[4]), "etimedout")
	c.want(c.do(recv(b, 1, 0, atom("infinity"))), `{ok,<<"x">>}`)
}

func TestAnInvalidArgumentOfOneDisturbsNobodyElse(t *testing.T) {
	f := injectFaults(t)
	c := newClient(t)
	a, b := c.pair()
	first, second := c.call(recv(b, 1, 0, atom("infinity"))), c.call(recv(b, 2, 0, atom("infinity")))
	f.once("recv", syscall.EINVAL)
	c.want(c.do(send(a, 1, "x")), "ok")
	c.want(c.reply(first), "{error,einval}")
	c.want(c.reply(second), `{ok,<<"x">>}`)
}
