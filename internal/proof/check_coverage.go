package proof

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
)

// checkCoverage runs all declared tests again, measures how much of the product
// they run, and compares the test plan with what passed.
func checkCoverage(ctx context.Context, w *work) (outcome, error) {
	if out := w.stackKnown(); out != nil {
		return *out, nil
	}
	if w.recipes.Stack == StackNode {
		return checkNodeCoverage(ctx, w)
	}
	p, out, err := w.goProduct(ctx)
	if out != nil || err != nil {
		return orZero(out), err
	}
	pkgs := w.unitPackages(p)
	for _, typ := range []string{Unit, Integration, E2E} {
		for _, pkg := range p.testPackages(w.recipes.Checks[typ].Packages) {
			if !slices.Contains(pkgs, pkg) {
				pkgs = append(pkgs, pkg)
			}
		}
	}
	w.command = "go test -count=1 -coverpkg=./... -coverprofile=profile " + strings.Join(folders(pkgs), " ")
	if len(pkgs) == 0 {
		return blocked("there are no tests; write test functions and run the check again"), nil
	}
	runs, out, err := w.goTests(ctx, p, pkgs)
	if out != nil || err != nil {
		return orZero(out), err
	}
	if out := w.judgeTests(runs); out.verdict != Pass {
		return out, nil
	}
	files, problems := w.goCoverage(p, runs)
	if len(problems) > 0 {
		w.log.say("%s", strings.Join(problems, "\n"))
		return fail("%s", list(problems)), nil
	}
	passed, declared := map[string]bool{}, map[string]bool{}
	for _, run := range runs {
		for name := range run.pkg.tests {
			declared[name] = true
			passed[name] = passed[name] || run.good.ended[name].action == "pass"
		}
	}
	return w.concludeCoverage(files, declared, passed), nil
}

// concludeCoverage holds the figure against the tier and the plan against the
// tests.
func (w *work) concludeCoverage(files []fileCoverage, declared, passed map[string]bool) outcome {
	var total, covered int
	w.log.say("\ncovered/statements")
	for _, f := range files {
		total, covered = total+f.total, covered+f.covered
		w.log.say("%4d/%-4d %s", f.covered, f.total, f.name)
	}
	w.reports["coverage.txt"] = mergedProfile(files)
	if total == 0 {
		return blocked("there are no statements to cover; write the product first")
	}
	percent := math.Floor(float64(covered)*1000/float64(total)) / 10
	w.figure("coverage", percent)
	w.figure("statements", float64(total))
	w.figure("covered", float64(covered))
	problems := w.planProblems(declared, passed)
	if percent < float64(w.subject.Tier) {
		problems = append([]string{fmt.Sprintf("coverage is %.1f %%, the quality tier asks for %d %%; least covered: %s", percent, w.subject.Tier, leastCovered(files))}, problems...)
	}
	if len(problems) > 0 {
		w.log.say("\n%s", strings.Join(problems, "\n"))
		return fail("%s", list(problems))
	}
	return pass("%.1f %% of %d statements are covered", percent, total)
}

func leastCovered(files []fileCoverage) string {
	worst, missing := "", 0
	for _, f := range files {
		if f.total-f.covered > missing {
			worst, missing = f.name, f.total-f.covered
		}
	}
	return worst
}
