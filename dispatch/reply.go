package dispatch

import (
	"encoding/binary"

	"gosocket/etf"
	"gosocket/port"
	"gosocket/socketcore"
)

// replyHead is the size of everything before Data in the frame of {Id, {ok, Data}}.
const replyHead = len(receivedHead)

// What the replies of every day are but for their numbers: the length, Id, and the size of Data.
const (
	sentReply    = "\x00\x00\x00\x0c" + "\x83\x68\x02\x62\x00\x00\x00\x00" + "\x77\x02ok"
	receivedHead = "\x00\x00\x00\x00" + "\x83\x68\x02\x62\x00\x00\x00\x00" + "\x68\x02\x77\x02ok" + "\x6d\x00\x00\x00\x00"
	idAt         = port.HeadSize + 4
)

// sent replies ok.
func (x *Dispatcher) sent(id uint32) {
	start := len(x.out)
	x.out = append(x.out, sentReply...)
	binary.BigEndian.PutUint32(x.out[start+idAt:], id)
	x.end(start)
}

// Room implements socketcore.Handler: received bytes go straight to where the frame of
// {Id, {ok, Data}} has them.
func (x *Dispatcher) Room(_ *socketcore.Op, n int) []byte {
	x.room = len(x.out) + replyHead
	x.grow(replyHead + n)
	return x.out[x.room : x.room+n : x.room+n]
}

// grow makes room for n more bytes in out.
func (x *Dispatcher) grow(n int) {
	if need := len(x.out) + n; need > cap(x.out) {
		grown := make([]byte, len(x.out), max(need, min(2*cap(x.out), 4*flushBytes)))
		copy(grown, x.out)
		x.out = grown
	}
}

// inRoom tells whether data lies where Room said.
func (x *Dispatcher) inRoom(data []byte) bool {
	return len(data) > 0 && x.room < cap(x.out) && &data[0] == &x.out[:cap(x.out)][x.room]
}

// Done implements socketcore.Handler.
func (x *Dispatcher) Done(o *socketcore.Op) {
	if o.Kind == socketcore.Recv && o.Code == 0 && !o.SelectArmed() {
		x.received(o)
		return
	}
	if o.Kind != socketcore.Recv && x.inRoom(o.Result) {
		// The source comes before the data, and Room is where it goes.
		if len(o.Result) > cap(x.bounce) {
			x.server.memory.add(len(o.Result)) // kept until all is calm
		}
		x.bounce = append(x.bounce[:0], o.Result...)
		o.Result = x.bounce
	}
	start := x.begin(o.ID)
	x.out = appendResult(x.out, o)
	x.end(start)
}

// received replies {ok, Data} to recv, without a copy when the data lies in Room.
func (x *Dispatcher) received(o *socketcore.Op) {
	if o.Poured > 0 {
		start := x.begin(o.ID)
		x.out = appendOK(x.out)
		x.pour(start, o)
		return
	}
	inPlace := x.inRoom(o.Result)
	start := len(x.out)
	x.out = append(x.out, receivedHead...)
	binary.BigEndian.PutUint32(x.out[start+idAt:], o.ID)
	binary.BigEndian.PutUint32(x.out[start+replyHead-4:], uint32(len(o.Result)))
	if inPlace {
		x.out = x.out[:len(x.out)+len(o.Result)]
	} else {
		x.out = append(x.out, o.Result...)
	}
	x.end(start)
}

func appendOK(b []byte) []byte { return etf.AppendAtom(etf.AppendTuple(b, 2), "ok") }

// appendSelect appends {select_info, Tag, Ref}.
func appendSelect(b []byte, o *socketcore.Op) []byte {
	b = etf.AppendAtom(etf.AppendTuple(b, 3), "select_info")
	b = etf.AppendAtom(b, tags[o.Kind])
	return etf.AppendRaw(b, o.Ref)
}

var tags = [...]string{
	socketcore.Recv: "recv", socketcore.Recvfrom: "recvfrom", socketcore.Recvmsg: "recvmsg", socketcore.Accept: "accept",
	socketcore.Send: "send", socketcore.Sendto: "sendto", socketcore.Sendmsg: "sendmsg", socketcore.Connect: "connect",
}

// appendResult appends what a call answers in the shape of its kind.
func appendResult(b []byte, o *socketcore.Op) []byte {
	if o.SelectArmed() {
		return appendArmed(b, o)
	}
	if o.Code == socketcore.Already {
		return appendError(b, o.Code)
	}
	switch o.Kind {
	case socketcore.Recv:
		return appendPartial(b, o)
	case socketcore.Send, socketcore.Sendto:
		if o.Code != 0 {
			b = etf.AppendAtom(etf.AppendTuple(b, 2), "error")
			b = appendReason(etf.AppendTuple(b, 2), o.Code)
			return etf.AppendInt(b, int64(o.Remaining()))
		}
	case socketcore.Sendmsg:
		if o.Code == 0 && o.Remaining() > 0 {
			return etf.AppendInt(appendOK(b), int64(o.Remaining()))
		}
	case socketcore.Recvfrom:
		if o.Code == 0 {
			b = appendSource(etf.AppendTuple(appendOK(b), 2), sourceOf(o))
			return etf.AppendBinary(b, o.Result)
		}
	case socketcore.Recvmsg:
		if o.Code == 0 {
			return appendMsgHdr(appendOK(b), o)
		}
	case socketcore.Accept:
		if o.Code == 0 {
			return appendSocket(b, o.New)
		}
	}
	return appendCode(b, o.Code)
}

