package dispatch

import (
	"maps"
	"slices"
	"testing"

	"gosocket/etf"
)

// Calls of every day are read once, all others twice, and so are all while calls are looked at. Whatever is wrong with
// a call or the frame it is in, what is answered is the same.
func TestCallsAreReadOnceOrTwiceAlike(t *testing.T) {
	once, twice := newClient(t), newClient(t)
	twice.server.tracing.Store(true)
	answers := [2]map[string]string{}
	others := [2][]string{}
	sockets := [2]uint64{once.open("inet", "dgram"), twice.open("inet", "dgram")}
	if sockets[0] != sockets[1] {
		t.Fatalf("sockets %v", sockets)
	}
	var frames [][]byte
	for _, call := range everyDayCalls(sockets[0]) {
		term, err := etf.Decode(append(etf.AppendVersion(nil), call...))
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range hostile() {
			if len(other) <= 1<<10 {
				for _, v := range variants(term, etf.Big(other)) {
					frames = append(frames, etf.Append(nil, v))
				}
			}
		}
		frames = append(frames, spoiled(call)...)
	}
	for i, c := range []*client{once, twice} {
		for id, request := range frames {
			// What is behind it in the frame is served, or not, as well.
			b := etf.AppendList(etf.AppendVersion(make([]byte, 4)), 2)
			b = append(etf.AppendInt(etf.AppendTuple(b, 2), int64(id+1000)), request...)
			c.raw(etf.AppendNil(append(b, tuple("ping", id)...)))
		}
		c.want(c.do(tuple("recv", c.open("inet", "dgram"), atom("me"), 1, []any{}, 400, 0)), "{error,timeout}")
		answers[i] = map[string]string{}
		for _, f := range c.kept {
			if reply, ok := f.(etf.Tuple); ok && len(reply) == 2 {
				if _, isReply := number(reply[0]); isReply {
					answers[i][text(reply[0])] += text(reply[1]) + " "
					continue
				}
			}
			if !isTuple(f, "consumed") { // where reads end is chance
				others[i] = append(others[i], text(f))
			}
		}
		t.Logf("%d frames, %d answers, %d other frames", len(frames), len(answers[i]), len(others[i]))
	}
	if len(answers[0]) < 1000 || len(others[0]) < 1000 {
		t.Error("hardly any answers")
	}
	if !maps.Equal(answers[0], answers[1]) {
		for id, answer := range answers[0] {
			if answer != answers[1][id] {
				t.Errorf("request %s: %s and %s", id, answer, answers[1][id])
			}
		}
		t.Errorf("%d and %d answers", len(answers[0]), len(answers[1]))
	}
	for i, frame := range others[0] {
		if i >= len(others[1]) || frame != others[1][i] {
			t.Fatalf("frame %d: %s and %s", i, frame, others[1][min(i, len(others[1])-1)])
		}
	}
	if bad := [2][]string{once.log.take("message"), twice.log.take("message")}; !slices.Equal(bad[0], bad[1]) || len(bad[0]) == 0 {
		t.Errorf("%d and %d lines in the logs", len(bad[0]), len(bad[1]))
	}
}

func everyDayCalls(s uint64) [][]byte {
	me := rawTerm("\x58\x77\x0enobody@nowhere\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x01")
	return [][]byte{
		tuple("recv", s, me, 1, []any{}, 0, 0),
		tuple("recv", s, uint64(1<<40), 1000, []any{atom("peek")}, atom("nowait"), 7),
		tuple("recv", s, me, uint64(1<<40), []any{}, rawTerm(two(atom("at"), 1)), 0),
		tuple("send", s, me, []any{}, atom("infinity"), []any{}, 1, "x"),
		tuple("send", s, me, []any{atom("nosignal"), atom("oob")}, 0, 0, 3, "xyz"),
		tuple("send", s+1<<40, 1, []any{}, atom("infinity"), []any{}, 0, ""),
	}
}

// spoiled returns a term with each byte changed, cut short after each, and with one byte too many.
func spoiled(term []byte) (all [][]byte) {
	for i := range term {
		for _, b := range []byte{0, 1, 8, 97, 98, 104, 106, 108, 109, 110, 119, 131, 255} {
			changed := slices.Clone(term)
			changed[i] = b
			all = append(all, changed)
		}
		all = append(all, term[:i:i])
	}
	return append(all, append(slices.Clone(term), 106))
}
