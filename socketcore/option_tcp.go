package socketcore

import "golang.org/x/sys/unix"

// tcpIsMPTCP is a number of include/uapi/linux/tcp.h that x/sys/unix does not have.
const tcpIsMPTCP = 43

var (
	congestion = &Type{Form: Chars, Room: 16}                    // TCP_CA_NAME_MAX; longer names are the kernel's to refuse
	md5sig     = &Type{Form: Struct, Size: 216, Fields: []Field{ // struct tcp_md5sig
		{Name: "addr", Type: storage},
		{Name: "key", Offset: 136, Type: &Type{Form: Binary, Size: 80, Count: Count{130, 2}}},
	}}
	upperProtocol = &Type{Form: Chars, Room: 16} // TCP_ULP_NAME_MAX
	synHeaders    = &Type{Form: Int, Size: 4}    // 1: the headers of IP and TCP, 2: that of the link as well

	tcpStates = &Type{Form: Enum, Size: 1, Names: []Name{
		{"established", 1},
		{"syn_sent", 2},
		{"syn_recv", 3},
		{"fin_wait1", 4},
		{"fin_wait2", 5},
		{"time_wait", 6},
		{"close", 7},
		{"close_wait", 8},
		{"last_ack", 9},
		{"listen", 10},
		{"closing", 11},
		{"new_syn_recv", 12},
	}}
	congestionStates = &Type{Form: Enum, Size: 1, Names: []Name{
		{"open", 0}, {"disorder", 1}, {"cwr", 2}, {"recovery", 3}, {"loss", 4},
	}}
	tcpiOptions = &Type{Form: Bits, Size: 1, Names: []Name{
		{"timestamps", 1}, {"sack", 2}, {"wscale", 4}, {"ecn", 8}, {"ecn_seen", 16}, {"syn_data", 32}, {"usec_ts", 64}, {"tfo_child", 128},
	}}
)

