package etftest

import (
	"bytes"
	"slices"
	"testing"
)

// {ok,[1,<<"ab">>],#{a=>{}}}
const sample = "\x83\x68\x03\x77\x02ok\x6c\x00\x00\x00\x02\x61\x01\x6d\x00\x00\x00\x02ab\x6a\x74\x00\x00\x00\x01\x77\x01a\x68\x00"

func TestSpansAreThoseOfTerms(t *testing.T) {
	var found []string
	for _, s := range spansOf(nil, []byte(sample)) {
		found = append(found, sample[s.start:s.end])
	}
	list, aMap := sample[7:22], sample[22:]
	want := []string{"\x77\x02ok", "\x61\x01", "\x6d\x00\x00\x00\x02ab", "\x6a", list, "\x77\x01a", "\x68\x00", aMap, sample[1:]}
	if !slices.Equal(found, want) {
		t.Errorf("%q, want %q", found, want)
	}
	for n := range len(sample) { // what ends too early has no span that does
		for _, s := range spansOf(nil, []byte(sample[:n])) {
			if !slices.Contains(want, sample[s.start:s.end]) {
				t.Errorf("of %d bytes: %q", n, sample[s.start:s.end])
			}
		}
	}
}

func TestASeedDecidesAboutAllChanges(t *testing.T) {
	changed := func(seed string) (all []byte) {
		var m Mutator
		m.Seed([]byte(seed))
		for range 1000 {
			all = append(m.Mutate(all, []byte(sample), []byte("\x61\x07")), 0)
		}
		return all
	}
	if !bytes.Equal(changed("a"), changed("a")) {
		t.Error("the same seed, other changes")
	}
	if bytes.Equal(changed("a"), changed("b")) {
		t.Error("another seed, the same changes")
	}
}

func TestNearlyAllVariantsDiffer(t *testing.T) {
	var m Mutator
	different := map[string]bool{}
	n := m.Each(t, []byte(sample), [][]byte{[]byte("\x61\x07")}, 1000, func(_ int, b []byte) { different[string(b)] = true })
	if n != 1000 || len(different) < 700 {
		t.Errorf("%d of %d differ", len(different), n)
	}
	large := make([]byte, 100_000)
	if n := m.Each(t, large, [][]byte{large}, 10, func(int, []byte) {}); n != 1 {
		t.Errorf("%d variants of what is large", n)
	}
}
