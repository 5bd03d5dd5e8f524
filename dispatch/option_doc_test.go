package dispatch

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"gosocket/socketcore"
)

//go:generate go test -run "(Is|Are)Current" -update

var update = flag.Bool("update", false, "write what is generated from the option tables")

// current compares what is generated with the file that is kept of it, or writes it.
func current(t *testing.T, file string, generated []byte) {
	t.Helper()
	if *update {
		must(t, os.WriteFile(file, generated, 0o644))
		return
	}
	kept, err := os.ReadFile(file)
	must(t, err)
	if !bytes.Equal(kept, generated) {
		t.Errorf("%s is not what the tables say: make reference", file)
	}
}

func TestOptionReferenceIsCurrent(t *testing.T) {
	d := optionDoc{cases: erlangProofs(t)}
	d.write()
	current(t, "../docs/options.md", d.Bytes())
}

// optionDoc is the reference of options, as it is written.
type optionDoc struct {
	bytes.Buffer
	typeWords
	cases map[string][]string // Erlang cases that prove an option
}

const docHead = `# Options

Generated from the option tables (socketcore/option_*.go) and their tests (dispatch/*_test.go) by ` + "`make reference`" + `; a test
fails when it is not what they say.

    gosocket:setopt(Socket, Level, Option, Value) -> ok | {error, Reason}
    gosocket:getopt(Socket, Level, Option) -> {ok, Value} | {error, Reason}

Errors are those of setsockopt(2) and getsockopt(2): ` + "`enoprotoopt`" + ` where this kernel, or this kind of socket, does not have the
option, ` + "`einval`" + ` for a value that the kernel refuses, ` + "`eperm`" + ` without the capability, ` + "`closed`" + `. A value of another type than that
of the table raises ` + "`{invalid, {not_supported, {Level, Option, Value}}}`" + `, an unknown option ` + "`{invalid, {not_supported, {Level, Option}}}`" + `;
setting what can only be read, reading what can only be set, and both for what Linux does not have, is ` + "`{error, einval}`" + `.

Options that want to know something before they can be read (which group, which association) take a map with it:
` + "`getopt(S, ip, {msfilter, #{multiaddr => Group, interface => Address}})`" + `.

**By number** every option of the kernel can be had, those without a row here too. Level and option are integers, or the level is
one of the names and the option an integer; the value to set is a binary; to get, it is said how to read it:

    gosocket:setopt(S, 1, 9, <<1:32/native>>)       % SOL_SOCKET, SO_KEEPALIVE
    gosocket:getopt(S, 1, {9, int})                 % {ok, 1}
    gosocket:getopt(S, socket, {9, bool})           % {ok, true}
    gosocket:getopt(S, socket, {13, 8})             % {ok, <<OnOff:32/native, Seconds:32/native>>}, at most 8 bytes
    gosocket:getopt(S, 1, {9, 0})                   % ok, or why not: without room for a value

**set** and **get** say which capability of the helper (capabilities(7)) is needed, if one is. **proven** says what a test saw
besides a get of the option, of the kernel or of the peer. "by number" means that the bytes that the kernel has for it were
compared after setting it by name; every row with a number has gone that way, without any capability and with the one it needs,
and the numbers have been compared with those of the C headers. The same values go through the Erlang API in
gosocket_option_table_SUITE. What names a suite is a case of it.
`

func (d *optionDoc) write() {
	d.WriteString(docHead)
	d.otpTable()
	for _, l := range socketcore.Levels {
		if l.Number == socketcore.SolSCTP {
			d.heading(l, "", "\nLevel %d. The kernel of `make test-sctp` has SCTP: there each row is set and read, by name and by number.\n")
		} else {
			d.heading(l, "", "\nLevel %d.\n")
		}
		d.table(l, func(o *socketcore.Option) bool { return o.Flags&socketcore.Extra == 0 })
		d.heading(l, ", beyond the man page", "")
		d.table(l, func(o *socketcore.Option) bool { return o.Flags&socketcore.Extra != 0 })
	}
	d.types()
}

func (d *optionDoc) heading(l *socketcore.Level, what, text string) {
	fmt.Fprintf(d, "\n## %s%s\n", l.Name, what)
	if text != "" {
		fmt.Fprintf(d, text, l.Number)
	}
}

const tableHead = "\n| option | C | value | set | get | proven |\n|---|---|---|---|---|---|\n"

func (d *optionDoc) table(l *socketcore.Level, wanted func(*socketcore.Option) bool) {
	var rows []*socketcore.Option
	for _, o := range firstRows() {
		if o.Level == l && wanted(o) {
			rows = append(rows, o)
		}
	}
	if len(rows) == 0 {
		d.WriteString("\nNone.\n")
		return
	}
	d.WriteString(tableHead)
	for _, o := range rows {
		d.row(o)
	}
}