// tcpInfo is struct tcp_info, which grows at its end: the room is for fields to come,
// and what an older kernel does not answer is not in the map.
var tcpInfo = &Type{Form: Struct, Size: 280, Room: 512, Fields: append([]Field{
	{Name: "state", Type: tcpStates},
	{Name: "ca_state", Offset: 1, Type: congestionStates},
	{Name: "retransmits", Offset: 2, Type: uint8Type},
	{Name: "probes", Offset: 3, Type: uint8Type},
	{Name: "backoff", Offset: 4, Type: uint8Type},
	{Name: "options", Offset: 5, Type: tcpiOptions},
	{Name: "snd_wscale", Offset: 6, Type: bitField(0, 4)},
	{Name: "rcv_wscale", Offset: 6, Type: bitField(4, 4)},
	{Name: "delivery_rate_app_limited", Offset: 7, Type: bitField(0, 1)},
	{Name: "fastopen_client_fail", Offset: 7, Type: bitField(1, 2)},
}, inOrder(8, []Field{
	{Name: "rto", Type: uint32T},
	{Name: "ato", Type: uint32T},
	{Name: "snd_mss", Type: uint32T},
	{Name: "rcv_mss", Type: uint32T},
	{Name: "unacked", Type: uint32T},
	{Name: "sacked", Type: uint32T},
	{Name: "lost", Type: uint32T},
	{Name: "retrans", Type: uint32T},
	{Name: "fackets", Type: uint32T},
	{Name: "last_data_sent", Type: uint32T},
	{Name: "last_ack_sent", Type: uint32T},
	{Name: "last_data_recv", Type: uint32T},
	{Name: "last_ack_recv", Type: uint32T},
	{Name: "pmtu", Type: uint32T},
	{Name: "rcv_ssthresh", Type: uint32T},
	{Name: "rtt", Type: uint32T},
	{Name: "rttvar", Type: uint32T},
	{Name: "snd_ssthresh", Type: uint32T},
	{Name: "snd_cwnd", Type: uint32T},
	{Name: "advmss", Type: uint32T},
	{Name: "reordering", Type: uint32T},
	{Name: "rcv_rtt", Type: uint32T},
	{Name: "rcv_space", Type: uint32T},
	{Name: "total_retrans", Type: uint32T},
	{Name: "pacing_rate", Type: uint64T},
	{Name: "max_pacing_rate", Type: uint64T},
	{Name: "bytes_acked", Type: uint64T},
	{Name: "bytes_received", Type: uint64T},
	{Name: "segs_out", Type: uint32T},
	{Name: "segs_in", Type: uint32T},
	{Name: "notsent_bytes", Type: uint32T},
	{Name: "min_rtt", Type: uint32T},
	{Name: "data_segs_in", Type: uint32T},
	{Name: "data_segs_out", Type: uint32T},
	{Name: "delivery_rate", Type: uint64T},
	{Name: "busy_time", Type: uint64T},
	{Name: "rwnd_limited", Type: uint64T},
	{Name: "sndbuf_limited", Type: uint64T},
	{Name: "delivered", Type: uint32T},
	{Name: "delivered_ce", Type: uint32T},
	{Name: "bytes_sent", Type: uint64T},
	{Name: "bytes_retrans", Type: uint64T},
	{Name: "dsack_dups", Type: uint32T},
	{Name: "reord_seen", Type: uint32T},
	{Name: "rcv_ooopack", Type: uint32T},
	{Name: "snd_wnd", Type: uint32T},
	{Name: "rcv_wnd", Type: uint32T},
	{Name: "rehash", Type: uint32T},
	{Name: "total_rto", Type: uint16T},
	{Name: "total_rto_recoveries", Type: uint16T},
	{Name: "total_rto_time", Type: uint32T},
	{Name: "received_ce", Type: uint32T},
	{Name: "delivered_e1_bytes", Type: uint32T},
	{Name: "delivered_e0_bytes", Type: uint32T},
	{Name: "delivered_ce_bytes", Type: uint32T},
	{Name: "received_e1_bytes", Type: uint32T},
	{Name: "received_e0_bytes", Type: uint32T},
	{Name: "received_ce_bytes", Type: uint32T},
	// Linux 6.18 has two halves here, later ones bit fields, and nothing tells which.
	{Name: "accecn", Type: uint32T},
})...)}

// inOrder places fields one behind the other from offset on, each where its size
// divides the offset, as C does.
func inOrder(offset int, fields []Field) []Field {
	for i := range fields {
		size := fields[i].Type.Size
		offset = (offset + size - 1) / size * size
		fields[i].Offset = offset
		offset += size
	}
	return fields
}

