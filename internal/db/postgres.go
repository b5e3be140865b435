package db

import (
	"context"
	"runtime"
	"strings"

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
