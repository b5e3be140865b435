package proof

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/sandbox"
)

// safeName is what may become part of a path here: the id of a run or project,
// the code of a gate.
var safeName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

func (r *Runner) runCache(run string) string { return filepath.Join(r.cfg.Cache, "runs", run) }

// Command is what an agent's commands start from: the compilers that this
// machine has, and a compiler cache of the run's own. The cache begins as a
// copy of the base and no check ever reads it, so nothing that an agent leaves
// in it can become evidence.
func (r *Runner) Command(ctx context.Context, run string) (sandbox.Spec, error) {
	if !safeName.MatchString(run) {
		return sandbox.Spec{}, fault.Invalid("proof.run", "%q cannot name a run.", shorten(run, 80))
	}
	// Unlike a check, a run may change go.mod; the last setting of a name counts.
	spec := sandbox.Spec{Env: append(goEnv(false), "GOFLAGS=-buildvcs=false", "NO_COLOR=1"), Limits: compileLimits()}
	if node, err := r.cfg.Sandbox.Tool("node"); err == nil {
		spec.Tools = append(spec.Tools, node)
	}
	goTool, err := r.cfg.Sandbox.Tool("go")
	if err != nil {
		return spec, nil
	}
	spec.Tools = append(spec.Tools, goTool)
	unlock := r.lock("run " + run)
	defer unlock()
	dir := r.runCache(run)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		err := r.makeRunCache(ctx, dir)
		if fault.KindOf(err) == fault.KindUnavailable {
			return spec, nil // the command itself will say what is missing
		}
		if err != nil {
			return spec, err
		}
	} else if err != nil {
		return spec, fmt.Errorf("find cache of run: %w", err)
	}
	spec.Mounts = []sandbox.Mount{{Host: dir, Inside: "/gocache", Writable: true}}
	return spec, nil
}

func (r *Runner) makeRunCache(ctx context.Context, dir string) error {
	base, err := r.baseCache(ctx)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(r.temp(), "run-")
	if err != nil {
		return fmt.Errorf("make cache of run: %w", err)
	}
	defer func() { _ = repo.RemoveTree(tmp) }() // the next start clears what is left
	if err := copyTree(ctx, base, filepath.Join(tmp, "gocache"), 0); err != nil {
		return fmt.Errorf("make cache of run: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fmt.Errorf("make cache folder: %w", err)
	}
	if err := os.Rename(filepath.Join(tmp, "gocache"), dir); err != nil {
		return fmt.Errorf("keep cache of run: %w", err)
	}
	return nil
}

// Forget drops the compiler cache of a run that has ended.
func (r *Runner) Forget(run string) error {
	if !safeName.MatchString(run) {
		return nil
	}
	unlock := r.lock("run " + run)
	defer unlock()
	if err := repo.RemoveTree(r.runCache(run)); err != nil {
		return fmt.Errorf("drop cache of run: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.locks, "run "+run)
	return nil
}

// tailOfLog is how much of the log of a check that did not pass is shown.
const tailOfLog = 4000

// took is what differs between two runs of the same.
var took = regexp.MustCompile(`(?m) in \d+ ms| after \d+ ms| \(\d+\.\d+s\)|^(the tests are compiled already|\$ go test -c ).*\n`)

// Preliminary runs checks on a worktree to help an agent, and says in text what
// came out. It is never evidence, and the text says so. The same files give the
// same words, or nobody notices an agent that goes in circles.
func (r *Runner) Preliminary(ctx context.Context, s Subject, dir string, types []string) (string, error) {
	results, err := r.RunIn(ctx, s, dir, types)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("Preliminary results on this workspace; the platform runs its own checks on the merged commit.\n")
	for _, res := range results {
		fmt.Fprintf(&b, "\n%s: %s. %s\n", res.Type, res.Verdict, res.Reason)
		if res.Verdict != Pass {
			tail := strings.ToValidUTF8(string(res.Log[max(0, len(res.Log)-tailOfLog):]), "")
			b.WriteString(took.ReplaceAllString(tail, ""))
		}
	}
	if len(results) == 0 {
		b.WriteString("No check applies to what is here yet.\n")
	}
	return b.String(), nil
}
