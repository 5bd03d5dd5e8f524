package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Whatever is behind a flag is understood, or refused in words that name the flag.
func TestFlagsAreUnderstoodOrRefused(t *testing.T) {
	numbers := []string{
		"-1", "0", "1", "16", "17", "4095", "4096", "1000000", "1000001", "4128768", "4128769", "4194304", "2147483647", "2147483648", "18446744073709552",
		"9223372036854775807", "9223372036854775808", "many", "", "1.0", "true", "info", "trace", "INFO", "net_raw", "net_rwa", "domains=inet", "domains=inet7",
	}
	from := func(least, most string) []string {
		return numbers[slices.Index(numbers, least) : slices.Index(numbers, most)+1]
	}
	good := map[string][]string{
		"-loops": from("0", "16"), "-spin-us": from("0", "1000000"), "-window": from("4096", "4128768"), "-send-ahead": from("0", "2147483647"),
		"-frame-limit": from("1000000", "2147483647"), "-message-limit": from("1", "9223372036854775807"),
		"-log-level": {"info"}, "-capabilities": {"", "net_raw"}, "-allow": {"domains=inet"}, "-narrow": {"domains=inet"},
	}
	for _, limit := range []string{"parked", "socket", "waiting", "select", "unread", "received", "memory"} {
		good["-"+limit+"-limit"] = from("0", "9223372036854775807")
	}
	for flag, good := range good {
		for _, value := range numbers {
			wantUnderstood(t, slices.Contains(good, value), strings.Trim(flag, "-"), flag, value)
		}
	}
	for _, flag := range []string{"-system-call-filter", "-landlock"} {
		wantUnderstood(t, false, strings.Trim(flag, "-"), flag+"=many")
		wantUnderstood(t, true, "", flag+"=false")
		wantUnderstood(t, false, "false", flag, "false") // it would be on, and all behind it be unseen
	}
	for _, misspelt := range []string{"-loop", "-Loops", "-socket_limit", "-allows"} {
		wantUnderstood(t, false, misspelt, misspelt, "1")
	}
	wantUnderstood(t, false, "more", "-loops", "1", "more")
}

// wantUnderstood runs the helper, which ends with another status when it dislikes but its standard input.
func wantUnderstood(t *testing.T, understood bool, named string, flags ...string) {
	t.Helper()
	cmd := exec.Command(program, flags...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	_ = cmd.Run()
	named = strings.ReplaceAll(named, "-", " ")
	words := strings.ReplaceAll(stderr.String(), "-", " ")
	switch status := cmd.ProcessState.ExitCode(); {
	case understood == (status == badFlags):
		t.Errorf("%q: exit status %d: %s", flags, status, words)
	case !understood && !strings.Contains(words, named):
		t.Errorf("%q: %s", flags, words)
	}
}
