package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gosocket/etf"
	"gosocket/socketcore"
)

// finish ends all that a program has begun, and checks that each call has its answer and that nothing is left.
func (s *fuzzServer) finish() {
	on, off := atom("true"), atom("false")
	s.send(requestFrame(tuple("hello", dict{"watch": on, "delivered": on, "consumed": on, "closed": on, "batch": off, "ahead": off})))
	s.send(append(etf.AppendVersion(nil), tuple("debug", off, off)...))
	loose := s.expect.loose
	if !loose { // who waits for a socket has an answer when it is closed
		s.await(s.closeAll, func() bool { return len(s.expect.sure)+len(s.expect.waits) == 0 })
	}
	s.await(s.killAll, func() bool { return s.left() == "" })
	if s.bad != s.expect.bad {
		s.t.Fatalf("%d frames were bad, and %d are told to be", s.expect.bad, s.bad)
	}
	if s.served++; !s.clean() || slices.Max(s.sockets) > lastSocket {
		s.stop()
	}
}

// lastSocket is the number of a socket that ends its server: they grow with each that a place has had, and from 1<<31 on they are no
// INTEGER_EXT any more.
const lastSocket = 100 << 24

// await does something again and again until that has helped: what a call began on another thread may need some time.
func (s *fuzzServer) await(do func(), enough func() bool) {
	for deadline := time.Now().Add(limit / 2); ; {
		do()
		s.sync() // each loop has done what it was given
		if enough() {
			s.sync() // and has written what it had to say then
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("left: %s", s.left())
		}
	}
}

// closeAll closes all sockets that the program has had.
func (s *fuzzServer) closeAll() {
	for id := range s.opened {
		if !s.closed[id] {
			s.send(requestFrame(tuple("close", id, atom("me"))))
			s.closed[id] = true
		}
	}
}

// killAll tells the server of the death of whoever may have had to do with it.
func (s *fuzzServer) killAll() {
	for p := range s.expect.processes {
		s.send(append(etf.AppendAtom(etf.AppendTuple(etf.AppendVersion(nil), 2), "died"), p...))
	}
}

// clean tells whether no descriptor is left. Closed sockets may linger, and keep theirs.
func (s *fuzzServer) clean() bool {
	for start := time.Now(); socketcore.Descriptors() > s.made+fuzzLoops; s.sync() {
		if time.Since(start) > time.Second {
			return false
		}
	}
	if s.served%16 == 0 {
		if now := lasting(); len(now) != len(s.idle) {
			s.t.Fatalf("descriptors: %q, without sockets %q", now, s.idle)
		}
	}
	return true
}

// left says what is left of a program, and which answers are missing.
func (s *fuzzServer) left() string {
	var found []string
	totals := &s.c.server.totals
	for _, what := range []struct {
		name string
		n    int64
	}{
		{"sockets", totals.Sockets.Load()},
		{"waiting", totals.Waiting.Load()},
		{"selects", totals.Selects.Load()},
		{"parked bytes", totals.Parked.Load()},
		{"unread bytes", totals.Unread.Load()},
		{"received descriptors", socketcore.ReceivedFDs()},
		{"answers", int64(len(s.expect.sure))},
	} {
		if what.n != 0 {
			found = append(found, fmt.Sprintf("%s: %d", what.name, what.n))
		}
	}
	if !s.expect.loose && len(s.expect.waits) > 0 {
		found = append(found, fmt.Sprintf("answers of calls that waited: %d", len(s.expect.waits)))
	}
	return strings.Join(found, ", ")
}
