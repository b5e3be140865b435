package proof

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/repo"
)

// commitLinks commits files and symbolic links, by name and target, as an agent
// can: out of a worktree.
func commitLinks(t *testing.T, f files, links map[string]string) string {
	t.Helper()
	platform(t)
	r, err := shared.store.Create(t.Context(), testProject)
	if err != nil {
		t.Fatal(err)
	}
	w, err := r.Worktree(t.Context(), "links", "")
	if err != nil {
		t.Fatal(err)
	}
	writeTree(t, w.Dir(), f)
	for name, target := range links {
		at := filepath.Join(w.Dir(), name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, at); err != nil {
			t.Fatal(err)
		}
	}
	c, _, err := w.Commit(t.Context(), repo.CommitSpec{
		Author: repo.Signature{Name: "Test", Email: "test@example.com"}, Message: "product",
		When: time.Unix(1_700_000_000, 0), Allow: repo.AllowAll,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// writeTree writes files below a folder.
func writeTree(t testing.TB, dir string, f files) {
	t.Helper()
	for name, text := range f {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var answering = files{
	"go.mod":                 "module example.com/answering\n\ngo 1.26\n",
	".layercake/checks.yaml": "version: 1\nstack: go\nserve:\n  package: .\n  port: 8080\n  health: /health\n  smoke: [/health, /answer]\n",
	"main.go": `package main

import (
	"fmt"
	"net/http"
	"os"
)

var answer = func() int { return 42 }

func main() {
	http.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") })
	http.HandleFunc("/answer", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, answer()) })
	fmt.Println(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
`,
	"main_test.go": `package main

import "testing"

func TestAC_1_1_answer(t *testing.T) {
	if answer() != 42 {
		t.Fatal("broken")
	}
}
`,
	"docs/notes.txt":  "package main\n\nfunc init() { answer = func() int { return 666 } }\n",
	"docs/back/d.txt": "package back\n",
}

// A link whose target is compiled, loaded or a folder fails every check that
// compiles or runs the product; those that only read say what they left out.
func TestLinkedCodeFails(t *testing.T) {
	t.Parallel()
	c := commitLinks(t, answering, map[string]string{"zz.go": "docs/notes.txt"})
	for _, typ := range []string{Build, Lint, Unit, Coverage, Preview, Deployment, Smoke} {
		res := runOn(t, Subject{Project: testProject, Change: "chg_1", Gate: "G8-links", Type: typ, Commit: c})
		want(t, res, Fail, "zz.go is a symbolic link", "put the file itself in its place")
	}
	res := runOn(t, Subject{Project: testProject, Change: "chg_1", Gate: "G7", Type: Secrets, Commit: c})
	want(t, res, Pass)
	if !strings.Contains(string(res.Log), "left out: zz.go") {
		t.Errorf("the log does not name the link:\n%s", res.Log)
	}
}

// What is followed and what is not, and that no command ever sees a link.
func TestWithoutLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeTree(t, dir, files{"a.go": "package a\n", "docs/a.md": "x", "real/b.go": "package b\n", "node_modules/x/cli.js": "1"})
	refused := map[string]bool{
		"zz.go": true, "dir": true, "script.js": true, "lib/go.mod": true, "noending": true, "dir.md": true, "outside": true, "asm.s": true,
		"CLAUDE.md": false, "web/style.css": false, "node_modules/.bin/x": false, "gone.md": false,
	}
	targets := map[string]string{"dir": "real", "dir.md": "real", "outside": "/usr", "gone.md": "nowhere", "node_modules/.bin/x": "../x/cli.js"}
	for name := range refused {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		target := targets[name]
		if target == "" {
			target = strings.Repeat("../", strings.Count(name, "/")) + "docs/a.md"
		}
		if err := os.Symlink(target, at); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := openTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	w := &work{tree: tree, tmp: t.TempDir(), log: &recorder{}}
	got, err := w.withoutLinks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.tree.close()
	said := strings.Join(got, "\n") + "\n"
	for name, want := range refused {
		if strings.Contains(said, name+" is a symbolic link") != want {
			t.Errorf("%s: refused %v, want %v", name, !want, want)
		}
	}
	if w.tree.dir == dir || len(w.tree.odd) > 0 || len(w.tree.files) != 4 {
		t.Errorf("the check goes on in %s with %v and the links %v", w.tree.dir, w.tree.files, w.tree.odd)
	}
}
