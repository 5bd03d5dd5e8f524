package dispatch

import (
	"testing"

	"gosocket/etf"
	"gosocket/socketcore"
)

// FuzzArguments reads arbitrary bytes as every argument that this layer decodes. Whatever
// they are, there is an answer that is a term, and the kernel is asked about no socket.
func FuzzArguments(f *testing.F) {
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
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &fakeSocket{fd: -1}
		var d etf.Decoder
		d.Reset(b)
		show(t, appendSetopt(nil, s, &d))
		d.Reset(b)
		show(t, appendGetopt(nil, s, &d))
		var sa socketcore.Sockaddr
		for _, domain := range []int{socketcore.FamilyInet, socketcore.FamilyInet6, socketcore.FamilyLocal, socketcore.FamilyPacket} {
			d.Reset(b)
			if v := decodeBindAddr(&d, domain, &sa); !v.ok() {
				show(t, v.append(nil))
			}
		}
		d.Reset(b)
		if v := decodeSockaddr(&d, &sa); v.ok() {
			show(t, appendSockaddr(nil, &sa))
		}
		d.Reset(b)
		if _, v := decodeFlags(&d, socketcore.RecvFlags); !v.ok() && d.Err() == nil {
			show(t, v.append(nil))
		}
		d.Reset(b)
		if control, v := decodeCtrl(&d, nil, 1<<16); v.ok() {
			show(t, appendCtrl(nil, control))
		}
		show(t, appendCtrl(nil, b))
		sa.SetBytes(b)
		show(t, appendName(nil, &sa))
		for _, l := range socketcore.Levels {
			for i := range l.Options {
				if o := &l.Options[i]; o.Type != nil && len(b) >= 8 {
					show(t, appendValue(nil, o.Type, b))
				}
			}
		}
	})
}
