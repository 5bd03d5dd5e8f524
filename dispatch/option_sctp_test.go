package dispatch

import (
	"maps"
	"testing"

	"gosocket/socketcore"
)

func init() { maps.Copy(optionTries, sctpTries) }

// withAuth is what the options of RFC 4895 want first.
const withAuth = "sctp auth_supported true"

// sctpTries are the values for SCTP. Few kernels have it: where there is none, the
// matrix skips these rows and TestSCTPValuesAsBytes alone looks at their form.
var sctpTries = map[string][]try{
	"sctp adaption_layer":         {{value: "305419896"}, {value: "0"}},
	"sctp associnfo":              {{value: associnfo("7", "30000")}, {value: associnfo("0", "0"), back: associnfo("7", "30000")}},
	"sctp auth_active_key":        {{back: "!eacces"}, {first: withAuth, back: "0"}, {value: "9", back: "!einval"}, {first: authKey, value: "1"}, {value: "#{keynumber=>0}", back: "0"}},
	"sctp auth_asconf":            {{value: "false"}, {value: "true", back: "!einval"}},
	"sctp auth_chunk":             {{value: "0", back: "!eacces"}, {first: withAuth, value: "0"}, {value: "1", back: "!einval"}},
	"sctp auth_key":               {{first: withAuth, value: "#{keynumber=>1,key=><<\"secret\">>}"}, {value: "#{keynumber=>2,key=><<>>}", back: "!einval"}},
	"sctp auth_delete_key":        {{first: withAuth, value: "7", back: "!einval"}, {first: authKey, value: "1"}},
	"sctp auth_deactivate_key":    {{first: withAuth, value: "7", back: "!einval"}, {first: authKey, value: "1"}},
	"sctp autoclose":              {{value: "10"}, {value: "0"}},
	"sctp context":                {{value: "7"}, {value: "#{assoc_id=>0,value=>8}", back: "8"}},
	"sctp default_send_params":    {{value: sndrcvinfo}},
	"sctp delayed_ack_time":       {{value: "#{assoc_id=>0,delay=>300,freq=>3}"}, {value: "#{delay=>501}", back: "!einval"}},
	"sctp hmac_ident":             {{back: "!eacces"}, {first: withAuth, back: "[sha1]"}, {value: "[sha256,sha1]"}, {value: "[1]", back: "[sha1]"}, {value: "[2]", back: "!enotsup"}},
	"sctp events":                 {{value: events("true", "false")}, {value: events("false", "true")}},
	"sctp fragment_interleave":    {{value: "1"}, {value: "0"}, {value: "2", back: "1"}},
	"sctp get_peer_addr_info":     {{back: "!einval"}}, // TestSCTPAsksForAPeerAddress names one
	"sctp initmsg":                {{value: "#{num_outstreams=>5,max_instreams=>6,max_attempts=>3,max_init_timeo=>1000}"}},
	"sctp local_auth_chunks":      {{back: "!eacces"}, {first: withAuth, back: anyValue}},
	"sctp maxseg":                 {{value: "1200"}, {value: "0"}, {value: "100", back: "!einval"}},
	"sctp maxburst":               {{back: "4"}, {value: "9"}},
	"sctp partial_delivery_point": {{value: "1000"}, {value: "4294967295", back: "!einval"}},
	"sctp peer_addr_params": {
		{value: "#{hbinterval=>5000,flags=>[hb_enable]}", back: anyValue},
		{value: "#{flags=>[hb_enable,hb_disable]}", back: "!einval"},
		{value: "#{pathmaxrxt=>7,ipv6_flowlabel=>5,flags=>[]}", back: anyValue},
	},
	"sctp peer_auth_chunks":       {{back: "!eacces"}},
	"sctp primary_addr":           {{back: anyValue}, {value: "#{addr=>#{family=>inet,addr=>{10,9,8,7},port=>1}}", back: "!einval"}},
	"sctp reset_streams":          {{value: "#{flags=>[outgoing],streams=>[1,2]}", back: "!enoprotoopt"}},
	"sctp rtoinfo":                {{value: rtoinfo("4000", "50000", "900")}, {value: rtoinfo("0", "0", "0"), back: rtoinfo("4000", "50000", "900")}, {value: rtoinfo("4000", "100", "900"), back: "!einval"}},
	"sctp set_peer_primary_addr":  {{value: "#{addr=>#{family=>inet,addr=>{127,0,0,1},port=>1}}", back: "!eperm"}},
	"sctp status":                 {{back: anyValue}},
	"sctp default_sndinfo":        {{value: "#{sid=>3,flags=>1,ppid=>4294967295,context=>5,assoc_id=>0}"}},
	"sctp peer_addr_thlds":        {{value: "#{assoc_id=>0,address=>undefined,pathmaxrxt=>7,pathpfthld=>3}"}},
	"sctp peer_addr_thlds_v2":     {{back: anyValue}},
	"sctp get_assoc_number":       {{back: "0"}},
	"sctp get_assoc_id_list":      {{back: "[]"}},
	"sctp get_peer_addrs":         {{back: anyValue}},
	"sctp get_local_addrs":        {{back: "[]"}},
	"sctp get_assoc_stats":        {{back: anyValue}},
	"sctp default_prinfo":         {{value: "#{assoc_id=>0,value=>100,policy=>ttl}"}, {value: "#{policy=>rtx,value=>3,assoc_id=>0}"}},
	"sctp pr_assoc_status":        {{back: "!einval"}}, // wants a policy: TestSCTPAsksForAPolicy
	"sctp pr_stream_status":       {{back: "!einval"}},
	"sctp enable_stream_reset":    {{value: "[stream,change]"}, {value: "[]"}},
	"sctp reset_assoc":            {{value: "0", back: "!enoprotoopt"}},
	"sctp add_streams":            {{value: "#{outstrms=>2}", back: "!enoprotoopt"}},
	"sctp stream_scheduler":       {{value: "prio"}, {value: "rr"}, {value: "fcfs"}, {value: "9", back: "!einval"}},
	"sctp stream_scheduler_value": {{value: "#{stream_id=>0,value=>5}", back: unread}},
	"sctp interleaving_supported": {{back: "false"}, {value: "true", back: "!eperm"}},
	"sctp peeloff":                {{back: "!einval"}}, // wants an association
	"sctp event":                  {{back: "!einval"}, {value: "#{type=>assoc_change,on=>true}", back: unread}, {value: "#{type=>7,on=>true}", back: "!einval"}},
	"sctp expose_pf_state":        {{value: "1"}, {value: "2"}, {value: "0"}},
	"sctp remote_udp_encaps_port": {{value: "#{assoc_id=>0,address=>undefined,port=>9899}"}},
	"sctp plpmtud_probe_interval": {{value: "#{assoc_id=>0,address=>undefined,interval=>6000}"}},
}

