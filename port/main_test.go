package port

import (
	"fmt"
	"os"
	"testing"
)

// TestMain fails when a descriptor is left open.
func TestMain(m *testing.M) {
	crashIfAsked()
	warmUp()
	before := descriptors()
	status := m.Run()
	if after := descriptors(); status == 0 && after != before {
		fmt.Fprintf(os.Stderr, "%d descriptors open, %d at the start: %q\n", after, before, listDescriptors())
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

func descriptors() int { return len(listDescriptors()) }

// listDescriptors says what is open, but for what getsockopt(SO_PEERPIDFD) has given to
// those who read every option.
func listDescriptors() (list []string) {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	for _, fd := range fds {
		if target, _ := os.Readlink("/proc/self/fd/" + fd.Name()); target != "anon_inode:[pidfd]" {
			list = append(list, fd.Name()+" "+target)
		}
	}
	return list
}
