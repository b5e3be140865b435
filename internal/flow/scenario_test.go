package flow_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/run"
)

// everyPart is a product that has everything.
var everyPart = product{ui: true, api: true, data: true, serves: true}

// start begins a project in a world of its own.
func start(t *testing.T, name, mode string) *world {
	t.Helper()
	w, end := newWorld(t, t.TempDir())
	t.Cleanup(end)
	for _, b := range blueprints(t) {
		if b.Name == name {
			w.begin(ada, everyPart, project.Project{Type: b.For[0], Mode: mode, Tier: "mvp"}, b)
			return w
		}
	}
	t.Fatalf("there is no blueprint %s", name)
	return nil
}

// until lets everybody help until a gate has a status.
func (w *world) until(code string, status gate.Status) *rows {
	w.Helper()
	return w.untilThat(code+" is "+string(status), func(s *rows) bool { return s.gate(code).Status == status })
}

func (w *world) untilThat(what string, reached func(s *rows) bool) *rows {
	w.Helper()
	for range maxSteps {
		s := w.rows()
		if reached(s) {
			return s
		}
		if s.change.Status != project.ChangeOpen {
			break
		}
		w.help(s)
		w.settled()
	}
	w.die("it never came to it that %s", what)
	return nil
}

// idle is until, with agents who change nothing: on the fast track everything is
// there, and who touches source leaves it.
func (w *world) idle(code string, status gate.Status) *rows {
	w.Helper()
	for range maxSteps {
		s := w.rows()
		at := slices.IndexFunc(s.runs, func(r run.Run) bool { return r.Status == run.Queued })
		switch {
		case s.gate(code).Status == status:
			return s
		case at >= 0:
			w.endRun(s.runs[at], work{status: run.Succeeded})
		default:
			w.help(s)
		}
		w.settled()
	}
	w.die("%s never came to be %s", code, status)
	return nil
}

// checksPass concludes what is queued, until nothing is.
func (w *world) checksPass() {
	w.Helper()
	for s := w.rows(); len(s.openProofs()) > 0; s = w.rows() {
		w.concludeAll(s, s.openProofs(), func(proof.Row) (proof.Verdict, float64) { return proof.Pass, 100 })
	}
}

// events counts the events of a type whose data name a gate.
func (w *world) events(typ, code string) int64 {
	w.Helper()
	return w.number(`SELECT COUNT(*) FROM events WHERE type = $1 AND data LIKE $2`, typ, `%"gate":"`+code+`"%`)
}

func (w *world) is(code string, status gate.Status, stale bool) {
	w.Helper()
	if g := w.rows().gate(code); g.Status != status || g.Stale != stale {
		w.die("%s is %s stale=%v, want %s stale=%v", code, g.Status, g.Stale, status, stale)
	}
}

// line changes a file by hand, as a person does.
func (w *world) line(path string) {
	w.Helper()
	w.n++
	var e edit
	e.file(path, content(w.rows().deliverable(path), w.like, w.n))
	w.note("a person edits %s", path)
	w.person(e)
}

