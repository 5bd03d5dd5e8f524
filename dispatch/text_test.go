package dispatch

import (
	"encoding/hex"
	"fmt"
	"os"
	"sort"
	"strings"
	"syscall"
	"testing"

	"gosocket/etf"
)

// text writes a term as Erlang would, so that tests can say what they expect.
func text(t etf.Term) string {
	switch t := t.(type) {
	case nil:
		return "nothing"
	case etf.Int:
		return fmt.Sprint(int64(t))
	case etf.Big:
		n, _ := number(t)
		return fmt.Sprint(n)
	case etf.Atom:
		return t.Name
	case etf.Binary:
		return fmt.Sprintf("<<%q>>", string(t))
	case etf.String:
		return fmt.Sprintf("%q", string(t))
	case etf.Nil:
		return "[]"
	case etf.Tuple:
		return "{" + texts(t) + "}"
	case etf.List:
		return "[" + texts(t.Elements) + "]"
	case etf.Map:
		parts := make([]string, len(t))
		for i, p := range t {
			parts[i] = text(p.Key) + "=>" + text(p.Value)
		}
		sort.Strings(parts)
		return "#{" + strings.Join(parts, ",") + "}"
	}
	return "<" + hex.EncodeToString(etf.Append(nil, t)) + ">"
}

func texts(terms []etf.Term) string {
	parts := make([]string, len(terms))
	for i, t := range terms {
		parts[i] = text(t)
	}
	return strings.Join(parts, ",")
}

// number reads an integer in whatever form it came.
func number(t etf.Term) (int, bool) {
	var d etf.Decoder
	d.Reset(etf.Append(nil, t))
	n := d.Int()
	return int(n), d.Err() == nil
}

// field returns the value of a key of a map.
func field(t *testing.T, m etf.Term, key string) etf.Term {
	t.Helper()
	pairs, ok := m.(etf.Map)
	if !ok {
		t.Fatalf("no map: %s", text(m))
	}
	for _, p := range pairs {
		if text(p.Key) == key {
			return p.Value
		}
	}
	t.Fatalf("no %s in %s", key, text(m))
	return nil
}

// detach takes the descriptor out of a file, non-blocking, and closes the file.
func detach(t *testing.T, f *os.File) int {
	t.Helper()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fd)
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	f.Close()
	return fd
}

func closeAll(fds []int) {
	for _, fd := range fds {
		syscall.Close(fd)
	}
}
