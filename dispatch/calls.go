package dispatch

import (
	"maps"
	"slices"

	"gosocket/etf"
	"gosocket/socketcore"
)

// callSpec is one call of the protocol: how many arguments it takes, what they begin with, and who
// serves it.
type callSpec struct {
	least, most int
	of          subject
	serve       func(c *call)
}

// callRow has the number of the call, too: its place in callNames.
type callRow struct {
	callSpec
	number int
}

// subject is what the arguments of a call begin with.
type subject uint8

const (
	ofNobody subject = iota
	ofOwner          // the process for which a socket is to be made
	ofSocket
	ofCaller // a socket, then the process that calls
)

// calls is the table of section 1 of docs/protocol.md.
var calls map[string]callRow

// callNames are the calls of the protocol in order.
var callNames []string

func init() {
	specs := map[string]callSpec{
		"hello":    {1, 1, ofNobody, (*call).hello},
		"open":     {5, 5, ofOwner, (*call).open},
		"openfd":   {3, 3, ofOwner, (*call).openFD},
		"bind":     {2, 3, ofSocket, (*call).bind},
		"connect":  {2, 5, ofCaller, (*call).connect},
		"listen":   {2, 2, ofSocket, (*call).listen},
		"accept":   {4, 4, ofCaller, (*call).accept},
		"recv":     {6, 6, ofCaller, (*call).recv},
		"recvfrom": {6, 6, ofCaller, (*call).recvfrom},
		"recvmsg":  {7, 7, ofCaller, (*call).recvmsg},
		"send":     {7, 7, ofCaller, (*call).send},
		"sendto":   {8, 8, ofCaller, (*call).sendto},
		"sendmsg":  {9, 9, ofCaller, (*call).sendmsg},
		"close":    {2, 2, ofCaller, (*call).close},
		"shutdown": {2, 2, ofSocket, (*call).shutdown},
		"sockname": {1, 1, ofSocket, (*call).sockname},
		"peername": {1, 1, ofSocket, (*call).peername},
		"getopt":   {3, 3, ofSocket, (*call).getopt},
		"setopt":   {5, 5, ofCaller, (*call).setopt},
		"info":     {1, 1, ofSocket, (*call).info},
		"closefd":  {2, 2, ofSocket, (*call).closeFD},
		"cancel":   {3, 3, ofCaller, (*call).cancel},

		"supports":     {0, 2, ofNobody, (*call).supports},
		"is_supported": {1, 3, ofNobody, (*call).isSupported},
		"statistics":   {0, 0, ofNobody, (*call).statistics},
	}
	callNames = slices.Sorted(maps.Keys(specs))
	calls = make(map[string]callRow, len(specs))
	for i, name := range callNames {
		calls[name] = callRow{specs[name], i}
	}
	recvNumber, sendNumber = calls["recv"].number, calls["send"].number
}

// Numbers of the calls that are served without the table as well.
var recvNumber, sendNumber int

// socket reads a socket argument; nil stands for one that is closed.
func (c *call) socket() *socketcore.Socket { return c.loop.Find(c.d.Uint()) }

// good tells whether the arguments read so far had the types they must have.
func (c *call) good() bool { return c.d.Err() == nil }

// hello serves {hello, Opts}: the frames that the client can do without.
func (c *call) hello() {
	want := c.server.features()
	fields := map[string]*bool{
		"watch": &want.watch, "delivered": &want.delivered, "consumed": &want.consumed, "closed": &want.closed,
		"batch": &want.batch, "ahead": &want.ahead,
	}
	var pids *etf.PidForm
	fits := true
	for range c.d.Map() {
		key := string(c.d.Atom())
		if key == "process" {
			form, ok := etf.FormOf(c.d.Raw())
			if pids = &form; !ok {
				fits = false
			}
			continue
		}
		value := string(c.d.Atom())
		if field := fields[key]; field != nil {
			*field = value == "true"
			fits = fits && (*field || value == "false")
		}
	}
	switch {
	case !c.good():
		return
	case !fits:
		c.answer(badarg())
		return
	}
	if pids != nil {
		c.server.pids.Store(pids)
	}
	c.server.setFeatures(want)
	c.answer(accept)
}

func (c *call) bind() {
	s := c.socket()
	if c.args == 3 {
		c.bindMore(s)
		return
	}
	domain := socketcore.FamilyInet
	if s != nil {
		domain = s.Domain()
	}
	v := decodeBindAddr(c.d, domain, &c.to)
	switch {
	case !c.good():
		return
	case !v.ok(): // on a closed socket, too
		c.answer(v)
		return
	case s == nil:
		c.answerCode(socketcore.Closed)
		return
	}
	if code := s.Bind(&c.to); code != 0 {
		c.answerCode(code)
		return
	}
	if code := s.Sockname(&c.to); code != 0 {
		c.answerCode(code)
		return
	}
	start := c.begin(c.id)
	c.out = etf.AppendInt(appendOK(c.out), int64(boundPort(&c.to)))
	c.end(start)
}

// boundPort is what bind answers: the port, 0 where addresses have none.
func boundPort(sa *socketcore.Sockaddr) uint16 {
	if _, port, ok := sa.Inet(); ok {
		return port
	}
	_, port, _, _, _ := sa.Inet6()
	return port
}

