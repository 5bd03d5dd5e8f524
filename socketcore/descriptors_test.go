package socketcore

import (
	"testing"

	"golang.org/x/sys/unix"
)

// A program may be started with sockets for its standard input and output.
func TestSocketsOfTheProgramItselfAreNotOpened(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	var loops []*Loop
	for i := range 2 {
		l, err := NewLoop(Config{Index: i}, new(Totals))
		if err != nil {
			t.Fatal(err)
		}
		l.SetHandler(nobody{})
		defer l.Free()
		loops = append(loops, l)
	}
	if err := loops[0].Listen(pair[0], Input, func(uint32) {}); err != nil {
		t.Fatal(err)
	}
	for i, l := range loops {
		for _, dup := range []bool{false, true} {
			if _, c := l.OpenFD(pair[0], dup, nil); c != Code(unix.EBADF) {
				t.Errorf("loop %d opens it, dup %v: %d", i, dup, c)
			}
		}
		if fds.lend(AppendCmsg(nil, unix.SOL_SOCKET, unix.SCM_RIGHTS, []byte{byte(pair[0]), 0, 0, 0})) {
			t.Error("may be sent")
		}
	}
	if s, c := loops[1].OpenFD(pair[1], false, nil); c != 0 || s.FD() != pair[1] {
		t.Errorf("the other end: %d", c)
	}
}

// nobody is a Handler of whom nothing is asked but to watch.
type nobody struct{ Handler }

func (nobody) Watch([]byte) {}
