package dispatch

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"gosocket/etf"
	"gosocket/port"
	"gosocket/socketcore"
)

// Config holds the settings of a Server.
type Config struct {
	Version      string
	Loops        int
	Spin         time.Duration
	Window       int   // bytes of a send asked for at a time
	ParkedLimit  int64 // bytes of unsent payload kept in the helper
	FrameLimit   int
	SendAhead    int               // bytes that sockets may send ahead, as they are opened
	DrainTime    time.Duration     // see socketcore.Config
	MessageLimit int               // largest message of sockets that are not streams
	Limits       socketcore.Limits // 0: none, or the most that are counted
	Protections  Protections
	Allow        *socketcore.Allow // nil: anything
}

// Verify tells what is wrong with a configuration.
func (c *Config) Verify() error {
	switch {
	case c.Loops < 1 || c.Loops > socketcore.MaxLoops:
		return fmt.Errorf("loops: %d is not in 1..%d", c.Loops, socketcore.MaxLoops)
	case c.FrameLimit > math.MaxInt32:
		return fmt.Errorf("frame limit: %d is more than 2 GiB", c.FrameLimit)
	case c.Window < 4<<10 || c.Window > c.FrameLimit-(64<<10):
		return fmt.Errorf("window: %d is not between 4 KiB and the frame limit less 64 KiB", c.Window)
	case c.Spin < 0 || c.Spin > time.Second:
		return fmt.Errorf("spin-us: %v is not in 0..1s", c.Spin)
	case c.ParkedLimit < 0:
		return fmt.Errorf("parked limit: %d is negative", c.ParkedLimit)
	case c.SendAhead < 0 || c.SendAhead > math.MaxInt32:
		return fmt.Errorf("send ahead: %d is not in 0..%d", c.SendAhead, math.MaxInt32)
	case c.Limits.Negative() != "":
		return fmt.Errorf("%s limit: it is negative", c.Limits.Negative())
	case c.MessageLimit < 1:
		return fmt.Errorf("message limit: %d is not positive", c.MessageLimit)
	}
	return nil
}

// A Server reads requests from one descriptor, has them served by its loops and writes
// replies to another.
type Server struct {
	cfg         Config
	log         *zerolog.Logger
	trace       zerolog.Logger // whatever the level
	in, out     int
	reader      *port.Reader
	writer      *port.Writer
	dispatchers []*Dispatcher
	want        struct{ watch, delivered, consumed, closed, batch, ahead atomic.Bool }
	pids        atomic.Pointer[etf.PidForm] // what an integer in the place of a process stands for
	delivered   atomic.Uint64
	totals      socketcore.Totals
	memory      reclaimer
	reads       uint64 // of requests; counted on the first loop
	bytesIn     uint64
	refusals    refusals
	tracing     atomic.Bool // one of the next two is on
	debugAll    atomic.Bool
	debugSocks  atomic.Bool
	stalled     atomic.Bool // replies wait for the client: no requests are read
	consumed    int
	next        int
	failure     error
	d           etf.Decoder

	mu      sync.Mutex
	watched map[string]uint32 // the loops that watch a process, as bits
	others  sync.WaitGroup    // loops besides the first
}

// NewServer prepares to serve the pipes in and out, which must be non-blocking.
func NewServer(cfg Config, in, out int, log *zerolog.Logger) (*Server, error) {
	if err := cfg.Verify(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: log, trace: log.Level(zerolog.TraceLevel), in: in, out: out, watched: map[string]uint32{}}
	s.memory.shrink = s.shrink
	s.reader = port.NewReader(in, cfg.FrameLimit)
	s.writer = port.NewWriter(out, s.blocked)
	for i := range cfg.Loops {
		loop, err := socketcore.NewLoop(socketcore.Config{
			Index: i, Spin: cfg.Spin, Window: cfg.Window, ParkedLimit: cfg.ParkedLimit, MessageMax: cfg.MessageLimit,
			DrainTime: cfg.DrainTime, Freed: s.memory.add, Allow: cfg.Allow, Refused: s.refused,
			Limits: cfg.Limits,
		}, &s.totals)
		if err != nil {
			s.Close()
			return nil, err
		}
		x := &Dispatcher{server: s, loop: loop, log: log, out: make([]byte, 0, flushBytes), stats: statistics{calls: make([]uint64, len(callNames))}}
		loop.SetHandler(x)
		s.dispatchers = append(s.dispatchers, x)
	}
	s.setFeatures(features{watch: true, delivered: true, consumed: true, closed: true})
	front := s.dispatchers[0].loop
	if err := front.ListenLast(in, socketcore.Input, s.readable); err != nil {
		s.Close()
		return nil, fmt.Errorf("standard input: %w", err)
	}
	if err := front.Listen(out, socketcore.Output|socketcore.Edge, s.writable); err != nil {
		s.Close()
		return nil, fmt.Errorf("standard output: %w", err)
	}
	return s, nil
}

