package dispatch

import (
	"encoding/binary"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gosocket/socketcore"
)

// bytesOf reads hexadecimal digits. A word of two, four or eight bytes is an integer as little-endian machines have it,
// which is turned round on others, unless it has a mark: =0050 is the same everywhere. v4 stands for a sockaddr_storage
// with 127.0.0.1:80, none for one with nothing, pad for what aligns to eight bytes where pointers have as many.
func bytesOf(t *testing.T, text string) []byte {
	t.Helper()
	var b []byte
	for _, word := range strings.Fields(text) {
		switch word {
		case "v4":
			b = binary.NativeEndian.AppendUint16(b, unix.AF_INET)
			b = append(b, 0, 80, 127, 0, 0, 1)
			b = append(b, make([]byte, 120)...)
		case "pad":
			b = append(b, make([]byte, unix.SizeofPtr-4)...)
		case "none":
			b = append(b, make([]byte, 128)...)
		default:
			digits, asItStands := strings.CutPrefix(word, "=")
			part, err := hex.DecodeString(digits)
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if size := len(part); bigEndian && !asItStands && (size == 2 || size == 4 || size == 8) {
				slices.Reverse(part)
			}
			b = append(b, part...)
		}
	}
	return b
}

var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// nativeOrder turns the integers in the binaries of a term, of four bytes each or one of two, round on a big-endian machine.
func nativeOrder(text string) string {
	if !bigEndian {
		return text
	}
	return binaries.ReplaceAllStringFunc(text, func(binary string) string {
		octets := strings.Split(strings.Trim(binary, "<>"), ",")
		if size := min(len(octets), 4); len(octets)%size == 0 && size != 3 {
			for word := range slices.Chunk(octets, size) {
				slices.Reverse(word)
			}
		}
		return "<<" + strings.Join(octets, ",") + ">>"
	})
}

var binaries = regexp.MustCompile("<<[0-9,]+>>")

const v4 = "#{family=>inet,addr=>{127,0,0,1},port=>80}"

