package dispatch

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"gosocket/etf"
)

// examples are good calls, one of each name, on the socket with this number.
func examples(s uint64) [][]byte {
	flags, ctrl := []any{atom("nosignal")}, []any{dict{"level": atom("socket"), "type": 1, "data": ""}}
	ref, me := 7, atom("me")
	return [][]byte{
		tuple("hello", dict{"watch": atom("false"), "delivered": atom("false"), "consumed": atom("false")}),
		tuple("open", me, atom("inet"), atom("dgram"), atom("udp"), dict{"netns": "/no/such/file", "debug": atom("false")}),
		tuple("openfd", me, -1, dict{"dup": atom("false"), "domain": atom("inet")}),
		tuple("bind", s, loopback),
		tuple("bind", s, []any{loopback}, atom("add")),
		tuple("connect", s, me, loopback, 0, ref),
		tuple("connect", s, me),
		tuple("listen", s, 5),
		tuple("accept", s, me, 0, ref),
		tuple("recv", s, me, 1, []any{atom("peek")}, 0, ref),
		tuple("recvfrom", s, me, 1, []any{atom("peek")}, 0, ref),
		tuple("recvmsg", s, me, 1, 100, []any{atom("peek")}, 0, ref),
		tuple("send", s, me, flags, 0, ref, 1, "x"),
		tuple("sendto", s, me, loopback, flags, 0, ref, 1, "x"),
		tuple("sendmsg", s, me, loopback, ctrl, flags, 0, ref, 1, "x"),
		tuple("shutdown", s, atom("write")),
		tuple("sockname", s),
		tuple("peername", s),
		tuple("getopt", s, atom("socket"), atom("rcvbuf")),
		tuple("getopt", s, 1, rawTerm(two(9, atom("int")))),
		tuple("setopt", s, me, atom("otp"), atom("meta"), []any{dict{"a": 1}}),
		tuple("setopt", s, me, atom("ip"), atom("add_membership"), dict{"multiaddr": rawTerm(quad(239, 1, 2, 3)), "interface": atom("any")}),
		tuple("setopt", s, me, 1, 9, "abcd"),
		tuple("info", s),
		tuple("closefd", s, 17),
		tuple("cancel", s, me, rawTerm(tuple("select_info", atom("recv"), ref))),
		tuple("supports", atom("options"), atom("udp")),
		tuple("is_supported", atom("options"), atom("udp"), atom("cork")),
		tuple("statistics"),
		tuple("close", s, me),
	}
}

func two(a, b any) []byte { return encode(encode(etf.AppendTuple(nil, 2), a), b) }

func quad(numbers ...int) []byte {
	b := etf.AppendTuple(nil, len(numbers))
	for _, n := range numbers {
		b = etf.AppendInt(b, int64(n))
	}
	return b
}

