package repo

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/fault"
)

// died is what a process panics with that dies in these tests. Nothing of what
// it would have done is done, but its locks are gone, as after a real end.
type died struct{}

// dieAfter calls do and lets it die after n steps; it reports whether that many
// were taken.
func dieAfter(s *Store, n int, do func() error) (dead bool, err error) {
	s.onStep = func() {
		if n--; n < 0 {
			panic(died{})
		}
	}
	defer func() {
		s.onStep = nil
		if p := recover(); p != nil {
			if _, ok := p.(died); !ok {
				panic(p)
			}
			dead = true
		}
	}()
	return false, do()
}

// next is a repository with an export of its first state, and a newer state.
func next(t *testing.T) (r *Repo, earlier, newer string) {
	t.Helper()
	r, earlier = exportable(t)
	newer = put(t, r, earlier, "src/b.go", "package a\n", "docs/more.md", "more\n")
	return r, earlier, newer
}

// whole wants dest to be an untouched export of commit, with nothing beside it.
func whole(t *testing.T, r *Repo, dest, commit string) {
	t.Helper()
	if why, err := r.Touched(t.Context(), dest); why != "" || err != nil {
		t.Fatalf("%s: %s, %v", dest, why, err)
	}
	equal(t, "head", plain(t, dest, "rev-parse", "HEAD"), commit+"\n")
	equal(t, "status", plain(t, dest, "status", "--porcelain", "--ignored"), "")
}

// An export that is killed, wherever it was, is carried to its end by the same
// call, also when that one was killed once more. What it replaces is never lost
// on the way.
func TestKilledExportGoesOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before func(t *testing.T, r *Repo, dest, earlier string)
		export func(r *Repo, dest string) error
	}{
		"into an absent folder": {
			func(*testing.T, *Repo, string, string) {},
			func(r *Repo, dest string) error { return r.ExportFolder(context.Background(), dest) },
		},
		"into an empty folder": {
			func(t *testing.T, _ *Repo, dest, _ string) { mkdir(t, dest) },
			func(r *Repo, dest string) error { return r.ExportFolder(context.Background(), dest) },
		},
		"in place of an earlier export": {
			func(t *testing.T, r *Repo, dest, earlier string) {
				if err := r.ExportCommit(t.Context(), dest, earlier); err != nil {
					t.Fatal(err)
				}
			},
			func(r *Repo, dest string) error { return r.ReplaceExport(context.Background(), dest, "") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, earlier, newer := next(t)
			if err := r.SetRef(t.Context(), MainRef, newer); err != nil {
				t.Fatal(err)
			}
			n := 0
			for ; ; n++ {
				parent := t.TempDir()
				dest := filepath.Join(parent, "out")
				c.before(t, r, dest, earlier)
				again := func() error { return c.export(r, dest) }
				dead, err := dieAfter(r.store, n, again)
				if !dead && err != nil {
					t.Fatalf("after %d steps: %v", n, err)
				}
				if !dead {
					break
				}
				if _, err := dieAfter(r.store, n%5, again); err != nil && fault.CodeOf(err) != "out.not_empty" {
					t.Fatalf("killed after %d steps, and again after %d: %v", n, n%5, err)
				}
				// The folder it was to be may be there already, only what was beside it not swept.
				if err := again(); err != nil && (fault.CodeOf(err) != "out.not_empty" || c.export(r, filepath.Join(parent, "other")) != nil) {
					t.Fatalf("killed after %d steps: %v", n, err)
				}
				whole(t, r, dest, newer)
				if entries, err := os.ReadDir(parent); err != nil || strings.HasPrefix(entries[0].Name(), ".layercake") {
					t.Fatalf("killed after %d steps: %v was left, %v", n, entries, err)
				}
			}
			if n < 4 {
				t.Errorf("only %d steps were taken", n)
			}
		})
	}
}

// interrupted is an output folder in which the export of newer in place of
// earlier died after n steps.
func interrupted(t *testing.T, n int) (r *Repo, dest, earlier, newer string) {
	t.Helper()
	r, earlier, newer = next(t)
	dest = filepath.Join(t.TempDir(), "out")
	if err := r.ExportCommit(t.Context(), dest, earlier); err != nil {
		t.Fatal(err)
	}
	if err := r.SetRef(t.Context(), MainRef, newer); err != nil {
		t.Fatal(err)
	}
	if dead, err := dieAfter(r.store, n, func() error { return r.ReplaceExport(context.Background(), dest, "") }); !dead {
		t.Fatalf("it lived: %v", err)
	}
	if !Unfinished(dest) {
		t.Fatal("nothing was left")
	}
	return r, dest, earlier, newer
}

// left is the path of a part of what an interrupted export left.
func left(t *testing.T, dest, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dest, pattern))
	if err != nil || len(found) != 1 {
		t.Fatal(pattern, found, err)
	}
	return found[0]
}

