package dispatch

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"gosocket/etf"
	"gosocket/socketcore"
)

func limited(change func(*socketcore.Limits)) func(*Config) {
	return func(cfg *Config) { change(&cfg.Limits) }
}

// opens opens so many sockets, and expects an answer for the next.
func (c *client) opens(n int, next string) (opened []uint64) {
	c.t.Helper()
	for range n {
		opened = append(opened, c.open("inet", "dgram"))
	}
	c.want(c.do(tuple("open", 1, atom("inet"), atom("dgram"), atom("default"), dict{})), next)
	return opened
}

func TestSocketsHaveALimit(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair() // and a listener, which is closed
		opened := c.opens(50-int(c.server.totals.Sockets.Load()), "{error,emfile}")
		fd := c.fd(opened[0])
		c.want(c.do(openFD(1, fd, dict{})), "{error,emfile}")
		c.want(c.do(openFD(1, fd, noDup)), "{error,emfile}")
		c.want(c.do(send(a, 1, "x")), "ok")
		c.want(c.do(recv(b, 1, 1, 5000)), `{ok,<<"x">>}`)
		for round := range 3 { // what failed took no place
			c.want(c.do(tuple("close", opened[round], 1)), "ok")
			c.want(c.do(tuple("open", 1, atom("inet"), atom("dgram"), atom("nonsense"), dict{}))[:7], "{raise,")
			c.want(c.do(openFD(1, 0, dict{}))[:7], "{error,")
			c.opens(1, "{error,emfile}")
		}
	}, limited(func(l *socketcore.Limits) { l.Sockets = 50 }))
}

func TestAnAcceptBeyondTheLimitLeavesTheConnection(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		l := c.open("inet", "stream")
		c.do(tuple("bind", l, loopback))
		c.want(c.do(tuple("listen", l, 5)), "ok")
		a := c.open("inet", "stream")
		accept := c.call(tuple("accept", l, 1, atom("infinity"), none))
		c.do(tuple("sockname", l))
		third := c.open("inet", "dgram")
		c.want(c.do(tuple("connect", a, 1, to(c.port(l)), 5000, none)), "ok")
		c.want(c.reply(accept), "{error,emfile}")
		c.want(c.do(tuple("accept", l, 1, 0, none)), "{error,emfile}")
		c.want(c.do(tuple("close", third, 1)), "ok")
		c.socketOf(c.replyTerm(c.call(tuple("accept", l, 1, 5000, none))))
	}, limited(func(l *socketcore.Limits) { l.Sockets = 3 }))
}

// waits are calls that wait, each on a socket of its own, and what they are answered when too many do.
var waits = map[string]struct {
	call func(c *client, process int, timeout any) []byte
	want string
}{
	"recv": {func(c *client, p int, timeout any) []byte { return recv(c.open("inet", "dgram"), p, 0, timeout) }, "{error,enobufs}"},
	"recvmsg": {func(c *client, p int, timeout any) []byte {
		return tuple("recvmsg", c.open("inet", "dgram"), p, 0, 0, none, timeout, atom("r"))
	}, "{error,enobufs}"},
	"accept": {func(c *client, p int, timeout any) []byte {
		l := c.open("inet", "stream")
		c.do(tuple("bind", l, loopback))
		c.do(tuple("listen", l, 5))
		return tuple("accept", l, p, timeout, atom("r"))
	}, "{error,enobufs}"},
	"send": {func(c *client, p int, timeout any) []byte {
		a, _ := c.localPair(c.t.TempDir())
		for strings.HasPrefix(c.do(tuple("send", a, 1, none, 0, none, 60_000, strings.Repeat("x", 60_000))), "ok") {
		}
		return tuple("send", a, p, none, timeout, atom("r"), 1, "x")
	}, "{error,{enobufs,1}}"},
}

func TestWaitingCallsHaveALimit(t *testing.T) {
	for name, w := range waits {
		for _, timeout := range []any{atom("infinity"), 60_000, atom("nowait")} {
			t.Run(fmt.Sprint(name, timeout), func(t *testing.T) {
				everyLoops(t, func(_ *testing.T, c *client) {
					var calls [][]byte
					for p := range 25 {
						calls = append(calls, w.call(c, p+10, timeout))
					}
					served := func() {
						for loop := range c.server.dispatchers {
							c.do(tuple("sockname", loop))
						}
					}
					for _, call := range calls[:20] {
						c.call(call)
					}
					served()
					for _, call := range calls[20:23] {
						c.want(c.do(call), w.want)
					}
					c.want(c.do(recv(c.open("inet", "dgram"), 98, 0, 0)), "{error,timeout}") // who does not wait needs no place
					c.write(tuple("died", 10))
					served()
					last := c.call(calls[23])
					served()
					c.want(c.do(calls[24]), w.want)
					if timeout == atom("nowait") {
						c.want(c.reply(last)[:8], "{select,")
					}
					for p := range 25 {
						c.write(tuple("died", p+10))
					}
					served()
					if n := c.server.totals.Waiting.Load() + c.server.totals.Selects.Load(); n != 0 {
						t.Errorf("%d are counted when none waits", n)
					}
				}, limited(func(l *socketcore.Limits) { l.Waiting, l.Selects = 20, 20 }))
			})
		}
	}
}

