package db

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/layercake-app/layercake/internal/fault"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migration is one step of the schema and whether this database has taken it.
type Migration struct {
	Version int64
	Name    string
	// Applied is zero while the step is pending.
	Applied Time
}

// MigrateUp brings the schema to the newest version; several processes may call
// it at once. fault.Conflict "db.newer" when the database is ahead of this program.
func (d *DB) MigrateUp(ctx context.Context) error {
	p, err := d.provider(ctx)
	if err != nil {
		return err
	}
	if err := d.refuse(ctx, p); err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return Classify(fmt.Errorf("migrate database: %w", err))
	}
	return nil
}

// MigrateDown takes back the newest applied step, with the data it held.
func (d *DB) MigrateDown(ctx context.Context) error {
	p, err := d.provider(ctx)
	if err != nil {
		return err
	}
	if err := d.refuse(ctx, p); err != nil {
		return err
	}
	if _, err := p.Down(ctx); errors.Is(err, goose.ErrNoNextVersion) {
		return fault.Conflict("db.empty", "The database has no migration left to take back.")
	} else if err != nil {
		return Classify(fmt.Errorf("migrate database down: %w", err))
	}
	return nil
}

// Status lists all known migrations, oldest first.
func (d *DB) Status(ctx context.Context) ([]Migration, error) {
	p, err := d.provider(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.refuse(ctx, p); err != nil {
		return nil, err
	}
	found, err := p.Status(ctx)
	if err != nil {
		return nil, Classify(fmt.Errorf("read migrations: %w", err))
	}
	list := make([]Migration, 0, len(found))
	for _, m := range found {
		list = append(list, Migration{
			Version: m.Source.Version,
			Name:    path.Base(m.Source.Path),
			Applied: TimeOf(m.AppliedAt),
		})
	}
	return list, nil
}

// refuse tells apart from ours the database of a newer program, and one that is
// not restored yet.
func (d *DB) refuse(ctx context.Context, p *goose.Provider) error {
	if begun, err := d.Restoring(ctx); err != nil {
		return err
	} else if begun {
		return fault.Conflict("db.restoring", "A restore into the database was interrupted. Run the same `layercake restore` again; it begins anew.")
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return Classify(fmt.Errorf("read schema version: %w", err))
	}
	if current > target {
		return fault.Conflict("db.newer",
			"The database has schema version %d, this program knows versions up to %d. Start the newer LayerCake that wrote it, or restore a backup.",
			current, target)
	}
	return nil
}

func (d *DB) provider(ctx context.Context) (*goose.Provider, error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, fmt.Errorf("read embedded migrations: %w", err)
	}
	options := []goose.ProviderOption{goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true)}
	dialect := goose.DialectSQLite3
	if d.pool != nil {
		dialect = goose.DialectPostgres
		locker, err := d.migrationLock(ctx)
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, d.writer, files, options...)
	if err != nil {
		return nil, fmt.Errorf("prepare migrations: %w", err)
	}
	return p, nil
}

// migrationLock is per schema, so that several LayerCakes in one PostgreSQL
// database do not wait for each other.
func (d *DB) migrationLock(ctx context.Context) (lock.SessionLocker, error) {
	var schema string
	err := d.pool.QueryRow(ctx, "SELECT COALESCE(current_schema(), '')").Scan(&schema)
	if err != nil {
		return nil, Classify(fmt.Errorf("read current schema: %w", err))
	}
	id := int64(crc32.ChecksumIEEE([]byte("layercake migrations " + schema)))
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(id), lock.WithLockTimeout(1, 300))
	if err != nil {
		return nil, fmt.Errorf("prepare migration lock: %w", err)
	}
	return locker, nil
}
