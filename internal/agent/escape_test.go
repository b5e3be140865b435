package agent

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layercake-app/layercake/internal/llm"
)

// secret stands beside the worktree, where no tool may reach.
const secret = "the server's secret"

// escapes are ways out of a workspace, in every spelling we know.
func escapes(outside string) []string {
	return []string{
		"../secret", "../../secret", "docs/../../secret", "docs/../README.md/../../secret", "./../secret", "..", ".", "./README.md", "docs/./x",
		outside, "/etc/passwd", "//etc/passwd", "/workspace/README.md", "~/secret", "file:///etc/passwd",
		"%2e%2e/secret", "%2e%2e%2fsecret", "..%2fsecret", "%252e%252e%252fsecret", "..%5csecret", "%2E%2E/secret", "docs/%2e%2e/%2e%2e/secret",
		"..\\secret", "docs\\..\\..\\secret", "C:\\secret", "\\\\host\\share", "docs/..\\../secret",
		"..\x00/secret", "README.md\x00", "docs/\n/x", "docs/\x1b[2J",
		"\u2024\u2024/secret", "．．/secret", "..／secret", "..\u2215secret", ".\u200d./secret", ".\u00ad./secret", "e\u0301/x",
		".git/config", ".GIT/config", ".Git/hooks/post-commit", "sub/.git/config", "git~1/config", ".git./config", ".git /config", ".g\u200cit/config", ".git::$INDEX_ALLOCATION/config",
		"", " ", "-rf", "docs/-x", "a//b", "docs/", "trailing.", "trailing ", "CON", "aux.txt", "docs/NUL",
		strings.Repeat("a/", 40) + "x", strings.Repeat("a", 300), strings.Repeat("long/", 300) + "x",
	}
}

// outsideOf plants a secret beside the worktree and returns its path and a
// function that fails the test when anything outside the worktree changed.
func outsideOf(t testing.TB, env Env) (planted string, unchanged func()) {
	t.Helper()
	dir := filepath.Dir(env.Tree.Dir())
	planted = filepath.Join(dir, "secret")
	if err := os.WriteFile(planted, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	look := func() map[string]string {
		found := map[string]string{}
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && path == env.Tree.Dir() {
				return fs.SkipDir
			}
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			found[path] = string(data)
			return err
		})
		if err != nil {
			t.Error(err)
		}
		return found
	}
	before := look()
	return planted, func() {
		if diff := cmp.Diff(before, look()); diff != "" {
			t.Errorf("a tool changed what is outside the workspace:\n%s", diff)
		}
	}
}

// pathCalls are the calls of every tool that takes a path or pattern.
func pathCalls(path string) map[string]in {
	return map[string]in{
		"read_file":    {"path": path},
		"write_file":   {"path": path, "content": "forged"},
		"edit_file":    {"path": path, "old": "the", "new": "forged"},
		"list_files":   {"pattern": path},
		"search_files": {"query": "secret", "pattern": path},
	}
}

func TestNoPathLeavesTheWorkspace(t *testing.T) {
	t.Parallel()
	env := newEnv(t, "architect", "G3", map[string]string{"docs/x.md": "x"})
	env.RecipesOpen = true
	planted, unchanged := outsideOf(t, env)
	for _, path := range escapes(planted) {
		for tool, input := range pathCalls(path) {
			out := call(t, env, tool, input)
			if strings.Contains(out.Content, secret) {
				t.Errorf("%s %q told the secret", tool, path)
			}
			asPath := tool == "read_file" || tool == "write_file" || tool == "edit_file"
			if asPath && !out.IsError && !odd[path] {
				t.Errorf("%s accepted %q: %s", tool, path, out.Content)
			}
		}
	}
	unchanged()
}

// odd paths are strange names of files inside, which may be written.
var odd = map[string]bool{
	"~/secret": true, "\u2024\u2024/secret": true, "．．/secret": true, "..／secret": true, "..\u2215secret": true,
	".\u200d./secret": true, ".\u00ad./secret": true,
}

