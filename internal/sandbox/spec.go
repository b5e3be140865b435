package sandbox

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
)

// Spec is one command and all it may see and use.
type Spec struct {
	// Argv is the program, looked up on the sandbox's PATH, and its arguments.
	Argv []string
	// Dir is the working folder inside; empty means "/tmp".
	Dir string
	// Mounts are the host folders and files the command sees.
	Mounts []Mount
	// Tools are programs to have on the PATH, as found by Sandbox.Tool.
	Tools []Tool
	// Env is the whole environment as "NAME=value", added to PATH, HOME,
	// TMPDIR, USER and LANG, which it may override.
	Env []string
	// Stdin is copied to the command; nil is empty. A Read that never returns
	// outlives the run.
	Stdin io.Reader
	// Stdout and Stderr receive the output, never more than Limits.Output
	// bytes together and never two writes at once; nil discards it.
	Stdout, Stderr io.Writer
	// Limits bound the run; a zero field takes its value of DefaultLimits.
	Limits Limits
}

// Mount makes the host's folder or file Host visible at Inside, read-only
// unless Writable. The last element of Host must not be a symbolic link, and
// Host must not lie in a folder that a running sandbox can write to. Only the
// size of each file in a writable mount is limited, not their sum.
type Mount struct {
	Host, Inside string
	Writable     bool
}

// Limits bound one run. Zero fields take the values of DefaultLimits.
type Limits struct {
	// Time is wall-clock time from the start of the command.
	Time time.Duration
	// Memory is the total of all processes in bytes, files in /tmp included.
	Memory int64
	// Processes is the number of processes and threads at one time.
	Processes int64
	// CPUs is the number of processors' worth of time; 0 sets no quota.
	CPUs float64
	// Output is the bytes of stdout and stderr together.
	Output int64
	// TmpBytes is the size of /tmp in bytes; it counts as memory.
	TmpBytes int64
	// FileBytes is the size of a single file in bytes.
	FileBytes int64
}

// Result says how a run ended.
type Result struct {
	// ExitCode is the command's own, 128+n after signal n, and 137 when it
	// passed the limit on time or output.
	ExitCode int
	// TimedOut, OOM and OutputCut name the limit that was passed. After OOM
	// the command itself may have lived on without the process it lost.
	TimedOut, OOM, OutputCut bool
	Duration                 time.Duration
	Isolation                Isolation
}

const (
	kib = int64(1) << 10
	mib = kib << 10
	gib = mib << 10
)

// DefaultLimits returns what a zero field of Limits means: ten minutes, 2 GiB
// of memory, 512 processes, no CPU quota, 16 MiB of output, a /tmp of 512 MiB
// and files of 1 GiB.
func DefaultLimits() Limits {
	return Limits{
		Time: 10 * time.Minute, Memory: 2 * gib, Processes: 512,
		Output: 16 * mib, TmpBytes: 512 * mib, FileBytes: gib,
	}
}

func (l Limits) orDefaults() Limits {
	d := DefaultLimits()
	l.Time = cmp.Or(l.Time, d.Time)
	l.Memory = cmp.Or(l.Memory, d.Memory)
	l.Processes = cmp.Or(l.Processes, d.Processes)
	l.Output = cmp.Or(l.Output, d.Output)
	l.TmpBytes = cmp.Or(l.TmpBytes, d.TmpBytes)
	l.FileBytes = cmp.Or(l.FileBytes, d.FileBytes)
	return l
}

func (l Limits) check() error {
	if l.Time < 0 || l.Memory < 0 || l.Processes < 0 || l.CPUs < 0 || l.Output < 0 || l.TmpBytes < 0 || l.FileBytes < 0 {
		return fault.Invalid("sandbox.limits", "A sandbox limit is negative. Use 0 for the default, or a positive value.")
	}
	return nil
}

