// Command gosocket runs socket calls for an Erlang node: a port program that speaks the
// protocol of docs/protocol.md on standard input and output.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/rs/zerolog/diode"
	libcap "kernel.org/pub/linux/libs/security/libcap/cap"

	"gosocket/dispatch"
	"gosocket/port"
	"gosocket/socketcore"
)

// Clients take the exit status of a program that ends before its hello for an errno, as that of a failed execve(2) is.
const (
	badFlags    = 64                  // EX_USAGE (sysexits.h): the helper does not understand its flags
	badSettings = int(syscall.EINVAL) // what they ask for cannot be had here
)

// version is set by the linker.
var version = "dev"

func main() {
	port.CrashWithoutWaiting()
	continueWithoutParent()
	// Only hang-up ends the helper: service managers send SIGTERM to the whole group while
	// the node still wants to stop in order.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGTSTP)
	loops := flag.Int("loops", 0, "event loops; 0: one below 4 processors, several above")
	spin := flag.Int("spin-us", 60, "microseconds to poll before sleeping; 0: never")
	lowest := zerolog.InfoLevel
	flag.Func("log-level", "debug, info, warn or error; without this flag info", func(name string) (err error) {
		if !slices.Contains([]string{"debug", "info", "warn", "error"}, name) {
			return errors.New("none of debug, info, warn, error")
		}
		lowest, err = zerolog.ParseLevel(name)
		return err
	})
	window := flag.Int("window", 256<<10, "bytes of a send that are asked for at a time")
	ahead := flag.Int("send-ahead", 0, "bytes that sockets may send ahead")
	parked := flag.Int64("parked-limit", 16<<20, "bytes of unsent payload kept")
	limits := socketcore.Limits{Waiting: 1_000_000, Selects: 1_000_000, Unread: 256 << 20, FDs: 16 << 10}
	flag.Int64Var(&limits.Sockets, "socket-limit", limits.Sockets, "sockets open at a time; this and the next: 0 for any number")
	flag.Int64Var(&limits.Waiting, "waiting-limit", limits.Waiting, "calls that wait")
	flag.Int64Var(&limits.Selects, "select-limit", limits.Selects, "selects that are armed")
	flag.Int64Var(&limits.Unread, "unread-limit", limits.Unread, "bytes that waiting receives have gathered")
	flag.Int64Var(&limits.FDs, "received-limit", limits.FDs, "descriptors that came with messages and were not opened")
	flag.Int64Var(&limits.Memory, "memory-limit", limits.Memory, "bytes of memory; nothing more waits or is opened when half of it is in use")
	frames := flag.Int("frame-limit", 4<<20, "largest frame accepted, in bytes")
	messages := flag.Int("message-limit", 8<<20, "largest message sent on sockets that are not streams, in bytes")
	var keep privileges
	flag.Var(&keep.capabilities, "capabilities", "capabilities(7) to keep, separated by commas; all without this flag")
	var allow socketcore.Allow
	flag.Var(&allow, "allow", "RULE=ELEMENT: sockets may be used for this; RULE: for nothing that RULE is about, unless there are elements")
	var narrow socketcore.Allow
	flag.Var(&narrow, "narrow", "as -allow: what that allows has to be allowed by this, too")
	flag.BoolVar(&keep.filter, "system-call-filter", false, "let the kernel refuse system calls that the helper never makes")
	flag.BoolVar(&keep.landlock, "landlock", false, "let the kernel keep what -allow says of paths, namespaces and ports of TCP, and refuse all other files")
	showVersion := flag.Bool("version", false, "print the version and exit")
	flag.CommandLine.Init(os.Args[0], flag.ContinueOnError)
	var said bytes.Buffer
	flag.CommandLine.SetOutput(&said)
	flag.Usage = func() {} // what is wrong would drown in it
	err := flag.CommandLine.Parse(os.Args[1:])
	if err == nil && flag.NArg() > 0 {
		err = fmt.Errorf("%q is neither a flag nor the value of one", flag.Arg(0)) // flags that come after it would go unseen
		fmt.Fprintln(&said, err)
	}
	if err != nil {
		help := errors.Is(err, flag.ErrHelp)
		if help {
			flag.PrintDefaults()
		}
		within(func() { _, _ = said.WriteTo(os.Stderr) })
		if help {
			return
		}
		os.Exit(badFlags)
	}
	if *showVersion {
		fmt.Println(version)
		return
	}
	log, flush := newLogger(os.Stderr, lowest)
	cfg := dispatch.Config{
		Version: version, Loops: *loops, Spin: time.Duration(max(-1, min(*spin, math.MaxInt32))) * time.Microsecond,
		Window: *window, ParkedLimit: *parked, SendAhead: *ahead, FrameLimit: *frames, MessageLimit: *messages, Limits: limits,
	}
	if len(narrow.Rules()) > 0 {
		allow.Narrow(&narrow)
	}
	if len(allow.Rules()) > 0 {
		cfg.Allow, keep.allow = &allow, &allow
	}
	if cfg.Loops == 0 {
		cfg.Loops = dispatch.DefaultLoops()
	}
	if err = cfg.Verify(); err != nil {
		log.Error().Err(err).Msg("settings")
		flush()
		os.Exit(badFlags)
	}
	holds, missing, err := keep.confine()
	if err != nil {
		log.Error().Err(err).Msg("settings")
		flush()
		os.Exit(badSettings)
	}
	if len(missing) > 0 {
		log.Warn().Strs("capabilities", missing).Msg("capabilities that the helper was not given")
	}
	cfg.Protections = holds
	err = run(cfg, &log)
	if err != nil {
		log.Error().Err(err).Msg("exit")
	}
	flush()
	if err != nil {
		os.Exit(1)
	}
}

