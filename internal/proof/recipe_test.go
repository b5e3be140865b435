package proof

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/repo"
)

func TestParseRecipes(t *testing.T) {
	t.Parallel()
	got, err := ParseRecipes([]byte(plants[RecipesPath]))
	if err != nil {
		t.Fatal(err)
	}
	want := Recipes{
		Version: 1, Stack: StackGo, Declared: true,
		Serve: &Serve{Package: "./cmd/plants", Port: 8080, Health: "/health", Smoke: []Step{
			{Method: "GET", Path: "/"},
			{Method: "GET", Path: "/api/plants"},
			{Method: "POST", Path: "/api/plants", Body: `{"name":"Basil"}`, Status: 201},
			{Method: "GET", Path: "/api/plants", Contains: "Basil"},
		}},
		Checks: map[string]Recipe{
			Unit:        {Packages: []string{"./internal/..."}},
			Integration: {Packages: []string{"./integration/..."}},
			E2E:         {Packages: []string{"./e2e/..."}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	node, err := ParseRecipes([]byte("version: 1\nstack: node\nchecks:\n  unit_test_output: {script: 'test:unit', report: junit.xml}\n  lint_output: {script: lint}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]Recipe{Unit: {Script: "test:unit", Report: "junit"}, Lint: {Script: "lint", Report: "tap"}}, node.Checks); diff != "" {
		t.Error(diff)
	}
}

// TestParseRecipesNamesEveryMistake gives each wrong file the lines and words
// that its error must hold, all of them at once.
func TestParseRecipesNamesEveryMistake(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text  string
		words []string
	}{
		"empty":          {"", []string{"line 1", "empty"}},
		"not YAML":       {"version: [", []string{"not YAML"}},
		"a list":         {"- a\n", []string{"line 1", "mapping"}},
		"nothing in it":  {"checks: {}\n", []string{"version is missing", "stack is missing"}},
		"wrong values":   {"version: 2\nstack: rust\n", []string{"line 1", "version must be", "line 2", `"rust"`}},
		"unknown key":    {"version: 1\nstack: go\nshell: x\n", []string{"line 3", `unknown key "shell"`}},
		"twice":          {"version: 1\nstack: go\nstack: node\n", []string{"line 3", "appears twice"}},
		"unknown check":  {"version: 1\nstack: go\nchecks:\n  perf: {packages: [.]}\n", []string{"line 4", `"perf"`}},
		"a shell":        {"version: 1\nstack: go\nchecks:\n  unit_test_output: {run: 'true'}\n", []string{"line 4", `"run"`}},
		"no packages":    {"version: 1\nstack: go\nchecks:\n  unit_test_output: {packages: []}\n", []string{"line 4", "at least one"}},
		"flag":           {"version: 1\nstack: go\nchecks:\n  unit_test_output: {packages: ['-exec=true']}\n", []string{"line 4", "folder of this module"}},
		"outside":        {"version: 1\nstack: go\nchecks:\n  unit_test_output: {packages: [./../x]}\n", []string{"line 4", "folder of this module"}},
		"script of Go":   {"version: 1\nstack: go\nserve: {package: ./cmd, script: start, port: 80, health: /, smoke: [/]}\n", []string{"serve.script does not belong"}},
		"many packages":  {"version: 1\nstack: go\nserve: {package: ./..., port: 80, health: /, smoke: [/]}\n", []string{"one main package"}},
		"serve":          {"version: 1\nstack: go\nserve:\n  port: 0\n  health: http://x\n", []string{"line 4", "serve.port", "line 5", "serve.health", "serve.package is missing", "serve.smoke"}},
		"smoke":          {"version: 1\nstack: go\nserve: {package: ./cmd, port: 80, health: /, smoke: [//x, {path: /, method: EAT}]}\n", []string{`"//x"`, `"EAT"`}},
		"script":         {"version: 1\nstack: node\nchecks:\n  unit_test_output: {script: 'a; b'}\n", []string{"line 4", "name of a script"}},
		"report":         {"version: 1\nstack: node\nchecks:\n  unit_test_output: {script: a, report: csv}\n", []string{"line 4", `"csv"`}},
		"too large":      {"version: 1\n" + strings.Repeat("#", maxRecipes), []string{"bytes"}},
		"alias as value": {"version: &v 1\nstack: *v\n", []string{"line 2", "stack must be a text"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseRecipes([]byte(c.text))
			f, ok := fault.As(err)
			if !ok || f.Kind != fault.KindInvalid {
				t.Fatalf("got %v, want a fault of kind invalid", err)
			}
			var all strings.Builder
			for _, d := range f.Details {
				all.WriteString(d.Message + "\n")
			}
			for _, word := range c.words {
				if !strings.Contains(all.String(), word) {
					t.Errorf("details do not hold %q:\n%s", word, all.String())
				}
			}
		})
	}
}

func TestParseRecipesNeverPanics(t *testing.T) {
	t.Parallel()
	tokens := []string{"version", "stack", "serve", "checks", ":", " ", "\n", "\n  ", "[", "]", "{", "}", "1", "go", "node", "./...", "- ", "&a", "*a", "!!map", "'", "/", Unit, "packages", "script"}
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.SampledFrom(tokens)).Draw(t, "parts")
		r, err := ParseRecipes([]byte(strings.Join(parts, "")))
		if err == nil && (r.Version != 1 || r.Stack != StackGo && r.Stack != StackNode) {
			t.Fatalf("accepted %q as %+v", parts, r)
		}
	})
}

func TestFacts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files files
		holds string
	}{
		"nothing":          {files{"README.md": "x"}, "no_ui"},
		"plants":           {plants, "ui api serves go declares_integration declares_e2e"},
		"requirements":     {files{"docs/USER_STORIES.md": "I open the page and press a button; it is saved."}, "ui data"},
		"ruled out":        {files{"docs/PRD.md": "A library without a user interface. Forms are read from files. It stores nothing."}, "no_ui"},
		"API in words":     {files{"docs/PRD.md": "There is no user interface, only an API that keeps records."}, "no_ui api data"},
		"templates":        {files{"go.mod": "module x\n", "internal/web/templates/index.gohtml": "x"}, "ui go"},
		"a Go package web": {files{"go.mod": "module x\n", "internal/web/web.go": "package web"}, "no_ui go"},
		"front end":        {files{"package.json": "{}", "public/app.css": "x"}, "ui node"},
		"only fetched":     {files{"package.json": "{}", "node_modules/x/index.html": "x"}, "no_ui node"},
		"specs":            {files{"specs/openapi.yaml": "x", "specs/data-model.yaml": "x"}, "no_ui api data"},
		"wrong recipes":    {files{"go.mod": "module x\n", RecipesPath: "stack: rust"}, "no_ui go"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var list []repo.File
			for path := range c.files {
				list = append(list, repo.File{Path: path})
			}
			got := Facts(list, func(path string) ([]byte, error) { return []byte(c.files[path]), nil })
			var holds []string
			for _, fact := range []string{"ui", "no_ui", "api", "data", "serves", "go", "node", "declares_integration", "declares_e2e"} {
				if v, ok := got[fact]; !ok {
					t.Errorf("%s is absent", fact)
				} else if v {
					holds = append(holds, fact)
				}
			}
			if diff := cmp.Diff(c.holds, strings.Join(holds, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}
