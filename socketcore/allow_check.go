package socketcore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Refusal is a call that the allow-list does not allow.
type Refusal struct {
	Rule   Rule
	Call   string
	Socket uint64 // 0 while there is none
	Wanted string
}

// against reports a call that is against a rule, and tells what it is answered; 0 where it is against none.
func (l *Loop) against(r Rule, call guardedCall, socket uint64, wanted func() string) Code {
	if r == noRule {
		return 0
	}
	if l.cfg.Refused != nil {
		l.cfg.Refused(Refusal{Rule: r, Call: string(call), Socket: socket, Wanted: wanted()})
	}
	return Code(unix.EACCES)
}

// refusal is the first rule that something is against, of this list and those that narrow it; a nil list has none. Each list is
// looked at by itself: a socket that one has to name is named by that one.
func (a *Allow) refusal(check func(*Allow) Rule) Rule {
	for ; a != nil; a = a.narrower {
		if r := check(a); r != noRule {
			return r
		}
	}
	return noRule
}

func (l *Loop) mayOpen(domain, typ, proto int) Code {
	r := l.cfg.Allow.refusal(func(a *Allow) Rule { return a.socket(domain, typ, proto) })
	return l.against(r, callOpen, 0, func() string {
		return fmt.Sprintf("domain %d, type %d, protocol %d", domain, typ, proto)
	})
}

// mayEnter checks a network namespace, by the path that it is opened by.
func (l *Loop) mayEnter(netns string) Code {
	r := l.cfg.Allow.refusal(func(a *Allow) Rule { return a.name(ruleNamespaces, netns) })
	return l.against(r, callOpen, 0, func() string { return netns })
}

func (s *Socket) mayBind(sa *Sockaddr) Code {
	r := s.loop.cfg.Allow.refusal(func(a *Allow) Rule { return a.local(s.fd, sa) })
	return s.loop.against(r, callBind, s.ID, sa.String)
}

// mayListen checks what listen(2) does to a socket that nobody has bound here: it takes a port of the kernel's choice, or stays at
// that of the descriptor.
func (s *Socket) mayListen() Code {
	if s.loop.cfg.Allow == nil || s.bound || !isInet(s.domain) {
		return 0
	}
	sa := &s.loop.scratch
	switch {
	case s.CType != 0 && s.Sockname(sa) == 0:
	case s.domain == unix.AF_INET:
		sa.SetInet([4]byte{}, 0)
	default:
		sa.SetInet6([16]byte{}, 0, 0, 0)
	}
	r := s.loop.cfg.Allow.refusal(func(a *Allow) Rule { return a.local(s.fd, sa) })
	return s.loop.against(r, callListen, s.ID, sa.String)
}

// maySend checks where a connect or a send goes: once, before it is tried or waits for its turn.
func (l *Loop) maySend(o *Op) Code {
	if o.To == nil && len(o.Ctrl) == 0 {
		return 0
	}
	allow, s := l.cfg.Allow, o.sock
	call := guardedCalls[o.Kind]
	if o.To != nil {
		if r := allow.refusal(func(a *Allow) Rule { return a.remote(s.fd, o.To) }); r != noRule {
			return l.against(r, call, s.ID, o.To.String)
		}
	}
	if r := allow.refusal(func(a *Allow) Rule { return a.control(s.fd, o.Ctrl) }); r != noRule {
		return l.against(r, call, s.ID, func() string { return fmt.Sprintf("control messages %x", o.Ctrl) })
	}
	return 0
}

// Permit tells by 0 that an option may be set, or asked for.
func (s *Socket) Permit(level, number int, value []byte, set bool) Errno {
	call := callGetOption
	if set {
		call = callSetOption
	}
	r := s.loop.cfg.Allow.refusal(func(a *Allow) Rule { return a.option(s.fd, level, number, value, set) })
	return Errno(s.loop.against(r, call, s.ID, func() string {
		return describe(optionChecks, level, number, value)
	}))
}

// first is the first of these rules that is given.
func (a *Allow) first(rules ...Rule) Rule {
	for _, r := range rules {
		if a.given[r] {
			return r
		}
	}
	return noRule
}

