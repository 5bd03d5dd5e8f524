package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosocket/etf" //nolint:depguard // the test is a client, and reads terms
)

// everyStdio runs a test with pipes, as ports have them, and with sockets.
func everyStdio(t *testing.T, f func(t *testing.T, stdio pipes)) {
	t.Helper()
	for _, c := range []struct {
		name  string
		stdio pipes
	}{{"pipes", plainPipe}, {"sockets", socketPair}} {
		t.Run(c.name, func(t *testing.T) { f(t, c.stdio) })
	}
}

func TestHangUpOfEitherEndEndsTheHelper(t *testing.T) {
	everyStdio(t, func(t *testing.T, stdio pipes) {
		h := start(t, stdio)
		h.alive(1)
		h.in.Close()
		if status := h.ends(); status != 0 {
			t.Errorf("input closed: exit status %d", status)
		}
		h = start(t, stdio)
		h.alive(1)
		h.out.Close()
		if status := h.ends(); status != 0 {
			t.Errorf("output closed: exit status %d", status)
		}
	})
}

// flood sends pings until nobody takes them.
func (h *helper) flood() (stop func()) {
	body := ping(1)
	one := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	var batch []byte
	for range 1000 {
		batch = append(batch, one...)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := h.in.Write(batch); err != nil {
				return
			}
		}
	}()
	return func() { <-done }
}

func TestHangUpUnderLoadEndsTheHelperToo(t *testing.T) {
	for _, loops := range []string{"1", "3"} {
		h := start(t, plainPipe, "-loops", loops)
		stop := h.flood()
		go io.Copy(io.Discard, h.reader)
		time.Sleep(50 * time.Millisecond)
		h.out.Close()
		if status := h.ends(); status != 0 {
			t.Errorf("output closed: exit status %d", status)
		}
		stop()

		h = start(t, plainPipe, "-loops", loops)
		stop = h.flood() // nobody reads the answers
		time.Sleep(50 * time.Millisecond)
		h.in.Close()
		if status := h.ends(); status != 0 {
			t.Errorf("input closed: exit status %d", status)
		}
		stop()
	}
}

// Stopped, it sees nothing: it goes on when the program that has started it ends, whatever it has given up before, and then ends as well.
func TestAStoppedHelperEndsWithTheProgramThatStartedIt(t *testing.T) {
	for _, flags := range [][]string{nil, {"-capabilities", ""}, {"-system-call-filter", "-landlock"}} {
		if reason := lacking(strings.Join(flags, " ")); reason != "" {
			t.Log("skipped: ", reason)
			continue
		}
		client := exec.Command("sh", append([]string{"-c", `exec 3<&0; "$0" "$@" <&3 3<&- & wait`, program}, flags...)...)
		h := launchBy(t, plainPipe, client)
		h.hello, _ = h.frame().(etf.Tuple)
		pid, _ := valueOf(h.hello[1], "pid").(etf.Int)
		t.Cleanup(func() {
			if t.Failed() {
				_ = syscall.Kill(int(pid), syscall.SIGKILL)
			}
		})
		stat := fmt.Sprintf("/proc/%d/stat", pid)
		if err := syscall.Kill(int(pid), syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		awaitState(t, stat, "T")
		_ = client.Process.Kill()
		h.in.Close()
		awaitState(t, stat, "ZX") // nobody may ask for the status of a child that is left
	}
}

// awaitState waits until a process has one of these states (proc_pid_stat(5)), or is not there any more when X is one of them.
func awaitState(t *testing.T, stat, states string) {
	t.Helper()
	var line []byte
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		var err error
		line, err = os.ReadFile(stat)
		_, state, _ := bytes.Cut(line, []byte(") "))
		if err != nil && strings.Contains(states, "X") || err == nil && strings.Contains(states, string(state[:1])) {
			return
		}
	}
	t.Fatalf("%s: %s", stat, line)
}

func TestSignalsDoNotEndTheHelper(t *testing.T) {
	h := start(t, plainPipe)
	for i, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGTSTP, syscall.SIGPIPE} {
		if err := h.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		h.alive(i)
	}
	h.in.Close()
	if status := h.ends(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

func (h *helper) link(fd int) string {
	h.t.Helper()
	s, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", h.cmd.Process.Pid, fd))
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func TestStrayPrintsCannotReachTheFrames(t *testing.T) {
	h := start(t, plainPipe)
	if got := h.link(0); got != os.DevNull {
		t.Errorf("standard input is %s", got)
	}
	if got, want := h.link(1), h.link(2); got != want {
		t.Errorf("standard output is %s, standard error %s", got, want)
	}
}

func TestPipesAreRaised(t *testing.T) {
	h := start(t, plainPipe)
	for _, f := range []*os.File{h.in, h.out} {
		raw, err := f.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) {
			if n, err := unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0); err != nil || n != 1<<20 {
				t.Errorf("pipe of %d bytes, %v", n, err)
			}
		})
	}
}