// Those of other loops come at the same time.
func TestNoLoopLetsMoreWaitThanTheLimit(t *testing.T) {
	const limit, more = 20, 40
	for _, timeout := range []any{atom("infinity"), atom("nowait")} {
		c := newClient(t, limited(func(l *socketcore.Limits) { l.Waiting, l.Selects = limit, limit }), func(cfg *Config) { cfg.Loops = 3 })
		var sockets []uint64
		for range limit + more {
			sockets = append(sockets, c.open("inet", "dgram"))
		}
		for round := range 50 {
			var calls []int
			for i, s := range sockets {
				calls = append(calls, c.call(recv(s, i+10, 0, timeout)))
			}
			for loop := range c.server.dispatchers {
				c.do(tuple("sockname", loop))
			}
			totals := &c.server.totals
			if n := totals.Waiting.Load() + totals.Selects.Load(); n != limit {
				t.Fatalf("%v, round %d: %d wait", timeout, round, n)
			}
			for i := range calls {
				c.write(tuple("died", i+10))
			}
		}
	}
}

const part = 20_000 // of what is waited for in gatherings

// gatherings are ways to a receive on b, by process 8, that waits with a part of what it asked for.
var gatherings = map[string]func(c *client, a, b uint64, timeout any) (id int){
	"data after": func(c *client, a, b uint64, timeout any) int {
		id := c.call(recv(b, 8, 2*part, timeout))
		c.do(tuple("sockname", b))
		c.want(c.do(send(a, 1, strings.Repeat("x", part))), "ok")
		return id
	},
	"data before": func(c *client, a, b uint64, timeout any) int {
		c.want(c.do(send(a, 1, strings.Repeat("x", part))), "ok")
		return c.call(recv(b, 8, 2*part, timeout))
	},
	"some before": func(c *client, a, b uint64, timeout any) int {
		c.want(c.do(send(a, 1, strings.Repeat("x", 10))), "ok")
		id := c.call(recv(b, 8, 2*part, timeout))
		c.do(tuple("sockname", b))
		c.want(c.do(send(a, 1, strings.Repeat("x", part-10))), "ok")
		return id
	},
	"behind others": func(c *client, a, b uint64, timeout any) int {
		first := c.call(recv(b, 7, 3, atom("infinity")))
		id := c.call(recv(b, 8, 2*part, timeout))
		c.do(tuple("sockname", b))
		c.want(c.do(send(a, 1, "abc"+strings.Repeat("x", part))), "ok")
		c.want(c.reply(first), `{ok,<<"abc">>}`)
		c.write(c.deliverAll())
		return id
	},
	"behind one that dies": func(c *client, a, b uint64, timeout any) int {
		c.call(recv(b, 7, 3*part, atom("infinity")))
		id := c.call(recv(b, 8, 2*part, timeout))
		c.do(tuple("sockname", b))
		c.write(tuple("died", 7))
		c.want(c.do(send(a, 1, strings.Repeat("x", part))), "ok")
		return id
	},
	"handed back": func(c *client, a, b uint64, timeout any) int {
		c.want(c.do(send(a, 1, strings.Repeat("x", part))), "ok")
		lost := c.resultOf(c.call(recv(b, 7, part, atom("infinity"))))
		id := c.call(recv(b, 8, 2*part, timeout)) // no frame comes before the next: that would tell that the first has arrived
		c.lost(7, b, lost)
		return id
	},
	"handed back before": func(c *client, a, b uint64, timeout any) int {
		c.want(c.do(send(a, 1, strings.Repeat("x", part))), "ok")
		c.lost(7, b, c.resultOf(c.call(recv(b, 7, part, atom("infinity")))))
		return c.call(recv(b, 8, 2*part, timeout))
	},
}

