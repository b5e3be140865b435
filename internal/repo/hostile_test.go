package repo

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/layercake-app/layercake/internal/fault"
)

// hole is a script and the marker it leaves when somebody makes git run it.
type hole struct{ script, marker string }

func newHole(t *testing.T) hole {
	t.Helper()
	script, marker, err := writeScript(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return hole{script: script, marker: marker}
}

// shown fails unless the script ran, and resets the marker.
func (h hole) shown(t *testing.T) {
	t.Helper()
	if err := os.Remove(h.marker); err != nil {
		t.Fatalf("plain git did not run the script, so the test shows nothing: %v", err)
	}
}

func (h hole) closed(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(h.marker); err == nil {
		t.Fatal("the script of the agent ran")
	}
}

// An agent makes the worktree a repository with a configuration that runs
// things. We refuse it by name; once it is gone, the same content is committed
// byte by byte.
func TestRepositoryMadeByAgentRunsNothing(t *testing.T) {
	t.Parallel()
	attributes := ".gitattributes"
	cases := []struct {
		name   string
		config []string
		attrs  string
		hit    [][]string
	}{
		{"fsmonitor", []string{"core.fsmonitor"}, "", [][]string{{"status"}}},
		{"clean filter", []string{"filter.x.clean"}, "* filter=x\n", [][]string{{"add", "-A"}}},
		{"smudge filter", []string{"filter.x.smudge"}, "* filter=x\n", [][]string{{"add", "-A"}, {"mv", "a.txt", "b.txt"}, {"checkout-index", "--prefix=x/", "-a"}}},
		{"textconv", []string{"diff.x.textconv"}, "*.txt diff=x\n", [][]string{{"add", "-A"}, {"diff", "--cached", "--textconv"}}},
		{"external diff", []string{"diff.external"}, "", [][]string{{"add", "-A"}, {"diff", "--cached"}}},
		{"hooks", nil, "", [][]string{{"add", "-A"}, {"commit", "-m", "x"}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, h := newRepo(t), newHole(t)
			base := put(t, r, "", "a.txt", "one\n")
			w := newTree(t, r, base)
			plain(t, w.Dir(), "init", "-q")
			for _, key := range c.config {
				plain(t, w.Dir(), "config", key, h.script)
			}
			if c.config == nil {
				plain(t, w.Dir(), "config", "core.hooksPath", filepath.Dir(h.script))
			}
			write(t, w.Dir(), "a.txt", "two\r\n")
			if c.attrs != "" {
				write(t, w.Dir(), attributes, c.attrs)
			}
			for _, args := range c.hit {
				_, _ = tryPlain(w.Dir(), args...) // only the marker counts
			}
			h.shown(t)

			_, _, err := w.Commit(t.Context(), spec(1, "x"))
			refused(t, err, fault.KindInvalid, "repo.nested", ".git")
			h.closed(t)
			if err := os.RemoveAll(filepath.Join(w.Dir(), ".git")); err != nil {
				t.Fatal(err)
			}
			want := contents(t, w.Dir())
			commit, _, err := w.Commit(t.Context(), spec(1, "x"))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "committed", committed(t, r, commit), want)
			out := filepath.Join(t.TempDir(), "out")
			if err := r.Checkout(t.Context(), commit, out); err != nil {
				t.Fatal(err)
			}
			equal(t, "checked out", contents(t, out), want)
			if _, err := r.Diff(t.Context(), base, commit); err != nil {
				t.Fatal(err)
			}
			if err := w.Reset(t.Context(), base); err != nil {
				t.Fatal(err)
			}
			h.closed(t)
		})
	}
}

