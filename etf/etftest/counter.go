package etftest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// CountsVariable names the directory in which a Counter keeps its count.
const CountsVariable = "GOSOCKET_FUZZ_COUNTS"

// Known is how many inputs of a fuzzing may have been known before. It begins with these.
const Known = 384

// Fuzzing tells whether this is more than a test of the corpus.
func Fuzzing() bool { return flag.Lookup("test.fuzz").Value.String() != "" }

// A Counter counts executions of a fuzz target, without those of the first Known inputs. An input of the fuzzer is more than one, and how
// many is for the target to say. Where CountsVariable is set the count stands in a file of the process, which may end at any time:
// TARGET.PID.
type Counter struct {
	file   *os.File
	inputs int
	n      int
}

// NewCounter returns a Counter that ends with f.
func NewCounter(f *testing.F) *Counter {
	c := &Counter{}
	dir := os.Getenv(CountsVariable)
	if dir == "" {
		return c
	}
	file, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s.%d", f.Name(), os.Getpid())))
	if err != nil {
		f.Fatal(err)
	}
	c.file = file
	f.Cleanup(func() { _ = file.Close() })
	return c
}

// Add counts the n executions of an input.
func (c *Counter) Add(t *testing.T, n int) {
	if c.inputs++; c.inputs <= Known || c.file == nil {
		return
	}
	c.n += n
	if _, err := c.file.WriteAt(fmt.Appendln(nil, c.n), 0); err != nil {
		t.Fatal(err)
	}
}
