// Package gate holds the gates of a change and the rules by which they are
// decided: who may decide, and what is still unmet. The rules are pure
// functions over a State; the API, the command line, the checklist and the
// approval itself use them and nothing else.
//
// No agent, job or tool can reach this package's decisions: agent and run stand
// below it in the order of layers.
package gate

import (
	"context"
	"errors"
	"fmt"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
)

// Status is where a gate stands.
type Status string

// The states of a gate. Stale is not among them: it is a mark on an approved
// gate.
const (
	Blocked  Status = "BLOCKED"   // waits for the gate before
	Pending  Status = "PENDING"   // work is under way
	InReview Status = "IN_REVIEW" // all conditions met, a human is asked
	Approved Status = "APPROVED"
	Rejected Status = "REJECTED" // rework is planned from the comment
	Skipped  Status = "SKIPPED"  // by rule, with the reason
)

// Gate is one row of gates: G0 to G9 of one change. Stop names the joined
// gates that are decided together. Round counts how often work began anew,
// Decisions how often the gate was approved (its tags are numbered by it).
type Gate struct {
	ID        string  `db:"id" json:"id"`
	Project   string  `db:"project_id" json:"project"`
	Change    string  `db:"change_id" json:"change"`
	Code      string  `db:"code" json:"code"`
	Position  int64   `db:"position" json:"position"`
	Stop      string  `db:"stop" json:"stop"`
	Status    Status  `db:"status" json:"status"`
	Stale     bool    `db:"stale" json:"stale"`
	Reason    string  `db:"reason" json:"reason,omitempty"`
	Round     int64   `db:"round" json:"round"`
	Decisions int64   `db:"decisions" json:"decisions"`
	Version   int64   `db:"version" json:"version"`
	OpenedAt  db.Time `db:"opened_at" json:"openedAt"`
	DecidedAt db.Time `db:"decided_at" json:"decidedAt"`
}

const gateColumns = `id, project_id, change_id, code, position, stop, status, stale, reason, round, decisions, version, opened_at, decided_at`

// CreateAll stores the gates of a change as its blueprint lists them, all
// blocked.
func CreateAll(ctx context.Context, tx *db.Tx, projectID, changeID string, b *blueprint.Blueprint) error {
	for i, g := range b.Gates {
		stop := g.Stop
		if stop == "" {
			stop = g.Code
		}
		_, err := tx.Exec(ctx, `INSERT INTO gates (id, project_id, change_id, code, position, stop, status) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			db.NewID("gat"), projectID, changeID, g.Code, i, stop, Blocked)
		if err != nil {
			return fmt.Errorf("insert gate %s: %w", g.Code, err)
		}
	}
	return nil
}

// List returns the gates of a change in order.
func List(ctx context.Context, tx *db.Tx, changeID string) ([]Gate, error) {
	var out []Gate
	if err := tx.All(ctx, &out, `SELECT `+gateColumns+` FROM gates WHERE change_id = $1 ORDER BY position`, changeID); err != nil {
		return nil, fmt.Errorf("list gates of %s: %w", changeID, err)
	}
	return out, nil
}

// OfProjects returns the gates of the newest change of each project, in order, with
// one query.
func OfProjects(ctx context.Context, tx *db.Tx, projectIDs []string) (map[string][]Gate, error) {
	out := map[string][]Gate{}
	if len(projectIDs) == 0 {
		return out, nil
	}
	in, args := db.In(nil, projectIDs)
	var all []Gate
	err := tx.All(ctx, &all, `SELECT `+gateColumns+` FROM gates WHERE project_id IN (`+in+`)
		AND change_id = (SELECT c.id FROM changes c WHERE c.project_id = gates.project_id ORDER BY c.number DESC LIMIT 1) ORDER BY position`, args...)
	if err != nil {
		return nil, fmt.Errorf("list gates: %w", err)
	}
	for _, g := range all {
		out[g.Project] = append(out[g.Project], g)
	}
	return out, nil
}

// Get returns a gate by id.
func Get(ctx context.Context, tx *db.Tx, id string) (Gate, error) {
	var g Gate
	err := tx.One(ctx, &g, `SELECT `+gateColumns+` FROM gates WHERE id = $1`, id)
	if errors.Is(err, db.ErrNoRow) {
		return g, fault.NotFound("gate.not_found", "There is no gate %s.", id)
	}
	if err != nil {
		return g, fmt.Errorf("read gate %s: %w", id, err)
	}
	return g, nil
}

// Update is one step of a gate: the state it must be in, and the one it gets.
type Update struct {
	From, To Status
	Stale    bool
	Reason   string
	NewRound bool // work begins anew
	Decided  bool // a person decided
}

// Move changes a gate by compare-and-set on its status and version. A gate
// that is no longer as g says is a conflict, and nothing is written.
func Move(ctx context.Context, tx *db.Tx, g *Gate, u Update) error {
	now := db.Now()
	opened, decided, round, decisions := g.OpenedAt, g.DecidedAt, g.Round, g.Decisions
	if u.To == Pending && g.Status == Blocked {
		opened = now
	}
	if u.Decided {
		decided = now
	}
	if u.NewRound {
		round++
	}
	if u.To == Approved && u.From != Approved {
		decisions++
	}
	n, err := tx.Exec(ctx, `UPDATE gates SET status = $4, stale = $5, reason = $6, round = $7, decisions = $8, opened_at = $9, decided_at = $10, version = version + 1
		WHERE id = $1 AND status = $2 AND version = $3`,
		g.ID, u.From, g.Version, u.To, u.Stale, u.Reason, round, decisions, opened, decided)
	if err != nil {
		return fmt.Errorf("move gate %s to %s: %w", g.Code, u.To, err)
	}
	if n == 0 {
		return fault.Conflict("gate.moved", "%s is no longer %s: somebody was faster. Look at it again before deciding.", g.Code, u.From)
	}
	g.Status, g.Stale, g.Reason, g.Round, g.Decisions, g.OpenedAt, g.DecidedAt = u.To, u.Stale, u.Reason, round, decisions, opened, decided
	g.Version++
	return nil
}
