package socketcore

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOnlyTheClientsDescriptorsAreTaken(t *testing.T) {
	name, parent, e := statOf(os.Getpid())
	// The kernel cuts names at 15 bytes.
	if want := filepath.Base(os.Args[0]); e != 0 || name != want[:min(len(want), 15)] || parent != os.Getppid() {
		t.Errorf("name %q, parent %d, %v; the program is %s, its parent %d", name, parent, e, want, os.Getppid())
	}
	if e := started(os.Getppid()); e != 0 {
		t.Errorf("the parent: %v", e)
	}
	_, grandparent, _ := statOf(os.Getppid())
	for _, pid := range []int{os.Getpid(), grandparent} { // whose child is no forker
		if pid == 0 {
			continue // outside of this namespace
		}
		if e := started(pid); e != unix.EPERM {
			t.Errorf("process %d: %v", pid, e)
		}
		if _, e := sysTakeFrom(pid, 0); e != unix.EPERM {
			t.Errorf("process %d is reached into: %v", pid, e)
		}
	}
	if _, _, e := statOf(1 << 30); e != unix.ENOENT {
		t.Errorf("no process: %v", e)
	}
}
