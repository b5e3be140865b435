package gate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
)

// Method says how a person decided.
type Method string

// The methods of a decision. Delegated exists only inside one process of
// `layercake run --auto-approve` and is shown as AUTO-APPROVED everywhere.
const (
	Session   Method = "session"
	Terminal  Method = "terminal"
	Delegated Method = "delegated"
)

// Undecided is no method of a decision: a change that is begun while nobody is
// there to decide keeps its G0 open for a person, or for a delegation.
const Undecided Method = "undecided"

// Decider is who wants to decide, and how.
type Decider struct {
	Actor  event.Actor
	Method Method
	Role   string // the person's role in the organization: owner, admin, member, viewer
}

// The kinds of decision.
const (
	Approve = "approve"
	Reject  = "reject"
	Reopen  = "reopen"
)

// Decision is a human's word on a gate, with the digests of what it saw. Head
// is the commit that was looked at; Commit is the one that records the
// decision's evidence, and carries Tag.
type Decision struct {
	ID             string  `db:"id" json:"id"`
	Project        string  `db:"project_id" json:"project"`
	Change         string  `db:"change_id" json:"change"`
	Gate           string  `db:"gate_id" json:"gate"`
	Code           string  `db:"code" json:"code"`
	Kind           string  `db:"kind" json:"kind"`
	Target         string  `db:"target" json:"target,omitempty"`
	Method         Method  `db:"method" json:"method"`
	Actor          string  `db:"actor" json:"actor"`
	Comment        string  `db:"comment" json:"comment"`
	Design         string  `db:"design_id" json:"design,omitempty"`
	Head           string  `db:"head" json:"head"`
	Commit         string  `db:"commit_hash" json:"commit,omitempty"`
	Tag            string  `db:"tag" json:"tag,omitempty"`
	DocumentDigest string  `db:"document_digest" json:"documentDigest"`
	WorkDigest     string  `db:"work_digest" json:"workDigest"`
	Round          int64   `db:"round" json:"round"`
	EventSeq       int64   `db:"event_seq" json:"eventSeq"`
	EventHash      string  `db:"event_hash" json:"eventHash"`
	At             db.Time `db:"at" json:"at"`
}

const decisionColumns = `id, project_id, change_id, gate_id, code, kind, target, method, actor, comment, design_id, head, commit_hash, tag, document_digest, work_digest, round, event_seq, event_hash, at`

