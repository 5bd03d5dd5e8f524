package socketcore

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// An Allow is the allow-list of a program: what its sockets may be used for. A rule that is not given limits nothing; one
// that is given with no elements allows nothing. allow_table.go says which calls and options are checked against which.
type Allow struct {
	given      [numRules]bool
	numbers    [numRules][]int // of domains, types and protocols
	ports      [numRules][]ports
	addresses  [numRules][]netip.Prefix
	names      [numRules][]string
	paths      []pathPattern
	optionKeys []optionKey
	narrower   *Allow // allows nothing by itself: what this one allows has to be allowed by that one, too
}

// Narrow has the list allow only what another one allows as well.
func (a *Allow) Narrow(other *Allow) { a.narrower = other }

// A Rule is what an allow-list may limit. 0 is none: nothing is against it.
type Rule uint8

// The rules, by the names that configuration, log and documentation have for them.
const (
	noRule Rule = iota
	ruleDomains
	ruleTypes
	ruleProtocols
	ruleUpperLayers
	ruleLocalPorts
	ruleLocalAddresses
	ruleRemotePorts
	ruleRemoteAddresses
	ruleDevices
	ruleNamespaces
	rulePaths
	ruleDescriptors
	ruleOptions
	numRules
)

var ruleNames = [numRules]string{
	ruleDomains: "domains", ruleTypes: "types", ruleProtocols: "protocols", ruleUpperLayers: "upper_layers",
	ruleLocalPorts: "local_ports", ruleLocalAddresses: "local_addresses",
	ruleRemotePorts: "remote_ports", ruleRemoteAddresses: "remote_addresses",
	ruleDevices: "devices", ruleNamespaces: "namespaces", rulePaths: "paths",
	ruleDescriptors: "descriptors", ruleOptions: "options",
}

// String is the rule's name.
func (r Rule) String() string { return ruleNames[r] }

type ports struct{ first, last uint16 }

type optionKey struct{ level, number int }

// A pathPattern is a path, or what paths begin with; abstract names of unix(7) are written with an @.
type pathPattern struct {
	text             string
	abstract, prefix bool
}

// upperLayers are the names that TCP_ULP knows in Linux, and one for what UDP_ENCAP does.
var upperLayers = []string{"tls", "mptcp", "espintcp", "smc", "udp_encap"}

// Where a descriptor that is to become a socket comes from, as the rule descriptors names it.
const (
	fromVM       = "vm"
	fromMessages = "received"
)

// Set adds "rule=element" to the list, or with "rule" alone says that the rule is given. It implements flag.Value.
func (a *Allow) Set(text string) error {
	name, element, some := strings.Cut(text, "=")
	r := Rule(slices.Index(ruleNames[:], name))
	if name == "" || int(r) >= len(ruleNames) {
		return fmt.Errorf("%q is no rule", name)
	}
	a.given[r] = true
	if !some {
		return nil
	}
	if err := a.add(r, element); err != nil {
		return fmt.Errorf("%v: %q is none of these: %w", r, element, err)
	}
	return nil
}

// String implements flag.Value.
func (a *Allow) String() string { return strings.Join(a.Rules(), ",") }

// Rules are the names of the rules that are given, here or where the list is narrowed.
func (a *Allow) Rules() (names []string) {
	for r := noRule + 1; r < numRules; r++ {
		if a.refusal(func(a *Allow) Rule { return a.first(r) }) != noRule {
			names = append(names, r.String())
		}
	}
	return names
}

func (a *Allow) add(r Rule, element string) (err error) {
	switch r {
	case ruleDomains:
		return a.addNumber(r, element, Domains)
	case ruleTypes:
		return a.addNumber(r, element, Types)
	case ruleProtocols:
		return a.addNumber(r, element, Protocols)
	case ruleLocalPorts, ruleRemotePorts:
		first, last, isRange := strings.Cut(element, "-")
		if !isRange {
			last = first
		}
		var low, high int
		if low, err = numberUpTo(math.MaxUint16, first); err == nil {
			high, err = numberUpTo(math.MaxUint16, last)
		}
		if err == nil && low > high {
			err = fmt.Errorf("%d is above %d", low, high)
		}
		a.ports[r] = append(a.ports[r], ports{uint16(low), uint16(high)})
	case ruleLocalAddresses, ruleRemoteAddresses:
		var p netip.Prefix
		if p, err = prefixOf(element); err == nil {
			a.addresses[r] = append(a.addresses[r], p)
		}
	case rulePaths:
		return a.addPath(element)
	case ruleOptions:
		level, number, _ := strings.Cut(element, ":")
		var key optionKey
		if key.level, err = numberUpTo(math.MaxInt32, level); err == nil {
			key.number, err = numberUpTo(math.MaxInt32, number)
		}
		a.optionKeys = append(a.optionKeys, key)
	default:
		return a.addName(r, element)
	}
	return err
}

func (a *Allow) addName(r Rule, element string) error {
	switch {
	case element == "" || strings.Contains(element, "\x00"):
		return fmt.Errorf("no name")
	case r == ruleDescriptors && element != fromVM && element != fromMessages:
		return fmt.Errorf("neither %s nor %s", fromVM, fromMessages)
	case r == ruleDevices && (len(element) >= unix.IFNAMSIZ || element == "." || element == ".." || strings.ContainsAny(element, "/: \t\n\v\f\r")):
		return fmt.Errorf("no name that a device can have")
	case r == ruleUpperLayers && !slices.Contains(upperLayers, element):
		return fmt.Errorf("none of %s", strings.Join(upperLayers, ", "))
	case r == ruleNamespaces:
		element = netnsPath(element)
	}
	a.names[r] = append(a.names[r], element)
	return nil
}

