package dispatch

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"gosocket/socketcore"
)

// TestNothingIsLostOrMixed has processes read, accept and die in any order while the lane is slow in
// everything, and checks that each byte, message and connection comes to exactly one live process, in order, the
// end of a stream after its last byte, and that nothing is left when all is closed.
// MODEL_STEPS and RAPID_SEED say how many steps, and which.
func TestNothingIsLostOrMixed(t *testing.T) {
	t.Parallel() // as the other one that takes its time
	steps, seed := setting(t, "MODEL_STEPS", 20_000), setting(t, "RAPID_SEED", int(time.Now().UnixNano()>>10))
	const each = 250 // of which about half find nothing to do
	setFlags(t, map[string]int{"steps": each, "checks": max(1, 2*steps/each), "seed": seed})
	setFlags(t, map[string]string{"nofailfile": "true", "shrinktime": "20s"})
	t.Logf("RAPID_SEED=%d", seed)
	var did play
	rapid.Check(t, func(rt *rapid.T) { playModel(t, rt, &did) })
	t.Logf("%d steps, %d copies, %d receives from copies", did.steps, did.copies, did.served)
	if !t.Failed() && did.steps >= 10_000 && did.served == 0 {
		t.Error("no receive was served from a copy")
	}
}

// What was played.
type play struct{ steps, copies, served int }

func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		return otherwise
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func setFlags[V any](t *testing.T, flags map[string]V) {
	t.Helper()
	for name, value := range flags {
		if err := flag.Set("rapid."+name, fmt.Sprint(value)); err != nil {
			t.Fatal(err)
		}
	}
}

func playModel(t *testing.T, rt *rapid.T, did *play) {
	loops := rapid.IntRange(1, 3).Draw(rt, "loops")
	batch := rapid.Bool().Draw(rt, "batch")
	c, end := startClient(t, func(cfg *Config) { cfg.Loops = loops })
	defer end()
	copies := rapid.Bool().Draw(rt, "ahead")
	c.want(c.do(tuple("hello", dict{"batch": atom(fmt.Sprint(batch)), "ahead": atom(fmt.Sprint(copies))})), "ok")
	m := newModel(t, rt, c)
	defer m.hangUp()
	for loop := 0; loop < loops; {
		if s := c.open("inet", "dgram"); socketcore.LoopOf(s) == loop {
			m.idle = append(m.idle, s)
			loop++
		}
	}
	m.seen = c.frames
	c.kept = nil
	rt.Repeat(map[string]func(*rapid.T){
		"":        func(*rapid.T) { did.steps++ },
		"write":   m.stepWrite,
		"write2":  m.stepWrite,
		"read":    m.stepRead,
		"read2":   m.stepRead,
		"read3":   m.stepRead,
		"peek":    m.stepPeek,
		"end":     m.stepEnd,
		"connect": m.stepConnect,
		"accept":  m.stepAccept,
		"look":    m.stepLook,
		"look2":   m.stepLook,
		"flush":   m.stepFlush,
		"flush2":  m.stepFlush,
		"arrive":  m.stepArrive,
		"kill":    m.stepKill,
		"hear":    m.stepHear,
		"cut":     m.stepCut,
		"sip":     m.stepSip,
		"sip2":    m.stepSip,
		"tell":    m.stepTell,
		"settle":  func(*rapid.T) { m.settle() },
	})
	m.settle()
	m.finish()
	did.copies += m.copies
	did.served += m.served
}

// newModel opens the sockets, one of each kind.
func newModel(t *testing.T, rt *rapid.T, c *client) *model {
	m := &model{
		rt: rt, c: c, requests: map[int]*request{}, barriers: map[int]bool{}, next: 100,
		owners: map[uint64]*person{}, closed: map[uint64]bool{},
	}
	stream := func(kind string, w, s uint64) {
		m.channels = append(m.channels, &channel{kind: kind, s: s, w: c.fd(w), stream: true, ordered: true})
	}
	stream(named(c.pair())("tcp"))
	stream(named(c.localPair(t.TempDir()))("local stream"))
	w, s := c.localPackets(t.TempDir(), "seqpacket")
	m.channels = append(m.channels, &channel{kind: seqpacket, s: s, w: c.fd(w), ordered: true})
	w, s = c.localPackets(t.TempDir(), "dgram")
	m.channels = append(m.channels, &channel{kind: "local dgram", s: s, w: c.fd(w), ordered: true})
	w, s = c.open("inet", "dgram"), c.open("inet", "dgram")
	c.do(tuple("bind", w, loopback))
	c.do(tuple("bind", s, loopback))
	c.want(c.do(tuple("connect", w, 1, to(c.port(s)), atom("infinity"), none)), "ok")
	m.channels = append(m.channels, &channel{kind: "udp", s: s, w: c.fd(w), from: c.port(w)})
	l := c.open("inet", "stream")
	c.do(tuple("bind", l, loopback))
	c.want(c.do(tuple("listen", l, 100)), "ok")
	m.listeners = []*acceptee{{s: l, port: c.port(l), peers: map[int]int{}, accepted: map[int]uint64{}}}
	for i := range 10 {
		m.born(i >= 6)
	}
	return m
}

