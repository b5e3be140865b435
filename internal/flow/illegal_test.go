package flow_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
)

// attempt is something that must be refused.
type attempt struct {
	name string
	kind fault.Kind
	do   func() error
}

// foreign draws somebody who may do nothing at all.
func foreign(t *rapid.T) gate.Decider {
	kind := rapid.SampledFrom([]string{"agent", "platform", "job", "person", "", "Person"}).Draw(t, "actor")
	by := gate.Decider{Actor: event.Actor{Kind: kind, ID: "x"}, Method: gate.Session, Role: "owner"}
	by.Method = rapid.SampledFrom([]gate.Method{gate.Session, gate.Terminal, gate.Delegated}).Draw(t, "method")
	if kind == "person" {
		switch rapid.SampledFrom([]string{"nobody", "no method", "api", "viewer", "no role"}).Draw(t, "flaw") {
		case "nobody":
			by.Actor.ID = ""
		case "no method":
			by.Method = ""
		case "api":
			by.Method = "api"
		case "viewer":
			by.Role = "viewer"
		case "no role":
			by.Role = ""
		}
	}
	return by
}

// transgress makes one move that must be refused and change nothing.
func (w *world) transgress(t *rapid.T) {
	w.Helper()
	h := &hand{world: w, t: t, s: w.rows()}
	var all []attempt
	switch rapid.IntRange(0, 4).Draw(t, "transgression") {
	case 0, 1:
		by := foreign(t)
		w.note("%s %s by %s with role %q:", by.Actor.Kind, by.Actor.ID, by.Method, by.Role)
		all = h.everything(by, fault.KindForbidden)
	case 2:
		all = h.present(proxy, fault.KindForbidden)
	default:
		all = h.misplaced()
	}
	a := pick(h, "attempt", all)
	w.note("attempt: %s", a.name)
	w.moves++
	before := w.digest()
	err := a.do()
	if err == nil {
		w.die("it was allowed: %s", a.name)
	}
	if got := fault.KindOf(err); got != a.kind && (a.kind != fault.KindForbidden || got != fault.KindInvalid) {
		w.die("%s was refused as %s, want %s: %v", a.name, got, a.kind, err)
	}
	if w.digest() != before {
		w.die("it was refused and changed something: %s", a.name)
	}
	if n := w.number(`SELECT COUNT(*) FROM river_job`); n != 0 {
		w.die("it was refused and inserted %d jobs: %s", n, a.name)
	}
}

// present lists what nobody may do who is not there: it is never delegated.
func (h *hand) present(by gate.Decider, kind fault.Kind) (out []attempt) {
	add := func(name string, do func() error) { out = append(out, attempt{name, kind, do}) }
	code := pick(h, "gate", h.s.codes(func(gate.Gate) bool { return true }))
	x := gate.Waiver{Code: code, Rule: "proof", Owner: "x", Reason: "x", ExpiresAt: hence(time.Hour)}
	add("waive "+code, func() error { _, err := h.flow.Waive(h.ctx, by, h.project, x); return err })
	add("confirm "+code, func() error { return h.flow.Confirm(h.ctx, by, h.project, code, "It works.") })
	add("set the budget", func() error { return h.flow.SetBudget(h.ctx, by, h.project, 0) })
	add("cancel the change", func() error { return h.flow.CancelChange(h.ctx, by, h.project, "No.") })
	for _, o := range h.s.waivers {
		add("close a waiver", func() error { return h.flow.CloseWaiver(h.ctx, by, h.project, o.Code, o.ID) })
	}
	for _, o := range h.s.blockers {
		add("resolve a blocker", func() error { return h.flow.ResolveBlocker(h.ctx, by, h.project, o.Gate, o.ID, "Gone.") })
	}
	for _, o := range h.s.conditions {
		add("keep a promise", func() error { return h.flow.ResolveCondition(h.ctx, by, h.project, o.Due, o.ID, "Done.") })
	}
	for _, q := range h.s.questions {
		if q.Status == "open" && (q.Kind == project.QuestionBudget || q.Kind == project.QuestionStuck) {
			add("answer "+q.Kind, func() error { return h.flow.Answer(h.ctx, by, q.ID, "5") })
		}
	}
	return out
}

