package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
)

func (s *Server) gateRoutes() []route {
	return []route{
		list(s, about{method: http.MethodGet, path: "/projects/{id}/gates", id: "list-gates", summary: "The gates of the newest change, with what is unmet"}, s.listGates),
		onTagged(s, about{method: http.MethodGet, path: "/gates/{id}", id: "get-gate", summary: "A gate, with what is unmet", conflicts: true}, s.getGate),
		onTagged(s, about{method: http.MethodGet, path: "/gates/{id}/brief", id: "get-brief", summary: "What a person needs to decide a gate, computed", conflicts: true}, s.getBrief),
		onTagged(s, about{method: http.MethodPost, path: "/gates/{id}/decision", id: "decide-gate", summary: "Approve, reject or reopen a gate", conflicts: true, versioned: true}, s.decideGate),
		on(s, about{method: http.MethodPost, path: "/gates/{id}/confirmation", id: "confirm-gate", summary: "Confirm that you tried the deployment and that it works", conflicts: true}, s.confirmGate),
		on(s, about{method: http.MethodPost, path: "/gates/{id}/checks", id: "rerun-checks", summary: "Ask for checks of a gate once more", conflicts: true}, s.rerunChecks),
	}
}

// GateState is a gate with what keeps it from being approved.
type GateState struct {
	gate.Gate
	Name    string                `json:"name"`
	Purpose string                `json:"purpose"`
	Unmet   []gate.UnmetCondition `json:"unmet" nullable:"false"`
}

func gateState(o *flow.Overview, v *gate.View) GateState {
	return GateState{Gate: v.Gate, Name: v.Spec.Name, Purpose: v.Spec.Purpose, Unmet: append([]gate.UnmetCondition{}, gate.Unmet(&o.State.State, v.Code)...)}
}

type listGatesIn struct {
	ByID
	Change int64 `query:"change" minimum:"0" doc:"Number of a change; the newest one when left out."`
}

func (s *Server) listGates(ctx context.Context, in *listGatesIn) (out page[GateState], err error) {
	_, p, err := s.may(ctx, account.Read, in.ID)
	if err != nil {
		return out, err
	}
	if in.Change > 0 {
		if past, err := s.pastGates(ctx, p.ID, in.Change); err != nil || past != nil {
			return page[GateState]{items: past}, err
		}
	}
	o, err := s.Flow.Overview(ctx, p.ID)
	if err != nil {
		return out, err
	}
	for i := range o.Gates {
		out.items = append(out.items, gateState(o, &o.Gates[i]))
	}
	return out, nil
}

// pastGates are the gates of a change that is not the newest one, nil for that.
func (s *Server) pastGates(ctx context.Context, projectID string, number int64) (out []GateState, err error) {
	err = s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		c, err := project.ChangeByNumber(ctx, tx, projectID, number)
		if err != nil {
			return err
		}
		if newest, err := project.LatestChange(ctx, tx, projectID); err != nil || newest.ID == c.ID {
			return err
		}
		plan, err := blueprint.Parse([]byte(c.Blueprint))
		if err != nil {
			return fmt.Errorf("read blueprint of %s: %w", c.ID, err)
		}
		gates, err := gate.List(ctx, tx, c.ID)
		for _, g := range gates {
			spec, _ := plan.Gate(g.Code)
			out = append(out, GateState{Gate: g, Name: spec.Name, Purpose: spec.Purpose, Unmet: []gate.UnmetCondition{}})
		}
		return err
	})
	return out, err
}

// gateOf returns a gate of a newest change, for one who may do verb to it.
func (s *Server) gateOf(ctx context.Context, verb account.Verb, gateID string) (a account.Actor, o *flow.Overview, v *gate.View, err error) {
	var g gate.Gate
	a, p, err := s.mayOf(ctx, verb, "gate "+gateID, func(ctx context.Context, tx *db.Tx) (_ string, err error) {
		g, err = gate.Get(ctx, tx, gateID)
		return g.Project, err
	})
	if err != nil {
		return a, nil, nil, err
	}
	if o, err = s.Flow.Overview(ctx, p.ID); err != nil {
		return a, nil, nil, err
	}
	if v = o.Gate(g.Code); v == nil || v.ID != gateID {
		return a, nil, nil, fault.Conflict("gate.past", "This gate belongs to an earlier change of the project; it is decided for good. Look at the newest change.")
	}
	return a, o, v, nil
}

func (s *Server) getGate(ctx context.Context, in *ByID) (tagged[GateState], error) {
	_, o, v, err := s.gateOf(ctx, account.Read, in.ID)
	if err != nil {
		return tagged[GateState]{}, err
	}
	return tagged[GateState]{gateState(o, v), gateTag(o, v)}, nil
}

// gateTag is the ETag of a gate: its version, and the head that a decision would be
// made on.
func gateTag(o *flow.Overview, v *gate.View) string {
	return fmt.Sprintf(`"%d.%s"`, v.Version, o.Project.Head)
}

