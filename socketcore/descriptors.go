package socketcore

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// fds says whose the descriptors of this program are. There is one such table in a
// process, whatever number of loops it has: a number that somebody wants opened may be any.
var fds fdTable

type fdTable struct {
	mu       sync.Mutex
	rows     []fdRow        // by descriptor
	common   atomic.Bool    // any of them is or was common
	received map[uint64]int // by socket: how many rows have it as their receiver

	unopenedAll   atomic.Int64 // how many rows have a receiver
	receivedLimit atomic.Int64
}

// A row without sockets, receiver or a close under way is of a descriptor that the program
// did not make: inherited, or not open at all.
type fdRow struct {
	sockets  int32  // how many sockets use it; the last one closes it
	closing  int32  // how many are closing it: the number may come round again meanwhile
	internal bool   // the program's own
	lent     bool   // it was here before its sockets and stays after them
	shared   bool   // other programs hold it too, and may make it blocking
	common   bool   // it has been that of two sockets, or of two programs
	receiver uint64 // the socket that got it with a message; 0 when it is not from there
}

// at returns the row of a descriptor, which must be one that is or was open.
func (t *fdTable) at(fd int) *fdRow {
	for fd >= len(t.rows) {
		t.rows = append(t.rows, fdRow{})
	}
	return &t.rows[fd]
}

// reserve marks a descriptor as the program's own.
func (t *fdTable) reserve(fd int) {
	t.mu.Lock()
	t.at(fd).internal = true
	t.mu.Unlock()
}

// retire says that one of the program's own is about to be closed; closed has to follow.
func (t *fdTable) retire(fd int) {
	t.mu.Lock()
	r := t.at(fd)
	r.internal = false
	r.closing++
	t.mu.Unlock()
}

// hold makes a new descriptor that of one socket; shared tells that it is not new elsewhere.
func (t *fdTable) hold(fd int, shared bool) {
	t.mu.Lock()
	r := t.at(fd)
	*r = fdRow{sockets: 1, closing: r.closing, shared: shared}
	t.mu.Unlock()
}

// receive makes a descriptor that came with a message the affair of the socket with this id.
// Where that has as many as it may have, the descriptor is to be closed, after which closed
// has to be called.
func (t *fdTable) receive(fd int, id uint64, limit int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.at(fd)
	if t.received[id] >= limit || t.unopenedAll.Load() >= t.receivedLimit.Load() {
		*r = fdRow{closing: r.closing + 1}
		return false
	}
	if t.received == nil {
		t.received = make(map[uint64]int)
	}
	t.received[id]++
	t.unopenedAll.Add(1)
	*r = fdRow{closing: r.closing, shared: true, receiver: id}
	return true
}

// unreceive says that a descriptor is not with the socket any more that it came through.
func (t *fdTable) unreceive(r *fdRow) {
	t.unopenedAll.Add(-1)
	if t.received[r.receiver]--; t.received[r.receiver] == 0 {
		delete(t.received, r.receiver)
	}
	r.receiver = 0
}

// discard releases one descriptor that came through the socket with this id. It is to be
// closed if it was one, after which closed has to be called.
func (t *fdTable) discard(fd int, id uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if fd < 0 || fd >= len(t.rows) || t.rows[fd].receiver != id {
		return false
	}
	r := &t.rows[fd]
	t.unreceive(r)
	*r = fdRow{closing: r.closing + 1}
	return true
}

// release takes one socket off a descriptor and tells whether it is to be closed now, after
// which closed has to be called.
func (t *fdTable) release(fd int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.at(fd)
	if r.sockets--; r.sockets > 0 {
		return false
	}
	lent := r.lent
	*r = fdRow{closing: r.closing}
	if !lent {
		r.closing++
	}
	return !lent
}

func (t *fdTable) closed(fd int) {
	t.mu.Lock()
	t.at(fd).closing--
	t.mu.Unlock()
}

// unopened releases what the socket with this id got with messages and nobody has opened
// since. They are to be closed, each followed by a call of closed.
func (t *fdTable) unopened(id uint64) (left []int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for fd := range t.rows {
		if r := &t.rows[fd]; r.receiver == id {
			*r = fdRow{closing: r.closing + 1}
			left = append(left, fd)
		}
	}
	delete(t.received, id)
	t.unopenedAll.Add(-int64(len(left)))
	return left
}

// isShared tells whether another program may have made the descriptor blocking.
func (t *fdTable) isShared(fd int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at(fd).shared
}

// isAlone tells whether only one socket of this program has ever had the descriptor.
func (t *fdTable) isAlone(fd int) bool {
	if !t.common.Load() {
		return true // nothing is locked for what hardly any program does
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.at(fd)
	return !r.common && !r.shared
}

// open gives a descriptor to one more socket: itself, or a duplicate. It must be a socket,
// and not one of the program's own. What a message brought belongs to its first socket from
// then on. What did not come from one of the program's own sockets is checked against the allow-list: while the table is
// locked the number stays that descriptor's.
func (t *fdTable) open(fd int, dup bool, allow *Allow) (int, Rule, Code) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.usable(fd); c != 0 {
		return -1, noRule, c
	}
	r := t.at(fd)
	if allow != nil && r.sockets == 0 {
		from := fromVM // inherited
		if r.receiver != 0 {
			from = fromMessages
		}
		if rule := allow.refusal(func(a *Allow) Rule { return a.descriptor(fd, from) }); rule != noRule {
			return -1, rule, 0
		}
	}
	r.common = true
	t.common.Store(true)
	if dup {
		copied, e := sysDup(fd)
		if e != 0 {
			return -1, noRule, Code(e)
		}
		shared := r.shared || r.sockets == 0
		r = t.at(copied)
		*r = fdRow{sockets: 1, closing: r.closing, shared: shared, common: true}
		return copied, noRule, 0
	}
	if r.sockets == 0 && r.receiver == 0 {
		r.lent, r.shared = true, true
	}
	r.sockets++
	if r.receiver != 0 {
		t.unreceive(r)
	}
	return fd, noRule, 0
}

// usable tells by 0 that a descriptor is somebody's socket. Called with the table locked, so
// that it stays one for as long.
func (t *fdTable) usable(fd int) Code {
	if fd < 0 || fd != int(int32(fd)) {
		return Code(unix.EBADF)
	}
	if _, e := sysGetInt(fd, unix.SO_DOMAIN); e != 0 {
		return Code(e)
	}
	if r := t.at(fd); fd <= 2 || r.internal || r.closing > 0 && r.sockets == 0 && r.receiver == 0 {
		return Code(unix.EBADF)
	}
	return 0
}

// lend tells whether all descriptors in these control messages may be sent to others: those
// that are sockets, or that came with a message.
func (t *fdTable) lend(control []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p := range DescriptorsIn(control) {
		fd := descriptorIn(p)
		if fd < 0 || fd >= len(t.rows) || t.rows[fd].receiver == 0 {
			if t.usable(fd) != 0 {
				return false
			}
		}
		t.at(fd).shared = true
		t.common.Store(true)
	}
	return true
}
