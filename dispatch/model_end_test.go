package dispatch

import (
	"fmt"
	"reflect"
	"time"

	"golang.org/x/sys/unix"

	"gosocket/etf"
	"gosocket/socketcore"
)

// catchUp has the lane do all that it has to.
func (m *model) catchUp() {
	for again := true; again; {
		m.pump()
		again = len(m.letters) > 0 || len(m.flying) > 2*len(m.idle)
		for len(m.flying) > 0 {
			m.look()
		}
		for len(m.letters) > 0 {
			m.arrive()
		}
		for _, p := range m.people {
			if !p.alive && !p.told {
				m.hear(p)
			}
		}
		if m.untold {
			m.deliver()
		}
		again = again || len(m.outbox) > 0
		m.flush()
	}
}

// settle has the lane catch up, and checks that nobody waits for what is there.
func (m *model) settle() {
	m.catchUp()
	for _, ch := range m.channels {
		for end := time.Now().Add(patience); ; m.catchUp() { // TCP may have to send some of it yet
			r := m.tooLong(ch)
			if r == nil {
				break
			}
			if time.Now().After(end) {
				m.fatalf("%s: a call for %d waits after %d of %d, ended: %v",
					ch.kind, r.length, ch.reached, ch.written, ch.ended)
			}
		}
	}
	for s, p := range m.owners {
		if p.told && !m.closed[s] {
			m.fatalf("the connection %d has outlived its owner", s)
		}
	}
}

// tooLong returns the first of those who wait, if it has no reason to.
func (m *model) tooLong(ch *channel) *request {
	for _, p := range m.people {
		if p.alive && p.armed[ch] {
			return nil // it has the turn, or may have
		}
	}
	for _, r := range m.order {
		if r.of == ch && r.by.alive && r.again {
			return nil
		}
	}
	for _, r := range m.order {
		if r.of != ch || !r.by.alive {
			continue
		}
		there := ch.written - ch.reached
		if ch.ended || there > 0 && (!ch.stream || there >= r.length) {
			return r
		}
		return nil
	}
	return nil
}

// finish has everybody die, somebody else read the rest, and all be closed.
func (m *model) finish() {
	for _, p := range m.people {
		p.alive = false
	}
	m.settle()
	m.people = nil
	m.born(false)
	p := m.people[0]
	for _, ch := range m.channels {
		m.drain(ch, p)
	}
	for _, l := range m.listeners {
		for {
			ok, _ := m.ask(tuple("accept", l.s, p.id, 0, none)).(etf.Tuple)
			if text(ok) == "{error,timeout}" {
				break
			}
			m.connection(&request{by: p, on: l}, m.c.socketOf(ok))
		}
		if len(l.accepted) != len(l.peers) {
			m.fatalf("%d connections were accepted of %d", len(l.accepted), len(l.peers))
		}
	}
	p.alive = false
	m.settle()
	m.c.write(tuple("died", 1)) // who owns all others
	m.pump()
	m.checkLeft()
}

// drain reads what is left in a channel.
func (m *model) drain(ch *channel, p *person) {
	for {
		length, timeout := 0, 0
		if ch.stream && ch.reached < ch.written { // TCP may have to send some of it yet
			length = min(ch.written-ch.reached, 1<<20)
		}
		if length > 0 || ch.ended {
			timeout = 10_000
		}
		r := &request{by: p, of: ch, length: length}
		before := ch.reached
		m.request(recv(ch.s, p.id, length, timeout), r)
		for p.busy {
			m.pump()
			for len(m.flying) > 0 {
				m.look()
			}
		}
		if ch.reached == before {
			if wanted := map[bool]string{true: "closed", false: "timeout"}[ch.ended]; r.reason != wanted || ch.reached != ch.written {
				m.fatalf("%s: %s after %d of %d, ended: %v", ch.kind, r.reason, ch.reached, ch.written, ch.ended)
			}
			return
		}
	}
}

// checkLeft checks that the loops hold nothing any more.
func (m *model) checkLeft() {
	for _, x := range m.c.server.dispatchers {
		left := make(chan string, 1)
		x.loop.Post(func() { left <- leftIn(x.loop) })
		if s := <-left; s != "" {
			m.fatalf("left in a loop: %s", s)
		}
	}
}

func leftIn(loop *socketcore.Loop) (left string) {
	v := reflect.ValueOf(loop).Elem()
	for _, name := range []string{"processes", "held", "late", "timers", "asking", "closings", "handed"} {
		if n := v.FieldByName(name).Len(); n > 0 {
			left += fmt.Sprintf("%d %s ", n, name)
		}
	}
	slots := v.FieldByName("slots")
	for i := range slots.Len() {
		if !slots.Index(i).IsNil() {
			left += "a socket "
		}
	}
	return left
}

// hangUp closes what the model has opened itself.
func (m *model) hangUp() {
	for _, l := range m.listeners {
		for _, fd := range l.peers {
			_ = unix.Close(fd)
		}
	}
}