func TestAnEditedLineReopensOnlyTheGatesItTouches(t *testing.T) {
	t.Parallel()
	for path, touched := range map[string]string{
		"docs/PRD.md":            "G2",
		"docs/INTAKE.md":         "G1",
		"docs/ARCHITECTURE.md":   "G3",
		"docs/DESIGN_SYSTEM.md":  "",
		"docs/TEST_PLAN.md":      "G6",
		"docs/SECURITY_AUDIT.md": "G7",
		"go.mod":                 "G7",
		"README.md":              "",
		"internal/app/app.go":    "",
	} {
		t.Run(strings.ReplaceAll(path, "/", "_"), func(t *testing.T) {
			t.Parallel()
			w := start(t, "traditional", "local_only")
			before := w.until("G8", gate.Pending)
			w.line(path)
			// Until the agents at work have ended and the checks have passed
			// again, a gate may wait; none may be marked but the one.
			for range 10 {
				w.checksPass()
				for _, r := range w.rows().runs {
					if r.Live() {
						w.endRun(r, work{status: run.Succeeded})
					}
				}
			}
			after := w.rows()
			for _, g := range after.gates {
				old := before.gate(g.Code)
				switch {
				case g.Code == touched:
					if g.Status != gate.InReview || !g.Stale || g.Round != old.Round+1 {
						t.Errorf("%s was touched and is %s stale=%v round=%d", g.Code, g.Status, g.Stale, g.Round)
					}
					if n := w.number(`SELECT COUNT(*) FROM tasks WHERE gate = $1 AND round = $2`, g.Code, g.Round); n != 0 {
						t.Errorf("the delta review of %s has %d tasks; a look is enough", g.Code, n)
					}
				case old.Status == gate.Approved:
					if g.Status != gate.Approved || g.Stale || w.events("gate.stale", g.Code) > 0 {
						t.Errorf("%s was not touched and is %s stale=%v", g.Code, g.Status, g.Stale)
					}
				}
			}
			if touched != "" {
				w.must(w.approve(ada, touched, flow.Approval{Comment: "I looked at it."}))
				w.is(touched, gate.Approved, false)
				if tag := w.rows().approval(touched).Tag; tag != "gate/"+touched+"-r2" {
					t.Errorf("the second approval of %s has the tag %s", touched, tag)
				}
			}
			w.finish()
			w.verify()
		})
	}
}

func TestWhatWasChangedBackIsFreshAgain(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	s := w.until("G5", gate.Pending)
	old, err := w.tree.Read(w.ctx, w.project, s.project.Head, "docs/PRD.md")
	w.must(err)
	w.line("docs/PRD.md") // agents are at work: no delta review yet
	w.is("G2", gate.Approved, true)
	var back edit
	back.file("docs/PRD.md", old)
	w.person(back)
	w.is("G2", gate.Approved, false)
	if w.rows().gate("G2").Round != 1 {
		t.Error("the gate began a new round")
	}
}

func TestLaterWorkProvesEarlierGatesAgain(t *testing.T) {
	t.Parallel()
	for _, verdict := range []proof.Verdict{proof.Pass, proof.Fail, proof.Blocked} {
		t.Run(string(verdict), func(t *testing.T) {
			t.Parallel()
			w := start(t, "traditional", "local_only")
			s := w.until("G7", gate.Pending)
			auditor := s.runs[len(s.runs)-1]
			k := w.good(s, auditor)
			w.n++
			k.file("internal/app/app.go", source(w.n)) // mends what it found
			w.endRun(auditor, k)
			s = w.rows()
			for _, p := range s.openProofs() {
				if p.Gate != "G5" && p.Gate != "G6" || p.Commit != s.project.Head || p.Release {
					t.Errorf("%s of %s is obtained again on %s", p.Type, p.Gate, p.Commit)
				}
			}
			if n := len(s.openProofs()); n < 4 {
				t.Errorf("%d proofs of G5 and G6 are obtained again", n)
			}
			w.is("G5", gate.Approved, false)
			w.concludeAll(s, s.openProofs(), func(p proof.Row) (proof.Verdict, float64) {
				if p.Type == proof.Build {
					return verdict, 0
				}
				return proof.Pass, 100
			})
			if n := w.events("gate.carried_forward", "G6"); n == 0 {
				t.Error("green G6 was not carried forward")
			}
			if verdict == proof.Pass {
				w.is("G5", gate.Approved, false)
				if w.events("gate.carried_forward", "G5") == 0 || w.events("gate.stale", "G5") > 0 {
					t.Error("green G5 was not carried forward")
				}
				return
			}
			w.is("G5", gate.Pending, true)
			if verdict == proof.Fail {
				s = w.until("G5", gate.InReview)
				repairs := slices.DeleteFunc(s.tasks, func(x project.Task) bool { return x.Kind != "repair" })
				if len(repairs) != 1 || repairs[0].Role != "backend-developer" || !strings.Contains(repairs[0].Feedback, "it is fail") || !strings.Contains(repairs[0].Feedback, "$ check") {
					t.Errorf("repairs %+v", repairs)
				}
				w.is("G5", gate.InReview, true)
			}
			w.finish()
			w.verify()
		})
	}
}

