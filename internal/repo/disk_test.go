//go:build linux

package repo

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/layercake-app/layercake/internal/fault"
)

// smallDisk mounts a disk of its own and returns its folder, and how to make it
// larger.
func smallDisk(t *testing.T, size string) (root string, grow func()) {
	t.Helper()
	root = t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("mounting a small disk needs more rights: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(root, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return root, func() {
		if err := syscall.Mount("tmpfs", root, "tmpfs", syscall.MS_REMOUNT, "size=32m"); err != nil {
			t.Fatal(err)
		}
	}
}

// A repository is exported to another disk, where a rename cannot reach; a full
// one is told, and nothing is left there.
func TestExportToAnotherDisk(t *testing.T) {
	t.Parallel()
	r, commit := exportable(t)
	root, grow := smallDisk(t, "16k")
	dest := filepath.Join(root, "out")
	refused(t, r.ExportFolder(t.Context(), dest), fault.KindFull, "repo.full", "Free some space")
	left, err := os.ReadDir(root)
	if err != nil || len(left) > 0 {
		t.Errorf("left on the full disk: %v, %v", left, err)
	}
	grow()
	if err := r.ExportFolder(t.Context(), dest); err != nil {
		t.Fatal(err)
	}
	ordinary(t, dest, commit)
	for _, name := range []string{"export.pack", "objects/info/alternates"} {
		if _, err := os.Lstat(filepath.Join(dest, ".git", name)); err == nil {
			t.Errorf("%s is left in the repository", name)
		}
	}
}
