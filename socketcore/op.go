package socketcore

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

// Code is how an operation ended: 0 for success, an errno (positive), or one of
// the codes below for what no errno says.
type Code int

// Ends that the kernel has no number for.
const (
	Closed   Code = -1 - iota // the socket was closed, or the peer has sent its last byte
	Timeout                   // the deadline passed
	Again                     // would block: only inside the package
	Held                      // the last reader's result is not confirmed yet: only inside the package
	Hungry                    // a send has no bytes left here but more to come: only inside the package
	NoMemory                  // more is asked for than any memory holds
	Already                   // the process waits here already and asks again with a time-out
)

func code(e syscall.Errno) Code {
	if e == syscall.EAGAIN {
		return Again
	}
	return Code(e)
}

// Kind says what an operation does.
type Kind uint8

// The operations that may wait.
const (
	Recv Kind = iota
	Recvfrom
	Recvmsg
	Accept
	Send
	Sendto
	Sendmsg
	Connect
)

// Mode says what happens when an operation would block.
type Mode uint8

const (
	// Wait parks the operation until it can go on or its deadline passes.
	Wait Mode = iota
	// Try gives up at once (a time-out of 0).
	Try
	// Select answers at once that a message will follow (nowait).
	Select
)

// Forever is the deadline of an operation that waits without limit.
const Forever = int64(1<<63 - 1)

// state of an operation in a queue.
type state uint8

const (
	idle    state = iota
	waiting       // a caller waits for the result
	trying        // not yet attempted: the attempt itself has to wait for a confirmation
	armed         // answered with select, the message is due
	fired         // the message has left; its process has the turn
)

// An Op is one operation: what was asked, how far it is, and how it ended.
// The caller fills the fields of the question and hands it to Loop.Submit; the loop gives
// it back in Handler.Done and recycles it after that. What each receive that waits is looked at for stands
// together, as in [Socket].
type Op struct {
	sock       *Socket
	queue      *queue
	prev, next *Op
	proc       *process
	ID         uint32 // the caller's number for the request
	Kind       Kind
	Mode       Mode
	state      state
	Far        bool // what it takes is delivered only when Loop.Arrived says so
	gaveMor    bool
	hungry     bool // waits for bytes that were asked for, not for the kernel
	listed     bool // in Loop.asking
	kept       bool // Data lies in got and counts as parked
	ownTo      bool // To is a copy of its own
	nobody     bool // nobody waits for its end: see handover
	waited     bool
	goesOn     bool // a nowait receive in parts that keeps its turn
	straight   bool // see Receive

	elder, younger *Op           // of the same process
	counted        *atomic.Int64 // where it counts while it is parked
	Flags          int
	Length         int    // bytes wanted (0: what there is); the buffer size of recvfrom and recvmsg
	CtrlSize       int    // size of the control buffer of recvmsg
	Deadline       int64  // nanoseconds on CLOCK_MONOTONIC, or Forever
	Process        []byte // who asks; copied when the operation has to wait
	timer          int    // place in the timer heap, -1 when not there
	got            []byte
	unread         int    // bytes of got that count as unread
	place          uint64 // of what was gathered, see ledger

	// The result.
	Code   Code
	Result []byte  // received bytes; valid until Done returns
	Taken  int     // bytes the kernel took
	Poured int     // bytes of the result that are in Pipe instead, behind the others, for a large receive
	New    *Socket // accepted socket

	// What sends, messages and other kinds need.
	Data    []byte // the first bytes to send
	Total   int    // bytes to send in all
	Ref     []byte // given back with select and abort; copied when the operation has to wait
	To      *Sockaddr
	Ctrl    []byte    // control messages to send
	From    *Sockaddr // source, nil when there is none
	InCtrl  []byte    // received control messages
	InFlags int       // msg_flags of recvmsg(2)
	Extra   []byte    // see Returned
	Pipe    int
	wake    int64 // next time of interest: deadline or retry
	backoff int64 // retry interval of operations the kernel cannot announce
	seen    int   // bytes that a peek has shown
	parts   int   // reads that a {N, Size} receive may still do
	ahead   int   // parts that went through Handler.More and have not arrived
	asked   int   // how far bytes have been asked for
	ends    []int // of the sends that were joined in it: see gathering
	whole   int   // those that the kernel has taken
	fate    Code  // how it ends when nothing is left to be read
	assoc   association
}

