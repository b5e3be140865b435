package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/job"
	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/secret"
)

// Target is where a backup is restored. The caller holds its locks.
type Target struct {
	Data       string // the data folder, which is there and empty but for its lock
	DB         *db.DB // an empty PostgreSQL database, nil for SQLite in the data folder
	Program    string // the version of this program
	Passphrase secret.Text
	Log        *slog.Logger

	onStep func(string) // in tests: dies where a process could
}

// step stands between two things of which a process that dies may have done the
// first alone.
func (t *Target) step(name string) {
	if t.onStep != nil {
		t.onStep(name)
	}
}

// While a restore is under way everything lies in the folder restoring of the
// data folder, and is moved out of it piece by piece. That folder is called
// restored from the moment in which all is in place.
const (
	restoring = "restoring"
	restored  = "restored"
)

// pieces are what a restore moves into the data folder; the database is the last.
var pieces = []string{"repos", "blobs", keyFile, databaseMember}

// Unfinished reports whether a restore into the data folder was begun and not
// ended: there is no instance in it yet.
func Unfinished(data string) bool {
	_, err := os.Lstat(filepath.Join(data, restoring))
	return err == nil
}

// Settle removes what a restore that ended has left in the data folder.
func Settle(data string) error { return repo.RemoveTree(filepath.Join(data, restored)) }

