//go:build linux

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
)

// TestInside looks at the sandbox from within.
func TestInside(t *testing.T) {
	t.Parallel()
	open(t)
	outside := filepath.Join(tempDir(t), "outside")
	if err := os.WriteFile(outside, []byte("host"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ script, want string }{
		"user":           {"id -u; id -g; id -un", "1000\n1000\nsandbox\n"},
		"capabilities":   {"grep -c -E '^Cap(Inh|Prm|Eff|Bnd|Amb):.0+$' /proc/self/status; grep NoNewPrivs /proc/self/status", "5\nNoNewPrivs:\t1\n"},
		"hostname":       {"cat /proc/sys/kernel/hostname", "sandbox\n"},
		"environment":    {"env | sort", "HOME=/tmp\nLANG=C.UTF-8\nPATH=" + systemPath + "\nPWD=/tmp\nTMPDIR=/tmp\nUSER=sandbox\n"},
		"descriptors":    {"ls /proc/self/fd", "0\n1\n2\n3\n"}, // 3 is ls reading the folder
		"top folders":    {"ls / | grep -v -E '^(bin|dev|etc|home|lib[0-9x]*|proc|run|sbin|tmp|usr|var)$'", ""},
		"etc":            {"ls /etc | grep -v -E '^(alternatives|group|hosts|ld.so.cache|nsswitch.conf|passwd)$'", ""},
		"home, run":      {"ls -A /home /run /tmp /dev/shm", "/dev/shm:\n\n/home:\n\n/run:\n\n/tmp:\n"},
		"shadow":         {"cat /etc/shadow 2>&1", "cat: /etc/shadow: No such file or directory\n"},
		"root":           {"ls /root 2>/dev/null; echo $?", "2\n"},
		"host file":      {"cat " + outside + " 2>/dev/null; echo $?", "1\n"},
		"first process":  {"tr '\\0' '\\n' < /proc/1/environ; tr '\\0' '\\n' < /proc/1/cmdline | grep -c -E '^(--setenv|--bind|--ro-bind)$'", "0\n"},
		"host processes": {"n=$(ls -d /proc/[0-9]* | wc -l); [ $n -lt 6 ] || echo $n processes", ""},
		"null":           {"echo gone > /dev/null; head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c", "3\n3\n"},
		"device modes":   {"for d in null zero full random urandom tty; do chmod 666 /dev/$d 2>/dev/null && echo changed $d; done", ""},
		"dev fd 0":       {"chmod 600 /dev/stdin; ls /dev/kvm /dev/vda /dev/mem 2>/dev/null", ""},
		"kernel":         {"for f in /proc/sys/kernel/core_pattern /proc/sys/vm/drop_caches /proc/sysrq-trigger /proc/self/oom_score_adj; do (: >> $f) 2>/dev/null && echo open $f; done", ""},
		"read-only":      {"for d in / /usr /usr/bin /etc /dev /run /home /proc /var; do (: > $d/new) 2>/dev/null && echo wrote $d; done", ""},
		"no sys":         {"ls -d /sys 2>/dev/null", ""},
		"namespaces":     {"unshare -U true 2>/dev/null || echo refused; unshare -m true 2>/dev/null || echo refused", "refused\nrefused\n"},
		"mounting":       {"mount -t tmpfs none /tmp 2>/dev/null || echo refused; mount -o remount,rw / 2>/dev/null || echo refused", "refused\nrefused\n"},
		"core dumps":     {"ulimit -c", "0\n"},
		"tmp":            {"echo x > /tmp/a && echo y > /var/tmp/b && cat /tmp/a /tmp/b && stat -c %a /tmp", "x\ny\n1777\n"},
		"no terminal":    {"(: < /dev/tty) 2>/dev/null || echo none", "none\n"},
		"own session":    {"ps -o sid= -p $$ 2>/dev/null | tr -d ' '", "1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if r := run(t, shell(tc.script)); r.stdout != tc.want {
				t.Errorf("got %q, want %q; stderr %q", r.stdout, tc.want, r.stderr)
			}
		})
	}
}

