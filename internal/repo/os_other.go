//go:build !linux

package repo

import (
	"io/fs"
	"os"
)

const openFlags = 0

// lockRoot believes that no other process uses root: only Linux is asked.
func lockRoot(string) (*os.File, error) { return os.Open(os.DevNull) }

// lockFolder believes that no other process is at work in dir.
func lockFolder(dir string) (*os.File, error) { return os.Open(dir) }

func unlockFolder(f *os.File) error { return f.Close() }

// stampOf knows no time of change that a program cannot set, so every file is
// read again at each commit.
func stampOf(fs.FileInfo) (s stamp, ok bool) { return stamp{}, false }
