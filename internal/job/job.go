// Package job runs work outside the request that asked for it, durably: a job is
// inserted in the caller's transaction, so it exists exactly when the change
// that needs it was committed, and it is run at least once.
//
// It is River, wrapped once. A job may run again after a crash or an error, also
// when its effects were already committed, so handlers are idempotent. A failed
// job is tried again with growing pauses, a bounded number of times. One process
// stopping never loses a job.
package job

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"

	"github.com/layercake-app/layercake/internal/db"
)

// Args is what a job is about: a value that can be written as JSON, whose Kind
// names the handler. Kind must not depend on the value.
type Args interface{ Kind() string }

// Options tune a Queue; the zero value is fit for use.
type Options struct {
	// Workers is how many jobs run at once in this process; default 50.
	Workers int
	// MaxAttempts is how often a job is tried in all; default 5.
	MaxAttempts int
	// Timeout ends the context of a job whose handler has no Timeout of its own; default 10 minutes.
	Timeout time.Duration
	// Poll is how often due jobs are looked for when no insert has woken the queue; default 100 ms.
	Poll time.Duration
	// Drain is how long running jobs may go on after the context of Start has ended; default 30 s.
	Drain time.Duration
	// Backoff is the pause after the given number of failed attempts; default
	// 1, 4, 16, 64 seconds and so on, at most 5 minutes.
	Backoff func(failed int) time.Duration
	// GivenUp is called when a job has failed for the last time, or because the
	// disk is full; nil means nobody.
	GivenUp func(kind string, err error)
	// Logger receives failed jobs and River's own warnings; default slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Workers <= 0 {
		o.Workers = 50
	}
	if o.MaxAttempts <= 0 {
		o.MaxAttempts = 5
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Minute
	}
	if o.Poll <= 0 {
		o.Poll = 100 * time.Millisecond
	}
	if o.Drain <= 0 {
		o.Drain = 30 * time.Second
	}
	if o.Backoff == nil {
		o.Backoff = backoff
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

const (
	maxBackoff = 5 * time.Minute
	// cooldown is River's least pause between two looks for jobs: what is
	// inserted within it is picked up together.
	cooldown = 2 * time.Millisecond
	// keepDone is how long ended jobs stay in the table, for people to look at.
	keepDone = time.Hour
	// keepFailed is how long jobs that ran out of attempts stay.
	keepFailed = 7 * 24 * time.Hour
)

func backoff(failed int) time.Duration {
	pause := time.Second
	for range failed - 1 {
		if pause *= 4; pause >= maxBackoff {
			return maxBackoff
		}
	}
	return pause
}

// Queue inserts jobs and, once started, runs them.
type Queue struct {
	db      *db.DB
	opts    Options
	workers *river.Workers
	longest time.Duration // the longest timeout of any handler
	wake    chan struct{}

	// Of each pair the one for the open database is set.
	pgDriver   *riverpgxv5.Driver
	liteDriver liteDriver
	pgInsert   *river.Client[pgx.Tx]
	liteInsert *river.Client[*sql.Tx]

	running runner // nil until Start
}

// runner is the part of River's client that does not depend on the database.
type runner interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
}

// NewQueue returns a queue on d that can insert at once and runs nothing until Start.
func NewQueue(d *db.DB, opts Options) *Queue {
	q := &Queue{db: d, opts: opts.withDefaults(), workers: river.NewWorkers(), wake: make(chan struct{}, 1)}
	q.longest = q.opts.Timeout
	var err error
	if d.Dialect() == db.Postgres {
		q.pgDriver = riverpgxv5.New(d.Pool())
		q.pgInsert, err = river.NewClient(q.pgDriver, q.config())
	} else {
		q.liteDriver = liteDriver{Driver: riversqlite.New(d.SQLDB()), wake: q.wake}
		q.liteInsert, err = river.NewClient(q.liteDriver, q.config())
	}
	if err != nil {
		// Nothing of it comes from outside, so this is a mistake in this package.
		panic(fmt.Sprintf("job: configure river: %v", err))
	}
	return q
}

func (q *Queue) config() *river.Config {
	return &river.Config{
		CancelledJobRetentionPeriod: keepDone,
		CompletedJobRetentionPeriod: keepDone,
		DiscardedJobRetentionPeriod: keepFailed,
		ErrorHandler:                failureLog{q.opts.Logger, q.opts.GivenUp},
		FetchCooldown:               min(cooldown, q.opts.Poll),
		FetchOnlyKnownKinds:         true,
		FetchPollInterval:           q.opts.Poll,
		JobTimeout:                  q.opts.Timeout,
		Logger:                      slog.New(warnings{q.opts.Logger.Handler()}),
		MaxAttempts:                 q.opts.MaxAttempts,
		RescueStuckJobsAfter:        q.longest + time.Minute,
		RetryPolicy:                 retryPolicy{q.opts.Backoff},
		SkipUnknownJobCheck:         true,
		SoftStopTimeout:             q.opts.Drain,
	}
}

// Start runs jobs until Stop is called or ctx ends; then no new ones are begun
// and running ones have Options.Drain to end. Handlers are registered before.
func (q *Queue) Start(ctx context.Context) error {
	if q.running != nil {
		return fmt.Errorf("start jobs: already started")
	}
	cfg := q.config()
	cfg.Workers = q.workers
	cfg.Queues = map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: q.opts.Workers}}
	var client runner
	var err error
	if q.pgDriver != nil {
		client, err = river.NewClient(q.pgDriver, cfg)
	} else {
		client, err = river.NewClient(q.liteDriver, cfg)
	}
	if err != nil {
		return fmt.Errorf("configure jobs: %w", err)
	}
	if err := client.Start(ctx); err != nil {
		return fmt.Errorf("start jobs: %w", err)
	}
	q.running = client
	return nil
}

// hardStop is how long handlers have to notice that their context was cancelled.
const hardStop = 5 * time.Second

// Stop begins no new job and waits for the running ones. When ctx ends first
// their contexts are cancelled; a job cut off like this is run again later and
// the attempt does not count. An error means that a handler did not return.
func (q *Queue) Stop(ctx context.Context) error {
	if q.running == nil {
		return nil
	}
	if q.running.Stop(ctx) == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hardStop)
	defer cancel()
	if err := q.running.StopAndCancel(ctx); err != nil {
		return fmt.Errorf("stop jobs: a handler did not return: %w", err)
	}
	return nil
}
