package dispatch

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"gosocket/etf"
)

// The model of what sockets hold, and of a lane that may be slow in everything. It knows of each socket what
// was written into it and how far that has come to live processes; that the helper keeps ledgers, and how, it
// does not know.

// A channel is a socket that is read from, with what was written into it.
type channel struct {
	kind    string
	s       uint64
	w       int // the descriptor that is written to
	from    int // its port, for UDP
	stream  bool
	ordered bool
	ended   bool

	written int    // bytes of a stream; messages
	sizes   []int  // of messages
	reached int    // bytes, or messages in order, that live processes have got
	got     []bool // messages that they have got, where there is no order
}

// An acceptee is a socket that is accepted from.
type acceptee struct {
	s        uint64
	port     int
	peers    map[int]int    // by port: descriptors that have connected
	accepted map[int]uint64 // by port: what live processes have got
}

// A person is a process of the client's. Far ones are reached through a session, one after the other.
type person struct {
	id    int
	alive bool
	far   bool
	busy  bool // waits for an answer
	told  bool // the lane has heard of its death
	armed map[*channel]bool
}

// A request is a call that the lane waits for the answer of.
type request struct {
	id      int
	by      *person
	of      *channel
	on      *acceptee
	length  int
	peek    bool
	waits   bool
	dropped bool   // its session is gone
	again   bool   // asked by who may have had the turn: it may stand in front of others
	reason  string // of the error that answered it
}

// A letter is a result on its way to a far process.
type letter struct {
	r     *request
	frame []byte
	final bool
	data  []byte
	conn  uint64
}

// What is drawn, in the words of a failure.
func (ch *channel) GoString() string { return ch.kind }
func (l *acceptee) GoString() string { return fmt.Sprintf("listener %d", l.s) }
func (p *person) GoString() string   { return fmt.Sprint(p.id) }

type model struct {
	rt    *rapid.T
	c     *client
	idle  []uint64 // a socket of each loop
	notes []string

	channels  []*channel
	listeners []*acceptee
	people    []*person
	next      int // number of a person

	requests map[int]*request
	order    []*request // those of reads that wait, in the order in which they were made
	flying   [][]byte   // frames that the lane has not looked at
	barriers map[int]bool
	seen     int      // frames that it has looked at, the hello counted
	outbox   [][]byte // items that it has not sent
	untold   bool     // a result has reached somebody since the last delivered
	letters  []*letter
	owners   map[uint64]*person // of accepted connections
	closed   map[uint64]bool
}

// note remembers what happened, for a failure: what the kernel does in its own time is no part of a seed.
func (m *model) note(format string, args ...any) {
	m.notes = append(m.notes, fmt.Sprintf(format, args...))
}

func (m *model) fatalf(format string, args ...any) {
	m.rt.Helper()
	m.rt.Fatalf("%s\n%s", fmt.Sprintf(format, args...), strings.Join(m.notes, "\n"))
}

// ---- The pipes

// pump has the server come to rest, and gathers the frames that it sends.
func (m *model) pump() {
	for range 2 { // what a loop finds ready while it answers the first comes before the second answer
		waits := map[int]bool{}
		var items [][]byte
		for _, s := range m.idle {
			m.c.next++
			waits[m.c.next], m.barriers[m.c.next] = true, true
			items = append(items, m.item(m.c.next, tuple("sockname", s)))
		}
		m.c.write(items...)
		for len(waits) > 0 {
			delete(waits, m.take())
		}
	}
}

func (m *model) item(id int, call []byte) []byte {
	return append(etf.AppendInt(etf.AppendTuple(nil, 2), int64(id)), call...)
}

// take reads one frame and returns the id that it begins with, if any.
func (m *model) take() int {
	select {
	case frame := <-m.c.out:
		m.flying = append(m.flying, frame)
		return idOf(frame)
	case <-time.After(patience):
		m.fatalf("the server does not answer")
	}
	return 0
}

// idOf reads the id of a reply; -1 for other frames.
func idOf(frame []byte) int {
	if len(frame) > 8 && frame[1] == 104 && frame[2] == 2 && frame[3] == 98 {
		return int(binary.BigEndian.Uint32(frame[4:]))
	}
	return -1
}

// ask makes a call for the model itself.
func (m *model) ask(call []byte) etf.Term {
	m.c.next++
	id := m.c.next
	m.barriers[id] = true
	m.c.write(m.item(id, call))
	for m.take() != id {
	}
	return m.decode(m.flying[len(m.flying)-1]).(etf.Tuple)[1]
}

func (m *model) decode(frame []byte) etf.Term {
	term, err := etf.Decode(frame)
	if err != nil {
		m.fatalf("%v in % x", err, frame)
	}
	return term
}

// ---- The lane