// SelectArmed tells whether the operation ended by promising a select message.
func (o *Op) SelectArmed() bool { return o.state == armed }

// Partial tells whether part of the data went ahead through Handler.More.
func (o *Op) Partial() bool { return o.gaveMor }

// Socket is the socket that the operation is for.
func (o *Op) Socket() *Socket { return o.sock }

// Remaining is how many bytes the kernel has not taken.
func (o *Op) Remaining() int { return o.Total - o.Taken }

// waits counts an operation that has to wait, once.
func (l *Loop) waits(o *Op) {
	if o.waited {
		return
	}
	o.waited = true
	c := &o.sock.Counters
	switch {
	case o.Kind == Accept:
		c[AccWaits]++
	case o.Kind < Accept:
		c[ReadWaits]++
	}
}

// queue holds the operations of one direction of a socket in order of arrival. Its
// head is the current one; all others are locked out until it is done.
type queue struct {
	head, tail *Op
	n          int
}

func (q *queue) pushBack(o *Op) {
	o.queue, o.prev, o.next = q, q.tail, nil
	if q.tail == nil {
		q.head = o
	} else {
		q.tail.next = o
	}
	q.tail = o
	q.n++
}

func (q *queue) pushFront(o *Op) {
	o.queue, o.prev, o.next = q, nil, q.head
	if q.head == nil {
		q.tail = o
	} else {
		q.head.prev = o
	}
	q.head = o
	q.n++
}

func (q *queue) remove(o *Op) {
	if o.prev == nil {
		q.head = o.next
	} else {
		o.prev.next = o.next
	}
	if o.next == nil {
		q.tail = o.prev
	} else {
		o.next.prev = o.prev
	}
	o.queue, o.prev, o.next = nil, nil, nil
	q.n--
}

// of returns the operation that process p has promised a select for, if any.
func (q *queue) of(p *process) *Op {
	if p == nil {
		return nil
	}
	for o := q.head; o != nil; o = o.next {
		if o.proc == p && (o.state == armed || o.state == fired) {
			return o
		}
	}
	return nil
}

// opPool recycles operations, so that a call in the steady state allocates nothing.
type opPool struct {
	free  []*Op
	kept  int // bytes of their buffers
	told  int // bytes of all that freed has been told of: the most that there were
	freed func(n int)
}

// get returns an operation with empty fields and whatever buffers it kept.
func (p *opPool) get() *Op {
	if n := len(p.free); n > 0 {
		o := p.free[n-1]
		p.free[n-1] = nil
		p.free = p.free[:n-1]
		p.kept -= cap(o.got)
		return o
	}
	return &Op{timer: -1}
}

const (
	keepOps     = 4096
	keepBuffer  = 64 << 10 // largest receive buffer that a recycled operation keeps
	keepBuffers = 4 << 20  // and what all of them keep
)

func (p *opPool) put(o *Op) {
	got := o.got[:0]
	if cap(got) > keepBuffer || p.kept+cap(got) > keepBuffers {
		p.freed(cap(got))
		got = nil
	}
	if cap(o.Ctrl) > keepBuffer {
		p.freed(cap(o.Ctrl))
	}
	if len(p.free) == keepOps {
		p.freed(int(unsafe.Sizeof(*o)))
		return
	}
	*o = Op{timer: -1, got: got}
	p.kept += cap(got)
	p.free = append(p.free, o)
	if n := len(p.free)*int(unsafe.Sizeof(*o)) + p.kept; n > p.told {
		p.freed(n - p.told)
		p.told = n
	}
}
