package flow

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
)

// The kinds of what waits for a person.
const (
	WaitsDecision = "decision"
	WaitsQuestion = "question"
	WaitsBudget   = "budget"
	WaitsFailure  = "failure"
	WaitsMention  = "mention"
)

// Waiting is one thing that waits for a person: a decision, a question, money, a
// failure that agents cannot mend, or a comment that speaks to them. ID names it
// for read marks; Ref is the gate, question, blocker or comment.
type Waiting struct {
	ID          string  `json:"id"`
	Kind        string  `json:"kind" enum:"decision,question,budget,failure,mention"`
	Project     string  `json:"project"`
	ProjectName string  `json:"projectName"`
	Gate        string  `json:"gate,omitempty"`
	Ref         string  `json:"ref"`
	Text        string  `json:"text"`
	At          db.Time `json:"at"`
	Read        bool    `json:"read"`
}

// maxMentions is how many of the newest mentions an inbox shows.
const maxMentions = 200

// Inbox lists what waits for a user in the projects of some organizations, the
// newest first.
func Inbox(ctx context.Context, tx *db.Tx, userID string, organizations []string) ([]Waiting, error) {
	if len(organizations) == 0 {
		return nil, nil
	}
	in, args := db.In(nil, organizations)
	var out []Waiting
	for _, read := range []func() ([]Waiting, error){
		func() ([]Waiting, error) { return waitingDecisions(ctx, tx, organizations) },
		func() ([]Waiting, error) { return waitingQuestions(ctx, tx, in, args) },
		func() ([]Waiting, error) { return waitingFailures(ctx, tx, in, args) },
		func() ([]Waiting, error) { return mentions(ctx, tx, userID, organizations) },
	} {
		found, err := read()
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	var seen []string
	if err := tx.All(ctx, &seen, `SELECT item_id FROM inbox_reads WHERE user_id = $1`, userID); err != nil {
		return nil, fmt.Errorf("list read marks: %w", err)
	}
	read := map[string]bool{}
	for _, id := range seen {
		read[id] = true
	}
	for i := range out {
		out[i].Read = read[out[i].ID]
	}
	slices.SortFunc(out, func(a, b Waiting) int {
		if c := b.At.Compare(a.At.Time); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, nil
}

// waitingRow is what the queries of the inbox have in common.
type waitingRow struct {
	Ref     string  `db:"ref"`
	Project string  `db:"project_id"`
	Name    string  `db:"name"`
	Gate    string  `db:"gate"`
	Kind    string  `db:"kind"`
	Text    string  `db:"text"`
	At      db.Time `db:"at"`
}

func (r waitingRow) waiting(kind, id, text string) Waiting {
	return Waiting{ID: id, Kind: kind, Project: r.Project, ProjectName: r.Name, Gate: r.Gate, Ref: r.Ref, Text: text, At: r.At}
}

// visible is the condition that a project p is one that a person works on; the
// placeholders of its organizations follow.
const visible = `p.deleted_at = 0 AND p.archived_at = 0 AND p.organization_id IN (`

// waitingDecisions are the stops whose open gates are all in review, as ready finds
// them for one project.
func waitingDecisions(ctx context.Context, tx *db.Tx, organizations []string) ([]Waiting, error) {
	in, args := db.In([]any{db.Now()}, organizations)
	var gates []struct {
		gate.Gate
		Name   string `db:"name"`
		Method string `db:"created_method"`
	}
	err := tx.All(ctx, &gates, `SELECT g.id, g.project_id, g.change_id, g.code, g.position, g.stop, g.status, g.stale, g.round, g.opened_at, g.version, p.name, c.created_method
		FROM gates g JOIN changes c ON c.id = g.change_id JOIN projects p ON p.id = g.project_id
		WHERE c.status = 'open' AND g.status NOT IN ('SKIPPED', 'APPROVED') AND `+visible+in+`)
		AND EXISTS (SELECT 1 FROM gates r WHERE r.change_id = g.change_id AND r.stop = g.stop AND r.status = 'IN_REVIEW')
		AND NOT EXISTS (SELECT 1 FROM waivers w WHERE w.change_id = g.change_id AND w.code = g.code AND w.rule = 'gate' AND w.subject IN ('', g.code) AND w.status = 'open' AND w.expires_at > $1)
		ORDER BY g.change_id, g.position`, args...)
	if err != nil {
		return nil, fmt.Errorf("list gates in review: %w", err)
	}
	var out []Waiting
	for i := 0; i < len(gates); {
		first, codes, all := gates[i], []string(nil), true
		for ; i < len(gates) && gates[i].Change == first.Change && gates[i].Stop == first.Stop; i++ {
			codes = append(codes, gates[i].Code)
			all = all && gates[i].Status == gate.InReview
		}
		last := gates[i-1]
		if !all || first.Position == 0 && gate.Method(first.Method) != gate.Undecided {
			continue // G0 is decided by asking for the change
		}
		verb := " waits"
		if len(codes) > 1 {
			verb = " wait"
		}
		row := waitingRow{Ref: last.ID, Project: last.Project, Name: last.Name, Gate: last.Code, At: last.OpenedAt}
		out = append(out, row.waiting(WaitsDecision, fmt.Sprintf("%s:%d", last.ID, last.Version), strings.Join(codes, ", ")+verb+" for a decision."))
	}
	return out, nil
}

func waitingQuestions(ctx context.Context, tx *db.Tx, in string, args []any) ([]Waiting, error) {
	var rows []waitingRow
	err := tx.All(ctx, &rows, `SELECT q.id AS ref, q.project_id, p.name, q.gate, q.kind, q.text, q.created_at AS at FROM questions q JOIN projects p ON p.id = q.project_id
		WHERE q.status = 'open' AND `+visible+in+`)`, args...)
	if err != nil {
		return nil, fmt.Errorf("list open questions: %w", err)
	}
	var out []Waiting
	for _, r := range rows {
		kind := WaitsQuestion
		if r.Kind == project.QuestionBudget {
			kind = WaitsBudget
		}
		out = append(out, r.waiting(kind, r.Ref, r.Text))
	}
	return out, nil
}

func waitingFailures(ctx context.Context, tx *db.Tx, in string, args []any) ([]Waiting, error) {
	var rows []waitingRow
	err := tx.All(ctx, &rows, `SELECT b.id AS ref, b.project_id, p.name, b.gate, b.kind, b.title AS text, b.created_at AS at FROM blockers b
		JOIN projects p ON p.id = b.project_id JOIN changes c ON c.id = b.change_id
		WHERE b.status = 'open' AND b.severity = 'critical' AND c.status = 'open' AND `+visible+in+`)`, args...)
	if err != nil {
		return nil, fmt.Errorf("list open blockers: %w", err)
	}
	var out []Waiting
	for _, r := range rows {
		out = append(out, r.waiting(WaitsFailure, r.Ref, r.Text+"."))
	}
	return out, nil
}

func mentions(ctx context.Context, tx *db.Tx, userID string, organizations []string) ([]Waiting, error) {
	in, args := db.In([]any{userID, maxMentions}, organizations)
	var rows []waitingRow
	err := tx.All(ctx, &rows, `SELECT m.comment_id AS ref, x.project_id, p.name, x.gate, x.path AS kind, x.text, x.created_at AS at
		FROM mentions m JOIN comments x ON x.id = m.comment_id JOIN projects p ON p.id = x.project_id JOIN changes c ON c.id = x.change_id
		WHERE m.user_id = $1 AND x.status <> 'resolved' AND c.status = 'open' AND `+visible+in+`) ORDER BY m.comment_id DESC LIMIT $2`, args...)
	if err != nil {
		return nil, fmt.Errorf("list mentions of %s: %w", userID, err)
	}
	var out []Waiting
	for _, r := range rows {
		out = append(out, r.waiting(WaitsMention, r.Ref, r.Kind+": "+r.Text))
	}
	return out, nil
}

// MarkRead records that a user has seen an item of the inbox, or, with read false,
// takes that back. It may be repeated.
func MarkRead(ctx context.Context, tx *db.Tx, userID, itemID string, read bool) error {
	var err error
	if read {
		_, err = tx.Exec(ctx, `INSERT INTO inbox_reads (user_id, item_id, read_at) VALUES ($1, $2, $3) ON CONFLICT (user_id, item_id) DO NOTHING`, userID, itemID, db.Now())
	} else {
		_, err = tx.Exec(ctx, `DELETE FROM inbox_reads WHERE user_id = $1 AND item_id = $2`, userID, itemID)
	}
	if err != nil {
		return fmt.Errorf("mark %s: %w", itemID, err)
	}
	return nil
}
