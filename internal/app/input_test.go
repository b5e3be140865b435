package app_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/secret"
)

// What a person gets wrong is named, with the next step, before anything is
// written.
func TestBadInput(t *testing.T) {
	t.Parallel()
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine.txt"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	huge := filepath.Join(t.TempDir(), "idea.txt")
	if err := os.WriteFile(huge, bytes.Repeat([]byte("idea "), 1<<20/5+1)[:1<<20], 0o600); err != nil {
		t.Fatal(err)
	}
	binaryFile := filepath.Join(t.TempDir(), "idea.bin")
	if err := os.WriteFile(binaryFile, []byte("\x00\x01\xff"), 0o600); err != nil {
		t.Fatal(err)
	}
	blueprint := func(edit func(string) string) string {
		p := newPlace(t)
		shown := p.run("blueprint", "show", "traditional")
		path := filepath.Join(t.TempDir(), "own.yaml")
		if err := os.WriteFile(path, []byte(edit(shown.stdout)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		name string
		args []string
		says string
	}{
		{"an empty idea", []string{"run", " "}, "The idea is empty"},
		{"an idea that is too long", []string{"run", strings.Repeat("word ", 25_000)}, "more than 65536"},
		{"a binary idea", []string{"run", "\x01\x02\xff\xfe"}, "not text"},
		{"an unknown type", []string{"run", "bookmarks", "--type", "magic"}, `type "magic" is unknown`},
		{"an unknown mode", []string{"run", "bookmarks", "--mode", "moon"}, `mode "moon" is unknown`},
		{"an unknown tier", []string{"run", "bookmarks", "--tier", "gold"}, `tier "gold" is unknown`},
		{"an unknown blueprint", []string{"run", "bookmarks", "--blueprint", "none"}, "none"},
		{"an unknown gate", []string{"run", "bookmarks", "--until", "G12"}, "G12"},
		{"a budget that is none", []string{"run", "bookmarks", "--budget", "lots"}, "no amount"},
		{"a negative budget", []string{"run", "bookmarks", "--budget=-1"}, "no amount"},
		{"a full output folder", []string{"run", "bookmarks", "--out", full}, "not empty"},
		{"no such flag", []string{"run", "bookmarks", "--frobnicate"}, "frobnicate"},
		{"no such command", []string{"walk"}, "walk"},
		{"a project that is not there", []string{"run", "more", "--change", "prj_none"}, "no project"},
		{"an unknown role in a blueprint", []string{"run", "bookmarks", "--blueprint", blueprint(func(s string) string { return strings.ReplaceAll(s, "role: architect", "role: wizard") })}, "wizard"},
		{"an unknown proof in a blueprint", []string{"run", "bookmarks", "--blueprint", blueprint(func(s string) string { return strings.ReplaceAll(s, "lint_output", "lint_magic") })}, "lint_magic"},
		{"a path that is not there", []string{"verify", "/nonexistent/path"}, "nothing at"},
		{"a change with a type", []string{"run", "more", "--change", "x", "--type", "hybrid"}, "--type cannot be given together with --change"},
		{"a system folder for the output", []string{"run", "bookmarks", "--out", "/etc"}, "not empty"},
		{"a file for the output", []string{"run", "bookmarks", "--out", filepath.Join(full, "mine.txt")}, "cannot be used"},
		{"a folder below a file for the output", []string{"run", "bookmarks", "--out", filepath.Join(full, "mine.txt", "x")}, "cannot be used"},
		{"an idea without quotes", []string{"run", "a", "b"}, "in quotes"},
		{"an idea from a file that is not there", []string{"run", "@/nonexistent"}, "cannot be read"},
		{"a megabyte of an idea", []string{"run", "@" + huge}, "has 1048576 bytes, more than 65536"},
		{"a binary file for an idea", []string{"run", "@" + binaryFile}, "not text"},
		{"a blueprint to show that is none", []string{"blueprint", "show", "nope"}, "nope"},
		{"an empty folder to verify", []string{"verify", t.TempDir()}, "is empty"},
		{"migrating down without a yes", []string{"migrate", "down"}, "--yes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			a := p.run(c.args...)
			if c.args[0] == "run" {
				if j := p.run(append([]string{"run", "--json"}, c.args[1:]...)...); j.code != a.code || j.result.Status != "failed" || !strings.Contains(j.result.Reason, c.says) {
					t.Errorf("with --json: exit %d, status %q, reason %q", j.code, j.result.Status, j.result.Reason)
				}
			}
			if _, err := os.Stat(p.data); err == nil && !strings.Contains(c.name, "project") {
				t.Error("a data folder was made")
			}
			if a.code != 2 && (a.code != 1 || !strings.Contains(c.name, "project")) {
				t.Errorf("exit %d\n%s%s", a.code, a.stdout, a.stderr)
			}
			if !strings.Contains(a.stderr, c.says) {
				t.Errorf("it says %q, not %q", a.stderr, c.says)
			}
			for _, leak := range []string{"goroutine", ".go:", "panic", "SQLITE", "SELECT"} {
				if strings.Contains(a.stderr+a.stdout, leak) {
					t.Errorf("it leaks %q: %s", leak, a.stderr)
				}
			}
			if left, err := os.ReadDir(p.out); err == nil {
				t.Errorf("%d entries were written to the output folder", len(left))
			}
		})
	}
	if data, err := os.ReadFile(filepath.Join(full, "mine.txt")); err != nil || string(data) != "mine" {
		t.Errorf("the full folder was touched: %v", err)
	}
}

// A data folder belongs to one process; a database that is not ours, or from a
// newer version, is left alone.
func TestDataFolder(t *testing.T) {
	t.Parallel()
	t.Run("two processes", func(t *testing.T) {
		t.Parallel()
		p := newPlace(t, "LAYERCAKE_DEMO_DELAY=50ms")
		ctx, cancel := context.WithCancel(t.Context())
		first := p.command(ctx, "run", "bookmarks", "--auto-approve", "--json", "--out", p.out)
		pipe, err := first.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := first.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := pipe.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		a := p.idea("another", "--out", p.out+"2")
		cancel()
		_ = first.Wait() // killed
		if a.code != 1 || !strings.Contains(a.stderr, "used by another LayerCake process") {
			t.Errorf("exit %d: %s", a.code, a.stderr)
		}
	})
	t.Run("a foreign database", func(t *testing.T) {
		t.Parallel()
		p := newPlace(t)
		if err := os.MkdirAll(p.data, 0o700); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(p.data, "layercake.db")
		if err := os.WriteFile(file, []byte("my diary, not a database"), 0o600); err != nil {
			t.Fatal(err)
		}
		a := p.idea("bookmarks")
		if a.code == 0 || !strings.Contains(a.stderr, "layercake.db") {
			t.Errorf("exit %d: %s", a.code, a.stderr)
		}
		if got := read(t, p.data, "layercake.db"); got != "my diary, not a database" {
			t.Errorf("the file is now %q", got)
		}
	})
	t.Run("a newer database", func(t *testing.T) {
		t.Parallel()
		p := newPlace(t)
		if a := p.run("migrate", "up"); a.code != 0 {
			t.Fatal(a.stderr)
		}
		inspect(t, filepath.Join(p.data, "layercake.db"), func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, TRUE)`)
			return err
		})
		a := p.idea("bookmarks")
		if a.code != 1 || !strings.Contains(a.stderr, "999") {
			t.Errorf("exit %d: %s", a.code, a.stderr)
		}
	})
}

// A PostgreSQL database belongs to one process and one data folder at a time.
func TestOneProcessOneDatabase(t *testing.T) {
	t.Parallel()
	cfg := dbtest.PostgresConfig(t)
	open := func() (*app.App, error) {
		return app.Open(t.Context(), app.Settings{
			Data: t.TempDir(), Cache: t.TempDir(), DatabaseURL: secret.Text(cfg.URL), Sandbox: "none", Path: os.Getenv("PATH"),
		}, slog.New(slog.DiscardHandler))
	}
	first, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(); fault.CodeOf(err) != "db.locked" {
		t.Errorf("a second process: %v", err)
	}
	p := project.Project{Name: "Plants", Idea: "plants", Type: "traditional", Mode: "local_only", Tier: "standard", Teaching: "expert"}
	err = first.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		if err := project.Create(ctx, tx, &p); err != nil {
			return err
		}
		_, err := project.MoveHead(ctx, tx, project.Move{Project: p.ID, To: "1234", Kind: "platform", Actor: project.Platform})
		return err
	})
	if err := errors.Join(err, first.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := open(); fault.CodeOf(err) != "data.other" || !strings.Contains(fault.Public(err), "Plants") {
		t.Errorf("another data folder: %v", err)
	}
}

// While one process has a PostgreSQL database, no other one changes its schema,
// whatever data folder it names.
func TestNobodyElseMigratesADatabaseInUse(t *testing.T) {
	t.Parallel()
	cfg := dbtest.PostgresConfig(t)
	d, err := db.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	release, ok, err := d.LockInstance(t.Context())
	if err != nil || !ok {
		t.Fatalf("lock: %t, %v", ok, err)
	}
	applied := func() (n int) {
		list, err := d.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			if !m.Applied.IsZero() {
				n++
			}
		}
		return n
	}
	elsewhere := newPlace(t, "DATABASE_URL="+cfg.URL)
	refused := func(args ...string) {
		t.Helper()
		before := applied()
		if a := elsewhere.run(args...); a.code != 1 || !strings.Contains(a.stderr, "The database is used by another LayerCake process") {
			t.Errorf("%v: exit %d: %s%s", args, a.code, a.stdout, a.stderr)
		}
		if after := applied(); after != before {
			t.Errorf("%v: %d migrations are applied instead of %d", args, after, before)
		}
	}
	refused("run", "bookmarks")
	refused("migrate", "up")
	if err := d.MigrateUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused("migrate", "down", "--yes")
	release()
	if a := elsewhere.run("migrate", "down", "--yes"); a.code != 0 || !strings.Contains(a.stdout, "pending") {
		t.Errorf("once it is free: exit %d: %s%s", a.code, a.stdout, a.stderr)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// Without a sandbox checks are blocked, with the sentence that says what to do,
// and nothing passes.
func TestNoSandbox(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "SANDBOX=none")
	a := p.idea("bookmarks")
	a.want(t, 3, "waiting")
	if strings.Contains(a.stdout, `"verdict":"pass"`) || !strings.Contains(a.stdout, `"verdict":"blocked"`) {
		t.Error("a check passed without a sandbox, or none was blocked")
	}
	if g := a.gate("G0"); g.Status == "APPROVED" {
		t.Errorf("G0 is %+v", g)
	}
}

// Without a terminal and without a delegation nobody decides.
func TestNobodyDecides(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a := p.run("run", "bookmarks", "--json", "--out", p.out)
	a.want(t, 3, "waiting")
	if a.count("gate.approved") > 0 || a.gate("G0").Status != "IN_REVIEW" {
		t.Errorf("%d gates were approved, G0 is %+v", a.count("gate.approved"), a.gate("G0"))
	}
	if !strings.Contains(a.result.Reason, "G0 waits for a decision. Run the same command at a terminal") {
		t.Errorf("it says %q", a.result.Reason)
	}
	if _, err := os.Stat(p.out); err == nil {
		t.Error("a repository was exported")
	}
	// The same command, with a delegation, goes on.
	later := p.idea("bookmarks", "--until", "G1")
	later.want(t, 0, "completed")
	if later.result.Project != a.result.Project || later.gate("G0").Method != "delegated" {
		t.Errorf("it went on with %s, G0 %+v", later.result.Project, later.gate("G0"))
	}
}

// What --until left in the output folder is replaced by what the same command
// makes without it; what anybody touched stays as it is.
func TestUntilGoesOn(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	first := p.idea("bookmarks", "--until", "G2")
	first.want(t, 0, "completed")
	if v := p.run("verify", p.out); v.code != 0 {
		t.Errorf("verify of an unfinished project: %s", v.stdout)
	}
	mine := filepath.Join(p.out, "mine.txt")
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused := p.idea("bookmarks", "--until", "G3")
	if refused.code != 2 || !strings.Contains(refused.stderr, "mine.txt is not part of the commit") || read(t, p.out, "mine.txt") != "mine" {
		t.Fatalf("exit %d: %s", refused.code, refused.stderr)
	}
	if err := os.Remove(mine); err != nil {
		t.Fatal(err)
	}
	second := p.idea("bookmarks", "--until", "G3")
	second.want(t, 0, "completed")
	if second.result.Project != first.result.Project {
		t.Errorf("%s went on as %s", first.result.Project, second.result.Project)
	}
	if tags := inside(t, p.out, "git", "tag"); !strings.Contains(tags, "gate/G3") || inside(t, p.out, "git", "status", "--porcelain", "--ignored") != "" {
		t.Errorf("tags are %s", tags)
	}
	// A project of other words, or of another data folder, does not replace it.
	if other := p.idea("recipes", "--until", "G1"); other.code != 2 || !strings.Contains(other.stderr, "not empty") {
		t.Errorf("another project: exit %d: %s", other.code, other.stderr)
	}
	again := newPlace(t)
	again.out = p.out
	if other := again.idea("bookmarks", "--until", "G1"); other.code != 2 || !strings.Contains(other.stderr, "not empty") {
		t.Errorf("another data folder: exit %d: %s", other.code, other.stderr)
	}
}

// cutShort makes of an export in dir what a process leaves that dies while it
// sets the export aside to put a newer one in its place.
func cutShort(t *testing.T, dir string) {
	t.Helper()
	staging := filepath.Join(dir, ".layercake-export-123456")
	for _, part := range []string{"new", "earlier"} {
		if err := os.MkdirAll(filepath.Join(staging, part), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(staging, "new", "README.md"), []byte("half of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
		move(t, filepath.Join(dir, ".git"), filepath.Join(staging, "earlier", ".git"))
	}
}

// An export that was killed does not block its folder: the same command goes on,
// and no other project takes the folder meanwhile.
func TestKilledExportGoesOn(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.idea("bookmarks", "--until", "G1").want(t, 0, "completed")
	cutShort(t, p.out)
	if other := p.idea("recipes", "--until", "G1"); other.code != 2 || !strings.Contains(other.stderr, "cut short") {
		t.Errorf("another project: exit %d: %s", other.code, other.stderr)
	}
	p.idea("bookmarks", "--until", "G2").want(t, 0, "completed")
	if tags := inside(t, p.out, "git", "tag"); !strings.Contains(tags, "gate/G2") || inside(t, p.out, "git", "status", "--porcelain", "--ignored") != "" {
		t.Errorf("tags are %s", tags)
	}
	dir := filepath.Join(t.TempDir(), "export")
	cutShort(t, dir)
	if a := p.run("export", "bookmarks", dir); a.code != 0 {
		t.Errorf("exit %d: %s", a.code, a.stderr)
	}
	if v := p.run("verify", dir); v.code != 0 {
		t.Errorf("exit %d: %s", v.code, v.stdout)
	}
}

// A run whose export fails inside says that the log has the details, and so it
// does.
func TestFailedExportIsLogged(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if err := os.Symlink("nowhere", p.out); err != nil { // in its place no folder can be put
		t.Fatal(err)
	}
	a := p.idea("bookmarks", "--until", "G0")
	a.want(t, 1, "failed")
	if !strings.Contains(a.result.Reason, "The log has the details") || !strings.Contains(a.stderr, "export failed") || !strings.Contains(a.stderr, "not a directory") {
		t.Errorf("reason %q, log %s", a.result.Reason, a.stderr)
	}
}

// A project leaves the house as a folder, a zip and a bundle, and over nothing.
func TestExport(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if a := p.run("export", "bookmarks", p.out); a.code != 1 || !strings.Contains(a.stderr, "There is no database in") {
		t.Errorf("exit %d: %s", a.code, a.stderr)
	}
	p.idea("bookmarks", "--until", "G2").want(t, 0, "completed")
	dir := t.TempDir()
	for _, c := range []struct {
		args   []string
		path   string
		verify bool
	}{
		{[]string{"export", "book"}, filepath.Join(dir, "folder"), true},
		{[]string{"export", "bookmarks"}, filepath.Join(dir, "all.zip"), true},
		{[]string{"export", "BOOKMARKS", "--as", "bundle"}, filepath.Join(dir, "all"), false},
		{[]string{"export", "bookmarks", "--as", "bundle"}, filepath.Join(dir, "absent", "bundles", "all"), false},
		{[]string{"export", "bookmarks", "--as", "zip"}, filepath.Join(dir, "absent", "zips", "all"), true},
	} {
		args := append(c.args, c.path)
		if a := p.run(args...); a.code != 0 || !strings.Contains(a.stdout, c.path) {
			t.Fatalf("%v: exit %d: %s", args, a.code, a.stderr)
		}
		if v := p.run("verify", c.path); c.verify && v.code != 0 {
			t.Errorf("verify %s: exit %d: %s", c.path, v.code, v.stdout)
		}
		if a := p.run(args...); a.code != 2 || !strings.Contains(a.stderr, "written over") {
			t.Errorf("%v again: exit %d: %s", args, a.code, a.stderr)
		}
	}
	clone := filepath.Join(dir, "clone")
	inside(t, dir, "git", "clone", "--quiet", filepath.Join(dir, "all"), clone)
	read(t, clone, "docs/PRD.md")
	if a := p.run("export", "plants", filepath.Join(dir, "x")); a.code != 1 || !strings.Contains(a.stderr, "There are: ") {
		t.Errorf("exit %d: %s", a.code, a.stderr)
	}
	for _, kind := range []string{"folder", "zip", "bundle"} { // all.zip is no folder
		a := p.run("export", "bookmarks", filepath.Join(dir, "all.zip", "x"), "--as", kind)
		if a.code != 2 || !strings.Contains(a.stderr, "Name another path") || strings.Contains(a.stderr, "--out") {
			t.Errorf("as a %s to where nothing can be written: exit %d: %s", kind, a.code, a.stderr)
		}
	}
	if a := p.run("export", "bookmarks", filepath.Join(dir, "x"), "--as", "tar"); a.code != 2 || !strings.Contains(a.stderr, "folder, zip or bundle") {
		t.Errorf("exit %d: %s", a.code, a.stderr)
	}
}

// A delegation may set a first cap or lower one, and never raises it.
func TestBudgetOfADelegation(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.idea("bookmarks", "--until", "G0").want(t, 0, "completed")
	for _, c := range []struct {
		budget, says string
		code         int
	}{{"3", "", 0}, {"2.50", "", 0}, {"4", "may lower it but not raise it", 1}, {"0", "never delegated", 1}} {
		a := p.idea("bookmarks", "--until", "G0", "--budget", c.budget)
		if a.code != c.code || !strings.Contains(a.stderr, c.says) {
			t.Errorf("--budget %s: exit %d: %s", c.budget, a.code, a.stderr)
		}
	}
	inspect(t, filepath.Join(p.data, "layercake.db"), func(ctx context.Context, tx *db.Tx) error {
		var micro int64
		err := tx.One(ctx, &micro, `SELECT budget_micro FROM projects`)
		if micro != 2_500_000 {
			t.Errorf("the cap is %d", micro)
		}
		return err
	})
}

// A further change keeps the project's blueprint, refuses what was settled when
// the project began, and finds the project by the beginning of its name.
func TestChangeOfAnotherBlueprint(t *testing.T) {
	t.Parallel()
	wholeRun(t)
	p := newPlace(t)
	p.idea("bookmarks", "--name", "My bookmarks", "--blueprint", "express").want(t, 0, "completed")
	second := newPlace(t)
	second.data = p.data
	change := func(more ...string) answer {
		return second.run(append([]string{"run", "Also keep a rating for each bookmark", "--auto-approve", "--json", "--out", second.out}, more...)...)
	}
	if a := change("--change", "my book", "--type", "hybrid", "--tier", "mvp"); a.code != 2 || !strings.Contains(a.stderr, "--type, --tier cannot be given together with --change") {
		t.Errorf("exit %d: %s", a.code, a.stderr)
	}
	if a := change("--change", "my book", "--until", "G12"); a.code != 2 || !strings.Contains(a.stderr, "blueprint express") {
		t.Errorf("exit %d: %s", a.code, a.stderr)
	}
	a := change("--change", "my book", "--until", "G4", "--budget", "5")
	a.want(t, 0, "completed")
	if a.result.Change != 2 || !strings.Contains(a.stdout, `"blueprint":"express","change":2`) {
		t.Errorf("change %d does not go by the blueprint of the project:\n%s", a.result.Change, tail(a.stdout))
	}
	p.out += "-2"
	p.idea("bookmarks", "--name", "MY BOOKMARKS", "--until", "G0").want(t, 0, "completed")
	second.out += "-3"
	if a := change("--change", "my bookmarks"); a.code != 2 || !strings.Contains(a.stderr, "names 2 projects") {
		t.Errorf("exit %d: %s", a.code, a.stderr)
	}
}

// The small commands answer.
func TestCommands(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "DATABASE_URL=")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"version"}, 0, "layercake"},
		{[]string{"--help"}, 0, "doctor"},
		{[]string{"config"}, 0, "LAYERCAKE_DATA"},
		{[]string{"doctor"}, 0, "sandbox"},
		{[]string{"migrate", "up"}, 0, "00002_core.sql"},
		{[]string{"migrate", "status"}, 0, "applied"},
		{[]string{"migrate", "down", "--yes"}, 0, "pending"},
		{[]string{"blueprint", "show"}, 0, "express"},
		{[]string{"blueprint", "show", "express"}, 0, "stop: plan"},
		{[]string{"blueprint", "schema"}, 0, "$schema"},
	} {
		a := p.run(c.args...)
		if a.code != c.code || !strings.Contains(a.stdout, c.says) {
			t.Errorf("%v: exit %d\n%s%s", c.args, a.code, a.stdout, a.stderr)
		}
	}
	if a := p.run("migrate", "status", "--data", p.out); a.code != 1 || !strings.Contains(a.stderr, "There is no database in") {
		t.Errorf("status of nothing: exit %d: %s", a.code, a.stderr)
	}
	if _, err := os.Stat(p.out); err == nil {
		t.Error("migrate status made a data folder")
	}
	secret := newPlace(t, "DATABASE_URL=postgres://user:hunter2@127.0.0.1:1/db")
	if a := secret.run("config"); strings.Contains(a.stdout, "hunter2") {
		t.Error("config prints a secret")
	}
	found := p.run("doctor").stdout
	for _, want := range []string{"git version 2.", "go version go1.", "Everything that is needed is here."} {
		if !strings.Contains(found, want) {
			t.Errorf("doctor does not say %q:\n%s", want, found)
		}
	}
	if a := newPlace(t, "SANDBOX=none").run("doctor"); a.code != 1 || !strings.Contains(a.stdout, "The variable SANDBOX is none") || !strings.Contains(a.stdout, "\n1 needed thing is missing.") {
		t.Errorf("doctor without a sandbox: exit %d\n%s", a.code, a.stdout)
	}
	if a := newPlace(t, "SANDBOX=foo").run("config"); a.code != 2 || !strings.Contains(a.stderr, `SANDBOX is "foo"`) {
		t.Errorf("config with an unknown sandbox: exit %d: %s", a.code, a.stderr)
	}
	loud := newPlace(t, "LAYERCAKE_LOG_LEVEL=loud")
	if a := loud.run("version"); a.code != 0 || !strings.Contains(a.stdout, "layercake") {
		t.Errorf("version: exit %d: %s", a.code, a.stderr)
	}
	wrong := newPlace(t, "LAYERCAKE_LOG_LEVEL=loud", "DATABASE_URL=mysql://x")
	if a := wrong.run("config"); a.code != 2 || !strings.Contains(a.stderr, "LAYERCAKE_LOG_LEVEL") || !strings.Contains(a.stderr, "DATABASE_URL") || strings.Count(a.stderr, "is \"loud\"") != 1 {
		t.Errorf("exit %d: %s", a.code, a.stderr)
	}
}
