package proof

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// checkPreview builds and starts the product with an empty data folder, and
// asks for its health and its smoke paths.
func checkPreview(ctx context.Context, w *work) (outcome, error) {
	if out := w.serveDeclared(); out != nil {
		return *out, nil
	}
	rel, out, err := w.buildRelease(ctx)
	if out != nil || err != nil {
		return orZero(out), err
	}
	w.command = "PORT DATA_DIR " + rel.argv[0]
	data := filepath.Join(w.tmp, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return outcome{}, fmt.Errorf("make data folder: %w", err)
	}
	svc, out, err := w.start(ctx, rel, data)
	if out != nil || err != nil {
		return orZero(out), err
	}
	defer w.stop(svc)
	steps := gets(w.recipes.Serve.Smoke)
	if problems := w.exercise(ctx, svc, steps); len(problems) > 0 {
		return fail("the product starts, and %s", list(problems)), nil
	}
	w.figure("paths", float64(len(steps)))
	return pass("the product starts, and %d path(s) answer", len(steps)), nil
}

// gets keeps the steps that change nothing and need nothing to be there.
func gets(steps []Step) []Step {
	var out []Step
	for _, s := range steps {
		if s.Method == "GET" && s.Contains == "" {
			out = append(out, s)
		}
	}
	return out
}
