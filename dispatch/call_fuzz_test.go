package dispatch

import (
	"maps"
	"slices"
	"testing"

	"gosocket/etf"
)

// A program of FuzzCalls is a list of steps of four bytes: which example, which of its arguments is another, and which value
// that gets. Where the fourth byte is odd, a second argument gets a value, too.
const (
	stepSize = 4
	maxSteps = 48
)

// typedValues are arguments of every type that the protocol has, some of them right where others are wrong.
func typedValues(sockets []uint64) (values []etf.Term) {
	terms := [][]byte{
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
	} {
		terms = append(terms, encode(nil, v))
	}
	for _, s := range sockets {
		terms = append(terms, encode(nil, s), encode(nil, s+1<<4))
	}
	for _, b := range terms {
		v, err := etf.Decode(append(etf.AppendVersion(nil), b...))
		if err != nil {
			panic(err)
		}
		values = append(values, v)
	}
	return values
}

// FuzzCalls has one server of three loops serve programs of calls and items with arguments of the right and of wrong types. Each call
// has one answer, or none when it waits and its caller dies; when all are dead nothing is left of any of it.
func FuzzCalls(f *testing.F) {
	var c *client
	var end func()
	f.Cleanup(func() {
		if end != nil {
			end()
		}
	})
	for i := range 200 {
		program := make([]byte, 0, maxSteps*stepSize)
		for k := range byte(maxSteps) {
			program = append(program, byte(7*i)+k, byte(i)>>2+k, byte(13*i)+5*k, byte(i)+3*k)
		}
		f.Add(program[:stepSize*(1+i%maxSteps)])
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if c == nil {
			c, end = startClient(t, func(cfg *Config) { cfg.Loops = 3 })
		}
		c.t = t
		runProgram(c, program)
	})
}

func runProgram(c *client, program []byte) {
	c.t.Helper()
	me := atom("me")
	var opening [][]byte
	var ids []int
	request := func(call []byte) []byte {
		c.next++
		ids = append(ids, c.next)
		return encodeCall(c.next, call)
	}
	for _, kind := range [][2]string{{"inet", "dgram"}, {"local", "dgram"}, {"inet", "stream"}, {"local", "stream"}} {
		opening = append(opening, request(tuple("open", me, atom(kind[0]), atom(kind[1]), atom("default"), dict{})))
	}
	c.write(opening...)
	var sockets []uint64
	for _, id := range ids {
		sockets = append(sockets, c.socketOf(c.replyTerm(id)))
	}
	values := typedValues(sockets)
	for n := 0; len(program) >= stepSize && n < maxSteps; n++ {
		c.write(fuzzStep(program[:stepSize], sockets, values, request))
		program = program[stepSize:]
	}
	items := [][]byte{request(tuple("hello", dict{"delivered": atom("false"), "watch": atom("false")})), tuple("debug", atom("false"), atom("false"))}
	for _, v := range values { // any of them may own something by now
		items = append(items, etf.Append(etf.AppendAtom(etf.AppendTuple(nil, 2), "died"), v))
	}
	c.write(items...)
	for range 2 { // what loops hand to each other has arrived when they have told this twice
		c.statistics()
	}
	left := c.statistics()
	c.kept = nil
	for _, what := range []string{"sockets", "waiting", "selects", "parked_bytes", "unread_bytes", "received_fds"} {
		if left[what] != 0 {
			c.t.Fatalf("%s when all are dead: %d", what, left[what])
		}
	}
}

// fuzzStep makes a call or an item of four bytes.
func fuzzStep(b []byte, sockets []uint64, values []etf.Term, request func([]byte) []byte) []byte {
	s := sockets[int(b[1])%len(sockets)]
	all := examples(s)
	calls, others := len(all), itemExamples()
	for _, name := range slices.Sorted(maps.Keys(others)) {
		all = append(all, others[name])
	}
	which := int(b[0]) % len(all)
	isCall, example := which < calls, all[which]
	term, err := etf.Decode(append(etf.AppendVersion(nil), example...))
	if err != nil {
		panic(err)
	}
	parts, ok := term.(etf.Tuple)
	if !ok || len(parts) < 2 {
		return request(example)
	}
	parts = append(etf.Tuple(nil), parts...)
	parts[1+int(b[1]>>2)%(len(parts)-1)] = values[int(b[2])%len(values)]
	if b[3]&1 == 1 {
		parts[1+int(b[3]>>1)%(len(parts)-1)] = values[int(b[2]^b[3])%len(values)]
	}
	changed := etf.Append(nil, parts)
	if isCall {
		return request(changed)
	}
	return changed
}
