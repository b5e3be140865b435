package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/layercake-app/layercake/internal/db"
)

// migrationLock is the advisory lock under which River's tables are migrated;
// the number means nothing, it only has to stay.
const migrationLock = 0x6c6b6a6f62

// Migrate brings the tables of the queue to the version this program needs;
// on PostgreSQL several processes may call it at once.
func (q *Queue) Migrate(ctx context.Context) error { return q.MigrateTo(ctx, 0) }

// MigrateTo is Migrate to a certain version of the tables, up or down, which is
// for the database of a restore. 0 is the one this program needs.
func (q *Queue) MigrateTo(ctx context.Context, version int64) (err error) {
	if q.pgDriver == nil {
		return migrate(ctx, q, q.liteDriver, version)
	}
	conn, err := q.db.Pool().Acquire(ctx)
	if err != nil {
		return fmt.Errorf("migrate jobs: %w", err)
	}
	defer conn.Release()
	// River migrates through other connections; this one only holds the lock.
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1, hashtext(current_schema()))", migrationLock&0x7fffffff); err != nil {
		return fmt.Errorf("lock job migrations: %w", err)
	}
	defer func() {
		_, unlockErr := conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1, hashtext(current_schema()))", migrationLock&0x7fffffff)
		err = errors.Join(err, unlockErr)
	}()
	return migrate(ctx, q, q.pgDriver, version)
}

func migrate[T any](ctx context.Context, q *Queue, driver riverdriver.Driver[T], version int64) error {
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(warnings{q.opts.Logger.Handler()})})
	if err != nil {
		return fmt.Errorf("prepare job migrations: %w", err)
	}
	opts := &rivermigrate.MigrateOpts{TargetVersion: int(version)}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, opts)
	if err == nil && version != 0 {
		_, err = m.Migrate(ctx, rivermigrate.DirectionDown, opts)
	}
	if err != nil {
		return db.Classify(fmt.Errorf("migrate jobs: %w", err))
	}
	return nil
}

// Newest returns the version of the tables that this program needs, which is the
// same on both databases.
func Newest() (int64, error) {
	m, err := rivermigrate.New(riverpgxv5.New(nil), nil)
	if err != nil {
		return 0, fmt.Errorf("prepare job migrations: %w", err)
	}
	all := m.AllVersions()
	return int64(all[len(all)-1].Version), nil
}

// Schema returns the version of the queue's tables in a database, 0 when it has
// none.
func Schema(ctx context.Context, tx *db.Tx) (version int64, err error) {
	query := "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'river_migration'"
	if tx.PgxTx() != nil {
		query = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'river_migration'"
	}
	var n int64
	if err := tx.One(ctx, &n, query); err != nil || n == 0 {
		return 0, err
	}
	err = tx.One(ctx, &version, "SELECT COALESCE(MAX(version), 0) FROM river_migration")
	return version, err
}

// Reclaim makes the jobs that a dead process left running available again and
// returns how many; their cut-off attempt does not count. Call it before Start,
// and only when no other process can be working on this database.
func (q *Queue) Reclaim(ctx context.Context) (n int, err error) {
	if q.running != nil {
		return 0, errors.New("reclaim jobs: this process is already running jobs")
	}
	err = q.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Exec(ctx, `
			UPDATE river_job SET state = 'available', attempt = CASE WHEN attempt > 0 THEN attempt - 1 ELSE 0 END
			WHERE state = 'running'`)
		if err != nil {
			return err
		}
		n = int(rows)
		// The dead process would otherwise stay River's leader for 15 seconds.
		_, err = tx.Exec(ctx, "DELETE FROM river_leader")
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("reclaim jobs: %w", err)
	}
	return n, nil
}
