package dispatch

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosocket/socketcore"
)

// sctpProofs are those of SCTP. They are skipped where the kernel has none: make test-sctp
// runs them on one that has.
var sctpProofs = []proof{
	{"sctp adaption_layer, sctp events", "SCTP: the peer is told the number", proveAdaptation},
	{"sctp associnfo, sctp initmsg, sctp peer_addr_params", "SCTP: /proc/net/sctp/assocs shows the association's", proveAssociation},
	{"sctp autoclose, sctp get_assoc_number, sctp get_assoc_id_list", "SCTP: an idle association is closed", proveAutoclose},
	{"sctp context, sctp recvrcvinfo", "SCTP: what arrives has the receiver's context", proveContext},
	{"sctp default_send_params, sctp default_sndinfo", "SCTP: the peer sees stream and protocol of messages that name none", proveSendDefaults},
	{"sctp delayed_ack_time, sctp get_assoc_stats", "SCTP: each packet is acknowledged, or every other one", proveDelayedAck},
	{"sctp disable_fragments", "SCTP: a message longer than a packet is refused", proveDisableFragments},
	{"sctp event", "SCTP: a single event is subscribed to", proveEvent},
	{"sctp i_want_mapped_v4_addr", "SCTP: IPv4 senders have addresses of that family", proveMappedV4},
	{"sctp maxseg", "SCTP: no chunk on the wire is longer", proveSCTPMaxseg},
	{"sctp nodelay", "SCTP: small messages share a packet without it", proveSCTPNodelay},
	{"sctp partial_delivery_point", "SCTP: a message is given out before its end", provePartialDelivery},
	{"sctp peer_addr_params, sctp get_peer_addrs", "SCTP: a heartbeat that is demanded is on the wire", proveHeartbeat},
	{"sctp primary_addr, sctp status, sctp get_peer_addr_info, sctp get_local_addrs", "SCTP: /proc/net/sctp/assocs marks the address", provePrimary},
	{"sctp recvnxtinfo", "SCTP: the next message is told in advance", proveNextInfo},
	{"sctp rtoinfo", "SCTP: a path has the retransmission time", proveRtoinfo},
	{"sctp peeloff", "SCTP: the association has a socket of its own", provePeeloff},
}

// sctpWorld is a world with SCTP and some of its variables (ip-sysctl.rst).
func sctpWorld(t *testing.T, variables ...string) {
	t.Helper()
	open(t, socketcore.SCTP)
	world(t)
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		sysctl(t, "sctp/"+name, value)
	}
}

func sctpSocket(t *testing.T, family, typ int, options ...string) *fakeSocket {
	t.Helper()
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	must(t, err)
	s := &fakeSocket{fd: fd}
	t.Cleanup(func() { hangUp(s) })
	sets(t, s, options...)
	return s
}

// sctpListener returns a listening socket on the addresses 127.0.0.N, and its port.
func sctpListener(t *testing.T, typ int, last []byte, options ...string) (*fakeSocket, int) {
	t.Helper()
	s := sctpSocket(t, unix.AF_INET, typ, options...)
	must(t, unix.Bind(s.fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, last[0]}}))
	port := portOf(nameOf(t, s))
	for _, n := range last[1:] {
		addMore(t, s, n, port)
	}
	must(t, unix.Listen(s.fd, 4))
	return s, port
}

// addMore is sctp_bindx(3).
func addMore(t *testing.T, s *fakeSocket, last byte, port int) {
	t.Helper()
	var sa socketcore.Sockaddr
	sa.SetInet([4]byte{127, 0, 0, last}, uint16(port))
	const add = 100
	if e := socketcore.Setsockopt(s.fd, socketcore.SolSCTP, add, sa.Bytes()); e != 0 {
		t.Fatal(e)
	}
}

// associates connects a socket to 127.0.0.1. A signal of the runtime may break into a connect,
// which the kernel then begins again.
func associates(t *testing.T, s *fakeSocket, port int) {
	t.Helper()
	if err := unix.Connect(s.fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}); err != unix.EISCONN {
		must(t, err)
	}
}

