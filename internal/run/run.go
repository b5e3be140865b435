// Package run is an agent at work on one task: the turn loop, its journal,
// usage and cost, pause, steer, resume and the merge at the end.
//
// One short job carries one turn: a model call and its tool calls, each
// journalled when it has ended. What was journalled is never repeated; what was
// under way when a process died is done again by the next turn job, from the
// last journalled commit. A fencing token on the run makes every older job for
// it end without writing.
package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/job"
	"github.com/layercake-app/layercake/internal/project"
)

// Status is where a run stands.
type Status string

// The states of a run.
const (
	Queued    Status = "queued"
	Running   Status = "running"
	Waiting   Status = "waiting" // for a human or for budget
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
	Cancelled Status = "cancelled"
)

// What a waiting run waits for.
const (
	WaitQuestion = "question"
	WaitBudget   = "budget"
	WaitPause    = "pause"
)

// Run is one agent working on one task. Base is the commit it began on, Commit
// the last journalled one of its branch. Token fences: a job that carries an
// older one may not write.
type Run struct {
	ID         string  `db:"id" json:"id"`
	Project    string  `db:"project_id" json:"project"`
	Change     string  `db:"change_id" json:"change"`
	Task       string  `db:"task_id" json:"task"`
	Gate       string  `db:"gate" json:"gate"`
	Role       string  `db:"role" json:"role"`
	Status     Status  `db:"status" json:"status"`
	WaitsFor   string  `db:"waits_for" json:"waitsFor,omitempty"`
	Token      int64   `db:"token" json:"-"`
	LeaseUntil db.Time `db:"lease_until" json:"leaseUntil"`
	Base       string  `db:"base_commit" json:"base"`
	Commit     string  `db:"commit_hash" json:"commit"`
	Opening    string  `db:"opening" json:"-"`
	System     string  `db:"system" json:"-"`
	Turns      int64   `db:"turns" json:"turns"`
	Model      string  `db:"model" json:"model"`
	Reason     string  `db:"reason" json:"reason,omitempty"`
	Cancel     bool    `db:"cancel" json:"-"`
	Pause      bool    `db:"pause" json:"-"`
	CreatedAt  db.Time `db:"created_at" json:"createdAt"`
	StartedAt  db.Time `db:"started_at" json:"startedAt"`
	EndedAt    db.Time `db:"ended_at" json:"endedAt"`
}

const runColumns = `id, project_id, change_id, task_id, gate, role, status, waits_for, token, lease_until, base_commit, commit_hash,
  opening, system, turns, model, reason, cancel, pause, created_at, started_at, ended_at`

// Live reports whether the run has not ended.
func (r Run) Live() bool { return r.Status == Queued || r.Status == Running || r.Status == Waiting }

// Turn is the job that carries one turn of a run.
type Turn struct {
	Run   string `json:"run"`
	Token int64  `json:"token"`
}

// Kind names the job.
func (Turn) Kind() string { return "turn" }