func TestReopeningTakesADecisionBack(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.until("G6", gate.Pending)
	w.must(w.flow.Reopen(w.ctx, grace, w.project, "G3", "Use another database."))
	w.decisions++
	w.drain()
	w.is("G3", gate.Pending, false)
	w.is("G6", gate.Blocked, false)
	if s := w.rows(); s.gate("G3").Round != 2 || s.tasks[len(s.tasks)-1].Feedback != "Use another database." {
		t.Errorf("round %d, feedback %q", s.gate("G3").Round, s.tasks[len(s.tasks)-1].Feedback)
	}
	w.finish()
	w.verify()
	tags := w.tree.tags[w.project]
	if tags["gate/G3"] == "" || tags["gate/G3-r2"] == "" || tags["gate/G3"] == tags["gate/G3-r2"] {
		t.Errorf("tags %v", tags)
	}
}

func TestOneDecisionCoversAWholeStop(t *testing.T) {
	t.Parallel()
	w := start(t, "express", "required")
	w.until("G3", gate.InReview)
	for _, code := range []string{"G1", "G2", "G3"} {
		if err := w.approve(ada, code, flow.Approval{}); fault.KindOf(err) != fault.KindConflict {
			t.Errorf("%s was approved before its stop was ready: %v", code, err)
		}
	}
	w.until("G4", gate.InReview)
	w.must(w.approve(ada, "G2", flow.Approval{Design: "3"}))
	s := w.rows()
	var commits []string
	for _, code := range []string{"G1", "G2", "G3", "G4"} {
		w.is(code, gate.Approved, false)
		commits = append(commits, s.approval(code).Commit)
	}
	if len(slices.Compact(commits)) != 1 {
		t.Errorf("one decision made the commits %v", commits)
	}
	if d := s.approval("G4"); d.Design != s.designs[2].ID || s.approval("G1").Design != "" {
		t.Errorf("the chosen design is %q", d.Design)
	}
	// A delta review in a stop that was decided covers what is open again.
	w.line("docs/USER_STORIES.md")
	w.untilThat("G2 is in review again", func(s *rows) bool { return s.gate("G2").Status == gate.InReview })
	if o, err := w.flow.Overview(w.ctx, w.project); err != nil || len(o.Ready) != 1 || o.Ready[0].Title() != "G2" {
		t.Fatalf("ready is %+v, %v", o.Ready, err)
	}
	w.must(w.approve(grace, "G2", flow.Approval{}))
	w.is("G1", gate.Approved, false)
	if n := w.number(`SELECT COUNT(*) FROM decisions WHERE code = 'G1'`); n != 1 {
		t.Errorf("G1 was decided %d times", n)
	}
	w.finish()
	w.verify()
	if n := w.number(`SELECT COUNT(DISTINCT commit_hash) FROM decisions WHERE kind = 'approve'`); n != 5 {
		t.Errorf("creation, three stops and one delta review made %d decisions", n)
	}
}

func TestAFastTrackSkipsPlansAndAuditButNeverTests(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.finish()
	w.next("Fix a typo in the heading")
	s := w.until("G5", gate.Pending)
	if s.change.Number != 2 || !s.change.Fast {
		t.Fatalf("change %+v", s.change)
	}
	for _, code := range []string{"G1", "G2", "G3", "G4"} {
		if g := s.gate(code); g.Status != gate.Skipped || !strings.Contains(g.Reason, "fast track") {
			t.Errorf("%s is %s: %s", code, g.Status, g.Reason)
		}
	}
	k := work{status: run.Succeeded}
	k.file("web/style.css", []byte("h1 { margin: 0 }\n"))
	w.endRun(s.runs[0], k)
	w.idle("G6", gate.InReview)
	w.must(w.approve(ada, "G6", flow.Approval{}))
	w.is("G7", gate.Skipped, false)
	w.is("G6", gate.Approved, false)
	// The release is scanned all the same.
	s = w.idle("G8", gate.InReview)
	var types []string
	for _, p := range s.proofs {
		if p.Commit == s.change.ReleaseCommit && p.Release && p.Verdict == proof.Pass {
			types = append(types, p.Type)
		}
	}
	for _, want := range []string{proof.Secrets, proof.Dependencies, proof.SBOM, proof.Build, proof.Unit} {
		if !slices.Contains(types, want) {
			t.Errorf("the release is proven by %v, without %s", types, want)
		}
	}
	w.finish()
	w.verify()
	if s = w.rows(); !s.change.Fast || s.gate("G7").Status != gate.Skipped {
		t.Errorf("the change left the fast track")
	}
}

