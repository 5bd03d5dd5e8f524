package socketcore

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// answered is a handler that notes which receives were answered.
type answered struct {
	mute
	ids *[]uint32
}

func (a answered) Done(o *Op)             { *a.ids = append(*a.ids, o.ID) }
func (answered) Room(_ *Op, n int) []byte { return make([]byte, n) }

// noting is a loop with such a handler, to be driven by the test.
func noting(t *testing.T) (*Loop, *[]uint32) {
	t.Helper()
	l, err := NewLoop(Config{}, new(Totals))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Free)
	ids := new([]uint32)
	l.SetHandler(answered{ids: ids})
	return l, ids
}

// pairs makes connections of which one end is a socket of the loop that a receive waits on, the other a descriptor.
func pairs(t *testing.T, l *Loop, n int) (ends []int) {
	t.Helper()
	for i := range n {
		fd, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		s, c := l.OpenFD(fd[0], true, []byte("me"))
		_ = unix.Close(fd[0])
		if c != 0 {
			t.Fatal(c)
		}
		o := l.NewOp()
		o.Kind, o.ID, o.Process, o.Mode, o.Deadline, o.Length = Recv, uint32(i), []byte("me"), Wait, Forever, 1
		l.Submit(s, o)
		ends = append(ends, fd[1])
		t.Cleanup(func() { _ = unix.Close(fd[1]) })
	}
	return ends
}

// Who is told last may look again: nobody loses an event by that, of the same round or of the look, however many there are, and nobody
// is told of one twice. He himself is told in the next round of what comes meanwhile.
func TestLooksLoseNoEvent(t *testing.T) {
	const many = 20
	l, ids := noting(t)
	ends := pairs(t, l, 2*many)
	pipe := func(listen func(fd int, events uint32, f func(uint32)) error, events uint32, tell func()) int {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = unix.Close(p[0]), unix.Close(p[1]) })
		if err := listen(p[0], events, func(uint32) { drain(p[0]); tell() }); err != nil {
			t.Fatal(err)
		}
		return p[1]
	}
	var edges, levels, posts, looks, rounds int
	var during func()
	last := pipe(l.ListenLast, Input, func() {
		rounds++
		during()
		l.sends = 3
		for _, least := range []int{4, 3, 1} { // there were fewer; as many; none since
			if l.LookAgain(least) {
				looks++
			}
		}
	})
	var others []int
	for range many {
		others = append(others, pipe(l.Listen, Input|Edge, func() { edges++ }), pipe(l.Listen, Input, func() { levels++ }))
	}
	all := func(ends []int) {
		for _, fd := range slices.Concat(ends, others, []int{last}) {
			poke(t, fd)
		}
		l.Post(func() { posts++ })
	}
	want := func(n int) {
		t.Helper()
		if len(*ids) != n*many || edges != n*many || levels != n*many || posts != n || looks != rounds {
			t.Errorf("%d receives, %d edges, %d levels, %d posts, %d looks in %d rounds", len(*ids), edges, levels, posts, looks, rounds)
		}
	}
	during = func() {}
	all(ends[:many])
	l.handle(l.pollNow())
	want(1)
	during = func() { all(ends[many:]) }
	poke(t, last)
	l.handle(l.pollNow())
	want(2)
	during = func() {}
	l.handle(l.pollNow())
	if want(2); rounds != 3 {
		t.Errorf("%d rounds", rounds)
	}
	if slices.Sort(*ids); len(slices.Compact(*ids)) != 2*many {
		t.Errorf("%v", *ids)
	}
}

// What was posted comes before what somebody has sent since.
func TestWhatIsPostedComesAheadOfWhatIsSentThen(t *testing.T) {
	for _, look := range []bool{false, true} {
		l, ids := noting(t)
		end := pairs(t, l, 1)[0]
		before := -1
		l.Post(func() { before = len(*ids) })
		poke(t, end)
		if look {
			l.LookAgain(0)
		} else {
			l.handle(l.pollNow())
		}
		if before != 0 || len(*ids) != 1 {
			t.Errorf("look %v: %d receives, %d ahead of what was posted", look, len(*ids), before)
		}
	}
}
