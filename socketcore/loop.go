package socketcore

import (
	"errors"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Handler is what a Loop reports to. All methods are called on the loop's thread.
type Handler interface {
	// Room returns n bytes for received data of o. The next call for o is Done, with
	// a Result that lies in these bytes, or the room is given up.
	Room(o *Op, n int) []byte
	// Done takes the result of o. Unless o.SelectArmed, o is recycled afterwards.
	Done(o *Op)
	// More takes data ahead of the result of o: o.Poured bytes out of o.Pipe unless that is 0.
	More(o *Op, data []byte)
	// CopyRoom returns n bytes for a copy of what follows the answer to a request; nil when there shall be none. Copied
	// sends as many of them, or takes the room back.
	CopyRoom(s *Socket, id uint32, n int) []byte
	Copied(n int)
	// Credit tells how many bytes of sends ahead a socket takes, Sent how many are done with.
	Credit(s *Socket, n int)
	Sent(s *Socket, n int)
	// Want asks for n more bytes of a send.
	Want(o *Op, offset, n int)
	// Fire sends the select message of o, Abort the abort message.
	Fire(o *Op)
	Abort(o *Op, c Code)
	// Gone tells that s is closed; owner is set when its death was the reason.
	Gone(s *Socket, owner []byte)
	// Watch asks for a call of Died when the process dies; Unwatch takes that back.
	Watch(process []byte)
	Unwatch(process []byte)
	// Mark returns the number of the newest frame, Confirm asks for Delivered.
	Mark() uint64
	Confirm()
	// Flush is called when the loop has nothing more to do for now.
	Flush()
}

// Config holds the settings of a Loop.
type Config struct {
	Index       int           // number of this loop, in the low bits of its socket ids
	Spin        time.Duration // how long to poll before sleeping
	Window      int           // bytes of a send asked for at a time
	ParkedLimit int64         // bytes of unsent payload kept, over all loops
	Limits      Limits
	MessageMax  int           // largest message of sockets that are not streams
	DrainTime   time.Duration // what was sent ahead has before a shutdown or close; 0: 60 s
	Freed       func(n int)   // is told of n bytes that are of no use any more
	Allow       *Allow        // what sockets may be used for; nil: anything
	Refused     func(Refusal) // is told of what that does not allow
}

// A Loop owns sockets and runs their operations on one thread.
type Loop struct {
	cfg       Config
	handler   Handler
	epfd      int
	eventfd   int
	slots     []*Socket
	gens      []uint32
	freeSlots []uint32
	processes map[string]*process
	ops       opPool
	roomy     []byte         // for the next receive that needs room, see trim
	asking    map[uint32]*Op // sends that more bytes were asked for, by ID
	timers    timerHeap
	foreign   map[int]func(events uint32)
	last      int // the one of them that is told last
	closings  map[int]*closing
	held      []*Socket
	gating    bool
	delivered uint64
	totals    *Totals
	events    [256]unix.EpollEvent
	msg       unix.Msghdr
	iov       unix.Iovec
	from      Sockaddr
	ctrl      []byte
	scratch   Sockaddr
	pipe      pipe
	inq       [unix.SizeofCmsghdr + 8]byte // control buffer for TCP_INQ
	stopped   bool
	paused    bool
	debugged  int       // sockets with the option debug
	late      []*Socket // became ready while paused
	copies    bool      // the handler takes copies of what follows a receive
	copied    int       // bytes of those that it has
	behind    int       // bytes that the last receive has left, as far as the kernel told; -1
	joined    gathering
	handed    []*Socket // have something to tell of sends ahead
	waste     []byte    // where bytes go that somebody has already
	rounds    int
	sends     int // since the last look
	spinner   spinner
	recent    activity
	rest      rest
	stats     LoopStatistics
	awake     int64 // when it last saw events; 0 while it looks for some

	mu    sync.Mutex
	shut  bool
	inbox []func()
	run   []func()
}

// Process start on the monotonic clock, to read that clock without a system call.
var clockZero, clockBase = readClocks()

// readClocks reads the monotonic clock and Go's at the same time, or nearly: Now is late by what lies between
// the two readings, never early.
func readClocks() (zero int64, base time.Time) {
	for range 100 {
		zero, base = monotonic(), time.Now()
		if monotonic()-zero < int64(20*time.Microsecond) {
			break
		}
	}
	return zero, base
}

func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

// Now is the time on CLOCK_MONOTONIC in nanoseconds.
func Now() int64 { return clockZero + int64(time.Since(clockBase)) }

// NewLoop makes a loop. totals counts for all loops of the program.
func NewLoop(cfg Config, totals *Totals) (*Loop, error) {
	epfd, e := sysEpollCreate()
	if e != 0 {
		return nil, e
	}
	efd, e := sysEventfd()
	if e != 0 {
		sysClose(epfd)
		return nil, e
	}
	cfg.Limits.complete()
	fds.receivedLimit.Store(cfg.Limits.FDs)
	fds.reserve(epfd)
	fds.reserve(efd)
	l := &Loop{
		cfg: cfg, epfd: epfd, eventfd: efd, pipe: newPipe(), totals: totals, gating: true,
		processes: map[string]*process{}, foreign: map[int]func(uint32){}, last: -1, closings: map[int]*closing{}, asking: map[uint32]*Op{},
	}
	if l.cfg.Freed == nil {
		l.cfg.Freed = func(int) {}
	}
	if l.cfg.DrainTime == 0 {
		l.cfg.DrainTime = defaultDrainTime
	}
	l.ops.freed = l.cfg.Freed
	l.spinner.init(cfg.Spin)
	if err := l.Listen(efd, Input, func(uint32) { l.Drain() }); err != nil {
		l.Free()
		return nil, err
	}
	return l, nil
}

// SetHandler sets who is told of results. It must be called before Run.
func (l *Loop) SetHandler(h Handler) { l.handler = h }

// NewOp returns an operation to fill and Submit.
func (l *Loop) NewOp() *Op { return l.ops.get() }

// Shrink lets go of what is kept for the next call.
func (l *Loop) Shrink() {
	l.ops = opPool{freed: l.cfg.Freed}
	l.ctrl, l.waste, l.joined = nil, nil, gathering{}
	l.msg, l.iov = unix.Msghdr{}, unix.Iovec{} // they lead to the last buffers
}

// Index is the loop's number.
func (l *Loop) Index() int { return l.cfg.Index }

// SetGating says whether readers wait for Delivered (the default).
func (l *Loop) SetGating(on bool) {
	l.gating = on
	if !on {
		l.letGo()
	}
}

const foreignBit = 1 << 31

// Events of Listen: those of epoll(7).
const (
	Input  = uint32(unix.EPOLLIN)
	Output = uint32(unix.EPOLLOUT)
	Edge   = uint32(unix.EPOLLET & 0xffffffff)
	Hangup = uint32(unix.EPOLLERR | unix.EPOLLHUP)
)

// Listen calls f with the events of a descriptor that is no socket of the loop, ahead of those of sockets of the same moment: what is
// posted was posted before what somebody sent then.
func (l *Loop) Listen(fd int, events uint32, f func(events uint32)) error {
	l.foreign[fd] = f
	fds.reserve(fd)
	ev := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: -foreignBit}
	return asError(sysEpollCtl(l.epfd, unix.EPOLL_CTL_ADD, fd, &ev))
}

