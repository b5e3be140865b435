package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// checkNodeTests runs the test files of a script.
func checkNodeTests(ctx context.Context, w *work, recipe Recipe, declared bool) (outcome, error) {
	p, out, err := w.nodeProduct(ctx)
	if out != nil || err != nil {
		return orZero(out), err
	}
	if !declared {
		recipe = Recipe{Script: "test", Report: "tap"}
	}
	files, err := p.testFiles(w.tree, recipe.Script)
	if err != nil {
		return blocked("%s", err), nil
	}
	run, out, err := w.nodeTests(ctx, p, files, recipe.Report)
	if out != nil || err != nil {
		return orZero(out), err
	}
	return w.tallyNode(run), nil
}

// nodeTests refuses test files that test nothing, runs the others, and judges
// whether the run can be believed.
func (w *work) nodeTests(ctx context.Context, p *nodeProduct, files []string, report string) (*nodeRun, *outcome, error) {
	w.command = "node --test " + strings.Join(files, " ")
	if len(files) == 0 {
		out := blocked("there are no test files; write files such as test/app.test.js and run the check again")
		return nil, &out, nil
	}
	for _, name := range files {
		text, err := w.tree.read(name)
		if err != nil {
			return nil, nil, err
		}
		if m := emptyScriptTest.FindSubmatch(text); m != nil {
			out := fail("a test cannot fail: %s of %s has an empty body", m[3], name)
			return nil, &out, nil
		}
	}
	run, canaries, err := w.runNodeTests(ctx, p, files, report)
	if err != nil {
		return nil, nil, err
	}
	w.writeNodeLog(run, canaries)
	if problems := run.judge(files, canaries); len(problems) > 0 {
		w.log.say("%s", strings.Join(problems, "\n"))
		out := fail("%s", list(problems))
		if run.goodErr != nil && run.goodRes.ExitCode == 0 {
			out = blocked("the report cannot be read: %s", run.goodErr)
		}
		return nil, &out, nil
	}
	return run, nil, nil
}

var emptyScriptTest = regexp.MustCompile("\\b(test|it)(\\.only)?\\(\\s*['\"`]([^'\"`]*)['\"`]\\s*,\\s*(?:async\\s*)?(?:function\\s*\\w*\\s*)?(?:\\(\\s*\\w*\\s*\\)|\\w+)\\s*(?:=>)?\\s*\\{\\s*\\}\\s*\\)")

func (w *work) writeNodeLog(run *nodeRun, canaries map[string]canary) {
	own := func(line string) bool {
		for _, c := range canaries {
			if c.owns(line) {
				return true
			}
		}
		return false
	}
	for line := range strings.Lines(run.goodText) {
		if !own(line) {
			_, _ = w.log.Write([]byte(line))
		}
	}
	w.log.say("=== with a failing test added to each file by the platform: exit %d", run.badRes.ExitCode)
}

// judge compares the two runs with what must have happened.
func (run *nodeRun) judge(files []string, canaries map[string]canary) []string {
	var problems []string
	own := map[string]bool{}
	for _, c := range canaries {
		own[c.test] = true
	}
	for _, t := range run.good {
		if t.action == "fail" && !own[t.name] {
			problems = append(problems, shorten(t.name, 120)+" failed")
		}
	}
	switch {
	case run.goodRes.TimedOut:
		return append(problems, fmt.Sprintf("the tests took longer than %s", testLimit))
	case run.goodRes.OOM:
		return append(problems, "the tests need more memory than they may use")
	case len(problems) > 0:
		return problems
	case run.goodErr != nil:
		return []string{run.goodErr.Error()}
	case run.goodRes.ExitCode != 0:
		return []string{fmt.Sprintf("node --test exited with %d without a failing test", run.goodRes.ExitCode)}
	}
	for _, name := range files {
		c := canaries[name]
		heard := find(run.good, c.test)
		if heard == nil || heard.action != "pass" {
			problems = append(problems, name+": the file ended before its end; a test that the platform added there did not run")
			continue
		}
		cried := find(run.bad, c.test)
		if run.badErr != nil || run.badRes.ExitCode == 0 || cried == nil || cried.action != "fail" || !strings.Contains(cried.detail, c.cry) {
			problems = append(problems, name+": a failing test that the platform added did not turn the run red")
		}
	}
	run.good = slices.DeleteFunc(run.good, func(t scriptTest) bool { return own[t.name] })
	return problems
}

