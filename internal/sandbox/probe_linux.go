package sandbox

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/layercake-app/layercake/internal/fault"
)

const install = "Install it (Debian, Ubuntu: apt-get install bubblewrap; Fedora: dnf install bubblewrap) and restart."

// probe finds bubblewrap and what it may do here by running a command in it.
func probe(ctx context.Context, searchPath string) (*engine, Isolation, *fault.Error) {
	bwrap := lookUp("bwrap", searchPath)
	if bwrap == "" {
		return nil, Isolation{}, fault.Unavailable("sandbox.missing",
			"Commands cannot run: bubblewrap, which isolates them, is not installed. %s", install)
	}
	e := &engine{bwrap: bwrap, groups: findCgroups(), nproc: countsPerSandbox()}
	needed, possible := canSealDevices()
	e.seal = needed && possible
	version, err := e.try(ctx)
	if err != nil && e.groups != nil {
		// A group that can be made cannot always be entered.
		e.groups = nil
		version, err = e.try(ctx)
	}
	if err != nil {
		return nil, Isolation{}, fault.Unavailable("sandbox.missing",
			"Commands cannot run: bubblewrap does not work on this machine. %s", hint(err)).Because(err)
	}
	return e, e.describe(version, needed), nil
}

func lookUp(name, searchPath string) string {
	for _, dir := range filepath.SplitList(searchPath) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); filepath.IsAbs(dir) && err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return file
		}
	}
	return ""
}

// try runs "true" and asks bubblewrap for its version.
func (e *engine) try(ctx context.Context) (version string, err error) {
	s := &Sandbox{engine: e}
	r, err := s.Run(ctx, Spec{Argv: []string{"true"}, Limits: Limits{Time: startDeadline, Memory: 256 * mib}})
	if err != nil {
		return "", err
	}
	if r.ExitCode != 0 {
		return "", fmt.Errorf("probe sandbox: exit code %d", r.ExitCode)
	}
	cmd := exec.CommandContext(ctx, e.bwrap, "--version")
	cmd.Env = []string{}
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ask bubblewrap for its version: %w", err)
	}
	return strings.TrimSpace(strings.TrimPrefix(string(out), "bubblewrap")), nil
}

func (e *engine) describe(version string, rootUser bool) Isolation {
	i := Isolation{
		Kind: KindBubblewrap, Version: version,
		Enforced:    []string{"file system", "network", "host processes", "environment", "time", "output", "size of each file", "size of /tmp"},
		NotEnforced: []string{"total disk use of writable folders"},
	}
	put := func(enforced bool, what, otherwise string) {
		if enforced {
			i.Enforced = append(i.Enforced, what)
		} else {
			i.NotEnforced = append(i.NotEnforced, otherwise)
		}
	}
	has := func(controller string) bool { return e.groups != nil && e.groups.base[controller] != "" }
	put(filter() != nil, "system calls", "system calls")
	put(has("memory"), "memory", "memory within a tenth of a second (it is sampled)")
	put(has("pids") || e.nproc, "number of processes", "number of processes")
	put(has("cpu"), "processor time, when CPUs is set", "processor time")
	if rootUser {
		put(e.seal, "device nodes", "mode of the device nodes in /dev")
	}
	return i
}

// hint says what to change, judged by the settings known to forbid it.
func hint(err error) string {
	text := err.Error()
	for _, s := range []struct{ file, forbids, fix string }{
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"},
		{"/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=10000"},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"},
	} {
		if b, err := os.ReadFile(s.file); err == nil && strings.TrimSpace(string(b)) == s.forbids && os.Geteuid() != 0 {
			return fmt.Sprintf("This system forbids user namespaces to ordinary users: run sysctl -w %s as root and restart.", s.fix)
		}
	}
	switch {
	case strings.Contains(text, "Unknown option"):
		return "Version 0.8 or newer is needed: upgrade the bubblewrap package and restart."
	case strings.Contains(text, unix.ENOSYS.Error()):
		return "Linux 5.11 or newer is needed: upgrade the kernel and restart."
	}
	return "User namespaces must be allowed (sysctl user.max_user_namespaces above 0; in a container also a seccomp profile that permits them); then restart."
}