func (d *optionDoc) row(o *socketcore.Option) {
	name := "`" + o.Name + "`"
	if o.Note != "" {
		name += "<br>" + o.Note
	}
	if o.Flags&socketcore.Absent != 0 {
		fmt.Fprintf(d, "| %s | - | - | - | - | skip: does not exist on Linux |\n", name)
		return
	}
	fmt.Fprintf(d, "| %s | %s | %s | %s | %s | %s |\n", name, d.numbers(o), escaped(d.valueOf(o)), setOf(o), getOf(o), escaped(d.proven(o)))
}

func escaped(cell string) string { return strings.ReplaceAll(cell, "|", "\\|") }

func (d *optionDoc) numbers(o *socketcore.Option) string {
	var all []string
	for ; o != nil; o = o.Next {
		if text := fmt.Sprintf("%s %d", constantOf(o), o.Number); !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return strings.Join(all, ", ")
}

// setOf says who may set an option: some values of it, if that makes a difference.
func setOf(o *socketcore.Option) string {
	if o.Settable() == nil {
		return "no"
	}
	var free bool
	needs := make(map[string][]string)
	for _, c := range triesOf(o) {
		switch {
		case c.value == "" || strings.HasPrefix(c.back, "!"):
		case c.needs == "" || c.freed:
			free = true
		default:
			needs[c.needs] = append(needs[c.needs], "`"+escaped(c.value)+"`")
		}
	}
	for who, values := range needs {
		if !free {
			return who
		}
		return "yes; " + strings.Join(values, ", ") + ": " + who
	}
	if o.Flags&socketcore.Refused != 0 || onlyRefused(triesOf(o)) {
		return "enoprotoopt"
	}
	return "yes"
}

func onlyRefused(tries []try) bool {
	return !slices.ContainsFunc(tries, func(c try) bool { return c.value != "" && !strings.HasPrefix(c.back, "!enoprotoopt") })
}

func getOf(o *socketcore.Option) string {
	switch {
	case o.Readable() == nil:
		return "no"
	case o.Flags&socketcore.Refused != 0:
		return "enoprotoopt"
	}
	return "yes"
}

// proven says what tests see of an option.
func (d *optionDoc) proven(o *socketcore.Option) string {
	if o.Flags&socketcore.Refused != 0 {
		return "skip: does not exist on Linux; that the kernel refuses it is"
	}
	all := factsOf(o)
	if seenByNumber(o) {
		all = append(all, "by number")
	}
	all = append(all, d.cases[o.Level.Name+" "+o.Name]...)
	if o.Level.Number == socketcore.SolSCTP {
		all = append(all, "`make test-sctp`")
	}
	return strings.Join(all, "; ")
}

// otpValues are the values of the options of level otp, which has a table of its own.
var otpValues = []struct{ name, value, note string }{
	{"debug", "boolean()", "the calls on this socket are logged"},
	{"iow", "boolean()", "accepted and kept; counters of 64 bits do not wrap"},
	{"use_registry", "boolean()", "`open` decides"},
	{"controlling_process", "pid()", "the owner sets it: not_owner for others"},
	{"rcvbuf", "default | pos_integer() | {N :: pos_integer(), Size :: pos_integer()}", "bytes of a receive of length 0; with N, that many reads while each fills Size. 0 and default are 8192"},
	{"rcvctrlbuf", "default | pos_integer()", "bytes of control messages of a recvmsg; 0 and default are 1024"},
	{"max_received_fds", "default | non_neg_integer()", "descriptors that came with messages (`rights`, `pidfd`) or by options and were not opened; one beyond is closed: the message has the flag `ctrunc`, the option is emfile. default is 253, the most that a message carries"},
	{"receive_ahead", "default | non_neg_integer()", "bytes that may be copied ahead of receives on a stream, at most 65536, which is default; 0 is off"},
	{"send_ahead", "default | non_neg_integer()", "bytes that `send` on a connected stream may be ahead: it answers when they are handed over. 0 is off; default is the application variable `send_ahead`, 0 without it"},
	{"sndctrlbuf", "default | pos_integer()", "bytes of control messages of a sendmsg; 0 and default are 1024"},
	{"meta", "term()", "the owner's"},
	{"fd", "integer()", "the descriptor, in the helper"},
	{"domain", "domain()", "not in the man page; the reference has it"},
}

func (d *optionDoc) otpTable() {
	d.WriteString("\n## otp\n\nKept by the helper; the kernel knows nothing of them.\n\n| option | value | set | get | proven |\n|---|---|---|---|---|\n")
	for _, o := range otpValues {
		row := otpOptions[o.name]
		yes := map[bool]string{true: "yes", false: "no"}
		fmt.Fprintf(d, "| `%s`<br>%s | %s | %s | %s | %s |\n", o.name, o.note, escaped(d.valueText(o.value)), yes[row.set != nil], yes[row.get != nil], strings.Join(d.cases["otp "+o.name], "; "))
	}
}
