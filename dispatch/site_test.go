package dispatch

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"gosocket/socketcore"
)

// A site is a place in package socketcore where it asks the kernel for something: the function that does, and the system
// call. One that makes a system call itself stands for those that call it.
type site struct{ in, call string }

func (s site) String() string { return s.in + ": " + s.call }

// sources are the functions of package socketcore, by name, as its source has them.
func sources(t *testing.T) map[string]*ast.FuncDecl {
	t.Helper()
	notTests := func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }
	packages, err := parser.ParseDir(token.NewFileSet(), "../socketcore", notTests, 0) //nolint:staticcheck // one package, one system
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string]*ast.FuncDecl{}
	for _, file := range packages["socketcore"].Files {
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				functions[functionName(f)] = f
			}
		}
	}
	return functions
}

func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	switch typ := f.Recv.List[0].Type.(type) {
	case *ast.StarExpr:
		return fmt.Sprintf("(*%s).%s", typ.X, f.Name.Name)
	default:
		return fmt.Sprintf("%s.%s", typ, f.Name.Name)
	}
}

// callsIn are the functions that a function names in order to call them: `f', `x.f', or `package.f'.
func callsIn(f *ast.FuncDecl, found func(owner, name string, call *ast.CallExpr)) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			switch fun := n.Fun.(type) {
			case *ast.Ident:
				found("", fun.Name, n)
			case *ast.SelectorExpr:
				if owner, ok := fun.X.(*ast.Ident); ok {
					found(owner.Name, fun.Sel.Name, n)
				}
			}
		case *ast.AssignStmt: // ask := sysRecv
			for _, right := range n.Rhs {
				if name, ok := right.(*ast.Ident); ok && strings.HasPrefix(name.Name, "sys") {
					found("", name.Name, nil)
				}
			}
		}
		return true
	})
}

// asks tells whether a function of package unix goes to the kernel.
func asks(name string) bool {
	_, pure := map[string]bool{"ErrnoName": true, "Errno": true, "CmsgLen": true, "CmsgSpace": true, "ByteSliceFromString": true}[name]
	return !pure
}

// sites finds those of the source, and what asks the kernel without a hook for faults.
func sites(t *testing.T) (found map[site]bool, unhooked map[string]bool) {
	t.Helper()
	functions := sources(t)
	hooked := map[string]string{} // functions that make a system call, and which
	unhooked = map[string]bool{}
	for name, f := range functions {
		kernel := false
		callsIn(f, func(owner, called string, call *ast.CallExpr) {
			switch {
			case owner == "unix" && asks(called):
				kernel = true
			case owner == "" && called == "fault" && name != "fault":
				if literal, ok := call.Args[0].(*ast.BasicLit); ok {
					hooked[name], _ = strconv.Unquote(literal.Value)
				}
			}
		})
		if kernel && hooked[name] == "" {
			unhooked[name] = true
		}
	}
	// A function of several system calls is a site itself; a short one that only makes its own is asked through.
	found = map[site]bool{}
	for name, f := range functions {
		callsIn(f, func(owner, called string, call *ast.CallExpr) {
			switch {
			case called == "fault" && owner == "" && call != nil && !through(name) && name != "fault":
				literal, _ := strconv.Unquote(call.Args[0].(*ast.BasicLit).Value)
				found[site{name, literal}] = true
			case through(called) && hooked[called] != "" && !through(name):
				found[site{name, hooked[called]}] = true
			case called == "sysGetInt" && !through(name):
				found[site{name, "getsockopt"}] = true
			}
		})
	}
	return found, unhooked
}

// through tells whether a function stands for those that call it.
func through(name string) bool {
	return strings.HasPrefix(name, "sys") || name == "Getsockopt" || name == "Setsockopt"
}

var closure = regexp.MustCompile(`(\.func\d+|\.\d+|-range\d+|\.deferwrap\d+|\.gowrap\d+)+$`)

// whose tells which site asks, from within the hook.
func whose(call string) (s site, inside bool) {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		frame, more := frames.Next()
		dir, name, ok := strings.Cut(frame.Function, "gosocket/socketcore.")
		name = closure.ReplaceAllString(name, "")
		switch {
		case !ok || dir != "":
			return site{"", call}, false // through an exported function
		case name != "fault" && !through(name):
			return site{name, call}, true
		case !more:
			return site{}, false
		}
	}
}

// siteFaults makes one site fail, the first time it is at work.
type siteFaults struct {
	mu    sync.Mutex
	fail  site
	errno syscall.Errno
	hit   bool
	seen  map[site]bool
}

func (f *siteFaults) fault(call string, _ int) syscall.Errno {
	s, inside := whose(call)
	f.mu.Lock()
	defer f.mu.Unlock()
	if inside {
		f.seen[s] = true
	}
	if f.hit || f.errno == 0 || s != f.fail {
		return 0
	}
	f.hit = true
	return f.errno
}

func (f *siteFaults) start(s site, errno syscall.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail, f.errno, f.hit, f.seen = s, errno, false, map[site]bool{}
}

func (f *siteFaults) result() (seen map[site]bool, hit bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.seen), f.hit
}

