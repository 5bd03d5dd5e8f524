package dispatch

import (
	"gosocket/etf"
	"gosocket/socketcore"
)

// decodeFlags reads a list of flags of the table (socketcore.SendFlags and RecvFlags).
// Anything but a list is badarg, the first unknown flag raises {invalid, {flag, Flag}}, and
// only the end of a list without one can be wrong.
func decodeFlags(d *etf.Decoder, table []socketcore.Name) (bits int, bad verdict) {
	switch d.Kind() {
	case etf.KindString: // small integers; the first is told
		if numbers := d.Bytes(nil); len(numbers) > 0 {
			var flag [8]byte
			bad = invalid("flag", etf.AppendUint(flag[:0], uint64(numbers[0])))
		}
		return 0, bad
	case etf.KindNil:
		d.Tail()
		return 0, accept
	case etf.KindList:
	default:
		d.Skip()
		return 0, badarg()
	}
	for range d.List() {
		flag := d.Raw()
		if bit, ok := flagOf(flag, table); ok {
			bits |= bit
		} else if bad.ok() {
			bad = invalid("flag", flag)
		}
	}
	if d.Kind() != etf.KindNil && bad.ok() {
		bad = raise("function_clause")
	}
	d.Skip()
	return bits, bad
}

func flagOf(term []byte, table []socketcore.Name) (bit int, ok bool) {
	name := atomOf(term)
	for i := range table {
		if table[i].Name == string(name) {
			return int(table[i].Value), true
		}
	}
	return 0, false
}

// appendMsgFlags appends what recvmsg(2) said about a message, as msghdr_flags().
func appendMsgFlags(b []byte, bits int) []byte {
	n := 0
	for i := range socketcore.MsgFlags {
		if bits&int(socketcore.MsgFlags[i].Value) != 0 {
			n++
		}
	}
	b = etf.AppendList(b, n)
	for i := range socketcore.MsgFlags {
		if bits&int(socketcore.MsgFlags[i].Value) != 0 {
			b = etf.AppendAtom(b, socketcore.MsgFlags[i].Name)
		}
	}
	return etf.AppendNil(b)
}
