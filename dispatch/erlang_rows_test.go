package dispatch

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"gosocket/socketcore"
)

const erlangHead = `%% Generated from the option tables by ` + "`make reference`" + `: what gosocket_test_option sets and reads.
-module(gosocket_test_option_rows).

-export([rows/0]).

-type value() :: term().
-type read() :: any | {ok, value()} | {error, atom()}.
%% What to set first; what to set, what that answers, and what it answers who lacks the capability; what is read then.
-type attempt() :: {none | {Level :: atom(), Option :: atom(), value()},
                none | {value(), ok | {error, atom()}, none | atom()},
                none | [read()]}.
%% Where Linux does not have an option, there is no number; how to read it by number; whether kernels differ in having it.
-type row() :: {Level :: atom(), Option :: atom(), Kind :: string(), none | {integer(), integer()},
                int | bool | pos_integer() | none, boolean(), [attempt()]}.

-export_type([row/0, attempt/0]).

-spec rows() -> [row()].
rows() ->
    [
`

func TestRowsOfTheErlangSuiteAreCurrent(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(erlangHead)
	rows := firstRows()
	for i, o := range rows {
		fmt.Fprintf(&b, "        %s", erlangRow(o))
		if i < len(rows)-1 {
			b.WriteString(",")
		}
		b.WriteString("\n")
	}
	b.WriteString("    ].\n")
	current(t, "../test/gosocket_test_option_rows.erl", b.Bytes())
}

func erlangRow(o *socketcore.Option) string {
	head := fmt.Sprintf("{%s, %s, ", o.Level.Name, atomText(o.Name))
	if o.Flags&socketcore.Absent != 0 {
		known := "none" // to get and set, at least
		if o.Flags&socketcore.Unknown != 0 {
			known = "unknown"
		}
		return head + fmt.Sprintf("%q, none, none, false, [%s]}", "udp6", absentTry(known))
	}
	form, number := "none", o.Number
	if r := o.Readable(); r != nil {
		number, form = r.Number, fmt.Sprint(r.Type.Capacity())
		switch {
		case r.Type.Form == socketcore.Int && r.Type.Size == 4:
			form = "int"
		case r.Type.Form == socketcore.Bool && r.Type.Size == 4:
			form = "bool"
		}
		if moving[o.Level.Name+" "+o.Name] || o.Flags&socketcore.Headless != 0 {
			form = "none"
		}
	}
	tries := make([]string, 0, 8)
	for _, c := range triesOf(o) {
		tries = append(tries, erlangTry(o, c))
	}
	return head + fmt.Sprintf("%q, {%d, %d}, %s, %v, [%s]}", o.On, o.Level.Number, number, form, o.Flags&socketcore.Extra != 0, strings.Join(tries, ", "))
}

func absentTry(known string) string {
	if known == "unknown" {
		return ""
	}
	return "{none, {true, {error, einval}, none}, none}, {none, none, [{error, einval}]}"
}

func erlangTry(o *socketcore.Option, c try) string {
	first, set, read := "none", "none", "none"
	if c.first != "" {
		f := strings.SplitN(c.first, " ", 3)
		first = fmt.Sprintf("{%s, %s, %s}", f[0], atomText(f[1]), f[2])
	}
	reason, refused := strings.CutPrefix(c.back, "!")
	if c.value != "" {
		result, without := "ok", "none"
		if refused {
			result = "{error, " + reason + "}"
		}
		if c.needs != "" {
			without = "eperm"
			if c.bare != "" {
				without = c.bare
			}
		}
		set = fmt.Sprintf("{%s, %s, %s}", c.value, result, without)
	}
	if c.value == "" || o.Readable() != nil && c.back != unread && !refused {
		back := c.back
		if back == "" {
			back = c.value
		}
		var all []string
		for _, want := range strings.Split(back, " or ") {
			switch reason, refused := strings.CutPrefix(want, "!"); {
			case refused:
				all = append(all, "{error, "+reason+"}")
			case want == anyValue:
				all = append(all, "any")
			default:
				all = append(all, "{ok, "+want+"}")
			}
		}
		read = "[" + strings.Join(all, ", ") + "]"
	}
	return fmt.Sprintf("{%s, %s, %s}", first, set, read)
}

// atomText quotes what is no plain atom.
func atomText(name string) string {
	if name[0] >= '0' && name[0] <= '9' {
		return "'" + name + "'"
	}
	return name
}
