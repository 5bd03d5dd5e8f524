package dispatch

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gosocket/etf"
)

// terms are of every type, as a test writes them, with the text of each.
func terms() map[string]any {
	all := map[string]any{}
	for _, v := range []any{
		atom("true"), atom("false"), atom("undefined"), atom("helper"), atom("inet"), atom("dgram"), atom("udp"), 0, 1, -1, 1<<31 - 1, uint64(1 << 31),
		"", "/nowhere", none,
		[]any{47},
		[]any{atom("a")},
		[]any{256},
		dict{},
		dict{"a": 1},
		rawTerm(tuple("a", 1)), rawTerm("\x46\x3f\xf0\x00\x00\x00\x00\x00\x00"),
	} {
		decoded, err := etf.Decode(encode(etf.AppendVersion(nil), v))
		if err != nil {
			panic(err)
		}
		all[text(decoded)] = v
	}
	return all
}

// A value that an option of open may have is understood; any other is refused by the option's name.
func TestOptionsOfOpenAreUnderstoodOrRefused(t *testing.T) {
	c := newClient(t)
	fd := c.fd(c.open("inet", "dgram"))
	flag := []string{"true", "false"}
	for option, good := range map[string][]string{
		"netns": {`<<"">>`, `<<"/nowhere">>`, "[]", "[47]"}, "debug": flag, "use_registry": flag, "dup": flag, "holder": {"helper", "1", "2147483647"},
		"origin": {"0", "1", "2147483647"}, "domain": {"inet"}, "type": {"dgram"}, "protocol": {"udp"},
	} {
		for written, value := range terms() {
			for _, call := range [][]byte{tuple("open", 1, atom("inet"), atom("dgram"), atom("default"), dict{option: value}), openFD(1, fd, dict{option: value})} {
				answer := c.do(call)
				if refused := strings.HasPrefix(answer, "{raise,{invalid,{"+option+","); refused == slices.Contains(good, written) {
					t.Errorf("%s => %s: %s", option, written, answer)
				}
			}
		}
	}
}

func TestOptionsOfHelloAreUnderstoodOrRefused(t *testing.T) {
	for _, option := range []string{"watch", "delivered", "consumed", "closed", "batch", "ahead", "process"} {
		for written, value := range terms() {
			c := newClient(t)
			want := "{raise,badarg}"
			if option != "process" && (written == "true" || written == "false") {
				want = "ok"
			}
			if got := c.do(tuple("hello", dict{option: value})); got != want {
				t.Errorf("%s => %s: %s", option, written, got)
			}
		}
	}
}

// Whose descriptors they are is for the client to say, and nothing that the helper knows of: what has one more key may be meant otherwise.
func TestRightsWithAnotherKeyAreRefused(t *testing.T) {
	c := newClient(t)
	a, b := c.localPair(t.TempDir())
	data := native(c.fd(c.open("inet", "dgram")))
	for _, level := range []any{atom("socket"), unix.SOL_SOCKET} {
		for _, typ := range []any{atom("rights"), unix.SCM_RIGHTS} {
			send := func(more string) string {
				rights := dict{"level": level, "type": typ, "data": data}
				if more != "" {
					rights[more] = atom("default")
				}
				return c.do(tuple("sendmsg", a, 1, atom("undefined"), []any{rights}, none, atom("infinity"), none, 1, "x"))
			}
			c.want(send("lane"), "{error,einval}")
			c.want(send("lnae"), "{error,einval}")
			c.want(send(""), "ok")
			rightsIn(t, c.replyTerm(c.call(recvmsg(b, 1, 0))))
		}
	}
}
