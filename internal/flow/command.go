package flow

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/job"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/run"
)

// person refuses whoever is not a person with a say in the project.
func person(by gate.Decider) error {
	if by.Actor.Kind != event.Person || by.Actor.ID == "" {
		return fault.Forbidden("person.required", "Only a person may do this.")
	}
	if by.Method != gate.Session && by.Method != gate.Terminal && by.Method != gate.Delegated {
		return fault.Forbidden("person.method", "This is done by a signed-in person or at the terminal.")
	}
	if !slices.Contains(blueprint.ApprovalRoles, by.Role) {
		return fault.Forbidden("person.role", "This is done by an %s; your role is %q.", strings.Join(blueprint.ApprovalRoles, " or "), by.Role)
	}
	return nil
}

// present refuses whoever is not a person that is really there. What changes
// money, rules or evidence is never delegated.
func present(by gate.Decider) error {
	if err := person(by); err != nil {
		return err
	}
	if by.Method == gate.Delegated {
		return fault.Forbidden("person.present", "This needs a person who is signed in or at the terminal; it is never delegated.")
	}
	return nil
}

// Answer records a person's answer and lets what waited for it go on. A
// delegated answer is accepted for what agents ask and for the deployment mode;
// budgets and loops need somebody who is there.
func (f *Flow) Answer(ctx context.Context, by gate.Decider, questionID, answer string) error {
	var q project.Question
	err := f.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		q, err = project.GetQuestion(ctx, tx, questionID)
		return err
	})
	if err != nil {
		return err
	}
	allowed := person
	if q.Kind == project.QuestionBudget || q.Kind == project.QuestionStuck {
		allowed = present
	}
	if err := allowed(by); err != nil {
		return err
	}
	return f.change(ctx, q.Project, func(ctx context.Context, tx *db.Tx, s *State) error {
		if err := project.Answer(ctx, tx, q.ID, answer, by.Actor, string(by.Method)); err != nil {
			return err
		}
		if _, err := f.Record.Add(ctx, tx, q.Project, by.Actor, "question.answered", map[string]any{
			"change": s.Change.Number, "gate": q.Gate, "question": q.ID, "kind": q.Kind, "answer": answer, "method": by.Method,
		}); err != nil {
			return err
		}
		return f.heed(ctx, tx, q, answer, by)
	})
}

// heed does what the answer asks for.
func (f *Flow) heed(ctx context.Context, tx *db.Tx, q project.Question, answer string, by gate.Decider) error {
	switch q.Kind {
	case project.QuestionBudget:
		micro, err := ParseUSD(answer)
		if err != nil {
			return err
		}
		if micro == 0 {
			return fault.Invalid("answer.budget", "0 would lift the cap altogether. Answer with the new budget in USD, for example 5 or 2.50.")
		}
		if err := project.SetBudget(ctx, tx, q.Project, micro); err != nil {
			return err
		}
		return run.WakeFunded(ctx, tx, f.Queue, q.Project)
	case project.QuestionMode:
		mode := strings.ToLower(strings.TrimSpace(answer))
		if mode != "local_only" && mode != "required" {
			return fault.Invalid("answer.mode", "Answer local_only or required, not %q.", answer)
		}
		return project.SetMode(ctx, tx, q.Project, mode)
	case project.QuestionStuck:
		if _, err := project.Steer(ctx, tx, q.Run, answer, by.Actor); err != nil {
			return err
		}
	}
	if !q.Blocking {
		_, err := project.Steer(ctx, tx, q.Run, "Answer to your question \""+q.Text+"\": "+answer, by.Actor)
		return err
	}
	return run.WakeAnswered(ctx, tx, f.Queue, q.Run)
}

// ParseUSD reads an amount of money as micro-USD: "5", "2.50", "$12".
func ParseUSD(text string) (int64, error) {
	trimmed := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), "$"))
	v, err := strconv.ParseFloat(trimmed, 64)
	if err != nil || v < 0 || v > 1e9 || v != v {
		return 0, fault.Invalid("budget.invalid", "%q is no amount of US dollars. Write for example 5 or 2.50.", text)
	}
	micro := int64(v*1e6 + 0.5)
	if v > 0 && micro == 0 {
		return 0, fault.Invalid("budget.invalid", "%q is less than a millionth of a US dollar, and no budget. Write for example 5 or 2.50.", text)
	}
	return micro, nil
}