func (a *Allow) has(r Rule, n int) bool { return !a.given[r] || slices.Contains(a.numbers[r], n) }

// number is the rule if it is given and does not have this.
func (a *Allow) number(r Rule, n int) Rule {
	if a.has(r, n) {
		return noRule
	}
	return r
}

// name is the rule if it is given and does not name this.
func (a *Allow) name(r Rule, name string) Rule {
	if a.given[r] && !slices.Contains(a.names[r], name) {
		return r
	}
	return noRule
}

// isInet tells whether the addresses and ports of a domain can be looked at.
func isInet(domain int) bool { return domain == unix.AF_INET || domain == unix.AF_INET6 }

// socket checks what a socket is. Where addresses, ports or protocols are limited, sockets that could send or hear of others
// unseen have to be named: raw ones by types, packet sockets and domains that no rule is about by domains.
func (a *Allow) socket(domain, typ, proto int) Rule {
	switch {
	case !a.has(ruleDomains, domain):
		return ruleDomains
	case !a.has(ruleTypes, typ):
		return ruleTypes
	case domain == unix.AF_UNIX:
		return noRule
	case domain == unix.AF_PACKET && proto != 0 && a.given[ruleDevices]:
		return ruleDevices // it hears of all devices until it is bound to one
	case !isInet(domain):
		if a.given[ruleDomains] {
			return noRule
		}
		return a.first(ruleProtocols, ruleLocalPorts, ruleLocalAddresses, ruleRemotePorts, ruleRemoteAddresses)
	}
	if !a.has(ruleProtocols, protocolMeant(typ, proto)) {
		return ruleProtocols
	}
	if typ != unix.SOCK_RAW {
		return noRule
	}
	if proto == unix.IPPROTO_RAW {
		if r := a.writesHeaders(); r != noRule {
			return r
		}
	}
	if a.given[ruleTypes] {
		return noRule
	}
	return a.first(ruleLocalPorts, ruleRemotePorts)
}

// writesHeaders checks a socket whose user writes the header of IP, with any protocol and any addresses in it.
func (a *Allow) writesHeaders() Rule {
	if !a.has(ruleProtocols, unix.IPPROTO_RAW) {
		return ruleProtocols
	}
	return a.first(ruleLocalAddresses, ruleRemoteAddresses)
}

// protocolMeant is the protocol that the kernel takes where 0 leaves it the choice (ip(7)).
func protocolMeant(typ, proto int) int {
	switch {
	case proto == 0 && typ == unix.SOCK_STREAM:
		return unix.IPPROTO_TCP
	case proto == 0 && typ == unix.SOCK_DGRAM:
		return unix.IPPROTO_UDP
	}
	return proto
}

// local and remote check an address that a socket is to have, or to send to.
func (a *Allow) local(fd int, sa *Sockaddr) Rule {
	if p, ok := sa.Packet(); ok && p.Ifindex == 0 {
		return a.first(ruleDevices) // all of them
	}
	return a.address(fd, sa, ruleLocalPorts, ruleLocalAddresses)
}

func (a *Allow) remote(fd int, sa *Sockaddr) Rule {
	return a.address(fd, sa, ruleRemotePorts, ruleRemoteAddresses)
}

func (a *Allow) address(fd int, sa *Sockaddr, ports, addresses Rule) Rule {
	if path, ok := sa.Local(); ok {
		if !a.path(path) {
			return rulePaths
		}
		return noRule
	}
	if p, ok := sa.Packet(); ok {
		return a.device(fd, int(p.Ifindex))
	}
	if addr, port, ok := sa.Inet(); ok {
		return a.endpoint(netip.AddrFrom4(addr), port, ports, addresses)
	}
	addr, port, _, scope, ok := sa.Inet6()
	if !ok {
		return a.first(ports, addresses) // no address that the kernel takes, as far as we know
	}
	if r := a.device(fd, int(int32(scope))); r != noRule {
		return r
	}
	return a.endpoint(netip.AddrFrom16(addr).Unmap(), port, ports, addresses)
}

