package internal_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/layercake-app/layercake"

// reserved says which packages may import a package that reaches outside. Tests
// may start processes and read the environment; they may not go round the
// database's one door.
var reserved = map[string]struct {
	only  []string
	tests bool
}{
	"database/sql":                    {only: []string{"db", "job"}},
	"os/exec":                         {only: []string{"sandbox", "repo"}, tests: true},
	"github.com/caarlos0/env/v11":     {only: []string{"app"}, tests: true},
	"github.com/riverqueue/river":     {only: []string{"job"}},
	"github.com/mattn/go-sqlite3":     {},
	"modernc.org/sqlite":              {only: []string{"db"}},
	"github.com/anthropics/anthropic": {only: []string{"llm"}},
	"github.com/openai/openai-go":     {only: []string{"llm"}},
	"C":                               {},
	"plugin":                          {},
}

// functions says which packages may use a function of the standard library, by
// import path. All of them are open to tests.
var functions = map[string]map[string][]string{
	"os": {
		"Getenv": {"app"}, "LookupEnv": {"app"}, "Environ": {"app"}, "ExpandEnv": {"app"},
		"Setenv": {"app"}, "Unsetenv": {"app"}, "Clearenv": {"app"},
		"StartProcess": {"sandbox", "repo"},
	},
	"syscall": {
		"Getenv": {"app"}, "Environ": {"app"}, "Setenv": {"app"}, "Unsetenv": {"app"}, "Clearenv": {"app"},
		"Exec": {"sandbox", "repo"}, "ForkExec": {"sandbox", "repo"}, "StartProcess": {"sandbox", "repo"},
	},
	"golang.org/x/sys/unix": {
		"Getenv": {"app"}, "Environ": {"app"}, "Setenv": {"app"}, "Unsetenv": {"app"}, "Clearenv": {"app"},
		"Exec": {"sandbox", "repo"},
	},
}

// silencers names, for each model SDK, the option without which it takes keys
// and addresses from the environment by itself.
var silencers = map[string]string{
	"github.com/anthropics/anthropic-sdk-go": "WithoutEnvironmentDefaults",
	"github.com/openai/openai-go":            "WithoutEnvironmentDefaults",
}

// helpers recognizes packages that serve tests, such as dbtest: they may do what
// tests may, and only tests may import them.
var helpers = regexp.MustCompile(`^(internal|cmd)/.*[a-z]test$`)

// source is one parsed file and the layer it belongs to; "cmd" is above all.
type source struct {
	name, layer string
	test        bool
	file        *ast.File
}

// checkTree reports every violation below internal and cmd of fsys, sorted, and
// how many files it read.
func checkTree(fsys fs.FS) (violations []string, files int, err error) {
	byFolder := map[string][]source{}
	for _, top := range []string{"internal", "cmd"} {
		if _, statErr := fs.Stat(fsys, top); statErr != nil {
			continue
		}
		if err := collect(fsys, top, byFolder); err != nil {
			return nil, 0, err
		}
	}
	for folder, sources := range byFolder {
		files += len(sources)
		for _, s := range sources {
			violations = append(violations, checkFile(s)...)
		}
		violations = append(violations, checkSilenced(folder, sources)...)
	}
	slices.Sort(violations)
	return violations, files, nil
}

// collect parses the Go files below top, leaving out what the go command leaves
// out too.
func collect(fsys fs.FS, top string, byFolder map[string][]source) error {
	return fs.WalkDir(fsys, top, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		ignored := base == "testdata" || strings.HasPrefix(base, "_") || strings.HasPrefix(base, ".")
		if entry.IsDir() && ignored {
			return fs.SkipDir
		}
		if entry.IsDir() || ignored || path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder := path.Dir(name)
		byFolder[folder] = append(byFolder[folder], source{
			name: name, layer: layerOf(folder), test: strings.HasSuffix(name, "_test.go") || helpers.MatchString(folder), file: file,
		})
		return nil
	})
}

// layerOf names the layer of a folder: the element after internal, "cmd" for
// commands, and "" for internal itself.
func layerOf(folder string) string {
	parts := strings.Split(folder, "/")
	switch {
	case parts[0] == "cmd":
		return "cmd"
	case len(parts) == 1:
		return ""
	default:
		return parts[1]
	}
}

// rank orders the layers; cmd is above all of them, and internal itself may
// hold only tests, which import nothing of ours.
func rank(layer string) (int, bool) {
	if layer == "cmd" {
		return len(layers), true
	}
	if layer == "" {
		return -1, true
	}
	i := slices.Index(layers, layer)
	return i, i >= 0
}