// Links lead nowhere outside, whoever planted them.
func TestNoLinkLeavesTheWorkspace(t *testing.T) {
	t.Parallel()
	env := newEnv(t, "architect", "G5", map[string]string{"docs/x.md": "x"})
	needSandbox(t, env)
	planted, unchanged := outsideOf(t, env)
	got := mustCall(t, env, "run_command", in{"command": []string{
		"sh", "-c",
		`ln -s "$1" file && ln -s "$(dirname "$1")" folder && ln -s ../secret up && ln -s /etc/passwd passwd && ln -s .. dots && ln -s loop loop && mkfifo pipe && echo planted`,
		"sh", planted,
	}})
	if got != "exit code 0\nplanted" {
		t.Fatalf("plant links: %q", got)
	}
	paths := []string{"file", "folder/secret", "up", "passwd", "dots/secret", "loop", "loop/x", "pipe", "dots/run_1/README.md"}
	for _, path := range paths {
		mustRefuse(t, env, "read_file", in{"path": path})
	}
	for _, path := range paths {
		for tool, input := range pathCalls(path) {
			out := call(t, env, tool, input)
			if strings.Contains(out.Content, secret) || strings.Contains(out.Content, "root:") {
				t.Errorf("%s %q told what is outside", tool, path)
			}
		}
	}
	unchanged()
	mustRefuse(t, env, "write_file", in{"path": "folder/new", "content": "x"}, "link")
	if out := mustCall(t, env, "search_files", in{"query": secret}); out != "nothing found" {
		t.Errorf("search went through a link: %q", out)
	}
	unchanged()
}

func FuzzPath(f *testing.F) {
	for _, path := range escapes("/secret") {
		f.Add(path)
	}
	env := newEnv(f, "backend-developer", "G5", map[string]string{"docs/x.md": "x", ".layercake/checks.yaml": "version: 1\n"})
	planted, unchanged := outsideOf(f, env)
	recipesBefore := file(f, env, ".layercake/checks.yaml")
	f.Add(planted)
	f.Fuzz(func(t *testing.T, path string) {
		for tool, input := range pathCalls(path) {
			raw, err := json.Marshal(input)
			if err != nil {
				t.Skip()
			}
			out := Call(t.Context(), env, llm.Call{Name: tool, Input: raw})
			if out.Err != nil && t.Context().Err() == nil {
				t.Errorf("%s %q failed inside: %v", tool, path, out.Err)
			}
			if strings.Contains(out.Content, secret) {
				t.Errorf("%s %q told the secret", tool, path)
			}
		}
		unchanged()
		if got := file(t, env, ".layercake/checks.yaml"); got != recipesBefore {
			t.Errorf("%q changed the recipes to %q", path, got)
		}
	})
}

// FuzzInput feeds every tool with any bytes: it answers, and never panics.
func FuzzInput(f *testing.F) {
	f.Add("write_file", []byte(`{"path":"a","content":"b"}`))
	f.Add("edit_file", []byte(`{"path":"README.md","old":"#","new":"\ud800"}`))
	f.Add("search_files", []byte(`{"query":"(((","regexp":true}`))
	f.Add("save_design", []byte(`{"number":1,"title":"\u0000","html":"x","rationale":"y"}`))
	env := newEnv(f, "ux-ui-designer", "G4", nil)
	f.Fuzz(func(t *testing.T, name string, input []byte) {
		if name == "run_command" || name == "run_checks" {
			t.Skip()
		}
		out := Call(t.Context(), env, llm.Call{Name: name, Input: input})
		if out.Err != nil && t.Context().Err() == nil {
			t.Errorf("%s %q failed inside: %v", name, input, out.Err)
		}
		if out.IsError && out.Content == "" {
			t.Errorf("%s %q was refused without a word", name, input)
		}
	})
}
