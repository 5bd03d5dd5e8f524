package dispatch

import (
	"encoding/binary"
	"math"

	"gosocket/etf"
)

// An expectation is what a client may expect of the frames that it has sent, by what section 1 and 6 of docs/protocol.md say.
type expectation struct {
	next      uint32         // a number for a request
	sure      map[uint32]int // answers that have to come, by the numbers of requests
	waits     map[uint32]int // and those of calls that may wait
	sockets   map[uint32]uint64
	bad       int  // frames that are none of the protocol
	loose     bool // who waits may have no answer: somebody died, was dropped or had its result handed back
	processes map[string]bool
}

func newExpectation() *expectation {
	return &expectation{next: 1 << 20, sure: map[uint32]int{}, waits: map[uint32]int{}, sockets: map[uint32]uint64{}, processes: map[string]bool{}}
}

// frame reads a frame as the server will, and gives the requests in it numbers of their own, where there is room for them.
func (e *expectation) frame(frame []byte) {
	var d etf.Decoder
	d.Reset(frame)
	d.Version()
	if k := d.Kind(); k == etf.KindList || k == etf.KindNil {
		n := d.List()
		for i := 0; i < n && d.Err() == nil; i++ {
			e.item(frame, &d)
		}
		if n > 0 {
			d.Tail()
		}
	} else {
		e.item(frame, &d)
	}
	if d.Err() != nil || d.Len() > 0 {
		e.bad++
	}
}

func (e *expectation) item(frame []byte, d *etf.Decoder) {
	n := d.Tuple()
	if n < 0 {
		return
	}
	if d.Kind() == etf.KindInt {
		at := d.Offset()
		id := d.Uint()
		if n != 2 || id > math.MaxInt32 {
			d.Fail(errItem)
			return
		}
		call := d.Raw()
		if d.Err() != nil {
			return
		}
		if frame[at] == 98 {
			e.next++
			id = uint64(e.next)
			binary.BigEndian.PutUint32(frame[at+1:], e.next)
		}
		e.request(uint32(id), call)
		return
	}
	name := string(d.Atom())
	read, ok := itemReaders[name]
	if !ok || n != 1+len(read) {
		d.Fail(errItem)
		return
	}
	for _, r := range read {
		r(e, d)
	}
	if d.Err() == nil && (name == "died" || name == "drop" || name == "handback") {
		e.loose = true
	}
}

type itemReader = func(*expectation, *etf.Decoder)

func anInt(_ *expectation, d *etf.Decoder)    { d.Int() }
func aUint(_ *expectation, d *etf.Decoder)    { d.Uint() }
func anAtom(_ *expectation, d *etf.Decoder)   { d.Atom() }
func aBinary(_ *expectation, d *etf.Decoder)  { d.Binary() }
func anything(_ *expectation, d *etf.Decoder) { d.Raw() }

// aFrame reads a frame of the server's.
func aFrame(_ *expectation, d *etf.Decoder) {
	frame := d.Binary()
	if _, _, err := returned(frame); err != nil {
		d.Fail(errItem)
	}
}

// itemReaders are what each item has behind its name.
var itemReaders = map[string][]itemReader{
	"chunk":      {aUint, aUint, anInt, aBinary},
	"debug":      {anAtom, anAtom},
	"died":       {anything},
	"delivered":  {aUint},
	"handback":   {aUint, aFrame},
	"send_ahead": {aUint, aBinary},
	"took":       {aUint, aUint, aUint, aUint, aUint},
	"arrived":    {aUint, aUint},
	"drop":       {aUint, aUint},
	"ping":       {anything},
	"clock":      {anything},
}

// request notes what is to come for a call.
func (e *expectation) request(id uint32, call []byte) {
	var d etf.Decoder
	d.Reset(call)
	name, args, _ := callHead(&d)
	row, ok := calls[string(name)]
	switch string(name) {
	case "accept", "recv", "recvfrom", "recvmsg", "send", "sendto", "sendmsg", "connect":
		e.waits[id]++
		first := d
		e.sockets[id] = first.Uint()
	default:
		e.sure[id]++
	}
	if !ok || args < 1 {
		return
	}
	switch row.of {
	case ofCaller:
		d.Skip()
		fallthrough
	case ofOwner:
		e.process(d.Raw())
	}
	if string(name) == "setopt" && args == 5 { // the option may be controlling_process
		d.Skip()
		d.Skip()
		e.process(d.Raw())
	}
}

// process notes somebody who may own something, or wait.
func (e *expectation) process(term []byte) {
	if len(term) > 0 {
		e.processes[string(term)] = true
	}
}

// answered takes an answer; false when nobody has asked.
func (e *expectation) answered(id uint32) bool {
	for _, m := range []map[uint32]int{e.sure, e.waits} {
		switch m[id] {
		case 0:
			continue
		case 1:
			delete(m, id)
		default:
			m[id]--
		}
		return true
	}
	return false
}
