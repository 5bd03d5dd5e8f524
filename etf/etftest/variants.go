package etftest

import (
	"runtime/debug"
	"testing"
)

// Each has check look at b and at up to n-1 others, which are b with changes, and tells how many these were with b. An input of a fuzz
// target stands for as many: what the race detector and the look at the code that was reached cost is that of all of them. They are
// fewer when they have more than 256 n bytes together. A failure says which of them it was.
func (m *Mutator) Each(t *testing.T, b []byte, donors [][]byte, n int, check func(i int, b []byte)) (done int) {
	now := b
	defer func() {
		if r := recover(); r != nil {
			t.Fatalf("%x: panic: %v\n%s", now, r, debug.Stack())
		}
		if t.Failed() {
			t.Logf("that was of %x", now)
		}
	}()
	m.Seed(b)
	check(0, b)
	var room []byte
	size := len(b)
	for done = 1; done < n && size < n<<8; done++ {
		room = m.Mutate(room[:0], b, donors[m.Intn(len(donors))])
		now, size = room, size+len(room)
		check(done, room)
	}
	return done
}
