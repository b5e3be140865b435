//go:build linux

package sandbox

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layercake-app/layercake/internal/fault"
)

func ownerOf(info os.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}

func TestIsolation(t *testing.T) {
	t.Parallel()
	s := open(t)
	i := s.Isolation()
	if i.Kind != KindBubblewrap || !strings.HasPrefix(i.Version, "0.") && !strings.HasPrefix(i.Version, "1.") {
		t.Errorf("got %+v", i)
	}
	for _, must := range []string{"file system", "network", "host processes", "environment", "time", "output"} {
		if !slices.Contains(i.Enforced, must) {
			t.Errorf("%q is missing in %q", must, i.Enforced)
		}
	}
	t.Logf("enforced: %q; not: %q", i.Enforced, i.NotEnforced)
	i.Enforced[0] = "changed"
	if s.Isolation().Enforced[0] == "changed" {
		t.Error("a caller can change the sandbox's list")
	}
	if r := run(t, shell("true")); r.Isolation.Kind != KindBubblewrap {
		t.Errorf("a result says %+v", r.Isolation)
	}
}

func TestWithoutSandboxNothingRuns(t *testing.T) {
	t.Parallel()
	empty, broken, old := tempDir(t), tempDir(t), tempDir(t)
	for dir, message := range map[string]string{
		broken: "bwrap: No permissions to creating new namespace",
		old:    "bwrap: Unknown option --disable-userns",
	} {
		script := fmt.Sprintf("#!/bin/sh\necho '%s' >&2; exit 1\n", message)
		if err := os.WriteFile(dir+"/bwrap", []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		cfg  Config
		says string
	}{
		"missing":      {Config{Path: empty}, "apt-get install bubblewrap"},
		"asked for":    {Config{Path: empty, Kind: KindBubblewrap}, "dnf install bubblewrap"},
		"unusable":     {Config{Path: broken}, "sysctl"},
		"too old":      {Config{Path: old}, "0.8"},
		"switched off": {Config{Kind: KindNone}, "set to"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(t.Context(), tc.cfg)
			if err != nil {
				t.Fatal(err)
			}
			if i := s.Isolation(); i.Kind != KindNone || len(i.Enforced) > 0 {
				t.Errorf("claims %+v", i)
			}
			ranAt := filepath.Join(tempDir(t), "ran")
			_, err = s.Run(t.Context(), Spec{Argv: []string{"touch", ranAt}})
			wantFault(t, err, fault.KindUnavailable, "sandbox.missing")
			if !strings.Contains(fault.Public(err), tc.says) {
				t.Errorf("%q does not say %q", fault.Public(err), tc.says)
			}
			_, err = s.Start(t.Context(), ServiceSpec{Spec: Spec{Argv: []string{"touch", ranAt}}, Port: 80})
			wantFault(t, err, fault.KindUnavailable, "sandbox.missing")
			wantFault(t, s.Check(), fault.KindUnavailable, "sandbox.missing")
			if _, err := os.Stat(ranAt); err == nil {
				t.Error("the command ran on the host")
			}
		})
	}
	_, err := Open(t.Context(), Config{Kind: "host"})
	wantFault(t, err, fault.KindInvalid, "sandbox.kind")
}

func TestFetchIsHonest(t *testing.T) {
	t.Parallel()
	mounts, err := open(t).Fetch(t.Context(), FetchRequest{Ecosystem: "npm", LockDigest: "00", Dir: "/box"})
	wantFault(t, err, fault.KindUnavailable, "fetch.unavailable")
	if mounts != nil {
		t.Errorf("got %v", mounts)
	}
}

// host starts this program as a server of its own.
func host(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, append([]string{"helper"}, args...)...)
	cmd.Stderr = os.Stderr
	return cmd
}

// eventually waits for what the kernel does in its own time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestServerIsKilled(t *testing.T) {
	t.Parallel()
	s := open(t)
	m := marker(t)
	cmd := host(t, "host-run", m)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "started\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if len(alive(m)) < 2 {
		t.Fatalf("only %q alive", alive(m))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	eventually(t, "its sandbox is gone", func() bool { return len(alive(m)) == 0 })
	if s.engine.groups == nil {
		return
	}
	stale := func() (found []string) {
		for _, base := range s.engine.groups.base {
			g, _ := filepath.Glob(filepath.Join(base, fmt.Sprintf("%s*-%d-*", groupPrefix, cmd.Process.Pid)))
			found = append(found, g...)
		}
		return found
	}
	if len(stale()) == 0 {
		t.Error("the dead server left no cgroup to clean up")
	}
	findCgroups()
	if left := stale(); len(left) > 0 {
		t.Errorf("stale cgroups after the next start: %q", left)
	}
}

func TestInheritedDescriptorsStayOutside(t *testing.T) {
	t.Parallel()
	open(t)
	dir, err := os.Open(tempDir(t))
	if err != nil {
		t.Fatal(err)
	}
	defer shut(dir)
	cmd := host(t, "host-fds")
	// More than bubblewrap is given, which would take the place of the first ones.
	cmd.ExtraFiles = slices.Repeat([]*os.File{dir}, 40)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), dir.Name()) || !strings.HasSuffix(string(out), "\n0\n1\n2\n3\n") {
		t.Errorf("the command has %q", out)
	}
}