// checked returns the spec with defaults filled in, tools resolved into mounts
// and PATH, and everything the command line will rely on verified.
func (s Spec) checked() (Spec, error) {
	if err := s.Limits.check(); err != nil {
		return Spec{}, err
	}
	s.Limits = s.Limits.orDefaults()
	if len(s.Argv) == 0 || s.Argv[0] == "" {
		return Spec{}, fault.Invalid("sandbox.argv", "The command is empty. Name the program to run first.")
	}
	s.Dir = cmp.Or(s.Dir, "/tmp")
	if !path.IsAbs(s.Dir) {
		return Spec{}, fault.Invalid("sandbox.dir", "The working folder %q must be an absolute path inside the sandbox.", s.Dir)
	}
	searchPath := systemPath
	s.Mounts = slices.Clone(s.Mounts)
	for _, t := range slices.Backward(s.Tools) {
		s.Mounts = append(s.Mounts, t.Mounts...)
		if dir := path.Dir(t.Path); !slices.Contains(filepath.SplitList(searchPath), dir) {
			searchPath = dir + ":" + searchPath
		}
	}
	s.Env = append([]string{
		"PATH=" + searchPath, "HOME=/tmp", "TMPDIR=/tmp", "USER=sandbox", "LANG=C.UTF-8",
	}, s.Env...)
	if err := checkStrings(s); err != nil {
		return Spec{}, err
	}
	mounts, err := checkMounts(s.Mounts)
	s.Mounts = mounts
	return s, err
}

func checkStrings(s Spec) error {
	for _, v := range slices.Concat(s.Argv, s.Env, []string{s.Dir}) {
		if strings.ContainsRune(v, 0) {
			return fault.Invalid("sandbox.argv", "The command, its environment or its folder contains a NUL character. Remove it.")
		}
	}
	for _, v := range s.Env {
		if strings.IndexByte(v, '=') <= 0 {
			return fault.Invalid("sandbox.env", "The environment entry %q must have the form NAME=value.", v)
		}
	}
	return nil
}

// checkMounts orders the mounts so that a parent comes before what is mounted
// inside it, and refuses those that could reach outside.
func checkMounts(mounts []Mount) ([]Mount, error) {
	sorted := slices.Clone(mounts)
	slices.SortStableFunc(sorted, func(a, b Mount) int { return strings.Compare(a.Inside, b.Inside) })
	sorted = slices.Compact(sorted)
	for i, m := range sorted {
		if err := checkMount(m); err != nil {
			return nil, err
		}
		if i > 0 && sorted[i-1].Inside == m.Inside {
			return nil, badMount(m, "something else is mounted at the same place")
		}
		for _, outer := range sorted[:i] {
			if err := checkNested(outer, m); err != nil {
				return nil, err
			}
		}
	}
	return sorted, nil
}

func checkMount(m Mount) error {
	if strings.ContainsRune(m.Host+m.Inside, 0) {
		return badMount(m, "its path contains a NUL character")
	}
	if !filepath.IsAbs(m.Host) || filepath.Clean(m.Host) != m.Host || !path.IsAbs(m.Inside) || path.Clean(m.Inside) != m.Inside {
		return badMount(m, "both paths must be absolute and without \"..\", \".\" or doubled slashes")
	}
	for _, reserved := range []string{"/proc", "/dev", "/sys"} {
		if within(m.Inside, reserved) || within(m.Host, reserved) {
			return badMount(m, reserved+" belongs to the system")
		}
	}
	for _, reserved := range []string{"/", "/usr", "/etc", "/bin", "/sbin", "/lib", "/lib64", "/tmp", "/run", "/var"} {
		if m.Inside == reserved || m.Host == "/" {
			return badMount(m, "a system folder cannot be replaced or given away whole")
		}
	}
	info, err := os.Lstat(m.Host)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return badMount(m, "it does not exist")
	case err != nil:
		return fault.Invalid("sandbox.mount", "The folder %s cannot be mounted: it cannot be read.", m.Host).Because(err)
	case info.Mode()&fs.ModeSymlink != 0:
		return badMount(m, "it is a symbolic link; name the folder itself")
	case !info.IsDir() && !info.Mode().IsRegular():
		return badMount(m, "it is neither a folder nor a file")
	}
	return nil
}

// checkNested refuses a mount point inside another mount that leads through a
// symbolic link: whoever wrote that link would choose where the host creates
// the mount point.
func checkNested(outer, inner Mount) error {
	if !within(inner.Inside, outer.Inside) {
		return nil
	}
	at := outer.Host
	rel := strings.TrimPrefix(inner.Inside, outer.Inside)
	for _, part := range strings.Split(strings.Trim(rel, "/"), "/") {
		at = filepath.Join(at, part)
		info, err := os.Lstat(at)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fault.Invalid("sandbox.mount", "The mount point %s cannot be read.", inner.Inside).Because(err)
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			return badMount(inner, "its mount point leads through a symbolic link in "+outer.Inside)
		}
	}
	return nil
}

func within(p, dir string) bool {
	return p == dir || strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}

func badMount(m Mount, why string) error {
	return fault.Invalid("sandbox.mount", "%s cannot be mounted at %s: %s.", m.Host, m.Inside, why)
}
