package api

import (
	"context"
	"net/http"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
)

func (s *Server) peopleRoutes() []route {
	return []route{
		list(s, about{method: http.MethodGet, path: "/projects/{id}/decisions", id: "list-decisions", summary: "The decisions of a change, oldest first"}, s.listDecisions),
		list(s, about{method: http.MethodGet, path: "/projects/{id}/conditions", id: "list-conditions", summary: "The promises that were made with approvals"}, s.listConditions),
		on(s, about{method: http.MethodPost, path: "/conditions/{id}/resolve", id: "resolve-condition", summary: "Say how a promise was kept", conflicts: true}, s.resolveCondition),
		list(s, about{method: http.MethodGet, path: "/projects/{id}/waivers", id: "list-waivers", summary: "The rules that were set aside in a change"}, s.listWaivers),
		on(s, about{method: http.MethodPost, path: "/gates/{id}/waivers", id: "waive", summary: "Set a rule of a gate aside, for a reason and a time", status: http.StatusCreated, conflicts: true}, s.waive),
		on(s, about{method: http.MethodPost, path: "/waivers/{id}/close", id: "close-waiver", summary: "End a waiver before it expires", conflicts: true}, s.closeWaiver),
		list(s, about{method: http.MethodGet, path: "/projects/{id}/blockers", id: "list-blockers", summary: "The obstacles of a change"}, s.listBlockers),
		on(s, about{method: http.MethodPost, path: "/projects/{id}/blockers", id: "raise-blocker", summary: "Raise an obstacle; a critical one keeps its gate from being approved", status: http.StatusCreated, conflicts: true}, s.raiseBlocker),
		on(s, about{method: http.MethodPost, path: "/blockers/{id}/resolve", id: "resolve-blocker", summary: "Say how an obstacle was removed", conflicts: true}, s.resolveBlocker),
		list(s, about{method: http.MethodGet, path: "/projects/{id}/notes", id: "list-notes", summary: "Choices, risks, handoffs and notes of a change"}, s.listNotes),
		on(s, about{method: http.MethodPost, path: "/projects/{id}/notes", id: "add-note", summary: "Leave a note, a choice or a risk for people and agents", status: http.StatusCreated, conflicts: true}, s.addNote),
		list(s, about{method: http.MethodGet, path: "/projects/{id}/designs", id: "list-designs", summary: "The alternatives at G4; one is chosen by the decision on it"}, s.listDesigns),
	}
}

func (s *Server) listDecisions(ctx context.Context, in *OfChange) (page[gate.Decision], error) {
	return rowsOf(ctx, s, in, func(d gate.Decision) string { return d.ID }, gate.Decisions)
}

func (s *Server) listConditions(ctx context.Context, in *OfChange) (page[gate.Condition], error) {
	return rowsOf(ctx, s, in, func(c gate.Condition) string { return c.ID }, gate.Conditions)
}

type resolveIn struct {
	ByID
	Body struct {
		Resolution string `json:"resolution" minLength:"1" maxLength:"65536"`
	}
}

// projectOf returns the project of a change, by the change's id.
func projectOf(ctx context.Context, tx *db.Tx, changeID string) (string, error) {
	c, err := project.GetChange(ctx, tx, changeID)
	return c.Project, err
}

func (s *Server) resolveCondition(ctx context.Context, in *resolveIn) (c gate.Condition, err error) {
	read := func(ctx context.Context, tx *db.Tx) (_ string, err error) {
		if c, err = gate.GetCondition(ctx, tx, in.ID); err != nil {
			return "", err
		}
		return projectOf(ctx, tx, c.Change)
	}
	a, p, err := s.mayOf(ctx, account.Decide, "condition "+in.ID, read)
	if err != nil {
		return c, err
	}
	if err := s.Flow.ResolveCondition(ctx, decider(a, p.Organization), p.ID, c.Due, c.ID, in.Body.Resolution); err != nil {
		return c, err
	}
	return c, s.again(ctx, read)
}

// again reads a row once more after it was changed.
func (s *Server) again(ctx context.Context, read func(ctx context.Context, tx *db.Tx) (string, error)) error {
	return s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := read(ctx, tx)
		return err
	})
}

func (s *Server) listWaivers(ctx context.Context, in *OfChange) (page[gate.Waiver], error) {
	return rowsOf(ctx, s, in, func(w gate.Waiver) string { return w.ID }, gate.Waivers)
}

type waiveIn struct {
	ByID
	Body struct {
		Rule      string  `json:"rule" enum:"gate,proof,coverage,deliverable,blocker,condition"`
		Subject   string  `json:"subject,omitempty" maxLength:"200" doc:"A type of proof, the name of a deliverable, an id; every one when left out."`
		Owner     string  `json:"owner" minLength:"1" maxLength:"200" doc:"Who answers for it."`
		Reason    string  `json:"reason" minLength:"1" maxLength:"2000"`
		ExpiresAt db.Time `json:"expiresAt" doc:"In the future."`
	}
}

