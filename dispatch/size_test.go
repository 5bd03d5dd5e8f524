package dispatch

import (
	"math"
	"math/bits"
	"testing"
)

// TestSizesOfEveryMagnitude asks for buffers that a machine may hold, and for others: those of an int's size and more on
// machines of 32 bits, where no size may come to count as another one.
func TestSizesOfEveryMagnitude(t *testing.T) {
	limit := uint64(1) << 30
	if bits.UintSize == 64 {
		limit = 1 << 46
	}
	c := newClient(t)
	a, b := c.pair()
	for shift := 16; shift < 64; shift++ {
		for _, n := range []uint64{1<<shift - 1, 1 << shift, 1<<shift + 1, 2<<shift - 1} {
			want := "{error,timeout}"
			if n > limit {
				want = "{error,exalloc}"
			}
			calls := [][]byte{
				tuple("recv", b, 1, n, none, 0, none),
				tuple("recvfrom", b, 1, n, none, 0, none),
				tuple("recvmsg", b, 1, n, 0, none, 0, none),
			}
			if n < 1<<16 || n > limit { // qemu-user puts it on a small stack
				calls = append(calls, tuple("recvmsg", b, 1, 0, n, none, 0, none))
			}
			for _, call := range calls {
				if got := c.do(call); got != want {
					t.Errorf("a receive of %d: %s, want %s", n, got, want)
				}
			}
			if n > math.MaxInt {
				c.want(c.do(tuple("send", a, 1, none, 0, none, n, "abc")), "{raise,badarg}")
				c.want(c.do(tuple("sendmsg", a, 1, atom("undefined"), none, none, 0, none, n, "")), "{error,emsgsize}")
			}
		}
	}
}
