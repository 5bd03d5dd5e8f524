package dispatch

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"gosocket/socketcore"
)

// carrying has a descriptor come with this option set: one of those that somebody else sets, who has no allow-list.
func carrying(domain, typ, proto, level, number int, value []byte) func(*testing.T, *client) []byte {
	return func(t *testing.T, c *client) []byte {
		fd, err := unix.Socket(domain, typ|unix.SOCK_CLOEXEC, proto)
		must(t, err)
		defer unix.Close(fd)
		if level == unix.SOL_TCP {
			connectHere(t, fd)
		}
		if err := unix.SetsockoptString(fd, level, number, string(value)); err != nil {
			t.Skipf("the option cannot be set here: %v", err)
		}
		return passed(t, c, fd)
	}
}

// connectHere connects with a listener that is gone.
func connectHere(t *testing.T, fd int) {
	t.Helper()
	l, there := listener(t, unix.AF_INET)
	must(t, unix.Connect(fd, there))
	nextOf(t, l)
	hangUp(l)
}

var carriedBorders = []border{
	{
		guards: []string{"SO_BINDTODEVICE"}, refuse: nowhere, rule: "devices", allow: []string{"devices=lo"},
		calls: carrying(unix.AF_INET, unix.SOCK_DGRAM, 0, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, []byte("lo")),
	},
	{
		guards: []string{"IP_OPTIONS"}, refuse: []string{"remote_addresses=127.0.0.1"}, rule: "remote_addresses", allow: []string{"remote_ports=1"},
		calls: carrying(unix.AF_INET, unix.SOCK_DGRAM, 0, unix.SOL_IP, unix.IP_OPTIONS, []byte{1, 1, 1, 0}),
	},
	{
		guards: []string{"IP_HDRINCL"}, refuse: []string{"protocols=icmp"}, rule: "protocols", allow: []string{"protocols=icmp", "protocols=raw"},
		calls: carrying(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP, unix.SOL_IP, unix.IP_HDRINCL, wordLE(1)),
	},
	{
		guards: []string{"IP_MULTICAST_IF"}, refuse: []string{"devices=lo"}, rule: "devices", allow: []string{"domains=inet", "domains=local"},
		calls: carrying(unix.AF_INET, unix.SOCK_DGRAM, 0, unix.SOL_IP, unix.IP_MULTICAST_IF, home4),
	},
	{
		guards: []string{"IP_UNICAST_IF"}, refuse: nowhere, rule: "devices", allow: []string{"devices=lo"},
		calls: carrying(unix.AF_INET, unix.SOCK_DGRAM, 0, unix.SOL_IP, unix.IP_UNICAST_IF, wordBE(1)),
	},
	{
		guards: []string{"IP_LOCAL_PORT_RANGE"}, refuse: []string{"local_ports=40000-40010"}, rule: "local_ports", allow: []string{"local_ports=40000-40011"},
		calls: carrying(unix.AF_INET, unix.SOCK_STREAM, 0, unix.SOL_IP, unix.IP_LOCAL_PORT_RANGE, wordLE(40000|40011<<16)),
	},
	{
		guards: []string{"IPV6_RTHDR"}, refuse: []string{"remote_addresses=::1"}, rule: "remote_addresses", allow: []string{"remote_ports=1"},
		calls: carrying(unix.AF_INET6, unix.SOCK_DGRAM, 0, unix.SOL_IPV6, unix.IPV6_RTHDR, padded(24, []byte{0, 2, 2, 1, 0, 0, 0, 0}, home6)),
	},
	{
		guards: []string{"IPV6_HDRINCL"}, refuse: []string{"types=raw", "types=stream", "remote_addresses=::1"}, rule: "remote_addresses",
		allow: []string{"types=raw", "types=stream"},
		calls: carrying(unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6, unix.SOL_IPV6, unix.IPV6_HDRINCL, wordLE(1)),
	},
	{
		guards: []string{"IPV6_MULTICAST_IF"}, refuse: nowhere, rule: "devices", allow: []string{"devices=lo"},
		calls: carrying(unix.AF_INET6, unix.SOCK_DGRAM, 0, unix.SOL_IPV6, unix.IPV6_MULTICAST_IF, wordLE(1)),
	},
	{
		guards: []string{"IPV6_UNICAST_IF"}, refuse: nowhere, rule: "devices", allow: []string{"devices=lo"},
		calls: carrying(unix.AF_INET6, unix.SOCK_DGRAM, 0, unix.SOL_IPV6, unix.IPV6_UNICAST_IF, wordBE(1)),
	},
	{
		guards: []string{"TCP_ULP"}, refuse: []string{"protocols=tcp"}, rule: "protocols", allow: []string{"protocols=tcp", "upper_layers=tls"},
		calls: carrying(unix.AF_INET, unix.SOCK_STREAM, 0, unix.SOL_TCP, unix.TCP_ULP, []byte("tls")),
	},
	{
		guards: []string{"UDP_ENCAP"}, refuse: []string{"upper_layers=tls"}, rule: "upper_layers", allow: []string{"upper_layers=udp_encap"},
		calls: carrying(unix.AF_INET, unix.SOCK_DGRAM, 0, unix.SOL_UDP, unix.UDP_ENCAP, wordLE(2)),
	},
	{
		guards: []string{"SCTP_REMOTE_UDP_ENCAPS_PORT"}, refuse: []string{"remote_ports=4711"}, rule: "remote_ports", allow: []string{"remote_ports=9899"},
		calls: carrying(unix.AF_INET, unix.SOCK_SEQPACKET, unix.IPPROTO_SCTP, socketcore.SolSCTP, 132, encapsulatedAt(9899)),
	},
}

// What an allow-list forbids to set it forbids to come with, wherever the kernel tells of it: each row of socketcore's table that says so.
func TestWhatADescriptorCarriesIsRefused(t *testing.T) {
	var tested []string
	for _, b := range carriedBorders {
		tested = append(tested, b.guards...)
		t.Run(b.guards[0], func(t *testing.T) {
			if b.guards[0] == "IP_HDRINCL" || b.guards[0] == "IPV6_HDRINCL" {
				world(t)
			}
			if b.guards[0] == "SCTP_REMOTE_UDP_ENCAPS_PORT" {
				open(t, socketcore.SCTP)
			}
			b.check(t)
		})
	}
	if carried := socketcore.Carried(); !slices.Equal(slices.Sorted(slices.Values(tested)), slices.Sorted(slices.Values(carried))) {
		t.Errorf("tested: %v, carried: %v", tested, carried)
	}
}
