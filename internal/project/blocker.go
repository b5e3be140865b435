package project

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
)

// The kinds of blocker: an agent or a person raised it, a task failed for good,
// repairs did not turn a proof green, or a person cancelled the run of a task.
const (
	BlockerAgent     = "agent"
	BlockerPerson    = "person"
	BlockerTask      = "task"
	BlockerExhausted = "exhausted"
	BlockerCancelled = "cancelled"
)

// Blocker is an obstacle. A critical open one stops its gate's approval until
// a person resolves it.
type Blocker struct {
	ID         string  `db:"id" json:"id"`
	Project    string  `db:"project_id" json:"project"`
	Change     string  `db:"change_id" json:"change"`
	Gate       string  `db:"gate" json:"gate"`
	Run        string  `db:"run_id" json:"run,omitempty"`
	Author     string  `db:"author" json:"author,omitempty"` // a person
	Kind       string  `db:"kind" json:"kind"`
	Title      string  `db:"title" json:"title"`
	Detail     string  `db:"detail" json:"detail"`
	Severity   string  `db:"severity" json:"severity"` // critical, high, medium, low
	Status     string  `db:"status" json:"status"`     // open, resolved
	Resolution string  `db:"resolution" json:"resolution"`
	ResolvedBy string  `db:"resolved_by" json:"resolvedBy,omitempty"`
	CreatedAt  db.Time `db:"created_at" json:"createdAt"`
	ResolvedAt db.Time `db:"resolved_at" json:"resolvedAt"`
}

const blockerColumns = `id, project_id, change_id, gate, run_id, author, kind, title, detail, severity, status, resolution, resolved_by, created_at, resolved_at`

// RaiseBlocker stores an open blocker.
func RaiseBlocker(ctx context.Context, tx *db.Tx, b *Blocker) error {
	b.ID, b.CreatedAt, b.Status = db.NewID("blk"), db.Now(), "open"
	_, err := tx.Exec(ctx, `INSERT INTO blockers (id, project_id, change_id, gate, run_id, author, kind, title, detail, severity, status, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		b.ID, b.Project, b.Change, b.Gate, b.Run, b.Author, b.Kind, b.Title, b.Detail, b.Severity, b.Status, b.CreatedAt)
	if err != nil {
		return fmt.Errorf("insert blocker: %w", err)
	}
	return nil
}

// Blockers returns the blockers of a change, oldest first.
func Blockers(ctx context.Context, tx *db.Tx, changeID string) ([]Blocker, error) {
	var out []Blocker
	if err := tx.All(ctx, &out, `SELECT `+blockerColumns+` FROM blockers WHERE change_id = $1 ORDER BY id`, changeID); err != nil {
		return nil, fmt.Errorf("list blockers of %s: %w", changeID, err)
	}
	return out, nil
}

// GetBlocker returns a blocker by id.
func GetBlocker(ctx context.Context, tx *db.Tx, id string) (Blocker, error) {
	var b Blocker
	err := tx.One(ctx, &b, `SELECT `+blockerColumns+` FROM blockers WHERE id = $1`, id)
	if errors.Is(err, db.ErrNoRow) {
		return b, fault.NotFound("blocker.not_found", "There is no blocker %s.", id)
	}
	if err != nil {
		return b, fmt.Errorf("read blocker %s: %w", id, err)
	}
	return b, nil
}

// ResolveBlocker closes an open blocker of a gate with a person's word on it.
func ResolveBlocker(ctx context.Context, tx *db.Tx, changeID, code, id, resolution string, by event.Actor) error {
	if strings.TrimSpace(resolution) == "" {
		return fault.Invalid("resolution.empty", "Say how the blocker was resolved.")
	}
	n, err := tx.Exec(ctx, `UPDATE blockers SET status = 'resolved', resolution = $2, resolved_by = $3, resolved_at = $4
		WHERE id = $1 AND change_id = $5 AND gate = $6 AND status = 'open'`,
		id, resolution, by.String(), db.Now(), changeID, code)
	if err != nil {
		return fmt.Errorf("resolve blocker %s: %w", id, err)
	}
	if n == 0 {
		return fault.Conflict("blocker.resolved", "Blocker %s is not open at %s.", id, code)
	}
	return nil
}

// CloseBlockers resolves the open blockers of gates that are worked on anew.
func CloseBlockers(ctx context.Context, tx *db.Tx, changeID string, gates []string, resolution string, by event.Actor) error {
	for _, g := range gates {
		if _, err := tx.Exec(ctx, `UPDATE blockers SET status = 'resolved', resolution = $3, resolved_by = $4, resolved_at = $5 WHERE change_id = $1 AND gate = $2 AND status = 'open'`,
			changeID, g, resolution, by.String(), db.Now()); err != nil {
			return fmt.Errorf("close blockers of %s: %w", g, err)
		}
	}
	return nil
}