// The process's own environment makes git run a script; ours takes nothing
// from it. That it did not is checked after all tests, in TestMain.
func TestEnvironmentOfTheProcessWouldRunThings(t *testing.T) {
	t.Parallel()
	h := newHole(t)
	dir := t.TempDir()
	plain(t, dir, "init", "-q")
	cmd := exec.Command("git", "--git-dir="+filepath.Join(dir, ".git"), "--work-tree="+dir, "status")
	cmd.Dir = dir
	for _, v := range os.Environ() { // without what only points to the wrong place
		if key, _, _ := strings.Cut(v, "="); !strings.HasPrefix(key, "GIT_") || strings.HasPrefix(key, "GIT_CONFIG_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "GIT_CONFIG_VALUE_0="+h.script)
	_ = cmd.Run() // only the marker counts
	h.shown(t)
}

// Attributes that need no configuration change bytes, too.
func TestAttributesChangeNoBytes(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		".gitattributes": "*.crlf text eol=crlf\n*.lf text\n*.id ident\n*.u16 working-tree-encoding=UTF-16LE\n*.gone export-ignore\n*.subst export-subst\n*.out -text\n",
		"a.crlf":         "one\ntwo\n",
		"a.lf":           "one\r\ntwo\r\n",
		"a.id":           "$Id$\n",
		"a.u16":          "o\x00n\x00e\x00",
		"a.gone":         "here\n",
		"a.subst":        "$Format:%H$\n",
		"sub/.gitattributes": `* text eol=crlf
`,
		"sub/b": "x\ny\n",
	}
	trusting := t.TempDir()
	plain(t, trusting, "init", "-q")
	for name, content := range files {
		write(t, trusting, name, content)
	}
	plain(t, trusting, "add", "-A")
	plain(t, trusting, "commit", "-qm", "x")
	if got := plain(t, trusting, "cat-file", "blob", "HEAD:a.lf"); got == files["a.lf"] {
		t.Fatal("plain git kept the bytes of a.lf, so the test shows nothing")
	}
	if got := plain(t, trusting, "cat-file", "blob", "HEAD:a.u16"); got == files["a.u16"] {
		t.Fatal("plain git kept the bytes of a.u16, so the test shows nothing")
	}
	if list := plain(t, trusting, "archive", "--format=tar", "HEAD"); strings.Contains(list, "a.gone") {
		t.Fatal("git archive keeps a.gone, so the test shows nothing")
	}
	plain(t, trusting, "checkout-index", "-a", "--prefix=again/")
	if got := contents(t, filepath.Join(trusting, "again")); got["a.id"] == files["a.id"] || got["a.crlf"] == files["a.crlf"] {
		t.Fatal("plain git wrote the committed bytes, so the test shows nothing")
	}

	r := newRepo(t)
	w := newTree(t, r, "")
	for name, content := range files {
		write(t, w.Dir(), name, content)
	}
	commit, _, err := w.Commit(t.Context(), spec(0, "x"))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "committed", committed(t, r, commit), files)
	out := t.TempDir()
	if err := r.Checkout(t.Context(), commit, out); err != nil {
		t.Fatal(err)
	}
	equal(t, "checked out", contents(t, out), files)
	if err := r.SetRef(t.Context(), MainRef, commit); err != nil {
		t.Fatal(err)
	}
	dest := filepath.Join(t.TempDir(), "export")
	if err := r.ExportFolder(t.Context(), dest); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dest, ".git")); err != nil {
		t.Fatal(err)
	}
	equal(t, "exported", contents(t, dest), files)
}

