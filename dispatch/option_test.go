package dispatch

import (
	"testing"

	"golang.org/x/sys/unix"

	"gosocket/etf"
	"gosocket/socketcore"
)

// fakeSocket is an optionSocket around a descriptor.
type fakeSocket struct {
	fd       int
	closed   bool
	received func(fd int) // sees a descriptor before it is closed
}

func (s *fakeSocket) FD() int        { return s.fd }
func (s *fakeSocket) Closed() bool   { return s.closed }
func (s *fakeSocket) Touch(int, int) {}

func (s *fakeSocket) Permit(int, int, []byte, bool) socketcore.Errno { return 0 }
func (s *fakeSocket) Receive(fd int) bool {
	if s.received != nil {
		s.received(fd)
	}
	unix.Close(fd)
	return true
}

// open opens a socket of a kind, or skips the test where the system does not let it.
func open(t testing.TB, kind socketcore.Sort) *fakeSocket {
	t.Helper()
	fd, done, e := kind.Open()
	if e != 0 {
		t.Skipf("no %s socket: %v", kind, e)
	}
	t.Cleanup(done)
	return &fakeSocket{fd: fd}
}

func set(t testing.TB, s optionSocket, level, key, value string) string {
	t.Helper()
	d := decoderOf(t, level, key, value)
	result := show(t, appendSetopt(nil, s, d))
	if d.Err() != nil || d.Len() != 0 {
		t.Errorf("setopt %s %s leaves %d bytes, %v", level, key, d.Len(), d.Err())
	}
	touch(level, key, result)
	return result
}

func get(t testing.TB, s optionSocket, level, key string) string {
	t.Helper()
	d := decoderOf(t, level, key)
	result := show(t, appendGetopt(nil, s, d))
	if d.Err() != nil || d.Len() != 0 {
		t.Errorf("getopt %s %s leaves %d bytes, %v", level, key, d.Len(), d.Err())
	}
	touch(level, key, result)
	return result
}

// A step is a call and what it answers; an empty value is a get.
type step struct{ level, key, value, want string }

func run(t *testing.T, s optionSocket, steps []step) {
	t.Helper()
	for _, c := range steps {
		if named := c.key[0] >= 'a' && c.key[0] <= 'z'; !named { // its bytes are those of an integer
			c.value, c.want = nativeOrder(c.value), nativeOrder(c.want)
		}
		var got string
		if c.value == "" {
			got = get(t, s, c.level, c.key)
		} else {
			got = set(t, s, c.level, c.key, c.value)
		}
		if c.want == "BADVAL" {
			c.want = "{raise,{invalid,{not_supported,{" + c.level + "," + c.key + "," + show(t, term(t, c.value)) + "}}}}"
		}
		if got != c.want {
			t.Errorf("%s %s %s is %s, want %s", c.level, c.key, c.value, got, c.want)
		}
	}
}

func TestSocketFactsAreRead(t *testing.T) {
	run(t, open(t, socketcore.TCP), []step{
		{"socket", "domain", "", "{ok,inet}"},
		{"socket", "type", "", "{ok,stream}"},
		{"socket", "protocol", "", "{ok,tcp}"},
		{"socket", "acceptconn", "", "{ok,false}"},
		{"socket", "error", "", "{ok,none}"},
	})
	run(t, open(t, socketcore.UDP6), []step{
		{"socket", "domain", "", "{ok,inet6}"}, {"socket", "type", "", "{ok,dgram}"}, {"socket", "protocol", "", "{ok,udp}"},
	})
	run(t, open(t, socketcore.UnixStream), []step{
		{"socket", "domain", "", "{ok,local}"}, {"socket", "protocol", "", "{ok,default}"},
	})
	run(t, open(t, socketcore.ICMP), []step{
		{"socket", "type", "", "{ok,raw}"}, {"socket", "protocol", "", "{ok,icmp}"},
	})
	run(t, open(t, socketcore.RawIP6), []step{
		{"socket", "protocol", "", "{error,{unknown,254}}"},
	})
	run(t, open(t, socketcore.RawHeader6), []step{
		{"socket", "protocol", "", "{ok,raw}"},
	})
}

