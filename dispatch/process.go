package dispatch

import "gosocket/etf"

// process reads the argument that says who asks. An integer stands for a pid of the form that the client's hello
// gave: a request without the name of its node is short. The bytes are good until the next request.
func (c *call) process() []byte {
	form := c.server.pids.Load()
	if form == nil || c.d.Kind() != etf.KindInt {
		return c.d.Raw()
	}
	numbers := c.d.Uint()
	if !c.good() {
		return nil
	}
	c.pid = form.Append(c.pid[:0], numbers)
	return c.pid
}
