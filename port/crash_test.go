package port

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// crashes are the ways in which the runtime ends a program, with a word of what it says.
var crashes = []struct {
	name, says string
	crash      func()
}{
	{"panic", "panic: goodbye", func() { panic("goodbye") }},
	{"long panic", "goodbye", func() { panic(strings.Repeat("goodbye", 30000)) }},
	{"nil dereference", "nil pointer dereference", func() { fmt.Fprint(io.Discard, *nobody) }},
	{"concurrent map writes", "concurrent map", writeMap},
	{"stack overflow", "stack overflow", func() {
		debug.SetMaxStack(1 << 20)
		_ = deeper(0)
	}},
	{"out of memory", "out of memory", func() {
		limit := uint64(1 << 30)
		_ = unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: limit, Max: limit})
		for all := [][]byte{}; len(all) < 1000; {
			all = append(all, make([]byte, 64<<20))
		}
	}},
	{"SIGQUIT", "SIGQUIT", func() { await(syscall.SIGQUIT) }},
	{"SIGABRT", "SIGABRT", func() { await(syscall.SIGABRT) }},
	{"SIGSEGV", "SIGSEGV", func() { await(syscall.SIGSEGV) }},
}

func writeMap() {
	m := map[int]int{}
	for range 8 {
		go func() {
			for i := 0; ; i++ {
				m[i%100] = i
			}
		}()
	}
	select {}
}

func deeper(n int) int {
	if n < 0 {
		return 0
	}
	return deeper(n+1) + 1
}

var nobody *int

func await(signal syscall.Signal) {
	_ = syscall.Kill(os.Getpid(), signal)
	time.Sleep(time.Minute)
}

const crashVariable = "GOSOCKET_TEST_CRASH"

// crashIfAsked is what the program of the tests does when a test has started it to crash.
func crashIfAsked() {
	for _, c := range crashes {
		if os.Getenv(crashVariable) == c.name {
			CrashWithoutWaiting()
			for range 50 { // makes the trace longer
				go func() { select {} }()
			}
			debug.SetTraceback("all")
			c.crash()
			os.Exit(0)
		}
	}
}

func streamSockets() (r, w *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w"), nil
}

// skipUnderRace skips what the race detector does not allow: its runtime keeps records of each function that is
// called, for which there is no place any more when a program crashes.
func skipUnderRace(t *testing.T) {
	t.Helper()
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" && s.Value == "true" {
			t.Skip("the race detector itself crashes in a crash")
		}
	}
}

func TestCrashesDoNotWaitForStandardError(t *testing.T) {
	skipUnderRace(t)
	for name, ends := range map[string]func() (r, w *os.File, err error){"pipe": os.Pipe, "socket": streamSockets} {
		for _, c := range crashes {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				r, w, err := ends()
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				fillUp(t, w)
				crashed(t, c.name, w)
			})
		}
	}
}

// fillUp leaves no room in a pipe or socket, in a way that others who have it need not know of.
func fillUp(t *testing.T, w *os.File) {
	t.Helper()
	fd := int(w.Fd())
	for _, size := range []int{4096, 1} {
		for {
			poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
			if n, _ := unix.Poll(poll, 0); n == 0 {
				break
			}
			if _, err := unix.Write(fd, make([]byte, size)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func crashed(t *testing.T, how string, stderr *os.File) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashVariable+"="+how)
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stderr.Close()
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		_ = cmd.Process.Kill()
		<-ended
		t.Error("it waits for a reader")
	}
	if cmd.ProcessState.Success() {
		t.Error("it did not crash")
	}
}

func TestCrashesAreTold(t *testing.T) {
	skipUnderRace(t)
	for _, c := range crashes {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			said := make(chan []byte, 1)
			go func() {
				all, _ := io.ReadAll(r)
				said <- all
			}()
			crashed(t, c.name, w)
			if trace := <-said; !bytes.Contains(trace, []byte(c.says)) || !bytes.Contains(trace, []byte("goroutine ")) {
				t.Errorf("%d bytes: %.300q", len(trace), trace)
			}
		})
	}
}