// seen reads If-Match as what the caller has looked at, nil when there is none.
func (v Versioned) seen() (*flow.Seen, error) {
	if v.IfMatch == "" || v.IfMatch == "*" {
		return nil, nil
	}
	version, head, _ := strings.Cut(strings.Trim(v.IfMatch, `"`), ".")
	n, err := strconv.ParseInt(version, 10, 64)
	if err != nil || n < 1 || head == "" {
		return nil, errTag()
	}
	return &flow.Seen{Version: n, Head: head}, nil
}

// OwedRow is what a gate owes, as it is at the project's head.
type OwedRow struct {
	Gate  string   `json:"gate"`
	Name  string   `json:"name"`
	State string   `json:"state" enum:"missing,invalid,ready"`
	Paths []string `json:"paths" nullable:"false"`
}

// ShownRow is a proof that a gate requires: the newest that speaks of what is there.
type ShownRow struct {
	Gate    string             `json:"gate"`
	Type    string             `json:"type"`
	ID      string             `json:"id,omitempty" doc:"Of the proof; missing while there is none."`
	Verdict proof.Verdict      `json:"verdict" enum:"pass,fail,blocked,missing,running"`
	Reason  string             `json:"reason"`
	Figures map[string]float64 `json:"figures"`
}

// Brief is the decision brief of the stop that a gate belongs to.
type Brief struct {
	Head           string                `json:"head" doc:"The commit that is looked at."`
	Deliverables   []OwedRow             `json:"deliverables" nullable:"false"`
	Proofs         []ShownRow            `json:"proofs" nullable:"false"`
	Questions      []project.Question    `json:"questions" nullable:"false" doc:"Blocking ones that are open."`
	Notes          []project.Note        `json:"notes" nullable:"false" doc:"Choices and risks."`
	Covers         []string              `json:"covers" nullable:"false" doc:"The gates that one decision covers."`
	Delta          bool                  `json:"delta" doc:"A review of what changed since the last decision."`
	SentBack       string                `json:"sentBack,omitempty" doc:"Why the work was sent back."`
	Changed        []string              `json:"changed" nullable:"false" doc:"Paths that changed since the last decision."`
	Documents      []string              `json:"documents" nullable:"false"`
	ReadingMinutes float64               `json:"readingMinutes"`
	Usage          project.UsageSum      `json:"usage"`
	Unmet          []gate.UnmetCondition `json:"unmet" nullable:"false"`
	Designs        []project.Design      `json:"designs" nullable:"false"`
	Waivers        []gate.Waiver         `json:"waivers" nullable:"false"`
	Markdown       string                `json:"markdown" doc:"All of it, for people."`
}

func (s *Server) getBrief(ctx context.Context, in *ByID) (tagged[Brief], error) {
	_, o, v, err := s.gateOf(ctx, account.Read, in.ID)
	if err != nil {
		return tagged[Brief]{}, err
	}
	stop := stopOf(o, v.Code)
	b, err := s.Flow.Brief(ctx, o, stop)
	if err != nil {
		return tagged[Brief]{}, err
	}
	out := Brief{
		Covers: []string{}, Delta: b.Delta, SentBack: b.Asked, Changed: append([]string{}, b.Changed...), Documents: append([]string{}, b.Documents...),
		ReadingMinutes: b.Reading.Minutes(), Usage: b.Usage, Unmet: append([]gate.UnmetCondition{}, b.Unproven...),
		Designs: append([]project.Design{}, v.Designs...), Waivers: []gate.Waiver{}, Markdown: b.Markdown(),
	}
	out.Head, out.Notes = o.Project.Head, append([]project.Note{}, b.Notes...)
	out.Deliverables, out.Proofs, out.Questions = []OwedRow{}, []ShownRow{}, []project.Question{}
	for _, x := range stop.Views {
		out.Covers, out.Waivers, out.Questions = append(out.Covers, x.Code), append(out.Waivers, x.Waivers...), append(out.Questions, x.Questions...)
		for _, d := range x.Deliverables {
			out.Deliverables = append(out.Deliverables, OwedRow{x.Code, d.Name, d.State, append([]string{}, d.Paths...)})
		}
		for _, r := range x.Required {
			out.Proofs = append(out.Proofs, shown(x.Code, r))
		}
	}
	return tagged[Brief]{out, gateTag(o, v)}, nil
}

func shown(code string, r gate.Required) ShownRow {
	row := ShownRow{Gate: code, Type: r.Type, Verdict: "missing", Figures: map[string]float64{}}
	switch {
	case r.Last != nil:
		row.ID, row.Verdict, row.Reason, row.Figures = r.Last.ID, r.Last.Verdict, r.Last.Reason, proofRow(*r.Last).Figures
	case r.Pending:
		row.Verdict = "running"
	}
	return row
}

