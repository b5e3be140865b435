package flow

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/agent"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/job"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/run"
)

// apply carries one action out and records it.
func (f *Flow) apply(ctx context.Context, tx *db.Tx, s *State, a Action) error {
	switch a.Kind {
	case CreateTasks:
		return f.createTasks(ctx, tx, s, a)
	case Retry, Repair:
		return f.sendBack(ctx, tx, s, a)
	case StartRun:
		r, err := run.Start(ctx, tx, f.Queue, a.Task, base(s, a.Task), f.Model)
		if err != nil {
			return err
		}
		return f.log(ctx, tx, s, "run.queued", map[string]any{"gate": a.Gate, "role": a.Task.Role, "task": a.Task.ID, "title": a.Task.Title, "run": r.ID})
	case RunChecks:
		return f.queueChecks(ctx, tx, s, a)
	case CarryForward:
		return f.carryForward(ctx, tx, s, a)
	case Release:
		if err := project.NameRelease(ctx, tx, s.Change.ID, a.Commit); err != nil {
			return err
		}
		return f.log(ctx, tx, s, "release.named", map[string]any{"gate": a.Gate, "commit": a.Commit})
	case Slow:
		return f.slow(ctx, tx, s, a)
	case AskMode:
		return f.askMode(ctx, tx, s, a)
	case Block:
		return f.block(ctx, tx, s, a)
	case Complete:
		if err := f.end(ctx, tx, s, project.ChangeCompleted, "the change is complete"); err != nil {
			return err
		}
		return f.log(ctx, tx, s, "change.completed", map[string]any{"number": s.Change.Number, "head": s.Project.Head})
	}
	return f.moveGate(ctx, tx, s, a)
}

// slow takes a change off the fast track. What was begun on it, before there were
// plans to work from, is done again when the turn of its gate comes.
func (f *Flow) slow(ctx context.Context, tx *db.Tx, s *State, a Action) error {
	if err := project.SetFast(ctx, tx, s.Change.ID, false); err != nil {
		return err
	}
	for i := range s.Gates {
		v := &s.Gates[i]
		if v.Status != gate.Pending && v.Status != gate.InReview || !v.Worked() {
			continue
		}
		const reason = "the change left the fast track"
		u := gate.Update{To: gate.Blocked, Stale: v.Stale, Reason: reason, NewRound: true}
		if err := f.putBack(ctx, tx, s, v, u, reason, project.Platform); err != nil {
			return err
		}
	}
	return f.log(ctx, tx, s, "change.slow", map[string]any{"reason": a.Reason})
}

// moves are the actions that only move a gate.
var moves = map[Kind]struct {
	from, to gate.Status
	event    string
	stale    bool
	round    bool
}{
	Open:      {gate.Blocked, gate.Pending, "gate.opened", false, false},
	Skip:      {gate.Blocked, gate.Skipped, "gate.skipped", false, false},
	Unskip:    {gate.Skipped, gate.Blocked, "gate.unskipped", false, false},
	MarkStale: {gate.Approved, gate.Approved, "gate.stale", true, false},
	Freshen:   {gate.Approved, gate.Approved, "gate.fresh", false, false},
	Delta:     {gate.Approved, gate.Pending, "gate.delta_review", true, true},
	Review:    {gate.Pending, gate.InReview, "gate.review", false, false},
	FallBack:  {gate.InReview, gate.Pending, "gate.fell_back", false, false},
	Rework:    {gate.Rejected, gate.Pending, "gate.rework", false, true},
}

func (f *Flow) moveGate(ctx context.Context, tx *db.Tx, s *State, a Action) error {
	m, ok := moves[a.Kind]
	if !ok {
		return fmt.Errorf("unknown action %s", a.Kind)
	}
	v := s.Gate(a.Gate)
	stale := m.stale
	if a.Kind == Review || a.Kind == FallBack || a.Kind == Open {
		stale = v.Stale // a delta review stays one until it is decided
	}
	reason := a.Reason
	if reason == "" && (a.Kind == Review || a.Kind == Delta) {
		reason = v.Reason
	}
	if err := gate.Move(ctx, tx, &v.Gate, gate.Update{From: m.from, To: m.to, Stale: stale, Reason: reason, NewRound: m.round}); err != nil {
		return err
	}
	if a.Kind == Review && v.Position == 0 {
		err := f.Queue.Insert(ctx, tx, creationJob{Project: s.Project.ID, Change: s.Change.ID}, job.Unique())
		if err != nil {
			return err
		}
	}
	return f.log(ctx, tx, s, m.event, map[string]any{"gate": a.Gate, "status": v.Status, "reason": a.Reason})
}

