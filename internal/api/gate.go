package api

import (
	"context"
	"net/http"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
)

func (s *Server) gateRoutes() []route {
	return []route{
		list(s, about{method: http.MethodGet, path: "/projects/{id}/gates", id: "list-gates", summary: "The gates of the newest change, with what is unmet"}, s.listGates),
		on(s, about{method: http.MethodGet, path: "/gates/{id}", id: "get-gate", summary: "A gate, with what is unmet"}, s.getGate),
		on(s, about{method: http.MethodGet, path: "/gates/{id}/brief", id: "get-brief", summary: "What a person needs to decide a gate, computed"}, s.getBrief),
		on(s, about{method: http.MethodPost, path: "/gates/{id}/decision", id: "decide-gate", summary: "Approve, reject or reopen a gate", conflicts: true}, s.decideGate),
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

func (s *Server) listGates(ctx context.Context, in *ByID) (out page[GateState], err error) {
	_, p, err := s.may(ctx, account.Read, in.ID)
	if err != nil {
		return out, err
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

func (s *Server) getGate(ctx context.Context, in *ByID) (GateState, error) {
	_, o, v, err := s.gateOf(ctx, account.Read, in.ID)
	if err != nil {
		return GateState{}, err
	}
	return gateState(o, v), nil
}

// Brief is the decision brief of the stop that a gate belongs to.
type Brief struct {
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

func (s *Server) getBrief(ctx context.Context, in *ByID) (Brief, error) {
	_, o, v, err := s.gateOf(ctx, account.Read, in.ID)
	if err != nil {
		return Brief{}, err
	}
	stop := stopOf(o, v.Code)
	b, err := s.Flow.Brief(ctx, o, stop)
	if err != nil {
		return Brief{}, err
	}
	out := Brief{
		Covers: []string{}, Delta: b.Delta, SentBack: b.Asked, Changed: append([]string{}, b.Changed...), Documents: append([]string{}, b.Documents...),
		ReadingMinutes: b.Reading.Minutes(), Usage: b.Usage, Unmet: append([]gate.UnmetCondition{}, b.Unproven...),
		Designs: append([]project.Design{}, v.Designs...), Waivers: []gate.Waiver{}, Markdown: b.Markdown(),
	}
	for _, x := range stop.Views {
		out.Covers, out.Waivers = append(out.Covers, x.Code), append(out.Waivers, x.Waivers...)
	}
	return out, nil
}

type decideGateIn struct {
	ByID
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

func (s *Server) decideGate(ctx context.Context, in *decideGateIn) (GateState, error) {
	a, o, v, err := s.gateOf(ctx, account.Decide, in.ID)
	if err != nil {
		return GateState{}, err
	}
	by, b := decider(a, o.Project.Organization), in.Body
	switch b.Decision {
	case gate.Approve:
		approval := flow.Approval{Comment: b.Comment, Design: b.DesignID}
		for _, c := range b.Conditions {
			approval.Conditions = append(approval.Conditions, flow.Promise{Text: c.Text, Owner: c.Owner, Due: c.Due})
		}
		_, err = s.Flow.Approve(ctx, by, o.Project.ID, v.Code, approval)
	case gate.Reject:
		err = s.Flow.Reject(ctx, by, o.Project.ID, v.Code, b.Target, b.Comment)
	default:
		err = s.Flow.Reopen(ctx, by, o.Project.ID, v.Code, b.Comment)
	}
	if err != nil {
		return GateState{}, err
	}
	return s.getGate(ctx, &in.ByID)
}