func TestAFastTrackThatTouchesSourceBecomesSlow(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.finish()
	w.next("Change the colour of the logo")
	s := w.until("G5", gate.Pending)
	w.endRun(s.runs[0], w.good(s, s.runs[0])) // which is source
	s = w.rows()
	if s.change.Fast || w.number(`SELECT COUNT(*) FROM events WHERE type = 'change.slow'`) != 1 {
		t.Error("the change stays on the fast track")
	}
	for _, code := range []string{"G1", "G2", "G3", "G4", "G7"} {
		if g := s.gate(code); g.Status == gate.Skipped {
			t.Errorf("%s is still skipped: %s", code, g.Reason)
		}
	}
	w.finish()
	w.verify()
	for _, g := range w.rows().gates {
		if g.Status != gate.Approved && g.Code != "G9" {
			t.Errorf("%s ended %s", g.Code, g.Status)
		}
	}
}

func TestWhereItGoesLive(t *testing.T) {
	t.Parallel()
	for mode, asks := range map[string]bool{"local_only": false, "required": false, "optional": true, "undetermined": true} {
		for _, answer := range []string{"local_only", " REQUIRED\n"} {
			t.Run(mode+"/"+strings.TrimSpace(answer), func(t *testing.T) {
				t.Parallel()
				w := start(t, "traditional", mode)
				s := w.until("G8", gate.Pending)
				open := slices.DeleteFunc(slices.Clone(s.questions), func(q project.Question) bool { return q.Status != "open" || q.Kind != project.QuestionMode })
				if (len(open) == 1) != asks || len(open) > 1 {
					t.Fatalf("%d questions are open", len(open))
				}
				live := mode
				if asks {
					if got := fault.CodeOf(w.flow.Answer(w.ctx, ada, open[0].ID, "optional")); got != "answer.mode" {
						t.Errorf("the answer optional: %s", got)
					}
					w.must(w.flow.Answer(w.ctx, proxy, open[0].ID, answer))
					live = strings.ToLower(strings.TrimSpace(answer))
				}
				w.finish()
				w.verify()
				s = w.rows()
				if want := map[string]gate.Status{"local_only": gate.Skipped, "required": gate.Approved}[live]; s.gate("G9").Status != want || s.project.Mode != live {
					t.Errorf("mode %s: G9 is %s", s.project.Mode, s.gate("G9").Status)
				}
			})
		}
	}
}

func TestNobodyConfirmsByDelegation(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "required")
	w.untilThat("only a confirmation is missing", func(s *rows) bool {
		o, err := w.flow.Overview(w.ctx, w.project)
		w.must(err)
		unmet := o.Unmet()
		return len(unmet) == 1 && unmet[0].Subject == proof.Manual && !o.Busy
	})
	for _, by := range []gate.Decider{proxy, {Actor: event.Actor{Kind: "agent", ID: "devops-engineer"}, Method: gate.Session, Role: "owner"}} {
		if err := w.flow.Confirm(w.ctx, by, w.project, "G9", "It works."); fault.KindOf(err) != fault.KindForbidden {
			t.Errorf("confirmed by %+v: %v", by, err)
		}
	}
	if err := w.flow.Rerun(w.ctx, ada, w.project, "G9", proof.Manual); fault.KindOf(err) != fault.KindInvalid {
		t.Errorf("a check was asked to confirm: %v", err)
	}
	if err := w.approve(ada, "G9", flow.Approval{}); fault.CodeOf(err) != "gate.unmet" {
		t.Errorf("approved without a confirmation: %v", err)
	}
	w.must(w.flow.Confirm(w.ctx, grace, w.project, "G9", "It works."))
	w.drain()
	w.is("G9", gate.InReview, false)
	w.must(w.approve(ada, "G9", flow.Approval{}))
	w.finish()
}

