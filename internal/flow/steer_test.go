package flow_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/run"
)

// A gate whose agent a person cancelled waits for that person, and what comes after
// the agent waits with it.
func TestACancelledRunWaitsForAPerson(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.until("G1", gate.Pending)
	first, _ := w.liveRun("G1", "product-manager-onboarding")
	w.must(w.flow.CancelRun(w.ctx, ada, first.ID, "It asks the wrong things."))
	w.drain()
	s := w.rows()
	for _, r := range s.runs {
		if r.Live() {
			t.Errorf("the %s is at work", r.Role)
		}
	}
	if len(s.blockers) != 1 || s.blockers[0].Kind != project.BlockerCancelled || s.blockers[0].Author != "person:ada" {
		t.Fatalf("blockers: %+v", s.blockers)
	}
	w.must(w.flow.ResolveBlocker(w.ctx, ada, w.project, "G1", s.blockers[0].ID, "Ask about the plants."))
	w.drain()
	again, ok := w.liveRun("G1", "product-manager-onboarding")
	if !ok || again.Task == first.Task {
		t.Fatalf("the task was not begun anew: %+v", again)
	}
	if _, ok := w.liveRun("G1", "orchestrator"); ok {
		t.Error("the orchestrator did not wait")
	}
	for _, x := range w.rows().tasks {
		if x.ID == again.Task && !strings.Contains(x.Feedback, "It asks the wrong things.") {
			t.Errorf("the agent is not told why: %q", x.Feedback)
		}
	}
	if err := w.flow.CancelRun(w.ctx, ada, first.ID, "Once more."); fault.KindOf(err) != fault.KindConflict {
		t.Errorf("an ended run was cancelled: %v", err)
	}
	w.finish()
	w.verify()
}

// A failed run is begun once more from the middle of its journal, on the commit it
// had there, and without paying for the steps again.
func TestARunIsRetriedFromAStep(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.until("G1", gate.Pending)
	old, _ := w.liveRun("G1", "product-manager-onboarding")
	w.write(func(ctx context.Context, tx *db.Tx) error {
		for seq, commit := range []string{"", "c1", "", "c2"} {
			_, err := tx.Exec(ctx, `INSERT INTO steps (run_id, seq, turn, kind, name, input_digest, input, output, commit_hash, tokens_in, cost_micro, started_at, ended_at)
				VALUES ($1, $2, $3, 'tool', 'write_file', '', '', '{}', $4, 10, 20, 1, 1)`, old.ID, seq+1, seq/2+1, commit)
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `UPDATE runs SET opening = 'opening', system = 'system' WHERE id = $1`, old.ID)
		if err != nil {
			return err
		}
		m, err := project.Steer(ctx, tx, old.ID, "Be brief.", ada.Actor)
		if err != nil {
			return err
		}
		return project.MarkRead(ctx, tx, []string{m.ID}, 2)
	})
	if _, err := w.flow.RetryRun(w.ctx, ada, old.ID, 0); fault.CodeOf(err) != "run.live" {
		t.Errorf("a live run was retried: %v", err)
	}
	w.must(w.flow.CancelRun(w.ctx, ada, old.ID, "Take the other way."))
	w.drain()
	if _, err := w.flow.RetryRun(w.ctx, ada, old.ID, 5); fault.CodeOf(err) != "run.step" {
		t.Errorf("a step that is not there: %v", err)
	}
	again, err := w.flow.RetryRun(w.ctx, ada, old.ID, 3)
	w.must(err)
	w.drain()
	if again.Task != old.Task || again.Commit != "c1" || again.Turns != 2 || again.Opening != "opening" {
		t.Errorf("the new run is %+v", again)
	}
	w.read(func(ctx context.Context, tx *db.Tx) error {
		steps, err := run.Steps(ctx, tx, again.ID)
		if err != nil {
			return err
		}
		said, err := project.Messages(ctx, tx, again.ID)
		if len(steps) != 3 || steps[0].CostMicro != 0 || steps[1].Commit != "c1" || len(said) != 1 || said[0].ReadSeq != 2 {
			t.Errorf("steps %+v, messages %+v", steps, said)
		}
		return err
	})
	for _, b := range w.rows().blockers {
		if b.Status == "open" {
			t.Errorf("a blocker is open: %+v", b)
		}
	}
	w.finish()
	if _, err := w.flow.RetryRun(w.ctx, ada, old.ID, 0); fault.KindOf(err) != fault.KindConflict {
		t.Errorf("a run of an ended change was retried: %v", err)
	}
}

