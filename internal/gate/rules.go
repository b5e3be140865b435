package gate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/document"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
)

// State is all that the rules look at: one change of one project at one commit.
type State struct {
	Now       time.Time
	Project   project.Project
	Change    project.Change
	Blueprint *blueprint.Blueprint
	Facts     map[string]bool
	Tier      int // coverage asked for, in percent
	Gates     []View
}

// View is one gate with everything that counts for it.
type View struct {
	Gate
	Spec         blueprint.Gate
	Deliverables []Deliverable
	Required     []Required
	Tasks        []project.Task // all of this gate, oldest first
	Questions    []project.Question
	Blockers     []project.Blocker // critical open ones
	Resolved     []project.Blocker // those of flow that a person resolved
	Conditions   []Condition       // open ones that are due at this gate
	Waivers      []Waiver          // those in force
	Designs      []project.Design
	Approval     *Decision // the newest approval, nil when there is none
	Approvals    int       // approvals in the current round, for a quorum
	// What the gate's documents and work look like at the project's head, and
	// the work as the approval or the last carry-forward saw it.
	DocumentDigest string
	WorkDigest     string
	SeenWork       string
}

// Deliverable is what a gate owes, as it is at the project's head.
type Deliverable struct {
	blueprint.Deliverable
	Paths    []string
	State    string // missing, invalid, ready
	Problems []document.Problem
}

// Required is a proof that a gate needs. Last is the newest finished one whose
// inputs are those at the head (for a release proof: one on the release
// commit), Older the newest with other inputs, for the sentence.
type Required struct {
	Type    string
	Repair  string
	Release bool
	Last    *proof.Row
	Older   *proof.Row
	Pending bool // one on the current inputs is queued or running
}

// UnmetCondition is one condition that keeps a gate from being approved.
type UnmetCondition struct {
	Gate    string `json:"gate"`
	Code    string `json:"code"`
	Subject string `json:"subject,omitempty"`
	Message string `json:"message"`
	Next    string `json:"next"`
}

// Rule is the waivable rule that the condition belongs to, as waivers name it.
func (u UnmetCondition) Rule() string { return strings.SplitN(u.Code, ".", 2)[0] }

// Gate returns the view of a gate, or nil.
func (s *State) Gate(code string) *View {
	for i := range s.Gates {
		if s.Gates[i].Code == code {
			return &s.Gates[i]
		}
	}
	return nil
}

// Fresh reports whether an approval still covers what is at the head.
func (v *View) Fresh() bool {
	return v.Approval != nil && v.Approval.DocumentDigest == v.DocumentDigest && v.SeenWork == v.WorkDigest
}

// Settled reports whether later gates may build on v: it is skipped, set aside
// by a waiver, or approved and not stale.
func (v *View) Settled() bool {
	switch v.Status {
	case Skipped:
		return true
	case Approved:
		return !v.Stale && v.Fresh() || v.Waives("gate", v.Code)
	default:
		return v.Waives("gate", v.Code)
	}
}

// Worked reports whether the work of the gate's round has been planned or begun.
func (v *View) Worked() bool {
	return slices.ContainsFunc(v.Tasks, func(t project.Task) bool { return t.Round == v.Round })
}

// Blocked reports whether a critical blocker of the kind is open.
func (v *View) Blocked(kind string) bool {
	return slices.ContainsFunc(v.Blockers, func(b project.Blocker) bool { return b.Kind == kind })
}

// Waives reports whether a waiver in force sets rule aside for subject.
func (v *View) Waives(rule, subject string) bool {
	return slices.ContainsFunc(v.Waivers, func(w Waiver) bool {
		return w.Rule == rule && (w.Subject == "" || w.Subject == subject)
	})
}

// Joined returns the gates that one decision on code covers, in order: the gate
// itself, and those of its stop that are not decided, skipped or set aside.
func (s *State) Joined(code string) []*View {
	at := s.Gate(code)
	if at == nil {
		return nil
	}
	var out []*View
	for i := range s.Gates {
		v := &s.Gates[i]
		open := v.Status != Skipped && v.Status != Approved && !v.Waives("gate", v.Code)
		if v == at || v.Stop == at.Stop && open {
			out = append(out, v)
		}
	}
	return out
}