func TestAttributesHideNoConflictAndNoDiff(t *testing.T) {
	t.Parallel()
	trusting := t.TempDir()
	plain(t, trusting, "init", "-q", "-b", "main")
	write(t, trusting, ".gitattributes", "* merge=union\n*.secret -diff\n")
	write(t, trusting, "a", "base\n")
	write(t, trusting, "b.secret", "one\n")
	plain(t, trusting, "add", "-A")
	plain(t, trusting, "commit", "-qm", "base")
	plain(t, trusting, "checkout", "-qb", "side")
	write(t, trusting, "a", "theirs\n")
	write(t, trusting, "b.secret", "two\n")
	plain(t, trusting, "commit", "-qam", "theirs")
	plain(t, trusting, "checkout", "-q", "main")
	write(t, trusting, "a", "ours\n")
	plain(t, trusting, "commit", "-qam", "ours")
	plain(t, trusting, "merge", "-q", "side") // a conflict would be an error
	if diff := plain(t, trusting, "diff", "HEAD~1", "HEAD", "--", "b.secret"); strings.Contains(diff, "+two") {
		t.Fatal("plain git shows the diff, so the test shows nothing")
	}

	r := newRepo(t)
	base := put(t, r, "", ".gitattributes", "* merge=union\n*.secret -diff\n", "a", "base\n", "b.secret", "one\n")
	ours := put(t, r, base, "a", "ours\n")
	theirs := put(t, r, base, "a", "theirs\n", "b.secret", "two\n")
	m, err := r.Merge(t.Context(), ours, theirs, spec(1, "merge"))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "commit", m.Commit, "")
	equal(t, "conflicts", m.Conflicts, []Conflict{{Path: "a", Base: []byte("base\n"), Ours: []byte("ours\n"), Theirs: []byte("theirs\n")}})
	diff, err := r.Diff(t.Context(), base, theirs)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(diff, "-one\n+two\n") {
		t.Fatalf("the diff hides b.secret:\n%s", diff)
	}
}

func TestReplacementsAndPacksChangeNoBytes(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	commit := put(t, r, "", "a", "true\n", "b", "false\n")
	if err := r.SetRef(t.Context(), MainRef, commit); err != nil {
		t.Fatal(err)
	}
	gitDir := "--git-dir=" + r.gitDir
	files, err := r.Files(t.Context(), commit)
	if err != nil {
		t.Fatal(err)
	}
	plain(t, r.dir, gitDir, "repack", "-a", "-d", "-q")
	plain(t, r.dir, gitDir, "prune-packed", "-q")
	plain(t, r.dir, gitDir, "replace", files[0].Blob, files[1].Blob)
	if got := plain(t, r.dir, gitDir, "cat-file", "blob", files[0].Blob); got != "false\n" {
		t.Fatalf("plain git reads %q, so the test shows nothing", got)
	}
	if _, _, err := r.readLoose(files[0].Blob); err == nil {
		t.Fatal("the blob is still loose, so the test shows nothing about packs")
	}
	equal(t, "files", committed(t, r, commit), map[string]string{"a": "true\n", "b": "false\n"})
}

func TestDotGitInAnyFormIsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{".git", ".GIT", ".Git", "git~1", "GIT~1", ".git ", ".git.", ".git . .", ".g\u200cit", "\ufeff.git", ".gi\u200dT", ".git:x", ".git::$INDEX_ALLOCATION"} {
		for _, folder := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := newRepo(t)
				w := newTree(t, r, put(t, r, "", "a", "1"))
				path := "sub/" + name
				if folder {
					write(t, w.Dir(), path+"/HEAD", "ref: refs/heads/main\n")
				} else {
					write(t, w.Dir(), path, "gitdir: /elsewhere\n")
				}
				_, _, err := w.Commit(t.Context(), spec(1, "x"))
				refused(t, err, fault.KindInvalid, "repo.nested", path)
				if err := w.WriteFile(path+"/config", nil); fault.CodeOf(err) != "repo.path" {
					t.Fatalf("WriteFile: %v", err)
				}
				c := spec(1, "x")
				c.Put = map[string][]byte{path: nil}
				_, err = r.Commit(t.Context(), c)
				refused(t, err, fault.KindInvalid, "repo.path")
			})
		}
	}
}

