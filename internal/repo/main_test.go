package repo

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/layercake-app/layercake/internal/fault"
)

// TestMain runs all tests in an environment that makes git run a script at
// every turn, to show that nothing of it reaches the git of this package: at
// the end the script must not have run.
func TestMain(m *testing.M) {
	flag.Parse()
	for name, value := range map[string]string{"rapid.checks": "12", "rapid.steps": "20"} { // a step starts several processes
		if f := flag.Lookup(name); f.Value.String() == f.DefValue {
			if err := f.Value.Set(value); err != nil {
				panic(err)
			}
		}
	}
	os.Exit(inHostileEnvironment(m.Run))
}

func inHostileEnvironment(run func() int) int {
	dir, err := os.MkdirTemp("", "layercake-repo-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	script, marker, err := writeScript(dir)
	if err != nil {
		panic(err)
	}
	config := filepath.Join(dir, ".gitconfig")
	if err := os.WriteFile(config, []byte(hostileConfig(script)), 0o600); err != nil {
		panic(err)
	}
	for key, value := range map[string]string{
		"HOME": dir, "XDG_CONFIG_HOME": dir, "GIT_CONFIG_GLOBAL": config, "GIT_CONFIG_SYSTEM": config,
		"GIT_EXTERNAL_DIFF": script, "GIT_PAGER": script, "GIT_ASKPASS": script, "GIT_SSH_COMMAND": script, "GIT_EDITOR": script,
		"GIT_DIR": "/nonexistent", "GIT_WORK_TREE": "/nonexistent", "GIT_INDEX_FILE": "/nonexistent", "GIT_OBJECT_DIRECTORY": "/nonexistent",
		"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsmonitor", "GIT_CONFIG_VALUE_0": script,
		"GIT_AUTHOR_NAME": "Wrong", "GIT_COMMITTER_NAME": "Wrong", "GIT_AUTHOR_DATE": "1 +0300", "GIT_NAMESPACE": "wrong",
	} {
		if err := os.Setenv(key, value); err != nil {
			panic(err)
		}
	}
	code := run()
	if _, err := os.Stat(marker); err == nil {
		fmt.Println("FAIL: git obeyed the environment of the process")
		return 1
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Println("FAIL:", err)
		return 1
	}
	return code
}

func hostileConfig(script string) string {
	return fmt.Sprintf(`[core]
	fsmonitor = %[1]s
	hooksPath = %[2]s
	attributesFile = %[2]s/attributes
	pager = %[1]s
[filter "x"]
	clean = %[1]s
	smudge = %[1]s
	required = true
[diff "x"]
	textconv = %[1]s
	command = %[1]s
[merge "x"]
	driver = %[1]s
[diff]
	external = %[1]s
[gpg]
	program = %[1]s
[commit]
	gpgSign = true
[tag]
	gpgSign = true
[credential]
	helper = %[1]s
[uploadpack]
	packObjectsHook = %[1]s
`, script, filepath.Dir(script))
}

// writeScript writes a script that leaves a marker when it is run, under the
// names of all hooks a command here could call.
func writeScript(dir string) (script, marker string, err error) {
	marker = filepath.Join(dir, "ran")
	script = filepath.Join(dir, "evil")
	text := "#!/bin/sh\n: > '" + marker + "'\nexec /bin/cat \"$@\"\n"
	for _, name := range []string{"evil", "pre-commit", "post-checkout", "post-index-change", "reference-transaction", "update", "pre-push"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			return "", "", err
		}
	}
	return script, marker, os.WriteFile(filepath.Join(dir, "attributes"), []byte("* filter=x diff=x merge=x\n"), 0o600)
}

// plain runs git as a person does who trusts the folder.
func plain(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := tryPlain(dir, args...)
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func tryPlain(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C",
		"GIT_AUTHOR_NAME=P", "GIT_AUTHOR_EMAIL=p@example.org", "GIT_COMMITTER_NAME=P", "GIT_COMMITTER_EMAIL=p@example.org",
	}
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	err := cmd.Run()
	if err != nil {
		return out.String() + diag.String(), err
	}
	return out.String(), nil
}

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newRepo(t testing.TB) *Repo {
	t.Helper()
	r, err := newStore(t).Create(t.Context(), "prj_1")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// spec is a commit as the tests make it.
func spec(n int, message string) CommitSpec {
	return CommitSpec{
		Author:  Signature{Name: "Ada Test", Email: "ada@example.org"},
		Message: message,
		When:    time.Unix(1_700_000_000+int64(n), 0),
	}
}

// put commits files, given as path and content in turn, on parent.
func put(t testing.TB, r *Repo, parent string, files ...string) string {
	t.Helper()
	c := spec(0, "put")
	c.Parent, c.Put = parent, map[string][]byte{}
	for i := 0; i < len(files); i += 2 {
		c.Put[files[i]] = []byte(files[i+1])
	}
	commit, err := r.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return commit
}

func newTree(t testing.TB, r *Repo, commit string) *Worktree {
	t.Helper()
	w, err := r.Worktree(t.Context(), "run_1", commit)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// write puts a file into a folder as an agent's program does.
func write(t testing.TB, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// contents returns all files and links below dir, by path.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			found[rel] = "-> " + target
			return err
		}
		data, err := os.ReadFile(path)
		found[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// committed returns the files of a commit as our Read gives them.
func committed(t testing.TB, r *Repo, commit string) map[string]string {
	t.Helper()
	files, err := r.Files(t.Context(), commit)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, f := range files {
		data, err := r.Read(t.Context(), commit, f.Path)
		if err != nil {
			t.Fatal(err)
		}
		found[f.Path] = string(data)
	}
	return found
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func refused(t testing.TB, err error, kind fault.Kind, code string, mentions ...string) {
	t.Helper()
	if fault.KindOf(err) != kind || fault.CodeOf(err) != code {
		t.Fatalf("got %v (%s, %s), want %s, %s", err, fault.KindOf(err), fault.CodeOf(err), kind, code)
	}
	for _, m := range mentions {
		if !strings.Contains(fault.Public(err), m) {
			t.Fatalf("%q does not name %q", fault.Public(err), m)
		}
	}
}

// sound checks the whole repository with git.
func sound(t testing.TB, r *Repo) {
	t.Helper()
	if out := plain(t, r.dir, "--git-dir="+r.gitDir, "fsck", "--strict", "--full", "--no-dangling"); strings.Contains(out, "error") {
		t.Fatal(out)
	}
}

func cancelled(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