func (s *Server) waive(ctx context.Context, in *waiveIn) (gate.Waiver, error) {
	a, o, v, err := s.gateOf(ctx, account.Decide, in.ID)
	if err != nil {
		return gate.Waiver{}, err
	}
	b := in.Body
	return s.Flow.Waive(ctx, decider(a, o.Project.Organization), o.Project.ID, gate.Waiver{
		Code: v.Code, Rule: b.Rule, Subject: b.Subject, Owner: b.Owner, Reason: b.Reason, ExpiresAt: b.ExpiresAt,
	})
}

func (s *Server) closeWaiver(ctx context.Context, in *ByID) (w gate.Waiver, err error) {
	read := func(ctx context.Context, tx *db.Tx) (_ string, err error) {
		if w, err = gate.GetWaiver(ctx, tx, in.ID); err != nil {
			return "", err
		}
		return projectOf(ctx, tx, w.Change)
	}
	a, p, err := s.mayOf(ctx, account.Decide, "waiver "+in.ID, read)
	if err != nil {
		return w, err
	}
	if err := s.Flow.CloseWaiver(ctx, decider(a, p.Organization), p.ID, w.Code, w.ID); err != nil {
		return w, err
	}
	return w, s.again(ctx, read)
}

func (s *Server) listBlockers(ctx context.Context, in *OfChange) (page[project.Blocker], error) {
	return rowsOf(ctx, s, in, func(b project.Blocker) string { return b.ID }, project.Blockers)
}

type raiseBlockerIn struct {
	ByID
	Body struct {
		Gate     string `json:"gate" minLength:"1" maxLength:"8" doc:"Code of the gate that it concerns."`
		Title    string `json:"title" minLength:"1" maxLength:"300"`
		Detail   string `json:"detail,omitempty" maxLength:"65536"`
		Severity string `json:"severity,omitempty" enum:"critical,high,medium,low" default:"high"`
	}
}

func (s *Server) raiseBlocker(ctx context.Context, in *raiseBlockerIn) (project.Blocker, error) {
	a, p, err := s.may(ctx, account.Write, in.ID)
	if err != nil {
		return project.Blocker{}, err
	}
	b := in.Body
	return s.Flow.RaiseBlocker(ctx, decider(a, p.Organization), p.ID, project.Blocker{Gate: b.Gate, Title: b.Title, Detail: b.Detail, Severity: b.Severity})
}

func (s *Server) resolveBlocker(ctx context.Context, in *resolveIn) (b project.Blocker, err error) {
	read := func(ctx context.Context, tx *db.Tx) (_ string, err error) {
		b, err = project.GetBlocker(ctx, tx, in.ID)
		return b.Project, err
	}
	a, p, err := s.mayOf(ctx, account.Decide, "blocker "+in.ID, read)
	if err != nil {
		return b, err
	}
	if err := s.Flow.ResolveBlocker(ctx, decider(a, p.Organization), p.ID, b.Gate, b.ID, in.Body.Resolution); err != nil {
		return b, err
	}
	return b, s.again(ctx, read)
}

func (s *Server) listNotes(ctx context.Context, in *OfChange) (page[project.Note], error) {
	return rowsOf(ctx, s, in, func(n project.Note) string { return n.ID }, project.Notes)
}

type addNoteIn struct {
	ByID
	Body struct {
		Gate       string `json:"gate" minLength:"1" maxLength:"8" doc:"Code of the gate that it concerns."`
		Kind       string `json:"kind,omitempty" enum:"note,decision,risk" default:"note"`
		Title      string `json:"title" minLength:"1" maxLength:"300"`
		Body       string `json:"body,omitempty" maxLength:"65536"`
		Likelihood string `json:"likelihood,omitempty" enum:"high,medium,low" doc:"Of a risk."`
		Impact     string `json:"impact,omitempty" enum:"high,medium,low" doc:"Of a risk."`
	}
}

func (s *Server) addNote(ctx context.Context, in *addNoteIn) (project.Note, error) {
	a, p, err := s.may(ctx, account.Write, in.ID)
	if err != nil {
		return project.Note{}, err
	}
	b := in.Body
	return s.Flow.AddNote(ctx, decider(a, p.Organization), p.ID, project.Note{
		Gate: b.Gate, Kind: b.Kind, Title: b.Title, Body: b.Body, Likelihood: b.Likelihood, Impact: b.Impact,
	})
}

func (s *Server) listDesigns(ctx context.Context, in *OfChange) (page[project.Design], error) {
	return rowsOf(ctx, s, in, func(d project.Design) string { return d.ID }, project.Designs)
}
