package repo

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
)

func TestWorktreeCommit(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	base := put(t, r, "", "a", "1", "d/b", "2", "d/c", "3", "gone", "4", "run.sh", "5")
	w := newTree(t, r, base)
	equal(t, "made", contents(t, w.Dir()), map[string]string{"a": "1", "d/b": "2", "d/c": "3", "gone": "4", "run.sh": "5"})
	commit, changed, err := w.Commit(t.Context(), spec(1, "nothing"))
	if err != nil || commit != base || changed != nil {
		t.Fatal("a commit without changes", commit, changed, err)
	}
	write(t, w.Dir(), "d/b", "two\r\n")
	write(t, w.Dir(), "new/deep/x", "\x00\xff")
	if err := os.Chmod(filepath.Join(w.Dir(), "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(w.Dir(), "gone")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("d/b", filepath.Join(w.Dir(), "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(w.Dir(), "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	next, changed, err := w.Commit(t.Context(), spec(1, "many"))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "changed", changed, []string{"d/b", "gone", "link", "new/deep/x", "run.sh"})
	equal(t, "committed", committed(t, r, next), map[string]string{"a": "1", "d/b": "two\r\n", "d/c": "3", "run.sh": "5", "link": "d/b", "new/deep/x": "\x00\xff"})
	files, err := r.Files(t.Context(), next)
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]string{}
	for _, f := range files {
		modes[f.Path] = f.Mode
	}
	if modes["run.sh"] != ModeExecutable || modes["link"] != ModeLink || modes["a"] != ModeFile {
		t.Fatal(modes)
	}
	r.store.cache = newFileCache()
	fromGit, err := r.Files(t.Context(), next)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "list", files, fromGit)

	c := spec(2, "put keeps the bit")
	c.Parent, c.Put = next, map[string][]byte{"run.sh": []byte("6"), "link": []byte("a file now")}
	last, err := r.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	list, err := r.Files(t.Context(), last)
	if err != nil {
		t.Fatal(err)
	}
	if script, _ := find(list, "run.sh"); script.Mode != ModeExecutable {
		t.Fatal(script)
	}
	if link, _ := find(list, "link"); link.Mode != ModeFile {
		t.Fatal(link)
	}
	sound(t, r)
}

// A change that keeps size and time of modification, right after a commit.
func TestNoChangeEscapes(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	w := newTree(t, r, put(t, r, "", "a", "1111"))
	path := filepath.Join(w.Dir(), "a")
	for i := range 20 {
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		content := fmt.Sprintf("%04d", i)
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(content); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		if err := os.Chtimes(path, before.ModTime(), before.ModTime()); err != nil {
			t.Fatal(err)
		}
		commit, changed, err := w.Commit(t.Context(), spec(i, "x"))
		if err != nil || len(changed) != 1 {
			t.Fatalf("round %d: %v %v", i, changed, err)
		}
		equal(t, "content", committed(t, r, commit)["a"], content)
	}
}

func TestKnownHolds(t *testing.T) {
	t.Parallel()
	second := int64(time.Second)
	old := stamp{size: 1, inode: 2, modified: 5, changed: 100*second + 7}
	k := known{stamp: old, blob: emptyBlob, readAt: 101 * second}
	if !k.holds(old) {
		t.Fatal("an old file must be believed")
	}
	for _, change := range []func(s *stamp){
		func(s *stamp) { s.size++ }, func(s *stamp) { s.inode++ }, func(s *stamp) { s.device++ },
		func(s *stamp) { s.mode++ }, func(s *stamp) { s.modified++ }, func(s *stamp) { s.changed++ },
	} {
		other := old
		change(&other)
		if k.holds(other) {
			t.Fatalf("%+v is believed to be %+v", other, old)
		}
	}
	k.readAt = old.changed + int64(50*time.Millisecond)
	if k.holds(old) {
		t.Fatal("a file read in the tick it was written in is believed")
	}
	whole := old
	whole.changed = 100 * second
	k = known{stamp: whole, blob: emptyBlob, readAt: 102 * second}
	if k.holds(whole) {
		t.Fatal("a clock of whole seconds is taken for an exact one")
	}
	if (known{}).holds(stamp{}) {
		t.Fatal("nothing known is believed")
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	base := put(t, r, "", "a", "1", "d/b", "2", "d/e/c", "3", "x/y", "4", ".gitignore", "*.log\nbuild/\n")
	next := put(t, r, base, "a", "one", "x/y", "four", "z", "5")
	w := newTree(t, r, base)
	want := contents(t, w.Dir())
	kept, err := os.Stat(filepath.Join(w.Dir(), "d/b"))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func() error{
		func() error { write(t, w.Dir(), "a", "9"); return nil },
		func() error { write(t, w.Dir(), "a.log", "ignored"); return nil },
		func() error { write(t, w.Dir(), "build/x/y", "ignored"); return nil },
		func() error { write(t, w.Dir(), ".git/config", "x"); return nil },
		func() error { return os.RemoveAll(filepath.Join(w.Dir(), "x")) },
		func() error { write(t, w.Dir(), "x", "a file"); return nil },
		func() error { return os.Chmod(filepath.Join(w.Dir(), "d/e/c"), 0o777) },
		func() error { return os.Mkdir(filepath.Join(w.Dir(), "empty"), 0) },
		func() error { return os.Chmod(filepath.Join(w.Dir(), "d"), 0o555) },
		func() error { return os.Remove(filepath.Join(w.Dir(), ".gitignore")) },
		func() error { return os.Symlink("/", filepath.Join(w.Dir(), ".gitignore")) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
	}
	again, err := r.Worktree(t.Context(), "run_1", base)
	if err != nil || again != w {
		t.Fatal("another worktree", err)
	}
	equal(t, "reset", contents(t, w.Dir()), want)
	if info, err := os.Stat(filepath.Join(w.Dir(), "d/e/c")); err != nil || info.Mode().Perm()&0o111 != 0 {
		t.Fatal("the executable bit stayed", err)
	}
	if info, err := os.Stat(filepath.Join(w.Dir(), "d/b")); err != nil || !os.SameFile(info, kept) {
		t.Fatal("an unchanged file was written anew", err)
	}
	if _, err := os.Stat(filepath.Join(w.Dir(), "empty")); err == nil {
		t.Fatal("an empty folder stayed")
	}
	if err := w.Reset(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	equal(t, "moved", contents(t, w.Dir()), committed(t, r, next))
	if _, changed, err := w.Commit(t.Context(), spec(1, "x")); err != nil || changed != nil {
		t.Fatal("a fresh worktree has changes", changed, err)
	}
	if err := w.Reset(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	equal(t, "emptied", contents(t, w.Dir()), map[string]string{})
	if err := w.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(w.Dir()); err == nil {
		t.Fatal("the folder stayed")
	}
	if _, _, err := w.Commit(t.Context(), spec(1, "x")); err == nil {
		t.Fatal("a removed worktree was committed")
	}
	if err := r.RemoveWorktree(t.Context(), "run_1"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "..", "a/b", ".x"} {
		_, err := r.Worktree(t.Context(), name, base)
		refused(t, err, fault.KindInvalid, "repo.name")
	}
}

func TestIgnoredFiles(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	w := newTree(t, r, put(t, r, "", "kept.log", "tracked before", "build/kept", "tracked before"))
	for name, content := range map[string]string{
		".gitignore": "*.log\n/build/\n!important.log\n:x\n", "a.log": "", "important.log": "", "build/out": "", "sub/build/in": "",
		"sub/.gitignore": "*.tmp\n", "sub/a.tmp": "", "a.tmp": "", ":x": "", "node_modules/m/index.js": "", "sub/node_modules/.git/x": "",
		".DS_Store": "", "*": "star", "sub/deeper/a.log": "", "kept.log": "changed", "build/kept": "changed",
	} {
		write(t, w.Dir(), name, content)
	}
	want := []string{"*", ".gitignore", "a.tmp", "build/kept", "important.log", "kept.log", "sub/.gitignore", "sub/build/in"}
	list, err := w.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "listed", list, want)
	commit, _, err := w.Commit(t.Context(), spec(1, "x"))
	if err != nil {
		t.Fatal(err)
	}
	files := committed(t, r, commit)
	equal(t, "tracked", files["kept.log"]+files["build/kept"], "changedchanged")
	var paths []string
	for p := range files {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	equal(t, "committed", paths, want)

	// The project may want what we leave out by default.
	write(t, w.Dir(), ".gitignore", "!node_modules/\n")
	if err := os.RemoveAll(filepath.Join(w.Dir(), "sub")); err != nil {
		t.Fatal(err)
	}
	if list, err = w.List(t.Context()); err != nil || !slices.Contains(list, "node_modules/m/index.js") {
		t.Fatal(list, err)
	}
	// A .gitignore that is a link is not followed, and reads nothing outside.
	if err := os.Remove(filepath.Join(w.Dir(), ".gitignore")); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "patterns")
	write(t, filepath.Dir(outside), "patterns", "a.tmp\nnew\n")
	if err := os.Symlink(outside, filepath.Join(w.Dir(), ".gitignore")); err != nil {
		t.Fatal(err)
	}
	write(t, w.Dir(), "new", "")
	if list, err = w.List(t.Context()); err != nil || !slices.Contains(list, "new") {
		t.Fatal(list, err)
	}
}

func TestWorktreeCommitRefuses(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		change   func(t *testing.T, dir string)
		kind     fault.Kind
		code     string
		mentions string
	}{
		{"path", func(t *testing.T, dir string) { write(t, dir, "sub/-x", "") }, fault.KindInvalid, "repo.path", "sub/-x"},
		{"control character", func(t *testing.T, dir string) { write(t, dir, "a\nb", "") }, fault.KindInvalid, "repo.path", `a\nb`},
		{"not UTF-8", func(t *testing.T, dir string) { write(t, dir, "\xff", "") }, fault.KindInvalid, "repo.path", `\xff`},
		{"case", func(t *testing.T, dir string) { write(t, dir, "A", "") }, fault.KindInvalid, "repo.collision", "A"},
		{"case of a folder", func(t *testing.T, dir string) { write(t, dir, "D/x", "") }, fault.KindInvalid, "repo.collision", "D"},
		{"protected", func(t *testing.T, dir string) { write(t, dir, ".layercake/checks.yaml", "") }, fault.KindForbidden, "repo.protected", ".layercake/checks.yaml"},
		{"protected, deleted", func(t *testing.T, dir string) { _ = os.RemoveAll(filepath.Join(dir, ".layercake")) }, fault.KindForbidden, "repo.protected", ".layercake/evidence"},
		{"protected, replaced", func(t *testing.T, dir string) {
			_ = os.RemoveAll(filepath.Join(dir, ".layercake"))
			_ = os.Symlink("d", filepath.Join(dir, ".layercake"))
		}, fault.KindForbidden, "repo.protected", ".layercake"},
		{"too large", func(t *testing.T, dir string) {
			write(t, dir, "big", "")
			if err := os.Truncate(filepath.Join(dir, "big"), MaxFileSize+1); err != nil {
				t.Fatal(err)
			}
		}, fault.KindTooLarge, "repo.too_large", "big"},
		{"too deep", func(t *testing.T, dir string) { write(t, dir, strings.Repeat("n/", MaxDepth)+"x", "") }, fault.KindInvalid, "repo.path", "n/n/n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t)
			s := spec(0, "base")
			s.Put, s.Allow = map[string][]byte{"a": nil, "d/b": nil, ".layercake/evidence": nil}, AllowAll
			base, err := r.Commit(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			w := newTree(t, r, base)
			c.change(t, w.Dir())
			write(t, w.Dir(), "fine", "x")
			_, _, err = w.Commit(t.Context(), spec(1, "x"))
			refused(t, err, c.kind, c.code, c.mentions)
			if w.commit != base {
				t.Fatal("the worktree moved")
			}
		})
	}
}

func TestEveryFlawIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	w := newTree(t, r, put(t, r, "", "a", "1"))
	write(t, w.Dir(), "-x", "")
	write(t, w.Dir(), ".git/HEAD", "")
	if err := os.Symlink("/", filepath.Join(w.Dir(), "out")); err != nil {
		t.Fatal(err)
	}
	_, _, err := w.Commit(t.Context(), spec(1, "x"))
	f, ok := fault.As(err)
	if !ok || len(f.Details) != 2 {
		t.Fatalf("%v: %+v", err, f)
	}
	all := f.Message + f.Details[0].Message + f.Details[1].Message
	for _, name := range []string{"-x", ".git", "out"} {
		if !strings.Contains(all, name) {
			t.Errorf("%q does not name %s", all, name)
		}
	}
	for i := range 2 * maxFlaws {
		write(t, w.Dir(), fmt.Sprintf("-%d", i), "")
	}
	_, _, err = w.Commit(t.Context(), spec(1, "x"))
	if f, ok = fault.As(err); !ok || len(f.Details) != maxFlaws-1 {
		t.Fatalf("%v: %+v", err, f)
	}
}

func TestTooManyFilesInWorktree(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	w := newTree(t, r, put(t, r, "", "a", "1"))
	write(t, w.Dir(), "cache/0", "")
	for i := 1; i <= MaxFiles; i++ { // links are cheaper to make than files
		if err := os.Link(filepath.Join(w.Dir(), "cache/0"), filepath.Join(w.Dir(), "cache", fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := w.Commit(t.Context(), spec(1, "x"))
	refused(t, err, fault.KindTooLarge, "repo.too_many", ".gitignore")
	write(t, w.Dir(), ".gitignore", "cache/\n")
	if _, changed, err := w.Commit(t.Context(), spec(1, "x")); err != nil || len(changed) != 1 {
		t.Fatal(changed, err)
	}
}

func TestAllowNamesProtectedPaths(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	w := newTree(t, r, put(t, r, "", "a", "1"))
	write(t, w.Dir(), ".layercake/checks.yaml", "version: 1\n")
	c := spec(1, "x")
	c.Allow = func(p string) bool { return p == ".layercake/checks.yaml" }
	commit, changed, err := w.Commit(t.Context(), c)
	if err != nil || len(changed) != 1 {
		t.Fatal(changed, err)
	}
	write(t, w.Dir(), ".layercake/other", "")
	_, _, err = w.Commit(t.Context(), c)
	refused(t, err, fault.KindForbidden, "repo.protected", ".layercake/other")
	if err := w.RemoveFile(".layercake/other"); err != nil {
		t.Fatal(err)
	}
	write(t, w.Dir(), "a", "2") // what is protected and unchanged is in nobody's way
	next, _, err := w.Commit(t.Context(), spec(2, "x"))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := r.IsAncestor(t.Context(), commit, next); err != nil || !ok {
		t.Fatal(ok, err)
	}
}

func TestFilesOfAWorktree(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	w := newTree(t, r, put(t, r, "", "a", "1", "d/b", "2"))
	if err := os.Chmod(filepath.Join(w.Dir(), "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"a": "one", "d/e/new": "x"} {
		if err := w.WriteFile(name, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(filepath.Join(w.Dir(), "a")); err != nil || info.Mode().Perm()&0o100 == 0 {
		t.Fatal("the executable bit is gone", err)
	}
	if got, err := w.ReadFile("a"); err != nil || string(got) != "one" {
		t.Fatal(string(got), err)
	}
	refused(t, w.WriteFile("d", nil), fault.KindInvalid, "repo.not_a_file", "d")
	refused(t, w.WriteFile("a/b", nil), fault.KindInvalid, "repo.not_a_file", "a/b")
	refused(t, w.WriteFile("big", make([]byte, MaxFileSize+1)), fault.KindTooLarge, "repo.too_large", "big")
	refused(t, w.WriteFile("../x", nil), fault.KindInvalid, "repo.path")
	refused(t, w.RemoveFile("d"), fault.KindInvalid, "repo.not_a_file", "d")
	refused(t, w.RemoveFile("none"), fault.KindNotFound, "repo.no_file", "none")
	refused(t, w.RemoveFile("%2e%2e/x"), fault.KindInvalid, "repo.path")
	_, err := w.ReadFile("none")
	refused(t, err, fault.KindNotFound, "repo.no_file", "none")
	_, err = w.ReadFile("d")
	refused(t, err, fault.KindInvalid, "repo.not_a_file", "d")
	_, err = w.ReadFile("-x")
	refused(t, err, fault.KindInvalid, "repo.path")
	if err := w.RemoveFile("d/e/new"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(w.Dir(), "d/e")); err == nil {
		t.Fatal("the empty folder stayed")
	}
	equal(t, "left", contents(t, w.Dir()), map[string]string{"a": "one", "d/b": "2"})
}

func TestWorktreesCommitInParallel(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	base := put(t, r, "", "shared", "0")
	var group sync.WaitGroup
	heads := make([]string, 4)
	for n := range heads {
		group.Go(func() {
			w, err := r.Worktree(t.Context(), fmt.Sprintf("run_%d", n), base)
			if err != nil {
				t.Error(err)
				return
			}
			for i := range 10 {
				err := w.WriteFile(fmt.Sprintf("run%d/f%d", n, i), fmt.Appendf(nil, "%d", i)) // the same blobs in all
				if err != nil {
					t.Error(err)
				}
				c := spec(i, "x")
				if heads[n], _, err = w.Commit(t.Context(), c); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	head := heads[0]
	for i, h := range heads[1:] {
		m, err := r.Merge(t.Context(), head, h, spec(20+i, "merge"))
		if err != nil || m.Commit == "" {
			t.Fatal(m, err)
		}
		head = m.Commit
	}
	if files, err := r.Files(t.Context(), head); err != nil || len(files) != 41 {
		t.Fatal(len(files), err)
	}
	sound(t, r)
}

// Half a minute of somebody else's work: a tree nested deeper than paths may be
// long, and without permissions.
func TestDeepAndLockedTreesAreRemoved(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	base := put(t, r, "", "a", "1")
	w := newTree(t, r, base)
	root, err := os.OpenRoot(w.Dir())
	if err != nil {
		t.Fatal(err)
	}
	for range 700 {
		if err := root.Mkdir("deeper", 0o755); err != nil {
			t.Fatal(err)
		}
		sub, err := root.OpenRoot("deeper")
		if err != nil {
			t.Fatal(err)
		}
		_ = root.Close()
		root = sub
	}
	_ = root.Close()
	write(t, w.Dir(), "locked/in/x", "1")
	for _, dir := range []string{"locked/in", "locked"} {
		if err := os.Chmod(filepath.Join(w.Dir(), dir), 0o500); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err = w.Commit(t.Context(), spec(1, "x"))
	refused(t, err, fault.KindInvalid, "repo.path", "deeper/deeper")
	if err := w.Reset(t.Context(), base); err != nil {
		t.Fatal(err)
	}
	equal(t, "reset", contents(t, w.Dir()), map[string]string{"a": "1"})
}