// TestSCTPValuesAsBytes compares terms with the structures of linux/sctp.h, both ways.
func TestSCTPValuesAsBytes(t *testing.T) {
	l := socketcore.LevelNamed([]byte("sctp"))
	for _, c := range []struct{ name, value, bytes, back string }{
		{"adaption_layer", "4294967295", "ffffffff", ""},
		{"associnfo", "#{assoc_id=>1,max_rxt=>2,num_peer_dests=>3,peer_rwnd=>4,local_rwnd=>5,cookie_life=>6}", "01000000 0200 0300 04000000 05000000 06000000", ""},
		{"auth_active_key", "#{assoc_id=>1,keynumber=>2}", "01000000 0200 0000", "2"},
		{"auth_chunk", "192", "c0", ""},
		{"auth_key", "#{assoc_id=>0,keynumber=>2,key=><<7,8,9>>}", "00000000 0200 0300 070809", ""},
		{"autoclose", "-1", "ffffffff", ""},
		{"context", "7", "00000000 07000000", ""},
		{"context", "#{assoc_id=>9,value=>7}", "09000000 07000000", "7"},
		{"default_send_params", "#{stream=>1,ssn=>2,flags=>3,ppid=>4294967295,context=>5,timetolive=>6,tsn=>7,cumtsn=>8,assoc_id=>-1}", "0100 0200 0300 0000 ffffffff 05000000 06000000 07000000 08000000 ffffffff", ""},
		{"delayed_ack_time", "#{assoc_id=>1,delay=>2,freq=>3}", "01000000 02000000 03000000", ""},
		{"hmac_ident", "[sha256,sha1,9]", "03000000 0300 0100 0900", ""},
		{"hmac_ident", "[]", "00000000", ""},
		{"events", events("true", "false"), "01 00000000000000000000000000", ""},
		{"events", events("false", "true"), "00 01010101010101010101010101", ""},
		{"get_peer_addr_info", "#{assoc_id=>1,address=>" + v4 + ",state=>active,cwnd=>2,srtt=>3,rto=>4,mtu=>5}", "01000000 v4 02000000 02000000 03000000 04000000 05000000", ""},
		{"initmsg", "#{num_outstreams=>1,max_instreams=>2,max_attempts=>3,max_init_timeo=>65535}", "0100 0200 0300 ffff", ""},
		{"local_auth_chunks", "[0,128,255]", "00000000 03000000 0080ff", ""},
		{"maxseg", "1200", "00000000 b0040000", ""},
		{"peer_addr_params", "#{assoc_id=>1,address=>" + v4 + ",hbinterval=>2,pathmaxrxt=>3,pathmtu=>4,sackdelay=>5,flags=>[hb_enable,dscp],ipv6_flowlabel=>6,dscp=>7}", "01000000 v4 02000000 0300 04000000 05000000 01020000 06000000 07 00", ""},
		{"primary_addr", "#{assoc_id=>1,addr=>" + v4 + "}", "01000000 v4", ""},
		{"reset_streams", "#{assoc_id=>1,flags=>[incoming,outgoing],streams=>[1,500]}", "01000000 0300 0200 0100 f401", ""},
		{"rtoinfo", "#{assoc_id=>1,initial=>2,max=>3,min=>4}", "01000000 02000000 03000000 04000000", ""},
		{"set_peer_primary_addr", "#{addr=>" + v4 + "}", "00000000 v4", "#{assoc_id=>0,addr=>" + v4 + "}"},
		{
			"status", "#{assoc_id=>1,state=>established,rwnd=>2,unackdata=>3,penddata=>4,instrms=>5,outstrms=>6,fragmentation_point=>7,primary=>#{assoc_id=>1,address=>" + v4 + ",state=>99,cwnd=>2,srtt=>3,rto=>4,mtu=>5}}",
			"01000000 04000000 02000000 0300 0400 0500 0600 07000000 01000000 v4 63000000 02000000 03000000 04000000 05000000", "",
		},
		{"default_sndinfo", "#{sid=>1,flags=>2,ppid=>3,context=>4,assoc_id=>5}", "0100 0200 03000000 04000000 05000000", ""},
		{"peer_addr_thlds_v2", "#{assoc_id=>1,address=>undefined,pathmaxrxt=>2,pathpfthld=>3,pathcpthld=>4}", "01000000 pad none 0200 0300 0400 0000", ""},
		{"get_assoc_id_list", "[1,70000]", "02000000 01000000 70110100", ""},
		{"pr_supported", "true", "00000000 01000000", ""},
		{"default_prinfo", "#{assoc_id=>1,value=>2,policy=>prio}", "01000000 02000000 3000 0000", ""},
		{"pr_stream_status", "#{assoc_id=>1,sid=>2,policy=>rtx,abandoned_unsent=>18446744073709551615,abandoned_sent=>3}", "01000000 0200 2000 ffffffffffffffff 0300000000000000", ""},
		{"enable_stream_reset", "[stream,change,64]", "00000000 45000000", ""},
		{"add_streams", "#{assoc_id=>1,instrms=>2,outstrms=>3}", "01000000 0200 0300", ""},
		{"stream_scheduler", "rr", "00000000 02000000", ""},
		{"event", "#{assoc_id=>0,type=>sender_dry_event,on=>true}", "00000000 0980 01 00", ""},
		{"event", "#{type=>40000,on=>false}", "00000000 409c 00 00", "#{assoc_id=>0,type=>40000,on=>false}"},
		{"remote_udp_encaps_port", "#{assoc_id=>1,address=>" + v4 + ",port=>9899}", "01000000 pad v4 =26ab 0000 pad", ""},
		{"plpmtud_probe_interval", "#{assoc_id=>1,address=>undefined,interval=>2}", "01000000 pad none 02000000 pad", ""},
	} {
		o := l.Option([]byte(c.name))
		if c.back == "" {
			c.back = c.value
		}
		want := bytesOf(t, c.bytes)
		got, fits := encodeValue(o.Type, bigTerm(t, c.value))
		if fits != fitting || hex.EncodeToString(got) != hex.EncodeToString(want) {
			t.Errorf("%s %s is %x (%d), want %x", c.name, c.value, got, fits, want)
		}
		if back := show(t, appendValue(nil, o.Type, want)); back != show(t, bigTerm(t, c.back)) {
			t.Errorf("%s % x is read as %s, want %s", c.name, want, back, c.back)
		}
	}
}

