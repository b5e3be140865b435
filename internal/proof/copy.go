package proof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"
)

// maxDataBytes bounds the data of a deployment that a smoke test copies. A
// sparse file counts with its whole length, because its copy takes that much of
// the disk; an entry counts at least as one block of it.
const (
	maxDataBytes = 1 << 30
	blockBytes   = 4096
)

var errTooMuch = errors.New("more data than may be copied")

// copyTree copies regular files and folders; a few at a time, since most of the
// time goes into opening them. Above limit bytes, unless that is 0, it gives up
// with errTooMuch before it has copied more.
func copyTree(ctx context.Context, from, to string, limit int64) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	room := limit
	err := filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		size := int64(blockBytes)
		if info.Mode().IsRegular() {
			size = max(size, info.Size())
		}
		if room -= size; limit > 0 && room < 0 {
			return errTooMuch
		}
		target := filepath.Join(to, rel)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		if info.Mode().IsRegular() {
			group.Go(func() error { return copyFile(name, target, info.Size()) })
		}
		return nil
	})
	// The copy that failed says why; the walk then only knows that it was stopped.
	if failed := group.Wait(); failed != nil {
		return failed
	}
	return err
}

// copyFile copies size bytes, however much is there by now.
func copyFile(from, to string, size int64) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, io.LimitReader(in, size)); err != nil {
		_ = out.Close() // the first error counts
		return err
	}
	return out.Close()
}

// copyData copies what a product left in its data folder. The outcome is set
// when the product left what cannot be copied.
func copyData(ctx context.Context, from, to string) (*outcome, error) {
	err := copyTree(ctx, from, to, maxDataBytes)
	var out outcome
	switch {
	case errors.Is(err, errTooMuch):
		out = fail("the product keeps more than %d MB in its data folder, files with holes counted in full; have it keep less there, or clear the folder of this deployment", maxDataBytes>>20)
	case errors.Is(err, fs.ErrPermission):
		name := strings.TrimPrefix(unreadable(err), from+"/")
		out = fail("the product made a part of its data folder unreadable (%s); have it keep the permissions of what it stores, and give them back in the folder of this deployment", name)
	case err != nil:
		return nil, fmt.Errorf("copy data of deployment: %w", err)
	default:
		return nil, nil
	}
	return &out, nil
}
