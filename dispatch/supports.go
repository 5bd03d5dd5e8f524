package dispatch

import (
	"gosocket/etf"
	"gosocket/socketcore"
)

// supportKeys are the arguments of supports and is_supported: atoms, or what no key is.
type supportKeys struct {
	names [3]string
	n     int
}

func (c *call) supportKeys() (k supportKeys) {
	for range c.args {
		k.names[k.n] = string(atomOf(c.d.Raw()))
		k.n++
	}
	return k
}

// supports serves {supports}, {supports, Key1} and {supports, Key1, Key2}.
func (c *call) supports() {
	k := c.supportKeys()
	c.probe(func(b []byte, p *socketcore.Probe) []byte {
		switch {
		case k.n == 0:
			return appendSupports(b, p)
		case k.n == 1 && k.names[0] == "options":
			return appendLevels(b, p)
		case k.n == 1 && flagsNamed(k.names[0]) != nil:
			return flagsNamed(k.names[0]).append(b, p)
		case k.n == 2 && k.names[0] == "options":
			if l := socketcore.LevelNamed([]byte(k.names[1])); l != nil {
				return appendOptions(b, p, l)
			}
		}
		return etf.AppendNil(b)
	})
}

// isSupported serves {is_supported, Key1}, {is_supported, Key1, Key2} and
// {is_supported, Key1, Key2, Key3}.
func (c *call) isSupported() {
	k := c.supportKeys()
	c.probe(func(b []byte, p *socketcore.Probe) []byte {
		return etf.AppendBool(b, k.ask(p) == socketcore.Yes)
	})
}

func (k *supportKeys) ask(p *socketcore.Probe) socketcore.Answer {
	switch k.n {
	case 1:
		for i := range socketcore.Features {
			if f := &socketcore.Features[i]; f.Name == k.names[0] {
				return p.Feature(f)
			}
		}
	case 2:
		if t := flagsNamed(k.names[0]); t != nil {
			for _, flag := range t.flags {
				if flag.Name == k.names[1] {
					return t.ask(p, flag)
				}
			}
		}
	case 3:
		if l := socketcore.LevelNamed([]byte(k.names[1])); l != nil && k.names[0] == "options" {
			for i := range l.Options {
				if o := &l.Options[i]; o.Name == k.names[2] {
					return p.Option(o)
				}
			}
		}
	}
	return socketcore.No
}

// probe answers {ok, Value} with what f appends. Probing may wait for the kernel to load a
// module, so it is not done on the loop.
func (c *call) probe(f func(b []byte, p *socketcore.Probe) []byte) {
	if !c.good() {
		return
	}
	x, id := c.Dispatcher, c.id
	go func() {
		var p socketcore.Probe
		value := f(nil, &p)
		x.loop.Post(func() {
			start := x.begin(id)
			x.out = etf.AppendRaw(appendOK(x.out), value)
			x.end(start)
		})
	}()
}

// flagTable is a list of flags that supports/1 knows by name.
type flagTable struct {
	name  string
	flags []socketcore.Name
	ask   func(*socketcore.Probe, socketcore.Name) socketcore.Answer
}

var flagTables = []flagTable{
	{"send_flags", socketcore.SendFlags, (*socketcore.Probe).SendFlag},
	{"recv_flags", socketcore.RecvFlags, (*socketcore.Probe).RecvFlag},
}

func flagsNamed(name string) *flagTable {
	for i := range flagTables {
		if flagTables[i].name == name {
			return &flagTables[i]
		}
	}
	return nil
}

func (t *flagTable) append(b []byte, p *socketcore.Probe) []byte {
	b = etf.AppendList(b, len(t.flags))
	for _, flag := range t.flags {
		b = appendAnswer(b, flag.Name, t.ask(p, flag))
	}
	return etf.AppendNil(b)
}

// supportLevels is how many levels the man page has a list for; that of packet sockets, which
// comes behind them, is told when it is asked for.
const supportLevels = 6

func appendSupports(b []byte, p *socketcore.Probe) []byte {
	b = etf.AppendList(b, 1+len(flagTables)+len(socketcore.Features))
	b = appendLevels(etf.AppendAtom(etf.AppendTuple(b, 2), "options"), p)
	for i := range flagTables {
		b = flagTables[i].append(etf.AppendAtom(etf.AppendTuple(b, 2), flagTables[i].name), p)
	}
	for i := range socketcore.Features {
		f := &socketcore.Features[i]
		b = appendAnswer(b, f.Name, p.Feature(f))
	}
	return etf.AppendNil(b)
}

func appendLevels(b []byte, p *socketcore.Probe) []byte {
	b = etf.AppendList(b, supportLevels)
	for _, l := range socketcore.Levels[:supportLevels] {
		b = appendOptions(etf.AppendAtom(etf.AppendTuple(b, 2), l.Name), p, l)
	}
	return etf.AppendNil(b)
}

// appendOptions appends the options of a level in the order of their table, each once.
func appendOptions(b []byte, p *socketcore.Probe, l *socketcore.Level) []byte {
	n := 0
	for i := range l.Options {
		if l.IsFirst(&l.Options[i]) {
			n++
		}
	}
	b = etf.AppendList(b, n)
	for i := range l.Options {
		if o := &l.Options[i]; l.IsFirst(o) {
			b = appendAnswer(b, o.Name, p.Option(o))
		}
	}
	return etf.AppendNil(b)
}

func appendAnswer(b []byte, name string, a socketcore.Answer) []byte {
	b = etf.AppendAtom(etf.AppendTuple(b, 2), name)
	return etf.AppendBool(b, a == socketcore.Yes)
}
