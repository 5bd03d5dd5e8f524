package socketcore

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// refusing runs f while a system call fails, and tells how often it was made.
func refusing(t *testing.T, name string, e Errno, f func()) (calls int) {
	t.Helper()
	Fault = func(call string, _ int) Errno {
		if call != name {
			return 0
		}
		calls++
		return e
	}
	defer func() { Fault = nil }()
	f()
	return calls
}

// unprobed makes the kernel be asked anew.
func unprobed() {
	probes.options, probes.flags = nil, nil
}

func TestOptionIsAskedForUntilTheKernelHasSaid(t *testing.T) {
	readOnly := LevelNamed([]byte("socket")).Option([]byte("acceptconn"))
	for _, c := range []struct {
		call  string
		e     Errno
		want  Answer
		again Answer // without the fault
	}{
		{"getsockopt", unix.EPERM, Unsure, Yes},
		{"getsockopt", unix.ENOPROTOOPT, No, No},
		{"getsockopt", unix.EOPNOTSUPP, No, No},
		{"getsockopt", unix.EINVAL, Yes, Yes},
		{"socket", unix.EMFILE, Unsure, Yes},
		{"socket", unix.EPERM, Unsure, Yes},
		{"socket", unix.EPROTONOSUPPORT, No, Yes},
		{"socket", unix.EAFNOSUPPORT, No, Yes},
	} {
		unprobed()
		var p Probe
		refusing(t, c.call, c.e, func() {
			if got := p.Option(readOnly); got != c.want {
				t.Errorf("%s %v: %d, want %d", c.call, c.e, got, c.want)
			}
		})
		p = Probe{}
		if got := p.Option(readOnly); got != c.again {
			t.Errorf("after %s %v: %d, want %d", c.call, c.e, got, c.again)
		}
		if n := refusing(t, "getsockopt", 0, func() { p.Option(readOnly) }); n != 0 {
			t.Errorf("after %s %v: asked once more", c.call, c.e)
		}
	}
	unprobed()
}

func TestKindOfSocketThatDoesNotOpenIsTriedOnce(t *testing.T) {
	unprobed()
	var p Probe
	n := refusing(t, "socket", unix.EPROTONOSUPPORT, func() {
		for i := range udpOptions {
			if got := p.Option(&udpOptions[i]); got != No {
				t.Errorf("%s: %d", udpOptions[i].Name, got)
			}
		}
	})
	if n != 2 { // udp4 and udp6
		t.Errorf("%d attempts", n)
	}
	unprobed()
}

func TestFeaturesAreWhatSocketSays(t *testing.T) {
	want := map[string]Errno{}
	for name, args := range map[string][3]int{
		"sctp":  {unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP},
		"ipv6":  {unix.AF_INET6, unix.SOCK_DGRAM, 0},
		"local": {unix.AF_UNIX, unix.SOCK_STREAM, 0},
	} {
		fd, err := unix.Socket(args[0], args[1]|unix.SOCK_CLOEXEC, args[2])
		if err == nil {
			closeAll(fd)
		} else {
			want[name] = errnoOf(err)
		}
	}
	for i := range Features {
		f := &Features[i]
		if f.Name == "netns" {
			continue
		}
		var p Probe
		if got := p.Feature(f); (got == Yes) != (want[f.Name] == 0) {
			t.Errorf("%s: %d, socket(2): %v", f.Name, got, want[f.Name])
		}
		p = Probe{}
		refusing(t, "socket", unix.EAFNOSUPPORT, func() {
			if got := p.Feature(f); got != No {
				t.Errorf("%s without its family: %d", f.Name, got)
			}
		})
	}
}

func TestNetnsNeedsItsCapability(t *testing.T) {
	var p Probe
	want := Unsure
	if may, err := capable(unix.CAP_SYS_ADMIN); err != nil {
		t.Fatal(err)
	} else if may {
		want = Yes
	}
	if got := p.Feature(&Features[len(Features)-1]); got != want {
		t.Errorf("netns: %d, want %d", got, want)
	}
}

// capable tells whether the program has a capability, by the words of capget(2).
func capable(capability uint) (bool, error) {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&head, &data[0])
	return data[capability/32].Effective&(1<<(capability%32)) != 0, err
}

func TestFlagsAreTriedOnAConnection(t *testing.T) {
	unprobed()
	var p Probe
	for _, flag := range SendFlags {
		if got := p.SendFlag(flag); got != Yes {
			t.Errorf("send %s: %d", flag.Name, got)
		}
	}
	for _, flag := range RecvFlags {
		if got := p.RecvFlag(flag); got != Yes {
			t.Errorf("receive %s: %d", flag.Name, got)
		}
	}
	if n := refusing(t, "socket", 0, func() { p.SendFlag(SendFlags[0]) }); n != 0 {
		t.Error("asked once more")
	}
}

func TestNetnsIsAskedForWithoutLeavingIt(t *testing.T) {
	where := make(chan [2]string)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			where <- [2]string{"not allowed", err.Error()}
			return
		}
		before, _ := os.Readlink("/proc/thread-self/ns/net")
		if e := enterOwnNetns(); e != 0 {
			t.Error(e)
		}
		after, _ := os.Readlink("/proc/thread-self/ns/net")
		where <- [2]string{before, after}
	}()
	switch w := <-where; {
	case w[0] == "not allowed":
		t.Skipf("unshare: %s", w[1])
	case w[0] == "" || w[0] != w[1]:
		t.Errorf("went from %q to %q", w[0], w[1])
	}
}