// A receive that gathers more than all may have together gets what it has, whichever way it came to gather that.
func TestUnreadBytesHaveALimit(t *testing.T) {
	const readers, through = 8, 5
	pairs := map[string]func(c *client) (a, b uint64){
		"inet":  (*client).pair,
		"local": func(c *client) (a, b uint64) { return c.localPair(c.t.TempDir()) },
	}
	for name, gather := range gatherings {
		for domain, pair := range pairs {
			for _, timeout := range []any{atom("infinity"), 60_000} {
				t.Run(fmt.Sprint(name, domain, timeout), func(t *testing.T) {
					everyLoops(t, func(t *testing.T, c *client) {
						for reader := range readers {
							a, b := pair(c)
							id := gather(c, a, b, timeout)
							if reader >= through {
								c.want(c.reply(id), fmt.Sprintf("{error,{enobufs,<<%q>>}}", strings.Repeat("x", part)))
							}
							c.do(tuple("sockname", b))
							c.do(tuple("sockname", b))
							if n := int(c.server.totals.Unread.Load()); n != min(reader+1, through)*part {
								t.Fatalf("%d bytes with %d readers", n, reader+1)
							}
						}
						c.write(tuple("died", 8))
						for loop := range c.server.dispatchers {
							c.do(tuple("sockname", loop))
						}
						if n := c.server.totals.Unread.Load(); n != 0 {
							t.Errorf("%d bytes are counted when nobody waits", n)
						}
					}, limited(func(l *socketcore.Limits) { l.Unread = through*part + part/2 }))
				})
			}
		}
	}
}

// Of a receive in parts less than a part counts: the others are its caller's.
func TestAReceiveInPartsCountsWithWhatItHasNotHandedOver(t *testing.T) {
	const size, step, most = 1_300_000, 50_000, 256 << 10
	everyLoops(t, func(t *testing.T, c *client) {
		for _, pair := range []func() (a, b uint64){c.pair, func() (a, b uint64) { return c.localPair(t.TempDir()) }} {
			a, b := pair()
			c.kept = nil
			c.call(recv(b, 8, 2<<20, atom("infinity")))
			for range size / step {
				c.want(c.do(send(a, 1, strings.Repeat("x", step))), "ok")
			}
			handed, unread := 0, 0
			for end := time.Now().Add(5 * time.Second); handed+unread != size && time.Now().Before(end); {
				c.do(tuple("sockname", b))
				handed, unread = 0, int(c.server.totals.Unread.Load())
				for _, f := range c.kept {
					if isTuple(f, "more") {
						handed += len(f.(etf.Tuple)[2].(etf.Binary))
					}
				}
			}
			if handed+unread != size || unread >= most {
				t.Errorf("%d bytes handed over, %d unread", handed, unread)
			}
			c.want(c.do(tuple("close", b, 1)), "ok")
		}
	})
}

// However much room a receive has asked for, while it waits it keeps what counts as unread, or nothing when that is its caller's.
func TestWaitingReceivesKeepNoMoreThanCounts(t *testing.T) {
	const readers, wanted, most = 100, 2 << 20, 2 << 20
	inUse := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	for _, timeout := range []any{atom("infinity"), atom("nowait")} {
		everyLoops(t, func(t *testing.T, c *client) {
			var pairs [readers][2]uint64
			for i := range pairs {
				pairs[i][0], pairs[i][1] = c.pair()
			}
			before := inUse()
			for _, p := range pairs {
				recv := tuple("recv", p[1], 8, wanted, none, timeout, atom("r"))
				if timeout == atom("nowait") {
					c.want(c.do(send(p[0], 1, "x")), "ok")
					c.want(c.do(recv)[:13], `{ok,{<<"x">>,`)
					continue
				}
				c.call(recv)
				c.want(c.do(send(p[0], 1, "x")), "ok")
				c.do(tuple("sockname", p[1]))
			}
			if grown := inUse() - before; grown > most {
				t.Errorf("%v: %d bytes for %d of which %d are unread", timeout, grown, readers, c.server.totals.Unread.Load())
			}
		})
	}
}

// What a nowait receive got is its caller's, and does not count.
func TestASelectHasNothingUnread(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.pair()
		c.want(c.do(send(a, 1, strings.Repeat("x", part))), "ok")
		c.want(c.do(tuple("recv", b, 8, 2*part, none, atom("nowait"), atom("r")))[:4], "{ok,")
		if n := c.server.totals.Unread.Load(); n != 0 {
			t.Errorf("%d bytes", n)
		}
	})
}

