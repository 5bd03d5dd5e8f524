package dispatch

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosocket/etf"
)

// Whatever happens to a socket between calls of every day, and whatever the kernel answers them: they end as the same calls do when
// they are written in another form of the same terms, and so are served as all others, and what is counted of them is the same.
func TestCallsOfEveryDayEndAsAllOthersDo(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	failures := injectFaults(t)
	calls := map[string]int{}
	day := func(round uint64, other bool) (log string) {
		t.Run("", func(t *testing.T) {
			w := daily{c: newClient(t), other: other, random: rand.New(rand.NewPCG(seed, round)), faults: failures, calls: calls}
			w.run(t.TempDir())
			slices.Sort(w.log) // who is served first of two that have nothing to do with each other is chance
			log = strings.Join(w.log, "\n")
		})
		return log
	}
	for round := range uint64(150) {
		// Where two processors are busy with other things the kernel's part is chance once in a thousand days: there are several that may be.
		var days, others []string
		for !slices.ContainsFunc(days, func(log string) bool { return slices.Contains(others, log) }) {
			if days, others = append(days, day(round, false)), append(others, day(round, true)); len(days) < 5 {
				continue
			}
			got, want := strings.Split(days[0], "\n"), strings.Split(others[0], "\n")
			for len(got) > 0 && len(want) > 0 && got[0] == want[0] {
				got, want = got[1:], want[1:]
			}
			t.Fatalf("round %d, of every day and in general:\n%.900s\n\n%.900s", round, got, want)
		}
		calls["days"] += len(days)
	}
	t.Log(calls)
	for _, what := range []string{"{ok,", "ok", "{error,closed}", "{error,{econnreset,", "{error,{ebadmsg,", "{error,{epipe,", "fault", "died", "held"} {
		if calls[what] == 0 {
			t.Errorf("no %s", what)
		}
	}
}

// daily is a random day of two sockets.
type daily struct {
	c       *client
	other   bool
	random  *rand.Rand
	faults  *faults
	calls   map[string]int
	log     []string
	ends    [2]uint64
	fds     [2]int
	large   int
	written int
}

func (w *daily) run(dir string) {
	c := w.c
	c.do(tuple("hello", dict{"ahead": []atom{"true", "false"}[w.random.IntN(2)], "delivered": atom("true")}))
	w.large = 5_000 // less than what TCP always has room for
	if w.random.IntN(2) == 0 {
		w.ends[0], w.ends[1] = c.pair()
		for _, s := range w.ends {
			c.want(c.do(tuple("setopt", s, 1, atom("tcp"), atom("nodelay"), atom("true"))), "ok")
		}
	} else {
		w.ends[0], w.ends[1] = c.localPair(dir)
		c.do(tuple("setopt", w.ends[0], 1, atom("socket"), atom("sndbuf"), 4608))
		w.large = 30_000
	}
	w.fds = [2]int{c.fd(w.ends[0]), c.fd(w.ends[1])}
	for range 10 + w.random.IntN(40) {
		w.step()
		w.settle()
	}
	for _, s := range w.ends {
		w.note(c.do(tuple("info", s)))
		c.call(tuple("close", s, 1))
		w.settle()
	}
	if left := c.statistics(); left["waiting"] != 0 || left["unread_bytes"] != 0 || left["parked_bytes"] != 0 {
		c.t.Errorf("%v are left", left)
	}
}

