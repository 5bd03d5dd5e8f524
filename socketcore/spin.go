package socketcore

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// spinner polls a little before the loop sleeps: a thread that sleeps takes tens of
// microseconds to wake. It stops doing so when too few of the polls find something: those that
// are waited for are slow then, or want the processor that the polls take.
type spinner struct {
	limit  int64 // nanoseconds to poll
	spins  int   // of this window
	hits   int   // those of them that found something
	pause  int   // sleeps to go through before the next spin
	scarce bool  // too few processors to spin beside many busy processes
}

const (
	spinWindow = 64                 // spins between two verdicts
	spinHits   = spinWindow * 3 / 8 // that must have found something
	spinPause  = 1024               // sleeps without spin when fewer did
)

func (p *spinner) init(limit time.Duration) {
	n := Processors()
	if n < 2 {
		return
	}
	p.limit, p.scarce = int64(limit), n < 4
}

// spin polls for events and returns how many there are; 0 means go to sleep.
func (p *spinner) spin(l *Loop, sleep int) int {
	if p.limit == 0 || sleep == 0 || p.scarce && !l.Quiet() {
		return 0
	}
	if p.pause > 0 {
		p.pause--
		return 0
	}
	if p.spins++; p.spins > spinWindow {
		poor := p.hits < spinHits
		p.spins, p.hits = 0, 0
		if poor {
			p.pause = spinPause
			return 0
		}
	}
	now := Now()
	l.looks(now)
	for end := now + p.limit; now < end; now = Now() {
		if n := l.pollNow(); n > 0 {
			p.hits++
			l.sees(now)
			return n
		}
	}
	return 0
}

// Processors is how many of them this program may use at once, by affinity
// (runtime.NumCPU) and by the quota of its control group.
func Processors() int {
	n := runtime.NumCPU()
	raw, err := os.ReadFile("/sys/fs/cgroup/cpu.max")
	if err != nil {
		return n
	}
	f := strings.Fields(string(raw))
	if len(f) != 2 {
		return n
	}
	quota, e1 := strconv.Atoi(f[0])
	period, e2 := strconv.Atoi(f[1])
	if e1 != nil || e2 != nil || period == 0 {
		return n
	}
	return min(n, quota/period)
}

// activity remembers which sockets the last requests were for.
type activity struct {
	ids  [2]uint64
	seen int // requests since a third socket was seen
}

const fewWindow = 64

func (a *activity) note(id uint64) {
	switch id {
	case a.ids[0], a.ids[1]:
		a.seen++
		return
	}
	a.ids[0], a.ids[1] = a.ids[1], id
	a.seen = 0
}

func (a *activity) few() bool { return a.seen >= fewWindow }
