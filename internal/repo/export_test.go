package repo

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
)

// exportable has main, a tag, a branch that is nobody's business, an
// executable file and a link.
func exportable(t *testing.T) (r *Repo, commit string) {
	t.Helper()
	r = newRepo(t)
	base := put(t, r, "", "README.md", "# Plants\n", "src/a.go", "package a\n", ".gitignore", "*.log\n")
	w := newTree(t, r, base)
	write(t, w.Dir(), "run.sh", "#!/bin/sh\n")
	if err := os.Chmod(filepath.Join(w.Dir(), "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../README.md", filepath.Join(w.Dir(), "src/link")); err != nil {
		t.Fatal(err)
	}
	commit, _, err := w.Commit(t.Context(), spec(1, "second"))
	if err != nil {
		t.Fatal(err)
	}
	secret := put(t, r, commit, "unfinished", "work of a run\n")
	for ref, to := range map[string]string{MainRef: commit, "refs/heads/run/1": secret, "refs/layercake/x": secret} {
		if err := r.SetRef(t.Context(), ref, to); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Tag(t.Context(), "gate/G1", base, "Approved", Signature{Name: "Ada", Email: "ada@example.org"}, time.Unix(1_700_000_500, 0)); err != nil {
		t.Fatal(err)
	}
	return r, commit
}

// ordinary checks what a person expects of a repository they were given.
func ordinary(t *testing.T, dir, commit string) {
	t.Helper()
	for _, c := range []struct {
		want string
		args []string
	}{
		{"", []string{"status", "--porcelain"}},
		{"main\n", []string{"branch", "--show-current"}},
		{commit + "\n", []string{"rev-parse", "HEAD"}},
		{"gate/G1\n", []string{"tag"}},
		{"tag\n", []string{"cat-file", "-t", "gate/G1"}},
	} {
		equal(t, strings.Join(c.args, " "), plain(t, dir, c.args...), c.want)
	}
	plain(t, dir, "fsck", "--strict", "--full")
	equal(t, "commits", plain(t, dir, "rev-list", "--all", "--count"), "2\n")
	want := map[string]string{"README.md": "# Plants\n", "src/a.go": "package a\n", ".gitignore": "*.log\n", "run.sh": "#!/bin/sh\n", "src/link": "-> ../README.md"}
	got := contents(t, dir)
	for p := range got {
		if strings.HasPrefix(p, ".git/") {
			delete(got, p)
		}
	}
	equal(t, "files", got, want)
	if info, err := os.Stat(filepath.Join(dir, "run.sh")); err != nil || info.Mode().Perm()&0o100 == 0 {
		t.Fatal("the executable bit is gone", err)
	}
	if out, err := tryPlain(dir, "cat-file", "-e", objectID("blob", []byte("work of a run\n"))); err == nil {
		t.Fatal("a run's unfinished work left the house", out)
	}
	plain(t, dir, "checkout", "-q", "-b", "mine")
	write(t, dir, "mine", "x")
	plain(t, dir, "add", "mine")
	plain(t, dir, "commit", "-qm", "mine")
}

func TestExportFolder(t *testing.T) {
	t.Parallel()
	r, commit := exportable(t)
	parent := t.TempDir()
	fresh := t.TempDir()
	plain(t, fresh, "init", "-q", "-b", "main", "--template=")
	present := filepath.Join(parent, "present")
	if err := os.Mkdir(present, 0o755); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(present)
	if err != nil {
		t.Fatal(err)
	}
	for _, dest := range []string{filepath.Join(parent, "absent"), filepath.Join(parent, "more/than/absent"), present} {
		if err := r.ExportFolder(t.Context(), dest); err != nil {
			t.Fatal(err)
		}
		git := contents(t, filepath.Join(dest, ".git"))
		equal(t, "config", git["config"], contents(t, filepath.Join(fresh, ".git"))["config"])
		if git["objects/info/alternates"] != "" {
			t.Fatal("objects are borrowed")
		}
		equal(t, "remotes", plain(t, dest, "remote"), "")
		ordinary(t, dest, commit)
		refused(t, r.ExportFolder(t.Context(), dest), fault.KindConflict, "out.not_empty", dest)
	}
	if after, err := os.Stat(present); err != nil || !os.SameFile(before, after) {
		t.Fatal("the folder was replaced under whoever stands in it", err)
	}
	write(t, parent, "file", "x")
	refused(t, r.ExportFolder(t.Context(), filepath.Join(parent, "file")), fault.KindConflict, "out.not_empty")
	entries, err := os.ReadDir(parent)
	if err != nil || len(entries) != 4 {
		t.Fatal("something was left beside the exports", entries, err)
	}
}

func TestExportLeavesNothingHalfWritten(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	parent := t.TempDir()
	refused(t, r.ExportFolder(t.Context(), filepath.Join(parent, "x")), fault.KindNotFound, "repo.no_main")
	refused(t, r.ExportFolder(t.Context(), parent), fault.KindNotFound, "repo.no_main")
	refused(t, r.ExportBundle(t.Context(), filepath.Join(parent, "x.bundle"), ""), fault.KindNotFound, "repo.no_main")
	refused(t, r.ExportZip(t.Context(), io.Discard, ""), fault.KindNotFound, "repo.no_main")
	commit := put(t, r, "", "a", "1", "b", "2")
	if err := r.SetRef(t.Context(), MainRef, commit); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(r.loosePath(objectID("blob", []byte("2")))); err != nil { // it fails in the middle
		t.Fatal(err)
	}
	for _, err := range []error{r.ExportFolder(t.Context(), filepath.Join(parent, "x")), r.ExportFolder(t.Context(), parent), r.ExportBundle(t.Context(), filepath.Join(parent, "x.bundle"), "")} {
		if err == nil {
			t.Fatal("a broken repository was exported")
		}
	}
	entries, err := os.ReadDir(parent)
	if err != nil || len(entries) != 0 {
		t.Fatal(entries, err)
	}
}

func TestExportZip(t *testing.T) {
	t.Parallel()
	r, commit := exportable(t)
	var buf bytes.Buffer
	if err := r.ExportZip(t.Context(), &buf, ""); err != nil {
		t.Fatal(err)
	}
	archive, err := zip.NewReader(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range archive.File {
		unzip(t, dir, f)
	}
	ordinary(t, dir, commit)
	if entries, err := os.ReadDir(r.tempRoot()); err != nil || len(entries) != 0 {
		t.Fatal("temporary files stayed", entries, err)
	}
}

func unzip(t *testing.T, dir string, f *zip.File) {
	t.Helper()
	path := filepath.Join(dir, f.Name)
	in, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case f.FileInfo().IsDir():
		err = os.MkdirAll(path, 0o755)
	case f.Mode()&fs.ModeSymlink != 0:
		err = os.Symlink(string(data), path)
	default:
		err = os.WriteFile(path, data, f.Mode().Perm())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestExportBundle(t *testing.T) {
	t.Parallel()
	r, commit := exportable(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "project.bundle")
	if err := r.ExportBundle(t.Context(), file, ""); err != nil {
		t.Fatal(err)
	}
	plain(t, dir, "clone", "-q", file, "clone")
	clone := filepath.Join(dir, "clone")
	plain(t, clone, "bundle", "verify", "-q", file)
	ordinary(t, clone, commit)
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Fatal("something was left beside the bundle", entries, err)
	}
}

// A bundle makes the folder it goes to, and is written over nothing, also when
// that appeared while it was made.
func TestExportBundleWritesOverNothing(t *testing.T) {
	t.Parallel()
	r, _ := exportable(t)
	dir := filepath.Join(t.TempDir(), "more", "than", "absent")
	file := filepath.Join(dir, "project.bundle")
	if err := r.ExportBundle(t.Context(), file, ""); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "project.bundle", "mine")
	refused(t, r.ExportBundle(t.Context(), file, ""), fault.KindConflict, "out.exists", file)
	write(t, dir, "other", "a bundle")
	for range 2 { // where there are no links, it is copied
		_ = copyTo(filepath.Join(dir, "other"), filepath.Join(dir, "copy"))
		_ = copyTo(filepath.Join(dir, "other"), file)
	}
	equal(t, "files", contents(t, dir), map[string]string{"project.bundle": "mine", "other": "a bundle", "copy": "a bundle"})
}

func TestCheckout(t *testing.T) {
	t.Parallel()
	r, commit := exportable(t)
	dir := filepath.Join(t.TempDir(), "a/b")
	if err := r.Checkout(t.Context(), commit, dir); err != nil {
		t.Fatal(err)
	}
	equal(t, "files", contents(t, dir), map[string]string{"README.md": "# Plants\n", "src/a.go": "package a\n", ".gitignore": "*.log\n", "run.sh": "#!/bin/sh\n", "src/link": "-> ../README.md"})
	refused(t, r.Checkout(t.Context(), commit, dir), fault.KindConflict, "out.not_empty")
	refused(t, r.Checkout(t.Context(), strings.Repeat("1", 40), t.TempDir()), fault.KindNotFound, "repo.commit")
}

func TestExportOfAnotherCommitThanMain(t *testing.T) {
	t.Parallel()
	r, commit := exportable(t)
	log, err := r.Log(t.Context(), commit, 0)
	if err != nil || len(log) < 2 {
		t.Fatal(log, err)
	}
	older, dir := log[1].Commit, filepath.Join(t.TempDir(), "export")
	if err := r.ExportCommit(t.Context(), dir, older); err != nil {
		t.Fatal(err)
	}
	other, err := Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := other.Show(t.Context(), "main"); err != nil || got != older {
		t.Errorf("main is on %s, want %s: %v", got, older, err)
	}
	if err := other.Compare(t.Context(), older); err != nil {
		t.Error(err)
	}
	if got, err := r.Show(t.Context(), MainRef); err != nil || got != commit {
		t.Errorf("main of the exported repository moved to %s: %v", got, err)
	}
}