// SetBudget gives a project a new cap in micro-USD, 0 for none, and lets runs
// that waited for money go on. A delegation may set a first cap or lower one;
// only who is there raises it.
func (f *Flow) SetBudget(ctx context.Context, by gate.Decider, projectID string, micro int64) error {
	if err := person(by); err != nil {
		return err
	}
	there := present(by)
	if there != nil && (by.Method != gate.Delegated || micro == 0) {
		return there
	}
	return f.change(ctx, projectID, func(ctx context.Context, tx *db.Tx, s *State) error {
		if has := s.Project.BudgetMicro; there != nil && has > 0 && micro > has {
			return fault.Forbidden("budget.raise", "The budget is %s, and a delegation may lower it but not raise it to %s. Run the same command at a terminal, without --auto-approve, to raise it.", run.USD(has), run.USD(micro))
		}
		if err := project.SetBudget(ctx, tx, projectID, micro); err != nil {
			return err
		}
		if _, err := f.Record.Add(ctx, tx, projectID, by.Actor, "budget.set", map[string]any{"change": s.Change.Number, "micro": micro}); err != nil {
			return err
		}
		for _, v := range s.Gates {
			for _, q := range v.Questions {
				if q.Kind != project.QuestionBudget || there != nil {
					continue // with no more money than before the question stays
				}
				if err := project.Answer(ctx, tx, q.ID, run.USD(micro), by.Actor, string(by.Method)); err != nil {
					return err
				}
			}
		}
		if there != nil {
			return nil
		}
		return run.WakeFunded(ctx, tx, f.Queue, projectID)
	})
}

// Waive sets a rule of a gate aside.
func (f *Flow) Waive(ctx context.Context, by gate.Decider, projectID string, w gate.Waiver) (gate.Waiver, error) {
	err := f.byPerson(ctx, by, projectID, w.Code, func(ctx context.Context, tx *db.Tx, s *State) (string, map[string]any, error) {
		w.Change, w.CreatedBy = s.Change.ID, by.Actor.String()
		err := gate.Waive(ctx, tx, &w)
		return "waiver.granted", map[string]any{"waiver": w.ID, "rule": w.Rule, "subject": w.Subject, "owner": w.Owner, "reason": w.Reason, "expiresAt": w.ExpiresAt}, err
	})
	return w, err
}

// CloseWaiver ends a waiver before it expires.
func (f *Flow) CloseWaiver(ctx context.Context, by gate.Decider, projectID, code, id string) error {
	return f.byPerson(ctx, by, projectID, code, func(ctx context.Context, tx *db.Tx, s *State) (string, map[string]any, error) {
		return "waiver.closed", map[string]any{"waiver": id}, gate.CloseWaiver(ctx, tx, s.Change.ID, code, id)
	})
}

// ResolveCondition records how a promise was kept.
func (f *Flow) ResolveCondition(ctx context.Context, by gate.Decider, projectID, code, id, resolution string) error {
	return f.byPerson(ctx, by, projectID, code, func(ctx context.Context, tx *db.Tx, s *State) (string, map[string]any, error) {
		return "condition.resolved", map[string]any{"condition": id, "resolution": resolution}, gate.Resolve(ctx, tx, s.Change.ID, code, id, resolution, by.Actor)
	})
}

// ResolveBlocker records how a blocker was removed. After one of flow's own
// blockers the agents try again.
func (f *Flow) ResolveBlocker(ctx context.Context, by gate.Decider, projectID, code, id, resolution string) error {
	return f.byPerson(ctx, by, projectID, code, func(ctx context.Context, tx *db.Tx, s *State) (string, map[string]any, error) {
		return "blocker.resolved", map[string]any{"blocker": id, "resolution": resolution}, project.ResolveBlocker(ctx, tx, s.Change.ID, code, id, resolution, by.Actor)
	})
}

// Confirm is a person's proof that the deployment of a release works. It is
// never delegated.
func (f *Flow) Confirm(ctx context.Context, by gate.Decider, projectID, code, statement string) error {
	if err := project.CheckIdea("statement", statement); err != nil {
		return err
	}
	return f.byPerson(ctx, by, projectID, code, func(ctx context.Context, tx *db.Tx, s *State) (string, map[string]any, error) {
		if !requires(s.Gate(code), proof.Manual) {
			return "", nil, fault.Invalid("proof.not_required", "%s does not ask for a confirmation.", code)
		}
		if s.Change.ReleaseCommit == "" {
			return "", nil, fault.Conflict("release.none", "No release is named yet, so there is nothing to confirm.")
		}
		id, err := proof.Confirm(ctx, tx, proof.Row{
			Project: projectID, Change: s.Change.ID, Gate: code, Type: proof.Manual, Commit: s.Change.ReleaseCommit, Release: true,
			AskedBy: by.Actor.String(),
		}, proof.Pass, statement)
		return "proof.confirmed", map[string]any{
			"proof": id, "type": proof.Manual, "commit": s.Change.ReleaseCommit, "verdict": proof.Pass, "reason": statement, "release": true,
		}, err
	})
}

