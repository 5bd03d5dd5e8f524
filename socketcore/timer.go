package socketcore

// timerHeap is a binary heap of parked operations, the one to wake next first.
// (container/heap would box every element.)
type timerHeap []*Op

func (h timerHeap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].timer, h[j].timer = i, j
}

func (h timerHeap) up(i int) {
	for i > 0 {
		p := (i - 1) / 2
		if h[p].wake <= h[i].wake {
			return
		}
		h.swap(i, p)
		i = p
	}
}

func (h timerHeap) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h[c+1].wake < h[c].wake {
			c++
		}
		if h[i].wake <= h[c].wake {
			return
		}
		h.swap(i, c)
		i = c
	}
}

// setTimer arranges for o to be looked at when its deadline or its retry is due.
func (l *Loop) setTimer(o *Op) {
	wake := o.Deadline
	if o.state != waiting {
		wake = Forever
	}
	if o.backoff > 0 {
		wake = min(wake, Now()+o.backoff)
	}
	if wake == Forever {
		l.stopTimer(o)
		return
	}
	o.wake = wake
	if o.timer < 0 {
		o.timer = len(l.timers)
		l.timers = append(l.timers, o)
	}
	l.timers.up(o.timer)
	l.timers.down(o.timer)
}

func (l *Loop) stopTimer(o *Op) {
	if o.timer < 0 {
		return
	}
	i, last := o.timer, len(l.timers)-1
	l.timers.swap(i, last)
	l.timers[last] = nil
	l.timers = l.timers[:last]
	o.timer = -1
	if i < last {
		l.timers.up(i)
		l.timers.down(i)
	}
}

// expire ends the operations whose deadline has passed and retries those that wait
// for what the kernel does not announce.
func (l *Loop) expire() {
	now := Now()
	for len(l.timers) > 0 && l.timers[0].wake <= now {
		o := l.timers[0]
		l.stopTimer(o)
		switch {
		case o.state != waiting || now < o.Deadline:
			l.retry(o)
		case o.Kind == Connect:
			l.overdueConnect(o)
		default:
			l.overdue(o)
		}
	}
}
