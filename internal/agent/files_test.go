package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadFile(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&many, "line %d\n", i+1)
	}
	env := newEnv(t, "architect", "G3", map[string]string{
		"a.txt": "one\ntwo\r\nthree", "many.txt": many.String(), "empty.txt": "", "image.png": "\x89PNG\x00", "latin.txt": "\xe4",
		"wide.txt": strings.Repeat("x", maxRead+10), ".layercake/checks.yaml": "version: 1\n",
	})
	exact := map[string]in{
		"one\ntwo\r\nthree": {"path": "a.txt"},
		"":                  {"path": "empty.txt"},
		"version: 1\n":      {"path": ".layercake/checks.yaml"},
		"two\r\nthree":      {"path": "a.txt", "offset": 2, "limit": 5},
		"one\n\n[a.txt has 3 lines; this is 1 to 1. Read on with offset 2.]": {"path": "a.txt", "limit": 1},
	}
	for want, input := range exact {
		if got := mustCall(t, env, "read_file", input); got != want {
			t.Errorf("%v: %q, want %q", input, got, want)
		}
	}
	first := mustCall(t, env, "read_file", in{"path": "many.txt"})
	if len(first) > maxRead+200 || !strings.HasPrefix(first, "line 1\nline 2\n") {
		t.Errorf("many.txt: %d bytes", len(first))
	}
	var last, next int
	if _, err := fmt.Sscanf(first[strings.LastIndex(first, "["):], "[many.txt has 20000 lines; this is 1 to %d. Read on with offset %d.]", &last, &next); err != nil || next != last+1 {
		t.Fatalf("no way to read on in %q: %v", first[len(first)-100:], err)
	}
	if second := mustCall(t, env, "read_file", in{"path": "many.txt", "offset": next}); !strings.HasPrefix(second, fmt.Sprintf("line %d\n", next)) {
		t.Errorf("reading on at %d began with %q", next, second[:20])
	}
	if got := mustCall(t, env, "read_file", in{"path": "wide.txt"}); !strings.HasSuffix(got, "(10 bytes left out)") {
		t.Errorf("a line too long is not cut: %q", got[len(got)-40:])
	}
	mustRefuse(t, env, "read_file", in{"path": "image.png"}, "not a text file")
	mustRefuse(t, env, "read_file", in{"path": "latin.txt"}, "not a text file")
	mustRefuse(t, env, "read_file", in{"path": "a.txt", "offset": 9}, "3 lines")
	mustRefuse(t, env, "read_file", in{"path": "missing.txt"}, "missing.txt")
	mustRefuse(t, env, "read_file", in{"path": ".layercake"}, "folder")
}

func TestWriteFile(t *testing.T) {
	t.Parallel()
	env := newEnv(t, "architect", "G5", nil)
	mustCall(t, env, "write_file", in{"path": "docs/deep/A.md", "content": "one\n"})
	mustCall(t, env, "write_file", in{"path": "docs/deep/A.md", "content": "two\n"})
	if got := file(t, env, "docs/deep/A.md"); got != "two\n" {
		t.Errorf("content %q", got)
	}
	mustRefuse(t, env, "write_file", in{"path": "docs/deep", "content": "x"}, "something else")
	mustRefuse(t, env, "write_file", in{"path": "README.md/x", "content": "x"}, "something else")
}

func TestEditFile(t *testing.T) {
	t.Parallel()
	env := newEnv(t, "architect", "G5", map[string]string{"a.go": "a\nb b\n\tc\n", "crlf.txt": "x\r\ny\r\n", "aaa": "aaa"})
	mustCall(t, env, "edit_file", in{"path": "a.go", "old": "\tc\n", "new": "\td\n\te\n"})
	if got := file(t, env, "a.go"); got != "a\nb b\n\td\n\te\n" {
		t.Errorf("content %q", got)
	}
	mustCall(t, env, "edit_file", in{"path": "a.go", "old": "\te\n", "new": ""})
	mustRefuse(t, env, "edit_file", in{"path": "a.go", "old": "b", "new": "x"}, "more than once", "lines 2, 2")
	mustRefuse(t, env, "edit_file", in{"path": "aaa", "old": "aa", "new": "x"}, "more than once")
	mustRefuse(t, env, "edit_file", in{"path": "a.go", "old": "zz", "new": "x"}, "does not occur")
	mustRefuse(t, env, "edit_file", in{"path": "a.go", "old": "b  b", "new": "x"}, "other spaces")
	mustRefuse(t, env, "edit_file", in{"path": "crlf.txt", "old": "x\ny", "new": "z"}, "carriage return")
	mustRefuse(t, env, "edit_file", in{"path": "a.go", "old": "a", "new": "a"}, "the same")
	mustRefuse(t, env, "edit_file", in{"path": "none.go", "old": "a", "new": "b"}, "none.go")
	if got := file(t, env, "a.go"); got != "a\nb b\n\td\n" {
		t.Errorf("a refused edit changed the file: %q", got)
	}
}

