package flow_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/run"
)

// maxSteps bounds how long willing people, good agents and green checks may
// take from any state to the end of a change. The longest way seen has 120.
const maxSteps = 300

// finish carries the change to its end. People do only what the overview says
// waits for them; when it says nothing and nobody is at work, that is a dead end.
func (w *world) finish() {
	w.Helper()
	for range maxSteps {
		s := w.rows()
		if s.change.Status != project.ChangeOpen {
			w.closing(s)
			return
		}
		w.help(s)
		w.settled()
	}
	w.die("the change is not complete after %d steps of help", maxSteps)
}

// closing checks what a completed change leaves: nobody at work, and, where no
// rule was ever set aside, everything that each approval spoke of as it was.
func (w *world) closing(s *rows) {
	w.Helper()
	for _, t := range s.tasks {
		if t.Status == project.TaskOpen || t.Status == project.TaskRunning {
			w.die("the change is %s, and the %s is still at work at %s", s.change.Status, t.Role, t.Gate)
		}
	}
	for _, q := range s.questions {
		if q.Status == "open" {
			w.die("the change is %s, and a question of %s is still open", s.change.Status, q.Gate)
		}
	}
	if s.change.Status != project.ChangeCompleted || len(s.waivers) > 0 {
		return
	}
	// What a person edits after the end belongs to no change until the next begins.
	if w.number(`SELECT COUNT(*) FROM moves m JOIN changes c ON c.project_id = m.project_id WHERE m.kind = 'person' AND m.at >= c.ended_at AND c.id = '`+s.change.ID+`'`) > 0 {
		return
	}
	say := func(code, format string, args ...any) {
		w.die("complete, though %s: %s", code, fmt.Sprintf(format, args...))
	}
	for _, g := range s.gates {
		switch {
		case g.Status == gate.Skipped:
			s.people(g.Code, say)
			continue
		case g.Status != gate.Approved || g.Stale || !s.fresh(g.Code):
			say(g.Code, "it is %s stale=%v fresh=%v", g.Status, g.Stale, s.fresh(g.Code))
		}
		s.owed(g.Code, say)
		for _, typ := range s.required(g.Code) {
			if why := s.unproven(g.Code, typ); why != "" {
				say(g.Code, "%s %s", typ, why)
			}
		}
		s.people(g.Code, say)
	}
}

// help does one thing that carries the change on.
func (w *world) help(s *rows) {
	w.Helper()
	w.moves++
	for _, q := range s.questions {
		if q.Status == "open" {
			w.note("help: answer %s at %s", q.Kind, q.Gate)
			w.must(w.flow.Answer(w.ctx, ada, q.ID, answerTo(q, w.n)))
			w.drain()
			return
		}
	}
	if s.project.Paused {
		w.note("help: resume")
		w.must(w.flow.Pause(w.ctx, ada, w.project, false))
		w.drain()
		return
	}
	for _, r := range s.runs {
		if r.Status == run.Queued || r.Status == run.Running {
			w.note("help: the %s does its work at %s", r.Role, r.Gate)
			w.endRun(r, w.good(s, r))
			return
		}
	}
	if open := s.openProofs(); len(open) > 0 {
		w.note("help: %d checks pass", len(open))
		w.concludeAll(s, open, func(proof.Row) (proof.Verdict, float64) { return proof.Pass, 100 })
		return
	}
	w.unblock(s)
}

func answerTo(q project.Question, n int) string {
	switch q.Kind {
	case project.QuestionBudget:
		return "$100"
	case project.QuestionMode:
		return []string{"local_only", "required"}[n%2]
	}
	return "As you suggest"
}

func (s *rows) openProofs() (out []proof.Row) {
	for _, p := range s.proofs {
		if p.Status != proof.Done {
			out = append(out, p)
		}
	}
	return out
}

// unblock does what the overview asks of a person.
func (w *world) unblock(s *rows) {
	w.Helper()
	o, err := w.flow.Overview(w.ctx, w.project)
	w.must(err)
	if o.Busy {
		w.die("the overview says that something is at work, and nothing is")
	}
	if o.Sentence() == "Nothing is under way." {
		w.die("the overview has nothing to say to a person")
	}
	w.waiting(o)
	if len(o.Ready) > 0 {
		stop := o.Ready[0]
		w.note("help: approve %s", stop.Title())
		_, err := w.flow.Brief(w.ctx, o, stop)
		w.must(err)
		w.must(w.approve(ada, stop.Code(), flow.Approval{Comment: "Fine."}))
		return
	}
	for _, u := range o.Unmet() {
		if w.settle(s, u) {
			w.drain()
			return
		}
	}
	w.die("dead end: %s %+v", o.Sentence(), o.Unmet())
}

// waiting checks that the inbox, which looks at the rows alone, shows the decisions
// that the overview does.
func (w *world) waiting(o *flow.Overview) {
	w.Helper()
	var inbox []flow.Waiting
	w.read(func(ctx context.Context, tx *db.Tx) (err error) {
		inbox, err = flow.Inbox(ctx, tx, "usr_1", []string{"org_0", "org_1"})
		return err
	})
	var shown, ready []string
	for _, i := range inbox {
		if i.Kind == flow.WaitsDecision {
			shown = append(shown, i.Gate)
		}
	}
	for _, stop := range o.Ready {
		ready = append(ready, stop.Code())
	}
	slices.Sort(shown)
	slices.Sort(ready)
	if !slices.Equal(shown, ready) {
		w.die("the inbox shows decisions on %v, the overview on %v", shown, ready)
	}
}

