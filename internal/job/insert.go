package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/layercake-app/layercake/internal/db"
)

// InsertOption changes how one job is inserted.
type InsertOption func(*insertion)

type insertion struct {
	unique      bool
	at          time.Time
	maxAttempts int
}

// Unique inserts nothing when a job of the same kind with the same arguments is
// already waiting; when that one waits for a later time, it is brought forward.
// A job that has begun never counts, because it may have looked at the world
// before the caller's change. Two transactions that insert at the same moment
// may both succeed: handlers are idempotent.
func Unique() InsertOption { return func(i *insertion) { i.unique = true } }

// At has the job wait until t.
func At(t time.Time) InsertOption { return func(i *insertion) { i.at = t } }

// MaxAttempts sets how often this job is tried in all.
func MaxAttempts(n int) InsertOption { return func(i *insertion) { i.maxAttempts = n } }

// Insert adds a job in the caller's transaction. It needs no handler and no
// running worker in this process.
func (q *Queue) Insert(ctx context.Context, tx *db.Tx, args Args, opts ...InsertOption) error {
	ins := insertion{maxAttempts: q.opts.MaxAttempts}
	for _, opt := range opts {
		opt(&ins)
	}
	if err := q.insert(ctx, tx, args, ins); err != nil {
		return fmt.Errorf("insert job %s: %w", args.Kind(), err)
	}
	if ins.at.After(time.Now()) {
		return nil // the poll finds it when it is due
	}
	if err := q.announce(ctx, tx); err != nil {
		return fmt.Errorf("announce job %s: %w", args.Kind(), err)
	}
	return nil
}

func (q *Queue) insert(ctx context.Context, tx *db.Tx, args Args, ins insertion) error {
	if ins.unique {
		waiting, err := q.join(ctx, tx, args, ins)
		if err != nil || waiting {
			return err
		}
	}
	opts := &river.InsertOpts{MaxAttempts: ins.maxAttempts, ScheduledAt: ins.at}
	var res *rivertype.JobInsertResult
	var err error
	if q.pgInsert != nil {
		res, err = q.pgInsert.InsertTx(ctx, tx.PgxTx(), args, opts)
	} else {
		res, err = q.liteInsert.InsertTx(ctx, tx.SQLTx(), args, opts)
	}
	if err != nil || ins.at.IsZero() {
		return err
	}
	// River moves scheduled jobs to available from its leader only, every five
	// seconds. An available job with a time is taken by any worker when it is due.
	_, err = tx.Exec(ctx, "UPDATE river_job SET state = 'available' WHERE id = $1", res.Job.ID)
	return err
}

// The states of a job that has not begun. The row is locked until the
// transaction ends: a worker that took it now would not see what the caller is
// changing, and nobody would be told again. A row locked by someone else is
// being taken, or joined, by them, and does not count. Queue and priority are the
// same for all jobs; naming them, and the plus in SQLite's text, makes both
// databases walk the index of waiting jobs, not the one by kind, which also holds
// every ended job of the last hour.
const (
	findWaitingPostgres = `
		SELECT id, scheduled_at > COALESCE(to_timestamp($3::double precision / 1000000), clock_timestamp()) AS later
		FROM river_job
		WHERE kind = $1 AND args = $2::jsonb AND state IN ('available', 'scheduled', 'pending', 'retryable')
			AND queue = 'default' AND priority = 1
		ORDER BY scheduled_at, id LIMIT 1 FOR UPDATE SKIP LOCKED`
	advancePostgres = `
		UPDATE river_job SET state = 'available', max_attempts = attempt + $2,
			scheduled_at = COALESCE(to_timestamp($3::double precision / 1000000), clock_timestamp())
		WHERE id = $1`
	findWaitingSQLite = `
		SELECT id, scheduled_at > COALESCE($3, datetime('now', 'subsec')) AS later
		FROM river_job
		WHERE +kind = $1 AND json(args) = json($2) AND state IN ('available', 'scheduled', 'pending', 'retryable')
			AND queue = 'default' AND priority = 1
		ORDER BY scheduled_at, id LIMIT 1`
	advanceSQLite = `
		UPDATE river_job SET state = 'available', max_attempts = attempt + $2,
			scheduled_at = COALESCE($3, datetime('now', 'subsec'))
		WHERE id = $1`
)

// join reports whether a waiting job does what the caller wants done, after
// bringing it forward where needed.
func (q *Queue) join(ctx context.Context, tx *db.Tx, args Args, ins insertion) (bool, error) {
	encoded, err := json.Marshal(args)
	if err != nil {
		return false, fmt.Errorf("encode arguments: %w", err)
	}
	find, advance := findWaitingSQLite, advanceSQLite
	if q.pgInsert != nil {
		find, advance = findWaitingPostgres, advancePostgres
	}
	at := q.moment(ins.at)
	var waiting struct {
		ID    int64 `db:"id"`
		Later bool  `db:"later"`
	}
	err = tx.One(ctx, &waiting, find, args.Kind(), string(encoded), at)
	if errors.Is(err, db.ErrNoRow) {
		return false, nil
	}
	if err != nil || !waiting.Later {
		return err == nil, err
	}
	_, err = tx.Exec(ctx, advance, waiting.ID, ins.maxAttempts, at)
	return err == nil, err
}

// moment writes a time as the open database keeps it in River's tables, nil for
// the database's own clock.
func (q *Queue) moment(t time.Time) any {
	switch {
	case t.IsZero():
		return nil
	case q.pgInsert != nil:
		return float64(t.UnixMicro())
	default:
		return t.UTC().Round(time.Millisecond).Format("2006-01-02 15:04:05.000")
	}
}

// announce wakes the workers when the transaction commits. On PostgreSQL River
// also does, but leaves out what follows too closely on another insert, also
// when that one is committed long before.
func (q *Queue) announce(ctx context.Context, tx *db.Tx) error {
	tx.OnCommit(q.nudge)
	if q.pgInsert == nil {
		return nil
	}
	_, err := tx.Exec(ctx, "SELECT pg_notify(concat(current_schema(), $1::text), $2)", "."+insertTopic, insertPayload)
	return err
}