// ListenLast is Listen for one descriptor whose events come behind those of sockets, and not within LookAgain.
func (l *Loop) ListenLast(fd int, events uint32, f func(events uint32)) error {
	l.last = fd
	return l.Listen(fd, events, f)
}

// Relisten changes the events of a descriptor; hang-up is reported all the same.
func (l *Loop) Relisten(fd int, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: -foreignBit}
	return asError(sysEpollCtl(l.epfd, unix.EPOLL_CTL_MOD, fd, &ev))
}

// Pause stops serving sockets: there is no room for what they would bring. Resume goes on.
func (l *Loop) Pause() { l.paused = true }

// Resume ends Pause.
func (l *Loop) Resume() {
	if !l.paused {
		return
	}
	l.paused = false
	for len(l.late) > 0 && !l.paused {
		s := l.late[len(l.late)-1]
		l.late = l.late[:len(l.late)-1]
		s.late = false
		l.advance(s, &s.acceptors)
		l.advance(s, &s.readers)
		l.advance(s, &s.writers)
	}
}

// postpone has the operations of s go on when Pause ends.
func (l *Loop) postpone(s *Socket) {
	if !s.late {
		s.late = true
		l.late = append(l.late, s)
	}
}

// Holding tells whether a reader waits for Delivered.
func (l *Loop) Holding() bool { return len(l.held) > 0 }

// Post runs f on the loop's thread soon. It may be called from any goroutine.
func (l *Loop) Post(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := len(l.inbox) == 0
	l.inbox = append(l.inbox, f)
	if first && !l.shut {
		one := [8]byte{0: 1}
		_, _ = unix.Write(l.eventfd, one[:])
	}
}