func TestValuesAreChecked(t *testing.T) {
	run(t, open(t, socketcore.TCP), []step{
		{"socket", "reuseaddr", "1", "BADVAL"},
		{"socket", "reuseaddr", "yes", "BADVAL"},
		{"socket", "reuseaddr", "\"lo\"", "BADVAL"},
		{"socket", "rcvbuf", "true", "BADVAL"},
		{"socket", "rcvbuf", "<<1,0,0,0>>", "BADVAL"},
		{"socket", "rcvbuf", "default", "BADVAL"},
		{"socket", "rcvbuf", "2147483648", "{error,einval}"},
		{"socket", "rcvbuf", "-2147483649", "{error,einval}"},
		{"socket", "rcvbuf", "1 bsl 70", "{error,einval}"},
		{"socket", "rcvbuf", "-2147483648", "ok"},
		{"socket", "linger", "{true,-1}", "BADVAL"},
		{"socket", "linger", "{foo,1}", "BADVAL"},
		{"socket", "linger", "{true,1,2}", "BADVAL"},
		{"socket", "linger", "true", "BADVAL"},
		{"socket", "linger", "5", "BADVAL"},
		{"socket", "linger", "#{onoff=>true}", "BADVAL"},
		{"socket", "linger", "{true,2147483648}", "{error,einval}"},
		{"socket", "linger", "{true,1 bsl 40}", "{error,einval}"},
		{"socket", "linger", "{true,-1 bsl 70}", "BADVAL"},
		{"socket", "sndlowat", "true", "BADVAL"},
		{"socket", "sndlowat", "1", "{error,enoprotoopt}"},
		{"ip", "multicast_ttl", "256", "BADVAL"},
		{"ip", "multicast_ttl", "-1", "BADVAL"},
		{"ip", "ttl", "0", "{error,einval}"},
		{"ip", "ttl", "1 bsl 70", "{error,einval}"},
		{"ip", "tos", "foo", "BADVAL"},
		{"ip", "mtu_discover", "interface", "BADVAL"},
		{"ip", "add_membership", "#{multiaddr=>{239,1,2,300},interface=>any}", "BADVAL"},
		{"ip", "add_membership", "#{multiaddr=>{239,1,2,3}}", "BADVAL"},
		{"ip", "add_membership", "#{multiaddr=>{239,1,2,3},interface=>loopback}", "BADVAL"},
		{"ip", "add_membership", "#{multiaddr=>{239,1,2,3},interface=>any,x=>1}", "{error,eproto}"},
		{"ip", "multicast_ttl", "1 bsl 64", "BADVAL"},
		{"ip", "multicast_ttl", "-1 bsl 64", "BADVAL"},
		{"tcp", "congestion", "<<\"reno\">>", "ok"},
		{"tcp", "congestion", "<<\"aaaaaaaaaaaaaaaaaaaa\">>", "{error,enoent}"},
		{"tcp", "congestion", "reno", "BADVAL"},
		{"tcp", "congestion", "[300]", "{error,einval}"},
		{"tcp", "congestion", "\"\"", "{error,einval}"},
		{"tcp", "congestion", "\"aaaaaaaaaaaaaaaaaaaa\"", "{error,enoent}"},
		{"socket", "bindtodevice", "[foo]", "{error,einval}"},
		{"socket", "bindtodevice", "\"aaaaaaaaaaaaaaaaaaaa\"", "{error,einval}"},
	})
	run(t, open(t, socketcore.UDP6), []step{
		{"ipv6", "unicast_hops", "256", "BADVAL"},
		{"ipv6", "unicast_hops", "-1", "BADVAL"},
		{"ipv6", "unicast_hops", "1 bsl 40", "BADVAL"},
		{"ipv6", "add_membership", "#{multiaddr=>{65301,0,0,0,0,0,1,7},interface=>-1}", "BADVAL"},
		{"ipv6", "add_membership", "#{multiaddr=>{65301,0,0,0,0,0,1,70000},interface=>1}", "BADVAL"},
		{"ipv6", "add_membership", "#{multiaddr=>{65301,0,0,0,0,0,1,7},interface=>1 bsl 40}", "{error,einval}"},
		{"ipv6", "multicast_if", "1 bsl 31", "{error,einval}"},
	})
}

