package project

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
)

// The states of a task.
const (
	TaskOpen      = "open"
	TaskRunning   = "running"
	TaskDone      = "done"
	TaskFailed    = "failed"
	TaskCancelled = "cancelled"
)

// Task is a piece of work for one role within a gate. After names the tasks
// that must be done before it starts; Theirs is the commit of a branch that a
// conflict task has to merge.
type Task struct {
	ID        string   `db:"id" json:"id"`
	Project   string   `db:"project_id" json:"project"`
	Change    string   `db:"change_id" json:"change"`
	Gate      string   `db:"gate" json:"gate"`
	Role      string   `db:"role" json:"role"`
	Kind      string   `db:"kind" json:"kind"` // build, fast, rework, repair, conflict
	Title     string   `db:"title" json:"title"`
	Brief     string   `db:"brief" json:"brief"`
	Feedback  string   `db:"feedback" json:"feedback"`
	Priority  string   `db:"priority" json:"priority"`
	Status    string   `db:"status" json:"status"`
	Round     int64    `db:"round" json:"round"`
	AfterJSON string   `db:"after_tasks" json:"-"`
	Theirs    string   `db:"theirs" json:"theirs,omitempty"`
	Reason    string   `db:"reason" json:"reason"`
	CreatedAt db.Time  `db:"created_at" json:"createdAt"`
	EndedAt   db.Time  `db:"ended_at" json:"endedAt"`
	After     []string `db:"-" json:"after"`
}

const taskColumns = `id, project_id, change_id, gate, role, kind, title, brief, feedback, priority, status, round, after_tasks, theirs, reason, created_at, ended_at`

// Live reports whether a task still has to be worked on.
func (t Task) Live() bool { return t.Status == TaskOpen || t.Status == TaskRunning }

// CreateTask stores an open task, the newest of its change; the caller holds the
// project's row.
func CreateTask(ctx context.Context, tx *db.Tx, t *Task) error {
	if t.After == nil {
		t.After = []string{}
	}
	after, err := json.Marshal(t.After)
	if err != nil {
		return fmt.Errorf("encode task dependencies: %w", err)
	}
	t.ID, t.CreatedAt, t.Status, t.AfterJSON = db.NewID("tsk"), db.Now(), TaskOpen, string(after)
	_, err = tx.Exec(ctx, `INSERT INTO tasks (seq, id, project_id, change_id, gate, role, kind, title, brief, feedback, priority, status, round, after_tasks, theirs, created_at)
		VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM tasks WHERE change_id = $3), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		t.ID, t.Project, t.Change, t.Gate, t.Role, t.Kind, t.Title, t.Brief, t.Feedback, t.Priority, t.Status, t.Round, t.AfterJSON, t.Theirs, t.CreatedAt)
	if err != nil {
		return fmt.Errorf("insert task: %w", err)
	}
	return nil
}

// Tasks returns the tasks of a change, oldest first.
func Tasks(ctx context.Context, tx *db.Tx, changeID string) ([]Task, error) {
	var out []Task
	if err := tx.All(ctx, &out, `SELECT `+taskColumns+` FROM tasks WHERE change_id = $1 ORDER BY seq`, changeID); err != nil {
		return nil, fmt.Errorf("list tasks of %s: %w", changeID, err)
	}
	for i := range out {
		if err := json.Unmarshal([]byte(out[i].AfterJSON), &out[i].After); err != nil {
			return nil, fmt.Errorf("decode dependencies of task %s: %w", out[i].ID, err)
		}
	}
	return out, nil
}

// GetTask returns a task by id.
func GetTask(ctx context.Context, tx *db.Tx, id string) (Task, error) {
	var t Task
	err := tx.One(ctx, &t, `SELECT `+taskColumns+` FROM tasks WHERE id = $1`, id)
	if errors.Is(err, db.ErrNoRow) {
		return t, fault.NotFound("task.not_found", "There is no task %s.", id)
	}
	if err != nil {
		return t, fmt.Errorf("read task %s: %w", id, err)
	}
	if err := json.Unmarshal([]byte(t.AfterJSON), &t.After); err != nil {
		return t, fmt.Errorf("decode dependencies of task %s: %w", id, err)
	}
	return t, nil
}

// StartTask marks an open task as being worked on.
func StartTask(ctx context.Context, tx *db.Tx, id string) error {
	return moveTask(ctx, tx, id, TaskOpen, TaskRunning, "", db.Time{})
}

// EndTask closes a running task as done, failed or cancelled.
func EndTask(ctx context.Context, tx *db.Tx, id, status, reason string) error {
	return moveTask(ctx, tx, id, TaskRunning, status, reason, db.Now())
}

// AgainTask marks a task that failed or was cancelled as being worked on again.
func AgainTask(ctx context.Context, tx *db.Tx, id string) error {
	n, err := tx.Exec(ctx, `UPDATE tasks SET status = 'running', reason = '', ended_at = 0 WHERE id = $1 AND status IN ('failed', 'cancelled')`, id)
	if err != nil {
		return fmt.Errorf("take up task %s again: %w", id, err)
	}
	if n == 0 {
		return fault.Conflict("task.state", "Task %s has neither failed nor been cancelled.", id)
	}
	return nil
}

func moveTask(ctx context.Context, tx *db.Tx, id, from, to, reason string, ended db.Time) error {
	n, err := tx.Exec(ctx, `UPDATE tasks SET status = $3, reason = $4, ended_at = $5 WHERE id = $1 AND status = $2`, id, from, to, reason, ended)
	if err != nil {
		return fmt.Errorf("move task %s to %s: %w", id, to, err)
	}
	if n == 0 {
		return fault.Conflict("task.state", "Task %s is no longer %s.", id, from)
	}
	return nil
}

// CancelTasks cancels the live tasks of the named gates of a change and
// returns their ids. Their runs end at the next turn.
func CancelTasks(ctx context.Context, tx *db.Tx, changeID string, gates []string, reason string) ([]string, error) {
	var all []string
	for _, g := range gates {
		var ids []string
		err := tx.All(ctx, &ids, `UPDATE tasks SET status = 'cancelled', reason = $3, ended_at = $4
			WHERE change_id = $1 AND gate = $2 AND status IN ('open', 'running') RETURNING id`, changeID, g, reason, db.Now())
		if err != nil {
			return nil, fmt.Errorf("cancel tasks of %s: %w", g, err)
		}
		all = append(all, ids...)
	}
	return all, nil
}
