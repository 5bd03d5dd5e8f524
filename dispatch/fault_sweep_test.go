package dispatch

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gosocket/etf"
	"gosocket/socketcore"
)

// sweep makes one system call fail: the one with a given number in the order of all of them.
type sweep struct {
	mu    sync.Mutex
	calls int
	fail  int // 0 for none
	errno syscall.Errno
	name  string // of the call that failed
}

func (f *sweep) fault(call string, _ int) syscall.Errno {
	f.mu.Lock()
	defer f.mu.Unlock()
	if call == "epoll_wait" {
		return 0 // how often is chance
	}
	if f.calls++; f.calls != f.fail {
		return 0
	}
	f.name = call
	return f.errno
}

func (f *sweep) start(fail int, errno syscall.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.fail, f.errno, f.name = 0, fail, errno, ""
}

func (f *sweep) result() (calls int, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls, f.name
}

// A tour goes through the calls of the protocol, whatever each of them answers.
type tour struct {
	c      *client
	opened []uint64
	bad    []string
	said   []string // what each call was answered
}

// look notes an answer that is none, and a socket in one that has it.
func (v *tour) look(call string, result etf.Term) etf.Term {
	got := text(result)
	v.said = append(v.said, got)
	if got != "ok" && !strings.HasPrefix(got, "{ok,") && !strings.HasPrefix(got, "{error,") && !strings.HasPrefix(got, "{select,") {
		v.bad = append(v.bad, call+": "+got)
	}
	return result
}

func callName(call []byte) string {
	var d etf.Decoder
	d.Reset(call)
	d.Tuple()
	return string(d.Atom())
}

func (v *tour) do(call []byte) etf.Term {
	v.c.t.Helper()
	return v.look(callName(call), v.c.replyTerm(v.c.call(call)))
}

// socket is the one in an answer of open or accept; 0, which is none, after an error.
func (v *tour) socket(result etf.Term) uint64 {
	tu, ok := result.(etf.Tuple)
	if !ok || text(tu[0]) != "ok" {
		return 0
	}
	n, _ := number(tu[1].(etf.Tuple)[0])
	v.opened = append(v.opened, uint64(n))
	return uint64(n)
}

func (v *tour) open(domain, typ string) uint64 {
	return v.socket(v.do(tuple("open", 1, atom(domain), atom(typ), atom("default"), dict{})))
}

// pair connects two sockets of a kind of stream.
func (v *tour) pair(domain string, at dict) (a, b uint64) {
	l := v.open(domain, "stream")
	v.do(tuple("bind", l, at))
	v.do(tuple("listen", l, 5))
	if domain == "inet" {
		at = v.address(l)
	}
	accept := v.c.call(tuple("accept", l, 1, soon, none))
	a = v.open(domain, "stream")
	v.do(tuple("connect", a, 1, at, soon, none))
	return a, v.socket(v.look("accept", v.c.replyTerm(accept)))
}

func (v *tour) address(s uint64) dict {
	ok, good := v.do(tuple("sockname", s)).(etf.Tuple)
	if !good || text(ok[0]) != "ok" {
		return to(1)
	}
	n, _ := number(field(v.c.t, ok[1], "port"))
	return to(n)
}

func (v *tour) fd(s uint64) int {
	if ok, good := v.do(tuple("getopt", s, atom("otp"), atom("fd"))).(etf.Tuple); good {
		n, _ := number(ok[1])
		return n
	}
	return -1
}

// soon is long enough for what is going to happen, in milliseconds.
const soon = 20

// hurried is a call with a time-out for one without.
func hurried(call []byte) []byte {
	return bytes.ReplaceAll(call, etf.AppendAtom(nil, "infinity"), etf.AppendInt(nil, soon))
}

func (v *tour) run(dir string) {
	v.stream(dir)
	v.local(dir)
	v.datagram(dir)
	v.close()
}

func (v *tour) close() {
	for _, s := range v.opened {
		v.do(tuple("close", s, 1))
	}
	v.opened = nil
}

