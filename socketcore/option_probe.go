package socketcore

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// Answer is what asking the running kernel for a feature gives.
type Answer uint8

// The answers. Whoever wants a yes or no takes Unsure for no.
const (
	Unsure Answer = iota // the kernel could not be asked: a capability or a descriptor is missing
	Yes
	No
)

// probes keeps what the kernel has said, which stays true while it runs. What it did not say,
// and whether there is a kind of socket at all (its module may be loaded later), is asked again.
var probes struct {
	sync.Mutex
	options map[*Option]Answer
	flags   map[flagProbe]Answer
}

// A Probe asks the running kernel what it has. It tries each kind of socket that does not
// open but once, since the kernel may look for a module every time.
type Probe struct {
	missing [len(sorts)]Errno
}

// Option tells whether the kernel has the option: it is read from, or set to nothing on, a
// socket that is made for that.
func (p *Probe) Option(o *Option) Answer {
	if o.Flags&Absent != 0 {
		return No
	}
	probes.Lock()
	defer probes.Unlock()
	if a, ok := probes.options[o]; ok {
		return a
	}
	fd, done, e := p.open(o.On)
	if e != 0 {
		return socketAnswer(e)
	}
	defer done()
	e = o.try(fd)
	a := useAnswer(e)
	if o.Level.Number == SolSCTP && (e == unix.EPERM || e == unix.EACCES) {
		a = Yes // SCTP refuses what another option has to allow first, and asks nobody for a capability
	}
	if a != Unsure {
		if probes.options == nil {
			probes.options = make(map[*Option]Answer)
		}
		probes.options[o] = a
	}
	return a
}

// try uses an option in a way that changes as little as possible.
func (o *Option) try(fd int) Errno {
	e := unix.ENOPROTOOPT
	if r := o.Readable(); r != nil {
		value := make([]byte, r.Type.Capacity())
		_, e = Getsockopt(fd, r.Level.Number, r.Number, value)
		if part, gives := DescriptorIn(r.Level.Number, r.Number, value); gives && e == 0 {
			sysClose(descriptorIn(part))
		}
	}
	// Kernels differ in what can be read of what can be set.
	if w := o.Settable(); w != nil && e == unix.ENOPROTOOPT {
		nothing := make([]byte, w.Type.Size)
		if o.Level.Number == SolSCTP {
			nothing = nil // of the right size ENOPROTOOPT also means that the association cannot do it
		}
		e = Setsockopt(fd, w.Level.Number, w.Number, nothing)
	}
	return e
}

func (p *Probe) open(s Sort) (fd int, done func(), e Errno) {
	if e = p.missing[s]; e != 0 {
		return -1, nil, e
	}
	fd, done, e = s.Open()
	p.missing[s] = e
	return fd, done, e
}

// socketAnswer reads what opening a socket has failed with.
func socketAnswer(e Errno) Answer {
	switch e {
	case 0:
		return Yes
	case unix.EPROTONOSUPPORT, unix.ESOCKTNOSUPPORT, unix.EAFNOSUPPORT, unix.ENOSYS:
		return No
	}
	return Unsure
}

// useAnswer reads what using an option or a flag has failed with. A refusal that is not listed
// comes from what was asked for, which is there then.
func useAnswer(e Errno) Answer {
	switch e {
	case unix.ENOPROTOOPT, unix.EOPNOTSUPP:
		return No
	case unix.EPERM, unix.EACCES, unix.EMFILE, unix.ENFILE, unix.ENOMEM:
		return Unsure
	}
	return Yes
}

type flagProbe struct {
	send bool
	flag int64
}

// SendFlag tells whether a connected TCP socket takes the flag.
func (p *Probe) SendFlag(flag Name) Answer { return p.flag(flagProbe{true, flag.Value}) }

// RecvFlag tells whether a connected TCP socket takes the flag.
func (p *Probe) RecvFlag(flag Name) Answer { return p.flag(flagProbe{false, flag.Value}) }

func (p *Probe) flag(f flagProbe) Answer {
	probes.Lock()
	defer probes.Unlock()
	if a, ok := probes.flags[f]; ok {
		return a
	}
	fd, done, e := p.open(TCPPair)
	if e != 0 {
		return socketAnswer(e)
	}
	defer done()
	a := useAnswer(f.try(fd))
	if a != Unsure {
		if probes.flags == nil {
			probes.flags = make(map[flagProbe]Answer)
		}
		probes.flags[f] = a
	}
	return a
}

func (f flagProbe) try(fd int) Errno {
	ask := sysRecv
	if f.send {
		ask = func(fd int, p []byte, flags int) (int, Errno) { return sysSend(fd, p, flags, nil) }
	}
	_, e := ask(fd, make([]byte, 1), int(f.flag))
	return e
}

// A Feature is a part of the kernel that the API has a name for.
type Feature struct {
	Name string
	ask  func(p *Probe) Errno
}

// Features are in the order of the API's list.
var Features = []Feature{
	{"sctp", opens(SCTP)},
	{"ipv6", opens(UDP6)},
	{"local", opens(UnixStream)},
	{"netns", func(*Probe) Errno { return enterOwnNetns() }},
}

// Feature tells whether the kernel has it, for this program and now.
func (p *Probe) Feature(f *Feature) Answer { return socketAnswer(f.ask(p)) }

func opens(s Sort) func(*Probe) Errno {
	return func(p *Probe) Errno {
		_, done, e := p.open(s)
		if e == 0 {
			done()
		}
		return e
	}
}

// enterOwnNetns asks for what opening in another network namespace needs, and changes nothing: the
// namespace is that of this thread, not of the first one, which may be elsewhere.
func enterOwnNetns() Errno {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ns, e := sysOpenToRead(ownNetns)
	if e != 0 {
		return e
	}
	defer sysClose(ns)
	return sysEnterNetns(ns)
}
