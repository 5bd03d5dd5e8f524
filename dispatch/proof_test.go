package dispatch

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"gosocket/socketcore"
)

// A proof makes the kernel do what an option says, and has somebody other than a get of
// that option see it: the peer, another option, the bytes on the wire, /proc.
type proof struct {
	options string // Level Name, ...; of those the proof sets or reads each
	fact    string
	run     func(t *testing.T)
}

// proofs are all of them, by theme.
func proofs() []proof {
	return slices.Concat(effectProofs, socketProofs, unixProofs, inetProofs, inet6Proofs, tcpProofs, packetProofs, sctpProofs, sctpExtensionProofs)
}

// touched are the options that were set, or read, with success since it was made.
var touched map[string]bool

func touch(level, key, result string) {
	if touched == nil || !strings.HasPrefix(result, "ok") && !strings.HasPrefix(result, "{ok") {
		return
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(key, "{"), ",")
	touched[level+" "+name] = true
}

func (p *proof) each() []string { return strings.Split(p.options, ", ") }

func TestOptionsHaveTheirEffect(t *testing.T) {
	for _, p := range proofs() {
		t.Run(p.fact, func(t *testing.T) {
			touched = make(map[string]bool)
			defer func() { touched = nil }()
			p.run(t)
			for _, option := range p.each() {
				if !touched[option] {
					t.Errorf("%s is neither set nor read: %v", option, slices.Sorted(maps.Keys(touched)))
				}
			}
		})
	}
}

// factsOf returns what is proven of a row.
func factsOf(o *socketcore.Option) (facts []string) {
	for _, p := range proofs() {
		if slices.Contains(p.each(), o.Level.Name+" "+o.Name) {
			facts = append(facts, p.fact)
		}
	}
	return facts
}

// seenByNumber tells whether the matrix sets a value and then reads the very bytes that
// it must have by the option's number.
func seenByNumber(o *socketcore.Option) bool {
	if o.Readable() == nil {
		return false
	}
	return slices.ContainsFunc(triesOf(o), func(c try) bool {
		return c.value != "" && c.back != unread && c.back != anyValue && !strings.HasPrefix(c.back, "!")
	})
}

// TestEveryOptionIsProven finds rows that nobody looks at but a get of their own.
func TestEveryOptionIsProven(t *testing.T) {
	known := make(map[string]bool)
	for _, o := range firstRows() {
		known[o.Level.Name+" "+o.Name] = true
		switch {
		case o.Flags&(socketcore.Absent|socketcore.Refused) != 0:
		case len(factsOf(o)) == 0 && !seenByNumber(o):
			t.Errorf("%s %s is not proven", o.Level.Name, o.Name)
		}
	}
	facts := make(map[string]bool)
	for _, p := range proofs() {
		if facts[p.fact] {
			t.Errorf("two proofs that %s", p.fact)
		}
		facts[p.fact] = true
		for _, option := range p.each() {
			if !known[option] {
				t.Errorf("%s: %s is no option", p.fact, option)
			}
		}
	}
}

// firstRows returns the first row of every name.
func firstRows() (rows []*socketcore.Option) {
	for _, l := range socketcore.Levels {
		seen := make(map[string]bool)
		for i := range l.Options {
			if o := &l.Options[i]; !seen[o.Name] {
				rows = append(rows, o)
				seen[o.Name] = true
			}
		}
	}
	return rows
}
