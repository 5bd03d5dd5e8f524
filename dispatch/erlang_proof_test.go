package dispatch

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gosocket/socketcore"
)

// A case of a suite says in its comment which options it proves: by more than a get.
var (
	provesLine = regexp.MustCompile(`(?m)^%% Proves: (.*)\n(?:%%.*\n)*-spec (\w+)\(`)
	nextSpec   = regexp.MustCompile(`(?m)^-spec `)
)

// erlangProofs returns the cases of the Erlang suites by the options that they prove.
func erlangProofs(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("../test/*_SUITE.erl")
	must(t, err)
	proofs := make(map[string][]string)
	for _, file := range files {
		b, err := os.ReadFile(file)
		must(t, err)
		source, suite := string(b), strings.TrimSuffix(filepath.Base(file), ".erl")
		for _, m := range provesLine.FindAllStringSubmatchIndex(source, -1) {
			options, name, body := source[m[2]:m[3]], source[m[4]:m[5]], source[m[5]:]
			if end := nextSpec.FindStringIndex(body); end != nil {
				body = body[:end[0]]
			}
			for _, option := range strings.Split(options, ", ") {
				level, key, _ := strings.Cut(option, " ")
				if !knownOption(level, key) {
					t.Errorf("%s:%s proves %s, which is no option", suite, name, option)
				}
				if !regexp.MustCompile(`\b` + key + `\b`).MatchString(body) {
					t.Errorf("%s:%s does not name %s", suite, name, option)
				}
				proofs[option] = append(proofs[option], suite+":"+name)
			}
		}
	}
	return proofs
}

func knownOption(level, key string) bool {
	if level == otpLevel {
		_, known := otpOptions[key]
		return known
	}
	return slices.ContainsFunc(firstRows(), func(o *socketcore.Option) bool { return o.Level.Name == level && o.Name == key })
}

func TestEveryOptionOfTheHelperIsProven(t *testing.T) {
	proofs := erlangProofs(t)
	for name, row := range otpOptions {
		if (row.get != nil || row.set != nil) && len(proofs["otp "+name]) == 0 {
			t.Errorf("otp %s is not proven", name)
		}
		listed := false
		for _, o := range otpValues {
			listed = listed || o.name == name
		}
		if listed != (row.get != nil || row.set != nil) {
			t.Errorf("otp %s is in the reference: %v", name, listed)
		}
	}
}
