package main

import (
	"fmt"
	"strings"

	libcap "kernel.org/pub/linux/libs/security/libcap/cap"

	"gosocket/dispatch"
	"gosocket/socketcore"
)

// prSetNoNewPrivs is PR_SET_NO_NEW_PRIVS of prctl(2).
const prSetNoNewPrivs = 38

// A capabilities flag names what the helper keeps of the capabilities that it was started with; not given, it keeps all.
type capabilities struct {
	given bool
	kept  []libcap.Value
}

// String implements flag.Value.
func (c *capabilities) String() string {
	names := make([]string, 0, len(c.kept))
	for _, v := range c.kept {
		names = append(names, nameOf(v))
	}
	return strings.Join(names, ",")
}

// Set implements flag.Value: names as in capabilities(7), with or without their cap_, separated by commas. None at all is a list, too.
func (c *capabilities) Set(list string) error {
	c.given, c.kept = true, nil
	if list == "" {
		return nil
	}
	for name := range strings.SplitSeq(strings.ToLower(list), ",") {
		v, err := libcap.FromName("cap_" + strings.TrimPrefix(name, "cap_"))
		if err != nil || v >= libcap.MaxBits() {
			return fmt.Errorf("%q is no capability of this system", name)
		}
		c.kept = append(c.kept, v)
	}
	return nil
}

// privileges say what the helper keeps of what it may do.
type privileges struct {
	capabilities capabilities
	allow        *socketcore.Allow
	filter       bool // system calls
	landlock     bool
}

// confine gives up, for all threads, what the helper never needs: to gain privileges by execve(2), each capability that its
// configuration does not name, and as far as that says so files and system calls. It returns what holds from then on, and the
// capabilities that the configuration names in vain, because the helper was not given them.
func (p *privileges) confine() (holds dispatch.Protections, missing []string, err error) {
	holds = dispatch.Protections{NoNewPrivs: true, SystemCalls: p.filter}
	if _, err := libcap.Prctlw(prSetNoNewPrivs, 1, 0, 0, 0); err != nil {
		return holds, nil, fmt.Errorf("no_new_privs: %w", err)
	}
	if p.landlock {
		if holds.Landlock, err = restrictFiles(p.allow); err != nil {
			return holds, nil, fmt.Errorf("landlock: %w", err)
		}
	}
	if p.capabilities.given {
		if missing, err = drop(p.capabilities.kept); err != nil {
			return holds, nil, fmt.Errorf("capabilities: %w", err)
		}
	}
	now := libcap.GetProc()
	for v := range libcap.MaxBits() {
		if on, err := now.GetFlag(libcap.Effective, v); err == nil && on {
			holds.Capabilities = append(holds.Capabilities, nameOf(v))
		}
	}
	if p.filter {
		if err = filterSystemCalls(p.allow); err != nil {
			return holds, missing, fmt.Errorf("system-call filter: %w", err)
		}
	}
	return holds, missing, nil
}

// drop keeps these capabilities, permitted and effective, and no other in any set. The ambient set shrinks with the
// inheritable one. To shrink the bounding set takes a capability itself; without it that set stays as it is, and bounds
// nothing any more, since no_new_privs has execve(2) grant none.
func drop(kept []libcap.Value) (missing []string, err error) {
	held, want := libcap.GetProc(), libcap.NewSet()
	for _, v := range kept {
		if on, _ := held.GetFlag(libcap.Permitted, v); !on {
			missing = append(missing, nameOf(v))
			continue
		}
		for _, set := range []libcap.Flag{libcap.Permitted, libcap.Effective} {
			if err := want.SetFlag(set, true, v); err != nil {
				return nil, err
			}
		}
	}
	if may, _ := held.GetFlag(libcap.Effective, libcap.SETPCAP); may {
		if err := libcap.DropBound(others(kept)...); err != nil {
			return nil, err
		}
	}
	return missing, want.SetProc()
}

// others are all capabilities but these.
func others(kept []libcap.Value) (rest []libcap.Value) {
	named := map[libcap.Value]bool{}
	for _, v := range kept {
		named[v] = true
	}
	for v := range libcap.MaxBits() {
		if !named[v] {
			rest = append(rest, v)
		}
	}
	return rest
}

func nameOf(v libcap.Value) string { return strings.TrimPrefix(v.String(), "cap_") }