func TestUnknownLevelsAndOptionsRaise(t *testing.T) {
	s := open(t, socketcore.TCP)
	level := func(l string) string { return "{raise,{invalid,{not_supported," + l + "}}}" }
	run(t, s, []step{
		{"foo", "debug", "", level("foo")},
		{"foo", "debug", "1", level("foo")},
		{"{a}", "2", "<<>>", level("{a}")},
		{"\"foo\"", "x", "", level("\"foo\"")},
		{"socket", "nope", "", level("{socket,nope}")},
		{"socket", "nope", "1", level("{socket,nope}")},
		{"socket", "\"x\"", "1", level("{socket,\"x\"}")},
		{"ipv6", "faith", "", level("{ipv6,faith}")},
		{"ip", "sndsrcaddr", "true", level("{ip,sndsrcaddr}")},
		{"socket", "\"x\"", "", "{raise,badarg}"},
		{"socket", "{debug}", "", "{raise,badarg}"},
		{"socket", "2", "", "{raise,badarg}"},
		{"socket", "2", "true", level("{socket,2}")},
	})
}

func TestOptionsThatLinuxLacksAreEinval(t *testing.T) {
	s := open(t, socketcore.TCP)
	run(t, s, []step{
		{"socket", "acceptfilter", "", "{error,einval}"},
		{"socket", "acceptfilter", "foo", "{error,einval}"},
		{"ip", "dontfrag", "", "{error,einval}"},
		{"ip", "dontfrag", "true", "{error,einval}"},
		{"ip", "dontfrag", "1", "BADVAL"},
		{"ipv6", "portrange", "3", "{error,einval}"},
		{"tcp", "noopt", "", "{error,einval}"},
	})
}

func TestChecksComeBeforeTheClosedSocket(t *testing.T) {
	s := &fakeSocket{fd: -1, closed: true}
	run(t, s, []step{
		{"socket", "reuseaddr", "true", "{error,closed}"},
		{"socket", "reuseaddr", "17", "BADVAL"},
		{"socket", "type", "17", "{error,einval}"},
		{"socket", "reuseaddr", "", "{error,closed}"},
		{"socket", "rcvbufforce", "", "{error,closed}"},
		{"1", "2", "<<1,0,0,0>>", "{error,closed}"},
		{"1", "{2,int}", "", "{error,closed}"},
		{"foo", "2", "", "{raise,{invalid,{not_supported,foo}}}"},
	})
}

func TestReadOnlyAndWriteOnlyOptions(t *testing.T) {
	run(t, open(t, socketcore.UDP), []step{
		{"socket", "type", "dgram", "{error,einval}"},
		{"socket", "domain", "true", "{error,einval}"},
		{"socket", "error", "0", "{error,einval}"},
		{"socket", "rcvbufforce", "", "{error,einval}"},
		{"ip", "add_membership", "", "{error,einval}"},
		{"ip", "mtu", "1500", "{error,einval}"},
	})
}

