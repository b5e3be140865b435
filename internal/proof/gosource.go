package proof

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/sandbox"
)

// goPackage is a folder of Go files as the go command would build it here.
type goPackage struct {
	dir   string // "." or "internal/store"
	name  string
	files []string // what is compiled into the product
	// tests are the functions go test would run, by name; examples and fuzz
	// targets have no probe.
	tests  map[string]*goTest
	others map[string]bool
	xtest  bool // some of them are in the package name_test
	// testFiles are what go test compiles besides.
	testFiles []string
	excluded  []string // test files that a build constraint leaves out
	main      bool     // a program, not only the tests of one
}

// goTest is one func TestX(t *testing.T).
type goTest struct {
	name, file string
	line       int
	param      string // "" when the body cannot name its *testing.T
	external   bool   // declared in package name_test
	body       int    // offset just after the opening brace
	hollow     string // why it cannot fail, "" when it can
}

// goModule is what the checks know of a Go product without running anything.
type goModule struct {
	path      string
	version   string
	requires  []module
	replaces  []string
	ignores   []string // folders that go.mod takes out of "./..."
	vendored  bool
	packages  []*goPackage // sorted by folder
	parseErrs []string
}

// loadModule reads go.mod and the packages of a tree as a Go with these tags
// builds them. Its error is for people.
func loadModule(t *tree, tags goTags) (*goModule, error) {
	data, err := t.read("go.mod")
	if err != nil {
		return nil, errors.New("there is no go.mod at the top of the repository; a Go product needs one")
	}
	m, err := parseGoMod(data)
	if err != nil {
		return nil, err
	}
	m.vendored = t.has("vendor/modules.txt")
	build := buildContext(t, tags)
	for _, dir := range t.dirs(".go") {
		if nested(t, dir) {
			continue
		}
		p, err := loadPackage(t, build, dir)
		if err != nil {
			m.parseErrs = append(m.parseErrs, err.Error())
			continue
		}
		if p != nil {
			m.packages = append(m.packages, p)
		}
	}
	slices.SortFunc(m.packages, func(a, b *goPackage) int { return cmp.Compare(a.dir, b.dir) })
	return m, nil
}

// nested reports whether a folder belongs to a module of its own.
func nested(t *tree, dir string) bool {
	for ; dir != "."; dir = path.Dir(dir) {
		if t.has(dir + "/go.mod") {
			return true
		}
	}
	return false
}

// goTags are what decides, besides the name of a file, whether a Go compiles
// it: its processor, its releases and its experiments.
type goTags struct {
	arch          string
	release, tool []string
}

const askTags = `{{context.GOARCH}}|{{join context.ReleaseTags " "}}|{{join context.ToolTags " "}}`

// goTags asks the Go of the sandbox, which may be another than the one that
// compiled this program: what it compiles has to be read.
func (w *work) goTags(ctx context.Context, tool sandbox.Tool) (goTags, error) {
	var out recorder
	res, err := w.r.cfg.Sandbox.Run(ctx, sandbox.Spec{
		Argv: []string{"go", "list", "-f", askTags, "unsafe"}, Tools: []sandbox.Tool{tool}, Env: append(goEnv(false), "GOCACHE=/tmp/gocache"),
		Stdout: &out, Stderr: &out, Limits: sandbox.Limits{Time: 30 * time.Second},
	})
	if err != nil {
		return goTags{}, err
	}
	text := strings.TrimSpace(string(out.bytes()))
	parts := strings.Split(text, "|")
	if res.ExitCode != 0 || len(parts) != 3 || !strings.HasPrefix(parts[1], "go1.1 ") {
		return goTags{}, fmt.Errorf("ask go for its build tags: exit %d: %s", res.ExitCode, shorten(text, 200))
	}
	return goTags{arch: parts[0], release: strings.Fields(parts[1]), tool: strings.Fields(parts[2])}, nil
}

// buildContext answers as the go command does in the sandbox, reading from the
// tree alone.
func buildContext(t *tree, tags goTags) *build.Context {
	c := build.Default
	c.GOOS, c.GOARCH, c.CgoEnabled = "linux", tags.arch, false
	c.ReleaseTags, c.ToolTags = tags.release, tags.tool
	c.BuildTags, c.GOPATH, c.GOROOT = nil, "/nowhere", "/nowhere"
	c.JoinPath = path.Join
	c.IsAbsPath = path.IsAbs
	c.SplitPathList = func(list string) []string { return strings.Split(list, ":") }
	c.HasSubdir = func(string, string) (string, bool) { return "", false }
	c.IsDir = func(string) bool { return true }
	c.ReadDir = func(dir string) ([]fs.FileInfo, error) {
		entries, err := fs.ReadDir(t.root.FS(), dir)
		if err != nil {
			return nil, err
		}
		var out []fs.FileInfo
		for _, e := range entries {
			if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
				out = append(out, info)
			}
		}
		return out, nil
	}
	c.OpenFile = func(name string) (io.ReadCloser, error) { return t.root.Open(name) }
	return &c
}

