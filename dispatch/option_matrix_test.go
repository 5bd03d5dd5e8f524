package dispatch

import (
	"fmt"
	"strings"
	"testing"

	"gosocket/etf"
	"gosocket/socketcore"
)

// A try is one value of an option: what is set, and what is read then.
type try struct {
	value string // "" for a get alone
	back  string // what is read then: "" for the value itself, !reason for an error, alternatives with "or"
	first string // Level Key Value to set before, where needed
	needs string // the capabilities of which one is needed
	bare  string // what setting says without: eperm, when it is empty
	freed bool   // newer kernels let everybody
}

const (
	anyValue = "*" // back: only the kernel knows
	unread   = "-" // back: not to be read
)

// triesOf returns the tries for a row: those listed for it, or what suits its type.
func triesOf(o *socketcore.Option) []try {
	if listed, ok := optionTries[o.Level.Name+" "+o.Name]; ok {
		return listed
	}
	switch {
	case o.Type.Form == socketcore.Bool:
		return []try{{value: "true"}, {value: "false"}}
	case o.Type.Form == socketcore.Struct && o.Type.Short != "" && isBoolean(o.Type):
		return []try{{value: "true"}, {value: "false"}}
	}
	return nil
}

func isBoolean(t *socketcore.Type) bool {
	f := fieldNamed(t, t.Short)
	return f != nil && f.Type.Form == socketcore.Bool
}

// TestEveryOptionOnAKernelSocket sets and reads every row of the tables on a socket of
// the kind that the row names. What is read is read a second time by number, as bytes.
func TestEveryOptionOnAKernelSocket(t *testing.T) {
	for _, l := range socketcore.Levels {
		for i := range l.Options {
			o := &l.Options[i]
			if o != l.Option([]byte(o.Name)) && o.Flags&socketcore.Unknown == 0 {
				continue // another form of an option: the tries of the first row serve all
			}
			t.Run(l.Name+"/"+o.Name, func(t *testing.T) { testOption(t, o) })
		}
	}
}

func testOption(t *testing.T, o *socketcore.Option) {
	if o.Flags&socketcore.Absent != 0 {
		testAbsent(t, o)
		return
	}
	tries := triesOf(o)
	if len(tries) == 0 {
		t.Fatal("no try for this row")
	}
	for _, granted := range alternatives(tries) {
		s := open(t, o.On)
		for _, c := range tries {
			testTry(t, s, o, c, granted)
		}
	}
}

// alternatives returns the capabilities that serve one after the other: each alone has to
// be enough for what needs one of them.
func alternatives(tries []try) []string {
	for _, c := range tries {
		if c.needs != "" {
			return strings.Split(c.needs, " or ")
		}
	}
	return []string{""}
}

// testTry makes one try without any capability, or with the one that it needs.
func testTry(t *testing.T, s *fakeSocket, o *socketcore.Option, c try, granted string) {
	t.Helper()
	if c.first != "" {
		f := strings.SplitN(c.first, " ", 3)
		if got := set(t, s, f[0], f[1], f[2]); got != "ok" {
			t.Fatalf("first %s: %s", c.first, got)
		}
	}
	if c.value != "" {
		if c.needs == "" {
			granted = ""
		} else if !refusedTry(t, s, o, c) || !permitted(t, granted) {
			t.Skipf("setting %s needs %s", c.value, granted)
		}
		with(t, granted, func() { setTry(t, s, o, c) })
	}
	if c.value == "" || o.Readable() != nil && c.back != unread && !strings.HasPrefix(c.back, "!") {
		getTry(t, s, o, c)
	}
}

// refusedTry sets a value without a capability, which has to be refused.
func refusedTry(t *testing.T, s *fakeSocket, o *socketcore.Option, c try) (refused bool) {
	t.Helper()
	reason := c.bare
	if reason == "" {
		reason = "eperm"
	}
	with(t, "", func() {
		got := set(t, s, o.Level.Name, o.Name, c.value)
		refused = got == "{error,"+reason+"}" || c.freed
		if got == "{error,enoprotoopt}" && o.Flags&socketcore.Extra != 0 {
			t.Skip("this kernel does not have it")
		}
		if !refused {
			t.Errorf("set %s without a capability: %s", c.value, got)
		}
	})
	return refused
}

