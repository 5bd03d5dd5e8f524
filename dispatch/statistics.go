package dispatch

import (
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"

	"gosocket/etf"
	"gosocket/socketcore"
)

// statistics is what a loop counts of its own: nobody else writes it.
type statistics struct {
	calls                    []uint64 // by the number of the call's row
	writes, frames, bytesOut uint64
}

// refusals counts what the allow-list has refused, by rule.
type refusals struct {
	mu    sync.Mutex
	rules map[string]uint64
}

func (r *refusals) count(rule string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rules == nil {
		r.rules = make(map[string]uint64)
	}
	r.rules[rule]++
}

// loopReport is what one loop tells.
type loopReport struct {
	statistics
	socketcore.LoopStatistics
}

// statistics serves {statistics}: each loop tells its part on its own thread.
func (c *call) statistics() {
	s, x, id := c.server, c.Dispatcher, c.id
	reports := make([]loopReport, len(s.dispatchers))
	var left atomic.Int32
	left.Store(int32(len(reports)))
	for i, d := range s.dispatchers {
		tell := func() {
			reports[i] = loopReport{d.stats, d.loop.Statistics()}
			reports[i].calls = slices.Clone(d.stats.calls)
			if left.Add(-1) == 0 {
				x.loop.Post(func() { x.tellStatistics(id, reports) })
			}
		}
		if d == x {
			tell()
		} else {
			d.loop.Post(tell)
		}
	}
}

func (x *Dispatcher) tellStatistics(id uint32, reports []loopReport) {
	start := x.begin(id)
	x.out = x.server.appendStatistics(appendOK(x.out), reports)
	x.end(start)
	x.write()
}

// count is one pair of a map.
type count struct {
	key   string
	value uint64
}

func appendCounts(b []byte, counts ...count) []byte {
	for _, c := range counts {
		b = etf.AppendUint(etf.AppendAtom(b, c.key), c.value)
	}
	return b
}

func (s *Server) appendStatistics(b []byte, reports []loopReport) []byte {
	var all loopReport
	all.calls = make([]uint64, len(callNames))
	for _, r := range reports {
		for i, n := range r.calls {
			all.calls[i] += n
		}
		all.writes, all.frames, all.bytesOut = all.writes+r.writes, all.frames+r.frames, all.bytesOut+r.bytesOut
		all.Waits, all.Events = all.Waits+r.Waits, all.Events+r.Events
	}
	t := &s.totals
	rows := []count{
		{"reads", s.reads},
		{"bytes_in", s.bytesIn},
		{"writes", all.writes},
		{"frames_out", all.frames},
		{"bytes_out", all.bytesOut},
		{"waits", all.Waits},
		{"events", all.Events},
		{"sockets", gauge(t.Sockets.Load())},
		{"waiting", gauge(t.Waiting.Load())},
		{"selects", gauge(t.Selects.Load())},
		{"parked_bytes", gauge(t.Parked.Load())},
		{"unread_bytes", gauge(t.Unread.Load())},
		{"received_fds", gauge(socketcore.ReceivedFDs())},
		{"descriptors", uint64(socketcore.Descriptors())},
		{"memory_bytes", memoryHeld()},
	}
	b = appendCounts(etf.AppendMap(b, len(rows)+3), rows...)
	b = etf.AppendMap(etf.AppendAtom(b, "calls"), len(callNames))
	for i, name := range callNames {
		b = etf.AppendUint(etf.AppendAtom(b, name), all.calls[i])
	}
	b = s.refusals.append(etf.AppendAtom(b, "refusals"))
	b = etf.AppendList(etf.AppendAtom(b, "loops"), len(reports))
	for _, r := range reports {
		b = appendCounts(
			etf.AppendMap(b, 5),
			count{"waits", r.Waits}, count{"events", r.Events}, count{"lag_max_ns", uint64(r.LagMax)}, count{"busy_ns", uint64(r.Busy)},
			count{"queue", uint64(r.Queue)},
		)
	}
	return etf.AppendNil(b)
}

func (r *refusals) append(b []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	b = etf.AppendMap(b, len(r.rules))
	for rule, n := range r.rules {
		b = etf.AppendUint(etf.AppendAtom(b, rule), n)
	}
	return b
}

func gauge(n int64) uint64 { return uint64(max(n, 0)) }

// memoryHeld is what the runtime has of the system and did not give back.
func memoryHeld() uint64 {
	samples := [2]metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples[:])
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}
