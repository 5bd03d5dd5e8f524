package socketcore

import "golang.org/x/sys/unix"

// Domains, Types and Protocols are the names of the first three arguments of socket(2).
// Packet sockets are an extension of ours, vsock and netlink can come by descriptor only.
var (
	Domains = []Name{
		{"inet", unix.AF_INET},
		{"inet6", unix.AF_INET6},
		{"local", unix.AF_UNIX},
		{"packet", unix.AF_PACKET},
	}
	Types = []Name{
		{"stream", unix.SOCK_STREAM},
		{"dgram", unix.SOCK_DGRAM},
		{"raw", unix.SOCK_RAW},
		{"seqpacket", unix.SOCK_SEQPACKET},
	}
	Protocols = []Name{
		{"ip", unix.IPPROTO_IP},
		{"tcp", unix.IPPROTO_TCP},
		{"udp", unix.IPPROTO_UDP},
		{"sctp", unix.IPPROTO_SCTP},
		{"icmp", unix.IPPROTO_ICMP},
		{"igmp", unix.IPPROTO_IGMP},
		{"raw", unix.IPPROTO_RAW},
	}
)

// NameOf finds the name of a number in a table.
func NameOf(table []Name, value int) (string, bool) {
	for i := range table {
		if table[i].Value == int64(value) {
			return table[i].Name, true
		}
	}
	return "", false
}

// ValueOf finds the number of a name in a table.
func ValueOf(table []Name, name []byte) (int, bool) {
	for i := range table {
		if table[i].Name == string(name) {
			return int(table[i].Value), true
		}
	}
	return 0, false
}

// IsPacket tells whether a domain is that of packet(7), whose protocol is an EtherType.
func IsPacket(domain int) bool { return domain == unix.AF_PACKET }
