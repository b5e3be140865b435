package sandbox

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const openFiles = 16384

// limitProcess sets the limits that a process hands down to all it starts.
// Both marks are lowered, so that nothing inside can raise them again.
func limitProcess(pid int, l Limits, nproc bool) error {
	set := []struct {
		resource int
		value    uint64
	}{
		{unix.RLIMIT_FSIZE, uint64(l.FileBytes)},
		{unix.RLIMIT_NOFILE, openFiles},
		// One byte and not zero: with zero a crash still starts the host's
		// core dump handler, fed by whoever crashed.
		{unix.RLIMIT_CORE, 1},
	}
	if nproc {
		set = append(set, struct {
			resource int
			value    uint64
		}{unix.RLIMIT_NPROC, uint64(l.Processes) + 1})
	}
	for _, s := range set {
		var old unix.Rlimit
		if err := unix.Prlimit(pid, s.resource, nil, &old); err != nil {
			return fmt.Errorf("read limit %d: %w", s.resource, err)
		}
		v := min(s.value, old.Max)
		if err := unix.Prlimit(pid, s.resource, &unix.Rlimit{Cur: v, Max: v}, nil); err != nil {
			return fmt.Errorf("set limit %d: %w", s.resource, err)
		}
	}
	return nil
}

// countsPerSandbox reports whether RLIMIT_NPROC counts within one user
// namespace, as Linux does since 5.14, and not over all processes of the user;
// the root user is exempt from it.
func countsPerSandbox() bool {
	var u unix.Utsname
	if os.Geteuid() == 0 || unix.Uname(&u) != nil {
		return false
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 5 || major == 5 && minor >= 14
}

const sampleEvery = 100 * time.Millisecond

// sample stands in for a memory cgroup: it adds up what the processes below
// first hold for themselves and kills the sandbox when two samples in a row
// are over the limit (one may be the moment between a fork and its exec).
func sample(p *process, first int, limit int64, ended <-chan struct{}) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	over := false
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		if memoryBelow(first) <= limit {
			over = false
			continue
		}
		if over {
			p.oom.Store(true)
			p.kill()
			return
		}
		over = true
	}
}

// memoryBelow is the private memory in bytes of first and its descendants;
// orphans count, because inside a pid namespace they become children of first.
func memoryBelow(first int) int64 {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	children := map[int][]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if parent, err := parentOf(pid); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	var pages int64
	for todo := []int{first}; len(todo) > 0; {
		pid := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], children[pid]...)
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			continue
		}
		var size, resident, shared int64
		if _, err := fmt.Sscan(string(b), &size, &resident, &shared); err == nil {
			pages += resident - shared
		}
	}
	return pages * int64(os.Getpagesize())
}

// statFields returns the fields of /proc/PID/stat from the third on; the
// second, the name, may hold anything.
func statFields(pid int) ([]string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, fmt.Errorf("inspect process: %w", err)
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 20 {
		return nil, fmt.Errorf("inspect process %d: short stat line", pid)
	}
	return fields, nil
}

func parentOf(pid int) (int, error) {
	fields, err := statFields(pid)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(fields[1])
}

// startOf is the start time in clock ticks since the machine started.
func startOf(pid int) (string, error) {
	fields, err := statFields(pid)
	if err != nil {
		return "", err
	}
	return fields[19], nil
}
