// Package blob keeps bytes under the SHA-256 of their content: what was put is
// either there, complete and unchanged, or reported as missing or corrupt.
//
// Storing the same content twice keeps it once. A blob becomes visible, and
// durable, in one step; a crash or a full disk leaves nothing half written under
// a key.
package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
)

// Dir is a folder of blobs; many goroutines and processes may use it at once.
type Dir struct{ root string }

// The two folders of a Dir: finished blobs by the first two digits of their
// key, and files being written.
const (
	keyFolder = "sha256"
	newFolder = "tmp"
)

// leftOver is how long a new file must have been left alone to count as what a
// dead process has left behind.
const leftOver = time.Hour

// OpenDir opens the folder root, which is created when missing, its parent is
// not. Files that a dead process left half written are removed after an hour.
func OpenDir(root string) (*Dir, error) {
	d := &Dir{root: root}
	for _, folder := range []string{root, filepath.Join(root, keyFolder), filepath.Join(root, newFolder)} {
		if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fault.Unavailable("blob.open",
				"The folder %s cannot be used. Check that its parent exists and that this user may write there.", folder).Because(err)
		}
	}
	if err := d.sweep(); err != nil {
		return nil, fmt.Errorf("clean blob folder %s: %w", root, err)
	}
	return d, syncFolder(root)
}

// View is OpenDir for reading alone: nothing is created, cleared or checked.
func View(root string) *Dir { return &Dir{root: root} }

// Put stores data and returns its key, the SHA-256 in lower-case hexadecimal.
// fault.Full "blob.full" when the disk is full.
func (d *Dir) Put(ctx context.Context, data []byte) (key string, err error) {
	sum := sha256.Sum256(data)
	key = hex.EncodeToString(sum[:])
	if d.has(key) {
		return key, nil
	}
	return d.PutReader(ctx, bytes.NewReader(data))
}

// PutFile stores the content of the file at path, without holding it in memory.
func (d *Dir) PutFile(ctx context.Context, path string) (key string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("store file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return d.PutReader(ctx, f)
}

// PutReader stores what r yields until its end; when r fails nothing is stored.
func (d *Dir) PutReader(ctx context.Context, r io.Reader) (key string, err error) {
	f, err := os.CreateTemp(filepath.Join(d.root, newFolder), "new-*")
	if err != nil {
		return "", storing(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreClosed(f.Close()), ignoreMissing(os.Remove(f.Name())))
		}
	}()
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, hash), contextReader{ctx, r}); err != nil {
		return "", storing(err)
	}
	key = hex.EncodeToString(hash.Sum(nil))
	if d.has(key) {
		return key, errors.Join(f.Close(), os.Remove(f.Name()))
	}
	return key, d.publish(f, key)
}

// publish moves a complete file to its key. The content is on the disk before
// its name is, and both are before publish returns.
func (d *Dir) publish(f *os.File, key string) error {
	if err := f.Chmod(0o400); err != nil {
		return storing(err)
	}
	if err := f.Sync(); err != nil {
		return storing(err)
	}
	path := d.path(key)
	folder := filepath.Dir(path)
	if err := os.Mkdir(folder, 0o700); err == nil {
		if err := syncFolder(filepath.Dir(folder)); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return storing(err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return storing(err)
	}
	if err := syncFolder(folder); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return storing(err)
	}
	return nil
}

// Get returns the bytes under key after checking them against it. Errors:
// fault.NotFound "blob.missing", and the internal "blob.corrupt".
func (d *Dir) Get(_ context.Context, key string) ([]byte, error) {
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	info, err := os.Stat(d.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missing(key)
	}
	if err == nil && !info.Mode().IsRegular() {
		return nil, corrupt(key) // a named pipe would never end
	}
	data, err := os.ReadFile(d.path(key))
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", key, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != key {
		return nil, corrupt(key)
	}
	return data, nil
}

// Path returns the file that holds key, for tools that read files. Its content
// is not checked. Errors as of Get.
func (d *Dir) Path(key string) (string, error) {
	if err := CheckKey(key); err != nil {
		return "", err
	}
	path := d.path(key)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", missing(key)
	} else if err != nil {
		return "", fmt.Errorf("find blob %s: %w", key, err)
	}
	return path, nil
}

// CheckKey returns fault.Invalid "blob.key" unless key is 64 lower-case
// hexadecimal digits.
func CheckKey(key string) error {
	if len(key) != hex.EncodedLen(sha256.Size) || strings.Trim(key, "0123456789abcdef") != "" {
		return fault.Invalid("blob.key", "%q is not the key of a stored file. Keys are 64 hexadecimal digits.", key)
	}
	return nil
}

func (d *Dir) path(key string) string { return filepath.Join(d.root, keyFolder, key[:2], key) }

// has reports whether key is stored and sound. A blob that the disk has damaged
// counts as absent, so that storing it again mends it.
func (d *Dir) has(key string) bool {
	f, err := os.Open(d.path(key))
	if err != nil {
		return false
	}
	hash := sha256.New()
	_, err = io.Copy(hash, f)
	return errors.Join(err, f.Close()) == nil && hex.EncodeToString(hash.Sum(nil)) == key
}

// sweep removes the new files that nobody has written to for leftOver.
func (d *Dir) sweep() error {
	folder := filepath.Join(d.root, newFolder)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || time.Since(info.ModTime()) < leftOver {
			continue // gone meanwhile, or another process is at it
		}
		if err := ignoreMissing(os.Remove(filepath.Join(folder, entry.Name()))); err != nil {
			return err
		}
	}
	return nil
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open blob folder: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("sync blob folder: %w", err)
	}
	return nil
}

// contextReader stops reading when its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

func storing(err error) error {
	err = fmt.Errorf("store blob: %w", err)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Full("blob.full",
			"The disk that holds the files is full. Nothing was saved. Free some space, then try again.").Because(err)
	}
	return err
}

func missing(key string) error {
	return fault.NotFound("blob.missing", "The stored file %s is not there any more. Restore it from a backup.", key)
}

func corrupt(key string) error {
	e := &fault.Error{Kind: fault.KindInternal, Code: "blob.corrupt", Message: fault.Public(nil)}
	return e.Because(fmt.Errorf("blob %s does not match its key: restore it from a backup", key))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}
