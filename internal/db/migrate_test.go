package db_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/fault"
)

func tables(t *testing.T, d *db.DB) (names []string) {
	t.Helper()
	query := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version' ORDER BY name"
	if d.Dialect() == db.Postgres {
		query = "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'goose_db_version' ORDER BY tablename"
	}
	err := d.Read(t.Context(), func(ctx context.Context, tx *db.Tx) error { return tx.All(ctx, &names, query) })
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestMigrationsGoUpAndDownAndUpAgain(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		before := tables(t, d)
		list, err := d.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range list {
			if m.Version != int64(i+1) || m.Applied.IsZero() || !strings.HasSuffix(m.Name, ".sql") {
				t.Errorf("migration %d is %+v, want applied, numbered without a gap", i+1, m)
			}
		}
		for range list {
			if err := d.MigrateDown(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if left := tables(t, d); len(left) != 0 {
			t.Errorf("tables left after going down: %q", left)
		}
		if err := d.MigrateDown(t.Context()); fault.CodeOf(err) != "db.empty" {
			t.Errorf("down from nothing: %v, want db.empty", err)
		}
		list, err = d.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			if !m.Applied.IsZero() {
				t.Errorf("%s is still applied", m.Name)
			}
		}
		for range 2 {
			if err := d.MigrateUp(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(before, tables(t, d)); diff != "" {
			t.Errorf("tables (-first +second):\n%s", diff)
		}
	})
}

func TestADatabaseFromTheFutureIsRefused(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (98765, TRUE)")
			return err
		})
		_, statusErr := d.Status(t.Context())
		for name, err := range map[string]error{"up": d.MigrateUp(t.Context()), "down": d.MigrateDown(t.Context()), "status": statusErr} {
			if fault.CodeOf(err) != "db.newer" || fault.KindOf(err) != fault.KindConflict || !strings.Contains(fault.Public(err), "98765") {
				t.Errorf("%s: %v, want conflict db.newer that names the version", name, err)
			}
		}
	})
}

func TestManyProcessesMayMigrateAtOnceOnPostgres(t *testing.T) {
	t.Parallel()
	cfg := dbtest.PostgresConfig(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			d, err := db.Open(t.Context(), cfg)
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			if err := d.MigrateUp(t.Context()); err != nil {
				t.Errorf("migrate: %v", err)
			}
			if err := d.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	group.Wait()
}

func TestPostgresAddressesThatCannotWork(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"postgres://user:hunter2@127.0.0.1:1/name?connect_timeout=2": "db.unreachable",
		"postgres://user:hunter2@127.0.0.1:port/name":                "db.url",
		"postgres://user:hunter2@[::1/name":                          "db.url",
		"mysql://user:hunter2@127.0.0.1/name":                        "db.url",
	}
	for address, code := range tests {
		_, err := db.Open(t.Context(), db.Config{URL: address, Path: filepath.Join(t.TempDir(), "unused.db")})
		if fault.CodeOf(err) != code {
			t.Errorf("%s: %v, want %s", address, err, code)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the password is in %v", address, err)
		}
	}
}

func TestADeadlockOnPostgresSaysTryAgain(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t)
	write(t, d, func(ctx context.Context, tx *db.Tx) error {
		if _, err := tx.Exec(ctx, createCakes); err != nil {
			return err
		}
		if err := insert(ctx, tx, cake{ID: "a", Layers: 1}); err != nil {
			return err
		}
		return insert(ctx, tx, cake{ID: "b", Layers: 2})
	})
	var group, holding sync.WaitGroup
	holding.Add(2)
	results := make(chan error, 2)
	for _, order := range [][2]string{{"a", "b"}, {"b", "a"}} {
		group.Go(func() {
			results <- d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				if _, err := tx.Exec(ctx, "UPDATE cakes SET eaten = TRUE WHERE id = $1", order[0]); err != nil {
					return err
				}
				holding.Done()
				holding.Wait()
				_, err := tx.Exec(ctx, "UPDATE cakes SET eaten = TRUE WHERE id = $1", order[1])
				return err
			})
		})
	}
	group.Wait()
	failures := 0
	for range 2 {
		if err := <-results; err != nil {
			failures++
			if fault.CodeOf(err) != "db.busy" || fault.KindOf(err) != fault.KindUnavailable {
				t.Errorf("%v, want unavailable db.busy", err)
			}
		}
	}
	if failures != 1 {
		t.Errorf("%d of two crossing transactions failed, want 1", failures)
	}
}
