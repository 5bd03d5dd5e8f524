package socketcore

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// bound binds a new socket to sa and returns what getsockname(2) says then.
func bound(t *testing.T, typ int, sa *Sockaddr) (name Sockaddr) {
	t.Helper()
	fd, e := sysSocket(sa.Family(), typ|unix.SOCK_CLOEXEC, 0)
	if e != 0 {
		t.Fatalf("socket: %v", e)
	}
	t.Cleanup(func() { sysClose(fd) })
	if e = sysBind(fd, sa); e != 0 {
		t.Fatalf("bind %x: %v", sa.Bytes(), e)
	}
	if e = sysName(unix.SYS_GETSOCKNAME, fd, &name); e != 0 {
		t.Fatalf("getsockname: %v", e)
	}
	return name
}

func TestKernelReadsInetAddress(t *testing.T) {
	var sa Sockaddr
	sa.SetInet([4]byte{127, 0, 0, 2}, 0)
	name := bound(t, unix.SOCK_DGRAM, &sa)
	addr, port, ok := name.Inet()
	if !ok || addr != [4]byte{127, 0, 0, 2} || port == 0 {
		t.Errorf("got %v %d %v", addr, port, ok)
	}
}

func TestKernelReadsInet6Address(t *testing.T) {
	loopback := [16]byte{15: 1}
	var sa Sockaddr
	sa.SetInet6(loopback, 0, 0, 0)
	name := bound(t, unix.SOCK_DGRAM, &sa)
	addr, port, _, scope, ok := name.Inet6()
	if !ok || addr != loopback || port == 0 || scope != 0 {
		t.Errorf("got %v %d %d %v", addr, port, scope, ok)
	}
}

func TestInet6KeepsFlowinfoAndScope(t *testing.T) {
	var sa Sockaddr
	sa.SetInet6([16]byte{0: 0xfe, 1: 0x80}, 7, 0x12345, 3)
	if _, port, flowinfo, scope, _ := sa.Inet6(); port != 7 || flowinfo != 0x12345 || scope != 3 {
		t.Errorf("got %d %#x %d", port, flowinfo, scope)
	}
}

func TestKernelReadsLocalAddresses(t *testing.T) {
	file := t.TempDir() + "/s"
	for _, path := range []string{file, "\x00gosocket-sockaddr", "\x00a\x00b"} {
		var sa Sockaddr
		if e := sa.SetLocal([]byte(path)); e != 0 {
			t.Fatalf("%q: %v", path, e)
		}
		name := bound(t, unix.SOCK_STREAM, &sa)
		if got, ok := name.Local(); !ok || string(got) != path {
			t.Errorf("%q came back as %q", path, got)
		}
	}
}

func TestUnnamedLocalAddressIsEmpty(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sysClose(fds[0])
	defer sysClose(fds[1])
	var name Sockaddr
	if e := sysName(unix.SYS_GETPEERNAME, fds[0], &name); e != 0 {
		t.Fatal(e)
	}
	if path, ok := name.Local(); !ok || len(path) != 0 {
		t.Errorf("got %q, %v", path, ok)
	}
}

func TestLocalPathLengthLimits(t *testing.T) {
	for _, c := range []struct {
		path string
		want Errno
	}{
		{strings.Repeat("a", PathMax-1), 0},
		{strings.Repeat("a", PathMax), unix.EINVAL},
		{"\x00" + strings.Repeat("a", PathMax-1), 0},
		{"\x00" + strings.Repeat("a", PathMax), unix.EINVAL},
	} {
		var sa Sockaddr
		if e := sa.SetLocal([]byte(c.path)); e != c.want {
			t.Errorf("%d bytes: %v, want %v", len(c.path), e, c.want)
		}
	}
}

func TestKernelReadsPacketAddress(t *testing.T) {
	fd, e := sysSocket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if e == unix.EPERM {
		t.Skip("packet sockets need CAP_NET_RAW")
	}
	sysClose(fd)
	var sa Sockaddr
	if e := sa.SetPacket(Packet{Protocol: 0x88b5, Ifindex: 1}); e != 0 {
		t.Fatal(e)
	}
	name := bound(t, unix.SOCK_DGRAM, &sa)
	p, ok := name.Packet()
	if !ok || p.Protocol != 0x88b5 || p.Ifindex != 1 || len(p.Addr) != 6 {
		t.Errorf("got %+v, %v", p, ok)
	}
}

func TestPacketAddressKeepsAllFields(t *testing.T) {
	want := Packet{Protocol: 0x0806, Ifindex: -1, Hatype: 772, Pkttype: 4, Addr: []byte{1, 2, 3, 4, 5, 6, 7, 8}}
	var sa Sockaddr
	if e := sa.SetPacket(want); e != 0 {
		t.Fatal(e)
	}
	got, ok := sa.Packet()
	if !ok || !bytes.Equal(got.Addr, want.Addr) || got.Protocol != want.Protocol || got.Ifindex != -1 || got.Hatype != 772 || got.Pkttype != 4 {
		t.Errorf("got %+v", got)
	}
	if e := sa.SetPacket(Packet{Addr: make([]byte, 9)}); e != unix.EINVAL {
		t.Errorf("nine bytes of hardware address: %v", e)
	}
}

func TestShortAddressesAreNotDecoded(t *testing.T) {
	var sa Sockaddr
	sa.SetInet([4]byte{1, 2, 3, 4}, 5)
	whole := bytes.Clone(sa.Bytes())
	for n := range 8 {
		sa.SetBytes(whole[:n])
		if _, _, ok := sa.Inet(); ok {
			t.Errorf("%d bytes read as an address", n)
		}
	}
	sa.Clear()
	if sa.Family() != FamilyUnspec {
		t.Error("a cleared address has a family")
	}
}

func TestErrnoNamesFollowErlang(t *testing.T) {
	for e, want := range map[Errno]string{
		1: "eperm", 11: "eagain", 35: "edeadlk", 95: "enotsup", 111: "econnrefused", 85: "erestart", 125: "ecanceled",
		133: "ehwpoison", 41: "unknown", 58: "unknown", 0: "unknown", 134: "unknown", 4095: "unknown",
	} {
		if got := ErrnoName(e); got != want {
			t.Errorf("%d is %s, want %s", int(e), got, want)
		}
	}
}

func TestEveryErrnoNameLeadsBack(t *testing.T) {
	named := 0
	for e := Errno(1); int(e) <= errnoLimit; e++ {
		name := ErrnoName(e)
		if name == "unknown" {
			continue
		}
		named++
		if back, ok := ErrnoNamed([]byte(name)); !ok || back != e {
			t.Errorf("%d is %s, which is %d", int(e), name, int(back))
		}
	}
	if named != 131 {
		t.Errorf("%d errnos have names, want all but 41 and 58", named)
	}
	if e, ok := ErrnoNamed([]byte("eopnotsupp")); !ok || e != unix.ENOTSUP {
		t.Errorf("eopnotsupp is %d", int(e))
	}
}

func TestPacketSocketsHaveTheEtherTypeOfTheirOpen(t *testing.T) {
	for _, want := range []int{0x0806, 0x88b5, 3} {
		fd, e := openSocket(unix.AF_PACKET, unix.SOCK_DGRAM, want)
		if e != 0 {
			t.Skipf("packet sockets need CAP_NET_RAW: %v", e)
		}
		if got := protocolOf(fd, unix.AF_PACKET, 0); got != want {
			t.Errorf("opened with %#x, has %#x", want, got)
		}
		sysClose(fd)
	}
}