// everything lists what only a person may do.
func (h *hand) everything(by gate.Decider, kind fault.Kind) []attempt {
	out := h.present(by, kind)
	add := func(name string, do func() error) { out = append(out, attempt{name, kind, do}) }
	for _, g := range h.s.gates {
		add("approve "+g.Code, func() error {
			if h.s.change.Status != project.ChangeOpen {
				return fault.Forbidden("ended", "nothing to approve")
			}
			_, err := h.flow.Approve(h.ctx, by, h.project, g.Code, flow.Approval{})
			return err
		})
		add("reject "+g.Code, func() error { return h.flow.Reject(h.ctx, by, h.project, g.Code, "", "No.") })
		add("reopen "+g.Code, func() error { return h.flow.Reopen(h.ctx, by, h.project, g.Code, "Again.") })
		add("rerun "+g.Code, func() error { return h.flow.Rerun(h.ctx, by, h.project, g.Code) })
	}
	for _, q := range h.s.questions {
		if q.Status == "open" {
			add("answer "+q.Kind, func() error { return h.flow.Answer(h.ctx, by, q.ID, "required") })
		}
	}
	add("pause", func() error { return h.flow.Pause(h.ctx, by, h.project, true) })
	add("begin a change", func() error {
		_, err := h.flow.BeginChange(h.ctx, by, h.project, "Another one", []byte(h.s.change.Blueprint))
		return err
	})
	add("create a project", func() error {
		p := project.Project{Name: "x", Idea: "x", Type: h.s.project.Type, Mode: "optional", Tier: "mvp", Teaching: "novice"}
		_, err := h.flow.Create(h.ctx, by, &p, []byte(h.s.change.Blueprint), nil)
		return err
	})
	return out
}

func hence(d time.Duration) db.Time { return db.Now().Add(d) }

// misplaced lists what a person may do, but not now or not like this.
func (h *hand) misplaced() (out []attempt) {
	add := func(kind fault.Kind, name string, do func() error) { out = append(out, attempt{name, kind, do}) }
	const conflict, invalid, missing = fault.KindConflict, fault.KindInvalid, fault.KindNotFound
	approve := func(code string, a flow.Approval) error {
		_, err := h.flow.Approve(h.ctx, ada, h.project, code, a)
		return err
	}
	ended := h.s.change.Status != project.ChangeOpen
	for _, g := range h.s.gates {
		if g.Status != gate.InReview || ended {
			add(conflict, fmt.Sprintf("approve %s, which is %s", g.Code, g.Status), func() error { return approve(g.Code, flow.Approval{}) })
		}
		if g.Status != gate.InReview && g.Status != gate.Pending && !ended && h.reworkable(g) {
			add(conflict, fmt.Sprintf("reject %s, which is %s", g.Code, g.Status), func() error { return h.flow.Reject(h.ctx, ada, h.project, g.Code, "", "No.") })
		}
		if g.Status != gate.Approved && h.reworkable(g) {
			add(conflict, fmt.Sprintf("reopen %s, which is %s", g.Code, g.Status), func() error { return h.flow.Reopen(h.ctx, ada, h.project, g.Code, "Again.") })
		}
		if later := h.s.codes(func(o gate.Gate) bool { return o.Position > g.Position }); len(later) > 0 && !ended {
			add(invalid, "reject "+g.Code+" to a later gate", func() error { return h.flow.Reject(h.ctx, ada, h.project, g.Code, later[0], "No.") })
			if g.Status == gate.InReview && g.Code != "G0" && len(h.s.objections(h.s.together(g.Code), ada)) == 0 {
				add(invalid, "approve "+g.Code+" with a promise due at G0", func() error {
					return approve(g.Code, flow.Approval{Conditions: []flow.Promise{{Text: "x", Owner: "x", Due: "G0"}}})
				})
				add(invalid, "approve "+g.Code+" with a promise of nobody", func() error {
					return approve(g.Code, flow.Approval{Conditions: []flow.Promise{{Text: "x", Owner: " ", Due: later[len(later)-1]}}})
				})
			}
		}
		if g.Code == "G4" && g.Status == gate.InReview && len(h.s.objections(h.s.together(g.Code), ada)) == 0 {
			add(invalid, "approve G4 with a design that is none", func() error { return approve("G4", flow.Approval{Design: "9"}) })
		}
		if !slices.Contains(h.s.required(g.Code), proof.Manual) {
			add(invalid, "confirm "+g.Code+", which asks for no such thing", func() error { return h.flow.Confirm(h.ctx, ada, h.project, g.Code, "It works.") })
		}
		if (g.Code == "G8" || g.Code == "G9") && h.s.change.ReleaseCommit == "" && len(h.s.required(g.Code)) > 0 {
			add(conflict, "rerun "+g.Code+" before a release is named", func() error { return h.flow.Rerun(h.ctx, ada, h.project, g.Code, h.s.required(g.Code)[0]) })
		}
		add(invalid, "rerun a proof that "+g.Code+" does not ask for", func() error { return h.flow.Rerun(h.ctx, ada, h.project, g.Code, "horoscope") })
	}
	if !ended {
		add(invalid, "reject G0", func() error { return h.flow.Reject(h.ctx, ada, h.project, "G0", "", "No.") })
		add(conflict, "begin a second change", func() error {
			_, err := h.flow.BeginChange(h.ctx, ada, h.project, "Another one", []byte(h.s.change.Blueprint))
			return err
		})
	} else {
		add(conflict, "cancel a change that has ended", func() error { return h.flow.CancelChange(h.ctx, ada, h.project, "No.") })
		add(conflict, "reject in a change that has ended", func() error { return h.flow.Reject(h.ctx, ada, h.project, "G6", "", "No.") })
	}
	for _, code := range []string{"G10", "", "g1"} {
		add(missing, "approve gate "+code, func() error { return approve(code, flow.Approval{}) })
		add(missing, "reject gate "+code, func() error { return h.flow.Reject(h.ctx, ada, h.project, code, "G1", "No.") })
		add(missing, "rerun gate "+code, func() error { return h.flow.Rerun(h.ctx, ada, h.project, code) })
		add(missing, "confirm gate "+code, func() error { return h.flow.Confirm(h.ctx, ada, h.project, code, "It works.") })
	}
	add(invalid, "reject without words", func() error { return h.flow.Reject(h.ctx, ada, h.project, "G1", "", " ") })
	add(missing, "approve in a project that is none", func() error {
		_, err := h.flow.Approve(h.ctx, ada, "prj_none", "G1", flow.Approval{})
		return err
	})
	add(missing, "answer a question that is none", func() error { return h.flow.Answer(h.ctx, ada, "qst_none", "yes") })
	add(invalid, "a negative budget", func() error { return h.flow.SetBudget(h.ctx, ada, h.project, -1) })
	h.closed(add)
	h.badWaivers(add)
	return out
}