func TestListFiles(t *testing.T) {
	t.Parallel()
	files := map[string]string{"docs/PRD.md": "", "docs/a/B.md": "", "go.mod": ""}
	env := newEnv(t, "architect", "G5", files)
	for pattern, want := range map[string]string{
		"": "README.md\ndocs/PRD.md\ndocs/a/B.md\ngo.mod", "docs/**": "docs/PRD.md\ndocs/a/B.md", "*.md": "README.md",
		"**/*.{md,mod}": "README.md\ndocs/PRD.md\ndocs/a/B.md\ngo.mod", "nothing/*": "no files",
	} {
		if got := mustCall(t, env, "list_files", in{"pattern": pattern}); got != want {
			t.Errorf("%q: %q, want %q", pattern, got, want)
		}
	}
	for _, pattern := range []string{"../*", "/etc/*", "{a", "docs/"} {
		mustRefuse(t, env, "list_files", in{"pattern": pattern}, "pattern")
	}
	for i := range maxListed {
		if err := env.Tree.WriteFile(fmt.Sprintf("many/%04d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := mustCall(t, env, "list_files", in{}); !strings.HasSuffix(got, "… and 4 more; give a narrower pattern") {
		t.Errorf("a long list ends with %q", got[len(got)-60:])
	}
}

func TestSearchFiles(t *testing.T) {
	t.Parallel()
	env := newEnv(t, "reviewer", "G5", map[string]string{
		"a.go": "func A() {}\n\tfunc B(x int) {}\n", "docs/x.md": "func in words (a.b)\n", "bin": "func\x00",
		"many.txt": strings.Repeat("hit\n", 50), "big.txt": strings.Repeat("bighit\n", maxSearched/7+1),
	})
	for _, c := range []struct {
		input in
		want  string
	}{
		{in{"query": "func"}, "a.go:1: func A() {}\na.go:2: func B(x int) {}\ndocs/x.md:1: func in words (a.b)"},
		{in{"query": "func", "pattern": "**/*.md"}, "docs/x.md:1: func in words (a.b)"},
		{in{"query": "(a.b)"}, "docs/x.md:1: func in words (a.b)"},
		{in{"query": `^func \w+\(\)`, "regexp": true}, "a.go:1: func A() {}"},
		{in{"query": "FUNC"}, "nothing found"},
		{in{"query": "bighit"}, "nothing found"},
	} {
		if got := mustCall(t, env, "search_files", c.input); got != c.want {
			t.Errorf("%v: %q, want %q", c.input, got, c.want)
		}
	}
	if got := mustCall(t, env, "search_files", in{"query": "hit", "pattern": "many.txt"}); strings.Count(got, "\n") != maxHitsInFile || !strings.HasSuffix(got, "more in this file") {
		t.Errorf("hits of one file: %q", got)
	}
	mustRefuse(t, env, "search_files", in{"query": "(", "regexp": true}, "RE2")
	mustRefuse(t, env, "search_files", in{"query": "x", "pattern": "../**"}, "pattern")
}

func TestSaveDesign(t *testing.T) {
	t.Parallel()
	env := newEnv(t, "ux-ui-designer", "G4", nil)
	design := in{"number": 2, "title": "Calm List!", "html": "<!doctype html>", "rationale": "quiet", "recommended": true}
	out := call(t, env, "save_design", design)
	if want := (Design{2, "Calm List!", "designs/option-2-calm-list.html", "quiet", true}); out.Effect != want {
		t.Errorf("effect %+v, want %+v", out.Effect, want)
	}
	design["title"] = "Übersicht 板 ../../x"
	mustCall(t, env, "save_design", design)
	design["number"], design["title"] = 1, "板"
	mustCall(t, env, "save_design", design)
	want := "designs/option-1-design.html\ndesigns/option-2-bersicht-x.html"
	if got := mustCall(t, env, "list_files", in{"pattern": "designs/*"}); got != want {
		t.Errorf("designs: %q, want %q", got, want)
	}
}

// .layercake belongs to the platform; one file of it is the architect's at G3.
func TestPlatformFolder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		role, gate string
		open       bool
		path       string
		allowed    bool
	}{
		{"architect", "G3", true, ".layercake/checks.yaml", true},
		{"architect", "G3", false, ".layercake/checks.yaml", false},
		{"architect", "G5", true, ".layercake/checks.yaml", false},
		{"backend-developer", "G3", true, ".layercake/checks.yaml", false},
		{"architect", "G3", true, ".layercake/evidence/proof.json", false},
		{"architect", "G3", true, ".LayerCake/checks.yaml", false},
		{"architect", "G3", true, ".layercake/Checks.yaml", false},
		{"architect", "G3", true, ".layercake", false},
		{"architect", "G3", true, "x/.layercake/checks.yaml", true},
	} {
		t.Run(fmt.Sprint(c.role, c.gate, c.open, c.path), func(t *testing.T) {
			t.Parallel()
			env := newEnv(t, c.role, c.gate, nil)
			env.RecipesOpen = c.open
			out := call(t, env, "write_file", in{"path": c.path, "content": "version: 1\n"})
			if out.IsError == c.allowed {
				t.Fatalf("write: %q", out.Content)
			}
			if c.allowed {
				mustCall(t, env, "edit_file", in{"path": c.path, "old": "1", "new": "2"})
			}
		})
	}
	env := newEnv(t, "architect", "G5", map[string]string{".layercake/checks.yaml": "version: 1\n"})
	mustRefuse(t, env, "edit_file", in{"path": ".layercake/checks.yaml", "old": "1", "new": "2"}, "belongs to the platform")
	if err := os.Symlink(".layercake", filepath.Join(env.Tree.Dir(), "mine")); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, env, "write_file", in{"path": "mine/forged.json", "content": "{}"}, "link")
	mustRefuse(t, env, "edit_file", in{"path": "mine/checks.yaml", "old": "1", "new": "2"}, "link")
	if got := file(t, env, ".layercake/checks.yaml"); got != "version: 1\n" {
		t.Errorf("recipes became %q", got)
	}
}
