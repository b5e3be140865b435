package db_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
)

const benchSelect = "SELECT id, layers, weight, eaten, photo, baked_at FROM cakes WHERE layers >= $1 ORDER BY layers LIMIT 50"

func benchDatabases(b *testing.B, fn func(b *testing.B, d *db.DB)) {
	b.Helper()
	for name, open := range map[string]func(testing.TB) *db.DB{db.SQLite: dbtest.SQLite, db.Postgres: dbtest.Postgres} {
		b.Run(name, func(b *testing.B) {
			d := open(b)
			err := d.Write(b.Context(), func(ctx context.Context, tx *db.Tx) error {
				if _, err := tx.Exec(ctx, createCakes); err != nil {
					return err
				}
				for i := range 1000 {
					if err := insert(ctx, tx, cake{ID: fmt.Sprint("cake_", i), Layers: int64(i), Baked: db.Now()}); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			fn(b, d)
		})
	}
}

func BenchmarkReadFiftyRows(b *testing.B) {
	benchDatabases(b, func(b *testing.B, d *db.DB) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				err := d.Read(b.Context(), func(ctx context.Context, tx *db.Tx) error {
					var cakes []cake
					return tx.All(ctx, &cakes, benchSelect, 500)
				})
				if err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkBareFiftyRows is the yardstick: the same query without this package.
func BenchmarkBareFiftyRows(b *testing.B) {
	path := filepath.Join(b.TempDir(), "x.db")
	d, err := db.Open(b.Context(), db.Config{Path: path})
	if err != nil {
		b.Fatal(err)
	}
	err = d.Write(b.Context(), func(ctx context.Context, tx *db.Tx) error {
		if _, err := tx.Exec(ctx, createCakes); err != nil {
			return err
		}
		for i := range 1000 {
			if err := insert(ctx, tx, cake{ID: fmt.Sprint("cake_", i), Layers: int64(i), Baked: db.Now()}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := d.Close(); err != nil {
		b.Fatal(err)
	}
	conn, err := sql.Open("sqlite", path+"?_timeout=10000")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	conn.SetMaxOpenConns(4)
	conn.SetMaxIdleConns(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if n, err := bareFiftyRows(b.Context(), conn); err != nil || n != 50 {
				b.Errorf("%d rows, %v", n, err)
			}
		}
	})
}

func bareFiftyRows(ctx context.Context, conn *sql.DB) (n int, err error) {
	rows, err := conn.QueryContext(ctx, benchSelect, 500)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var cakes []cake
	for rows.Next() {
		var c cake
		if err := rows.Scan(&c.ID, &c.Layers, &c.Weight, &c.Eaten, &c.Photo, &c.Baked); err != nil {
			return 0, err
		}
		cakes = append(cakes, c)
	}
	return len(cakes), rows.Err()
}

func BenchmarkReadOne(b *testing.B) {
	benchDatabases(b, func(b *testing.B, d *db.DB) {
		for b.Loop() {
			err := d.Read(b.Context(), func(ctx context.Context, tx *db.Tx) error {
				var c cake
				return tx.One(ctx, &c, "SELECT id, layers, weight, eaten, photo, baked_at FROM cakes WHERE id = $1", "cake_500")
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkWriteOne(b *testing.B) {
	benchDatabases(b, func(b *testing.B, d *db.DB) {
		for b.Loop() {
			err := d.Write(b.Context(), func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, "UPDATE cakes SET weight = weight + 1 WHERE id = $1", "cake_500")
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEmptyDatabase(b *testing.B) {
	for name, open := range map[string]func(testing.TB) *db.DB{db.SQLite: dbtest.SQLite, db.Postgres: dbtest.Postgres} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				open(b)
			}
		})
	}
}