func (f *Flow) log(ctx context.Context, tx *db.Tx, s *State, typ string, data map[string]any) error {
	data["change"] = s.Change.Number
	_, err := f.Record.Add(ctx, tx, s.Project.ID, project.Platform, typ, data)
	return err
}

// base is the commit a run begins on: the head, or for a conflict task the
// branch whose work is to be merged.
func base(s *State, t project.Task) string {
	if t.Theirs != "" {
		return t.Theirs
	}
	return s.Project.Head
}

// createTasks plans one task for each role of the gate. In a later round it is
// rework, with the words of whoever sent it back.
func (f *Flow) createTasks(ctx context.Context, tx *db.Tx, s *State, a Action) error {
	v := s.Gate(a.Gate)
	kind, feedback := agent.KindBuild, ""
	if s.Change.Fast {
		kind = agent.KindFast
	}
	if v.Round > 1 {
		comment, err := f.lastWord(ctx, tx, s, v)
		if err != nil {
			return err
		}
		if comment != "" {
			kind, feedback = agent.KindRework, comment
		}
	}
	ids := map[string]string{}
	for _, g := range v.Spec.Agents {
		t := project.Task{
			Project: s.Project.ID, Change: s.Change.ID, Gate: v.Code, Role: g.Role, Kind: kind, Title: g.Title,
			Brief: g.Brief, Feedback: feedback, Priority: "high", Round: v.Round,
		}
		for _, role := range g.After {
			if id, ok := ids[role]; ok {
				t.After = append(t.After, id)
			}
		}
		if err := project.CreateTask(ctx, tx, &t); err != nil {
			return err
		}
		ids[g.Role] = t.ID
		if err := f.log(ctx, tx, s, "task.created", map[string]any{"gate": v.Code, "role": g.Role, "task": t.ID, "title": t.Title, "kind": kind}); err != nil {
			return err
		}
	}
	return nil
}

// lastWord is why the work of v is done again: the comment by which it, or a gate
// before it, was last sent back.
func (f *Flow) lastWord(ctx context.Context, tx *db.Tx, s *State, v *gate.View) (string, error) {
	all, err := gate.Decisions(ctx, tx, s.Change.ID)
	if err != nil {
		return "", err
	}
	for _, d := range slices.Backward(all) {
		to := s.Gate(d.Target)
		switch {
		case to == nil || d.Kind != gate.Reject && d.Kind != gate.Reopen || to.Position > v.Position:
		case to.Code == v.Code:
			return d.Comment, nil
		default:
			return fmt.Sprintf("%s was sent back: %s\n\nRead what was changed there, and bring this work into line with it. Leave what still fits.", to.Code, d.Comment), nil
		}
	}
	return "", nil
}

// sendBack makes a failed task anew, or a repair task from a red proof or an
// incomplete deliverable.
func (f *Flow) sendBack(ctx context.Context, tx *db.Tx, s *State, a Action) error {
	v := s.Gate(a.Gate)
	t := a.Task
	if a.Kind == Retry {
		why := "The attempt before failed: "
		if t.Status == project.TaskCancelled {
			why = "A person cancelled the attempt before: "
		}
		t = project.Task{
			Project: t.Project, Change: t.Change, Gate: t.Gate, Role: t.Role, Kind: t.Kind, Title: t.Title, Brief: t.Brief,
			Feedback: strings.TrimSpace(t.Feedback + "\n\n" + why + t.Reason), Priority: t.Priority, Round: v.Round, After: t.After, Theirs: t.Theirs,
		}
	} else {
		feedback, err := f.withLogs(ctx, tx, a.Feedback)
		if err != nil {
			return err
		}
		t = project.Task{
			Project: s.Project.ID, Change: s.Change.ID, Gate: v.Code, Role: a.Task.Role, Kind: agent.KindRepair, Priority: "critical",
			Title: "Repair what " + v.Code + " is missing", Brief: "A check or a deliverable of " + v.Code + " is not right yet. Find the cause and mend it.",
			Feedback: feedback, Round: v.Round,
		}
	}
	if err := project.CreateTask(ctx, tx, &t); err != nil {
		return err
	}
	return f.log(ctx, tx, s, "task.created", map[string]any{"gate": v.Code, "role": t.Role, "task": t.ID, "title": t.Title, "kind": t.Kind, "again": a.Kind})
}

