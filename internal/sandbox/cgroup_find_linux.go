package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// findCgroups returns nil when no useful controller can be had. It removes the
// groups of servers that died.
func findCgroups() *cgroups {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	owner, err := ownerName()
	if err != nil {
		return nil
	}
	c := &cgroups{base: map[string]string{}, owner: owner}
	hierarchies := parseHierarchies(string(mounts), string(own))
	for _, name := range controllers {
		if dir, ok := hierarchies[name]; ok && usable(dir, name, false) {
			c.base[name] = dir
		}
	}
	if dir, ok := hierarchies[unifiedName]; ok && len(c.base) == 0 {
		if base := unifiedBase(dir, hierarchies[unifiedRoot], groupPrefix+owner+"-server"); base != "" {
			c.unified = true
			for _, name := range controllers {
				if usable(base, name, true) {
					c.base[name] = base
				}
			}
		}
	}
	if len(c.base) == 0 {
		return nil
	}
	for _, dir := range c.base {
		removeStale(dir)
	}
	return c
}

const (
	unifiedName = "unified"
	unifiedRoot = "unified root"
)

// parseHierarchies maps each version 1 controller, and the unified hierarchy,
// to the folder of the group this process is in.
func parseHierarchies(mountinfo, self string) map[string]string {
	paths := map[string]string{}
	for line := range strings.Lines(self) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 {
			continue
		}
		if parts[1] == "" {
			paths[unifiedName] = parts[2]
		}
		for name := range strings.SplitSeq(parts[1], ",") {
			paths[name] = parts[2]
		}
	}
	found := map[string]string{}
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 5 || len(right) < 3 {
			continue
		}
		root, at := left[3], left[4]
		switch right[0] {
		case "cgroup2":
			if p, ok := paths[unifiedName]; ok {
				found[unifiedName], found[unifiedRoot] = groupDir(at, root, p), at
			}
		case "cgroup":
			for name := range strings.SplitSeq(right[2], ",") {
				if p, ok := paths[name]; ok && slices.Contains(controllers, name) {
					found[name] = groupDir(at, root, p)
				}
			}
		}
	}
	return found
}

// groupDir is where the group p shows under a mount of the hierarchy's root;
// a group outside the mount (another cgroup namespace) shows at its top.
func groupDir(mountedAt, root, p string) string {
	if root == "/" {
		return filepath.Join(mountedAt, p)
	}
	if within(p, root) {
		return filepath.Join(mountedAt, strings.TrimPrefix(p, root))
	}
	return mountedAt
}

// usable tries whether a group with the controller can be made in dir.
func usable(dir, controller string, unified bool) bool {
	trial := filepath.Join(dir, fmt.Sprintf("%strial-%d-%d", groupPrefix, os.Getpid(), unix.Gettid()))
	if err := os.Mkdir(trial, 0o755); err != nil {
		return false
	}
	defer func() { _ = unix.Rmdir(trial) }()
	file := map[string]string{"memory": "memory.limit_in_bytes", "pids": "pids.max", "cpu": "cpu.cfs_quota_us"}[controller]
	if unified {
		file = map[string]string{"memory": "memory.max", "pids": "pids.max", "cpu": "cpu.max"}[controller]
	}
	return unix.Access(filepath.Join(trial, file), unix.W_OK) == nil
}

// ownerName tells this process from every other that makes groups here: its
// pid namespace, number and start time.
func ownerName() (string, error) {
	var ns unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &ns); err != nil {
		return "", fmt.Errorf("inspect pid namespace: %w", err)
	}
	started, err := startOf(os.Getpid())
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d-%d-%s", ns.Ino, os.Getpid(), started), nil
}

// removeStale deletes the groups of servers of this pid namespace that are
// gone, with whatever still runs in them.
func removeStale(base string) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), groupPrefix)
		if !ok || !e.IsDir() || ownerAlive(name) {
			continue
		}
		dir := filepath.Join(base, e.Name())
		killAll(dir)
		removeGroup(dir, 100*time.Millisecond)
	}
}

// ownerAlive is true also for names it cannot judge.
func ownerAlive(name string) bool {
	parts := strings.Split(name, "-")
	if len(parts) != 4 {
		return true
	}
	ns, err1 := strconv.ParseUint(parts[0], 10, 64)
	pid, err2 := strconv.ParseUint(parts[1], 10, 31)
	var mine unix.Stat_t
	if err1 != nil || err2 != nil || unix.Stat("/proc/self/ns/pid", &mine) != nil || ns != mine.Ino {
		return true
	}
	started, err := startOf(int(pid))
	return err == nil && started == parts[2]
}
