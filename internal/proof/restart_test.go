package proof

import (
	"os"
	"path/filepath"
	"testing"
)

// ownRunner has folders that no other test uses.
func ownRunner(t *testing.T) *Runner {
	t.Helper()
	cfg := platform(t).cfg
	cfg.Cache, cfg.Deployments = t.TempDir(), t.TempDir()
	r, err := NewRunner(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func passes(t *testing.T, r *Runner, s Subject) {
	t.Helper()
	res, err := r.Run(t.Context(), s)
	if err != nil || res.Verdict != Pass {
		t.Errorf("%s: %s %s, %v", s.Type, res.Verdict, res.Reason, err)
	}
}

// Another process on the same data folder has canaries of its own: tests that were
// compiled with those of the first are compiled again, not judged by the wrong ones.
func TestTestsOutliveARestart(t *testing.T) {
	t.Parallel()
	r := ownRunner(t)
	s := Subject{Project: testProject, Change: "chg_1", Gate: "G6", Type: Unit, Commit: commit(t, plants)}
	passes(t, r, s)
	again, err := NewRunner(r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range []string{Unit, Coverage} {
		s.Type = typ
		passes(t, again, s)
	}
}

// A program that was cut off, because the process died while the go command put it
// in its place, is made anew.
func TestATornProgramIsMadeAnew(t *testing.T) {
	t.Parallel()
	r := ownRunner(t)
	s := Subject{Project: testProject, Change: "chg_1", Gate: "G5", Type: Preview, Commit: commit(t, plants)}
	passes(t, r, s)
	found, err := filepath.Glob(filepath.Join(r.cfg.Cache, "go-*", testProject, "out", "bin*", "*"))
	if err != nil || len(found) == 0 {
		t.Fatal(found, err)
	}
	for _, program := range found {
		info, err := os.Stat(program)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(program, info.Size()/2); err != nil {
			t.Fatal(err)
		}
	}
	cache := filepath.Dir(filepath.Dir(filepath.Dir(found[0])))
	if err := os.WriteFile(filepath.Join(cache, busyMark), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	passes(t, r, s)
}
