package job_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/job"
)

func TestMain(m *testing.M) {
	if runChild() {
		return
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

type ping struct {
	Project string `json:"project"`
	N       int    `json:"n,omitempty"`
}

func (ping) Kind() string { return "ping" }

type other struct{}

func (other) Kind() string { return "other" }

var quiet = slog.New(slog.DiscardHandler)

func newQueue(t testing.TB, d *db.DB, opts job.Options) *job.Queue {
	t.Helper()
	if opts.Logger == nil {
		opts.Logger = quiet
	}
	q := job.NewQueue(d, opts)
	if err := q.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return q
}

func start(t testing.TB, q *job.Queue) {
	t.Helper()
	if err := q.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := q.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

func insert(t testing.TB, d *db.DB, q *job.Queue, args job.Args, opts ...job.InsertOption) {
	t.Helper()
	err := d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
		return q.Insert(ctx, tx, args, opts...)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func await[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not happen", what)
		panic("unreachable")
	}
}

type jobRow struct {
	Kind        string `db:"kind"`
	State       string `db:"state"`
	Attempt     int64  `db:"attempt"`
	MaxAttempts int64  `db:"max_attempts"`
}

func jobs(t testing.TB, d *db.DB) (rows []jobRow) {
	t.Helper()
	err := d.Read(context.Background(), func(ctx context.Context, tx *db.Tx) error {
		return tx.All(ctx, &rows, "SELECT kind, state, attempt, max_attempts FROM river_job ORDER BY id")
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// awaitState polls, because River writes the end of a job down a little after
// its handler has returned.
func awaitState(t testing.TB, d *db.DB, state string) jobRow {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		if rows := jobs(t, d); len(rows) == 1 && rows[0].State == state {
			return rows[0]
		}
	}
	t.Fatalf("job never became %s: %+v", state, jobs(t, d))
	return jobRow{}
}

func TestAJobRunsExactlyWhenItsTransactionCommits(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		// With this poll only a wake-up can start a job in time.
		q := newQueue(t, d, job.Options{Poll: time.Hour})
		ran := make(chan ping, 10)
		job.Handle(q, func(_ context.Context, p ping) error { ran <- p; return nil })
		insert(t, d, q, ping{Project: "before start"})
		start(t, q)
		if p := await(t, ran, "the job inserted before start"); p.Project != "before start" {
			t.Errorf("ran %+v", p)
		}
		boom := errors.New("boom")
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			if err := q.Insert(ctx, tx, ping{Project: "rolled back"}); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Fatal(err)
		}
		for i := range 20 {
			insert(t, d, q, ping{Project: "committed <&>\u2028\"", N: i})
			if p := await(t, ran, "a committed job"); p.N != i || p.Project != "committed <&>\u2028\"" {
				t.Fatalf("ran %+v, want number %d", p, i)
			}
		}
	})
}

// River sends one wake-up for inserts that follow closely on each other; the
// transaction that commits later needs one of its own.
func TestATransactionThatCommitsLateWakesTheWorkerToo(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t)
	q := newQueue(t, d, job.Options{Poll: time.Hour})
	ran := make(chan string, 10)
	job.Handle(q, func(_ context.Context, p ping) error { ran <- p.Project; return nil })
	start(t, q)
	for range 20 {
		var inserted, group sync.WaitGroup
		inserted.Add(2)
		earlyRan := make(chan struct{})
		for _, name := range []string{"early", "late"} {
			group.Go(func() {
				err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
					err := q.Insert(ctx, tx, ping{Project: name})
					inserted.Done()
					inserted.Wait()
					if name == "late" {
						<-earlyRan
					}
					return err
				})
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		first := await(t, ran, "the early job")
		close(earlyRan)
		if second := await(t, ran, "the late job"); first != "early" || second != "late" {
			t.Fatalf("ran %s, %s", first, second)
		}
		group.Wait()
	}
}

func TestFailedJobsAreTriedAgainABoundedNumberOfTimes(t *testing.T) {
	t.Parallel()
	quick := func(int) time.Duration { return time.Millisecond }
	boom := errors.New("boom")
	tests := []struct {
		name     string
		handler  func(ctx context.Context) error
		attempts int64
		state    string
		logged   string
	}{
		{"error", func(context.Context) error { return boom }, 3, "discarded", "job given up"},
		{"panic", func(context.Context) error { panic("boom") }, 3, "discarded", "job panicked"},
		{"cancel", func(context.Context) error { return job.Cancel(boom) }, 1, "cancelled", ""},
		{"timeout", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 3, "discarded", "job given up"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				var log lockedBuilder
				q := newQueue(t, d, job.Options{
					MaxAttempts: 3, Backoff: quick, Poll: 5 * time.Millisecond,
					Logger: slog.New(slog.NewTextHandler(&log, nil)),
				})
				var tries atomic.Int64
				job.Handle(q, func(ctx context.Context, _ ping) error {
					tries.Add(1)
					return test.handler(ctx)
				}, job.Timeout(20*time.Millisecond))
				start(t, q)
				insert(t, d, q, ping{})
				row := awaitState(t, d, test.state)
				if row.Attempt != test.attempts || tries.Load() != test.attempts {
					t.Errorf("attempt %d, tries %d; want %d", row.Attempt, tries.Load(), test.attempts)
				}
				if !strings.Contains(log.String(), test.logged) {
					t.Errorf("log lacks %q:\n%s", test.logged, log.String())
				}
			})
		})
	}
}

