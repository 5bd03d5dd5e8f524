package dispatch

import (
	"testing"

	"gosocket/etf"
	"gosocket/etf/etftest"
)

// frames are how many a program of FuzzFrames has.
const frames = 192

// FuzzFrames has a server of three loops serve programs of frames: one of any bytes, and what random changes make of it and of good
// frames; some of these stay good, so that there is something to meet. Each call has its answer, each frame that is none is told to be
// bad, all that is said are terms, and when all are dead nothing is left of any of it.
func FuzzFrames(f *testing.F) {
	s := newFuzzServer(f)
	all, lost := goodFrames()
	for i, frame := range all {
		if i%12 == 0 || !etftest.Fuzzing() {
			f.Add(frame)
		}
	}
	var m etftest.Mutator
	count := etftest.NewCounter(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) > 1<<12 {
			t.Skip("size is for other tests")
		}
		m.Seed(frame)
		count.Add(t, frames*s.serve(t, func() {
			goods, gentle := all, m.Intn(2) == 0
			if gentle {
				goods = all[:len(all)-lost] // each call has to have an answer then
			}
			s.send(append([]byte(nil), frame...))
			for i := range frames - 1 {
				if i == frames/2 {
					s.pause(&m, gentle)
				}
				s.send(randomFrame(&m, frame, goods))
			}
		}))
	})
}

// goodFrames have an item each. Those behind which a call may have no answer are the last ones.
func goodFrames() (all [][]byte, lost int) {
	for _, call := range goodCalls() {
		all = append(all, requestFrame(call), requestFrame(tuple("far", rawTerm(call))))
	}
	items, lost := goodItems()
	for _, item := range items {
		all = append(all, append(etf.AppendVersion(nil), item...))
	}
	return all, lost
}

// randomFrame makes a frame of one of any bytes and of good ones.
func randomFrame(m *etftest.Mutator, frame []byte, goods [][]byte) []byte {
	good := func() []byte { return goods[m.Intn(len(goods))] }
	switch m.Intn(8) {
	case 0, 1:
		return m.Mutate(nil, frame, good())
	case 2, 3:
		return append([]byte(nil), good()...)
	case 4:
		n := 1 + m.Intn(5)
		list := etf.AppendList(etf.AppendVersion(nil), n)
		for range n {
			list = append(list, good()[1:]...)
		}
		list = etf.AppendNil(list)
		if m.Intn(2) == 0 {
			return list
		}
		return m.Mutate(nil, list, frame)
	}
	return m.Mutate(nil, good(), good())
}
