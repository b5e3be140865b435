package repo

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// checkSetup is what CheckSetup finds in a folder.
func checkSetup(t *testing.T, dir string) error {
	t.Helper()
	r, err := Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r.CheckSetup(t.Context())
}

// Whatever in .git makes git run a program, or show something else than what was
// committed, is named with its place.
func TestCheckSetupNamesWhatGitWouldObey(t *testing.T) {
	t.Parallel()
	r, commit := exportable(t)
	dir := filepath.Join(t.TempDir(), "export")
	if err := r.ExportFolder(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(dir, ".git", "config"))
	if err != nil {
		t.Fatal(err)
	}
	set := func(key, value string) func(*testing.T) {
		return func(t *testing.T) { plain(t, dir, "config", key, value) }
	}
	file := func(name string) func(*testing.T) {
		return func(t *testing.T) { write(t, dir, ".git/"+name, "x\n") }
	}
	for _, c := range []struct {
		do   func(t *testing.T)
		path string
		what string
	}{
		{set("core.fsmonitor", "touch x; false"), "config", "sets core.fsmonitor,"},
		{set("core.fsmonitor", "1"), "config", "sets core.fsmonitor,"},
		{set("core.hooksPath", ".husky"), "config", "sets core.hookspath,"},
		{set("core.sshCommand", "x"), "config", "sets core.sshcommand,"},
		{set("core.pager", "x"), "config", "sets core.pager,"},
		{set("core.editor", "x"), "config", "sets core.editor,"},
		{set("core.attributesFile", "x"), "config", "sets core.attributesfile,"},
		{set("core.worktree", "/"), "config", "sets core.worktree,"},
		{set("core.alternateRefsCommand", "x"), "config", "sets core.alternaterefscommand,"},
		{set("core.bare", "true"), "config", "sets core.bare,"},
		{set("alias.st", "!x"), "config", "sets alias.st,"},
		{set("pager.status", "x"), "config", "sets pager.status,"},
		{set("include.path", "more"), "config", "sets include.path,"},
		{set("includeIf.gitdir:/.path", "more"), "config", "sets includeif.gitdir:/.path,"},
		{set("filter.x.smudge", "x"), "config", "sets filter.x.smudge,"},
		{set("diff.external", "x"), "config", "sets diff.external,"},
		{set("diff.x.textconv", "x"), "config", "sets diff.x.textconv,"},
		{set("merge.x.driver", "x"), "config", "sets merge.x.driver,"},
		{set("gpg.program", "x"), "config", "sets gpg.program,"},
		{set("credential.helper", "!x"), "config", "sets credential.helper,"},
		{set("gc.recentObjectsHook", "x"), "config", "sets gc.recentobjectshook,"},
		{set("submodule.x.update", "!x"), "config", "sets submodule.x.update,"},
		{set("protocol.ext.allow", "always"), "config", "sets protocol.ext.allow,"},
		{set("url.ext::x.insteadOf", "https://"), "config", "sets url.ext::x.insteadof,"},
		{set("remote.origin.url", "ext::x"), "config", "sets remote.origin.url,"},
		{set("remote.origin.url", "x://y"), "config", "sets remote.origin.url,"},
		{set("remote.origin.url", ".git/evil"), "config", "sets remote.origin.url,"},
		{set("remote.origin.url", "file://"+dir+"/.git/evil"), "config", "sets remote.origin.url,"},
		{set("remote.origin.pushurl", "-x"), "config", "sets remote.origin.pushurl,"},
		{set("remote.origin.uploadpack", "x"), "config", "sets remote.origin.uploadpack,"},
		{set("remote.origin.promisor", "true"), "config", "sets remote.origin.promisor,"},
		{set("branch.main.remote", "ext::x"), "config", "sets branch.main.remote,"},
		{func(t *testing.T) { write(t, dir, ".git/config", "[core\n") }, "config", "cannot be read by git"},
		{func(t *testing.T) { write(t, dir, ".git/config.worktree", "[core]\n\tfsmonitor = x\n") }, "config.worktree", "sets core.fsmonitor,"},
		{file("hooks/post-checkout"), "hooks/post-checkout", "is a hook"},
		{file("Hooks/pre-commit"), "Hooks/pre-commit", "is a hook"},
		{file("info/attributes"), "info/attributes", "tells git how to convert"},
		{file("info/grafts"), "info/grafts", "another history"},
		{file("commondir"), "commondir", "another place"},
		{file("objects/info/alternates"), "objects/info/alternates", "another place"},
		{file("remotes/origin"), "remotes/origin", "names a remote"},
		{file("branches/origin"), "branches/origin", "names a remote"},
		{file("modules/x/config"), "modules", "another repository"},
		{file("rebase-merge/git-rebase-todo"), "rebase-merge", "may be a program"},
		{file("worktrees/x/config.worktree"), "worktrees/x/config.worktree", "another worktree"},
		{func(t *testing.T) {
			if err := os.Symlink("../..", filepath.Join(dir, ".git", "hooks")); err != nil {
				t.Fatal(err)
			}
		}, "hooks", "is a link"},
		{func(t *testing.T) { plain(t, dir, "replace", commit, commit+"^") }, "", "refs/replace/" + commit},
	} {
		c.do(t)
		var d *Deviation
		if err := checkSetup(t, dir); !errors.As(err, &d) || d.Path != strings.TrimSuffix(".git/"+c.path, "/") || !strings.Contains(d.What, c.what) {
			t.Errorf("%s %s: %v", c.path, c.what, err)
		}
		for _, name := range []string{"config", "config.worktree", "commondir", "hooks", "Hooks", "info", "remotes", "branches", "modules", "rebase-merge", "worktrees", "objects/info", "refs/replace"} {
			if err := os.RemoveAll(filepath.Join(dir, ".git", name)); err != nil {
				t.Fatal(err)
			}
		}
		write(t, dir, ".git/config", string(config))
	}
	if err := checkSetup(t, dir); err != nil {
		t.Errorf("all was put back: %v", err)
	}
}

