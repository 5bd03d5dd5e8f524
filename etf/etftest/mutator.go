// Package etftest has what the fuzz targets of several packages share: terms that were changed at random, and a count of
// executions. It does not read terms with package etf, which is what the targets test.
package etftest

import "encoding/binary"

// A Mutator changes terms, or any bytes, at random. What it does follows from its seed.
type Mutator struct {
	state uint64
	spans []span
	other []span
}

// Seed has the next changes follow from b.
func (m *Mutator) Seed(b []byte) {
	m.state = 0xcbf29ce484222325
	for _, c := range b {
		m.state = (m.state ^ uint64(c)) * 0x100000001b3 // FNV-1a
	}
}

// Intn returns a number from 0 to n-1 (splitmix64).
func (m *Mutator) Intn(n int) int {
	m.state += 0x9e3779b97f4a7c15
	z := m.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) % uint64(n))
}

// The bytes that begin terms or the whole of them, and some that are nothing.
var tags = []byte{
	131, 80, 82, 121, 70, 77, 88, 89, 90, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115,
	116, 117, 118, 119, 120, 0, 1, 2, 3, 4, 127, 128, 255,
}

var numbers = []uint32{0, 1, 2, 3, 255, 256, 65535, 65536, 1<<24 - 1, 1 << 24, 1<<31 - 1, 1 << 31, 1<<32 - 1}

// maxSize is the size that a changed term has at most, unless it had more before.
const maxSize = 1 << 12

// Mutate appends to dst what base became by one to four changes. Terms that take the place of others are from base or donor.
func (m *Mutator) Mutate(dst, base, donor []byte) []byte {
	start := len(dst)
	dst = append(dst, base...)
	for range 1 + m.Intn(2)*m.Intn(4) {
		b := dst[start:]
		if len(b) == 0 {
			return append(dst, tags[m.Intn(len(tags))])
		}
		changed := m.change(b, donor)
		if len(changed) > max(maxSize, len(base)) {
			changed = changed[:max(maxSize, len(base))]
		}
		dst = append(dst[:start], changed...)
	}
	return dst
}

// change makes one change. It may change b, which is not empty.
func (m *Mutator) change(b, donor []byte) []byte {
	at := m.Intn(len(b))
	n := 1 + m.Intn(min(len(b)-at, 8))
	switch m.Intn(12) {
	case 0:
		b[at] ^= 1 << m.Intn(8)
	case 1:
		b[at] = tags[m.Intn(len(tags))]
	case 2:
		b[at] += byte(1 + m.Intn(35) - 18)
	case 3:
		return append(b[:at], b[at+n:]...)
	case 4:
		return join(b[:at+n], b[at:])
	case 5:
		return b[:at]
	case 6:
		fresh := make([]byte, n)
		for i := range fresh {
			fresh[i] = byte(m.Intn(256))
		}
		return join(b[:at], fresh, b[at:])
	case 7:
		var word [4]byte
		binary.BigEndian.PutUint32(word[:], numbers[m.Intn(len(numbers))])
		if m.Intn(2) == 0 {
			copy(b[at:], word[2:])
		} else {
			copy(b[at:], word[:])
		}
	case 8:
		return m.wrap(b)
	default:
		return m.replace(b, donor)
	}
	return b
}

// replace puts a term of b or donor into the place of one of b.
func (m *Mutator) replace(b, donor []byte) []byte {
	m.spans = spansOf(m.spans[:0], b)
	from, spans := b, m.spans
	if m.Intn(3) > 0 {
		m.other = spansOf(m.other[:0], donor)
		from, spans = donor, m.other
	}
	if len(m.spans) == 0 || len(spans) == 0 {
		return b
	}
	old, fresh := m.spans[m.Intn(len(m.spans))], spans[m.Intn(len(spans))]
	return join(b[:old.start], from[fresh.start:fresh.end], b[old.end:])
}

// wrap puts a compound term around one of b.
func (m *Mutator) wrap(b []byte) []byte {
	m.spans = spansOf(m.spans[:0], b)
	if len(m.spans) == 0 {
		return b
	}
	s := m.spans[m.Intn(len(m.spans))]
	around := [][2]string{
		{"\x68\x01", ""},
		{"\x68\x02\x61\x01", ""},
		{"\x69\x00\x00\x00\x01", ""},
		{"\x6c\x00\x00\x00\x01", "\x6a"},
		{"\x6c\x00\x00\x00\x00", ""},
		{"\x6c\x00\x00\x00\x01\x61\x01", ""},
		{"\x74\x00\x00\x00\x01\x61\x01", ""},
	}
	w := around[m.Intn(len(around))]
	return join(b[:s.start], []byte(w[0]), b[s.start:s.end], []byte(w[1]), b[s.end:])
}

func join(parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	all := make([]byte, 0, n)
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