// settle does what an unmet condition asks for; it reports false for those that
// settle themselves.
func (w *world) settle(s *rows, u gate.UnmetCondition) bool {
	w.Helper()
	w.note("help: settle %s %s at %s", u.Code, u.Subject, u.Gate)
	switch u.Code {
	case "blocker.open":
		w.must(w.flow.ResolveBlocker(w.ctx, ada, w.project, u.Gate, u.Subject, "It is out of the way."))
	case "condition.open":
		w.must(w.flow.ResolveCondition(w.ctx, ada, w.project, u.Gate, u.Subject, "It was kept."))
	case "proof.failed", "proof.blocked", "coverage.low":
		w.must(w.flow.Rerun(w.ctx, ada, w.project, u.Gate, u.Subject))
	case "proof.missing":
		if u.Subject != proof.Manual {
			return false
		}
		w.must(w.flow.Confirm(w.ctx, ada, w.project, u.Gate, "I tried it and it works."))
	case "design.missing":
		w.must(w.flow.Reject(w.ctx, ada, w.project, u.Gate, "", "Save the alternatives."))
		w.decisions++
	case "deliverable.missing", "deliverable.invalid":
		var e edit
		for _, d := range s.spec(u.Gate).Deliverables {
			if d.Name == u.Subject && d.Role == "" {
				w.n++
				e.file(d.Path, content(d, w.like, w.n))
			}
		}
		if e.put == nil {
			return false
		}
		w.person(e)
	default:
		return false
	}
	return true
}

// settled checks what must hold after every move.
func (w *world) settled() {
	w.Helper()
	before := w.changes()
	w.must(w.flow.Advance(w.ctx, w.project))
	// The one row is projects.locks.
	if n := w.changes() - before; n != 1 {
		w.drain()
		w.die("running flow again changed %d rows", n-1)
	}
	var is struct {
		Decisions int64 `db:"decisions"`
		Forged    int64 `db:"forged"`
		Unearned  int64 `db:"unearned"`
		Jobs      int64 `db:"jobs"`
		Bare      int64 `db:"bare"`
	}
	w.read(func(ctx context.Context, tx *db.Tx) error {
		return tx.One(ctx, &is, `SELECT
			(SELECT COUNT(*) FROM decisions) AS decisions,
			(SELECT COUNT(*) FROM decisions WHERE actor NOT LIKE 'person:_%' OR method NOT IN ('session', 'terminal', 'delegated') OR kind NOT IN ('approve', 'reject', 'reopen')) AS forged,
			(SELECT COUNT(*) FROM gates g WHERE decisions <> (SELECT COUNT(*) FROM decisions d WHERE d.gate_id = g.id AND d.kind = 'approve' AND d.commit_hash <> '')
				OR status = 'APPROVED' AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.gate_id = g.id AND d.kind = 'approve' AND d.commit_hash <> '' AND d.round = g.round)) AS unearned,
			(SELECT COUNT(*) FROM river_job) AS jobs,
			(SELECT COUNT(*) FROM proofs WHERE verdict = 'pass' AND (source = 'platform' AND log_key = '' OR source = 'person' AND (type <> 'manual_verification' OR asked_by NOT LIKE 'person:_%'))) AS bare`)
	})
	switch {
	case is.Forged > 0:
		w.die("%d decisions have no person or no legal method", is.Forged)
	case is.Unearned > 0:
		w.die("%d gates are approved without a decision", is.Unearned)
	case is.Decisions != int64(w.decisions):
		w.die("there are %d decisions, and people made %d", is.Decisions, w.decisions)
	case is.Jobs > 0:
		w.die("flow that had nothing to do inserted %d jobs", is.Jobs)
	case is.Bare > 0:
		w.die("%d proofs pass without what they rest on", is.Bare)
	}
}

// verify checks the log of the project, and the copy that its repository
// carries.
func (w *world) verify() {
	w.Helper()
	w.read(func(ctx context.Context, tx *db.Tx) error { return event.Verify(ctx, tx, w.project) })
	s := w.rows()
	tags := w.tree.tags[w.project]
	w.read(func(ctx context.Context, tx *db.Tx) error {
		changes, err := project.Changes(ctx, tx, w.project)
		if err != nil {
			return err
		}
		for _, c := range changes {
			all, err := gate.Decisions(ctx, tx, c.ID)
			if err != nil {
				return err
			}
			for _, d := range all {
				if d.Commit != "" && tags[d.Tag] != d.Commit {
					w.die("tag %s is at %s, the decision's commit is %s", d.Tag, tags[d.Tag], d.Commit) //nolint:contextcheck // the world carries the context of the test
				}
			}
		}
		return nil
	})
	if w.tree.heads[w.project] != s.project.Head && s.change.Status != project.ChangeOpen {
		w.die("the published head is not the project's")
	}
	data, err := w.tree.Read(w.ctx, w.project, s.project.Head, flow.EvidenceRoot+"/events.jsonl")
	if err != nil {
		return // nothing has been decided yet
	}
	w.must(verifyCopy(data, w.tree, w.project, s.project.Head))
}

func verifyCopy(data []byte, t *tree, projectID, head string) error {
	var list []event.Event
	for line := range strings.Lines(string(data)) {
		var e event.Event
		if err := unmarshal([]byte(line), &e); err != nil {
			return err
		}
		list = append(list, e)
	}
	var chain flow.Chain
	text, err := t.Read(context.Background(), projectID, head, flow.EvidenceRoot+"/head.json")
	if err != nil {
		return err
	}
	if err := unmarshal(text, &chain); err != nil {
		return err
	}
	return event.VerifyList(list, chain.Seq, chain.Hash)
}

// codes lists the gates for which keep holds.
func (s *rows) codes(keep func(gate.Gate) bool) (out []string) {
	for _, g := range s.gates {
		if keep(g) {
			out = append(out, g.Code)
		}
	}
	return out
}