// Start stores a queued run for an open task, marks the task as being worked
// on, and inserts the first turn.
func Start(ctx context.Context, tx *db.Tx, q *job.Queue, t project.Task, base, model string) (Run, error) {
	r := Run{
		ID: db.NewID("run"), Project: t.Project, Change: t.Change, Task: t.ID, Gate: t.Gate, Role: t.Role,
		Status: Queued, Token: 1, Base: base, Commit: base, Model: model, CreatedAt: db.Now(),
	}
	if err := project.StartTask(ctx, tx, t.ID); err != nil {
		return r, err
	}
	_, err := tx.Exec(ctx, `INSERT INTO runs (id, project_id, change_id, task_id, gate, role, status, token, base_commit, commit_hash, model, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		r.ID, r.Project, r.Change, r.Task, r.Gate, r.Role, r.Status, r.Token, r.Base, r.Commit, r.Model, r.CreatedAt)
	if err != nil {
		return r, fmt.Errorf("insert run: %w", err)
	}
	return r, q.Insert(ctx, tx, Turn{Run: r.ID, Token: r.Token})
}

// codeGone is the code of the fault that there is no such run.
const codeGone = "run.not_found"

// Get returns a run by id.
func Get(ctx context.Context, tx *db.Tx, id string) (Run, error) {
	var r Run
	err := tx.One(ctx, &r, `SELECT `+runColumns+` FROM runs WHERE id = $1`, id)
	if errors.Is(err, db.ErrNoRow) {
		return r, fault.NotFound(codeGone, "There is no run %s.", id)
	}
	if err != nil {
		return r, fmt.Errorf("read run %s: %w", id, err)
	}
	return r, nil
}

// List returns the runs of a change, oldest first.
func List(ctx context.Context, tx *db.Tx, changeID string) ([]Run, error) {
	var out []Run
	if err := tx.All(ctx, &out, `SELECT `+runColumns+` FROM runs WHERE change_id = $1 ORDER BY id`, changeID); err != nil {
		return nil, fmt.Errorf("list runs of %s: %w", changeID, err)
	}
	return out, nil
}

// RequestCancel ends a live run at once, and its task with it: whoever carries it
// finds its token stale. A model call in flight stays spent, as estimated.
func RequestCancel(ctx context.Context, tx *db.Tx, id, reason string) error {
	r, err := Get(ctx, tx, id)
	if err != nil {
		return err
	}
	if !r.Live() {
		return fault.Conflict("run.ended", "Run %s has already %s.", id, r.Status)
	}
	if _, err := tx.Exec(ctx, `UPDATE runs SET token = token + 1 WHERE id = $1`, id); err != nil {
		return fmt.Errorf("cancel run %s: %w", id, err)
	}
	r.Token++
	if err := end(ctx, tx, r, Cancelled, reason); err != nil {
		return err
	}
	if _, err := project.Forfeit(ctx, tx, id, project.UsageEstimated); err != nil {
		return err
	}
	return project.EndTask(ctx, tx, r.Task, project.TaskCancelled, reason)
}

// CancelOf cancels the live runs of tasks that were cancelled. A model call in
// flight stays spent, as estimated.
func CancelOf(ctx context.Context, tx *db.Tx, taskIDs []string, reason string) error {
	for _, id := range taskIDs {
		var runs []string
		err := tx.All(ctx, &runs, `UPDATE runs SET cancel = TRUE, reason = $2, token = token + 1, status = 'cancelled', ended_at = $3
			WHERE task_id = $1 AND status IN ('queued', 'running', 'waiting') RETURNING id`, id, reason, db.Now())
		if err != nil {
			return fmt.Errorf("cancel runs of task %s: %w", id, err)
		}
		for _, r := range runs {
			if _, err := project.Forfeit(ctx, tx, r, project.UsageEstimated); err != nil {
				return err
			}
		}
	}
	return nil
}

// RequestPause lets a live run stop before its next turn.
func RequestPause(ctx context.Context, tx *db.Tx, id string) error {
	n, err := tx.Exec(ctx, `UPDATE runs SET pause = TRUE WHERE id = $1 AND status IN ('queued', 'running')`, id)
	if err != nil {
		return fmt.Errorf("pause run %s: %w", id, err)
	}
	if n == 0 {
		return fault.Conflict("run.state", "Run %s is not at work, so it cannot be paused.", id)
	}
	return nil
}

// Halt stops the runs of a project at once, in the middle of what they do: a model
// call in flight stays spent, as estimated, and is made again when they go on.
// Whoever carries one finds its token stale. It returns how many there were.
func Halt(ctx context.Context, tx *db.Tx, projectID string) (int, error) {
	var runs []string
	err := tx.All(ctx, &runs, `UPDATE runs SET status = 'waiting', waits_for = 'pause', token = token + 1, lease_until = 0
		WHERE project_id = $1 AND status IN ('queued', 'running') RETURNING id`, projectID)
	if err != nil {
		return 0, fmt.Errorf("halt runs of %s: %w", projectID, err)
	}
	for _, id := range runs {
		if _, err := project.Forfeit(ctx, tx, id, project.UsageEstimated); err != nil {
			return 0, err
		}
	}
	return len(runs), nil
}

// Again begins the task of a run that failed or was cancelled once more, from the
// end of a step of its journal; 0 is from the beginning, on base. The steps up to
// there are taken over as they are and cost nothing again.
func Again(ctx context.Context, tx *db.Tx, q *job.Queue, old Run, seq int64, base string) (Run, error) {
	r := Run{
		ID: db.NewID("run"), Project: old.Project, Change: old.Change, Task: old.Task, Gate: old.Gate, Role: old.Role,
		Status: Queued, Token: 1, Base: base, Commit: base, Model: old.Model, CreatedAt: db.Now(),
	}
	steps, err := Steps(ctx, tx, old.ID)
	if err != nil {
		return r, err
	}
	if seq > 0 {
		r.Base, r.Commit, r.Opening, r.System = old.Base, old.Base, old.Opening, old.System
	}
	if seq > int64(len(steps)) {
		return r, fault.Invalid("run.step", "The journal of this run has %d steps, so it cannot go on from step %d.", len(steps), seq)
	}
	steps = steps[:seq]
	for _, s := range steps {
		if s.Commit != "" {
			r.Commit = s.Commit
		}
		r.Turns = s.Turn
	}
	if err := project.AgainTask(ctx, tx, r.Task); err != nil {
		return r, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO runs (id, project_id, change_id, task_id, gate, role, status, token, base_commit, commit_hash, opening, system, turns, model, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		r.ID, r.Project, r.Change, r.Task, r.Gate, r.Role, r.Status, r.Token, r.Base, r.Commit, r.Opening, r.System, r.Turns, r.Model, r.CreatedAt)
	if err != nil {
		return r, fmt.Errorf("insert run: %w", err)
	}
	for _, s := range steps {
		s.Run, s.TokensIn, s.TokensOut, s.CostMicro = r.ID, 0, 0, 0
		if err := addStep(ctx, tx, s); err != nil {
			return r, err
		}
	}
	if seq > 0 {
		if err := project.TakeOverMessages(ctx, tx, old.ID, r.ID, seq); err != nil {
			return r, err
		}
	}
	return r, q.Insert(ctx, tx, Turn{Run: r.ID, Token: r.Token})
}

// Resume lets a paused run go on.
func Resume(ctx context.Context, tx *db.Tx, q *job.Queue, id string) error {
	woken, err := wake(ctx, tx, q, `id = $1 AND status = 'waiting' AND waits_for = 'pause'`, id)
	if err != nil {
		return err
	}
	if woken == 0 {
		n, err := tx.Exec(ctx, `UPDATE runs SET pause = FALSE WHERE id = $1 AND status IN ('queued', 'running') AND pause`, id)
		if err != nil {
			return fmt.Errorf("resume run %s: %w", id, err)
		}
		if n == 0 {
			return fault.Conflict("run.state", "Run %s is not paused.", id)
		}
	}
	return nil
}

// WakeAnswered lets the run that asked a question go on.
func WakeAnswered(ctx context.Context, tx *db.Tx, q *job.Queue, runID string) error {
	_, err := wake(ctx, tx, q, `id = $1 AND status = 'waiting' AND waits_for = 'question'`, runID)
	return err
}

// WakeFunded lets the runs of a project that waited for budget go on.
func WakeFunded(ctx context.Context, tx *db.Tx, q *job.Queue, projectID string) error {
	_, err := wake(ctx, tx, q, `project_id = $1 AND status = 'waiting' AND waits_for = 'budget'`, projectID)
	return err
}

// WakePaused lets all paused runs of a project go on.
func WakePaused(ctx context.Context, tx *db.Tx, q *job.Queue, projectID string) error {
	_, err := wake(ctx, tx, q, `project_id = $1 AND status = 'waiting' AND waits_for = 'pause'`, projectID)
	return err
}

type tokenRow struct {
	ID    string `db:"id"`
	Token int64  `db:"token"`
}

// wake gives runs a new token and a job for it. A pause that was asked for and not
// yet obeyed still stands; only a paused run that is woken has no pause left.
func wake(ctx context.Context, tx *db.Tx, q *job.Queue, where string, arg any) (int, error) {
	var rows []tokenRow
	err := tx.All(ctx, &rows, `UPDATE runs SET status = 'queued', waits_for = '', pause = (pause AND waits_for <> 'pause'), token = token + 1, lease_until = 0 WHERE `+where+` RETURNING id, token`, arg)
	if err != nil {
		return 0, fmt.Errorf("wake runs: %w", err)
	}
	for _, r := range rows {
		if err := q.Insert(ctx, tx, Turn{Run: r.ID, Token: r.Token}); err != nil {
			return 0, err
		}
	}
	return len(rows), nil
}

// Reclaim gives every run that is under way a new token and a new turn job. It
// is for a process that just started and knows that it is the only one: whoever
// held the leases is dead. It returns how many runs go on.
func Reclaim(ctx context.Context, tx *db.Tx, q *job.Queue) (int, error) {
	return wake(ctx, tx, q, `status IN ('queued', 'running') AND token >= $1`, 0)
}

// Tick does the same for runs whose lease has run out, while other processes
// are alive. It returns how many runs go on.
func Tick(ctx context.Context, tx *db.Tx, q *job.Queue) (int, error) {
	return wake(ctx, tx, q, `status = 'running' AND lease_until < $1`, db.Now())
}

// end closes a live run; a run that has ended, or whose token has moved on, is
// a conflict.
func end(ctx context.Context, tx *db.Tx, r Run, status Status, reason string) error {
	n, err := tx.Exec(ctx, `UPDATE runs SET status = $3, reason = $4, ended_at = $5, waits_for = '', lease_until = 0 WHERE id = $1 AND token = $2 AND status IN ('queued', 'running', 'waiting')`,
		r.ID, r.Token, status, reason, db.Now())
	if err != nil {
		return fmt.Errorf("end run %s: %w", r.ID, err)
	}
	if n == 0 {
		return errFenced
	}
	return nil
}

// errFenced says that another job carries the run now; the one that sees it
// ends without writing.
var errFenced = errors.New("the run is carried by a newer job")
