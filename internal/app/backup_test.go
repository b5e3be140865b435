package app_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/secret"
)

// Backups of a server at work are restored elsewhere: each verifies and ends with
// the events it was made at, and the last goes on, with the same people signed in.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	eachServer(t, func(s *served) {
		s.app.Settings.Passphrase, s.app.Settings.Program = "correct horse battery", "v1.2.3"
		ada := s.register("ada")
		var p struct{ ID string }
		s.good(s.ask(ada, http.MethodPost, "/api/v1/projects", map[string]any{"idea": "A tool to track the plants I own and when I last watered them"}), &p)
		ctx, stop := context.WithCancel(s.Context())
		files := make(chan string, 1000)
		ended := make(chan error, 1)
		dir := s.TempDir()
		go func() {
			defer close(files)
			for n := 0; ; n++ {
				path := filepath.Join(dir, strings.Repeat("b", n+1))
				if _, err := app.Backup(context.WithoutCancel(ctx), s.app.Settings, path); err != nil {
					ended <- err
					return
				}
				files <- path
				if ctx.Err() != nil { // the last one is of what is there by then
					ended <- nil
					return
				}
			}
		}()
		s.until(ada, p.ID, "G1")
		stop()
		if err := <-ended; err != nil {
			s.Fatal(err)
		}
		var all []string
		for path := range files {
			all = append(all, path)
		}
		s.Logf("%d backups while it came to G1", len(all))
		var last app.Settings
		for _, path := range slices.Compact([]string{all[0], all[len(all)/2], all[len(all)-1]}) {
			last = s.restored(path)
		}
		s.goesOn(last, ada, p.ID)
	})
}

// restored restores a backup elsewhere and verifies it.
func (s *served) restored(path string) app.Settings {
	s.Helper()
	there := s.app.Settings
	there.Program = "v1.2.4"
	there.Data = filepath.Join(s.TempDir(), "new")
	if there.DatabaseURL != "" {
		there.DatabaseURL = secret.Text(dbtest.PostgresConfig(s.T).URL)
	}
	sum, err := app.Restore(s.Context(), there, path, slog.New(slog.DiscardHandler))
	if err != nil {
		s.Fatal(err)
	}
	if !sum.Keys || sum.Users != 1 || sum.Projects != 1 || sum.Program != "v1.2.3" {
		s.Errorf("restored %+v", sum)
	}
	report, err := app.Verify(s.Context(), there)
	if err != nil {
		s.Fatal(err)
	}
	for id, head := range sum.Heads {
		said := false
		for _, claim := range report.Claims {
			said = said || strings.HasPrefix(claim, id+": the chain of ") && strings.HasSuffix(claim, head.Hash)
		}
		var here []event.Event
		err := s.app.DB.Read(s.Context(), func(ctx context.Context, tx *db.Tx) (err error) {
			here, err = event.Since(ctx, tx, id, head.Seq-1, 1)
			return err
		})
		if err != nil || len(here) != 1 || here[0].Hash != head.Hash || !said {
			s.Errorf("event %d is %s in the backup, %+v in the instance (%v), and verify says %q", head.Seq, head.Hash, here, err, report.Claims)
		}
	}
	return there
}

// goesOn starts what was restored and carries the project on to its next gate.
func (s *served) goesOn(there app.Settings, token, id string) {
	s.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(s.Context()))
	a, err := app.Open(ctx, there, slog.New(slog.DiscardHandler))
	if err != nil {
		s.Fatal(err)
	}
	l, err := app.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx, l, "test") }()
	defer func() {
		stop()
		if err := errors.Join(<-ended, a.Close()); err != nil {
			s.Error(err)
		}
	}()
	if by, err := os.ReadFile(filepath.Join(there.Data, "written-by")); err != nil || string(by) != "v1.2.4\n" {
		s.Errorf("written by %q, %v", by, err)
	}
	again := serving(s.T, a, l)
	g := again.until(token, id, "G1")
	again.good(again.ask(token, http.MethodPost, "/api/v1/gates/"+g.ID+"/decision", map[string]any{"decision": "approve"}), nil)
	again.until(token, id, "G2")
	if _, err := app.Verify(ctx, there); err != nil {
		s.Errorf("after it went on: %v", err)
	}
}