// closed lists second words on what has been settled, and words that say
// nothing.
func (h *hand) closed(add func(kind fault.Kind, name string, do func() error)) {
	const conflict, invalid = fault.KindConflict, fault.KindInvalid
	for _, q := range h.s.questions {
		switch {
		case q.Status != "open":
			add(conflict, "answer a question that is "+q.Status, func() error { return h.flow.Answer(h.ctx, ada, q.ID, "local_only") })
		default:
			add(invalid, "answer nothing", func() error { return h.flow.Answer(h.ctx, ada, q.ID, "\n") })
			add(fault.KindTooLarge, "answer too much", func() error { return h.flow.Answer(h.ctx, ada, q.ID, strings.Repeat("x", project.MaxIdea+1)) })
			if q.Kind == project.QuestionMode || q.Kind == project.QuestionBudget {
				add(invalid, "answer "+q.Kind+" with a riddle", func() error { return h.flow.Answer(h.ctx, ada, q.ID, "perhaps") })
			}
			if q.Kind == project.QuestionBudget {
				add(invalid, "answer a budget of nothing", func() error { return h.flow.Answer(h.ctx, ada, q.ID, "0") })
			}
		}
	}
	for _, b := range h.s.blockers {
		if b.Status != "open" {
			add(conflict, "resolve a blocker twice", func() error { return h.flow.ResolveBlocker(h.ctx, ada, h.project, b.Gate, b.ID, "Gone.") })
		} else {
			add(invalid, "resolve a blocker without words", func() error { return h.flow.ResolveBlocker(h.ctx, ada, h.project, b.Gate, b.ID, "") })
			add(conflict, "resolve a blocker of another gate", func() error { return h.flow.ResolveBlocker(h.ctx, ada, h.project, other(b.Gate), b.ID, "Gone.") })
		}
	}
	for _, c := range h.s.conditions {
		if c.Status != "open" {
			add(conflict, "keep a promise twice", func() error { return h.flow.ResolveCondition(h.ctx, ada, h.project, c.Due, c.ID, "Done.") })
		} else {
			add(conflict, "keep a promise of another gate", func() error { return h.flow.ResolveCondition(h.ctx, ada, h.project, other(c.Due), c.ID, "Done.") })
		}
	}
	for _, x := range h.s.waivers {
		if x.Status != "open" {
			add(conflict, "close a waiver twice", func() error { return h.flow.CloseWaiver(h.ctx, ada, h.project, x.Code, x.ID) })
		} else {
			add(conflict, "close a waiver of another gate", func() error { return h.flow.CloseWaiver(h.ctx, ada, h.project, other(x.Code), x.ID) })
		}
	}
}

func other(code string) string {
	if code == "G6" {
		return "G5"
	}
	return "G6"
}

func (h *hand) badWaivers(add func(kind fault.Kind, name string, do func() error)) {
	good := gate.Waiver{Code: "G6", Rule: "proof", Owner: "ada", Reason: "We accept it.", ExpiresAt: hence(time.Hour)}
	for _, bad := range []struct {
		name  string
		spoil func(x *gate.Waiver)
	}{
		{"of a rule that is none", func(x *gate.Waiver) { x.Rule = "person" }},
		{"of an open question", func(x *gate.Waiver) { x.Rule = "question" }},
		{"without an owner", func(x *gate.Waiver) { x.Owner = "" }},
		{"without a reason", func(x *gate.Waiver) { x.Reason = " " }},
		{"that is over", func(x *gate.Waiver) { x.ExpiresAt = hence(-time.Second) }},
		{"without an end", func(x *gate.Waiver) { x.ExpiresAt = db.Time{} }},
	} {
		x := good
		bad.spoil(&x)
		add(fault.KindInvalid, "a waiver "+bad.name, func() error { _, err := h.flow.Waive(h.ctx, ada, h.project, x); return err })
	}
}
