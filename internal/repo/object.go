package repo

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/layercake-app/layercake/internal/fault"
)

// New blobs, trees and commits are written here, as loose objects, and not by
// git: a git process costs several milliseconds each, three are needed for a
// commit, and any that is shown a worktree reads its attributes or opens its
// files by name once more. Merges, references, packs and all else is git's.

// object is one object of git; load gives its content, and may do so again.
type object struct {
	id   string
	kind string // blob, tree, commit, tag
	load func() ([]byte, error)
}

func newObject(kind string, data []byte) object {
	return object{id: objectID(kind, data), kind: kind, load: func() ([]byte, error) { return data, nil }}
}

func objectHeader(kind string, size int64) string {
	return kind + " " + strconv.FormatInt(size, 10) + "\x00"
}

func objectID(kind string, data []byte) string {
	h := sha1.New()
	_, _ = io.WriteString(h, objectHeader(kind, int64(len(data))))
	_, _ = h.Write(data)
	return hex.EncodeToString(h.Sum(nil))
}

// blobID reads all of f, which must be size bytes long, and names it.
func blobID(f io.Reader, size int64) (string, error) {
	h := sha1.New()
	_, _ = io.WriteString(h, objectHeader("blob", size))
	n, err := io.Copy(h, io.LimitReader(f, size+1))
	if err == nil && n != size {
		err = errMoving
	}
	return hex.EncodeToString(h.Sum(nil)), err
}

// errMoving is a file that changes while it is being read.
var errMoving = fault.Conflict("repo.moving", "A file changed while it was being committed. Stop what writes to the workspace and commit again.")

func (r *Repo) loosePath(id string) string {
	return filepath.Join(r.gitDir, "objects", id[:2], id[2:])
}

// writeObjects stores objects and returns when they are durable. All files are
// synced side by side, so that the disk's journal is flushed once or twice.
func (r *Repo) writeObjects(ctx context.Context, objects []object) error {
	var group errgroup.Group
	group.SetLimit(8)
	for _, o := range objects {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			return r.writeObject(o)
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("write objects: %w", err)
	}
	dirs := map[string]bool{filepath.Join(r.gitDir, "objects"): true}
	for _, o := range objects {
		dirs[filepath.Dir(r.loosePath(o.id))] = true
	}
	return syncDirs(dirs)
}

func syncDirs(dirs map[string]bool) error {
	var group errgroup.Group
	group.SetLimit(8)
	for dir := range dirs {
		group.Go(func() error { return syncDir(dir) })
	}
	return group.Wait()
}

// syncObjectsSince makes durable the names of the objects git wrote since then.
func (r *Repo) syncObjectsSince(then time.Time) error {
	objects := filepath.Join(r.gitDir, "objects")
	entries, err := os.ReadDir(objects)
	if err != nil {
		return fmt.Errorf("sync objects: %w", err)
	}
	dirs := map[string]bool{objects: true}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return fmt.Errorf("sync objects: %w", err)
		}
		if info.IsDir() && !info.ModTime().Before(then.Add(-3*time.Second)) { // a coarse clock of the file system
			dirs[filepath.Join(objects, e.Name())] = true
		}
	}
	return syncDirs(dirs)
}