func testAbsent(t *testing.T, o *socketcore.Option) {
	s := open(t, socketcore.UDP6)
	want := "{error,einval}"
	if o.Flags&socketcore.Unknown != 0 {
		want = "{raise,{invalid,{not_supported,{" + o.Level.Name + "," + o.Name + "}}}}"
	}
	run(t, s, []step{{o.Level.Name, o.Name, "", want}, {o.Level.Name, o.Name, "true", want}})
}

func setTry(t *testing.T, s *fakeSocket, o *socketcore.Option, c try) {
	t.Helper()
	want := "ok"
	if reason, bad := strings.CutPrefix(c.back, "!"); bad {
		want = "{error," + reason + "}"
	}
	switch got := set(t, s, o.Level.Name, o.Name, c.value); {
	case got == want:
	case got == "{error,enoprotoopt}" && o.Flags&socketcore.Extra != 0:
		t.Skip("this kernel does not have it")
	default:
		t.Errorf("set %s: %s, want %s", c.value, got, want)
	}
}

func getTry(t *testing.T, s *fakeSocket, o *socketcore.Option, c try) {
	t.Helper()
	got := get(t, s, o.Level.Name, o.Name)
	if got == "{error,enoprotoopt}" && o.Flags&socketcore.Extra != 0 && !strings.Contains(c.back, "enoprotoopt") {
		t.Skip("this kernel does not have it")
	}
	wanted := c.back
	if wanted == "" {
		wanted = c.value
	}
	for _, want := range strings.Split(wanted, " or ") {
		if reason, bad := strings.CutPrefix(want, "!"); bad {
			if got == "{error,"+reason+"}" {
				return
			}
		} else if want == anyValue && strings.HasPrefix(got, "{ok,") || want != anyValue && got == "{ok,"+show(t, term(t, want))+"}" {
			byNumber(t, s, o.Readable(), got)
			return
		}
	}
	t.Errorf("get after %q: %s, want %s", c.value, got, wanted)
}

// byNumber reads an option as bytes and compares them with what its name gave.
func byNumber(t *testing.T, s *fakeSocket, o *socketcore.Option, named string) {
	t.Helper()
	key := fmt.Sprintf("{%d,%d}", o.Number, o.Type.Capacity())
	d := decoderOf(t, fmt.Sprint(o.Level.Number), key)
	var answer etf.Decoder
	answer.Reset(appendGetopt(nil, s, d))
	answer.Tuple()
	answer.Atom()
	data := answer.Binary()
	if answer.Err() != nil {
		t.Fatalf("get by number: %v", answer.Err())
	}
	if moving[o.Level.Name+" "+o.Name] {
		return
	}
	if got := show(t, appendOptionValue(nil, o.Type, data)); got != named {
		t.Errorf("by number %s, by name %s", got, named)
	}
	// What needs no table is read without one.
	plain := named
	if len(data) == 4 {
		switch number := int32(loadNative(data)); o.Type.Form {
		case socketcore.Int:
			plain = fmt.Sprintf("{ok,%d}", number)
		case socketcore.Bool:
			plain = fmt.Sprintf("{ok,%v}", number != 0)
		}
	}
	if plain != named {
		t.Errorf("as a number %s, by name %s", plain, named)
	}
}

// moving are the options that a second read, or one by number, answers differently.
var moving = map[string]bool{"tcp info": true, "tcp timestamp": true, "socket peerpidfd": true, "sctp get_local_addrs": true, "sctp get_assoc_stats": true}

func TestNoTryIsForgotten(t *testing.T) {
	for key := range optionTries {
		level, name, _ := strings.Cut(key, " ")
		l := socketcore.LevelNamed([]byte(level))
		if l == nil || l.Option([]byte(name)) == nil {
			t.Errorf("%s is no option", key)
		}
	}
}