func TestSecretsOfTheServerAreNowhere(t *testing.T) {
	t.Parallel()
	r := run(t, shell("cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'; env"))
	if strings.Contains(r.stdout, secretValue) || strings.Contains(r.stdout, secretName) {
		t.Fatalf("the server's environment shows: %s", r.stdout)
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	open(t)
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer shut(l)
	abstract := fmt.Sprintf("@layercake-test-%d", os.Getpid())
	u, err := lc.Listen(t.Context(), "unix", abstract)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(u)
	for _, tc := range []struct {
		args []string
		code int
	}{
		{[]string{"connect", "tcp", l.Addr().String()}, 1},
		{[]string{"connect", "unix", abstract}, 1},
		{[]string{"connect", "tcp", "192.0.2.1:80"}, 1},
		{[]string{"connect", "udp", "192.0.2.1:53"}, 1},
		{[]string{"loopback"}, 0},
		{[]string{"calls"}, 0},
	} {
		if r := run(t, asHelper(t, tc.args...)); r.ExitCode != tc.code {
			t.Errorf("%v: exit code %d, want %d; %s", tc.args, r.ExitCode, tc.code, r.stderr)
		}
	}
	// The same probe reaches the listener from outside, so the refusals above mean something.
	if helper("connect", []string{"tcp", l.Addr().String()}) != 0 {
		t.Error("the listener cannot be reached from outside either")
	}
}

func TestExit(t *testing.T) {
	t.Parallel()
	open(t)
	for script, want := range map[string]int{
		"exit 0": 0, "exit 3": 3, "exit 255": 255, "false": 1, "no-such-command": 127,
		"kill -TERM $$": 143, "kill -KILL $$": 137, "kill -SEGV $$": 139,
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			if r := run(t, shell(script)); r.ExitCode != want || r.TimedOut || r.OOM || r.OutputCut {
				t.Errorf("got %+v, want exit code %d", r.Result, want)
			}
		})
	}
}

func TestWrongSpec(t *testing.T) {
	t.Parallel()
	s := open(t)
	dir := tempDir(t)
	for name, f := range map[string]os.FileMode{"plain": 0o644, "ok": 0o755} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("not a program"), f); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"link", "sub/link"} {
		if err := os.Symlink("/etc", filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	mount := func(m ...Mount) Spec { return Spec{Argv: []string{"true"}, Mounts: m} }
	for name, tc := range map[string]struct {
		spec Spec
		kind fault.Kind
		code string
	}{
		"no command":        {Spec{}, fault.KindInvalid, "sandbox.argv"},
		"NUL in argument":   {Spec{Argv: []string{"echo", "a\x00--bind"}}, fault.KindInvalid, "sandbox.argv"},
		"NUL in env":        {Spec{Argv: []string{"true"}, Env: []string{"A=b\x00--bind"}}, fault.KindInvalid, "sandbox.argv"},
		"env without value": {Spec{Argv: []string{"true"}, Env: []string{"A"}}, fault.KindInvalid, "sandbox.env"},
		"env without name":  {Spec{Argv: []string{"true"}, Env: []string{"=A"}}, fault.KindInvalid, "sandbox.env"},
		"relative folder":   {Spec{Argv: []string{"true"}, Dir: "work"}, fault.KindInvalid, "sandbox.dir"},
		"missing folder":    {Spec{Argv: []string{"true"}, Dir: "/box"}, fault.KindInvalid, "sandbox.dir"},
		"missing program":   {Spec{Argv: []string{"no-such-program"}}, fault.KindNotFound, "sandbox.command"},
		"program is folder": {Spec{Argv: []string{"/usr"}}, fault.KindInvalid, "sandbox.command"},
		"not executable":    {Spec{Argv: []string{"/w/plain"}, Mounts: []Mount{{Host: dir, Inside: "/w"}}}, fault.KindInvalid, "sandbox.command"},
		"option as program": {Spec{Argv: []string{"--version"}}, fault.KindNotFound, "sandbox.command"},
		"negative limit":    {Spec{Argv: []string{"true"}, Limits: Limits{Memory: -1}}, fault.KindInvalid, "sandbox.limits"},
		"mount missing":     {mount(Mount{Host: dir + "/none", Inside: "/w"}), fault.KindInvalid, "sandbox.mount"},
		"mount relative":    {mount(Mount{Host: "etc", Inside: "/w"}), fault.KindInvalid, "sandbox.mount"},
		"mount up":          {mount(Mount{Host: dir + "/../..", Inside: "/w"}), fault.KindInvalid, "sandbox.mount"},
		"mount at root":     {mount(Mount{Host: dir, Inside: "/"}), fault.KindInvalid, "sandbox.mount"},
		"mount root":        {mount(Mount{Host: "/", Inside: "/w"}), fault.KindInvalid, "sandbox.mount"},
		"mount proc":        {mount(Mount{Host: "/proc", Inside: "/w"}), fault.KindInvalid, "sandbox.mount"},
		"mount over proc":   {mount(Mount{Host: dir, Inside: "/proc/sys"}), fault.KindInvalid, "sandbox.mount"},
		"mount over usr":    {mount(Mount{Host: dir, Inside: "/usr"}), fault.KindInvalid, "sandbox.mount"},
		"mount link":        {mount(Mount{Host: dir + "/link", Inside: "/w"}), fault.KindInvalid, "sandbox.mount"},
		"mount into link":   {mount(Mount{Host: dir, Inside: "/w", Writable: true}, Mount{Host: dir + "/sub", Inside: "/w/link"}), fault.KindInvalid, "sandbox.mount"},
		"mount below link":  {mount(Mount{Host: dir, Inside: "/w", Writable: true}, Mount{Host: dir + "/sub", Inside: "/w/sub/link/new"}), fault.KindInvalid, "sandbox.mount"},
		"mount twice":       {mount(Mount{Host: dir, Inside: "/w"}, Mount{Host: dir + "/sub", Inside: "/w"}), fault.KindInvalid, "sandbox.mount"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := s.Run(t.Context(), tc.spec)
			wantFault(t, err, tc.kind, tc.code)
		})
	}
}

