package socketcore

import "golang.org/x/sys/unix"

// Numbers of include/uapi/linux/in6.h that x/sys/unix does not have.
const (
	ipv6Flowinfo     = 11
	ipv6FlowlabelMgr = 32
	ipv6FlowinfoSend = 33
)

var (
	mreq6 = &Type{Form: Struct, Size: unix.SizeofIPv6Mreq, Fields: []Field{
		{Name: "multiaddr", Type: inet6Type}, {Name: "interface", Offset: 16, Type: natural},
	}}
	pktinfo6 = &Type{Form: Struct, Size: unix.SizeofInet6Pktinfo, Fields: []Field{
		{Name: "addr", Type: inet6Type}, {Name: "ifindex", Offset: 16, Type: int32Type},
	}}
	mtuinfo = &Type{Form: Struct, Size: unix.SizeofIPv6MTUInfo, Fields: []Field{
		{Name: "addr", Type: &Type{Form: Address, Size: sizeInet6}}, {Name: "mtu", Offset: 28, Type: uint32T},
	}}
	flowlabel = &Type{Form: Struct, Size: 32, Fields: []Field{ // struct in6_flowlabel_req
		{Name: "dst", Type: inet6Type},
		{Name: "label", Offset: 16, Type: &Type{Form: Network, Size: 4}},
		{Name: "action", Offset: 20, Type: &Type{Form: Enum, Size: 1, Names: []Name{{"get", 0}, {"put", 1}, {"renew", 2}}}},
		{Name: "share", Offset: 21, Optional: true, Type: &Type{Form: Enum, Size: 1, Names: []Name{
			{"none", 0}, {"excl", 1}, {"process", 2}, {"user", 3}, {"any", 255},
		}}},
		{Name: "flags", Offset: 22, Optional: true, Type: &Type{Form: Bits, Size: 2, Names: []Name{
			{"create", 1}, {"excl", 2}, {"reflect", 4}, {"remote", 8},
		}}},
		{Name: "expires", Offset: 24, Type: uint16T, Optional: true},
		{Name: "linger", Offset: 26, Type: uint16T, Optional: true},
	}}
	addrPreferences = &Type{Form: Bits, Size: 4, Names: []Name{
		{"tmp", 1}, {"public", 2}, {"pubtmp_default", 0x100}, {"coa", 4}, {"home", 0x400}, {"cga", 8}, {"noncga", 0x800},
	}}
	onlyInet = &Type{Form: Named, Size: 4, Names: []Name{{"inet", unix.AF_INET}}}
)

