package socketcore

import "bytes"

// process is somebody who owns sockets or has operations waiting. The loop asks
// to be told of its death from the first of these until the last.
type process struct {
	keyBytes []byte
	room     [24]byte // for most keys
	ops      *Op      // the youngest, list by Op.elder
	owned    *Socket  // list by Socket.ownedNext
}

// lookup finds a process that the loop knows; nil for the many that it need not know.
func (l *Loop) lookup(key []byte) *process { return l.processes[string(key)] }

// intern makes a process known, and asks to be told of its death.
func (l *Loop) intern(key []byte) *process {
	if p := l.processes[string(key)]; p != nil {
		return p
	}
	p := new(process)
	p.keyBytes = append(p.room[:0], key...)
	l.processes[string(key)] = p
	l.handler.Watch(p.keyBytes)
	return p
}

// internFor is intern for a process that has something to do with s: it owns it, as a rule, and is found there.
func (l *Loop) internFor(s *Socket, key []byte) *process {
	if s.isOf(key) {
		return s.owner
	}
	return l.intern(key)
}

// isOf tells whether the process with this key owns s.
func (s *Socket) isOf(key []byte) bool { return s.owner != nil && bytes.Equal(s.owner.keyBytes, key) }

// release forgets a process that has nothing here any more. It is called when a
// socket goes, not when an operation ends: the next operation is likely to come.
func (l *Loop) release(p *process) {
	if p == nil || p.owned != nil || p.ops != nil || l.processes[string(p.keyBytes)] != p {
		return
	}
	delete(l.processes, string(p.keyBytes))
	l.handler.Unwatch(p.keyBytes)
}

func (p *process) add(o *Op) {
	o.proc, o.elder = p, p.ops
	if p.ops != nil {
		p.ops.younger = o
	}
	p.ops = o
}

func (p *process) drop(o *Op) {
	if o.younger == nil {
		p.ops = o.elder
	} else {
		o.younger.elder = o.elder
	}
	if o.elder != nil {
		o.elder.younger = o.younger
	}
	o.proc, o.elder, o.younger = nil, nil, nil
}

// own makes p the owner of s.
func (p *process) own(s *Socket) {
	s.owner = p
	s.ownedPrev, s.ownedNext = nil, p.owned
	if p.owned != nil {
		p.owned.ownedPrev = s
	}
	p.owned = s
}

func (p *process) disown(s *Socket) {
	if s.ownedPrev == nil {
		p.owned = s.ownedNext
	} else {
		s.ownedPrev.ownedNext = s.ownedNext
	}
	if s.ownedNext != nil {
		s.ownedNext.ownedPrev = s.ownedPrev
	}
	s.owner, s.ownedPrev, s.ownedNext = nil, nil, nil
}

// Died drops what a dead process waits for and closes the sockets that it owns.
func (l *Loop) Died(key []byte) {
	p := l.lookup(key)
	if p == nil {
		return
	}
	// The others move up when none of the dead one's operations is left to move up with them.
	type turn struct {
		s *Socket
		q *queue
	}
	var turns []turn
	for p.ops != nil {
		o := p.ops
		l.putBack(o)
		turns = append(turns, turn{o.sock, o.queue})
		l.discard(o)
	}
	for p.owned != nil {
		s := p.owned
		if s.lease.isOut(l.delivered) && !s.listener.closed {
			// Accepted for a process that was dead before it could know.
			l.takeConnection(s)
			continue
		}
		l.closeSocket(s, p.keyBytes, nil)
	}
	delete(l.processes, string(p.keyBytes))
	for _, t := range turns {
		l.advance(t.s, t.q)
	}
}

// SetOwner makes another process the owner of s.
func (l *Loop) SetOwner(s *Socket, process []byte) {
	s.leaveListener() // who gives it away has it
	old := s.owner
	if old != nil {
		old.disown(s)
	}
	l.intern(process).own(s)
	l.release(old)
}