// look has the lane do something about the oldest frame.
func (m *model) look() {
	frame := m.flying[0]
	m.flying = m.flying[1:]
	m.seen++
	f := m.decode(frame).(etf.Tuple)
	if id := idOf(frame); id >= 0 {
		r := m.requests[id]
		if m.barriers[id] || r == nil {
			delete(m.barriers, id)
			return
		}
		delete(m.requests, id)
		m.forget(r)
		m.answer(r, f[1], frame)
		return
	}
	switch name := text(f[0]); name {
	case "more":
		id, _ := number(f[1])
		if r := m.requests[id]; r != nil {
			m.note("%v: %d bytes ahead", r, len(f[2].(etf.Binary)))
			m.forward(&letter{r: r, frame: frame, data: f[2].(etf.Binary)})
		}
	case "closed":
		s, _ := number(f[1])
		m.closed[uint64(s)] = true
	case "abort":
		m.aborted(f)
	case "bad":
		m.fatalf("%s", text(f))
	}
}

func (m *model) forget(r *request) {
	for i, o := range m.order {
		if o == r {
			m.order = append(m.order[:i:i], m.order[i+1:]...)
			return
		}
	}
}

func (m *model) answer(r *request, result etf.Term, frame []byte) {
	l := &letter{r: r, frame: frame, final: true}
	reason := ""
	switch t := result.(type) {
	case etf.Tuple:
		switch body := t[1].(type) {
		case etf.Binary:
			l.data = body
		case etf.Map:
			l.data = m.message(r, body)
		case etf.Tuple:
			switch {
			case text(t[0]) == "select":
				r.by.armed[r.of] = true
			case len(body) == 5:
				s, _ := number(body[0])
				l.conn = uint64(s)
			case text(t[0]) == "error":
				reason, l.data = text(body[0]), body[1].(etf.Binary)
			default:
				l.data = m.tuple(r, body)
			}
		default:
			reason = text(body)
		}
	default:
		m.fatalf("%s", text(result))
	}
	r.reason = reason
	m.note("%v hears of %d: %d bytes, %s", r, r.by.id, len(l.data), reason)
	switch {
	case r.peek:
		m.peeked(r, l.data)
		r.by.busy = false
	default:
		m.forward(l)
	}
	if reason == "closed" && r.of != nil && r.by.alive && !r.dropped {
		seen := 0
		if r.peek {
			seen = len(l.data)
		}
		m.ended(r.of, seen)
	} else if reason == "ealready" {
		r.by.armed[r.of] = true // as it was
	} else if reason != "" && reason != "timeout" && r.by.alive && reason != "closed" {
		m.fatalf("socket %d: %s", r.socket(), reason)
	}
}

// tuple reads {Data, SelectInfo} or {Source, Data}.
func (m *model) tuple(r *request, body etf.Tuple) []byte {
	if data, ok := body[0].(etf.Binary); ok {
		r.by.armed[r.of] = true
		return data
	}
	m.checkSource(r, body[0])
	return body[1].(etf.Binary)
}

func (m *model) message(r *request, header etf.Map) []byte {
	m.checkSource(r, field(m.c.t, header, "addr"))
	return field(m.c.t, header, "iov").(etf.List).Elements[0].(etf.Binary)
}

func (m *model) checkSource(r *request, source etf.Term) {
	if r.of.from == 0 {
		return
	}
	if port, _ := number(field(m.c.t, source, "port")); port != r.of.from {
		m.fatalf("a message from %s, not from port %d", text(source), r.of.from)
	}
}

// forward gives a result to a live process, or to the session that leads to it, and hands it back otherwise.
func (m *model) forward(l *letter) {
	r := l.r
	switch {
	case r.dropped || !r.far() && !r.by.alive:
		m.handBack(l)
	case r.far():
		m.letters = append(m.letters, l)
	default:
		m.untold = true
		m.reach(l)
	}
}

func (r *request) far() bool { return r.by.far }

func (r *request) String() string {
	return fmt.Sprintf("%d on %d by %d (alive %v, far %v), length %d, peek %v", r.id, r.socket(), r.by.id, r.by.alive, r.by.far, r.length, r.peek)
}

func (m *model) handBack(l *letter) {
	m.untold = true
	m.note("%v goes back, %d bytes", l.r, len(l.data))
	m.outbox = append(m.outbox, tuple("handback", l.r.socket(), l.frame))
}

func (r *request) socket() uint64 {
	if r.on != nil {
		return r.on.s
	}
	return r.of.s
}

// arrive ends the way of the oldest letter.
func (m *model) arrive() {
	l := m.letters[0]
	m.letters = m.letters[1:]
	if !l.r.by.alive {
		m.handBack(l)
		return
	}
	at := l.r.socket()
	if l.conn != 0 {
		at = l.conn
	}
	m.note("%v has arrived, %d bytes", l.r, len(l.data))
	m.outbox = append(m.outbox, tuple("arrived", at, l.r.id))
	m.reach(l)
}

// reach is when a live process gets something.
func (m *model) reach(l *letter) {
	r := l.r
	if l.final {
		r.by.busy = false
	}
	switch {
	case l.conn != 0:
		m.connection(r, l.conn)
	case r.of != nil && len(l.data) > 0:
		r.of.reach(m, l.data)
	case r.of != nil && r.of.kind == seqpacket && l.isOK():
		m.ended(r.of, 0) // it is told by an empty message
		r.reason = "closed"
	}
}

