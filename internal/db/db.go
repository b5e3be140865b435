// Package db keeps everything LayerCake remembers in one relational database,
// an SQLite file or PostgreSQL, behind one transaction type and one SQL text.
//
// All access goes through DB.Write and DB.Read. A Write is committed, durably,
// exactly when its function returns nil; a Read sees one unchanging snapshot.
// Neither can be nested, so no call ever waits for a transaction of its own
// caller. SQL is written once, in the subset both databases share, with $1, $2,
// … as parameters; a failed statement spoils its transaction on both.
package db

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/layercake-app/layercake/internal/fault"
)

// The two values of DB.Dialect.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Config says which database to open.
type Config struct {
	// Path is the SQLite file; it is created when missing, its folder is not.
	Path string
	// URL is a postgres:// address; when set, Path is ignored.
	URL string
	// ReadOnly opens an existing SQLite file for Read alone: neither the file nor
	// its schema is ever changed, and Write fails.
	ReadOnly bool
}

// DB is an open database; its methods may be called by many goroutines at once.
type DB struct {
	writer *sql.DB       // SQLite: the one writing connection. PostgreSQL: the pool seen as database/sql
	reader *sql.DB       // SQLite only
	pool   *pgxpool.Pool // PostgreSQL only
}

// Open opens the database of cfg and checks that it answers and is ours. It
// changes no table: MigrateUp does. Errors: fault.Invalid "db.foreign" for a
// file of something else, "db.url" for an unusable address, fault.Unavailable
// "db.open" or "db.unreachable".
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.URL != "" {
		return openPostgres(ctx, cfg.URL)
	}
	if cfg.Path == "" {
		return nil, fault.Invalid("db.path", "No database is named. Give a file path or a postgres:// address.")
	}
	if cfg.ReadOnly {
		return openReadOnly(ctx, cfg.Path)
	}
	return openSQLite(ctx, cfg.Path)
}

// Close releases all connections after running transactions have ended.
func (d *DB) Close() error {
	var errs []error
	// The writer goes last: the last connection to leave folds the write-ahead
	// log into the file, and readers cannot.
	if d.reader != nil {
		errs = append(errs, d.reader.Close())
	}
	if d.writer != nil {
		errs = append(errs, d.writer.Close())
	}
	if d.pool != nil {
		d.pool.Close()
	}
	return errors.Join(errs...)
}

// Dialect returns SQLite or Postgres.
func (d *DB) Dialect() string {
	if d.pool != nil {
		return Postgres
	}
	return SQLite
}

// SQLDB returns the writing connections as database/sql, for package job only.
func (d *DB) SQLDB() *sql.DB { return d.writer }

// Pool returns the PostgreSQL pool, nil on SQLite, for package job only.
func (d *DB) Pool() *pgxpool.Pool { return d.pool }

// Ping reports whether the database answers.
func (d *DB) Ping(ctx context.Context) error {
	return d.Read(ctx, func(ctx context.Context, tx *Tx) error {
		var one int64
		return tx.One(ctx, &one, "SELECT 1")
	})
}

// Write runs fn in one read-write transaction: committed when fn returns nil,
// rolled back when it returns an error or panics. fn must use the context it is
// given, and no Tx after it returned. On SQLite one Write runs at a time; on
// PostgreSQL the isolation is READ COMMITTED and nothing is retried. Once fn has
// returned nil the commit is carried through even if ctx ends meanwhile.
func (d *DB) Write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	return d.run(ctx, false, fn)
}

// Read runs fn in one read-only transaction that sees a single snapshot.
func (d *DB) Read(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	return d.run(ctx, true, fn)
}

// openTx is the context key under which the open transaction of a DB is found.
type openTx struct{ d *DB }

func (d *DB) run(ctx context.Context, readOnly bool, fn func(ctx context.Context, tx *Tx) error) error {
	if outer, ok := ctx.Value(openTx{d}).(*Tx); ok && !outer.ended.Load() {
		return internal("db.nested", errNested)
	}
	tx, err := d.begin(ctx, readOnly)
	if err != nil {
		return Classify(err)
	}
	defer func() {
		if !tx.ended.Load() {
			tx.rollback(ctx)
		}
	}()
	if err := fn(context.WithValue(ctx, openTx{d}, tx), tx); err != nil {
		return err
	}
	if err := tx.commit(ctx); err != nil {
		return Classify(err)
	}
	for _, after := range tx.after {
		after()
	}
	return nil
}

var errNested = errors.New("db: Write or Read called inside a transaction of the same database; pass the Tx down instead")

var errReadOnly = errors.New("db: Write called on a database that was opened for reading alone")

func (d *DB) begin(ctx context.Context, readOnly bool) (*Tx, error) {
	if d.pool != nil {
		opts := pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}
		if readOnly {
			opts = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
		}
		tx, err := d.pool.BeginTx(ctx, opts)
		if err != nil {
			return nil, wrap("begin transaction", err)
		}
		return &Tx{pg: tx}, nil
	}
	from := d.writer
	if readOnly {
		from = d.reader
	}
	if from == nil {
		return nil, wrap("begin transaction", errReadOnly)
	}
	tx, err := from.BeginTx(ctx, &sql.TxOptions{ReadOnly: readOnly})
	if err != nil {
		return nil, wrap("begin transaction", err)
	}
	return &Tx{lite: tx}, nil
}

// endTimeout bounds a commit or rollback that outlives its caller's context.
const endTimeout = 30 * time.Second

func (t *Tx) commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		t.rollback(ctx)
		return wrap("commit transaction", err)
	}
	if t.failed != nil {
		t.rollback(ctx)
		return wrap("commit transaction after a failed statement", t.failed)
	}
	t.ended.Store(true)
	if t.lite != nil {
		return wrap("commit transaction", t.lite.Commit())
	}
	// A commit cut off half-way would leave the caller not knowing its outcome.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	return wrap("commit transaction", t.pg.Commit(ctx))
}

// rollback ignores the driver's error: the caller already has the error that
// matters, and a connection that cannot roll back is closed by its pool.
func (t *Tx) rollback(ctx context.Context) {
	t.ended.Store(true)
	if t.lite != nil {
		_ = t.lite.Rollback()
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	_ = t.pg.Rollback(ctx)
}

// Tx is one transaction. It belongs to the goroutine that runs the function of
// Write or Read.
type Tx struct {
	lite   *sql.Tx
	pg     pgx.Tx
	ended  atomic.Bool
	failed error // the first statement error; PostgreSQL refuses to go on after one, so SQLite does too
	after  []func()
}
