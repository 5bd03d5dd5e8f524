package dispatch

import (
	"os"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"gosocket/etf/etftest"
)

// A quarantine is a thread for each loop of a server. They are in a network that has nothing but a loopback device, and in an empty
// directory which they take for the root of all: who knows what a call of random bytes sends to whom, and where it binds a path.
type quarantine struct {
	dir     string
	threads []chan func()
	network int    // a descriptor of it
	suffix  string // of names that others in the same network may have as well
}

// newQuarantine returns one that ends with f. Where the system does not let it, a fuzzing ends here, and a test of the corpus goes on in the
// network of all, though in the directory.
func newQuarantine(f *testing.F, threads int) *quarantine {
	dir, err := os.MkdirTemp("", "gosocket-fuzz")
	if err != nil {
		f.Fatal(err)
	}
	q := &quarantine{dir: dir, network: -1}
	f.Cleanup(func() {
		for _, work := range q.threads {
			close(work)
		}
		os.RemoveAll(dir)
	})
	for range threads {
		work, ready := make(chan func()), make(chan error)
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with its work
			ready <- q.enter()
			for run := range work {
				run()
			}
		}()
		q.threads = append(q.threads, work)
		switch err := <-ready; {
		case err != nil && etftest.Fuzzing():
			f.Skipf("what is tried needs a network and a root of its own, and these CAP_SYS_ADMIN and CAP_SYS_CHROOT: %v", err)
		case err != nil && q.suffix == "":
			f.Logf("without a network of its own, which needs CAP_SYS_ADMIN and CAP_SYS_CHROOT: %v", err)
			q.suffix = strconv.Itoa(os.Getpid())
		}
	}
	if q.network >= 0 {
		unix.Close(q.network)
	}
	return q
}

// enter takes the calling thread there.
func (q *quarantine) enter() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	if err := unix.Chdir(q.dir); err != nil {
		return err
	}
	if err := q.enterNetwork(); err != nil {
		return err
	}
	return unix.Chroot(".")
}

// enterNetwork takes the calling thread into the network of the others, a new one if it is the first.
func (q *quarantine) enterNetwork() (err error) {
	if q.network >= 0 {
		return unix.Setns(q.network, unix.CLONE_NEWNET)
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	q.network, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	return err
}

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

// run is Server.Run with each loop on a thread of the quarantine, of which there must be as many.
func (q *quarantine) run(s *Server) <-chan error {
	ended := make(chan error, 1)
	front := s.dispatchers[0]
	for i, x := range s.dispatchers[1:] {
		done := make(chan struct{})
		s.others.Go(func() { <-done })
		q.threads[i+1] <- func() {
			x.loop.Run()
			close(done)
		}
	}
	q.threads[0] <- func() {
		front.sayHello()
		front.write()
		front.loop.Run()
		ended <- s.failure
	}
	return ended
}
