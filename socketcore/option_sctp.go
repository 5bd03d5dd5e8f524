package socketcore

import "slices"

// SolSCTP is the level of SCTP's options and control messages.
const SolSCTP = 132

// Numbers of the options (include/uapi/linux/sctp.h), which x/sys/unix does not have.
const (
	sctpRtoinfo             = 0
	sctpAssocinfo           = 1
	sctpInitmsg             = 2
	sctpNodelay             = 3
	sctpAutoclose           = 4
	sctpSetPeerPrimaryAddr  = 5
	sctpPrimaryAddr         = 6
	sctpAdaptationLayer     = 7
	sctpDisableFragments    = 8
	sctpPeerAddrParams      = 9
	sctpDefaultSendParam    = 10
	sctpEvents              = 11
	sctpMappedV4Addr        = 12
	sctpMaxseg              = 13
	sctpStatus              = 14
	sctpGetPeerAddrInfo     = 15
	sctpDelayedAckTime      = 16
	sctpContext             = 17
	sctpFragmentInterleave  = 18
	sctpPartialDelivery     = 19
	sctpMaxBurst            = 20
	sctpAuthChunk           = 21
	sctpHmacIdent           = 22
	sctpAuthKey             = 23
	sctpAuthActiveKey       = 24
	sctpAuthDeleteKey       = 25
	sctpPeerAuthChunks      = 26
	sctpLocalAuthChunks     = 27
	sctpGetAssocNumber      = 28
	sctpGetAssocIDList      = 29
	sctpAutoAsconf          = 30
	sctpPeerAddrThlds       = 31
	sctpRecvrcvinfo         = 32
	sctpRecvnxtinfo         = 33
	sctpDefaultSndinfo      = 34
	sctpAuthDeactivateKey   = 35
	sctpReusePort           = 36
	sctpPeerAddrThldsV2     = 37
	sctpGetPeerAddrs        = 108
	sctpGetLocalAddrs       = 109
	sctpGetAssocStats       = 112
	sctpPrSupported         = 113
	sctpDefaultPrinfo       = 114
	sctpPrAssocStatus       = 115
	sctpPrStreamStatus      = 116
	sctpReconfigSupported   = 117
	sctpEnableStreamReset   = 118
	sctpResetStreams        = 119
	sctpResetAssoc          = 120
	sctpAddStreams          = 121
	sctpStreamScheduler     = 123
	sctpStreamSchedulerVal  = 124
	sctpInterleaving        = 125
	sctpEvent               = 127
	sctpAsconfSupported     = 128
	sctpAuthSupported       = 129
	sctpEcnSupported        = 130
	sctpExposePfState       = 131
	sctpRemoteUDPEncapsPort = 132
	sctpProbeInterval       = 133
)

