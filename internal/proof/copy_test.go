package proof

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// asOrdinary runs fn with the rights of an ordinary user over files, on one
// thread. Where the tests run as one already, nothing has to be done.
func asOrdinary(t *testing.T, dir string, fn func()) {
	t.Helper()
	const nobody = 65534
	if os.Geteuid() == 0 {
		if err := filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
			return errors.Join(err, os.Lchown(name, nobody, nobody))
		}); err != nil {
			t.Fatal(err)
		}
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if _, err := unix.SetfsuidRetUid(nobody); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if _, err := unix.SetfsuidRetUid(0); err != nil {
				t.Fatal(err)
			}
		}()
	}
	fn()
}

// openFolder is a temporary folder that other users can reach.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ordinary-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// shut makes a folder with a file in it that nobody may enter.
func shut(t *testing.T, dir string) {
	t.Helper()
	writeTree(t, dir, files{"x/f": "1", "y": "2"})
	if err := os.Chmod(filepath.Join(dir, "x"), 0); err != nil {
		t.Fatal(err)
	}
}

// A folder that hostile code shut does not keep LayerCake from starting, and is
// removed.
func TestStartsOverShutFolders(t *testing.T) {
	t.Parallel()
	cfg := Config{Cache: openFolder(t)}
	cfg.Deployments = filepath.Join(cfg.Cache, "deployments")
	left := filepath.Join(cfg.Cache, "work", "check-1", "data")
	shut(t, left)
	asOrdinary(t, cfg.Cache, func() {
		if err := os.RemoveAll(left); err == nil {
			t.Error("the folder is not shut: this test shows nothing")
		}
		if _, err := NewRunner(cfg); err != nil {
			t.Errorf("the next start fails: %v", err)
		}
	})
	if _, err := os.Lstat(left); err == nil {
		t.Error("what hostile code left is still there")
	}
}

// Data that a product made unreadable is the product's fault, not ours.
func TestUnreadableDataFails(t *testing.T) {
	t.Parallel()
	dir := openFolder(t)
	data := filepath.Join(dir, "data")
	shut(t, data)
	asOrdinary(t, dir, func() {
		out, err := copyData(t.Context(), data, filepath.Join(dir, "copy"))
		if err != nil || out == nil || out.verdict != Fail || !strings.Contains(out.reason, "unreadable (x: permission denied)") {
			t.Errorf("got %v, %v", out, err)
		}
	})
}

// A product that cannot be read fails its checks instead of breaking them.
func TestUnreadableProductFails(t *testing.T) {
	t.Parallel()
	r := platform(t)
	dir := openFolder(t)
	shut(t, dir)
	asOrdinary(t, dir, func() {
		res, err := r.carry(t.Context(), &work{r: r, subject: Subject{Project: testProject, Type: Requirements}}, dir)
		if err != nil {
			t.Errorf("the check breaks: %v", err)
			return
		}
		want(t, res, Fail, "the product cannot be read: x: permission denied")
	})
}

// Holes count: what takes no disk would take all of it when copied.
func TestSparseDataFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	writeTree(t, data, files{"kept.txt": "x"})
	small, large := filepath.Join(dir, "small"), filepath.Join(dir, "large")
	if out, err := copyData(t.Context(), data, small); out != nil || err != nil {
		t.Fatal(out, err)
	}
	if got, err := os.ReadFile(filepath.Join(small, "kept.txt")); string(got) != "x" {
		t.Errorf("copied %q, %v", got, err)
	}
	if err := os.Truncate(filepath.Join(data, "kept.txt"), maxDataBytes); err != nil {
		t.Fatal(err)
	}
	out, err := copyData(t.Context(), data, large)
	if err != nil || out == nil || out.verdict != Fail || !strings.Contains(out.reason, "more than 1024 MB") {
		t.Errorf("got %v, %v", out, err)
	}
	if _, err := os.Lstat(filepath.Join(large, "kept.txt")); err == nil {
		t.Error("the file was copied")
	}
}

// A product with holes in its files is not copied either.
func TestSparseProductIsBlocked(t *testing.T) {
	t.Parallel()
	r := platform(t)
	dir := t.TempDir()
	writeTree(t, dir, files{"go.mod": "module example.com/x\n", "a": "", "b": ""})
	for _, name := range []string{"a", "b"} {
		if err := os.Truncate(filepath.Join(dir, name), 1<<42); err != nil {
			t.Fatal(err)
		}
	}
	res, err := r.RunIn(t.Context(), Subject{Project: testProject}, dir, []string{Build})
	if err != nil {
		t.Fatal(err)
	}
	want(t, res[0], Blocked, "more than 1024 MB")
}
