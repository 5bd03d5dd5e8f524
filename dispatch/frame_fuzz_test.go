package dispatch

import (
	"bytes"
	"errors"
	"flag"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosocket/etf"
)

// quarantine is a thread that runs functions one after the other, in a network that has nothing but a loopback device: who
// knows what a call of random bytes sends, and to whom.
var quarantine = sync.OnceValues(func() (chan<- func(), error) {
	work, ready := make(chan func()), make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			ready <- err
			return
		}
		ready <- loopbackUp()
		for f := range work {
			f()
		}
	}()
	return work, <-ready
})

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// FuzzFrames has a server, which has some sockets, serve a frame of any bytes. It lives on, and all that it says are terms.
func FuzzFrames(f *testing.F) {
	work, err := quarantine()
	fuzzing := flag.Lookup("test.fuzz").Value.String() != ""
	if err != nil && fuzzing {
		f.Skipf("what is tried needs a network of its own, and that CAP_SYS_ADMIN: %v", err)
	}
	start := func(run func()) { work <- run }
	if err != nil {
		start = func(run func()) { go run() } // what is written down here does no harm
	}
	const number = 1 << 24 // of the first socket
	all := etf.AppendList(etf.AppendVersion(nil), len(examples(number)))
	for i, call := range examples(number) {
		request := encodeCall(i, call)
		all = append(all, request...)
		f.Add(append(etf.AppendVersion(nil), request...))
		f.Add(append(etf.AppendVersion(nil), encodeCall(i, tuple("far", rawTerm(call)))...))
	}
	f.Add(etf.AppendNil(all))
	for _, item := range itemExamples() {
		f.Add(append(etf.AppendVersion(nil), item...))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) > 1<<16 {
			t.Skip("size is for other tests")
		}
		c, end := startClientOn(t, start)
		defer end()
		c.open("inet", "dgram")
		a, _ := c.pair()
		c.want(c.do(send(a, 1, "something to read")), "ok")
		c.raw(append(make([]byte, 4), frame...))
		c.write(tuple("ping", atom("alive")))
		pong := append(etf.AppendVersion(nil), tuple("pong", atom("alive"))...)
		for {
			select {
			case body, more := <-c.out:
				if !more {
					t.Fatal("the server has ended")
				}
				if bytes.Equal(body, pong) {
					return
				}
				if _, err := etf.Decode(body); err != nil && !errors.Is(err, etf.ErrDepth) {
					t.Fatalf("%v in % x", err, body)
				}
			case <-time.After(patience):
				t.Fatal("no answer to a ping")
			}
		}
	})
}