// association returns both ends of one, whose sockets have the options.
func association(t *testing.T, client, server []string) ends {
	t.Helper()
	l, port := sctpListener(t, unix.SOCK_STREAM, []byte{1}, server...)
	c := sctpSocket(t, unix.AF_INET, unix.SOCK_STREAM, client...)
	associates(t, c, port)
	return ends{t, c, nextOf(t, l)}
}

// both returns an association whose ends have the same options.
func both(t *testing.T, options ...string) ends {
	t.Helper()
	return association(t, options, options)
}

// fields returns a line of a table of /proc/net/sctp in which a text stands, by the names of
// its first line. Those behind the addresses are counted from there.
func fields(t *testing.T, table, text string) (line string, behind []string) {
	t.Helper()
	for line := range strings.Lines(proc(t, "sctp/"+table)) {
		if strings.Contains(line, text) {
			_, tail, _ := strings.Cut(line, "\t")
			return line, strings.Fields(tail)
		}
	}
	t.Fatalf("no %s in %s", text, proc(t, "sctp/"+table))
	return "", nil
}

// numberIn returns the number behind a key of a term.
func numberIn(t *testing.T, text, key string) int {
	t.Helper()
	_, tail, _ := strings.Cut(text, key+"=>")
	digits := strings.TrimLeft(tail, "-0123456789")
	n, err := strconv.Atoi(tail[:len(tail)-len(digits)])
	if err != nil {
		t.Fatalf("no number %s in %s", key, text)
	}
	return n
}

// addrOnWire is an address as options have it.
func addrOnWire(last, port int) string {
	return fmt.Sprintf("#{family=>inet,addr=>{127,0,0,%d},port=>%d}", last, port)
}

// notified waits for the next notification and returns its type and what follows its head.
func notified(t *testing.T, s *fakeSocket) (typ uint16, body []byte) {
	t.Helper()
	if !ready(t, s.fd, unix.POLLIN, patience) {
		t.Fatal("no notification came")
	}
	b := make([]byte, 2048)
	n, _, flags, _, err := unix.Recvmsg(s.fd, b, nil, unix.MSG_DONTWAIT)
	must(t, err)
	if flags&socketcore.MsgNotification == 0 || n < 8 {
		t.Fatalf("%d bytes with flags %#x are no notification", n, flags)
	}
	return binary.NativeEndian.Uint16(b), b[8:n]
}

// A chunk is what stands in a packet of SCTP (RFC 9260, section 3.2).
type chunk struct {
	typ, flags byte
	value      []byte
}

// chunksOf returns the chunks of a packet that begins with its IPv4 header.
func chunksOf(p []byte) (chunks []chunk) {
	if len(p) < 32 || p[0]>>4 != 4 || p[9] != unix.IPPROTO_SCTP {
		return nil
	}
	for p = p[32:]; len(p) >= 4; {
		n := int(binary.BigEndian.Uint16(p[2:]))
		if n < 4 || n > len(p) {
			break
		}
		chunks = append(chunks, chunk{p[0], p[1], p[4:n]})
		p = p[min((n+3)&^3, len(p)):]
	}
	return chunks
}

const (
	chunkData      = 0
	chunkInit      = 1
	chunkHeartbeat = 4
	chunkAuth      = 15
	chunkIData     = 64
)

// passes waits for a packet with a chunk that is wanted, and returns all its chunks.
func (w wire) passes(wanted func(c chunk) bool) []chunk {
	w.t.Helper()
	return chunksOf(w.next(func(p []byte) bool { return slices.ContainsFunc(chunksOf(p), wanted) }))
}

func ofType(typ byte) func(chunk) bool { return func(c chunk) bool { return c.typ == typ } }

func proveAdaptation(t *testing.T) {
	sctpWorld(t)
	e := association(t, []string{"sctp adaption_layer 305419896"}, []string{"sctp events " + eventsOf("adaptation_layer")})
	const adaptation = 0x8007
	typ, body := notified(t, e.rx)
	if n := binary.NativeEndian.Uint32(body); typ != adaptation || n != 0x12345678 {
		t.Errorf("notification %#x with %#x", typ, n)
	}
}

// eventsOf is a value of the option events.
func eventsOf(wanted ...string) string {
	var text []string
	for _, key := range strings.Fields("data_in association address send_failure peer_error shutdown partial_delivery adaptation_layer authentication sender_dry") {
		text = append(text, key+"=>"+strconv.FormatBool(slices.Contains(wanted, key)))
	}
	return "#{" + strings.Join(text, ",") + "}"
}

