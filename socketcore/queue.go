package socketcore

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Submit runs an operation on the socket. The answer comes through Handler.Done, now or
// later. The rules of who has the turn are those of the man page's note on "locked out"
// users: one current operation per direction, all others behind it in order of arrival.
func (l *Loop) Submit(s *Socket, o *Op) {
	o.sock = s
	if s == nil || s.closed {
		l.finish(o, Closed)
		return
	}
	if o.Kind >= Send && l.cfg.Allow != nil {
		if c := l.maySend(o); c != 0 {
			l.finish(o, c)
			return
		}
	}
	if o.Kind < Accept {
		o.Flags &^= s.ignoredFlags()
	}
	if c := s.conflict(o.Kind); c != 0 {
		l.finish(o, c)
		return
	}
	if o.Kind == Connect {
		l.submitConnect(o)
		return
	}
	if o.Kind > Accept {
		if c := s.hears(); c != 0 {
			l.finish(o, c)
			return
		}
	}
	q := s.queueOf(o.Kind)
	front := false
	if q.head != nil {
		mine := q.of(l.lookup(o.Process))
		switch {
		case mine == nil:
			// What the head waits for may be there, though no event has said so, or none that was looked at.
			if o.Kind < Accept {
				s.drained = false
			}
			l.advance(s, q)
			if q.head != nil {
				l.queueBehind(q, o)
				return
			}
		case mine != q.head:
			l.askAgain(q, mine, o)
			return
		default:
			// The process with the turn asks again: the new request takes the old one's place.
			l.discard(mine)
			front = true
		}
	}
	l.settle(q, o, l.attempt(o), front)
}

// settle answers an operation that is in no queue, or has it wait, by how its attempt ended.
func (l *Loop) settle(q *queue, o *Op, c Code, front bool) {
	switch {
	case c == Again || c == Held || c == Hungry:
		l.block(q, o, c, front)
	case c == 0 && o.goesOn:
		l.answer(o)
		o.Result, o.got = nil, o.got[:0]
		l.park(q, o, fired, front)
	default:
		l.conclude(q, o, c)
	}
}

// block does what the mode says when an operation cannot go on now.
func (l *Loop) block(q *queue, o *Op, c Code, front bool) {
	if c == Held || c == Hungry && o.Mode != Wait {
		// Not the kernel refuses: the answer has to wait until it could be asked.
		if l.isRefused(q, o) {
			return
		}
		l.park(q, o, trying, front)
		if c == Held {
			l.hold(o.sock)
		}
		return
	}
	if o.Mode != Try && l.isRefused(q, o) {
		return
	}
	switch o.Mode {
	case Try:
		s := o.sock
		l.finish(o, Timeout)
		l.advance(s, q)
	case Select:
		s := o.sock
		l.arm(q, o, front)
		if o.Kind < Accept && o.Taken > 0 && !s.isEmpty() {
			l.advance(s, q) // it got less than it asked for, and more may be there
		}
	default:
		l.waits(o)
		l.park(q, o, waiting, front)
	}
}

// isRefused ends an operation that may not wait because too many do, or have gathered too much; others move up.
func (l *Loop) isRefused(q *queue, o *Op) bool {
	c := l.mayPark(o)
	if c == 0 || o.nobody {
		return false
	}
	s := o.sock
	if o.Kind < Accept {
		o.Result = o.got
	}
	l.uncountParked(o)
	l.finish(o, c)
	l.advance(s, q)
	return true
}

// queueBehind makes an operation wait for its turn. Nothing is asked of the kernel.
func (l *Loop) queueBehind(q *queue, o *Op) {
	if o.Mode != Try && l.isRefused(nil, o) {
		return
	}
	switch o.Mode {
	case Try:
		l.finish(o, Timeout)
	case Select:
		l.arm(q, o, false)
	default:
		l.waits(o)
		l.park(q, o, waiting, false)
	}
}

// arm parks an operation that is answered with the promise of a message. What it did not
// send is the caller's again.
func (l *Loop) arm(q *queue, o *Op, front bool) {
	l.unkeep(o)
	l.unlist(o)
	l.park(q, o, armed, front)
	l.answer(o)
	o.Result, o.got = nil, o.got[:0]
	if o.Kind < Accept {
		l.trim(o)
	}
}

