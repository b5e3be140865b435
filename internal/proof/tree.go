package proof

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/layercake-app/layercake/internal/repo"
)

// Bounds on what is read of a product; a product beyond them is not checked.
// The sum of sizes counts what a sparse file claims to hold, since a copy of it
// takes that much of the disk.
const (
	maxFileRead  = 8 << 20
	maxTreeFiles = 20_000
	maxTreeBytes = 1 << 30
)

// tree is a folder of product files. Nothing in it is followed: symbolic links
// and special files are only listed as odd.
type tree struct {
	dir   string
	root  *os.Root
	files []string // sorted, with slashes
	sizes map[string]int64
	odd   []string
	bytes int64 // of all files
}

// openTree lists the folder. The caller closes it.
func openTree(dir string) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open product folder: %w", err)
	}
	t := &tree{dir: dir, root: root, sizes: map[string]int64{}}
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == ".git":
			return fs.SkipDir
		case entry.IsDir():
			return nil
		case !entry.Type().IsRegular():
			t.odd = append(t.odd, name)
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if len(t.files) == maxTreeFiles {
			return errTooManyFiles
		}
		t.files = append(t.files, name)
		t.sizes[name] = info.Size()
		t.bytes = min(t.bytes+min(info.Size(), maxTreeBytes), maxTreeBytes+1)
		return nil
	})
	if err != nil {
		_ = root.Close() // the first error counts
		return nil, fmt.Errorf("list product folder: %w", err)
	}
	sort.Strings(t.files)
	return t, nil
}

var errTooManyFiles = errors.New("more files than a check reads")

func (t *tree) close() {
	if t != nil && t.root != nil {
		_ = t.root.Close() // nothing was written
	}
}

func (t *tree) has(name string) bool {
	_, ok := t.sizes[name]
	return ok
}

// read returns a file's bytes; one that is absent, odd or too large is an
// error whose text a person may see.
func (t *tree) read(name string) ([]byte, error) {
	size, ok := t.sizes[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("%s does not exist: %w", name, fs.ErrNotExist)
	case size > maxFileRead:
		return nil, fmt.Errorf("%s has %d bytes; at most %d are read", name, size, maxFileRead)
	}
	f, err := t.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFileRead))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

// copyTo writes the regular files to a new folder, with their executable bits.
func (t *tree) copyTo(ctx context.Context, dir string) error {
	for _, name := range t.files {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := t.copyFile(name, filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
	}
	return os.MkdirAll(dir, 0o755)
}

func (t *tree) copyFile(name, target string) error {
	in, err := t.root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm()|0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close() // the first error counts
		return err
	}
	return out.Close()
}

// hash adds a file's name, size and bytes to a sum.
func (t *tree) hash(sum hash.Hash, name string) error {
	f, err := t.root.Open(name)
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	defer func() { _ = f.Close() }()
	fmt.Fprintf(sum, "%s\x00%d\x00", name, t.sizes[name])
	if _, err := io.Copy(sum, f); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// match returns the files that a glob names.
func (t *tree) match(patterns ...string) []string {
	var out []string
	for _, name := range t.files {
		if repo.Match(patterns, name) {
			out = append(out, name)
		}
	}
	return out
}

// dirs returns the folders that hold a file with one of the extensions, leaving
// out what build tools leave out.
func (t *tree) dirs(exts ...string) []string {
	var out []string
	for _, name := range t.files {
		dir := path.Dir(name)
		if slices.Contains(exts, path.Ext(name)) && !ignoredDir(dir) && !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	return out
}

// ignoredDir reports whether the go command leaves a folder out of "./...".
func ignoredDir(dir string) bool {
	for part := range strings.SplitSeq(dir, "/") {
		if part == "testdata" || part == "vendor" || part == "node_modules" || part != "." && (part[0] == '.' || part[0] == '_') {
			return true
		}
	}
	return false
}
