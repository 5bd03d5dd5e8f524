package dispatch

import (
	"math"

	"gosocket/etf"
	"gosocket/port"
)

// The payload of a large send need not be read. Its frame is served when the head is there, and what comes behind that
// goes from the client's pipe to the socket by splice(2), in which no byte is copied. Where the socket takes no more the
// rest is read, as the chunks of a send are: to be kept, or dropped and asked for again.

const (
	spliceMin = 32 << 10 // from here on a system call costs less than two copies
	headRoom  = 128      // what the heads of most sends have room in
	headMost  = 1 << 10  // what is read of a head at most
	headLooks = 16       // reads that find nothing large before all is read at once again
)

// An inflow is the payload that is taken out of the client's pipe without having been read.
type inflow struct {
	id     uint32 // of the send
	offset int    // of its next byte in the send
	head   int    // the longest head of a large send of late, its length included
	looks  int    // how often a read is for a head only
}

// fill does one read, and tells whether another one is due at once: it was for the head of a frame.
func (s *Server) fill() (again bool, err error) {
	f := &s.inflow
	if f.looks == 0 {
		f.head = 0
		n, err := s.reader.Fill()
		s.consume(n)
		return false, err
	}
	f.looks--
	limit := f.head
	if limit == 0 {
		limit = headRoom
	}
	n, err := s.reader.FillHead(limit)
	s.consume(n)
	return n == limit, err
}

// sawLarge has the next reads look for a head first.
func (s *Server) sawLarge() { s.inflow.looks = headLooks }

// begin serves a frame of which not all has come, when it is for a large send whose payload can be spliced. It tells
// whether it was.
func (s *Server) begin(x *Dispatcher) bool {
	head, rest := s.reader.Begun()
	if rest < spliceMin || x.tracing() {
		return false
	}
	d, begun := &s.d, false
	d.Reset(head)
	d.Version()
	switch n := d.Tuple(); {
	case n == 2 && d.Kind() == etf.KindInt:
		if begun = x.beginSend(d, rest); begun {
			s.inflow.head = min(max(s.inflow.head, port.HeadSize+len(head)-s.inflow.offset), headMost)
		}
	case n == items["chunk"].arity && string(d.Atom()) == "chunk":
		begun = x.beginChunk(d, rest)
	}
	if begun {
		s.reader.Detach()
		s.sawLarge()
	}
	return begun
}

func (x *Dispatcher) beginSend(d *etf.Decoder, rest int) bool {
	id := d.Uint()
	args := &x.args
	*args = *d
	name, n, far := callHead(args)
	if far || string(name) != "send" || n != sendRow.least || id > math.MaxInt32 {
		return false
	}
	if socket := *args; !x.loop.TakesSplice(x.loop.Find(socket.Uint())) {
		return false
	}
	x.server.inflow.id = uint32(id)
	x.cur = call{x, args, uint32(id), n, far, nil, false, rest}
	c := &x.cur
	c.send()
	return c.read
}

func (x *Dispatcher) beginChunk(d *etf.Decoder, rest int) bool {
	socket, id, offset := d.Uint(), uint32(d.Uint()), d.Int()
	data := cutBinary(d, rest)
	if d.Err() != nil || offset != int64(int(offset)) || x.server.home(socket) != x ||
		!x.loop.AwaitsSplice(id, int(offset), len(data)+rest) {
		return false
	}
	if len(data) > 0 {
		x.loop.Chunk(id, int(offset), data)
	}
	x.server.inflow.id, x.server.inflow.offset = id, int(offset)+len(data)
	return true
}

// cutBinary reads a binary with which a frame ends, of which rest bytes have yet to come.
func cutBinary(d *etf.Decoder, rest int) []byte {
	n := d.BinaryHead()
	data := d.Rest()
	if n != len(data)+rest {
		d.Fail(errItem)
	}
	return data
}

// payload reads the data of a send.
func (c *call) payload() []byte {
	if c.rest == 0 {
		return c.d.Binary()
	}
	data := cutBinary(c.d, c.rest)
	c.server.inflow.offset = len(data)
	return data
}

// flow moves on what is there of a payload that is not read.
func (s *Server) flow(x *Dispatcher) error {
	f := &s.inflow
	for s.reader.Rest() > 0 {
		if n := x.loop.Splice(f.id, f.offset, s.in, s.reader.Rest()); n > 0 {
			s.reader.Skip(n)
			s.consume(n)
			f.offset += n
			continue
		}
		p, err := s.reader.ReadRest()
		if len(p) == 0 {
			return err
		}
		s.consume(len(p))
		x.loop.Chunk(f.id, f.offset, p)
		f.offset += len(p)
	}
	return nil
}