// askAgain serves a process that waits in the queue by select and asks once more.
func (l *Loop) askAgain(q *queue, mine, o *Op) {
	if o.Kind == Accept {
		switch o.Mode {
		case Select:
			mine.setRef(o.Ref)
			mine.state = armed
			o.state = armed
			l.handler.Done(o)
			o.state = idle
			l.ops.put(o)
			return
		case Try, Wait:
			l.discard(mine)
			l.queueBehind(q, o)
			return
		}
	}
	if o.Mode == Select {
		l.finish(o, Code(ealready))
	} else {
		l.finish(o, Already)
	}
}

func (o *Op) setRef(ref []byte) { o.Ref = append([]byte(nil), ref...) }

// park keeps an operation that has to wait, with copies of what lies in the caller's buffers.
func (l *Loop) park(q *queue, o *Op, st state, front bool) {
	l.keepArguments(o)
	o.state = st
	l.countParked(o)
	if front {
		q.pushFront(o)
	} else {
		q.pushBack(o)
	}
	if st == waiting && (o.Deadline != Forever || o.backoff > 0) {
		l.setTimer(o)
	}
}

// keepArguments copies what a waiting operation has in the caller's buffers.
func (l *Loop) keepArguments(o *Op) {
	if o.nobody {
		o.ends = slices.Clone(o.ends)
		l.keepPayload(o)
		return
	}
	p := l.internFor(o.sock, o.Process)
	p.add(o)
	o.Process = p.keyBytes
	if o.Mode == Select {
		o.setRef(o.Ref)
	}
	if o.To != nil && !o.ownTo {
		to := *o.To
		o.To, o.ownTo = &to, true
	}
	if len(o.Ctrl) > 0 {
		o.Ctrl = append([]byte(nil), o.Ctrl...)
	}
	l.keepPayload(o)
}

// unpark takes an operation out of its queue.
func (l *Loop) unpark(o *Op) {
	l.uncountParked(o)
	l.stopTimer(o)
	if o.queue != nil {
		o.queue.remove(o)
	}
	if o.sock.connector == o {
		o.sock.connector = nil
	}
	if o.proc != nil {
		o.proc.drop(o)
	}
	o.state = idle
	if o.Mode != Wait {
		l.unkeep(o)
	}
}

// discard drops a parked operation without an answer.
func (l *Loop) discard(o *Op) {
	l.unpark(o)
	l.recycle(o)
}

func (l *Loop) recycle(o *Op) {
	l.unkeep(o)
	l.unlist(o)
	l.ops.put(o)
}

// answer gives the result of o to the handler, and notes who got what o took out of its
// socket.
func (l *Loop) answer(o *Op) {
	switch {
	case o.nobody:
		l.handedOver(o)
		return
	case o.New != nil:
		l.tellCredit(o.New)
	case o.Kind == Connect && o.Code == 0 && o.state != armed:
		l.connected(o.sock)
	}
	size := len(o.Result) + o.Poured
	taken := o.Code == 0 && o.state != armed || size > 0
	l.handler.Done(o)
	if taken {
		l.given(o, size, false)
	}
	if o.New != nil {
		o.New.lease = lease{l.handler.Mark(), o.ID, o.Far, l.gating}
	}
}

// finish answers an operation that is in no queue.
func (l *Loop) finish(o *Op, c Code) {
	o.Code = c
	o.state = idle
	l.answer(o)
	l.recycle(o)
}

// advance lets the operations of a queue go on from its head, for as long as they can.
func (l *Loop) advance(s *Socket, q *queue) {
	for q != nil && q.head != nil && !s.closed {
		if l.paused {
			l.postpone(s)
			return
		}
		if l.advanceHead(s, q) != 0 {
			return
		}
	}
}

// advanceHead lets the head of a queue go on. 0 says that there is another head, or none, and
// otherwise the code says why it stays.
func (l *Loop) advanceHead(s *Socket, q *queue) Code {
	o := q.head
	switch o.state {
	case fired:
		return Again
	case armed:
		switch {
		case l.isOver(o):
			l.cut(o, o.fate)
			return 0
		case o.fate != 0 && l.turn(o) == Held:
			l.hold(s) // whether it is over is known when that has arrived
			return Again
		}
		if l.isReady(s, o) {
			o.state = fired
			l.handler.Fire(o)
		}
		return Again
	}
	before := o.state
	return l.settleHead(s, o, before, l.attempt(o))
}

