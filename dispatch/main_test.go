package dispatch

import (
	"fmt"
	"os"
	"testing"
)

// TestMain fails when a descriptor is left open.
func TestMain(m *testing.M) {
	warmUp()
	before := descriptors()
	status := m.Run()
	if after := descriptors(); status == 0 && after != before {
		fmt.Fprintf(os.Stderr, "%d descriptors open, %d at the start\n", after, before)
		status = 1
	}
	os.Exit(status)
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

func descriptors() int {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	return len(fds)
}