var tcpOptions = []Option{
	{Name: "congestion", Number: unix.TCP_CONGESTION, Type: congestion, On: TCP, Note: "names that are not in net.ipv4.tcp_allowed_congestion_control need CAP_NET_ADMIN"},
	{Name: "cork", Number: unix.TCP_CORK, Type: boolean, On: TCP},
	{Name: "info", Number: unix.TCP_INFO, Type: tcpInfo, Flags: NoSet, On: TCPPair, Note: "the fields that the running kernel has"},
	{Name: "keepcnt", Number: unix.TCP_KEEPCNT, Type: int32Type, On: TCP, Note: "1..127"},
	{Name: "keepidle", Number: unix.TCP_KEEPIDLE, Type: int32Type, On: TCP, Note: "seconds, 1..32767"},
	{Name: "keepintvl", Number: unix.TCP_KEEPINTVL, Type: int32Type, On: TCP, Note: "seconds, 1..32767"},
	{Name: "maxseg", Number: unix.TCP_MAXSEG, Type: int32Type, On: TCP, Note: "88..32767; a connected socket tells what it uses"},
	{Name: "md5sig", Number: unix.TCP_MD5SIG, Type: md5sig, Flags: NoGet, On: TCP, Note: "an empty key deletes"},
	{Name: "nodelay", Number: unix.TCP_NODELAY, Type: boolean, On: TCP},
	{Name: "noopt", Number: noNumber, Flags: absent, Note: "TCP_NOOPT of FreeBSD"},
	{Name: "nopush", Number: noNumber, Flags: absent, Note: "TCP_NOPUSH of FreeBSD; here cork"},
	{Name: "syncnt", Number: unix.TCP_SYNCNT, Type: int32Type, On: TCP, Note: "1..127"},
	{Name: "user_timeout", Number: unix.TCP_USER_TIMEOUT, Type: int32Type, On: TCP, Note: "milliseconds; 0 is the default of the system"},

	{Name: "linger2", Number: unix.TCP_LINGER2, Type: int32Type, Flags: Extra, On: TCP, Note: "seconds"},
	{Name: "defer_accept", Number: unix.TCP_DEFER_ACCEPT, Type: int32Type, Flags: Extra, On: TCP, Note: "seconds, rounded up to a retransmission"},
	{Name: "window_clamp", Number: unix.TCP_WINDOW_CLAMP, Type: int32Type, Flags: Extra, On: TCP},
	{Name: "quickack", Number: unix.TCP_QUICKACK, Type: boolean, Flags: Extra, On: TCP, Note: "the kernel changes it again"},
	{Name: "thin_linear_timeouts", Number: unix.TCP_THIN_LINEAR_TIMEOUTS, Type: boolean, Flags: Extra, On: TCP},
	{Name: "thin_dupack", Number: unix.TCP_THIN_DUPACK, Type: boolean, Flags: Extra, On: TCP, Note: "accepted, without effect"},
	{Name: "fastopen", Number: unix.TCP_FASTOPEN, Type: int32Type, Flags: Extra, On: TCP},
	{Name: "timestamp", Number: unix.TCP_TIMESTAMP, Type: uint32T, Flags: Extra, On: TCP, Note: "set in repair mode only"},
	{Name: "notsent_lowat", Number: unix.TCP_NOTSENT_LOWAT, Type: uint32T, Flags: Extra, On: TCP},
	{Name: "cc_info", Number: unix.TCP_CC_INFO, Type: bytesType, Flags: Extra | NoSet, On: TCP},
	{Name: "save_syn", Number: unix.TCP_SAVE_SYN, Type: synHeaders, Flags: Extra, On: TCP},
	{Name: "saved_syn", Number: unix.TCP_SAVED_SYN, Type: bytesType, Flags: Extra | NoSet, On: TCPPair, Note: "reading takes it"},
	{Name: "fastopen_connect", Number: unix.TCP_FASTOPEN_CONNECT, Type: boolean, Flags: Extra, On: TCP},
	{Name: "ulp", Number: unix.TCP_ULP, Type: upperProtocol, Flags: Extra, On: TCPPair, Note: "wants a kernel with TLS"},
	{Name: "fastopen_key", Number: unix.TCP_FASTOPEN_KEY, Type: bytesType, Flags: Extra, On: TCP},
	{Name: "fastopen_no_cookie", Number: unix.TCP_FASTOPEN_NO_COOKIE, Type: boolean, Flags: Extra, On: TCP},
	{Name: "inq", Number: unix.TCP_INQ, Type: boolean, Flags: Extra, On: TCP, Note: "the helper sets it on its TCP sockets for itself; it is yours once you have read or set it"},
	{Name: "tx_delay", Number: unix.TCP_TX_DELAY, Type: int32Type, Flags: Extra, On: TCP},
	{Name: "repair", Number: unix.TCP_REPAIR, Type: int32Type, Flags: Extra, On: TCP},
	{Name: "is_mptcp", Number: tcpIsMPTCP, Type: boolean, Flags: Extra | NoSet, On: TCP},
	{Name: "rto_max_ms", Number: unix.TCP_RTO_MAX_MS, Type: int32Type, Flags: Extra, On: TCP, Note: "1000..120000"},
	{Name: "rto_min_us", Number: unix.TCP_RTO_MIN_US, Type: int32Type, Flags: Extra, On: TCP, Note: "1..200000"},
	{Name: "delack_max_us", Number: unix.TCP_DELACK_MAX_US, Type: int32Type, Flags: Extra, On: TCP},
}