// Whatever asks the kernel has a hook for faults or is one that cannot fail, and all that has a hook has a row in the table
// of errnos.
func TestEverySystemCallCanFailInATest(t *testing.T) {
	found, unhooked := sites(t)
	for name := range unhooked {
		if neverFail[name] == "" {
			t.Errorf("%s asks the kernel without a hook for faults", name)
		}
	}
	for name := range neverFail {
		if !unhooked[name] {
			t.Errorf("%s asks the kernel no more", name)
		}
	}
	for s := range found {
		if len(manual[s.call]) == 0 {
			t.Errorf("%v has no row in the table of errnos", s)
		}
	}
	t.Logf("%d sites, %d system calls", len(found), len(manual))
}

// Every site fails with every errno of its manual page: everybody gets an answer that is one, the caller's with the errno in
// it, nothing stays behind, and the next round is none the worse for it.
func TestEverySiteFailsWithEveryErrno(t *testing.T) {
	f := &siteFaults{}
	f.start(site{}, 0)
	socketcore.Fault = f.fault
	t.Cleanup(func() { socketcore.Fault = nil })
	dir := t.TempDir()
	found, _ := sites(t)
	visited := map[site]string{}
	faults := 0
	for _, l := range legs {
		c, end := startClient(t, l.change)
		before := keptDescriptors()
		n := 0
		run := func(s site, errno syscall.Errno) (*tour, map[site]bool, bool) {
			n++
			f.start(s, errno)
			v := &tour{c: c}
			l.run(v, fmt.Sprintf("%s/%s%d", dir, l.name, n))
			for range 2 { // what has happened to sockets is looked at behind the first of these
				c.do(tuple("supports", atom("nothing")))
			}
			seen, hit := f.result()
			f.start(site{}, 0) // what closes it all is to succeed
			v.close()
			c.kept = nil
			for _, bad := range v.bad {
				t.Errorf("%s, %v fails with %v: %s", l.name, s, errno, bad)
			}
			if left := c.left(before); left != "" {
				t.Fatalf("%s, %v fails with %v: %s", l.name, s, errno, left)
			}
			return v, seen, hit
		}
		_, seen, _ := run(site{}, 0)
		mine := slices.SortedFunc(maps.Keys(seen), func(a, b site) int { return strings.Compare(a.String(), b.String()) })
		for _, s := range mine {
			if _, done := visited[s]; done {
				continue
			}
			visited[s] = l.name
			var unheard []string
			for i, errno := range manual[s.call] {
				if testing.Short() && i > 1 {
					break
				}
				v, _, hit := run(s, errno)
				faults++
				name, answer := socketcore.ErrnoName(errno), socketcore.ErrnoName(errno)
				if failsClosed(s) {
					answer = "eacces"
				}
				told := slices.ContainsFunc(v.said, func(said string) bool { return strings.Contains(said, answer) })
				if hit && !told && quiet[s] == "" && !saysSomethingElse[errno] && translated[s.String()+" "+name] == "" {
					unheard = append(unheard, name)
				}
			}
			if len(unheard) > 0 {
				t.Errorf("%s, %v fails, and nobody hears of it: %v", l.name, s, unheard)
			}
		}
		end()
	}
	faults += failStarts(t, f, visited)
	for s := range found {
		_, was := visited[s]
		switch reason := notHere[s.String()]; {
		case reason == "" && !was && (!privileged[s.String()] || os.Geteuid() == 0):
			t.Errorf("%v was not visited: no leg leads there", s)
		case reason != "" && was:
			t.Errorf("%v is visited", s)
		}
	}
	for s := range notHere {
		in, call, _ := strings.Cut(s, ": ")
		if !found[site{in, call}] {
			t.Errorf("%v is no site", s)
		}
	}
	for s := range quiet {
		if !found[s] {
			t.Errorf("%v is no site", s)
		}
	}
	t.Logf("%d of %d sites failed, in %d ways", len(visited), len(found), faults)
}

// failStarts has servers fail where they start and end. One that cannot start says why, and leaves nothing.
func failStarts(t *testing.T, f *siteFaults, visited map[site]string) (faults int) {
	t.Helper()
	before := descriptors()
	nobody := zerolog.Nop()
	starts := map[site]bool{ // whether a server can do without it
		{"NewLoop", "epoll_create1"}: false, {"NewLoop", "eventfd2"}: false, {"(*Loop).Listen", "epoll_ctl"}: false,
		{"newPipe", "pipe2"}: true, {"newPipe", "fcntl"}: true, {"(*Loop).Free", "setsockopt"}: true,
	}
	for s, may := range starts {
		visited[s] = "start"
		for _, errno := range manual[s.call] {
			faults++
			f.start(s, errno)
			if may {
				c, end := startClient(t)
				c.open("inet", "dgram")
				end()
			} else {
				r, w := pipe(t)
				server, err := NewServer(Config{Loops: 2, Window: 64 << 10, FrameLimit: 1 << 20, MessageLimit: 1}, int(r.Fd()), int(w.Fd()), &nobody)
				if !errors.Is(err, errno) {
					t.Errorf("%v fails with %v: %v, %v", s, errno, server, err)
				}
				r.Close()
				w.Close()
			}
			if _, hit := f.result(); !hit {
				t.Errorf("%v was not visited", s)
			}
			if n := descriptors(); n != before {
				t.Fatalf("%v fails with %v: %d descriptors, %d before: %q", s, errno, n, before, listDescriptors())
			}
		}
	}
	return faults
}
