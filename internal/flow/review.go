package flow

import (
	"context"
	"fmt"
	"strings"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
)

// AddComment records a person's word on a file of the open change; users are those
// that it speaks to.
func (f *Flow) AddComment(ctx context.Context, by gate.Decider, projectID string, c project.Comment, users []string) (project.Comment, error) {
	err := f.onComments(ctx, by, projectID, func(ctx context.Context, tx *db.Tx, s *State) error {
		if s.Change.Status != project.ChangeOpen {
			return project.EndedError(s.Change)
		}
		c.Project, c.Change = projectID, s.Change.ID
		if err := project.AddComment(ctx, tx, &c, by.Actor); err != nil {
			return err
		}
		if err := project.Mention(ctx, tx, c.ID, users); err != nil {
			return err
		}
		return f.said(ctx, tx, s, by, "comment.added", c)
	})
	return c, err
}

// ResolveComment settles a comment: it does not go back to the agents any more.
func (f *Flow) ResolveComment(ctx context.Context, by gate.Decider, c project.Comment) error {
	return f.onComments(ctx, by, c.Project, func(ctx context.Context, tx *db.Tx, s *State) error {
		if err := project.ResolveComment(ctx, tx, c.ID); err != nil {
			return err
		}
		return f.said(ctx, tx, s, by, "comment.resolved", c)
	})
}

func (f *Flow) said(ctx context.Context, tx *db.Tx, s *State, by gate.Decider, typ string, c project.Comment) error {
	_, err := f.Record.Add(ctx, tx, c.Project, by.Actor, typ, map[string]any{"change": s.Change.Number, "comment": c.ID, "path": c.Path, "line": c.Line})
	return err
}

func (f *Flow) onComments(ctx context.Context, by gate.Decider, projectID string, fn func(ctx context.Context, tx *db.Tx, s *State) error) error {
	if err := present(by); err != nil {
		return err
	}
	return f.change(ctx, projectID, fn)
}

// review adds to the comment of a decision that sends work back what people have
// written on files and nobody has settled: the agents get all of it as one.
func review(ctx context.Context, tx *db.Tx, s *State, decisionID, comment string) (string, error) {
	sent, err := project.SendComments(ctx, tx, s.Change.ID, decisionID)
	if err != nil || len(sent) == 0 {
		return comment, err
	}
	var b strings.Builder
	b.WriteString(strings.TrimSpace(comment) + "\n\nComments on files:\n")
	for _, c := range sent {
		at := c.Path
		if c.Line > 0 {
			at = fmt.Sprintf("%s, line %d of commit %.12s", c.Path, c.Line, c.Commit)
		}
		fmt.Fprintf(&b, "\n- %s: %s", at, strings.ReplaceAll(strings.TrimSpace(c.Text), "\n", "\n  "))
	}
	if b.Len() > project.MaxIdea {
		return "", fault.TooLarge("review.too_large", "The comment and the %d open comments on files have %d bytes together, more than %d. Resolve some of them.", len(sent), b.Len(), project.MaxIdea)
	}
	return b.String(), nil
}
