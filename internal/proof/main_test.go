package proof

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/layercake-app/layercake/internal/blob"
	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.MaybeRelay()
	code := m.Run()
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir)
	}
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// shared is one platform for all tests: what it compiles of the standard
// library takes longer than all of them.
var shared struct {
	sync.Once
	dir    string
	runner *Runner
	store  *repo.Store
	err    error
}

// platform returns the shared runner; without a sandbox the test is skipped,
// and fails where CI=true.
func platform(t testing.TB) *Runner {
	t.Helper()
	shared.Do(func() { shared.err = open() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	for _, missing := range []error{shared.runner.cfg.Sandbox.Check(), lacks("go")} {
		if missing == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	return shared.runner
}

func lacks(tool string) error {
	_, err := shared.runner.cfg.Sandbox.Tool(tool)
	return err
}

// needNode skips where node is missing.
func needNode(t *testing.T) {
	t.Helper()
	platform(t)
	if err := lacks("node"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

func open() error {
	var err error
	if shared.dir, err = os.MkdirTemp("", "proof-"); err != nil {
		return err
	}
	s, err := sandbox.Open(context.Background(), sandbox.Config{Path: os.Getenv("PATH")})
	if err != nil {
		return err
	}
	if shared.store, err = repo.Open(filepath.Join(shared.dir, "repos")); err != nil {
		return err
	}
	blobs, err := blob.OpenDir(filepath.Join(shared.dir, "blobs"))
	if err != nil {
		return err
	}
	base := filepath.Join(os.TempDir(), fmt.Sprintf("layercake-test-base-%d", os.Getuid()))
	shared.runner, err = NewRunner(Config{
		Sandbox: s, Repos: shared.store, Blobs: blobs, Base: base, Limit: 15 * time.Minute,
		Cache: filepath.Join(shared.dir, "cache"), Deployments: filepath.Join(shared.dir, "deployments"),
	})
	return err
}

// files is a product by path.
type files map[string]string

// with returns a copy with other files put over it; an empty text removes one.
func (f files) with(over files) files {
	out := files{}
	for _, m := range []files{f, over} {
		for name, text := range m {
			out[name] = text
			if text == "" {
				delete(out, name)
			}
		}
	}
	return out
}

const testProject = "prj_test"

// commit makes a root commit of a product in the shared test project.
func commit(t testing.TB, f files) string { t.Helper(); return commitOn(t, testProject, "", f) }

func commitOn(t testing.TB, project, parent string, f files) string {
	t.Helper()
	platform(t)
	r, err := shared.store.Create(t.Context(), project)
	if err != nil {
		t.Fatal(err)
	}
	put := map[string][]byte{}
	for name, text := range f {
		put[name] = []byte(text)
	}
	spec := repo.CommitSpec{
		Parent: parent, Put: put, Author: repo.Signature{Name: "Test", Email: "test@example.com"},
		Message: "product", When: time.Unix(1_700_000_000, 0), Allow: repo.AllowAll,
	}
	if parent != "" {
		old, err := r.Files(t.Context(), parent)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range old {
			if _, kept := f[o.Path]; !kept {
				spec.Delete = append(spec.Delete, o.Path)
			}
		}
	}
	c, err := r.Commit(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// run runs one check on a product.
func run(t testing.TB, typ string, f files) Result {
	t.Helper()
	return runOn(t, Subject{Project: testProject, Change: "chg_1", Gate: "G6", Type: typ, Commit: commit(t, f)})
}

func runOn(t testing.TB, s Subject) Result {
	t.Helper()
	res, err := platform(t).Run(t.Context(), s)
	if err != nil {
		t.Fatalf("run %s: %v", s.Type, err)
	}
	return res
}

// want fails the test unless the verdict is as given and the reason holds all
// the words.
func want(t testing.TB, res Result, verdict Verdict, words ...string) {
	t.Helper()
	if res.Verdict != verdict {
		t.Fatalf("verdict %s (%s), want %s\n%s", res.Verdict, res.Reason, verdict, res.Log)
	}
	for _, word := range words {
		if !strings.Contains(res.Reason, word) {
			t.Errorf("reason %q does not hold %q", res.Reason, word)
		}
	}
}
