package repo

import (
	"os"
	"testing"

	"github.com/layercake-app/layercake/internal/fault"
)

// A removed repository is gone for those that hold it and those that ask anew.
func TestRemove(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	s, id := r.store, r.id
	a := put(t, r, "", "a", "1\n")
	if _, err := r.Worktree(t.Context(), "run_1", a); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it may be repeated
		if err := s.Remove(id); err != nil {
			t.Fatal(err)
		}
		if s.Has(id) {
			t.Error("it is still there")
		}
	}
	_, err := r.Read(t.Context(), a, "a")
	refused(t, err, fault.KindNotFound, "repo.missing")
	if left, err := os.ReadDir(s.root); err != nil || len(left) > 1 { // the lock
		t.Errorf("left: %v, %v", left, err)
	}
	refused(t, s.Remove("../x"), fault.KindInvalid, "repo.id")
	again, err := s.Create(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if refs, err := again.Tags(t.Context()); err != nil || len(refs) > 0 {
		t.Errorf("tags %v, %v", refs, err)
	}
}

// The history of one file leaves out what did not touch it, and goes on after skipped
// commits.
func TestHistoryOfAFile(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	a := put(t, r, "", "a", "1\n", "b", "1\n")
	b := put(t, r, a, "b", "2\n")
	c := put(t, r, b, "a", "3\n")
	commits := func(path string, skip, n int) (out []string) {
		found, err := r.History(t.Context(), c, path, skip, n)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range found {
			out = append(out, e.Commit)
		}
		return out
	}
	equal(t, "of a", commits("a", 0, 0), []string{c, a})
	equal(t, "of a, after one", commits("a", 1, 5), []string{a})
	equal(t, "of all, the second", commits("", 1, 1), []string{b})
	equal(t, "of a pattern", commits("*", 0, 0), []string(nil))
	_, err := r.History(t.Context(), c, "--all", 0, 0)
	refused(t, err, fault.KindInvalid, "repo.path")
}