// Unmet returns every condition that keeps the gate from being approved now,
// in the order in which a person would settle them. None means that it may be
// approved. Conditions of a waived rule are left out.
func Unmet(s *State, code string) []UnmetCondition {
	v := s.Gate(code)
	if v == nil {
		return []UnmetCondition{{Gate: code, Code: "gate.unknown", Message: "There is no gate " + code + ".", Next: "Look at the list of gates."}}
	}
	var out []UnmetCondition
	add := func(code, subject, next, format string, args ...any) {
		c := UnmetCondition{Gate: v.Code, Code: code, Subject: subject, Message: fmt.Sprintf(format, args...), Next: next}
		if contains(WaivableRules, c.Rule()) && v.Waives(c.Rule(), subject) {
			return
		}
		out = append(out, c)
	}
	unmetEarlier(s, v, add)
	unmetWork(s, v, add)
	unmetDeliverables(v, add)
	unmetDesign(v, add)
	unmetProofs(s, v, add)
	unmetPeople(v, add)
	return append(out, Promised(v)...)
}

type adder func(code, subject, next, format string, args ...any)

func unmetEarlier(s *State, v *View, add adder) {
	for i := range s.Gates {
		e := &s.Gates[i]
		if e.Position >= v.Position {
			break
		}
		if e.Settled() || e.Stop == v.Stop && e.Status == InReview {
			continue
		}
		if e.Status == Approved {
			add("earlier.stale", e.Code, "Wait for the re-check, or look at the delta review of "+e.Code+".", "%s was approved, but what it approved has changed since", e.Code)
			continue
		}
		add("earlier.open", e.Code, "Decide "+e.Code+" first.", "%s is %s", e.Code, e.Status)
	}
	if v.Code == "G8" && s.Project.Mode == "undetermined" {
		add("mode.undetermined", "", "Answer the question where the project goes live.", "the deployment mode is undetermined")
	}
}

func unmetWork(_ *State, v *View, add adder) {
	live, current := 0, 0
	for _, t := range v.Tasks {
		if t.Live() {
			live++
		}
		if t.Round == v.Round {
			current++
		}
	}
	if live > 0 {
		add("work.open", "", "Wait until the agents have finished.", "%d of the tasks are still being worked on", live)
	}
	if v.Round == 1 && current == 0 && len(v.Spec.Agents) > 0 {
		add("work.open", "", "Wait until the tasks are planned.", "work has not begun")
	}
}

// writer names who owes a deliverable; without a role it is a person.
func writer(d Deliverable) string {
	if d.Role == "" {
		return "A person"
	}
	return "The " + d.Role
}

func unmetDeliverables(v *View, add adder) {
	for _, d := range v.Deliverables {
		switch d.State {
		case "missing":
			add("deliverable.missing", d.Name, writer(d)+" has to write it, or reject the gate with a comment.", "%s (%s) is missing", d.Name, d.Path)
		case "invalid":
			add("deliverable.invalid", d.Name, writer(d)+" has to mend it, or reject the gate with a comment.", "%s is not complete: %s", d.Name, problems(d.Problems))
		}
	}
}

func problems(list []document.Problem) string {
	var parts []string
	for i, p := range list {
		if i == 3 {
			parts = append(parts, fmt.Sprintf("and %d more", len(list)-3))
			break
		}
		parts = append(parts, p.Message)
	}
	return strings.Join(parts, "; ")
}

func unmetDesign(v *View, add adder) {
	owes := slices.ContainsFunc(v.Deliverables, func(d Deliverable) bool { return d.Kind == "design" })
	if owes && len(v.Designs) == 0 {
		add("design.missing", "", "The ux-ui-designer has to save the alternatives.", "there is no design to choose from")
	}
}

func unmetProofs(s *State, v *View, add adder) {
	for _, r := range v.Required {
		if c := proofCondition(v, r); c != nil {
			add(c.Code, r.Type, c.Next, "%s", c.Message)
			continue
		}
		if r.Type == proof.Coverage {
			if got := r.Last.Figure("coverage"); got < float64(s.Tier) {
				add("coverage.low", r.Type, "Write tests for what is not covered, or choose a lower quality tier.", "coverage is %.1f %%, the tier asks for %d %%", got, s.Tier)
			}
		}
	}
}

func proofCondition(v *View, r Required) *UnmetCondition {
	switch {
	case r.Last == nil && r.Pending:
		return &UnmetCondition{Code: "proof.running", Message: r.Type + " is being obtained", Next: "Wait until the check has ended."}
	case r.Last == nil && r.Type == proof.Manual:
		return &UnmetCondition{Code: "proof.missing", Message: "nobody has confirmed that the deployment works", Next: "Try it, then confirm at the terminal or signed in. This is never delegated."}
	case r.Last == nil && r.Older != nil:
		return &UnmetCondition{Code: "proof.outdated", Message: r.Type + " was obtained before its inputs changed", Next: "The platform runs it again as soon as the work rests."}
	case r.Last == nil:
		return &UnmetCondition{Code: "proof.missing", Message: r.Type + " has not been obtained", Next: "The platform runs it as soon as the work rests."}
	case r.Last.Verdict == proof.Fail:
		return &UnmetCondition{Code: "proof.failed", Message: r.Type + " failed: " + r.Last.Reason, Next: "Look at its log; reject " + v.Code + " with a comment, or waive the proof with a reason."}
	case r.Last.Verdict != proof.Pass:
		return &UnmetCondition{Code: "proof.blocked", Message: r.Type + " could not be obtained: " + r.Last.Reason, Next: "Provide what is missing and run the check again."}
	}
	return nil
}

