package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/layercake-app/layercake/internal/blob"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/secret"
)

// Source is the instance that is backed up. Others may be at work in it.
type Source struct {
	DB         *db.DB
	Data       string // the data folder
	Program    string // the version of this program
	Passphrase secret.Text
}

// attempts bounds how often a backup is begun anew because a repository that the
// rows name was removed meanwhile.
const attempts = 4

// errMoved says that what is being copied is not the instance of the snapshot any
// more.
var errMoved = errors.New("a project was removed while it was copied")

// Create writes a backup to path, at which nothing may be. Until it is complete
// it lies beside it with the ending .part; whatever stops Create but the death of
// the process, nothing stays of it. Without a passphrase the keys are left out.
func Create(ctx context.Context, path string, s Source) (sum Summary, err error) {
	part := path + ".part"
	if _, err := os.Lstat(path); err == nil {
		return sum, exists(path)
	}
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return sum, full(fault.Invalid("backup.unusable", "%s cannot be written. Name a file in a folder that is there and that you may write to.", part).Because(err))
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return sum, errors.Join(fault.Conflict("backup.busy", "Another backup is being written to %s. Wait for it, or name another file.", path).Because(err), f.Close())
	}
	temp := part + ".d"
	defer func() {
		err = errors.Join(err, repo.RemoveTree(temp))
		if err != nil {
			err = errors.Join(err, os.Remove(part))
		}
		err = full(errors.Join(err, f.Close()))
	}()
	for n := 1; ; n++ {
		if sum, err = attempt(ctx, f, temp, s); err == nil || !errors.Is(err, errMoved) || n == attempts {
			break
		}
	}
	if errors.Is(err, errMoved) {
		err = fault.Conflict("backup.moved", "A repository that the database names is not there, or projects are being deleted all the time. Look at it with `layercake verify`, and try again.").Because(err)
	}
	if err != nil {
		return sum, err
	}
	if sum.Size, err = f.Seek(0, io.SeekCurrent); err != nil {
		return sum, fmt.Errorf("finish backup: %w", err)
	}
	return sum, publish(f, path)
}

func exists(path string) error {
	return fault.Invalid("backup.exists", "%s is there already, and nothing is written over. Name another file.", path)
}

// publish gives the complete file its name, once its content is on the disk.
func publish(f *os.File, path string) error {
	if err := f.Sync(); err != nil {
		return fmt.Errorf("finish backup: %w", err)
	}
	err := os.Link(f.Name(), path)
	switch {
	case err == nil:
		err = os.Remove(f.Name())
	case errors.Is(err, fs.ErrExist):
		return exists(path)
	default:
		err = os.Rename(f.Name(), path) // there are file systems without links
	}
	if err != nil {
		return fmt.Errorf("finish backup: %w", err)
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) { // some file systems cannot
		err = nil
	}
	return errors.Join(err, d.Close())
}

// attempt writes the whole backup into f, from its beginning. temp is a folder of
// its own, whatever is in there.
func attempt(ctx context.Context, f *os.File, temp string, s Source) (Summary, error) {
	if err := repo.RemoveTree(temp); err != nil {
		return Summary{}, err
	}
	if err := os.Mkdir(temp, 0o700); err != nil {
		return Summary{}, fmt.Errorf("make temporary folder: %w", err)
	}
	if err := f.Truncate(0); err != nil {
		return Summary{}, fmt.Errorf("begin backup: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return Summary{}, fmt.Errorf("begin backup: %w", err)
	}
	return write(ctx, f, temp, s)
}

// writer is a backup being written.
type writer struct {
	Source
	temp string
	tar  *tar.Writer
	list contents
	sum  Summary
}

// write writes a backup of s to out.
func write(ctx context.Context, out io.Writer, temp string, s Source) (sum Summary, err error) {
	packed, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return sum, fmt.Errorf("begin backup: %w", err)
	}
	defer func() { err = errors.Join(err, packed.Close()) }()
	w := &writer{Source: s, temp: temp, tar: tar.NewWriter(packed)}
	refs, err := w.references(ctx)
	if err != nil {
		return sum, err
	}
	projects, err := w.database(ctx)
	if err != nil {
		return sum, err
	}
	if err := w.repositories(ctx, projects, refs); err != nil {
		return sum, err
	}
	if err := w.blobs(ctx); err != nil {
		return sum, err
	}
	if err := w.key(ctx); err != nil {
		return sum, err
	}
	if err := w.json(ctx, contentsMember, w.list); err != nil {
		return sum, err
	}
	if err := w.tar.Close(); err != nil {
		return sum, fmt.Errorf("write backup: %w", err)
	}
	return w.sum, nil
}

