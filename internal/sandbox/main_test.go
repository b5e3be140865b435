//go:build linux

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/layercake-app/layercake/internal/fault"
)

const (
	secretName  = "LAYERCAKE_TEST_SECRET"
	secretValue = "do-not-show-me"
)

func TestMain(m *testing.M) {
	MaybeRelay()
	if len(os.Args) > 2 && os.Args[1] == "helper" {
		os.Exit(helper(os.Args[2], os.Args[3:]))
	}
	_ = os.Setenv(secretName, secretValue)
	code := m.Run()
	if err := errors.Join(goleak.Find(), leftovers()); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// leftovers reports children nobody waited for and cgroups nobody removed.
func leftovers() error {
	var errs []error
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		errs = append(errs, fmt.Errorf("a child is left: pid %d, %w", pid, err))
	}
	s, err := shared()
	if err != nil || s.engine == nil || s.engine.groups == nil {
		return errors.Join(append(errs, err)...)
	}
	for _, base := range s.engine.groups.base {
		left, _ := filepath.Glob(filepath.Join(base, groupPrefix+s.engine.groups.owner+"*"))
		for _, g := range left {
			if !strings.HasSuffix(g, "-server") {
				errs = append(errs, fmt.Errorf("a cgroup is left: %s", g))
			}
		}
	}
	return errors.Join(errs...)
}

var shared = sync.OnceValues(func() (*Sandbox, error) {
	return Open(context.Background(), Config{Path: os.Getenv("PATH")})
})

func open(t testing.TB) *Sandbox {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("SKIPPED, nothing was tested: ", err)
	}
	return s
}

// ran is a Result with what was printed.
type ran struct {
	Result
	stdout, stderr string
}

func run(t testing.TB, spec Spec) ran {
	t.Helper()
	var out, errOut bytes.Buffer
	if spec.Stdout == nil {
		spec.Stdout = &out
	}
	if spec.Stderr == nil {
		spec.Stderr = &errOut
	}
	r, err := open(t).Run(t.Context(), spec)
	if err != nil {
		t.Fatalf("run %q: %v\n%s", spec.Argv, err, errOut.String())
	}
	return ran{r, out.String(), errOut.String()}
}

func shell(script string) Spec { return Spec{Argv: []string{"sh", "-c", script}} }

// asHelper runs this test program's helper in the sandbox.
func asHelper(t testing.TB, args ...string) Spec {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const inside = "/run/helper"
	return Spec{
		Argv:   append([]string{inside, "helper"}, args...),
		Mounts: []Mount{{Host: exe, Inside: inside}},
	}
}

// tempDir is a folder without symbolic links in its path.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var markers sync.Map

// marker is a word to find a test's processes by.
func marker(t testing.TB) string {
	m := fmt.Sprintf("marker-%d-%s", os.Getpid(), strings.NewReplacer("/", "-", " ", "-").Replace(t.Name()))
	if _, taken := markers.LoadOrStore(m, true); taken {
		t.Fatal("one marker per test")
	}
	return m
}