type decideGateIn struct {
	ByID
	Versioned
	Body struct {
		Decision   string `json:"decision" enum:"approve,reject,reopen"`
		Comment    string `json:"comment,omitempty" maxLength:"65536" doc:"Needed to reject or reopen: the rework is planned from it."`
		Target     string `json:"target,omitempty" maxLength:"8" doc:"reject: the earlier gate whose work is done again; this one when left out."`
		DesignID   string `json:"designId,omitempty" maxLength:"200" doc:"approve at G4: the chosen design by id, number or title; the recommended one when left out."`
		Conditions []struct {
			Text  string `json:"text" minLength:"1" maxLength:"2000"`
			Owner string `json:"owner" minLength:"1" maxLength:"200"`
			Due   string `json:"due" maxLength:"8" doc:"Code of the gate by which it must be met."`
		} `json:"conditions,omitempty" maxItems:"50" doc:"approve: promises that go with it."`
	}
}

func (s *Server) decideGate(ctx context.Context, in *decideGateIn) (tagged[GateState], error) {
	var none tagged[GateState]
	a, o, v, err := s.gateOf(ctx, account.Decide, in.ID)
	if err != nil {
		return none, err
	}
	seen, err := in.seen()
	if err != nil {
		return none, err
	}
	by, b := decider(a, o.Project.Organization), in.Body
	if err := in.surplus(); err != nil {
		return none, err
	}
	switch {
	case b.Decision == gate.Approve:
		approval := flow.Approval{Comment: b.Comment, Design: b.DesignID, Seen: seen}
		for _, c := range b.Conditions {
			approval.Conditions = append(approval.Conditions, flow.Promise{Text: c.Text, Owner: c.Owner, Due: c.Due})
		}
		_, err = s.Flow.Approve(ctx, by, o.Project.ID, v.Code, approval)
	case b.Decision == gate.Reject && seen == nil && v.Status != gate.InReview:
		err = fault.Conflict("gate.not_in_review", "%s is %s. To send back work that is under way, say by If-Match what you saw.", v.Code, v.Status)
	case b.Decision == gate.Reject && seen == nil: // of many at once, one is right about what it rejects
		err = s.Flow.RejectSeen(ctx, by, o.Project.ID, v.Code, b.Target, b.Comment, &flow.Seen{Version: v.Version, Head: o.Project.Head})
	case b.Decision == gate.Reject:
		err = s.Flow.RejectSeen(ctx, by, o.Project.ID, v.Code, b.Target, b.Comment, seen)
	case b.Decision == gate.Reopen:
		err = s.Flow.ReopenSeen(ctx, by, o.Project.ID, v.Code, b.Comment, seen)
	default:
		err = fault.Invalid("decision.unknown", "A decision is approve, reject or reopen, not %q.", b.Decision)
	}
	if fault.CodeOf(err) == flow.CodeGateChanged && seen != nil {
		now, second := s.getGate(ctx, &in.ByID)
		if second != nil {
			return none, second
		}
		return none, lost(err, now.data)
	}
	if err != nil {
		return none, err
	}
	return s.getGate(ctx, &in.ByID)
}

// surplus refuses what does not belong to the decision: it would be dropped in
// silence.
func (in *decideGateIn) surplus() error {
	b := in.Body
	var details []fault.Detail
	for _, c := range []struct {
		field string
		there bool
		to    string
	}{
		{"target", b.Target != "", gate.Reject},
		{"designId", b.DesignID != "", gate.Approve},
		{"conditions", len(b.Conditions) > 0, gate.Approve},
	} {
		if c.there && b.Decision != c.to {
			details = append(details, fault.Detail{Field: c.field, Message: "belongs to the decision " + c.to, Next: "Leave it out."})
		}
	}
	if len(details) == 0 {
		return nil
	}
	return fault.Invalid("decision.surplus", "%d fields do not belong to the decision %s.", len(details), b.Decision).WithDetails(details...)
}

type confirmGateIn struct {
	ByID
	Body struct {
		Statement string `json:"statement" minLength:"1" maxLength:"65536" doc:"What you tried, and what you saw."`
	}
}

func (s *Server) confirmGate(ctx context.Context, in *confirmGateIn) (GateState, error) {
	a, o, v, err := s.gateOf(ctx, account.Decide, in.ID)
	if err != nil {
		return GateState{}, err
	}
	if err := s.Flow.Confirm(ctx, decider(a, o.Project.Organization), o.Project.ID, v.Code, in.Body.Statement); err != nil {
		return GateState{}, err
	}
	out, err := s.getGate(ctx, &in.ByID)
	return out.data, err
}

type rerunChecksIn struct {
	ByID
	Body struct {
		Types []string `json:"types,omitempty" maxItems:"50" doc:"Types of proof; all that are not green when left out."`
	}
}

func (s *Server) rerunChecks(ctx context.Context, in *rerunChecksIn) (GateState, error) {
	a, o, v, err := s.gateOf(ctx, account.Write, in.ID)
	if err != nil {
		return GateState{}, err
	}
	if err := s.Flow.Rerun(ctx, decider(a, o.Project.Organization), o.Project.ID, v.Code, in.Body.Types...); err != nil {
		return GateState{}, err
	}
	out, err := s.getGate(ctx, &in.ByID)
	return out.data, err
}
