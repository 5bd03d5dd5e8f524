package socketcore

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Indices of Socket.Counters, in the order of socket_counters() in the man page.
const (
	ReadByte = iota
	ReadFails
	ReadPkg
	ReadPkgMax
	ReadTries
	ReadWaits
	WriteByte
	WriteFails
	WritePkg
	WritePkgMax
	WriteTries
	WriteWaits
	AccSuccess
	AccFails
	AccTries
	AccWaits
	NumCounters
)

const (
	einval   = unix.EINVAL
	ealready = unix.EALREADY
	pollIn   = unix.POLLIN | unix.POLLPRI | unix.POLLERR | unix.POLLHUP | unix.POLLRDHUP
	pollOut  = unix.POLLOUT | unix.POLLERR | unix.POLLHUP
	pollErr  = unix.POLLERR
)

// Settings are the options of a socket that the kernel knows nothing of. Accepted
// sockets inherit them, but for Meta.
type Settings struct {
	RcvBuf     int // bytes of one read
	RcvCount   int // N of the option's {N, Size} form; 0 for the integer form
	RcvCtrlBuf int
	SndCtrlBuf int
	// MaxReceivedFDs is how many descriptors that came through the socket it keeps until they
	// are opened.
	MaxReceivedFDs int
	ReceiveAhead   int // bytes of a copy of what follows a receive; 0 for none
	SendAhead      int // bytes that may be sent ahead
	Iow            bool
	Debug          bool
	UseRegistry    bool
	Meta           []byte
}

// DefaultSettings are those of a socket as opened.
var DefaultSettings = Settings{RcvBuf: 8192, RcvCtrlBuf: 1024, SndCtrlBuf: 1024, MaxReceivedFDs: 253, ReceiveAhead: copyMax, UseRegistry: true}

// A Socket is a descriptor with the operations that wait for it. What each call looks at stands together: with many
// sockets it is the memory that a call waits for.
type Socket struct {
	ID                  uint64
	fd                  int
	slot, gen           uint32
	events              uint32
	stream, tcp         bool
	whole               bool // takes messages, which must not be sent in parts
	many                bool // one SCTP socket with many associations
	ordered             bool // what one reader lost must reach the next before newer data
	inq                 int8 // TCP_INQ: 0 not asked for yet, 1 on, -1 off
	closed              bool
	held, late          bool
	plain, drained      bool // see emptied
	shutRead, shutWrite bool
	connector           *Op
	readers, writers    queue
	owner               *process
	loop                *Loop
	input               ledger
	acceptors           queue
	ahead               lookahead
	lastReader          []byte
	Counters            [NumCounters]uint64
	Settings
	handover handover

	readerRoom           []byte // for the last reader when it is not the owner
	domain, typ, proto   int
	private              int  // duplicate for epoll, -1 for none
	received             bool // it has got descriptors with messages
	bound                bool // its address is one that somebody asked for
	CType                int  // 0: opened here, 1: made of a descriptor, 2+FD: duplicate of FD
	ownedPrev, ownedNext *Socket
	listener             *Socket   // that accepted it
	lease                lease     // of the answer that told of it
	place                uint64    // among what that has accepted
	accepted             uint64    // how many it has accepted itself
	connections          []*Socket // those that came back
}

// FD is the descriptor.
func (s *Socket) FD() int { return s.fd }

// Domain is AF_*.
func (s *Socket) Domain() int { return s.domain }

// Type is SOCK_*.
func (s *Socket) Type() int { return s.typ }

// Protocol is IPPROTO_*.
func (s *Socket) Protocol() int { return s.proto }

// Closed tells whether the socket is gone.
func (s *Socket) Closed() bool { return s.closed }

// Readers is how many receives wait, the current one included.
func (s *Socket) Readers() int { return s.readers.n }

// Writers is how many sends wait, the current one included.
func (s *Socket) Writers() int { return s.writers.n - s.handover.ops }

// Acceptors is how many accepts wait, the current one included.
func (s *Socket) Acceptors() int { return s.acceptors.n }

// Readable tells whether data may still come.
func (s *Socket) Readable() bool { return !s.closed && !s.shutRead }

// Writable tells whether data may still be sent.
func (s *Socket) Writable() bool { return !s.closed && !s.shutWrite }

// Owner is the key of the controlling process; nil when it has none.
func (s *Socket) Owner() []byte {
	if s.owner == nil {
		return nil
	}
	return s.owner.keyBytes
}

// userControl switches our own TCP_INQ off for a user who looks at it, or at control messages.
func (s *Socket) userControl() {
	if s.inq > 0 {
		_ = sysSetInt(s.fd, unix.IPPROTO_TCP, unix.TCP_INQ, 0)
	}
	s.inq = -1
}

// SetDebug sets the option debug, which [Loop.Debugged] counts.
func (s *Socket) SetDebug(on bool) {
	switch {
	case on && !s.Debug:
		s.loop.debugged++
	case !on && s.Debug:
		s.loop.debugged--
	}
	s.Debug = on
	s.loop.tellCredit(s)
}