var ipv6Options = []Option{
	{Name: "addrform", Number: unix.IPV6_ADDRFORM, Type: onlyInet, Flags: NoGet, On: TCPMapped, Note: "wants a socket connected to an IPv4 address, and makes it one of domain inet"},
	{Name: "addrform", Number: unix.IPV6_ADDRFORM, Type: domains, Flags: NoSet, On: TCPMapped},
	{Name: "add_membership", Number: unix.IPV6_ADD_MEMBERSHIP, Type: mreq6, Flags: NoGet, On: UDP6},
	{Name: "authhdr", Number: unix.IPV6_AUTHHDR, Type: boolean, Flags: Refused, On: UDP6, Note: "Linux reserves the number, and answers enoprotoopt"},
	{Name: "auth_level", Number: noNumber, Flags: absent, Note: "IPV6_AUTH_LEVEL of KAME"},
	{Name: "checksum", Number: unix.IPV6_CHECKSUM, Type: int32Type, On: RawIP6, Note: "where the checksum is, -1 for none; wants a raw socket, and not ICMPv6"},
	{Name: "drop_membership", Number: unix.IPV6_DROP_MEMBERSHIP, Type: mreq6, Flags: NoGet, On: UDP6},
	{Name: "dstopts", Number: unix.IPV6_DSTOPTS, Type: bytesType, On: UDP6, Note: "the header as on the wire, its first byte 0; an empty binary removes it"},
	{Name: "esp_trans_level", Number: noNumber, Flags: absent, Note: "IPV6_ESP_TRANS_LEVEL of KAME"},
	{Name: "esp_network_level", Number: noNumber, Flags: absent, Note: "IPV6_ESP_NETWORK_LEVEL of KAME"},
	{Name: "faith", Number: noNumber, Flags: absent | Unknown, Note: "IPV6_FAITH of BSD"},
	{Name: "flowinfo", Number: ipv6Flowinfo, Type: boolean, On: UDP6, Note: "traffic class and flow label come as a control message"},
	{Name: "hopopts", Number: unix.IPV6_HOPOPTS, Type: bytesType, On: UDP6, Note: "as dstopts"},
	{Name: "ipcomp_level", Number: noNumber, Flags: absent, Note: "IPV6_IPCOMP_LEVEL of KAME"},
	{Name: "join_group", Number: unix.IPV6_JOIN_GROUP, Type: mreq6, Flags: NoGet, On: UDP6, Note: "add_membership by another name"},
	{Name: "leave_group", Number: unix.IPV6_LEAVE_GROUP, Type: mreq6, Flags: NoGet, On: UDP6, Note: "drop_membership by another name"},
	{Name: "mtu", Number: unix.IPV6_MTU, Type: int32Type, On: UDP6Pair, Note: "set: no fragment is longer; get: that of the path, of a connected socket"},
	{Name: "mtu_discover", Number: unix.IPV6_MTU_DISCOVER, Type: pathMTU, On: UDP6},
	{Name: "multicast_hops", Number: unix.IPV6_MULTICAST_HOPS, Type: hops, On: UDP6, Note: "default is -1"},
	{Name: "multicast_if", Number: unix.IPV6_MULTICAST_IF, Type: int32Type, On: UDP6},
	{Name: "multicast_loop", Number: unix.IPV6_MULTICAST_LOOP, Type: boolean, On: UDP6},
	{Name: "portrange", Number: noNumber, Flags: absent, Note: "IPV6_PORTRANGE of BSD"},
	{Name: "pktoptions", Number: unix.IPV6_2292PKTOPTIONS, Type: cmsgChain, On: TCP6, Note: "get: of the connection request, on an accepted socket; set: headers to send"},
	{Name: "recverr", Number: unix.IPV6_RECVERR, Type: boolean, On: UDP6},
	{Name: "recvhoplimit", Number: unix.IPV6_RECVHOPLIMIT, Type: boolean, On: UDP6},
	{Name: "hoplimit", Number: unix.IPV6_HOPLIMIT, Type: boolean, Flags: Refused, On: UDP6, Note: "a control message on Linux: as an option it answers enoprotoopt"},
	{Name: "recvpktinfo", Number: unix.IPV6_RECVPKTINFO, Type: boolean, On: UDP6},
	{Name: "pktinfo", Number: unix.IPV6_RECVPKTINFO, Type: boolean, On: UDP6, Note: "a boolean is recvpktinfo; the map sets the interface to send by"},
	{Name: "pktinfo", Number: unix.IPV6_PKTINFO, Type: pktinfo6, Flags: NoGet, On: UDP6},
	{Name: "recvtclass", Number: unix.IPV6_RECVTCLASS, Type: boolean, On: UDP6},
	{Name: "router_alert", Number: unix.IPV6_ROUTER_ALERT, Type: int32Type, On: RawHeader6, Note: "wants a raw socket of protocol 255; -1 is off"},
	{Name: "rthdr", Number: unix.IPV6_RTHDR, Type: bytesType, On: UDP6, Note: "as dstopts; type 4 (RFC 8754)"},
	{Name: "tclass", Number: unix.IPV6_TCLASS, Type: int32Type, On: UDP6, Note: "-1 is the default; TCP keeps the two low bits for itself"},
	{Name: "unicast_hops", Number: unix.IPV6_UNICAST_HOPS, Type: hops, On: UDP6, Note: "default is -1"},
	{Name: "use_min_mtu", Number: noNumber, Flags: absent, Note: "Linux reserves the number only"},
	{Name: "v6only", Number: unix.IPV6_V6ONLY, Type: boolean, On: TCP6, Note: "before bind"},

	{Name: "recvhopopts", Number: unix.IPV6_RECVHOPOPTS, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "recvrthdr", Number: unix.IPV6_RECVRTHDR, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "recvdstopts", Number: unix.IPV6_RECVDSTOPTS, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "rthdrdstopts", Number: unix.IPV6_RTHDRDSTOPTS, Type: bytesType, Flags: Extra, On: UDP6, Note: "as dstopts; goes out with a routing header only"},
	{Name: "recvpathmtu", Number: unix.IPV6_RECVPATHMTU, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "pathmtu", Number: unix.IPV6_PATHMTU, Type: mtuinfo, Flags: Extra | NoSet, On: UDP6Pair, Note: "wants a connected socket"},
	{Name: "dontfrag", Number: unix.IPV6_DONTFRAG, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "autoflowlabel", Number: unix.IPV6_AUTOFLOWLABEL, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "addr_preferences", Number: unix.IPV6_ADDR_PREFERENCES, Type: addrPreferences, Flags: Extra, On: UDP6},
	{Name: "minhopcount", Number: unix.IPV6_MINHOPCOUNT, Type: octet, Flags: Extra, On: UDP6},
	{Name: "recvorigdstaddr", Number: unix.IPV6_RECVORIGDSTADDR, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "transparent", Number: unix.IPV6_TRANSPARENT, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "unicast_if", Number: unix.IPV6_UNICAST_IF, Type: ifindexT, Flags: Extra, On: UDP6},
	{Name: "recvfragsize", Number: unix.IPV6_RECVFRAGSIZE, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "freebind", Number: unix.IPV6_FREEBIND, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "multicast_all", Number: unix.IPV6_MULTICAST_ALL, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "join_anycast", Number: unix.IPV6_JOIN_ANYCAST, Type: mreq6, Flags: Extra | NoGet, On: UDP6},
	{Name: "leave_anycast", Number: unix.IPV6_LEAVE_ANYCAST, Type: mreq6, Flags: Extra | NoGet, On: UDP6},
	{Name: "recverr_rfc4884", Number: unix.IPV6_RECVERR_RFC4884, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "flowlabel_mgr", Number: ipv6FlowlabelMgr, Type: flowlabel, Flags: Extra, On: UDP6},
	{Name: "flowinfo_send", Number: ipv6FlowinfoSend, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "hdrincl", Number: unix.IPV6_HDRINCL, Type: boolean, Flags: Extra, On: RawIP6},
	{Name: "router_alert_isolate", Number: unix.IPV6_ROUTER_ALERT_ISOLATE, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "pktinfo_2292", Number: unix.IPV6_2292PKTINFO, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "hopopts_2292", Number: unix.IPV6_2292HOPOPTS, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "dstopts_2292", Number: unix.IPV6_2292DSTOPTS, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "rthdr_2292", Number: unix.IPV6_2292RTHDR, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "hoplimit_2292", Number: unix.IPV6_2292HOPLIMIT, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "mcast_join_group", Number: unix.MCAST_JOIN_GROUP, Type: groupRequest, Flags: Extra | NoGet, On: UDP6},
}