// Without .git in its name, a bare repository runs the hooks of its config for
// whoever goes there.
func TestBareRepositoryIsRefused(t *testing.T) {
	t.Parallel()
	r, h := newRepo(t), newHole(t)
	w := newTree(t, r, put(t, r, "", "a", "1"))
	inner := filepath.Join(w.Dir(), "docs")
	plain(t, w.Dir(), "init", "-q", "--bare", "docs")
	write(t, inner, "objects/keep", "")
	write(t, inner, "refs/keep", "")
	plain(t, inner, "config", "core.bare", "false")
	plain(t, inner, "config", "core.worktree", inner)
	plain(t, inner, "config", "core.fsmonitor", h.script)
	_, _ = tryPlain(inner, "status") // only the marker counts
	h.shown(t)
	_, _, err := w.Commit(t.Context(), spec(1, "x"))
	refused(t, err, fault.KindInvalid, "repo.nested", "docs/HEAD")
	h.closed(t)
}

func TestLinksOutOfTheTreeAreRefused(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("hush"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		path, target string
		ok           bool
	}{
		{"l", "a", true},
		{"l", "./a", true},
		{"l", "dangling", true},
		{"d/l", "../a", true},
		{"d/e/l", "../../d", true},
		{"d/l", "..", true},
		{"l", secret, false},
		{"l", "/", false},
		{"l", "..", false},
		{"l", "../x", false},
		{"d/l", "../../x", false},
		{"d/l", "e/../../..", false},
		{"l", "a/../b", false},
		{"l", ".git/config", false},
		{"d/l", "../.GIT", false},
		{"l", `a\b`, false},
		{".gitattributes", "a", false},
		{"d/.gitmodules", "x", false},
	}
	for _, c := range cases {
		t.Run(c.path+" to "+c.target, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t)
			w := newTree(t, r, put(t, r, "", "a", "1"))
			path := filepath.Join(w.Dir(), c.path)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(c.target, path); err != nil {
				t.Fatal(err)
			}
			commit, _, err := w.Commit(t.Context(), spec(1, "x"))
			if !c.ok {
				refused(t, err, fault.KindInvalid, "repo.symlink", c.path)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "target", committed(t, r, commit)[c.path], c.target)
			out := t.TempDir()
			if err := r.Checkout(t.Context(), commit, out); err != nil {
				t.Fatal(err)
			}
			equal(t, "checked out", contents(t, out)[c.path], "-> "+c.target)
		})
	}
}

