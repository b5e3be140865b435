package run

import (
	"context"
	"fmt"
	"strings"

	"github.com/layercake-app/layercake/internal/agent"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/llm"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/sandbox"
)

// act carries out one tool call and journals it. It reports false when the turn
// ends here: the run waits for an answer, or has ended.
func (t *turn) act(ctx context.Context, c llm.Call) (bool, error) {
	if c.Name == "ask_human" {
		if done, goOn, err := t.answered(ctx, c); done || err != nil {
			return goOn, err
		}
	}
	began := db.Now()
	env, err := t.env(ctx, c.Name)
	if err != nil {
		return false, err
	}
	out := agent.Call(ctx, env, c)
	if ctx.Err() != nil {
		return false, fmt.Errorf("call %s: %w", c.Name, ctx.Err())
	}
	if out.Err != nil {
		t.Log.ErrorContext(ctx, "tool call failed", "run", t.run.ID, "tool", c.Name, "error", out.Err)
	}
	commit := t.run.Commit
	if changesFiles(c.Name) {
		if commit, err = t.commit(ctx, c, &out); err != nil {
			return false, err
		}
	}
	s := Step{
		Run: t.run.ID, Seq: t.journal.seq + 1, Turn: t.journal.turn, Kind: StepTool, Name: c.Name, Call: c.ID,
		InputDigest: digest(c.Name, string(c.Input)), Input: string(c.Input), Output: out.Content, IsError: out.IsError,
		Commit: commit, StartedAt: began, EndedAt: db.Now(),
	}
	switch effect := out.Effect.(type) {
	case agent.Finish:
		return t.deliver(ctx, s, effect.Summary)
	case agent.Ask:
		return t.ask(ctx, c, s, effect)
	}
	err = t.journalTool(ctx, s, func(ctx context.Context, tx *db.Tx) error {
		return t.effect(ctx, tx, out.Effect)
	})
	return err == nil, err
}

// changesFiles reports whether a tool can have changed the workspace.
func changesFiles(tool string) bool {
	switch tool {
	case "write_file", "edit_file", "save_design", "run_command":
		return true
	}
	return false
}

// env is what a tool call of this run may touch.
func (t *turn) env(ctx context.Context, tool string) (agent.Env, error) {
	open, err := t.recipesOpen(ctx)
	if err != nil {
		return agent.Env{}, err
	}
	var command sandbox.Spec
	if tool == "run_command" {
		if command, err = t.Checks.Command(ctx, t.run.ID); err != nil {
			return agent.Env{}, fmt.Errorf("prepare commands of %s: %w", t.run.ID, err)
		}
	}
	return agent.Env{
		Tree: t.tree, Sandbox: t.Sandbox, Command: command, Role: t.run.Role, Gate: t.run.Gate, RecipesOpen: open,
		Checks: func(ctx context.Context, types []string) (string, error) {
			s := proof.Subject{Project: t.run.Project, Change: t.run.Change, Gate: t.run.Gate}
			return t.Checks.Preliminary(ctx, s, t.tree.Dir(), types)
		},
	}, nil
}

// recipesOpen reports whether .layercake/checks.yaml may still be written: by
// the architect, while G3 is at work.
func (t *turn) recipesOpen(ctx context.Context) (bool, error) {
	if t.run.Role != "architect" || t.run.Gate != "G3" {
		return false, nil
	}
	var status string
	err := t.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		return tx.One(ctx, &status, `SELECT status FROM gates WHERE change_id = $1 AND code = 'G3'`, t.run.Change)
	})
	if err != nil {
		return false, fmt.Errorf("read state of G3: %w", err)
	}
	return status == "PENDING", nil
}

// Writable is the rule for `.layercake/`: it belongs to the platform, except for
// the check recipes that the architect writes before G3 is decided.
func Writable(role, gate string) func(path string) bool {
	return func(path string) bool {
		return path == ".layercake/checks.yaml" && role == "architect" && gate == "G3"
	}
}

