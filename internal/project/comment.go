package project

import (
	"context"
	"errors"
	"fmt"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
)

// The states of a comment: it waits for a review, went back to the agents with
// one, or was settled by a person.
const (
	CommentOpen     = "open"
	CommentSent     = "sent"
	CommentResolved = "resolved"
)

// Comment is a person's word on a file of a commit. Line counts from 1; 0 is the
// whole file. Open ones go back to the agents together, with the next decision
// that sends work back.
type Comment struct {
	ID        string  `db:"id" json:"id"`
	Project   string  `db:"project_id" json:"project"`
	Change    string  `db:"change_id" json:"change"`
	Gate      string  `db:"gate" json:"gate,omitempty"`
	Path      string  `db:"path" json:"path"`
	Commit    string  `db:"commit_hash" json:"commit"`
	Line      int64   `db:"line" json:"line"`
	Text      string  `db:"text" json:"text"`
	Author    string  `db:"author" json:"author"`
	Status    string  `db:"status" json:"status"`
	Decision  string  `db:"decision_id" json:"decision,omitempty"`
	Version   int64   `db:"version" json:"version"`
	CreatedAt db.Time `db:"created_at" json:"createdAt"`
}

const commentColumns = `id, project_id, change_id, gate, path, commit_hash, line, text, author, status, decision_id, version, created_at`

// AddComment stores an open comment.
func AddComment(ctx context.Context, tx *db.Tx, c *Comment, by event.Actor) error {
	if err := CheckIdea("text", c.Text); err != nil {
		return err
	}
	c.ID, c.CreatedAt, c.Status, c.Author, c.Version = db.NewID("cmt"), db.Now(), CommentOpen, by.String(), 1
	_, err := tx.Exec(ctx, `INSERT INTO comments (`+commentColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		c.ID, c.Project, c.Change, c.Gate, c.Path, c.Commit, c.Line, c.Text, c.Author, c.Status, c.Decision, c.Version, c.CreatedAt)
	if err != nil {
		return fmt.Errorf("insert comment: %w", err)
	}
	return nil
}

// Mention names the users that a comment speaks to.
func Mention(ctx context.Context, tx *db.Tx, commentID string, users []string) error {
	for _, u := range users {
		if _, err := tx.Exec(ctx, `INSERT INTO mentions (comment_id, user_id) VALUES ($1, $2)`, commentID, u); err != nil {
			return fmt.Errorf("insert mention: %w", err)
		}
	}
	return nil
}

// GetComment returns a comment by id.
func GetComment(ctx context.Context, tx *db.Tx, id string) (Comment, error) {
	var c Comment
	err := tx.One(ctx, &c, `SELECT `+commentColumns+` FROM comments WHERE id = $1`, id)
	if errors.Is(err, db.ErrNoRow) {
		return c, fault.NotFound("comment.not_found", "There is no comment %s.", id)
	}
	if err != nil {
		return c, fmt.Errorf("read comment %s: %w", id, err)
	}
	return c, nil
}

// Comments returns the comments of a change, oldest first.
func Comments(ctx context.Context, tx *db.Tx, changeID string) ([]Comment, error) {
	var out []Comment
	if err := tx.All(ctx, &out, `SELECT `+commentColumns+` FROM comments WHERE change_id = $1 ORDER BY id`, changeID); err != nil {
		return nil, fmt.Errorf("list comments of %s: %w", changeID, err)
	}
	return out, nil
}

// ResolveComment settles a comment that is not settled yet.
func ResolveComment(ctx context.Context, tx *db.Tx, id string) error {
	n, err := tx.Exec(ctx, `UPDATE comments SET status = 'resolved', version = version + 1 WHERE id = $1 AND status <> 'resolved'`, id)
	if err != nil {
		return fmt.Errorf("resolve comment %s: %w", id, err)
	}
	if n == 0 {
		return fault.Conflict("comment.resolved", "The comment is resolved already.")
	}
	return nil
}

// SendComments marks the open comments of a change as sent with a decision, and
// returns them, oldest first.
func SendComments(ctx context.Context, tx *db.Tx, changeID, decisionID string) ([]Comment, error) {
	all, err := Comments(ctx, tx, changeID)
	if err != nil {
		return nil, err
	}
	var sent []Comment
	for _, c := range all {
		if c.Status != CommentOpen {
			continue
		}
		if _, err := tx.Exec(ctx, `UPDATE comments SET status = 'sent', decision_id = $2, version = version + 1 WHERE id = $1`, c.ID, decisionID); err != nil {
			return nil, fmt.Errorf("send comment %s: %w", c.ID, err)
		}
		sent = append(sent, c)
	}
	return sent, nil
}