func named(w, s uint64) func(string) (string, uint64, uint64) {
	return func(kind string) (string, uint64, uint64) { return kind, w, s }
}

// localPackets makes a connected pair of Unix-domain sockets that keep messages apart.
func (c *client) localPackets(dir, typ string) (w, s uint64) {
	c.t.Helper()
	at := dict{"family": atom("local"), "path": dir + "/s"}
	w, s = c.open("local", typ), c.open("local", typ)
	c.do(tuple("bind", s, at))
	if typ == "seqpacket" {
		c.want(c.do(tuple("listen", s, 5)), "ok")
	}
	c.want(c.do(tuple("connect", w, 1, at, atom("infinity"), none)), "ok")
	if typ == "seqpacket" {
		s = c.socketOf(c.replyTerm(c.call(tuple("accept", s, 1, atom("infinity"), none))))
	}
	return w, s
}

func (m *model) born(far bool) {
	m.next++
	m.people = append(m.people, &person{id: m.next, alive: true, far: far, armed: map[*channel]bool{}})
}

// ---- Steps

func (m *model) channel(rt *rapid.T) *channel {
	return rapid.SampledFrom(m.channels).Draw(rt, "channel")
}

func (m *model) idlers() (free []*person) {
	for _, p := range m.people {
		if p.alive && !p.busy {
			free = append(free, p)
		}
	}
	return free
}

// free picks somebody who waits for nothing.
func (m *model) free(rt *rapid.T) *person {
	free := m.idlers()
	if len(free) == 0 {
		rt.Skip()
	}
	return rapid.SampledFrom(free).Draw(rt, "process")
}

func (m *model) stepWrite(rt *rapid.T) {
	ch := m.channel(rt)
	size := rapid.SampledFrom([]int{1, 3, 10, 100, 5000, 70_000, 300_000}).Draw(rt, "bytes")
	switch {
	case ch.ended || ch.written-ch.reached > 4<<20:
		rt.Skip()
	case !ch.stream:
		size = min(max(size, 4), 5000)
		if ch.from != 0 && ch.written-ch.reached >= 20 {
			rt.Skip() // more, and the kernel drops some
		}
	}
	ch.write(m, size)
	m.pump()
}

func (m *model) stepEnd(rt *rapid.T) {
	ch := m.channel(rt)
	if ch.ended || ch.kind == "udp" || ch.kind == "local dgram" || rapid.IntRange(0, 4).Draw(rt, "no") > 0 {
		rt.Skip()
	}
	if err := unix.Shutdown(ch.w, unix.SHUT_WR); err != nil {
		rt.Fatal(err)
	}
	ch.ended = true
	m.note("%s ends", ch.kind)
	m.pump()
}

func (m *model) stepRead(rt *rapid.T) {
	ch, p := m.channel(rt), m.free(rt)
	length := rapid.SampledFrom([]int{0, 0, 1, 7, 1000, 100_000, 400_000, 3 << 20, 3 << 20}).Draw(rt, "length")
	kind := "recv"
	if length < 10_000 {
		kind = rapid.SampledFrom([]string{"recv", "recv", "recvfrom", "recvmsg"}).Draw(rt, "call")
	}
	if !ch.stream && length > 0 {
		length = 10_000
		if ch.ordered {
			length = rapid.SampledFrom([]int{10_000, 5}).Draw(rt, "buffer")
		}
	}
	m.read(rt, ch, p, kind, length, none)
}

func (m *model) stepPeek(rt *rapid.T) {
	ch, p := m.channel(rt), m.free(rt)
	if !ch.stream || p.far {
		rt.Skip()
	}
	m.read(rt, ch, p, "recv", rapid.SampledFrom([]int{0, 1, 20, 3000}).Draw(rt, "length"), []any{atom("peek")})
}

