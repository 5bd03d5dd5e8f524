package dispatch

import (
	"testing"

	"gosocket/etf"
	"gosocket/etf/etftest"
)

// A program of FuzzCalls is a list of steps of four bytes: which example, which of its arguments is another, and which value
// that gets. Where the fourth byte is odd, a second argument gets a value, too.
const (
	stepSize = 4
	maxSteps = 48  // of the fuzzer
	steps    = 192 // with those that follow from these
	together = 8   // calls in a frame
)

// typedValues are arguments of every type that the protocol has, some of them right where others are wrong.
func typedValues() (values [][]byte) {
	values = [][]byte{
		etf.AppendNil(nil), tuple("at", -1), tuple("select_info", atom("recv"), 7), two(atom("true"), 5), two(1, 2), quad(127, 0, 0, 1), quad(0, 0, 0, 0, 0, 0, 0, 1),
	}
	for _, v := range []any{
		0, 1, 2, -1, 7, 17, 255, 65_535, 65_536, 1<<31 - 1, uint64(1 << 31), uint64(1 << 40), uint64(1<<62 + 1), uint64(1<<64 - 1),
		atom("me"), atom("you"), atom("true"), atom("false"), atom("infinity"), atom("nowait"), atom("undefined"), atom("inet"), atom("inet6"), atom("local"),
		atom("stream"), atom("dgram"), atom("seqpacket"), atom("raw"), atom("tcp"), atom("udp"), atom("default"), atom("read"), atom("write"), atom("read_write"),
		atom("add"), atom("socket"), atom("otp"), atom("tcp"), atom("linger"), atom("rcvbuf"), atom("sndbuf"), atom("rcvlowat"), atom("peek_off"),
		atom("receive_ahead"), atom("send_ahead"), atom("max_received_fds"), atom("controlling_process"), atom("debug"), atom("nonsense"),
		"", "x", string(make([]byte, 3000)),
		[]any{atom("peek")},
		[]any{atom("oob"), atom("dontroute")},
		[]any{1, "x"},
		[]any{loopback, to(9)},
		dict{},
		loopback, to(9),
		dict{"family": atom("local"), "path": "\x00gosocket-fuzz"},
		dict{"family": atom("inet6"), "addr": atom("loopback"), "port": 0},
		dict{"dup": atom("false")},
		dict{"ahead": atom("true"), "batch": atom("false")},
		dict{"delivered": atom("true"), "ahead": atom("false")},
		rawTerm(addressOf(portMark)),
	} {
		values = append(values, encode(nil, v))
	}
	for n := range 9 { // the last one is no socket of the program
		values = append(values, etf.AppendInt32(nil, int32(socketMark+n)))
	}
	return values
}

// FuzzCalls has a server of three loops serve programs of calls and items with arguments of the right and of wrong types. Each call
// has one answer, or none when it waits and its caller dies; when all are dead nothing is left of any of it.
func FuzzCalls(f *testing.F) {
	s := newFuzzServer(f)
	for i := range 20 {
		program := make([]byte, 0, maxSteps*stepSize)
		for k := range byte(maxSteps) {
			program = append(program, byte(71*i)+k, byte(i)>>2+k, byte(137*i)+5*k, byte(i)+3*k)
		}
		f.Add(program[:stepSize*(1+7*i%maxSteps)])
	}
	p := newPrograms()
	var m etftest.Mutator
	count := etftest.NewCounter(f)
	f.Fuzz(func(t *testing.T, program []byte) {
		program = program[:min(len(program)/stepSize, maxSteps)*stepSize]
		m.Seed(program)
		count.Add(t, steps*s.serve(t, func() { s.serveSteps(p, &m, program) }))
	})
}

// serveSteps sends a program, and as many steps more as there may be.
func (s *fuzzServer) serveSteps(p *programs, m *etftest.Mutator, program []byte) {
	gentle := m.Intn(2)
	var calls [][]byte
	for i := range steps {
		if i == steps/2 {
			s.pause(m, gentle == 1)
		}
		step := []byte{byte(m.Intn(256)), byte(m.Intn(256)), byte(m.Intn(256)), byte(m.Intn(256))}
		if len(program) > 0 {
			step, program = program[:stepSize], program[stepSize:]
		}
		term, isCall := p.step(step, gentle)
		if isCall && len(calls) < together {
			calls = append(calls, term)
			continue
		}
		if len(calls) > 0 {
			s.send(batchOf(calls))
			calls = calls[:0]
		}
		s.send(batchOf([][]byte{term})) // alone: a bad item is the end of its frame
	}
	if len(calls) > 0 {
		s.send(batchOf(calls))
	}
}

// programs are what the steps of a program choose from.
type programs struct {
	examples []example
	lost     int // examples behind which a call may have no answer: the last ones
	values   [][]byte
}

// An example is a good call, or item, in its parts.
type example struct {
	isCall bool
	whole  []byte
	name   []byte
	args   [][]byte
}

func newPrograms() *programs {
	p := &programs{values: typedValues()}
	for _, call := range goodCalls() {
		p.examples = append(p.examples, exampleOf(call, true))
	}
	items, lost := goodItems()
	for _, item := range items {
		p.examples = append(p.examples, exampleOf(item, false))
	}
	p.lost = lost
	return p
}

func exampleOf(whole []byte, isCall bool) example {
	e := example{isCall: isCall, whole: whole}
	var d etf.Decoder
	d.Reset(whole)
	n := d.Tuple()
	e.name = d.Raw()
	for range n - 1 {
		e.args = append(e.args, d.Raw())
	}
	return e
}

// batchOf is a frame of a list.
func batchOf(items [][]byte) []byte {
	b := etf.AppendList(etf.AppendVersion(nil), len(items))
	for _, item := range items {
		b = append(b, item...)
	}
	return etf.AppendNil(b)
}

// step makes the call or item of four bytes. Where all calls have to have an answer, who is gentle leaves out what would keep them from it.
func (p *programs) step(b []byte, gentle int) (term []byte, isCall bool) {
	e := &p.examples[int(b[0])%(len(p.examples)-gentle*p.lost)]
	if e.isCall {
		term = etf.AppendInt32(etf.AppendTuple(nil, 2), 0)
	}
	if len(e.args) == 0 {
		return append(term, e.whole...), e.isCall
	}
	one, other := int(b[1])%(len(e.args)+1), -1 // none of them for the last
	if b[3]&1 == 1 {
		other = int(b[3]>>1) % len(e.args)
	}
	term = append(etf.AppendTuple(term, len(e.args)+1), e.name...)
	for i, arg := range e.args {
		switch i {
		case other:
			arg = p.values[int(b[2]^b[3])%len(p.values)]
		case one:
			arg = p.values[int(b[2])%len(p.values)]
		}
		term = append(term, arg...)
	}
	return term, e.isCall
}