// settleHead does so with the head of a queue, which was in this state before.
func (l *Loop) settleHead(s *Socket, o *Op, before state, c Code) Code {
	q := o.queue
	switch {
	case c == Held:
		l.hold(s)
		return c
	case c == Hungry:
		return c
	case c == Again && before == waiting:
		l.keepPayload(o)
		if l.weigh(o) {
			o.Result = o.got
			l.endParked(o, Code(unix.ENOBUFS))
			return 0
		}
		if o.Deadline != Forever || o.backoff > 0 {
			l.setTimer(o)
		}
		return c
	case c == Again:
		l.unpark(o)
		l.block(q, o, c, true)
		if o.state == idle {
			return 0
		}
		return c
	}
	l.takeOut(o)
	l.conclude(q, o, c)
	return 0
}

// overdue ends an operation at its deadline, unless the kernel has meanwhile what it waits for:
// once more it is asked, by those before it, too, and during a pause as well.
func (l *Loop) overdue(o *Op) {
	s, q := o.sock, o.queue
	s.drained = false
	c := Code(0)
	for c == 0 && q.head != nil && !s.closed {
		c = l.advanceHead(s, q)
	}
	switch {
	case o.queue == nil: // it has ended
	case o.hungry: // only the kernel's refusal ends a send, and there is nothing to be refused
		l.stopTimer(o)
	case c == Held && q.head == o:
		o.state = trying // the kernel is asked as soon as the last reader's result is confirmed
	default:
		l.giveUp(o, Timeout)
	}
}

// takeOut takes a parked operation out of its queue, to be answered.
func (l *Loop) takeOut(o *Op) {
	proc := o.proc
	l.unpark(o)
	if proc != nil {
		o.Process = proc.keyBytes
	}
}

// endParked takes a parked operation out of its queue and answers it.
func (l *Loop) endParked(o *Op, c Code) {
	l.takeOut(o)
	l.finish(o, c)
}

// giveUp ends a parked operation for a reason of its own; the others move up.
func (l *Loop) giveUp(o *Op, c Code) {
	s, q := o.sock, o.queue
	head := q != nil && q.head == o
	o.Result = o.got
	l.endParked(o, c)
	if head {
		l.advance(s, q)
	}
}

// conclude answers an operation that is in no queue any more, and deals with those behind it: an
// error that concerns the socket ends them too, otherwise the next one has its turn.
func (l *Loop) conclude(q *queue, o *Op, c Code) {
	s, all := o.sock, o.endsAll(c)
	copied, id, nobody := c == 0 && l.followedByCopy(o), o.ID, o.nobody
	l.finish(o, c)
	if nobody && c != 0 {
		l.endWriters(s)
		return
	}
	if q.head == nil || s.closed {
		if copied && !s.closed {
			l.copyAhead(s, id)
		}
		return
	}
	if !all {
		l.advance(s, q)
		return
	}
	if q == &s.readers && l.endLater(s, c) {
		return
	}
	for o := q.head; o != nil; o = q.head {
		l.cut(o, c)
	}
}

// endsAll tells whether an error of o is one of its socket. That of a send may be due to what is
// sent, and to where. Before the end of the stream that a peek has seen lie the bytes that it has
// shown, which others have yet to read.
func (o *Op) endsAll(c Code) bool {
	switch {
	case c == 0 || c == Timeout || c == NoMemory || c == Code(einval):
		return false
	case o.Kind > Accept:
		return o.sock.stream && (c == Code(unix.EPIPE) || c == Code(unix.ECONNRESET) || c == Code(unix.ECONNABORTED) ||
			c == Code(unix.ETIMEDOUT))
	}
	return !o.gathersPeek() || len(o.Result) == 0
}

// cut ends a parked operation because its socket failed or was closed.
func (l *Loop) cut(o *Op, c Code) {
	switch o.state {
	case armed:
		l.handler.Abort(o, c)
		fallthrough
	case fired:
		l.discard(o)
	default:
		o.Result = o.got
		l.endParked(o, c)
	}
}

// Cancel takes back a promised select, of the process itself or on behalf of another.
func (l *Loop) Cancel(s *Socket, process []byte, kind Kind, ref []byte) Code {
	if s == nil || s.closed {
		return Closed
	}
	if kind == Connect {
		if o := s.connector; o != nil && o.state != waiting && string(o.Ref) == string(ref) {
			l.discard(o)
		}
		return 0
	}
	q := s.queueOf(kind)
	for o := q.head; o != nil; o = o.next {
		if (o.state != armed && o.state != fired) || string(o.Ref) != string(ref) {
			continue
		}
		head := o == q.head
		if !head && string(o.Process) != string(process) {
			return Code(einval)
		}
		l.discard(o)
		if head {
			l.advance(s, q)
		}
		return 0
	}
	return Code(einval)
}