func (v *tour) stream(string) {
	a, b := v.pair("inet", loopback)
	reader := v.c.call(recv(b, 1, 5, soon))
	v.do(nowait(b, 2, "r"))
	v.do(hurried(send(a, 1, "hello")))
	v.look("recv", v.c.replyTerm(reader))
	v.do(tuple("recv", b, 2, 0, none, soon, none))
	v.do(tuple("peername", a))
	v.do(tuple("setopt", a, 1, atom("socket"), atom("keepalive"), atom("true")))
	v.do(tuple("getopt", a, atom("socket"), atom("keepalive")))
	v.do(tuple("shutdown", a, atom("write")))
	v.do(tuple("recvmsg", b, 1, 0, 0, none, soon, none))
}

func (v *tour) local(dir string) {
	x, y := v.pair("local", dict{"family": atom("local"), "path": dir})
	v.do(hurried(sendRights(x, "z", v.fd(x), v.fd(x))))
	for _, flags := range [][]any{{atom("peek")}, {}} {
		m := v.do(tuple("recvmsg", y, 1, 0, 0, flags, soon, none))
		if len(flags) == 0 && strings.HasPrefix(text(m), "{ok,") && strings.Contains(text(m), "rights") {
			fds := rightsIn(v.c.t, m)
			v.socket(v.do(openFD(1, fds[0], noDup)))
			v.socket(v.do(openFD(1, fds[0], dict{})))
		}
	}
	reader := v.c.call(recv(y, 1, 1, soon))
	same := v.socket(v.do(openFD(1, v.fd(y), noDup)))
	other := v.c.call(recv(same, 1, 1, soon))
	v.do(hurried(send(x, 1, "12")))
	v.look("recv", v.c.replyTerm(reader))
	v.look("recv", v.c.replyTerm(other))
}

func (v *tour) datagram(string) {
	d := v.open("inet", "dgram")
	v.do(tuple("bind", d, loopback))
	at := v.address(d)
	v.do(tuple("sendto", d, 1, at, none, soon, none, 1, "x"))
	v.do(tuple("recvfrom", d, 1, 0, none, soon, none))
	v.do(tuple("connect", d, 1, at, soon, none))
	v.do(hurried(send(d, 1, "y")))
	v.do(recv(d, 1, 0, soon))
}

// Every system call of a tour fails, with one errno and another. Everybody gets an answer, everything
// closes, and the next tour is none the worse for it.
func TestAFailureOfAnySystemCallIsAnAnswerAndLeavesNothing(t *testing.T) {
	f := &sweep{}
	socketcore.Fault = f.fault
	t.Cleanup(func() { socketcore.Fault = nil })
	c := newClient(t)
	dir := t.TempDir()
	before := descriptors()
	n := 0
	tour := func(fail int, errno syscall.Errno) (calls int, name string) {
		n++
		f.start(fail, errno)
		v := &tour{c: c}
		v.run(fmt.Sprintf("%s/%d", dir, n))
		c.kept = nil
		calls, name = f.result()
		for _, bad := range v.bad {
			t.Errorf("%s, call %d, fails with %v: %s", name, fail, errno, bad)
		}
		after := 0
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if after = descriptors(); after == before {
				return calls, name
			}
		}
		t.Fatalf("%s, call %d, fails with %v: %d descriptors, %d before: %q", name, fail, errno, after, before, listDescriptors())
		return calls, name
	}
	all, _ := tour(0, 0)
	if all < 50 {
		t.Fatalf("only %d system calls", all)
	}
	failed := map[string]int{}
	errnos := []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EINTR}
	for i := 1; i <= all; i++ {
		for _, k := range []int{i, i + 2} {
			_, name := tour(i, errnos[k%len(errnos)])
			failed[name]++
		}
	}
	for _, name := range []string{
		"socket", "bind", "listen", "accept", "connect", "recv", "recvmsg", "send", "sendmsg", "shutdown", "dup",
		"getsockopt", "setsockopt", "name", "epoll_ctl",
	} {
		if failed[name] == 0 {
			t.Errorf("no %s has failed", name)
		}
	}
	t.Log(failed)
}