// Drain runs what was posted up to now. It must not be called by a posted function.
func (l *Loop) Drain() {
	var n [8]byte
	_, _ = unix.Read(l.eventfd, n[:])
	l.mu.Lock()
	l.inbox, l.run = l.run[:0], l.inbox
	l.mu.Unlock()
	for i, f := range l.run {
		f()
		l.run[i] = nil
	}
}

// Stop ends Run. To be called on the loop's thread.
func (l *Loop) Stop() { l.stopped = true }

// Run serves until Stop. It belongs on a goroutine of its own.
func (l *Loop) Run() {
	for !l.stopped {
		n := l.poll(l.sleepTime())
		l.handle(n)
		l.handler.Flush()
	}
}

// Free releases the descriptors of a loop that does not run any more, and those of its
// sockets. A program that ends need not call it.
func (l *Loop) Free() {
	for _, s := range l.slots {
		if s == nil {
			continue
		}
		s.dropPrivate()
		s.dropReceived()
		if fds.release(s.fd) {
			sysSetLinger(s.fd, unix.Linger{})
			sysClose(s.fd)
			fds.closed(s.fd)
		}
	}
	for _, g := range l.closings {
		g.done = nil
		l.endClosing(g, false)
	}
	for fd := range l.foreign { // closed by others
		fds.retire(fd)
		fds.closed(fd)
	}
	l.endRest()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shut = true
	for _, fd := range append(l.pipe.descriptors(), l.epfd, l.eventfd) {
		fds.retire(fd)
		sysClose(fd)
		fds.closed(fd)
	}
}

// LookAgain sees once what there is besides events of ListenLast, if there were that many sends since it last did so, which it tells:
// what these have caused may leave in one write with their answers.
func (l *Loop) LookAgain(sends int) bool {
	if l.sends < sends {
		return false
	}
	l.sends = 0
	l.serve(l.pollNow())
	return true
}

// Quiet tells that at most two sockets were used of late.
func (l *Loop) Quiet() bool { return l.recent.few() }

func (l *Loop) handle(n int) {
	if last := l.serve(n); last != 0 {
		l.foreign[l.last](last)
	}
	if len(l.timers) > 0 {
		l.expire()
	}
}

// serve tells of n events, but for the one that is told last, which it returns.
func (l *Loop) serve(n int) (last uint32) {
	l.stats.Events += uint64(n)
	late := 0
	for i := range l.events[:n] {
		ev := &l.events[i]
		if ev.Pad&-foreignBit == 0 {
			l.events[late] = *ev
			late++
		} else if int(ev.Fd) == l.last {
			last = ev.Events
		} else if f := l.foreign[int(ev.Fd)]; f != nil {
			f(ev.Events)
		}
	}
	for i := range l.events[:late] {
		ev := &l.events[i]
		if s := l.bySlot(uint32(ev.Fd), uint32(ev.Pad)); s != nil {
			l.ready(s, ev.Events)
		}
	}
	return last
}

// poll waits for events: a while without sleeping, then in the kernel.
func (l *Loop) poll(sleep int) int {
	l.rounds++
	if l.rounds&15 == 0 {
		// A loop of raw calls has no point where the garbage collector could stop it. And one that
		// has run for 10 ms without a pause is chased by the runtime's monitor, at 13 % of a
		// processor. (On a locked thread this pause would cost two thread switches.)
		runtime.Gosched()
	}
	if n := l.spinner.spin(l, sleep); n != 0 {
		return n
	}
	if sleep == 0 {
		return l.pollNow()
	}
	return l.wait(sleep)
}

func (l *Loop) pollNow() int {
	if fault("epoll_wait", l.epfd) != 0 {
		return 0
	}
	r, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epfd), uintptr(unsafe.Pointer(&l.events[0])),
		uintptr(len(l.events)), 0, 0, 0)
	if e != 0 {
		return 0
	}
	return int(r)
}

// sleepTime is how many milliseconds the loop may sleep, rounded up so that no
// deadline fires early; -1 for ever.
func (l *Loop) sleepTime() int {
	if len(l.timers) == 0 {
		return -1
	}
	d := l.timers[0].wake - Now()
	if d <= 0 {
		return 0
	}
	const ms = int64(time.Millisecond)
	return int(min((d+ms-1)/ms, 1<<30))
}

func (l *Loop) bySlot(slot, gen uint32) *Socket {
	if int(slot) >= len(l.slots) {
		return nil
	}
	if s := l.slots[slot]; s != nil && s.gen == gen {
		return s
	}
	return nil
}

func asError(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

func errnoOf(err error) syscall.Errno {
	var e syscall.Errno
	if errors.As(err, &e) {
		return e
	}
	return syscall.EIO
}