// Rerun asks for a proof once more, because what it lacked is there now or to
// see it again. types empty means every required proof that is not green.
func (f *Flow) Rerun(ctx context.Context, by gate.Decider, projectID, code string, types ...string) error {
	if err := person(by); err != nil {
		return err
	}
	return f.change(ctx, projectID, func(ctx context.Context, tx *db.Tx, s *State) error {
		v := s.Gate(code)
		if v == nil {
			return fault.NotFound("gate.not_found", "There is no gate %s.", code)
		}
		if len(types) == 0 {
			_, _, red := proofsOf(v)
			for _, r := range red {
				if !r.Pending {
					types = append(types, r.Type)
				}
			}
		}
		for _, t := range types {
			if !requires(v, t) || t == proof.Manual {
				return fault.Invalid("proof.not_required", "%s does not ask for %s.", code, t)
			}
			if onRelease(code) && s.Change.ReleaseCommit == "" {
				return fault.Conflict("release.none", "No release is named yet, so there is nothing to check at %s.", code)
			}
		}
		return f.queueChecks(ctx, tx, s, Action{Gate: code, Types: types})
	})
}

func requires(v *gate.View, typ string) bool {
	return slices.ContainsFunc(v.Required, func(r gate.Required) bool { return r.Type == typ })
}

// CancelChange ends an open change without finishing it. What was merged stays.
func (f *Flow) CancelChange(ctx context.Context, by gate.Decider, projectID, reason string) error {
	if err := present(by); err != nil {
		return err
	}
	return f.change(ctx, projectID, func(ctx context.Context, tx *db.Tx, s *State) error {
		if err := f.end(ctx, tx, s, project.ChangeCancelled, reason); err != nil {
			return err
		}
		_, err := f.Record.Add(ctx, tx, projectID, by.Actor, "change.cancelled", map[string]any{"change": s.Change.Number, "reason": reason})
		return err
	})
}

// end closes the change, and with it whatever is still at work in it: in a
// completed one that is what waivers have set aside. Its record is sealed.
func (f *Flow) end(ctx context.Context, tx *db.Tx, s *State, status, reason string) error {
	var codes []string
	for _, v := range s.Gates {
		codes = append(codes, v.Code)
	}
	cancelled, err := project.CancelTasks(ctx, tx, s.Change.ID, codes, reason)
	if err != nil {
		return err
	}
	if err := f.cancelRuns(ctx, tx, s, cancelled); err != nil {
		return err
	}
	if err := project.WithdrawQuestions(ctx, tx, s.Change.ID, codes); err != nil {
		return err
	}
	if err := proof.Withdraw(ctx, tx, s.Change.ID); err != nil {
		return err
	}
	if err := project.EndChange(ctx, tx, s.Change.ID, status); err != nil {
		return err
	}
	return f.Queue.Insert(ctx, tx, sealJob{Project: s.Project.ID}, job.Unique())
}

// cancelRuns ends the runs of cancelled tasks; whoever carries one finds its
// token stale.
func (f *Flow) cancelRuns(ctx context.Context, tx *db.Tx, s *State, tasks []string) error {
	if len(tasks) == 0 {
		return nil
	}
	if err := run.CancelOf(ctx, tx, tasks, "its task was cancelled"); err != nil {
		return err
	}
	return f.log(ctx, tx, s, "task.cancelled", map[string]any{"tasks": tasks})
}

// Pause stops all agents of a project before their next turn; Resume lets them
// go on.
func (f *Flow) Pause(ctx context.Context, by gate.Decider, projectID string, paused bool) error {
	if err := person(by); err != nil {
		return err
	}
	return f.change(ctx, projectID, func(ctx context.Context, tx *db.Tx, s *State) error {
		if !paused && !s.Project.ArchivedAt.IsZero() {
			return fault.Conflict("project.archived", "The project is archived. Take it out of the archive first.")
		}
		if err := project.SetPaused(ctx, tx, projectID, paused); err != nil {
			return err
		}
		typ := map[bool]string{true: "project.paused", false: "project.resumed"}[paused]
		if _, err := f.Record.Add(ctx, tx, projectID, by.Actor, typ, map[string]any{"change": s.Change.Number}); err != nil {
			return err
		}
		if paused {
			return nil
		}
		return run.WakePaused(ctx, tx, f.Queue, projectID)
	})
}

