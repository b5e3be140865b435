// Package dbtest runs a test on every database LayerCake supports, on real
// servers and files, each test in a database of its own that is gone afterwards.
package dbtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/layercake-app/layercake/internal/db"
)

const defaultPostgres = "postgres://postgres@127.0.0.1:5432/postgres"

// Each runs fn as parallel subtests "sqlite" and "postgres" with an empty,
// migrated database. Where PostgreSQL does not answer, its subtest is skipped,
// and fails when CI=true. LAYERCAKE_TEST_POSTGRES names another server.
func Each(t *testing.T, fn func(t *testing.T, d *db.DB)) {
	t.Helper()
	t.Run(db.SQLite, func(t *testing.T) {
		t.Parallel()
		fn(t, SQLite(t))
	})
	t.Run(db.Postgres, func(t *testing.T) {
		t.Parallel()
		fn(t, Postgres(t))
	})
}

// SQLite returns a migrated database in a file of its own.
func SQLite(t testing.TB) *db.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "layercake.db")
	image, err := migratedFile()
	if err != nil {
		t.Fatalf("prepare sqlite image: %v", err)
	}
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatalf("write database file: %v", err)
	}
	return open(t, db.Config{Path: path})
}

// Postgres returns a migrated database in a schema of its own.
func Postgres(t testing.TB) *db.DB {
	t.Helper()
	d := open(t, PostgresConfig(t))
	if err := d.MigrateUp(context.Background()); err != nil {
		t.Fatalf("migrate postgres: %v", err)
	}
	return d
}

// PostgresConfig returns the address of a new, empty schema that is dropped
// when the test ends.
func PostgresConfig(t testing.TB) db.Config {
	t.Helper()
	base := os.Getenv("LAYERCAKE_TEST_POSTGRES")
	if base == "" {
		base = defaultPostgres
	}
	schema := "layercake_test_" + strings.ToLower(randomName())
	if err := exec(base, "CREATE SCHEMA "+schema); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("PostgreSQL is required with CI=true: %v", err)
		}
		t.Skipf("SKIPPED: no PostgreSQL, set LAYERCAKE_TEST_POSTGRES: %v", err)
	}
	t.Cleanup(func() {
		if err := exec(base, "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			t.Errorf("drop schema: %v", err)
		}
	})
	address, err := url.Parse(base)
	if err != nil {
		t.Fatalf("LAYERCAKE_TEST_POSTGRES is not an address: %v", err)
	}
	query := address.Query()
	query.Set("search_path", schema)
	// The server outlives every test, so nothing depends on its disk being waited for.
	query.Set("synchronous_commit", "off")
	address.RawQuery = query.Encode()
	return db.Config{URL: address.String()}
}

func open(t testing.TB, cfg db.Config) *db.DB {
	t.Helper()
	d, err := db.Open(context.Background(), cfg)
	if err != nil {
		t.Fatalf("open database: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close database: %v", err)
		}
	})
	return d
}

// migratedFile migrates one file per test process; each test starts from a copy.
var migratedFile = sync.OnceValues(func() ([]byte, error) {
	folder, err := os.MkdirTemp("", "layercake-dbtest-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "image.db")
	d, err := db.Open(context.Background(), db.Config{Path: path})
	if err != nil {
		return nil, err
	}
	if err := d.MigrateUp(context.Background()); err != nil {
		return nil, err
	}
	if err := d.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// server is the one connection that makes and drops schemas, kept for the life
// of the test process because connecting costs more than the statement.
var server struct {
	mu   sync.Mutex
	conn *pgx.Conn
}

func exec(address, statement string) (err error) {
	server.mu.Lock()
	defer server.mu.Unlock()
	ctx := context.Background()
	if server.conn == nil || server.conn.IsClosed() {
		if server.conn, err = pgx.Connect(ctx, address); err != nil {
			return err
		}
		if _, err = server.conn.Exec(ctx, "SET synchronous_commit = off"); err != nil {
			return err
		}
	}
	_, err = server.conn.Exec(ctx, statement)
	return err
}

func randomName() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return hex.EncodeToString(b)
}
