package proof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/layercake-app/layercake/internal/blob"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
)

// Status says how far a proof is.
type Status string

// A proof is queued, then runs, then is done and has a verdict.
const (
	Queued  Status = "queued"
	Running Status = "running"
	Done    Status = "done"
)

// Row is one proof as it is stored. Figures is a JSON object of numbers.
type Row struct {
	ID              string  `db:"id" json:"id"`
	Project         string  `db:"project_id" json:"project"`
	Change          string  `db:"change_id" json:"change"`
	Gate            string  `db:"gate" json:"gate"`
	Type            string  `db:"type" json:"type"`
	Source          Source  `db:"source" json:"source"`
	Isolation       string  `db:"isolation" json:"isolation"`
	IsolationDetail string  `db:"isolation_detail" json:"isolationDetail,omitempty"`
	Command         string  `db:"command" json:"command"`
	Commit          string  `db:"commit_hash" json:"commit"`
	Inputs          string  `db:"inputs_digest" json:"inputs"`
	Release         bool    `db:"release" json:"release"`
	Status          Status  `db:"status" json:"status"`
	Verdict         Verdict `db:"verdict" json:"verdict,omitempty"`
	Reason          string  `db:"reason" json:"reason,omitempty"`
	Figures         string  `db:"figures" json:"-"`
	LogKey          string  `db:"log_key" json:"-"`
	LogSHA256       string  `db:"log_sha256" json:"logSha256,omitempty"`
	ReportKey       string  `db:"report_key" json:"-"`
	AskedBy         string  `db:"asked_by" json:"askedBy"`
	CreatedAt       db.Time `db:"created_at" json:"createdAt"`
	StartedAt       db.Time `db:"started_at" json:"startedAt"`
	EndedAt         db.Time `db:"ended_at" json:"endedAt"`
	SupersededBy    string  `db:"superseded_by" json:"supersededBy,omitempty"`
	// EventSeq is the number of the event that says how the proof came out.
	EventSeq int64 `db:"event_seq" json:"eventSeq,omitempty"`
}

const rowColumns = `id, project_id, change_id, gate, type, source, isolation, isolation_detail, command, commit_hash, inputs_digest,
	release, status, verdict, reason, figures, log_key, log_sha256, report_key, asked_by, created_at, started_at, ended_at, superseded_by, event_seq`

// Figure returns a figure of the proof, 0 when it has none of that name.
func (r *Row) Figure(name string) float64 { return r.Numbers()[name] }

// Numbers returns the figures of the proof by name.
func (r *Row) Numbers() map[string]float64 {
	var out map[string]float64
	// Finish wrote it; a row that says nothing readable has no figures.
	if err := json.Unmarshal([]byte(r.Figures), &out); err != nil {
		return nil
	}
	return out
}

// Subject returns what the row asks to be checked, without what the blueprint
// and the change add to it.
func (r *Row) Subject() Subject {
	return Subject{Project: r.Project, Change: r.Change, Gate: r.Gate, Type: r.Type, Commit: r.Commit}
}

// nextSeq is the place of a new proof, the newest of the change $3; the caller
// holds the project's row.
const nextSeq = `(SELECT COALESCE(MAX(seq), 0) + 1 FROM proofs WHERE change_id = $3)`

