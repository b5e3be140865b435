package repo

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/fault"
)

func TestRefs(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	a := put(t, r, "", "a", "1")
	b := put(t, r, a, "a", "2")
	_, err := r.Show(t.Context(), "main")
	refused(t, err, fault.KindNotFound, "repo.ref", "main")
	for _, commit := range []string{a, b, b, a} {
		if err := r.SetRef(t.Context(), MainRef, commit); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"main", "HEAD", MainRef, "heads/main", commit} {
			if got, err := r.Show(t.Context(), name); err != nil || got != commit {
				t.Fatalf("%s: %s, %v", name, got, err)
			}
		}
	}
	swap := func(ref, commit, old string) error { return r.SwapRef(t.Context(), ref, commit, old) }
	refused(t, swap(MainRef, b, b), fault.KindConflict, "repo.ref_moved")  // "now b" by the error, but it is at a
	refused(t, swap(MainRef, b, ""), fault.KindConflict, "repo.ref_moved") // exists
	refused(t, swap("refs/heads/new", b, a), fault.KindConflict, "repo.ref_moved")
	for range 2 { // may be repeated
		if err := swap(MainRef, b, a); err != nil {
			t.Fatal(err)
		}
		if err := swap("refs/layercake/run/1", a, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, ref := range []string{"main", "HEAD", "refs/tags/x", "refs/heads/", "refs/heads/../x", "refs/heads/a b", "refs/heads/x.lock", "refs/replace/" + a, "-d", ""} {
		refused(t, r.SetRef(t.Context(), ref, a), fault.KindInvalid, "repo.ref")
		refused(t, swap(ref, a, ""), fault.KindInvalid, "repo.ref")
	}
	refused(t, r.SetRef(t.Context(), MainRef, strings.Repeat("1", 40)), fault.KindNotFound, "repo.commit")
	for _, name := range []string{"main~1", "main^", ":/x", "main..x", "@{-1}", "main:a", "-q", "--all", "", "a\nb"} {
		_, err := r.Show(t.Context(), name)
		refused(t, err, fault.KindInvalid, "repo.ref")
	}
}

func TestOneSwapWins(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	base := put(t, r, "", "a", "0")
	if err := r.SetRef(t.Context(), MainRef, base); err != nil {
		t.Fatal(err)
	}
	var won atomic.Int32
	var group sync.WaitGroup
	for i := range 8 {
		next := put(t, r, base, "a", fmt.Sprint(i+1))
		group.Go(func() {
			switch err := r.SwapRef(t.Context(), MainRef, next, base); {
			case err == nil:
				won.Add(1)
			case fault.CodeOf(err) != "repo.ref_moved":
				t.Error(err)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d won", won.Load())
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	a := put(t, r, "", "a", "1")
	b := put(t, r, a, "a", "2")
	who, when := Signature{Name: "Grace Tester", Email: "grace@example.org"}, time.Unix(1_700_000_100, 0).UTC()
	tag := func(name, commit, message string) error {
		return r.Tag(t.Context(), name, commit, message, who, when)
	}
	for _, name := range []string{"gate/G3", "c2/gate/G3", "gate/G3-r2"} {
		if err := tag(name, a, "Approved by Grace\n\nwith a comment"); err != nil {
			t.Fatal(err)
		}
	}
	if err := tag("gate/G3", a, "said again"); err != nil {
		t.Fatal(err)
	}
	refused(t, tag("gate/G3", b, "x"), fault.KindConflict, "repo.tag_exists", "gate/G3")
	refused(t, tag("gate/G4", strings.Repeat("1", 40), "x"), fault.KindNotFound, "repo.commit")
	refused(t, tag("gate/G4", b, " "), fault.KindInvalid, "repo.message")
	for _, name := range []string{"", "-d", "a b", "a..b", "a/.b", "x.lock", "a@{1}", "a\x00b", "a~1", "/a", "a/", "a//b", "a."} {
		refused(t, tag(name, a, "x"), fault.KindInvalid, "repo.ref")
	}
	tags, err := r.Tags(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Tag{Commit: a, Tagger: who, When: when, Message: "Approved by Grace\n\nwith a comment"}
	var expected []Tag
	for _, name := range []string{"c2/gate/G3", "gate/G3", "gate/G3-r2"} {
		want.Name = name
		expected = append(expected, want)
	}
	equal(t, "tags", tags, expected)
	if got, err := r.Show(t.Context(), "gate/G3"); err != nil || got != a {
		t.Fatal(got, err)
	}
	var group sync.WaitGroup
	var made atomic.Int32
	for i := range 6 {
		group.Go(func() {
			switch err := tag("race", []string{a, b}[i%2], "x"); {
			case err == nil:
				made.Add(1)
			case fault.CodeOf(err) != "repo.tag_exists":
				t.Error(err)
			}
		})
	}
	group.Wait()
	if made.Load() != 3 {
		t.Fatalf("%d calls made the tag, and three named its commit", made.Load())
	}
	sound(t, r)
}

func TestRefNamesAreGits(t *testing.T) {
	t.Parallel()
	piece := rapid.SampledFrom([]string{"a", "G3", "/", ".", "..", "-", "@", "{", ".lock", "~", "ä", " ", "\x7f", "*", ":", "\\", "[", "?", "^", "\""})
	try := func(t *rapid.T) {
		name := strings.Join(rapid.SliceOfN(piece, 1, 5).Draw(t, "name"), "")
		_, err := tryPlain("/", "check-ref-format", "refs/tags/"+name)
		if ours := CheckRefName(name); ours == nil && err != nil {
			t.Fatalf("we accept %q, git does not", name)
		} else if ours != nil && err == nil && name[0] != '-' && name != "@" {
			t.Fatalf("git accepts %q, we do not: %v", name, ours)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		for range 10 {
			try(t)
		}
	})
}

// What a killed process leaves: locks, halves of objects, folders, worktrees.
func TestLeftoversOfACrashAreCleared(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Create(t.Context(), "prj_1")
	if err != nil {
		t.Fatal(err)
	}
	base := put(t, r, "", "a", "1", "tmp_x", "2")
	w := newTree(t, r, base)
	for _, ref := range []string{MainRef, "refs/heads/tmp_branch"} {
		if err := r.SetRef(t.Context(), ref, base); err != nil {
			t.Fatal(err)
		}
	}
	leftovers := []string{
		"git/refs/heads/main.lock", "git/packed-refs.lock", "git/HEAD.lock", "git/config.lock", "git/index.lock",
		"git/objects/pack/tmp_pack_x", "git/objects/" + base[:2] + "/tmp_obj_x", "git/objects/tmp_objdir-x/y",
		"tmp/git-123/HEAD", "tmp/zip-1/.git/x",
	}
	for _, l := range leftovers {
		write(t, r.dir, l, "half")
	}
	write(t, w.Dir(), "b", "half made")
	if err := os.Remove(filepath.Join(w.Dir(), "a")); err != nil {
		t.Fatal(err)
	}
	if _, err := tryPlain(r.dir, "--git-dir="+r.gitDir, "update-ref", MainRef, base, base); err == nil {
		t.Fatal("git is not stopped by the lock, so the test shows nothing")
	}

	// A second process that reads along must not clear what the first uses.
	second, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := second.Repo("prj_1").Show(t.Context(), "main"); err != nil || got != base {
		t.Fatal(got, err)
	}
	for _, l := range leftovers {
		if _, err := os.Stat(filepath.Join(r.dir, l)); err != nil {
			t.Fatalf("a process that does not own the folder removed %s", l)
		}
	}
	_ = second.Close()

	if err := s.Close(); err != nil { // as the end of the process does
		t.Fatal(err)
	}
	s, err = Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	r, err = s.Create(t.Context(), "prj_1")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leftovers {
		if _, err := os.Stat(filepath.Join(r.dir, l)); err == nil {
			t.Errorf("%s is still there", l)
		}
	}
	next := put(t, r, base, "a", "2")
	if err := r.SwapRef(t.Context(), MainRef, next, base); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Show(t.Context(), "tmp_branch"); err != nil || got != base {
		t.Fatal("a branch with an odd name was taken for a leftover", err)
	}
	w = newTree(t, r, base)
	equal(t, "worktree", contents(t, w.Dir()), map[string]string{"a": "1", "tmp_x": "2"})
	sound(t, r)
}

func TestCreateAfterACrash(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	write(t, filepath.Join(s.root, "prj_1"), "tmp/git-1/objects/x", "half")
	r, err := s.Create(t.Context(), "prj_1")
	if err != nil {
		t.Fatal(err)
	}
	put(t, r, "", "a", "1")
	sound(t, r)
}
