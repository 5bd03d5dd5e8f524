package socketcore

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// A call with a time-out answers as time-out 0 would at its start, or as it would at its deadline; one with
// nowait promises a message where time-out 0 would time out; one with infinity waits only where the
// kernel has a caller wait. Whether it has is asked of the kernel itself, right after the answer.
//
// RAPID_CHECKS has more states tried, RAPID_SEED those of a run before.
func TestEveryKindOfSocketAnswersAsTheKernelDoes(t *testing.T) {
	for _, kind := range askedKinds() {
		t.Run(kind.name, func(t *testing.T) {
			kind.available(t)
			if kind.packets {
				fewChecks(t, 10) // the kernel takes long to close them
			} else {
				fewChecks(t, 120)
			}
			rapid.Check(t, func(t *rapid.T) {
				w := newWorld(t, kind)
				t.Repeat(w.actions())
			})
		})
	}
}

// fewChecks makes that the number of checks unless the environment says how many, and tells the seed.
func fewChecks(t *testing.T, checks int) {
	t.Helper()
	set := func(name, value string) {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getenv("RAPID_CHECKS") == "" {
		set("rapid.checks", fmt.Sprint(checks))
	}
	if os.Getenv("RAPID_SEED") == "" && flag.Lookup("rapid.seed").Value.String() == "0" {
		set("rapid.seed", fmt.Sprint(time.Now().UnixNano()))
		t.Cleanup(func() { set("rapid.seed", "0") })
	}
	set("rapid.nofailfile", "true")
	t.Logf("RAPID_SEED=%s", flag.Lookup("rapid.seed").Value)
}

// lockForGood keeps the test on a thread that ends with it, since its network is another.
func lockForGood() { runtime.LockOSThread() }

func (w *world) actions() map[string]func(*rapid.T) {
	actions := map[string]func(*rapid.T){
		"":            w.wakesWhomItShould,
		"call":        func(t *rapid.T) { w.timed(t, w.drawRequest(t), false) },
		"call, event": func(t *rapid.T) { w.timed(t, w.drawRequest(t), true) },
		"nowait":      w.nowait,
		"for ever":    w.forEver,
		"option":      w.option,
		"shutdown":    w.shutdown,
		"event":       w.event,
	}
	if !w.kind.listens {
		actions["fill"] = w.fill
		actions["drain"] = w.drain
		actions["hand back"] = w.handBack
		actions["end, call"] = w.ends
	}
	return actions
}

// ---- what callers do ----

// drawRequest draws a call of any kind: those that fit the socket often, the others at times.
func (w *world) drawRequest(t *rapid.T) request {
	kinds := []Kind{Recv, Recvfrom, Recvmsg, Send, Sendto, Sendmsg, Recv, Send, Accept}
	switch {
	case len(w.back) > 0:
		kinds = kinds[:len(kinds)-1]
	case w.kind.listens:
		kinds = []Kind{Accept, Accept, Accept, Recv}
	}
	r := request{kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
	switch {
	case r.kind < Accept:
		r.length = rapid.SampledFrom([]int{0, 1, 10, 100, 3000, 100000}).Draw(t, "length")
		flags := []int{0, 0, 0, unix.MSG_PEEK, unix.MSG_ERRQUEUE}
		if w.kind.stream {
			flags = append(flags, unix.MSG_PEEK, unix.MSG_OOB)
		}
		r.flags = rapid.SampledFrom(flags).Draw(t, "flags")
	case r.kind > Accept:
		r.data = rapid.SampledFrom([]int{1, 10, 1000, 8000}).Draw(t, "data")
		if r.kind != Send {
			r.to = w.to
			if r.to == nil && w.kind.domain == unix.AF_UNIX && r.kind == Sendto {
				r.to = nameOf(w, w.s.fd)
			}
		}
		if r.kind == Sendmsg && rapid.IntRange(0, 7).Draw(t, "bad control message") == 0 {
			r.ctrl = badControl(w.kind.domain)
		}
	}
	return r
}

// badControl passes a descriptor that is none, or is of a type that nobody knows.
func badControl(domain int) []byte {
	if domain == unix.AF_UNIX {
		return unix.UnixRights(9999)
	}
	b := unix.UnixRights(0)
	b[12], b[13] = 0x0f, 0x27
	return b
}

func (w *world) submit(r request) *outcome {
	w.id++
	o := w.loop.NewOp()
	out := &outcome{request: r, id: w.id, process: fmt.Sprintf("process %d", w.id)}
	w.outcomes[w.id] = out
	o.Kind, o.Mode, o.Flags, o.Length, o.ID = r.kind, r.mode, r.flags, r.length, w.id
	o.Process, o.Ref, o.To, o.Ctrl = []byte(out.process), fmt.Append(nil, w.id), r.to, r.ctrl
	o.Data = bytes.Repeat([]byte{'s'}, r.data)
	o.Total = r.data
	o.Deadline = Forever
	out.due = Now() + int64(r.wait)
	if r.wait > 0 {
		o.Deadline = out.due
	}
	w.loop.Submit(w.s, o)
	return out
}

const shortly = time.Millisecond

// timed is a call with time-out 0 or a short one, and maybe something that happens while it waits.
func (w *world) timed(t *rapid.T, r request, meanwhile bool) {
	r.mode = Try
	if meanwhile || rapid.Bool().Draw(t, "waits") {
		r.mode, r.wait = Wait, shortly
	}
	q := w.s.queueOf(r.kind)
	behind := len(w.parked[q]) > 0
	start, tries := Now(), w.s.Counters[WriteTries]
	late := w.last != nil && w.s.ordered && r.kind < Accept && r.flags&^unix.MSG_PEEK == 0 && rapid.Bool().Draw(t, "late")
	if !late {
		w.deliver()
	}
	out := w.submit(r)
	if late {
		// Until the last result is delivered nobody knows what comes next, not even at the deadline.
		for Now() < start+int64(r.wait) {
			w.turn(shortly)
		}
		w.turns()
		if out.done {
			w.Fatalf("%v: answered before the last result was delivered", r)
		}
		w.deliver()
	}
	if meanwhile && !out.done {
		w.event(t)
	}
	for turns := 0; !out.done; turns++ {
		if turns > 100 {
			w.Fatalf("%v: the loop spins", r)
		}
		w.turn(shortly)
		w.settle()
		if Now()-start > int64(5*time.Second) {
			w.Fatalf("%v: no answer", r)
		}
	}
	if n := w.s.Counters[WriteTries] - tries; n > 10 {
		w.Fatalf("%v: %d attempts", r, n)
	}
	if r.mode == Wait && out.code == Timeout && Now()-start < int64(r.wait) {
		w.Fatalf("%v: ended before its deadline", r)
	}
	w.settle()
	if behind {
		w.checkData(out)
		// It had to wait for its turn, and those before it have been asked once more. Of those that were
		// answered by that, one may have waited for a delivery at its deadline.
		if waiting := w.parked[q]; out.code == Timeout && len(waiting) > 0 {
			w.blocks(waiting[0])
		}
		return
	}
	w.judge(out)
}

// nowait is a call that is answered with the promise of a message, or not.
func (w *world) nowait(t *rapid.T) {
	r := w.drawRequest(t)
	r.mode = Select
	w.deliver()
	q := w.s.queueOf(r.kind)
	behind := len(w.parked[q]) > 0
	out := w.submit(r)
	w.settle() // it may wait for what has just ended before it
	if !out.done {
		w.Fatalf("%v: not answered at once", r)
	}
	if !out.armed {
		if behind {
			w.checkData(out) // those before it have been asked, and were ready
		} else {
			w.judge(out)
		}
		return
	}
	w.checkData(out)
	if !behind {
		whole := len(out.data) == 0 || w.gathersPeek(out)
		if whole {
			w.blocks(out)
		}
		spurious := w.poll(out) != 0 || sysReady(w.s.fd, pollErr) != 0 // the kernel calls it ready, and refuses
		w.turns()
		switch {
		case out.fired == 0 && !whole:
			w.blocks(out) // nothing lies behind the part
		case out.fired > 0 && whole && (!spurious || w.gathersPeek(out)) && !w.retries(out):
			w.Fatalf("%v: a message, though nothing has come", r)
		}
		if out.fired > 1 {
			w.Fatalf("%v: %d messages", r, out.fired)
		}
		w.event(t)
		w.turns()
		w.hasFired(out)
	}
	w.cancel(out)
}

// retries tells whether the kernel will not say when to try again.
func (w *world) retries(out *outcome) bool {
	return out.kind > Accept && out.to != nil && w.kind.domain == unix.AF_UNIX && w.kind.typ == unix.SOCK_DGRAM
}

func (w *world) cancel(out *outcome) {
	o := w.s.queueOf(out.kind).of(w.loop.lookup([]byte(out.process)))
	if o == nil {
		return // aborted
	}
	if c := w.loop.Cancel(w.s, o.Process, out.kind, o.Ref); c != 0 {
		w.Fatalf("cancel: %v", c)
	}
	w.settle()
}

// forEver is a call that waits as long as it has to.
func (w *world) forEver(t *rapid.T) {
	r := w.drawRequest(t)
	q := w.s.queueOf(r.kind)
	if len(w.parked[q]) > 1 {
		t.Skip("enough wait")
	}
	behind := len(w.parked[q]) > 0
	w.deliver()
	out := w.submit(r)
	w.settle()
	switch {
	case out.done && !behind:
		w.judge(out)
	case out.done:
		w.checkData(out)
	default:
		w.parked[q] = append(w.parked[q], out)
		w.turns() // what has come is an event by now, or is not going to be one
		w.settle()
		if waiting := w.parked[q]; len(waiting) > 0 {
			w.blocks(waiting[0]) // itself, or the one that was asked for the newcomer
		}
	}
}

// settle takes those off the list of the waiting that have got their answer.
func (w *world) settle() {
	for more := true; more; {
		more = false
		for q, outs := range w.parked {
			for len(outs) > 0 && outs[0].done {
				w.checkData(outs[0])
				outs, more = outs[1:], true
			}
			w.parked[q] = outs
		}
		if w.s.readers.head != nil {
			w.deliver() // the next one waits for that
		}
	}
}

// ---- what is asked of the kernel ----

// judge compares an answer with what the kernel says to the same call right after it.
func (w *world) judge(out *outcome) {
	w.checkData(out)
	switch {
	case out.code == Timeout:
		if w.plain && out.kind < Accept && out.flags == 0 && len(w.back) > 0 {
			w.Fatalf("%v: nothing of what was handed back", out.request)
		}
		w.blocks(out)
	case out.code > 0:
		w.failsLikewise(out)
	}
}

// blocks fails unless the kernel would have the caller wait, too. What has come since the loop asked it, in
// time, is nothing that the loop could know.
func (w *world) blocks(out *outcome) {
	w.blocksSince(out, w.asked[w.s.queueOf(out.kind)])
}

func (w *world) blocksSince(out *outcome, before question) {
	gone := w.s.abandoned()
	changed := before.state != w.state() && before.at >= out.due
	if out.kind < Accept && gone != Again && !changed {
		w.Fatalf("%v waits for an association that is gone: %d", out.request, gone)
	}
	if n, e := w.ask(out); e != unix.EAGAIN && !w.isPart(out, n, e) && !changed {
		w.Fatalf("%v has to wait after %q; the kernel: %d, %v", out.request, out.data, n, e)
	}
}

// isPart tells whether a peek for more than there is has shown what there is.
func (w *world) isPart(out *outcome, n int, e unix.Errno) bool {
	if !w.gathersPeek(out) || w.moves || e != 0 || n == 0 || n >= out.length {
		return false
	}
	return !w.plain || n+len(w.back) < out.length && (!out.done || n+len(w.back) == len(out.data))
}

func (w *world) gathersPeek(out *outcome) bool {
	return out.kind == Recv && w.kind.stream && out.length > 0 && out.flags == unix.MSG_PEEK
}

// ask is the call itself.
func (w *world) ask(out *outcome) (int, unix.Errno) {
	w.asks = true
	defer func() { w.asks = false }()
	fd := w.s.fd
	switch {
	case out.kind == Accept:
		n, e := sysAccept(fd)
		for e == unix.EINTR { // as SCTP has it
			n, e = sysAccept(fd)
		}
		if e == 0 {
			_ = unix.Close(n)
		}
		return n, e
	case out.kind > Accept:
		data := bytes.Repeat([]byte{'s'}, max(out.left, 1))
		if len(out.ctrl) == 0 || out.left < out.request.data && out.done {
			return sysSend(fd, data, 0, out.to)
		}
		w.loop.prepare(data, nil, out.ctrl)
		if out.to != nil {
			w.loop.msg.Name, w.loop.msg.Namelen = (*byte)(out.to.pointer()), uint32(out.to.size)
		}
		return sysSendmsg(fd, &w.loop.msg, 0)
	}
	p := make([]byte, max(1, out.length))
	w.loop.prepare(p, nil, nil)
	return sysRecvmsg(fd, &w.loop.msg, out.flags)
}

// failsLikewise fails unless the kernel repeats the error, or is known to tell it once.
func (w *world) failsLikewise(out *outcome) {
	switch unix.Errno(out.code) {
	case unix.ECONNREFUSED, unix.ECONNRESET, unix.EPIPE, unix.ECONNABORTED, unix.ENOPROTOOPT:
		return
	case unix.ENOTCONN:
		if w.s.SCTP() {
			return // see abandoned
		}
	case unix.EBADF:
		if len(out.ctrl) > 0 {
			return // found before the kernel finds others
		}
	case unix.EINVAL:
		if len(w.parked[&w.s.readers])+len(w.parked[&w.s.acceptors]) > 0 || w.kind.listens && w.s.shutRead {
			return
		}
	}
	if n, e := w.ask(out); e != unix.Errno(out.code) {
		w.Fatalf("%v fails by %v; the kernel: %d, %v", out.request, unix.Errno(out.code), n, e)
	}
}

// poll asks for the events that a call waits for.
func (w *world) poll(out *outcome) int16 {
	events := int16(unix.POLLIN | unix.POLLRDHUP | unix.POLLHUP)
	switch {
	case out.flags&unix.MSG_ERRQUEUE != 0 && w.kind.domain != unix.AF_UNIX:
		events = pollErr
	case out.kind > Accept:
		events = unix.POLLOUT | unix.POLLHUP
	}
	return sysReady(w.s.fd, events) & events // errors are told to everybody
}

// hasFired fails when the kernel has what a message was promised for.
func (w *world) hasFired(out *outcome) {
	if out.fired > 0 || w.s.queueOf(out.kind).of(w.loop.lookup([]byte(out.process))) == nil || w.retries(out) {
		return
	}
	if w.poll(out) == 0 {
		return
	}
	now := question{Now(), w.state()}
	w.turn(shortly) // it may be on its way
	switch w.turns(); {
	case out.fired > 0:
	case out.kind == Accept:
		w.Fatalf("%v: no message", out.request)
	default:
		w.blocksSince(out, now)
	}
}

// wakesWhomItShould fails when somebody waits for what the kernel has announced.
func (w *world) wakesWhomItShould(*rapid.T) {
	w.turns()
	w.settle()
	for q, outs := range w.parked {
		if len(outs) == 0 || w.poll(outs[0]) == 0 || w.retries(outs[0]) {
			continue
		}
		now := question{Now(), w.state()}
		w.turn(shortly) // it may be on its way
		w.turns()
		w.settle()
		if waiting := w.parked[q]; len(waiting) > 0 && waiting[0] == outs[0] {
			w.blocksSince(outs[0], now)
		}
	}
}

// turns lets the loop handle what has happened, without sleep.
func (w *world) turns() {
	for n := 0; w.turn(0) > 0; n++ {
		if n > 100 {
			w.Fatal("the loop spins")
		}
	}
}

func (w *world) turn(most time.Duration) int {
	sleep := w.loop.sleepTime()
	if limit := int(most.Milliseconds()); sleep < 0 || sleep > limit {
		sleep = limit
	}
	n := w.loop.poll(sleep)
	w.loop.handle(n)
	return n
}
