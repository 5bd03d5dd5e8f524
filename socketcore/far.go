package socketcore

import (
	"bytes"
	"slices"
)

// keeps tells whether o has to wait for a result of another process to arrive. Unlike a
// confirmation that may take long: by its mode the operation waits as for data.
func (s *Socket) keeps(o *Op) bool { return len(s.away) > 0 && !bytes.Equal(s.lastReader, o.Process) }

// Arrived tells that a result of a far operation, or a part that went ahead of it, has reached
// its receiver. Of an accept it is the accepted socket's.
func (l *Loop) Arrived(s *Socket, id uint32) {
	if s == nil || s.closed {
		return
	}
	s.settle(id)
	if o := s.readers.head; o != nil && o.ID == id && o.ahead > 0 {
		o.ahead--
		l.advance(s, &s.readers)
	}
	if len(s.away) == 0 && s.held {
		l.letGo()
	}
}

// settle takes one result of the request off those under way.
func (s *Socket) settle(id uint32) {
	if i := slices.Index(s.away, id); i >= 0 {
		s.away = slices.Delete(s.away, i, i+1)
	}
}

// Drop ends a waiting operation without an answer: nobody is left to have it. What it gathered
// is the next reader's.
func (l *Loop) Drop(s *Socket, id uint32) {
	if s == nil || s.closed {
		return
	}
	for _, q := range []*queue{&s.readers, &s.writers, &s.acceptors} {
		for o := q.head; o != nil; o = o.next {
			if o.ID == id && (o.state == waiting || o.state == trying) {
				l.dropFrom(q, o)
				return
			}
		}
	}
	if o := s.connector; o != nil && o.ID == id && o.state == waiting {
		l.discard(o)
	}
}

func (l *Loop) dropFrom(q *queue, o *Op) {
	s := o.sock
	if len(o.got) > 0 && o.Kind == Recv && o.consumes() {
		s.giveBack(Returned{Data: bytes.Clone(o.got)})
	}
	head := q.head == o
	l.discard(o)
	if head {
		l.advance(s, q)
	}
}
