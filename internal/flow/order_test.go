package flow_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/run"
)

func (w *world) liveRun(code, role string) (run.Run, bool) {
	for _, r := range w.rows().runs {
		if r.Live() && r.Gate == code && r.Role == role {
			return r, true
		}
	}
	return run.Run{}, false
}

// fails lets the role's run at a gate end without success.
func (w *world) fails(code, role string) {
	w.Helper()
	r, ok := w.liveRun(code, role)
	if !ok {
		w.die("the %s is not at work at %s", role, code)
	}
	w.endRun(r, work{status: run.Failed, reason: "gave up"})
	w.drain()
}

func TestATaskWaitsUntilTheWorkBeforeItIsDone(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.until("G1", gate.Pending)
	w.fails("G1", "product-manager-onboarding")
	if _, ok := w.liveRun("G1", "orchestrator"); ok {
		t.Fatal("the orchestrator is at work without an intake to work from")
	}
	r, ok := w.liveRun("G1", "product-manager-onboarding")
	if !ok {
		t.Fatal("the failed task was not tried again")
	}
	w.endRun(r, w.good(w.rows(), r))
	w.drain()
	if _, ok := w.liveRun("G1", "orchestrator"); !ok {
		t.Error("the orchestrator does not begin, though the intake is there")
	}
	w.finish()
	w.verify()
}

// A person who sets a failed task's blocker aside says that the gate goes on
// without it.
func TestAWaivedBlockerLetsTheGateGoOn(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.until("G1", gate.InReview)
	w.must(w.flow.Reject(w.ctx, ada, w.project, "G1", "", "The second question was not asked."))
	w.decisions++
	w.drain()
	for range 2 {
		w.fails("G1", "product-manager-onboarding")
	}
	if len(w.rows().blockers) != 1 {
		t.Fatalf("blockers: %+v", w.rows().blockers)
	}
	_, err := w.flow.Waive(w.ctx, ada, w.project, gate.Waiver{Code: "G1", Rule: "blocker", Owner: "ada", Reason: "The intake is good enough.", ExpiresAt: hence(time.Hour)})
	w.must(err)
	w.drain()
	r, ok := w.liveRun("G1", "orchestrator")
	if !ok {
		t.Fatal("the gate does not go on without the failed task")
	}
	w.endRun(r, w.good(w.rows(), r))
	w.drain()
	w.is("G1", gate.InReview, false)
}

func TestAPromiseIsDueAfterAllThatADecisionCovers(t *testing.T) {
	t.Parallel()
	w := start(t, "express", "required")
	w.until("G4", gate.InReview)
	promise := func(due string) flow.Approval {
		return flow.Approval{Conditions: []flow.Promise{{Text: "Mend it", Owner: "ada", Due: due}}}
	}
	if err := w.approve(ada, "G1", promise("G3")); fault.CodeOf(err) != "condition.due" {
		t.Fatalf("a promise is due at a gate that the same decision approves: %v", err)
	}
	w.must(w.approve(ada, "G1", promise("G5")))
	w.finish()
	w.verify()
}

// What was promised is not lost with the gate by which it was due.
func TestAPromiseOutlivesASkippedGate(t *testing.T) {
	t.Parallel()
	promise := flow.Approval{Conditions: []flow.Promise{{Text: "Rotate the key", Owner: "ada", Due: "G9"}}}
	w := start(t, "traditional", "local_only")
	w.until("G7", gate.InReview)
	if err := w.approve(ada, "G7", promise); fault.CodeOf(err) != "condition.due" || !strings.Contains(fault.Public(err), "will be skipped") {
		t.Errorf("a promise is due at a gate that is going to be skipped: %v", err)
	}
	w = start(t, "traditional", "undetermined")
	w.until("G7", gate.InReview)
	w.must(w.approve(ada, "G7", promise))
	for _, q := range w.untilThat("the mode is asked", func(s *rows) bool { return len(s.questions) > 0 }).questions {
		w.must(w.flow.Answer(w.ctx, ada, q.ID, "local_only"))
	}
	w.drain()
	w.until("G8", gate.InReview)
	w.must(w.approve(ada, "G8", flow.Approval{}))
	w.drain()
	s := w.rows()
	if s.gate("G9").Status != gate.Skipped || s.change.Status != project.ChangeOpen {
		t.Fatalf("G9 is %s and the change %s, with an open promise", s.gate("G9").Status, s.change.Status)
	}
	o, err := w.flow.Overview(w.ctx, w.project)
	w.must(err)
	if u := o.Unmet(); len(u) != 1 || u[0].Code != "condition.open" || o.Busy {
		t.Fatalf("what is missing is not said: %+v, busy %v", u, o.Busy)
	}
	w.must(w.flow.ResolveCondition(w.ctx, ada, w.project, "G9", s.conditions[0].ID, "It was rotated."))
	w.drain()
	if s = w.rows(); s.change.Status != project.ChangeCompleted {
		t.Errorf("the promise is kept, and the change is %s", s.change.Status)
	}
	w.verify()
}