// Debugged tells whether any socket of the loop has the option debug.
func (l *Loop) Debugged() bool { return l.debugged > 0 }

func (s *Socket) watchFD() int {
	if s.private >= 0 {
		return s.private
	}
	return s.fd
}

func (s *Socket) queueOf(k Kind) *queue {
	switch {
	case k == Accept:
		return &s.acceptors
	case k < Accept:
		return &s.readers
	}
	return &s.writers
}

// conflict refuses calls in states that exclude them: accept and receive share the read
// side, a connect in progress is a write.
func (s *Socket) conflict(k Kind) Code {
	switch {
	case k == Accept:
		if s.readers.head != nil {
			return Code(einval)
		}
	case k < Accept:
		if s.acceptors.head != nil {
			return Code(einval)
		}
	case k == Connect:
		if s.writers.head != nil {
			return Code(einval)
		}
	case s.connector != nil && !s.many:
		return Code(einval)
	}
	return 0
}

// Find returns the socket with an id, nil when it is gone.
func (l *Loop) Find(id uint64) *Socket {
	l.recent.note(id)
	s := l.bySlot(uint32(id>>loopBits)&slotMask, uint32(id>>(loopBits+slotBits)))
	if s == nil || s.ID != id {
		return nil // of another loop, or no number of ours
	}
	return s
}

// A socket id holds, from the low end, its loop, its slot in the loop and the slot's generation.
const (
	loopBits = 4
	slotBits = 20
	slotMask = 1<<slotBits - 1
	genMask  = 1<<30 - 1
)

// MaxLoops is how many loops the ids of sockets can tell apart.
const MaxLoops = 1 << loopBits

// LoopOf tells the loop on which the socket with this id lives.
func LoopOf(id uint64) int { return int(id & (MaxLoops - 1)) }

// add makes a socket of a descriptor.
func (l *Loop) add(fd, domain, typ, proto int, owner []byte) *Socket {
	s := &Socket{
		fd: fd, private: -1, domain: domain, typ: typ, proto: proto, Settings: DefaultSettings,
		stream: typ == unix.SOCK_STREAM,
	}
	inet := domain == unix.AF_INET || domain == unix.AF_INET6
	s.tcp = inet && s.stream && (proto == unix.IPPROTO_TCP || proto == unix.IPPROTO_MPTCP)
	s.whole = !s.stream || s.SCTP()
	s.many = !s.stream && s.SCTP()
	s.ordered = s.stream || domain == unix.AF_UNIX || typ == unix.SOCK_SEQPACKET
	s.plain = s.tcp && proto == unix.IPPROTO_TCP
	s.ahead.may = s.plain || s.stream && domain == unix.AF_UNIX
	if proto != unix.IPPROTO_TCP {
		s.inq = -1
	}
	l.adopt(s)
	l.intern(owner).own(s)
	return s
}

// adopt gives a socket a place in this loop.
func (l *Loop) adopt(s *Socket) {
	var slot uint32
	if n := len(l.freeSlots); n > 0 {
		slot = l.freeSlots[0]
		l.freeSlots = l.freeSlots[1:]
	} else {
		slot = uint32(len(l.slots))
		l.slots = append(l.slots, nil)
		l.gens = append(l.gens, 0)
	}
	l.gens[slot] = (l.gens[slot] + 1) & genMask
	s.loop, s.slot, s.gen = l, slot, l.gens[slot]
	s.ID = uint64(s.gen)<<(loopBits+slotBits) | uint64(slot)<<loopBits | uint64(l.cfg.Index)
	l.slots[slot] = s
}

// OpenFD makes a socket of a descriptor of this program: of a duplicate, or of itself, which
// is then closed with the last of the sockets that share it, but left alone when none of
// ours is the first. Its domain, type and protocol are those that the kernel tells.
func (l *Loop) OpenFD(fd int, dup bool, owner []byte) (*Socket, Code) {
	if c := l.takePlace(); c != 0 {
		return nil, c
	}
	use, r, c := fds.open(fd, dup, l.cfg.Allow)
	if r != noRule || c != 0 {
		l.givePlace()
	}
	if r != noRule {
		return nil, l.against(r, callOpenFD, 0, func() string { return fmt.Sprintf("descriptor %d", fd) })
	}
	if c != 0 {
		return nil, c
	}
	s, c := l.ofDescriptor(use, owner)
	if c != 0 {
		return nil, c
	}
	s.CType = 1
	if dup {
		s.CType = 2 + fd
	}
	if on, _ := sysGetIntOf(use, unix.IPPROTO_TCP, unix.TCP_INQ); on == 1 && s.tcp && !fds.isShared(use) {
		s.inq = 1 // the first socket's doing
	}
	return s, 0
}

