package project

import (
	"context"
	"errors"
	"fmt"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
)

// The states of a change.
const (
	ChangeOpen      = "open"
	ChangeCompleted = "completed"
	ChangeCancelled = "cancelled"
)

// Change is one request on a project. The first is the initial build. It keeps
// the text of the blueprint it began with, and who asked for it how: asking is
// the decision on G0, effective when the workspace is ready.
type Change struct {
	ID            string  `db:"id" json:"id"`
	Project       string  `db:"project_id" json:"project"`
	Number        int64   `db:"number" json:"number"`
	Idea          string  `db:"idea" json:"idea"`
	Blueprint     string  `db:"blueprint" json:"-"`
	Fast          bool    `db:"fast" json:"fast"`
	BaseCommit    string  `db:"base_commit" json:"baseCommit"`
	ReleaseCommit string  `db:"release_commit" json:"releaseCommit"`
	CreatedBy     string  `db:"created_by" json:"createdBy"`
	CreatedMethod string  `db:"created_method" json:"createdMethod"`
	CreatedRole   string  `db:"created_role" json:"-"`
	Status        string  `db:"status" json:"status"`
	CreatedAt     db.Time `db:"created_at" json:"createdAt"`
	EndedAt       db.Time `db:"ended_at" json:"endedAt"`
}

const changeColumns = `id, project_id, number, idea, blueprint, fast, base_commit, release_commit, created_by, created_method, created_role, status, created_at, ended_at`

// CreateChange stores the next change of a project. A project has at most one
// open change; a second one is a conflict.
func CreateChange(ctx context.Context, tx *db.Tx, c *Change) error {
	if err := CheckIdea("request", c.Idea); err != nil {
		return err
	}
	if err := tx.One(ctx, &c.Number, `SELECT COALESCE(MAX(number), 0) + 1 FROM changes WHERE project_id = $1`, c.Project); err != nil {
		return fmt.Errorf("number change of %s: %w", c.Project, err)
	}
	c.ID, c.CreatedAt, c.Status = db.NewID("chg"), db.Now(), ChangeOpen
	_, err := tx.Exec(ctx, `INSERT INTO changes (id, project_id, number, idea, blueprint, fast, base_commit, created_by, created_method, created_role, status, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		c.ID, c.Project, c.Number, c.Idea, c.Blueprint, c.Fast, c.BaseCommit, c.CreatedBy, c.CreatedMethod, c.CreatedRole, c.Status, c.CreatedAt)
	if db.IsUnique(err) {
		return fault.Conflict("change.open", "Project %s already has an open change. Finish or cancel it first.", c.Project)
	}
	if err != nil {
		return fmt.Errorf("insert change: %w", err)
	}
	return nil
}

// LatestChange returns the newest change of a project.
func LatestChange(ctx context.Context, tx *db.Tx, projectID string) (Change, error) {
	var c Change
	err := tx.One(ctx, &c, `SELECT `+changeColumns+` FROM changes WHERE project_id = $1 ORDER BY number DESC LIMIT 1`, projectID)
	if errors.Is(err, db.ErrNoRow) {
		return c, fault.NotFound("change.not_found", "Project %s has no change yet.", projectID)
	}
	if err != nil {
		return c, fmt.Errorf("read change of %s: %w", projectID, err)
	}
	return c, nil
}

// ChangeByNumber returns a change of a project by its number.
func ChangeByNumber(ctx context.Context, tx *db.Tx, projectID string, number int64) (Change, error) {
	var c Change
	err := tx.One(ctx, &c, `SELECT `+changeColumns+` FROM changes WHERE project_id = $1 AND number = $2`, projectID, number)
	if errors.Is(err, db.ErrNoRow) {
		return c, fault.NotFound("change.not_found", "The project has no change %d.", number)
	}
	if err != nil {
		return c, fmt.Errorf("read change %d of %s: %w", number, projectID, err)
	}
	return c, nil
}

// EndedError refuses what only an open change takes.
func EndedError(c Change) error {
	return fault.Conflict("change.ended", "Change %d has ended. Begin a new change.", c.Number)
}

// GetChange returns a change by id.
func GetChange(ctx context.Context, tx *db.Tx, id string) (Change, error) {
	var c Change
	err := tx.One(ctx, &c, `SELECT `+changeColumns+` FROM changes WHERE id = $1`, id)
	if errors.Is(err, db.ErrNoRow) {
		return c, fault.NotFound("change.not_found", "There is no change %s.", id)
	}
	if err != nil {
		return c, fmt.Errorf("read change %s: %w", id, err)
	}
	return c, nil
}

// Changes returns all changes of a project, first to last.
func Changes(ctx context.Context, tx *db.Tx, projectID string) ([]Change, error) {
	var out []Change
	if err := tx.All(ctx, &out, `SELECT `+changeColumns+` FROM changes WHERE project_id = $1 ORDER BY number`, projectID); err != nil {
		return nil, fmt.Errorf("list changes of %s: %w", projectID, err)
	}
	return out, nil
}

// EndChange closes an open change as completed or cancelled.
func EndChange(ctx context.Context, tx *db.Tx, id, status string) error {
	n, err := tx.Exec(ctx, `UPDATE changes SET status = $2, ended_at = $3 WHERE id = $1 AND status = 'open'`, id, status, db.Now())
	if err != nil {
		return fmt.Errorf("end change %s: %w", id, err)
	}
	if n == 0 {
		return fault.Conflict("change.ended", "Change %s has already ended.", id)
	}
	return nil
}

// NameRelease records the commit that G8 releases and G9 deploys.
func NameRelease(ctx context.Context, tx *db.Tx, id, commit string) error {
	if _, err := tx.Exec(ctx, `UPDATE changes SET release_commit = $2 WHERE id = $1`, id, commit); err != nil {
		return fmt.Errorf("name release of %s: %w", id, err)
	}
	return nil
}

// SetFast records whether a change is on the fast track.
func SetFast(ctx context.Context, tx *db.Tx, id string, fast bool) error {
	if _, err := tx.Exec(ctx, `UPDATE changes SET fast = $2 WHERE id = $1`, id, fast); err != nil {
		return fmt.Errorf("set fast track of %s: %w", id, err)
	}
	return nil
}
