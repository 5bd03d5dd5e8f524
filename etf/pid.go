package etf

import "encoding/binary"

// PidForm is what the pids of one node have in common, in the form of NEW_PID_EXT. The zero value is no form.
type PidForm struct{ head, tail []byte }

// pidNumbers is the size of what tells the pids of a node apart: ID and serial, 32 bits each.
const pidNumbers = 8

// FormOf returns the form of a pid, given as its term; false when it is no NEW_PID_EXT.
func FormOf(pid []byte) (PidForm, bool) {
	const creation = 4
	var d Decoder
	d.Reset(pid)
	if len(pid) == 0 || pid[0] != tagNewPid || len(d.Raw()) != len(pid) {
		return PidForm{}, false
	}
	b := append([]byte(nil), pid...)
	at := len(b) - creation - pidNumbers
	return PidForm{b[:at], b[at+pidNumbers:]}, true
}

// Append appends the pid whose ID and serial are the upper and the lower half of numbers.
func (f *PidForm) Append(b []byte, numbers uint64) []byte {
	return append(binary.BigEndian.AppendUint64(append(b, f.head...), numbers), f.tail...)
}