// The commands say what they did and what to do next; nothing is written over,
// nothing starts on what is not restored, and nothing of a newer version is touched.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	file, there := filepath.Join(filepath.Dir(p.data), "b"), filepath.Join(filepath.Dir(p.data), "there")
	says := func(a answer, code int, want ...string) {
		t.Helper()
		for _, text := range want {
			if a.code != code || !strings.Contains(a.stdout+a.stderr, text) {
				t.Errorf("exit %d, not %d, or it does not say %q: %s%s", a.code, code, text, a.stdout, a.stderr)
			}
		}
	}
	says(p.run("backup", file), 1, "There is no database in")
	says(p.run("migrate", "up"), 0, "applied")
	says(p.run("backup", file), 0, "The keys are left out", "LAYERCAKE_BACKUP_PASSPHRASE", "SQLite with 0 projects, 0 accounts and 0 events")
	says(p.run("backup", file), 2, "is there already")
	says(p.run("restore", file), 1, "is not empty")
	says(p.run("restore", file, "--data", there), 0, "No keys were restored", "SQLite with 0 projects", "Verified: 0 claims hold.")
	says(p.run("migrate", "status", "--data", there), 0, "applied")
	says(newPlace(t, "LAYERCAKE_BACKUP_PASSPHRASE=short").run("config"), 2, "LAYERCAKE_BACKUP_PASSPHRASE has 5 characters")

	if err := os.Mkdir(filepath.Join(there, "restoring"), 0o700); err != nil {
		t.Fatal(err)
	}
	says(p.run("migrate", "up", "--data", there), 1, "A restore into", "was interrupted")
	says(p.run("backup", file+"2", "--data", there), 1, "A restore into", "was interrupted")
	says(p.run("restore", file, "--data", there, "--no-verify"), 0, "Restored to")
	says(p.run("migrate", "up", "--data", there), 0, "applied")

	if err := os.WriteFile(filepath.Join(p.data, "written-by"), []byte("v9.8.7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	inspect(t, filepath.Join(p.data, "layercake.db"), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, TRUE)`)
		return err
	})
	says(p.run("backup", file+"3"), 1, "999", "It was LayerCake v9.8.7.")
	says(p.run("run", "bookmarks"), 1, "999", "It was LayerCake v9.8.7.")

	missing := filepath.Join(filepath.Dir(p.data), "missing")
	if err := os.WriteFile(file+"4", []byte("my diary"), 0o600); err != nil {
		t.Fatal(err)
	}
	says(p.run("restore", file+"4", "--data", missing), 2, "is damaged")
	if _, err := os.Stat(missing); err == nil {
		t.Error("a refused restore made a data folder")
	}
}

// Nothing starts on a PostgreSQL database that is not restored yet, whatever data
// folder is named.
func TestUnrestoredDatabase(t *testing.T) {
	t.Parallel()
	cfg := dbtest.PostgresConfig(t)
	d, err := db.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.BeginRestore(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := app.Settings{Data: t.TempDir(), Cache: t.TempDir(), DatabaseURL: secret.Text(cfg.URL), Sandbox: "none", Path: os.Getenv("PATH")}
	if _, err := app.Open(t.Context(), s, slog.New(slog.DiscardHandler)); fault.CodeOf(err) != "db.restoring" {
		t.Errorf("it starts: %v", err)
	}
	if _, err := app.Backup(t.Context(), s, filepath.Join(t.TempDir(), "b")); fault.CodeOf(err) != "db.restoring" {
		t.Errorf("it is backed up: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
