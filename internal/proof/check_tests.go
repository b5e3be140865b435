package proof

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// checkTests runs the unit, integration or end-to-end tests that the product
// declares.
func checkTests(ctx context.Context, w *work) (outcome, error) {
	if out := w.stackKnown(); out != nil {
		return *out, nil
	}
	recipe, ok := w.recipes.Checks[w.subject.Type]
	if !ok && w.subject.Type != Unit {
		return blocked("%s does not declare %s; declare its packages there, or take the proof out of the blueprint", RecipesPath, w.subject.Type), nil
	}
	if w.recipes.Stack == StackNode {
		return checkNodeTests(ctx, w, recipe, ok)
	}
	p, out, err := w.goProduct(ctx)
	if out != nil || err != nil {
		return orZero(out), err
	}
	pkgs := w.unitPackages(p)
	if ok {
		pkgs = p.testPackages(recipe.Packages)
	}
	w.command = "go test -v -count=1 -cover " + strings.Join(folders(pkgs), " ")
	if len(pkgs) == 0 {
		return blocked("there are no tests in %s; write test functions there and run the check again", list(recipe.Packages)), nil
	}
	runs, out, err := w.goTests(ctx, p, pkgs)
	if out != nil || err != nil {
		return orZero(out), err
	}
	return w.judgeTests(runs), nil
}

func orZero(out *outcome) outcome {
	if out == nil {
		return outcome{}
	}
	return *out
}

func folders(pkgs []*goPackage) []string {
	var out []string
	for _, p := range pkgs {
		out = append(out, folder(p.dir))
	}
	return out
}

// folder writes a package's folder as the go command wants it.
func folder(dir string) string {
	if dir == "." {
		return dir
	}
	return "./" + dir
}

// unitPackages are all packages with tests that no other recipe names.
func (w *work) unitPackages(p *goProduct) []*goPackage {
	var taken []string
	for _, typ := range []string{Integration, E2E} {
		taken = append(taken, w.recipes.Checks[typ].Packages...)
	}
	return slices.DeleteFunc(p.testPackages([]string{"./..."}), func(pkg *goPackage) bool {
		return matchesPackage(taken, pkg.dir)
	})
}

// goTests refuses tests that cannot fail and code that could get between a test
// and its report, and runs the others.
func (w *work) goTests(ctx context.Context, p *goProduct, pkgs []*goPackage) ([]*packageRun, *outcome, error) {
	var empty []string
	for _, pkg := range pkgs {
		for _, name := range sortedNames(pkg.tests) {
			if t := pkg.tests[name]; t.hollow != "" {
				empty = append(empty, fmt.Sprintf("%s (%s:%d): %s", name, t.file, t.line, t.hollow))
			}
		}
		for _, file := range pkg.excluded {
			w.log.say("left out by its build constraint: %s", file)
		}
	}
	if len(empty) > 0 {
		w.log.say("tests that cannot fail:\n  %s", strings.Join(empty, "\n  "))
		out := fail("%d test(s) cannot fail: %s", len(empty), list(empty))
		return nil, &out, nil
	}
	if found := w.meddling(p); len(found) > 0 {
		w.log.say("what could get between the tests and their report:\n  %s", strings.Join(found, "\n  "))
		out := fail("the report of the tests could not be believed: %s", list(found))
		return nil, &out, nil
	}
	return w.runGoTests(ctx, p, pkgs)
}

// judgeTests writes the runs down and concludes.
func (w *work) judgeTests(runs []*packageRun) outcome {
	var problems []string
	var sum tally
	var events []byte
	for _, run := range runs {
		found, t := run.judge()
		problems = append(problems, found...)
		sum.tests, sum.passed, sum.failed = sum.tests+t.tests, sum.passed+t.passed, sum.failed+t.failed
		sum.skipped, sum.subtests = sum.skipped+t.skipped, sum.subtests+t.subtests
		events = append(events, run.good.events(folder(run.pkg.dir), run.canary)...)
		w.log.say("\n=== package %s: exit %d in %d ms", folder(run.pkg.dir), run.goodRun.ExitCode, run.goodRun.Duration.Milliseconds())
		_, _ = w.log.Write(run.good.text)
		if run.bad != nil {
			w.log.say("=== package %s with a failing test added by the platform: %s in %d ms", folder(run.pkg.dir), runEnded(run.badRun), run.badRun.Duration.Milliseconds())
		}
		if run.red != nil {
			w.log.say("=== package %s with every test made to fail by the platform: %s in %d ms", folder(run.pkg.dir), runEnded(run.redRun), run.redRun.Duration.Milliseconds())
		}
	}
	w.reports["tests.json"] = events
	w.figure("tests", float64(sum.tests))
	w.figure("passed", float64(sum.passed))
	w.figure("failed", float64(sum.failed))
	w.figure("skipped", float64(sum.skipped))
	w.figure("subtests", float64(sum.subtests))
	w.figure("packages", float64(len(runs)))
	switch {
	case len(problems) > 0:
		w.log.say("\n%s", strings.Join(problems, "\n"))
		return fail("%s", list(problems))
	case sum.passed == 0:
		return blocked("no test passed: %d declared, %d skipped; write tests that run here and check again", sum.tests, sum.skipped)
	}
	return pass("%d tests passed in %d package(s), %d skipped", sum.passed, len(runs), sum.skipped)
}