// isOK tells whether the answer is {ok, _}.
func (l *letter) isOK() bool { return len(l.frame) > 13 && string(l.frame[12:14]) == "ok" }

const seqpacket = "local seqpacket"

// connection checks that a connection comes for the first time.
func (m *model) connection(r *request, s uint64) {
	name, ok := m.ask(tuple("peername", s)).(etf.Tuple)
	if !ok || text(name[0]) != "ok" {
		m.fatalf("an accepted connection has no peer: %s", text(name))
	}
	port, _ := number(field(m.c.t, name[1], "port"))
	if _, known := r.on.peers[port]; !known {
		m.fatalf("a connection from port %d, where nobody has connected", port)
	}
	if before, twice := r.on.accepted[port]; twice {
		m.fatalf("the connection from port %d was accepted as %d and as %d", port, before, s)
	}
	r.on.accepted[port], m.untold = s, true
	m.owners[s] = r.by
}

// deliver tells how far the lane is. What was handed back goes first.
func (m *model) deliver() {
	m.outbox = append(m.outbox, tuple("delivered", m.seen))
	m.untold = false
}

func (m *model) flush() {
	if len(m.outbox) > 0 {
		m.note("%d items are sent, %d frames seen", len(m.outbox), m.seen)
		m.c.write(m.outbox...)
		m.outbox = nil
	}
}

// ---- What was written and what came

// at is n bytes of what is written into a stream from offset on. No two stretches are alike.
func at(offset, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		word := uint64((offset+i)/8) * 0x9e3779b97f4a7c15
		b[i] = byte(word >> (8 * ((offset + i) % 8)))
	}
	return b
}

// messageOf is what a message holds: its number, as far as it is long enough.
func messageOf(number, size int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(number))
	return append(b, at(number<<20, max(size, 4)-4)...)[:size]
}

func (ch *channel) reach(m *model, data []byte) {
	if ch.stream {
		ch.match(m, ch.reached, data)
		ch.reached += len(data)
		return
	}
	i := ch.reached
	if !ch.ordered {
		if len(data) < 4 {
			m.fatalf("%s: a message of %d bytes", ch.kind, len(data))
		}
		i = int(binary.BigEndian.Uint32(data))
	}
	if i >= ch.written || ch.got[i] {
		m.fatalf("%s: message %d of %d came again, or never was", ch.kind, i, ch.written)
	}
	if want := messageOf(i, ch.sizes[i]); len(data) > len(want) || string(data) != string(want[:len(data)]) {
		m.fatalf("%s: message %d is not as it was sent: %d bytes", ch.kind, i, len(data))
	}
	ch.got[i] = true
	ch.reached++
}

// match checks that data is what was written from offset on.
func (ch *channel) match(m *model, offset int, data []byte) {
	if offset+len(data) > ch.written {
		m.fatalf("%s: %d bytes came of %d, from %d on", ch.kind, len(data), ch.written, offset)
	}
	if want := at(offset, len(data)); string(data) != string(want) {
		m.fatalf("%s: %d bytes from %d on are not those that were written; %d written", ch.kind, len(data), offset, ch.written)
	}
}

// underWay is how much of a channel is on its way to far processes.
func (m *model) underWay(ch *channel) (n int) {
	for _, l := range m.letters {
		switch {
		case l.r.of != ch:
		case ch.stream:
			n += len(l.data)
		case len(l.data) > 0:
			n++
		}
	}
	return n
}

func (m *model) peeked(r *request, data []byte) {
	if r.by.alive && !r.dropped && len(data) > 0 {
		r.of.match(m, r.of.reached+m.underWay(r.of), data)
	}
}

// ended checks that the end is told after all that came before it, of which a peek has seen some.
func (m *model) ended(ch *channel, seen int) {
	if n := ch.reached + m.underWay(ch) + seen; !ch.ended || n != ch.written {
		m.fatalf("%s: the end is told after %d of %d, ended: %v", ch.kind, n, ch.written, ch.ended)
	}
}

func (m *model) aborted(f etf.Tuple) {
	s, _ := number(f[1])
	who, _ := number(f[2])
	for _, ch := range m.channels {
		for _, p := range m.people {
			if ch.s == uint64(s) && p.id == who && p.alive && text(f[4]) == "closed" {
				m.ended(ch, 0)
			}
		}
	}
}

// write puts n bytes of a stream, or a message of this size, into a channel, as much as it takes.
func (ch *channel) write(m *model, n int) {
	b := messageOf(ch.written, n)
	if ch.stream {
		b = at(ch.written, n)
	}
	wrote, err := unix.Write(ch.w, b)
	m.note("%s: %d written behind %d", ch.kind, wrote, ch.written)
	switch {
	case err == unix.EAGAIN:
	case err != nil:
		m.fatalf("%s: write: %v", ch.kind, err)
	case ch.stream:
		ch.written += wrote
	default:
		ch.written++
		ch.sizes, ch.got = append(ch.sizes, n), append(ch.got, false)
	}
}
