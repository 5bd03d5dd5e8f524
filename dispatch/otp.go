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
	// flag says of a row without set that only a boolean is einval: any other value is of the wrong type.
	flag bool
}

var otpOptions map[string]otpRow

func init() {
	otpOptions = map[string]otpRow{
		"debug":               {get: getFlag(debugOf), set: setFlag((*socketcore.Socket).SetDebug)},
		"iow":                 {get: getFlag(iowOf), set: setFlag(func(s *socketcore.Socket, on bool) { s.Iow = on })},
		"use_registry":        {get: getFlag(registryOf), flag: true},
		"rcvctrlbuf":          {get: getSize(rcvCtrlOf), set: setSize(rcvCtrlOf, false)},
		"sndctrlbuf":          {get: getSize(sndCtrlOf), set: setSize(sndCtrlOf, false)},
		"max_received_fds":    {get: getSize(receivedOf), set: setSize(receivedOf, true)},
		"receive_ahead":       {get: getSize(aheadOf), set: upTo(socketcore.DefaultSettings.ReceiveAhead, setSize(aheadOf, true))},
		"send_ahead":          {get: getSize(sendAheadOf), set: setSizeBy(sendAheadAtFirst, true, setSendAhead)},
		"rcvbuf":              {get: getRcvBuf, set: setRcvBuf},
		"controlling_process": {get: getOwner, set: setOwner, owner: true},
		"meta":                {get: getMeta, set: setMeta, owner: true},
		"fd":                  {get: func(b []byte, s *socketcore.Socket) []byte { return etf.AppendInt(b, int64(s.FD())) }},
		"domain":              {get: func(b []byte, s *socketcore.Socket) []byte { return appendName1(b, socketcore.Domains, s.Domain()) }},
	}
}

func debugOf(s *socketcore.Socket) *bool    { return &s.Debug }
func iowOf(s *socketcore.Socket) *bool      { return &s.Iow }
func registryOf(s *socketcore.Socket) *bool { return &s.UseRegistry }
func rcvCtrlOf(s *socketcore.Socket) *int   { return &s.RcvCtrlBuf }
func sndCtrlOf(s *socketcore.Socket) *int   { return &s.SndCtrlBuf }

func sendAheadOf(s *socketcore.Socket) *int { return &s.SendAhead }

func aheadOf(s *socketcore.Socket) *int { return &s.ReceiveAhead }

func receivedOf(s *socketcore.Socket) *int { return &s.MaxReceivedFDs }

func getFlag(of func(*socketcore.Socket) *bool) func([]byte, *socketcore.Socket) []byte {
	return func(b []byte, s *socketcore.Socket) []byte { return etf.AppendBool(b, *of(s)) }
}

func setFlag(change func(s *socketcore.Socket, on bool)) func(*call, *socketcore.Socket, []byte) (bool, verdict) {
	return func(_ *call, s *socketcore.Socket, value []byte) (bool, verdict) {
		fits := isFlag(value)
		if fits && s != nil {
			change(s, string(atomOf(value)) == "true")
		}
		return fits, accept
	}
}

func isFlag(value []byte) bool {
	name := string(atomOf(value))
	return name == "true" || name == "false"
}

func getSize(of func(*socketcore.Socket) *int) func([]byte, *socketcore.Socket) []byte {
	return func(b []byte, s *socketcore.Socket) []byte { return etf.AppendInt(b, int64(*of(s))) }
}

// defaults for sizes that are set to 0 or default.
var defaultSettings = socketcore.Socket{Settings: socketcore.DefaultSettings}

// setSize sets a size. None (0) may be one; otherwise it stands for the default, as that word does.
func setSize(of func(*socketcore.Socket) *int, none bool) func(*call, *socketcore.Socket, []byte) (bool, verdict) {
	return setSizeBy(func(*call) int { return *of(&defaultSettings) }, none, func(_ *call, s *socketcore.Socket, n int) { *of(s) = n })
}

// upTo refuses sizes above one that are of the right type.
func upTo(most int, set func(*call, *socketcore.Socket, []byte) (bool, verdict)) func(*call, *socketcore.Socket, []byte) (bool, verdict) {
	return func(c *call, s *socketcore.Socket, value []byte) (bool, verdict) {
		if n, ok, v := sizeOf(value); ok && v.ok() && n > most {
			return true, refuse(socketcore.EINVAL)
		}
		return set(c, s, value)
	}
}

func setSizeBy(initial func(*call) int, none bool, set func(*call, *socketcore.Socket, int)) func(*call, *socketcore.Socket, []byte) (bool, verdict) {
	return func(c *call, s *socketcore.Socket, value []byte) (bool, verdict) {
		n, ok, v := sizeOf(value)
		if ok && v.ok() && s != nil {
			if n == 0 && (!none || string(atomOf(value)) == "default") {
				n = initial(c)
			}
			set(c, s, n)
		}
		return ok, v
	}
}

func sendAheadAtFirst(c *call) int { return c.server.cfg.SendAhead }

func setSendAhead(c *call, s *socketcore.Socket, n int) { c.loop.SetSendAhead(s, n) }

// sizeOf reads a size; 0 stands for the default. One above int32 is of the right type, but einval.
func sizeOf(value []byte) (n int, ok bool, v verdict) {
	if string(atomOf(value)) == "default" {
		return 0, true, accept
	}
	var d etf.Decoder
	d.Reset(value)
	size := d.Natural()
	if size > 1<<31-1 {
		return 0, d.Err() == nil, refuse(socketcore.EINVAL)
	}
	return int(size), d.Err() == nil, accept
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
	n, ok, v := sizeOf(size)
	if !ok || count > 0 && n == 0 && v.kind == accepted {
		return false, accept
	}
	if s != nil && v.kind == accepted {
		if n == 0 {
			n = socketcore.DefaultSettings.RcvBuf
		}
		s.RcvBuf, s.RcvCount = n, count
	}
	return true, v
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

func setMeta(c *call, s *socketcore.Socket, value []byte) (bool, verdict) {
	if s != nil {
		c.server.memory.add(len(s.Meta))
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
		switch {
		case row.flag && !isFlag(value):
			c.answer(invalid("not_supported", level, key, value))
		case row.flag && s == nil:
			c.answerCode(socketcore.Closed)
		default:
			c.answer(refuse(socketcore.EINVAL))
		}
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
