package gate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/document"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
)

func TestOnlyTheVocabularyApproves(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]gate.Word{
		"approve": gate.WordApprove, "approved": gate.WordApprove, "yes": gate.WordApprove, "accept": gate.WordApprove, "lgtm": gate.WordApprove,
		"APPROVE": gate.WordApprove, " Yes\n": gate.WordApprove, "\tLGTM \r\n": gate.WordApprove, "Accept": gate.WordApprove,
		"": gate.WordAmbiguous, " ": gate.WordAmbiguous, "ok": gate.WordAmbiguous, "okay": gate.WordAmbiguous, "sure": gate.WordAmbiguous,
		"fine": gate.WordAmbiguous, "y": gate.WordAmbiguous, "no": gate.WordAmbiguous, "reject": gate.WordAmbiguous,
		"not approved": gate.WordAmbiguous, "not approve": gate.WordAmbiguous, "disapprove": gate.WordAmbiguous, "disapproved": gate.WordAmbiguous,
		"yesterday": gate.WordAmbiguous, "yes but": gate.WordAmbiguous, "yes, but not yet": gate.WordAmbiguous, "approved!": gate.WordAmbiguous,
		"approved.": gate.WordAmbiguous, "approve G3": gate.WordAmbiguous, "I approve": gate.WordAmbiguous, "approve\nreject": gate.WordAmbiguous,
		"unacceptable": gate.WordAmbiguous, "accepted": gate.WordAmbiguous, "yes yes": gate.WordAmbiguous, "\"yes\"": gate.WordAmbiguous,
		"don't accept": gate.WordAmbiguous, "y\u200bes": gate.WordAmbiguous, "approve\x00": gate.WordAmbiguous, "уes": gate.WordAmbiguous,
	} {
		if got := gate.ReadWord(text); got != want {
			t.Errorf("ReadWord(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestWordsAroundAnApprovalMakeItAmbiguous(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"approve", "approved", "yes", "accept", "lgtm"}).Draw(t, "word")
		before, after := rapid.StringMatching(`[a-z!. ]{0,8}`).Draw(t, "before"), rapid.StringMatching(`[a-z!. ]{0,8}`).Draw(t, "after")
		text := before + word + after
		bare := slices.Contains([]string{"approve", "approved", "yes", "accept", "lgtm"}, strings.TrimSpace(text))
		if got := gate.ReadWord(text) == gate.WordApprove; got != bare {
			t.Fatalf("ReadWord(%q) approves: %v", text, got)
		}
	})
}

var ada = event.Actor{Kind: "person", ID: "ada"}