// alive lists the host's processes whose command line holds the marker.
func alive(marker string) []string {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var found []string
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && bytes.Contains(b, []byte(marker)) {
			found = append(found, f+": "+strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
	return found
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantFault(t testing.TB, err error, kind fault.Kind, code string) {
	t.Helper()
	if fault.KindOf(err) != kind || fault.CodeOf(err) != code {
		t.Fatalf("got %v (%s %s), want %s %s", err, fault.KindOf(err), fault.CodeOf(err), kind, code)
	}
}

// helper is what the tests run inside the sandbox, or as a server of their own.
func helper(name string, args []string) int {
	commands := map[string]func([]string) error{
		"connect": func(a []string) error { // network address: fails unless it connects
			d := net.Dialer{Timeout: 2 * time.Second}
			c, err := d.DialContext(context.Background(), a[0], a[1])
			if err == nil {
				_ = c.Close()
			}
			return err
		},
		"loopback": loopback, "calls": forbiddenCalls, "hog": hog, "serve": serve,
		"host-run": hostRun, "host-fds": hostDescriptors, "pid1": firstProcess, "wait": func([]string) error { select {} },
	}
	if err := commands[name](args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func loopback([]string) error {
	ctx := context.Background()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer shut(l)
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return err
	}
	return c.Close()
}

// forbiddenCalls prints the calls that were wrongly allowed.
func forbiddenCalls([]string) error {
	file := "/tmp/file"
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		return err
	}
	call := func(nr uintptr, args ...uintptr) error {
		for len(args) < 3 {
			args = append(args, 0)
		}
		if _, _, e := unix.Syscall(nr, args[0], args[1], args[2]); e != 0 {
			return e
		}
		return nil
	}
	sock := func(family int) error {
		fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
		if err == nil {
			_ = unix.Close(fd)
		}
		return err
	}
	create := func(mode uint32) error {
		fd, err := unix.Open("/tmp/new", unix.O_CREAT|unix.O_WRONLY|unix.O_EXCL, mode)
		if err == nil {
			_ = unix.Close(fd)
		}
		return err
	}
	var errs []error
	for name, c := range map[string]struct{ got, want error }{
		"vsock":         {sock(unix.AF_VSOCK), unix.EAFNOSUPPORT},
		"alg":           {sock(unix.AF_ALG), unix.EAFNOSUPPORT},
		"packet":        {sock(unix.AF_PACKET), unix.EAFNOSUPPORT},
		"io_uring":      {call(unix.SYS_IO_URING_SETUP, 1), unix.ENOSYS},
		"keyctl":        {call(unix.SYS_KEYCTL), unix.EPERM},
		"bpf":           {call(unix.SYS_BPF), unix.EPERM},
		"userfaultfd":   {call(unix.SYS_USERFAULTFD), unix.EPERM},
		"perf":          {call(unix.SYS_PERF_EVENT_OPEN), unix.EPERM},
		"chmod setuid":  {unix.Chmod(file, 0o4755), unix.EPERM},
		"chmod setgid":  {unix.Fchmodat(unix.AT_FDCWD, file, 0o2755, 0), unix.EPERM},
		"create setuid": {create(0o4755), unix.EPERM},
		"chmod":         {unix.Chmod(file, 0o755), nil},
		"create":        {create(0o755), nil},
		"unix":          {sock(unix.AF_UNIX), nil},
		"inet6":         {sock(unix.AF_INET6), nil},
	} {
		if !errors.Is(c.got, c.want) {
			errs = append(errs, fmt.Errorf("%s: got %w, want %w", name, c.got, c.want))
		}
	}
	return errors.Join(errs...)
}

// hog takes memory until it is stopped.
func hog([]string) error {
	var kept [][]byte
	for range 128 {
		b := make([]byte, 32*mib)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		kept = append(kept, b)
		fmt.Println(len(kept))
	}
	_, err := os.Stdin.Read(make([]byte, 1))
	return err
}

// serve is the web application of the service tests.
func serve(args []string) error {
	mode := ""
	if len(args) > 0 {
		mode = args[0]
	}
	fmt.Println("app: starting", os.Getenv("PORT"))
	switch mode {
	case "crash":
		fmt.Fprintln(os.Stderr, "app: cannot open database")
		os.Exit(7)
	case "silent":
		select {}
	case "stubborn":
		signal.Ignore(unix.SIGTERM)
	case "kill-relay":
		return unix.Kill(os.Getppid(), unix.SIGKILL)
	case "daemon":
		cmd := exec.CommandContext(context.Background(), os.Args[0], "helper", "wait", args[1])
		cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			return err
		}
	case "chatter":
		for i := range 200_000 {
			fmt.Println("line", i)
		}
	case "polite":
		term := make(chan os.Signal, 1)
		signal.Notify(term, unix.SIGTERM)
		go func() {
			<-term
			fmt.Println("app: good bye")
			os.Exit(0)
		}()
	}
	var asked sync.Map
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello %s from %s", r.URL.Path, r.Host) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://example.com/", http.StatusFound)
	})
	mux.HandleFunc("/slow-start", func(w http.ResponseWriter, _ *http.Request) {
		if _, again := asked.LoadOrStore("slow-start", true); !again {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	mux.HandleFunc("/hang", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		select {}
	})
	mux.HandleFunc("/bytes", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		for chunk := make([]byte, 64*kib); n > 0; n -= len(chunk) {
			if _, err := w.Write(chunk[:min(n, len(chunk))]); err != nil {
				return
			}
		}
	})
	return http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), mux)
}

// hostRun is a server that gets killed: it runs a command in a sandbox.
func hostRun(args []string) error {
	s, err := Open(context.Background(), Config{})
	if err != nil {
		return err
	}
	_, err = s.Run(context.Background(), Spec{
		Argv:   []string{"sh", "-c", "setsid sleep 1000 & echo started; exec sleep 1000", args[0]},
		Stdout: os.Stdout,
	})
	return err
}

// hostDescriptors is a server that inherited descriptors it knows nothing of.
func hostDescriptors([]string) error {
	s, err := Open(context.Background(), Config{})
	if err != nil {
		return err
	}
	_, err = s.Run(context.Background(), Spec{Argv: []string{"sh", "-c", "for f in /proc/self/fd/*; do readlink $f; done; ls /proc/self/fd"}, Stdout: os.Stdout})
	return err
}

// firstProcess is a server that is its machine's first process.
func firstProcess([]string) error {
	if os.Getpid() != 1 {
		return fmt.Errorf("not the first process but %d", os.Getpid())
	}
	s, err := Open(context.Background(), Config{})
	if err != nil {
		return err
	}
	for range 5 {
		if _, err := s.Run(context.Background(), shell("setsid sleep 1000 & exit 0")); err != nil {
			return err
		}
	}
	return leftovers()
}