func TestAReleaseIsOneCommit(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"internal/app/app.go", "Dockerfile", "README.md", "docs/DEPLOYMENT.md", "docs/PRD.md"} {
		t.Run(strings.ReplaceAll(path, "/", "_"), func(t *testing.T) {
			t.Parallel()
			w := start(t, "traditional", "required")
			first := w.until("G9", gate.Pending)
			released := first.change.ReleaseCommit
			for _, typ := range first.required("G8") {
				if p := first.newest("G8", typ); p == nil || p.Commit != released || !p.Release {
					t.Errorf("%s of the release: %+v", typ, p)
				}
			}
			w.line("docs/RUNBOOK.md") // what G9 writes is not released
			w.is("G8", gate.Approved, false)
			w.line(path)
			w.untilThat("G8 is stale", func(s *rows) bool { return s.gate("G8").Stale })
			w.untilThat("another release is named", func(s *rows) bool { return s.change.ReleaseCommit != released })
			w.until("G8", gate.InReview)
			w.is("G8", gate.InReview, true)
			s := w.rows()
			for _, typ := range s.required("G8") {
				if p := s.newest("G8", typ); p == nil || p.Commit != s.change.ReleaseCommit {
					t.Errorf("%s of the second release: %+v", typ, p)
				}
			}
			w.finish()
			w.verify()
			s = w.rows()
			for _, typ := range s.required("G9") {
				if p := s.newest("G9", typ); p == nil || p.Commit != s.change.ReleaseCommit {
					t.Errorf("%s of production: %+v", typ, p)
				}
			}
		})
	}
}

func TestAReleaseThatIsNoLongerTheHeadCannotBeApproved(t *testing.T) {
	t.Parallel()
	// On the fast track G7, which would look at every file again, is skipped.
	w := start(t, "traditional", "local_only")
	w.finish()
	w.next("Fix a typo in the heading")
	released := w.idle("G8", gate.InReview).change.ReleaseCommit
	w.line("docs/TASKS.md")
	w.is("G8", gate.Pending, false)
	if err := w.approve(ada, "G8", flow.Approval{}); fault.KindOf(err) != fault.KindConflict {
		t.Errorf("approved: %v", err)
	}
	if got := w.rows().change.ReleaseCommit; got == released {
		t.Error("the release is still the one before the edit")
	}
	w.finish()
	w.verify()
}

func TestASecondChangeHasItsOwnGates(t *testing.T) {
	t.Parallel()
	w := start(t, "express", "local_only")
	w.finish()
	first := w.rows()
	w.next("Add a report of what was watered")
	s := w.rows()
	if s.change.Number != 2 || s.change.Fast || s.change.BaseCommit != first.project.Head || len(s.gates) != 10 || len(s.decisions) != 0 {
		t.Errorf("change %+v with %d gates and %d decisions", s.change, len(s.gates), len(s.decisions))
	}
	w.finish()
	w.verify()
	s = w.rows()
	for _, g := range s.gates {
		if g.Status == gate.Approved && w.tree.tags[w.project]["c2/gate/"+g.Code] == "" {
			t.Errorf("%s of the second change has no tag", g.Code)
		}
		if g.ID == first.gate(g.Code).ID {
			t.Errorf("%s is shared", g.Code)
		}
	}
	if err := w.flow.Reject(w.ctx, ada, w.project, "G5", "", "No."); fault.CodeOf(err) != "change.ended" {
		t.Errorf("a change that has ended was rejected: %v", err)
	}
}

func TestCreatingIsTheDecisionOnG0(t *testing.T) {
	t.Parallel()
	for _, by := range []gate.Decider{ada, grace, proxy} {
		w, end := newWorld(t, t.TempDir())
		t.Cleanup(end)
		b, err := blueprint.Load("traditional")
		w.must(err)
		w.begin(by, everyPart, project.Project{Type: "traditional", Mode: "optional", Tier: "mvp"}, b)
		w.is("G0", gate.Pending, false)
		s := w.rows()
		// Whoever runs the job early decides nothing.
		w.must(w.flow.Creation(w.ctx, w.project, s.change.ID))
		w.is("G0", gate.Pending, false)
		for _, verdict := range []proof.Verdict{proof.Blocked, proof.Fail} {
			w.endProof(w.rows(), w.rows().openProofs()[0], verdict, 0)
			w.is("G0", gate.Pending, false)
			w.must(w.flow.Rerun(w.ctx, ada, w.project, "G0"))
			w.drain()
		}
		w.checksPass()
		w.is("G0", gate.Approved, false)
		d := w.rows().approval("G0")
		if d.Actor != "person:"+by.Actor.ID || d.Method != by.Method || d.Tag != "gate/G0" {
			t.Errorf("G0 was decided by %s, %s, tag %s; want %+v", d.Actor, d.Method, d.Tag, by)
		}
		w.must(w.flow.Creation(w.ctx, w.project, s.change.ID))
		w.settled()
	}
}