func TestNativeOptions(t *testing.T) {
	firstHalf := "<<1,0>>" // of an integer of four bytes
	if bigEndian {
		firstHalf = "<<0,0>>"
	}
	s := open(t, socketcore.TCP)
	run(t, s, []step{
		{"1", "{2,int}", "", "{ok,0}"},
		{"1", "2", "<<1,0,0,0>>", "ok"},
		{"1", "{2,int}", "", "{ok,1}"},
		{"1", "{2,bool}", "", "{ok,true}"},
		{"1", "{2,4}", "", "{ok,<<1,0,0,0>>}"},
		{"1", "{2,100}", "", "{ok,<<1,0,0,0>>}"},
		{"1", "{2,2}", "", "{ok," + firstHalf + "}"},
		{"socket", "{2,int}", "", "{ok,1}"},
		{"socket", "2", "<<0,0,0,0,9,9>>", "ok"},
		{"socket", "reuseaddr", "", "{ok,false}"},
		{"1", "2", "<<1>>", "{error,einval}"},
		{"1", "9999", "<<1,0,0,0>>", "{error,enoprotoopt}"},
		{"1", "{9999,int}", "", "{error,enoprotoopt}"},
		{"1", "{2,0}", "", "ok"},
		{"1", "{25,0}", "", "ok"},
		{"1", "{13,8}", "", "{ok,<<0,0,0,0,0,0,0,0>>}"},
		{"1", "2", "true", "{raise,{invalid,{not_supported,1}}}"},
		{"1", "foo", "<<1,0,0,0>>", "{raise,{invalid,{not_supported,1}}}"},
		{"-1", "2", "<<1,0,0,0>>", "{error,enoprotoopt}"},
		{"-1", "2", "true", "{raise,{invalid,{not_supported,-1}}}"},
		{"-1", "{2,int}", "", "{raise,badarg}"},
		{"1", "2147483648", "<<1,0,0,0>>", "{raise,badarg}"},
		{"1", "{2147483648,int}", "", "{raise,badarg}"},
		{"8589934592", "2", "<<1,0,0,0>>", "{raise,badarg}"},
		{"1", "-2", "<<1,0,0,0>>", "{error,enoprotoopt}"},
		{"1", "2", "", "{raise,badarg}"},
		{"1", "{2,foo}", "", "{raise,badarg}"},
		{"1", "{2,-1}", "", "{raise,badarg}"},
		{"1", "{2}", "", "{raise,badarg}"},
		{"tcp", "{1,int}", "", "{ok,0}"},
		{"tcp", "1", "<<1,0,0,0>>", "ok"},
		{"6", "{1,bool}", "", "{ok,true}"},
	})
}

func TestLingerIsTakenInEveryForm(t *testing.T) {
	s := open(t, socketcore.TCP)
	for _, c := range []struct {
		level, key, value, back string
	}{
		{"socket", "linger", "{true,5}", "{ok,{true,5}}"},
		{"socket", "linger", "{false,0}", "{ok,{false,5}}"},
		{"socket", "linger", "abort", "{ok,{true,0}}"},
		{"socket", "linger", "#{onoff=>true,linger=>7}", "{ok,{true,7}}"},
		{"1", "13", "<<1,0,0,0,3,0,0,0>>", "{ok,{true,3}}"},
	} {
		if got := set(t, s, c.level, c.key, nativeOrder(c.value)); got != "ok" {
			t.Errorf("%s: %s", c.value, got)
		}
		if got := get(t, s, "socket", "linger"); got != c.back {
			t.Errorf("%s is read as %s", c.value, got)
		}
	}
}

func TestMalformedRequestsAreBadarg(t *testing.T) {
	s := open(t, socketcore.TCP)
	whole := append(term(t, "socket"), term(t, "reuseaddr")...)
	for n := range whole {
		var d etf.Decoder
		d.Reset(whole[:n])
		if got := show(t, appendGetopt(nil, s, &d)); got != "{raise,badarg}" {
			t.Errorf("%d bytes: %s", n, got)
		}
		d.Reset(whole[:n])
		if got := show(t, appendSetopt(nil, s, &d)); got != "{raise,badarg}" {
			t.Errorf("%d bytes: %s", n, got)
		}
	}
}

func TestGetoptDoesNotAllocate(t *testing.T) {
	s := open(t, socketcore.TCP)
	getType := append(term(t, "socket"), term(t, "type")...)
	out := make([]byte, 0, 256)
	var d etf.Decoder
	allocs := testing.AllocsPerRun(100, func() {
		d.Reset(getType)
		out = appendGetopt(out[:0], s, &d)
	})
	if allocs != 0 || show(t, out) != "{ok,stream}" {
		t.Errorf("%v allocations, %q", allocs, out)
	}
}

func BenchmarkGetopt(b *testing.B) {
	s := open(b, socketcore.TCP)
	getType := append(term(b, "socket"), term(b, "type")...)
	out := make([]byte, 0, 256)
	var d etf.Decoder
	for b.Loop() {
		d.Reset(getType)
		out = appendGetopt(out[:0], s, &d)
	}
}