// Record stores a decision. A person who approved this round already is a
// conflict: nobody counts twice.
func Record(ctx context.Context, tx *db.Tx, d *Decision) error {
	_, err := tx.Exec(ctx, `INSERT INTO decisions (`+decisionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`,
		d.ID, d.Project, d.Change, d.Gate, d.Code, d.Kind, d.Target, d.Method, d.Actor, d.Comment, d.Design, d.Head, d.Commit, d.Tag,
		d.DocumentDigest, d.WorkDigest, d.Round, d.EventSeq, d.EventHash, d.At)
	if db.IsUnique(err) {
		return fault.Conflict("decision.twice", "You have already approved %s in this round. Another person has to.", d.Code)
	}
	if err != nil {
		return fmt.Errorf("insert decision on %s: %w", d.Code, err)
	}
	return nil
}

// Decisions returns all decisions of a change, oldest first.
func Decisions(ctx context.Context, tx *db.Tx, changeID string) ([]Decision, error) {
	var out []Decision
	if err := tx.All(ctx, &out, `SELECT `+decisionColumns+` FROM decisions WHERE change_id = $1 ORDER BY event_seq`, changeID); err != nil {
		return nil, fmt.Errorf("list decisions of %s: %w", changeID, err)
	}
	return out, nil
}

// Carry records that the machine proofs of an approved gate passed again after
// later planned work changed their inputs.
type Carry struct {
	ID         string  `db:"id" json:"id"`
	Change     string  `db:"change_id" json:"change"`
	Code       string  `db:"code" json:"code"`
	Decision   string  `db:"decision_id" json:"decision"`
	Head       string  `db:"head" json:"head"`
	WorkDigest string  `db:"work_digest" json:"workDigest"`
	At         db.Time `db:"at" json:"at"`
}

// CarryForward stores c.
func CarryForward(ctx context.Context, tx *db.Tx, c *Carry) error {
	c.ID, c.At = db.NewID("car"), db.Now()
	_, err := tx.Exec(ctx, `INSERT INTO carries (seq, id, change_id, code, decision_id, head, work_digest, at)
		VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM carries WHERE change_id = $2), $1, $2, $3, $4, $5, $6, $7)`,
		c.ID, c.Change, c.Code, c.Decision, c.Head, c.WorkDigest, c.At)
	if err != nil {
		return fmt.Errorf("carry %s forward: %w", c.Code, err)
	}
	return nil
}

// Carries returns what was carried forward in a change, oldest first.
func Carries(ctx context.Context, tx *db.Tx, changeID string) ([]Carry, error) {
	var out []Carry
	if err := tx.All(ctx, &out, `SELECT id, change_id, code, decision_id, head, work_digest, at FROM carries WHERE change_id = $1 ORDER BY seq`, changeID); err != nil {
		return nil, fmt.Errorf("list carries of %s: %w", changeID, err)
	}
	return out, nil
}

// Condition is a promise attached to an approval, to be resolved by a gate.
type Condition struct {
	ID         string  `db:"id" json:"id"`
	Change     string  `db:"change_id" json:"change"`
	Decision   string  `db:"decision_id" json:"decision"`
	Origin     string  `db:"origin" json:"origin"`
	Due        string  `db:"due_gate" json:"due"`
	Text       string  `db:"text" json:"text"`
	Owner      string  `db:"owner" json:"owner"`
	Status     string  `db:"status" json:"status"` // open, resolved
	Resolution string  `db:"resolution" json:"resolution,omitempty"`
	ResolvedBy string  `db:"resolved_by" json:"resolvedBy,omitempty"`
	CreatedAt  db.Time `db:"created_at" json:"createdAt"`
	ResolvedAt db.Time `db:"resolved_at" json:"resolvedAt"`
}

// Promise stores an open condition.
func Promise(ctx context.Context, tx *db.Tx, c *Condition) error {
	if strings.TrimSpace(c.Text) == "" || strings.TrimSpace(c.Owner) == "" {
		return fault.Invalid("condition.incomplete", "A condition needs a text and an owner. Say what must happen and who sees to it.")
	}
	c.ID, c.CreatedAt, c.Status = db.NewID("con"), db.Now(), "open"
	_, err := tx.Exec(ctx, `INSERT INTO conditions (id, change_id, decision_id, origin, due_gate, text, owner, status, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		c.ID, c.Change, c.Decision, c.Origin, c.Due, c.Text, c.Owner, c.Status, c.CreatedAt)
	if err != nil {
		return fmt.Errorf("insert condition: %w", err)
	}
	return nil
}

const conditionColumns = `id, change_id, decision_id, origin, due_gate, text, owner, status, resolution, resolved_by, created_at, resolved_at`

// GetCondition returns a condition by id.
func GetCondition(ctx context.Context, tx *db.Tx, id string) (Condition, error) {
	var c Condition
	err := tx.One(ctx, &c, `SELECT `+conditionColumns+` FROM conditions WHERE id = $1`, id)
	if errors.Is(err, db.ErrNoRow) {
		return c, fault.NotFound("condition.not_found", "There is no condition %s.", id)
	}
	if err != nil {
		return c, fmt.Errorf("read condition %s: %w", id, err)
	}
	return c, nil
}

// Conditions returns the conditions of a change, oldest first.
func Conditions(ctx context.Context, tx *db.Tx, changeID string) ([]Condition, error) {
	var out []Condition
	err := tx.All(ctx, &out, `SELECT `+conditionColumns+` FROM conditions WHERE change_id = $1 ORDER BY id`, changeID)
	if err != nil {
		return nil, fmt.Errorf("list conditions of %s: %w", changeID, err)
	}
	return out, nil
}

// Resolve closes an open condition that is due at a gate with a person's word on
// how it was met.
func Resolve(ctx context.Context, tx *db.Tx, changeID, code, id, resolution string, by event.Actor) error {
	if strings.TrimSpace(resolution) == "" {
		return fault.Invalid("resolution.empty", "Say how the condition was met.")
	}
	n, err := tx.Exec(ctx, `UPDATE conditions SET status = 'resolved', resolution = $2, resolved_by = $3, resolved_at = $4
		WHERE id = $1 AND change_id = $5 AND due_gate = $6 AND status = 'open'`,
		id, resolution, by.String(), db.Now(), changeID, code)
	if err != nil {
		return fmt.Errorf("resolve condition %s: %w", id, err)
	}
	if n == 0 {
		return fault.Conflict("condition.resolved", "Condition %s is not open at %s.", id, code)
	}
	return nil
}

// WaivableRules are what a waiver may set aside. Who may decide is not among them, nor is
// unfinished work, an open question or a missing choice of design: each of
// those has a direct way to settle it.
var WaivableRules = []string{"gate", "proof", "coverage", "deliverable", "blocker", "condition"}