// waive sets a rule aside for an hour.
func (w *world) waive(code, rule, subject string) gate.Waiver {
	w.Helper()
	x, err := w.flow.Waive(w.ctx, ada, w.project, gate.Waiver{Code: code, Rule: rule, Subject: subject, Owner: "ada", Reason: "We accept it.", ExpiresAt: hence(time.Hour)})
	w.must(err)
	w.drain()
	return x
}

func TestAWaiverRunsOut(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.until("G5", gate.Pending)
	for len(w.rows().openProofs()) == 0 {
		w.help(w.rows())
	}
	s := w.rows()
	w.concludeAll(s, s.openProofs(), func(p proof.Row) (proof.Verdict, float64) {
		if p.Type == proof.Lint {
			return proof.Blocked, 0
		}
		return proof.Pass, 0
	})
	w.is("G5", gate.Pending, false)
	x, err := w.flow.Waive(w.ctx, ada, w.project, gate.Waiver{Code: "G5", Rule: "proof", Subject: proof.Lint, Owner: "ada", Reason: "No linter here.", ExpiresAt: hence(300 * time.Millisecond)})
	w.must(err)
	w.is("G5", gate.InReview, false)
	<-time.After(time.Until(x.ExpiresAt.Time))
	if err := w.approve(ada, "G5", flow.Approval{}); fault.CodeOf(err) != "gate.unmet" {
		t.Errorf("approved under a waiver that had run out: %v", err)
	}
	w.write(func(ctx context.Context, tx *db.Tx) error { return w.flow.Tick(ctx, tx) })
	w.drain()
	w.is("G5", gate.Pending, false)
}

func TestAGateThatIsSetAsideHoldsNothingUp(t *testing.T) {
	t.Parallel()
	t.Run("while its agents are at work", func(t *testing.T) {
		t.Parallel()
		w := start(t, "traditional", "required")
		s := w.until("G9", gate.Pending)
		operator := s.runs[len(s.runs)-1]
		w.waive("G9", "gate", "G9")
		s = w.rows()
		if s.change.Status != project.ChangeCompleted {
			t.Fatalf("the change is %s\n%s", s.change.Status, w.describe())
		}
		w.closing(s)
		for _, r := range s.runs {
			if r.ID == operator.ID && r.Status != run.Cancelled {
				t.Errorf("the %s is %s in a change that has ended", r.Role, r.Status)
			}
		}
		w.next("Add a report")
		w.finish()
	})
	t.Run("before a release is named", func(t *testing.T) {
		t.Parallel()
		w := start(t, "traditional", "required")
		w.until("G7", gate.Pending)
		w.waive("G8", "gate", "")
		w.finish()
		s := w.rows()
		if s.change.ReleaseCommit == "" || s.gate("G9").Status != gate.Approved {
			t.Errorf("release %q, G9 %s", s.change.ReleaseCommit, s.gate("G9").Status)
		}
	})
	t.Run("in a stop that is decided together", func(t *testing.T) {
		t.Parallel()
		w := start(t, "express", "required")
		w.until("G8", gate.Pending)
		w.waive("G9", "gate", "")
		w.finish()
		if s := w.rows(); s.gate("G8").Status != gate.Approved || s.gate("G9").Status == gate.Approved {
			t.Errorf("G8 is %s, G9 is %s", s.gate("G8").Status, s.gate("G9").Status)
		}
	})
	t.Run("while a task of it is open", func(t *testing.T) {
		t.Parallel()
		w := start(t, "ai_ml", "local_only")
		s := w.until("G6", gate.Pending)
		tester := s.runs[len(s.runs)-1]
		w.waive("G6", "gate", "")
		w.endRun(tester, w.good(s, tester)) // changes what G5 was approved with
		w.finish()
	})
}