// A pipe in place of the configuration would keep git waiting for ever.
func TestCheckSetupWaitsForNobody(t *testing.T) {
	t.Parallel()
	r, _ := exportable(t)
	dir := filepath.Join(t.TempDir(), "export")
	if err := r.ExportFolder(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	remove(t, filepath.Join(dir, ".git", "config"))
	if err := syscall.Mkfifo(filepath.Join(dir, ".git", "config"), 0o600); err != nil {
		t.Fatal(err)
	}
	var d *Deviation
	if err := checkSetup(t, dir); !errors.As(err, &d) || d.Path != ".git/config" {
		t.Error(err)
	}
}

// What git itself and a person's daily work leave in .git is no reason to
// mistrust it.
func TestCheckSetupLetsDailyWorkBe(t *testing.T) {
	t.Parallel()
	r, commit := exportable(t)
	parent := t.TempDir()
	export, clone, second := filepath.Join(parent, "export"), filepath.Join(parent, "clone"), filepath.Join(parent, "second")
	if err := r.ExportFolder(t.Context(), export); err != nil {
		t.Fatal(err)
	}
	if err := checkSetup(t, export); err != nil {
		t.Errorf("an export: %v", err)
	}
	plain(t, parent, "clone", "-q", export, clone)
	for _, args := range [][]string{
		{"status"},
		{"fetch", "--all", "--tags", "--prune"},
		{"branch", "topic"},
		{"checkout", "-q", "topic"},
		{"commit", "-q", "--allow-empty", "-m", "mine"},
		{"stash"},
		{"tag", "-a", "mine", "-m", "mine"},
		{"push", "-q", "-u", "origin", "topic"},
		{"checkout", "-q", "main"},
		{"merge", "-q", "--no-ff", "-m", "merged", "topic"},
		{"reset", "-q", "--hard", commit},
		{"revert", "--no-edit", "HEAD"},
		{"reset", "-q", "--hard", commit},
		{"gc", "-q"},
		{"commit-graph", "write"},
		{"multi-pack-index", "write"},
		{"notes", "add", "-m", "good"},
		{"worktree", "add", "-q", second},
		{"sparse-checkout", "init"},
		{"sparse-checkout", "disable"},
		{"update-index", "--split-index", "--untracked-cache"},
		{"remote", "add", "github", "git@github.com:ada/plants.git"},
		{"remote", "add", "mirror", "https://example.org/plants.git"},
		{"remote", "add", "beside", "../other"},
		{"config", "user.email", "ada@example.org"},
		{"config", "core.autocrlf", "input"},
		{"config", "pull.rebase", "true"},
		{"config", "branch.main.description", "what is released"},
		{"config", "http.https://github.com/.extraheader", "AUTHORIZATION: basic x"},
		{"config", "gc.auto", "0"},
		{"bisect", "start"},
		{"bisect", "reset"},
	} {
		plain(t, clone, args...)
		if err := checkSetup(t, clone); err != nil {
			t.Fatalf("git %s: %v", strings.Join(args, " "), err)
		}
	}
	for _, name := range []string{"gitk.cache", "COMMIT_EDITMSG", "lfs/cache/x", "sourcetreeconfig", "hooks/commit-msg.sample"} {
		write(t, clone, ".git/"+name, "x\n")
	}
	if err := checkSetup(t, clone); err != nil {
		t.Errorf("what tools leave: %v", err)
	}
}
