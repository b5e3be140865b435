//go:build linux

package app_test

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// A run whose data folder's disk is full stops, says so and leaves no half of a
// repository; the same command goes on when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	wholeRun(t)
	p := newPlace(t)
	disk := func(flags uintptr, size string) error {
		return syscall.Mount("tmpfs", p.data, "tmpfs", flags, "size="+size)
	}
	if err := os.Mkdir(p.data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := disk(0, "1m"); err != nil {
		t.Skipf("mounting a small disk needs more rights: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(p.data, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	// One is full before the first gate, the others while agents work.
	for _, size := range []string{"1m", "2m", "5m"} {
		if err := disk(syscall.MS_REMOUNT, size); err != nil {
			t.Fatal(err)
		}
		full := p.idea("bookmarks")
		full.want(t, 1, "failed")
		for _, text := range []string{full.stderr, full.result.Reason} {
			if !strings.Contains(text, "disk") || !strings.Contains(text, "is full") || !strings.Contains(text, "Free some space") {
				t.Errorf("with %s it says %s", size, text)
			}
		}
		if _, err := os.Stat(p.out); err == nil {
			t.Error("a repository was exported")
		}
	}
	if err := disk(syscall.MS_REMOUNT, "512m"); err != nil {
		t.Fatal(err)
	}
	p.idea("bookmarks").want(t, 0, "completed")
	if v := p.run("verify", p.data); v.code != 0 {
		t.Errorf("verify: %s", v.stdout)
	}
	freshClone(t, p.out)
}
