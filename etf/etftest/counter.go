package etftest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// CountsVariable names the directory in which a Counter keeps its count.
const CountsVariable = "GOSOCKET_FUZZ_COUNTS"

// A Counter counts executions of a fuzz target. An input of the fuzzer is more than one, and how many is for the target to say. Where
// CountsVariable is set the count stands in a file of the process, which may end at any time: TARGET.PID.
type Counter struct {
	file *os.File
	n    int
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

// Add counts n executions that are done.
func (c *Counter) Add(t *testing.T, n int) {
	c.n += n
	if c.file == nil {
		return
	}
	if _, err := c.file.WriteAt(fmt.Appendln(nil, c.n), 0); err != nil {
		t.Fatal(err)
	}
}
