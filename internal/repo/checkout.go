package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/layercake-app/layercake/internal/fault"
)

// Checkout writes the files of a commit to dir, which must be empty or absent:
// exactly the committed bytes, no .git, and nothing left out or rewritten by
// attributes.
func (r *Repo) Checkout(ctx context.Context, commit, dir string) error {
	files, err := r.files(ctx, commit)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder for checkout: %w", err)
	}
	if err := mustBeEmpty(dir); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open folder for checkout: %w", err)
	}
	err = r.writeFiles(ctx, root, files)
	return errors.Join(err, root.Close())
}

// mustBeEmpty accepts an empty folder only.
func mustBeEmpty(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	names, err := f.Readdirnames(1)
	_ = f.Close() // opened for reading
	if len(names) > 0 {
		return notEmpty(dir)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read folder: %w", err)
	}
	return nil
}

func notEmpty(dir string) error {
	return fault.Conflict("out.not_empty", "%s is not an empty folder. Name a folder that is empty or does not exist yet.", filepath.Clean(dir))
}

// writeFiles writes files below root, where none of them may exist yet.
func (r *Repo) writeFiles(ctx context.Context, root *os.Root, files []File) error {
	ids := make([]string, len(files))
	for i, f := range files {
		if err := CheckPath(f.Path); err != nil {
			return err
		}
		if f.Size > MaxFileSize {
			return tooLarge(f.Path)
		}
		ids[i] = f.Blob
	}
	made := map[string]bool{".": true}
	return r.eachBlob(ctx, ids, func(i int, data []byte) error {
		f := files[i]
		if dir := path.Dir(f.Path); !made[dir] {
			if err := root.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("write %s: %w", f.Path, err)
			}
			made[dir] = true
		}
		if err := writeFile(root, f, data); err != nil {
			return fmt.Errorf("write %s: %w", f.Path, err)
		}
		return nil
	})
}

// writeFile never opens what exists: a link in the place of the file would
// otherwise say where the bytes go.
func writeFile(root *os.Root, f File, data []byte) error {
	if f.Mode == ModeLink {
		if err := CheckLink(f.Path, string(data)); err != nil {
			return err
		}
		return root.Symlink(string(data), f.Path)
	}
	perm := fs.FileMode(0o644)
	if f.Mode == ModeExecutable {
		perm = 0o755
	}
	out, err := root.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = out.Write(data)
	return errors.Join(err, out.Close())
}
