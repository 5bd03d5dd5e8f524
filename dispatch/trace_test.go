package dispatch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gosocket/etf"
)

// logLines keeps what a server logs.
type logLines struct {
	deaf  atomic.Bool // nobody will ask for any
	mu    sync.Mutex
	lines []map[string]any
}

func (l *logLines) Write(b []byte) (int, error) {
	if l.deaf.Load() {
		return len(b), nil
	}
	var line map[string]any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	err := d.Decode(&line)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return len(b), err
}

// take returns the lines so far, the given fields of each, and forgets them.
func (l *logLines) take(fields ...string) (taken []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		var values []string
		for _, f := range fields {
			values = append(values, fmt.Sprint(line[f]))
		}
		taken = append(taken, strings.Join(values, " "))
	}
	l.lines = nil
	return taken
}

func (c *client) wantLog(fields string, want ...string) {
	c.t.Helper()
	if got := c.log.take(strings.Fields(fields)...); !slices.Equal(got, want) {
		c.t.Errorf("log: %q\nwant %q", got, want)
	}
}

func setDebug(s uint64, value string) []byte {
	return tuple("setopt", s, 1, atom("otp"), atom("debug"), atom(value))
}

func TestEveryCallIsLoggedWhileDebugIsOn(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		c.do(tuple("supports"))
		c.wantLog("call")
		c.write(tuple("debug", atom("true"), atom("false")))
		a := c.open("inet", "dgram")
		c.wantLog("level call process args message", "debug open 1 inet, dgram, default, #{} call")
		c.do(tuple("bind", a, dict{"family": atom("inet")}))
		port := c.port(a)
		c.do(tuple("is_supported", atom("foo")))
		c.do(recv(a, 1, 0, 0))
		c.do(recv(a, 7, 5, atom("nowait")))
		c.wantLog("socket call process args result",
			fmt.Sprintf("%d bind <nil> #{family=>inet} {ok,%d}", a, port),
			fmt.Sprintf("%d sockname <nil>  {ok,#{family=>inet,port=>%d,addr=>{0,0,0,0}}}", a, port),
			"<nil> is_supported <nil> foo {ok,false}",
			fmt.Sprintf("%d recv 1 0, [], 0, [] {error,timeout}", a),
			fmt.Sprintf("%d recv 7 5, [], nowait, [] {select,{select_info,recv,[]}}", a),
		)
		c.write(tuple("debug", atom("false"), atom("false")))
		c.port(a)
		c.wantLog("call")
	})
}

func TestSocketWithTheOptionDebugIsLogged(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		l, other := c.open("inet", "stream"), c.open("inet", "stream")
		c.do(setDebug(l, "true"))
		c.do(setDebug(l, "true"))
		c.do(tuple("bind", l, loopback))
		c.do(tuple("listen", l, 5))
		port := c.port(l)
		c.do(tuple("connect", other, 1, to(port), atom("infinity"), none))
		c.wantLog("call", "setopt", "bind", "listen", "sockname")
		accepted := c.socketOf(c.replyTerm(c.call(tuple("accept", l, 1, atom("infinity"), none))))
		c.do(setDebug(l, "false"))
		c.do(tuple("sockname", l))
		c.do(tuple("sockname", accepted)) // it has the option from its listener
		c.wantLog("call socket", fmt.Sprint("accept ", l), fmt.Sprint("setopt ", l), fmt.Sprint("sockname ", accepted))
		c.do(tuple("close", accepted, 1))
		c.wantLog("call result", "close ok")
		for _, x := range c.server.dispatchers {
			if x.loop.Debugged() {
				c.t.Error("a socket that is gone is still counted")
			}
		}
	})
}

func TestOpenIsLoggedWhereItsOptsSaySo(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		for range 3 { // each on another loop
			opened := c.do(tuple("open", 1, atom("inet"), atom("dgram"), atom("default"), dict{"debug": atom("true")}))
			c.wantLog("call args result", "open inet, dgram, default, #{debug=>true} "+opened)
		}
		c.do(tuple("open", 1, atom("inet"), atom("foo"), atom("default"), dict{"debug": atom("true")}))
		c.wantLog("call result", "open {raise,{invalid,{type,foo}}}")
	})
}

func TestOpenInANamespaceIsLogged(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root")
	}
	everyLoops(t, func(_ *testing.T, c *client) {
		s := c.socketOf(c.replyTerm(c.call(tuple("open", 1, atom("inet"), atom("dgram"), atom("udp"), dict{"debug": atom("true"), "netns": "/proc/self/ns/net"}))))
		c.wantLog("call", "open")
		c.want(c.do(tuple("getopt", s, atom("otp"), atom("debug"))), "{ok,false}")
		c.wantLog("call")
	})
}

func TestSocketsOpenedUnderSocketDebugAreLogged(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		before := c.open("inet", "dgram")
		c.write(tuple("debug", atom("false"), atom("true")))
		s := c.open("inet", "dgram")
		c.write(tuple("debug", atom("false"), atom("false")))
		c.want(c.do(tuple("getopt", s, atom("otp"), atom("debug"))), "{ok,true}")
		c.want(c.do(tuple("getopt", before, atom("otp"), atom("debug"))), "{ok,false}")
		c.wantLog("call result", "open {ok,{"+fmt.Sprint(s)+",2,2,17,0}}", "getopt {ok,true}")
	})
}

