package bundle

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/repo"
)

// What a zip may hold: bytes of all its files together, and entries.
const (
	maxZipBytes = 1 << 30
	maxZipFiles = 100_000
)

// verifyZip unpacks a zip of a repository into a temporary folder and verifies
// that.
func verifyZip(ctx context.Context, path string, opt Options, r *Report) (err error) {
	dir, err := os.MkdirTemp("", "layercake-verify-")
	if err != nil {
		return fault.Unavailable("verify.temp", "The zip cannot be unpacked in %s, the folder for temporary files. Name another one in the variable TMPDIR.", os.TempDir()).Because(err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := unzip(ctx, path, dir, maxZipBytes); err != nil {
		return full(err)
	}
	top := dir
	if entries, err := os.ReadDir(dir); err == nil && len(entries) == 1 && entries[0].IsDir() && entries[0].Name() != ".git" {
		top = filepath.Join(dir, entries[0].Name())
	}
	if _, err := os.Lstat(filepath.Join(top, ".git")); err != nil {
		return fault.Invalid("verify.path", "The zip %s holds no git repository. Make it of an exported folder, with the .git in it.", path)
	}
	return verifyRepository(ctx, top, opt, r)
}

// full makes an error about a full disk one that a person can act on.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Full("verify.full", "The disk of %s is full, where the zip is unpacked. Free some space, or name another folder in the variable TMPDIR.", os.TempDir()).Because(err)
	}
	return err
}

// unzip unpacks the file at path into the empty folder dir, when it holds no
// more than budget bytes.
func unzip(ctx context.Context, path, dir string, budget uint64) (err error) {
	z, err := zip.OpenReader(path)
	if err != nil {
		return fault.Invalid("verify.path", "%s is no zip. Name a data folder, a repository or a zip.", path).Because(err)
	}
	defer func() { err = errors.Join(err, z.Close()) }()
	if len(z.File) > maxZipFiles {
		return fault.TooLarge("verify.zip", "The zip has %d entries, more than %d. Unpack it yourself if you trust it, and verify the folder.", len(z.File), maxZipFiles)
	}
	// What the entries say of themselves is enough to refuse, but not to trust.
	left := budget
	for _, f := range z.File {
		if f.UncompressedSize64 > left {
			return tooBig(budget)
		}
		left -= f.UncompressedSize64
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	left = budget
	var links []*zip.File
	for _, f := range z.File {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		link := f.Mode().Type() == fs.ModeSymlink
		if !filepath.IsLocal(f.Name) || !f.Mode().IsRegular() && !f.Mode().IsDir() && !link {
			return broken("the zip has the entry %q, which leads out of it or is no file. Make the zip again, of the exported folder alone.", f.Name)
		}
		if link {
			links = append(links, f)
			continue
		}
		n, err := unpack(root, f, left)
		if err != nil {
			return err
		}
		if n > left {
			return tooBig(budget)
		}
		left -= n
	}
	return unpackLinks(root, links)
}

// unpackLinks makes the symbolic links, after everything else, so that nothing is
// written through one. All their folders are there before the first, so that
// none lies behind another.
func unpackLinks(root *os.Root, links []*zip.File) error {
	for _, f := range links {
		if err := placed(f, root.MkdirAll(filepath.Dir(filepath.FromSlash(f.Name)), 0o700)); err != nil {
			return err
		}
	}
	for _, f := range links {
		target, err := linkTarget(f)
		if err != nil || repo.CheckLink(f.Name, target) != nil {
			return broken("the link %q of the zip leads out of it, or to no plain path. Make the zip again, of the exported folder alone.", f.Name)
		}
		if err := placed(f, root.Symlink(target, filepath.FromSlash(f.Name))); err != nil {
			return err
		}
	}
	return nil
}

func linkTarget(f *zip.File) (string, error) {
	in, err := f.Open()
	if err != nil {
		return "", err
	}
	target, err := io.ReadAll(io.LimitReader(in, repo.MaxPath+1))
	return string(target), errors.Join(err, in.Close())
}

func tooBig(budget uint64) error {
	return fault.TooLarge("verify.zip", "The zip unpacks to more than %d MB. Unpack it yourself if you trust it, and verify the folder.", budget>>20)
}

// unpack writes one entry and returns its size; it stops one byte past left.
func unpack(root *os.Root, f *zip.File, left uint64) (n uint64, err error) {
	name := filepath.FromSlash(f.Name)
	if f.FileInfo().IsDir() {
		return 0, placed(f, root.MkdirAll(name, 0o700))
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return 0, placed(f, err)
	}
	in, err := f.Open()
	if err != nil {
		return 0, broken("the entry %q of the zip cannot be read. Make the zip again.", f.Name)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, placed(f, err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	written, err := io.Copy(out, io.LimitReader(in, int64(left)+1))
	if errors.As(err, new(*fs.PathError)) {
		return 0, fmt.Errorf("unpack %s: %w", f.Name, err)
	}
	if err != nil {
		return 0, broken("the entry %q of the zip cannot be unpacked. Make the zip again.", f.Name)
	}
	return uint64(written), nil
}

// placed explains why an entry found no place among those before it.
func placed(f *zip.File, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return broken("the zip has %q twice, or as a file and as a folder. Make the zip again, of the exported folder alone.", f.Name)
	}
	if err != nil {
		return fmt.Errorf("unpack %s: %w", f.Name, err)
	}
	return nil
}