func (m *model) read(rt *rapid.T, ch *channel, p *person, kind string, length int, flags []any) {
	if kind == "recv" && len(flags) == 0 && m.serve(ch, p, length) {
		return
	}
	timeout, ref := m.timeout(rt)
	call := tuple(kind, ch.s, p.id, length, flags, timeout, ref)
	if kind == "recvmsg" {
		call = tuple(kind, ch.s, p.id, length, 0, flags, timeout, ref)
	}
	r := &request{by: p, of: ch, length: length, peek: len(flags) > 0, waits: timeout == atom("infinity"), again: p.armed[ch]}
	delete(p.armed, ch)
	m.request(call, r)
}

// timeout picks how long a call waits: a deadline that has passed has it wait once.
func (m *model) timeout(rt *rapid.T) (timeout, ref any) {
	switch rapid.SampledFrom([]string{"0", "infinity", "infinity", "nowait", "late"}).Draw(rt, "timeout") {
	case "0":
		return 0, none
	case "infinity":
		return atom("infinity"), none
	case "late":
		return rawTerm(tuple("at", 1)), none
	}
	return atom("nowait"), m.c.next
}

func (m *model) request(call []byte, r *request) {
	m.c.next++
	r.id = m.c.next
	r.by.busy = true
	m.requests[r.id] = r
	m.note("%v begins, waits %v", r, r.waits)
	if r.of != nil {
		m.order = append(m.order, r)
		m.dropCopy(r.of)
		r.of.ahead.last = r.id
	}
	if r.far() && !r.peek {
		call = far(call)
	}
	m.c.write(m.item(r.id, call))
	m.pump()
}

func (m *model) stepConnect(rt *rapid.T) {
	l := rapid.SampledFrom(m.listeners).Draw(rt, "listener")
	if len(l.peers) >= 40 {
		rt.Skip()
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		rt.Fatal(err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: l.port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		rt.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		rt.Fatal(err)
	}
	l.peers[name.(*unix.SockaddrInet4).Port] = fd
	m.pump()
}

func (m *model) stepAccept(rt *rapid.T) {
	l, p := rapid.SampledFrom(m.listeners).Draw(rt, "listener"), m.free(rt)
	timeout, ref := m.timeout(rt)
	m.request(tuple("accept", l.s, p.id, timeout, ref), &request{by: p, on: l, waits: timeout == atom("infinity")})
}

func (m *model) stepLook(rt *rapid.T) {
	if len(m.flying) == 0 {
		rt.Skip()
	}
	for range rapid.IntRange(1, len(m.flying)).Draw(rt, "frames") {
		m.look()
	}
}

func (m *model) stepFlush(rt *rapid.T) {
	if m.untold && rapid.IntRange(0, 3).Draw(rt, "delivered") > 0 {
		m.deliver()
	}
	if len(m.outbox) == 0 {
		rt.Skip()
	}
	m.flush()
	m.pump()
}

func (m *model) stepArrive(rt *rapid.T) {
	if len(m.letters) == 0 {
		rt.Skip()
	}
	m.arrive()
}

func (m *model) stepKill(rt *rapid.T) {
	var alive []*person
	for _, p := range m.people {
		if p.alive {
			alive = append(alive, p)
		}
	}
	p := rapid.SampledFrom(alive).Draw(rt, "process")
	p.alive = false
	m.note("%d dies", p.id)
	m.born(p.far)
}

// hear has the lane learn of a death: it says first what the dead one has had.
func (m *model) hear(p *person) {
	if m.untold {
		m.deliver()
	}
	m.note("%d is known to be dead", p.id)
	m.outbox = append(m.outbox, tuple("died", p.id))
	p.told = true
}

func (m *model) stepHear(rt *rapid.T) {
	for i, p := range m.people {
		if !p.alive && !p.told {
			m.hear(p)
			m.people = append(m.people[:i:i], m.people[i+1:]...)
			return
		}
	}
	rt.Skip()
}

// stepCut ends the session with the other node, and with it all processes there.
func (m *model) stepCut(rt *rapid.T) {
	if rapid.IntRange(0, 9).Draw(rt, "no") > 0 {
		rt.Skip()
	}
	for _, p := range m.people {
		if p.far && p.alive {
			p.alive = false
			m.born(true)
		}
	}
	for len(m.letters) > 0 {
		m.arrive()
	}
	for id := range m.c.next + 1 {
		if r := m.requests[id]; r != nil && r.far() && !r.dropped {
			r.dropped = true
			m.note("%v is dropped", r)
			m.outbox = append(m.outbox, tuple("drop", r.socket(), id))
			m.forget(r)
		}
	}
}
