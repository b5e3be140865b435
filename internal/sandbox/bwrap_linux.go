package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// job is one checked command on its way into bubblewrap.
type job struct {
	spec Spec
	// meter guards spec.Stdout and spec.Stderr.
	meter *meter
	// inherit is handed to the command as file descriptor 3.
	inherit *os.File
}

// etc is the /etc of every sandbox.
var etc = []struct{ path, content string }{
	{"/etc/passwd", "root:x:0:0:root:/:/usr/sbin/nologin\nsandbox:x:1000:1000:sandbox:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"},
	{"/etc/group", "root:x:0:\nsandbox:x:1000:\nnogroup:x:65534:\n"},
	{"/etc/hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n"},
	{"/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"},
}

// table collects the files a child inherits, numbered from 0.
type table struct {
	files []*os.File
}

func (t *table) add(f *os.File) string {
	t.files = append(t.files, f)
	return strconv.Itoa(len(t.files) - 1)
}

// data adds a file that holds b and ends there.
func (t *table) data(name string, b []byte) (string, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return "", fmt.Errorf("create memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	number := t.add(f)
	if _, err := f.Write(b); err != nil {
		return "", fmt.Errorf("write memory file: %w", err)
	}
	if _, err := f.Seek(0, 0); err != nil {
		return "", fmt.Errorf("rewind memory file: %w", err)
	}
	return number, nil
}

func (t *table) close() {
	for _, f := range t.files {
		_ = f.Close()
	}
}

// control are the descriptors by which bubblewrap is supervised.
type control struct{ status, block, sync string }

// arguments returns bubblewrap's command line. The options go through a memory
// file, so that host paths and the command's environment do not show in the
// process list of the host, nor in /proc/1/cmdline inside.
func arguments(j job, t *table, c control) ([]string, error) {
	opts := []string{
		"--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session",
		"--cap-drop", "ALL", "--clearenv", "--uid", "1000", "--gid", "1000", "--hostname", "sandbox",
		"--json-status-fd", c.status, "--block-fd", c.block,
		// Held by the sandbox's first process alone: should the server die now,
		// the block above must not read end-of-file and let the command go.
		"--sync-fd", c.sync,
	}
	if f := filter(); f != nil {
		fd, err := t.data("seccomp", f)
		if err != nil {
			return nil, err
		}
		opts = append(opts, "--seccomp", fd)
	}
	opts = append(opts, "--ro-bind", "/usr", "/usr")
	system, err := systemLinks()
	if err != nil {
		return nil, err
	}
	opts = append(opts, system...)
	for _, f := range etc {
		fd, err := t.data(f.path, []byte(f.content))
		if err != nil {
			return nil, err
		}
		opts = append(opts, "--perms", "0444", "--file", fd, f.path)
	}
	tmp := strconv.FormatInt(j.spec.Limits.TmpBytes, 10)
	opts = append(opts,
		"--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache",
		"--ro-bind-try", "/etc/alternatives", "/etc/alternatives",
		// Read-only as a whole: to the kernel a command of the root user owns
		// /proc/sys and could set core_pattern.
		"--proc", "/proc", "--remount-ro", "/proc",
		"--dev", "/dev", "--size", strconv.FormatInt(min(j.spec.Limits.TmpBytes, 64*mib), 10), "--perms", "1777", "--tmpfs", "/dev/shm",
		"--size", tmp, "--perms", "1777", "--tmpfs", "/tmp",
		"--dir", "/run", "--dir", "/home", "--dir", "/var", "--symlink", "../tmp", "/var/tmp",
	)
	for _, m := range j.spec.Mounts {
		opts = append(opts, cmp.Or(map[bool]string{true: "--bind"}[m.Writable], "--ro-bind"), m.Host, m.Inside)
	}
	opts = append(opts, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", j.spec.Dir)
	for _, v := range j.spec.Env {
		name, value, _ := strings.Cut(v, "=")
		opts = append(opts, "--setenv", name, value)
	}
	fd, err := t.data("arguments", []byte(strings.Join(opts, "\x00")+"\x00"))
	if err != nil {
		return nil, err
	}
	return append([]string{"bwrap", "--args", fd, "--"}, j.spec.Argv...), nil
}

// systemLinks shows the folders beside /usr the way the host has them: links
// into /usr, or real folders on older systems.
func systemLinks() ([]string, error) {
	var opts []string
	for _, dir := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"} {
		info, err := os.Lstat(dir)
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return nil, fmt.Errorf("inspect %s: %w", dir, err)
		case info.Mode()&os.ModeSymlink == 0:
			opts = append(opts, "--ro-bind", dir, dir)
			continue
		}
		target, err := os.Readlink(dir)
		if err != nil {
			return nil, fmt.Errorf("read link %s: %w", dir, err)
		}
		if filepath.IsAbs(target) {
			target = target[1:]
		}
		opts = append(opts, "--symlink", target, dir)
	}
	return opts, nil
}
