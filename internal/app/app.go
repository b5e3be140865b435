// Package app is the wiring: it reads the settings, opens what they name, puts
// the packages together, starts the workers and stops them again. Nothing about
// the shape in which LayerCake runs (which database, one process or many) leaks
// past it.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/backup"
	"github.com/layercake-app/layercake/internal/blob"
	"github.com/layercake-app/layercake/internal/bus"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/job"
	"github.com/layercake-app/layercake/internal/llm"
	"github.com/layercake-app/layercake/internal/llm/demo"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/run"
	"github.com/layercake-app/layercake/internal/sandbox"
)

// App is everything that is open while LayerCake runs.
type App struct {
	Settings Settings
	DB       *db.DB
	Queue    *job.Queue
	Bus      *bus.Bus
	Blobs    *blob.Dir
	Repos    *repo.Store
	Sandbox  *sandbox.Sandbox
	Runner   *proof.Runner
	Model    llm.Model
	Engine   *run.Engine
	Flow     *flow.Flow
	Log      *slog.Logger

	// GivenUp receives the first failure that no further attempt will mend, such as
	// a job that failed for the last time or a full disk.
	GivenUp chan error

	lock    *os.File
	release func() // gives the database back
	ticks   context.CancelFunc
	group   sync.WaitGroup
}

// Open opens the data folder and puts everything together; nothing runs until
// Start. The folder belongs to one process at a time.
func Open(ctx context.Context, s Settings, log *slog.Logger) (*App, error) {
	a := &App{Settings: s, Log: log, Bus: bus.New(), GivenUp: make(chan error, 1)}
	if err := a.open(ctx); err != nil {
		return nil, errors.Join(err, a.Close()) //nolint:contextcheck // it bounds its own time: it must end also when the caller is gone
	}
	return a, nil
}

func (a *App) open(ctx context.Context) error {
	data, err := filepath.Abs(a.Settings.Data)
	if err != nil {
		return fmt.Errorf("resolve data folder: %w", err)
	}
	a.Settings.Data = data
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fault.Unavailable("data.folder", "The data folder %s cannot be made. Name another one with --data.", data).Because(err)
	}
	if a.lock, err = lockFolder(data); err != nil {
		return err
	}
	if a.DB, err = OpenDatabase(ctx, a.Settings); err != nil {
		return err
	}
	if a.release, err = LockDatabase(ctx, a.DB); err != nil {
		return err
	}
	if err := a.DB.MigrateUp(ctx); err != nil {
		return namingWriter(data, err)
	}
	if err := errors.Join(noteWriter(data, a.Settings.Program), backup.Settle(data)); err != nil {
		return err
	}
	a.Queue = job.NewQueue(a.DB, job.Options{Logger: a.Log, MaxAttempts: attempts, Backoff: backoff, GivenUp: a.giveUp})
	if err := a.Queue.Migrate(ctx); err != nil {
		return err
	}
	if a.Blobs, err = blob.OpenDir(filepath.Join(data, "blobs")); err != nil {
		return err
	}
	if err := a.openRepos(ctx, filepath.Join(data, "repos")); err != nil {
		return err
	}
	if a.Sandbox, err = sandbox.Open(ctx, sandbox.Config{Kind: a.Settings.Sandbox, Path: a.Settings.Path}); err != nil {
		return err
	}
	if a.Model, err = demo.New(demo.Options{Script: a.Settings.DemoScript, Delay: a.Settings.DemoDelay, CallsFile: a.Settings.DemoCalls}); err != nil {
		return err
	}
	return a.assemble(data)
}

