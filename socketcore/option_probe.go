package socketcore

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Answer is what asking the running kernel for a feature gives.
type Answer uint8

// The answers. Whoever wants a yes or no takes Unsure for no.
const (
	Unsure Answer = iota // the kernel could not be asked: a capability is missing
	Yes
	No
)

var probes struct {
	sync.Mutex
	known map[*Option]Answer
}

// Supported asks the running kernel, once, whether it has the option: it reads it from,
// or sets it to nothing on, a socket that is made for that.
func (o *Option) Supported() Answer {
	probes.Lock()
	defer probes.Unlock()
	a, ok := probes.known[o]
	if !ok {
		if probes.known == nil {
			probes.known = make(map[*Option]Answer)
		}
		a = o.probe()
		probes.known[o] = a
	}
	return a
}

func (o *Option) probe() Answer {
	if o.Flags&Absent != 0 {
		return No
	}
	fd, done, e := o.On.Open()
	switch e {
	case 0:
	case unix.EPROTONOSUPPORT, unix.ESOCKTNOSUPPORT, unix.EAFNOSUPPORT:
		return No
	default:
		return Unsure
	}
	defer done()
	e = unix.ENOPROTOOPT
	if r := o.Readable(); r != nil {
		value := make([]byte, r.Type.Capacity())
		_, e = Getsockopt(fd, r.Level.Number, r.Number, value)
		if e == 0 && GivesDescriptor(r.Level.Number, r.Number) {
			sysClose(descriptorIn(value))
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
	// Any other refusal comes from the option itself.
	if e == unix.ENOPROTOOPT || e == unix.EOPNOTSUPP {
		return No
	}
	return Yes
}
