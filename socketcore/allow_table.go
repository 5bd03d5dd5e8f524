package socketcore

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// This file says what is checked against an allow-list: calls, then options, then control messages. Whatever is in none of
// the three either cannot say where something goes or comes from, or works on a socket that has been checked.

// guardedCall is a call that is checked. TestEveryGuardedCallIsRefused has the kernel do, or not do, each of them.
type guardedCall string

const (
	callOpen      guardedCall = "open"    // domains, types, protocols; with netns namespaces
	callOpenFD    guardedCall = "openfd"  // descriptors, and all that the kernel tells of the descriptor
	callBind      guardedCall = "bind"    // local_ports, local_addresses, devices, paths: of each address that it brings
	callListen    guardedCall = "listen"  // the same: of any address and port 0, unless bind has had its say
	callConnect   guardedCall = "connect" // remote_ports, remote_addresses, devices, paths; with fast open it is the next send that the address is for
	callSendto    guardedCall = "sendto"  // the same, before the send waits for anything
	callSendmsg   guardedCall = "sendmsg" // the same, and the table of control messages
	callSetOption guardedCall = "setopt"  // the table of options
	callGetOption guardedCall = "getopt"  // of that table what does something
)

var guardedCalls = [...]guardedCall{Send: "send", Sendto: callSendto, Sendmsg: callSendmsg, Connect: callConnect}

// An optionCheck is what the value of an option, or of a control message, is checked against.
type optionCheck struct {
	name          string
	level, number int
	check         func(a *Allow, fd int, value []byte) Rule
	carried       bool // can be read of a socket that others have made
	get           bool // getsockopt(2) does something
}

// Numbers that x/sys/unix does not have.
const (
	sctpConnectxOld   = 107
	sctpConnectxGet   = 111
	sctpConnectxPlain = 110
	sctpDstAddrV4     = 7
	sctpDstAddrV6     = 8
)