// step does something with one of the ends. Calls that wait may wait for the rest of the day.
func (w *daily) step() {
	c, n := w.c, w.random.IntN
	end := n(2)
	s, peer := w.ends[end], w.ends[1-end]
	who := 1
	if n(4) == 0 {
		who = 2
	}
	switch n(24) {
	case 0, 1, 2, 3, 4, 5:
		w.call(send(s, who, w.text(1+n(200))))
	case 6:
		w.call(send(s, who, w.text(n(w.large))))
	case 7, 8, 9, 10, 11:
		w.call(recv(s, who, 1+n(250), atom("infinity")))
	case 12:
		w.call(recv(s, who, n(2)*60_000, []any{0, atom("infinity")}[n(2)]))
	case 13:
		c.call(tuple("recv", s, who, 1+n(9), []any{[]any{atom("peek")}, none}[n(2)], []any{atom("nowait"), 0}[n(2)], atom("ref")))
	case 14:
		c.write(c.deliverAll())
	case 15:
		w.calls["died"]++
		c.write(tuple("died", 2))
	case 16:
		// process 2 gets something twice, as a rule, and never learns of it
		w.call(send(peer, 1, w.text(20)))
		w.settle()
		ids := []int{w.call(recv(s, 2, 1+n(9), atom("infinity"))), w.call(recv(s, 2, 1+n(9), atom("infinity")))}
		w.calm()
		var lost [][]byte
		for _, f := range c.kept {
			if reply, ok := f.(etf.Tuple); ok && len(reply) == 2 && strings.HasPrefix(text(reply[1]), "{ok,<<") {
				if id, ok := number(reply[0]); ok && slices.Contains(ids, id) {
					lost = append(lost, frameOf(id, etf.Append(nil, reply[1])))
				}
			}
		}
		if len(lost) == 2 {
			w.calls["held"]++
		}
		w.call(recv(s, 1, 1+n(20), atom("infinity")))
		c.lost(2, s, lost...)
	case 17:
		// several wait, and what comes is enough for some of them
		for range 1 + n(3) {
			w.call(recv(s, who, 1+n(30), atom("infinity")))
		}
		w.settle()
		w.call(send(peer, 1, w.text(60)))
	case 18:
		// of a send, of a receive, or of one that waits
		w.calls["fault"]++
		errno := []syscall.Errno{unix.ECONNRESET, unix.EPIPE, unix.EBADMSG, unix.ENOMEM, unix.EINTR, unix.ETIMEDOUT}[n(6)]
		switch n(3) {
		case 0:
			w.faults.once("send", errno)
			w.call(send(s, who, w.text(9)))
		case 1:
			w.faults.once("recvmsg", errno)
			w.call(recv(s, who, 1+n(30), atom("infinity")))
		default:
			w.call(recv(s, who, 1+n(30), atom("infinity")))
			w.settle()
			w.faults.once("recvmsg", errno)
			w.call(send(peer, 1, w.text(9)))
		}
	case 19, 20, 21:
		// several at once
		var items [][]byte
		for range 2 + n(12) {
			call := send(w.ends[n(2)], 1+n(2), w.text(1+n(200)))
			if n(2) == 0 {
				call = recv(w.ends[n(2)], 1+n(2), 1+n(250), atom("infinity"))
			}
			items = append(items, w.request(call))
		}
		c.write(items...)
	case 22:
		c.write(tuple("send_ahead", s, w.text(n(2000)))) // more than it may, now and then
	default:
		switch n(12) {
		case 0:
			c.call(tuple("shutdown", s, atom([]string{"read", "write", "read_write"}[n(3)])))
		case 1:
			c.call(tuple("close", s, who))
		case 2:
			c.call(tuple("setopt", s, 1, atom("socket"), atom("rcvlowat"), 1+n(3)))
		default:
			c.call(tuple("setopt", s, 1, atom("otp"), atom([]string{"rcvbuf", "receive_ahead", "send_ahead"}[n(3)]), 1+n(1000)))
		}
	}
}

// text returns n bytes that are like no others.
func (w *daily) text(n int) string {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		w.written++
		b = strconv.AppendInt(b, int64(w.written), 36)
	}
	return string(b[:n])
}

func (w *daily) call(call []byte) (id int) {
	w.c.write(w.request(call))
	return w.c.next
}

// request returns a call with the next number, in the form of the day.
func (w *daily) request(call []byte) []byte {
	if w.other {
		call = bytes.Replace(call, []byte("\x77\x08infinity"), []byte("\x76\x00\x08infinity"), 1)
	}
	return w.c.request(call)
}

// settle has the loop see what the last step has caused, and notes what came.
func (w *daily) settle() {
	w.calm()
	w.faults.none()
	for _, f := range w.c.kept {
		if !isTuple(f, "consumed") { // where reads end is chance
			w.note(text(f))
		}
	}
	w.c.kept = w.c.kept[:0]
}

// calm has the loop see what was caused, and what that causes.
func (w *daily) calm() {
	for i := range 3 {
		for end := time.Now().Add(20 * time.Millisecond); w.underWay() && time.Now().Before(end); {
			runtime.Gosched()
		}
		w.c.write(tuple("ping", i))
		w.c.event("pong")
	}
}

// underWay tells whether the kernel has something of one end that the other has not got yet. A peer whose buffer is full gets nothing.
func (w *daily) underWay() bool {
	const established, finWait1, finWait2 = 1, 4, 5 // linux/tcp_states.h
	var infos []*unix.TCPInfo
	for _, fd := range w.fds {
		if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			infos = append(infos, info)
		}
	}
	for i, info := range infos {
		switch {
		case len(infos) == 2 && info.State == finWait1 && (infos[1-i].State == established || infos[1-i].State == finWait2):
			return true
		case len(infos) == 2 && (info.Notsent_bytes > 0 || info.Bytes_sent-info.Bytes_retrans > infos[1-i].Bytes_received):
			return true
		case len(infos) == 1 && (info.State == established || info.State == finWait2):
			return true // it has yet to hear of the other's end
		}
	}
	return false
}

// tries are how often the kernel was asked, and had nothing, which is chance in part: an event may be of something that was taken already.
var tries = regexp.MustCompile(`_(tries|waits)=>\d+|({closed,\d+,{\w+,{\d+,\d+,\d+,\d+,)\d+,\d+(,\d+,\d+,\d+,\d+,)\d+,\d+`)

func (w *daily) note(what string) {
	what = tries.ReplaceAllString(what, "$2$3")
	w.log = append(w.log, what)
	if _, result, ok := strings.Cut(what, ","); ok {
		for _, start := range []string{"{ok,", "ok", "{error,closed}", "{error,{econnreset,", "{error,{ebadmsg,", "{error,{epipe,"} {
			if strings.HasPrefix(result, start) {
				w.calls[start]++
			}
		}
	}
}
