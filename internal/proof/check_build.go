package proof

import (
	"context"
	"strings"

	"github.com/layercake-app/layercake/internal/sandbox"
)

// checkBuild compiles the product.
func checkBuild(ctx context.Context, w *work) (outcome, error) {
	if out := w.stackKnown(); out != nil {
		return *out, nil
	}
	if w.recipes.Stack == StackNode {
		return checkNodeBuild(ctx, w)
	}
	w.command = "go build ./..."
	p, out, err := w.goProduct(ctx)
	if out != nil || err != nil {
		return orZero(out), err
	}
	sources := 0
	for _, pkg := range p.packages {
		sources += len(pkg.files)
	}
	if sources == 0 {
		return blocked("there is no Go source to build; write the product first"), nil
	}
	programs, out, err := w.buildPrograms(ctx, p, "")
	if out != nil || err != nil {
		return orZero(out), err
	}
	w.figure("packages", float64(len(p.packages)))
	w.figure("programs", float64(len(programs)))
	if len(programs) == 0 {
		return pass("%d package(s) compile", len(p.packages)), nil
	}
	return pass("%d package(s) compile; programs: %s", len(p.packages), strings.Join(programs, ", ")), nil
}

// goToolRun runs a tool that only reads source: no cache, nothing writable.
func (w *work) goToolRun(ctx context.Context, p *goProduct, argv ...string) (string, *outcome, error) {
	w.log.say("$ %s", strings.Join(argv, " "))
	var out recorder
	res, err := w.r.cfg.Sandbox.Run(ctx, sandbox.Spec{
		Argv: argv, Dir: "/src", Tools: []sandbox.Tool{p.tool}, Env: goEnv(p.vendored),
		Mounts: []sandbox.Mount{{Host: w.tree.dir, Inside: "/src"}},
		Stdout: &out, Stderr: &out,
	})
	text := out.bytes()
	_, _ = w.log.Write(text)
	if err != nil {
		return "", nil, err
	}
	return string(text), ended(argv[0], res, text), nil
}
