package dispatch

import (
	"strings"
	"testing"

	"gosocket/etf"
)

// copied gives the copy that followed the calls up to now; nil when there was none.
func (c *client) copied() etf.Tuple {
	c.t.Helper()
	c.write(tuple("ping", 1))
	c.event("pong")
	for i, f := range c.kept {
		if isTuple(f, "ahead") {
			c.kept = append(c.kept[:i], c.kept[i+1:]...)
			return f.(etf.Tuple)
		}
	}
	return nil
}

func TestACopyFollowsAPlainReceiveAndNoOther(t *testing.T) {
	plain := func(c *client, b uint64) { c.do(recv(b, 1, 2, 1000)) }
	flagged := func(flag string) func(c *client, b uint64) {
		return func(c *client, b uint64) { c.do(tuple("recv", b, 1, 2, []any{atom(flag)}, 1000, none)) }
	}
	nothing := func(*client, uint64) {}
	otp := func(key string, value any) func(c *client, b uint64) {
		return func(c *client, b uint64) { c.set(b, key, value) }
	}
	for name, way := range map[string]struct {
		before, receive func(c *client, b uint64)
		follows         bool
	}{
		"plain":        {nothing, plain, true},
		"debug":        {otp("debug", atom("true")), plain, false},
		"off":          {otp("receive_ahead", 0), plain, false},
		"few":          {otp("receive_ahead", 1), plain, true},
		"peek":         {nothing, flagged("peek"), false},
		"waitall":      {nothing, flagged("waitall"), false},
		"recvfrom":     {nothing, func(c *client, b uint64) { c.do(tuple("recvfrom", b, 1, 2, none, 1000, none)) }, false},
		"recvmsg":      {nothing, func(c *client, b uint64) { c.do(recvmsg(b, 1, 0)) }, false},
		"far":          {nothing, func(c *client, b uint64) { c.do(far(recv(b, 1, 2, 1000))) }, false},
		"all there is": {nothing, func(c *client, b uint64) { c.do(recv(b, 1, 0, 1000)) }, false},
		"the rest":     {nothing, func(c *client, b uint64) { c.do(recv(b, 1, 8, 1000)) }, false},
		"a duplicate":  {func(c *client, b uint64) { c.openedFD(c.fd(b), dict{}) }, plain, false},
		"shared":       {func(c *client, b uint64) { c.openedFD(c.fd(b), noDup) }, plain, false},
		"peek_off": {func(c *client, b uint64) {
			c.want(c.do(tuple("setopt", b, 1, atom("socket"), atom("peek_off"), 0)), "ok")
		}, plain, false},
		"urgent": {func(c *client, b uint64) { c.do(tuple("recv", b, 1, 1, []any{atom("oob")}, 0, none)) }, plain, false},
		"shut":   {func(c *client, b uint64) { c.do(tuple("shutdown", b, atom("read"))) }, plain, false},
		"back": {func(c *client, b uint64) {
			lost := c.resultOf(c.call(far(recv(b, 7, 4, 1000))))
			c.lost(7, b, lost)
		}, plain, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			c.want(c.do(tuple("hello", dict{"ahead": atom("true")})), "ok")
			a, b := c.localPair(t.TempDir())
			if name == "urgent" {
				a, b = c.pair()
			}
			c.want(c.do(send(a, 1, "abcdefgh")), "ok")
			way.before(c, b)
			way.receive(c, b)
			if f := c.copied(); (f != nil) != way.follows {
				t.Errorf("a copy: %s", text(f))
			}
		})
	}
}

// follow has a receive of one byte followed by this many others, and gives how many of them the copy has. All are taken, if that
// is asked for.
func (c *client) follow(a, b uint64, n int, use bool) int {
	c.t.Helper()
	c.want(c.do(send(a, 1, "x")), "ok")
	c.want(c.do(send(a, 1, strings.Repeat("y", n))), "ok")
	c.want(c.do(recv(b, 1, 1, 1000)), `{ok,<<"x">>}`)
	size := 0
	if f := c.copied(); f != nil {
		size = len(f[4].(etf.Binary))
	}
	if use {
		c.write(tuple("took", b, size, 1, size, 0))
		c.take(b, n-size)
	}
	return size
}

// What copies have is bounded for each socket by the option and 64 KiB, and by 8 MiB for all of a loop.
func TestCopiesAreBounded(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.want(c.do(tuple("hello", dict{"ahead": atom("true")})), "ok")
	total := 0
	const sockets, largest, all = 140, 64 << 10, 8 << 20
	for i := range sockets {
		a, b := c.localPair(t.TempDir())
		c.follow(a, b, 1, true) // the first one only tells that there are any
		for n := 2 << 10; n <= largest; n *= 2 {
			c.follow(a, b, n, true)
		}
		c.follow(a, b, largest, true)
		c.want(c.do(send(a, 1, "x")), "ok")
		n := c.follow(a, b, largest, false)
		if n > largest || i == 0 && n < largest {
			t.Fatalf("a copy of %d bytes", n)
		}
		if total += n; total > all {
			t.Fatalf("%d bytes of copies", total)
		}
	}
	if total < all-largest {
		t.Errorf("%d bytes of copies: the bound was not tried", total)
	}
}

func TestTheOptionBoundsACopy(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.aheadPair()
		c.set(b, "receive_ahead", 3)
		if n := c.follow(a, b, 100, false); n != 3 {
			t.Errorf("a copy of %d bytes", n)
		}
	})
}