func (l *Loop) ofDescriptor(fd int, owner []byte) (*Socket, Code) {
	domain, e := sysGetInt(fd, unix.SO_DOMAIN)
	typ, failed := sysGetInt(fd, unix.SO_TYPE)
	if e = max(e, failed); e != 0 {
		if fds.release(fd) {
			sysClose(fd)
			fds.closed(fd)
		}
		l.givePlace()
		return nil, Code(e)
	}
	sysSetNonblock(fd)
	s := l.add(fd, domain, typ, protocolOf(fd, domain, 0), owner)
	s.inq, s.plain, s.ahead.may = -1, false, false
	return s, 0
}

// Bind wraps bind(2).
func (s *Socket) Bind(sa *Sockaddr) Code {
	if c := s.mayBind(sa); c != 0 {
		return c
	}
	e := sysBind(s.fd, sa)
	s.bound = s.bound || e == 0
	return Code(e)
}

// Listen wraps listen(2).
func (s *Socket) Listen(backlog int) Code {
	if c := s.mayListen(); c != 0 {
		return c
	}
	return Code(sysListen(s.fd, backlog))
}

// Sockname wraps getsockname(2).
func (s *Socket) Sockname(sa *Sockaddr) Code { return Code(sysName(unix.SYS_GETSOCKNAME, s.fd, sa)) }

// Peername wraps getpeername(2).
func (s *Socket) Peername(sa *Sockaddr) Code { return Code(sysName(unix.SYS_GETPEERNAME, s.fd, sa)) }

// Shutdown wraps shutdown(2); how is 0 for read, 1 for write, 2 for both.
func (l *Loop) Shutdown(s *Socket, how int) Code {
	if h := &s.handover; how != unix.SHUT_RD && (h.ops > 0 || h.refused) {
		switch {
		case h.refused && !h.shutLater:
			return s.hears()
		case how == unix.SHUT_RDWR:
			_ = l.Shutdown(s, unix.SHUT_RD)
		}
		if !h.shutLater {
			l.shutBehind(s)
		}
		return 0
	}
	return l.shutdown(s, how)
}

func (l *Loop) shutdown(s *Socket, how int) Code {
	if e := sysShutdown(s.fd, how); e != 0 {
		return Code(e)
	}
	if how != unix.SHUT_WR {
		s.shutRead = true
		s.odd()
		l.advance(s, &s.acceptors)
		l.advance(s, &s.readers)
	}
	if how != unix.SHUT_RD {
		s.shutWrite = true
		l.tellCredit(s)
		l.advance(s, &s.writers)
		if s.whole && s.stream {
			l.want(s, readEvents|writeEvents) // that is how the end of the association is told
		}
	}
	return 0
}

// Close wraps close(2). Everybody who waits is answered first; done is called when the
// descriptor is closed, which takes time only for a socket that lingers.
func (l *Loop) Close(s *Socket, done func()) { l.closeSocket(s, nil, done) }

func (l *Loop) closeSocket(s *Socket, owner []byte, done func()) {
	s.closed = true
	l.givePlace()
	handed := l.takeHanded(s)
	if s.connector != nil {
		l.cut(s.connector, Closed)
	}
	for _, q := range []*queue{&s.readers, &s.writers, &s.acceptors} {
		for q.head != nil {
			l.cut(q.head, Closed)
		}
	}
	s.leaveListener()
	for len(s.connections) > 0 {
		l.closeSocket(s.connections[0], nil, nil)
	}
	weight := int(unsafe.Sizeof(*s)) + len(s.Meta) + s.input.weight()
	s.input = ledger{}
	l.endCopy(s)
	// A duplicate elsewhere would keep events of a closed descriptor coming.
	if s.events != 0 {
		_ = sysEpollCtl(l.epfd, unix.EPOLL_CTL_DEL, s.watchFD(), nil)
	}
	s.dropPrivate()
	l.slots[s.slot] = nil
	l.freeSlots = append(l.freeSlots, s.slot)
	s.SetDebug(false)
	l.handler.Gone(s, owner)
	if p := s.owner; p != nil {
		p.disown(s)
		if owner == nil {
			l.release(p)
		}
	}
	l.release(l.lookup(s.lastReader))
	s.dropReceived()
	l.cfg.Freed(weight)
	if len(handed) > 0 {
		l.closeBehind(s, handed, done)
		return
	}
	l.closeDescriptor(s, done)
}

// dropPrivate closes the duplicate for epoll.
func (s *Socket) dropPrivate() {
	if s.private >= 0 {
		fds.retire(s.private)
		sysClose(s.private)
		fds.closed(s.private)
		s.private = -1
	}
}

// closeDescriptor closes the descriptor with its last socket.
func (l *Loop) closeDescriptor(s *Socket, done func()) {
	alone := fds.isAlone(s.fd)
	if fds.release(s.fd) {
		switch seconds := s.lingers(); {
		case seconds == 0:
			sysClose(s.fd)
			fds.closed(s.fd)
		case alone && (s.proto == unix.IPPROTO_TCP || s.SCTP()):
			l.closeSlowly(&closing{fd: s.fd, sctp: s.SCTP(), lingers: true, done: done}, time.Duration(seconds)*time.Second)
			return
		default:
			l.closeShared(s.fd, done)
			return
		}
	}
	if done != nil {
		done()
	}
}
