package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/layercake-app/layercake/internal/fault"
)

// Deviation is the error that the file or folder at Path is not what a commit
// holds there; What is a clause that follows the path. Unread is set when nobody
// knows, because the system did not let it be read, and says why.
type Deviation struct {
	Path   string
	What   string
	Unread error
}

// Error says where and what.
func (d *Deviation) Error() string { return d.Path + " " + d.What }

// Unwrap returns why it was not read.
func (d *Deviation) Unwrap() error { return d.Unread }

func deviation(path, what string) error { return &Deviation{Path: path, What: what} }

func unread(path string, why error) error {
	return &Deviation{Path: path, What: "cannot be read", Unread: why}
}

// About reports whether err is about what a repository holds, and not about this
// machine, its limits, or a caller that went away.
func About(err error) bool {
	var d *Deviation
	if errors.As(err, &d) {
		return d.Unread == nil
	}
	if f, ok := fault.As(err); ok {
		return !fault.Ours(f) && f.Kind != fault.KindTooLarge && f.Code != "repo.permission"
	}
	return exitCode(err) > 0
}

// maxFolders bounds how many folders Compare looks into.
const maxFolders = 100_000

// Compare holds the folder of an inspected repository against commit, byte by
// byte, and returns the first difference as a *Deviation. A file that git does
// not track is one, whatever .gitignore says of it, and so is a named pipe; .git itself and empty folders are not. Git's configuration,
// its filters and its index have no say in it, and neither have the permissions.
func (r *Repo) Compare(ctx context.Context, commit string) error {
	files, err := r.files(ctx, commit)
	if err != nil {
		return err
	}
	return compare(ctx, r.dir, files, false)
}

// compare is Compare for any folder. When exact, folders that hold no file and a
// changed permission to execute are deviations too: somebody made them.
func compare(ctx context.Context, dir string, files []File, exact bool) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("compare folder: %w", err)
	}
	defer func() { _ = root.Close() }() // opened for reading
	c := comparison{ctx: ctx, root: root, files: files, exact: exact, seen: make(map[string]bool, len(files))}
	if err := c.folder("."); err != nil {
		return err
	}
	for _, f := range files {
		if !c.seen[f.Path] {
			return deviation(f.Path, "is missing")
		}
	}
	return nil
}

type comparison struct {
	ctx     context.Context
	root    *os.Root
	files   []File
	exact   bool
	seen    map[string]bool
	folders int
}

func (c *comparison) folder(dir string) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if c.folders++; c.folders > maxFolders {
		return deviation(dir, fmt.Sprintf("is one of more than %d folders", maxFolders))
	}
	entries, err := c.list(dir)
	if err != nil {
		return unread(dir, err)
	}
	before := len(c.seen)
	for _, e := range entries {
		path := strings.TrimPrefix(dir+"/"+e.Name(), "./")
		switch {
		case path == ".git":
		case e.IsDir():
			err = c.folder(path)
		default:
			err = c.file(path)
		}
		if err != nil {
			return err
		}
	}
	if c.exact && len(c.seen) == before && dir != "." {
		return deviation(dir, foreign)
	}
	return nil
}

func (c *comparison) list(dir string) ([]fs.DirEntry, error) {
	f, err := c.root.Open(filepath.FromSlash(dir))
	if err != nil {
		return nil, err
	}
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, errors.Join(err, f.Close())
}

// foreign is what is wrong with a path that is in the folder only.
const foreign = "is not part of the commit"

func (c *comparison) file(path string) error {
	want, ok := find(c.files, path)
	if !ok {
		return deviation(path, foreign)
	}
	c.seen[path] = true
	blob, err := c.blob(path, want)
	switch {
	case withheld(err):
		return unread(path, err)
	case err != nil || blob != want.Blob:
		return deviation(path, "is not what the commit holds")
	}
	return nil
}

// withheld reports whether the system did not let something be read, whatever it
// holds.
func withheld(err error) bool {
	return slices.ContainsFunc([]error{fs.ErrPermission, syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM}, func(e error) bool { return errors.Is(err, e) })
}

var errOtherKind = errors.New("it is another kind of file, or has another size or permission")

// blob names what is there, when it is of the kind and size of want.
func (c *comparison) blob(path string, want File) (string, error) {
	name := filepath.FromSlash(path)
	if want.Mode == ModeLink {
		target, err := c.root.Readlink(name)
		return objectID("blob", []byte(target)), err
	}
	info, err := c.root.Lstat(name)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() != want.Size ||
		c.exact && (info.Mode()&0o100 != 0) != (want.Mode == ModeExecutable) {
		return "", errOtherKind
	}
	f, err := c.root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // opened for reading
	if now, err := f.Stat(); err != nil || !os.SameFile(now, info) {
		return "", errMoving
	}
	return blobID(f, want.Size)
}

// ReadIn returns the content of the regular file rel below root, at most limit
// bytes of it; a longer one is a fault of kind too large. It never waits for a
// named pipe, and follows no link out of root.
func ReadIn(root, rel string, limit int64) ([]byte, error) {
	f, err := OpenIn(root, rel)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // opened for reading
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", rel, err)
	}
	if int64(len(data)) > limit {
		return nil, fault.TooLarge("repo.too_large", "%s is larger than %d MB.", rel, limit>>20)
	}
	return data, nil
}
