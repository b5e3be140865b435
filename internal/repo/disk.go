package repo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/layercake-app/layercake/internal/fault"
)

// errorsJoinClose closes c and returns err, with what went wrong in closing.
func errorsJoinClose(err error, c io.Closer) error {
	return errors.Join(err, c.Close())
}

// syncDir makes the names within dir durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

// syncTree makes every file and name below dir durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("sync folder: %w", err)
		}
		if d.IsDir() || d.Type().IsRegular() {
			return syncDir(path)
		}
		return nil
	})
}

// writeDurably replaces a small file of ours atomically, when it differs.
func writeDurably(path, content string) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == content {
		return nil
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	f, err := os.CreateTemp(dir, "tmp_")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	_, err = io.WriteString(f, content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return syncDir(dir)
}

// RemoveTree removes dir and all in it, also below folders that were made
// unreadable or read-only.
func RemoveTree(dir string) error {
	if err := os.RemoveAll(dir); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("remove folder: %w", err)
	}
	root, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		return fmt.Errorf("remove folder: %w", err)
	}
	err = forceRemove(root, filepath.Base(dir))
	if err := errors.Join(err, root.Close()); err != nil {
		return fmt.Errorf("remove folder: %w", err)
	}
	return nil
}

// forceRemove is root.RemoveAll for trees whose folders lack permissions.
func forceRemove(root *os.Root, name string) error {
	if err := root.RemoveAll(name); err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if err := openUp(root, name); err != nil {
		return err
	}
	return root.RemoveAll(name)
}

// openUp gives the owner all rights on the folder name and those below it.
func openUp(root *os.Root, name string) error {
	info, err := root.Lstat(name)
	if err != nil || !info.IsDir() {
		return err
	}
	if err := root.Chmod(name, 0o700); err != nil {
		return err
	}
	sub, err := root.OpenRoot(name)
	if err != nil {
		return err
	}
	names, err := readNames(sub)
	for _, n := range names {
		err = errors.Join(err, openUp(sub, n))
	}
	return errors.Join(err, sub.Close())
}

// readNames lists the folder root itself, unsorted.
func readNames(root *os.Root) ([]string, error) {
	f, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	return names, errors.Join(err, f.Close())
}

// openError turns what the system says about a path below a root into a fault
// when it is about the path, and not about us.
func openError(path string, err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.NotFound("repo.no_file", "There is no file %s. List the files to see what there is.", path).Because(err)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, fs.ErrExist), errors.Is(err, syscall.ENXIO):
		return fault.Invalid("repo.not_a_file", "%s cannot be a file: a part of it is something else there. Choose another path, or remove what is there.", path).Because(err)
	case errors.Is(err, fs.ErrPermission):
		return fault.Invalid("repo.permission", "%s cannot be opened: its permissions, or those of its folder, do not allow it. Change them, or remove it.", path).Because(err)
	case errors.Is(err, syscall.ELOOP), !errors.As(err, &errno) && strings.Contains(err.Error(), "escapes"):
		return fault.Invalid("repo.symlink", "%s leads out of the workspace through a symbolic link. Remove the link, or choose another path.", path).Because(err)
	}
	return fmt.Errorf("open %s: %w", path, err)
}