func unmetPeople(v *View, add adder) {
	for _, q := range v.Questions {
		add("question.open", q.ID, "Answer the question.", "an answer is awaited: %s", q.Text)
	}
	for _, b := range v.Blockers {
		add("blocker.open", b.ID, "Resolve the blocker, or reject the gate with a comment.", "a critical blocker is open: %s", b.Title)
	}
}

// Promised returns the open promises that are due at v and that no waiver sets
// aside. They keep a change from completing also where v itself is skipped.
func Promised(v *View) []UnmetCondition {
	var out []UnmetCondition
	for _, c := range v.Conditions {
		if !v.Waives("condition", c.ID) {
			out = append(out, UnmetCondition{
				Gate: v.Code, Code: "condition.open", Subject: c.ID,
				Message: "the promise made at " + c.Origin + " is due: " + c.Text, Next: "Its owner " + c.Owner + " says how it was met.",
			})
		}
	}
	return out
}

// UnmetError turns unmet conditions into the 409 that lists all of them.
func UnmetError(code string, unmet []UnmetCondition) *fault.Error {
	noun := "conditions are"
	if len(unmet) == 1 {
		noun = "condition is"
	}
	e := fault.Conflict("gate.unmet", "%s cannot be approved yet: %d %s open.", code, len(unmet), noun)
	for _, u := range unmet {
		e = e.WithDetails(fault.Detail{Field: u.Subject, Code: u.Code, Message: u.Gate + ": " + u.Message, Next: u.Next})
	}
	return e
}

// MayDecide says whether d may decide gate g under policy; a refusal is
// forbidden. authors are the people who changed the work since the change
// began, for separation of duties.
func MayDecide(d Decider, g Gate, policy blueprint.Approval, authors []string) error {
	if d.Actor.Kind != event.Person || d.Actor.ID == "" {
		return fault.Forbidden("decide.no_person", "Only a person decides a gate.")
	}
	if d.Method != Session && d.Method != Terminal && d.Method != Delegated {
		return fault.Forbidden("decide.method", "A gate is decided by a signed-in person or at the terminal.")
	}
	roles := policy.Roles
	if len(roles) == 0 {
		roles = []string{"owner", "admin", "member"}
	}
	if !slices.Contains(roles, d.Role) {
		return fault.Forbidden("decide.role", "%s is decided by %s; your role is %s.", g.Code, strings.Join(roles, " or "), d.Role)
	}
	if policy.SeparateAuthor && slices.Contains(authors, d.Actor.String()) {
		return fault.Forbidden("decide.author", "You changed the work of %s yourself; another person has to decide it.", g.Code)
	}
	return nil
}

// CheckPolicies refuses a blueprint whose approval rules nobody present could
// satisfy. members counts the eligible people by role.
func CheckPolicies(b *blueprint.Blueprint, members map[string]int) error {
	for _, g := range b.Gates {
		roles := g.Approval.Roles
		if len(roles) == 0 {
			roles = []string{"owner", "admin", "member"}
		}
		eligible := 0
		for _, r := range roles {
			eligible += members[r]
		}
		need := max(g.Approval.Quorum, 1)
		if g.Approval.SeparateAuthor {
			need++
		}
		if eligible < need {
			return fault.Invalid("policy.unsatisfiable", "The blueprint %s asks for %d eligible people to decide %s, and there are %d. Lower the quorum or add members.", b.Name, need, g.Code, eligible)
		}
	}
	return nil
}

// Word is what an approval text means.
type Word string

// The meanings of an approval text.
const (
	WordApprove   Word = "approve"
	WordAmbiguous Word = "ambiguous"
)

// approvals is the whole vocabulary of approval. "ok", "sure" and "fine" are
// left out on purpose: people say them without meaning a decision.
var approvals = []string{"approve", "approved", "yes", "accept", "lgtm"}

// ReadWord reads an approval text: the whole message, trimmed and case folded,
// must be one word of the vocabulary. All else is ambiguous, and the reply asks
// again.
func ReadWord(text string) Word {
	if slices.Contains(approvals, strings.ToLower(strings.TrimSpace(text))) {
		return WordApprove
	}
	return WordAmbiguous
}