// Queue stores a proof that is to be obtained, and returns its id. The source
// follows from the type: a check is the platform's, Manual is a person's.
func Queue(ctx context.Context, tx *db.Tx, r Row) (string, error) {
	if !Known(r.Type) {
		return "", fault.Invalid("proof.type", "There is no proof of the type %q.", r.Type)
	}
	id := db.NewID("prf")
	_, err := tx.Exec(ctx, `INSERT INTO proofs (seq, id, project_id, change_id, gate, type, source, commit_hash, inputs_digest, release, status, asked_by, created_at)
		VALUES (`+nextSeq+`, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		id, r.Project, r.Change, r.Gate, r.Type, SourceOf(r.Type), r.Commit, r.Inputs, r.Release, Queued, r.AskedBy, db.Now())
	if err != nil {
		return "", fmt.Errorf("queue %s: %w", r.Type, err)
	}
	return id, nil
}

// Begin marks a queued proof as running. It may be repeated for one that was
// running when its process died; a proof that is done is a conflict.
func Begin(ctx context.Context, tx *db.Tx, id string) (Row, error) {
	n, err := tx.Exec(ctx, `UPDATE proofs SET status = $2, started_at = $3 WHERE id = $1 AND status IN ($4, $5) AND source = $6`,
		id, Running, db.Now(), Queued, Running, Platform)
	if err != nil {
		return Row{}, fmt.Errorf("begin proof %s: %w", id, err)
	}
	if n == 0 {
		return Row{}, notOpen(ctx, tx, id)
	}
	return Get(ctx, tx, id)
}

func notOpen(ctx context.Context, tx *db.Tx, id string) error {
	r, err := Get(ctx, tx, id)
	if err != nil {
		return err
	}
	return fault.Conflict("proof.closed", "The proof %s is %s already.", r.Type, r.Status)
}

// Get returns a proof by id.
func Get(ctx context.Context, tx *db.Tx, id string) (Row, error) {
	var r Row
	err := tx.One(ctx, &r, `SELECT `+rowColumns+` FROM proofs WHERE id = $1`, id)
	if errors.Is(err, db.ErrNoRow) {
		return r, fault.NotFound("proof.not_found", "There is no proof %s.", id)
	}
	if err != nil {
		return r, fmt.Errorf("read proof %s: %w", id, err)
	}
	return r, nil
}

// Finish stores what a check found out, and marks the older proofs of the same
// type and change as superseded. A platform's proof needs its log, whatever
// its verdict; a preliminary result is never stored, and neither is one of
// another type or commit than was asked for.
func Finish(ctx context.Context, tx *db.Tx, id string, res Result) error {
	if err := storable(res); err != nil {
		return err
	}
	figures, err := json.Marshal(res.Figures)
	if err != nil {
		return fmt.Errorf("encode figures: %w", err)
	}
	detail, err := json.Marshal(res.Isolation)
	if err != nil {
		return fmt.Errorf("encode isolation: %w", err)
	}
	n, err := tx.Exec(ctx, `UPDATE proofs SET status = $2, verdict = $3, reason = $4, isolation = $5, isolation_detail = $6, command = $7,
		inputs_digest = $8, figures = $9, log_key = $10, log_sha256 = $11, report_key = $12, ended_at = $13
		WHERE id = $1 AND status = $14 AND source = $15 AND type = $16 AND commit_hash = $17`,
		id, Done, res.Verdict, res.Reason, res.Isolation.Kind, string(detail), res.Command,
		res.Inputs, string(figures), res.LogKey, res.LogSHA256, res.ReportKey, db.Now(), Running, Platform, res.Type, res.Commit)
	if err != nil {
		return fmt.Errorf("finish proof %s: %w", id, err)
	}
	if n == 0 {
		return notOpen(ctx, tx, id)
	}
	return supersede(ctx, tx, id)
}

// storable refuses evidence that would not carry its own evidence.
func storable(res Result) error {
	switch {
	case res.Preliminary:
		return fault.Invalid("proof.preliminary", "A check on a worktree is no evidence; run it on a commit.")
	case res.Verdict != Pass && res.Verdict != Fail && res.Verdict != Blocked:
		return fault.Invalid("proof.verdict", "%q is not a verdict.", res.Verdict)
	case blob.CheckKey(res.LogKey) != nil || blob.CheckKey(res.LogSHA256) != nil:
		return fault.Invalid("proof.no_log", "A proof needs the log of its check; store the log first.")
	}
	return nil
}

// sameKind selects the finished proofs that stand for the same as proof $1: of
// one change, gate and type, and both or neither of the release commit.
const sameKind = `status = $2
	AND change_id = (SELECT change_id FROM proofs WHERE id = $1)
	AND gate = (SELECT gate FROM proofs WHERE id = $1)
	AND type = (SELECT type FROM proofs WHERE id = $1)
	AND release = (SELECT release FROM proofs WHERE id = $1)`

// sameInputs narrows it to those that saw the same inputs.
const sameInputs = `inputs_digest = (SELECT inputs_digest FROM proofs WHERE id = $1)`

// supersede marks the proofs that a finished one replaces: those that were asked
// for before it, and those that saw the same inputs, whoever asked first, because
// of two that disagree the last word counts. It marks that one itself when a later
// one has ended already on other inputs.
func supersede(ctx context.Context, tx *db.Tx, id string) error {
	if _, err := tx.Exec(ctx, `UPDATE proofs SET superseded_by = $1 WHERE superseded_by = '' AND id <> $1
		AND (seq < (SELECT seq FROM proofs WHERE id = $1) OR `+sameInputs+`) AND `+sameKind, id, Done); err != nil {
		return fmt.Errorf("supersede older proofs: %w", err)
	}
	var newer []string
	if err := tx.All(ctx, &newer, `SELECT id FROM proofs WHERE superseded_by = '' AND seq > (SELECT seq FROM proofs WHERE id = $1) AND `+sameKind+` ORDER BY seq DESC`, id, Done); err != nil {
		return fmt.Errorf("find newer proofs: %w", err)
	}
	if len(newer) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, `UPDATE proofs SET superseded_by = $2 WHERE id = $1`, id, newer[0]); err != nil {
		return fmt.Errorf("supersede proof %s: %w", id, err)
	}
	return nil
}

// Recorded notes which event says how a proof came out.
func Recorded(ctx context.Context, tx *db.Tx, id string, eventSeq int64) error {
	if _, err := tx.Exec(ctx, `UPDATE proofs SET event_seq = $2 WHERE id = $1`, id, eventSeq); err != nil {
		return fmt.Errorf("record event of proof %s: %w", id, err)
	}
	return nil
}

// Withdraw takes back the checks of a change that has ended and that nobody has
// begun. What is running is carried to its end.
func Withdraw(ctx context.Context, tx *db.Tx, changeID string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM proofs WHERE change_id = $1 AND status = $2 AND source = $3`, changeID, Queued, Platform); err != nil {
		return fmt.Errorf("withdraw checks of %s: %w", changeID, err)
	}
	return nil
}

