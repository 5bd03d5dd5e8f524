package etf

import (
	"encoding/hex"
	"strings"
	"testing"
)

// Requests {17, {recv, 5, Pid, 0, [], infinity, []}}, as OTP 25 sends them, and OTP 26
// and later: term_to_binary(T, [{minor_version, 2}]).
const (
	requestLatin1 = "83680261116807640004726563766105" +
		"5864000d6e6f6e6f6465406e6f686f73740000004f0000000000000000" + "61006a640008696e66696e6974796a"
	requestUTF8 = "8368026111680777047265637661055" +
		"8770d6e6f6e6f6465406e6f686f73740000004f0000000000000000" + "61006a7708696e66696e6974796a"
)

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// request is what a helper gets out of a frame with a recv in it.
type request struct {
	id, socket, length int64
	process, ref       []byte
	flags              int
	infinite           bool
}

func (r *request) read(d *Decoder) bool {
	d.Version()
	if d.Tuple() != 2 {
		return false
	}
	r.id = d.Int()
	if d.Tuple() != 7 || string(d.Atom()) != "recv" {
		return false
	}
	r.socket = d.Int()
	r.process = d.Raw()
	r.length = d.Int()
	r.flags = d.List()
	r.infinite = string(d.Atom()) == "infinity"
	r.ref = d.Raw()
	return d.Err() == nil && d.Len() == 0
}

func TestTypicalRequestIsReadWithoutAllocation(t *testing.T) {
	for _, text := range []string{requestLatin1, requestUTF8} {
		frame := unhex(t, text)
		var d Decoder
		var r request
		allocs := testing.AllocsPerRun(1000, func() {
			d.Reset(frame)
			if !r.read(&d) {
				t.Fatal(d.Err())
			}
		})
		if allocs != 0 {
			t.Errorf("%v allocations", allocs)
		}
		if r.id != 17 || r.socket != 5 || r.length != 0 || r.flags != 0 || !r.infinite ||
			len(r.ref) != 1 || len(r.process) < 28 || r.process[0] != tagNewPid {
			t.Errorf("read %+v", r)
		}
	}
}

func TestTypicalReplyIsWrittenWithoutAllocation(t *testing.T) {
	out, data := make([]byte, 0, 256), make([]byte, 100)
	if allocs := testing.AllocsPerRun(1000, func() { out = appendReply(out[:0], data) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
	d := cursor(out)
	d.Version()
	d.Skip()
	if d.Err() != nil || d.Len() != 0 {
		t.Errorf("% x: %v", out, d.Err())
	}
}

// appendReply appends {17, {ok, Data}}.
func appendReply(b, data []byte) []byte {
	b = AppendInt32(AppendTuple(AppendVersion(b), 2), 17)
	return AppendBinary(AppendAtom(AppendTuple(b, 2), "ok"), data)
}

func BenchmarkRequest(b *testing.B) {
	for name, text := range map[string]string{"Latin1": requestLatin1, "UTF8": requestUTF8} {
		frame := unhex(b, text)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var d Decoder
			var r request
			for b.Loop() {
				d.Reset(frame)
				if !r.read(&d) {
					b.Fatal(d.Err())
				}
			}
		})
		b.Run(name+"AsTerm", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReply(b *testing.B) {
	b.ReportAllocs()
	out, data := make([]byte, 0, 256), make([]byte, 100)
	for b.Loop() {
		out = appendReply(out[:0], data)
	}
}