// optionChecks are the options that choose a device, an address, a way or a protocol. Those that have no name in the API can be
// set by number.
var optionChecks = []optionCheck{
	{name: "SO_BINDTODEVICE", level: unix.SOL_SOCKET, number: unix.SO_BINDTODEVICE, check: byName, carried: true},
	{name: "SO_BINDTOIFINDEX", level: unix.SOL_SOCKET, number: unix.SO_BINDTOIFINDEX, check: byIndex(0)},

	{name: "IP_OPTIONS", level: unix.SOL_IP, number: unix.IP_OPTIONS, check: sourceRoute, carried: true},
	{name: "IP_HDRINCL", level: unix.SOL_IP, number: unix.IP_HDRINCL, check: ownHeaders, carried: true},
	{name: "IP_MULTICAST_IF", level: unix.SOL_IP, number: unix.IP_MULTICAST_IF, check: multicastDevice, carried: true},
	{name: "IP_UNICAST_IF", level: unix.SOL_IP, number: unix.IP_UNICAST_IF, check: unicastDevice, carried: true},
	{name: "IP_ADD_MEMBERSHIP", level: unix.SOL_IP, number: unix.IP_ADD_MEMBERSHIP, check: membership},
	{name: "IP_ADD_SOURCE_MEMBERSHIP", level: unix.SOL_IP, number: unix.IP_ADD_SOURCE_MEMBERSHIP, check: sourceMembership},
	{name: "MCAST_JOIN_GROUP", level: unix.SOL_IP, number: unix.MCAST_JOIN_GROUP, check: groupMembership},
	{name: "MCAST_JOIN_SOURCE_GROUP", level: unix.SOL_IP, number: unix.MCAST_JOIN_SOURCE_GROUP, check: groupMembership},
	{name: "IP_LOCAL_PORT_RANGE", level: unix.SOL_IP, number: unix.IP_LOCAL_PORT_RANGE, check: localRange, carried: true},

	{name: "IPV6_ADDRFORM", level: unix.SOL_IPV6, number: unix.IPV6_ADDRFORM, check: numbered(ruleDomains)},
	{name: "IPV6_PKTINFO", level: unix.SOL_IPV6, number: unix.IPV6_PKTINFO, check: source6},
	{name: "IPV6_2292PKTOPTIONS", level: unix.SOL_IPV6, number: unix.IPV6_2292PKTOPTIONS, check: controlBehind(0)},
	{name: "IPV6_RTHDR", level: unix.SOL_IPV6, number: unix.IPV6_RTHDR, check: sourceRoute, carried: true},
	{name: "IPV6_FLOWLABEL_MGR", level: unix.SOL_IPV6, number: ipv6FlowlabelMgr, check: controlBehind(sizeFlowlabelReq)},
	{name: "IPV6_HDRINCL", level: unix.SOL_IPV6, number: unix.IPV6_HDRINCL, check: ownHeaders, carried: true},
	{name: "IPV6_HDRINCL", level: unix.SOL_RAW, number: unix.IPV6_HDRINCL, check: ownHeaders},
	{name: "IPV6_MULTICAST_IF", level: unix.SOL_IPV6, number: unix.IPV6_MULTICAST_IF, check: byIndex(0), carried: true},
	{name: "IPV6_UNICAST_IF", level: unix.SOL_IPV6, number: unix.IPV6_UNICAST_IF, check: unicastDevice, carried: true},
	{name: "IPV6_JOIN_GROUP", level: unix.SOL_IPV6, number: unix.IPV6_JOIN_GROUP, check: membership6},
	{name: "IPV6_JOIN_ANYCAST", level: unix.SOL_IPV6, number: unix.IPV6_JOIN_ANYCAST, check: membership6},
	{name: "MCAST_JOIN_GROUP", level: unix.SOL_IPV6, number: unix.MCAST_JOIN_GROUP, check: groupMembership},
	{name: "MCAST_JOIN_SOURCE_GROUP", level: unix.SOL_IPV6, number: unix.MCAST_JOIN_SOURCE_GROUP, check: groupMembership},

	{name: "TCP_ULP", level: unix.SOL_TCP, number: unix.TCP_ULP, check: upperLayer, carried: true},
	{name: "UDP_ENCAP", level: unix.SOL_UDP, number: unix.UDP_ENCAP, check: encapsulated, carried: true},

	{name: "SCTP_SOCKOPT_BINDX_ADD", level: SolSCTP, number: sctpBindxAdd, check: packed((*Allow).local, ruleLocalPorts, ruleLocalAddresses)},
	{name: "SCTP_SOCKOPT_CONNECTX_OLD", level: SolSCTP, number: sctpConnectxOld, check: packed((*Allow).remote, ruleRemotePorts, ruleRemoteAddresses)},
	{name: "SCTP_SOCKOPT_CONNECTX", level: SolSCTP, number: sctpConnectxPlain, check: packed((*Allow).remote, ruleRemotePorts, ruleRemoteAddresses)},
	{name: "SCTP_SOCKOPT_CONNECTX3", level: SolSCTP, number: sctpConnectxGet, check: anyRemote, get: true},
	{name: "SCTP_REMOTE_UDP_ENCAPS_PORT", level: SolSCTP, number: sctpRemoteUDPEncapsPort, check: encapsulationPort, carried: true},

	{name: "PACKET_ADD_MEMBERSHIP", level: unix.SOL_PACKET, number: unix.PACKET_ADD_MEMBERSHIP, check: byIndex(0)},
}

// cmsgChecks are the control messages that do the same for one send.
var cmsgChecks = []optionCheck{
	{name: "IP_RETOPTS", level: unix.SOL_IP, number: unix.IP_RETOPTS, check: sourceRoute},
	{name: "IP_PKTINFO", level: unix.SOL_IP, number: unix.IP_PKTINFO, check: source4},
	{name: "IP_PROTOCOL", level: unix.SOL_IP, number: unix.IP_PROTOCOL, check: numbered(ruleProtocols)},
	{name: "IPV6_PKTINFO", level: unix.SOL_IPV6, number: unix.IPV6_PKTINFO, check: source6},
	{name: "IPV6_2292PKTINFO", level: unix.SOL_IPV6, number: unix.IPV6_2292PKTINFO, check: source6},
	{name: "IPV6_RTHDR", level: unix.SOL_IPV6, number: unix.IPV6_RTHDR, check: sourceRoute},
	{name: "IPV6_2292RTHDR", level: unix.SOL_IPV6, number: unix.IPV6_2292RTHDR, check: sourceRoute},
	{name: "SCTP_DSTADDRV4", level: SolSCTP, number: sctpDstAddrV4, check: destination},
	{name: "SCTP_DSTADDRV6", level: SolSCTP, number: sctpDstAddrV6, check: destination},
}

