package socketcore

import "golang.org/x/sys/unix"

var encapsulation = &Type{Form: Enum, Size: 4, Names: []Name{
	{"none", 0}, {"espinudp", unix.UDP_ENCAP_ESPINUDP}, {"l2tpinudp", unix.UDP_ENCAP_L2TPINUDP},
}}

var udpOptions = []Option{
	{Name: "cork", Number: unix.UDP_CORK, Type: boolean, On: UDP},

	{Name: "gro", Number: unix.UDP_GRO, Type: boolean, Flags: Extra, On: UDP},
	{Name: "segment", Number: unix.UDP_SEGMENT, Type: int32Type, Flags: Extra, On: UDP},
	{Name: "encap", Number: unix.UDP_ENCAP, Type: encapsulation, Flags: Extra, On: UDP},
	{Name: "no_check6_tx", Number: unix.UDP_NO_CHECK6_TX, Type: boolean, Flags: Extra, On: UDP6},
	{Name: "no_check6_rx", Number: unix.UDP_NO_CHECK6_RX, Type: boolean, Flags: Extra, On: UDP6},
}

var (
	packetMreq = &Type{Form: Struct, Size: unix.SizeofPacketMreq, Fields: []Field{
		{Name: "ifindex", Type: int32Type},
		{Name: "type", Offset: 4, Type: &Type{Form: Enum, Size: 2, Names: []Name{
			{"multicast", unix.PACKET_MR_MULTICAST},
			{"promisc", unix.PACKET_MR_PROMISC},
			{"allmulti", unix.PACKET_MR_ALLMULTI},
			{"unicast", unix.PACKET_MR_UNICAST},
		}}},
		{Name: "addr", Offset: 8, Type: &Type{Form: Binary, Size: 8, Count: Count{6, 2}}, Optional: true},
	}}
	packetStatistics = &Type{Form: Struct, Size: 8, Fields: []Field{
		{Name: "packets", Type: uint32T}, {Name: "drops", Offset: 4, Type: uint32T},
	}}
	packetFanout = &Type{Form: Struct, Size: 4, Fields: []Field{ // type and flags of packet(7) in one number
		{Name: "id", Type: &Type{Form: Uint, Size: 4, Bits: 16}}, {Name: "type", Type: &Type{Form: Uint, Size: 4, Shift: 16, Bits: 16}},
	}}
)

// packetOptions are the options of packet(7); neither the man page of the API nor its
// reference has packet sockets.
var packetOptions = []Option{
	{Name: "add_membership", Number: unix.PACKET_ADD_MEMBERSHIP, Type: packetMreq, Flags: Extra | NoGet, On: PacketSocket},
	{Name: "drop_membership", Number: unix.PACKET_DROP_MEMBERSHIP, Type: packetMreq, Flags: Extra | NoGet, On: PacketSocket},
	{Name: "statistics", Number: unix.PACKET_STATISTICS, Type: packetStatistics, Flags: Extra | NoSet, On: PacketSocket, Note: "reading resets it"},
	{Name: "auxdata", Number: unix.PACKET_AUXDATA, Type: boolean, Flags: Extra, On: PacketSocket},
	{Name: "origdev", Number: unix.PACKET_ORIGDEV, Type: boolean, Flags: Extra, On: PacketSocket},
	{Name: "version", Number: unix.PACKET_VERSION, Type: int32Type, Flags: Extra, On: PacketSocket},
	{Name: "hdrlen", Number: unix.PACKET_HDRLEN, Type: int32Type, Flags: Extra | NoSet, On: PacketSocket},
	{Name: "reserve", Number: unix.PACKET_RESERVE, Type: uint32T, Flags: Extra, On: PacketSocket},
	{Name: "loss", Number: unix.PACKET_LOSS, Type: boolean, Flags: Extra, On: PacketSocket},
	{Name: "vnet_hdr", Number: unix.PACKET_VNET_HDR, Type: boolean, Flags: Extra, On: PacketSocket},
	{Name: "timestamp", Number: unix.PACKET_TIMESTAMP, Type: int32Type, Flags: Extra, On: PacketSocket},
	{Name: "fanout", Number: unix.PACKET_FANOUT, Type: packetFanout, Flags: Extra, On: PacketSocket, Note: "wants a bound socket"},
	{Name: "tx_has_off", Number: unix.PACKET_TX_HAS_OFF, Type: boolean, Flags: Extra, On: PacketSocket},
	{Name: "qdisc_bypass", Number: unix.PACKET_QDISC_BYPASS, Type: boolean, Flags: Extra, On: PacketSocket},
	{Name: "ignore_outgoing", Number: unix.PACKET_IGNORE_OUTGOING, Type: boolean, Flags: Extra, On: PacketSocket},
	{Name: "copy_thresh", Number: unix.PACKET_COPY_THRESH, Type: int32Type, Flags: Extra, On: PacketSocket},
}
