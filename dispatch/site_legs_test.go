package dispatch

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"gosocket/etf"
	"gosocket/socketcore"
)

// A leg of a tour leads past sites that others do not.
type leg struct {
	name   string
	run    func(v *tour, dir string)
	change func(*Config)
}

var legs = []leg{
	{"stream", (*tour).stream, plainly},
	{"local", (*tour).local, plainly},
	{"datagram", (*tour).datagram, plainly},
	{"bulk", (*tour).bulk, plainly},
	{"straight", (*tour).straight, plainly},
	{"peek", (*tour).peek, plainly},
	{"back", (*tour).back, plainly},
	{"ahead", (*tour).ahead, plainly},
	{"behind", (*tour).behind, plainly},
	{"late", (*tour).late, func(cfg *Config) { cfg.DrainTime = 10 * time.Millisecond }},
	{"linger", (*tour).linger, plainly},
	{"connect", (*tour).connects, plainly},
	{"sorts", (*tour).sorts, plainly},
	{"packet", (*tour).packet, plainly},
	{"elsewhere", (*tour).elsewhere, plainly},
	{"rest", (*tour).rest, plainly},
	{"addresses", (*tour).rules, withRules(addressRules)},
	{"rules", (*tour).rules, withRules(append(addressRules, "domains=inet", "domains=local", "descriptors=received", "namespaces=nowhere"))},
}

func plainly(*Config) {}

var addressRules = []string{"devices=lo", "paths=/*", "local_addresses=127.0.0.0/8", "remote_addresses=127.0.0.0/8"}

func withRules(rules []string) func(*Config) {
	return func(cfg *Config) {
		cfg.Allow = &socketcore.Allow{}
		for _, rule := range rules {
			if err := cfg.Allow.Set(rule); err != nil {
				panic(err)
			}
		}
	}
}

// keptDescriptors counts them without those that loops have while they rest.
func keptDescriptors() (n int) {
	for _, d := range listDescriptors() {
		if !strings.HasSuffix(d, "[eventpoll]") {
			n++
		}
	}
	return n
}

// left says what is left behind when all is closed; "" for nothing.
func (c *client) left(before int) string {
	c.t.Helper()
	after := 0
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if after = keptDescriptors(); after <= before {
			break
		}
	}
	if after > before {
		return "descriptors: " + strings.Join(listDescriptors(), ", ")
	}
	counted := c.statistics()
	for _, what := range []string{"sockets", "waiting", "selects", "parked_bytes", "unread_bytes", "received_fds"} {
		if n := counted[what]; n != 0 {
			return fmt.Sprintf("%s: %d", what, n)
		}
	}
	return ""
}

// straight is a send that waits for as long as it takes, by a socket that nobody has waited for: it is writable when that is asked
// for the first time.
func (v *tour) straight(string) {
	a, b := v.pair("inet", loopback)
	v.do(send(b, 1, "abc"))
	v.do(recv(a, 1, 3, soon))
}

// bulk is enough to be spliced.
func (v *tour) bulk(string) {
	a, b := v.pair("inet", loopback)
	data := strings.Repeat("x", 50_000)
	for range 4 {
		v.do(hurried(send(a, 1, data)))
	}
	v.do(recv(b, 1, 180_000, soon))
}

func (v *tour) peek(dir string) {
	a, b := v.pair("local", dict{"family": atom("local"), "path": dir})
	v.do(hurried(send(a, 1, "ab")))
	peek := []any{atom("peek")}
	v.do(tuple("recv", b, 1, 2, peek, soon, none))
	v.do(tuple("recv", b, 1, 4, peek, atom("nowait"), atom("p")))
	v.do(hurried(send(a, 1, "c")))
	v.do(tuple("cancel", b, 1, rawTerm(tuple("select_info", atom("recv"), atom("p")))))
	v.do(tuple("setopt", b, 1, atom("socket"), atom("peek_off"), 1))
	v.do(tuple("recv", b, 1, 9, peek, atom("nowait"), atom("q")))
	v.do(hurried(send(a, 1, "d")))
	v.do(tuple("sockname", b))
}