func TestServerIsFirstProcess(t *testing.T) {
	t.Parallel()
	open(t)
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: needs root to make a pid namespace")
	}
	cmd := host(t, "pid1")
	cmd.Args = append([]string{"unshare", "--pid", "--fork", "--mount-proc", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/usr/bin/unshare"
	if out, err := cmd.Output(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestDescriptorsAndThreads is not parallel: it counts what the process holds.
func TestDescriptorsAndThreads(t *testing.T) {
	open(t)
	count := func(dir string) int {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	for range 5 {
		run(t, shell("true"))
	}
	fds := count("/proc/self/fd")
	for range 20 {
		run(t, shell("true"))
	}
	if now := count("/proc/self/fd"); now != fds {
		t.Errorf("%d descriptors before, %d after", fds, now)
	}
	eventually(t, "threads end", func() bool { return count("/proc/self/task") < 20 })
}

// TestUnprivileged runs all of these tests once more as an ordinary user.
func TestUnprivileged(t *testing.T) {
	t.Parallel()
	open(t)
	const nobody = 65534
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: this is the unprivileged run")
	}
	dir := tempDir(t)
	tmp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "sandbox.test")
	copyFile(t, exe, program)
	for path := dir; path != os.TempDir() && path != "/"; path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(tmp, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.v", "-test.count=1", "-test.timeout=15m")
	cmd.Dir = tmp
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + tmp, "HOME=" + tmp, "CI=" + os.Getenv("CI")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("as uid %d: %v\n%s", nobody, err, out)
	}
	for _, must := range []string{"--- PASS: TestNothingSurvives", "--- PASS: TestService"} {
		if !bytes.Contains(out, []byte(must)) {
			t.Errorf("no %q in:\n%s", must, out)
		}
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "SKIP") || strings.Contains(line, "enforced:") {
			t.Log("unprivileged: " + strings.TrimSpace(line))
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(in)
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStaleGroups(t *testing.T) {
	t.Parallel()
	s := open(t)
	if s.engine.groups == nil {
		t.Skip("SKIPPED: no cgroups on this machine for this user")
	}
	var ns unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &ns); err != nil {
		t.Fatal(err)
	}
	base := s.engine.groups.base["pids"]
	started, err := startOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(base, fmt.Sprintf("%s%d-%d-%s-1", groupPrefix, ns.Ino, os.Getpid(), started+"0"))
	foreign := filepath.Join(base, fmt.Sprintf("%s%d-%d-%s-1", groupPrefix, ns.Ino+1, os.Getpid(), started))
	for _, dir := range []string{dead, foreign} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = unix.Rmdir(dir) }()
	}
	orphan := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	if err := write(filepath.Join(dead, "cgroup.procs"), fmt.Sprint(orphan.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	removed := make(chan struct{})
	go func() {
		defer close(removed)
		findCgroups()
	}()
	if err := orphan.Wait(); err == nil || orphan.ProcessState.String() != "signal: killed" {
		t.Errorf("the process of a dead server: %v", err)
	}
	<-removed
	findCgroups() // the first may have met the orphan before it was reaped
	if exists(dead, "") {
		t.Error("the group of a dead server is still there")
	}
	if !exists(foreign, "") {
		t.Error("the group of another pid namespace was removed")
	}
}

func TestParseHierarchies(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		mountinfo, self string
		want            map[string]string
	}{
		"version 1": {
			"34 30 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n35 30 0:32 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n38 30 0:35 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n39 30 0:36 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n",
			"8:pids:/\n4:memory:/a/b\n3:cpu,cpuacct:/c\n1:name=systemd:/x\n",
			map[string]string{"memory": "/sys/fs/cgroup/memory/a/b", "cpu": "/sys/fs/cgroup/cpu,cpuacct/c", "pids": "/sys/fs/cgroup/pids"},
		},
		"version 2": {
			"35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
			"0::/user.slice/user-1000.slice/user@1000.service/app.slice/term.scope\n",
			map[string]string{unifiedName: "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/term.scope", unifiedRoot: "/sys/fs/cgroup"},
		},
		"container without cgroup namespace": {
			"35 24 0:30 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n", "0::/docker/abc/inner\n",
			map[string]string{unifiedName: "/sys/fs/cgroup/inner", unifiedRoot: "/sys/fs/cgroup"},
		},
		"outside of the mount": {
			"35 24 0:30 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n", "0::/elsewhere\n",
			map[string]string{unifiedName: "/sys/fs/cgroup", unifiedRoot: "/sys/fs/cgroup"},
		},
		"none": {"22 26 0:21 / /sys rw - sysfs sysfs rw\n", "", map[string]string{}},
		"odd":  {"x\n - \ncgroup - cgroup\n", "::\n0:\nz\n", map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := parseHierarchies(tc.mountinfo, tc.self)
			if len(got) != len(tc.want) {
				t.Errorf("got %v", got)
			}
			for k, v := range tc.want {
				if got[k] != v {
					t.Errorf("%s: got %q, want %q", k, got[k], v)
				}
			}
		})
	}
}
