// Gotally reads what `go test -json` prints, shows failures and a line for each package, and appends
// the counts to a file of results.
//
//	go test -json ./... | gotally NAME RESULTS
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is the part used here of what `go doc test2json` describes.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

type key struct{ pkg, test string }

type tally struct {
	passed, failed, skipped int
	output                  map[key][]string
	failedIn                map[string]int
	out                     io.Writer
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go test -json ./... | gotally NAME RESULTS")
		os.Exit(2)
	}
	t := &tally{output: map[key][]string{}, failedIn: map[string]int{}, out: os.Stdout}
	if err := t.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "gotally:", err)
		t.failed++
	}
	if t.passed+t.failed == 0 {
		fmt.Fprintln(os.Stderr, "gotally: no test ran")
		t.failed++
	}
	if err := t.record(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "gotally:", err)
		os.Exit(1)
	}
	if t.failed > 0 {
		os.Exit(1)
	}
}

func (t *tally) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			t.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// line takes one event; what is none is a message of the go command itself, such as a build error.
func (t *tally) line(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil {
		fmt.Fprintf(t.out, "%s", line)
		return
	}
	k := key{e.Package, e.Test}
	switch e.Action {
	case "output":
		t.output[k] = append(t.output[k], e.Output)
	case "build-output":
		fmt.Fprint(t.out, e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			t.endPackage(k, e)
		} else {
			t.endTest(k, e.Action)
		}
		delete(t.output, k)
	}
}

func (t *tally) endTest(k key, action string) {
	switch action {
	case "pass":
		t.passed++
		return
	case "fail":
		t.failed++
		t.failedIn[k.pkg]++
	case "skip":
		t.skipped++
	}
	fmt.Fprintf(t.out, "%s: %s %s\n", action, k.pkg, k.test)
	for _, line := range t.output[k] {
		if !strings.HasPrefix(strings.TrimSpace(line), "=== ") {
			fmt.Fprint(t.out, "    ", line)
		}
	}
}

// endPackage counts a package that failed without a failed test: it did not build, or it crashed.
func (t *tally) endPackage(k key, e event) {
	if e.Action == "fail" && t.failedIn[k.pkg] == 0 {
		t.failed++
		fmt.Fprint(t.out, strings.Join(t.output[k], ""))
	}
	fmt.Fprintf(t.out, "%-5s %s %.1f s\n", e.Action, k.pkg, e.Elapsed)
}

func (t *tally) record(name, path string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(f, "%s\t%d\t%d\t%d\n", name, t.passed, t.failed, t.skipped); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