const (
	authKey    = "sctp auth_key #{keynumber=>1,key=><<\"secret\">>}"
	sndrcvinfo = "#{stream=>1,ssn=>0,flags=>1,ppid=>4,context=>5,timetolive=>6,tsn=>0,cumtsn=>0,assoc_id=>0}"
)

func associnfo(retransmissions, life string) string {
	return "#{assoc_id=>0,max_rxt=>" + retransmissions + ",num_peer_dests=>0,peer_rwnd=>0,local_rwnd=>0,cookie_life=>" + life + "}"
}

func rtoinfo(initial, most, least string) string {
	return "#{assoc_id=>0,initial=>" + initial + ",max=>" + most + ",min=>" + least + "}"
}

func events(first, others string) string {
	text := "#{data_in=>" + first
	for _, key := range []string{
		"association", "address", "send_failure", "peer_error", "shutdown", "partial_delivery", "adaptation_layer", "authentication",
		"sender_dry", "stream_reset", "assoc_reset", "stream_change", "send_failure_event",
	} {
		text += "," + key + "=>" + others
	}
	return text + "}"
}

// peerOf returns the address of the peer as a query wants it.
func peerAddrs(t *testing.T, s *fakeSocket) string {
	t.Helper()
	addrs := get(t, s, "sctp", "get_peer_addrs")
	const head, tail = "{ok,[", "]}"
	if len(addrs) <= len(head)+len(tail) {
		t.Fatalf("peer addresses: %s", addrs)
	}
	return addrs[len(head) : len(addrs)-len(tail)]
}

func TestSCTPAsksForAPeerAddress(t *testing.T) {
	s := open(t, socketcore.SCTPPair)
	addr := peerAddrs(t, s)
	got := get(t, s, "sctp", "{get_peer_addr_info,#{address=>"+addr+"}}")
	const want = "{ok,#{address=>"
	if len(got) < len(want) || got[:len(want)] != want {
		t.Errorf("got %s", got)
	}
	run(t, s, []step{
		{"sctp", "primary_addr", "#{addr=>" + addr + "}", "ok"},
		{"sctp", "{event,#{type=>assoc_change}}", "", "{ok,#{assoc_id=>0,on=>false,type=>assoc_change}}"},
		{"sctp", "event", "#{type=>assoc_change,on=>true}", "ok"},
		{"sctp", "{event,#{type=>assoc_change}}", "", "{ok,#{assoc_id=>0,on=>true,type=>assoc_change}}"},
		{"sctp", "{context,#{assoc_id=>0}}", "", "{ok,0}"},
	})
}

func TestSCTPAsksForAPolicy(t *testing.T) {
	run(t, open(t, socketcore.SCTPPair), []step{
		{"sctp", "{pr_assoc_status,#{policy=>ttl}}", "", "{ok,#{abandoned_sent=>0,abandoned_unsent=>0,assoc_id=>0,policy=>ttl,sid=>0}}"},
		{"sctp", "{pr_stream_status,#{policy=>rtx,sid=>1}}", "", "{ok,#{abandoned_sent=>0,abandoned_unsent=>0,assoc_id=>0,policy=>rtx,sid=>1}}"},
	})
}

func TestSCTPTypesWantAllTheirKeys(t *testing.T) {
	s := &fakeSocket{fd: -1}
	run(t, s, []step{
		{"sctp", "initmsg", "#{num_outstreams=>5}", "BADVAL"},
		{"sctp", "initmsg", "#{num_outstreams=>70000,max_instreams=>6,max_attempts=>3,max_init_timeo=>1000}", "BADVAL"},
		{"sctp", "rtoinfo", "#{initial=>4000,max=>50000,min=>900}", "BADVAL"},
		{"sctp", "events", "#{data_in=>true}", "BADVAL"},
		{"sctp", "events", "#{}", "BADVAL"},
		{"sctp", "associnfo", "17", "BADVAL"},
		{"sctp", "explicit_eor", "true", "{error,einval}"},
		{"sctp", "status", "1", "{error,einval}"},
		{"sctp", "nodelay", "1", "BADVAL"},
		{"sctp", "nodelay", "true", "{error,ebadf}"},
	})
}