// A process whose clock is behind makes ids and times that sort before those of
// others; which decision, task or proof is the newest does not hang on them.
func TestWhatIsNewestDoesNotHangOnTheClock(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.until("G3", gate.InReview)
	w.write(func(ctx context.Context, tx *db.Tx) error {
		for _, q := range []string{
			`UPDATE decisions SET id = 'dec_7' || substr(id, 6), at = at + 3600000000 WHERE code = 'G2'`,
			`UPDATE proofs SET id = 'prf_7' || substr(id, 6), created_at = created_at + 3600000000, ended_at = ended_at + 3600000000`,
			`UPDATE tasks SET created_at = created_at + 3600000000`,
		} {
			if _, err := tx.Exec(ctx, q); err != nil {
				return err
			}
		}
		return nil
	})
	w.line("docs/PRD.md")
	w.untilThat("G2 is in review", func(s *rows) bool { return s.gate("G2").Status == gate.InReview })
	w.must(w.approve(ada, "G2", flow.Approval{}))
	w.drain()
	w.is("G2", gate.Approved, false)
	w.finish()
	w.verify()
}

func TestAChangeThatLeavesTheFastTrackIsBuiltFromItsPlans(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.finish()
	w.next("Change the colour of the logo")
	s := w.until("G5", gate.Pending)
	w.endRun(s.runs[0], w.good(s, s.runs[0]))
	w.drain()
	if s = w.rows(); s.change.Fast {
		t.Fatal("the change is still on the fast track")
	}
	w.until("G5", gate.InReview)
	built := map[string]bool{}
	for _, x := range w.rows().tasks {
		if x.Gate == "G5" && x.Kind == "build" && x.Status == project.TaskDone {
			built[x.Role] = true
		}
	}
	if len(built) != 2 {
		t.Errorf("after the plans were decided only %v built", built)
	}
	w.finish()
	w.verify()
}

func TestABriefSpeaksOfItsOwnRejection(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.until("G3", gate.InReview)
	w.must(w.flow.Reject(w.ctx, ada, w.project, "G3", "G2", "The gardener is missing."))
	w.decisions++
	w.drain()
	for _, c := range []struct{ code, asked string }{{"G2", "G2: The gardener is missing."}, {"G3", "G2: The gardener is missing."}, {"G7", ""}} {
		w.until(c.code, gate.InReview)
		o, err := w.flow.Overview(w.ctx, w.project)
		w.must(err)
		b, err := w.flow.Brief(w.ctx, o, o.Ready[0])
		w.must(err)
		if b.Asked != c.asked {
			t.Errorf("the brief of %s says that it was sent back: %q, not %q", c.code, b.Asked, c.asked)
		}
	}
}

// What leaves the house of a cancelled change is what was decided.
func TestTheExportOfACancelledChangeHoldsWhatWasDecided(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.until("G2", gate.InReview) // its documents are on the head, and nobody decided them
	head := w.rows().project.Head
	w.must(w.flow.CancelChange(w.ctx, ada, w.project, "We buy it instead."))
	w.drain()
	commit, err := w.flow.Export(w.ctx, w.project)
	w.must(err)
	for _, c := range []struct {
		commit, path string
		there        bool
	}{{head, "docs/PRD.md", true}, {commit, "docs/PRD.md", false}, {commit, "docs/INTAKE.md", true}, {commit, flow.EvidenceRoot + "/head.json", true}} {
		if _, err := w.flow.Tree.Read(w.ctx, w.project, c.commit, c.path); (err == nil) != c.there {
			t.Errorf("%s in %q: %v", c.path, c.commit, err)
		}
	}
}
