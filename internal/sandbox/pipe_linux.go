package sandbox

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// pipe returns the two ends; ours can be given deadlines, theirs blocks as
// programs expect.
func pipe(oursReads bool) (ours, theirs *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("create pipe: %w", err)
	}
	mine, other := fds[1], fds[0]
	if oursReads {
		mine, other = fds[0], fds[1]
	}
	theirs = os.NewFile(uintptr(other), "pipe")
	if err := unix.SetNonblock(mine, true); err != nil {
		_ = theirs.Close()
		_ = unix.Close(mine)
		return nil, nil, fmt.Errorf("set pipe non-blocking: %w", err)
	}
	return os.NewFile(uintptr(mine), "pipe"), theirs, nil
}

// pipeIn adds a pipe the child reads and returns the end to write to.
func (t *table) pipeIn() (*os.File, error) { return t.pipe(false) }

// pipeOut adds a pipe the child writes and returns the end to read from.
func (t *table) pipeOut() (*os.File, error) { return t.pipe(true) }

func (t *table) pipe(oursReads bool) (*os.File, error) {
	ours, theirs, err := pipe(oursReads)
	if err != nil {
		return nil, err
	}
	t.add(theirs)
	return ours, nil
}

func last(t *table) string { return strconv.Itoa(len(t.files) - 1) }

func duplicate(f *os.File) (*os.File, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("reach descriptor: %w", err)
	}
	fd, derr := -1, error(nil)
	if err := raw.Control(func(old uintptr) { fd, derr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 3) }); err != nil {
		return nil, fmt.Errorf("reach descriptor: %w", err)
	}
	if derr != nil {
		return nil, fmt.Errorf("duplicate descriptor: %w", derr)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// same reports whether both writers are one; types that cannot be compared
// are not.
func same(a, b io.Writer) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	return a != nil && a == b
}
