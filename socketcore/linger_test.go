package socketcore

import (
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSignalsDoNotCutALingerShort(t *testing.T) {
	fd, done, e := TCPPair.Open()
	if e != 0 {
		t.Fatal(e)
	}
	defer func() {
		_ = unix.Dup3(2, fd, unix.O_CLOEXEC) // done closes the number once more
		done()
	}()
	// A peer that reads nothing, and more than both sides hold.
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for stuck := 0; stuck < 20; {
		if _, e := sysSend(fd, make([]byte, 1<<20), 0, nil); e == 0 {
			stuck = 0
			continue
		}
		stuck++
		time.Sleep(5 * time.Millisecond)
	}
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 1}); err != nil {
		t.Fatal(err)
	}
	start, closed := time.Now(), make(chan struct{})
	go func() {
		sysCloseWait(fd)
		close(closed)
	}()
	signal := time.NewTicker(5 * time.Millisecond)
	defer signal.Stop()
	for {
		select {
		case <-closed:
			if d := time.Since(start); d < 900*time.Millisecond {
				t.Errorf("it lingered for %v of a second", d)
			}
			return
		case <-signal.C: // what the runtime preempts its threads with
			threads, err := os.ReadDir("/proc/self/task")
			if err != nil {
				t.Fatal(err)
			}
			for _, thread := range threads {
				id, _ := strconv.Atoi(thread.Name())
				_ = unix.Tgkill(os.Getpid(), id, unix.SIGURG)
			}
		}
	}
}
