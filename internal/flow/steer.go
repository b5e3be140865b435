package flow

import (
	"context"
	"fmt"
	"slices"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/run"
)

// onRun lets fn act on a run of the open change in the name of a person who is
// there, and records what it says.
func (f *Flow) onRun(ctx context.Context, by gate.Decider, runID string, fn func(ctx context.Context, tx *db.Tx, s *State, r run.Run) (string, map[string]any, error)) error {
	if err := present(by); err != nil {
		return err
	}
	var r run.Run
	err := f.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		r, err = run.Get(ctx, tx, runID)
		return err
	})
	if err != nil {
		return err
	}
	return f.change(ctx, r.Project, func(ctx context.Context, tx *db.Tx, s *State) error {
		r, err := run.Get(ctx, tx, runID)
		if err != nil {
			return err
		}
		if r.Change != s.Change.ID || s.Change.Status != project.ChangeOpen {
			return fault.Conflict("change.ended", "The change that this run belongs to has ended.")
		}
		typ, data, err := fn(ctx, tx, s, r)
		if err != nil {
			return err
		}
		data["change"], data["gate"], data["role"] = s.Change.Number, r.Gate, r.Role
		if data["run"] == nil {
			data["run"] = runID
		}
		_, err = f.Record.Add(ctx, tx, r.Project, by.Actor, typ, data)
		return err
	})
}

// CancelRun ends an agent's run. Its gate waits: a blocker stands for the work that
// is not done, and when a person resolves it the task is begun anew.
func (f *Flow) CancelRun(ctx context.Context, by gate.Decider, runID, reason string) error {
	if err := project.CheckIdea("reason", reason); err != nil {
		return err
	}
	return f.onRun(ctx, by, runID, func(ctx context.Context, tx *db.Tx, s *State, r run.Run) (string, map[string]any, error) {
		if err := run.RequestCancel(ctx, tx, r.ID, reason); err != nil {
			return "", nil, err
		}
		if err := project.WithdrawQuestionsOf(ctx, tx, r.ID); err != nil {
			return "", nil, err
		}
		b := project.Blocker{
			Project: r.Project, Change: r.Change, Gate: r.Gate, Run: r.ID, Author: by.Actor.String(), Kind: project.BlockerCancelled, Severity: "critical",
			Title: "The run of the " + r.Role + " was cancelled", Detail: reason,
		}
		if err := f.raise(ctx, tx, s, by, &b); err != nil {
			return "", nil, err
		}
		f.halted(tx, r.Project)
		return "run.cancelled", map[string]any{"reason": reason, "blocker": b.ID}, nil
	})
}

func (f *Flow) raise(ctx context.Context, tx *db.Tx, s *State, by gate.Decider, b *project.Blocker) error {
	if err := project.RaiseBlocker(ctx, tx, b); err != nil {
		return err
	}
	_, err := f.Record.Add(ctx, tx, b.Project, by.Actor, "blocker.raised", map[string]any{
		"change": s.Change.Number, "gate": b.Gate, "blocker": b.ID, "title": b.Title, "severity": b.Severity,
	})
	return err
}

// PauseRun lets an agent stop before its next turn; ResumeRun lets it go on.
func (f *Flow) PauseRun(ctx context.Context, by gate.Decider, runID string) error {
	return f.onRun(ctx, by, runID, func(ctx context.Context, tx *db.Tx, _ *State, r run.Run) (string, map[string]any, error) {
		return "run.pause_requested", map[string]any{}, run.RequestPause(ctx, tx, r.ID)
	})
}

// ResumeRun lets a paused agent go on, unless the whole project is paused.
func (f *Flow) ResumeRun(ctx context.Context, by gate.Decider, runID string) error {
	return f.onRun(ctx, by, runID, func(ctx context.Context, tx *db.Tx, s *State, r run.Run) (string, map[string]any, error) {
		if s.Project.Paused {
			return "", nil, fault.Conflict("project.paused", "The whole project is paused. Resume the project.")
		}
		return "run.resumed", map[string]any{}, run.Resume(ctx, tx, f.Queue, r.ID)
	})
}

// SteerRun leaves a message for an agent at work, which reads it before its next
// turn.
func (f *Flow) SteerRun(ctx context.Context, by gate.Decider, runID, text string) (m project.Message, err error) {
	err = f.onRun(ctx, by, runID, func(ctx context.Context, tx *db.Tx, _ *State, r run.Run) (string, map[string]any, error) {
		if !r.Live() {
			return "", nil, fault.Conflict("run.ended", "Run %s has already %s. Reject its gate with a comment instead.", r.ID, r.Status)
		}
		var err error
		m, err = project.Steer(ctx, tx, r.ID, text, by.Actor)
		return "run.steered", map[string]any{"message": m.ID, "text": text}, err
	})
	return m, err
}