// continueWithoutParent has the kernel send SIGCONT when the thread that has started the helper ends: one that somebody has stopped then
// finds its input at an end, as any other does. To one that runs the signal is nothing. It is a setting of each thread
// (PR_SET_PDEATHSIG(2const)), made on all there are; the first of them lives as long as the program.
func continueWithoutParent() {
	_, _ = libcap.Prctlw(syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGCONT), 0, 0, 0) // without it all else is the same
}

func run(cfg dispatch.Config, log *zerolog.Logger) error {
	// The steady state allocates nothing; what is left is worth a larger heap.
	debug.SetGCPercent(400)
	if n := cfg.Limits.Memory; n > 0 {
		debug.SetMemoryLimit(n)
	}
	// With the first timer the runtime makes a poller of its own. Later there may be no descriptors left
	// for that, of which it dies.
	time.AfterFunc(0, func() {})
	in, out, err := port.Claim()
	if err != nil {
		return err
	}
	server, err := dispatch.NewServer(cfg, in, out, log)
	if err != nil {
		return err
	}
	return server.Run()
}

// newLogger logs JSON lines. They pass through a ring, so that a reader of standard error who
// is slow, or none at all, never holds up a socket; lines that find the ring full are counted.
func newLogger(w io.Writer, lowest zerolog.Level) (zerolog.Logger, func()) {
	ring := diode.NewWriter(w, 1000, 0, func(missed int) {
		fmt.Fprintf(w, "{\"level\":\"warn\",\"dropped\":%d,\"message\":\"log lines dropped\"}\n", missed)
	})
	log := zerolog.New(ring).Level(lowest).With().Timestamp().Int("pid", os.Getpid()).Logger()
	return log, func() { within(func() { _ = ring.Close() }) }
}

// within does something that writes to standard error, and waits for its end as long as there is room in that, but no longer
// than lastWords; for flushTime where there is none.
func within(something func()) {
	done := make(chan struct{})
	go func() {
		something()
		close(done)
	}()
	for end := time.Now().Add(lastWords); time.Now().Before(end); {
		select {
		case <-done:
			return
		case <-time.After(flushTime):
			if !socketcore.HasRoom(syscall.Stderr) {
				return
			}
		}
	}
}

// Nobody need read standard error, and the end of the program waits for no one. But on a busy machine the last lines may take
// their time though there is room for them.
const (
	flushTime = 100 * time.Millisecond
	lastWords = time.Second
)