func loadPackage(t *tree, c *build.Context, dir string) (*goPackage, error) {
	b, err := c.ImportDir(dir, 0)
	var none *build.NoGoError
	if errors.As(err, &none) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	p := &goPackage{dir: dir, name: b.Name, main: b.Name == "main" && len(b.GoFiles) > 0, tests: map[string]*goTest{}, others: map[string]bool{}}
	for _, f := range b.GoFiles {
		p.files = append(p.files, path.Join(dir, f))
	}
	for _, f := range b.IgnoredGoFiles {
		if strings.HasSuffix(f, "_test.go") {
			p.excluded = append(p.excluded, path.Join(dir, f))
		}
	}
	p.xtest = len(b.XTestGoFiles) > 0
	helpers := map[string]*ast.FuncDecl{}
	var declared []declaredTest
	for i, f := range slices.Concat(b.TestGoFiles, b.XTestGoFiles) {
		p.testFiles = append(p.testFiles, path.Join(dir, f))
		found, err := p.readTests(t, path.Join(dir, f), i >= len(b.TestGoFiles), helpers)
		if err != nil {
			return nil, err
		}
		declared = append(declared, found...)
	}
	for _, d := range declared {
		d.test.hollow = hollow(d.decl, helpers)
		p.tests[d.test.name] = d.test
	}
	return p, nil
}

type declaredTest struct {
	test *goTest
	decl *ast.FuncDecl
}

// readTests collects what one test file declares, and its plain functions as
// helpers.
func (p *goPackage) readTests(t *tree, name string, external bool, helpers map[string]*ast.FuncDecl) ([]declaredTest, error) {
	src, err := t.read(name)
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("%w", err)
	}
	var out []declaredTest
	for _, d := range file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Recv != nil || fn.Body == nil {
			continue
		}
		kind, isTest := testKind(fn)
		if !isTest {
			helpers[fn.Name.Name] = fn
			continue
		}
		if kind != "Test" {
			p.others[fn.Name.Name] = true
			continue
		}
		pos := set.Position(fn.Pos())
		out = append(out, declaredTest{decl: fn, test: &goTest{
			name: fn.Name.Name, file: name, line: pos.Line, external: external,
			param: usableParam(fn), body: set.Position(fn.Body.Lbrace).Offset + 1,
		}})
	}
	return out, nil
}

var testName = regexp.MustCompile(`^(Test|Fuzz|Example)(\P{Ll}.*)?$`)

// testKind says whether the go command runs a function as a test, and of which
// kind. TestMain is none.
func testKind(fn *ast.FuncDecl) (string, bool) {
	m := testName.FindStringSubmatch(fn.Name.Name)
	if m == nil || fn.Type.Results != nil {
		return "", false
	}
	params := fn.Type.Params.List
	switch {
	case m[1] == "Example":
		return m[1], len(params) == 0
	case len(params) != 1 || len(params[0].Names) > 1:
		return "", false
	case m[1] == "Test":
		return m[1], isTesting(params[0].Type, "T")
	default:
		return m[1], isTesting(params[0].Type, "F")
	}
}

// isTesting reports whether a type is written *testing.<name>, whatever the
// import is called.
func isTesting(t ast.Expr, name string) bool {
	star, ok := t.(*ast.StarExpr)
	if !ok {
		return false
	}
	switch x := star.X.(type) {
	case *ast.SelectorExpr:
		return x.Sel.Name == name
	case *ast.Ident:
		return x.Name == name
	}
	return false
}

func usableParam(fn *ast.FuncDecl) string {
	names := fn.Type.Params.List[0].Names
	if len(names) == 0 || names[0].Name == "_" {
		return ""
	}
	return names[0].Name
}

// leavesOut reports whether go.mod takes a folder out of "./...".
func (m *goModule) leavesOut(dir string) bool {
	return slices.ContainsFunc(m.ignores, func(out string) bool {
		if rooted, ok := strings.CutPrefix(out, "./"); ok {
			return strings.HasPrefix(dir+"/", rooted+"/")
		}
		return strings.Contains("/"+dir+"/", "/"+out+"/")
	})
}

// testPackages returns the packages that have tests, of those that the patterns
// name.
func (m *goModule) testPackages(patterns []string) []*goPackage {
	var out []*goPackage
	for _, p := range m.packages {
		if len(p.tests)+len(p.others) > 0 && matchesPackage(patterns, p.dir) {
			out = append(out, p)
		}
	}
	return out
}

// matchesPackage reports whether one of the go command's patterns names a
// folder.
func matchesPackage(patterns []string, dir string) bool {
	for _, pattern := range patterns {
		pattern = path.Clean(pattern)
		below, all := strings.CutSuffix(pattern, "...")
		below = path.Clean(strings.TrimSuffix(below, "/"))
		switch {
		case pattern == dir, all && below == ".", all && (dir == below || strings.HasPrefix(dir, below+"/")):
			return true
		}
	}
	return false
}
