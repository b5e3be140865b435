package app_test

import (
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
		// The operating system takes no argument of more than 128 KiB.
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
		{"migrating down without a yes", []string{"migrate", "down"}, "--yes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			a := p.run(c.args...)
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
	if a.count("gate.approved") > 1 {
		t.Errorf("%d gates were approved", a.count("gate.approved"))
	}
	if _, err := os.Stat(p.out); err == nil {
		t.Error("a repository was exported")
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
	secret := newPlace(t, "DATABASE_URL=postgres://user:hunter2@127.0.0.1:1/db")
	if a := secret.run("config"); strings.Contains(a.stdout, "hunter2") {
		t.Error("config prints a secret")
	}
	wrong := newPlace(t, "LAYERCAKE_LOG_LEVEL=loud", "DATABASE_URL=mysql://x")
	if a := wrong.run("config"); a.code != 2 || !strings.Contains(a.stderr, "LAYERCAKE_LOG_LEVEL") || !strings.Contains(a.stderr, "DATABASE_URL") {
		t.Errorf("exit %d: %s", a.code, a.stderr)
	}
}