func (a *Allow) endpoint(addr netip.Addr, port uint16, ports, addresses Rule) Rule {
	if !a.port(ports, port) {
		return ports
	}
	return a.host(addresses, addr)
}

func (a *Allow) port(r Rule, port uint16) bool { return a.portRange(r, port, port) }

// portRange tells whether all ports of a range are allowed, by one element of the rule.
func (a *Allow) portRange(r Rule, first, last uint16) bool {
	if !a.given[r] {
		return true
	}
	for _, p := range a.ports[r] {
		if p.first <= first && last <= p.last {
			return true
		}
	}
	return false
}

// path checks the path of a local socket. One without a name has nothing to check.
func (a *Allow) path(path []byte) bool {
	if !a.given[rulePaths] || len(path) == 0 {
		return true
	}
	abstract := path[0] == 0
	if abstract {
		path = path[1:]
	}
	for i := range a.paths {
		p := &a.paths[i]
		switch {
		case p.abstract != abstract:
		case p.prefix && len(path) >= len(p.text) && string(path[:len(p.text)]) == p.text:
			if abstract || !climbs(path) {
				return true
			}
		case string(path) == p.text:
			return true
		}
	}
	return false
}

// climbs tells whether a path has a part that is "..": it may lead out of the directory that it begins with.
func climbs(path []byte) bool {
	return bytes.Contains(path, []byte("/../")) || bytes.HasSuffix(path, []byte("/.."))
}

// device checks a device by its index in the namespace of the socket; 0 is none.
func (a *Allow) device(fd, index int) Rule {
	if index == 0 || !a.given[ruleDevices] {
		return noRule
	}
	var request struct { // struct ifreq
		name  [unix.IFNAMSIZ]byte
		index int32
		_     [24]byte
	}
	request.index = int32(index)
	if sysDeviceName(fd, unsafe.Pointer(&request)) != 0 {
		return ruleDevices
	}
	return a.deviceNamed(request.name[:])
}

// sysDeviceName asks for the name of the device whose index stands in a struct ifreq.
func sysDeviceName(fd int, request unsafe.Pointer) Errno {
	if e := fault("ioctl", fd); e != 0 {
		return e
	}
	_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCGIFNAME, uintptr(request))
	return e
}

func (a *Allow) deviceNamed(name []byte) Rule {
	if end := bytes.IndexByte(name, 0); end >= 0 {
		name = name[:end]
	}
	if len(name) == 0 || !a.given[ruleDevices] {
		return noRule
	}
	for _, allowed := range a.names[ruleDevices] {
		if allowed == string(name) {
			return noRule
		}
	}
	return ruleDevices
}

// descriptor checks a descriptor that others have made a socket, and what they have done with it: what it is, its
// namespace, the peer of a connection or else its address, and the options that the table calls carried.
func (a *Allow) descriptor(fd int, from string) Rule {
	if r := a.name(ruleDescriptors, from); r != noRule {
		return r
	}
	domain, e := sysGetInt(fd, unix.SO_DOMAIN)
	typ, failed := sysGetInt(fd, unix.SO_TYPE)
	if max(e, failed) != 0 {
		return ruleDescriptors // no socket, or one of which nobody knows what it is
	}
	proto := protocolOf(fd, domain, 0)
	if domain == unix.AF_PACKET {
		proto = 0 // what it hears of stands in its name, with the device
	}
	if r := a.socket(domain, typ, proto); r != noRule {
		return r
	}
	if a.given[ruleNamespaces] && !atHome(fd) {
		return ruleNamespaces
	}
	if !isInet(domain) && domain != unix.AF_UNIX && domain != unix.AF_PACKET {
		return noRule // the rule domains names it, or none is about what it might do
	}
	var sa Sockaddr
	var r Rule
	switch e := sysName(unix.SYS_GETPEERNAME, fd, &sa); {
	case e == 0:
		r = a.remote(fd, &sa)
	case e != unix.ENOTCONN && e != unix.EOPNOTSUPP: // packet(7) has no peers
		r = ruleDescriptors
	case sysName(unix.SYS_GETSOCKNAME, fd, &sa) != 0:
		r = ruleDescriptors
	default:
		r = a.named(fd, proto, &sa)
	}
	if r != noRule {
		return r
	}
	return a.carried(fd)
}

