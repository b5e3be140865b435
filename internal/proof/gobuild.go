package proof

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/layercake-app/layercake/internal/sandbox"
)

// goProduct is a Go product that can be compiled.
type goProduct struct {
	*goModule
	tool sandbox.Tool
}

// goProduct reads the product. The outcome is set when it cannot be built here.
func (w *work) goProduct(ctx context.Context) (*goProduct, *outcome, error) {
	tool, err := w.r.cfg.Sandbox.Tool("go")
	if err != nil {
		return nil, nil, err
	}
	tags, err := w.goTags(ctx, tool)
	if err != nil {
		return nil, nil, err
	}
	m, err := loadModule(w.tree, tags)
	if err != nil {
		out := fail("%s", err)
		return nil, &out, nil
	}
	if len(m.parseErrs) > 0 {
		for _, e := range m.parseErrs {
			w.log.say("%s", e)
		}
		out := fail("the Go source cannot be read: %s", shorten(m.parseErrs[0], 300))
		return nil, &out, nil
	}
	if wrong := w.tree.included(); wrong != "" {
		out := fail("%s", wrong)
		return nil, &out, nil
	}
	if len(m.requires) > 0 && !m.vendored {
		_, err := w.r.cfg.Sandbox.Fetch(ctx, sandbox.FetchRequest{Ecosystem: "go"})
		return nil, nil, err
	}
	return &goProduct{goModule: m, tool: tool}, nil, nil
}

// stack refuses a product whose stack is unknown or not the one that was asked
// for.
func (w *work) stackKnown() *outcome {
	if w.wrong != nil {
		w.log.say("%s", w.wrong)
	}
	if w.recipes.Stack == StackGo || w.recipes.Stack == StackNode {
		return nil
	}
	out := blocked("the stack is not known: declare it in %s (stack: go or stack: node), or add a go.mod or package.json", RecipesPath)
	return &out
}

// compile runs one go command on a source folder, read-only, with the project's
// compiler cache; nothing of the product runs in it. The caller holds the
// project's lock. The outcome is set when the command failed.
func (w *work) compile(ctx context.Context, p *goProduct, cache, src string, argv []string) (*outcome, error) {
	w.log.say("$ %s", strings.Join(argv, " "))
	busy := filepath.Join(cache, busyMark)
	if err := os.WriteFile(busy, nil, 0o600); err != nil {
		return nil, fmt.Errorf("mark compilation: %w", err)
	}
	var out recorder
	res, err := w.r.cfg.Sandbox.Run(ctx, sandbox.Spec{
		Argv: argv, Dir: "/src", Tools: []sandbox.Tool{p.tool}, Env: goEnv(p.vendored), Limits: compileLimits(),
		Mounts: []sandbox.Mount{
			{Host: src, Inside: "/src"},
			{Host: filepath.Join(cache, "gocache"), Inside: "/gocache", Writable: true},
			{Host: filepath.Join(cache, "out"), Inside: "/out", Writable: true},
		},
		Stdout: &out, Stderr: &out,
	})
	text := out.bytes()
	_, _ = w.log.Write(text)
	if err != nil {
		return nil, err
	}
	if res.ExitCode < 128 { // it ended by itself, so nothing is torn
		err = os.Remove(busy)
	}
	return ended(strings.Join(argv[:min(2, len(argv))], " "), res, text), err
}

// ended gives the outcome of a command that did not succeed, nil of one that
// did.
func ended(what string, res sandbox.Result, text []byte) *outcome {
	var out outcome
	switch {
	case res.TimedOut:
		out = fail("%s took longer than it may", what)
	case res.OOM:
		out = fail("%s needs more memory than it may use", what)
	case res.OutputCut:
		out = fail("%s printed more than it may", what)
	case res.ExitCode != 0:
		out = fail("%s failed: %s", what, firstLine(string(text)))
	default:
		return nil
	}
	return &out
}

// buildPrograms compiles every package and links the programs among them, or
// only the one of a folder, into w.tmp/bin. It returns their names there.
func (w *work) buildPrograms(ctx context.Context, p *goProduct, only string) ([]string, *outcome, error) {
	var mains []*goPackage
	for _, pkg := range p.packages {
		if pkg.main && (only == "" || pkg.dir == path.Clean(only)) {
			mains = append(mains, pkg)
		}
	}
	unlock := w.r.lock(w.subject.Project)
	defer unlock()
	cache, err := w.r.projectCache(ctx, w.subject.Project)
	if err != nil {
		return nil, nil, err
	}
	what := "./..."
	if only != "" {
		what = folder(path.Clean(only))
	}
	batches := p.batches(mains)
	if len(batches) != 1 {
		// Nothing to link, or programs that would be written over each other.
		if out, err := w.compile(ctx, p, cache, w.tree.dir, []string{"go", "build", "-ldflags=-s -w", what}); out != nil || err != nil {
			return nil, out, err
		}
	}
	if err := os.MkdirAll(filepath.Join(w.tmp, "bin"), 0o755); err != nil {
		return nil, nil, fmt.Errorf("make folder of programs: %w", err)
	}
	names := p.programNames(mains)
	var kept []string
	for k, batch := range batches {
		sub := fmt.Sprintf("bin%d", k)
		argv := []string{"go", "build", "-ldflags=-s -w", "-o", "/out/" + sub + "/"}
		if len(batches) == 1 {
			argv = append(argv, what)
		} else {
			argv = append(argv, folders(batch)...)
		}
		if err := os.MkdirAll(filepath.Join(cache, "out", sub), 0o755); err != nil {
			return nil, nil, fmt.Errorf("make output folder: %w", err)
		}
		if out, err := w.compile(ctx, p, cache, w.tree.dir, argv); out != nil || err != nil {
			return nil, out, err
		}
		links := map[string]string{}
		for _, pkg := range batch {
			links[execName(importPath(p.path, pkg.dir))] = names[pkg]
			kept = append(kept, names[pkg])
		}
		if err := w.keep(filepath.Join(cache, "out", sub), "bin", links); err != nil {
			return nil, nil, err
		}
	}
	return kept, nil, nil
}

// programNames gives each program a name of its own in one folder: the one that
// the go command gives it, with a number where an earlier one has it already.
func (p *goProduct) programNames(mains []*goPackage) map[*goPackage]string {
	taken := map[string]bool{}
	for _, pkg := range mains {
		taken[execName(importPath(p.path, pkg.dir))] = true
	}
	names, used := map[*goPackage]string{}, map[string]bool{}
	for _, pkg := range mains {
		plain := execName(importPath(p.path, pkg.dir))
		name := plain
		for n := 2; used[name] || name != plain && taken[name]; n++ {
			name = fmt.Sprintf("%s-%d", plain, n)
		}
		names[pkg], used[name] = name, true
	}
	return names
}

// keep links files out of a folder that the next compilation may change, each
// under the name that it is to have.
func (w *work) keep(from, to string, links map[string]string) error {
	dir := filepath.Join(w.tmp, to)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder of programs: %w", err)
	}
	for name, as := range links {
		if err := os.Link(filepath.Join(from, name), filepath.Join(dir, as)); err != nil {
			return fmt.Errorf("keep program: %w", err)
		}
	}
	return nil
}

func importPath(module, dir string) string { return path.Join(module, dir) }

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// execName is the name that the go command gives a program or test binary: the
// last element of its import path that is not a major version.
func execName(importPath string) string {
	name := path.Base(importPath)
	if dir := path.Dir(importPath); dir != "." && majorVersion.MatchString(name) && name != "v0" && name != "v1" {
		name = path.Base(dir)
	}
	return name
}
