package run

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/layercake-app/layercake/internal/agent"
	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/document"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/repo"
)

// brief assembles the prompt and writes it down with the run.
func (t *turn) brief(ctx context.Context, r *repo.Repo) error {
	files, err := r.Files(ctx, t.run.Base)
	if err != nil {
		return fmt.Errorf("list files of %s: %w", t.run.ID, err)
	}
	b := agent.Brief{
		Role: t.run.Role, Gate: t.run.Gate, Idea: t.change.Idea, OriginalIdea: t.project.Idea,
		Task: t.task.Title + "\n" + t.task.Brief, Feedback: t.task.Feedback,
		Project: agent.Project{
			Name: t.project.Name, Type: t.project.Type, Mode: t.project.Mode, Tier: t.project.Tier,
			Teaching: t.project.Teaching, Change: int(t.change.Number), Kind: t.task.Kind,
		},
	}
	for _, f := range files {
		if !strings.HasPrefix(f.Path, ".layercake/evidence/") {
			b.Files = append(b.Files, f.Path)
		}
	}
	if b.Deliverables, err = t.owed(ctx, r, files); err != nil {
		return err
	}
	err = t.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		return t.memory(ctx, tx, &b)
	})
	if err != nil {
		return err
	}
	system, first, err := agent.Prompt(b)
	if err != nil {
		return err
	}
	return t.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE runs SET opening = $2, system = $3 WHERE id = $1`, t.run.ID, first, system); err != nil {
			return fmt.Errorf("write prompt of %s down: %w", t.run.ID, err)
		}
		t.run.Opening, t.run.System = first, system
		return nil
	})
}

// owed lists what the run's role owes at its gate, with its state at the base.
func (t *turn) owed(ctx context.Context, r *repo.Repo, files []repo.File) ([]agent.Deliverable, error) {
	b, err := blueprint.Parse([]byte(t.change.Blueprint))
	if err != nil {
		return nil, fmt.Errorf("read blueprint of %s: %w", t.change.ID, err)
	}
	g, ok := b.Gate(t.run.Gate)
	if !ok {
		return nil, nil
	}
	facts := project.Facts(t.project, t.change, proof.Facts(files, func(path string) ([]byte, error) { return r.Read(ctx, t.run.Base, path) }))
	var out []agent.Deliverable
	for _, d := range g.Deliverables {
		if d.Role != t.run.Role || !b.Holds(d.When, facts) {
			continue
		}
		state := "missing"
		for _, f := range files {
			if !repo.Match([]string{d.Path}, f.Path) {
				continue
			}
			state = "present"
			content, err := r.Read(ctx, t.run.Base, f.Path)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", f.Path, err)
			}
			if found := document.Validate(d.Kind, f.Path, d.Sections, content); len(found) > 0 {
				state = "incomplete: " + found[0].Message
			}
		}
		out = append(out, agent.Deliverable{Path: d.Path, Kind: d.Kind, State: state})
	}
	return out, nil
}

// memory adds what was answered, decided and chosen in this change.
func (t *turn) memory(ctx context.Context, tx *db.Tx, b *agent.Brief) error {
	questions, err := project.Questions(ctx, tx, t.run.Change)
	if err != nil {
		return err
	}
	for _, q := range questions {
		if q.Status == "answered" && q.Kind == project.QuestionAgent {
			b.Answers = append(b.Answers, agent.Answer{Question: q.Text, Answer: q.Answer, Method: q.Method})
		}
	}
	notes, err := project.Notes(ctx, tx, t.run.Change)
	if err != nil {
		return err
	}
	for _, n := range notes {
		b.Notes = append(b.Notes, n.Kind+" at "+n.Gate+": "+n.Title+". "+n.Body)
	}
	designs, err := project.Designs(ctx, tx, t.run.Change)
	if err != nil {
		return err
	}
	for _, d := range designs {
		if d.Selected {
			b.Notes = append(b.Notes, "design: "+strconv.FormatInt(d.Number, 10))
		}
	}
	return nil
}
