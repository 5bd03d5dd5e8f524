package etf

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func TestPidsOfANodeDifferInTheirNumbers(t *testing.T) {
	pid, err := hex.DecodeString(strings.ReplaceAll(newPid, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	form, ok := FormOf(pid)
	if !ok {
		t.Fatalf("no form: % x", pid)
	}
	if got := form.Append(nil, 7<<32|1); !bytes.Equal(got, pid) {
		t.Errorf("% x, want % x", got, pid)
	}
	want := bytes.Clone(pid)
	copy(want[len(want)-12:], []byte{0xff, 1, 2, 3, 4, 5, 6, 7})
	if got := form.Append(nil, 0xff01020304050607); !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
	for n := range pid {
		if _, ok := FormOf(pid[:n]); ok {
			t.Errorf("a form of %d bytes", n)
		}
	}
	if _, ok := FormOf(append(bytes.Clone(pid), 106)); ok {
		t.Error("a form of more than a pid")
	}
	if _, ok := FormOf(AppendInt(nil, 17)); ok {
		t.Error("the form of an integer")
	}
}
