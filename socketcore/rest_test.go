package socketcore

import (
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// resting is a loop that has waited long, and a pipe that it listens to.
func resting(t *testing.T) (l *Loop, r, w int) {
	t.Helper()
	l, err := NewLoop(Config{}, new(Totals))
	if err != nil {
		t.Fatal(err)
	}
	l.SetHandler(mute{})
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Free()
		_ = unix.Close(p[0])
		_ = unix.Close(p[1])
	})
	if err := l.Listen(p[0], Input, func(uint32) { drain(p[0]) }); err != nil {
		t.Fatal(err)
	}
	const sleep = int(longWait/time.Millisecond) + 1
	for range longWaits {
		if l.rest.file != nil {
			t.Fatal("it rests already")
		}
		if n := l.wait(sleep); n != 0 {
			t.Fatalf("%d events of nothing", n)
		}
	}
	if l.rest.file == nil {
		t.Fatal("it does not rest")
	}
	return l, p[0], p[1]
}

func drain(fd int) {
	var b [64]byte
	for n := 1; n > 0; n, _ = unix.Read(fd, b[:]) {
	}
}

func poke(t *testing.T, fd int) {
	if _, err := unix.Write(fd, []byte{1}); err != nil {
		t.Error(err)
	}
}

func TestRestKeepsDeadlines(t *testing.T) {
	l, _, w := resting(t)
	for _, sleep := range []int{25, 1, 40} {
		start := Now()
		if n := l.wait(sleep); n != 0 {
			t.Fatalf("%d events of nothing", n)
		}
		if took := Now() - start; took < int64(sleep)*int64(time.Millisecond) {
			t.Errorf("%v of %d ms", time.Duration(took), sleep)
		}
		l.beginRest() // a short wait has ended it
	}
	// A deadline is that of one wait.
	go func() {
		time.Sleep(longWait)
		poke(t, w)
	}()
	if n := l.wait(-1); n != 1 {
		t.Errorf("%d events", n)
	}
}

// Signals, as the runtime sends them to stop a thread, neither end a wait nor make it longer, whoever waits.
func TestWaitsOutliveSignals(t *testing.T) {
	l, _, _ := resting(t)
	for _, rests := range []bool{false, true} {
		if l.endRest(); rests {
			l.beginRest()
		}
		var signals atomic.Int32
		runtime.LockOSThread()
		thread, done := unix.Gettid(), make(chan bool)
		go func() {
			defer close(done)
			for end := Now() + int64(200*time.Millisecond); Now() < end; time.Sleep(time.Millisecond) {
				if unix.Tgkill(unix.Getpid(), thread, unix.SIGURG) == nil {
					signals.Add(1)
				}
			}
		}()
		start := Now()
		n := l.wait(100)
		took, during := time.Duration(Now()-start), signals.Load()
		runtime.UnlockOSThread()
		if <-done; n != 0 || took < 100*time.Millisecond || during == 0 {
			t.Errorf("rests %v: %d events in %v, %d signals", rests, n, took, during)
		}
	}
}

func TestRestEndsWithAShortWait(t *testing.T) {
	l, r, w := resting(t)
	poke(t, w)
	if n := l.wait(-1); n != 1 || l.rest.file != nil {
		t.Errorf("%d events, rests: %v", n, l.rest.file != nil)
	}
	drain(r)
	if n := l.wait(1); n != 0 {
		t.Errorf("%d events of nothing", n)
	}
}

func TestRestIsEndedByPost(t *testing.T) {
	l, _, _ := resting(t)
	ran := false
	go func() {
		time.Sleep(longWait)
		l.Post(func() { ran = true })
	}()
	l.handle(l.wait(-1))
	if !ran {
		t.Error("what was posted did not run")
	}
}

// An event may come at any moment of a wait's beginning, and none is lost.
func TestRestLosesNoEvent(t *testing.T) {
	l, r, w := resting(t)
	for range 3000 {
		l.beginRest()
		delay := time.Duration(rand.IntN(200)) * time.Microsecond
		go func() {
			for start := Now(); Now()-start < int64(delay); {
			}
			poke(t, w)
		}()
		if n := l.wait(10_000); n != 1 {
			t.Fatalf("%d events, though one came after %v", n, delay)
		}
		drain(r)
		if n := l.pollNow(); n != 0 {
			t.Fatalf("%d events of nothing", n)
		}
	}
}
