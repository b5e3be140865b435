package proof

import (
	"context"
	"path/filepath"
)

// checkSmoke starts the deployed release on a copy of the deployment's data,
// makes every declared request, restarts it on the same data, and asks again
// for what can be asked twice.
func checkSmoke(ctx context.Context, w *work) (outcome, error) {
	if out := w.serveDeclared(); out != nil {
		return *out, nil
	}
	// A new release of the same commit would take the files away underneath.
	unlock := w.r.lock("deploy " + w.subject.Project + " " + w.subject.Gate)
	defer unlock()
	rel, data, out, err := w.smokeRelease(ctx)
	if out != nil || err != nil {
		return orZero(out), err
	}
	w.command = "smoke test of release " + w.subject.Commit
	steps := w.recipes.Serve.Smoke
	svc, out, err := w.start(ctx, rel, data)
	if out != nil || err != nil {
		return orZero(out), err
	}
	problems := w.exercise(ctx, svc, steps)
	w.stop(svc)
	w.figure("requests", float64(len(steps)))
	if len(problems) > 0 {
		return fail("%s", list(problems)), nil
	}
	w.log.say("restart on the same data")
	if svc, out, err = w.start(ctx, rel, data); out != nil || err != nil {
		if out != nil {
			out.reason = "after a restart on its own data: " + out.reason
		}
		return orZero(out), err
	}
	defer w.stop(svc)
	var again []Step
	for _, s := range steps {
		if s.Method == "GET" {
			again = append(again, s)
		}
	}
	if problems := w.exercise(ctx, svc, again); len(problems) > 0 {
		return fail("after a restart on its own data: %s", list(problems)), nil
	}
	return pass("%d request(s) answered as declared, %d again after a restart", len(steps), len(again)), nil
}

// smokeRelease finds the deployed release, or deploys it, and copies its data,
// so that nothing the test creates stays.
func (w *work) smokeRelease(ctx context.Context) (release, string, *outcome, error) {
	d, err := w.deployment()
	if err != nil {
		return release{}, "", nil, err
	}
	rel, found, err := w.findRelease(ctx, d)
	if err == nil && !found {
		var out *outcome
		if rel, out, err = w.deploy(ctx, d); out != nil {
			return release{}, "", out, nil
		}
	}
	if err != nil {
		return release{}, "", nil, err
	}
	data := filepath.Join(w.tmp, "data")
	if out, err := copyData(ctx, d.data(), data); out != nil || err != nil {
		return release{}, "", out, err
	}
	return rel, data, nil, nil
}