// byPerson lets fn act on a gate's state in the name of a person who is there,
// and records what it says.
func (f *Flow) byPerson(ctx context.Context, by gate.Decider, projectID, code string, fn func(ctx context.Context, tx *db.Tx, s *State) (string, map[string]any, error)) error {
	if err := present(by); err != nil {
		return err
	}
	return f.change(ctx, projectID, func(ctx context.Context, tx *db.Tx, s *State) error {
		v := s.Gate(code)
		if v == nil {
			return fault.NotFound("gate.not_found", "There is no gate %s. The gates are G0 to G9.", code)
		}
		if err := gate.MayDecide(by, v.Gate, v.Spec.Approval, nil); err != nil {
			return err
		}
		typ, data, err := fn(ctx, tx, s)
		if err != nil {
			return err
		}
		data["change"], data["gate"] = s.Change.Number, code
		_, err = f.Record.Add(ctx, tx, projectID, by.Actor, typ, data)
		return err
	})
}

// Publication is the job by which refs and tags follow the database.
type Publication struct {
	Project string `json:"project"`
}

// Kind names the job.
func (Publication) Kind() string { return "publish" }

// Publish lets main and the gates' tags follow the database. It may be
// repeated at any time.
func (f *Flow) Publish(ctx context.Context, projectID string) error {
	// An older look must not be published after a newer one.
	one, _ := f.publishing.LoadOrStore(projectID, new(sync.Mutex))
	mu := one.(*sync.Mutex) //nolint:errcheck // nothing else is stored there
	mu.Lock()
	defer mu.Unlock()
	var head string
	var tags []Tag
	err := f.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		p, err := project.Get(ctx, tx, projectID)
		if err != nil {
			return err
		}
		head = p.Head
		made, err := approvals(ctx, tx, projectID)
		for _, d := range made {
			tags = append(tags, Tag{Name: d.Tag, Commit: d.Commit, Message: TagMessage(d), At: d.At.Time})
		}
		return err
	})
	if err != nil || head == "" {
		return err
	}
	return f.Tree.Publish(ctx, projectID, head, tags)
}

// TagMessage is what a gate's tag says. Its last line anchors the event log.
func TagMessage(d gate.Decision) string {
	return fmt.Sprintf("%s approved by %s%s\n\nDecision: %s\nMethod: %s\nEvent: %d %s\n",
		d.Code, strings.TrimPrefix(d.Actor, "person:"), auto(d.Method), d.ID, d.Method, d.EventSeq, d.EventHash)
}

// creationJob lets the act of creating a change take effect as the decision on
// its G0, once the workspace is ready.
type creationJob struct {
	Project string `json:"project"`
	Change  string `json:"change"`
}

// Kind names the job.
func (creationJob) Kind() string { return "creation" }

// creation approves G0 in the name of the person who created the change.
func (f *Flow) creation(ctx context.Context, j creationJob) error {
	var c project.Change
	err := f.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		c, err = project.GetChange(ctx, tx, j.Change)
		return err
	})
	if err != nil || c.CreatedMethod == string(gate.Undecided) {
		return err
	}
	kind, id, _ := strings.Cut(c.CreatedBy, ":")
	by := gate.Decider{Actor: event.Actor{Kind: kind, ID: id}, Method: gate.Method(c.CreatedMethod), Role: c.CreatedRole}
	_, err = f.Approve(ctx, by, j.Project, "G0", Approval{Comment: "Decided by creating the change."})
	if f, ok := fault.As(err); ok && f.Kind == fault.KindConflict {
		return nil // decided already, or no longer ready: the next review asks again
	}
	return err
}

// approvals are the decisions of all changes of a project that reached their
// quorum: each has a commit and a tag.
func approvals(ctx context.Context, tx *db.Tx, projectID string) ([]gate.Decision, error) {
	changes, err := project.Changes(ctx, tx, projectID)
	if err != nil {
		return nil, err
	}
	var out []gate.Decision
	for _, c := range changes {
		all, err := gate.Decisions(ctx, tx, c.ID)
		if err != nil {
			return nil, err
		}
		for _, d := range all {
			if d.Commit != "" {
				out = append(out, d)
			}
		}
	}
	return out, nil
}
