package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/layercake-app/layercake/internal/fault"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	r, commit := exportable(t)
	dir := filepath.Join(t.TempDir(), "export")
	if err := r.ExportFolder(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	other, err := Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Compare(t.Context(), commit); err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, text, what string }{
		{"README.md", strings.ToUpper(string(readme)), "is not what the commit holds"},
		{"README.md", string(readme) + "\r\n", "is not what the commit holds"},
		{"README.md", "", "is missing"},
		{"new/deep/file", "x", "is not part of the commit"},
		{"new/.git/config", "x", "is not part of the commit"},
	} {
		path := filepath.Join(dir, filepath.FromSlash(c.name))
		if c.what == "is missing" {
			err = os.Remove(path)
		} else {
			write(t, dir, c.name, c.text)
		}
		if err != nil {
			t.Fatal(err)
		}
		var d *Deviation
		if err := other.Compare(t.Context(), commit); !errors.As(err, &d) || d.Path != c.name || d.What != c.what {
			t.Errorf("%s %q: %v", c.name, c.text, err)
		}
		if err := errors.Join(os.RemoveAll(filepath.Join(dir, "new")), os.WriteFile(filepath.Join(dir, "README.md"), readme, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Compare(t.Context(), commit); err != nil {
		t.Errorf("all was put back: %v", err)
	}
	if data, err := ReadIn(dir, "README.md", int64(len(readme))); err != nil || string(data) != string(readme) {
		t.Errorf("%q, %v", data, err)
	}
	_, err = ReadIn(dir, "README.md", int64(len(readme))-1)
	refused(t, err, fault.KindTooLarge, "repo.too_large")
}

// What git is told to make of a file before it compares has no say.
func TestCompareAsksNoFilter(t *testing.T) {
	t.Parallel()
	r, commit := exportable(t)
	dir := filepath.Join(t.TempDir(), "export")
	if err := r.ExportFolder(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	write(t, dir, ".git/info/attributes", "*.go filter=clean\n")
	plain(t, dir, "config", "filter.clean.clean", "git show HEAD:src/a.go")
	write(t, dir, "src/a.go", "package evil\n")
	equal(t, "what git sees", plain(t, dir, "diff", "--stat"), "")
	other, err := Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	var d *Deviation
	if err := other.Compare(t.Context(), commit); !errors.As(err, &d) || d.Path != "src/a.go" {
		t.Error(err)
	}
}

// An error about this machine says nothing of what a repository holds.
func TestAbout(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{context.Canceled, false},
		{errors.New("told to stop"), false},
		{fault.Unavailable("git.missing", "x"), false},
		{fault.Full("repo.full", "x"), false},
		{fault.TooLarge("repo.output", "x"), false},
		{fault.Invalid("repo.permission", "x"), false},
		{&gitError{code: -1, err: errors.New("killed")}, false},
		{unread("a", fs.ErrPermission), false},
		{deviation("a", "is missing"), true},
		{&gitError{code: 128, err: errors.New("exit status 128")}, true},
		{fault.NotFound("repo.commit", "x"), true},
		{fault.Invalid("repo.damaged", "x"), true},
	} {
		if got := About(fmt.Errorf("look: %w", c.err)); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
	for err, want := range map[error]bool{nil: false, errOtherKind: false, fs.ErrNotExist: false, &fs.PathError{Err: syscall.EACCES}: true, &fs.PathError{Err: syscall.EIO}: true} {
		if got := withheld(err); got != want {
			t.Errorf("%v is withheld: %v", err, got)
		}
	}
}
