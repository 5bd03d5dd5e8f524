package dispatch

import (
	"bytes"

	"gosocket/etf"
	"gosocket/socketcore"
)

const otpLevel = "otp"

// otpRow is one option of level otp: what only we and the caller know of a socket. A row
// without set is known but cannot be set.
type otpRow struct {
	get func(b []byte, s *socketcore.Socket) []byte
	set func(c *call, s *socketcore.Socket, value []byte) (fits bool, v verdict)
	// owner says that only the controlling process may set it.
	owner bool
}

var otpOptions map[string]otpRow

func init() {
	otpOptions = map[string]otpRow{
		"debug":               {get: getFlag(debugOf), set: setFlag((*socketcore.Socket).SetDebug)},
		"iow":                 {get: getFlag(iowOf), set: setFlag(func(s *socketcore.Socket, on bool) { s.Iow = on })},
		"use_registry":        {get: getFlag(registryOf)},
		"rcvctrlbuf":          {get: getSize(rcvCtrlOf), set: setSize(rcvCtrlOf)},
		"sndctrlbuf":          {get: getSize(sndCtrlOf), set: setSize(sndCtrlOf)},
		"rcvbuf":              {get: getRcvBuf, set: setRcvBuf},
		"controlling_process": {get: getOwner, set: setOwner, owner: true},
		"meta":                {get: getMeta, set: setMeta, owner: true},
		"fd":                  {get: func(b []byte, s *socketcore.Socket) []byte { return etf.AppendInt(b, int64(s.FD())) }},
		"domain":              {get: func(b []byte, s *socketcore.Socket) []byte { return appendName1(b, socketcore.Domains, s.Domain()) }},
		"type":                {},
		"protocol":            {},
	}
}

func debugOf(s *socketcore.Socket) *bool    { return &s.Debug }
func iowOf(s *socketcore.Socket) *bool      { return &s.Iow }
func registryOf(s *socketcore.Socket) *bool { return &s.UseRegistry }
func rcvCtrlOf(s *socketcore.Socket) *int   { return &s.RcvCtrlBuf }
func sndCtrlOf(s *socketcore.Socket) *int   { return &s.SndCtrlBuf }

func getFlag(of func(*socketcore.Socket) *bool) func([]byte, *socketcore.Socket) []byte {
	return func(b []byte, s *socketcore.Socket) []byte { return etf.AppendBool(b, *of(s)) }
}

func setFlag(change func(s *socketcore.Socket, on bool)) func(*call, *socketcore.Socket, []byte) (bool, verdict) {
	return func(_ *call, s *socketcore.Socket, value []byte) (bool, verdict) {
		name := string(atomOf(value))
		if name != "true" && name != "false" {
			return false, accept
		}
		if s != nil {
			change(s, name == "true")
		}
		return true, accept
	}
}

func getSize(of func(*socketcore.Socket) *int) func([]byte, *socketcore.Socket) []byte {
	return func(b []byte, s *socketcore.Socket) []byte { return etf.AppendInt(b, int64(*of(s))) }
}

// defaults for sizes that are set to 0 or default.
var defaultSettings = socketcore.Socket{Settings: socketcore.DefaultSettings}

func setSize(of func(*socketcore.Socket) *int) func(*call, *socketcore.Socket, []byte) (bool, verdict) {
	return func(_ *call, s *socketcore.Socket, value []byte) (bool, verdict) {
		n, ok := sizeOf(value)
		if ok && s != nil {
			if n == 0 {
				n = *of(&defaultSettings)
			}
			*of(s) = n
		}
		return ok, accept
	}
}

// sizeOf reads a size; 0 stands for the default.
func sizeOf(value []byte) (int, bool) {
	if string(atomOf(value)) == "default" {
		return 0, true
	}
	n, ok := uintOf(value, 1<<31-1)
	return int(n), ok
}

func getRcvBuf(b []byte, s *socketcore.Socket) []byte {
	if s.RcvCount == 0 {
		return etf.AppendInt(b, int64(s.RcvBuf))
	}
	b = etf.AppendInt(etf.AppendTuple(b, 2), int64(s.RcvCount))
	return etf.AppendInt(b, int64(s.RcvBuf))
}

func setRcvBuf(_ *call, s *socketcore.Socket, value []byte) (bool, verdict) {
	count, size := 0, value
	if kindOf(value) == etf.KindTuple {
		var d etf.Decoder
		d.Reset(value)
		if d.Tuple() != 2 {
			return false, accept
		}
		n, ok := uintOf(d.Raw(), 1<<31-1)
		if !ok || n == 0 {
			return false, accept
		}
		count, size = int(n), d.Raw()
		if kindOf(size) != etf.KindInt {
			return false, accept
		}
	}
	n, ok := sizeOf(size)
	if !ok || count > 0 && n == 0 {
		return false, accept
	}
	if s != nil {
		if n == 0 {
			n = socketcore.DefaultSettings.RcvBuf
		}
		s.RcvBuf, s.RcvCount = n, count
	}
	return true, accept
}

func getOwner(b []byte, s *socketcore.Socket) []byte { return appendOwner(b, s) }

func appendOwner(b []byte, s *socketcore.Socket) []byte {
	if owner := s.Owner(); owner != nil {
		return etf.AppendRaw(b, owner)
	}
	return etf.AppendAtom(b, "undefined")
}

func setOwner(c *call, s *socketcore.Socket, value []byte) (bool, verdict) {
	if kindOf(value) != etf.KindPid {
		return false, accept
	}
	if s != nil {
		c.loop.SetOwner(s, value)
	}
	return true, accept
}

func getMeta(b []byte, s *socketcore.Socket) []byte {
	if s.Meta == nil {
		return etf.AppendAtom(b, "undefined")
	}
	return etf.AppendRaw(b, s.Meta)
}

func setMeta(_ *call, s *socketcore.Socket, value []byte) (bool, verdict) {
	if s != nil {
		s.Meta = bytes.Clone(value)
	}
	return true, accept
}

// getOTP serves getopt at level otp, with the decoder at the option.
func (c *call) getOTP(s *socketcore.Socket) {
	key := c.d.Raw()
	if !c.good() {
		return
	}
	row, known := otpOptions[string(atomOf(key))]
	switch {
	case kindOf(key) != etf.KindAtom:
		c.answer(refuse(socketcore.EINVAL))
	case !known:
		c.answer(invalid("not_supported", etf.AppendAtom(nil, otpLevel), key))
	case s == nil:
		c.answerCode(socketcore.Closed)
	case row.get == nil:
		c.answer(refuse(socketcore.EINVAL))
	default:
		start := c.begin(c.id)
		c.out = row.get(appendOK(c.out), s)
		c.end(start)
	}
}

// setOTP serves setopt at level otp, with the decoder at the option.
func (c *call) setOTP(s *socketcore.Socket, process []byte) {
	key, value := c.d.Raw(), c.d.Raw()
	if !c.good() {
		return
	}
	level := etf.AppendAtom(nil, otpLevel)
	row, known := otpOptions[string(atomOf(key))]
	if !known {
		c.answer(invalid("not_supported", level, key))
		return
	}
	if row.set == nil {
		c.answer(refuse(socketcore.EINVAL))
		return
	}
	use := s
	if row.owner && s != nil && !bytes.Equal(s.Owner(), process) {
		use = nil // checked, but not set
	}
	fits, v := row.set(c, use, value)
	switch {
	case !fits:
		c.answer(invalid("not_supported", level, key, value))
	case s == nil:
		c.answerCode(socketcore.Closed)
	case use == nil:
		c.answer(refuseWith("not_owner"))
	default:
		c.answer(v)
	}
}
