package repo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/fault"
)

// An earlier export that nobody touched becomes the newest one, in the same
// folder; git may have looked at it meanwhile.
func TestReplaceExport(t *testing.T) {
	t.Parallel()
	r, commit := exportable(t)
	dest := filepath.Join(t.TempDir(), "out")
	if err := r.ExportFolder(t.Context(), dest); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(dest)
	if err != nil {
		t.Fatal(err)
	}
	plain(t, dest, "status")
	newer := put(t, r, commit, "src/b.go", "package a\n")
	if err := r.SetRef(t.Context(), MainRef, newer); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds nothing to do
		if err := r.ReplaceExport(t.Context(), dest, ""); err != nil {
			t.Fatal(err)
		}
		equal(t, "status", plain(t, dest, "status", "--porcelain", "--ignored"), "")
		equal(t, "head", plain(t, dest, "rev-parse", "HEAD"), newer+"\n")
		plain(t, dest, "fsck", "--strict", "--no-progress")
	}
	// What was exported half-way, and is not on main, is known again too.
	side, half := put(t, r, commit, "side.txt", "so far\n"), filepath.Join(t.TempDir(), "half")
	if err := r.ExportCommit(t.Context(), half, side); err != nil {
		t.Fatal(err)
	}
	equal(t, "half-way", plain(t, half, "rev-parse", "HEAD"), side+"\n")
	if err := r.ReplaceExport(t.Context(), half, ""); err != nil {
		t.Fatal(err)
	}
	equal(t, "the whole", plain(t, half, "rev-parse", "HEAD"), newer+"\n")
	after, err := os.Stat(dest)
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("it is another folder: %v", err)
	}
	entries, err := os.ReadDir(dest)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".layercake") {
			t.Errorf("%s was left", e.Name())
		}
	}
}

// Whatever somebody did in an export keeps it from being replaced.
func TestTouchedExportIsKept(t *testing.T) {
	t.Parallel()
	file := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { write(t, dir, name, text) }
	}
	git := func(args ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			plain(t, dir, append([]string{"-c", "user.name=x", "-c", "user.email=x@example.org"}, args...)...)
		}
	}
	for _, c := range []struct {
		name  string
		touch func(t *testing.T, dir string)
		says  string
	}{
		{"a file was added", file("new.txt", "mine"), "new.txt is not part of the commit"},
		{"an ignored file was added", file("x.log", "mine"), "x.log is not part of the commit"},
		{"a file was changed", file("README.md", "# Plants.\n"), "README.md is not what the commit holds"},
		{"a file was changed, as long as before", file("README.md", "# Plantz\n"), "README.md is not what the commit holds"},
		{"a file was taken away", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "README.md")) }, "README.md is missing"},
		{"a folder was added", func(t *testing.T, dir string) { mkdir(t, filepath.Join(dir, "src", "more")) }, "src/more is not part of the commit"},
		{"a file lost its permission", func(t *testing.T, dir string) {
			if err := os.Chmod(filepath.Join(dir, "run.sh"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "run.sh is not what the commit holds"},
		{"a link was turned", func(t *testing.T, dir string) {
			remove(t, filepath.Join(dir, "src/link"))
			if err := os.Symlink("../run.sh", filepath.Join(dir, "src/link")); err != nil {
				t.Fatal(err)
			}
		}, "src/link is not what the commit holds"},
		{"a commit was made", git("commit", "--allow-empty", "-qm", "mine"), "does not have"},
		{"a commit was made and left", func(t *testing.T, dir string) {
			git("commit", "--allow-empty", "-qm", "mine")(t, dir)
			git("reset", "--hard", "-q", "HEAD~1")(t, dir)
		}, ".git/"},
		{"a branch was made", git("branch", "mine"), ".git/refs/heads/mine was added"},
		{"a tag was made", git("tag", "mine"), "tag mine"},
		{"an older commit was checked out", git("checkout", "-q", "gate/G1"), "branch is not main"},
		{"a remote was added", git("remote", "add", "origin", "https://example.org/x.git"), "config was changed"},
		{"a hook was added", func(t *testing.T, dir string) {
			mkdir(t, filepath.Join(dir, ".git", "hooks"))
			file(".git/hooks/pre-commit", "#!/bin/sh\n")(t, dir)
		}, ".git/hooks was added"},
		{"it is no repository", func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, ".git")); err != nil {
				t.Fatal(err)
			}
		}, "not a repository"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, commit := exportable(t)
			dest := filepath.Join(t.TempDir(), "out")
			if err := r.ExportFolder(t.Context(), dest); err != nil {
				t.Fatal(err)
			}
			if why, err := r.Touched(t.Context(), dest); why != "" || err != nil {
				t.Fatalf("before: %s, %v", why, err)
			}
			c.touch(t, dest)
			newer := put(t, r, commit, "src/b.go", "package a\n")
			if err := r.SetRef(t.Context(), MainRef, newer); err != nil {
				t.Fatal(err)
			}
			err := r.ReplaceExport(t.Context(), dest, "")
			if fault.KindOf(err) != fault.KindConflict || !strings.Contains(fault.Public(err), c.says) {
				t.Errorf("it says %v, not %q", err, c.says)
			}
			if _, err := os.Lstat(filepath.Join(dest, "src/b.go")); err == nil {
				t.Error("it was replaced")
			}
		})
	}
	mine, _ := exportable(t)
	dest := filepath.Join(t.TempDir(), "out")
	foreign := newRepo(t)
	if err := foreign.SetRef(t.Context(), MainRef, put(t, foreign, "", "x", "another project")); err != nil {
		t.Fatal(err)
	}
	if err := foreign.ExportFolder(t.Context(), dest); err != nil {
		t.Fatal(err)
	}
	if why, err := mine.Touched(t.Context(), dest); err != nil || !strings.Contains(why, "does not have") {
		t.Errorf("another project's export: %q, %v", why, err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}
