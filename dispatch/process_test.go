package dispatch

import (
	"fmt"
	"testing"

	"gosocket/etf"
)

// TestIntegersStandForPids makes the same calls with pids and with integers, and sees the helper take the one for the
// other and give back pids.
func TestIntegersStandForPids(t *testing.T) {
	pid := func(n int) rawTerm {
		b := etf.AppendAtom([]byte{88}, "some_node_with_a_name_that_is_long@some.host.with.a.long.name")
		return append(b, 0, 0, 0, byte(n), 0, 0, 0, 3, 1, 2, 3, 4)
	}
	number := func(n int) uint64 { return uint64(n)<<32 | 3 }
	same := func(got etf.Term, n int) bool { return string(etf.Append(nil, got)) == string(pid(n)) }
	for loops := 1; loops <= 2; loops++ {
		for mix := range 4 {
			// by turns, so that every pair of calls has both
			turn := mix
			process := func(n int) any {
				if turn++; turn>>1&1 == 0 || mix == 3 && turn&1 == 0 {
					return number(n)
				}
				return pid(n)
			}
			t.Run(fmt.Sprintf("loops=%d,%d", loops, mix), func(t *testing.T) {
				c := newClient(t, func(cfg *Config) { cfg.Loops = loops })
				c.want(c.do(tuple("hello", dict{"process": pid(250)})), "ok")
				open := tuple("open", process(1), atom("inet"), atom("dgram"), atom("udp"), dict{})
				s := c.socketOf(c.replyTerm(c.call(open)))
				if owner := c.event("watch"); !same(owner[1], 1) {
					t.Fatalf("watch %s", text(owner))
				}
				c.want(c.do(tuple("bind", s, loopback)), fmt.Sprintf("{ok,%d}", c.port(s)))
				if got := c.replyTerm(c.call(tuple("getopt", s, atom("otp"), atom("controlling_process")))); !same(got.(etf.Tuple)[1], 1) {
					t.Fatalf("owner %s", text(got))
				}
				own := tuple("setopt", s, process(2), atom("otp"), atom("controlling_process"), pid(2))
				c.want(c.do(own), "{error,not_owner}")

				// A select and its message; the process that waits asks again.
				armed := tuple("recvfrom", s, process(2), 0, none, atom("nowait"), atom("ref"))
				c.want(c.do(armed), "{select,{select_info,recvfrom,ref}}")
				again := tuple("recvfrom", s, process(2), 0, none, atom("nowait"), atom("other"))
				c.want(c.do(again), "{select,{select_info,recvfrom,other}}")
				c.want(c.do(tuple("cancel", s, process(2), rawTerm(tuple("select_info", atom("recvfrom"), atom("other"))))), "ok")
				c.want(c.do(armed), "{select,{select_info,recvfrom,ref}}")
				send := tuple("sendto", s, process(1), to(c.port(s)), none, atom("infinity"), none, 1, "x")
				c.want(c.do(send), "ok")
				if m := c.event("select"); !same(m[2], 2) {
					t.Fatalf("select %s", text(m))
				}

				// The death of the owner closes its socket.
				c.want(c.do(tuple("setopt", s, process(1), atom("otp"), atom("controlling_process"), pid(3))), "ok")
				c.write(tuple("died", pid(3)))
				if m := c.event("closed"); !same(m[2].(etf.Tuple)[0], 3) {
					t.Fatalf("closed %s", text(m))
				}
			})
		}
	}
}
