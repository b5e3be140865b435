package db_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/fault"
)

func TestMain(m *testing.M) {
	if runChild() {
		return
	}
	goleak.VerifyTestMain(m)
}

type cake struct {
	ID     string  `db:"id"`
	Layers int64   `db:"layers"`
	Weight float64 `db:"weight"`
	Eaten  bool    `db:"eaten"`
	Photo  []byte  `db:"photo"`
	Baked  db.Time `db:"baked_at"`
}

const createCakes = `CREATE TABLE cakes (
	id TEXT NOT NULL PRIMARY KEY, layers BIGINT NOT NULL UNIQUE, weight DOUBLE PRECISION NOT NULL,
	eaten BOOLEAN NOT NULL, photo BYTEA, baked_at BIGINT NOT NULL)`

const insertCake = `INSERT INTO cakes (id, layers, weight, eaten, photo, baked_at) VALUES ($1, $2, $3, $4, $5, $6)`

func insert(ctx context.Context, tx *db.Tx, c cake) error {
	_, err := tx.Exec(ctx, insertCake, c.ID, c.Layers, c.Weight, c.Eaten, c.Photo, c.Baked)
	return err
}

func eachWithCakes(t *testing.T, fn func(t *testing.T, d *db.DB)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, createCakes)
			return err
		})
		fn(t, d)
	})
}

func write(t *testing.T, d *db.DB, fn func(ctx context.Context, tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), fn); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func count(t *testing.T, d *db.DB) (n int64) {
	t.Helper()
	err := d.Read(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return tx.One(ctx, &n, "SELECT COUNT(*) FROM cakes")
	})
	if err != nil {
		t.Fatalf("count: %v", err)
	}
	return n
}

func TestRowsComeBackAsWritten(t *testing.T) {
	t.Parallel()
	eachWithCakes(t, func(t *testing.T, d *db.DB) {
		want := []cake{
			{ID: "a", Layers: 1 << 60, Weight: 0.1, Eaten: true, Photo: []byte{0, 255, 1}, Baked: db.Now()},
			{ID: "b", Layers: -1, Weight: -2.5, Photo: nil, Baked: db.Time{}},
			{ID: "ç 'quoted' \"too\" $1 --", Layers: 0, Photo: []byte{7}, Baked: db.TimeOf(time.Date(1923, 10, 29, 12, 0, 0, 123456789, time.FixedZone("x", 3600)))},
		}
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			for _, c := range want {
				if err := insert(ctx, tx, c); err != nil {
					return err
				}
			}
			return nil
		})
		err := d.Read(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			var got []cake
			if err := tx.All(ctx, &got, "SELECT id, layers, weight, eaten, photo, baked_at FROM cakes ORDER BY id"); err != nil {
				return err
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			var ids []string
			if err := tx.All(ctx, &ids, "SELECT id FROM cakes WHERE layers = $1 OR id = $2 OR layers = $1", int64(-1), "a"); err != nil {
				return err
			}
			if len(ids) != 2 {
				t.Errorf("ids = %q, want two", ids)
			}
			var one cake
			if err := tx.One(ctx, &one, "SELECT id, layers, weight, eaten, photo, baked_at FROM cakes WHERE id = $1", want[2].ID); err != nil {
				return err
			}
			if diff := cmp.Diff(want[2], one); diff != "" {
				t.Errorf("row (-want +got):\n%s", diff)
			}
			var at db.Time
			if err := tx.One(ctx, &at, "SELECT baked_at FROM cakes WHERE baked_at > $1 AND baked_at <= $2", db.Time{}, db.Now()); err != nil {
				return err
			}
			if at != want[0].Baked {
				t.Errorf("time = %v, want %v", at, want[0].Baked)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestOneWantsExactlyOneRow(t *testing.T) {
	t.Parallel()
	eachWithCakes(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			var c cake
			if err := tx.One(ctx, &c, "SELECT id, layers FROM cakes WHERE id = $1", "none"); !errors.Is(err, db.ErrNoRow) {
				t.Errorf("no row: %v, want ErrNoRow", err)
			}
			for i := range int64(2) {
				if err := insert(ctx, tx, cake{ID: fmt.Sprint(i), Layers: i}); err != nil {
					return err
				}
			}
			var id string
			if err := tx.One(ctx, &id, "SELECT id FROM cakes"); err == nil || errors.Is(err, db.ErrNoRow) {
				t.Errorf("two rows: %v, want an error", err)
			}
			var layers int64
			if err := tx.One(ctx, &layers, "UPDATE cakes SET layers = layers + $1 WHERE id = $2 RETURNING layers", 5, "1"); err != nil {
				return err
			}
			if layers != 6 {
				t.Errorf("returned %d, want 6", layers)
			}
			n, err := tx.Exec(ctx, "UPDATE cakes SET eaten = $1", true)
			if err != nil {
				return err
			}
			if n != 2 {
				t.Errorf("rows affected %d, want 2", n)
			}
			return nil
		})
	})
}

func TestWriteIsAllOrNothing(t *testing.T) {
	t.Parallel()
	eachWithCakes(t, func(t *testing.T, d *db.DB) {
		boom := errors.New("boom")
		committed := 0
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			tx.OnCommit(func() { committed++ })
			if err := insert(ctx, tx, cake{ID: "a"}); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) || count(t, d) != 0 || committed != 0 {
			t.Errorf("error: %v, rows %d, callbacks %d; want boom, 0, 0", err, count(t, d), committed)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_ = d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				if err := insert(ctx, tx, cake{ID: "a"}); err != nil {
					return err
				}
				panic("boom")
			})
		}()
		if n := count(t, d); n != 0 {
			t.Errorf("after a panic: %d rows, want 0", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		err = d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			defer cancel()
			return insert(ctx, tx, cake{ID: "a"})
		})
		if !errors.Is(err, context.Canceled) || count(t, d) != 0 {
			t.Errorf("cancelled: %v, rows %d; want context.Canceled, 0", err, count(t, d))
		}
		var order []int
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			tx.OnCommit(func() { order = append(order, int(count(t, d))) }) //nolint:contextcheck // the transaction is over by then
			tx.OnCommit(func() { order = append(order, 2) })
			return insert(ctx, tx, cake{ID: "a"})
		})
		if diff := cmp.Diff([]int{1, 2}, order); diff != "" {
			t.Errorf("callbacks (-want +got):\n%s", diff)
		}
	})
}

func TestNestingIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	eachWithCakes(t, func(t *testing.T, d *db.DB) {
		type start = func(context.Context, func(context.Context, *db.Tx) error) error
		never := func(context.Context, *db.Tx) error { t.Error("nested function ran"); return nil }
		for _, outer := range []start{d.Read, d.Write} {
			for _, inner := range []start{d.Read, d.Write} {
				var kept context.Context
				err := outer(t.Context(), func(ctx context.Context, tx *db.Tx) error {
					kept = ctx
					ctx, cancel := context.WithCancel(ctx)
					defer cancel()
					return inner(ctx, never)
				})
				if fault.CodeOf(err) != "db.nested" || fault.KindOf(err) != fault.KindInternal {
					t.Errorf("nested: %v, want internal db.nested", err)
				}
				if strings.Contains(fault.Public(err), "transaction") {
					t.Errorf("public text leaks the cause: %s", fault.Public(err))
				}
				ran := false
				if err := inner(kept, func(context.Context, *db.Tx) error { ran = true; return nil }); err != nil || !ran {
					t.Errorf("context of an ended transaction: %v, ran %t; want to run", err, ran)
				}
			}
		}
		other := dbtest.SQLite(t)
		write(t, d, func(ctx context.Context, _ *db.Tx) error {
			return other.Read(ctx, func(context.Context, *db.Tx) error { return nil })
		})
	})
}

func TestReadSeesOneSnapshotAndCannotWrite(t *testing.T) {
	t.Parallel()
	eachWithCakes(t, func(t *testing.T, d *db.DB) {
		err := d.Read(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			var before, after int64
			if err := tx.One(ctx, &before, "SELECT COUNT(*) FROM cakes"); err != nil {
				return err
			}
			write(t, d, func(ctx context.Context, tx *db.Tx) error { return insert(ctx, tx, cake{ID: "a"}) }) //nolint:contextcheck // beside the open transaction, not in it
			if err := tx.One(ctx, &after, "SELECT COUNT(*) FROM cakes"); err != nil {
				return err
			}
			if before != 0 || after != 0 {
				t.Errorf("counts %d, %d; want 0, 0", before, after)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		err = d.Read(t.Context(), func(ctx context.Context, tx *db.Tx) error { return insert(ctx, tx, cake{ID: "b", Layers: 2}) })
		if err == nil || count(t, d) != 1 {
			t.Errorf("write in a read: %v, rows %d; want an error, 1", err, count(t, d))
		}
	})
}

func TestAFailedStatementSpoilsItsTransaction(t *testing.T) {
	t.Parallel()
	eachWithCakes(t, func(t *testing.T, d *db.DB) {
		for name, second := range map[string]cake{"unique": {ID: "b", Layers: 1}, "primary key": {ID: "a", Layers: 2}} {
			err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				if err := insert(ctx, tx, cake{ID: "a", Layers: 1}); err != nil {
					return err
				}
				if err := insert(ctx, tx, second); !db.IsUnique(err) {
					t.Errorf("%s: %v, want a unique violation", name, err)
				}
				if err := insert(ctx, tx, cake{ID: "c", Layers: 3}); err == nil {
					t.Errorf("%s: a statement after the failed one was accepted", name)
				}
				return nil
			})
			if !db.IsUnique(err) || count(t, d) != 0 {
				t.Errorf("%s: commit: %v, rows %d; want the violation, 0", name, err, count(t, d))
			}
		}
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO cakes (id) VALUES ($1)", "x")
			return err
		})
		if err == nil || db.IsUnique(err) {
			t.Errorf("not null: %v, want an error that is not a unique violation", err)
		}
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			var wrong struct{}
			if err := tx.All(ctx, &wrong, "SELECT id FROM cakes"); err == nil {
				t.Error("a wrong destination was accepted")
			}
			return insert(ctx, tx, cake{ID: "a", Layers: 1})
		})
	})
}

