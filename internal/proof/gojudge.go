package proof

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/sandbox"
)

// tally counts top-level tests; the platform's own are left out.
type tally struct {
	tests, passed, failed, skipped, subtests int
}

// criterionTest is the name of a test of an acceptance criterion.
var criterionTest = regexp.MustCompile(`^TestAC_(\d+)_(\d+)(_|$)`)

// judge compares what a package's runs said with its source, and returns
// everything that is wrong, the failures of the product's own tests first.
func (run *packageRun) judge() (problems []string, t tally) {
	r := run.good
	for _, name := range r.order {
		end := r.ended[name]
		switch {
		case name == run.canary.test:
			continue
		case !topLevel(name):
			t.subtests++
		case end.action == "pass":
			t.passed++
		case end.action == "skip":
			t.skipped++
		}
		if topLevel(name) {
			t.tests++
		}
		if end.action == "fail" {
			problems = append(problems, name+" failed")
			if topLevel(name) {
				t.failed++
			}
		}
		if end.action == "skip" && criterionTest.MatchString(name) {
			problems = append(problems, name+" was skipped, and it proves an acceptance criterion")
		}
	}
	problems = append(problems, run.ending(len(problems) > 0)...)
	if len(problems) == 0 {
		problems = slices.Concat(run.untrue(), run.deaf(), run.filtered())
	}
	for i := range problems {
		problems[i] = run.pkg.dir + ": " + problems[i]
	}
	return problems, t
}

// ending says what is wrong with how the run itself ended. failed is true when
// failing tests explain a bad exit.
func (run *packageRun) ending(failed bool) []string {
	res, r := run.goodRun, run.good
	switch {
	case res.TimedOut:
		return []string{fmt.Sprintf("the tests took longer than %s", testLimit)}
	case res.OOM:
		return []string{"the tests need more memory than they may use"}
	case res.OutputCut:
		return []string{"the tests printed more than they may"}
	case failed:
		return nil
	case res.ExitCode != 0:
		return []string{fmt.Sprintf("the test program exited with %d: %s", res.ExitCode, lastWords(r, run.canary))}
	case r.final != "PASS":
		return []string{"the test program ended before its report did, though it exited with 0"}
	}
	return nil
}

// lastWords finds the line that best explains a crash.
func lastWords(r *testReport, c canary) string {
	var last string
	for line := range strings.Lines(string(clean(r.text))) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || c.owns(line) || strings.HasPrefix(line, "==="):
			continue
		case strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:"):
			return shorten(line, 200)
		}
		last = line
	}
	if last == "" {
		return "it printed nothing"
	}
	return shorten(last, 200)
}

// untrue compares the report with the source and with the probes.
func (run *packageRun) untrue() []string {
	var problems []string
	r := run.good
	for _, name := range r.order {
		_, declared := run.pkg.tests[name]
		if topLevel(name) && !declared && !run.pkg.others[name] && name != run.canary.test {
			problems = append(problems, "the report names "+name+", which no test file of the package declares")
		}
	}
	for _, name := range r.repeated {
		problems = append(problems, "the report ends "+name+" more than once")
	}
	for _, name := range sortedNames(run.pkg.tests) {
		end, ok := r.ended[name]
		if !ok {
			problems = append(problems, name+" is declared and did not run")
			continue
		}
		if r.probes[name] != end.action {
			problems = append(problems, fmt.Sprintf("%s is reported as %s, but the platform's probe in it saw %s", name, end.action, orNothing(r.probes[name])))
		}
	}
	return problems
}

func orNothing(s string) string {
	if s == "" {
		return "nothing of it"
	}
	return s
}

func sortedNames(tests map[string]*goTest) []string {
	var names []string
	for name := range tests {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// deaf checks that the run hears the canary: passing in one run, failing with
// its own words in the other, and turning that one red.
func (run *packageRun) deaf() []string {
	name := run.canary.test
	if run.good.ended[name].action != "pass" || run.good.probes[name] != "pass" {
		return []string{"a test that the platform added did not run; the program decides by itself which tests it runs"}
	}
	b := run.bad
	heard := b != nil && b.ended[name].action == "fail" && b.cries[name] && b.probes[name] == "fail"
	red := b != nil && run.badRun.ExitCode != 0 && b.final == "FAIL"
	if !heard || !red {
		return []string{"a failing test that the platform added did not turn the run red; these tests cannot fail"}
	}
	return nil
}

// filtered checks that the failure of each of the product's own tests is
// reported: the platform made all of them fail, and its canary pass. A program
// that rewrites the report of the tests it knows is noticed here.
func (run *packageRun) filtered() []string {
	if run.red == nil {
		return nil // without a bad run there is another problem
	}
	var problems []string
	probed := 0
	for _, name := range sortedNames(run.pkg.tests) {
		if run.pkg.tests[name].param == "" {
			continue
		}
		probed++
		if end := run.red.ended[name].action; end != "fail" || run.red.probes[name] != "fail" {
			problems = append(problems, fmt.Sprintf("%s was made to fail by the platform and is reported as %s; these tests cannot be believed", name, orNothing(end)))
		}
	}
	if len(problems) == 0 && probed > 0 && (run.redRun.ExitCode == 0 || run.red.final != "FAIL") {
		problems = append(problems, "all tests were made to fail by the platform, and the run did not turn red; these tests cannot be believed")
	}
	return problems
}

// runEnded reports a limit that a later run passed; the first did not.
func runEnded(res sandbox.Result) string {
	switch {
	case res.TimedOut:
		return "timed out"
	case res.OOM:
		return "ran out of memory"
	default:
		return fmt.Sprintf("exit %d", res.ExitCode)
	}
}
