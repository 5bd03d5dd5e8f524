package dispatch

import (
	"fmt"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// capabilities are those that options need.
var capabilities = map[string]uint{"CAP_NET_ADMIN": unix.CAP_NET_ADMIN, "CAP_NET_RAW": unix.CAP_NET_RAW}

// permitted tells whether the test may use a capability.
func permitted(t *testing.T, name string) bool {
	t.Helper()
	_, data := capget(t)
	return data[0].Permitted&(1<<capabilities[name]) != 0
}

// with runs what a thread does that has one capability, or none. Capabilities belong to
// threads, so the others keep theirs.
func with(t *testing.T, name string, run func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	header, data := capget(t)
	limited := [2]unix.CapUserData{{Permitted: data[0].Permitted}, {Permitted: data[1].Permitted}}
	if name != "" {
		limited[0].Effective = 1 << capabilities[name]
	}
	must(t, unix.Capset(&header, &limited[0]))
	defer func() {
		if err := unix.Capset(&header, &data[0]); err != nil {
			panic(fmt.Sprintf("a thread is left without its capabilities: %v", err))
		}
	}()
	run()
}

func capget(t *testing.T) (header unix.CapUserHeader, data [2]unix.CapUserData) {
	t.Helper()
	header.Version = unix.LINUX_CAPABILITY_VERSION_3
	must(t, unix.Capget(&header, &data[0]))
	return header, data
}