// proveAssociation compares with an association of defaults, since the times are in the
// kernel's own unit.
func proveAssociation(t *testing.T) {
	sctpWorld(t)
	columns := func(e ends) (interval, in, out, retransmissions int) {
		_, f := fields(t, "assocs", fmt.Sprintf(" %d %d ", portOf(nameOf(t, e.tx)), portOf(nameOf(t, e.rx))))
		var n [4]int
		for i := range n {
			n[i], _ = strconv.Atoi(f[i])
		}
		return n[0], n[1], n[2], n[3]
	}
	usual, _, _, _ := columns(both(t))
	e := association(t, []string{
		"sctp associnfo " + associnfo("7", "30000"),
		"sctp initmsg #{num_outstreams=>5,max_instreams=>6,max_attempts=>3,max_init_timeo=>1000}",
		"sctp peer_addr_params #{hbinterval=>90000,flags=>[hb_enable]}",
	}, nil)
	interval, in, out, retransmissions := columns(e)
	if interval != 3*usual || in != 6 || out != 5 || retransmissions != 7 {
		t.Errorf("interval %d of %d, %d streams in, %d out, %d retransmissions", interval, usual, in, out, retransmissions)
	}
}

func proveAutoclose(t *testing.T) {
	sctpWorld(t)
	l, port := sctpListener(t, unix.SOCK_SEQPACKET, []byte{1}, "sctp autoclose 1")
	run(t, l, []step{{"sctp", "get_assoc_number", "", "{ok,0}"}, {"sctp", "get_assoc_id_list", "", "{ok,[]}"}})
	c := sctpSocket(t, unix.AF_INET, unix.SOCK_SEQPACKET)
	start := time.Now()
	associates(t, c, port)
	run(t, l, []step{{"sctp", "get_assoc_number", "", "{ok,1}"}})
	if ids := get(t, l, "sctp", "get_assoc_id_list"); ids == "{ok,[]}" {
		t.Errorf("got %s", ids)
	}
	eventually(t, "no association", func() bool { return get(t, l, "sctp", "get_assoc_number") == "{ok,0}" })
	if time.Since(start) < 900*time.Millisecond {
		t.Errorf("closed after %v", time.Since(start))
	}
}

func proveContext(t *testing.T) {
	sctpWorld(t)
	e := both(t)
	sets(t, e.rx, "sctp recvrcvinfo true", "sctp context 4294967295")
	says(t, e.tx, "x")
	wants(t, carried(t, e.rx), "context=>4294967295")
}

func proveSendDefaults(t *testing.T) {
	sctpWorld(t)
	e := association(t, []string{"sctp default_send_params " + strings.Replace(sndrcvinfo, "ppid=>4", "ppid=>77", 1)}, []string{"sctp recvrcvinfo true"})
	says(t, e.tx, "x")
	got := carried(t, e.rx)
	wants(t, got, "sid=>1")
	wants(t, got, "ppid=>77")
	wants(t, got, "flags=>1")
	sets(t, e.tx, "sctp default_sndinfo #{sid=>3,ppid=>78}")
	says(t, e.tx, "x")
	got = carried(t, e.rx)
	wants(t, got, "sid=>3")
	wants(t, got, "ppid=>78")
}

func proveDelayedAck(t *testing.T) {
	sctpWorld(t)
	acknowledgements := func(options ...string) int {
		e := association(t, []string{"sctp nodelay true"}, options)
		says(t, e.tx, "first") // which is acknowledged at once
		comes(t, e.rx)
		before := numberIn(t, get(t, e.rx, "sctp", "get_assoc_stats"), "osacks")
		for range 20 {
			says(t, e.tx, "x")
		}
		for range 20 {
			comes(t, e.rx)
		}
		return numberIn(t, get(t, e.rx, "sctp", "get_assoc_stats"), "osacks") - before
	}
	if n := acknowledgements(); n > 12 {
		t.Errorf("%d acknowledgements of 20 packets", n)
	}
	if n := acknowledgements("sctp delayed_ack_time #{delay=>0,freq=>1}"); n < 20 {
		t.Errorf("%d acknowledgements of 20 packets without delay", n)
	}
}