// logTail is how many bytes of a failing proof's log a repair task carries.
const logTail = 6000

// withLogs replaces each line "proof:ID" of feedback by the end of its log.
func (f *Flow) withLogs(ctx context.Context, tx *db.Tx, feedback string) (string, error) {
	var out []string
	for _, line := range strings.Split(feedback, "\n") {
		id, ok := strings.CutPrefix(line, "proof:")
		if !ok {
			out = append(out, line)
			continue
		}
		row, err := proof.Get(ctx, tx, id)
		if err != nil {
			return "", err
		}
		if row.LogKey == "" {
			continue
		}
		log, err := f.Blobs.Get(ctx, row.LogKey)
		if err != nil {
			return "", fmt.Errorf("read log of %s: %w", id, err)
		}
		out = append(out, string(log[max(0, len(log)-logTail):]))
	}
	return strings.Join(out, "\n"), nil
}

// queueChecks asks for proofs of the head, or of the release commit.
func (f *Flow) queueChecks(ctx context.Context, tx *db.Tx, s *State, a Action) error {
	v := s.Gate(a.Gate)
	for _, typ := range a.Types {
		commit := s.Project.Head
		release := slices.ContainsFunc(v.Required, func(r gate.Required) bool { return r.Type == typ && r.Release })
		if release {
			commit = s.Change.ReleaseCommit
		}
		id, err := f.ask(ctx, tx, s, v.Code, typ, commit, release, "platform")
		if err != nil {
			return err
		}
		if err := f.log(ctx, tx, s, "proof.queued", map[string]any{"gate": v.Code, "proof": id, "type": typ, "commit": commit}); err != nil {
			return err
		}
	}
	return nil
}

func (f *Flow) carryForward(ctx context.Context, tx *db.Tx, s *State, a Action) error {
	v := s.Gate(a.Gate)
	c := gate.Carry{Change: s.Change.ID, Code: v.Code, Decision: v.Approval.ID, Head: s.Project.Head, WorkDigest: v.WorkDigest}
	if err := gate.CarryForward(ctx, tx, &c); err != nil {
		return err
	}
	return f.log(ctx, tx, s, "gate.carried_forward", map[string]any{"gate": v.Code, "head": c.Head, "digest": c.WorkDigest})
}

// askMode asks where the project goes live, once it matters.
func (f *Flow) askMode(ctx context.Context, tx *db.Tx, s *State, a Action) error {
	q := project.Question{
		Project: s.Project.ID, Change: s.Change.ID, Gate: a.Gate, Kind: project.QuestionMode, Blocking: true,
		Text:    "Where does the project go live? local_only stops after a local staging run; required goes on to production at G9.",
		Options: []string{"local_only", "required"}, Suggestion: "local_only",
	}
	if err := project.Ask(ctx, tx, &q); err != nil {
		return err
	}
	return f.log(ctx, tx, s, "question.asked", map[string]any{"gate": a.Gate, "question": q.ID, "kind": q.Kind, "text": q.Text})
}

// block asks a person to look: what agents could do has not helped.
func (f *Flow) block(ctx context.Context, tx *db.Tx, s *State, a Action) error {
	b := project.Blocker{
		Project: s.Project.ID, Change: s.Change.ID, Gate: a.Gate, Kind: a.Task.Kind, Severity: "critical", Title: a.Reason,
		Detail: a.Feedback,
	}
	if err := project.RaiseBlocker(ctx, tx, &b); err != nil {
		return err
	}
	return f.log(ctx, tx, s, "blocker.raised", map[string]any{"gate": a.Gate, "blocker": b.ID, "title": b.Title, "severity": b.Severity})
}
