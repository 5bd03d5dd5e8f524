package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"gosocket/etf" //nolint:depguard // the test is a client, and reads terms
)

var program string

// TestMain builds the program that the tests run, and fails when a descriptor is left open.
func TestMain(m *testing.M) {
	if how := os.Getenv(confinedAs); how != "" {
		confined(how, os.Args[1])
		return
	}
	shortPaths()
	dir, err := os.MkdirTemp("", "gosocket")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "gosocket")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped: threads are made otherwise with C
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s%v\n", out, err)
		os.Exit(1)
	}
	before := descriptors()
	status := m.Run()
	if after := descriptors(); status == 0 && after != before {
		fmt.Fprintf(os.Stderr, "%d descriptors open, %d at the start\n", after, before)
		status = 1
	}
	os.RemoveAll(dir)
	os.Exit(status)
}

// shortPaths has temporary directories where paths in them have room for the name of a test and fit a local socket (unix(7)).
func shortPaths() {
	if len(os.TempDir()) > len("/var/tmp") {
		os.Setenv("TMPDIR", "/tmp")
	}
}

func descriptors() int {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	return len(fds)
}

// helper is a running helper with the ends of its three descriptors.
type helper struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     *os.File // requests
	out    *os.File // frames
	reader *bufio.Reader
	log    *os.File
	exit   chan error
	hello  etf.Tuple
}

// pipes makes the ends that the helper and the test have.
type pipes func(t *testing.T) (r, w *os.File)

func plainPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

func socketPair(t *testing.T) (r, w *os.File) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
}

// start runs the helper and reads its hello.
func start(t *testing.T, stdio pipes, args ...string) *helper {
	t.Helper()
	h := launch(t, stdio, args...)
	h.hello, _ = h.frame().(etf.Tuple)
	if name(h.hello) != "hello" {
		t.Fatalf("first frame: %v", h.hello)
	}
	return h
}

// launch runs the helper.
func launch(t *testing.T, stdio pipes, args ...string) *helper {
	t.Helper()
	return launchBy(t, stdio, exec.Command(program, args...))
}

// launchBy runs a command that is the helper, or becomes it.
func launchBy(t *testing.T, stdio pipes, cmd *exec.Cmd) *helper {
	t.Helper()
	inR, inW := stdio(t)
	outR, outW := stdio(t)
	logR, logW := plainPipe(t)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = inR, outW, logW
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, f := range []*os.File{inR, outW, logW} {
		f.Close()
	}
	h := &helper{t: t, cmd: cmd, in: inW, out: outR, reader: bufio.NewReader(outR), log: logR}
	h.exit = h.waited()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails when it has ended, as it should have
		<-h.exit
		for _, f := range []*os.File{inW, outR, logR} {
			f.Close()
		}
	})
	return h
}

func (h *helper) waited() chan error {
	exit := make(chan error, 2)
	go func() {
		exit <- h.cmd.Wait()
		close(exit)
	}()
	return exit
}

// ends waits for the helper's end and returns its exit status.
func (h *helper) ends() int {
	h.t.Helper()
	select {
	case <-h.exit:
	case <-time.After(5 * time.Second):
		h.t.Fatal("still running")
	}
	if err := syscall.Kill(h.cmd.Process.Pid, 0); err == nil {
		h.t.Error("a process is left")
	}
	return h.cmd.ProcessState.ExitCode()
}

func name(t etf.Term) string {
	if tuple, ok := t.(etf.Tuple); ok && len(tuple) > 0 {
		if a, ok := tuple[0].(etf.Atom); ok {
			return a.Name
		}
	}
	return ""
}

// frame reads one frame.
func (h *helper) frame() etf.Term {
	h.t.Helper()
	_ = h.out.SetReadDeadline(time.Now().Add(5 * time.Second))
	var head [4]byte
	if _, err := io.ReadFull(h.reader, head[:]); err != nil {
		h.t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(h.reader, body); err != nil {
		h.t.Fatal(err)
	}
	term, err := etf.Decode(body)
	if err != nil {
		h.t.Fatal(err)
	}
	return term
}

// answer reads the next frame that does not only count bytes.
func (h *helper) answer() etf.Tuple {
	h.t.Helper()
	for {
		if f, _ := h.frame().(etf.Tuple); name(f) != "consumed" {
			return f
		}
	}
}

// send writes one frame.
func (h *helper) send(body []byte) {
	h.t.Helper()
	if _, err := h.in.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)); err != nil {
		h.t.Fatal(err)
	}
}

func ping(n int) []byte {
	b := etf.AppendAtom(etf.AppendTuple(etf.AppendVersion(nil), 2), "ping")
	return etf.AppendInt(b, int64(n))
}

// alive sends a ping and waits for its pong; other frames are passed over.
func (h *helper) alive(n int) {
	h.t.Helper()
	h.send(ping(n))
	for {
		f, _ := h.frame().(etf.Tuple)
		if name(f) == "pong" && f[1] == etf.Int(n) {
			return
		}
	}
}
