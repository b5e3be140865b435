package repo

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// openFlags keep a named pipe that takes a file's place from blocking us.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOCTTY

// lockRoot takes the lock on the folder root, which ends with the process; nil
// when another process holds it.
func lockRoot(root string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(root, ".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, f.Close()
	}
	return nil, errorsJoinClose(err, f)
}

// lockFolder takes the lock on a folder, which ends with the process; nil when
// another process holds it. A file system without locks is believed to have one
// user.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, f.Close()
	}
	return f, nil
}

// unlockFolder gives the lock back at once, also while a program that is just
// being started still holds a copy of f.
func unlockFolder(f *os.File) error {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) // fails where there are no locks
	return f.Close()
}

// stampOf returns what changes whenever the file behind info changes; ok is
// false when the file system does not tell.
func stampOf(info fs.FileInfo) (s stamp, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return stamp{}, false
	}
	return stamp{size: st.Size, mode: st.Mode, inode: st.Ino, device: uint64(st.Dev), modified: st.Mtim.Nano(), changed: st.Ctim.Nano()}, true
}
