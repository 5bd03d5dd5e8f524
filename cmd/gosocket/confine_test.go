package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	lsm "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"

	"gosocket/etf" //nolint:depguard // the test is a client, and reads terms
	"gosocket/socketcore"
)

// confinedAs names, in the environment, what this program gives up before it tries what a helper that somebody else has got hold of
// might; it then tells how each ended.
const confinedAs = "GOSOCKET_TEST_CONFINED"

// attempts are what the kernel is to refuse, by the protection that does.
var attempts = []struct {
	name string
	by   string
	try  func(dir string) error
}{
	{"run a program", "filter landlock", func(string) error {
		p, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
		if err == nil {
			_, err = p.Wait()
		}
		return err
	}},
	{"become a program", "filter", func(string) error { return syscall.Exec("/nothing/here", nil, nil) }},
	{"write a file", "filter landlock", func(dir string) error {
		f, err := os.OpenFile(filepath.Join(dir, "file"), os.O_WRONLY, 0)
		if err == nil {
			f.Close()
		}
		return err
	}},
	{"make a file", "filter landlock", func(dir string) error {
		f, err := os.Create(filepath.Join(dir, "new"))
		if err == nil {
			f.Close()
		}
		return err
	}},
	{"remove a file", "filter landlock", func(dir string) error { return os.Remove(filepath.Join(dir, "victim")) }},
	{"make a directory", "filter landlock", func(dir string) error { return os.Mkdir(filepath.Join(dir, "sub"), 0o700) }},
	{"look into a process", "filter", func(string) error {
		_, err := unix.ProcessVMReadv(os.Getpid(), nil, nil, 0)
		return err
	}},
	{"signal another process", "filter", func(string) error { return unix.Kill(os.Getppid(), 0) }},
	{"a socket of another domain", "filter", func(string) error { return opensAndCloses(unix.AF_NETLINK, unix.SOCK_RAW) }},
	{"a socket of a domain that the list lacks", "filter", func(string) error { return opensAndCloses(unix.AF_INET6, unix.SOCK_DGRAM) }},
	{"bind a path outside", "landlock", func(dir string) error { return bindsLocal(filepath.Join(dir, "outside")) }},
	{"bind a port", "landlock", func(string) error {
		return withTCP(func(fd int) error {
			return unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 47113})
		})
	}},
	{"connect to a port", "landlock", func(string) error {
		return withTCP(func(fd int) error {
			err := unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 47113})
			if err == unix.ECONNREFUSED {
				return nil
			}
			return err
		})
	}},
	{"read what it needs", "", func(string) error {
		_, err := os.ReadFile("/proc/self/stat")
		return err
	}},
	{"a socket of its own", "", func(string) error { return opensAndCloses(unix.AF_INET, unix.SOCK_STREAM) }},
	{"bind a path inside", "", func(dir string) error { return bindsLocal(filepath.Join(dir, "inside", "s")) }},
	{"bind a port of the list", "", func(string) error {
		return withTCP(func(fd int) error { return unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}) })
	}},
}

func opensAndCloses(domain, typ int) error {
	fd, err := unix.Socket(domain, typ|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func withTCP(f func(fd int) error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return f(fd)
}

func bindsLocal(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Bind(fd, &unix.SockaddrUnix{Name: path})
}

// confined gives up what the environment says, and prints how the attempts end.
func confined(how, dir string) {
	allow := &socketcore.Allow{}
	for _, rule := range []string{"domains=inet", "local_ports=0", "remote_ports=1", "paths=" + dir + "/inside/*", "namespaces"} {
		if err := allow.Set(rule); err != nil {
			panic(err)
		}
	}
	p := privileges{allow: allow, filter: strings.Contains(how, "filter"), landlock: strings.Contains(how, "landlock")}
	if how != "nothing" {
		if _, _, err := p.confine(); err != nil {
			panic(err)
		}
	}
	for _, a := range attempts {
		fmt.Printf("%s: %v\n", a.name, a.try(dir))
	}
}

// Without either each attempt succeeds, or fails for another reason; with it, it is refused, and what the helper needs is not.
func TestTheKernelRefusesWhatWasGivenUp(t *testing.T) {
	for _, how := range []string{"filter", "landlock", "filter landlock"} {
		t.Run(how, func(t *testing.T) {
			if reason := lacking(how); reason != "" {
				t.Skip(reason)
			}
			without, with := tried(t, "nothing"), tried(t, how)
			for _, a := range attempts {
				refusing := ""
				for _, by := range strings.Fields(a.by) {
					if strings.Contains(how, by) {
						refusing = by
					}
				}
				if refused(without[a.name]) {
					t.Errorf("%s, with nothing given up: %s", a.name, without[a.name])
				}
				if refused(with[a.name]) != (refusing != "") {
					t.Errorf("%s, without %s: %s", a.name, how, with[a.name])
				}
			}
		})
	}
}

func lacking(how string) string {
	if strings.Contains(how, "filter") {
		if _, err := arch.GetInfo(""); err != nil {
			return fmt.Sprintf("no filter of system calls: %v", err)
		}
	}
	if strings.Contains(how, "landlock") {
		if version, err := lsm.LandlockGetABIVersion(); err != nil || version < 5 {
			return fmt.Sprintf("the kernel's landlock has version %d, %v", version, err)
		}
	}
	return ""
}

func refused(outcome string) bool {
	return strings.Contains(outcome, "not permitted") || strings.Contains(outcome, "permission denied")
}

func tried(t *testing.T, how string) (outcomes map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for _, f := range []string{"file", "victim"} {
		if err := os.WriteFile(filepath.Join(dir, f), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "inside"), 0o700); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, dir)
	cmd.Env = append(os.Environ(), confinedAs+"="+how)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", how, err, stderr.Bytes())
	}
	outcomes = map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, outcome, _ := strings.Cut(strings.TrimSpace(line), ": ")
		outcomes[name] = outcome
	}
	return outcomes
}

// Threads that are made later have the filter as well; and a helper with all of it serves.
func TestTheHelperServesConfined(t *testing.T) {
	if reason := lacking("filter landlock"); reason != "" {
		t.Skip(reason)
	}
	h := start(t, plainPipe, "-system-call-filter", "-landlock", "-capabilities", "", "-loops", "8", "-allow", "local_ports=0", "-allow", "paths")
	h.alive(1)
	for field, want := range map[string]string{"Seccomp": "2", "NoNewPrivs": "1", "CapEff": "0000000000000000"} {
		if got := threads(t, h.cmd.Process.Pid, field); got != want {
			t.Errorf("%s: %s", field, got)
		}
	}
	if version, _ := h.protection("landlock").(etf.Int); version < 5 {
		t.Errorf("landlock: %v", version)
	}
	if a, _ := h.protection("system_call_filter").(etf.Atom); a.Name != "true" {
		t.Errorf("system_call_filter: %v", a)
	}
}
