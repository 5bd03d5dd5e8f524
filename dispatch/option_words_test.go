package dispatch

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gosocket/socketcore"
)

// manPageTypes are the names that the man page has for types, by an option of each.
var manPageTypes = map[string]string{
	"socket rcvtimeo":          "timeval",
	"ip add_membership":        "ip_mreq",
	"ip add_source_membership": "ip_mreq_source",
	"ip msfilter":              "ip_msfilter",
	"ip tos":                   "ip_tos",
	"ip mtu_discover":          "ip_pmtudisc",
	"ipv6 add_membership":      "ipv6_mreq",
	"ipv6 pktinfo":             "ipv6_pktinfo",
	"sctp associnfo":           "sctp_assocparams",
	"sctp events":              "sctp_event_subscribe",
	"sctp initmsg":             "sctp_initmsg",
	"sctp default_send_params": "sctp_sndrcvinfo",
	"sctp rtoinfo":             "sctp_rtoinfo",
}

// typeWords names types as the man page does, and remembers those that have to be
// explained.
type typeWords struct {
	names map[*socketcore.Type]string
	order []*socketcore.Type
}

// nameTypes gives a name to each structure, to long lists of names, and to all that the
// man page names.
func (w *typeWords) nameTypes() {
	w.names = make(map[*socketcore.Type]string)
	for _, o := range allRows() {
		name := manPageTypes[o.Level.Name+" "+o.Name]
		if name == "" {
			name = o.Level.Name + "_" + o.Name
		} else if o.Type.Form == socketcore.Enum {
			w.name(o.Type, name)
		}
		w.nameParts(o.Type, name)
	}
}

func (w *typeWords) name(t *socketcore.Type, name string) {
	if w.names[t] == "" {
		w.names[t] = name
		w.order = append(w.order, t)
	}
}

func (w *typeWords) nameParts(t *socketcore.Type, name string) {
	const short = 5 // names
	switch {
	case t.Form == socketcore.Struct:
		w.name(t, name)
		for i := range t.Fields {
			w.nameParts(t.Fields[i].Type, name+"_"+t.Fields[i].Name)
		}
	case len(t.Names) > short && (t.Form == socketcore.Bits || t.Form == socketcore.Enum):
		w.name(t, name)
	}
}

// allRows returns every row that has a number.
func allRows() (rows []*socketcore.Option) {
	eachRow(func(o *socketcore.Option) { rows = append(rows, o) })
	return rows
}

// valueOf returns the words for the value of an option: one for all its rows, or one to
// set and one to get.
func (w *typeWords) valueOf(o *socketcore.Option) string {
	if w.names == nil {
		w.nameTypes()
	}
	var set, get []string
	add := func(list *[]string, words string) {
		if !slices.Contains(*list, words) {
			*list = append(*list, words)
		}
	}
	for r := o.Settable(); r != nil; r = r.Next.Settable() {
		add(&set, w.words(r.Type, true))
	}
	if r := o.Readable(); r != nil {
		add(&get, w.words(r.Type, false))
	}
	sets, gets := w.valueText(strings.Join(set, " | ")), w.valueText(strings.Join(get, " | "))
	switch {
	case sets == gets || gets == "":
		return sets
	case sets == "":
		return gets
	}
	return "set " + sets + ", get " + gets
}

// valueText marks words as code.
func (w *typeWords) valueText(words string) string {
	if words == "" {
		return ""
	}
	return "`" + words + "`"
}

// words describes a type: what can be set, or what is read.
func (w *typeWords) words(t *socketcore.Type, set bool) string {
	if name := w.names[t]; name != "" {
		if t.Short != "" {
			short := w.words(fieldNamed(t, t.Short).Type, set)
			if !set {
				return short
			}
			return short + " | " + name + "()"
		}
		return name + "()"
	}
	return w.inline(t, set)
}

// inline describes a type without its name.
func (w *typeWords) inline(t *socketcore.Type, set bool) string {
	switch t.Form {
	case socketcore.Bool:
		return "boolean()"
	case socketcore.Uint, socketcore.Network:
		if bits := width(t); bits != 8*t.Size || t.Form == socketcore.Network {
			return fmt.Sprintf("0..%d", uint64(math.MaxUint64)>>(64-bits))
		}
		return fmt.Sprintf("uint%d()", 8*t.Size)
	case socketcore.Enum, socketcore.Named:
		return w.enum(t, set)
	case socketcore.Bits:
		return "[" + strings.Join(namesOf(t), " | ") + " | integer()]"
	case socketcore.Posix:
		return "none | posix()"
	case socketcore.Chars:
		if set {
			return "string() | binary()"
		}
		return "string()"
	case socketcore.Binary:
		return "binary()"
	case socketcore.Inet:
		if len(t.Names) > 0 && set {
			return strings.Join(namesOf(t), " | ") + " | ip4_address()"
		}
		return "ip4_address()"
	case socketcore.Inet6:
		return "ip6_address()"
	case socketcore.Address:
		return "sockaddr() | undefined"
	case socketcore.Struct:
		return w.structure(t, set)
	case socketcore.List:
		return "[" + w.words(t.Elem, set) + "]"
	case socketcore.Packed:
		return "[sockaddr()]"
	case socketcore.Control:
		if set {
			return "[cmsghdr_send()] | binary()"
		}
		return "[cmsghdr_recv()]"
	case socketcore.Linger:
		if set {
			return "{boolean(), integer()} | abort"
		}
		return "{boolean(), integer()}"
	}
	return integerWords(t)
}

func integerWords(t *socketcore.Type) string {
	switch {
	case t.High == math.MaxInt64:
		return "non_neg_integer()"
	case t.Low < t.High:
		return fmt.Sprintf("%d..%d", t.Low, t.High)
	case t.Size == 4:
		return "int32()"
	}
	return "integer()"
}

func (w *typeWords) enum(t *socketcore.Type, set bool) string {
	words := strings.Join(namesOf(t), " | ")
	switch {
	case t.Form == socketcore.Named:
		return words
	case t.Low < t.High && !set:
		return fmt.Sprintf("%d..%d", t.Low, t.High)
	case t.Low < t.High:
		return fmt.Sprintf("%s | %d..%d", words, t.Low, t.High)
	}
	return words + " | integer()"
}

func (w *typeWords) structure(t *socketcore.Type, set bool) string {
	fields := make([]string, len(t.Fields))
	for i := range t.Fields {
		f := &t.Fields[i]
		arrow := " := "
		if f.Optional {
			arrow = " => "
		}
		fields[i] = f.Name + arrow + w.words(f.Type, set)
	}
	return "#{" + strings.Join(fields, ", ") + "}"
}

func namesOf(t *socketcore.Type) (names []string) {
	for _, n := range t.Names {
		names = append(names, n.Name)
	}
	return names
}

// types explains the names.
func (d *optionDoc) types() {
	d.WriteString(`
## Types

The man page's: ip4_address(), ip6_address(), sockaddr(), cmsghdr_send(), cmsghdr_recv(), domain(), type(), protocol(). A key with
` + "`=>`" + ` may be left out of a map that is set.

`)
	for _, t := range d.order {
		fmt.Fprintf(d, "    %s() = %s\n", d.names[t], d.inline(t, true))
	}
}
