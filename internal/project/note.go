package project

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
)

// Note is something an agent, or the person that Author names, wants people and
// later agents to know: a choice (kind decision), a risk, a handoff to the next
// role, or just a note.
type Note struct {
	ID         string  `db:"id" json:"id"`
	Project    string  `db:"project_id" json:"project"`
	Change     string  `db:"change_id" json:"change"`
	Gate       string  `db:"gate" json:"gate"`
	Run        string  `db:"run_id" json:"run,omitempty"`
	Author     string  `db:"author" json:"author,omitempty"`
	Kind       string  `db:"kind" json:"kind"` // decision, risk, handoff, note
	Title      string  `db:"title" json:"title"`
	Body       string  `db:"body" json:"body"`
	Likelihood string  `db:"likelihood" json:"likelihood,omitempty"`
	Impact     string  `db:"impact" json:"impact,omitempty"`
	CreatedAt  db.Time `db:"created_at" json:"createdAt"`
}

// AddNote stores a note.
func AddNote(ctx context.Context, tx *db.Tx, n *Note) error {
	n.ID, n.CreatedAt = db.NewID("not"), db.Now()
	_, err := tx.Exec(ctx, `INSERT INTO notes (id, project_id, change_id, gate, run_id, author, kind, title, body, likelihood, impact, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		n.ID, n.Project, n.Change, n.Gate, n.Run, n.Author, n.Kind, n.Title, n.Body, n.Likelihood, n.Impact, n.CreatedAt)
	if err != nil {
		return fmt.Errorf("insert note: %w", err)
	}
	return nil
}

// Notes returns the notes of a change, oldest first.
func Notes(ctx context.Context, tx *db.Tx, changeID string) ([]Note, error) {
	var out []Note
	err := tx.All(ctx, &out, `SELECT id, project_id, change_id, gate, run_id, author, kind, title, body, likelihood, impact, created_at FROM notes WHERE change_id = $1 ORDER BY id`, changeID)
	if err != nil {
		return nil, fmt.Errorf("list notes of %s: %w", changeID, err)
	}
	return out, nil
}

// Message is a person's word to an agent at work, read between turns. ReadSeq
// is the step after which the agent has read it, 0 while it has not.
type Message struct {
	ID        string  `db:"id" json:"id"`
	Run       string  `db:"run_id" json:"run"`
	Author    string  `db:"author" json:"author"`
	Text      string  `db:"text" json:"text"`
	ReadSeq   int64   `db:"read_seq" json:"readSeq"`
	CreatedAt db.Time `db:"created_at" json:"createdAt"`
}

// Steer leaves a message for a run.
func Steer(ctx context.Context, tx *db.Tx, runID, text string, by event.Actor) (Message, error) {
	m := Message{ID: db.NewID("msg"), Run: runID, Author: by.String(), Text: text, CreatedAt: db.Now()}
	if err := CheckIdea("message", text); err != nil {
		return m, err
	}
	_, err := tx.Exec(ctx, `INSERT INTO messages (id, run_id, author, text, created_at) VALUES ($1, $2, $3, $4, $5)`, m.ID, m.Run, m.Author, m.Text, m.CreatedAt)
	if err != nil {
		return m, fmt.Errorf("insert message: %w", err)
	}
	return m, nil
}

// Messages returns the messages of a run, oldest first.
func Messages(ctx context.Context, tx *db.Tx, runID string) ([]Message, error) {
	var out []Message
	if err := tx.All(ctx, &out, `SELECT id, run_id, author, text, read_seq, created_at FROM messages WHERE run_id = $1 ORDER BY id`, runID); err != nil {
		return nil, fmt.Errorf("list messages of %s: %w", runID, err)
	}
	return out, nil
}

// TakeOverMessages copies to a run what was said to the one it continues and read
// up to a step.
func TakeOverMessages(ctx context.Context, tx *db.Tx, from, to string, seq int64) error {
	all, err := Messages(ctx, tx, from)
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.ReadSeq == 0 || m.ReadSeq > seq {
			continue
		}
		_, err := tx.Exec(ctx, `INSERT INTO messages (id, run_id, author, text, read_seq, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
			db.NewID("msg"), to, m.Author, m.Text, m.ReadSeq, m.CreatedAt)
		if err != nil {
			return fmt.Errorf("take over message: %w", err)
		}
	}
	return nil
}

