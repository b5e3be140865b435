package repo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	_, err := s.Repo("prj_1").Files(t.Context(), emptyTree)
	refused(t, err, fault.KindNotFound, "repo.missing", "prj_1")
	for _, id := range []string{"", ".", "..", "a/b", "-x", "a b", "%2e%2e", strings.Repeat("a", 129)} {
		_, err := s.Create(t.Context(), id)
		refused(t, err, fault.KindInvalid, "repo.id")
		_, err = s.Repo(id).Files(t.Context(), emptyTree)
		refused(t, err, fault.KindInvalid, "repo.id")
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if _, err := s.Create(t.Context(), "prj_1"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	r := s.Repo("prj_1")
	commit := put(t, r, "", "a", "1")
	if again, err := s.Create(t.Context(), "prj_1"); err != nil || again != r {
		t.Fatal("the second Create gave another repository", err)
	}
	equal(t, "files", committed(t, r, commit), map[string]string{"a": "1"})
	_, err = s.Repo("prj_2").Files(t.Context(), commit)
	refused(t, err, fault.KindNotFound, "repo.missing")
	other, err := s.Create(t.Context(), "prj_2")
	if err != nil {
		t.Fatal(err)
	}
	_, err = other.Files(t.Context(), commit)
	refused(t, err, fault.KindNotFound, "repo.commit") // also with the list of prj_1 in the cache
	sound(t, r)
}

func TestCommit(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	c := spec(7, "Add the plant list\n\nIt shows what needs water.\x00\x1b[31m\r\nDone.  \n\n")
	c.Put = map[string][]byte{"README.md": []byte("# Plants\n"), "src/a.go": []byte("package a\n"), "src/b/c.go": nil, ".layercake/x": []byte("p")}
	c.Author = Signature{Name: "  Zoë <script>\n Müller. ", Email: "zoe@example.org"}
	c.Committer = Signature{Name: "LayerCake", Email: "platform@example.org"}
	c.Trailers = [][2]string{{"Run", "run_1"}, {"Gate", " G5 "}}
	_, err := r.Commit(t.Context(), c)
	refused(t, err, fault.KindForbidden, "repo.protected", ".layercake/x")
	c.Allow = AllowAll
	first, err := r.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := r.Commit(t.Context(), c); err != nil || again != first {
		t.Fatalf("the same specification gave %s and %s, %v", first, again, err)
	}
	log, err := r.Log(t.Context(), first, 1)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "log", log, []LogEntry{{
		Commit: first, Parents: []string{},
		Author: Signature{Name: "Zoë script Müller", Email: "zoe@example.org"}, Committer: c.Committer,
		When: time.Unix(1_700_000_007, 0).UTC(), Subject: "Add the plant list",
		Message:  "Add the plant list\n\nIt shows what needs water.[31m\nDone.\n\nRun: run_1\nGate: G5",
		Trailers: [][2]string{{"Run", "run_1"}, {"Gate", "G5"}},
	}})
	c = spec(8, "second")
	c.Parent, c.Put, c.Delete = first, map[string][]byte{"src/b/d.go": []byte("d")}, []string{"src/b/c.go", "README.md"}
	second, err := r.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "second", committed(t, r, second), map[string]string{".layercake/x": "p", "src/a.go": "package a\n", "src/b/d.go": "d"})
	files, err := r.Files(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	r.store.cache = newFileCache() // read once more, from git
	fromGit, err := r.Files(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "list", files, fromGit)
	c = spec(9, "empty")
	c.Parent, c.Delete = second, []string{".layercake/x", "src/a.go", "src/b/d.go"}
	c.Allow = func(p string) bool { return p == ".layercake/x" }
	if third, err := r.Commit(t.Context(), c); err != nil || len(committed(t, r, third)) != 0 {
		t.Fatal(third, err)
	}
	sound(t, r)
}

func TestCommitRefuses(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	base := put(t, r, "", "a", "1", "dir/b", "2")
	many := map[string][]byte{}
	for i := range MaxFiles {
		many[fmt.Sprintf("d%d/f%d", i%100, i)] = nil
	}
	cases := []struct {
		name   string
		change func(c *CommitSpec)
		kind   fault.Kind
		code   string
	}{
		{"parent unknown", func(c *CommitSpec) { c.Parent = strings.Repeat("1", 40) }, fault.KindNotFound, "repo.commit"},
		{"parent is a tree", func(c *CommitSpec) { c.Parent = buildTree(nil)[0].id }, fault.KindNotFound, "repo.commit"},
		{"parent is an option", func(c *CommitSpec) { c.Parent = "--upload-pack=x" }, fault.KindInvalid, "repo.commit"},
		{"parent is a branch", func(c *CommitSpec) { c.Parent = "main" }, fault.KindInvalid, "repo.commit"},
		{"second parent unknown", func(c *CommitSpec) { c.Parents = []string{strings.Repeat("1", 40)} }, fault.KindNotFound, "repo.commit"},
		{"path", func(c *CommitSpec) { c.Put = map[string][]byte{"../x": nil} }, fault.KindInvalid, "repo.path"},
		{"file where a folder is", func(c *CommitSpec) { c.Put = map[string][]byte{"dir": nil} }, fault.KindInvalid, "repo.collision"},
		{"folder where a file is", func(c *CommitSpec) { c.Put = map[string][]byte{"a/x": nil} }, fault.KindInvalid, "repo.collision"},
		{"case", func(c *CommitSpec) { c.Put = map[string][]byte{"A": nil} }, fault.KindInvalid, "repo.collision"},
		{"deleting nothing", func(c *CommitSpec) { c.Delete = []string{"none"} }, fault.KindNotFound, "repo.no_file"},
		{"deleting a folder", func(c *CommitSpec) { c.Delete = []string{"dir"} }, fault.KindNotFound, "repo.no_file"},
		{"file too large", func(c *CommitSpec) { c.Put = map[string][]byte{"x": make([]byte, MaxFileSize+1)} }, fault.KindTooLarge, "repo.too_large"},
		{"too many files", func(c *CommitSpec) { c.Put = many }, fault.KindTooLarge, "repo.too_many"},
		{"no message", func(c *CommitSpec) { c.Message = " \x00\n" }, fault.KindInvalid, "repo.message"},
		{"no author", func(c *CommitSpec) { c.Author.Name = "<>" }, fault.KindInvalid, "repo.signature"},
		{"no time", func(c *CommitSpec) { c.When = time.Time{} }, fault.KindInvalid, "repo.when"},
		{"trailer with two lines", func(c *CommitSpec) { c.Trailers = [][2]string{{"Run", "x\nGate: G9"}} }, fault.KindInvalid, "repo.trailer"},
		{"trailer key", func(c *CommitSpec) { c.Trailers = [][2]string{{"Run id", "x"}} }, fault.KindInvalid, "repo.trailer"},
		{"trailer without value", func(c *CommitSpec) { c.Trailers = [][2]string{{"Run", " "}} }, fault.KindInvalid, "repo.trailer"},
		{"protected", func(c *CommitSpec) { c.Put = map[string][]byte{".layercake/x": nil} }, fault.KindForbidden, "repo.protected"},
		{"protected, by case", func(c *CommitSpec) {
			c.Put, c.Allow = map[string][]byte{".LAYERCAKE/x": nil}, func(p string) bool { return p == ".layercake/x" }
		}, fault.KindForbidden, "repo.protected"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := spec(1, "x")
			s.Parent, s.Put = base, map[string][]byte{"new": nil}
			c.change(&s)
			_, err := r.Commit(t.Context(), s)
			refused(t, err, c.kind, c.code)
		})
	}
}