func TestMounts(t *testing.T) {
	t.Parallel()
	open(t)
	work, deps, secret := tempDir(t), tempDir(t), tempDir(t)
	for file, text := range map[string]string{work + "/in": "in", deps + "/dep": "dep", secret + "/key": "key"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := run(t, Spec{
		Argv: []string{"sh", "-c", `
			cat in node_modules/dep; echo
			mkdir -p d && echo out > d/out && chmod 700 d && mv in moved || echo write failed
			(: > node_modules/new) 2>/dev/null && echo wrote read-only mount
			chmod 777 node_modules/dep 2>/dev/null && echo changed read-only mount
			ln -s ` + secret + `/key leak; cat leak 2>/dev/null && echo read through link
			ln -s /proc/1/root/` + secret + `/key leak2; cat leak2 2>/dev/null && echo read through proc
			ln /usr/bin/env hard 2>/dev/null && echo hard link
			pwd; stat -c %u d`},
		Dir:    "/box",
		Mounts: []Mount{{Host: deps, Inside: "/box/node_modules"}, {Host: work, Inside: "/box", Writable: true}},
	})
	if want := "indep\n/box\n1000\n"; r.stdout != want {
		t.Errorf("got %q, want %q; stderr %q", r.stdout, want, r.stderr)
	}
	if b, err := os.ReadFile(work + "/d/out"); err != nil || string(b) != "out\n" {
		t.Errorf("written file: %q, %v", b, err)
	}
	info, err := os.Stat(work + "/d")
	if err != nil {
		t.Fatal(err)
	}
	if uid := ownerOf(info); uid != os.Getuid() {
		t.Errorf("written folder belongs to %d, not to the server's user", uid)
	}
}

func TestInput(t *testing.T) {
	t.Parallel()
	open(t)
	spec := shell("cat; echo end")
	spec.Stdin = strings.NewReader(strings.Repeat("line\n", 100_000))
	if r := run(t, spec); len(r.stdout) != 500_004 || !strings.HasSuffix(r.stdout, "line\nend\n") {
		t.Errorf("got %d bytes", len(r.stdout))
	}
	if r := run(t, shell("cat; echo end")); r.stdout != "end\n" {
		t.Errorf("without input: %q", r.stdout)
	}
	spec = shell("head -c 3")
	spec.Stdin = io.LimitReader(zeros{}, 1<<40)
	if r := run(t, spec); len(r.stdout) != 3 || r.ExitCode != 0 {
		t.Errorf("endless input: %+v", r)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

func TestOutputIsCut(t *testing.T) {
	t.Parallel()
	open(t)
	for name, script := range map[string]string{
		"stdout": "head -c 2147483648 /dev/zero",
		"stderr": "head -c 2147483648 /dev/zero >&2",
		"both":   "head -c 2147483648 /dev/zero & head -c 2147483648 /dev/zero >&2; wait",
		"daemon": "setsid yes & exec yes",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out counter
			spec := shell(script)
			spec.Stdout, spec.Stderr, spec.Limits.Output = &out, &out, mib
			if name == "both" {
				spec.Stderr = struct{ io.Writer }{&out} // two pipes, one allowance
			}
			r := run(t, spec)
			if !r.OutputCut || r.ExitCode != 137 || out.n != mib {
				t.Errorf("got %+v and %d bytes", r.Result, out.n)
			}
			if r.Duration > 2*time.Minute {
				t.Errorf("took %s", r.Duration)
			}
		})
	}
	spec := shell("head -c 1048576 /dev/zero")
	spec.Limits.Output = mib
	if r := run(t, spec); r.OutputCut || r.ExitCode != 0 || int64(len(r.stdout)) != mib {
		t.Errorf("exactly the allowance: %+v, %d bytes", r.Result, len(r.stdout))
	}
}

func TestOneWriterKeepsOrder(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	spec := shell("for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; done")
	spec.Stdout, spec.Stderr = &out, &out
	run(t, spec)
	if want := "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\nout 4\nerr 4\nout 5\nerr 5\n"; out.String() != want {
		t.Errorf("got %q", out.String())
	}
}

type failing struct{}

var errDiskFull = errors.New("disk full")

func (failing) Write([]byte) (int, error) { return 0, errDiskFull }

func TestWriterFails(t *testing.T) {
	t.Parallel()
	m := marker(t)
	spec := Spec{Argv: []string{"sh", "-c", "echo x; exec sleep 1000", m}, Stdout: failing{}}
	if _, err := open(t).Run(t.Context(), spec); !errors.Is(err, errDiskFull) {
		t.Errorf("got %v", err)
	}
	if left := alive(m); len(left) > 0 {
		t.Errorf("alive: %q", left)
	}
}

// started calls back at the first output.
type started struct {
	once sync.Once
	do   func()
}

func (s *started) Write(p []byte) (int, error) {
	s.once.Do(s.do)
	return len(p), nil
}

// family starts daemons in every way a shell knows, says so, and runs tail.
func family(marker, tail string) []string {
	return []string{"sh", "-c", `
		setsid sh -c 'setsid sh -c "sleep 1000; :" ` + marker + ` & sleep 1000; :' ` + marker + ` </dev/null >/dev/null 2>&1 &
		nohup sh -c "trap '' TERM INT HUP; sleep 1000; :" ` + marker + ` >/dev/null 2>&1 &
		(exec setsid sh -c "sleep 1000; :" ` + marker + `) & # keeps stdout open
		echo started; read go; ` + tail, marker}
}

func TestNothingSurvives(t *testing.T) {
	t.Parallel()
	s := open(t)
	for name, tc := range map[string]struct {
		tail     string
		limit    time.Duration
		cancel   bool
		code     int
		timedOut bool
	}{
		"timeout":     {"sleep 1000; :", 2 * time.Second, false, 137, true},
		"cancel":      {"sleep 1000; :", time.Minute, true, 137, false},
		"normal exit": {"exit 0", time.Minute, false, 0, false},
		"crash":       {"kill -SEGV $$", time.Minute, false, 139, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := marker(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			sawAlive := 0
			attempt := func(limit time.Duration) (Result, error) {
				hold, release := io.Pipe()
				defer shut(release)
				spec := Spec{Argv: family(m, tc.tail), Stdin: hold, Limits: Limits{Time: limit}}
				spec.Stdout = &started{do: func() {
					sawAlive = len(alive(m))
					_ = release.Close()
					if tc.cancel {
						cancel()
					}
				}}
				return s.Run(ctx, spec)
			}
			r, err := attempt(tc.limit)
			if tc.timedOut && sawAlive == 0 {
				r, err = attempt(20 * tc.limit) // a busy machine did not even start it in time
			}
			if left := alive(m); len(left) > 0 {
				t.Errorf("alive: %q", left)
			}
			if sawAlive == 0 {
				t.Error("the test saw no process to survive")
			}
			if tc.cancel != errors.Is(err, context.Canceled) || (!tc.cancel && err != nil) {
				t.Errorf("error %v", err)
			}
			if r.ExitCode != tc.code || r.TimedOut != tc.timedOut {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestCancelledBefore(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Run(ctx, shell("true")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := Open(ctx, Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("open: got %v", err)
	}
}

func TestForkBomb(t *testing.T) {
	t.Parallel()
	s := open(t)
	if slices.Contains(s.Isolation().NotEnforced, "number of processes") {
		t.Skip("SKIPPED: this machine cannot limit the number of processes")
	}
	t.Run("counted", func(t *testing.T) {
		t.Parallel()
		spec := shell("i=0; while :; do sleep 1000 & i=$((i+1)); echo $i; done")
		spec.Limits = Limits{Processes: 64, Time: 5 * time.Minute}
		r := run(t, spec)
		if n := strings.Count(r.stdout, "\n"); n < 40 || n > 64 || r.ExitCode == 0 || r.TimedOut {
			t.Errorf("%d processes were allowed, %+v", n, r.Result)
		}
	})
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		m := marker(t)
		r := run(t, Spec{
			Argv:   []string{"sh", "-c", "bomb() { bomb | bomb & }; while :; do bomb; done 2>/dev/null", m},
			Limits: Limits{Processes: 64, Time: 2 * time.Second},
		})
		if !r.TimedOut && r.ExitCode == 0 {
			t.Errorf("got %+v", r.Result)
		}
		if left := alive(m); len(left) > 0 {
			t.Errorf("alive: %q", left)
		}
	})
}

func TestMemory(t *testing.T) {
	t.Parallel()
	open(t)
	t.Run("hog", func(t *testing.T) {
		t.Parallel()
		spec := asHelper(t, "hog")
		spec.Limits = Limits{Memory: 96 * mib, Time: 5 * time.Minute}
		r, w := io.Pipe() // the hog waits for the verdict instead of leaving
		defer shut(w)
		spec.Stdin = r
		defer shut(r)
		got := run(t, spec)
		if !got.OOM || got.ExitCode == 0 || got.TimedOut {
			t.Errorf("got %+v %s", got.Result, got.stderr)
		}
	})
	t.Run("within", func(t *testing.T) {
		t.Parallel()
		spec := shell("head -c 20000000 /dev/zero | tail -c 19000000 | wc -c")
		spec.Limits.Memory = 96 * mib
		if r := run(t, spec); r.OOM || r.stdout != "19000000\n" {
			t.Errorf("got %+v", r)
		}
	})
}

func TestDisk(t *testing.T) {
	t.Parallel()
	open(t)
	work := tempDir(t)
	spec := shell("head -c 8000000 /dev/zero > /box/big; echo $?; head -c 8000000 /dev/zero > /tmp/big; echo $?; head -c 90000000 /dev/zero > /dev/shm/big || echo full")
	spec.Mounts = []Mount{{Host: work, Inside: "/box", Writable: true}}
	spec.Limits = Limits{FileBytes: mib, TmpBytes: 512 * kib}
	r := run(t, spec)
	info, err := os.Stat(work + "/big")
	if err != nil || info.Size() != mib {
		t.Errorf("file has %v, %v", info, err)
	}
	if r.stdout != "153\n1\nfull\n" { // 128 + SIGXFSZ
		t.Errorf("got %q %q", r.stdout, r.stderr)
	}
}

func TestParallelRuns(t *testing.T) {
	t.Parallel()
	open(t)
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			work := tempDir(t)
			spec := shell(fmt.Sprintf("ls -A /box; echo %d > /box/f; hostname; exit %d", i, i))
			spec.Mounts = []Mount{{Host: work, Inside: "/box", Writable: true}}
			if r := run(t, spec); r.ExitCode != i || r.stdout != "sandbox\n" {
				t.Errorf("run %d: %+v", i, r)
			}
			if b, err := os.ReadFile(work + "/f"); err != nil || string(b) != fmt.Sprintln(i) {
				t.Errorf("run %d wrote %q, %v", i, b, err)
			}
		})
	}
	all.Wait()
}

// TestTwoSandboxes: what two of them in one process make must not meet.
func TestTwoSandboxes(t *testing.T) {
	t.Parallel()
	open(t)
	hold, release := io.Pipe()
	var all sync.WaitGroup
	var waiting sync.WaitGroup
	waiting.Add(2)
	for range 2 {
		s, err := Open(t.Context(), Config{})
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			first := &started{do: waiting.Done}
			r, err := s.Run(t.Context(), Spec{Argv: []string{"sh", "-c", "echo; read x; exit 6"}, Stdin: hold, Stdout: first})
			if err != nil || r.ExitCode != 6 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	waiting.Wait()
	_ = release.Close()
	all.Wait()
}

func TestCPULimit(t *testing.T) {
	t.Parallel()
	if slices.Contains(open(t).Isolation().NotEnforced, "processor time") {
		t.Skip("SKIPPED: this machine cannot limit processor time")
	}
	spec := shell("timeout 1 sh -c 'while :; do :; done'; cat /proc/self/stat > /dev/null; times")
	spec.Limits.CPUs = 0.2
	r := run(t, spec)
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	var m int
	var sec float64
	if _, err := fmt.Sscanf(strings.Fields(lines[len(lines)-1])[0], "%dm%fs", &m, &sec); err != nil {
		t.Fatalf("%v in %q", err, r.stdout)
	}
	if sec > 0.5 {
		t.Errorf("used %.2f s of processor time in one second with a quota of 0.2", sec)
	}
}
