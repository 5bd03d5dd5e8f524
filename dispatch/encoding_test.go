package dispatch

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"gosocket/etf"
)

// Most clients write a term in one way, and calls of every day are read by comparing bytes: those written in another do the
// same.
func TestACallIsTheSameInEveryEncoding(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.pair()
		for i := range 300 {
			data := fmt.Sprint(i)
			for _, step := range []struct {
				call  []any
				reply string
			}{
				{[]any{atom("send"), a, 1, none, atom("infinity"), none, len(data), data}, "ok"},
				{[]any{atom("recv"), b, 1, len(data), none, atom("infinity"), none}, fmt.Sprintf("{ok,<<%q>>}", data)},
				{[]any{atom("recv"), b, 1, 0, none, 0, none}, "{error,timeout}"},
				{[]any{atom("recv"), b, 1, 0, none, atom("infinite"), none}, "{raise,badarg}"},
				{[]any{atom("send"), a, 1, none, atom("infinity"), none, data, data}, "{raise,badarg}"},
				{[]any{atom("recv"), b, 1, 0, []any{atom("odd")}, atom("infinity"), none}, "{raise,{invalid,{flag,odd}}}"},
			} {
				call := appendTupleHead(nil, random, len(step.call))
				for _, v := range step.call {
					call = appendInSomeWay(call, random, v)
				}
				if got := c.do(call); got != step.reply {
					t.Fatalf("% x: %s for %s", call, got, step.reply)
				}
			}
		}
	})
}

func appendTupleHead(b []byte, random *rand.Rand, n int) []byte {
	if random.IntN(4) == 0 {
		return binary.BigEndian.AppendUint32(append(b, 105), uint32(n))
	}
	return etf.AppendTuple(b, n)
}

func appendInSomeWay(b []byte, random *rand.Rand, v any) []byte {
	way := random.IntN(8)
	switch v := v.(type) {
	case atom:
		switch way {
		case 0, 1: // ATOM_EXT, ATOM_UTF8_EXT
			b = binary.BigEndian.AppendUint16(append(b, [...]byte{100, 118}[way]), uint16(len(v)))
			return append(b, v...)
		case 2: // SMALL_ATOM_EXT
			return append(append(b, 115, byte(len(v))), v...)
		}
	case int:
		return appendInSomeWay(b, random, uint64(v))
	case uint64:
		switch way {
		case 0: // SMALL_BIG_EXT
			return binary.LittleEndian.AppendUint64(append(b, 110, 8, 0), v)
		case 1: // LARGE_BIG_EXT
			return binary.LittleEndian.AppendUint64(append(b, 111, 0, 0, 0, 8, 0), v)
		case 2: // INTEGER_EXT
			if v < 1<<31 {
				return binary.BigEndian.AppendUint32(append(b, 98), uint32(v))
			}
		}
	}
	return encode(b, v)
}
