package proof

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/sandbox"
)

// nodeProduct is a Node product that can be run.
type nodeProduct struct {
	packageJSON
	tool sandbox.Tool
}

// nodeProduct reads the product. The outcome is set when it cannot be run here.
func (w *work) nodeProduct(ctx context.Context) (*nodeProduct, *outcome, error) {
	tool, err := w.r.cfg.Sandbox.Tool("node")
	if err != nil {
		return nil, nil, err
	}
	manifest, err := readPackageJSON(w.tree)
	if err != nil {
		out := fail("package.json cannot be read: %s", shorten(err.Error(), 200))
		return nil, &out, nil
	}
	if manifest.dependencies() > 0 && len(w.tree.match("node_modules/**")) == 0 {
		_, err := w.r.cfg.Sandbox.Fetch(ctx, sandbox.FetchRequest{Ecosystem: "npm"})
		return nil, nil, err
	}
	return &nodeProduct{packageJSON: manifest, tool: tool}, nil, nil
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=@,+-]+$`)

// command turns a script of package.json into a command that needs no shell:
// node and plain words. A script that a shell would have to read could hide
// what its parts conclude.
func (p *nodeProduct) command(name string) ([]string, error) {
	script, ok := p.Scripts[name]
	if !ok {
		return nil, fmt.Errorf("package.json has no script %q; add it, or name another in %s", name, RecipesPath)
	}
	words := strings.Fields(script)
	if len(words) < 2 || words[0] != "node" {
		return nil, fmt.Errorf("the script %q is %q; only scripts of the form \"node …\" can be run without a shell and without fetched programs", name, shorten(script, 80))
	}
	for _, word := range words {
		if !plainWord.MatchString(word) {
			return nil, fmt.Errorf("the script %q contains %q, which needs a shell; write it as node and plain words", name, word)
		}
	}
	return words, nil
}

// program refuses options before the file that a script runs.
func (p *nodeProduct) program(name string) ([]string, error) {
	argv, err := p.command(name)
	if err == nil && strings.HasPrefix(argv[1], "-") {
		err = fmt.Errorf("the script %q begins with the option %s; name the file to run first", name, argv[1])
	}
	return argv, err
}

var testFlag = regexp.MustCompile(`^--test(-concurrency=\d+)?$`)

// testFiles returns the test files that a script of the form "node --test …"
// runs.
func (p *nodeProduct) testFiles(t *tree, name string) ([]string, error) {
	argv, err := p.command(name)
	if err != nil {
		return nil, err
	}
	var named []string
	isTest := false
	for _, word := range argv[1:] {
		switch {
		case testFlag.MatchString(word):
			isTest = true
		case strings.HasPrefix(word, "-"):
			return nil, fmt.Errorf("the script %q has the option %s; the platform chooses the options of a test run, write node --test and files", name, word)
		default:
			named = append(named, path.Clean(word))
		}
	}
	if !isTest {
		return nil, fmt.Errorf("the script %q does not run node --test; no other runner is known", name)
	}
	var out []string
	for _, file := range t.files {
		if ignoredDir(path.Dir(file)) || !slices.Contains([]string{".js", ".mjs", ".cjs"}, path.Ext(file)) {
			continue
		}
		below := slices.ContainsFunc(named, func(n string) bool { return file == n || n == "." || strings.HasPrefix(file, n+"/") })
		if slices.Contains(named, file) || (len(named) == 0 || below) && isNodeTest(file) {
			out = append(out, file)
		}
	}
	return out, nil
}

// isNodeTest reports whether node --test finds a file by itself.
func isNodeTest(name string) bool {
	return repo.Match([]string{
		"**/*{.test,-test,_test}.{js,mjs,cjs}", "**/test-*.{js,mjs,cjs}", "**/test.{js,mjs,cjs}", "**/test/**/*.{js,mjs,cjs}",
	}, name)
}

// runNode runs node on files, read-only.
func (w *work) runNode(ctx context.Context, p *nodeProduct, src string, argv, env []string, mounts ...sandbox.Mount) (string, sandbox.Result, error) {
	w.log.say("$ %s", strings.Join(argv, " "))
	var out bytes.Buffer
	res, err := w.r.cfg.Sandbox.Run(ctx, sandbox.Spec{
		Argv: argv, Dir: "/src", Tools: []sandbox.Tool{p.tool}, Env: append([]string{"NO_COLOR=1"}, env...),
		Mounts: append([]sandbox.Mount{{Host: src, Inside: "/src"}}, mounts...),
		Stdout: &out, Stderr: &out, Limits: sandbox.Limits{Time: testLimit},
	})
	return string(clean(out.Bytes())), res, err
}

func checkNodeBuild(ctx context.Context, w *work) (outcome, error) {
	return w.nodeScript(ctx, Build, "build", "package.json declares no build script, and no file is wrong")
}

func checkNodeLint(ctx context.Context, w *work) (outcome, error) {
	return w.nodeScript(ctx, Lint, "lint", "every file is valid JavaScript")
}

// nodeScript checks the syntax of every file, and runs the script of a check if
// there is one.
func (w *work) nodeScript(ctx context.Context, typ, usual, without string) (outcome, error) {
	p, out, err := w.nodeProduct(ctx)
	if out != nil || err != nil {
		return orZero(out), err
	}
	files := w.scripts()
	if len(files) == 0 {
		return blocked("there is no JavaScript to look at; write the product first"), nil
	}
	w.command = "node --check (every file)"
	for _, name := range files {
		text, res, err := w.runNode(ctx, p, w.tree.dir, []string{"node", "--check", name}, nil)
		if err != nil {
			return outcome{}, err
		}
		if res.ExitCode != 0 {
			w.log.say("%s", text)
			return fail("%s is not valid JavaScript: %s", name, syntaxError(text)), nil
		}
	}
	w.figure("files", float64(len(files)))
	script := w.recipes.Checks[typ].Script
	if script == "" {
		if _, ok := p.Scripts[usual]; !ok {
			return pass("%s", without), nil
		}
		script = usual
	}
	argv, err := p.program(script)
	if err != nil {
		return blocked("%s", err), nil
	}
	w.command = strings.Join(argv, " ")
	text, res, err := w.runNode(ctx, p, w.tree.dir, argv, nil)
	if err != nil {
		return outcome{}, err
	}
	w.log.say("%s", text)
	if out := ended(w.command, res, []byte(text)); out != nil {
		return *out, nil
	}
	return pass("%s succeeded", w.command), nil
}

func syntaxError(text string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, "Error:") {
			return shorten(strings.TrimSpace(line), 200)
		}
	}
	return firstLine(text)
}

// scripts are the product's own JavaScript files.
func (w *work) scripts() []string {
	var out []string
	for _, name := range w.tree.files {
		if ext := path.Ext(name); (ext == ".js" || ext == ".mjs" || ext == ".cjs") && !ignoredDir(path.Dir(name)) {
			out = append(out, name)
		}
	}
	return out
}

// nodeRelease describes how a Node product is started.
func (w *work) nodeRelease(ctx context.Context) (release, *outcome, error) {
	p, out, err := w.nodeProduct(ctx)
	if out != nil || err != nil {
		return release{}, out, err
	}
	rel := release{src: w.tree.dir, tool: &p.tool}
	if w.recipes.Serve == nil {
		return rel, nil, nil
	}
	if rel.argv, err = p.program(w.recipes.Serve.Script); err != nil {
		out := blocked("%s", err)
		return release{}, &out, nil
	}
	return rel, nil, nil
}

// nodeRun is what two runs of the test files said, one with the platform's
// canaries passing, one with them failing.
type nodeRun struct {
	good, bad       []scriptTest
	goodRes, badRes sandbox.Result
	goodErr, badErr error
	goodText        string
	lcov            string
}

// runNodeTests runs test files of a copy of the product in which each has a
// canary at its end, so that one that ends early is noticed.
func (w *work) runNodeTests(ctx context.Context, p *nodeProduct, files []string, report string) (*nodeRun, map[string]canary, error) {
	src := filepath.Join(w.tmp, "node")
	if err := w.tree.copyTo(ctx, src); err != nil {
		return nil, nil, fmt.Errorf("copy product: %w", err)
	}
	source, err := w.sourceDigest()
	if err != nil {
		return nil, nil, err
	}
	canaries := map[string]canary{}
	shared := w.r.canaryFor(w.subject.Project, source, "node")
	for i, name := range files {
		c := w.r.canaryFor(w.subject.Project, source, name)
		c.env, c.good, c.bad, c.test = shared.env, shared.good, shared.bad, c.probe+strconv.Itoa(i)
		canaries[name] = c
		w.secrets = append(w.secrets, c.secrets()...)
		if err := w.appendCanary(src, name, c); err != nil {
			return nil, nil, err
		}
	}
	run := &nodeRun{}
	read := readTAP
	if report == "junit" {
		read = readJUnit
	}
	for _, turn := range []struct {
		value string
		tests *[]scriptTest
		res   *sandbox.Result
		err   *error
	}{{shared.good, &run.good, &run.goodRes, &run.goodErr}, {shared.bad, &run.bad, &run.badRes, &run.badErr}} {
		cover, err := os.MkdirTemp(w.tmp, "cover-")
		if err != nil {
			return nil, nil, fmt.Errorf("make coverage folder: %w", err)
		}
		argv := append([]string{
			"node", "--test", "--experimental-test-coverage", "--test-reporter=" + report, "--test-reporter-destination=stdout",
			"--test-reporter=lcov", "--test-reporter-destination=/cover/lcov",
		}, files...)
		text, res, err := w.runNode(ctx, p, src, argv, []string{shared.env + "=" + turn.value}, sandbox.Mount{Host: cover, Inside: "/cover", Writable: true})
		if err != nil {
			return nil, nil, err
		}
		*turn.res = res
		*turn.tests, *turn.err = read(text)
		if turn.value == shared.good {
			run.goodText, run.lcov = text, string(readLeft(cover, "lcov"))
			if res.ExitCode != 0 || *turn.err != nil {
				break
			}
		}
	}
	return run, canaries, nil
}

// appendCanary adds a test to the end of a file, in the file's own kind of
// module.
func (w *work) appendCanary(src, name string, c canary) error {
	f, err := os.OpenFile(filepath.Join(src, filepath.FromSlash(name)), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("add canary: %w", err)
	}
	defer func() { _ = f.Close() }()
	load := fmt.Sprintf("const { test: %s } = require('node:test');", c.probe)
	if w.isESM(name) {
		load = fmt.Sprintf("import { test as %s } from 'node:test';", c.probe)
	}
	_, err = fmt.Fprintf(f, "\n;\n%s\n%s(%q, () => { if (process.env[%q] !== %q) { throw new Error(process.env[%q] === %q ? %q : 'no value'); } });\n",
		load, c.probe, c.test, c.env, c.good, c.env, c.bad, c.cry)
	if err != nil {
		return fmt.Errorf("add canary: %w", err)
	}
	return nil
}

// isESM reports whether a file is an ECMAScript module.
func (w *work) isESM(name string) bool {
	switch path.Ext(name) {
	case ".mjs":
		return true
	case ".cjs":
		return false
	}
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if manifest := path.Join(dir, "package.json"); w.tree.has(manifest) {
			data, err := w.tree.read(manifest)
			return err == nil && regexp.MustCompile(`"type"\s*:\s*"module"`).Match(data)
		}
		if dir == "." {
			return false
		}
	}
}
