package dispatch

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gosocket/etf"
	"gosocket/etf/etftest"
	"gosocket/socketcore"
)

// What programs have in the place of numbers that only a server knows, as INTEGER_EXT has them: of a socket, with its place among
// those that the program begins with in the last byte, and beyond these of one that is closed; of the port of socket 0; of the
// descriptor of socket 4, and the same as the kernel has it in a control message.
const (
	socketMark = 0x7e536f00
	portMark   = 0x7e506f72
	fdMark     = 0x7e666400
	rightMark  = 0x7e666401
)

// fuzzLoops is how many loops the server has.
const fuzzLoops = 3

// A fuzzServer serves one program of frames after the other. When all of a program's processes are dead nothing may be left of it.
type fuzzServer struct {
	t        *testing.T
	q        *quarantine
	together int // programs an input
	inputs   int
	c        *client
	end      func()
	made     int      // descriptors of the server when it has no sockets
	before   []string // of this process without the server
	idle     []string // and with it
	served   int      // programs
	expect   *expectation
	sockets  []uint64 // of the program that runs
	port     int
	fd       int
	opened   map[uint64]bool
	closed   map[uint64]bool
	first    uint32 // of the requests whose answers somebody waits for
	wanted   []etf.Term
	missing  int
	barrier  bool // nobody reads the answer
	bad      int
	patient  *time.Timer
	buf      []byte // frames to be written
	wants    int
	results  [][]byte // handbacks of what receives and accepts had as results
}

func newFuzzServer(f *testing.F) *fuzzServer {
	s := &fuzzServer{q: newQuarantine(f, fuzzLoops), together: 1, patient: time.NewTimer(limit)}
	if n, err := strconv.Atoi(os.Getenv(programsVariable)); err == nil {
		s.together = n
	}
	f.Cleanup(func() {
		if s.c != nil {
			s.end()
		}
	})
	return s
}

// maxWants is how much of sends that go on for ever is sent, maxResults how many handbacks there may be.
const (
	maxWants   = 32
	maxResults = 8
)

// limit is how long anything may take: less than the fuzzer waits for an input.
const limit = 6 * time.Second

// programsVariable says how many programs are made of an input. Without it that is one, but more in fuzzing when the inputs that were
// known before are behind: what the look at the code that was reached costs an input is then that of many.
const programsVariable = "GOSOCKET_FUZZ_PROGRAMS"

// serve serves the programs that run gives, and tells how many these were.
func (s *fuzzServer) serve(t *testing.T, run func()) (n int) {
	start := time.Now()
	if s.inputs++; s.inputs == etftest.Known && etftest.Fuzzing() && s.together == 1 {
		s.together = 16
	}
	defer func() {
		if t.Failed() {
			t.Logf("that was program %d of the input, of which %s says how many are served; %d of the server", n+1, programsVariable, s.served+1)
			s.c = nil // who knows what it does
		}
	}()
	for n < s.together && time.Since(start) < limit/4 {
		s.begin(t)
		run()
		s.flush()
		s.finish()
		n++
	}
	return n
}