// The types that the man page of the API has want all their keys; the others, named
// after the fields of RFC 6458, take an association of 0 (the endpoint, or the only
// one) for granted.
var (
	assocID     = Field{Name: "assoc_id", Type: int32Type, Optional: true}
	assocIDMust = Field{Name: "assoc_id", Type: int32Type}
	prPolicies  = []Name{{"none", 0}, {"ttl", 0x10}, {"rtx", 0x20}, {"prio", 0x30}}
	prPolicy    = &Type{Form: Enum, Size: 2, Names: prPolicies}
	hmacIDs     = &Type{Form: Enum, Size: 2, Names: []Name{{"sha1", 1}, {"sha256", 3}}}
	uint8List   = &Type{Form: List, Elem: uint8Type, Count: Count{4, 4}}

	sctpRtoinfoT = &Type{Form: Struct, Size: 16, Fields: []Field{
		assocIDMust, {Name: "initial", Offset: 4, Type: uint32T}, {Name: "max", Offset: 8, Type: uint32T}, {Name: "min", Offset: 12, Type: uint32T},
	}}
	sctpAssocparams = &Type{Form: Struct, Size: 20, Fields: []Field{
		assocIDMust,
		{Name: "max_rxt", Offset: 4, Type: uint16T},
		{Name: "num_peer_dests", Offset: 6, Type: uint16T},
		{Name: "peer_rwnd", Offset: 8, Type: uint32T},
		{Name: "local_rwnd", Offset: 12, Type: uint32T},
		{Name: "cookie_life", Offset: 16, Type: uint32T},
	}}
	sctpInitmsgT = &Type{Form: Struct, Size: 8, Fields: []Field{
		{Name: "num_outstreams", Type: uint16T},
		{Name: "max_instreams", Offset: 2, Type: uint16T},
		{Name: "max_attempts", Offset: 4, Type: uint16T},
		{Name: "max_init_timeo", Offset: 6, Type: uint16T},
	}}
	// The man page says uint16() for the fields that have 32 bits.
	sctpSndrcvinfo = &Type{Form: Struct, Size: 32, Fields: []Field{
		{Name: "stream", Type: uint16T},
		{Name: "ssn", Offset: 2, Type: uint16T},
		{Name: "flags", Offset: 4, Type: uint16T},
		{Name: "ppid", Offset: 8, Type: uint32T},
		{Name: "context", Offset: 12, Type: uint32T},
		{Name: "timetolive", Offset: 16, Type: uint32T},
		{Name: "tsn", Offset: 20, Type: uint32T},
		{Name: "cumtsn", Offset: 24, Type: uint32T},
		{Name: "assoc_id", Offset: 28, Type: int32Type},
	}}
	sctpEventSubscribe = &Type{Form: Struct, Size: 14, Fields: inOrder(0, []Field{
		{Name: "data_in", Type: boolean8},
		{Name: "association", Type: boolean8},
		{Name: "address", Type: boolean8},
		{Name: "send_failure", Type: boolean8},
		{Name: "peer_error", Type: boolean8},
		{Name: "shutdown", Type: boolean8},
		{Name: "partial_delivery", Type: boolean8},
		{Name: "adaptation_layer", Type: boolean8},
		{Name: "authentication", Type: boolean8},
		{Name: "sender_dry", Type: boolean8},
		{Name: "stream_reset", Type: boolean8, Optional: true},
		{Name: "assoc_reset", Type: boolean8, Optional: true},
		{Name: "stream_change", Type: boolean8, Optional: true},
		{Name: "send_failure_event", Type: boolean8, Optional: true},
	})}
	sctpPaddrparams = &Type{Form: Struct, Size: 156, Fields: []Field{ // packed
		assocID,
		{Name: "address", Offset: 4, Type: storage, Optional: true},
		{Name: "hbinterval", Offset: 132, Type: uint32T, Optional: true},
		{Name: "pathmaxrxt", Offset: 136, Type: uint16T, Optional: true},
		{Name: "pathmtu", Offset: 138, Type: uint32T, Optional: true},
		{Name: "sackdelay", Offset: 142, Type: uint32T, Optional: true},
		{Name: "flags", Offset: 146, Optional: true, Type: &Type{Form: Bits, Size: 4, Names: []Name{
			{"hb_enable", 1},
			{"hb_disable", 2},
			{"hb_demand", 4},
			{"pmtud_enable", 8},
			{"pmtud_disable", 16},
			{"sackdelay_enable", 32},
			{"sackdelay_disable", 64},
			{"hb_time_is_zero", 128},
			{"ipv6_flowlabel", 256},
			{"dscp", 512},
		}}},
		{Name: "ipv6_flowlabel", Offset: 150, Type: uint32T, Optional: true},
		{Name: "dscp", Offset: 154, Type: uint8Type, Optional: true},
	}}
	sctpPaddrinfo = &Type{Form: Struct, Size: 152, Fields: []Field{ // packed
		assocID,
		{Name: "address", Offset: 4, Type: storage},
		{Name: "state", Offset: 132, Type: &Type{Form: Enum, Size: 4, Names: []Name{
			{"inactive", 0}, {"potentially_failed", 1}, {"active", 2}, {"unconfirmed", 3},
		}}},
		{Name: "cwnd", Offset: 136, Type: uint32T},
		{Name: "srtt", Offset: 140, Type: uint32T},
		{Name: "rto", Offset: 144, Type: uint32T},
		{Name: "mtu", Offset: 148, Type: uint32T},
	}}
	sctpStatusT = &Type{Form: Struct, Size: 176, Fields: []Field{
		assocID,
		{Name: "state", Offset: 4, Type: &Type{Form: Enum, Size: 4, Names: []Name{
			{"empty", 0},
			{"closed", 1},
			{"cookie_wait", 2},
			{"cookie_echoed", 3},
			{"established", 4},
			{"shutdown_pending", 5},
			{"shutdown_sent", 6},
			{"shutdown_received", 7},
			{"shutdown_ack_sent", 8},
		}}},
		{Name: "rwnd", Offset: 8, Type: uint32T},
		{Name: "unackdata", Offset: 12, Type: uint16T},
		{Name: "penddata", Offset: 14, Type: uint16T},
		{Name: "instrms", Offset: 16, Type: uint16T},
		{Name: "outstrms", Offset: 18, Type: uint16T},
		{Name: "fragmentation_point", Offset: 20, Type: uint32T},
		{Name: "primary", Offset: 24, Type: sctpPaddrinfo},
	}}
	sctpPrim  = &Type{Form: Struct, Size: 132, Fields: []Field{assocID, {Name: "addr", Offset: 4, Type: storage}}} // packed
	sctpKeyID = &Type{Form: Struct, Size: 8, Short: "keynumber", Fields: []Field{assocID, {Name: "keynumber", Offset: 4, Type: uint16T}}}
	sctpKey   = &Type{Form: Struct, Size: 8, Fields: []Field{
		assocID, {Name: "keynumber", Offset: 4, Type: uint16T}, {Name: "key", Offset: 8, Type: &Type{Form: Binary, Count: Count{6, 2}}},
	}}
	sctpHmacs = &Type{Form: Struct, Size: 4, Short: "idents", Fields: []Field{
		{Name: "idents", Offset: 4, Type: &Type{Form: List, Elem: hmacIDs, Count: Count{0, 4}}},
	}}
	sctpChunks = &Type{Form: Struct, Size: 8, Short: "chunks", Fields: []Field{assocID, {Name: "chunks", Offset: 8, Type: uint8List}}}
	sctpSack   = &Type{Form: Struct, Size: 12, Fields: []Field{
		assocID, {Name: "delay", Offset: 4, Type: uint32T}, {Name: "freq", Offset: 8, Type: uint32T, Optional: true},
	}}
	sctpResetT = &Type{Form: Struct, Size: 8, Fields: []Field{
		assocID,
		{Name: "flags", Offset: 4, Type: &Type{Form: Bits, Size: 2, Names: []Name{{"incoming", 1}, {"outgoing", 2}}}},
		{Name: "streams", Offset: 8, Type: &Type{Form: List, Elem: uint16T, Count: Count{6, 2}}},
	}}
	sctpAddStreamsT = &Type{Form: Struct, Size: 8, Fields: []Field{
		assocID, {Name: "instrms", Offset: 4, Type: uint16T, Optional: true}, {Name: "outstrms", Offset: 6, Type: uint16T, Optional: true},
	}}
	sctpStreamValue = &Type{Form: Struct, Size: 8, Fields: []Field{
		assocID, {Name: "stream_id", Offset: 4, Type: uint16T}, {Name: "value", Offset: 6, Type: uint16T},
	}}
	sctpThlds   = &Type{Form: Struct, Size: aligned(storageEnd + 4), Fields: sctpThldFields[:4]}
	sctpThldsV2 = &Type{Form: Struct, Size: aligned(storageEnd + 6), Fields: sctpThldFields}

	sctpThldFields = []Field{
		assocID,
		{Name: "address", Offset: storageAt, Type: storage, Optional: true},
		{Name: "pathmaxrxt", Offset: storageEnd, Type: uint16T, Optional: true},
		{Name: "pathpfthld", Offset: storageEnd + 2, Type: uint16T, Optional: true},
		{Name: "pathcpthld", Offset: storageEnd + 4, Type: uint16T, Optional: true},
	}
	sctpPrinfoT = &Type{Form: Struct, Size: 12, Fields: []Field{ // struct sctp_default_prinfo
		assocID, {Name: "value", Offset: 4, Type: uint32T}, {Name: "policy", Offset: 8, Type: prPolicy},
	}}
	sctpPrstatus = &Type{Form: Struct, Size: 24, Fields: []Field{
		assocID,
		{Name: "sid", Offset: 4, Type: uint16T},
		{Name: "policy", Offset: 6, Type: prPolicy},
		{Name: "abandoned_unsent", Offset: 8, Type: uint64T},
		{Name: "abandoned_sent", Offset: 16, Type: uint64T},
	}}
	sctpEncaps = &Type{Form: Struct, Size: aligned(storageEnd + 2), Fields: []Field{
		assocID, {Name: "address", Offset: storageAt, Type: storage, Optional: true}, {Name: "port", Offset: storageEnd, Type: &Type{Form: Network, Size: 2}},
	}}
	sctpProbe = &Type{Form: Struct, Size: aligned(storageEnd + 4), Fields: []Field{
		assocID, {Name: "address", Offset: storageAt, Type: storage, Optional: true}, {Name: "interval", Offset: storageEnd, Type: uint32T},
	}}
	sctpAssocIDs = &Type{Form: Struct, Size: 4, Short: "ids", Fields: []Field{
		{Name: "ids", Offset: 4, Type: &Type{Form: List, Elem: int32Type, Count: Count{0, 4}}},
	}}
	sctpAddrs = &Type{Form: Struct, Size: 8, Short: "addrs", Fields: []Field{ // struct sctp_getaddrs
		assocID, {Name: "addrs", Offset: 8, Type: &Type{Form: Packed}},
	}}
	sctpStats = &Type{Form: Struct, Size: 256, Fields: append([]Field{
		assocID, {Name: "obs_rto_ipaddr", Offset: storageAt, Type: storage},
	}, inOrder(136, []Field{
		{Name: "maxrto", Type: uint64T},
		{Name: "isacks", Type: uint64T},
		{Name: "osacks", Type: uint64T},
		{Name: "opackets", Type: uint64T},
		{Name: "ipackets", Type: uint64T},
		{Name: "rtxchunks", Type: uint64T},
		{Name: "outofseqtsns", Type: uint64T},
		{Name: "idupchunks", Type: uint64T},
		{Name: "gapcnt", Type: uint64T},
		{Name: "ouodchunks", Type: uint64T},
		{Name: "iuodchunks", Type: uint64T},
		{Name: "oodchunks", Type: uint64T},
		{Name: "iodchunks", Type: uint64T},
		{Name: "octrlchunks", Type: uint64T},
		{Name: "ictrlchunks", Type: uint64T},
	})...)}
	sctpSndinfo = &Type{Form: Struct, Size: 16, Fields: []Field{
		{Name: "sid", Type: uint16T},
		{Name: "flags", Offset: 2, Type: uint16T, Optional: true},
		{Name: "ppid", Offset: 4, Type: uint32T, Optional: true},
		{Name: "context", Offset: 8, Type: uint32T, Optional: true},
		{Name: "assoc_id", Offset: 12, Type: int32Type, Optional: true},
	}}
	sctpRcvinfo = &Type{Form: Struct, Size: 28, Fields: []Field{
		{Name: "sid", Type: uint16T},
		{Name: "ssn", Offset: 2, Type: uint16T},
		{Name: "flags", Offset: 4, Type: uint16T},
		{Name: "ppid", Offset: 8, Type: uint32T},
		{Name: "tsn", Offset: 12, Type: uint32T},
		{Name: "cumtsn", Offset: 16, Type: uint32T},
		{Name: "context", Offset: 20, Type: uint32T},
		{Name: "assoc_id", Offset: 24, Type: int32Type},
	}}
	sctpNxtinfo = &Type{Form: Struct, Size: 16, Fields: []Field{
		{Name: "sid", Type: uint16T},
		{Name: "flags", Offset: 2, Type: uint16T},
		{Name: "ppid", Offset: 4, Type: uint32T},
		{Name: "length", Offset: 8, Type: uint32T},
		{Name: "assoc_id", Offset: 12, Type: int32Type},
	}}
	sctpPrinfoCmsg = &Type{Form: Struct, Size: 8, Fields: []Field{
		{Name: "policy", Type: prPolicy}, {Name: "value", Offset: 4, Type: uint32T, Optional: true},
	}}
	sctpAuthinfo = &Type{Form: Struct, Size: 2, Short: "keynumber", Fields: []Field{{Name: "keynumber", Type: uint16T}}}

	// struct sctp_peeloff_arg_t; a socket of its own for an association
	sctpPeeloffT = &Type{Form: Struct, Size: 8, Short: "sd", Fields: []Field{assocID, {Name: "sd", Offset: 4, Type: int32Type}}}

	sctpEventT = &Type{Form: Struct, Size: 8, Fields: []Field{
		assocID,
		{Name: "type", Offset: 4, Type: &Type{Form: Enum, Size: 2, Names: []Name{
			{"data_io", 0x8000},
			{"assoc_change", 0x8001},
			{"peer_addr_change", 0x8002},
			{"send_failed", 0x8003},
			{"remote_error", 0x8004},
			{"shutdown_event", 0x8005},
			{"partial_delivery_event", 0x8006},
			{"adaptation_indication", 0x8007},
			{"authentication_event", 0x8008},
			{"sender_dry_event", 0x8009},
			{"stream_reset_event", 0x800a},
			{"assoc_reset_event", 0x800b},
			{"stream_change_event", 0x800c},
			{"send_failed_event", 0x800d},
		}}},
		{Name: "on", Offset: 6, Type: boolean8},
	}}

	assocUint    = assocValue(uint32T)
	assocBool    = assocValue(boolean)
	streamResets = assocValue(&Type{Form: Bits, Size: 4, Names: []Name{{"stream", 1}, {"assoc", 2}, {"change", 4}}})
	schedulers   = assocValue(&Type{Form: Enum, Size: 4, Names: []Name{{"fcfs", 0}, {"prio", 1}, {"rr", 2}}})
)

