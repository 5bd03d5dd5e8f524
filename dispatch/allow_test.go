package dispatch

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/sys/unix"

	"gosocket/socketcore"
)

// A border is a way to something that an allow-list may forbid: the last of some calls.
type border struct {
	name   string
	guards []string // rows of socketcore's tables that are in the way
	refuse []string // an allow-list that forbids it
	rule   string   // the rule that does
	allow  []string // one that does not
	calls  func(t *testing.T, c *client) []byte
	effect func(t *testing.T, c *client) // what is to be seen when nothing was done
}

// systemCalls are those of which none may be made for what is refused.
var systemCalls = []string{"socket", "bind", "listen", "connect", "send", "sendmsg", "setsockopt", "getsockopt"}

// inWorld runs a server in the network namespace of the test's thread, with an allow-list or without.
func inWorld(t *testing.T, rules []string) (c *client, end func()) {
	t.Helper()
	here, err := os.Open("/proc/thread-self/ns/net")
	must(t, err)
	defer here.Close()
	entered := make(chan error)
	c, end = startClientOn(t, func(s *Server) <-chan error {
		ended := make(chan error, 1)
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with the server
			err := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET)
			entered <- err
			ended <- s.Run()
		}()
		if err := <-entered; err != nil {
			t.Logf("the server is not in the test's namespace: %v", err)
		}
		return ended
	}, func(cfg *Config) { cfg.Allow = allowList(t, rules) })
	return c, end
}

func allowList(t *testing.T, rules []string) *socketcore.Allow {
	t.Helper()
	if rules == nil {
		return nil
	}
	a := &socketcore.Allow{}
	for _, rule := range rules {
		must(t, a.Set(rule))
	}
	return a
}

// An outcome is what the last call of a border is answered, how many system calls were made for it, and what the log says.
type outcome struct {
	answer string
	made   int
	log    []string
}

func (b *border) outcome(t *testing.T, f *faults, rules []string) (o outcome) {
	t.Helper()
	c, end := inWorld(t, rules)
	defer end()
	last := b.calls(t, c)
	count := func() (n int) {
		for _, call := range systemCalls {
			n += f.calls(call)
		}
		return n
	}
	before := count()
	o.answer = c.do(last)
	if o.made = count() - before; bytes.Contains(last, []byte("openfd")) {
		o.made = -1 // what is opened exists already, and has to be looked at
	}
	o.log = c.log.take("message", "rule", "call")
	if b.effect != nil && isRefusal(o.answer) {
		b.effect(t, c)
	}
	return o
}

// check has the kernel do what a border is about, then forbids it, then allows it and nothing else of that kind.
func (b *border) check(t *testing.T) {
	t.Helper()
	f := injectFaults(t)
	without := b.outcome(t, f, nil)
	if isRefusal(without.answer) || without.made == 0 {
		t.Fatalf("without an allow-list: %+v", without)
	}
	refused := b.outcome(t, f, b.refuse)
	said := slices.ContainsFunc(refused.log, func(line string) bool { return strings.HasPrefix(line, "refused "+b.rule+" ") })
	if !isRefusal(refused.answer) || refused.made > 0 || !said || len(refused.log) != 1 {
		t.Errorf("%v: %+v (without: %+v)", b.refuse, refused, without)
	}
	if b.allow == nil {
		return
	}
	allowed := b.outcome(t, f, b.allow)
	if isRefusal(allowed.answer) || allowed.made == 0 || len(allowed.log) > 0 || kindOfAnswer(allowed.answer) != kindOfAnswer(without.answer) {
		t.Errorf("%v: %+v (without: %+v)", b.allow, allowed, without)
	}
}

func isRefusal(answer string) bool {
	return answer == "{error,eacces}" || strings.HasPrefix(answer, "{error,{eacces,")
}

// kindOfAnswer leaves out what differs from run to run.
func kindOfAnswer(answer string) string {
	if strings.HasPrefix(answer, "{ok,") {
		return "ok"
	}
	return answer
}

// withoutPrivileges are borders that anybody may be at.
var withoutPrivileges = slices.Concat(socketBorders, addressBorders, optionBorders, messageBorders, descriptorBorders)

func TestWhatTheAllowListForbidsIsRefused(t *testing.T) {
	for _, b := range withoutPrivileges {
		t.Run(b.name, b.check)
	}
}

func TestWhatTheAllowListForbidsIsRefusedToThePrivilegedToo(t *testing.T) {
	for _, b := range privilegedBorders {
		t.Run(b.name, func(t *testing.T) {
			world(t)
			b.check(t)
		})
	}
}