// named checks the name of a socket that is not connected.
func (a *Allow) named(fd, proto int, sa *Sockaddr) Rule {
	if sa.unbound() {
		return noRule
	}
	if r := a.local(fd, sa); r != noRule || proto != unix.IPPROTO_SCTP {
		return r
	}
	return a.associations(fd, sa)
}

// unbound tells whether a socket with this name has none yet.
func (sa *Sockaddr) unbound() bool {
	name, ok := sa.endpoint()
	return ok && name.Port() == 0 && name.Addr().IsUnspecified()
}

// carried checks the options that a socket may come with.
func (a *Allow) carried(fd int) Rule {
	for i := range optionChecks {
		c := &optionChecks[i]
		if !c.carried {
			continue
		}
		var value [2 * sizeAny]byte // one has an address in it
		n, e := Getsockopt(fd, c.level, c.number, value[:])
		if e == unix.ENOPROTOOPT || e == unix.EOPNOTSUPP || e == unix.EINVAL {
			continue // not one of this kind of socket
		}
		if e != 0 {
			return ruleDescriptors
		}
		if r := c.check(a, fd, value[:n]); r != noRule {
			return r
		}
	}
	return noRule
}

// atHome tells whether a socket is in the program's own network namespace. A kernel that does not tell (before 5.14) counts
// as a no.
func atHome(fd int) bool {
	cookie := func(fd int) (value [8]byte, ok bool) {
		_, e := Getsockopt(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE, value[:])
		return value, e == 0
	}
	own, e := sysSocket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if e != 0 {
		return false
	}
	defer sysClose(own)
	home, ok := cookie(own)
	there, okThere := cookie(fd)
	return ok && okThere && home == there
}

// option checks an option that is about to be set, or asked for where that does something. What neither the table of options
// nor that of checks knows is refused once there is an allow-list, but for what the rule options names.
func (a *Allow) option(fd, level, number int, value []byte, set bool) Rule {
	known := false
	for i := range optionChecks {
		c := &optionChecks[i]
		if c.level == level && c.number == number {
			known = true
			if set || c.get {
				if r := c.check(a, fd, value); r != noRule {
					return r
				}
			}
		}
	}
	if !set || known || slices.Contains(a.optionKeys, optionKey{level, number}) || isOption(level, number) {
		return noRule
	}
	return ruleOptions
}

// isOption tells whether the tables of options have a row of this number.
func isOption(level, number int) bool {
	for _, l := range Levels {
		if l.Number == level {
			return slices.ContainsFunc(l.Options, func(o Option) bool { return o.Number == number && o.Flags&Absent == 0 })
		}
	}
	return false
}

// control checks control messages that are to be sent.
func (a *Allow) control(fd int, control []byte) Rule {
	for {
		level, typ, data, rest, ok := NextCmsg(control)
		if !ok {
			return noRule
		}
		for i := range cmsgChecks {
			c := &cmsgChecks[i]
			if c.level == level && c.number == typ {
				if r := c.check(a, fd, data); r != noRule {
					return r
				}
			}
		}
		control = rest
	}
}

// String is the address for people.
func (sa *Sockaddr) String() string {
	if addr, port, ok := sa.Inet(); ok {
		return netip.AddrPortFrom(netip.AddrFrom4(addr), port).String()
	}
	if addr, port, _, scope, ok := sa.Inet6(); ok {
		text := netip.AddrPortFrom(netip.AddrFrom16(addr), port).String()
		if scope != 0 {
			text += fmt.Sprintf(" scope %d", scope)
		}
		return text
	}
	if path, ok := sa.Local(); ok {
		return fmt.Sprintf("%q", path)
	}
	if p, ok := sa.Packet(); ok {
		return fmt.Sprintf("device %d, protocol %#04x", p.Ifindex, p.Protocol)
	}
	return fmt.Sprintf("%x", sa.Bytes())
}

func int32In(value []byte, at int) int {
	if len(value) < at+4 {
		return 0
	}
	return int(int32(binary.NativeEndian.Uint32(value[at:])))
}
