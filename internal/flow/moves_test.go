package flow_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/run"
)

// move is something that agents, checks, people or time may do now.
type move struct {
	name   string
	weight int
	do     func()
}

// hand deals moves: it draws which of those that are possible is made.
type hand struct {
	*world
	t     *rapid.T
	s     *rows
	cards []move
}

func (h *hand) add(weight int, name string, do func()) {
	h.cards = append(h.cards, move{name, weight, do})
}

// pick draws one of a list, which is not empty.
func pick[T any](h *hand, label string, list []T) T {
	return list[rapid.IntRange(0, len(list)-1).Draw(h.t, label)]
}

// play makes one legal move.
func (w *world) play(t *rapid.T) {
	w.Helper()
	h := &hand{world: w, t: t, s: w.rows()}
	if h.s.change.Status == project.ChangeOpen {
		h.agents()
		h.checks()
		h.deciders()
		h.settlers()
		h.owners()
	}
	h.editors()
	h.operators()
	total := 0
	for _, m := range h.cards {
		total += m.weight
	}
	n := rapid.IntRange(0, total-1).Draw(t, "move")
	for _, m := range h.cards {
		if n -= m.weight; n < 0 {
			w.note("%s", m.name)
			w.moves++
			m.do()
			w.drain()
			return
		}
	}
}

// agents may end their runs in every way that package run knows.
func (h *hand) agents() {
	for _, r := range h.s.runs {
		if r.Status != run.Queued && r.Status != run.Running {
			continue
		}
		name := r.Role + " at " + r.Gate
		if h.s.project.Paused {
			h.add(4, name+" pauses", func() { h.waitRun(r, run.WaitPause, nil) })
			continue
		}
		h.add(16, name+" succeeds", func() { h.endRun(r, h.good(h.s, r)) })
		h.add(3, name+" meddles", func() { h.endRun(r, h.meddle(h.good(h.s, r))) })
		h.add(2, name+" leaves something out", func() { h.endRun(r, h.partial(h.good(h.s, r))) })
		h.add(1, name+" does nothing", func() { h.endRun(r, work{status: run.Succeeded}) })
		h.add(3, name+" fails", func() { h.endRun(r, work{status: run.Failed, reason: "it gave up"}) })
		h.add(1, name+" conflicts", func() { h.endRun(r, work{status: run.Succeeded, conflict: true}) })
		h.add(1, name+" raises a blocker", func() {
			k := h.good(h.s, r)
			k.blocker = pick(h, "severity", []string{"critical", "high"})
			h.endRun(r, k)
		})
		for _, kind := range []string{project.QuestionAgent, project.QuestionBudget, project.QuestionStuck} {
			waits := run.WaitQuestion
			if kind == project.QuestionBudget {
				waits = run.WaitBudget
			}
			q := project.Question{Project: r.Project, Change: r.Change, Gate: r.Gate, Run: r.ID, Kind: kind, Text: kind + "?", Blocking: true}
			h.add(1, name+" asks: "+kind, func() { h.waitRun(r, waits, &q) })
		}
		q := project.Question{Project: r.Project, Change: r.Change, Gate: r.Gate, Run: r.ID, Kind: project.QuestionAgent, Text: "By the way?", Suggestion: "no"}
		h.add(1, name+" asks without waiting", func() { h.waitRun(r, "", &q) })
		h.add(1, name+" is cancelled", func() { h.must(h.flow.CancelRun(h.ctx, ada, r.ID, "not needed")) })
		h.add(1, name+" is told something", func() {
			_, err := h.flow.SteerRun(h.ctx, ada, r.ID, "Mind the gap.")
			h.must(err)
		})
	}
	h.retries()
}

// retries begin what failed or was cancelled once more, where nothing has gone on
// without it.
func (h *hand) retries() {
	for _, r := range h.s.runs {
		if r.Status != run.Failed && r.Status != run.Cancelled {
			continue
		}
		h.add(1, "retry the "+r.Role+" at "+r.Gate, func() {
			_, err := h.flow.RetryRun(h.ctx, ada, r.ID, 0)
			if fault.KindOf(err) == fault.KindConflict {
				h.note("  %v", err)
				return
			}
			h.must(err)
		})
	}
}