// Memory is looked at however few there are who fill it, and who ends gives the room back.
// The client and what is on its way take some of the room.
func TestMemoryHasALimit(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as the helper has it
	const size, room, most = 1 << 20, 24 << 20, 56
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	everyLoops(t, func(t *testing.T, c *client) {
		runtime.GC()
		waiting := c.open("inet", "dgram")
		open := tuple("open", 1, atom("inet"), atom("dgram"), atom("default"), dict{})
		meta := string(random(size))
		fill := func(s uint64) { c.want(c.do(tuple("setopt", s, 1, atom("otp"), atom("meta"), meta)), "ok") }
		var spare, opened []uint64
		for range room / size {
			spare = append(spare, c.open("inet", "dgram"))
		}
		for full := false; !full; {
			r := c.replyTerm(c.call(open))
			if full = text(r) == "{error,enomem}"; !full {
				opened = append(opened, c.socketOf(r))
				fill(opened[len(opened)-1])
			}
			if n := len(opened); full && n < room/size/4 || n > most {
				t.Fatalf("%d of 1 MiB, where half of the limit leaves room for %d", n, room/size)
			}
		}
		t.Logf("figure: %d of 1 MiB, where half of the limit leaves room for %d", len(opened), room/size)
		for _, s := range spare { // some of what was full may be garbage, which the next collection finds
			fill(s)
		}
		runtime.GC()
		for _, timeout := range []any{atom("infinity"), 60_000, atom("nowait")} {
			c.want(c.do(recv(waiting, 9, 0, timeout)), "{error,enomem}")
		}
		c.want(c.do(recv(waiting, 9, 0, 0)), "{error,timeout}")
		for _, s := range append(spare, opened...) {
			c.want(c.do(tuple("close", s, 1)), "ok")
		}
		for end := time.Now().Add(10 * time.Second); c.do(open) == "{error,enomem}"; {
			if time.Now().After(end) {
				t.Fatal("no room for 10 s")
			}
		}
	}, limited(func(l *socketcore.Limits) { l.Memory = 2 * (int64(before.HeapAlloc) + room) }))
}

// Messages that are gathered count as parked, whole as they have to be.
func TestMessagesThatAreGatheredHaveALimit(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		const size, window = 200_000, 64 << 10
		first := strings.Repeat("x", window)
		sendto := func(s uint64) { c.call(tuple("sendto", s, 1, to(9), none, atom("infinity"), none, size, first)) }
		d := c.open("inet", "dgram")
		for range 20 {
			sendto(d) // those that stand behind another one keep nothing when there is no room
		}
		c.do(tuple("sockname", d))
		if n := c.server.totals.Parked.Load(); n > 1<<20 {
			t.Errorf("%d bytes parked", n)
		}
		c.want(c.do(tuple("close", d, 1)), "ok")
		c.kept = nil
		for range 20 {
			d = c.open("inet", "dgram")
			sendto(d)
			c.do(tuple("sockname", d))
		}
		refused := 0
		for _, f := range c.kept {
			if strings.Contains(text(f), fmt.Sprintf("{error,{enobufs,%d}}", size)) {
				refused++
			}
		}
		if n := c.server.totals.Parked.Load(); n > 1<<20 || refused != 20-(1<<20)/window {
			t.Errorf("%d bytes parked, %d refused", n, refused)
		}
		c.write(tuple("died", 1))
		for loop := range c.server.dispatchers {
			c.do(tuple("sockname", loop))
		}
		if n := c.server.totals.Parked.Load(); n != 0 {
			t.Errorf("%d bytes parked behind the death", n)
		}
	})
}

func TestReceivedDescriptorsHaveALimit(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		before := descriptors()
		for i := range 4 {
			x, y := c.localPair(t.TempDir())
			fd := c.fd(x)
			c.want(c.do(sendRights(x, "z", fd, fd, fd)), "ok")
			got := c.replyTerm(c.call(recvmsg(y, 1, 0)))
			n := 0
			if strings.Contains(text(got), "rights") {
				n = len(rightsIn(t, got))
			}
			if n != min(3, max(0, 8-3*i)) || (n < 3) != strings.Contains(text(got), "ctrunc") {
				t.Errorf("message %d: %s", i, text(got))
			}
		}
		if n := socketcore.ReceivedFDs(); n != 8 || descriptors() != before+8+4*3 {
			t.Errorf("%d received, %d descriptors more", n, descriptors()-before)
		}
		c.write(tuple("died", 1))
		c.do(tuple("sockname", 1))
	}, limited(func(l *socketcore.Limits) { l.FDs = 8 }))
}

// An association that was taken out of a socket keeps its descriptor until there is room for one more.
func TestSCTPAssociationsBeyondTheLimitWaitForRoom(t *testing.T) {
	open(t, socketcore.SCTP)
	everyLoops(t, func(t *testing.T, c *client) {
		last := taken(t, c)
		opened := c.opens(1, "{error,emfile}")
		for range 2 {
			c.want(c.do(last), "{error,emfile}")
		}
		c.want(c.do(tuple("close", opened[0], 1)), "ok")
		c.socketOf(c.replyTerm(c.call(last)))
	}, limited(func(l *socketcore.Limits) { l.Sockets = 2 }))
}