// bigTerm reads a term whose largest number is 2^64-1.
func bigTerm(t *testing.T, text string) []byte {
	const most = "18446744073709551615"
	b := string(term(t, strings.ReplaceAll(text, most, "'most'")))
	return []byte(strings.ReplaceAll(b, "w\x04most", "n\x08\x00\xff\xff\xff\xff\xff\xff\xff\xff"))
}

func TestPackedAddressesAsBytes(t *testing.T) {
	o := socketcore.LevelNamed([]byte("sctp")).Option([]byte("get_peer_addrs"))
	inet := "0200 =0050 =7f000001 0000000000000000 "
	inet6 := "0a00 =0051 00000000 00000000000000000000000000000001 00000000 "
	const six = "#{addr=>{0,0,0,0,0,0,0,1},family=>inet6,flowinfo=>0,port=>81,scope_id=>0}"
	four := show(t, term(t, v4))
	for bytes, want := range map[string]string{
		"01000000 02000000 " + inet + inet6 + "0000": "[" + four + "," + six + "]",
		"01000000 01000000 " + inet6 + "0200 =0050":  "[" + six + "]",
		"01000000 00000000":                          "[]",
		"0100":                                       "[]",
	} {
		if got := show(t, appendValue(nil, o.Type, bytesOf(t, bytes))); got != want {
			t.Errorf("%s is %s, want %s", bytes, got, want)
		}
	}
}

func TestSCTPControlMessagesAsBytes(t *testing.T) {
	for _, c := range []struct {
		typ                int
		name, data, bytes  string
		back               string
		received, sendable bool
	}{
		{0, "init", "#{num_outstreams=>5}", "0500 0000 0000 0000", "#{num_outstreams=>5,max_instreams=>0,max_attempts=>0,max_init_timeo=>0}", true, true},
		{1, "sndrcv", "#{stream=>1,ppid=>2,assoc_id=>3}", "0100 0000 0000 0000 02000000 00000000 00000000 00000000 00000000 03000000", "#{stream=>1,ssn=>0,flags=>0,ppid=>2,context=>0,timetolive=>0,tsn=>0,cumtsn=>0,assoc_id=>3}", true, true},
		{2, "sndinfo", "#{sid=>1,flags=>512,ppid=>2,context=>3,assoc_id=>4}", "0100 0002 02000000 03000000 04000000", "", true, true},
		{3, "rcvinfo", "#{sid=>1,ssn=>2,flags=>3,ppid=>4,tsn=>5,cumtsn=>6,context=>7,assoc_id=>8}", "0100 0200 0300 0000 04000000 05000000 06000000 07000000 08000000", "", true, false},
		{4, "nxtinfo", "#{sid=>1,flags=>2,ppid=>3,length=>4,assoc_id=>5}", "0100 0200 03000000 04000000 05000000", "", true, false},
		{5, "prinfo", "#{policy=>ttl,value=>100}", "1000 0000 64000000", "", true, true},
		{6, "authinfo", "7", "0700", "", true, true},
		{7, "dstaddrv4", "{1,2,3,4}", "=01020304", "", true, true},
		{8, "dstaddrv6", "{1,2,3,4,5,6,7,65535}", "=0001 =0002 =0003 =0004 =0005 =0006 =0007 ffff", "", true, true},
	} {
		if c.back == "" {
			c.back = c.data
		}
		want := socketcore.AppendCmsg(nil, socketcore.SolSCTP, c.typ, bytesOf(t, c.bytes))
		element := "{level=>sctp,type=>" + c.name + ",data=>"
		got, v := decodeCtrl(decoderOf(t, "[#"+element+c.data+"}]"), nil, 1024)
		if c.sendable != v.ok() || c.sendable && hex.EncodeToString(got) != hex.EncodeToString(want) {
			t.Errorf("%s is %x, want %x", c.data, got, want)
		}
		if got := show(t, appendCtrl(nil, want)); got != show(t, term(t, "[#"+element+c.back+"}]")) {
			t.Errorf("%x is %s", want, got)
		}
	}
}