func byName(a *Allow, _ int, value []byte) Rule { return a.deviceNamed(value) }

func byIndex(at int) func(*Allow, int, []byte) Rule {
	return func(a *Allow, fd int, value []byte) Rule { return a.device(fd, int32In(value, at)) }
}

func isSet(value []byte) bool {
	for _, b := range value {
		if b != 0 {
			return true
		}
	}
	return false
}

// sourceRoute is a list of routers, each of which is an address that packets go to.
func sourceRoute(a *Allow, _ int, value []byte) Rule {
	if len(value) == 0 {
		return noRule
	}
	return a.first(ruleRemoteAddresses)
}

func ownHeaders(a *Allow, _ int, value []byte) Rule {
	if !isSet(value) {
		return noRule
	}
	return a.writesHeaders()
}

// multicastDevice is a struct ip_mreqn, an ip_mreq or an in_addr. The index goes first; a device that is meant by its address
// has to be named by its index where devices are limited.
func multicastDevice(a *Allow, fd int, value []byte) Rule {
	at := 0
	if len(value) >= unix.SizeofIPMreq {
		at = 4
	}
	if index := int32In(value, 8); index != 0 {
		return a.device(fd, index)
	}
	return a.deviceAt(value, at)
}

func (a *Allow) deviceAt(value []byte, at int) Rule {
	if int32In(value, at) == 0 {
		return noRule
	}
	return a.first(ruleDevices)
}

// membership is a struct ip_mreq or ip_mreqn, sourceMembership an ip_mreq_source: the group, then the device.
func membership(a *Allow, fd int, value []byte) Rule {
	if len(value) < unix.SizeofIPMreq {
		return noRule
	}
	if r := multicastDevice(a, fd, value); r != noRule {
		return r
	}
	return a.host(ruleLocalAddresses, netip.AddrFrom4([4]byte(value)))
}

func sourceMembership(a *Allow, fd int, value []byte) Rule {
	return membership(a, fd, value[:min(len(value), unix.SizeofIPMreq)])
}

// groupMembership is a struct group_req or group_source_req.
func groupMembership(a *Allow, fd int, value []byte) Rule {
	if r := a.device(fd, int32In(value, 0)); r != noRule {
		return r
	}
	if len(value) <= storageAt {
		return noRule
	}
	var group Sockaddr
	group.SetBytes(value[storageAt:min(storageEnd, len(value))])
	if addr, _, ok := group.Inet(); ok {
		return a.host(ruleLocalAddresses, netip.AddrFrom4(addr))
	}
	if addr, _, _, _, ok := group.Inet6(); ok {
		return a.host(ruleLocalAddresses, netip.AddrFrom16(addr).Unmap())
	}
	return a.first(ruleLocalAddresses)
}

// membership6 is a struct ipv6_mreq; source6 a struct in6_pktinfo, which has the same fields.
func membership6(a *Allow, fd int, value []byte) Rule { return source6(a, fd, value) }

func source6(a *Allow, fd int, value []byte) Rule {
	if len(value) < unix.SizeofInet6Pktinfo {
		return noRule
	}
	if r := a.device(fd, int32In(value, 16)); r != noRule {
		return r
	}
	addr := netip.AddrFrom16([16]byte(value))
	if addr.IsUnspecified() {
		return noRule
	}
	return a.host(ruleLocalAddresses, addr.Unmap())
}

// source4 is a struct in_pktinfo, of which the kernel reads the device and the address to send from.
func source4(a *Allow, fd int, value []byte) Rule {
	if len(value) < unix.SizeofInet4Pktinfo {
		return noRule
	}
	if r := a.device(fd, int32In(value, 0)); r != noRule {
		return r
	}
	addr := netip.AddrFrom4([4]byte(value[4:]))
	if addr.IsUnspecified() {
		return noRule
	}
	return a.host(ruleLocalAddresses, addr)
}

// unicastDevice is an index in network order.
func unicastDevice(a *Allow, fd int, value []byte) Rule {
	if len(value) < 4 {
		return noRule
	}
	return a.device(fd, int(int32(binary.BigEndian.Uint32(value))))
}

// localRange is where the kernel takes local ports from. Without one of the two ends it takes its own, and without both so
// does everybody.
func localRange(a *Allow, _ int, value []byte) Rule {
	word := uint32(int32In(value, 0))
	first, last := uint16(word), uint16(word>>16)
	if last == 0 && first > 0 {
		last = 65535
	}
	if word == 0 || a.portRange(ruleLocalPorts, first, last) {
		return noRule
	}
	return ruleLocalPorts
}