// Restore makes the instance of the backup at path again. fault.Conflict
// "data.not_empty" for a folder, and "db.not_empty" for a database, in which
// something is that no interrupted restore has left there; "backup.newer" for a
// backup of a newer LayerCake; fault.Invalid "backup.damaged" for one that cannot
// be believed, "backup.kind" for one of the other kind of database.
func Restore(ctx context.Context, path string, t Target) (Summary, error) {
	f, err := os.Open(path)
	if err != nil {
		return Summary{}, fault.Invalid("backup.absent", "The backup %s cannot be read. Check its name and its permissions.", path).Because(err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	if err := t.clear(ctx); err != nil {
		return Summary{}, err
	}
	if t.DB != nil {
		if err := t.DB.Restorable(ctx); err != nil {
			return Summary{}, err
		}
	}
	stage := filepath.Join(t.Data, restoring)
	if err := os.Mkdir(stage, 0o700); err != nil {
		return Summary{}, full(fmt.Errorf("make folder: %w", err))
	}
	sum, err := t.stage(ctx, f, stage)
	if err != nil {
		return sum, errors.Join(err, repo.RemoveTree(stage)) // nothing has left that folder
	}
	t.step("staged")
	return sum, full(t.place(ctx, stage, &sum))
}

// clear refuses a place in which something is, but for what a restore left there
// that never ended.
func (t *Target) clear(ctx context.Context) error {
	entries, err := os.ReadDir(t.Data)
	if err != nil {
		return fmt.Errorf("look into data folder: %w", err)
	}
	begun := Unfinished(t.Data)
	if _, err := os.Lstat(filepath.Join(t.Data, restored)); err == nil && t.DB != nil {
		open, err := t.DB.Restoring(ctx) // the database is what ends last
		if err != nil {
			return err
		}
		begun = begun || open
	}
	for _, e := range entries {
		known := e.Name() == "lock" || begun && (slices.Contains(pieces, e.Name()) || e.Name() == restoring || e.Name() == restored)
		if !known {
			return fault.Conflict("data.not_empty", "The folder %s is not empty: it holds %q. A backup is restored into an empty folder. Name one in --data.", t.Data, e.Name())
		}
	}
	if !begun {
		return nil
	}
	for _, name := range append([]string{restored}, pieces...) { // the mark goes last
		if err := repo.RemoveTree(filepath.Join(t.Data, name)); err != nil {
			return err
		}
	}
	return repo.RemoveTree(filepath.Join(t.Data, restoring))
}

// stage unpacks and checks everything that can be checked without a database.
func (t *Target) stage(ctx context.Context, f io.Reader, stage string) (Summary, error) {
	queue, err := job.Newest()
	if err != nil {
		return Summary{}, err
	}
	sum, err := unpack(ctx, f, stage, t.Passphrase, func(h Header) error {
		switch {
		case h.Schema > db.Newest() || h.Queue > queue:
			return fault.Conflict("backup.newer", "The backup was written by LayerCake %s with schema version %d, and this program (%s) knows versions up to %d. Restore it with that version of LayerCake or a newer one.",
				shorten(h.Program), h.Schema, t.Program, db.Newest())
		case h.Schema < 1 || h.Queue < 0:
			return damaged("its schema has the version %d", h.Schema)
		case h.Database == db.Postgres && t.DB == nil:
			return fault.Invalid("backup.kind", "This is the backup of a PostgreSQL database. Name an empty PostgreSQL database in DATABASE_URL to restore it into.")
		case h.Database == db.SQLite && t.DB != nil:
			return fault.Invalid("backup.kind", "This is the backup of an SQLite database, which cannot be restored into PostgreSQL. Unset DATABASE_URL to restore it into the data folder.")
		}
		return nil
	})
	if err != nil || t.DB != nil {
		return sum, err
	}
	return sum, checkSQLite(ctx, filepath.Join(stage, databaseMember), sum.Header)
}

// checkSQLite looks whether a file is the database that the header describes.
func checkSQLite(ctx context.Context, path string, h Header) (err error) {
	d, err := db.Open(ctx, db.Config{Path: path, ReadOnly: true})
	if err != nil {
		return foreign(err)
	}
	err = d.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		plain, err := db.Plain(ctx, tx)
		if err == nil && !plain {
			err = damaged("its database holds more than tables and indexes")
		}
		if err != nil {
			return err
		}
		return compare(ctx, tx, h)
	})
	err = errors.Join(err, d.Close())
	for _, name := range []string{path + "-wal", path + "-shm"} { // what reading lays beside it
		if gone := os.Remove(name); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

func compare(ctx context.Context, tx *db.Tx, h Header) error {
	var found Header
	if err := describe(ctx, tx, &found); err != nil {
		return damaged("its database cannot be read").Because(err)
	}
	if !h.same(found) {
		return damaged("its database is not the one that its header describes")
	}
	return nil
}

// place makes an instance of what was unpacked.
func (t *Target) place(ctx context.Context, stage string, sum *Summary) error {
	if t.DB != nil {
		if err := t.fill(ctx, stage, sum.Header); err != nil {
			return err
		}
		t.step("filled")
		if err := repo.RemoveTree(filepath.Join(stage, "tables")); err != nil {
			return err
		}
	}
	if err := syncDisk(stage); err != nil {
		return err
	}
	for _, name := range pieces {
		err := os.Rename(filepath.Join(stage, name), filepath.Join(t.Data, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("put %s in place: %w", name, err)
		}
		t.step("placed " + name)
	}
	if err := syncDisk(t.Data); err != nil {
		return err
	}
	if err := os.Rename(stage, filepath.Join(t.Data, restored)); err != nil {
		return fmt.Errorf("finish restore: %w", err)
	}
	for _, dir := range []string{t.Data, filepath.Dir(t.Data)} {
		if err := syncFolder(dir); err != nil {
			return err
		}
	}
	t.step("restored")
	if t.DB != nil {
		if err := t.DB.EndRestore(ctx); err != nil {
			return err
		}
		t.step("ended")
	}
	return Settle(t.Data)
}

// fill makes the tables as they were and fills them, all rows in one transaction.
func (t *Target) fill(ctx context.Context, stage string, h Header) error {
	if err := t.DB.BeginRestore(ctx); err != nil {
		return err
	}
	t.step("begun")
	if err := t.DB.MigrateTo(ctx, h.Schema); err != nil {
		return err
	}
	t.step("migrated")
	if h.Queue > 0 {
		if err := job.NewQueue(t.DB, job.Options{Logger: t.Log}).MigrateTo(ctx, h.Queue); err != nil {
			return err
		}
	}
	t.step("queue migrated")
	return t.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		tables, err := db.Tables(ctx, tx)
		if err != nil {
			return err
		}
		for i, table := range tables {
			at := slices.IndexFunc(h.Tables, func(other db.Table) bool { return other.Name == table.Name })
			if at < 0 || len(h.Tables) != len(tables) || !sameColumns(table.Columns, h.Tables[at].Columns) {
				return damaged("its tables are not those of schema version %d", h.Schema)
			}
			tables[i].Columns = h.Tables[at].Columns // in their order
		}
		err = db.Fill(ctx, tx, tables, func(table string) (io.ReadCloser, error) { return os.Open(filepath.Join(stage, "tables", table)) })
		if err != nil {
			return err
		}
		return compare(ctx, tx, h)
	})
}

func sameColumns(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