// Run says hello and serves until the client hangs up.
func (s *Server) Run() error {
	front := s.dispatchers[0]
	front.sayHello()
	front.write()
	for _, x := range s.dispatchers[1:] {
		s.others.Go(x.loop.Run)
	}
	front.loop.Run()
	return s.failure
}

// Close releases what the server holds after Run, its sockets included. A program that ends
// need not call it.
func (s *Server) Close() {
	for _, x := range s.dispatchers {
		x.loop.Post(x.loop.Stop)
	}
	s.others.Wait()
	for _, x := range s.dispatchers {
		x.loop.Free()
	}
}

func (x *Dispatcher) sayHello() {
	c := x.server.cfg
	start := x.message(2, "hello")
	b := etf.AppendMap(x.out, 9)
	b = etf.AppendBinary(etf.AppendAtom(b, "version"), []byte(c.Version))
	for _, f := range []struct {
		key   string
		value int64
	}{
		{"clock", socketcore.Now()},
		{"protocol", ProtocolVersion},
		{"pid", int64(os.Getpid())},
		{"window", int64(c.Window)},
		{"frame_limit", int64(c.FrameLimit)},
		{"message_limit", int64(c.MessageLimit)},
		{"loops", int64(c.Loops)},
	} {
		b = etf.AppendInt(etf.AppendAtom(b, f.key), f.value)
	}
	x.out = c.Protections.append(b, c.Allow)
	x.end(start)
}

func (s *Server) setFeatures(f features) {
	s.want.watch.Store(f.watch)
	s.want.delivered.Store(f.delivered)
	s.want.consumed.Store(f.consumed)
	s.want.closed.Store(f.closed)
	s.want.batch.Store(f.batch)
	s.want.ahead.Store(f.ahead)
	for i, x := range s.dispatchers {
		set := func() {
			x.loop.SetGating(f.delivered)
			x.loop.SetCopies(f.ahead)
		}
		if i == 0 {
			set()
		} else {
			x.loop.Post(set)
		}
	}
}

func (s *Server) features() features {
	w := &s.want
	return features{w.watch.Load(), w.delivered.Load(), w.consumed.Load(), w.closed.Load(), w.batch.Load(), w.ahead.Load()}
}

// fail ends the program: one of its two pipes is of no use any more.
func (s *Server) fail(err error) {
	if s.failure == nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
		s.failure = err
	}
	s.dispatchers[0].loop.Stop()
}

// consumedStep is how many bytes are read between two consumed frames.
const consumedStep = 256 << 10

// readable does one read and serves what it brought.
func (s *Server) readable(uint32) {
	x := s.dispatchers[0]
	n, err := s.reader.Fill()
	if err != nil {
		s.fail(err)
		return
	}
	s.reads++
	s.bytesIn += uint64(n)
	if s.consumed += n; s.consumed >= consumedStep && s.want.consumed.Load() {
		start := x.message(2, "consumed")
		x.out = etf.AppendInt(x.out, int64(s.consumed))
		x.end(start)
		s.consumed = 0
	}
	for {
		frame, err := s.reader.Next()
		if err != nil {
			s.bad(err, 0)
			x.write()
			s.fail(err)
			return
		}
		if frame == nil {
			break
		}
		if len(frame) > port.ReaderKeeps {
			s.memory.add(len(frame))
		}
		s.frame(x, frame)
	}
	if !x.loop.Quiet() {
		x.loop.LookAgain(1)
		x.write()
	}
}

// sendsAtOnce is after how many sends in a list of n items their answers leave, and what those have caused that wait on the other ends.
// Without that, many who exchange messages fall into step: client and helper work by turns, each for all of them. About half of the
// items of such are sends: after half of these the one works for half of them while the other does for the rest. A client that has
// written more meanwhile does not wait.
func sendsAtOnce(n int, more bool) int {
	if more {
		return max(4, n/2)
	}
	return max(4, n/4)
}

