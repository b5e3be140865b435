package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cgroups knows where this process may make control groups. The methods of a
// nil *cgroups make nil groups, and those of a nil *group do nothing.
type cgroups struct {
	// base is the parent folder by controller: memory, pids, cpu. With version
	// 1 it is the server's own group, so that limits set on the server hold
	// for its sandboxes too.
	base    map[string]string
	unified bool
	owner   string
}

// groupSeq numbers the groups of this process, over all its sandboxes.
var groupSeq atomic.Int64

// group is the control group of one run.
type group struct {
	of   *cgroups
	dirs map[string]string
	dir  *os.File // version 2: handle to clone into
}

var controllers = []string{"memory", "pids", "cpu"}

const groupPrefix = "layercake-"

// create makes the group of one run with its limits set.
func (c *cgroups) create(l Limits) (*group, error) {
	if c == nil {
		return nil, nil
	}
	g := &group{of: c, dirs: map[string]string{}}
	name := fmt.Sprintf("%s%s-%d", groupPrefix, c.owner, groupSeq.Add(1))
	for controller, base := range c.base {
		dir := filepath.Join(base, name)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			g.remove()
			return nil, fmt.Errorf("create cgroup: %w", err)
		}
		g.dirs[controller] = dir
		for _, s := range settings(controller, c.unified, l) {
			err := write(filepath.Join(dir, s.file), s.value)
			if err != nil && (!s.optional || !errors.Is(err, fs.ErrNotExist)) {
				g.remove()
				return nil, fmt.Errorf("limit cgroup: %w", err)
			}
		}
	}
	if c.unified {
		dir, err := os.Open(g.one())
		if err != nil {
			g.remove()
			return nil, fmt.Errorf("open cgroup: %w", err)
		}
		g.dir = dir
	}
	return g, nil
}

type setting struct {
	file, value string
	optional    bool
}

// ownProcesses are bubblewrap's two and the thread that starts them.
const ownProcesses = 3

func settings(controller string, unified bool, l Limits) []setting {
	const period = 100_000 // µs
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	quota := int64(-1)
	if l.CPUs > 0 {
		quota = max(1000, int64(l.CPUs*period))
	}
	switch {
	case controller == "pids":
		return []setting{{file: "pids.max", value: number(l.Processes + ownProcesses)}}
	case controller == "memory" && unified:
		return []setting{{file: "memory.max", value: number(l.Memory)}, {file: "memory.swap.max", value: "0", optional: true}}
	case controller == "memory":
		return []setting{{file: "memory.limit_in_bytes", value: number(l.Memory)}, {file: "memory.memsw.limit_in_bytes", value: number(l.Memory), optional: true}}
	case quota < 0:
		return nil
	case unified:
		return []setting{{file: "cpu.max", value: number(quota) + " " + number(period)}}
	default:
		return []setting{{file: "cpu.cfs_period_us", value: number(period)}, {file: "cpu.cfs_quota_us", value: number(quota)}}
	}
}

// one returns a folder of the group.
func (g *group) one() string {
	for _, name := range controllers {
		if dir, ok := g.dirs[name]; ok {
			return dir
		}
	}
	return ""
}

// limits reports whether the group has the controller.
func (g *group) limits(controller string) bool {
	if g == nil {
		return false
	}
	_, ok := g.dirs[controller]
	return ok
}

// prepare makes the child start inside the group (version 2).
func (g *group) prepare(attr *syscall.SysProcAttr) {
	if g != nil && g.dir != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(g.dir.Fd())
	}
}

// enter moves the calling thread into the group (version 1), for the child to
// be born there: no moment is left in which it could fork outside, and moving
// oneself is the one migration that takes no global lock.
func (g *group) enter() error {
	if g == nil || g.of.unified {
		return nil
	}
	for _, dir := range g.dirs {
		if err := write(filepath.Join(dir, "tasks"), "0"); err != nil {
			return errors.Join(fmt.Errorf("enter cgroup: %w", err), g.leave())
		}
	}
	return nil
}

// leave moves the calling thread back.
func (g *group) leave() error {
	if g == nil || g.of.unified {
		return nil
	}
	var errs []error
	for name := range g.dirs {
		if err := write(filepath.Join(g.of.base[name], "tasks"), "0"); err != nil {
			errs = append(errs, fmt.Errorf("leave cgroup: %w", err))
		}
	}
	return errors.Join(errs...)
}

// oomKilled reports whether the kernel killed a process of the group for memory.
func (g *group) oomKilled() bool {
	if !g.limits("memory") {
		return false
	}
	file := "memory.oom_control"
	if g.of.unified {
		file = "memory.events"
	}
	b, err := os.ReadFile(filepath.Join(g.dirs["memory"], file))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			return n != "0"
		}
	}
	return false
}

// kill ends whatever is left in the group.
func (g *group) kill() {
	if g != nil {
		killAll(g.one())
	}
}

// remove deletes the group, waiting for the last process to leave it.
func (g *group) remove() {
	if g == nil {
		return
	}
	if g.dir != nil {
		_ = g.dir.Close()
	}
	for _, dir := range g.dirs {
		removeGroup(dir, endDeadline)
	}
}

func removeGroup(dir string, patience time.Duration) {
	for wait := time.Millisecond; ; wait *= 2 {
		if err := unix.Rmdir(dir); !errors.Is(err, unix.EBUSY) || wait > patience {
			return
		}
		killAll(dir)
		time.Sleep(wait)
	}
}

func killAll(dir string) {
	if write(filepath.Join(dir, "cgroup.kill"), "1") == nil {
		return
	}
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return
	}
	for line := range strings.Lines(string(b)) {
		// A thread of this process may be passing through (enter).
		if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && pid > 1 && pid != os.Getpid() {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

func write(file, value string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", file, err)
	}
	defer shut(f)
	if _, err := f.WriteString(value); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
