package dispatch

import (
	"encoding/binary"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosocket/socketcore"
)

// sctpExtensionProofs are those of what came to SCTP later: authentication (RFC 4895), partial
// reliability (RFC 3758), changes of addresses (RFC 5061) and streams (RFC 6525), schedulers
// and interleaving (RFC 8260), and UDP around it (RFC 6951).
var sctpExtensionProofs = []proof{
	{
		"sctp auth_key, sctp auth_active_key, sctp auth_chunk, sctp hmac_ident, sctp local_auth_chunks, sctp peer_auth_chunks, sctp auth_supported",
		"SCTP: data are authenticated on the wire, and dropped when the key is another", proveAuthentication,
	},
	{"sctp auth_delete_key, sctp auth_deactivate_key, sctp auth_active_key", "SCTP: a key that is gone cannot be used", proveAuthKeys},
	{"sctp auth_asconf", "SCTP: the peer learns of an address that the host gets", proveAutoAsconf},
	{"sctp set_peer_primary_addr, sctp asconf_supported, sctp primary_addr", "SCTP: the peer changes its primary address", proveSetPeerPrimary},
	{"sctp fragment_interleave, sctp interleaving_supported", "SCTP: interleaving wants the other one, and has chunks of its own", proveInterleaving},
	{"sctp reset_streams, sctp enable_stream_reset, sctp reconfig_supported", "SCTP: a stream begins again with number 0", proveResetStreams},
	{"sctp add_streams, sctp enable_stream_reset, sctp status", "SCTP: both ends have more streams", proveAddStreams},
	{"sctp reset_assoc, sctp enable_stream_reset", "SCTP: both ends are told", proveResetAssociation},
	{"sctp default_prinfo, sctp pr_supported, sctp pr_assoc_status, sctp pr_stream_status", "SCTP: a message that waits too long is given up", provePartialReliability},
	{"sctp stream_scheduler, sctp stream_scheduler_value", "SCTP: what waits leaves in the order of its streams", proveScheduler},
	{
		"sctp auth_supported, sctp pr_supported, sctp ecn_supported, sctp asconf_supported, sctp reconfig_supported, sctp adaption_layer",
		"SCTP: the first packet names it", proveInit,
	},
	{"sctp remote_udp_encaps_port", "SCTP: packets go to the port of UDP", proveEncapsulation},
	{"sctp reuse_port", "SCTP: two sockets have one port", proveSCTPReusePort},
	{"sctp peer_addr_thlds, sctp peer_addr_thlds_v2", "SCTP: /proc/net/sctp/remaddr shows the path's", proveThresholds},
}

// authenticated are the options of an end that can authenticate.
func authenticated(secret string) []string {
	return []string{
		"sctp auth_supported true", "sctp hmac_ident [sha256,sha1]",
		"sctp auth_key #{keynumber=>1,key=><<\"" + secret + "\">>}", "sctp auth_active_key 1",
	}
}

func proveAuthentication(t *testing.T) {
	sctpWorld(t)
	server := append(authenticated("secret"), "sctp auth_chunk 0")
	w := tap(t, 1)
	e := association(t, authenticated("secret"), server)
	run(t, e.rx, []step{{"sctp", "local_auth_chunks", "", "{ok,[0]}"}})
	run(t, e.tx, []step{{"sctp", "peer_auth_chunks", "", "{ok,[0]}"}})
	says(t, e.tx, "known")
	if got := comes(t, e.rx); got != "known" {
		t.Errorf("got %s", got)
	}
	chunks := w.passes(ofType(chunkData))
	const sha256 = 3
	if a := chunks[0]; a.typ != chunkAuth || binary.BigEndian.Uint16(a.value) != 1 || binary.BigEndian.Uint16(a.value[2:]) != sha256 {
		t.Errorf("chunk %d % x", a.typ, a.value)
	}
	stranger := association(t, authenticated("guess"), server)
	says(t, stranger.tx, "unknown")
	w.passes(func(c chunk) bool { return c.typ == chunkData && strings.HasSuffix(string(c.value), "unknown") })
	if ready(t, stranger.rx.fd, unix.POLLIN, 100*time.Millisecond) {
		t.Error("data with another key came")
	}
}

