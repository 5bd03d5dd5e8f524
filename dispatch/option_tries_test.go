package dispatch

import "golang.org/x/sys/unix"

// Capabilities of capabilities(7) that values need.
const (
	admin  = "CAP_NET_ADMIN"
	raw    = "CAP_NET_RAW"
	either = admin + " or " + raw
)

// byWord chooses by the size of the kernel's long: of what is in one, or is as large as the kernel's own structures are.
func byWord(of64, of32 string) string {
	if unix.SizeofLong == 8 {
		return of64
	}
	return of32
}

// optionTries are the values that the matrix sets and reads, for rows whose type alone
// does not tell. Results are those of Linux; what differs from system to system is
// not compared.
var optionTries = map[string][]try{
	"socket acceptconn":           {{back: "false"}},
	"socket bindtodevice":         {{value: "\"lo\""}, {value: "\"\"", needs: raw}},
	"socket busy_poll":            {{value: "50", needs: admin, freed: true}, {value: "0"}, {value: "-1", needs: admin, freed: true, back: "!einval"}},
	"socket debug":                {{value: "1", needs: admin, bare: "eacces"}, {value: "0"}},
	"socket domain":               {{back: "inet"}},
	"socket error":                {{back: "none"}},
	"socket linger":               {{value: "{true,5}"}, {value: "{false,0}", back: "{false,5}"}, {value: "abort", back: "{true,0}"}},
	"socket mark":                 {{value: "17", needs: either}, {value: "4294967295", needs: either}, {value: "0", needs: either}},
	"socket peek_off":             {{value: "5"}, {value: "-1"}},
	"socket peercred":             {{back: anyValue}},
	"socket priority":             {{value: "5"}, {value: "0"}, {value: "7", needs: either}},
	"socket protocol":             {{back: "udp"}},
	"socket rcvbuf":               {{value: "20000", back: "40000"}, {value: "0", back: byWord("2304", "2240")}},
	"socket rcvbufforce":          {{value: "20000", needs: admin}},
	"socket rcvlowat":             {{value: "10"}, {value: "0", back: "1"}},
	"socket rcvtimeo":             {{value: "#{sec=>2,usec=>500000}"}, {value: "#{sec=>0,usec=>1000000}", back: "!edom"}, {value: "#{sec=>-1,usec=>0}", back: "#{sec=>0,usec=>0}"}},
	"socket sndbuf":               {{value: "20000", back: "40000"}, {value: "0", back: byWord("4608", "4480")}},
	"socket sndbufforce":          {{value: "20000", needs: admin}},
	"socket sndlowat":             {{back: "1"}, {value: "1", back: "!enoprotoopt"}},
	"socket sndtimeo":             {{value: "#{usec=>0,sec=>3}"}},
	"socket type":                 {{back: "dgram"}},
	"socket timestamping":         {{value: "[rx_software,software]"}, {value: "[]"}, {value: "#{flags=>[tx_software,software]}", back: "[tx_software,software]"}, {value: "24", back: "[rx_software,software]"}},
	"socket timestamping_new":     {{value: "[software]"}},
	"socket rcvtimeo_new":         {{value: "#{sec=>1,usec=>0}"}},
	"socket sndtimeo_new":         {{value: "#{sec=>1,usec=>0}"}},
	"socket bsdcompat":            {{value: "true", back: "false"}},
	"socket detach_filter":        {{value: "0", back: "!enoent"}},
	"socket lock_filter":          {{value: "true"}, {value: "false", back: "!eperm"}},
	"socket peersec":              {{back: "!enoprotoopt or *"}}, // a security module may label sockets
	"socket max_pacing_rate":      {{value: "1000000"}, {value: byWord("5000000000", "4000000000")}},
	"socket bpf_extensions":       {{back: anyValue}},
	"socket incoming_cpu":         {{back: "-1"}, {value: "1"}},
	"socket cnx_advice":           {{value: "1"}},
	"socket meminfo":              {{back: anyValue}},
	"socket incoming_napi_id":     {{back: "0"}},
	"socket cookie":               {{back: anyValue}},
	"socket peergroups":           {{back: anyValue}},
	"socket txtime":               {{value: "#{clockid=>1,flags=>[deadline]}"}, {value: "#{clockid=>1,flags=>[]}"}},
	"socket bindtoifindex":        {{value: "1"}, {value: "0", needs: raw}, {value: "-1", back: "!einval"}},
	"socket prefer_busy_poll":     {{value: "true", needs: admin}, {value: "false"}},
	"socket detach_reuseport_bpf": {{value: "0", back: "!einval"}},
	"socket busy_poll_budget":     {{value: "8", needs: admin}, {value: "70000", back: "!einval", needs: admin}},
	"socket netns_cookie":         {{back: anyValue}},
	"socket buf_lock":             {{value: "[snd,rcv]"}, {value: "[rcv]"}, {value: "[]"}, {value: "4", back: "!einval"}},
	"socket reserve_mem":          {{back: "0"}},
	"socket peerpidfd":            {{back: anyValue}},

	"ip add_membership":         {{value: group("127,0,0,1")}, {value: group("127,0,0,1"), back: "!eaddrinuse"}, {value: "#{multiaddr=>{10,1,1,1},interface=>any}", back: "!einval"}},
	"ip drop_membership":        {{value: group("127,0,0,1"), back: "!eaddrnotavail"}, {first: "ip add_membership " + group("127,0,0,1"), value: group("127,0,0,1")}},
	"ip add_source_membership":  {{value: source("10,9,8,7")}, {value: source("10,9,8,7"), back: "!eaddrnotavail"}},
	"ip drop_source_membership": {{first: "ip add_source_membership " + source("10,9,8,7"), value: source("10,9,8,7")}, {value: source("10,9,8,7"), back: "!einval"}},
	"ip block_source":           {{value: source("10,9,8,7"), back: "!einval"}, {first: "ip add_membership " + group("127,0,0,1"), value: source("10,9,8,7")}, {value: source("10,9,8,7"), back: "!eaddrnotavail"}},
	"ip unblock_source":         {{first: "ip add_membership " + group("127,0,0,1"), value: source("10,9,8,7"), back: "!eaddrnotavail"}, {first: "ip block_source " + source("10,9,8,7"), value: source("10,9,8,7")}},
	"ip minttl":                 {{value: "255"}, {value: "0"}, {value: "256", back: "!einval"}, {value: "-1", back: "!einval"}},
	"ip msfilter":               {{value: "null", back: "!einval"}, {value: filter("exclude", ""), back: "!einval"}}, // TestSourceFilters has the rest
	"ip mtu":                    {{back: "65535"}},
	"ip mtu_discover":           {{value: "dont"}, {value: "do"}, {value: "probe"}, {value: "want"}, {value: "2", back: "do"}, {value: "4"}, {value: "5"}, {value: "6", back: "!einval"}},
	"ip multicast_if":           {{value: "{127,0,0,1}"}, {value: "any", back: "{0,0,0,0}"}, {value: "loopback", back: "{127,0,0,1}"}, {value: "{10,3,3,3}", back: "!eaddrnotavail"}},
	"ip multicast_ttl":          {{value: "10"}, {value: "0"}, {value: "255"}},
	"ip options":                {{value: "<<>>"}, {value: "<<7,7,4,0,0,0,0,0>>"}, {value: "<<1,1,1>>", back: "<<1,1,1,0>>"}, {value: "<<1,2,3,4,5>>", back: "!einval"}, {value: "<<>>"}},
	"ip router_alert":           {{value: "1", back: "1 or !enoprotoopt"}, {value: "10", back: "!eaddrinuse"}, {value: "0", back: "0 or !enoprotoopt"}, {value: "0", back: "!enobufs"}},
	"ip tos":                    {{value: "lowdelay"}, {value: "throughput"}, {value: "reliability"}, {value: "mincost"}, {value: "16", back: "lowdelay"}, {value: "184"}, {value: "256", back: "0"}, {value: "-1", back: "255"}},
	"ip ttl":                    {{value: "1"}, {value: "255"}, {value: "-1", back: anyValue}, {value: "256", back: "!einval"}},
	"ip pktoptions":             {{back: "[]"}},
	"ip transparent":            {{value: "true", needs: either}, {value: "false"}},
	"ip unicast_if":             {{value: "1"}, {value: "0"}, {value: "99999", back: "!eaddrnotavail"}},
	"ip local_port_range":       {{value: "#{low=>40000,high=>50000}"}, {value: "#{low=>0,high=>0}"}, {value: "#{low=>2,high=>1}", back: "!einval"}},
	"ip protocol":               {{back: "1"}},
	"ip mcast_join_group":       {{value: groupAddress("inet", "239,1,2,3")}, {value: groupAddress("inet", "239,1,2,3"), back: "!eaddrinuse"}},
	"ip mcast_leave_group":      {{value: groupAddress("inet", "239,1,2,3"), back: "!eaddrnotavail"}, {first: "ip mcast_join_group " + groupAddress("inet", "239,1,2,3"), value: groupAddress("inet", "239,1,2,3")}},

	"ipv6 addrform":         {{back: "inet6"}, {value: "inet", back: unread}, {back: "!enotsup"}}, // an IPv4 socket from then on
	"ipv6 add_membership":   {{value: group6("1")}, {value: group6("1"), back: "!eaddrinuse"}, {value: group6("9999"), back: "!enodev"}},
	"ipv6 drop_membership":  {{value: group6("1"), back: "!eaddrnotavail"}, {first: "ipv6 add_membership " + group6("1"), value: group6("1")}},
	"ipv6 join_group":       {{value: group6("1")}, {value: group6("1"), back: "!eaddrinuse"}},
	"ipv6 leave_group":      {{first: "ipv6 join_group " + group6("1"), value: group6("1")}, {value: group6("1"), back: "!eaddrnotavail"}},
	"ipv6 authhdr":          {{value: "true", back: "!enoprotoopt"}, {back: "!enoprotoopt"}},
	"ipv6 hoplimit":         {{value: "true", back: "!enoprotoopt"}, {back: "!enoprotoopt"}},
	"ipv6 checksum":         {{back: "-1"}, {value: "2"}, {value: "-1"}, {value: "3", back: "!einval"}},
	"ipv6 dstopts":          {{back: "<<>>"}, {value: "<<0,0,1,4,0,0,0,0>>", needs: raw}, {value: "<<>>", needs: raw}, {value: "<<0,0,1>>", back: "!einval", needs: raw}},
	"ipv6 hopopts":          {{back: "<<>>"}, {value: "<<0,0,1,4,0,0,0,0>>", needs: raw}, {value: "<<>>", needs: raw}},
	"ipv6 rthdrdstopts":     {{back: "<<>>"}, {value: "<<0,0,1,4,0,0,0,0>>", needs: raw}, {value: "<<>>", needs: raw}},
	"ipv6 rthdr":            {{back: "<<>>"}, {value: segments}, {value: "<<>>"}, {value: "<<0,2,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1>>", back: "!einval"}},
	"ipv6 mtu":              {{back: "65536"}, {value: "1400", back: anyValue}, {value: "1200", back: "!einval"}},
	"ipv6 mtu_discover":     {{value: "dont"}, {value: "do"}, {value: "probe"}, {value: "want"}, {value: "4"}, {value: "6", back: "!einval"}},
	"ipv6 multicast_hops":   {{value: "10"}, {value: "default", back: "1"}, {value: "0"}, {value: "255"}},
	"ipv6 multicast_if":     {{value: "1"}, {value: "0"}, {value: "999", back: "!enodev"}},
	"ipv6 pktoptions":       {{back: "[]"}, {value: "[]"}, {value: "<<>>", back: "[]"}},
	"ipv6 pktinfo":          {{value: "true"}, {value: "false"}, {value: "#{addr=>{0,0,0,0,0,0,0,1},ifindex=>1}", back: "false"}},
	"ipv6 router_alert":     {{value: "0", back: "0 or !enoprotoopt"}},
	"ipv6 tclass":           {{value: "16"}, {value: "255"}, {value: "-1", back: "0"}, {value: "256", back: "!einval"}},
	"ipv6 unicast_hops":     {{value: "10"}, {value: "default", back: anyValue}, {value: "0"}, {value: "255"}},
	"ipv6 pathmtu":          {{back: anyValue}},
	"ipv6 addr_preferences": {{value: "[tmp]", back: "[tmp,home]"}, {value: "[public]", back: "[public,home]"}, {value: "[tmp,public]", back: "!einval"}},
	"ipv6 minhopcount":      {{value: "10"}, {value: "0"}},
	"ipv6 transparent":      {{value: "true", needs: either}, {value: "false"}},
	"ipv6 unicast_if":       {{value: "1"}, {value: "0"}},
	"ipv6 join_anycast":     {{value: group6("1"), back: "!einval", needs: admin}},
	"ipv6 leave_anycast":    {{value: group6("1"), back: "!enoent"}},
	"ipv6 flowlabel_mgr":    {{value: "#{dst=>{0,0,0,0,0,0,0,1},label=>7,action=>put}", back: "!esrch"}, {value: "#{dst=>{0,0,0,0,0,0,0,1},label=>0,action=>get,share=>any,flags=>[create]}", back: unread}},
	"ipv6 mcast_join_group": {{value: groupAddress("inet6", "65301,0,0,0,0,0,1,2")}},

	"tcp congestion":         {{value: "\"reno\""}, {value: "\"nosuch\"", back: "!enoent"}},
	"tcp info":               {{back: anyValue}},
	"tcp keepcnt":            {{value: "5"}, {value: "127"}, {value: "0", back: "!einval"}, {value: "128", back: "!einval"}},
	"tcp keepidle":           {{value: "30"}, {value: "32767"}, {value: "32768", back: "!einval"}},
	"tcp keepintvl":          {{value: "30"}, {value: "0", back: "!einval"}},
	"tcp maxseg":             {{value: "1000"}, {value: "88"}, {value: "87", back: "!einval"}, {value: "0", back: "536"}},
	"tcp md5sig":             {{value: md5("<<\"secret\">>")}, {value: md5("<<>>")}, {value: md5("<<>>"), back: "!enoent"}, {value: md5("<<\"" + manyBytes(81) + "\">>"), back: "!einval"}},
	"tcp syncnt":             {{value: "3"}, {value: "128", back: "!einval"}},
	"tcp user_timeout":       {{value: "5000"}, {value: "0"}, {value: "-1", back: "!einval"}},
	"tcp linger2":            {{value: "10"}, {value: "-1"}, {value: "200", back: "120"}},
	"tcp defer_accept":       {{value: "5", back: "7"}, {value: "0"}},
	"tcp window_clamp":       {{value: "20000"}, {value: "0"}},
	"tcp thin_dupack":        {{value: "true", back: "false"}},
	"tcp fastopen":           {{value: "5"}, {value: "-1", back: "!einval"}},
	"tcp timestamp":          {{back: anyValue}, {value: "1", back: "!eperm"}},
	"tcp notsent_lowat":      {{value: "16384"}, {value: "4294967295"}},
	"tcp cc_info":            {{first: "tcp congestion \"reno\"", back: "<<>>"}},
	"tcp save_syn":           {{value: "1"}, {value: "2"}, {value: "3", back: "!einval"}},
	"tcp saved_syn":          {{back: "<<>>"}},
	"tcp ulp":                {{back: "\"\""}, {value: "\"nosuch\"", back: "!enoent"}},
	"tcp fastopen_key":       {{back: "<<>>"}, {value: "<<\"" + manyBytes(16) + "\">>"}, {value: "<<\"" + manyBytes(32) + "\">>"}, {value: "<<1>>", back: "!einval"}},
	"tcp tx_delay":           {{value: "1000"}, {value: "0"}},
	"tcp repair":             {{value: "1", needs: admin}, {value: "0", needs: admin}},
	"tcp is_mptcp":           {{back: "false"}},
	"tcp rto_max_ms":         {{value: "2000"}, {value: "100", back: "!einval"}},
	"tcp rto_min_us":         {{value: "100000"}},
	"tcp delack_max_us":      {{value: "40000"}},
	"udp segment":            {{value: "1000"}, {value: "0"}, {value: "65536", back: "!einval"}},
	"udp encap":              {{value: "espinudp"}, {value: "none"}, {value: "3", back: "l2tpinudp"}},
	"packet add_membership":  {{value: "#{ifindex=>1,type=>allmulti}"}, {value: "#{ifindex=>1,type=>multicast,addr=><<1,0,94,1,2,3>>}"}},
	"packet drop_membership": {{first: "packet add_membership #{ifindex=>1,type=>promisc}", value: "#{ifindex=>1,type=>promisc}"}},
	"packet statistics":      {{back: "#{packets=>0,drops=>0}"}},
	"packet version":         {{value: "1"}, {value: "2"}, {value: "0"}, {value: "9", back: "!einval"}},
	"packet hdrlen":          {{back: anyValue}},
	"packet reserve":         {{value: "16"}},
	"packet timestamp":       {{value: "64"}},
	"packet fanout":          {{value: "#{id=>7,type=>0}", back: "!einval"}},
	"packet copy_thresh":     {{value: "100"}},
}

// segments is a routing header of type 4 with one segment (RFC 8754).
const segments = "<<0,2,4,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1>>"

func group(addr string) string { return "#{multiaddr=>{239,1,2,3},interface=>{" + addr + "}}" }

func source(addr string) string {
	return "#{multiaddr=>{239,1,2,3},interface=>{127,0,0,1},sourceaddr=>{" + addr + "}}"
}

func filter(mode, sources string) string {
	return "#{multiaddr=>{239,1,2,3},interface=>{127,0,0,1},mode=>" + mode + ",slist=>[" + sources + "]}"
}

func group6(ifindex string) string {
	return "#{multiaddr=>{65301,0,0,0,0,0,1,2},interface=>" + ifindex + "}"
}

func groupAddress(family, addr string) string {
	return "#{interface=>1,group=>#{family=>" + family + ",addr=>{" + addr + "}}}"
}

func md5(key string) string {
	return "#{addr=>#{family=>inet,addr=>{127,0,0,9}},key=>" + key + "}"
}

func manyBytes(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a'
	}
	return string(b)
}
