package socketcore

import "golang.org/x/sys/unix"

// Numbers of include/uapi/asm-generic/socket.h that x/sys/unix does not have.
const (
	soNoCheck     = unix.SO_NO_CHECK
	soRcvpriority = 82
	soPassrights  = 83
	soInq         = 84
)

// timestampingFlags are the bits of SO_TIMESTAMPING (include/uapi/linux/net_tstamp.h).
var timestampingFlags = []Name{
	{"tx_hardware", 1 << 0},
	{"tx_software", 1 << 1},
	{"rx_hardware", 1 << 2},
	{"rx_software", 1 << 3},
	{"software", 1 << 4},
	{"sys_hardware", 1 << 5},
	{"raw_hardware", 1 << 6},
	{"opt_id", 1 << 7},
	{"tx_sched", 1 << 8},
	{"tx_ack", 1 << 9},
	{"opt_cmsg", 1 << 10},
	{"opt_tsonly", 1 << 11},
	{"opt_stats", 1 << 12},
	{"opt_pktinfo", 1 << 13},
	{"opt_tx_swhw", 1 << 14},
	{"bind_phc", 1 << 15},
	{"opt_id_tcp", 1 << 16},
	{"opt_rx_filter", 1 << 17},
	{"tx_completion", 1 << 18},
}

var (
	timestampingBits = &Type{Form: Bits, Size: 4, Names: timestampingFlags}
	// Only the flags are told: the clock to bind to belongs to bind_phc alone.
	timestamping = &Type{Form: Struct, Size: 8, Short: "flags", Fields: []Field{
		{Name: "flags", Type: timestampingBits},
		{Name: "bind_phc", Offset: 4, Type: int32Type, Optional: true},
	}}
	txtime = &Type{Form: Struct, Size: 8, Fields: []Field{ // struct sock_txtime
		{Name: "clockid", Type: int32Type},
		{Name: "flags", Offset: 4, Type: &Type{Form: Bits, Size: 4, Names: []Name{{"deadline", 1}, {"report_errors", 2}}}},
	}}
	meminfo = &Type{Form: Struct, Size: 36, Fields: []Field{ // SK_MEMINFO_* of linux/sock_diag.h
		{Name: "rmem_alloc", Type: uint32T},
		{Name: "rcvbuf", Offset: 4, Type: uint32T},
		{Name: "wmem_alloc", Offset: 8, Type: uint32T},
		{Name: "sndbuf", Offset: 12, Type: uint32T},
		{Name: "fwd_alloc", Offset: 16, Type: uint32T},
		{Name: "wmem_queued", Offset: 20, Type: uint32T},
		{Name: "optmem", Offset: 24, Type: uint32T},
		{Name: "backlog", Offset: 28, Type: uint32T},
		{Name: "drops", Offset: 32, Type: uint32T},
	}}
	lingerType = &Type{Form: Linger, Size: unix.SizeofLinger}
	bufferLock = &Type{Form: Bits, Size: 4, Names: []Name{{"snd", 1}, {"rcv", 2}}}
	label      = &Type{Form: Chars, Room: 4096}
	groups     = &Type{Form: List, Elem: uint32T, Room: 4 << 16} // NGROUPS_MAX
)

