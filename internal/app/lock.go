package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/layercake-app/layercake/internal/fault"
)

// lockFolder takes the data folder for this process. The kernel gives the lock
// back when the process ends, however it ends.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.Unavailable("data.folder", "The data folder %s cannot be written. Name another one with --data.", dir).Because(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
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
