package dispatch

import "gosocket/etf"

// process reads the argument that says who asks. An integer stands for a pid of the form that the client's hello
// gave: a request without the name of its node is short. The bytes are good until the next request.
func (x *Dispatcher) process(d *etf.Decoder) []byte {
	form := x.server.pids.Load()
	if form == nil || d.Kind() != etf.KindInt {
		return d.Raw()
	}
	numbers := d.Uint()
	if d.Err() != nil {
		return nil
	}
	x.pid = form.Append(x.pid[:0], numbers)
	return x.pid
}

func (c *call) process() []byte { return c.Dispatcher.process(c.d) }
