package socketcore

import (
	"bytes"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// checkData compares what a call has got of a stream with what was sent, and takes it off.
func (w *world) checkData(out *outcome) {
	if out.conn != nil {
		if rapid.Bool().Draw(w.T, "hands the connection back") {
			w.loop.Return(w.s, &Returned{Conn: out.conn, ID: out.id})
		} else {
			w.loop.Close(out.conn, nil)
		}
		out.conn = nil
	}
	if out.kind >= Accept {
		return
	}
	flags := out.flags &^ w.s.ignoredFlags()
	if whole := out.kind == Recv && w.kind.stream && out.length > 0 && out.code == 0 && !out.armed; whole &&
		len(out.data) < out.length && out.flags&^unix.MSG_PEEK == 0 {
		w.Fatalf("%v: %d bytes as if they were all", out.request, len(out.data))
	}
	if !w.plain || flags&^unix.MSG_PEEK != 0 || len(out.data) == 0 {
		return
	}
	there := append(bytes.Clone(w.back), w.stream...)
	if w.moves && flags == unix.MSG_PEEK {
		return
	}
	if !bytes.HasPrefix(there, out.data) {
		w.Fatalf("%v: %d bytes, and not the next ones", out.request, len(out.data))
	}
	if flags != 0 {
		return
	}
	n := min(len(out.data), len(w.back))
	w.back = w.back[n:]
	w.stream = w.stream[len(out.data)-n:]
	if out.parts == 0 && out.frame > w.delivered {
		w.last = out
	}
}

// handBack has the latest result come back, as from a reader that was dead.
func (w *world) handBack(t *rapid.T) {
	if w.last == nil || w.s.readers.head != nil {
		t.Skip("nothing to hand back")
	}
	data := w.last.data
	w.loop.Return(w.s, &Returned{Data: bytes.Clone(data), ID: w.last.id})
	w.back = append(bytes.Clone(data), w.back...)
	w.last = nil
}

// deliver has all results arrive.
func (w *world) deliver() {
	w.last = nil
	w.delivered = w.frames
	w.loop.Delivered(w.frames)
}

// event is something that happens at the other end.
func (w *world) event(t *rapid.T) {
	if w.kind.listens {
		w.visit(t)
		return
	}
	if w.peer < 0 {
		return
	}
	switch rapid.SampledFrom([]string{"send", "send", "send", "receive", "receive", "urgent", "shutdown", "close", "reset"}).Draw(t, "event") {
	case "send":
		w.peerSends(rapid.SampledFrom([]int{1, 5, 50, 500, 5000}).Draw(t, "size"), 0)
	case "urgent":
		if w.kind.stream {
			w.plain = false
			w.peerSends(1, unix.MSG_OOB)
		}
	case "receive":
		w.peerReceives(rapid.SampledFrom([]int{1, 100, 2000, 20000}).Draw(t, "size"))
	case "shutdown":
		_ = unix.Shutdown(w.peer, unix.SHUT_WR)
	case "reset":
		_ = unix.SetsockoptLinger(w.peer, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		w.plain = false // what was on its way may be lost
		fallthrough
	case "close":
		if rapid.IntRange(0, 3).Draw(t, "really") == 0 {
			_ = unix.Close(w.peer)
			w.peer = -1
		}
	}
}

// ends has the peer send its last bytes, and a receive for more before the loop has heard of any of it.
func (w *world) ends(t *rapid.T) {
	if w.peer < 0 || rapid.IntRange(0, 2).Draw(t, "really") > 0 {
		return
	}
	w.peerSends(rapid.SampledFrom([]int{1, 5, 50, 500}).Draw(t, "size"), 0)
	if rapid.Bool().Draw(t, "message") {
		w.timed(t, request{kind: Recvmsg, length: 1}, false) // TCP_INQ is the user's from then on
	}
	_ = unix.Shutdown(w.peer, unix.SHUT_WR)
	w.timed(t, request{kind: Recv, length: rapid.SampledFrom([]int{10, 1000, 100000}).Draw(t, "length")}, false)
}

func (w *world) peerSends(n, flags int) {
	p := make([]byte, n)
	for i := range p {
		p[i] = w.sent + byte(i)
	}
	n, e := sysSend(w.peer, p, flags, w.from)
	if e != 0 {
		return
	}
	w.sent += byte(n)
	w.stream = append(w.stream, p[:n]...)
}

func (w *world) peerReceives(n int) {
	_, _, _ = unix.Recvfrom(w.peer, make([]byte, n), unix.MSG_DONTWAIT)
	if w.s.tcp {
		// What is acknowledged later by a timer could come between an answer and the question after it.
		_ = unix.SetsockoptInt(w.peer, unix.SOL_TCP, unix.TCP_QUICKACK, 1)
	}
}

// visit has somebody come to a listener, or leave.
func (w *world) visit(t *rapid.T) {
	if len(w.others) > 0 && rapid.Bool().Draw(t, "leaves") {
		_ = unix.Close(w.others[0])
		w.others = w.others[1:]
		return
	}
	if len(w.others) > 3 {
		return
	}
	c := w.socket(w.kind.domain, w.kind.typ, w.kind.proto)
	w.others = append(w.others, c)
	_ = sysConnect(c, w.to)
}

// fill sends until the kernel takes no more.
func (w *world) fill(t *rapid.T) {
	size := rapid.SampledFrom([]int{100, 1000, 8000}).Draw(t, "size")
	for range 200 {
		out := w.submit(request{kind: Sendto, mode: Try, data: size, to: w.to})
		if out.code != 0 {
			w.settle()
			return
		}
	}
}

// drain has one end receive all that there is.
func (w *world) drain(t *rapid.T) {
	if w.peer >= 0 && rapid.Bool().Draw(t, "peer") {
		for range 1000 {
			if n, _, err := unix.Recvfrom(w.peer, make([]byte, 100000), unix.MSG_DONTWAIT); err != nil || n == 0 {
				return
			}
		}
	}
	if w.s.readers.head != nil {
		return
	}
	for range 1000 {
		w.deliver()
		out := w.submit(request{kind: Recv, mode: Try})
		w.checkData(out)
		if out.code != 0 || len(out.data) == 0 {
			return
		}
	}
}

// option sets what changes when the kernel calls a socket ready, or what it does with peeks.
func (w *world) option(t *rapid.T) {
	type row struct{ level, number, most int }
	rows := []row{
		{unix.SOL_SOCKET, unix.SO_RCVLOWAT, 200},
		{unix.SOL_SOCKET, unix.SO_PEEK_OFF, 0},
		{unix.SOL_SOCKET, unix.SO_OOBINLINE, 1},
		{unix.SOL_SOCKET, unix.SO_SNDBUF, 40000},
		{unix.SOL_SOCKET, unix.SO_RCVBUF, 40000},
		{unix.SOL_SOCKET, unix.SO_TIMESTAMPING, unix.SOF_TIMESTAMPING_TX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE},
		{unix.IPPROTO_IP, unix.IP_RECVERR, 1},
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, 10000},
	}
	r := rapid.SampledFrom(rows).Draw(t, "option")
	value := rapid.SampledFrom([]int{r.most, r.most, r.most / 2, 1}).Draw(t, "value")
	reads := r.level == unix.SOL_SOCKET && (r.number == unix.SO_PEEK_OFF || r.number == unix.SO_OOBINLINE)
	if reads && w.s.readers.head != nil || r.number == unix.SO_PEEK_OFF && w.moves {
		t.Skip("no event tells that there is something to read now, or once more")
	}
	w.s.Touch(r.level, r.number)
	if e := sysSetInt(w.s.fd, r.level, r.number, value); e == 0 && r.number == unix.SO_PEEK_OFF && r.level == unix.SOL_SOCKET {
		w.moves = true
	}
}

// shutdown is seldom: little can happen after it.
func (w *world) shutdown(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "really") > 0 {
		t.Skip("not now")
	}
	_ = w.loop.Shutdown(w.s, rapid.IntRange(0, 2).Draw(t, "how"))
	w.settle()
}