func (a *Allow) addPath(element string) error {
	var p pathPattern
	p.text, p.prefix = strings.CutSuffix(element, "*")
	p.text, p.abstract = strings.CutPrefix(p.text, "@")
	switch {
	case !p.abstract && (!strings.HasPrefix(p.text, "/") || climbs([]byte(p.text))):
		return fmt.Errorf("neither an absolute path without .. nor an abstract name")
	case !p.abstract && !p.prefix && strings.HasSuffix(p.text, "/"):
		return fmt.Errorf("a directory; what is in it is written with * at the end")
	case strings.Contains(p.text, "*"):
		return fmt.Errorf("* stands at the end only")
	case len(strings.TrimSuffix(element, "*")) > PathMax:
		return fmt.Errorf("longer than paths of sockets are")
	}
	a.paths = append(a.paths, p)
	return nil
}

func (a *Allow) addNumber(r Rule, element string, names []Name) error {
	n, ok := ValueOf(names, []byte(element))
	if !ok {
		var err error
		if n, err = numberUpTo(math.MaxInt32, element); err != nil {
			return err
		}
	}
	a.numbers[r] = append(a.numbers[r], n)
	return nil
}

func numberUpTo(limit int, text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n > uint64(limit) {
		return 0, fmt.Errorf("no number up to %d", limit)
	}
	return int(n), nil
}

// prefixOf reads an address or a network. IPv4 addresses in the form of IPv6 are those of IPv4.
func prefixOf(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		if addr.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("a zone is a device")
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err == nil && p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return p, fmt.Errorf("a network of both kinds of addresses")
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p, err
}

// RuleNames are the names of all rules.
func RuleNames() []string { return ruleNames[noRule+1:] }

// OpenDomains are the domains of sockets that the program opens: those that have a name, as far as the rule allows, and local ones, by
// which it learns its own namespace. A nil list has all of them.
func (a *Allow) OpenDomains() (domains []int) {
	for _, d := range Domains {
		n := int(d.Value)
		if n == unix.AF_UNIX || a.refusal(func(a *Allow) Rule { return a.number(ruleDomains, n) }) == noRule {
			domains = append(domains, n)
		}
	}
	return domains
}

// Bounds are the rules that a kernel can keep as well; nil for those that are not given.
type Bounds struct {
	LocalPorts, RemotePorts []uint16
	Paths                   []string // directories in which sockets may be made
	Namespaces              []string // files
}

// Bounds are those of this list and of those that narrow it; a nil list has none.
func (a *Allow) Bounds() (b Bounds) {
	for ; a != nil; a = a.narrower {
		b.LocalPorts = common(b.LocalPorts, a.allPorts(ruleLocalPorts), same)
		b.RemotePorts = common(b.RemotePorts, a.allPorts(ruleRemotePorts), same)
		if a.given[rulePaths] {
			b.Paths = common(b.Paths, a.directories(), strings.HasPrefix)
		}
		if a.given[ruleNamespaces] {
			b.Namespaces = common(b.Namespaces, append([]string{}, a.names[ruleNamespaces]...), same)
		}
	}
	return b
}

func same[E comparable](one, other E) bool { return one == other }

// common are the elements of either list that are within one of the other; nil is a list of all there are.
func common[E comparable](one, other []E, within func(element, whole E) bool) []E {
	if one == nil || other == nil {
		return append(one, other...)
	}
	both := []E{}
	for _, lists := range [][2][]E{{one, other}, {other, one}} {
		for _, e := range lists[0] {
			if !slices.Contains(both, e) && slices.ContainsFunc(lists[1], func(whole E) bool { return within(e, whole) }) {
				both = append(both, e)
			}
		}
	}
	return both
}

// directories are those of the paths.
func (a *Allow) directories() []string {
	all := []string{}
	for _, p := range a.paths {
		if !p.abstract {
			all = append(all, p.text[:strings.LastIndexByte(p.text, '/')+1])
		}
	}
	return all
}

func (a *Allow) allPorts(r Rule) (all []uint16) {
	if !a.given[r] {
		return nil
	}
	all = []uint16{}
	for _, p := range a.ports[r] {
		for n := int(p.first); n <= int(p.last); n++ {
			all = append(all, uint16(n))
		}
	}
	return all
}

func (a *Allow) host(r Rule, addr netip.Addr) Rule {
	if !a.given[r] {
		return noRule
	}
	if r == ruleRemoteAddresses && addr.IsUnspecified() {
		return a.everywhere(r, addr)
	}
	for _, p := range a.addresses[r] {
		if p.Contains(addr) {
			return noRule
		}
	}
	return r
}

// everywhere lets pass what is sent to no address in particular, which the kernel takes for one of the machine: that of the
// socket, or the loopback address, in the form of IPv6 those of IPv4 as well. So all of them have to be allowed.
func (a *Allow) everywhere(r Rule, addr netip.Addr) Rule {
	for _, all := range []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(addr, 0)} {
		if !slices.Contains(a.addresses[r], all) {
			return r
		}
	}
	return noRule
}