// Stopping takes the runs away from whoever carries them, and keeps what was
// reserved as spent.
func TestStoppingHaltsEveryRun(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.until("G1", gate.Pending)
	r, _ := w.liveRun("G1", "product-manager-onboarding")
	w.write(func(ctx context.Context, tx *db.Tx) error {
		return project.Reserve(ctx, tx, &project.Usage{Project: w.project, Change: r.Change, Run: r.ID, Turn: 1, Gate: "G1", Role: r.Role, Provider: "demo", Model: "demo", ReservedTokens: 7})
	})
	w.must(w.flow.Stop(w.ctx, grace, w.project))
	w.drain()
	halted, _ := w.liveRun("G1", "product-manager-onboarding")
	if halted.Status != run.Waiting || halted.WaitsFor != run.WaitPause || halted.Token == r.Token {
		t.Errorf("the run is %+v", halted)
	}
	if n := w.number(`SELECT COUNT(*) FROM usage WHERE state = 'estimated'`); n != 1 {
		t.Errorf("%d reservations are kept", n)
	}
	if err := w.flow.ResumeRun(w.ctx, ada, r.ID); fault.CodeOf(err) != "project.paused" {
		t.Errorf("one run of a stopped project was resumed: %v", err)
	}
	w.finish()
	w.verify()
}

// People's comments on files go back to the agents with the next rejection, once.
func TestCommentsGoBackAsOneReview(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.until("G2", gate.InReview)
	say := func(path, text string, line int64) project.Comment {
		c, err := w.flow.AddComment(w.ctx, ada, w.project, project.Comment{Path: path, Commit: w.rows().project.Head, Line: line, Text: text}, nil)
		w.must(err)
		return c
	}
	say("docs/PRD.md", "Which plants?\nAll of them?", 3)
	say("docs/USER_STORIES.md", "Too long.", 0)
	settled := say("docs/PRD.md", "A typo.", 1)
	w.must(w.flow.ResolveComment(w.ctx, grace, settled))
	w.must(w.flow.Reject(w.ctx, ada, w.project, "G2", "", "See my comments."))
	w.decisions++
	w.drain()
	feedback := ""
	for _, x := range w.rows().tasks {
		if x.Gate == "G2" && x.Kind == "rework" {
			feedback = x.Feedback
		}
	}
	for _, want := range []string{"See my comments.", "docs/PRD.md, line 3 of commit", "Which plants?\n  All of them?", "docs/USER_STORIES.md: Too long."} {
		if !strings.Contains(feedback, want) {
			t.Errorf("the agents are not told %q: %s", want, feedback)
		}
	}
	if strings.Contains(feedback, "A typo.") {
		t.Error("a settled comment went back")
	}
	w.until("G2", gate.InReview)
	w.must(w.flow.Reject(w.ctx, ada, w.project, "G2", "", "Once more."))
	w.decisions++
	w.drain()
	for _, x := range w.rows().tasks {
		if x.Round == 3 && strings.Contains(x.Feedback, "Too long.") {
			t.Error("a comment went back twice")
		}
	}
	w.finish()
	w.verify()
}

// Who changes files does not decide on them where somebody else has to.
func TestWhoEditsIsAnAuthor(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.until("G2", gate.InReview)
	head := w.rows().project.Head
	edit := func(base, text string) (string, error) {
		return w.flow.Edit(w.ctx, grace, w.project, flow.Edit{
			Base: base, Put: map[string][]byte{"docs/PRD.md": []byte(text)}, Message: "Say it better", Author: repo.Signature{Name: "Grace", Email: "grace@example.org"},
		})
	}
	w.n++
	text := string(content(w.rows().deliverable("docs/PRD.md"), w.like, w.n))
	commit, err := edit(head, text)
	w.must(err)
	w.drain()
	s := w.rows()
	if s.project.Head != commit {
		t.Fatalf("the head is %s, not %s", s.project.Head, commit)
	}
	w.read(func(ctx context.Context, tx *db.Tx) error {
		editors, err := project.Editors(ctx, tx, s.change)
		if !slices.Equal(editors, []string{"person:grace"}) {
			t.Errorf("editors: %v", editors)
		}
		return err
	})
	if _, err := edit(commit, text); fault.CodeOf(err) != "edit.nothing" {
		t.Errorf("an edit that changes nothing: %v", err)
	}
	if _, err := edit(head, text+"\nMore.\n"); fault.CodeOf(err) != flow.CodeDocumentChanged {
		t.Errorf("an edit of what somebody else changed: %v", err)
	}
	agent := gate.Decider{Actor: event.Actor{Kind: "agent", ID: "architect"}, Method: gate.Session, Role: "owner"}
	if _, err := w.flow.Edit(w.ctx, agent, w.project, flow.Edit{Base: commit, Delete: []string{"docs/PRD.md"}}); fault.KindOf(err) != fault.KindForbidden {
		t.Errorf("an agent edits: %v", err)
	}
	seen := &flow.Seen{Version: s.gate("G2").Version, Head: head}
	if _, err := w.flow.Approve(w.ctx, ada, w.project, "G2", flow.Approval{Seen: seen}); fault.CodeOf(err) != flow.CodeGateChanged {
		t.Errorf("what was not seen was approved: %v", err)
	}
	w.finish()
	if _, err := edit(w.rows().project.Head, "# Other\n"); fault.CodeOf(err) != "change.ended" {
		t.Errorf("an edit that nobody decides on: %v", err)
	}
	w.verify()
}
