package socketcore

// Sends ahead of one socket that a client hands over in one go leave with one system call: the small ones are joined while
// nothing else is asked of the loop.

const (
	gatherMax   = 32 << 10
	gatherPiece = 8 << 10 // what is larger goes alone, and is not copied
)

// A gathering is what has been joined of one socket, and has yet to be sent.
type gathering struct {
	s     *Socket
	first []byte // the only one, in the caller's buffer
	data  []byte // of several
	ends  []int  // of each of them, in data
}

func (g *gathering) size() int {
	if len(g.ends) == 0 {
		return 0
	}
	return g.ends[len(g.ends)-1]
}

// gather joins a send with those before it.
func (l *Loop) gather(s *Socket, data []byte) {
	g := &l.joined
	if g.s != s || g.size()+len(data) > gatherMax {
		l.SendGathered()
	}
	switch g.s = s; len(g.ends) {
	case 0:
		g.first = data
	case 1:
		g.data = append(append(g.data[:0], g.first...), data...)
	default:
		g.data = append(g.data, data...)
	}
	g.ends = append(g.ends, g.size()+len(data))
}

// SendGathered sends what was joined. It goes ahead of whatever else is asked of the loop.
func (l *Loop) SendGathered() {
	g := &l.joined
	switch s := g.s; {
	case s == nil:
		return
	case len(g.ends) == 1:
		l.handOver(s, g.first, nil)
	default:
		l.handOver(s, g.data, g.ends)
	}
	g.s, g.first, g.ends = nil, nil, g.ends[:0]
}

// countEnds counts the sends of a gathering that the kernel has taken whole.
func (l *Loop) countEnds(o *Op) {
	for o.whole < len(o.ends) && o.Taken >= o.ends[o.whole] {
		size := o.ends[o.whole]
		if o.whole > 0 {
			size -= o.ends[o.whole-1]
		}
		o.sock.countSent(size)
		o.whole++
	}
}
