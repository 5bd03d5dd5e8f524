package dispatch

import (
	"pgregory.net/rapid"

	"gosocket/etf"
)

// What the lane has of a channel that it may serve receives from.
type ahead struct {
	last   int // the last request about the socket; 0 when something else is going to change what comes next
	copy   []byte
	all    int // what a receive for all there is gets
	untold taking
}

type taking struct{ bytes, calls, largest int }

// copied is when the lane looks at a copy. One that another request has crossed is of no use.
func (m *model) copied(f etf.Tuple) {
	id, _ := number(f[1])
	s, _ := number(f[2])
	for _, ch := range m.channels {
		if ch.s != uint64(s) {
			continue
		}
		a := &ch.ahead
		m.note("a copy of %d bytes behind %d, the last is %d", len(f[4].(etf.Binary)), id, a.last)
		if a.last != id {
			m.tell(ch, 0)
			return
		}
		a.copy = f[4].(etf.Binary)
		a.all, _ = number(f[3])
		m.copies++
	}
}

// tell says what was taken of the copy, and how much of it may still be.
func (m *model) tell(ch *channel, left int) {
	u := &ch.ahead.untold
	m.note("%d taken of a copy, %d left", u.bytes, left)
	m.c.write(tuple("took", ch.s, u.bytes, u.calls, u.largest, left))
	*u = taking{}
}

// dropCopy is when a request goes out, or something else changes what comes next.
func (m *model) dropCopy(ch *channel) {
	if ch.ahead.copy != nil {
		ch.ahead.copy = nil
		m.tell(ch, 0)
	}
}

// serve gives a process what the copy has, when that is all that it wants.
func (m *model) serve(ch *channel, p *person, length int) bool {
	a := &ch.ahead
	if length == 0 {
		length = a.all
	}
	if p.far || length == 0 || length > len(a.copy) {
		return false
	}
	data := a.copy[:length]
	a.copy = a.copy[length:]
	m.note("%d gets %d bytes of a copy", p.id, length)
	u := &a.untold
	u.bytes, u.calls, u.largest = u.bytes+length, u.calls+1, max(u.largest, length)
	if len(a.copy) == 0 {
		m.dropCopy(ch)
	}
	ch.reach(m, data)
	m.served++
	return true
}

func (m *model) stepTell(rt *rapid.T) {
	ch := m.channel(rt)
	if ch.ahead.untold.bytes == 0 {
		rt.Skip()
	}
	m.tell(ch, len(ch.ahead.copy))
	m.pump()
}

// tellAll goes before all items that may concern any socket.
func (m *model) tellAll() {
	for _, ch := range m.channels {
		if ch.ahead.untold.bytes > 0 {
			m.tell(ch, len(ch.ahead.copy))
		}
	}
}

// stepSip has processes read little from a stream, one after the other, most of them as fast as the lane: that is what
// copies are for.
func (m *model) stepSip(rt *rapid.T) {
	ch := rapid.SampledFrom(m.channels[:2]).Draw(rt, "stream")
	if ch.written-ch.reached < 500 && !ch.ended {
		ch.write(m, 2000)
	}
	m.catchUp()
	for range rapid.IntRange(2, 10).Draw(rt, "sips") {
		free := m.idlers()
		if len(free) == 0 || ch.written-ch.reached < 100 {
			return
		}
		p := rapid.SampledFrom(free[:min(len(free), 3)]).Draw(rt, "process")
		m.read(rt, ch, p, "recv", rapid.SampledFrom([]int{0, 1, 2, 5, 30, 60}).Draw(rt, "length"), none)
		if rapid.IntRange(0, 5).Draw(rt, "looks") > 0 {
			for len(m.flying) > 0 {
				m.look()
			}
			m.deliver()
			m.flush()
		}
	}
}