func (r *Repo) writeObject(o object) error {
	data, err := o.load()
	if err != nil {
		return err
	}
	if objectID(o.kind, data) != o.id {
		return errMoving
	}
	path := r.loosePath(o.id)
	kind, old, err := r.readLoose(o.id)
	switch {
	case err == nil && kind == o.kind && bytes.Equal(old, data):
		return syncDir(path) // it may have been written just before a crash
	case err == nil:
		return fmt.Errorf("object %s: two contents have the same SHA-1", o.id)
	}
	// Missing, or torn by a crash of the machine: written anew.
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "tmp_obj_")
	if err != nil {
		return err
	}
	err = deflate(f, objectHeader(o.kind, int64(len(data))), data)
	err = errors.Join(err, f.Chmod(0o444), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// deflaters are kept because a new one allocates a megabyte.
var deflaters sync.Pool

func deflate(f io.Writer, header string, data []byte) error {
	out := bufio.NewWriterSize(f, 32<<10)
	z, ok := deflaters.Get().(*zlib.Writer)
	if ok {
		z.Reset(out)
	} else {
		var err error
		if z, err = zlib.NewWriterLevel(out, zlib.BestSpeed); err != nil {
			return err
		}
	}
	defer deflaters.Put(z)
	if _, err := io.WriteString(z, header); err != nil {
		return err
	}
	if _, err := z.Write(data); err != nil {
		return err
	}
	return errors.Join(z.Close(), out.Flush())
}

// readLoose reads an object that is not in a pack, and checks its name.
func (r *Repo) readLoose(id string) (kind string, data []byte, err error) {
	raw, err := os.ReadFile(r.loosePath(id))
	if err != nil {
		return "", nil, err
	}
	z, err := zlib.NewReader(bytes.NewReader(raw))
	if err != nil {
		return "", nil, fmt.Errorf("object %s: %w", id, err)
	}
	in := bufio.NewReader(z)
	header, err := in.ReadString(0)
	if err != nil {
		return "", nil, fmt.Errorf("object %s: %w", id, err)
	}
	kind, length, _ := strings.Cut(strings.TrimSuffix(header, "\x00"), " ")
	size, err := strconv.Atoi(length)
	if err != nil || size < 0 || size > defaultLimit {
		return "", nil, fmt.Errorf("object %s: bad header", id)
	}
	data = make([]byte, size)
	if _, err := io.ReadFull(in, data); err != nil {
		return "", nil, fmt.Errorf("object %s: %w", id, err)
	}
	if objectID(kind, data) != id {
		return "", nil, fmt.Errorf("object %s: content does not match its name", id)
	}
	return kind, data, nil
}

// eachBlob calls fn with the content of every blob, in any order: first those
// that are loose, then the others, which one git process reads.
func (r *Repo) eachBlob(ctx context.Context, ids []string, fn func(i int, data []byte) error) error {
	var packed []int
	for i, id := range ids {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		kind, data, err := r.readLoose(id)
		if err != nil || kind != "blob" {
			packed = append(packed, i) // git has the last word
			continue
		}
		if err := fn(i, data); err != nil {
			return err
		}
	}
	if len(packed) == 0 {
		return nil
	}
	return r.eachPacked(ctx, ids, packed, fn)
}

func (r *Repo) eachPacked(ctx context.Context, ids []string, wanted []int, fn func(i int, data []byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var asked bytes.Buffer
	for _, i := range wanted {
		asked.WriteString(ids[i] + "\n")
	}
	cmd := r.store.git.command(ctx, r.gitDir, call{args: []string{"cat-file", "--batch", "--buffer"}, stdin: &asked})
	stderr := &capped{limit: 8 << 10, drop: true}
	cmd.Stderr = stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("read blobs: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("read blobs: %w", err)
	}
	err = readBatch(bufio.NewReaderSize(pipe, 64<<10), ids, wanted, fn)
	if err != nil {
		cancel()
	}
	if waited := cmd.Wait(); err == nil && waited != nil {
		err = fmt.Errorf("read blobs: %w: %s", waited, stderr.String())
	}
	return err
}

func readBatch(in *bufio.Reader, ids []string, wanted []int, fn func(i int, data []byte) error) error {
	for _, i := range wanted {
		header, err := in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("read blob %s: %w", ids[i], err)
		}
		var id, kind string
		var size int64
		if _, err := fmt.Sscanf(header, "%s %s %d\n", &id, &kind, &size); err != nil || kind != "blob" || id != ids[i] {
			return fmt.Errorf("read blob %s: git says %q", ids[i], header)
		}
		if size > MaxFileSize {
			return fault.TooLarge("repo.too_large", "A file is larger than %d MB. Make it smaller, or leave it out.", MaxFileSize>>20)
		}
		data := make([]byte, size)
		if _, err := io.ReadFull(in, data); err != nil {
			return fmt.Errorf("read blob %s: %w", ids[i], err)
		}
		if _, err := in.Discard(1); err != nil {
			return fmt.Errorf("read blob %s: %w", ids[i], err)
		}
		if objectID("blob", data) != ids[i] { // git believes the index of a pack
			return damaged(nil, "the content of blob "+ids[i]+" does not match its name")
		}
		if err := fn(i, data); err != nil {
			return err
		}
	}
	return nil
}
