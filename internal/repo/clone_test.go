package repo

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/fault"
)

func bundled(t *testing.T) (path, commit string) {
	t.Helper()
	r, commit := exportable(t)
	path = filepath.Join(t.TempDir(), "x.bundle")
	if err := r.ExportBundle(t.Context(), path, ""); err != nil {
		t.Fatal(err)
	}
	return path, commit
}

// A bundle becomes an ordinary repository, in a folder that is absent or empty.
func TestCloneBundle(t *testing.T) {
	t.Parallel()
	path, commit := bundled(t)
	empty := t.TempDir()
	for _, dest := range []string{empty, filepath.Join(t.TempDir(), "a", "b")} {
		if err := CloneBundle(t.Context(), path, dest); err != nil {
			t.Fatal(err)
		}
		ordinary(t, dest, commit)
	}
	refused(t, CloneBundle(t.Context(), path, empty), fault.KindConflict, "out.not_empty")
}

// What is no whole bundle, or leads git into its own folder, leaves nothing.
func TestCloneBundleRefuses(t *testing.T) {
	t.Parallel()
	path, _ := bundled(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-60] ^= 1
	hooked := filepath.Join(t.TempDir(), "hooked")
	plain(t, filepath.Dir(hooked), "init", "--quiet", "--initial-branch=main", hooked)
	tree := "100644 blob " + strings.TrimSpace(plainInput(t, hooked, "evil\n", "hash-object", "-w", "--stdin")) + "\tconfig\n"
	tree = "040000 tree " + strings.TrimSpace(plainInput(t, hooked, tree, "mktree")) + "\t.git\n"
	commit := "tree " + plainInput(t, hooked, tree, "mktree") + "author Eve <eve@example.org> 1700000000 +0000\ncommitter Eve <eve@example.org> 1700000000 +0000\n\nx\n"
	id := strings.TrimSpace(plainInput(t, hooked, commit, "hash-object", "-t", "commit", "-w", "--stdin"))
	plain(t, hooked, "update-ref", "refs/heads/other", id)
	other := filepath.Join(t.TempDir(), "other.bundle")
	plain(t, hooked, "bundle", "create", "--quiet", other, "refs/heads/other")
	plain(t, hooked, "update-ref", MainRef, id)
	evil := filepath.Join(t.TempDir(), "evil.bundle")
	plain(t, hooked, "bundle", "create", "--quiet", evil, "HEAD", MainRef)
	for name, c := range map[string]struct{ from, code string }{
		"damaged": {"", "repo.damaged"}, "cut off": {"", "repo.damaged"}, "a page": {"", "repo.damaged"}, "no main": {other, "repo.no_main"}, "a .git within": {evil, "repo.path"},
	} {
		file, dest := c.from, filepath.Join(t.TempDir(), "dest")
		if file == "" {
			file = filepath.Join(t.TempDir(), "x.bundle")
			data := map[string][]byte{"damaged": flipped, "cut off": whole[:len(whole)/2], "a page": []byte("<html>")}[name]
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := CloneBundle(t.Context(), file, dest)
		if fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
		if entries, err := os.ReadDir(filepath.Dir(dest)); err != nil || len(entries) > 0 && c.from != "" || len(entries) > 1 {
			t.Errorf("%s left %v (%v)", name, entries, err)
		}
	}
	dest := filepath.Join(t.TempDir(), "dest")
	if err := CloneBundle(cancelled(t), path, dest); err == nil {
		t.Error("it was cancelled and says nothing")
	}
	if entries, err := os.ReadDir(filepath.Dir(dest)); err != nil || len(entries) > 0 {
		t.Errorf("cancelling left %v (%v)", entries, err)
	}
}