// assocValue describes struct sctp_assoc_value, whose value may stand for all of it.
func assocValue(value *Type) *Type {
	return &Type{Form: Struct, Size: 8, Short: "value", Fields: []Field{assocID, {Name: "value", Offset: 4, Type: value}}}
}

// anyKeys returns a type whose keys may all be missing.
func anyKeys(t *Type) *Type {
	relaxed := *t
	relaxed.Fields = slices.Clone(t.Fields)
	for i := range relaxed.Fields {
		relaxed.Fields[i].Optional = true
	}
	return &relaxed
}

// sctpCmsgs are the control messages of RFC 6458, section 5.3.
var sctpCmsgs = []Cmsg{
	{Level: SolSCTP, Type: 0, Name: "init", Recv: sctpInitmsgT, Send: anyKeys(sctpInitmsgT)},
	{Level: SolSCTP, Type: 1, Name: "sndrcv", Recv: sctpSndrcvinfo, Send: anyKeys(sctpSndrcvinfo)},
	{Level: SolSCTP, Type: 2, Name: "sndinfo", Recv: sctpSndinfo, Send: anyKeys(sctpSndinfo)},
	{Level: SolSCTP, Type: 3, Name: "rcvinfo", Recv: sctpRcvinfo, Flags: NoSend},
	{Level: SolSCTP, Type: 4, Name: "nxtinfo", Recv: sctpNxtinfo, Flags: NoSend},
	{Level: SolSCTP, Type: 5, Name: "prinfo", Recv: sctpPrinfoCmsg, Send: sctpPrinfoCmsg},
	{Level: SolSCTP, Type: 6, Name: "authinfo", Recv: sctpAuthinfo, Send: sctpAuthinfo},
	{Level: SolSCTP, Type: 7, Name: "dstaddrv4", Recv: inetType, Send: inetType},
	{Level: SolSCTP, Type: 8, Name: "dstaddrv6", Recv: inet6Type, Send: inet6Type},
}
