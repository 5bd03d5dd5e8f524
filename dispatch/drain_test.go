package dispatch

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosocket/etf"
)

// A stuck socket has bytes ahead that the kernel does not take, for nobody reads at the other end.
type stuck struct {
	c        *client
	a, b     uint64
	data     []byte // what was handed over
	local    bool
	mine     string // what a's descriptor leads to
	waiting  int    // a receive at a
	receives bool   // it waits until the reset
}

// eachStuck runs a test with a stuck socket of each kind. What is ahead has this time.
func eachStuck(t *testing.T, limit time.Duration, f func(t *testing.T, s *stuck)) {
	t.Helper()
	for loops, local := range map[int]bool{1: true, 2: false} {
		t.Run(fmt.Sprintf("local=%v,loops=%d", local, loops), func(t *testing.T) {
			t.Parallel()
			c := newClient(t, func(cfg *Config) { cfg.Loops, cfg.DrainTime = loops, limit })
			c.want(c.do(tuple("hello", dict{"ahead": atom("true")})), "ok")
			f(t, newStuck(t, c, local))
		})
	}
}

func newStuck(t *testing.T, c *client, local bool) *stuck {
	t.Helper()
	s := &stuck{c: c, local: local, data: random(3 << 20)}
	if local {
		s.a, s.b = c.localPair(t.TempDir())
	} else {
		s.a, s.b = c.pair()
	}
	c.want(c.do(tuple("setopt", s.a, 1, atom("socket"), atom("sndbuf"), 65536)), "ok")
	c.set(s.a, "send_ahead", 16<<20)
	for part := range slices.Chunk(s.data, 1<<20) {
		c.write(tuple("send_ahead", s.a, part))
	}
	s.mine = target(c.fd(s.a))
	s.waiting = c.call(recv(s.a, 2, 0, atom("infinity")))
	return s
}

func target(fd int) string {
	name, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	return name
}

// hangsUp tells whether the other end's connection is over within this time.
func (s *stuck) hangsUp(fd int, wait time.Duration) bool {
	polled := []unix.PollFd{{Fd: int32(fd)}}
	for {
		n, err := unix.Poll(polled, int(wait.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		return n > 0 && polled[0].Revents&unix.POLLHUP != 0
	}
}

// end is what receives hear of a reset. The kernel has no other end for local streams.
func (s *stuck) end() string {
	if s.local {
		return "{error,closed}"
	}
	return "{error,econnreset}"
}

// rest is all that the other end gets, and how that ends.
func (s *stuck) rest() (got []byte, end string) {
	for {
		result := s.c.replyTerm(s.c.call(recv(s.b, 1, 0, 5000))).(etf.Tuple)
		data, ok := result[1].(etf.Binary)
		if !ok {
			return got, text(result)
		}
		got = append(got, data...)
	}
}

// left says what the server still has of a.
func (s *stuck) left() string {
	for _, line := range listDescriptors() {
		if strings.HasSuffix(line, s.mine) {
			return "the descriptor " + line
		}
	}
	return s.pending()
}

// pending says what of sends ahead is not done with.
func (s *stuck) pending() string {
	for _, x := range s.c.server.dispatchers {
		left := make(chan string)
		x.loop.Post(func() { left <- leftIn(x.loop) })
		if all := <-left; strings.Contains(all, "closings") || strings.Contains(all, "handed") {
			return all
		}
	}
	return ""
}

// Each way to end the write side behind what is ahead answers at once, and resets the connection at the limit.
func TestAPeerThatTakesNothingIsResetAtTheLimit(t *testing.T) {
	t.Parallel()
	const limit = 250 * time.Millisecond
	shutdown := func(how string) func(s *stuck) {
		return func(s *stuck) { s.c.want(s.c.do(tuple("shutdown", s.a, atom(how))), "ok") }
	}
	owner := rawTerm(append(etf.AppendAtom([]byte{88}, "node"), 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3)) // NEW_PID_EXT
	closed := func(s *stuck) { s.c.want(s.c.do(tuple("close", s.a, 1)), "ok") }
	for _, way := range []struct {
		name   string
		act    func(s *stuck)
		closes bool
	}{
		{"shutdown write", func(s *stuck) { shutdown("write")(s); s.receives = true }, false},
		{"shutdown twice", func(s *stuck) { shutdown("write")(s); shutdown("read_write")(s) }, false},
		{"close", closed, true},
		{"death", func(s *stuck) {
			s.c.want(s.c.do(tuple("setopt", s.a, 1, atom("otp"), atom("controlling_process"), owner)), "ok")
			s.c.write(tuple("died", owner))
			s.c.event("closed")
		}, true},
		{"shutdown and close", func(s *stuck) { shutdown("write")(s); closed(s) }, true},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			eachStuck(t, limit, func(t *testing.T, s *stuck) {
				c := s.c
				peer := c.fd(s.b)
				if isKept(c, "sent") {
					t.Fatal("the kernel has taken what was to be stuck")
				}
				start := time.Now()
				way.act(s)
				if s.hangsUp(peer, 0) && time.Since(start) < limit {
					t.Error("it is over before its time")
				}
				if !s.hangsUp(peer, 10*time.Second) {
					t.Fatal("it is not over")
				}
				if d := time.Since(start); d < limit {
					t.Errorf("it is over after %v", d)
				}
				if !way.closes {
					s.isReset(t)
				}
				got, end := s.rest()
				if end != s.end() || len(got) == len(s.data) || !bytes.HasPrefix(s.data, got) {
					t.Errorf("the peer gets %d bytes and %s", len(got), end)
				}
				c.want(c.do(tuple("close", s.b, 1)), "ok")
				if left := s.left(); left != "" {
					t.Errorf("left: %s", left)
				}
			})
		})
	}
}