// appendArmed appends the answer of a nowait call that did not finish.
func appendArmed(b []byte, o *socketcore.Op) []byte {
	switch {
	case o.Kind == socketcore.Recv && (len(o.Result) > 0 || o.Partial()):
		b = etf.AppendTuple(appendOK(b), 2)
		b = etf.AppendBinary(b, o.Result)
	case o.Kind >= socketcore.Send && o.Taken > 0:
		b = etf.AppendTuple(appendOK(b), 2)
		b = etf.AppendInt(b, int64(o.Remaining()))
	default:
		b = etf.AppendAtom(etf.AppendTuple(b, 2), "select")
	}
	return appendSelect(b, o)
}

// appendPartial appends the error of a recv, with the data that came before it.
func appendPartial(b []byte, o *socketcore.Op) []byte {
	if len(o.Result) == 0 && !o.Partial() {
		return appendError(b, o.Code)
	}
	b = etf.AppendAtom(etf.AppendTuple(b, 2), "error")
	b = appendReason(etf.AppendTuple(b, 2), o.Code)
	return etf.AppendBinary(b, o.Result)
}

var noSource socketcore.Sockaddr

func sourceOf(o *socketcore.Op) *socketcore.Sockaddr {
	if o.From == nil {
		return &noSource
	}
	return o.From
}

// appendMsgHdr appends msghdr(). What was handed back has ctrl as a term already.
func appendMsgHdr(b []byte, o *socketcore.Op) []byte {
	b = etf.AppendMap(b, 4)
	b = appendSource(etf.AppendAtom(b, "addr"), sourceOf(o))
	b = etf.AppendAtom(b, "ctrl")
	if len(o.Extra) > 0 {
		b = etf.AppendRaw(b, o.Extra)
	} else {
		b = appendCtrl(b, o.InCtrl)
	}
	b = appendMsgFlags(etf.AppendAtom(b, "flags"), o.InFlags)
	b = etf.AppendList(etf.AppendAtom(b, "iov"), 1)
	return etf.AppendNil(etf.AppendBinary(b, o.Result))
}

// appendSocket appends {ok, {Socket, Domain, Type, Protocol, CType}}.
func appendSocket(b []byte, s *socketcore.Socket) []byte {
	b = etf.AppendTuple(appendOK(b), 5)
	b = etf.AppendUint(b, s.ID)
	for _, n := range [...]int{s.Domain(), s.Type(), s.Protocol(), s.CType} {
		b = etf.AppendInt(b, int64(n))
	}
	return b
}

// More implements socketcore.Handler.
func (x *Dispatcher) More(o *socketcore.Op, data []byte) {
	start := x.message(3, "more")
	x.out = etf.AppendInt32(x.out, int32(o.ID))
	if o.Poured > 0 {
		x.pour(start, o)
		return
	}
	x.out = etf.AppendBinary(x.out, data)
	x.endAlone(start)
}

// pour completes the frame that ends with what o has in a pipe, and sends it: the pipe is empty then.
func (x *Dispatcher) pour(start int, o *socketcore.Op) {
	x.out = port.EndFrameBefore(etf.AppendBinaryHead(x.out, o.Poured), start, o.Poured)
	x.count(start, o.Poured)
	x.writeFrom(o.Pipe, o.Poured)
}

// Want implements socketcore.Handler.
func (x *Dispatcher) Want(o *socketcore.Op, offset, n int) {
	start := x.message(4, "want")
	x.out = etf.AppendInt32(x.out, int32(o.ID))
	x.out = etf.AppendInt(etf.AppendInt(x.out, int64(offset)), int64(n))
	x.end(start)
}

// Fire implements socketcore.Handler.
func (x *Dispatcher) Fire(o *socketcore.Op) {
	start := x.message(4, "select")
	x.out = etf.AppendUint(x.out, o.Socket().ID)
	x.out = etf.AppendRaw(etf.AppendRaw(x.out, o.Process), o.Ref)
	x.end(start)
}

// Abort implements socketcore.Handler.
func (x *Dispatcher) Abort(o *socketcore.Op, code socketcore.Code) {
	start := x.message(5, "abort")
	x.out = etf.AppendUint(x.out, o.Socket().ID)
	x.out = etf.AppendRaw(etf.AppendRaw(x.out, o.Process), o.Ref)
	x.out = appendReason(x.out, code)
	x.end(start)
}

// Gone implements socketcore.Handler.
func (x *Dispatcher) Gone(s *socketcore.Socket, owner []byte) {
	if !x.server.want.closed.Load() {
		return
	}
	start := x.message(3, "closed")
	x.out = etf.AppendTuple(etf.AppendUint(x.out, s.ID), 2)
	if owner == nil {
		x.out = etf.AppendAtom(x.out, "undefined")
	} else {
		x.out = etf.AppendRaw(x.out, owner)
	}
	x.out = etf.AppendTuple(x.out, len(s.Counters))
	for _, n := range s.Counters {
		x.out = etf.AppendUint(x.out, n)
	}
	x.end(start)
}

// Watch implements socketcore.Handler.
func (x *Dispatcher) Watch(process []byte) { x.server.watch(x, process, true) }

// Unwatch implements socketcore.Handler.
func (x *Dispatcher) Unwatch(process []byte) { x.server.watch(x, process, false) }

func (x *Dispatcher) aboutProcess(name string, process []byte) {
	start := x.message(2, name)
	x.out = etf.AppendRaw(x.out, process)
	x.end(start)
}

// Mark implements socketcore.Handler.
func (x *Dispatcher) Mark() uint64 { return x.total }

// Confirm implements socketcore.Handler.
func (x *Dispatcher) Confirm() { x.confirm = true }