func (a *App) assemble(data string) error {
	var err error
	a.Runner, err = proof.NewRunner(proof.Config{
		Sandbox: a.Sandbox, Repos: a.Repos, Blobs: a.Blobs, Cache: filepath.Join(data, "cache"), Base: a.Settings.Cache, Deployments: filepath.Join(data, "deployments"),
		Model: a.Model.Reach, Log: a.Log,
	})
	if err != nil {
		return err
	}
	record := project.Recorder{Bus: a.Bus}
	a.Flow = &flow.Flow{DB: a.DB, Queue: a.Queue, Tree: flow.Git{Store: a.Repos}, Blobs: a.Blobs, Record: record, Model: a.Model.Info().Name, Log: a.Log, Runner: a.Runner}
	a.Engine = &run.Engine{DB: a.DB, Queue: a.Queue, Repos: a.Repos, Sandbox: a.Sandbox, Checks: a.Runner, Model: a.Model, Record: record, Log: a.Log}
	a.Flow.Register(a.Queue)
	a.Engine.Register(a.Queue)
	return nil
}

// attempts is how often a job is tried: with backoff for about 25 seconds.
const attempts = 8

// backoff is short: one machine, and most failures are gone at once or not at
// all.
func backoff(failed int) time.Duration {
	return min(time.Duration(1<<min(failed, 10))*100*time.Millisecond, time.Minute)
}

func (a *App) giveUp(what string, err error) {
	if fault.KindOf(err) == fault.KindInternal && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)) {
		err = fault.Full("data.full", "The disk is full. What was decided and done is kept. Free some space, then try again.").Because(err)
	}
	select {
	case a.GivenUp <- fmt.Errorf("carry out %s: %w", what, err):
	default:
	}
}

// OpenDatabase opens the database that the settings name, without changing it.
func OpenDatabase(ctx context.Context, s Settings) (*db.DB, error) {
	return db.Open(ctx, db.Config{URL: s.DatabaseURL.Reveal(), Path: filepath.Join(s.Data, "layercake.db")})
}

// HasDatabase reports whether there is a database to open: one that a server
// keeps, or a file in the data folder.
func HasDatabase(s Settings) bool {
	if s.DatabaseURL.Reveal() != "" {
		return true
	}
	_, err := os.Stat(filepath.Join(s.Data, "layercake.db"))
	return err == nil
}

// Start takes over what a process before left behind and begins to work.
func (a *App) Start(ctx context.Context) error {
	if _, err := a.Queue.Reclaim(ctx); err != nil {
		return err
	}
	if err := a.Flow.Reclaim(ctx); err != nil {
		return err
	}
	err := a.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := run.Reclaim(ctx, tx, a.Queue)
		return err
	})
	if err != nil {
		return err
	}
	if err := a.Engine.Sweep(ctx); err != nil {
		a.Log.WarnContext(ctx, "what ended runs left behind was not removed", "error", err)
	}
	// On a busy machine the first writes may come too late for the queue.
	if err := patiently(func() error { return a.Queue.Start(ctx) }); err != nil {
		return err
	}
	ticking, cancel := context.WithCancel(ctx)
	a.ticks = cancel
	a.group.Go(func() { a.tick(ticking) })
	return nil
}

// tick wakes what only time moves: leases and waivers that ran out.
func (a *App) tick(ctx context.Context) {
	every := time.NewTicker(15 * time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		err := a.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			if _, err := run.Tick(ctx, tx, a.Queue); err != nil {
				return err
			}
			if err := account.Sweep(ctx, tx); err != nil {
				return err
			}
			return a.Flow.Tick(ctx, tx)
		})
		if err == nil || ctx.Err() != nil {
			continue
		}
		a.Log.WarnContext(ctx, "tick failed", "error", err)
		if fault.KindOf(err) == fault.KindFull {
			a.giveUp("tick", err)
		}
	}
}

// Close drains what is at work and closes everything.
func (a *App) Close() error {
	var errs []error
	if a.ticks != nil {
		a.ticks()
		a.group.Wait()
	}
	if a.Queue != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		errs = append(errs, a.Queue.Stop(ctx))
	}
	if a.release != nil {
		a.release()
	}
	if a.DB != nil {
		errs = append(errs, a.DB.Close())
	}
	if a.Repos != nil {
		errs = append(errs, a.Repos.Close())
	}
	if a.lock != nil {
		errs = append(errs, a.lock.Close())
	}
	return errors.Join(errs...)
}
