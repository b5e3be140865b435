package repo

import (
	"testing"

	"github.com/layercake-app/layercake/internal/fault"
)

func TestMerge(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	base := put(t, r, "", "a", "1\n2\n3\n4\n5\n6\n7\n", "b", "x\n", "old-name", "a long enough text\nof several lines\nto be found again\n")
	ours := put(t, r, base, "a", "one\n2\n3\n4\n5\n6\n7\n", "ours", "o")
	theirs := put(t, r, base, "a", "1\n2\n3\n4\n5\n6\nseven\n", "theirs", "t")
	s := spec(5, "Merge run_1")
	s.Trailers = [][2]string{{"Run", "run_1"}}
	m, err := r.Merge(t.Context(), ours, theirs, s)
	if err != nil || m.Conflicts != nil {
		t.Fatal(m, err)
	}
	again, err := r.Merge(t.Context(), ours, theirs, s)
	if err != nil || again.Commit != m.Commit {
		t.Fatal("the same merge gave another commit", err)
	}
	equal(t, "merged", committed(t, r, m.Commit), map[string]string{
		"a": "one\n2\n3\n4\n5\n6\nseven\n", "b": "x\n", "ours": "o", "theirs": "t", "old-name": "a long enough text\nof several lines\nto be found again\n",
	})
	log, err := r.Log(t.Context(), m.Commit, 1)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "parents", log[0].Parents, []string{ours, theirs})
	equal(t, "trailers", log[0].Trailers, s.Trailers)

	// Nothing new: ours. Ours is behind: a commit all the same.
	for _, c := range [][2]string{{ours, ours}, {m.Commit, theirs}, {ours, base}} {
		got, err := r.Merge(t.Context(), c[0], c[1], spec(6, "x"))
		if err != nil || got.Commit != c[0] {
			t.Fatal(got, err)
		}
	}
	forward, err := r.Merge(t.Context(), base, ours, spec(6, "x"))
	if err != nil || forward.Commit == ours {
		t.Fatal(forward, err)
	}
	equal(t, "forward", committed(t, r, forward.Commit), committed(t, r, ours))

	// A file renamed here and changed there.
	c := spec(7, "rename")
	c.Parent, c.Delete = base, []string{"old-name"}
	c.Put = map[string][]byte{"new-name": []byte("a long enough text\nof several lines\nto be found again\n")}
	renamed, err := r.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	edited := put(t, r, base, "old-name", "a long enough text\nof several lines\nto be found again\nand more\n")
	m, err = r.Merge(t.Context(), renamed, edited, spec(8, "x"))
	if err != nil || m.Commit == "" {
		t.Fatal(m, err)
	}
	equal(t, "renamed", committed(t, r, m.Commit)["new-name"], "a long enough text\nof several lines\nto be found again\nand more\n")
	sound(t, r)
}

func TestMergeConflicts(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	base := put(t, r, "", "both", "base\n", "gone", "base\n", "fine", "base\n")
	c := spec(1, "theirs")
	c.Parent, c.Put, c.Delete = base, map[string][]byte{"both": []byte("theirs\n"), "added": []byte("theirs\n"), "fine": []byte("theirs\n")}, []string{"gone"}
	theirs, err := r.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ours := put(t, r, base, "both", "ours\n", "added", "ours\n", "gone", "ours\n")
	m, err := r.Merge(t.Context(), ours, theirs, spec(2, "merge"))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "commit", m.Commit, "")
	equal(t, "conflicts", m.Conflicts, []Conflict{
		{Path: "added", Ours: []byte("ours\n"), Theirs: []byte("theirs\n")},
		{Path: "both", Base: []byte("base\n"), Ours: []byte("ours\n"), Theirs: []byte("theirs\n")},
		{Path: "gone", Base: []byte("base\n"), Ours: []byte("ours\n")},
	})
	marked := func(content string) string {
		return "<<<<<<< " + ours + "\n" + content + "=======\ntheirs\n>>>>>>> " + theirs + "\n"
	}
	equal(t, "marked", committed(t, r, m.Marked), map[string]string{
		"added": marked("ours\n"), "both": marked("ours\n"), "gone": "ours\n", "fine": "theirs\n",
	})
	start, err := r.Log(t.Context(), m.Marked, 1)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "parents of the marked commit", start[0].Parents, []string{ours, theirs})

	// The task that resolves it works at ours, and its commit records theirs.
	w := newTree(t, r, ours)
	write(t, w.Dir(), "both", "ours and theirs\n")
	write(t, w.Dir(), "fine", "theirs\n")
	s := spec(3, "resolve")
	s.Parents = []string{theirs}
	resolved, changed, err := w.Commit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "changed", changed, []string{"both", "fine"})
	if got, err := r.Merge(t.Context(), resolved, theirs, spec(4, "x")); err != nil || got.Commit != resolved {
		t.Fatal("theirs is not recorded as merged", got, err)
	}
	// Keeping ours throughout is a resolution, too: a commit without changes.
	if err := w.Reset(t.Context(), ours); err != nil {
		t.Fatal(err)
	}
	kept, changed, err := w.Commit(t.Context(), s)
	if err != nil || kept == ours || changed != nil {
		t.Fatal(kept, changed, err)
	}
	log, err := r.Log(t.Context(), kept, 1)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "parents", log[0].Parents, []string{ours, theirs})
	sound(t, r)
}

func TestMergeRefuses(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	base := put(t, r, "", "a", "1")
	ours := put(t, r, base, "readme", "1")
	_, err := r.Merge(t.Context(), ours, put(t, r, base, "README", "2"), spec(1, "x"))
	refused(t, err, fault.KindInvalid, "repo.collision", "README")
	other := put(t, r, "", "unrelated", "1")
	_, err = r.Merge(t.Context(), ours, other, spec(1, "x"))
	refused(t, err, fault.KindConflict, "repo.unrelated")
	for _, id := range []string{"main", "-x", "", emptyTree} {
		if _, err := r.Merge(t.Context(), ours, id, spec(1, "x")); err == nil {
			t.Errorf("%q was merged", id)
		}
	}

	// What the platform wrote on our side is not a change by theirs; what
	// theirs wrote is.
	c := spec(2, "evidence")
	c.Parent, c.Put, c.Allow = base, map[string][]byte{".layercake/proof": []byte("pass")}, AllowAll
	evidence, err := r.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := r.Merge(t.Context(), evidence, ours, spec(3, "x")); err != nil || m.Commit == "" {
		t.Fatal(m, err)
	}
	_, err = r.Merge(t.Context(), ours, evidence, spec(3, "x"))
	refused(t, err, fault.KindForbidden, "repo.protected", ".layercake/proof")
	// Forbidden is said before conflict: nobody should resolve it.
	c.Put = map[string][]byte{".layercake/proof": []byte("forged")}
	forged, err := r.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Merge(t.Context(), evidence, forged, spec(3, "x"))
	refused(t, err, fault.KindForbidden, "repo.protected", ".layercake/proof")
	s := spec(3, "x")
	s.Allow = AllowAll
	if m, err := r.Merge(t.Context(), ours, evidence, s); err != nil || m.Commit == "" {
		t.Fatal(m, err)
	}
	s.Put = map[string][]byte{"x": nil}
	if _, err := r.Merge(t.Context(), ours, evidence, s); err == nil {
		t.Fatal("a merge took files")
	}
}