func proveDisableFragments(t *testing.T) {
	sctpWorld(t)
	e := association(t, []string{"sctp disable_fragments true"}, nil)
	long := make([]byte, 70000)
	if _, err := unix.Write(e.tx.fd, long); err != unix.EMSGSIZE {
		t.Errorf("got %v", err)
	}
	sets(t, e.tx, "sctp disable_fragments false")
	says(t, e.tx, string(long))
}

func proveEvent(t *testing.T) {
	sctpWorld(t)
	e := both(t)
	sets(t, e.rx, "sctp event #{type=>shutdown_event,on=>true}")
	run(t, e.rx, []step{{"sctp", "{event,#{type=>shutdown_event}}", "", "{ok,#{assoc_id=>0,on=>true,type=>shutdown_event}}"}})
	hangUp(e.tx)
	const shutdown = 0x8005
	if typ, _ := notified(t, e.rx); typ != shutdown {
		t.Errorf("notification %#x", typ)
	}
}

func proveMappedV4(t *testing.T) {
	sctpWorld(t)
	sender := func(mapped string) unix.Sockaddr {
		s := sctpSocket(t, unix.AF_INET6, unix.SOCK_SEQPACKET, "sctp i_want_mapped_v4_addr "+mapped)
		must(t, unix.Bind(s.fd, &unix.SockaddrInet6{}))
		must(t, unix.Listen(s.fd, 4))
		c := sctpSocket(t, unix.AF_INET, unix.SOCK_SEQPACKET)
		must(t, unix.Sendto(c.fd, []byte("x"), 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: portOf(nameOf(t, s))}))
		if !ready(t, s.fd, unix.POLLIN, patience) {
			t.Fatal("nothing came")
		}
		_, from, err := unix.Recvfrom(s.fd, make([]byte, 8), 0)
		must(t, err)
		return from
	}
	if from, ok := sender("true").(*unix.SockaddrInet6); !ok || from.Addr[10] != 0xff {
		t.Errorf("from %v", from)
	}
	if from, ok := sender("false").(*unix.SockaddrInet4); !ok {
		t.Errorf("from %v", from)
	}
}

func proveSCTPMaxseg(t *testing.T) {
	sctpWorld(t)
	w := tap(t, 1)
	e := association(t, []string{"sctp maxseg 1000"}, nil)
	says(t, e.tx, strings.Repeat("x", 2500))
	const end = 1 // flag of the last fragment
	last := false
	for !last {
		for _, c := range w.passes(ofType(chunkData)) {
			if len(c.value) > 1000+16 {
				t.Errorf("%d bytes in a chunk", len(c.value))
			}
			last = last || c.typ == chunkData && c.flags&end != 0
		}
	}
}

// proveSCTPNodelay looks at the last of five messages. The kernel acknowledges the first one
// at once and the second one late: what follows that waits for it.
func proveSCTPNodelay(t *testing.T) {
	sctpWorld(t)
	together := func(options ...string) (n int) {
		w := tap(t, 1)
		e := association(t, options, nil)
		for _, text := range []string{"1", "2", "3", "4", "last"} {
			says(t, e.tx, text)
		}
		for _, c := range w.passes(func(c chunk) bool { return c.typ == chunkData && strings.HasSuffix(string(c.value), "last") }) {
			if c.typ == chunkData {
				n++
			}
		}
		return n
	}
	if n := together(); n < 2 {
		t.Errorf("%d messages in the packet", n)
	}
	if n := together("sctp nodelay true"); n != 1 {
		t.Errorf("%d messages in the packet without delay", n)
	}
}

func provePartialDelivery(t *testing.T) {
	sctpWorld(t)
	first := func(point string) int {
		e := association(t, []string{"sctp maxseg 10000"}, []string{"socket rcvbuf 1000000", "sctp partial_delivery_point " + point})
		const size = 100000
		says(t, e.tx, strings.Repeat("x", size))
		if !ready(t, e.rx.fd, unix.POLLIN, patience) {
			t.Fatal("nothing came")
		}
		n, _, flags, _, err := unix.Recvmsg(e.rx.fd, make([]byte, 2*size), nil, 0)
		must(t, err)
		if whole := flags&unix.MSG_EOR != 0; whole != (n == size) {
			t.Errorf("%d bytes with flags %#x", n, flags)
		}
		return n
	}
	if n := first("0"); n != 100000 {
		t.Errorf("%d bytes at first", n)
	}
	if n := first("20000"); n >= 100000 {
		t.Errorf("%d bytes at first, of all", n)
	}
}

