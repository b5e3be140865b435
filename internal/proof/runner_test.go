package proof

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/sandbox"
)

func TestWorkspace(t *testing.T) {
	t.Parallel()
	good := files{"docs/PROJECT.md": "# Plants\n"}
	want(t, run(t, Workspace, good), Pass, "are ready")
	want(t, run(t, Workspace, files{"README.md": "x"}), Fail, "docs/PROJECT.md is missing")

	c := commit(t, good)
	s := Subject{Project: testProject, Type: Workspace, Commit: c}
	for name, test := range map[string]struct {
		model error
		kind  string
		words string
	}{
		"the model is silent": {errors.New("connection refused"), "", "no model answers (connection refused)"},
		"the model says why":  {fault.Unavailable("llm.key", "The key is missing. Set it."), "", "The key is missing. Set it."},
		"nothing isolates":    {nil, sandbox.KindNone, "Commands cannot run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := another(t, test.kind, func(context.Context) error { return test.model })
			res, err := r.Run(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			want(t, res, Blocked, test.words)
		})
	}
}

// another is a runner of its own on the shared repositories.
func another(t *testing.T, kind string, model func(context.Context) error) *Runner {
	t.Helper()
	s, err := sandbox.Open(t.Context(), sandbox.Config{Kind: kind, Path: os.Getenv("PATH")})
	if err != nil {
		t.Fatal(err)
	}
	cfg := shared.runner.cfg
	cfg.Sandbox, cfg.Model, cfg.Cache, cfg.Deployments = s, model, t.TempDir(), t.TempDir()
	r, err := NewRunner(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestWithoutSandboxNothingPasses runs every check that would run code where
// nothing can isolate it.
func TestWithoutSandboxNothingPasses(t *testing.T) {
	t.Parallel()
	platform(t)
	r := another(t, sandbox.KindNone, nil)
	c := commit(t, plants)
	for _, typ := range compiling {
		res, err := r.Run(t.Context(), Subject{Project: testProject, Gate: "G8", Type: typ, Commit: c})
		if err != nil {
			t.Fatal(err)
		}
		want(t, res, Blocked, "Commands cannot run")
	}
}

func TestTroubleOfThePlatformIsAnError(t *testing.T) {
	t.Parallel()
	r := platform(t)
	_, err := r.Run(t.Context(), Subject{Project: testProject, Type: Build, Commit: strings.Repeat("0", 40)})
	if fault.KindOf(err) != fault.KindNotFound {
		t.Errorf("an unknown commit gave %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Run(ctx, Subject{Project: testProject, Type: Build, Commit: commit(t, half)}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context gave %v", err)
	}
}

// TestTooSlowFails gives a check less time than it needs.
func TestTooSlowFails(t *testing.T) {
	t.Parallel()
	platform(t)
	r := another(t, "", nil)
	if err := r.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.cfg.Limit = time.Millisecond
	res, err := r.Run(t.Context(), Subject{Project: testProject, Type: Build, Commit: commit(t, half)})
	if err != nil {
		t.Fatal(err)
	}
	want(t, res, Fail, "longer than 1ms")
}

// TestResultIsComplete looks at what a result carries besides its verdict.
func TestResultIsComplete(t *testing.T) {
	t.Parallel()
	r := platform(t)
	c := commit(t, half)
	inputs := []string{"**", "!docs/**"}
	res := runOn(t, Subject{Project: testProject, Type: Unit, Commit: c, Inputs: inputs})
	want(t, res, Pass)
	list, err := shared.store.Repo(testProject).Files(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if res.Inputs != repo.Digest(list, inputs) || res.Commit != c || res.Type != Unit || res.Preliminary {
		t.Errorf("result %+v", res)
	}
	log, err := r.cfg.Blobs.Get(t.Context(), res.LogKey)
	if err != nil || string(log) != string(res.Log) {
		t.Errorf("the stored log is another: %v", err)
	}
	packed, err := r.cfg.Blobs.Get(t.Context(), res.ReportKey)
	if err != nil {
		t.Fatal(err)
	}
	reports, err := Reports(packed)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(res.Reports, reports); diff != "" {
		t.Error(diff)
	}
	if left, err := filepath.Glob(filepath.Join(r.temp(), "check-*", "src", "a")); err != nil || slices.ContainsFunc(left, func(p string) bool { return strings.Contains(p, c) }) {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestLogsShowNothingOfTheProbes looks for what the platform compiled in.
func TestLogsShowNothingOfTheProbes(t *testing.T) {
	t.Parallel()
	r := platform(t)
	product := half.with(files{"a/b_test.go": `package a

import (
	"os"
	"strings"
	"testing"
)

func TestPeek(t *testing.T) {
	t.Log(strings.Join(os.Environ(), "\n"))
	t.Error("shown")
}
`})
	res := run(t, Unit, product)
	want(t, res, Fail, "a: TestPeek failed")
	dir := t.TempDir()
	if err := shared.store.Repo(testProject).Checkout(t.Context(), res.Commit, filepath.Join(dir, "src")); err != nil {
		t.Fatal(err)
	}
	tree, err := openTree(filepath.Join(dir, "src"))
	if err != nil {
		t.Fatal(err)
	}
	defer tree.close()
	source, err := (&work{tree: tree, repo: shared.store.Repo(testProject)}).sourceDigest()
	if err != nil {
		t.Fatal(err)
	}
	shown := string(res.Log) + string(res.Reports["tests.json"])
	for _, secret := range r.canaryFor(testProject, source, "a").secrets() {
		if strings.Contains(shown, secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
	if !strings.Contains(shown, "***=***") {
		t.Errorf("the test did not see the platform's variable, so this test proves nothing:\n%s", shown)
	}
}

// TestRunIn checks a folder as it is, with links in it that lead outside.
func TestRunIn(t *testing.T) {
	t.Parallel()
	r := platform(t)
	dir := t.TempDir()
	for name, text := range half.with(files{RecipesPath: "version: 1\nstack: go\nchecks:\n  unit_test_output: {packages: [./...]}\n"}) {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"passwd.go": "/etc/passwd", "docs": "/etc"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	results, err := r.RunIn(t.Context(), Subject{Project: testProject, Gate: "G5"}, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, res := range results {
		types = append(types, res.Type)
		if !res.Preliminary || res.LogKey != "" {
			t.Errorf("%s looks like evidence", res.Type)
		}
		if strings.Contains(string(res.Log), "root:") {
			t.Errorf("%s shows a file of the host", res.Type)
		}
		t.Logf("%s: %s: %s (%d ms)", res.Type, res.Verdict, res.Reason, res.Duration.Milliseconds())
	}
	if diff := cmp.Diff([]string{Spec, Build, Lint, Unit}, types); diff != "" {
		t.Error(diff)
	}
	some, err := r.RunIn(t.Context(), Subject{Project: testProject}, dir, []string{Unit, "nonsense"})
	if err != nil || len(some) != 2 {
		t.Fatal(some, err)
	}
	want(t, some[1], Blocked, `"nonsense" is not a check`)
}

// TestPanicsAreContained gives a check that panics on its input.
func TestPanicsAreContained(t *testing.T) {
	t.Parallel()
	w := &work{subject: Subject{Type: Spec}, log: &recorder{}} // no tree: the check will trip over it
	out, err := guarded(t.Context(), w)
	if err != nil || out.verdict != Blocked || !strings.Contains(out.reason, "the check broke") {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestTypes(t *testing.T) {
	t.Parallel()
	if got := Types(); len(got) != 17 || !slices.IsSorted(got) {
		t.Errorf("types %v", got)
	}
	for _, typ := range Types() {
		if !Known(typ) {
			t.Errorf("%s is not known", typ)
		}
		if got := SourceOf(typ); (got == Person) != (typ == Manual) {
			t.Errorf("%s comes from %s", typ, got)
		}
	}
	if Known("coverage") {
		t.Error("an unknown type is known")
	}
}
