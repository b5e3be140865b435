package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/job"
	"github.com/layercake-app/layercake/internal/llm"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/sandbox"
)

// Bounds of one run. A run that passes them ends in a question or a failure,
// never in more spending.
const (
	maxTurns     = 80               // model calls of one run
	maxIdle      = 12               // turns without a change before a human is asked
	maxSame      = 3                // the same call with the same result before a human is asked
	maxConflicts = 3                // conflict tasks of one role in one round
	maxAttempts  = 6                // tries of one model call that the provider refuses for a while
	maxTokens    = 8192             // tokens of one answer
	lease        = 60 * time.Second // how long a silent turn keeps its run
)

// Engine carries out turns. All fields must be set.
type Engine struct {
	DB      *db.DB
	Queue   *job.Queue
	Repos   *repo.Store
	Sandbox *sandbox.Sandbox
	Checks  *proof.Runner
	Model   llm.Model
	Record  project.Recorder
	Log     *slog.Logger
}

// Register lets the queue's workers carry turns.
func (e *Engine) Register(q *job.Queue) {
	job.Handle(q, e.Turn)
}

// Turn carries one turn of a run: a model call and its tool calls. It returns
// nil when another job carries the run by now.
func (e *Engine) Turn(ctx context.Context, args Turn) error {
	t, err := e.claim(ctx, args)
	if err != nil || t == nil {
		return ignoreFenced(err)
	}
	ctx, stop := t.keepLease(ctx)
	defer stop()
	err = t.carry(ctx)
	if err != nil && context.Cause(ctx) != nil && errors.Is(context.Cause(ctx), errFenced) {
		return nil
	}
	return ignoreFenced(err)
}

func ignoreFenced(err error) error {
	if errors.Is(err, errFenced) {
		return nil
	}
	return err
}

// turn is a run in the hands of one job.
type turn struct {
	*Engine
	run     Run
	task    project.Task
	change  project.Change
	project project.Project
	journal journal
	tree    *repo.Worktree
}

// claim takes the run for this job. It returns nil when the run needs no turn:
// it has ended, waits, or is carried by a newer job.
func (e *Engine) claim(ctx context.Context, args Turn) (*turn, error) {
	t := &turn{Engine: e}
	goOn := false
	err := e.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE runs SET status = 'running', lease_until = $3, started_at = CASE WHEN started_at = 0 THEN $4 ELSE started_at END
			WHERE id = $1 AND token = $2 AND status IN ('queued', 'running')`, args.Run, args.Token, until(lease), db.Now())
		if err != nil {
			return fmt.Errorf("claim run %s: %w", args.Run, err)
		}
		if n == 0 {
			return nil
		}
		if err := t.load(ctx, tx, args.Run); err != nil {
			return err
		}
		goOn, err = t.admit(ctx, tx)
		return err
	})
	if err != nil || !goOn {
		return nil, err
	}
	return t, nil
}

func until(d time.Duration) db.Time { return db.Now().Add(d) }

func (t *turn) load(ctx context.Context, tx *db.Tx, id string) error {
	var err error
	if t.run, err = Get(ctx, tx, id); err != nil {
		return err
	}
	if t.task, err = project.GetTask(ctx, tx, t.run.Task); err != nil {
		return err
	}
	if t.change, err = project.GetChange(ctx, tx, t.run.Change); err != nil {
		return err
	}
	t.project, err = project.Get(ctx, tx, t.run.Project)
	return err
}

// admit settles what came up since the last turn: a lost model call, a
// cancellation, a pause. It reports whether the turn goes on.
func (t *turn) admit(ctx context.Context, tx *db.Tx) (bool, error) {
	state := project.UsageLost
	if t.run.Cancel {
		state = project.UsageEstimated
	}
	lost, err := project.Forfeit(ctx, tx, t.run.ID, state)
	if err != nil {
		return false, err
	}
	if lost > 0 {
		if err := t.event(ctx, tx, "model_call."+state, map[string]any{"calls": lost}); err != nil {
			return false, err
		}
	}
	switch {
	case t.run.Cancel:
		return false, t.finish(ctx, tx, Cancelled, t.run.Reason)
	case t.run.Pause || t.project.Paused:
		return false, t.wait(ctx, tx, WaitPause)
	}
	if t.run.Turns == 0 {
		if err := t.event(ctx, tx, "run.started", map[string]any{"task": t.task.Title}); err != nil {
			return false, err
		}
	}
	return true, nil
}

// keepLease extends the run's lease while the turn lasts. The context ends when
// another job has taken the run.
func (t *turn) keepLease(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(lease / 4)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := t.extend(ctx); err != nil {
				cancel(err)
				return
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

func (t *turn) extend(ctx context.Context) error {
	return t.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE runs SET lease_until = $3 WHERE id = $1 AND token = $2 AND status = 'running'`, t.run.ID, t.run.Token, until(lease))
		if err != nil {
			return fmt.Errorf("extend lease of %s: %w", t.run.ID, err)
		}
		if n == 0 {
			return errFenced
		}
		return nil
	})
}

// write runs fn in a transaction that only the holder of the run's token may
// commit.
func (t *turn) write(ctx context.Context, fn func(ctx context.Context, tx *db.Tx) error) error {
	return t.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE runs SET lease_until = $3 WHERE id = $1 AND token = $2 AND status = 'running'`, t.run.ID, t.run.Token, until(lease))
		if err != nil {
			return fmt.Errorf("hold run %s: %w", t.run.ID, err)
		}
		if n == 0 {
			return errFenced
		}
		return fn(ctx, tx)
	})
}

func (t *turn) actor() event.Actor { return event.Actor{Kind: "agent", ID: t.run.Role} }

func (t *turn) event(ctx context.Context, tx *db.Tx, typ string, data map[string]any) error {
	data["run"], data["gate"], data["role"] = t.run.ID, t.run.Gate, t.run.Role
	_, err := t.Record.Add(ctx, tx, t.run.Project, t.actor(), typ, data)
	return err
}

// wait lets the run rest until a person acts; the job ends.
func (t *turn) wait(ctx context.Context, tx *db.Tx, what string) error {
	n, err := tx.Exec(ctx, `UPDATE runs SET status = 'waiting', waits_for = $3, lease_until = 0 WHERE id = $1 AND token = $2 AND status IN ('queued', 'running')`, t.run.ID, t.run.Token, what)
	if err != nil {
		return fmt.Errorf("let run %s wait: %w", t.run.ID, err)
	}
	if n == 0 {
		return errFenced
	}
	return t.event(ctx, tx, "run.waiting", map[string]any{"for": what})
}

// finish ends the run and its task and wakes flow.
func (t *turn) finish(ctx context.Context, tx *db.Tx, status Status, reason string) error {
	if err := end(ctx, tx, t.run, status, reason); err != nil {
		return err
	}
	task := map[Status]string{Succeeded: project.TaskDone, Failed: project.TaskFailed, Cancelled: project.TaskCancelled}[status]
	if err := project.EndTask(ctx, tx, t.run.Task, task, reason); err != nil {
		return err
	}
	if err := t.event(ctx, tx, "run."+string(status), map[string]any{"reason": reason, "turns": t.journal.turn}); err != nil {
		return err
	}
	return t.Queue.Insert(ctx, tx, project.Advance{Project: t.run.Project}, job.Unique())
}

// fail ends the run for good, with a reason that a person can act on.
func (t *turn) fail(ctx context.Context, format string, args ...any) error {
	return t.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return t.finish(ctx, tx, Failed, fmt.Sprintf(format, args...))
	})
}