// frame serves one item or a list of them.
func (s *Server) frame(x *Dispatcher, frame []byte) {
	d := &s.d
	d.Reset(frame)
	d.Version()
	if k := d.Kind(); k == etf.KindList || k == etf.KindNil {
		n := d.List()
		sends := sendsAtOnce(n, s.reader.Buffered() > 0)
		for i := 0; i < n && d.Err() == nil; i++ {
			x.item(d)
			if !x.loop.Quiet() && x.loop.LookAgain(sends) {
				x.write()
			}
		}
		if n > 0 {
			d.Tail()
		}
	} else {
		x.item(d)
	}
	x.loop.SendGathered()
	if d.Err() == nil && d.Len() > 0 {
		d.Fail(errTrailing)
	}
	if err := d.Err(); err != nil {
		s.bad(err, d.Offset())
	}
}

var errTrailing = errors.New("bytes behind the term")

// badReasons name what can be wrong with a frame.
var badReasons = []struct {
	err  error
	name string
}{
	{etf.ErrTruncated, "truncated"},
	{etf.ErrCount, "count"},
	{etf.ErrTag, "tag"},
	{etf.ErrCompressed, "compressed"},
	{etf.ErrLocal, "local"},
	{etf.ErrAtomCache, "atom_cache"},
	{errItem, "item"},
	{errTrailing, "trailing"},
}

// bad answers and logs a frame that is not of the protocol.
func (s *Server) bad(err error, offset int) {
	reason := "term"
	for _, r := range badReasons {
		if errors.Is(err, r.err) {
			reason = r.name
		}
	}
	var limit *port.LimitError
	if errors.As(err, &limit) {
		reason = "frame_limit"
	}
	var syntax *etf.SyntaxError
	if errors.As(err, &syntax) {
		offset = syntax.Offset
	}
	s.log.Error().Err(err).Int("offset", offset).Msg("bad frame")
	x := s.dispatchers[0]
	start := x.message(3, "bad")
	x.out = etf.AppendInt(etf.AppendAtom(x.out, reason), int64(offset))
	x.end(start)
}

// writable goes on writing what the client was too slow to take.
func (s *Server) writable(events uint32) {
	if events&socketcore.Hangup != 0 {
		s.fail(io.EOF)
		return
	}
	// Whether anything waits only the writer knows: the event may come before its loop has noted it.
	done, err := s.writer.Resume()
	if err != nil {
		s.fail(err)
		return
	}
	if done {
		s.memory.add(burst) // what waited, and what it kept from going on
		s.listenToClient()
		for _, x := range s.dispatchers {
			x.loop.Post(x.loop.Resume)
		}
	}
}

// write sends the frames that have gathered.
func (x *Dispatcher) write() {
	if len(x.out) > 0 {
		x.writeFrom(-1, 0)
	}
}

// writeFrom sends them, and behind them n bytes of a pipe that belong to the last one.
func (x *Dispatcher) writeFrom(pipe, n int) {
	s := x.server
	frames := x.frames
	x.stats.writes++
	x.stats.frames += uint64(frames)
	x.stats.bytesOut += uint64(len(x.out) + n)
	last, err := s.writer.WriteFrom(x.out, frames, pipe, n)
	x.frames, x.batch.count = 0, 0
	if cap(x.out) > 8*flushBytes {
		s.memory.add(cap(x.out))
		x.out = make([]byte, 0, flushBytes)
	}
	x.out = x.out[:0]
	if err != nil {
		x.server.dispatchers[0].loop.Post(func() { s.fail(err) })
		return
	}
	if s.want.delivered.Load() {
		x.remember(flush{x.total, last, uint64(frames)})
	}
	if s.stalled.Load() {
		x.loop.Pause()
	}
}

// blocked notes that replies wait for the client, or that they do no longer.
func (s *Server) blocked(on bool) {
	s.stalled.Store(on)
	if on {
		s.dispatchers[0].loop.Post(s.listenToClient)
	}
}

// listenToClient reads requests unless replies wait for the client.
func (s *Server) listenToClient() {
	events := socketcore.Input
	if s.stalled.Load() {
		events = 0
	}
	_ = s.dispatchers[0].loop.Relisten(s.in, events)
}
