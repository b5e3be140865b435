package repo

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/fault"
)

func TestInspect(t *testing.T) {
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
	if err := other.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := other.Show(t.Context(), "main"); err != nil || got != commit {
		t.Fatal(got, err)
	}
	equal(t, "files", committed(t, other, commit), committed(t, r, commit))
	for _, at := range []string{t.TempDir(), filepath.Join(dir, "none"), filepath.Join(dir, "README.md")} {
		_, err := Inspect(at)
		refused(t, err, fault.KindInvalid, "repo.none", at)
	}
}

// A repository from elsewhere brings its own configuration: a missing object
// makes git fetch it, by a program the configuration names.
func TestInspectedConfigurationRunsNothing(t *testing.T) {
	t.Parallel()
	h, dir := newHole(t), t.TempDir()
	plain(t, dir, "init", "-q", "-b", "main")
	write(t, dir, "a", "1\n")
	write(t, dir, ".gitattributes", "* diff=x filter=x\n")
	plain(t, dir, "add", "-A")
	plain(t, dir, "commit", "-qm", "first")
	write(t, dir, "a", "2\n")
	plain(t, dir, "commit", "-qam", "second")
	ids := strings.Fields(plain(t, dir, "rev-list", "HEAD"))
	blob := objectID("blob", []byte("1\n"))
	if err := os.Remove(filepath.Join(dir, ".git/objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
	write(t, dir, ".git/config", hostileConfig(h.script)+`[core]
	repositoryformatversion = 1
	bare = false
	sshCommand = `+h.script+`
[extensions]
	partialClone = origin
[remote "origin"]
	promisor = true
	url = ext::`+h.script+` /dev/null
	uploadpack = `+h.script+`
[protocol]
	allow = always
[protocol "ext"]
	allow = always
`)
	_, _ = tryPlain(dir, "cat-file", "blob", blob) // only the marker counts
	h.shown(t)
	_, _ = tryPlain(dir, "diff", "HEAD~1", "HEAD")
	h.shown(t)

	r, err := Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(t.Context(), ids[1], "a"); err == nil {
		t.Fatal("the missing blob was read")
	}
	if _, err := r.Read(t.Context(), ids[0], "a"); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"log":  func() error { _, err := r.Log(t.Context(), ids[0], 0); return err },
		"tags": func() error { _, err := r.Tags(t.Context()); return err },
		"diff": func() error { _, err := r.Diff(t.Context(), ids[0], ids[0]); return err },
	} {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _ = r.Diff(t.Context(), ids[1], ids[0]) // fails for want of the blob
	_ = r.Check(t.Context())                   // what was promised may be missing
	h.closed(t)
}

// A pack whose index says that one object is another, and grafts that say a
// commit has other parents.
func TestForgedHistoryIsNotBelieved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain(t, dir, "init", "-q", "-b", "main")
	for _, content := range []string{"honest\n", "forged\n"} {
		write(t, dir, "a", content)
		plain(t, dir, "add", "a")
		plain(t, dir, "commit", "-qm", content)
	}
	ids := strings.Fields(plain(t, dir, "rev-list", "HEAD"))
	write(t, dir, ".git/info/grafts", ids[0]+"\n")
	if out := plain(t, dir, "rev-list", "--count", "HEAD"); out != "1\n" {
		t.Fatal("git does not believe the graft, so the test shows nothing")
	}
	r, err := Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if log, err := r.Log(t.Context(), ids[0], 0); err != nil || len(log) != 2 {
		t.Fatal(log, err)
	}

	plain(t, dir, "repack", "-a", "-d", "-q")
	plain(t, dir, "prune-packed")
	packs, err := filepath.Glob(filepath.Join(dir, ".git/objects/pack/*.idx"))
	if err != nil || len(packs) != 1 {
		t.Fatal(packs, err)
	}
	honest, forged := objectID("blob", []byte("honest\n")), objectID("blob", []byte("forged\n"))
	swapOffsets(t, packs[0], honest, forged)
	if got := plain(t, dir, "cat-file", "blob", honest); got != "forged\n" {
		t.Fatalf("git reads %q, so the test shows nothing", got)
	}
	if r, err = Inspect(dir); err != nil {
		t.Fatal(err)
	}
	_, err = r.Read(t.Context(), ids[1], "a")
	refused(t, err, fault.KindInvalid, "repo.damaged", honest)
	refused(t, r.Check(t.Context()), fault.KindInvalid, "repo.damaged")
}

// swapOffsets makes the index of a pack, in its version 2, name the places of
// two objects the other way round. Git checks the sum at its end in fsck only.
func swapOffsets(t *testing.T, path, a, b string) {
	t.Helper()
	idx, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := int(idx[8+255*4])<<24 | int(idx[8+255*4+1])<<16 | int(idx[8+255*4+2])<<8 | int(idx[8+255*4+3])
	names, offsets := idx[8+1024:8+1024+20*n], idx[8+1024+24*n:8+1024+28*n]
	place := func(id string) []byte {
		for i := range n {
			if hex.EncodeToString(names[20*i:20*i+20]) == id {
				return offsets[4*i : 4*i+4]
			}
		}
		t.Fatal("no object " + id)
		return nil
	}
	x, y := place(a), place(b)
	for i := range 4 {
		x[i], y[i] = y[i], x[i]
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, idx, 0o644); err != nil {
		t.Fatal(err)
	}
}
