package dispatch

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"gosocket/etf"
)

// TestCallsAllocateNothing sends ready-made requests and reads replies into one buffer, so
// that all allocations are the server's.
func TestCallsAllocateNothing(t *testing.T) {
	t.Run("without an allow-list", func(t *testing.T) { callsAllocateNothing(t, nil) })
	t.Run("with one", func(t *testing.T) {
		callsAllocateNothing(t, []string{
			"domains=inet", "types=stream", "types=dgram", "protocols=tcp", "protocols=udp", "local_ports=0",
			"local_addresses=127.0.0.1", "remote_ports=1-65535", "remote_addresses=10.0.0.0/8", "remote_addresses=127.0.0.0/8",
			"devices=lo", "namespaces", "paths", "descriptors",
		})
	})
}

func callsAllocateNothing(t *testing.T, rules []string) {
	t.Helper()
	c := newClient(t, func(cfg *Config) { cfg.Allow = allowList(t, rules) })
	a, b := c.pair()
	d := c.open("inet", "dgram")
	c.want(c.do(tuple("bind", d, loopback)), fmt.Sprintf("{ok,%d}", c.port(d)))
	c.want(c.do(tuple("hello", dict{"consumed": atom("false")})), "ok")
	for _, x := range []struct {
		name    string
		items   [][]byte
		replies int
	}{
		{"getopt", [][]byte{tuple("getopt", a, atom("socket"), atom("rcvbuf"))}, 1},
		{"send and recv", [][]byte{send(a, 1, "0123456789"), recv(b, 1, 10, atom("infinity"))}, 2},
		{"recv that waits and send", [][]byte{recv(b, 1, 10, 5000), send(a, 1, "0123456789")}, 2},
		{"sendto and recv", [][]byte{tuple("sendto", d, 1, to(c.port(d)), none, atom("infinity"), none, 1, "x"), recv(d, 1, 0, 5000)}, 2},
		{"sendmsg and recv", [][]byte{
			tuple("sendmsg", d, 1, to(c.port(d)), []any{dict{"level": 0, "type": 8, "data": make([]byte, 12)}}, none, atom("infinity"), none, 1, "x"),
			recv(d, 1, 0, 5000),
		}, 2},
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