func TestWorkOfAnotherGateDoesNotKeepAStaleOneWaiting(t *testing.T) {
	t.Parallel()
	w := start(t, "ai_ml", "local_only")
	s := w.until("G5", gate.Pending)
	w.line("docs/PRD.md")
	w.is("G2", gate.Approved, true)
	for _, r := range s.runs {
		if r.Live() {
			w.endRun(r, w.good(s, r))
		}
	}
	// The ml-engineer waits for its turn, which comes after the review of G2.
	w.checksPass()
	w.is("G2", gate.InReview, true)
	w.finish()
}

func TestNobodyIsAskedToWriteWhatOnlyThePlatformWrites(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.until("G1", gate.InReview)
	w.person(edit{delete: []string{"docs/PROJECT.md"}})
	for range 5 {
		w.checksPass()
	}
	for _, task := range w.rows().tasks {
		if task.Role == "" {
			t.Fatalf("a task for nobody: %+v", task)
		}
	}
	w.is("G0", gate.Pending, true)
	w.finish()
	if _, ok := w.rows().filesAt(w.rows().project.Head)["docs/PROJECT.md"]; !ok {
		t.Error("the change is complete without its project sheet")
	}
}

func TestRedEvidenceAfterAnApprovalReopensTheGate(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.until("G5", gate.InReview)
	w.must(w.flow.Rerun(w.ctx, ada, w.project, "G5", proof.Build))
	w.drain()
	w.must(w.approve(ada, "G5", flow.Approval{})) // on the evidence that is there
	s := w.rows()
	w.endProof(s, s.openProofs()[0], proof.Fail, 0)
	if g := w.rows().gate("G5"); !g.Stale {
		t.Errorf("the newest proof of G5 is red, and it is %s stale=%v", g.Status, g.Stale)
	}
	w.finish()
	w.verify()
}

func TestWhatLaterWorkRemovesReopensTheGateThatOwedIt(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	s := w.until("G5", gate.Pending)
	k := w.good(s, s.runs[len(s.runs)-1])
	k.delete = []string{"README.md"} // carried by G3
	w.endRun(s.runs[len(s.runs)-1], k)
	w.finish()
	if w.events("gate.stale", "G3") == 0 {
		t.Error("G3 was carried forward without what it owes")
	}
	if _, ok := w.rows().filesAt(w.rows().project.Head)["README.md"]; !ok {
		t.Error("the change is complete without its README")
	}
}

func TestADeltaReviewStaysOneWhenAnEarlierGateIsSentBack(t *testing.T) {
	t.Parallel()
	w := start(t, "traditional", "local_only")
	w.until("G4", gate.InReview)
	w.line("docs/ARCHITECTURE.md")
	w.until("G3", gate.InReview)
	w.is("G3", gate.InReview, true)
	w.must(w.flow.Reopen(w.ctx, ada, w.project, "G2", "Say more."))
	w.decisions++
	w.drain()
	w.is("G3", gate.Blocked, true)
	s := w.until("G3", gate.InReview)
	if !s.gate("G3").Stale || slices.ContainsFunc(s.tasks, func(x project.Task) bool { return x.Gate == "G3" && x.Round > 1 }) {
		t.Errorf("an edited line was done again by agents:\n%s", w.describe())
	}
	w.finish()
}

func TestWhatBelongsToAnotherProjectIsOutOfReach(t *testing.T) {
	t.Parallel()
	w := start(t, "small", "local_only")
	mine, x := w.project, w.waive("G6", "proof", "")
	b, err := blueprint.Parse([]byte(small))
	w.must(err)
	w.decisions = 0
	w.begin(grace, everyPart, project.Project{Type: "traditional", Mode: "optional", Tier: "mvp"}, b)
	if w.project == mine {
		t.Fatal("the second project is the first")
	}
	before := w.digest()
	if err := w.flow.CloseWaiver(w.ctx, grace, w.project, "G6", x.ID); fault.KindOf(err) != fault.KindConflict {
		t.Errorf("a waiver of another project: %v", err)
	}
	if w.digest() != before {
		t.Error("it was refused and changed something")
	}
}