func TestWhoMayDecide(t *testing.T) {
	t.Parallel()
	anyone := blueprint.Approval{}
	owners := blueprint.Approval{Roles: []string{"owner"}, Quorum: 1}
	separate := blueprint.Approval{Roles: []string{"owner", "member"}, Quorum: 1, SeparateAuthor: true}
	for _, c := range []struct {
		name    string
		by      gate.Decider
		policy  blueprint.Approval
		authors []string
		code    string // of the refusal, "" when it is allowed
	}{
		{"an owner, signed in", gate.Decider{ada, gate.Session, "owner"}, anyone, nil, ""},
		{"an admin at the terminal", gate.Decider{ada, gate.Terminal, "admin"}, anyone, nil, ""},
		{"a member by delegation", gate.Decider{ada, gate.Delegated, "member"}, anyone, nil, ""},
		{"an owner where owners decide", gate.Decider{ada, gate.Session, "owner"}, owners, nil, ""},
		{"somebody else's work", gate.Decider{ada, gate.Session, "member"}, separate, []string{"person:grace"}, ""},
		{"one's own work where that is allowed", gate.Decider{ada, gate.Session, "owner"}, owners, []string{"person:ada"}, ""},
		{"an agent", gate.Decider{event.Actor{Kind: "agent", ID: "architect"}, gate.Session, "owner"}, anyone, nil, "decide.no_person"},
		{"the platform", gate.Decider{event.Actor{Kind: "platform", ID: "layercake"}, gate.Session, "owner"}, anyone, nil, "decide.no_person"},
		{"a job", gate.Decider{event.Actor{Kind: "job", ID: "creation"}, gate.Session, "owner"}, anyone, nil, "decide.no_person"},
		{"nobody", gate.Decider{event.Actor{}, gate.Session, "owner"}, anyone, nil, "decide.no_person"},
		{"a person without a name", gate.Decider{event.Actor{Kind: "person"}, gate.Session, "owner"}, anyone, nil, "decide.no_person"},
		{"a person in another case", gate.Decider{event.Actor{Kind: "Person", ID: "ada"}, gate.Session, "owner"}, anyone, nil, "decide.no_person"},
		{"no method", gate.Decider{ada, "", "owner"}, anyone, nil, "decide.method"},
		{"an API token", gate.Decider{ada, "api", "owner"}, anyone, nil, "decide.method"},
		{"a method in another case", gate.Decider{ada, "Session", "owner"}, anyone, nil, "decide.method"},
		{"a viewer", gate.Decider{ada, gate.Session, "viewer"}, anyone, nil, "decide.role"},
		{"no role", gate.Decider{ada, gate.Session, ""}, anyone, nil, "decide.role"},
		{"a member where owners decide", gate.Decider{ada, gate.Session, "member"}, owners, nil, "decide.role"},
		{"one's own work where duties are separate", gate.Decider{ada, gate.Session, "owner"}, separate, []string{"person:grace", "person:ada"}, "decide.author"},
	} {
		err := gate.MayDecide(c.by, gate.Gate{Code: "G3"}, c.policy, c.authors)
		switch {
		case c.code == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.code != "" && (fault.KindOf(err) != fault.KindForbidden || fault.CodeOf(err) != c.code):
			t.Errorf("%s: %v (%s), want %s", c.name, err, fault.CodeOf(err), c.code)
		}
	}
}