func TestSCTPDoesWhatTheAllowListSays(t *testing.T) {
	for _, b := range sctpBorders {
		t.Run("sctp "+b.name, func(t *testing.T) {
			open(t, socketcore.SCTP)
			b.check(t)
		})
	}
}

// What is in the tables of socketcore is what is tested, each row by its name.
func TestEveryGuardedCallIsRefused(t *testing.T) {
	tested := map[string]bool{}
	for _, b := range slices.Concat(withoutPrivileges, privilegedBorders, sctpBorders) {
		for _, g := range b.guards {
			tested[g] = true
		}
	}
	for _, g := range socketcore.Guarded() {
		if !tested[g] {
			t.Errorf("%s is guarded, and no test sees that", g)
		}
	}
	for g := range tested {
		if !slices.Contains(socketcore.Guarded(), g) {
			t.Errorf("%s is tested, and guarded by nothing", g)
		}
	}
}

func opening(domain, typ string, proto any, opts dict) func(*testing.T, *client) []byte {
	return func(*testing.T, *client) []byte { return tuple("open", 1, atom(domain), atom(typ), proto, opts) }
}

// on runs the last call with a new socket.
func on(domain, typ string, call func(c *client, s uint64) []byte) func(*testing.T, *client) []byte {
	return func(_ *testing.T, c *client) []byte { return call(c, c.open(domain, typ)) }
}

func setByNumber(level, number int, value []byte) func(*client, uint64) []byte {
	return func(_ *client, s uint64) []byte { return tuple("setopt", s, 1, level, number, value) }
}

// with a control message, to an address.
func messaging(addr any, level, typ int, data []byte) func(*client, uint64) []byte {
	return func(_ *client, s uint64) []byte {
		ctrl := []any{dict{"level": level, "type": typ, "data": data}}
		return tuple("sendmsg", s, 1, addr, ctrl, none, 0, none, 1, "x")
	}
}

var (
	inet4 = func(addr [4]byte, port int) dict {
		return dict{"family": atom("inet"), "addr": octets(addr), "port": port}
	}
	mapped      = dict{"family": atom("inet6"), "addr": words(0, 0, 0, 0, 0, 0xffff, 0x7f00, 1), "port": 4711}
	unspecified = dict{"family": atom("inet6"), "addr": words(0, 0, 0, 0, 0, 0, 0, 0), "port": 4711}
	one6        = dict{"family": atom("inet6"), "addr": atom("loopback"), "port": 4711}
	one         = inet4([4]byte{127, 0, 0, 1}, 4711)
	nowhere     = []string{"devices=nowhere9"}
	wordLE      = func(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
	wordBE      = func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	rawProtocol = func(n int) rawTerm { return rawTerm(tuple("raw", n)) }
	padded      = func(n int, parts ...[]byte) []byte { return append(slices.Concat(parts...), make([]byte, n)...)[:n] }
	home4       = []byte{127, 0, 0, 1}
	multicast4  = []byte{224, 0, 0, 99}
	multicast6  = []byte{0xff, 1, 15: 0x99}
	home6       = []byte{15: 1}
)

func octets(addr [4]byte) rawTerm {
	b := tupleHead(4)
	for _, n := range addr {
		b = encode(b, int(n))
	}
	return b
}

func words(parts ...int) rawTerm {
	b := tupleHead(len(parts))
	for _, n := range parts {
		b = encode(b, n)
	}
	return b
}

func tupleHead(n int) rawTerm { return rawTerm{104, byte(n)} }

// sockaddrs in the kernel's form.
func rawInet(addr []byte, port uint16) []byte {
	b := binary.NativeEndian.AppendUint16(nil, unix.AF_INET)
	return padded(16, binary.BigEndian.AppendUint16(b, port), addr)
}

func rawInet6(addr []byte) []byte {
	return padded(28, binary.NativeEndian.AppendUint16(nil, unix.AF_INET6), make([]byte, 6), addr)
}

// groupReq is a struct group_req, or with a source group_source_req.
func groupReq(device uint32, addrs ...[]byte) (b []byte) {
	b = padded(int(unix.SizeofPtr), wordLE(device))
	for _, addr := range addrs {
		b = append(b, padded(128, addr)...)
	}
	return b
}

// The documentation has a row for each row of the tables.
func TestSecurityIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/security.md")
	must(t, err)
	words := strings.FieldsFunc(string(text), func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for _, name := range slices.Concat(socketcore.Guarded(), socketcore.RuleNames()) {
		if !slices.Contains(words, name) {
			t.Errorf("docs/security.md does not name %s", name)
		}
	}
}