// Whatever a person did in the folder after an export was killed is kept, and so
// is the earlier export that they did it to.
func TestInterruptedExportKeepsWhatIsTouched(t *testing.T) {
	t.Parallel()
	const setAside, finished = 4, 12 // steps: some of the earlier export is set aside; some of the new one is in place
	t.Run("beside what was set aside", func(t *testing.T) {
		t.Parallel()
		r, dest, earlier, newer := interrupted(t, setAside)
		write(t, dest, "mine.txt", "mine")
		err := r.ReplaceExport(t.Context(), dest, "")
		refused(t, err, fault.KindConflict, "repo.touched", "mine.txt")
		equal(t, "head", plain(t, dest, "rev-parse", "HEAD"), earlier+"\n")
		remove(t, filepath.Join(dest, "mine.txt"))
		if err := r.ReplaceExport(t.Context(), dest, ""); err != nil {
			t.Fatal(err)
		}
		whole(t, r, dest, newer)
	})
	t.Run("in what was set aside", func(t *testing.T) {
		t.Parallel()
		r, dest, _, _ := interrupted(t, setAside)
		write(t, left(t, dest, making+"*/"+stagedEarlier), "mine.txt", "mine")
		refused(t, r.ReplaceExport(t.Context(), dest, ""), fault.KindConflict, "repo.touched", "mine.txt")
		if Unfinished(dest) || contents(t, dest)["mine.txt"] != "mine" {
			t.Error("the earlier export is not back")
		}
	})
	t.Run("a repository of their own", func(t *testing.T) {
		t.Parallel()
		r, dest, _, newer := interrupted(t, setAside)
		plain(t, dest, "init", "-q")
		refused(t, r.ReplaceExport(t.Context(), dest, ""), fault.KindConflict, "repo.unfinished", filepath.Join(dest, ".git"), stagedEarlier)
		if err := os.RemoveAll(filepath.Join(dest, ".git")); err != nil {
			t.Fatal(err)
		}
		if err := r.ReplaceExport(t.Context(), dest, ""); err != nil {
			t.Fatal(err)
		}
		whole(t, r, dest, newer)
	})
	t.Run("in the earlier export, once the new one is in place", func(t *testing.T) {
		t.Parallel()
		r, dest, _, newer := interrupted(t, finished)
		earlier := left(t, dest, finishing+"*/"+stagedEarlier)
		write(t, earlier, "mine.txt", "mine")
		refused(t, r.ReplaceExport(t.Context(), dest, ""), fault.KindConflict, "repo.touched", earlier, "mine.txt")
		if err := os.Rename(earlier, filepath.Join(t.TempDir(), "mine")); err != nil {
			t.Fatal(err)
		}
		if err := r.ReplaceExport(t.Context(), dest, ""); err != nil {
			t.Fatal(err)
		}
		whole(t, r, dest, newer)
	})
	t.Run("a folder of their own that is called like ours", func(t *testing.T) {
		t.Parallel()
		r, _ := exportable(t)
		dest := t.TempDir()
		write(t, dest, making+"2024/notes.txt", "mine")
		refused(t, r.ExportFolder(t.Context(), dest), fault.KindConflict, "out.not_empty")
		if Unfinished(dest) || len(contents(t, dest)) != 1 {
			t.Error("it was taken for ours")
		}
	})
}

// What was being deleted when the process died is deleted, and not mistaken for
// an export that somebody took files from.
func TestInterruptedDeletionEnds(t *testing.T) {
	t.Parallel()
	r, dest, _, newer := interrupted(t, 12)
	earlier := left(t, dest, finishing+"*/"+stagedEarlier)
	if _, err := r.Settle(t.Context(), dest); err != nil {
		t.Fatal(err)
	}
	gone := filepath.Join(filepath.Dir(earlier), stagedGone)
	write(t, gone, "README.md", "half of it\n")
	if err := r.ReplaceExport(t.Context(), dest, ""); err != nil {
		t.Fatal(err)
	}
	whole(t, r, dest, newer)
}

// Two processes that export into one folder do not take each other's work for
// something that was left.
func TestExportsKeepOutOfEachOthersWay(t *testing.T) {
	t.Parallel()
	r, _ := exportable(t)
	dest := t.TempDir()
	st, err := r.store.newStaging(dest)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, r.ExportFolder(t.Context(), dest), fault.KindConflict, "repo.exporting", dest)
	if !st.has(stagedNew) {
		t.Error("it was swept")
	}
	if err := st.close(); err != nil {
		t.Fatal(err)
	}
	if err := r.ExportFolder(t.Context(), dest); err != nil {
		t.Error(err)
	}
}

// What the file system keeps from being finished is said, with the place of the
// earlier export, and the same call goes on.
func TestStuckExportSaysWhereTheEarlierOneIs(t *testing.T) {
	t.Parallel()
	r, earlier, newer := next(t)
	dest := filepath.Join(t.TempDir(), "out")
	if err := r.ExportCommit(t.Context(), dest, earlier); err != nil {
		t.Fatal(err)
	}
	if err := r.SetRef(t.Context(), MainRef, newer); err != nil {
		t.Fatal(err)
	}
	away := filepath.Join(filepath.Dir(dest), "away")
	r.store.onStep = func() { // takes the new export away once the earlier one is aside
		if found, _ := filepath.Glob(filepath.Join(dest, finishing+"*", stagedNew, "src")); len(found) == 1 {
			if err := os.Rename(found[0], away); err != nil {
				t.Error(err)
			}
		}
	}
	err := r.ReplaceExport(t.Context(), dest, "")
	r.store.onStep = nil
	kept := left(t, dest, finishing+"*/"+stagedEarlier)
	refused(t, err, fault.KindUnavailable, "repo.unfinished", "The earlier one is in "+kept)
	if err := os.Rename(away, filepath.Join(filepath.Dir(kept), stagedNew, "src")); err != nil {
		t.Fatal(err)
	}
	if err := r.ReplaceExport(t.Context(), dest, ""); err != nil {
		t.Fatal(err)
	}
	whole(t, r, dest, newer)
}
