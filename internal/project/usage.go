package project

import (
	"context"
	"errors"
	"fmt"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/llm"
)

// The states of a ledger row. A reservation whose call was lost in flight stays
// spent as lost; one of a cancelled call as estimated.
const (
	UsageReserved  = "reserved"
	UsageSettled   = "settled"
	UsageLost      = "lost"
	UsageEstimated = "estimated"
)

// Usage is the ledger row of one model call. CostMicro is micro-USD, what was
// reserved until the call is settled, and nil when the price is unknown; an
// unknown price is never zero.
type Usage struct {
	ID             string  `db:"id" json:"id"`
	Project        string  `db:"project_id" json:"project"`
	Change         string  `db:"change_id" json:"change"`
	Run            string  `db:"run_id" json:"run"`
	Turn           int64   `db:"turn" json:"turn"`
	Gate           string  `db:"gate" json:"gate"`
	Role           string  `db:"role" json:"role"`
	Provider       string  `db:"provider" json:"provider"`
	Model          string  `db:"model" json:"model"`
	State          string  `db:"state" json:"state"`
	ReservedMicro  int64   `db:"reserved_micro" json:"reservedMicro"`
	ReservedTokens int64   `db:"reserved_tokens" json:"reservedTokens"`
	In             int64   `db:"tokens_in" json:"tokensIn"`
	Out            int64   `db:"tokens_out" json:"tokensOut"`
	CacheRead      int64   `db:"tokens_cache_read" json:"tokensCacheRead"`
	CacheWrite     int64   `db:"tokens_cache_write" json:"tokensCacheWrite"`
	CostMicro      *int64  `db:"cost_micro" json:"costMicro"`
	At             db.Time `db:"at" json:"at"`
}

// ErrBudget says that a reservation would pass the project's cap.
var ErrBudget = errors.New("the reservation would pass the budget")

