package dispatch

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gosocket/socketcore"
)

// prefixes begin the names of C's constants for the options of a level.
var prefixes = map[string]string{
	"socket": "SO_", "ip": "IP_", "ipv6": "IPV6_", "tcp": "TCP_", "udp": "UDP_", "sctp": "SCTP_", "packet": "PACKET_",
}

// constants are those of C's names that do not follow from the API's. Two rows of one
// name may differ: they go by their number.
var constants = map[string]string{
	"ip mcast_join_group":         "MCAST_JOIN_GROUP",
	"ip mcast_leave_group":        "MCAST_LEAVE_GROUP",
	"ipv6 mcast_join_group":       "MCAST_JOIN_GROUP",
	"ipv6 pktoptions":             "IPV6_2292PKTOPTIONS",
	"ipv6 pktinfo 49":             "IPV6_RECVPKTINFO",
	"ipv6 pktinfo_2292":           "IPV6_2292PKTINFO",
	"ipv6 hopopts_2292":           "IPV6_2292HOPOPTS",
	"ipv6 dstopts_2292":           "IPV6_2292DSTOPTS",
	"ipv6 rthdr_2292":             "IPV6_2292RTHDR",
	"ipv6 hoplimit_2292":          "IPV6_2292HOPLIMIT",
	"sctp adaption_layer":         "SCTP_ADAPTATION_LAYER",
	"sctp auth_asconf":            "SCTP_AUTO_ASCONF",
	"sctp default_send_params":    "SCTP_DEFAULT_SEND_PARAM",
	"sctp delayed_ack_time":       "SCTP_DELAYED_SACK",
	"sctp maxburst":               "SCTP_MAX_BURST",
	"sctp peeloff":                "SCTP_SOCKOPT_PEELOFF",
	"sctp partial_delivery_point": "SCTP_PARTIAL_DELIVERY_POINT",
}

// constantOf returns C's name for the number of a row.
func constantOf(o *socketcore.Option) string {
	key := o.Level.Name + " " + o.Name
	if name, ok := constants[key+" "+strconv.Itoa(o.Number)]; ok {
		return name
	}
	if name, ok := constants[key]; ok {
		return name
	}
	return prefixes[o.Level.Name] + strings.ToUpper(o.Name)
}

// TestNumbersAreThoseOfTheHeaders has a C compiler tell the number of every constant: a
// row whose name and number do not belong together would set something else.
func TestNumbersAreThoseOfTheHeaders(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler")
	}
	var source strings.Builder
	for _, header := range []string{"stdio.h", "stdint.h", "netinet/in.h", "asm/socket.h", "linux/in.h", "linux/in6.h", "linux/tcp.h", "linux/udp.h", "linux/sctp.h", "linux/if_packet.h"} {
		fmt.Fprintf(&source, "#include <%s>\n", header)
	}
	source.WriteString("int main(void) {\n")
	eachRow(func(o *socketcore.Option) {
		name := constantOf(o)
		fmt.Fprintf(&source, "#ifdef %s\nprintf(\"%s %%ld\\n\", (long)%s);\n#endif\n", name, name, name)
	})
	source.WriteString("return 0; }\n")
	program := filepath.Join(t.TempDir(), "numbers")
	compile := exec.Command(cc, "-x", "c", "-", "-o", program)
	compile.Stdin = strings.NewReader(source.String())
	if out, err := compile.CombinedOutput(); err != nil {
		t.Skipf("the headers of the kernel are not there, or too old: %v\n%s", err, out)
	}
	out, err := exec.Command(program).Output()
	if err != nil {
		t.Fatal(err)
	}
	numbers := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		name, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		numbers[name] = number
	}
	if len(numbers) < 150 {
		t.Errorf("the headers know %d names", len(numbers))
	}
	eachRow(func(o *socketcore.Option) {
		name := constantOf(o)
		switch number, known := numbers[name]; {
		case !known:
			t.Logf("%s %s: these headers have no %s", o.Level.Name, o.Name, name)
		case number != strconv.Itoa(o.Number):
			t.Errorf("%s %s is %d, %s is %s", o.Level.Name, o.Name, o.Number, name, number)
		}
	})
}

// eachRow calls with the rows that have a number.
func eachRow(row func(*socketcore.Option)) {
	for _, l := range socketcore.Levels {
		for i := range l.Options {
			if o := &l.Options[i]; o.Flags&socketcore.Absent == 0 {
				row(o)
			}
		}
	}
}
