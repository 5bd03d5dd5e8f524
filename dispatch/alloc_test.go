package dispatch

import (
	"encoding/binary"
	"runtime"
	"testing"

	"gosocket/etf"
)

// TestCallsAllocateNothing sends ready-made requests and reads replies into one buffer, so
// that all allocations are the server's.
func TestCallsAllocateNothing(t *testing.T) {
	c := newClient(t)
	a, b := c.pair()
	c.want(c.do(tuple("hello", dict{"consumed": atom("false")})), "ok")
	for _, x := range []struct {
		name    string
		items   [][]byte
		replies int
	}{
		{"getopt", [][]byte{tuple("getopt", a, atom("socket"), atom("rcvbuf"))}, 1},
		{"send and recv", [][]byte{send(a, 1, "0123456789"), recv(b, 1, 10, atom("infinity"))}, 2},
		{"recv that waits and send", [][]byte{recv(b, 1, 10, 5000), send(a, 1, "0123456789")}, 2},
		{"recv that times out", [][]byte{recv(b, 1, 10, 1)}, 1},
	} {
		request := etf.AppendList(etf.AppendVersion(make([]byte, 4)), len(x.items)+1)
		request = append(request, tuple("delivered", 1<<30)...) // as a lane does with each batch
		for i, item := range x.items {
			request = append(etf.AppendInt32(etf.AppendTuple(request, 2), int32(i)), item...)
		}
		request = etf.AppendNil(request)
		binary.BigEndian.PutUint32(request, uint32(len(request)-4))
		round := func() {
			if _, err := c.in.Write(request); err != nil {
				t.Fatal(err)
			}
			for range x.replies {
				<-c.out
			}
		}
		for range 100 {
			round()
		}
		const rounds = 2000
		var m0, m1 runtime.MemStats
		runtime.ReadMemStats(&m0)
		for range rounds {
			round()
		}
		runtime.ReadMemStats(&m1)
		// The reading goroutine makes a head and a body of every frame.
		own := uint64(2 * x.replies * rounds)
		if n := m1.Mallocs - m0.Mallocs; n > own+rounds/20 {
			t.Errorf("%s: %d allocations in %d rounds", x.name, n-own, rounds)
		}
	}
}