// RetryRun begins the task of a run that failed or was cancelled once more, from
// the end of a step of its journal, 0 for the beginning, and returns the new run.
func (f *Flow) RetryRun(ctx context.Context, by gate.Decider, runID string, step int64) (again run.Run, err error) {
	err = f.onRun(ctx, by, runID, func(ctx context.Context, tx *db.Tx, s *State, r run.Run) (string, map[string]any, error) {
		v := s.Gate(r.Gate)
		switch {
		case r.Live():
			return "", nil, fault.Conflict("run.live", "Run %s has not ended. Cancel it first.", r.ID)
		case r.Status == run.Succeeded:
			return "", nil, fault.Conflict("run.succeeded", "Run %s has succeeded, and its work is merged. Reject %s with a comment to have it done again.", r.ID, r.Gate)
		case v == nil || v.Status != gate.Pending || !newestOf(v, r.Task):
			return "", nil, fault.Conflict("run.past", "The work has gone on without run %s. Look at the newest run of %s.", r.ID, r.Gate)
		}
		task, err := project.GetTask(ctx, tx, r.Task)
		if err != nil {
			return "", nil, err
		}
		if again, err = run.Again(ctx, tx, f.Queue, r, step, base(s, task)); err != nil {
			return "", nil, err
		}
		why := fmt.Sprintf("begun again from step %d", step)
		for _, b := range v.Blockers {
			if !standsFor(b, v, r) {
				continue
			}
			if err := gate.MayDecide(by, v.Gate, v.Spec.Approval, nil); err != nil {
				return "", nil, err
			}
			if err := project.ResolveBlocker(ctx, tx, s.Change.ID, v.Code, b.ID, why, by.Actor); err != nil {
				return "", nil, err
			}
		}
		return "run.retried", map[string]any{"run": again.ID, "of": r.ID, "step": step, "task": r.Task}, nil
	})
	return again, err
}

// standsFor reports whether a blocker stands for the work of an ended run: the one by
// which it was cancelled, or that of a task that failed for good when no other role's
// has.
func standsFor(b project.Blocker, v *gate.View, r run.Run) bool {
	switch b.Kind {
	case project.BlockerCancelled:
		return b.Run == r.ID
	case project.BlockerTask:
		return !slices.ContainsFunc(v.Tasks, func(t project.Task) bool {
			return t.Role != r.Role && t.Round == v.Round && t.Status == project.TaskFailed && newestOf(v, t.ID)
		})
	}
	return false
}

// newestOf reports whether a task is the newest one of its role in the gate's round.
func newestOf(v *gate.View, taskID string) bool {
	newest := map[string]string{}
	role := ""
	for _, t := range v.Tasks {
		if t.Round == v.Round {
			newest[t.Role] = t.ID
		}
		if t.ID == taskID {
			role = t.Role
		}
	}
	return newest[role] == taskID
}

// Stop halts every agent of a project in the middle of what it does. Resuming the
// project lets them go on; a model call that was in flight is made again.
func (f *Flow) Stop(ctx context.Context, by gate.Decider, projectID string) error {
	if err := person(by); err != nil {
		return err
	}
	return f.change(ctx, projectID, func(ctx context.Context, tx *db.Tx, s *State) error {
		if err := project.SetPaused(ctx, tx, projectID, true); err != nil {
			return err
		}
		n, err := run.Halt(ctx, tx, projectID)
		if err != nil {
			return err
		}
		f.halted(tx, projectID)
		_, err = f.Record.Add(ctx, tx, projectID, by.Actor, "project.stopped", map[string]any{"change": s.Change.Number, "runs": n})
		return err
	})
}

// halted lets turns that are under way notice at once that they carry nothing any more.
func (f *Flow) halted(tx *db.Tx, projectID string) {
	tx.OnCommit(func() { f.Record.Bus.Publish(project.HaltChannel(projectID), nil) })
}

// RaiseBlocker records an obstacle that a person sees at a gate.
func (f *Flow) RaiseBlocker(ctx context.Context, by gate.Decider, projectID string, b project.Blocker) (project.Blocker, error) {
	err := f.atGate(ctx, by, projectID, b.Gate, func(ctx context.Context, tx *db.Tx, s *State) error {
		if err := project.CheckIdea("title", b.Title); err != nil {
			return err
		}
		b.Project, b.Change, b.Author, b.Kind = projectID, s.Change.ID, by.Actor.String(), project.BlockerPerson
		return f.raise(ctx, tx, s, by, &b)
	})
	return b, err
}

// AddNote records what a person wants others and later agents to know.
func (f *Flow) AddNote(ctx context.Context, by gate.Decider, projectID string, n project.Note) (project.Note, error) {
	err := f.atGate(ctx, by, projectID, n.Gate, func(ctx context.Context, tx *db.Tx, s *State) error {
		if err := project.CheckIdea("title", n.Title); err != nil {
			return err
		}
		n.Project, n.Change, n.Author = projectID, s.Change.ID, by.Actor.String()
		if err := project.AddNote(ctx, tx, &n); err != nil {
			return err
		}
		_, err := f.Record.Add(ctx, tx, projectID, by.Actor, "note.added", map[string]any{"change": s.Change.Number, "gate": n.Gate, "note": n.ID, "kind": n.Kind, "title": n.Title})
		return err
	})
	return n, err
}

// atGate lets fn act on a gate of the open change in the name of a person.
func (f *Flow) atGate(ctx context.Context, by gate.Decider, projectID, code string, fn func(ctx context.Context, tx *db.Tx, s *State) error) error {
	if err := present(by); err != nil {
		return err
	}
	return f.change(ctx, projectID, func(ctx context.Context, tx *db.Tx, s *State) error {
		if s.Change.Status != project.ChangeOpen {
			return fault.Conflict("change.ended", "Change %d has ended. Begin a new change.", s.Change.Number)
		}
		if !slices.ContainsFunc(s.Gates, func(v gate.View) bool { return v.Code == code }) {
			return fault.Invalid("gate.unknown", "There is no gate %q. The gates are G0 to G9.", code).WithDetails(fault.Detail{Field: "gate", Message: "there is no such gate"})
		}
		return fn(ctx, tx, s)
	})
}