func isKept(c *client, name string) bool {
	for _, f := range c.kept {
		if isTuple(f, name) {
			return true
		}
	}
	return false
}

// isReset looks at a socket that was reset behind a shutdown, and closes it.
func (s *stuck) isReset(t *testing.T) {
	t.Helper()
	c := s.c
	told := 0
	for told < len(s.data) {
		n, _ := number(c.event("sent")[2])
		told += n
	}
	if told != len(s.data) {
		t.Errorf("%d of %d bytes are done with", told, len(s.data))
	}
	if s.receives {
		c.want(c.reply(s.waiting), s.end())
	} else {
		c.want(c.reply(s.waiting), "{error,closed}")
		c.want(c.do(recv(s.a, 1, 0, 0)), s.end())
	}
	c.want(c.do(send(s.a, 1, "x")), "{error,{epipe,1}}")
	c.want(c.do(tuple("shutdown", s.a, atom("write"))), "{error,epipe}")
	c.want(c.do(tuple("close", s.a, 1)), "ok")
}

// A close behind a shutdown does not begin the time anew.
func TestACloseHasWhatIsLeftOfTheTime(t *testing.T) {
	t.Parallel()
	const limit = time.Second
	eachStuck(t, limit, func(t *testing.T, s *stuck) {
		c := s.c
		later := newStuck(t, c, s.local)
		peer, other := c.fd(s.b), c.fd(later.b)
		c.want(c.do(tuple("shutdown", s.a, atom("write"))), "ok")
		if s.hangsUp(peer, limit/2) {
			t.Fatal("it is over before its time")
		}
		c.want(c.do(tuple("close", s.a, 1)), "ok")
		c.want(c.do(tuple("close", later.a, 1)), "ok")
		if !s.hangsUp(peer, 10*time.Second) || s.hangsUp(other, 0) {
			t.Error("the close has begun the time anew")
		}
	})
}

// stuckLingering makes one that lingers for a second, of a server that gives what is ahead this time.
func stuckLingering(t *testing.T, drain time.Duration) (*client, *stuck) {
	t.Helper()
	c := newClient(t, func(cfg *Config) { cfg.DrainTime = drain })
	c.want(c.do(tuple("hello", dict{"ahead": atom("true")})), "ok")
	s := newStuck(t, c, false)
	linger := dict{"onoff": atom("true"), "linger": 1}
	c.want(c.do(tuple("setopt", s.a, 1, atom("socket"), atom("linger"), linger)), "ok")
	return c, s
}

// At the end of the linger time close(2) ends, and what the kernel has is sent all the same; so is what is ahead.
func TestWhatIsAheadIsSentBehindTheEndOfALinger(t *testing.T) {
	t.Parallel()
	c, s := stuckLingering(t, 20*time.Second)
	c.want(c.do(tuple("close", s.a, 1)), "ok")
	if got, end := s.rest(); !bytes.Equal(got, s.data) || end != "{error,closed}" {
		t.Errorf("the peer gets %d of %d bytes and %s", len(got), len(s.data), end)
	}
}

// A linger that is longer than the time of what is ahead is waited for.
func TestALongLingerEndsInAReset(t *testing.T) {
	t.Parallel()
	c, s := stuckLingering(t, 100*time.Millisecond)
	peer, start := c.fd(s.b), time.Now()
	closing := c.call(tuple("close", s.a, 1))
	if !s.hangsUp(peer, 10*time.Second) || time.Since(start) < time.Second {
		t.Errorf("it is over after %v", time.Since(start))
	}
	c.want(c.reply(closing), "ok")
	if _, end := s.rest(); end != "{error,econnreset}" {
		t.Errorf("the peer gets %s", end)
	}
}