// back is what comes back of the dead.
func (v *tour) back(string) {
	a, b := v.pair("inet", loopback)
	v.do(hurried(send(a, 1, "abc")))
	id := v.c.call(recv(b, 7, 2, soon))
	result := v.look("recv", v.c.replyTerm(id))
	frame := frameOf(id, etf.Append(nil, result))
	v.c.lost(7, b, frame)
	v.do(hurried(send(a, 1, "def")))
	v.do(recv(b, 8, 0, soon))
}

func (v *tour) ahead(string) {
	v.do(tuple("hello", dict{"ahead": atom("true")}))
	a, b := v.pair("inet", loopback)
	v.do(hurried(send(a, 1, "abcdefgh")))
	v.do(recv(b, 1, 2, soon))
	v.c.write(tuple("ping", 1))
	v.c.event("pong")
	next := `{ok,<<"cde">>}`
	if slices.ContainsFunc(v.c.kept, func(f etf.Term) bool { return isTuple(f, "ahead") }) {
		v.c.write(tuple("took", b, 3, 1, 3, 0))
		next = `{ok,<<"fgh">>}`
	}
	if got := text(v.do(recv(b, 1, 3, soon))); strings.HasPrefix(got, "{ok,") && got != next {
		v.bad = append(v.bad, "recv behind what was taken: "+got)
	}
	v.do(tuple("hello", dict{"ahead": atom("false")}))
}

// behind closes a socket in front of bytes that were handed over, and one that others have, too, behind a shutdown.
func (v *tour) behind(dir string) {
	v.do(tuple("hello", dict{"ahead": atom("true")}))
	for _, shared := range []bool{false, true} {
		a, b := v.pair("local", dict{"family": atom("local"), "path": fmt.Sprint(dir, shared)})
		v.do(tuple("setopt", a, 1, atom("socket"), atom("sndbuf"), 5000))
		v.do(tuple("setopt", a, 1, atom("otp"), atom("send_ahead"), 100_000))
		for range 3 {
			v.c.write(tuple("send_ahead", a, strings.Repeat("x", 30_000)))
		}
		if shared {
			v.do(tuple("shutdown", a, atom("write")))
			v.socket(v.do(openFD(1, v.fd(a), dict{})))
		}
		v.do(tuple("close", a, 1))
		for range 4 {
			v.do(recv(b, 1, 30_000, soon))
		}
	}
	v.do(tuple("hello", dict{"ahead": atom("false")}))
}

// late has bytes that were handed over stay where they are until their time is over.
func (v *tour) late(dir string) {
	v.do(tuple("hello", dict{"ahead": atom("true")}))
	for i, domain := range []string{"inet", "local", "local"} {
		at := loopback
		if domain == "local" {
			at = dict{"family": atom("local"), "path": fmt.Sprint(dir, i)}
		}
		a, b := v.pair(domain, at)
		v.do(tuple("setopt", a, 1, atom("socket"), atom("sndbuf"), 5000))
		v.do(tuple("setopt", b, 1, atom("socket"), atom("rcvbuf"), 5000))
		v.do(tuple("setopt", a, 1, atom("otp"), atom("send_ahead"), 1_000_000))
		for range 3 {
			v.c.write(tuple("send_ahead", a, strings.Repeat("x", 300_000)))
		}
		if i < 2 {
			v.do(tuple("shutdown", a, atom("write")))
		} else {
			v.do(tuple("close", a, 1))
		}
	}
	time.Sleep(20 * time.Millisecond)
	v.do(tuple("hello", dict{"ahead": atom("false")}))
}

