package dispatch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosocket/etf"
)

// A torrent has processes send to a peer outside the server, and knows what has to arrive there: of each send, in the
// order in which they were made, the bytes that its answer says were taken. The low bits of each byte say whose it is, so
// that of a send without an answer any part may have arrived, but no byte of another.
type torrent struct {
	*client
	rnd     *rand.Rand
	faults  *faults
	socket  uint64
	peer    *net.TCPConn
	got     []byte
	sends   []*torrentSend
	pending map[int]*torrentSend // by request
}

type torrentSend struct {
	data    []byte
	process int
	taken   int // -1 when nobody knows
}

const torrentOwners = 16

func newTorrent(t *testing.T, c *client, f *faults, seed int64) *torrent {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m := &torrent{client: c, rnd: rand.New(rand.NewSource(seed)), faults: f, socket: c.open("inet", "stream"), pending: map[int]*torrentSend{}}
	c.want(c.do(tuple("connect", m.socket, 1, to(l.Addr().(*net.TCPAddr).Port), atom("infinity"), none)), "ok")
	if m.peer, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	if m.rnd.Intn(2) == 0 { // full sooner
		c.want(c.do(tuple("setopt", m.socket, 1, atom("socket"), atom("sndbuf"), 20_000)), "ok")
	}
	t.Cleanup(func() { m.peer.Close() })
	return m
}

// send writes the frame of a send, in a few pieces.
func (m *torrent) send(process, size int, timeout any, flags []any) {
	data := make([]byte, size)
	m.rnd.Read(data)
	for i := range data {
		data[i] = data[i]&^(torrentOwners-1) | byte(len(m.sends)%torrentOwners)
	}
	s := &torrentSend{data, process, -1}
	m.sends = append(m.sends, s)
	m.next++
	m.pending[m.next] = s
	call := tuple("send", m.socket, process, flags, timeout, refOf(process), size, data[:min(size, testWindow)])
	m.pieces(append(etf.AppendInt(etf.AppendTuple(nil, 2), int64(m.next)), call...))
}

func refOf(process int) atom { return atom(fmt.Sprintf("ref_%d", process)) }

