package dispatch

import (
	"fmt"

	"gosocket/etf"
)

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
	case "ahead":
		m.copied(f)
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
	switch {
	case reason == "ealready":
		r.by.armed[r.of] = true // as it was
	case !r.by.alive || r.dropped || reason == "" || reason == "timeout":
	case reason == "closed" && r.of != nil:
		seen := 0
		if r.peek {
			seen = len(l.data)
		}
		m.ended(r.of, seen)
	default:
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
	if _, ok := source.(etf.Map); !ok {
		m.fatalf("a message of port %d comes from %s", r.of.from, text(source))
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
	if l.r.of != nil {
		l.r.of.ahead.last = 0
	}
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
		m.tellAll()
		m.c.write(m.outbox...)
		m.outbox = nil
	}
}