// Reserve sets aside the most that a call can cost before it is made. It is one
// compare-and-set on the project's row, so that parallel agents together never
// pass the cap. When it would, nothing is written and the error is ErrBudget; so
// it is for a call of unknown price under a cap in money alone, which says nothing
// about it.
func Reserve(ctx context.Context, tx *db.Tx, u *Usage) error {
	n, err := tx.Exec(ctx, `UPDATE projects SET spent_micro = spent_micro + $2, spent_tokens = spent_tokens + $3
		WHERE id = $1 AND (budget_micro = 0 OR spent_micro + $2 <= budget_micro) AND (token_cap = 0 OR spent_tokens + $3 <= token_cap)
			AND ($4 OR budget_micro = 0 OR token_cap > 0)`,
		u.Project, u.ReservedMicro, u.ReservedTokens, u.CostMicro != nil)
	if err != nil {
		return fmt.Errorf("reserve budget of %s: %w", u.Project, err)
	}
	if n == 0 {
		return ErrBudget
	}
	u.ID, u.At, u.State = db.NewID("use"), db.Now(), UsageReserved
	_, err = tx.Exec(ctx, `INSERT INTO usage (id, project_id, change_id, run_id, turn, gate, role, provider, model, state, reserved_micro, reserved_tokens, cost_micro, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		u.ID, u.Project, u.Change, u.Run, u.Turn, u.Gate, u.Role, u.Provider, u.Model, u.State, u.ReservedMicro, u.ReservedTokens, u.CostMicro, u.At)
	if err != nil {
		return fmt.Errorf("insert usage: %w", err)
	}
	return nil
}

// Settle replaces a reservation by what the call really used. cost is nil when
// the price is unknown.
func Settle(ctx context.Context, tx *db.Tx, u Usage, used llm.Usage, cost *int64) error {
	n, err := tx.Exec(ctx, `UPDATE usage SET state = 'settled', tokens_in = $2, tokens_out = $3, tokens_cache_read = $4, tokens_cache_write = $5, cost_micro = $6
		WHERE id = $1 AND state = 'reserved'`, u.ID, used.In, used.Out, used.CacheRead, used.CacheWrite, cost)
	if err != nil {
		return fmt.Errorf("settle usage %s: %w", u.ID, err)
	}
	if n == 0 {
		return fault.Conflict("usage.settled", "The model call %s is already settled.", u.ID)
	}
	spent := int64(0)
	if cost != nil {
		spent = *cost
	}
	tokens := used.In + used.Out + used.CacheRead + used.CacheWrite
	_, err = tx.Exec(ctx, `UPDATE projects SET spent_micro = spent_micro + $2, spent_tokens = spent_tokens + $3 WHERE id = $1`,
		u.Project, spent-u.ReservedMicro, tokens-u.ReservedTokens)
	if err != nil {
		return fmt.Errorf("settle budget of %s: %w", u.Project, err)
	}
	return nil
}

// Release gives a reservation back: the provider refused the call, so nothing
// was spent.
func Release(ctx context.Context, tx *db.Tx, u Usage) error {
	zero := int64(0)
	return Settle(ctx, tx, u, llm.Usage{}, &zero)
}

// Forfeit keeps the open reservations of a run as spent: state is UsageLost for
// calls lost in flight and UsageEstimated for cancelled ones. It returns how
// many there were.
func Forfeit(ctx context.Context, tx *db.Tx, runID, state string) (int64, error) {
	n, err := tx.Exec(ctx, `UPDATE usage SET state = $2 WHERE run_id = $1 AND state = 'reserved'`, runID, state)
	if err != nil {
		return 0, fmt.Errorf("forfeit reservations of %s: %w", runID, err)
	}
	return n, nil
}

// SetBudget replaces what caps there were by one in micro-USD, 0 for none.
func SetBudget(ctx context.Context, tx *db.Tx, id string, micro int64) error {
	if micro < 0 {
		return fault.Invalid("budget.negative", "A budget cannot be negative. Give a positive amount, or 0 for no cap.")
	}
	if _, err := tx.Exec(ctx, `UPDATE projects SET budget_micro = $2, token_cap = 0, version = version + 1 WHERE id = $1`, id, micro); err != nil {
		return fmt.Errorf("set budget of %s: %w", id, err)
	}
	return nil
}

// UsageSum adds up what a change has used. Unknown counts calls of unknown
// price, which CostMicro does not contain; calls in flight are in neither.
type UsageSum struct {
	Calls     int64 `db:"calls" json:"calls"`
	Tokens    int64 `db:"tokens" json:"tokens"`
	CostMicro int64 `db:"cost" json:"costMicro"`
	Unknown   int64 `db:"unknown" json:"unknown"`
}

// SumUsage adds up the ledger of a change.
func SumUsage(ctx context.Context, tx *db.Tx, changeID string) (UsageSum, error) {
	var s UsageSum
	err := tx.One(ctx, &s, `SELECT COUNT(*) AS calls, CAST(COALESCE(SUM(tokens_in + tokens_out + tokens_cache_read + tokens_cache_write), 0) AS BIGINT) AS tokens,
		CAST(COALESCE(SUM(CASE WHEN state <> 'reserved' THEN cost_micro END), 0) AS BIGINT) AS cost, CAST(COALESCE(SUM(CASE WHEN cost_micro IS NULL AND state <> 'reserved' THEN 1 ELSE 0 END), 0) AS BIGINT) AS unknown
		FROM usage WHERE change_id = $1`, changeID)
	if err != nil {
		return s, fmt.Errorf("sum usage of %s: %w", changeID, err)
	}
	return s, nil
}

// UsageOf returns the ledger of a run, oldest first.
func UsageOf(ctx context.Context, tx *db.Tx, runID string) ([]Usage, error) {
	var out []Usage
	err := tx.All(ctx, &out, `SELECT id, project_id, change_id, run_id, turn, gate, role, provider, model, state, reserved_micro, reserved_tokens,
		tokens_in, tokens_out, tokens_cache_read, tokens_cache_write, cost_micro, at FROM usage WHERE run_id = $1 ORDER BY id`, runID)
	if err != nil {
		return nil, fmt.Errorf("list usage of %s: %w", runID, err)
	}
	return out, nil
}

// Advance is the job that lets flow decide what happens next on a project.
// Whatever ended something inserts it, unique, in its own transaction.
type Advance struct {
	Project string `json:"project"`
}

// Kind names the job.
func (Advance) Kind() string { return "advance" }
