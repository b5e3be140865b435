package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action, Package, ImportPath, Test, Output string
	// Elapsed is in seconds, without the time a parallel test waits for its turn.
	Elapsed float64
}

// tests counts leaves: a test that only groups subtests is not one itself.
type tests struct {
	passed, failed, skipped int
	repeated                int             // packages whose result go test repeats, since nothing they depend on has changed
	parents                 map[string]bool // names with subtests
	output                  map[string]*strings.Builder
	failedBelow             map[string]bool // names of which a subtest, or packages of which a test, failed
	skips                   []string
	spent                   []spent
}

// spent is how long a test took that contains no other.
type spent struct {
	name    string
	seconds float64
}

// slowest is how many of the tests that took longest are told.
const slowest = 10

// readTests consumes the whole stream and prints as it goes. A line that is not
// an event is printed as it is: it comes from the go command itself.
func readTests(in io.Reader, out io.Writer) (*tests, error) {
	t := &tests{parents: map[string]bool{}, output: map[string]*strings.Builder{}, failedBelow: map[string]bool{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Action == "" {
			fmt.Fprintln(out, lines.Text())
			continue
		}
		t.take(e, out)
	}
	return t, lines.Err()
}

func (t *tests) take(e event, out io.Writer) {
	name := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(out, e.Output)
	case "run":
		if parent, _, ok := cutLast(e.Test, "/"); ok {
			t.parents[e.Package+" "+parent] = true
		}
	case "output":
		t.takeOutput(e, name, out)
	case "pass":
		if e.Test != "" && !t.parents[name] {
			t.passed++
		}
	case "skip":
		t.takeSkip(e, name)
	case "fail":
		t.takeFail(e, name, out)
	}
	if e.Action == "pass" || e.Action == "skip" || e.Action == "fail" {
		if e.Test != "" && !t.parents[name] && e.Elapsed >= 1 {
			t.spent = append(t.spent, spent{name, e.Elapsed})
		}
		delete(t.output, name)
	}
}

// takeOutput prints what go test says about a package at once, and keeps what a
// test says until it is known to have failed.
func (t *tests) takeOutput(e event, name string, out io.Writer) {
	if e.Test == "" && isVerdictLine(e.Output) {
		if strings.Contains(e.Output, "\t(cached)") {
			t.repeated++
		}
		fmt.Fprint(out, e.Output)
		return
	}
	if t.output[name] == nil {
		t.output[name] = &strings.Builder{}
	}
	t.output[name].WriteString(e.Output)
}

func (t *tests) takeSkip(e event, name string) {
	if e.Test == "" || t.parents[name] {
		return
	}
	t.skipped++
	reason := ""
	if b := t.output[name]; b != nil {
		for line := range strings.Lines(b.String()) {
			if !strings.HasPrefix(strings.TrimSpace(line), "---") && !strings.HasPrefix(line, "===") {
				reason = strings.TrimSpace(line)
			}
		}
	}
	t.skips = append(t.skips, name+": "+reason)
}

// takeFail counts a failure where it happened: a parent of a failed subtest, or
// a package of a failed test, is the same failure told again.
func (t *tests) takeFail(e event, name string, out io.Writer) {
	if b := t.output[name]; b != nil {
		fmt.Fprint(out, b.String())
	}
	if !t.failedBelow[name] {
		t.failed++
		if e.Test == "" {
			fmt.Fprintf(out, "FAIL %s: the package failed outside any test\n", e.Package)
		}
	}
	above, _, ok := cutLast(e.Test, "/")
	if !ok {
		above = ""
	}
	t.failedBelow[e.Package+" "+above] = true
}

// isVerdictLine tells go test's line about a package from a program's output.
func isVerdictLine(line string) bool {
	return strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "FAIL\t") || strings.HasPrefix(line, "?   \t") ||
		(strings.HasPrefix(line, "\t") && strings.Contains(line, "coverage: "))
}

// tellSlowest lists the tests that took longest, of those of a second or more.
func (t *tests) tellSlowest(out io.Writer) {
	slices.SortStableFunc(t.spent, func(a, b spent) int { return cmp.Compare(b.seconds, a.seconds) })
	for _, s := range t.spent[:min(slowest, len(t.spent))] {
		fmt.Fprintf(out, "slow %6.1f s %s\n", s.seconds, s.name)
	}
}

// tellRepeated says how many packages were not tested anew.
func (t *tests) tellRepeated(out io.Writer) {
	if t.repeated > 0 {
		fmt.Fprintf(out, "repeated results of %d packages, of which nothing has changed since they passed\n", t.repeated)
	}
}

func (t *tests) closing() string {
	closing := fmt.Sprintf("%d passed, %d failed", t.passed, t.failed)
	if t.skipped > 0 {
		closing += fmt.Sprintf(", %d skipped", t.skipped)
	}
	return closing
}

// verdict lists the skips and says whether the tests are as asked.
func (t *tests) verdict(o options, out io.Writer) error {
	for _, skip := range t.skips {
		fmt.Fprintln(out, "SKIPPED", skip)
	}
	switch {
	case t.failed > 0:
		return fmt.Errorf("%d tests failed", t.failed)
	case t.passed < o.minTests:
		return fmt.Errorf("%d tests passed, at least %d must run", t.passed, o.minTests)
	case o.noSkips && t.skipped > 0:
		return errors.New("tests were skipped, which is a failure here: install what they need")
	default:
		return nil
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
