package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/layercake-app/layercake/internal/db"
)

// migrationLock is the advisory lock under which River's tables are migrated;
// the number means nothing, it only has to stay.
const migrationLock = 0x6c6b6a6f62

// Migrate brings the tables of the queue to the version this program needs;
// on PostgreSQL several processes may call it at once.
func (q *Queue) Migrate(ctx context.Context) (err error) {
	if q.pgDriver == nil {
		return migrate(ctx, q, q.liteDriver)
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
	return migrate(ctx, q, q.pgDriver)
}

func migrate[T any](ctx context.Context, q *Queue, driver riverdriver.Driver[T]) error {
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(warnings{q.opts.Logger.Handler()})})
	if err != nil {
		return fmt.Errorf("prepare job migrations: %w", err)
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return db.Classify(fmt.Errorf("migrate jobs: %w", err))
	}
	return nil
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
