package dispatch

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gosocket/etf"
)

// client talks to a server in this process the way a bare port user does.
type client struct {
	t      *testing.T
	log    *logLines
	in     *os.File    // requests
	out    chan []byte // frames, read whether or not the test looks at them
	next   int
	frames int
	kept   []etf.Term // frames that came while others were waited for
	server *Server
}

// everyLoops runs a test against servers of one, two and three loops, of two with frames in batches.
func everyLoops(t *testing.T, f func(t *testing.T, c *client), change ...func(*Config)) {
	t.Helper()
	for loops := 1; loops <= 3; loops++ {
		t.Run(fmt.Sprintf("loops=%d", loops), func(t *testing.T) {
			c := newClient(t, append(change, func(cfg *Config) { cfg.Loops = loops })...)
			if loops == 2 {
				c.want(c.do(tuple("hello", dict{"batch": atom("true")})), "ok")
			}
			f(t, c)
		})
	}
}

// newClient starts a server with one loop, or with as many as the settings say.
func newClient(t *testing.T, change ...func(*Config)) *client {
	t.Helper()
	c, end := startClient(t, change...)
	t.Cleanup(end)
	return c
}

// startClient is newClient for those who end the server themselves.
func startClient(t *testing.T, change ...func(*Config)) (c *client, end func()) {
	t.Helper()
	return startClientOn(t, func(s *Server) <-chan error {
		ended := make(chan error, 1)
		go func() { ended <- s.Run() }()
		return ended
	}, change...)
}