// begin opens the sockets of a program: one for datagrams that is connected to itself and one that is not; listeners, inet and local;
// both ends of a connection to the first, and of one to the second.
func (s *fuzzServer) begin(t *testing.T) {
	s.t = t
	s.patient.Reset(limit)
	if s.c == nil {
		s.start()
	}
	s.c.t = t
	s.expect = newExpectationFrom(s.expect)
	s.wants, s.results = 0, nil
	s.opened, s.closed, s.bad = map[uint64]bool{}, map[uint64]bool{}, 0
	s.c.server.pids.Store(nil)
	s.sockets = s.sockets[:0]
	s.open("inet dgram", "local dgram", "inet stream", "local stream", "inet stream", "local stream")
	local := dict{"family": atom("local"), "path": "\x00gosocket-fuzz" + s.q.suffix}
	me := atom("me")
	bound := s.ask(tuple("bind", s.sockets[0], loopback), tuple("bind", s.sockets[2], loopback), tuple("bind", s.sockets[3], local),
		tuple("listen", s.sockets[2], 5), tuple("listen", s.sockets[3], 5), tuple("getopt", s.sockets[4], atom("otp"), atom("fd")))
	s.port, _ = number(bound[0].(etf.Tuple)[1])
	s.fd, _ = number(bound[5].(etf.Tuple)[1])
	listens, _ := number(bound[1].(etf.Tuple)[1])
	pairs := s.ask(
		tuple("connect", s.sockets[4], me, to(listens), atom("infinity"), none), tuple("accept", s.sockets[2], me, atom("infinity"), none),
		tuple("connect", s.sockets[5], me, local, atom("infinity"), none), tuple("accept", s.sockets[3], me, atom("infinity"), none),
		tuple("connect", s.sockets[0], me, to(s.port), 0, none),
		tuple("send", s.sockets[4], me, none, 0, none, 17, "something to read"),
		tuple("send", s.sockets[5], me, none, 0, none, 17, "something to read"),
	)
	s.sockets = append(s.sockets[:5], s.c.socketOf(pairs[1]), s.sockets[5], s.c.socketOf(pairs[3]))
}

// newExpectationFrom goes on with the numbers of another one.
func newExpectationFrom(e *expectation) *expectation {
	n := newExpectation()
	if e != nil {
		n.next = e.next
	}
	return n
}

func (s *fuzzServer) start() {
	s.before = lasting()
	var server *Server
	s.c, s.end = startClientOn(s.t, func(started *Server) <-chan error {
		server = started
		return s.q.run(started)
	}, func(cfg *Config) {
		cfg.Loops, cfg.DrainTime = fuzzLoops, 100*time.Millisecond
		cfg.Window, cfg.ParkedLimit = 16<<10, 64<<10
	})
	s.c.log.deaf.Store(true)
	s.c.server = server
	s.made, s.idle, s.served = socketcore.Descriptors(), lasting(), 0
	s.expect = nil
}

// stop ends the server, of which nothing may be left.
func (s *fuzzServer) stop() {
	s.end()
	s.c = nil
	for deadline := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		after := lasting()
		if len(after) == len(s.before) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("descriptors when the server has ended: %q, before %q", after, s.before)
		}
	}
}

// lasting are the descriptors of this process, without those by which loops wait for a while.
func lasting() []string {
	return slices.DeleteFunc(listDescriptors(), func(d string) bool { return strings.HasSuffix(d, "[eventpoll]") })
}

func (s *fuzzServer) open(kinds ...string) {
	var opens [][]byte
	for _, kind := range kinds {
		domain, typ, _ := strings.Cut(kind, " ")
		opens = append(opens, tuple("open", atom("me"), atom(domain), atom(typ), atom("default"), dict{}))
	}
	for _, reply := range s.ask(opens...) {
		s.sockets = append(s.sockets, s.c.socketOf(reply))
	}
}

// pause has a program go on when all that was sent so far is done, and has some results handed back unless all calls have to have an
// answer.
func (s *fuzzServer) pause(m *etftest.Mutator, gentle bool) {
	s.sync()
	if gentle {
		return
	}
	for _, item := range s.results {
		if m.Intn(2) == 0 {
			s.send(append(etf.AppendVersion(nil), item...))
		}
	}
}

// sync returns when each loop has done what it was given, but may not have written all that it has to say.
func (s *fuzzServer) sync() {
	s.barrier = true
	s.ask(tuple("statistics"))
	s.barrier = false
}

// ask makes calls and waits for their answers.
func (s *fuzzServer) ask(calls ...[]byte) []etf.Term {
	replies := make([]etf.Term, len(calls))
	s.first, s.wanted, s.missing = s.expect.next+1, replies, len(calls)
	for _, call := range calls {
		s.send(requestFrame(call))
	}
	s.flush()
	for s.missing > 0 {
		s.look()
	}
	return replies
}

func requestFrame(call []byte) []byte {
	b := etf.AppendInt32(etf.AppendTuple(etf.AppendVersion(nil), 2), 0)
	return append(b, call...)
}

