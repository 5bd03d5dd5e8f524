package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	libcap "kernel.org/pub/linux/libs/security/libcap/cap"

	"gosocket/etf" //nolint:depguard // the test is a client, and reads terms
)

// given is how a helper of an ordinary user comes to its capabilities; the user's own are ambient.
type given struct {
	file, ambient, bounding uint64
	noNewPrivs              bool
}

// permits says what capabilities(7) gives a program that is started so, and false when it gives no program at all.
func (g given) permits() (permitted uint64, starts bool) {
	switch {
	case g.file == 0:
		return g.ambient, true
	case g.file&^g.bounding != 0:
		return 0, false
	case g.noNewPrivs:
		return g.file & g.ambient, true
	}
	return g.file, true
}

func listed(set uint64, before, between string) string {
	var names []string
	for v := range libcap.MaxBits() {
		if set&(1<<v) != 0 {
			names = append(names, before+nameOf(v))
		}
	}
	return strings.Join(names, between)
}

// Whatever the file of the helper, an ambient set, the bounding set and no_new_privs have given it, it ends with what its configuration
// names of that, and nothing else in any set; or, without a configuration, with just what it was given.
func TestWhatIsGivenMeetsWhatIsConfigured(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	for _, tool := range []string{"setpriv", "setcap"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	raw, low := uint64(1)<<libcap.NET_RAW, uint64(1)<<libcap.NET_BIND_SERVICE
	sets := []uint64{0, low, raw, low | raw}
	for _, file := range sets {
		copied := copyWithCapabilities(t, file)
		for _, ambient := range sets {
			for _, bounding := range []uint64{low, low | raw} {
				for _, noNewPrivs := range []bool{false, true} {
					for _, configured := range []uint64{^uint64(0), 0, low} {
						g := given{file, ambient & bounding, bounding, noNewPrivs}
						t.Run(fmt.Sprintf("%+v of %x", g, configured), func(t *testing.T) { g.check(t, copied, configured) })
					}
				}
			}
		}
	}
}

func copyWithCapabilities(t *testing.T, set uint64) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gosocket")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // another user runs what is in it
		t.Fatal(err)
	}
	to := filepath.Join(dir, "gosocket")
	bytes, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, bytes, 0o755); err != nil { //nolint:gosec // as above
		t.Fatal(err)
	}
	if set != 0 {
		if out, err := exec.Command("setcap", listed(set, "cap_", ",")+"+ep", to).CombinedOutput(); err != nil {
			t.Skipf("no file capabilities: %s%v", out, err)
		}
	}
	return to
}

func (g given) check(t *testing.T, program string, configured uint64) {
	t.Helper()
	args := []string{
		"--reuid=65534", "--regid=65534", "--clear-groups",
		"--bounding-set=-all," + listed(g.bounding, "+", ","),
		"--inh-caps=" + strings.TrimSuffix("-all,"+listed(g.ambient, "+", ","), ","),
		"--ambient-caps=" + strings.TrimSuffix("-all,"+listed(g.ambient, "+", ","), ","),
	}
	if g.noNewPrivs {
		args = append(args, "--no-new-privs")
	}
	// setpriv itself has root's capabilities until it becomes another program.
	args = append(args, "sh", "-c", `exec "$0" "$@"`, program)
	if configured != ^uint64(0) {
		args = append(args, "-capabilities", listed(configured, "", ","))
	}
	h := launchBy(t, plainPipe, exec.Command("setpriv", args...))
	permitted, starts := g.permits()
	if !starts {
		if status := h.ends(); status != 126 {
			said, _ := io.ReadAll(h.log)
			t.Errorf("exit status %d: %s", status, said)
		}
		return
	}
	h.hello, _ = h.frame().(etf.Tuple)
	want := permitted & configured
	for _, field := range []string{"CapPrm", "CapEff"} {
		if got := capabilitySet(t, h.cmd.Process.Pid, field); got != want {
			t.Errorf("%s: %x, not %x", field, got, want)
		}
	}
	ambient := uint64(0)
	if configured == ^uint64(0) && g.file == 0 {
		ambient = g.ambient
	}
	if got := capabilitySet(t, h.cmd.Process.Pid, "CapAmb"); got != ambient {
		t.Errorf("CapAmb: %x, not %x", got, ambient)
	}
}