// Confirm stores a person's own verification. It is never a machine's: only
// Manual can be given this way.
func Confirm(ctx context.Context, tx *db.Tx, r Row, verdict Verdict, words string) (string, error) {
	if r.Type != Manual {
		return "", fault.Forbidden("proof.manual", "Only %s can be given by a person; %s is obtained by running its check.", Manual, r.Type)
	}
	if verdict != Pass && verdict != Fail {
		return "", fault.Invalid("proof.verdict", "A person's verification is pass or fail.")
	}
	id := db.NewID("prf")
	now := db.Now()
	_, err := tx.Exec(ctx, `INSERT INTO proofs (seq, id, project_id, change_id, gate, type, source, commit_hash, inputs_digest, release, status, verdict, reason, asked_by, created_at, started_at, ended_at)
		VALUES (`+nextSeq+`, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14, $14)`,
		id, r.Project, r.Change, r.Gate, r.Type, Person, r.Commit, r.Inputs, r.Release, Done, verdict, words, r.AskedBy, now)
	if err != nil {
		return "", fmt.Errorf("store verification: %w", err)
	}
	return id, supersede(ctx, tx, id)
}

// Latest returns the newest proof of each gate, type and commit kind of a
// change, and those under way, oldest first. Superseded ones are left out.
func Latest(ctx context.Context, tx *db.Tx, changeID string) ([]Row, error) {
	var out []Row
	err := tx.All(ctx, &out, `SELECT `+rowColumns+` FROM proofs WHERE change_id = $1 AND superseded_by = '' ORDER BY seq`, changeID)
	if err != nil {
		return nil, fmt.Errorf("list proofs of %s: %w", changeID, err)
	}
	return out, nil
}

// History returns every proof of a change, oldest first.
func History(ctx context.Context, tx *db.Tx, changeID string) ([]Row, error) {
	var out []Row
	err := tx.All(ctx, &out, `SELECT `+rowColumns+` FROM proofs WHERE change_id = $1 ORDER BY seq`, changeID)
	if err != nil {
		return nil, fmt.Errorf("list proofs of %s: %w", changeID, err)
	}
	return out, nil
}
