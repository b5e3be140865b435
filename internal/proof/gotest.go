package proof

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/layercake-app/layercake/internal/sandbox"
)

// packageRun is one test package: its binary, and what three runs of it said.
// They differ in one value of the environment, which lets the platform's canary
// pass or fail, or makes every test of the product fail.
type packageRun struct {
	pkg    *goPackage
	canary canary
	binary string // below w.tmp/tests
	good   *testReport
	bad    *testReport
	red    *testReport
	// exits of the runs
	goodRun, badRun, redRun sandbox.Result
	profile                 []byte
}

// sourceDigest identifies the state of all files, so that what is drawn for it
// stays the same from check to check and compiled tests can be used again. A
// file that no compiler reads counts too: it could hold what an agent learned
// of the canary. For the same reason a preliminary run has a digest of its own.
func (w *work) sourceDigest() (string, error) {
	sum := sha256.New()
	if w.repo == nil {
		fmt.Fprintln(sum, "preliminary")
	}
	for _, name := range w.tree.files {
		if err := w.tree.hash(sum, name); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// runGoTests compiles the tests of some packages, with coverage of the whole
// product, and runs each package twice. The outcome is set when it did not
// come to that.
func (w *work) runGoTests(ctx context.Context, p *goProduct, pkgs []*goPackage) ([]*packageRun, *outcome, error) {
	source, err := w.sourceDigest()
	if err != nil {
		return nil, nil, err
	}
	canaries := map[string]canary{}
	for _, pkg := range p.testPackages([]string{"./..."}) {
		c := w.r.canaryFor(w.subject.Project, source, pkg.dir)
		canaries[pkg.dir] = c
		w.secrets = append(w.secrets, c.secrets()...)
	}
	if err := w.instrument(ctx, p, canaries); err != nil {
		return nil, nil, err
	}
	runs, out, err := w.compileTests(ctx, p, pkgs, canaries, source)
	if out != nil || err != nil {
		return nil, out, err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	for i, run := range runs {
		group.Go(func() error { return w.runPackage(groupCtx, p, run, i) })
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	return runs, nil, nil
}

// batches splits packages so that no two of one batch give their binaries the
// same name.
func (p *goProduct) batches(pkgs []*goPackage) [][]*goPackage {
	var out [][]*goPackage
	used := map[string]int{}
	for _, pkg := range pkgs {
		name := execName(importPath(p.path, pkg.dir))
		k := used[name]
		used[name]++
		if k == len(out) {
			out = append(out, nil)
		}
		out[k] = append(out[k], pkg)
	}
	return out
}

// testBatches are the batches of all test packages, so that one always lands in
// the same batch.
func (p *goProduct) testBatches() [][]*goPackage {
	return p.batches(p.testPackages([]string{"./..."}))
}

func (p *goProduct) binary(pkg *goPackage) string {
	return execName(importPath(p.path, pkg.dir)) + ".test"
}

// compileTests makes the test binaries. All of the product are compiled at
// once, since the next check needs the others; when that does not work, only
// those that this one needs. What was compiled from the same source is used
// again: only the compiler can write there.
func (w *work) compileTests(ctx context.Context, p *goProduct, pkgs []*goPackage, canaries map[string]canary, source string) ([]*packageRun, *outcome, error) {
	unlock := w.r.lock(w.subject.Project)
	defer unlock()
	cache, err := w.r.projectCache(ctx, w.subject.Project)
	if err != nil {
		return nil, nil, err
	}
	mark := filepath.Join(cache, "tests")
	source = w.r.draw(32, "tests", source) // another process has other canaries
	done, err := os.ReadFile(mark)
	if err != nil && !os.IsNotExist(err) {
		return nil, nil, fmt.Errorf("look for compiled tests: %w", err)
	}
	if string(done) == source {
		w.log.say("the tests are compiled already, from the same source")
	} else if out, err := w.compileNow(ctx, p, pkgs, cache, mark, source); out != nil || err != nil {
		return nil, out, err
	}
	var runs []*packageRun
	for k, batch := range p.testBatches() {
		sub := fmt.Sprintf("test%d", k)
		links := map[string]string{}
		for _, pkg := range batch {
			if !slices.Contains(pkgs, pkg) {
				continue
			}
			links[p.binary(pkg)] = p.binary(pkg)
			runs = append(runs, &packageRun{pkg: pkg, canary: canaries[pkg.dir], binary: sub + "/" + p.binary(pkg)})
		}
		if err := w.keep(filepath.Join(cache, "out", sub), "tests/"+sub, links); err != nil {
			return nil, nil, err
		}
	}
	return runs, nil, nil
}

func (w *work) compileNow(ctx context.Context, p *goProduct, pkgs []*goPackage, cache, mark, source string) (*outcome, error) {
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		return nil, fmt.Errorf("mark compiled tests: %w", err)
	}
	all := p.testPackages([]string{"./..."})
	out, err := w.compileBatches(ctx, p, all, cache)
	if out == nil && err == nil {
		if err := os.WriteFile(mark, []byte(source), 0o600); err != nil {
			return nil, fmt.Errorf("mark compiled tests: %w", err)
		}
		return nil, nil
	}
	if err != nil || len(pkgs) == len(all) {
		return out, err
	}
	w.log.say("other tests of the product may be at fault; without them:")
	return w.compileBatches(ctx, p, pkgs, cache)
}

func (w *work) compileBatches(ctx context.Context, p *goProduct, pkgs []*goPackage, cache string) (*outcome, error) {
	for k, batch := range p.testBatches() {
		sub := fmt.Sprintf("test%d", k)
		argv := []string{
			"go", "test", "-c", "-vet=off", "-cover", "-covermode=set", "-coverpkg=./...", "-ldflags=-s -w",
			"-o", "/out/" + sub + "/",
		}
		before := len(argv)
		for _, pkg := range batch {
			if slices.Contains(pkgs, pkg) {
				argv = append(argv, folder(pkg.dir))
			}
		}
		if len(argv) == before {
			continue
		}
		if err := os.MkdirAll(filepath.Join(cache, "out", sub), 0o755); err != nil {
			return nil, fmt.Errorf("make output folder: %w", err)
		}
		out, err := w.compile(ctx, p, cache, filepath.Join(w.tmp, "probed"), argv)
		if out != nil || err != nil {
			return out, err
		}
	}
	return nil, nil
}

// testLimit is how long the tests of one package may take.
const testLimit = 3 * time.Minute

// runPackage runs a test binary with the canary passing, and when that is
// green, again with the canary failing, and with every other test failing at
// its beginning. A binary cannot tell them apart beforehand: same arguments,
// same variables, no traces of another run.
func (w *work) runPackage(ctx context.Context, p *goProduct, run *packageRun, n int) error {
	out, err := w.runBinary(ctx, p, run, run.canary.good, fmt.Sprintf("cover/%d-good", n), &run.goodRun)
	if err != nil {
		return err
	}
	run.good = readReport(out, run.canary)
	run.profile = readLeft(filepath.Join(w.tmp, fmt.Sprintf("cover/%d-good", n)), "profile")
	if run.goodRun.ExitCode != 0 {
		return nil
	}
	out, err = w.runBinary(ctx, p, run, run.canary.bad, fmt.Sprintf("cover/%d-bad", n), &run.badRun)
	if err != nil {
		return err
	}
	run.bad = readReport(out, run.canary)
	out, err = w.runBinary(ctx, p, run, run.canary.red, fmt.Sprintf("cover/%d-red", n), &run.redRun)
	if err != nil {
		return err
	}
	run.red = readReport(out, run.canary)
	return nil
}

func (w *work) runBinary(ctx context.Context, p *goProduct, run *packageRun, value, cover string, res *sandbox.Result) ([]byte, error) {
	dir := filepath.Join(w.tmp, cover)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make coverage folder: %w", err)
	}
	var out bytes.Buffer
	var err error
	*res, err = w.r.cfg.Sandbox.Run(ctx, sandbox.Spec{
		Argv: []string{
			"/tests/" + run.binary, "-test.v=test2json", "-test.paniconexit0", "-test.count=1",
			"-test.timeout=" + testLimit.String(), "-test.coverprofile=/cover/profile",
		},
		Dir: path.Join("/src", run.pkg.dir), Tools: []sandbox.Tool{p.tool},
		Env: append(goEnv(p.vendored), "GOCACHE=/tmp/gocache", "GOFLAGS=-mod=readonly", run.canary.env+"="+value),
		Mounts: []sandbox.Mount{
			{Host: w.tree.dir, Inside: "/src"},
			{Host: filepath.Join(w.tmp, "tests"), Inside: "/tests"},
			{Host: dir, Inside: "/cover", Writable: true},
		},
		Stdout: &out, Stderr: &out,
		Limits: sandbox.Limits{Time: testLimit + 10*time.Second, FileBytes: 64 << 20},
	})
	if err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// readLeft returns a file that hostile code left in a folder of its own, nil
// when there is no regular file of a bearable size. All of that code is dead.
func readLeft(dir, name string) []byte {
	t, err := openTree(dir)
	if err != nil {
		return nil
	}
	defer t.close()
	data, err := t.read(name)
	if err != nil {
		return nil
	}
	return data
}