// The classic: the file we are about to read or write became a link.
func TestLinksLeadNoToolOut(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	write(t, outside, "secret", "hush")
	r := newRepo(t)
	w := newTree(t, r, put(t, r, "", "a", "1", "d/b", "2"))
	for link, target := range map[string]string{"file": filepath.Join(outside, "secret"), "dir": outside} {
		if err := os.Symlink(target, filepath.Join(w.Dir(), link)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(filepath.Join(w.Dir(), "file")); err != nil || string(got) != "hush" {
		t.Fatal("a plain read does not follow the link, so the test shows nothing")
	}
	_, err := w.ReadFile("file")
	refused(t, err, fault.KindInvalid, "repo.symlink", "file")
	_, err = w.ReadFile("dir/secret")
	refused(t, err, fault.KindInvalid, "repo.symlink", "dir/secret")
	refused(t, w.WriteFile("dir/new", []byte("x")), fault.KindInvalid, "repo.symlink", "dir/new")
	refused(t, w.RemoveFile("dir/secret"), fault.KindInvalid, "repo.symlink", "dir/secret")
	if err := w.WriteFile("file", []byte("mine")); err != nil { // replaces the link
		t.Fatal(err)
	}
	if err := w.RemoveFile("dir"); err != nil { // removes the link
		t.Fatal(err)
	}
	equal(t, "outside", contents(t, outside), map[string]string{"secret": "hush"})
	equal(t, "inside", contents(t, w.Dir()), map[string]string{"a": "1", "d/b": "2", "file": "mine"})

	// A folder of the tree became a link to a folder outside: reset restores it.
	if err := os.RemoveAll(filepath.Join(w.Dir(), "d")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(w.Dir(), "d")); err != nil {
		t.Fatal(err)
	}
	if err := w.Reset(t.Context(), w.commit); err != nil {
		t.Fatal(err)
	}
	equal(t, "outside", contents(t, outside), map[string]string{"secret": "hush"})
	equal(t, "reset", contents(t, w.Dir()), map[string]string{"a": "1", "d/b": "2"})
}

func TestSpecialFilesAreRefused(t *testing.T) {
	t.Parallel()
	makers := map[string]func(path string) error{
		"a named pipe": func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"a socket": func(path string) error {
			dir, err := os.MkdirTemp("", "s") // the path of a socket must be short
			if err != nil {
				return err
			}
			defer func() { _ = os.RemoveAll(dir) }()
			l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: filepath.Join(dir, "s")})
			if err != nil {
				return err
			}
			l.SetUnlinkOnClose(false)
			return errors.Join(l.Close(), os.Rename(filepath.Join(dir, "s"), path))
		},
	}
	for what, make := range makers {
		for _, tracked := range []bool{false, true} {
			r := newRepo(t)
			base := put(t, r, "", "a", "1", "special", "2")
			w := newTree(t, r, base)
			path := filepath.Join(w.Dir(), "special")
			if !tracked {
				path += "2"
			}
			_ = os.Remove(path) // only the tracked one is there
			if err := make(path); err != nil {
				t.Fatal(err)
			}
			_, _, err := w.Commit(t.Context(), spec(1, "x"))
			refused(t, err, fault.KindInvalid, "repo.not_a_file", filepath.Base(path), what)
			if _, err := w.ReadFile(filepath.Base(path)); fault.CodeOf(err) != "repo.not_a_file" { // and does not block
				t.Fatal(err)
			}
			if err := w.WriteFile(filepath.Base(path), []byte("plain")); err != nil {
				t.Fatal(err)
			}
			if err := w.Reset(t.Context(), base); err != nil {
				t.Fatal(err)
			}
			equal(t, "reset", contents(t, w.Dir()), map[string]string{"a": "1", "special": "2"})
		}
	}
}

func TestSubmodulesAreRefused(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	commit := put(t, r, "", "a", "1")
	gitDir := "--git-dir=" + r.gitDir
	tree := strings.TrimSpace(plainInput(t, r.dir, "160000 commit "+commit+"\tvendored\n", gitDir, "mktree"))
	outer := strings.TrimSpace(plain(t, r.dir, gitDir, "commit-tree", "-m", "x", tree))
	_, err := r.Files(t.Context(), outer)
	refused(t, err, fault.KindInvalid, "repo.submodule", "vendored")
	refused(t, r.Checkout(t.Context(), outer, t.TempDir()), fault.KindInvalid, "repo.submodule")
}

// A tree that git itself would not make, from a hostile import.
func TestHostileTreesAreNotCheckedOut(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	gitDir := "--git-dir=" + r.gitDir
	blob := strings.TrimSpace(plainInput(t, r.dir, "../../outside", gitDir, "hash-object", "-w", "--stdin"))
	for entry, code := range map[string]string{
		"100644 blob " + blob + "\t.git":  "repo.path",
		"100644 blob " + blob + "\t..":    "repo.path",
		"120000 blob " + blob + "\tlink":  "repo.symlink",
		"100644 blob " + blob + "\taux.c": "repo.path",
	} {
		tree := strings.TrimSpace(plainInput(t, r.dir, entry+"\n", gitDir, "mktree"))
		commit := strings.TrimSpace(plain(t, r.dir, gitDir, "commit-tree", "-m", "x", tree))
		parent := t.TempDir()
		refused(t, r.Checkout(t.Context(), commit, filepath.Join(parent, "out")), fault.KindInvalid, code)
		equal(t, "written", contents(t, parent), map[string]string{})
	}
}

func plainInput(t testing.TB, dir, input string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(input)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}