// A message cannot pass for the platform's trailers.
func TestTrailersCannotBeForged(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	c := spec(0, "x\n\nRun: forged\nGate: G9")
	c.Put, c.Trailers = map[string][]byte{"a": nil}, [][2]string{{"Run", "run_1"}}
	commit, err := r.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	log, err := r.Log(t.Context(), commit, 1)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "trailers", log[0].Trailers, c.Trailers)
}

func TestRead(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	commit := put(t, r, "", "a", "1", "d/b", "2")
	for path, code := range map[string]string{"none": "repo.no_file", "d": "repo.no_file", "../a": "repo.path", "d/%2e%2e/a": "repo.path"} {
		if _, err := r.Read(t.Context(), commit, path); fault.CodeOf(err) != code {
			t.Errorf("%s: got %v, want %s", path, err, code)
		}
	}
	got, err := r.ReadFiles(t.Context(), commit, "d/b", "a")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "files", got, map[string][]byte{"a": []byte("1"), "d/b": []byte("2")})
	files, err := r.Files(t.Context(), commit)
	if err != nil {
		t.Fatal(err)
	}
	files[0].Path = "changed by the caller"
	again, err := r.Files(t.Context(), commit)
	if err != nil || again[0].Path != "a" {
		t.Fatal("the caller's list is the cached one", err)
	}
}

func TestCancelledCallsSaySo(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	commit := put(t, r, "", "a", "1")
	other := put(t, r, commit, "b", "1")
	r.store.cache = newFileCache()
	ctx := cancelled(t)
	w := newTree(t, r, commit)
	write(t, w.Dir(), "c", "3")
	c := spec(1, "x")
	c.Put = map[string][]byte{"x": nil}
	for name, call := range map[string]func() error{
		"commit":   func() error { _, err := r.Commit(ctx, c); return err },
		"worktree": func() error { _, _, err := w.Commit(ctx, spec(1, "x")); return err },
		"merge":    func() error { _, err := r.Merge(ctx, commit, other, spec(1, "x")); return err },
		"files":    func() error { _, err := r.Files(ctx, other); return err },
		"checkout": func() error { return r.Checkout(ctx, commit, t.TempDir()) },
		"ref":      func() error { return r.SetRef(ctx, MainRef, commit) },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	commit2, changed, err := w.Commit(t.Context(), spec(1, "x"))
	if err != nil || commit2 == commit || len(changed) != 1 {
		t.Fatal("the worktree did not survive", changed, err)
	}
}

// The machine lost power while an object was being written.
func TestTornObjectIsWrittenAnew(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	commit := put(t, r, "", "a", "1")
	files, err := r.Files(t.Context(), commit)
	if err != nil {
		t.Fatal(err)
	}
	path := r.loosePath(files[0].Blob)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(t.Context(), commit, "a"); err == nil {
		t.Fatal("the torn object was read")
	}
	if again := put(t, r, "", "a", "1"); again != commit {
		t.Fatal("another commit")
	}
	equal(t, "files", committed(t, r, commit), map[string]string{"a": "1"})
	sound(t, r)
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := newFileCache()
	list := make([]File, cachedFiles/4)
	for i := range 10 {
		c.put("r", fmt.Sprint(i), list)
		c.put("r", fmt.Sprint(i), list) // a second time counts once
	}
	if c.total != cachedFiles || c.lists.Len() != 4 {
		t.Fatalf("%d files in %d lists", c.total, c.lists.Len())
	}
	if _, ok := c.get("r", "9"); !ok {
		t.Fatal("the newest list is gone")
	}
	if _, ok := c.get("other", "9"); ok {
		t.Fatal("another repository sees the list")
	}
	c.put("r", "huge", make([]File, 2*cachedFiles))
	if _, ok := c.get("r", "huge"); !ok || c.lists.Len() != 1 {
		t.Fatal("one list must always stay")
	}
}