// send gives a frame to the server, or keeps it until there are some. The frame is changed.
func (s *fuzzServer) send(frame []byte) {
	s.patch(frame)
	s.expect.frame(frame)
	s.buf = binary.BigEndian.AppendUint32(s.buf, uint32(len(frame)))
	s.buf = append(s.buf, frame...)
	if len(s.buf) > 32<<10 {
		s.flush()
	}
}

func (s *fuzzServer) flush() {
	if _, err := s.c.in.Write(s.buf); err != nil {
		s.t.Fatal(err)
	}
	s.buf = s.buf[:0]
}

// patch puts numbers into the place of marks.
func (s *fuzzServer) patch(frame []byte) {
	for i := 0; ; i += 4 {
		next := bytes.IndexByte(frame[i:], socketMark>>24)
		if i += next; next < 0 || len(frame)-i < 4 {
			return
		}
		switch word := binary.BigEndian.Uint32(frame[i:]); {
		case word&^0xff == socketMark && len(s.sockets) > 0:
			n := int(word & 0xff)
			id := uint32(s.sockets[n%len(s.sockets)])
			if n >= len(s.sockets) {
				id += 1 << 8
			}
			binary.BigEndian.PutUint32(frame[i:], id)
		case word == portMark:
			binary.BigEndian.PutUint32(frame[i:], uint32(s.port))
		case word == fdMark:
			binary.BigEndian.PutUint32(frame[i:], uint32(s.fd))
		case word == rightMark:
			binary.NativeEndian.PutUint32(frame[i:], uint32(s.fd))
		default:
			i -= 3
		}
	}
}

// look reads one frame of the server's.
func (s *fuzzServer) look() {
	var body []byte
	more := false
	select {
	case body, more = <-s.c.out:
	default:
		select {
		case body, more = <-s.c.out:
		case <-s.patient.C:
			s.t.Fatalf("the server is silent; %s", s.left())
		}
	}
	if !more {
		s.t.Fatal("the server has ended")
	}
	var d etf.Decoder
	d.Reset(body)
	d.Version()
	d.Skip()
	if d.Err() != nil || d.Len() > 0 {
		s.t.Fatalf("no term: %x: %v", body, d.Err())
	}
	s.c.frames++
	d.Reset(body)
	d.Version()
	n := d.Tuple()
	if d.Kind() == etf.KindInt && n == 2 {
		id := uint32(d.Uint())
		result := body[d.Offset():]
		socket, waited := s.expect.sockets[id]
		s.answered(id, result)
		if waited && len(s.results) < maxResults && bytes.HasPrefix(result, []byte("\x68\x02\x77\x02ok")) {
			s.results = append(s.results, tuple("handback", socket, body))
		}
		return
	}
	switch name := string(d.Atom()); name {
	case "confirm":
		s.send(append(etf.AppendVersion(nil), tuple("delivered", s.c.frames)...))
		s.flush()
	case "want":
		id, offset, n := uint32(d.Uint()), d.Int(), int(d.Uint())
		if s.wants++; s.wants < maxWants {
			s.send(append(etf.AppendVersion(nil), tuple("chunk", s.expect.sockets[id], int(id), int(offset), make([]byte, n))...))
			s.flush()
		}
	case "watch":
		s.expect.processes[string(d.Raw())] = true
	case "bad":
		s.bad++
	}
}

// answered takes an answer.
func (s *fuzzServer) answered(id uint32, result []byte) {
	if !s.expect.answered(id) {
		s.t.Fatalf("an answer that nobody has asked for, or a second one: %d, %x", id, result)
	}
	if i := int(id) - int(s.first); i >= 0 && i < len(s.wanted) {
		s.missing--
		if s.barrier {
			return
		}
		term, err := etf.Decode(append(etf.AppendVersion(nil), result...))
		if err != nil {
			s.t.Fatal(err)
		}
		s.wanted[i] = term
	}
	// {ok, {Socket, Domain, Type, Protocol, CType}}
	if bytes.HasPrefix(result, []byte("\x68\x02\x77\x02ok\x68\x05")) {
		var d etf.Decoder
		d.Reset(result[8:])
		s.opened[d.Uint()] = true
	}
}