// pieces writes one term as a frame in up to four pieces, and now and then waits between them until all is read.
func (m *torrent) pieces(item []byte) {
	m.t.Helper()
	b := append(etf.AppendVersion(make([]byte, 4)), item...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	for range m.rnd.Intn(4) {
		if len(b) < 2 {
			break
		}
		n := 1 + m.rnd.Intn(len(b)-1)
		if m.rnd.Intn(2) == 0 {
			n = min(n, 1+m.rnd.Intn(200)) // somewhere in the head
		}
		m.put(b[:n])
		b = b[n:]
		if m.rnd.Intn(2) == 0 {
			m.drained()
		}
		if m.rnd.Intn(2) == 0 {
			m.read(1 + m.rnd.Intn(100<<10))
		}
	}
	m.put(b)
}

func (m *torrent) put(b []byte) {
	m.t.Helper()
	if _, err := m.in.Write(b); err != nil {
		m.t.Fatal(err)
	}
}

// drained waits until the server has taken all that was written.
func (m *torrent) drained() {
	for {
		if n, err := unix.IoctlGetInt(int(m.in.Fd()), unix.TIOCINQ); err != nil || n == 0 {
			return
		}
		runtime.Gosched()
	}
}

// hear handles one frame; nil after a while without any.
func (m *torrent) hear(patience time.Duration) etf.Term {
	select {
	case body := <-m.out:
		m.t.Helper()
		term, err := etf.Decode(body)
		if err != nil {
			m.t.Fatalf("%v in % x", err, body)
		}
		m.heard(term)
		return term
	case <-time.After(patience):
		return nil
	}
}

func (m *torrent) heard(term etf.Term) {
	m.t.Helper()
	f, ok := term.(etf.Tuple)
	if !ok {
		return
	}
	if text(f[0]) == "want" {
		id, _ := number(f[1])
		offset, _ := number(f[2])
		n, _ := number(f[3])
		if s := m.pending[id]; s != nil {
			m.pieces(tuple("chunk", m.socket, id, offset, s.data[offset:offset+n]))
		}
		return
	}
	id, _ := number(f[0])
	s := m.pending[id]
	if s == nil {
		return
	}
	delete(m.pending, id)
	s.taken = len(s.data)
	if result := text(f[1]); result != "ok" {
		left, reason := 0, ""
		if _, err := fmt.Sscanf(result, "{ok,{%d,{select_info", &left); err != nil {
			switch _, err = fmt.Sscanf(result, "{error,{%s", &reason); {
			case strings.HasPrefix(result, "{select,{select_info,"):
				left = len(s.data)
			case err == nil:
				left, _ = number(f[1].(etf.Tuple)[1].(etf.Tuple)[1])
			default:
				m.t.Fatal(result)
			}
		}
		s.taken -= left
		if strings.Contains(result, "select_info") {
			m.call(cancel(m.socket, s.process, "send", string(refOf(s.process)))) // who has the turn would keep it
		}
	}
	if s.taken < 0 {
		m.t.Fatalf("%s for %d bytes", text(f[1]), len(s.data))
	}
}

// read has the peer read what there is, at most n bytes, and tells whether that was the end.
func (m *torrent) read(n int) bool {
	m.t.Helper()
	p := make([]byte, n)
	_ = m.peer.SetReadDeadline(time.Now().Add(time.Millisecond))
	n, err := m.peer.Read(p)
	m.got = append(m.got, p[:n]...)
	return errors.Is(err, io.EOF)
}

// calm reads until all sends are answered.
func (m *torrent) calm() {
	m.t.Helper()
	end := time.Now().Add(10 * time.Second)
	for len(m.pending) > 0 {
		if m.hear(0) == nil {
			m.read(100 << 10)
		}
		if time.Now().After(end) {
			m.t.Fatalf("no answer to %d sends", len(m.pending))
		}
	}
}

// settle waits for the end of all sends, and then for that of the stream.
func (m *torrent) settle() {
	m.t.Helper()
	end := time.Now().Add(10 * time.Second)
	m.calm()
	m.want(m.do(tuple("close", m.socket, 1)), "ok")
	for !m.read(1 << 20) {
		if time.Now().After(end) {
			m.t.Fatal("the stream has no end")
		}
	}
}

// check compares what has arrived with what was sent.
func (m *torrent) check() {
	m.t.Helper()
	rest := m.got
	for i, s := range m.sends {
		n := 0
		for n < len(rest) && n < len(s.data) && int(rest[n])%torrentOwners == i%torrentOwners {
			n++
		}
		if s.taken >= 0 && n != s.taken {
			m.t.Fatalf("send %d of %d bytes: %d taken, %d arrived", i, len(s.data), s.taken, n)
		}
		if !bytes.Equal(rest[:n], s.data[:n]) {
			m.t.Fatalf("send %d of %d bytes: others arrived", i, len(s.data))
		}
		rest = rest[n:]
	}
	if len(rest) > 0 {
		m.t.Fatalf("%d bytes arrived that nobody sent", len(rest))
	}
	if n := m.server.parked.Load(); n != 0 {
		m.t.Fatalf("%d bytes are parked, nothing waits", n)
	}
}

// oldest is the first request without an answer, 0 for none.
func (m *torrent) oldest() (first int) {
	for id := range m.pending {
		if first == 0 || id < first {
			first = id
		}
	}
	return first
}

// step does something at random.
func (m *torrent) step() {
	sizes := []int{1, 100, spliceMin - 60, spliceMin, spliceMin + 100, 50_000, testWindow, 2*testWindow + 1, 5 * testWindow, 20 * testWindow}
	timeouts := []any{atom("infinity"), atom("infinity"), 0, 3, atom("nowait")}
	process := 10 + len(m.sends)
	switch m.rnd.Intn(12) {
	case 0:
		if id := m.oldest(); id > 0 {
			m.write(tuple("died", m.pending[id].process)) // there may be an answer, and may be none
			delete(m.pending, id)
		}
	case 1, 2, 3:
		m.read(1 + m.rnd.Intn(200<<10))
	case 4:
		errnos := []syscall.Errno{syscall.EAGAIN, syscall.EINTR, syscall.EINVAL, syscall.ENOMEM}
		m.faults.once("splice", errnos[m.rnd.Intn(len(errnos))])
	case 5:
		for m.hear(0) != nil {
		}
	case 6, 7:
		m.calm()
	default:
		flags := none
		if m.rnd.Intn(6) == 0 {
			flags = []any{atom("more")}
		}
		m.send(process, sizes[m.rnd.Intn(len(sizes))], timeouts[m.rnd.Intn(len(timeouts))], flags)
	}
}