func find(tests []scriptTest, name string) *scriptTest {
	for i := range tests {
		if tests[i].name == name {
			return &tests[i]
		}
	}
	return nil
}

// tallyNode counts, and refuses a run in which nothing passed or a criterion
// was skipped. A file without tests is reported by the runner as a test of its
// own name; it does not count.
func (w *work) tallyNode(run *nodeRun) outcome {
	var events []byte
	passed, skipped := 0, 0
	var problems []string
	for _, t := range run.good {
		if strings.HasPrefix(t.name, "/src/") {
			continue
		}
		line, err := json.Marshal(map[string]any{"Action": t.action, "Test": t.name})
		if err == nil {
			events = append(append(events, line...), '\n')
		}
		switch t.action {
		case "pass":
			passed++
		case "skip":
			skipped++
			if scriptCriterion.MatchString(t.name) {
				problems = append(problems, t.name+" was skipped, and it proves an acceptance criterion")
			}
		}
	}
	w.reports["tests.json"] = events
	w.figure("tests", float64(passed+skipped))
	w.figure("passed", float64(passed))
	w.figure("failed", 0)
	w.figure("skipped", float64(skipped))
	switch {
	case len(problems) > 0:
		return fail("%s", list(problems))
	case passed == 0:
		return blocked("no test passed: %d skipped; write tests that run here and check again", skipped)
	}
	return pass("%d tests passed, %d skipped", passed, skipped)
}

var scriptCriterion = regexp.MustCompile(`\bAC[-_]\d+[._]\d+`)

// checkNodeCoverage runs all test files and measures the lines they run.
func checkNodeCoverage(ctx context.Context, w *work) (outcome, error) {
	p, out, err := w.nodeProduct(ctx)
	if out != nil || err != nil {
		return orZero(out), err
	}
	var files []string
	recipes := []Recipe{w.recipes.Checks[Unit], w.recipes.Checks[Integration], w.recipes.Checks[E2E]}
	if recipes[0].Script == "" {
		recipes[0].Script = "test"
	}
	for _, recipe := range recipes {
		if recipe.Script == "" {
			continue
		}
		found, err := p.testFiles(w.tree, recipe.Script)
		if err != nil {
			return blocked("%s", err), nil
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	files = slices.Compact(files)
	run, out, err := w.nodeTests(ctx, p, files, "tap")
	if out != nil || err != nil {
		return orZero(out), err
	}
	if out := w.tallyNode(run); out.verdict != Pass {
		return out, nil
	}
	covered, problems := w.nodeCoverage(run.lcov, files)
	if len(problems) > 0 {
		return fail("%s", list(problems)), nil
	}
	declared, passed := map[string]bool{}, map[string]bool{}
	for _, t := range run.good {
		declared[t.name] = true
		passed[t.name] = passed[t.name] || t.action == "pass"
	}
	return w.concludeCoverage(covered, declared, passed), nil
}

// nodeCoverage counts lines. A file that no test loaded counts with all its
// lines that are not blank.
func (w *work) nodeCoverage(lcov string, tests []string) ([]fileCoverage, []string) {
	profile, err := readLCOV(lcov)
	if err != nil || len(profile) == 0 {
		return nil, []string{fmt.Sprintf("the tests left no coverage profile (%v)", err)}
	}
	var problems []string
	for name, lines := range profile {
		if !w.tree.has(path.Clean(name)) {
			problems = append(problems, "the coverage profile names "+name+", which this commit does not have")
			continue
		}
		last := w.countLines(name)
		for n := range lines {
			if n > last && !slices.Contains(tests, name) {
				problems = append(problems, fmt.Sprintf("the coverage profile names line %d of %s, which has %d", n, name, last))
				break
			}
		}
	}
	var out []fileCoverage
	for _, name := range w.scripts() {
		if isNodeTest(name) || slices.Contains(tests, name) {
			continue
		}
		c := fileCoverage{name: name}
		for _, hit := range profile[name] {
			c.total++
			if hit {
				c.covered++
			}
		}
		if profile[name] == nil {
			c.total = w.countFilled(name)
		}
		out = append(out, c)
	}
	return out, problems
}

func (w *work) countFilled(name string) int {
	data, err := w.tree.read(name)
	if err != nil {
		return 0
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		if strings.TrimSpace(line) != "" {
			n++
		}
	}
	return n
}