// meddle adds to an agent's work what is not its own.
func (h *hand) meddle(k work) work {
	h.n++
	switch pick(h, "meddle", []string{"readme", "source", "prd", "image", "runbook", "page", "project", "delete", "tests"}) {
	case "readme":
		k.file("README.md", []byte(markdown("Garden", nil, h.n, "")))
	case "source":
		k.file("internal/app/app.go", source(h.n))
	case "tests":
		k.file("internal/app/app_test.go", source(h.n))
	case "prd":
		k.file("docs/PRD.md", content(h.s.deliverable("docs/PRD.md"), h.like, h.n))
	case "image":
		k.file("Dockerfile", fmt.Appendf(nil, "FROM scratch\nLABEL n=%d\n", h.n))
	case "runbook":
		k.file("docs/RUNBOOK.md", content(h.s.deliverable("docs/RUNBOOK.md"), h.like, h.n))
	case "page":
		k.file("web/index.html", fmt.Appendf(nil, "<p>%d</p>\n", h.n))
	case "project":
		k.file("docs/PROJECT.md", []byte(markdown("Garden", nil, h.n, "")))
	case "delete":
		if path := h.victim(); k.put[path] == nil {
			k.delete = append(k.delete, path)
		}
	}
	return k
}

// victim is any file that people or agents wrote.
func (h *hand) victim() string {
	var paths []string
	for path := range h.s.filesAt(h.s.project.Head) {
		if len(path) < len(flow.EvidenceRoot) || path[:len(flow.EvidenceRoot)] != flow.EvidenceRoot {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	if len(paths) == 0 {
		return ""
	}
	return pick(h, "victim", paths)
}

// partial takes one file out of an agent's work, or spoils it.
func (h *hand) partial(k work) work {
	var paths []string
	for path := range k.put {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	path := pick(h, "spoiled", paths)
	if rapid.Bool().Draw(h.t, "spoil") {
		k.put[path] = []byte(" \n")
	} else {
		delete(k.put, path)
	}
	k.designs = k.designs && rapid.Bool().Draw(h.t, "designs")
	return k
}

// checks may come out in every way.
func (h *hand) checks() {
	open := h.s.openProofs()
	if len(open) == 0 {
		return
	}
	pass := func(proof.Row) (proof.Verdict, float64) { return proof.Pass, 100 }
	h.add(20, fmt.Sprintf("%d checks pass", len(open)), func() { h.concludeAll(h.s, open, pass) })
	h.add(6, "one check ends", func() {
		p := pick(h, "proof", open)
		verdict := pick(h, "verdict", []proof.Verdict{proof.Pass, proof.Fail, proof.Blocked})
		h.note("  %s of %s: %s", p.Type, p.Gate, verdict)
		h.endProof(h.s, p, verdict, float64(pick(h, "coverage", []int{0, 59, 60, 79, 80, 90, 100})))
	})
}

// deciders approve, reject and reopen.
func (h *hand) deciders() {
	for _, g := range h.s.gates {
		if g.Status == gate.InReview && g.Code != "G0" {
			h.add(14, "approve "+g.Code, func() {
				by := pick(h, "who", []gate.Decider{ada, grace, proxy})
				_ = h.approve(by, g.Code, h.approval(g)) // judged there
			})
		}
		if g.Status == gate.InReview || g.Status == gate.Pending {
			if targets := h.targets(g.Position); len(targets) > 0 {
				h.add(1, "reject "+g.Code, func() {
					target := pick(h, "target", targets)
					h.note("  to %s", target)
					h.must(h.flow.Reject(h.ctx, ada, h.project, g.Code, target, "It is not right yet."))
					h.decisions++
				})
			}
		}
		if g.Status == gate.Approved && h.reworkable(g) {
			h.add(1, "reopen "+g.Code, func() {
				h.must(h.flow.Reopen(h.ctx, grace, h.project, g.Code, "It has to change."))
				h.decisions++
			})
		}
	}
}

// approval is what an approver says: a design, a promise, or neither.
func (h *hand) approval(g gate.Gate) flow.Approval {
	a := flow.Approval{Comment: "Fine."}
	if n := len(h.s.designs); n > 0 {
		a.Design = pick(h, "design", []string{"", "1", fmt.Sprint(n)})
	}
	if later := h.s.codes(func(o gate.Gate) bool { return o.Position > g.Position && o.Status != gate.Skipped }); len(later) > 0 && rapid.IntRange(0, 5).Draw(h.t, "promise") == 5 {
		a.Conditions = []flow.Promise{{Text: "Mend it later", Owner: "grace", Due: pick(h, "due", later)}}
	}
	return a
}

// targets are the gates up to a position whose work can be done again.
func (h *hand) targets(position int64) []string {
	return h.s.codes(func(g gate.Gate) bool { return g.Position <= position && h.reworkable(g) })
}

func (h *hand) reworkable(g gate.Gate) bool {
	return g.Status != gate.Skipped && len(h.s.spec(g.Code).AgentsFor(h.s.facts, h.s.project.Type)) > 0
}

// settlers answer, resolve, waive, confirm and ask for checks again.
func (h *hand) settlers() {
	for _, q := range h.s.questions {
		if q.Status != "open" {
			continue
		}
		h.add(6, "answer "+q.Kind+" at "+q.Gate, func() {
			by := ada
			if q.Kind == project.QuestionAgent || q.Kind == project.QuestionMode {
				by = pick(h, "who", []gate.Decider{ada, proxy})
			}
			h.must(h.flow.Answer(h.ctx, by, q.ID, answerTo(q, rapid.IntRange(0, 1).Draw(h.t, "answer"))))
		})
	}
	for _, b := range h.s.blockers {
		if b.Status == "open" {
			h.add(4, "resolve a blocker of "+b.Gate, func() {
				h.must(h.flow.ResolveBlocker(h.ctx, grace, h.project, b.Gate, b.ID, "It is gone."))
			})
		}
	}
	for _, c := range h.s.conditions {
		if c.Status == "open" {
			h.add(2, "keep a promise due at "+c.Due, func() {
				h.must(h.flow.ResolveCondition(h.ctx, ada, h.project, c.Due, c.ID, "Done."))
			})
		}
	}
	if release := h.s.change.ReleaseCommit; release != "" {
		for _, g := range h.s.gates {
			if slices.Contains(h.s.required(g.Code), proof.Manual) {
				h.add(4, "confirm "+g.Code, func() { h.must(h.flow.Confirm(h.ctx, ada, h.project, g.Code, "It works.")) })
			}
		}
	}
	h.waivers()
	for _, g := range h.s.gates {
		if g.Status != gate.Pending && g.Status != gate.InReview || (g.Code == "G8" || g.Code == "G9") && h.s.change.ReleaseCommit == "" {
			continue
		}
		if types := slices.DeleteFunc(h.s.required(g.Code), func(t string) bool { return t == proof.Manual }); len(types) > 0 {
			h.add(1, "rerun a check of "+g.Code, func() {
				h.must(h.flow.Rerun(h.ctx, proxy, h.project, g.Code, pick(h, "type", types)))
			})
			h.add(1, "rerun what is red at "+g.Code, func() { h.must(h.flow.Rerun(h.ctx, ada, h.project, g.Code)) })
		}
	}
}

// waivers are granted, closed, and run out.
func (h *hand) waivers() {
	h.add(1, "waive", func() { h.waive(time.Hour) })
	h.add(1, "waive for a moment", func() { h.expire(h.waive(time.Hour)) })
	for _, x := range h.s.waivers {
		if x.Status != "open" {
			continue
		}
		h.add(2, "close a waiver of "+x.Code, func() { h.must(h.flow.CloseWaiver(h.ctx, ada, h.project, x.Code, x.ID)) })
		h.add(1, "a waiver of "+x.Code+" runs out", func() { h.expire(x) })
	}
}

// expire lets the time pass until a waiver has run out. The clock of the rows is
// moved, not ours: what happens at random must happen again the same way.
func (h *hand) expire(x gate.Waiver) {
	h.write(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE waivers SET expires_at = created_at WHERE id = $1`, x.ID)
		return err
	})
	h.tick()
}

func (h *hand) waive(lasts time.Duration) gate.Waiver {
	code := pick(h, "gate", h.s.codes(func(gate.Gate) bool { return true }))
	x := gate.Waiver{Code: code, Rule: pick(h, "rule", gate.WaivableRules), Owner: "ada", Reason: "We accept it."}
	subjects := []string{"", "something else"}
	switch x.Rule {
	case "gate":
		subjects = append(subjects, code)
	case "proof", "coverage":
		subjects = append(subjects, h.s.required(code)...)
	case "deliverable":
		for _, d := range h.s.spec(code).Deliverables {
			subjects = append(subjects, d.Name)
		}
	case "blocker":
		for _, b := range h.s.blockers {
			subjects = append(subjects, b.ID)
		}
	case "condition":
		for _, c := range h.s.conditions {
			subjects = append(subjects, c.ID)
		}
	}
	x.Subject = pick(h, "subject", subjects)
	x.ExpiresAt = hence(lasts)
	h.note("  %s %s %q", x.Code, x.Rule, x.Subject)
	x, err := h.flow.Waive(h.ctx, ada, h.project, x)
	h.must(err)
	h.drain()
	return x
}

// tick is the time that passes in every worker.
func (h *hand) tick() {
	h.write(func(ctx context.Context, tx *db.Tx) error {
		if _, err := run.Tick(ctx, tx, h.queue); err != nil {
			return err
		}
		return h.flow.Tick(ctx, tx)
	})
	h.drain()
}

// owners pause, pay and give up.
func (h *hand) owners() {
	if h.s.project.Paused {
		h.add(6, "resume", func() { h.must(h.flow.Pause(h.ctx, ada, h.project, false)) })
	} else {
		h.add(1, "pause", func() { h.must(h.flow.Pause(h.ctx, grace, h.project, true)) })
		h.add(1, "stop", func() { h.must(h.flow.Stop(h.ctx, grace, h.project)) })
	}
	h.add(1, "set the budget", func() { h.must(h.flow.SetBudget(h.ctx, ada, h.project, int64(pick(h, "budget", []int{0, 5_000_000})))) })
}

// editors change files by hand, at any time.
func (h *hand) editors() {
	h.add(3, "a person edits a file", func() {
		var e edit
		h.n++
		paths := []string{"docs/PRD.md", "docs/USER_STORIES.md", "docs/INTAKE.md", "docs/ARCHITECTURE.md", "docs/TEST_PLAN.md", "docs/SECURITY_AUDIT.md", "docs/DEPLOYMENT.md", "docs/RUNBOOK.md", "docs/PROJECT.md", "README.md", "Dockerfile", "internal/app/app.go", "go.mod", "web/index.html", "style.css", ".layercake/checks.yaml"}
		path := pick(h, "path", paths)
		d := h.s.deliverable(path)
		switch kind := pick(h, "edit", []string{"change", "change", "change", "delete", "spoil"}); {
		case kind == "delete" && h.s.filesAt(h.s.project.Head)[path] != "":
			e.delete = []string{path}
		case kind == "spoil":
			e.file(path, []byte(" \n"))
		default:
			e.file(path, content(d, h.like, h.n))
		}
		h.note("  %s, deleted %v", path, e.delete != nil)
		h.person(e)
	})
}

// deliverable finds the deliverable that a path belongs to; another file counts
// as source.
func (s *rows) deliverable(path string) (d blueprint.Deliverable) {
	for _, g := range s.blueprint.Gates {
		for _, d := range g.Deliverables {
			if d.Path == path {
				return d
			}
		}
	}
	return blueprint.Deliverable{Kind: "source", Path: path}
}

// operators start, restart and end things.
func (h *hand) operators() {
	h.add(1, "the process restarts", func() {
		h.must(h.flow.Reclaim(h.ctx))
		h.write(func(ctx context.Context, tx *db.Tx) error {
			_, err := run.Reclaim(ctx, tx, h.queue)
			return err
		})
		h.drain()
	})
	if h.s.change.Status == project.ChangeOpen {
		if h.s.change.Number > 1 || len(h.s.decisions) > 6 {
			h.add(1, "cancel the change", func() { h.must(h.flow.CancelChange(h.ctx, ada, h.project, "No longer wanted.")) })
		}
		return
	}
	h.add(200, "begin a change", func() {
		request := pick(h, "request", []string{"Fix a typo in the heading", "Add a report of what was watered"})
		h.next(request)
	})
}

// next begins another change on the project.
func (w *world) next(request string) {
	w.Helper()
	w.note("  %s", request)
	text := w.rows().change.Blueprint
	_, err := w.flow.BeginChange(w.ctx, ada, w.project, request, []byte(text))
	w.must(err)
	w.drain()
}
