package dispatch

import (
	"fmt"
	"strings"
	"testing"

	"gosocket/etf"
)

var loopback = dict{"family": atom("inet"), "addr": atom("loopback"), "port": 0}

// port asks a socket for its port.
func (c *client) port(s uint64) int {
	c.t.Helper()
	result, ok := c.replyTerm(c.call(tuple("sockname", s))).(etf.Tuple)
	if !ok {
		c.t.Fatal("no name")
	}
	n, _ := number(field(c.t, result[1], "port"))
	return n
}

func to(port int) dict { return dict{"family": atom("inet"), "addr": atom("loopback"), "port": port} }

// pair makes a connected TCP pair, owned by process 1.
func (c *client) pair() (client, server uint64) {
	c.t.Helper()
	l := c.open("inet", "stream")
	c.do(tuple("bind", l, loopback))
	c.want(c.do(tuple("listen", l, 5)), "ok")
	accept := c.call(tuple("accept", l, 1, atom("infinity"), none))
	client = c.open("inet", "stream")
	c.want(c.do(tuple("connect", client, 1, to(c.port(l)), atom("infinity"), none)), "ok")
	server = c.socketOf(c.replyTerm(accept))
	c.want(c.do(tuple("close", l, 1)), "ok")
	c.event("closed")
	return client, server
}

func recv(s uint64, process, length int, timeout any) []byte {
	return tuple("recv", s, process, length, none, timeout, none)
}

func send(s uint64, process int, data string) []byte {
	return tuple("send", s, process, none, atom("infinity"), none, len(data), data)
}

func TestStreamCarriesDataBothWays(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		waiting := c.call(recv(b, 1, 0, atom("infinity")))
		c.want(c.do(send(a, 1, "hello")), "ok")
		c.want(c.reply(waiting), `{ok,<<"hello">>}`)
		c.want(c.do(send(b, 1, "world")), "ok")
		c.want(c.do(recv(a, 1, 0, atom("infinity"))), `{ok,<<"world">>}`)
		waiting = c.call(recv(a, 1, 5, atom("infinity"))) // known to be empty, never waited for
		c.want(c.do(send(b, 1, "world")), "ok")
		c.want(c.reply(waiting), `{ok,<<"world">>}`)
		c.want(c.do(send(b, 1, "world")), "ok")
		c.want(c.do(recv(a, 1, 5, atom("infinity"))), `{ok,<<"world">>}`)
		c.want(c.do(tuple("close", a, 1)), "ok")
		c.want(c.do(recv(b, 1, 0, atom("infinity"))), "{error,closed}")
		c.want(c.do(tuple("close", b, 1)), "ok")
		c.want(c.do(tuple("close", b, 1)), "{error,closed}")
	})
}

func TestRecvGathersPiecesAndGivesBackAPartAtTheDeadline(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		waiting := c.call(recv(b, 1, 6, atom("infinity")))
		for _, piece := range []string{"a", "bc", "def"} {
			c.want(c.do(send(a, 1, piece)), "ok")
		}
		c.want(c.reply(waiting), `{ok,<<"abcdef">>}`)
		waiting = c.call(recv(b, 1, 6, 30))
		c.want(c.do(send(a, 1, "xy")), "ok")
		c.want(c.reply(waiting), `{error,{timeout,<<"xy">>}}`)
		c.want(c.do(recv(b, 1, 0, 0)), "{error,timeout}")
	})
}

func TestLargeSendsGoInChunksAndLargeReceivesInParts(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.pair()
		data := strings.Repeat("0123456789abcdef", 300<<10) // 4.7 MiB
		receive := c.call(recv(b, 1, len(data), atom("infinity")))
		request := tuple("send", a, 1, none, atom("infinity"), none, len(data), data[:64<<10])
		sending := c.call(request)
		var got strings.Builder
		for done := 0; done < 2; {
			switch f := c.frame().(etf.Tuple); {
			case text(f[0]) == "want":
				offset, _ := number(f[2])
				n, _ := number(f[3])
				c.write(tuple("chunk", a, sending, offset, data[offset:offset+n]))
			case text(f[0]) == "more":
				got.Write(f[2].(etf.Binary))
			case text(f[0]) == fmt.Sprint(receive):
				got.Write(f[1].(etf.Tuple)[1].(etf.Binary))
				done++
			case text(f[0]) == fmt.Sprint(sending):
				c.want(text(f[1]), "ok")
				done++
			}
		}
		if got.String() != data {
			t.Fatalf("%d bytes arrived of %d, or others", got.Len(), len(data))
		}
	})
}