// bindMore serves bind/3, which adds addresses to an SCTP socket or takes them away.
func (c *call) bindMore(s *socketcore.Socket) {
	addrs := c.d.Raw()
	action := string(c.d.Atom())
	if !c.good() {
		return
	}
	if action != "add" && action != "remove" {
		c.badarg()
		return
	}
	domain := socketcore.FamilyInet
	if s != nil {
		domain = s.Domain()
	}
	packed, v := packAddrs(addrs, domain, &c.to)
	switch {
	case v.kind == raised || !v.ok() && s == nil:
		c.answer(v)
	case s == nil:
		c.answerCode(socketcore.Closed)
	case !s.SCTP():
		c.answer(refuse(socketcore.ENOTSUP))
	case !v.ok():
		c.answer(v)
	default:
		c.answerCode(s.BindMore(packed, action == "add"))
	}
}

// packAddrs reads a list of addresses and puts them one behind the other.
func packAddrs(list []byte, domain int, sa *socketcore.Sockaddr) (packed []byte, v verdict) {
	var d etf.Decoder
	d.Reset(list)
	switch d.Kind() {
	case etf.KindNil:
		return nil, accept
	case etf.KindList:
	default:
		return nil, badarg()
	}
	for range d.List() {
		bad := decodeBindAddr(&d, domain, sa)
		if bad.kind > v.kind {
			v = bad
		}
		packed = append(packed, sa.Bytes()...)
	}
	if d.Kind() != etf.KindNil {
		return nil, badarg()
	}
	return packed, v
}

func (c *call) listen() {
	s := c.socket()
	backlog := c.d.Int()
	switch {
	case !c.good():
	case s == nil:
		c.answerCode(socketcore.Closed)
	default:
		c.answerCode(s.Listen(int(backlog)))
	}
}

func (c *call) shutdown() {
	s := c.socket()
	how := c.d.Raw()
	n, ok := socketcore.ValueOf(shutdownHow, atomOf(how))
	switch {
	case !c.good():
	case !ok:
		c.answer(invalid("how", how))
	case s == nil:
		c.answerCode(socketcore.Closed)
	default:
		c.answerCode(c.loop.Shutdown(s, n))
	}
}

var shutdownHow = []socketcore.Name{{Name: "read", Value: 0}, {Name: "write", Value: 1}, {Name: "read_write", Value: 2}}

func (c *call) sockname() { c.name((*socketcore.Socket).Sockname) }

func (c *call) peername() { c.name((*socketcore.Socket).Peername) }

func (c *call) name(ask func(*socketcore.Socket, *socketcore.Sockaddr) socketcore.Code) {
	s := c.socket()
	if !c.good() {
		return
	}
	code := socketcore.Closed
	if s != nil {
		code = ask(s, &c.to)
	}
	if code != 0 {
		c.answerCode(code)
		return
	}
	start := c.begin(c.id)
	c.out = appendName(c.out, &c.to)
	c.end(start)
}

func (c *call) close() {
	s := c.socket()
	c.d.Skip()
	switch {
	case !c.good():
	case s == nil:
		c.answerCode(socketcore.Closed)
	default:
		x, id := c.Dispatcher, c.id
		c.loop.Close(s, func() {
			start := x.begin(id)
			x.out = appendCode(x.out, 0)
			x.end(start)
		})
	}
}

// closeFD serves {closefd, Socket, FD}: a descriptor that came through the socket is not wanted.
func (c *call) closeFD() {
	s, fd := c.socket(), c.d.Int()
	switch {
	case !c.good():
	case s == nil:
		c.answerCode(socketcore.Closed)
	default:
		c.answerCode(s.CloseReceived(int(fd)))
	}
}

func (c *call) getopt() {
	s := c.socket()
	args := *c.d
	if string(atomOf(args.Raw())) == otpLevel {
		c.d.Skip()
		c.getOTP(s)
		return
	}
	start := c.begin(c.id)
	c.out = appendGetopt(c.out, optionOf(s), c.d)
	c.endUnlessBad(start)
}

func (c *call) setopt() {
	s := c.socket()
	process := c.process()
	args := *c.d
	if string(atomOf(args.Raw())) == otpLevel {
		c.d.Skip()
		c.setOTP(s, process)
		return
	}
	start := c.begin(c.id)
	c.out = appendSetopt(c.out, optionOf(s), c.d)
	c.endUnlessBad(start)
}

// endUnlessBad completes a reply, or takes it back when the arguments could not be read.
func (c *call) endUnlessBad(start int) {
	if !c.good() {
		c.out = c.out[:start]
		return
	}
	c.end(start)
}

// closedSocket is what options see of a socket that is gone.
type closedSocket struct{}

func (closedSocket) FD() int          { return -1 }
func (closedSocket) Domain() int      { return socketcore.FamilyUnspec }
func (closedSocket) Type() int        { return 0 }
func (closedSocket) Protocol() int    { return 0 }
func (closedSocket) Closed() bool     { return true }
func (closedSocket) Touch(int, int)   {}
func (closedSocket) Receive(int) bool { return false }

func (closedSocket) Permit(int, int, []byte, bool) socketcore.Errno { return 0 }

func optionOf(s *socketcore.Socket) optionSocket {
	if s == nil {
		return closedSocket{}
	}
	return s
}
