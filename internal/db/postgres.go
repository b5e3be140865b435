package db

import (
	"context"
	"runtime"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/layercake-app/layercake/internal/fault"
)

// defaultPoolSize is used where the address does not set pool_max_conns.
const defaultPoolSize = 16

func openPostgres(ctx context.Context, address string) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(address)
	if err != nil {
		// The cause may quote the address, and with it the password.
		return nil, fault.Invalid("db.url",
			"The database address cannot be read. It looks like postgres://user:password@host:5432/name; check it for a missing part or a character that needs %%-encoding.")
	}
	if !strings.Contains(address, "pool_max_conns") {
		cfg.MaxConns = max(defaultPoolSize, int32(runtime.GOMAXPROCS(0)))
	}
	if _, ok := cfg.ConnConfig.RuntimeParams["application_name"]; !ok {
		cfg.ConnConfig.RuntimeParams["application_name"] = "layercake"
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, wrap("open database pool", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fault.Unavailable("db.unreachable",
			"PostgreSQL at %s:%d, database %q, does not answer. Check the address, the user and that the server is running.",
			cfg.ConnConfig.Host, cfg.ConnConfig.Port, cfg.ConnConfig.Database).Because(err)
	}
	return &DB{pool: pool, writer: stdlib.OpenDBFromPool(pool)}, nil
}

// instanceLock is the advisory lock of the one process that carries a database's
// projects alone; its second half is the schema.
const instanceLock = 0x4c43616b

// LockInstance takes the database for this process alone until release is called
// or the process ends, and reports false when another process has it. On SQLite
// the data folder is what a process takes, and this always succeeds.
func (d *DB) LockInstance(ctx context.Context) (release func(), ok bool, err error) {
	if d.pool == nil {
		return func() {}, true, nil
	}
	// A connection of its own: those of the pool are for work.
	conn, err := pgx.ConnectConfig(ctx, d.pool.Config().ConnConfig)
	if err != nil {
		return nil, false, wrap("lock database", err)
	}
	// The session holds the lock, and closing it gives the lock back.
	release = func() { _ = conn.Close(context.WithoutCancel(ctx)) }
	err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1, hashtext(COALESCE(current_schema(), '')))`, instanceLock).Scan(&ok)
	if err != nil || !ok {
		release()
		return nil, false, wrap("lock database", err)
	}
	return release, true, nil
}
