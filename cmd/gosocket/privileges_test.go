package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	libcap "kernel.org/pub/linux/libs/security/libcap/cap"

	"gosocket/etf" //nolint:depguard // the test is a client, and reads terms
)

// threads returns a field of /proc/PID/status of each thread of a process, which must agree.
func threads(t *testing.T, pid int, field string) string {
	t.Helper()
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	values := map[string]int{}
	for _, file := range files {
		status, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue // a thread that has ended
		}
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(status), "\n"+field+":\t")
		value, _, _ := strings.Cut(rest, "\n")
		values[value]++
	}
	if len(values) != 1 {
		t.Fatalf("%s: %d threads of process %d say %v", field, len(files), pid, values)
	}
	for value := range values {
		return value
	}
	return ""
}

// protection is what the hello says of one.
func (h *helper) protection(key string) etf.Term {
	return valueOf(valueOf(h.hello[1], "protections"), key)
}

func valueOf(m etf.Term, key string) etf.Term {
	pairs, _ := m.(etf.Map)
	for _, pair := range pairs {
		if a, ok := pair.Key.(etf.Atom); ok && a.Name == key {
			return pair.Value
		}
	}
	return nil
}

func capabilitySet(t *testing.T, pid int, field string) (bits uint64) {
	t.Helper()
	bits, err := strconv.ParseUint(threads(t, pid, field), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return bits
}

// The hello leaves before the first byte is read: what holds when it comes held then.
func TestPrivilegesAreGivenUpBeforeAByteIsRead(t *testing.T) {
	mine := capabilitySet(t, os.Getpid(), "CapPrm")
	if mine == 0 {
		t.Log("this test has no capabilities to give: it sees that none are gained")
	}
	bounding := capabilitySet(t, os.Getpid(), "CapBnd")
	raw := uint64(1) << libcap.NET_RAW
	low := uint64(1) << libcap.NET_BIND_SERVICE
	for _, c := range []struct {
		name string
		args []string
		kept uint64
	}{
		{"all", nil, ^uint64(0)},
		{"none", []string{"-capabilities", ""}, 0},
		{"one", []string{"-capabilities", "net_raw"}, raw},
		{"two", []string{"-capabilities", "CAP_NET_RAW,net_bind_service"}, raw | low},
		{"of all loops", []string{"-capabilities", "net_raw", "-loops", "8"}, raw},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := start(t, plainPipe, c.args...)
			pid := h.cmd.Process.Pid
			if got := threads(t, pid, "NoNewPrivs"); got != "1" {
				t.Errorf("NoNewPrivs: %s", got)
			}
			wantBounding := bounding
			if mine&(1<<libcap.SETPCAP) != 0 {
				wantBounding &= c.kept
			}
			for field, want := range map[string]uint64{
				"CapPrm": mine & c.kept, "CapEff": mine & c.kept, "CapInh": 0, "CapAmb": 0, "CapBnd": wantBounding,
			} {
				if got := capabilitySet(t, pid, field); got != want {
					t.Errorf("%s: %x, not %x", field, got, want)
				}
			}
			var told uint64
			list, _ := h.protection("capabilities").(etf.List)
			for _, a := range list.Elements {
				v, err := libcap.FromName("cap_" + a.(etf.Atom).Name)
				if err != nil {
					t.Error(err)
				}
				told |= 1 << v
			}
			if told != mine&c.kept {
				t.Errorf("the hello tells %x, not %x", told, mine&c.kept)
			}
		})
	}
}

func TestUnknownCapabilityIsABadSetting(t *testing.T) {
	for _, list := range []string{"net_raw,", "net_rwa", "all", "net_raw net_admin", "64"} {
		h := launch(t, plainPipe, "-capabilities", list)
		if status := h.ends(); status != badFlags {
			t.Errorf("%q: exit status %d", list, status)
		}
	}
}