// Whoever carries a run learns at once that the disk is full: when it is, the
// failure may not be written down, and no later attempt would tell.
func TestAFullDiskIsToldAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		told := make(chan error, 1)
		q := newQueue(t, d, job.Options{
			Poll: 5 * time.Millisecond, Backoff: func(int) time.Duration { return time.Hour },
			GivenUp: func(_ string, err error) { told <- err },
		})
		job.Handle(q, func(context.Context, ping) error { return fault.Full("test.full", "The disk is full.") })
		start(t, q)
		insert(t, d, q, ping{})
		if err := await(t, told, "giving up"); fault.CodeOf(err) != "test.full" {
			t.Errorf("told %v", err)
		}
		if row := awaitState(t, d, "retryable"); row.Attempt != 1 {
			t.Errorf("attempt %d, want 1", row.Attempt)
		}
	})
}

func TestAJobThatRecoversIsDone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var pauses []int
		q := newQueue(t, d, job.Options{
			Poll:    5 * time.Millisecond,
			Backoff: func(failed int) time.Duration { pauses = append(pauses, failed); return time.Millisecond },
		})
		tries := 0
		job.Handle(q, func(context.Context, ping) error {
			if tries++; tries < 3 {
				return errors.New("not yet")
			}
			return nil
		})
		start(t, q)
		insert(t, d, q, ping{}, job.MaxAttempts(9))
		if row := awaitState(t, d, "completed"); row.Attempt != 3 || row.MaxAttempts != 9 {
			t.Errorf("row %+v, want attempt 3 of 9", row)
		}
		if !slices.Equal(pauses, []int{1, 2}) {
			t.Errorf("pauses asked for %v, want after 1 and 2 failures", pauses)
		}
	})
}

func TestAtWaitsForItsTime(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		q := newQueue(t, d, job.Options{Poll: 10 * time.Millisecond})
		ran := make(chan time.Time, 10)
		job.Handle(q, func(context.Context, ping) error { ran <- time.Now(); return nil })
		start(t, q)
		due := time.Now().Add(400 * time.Millisecond)
		insert(t, d, q, ping{}, job.At(due))
		at := await(t, ran, "the due job")
		// SQLite keeps milliseconds, rounded.
		if late := at.Sub(due); late < -time.Millisecond || late > 3*time.Second {
			t.Errorf("ran %v after it was due", late)
		}
		insert(t, d, q, ping{}, job.At(time.Now().Add(-time.Hour)))
		await(t, ran, "the overdue job")
	})
}

func TestStopWaitsForRunningJobs(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		q := newQueue(t, d, job.Options{})
		begun, finish := make(chan struct{}), make(chan struct{})
		job.Handle(q, func(context.Context, ping) error { close(begun); <-finish; return nil })
		if err := q.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		insert(t, d, q, ping{})
		await(t, begun, "the job")
		stopped := make(chan error, 1)
		go func() { stopped <- q.Stop(context.Background()) }()
		select {
		case err := <-stopped:
			t.Fatalf("stop did not wait: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		close(finish)
		if err := await(t, stopped, "stop"); err != nil {
			t.Fatal(err)
		}
		if rows := jobs(t, d); rows[0].State != "completed" {
			t.Errorf("job is %s, want completed", rows[0].State)
		}
		if err := q.Stop(context.Background()); err != nil {
			t.Errorf("second stop: %v", err)
		}
	})
}