func checkFile(s source) []string {
	var found []string
	report := func(format string, args ...any) {
		found = append(found, s.name+": "+fmt.Sprintf(format, args...))
	}
	own, listed := rank(s.layer)
	if !listed {
		report("package %s is not in the list of layers; give it a place", s.layer)
	}
	names := map[string]string{}
	for _, spec := range s.file.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		names[localName(spec, imported)] = imported
		if spec.Name != nil && spec.Name.Name == "." {
			report("imports %s with a dot, which hides what it uses", imported)
		}
		if why := backward(s.layer, own, imported); listed && why != "" {
			report("%s", why)
		}
		if rest, ours := strings.CutPrefix(imported, module+"/"); ours && !s.test && helpers.MatchString(rest) {
			report("imports %s, which serves tests only", imported)
		}
		if why := outOfBounds(s, imported); why != "" {
			report("%s", why)
		}
	}
	for _, group := range s.file.Comments {
		for _, comment := range group.List {
			if strings.HasPrefix(comment.Text, "//go:linkname") {
				report("uses go:linkname, which reaches round every rule")
			}
		}
	}
	if !s.test {
		found = append(found, checkFunctions(s, names)...)
	}
	return found
}

// localName is the name by which a file refers to an import.
func localName(spec *ast.ImportSpec, imported string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	return path.Base(imported)
}

// backward explains why a layer may not import a package of this module.
func backward(layer string, own int, imported string) string {
	rest, ours := strings.CutPrefix(imported, module+"/")
	if !ours {
		return ""
	}
	target := layerOf(rest)
	theirs, listed := rank(target)
	switch {
	case !listed:
		return fmt.Sprintf("imports %s, which is not in the list of layers", imported)
	case target == layer || theirs < own:
		return ""
	default:
		return fmt.Sprintf("imports %s: %s stands after %s in the list of layers", imported, target, layer)
	}
}

// outOfBounds explains why a file may not import a package that is reserved to
// other layers.
func outOfBounds(s source, imported string) string {
	for prefix, rule := range reserved {
		matches := imported == prefix || strings.HasPrefix(imported, prefix+"/") || strings.HasPrefix(imported, prefix+"-")
		if !matches || (s.test && rule.tests) || slices.Contains(rule.only, s.layer) {
			continue
		}
		return fmt.Sprintf("imports %s, which is reserved to %v", imported, rule.only)
	}
	return ""
}

func checkFunctions(s source, names map[string]string) []string {
	var found []string
	ast.Inspect(s.file, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		ident, ok := selector.X.(*ast.Ident)
		if !ok {
			return true
		}
		only, restricted := functions[names[ident.Name]][selector.Sel.Name]
		if restricted && !slices.Contains(only, s.layer) {
			found = append(found, fmt.Sprintf("%s: uses %s.%s, which is reserved to %v",
				s.name, names[ident.Name], selector.Sel.Name, only))
		}
		return true
	})
	return found
}

// checkSilenced reports a folder that imports a model SDK and nowhere switches
// off its reading of the environment.
func checkSilenced(folder string, sources []source) []string {
	var found []string
	for sdk, option := range silencers {
		imports, silenced := false, false
		for _, s := range sources {
			if s.test {
				continue
			}
			for _, spec := range s.file.Imports {
				imported, _ := strconv.Unquote(spec.Path.Value)
				imports = imports || imported == sdk || strings.HasPrefix(imported, sdk+"/")
			}
			ast.Inspect(s.file, func(node ast.Node) bool {
				selector, ok := node.(*ast.SelectorExpr)
				silenced = silenced || (ok && selector.Sel.Name == option)
				return true
			})
		}
		if imports && !silenced {
			found = append(found, fmt.Sprintf("%s: imports %s without its option %s: an organization's base URL would receive the instance's key", folder, sdk, option))
		}
	}
	return found
}