// eachShared runs a test with a stuck socket of each kind whose connection another one has as well: by a duplicate, or by the same
// descriptor.
func eachShared(t *testing.T, limit time.Duration, f func(t *testing.T, s *stuck, other uint64)) {
	t.Helper()
	for _, dup := range []string{"true", "false"} {
		t.Run("dup="+dup, func(t *testing.T) {
			t.Parallel()
			eachStuck(t, limit, func(t *testing.T, s *stuck) {
				f(t, s, s.c.openedFD(s.c.fd(s.a), dict{"dup": atom(dup)}))
			})
		})
	}
}

// nothingIsPending waits until no closed socket's bytes wait.
func (s *stuck) nothingIsPending(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); s.pending() != ""; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("left: %s", s.pending())
		}
	}
}

// What is ahead of one of several holders is sent behind its close, and the others keep the connection.
func TestWhatIsAheadOfOneOfSeveralHoldersIsSent(t *testing.T) {
	t.Parallel()
	eachShared(t, 60*time.Second, func(t *testing.T, s *stuck, other uint64) {
		c := s.c
		c.want(c.do(tuple("close", s.a, 1)), "ok")
		if got := c.take(s.b, len(s.data)); !bytes.Equal(got, s.data) {
			t.Errorf("the peer gets other bytes")
		}
		s.nothingIsPending(t)
		if s.isWatched() {
			t.Error("a descriptor that is closed makes events")
		}
		s.goesOn(other)
		if left := s.left(); left != "" {
			t.Errorf("left: %s", left)
		}
	})
}

// isWatched tells whether the kernel has events of a's connection for any loop (proc_pid_fdinfo(5)).
func (s *stuck) isWatched() bool {
	var inode uint64
	if _, err := fmt.Sscanf(filepath.Base(s.mine), "socket:[%d]", &inode); err != nil {
		s.c.t.Fatal(err)
	}
	for _, x := range s.c.server.dispatchers {
		epfd := reflect.ValueOf(x.loop).Elem().FieldByName("epfd").Int()
		info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", epfd))
		if err != nil {
			s.c.t.Fatal(err)
		}
		if strings.Contains(string(info), fmt.Sprintf("ino:%x ", inode)) {
			return true
		}
	}
	return false
}

// goesOn shows that the other one can still send, and that its close is the connection's end.
func (s *stuck) goesOn(other uint64) {
	c := s.c
	c.want(c.do(send(other, 1, "x")), "ok")
	c.want(c.do(recv(s.b, 1, 1, 5000)), `{ok,<<"x">>}`)
	c.want(c.do(tuple("close", other, 1)), "ok")
	c.want(c.do(recv(s.b, 1, 1, 5000)), "{error,closed}")
}

// The time of what is ahead is over: it is dropped, and the connection is the others'.
func TestTheLimitOfOneOfSeveralHoldersResetsNothing(t *testing.T) {
	t.Parallel()
	eachShared(t, 100*time.Millisecond, func(t *testing.T, s *stuck, other uint64) {
		c := s.c
		c.want(c.do(tuple("close", s.a, 1)), "ok")
		s.nothingIsPending(t)
		c.want(c.do(tuple("shutdown", other, atom("write"))), "ok")
		if got, end := s.rest(); end != "{error,closed}" || len(got) == len(s.data) || !bytes.HasPrefix(s.data, got) {
			t.Errorf("the peer gets %d bytes and %s", len(got), end)
		}
		c.want(c.do(tuple("close", other, 1)), "ok")
		if left := s.left(); left != "" {
			t.Errorf("left: %s", left)
		}
	})
}

// A shutdown is the connection's, whoever else has it: it is carried out behind what is ahead, or in its place, when the socket
// that it was asked of is closed.
func TestAShutdownOfOneOfSeveralHoldersIsCarriedOutBehindItsClose(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]time.Duration{"in time": 60 * time.Second, "too late": 100 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachShared(t, limit, func(t *testing.T, s *stuck, other uint64) {
				c := s.c
				c.want(c.do(tuple("shutdown", s.a, atom("write"))), "ok")
				c.want(c.do(tuple("close", s.a, 1)), "ok")
				want, all := "{error,closed}", true
				if limit < time.Second {
					s.nothingIsPending(t)
					want, all = s.end(), false
				}
				if got, end := s.rest(); end != want || all != bytes.Equal(got, s.data) || !bytes.HasPrefix(s.data, got) {
					t.Errorf("the peer gets %d bytes and %s", len(got), end)
				}
				c.want(c.do(tuple("close", other, 1)), "ok")
			})
		})
	}
}