// commit records what the call changed. What may not be committed is undone,
// and the agent is told why.
func (t *turn) commit(ctx context.Context, c llm.Call, out *agent.Outcome) (string, error) {
	spec := repo.CommitSpec{
		Parent: t.run.Commit, Author: signature(t.run.Role), When: db.Now().Time,
		Message:  headline(c),
		Trailers: [][2]string{{"Run", t.run.ID}, {"Gate", t.run.Gate}, {"Change", fmt.Sprint(t.change.Number)}},
		Allow:    Writable(t.run.Role, t.run.Gate),
	}
	commit, _, err := t.tree.Commit(ctx, spec)
	if err == nil {
		return commit, nil
	}
	if fault.Ours(err) {
		return "", fmt.Errorf("commit step of %s: %w", t.run.ID, err)
	}
	if err := t.tree.Reset(ctx, t.run.Commit); err != nil {
		return "", fmt.Errorf("undo step of %s: %w", t.run.ID, err)
	}
	out.IsError, out.Effect = true, nil
	out.Content = "The change was undone: " + fault.Public(err)
	return t.run.Commit, nil
}

// headline says in a commit's first line what a call changed.
func headline(c llm.Call) string {
	what := about(Step{Input: string(c.Input)})
	switch c.Name {
	case "write_file":
		return "Write " + what
	case "edit_file":
		return "Edit " + what
	case "save_design":
		return "Save the design " + what
	}
	return "Keep what a command changed"
}

func signature(role string) repo.Signature {
	return repo.Signature{Name: role, Email: role + "@agents.layercake.invalid"}
}