// TestRulesCanFail proves each rule on a tree of its own: one file that breaks
// it must be reported, and its lawful neighbour must not.
func TestRulesCanFail(t *testing.T) {
	t.Parallel()
	const ours = `import _ "` + module + `/internal/`
	cases := []struct {
		name, file, text, want string
	}{
		{"backward import", "internal/agent/a.go", ours + `gate"`, "gate stands after agent"},
		{"backward import of a sub-package", "internal/db/a.go", ours + `llm/demo"`, "llm stands after db"},
		{"backward import in a test", "internal/agent/a_test.go", ours + `gate"`, "gate stands after agent"},
		{"backward import of a command", "internal/app/a.go", `import _ "` + module + `/cmd/layercake"`, "cmd stands after app"},
		{"forward import", "internal/gate/a.go", ours + `run"`, ""},
		{"own sub-package", "internal/llm/demo/a.go", ours + `llm"`, ""},
		{"command imports app", "cmd/layercake/main.go", ours + `app"`, ""},
		{"unlisted package", "internal/utils/a.go", ``, "utils is not in the list"},
		{"import of an unlisted package", "internal/app/a.go", ours + `helpers"`, "not in the list"},
		{"database/sql", "internal/gate/a.go", `import _ "database/sql"`, "reserved to [db job]"},
		{"database/sql below", "internal/gate/a.go", `import _ "database/sql/driver"`, "reserved to [db job]"},
		{"database/sql in a test", "internal/gate/a_test.go", `import _ "database/sql"`, "reserved to [db job]"},
		{"database/sql in db", "internal/db/dbtest/a.go", `import _ "database/sql"`, ""},
		{"os/exec", "internal/proof/a.go", `import _ "os/exec"`, "reserved to [sandbox repo]"},
		{"os/exec in a command", "cmd/layercake/main.go", `import _ "os/exec"`, "reserved to [sandbox repo]"},
		{"os/exec in a test", "internal/proof/a_test.go", `import _ "os/exec"`, ""},
		{"os/exec in repo", "internal/repo/a.go", `import _ "os/exec"`, ""},
		{"StartProcess", "internal/proof/a.go", "import \"os\"\nvar _ = os.StartProcess", "reserved to [sandbox repo]"},
		{"Getenv", "internal/llm/a.go", "import \"os\"\nvar _ = os.Getenv(\"X\")", "uses os.Getenv"},
		{"Getenv by another name", "internal/llm/a.go", "import x \"os\"\nvar f = x.Getenv", "uses os.Getenv"},
		{"LookupEnv", "internal/llm/a.go", "import \"os\"\nvar _, _ = os.LookupEnv(\"X\")", "uses os.LookupEnv"},
		{"Environ", "internal/sandbox/a.go", "import \"os\"\nvar _ = os.Environ()", "uses os.Environ"},
		{"ExpandEnv", "internal/repo/a.go", "import \"os\"\nvar _ = os.ExpandEnv(\"$X\")", "uses os.ExpandEnv"},
		{"syscall.Getenv", "internal/repo/a.go", "import \"syscall\"\nvar _, _ = syscall.Getenv(\"X\")", "uses syscall.Getenv"},
		{"unix.Environ", "internal/repo/a.go", "import \"golang.org/x/sys/unix\"\nvar _ = unix.Environ()", "uses golang.org/x/sys/unix.Environ"},
		{"Getenv in a command", "cmd/layercake/main.go", "import \"os\"\nvar _ = os.Getenv(\"X\")", "uses os.Getenv"},
		{"Getenv in app", "internal/app/a.go", "import \"os\"\nvar _ = os.Getenv(\"X\")", ""},
		{"Getenv in a test", "internal/llm/a_test.go", "import \"os\"\nvar _ = os.Getenv(\"X\")", ""},
		{"Getenv in a package for tests", "internal/db/dbtest/a.go", "import \"os\"\nvar _ = os.Getenv(\"X\")", ""},
		{"package for tests in a test", "internal/gate/a_test.go", ours + `db/dbtest"`, ""},
		{"package for tests in the product", "internal/gate/a.go", ours + `db/dbtest"`, "serves tests only"},
		{"another Getenv", "internal/llm/a.go", "type e struct{ Getenv int }\nvar os e\nvar _ = os.Getenv", ""},
		{"settings library", "internal/llm/a.go", `import _ "github.com/caarlos0/env/v11"`, "reserved to [app]"},
		{"dot import", "internal/llm/a.go", `import . "os"`, "with a dot"},
		{"go:linkname", "internal/llm/a.go", "//go:linkname f os.Getenv\nfunc f(string) string", "go:linkname"},
		{"cgo", "internal/llm/a.go", `import "C"`, "reserved to []"},
		{"River outside job", "internal/flow/a.go", `import _ "github.com/riverqueue/river"`, "reserved to [job]"},
		{"SDK outside llm", "internal/run/a.go", "import \"github.com/anthropics/anthropic-sdk-go/option\"\nvar _ = option.WithoutEnvironmentDefaults", "reserved to [llm]"},
		{"SDK reads the environment", "internal/llm/a.go", "import \"github.com/anthropics/anthropic-sdk-go\"\nvar _ = anthropic.NewClient", "without its option"},
		{"SDK silenced", "internal/llm/a.go", "import \"github.com/anthropics/anthropic-sdk-go/option\"\nvar _ = option.WithoutEnvironmentDefaults", ""},
		{"left out by the go command", "internal/llm/testdata/a.go", `import _ "os/exec"`, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tree := fstest.MapFS{c.file: {Data: []byte("package x\n" + c.text + "\n")}}
			violations, _, err := checkTree(tree)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case c.want == "" && len(violations) > 0:
				t.Errorf("lawful code was reported: %q", violations)
			case c.want != "" && (len(violations) != 1 || !strings.Contains(violations[0], c.want)):
				t.Errorf("reported %q, want one line with %q", violations, c.want)
			}
		})
	}
}