var socketOptions = []Option{
	{Name: "acceptconn", Number: unix.SO_ACCEPTCONN, Type: boolean, Flags: NoSet, On: TCP},
	{Name: "acceptfilter", Number: noNumber, Flags: absent, Note: "SO_ACCEPTFILTER of FreeBSD"},
	{Name: "bindtodevice", Number: unix.SO_BINDTODEVICE, Type: ifname, On: UDP, Note: "an empty string unbinds"},
	{Name: "broadcast", Number: unix.SO_BROADCAST, Type: boolean, On: UDP},
	{Name: "busy_poll", Number: unix.SO_BUSY_POLL, Type: int32Type, On: TCP, Note: "microseconds; kernels of old want CAP_NET_ADMIN for more than before"},
	{Name: "debug", Number: unix.SO_DEBUG, Type: int32Type, On: TCP, Note: "without the capability eacces"},
	{Name: "domain", Number: unix.SO_DOMAIN, Type: domains, Flags: NoSet, On: TCP},
	{Name: "dontroute", Number: unix.SO_DONTROUTE, Type: boolean, On: UDP},
	{Name: "error", Number: unix.SO_ERROR, Type: &Type{Form: Posix, Size: 4}, Flags: NoSet, On: UDP, Note: "reading takes it: a second read says none"},
	{Name: "keepalive", Number: unix.SO_KEEPALIVE, Type: boolean, On: TCP},
	{Name: "linger", Number: unix.SO_LINGER, Type: lingerType, On: TCP, Note: "seconds; abort is {true, 0}; {false, _} keeps the seconds. The map #{onoff, linger} of later releases is taken as well"},
	{Name: "mark", Number: unix.SO_MARK, Type: uint32T, On: UDP},
	{Name: "oobinline", Number: unix.SO_OOBINLINE, Type: boolean, On: TCP},
	{Name: "passcred", Number: unix.SO_PASSCRED, Type: boolean, On: UnixDgram},
	{Name: "peek_off", Number: unix.SO_PEEK_OFF, Type: int32Type, On: UnixStream, Note: "-1 is off"},
	{Name: "peercred", Number: unix.SO_PEERCRED, Type: ucred, Flags: NoSet, On: UnixPair, Note: "on sockets without a local peer pid 0 and ids 4294967295"},
	{Name: "priority", Number: unix.SO_PRIORITY, Type: int32Type, On: UDP},
	{Name: "protocol", Number: unix.SO_PROTOCOL, Type: protocols, Flags: NoSet, On: UDP},
	{Name: "rcvbuf", Number: unix.SO_RCVBUF, Type: int32Type, On: UDP, Note: "bytes; the kernel doubles it"},
	{Name: "rcvbufforce", Number: unix.SO_RCVBUFFORCE, Type: int32Type, Flags: NoGet, On: UDP, Note: "read it as rcvbuf"},
	{Name: "rcvlowat", Number: unix.SO_RCVLOWAT, Type: int32Type, On: TCP, Note: "bytes that make the socket readable; a receive here returns what is there"},
	{Name: "rcvtimeo", Number: unix.SO_RCVTIMEO, Type: timeval, On: TCP, Note: "kept by the kernel for blocking calls of other holders of the descriptor; calls here never block in the kernel, and end by their Timeout argument alone"},
	{Name: "reuseaddr", Number: unix.SO_REUSEADDR, Type: boolean, On: TCP},
	{Name: "reuseport", Number: unix.SO_REUSEPORT, Type: boolean, On: TCP},
	{Name: "rxq_ovfl", Number: unix.SO_RXQ_OVFL, Type: boolean, On: UDP, Note: "comes as a control message once something was dropped"},
	{Name: "setfib", Number: noNumber, Flags: absent, Note: "SO_SETFIB of FreeBSD"},
	{Name: "sndbuf", Number: unix.SO_SNDBUF, Type: int32Type, On: UDP, Note: "bytes; the kernel doubles it"},
	{Name: "sndbufforce", Number: unix.SO_SNDBUFFORCE, Type: int32Type, Flags: NoGet, On: UDP, Note: "read it as sndbuf"},
	{Name: "sndlowat", Number: unix.SO_SNDLOWAT, Type: int32Type, On: TCP},
	{Name: "sndtimeo", Number: unix.SO_SNDTIMEO, Type: timeval, On: TCP, Note: "as rcvtimeo"},
	{Name: "timestamp", Number: unix.SO_TIMESTAMP, Type: boolean, On: UDP, Note: "excludes timestampns: the last one set counts"},
	{Name: "type", Number: unix.SO_TYPE, Type: types, Flags: NoSet, On: UDP},

	{Name: "timestampns", Number: unix.SO_TIMESTAMPNS, Type: boolean, Flags: Extra, On: UDP, Note: "excludes timestamp"},
	{Name: "timestamp_new", Number: unix.SO_TIMESTAMP_NEW, Type: boolean, Flags: Extra, On: UDP},
	{Name: "timestampns_new", Number: unix.SO_TIMESTAMPNS_NEW, Type: boolean, Flags: Extra, On: UDP},
	{Name: "timestamping", Number: unix.SO_TIMESTAMPING, Type: timestamping, Flags: Extra, On: UDP},
	{Name: "timestamping_new", Number: unix.SO_TIMESTAMPING_NEW, Type: timestamping, Flags: Extra, On: UDP},
	{Name: "rcvtimeo_new", Number: unix.SO_RCVTIMEO_NEW, Type: timeval64, Flags: Extra, On: TCP, Note: "rcvtimeo by its other number"},
	{Name: "sndtimeo_new", Number: unix.SO_SNDTIMEO_NEW, Type: timeval64, Flags: Extra, On: TCP, Note: "sndtimeo by its other number"},
	{Name: "no_check", Number: soNoCheck, Type: boolean, Flags: Extra, On: UDP},
	{Name: "bsdcompat", Number: unix.SO_BSDCOMPAT, Type: boolean, Flags: Extra, On: UDP, Note: "accepted, without effect"},
	{Name: "detach_filter", Number: unix.SO_DETACH_FILTER, Type: int32Type, Flags: Extra | NoGet, On: UDP},
	{Name: "lock_filter", Number: unix.SO_LOCK_FILTER, Type: boolean, Flags: Extra, On: UDP, Note: "cannot be taken back"},
	{Name: "peersec", Number: unix.SO_PEERSEC, Type: label, Flags: Extra | NoSet, On: UnixPair, Note: "wants a security module that labels sockets"},
	{Name: "passsec", Number: unix.SO_PASSSEC, Type: boolean, Flags: Extra, On: UnixDgram},
	{Name: "wifi_status", Number: unix.SO_WIFI_STATUS, Type: boolean, Flags: Extra, On: UDP},
	{Name: "nofcs", Number: unix.SO_NOFCS, Type: boolean, Flags: Extra, On: UDP},
	{Name: "select_err_queue", Number: unix.SO_SELECT_ERR_QUEUE, Type: boolean, Flags: Extra, On: UDP},
	{Name: "max_pacing_rate", Number: unix.SO_MAX_PACING_RATE, Type: ulong, Flags: Extra, On: TCP, Note: "bytes per second; 18446744073709551615 is no limit"},
	{Name: "bpf_extensions", Number: unix.SO_BPF_EXTENSIONS, Type: int32Type, Flags: Extra | NoSet, On: UDP},
	{Name: "incoming_cpu", Number: unix.SO_INCOMING_CPU, Type: int32Type, Flags: Extra, On: UDP},
	{Name: "cnx_advice", Number: unix.SO_CNX_ADVICE, Type: int32Type, Flags: Extra | NoGet, On: TCP},
	{Name: "meminfo", Number: unix.SO_MEMINFO, Type: meminfo, Flags: Extra | NoSet, On: TCP},
	{Name: "incoming_napi_id", Number: unix.SO_INCOMING_NAPI_ID, Type: int32Type, Flags: Extra | NoSet, On: UDP},
	{Name: "cookie", Number: unix.SO_COOKIE, Type: uint64T, Flags: Extra | NoSet, On: UDP},
	{Name: "peergroups", Number: unix.SO_PEERGROUPS, Type: groups, Flags: Extra | NoSet, On: UnixPair},
	{Name: "zerocopy", Number: unix.SO_ZEROCOPY, Type: boolean, Flags: Extra, On: TCP},
	{Name: "txtime", Number: unix.SO_TXTIME, Type: txtime, Flags: Extra, On: UDP},
	{Name: "bindtoifindex", Number: unix.SO_BINDTOIFINDEX, Type: int32Type, Flags: Extra, On: UDP},
	{Name: "detach_reuseport_bpf", Number: unix.SO_DETACH_REUSEPORT_BPF, Type: int32Type, Flags: Extra | NoGet, On: UDP},
	{Name: "prefer_busy_poll", Number: unix.SO_PREFER_BUSY_POLL, Type: boolean, Flags: Extra, On: UDP},
	{Name: "busy_poll_budget", Number: unix.SO_BUSY_POLL_BUDGET, Type: int32Type, Flags: Extra | NoGet, On: UDP, Note: "Linux has no get"},
	{Name: "netns_cookie", Number: unix.SO_NETNS_COOKIE, Type: uint64T, Flags: Extra | NoSet, On: UDP},
	{Name: "buf_lock", Number: unix.SO_BUF_LOCK, Type: bufferLock, Flags: Extra, On: UDP},
	{Name: "reserve_mem", Number: unix.SO_RESERVE_MEM, Type: int32Type, Flags: Extra, On: TCP, Note: "wants a memory control group"},
	{Name: "txrehash", Number: unix.SO_TXREHASH, Type: boolean, Flags: Extra, On: TCP},
	{Name: "rcvmark", Number: unix.SO_RCVMARK, Type: boolean, Flags: Extra, On: UDP},
	{Name: "passpidfd", Number: unix.SO_PASSPIDFD, Type: boolean, Flags: Extra, On: UnixDgram},
	{Name: "peerpidfd", Number: unix.SO_PEERPIDFD, Type: int32Type, Flags: Extra | NoSet, On: UnixPair, Note: "a descriptor of the helper, which closes with the socket"},
	{Name: "rcvpriority", Number: soRcvpriority, Type: boolean, Flags: Extra, On: UDP},
	{Name: "passrights", Number: soPassrights, Type: boolean, Flags: Extra, On: UnixDgram},
	{Name: "inq", Number: soInq, Type: boolean, Flags: Extra | NoGet, On: UnixStream, Note: "Linux has no get; wants a local stream"},
}
