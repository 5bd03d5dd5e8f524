package dispatch

import (
	"strings"
	"testing"

	"gosocket/etf"
	"gosocket/socketcore"
)

// statistics asks for them: numbers by their keys, those of calls by call_NAME, of refusals by refusal_RULE.
func (c *client) statistics() map[string]int {
	c.t.Helper()
	all, ok := c.replyTerm(c.call(tuple("statistics"))).(etf.Tuple)
	if !ok {
		c.t.Fatal("no statistics")
	}
	found := map[string]int{}
	add := func(prefix string, m etf.Term) {
		for _, pair := range m.(etf.Map) {
			if n, ok := number(pair.Value); ok {
				found[prefix+text(pair.Key)] += n
			}
		}
	}
	add("", all[1])
	add("call_", field(c.t, all[1], "calls"))
	add("refusal_", field(c.t, all[1], "refusals"))
	for _, loop := range field(c.t, all[1], "loops").(etf.List).Elements {
		found["loops"]++
		add("loop_", loop)
	}
	return found
}

func TestWhatHappensIsCounted(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		before := c.statistics()
		a, b := c.pair()
		for range 5 {
			c.want(c.do(send(a, 1, "hello")), "ok")
			c.want(c.do(recv(b, 1, 5, atom("infinity"))), `{ok,<<"hello">>}`)
		}
		waiting := c.call(recv(b, 1, 5, atom("infinity")))
		d := c.open("inet", "dgram")
		c.want(c.do(nowait(d, 2, "r")), "{select,{select_info,recv,r}}")
		for range 2 { // loops tell when they have done what came before
			c.do(tuple("sockname", b))
		}
		after := c.statistics()
		for what, want := range map[string]int{
			"call_open": 3, "call_send": 5, "call_recv": 7, "call_sockname": 3, "call_statistics": 1, "call_accept": 1, "call_connect": 1,
			"call_close": 1, "call_bind": 1, "call_listen": 1, "call_recvmsg": 0, "sockets": 3, "waiting": 1, "selects": 1, "parked_bytes": 0,
		} {
			if got := after[what] - before[what]; got != want {
				t.Errorf("%s: %d, want %d", what, got, want)
			}
		}
		for _, what := range []string{
			"reads", "bytes_in", "writes", "frames_out", "bytes_out", "waits", "events", "loop_waits", "loop_events", "loop_busy_ns", "descriptors",
		} {
			if after[what] <= before[what] {
				t.Errorf("%s: %d, %d before", what, after[what], before[what])
			}
		}
		for _, what := range []string{"memory_bytes", "loop_lag_max_ns"} {
			if after[what] == 0 {
				t.Errorf("%s: nothing", what)
			}
		}
		if after["loops"] != len(c.server.dispatchers) {
			t.Errorf("%d loops", after["loops"])
		}
		for name := range calls {
			if _, ok := after["call_"+name]; !ok {
				t.Errorf("%s is not counted", name)
			}
		}
		c.want(c.do(tuple("close", b, 1)), "ok")
		c.want(c.reply(waiting), "{error,closed}")
		c.write(tuple("died", 1), tuple("died", 2))
		for _, what := range []string{"sockets", "waiting", "selects"} {
			for range c.server.dispatchers {
				c.do(tuple("sockname", b))
			}
			if n := c.statistics()[what]; n != before[what] {
				t.Errorf("%s: %d when all is over", what, n)
			}
		}
	})
}

func TestRefusalsAreCountedByRule(t *testing.T) {
	c := newClient(t, func(cfg *Config) {
		cfg.Allow = &socketcore.Allow{}
		for _, rule := range []string{"domains=inet", "remote_ports=53"} {
			if err := cfg.Allow.Set(rule); err != nil {
				t.Fatal(err)
			}
		}
	})
	for range 3 {
		c.want(c.do(tuple("open", 1, atom("local"), atom("stream"), atom("default"), dict{})), "{error,eacces}")
	}
	d := c.open("inet", "dgram")
	if got := c.do(tuple("sendto", d, 1, to(9), none, 0, none, 1, "x")); !strings.Contains(got, "eacces") {
		t.Error(got)
	}
	if got := c.statistics(); got["refusal_domains"] != 3 || got["refusal_remote_ports"] != 1 {
		t.Errorf("%v", got)
	}
}