func TestAJobCutOffByStopRunsAgainAndLosesNoAttempt(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		q := newQueue(t, d, job.Options{})
		begun := make(chan struct{})
		job.Handle(q, func(ctx context.Context, _ ping) error { close(begun); <-ctx.Done(); return ctx.Err() })
		if err := q.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		insert(t, d, q, ping{})
		await(t, begun, "the job")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := q.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		if rows := jobs(t, d); rows[0].State != "available" || rows[0].Attempt != 0 {
			t.Errorf("job is %+v, want available at attempt 0", rows[0])
		}
	})
}

func TestTheEndOfTheStartContextDrains(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		q := newQueue(t, d, job.Options{Drain: patience})
		begun, finish := make(chan struct{}), make(chan struct{})
		var seen error
		job.Handle(q, func(ctx context.Context, _ ping) error { close(begun); <-finish; seen = ctx.Err(); return nil })
		ctx, cancel := context.WithCancel(t.Context())
		if err := q.Start(ctx); err != nil {
			t.Fatal(err)
		}
		insert(t, d, q, ping{})
		await(t, begun, "the job")
		cancel()
		close(finish)
		if err := q.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		if rows := jobs(t, d); seen != nil || rows[0].State != "completed" {
			t.Errorf("handler saw %v, job is %s; want nil, completed", seen, rows[0].State)
		}
	})
}

func TestStartRefusesASecondTime(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	q := newQueue(t, d, job.Options{})
	if err := q.Start(t.Context()); err == nil {
		t.Error("started without a handler")
	}
	job.Handle(q, func(context.Context, ping) error { return nil })
	start(t, q)
	if err := q.Start(t.Context()); err == nil {
		t.Error("started twice")
	}
	if _, err := q.Reclaim(t.Context()); err == nil {
		t.Error("reclaimed its own running jobs")
	}
}

func TestJobsOfAnUnknownKindWaitForAWorkerThatKnowsThem(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		q := newQueue(t, d, job.Options{Poll: 5 * time.Millisecond})
		ran := make(chan struct{}, 1)
		job.Handle(q, func(context.Context, ping) error { ran <- struct{}{}; return nil })
		start(t, q)
		insert(t, d, q, other{})
		insert(t, d, q, ping{})
		await(t, ran, "the known job")
		if rows := jobs(t, d); rows[0].State != "available" || rows[0].Attempt != 0 {
			t.Errorf("unknown job is %+v, want untouched", rows[0])
		}
	})
}

func TestManyProcessesMayMigrateAtOnceOnPostgres(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if err := job.NewQueue(d, job.Options{Logger: quiet}).Migrate(t.Context()); err != nil {
				t.Errorf("migrate: %v", err)
			}
		})
	}
	group.Wait()
}

// No statement may meet a locked database while jobs and domain writes compete,
// and no job may be lost or run twice.
func TestDomainWritesAndJobsShareTheDatabase(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var log lockedBuilder
		q := newQueue(t, d, job.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "CREATE TABLE done (writer BIGINT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (writer, n))")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		const writers, each = 8, 20
		var left sync.WaitGroup
		left.Add(writers * each)
		job.Handle(q, func(ctx context.Context, p load) error {
			err := d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, "INSERT INTO done (writer, n) VALUES ($1, $2)", p.Writer, p.N)
				return err
			})
			if err != nil {
				t.Errorf("handler: %v", err)
			}
			left.Done()
			return nil
		})
		start(t, q)
		begin := time.Now()
		var group sync.WaitGroup
		for w := range writers {
			group.Go(func() {
				for n := range each {
					insert(t, d, q, load{Writer: int64(w), N: int64(n)})
				}
			})
		}
		group.Wait()
		finished := make(chan struct{})
		go func() { left.Wait(); close(finished) }()
		await(t, finished, "the last job")
		t.Logf("%s: %d jobs and %d writes in %v", d.Dialect(), writers*each, 2*writers*each, time.Since(begin))
		if log.String() != "" {
			t.Errorf("the log is not empty:\n%s", log.String())
		}
	})
}

type load struct{ Writer, N int64 }

func (load) Kind() string { return "load" }

type lockedBuilder struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (b *lockedBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuilder) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
