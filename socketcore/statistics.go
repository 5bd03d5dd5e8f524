package socketcore

// LoopStatistics is what a loop counts.
type LoopStatistics struct {
	Waits  uint64 // for events, with nothing to do
	Events uint64 // of sockets and pipes
	Busy   int64  // nanoseconds between waits
	LagMax int64  // the longest of these since the last look: how long something that happened may have had to stand
	Queue  int    // operations with a time-out
}

// Statistics are those of the loop; the greatest lag begins anew. To be called on the loop's thread.
func (l *Loop) Statistics() LoopStatistics {
	st := l.stats
	st.Queue = len(l.timers)
	l.stats.LagMax = 0
	return st
}

// looks is told when the loop has nothing to do but to look for events, sees when it has found some.
func (l *Loop) looks(now int64) {
	if l.awake > 0 {
		lag := now - l.awake
		l.stats.Busy += lag
		l.stats.LagMax = max(l.stats.LagMax, lag)
		l.awake = 0
	}
}

func (l *Loop) sees(now int64) { l.awake = now }

// Descriptors is how many descriptors the program has made, as far as it knows.
func Descriptors() (n int) {
	fds.mu.Lock()
	defer fds.mu.Unlock()
	for i := range fds.rows {
		if r := &fds.rows[i]; r.internal || r.sockets > 0 || r.receiver != 0 || r.closing > 0 {
			n++
		}
	}
	return n
}