// startClientOn is startClient for those who say where the server runs, and tell of its end.
func startClientOn(t *testing.T, run func(*Server) (ended <-chan error), change ...func(*Config)) (c *client, end func()) {
	t.Helper()
	cfg := Config{
		Version: "test", Loops: 1, Window: 64 << 10, ParkedLimit: 1 << 20,
		FrameLimit: 4 << 20, MessageLimit: 1 << 20,
	}
	for _, f := range change {
		f(&cfg)
	}
	inR, inW := pipe(t)
	outR, outW := pipe(t)
	lines := &logLines{}
	log := zerolog.New(lines).Level(zerolog.InfoLevel)
	fds := [2]int{detach(t, inR), detach(t, outW)}
	s, err := NewServer(cfg, fds[0], fds[1], &log)
	if err != nil {
		t.Fatal(err)
	}
	ended := run(s)
	c = &client{t: t, log: lines, in: inW, server: s, out: make(chan []byte, 1<<16)}
	go c.read(outR)
	end = func() {
		inW.Close()
		select {
		case <-ended:
			s.Close()
		case <-time.After(5 * time.Second):
			t.Error("the server did not end with its input")
		}
		outR.Close()
		closeAll(fds[:])
	}
	if hello := c.frame(); !isTuple(hello, "hello") {
		t.Fatalf("first frame: %v", text(hello))
	}
	return c, end
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

// write sends terms as one frame: one as itself, several as a list.
func (c *client) write(items ...[]byte) {
	c.t.Helper()
	b := etf.AppendVersion(make([]byte, 4))
	if len(items) == 1 {
		b = append(b, items[0]...)
	} else {
		b = etf.AppendList(b, len(items))
		for _, item := range items {
			b = append(b, item...)
		}
		b = etf.AppendNil(b)
	}
	c.raw(b)
}

func (c *client) raw(b []byte) {
	c.t.Helper()
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	if _, err := c.in.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// read takes frames off the pipe: a client that only writes would stall the server.
func (c *client) read(r io.Reader) {
	defer close(c.out)
	r = bufio.NewReaderSize(r, 64<<10)
	for {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		if !isBatch(body) {
			c.out <- body
			continue
		}
		for _, frame := range unbatched(body) {
			c.out <- frame
		}
	}
}

// isBatch tells whether a frame is a list.
func isBatch(frame []byte) bool {
	var d etf.Decoder
	d.Reset(frame)
	d.Version()
	return d.Kind() == etf.KindList
}

// unbatched returns the elements of a batch, which are frames.
func unbatched(batch []byte) (elements [][]byte) {
	term, err := etf.Decode(batch)
	if err != nil {
		panic(err)
	}
	for _, e := range term.(etf.List).Elements {
		elements = append(elements, e.(etf.Binary))
	}
	return elements
}

// frame reads the next frame.
func (c *client) frame() etf.Term {
	c.t.Helper()
	var body []byte
	select {
	case body = <-c.out:
	case <-time.After(10 * time.Second):
		c.t.Fatal("no frame")
	}
	term, err := etf.Decode(body)
	if err != nil {
		c.t.Fatalf("%v in % x", err, body)
	}
	c.frames++
	if isTuple(term, "confirm") {
		c.write(tuple("delivered", c.frames))
		return c.frame()
	}
	return term
}

// call sends a request and returns its id.
func (c *client) call(call []byte) int {
	c.t.Helper()
	c.write(c.request(call))
	return c.next
}

// request returns a call with the next number.
func (c *client) request(call []byte) []byte {
	c.next++
	return append(etf.AppendInt(etf.AppendTuple(nil, 2), int64(c.next)), call...)
}

// reply waits for the answer to a request; other frames are kept.
func (c *client) reply(id int) string {
	c.t.Helper()
	return text(c.replyTerm(id))
}

func (c *client) replyTerm(id int) etf.Term {
	c.t.Helper()
	match := func(f etf.Term) (etf.Term, bool) {
		if tuple, ok := f.(etf.Tuple); ok && len(tuple) == 2 {
			if n, ok := number(tuple[0]); ok && n == id {
				return tuple[1], true
			}
		}
		return nil, false
	}
	for i, f := range c.kept {
		if r, ok := match(f); ok {
			c.kept = append(c.kept[:i], c.kept[i+1:]...)
			return r
		}
	}
	for {
		f := c.frame()
		if r, ok := match(f); ok {
			return r
		}
		c.kept = append(c.kept, f)
	}
}

// do sends a request and waits for its answer.
func (c *client) do(call []byte) string {
	c.t.Helper()
	return c.reply(c.call(call))
}

// event waits for a frame that is a tuple with this name.
func (c *client) event(name string) etf.Tuple {
	c.t.Helper()
	for i, f := range c.kept {
		if isTuple(f, name) {
			c.kept = append(c.kept[:i], c.kept[i+1:]...)
			return f.(etf.Tuple)
		}
	}
	for {
		f := c.frame()
		if isTuple(f, name) {
			return f.(etf.Tuple)
		}
		c.kept = append(c.kept, f)
	}
}

// open opens a socket for process 1 and returns its number.
func (c *client) open(domain, typ string) uint64 {
	c.t.Helper()
	return c.socketOf(c.replyTerm(c.call(tuple("open", 1, atom(domain), atom(typ), atom("default"), dict{}))))
}

func (c *client) socketOf(result etf.Term) uint64 {
	c.t.Helper()
	ok, good := result.(etf.Tuple)
	if !good || len(ok) != 2 {
		c.t.Fatalf("no socket: %s", text(result))
	}
	inner, good := ok[1].(etf.Tuple)
	if !good || len(inner) != 5 {
		c.t.Fatalf("no socket: %s", text(result))
	}
	n, _ := number(inner[0])
	return uint64(n)
}

// want fails the test when a result is not the expected one.
func (c *client) want(got, want string) {
	c.t.Helper()
	if got != want {
		c.t.Fatalf("got %s, want %s", got, want)
	}
}

type (
	atom    string
	dict    map[string]any
	rawTerm []byte
)

// encode makes a term of a Go value.
func encode(b []byte, v any) []byte {
	switch v := v.(type) {
	case int:
		return etf.AppendInt(b, int64(v))
	case uint64:
		return etf.AppendUint(b, v)
	case string:
		return etf.AppendBinary(b, []byte(v))
	case []byte:
		return etf.AppendBinary(b, v)
	case atom:
		return etf.AppendAtom(b, string(v))
	case rawTerm:
		return append(b, v...)
	case dict:
		b = etf.AppendMap(b, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) { // the same bytes each time
			b = encode(etf.AppendAtom(b, key), v[key])
		}
		return b
	case []any:
		if len(v) == 0 {
			return etf.AppendNil(b)
		}
		b = etf.AppendList(b, len(v))
		for _, e := range v {
			b = encode(b, e)
		}
		return etf.AppendNil(b)
	}
	panic(fmt.Sprintf("no term for %T", v))
}

// tuple makes a tuple whose first element is an atom.
func tuple(name string, elements ...any) []byte {
	b := etf.AppendAtom(etf.AppendTuple(nil, len(elements)+1), name)
	for _, e := range elements {
		b = encode(b, e)
	}
	return b
}

var none = []any{}

func isTuple(t etf.Term, name string) bool {
	tu, ok := t.(etf.Tuple)
	return ok && len(tu) > 0 && text(tu[0]) == name
}