// MarkRead records after which step unread messages were shown to the agent.
func MarkRead(ctx context.Context, tx *db.Tx, ids []string, seq int64) error {
	for _, id := range ids {
		if _, err := tx.Exec(ctx, `UPDATE messages SET read_seq = $2 WHERE id = $1 AND read_seq = 0`, id, seq); err != nil {
			return fmt.Errorf("mark message %s read: %w", id, err)
		}
	}
	return nil
}

// Design is one of the alternatives at G4.
type Design struct {
	ID          string  `db:"id" json:"id"`
	Change      string  `db:"change_id" json:"change"`
	Number      int64   `db:"number" json:"number"`
	Title       string  `db:"title" json:"title"`
	Path        string  `db:"path" json:"path"`
	Rationale   string  `db:"rationale" json:"rationale"`
	Recommended bool    `db:"recommended" json:"recommended"`
	Selected    bool    `db:"selected" json:"selected"`
	CreatedAt   db.Time `db:"created_at" json:"createdAt"`
}

// SaveDesign stores or replaces the design with d's number. At most one design
// of a change is the recommended one: the last that says so.
func SaveDesign(ctx context.Context, tx *db.Tx, d *Design) error {
	d.ID, d.CreatedAt = db.NewID("des"), db.Now()
	if d.Recommended {
		if _, err := tx.Exec(ctx, `UPDATE designs SET recommended = FALSE WHERE change_id = $1`, d.Change); err != nil {
			return fmt.Errorf("clear recommended design: %w", err)
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO designs (id, change_id, number, title, path, rationale, recommended, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (change_id, number) DO UPDATE SET title = excluded.title, path = excluded.path, rationale = excluded.rationale, recommended = excluded.recommended`,
		d.ID, d.Change, d.Number, d.Title, d.Path, d.Rationale, d.Recommended, d.CreatedAt)
	if err != nil {
		return fmt.Errorf("save design: %w", err)
	}
	return nil
}

// Designs returns the designs of a change by number.
func Designs(ctx context.Context, tx *db.Tx, changeID string) ([]Design, error) {
	var out []Design
	if err := tx.All(ctx, &out, `SELECT id, change_id, number, title, path, rationale, recommended, selected, created_at FROM designs WHERE change_id = $1 ORDER BY number`, changeID); err != nil {
		return nil, fmt.Errorf("list designs of %s: %w", changeID, err)
	}
	return out, nil
}

// SelectDesign marks one design of a change as chosen, and no other.
func SelectDesign(ctx context.Context, tx *db.Tx, changeID, id string) error {
	var found string
	err := tx.One(ctx, &found, `SELECT id FROM designs WHERE change_id = $1 AND id = $2`, changeID, id)
	if errors.Is(err, db.ErrNoRow) {
		return fault.Invalid("design.unknown", "Design %s is not one of this change's alternatives.", id)
	}
	if err != nil {
		return fmt.Errorf("read design %s: %w", id, err)
	}
	if _, err := tx.Exec(ctx, `UPDATE designs SET selected = (id = $2) WHERE change_id = $1`, changeID, id); err != nil {
		return fmt.Errorf("select design %s: %w", id, err)
	}
	return nil
}

// Pick finds the design that words name: its id, its number, or its title; no
// words mean the one that was chosen before, else the recommended one.
func Pick(designs []Design, words string) (Design, error) {
	words = strings.TrimSpace(words)
	for _, fits := range []func(Design) bool{
		func(d Design) bool { return words == "" && d.Selected },
		func(d Design) bool {
			return words == "" && d.Recommended || words == d.ID || words == fmt.Sprint(d.Number)
		},
		func(d Design) bool { return words != "" && strings.EqualFold(words, d.Title) },
	} {
		if i := slices.IndexFunc(designs, fits); i >= 0 {
			return designs[i], nil
		}
	}
	if words == "" && len(designs) > 0 {
		return designs[0], nil
	}
	return Design{}, fault.Invalid("design.unknown", "There is no design %q. Name one by its number, 1 to %d.", words, len(designs))
}