func TestDatagramsKeepTheirBoundsAndSource(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.open("inet", "dgram"), c.open("inet", "dgram")
		c.do(tuple("bind", a, loopback))
		c.do(tuple("bind", b, loopback))
		for _, data := range []string{"one", "two"} {
			c.want(c.do(tuple("sendto", a, 1, to(c.port(b)), none, atom("infinity"), none, len(data), data)), "ok")
		}
		c.want(c.do(tuple("recvfrom", b, 1, 0, none, atom("infinity"), none)),
			fmt.Sprintf(`{ok,{#{addr=>{127,0,0,1},family=>inet,port=>%d},<<"one">>}}`, c.port(a)))
		c.want(c.do(tuple("recvmsg", b, 1, 2, 0, none, atom("infinity"), none)),
			fmt.Sprintf(`{ok,#{addr=>#{addr=>{127,0,0,1},family=>inet,port=>%d},ctrl=>[],flags=>[trunc],iov=>[<<"tw">>]}}`, c.port(a)))
	})
}

func TestNowaitPromisesOneMessage(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		nowait := tuple("recv", b, 1, 0, none, atom("nowait"), atom("ref1"))
		c.want(c.do(nowait), "{select,{select_info,recv,ref1}}")
		c.want(c.do(send(a, 1, "x")), "ok")
		c.want(text(c.event("select")), fmt.Sprintf("{select,%d,1,ref1}", b))
		c.want(c.do(nowait), `{ok,<<"x">>}`)
		c.want(c.do(nowait), "{select,{select_info,recv,ref1}}")
		c.want(c.do(tuple("cancel", b, 1, rawTerm(tuple("select_info", atom("recv"), atom("ref1"))))), "ok")
		c.want(c.do(nowait), "{select,{select_info,recv,ref1}}")
		c.want(c.do(tuple("close", b, 1)), "ok")
		c.want(text(c.event("abort")), fmt.Sprintf("{abort,%d,1,ref1,closed}", b))
	})
}

func TestCloseAnswersEverybodyFirst(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.pair()
		first, second := c.call(recv(b, 1, 0, atom("infinity"))), c.call(recv(b, 2, 0, 60000))
		c.want(c.do(tuple("close", b, 3)), "ok")
		c.want(c.reply(first), "{error,closed}")
		c.want(c.reply(second), "{error,closed}")
		if text(c.event("closed")[1]) != fmt.Sprint(b) {
			t.Fatal("closed frame of another socket")
		}
		_ = a
	})
}

func TestOwnersDeathClosesAndWaitersDeathOnlyLeaves(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		mine := c.call(recv(b, 1, 0, atom("infinity")))
		other := c.call(recv(b, 7, 0, atom("infinity")))
		c.write(tuple("died", 7))
		c.want(c.do(send(a, 1, "still here")), "ok")
		c.want(c.reply(mine), `{ok,<<"still here">>}`)
		waiting := c.call(recv(b, 8, 0, atom("infinity")))
		c.write(tuple("delivered", c.frames), tuple("died", 1))
		c.want(c.reply(waiting), "{error,closed}")
		_ = other
	})
}

func TestBadArgumentsRaise(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		c.want(c.do(tuple("open", 1, atom("nowhere"), atom("stream"), atom("default"), dict{})), "{raise,{invalid,{domain,nowhere}}}")
		c.want(c.do(tuple("no_such_call", 1)), "{raise,badarg}")
		s := c.open("inet", "dgram")
		c.want(c.do(tuple("recv", s, 1, 0, []any{atom("loud")}, 0, none)), "{raise,{invalid,{flag,loud}}}")
		c.want(c.do(tuple("recv", s, 1, -1, none, 0, none)), "{raise,badarg}")
		c.want(c.do(tuple("recv", s, 1, 0, none, -5, none)), "{raise,badarg}")
		c.want(c.do(tuple("recv", s, 1, 0, none, "soon", none)), "{raise,badarg}")
		c.want(c.do(tuple("shutdown", s, atom("all"))), "{raise,{invalid,{how,all}}}")
	})
}
