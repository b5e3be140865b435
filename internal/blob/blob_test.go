package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/blob"
	"github.com/layercake-app/layercake/internal/fault"
)

func open(t *testing.T) (*blob.Dir, string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "blobs")
	d, err := blob.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	return d, root
}

// files lists the regular files below root.
func files(t *testing.T, root string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

func TestWhatIsPutIsGot(t *testing.T) {
	t.Parallel()
	d, root := open(t)
	dir := t.TempDir()
	seen := map[string]bool{}
	rapid.Check(t, func(rt *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(rt, "data")
		file := filepath.Join(dir, "source")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			rt.Fatal(err)
		}
		byData, err := d.Put(context.Background(), data)
		if err != nil {
			rt.Fatal(err)
		}
		byFile, err := d.PutFile(context.Background(), file)
		if err != nil {
			rt.Fatal(err)
		}
		if byData != sum(data) || byFile != byData {
			rt.Fatalf("keys %s, %s; want %s", byData, byFile, sum(data))
		}
		got, err := d.Get(context.Background(), byData)
		if err != nil || !bytes.Equal(got, data) {
			rt.Fatalf("got %x, %v; want %x", got, err, data)
		}
		path, err := d.Path(byData)
		if err != nil {
			rt.Fatal(err)
		}
		if onDisk, err := os.ReadFile(path); err != nil || !bytes.Equal(onDisk, data) {
			rt.Fatalf("path holds %x, %v", onDisk, err)
		}
		seen[byData] = true
	})
	if got := files(t, root); len(got) != len(seen) {
		t.Errorf("%d files for %d contents: %q", len(got), len(seen), got)
	}
}

func TestABlobOutlivesItsDir(t *testing.T) {
	t.Parallel()
	d, root := open(t)
	key, err := d.Put(t.Context(), []byte("cake"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := blob.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Get(t.Context(), key); err != nil || string(got) != "cake" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestDamageIsNoticedAndMendedByStoringAgain(t *testing.T) {
	t.Parallel()
	d, _ := open(t)
	data := []byte("layers of sponge")
	key, err := d.Put(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	path, err := d.Path(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string]string{"changed": "layers of sponGe", "cut": "layers", "longer": "layers of sponge!", "empty": ""} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := d.Get(t.Context(), key)
		if fault.CodeOf(err) != "blob.corrupt" || fault.KindOf(err) != fault.KindInternal {
			t.Errorf("%s: %v, want internal blob.corrupt", name, err)
		}
		if !strings.Contains(err.Error(), key) || strings.Contains(fault.Public(err), key) {
			t.Errorf("%s: log %q, public %q; want the key in the log only", name, err, fault.Public(err))
		}
	}
	if _, err := d.Put(t.Context(), data); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Get(t.Context(), key); err != nil || !bytes.Equal(got, data) {
		t.Errorf("after storing again: %q, %v", got, err)
	}
}

func TestOnlyKeysAreLookedUp(t *testing.T) {
	t.Parallel()
	d, root := open(t)
	if err := os.WriteFile(filepath.Join(root, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	unknown := sum([]byte("unknown"))
	tests := map[string]string{
		"": "blob.key", "..": "blob.key", "../secret": "blob.key", "/etc/passwd": "blob.key",
		strings.Repeat("A", 64): "blob.key", strings.Repeat("../", 21) + "a": "blob.key",
		unknown[:63]: "blob.key", unknown + "0": "blob.key", unknown[:62] + "/.": "blob.key",
		unknown: "blob.missing",
	}
	for key, want := range tests {
		if _, err := d.Get(t.Context(), key); fault.CodeOf(err) != want {
			t.Errorf("get %q: %v, want %s", key, err, want)
		}
		if _, err := d.Path(key); fault.CodeOf(err) != want {
			t.Errorf("path %q: %v, want %s", key, err, want)
		}
	}
}

func TestAFailedPutLeavesNothing(t *testing.T) {
	t.Parallel()
	d, root := open(t)
	boom := errors.New("boom")
	reader := io.MultiReader(strings.NewReader(strings.Repeat("x", 100000)), iotest.ErrReader(boom))
	if _, err := d.PutReader(t.Context(), reader); !errors.Is(err, boom) {
		t.Errorf("failing reader: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.PutReader(ctx, strings.NewReader("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := d.PutFile(t.Context(), filepath.Join(root, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if got := files(t, root); got != nil {
		t.Errorf("left behind: %q", got)
	}
}

func TestAFullDiskLeavesNothing(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("SKIPPED: mounting a small disk needs more rights: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(root, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	d, err := blob.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	key, err := d.Put(t.Context(), []byte("small"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Put(t.Context(), bytes.Repeat([]byte("x"), 1<<20))
	if fault.CodeOf(err) != "blob.full" || fault.KindOf(err) != fault.KindFull {
		t.Errorf("full disk: %v, want unavailable blob.full", err)
	}
	if got := files(t, root); len(got) != 1 {
		t.Errorf("files %q, want the first one only", got)
	}
	if got, err := d.Get(t.Context(), key); err != nil || string(got) != "small" {
		t.Errorf("the first blob: %q, %v", got, err)
	}
}

func TestOpeningRemovesLeftOversButNotWhatIsBeingWritten(t *testing.T) {
	t.Parallel()
	d, root := open(t)
	left := filepath.Join(root, "tmp", "new-left-over")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(left, old, old); err != nil {
		t.Fatal(err)
	}
	reader, writer := io.Pipe()
	type result struct {
		key string
		err error
	}
	done := make(chan result)
	go func() {
		key, err := d.PutReader(context.Background(), reader)
		done <- result{key, err}
	}()
	if _, err := writer.Write([]byte("being ")); err != nil {
		t.Fatal(err)
	}
	other, err := blob.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the left-over is still there: %v", err)
	}
	if _, err := writer.Write([]byte("written")); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	if got, err := other.Get(t.Context(), r.key); err != nil || string(got) != "being written" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestManyPutsOfTheSameContentAtOnce(t *testing.T) {
	t.Parallel()
	d, root := open(t)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for n := range 20 {
				data := fmt.Appendf(nil, "content %d", n)
				key, err := d.Put(t.Context(), data)
				if err != nil {
					t.Errorf("writer %d: %v", i, err)
					return
				}
				if got, err := d.Get(t.Context(), key); err != nil || !bytes.Equal(got, data) {
					t.Errorf("writer %d got %q, %v", i, got, err)
				}
			}
		})
	}
	group.Wait()
	if got := files(t, root); len(got) != 20 {
		t.Errorf("%d files, want 20", len(got))
	}
}

func TestAFolderThatCannotBeUsedIsNamed(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "no", "such", "parent")
	_, err := blob.OpenDir(root)
	if fault.CodeOf(err) != "blob.open" || !strings.Contains(fault.Public(err), root) {
		t.Errorf("%v, want blob.open naming %s", err, root)
	}
}

func TestViewMakesNothingAndWaitsForNothing(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "blobs")
	key := strings.Repeat("a", 64)
	if _, err := blob.View(root).Get(t.Context(), key); fault.CodeOf(err) != "blob.missing" {
		t.Errorf("a missing folder: %v", err)
	}
	if _, err := os.Lstat(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(root, "sha256", "aa"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "sha256", "aa", key), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := blob.View(root).Get(t.Context(), key); fault.CodeOf(err) != "blob.corrupt" {
		t.Errorf("a named pipe: %v", err)
	}
}
