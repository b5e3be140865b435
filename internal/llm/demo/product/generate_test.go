package product

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/format"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"html/template"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"
)

type tree = map[string][]byte

// join lays trees over each other, later ones on top.
func join(trees ...tree) tree {
	all := tree{}
	for _, t := range trees {
		maps.Copy(all, t)
	}
	return all
}

// stages are the states a repository goes through.
func stages(m Model, s Style) map[string]tree {
	scaffold, backend, frontend, tests := m.Scaffold(), m.Backend(), m.Frontend(s), m.Tests()
	return map[string]tree{
		"scaffold": scaffold,
		"backend":  join(scaffold, backend),
		"frontend": join(scaffold, frontend),
		"both":     join(scaffold, backend, frontend),
		"tests":    join(scaffold, backend, frontend, tests),
	}
}

// compiler type-checks generated trees without a Go tool. The standard library is
// read once.
type compiler struct {
	mu   sync.Mutex
	fset *token.FileSet
	std  types.Importer
}

var shared = sync.OnceValue(func() *compiler {
	fset := token.NewFileSet()
	return &compiler{fset: fset, std: importer.ForCompiler(fset, "source", nil)}
})

// check parses, formats and type-checks every package of a tree; unused imports
// and variables are errors as for the Go compiler.
func (c *compiler) check(module string, files tree) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	byDir := map[string][]*ast.File{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		formatted, err := format.Source(files[name])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !bytes.Equal(formatted, files[name]) {
			return fmt.Errorf("%s is not formatted", name)
		}
		file, err := parser.ParseFile(c.fset, name, files[name], parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		byDir[path.Dir(name)] = append(byDir[path.Dir(name)], file)
	}
	imp := &treeImporter{c: c, module: module, byDir: byDir, done: map[string]*types.Package{}}
	for _, dir := range slices.Sorted(maps.Keys(byDir)) {
		if _, err := imp.Import(module + "/" + dir); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return nil
}

type treeImporter struct {
	c      *compiler
	module string
	byDir  map[string][]*ast.File
	done   map[string]*types.Package
}

func (i *treeImporter) Import(p string) (*types.Package, error) {
	dir, ours := strings.CutPrefix(p, i.module+"/")
	if !ours {
		return i.c.std.Import(p)
	}
	if pkg, ok := i.done[p]; ok {
		return pkg, nil
	}
	if len(i.byDir[dir]) == 0 {
		return nil, fmt.Errorf("no package %s", p)
	}
	config := types.Config{Importer: i, GoVersion: "go1.26"}
	pkg, err := config.Check(p, i.c.fset, i.byDir[dir], nil)
	i.done[p] = pkg
	return pkg, err
}

// TestEveryStageCompiles takes every idea in a soak run, a sixth of them in a
// normal one.
func TestEveryStageCompiles(t *testing.T) {
	t.Parallel()
	for i, c := range ideas {
		if i%6 != 0 && !soak() {
			continue
		}
		m := Read(c.idea)
		if i%2 == 1 {
			m, _ = m.Extend("add a warranty date, a deposit and a website; track suppliers; mark as done")
		}
		for name, files := range stages(m, Styles()[i%3]) {
			if name != "tests" && i%9 != 0 && !soak() {
				continue
			}
			if err := shared().check(m.Module, files); err != nil {
				t.Errorf("%q, %s: %v", c.idea, name, err)
			}
		}
	}
}

// TestAnyProductCompiles generates everything for any two texts; every sixth
// result is also type-checked, all of them in a soak run.
func TestAnyProductCompiles(t *testing.T) {
	t.Parallel()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		m := Read(anyIdea(t, "idea"))
		if rapid.Bool().Draw(t, "extended") {
			m, _ = m.Extend(anyIdea(t, "request"))
		}
		style := Styles()[rapid.IntRange(0, 2).Draw(t, "style")]
		files := join(m.Scaffold(), m.Backend(), m.Frontend(style), m.Tests())
		if n++; n%6 != 1 && !soak() {
			return
		}
		if err := shared().check(m.Module, files); err != nil {
			t.Fatal(err)
		}
		if err := wellFormed(m, files); err != nil {
			t.Fatal(err)
		}
	})
}

// wellFormed checks what is not Go.
func wellFormed(m Model, files tree) error {
	pages := template.New("")
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, ".html") {
			if _, err := pages.Parse(string(files[name])); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	for name, data := range join(tree{"openapi": m.OpenAPI(), "checks": m.ChecksYAML(), "model": m.YAML()}, m.Monitoring(), m.Deploy()) {
		var v any
		switch {
		case strings.HasSuffix(name, ".json"):
			if err := json.Unmarshal(data, &v); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		case name != "Dockerfile" && name != ".dockerignore":
			if err := yaml.Unmarshal(data, &v); err != nil {
				return fmt.Errorf("%s: %w\n%s", name, err, data)
			}
		}
	}
	for n := 1; n <= 3; n++ {
		if _, _, page, _ := m.Design(n); strings.Contains(page, "<no value>") || strings.Contains(page, "ZgotmplZ") {
			return fmt.Errorf("design %d has a hole", n)
		}
	}
	return nil
}

