package app_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/layercake-app/layercake/internal/app/cli" // a change of it is one of the program
)

// tools are what a whole run needs. With CI=true a missing one is a failure.
func needTools(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"git", "go", "bwrap"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing: %v", tool, err)
			}
			t.Skipf("%s is missing, so no whole run is possible here", tool)
		}
	}
}

// soak reports whether a long run was asked for.
func soak() bool { return os.Getenv("LAYERCAKE_SOAK") == "1" }

// wholeRun marks a test that carries a project a long way. There are too many for
// `make check` to take five minutes; one idea, the crash and the forger stay.
func wholeRun(t *testing.T) {
	t.Helper()
	if os.Getenv("CI") != "true" && !soak() {
		t.Skip("a further whole run, which CI and `make soak` make")
	}
}

var built struct {
	sync.Once
	dir, path string
	err       error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		if err := os.RemoveAll(built.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(code)
}

// binary builds the program once, as a release is built.
func binary(t *testing.T) string {
	t.Helper()
	needTools(t)
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "layercake-bin-"); built.err != nil {
			return
		}
		built.path = filepath.Join(built.dir, "layercake")
		args := []string{"build", "-o", built.path}
		// What is built here counts as an input of these tests; the packages that the
		// program consists of are imported.
		if _, built.err = os.Stat("../../cmd/layercake/main.go"); built.err != nil {
			return
		}
		if coverDir() != "" {
			if built.err = emptyFolder(coverDir()); built.err != nil {
				return
			}
			// Only a program whose main package is covered too writes its figures.
			args = append(args, "-cover", "-covermode=atomic", "-coverpkg=github.com/layercake-app/layercake/...")
		}
		cmd := exec.Command("go", append(args, "../../cmd/layercake")...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOTOOLCHAIN=local")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

func emptyFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// cacheDir is shared by all runs of the tests on this machine: it holds the
// compiled standard library and nothing else.
func cacheDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("layercake-test-cache-%d", os.Getuid()))
}

// coverDir is where whole runs leave their coverage; `make test` names it.
func coverDir() string { return os.Getenv("LAYERCAKE_TEST_COVER") }

// place is where one run keeps its data and puts its result.
type place struct {
	t         *testing.T
	data, out string
	env       []string
}

func newPlace(t *testing.T, env ...string) *place {
	t.Helper()
	dir := t.TempDir()
	return &place{t: t, data: filepath.Join(dir, "data"), out: filepath.Join(dir, "out"), env: env}
}

func (p *place) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary(p.t), args...)
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(p.data), "LAYERCAKE_CACHE=" + cacheDir(), "LAYERCAKE_DATA=" + p.data,
		"GOCOVERDIR=" + coverDir(),
	}, p.env...)
	return cmd
}

type gateLine struct {
	Code, Status, Method, Reason string
	Stale                        bool
}

// answer is what a command printed, and its result line when it is a run.
type answer struct {
	code           int
	stdout, stderr string
	result         struct {
		Type, Status, Reason, Project, Out, Model string
		Change                                    int64
		Gates                                     []gateLine
	}
	events []string
}

func (a answer) gate(code string) gateLine {
	for _, g := range a.result.Gates {
		if g.Code == code {
			return g
		}
	}
	return gateLine{}
}

func (a answer) count(event string) int {
	n := 0
	for _, e := range a.events {
		if e == event {
			n++
		}
	}
	return n
}

// run runs a command to its end.
func (p *place) run(args ...string) answer {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Minute)
	defer cancel()
	cmd := p.command(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	a := answer{code: cmd.ProcessState.ExitCode(), stdout: out.String(), stderr: errs.String()}
	if strings.Contains(strings.Join(args, " "), "--json") {
		a.read(p.t)
	}
	return a
}

func (a *answer) read(t *testing.T) {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(a.stdout))
	lines.Buffer(nil, 16<<20)
	last := ""
	for lines.Scan() {
		last = lines.Text()
		var e struct{ Type string }
		if err := json.Unmarshal([]byte(last), &e); err != nil {
			t.Fatalf("not a JSON line: %q", last)
		}
		a.events = append(a.events, e.Type)
	}
	if last == "" {
		return
	}
	if err := json.Unmarshal([]byte(last), &a.result); err != nil || a.result.Type != "result" {
		t.Fatalf("the last line is no result: %q", last)
	}
}

// idea runs an idea with all decisions delegated.
func (p *place) idea(idea string, more ...string) answer {
	p.t.Helper()
	return p.run(append([]string{"run", idea, "--auto-approve", "--json", "--out", p.out}, more...)...)
}

func (a answer) want(t *testing.T, code int, status string) {
	t.Helper()
	if a.code != code || a.result.Status != status {
		t.Fatalf("exit %d, status %q (%s), want %d %q\n%s\n%s", a.code, a.result.Status, a.result.Reason, code, status, tail(a.stdout), a.stderr)
	}
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

// inside runs a command in the finished repository.
func inside(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOTOOLCHAIN=local", "GOFLAGS=", "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// freshClone clones the result and checks it as its owner would.
func freshClone(t *testing.T, repository string) string {
	t.Helper()
	clone := filepath.Join(t.TempDir(), "clone")
	inside(t, filepath.Dir(repository), "git", "clone", "--quiet", repository, clone)
	inside(t, clone, "go", "build", "./...")
	inside(t, clone, "go", "vet", "./...")
	if out := inside(t, clone, "gofmt", "-l", "."); out != "" {
		t.Errorf("not formatted: %s", out)
	}
	inside(t, clone, "go", "test", "-cover", "./...")
	return clone
}
