package proof

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/repo"
)

// keptReleases is how many releases of a deployment stay on disk.
const keptReleases = 3

// deployment is a folder <project>/<gate> with releases/<commit>/{src,bin} and
// the data that outlives them.
type deployment struct{ dir string }

func (w *work) deployment() (deployment, error) {
	if !safeName.MatchString(w.subject.Gate) || !safeName.MatchString(w.subject.Project) {
		return deployment{}, fault.Invalid("proof.gate", "%q cannot name a deployment.", shorten(w.subject.Gate, 80))
	}
	d := deployment{filepath.Join(w.r.cfg.Deployments, w.subject.Project, strings.ToLower(w.subject.Gate))}
	for _, dir := range []string{d.releases(), d.data()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return d, fmt.Errorf("make deployment folder: %w", err)
		}
	}
	// What a process that died was staging; the caller holds the lock.
	left, err := filepath.Glob(filepath.Join(d.dir, ".staged-*"))
	if err != nil {
		return d, fmt.Errorf("look for staged releases: %w", err)
	}
	for _, dir := range left {
		if err := repo.RemoveTree(dir); err != nil {
			return d, fmt.Errorf("drop staged release: %w", err)
		}
	}
	return d, nil
}

func (d deployment) releases() string { return filepath.Join(d.dir, "releases") }
func (d deployment) data() string     { return filepath.Join(d.dir, "data") }

// checkDeployment builds the release, puts it into its deployment folder, and
// starts it there on the deployment's own data. A product that serves nothing
// is only put there.
func checkDeployment(ctx context.Context, w *work) (outcome, error) {
	if w.wrong != nil {
		return fail("%s", w.wrong), nil
	}
	unlock := w.r.lock("deploy " + w.subject.Project + " " + w.subject.Gate)
	defer unlock()
	d, err := w.deployment()
	if err != nil {
		return outcome{}, err
	}
	rel, out, err := w.deploy(ctx, d)
	if out != nil || err != nil {
		return orZero(out), err
	}
	w.command = "deploy " + w.subject.Commit
	if w.recipes.Serve == nil {
		return pass("release %s is deployed; the product serves nothing that could be started", short(w.subject.Commit)), nil
	}
	svc, out, err := w.start(ctx, rel, d.data())
	if out != nil || err != nil {
		return orZero(out), err
	}
	defer w.stop(svc)
	if problems := w.exercise(ctx, svc, []Step{{Method: "GET", Path: w.recipes.Serve.Health}}); len(problems) > 0 {
		return fail("the release starts, and %s", list(problems)), nil
	}
	return pass("release %s is deployed, starts and is healthy", short(w.subject.Commit)), nil
}

func short(commit string) string { return commit[:min(12, len(commit))] }

// deploy builds the release of the commit and moves it into place as a whole.
func (w *work) deploy(ctx context.Context, d deployment) (release, *outcome, error) {
	rel, out, err := w.buildRelease(ctx)
	if out != nil || err != nil {
		return release{}, out, err
	}
	staged, err := os.MkdirTemp(d.dir, ".staged-")
	if err != nil {
		return release{}, nil, fmt.Errorf("stage release: %w", err)
	}
	defer func() { _ = repo.RemoveTree(staged) }() // the next deployment clears what is left
	if err := w.tree.copyTo(ctx, filepath.Join(staged, "src")); err != nil {
		return release{}, nil, fmt.Errorf("stage release: %w", err)
	}
	if rel.bin != "" {
		if err := copyTree(ctx, rel.bin, filepath.Join(staged, "bin"), 0); err != nil {
			return release{}, nil, fmt.Errorf("stage release: %w", err)
		}
	}
	target := filepath.Join(d.releases(), w.subject.Commit)
	if err := repo.RemoveTree(target); err != nil {
		return release{}, nil, fmt.Errorf("replace release: %w", err)
	}
	if err := os.Rename(staged, target); err != nil {
		return release{}, nil, fmt.Errorf("put release in place: %w", err)
	}
	// The caller holds the deployment's lock; a release has none of its own.
	if err := dropOldest(d.releases(), keptReleases, func(string) *sync.Mutex { return &sync.Mutex{} }); err != nil {
		return release{}, nil, err
	}
	w.log.say("release %s is in place", w.subject.Commit)
	return w.deployed(d, rel), nil, nil
}

// deployed points a release at its files in the deployment folder.
func (w *work) deployed(d deployment, rel release) release {
	target := filepath.Join(d.releases(), w.subject.Commit)
	rel.src = filepath.Join(target, "src")
	if rel.bin != "" {
		rel.bin = filepath.Join(target, "bin")
	}
	return rel
}

// find returns the release of the commit if it has been deployed.
func (w *work) findRelease(ctx context.Context, d deployment) (release, bool, error) {
	target := filepath.Join(d.releases(), w.subject.Commit)
	if _, err := os.Stat(target); errors.Is(err, fs.ErrNotExist) {
		return release{}, false, nil
	} else if err != nil {
		return release{}, false, fmt.Errorf("find release: %w", err)
	}
	if w.recipes.Stack == StackNode {
		rel, out, err := w.nodeRelease(ctx)
		if out != nil || err != nil {
			return release{}, false, err
		}
		return w.deployed(d, rel), true, nil
	}
	entries, err := os.ReadDir(filepath.Join(target, "bin"))
	if err != nil || len(entries) != 1 {
		return release{}, false, nil
	}
	rel := release{bin: "bin", argv: []string{"/app/bin/" + entries[0].Name()}}
	return w.deployed(d, rel), true, nil
}
