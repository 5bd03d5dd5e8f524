package dispatch

import (
	"fmt"
	"os"
	"testing"
)

// TestMain fails when a descriptor is left open.
func TestMain(m *testing.M) {
	shortPaths()
	warmUp()
	before := descriptors()
	status := m.Run()
	if after := descriptors(); status == 0 && after != before {
		fmt.Fprintf(os.Stderr, "%d descriptors open, %d at the start: %q\n", after, before, listDescriptors())
		status = 1
	}
	os.Exit(status)
}

// shortPaths has temporary directories where paths in them have room for the name of a test and fit a local socket (unix(7)).
func shortPaths() {
	if len(os.TempDir()) > len("/var/tmp") {
		os.Setenv("TMPDIR", "/tmp")
	}
}

// warmUp has the runtime open what it keeps for its own poller.
func warmUp() {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	r.Close()
	w.Close()
}

func descriptors() int { return len(listDescriptors()) }

// listDescriptors says what is open.
func listDescriptors() (list []string) {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	for _, d := range open {
		if target, err := os.Readlink("/proc/self/fd/" + d.Name()); err == nil {
			list = append(list, d.Name()+" "+target)
		}
	}
	return list
}
