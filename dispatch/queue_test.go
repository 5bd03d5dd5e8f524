package dispatch

import (
	"fmt"
	"testing"
)

func nowait(s uint64, process int, ref string) []byte {
	return tuple("recv", s, process, 0, none, atom("nowait"), atom(ref))
}

func cancel(s uint64, process int, tag, ref string) []byte {
	return tuple("cancel", s, process, rawTerm(tuple("select_info", atom(tag), atom(ref))))
}

func selected(s uint64, process int, ref string) string {
	return fmt.Sprintf("{select,%d,%d,%s}", s, process, ref)
}

func TestATryBehindWhichOthersWaitIsATimeout(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		c.want(c.do(nowait(b, 1, "r1")), "{select,{select_info,recv,r1}}")
		other := c.call(recv(b, 2, 0, atom("infinity")))
		c.want(c.do(recv(b, 1, 0, 0)), "{error,timeout}") // the one with the turn gives it up
		c.want(c.do(send(a, 1, "x")), "ok")
		c.want(c.reply(other), `{ok,<<"x">>}`)
	})
}

func TestSelectsQueueAndTheNewestReferenceCounts(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		c.want(c.do(nowait(b, 1, "old")), "{select,{select_info,recv,old}}")
		c.want(c.do(nowait(b, 1, "new")), "{select,{select_info,recv,new}}")
		c.want(c.do(nowait(b, 2, "two")), "{select,{select_info,recv,two}}")
		c.want(c.do(nowait(b, 2, "again")), "{error,ealready}")
		c.want(c.do(recv(b, 2, 0, 1000)), "{raise,ealready}")
		c.want(c.do(recv(b, 3, 0, 0)), "{error,timeout}") // nothing is tried behind the current one
		c.want(c.do(cancel(b, 1, "recv", "old")), "{error,einval}")
		c.want(c.do(cancel(b, 1, "accept", "new")), "{error,einval}")
		c.want(c.do(send(a, 1, "xy")), "ok")
		c.want(text(c.event("select")), selected(b, 1, "new"))
		c.want(c.do(cancel(b, 3, "recv", "two")), "{error,einval}") // neither its own nor current
		c.want(c.do(recv(b, 1, 1, 0)), `{ok,<<"x">>}`)
		c.want(text(c.event("select")), selected(b, 2, "two")) // moved up, and data is there
		c.want(c.do(cancel(b, 3, "recvmsg", "two")), "ok")     // by its reference
		c.want(c.do(cancel(b, 2, "recv", "two")), "{error,einval}")
		c.want(c.do(recv(b, 2, 0, 0)), `{ok,<<"y">>}`)
	})
}

func TestAReadErrorEndsEverybodyInTheQueue(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		current := c.call(recv(b, 1, 5, atom("infinity")))
		second := c.call(recv(b, 2, 0, 60000))
		c.want(c.do(nowait(b, 3, "three")), "{select,{select_info,recv,three}}")
		c.want(c.do(send(a, 1, "abc")), "ok")
		c.want(c.do(tuple("close", a, 1)), "ok")
		c.want(c.reply(current), `{error,{closed,<<"abc">>}}`)
		c.want(c.reply(second), "{error,closed}")
		c.want(text(c.event("abort")), fmt.Sprintf("{abort,%d,3,three,closed}", b))
	})
}

func TestASelectQueuedBehindAReaderWhoNeverWaitedFires(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		c.want(c.do(send(a, 1, "onetwo")), "ok")
		c.want(c.do(recv(b, 1, 3, atom("infinity"))), `{ok,<<"one">>}`)
		// Held until the first result is delivered, it then finds data: epoll is never asked.
		second := c.call(recv(b, 2, 3, atom("infinity")))
		c.want(c.do(nowait(b, 3, "three")), "{select,{select_info,recv,three}}")
		c.want(c.reply(second), `{ok,<<"two">>}`)
		c.want(c.do(send(a, 1, "x")), "ok")
		c.want(text(c.event("select")), selected(b, 3, "three"))
	})
}

func TestConnectInProgressHasOneCaller(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		l, s := c.open("inet", "stream"), c.open("inet", "stream")
		c.do(tuple("bind", l, loopback))
		c.want(c.do(tuple("listen", l, 5)), "ok")
		port := c.port(l)
		c.want(c.do(tuple("connect", s, 1)), "{error,einval}")
		result := c.do(tuple("connect", s, 1, to(port), atom("nowait"), atom("r")))
		if result == "{select,{select_info,connect,r}}" {
			c.event("select")
			c.want(c.do(tuple("connect", s, 2)), "{error,ealready}")
			c.want(c.do(send(s, 1, "x")), "{error,{einval,1}}")
			c.want(c.do(tuple("connect", s, 1)), "ok")
		} else {
			c.want(result, "ok")
		}
		c.want(c.do(cancel(s, 1, "connect", "any")), "ok")
		c.want(c.do(send(s, 1, "x")), "ok")
	})
}

// localPair makes a connected pair of Unix-domain stream sockets.
func (c *client) localPair(dir string) (client, server uint64) {
	c.t.Helper()
	at := dict{"family": atom("local"), "path": dir + "/s"}
	l := c.open("local", "stream")
	c.do(tuple("bind", l, at))
	c.want(c.do(tuple("listen", l, 5)), "ok")
	client = c.open("local", "stream")
	c.want(c.do(tuple("connect", client, 1, at, atom("infinity"), none)), "ok")
	return client, c.socketOf(c.replyTerm(c.call(tuple("accept", l, 1, atom("infinity"), none))))
}

func TestWhereDescriptorsWereSentIsNotTheEndOfTheData(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		a, b := c.localPair(t.TempDir())
		waiting := c.call(recv(b, 1, 0, atom("infinity"))) // now epoll watches it
		c.want(c.do(send(a, 1, "x")), "ok")
		c.want(c.reply(waiting), `{ok,<<"x">>}`)
		c.want(c.do(sendRights(a, "rights", c.fd(a))), "ok")
		c.want(c.do(send(a, 1, "plain")), "ok")
		c.want(c.do(recv(b, 1, 0, atom("infinity"))), `{ok,<<"rights">>}`)
		c.want(c.do(recv(b, 1, 0, 2000)), `{ok,<<"plain">>}`)
	})
}

func TestUrgentDataIsNotTheEndOfTheData(t *testing.T) {
	everyLoops(t, func(_ *testing.T, c *client) {
		a, b := c.pair()
		waiting := c.call(recv(b, 1, 0, atom("infinity")))
		c.want(c.do(send(a, 1, "x")), "ok")
		c.want(c.reply(waiting), `{ok,<<"x">>}`)
		for _, exact := range []int{0, 1} { // both ways of reading
			c.want(c.do(send(a, 1, "before")), "ok")
			c.want(c.do(tuple("send", a, 1, []any{atom("oob")}, atom("infinity"), none, 1, "!")), "ok")
			c.want(c.do(send(a, 1, "after")), "ok")
			c.want(c.do(recv(b, 1, 6*exact, 2000)), `{ok,<<"before">>}`)
			c.want(c.do(recv(b, 1, 5*exact, 2000)), `{ok,<<"after">>}`)
		}
	})
}
