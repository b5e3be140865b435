package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/layercake-app/layercake/internal/backup"
	"github.com/layercake-app/layercake/internal/bundle"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/repo"
)

// Backup writes the instance that the settings name into a file, whether or not
// another process is at work in it.
func Backup(ctx context.Context, s Settings, path string) (backup.Summary, error) {
	data, err := filepath.Abs(s.Data)
	if err != nil {
		return backup.Summary{}, fmt.Errorf("resolve data folder: %w", err)
	}
	if backup.Unfinished(data) {
		return backup.Summary{}, unrestored(data)
	}
	d, err := OpenDatabase(ctx, s)
	if err != nil {
		return backup.Summary{}, err
	}
	if _, err := d.Status(ctx); err != nil { // a newer one, or one that is not restored yet
		return backup.Summary{}, errors.Join(namingWriter(data, err), d.Close())
	}
	sum, err := backup.Create(ctx, path, backup.Source{DB: d, Data: data, Program: s.Program, Passphrase: s.Passphrase})
	return sum, errors.Join(err, d.Close())
}

// Restore makes the instance of a backup again in the data folder, which must be
// missing or empty, and in the PostgreSQL database that the settings name, if they
// name one, which must be empty. Nobody else uses them meanwhile.
func Restore(ctx context.Context, s Settings, path string, log *slog.Logger) (sum backup.Summary, err error) {
	data, err := filepath.Abs(s.Data)
	if err != nil {
		return sum, fmt.Errorf("resolve data folder: %w", err)
	}
	_, missing := os.Lstat(data)
	if err := os.MkdirAll(data, 0o700); err != nil {
		return sum, fault.Unavailable("data.folder", "The data folder %s cannot be made. Name another one with --data.", data).Because(err)
	}
	_, unlocked := os.Lstat(filepath.Join(data, "lock"))
	lock, err := takeFolder(data)
	if err != nil {
		return sum, err
	}
	defer func() {
		if err != nil && !backup.Unfinished(data) { // nothing was begun: leave it as it was
			if errors.Is(unlocked, fs.ErrNotExist) {
				err = errors.Join(err, os.Remove(lock.Name()))
			}
			if errors.Is(missing, fs.ErrNotExist) {
				err = errors.Join(err, os.Remove(data))
			}
		}
		err = errors.Join(err, lock.Close())
	}()
	t := backup.Target{Data: data, Program: s.Program, Passphrase: s.Passphrase, Log: log}
	if s.DatabaseURL.Reveal() == "" {
		return backup.Restore(ctx, path, t)
	}
	if t.DB, err = OpenDatabase(ctx, s); err != nil {
		return sum, err
	}
	release, err := LockDatabase(ctx, t.DB)
	if err != nil {
		return sum, errors.Join(err, t.DB.Close())
	}
	sum, err = backup.Restore(ctx, path, t)
	release()
	return sum, errors.Join(err, t.DB.Close())
}

// Verify checks the evidence of the instance that the settings name, as it is in
// the database and the data folder.
func Verify(ctx context.Context, s Settings) (report bundle.Report, err error) {
	opt := bundle.Options{Young: true}
	if s.DatabaseURL.Reveal() == "" {
		return bundle.Verify(ctx, s.Data, opt)
	}
	d, err := OpenDatabase(ctx, s)
	if err != nil {
		return report, err
	}
	report, err = bundle.VerifyData(ctx, d, s.Data, opt)
	return report, errors.Join(err, d.Close())
}

// writerFile is the file of the data folder that says which version of LayerCake
// used the folder and its database last.
const writerFile = "written-by"

// noteWriter keeps the version of this program, so that an older one can say which
// it was.
func noteWriter(data, version string) error {
	path := filepath.Join(data, writerFile)
	if old, err := os.ReadFile(path); version == "" || err == nil && string(old) == version+"\n" {
		return nil
	}
	err := os.WriteFile(path+".new", []byte(version+"\n"), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return repo.Full(fmt.Errorf("note version: %w", err))
	}
	return nil
}

// namingWriter adds to the refusal of a newer database which version wrote it.
func namingWriter(data string, err error) error {
	f, ok := fault.As(err)
	if !ok || f.Code != "db.newer" {
		return err
	}
	version, unread := os.ReadFile(filepath.Join(data, writerFile))
	if unread != nil {
		return err
	}
	return fault.Conflict(f.Code, "%s It was LayerCake %s.", f.Message, strings.TrimSpace(string(version[:min(len(version), 80)]))).Because(err)
}

// Outdated reports whether a backup was of an earlier schema, which the next start
// brings to that of this program.
func Outdated(sum backup.Summary) bool { return sum.Schema < db.Newest() }
