package proof

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/sandbox"
)

// complete is a product with everything that a check looks at.
var complete = plants.with(designed).with(files{
	prdPath: prd, storiesPath: userStories, planPath: testPlan, "docs/PROJECT.md": "# Plants\n",
	"specs/openapi.yaml": openapi, "specs/data-model.yaml": dataModel, architecturePath: architecture,
})

// BenchmarkChecks times each check on a commit whose source was changed since
// the last one (first), and once more on the next commit with the same source
// (again), as when documents follow. The compiler's cache of the standard
// library is there before.
func BenchmarkChecks(b *testing.B) {
	r := platform(b)
	if err := r.Warm(b.Context()); err != nil {
		b.Fatal(err)
	}
	order := []string{
		Workspace, Requirements, Spec, Design, Build, Lint, Preview, Unit, Integration, E2E, Coverage,
		Secrets, Dependencies, SBOM, Deployment, Smoke,
	}
	n := 0
	for b.Loop() {
		n++
		project := fmt.Sprintf("prj_bench%d", n)
		product := complete.with(files{"internal/greet/greet.go": plants["internal/greet/greet.go"] + fmt.Sprintf("\n// N is new.\nconst N = %d\n", n)})
		first := commitOn(b, project, "", product)
		second := commitOn(b, project, first, product.with(files{"docs/DEPLOYMENT.md": "x"}))
		for i, commit := range []string{first, second} {
			var all time.Duration
			for _, typ := range order {
				res := runOn(b, Subject{Project: project, Gate: "G8", Type: typ, Commit: commit, Tier: 60})
				want(b, res, Pass)
				all += res.Duration
				b.ReportMetric(float64(res.Duration.Milliseconds()), typ+[]string{"-first-ms", "-again-ms"}[i])
			}
			b.ReportMetric(float64(all.Milliseconds()), []string{"all-first-ms", "all-again-ms"}[i])
		}
	}
}

// BenchmarkOverhead compares go build as a check with the bare command in the
// same sandbox, both with nothing left to compile.
func BenchmarkOverhead(b *testing.B) {
	r := platform(b)
	c := commit(b, plants)
	s := Subject{Project: testProject, Type: Build, Commit: c}
	runOn(b, s)
	tool, err := r.cfg.Sandbox.Tool("go")
	if err != nil {
		b.Fatal(err)
	}
	cache, err := r.projectCache(b.Context(), testProject)
	if err != nil {
		b.Fatal(err)
	}
	src := filepath.Join(b.TempDir(), "src")
	if err := shared.store.Repo(testProject).Checkout(b.Context(), c, src); err != nil {
		b.Fatal(err)
	}
	var check, bare time.Duration
	n := 0
	for b.Loop() {
		n++
		check += runOn(b, s).Duration
		begin := time.Now()
		_, err := r.cfg.Sandbox.Run(b.Context(), sandbox.Spec{
			Argv: []string{"go", "build", "-ldflags=-s -w", "-o", "/out/bin/", "./..."}, Dir: "/src", Tools: []sandbox.Tool{tool}, Env: goEnv(false), Limits: compileLimits(),
			Mounts: []sandbox.Mount{
				{Host: src, Inside: "/src"},
				{Host: filepath.Join(cache, "gocache"), Inside: "/gocache", Writable: true},
				{Host: filepath.Join(cache, "out"), Inside: "/out", Writable: true},
			},
		})
		if err != nil {
			b.Fatal(err)
		}
		bare += time.Since(begin)
	}
	b.ReportMetric(float64((check-bare).Milliseconds())/float64(n), "overhead-ms")
	b.ReportMetric(float64(bare.Milliseconds())/float64(n), "bare-ms")
}
