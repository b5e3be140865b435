package proof

import (
	"context"
	"path"
	"strings"
)

// checkLint asks gofmt and go vet.
func checkLint(ctx context.Context, w *work) (outcome, error) {
	if out := w.stackKnown(); out != nil {
		return *out, nil
	}
	if w.recipes.Stack == StackNode {
		return checkNodeLint(ctx, w)
	}
	w.command = "gofmt -l . && go vet ./..."
	p, out, err := w.goProduct(ctx)
	if out != nil || err != nil {
		return orZero(out), err
	}
	if len(p.packages) == 0 {
		return blocked("there is no Go source to look at; write the product first"), nil
	}
	text, out, err := w.goToolRun(ctx, p, "gofmt", "-l", ".")
	if out != nil || err != nil {
		return orZero(out), err
	}
	var unformatted []string
	for line := range strings.Lines(text) {
		if name := strings.TrimSpace(line); name != "" && !ignoredDir(path.Dir(name)) {
			unformatted = append(unformatted, name)
		}
	}
	w.figure("findings", float64(len(unformatted)))
	if len(unformatted) > 0 {
		return fail("%d file(s) are not formatted; run gofmt -w on %s", len(unformatted), list(unformatted)), nil
	}
	unlock := w.r.lock(w.subject.Project)
	defer unlock()
	cache, err := w.r.projectCache(ctx, w.subject.Project)
	if err != nil {
		return outcome{}, err
	}
	out, err = w.compile(ctx, p, cache, w.tree.dir, []string{"go", "vet", "./..."})
	if out != nil || err != nil {
		return orZero(out), err
	}
	return pass("formatted, and go vet has no finding"), nil
}
