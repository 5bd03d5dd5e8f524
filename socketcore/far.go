package socketcore

// Arrived tells that a result of a far operation, or a part that went ahead of it, has reached
// its receiver. Of an accept it is the accepted socket's.
func (l *Loop) Arrived(s *Socket, id uint32) {
	if s == nil || s.closed {
		return
	}
	if s.lease.id == id && s.lease.far {
		s.lease.out = false
	}
	s.input.arrive(id)
	if o := s.readers.head; o != nil && o.ID == id && o.ahead > 0 {
		o.ahead--
		l.advance(s, &s.readers)
	}
	if s.held {
		l.letGo()
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
	l.putBack(o)
	head := q.head == o
	l.discard(o)
	if head {
		l.advance(s, q)
	}
}
