package dispatch

import (
	"strings"
	"testing"

	"gosocket/socketcore"
)

// TestIntegersOfAnySizeAreJudgedAlike sets every option that is an integer of at most 32 bits to one of more
// than 64 bits: that is no more out of range than one of 40 bits.
func TestIntegersOfAnySizeAreJudgedAlike(t *testing.T) {
	closed := &fakeSocket{fd: -1, closed: true}
	checked := 0
	for _, o := range firstRows() {
		if o.Settable() == nil || o.Settable().Type.Size > 4 {
			continue
		}
		switch form := o.Settable().Type.Form; form {
		case socketcore.Int, socketcore.Uint, socketcore.Network, socketcore.Enum, socketcore.Named, socketcore.Bits:
		default:
			continue
		}
		checked++
		for _, sign := range []string{"", "-"} {
			judge := func(s optionSocket, value string) string {
				got := set(t, s, o.Level.Name, o.Name, value)
				return strings.ReplaceAll(got, show(t, term(t, value)), "VALUE")
			}
			want := judge(closed, sign+"1 bsl 40")
			for _, value := range []string{sign + "1 bsl 63", sign + "1 bsl 64", sign + "1 bsl 70"} {
				if got := judge(closed, value); got != want {
					t.Errorf("%s %s %s is %s, want %s", o.Level.Name, o.Name, value, got, want)
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("%d options checked", checked)
	}
}

// TestOptionsOfCharactersTakeBinaries compares what becomes of a string with what becomes of the same as a binary.
func TestOptionsOfCharactersTakeBinaries(t *testing.T) {
	checked := 0
	for _, o := range firstRows() {
		if o.Settable() == nil || o.Settable().Type.Form != socketcore.Chars {
			continue
		}
		checked++
		for _, value := range []string{"", "lo", "reno", "no_such_thing", strings.Repeat("x", 15), strings.Repeat("x", 300)} {
			s := open(t, socketcore.TCP)
			chars := set(t, s, o.Level.Name, o.Name, "\""+value+"\"")
			s = open(t, socketcore.TCP)
			if got := set(t, s, o.Level.Name, o.Name, "<<\""+value+"\">>"); got != chars {
				t.Errorf("%s %q as a binary is %s, as a string %s", o.Name, value, got, chars)
			}
		}
	}
	if checked < 3 {
		t.Errorf("%d options checked", checked)
	}
}