func TestArgumentsTheDatabasesWouldStoreDifferently(t *testing.T) {
	t.Parallel()
	eachWithCakes(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			if _, err := tx.Exec(ctx, "UPDATE cakes SET baked_at = $1", time.Now()); err == nil {
				t.Error("a time.Time was accepted")
			}
			for _, text := range []string{"a\x00b", "a\xffb"} {
				if _, err := tx.Exec(ctx, "UPDATE cakes SET id = $1", text); fault.CodeOf(err) != "text.invalid" {
					t.Errorf("%q: %v", text, err)
				}
			}
			args := []any{[]byte(`{"a":1}`)}
			args[0] = json.RawMessage(`{"a":1}`)
			if err := insert(ctx, tx, cake{ID: `{"a":1}`}); err != nil {
				return err
			}
			n, err := tx.Exec(ctx, "UPDATE cakes SET eaten = TRUE WHERE id = $1", args...)
			if err != nil {
				return err
			}
			if n != 1 {
				t.Errorf("json text matched %d rows, want 1", n)
			}
			if _, ok := args[0].(json.RawMessage); !ok {
				t.Error("the caller's arguments were changed")
			}
			return nil
		})
	})
}

func TestErrorsCarryAShortStatementAndNoArguments(t *testing.T) {
	t.Parallel()
	eachWithCakes(t, func(t *testing.T, d *db.DB) {
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO missing\n\tVALUES ($1, '"+strings.Repeat("x", 10000)+"')", "hunter2")
			return err
		})
		if err == nil || len(err.Error()) > 600 || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error = %.700v; want it short and without arguments", err)
		}
		if strings.Contains(fault.Public(err), "INSERT") {
			t.Errorf("public text shows SQL: %s", fault.Public(err))
		}
	})
}

func TestConcurrentWritesNeitherFailNorGetLost(t *testing.T) {
	t.Parallel()
	eachWithCakes(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(ctx context.Context, tx *db.Tx) error { return insert(ctx, tx, cake{ID: "a"}) })
		const workers, each = 8, 40
		var group sync.WaitGroup
		for range workers {
			group.Go(func() {
				for range each {
					err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
						_, err := tx.Exec(ctx, "UPDATE cakes SET weight = weight + 1 WHERE id = $1", "a")
						return err
					})
					if err != nil {
						t.Errorf("write: %v", err)
					}
					if n := count(t, d); n != 1 {
						t.Errorf("read %d rows, want 1", n)
					}
				}
			})
		}
		group.Wait()
		err := d.Read(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			var weight float64
			if err := tx.One(ctx, &weight, "SELECT weight FROM cakes"); err != nil {
				return err
			}
			if weight != workers*each {
				t.Errorf("weight %v, want %d", weight, workers*each)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// One process carries a database's projects; the next gets it when the first has
// gone. On SQLite the data folder is what is taken.
func TestOneProcessTakesTheDatabase(t *testing.T) {
	t.Parallel()
	cfg := dbtest.PostgresConfig(t)
	open := func() *db.DB {
		d, err := db.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		return d
	}
	d, other := open(), open()
	release, ok, err := d.LockInstance(t.Context())
	if err != nil || !ok {
		t.Fatalf("first: %v, %v", ok, err)
	}
	if _, ok, err := other.LockInstance(t.Context()); ok || err != nil {
		t.Errorf("second: %v, %v", ok, err)
	}
	release()
	again, ok, err := other.LockInstance(t.Context())
	if err != nil || !ok {
		t.Fatalf("after the first has gone: %v, %v", ok, err)
	}
	again()
}