// numbered is a number that the rule has to have among its elements.
func numbered(r Rule) func(*Allow, int, []byte) Rule {
	return func(a *Allow, _ int, value []byte) Rule {
		if len(value) < 4 || a.has(r, int32In(value, 0)) {
			return noRule
		}
		return r
	}
}

// controlBehind are control messages, behind a head of this many bytes, that go with each packet from then on.
func controlBehind(head int) func(*Allow, int, []byte) Rule {
	return func(a *Allow, _ int, value []byte) Rule {
		if len(value) <= head {
			return noRule
		}
		return a.first(ruleDevices, ruleLocalAddresses, ruleRemoteAddresses)
	}
}

// sizeFlowlabelReq is the size of a struct in6_flowlabel_req.
const sizeFlowlabelReq = 32

// upperLayer takes a name. Where protocols are limited none is allowed unless upper_layers names it.
func upperLayer(a *Allow, _ int, value []byte) Rule {
	name := textIn(value)
	switch {
	case name == "":
		return noRule
	case a.given[ruleUpperLayers] && a.name(ruleUpperLayers, name) == noRule:
		return noRule
	}
	return a.first(ruleUpperLayers, ruleProtocols)
}

// encapsulated is what UDP carries of IPsec and others: its name is udp_encap.
func encapsulated(a *Allow, fd int, value []byte) Rule {
	if !isSet(value) {
		return noRule
	}
	return upperLayer(a, fd, []byte("udp_encap"))
}

// textIn are characters up to the first zero byte.
func textIn(value []byte) string {
	for i, b := range value {
		if b == 0 {
			return string(value[:i])
		}
	}
	return string(value)
}

// packed checks Internet addresses one behind the other. What is none to us is none that one of the rules allows.
func packed(side func(*Allow, int, *Sockaddr) Rule, rules ...Rule) func(*Allow, int, []byte) Rule {
	return func(a *Allow, fd int, value []byte) Rule {
		for len(value) > 0 {
			n := AddressSize(value)
			if n == 0 {
				return a.first(rules...)
			}
			var sa Sockaddr
			sa.SetBytes(value[:n])
			if r := side(a, fd, &sa); r != noRule {
				return r
			}
			value = value[n:]
		}
		return noRule
	}
}

// anyRemote takes addresses from where no check sees them.
func anyRemote(a *Allow, _ int, _ []byte) Rule { return a.first(ruleRemotePorts, ruleRemoteAddresses) }

// encapsulationPort is where the packets of an association go to as those of UDP.
func encapsulationPort(a *Allow, _ int, value []byte) Rule {
	if len(value) < storageEnd+2 {
		return noRule
	}
	port := binary.BigEndian.Uint16(value[storageEnd:])
	if port == 0 || a.port(ruleRemotePorts, port) {
		return noRule
	}
	return ruleRemotePorts
}

// destination is one more address of the peer of a new association.
func destination(a *Allow, _ int, value []byte) Rule {
	addr, ok := netip.AddrFromSlice(value)
	if !ok {
		return a.first(ruleRemoteAddresses)
	}
	return a.host(ruleRemoteAddresses, addr.Unmap())
}

// describe is what the log says of an option or control message.
func describe(table []optionCheck, level, number int, value []byte) string {
	for i := range table {
		if c := &table[i]; c.level == level && c.number == number {
			return fmt.Sprintf("%s %x", c.name, value)
		}
	}
	return fmt.Sprintf("level %d, option %d, %x", level, number, value)
}

// Carried are the names of the options that a socket may come with, and which are looked at then.
func Carried() (names []string) {
	for i := range optionChecks {
		if optionChecks[i].carried {
			names = append(names, optionChecks[i].name)
		}
	}
	return names
}

// Guarded are the names of all that is checked, for those who test and describe it.
func Guarded() (names []string) {
	for _, call := range []guardedCall{callOpen, callOpenFD, callBind, callListen, callConnect, callSendto, callSendmsg, callSetOption, callGetOption} {
		names = append(names, string(call))
	}
	for _, table := range [][]optionCheck{optionChecks, cmsgChecks} {
		for i := range table {
			names = append(names, table[i].name)
		}
	}
	return names
}
