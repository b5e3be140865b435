package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
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

	streams streams
	turns   turns
}

// Register lets the queue's workers carry turns.
func (e *Engine) Register(q *job.Queue) {
	job.Handle(q, e.Turn, job.Timeout(turnLimit))
}

// turnLimit is how long one turn may take: a model call, and tool calls that may
// run every check of a gate, each for minutes. A turn whose process is gone does
// not wait for it: its lease runs out before.
const turnLimit = 2 * time.Hour

// Turn carries one turn of a run: a model call and its tool calls. It returns
// nil when another job carries the run by now. A run that has ended is tidied up
// after.
func (e *Engine) Turn(ctx context.Context, args Turn) error {
	t, err := e.claim(ctx, args)
	if err == nil && t.goOn {
		// Whoever carried the run before, in this process, is fenced by now, and must be
		// out of its workspace.
		ours, fence := context.WithCancelCause(ctx)
		defer fence(nil)
		defer e.turns.take(args.Run, func() { fence(errFenced) })()
		held, stop := t.keepLease(ours)
		err = t.carry(held)
		if err != nil && errors.Is(context.Cause(held), errFenced) {
			err = errFenced
		}
		stop()
	}
	fenced := errors.Is(err, errFenced)
	if fenced || t != nil && t.ended {
		e.tidy(ctx, args.Run)
	}
	if code := fault.CodeOf(err); fenced || code == project.CodeGone || code == codeGone {
		return nil // another job carries it, or its project was deleted
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

	goOn  bool // this job carries the run
	ended bool // this job ended the run
}

// claim takes the run for this job. The turn does not go on when the run has
// ended, waits, or is carried by a newer job.
func (e *Engine) claim(ctx context.Context, args Turn) (*turn, error) {
	t := &turn{Engine: e}
	err := e.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		t.goOn, t.ended = false, false
		r, err := Get(ctx, tx, args.Run)
		if err != nil {
			return err
		}
		if t.project, err = project.Lock(ctx, tx, r.Project); err != nil {
			return err
		}
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
		t.goOn, err = t.admit(ctx, tx)
		return err
	})
	return t, err
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
	t.change, err = project.GetChange(ctx, tx, t.run.Change)
	return err
}

// admit settles what came up since the last turn: a lost model call, a pause. It reports whether the turn goes on.
func (t *turn) admit(ctx context.Context, tx *db.Tx) (bool, error) {
	lost, err := project.Forfeit(ctx, tx, t.run.ID, project.UsageLost)
	if err != nil {
		return false, err
	}
	if lost > 0 {
		if err := t.event(ctx, tx, "model_call."+project.UsageLost, map[string]any{"calls": lost}); err != nil {
			return false, err
		}
	}
	if t.run.Pause || t.project.Paused {
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
		halts, deaf := t.Record.Bus.Subscribe(project.HaltChannel(t.run.Project), 1)
		defer deaf()
		for {
			select {
			case <-ctx.Done():
				return
			case _, open := <-halts:
				if !open {
					halts = nil // the tick notices later
				}
			case <-tick.C:
			}
			err := t.extend(ctx)
			if errors.Is(err, errFenced) {
				cancel(err)
				return
			}
			if err != nil && ctx.Err() == nil {
				// The lease is longer than one hiccup of the database.
				t.Log.WarnContext(ctx, "lease was not extended", "run", t.run.ID, "error", err)
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
// commit, under the project's lock.
func (t *turn) write(ctx context.Context, fn func(ctx context.Context, tx *db.Tx) error) error {
	return t.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if _, err := project.Lock(ctx, tx, t.run.Project); err != nil {
			return err
		}
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
	t.ended = true
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

// tidy drops the worktree and the compiler cache of a run that has ended, and
// keeps its branch. What is left is swept at the next start.
func (e *Engine) tidy(ctx context.Context, id string) {
	ctx = context.WithoutCancel(ctx)
	var r Run
	err := e.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		r, err = Get(ctx, tx, id)
		return err
	})
	if err != nil || r.Live() {
		return
	}
	if r.Commit != "" {
		err = e.Repos.Repo(r.Project).SetRef(ctx, "refs/layercake/runs/"+r.ID, r.Commit)
	}
	if err := errors.Join(err, e.drop(ctx, r.Project, r.ID)); err != nil {
		e.Log.WarnContext(ctx, "a run that has ended was not tidied up after", "run", r.ID, "error", err)
	}
}

func (e *Engine) drop(ctx context.Context, projectID, id string) error {
	return errors.Join(e.Checks.Forget(id), e.Repos.Repo(projectID).RemoveWorktree(ctx, id))
}

// Sweep tidies up after runs that ended when nobody could: their process died, or
// they were cancelled while they waited. It is for a process that just started.
func (e *Engine) Sweep(ctx context.Context) error {
	trees, err := e.Repos.Worktrees()
	if err != nil {
		return err
	}
	var live []string
	err = e.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		return tx.All(ctx, &live, `SELECT id FROM runs WHERE status IN ('queued', 'running', 'waiting')`)
	})
	if err != nil {
		return fmt.Errorf("list runs under way: %w", err)
	}
	for _, tree := range trees {
		if !slices.Contains(live, tree.Name) {
			err = errors.Join(err, e.drop(ctx, tree.Project, tree.Name))
		}
	}
	return err
}