// TestParallelWorkDoesNotClash: two developers from the same scaffold never touch
// the same path, and tests are nobody's but the tester's.
func TestParallelWorkDoesNotClash(t *testing.T) {
	t.Parallel()
	for _, c := range ideas[:8] {
		m := Read(c.idea)
		parts := map[string]tree{"backend": m.Backend(), "frontend": m.Frontend(Styles()[1]), "tests": m.Tests(), "deploy": m.Deploy(), "monitoring": m.Monitoring()}
		owner := map[string]string{}
		for name, files := range parts {
			for p := range files {
				if other, ok := owner[p]; ok {
					t.Errorf("%q: %s is of %s and %s", c.idea, p, name, other)
				}
				owner[p] = name
				if path.Clean(p) != p || strings.HasPrefix(p, "/") || strings.HasPrefix(p, ".layercake/") {
					t.Errorf("path %q", p)
				}
			}
		}
	}
}

// TestEveryCriterionHasItsTest: ids are unique and count up, and the generated
// tests are exactly those that the criteria name, at the level they name.
func TestEveryCriterionHasItsTest(t *testing.T) {
	t.Parallel()
	for _, c := range ideas {
		m := Read(c.idea)
		m, _ = m.Extend("add a warranty date; track suppliers; when I last checked it")
		dirs := map[string]string{"unit": "internal/", "integration": "integration/", "e2e": "e2e/"}
		found := map[string]string{}
		for name, data := range m.Tests() {
			file, err := parser.ParseFile(token.NewFileSet(), name, data, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "TestAC_") {
					found[f.Name.Name] = name
				}
			}
		}
		features := map[string]bool{}
		for i, f := range m.Features() {
			if f.ID != fmt.Sprintf("F-%d", i+1) || f.Title == "" || f.Text == "" {
				t.Errorf("%q: feature %+v", c.idea, f)
			}
			features[f.ID] = true
		}
		for i, s := range m.Stories() {
			if s.ID != fmt.Sprintf("US-%d", i+1) || !features[s.Feature] || s.Title == "" || s.As == "" || s.Want == "" || s.So == "" || len(s.Criteria) == 0 {
				t.Errorf("%q: story %+v", c.idea, s)
			}
			for j, ac := range s.Criteria {
				id := fmt.Sprintf("%d.%d", i+1, j+1)
				if ac.ID != "AC-"+id || !strings.HasPrefix(ac.Test, "TestAC_"+strings.ReplaceAll(id, ".", "_")+"_") {
					t.Errorf("%q: criterion %+v is not number %s", c.idea, ac, id)
				}
				if !strings.HasPrefix(found[ac.Test], dirs[ac.Level]) || found[ac.Test] == "" {
					t.Errorf("%q: test %s (%s) is in %q", c.idea, ac.Test, ac.Level, found[ac.Test])
				}
				delete(found, ac.Test)
			}
		}
		if len(found) > 0 {
			t.Errorf("%q: tests without a criterion: %v", c.idea, found)
		}
	}
}

// TestOpenAPIDescribesTheAPI builds the document and compares its operations with
// the model.
func TestOpenAPIDescribesTheAPI(t *testing.T) {
	t.Parallel()
	for _, c := range ideas[:12] {
		m := Read(c.idea)
		doc, err := libopenapi.NewDocument(m.OpenAPI())
		if err != nil {
			t.Fatal(err)
		}
		model, errs := doc.BuildV3Model()
		if errs != nil {
			t.Fatalf("%q: %v", c.idea, errs)
		}
		want := []string{"/health", "/metrics"}
		for _, e := range m.Entities {
			want = append(want, "/api/"+e.Plural, "/api/"+e.Plural+"/{id}")
		}
		for _, a := range m.Actions {
			e, _ := m.Entity(a.Entity)
			want = append(want, "/api/"+e.Plural+"/{id}/"+a.Verb)
		}
		got := slices.Collect(model.Model.Paths.PathItems.KeysFromOldest())
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q: paths %v, want %v", c.idea, got, want)
		}
		for _, e := range m.Entities {
			schema, ok := model.Model.Components.Schemas.Get(e.Name + "Input")
			if !ok || schema.Schema() == nil || schema.Schema().Properties.Len() != len(e.Fields) {
				t.Errorf("%q: no schema with every field of %s", c.idea, e.Name)
			}
		}
	}
}