func proveHeartbeat(t *testing.T) {
	sctpWorld(t)
	e := both(t)
	w := tap(t, 1)
	addr := peerAddrs(t, e.tx)
	sets(t, e.tx, "sctp peer_addr_params #{address=>"+addr+",flags=>[hb_demand]}")
	w.passes(ofType(chunkHeartbeat))
}

func provePrimary(t *testing.T) {
	sctpWorld(t)
	l, port := sctpListener(t, unix.SOCK_STREAM, []byte{1, 2})
	local := get(t, l, "sctp", "get_local_addrs")
	wants(t, local, "{127,0,0,1}")
	wants(t, local, "{127,0,0,2}")
	c := sctpSocket(t, unix.AF_INET, unix.SOCK_STREAM)
	associates(t, c, port)
	ports := fmt.Sprintf(" %d %d ", portOf(nameOf(t, c)), port)
	for _, last := range []int{1, 2, 1} {
		addr := addrOnWire(last, port)
		// A path has to be confirmed before it can be the primary one.
		eventually(t, "both paths work", func() bool {
			return strings.Contains(get(t, c, "sctp", "{get_peer_addr_info,#{address=>"+addr+"}}"), "state=>active")
		})
		sets(t, c, "sctp primary_addr #{addr=>"+addr+"}")
		marked := fmt.Sprintf("*127.0.0.%d", last)
		if line, _ := fields(t, "assocs", ports); !strings.Contains(line, marked) {
			t.Errorf("no %s in %s", marked, line)
		}
		wants(t, get(t, c, "sctp", "status"), fmt.Sprintf("addr=>{127,0,0,%d}", last))
		wants(t, get(t, c, "sctp", "primary_addr"), fmt.Sprintf("addr=>{127,0,0,%d}", last))
	}
	wants(t, get(t, c, "sctp", "status"), "state=>established")
}

func proveNextInfo(t *testing.T) {
	sctpWorld(t)
	e := association(t, []string{"sctp nodelay true"}, []string{"sctp recvnxtinfo true"})
	says(t, e.tx, "one")
	says(t, e.tx, "three")
	eventually(t, "both are there", func() bool { return numberIn(t, get(t, e.rx, "sctp", "get_assoc_stats"), "iodchunks") == 2 })
	wants(t, carried(t, e.rx), "length=>5")
	if ctrl := carried(t, e.rx); ctrl != "[]" {
		t.Errorf("got %s", ctrl)
	}
}

func proveRtoinfo(t *testing.T) {
	sctpWorld(t)
	e := association(t, []string{"sctp rtoinfo " + rtoinfo("2400", "2400", "2400")}, nil)
	says(t, e.tx, "x")
	comes(t, e.rx)
	wants(t, get(t, e.tx, "sctp", "{get_peer_addr_info,#{address=>"+peerAddrs(t, e.tx)+"}}"), "rto=>2400,")
}

func provePeeloff(t *testing.T) {
	sctpWorld(t)
	l, port := sctpListener(t, unix.SOCK_SEQPACKET, []byte{1})
	c := sctpSocket(t, unix.AF_INET, unix.SOCK_SEQPACKET)
	associates(t, c, port)
	id := strings.Trim(get(t, l, "sctp", "get_assoc_id_list"), "{}[]ok,")
	l.received = func(fd int) {
		must(t, unix.Sendto(c.fd, []byte("x"), 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}))
		comes(t, &fakeSocket{fd: fd})
		run(t, l, []step{{"sctp", "get_assoc_number", "", "{ok,0}"}})
	}
	if got := get(t, l, "sctp", "{peeloff,#{assoc_id=>"+id+"}}"); !strings.HasPrefix(got, "{ok,") {
		t.Errorf("got %s", got)
	}
}
