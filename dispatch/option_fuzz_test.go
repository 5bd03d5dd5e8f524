package dispatch

import (
	"slices"
	"testing"

	"gosocket/etf"
	"gosocket/etf/etftest"
	"gosocket/socketcore"
)

// FuzzArguments reads arbitrary bytes as every argument that this layer decodes, and as the kernel's form of the value of every
// option. Whatever they are, there is an answer that is a term, and the kernel is asked about no socket.
func FuzzArguments(f *testing.F) {
	var donors [][]byte
	for _, seed := range [][]string{
		{"socket", "linger", "{true,5}"},
		{"ip", "msfilter", filter("include", "{1,2,3,4}")},
		{"sctp", "hmac_ident", "[sha1,2]"},
		{"sctp", "{get_peer_addr_info,#{address=>" + v4 + "}}"},
		{"1", "{2,int}"},
		{"ip", "{msfilter,#{multiaddr=>{239,1,2,3}}}"},
		{"ipv6", "pktoptions", "[#{level=>ipv6,type=>tclass,data=>1}]"},
		{"tcp", "congestion", "\"reno\""},
		{"socket", "timestamping", "[software,1]"},
		{"#{family=>local,path=>[8364,0]}"},
		{"#{family=>inet6,addr=>{1,2,3,4,5,6,7,8}}"},
		{"[peek,oob]"},
		{"[1,2|3]"},
		{"[#{level=>socket,type=>rights,data=><<1,0,0,0>>}]"},
	} {
		var b []byte
		for _, text := range seed {
			b = append(b, term(f, text)...)
		}
		f.Add(b)
		donors = append(donors, b)
	}
	var m etftest.Mutator
	types := valueTypes()
	n := 64
	if etftest.Fuzzing() {
		n = 512
	}
	count := etftest.NewCounter(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		count.Add(t, m.Each(t, b, donors, n, func(i int, b []byte) {
			readArguments(t, b)
			for k, typ := range types { // of all there are too many for each of the variants
				if len(b) >= 8 && (i == 0 || (i+k)%32 == 0) {
					wantTerm(t, appendValue(nil, typ, b))
				}
			}
		}))
	})
}

// valueTypes are the types of all options: those that look alike once.
func valueTypes() (types []*socketcore.Type) {
	for _, l := range socketcore.Levels {
		for i := range l.Options {
			if o := &l.Options[i]; o.Type != nil && !slices.Contains(types, o.Type) {
				types = append(types, o.Type)
			}
		}
	}
	return types
}

func readArguments(t *testing.T, b []byte) {
	s := &fakeSocket{fd: -1}
	var d etf.Decoder
	room := make([]byte, 0, 1<<10)
	d.Reset(b)
	wantTerm(t, appendSetopt(room, s, &d))
	d.Reset(b)
	wantTerm(t, appendGetopt(room, s, &d))
	var sa socketcore.Sockaddr
	for _, domain := range []int{socketcore.FamilyInet, socketcore.FamilyInet6, socketcore.FamilyLocal, socketcore.FamilyPacket} {
		d.Reset(b)
		if v := decodeBindAddr(&d, domain, &sa); !v.ok() {
			wantTerm(t, v.append(room))
		}
	}
	d.Reset(b)
	if v := decodeSockaddr(&d, &sa); v.ok() {
		wantTerm(t, appendSockaddr(room, &sa))
	}
	d.Reset(b)
	if _, v := decodeFlags(&d, socketcore.RecvFlags); !v.ok() && d.Err() == nil {
		wantTerm(t, v.append(room))
	}
	d.Reset(b)
	if control, v := decodeCtrl(&d, nil, 1<<16); v.ok() {
		wantTerm(t, appendCtrl(room, control))
	}
	wantTerm(t, appendCtrl(room, b))
	sa.SetBytes(b)
	wantTerm(t, appendName(room, &sa))
}

// wantTerm fails the test when b is not one term.
func wantTerm(t *testing.T, b []byte) {
	var d etf.Decoder
	d.Reset(b)
	if d.Skip(); d.Err() != nil || d.Len() > 0 {
		t.Fatalf("bad term % x: %v, %d bytes left", b, d.Err(), d.Len())
	}
}
