package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layercake-app/layercake/internal/backup"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/repo"
)

// lockFolder takes the data folder for this process, unless it is not restored
// yet. The kernel gives the lock back when the process ends, however it ends.
func lockFolder(dir string) (*os.File, error) {
	f, err := takeFolder(dir)
	if err == nil && backup.Unfinished(dir) {
		return nil, errors.Join(unrestored(dir), f.Close())
	}
	return f, err
}

func unrestored(dir string) error {
	return fault.Conflict("data.restoring", "A restore into %s was interrupted, and there is no instance in it yet. Run the same `layercake restore` again; it begins anew.", dir)
}

func takeFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.Unavailable("data.folder", "The data folder %s cannot be written. Name another one with --data.", dir).Because(err)
	}
	if err := patiently(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
		holder, _ := io.ReadAll(f)
		err = errors.Join(err, f.Close())
		return nil, fault.Conflict("data.locked", "The data folder %s is used by another LayerCake process%s. Wait for it, stop it, or name another folder with --data.", dir, by(string(holder))).Because(err)
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(fmt.Errorf("write lock: %w", err), f.Close())
	}
	if _, err := f.WriteAt([]byte(fmt.Sprintf("%d\n", os.Getpid())), 0); err != nil {
		return nil, errors.Join(fault.Full("data.full", "The data folder %s cannot be written. Free some space, or name another folder with --data.", dir).Because(err), f.Close())
	}
	return f, nil
}

// patience is how long a lock is waited for: a process that was killed may have
// children that end a little later.
const patience = 3 * time.Second

// patiently tries fn again and again until it succeeds or patience has run out. A
// fault is an answer, and not asked for again.
func patiently(fn func() error) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		err := fn()
		if _, answered := fault.As(err); err == nil || answered || time.Now().After(deadline) {
			return err
		}
	}
}

var errTaken = errors.New("another process holds the lock")

// LockDatabase makes sure that no other process carries the projects of the
// database or changes its schema, until release is called.
func LockDatabase(ctx context.Context, d *db.DB) (release func(), err error) {
	err = patiently(func() error {
		free, ok, err := d.LockInstance(ctx)
		if err == nil && !ok {
			return errTaken
		}
		release = free
		return err
	})
	if errors.Is(err, errTaken) {
		return nil, fault.Conflict("db.locked", "The database is used by another LayerCake process. Wait for it, stop it, or name another database in DATABASE_URL.").Because(err)
	}
	return release, err
}

// openRepos opens the repositories of the data folder, which no other process may
// use, and looks whether those of the database's projects are there.
func (a *App) openRepos(ctx context.Context, dir string) error {
	err := patiently(func() error { //nolint:contextcheck // opening bounds its own time: it must end also when the caller is gone
		s, err := repo.Open(dir)
		if err != nil {
			return err
		}
		if !s.Owned() {
			return errors.Join(errTaken, s.Close())
		}
		a.Repos = s
		return nil
	})
	if errors.Is(err, errTaken) {
		return fault.Conflict("data.locked", "The repositories in %s are used by another LayerCake process. Wait for it, or stop it.", dir).Because(err)
	}
	if err != nil {
		return err
	}
	var all []project.Project
	err = a.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		all, err = project.List(ctx, tx)
		return err
	})
	for _, p := range all {
		if p.Head != "" && !a.Repos.Has(p.ID) {
			return fault.Conflict("data.other", "The database holds the project %q (%s), and its repository is not in %s. Name the data folder that this database was used with in --data.", p.Name, p.ID, dir)
		}
	}
	return err
}

func by(holder string) string {
	if pid := strings.TrimSpace(holder); pid != "" {
		return " (process " + pid + ")"
	}
	return ""
}

// LockData takes a data folder, made if it is missing, for a command that works
// on its database alone. It returns the unlock.
func LockData(dir string) (func() error, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Unavailable("data.folder", "The data folder %s cannot be made. Name another one with --data.", dir).Because(err)
	}
	f, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	return f.Close, nil
}