// Waiver sets one rule of one gate aside until it expires or is closed.
// Subject narrows it: a proof type, a deliverable's name, an id; empty means
// every subject of the rule.
type Waiver struct {
	ID        string  `db:"id" json:"id"`
	Change    string  `db:"change_id" json:"change"`
	Code      string  `db:"code" json:"code"`
	Rule      string  `db:"rule" json:"rule"`
	Subject   string  `db:"subject" json:"subject"`
	Owner     string  `db:"owner" json:"owner"`
	Reason    string  `db:"reason" json:"reason"`
	ExpiresAt db.Time `db:"expires_at" json:"expiresAt"`
	Status    string  `db:"status" json:"status"` // open, closed
	CreatedBy string  `db:"created_by" json:"createdBy"`
	CreatedAt db.Time `db:"created_at" json:"createdAt"`
	ClosedAt  db.Time `db:"closed_at" json:"closedAt"`
}

// InForce reports whether the waiver counts at now.
func (w Waiver) InForce(now time.Time) bool {
	return w.Status == "open" && now.Before(w.ExpiresAt.Time)
}

// Waive stores a waiver.
func Waive(ctx context.Context, tx *db.Tx, w *Waiver) error {
	var details []fault.Detail
	add := func(field, message string) { details = append(details, fault.Detail{Field: field, Message: message}) }
	if !contains(WaivableRules, w.Rule) {
		add("rule", fmt.Sprintf("the rule %q cannot be waived; one of %s can", w.Rule, strings.Join(WaivableRules, ", ")))
	}
	if strings.TrimSpace(w.Owner) == "" {
		add("owner", "a waiver needs an owner who answers for it")
	}
	if strings.TrimSpace(w.Reason) == "" {
		add("reason", "a waiver needs a reason")
	}
	if !w.ExpiresAt.After(time.Now()) {
		add("expiresAt", "a waiver needs an expiry in the future")
	}
	if len(details) > 0 {
		parts := make([]string, len(details))
		for i, d := range details {
			parts[i] = d.Message
		}
		return fault.Invalid("waiver.invalid", "The waiver is incomplete: %s.", strings.Join(parts, "; ")).WithDetails(details...)
	}
	w.ID, w.CreatedAt, w.Status = db.NewID("wai"), db.Now(), "open"
	_, err := tx.Exec(ctx, `INSERT INTO waivers (id, change_id, code, rule, subject, owner, reason, expires_at, status, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		w.ID, w.Change, w.Code, w.Rule, w.Subject, w.Owner, w.Reason, w.ExpiresAt, w.Status, w.CreatedBy, w.CreatedAt)
	if err != nil {
		return fmt.Errorf("insert waiver: %w", err)
	}
	return nil
}

const waiverColumns = `id, change_id, code, rule, subject, owner, reason, expires_at, status, created_by, created_at, closed_at`

// GetWaiver returns a waiver by id.
func GetWaiver(ctx context.Context, tx *db.Tx, id string) (Waiver, error) {
	var w Waiver
	err := tx.One(ctx, &w, `SELECT `+waiverColumns+` FROM waivers WHERE id = $1`, id)
	if errors.Is(err, db.ErrNoRow) {
		return w, fault.NotFound("waiver.not_found", "There is no waiver %s.", id)
	}
	if err != nil {
		return w, fmt.Errorf("read waiver %s: %w", id, err)
	}
	return w, nil
}

// Waivers returns the waivers of a change, oldest first.
func Waivers(ctx context.Context, tx *db.Tx, changeID string) ([]Waiver, error) {
	var out []Waiver
	err := tx.All(ctx, &out, `SELECT `+waiverColumns+` FROM waivers WHERE change_id = $1 ORDER BY id`, changeID)
	if err != nil {
		return nil, fmt.Errorf("list waivers of %s: %w", changeID, err)
	}
	return out, nil
}

// CloseWaiver ends a waiver of a gate before it expires.
func CloseWaiver(ctx context.Context, tx *db.Tx, changeID, code, id string) error {
	n, err := tx.Exec(ctx, `UPDATE waivers SET status = 'closed', closed_at = $2 WHERE id = $1 AND change_id = $3 AND code = $4 AND status = 'open'`, id, db.Now(), changeID, code)
	if err != nil {
		return fmt.Errorf("close waiver %s: %w", id, err)
	}
	if n == 0 {
		return fault.Conflict("waiver.closed", "Waiver %s is not open at %s.", id, code)
	}
	return nil
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