func TestLogSaysHowLongAWaitingCallTook(t *testing.T) {
	c := newClient(t)
	a, b := c.pair()
	c.do(setDebug(b, "true"))
	c.want(c.do(recv(b, 1, 0, 30)), "{error,timeout}")
	waiting := c.call(recv(b, 1, 0, atom("infinity")))
	c.do(tuple("sockname", a))
	if got := c.log.take("us"); len(got) != 1 || len(strings.Split(got[0], ".")[0]) < 5 || got[0] < "30000" {
		t.Errorf("30 ms are %q us", got)
	}
	c.do(send(a, 1, "hello"))
	c.want(c.reply(waiting), `{ok,<<"hello">>}`)
	c.do(setDebug(b, "false"))
	c.wantLog("call result fd", fmt.Sprintf(`recv {ok,<<"hello">>} %d`, c.fd(b)), fmt.Sprintf(`setopt ok %d`, c.fd(b)))
}

func TestCallOfAProcessThatDiedIsLogged(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		_, b := c.pair()
		c.do(setDebug(b, "true"))
		c.call(recv(b, 7, 0, atom("infinity")))
		c.call(recv(b, 8, 0, atom("infinity")))
		c.write(tuple("died", 7))
		c.do(tuple("info", b))
		c.wantLog("call process result", "recv 7 nobody waits any more", "info <nil> "+c.log.last("result"))
	})
}

func (l *logLines) last(field string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprint(l.lines[len(l.lines)-1][field])
}

func TestBytesAheadOfTheAnswerAreCounted(t *testing.T) {
	c := newClient(t)
	a, b := c.pair()
	c.do(setDebug(b, "true"))
	const size = 3 << 20
	waiting := c.call(recv(b, 1, size, atom("infinity")))
	data := bytes.Repeat([]byte("x"), size)
	sending := c.call(sendOf(a, 1, atom("infinity"), data))
	c.want(c.feed(a, sending, data), "ok")
	c.replyTerm(waiting)
	line := c.log.take("ahead", "result")[0]
	var ahead, rest int
	if n, err := fmt.Sscan(strings.NewReplacer("{ok,<<", "", `"`, "", "x", "", "... ", "", "<nil>", "0").Replace(line), &ahead, &rest); n != 2 || ahead+rest != size {
		t.Errorf("%q: %d and %d, %v", line, ahead, rest, err)
	}
}

func TestTextIsShortErlang(t *testing.T) {
	pid := []byte{88, 119, 1, 'n', 0, 0, 0, 83, 0, 0, 0, 1, 0, 0, 0, 9}
	ref := []byte{90, 0, 2, 119, 1, 'n', 0, 0, 0, 9, 0, 0, 0, 5, 0, 0, 1, 0}
	for _, c := range []struct {
		term []byte
		want string
	}{
		{term(t, "-5"), "-5"},
		{term(t, "'a b'"), "'a b'"},
		{term(t, "[a,{b,[]},#{k=>[1]}]"), `[a,{b,[]},#{k=>[1]}]`},
		{tuple("at", 5_500_000), "in 5.5 ms"},
		{etf.AppendBinary(nil, []byte("it's\"quoted\"")), `<<"it's\"quoted\"">>`},
		{etf.AppendBinary(nil, nil), `<<>>`},
		{etf.AppendBinary(nil, []byte{0, 1, 255}), `<<0,1,255>>`},
		{etf.AppendBinary(nil, []byte(strings.Repeat("x", 100))), `<<"` + strings.Repeat("x", 32) + `"... 100 bytes>>`},
		{[]byte{107, 0, 2, 'h', 'i'}, `"hi"`},
		{[]byte{107, 0, 2, 1, 2}, `[1,2]`},
		{[]byte{108, 0, 0, 0, 1, 97, 1, 97, 2}, `[1|2]`},
		{[]byte{110, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, "#Integer<large>"},
		{[]byte{70, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0}, "1.5"},
		{pid, "<0.83.1>"},
		{ref, "#Ref<0.256.5>"},
		{tuple("x", strings.Repeat("a", 31), strings.Repeat("b", 400)), `{x,<<"` + strings.Repeat("a", 31) + `">>,<<"` + strings.Repeat("b", 32) + `"... 400 bytes>>}`},
	} {
		var d etf.Decoder
		d.Reset(c.term)
		p := printer{limit: textLimit}
		p.term(&d)
		if string(p.b) != c.want {
			t.Errorf("%s, want %s", p.b, c.want)
		}
		if d.Len() > 0 || d.Err() != nil {
			t.Errorf("%s: %d bytes left, %v", c.want, d.Len(), d.Err())
		}
	}
}

func TestLongTextEnds(t *testing.T) {
	for _, long := range []string{"[" + strings.Repeat("abc,", 10000) + "abc]", "{" + strings.Repeat("{a},", 200) + "a}", "#{k=>[" + strings.Repeat("{a,b},", 200) + "a]}"} {
		var d etf.Decoder
		d.Reset(term(t, long))
		if got := textOf(d, 1); len(got) > textLimit+100 || !strings.Contains(got, "...") {
			t.Errorf("%d characters: %s", len(got), got)
		}
	}
}
