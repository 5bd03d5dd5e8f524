package dispatch

import (
	"fmt"
	"strings"
	"testing"

	"gosocket/socketcore"
)

func TestSupportsListsEveryOptionOnceInTheOrderOfItsTable(t *testing.T) {
	everyLoops(t, func(t *testing.T, c *client) {
		for _, l := range socketcore.Levels {
			var want []string
			for i := range l.Options {
				if o := &l.Options[i]; l.IsFirst(o) {
					answer := c.do(term(t, fmt.Sprintf("{is_supported,options,%s,%s}", l.Name, o.Name)))
					want = append(want, "{"+o.Name+","+strings.TrimSuffix(strings.TrimPrefix(answer, "{ok,"), "}")+"}")
				}
			}
			got := c.do(term(t, "{supports,options,"+l.Name+"}"))
			if got != "{ok,["+strings.Join(want, ",")+"]}" {
				t.Errorf("%s: %s\nwant %s", l.Name, got, want)
			}
		}
	})
}

func TestSupportsHasThePartsOfTheManPage(t *testing.T) {
	c := newClient(t)
	part := func(keys string) string {
		answer := c.do(term(t, "{supports"+keys+"}"))
		return strings.TrimSuffix(strings.TrimPrefix(answer, "{ok,"), "}")
	}
	var levels, features []string
	for _, name := range []string{"socket", "ip", "ipv6", "tcp", "udp", "sctp"} {
		levels = append(levels, "{"+name+","+part(",options,"+name)+"}")
	}
	for _, name := range []string{"sctp", "ipv6", "local", "netns"} {
		answer := c.do(term(t, "{is_supported,"+name+"}"))
		features = append(features, "{"+name+","+strings.TrimPrefix(answer, "{ok,"))
	}
	options := "[" + strings.Join(levels, ",") + "]"
	if got := part(",options"); got != options {
		t.Errorf("options: %s", got)
	}
	want := "[{options," + options + "},{send_flags," + part(",send_flags") + "},{recv_flags," + part(",recv_flags") + "}," +
		strings.Join(features, ",") + "]"
	if got := part(""); got != want {
		t.Errorf("all: %s\nwant %s", got, want)
	}
}

func TestUnknownKeysAreNotSupported(t *testing.T) {
	c := newClient(t)
	for _, keys := range []string{"foo", "sctp", "17", "options,foo", "options,otp", "send_flags,oob", "foo,bar", "[],{}"} {
		if got := c.do(term(t, "{supports,"+keys+"}")); got != "{ok,[]}" {
			t.Errorf("supports %s: %s", keys, got)
		}
	}
	for _, keys := range []string{
		"foo", "options", "options,socket", "send_flags,foo", "send_flags,peek", "options,socket,foo", "options,foo,type", "foo,socket,type",
		"[]", "1,2", "[],{},options",
	} {
		if got := c.do(term(t, "{is_supported,"+keys+"}")); got != "{ok,false}" {
			t.Errorf("is_supported %s: %s", keys, got)
		}
	}
	if got := c.do(term(t, "{is_supported}")); got != "{raise,badarg}" {
		t.Errorf("no key: %s", got)
	}
}
