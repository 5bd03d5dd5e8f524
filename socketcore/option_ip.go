package socketcore

import "golang.org/x/sys/unix"

var (
	mreq = &Type{Form: Struct, Size: unix.SizeofIPMreq, Fields: []Field{
		{Name: "multiaddr", Type: inetType}, {Name: "interface", Offset: 4, Type: inetOrAny},
	}}
	mreqSource = &Type{Form: Struct, Size: 12, Fields: []Field{ // struct ip_mreq_source
		{Name: "multiaddr", Type: inetType}, {Name: "interface", Offset: 4, Type: inetType}, {Name: "sourceaddr", Offset: 8, Type: inetType},
	}}
	sourceFilter = &Type{Form: Struct, Size: 16, Fields: []Field{ // struct ip_msfilter
		{Name: "multiaddr", Type: inetType},
		{Name: "interface", Offset: 4, Type: inetType},
		{Name: "mode", Offset: 8, Type: &Type{Form: Named, Size: 4, Names: []Name{{"exclude", unix.MCAST_EXCLUDE}, {"include", unix.MCAST_INCLUDE}}}},
		{Name: "slist", Offset: 16, Type: &Type{Form: List, Elem: inetType, Count: Count{12, 4}}},
	}}
	noFilter  = &Type{Form: Named, Names: []Name{{"null", 0}}} // no bytes at all
	portRange = &Type{Form: Struct, Size: 4, Fields: []Field{  // 0 and 0: the system's own range
		{Name: "low", Type: &Type{Form: Uint, Size: 4, Bits: 16}}, {Name: "high", Type: &Type{Form: Uint, Size: 4, Shift: 16, Bits: 16}},
	}}
	multicastIf = &Type{Form: Inet, Size: 4, Names: []Name{{"any", 0}, {"loopback", 0x7f000001}}}
)