// add writes one member of exactly size bytes and returns its hash.
func (w *writer) add(ctx context.Context, name string, size int64, r io.Reader) (string, error) {
	err := w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: w.sum.At.Truncate(time.Second)})
	if err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	hash := sha256.New()
	n, err := io.Copy(w.tar, io.TeeReader(io.LimitReader(contextReader{ctx, r}, size), hash))
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	w.sum.Bytes += size
	sum := hex.EncodeToString(hash.Sum(nil))
	w.list.Members = append(w.list.Members, Member{Name: name, Size: size, SHA256: sum})
	return sum, nil
}

func (w *writer) file(ctx context.Context, name string, f *os.File) (string, error) {
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	if !info.Mode().IsRegular() {
		return "", fault.Conflict("backup.strange", "%s in the data folder is no ordinary file. Look at what it is, and remove it.", f.Name())
	}
	return w.add(ctx, name, info.Size(), f)
}

func (w *writer) json(ctx context.Context, name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = w.add(ctx, name, int64(len(text)), bytes.NewReader(text))
	return err
}

// contextReader stops reading when its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

func (w *writer) gitDir(project string) string { return filepath.Join(w.Data, "repos", project, "git") }

// references reads those of all repositories. They follow the rows, so what is
// read before the rows points to nothing that the rows do not know of.
func (w *writer) references(ctx context.Context) (map[string][]repo.Reference, error) {
	folders, err := os.ReadDir(filepath.Join(w.Data, "repos"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list repositories: %w", err)
	}
	all := map[string][]repo.Reference{}
	for _, folder := range folders {
		if !folder.IsDir() {
			continue
		}
		r, err := repo.InspectBare(w.gitDir(folder.Name())) //nolint:contextcheck // it bounds its own time
		if fault.CodeOf(err) == "repo.none" {
			continue // being made, or being removed
		}
		if err != nil {
			return nil, err
		}
		refs, err := r.References(ctx)
		if err != nil {
			if _, gone := os.Lstat(w.gitDir(folder.Name())); errors.Is(gone, fs.ErrNotExist) {
				continue
			}
			return nil, err
		}
		all[folder.Name()] = refs
	}
	return all, nil
}

// database writes the header and the rows, and returns the projects with whether
// each has a repository.
func (w *writer) database(ctx context.Context) (map[string]bool, error) {
	w.sum.Header = Header{Format: Format, Program: w.Program, At: time.Now().UTC(), Database: w.DB.Dialect()}
	if w.DB.Dialect() == db.Postgres {
		var projects map[string]bool
		err := w.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			projects, err = w.tables(ctx, tx)
			return err
		})
		return projects, err
	}
	path := filepath.Join(w.temp, databaseMember)
	if err := w.DB.Backup(ctx, path); err != nil {
		return nil, err
	}
	projects, err := w.describe(ctx, path)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	_, err = w.file(ctx, databaseMember, f)
	return projects, errors.Join(err, f.Close(), os.Remove(path))
}

// describe writes the header of a snapshot of an SQLite database.
func (w *writer) describe(ctx context.Context, path string) (projects map[string]bool, err error) {
	snapshot, err := db.Open(ctx, db.Config{Path: path, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	err = snapshot.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		projects, err = w.header(ctx, tx)
		return err
	})
	return projects, err
}

