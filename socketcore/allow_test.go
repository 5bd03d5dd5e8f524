package socketcore

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func allowing(t *testing.T, elements ...string) *Allow {
	t.Helper()
	a := &Allow{}
	for _, e := range elements {
		if err := a.Set(e); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func TestElementsThatAreNotUnderstoodAreErrors(t *testing.T) {
	for _, bad := range []string{
		"", "=", "domain=inet", "domains=", "domains=inet7", "domains=2147483648", "types=-1", "protocols= tcp", "local_ports=", "local_ports=1-",
		"local_ports=-1", "local_ports=65536", "local_ports=9-1", "remote_addresses=", "remote_addresses=10.0.0.0/33", "remote_addresses=10.0.0",
		"remote_addresses=fe80::1%lo", "remote_addresses=::ffff:0.0.0.0/95", "devices=", "devices=0123456789abcdef", "devices=a\x00b", "namespaces=",
		"paths=", "paths=tmp/x", "paths=/tmp/..", "paths=/tmp/../etc/*", "descriptors=all", "options=1", "options=1:", "options=:1", "options=1:2:3",
		"devices=..", "devices=eth0:1", "devices=a/b", "devices=a b", "upper_layers=tsl", "upper_layers=TLS", "upper_layers=1", "upper_layers=",
		"paths=/run/app/", "paths=/", "paths=/run/*/s", "paths=/run/**", "paths=@a*b", "paths=/" + strings.Repeat("x", 108), "paths=@" + strings.Repeat("x", 108),
	} {
		if err := new(Allow).Set(bad); err == nil {
			t.Errorf("%q is understood", bad)
		}
	}
	allowing(t, "devices=eth0.1", "upper_layers=tls", "upper_layers=udp_encap", "paths=/*", "paths=/run/app/*", "paths=@*", "paths=/"+strings.Repeat("x", 107),
		"paths=@"+strings.Repeat("x", 107))
}

func TestRulesAreToldByTheirNames(t *testing.T) {
	a := allowing(t, "paths", "domains=inet", "domains=local", "types=stream")
	if got := a.Rules(); !slices.Equal(got, []string{"domains", "types", "paths"}) {
		t.Errorf("%v", got)
	}
	for r := noRule + 1; r < numRules; r++ {
		if r.String() == "" || strings.Contains(r.String(), "=") {
			t.Errorf("rule %d is %q", r, r)
		}
	}
}

func TestAddressesAreThoseOfTheirNetworks(t *testing.T) {
	a := allowing(t, "remote_addresses=10.1.0.0/16", "remote_addresses=2001:db8::/32", "remote_addresses=::ffff:192.0.2.1", "remote_ports=80", "remote_ports=100-200")
	for _, c := range []struct {
		set  func(sa *Sockaddr)
		rule Rule
	}{
		{func(sa *Sockaddr) { sa.SetInet([4]byte{10, 1, 255, 1}, 80) }, noRule},
		{func(sa *Sockaddr) { sa.SetInet([4]byte{10, 2, 0, 0}, 80) }, ruleRemoteAddresses},
		{func(sa *Sockaddr) { sa.SetInet([4]byte{10, 1, 0, 0}, 99) }, ruleRemotePorts},
		{func(sa *Sockaddr) { sa.SetInet([4]byte{10, 1, 0, 0}, 201) }, ruleRemotePorts},
		{func(sa *Sockaddr) { sa.SetInet([4]byte{192, 0, 2, 1}, 200) }, noRule},
		{func(sa *Sockaddr) { sa.SetInet([4]byte{}, 80) }, ruleRemoteAddresses},
		{func(sa *Sockaddr) { sa.SetInet6([16]byte{0x20, 1, 0xd, 0xb8, 15: 9}, 100, 0, 0) }, noRule},
		{func(sa *Sockaddr) { sa.SetInet6([16]byte{0x20, 1, 0xd, 0xb9}, 100, 0, 0) }, ruleRemoteAddresses},
		{func(sa *Sockaddr) { sa.SetInet6([16]byte{10: 0xff, 11: 0xff, 12: 10, 13: 1, 15: 7}, 80, 0, 0) }, noRule},
		{func(sa *Sockaddr) { sa.SetInet6([16]byte{12: 10, 13: 1, 15: 7}, 80, 0, 0) }, ruleRemoteAddresses},
		{func(sa *Sockaddr) { sa.SetBytes([]byte{unix.AF_INET, 0, 0, 80}) }, ruleRemotePorts},
		{func(sa *Sockaddr) { sa.SetBytes(nil) }, ruleRemotePorts},
	} {
		var sa Sockaddr
		c.set(&sa)
		if got := a.remote(-1, &sa); got != c.rule {
			t.Errorf("%v: %v, not %v", &sa, got, c.rule)
		}
		if got := a.local(-1, &sa); got != noRule {
			t.Errorf("%v as an address of its own: %v", &sa, got)
		}
	}
}

func TestPathsAreThoseOfTheirPatterns(t *testing.T) {
	a := allowing(t, "paths=/run/app/*", "paths=/run/one", "paths=@name", "paths=@group/*")
	for path, want := range map[string]bool{
		"/run/app/": true, "/run/app/s": true, "/run/app/a/b": true, "/run/app": false, "/run/apps": false, "/run/one": true, "/run/one/": false,
		"/run/app/../x": false, "/run/app/..": false, "/run/app/..x": true, "/run/app/a/../s": false, "run/app/s": false, "./run/app/s": false,
		"\x00name": true, "\x00names": false, "\x00/run/one": false, "name": false, "@name": false, "\x00group/../x": true, "": true,
	} {
		if got := a.path([]byte(path)); got != want {
			t.Errorf("%q: %v", path, got)
		}
	}
}

// What is written on each call costs each call: there the check of an allow-list makes nothing that has to be collected.
func TestChecksOfSendsAllocateNothing(t *testing.T) {
	a := allowing(t, "remote_addresses=10.0.0.0/8", "remote_addresses=127.0.0.1", "remote_addresses=::1", "remote_ports=1-100", "local_addresses=127.0.0.1",
		"devices=lo", "paths=/nowhere", "paths=@gosocket-a name that takes more than 32 bytes*", "paths=/somewhere else, which takes as many/*")
	fd, e := sysSocket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if e != 0 {
		t.Skipf("no IPv6: %v", e)
	}
	defer sysClose(fd)
	var inet, inet6, scoped, abstract, file Sockaddr
	inet.SetInet([4]byte{127, 0, 0, 1}, 80)
	inet6.SetInet6([16]byte{15: 1}, 80, 0, 0)
	scoped.SetInet6([16]byte{15: 1}, 80, 0, 1)
	abstract.SetLocal([]byte("\x00gosocket-a name that takes more than 32 bytes, and some"))
	file.SetLocal([]byte("/somewhere else, which takes as many/socket"))
	first := binary.NativeEndian.AppendUint32(nil, 1)
	control := AppendCmsg(nil, unix.SOL_IP, unix.IP_PKTINFO, append(first, 127, 0, 0, 1, 0, 0, 0, 0))
	for _, sa := range []*Sockaddr{&inet, &inet6, &scoped, &abstract, &file} {
		var r Rule
		if n := testing.AllocsPerRun(100, func() { r = max(a.remote(fd, sa), a.control(fd, control)) }); n > 0 || r != noRule {
			t.Errorf("%v: %v allocations, %v", sa, n, r)
		}
	}
}

// A list that is narrowed refuses what either list refuses by itself: what one has to name for the other is not named.
func TestNarrowedListsRefuseWhatEitherDoes(t *testing.T) {
	lists := [][]string{
		{"domains=inet", "domains=packet"},
		{"types=raw", "types=stream"},
		{"local_ports=80"},
		{"protocols=tcp"},
		{"upper_layers=tls"},
		{"options=1:77"},
		{"remote_addresses=10.0.0.0/8"},
		{"remote_addresses=10.1.0.0/16"},
		{"paths=/run/*"},
		{"paths=/run/app/*"},
		{"namespaces=/run/netns/a"},
		{},
	}
	to := &Sockaddr{}
	to.SetInet([4]byte{10, 2, 0, 1}, 80)
	in := &Sockaddr{}
	if e := in.SetLocal([]byte("/run/other")); e != 0 {
		t.Fatal(e)
	}
	checks := []func(a *Allow) Rule{
		func(a *Allow) Rule { return a.socket(unix.AF_PACKET, unix.SOCK_RAW, 0) },
		func(a *Allow) Rule { return a.socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP) },
		func(a *Allow) Rule { return a.socket(unix.AF_INET, unix.SOCK_STREAM, 0) },
		func(a *Allow) Rule { return a.option(-1, unix.SOL_SOCKET, 1<<20, nil, true) },
		func(a *Allow) Rule { return a.option(-1, unix.SOL_TCP, unix.TCP_ULP, []byte("tls\x00"), true) },
		func(a *Allow) Rule { return a.remote(-1, to) },
		func(a *Allow) Rule { return a.local(-1, in) },
		func(a *Allow) Rule { return a.name(ruleNamespaces, "/run/netns/b") },
	}
	refused := 0
	for _, wide := range lists {
		for _, narrow := range lists {
			both := allowing(t, wide...)
			both.Narrow(allowing(t, narrow...))
			for i, check := range checks {
				either := check(allowing(t, wide...)) != noRule || check(allowing(t, narrow...)) != noRule
				if got := both.refusal(check) != noRule; got != either {
					t.Errorf("check %d of %v narrowed by %v: refused %v", i, wide, narrow, got)
				}
				if either {
					refused++
				}
			}
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
	a := allowing(t, "local_ports=1-4", "paths=/run/*", "paths=/tmp/a/*", "domains=inet")
	a.Narrow(allowing(t, "local_ports=3-9", "remote_ports=5", "paths=/run/app/*", "paths=/tmp/*", "domains=inet", "domains=inet6"))
	b := a.Bounds()
	slices.Sort(b.Paths)
	if !slices.Equal(b.LocalPorts, []uint16{3, 4}) || !slices.Equal(b.RemotePorts, []uint16{5}) ||
		!slices.Equal(b.Paths, []string{"/run/app/", "/tmp/a/"}) || b.Namespaces != nil {
		t.Errorf("%+v", b)
	}
	if got := a.OpenDomains(); !slices.Equal(got, []int{unix.AF_UNIX, unix.AF_INET}) && !slices.Equal(got, []int{unix.AF_INET, unix.AF_UNIX}) {
		t.Errorf("%v", got)
	}
	if got := a.Rules(); !slices.Equal(got, []string{"domains", "local_ports", "remote_ports", "paths"}) {
		t.Errorf("%v", got)
	}
}
