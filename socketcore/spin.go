package socketcore

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// spinner polls a little before the loop sleeps: a thread that sleeps takes tens of
// microseconds to wake. It stops doing so when the polls find nothing or when the
// processors are wanted by others, who may be the callers themselves.
type spinner struct {
	limit   int64 // nanoseconds to poll
	barren  int   // spins in a row that found nothing
	pause   int   // sleeps to go through before the next spin
	scarce  bool  // too few processors to spin beside many busy processes
	checks  int
	preempt int64 // involuntary context switches when last looked
}

const (
	barrenLimit = 16 // spins in vain before a pause
	barrenPause = 64 // sleeps of that pause
	// Spins between two looks at the context switches: long enough for the kernel to take us and the
	// program that we serve apart, when its wake-ups have put both on one processor (it does that where
	// it believes the other to be taken from it, as a virtual machine's idle processors seem to be).
	checkEvery   = 256
	contendPause = 1024 // sleeps without spin after this program was preempted
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
	if p.checks++; p.checks >= checkEvery {
		p.checks = 0
		if p.contended() {
			p.pause = contendPause
			return 0
		}
	}
	end := Now() + p.limit
	for {
		if n := l.pollNow(); n > 0 {
			p.barren = 0
			return n
		}
		if Now() >= end {
			break
		}
	}
	if p.barren++; p.barren >= barrenLimit {
		p.barren, p.pause = 0, barrenPause
	}
	return 0
}

// contended tells whether the kernel took the processor from this program of late: all of its
// threads count, since the loop may wander between them.
func (p *spinner) contended() bool {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return false
	}
	before := p.preempt
	p.preempt = u.Nivcsw
	return before != 0 && u.Nivcsw-before > checkEvery/8
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
