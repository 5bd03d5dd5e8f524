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

	ahead ahead
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
	copies   int // that were of use
	served   int // receives that one has answered
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