// header fills in and writes the header, and returns the projects.
func (w *writer) header(ctx context.Context, tx *db.Tx) (map[string]bool, error) {
	h := &w.sum.Header
	if err := describe(ctx, tx, h); err != nil {
		return nil, err
	}
	if h.Schema == 0 {
		return nil, fault.NotFound("backup.empty", "There is nothing in the database yet that could be backed up. Name another data folder with --data.")
	}
	if h.Schema > db.Newest() {
		return nil, fault.Conflict("db.newer", "The database has schema version %d, this program knows versions up to %d. Back it up with the newer LayerCake that wrote it.", h.Schema, db.Newest())
	}
	projects := map[string]bool{}
	if h.Schema >= 2 {
		var rows []struct {
			ID   string `db:"id"`
			Head string `db:"head"`
		}
		if err := tx.All(ctx, &rows, "SELECT id, head FROM projects"); err != nil {
			return nil, err
		}
		for _, row := range rows {
			projects[row.ID] = row.Head != ""
		}
	}
	return projects, w.json(ctx, headerMember, *h)
}

// tables writes the rows of a PostgreSQL database, all of one moment.
func (w *writer) tables(ctx context.Context, tx *db.Tx) (map[string]bool, error) {
	var err error
	if w.sum.Tables, err = db.Tables(ctx, tx); err != nil {
		return nil, err
	}
	projects, err := w.header(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, table := range w.sum.Tables {
		if err := w.table(ctx, tx, table); err != nil {
			return nil, err
		}
	}
	return projects, nil
}

// table writes one through a file, for a member's size stands before it.
func (w *writer) table(ctx context.Context, tx *db.Tx, table db.Table) error {
	f, err := os.CreateTemp(w.temp, "table-*")
	if err != nil {
		return fmt.Errorf("copy table: %w", err)
	}
	_, err = tx.CopyOut(ctx, table, f)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err == nil {
		_, err = w.file(ctx, tableFolder+table.Name, f)
	}
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// repositories writes the references and objects of the projects.
func (w *writer) repositories(ctx context.Context, projects map[string]bool, refs map[string][]repo.Reference) error {
	for _, id := range sorted(projects) {
		needed := projects[id]
		r, err := repo.InspectBare(w.gitDir(id)) //nolint:contextcheck // it bounds its own time
		if fault.CodeOf(err) == "repo.none" {
			if needed {
				return fmt.Errorf("copy repository of %s: %w", id, errMoved)
			}
			continue
		}
		if err != nil {
			return err
		}
		var text strings.Builder
		for _, ref := range refs[id] {
			text.WriteString(ref.Object + " " + ref.Name + "\n")
		}
		folder := repoFolder + id + "/"
		if _, err := w.add(ctx, folder+"refs", int64(text.Len()), strings.NewReader(text.String())); err != nil {
			return err
		}
		err = r.Objects(ctx, func(name string, f *os.File) error {
			_, err := w.file(ctx, folder+"objects/"+name, f)
			return err
		})
		if fault.CodeOf(err) == "repo.missing" {
			return fmt.Errorf("copy repository of %s: %w", id, errMoved)
		}
		if err != nil {
			return err
		}
		if _, err := os.Lstat(filepath.Join(w.gitDir(id), "HEAD")); err != nil {
			return fmt.Errorf("copy repository of %s: %w", id, errMoved) // it was being removed
		}
		w.sum.Repositories++
	}
	return nil
}

func (w *writer) blobs(ctx context.Context) error {
	return blob.View(filepath.Join(w.Data, "blobs")).Each(ctx, func(key string, f *os.File) error {
		sum, err := w.file(ctx, blobFolder+key, f)
		if err == nil && sum != key {
			w.sum.Damaged = append(w.sum.Damaged, key)
		}
		w.sum.Blobs++
		return err
	})
}

// key writes the key that signs access tokens, sealed, when there is one and a
// passphrase for it.
func (w *writer) key(ctx context.Context) error {
	key, err := os.ReadFile(filepath.Join(w.Data, keyFile))
	if errors.Is(err, fs.ErrNotExist) || w.Passphrase == "" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read access key: %w", err)
	}
	sealed, err := secret.Seal(w.Passphrase, key)
	if err != nil {
		return err
	}
	w.sum.Keys = true
	_, err = w.add(ctx, keyMember, int64(len(sealed)), bytes.NewReader(sealed))
	return err
}

// keyFile is the file of the data folder that holds the key.
const keyFile = "access.key"