func TestIntegersAsBytes(t *testing.T) {
	integer := socketcore.LevelNamed([]byte("ip")).Option([]byte("ttl")).Type
	for bytes, want := range map[string]string{"": "0", "40": "64", "2c01": "300", "70110100": "70000", "ffffffff": "-1", "40000000 ff": "64"} {
		if got := show(t, appendValue(nil, integer, bytesOf(t, bytes))); got != want {
			t.Errorf("%s is %s, want %s", bytes, got, want)
		}
	}
}

// TestBitFieldsAsBytes has the bytes that compilers make of the bit fields of struct tcp_info.
func TestBitFieldsAsBytes(t *testing.T) {
	bytes := "07 03 00 00 00 00 a5 05" // scales 5 and 10, app_limited, client_fail 2
	if bigEndian {
		bytes = "07 03 00 00 00 00 5a c0"
	}
	got := show(t, appendValue(nil, socketcore.LevelNamed([]byte("tcp")).Option([]byte("info")).Type, bytesOf(t, bytes)))
	for _, want := range []string{"snd_wscale=>5,", "rcv_wscale=>10,", "delivery_rate_app_limited=>1,", "fastopen_client_fail=>2,"} {
		if !strings.Contains(strings.ReplaceAll(got, "}", ","), want) {
			t.Errorf("% x is %s, want %s", bytesOf(t, bytes), got, want)
		}
	}
}

// TestMembershipsAsBytes looks at the order of the addresses, which differs from system
// to system.
func TestMembershipsAsBytes(t *testing.T) {
	for _, c := range []struct{ level, name, value, bytes string }{
		{"ip", "add_membership", "#{multiaddr=>{239,1,2,3},interface=>any}", "=ef010203 00000000"},
		{"ip", "add_source_membership", source("10,9,8,7"), "=ef010203 =7f000001 =0a090807"},
		{"ip", "msfilter", filter("include", "{1,2,3,4},{5,6,7,8}"), "=ef010203 =7f000001 01000000 02000000 =01020304 =05060708"},
		{"ipv6", "add_membership", group6("7"), "=ff15 0000 0000 0000 0000 0000 =0001 =0002 07000000"},
		{"ip", "mcast_join_group", groupAddress("inet", "239,1,2,3"), "01000000 pad 0200 0000 =ef010203 " + strings.Repeat("00", 120)},
		{"ip", "local_port_range", "#{low=>1,high=>2}", "01000200"},
		{"packet", "fanout", "#{id=>1,type=>2}", "01000200"},
		{"packet", "add_membership", "#{ifindex=>1,type=>unicast,addr=><<1,2,3,4,5,6>>}", "01000000 0300 0600 =0102030405060000"},
		{"ipv6", "flowlabel_mgr", "#{dst=>{0,0,0,0,0,0,0,1},label=>74565,action=>renew,share=>any,flags=>[excl],expires=>6,linger=>7}", "00000000000000000000000000000001 =00012345 02 ff 0200 0600 0700 00000000"},
		{"tcp", "md5sig", "#{addr=>" + v4 + ",key=><<1,2,3>>}", "v4 00 00 0300 00000000 010203 " + strings.Repeat("00", 77)},
	} {
		o := socketcore.LevelNamed([]byte(c.level)).Option([]byte(c.name))
		if got, fits := encodeValue(o.Type, term(t, c.value)); fits != fitting || hex.EncodeToString(got) != hex.EncodeToString(bytesOf(t, c.bytes)) {
			t.Errorf("%s is %x, want %x", c.value, got, bytesOf(t, c.bytes))
		}
	}
}