// journalTool writes the step, the run's new commit and the effect together.
func (t *turn) journalTool(ctx context.Context, s Step, also func(ctx context.Context, tx *db.Tx) error) error {
	err := t.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := addStep(ctx, tx, s); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE runs SET commit_hash = $2 WHERE id = $1`, t.run.ID, s.Commit); err != nil {
			return fmt.Errorf("advance run %s: %w", t.run.ID, err)
		}
		if err := t.event(ctx, tx, "step.tool", map[string]any{"seq": s.Seq, "tool": s.Name, "about": about(s), "error": s.IsError}); err != nil {
			return err
		}
		return also(ctx, tx)
	})
	if err != nil {
		return err
	}
	t.journal.seq, t.run.Commit = s.Seq, s.Commit
	t.journal.steps = append(t.journal.steps, s)
	return nil
}

// about is what a progress line says of a tool call: the path it touched, or
// the first words of its input.
func about(s Step) string {
	in := struct{ Path, Pattern, Query, Question, Title, Summary string }{}
	if err := unmarshal(s.Input, &in); err != nil {
		return "malformed input"
	}
	for _, v := range []string{in.Path, in.Question, in.Title, in.Query, in.Pattern, in.Summary} {
		if v != "" {
			r := []rune(strings.Join(strings.Fields(v), " "))
			return string(r[:min(len(r), 100)])
		}
	}
	return ""
}

// effect writes what the tool wants in the database.
func (t *turn) effect(ctx context.Context, tx *db.Tx, e agent.Effect) error {
	note := project.Note{Project: t.run.Project, Change: t.run.Change, Gate: t.run.Gate, Run: t.run.ID}
	switch e := e.(type) {
	case nil:
		return nil
	case agent.Decision:
		note.Kind, note.Title, note.Body = "decision", e.Title, e.Decision+" Because: "+e.Reason
		return project.AddNote(ctx, tx, &note)
	case agent.Risk:
		note.Kind, note.Title, note.Body, note.Likelihood, note.Impact = "risk", e.Title, e.Detail, e.Likelihood, e.Impact
		return project.AddNote(ctx, tx, &note)
	case agent.Blocker:
		b := project.Blocker{
			Project: t.run.Project, Change: t.run.Change, Gate: t.run.Gate, Run: t.run.ID, Kind: project.BlockerAgent,
			Title: e.Title, Detail: e.Detail, Severity: e.Severity,
		}
		if err := project.RaiseBlocker(ctx, tx, &b); err != nil {
			return err
		}
		return t.event(ctx, tx, "blocker.raised", map[string]any{"blocker": b.ID, "title": b.Title, "severity": b.Severity})
	case agent.Design:
		return project.SaveDesign(ctx, tx, &project.Design{
			Change: t.run.Change, Number: int64(e.Number), Title: e.Title, Path: e.Path, Rationale: e.Rationale, Recommended: e.Recommended,
		})
	}
	return fmt.Errorf("unknown effect %T", e)
}

// ask stores a question with its journal row. A blocking one is journalled only
// when it is answered; until then the run waits.
func (t *turn) ask(ctx context.Context, c llm.Call, s Step, e agent.Ask) (bool, error) {
	q := project.Question{
		Project: t.run.Project, Change: t.run.Change, Gate: t.run.Gate, Run: t.run.ID, Call: c.ID, Kind: project.QuestionAgent,
		Text: e.Question, Options: e.Options, Suggestion: e.Suggestion, Blocking: e.Blocking,
	}
	store := func(ctx context.Context, tx *db.Tx) error {
		if err := project.Ask(ctx, tx, &q); err != nil {
			return err
		}
		return t.event(ctx, tx, "question.asked", map[string]any{"question": q.ID, "kind": q.Kind, "text": q.Text, "blocking": q.Blocking})
	}
	if !e.Blocking {
		err := t.journalTool(ctx, s, store)
		return err == nil, err
	}
	err := t.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := store(ctx, tx); err != nil {
			return err
		}
		if err := t.wait(ctx, tx, WaitQuestion); err != nil {
			return err
		}
		return t.wakeFlow(ctx, tx)
	})
	return false, err
}

// answered looks for the question that this call has asked before. done is
// true when there is one: then the answer is journalled, or the run waits on.
func (t *turn) answered(ctx context.Context, c llm.Call) (done, goOn bool, err error) {
	var asked *project.Question
	err = t.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		all, err := project.Questions(ctx, tx, t.run.Change)
		for i := range all {
			if all[i].Run == t.run.ID && all[i].Call == c.ID {
				asked = &all[i]
			}
		}
		return err
	})
	if err != nil || asked == nil {
		return false, false, err
	}
	if asked.Status == "open" {
		return true, false, t.write(ctx, func(ctx context.Context, tx *db.Tx) error { return t.wait(ctx, tx, WaitQuestion) })
	}
	s := Step{
		Run: t.run.ID, Seq: t.journal.seq + 1, Turn: t.journal.turn, Kind: StepTool, Name: c.Name, Call: c.ID,
		InputDigest: digest(c.Name, string(c.Input)), Input: string(c.Input), Output: agent.Told(asked.Answer, asked.Method), Commit: t.run.Commit,
		StartedAt: asked.CreatedAt, EndedAt: db.Now(),
	}
	if asked.Status == "withdrawn" {
		s.Output, s.IsError = "The question was withdrawn. Go on with what you know.", true
	}
	err = t.journalTool(ctx, s, func(context.Context, *db.Tx) error { return nil })
	return true, err == nil, err
}

// deliver merges the run's branch into the project's head and ends the run. A
// conflict becomes a task of its own for this role. It reports true when the
// run goes on, because a conflict it should have resolved is still there.
func (t *turn) deliver(ctx context.Context, s Step, summary string) (bool, error) {
	r := t.Repos.Repo(t.run.Project)
	if left, err := t.unresolved(ctx, r); len(left) > 0 || err != nil {
		if err != nil {
			return false, err
		}
		s.Output, s.IsError = "Not finished: conflict markers are left in "+strings.Join(left, ", ")+". Write each of these files as it should be, then call finish_task.", true
		err := t.journalTool(ctx, s, func(context.Context, *db.Tx) error { return nil })
		return err == nil, err
	}
	for range 50 {
		head, err := t.head(ctx)
		if err != nil {
			return false, err
		}
		merged, err := r.Merge(ctx, head, t.run.Commit, repo.CommitSpec{
			Author: signature(t.run.Role), When: db.Now().Time, Message: t.run.Gate + ": work of the " + t.run.Role + "\n\n" + t.task.Title + ". " + t.task.Brief + "\n\n" + summary,
			Trailers: [][2]string{{"Run", t.run.ID}, {"Gate", t.run.Gate}, {"Change", fmt.Sprint(t.change.Number)}},
			Allow:    Writable(t.run.Role, t.run.Gate),
		})
		if err != nil && !fault.Ours(err) {
			return false, t.fail(ctx, "its work cannot be merged: %s", fault.Public(err))
		}
		if err != nil {
			return false, fmt.Errorf("merge %s: %w", t.run.ID, err)
		}
		if len(merged.Conflicts) > 0 {
			return false, t.conflict(ctx, s, head, merged)
		}
		moved, err := t.land(ctx, s, head, merged.Commit, summary)
		if err != nil || moved {
			return false, err
		}
	}
	return false, t.fail(ctx, "the project's head moved again and again while its work was being merged")
}

// unresolved lists the files of a conflict task in which markers are left.
func (t *turn) unresolved(ctx context.Context, r *repo.Repo) ([]string, error) {
	if t.task.Kind != agent.KindConflict {
		return nil, nil
	}
	changed, err := r.Changed(ctx, t.change.BaseCommit, t.run.Commit)
	if err != nil {
		return nil, fmt.Errorf("look for conflict markers: %w", err)
	}
	var left []string
	for _, path := range changed {
		content, err := r.Read(ctx, t.run.Commit, path)
		if fault.KindOf(err) == fault.KindNotFound {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for conflict markers: %w", err)
		}
		if hasMarkers(content) {
			left = append(left, path)
		}
	}
	return left, nil
}

// hasMarkers reports whether content has the lines by which git marks both
// sides of a conflict.
func hasMarkers(content []byte) bool {
	text := "\n" + string(content)
	return strings.Contains(text, "\n<<<<<<< ") && strings.Contains(text, "\n>>>>>>> ")
}

func (t *turn) head(ctx context.Context) (string, error) {
	var head string
	err := t.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		p, err := project.Get(ctx, tx, t.run.Project)
		head = p.Head
		return err
	})
	return head, err
}

// errMoved rolls a landing back whose head has moved meanwhile.
var errMoved = fault.Conflict("head.moved", "The project's head has moved.")

// land moves the head to the merged commit and ends the run, in one
// transaction. It reports false when the head had moved meanwhile.
func (t *turn) land(ctx context.Context, s Step, head, merged, summary string) (bool, error) {
	err := t.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if merged != head {
			ok, err := project.MoveHead(ctx, tx, project.Move{Project: t.run.Project, From: head, To: merged, Kind: "run", Actor: t.actor(), Gate: t.run.Gate})
			if err != nil {
				return err
			}
			if !ok {
				return errMoved
			}
		}
		if err := addStep(ctx, tx, s); err != nil {
			return err
		}
		note := project.Note{Project: t.run.Project, Change: t.run.Change, Gate: t.run.Gate, Run: t.run.ID, Kind: "handoff", Title: t.run.Role + " has finished", Body: summary}
		if err := project.AddNote(ctx, tx, &note); err != nil {
			return err
		}
		return t.finish(ctx, tx, Succeeded, summary)
	})
	if f, ok := fault.As(err); ok && f.Code == errMoved.Code {
		return false, nil
	}
	return err == nil, err
}

// conflict ends the run and gives its role a task to merge both sides. After
// maxConflicts such tasks in one round it fails, and a human is asked.
func (t *turn) conflict(ctx context.Context, s Step, head string, merged repo.MergeResult) error {
	var names []string
	for _, c := range merged.Conflicts {
		names = append(names, c.Path)
	}
	return t.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		all, err := project.Tasks(ctx, tx, t.run.Change)
		if err != nil {
			return err
		}
		before := 0
		for _, o := range all {
			if o.Kind == agent.KindConflict && o.Gate == t.run.Gate && o.Role == t.run.Role && o.Round == t.task.Round {
				before++
			}
		}
		s.Output, s.IsError = "The work conflicts with what others merged, in "+strings.Join(names, ", ")+".", true
		if err := addStep(ctx, tx, s); err != nil {
			return err
		}
		if before >= maxConflicts {
			return t.finish(ctx, tx, Failed, "its work still conflicts with that of others in "+strings.Join(names, ", "))
		}
		next := project.Task{
			Project: t.run.Project, Change: t.run.Change, Gate: t.run.Gate, Role: t.run.Role, Kind: agent.KindConflict, Priority: "critical",
			Title: "Merge both sides of " + strings.Join(names, ", "), Round: t.task.Round, Theirs: merged.Marked,
			Brief:    "Two agents changed the same lines. Write each file so that the purpose of both sides is kept, then call finish_task.",
			Feedback: bothSides(merged.Conflicts),
		}
		if err := project.CreateTask(ctx, tx, &next); err != nil {
			return err
		}
		if err := t.event(ctx, tx, "merge.conflict", map[string]any{"paths": names, "task": next.ID, "head": head}); err != nil {
			return err
		}
		return t.finish(ctx, tx, Succeeded, "its work conflicts with that of others; a task to merge both sides was made")
	})
}

func bothSides(conflicts []repo.Conflict) string {
	var b strings.Builder
	for _, c := range conflicts {
		fmt.Fprintf(&b, "conflict in %s\n--- ours (already merged)\n%s\n--- theirs (this role's)\n%s\n--- end\n", c.Path, c.Ours, c.Theirs)
	}
	return b.String()
}
