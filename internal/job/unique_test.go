package job_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/job"
)

func TestUniqueInsertsOnceAmongTheWaiting(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		q := newQueue(t, d, job.Options{})
		odd := ping{Project: "<ü & \u2028 \\ \" \x01>"}
		for range 3 {
			insert(t, d, q, odd, job.Unique())
			insert(t, d, q, ping{Project: "b"}, job.Unique())
			insert(t, d, q, other{}, job.Unique())
		}
		if rows := jobs(t, d); len(rows) != 3 {
			t.Errorf("%d jobs, want 3: %+v", len(rows), rows)
		}
		insert(t, d, q, odd)
		if rows := jobs(t, d); len(rows) != 4 {
			t.Errorf("an ordinary insert was swallowed: %d jobs, want 4", len(rows))
		}
	})
}

func TestUniqueIsPerWaitingState(t *testing.T) {
	t.Parallel()
	tests := []struct {
		state string
		want  int
	}{
		{"available", 1},
		{"scheduled", 1},
		{"pending", 1},
		{"retryable", 1},
		{"running", 2},
		{"completed", 2},
		{"cancelled", 2},
		{"discarded", 2},
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		q := newQueue(t, d, job.Options{})
		for _, test := range tests {
			insert(t, d, q, ping{Project: test.state})
			setState(t, d, test.state)
			before := len(jobs(t, d))
			insert(t, d, q, ping{Project: test.state}, job.Unique())
			if got := len(jobs(t, d)) - before + 1; got != test.want {
				t.Errorf("beside a %s job: %d jobs, want %d", test.state, got, test.want)
			}
		}
	})
}

// setState puts the newest job into state, as River would have.
func setState(t *testing.T, d *db.DB, state string) {
	t.Helper()
	err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		query := "UPDATE river_job SET state = '" + state + "'"
		switch state {
		case "completed", "cancelled", "discarded":
			query += ", finalized_at = CURRENT_TIMESTAMP"
		}
		n, err := tx.Exec(ctx, query+" WHERE id = (SELECT MAX(id) FROM river_job)")
		if n != 1 {
			t.Errorf("changed %d rows", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestUniqueBringsAWaitingJobForward(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		q := newQueue(t, d, job.Options{MaxAttempts: 4})
		ran := make(chan ping, 10)
		job.Handle(q, func(_ context.Context, p ping) error { ran <- p; return nil })
		start(t, q)
		hour := time.Now().Add(time.Hour)
		for _, at := range []time.Time{hour, hour, hour.Add(time.Minute)} {
			insert(t, d, q, ping{}, job.Unique(), job.At(at))
		}
		if rows := jobs(t, d); len(rows) != 1 {
			t.Fatalf("%d jobs, want 1", len(rows))
		}
		insert(t, d, q, ping{}, job.Unique())
		await(t, ran, "the job brought forward")
		awaitState(t, d, "completed")
	})
}

func TestUniqueGivesAFailingJobItsAttemptsBack(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		q := newQueue(t, d, job.Options{MaxAttempts: 2, Backoff: func(int) time.Duration { return time.Hour }})
		ran := make(chan struct{}, 10)
		job.Handle(q, func(context.Context, ping) error { ran <- struct{}{}; return context.DeadlineExceeded })
		start(t, q)
		insert(t, d, q, ping{})
		await(t, ran, "the first attempt")
		awaitState(t, d, "retryable")
		insert(t, d, q, ping{}, job.Unique())
		await(t, ran, "the second attempt")
		if row := awaitState(t, d, "retryable"); row.Attempt != 2 || row.MaxAttempts != 3 {
			t.Errorf("row %+v, want attempt 2 of 3", row)
		}
	})
}

// What a transaction changes must be seen by a job that begins after it: joining
// a waiting job keeps workers off that job until the commit.
func TestUniqueNeverJoinsAJobThatMissesTheChange(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			if _, err := tx.Exec(ctx, "CREATE TABLE counter (n BIGINT NOT NULL)"); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO counter (n) VALUES (0)")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		q := newQueue(t, d, job.Options{Poll: time.Millisecond})
		seen := make(chan int64, 10000)
		job.Handle(q, func(ctx context.Context, _ ping) error {
			var n int64
			err := d.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
				return tx.One(ctx, &n, "SELECT n FROM counter")
			})
			seen <- n
			return err
		})
		start(t, q)
		const writers, each = 4, 50
		var group sync.WaitGroup
		for range writers {
			group.Go(func() {
				for range each {
					err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
						if err := q.Insert(ctx, tx, ping{}, job.Unique()); err != nil {
							return err
						}
						_, err := tx.Exec(ctx, "UPDATE counter SET n = n + 1")
						return err
					})
					if err != nil {
						t.Errorf("write: %v", err)
					}
				}
			})
		}
		group.Wait()
		for n := int64(0); n < writers*each; {
			n = max(n, await(t, seen, "a job that sees the last change"))
		}
	})
}

func TestAJoinedJobWaitsForTheTransactionThatJoinedIt(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t) // SQLite has one writer, and taking a job is writing
	q := newQueue(t, d, job.Options{Poll: time.Millisecond})
	var committed atomic.Bool
	ran, looked := make(chan bool, 10), make(chan struct{}, 10)
	job.Handle(q, func(context.Context, ping) error { ran <- committed.Load(); return nil })
	job.Handle(q, func(context.Context, other) error { looked <- struct{}{}; return nil })
	insert(t, d, q, ping{})
	err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		if err := q.Insert(ctx, tx, ping{}, job.Unique()); err != nil {
			return err
		}
		start(t, q)              //nolint:contextcheck // the worker is not part of the transaction
		insert(t, d, q, other{}) //nolint:contextcheck // nor is this
		await(t, looked, "the job of another transaction")
		committed.Store(true)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !await(t, ran, "the joined job") {
		t.Error("the joined job ran before the transaction was committed")
	}
	if rows := jobs(t, d); len(rows) != 2 {
		t.Errorf("%d jobs, want 2", len(rows))
	}
}
