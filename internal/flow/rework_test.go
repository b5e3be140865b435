package flow_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/run"
)

func TestRejectionLeadsBackToAReview(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.until("G5", gate.InReview)
	w.must(w.flow.Reject(w.ctx, ada, w.project, "G5", "G2", "The gardener is missing."))
	w.decisions++
	w.drain()
	s := w.rows()
	for code, want := range map[string]gate.Status{"G1": gate.Approved, "G2": gate.Pending, "G3": gate.Approved, "G4": gate.Approved, "G5": gate.Blocked, "G6": gate.Blocked} {
		if got := s.gate(code).Status; got != want {
			t.Errorf("%s is %s, want %s", code, got, want)
		}
	}
	rework := s.tasks[len(s.tasks)-1]
	if rework.Gate != "G2" || rework.Kind != "rework" || rework.Round != 2 || rework.Feedback != "The gardener is missing." || rework.Status != project.TaskRunning {
		t.Errorf("rework %+v", rework)
	}
	w.until("G2", gate.InReview)
	w.must(w.approve(grace, "G2", flow.Approval{}))
	// What stood in between stands still, and G5 brings its work into line.
	w.is("G3", gate.Approved, false)
	w.is("G5", gate.Pending, false)
	s = w.rows()
	rework = s.tasks[len(s.tasks)-1]
	if s.gate("G5").Round != 2 || rework.Gate != "G5" || rework.Kind != "rework" || !strings.Contains(rework.Feedback, "G2 was sent back: The gardener is missing.") {
		t.Errorf("round %d of G5, rework %+v", s.gate("G5").Round, rework)
	}
	w.until("G5", gate.InReview)
	o, err := w.flow.Overview(w.ctx, w.project)
	w.must(err)
	brief, err := w.flow.Brief(w.ctx, o, o.Ready[0])
	w.must(err)
	if text := brief.Markdown(); !strings.Contains(text, "Sent back at G2: The gardener is missing.") || strings.Contains(text, "## Changed since the last decision\n\nnothing") {
		t.Errorf("the brief after a rejection says\n%s", text)
	}
	w.finish()
	w.verify()
}

// Another design, chosen after the product was built for one, is not passed over:
// unfinished gates do their work again, decided ones are looked at again.
func TestAnotherDesignReopensWhatWasBuiltForTheFirst(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	s := w.until("G4", gate.InReview)
	w.must(w.approve(ada, "G4", flow.Approval{Design: fmt.Sprint(s.designs[1].Number)}))
	selected := func() (id string) {
		for _, d := range w.rows().designs {
			if d.Selected {
				id += d.ID
			}
		}
		return id
	}
	if got := selected(); got != s.designs[1].ID {
		t.Fatalf("selected %s, want %s", got, s.designs[1].ID)
	}
	w.until("G6", gate.InReview)
	w.must(w.flow.Reopen(w.ctx, ada, w.project, "G4", "Less blue."))
	w.decisions++
	w.drain()
	w.until("G4", gate.InReview)
	w.must(w.approve(ada, "G4", flow.Approval{}))
	if got := selected(); got != s.designs[1].ID {
		t.Errorf("an approval that names no design moved the choice to %s", got)
	}
	w.is("G5", gate.Approved, false)
	w.must(w.flow.Reopen(w.ctx, ada, w.project, "G4", "The first, after all."))
	w.decisions++
	w.drain()
	w.until("G4", gate.InReview)
	w.must(w.approve(ada, "G4", flow.Approval{Design: s.designs[0].ID}))
	w.drain()
	if g := w.rows().gate("G5"); !g.Stale || g.Status == gate.Approved {
		t.Errorf("G5 was built for another design and is %s, stale %v", g.Status, g.Stale)
	}
	w.finish()
	w.verify()
}

func TestRejectionCutsWorkShort(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	s := w.until("G5", gate.Pending)
	developer := s.runs[len(s.runs)-1]
	w.waitRun(developer, run.WaitQuestion, &project.Question{Project: w.project, Change: s.change.ID, Gate: "G5", Run: developer.ID, Kind: project.QuestionAgent, Text: "Which?", Blocking: true})
	w.must(w.flow.Reject(w.ctx, ada, w.project, "G5", "G3", "Another stack."))
	w.decisions++
	w.drain()
	s = w.rows()
	for _, r := range s.runs {
		if r.Gate == "G5" && r.Status != run.Cancelled {
			t.Errorf("the %s is %s", r.Role, r.Status)
		}
	}
	if q := s.questions[len(s.questions)-1]; q.Status != "withdrawn" {
		t.Errorf("its question is %s", q.Status)
	}
	s = w.untilThat("G5 is at work again", func(s *rows) bool { return s.gate("G5").Status == gate.Pending })
	if g := s.gate("G5"); g.Round != 2 {
		t.Errorf("work that was cut short goes on in round %d", g.Round)
	}
	w.finish()
}