// hostile are terms, as they are sent, that nobody expects anywhere.
func hostile() map[string][]byte {
	levels := func(n int, level, inside string) []byte { return []byte(strings.Repeat(level, n) + inside) }
	number := func(sign byte) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{111}, 300), append([]byte{sign}, bytes.Repeat([]byte{0xff}, 300)...)...)
	}
	keys := binary.BigEndian.AppendUint32([]byte{116}, 20_000)
	for i := range 20_000 {
		keys = etf.AppendInt(etf.AppendInt(keys, int64(i)), int64(i))
	}
	return map[string][]byte{
		"lists":           append(levels(30_000, "\x6c\x00\x00\x00\x01", "\x6a"), bytes.Repeat([]byte{106}, 30_000)...),
		"tuples":          levels(100_000, "\x68\x01", "\x6a"),
		"tails":           levels(30_000, "\x6c\x00\x00\x00\x01\x6a", "\x6a"),
		"empty heads":     levels(30_000, "\x6c\x00\x00\x00\x00", "\x6a"),
		"maps":            levels(20_000, "\x74\x00\x00\x00\x01\x61\x01", "\x6a"),
		"improper":        []byte("\x6c\x00\x00\x00\x01\x77\x01a\x77\x01b"),
		"keys":            keys,
		"positive":        number(0),
		"negative":        number(1),
		"atom":            append([]byte{118, 1020 >> 8, 1020 & 0xff}, strings.Repeat("\U0001F600", 255)...),
		"binary":          etf.AppendBinary(nil, make([]byte, 1<<18)),
		"string":          append([]byte{107, 0xff, 0xff}, make([]byte, 0xffff)...),
		"bits":            []byte("\x4d\x00\x00\x00\x01\x03\xa0"),
		"float":           []byte("\x46\x7f\xef\xff\xff\xff\xff\xff\xff"),
		"pid":             []byte("\x58\x77\x0enobody@nowhere\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x01"),
		"port":            []byte("\x66\x77\x0enobody@nowhere\x00\x00\x00\x07\x01"),
		"reference":       []byte("\x5a\x00\x01\x77\x0enobody@nowhere\x00\x00\x00\x01\x00\x00\x00\x07"),
		"export":          []byte("\x71\x77\x05lists\x77\x03map\x61\x02"),
		"fun":             []byte("\x70\x00\x00\x00\x24" + strings.Repeat("\x00", 1+16+4+4) + "\x77\x00\x61\x00\x61\x00\x6a"),
		"nil":             {106},
		"empty tuple":     {104, 0},
		"64 bits":         []byte("\x6e\x08\x00\xff\xff\xff\xff\xff\xff\xff\xff"),
		"minus one":       []byte("\x62\xff\xff\xff\xff"),
		"loops elsewhere": []byte("\x6e\x08\x00\x00\x00\x00\x00\x00\x00\x00\xff"),
	}
}

// variants returns a term with another one, kept as bytes, in the place of each of its parts.
func variants(t etf.Term, other etf.Term) (all []etf.Term) {
	all = append(all, other)
	each := func(parts []etf.Term, whole func([]etf.Term) etf.Term) {
		for i, part := range parts {
			for _, v := range variants(part, other) {
				changed := append([]etf.Term(nil), parts...)
				changed[i] = v
				all = append(all, whole(changed))
			}
		}
	}
	switch t := t.(type) {
	case etf.Tuple:
		each(t, func(p []etf.Term) etf.Term { return etf.Tuple(p) })
	case etf.List:
		each(append(append([]etf.Term(nil), t.Elements...), t.Tail), func(p []etf.Term) etf.Term {
			return etf.List{Elements: p[:len(p)-1], Tail: p[len(p)-1]}
		})
	case etf.Map:
		var parts []etf.Term
		for _, p := range t {
			parts = append(parts, p.Key, p.Value)
		}
		each(parts, func(p []etf.Term) etf.Term {
			m := make(etf.Map, len(p)/2)
			for i := range m {
				m[i] = etf.Pair{Key: p[2*i], Value: p[2*i+1]}
			}
			return m
		})
	}
	return all
}

// answers reads frames until all requests have their answer, in the bytes of the frames: what is in them may
// be too deep to be decoded. Of two requests the first may wait for ever, which the result false says.
func (c *client) answers(t *testing.T, what string, ids ...int) bool {
	t.Helper()
	patience := 10 * time.Second
	missing := map[uint32]bool{}
	for _, id := range ids {
		missing[uint32(id)] = true
	}
	for len(missing) > 0 {
		var body []byte
		var more bool
		select {
		case body, more = <-c.out:
		case <-time.After(patience):
		}
		if !more && len(ids) == 2 && len(missing) == 1 && missing[uint32(ids[0])] {
			return false
		}
		if !more {
			t.Fatalf("%s: no answer to %v", what, missing)
		}
		if bytes.HasPrefix(body, []byte("\x83\x68\x03\x77\x03bad")) {
			t.Fatalf("%s: %q", what, body)
		}
		if len(body) > 7 && bytes.HasPrefix(body, []byte{131, 104, 2, 98}) {
			delete(missing, binary.BigEndian.Uint32(body[4:]))
		}
		if len(ids) == 2 && !missing[uint32(ids[1])] {
			patience = 50 * time.Millisecond
		}
	}
	return true
}

