package dispatch

import (
	"gosocket/etf"
	"gosocket/socketcore"
)

// counterNames are socket_counters() of the man page in the order of Socket.Counters.
var counterNames = [socketcore.NumCounters]string{
	"read_byte", "read_fails", "read_pkg", "read_pkg_max", "read_tries", "read_waits",
	"write_byte", "write_fails", "write_pkg", "write_pkg_max", "write_tries", "write_waits",
	"acc_success", "acc_fails", "acc_tries", "acc_waits",
}

// info serves info/1.
func (c *call) info() {
	s := c.socket()
	if !c.good() {
		return
	}
	if s == nil {
		c.answerCode(socketcore.Closed)
		return
	}
	start := c.begin(c.id)
	c.out = appendInfo(appendOK(c.out), s)
	c.end(start)
}

// appendInfo appends socket_info() of the man page.
func appendInfo(b []byte, s *socketcore.Socket) []byte {
	b = etf.AppendMap(b, 11)
	b = appendName1(etf.AppendAtom(b, "domain"), socketcore.Domains, s.Domain())
	b = appendName1(etf.AppendAtom(b, "type"), socketcore.Types, s.Type())
	b = appendName1(etf.AppendAtom(b, "protocol"), protocolsOf(s.Domain()), s.Protocol())
	b = appendOwner(etf.AppendAtom(b, "ctrl"), s)
	b = appendCType(etf.AppendAtom(b, "ctype"), s.CType)
	b = etf.AppendMap(etf.AppendAtom(b, "counters"), len(counterNames))
	for i, name := range counterNames {
		b = etf.AppendUint(etf.AppendAtom(b, name), s.Counters[i])
	}
	for _, n := range []struct {
		key   string
		value int
	}{{"num_readers", s.Readers()}, {"num_writers", s.Writers()}, {"num_acceptors", s.Acceptors()}} {
		b = etf.AppendInt(etf.AppendAtom(b, n.key), int64(n.value))
	}
	b = etf.AppendBool(etf.AppendAtom(b, "readable"), s.Readable())
	return etf.AppendBool(etf.AppendAtom(b, "writable"), s.Writable())
}

// protocolsOf are those that info/1 names; others are numbers there, and so is the EtherType of
// a packet socket.
func protocolsOf(domain int) []socketcore.Name {
	if socketcore.IsPacket(domain) {
		return nil
	}
	return socketcore.Protocols[:4]
}

// appendName1 appends the name of a number, or the number.
func appendName1(b []byte, table []socketcore.Name, value int) []byte {
	if name, ok := socketcore.NameOf(table, value); ok {
		return etf.AppendAtom(b, name)
	}
	return etf.AppendInt(b, int64(value))
}

func appendCType(b []byte, ctype int) []byte {
	switch ctype {
	case 0:
		return etf.AppendAtom(b, "normal")
	case 1:
		return etf.AppendAtom(b, "fromfd")
	}
	return etf.AppendInt(etf.AppendAtom(etf.AppendTuple(b, 2), "fromfd"), int64(ctype-2))
}