// linger closes a socket whose peer takes nothing, one that others have, too, and one that nobody waits for.
func (v *tour) linger(string) {
	lingering := func() (a, b uint64) {
		a, b = v.pair("inet", loopback)
		v.do(tuple("setopt", a, 1, atom("socket"), atom("linger"), rawTerm(etf.AppendInt(etf.AppendBool(etf.AppendTuple(nil, 2), true), 1))))
		return a, b
	}
	a, b := lingering()
	for range 40 {
		if !strings.HasPrefix(text(v.do(tuple("send", a, 1, none, 0, none, 50_000, strings.Repeat("x", 50_000)))), "ok") {
			break
		}
	}
	closing := v.c.call(tuple("close", a, 1))
	v.do(tuple("close", b, 1))
	v.look("close", v.c.replyTerm(closing))
	a, _ = lingering()
	same := v.socket(v.do(openFD(1, v.fd(a), noDup)))
	v.do(tuple("close", same, 1))
	v.do(tuple("close", a, 1))
}

// connects asks for what takes time, and a listener whose backlog is full.
func (v *tour) connects(dir string) {
	l := v.open("inet", "stream")
	v.do(tuple("bind", l, loopback))
	v.do(tuple("listen", l, 5))
	s := v.open("inet", "stream")
	v.do(tuple("connect", s, 1, v.address(l), atom("nowait"), atom("c")))
	v.do(tuple("sockname", s))
	v.do(tuple("connect", s, 1))
	at := dict{"family": atom("local"), "path": dir}
	l = v.open("local", "stream")
	v.do(tuple("bind", l, at))
	v.do(tuple("listen", l, 0))
	for range 3 {
		v.do(tuple("connect", v.open("local", "stream"), 1, at, 5, none))
	}
	v.socket(v.do(tuple("accept", l, 1, soon, none)))
	copied := v.socket(v.do(openFD(1, v.fd(l), dict{})))
	v.socket(v.do(tuple("accept", copied, 1, 0, none)))
	v.do(tuple("shutdown", l, atom("read")))
}

// sorts opens sockets for nothing but their options, as probes do.
func (v *tour) sorts(string) {
	for _, s := range []socketcore.Sort{socketcore.TCPPair, socketcore.UnixStream} {
		_, done, e := s.Open()
		if e != 0 {
			v.said = append(v.said, socketcore.ErrnoName(e))
			continue
		}
		done()
	}
	for i := range socketcore.Features {
		if f := &socketcore.Features[i]; f.Name == "netns" {
			new(socketcore.Probe).Feature(f)
		}
	}
}

// packet needs CAP_NET_RAW.
func (v *tour) packet(string) { v.open("packet", "dgram") }

// elsewhere takes descriptors of the program that started this one, and opens sockets in a namespace.
func (v *tour) elsewhere(string) {
	parent := os.Getppid()
	v.socket(v.do(openFD(1, 0, dict{"holder": parent})))
	v.socket(v.do(openFD(1, 0, dict{"holder": 1})))
	v.socket(v.do(tuple("open", 1, atom("inet"), atom("dgram"), atom("default"), dict{"netns": "/proc/self/ns/net"})))
}

// rest gives the loop nothing to do.
func (v *tour) rest(string) {
	for range 4 {
		time.Sleep(25 * time.Millisecond)
		v.c.write(tuple("delivered", 0)) // an answer would be followed by an event of the pipe
	}
}

// rules opens what others have made, and names devices.
func (v *tour) rules(dir string) {
	x, y := v.pair("local", dict{"family": atom("local"), "path": dir})
	d := v.open("inet", "dgram")
	v.do(tuple("bind", d, loopback))
	v.do(hurried(sendRights(x, "z", v.fd(d))))
	m := v.do(tuple("recvmsg", y, 1, 0, 0, none, soon, none))
	if strings.HasPrefix(text(m), "{ok,") && strings.Contains(text(m), "rights") {
		received := v.socket(v.do(openFD(1, rightsIn(v.c.t, m)[0], dict{})))
		v.do(tuple("connect", received, 1, v.address(d), soon, none))
	}
	v.do(tuple("setopt", d, 1, 1, 62, []byte{1, 0, 0, 0})) // SO_BINDTOIFINDEX
}
