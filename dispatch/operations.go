package dispatch

import (
	"math"
	"time"

	"gosocket/etf"
	"gosocket/socketcore"
)

// operation reads what all calls that may wait begin with: the socket and who asks.
func (c *call) operation(kind socketcore.Kind) (*socketcore.Socket, *socketcore.Op) {
	o := c.loop.NewOp()
	o.Kind, o.ID, o.Far = kind, c.id, c.far
	s := c.socket()
	o.Process = c.process()
	return s, o
}

// options reads the flags of a receive or send, its time-out and the reference of a select.
func (c *call) options(o *socketcore.Op, flags []socketcore.Name) verdict {
	if c.d.Match(plainEnd) {
		o.Mode, o.Deadline, o.Ref = socketcore.Wait, socketcore.Forever, noReference
		return accept
	}
	bits, v := decodeFlags(c.d, flags)
	o.Flags = bits
	c.timing(o)
	return v
}

// timing reads what they end with: the time-out and the reference of a select.
func (c *call) timing(o *socketcore.Op) {
	c.timeout(o)
	o.Ref = c.d.Raw()
}

func (c *call) timeout(o *socketcore.Op) {
	o.Mode, o.Deadline = socketcore.Wait, socketcore.Forever
	switch c.d.Kind() {
	case etf.KindAtom:
		switch string(c.d.Atom()) {
		case "infinity":
		case "nowait":
			o.Mode = socketcore.Select
		default:
			c.d.Fail(errItem)
		}
	case etf.KindTuple:
		if c.d.Tuple() != 2 || string(c.d.Atom()) != "at" {
			c.d.Fail(errItem)
			return
		}
		o.Deadline = c.d.Int()
	default:
		ms := c.d.Natural()
		switch {
		case ms > maxTimeout: // longer than anybody waits
		case ms == 0:
			o.Mode = socketcore.Try
		default:
			o.Deadline = socketcore.Now() + int64(ms)*int64(time.Millisecond)
		}
	}
}

// maxTimeout is the longest time-out in milliseconds that a deadline is made of.
const maxTimeout = uint64(1) << 42

// submit hands the operation to the loop when its arguments are good. What is wrong with them
// counts before the socket is looked at; only of a message that is refused it is first said
// that the socket is closed.
func (c *call) submit(s *socketcore.Socket, o *socketcore.Op, v verdict) {
	switch {
	case !c.good():
	case v.kind == raised || !v.ok() && (s != nil || o.Kind != socketcore.Sendmsg):
		c.refuse(o, v)
	default:
		c.loop.Submit(s, o)
	}
}

// refuse answers an operation that is not even tried, in the shape of its call.
func (c *call) refuse(o *socketcore.Op, v verdict) {
	sized := v.kind == refused && (o.Kind == socketcore.Send || o.Kind == socketcore.Sendto)
	if !sized {
		c.answer(v)
		return
	}
	start := c.begin(c.id)
	c.out = etf.AppendAtom(etf.AppendTuple(c.out, 2), "error")
	c.out = etf.AppendAtom(etf.AppendTuple(c.out, 2), v.reason)
	c.out = etf.AppendInt(c.out, int64(o.Total))
	c.end(start)
}

func (c *call) accept() {
	s, o := c.operation(socketcore.Accept)
	c.timing(o)
	c.submit(s, o, accept)
}

func (c *call) connect() {
	if c.args != 2 && c.args != 5 {
		c.d.Fail(errItem)
		return
	}
	s, o := c.operation(socketcore.Connect)
	if c.args == 2 {
		if c.good() {
			c.answerCode(c.loop.FinishConnect(s, o.Process))
		}
		return
	}
	v := c.address(s, o)
	c.timing(o)
	c.submit(s, o, v)
}

func (c *call) recv()     { c.receive(socketcore.Recv) }
func (c *call) recvfrom() { c.receive(socketcore.Recvfrom) }
func (c *call) recvmsg()  { c.receive(socketcore.Recvmsg) }

func (c *call) receive(kind socketcore.Kind) {
	s, o := c.operation(kind)
	o.Length = c.size()
	if kind == socketcore.Recvmsg {
		o.CtrlSize = c.size()
	}
	c.submit(s, o, c.options(o, socketcore.RecvFlags))
}

// size reads a size in bytes; one that no int holds is as good as the largest.
func (c *call) size() int { return int(min(c.d.Uint(), math.MaxInt)) }

func (c *call) send() {
	s, o := c.operation(socketcore.Send)
	c.sendRest(s, o, accept)
}

func (c *call) sendto() {
	s, o := c.operation(socketcore.Sendto)
	v := c.address(s, o)
	c.sendRest(s, o, v)
}

// address reads the address that an operation is for. Those of packet sockets are addresses
// for packet sockets only.
func (c *call) address(s *socketcore.Socket, o *socketcore.Op) verdict {
	term := *c.d
	v := decodeSockaddr(c.d, &c.to)
	o.To = &c.to
	if v.ok() && socketcore.IsPacket(c.to.Family()) && (s == nil || !socketcore.IsPacket(s.Domain())) {
		return invalid("address", term.Raw())
	}
	return v
}

func (c *call) sendmsg() {
	s, o := c.operation(socketcore.Sendmsg)
	v := accept
	to := *c.d
	if string(atomOf(to.Raw())) == "undefined" {
		c.d.Skip()
	} else {
		v = c.address(s, o)
	}
	limit := socketcore.DefaultSettings.SndCtrlBuf
	if s != nil {
		limit = s.SndCtrlBuf
	}
	ctrl, bad := decodeCtrl(c.d, c.ctrl[:0], limit)
	c.ctrl, o.Ctrl = ctrl, ctrl
	if v.ok() {
		v = bad
	}
	c.sendRest(s, o, v)
}

// sendRest reads flags, time-out, size and data, which all sends end with.
func (c *call) sendRest(s *socketcore.Socket, o *socketcore.Op, v verdict) {
	bad := c.options(o, socketcore.SendFlags)
	if v.ok() {
		v = bad
	}
	o.Total = c.size()
	switch {
	case o.Total < math.MaxInt:
	case o.Kind != socketcore.Sendmsg:
		c.d.Fail(errItem) // nobody has so much
	case v.ok():
		v = refuseWith("emsgsize")
	}
	o.Data = c.d.Binary()
	if !c.good() {
		return
	}
	if len(o.Data) > min(o.Total, c.server.cfg.Window) {
		c.d.Fail(errItem)
		return
	}
	c.submit(s, o, v)
}

func (c *call) cancel() {
	s := c.socket()
	process := c.process()
	var ref []byte
	kind, ok := socketcore.Recv, false
	if c.d.Tuple() == 3 && string(c.d.Atom()) == "select_info" {
		tag := c.d.Raw()
		for k, name := range tags {
			if string(atomOf(tag)) == name {
				kind, ok = socketcore.Kind(k), true
			}
		}
		ref = c.d.Raw()
	}
	if !c.good() {
		return
	}
	code := socketcore.Code(socketcore.EINVAL)
	if s == nil || ok {
		code = c.loop.Cancel(s, process, kind, ref)
	}
	c.answerCode(code)
}