func proveAuthKeys(t *testing.T) {
	sctpWorld(t)
	second := "sctp auth_key #{keynumber=>2,key=><<\"other\">>}"
	s := sctpSocket(t, unix.AF_INET, unix.SOCK_STREAM, append(authenticated("secret"), second)...)
	run(t, s, []step{
		{"sctp", "auth_delete_key", "1", "{error,einval}"}, // the active one
		{"sctp", "auth_active_key", "2", "ok"},
		{"sctp", "auth_delete_key", "1", "ok"},
		{"sctp", "auth_active_key", "1", "{error,einval}"},
		{"sctp", "auth_active_key", "0", "ok"},
		{"sctp", "auth_deactivate_key", "2", "ok"},
		{"sctp", "auth_active_key", "2", "{error,einval}"},
	})
}

// asconfWorld is a world where associations may change their addresses unauthenticated.
func asconfWorld(t *testing.T) {
	t.Helper()
	sctpWorld(t, "addip_enable=1", "addip_noauth_enable=1")
}

func proveAutoAsconf(t *testing.T) {
	asconfWorld(t)
	const asconf = "sctp asconf_supported true"
	l := sctpSocket(t, unix.AF_INET, unix.SOCK_STREAM, asconf)
	must(t, unix.Bind(l.fd, &unix.SockaddrInet4{}))
	must(t, unix.Listen(l.fd, 4))
	sets(t, l, "sctp auth_asconf true")
	run(t, l, []step{{"sctp", "auth_asconf", "", "{ok,true}"}})
	c := sctpSocket(t, unix.AF_INET, unix.SOCK_STREAM, asconf)
	associates(t, c, portOf(nameOf(t, l)))
	s := nextOf(t, l)
	sets(t, s, "sctp auth_asconf true")
	before := get(t, c, "sctp", "get_peer_addrs")
	if out, err := exec.Command("ip", "address", "add", "127.0.0.77/32", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	eventually(t, "the peer has the address", func() bool { return strings.Contains(get(t, c, "sctp", "get_peer_addrs"), "{127,0,0,77}") })
	if strings.Contains(before, "{127,0,0,77}") {
		t.Errorf("it had it before: %s", before)
	}
}

func proveSetPeerPrimary(t *testing.T) {
	asconfWorld(t)
	const asconf = "sctp asconf_supported true"
	l, port := sctpListener(t, unix.SOCK_STREAM, []byte{1, 2}, asconf)
	c := sctpSocket(t, unix.AF_INET, unix.SOCK_STREAM, asconf)
	associates(t, c, port)
	s := nextOf(t, l)
	for _, last := range []int{2, 1} {
		addr := addrOnWire(last, port)
		eventually(t, "both paths work", func() bool {
			return strings.Contains(get(t, c, "sctp", "{get_peer_addr_info,#{address=>"+addr+"}}"), "state=>active")
		})
		sets(t, s, "sctp set_peer_primary_addr #{addr=>"+addr+"}")
		eventually(t, "the peer has changed", func() bool { return strings.Contains(get(t, c, "sctp", "primary_addr"), addrShown(last, port)) })
	}
}

// addrShown is an address as a get has it.
func addrShown(last, port int) string {
	return strings.Replace(strings.Replace(addrOnWire(last, port), "family=>inet,", "", 1), ",port", ",family=>inet,port", 1)
}

func proveInterleaving(t *testing.T) {
	sctpWorld(t, "intl_enable=1")
	s := open(t, socketcore.SCTP)
	run(t, s, []step{
		{"sctp", "interleaving_supported", "true", "{error,eperm}"},
		{"sctp", "fragment_interleave", "2", "ok"},
		{"sctp", "interleaving_supported", "true", "ok"},
	})
	w := tap(t, 1)
	e := both(t, "sctp fragment_interleave 1", "sctp interleaving_supported true")
	says(t, e.tx, "x")
	comes(t, e.rx)
	w.passes(ofType(chunkIData))
}

// reconfigurable are the options of an end whose streams may change.
var reconfigurable = []string{"sctp reconfig_supported true", "sctp enable_stream_reset [stream,assoc,change]"}

func proveResetStreams(t *testing.T) {
	sctpWorld(t)
	e := both(t, append(reconfigurable, "sctp nodelay true")...)
	sets(t, e.rx, "sctp recvrcvinfo true", "sctp event #{type=>stream_reset_event,on=>true}")
	sets(t, e.tx, "sctp default_sndinfo #{sid=>1}")
	for _, ssn := range []string{"ssn=>0", "ssn=>1"} {
		says(t, e.tx, "x")
		wants(t, carried(t, e.rx), ssn)
	}
	// What is on its way has to be acknowledged first.
	eventually(t, "nothing is on its way", func() bool { return numberIn(t, get(t, e.tx, "sctp", "status"), "unackdata") == 0 })
	sets(t, e.tx, "sctp reset_streams #{flags=>[outgoing],streams=>[1]}")
	const reset = 0x800a
	if typ, body := notified(t, e.rx); typ != reset || binary.NativeEndian.Uint16(body[4:]) != 1 {
		t.Errorf("notification %#x % x", typ, body)
	}
	says(t, e.tx, "x")
	wants(t, carried(t, e.rx), "ssn=>0")
}

func proveAddStreams(t *testing.T) {
	sctpWorld(t)
	e := both(t, reconfigurable...)
	sets(t, e.tx, "sctp add_streams #{outstrms=>7}")
	eventually(t, "7 more", func() bool {
		return numberIn(t, get(t, e.tx, "sctp", "status"), "outstrms") == 17 && numberIn(t, get(t, e.rx, "sctp", "status"), "instrms") == 17
	})
}

func proveResetAssociation(t *testing.T) {
	sctpWorld(t)
	e := both(t, reconfigurable...)
	for _, s := range []*fakeSocket{e.tx, e.rx} {
		sets(t, s, "sctp event #{type=>assoc_reset_event,on=>true}")
	}
	sets(t, e.tx, "sctp reset_assoc 0")
	for _, s := range []*fakeSocket{e.tx, e.rx} {
		const reset = 0x800b
		if typ, _ := notified(t, s); typ != reset {
			t.Errorf("notification %#x", typ)
		}
	}
}

// provePartialReliability has a message wait for a receiver that has no room.
func provePartialReliability(t *testing.T) {
	sctpWorld(t)
	abandoned := func(supported string) (whole, stream int) {
		e := both(t, "sctp pr_supported "+supported)
		says(t, e.tx, strings.Repeat("x", 130000))
		sets(t, e.tx, "sctp default_prinfo #{policy=>ttl,value=>1}")
		says(t, e.tx, strings.Repeat("late", 1000))
		sets(t, e.tx, "sctp default_prinfo #{policy=>none,value=>0}")
		late := func() int {
			return numberIn(t, get(t, e.tx, "sctp", "{pr_assoc_status,#{policy=>ttl}}"), "abandoned_unsent")
		}
		data, b := 0, make([]byte, 1<<17)
		for end := time.Now().Add(patience); data < 130000 && time.Now().Before(end) && ready(t, e.rx.fd, unix.POLLIN, patience); {
			n, _, err := unix.Recvfrom(e.rx.fd, b, unix.MSG_DONTWAIT)
			must(t, err)
			data += n
		}
		says(t, e.tx, "end")
		for !strings.HasSuffix(comes(t, e.rx), "end") {
		}
		return late(), numberIn(t, get(t, e.tx, "sctp", "{pr_stream_status,#{policy=>ttl,sid=>0}}"), "abandoned_unsent")
	}
	if whole, stream := abandoned("true"); whole != 1 || stream != 1 {
		t.Errorf("%d given up, %d of the stream", whole, stream)
	}
	if whole, stream := abandoned("false"); whole != 0 || stream != 0 {
		t.Errorf("%d given up, %d of the stream, though the association cannot", whole, stream)
	}
}

// proveScheduler has messages wait for an acknowledgement: that of the first one comes at
// once, that of the second one late.
func proveScheduler(t *testing.T) {
	sctpWorld(t)
	order := func(scheduler string) (got string) {
		e := both(t)
		sets(t, e.tx, "sctp stream_scheduler "+scheduler)
		if scheduler == "prio" {
			sets(t, e.tx, "sctp stream_scheduler_value #{stream_id=>1,value=>2}", "sctp stream_scheduler_value #{stream_id=>2,value=>1}")
			run(t, e.tx, []step{{"sctp", "{stream_scheduler_value,#{stream_id=>2}}", "", "{ok,#{assoc_id=>0,stream_id=>2,value=>1}}"}})
		}
		for _, c := range []string{"0a", "0b", "1c", "2d"} {
			sets(t, e.tx, "sctp default_sndinfo #{sid=>"+c[:1]+"}")
			says(t, e.tx, c[1:])
		}
		for range 4 {
			got += comes(t, e.rx)
		}
		return got
	}
	for scheduler, want := range map[string]string{"fcfs": "abcd", "prio": "abdc"} {
		if got := order(scheduler); got != want {
			t.Errorf("%s: %s, want %s", scheduler, got, want)
		}
	}
}

// proveInit reads what the first packet says of its sender: parameters, and in one of them the
// types of chunks that it knows.
func proveInit(t *testing.T) {
	asconfWorld(t)
	const random, ecn, partial, extensions, adaptation = 0x8002, 0x8000, 0xc000, 0x8008, 0xc006
	const asconf, reconfig = 0xc1, 130
	_, port := sctpListener(t, unix.SOCK_STREAM, []byte{1})
	first := func(options ...string) (parameters map[uint16][]byte) {
		w := tap(t, 1)
		associates(t, sctpSocket(t, unix.AF_INET, unix.SOCK_STREAM, options...), port)
		parameters = make(map[uint16][]byte)
		for p := w.passes(ofType(chunkInit))[0].value[16:]; len(p) >= 4; {
			n := int(binary.BigEndian.Uint16(p[2:]))
			parameters[binary.BigEndian.Uint16(p)] = p[4:n]
			p = p[min((n+3)&^3, len(p)):]
		}
		return parameters
	}
	with := first("sctp auth_supported true", "sctp ecn_supported true", "sctp pr_supported true", "sctp asconf_supported true",
		"sctp reconfig_supported true", "sctp adaption_layer 7")
	without := first("sctp auth_supported false", "sctp ecn_supported false", "sctp pr_supported false", "sctp asconf_supported false",
		"sctp reconfig_supported false")
	for _, p := range []uint16{random, ecn, partial} {
		if with[p] == nil || without[p] != nil {
			t.Errorf("parameter %#x: % x with it, % x without", p, with[p], without[p])
		}
	}
	for _, c := range []byte{asconf, reconfig} {
		if !slices.Contains(with[extensions], c) || slices.Contains(without[extensions], c) {
			t.Errorf("chunk %#x: in % x with it, in % x without", c, with[extensions], without[extensions])
		}
	}
	if got := with[adaptation]; string(got) != "\x00\x00\x00\x07" && string(got) != "\x07\x00\x00\x00" {
		t.Errorf("adaptation % x", got)
	}
}

func proveEncapsulation(t *testing.T) {
	sctpWorld(t, "udp_port=9899")
	w := tap(t, 1)
	e := association(t, []string{"sctp remote_udp_encaps_port #{port=>9899}"}, nil)
	p := w.next(isVersion(4, unix.IPPROTO_UDP))
	if port := binary.BigEndian.Uint16(p[22:]); port != 9899 {
		t.Errorf("to port %d", port)
	}
	says(t, e.tx, "wrapped")
	if got := comes(t, e.rx); got != "wrapped" {
		t.Errorf("got %s", got)
	}
}

func proveSCTPReusePort(t *testing.T) {
	sctpWorld(t)
	const reuse = "sctp reuse_port true"
	first := sctpSocket(t, unix.AF_INET, unix.SOCK_STREAM, reuse)
	must(t, unix.Bind(first.fd, localhost(unix.AF_INET)))
	name := nameOf(t, first)
	if err := unix.Bind(sctpSocket(t, unix.AF_INET, unix.SOCK_STREAM).fd, name); err != unix.EADDRINUSE {
		t.Errorf("got %v", err)
	}
	must(t, unix.Bind(sctpSocket(t, unix.AF_INET, unix.SOCK_STREAM, reuse).fd, name))
}

func proveThresholds(t *testing.T) {
	sctpWorld(t)
	e := both(t)
	addr := peerAddrs(t, e.tx)
	for option, want := range map[string]string{"peer_addr_thlds": "9", "peer_addr_thlds_v2": "11"} {
		value := "address=>" + addr + ",pathmaxrxt=>" + want + ",pathpfthld=>2"
		if option == "peer_addr_thlds_v2" {
			value += ",pathcpthld=>3"
		}
		sets(t, e.tx, "sctp "+option+" #{"+value+"}")
		// ADDR ASSOC_ID HB_ACT RTO MAX_PATH_RTX ...: of both ends, on one host
		if table := proc(t, "sctp/remaddr"); !slices.ContainsFunc(strings.Split(table, "\n"), func(line string) bool {
			f := strings.Fields(line)
			return len(f) > 4 && f[4] == want
		}) {
			t.Errorf("no %s in %s", want, table)
		}
	}
}