var ipOptions = []Option{
	{Name: "add_membership", Number: unix.IP_ADD_MEMBERSHIP, Type: mreq, Flags: NoGet, On: UDP},
	{Name: "add_source_membership", Number: unix.IP_ADD_SOURCE_MEMBERSHIP, Type: mreqSource, Flags: NoGet, On: UDP},
	{Name: "block_source", Number: unix.IP_BLOCK_SOURCE, Type: mreqSource, Flags: NoGet, On: UDP},
	{Name: "dontfrag", Number: noNumber, Type: boolean, Flags: absent, Note: "IP_DONTFRAG of FreeBSD; here mtu_discover do"},
	{Name: "drop_membership", Number: unix.IP_DROP_MEMBERSHIP, Type: mreq, Flags: NoGet, On: UDP},
	{Name: "drop_source_membership", Number: unix.IP_DROP_SOURCE_MEMBERSHIP, Type: mreqSource, Flags: NoGet, On: UDP},
	{Name: "freebind", Number: unix.IP_FREEBIND, Type: boolean, On: UDP},
	{Name: "hdrincl", Number: unix.IP_HDRINCL, Type: boolean, On: ICMP, Note: "wants a raw socket"},
	{Name: "minttl", Number: unix.IP_MINTTL, Type: int32Type, On: UDP},
	{Name: "msfilter", Number: unix.IP_MSFILTER, Type: sourceFilter, On: UDP, Note: "a get asks for one group: {msfilter, #{multiaddr => Group, interface => Address}}; wants a membership"},
	{Name: "msfilter", Number: unix.IP_MSFILTER, Type: noFilter, Flags: NoGet, On: UDP},
	{Name: "mtu", Number: unix.IP_MTU, Type: int32Type, Flags: NoSet, On: UDPPair, Note: "wants a connected socket"},
	{Name: "mtu_discover", Number: unix.IP_MTU_DISCOVER, Type: pathMTU, On: UDP, Note: "4 and 5 are interface and omit of Linux"},
	{Name: "multicast_all", Number: unix.IP_MULTICAST_ALL, Type: boolean, On: UDP},
	{Name: "multicast_if", Number: unix.IP_MULTICAST_IF, Type: multicastIf, On: UDP},
	{Name: "multicast_loop", Number: unix.IP_MULTICAST_LOOP, Type: boolean, On: UDP},
	{Name: "multicast_ttl", Number: unix.IP_MULTICAST_TTL, Type: octet, On: UDP, Note: "reads as set; the default is 1"},
	{Name: "nodefrag", Number: unix.IP_NODEFRAG, Type: boolean, On: ICMP, Note: "wants a raw socket"},
	{Name: "options", Number: unix.IP_OPTIONS, Type: bytesType, On: UDP, Note: "as on the wire; an empty binary removes them"},
	{Name: "pktinfo", Number: unix.IP_PKTINFO, Type: boolean, On: UDP},
	{Name: "recverr", Number: unix.IP_RECVERR, Type: boolean, On: UDP},
	{Name: "recvif", Number: noNumber, Type: boolean, Flags: absent, Note: "IP_RECVIF of BSD; here pktinfo"},
	{Name: "recvdstaddr", Number: noNumber, Type: boolean, Flags: absent, Note: "IP_RECVDSTADDR of BSD; here pktinfo"},
	{Name: "recvopts", Number: unix.IP_RECVOPTS, Type: boolean, On: UDP},
	{Name: "recvorigdstaddr", Number: unix.IP_RECVORIGDSTADDR, Type: boolean, On: UDP},
	{Name: "recvtos", Number: unix.IP_RECVTOS, Type: boolean, On: UDP},
	{Name: "recvttl", Number: unix.IP_RECVTTL, Type: boolean, On: UDP},
	{Name: "retopts", Number: unix.IP_RETOPTS, Type: boolean, On: UDP},
	{Name: "router_alert", Number: unix.IP_ROUTER_ALERT, Type: int32Type, On: ICMP, Note: "wants a raw socket"},
	{Name: "sndsrcaddr", Number: noNumber, Flags: absent | Unknown, Note: "IP_SENDSRCADDR of BSD; here the control message pktinfo"},
	{Name: "tos", Number: unix.IP_TOS, Type: tos, On: UDP, Note: "TCP keeps the two low bits for itself"},
	{Name: "transparent", Number: unix.IP_TRANSPARENT, Type: boolean, On: UDP},
	{Name: "ttl", Number: unix.IP_TTL, Type: int32Type, On: UDP, Note: "-1 is the default"},
	{Name: "unblock_source", Number: unix.IP_UNBLOCK_SOURCE, Type: mreqSource, Flags: NoGet, On: UDP},

	{Name: "sendsrcaddr", Number: noNumber, Type: boolean, Flags: absent | Extra, Note: "what OTP 23 calls sndsrcaddr"},
	{Name: "bind_address_no_port", Number: unix.IP_BIND_ADDRESS_NO_PORT, Type: boolean, Flags: Extra, On: TCP},
	{Name: "checksum", Number: unix.IP_CHECKSUM, Type: boolean, Flags: Extra, On: UDP, Note: "the control message comes from devices that compute it"},
	{Name: "pktoptions", Number: unix.IP_PKTOPTIONS, Type: cmsgChain, Flags: Extra | NoSet, On: TCP},
	{Name: "recvfragsize", Number: unix.IP_RECVFRAGSIZE, Type: boolean, Flags: Extra, On: UDP},
	{Name: "recverr_rfc4884", Number: unix.IP_RECVERR_RFC4884, Type: boolean, Flags: Extra, On: UDP},
	{Name: "passsec", Number: unix.IP_PASSSEC, Type: boolean, Flags: Extra, On: UDP, Note: "wants a security module that labels packets"},
	{Name: "unicast_if", Number: unix.IP_UNICAST_IF, Type: ifindexT, Flags: Extra, On: UDP},
	{Name: "local_port_range", Number: unix.IP_LOCAL_PORT_RANGE, Type: portRange, Flags: Extra, On: TCP},
	{Name: "protocol", Number: unix.IP_PROTOCOL, Type: int32Type, Flags: Extra | NoSet, On: ICMP},
	{Name: "mcast_join_group", Number: unix.MCAST_JOIN_GROUP, Type: groupRequest, Flags: Extra | NoGet, On: UDP},
	{Name: "mcast_leave_group", Number: unix.MCAST_LEAVE_GROUP, Type: groupRequest, Flags: Extra | NoGet, On: UDP},
}
