package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Each calls fn with every stored file, in the order of their keys, while others
// may put more. The content is not checked.
func (d *Dir) Each(ctx context.Context, fn func(key string, f *os.File) error) error {
	root := filepath.Join(d.root, keyFolder)
	folders, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	for _, folder := range folders {
		entries, err := os.ReadDir(filepath.Join(root, folder.Name()))
		if err != nil {
			return fmt.Errorf("list blobs: %w", err)
		}
		for _, e := range entries {
			if CheckKey(e.Name()) != nil || !e.Type().IsRegular() {
				continue
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			f, err := os.Open(filepath.Join(root, folder.Name(), e.Name()))
			if err != nil {
				return fmt.Errorf("read blob %s: %w", e.Name(), err)
			}
			if err := errors.Join(fn(e.Name(), f), f.Close()); err != nil {
				return err
			}
		}
	}
	return nil
}

// Lay writes a file that Each gave into a folder that nobody uses yet. Its content
// is not checked, so that a damaged file stays as damaged as it was, and is not
// durable before the caller syncs the disk.
func (d *Dir) Lay(key string, r io.Reader) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	path := d.path(key)
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return storing(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return storing(err)
	}
	if _, err = io.Copy(f, r); err != nil {
		return errors.Join(storing(err), f.Close())
	}
	if err := f.Close(); err != nil {
		return storing(err)
	}
	return nil
}
