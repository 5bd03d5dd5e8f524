package dispatch

import (
	"strings"
	"testing"

	"gosocket/etf"
	"gosocket/socketcore"
)

// showSockaddr tells what decodeSockaddr makes of an address, in the form of the reply.
func showSockaddr(t *testing.T, text string) string {
	t.Helper()
	var sa socketcore.Sockaddr
	d := decoderOf(t, text)
	return showDecoded(t, d, decodeSockaddr(d, &sa), &sa)
}

func showDecoded(t *testing.T, d *etf.Decoder, v verdict, sa *socketcore.Sockaddr) string {
	t.Helper()
	if d.Err() != nil || d.Len() != 0 {
		t.Errorf("the decoder does not stand behind the term: %v, %d left", d.Err(), d.Len())
	}
	if v.ok() {
		return show(t, appendSockaddr(nil, sa))
	}
	return show(t, v.append(nil))
}

func TestSockaddrDefaultsAndNames(t *testing.T) {
	for text, want := range map[string]string{
		"#{family=>inet}":                                                       "#{addr=>{0,0,0,0},family=>inet,port=>0}",
		"#{port=>80,addr=>loopback,family=>inet}":                               "#{addr=>{127,0,0,1},family=>inet,port=>80}",
		"#{family=>inet,addr=>broadcast,port=>65535}":                           "#{addr=>{255,255,255,255},family=>inet,port=>65535}",
		"#{family=>inet,addr=>{1,2,3,255},other=>{a,b},\"x\"=>1}":               "#{addr=>{1,2,3,255},family=>inet,port=>0}",
		"#{family=>inet6}":                                                      "#{addr=>{0,0,0,0,0,0,0,0},family=>inet6,flowinfo=>0,port=>0,scope_id=>0}",
		"#{family=>inet6,addr=>loopback}":                                       "#{addr=>{0,0,0,0,0,0,0,1},family=>inet6,flowinfo=>0,port=>0,scope_id=>0}",
		"#{family=>inet6,addr=>{65152,0,0,0,1,2,3,65535},scope_id=>4294967295}": "#{addr=>{65152,0,0,0,1,2,3,65535},family=>inet6,flowinfo=>0,port=>0,scope_id=>4294967295}",
		"#{family=>inet6,flowinfo=>1048575,port=>1}":                            "#{addr=>{0,0,0,0,0,0,0,0},family=>inet6,flowinfo=>1048575,port=>1,scope_id=>0}",
		"#{family=>local,path=>\"/tmp/x\"}":                                     "#{family=>local,path=>\"/tmp/x\"}",
		"#{path=><<\"/tmp/x\">>,family=>local}":                                 "#{family=>local,path=>\"/tmp/x\"}",
		"#{family=>local,path=>[0,97,0,98]}":                                    "#{family=>local,path=>[0,97,0,98]}",
		"#{family=>local,path=>[228]}":                                          "#{family=>local,path=>[195,164]}",
		"#{family=>local,path=>[8364,97]}":                                      "#{family=>local,path=>[226,130,172,97]}",
		"#{family=>local,path=><<97,0,98>>}":                                    "#{family=>local,path=>\"a\"}",
		"#{family=>packet}":                                                     "#{addr=><<>>,family=>packet,hatype=>0,ifindex=>0,pkttype=>host,protocol=>0}",
		"#{family=>packet,protocol=>2048,ifindex=>-1,pkttype=>fastroute,hatype=>772,addr=><<1,2,3,4,5,6>>}": "#{addr=><<1,2,3,4,5,6>>,family=>packet,hatype=>772,ifindex=>-1,pkttype=>user,protocol=>2048}",
		"#{family=>packet,pkttype=>99}": "#{addr=><<>>,family=>packet,hatype=>0,ifindex=>0,pkttype=>99,protocol=>0}",
	} {
		if got := showSockaddr(t, text); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

func TestSockaddrPartsOutOfRangeAreEinval(t *testing.T) {
	for _, text := range []string{
		"#{family=>inet,port=>65536}", "#{family=>inet,port=>-1}", "#{family=>inet,port=>foo}", "#{family=>inet,port=>1 bsl 80}",
		"#{family=>inet,addr=>{1,2,3}}", "#{family=>inet,addr=>{1,2,3,256}}", "#{family=>inet,addr=>{1,2,3,-1}}",
		"#{family=>inet,addr=>\"1.2.3.4\"}", "#{family=>inet,addr=>nowhere}", "#{family=>inet,addr=>{a,b,c,d}}",
		"#{family=>inet6,addr=>broadcast}", "#{family=>inet6,addr=>{1,2,3,4,5,6,7,65536}}", "#{family=>inet6,addr=>{127,0,0,1}}",
		"#{family=>inet6,flowinfo=>4294967296}", "#{family=>inet6,flowinfo=>-1}", "#{family=>inet6,scope_id=>-1}",
		"#{family=>inet6,scope_id=>eth0}", "#{family=>packet,protocol=>65536}", "#{family=>packet,pkttype=>foo}",
		"#{family=>packet,addr=>\"abc\"}", "#{family=>packet,addr=><<1,2,3,4,5,6,7,8,9>>}", "#{family=>packet,ifindex=>2147483648}",
		"#{family=>local,path=>\"" + strings.Repeat("a", 108) + "\"}", "#{family=>local,path=>\"" + strings.Repeat("a", 255) + "\"}",
	} {
		if got := showSockaddr(t, text); got != "{error,einval}" {
			t.Errorf("%s is %s", text, got)
		}
	}
}

func TestWhatIsNoSockaddrIsEchoed(t *testing.T) {
	long := make([]string, 0, 3)
	for _, path := range []string{"\"" + strings.Repeat("a", 256) + "\"", "<<\"" + strings.Repeat("a", 256) + "\">>"} {
		long = append(long, "#{family=>local,path=>"+path+"}")
	}
	// 128 characters of two bytes each: counted in bytes (behaviour of the reference).
	long = append(long, "#{family=>local,path=>["+strings.Repeat("228,", 127)+"228]}")
	for _, text := range append(long,
		"any", "loopback", "foo", "17", "\"127.0.0.1\"", "{127,0,0,1}", "[]", "#{}", "#{port=>1}", "#{family=>foo}",
		"#{family=>2}", "#{family=>\"inet\"}", "#{family=>local}", "#{family=>local,path=>[]}", "#{family=>local,path=><<>>}",
		"#{family=>local,path=>foo}", "#{family=>local,path=>[-1]}", "#{family=>local,path=>[55296]}",
		"#{family=>local,path=>[97,98|99]}", "#{family=>local,path=>[1114112]}",
	) {
		want := "{raise,{invalid,{address," + show(t, term(t, text)) + "}}}"
		if got := showSockaddr(t, text); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

func TestBindAddrNamesFollowTheDomain(t *testing.T) {
	domains := map[string]int{
		"inet": socketcore.FamilyInet, "inet6": socketcore.FamilyInet6, "local": socketcore.FamilyLocal, "packet": socketcore.FamilyPacket,
	}
	for _, c := range []struct{ domain, text, want string }{
		{"inet", "any", "#{addr=>{0,0,0,0},family=>inet,port=>0}"},
		{"inet", "loopback", "#{addr=>{127,0,0,1},family=>inet,port=>0}"},
		{"inet", "broadcast", "#{addr=>{255,255,255,255},family=>inet,port=>0}"},
		{"inet6", "any", "#{addr=>{0,0,0,0,0,0,0,0},family=>inet6,flowinfo=>0,port=>0,scope_id=>0}"},
		{"inet6", "loopback", "#{addr=>{0,0,0,0,0,0,0,1},family=>inet6,flowinfo=>0,port=>0,scope_id=>0}"},
		{"inet6", "broadcast", "{error,einval}"},
		{"local", "any", "{error,eafnosupport}"},
		{"local", "broadcast", "{error,eafnosupport}"},
		{"packet", "loopback", "{error,eafnosupport}"},
		{"inet", "foo", "{raise,badarg}"},
		{"inet", "17", "{raise,badarg}"},
		{"inet", "[]", "{raise,badarg}"},
		{"inet", "\"any\"", "{raise,badarg}"},
		{"inet", "#{}", "{raise,{invalid,{address,#{}}}}"},
		{"inet", "#{family=>packet}", "{raise,{invalid,{address,#{family=>packet}}}}"},
		{"packet", "#{family=>packet}", "#{addr=><<>>,family=>packet,hatype=>0,ifindex=>0,pkttype=>host,protocol=>0}"},
		{"inet", "#{family=>inet6}", "#{addr=>{0,0,0,0,0,0,0,0},family=>inet6,flowinfo=>0,port=>0,scope_id=>0}"},
	} {
		var sa socketcore.Sockaddr
		d := decoderOf(t, c.text)
		if got := showDecoded(t, d, decodeBindAddr(d, domains[c.domain], &sa), &sa); got != c.want {
			t.Errorf("bind %s on %s is %s, want %s", c.text, c.domain, got, c.want)
		}
	}
}

func TestUnknownAndUnnamedAddresses(t *testing.T) {
	var none, unnamed, netlink, named socketcore.Sockaddr
	unnamed.SetBytes(bytesOf(t, "0100"))
	netlink.SetBytes(bytesOf(t, "1000 0000 00000000 00000000"))
	named.SetLocal([]byte("\x00n"))
	for _, c := range []struct {
		sa           *socketcore.Sockaddr
		source, name string
	}{
		{&none, "undefined", "{error,eafnosupport}"},
		{&netlink, "undefined", "{error,eafnosupport}"},
		{&unnamed, "undefined", "{ok,#{family=>local,path=>[]}}"},
		{&named, "#{family=>local,path=>[0,110]}", "{ok,#{family=>local,path=>[0,110]}}"},
	} {
		if got := show(t, appendSource(nil, c.sa)); got != c.source {
			t.Errorf("source % x is %s, want %s", c.sa.Bytes(), got, c.source)
		}
		if got := show(t, appendName(nil, c.sa)); got != c.name {
			t.Errorf("name % x is %s, want %s", c.sa.Bytes(), got, c.name)
		}
	}
}

func TestFlagsAreReadByTable(t *testing.T) {
	for _, c := range []struct {
		text string
		bits int
		want string
	}{
		{"[]", 0, "ok"},
		{"[oob]", 1, "ok"},
		{"[peek,trunc]", 0x22, "ok"},
		{"[cmsg_cloexec,errqueue,peek]", 0x40002002, "ok"},
		{"[foo]", 0, "{raise,{invalid,{flag,foo}}}"},
		{"[oob,more,foo]", 1, "{raise,{invalid,{flag,more}}}"},
		{"[1,2]", 0, "{raise,{invalid,{flag,1}}}"},
		{"\"AB\"", 0, "{raise,{invalid,{flag,65}}}"},
		{"[{a,b}]", 0, "{raise,{invalid,{flag,{a,b}}}}"},
		{"[oob|peek]", 0, "{raise,function_clause}"},
		{"oob", 0, "{raise,badarg}"},
		{"7", 0, "{raise,badarg}"},
	} {
		d := decoderOf(t, c.text)
		bits, v := decodeFlags(d, socketcore.RecvFlags)
		if got := show(t, v.append(nil)); got != c.want || v.ok() && bits != c.bits || d.Err() != nil || d.Len() != 0 {
			t.Errorf("%s is %#x, %s; want %#x, %s", c.text, bits, got, c.bits, c.want)
		}
	}
	d := decoderOf(t, "[oob,dontroute,eor,confirm,nosignal,more]")
	if bits, v := decodeFlags(d, socketcore.SendFlags); !v.ok() || bits != 0xc885 {
		t.Errorf("all send flags are %#x", bits)
	}
}

func TestMsgFlagsKeepTheirOrder(t *testing.T) {
	for bits, want := range map[int]string{
		0: "[]", 0x20: "[trunc]", 0xa9 | 0x2000 | 0x40000000: "[eor,trunc,ctrunc,oob,errqueue]", 0x8080: "[eor,notification]",
	} {
		if got := show(t, appendMsgFlags(nil, bits)); got != want {
			t.Errorf("%#x is %s, want %s", bits, got, want)
		}
	}
}

func TestAddressesAndFlagsDoNotAllocate(t *testing.T) {
	inet := term(t, "#{family=>inet,addr=>{127,0,0,1},port=>4711}")
	inet6 := term(t, "#{family=>inet6,addr=>{0,0,0,0,0,0,0,1},port=>4711}")
	local := term(t, "#{family=>local,path=>\"/tmp/socket\"}")
	flags := term(t, "[more,nosignal]")
	out := make([]byte, 0, 512)
	var sa socketcore.Sockaddr
	var d etf.Decoder
	allocs := testing.AllocsPerRun(100, func() {
		for _, addr := range [][]byte{inet, inet6, local} {
			d.Reset(addr)
			if v := decodeSockaddr(&d, &sa); !v.ok() {
				t.Error("refused")
			}
			out = appendSource(out[:0], &sa)
		}
		d.Reset(flags)
		if bits, v := decodeFlags(&d, socketcore.SendFlags); !v.ok() || bits != 0xc000 {
			t.Error("refused")
		}
		out = appendMsgFlags(out[:0], 0x20)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkDecodeSockaddr(b *testing.B) {
	inet := term(b, "#{family=>inet,addr=>{127,0,0,1},port=>4711}")
	var sa socketcore.Sockaddr
	var d etf.Decoder
	for b.Loop() {
		d.Reset(inet)
		decodeSockaddr(&d, &sa)
	}
}
