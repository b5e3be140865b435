package project

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
)

// The kinds of question: an agent asks, a budget ran out, the deployment mode
// is open, or an agent went in circles.
const (
	QuestionAgent  = "agent"
	QuestionBudget = "budget"
	QuestionMode   = "mode"
	QuestionStuck  = "stuck"
)

// Question asks a human. A run that asked a blocking one waits for the answer.
// Call is the tool call that asked, empty when the platform did.
type Question struct {
	ID          string   `db:"id" json:"id"`
	Project     string   `db:"project_id" json:"project"`
	Change      string   `db:"change_id" json:"change"`
	Gate        string   `db:"gate" json:"gate"`
	Run         string   `db:"run_id" json:"run,omitempty"`
	Call        string   `db:"call_id" json:"-"`
	Kind        string   `db:"kind" json:"kind"`
	Text        string   `db:"text" json:"text"`
	OptionsJSON string   `db:"options" json:"-"`
	Options     []string `db:"-" json:"options"`
	Suggestion  string   `db:"suggestion" json:"suggestion"`
	Blocking    bool     `db:"blocking" json:"blocking"`
	Status      string   `db:"status" json:"status"` // open, answered, withdrawn
	Answer      string   `db:"answer" json:"answer"`
	AnsweredBy  string   `db:"answered_by" json:"answeredBy,omitempty"`
	Method      string   `db:"method" json:"method,omitempty"`
	CreatedAt   db.Time  `db:"created_at" json:"createdAt"`
	AnsweredAt  db.Time  `db:"answered_at" json:"answeredAt"`
}

const questionColumns = `id, project_id, change_id, gate, run_id, call_id, kind, text, options, suggestion, blocking, status, answer, answered_by, method, created_at, answered_at`

// Ask stores an open question.
func Ask(ctx context.Context, tx *db.Tx, q *Question) error {
	if q.Options == nil {
		q.Options = []string{}
	}
	options, err := json.Marshal(q.Options)
	if err != nil {
		return fmt.Errorf("encode options: %w", err)
	}
	q.ID, q.CreatedAt, q.Status, q.OptionsJSON = db.NewID("qst"), db.Now(), "open", string(options)
	_, err = tx.Exec(ctx, `INSERT INTO questions (id, project_id, change_id, gate, run_id, call_id, kind, text, options, suggestion, blocking, status, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		q.ID, q.Project, q.Change, q.Gate, q.Run, q.Call, q.Kind, q.Text, q.OptionsJSON, q.Suggestion, q.Blocking, q.Status, q.CreatedAt)
	if err != nil {
		return fmt.Errorf("insert question: %w", err)
	}
	return nil
}

// Questions returns the questions of a change, oldest first.
func Questions(ctx context.Context, tx *db.Tx, changeID string) ([]Question, error) {
	var out []Question
	if err := tx.All(ctx, &out, `SELECT `+questionColumns+` FROM questions WHERE change_id = $1 ORDER BY id`, changeID); err != nil {
		return nil, fmt.Errorf("list questions of %s: %w", changeID, err)
	}
	for i := range out {
		if err := json.Unmarshal([]byte(out[i].OptionsJSON), &out[i].Options); err != nil {
			return nil, fmt.Errorf("decode options of question %s: %w", out[i].ID, err)
		}
	}
	return out, nil
}

// GetQuestion returns a question by id.
func GetQuestion(ctx context.Context, tx *db.Tx, id string) (Question, error) {
	var q Question
	err := tx.One(ctx, &q, `SELECT `+questionColumns+` FROM questions WHERE id = $1`, id)
	if errors.Is(err, db.ErrNoRow) {
		return q, fault.NotFound("question.not_found", "There is no question %s.", id)
	}
	if err != nil {
		return q, fmt.Errorf("read question %s: %w", id, err)
	}
	if err := json.Unmarshal([]byte(q.OptionsJSON), &q.Options); err != nil {
		return q, fmt.Errorf("decode options of question %s: %w", id, err)
	}
	return q, nil
}

// Answer stores the answer of an open question; a second answer is a conflict.
func Answer(ctx context.Context, tx *db.Tx, id, answer string, by event.Actor, method string) error {
	if strings.TrimSpace(answer) == "" {
		return fault.Invalid("answer.empty", "The answer is empty. Say what the agent should go on with.")
	}
	if len(answer) > MaxIdea {
		return fault.TooLarge("answer.too_large", "The answer has %d bytes, more than %d. Shorten it.", len(answer), MaxIdea)
	}
	n, err := tx.Exec(ctx, `UPDATE questions SET status = 'answered', answer = $2, answered_by = $3, method = $4, answered_at = $5 WHERE id = $1 AND status = 'open'`,
		id, answer, by.String(), method, db.Now())
	if err != nil {
		return fmt.Errorf("answer question %s: %w", id, err)
	}
	if n == 0 {
		return fault.Conflict("question.answered", "Question %s has already been answered or withdrawn.", id)
	}
	return nil
}

// WithdrawQuestions closes the open questions of runs that will not go on.
func WithdrawQuestions(ctx context.Context, tx *db.Tx, changeID string, gates []string) error {
	for _, g := range gates {
		if _, err := tx.Exec(ctx, `UPDATE questions SET status = 'withdrawn', answered_at = $3 WHERE change_id = $1 AND gate = $2 AND status = 'open'`, changeID, g, db.Now()); err != nil {
			return fmt.Errorf("withdraw questions of %s: %w", g, err)
		}
	}
	return nil
}

// WithdrawQuestionsOf closes the open questions that a cancelled run asked for
// itself. One about the budget is everybody's and stays.
func WithdrawQuestionsOf(ctx context.Context, tx *db.Tx, runID string) error {
	if _, err := tx.Exec(ctx, `UPDATE questions SET status = 'withdrawn', answered_at = $2 WHERE run_id = $1 AND kind <> $3 AND status = 'open'`, runID, db.Now(), QuestionBudget); err != nil {
		return fmt.Errorf("withdraw questions of %s: %w", runID, err)
	}
	return nil
}
