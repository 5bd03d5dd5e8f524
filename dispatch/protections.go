package dispatch

import (
	"gosocket/etf"
	"gosocket/socketcore"
)

// Protections say what the program has given up before its server began, for the hello.
type Protections struct {
	NoNewPrivs   bool
	Capabilities []string // those that are effective
	SystemCalls  bool     // others than the program's own are refused
	Landlock     int      // version of the kernel's rules for files and ports; 0: none are in force
}

func (p *Protections) append(b []byte, allow *socketcore.Allow) []byte {
	b = etf.AppendMap(etf.AppendAtom(b, "protections"), 5)
	b = etf.AppendBool(etf.AppendAtom(b, "no_new_privs"), p.NoNewPrivs)
	b = etf.AppendBool(etf.AppendAtom(b, "system_call_filter"), p.SystemCalls)
	b = etf.AppendInt(etf.AppendAtom(b, "landlock"), int64(p.Landlock))
	b = appendAtoms(etf.AppendAtom(b, "capabilities"), p.Capabilities)
	var rules []string
	if allow != nil {
		rules = allow.Rules()
	}
	return appendAtoms(etf.AppendAtom(b, "allow"), rules)
}

func appendAtoms(b []byte, names []string) []byte {
	if len(names) > 0 {
		b = etf.AppendList(b, len(names))
		for _, name := range names {
			b = etf.AppendAtom(b, name)
		}
	}
	return etf.AppendNil(b)
}

// refused logs what the allow-list does not allow.
func (s *Server) refused(r socketcore.Refusal) {
	s.refusals.count(r.Rule.String())
	e := s.log.Warn().Str("rule", r.Rule.String()).Str("call", r.Call)
	if r.Socket != 0 {
		e = e.Uint64("socket", r.Socket)
	}
	e.Str("wanted", r.Wanted).Msg("refused")
}