func TestAFullStandardErrorHoldsUpNothing(t *testing.T) {
	h := start(t, plainPipe, "-log-level", "debug")
	const rounds = 3000 // some 120 bytes of log each: several times what the pipe holds
	for i := range rounds {
		h.send([]byte{131, 104}) // answered and logged
		if i%100 == 0 {
			h.alive(i)
		}
	}
	h.alive(rounds)
	h.in.Close()
	if status := h.ends(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	h.log.SetReadDeadline(time.Now().Add(5 * time.Second))
	if log, err := io.ReadAll(h.log); err != nil || len(log) < 32<<10 {
		t.Errorf("%d bytes of log, %v: standard error was not full", len(log), err)
	}
}

func TestACrashDoesNotWaitForStandardError(t *testing.T) {
	h := start(t, plainPipe)
	for i := range 3000 { // its log fills the pipe
		h.send([]byte{131, 104})
		if i%100 == 0 {
			h.alive(i)
		}
	}
	if err := h.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	if status := h.ends(); status != 2 {
		t.Errorf("exit status %d", status)
	}
}

func TestWrongFlagsDoNotWaitForStandardError(t *testing.T) {
	r, w := plainPipe(t)
	defer r.Close()
	_ = w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = w.Write(make([]byte, 1<<20)) // it is full then
	for _, flags := range [][]string{{"-nonsense"}, {"-help"}, {"-window", "1"}} {
		cmd := exec.Command(program, flags...)
		cmd.Stderr = w
		h := &helper{t: t, cmd: cmd}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		h.exit = h.waited()
		h.ends()
	}
	w.Close()
}

func TestAFrameAboveTheLimitIsAnsweredAndEndsTheHelper(t *testing.T) {
	everyStdio(t, func(t *testing.T, stdio pipes) {
		h := start(t, stdio, "-frame-limit", "1000000")
		body := append(ping(1), make([]byte, 1000000-len(ping(1)))...)
		go h.in.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)) // at the limit
		if f := h.answer(); name(f) != "pong" {
			t.Fatalf("%v at the limit", f)
		}
		if f := h.answer(); name(f) != "bad" || f[1].(etf.Atom).Name != "trailing" {
			t.Fatalf("%v at the limit", f)
		}
		h.alive(2)
		if _, err := h.in.Write(binary.BigEndian.AppendUint32(nil, 1000001)); err != nil {
			t.Fatal(err)
		}
		f := h.answer()
		if name(f) != "bad" || f[1].(etf.Atom).Name != "frame_limit" {
			t.Errorf("%v above the limit", f)
		}
		if status := h.ends(); status != 1 {
			t.Errorf("exit status %d", status)
		}
	})
}

func TestMalformedFramesAreAnsweredAndTheHelperGoesOn(t *testing.T) {
	h := start(t, plainPipe)
	for i, c := range []struct {
		what, frame, reason string
	}{
		{"nothing", "", "truncated"},
		{"another version", "\x82a\x01", "term"},
		{"half a tuple", "\x83h\x02a\x01", "truncated"},
		{"no such tag", "\x83h\x02a\x01\x01", "tag"},
		{"a number", "\x83a\x01", "term"},
		{"an unknown item", "\x83h\x02w\x04pinga\x01", ""},
		{"a known item of another size", "\x83h\x01w\x04ping", "item"},
		{"a request of three", "\x83h\x03a\x01a\x02a\x03", "item"},
		{"an id above 31 bits", "\x83h\x02n\x04\x00\x00\x00\x00\x80h\x01w\x01x", "item"},
		{"a negative id", "\x83h\x02b\xff\xff\xff\xffh\x01w\x01x", "term"},
		{"two terms", "\x83h\x02w\x04pinga\x01a\x02", "trailing"},
		{"a compressed term", "\x83P\x00\x00\x00\x01x", "compressed"},
		{"a tuple of 2^32-1", "\x83i\xff\xff\xff\xff", "count"},
		{"a deep term", "\x83h\x02a\x01" + deep(1000), ""},
		{"an improper batch", "\x83l\x00\x00\x00\x01h\x02w\x04pinga\x01a\x01", "term"},
		{"a string for a batch", "\x83k\x00\x02ab", "term"},
	} {
		h.send([]byte(c.frame))
		h.send(ping(1000 + i))
		reason := ""
		for {
			f := h.frame().(etf.Tuple)
			if name(f) == "bad" {
				reason = f[1].(etf.Atom).Name
			}
			if name(f) == "pong" && f[1] == etf.Int(1000+i) {
				break
			}
		}
		if reason != c.reason {
			t.Errorf("%s: %q, want %q", c.what, reason, c.reason)
		}
	}
}

// deep nests tuples.
func deep(n int) string {
	s := ""
	for range n {
		s += "h\x01"
	}
	return s + "a\x01"
}
