package dispatch

import (
	"math"

	"gosocket/etf"
	"gosocket/socketcore"
)

// openOptions are what open/4 and open/2 by descriptor read from their Opts.
type openOptions struct {
	netns       string
	inNetns     bool
	dup         bool
	debug       bool
	useRegistry int // -1 for not given
	holder      int // the process that the descriptor is of; 0 for this one
	origin      int // its number where it came from; -1 for the same
	// which of them are given
	domain, typ, protocol bool
}

// open serves {open, Process, Domain, Type, Protocol, Opts}.
func (c *call) open() {
	owner := c.process()
	domain, v1 := nameOrInvalid("domain", c.d.Raw(), socketcore.Domains)
	typ, v2 := nameOrInvalid("type", c.d.Raw(), socketcore.Types)
	proto, v3 := protocolOf(c.d.Raw())
	opts, v4 := c.openOptions()
	if !c.good() {
		return
	}
	c.traceOpen(&opts)
	for _, v := range []verdict{v1, v2, v3, v4} {
		if !v.ok() {
			c.answer(v)
			return
		}
	}
	if !opts.inNetns {
		c.onNextLoop(owner, func(c *call, owner []byte) { c.opened(opts)(c.loop.Open(domain, typ, proto, owner)) })
		return
	}
	later := &call{Dispatcher: c.Dispatcher, id: c.id}
	c.loop.OpenIn(opts.netns, domain, typ, proto, owner, later.opened(opts))
}

// onNextLoop makes a socket on the loop whose turn it is.
func (c *call) onNextLoop(owner []byte, f func(c *call, owner []byte)) {
	x := c.server.nextLoop(c.Dispatcher)
	if x == c.Dispatcher {
		f(c, owner)
		return
	}
	owner = append([]byte(nil), owner...)
	there := &call{Dispatcher: x, id: c.id}
	arrive := c.handTrace(x)
	x.loop.Post(func() {
		arrive()
		f(there, owner)
	})
}

// opened answers open when the socket is there.
func (c *call) opened(opts openOptions) func(*socketcore.Socket, socketcore.Code) {
	return func(s *socketcore.Socket, code socketcore.Code) {
		if code != 0 {
			c.answerCode(code)
			return
		}
		if opts.useRegistry >= 0 {
			s.UseRegistry = opts.useRegistry > 0
		}
		s.SendAhead = c.server.cfg.SendAhead
		s.SetDebug(c.server.debugSocks.Load())
		start := c.begin(c.id)
		c.out = appendSocket(c.out, s)
		c.end(start)
	}
}

// openFD serves {openfd, Process, FD, Opts}. The system's word on domain, type and protocol
// wins over that of Opts, which is only checked.
func (c *call) openFD() {
	owner := c.process()
	fd := c.d.Int()
	opts, v := c.openOptions()
	if !c.good() {
		return
	}
	c.traceOpen(&opts)
	switch {
	case !v.ok():
		c.answer(v)
	default:
		c.onNextLoop(owner, func(c *call, owner []byte) {
			var s *socketcore.Socket
			var code socketcore.Code
			if opts.holder == 0 {
				s, code = c.loop.OpenFD(int(fd), opts.dup, owner)
			} else {
				s, code = c.loop.Adopt(opts.holder, int(fd), owner)
			}
			if code == 0 && opts.origin >= 0 {
				s.CType = 2 + opts.origin
			}
			c.opened(opts)(s, opts.missing(code))
		})
	}
}

// missing says what Opts should have told about a descriptor that the system knows nothing of.
func (o *openOptions) missing(code socketcore.Code) socketcore.Code {
	switch {
	case code != socketcore.Code(socketcore.EBADF) && code != socketcore.Code(socketcore.ENOTSOCK):
		return code
	case !o.domain:
		return socketcore.Code(socketcore.EPFNOSUPPORT)
	case !o.typ:
		return socketcore.Code(socketcore.ESOCKTNOSUPPORT)
	case !o.protocol:
		return socketcore.Code(socketcore.EPROTONOSUPPORT)
	}
	return code
}

// openOptions reads the Opts of an open. Keys that it does not know are ignored.
func (c *call) openOptions() (opts openOptions, v verdict) {
	opts = openOptions{dup: true, useRegistry: -1, origin: -1}
	for range c.d.Map() {
		key, value := c.d.Raw(), c.d.Raw()
		var bad verdict
		switch string(atomOf(key)) {
		case "netns":
			opts.netns, opts.inNetns, bad = netnsOf(value)
		case "dup":
			opts.dup, bad = optionFlag("dup", value)
		case "debug":
			opts.debug, bad = optionFlag("debug", value)
		case "use_registry":
			var use bool
			if use, bad = optionFlag("use_registry", value); use {
				opts.useRegistry = 1
			} else {
				opts.useRegistry = 0
			}
		case "holder":
			opts.holder, bad = holderOf(value)
		case "origin":
			n, ok := uintOf(value, math.MaxInt32)
			if opts.origin = int(n); !ok {
				bad = invalid("origin", value)
			}
		case "domain":
			opts.domain = true
			_, bad = nameOrInvalid("domain", value, socketcore.Domains)
		case "type":
			opts.typ = true
			_, bad = nameOrInvalid("type", value, socketcore.Types)
		case "protocol":
			opts.protocol = true
			_, bad = protocolOf(value)
		}
		if v.ok() {
			v = bad
		}
	}
	return opts, v
}

func optionFlag(what string, term []byte) (on bool, v verdict) {
	if !isFlag(term) {
		return false, invalid(what, term)
	}
	return string(atomOf(term)) == "true", accept
}

// holderOf reads helper, or the number of another process.
func holderOf(term []byte) (int, verdict) {
	if string(atomOf(term)) == "helper" {
		return 0, accept
	}
	if pid, ok := intOf(term, 1, math.MaxInt32); ok {
		return int(pid), accept
	}
	return 0, invalid("holder", term)
}

// netnsOf reads a name or path.
func netnsOf(term []byte) (name string, given bool, v verdict) {
	var d etf.Decoder
	d.Reset(term)
	switch d.Kind() {
	case etf.KindBinary, etf.KindString, etf.KindList, etf.KindNil:
		b := d.Bytes(nil)
		if d.Err() != nil {
			break
		}
		return string(b), true, accept
	}
	return "", false, invalid("netns", term)
}

func nameOrInvalid(what string, term []byte, table []socketcore.Name) (int, verdict) {
	if n, ok := socketcore.ValueOf(table, atomOf(term)); ok {
		return n, accept
	}
	return 0, invalid(what, term)
}

// protocolOf reads default, a name or {raw, Number}.
func protocolOf(term []byte) (int, verdict) {
	name := atomOf(term)
	if string(name) == "default" {
		return 0, accept
	}
	if n, ok := socketcore.ValueOf(socketcore.Protocols, name); ok {
		return n, accept
	}
	var d etf.Decoder
	d.Reset(term)
	if d.Kind() == etf.KindTuple && d.Tuple() == 2 && string(atomOf(d.Raw())) == "raw" {
		if n, ok := uintOf(d.Raw(), 1<<31-1); ok && d.Err() == nil {
			return int(n), accept
		}
	}
	return 0, invalid("protocol", term)
}