func TestAPolicyThatNobodyCanSatisfyIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		policy  blueprint.Approval
		members map[string]int
		fine    bool
	}{
		{"one member decides alone", blueprint.Approval{}, map[string]int{"member": 1}, true},
		{"a viewer does not count", blueprint.Approval{}, map[string]int{"viewer": 5}, false},
		{"nobody is there", blueprint.Approval{}, nil, false},
		{"a quorum of two and one member", blueprint.Approval{Quorum: 2}, map[string]int{"owner": 1}, false},
		{"a quorum of two and two members", blueprint.Approval{Quorum: 2}, map[string]int{"owner": 1, "member": 1}, true},
		{"owners only and no owner", blueprint.Approval{Roles: []string{"owner"}, Quorum: 1}, map[string]int{"member": 3}, false},
		{"separate duties and one member", blueprint.Approval{SeparateAuthor: true, Quorum: 1}, map[string]int{"owner": 1}, false},
		{"separate duties and two members", blueprint.Approval{SeparateAuthor: true, Quorum: 1}, map[string]int{"owner": 1, "member": 1}, true},
		{"separate duties, a quorum of two and two members", blueprint.Approval{SeparateAuthor: true, Quorum: 2}, map[string]int{"owner": 2}, false},
	} {
		b := &blueprint.Blueprint{Name: "ours", Gates: []blueprint.Gate{{Code: "G0"}, {Code: "G1", Approval: c.policy}}}
		if c.name == "a viewer does not count" || c.name == "nobody is there" {
			b.Gates = b.Gates[1:]
		}
		b.Gates[0].Approval.Roles = append(b.Gates[0].Approval.Roles, c.policy.Roles...)
		err := gate.CheckPolicies(b, c.members)
		if (err == nil) != c.fine || err != nil && fault.CodeOf(err) != "policy.unsatisfiable" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// ready is a state in which G2 may be approved: G1 before it is approved, its
// work is done, its deliverable is there, its proof is green.
func ready() *gate.State {
	row := &proof.Row{Type: proof.Requirements, Status: proof.Done, Verdict: proof.Pass, Figures: "{}"}
	coverage := &proof.Row{Type: proof.Coverage, Status: proof.Done, Verdict: proof.Pass, Figures: `{"coverage": 80}`}
	return &gate.State{
		Now: now, Tier: 80, Project: project.Project{Mode: "required"},
		Gates: []gate.View{
			{
				Gate:     gate.Gate{Code: "G1", Position: 0, Stop: "G1", Status: gate.Approved, Round: 1},
				Approval: &gate.Decision{DocumentDigest: "d", WorkDigest: "w"}, DocumentDigest: "d", WorkDigest: "w", SeenWork: "w",
			},
			{
				Gate:         gate.Gate{Code: "G2", Position: 1, Stop: "G2", Status: gate.InReview, Round: 1},
				Spec:         blueprint.Gate{Code: "G2", Agents: []blueprint.Agent{{Role: "product-manager"}}},
				Tasks:        []project.Task{{Round: 1, Status: project.TaskDone}},
				Deliverables: []gate.Deliverable{{Deliverable: blueprint.Deliverable{Name: "PRD", Path: "docs/PRD.md", Kind: "prd", Role: "product-manager"}, State: "ready"}},
				Required:     []gate.Required{{Type: proof.Requirements, Last: row}, {Type: proof.Coverage, Last: coverage}},
			},
		},
	}
}

// spoilers lists every condition of the rules: what brings it about, and the
// rule by which it can be waived.
var spoilers = []struct {
	code, subject, next, rule string
	spoil                     func(s *gate.State, before, v *gate.View)
}{
	{"earlier.open", "G1", "Decide G1 first.", "", func(_ *gate.State, b, _ *gate.View) { b.Status = gate.InReview }},
	{"earlier.open", "G1", "Decide G1 first.", "", func(_ *gate.State, b, _ *gate.View) { b.Status = gate.Blocked }},
	{"earlier.open", "G1", "Decide G1 first.", "", func(_ *gate.State, b, _ *gate.View) { b.Status = gate.Rejected }},
	{"earlier.open", "G1", "Decide G1 first.", "", func(_ *gate.State, b, v *gate.View) { b.Status, b.Stop = gate.Pending, v.Stop }},
	{"earlier.stale", "G1", "delta review of G1", "", func(_ *gate.State, b, _ *gate.View) { b.Stale = true }},
	{"earlier.stale", "G1", "delta review of G1", "", func(_ *gate.State, b, _ *gate.View) { b.DocumentDigest = "other" }},
	{"earlier.stale", "G1", "delta review of G1", "", func(_ *gate.State, b, _ *gate.View) { b.WorkDigest = "other" }},
	{"mode.undetermined", "", "Answer the question", "", func(s *gate.State, _, v *gate.View) { v.Code, s.Project.Mode = "G8", "undetermined" }},
	{"work.open", "", "agents have finished", "", func(_ *gate.State, _, v *gate.View) { v.Tasks[0].Status = project.TaskOpen }},
	{"work.open", "", "agents have finished", "", func(_ *gate.State, _, v *gate.View) { v.Tasks[0].Status = project.TaskRunning }},
	{"work.open", "", "tasks are planned", "", func(_ *gate.State, _, v *gate.View) { v.Tasks = nil }},
	{"deliverable.missing", "PRD", "reject the gate", "deliverable", func(_ *gate.State, _, v *gate.View) { v.Deliverables[0].State = "missing" }},
	{"deliverable.invalid", "PRD", "has to mend it", "deliverable", func(_ *gate.State, _, v *gate.View) {
		v.Deliverables[0].State, v.Deliverables[0].Problems = "invalid", make([]document.Problem, 5)
	}},
	{"design.missing", "", "save the alternatives", "", func(_ *gate.State, _, v *gate.View) { v.Deliverables[0].Kind = "design" }},
	{"proof.running", proof.Requirements, "until the check has ended", "proof", func(_ *gate.State, _, v *gate.View) {
		v.Required[0].Last, v.Required[0].Pending = nil, true
	}},
	{"proof.missing", proof.Requirements, "platform runs it", "proof", func(_ *gate.State, _, v *gate.View) { v.Required[0].Last = nil }},
	{"proof.missing", proof.Manual, "never delegated", "proof", func(_ *gate.State, _, v *gate.View) {
		v.Required[0].Last, v.Required[0].Type = nil, proof.Manual
	}},
	{"proof.outdated", proof.Requirements, "runs it again", "proof", func(_ *gate.State, _, v *gate.View) {
		v.Required[0].Older, v.Required[0].Last = v.Required[0].Last, nil
	}},
	{"proof.failed", proof.Requirements, "waive the proof", "proof", func(_ *gate.State, _, v *gate.View) { v.Required[0].Last.Verdict = proof.Fail }},
	{"proof.blocked", proof.Requirements, "run the check again", "proof", func(_ *gate.State, _, v *gate.View) { v.Required[0].Last.Verdict = proof.Blocked }},
	{"proof.blocked", proof.Requirements, "run the check again", "proof", func(_ *gate.State, _, v *gate.View) { v.Required[0].Last.Verdict = "" }},
	{"coverage.low", proof.Coverage, "lower quality tier", "coverage", func(_ *gate.State, _, v *gate.View) { v.Required[1].Last.Figures = `{"coverage": 79.9}` }},
	{"coverage.low", proof.Coverage, "lower quality tier", "coverage", func(_ *gate.State, _, v *gate.View) { v.Required[1].Last.Figures = "not JSON" }},
	{"question.open", "qst_1", "Answer the question", "", func(_ *gate.State, _, v *gate.View) { v.Questions = []project.Question{{ID: "qst_1", Text: "Which?"}} }},
	{"blocker.open", "blk_1", "Resolve the blocker", "blocker", func(_ *gate.State, _, v *gate.View) { v.Blockers = []project.Blocker{{ID: "blk_1", Title: "No"}} }},
	{"condition.open", "con_1", "grace says how", "condition", func(_ *gate.State, _, v *gate.View) {
		v.Conditions = []gate.Condition{{ID: "con_1", Origin: "G1", Text: "Mend it", Owner: "grace"}}
	}},
}

func TestNothingIsUnmetWhenAllIsThere(t *testing.T) {
	t.Parallel()
	if got := gate.Unmet(ready(), "G2"); len(got) > 0 {
		t.Errorf("unmet: %+v", got)
	}
	joined := ready()
	joined.Gates[0].Status, joined.Gates[0].Stop = gate.InReview, "G2"
	if got := gate.Unmet(joined, "G2"); len(got) > 0 {
		t.Errorf("a gate in review of the same stop is in the way: %+v", got)
	}
	skipped := ready()
	skipped.Gates[0].Status = gate.Skipped
	if got := gate.Unmet(skipped, "G2"); len(got) > 0 {
		t.Errorf("a skipped gate is in the way: %+v", got)
	}
	rework := ready()
	rework.Gates[1].Round = 2
	if got := gate.Unmet(rework, "G2"); len(got) > 0 {
		t.Errorf("a delta review without work is not ready: %+v", got)
	}
}

func TestEachConditionIsReportedWithItsNextStep(t *testing.T) {
	t.Parallel()
	for _, c := range spoilers {
		s := ready()
		c.spoil(s, &s.Gates[0], &s.Gates[1])
		code := s.Gates[1].Code
		got := gate.Unmet(s, code)
		if len(got) != 1 {
			t.Errorf("%s: unmet %+v, want that one", c.code, got)
			continue
		}
		u := got[0]
		if u.Code != c.code || u.Subject != c.subject || u.Gate != code || !strings.Contains(u.Next, c.next) || u.Message == "" {
			t.Errorf("%s %q: %+v, want the next step %q", c.code, c.subject, u, c.next)
		}
	}
	if got := gate.Unmet(ready(), "G7"); len(got) != 1 || got[0].Code != "gate.unknown" {
		t.Errorf("a gate that is none: %+v", got)
	}
}

func TestAllUnmetConditionsComeAtOnce(t *testing.T) {
	t.Parallel()
	s := ready()
	v := &s.Gates[1]
	s.Gates[0].Stale = true
	v.Tasks[0].Status, v.Deliverables[0].State = project.TaskOpen, "missing"
	v.Required[0].Last.Verdict, v.Required[1].Last.Figures = proof.Fail, `{"coverage": 1}`
	v.Questions, v.Blockers, v.Conditions = []project.Question{{ID: "q"}}, []project.Blocker{{ID: "b"}}, []gate.Condition{{ID: "c"}}
	var codes []string
	unmet := gate.Unmet(s, "G2")
	for _, u := range unmet {
		codes = append(codes, u.Code)
	}
	want := []string{"earlier.stale", "work.open", "deliverable.missing", "proof.failed", "coverage.low", "question.open", "blocker.open", "condition.open"}
	if !slices.Equal(codes, want) {
		t.Errorf("unmet in the order %v, want %v", codes, want)
	}
	err := gate.UnmetError("G2", unmet)
	if err.Kind != fault.KindConflict || err.Code != "gate.unmet" || len(err.Details) != len(want) || !strings.Contains(err.Message, "8 conditions are") {
		t.Errorf("error %+v", err)
	}
	if one := gate.UnmetError("G2", unmet[:1]); !strings.Contains(one.Message, "1 condition is") {
		t.Errorf("error %+v", one)
	}
}

// waiver is one in force at now.
func waiver(rule, subject string) gate.Waiver {
	return gate.Waiver{Code: "G2", Rule: rule, Subject: subject, Status: "open", ExpiresAt: db.Time{Time: now.Add(time.Second)}}
}

func TestAWaiverDropsOnlyWhatItNames(t *testing.T) {
	t.Parallel()
	rules := append([]string{"earlier", "work", "design", "question", "mode"}, gate.WaivableRules...)
	for _, c := range spoilers {
		for _, rule := range rules {
			for _, subject := range []string{"", c.subject, "something else"} {
				s := ready()
				c.spoil(s, &s.Gates[0], &s.Gates[1])
				s.Gates[1].Waivers = []gate.Waiver{waiver(rule, subject)}
				waived := rule == c.rule && subject != "something else"
				if got := gate.Unmet(s, s.Gates[1].Code); (len(got) == 0) != waived {
					t.Errorf("%s %s under a waiver of %s %q: unmet %+v", c.code, c.subject, rule, subject, got)
				}
			}
		}
	}
}

func TestAnEarlierGateCanBeSetAside(t *testing.T) {
	t.Parallel()
	for _, status := range []gate.Status{gate.Blocked, gate.Pending, gate.InReview, gate.Rejected, gate.Approved} {
		for subject, waived := range map[string]bool{"": true, "G1": true, "G2": false} {
			s := ready()
			s.Gates[0].Status, s.Gates[0].Stale = status, true
			s.Gates[0].Waivers = []gate.Waiver{waiver("gate", subject)}
			if got := gate.Unmet(s, "G2"); (len(got) == 0) != waived {
				t.Errorf("G1 %s with a waiver of gate %q: unmet %+v", status, subject, got)
			}
		}
	}
}

func TestAWaiverIsInForceUntilItExpiresOrIsClosed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status  string
		expires time.Duration
		want    bool
	}{
		{"open", time.Microsecond, true},
		{"open", 0, false},
		{"open", -time.Hour, false},
		{"closed", time.Hour, false},
		{"", time.Hour, false},
	} {
		w := gate.Waiver{Status: c.status, ExpiresAt: db.Time{Time: now.Add(c.expires)}}
		if got := w.InForce(now); got != c.want {
			t.Errorf("a waiver that is %q and ends in %v: in force %v", c.status, c.expires, got)
		}
	}
}

func TestOneDecisionCoversWhatIsStillOpenInAStop(t *testing.T) {
	t.Parallel()
	view := func(code, stop string, status gate.Status) gate.View {
		return gate.View{Gate: gate.Gate{Code: code, Stop: stop, Status: status}}
	}
	aside := view("G4", "plan", gate.Blocked)
	aside.Waivers = []gate.Waiver{waiver("gate", "G4")}
	s := &gate.State{Gates: []gate.View{
		view("G0", "G0", gate.Approved), view("G1", "plan", gate.Approved), view("G2", "plan", gate.InReview), view("G3", "plan", gate.Skipped), aside,
		view("G5", "plan", gate.InReview), view("G6", "build", gate.Pending),
	}}
	for code, want := range map[string]string{"G2": "G2 G5", "G5": "G2 G5", "G1": "G1 G2 G5", "G6": "G6", "G0": "G0", "G9": "", "G4": "G2 G4 G5"} {
		var got []string
		for _, v := range s.Joined(code) {
			got = append(got, v.Code)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("joined with %s: %v, want %s", code, got, want)
		}
	}
}