func encodeCall(id int, call []byte) []byte {
	return append(etf.AppendInt(etf.AppendTuple(nil, 2), int64(id)), call...)
}

// TestWhateverACallCarriesIsAnswered puts every hostile term into every place of every call. Each gets one answer,
// also when what it gets is that its socket is closed; nothing is bad about its frame; and what the log says of it is
// short.
func TestWhateverACallCarriesIsAnswered(t *testing.T) {
	t.Parallel() // as the other one that takes its time
	for name := range calls {
		found := false
		for _, call := range examples(1) {
			found = found || bytes.HasPrefix(call[2:], etf.AppendAtom(nil, name))
		}
		if !found {
			t.Errorf("%s has no example", name)
		}
	}
	everyLoops(t, func(t *testing.T, c *client) {
		c.write(tuple("debug", atom("true"), atom("false")))
		for what, term := range hostile() {
			if testing.Short() && len(term) > 10_000 {
				continue // size makes no difference to who works at the same time
			}
			for i := range examples(0) {
				s := c.open("inet", "dgram")
				all := variants(decoded(t, examples(s)[i]), etf.Pid(term)) // which is kept as bytes
				for n := range all {
					if len(term) > 10_000 && (n+i)%3 != c.server.cfg.Loops%3 {
						continue // another number of loops has it
					}
					id := c.call(etf.Append(nil, all[n]))
					if !c.answers(t, what, id, c.call(tuple("sockname", s))) {
						c.write(encodeCall(1<<30, tuple("close", s, 1)))
						c.answers(t, what, id)
						s = c.open("inet", "dgram")
						all = variants(decoded(t, examples(s)[i]), etf.Pid(term))
					}
				}
				c.answers(t, what, c.call(tuple("close", s, 1)))
			}
		}
		c.log.mu.Lock()
		defer c.log.mu.Unlock()
		for _, line := range c.log.lines {
			if b, err := json.Marshal(line); err != nil || len(b) > 8192 {
				t.Errorf("%d bytes of log, %v", len(b), err)
			}
		}
	})
}

func decoded(t *testing.T, b []byte) etf.Term {
	t.Helper()
	term, err := etf.Decode(append([]byte{etf.Version}, b...))
	must(t, err)
	return term
}

// itemExamples are good items, one of each name, about the socket with this number.
func itemExamples(s uint64) map[string][]byte {
	return map[string][]byte{
		"chunk":      tuple("chunk", s, 1, 0, "x"),
		"debug":      tuple("debug", atom("false"), atom("false")),
		"died":       tuple("died", atom("nobody")),
		"delivered":  tuple("delivered", 1),
		"handback":   tuple("handback", s, "x"),
		"send_ahead": tuple("send_ahead", s, "x"),
		"took":       tuple("took", s, 1, 1, 1, 0),
		"arrived":    tuple("arrived", s, 1),
		"drop":       tuple("drop", s, 1),
		"ping":       tuple("ping", 1),
		"clock":      tuple("clock", 1),
	}
}

// TestWhateverAnItemCarriesIsSurvived does the same with what is no call: it is obeyed, or its frame is bad.
func TestWhateverAnItemCarriesIsSurvived(t *testing.T) {
	good := itemExamples(1)
	for name := range items {
		if good[name] == nil {
			t.Errorf("%s has no example", name)
		}
	}
	everyLoops(t, func(t *testing.T, c *client) {
		for what, term := range hostile() {
			for name, item := range good {
				for _, v := range variants(decoded(t, item), etf.Pid(term)) {
					c.write(etf.Append(nil, v))
					c.ponged(t, what+" in "+name)
				}
			}
		}
	})
}

// ponged waits for the answer to a ping of its own.
func (c *client) ponged(t *testing.T, what string) {
	t.Helper()
	c.write(tuple("ping", atom("there")))
	for {
		select {
		case body, more := <-c.out:
			switch {
			case !more:
				t.Fatalf("%s: the server has ended", what)
			case bytes.Equal(body, append([]byte{etf.Version}, tuple("pong", atom("there"))...)):
				return
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: no pong", what)
		}
	}
}
