package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
)

func (s *Server) projectRoutes() []route {
	return []route{
		list(s, about{method: http.MethodGet, path: "/projects", id: "list-projects", summary: "Projects that you may see, the newest first"}, s.listProjects),
		on(s, about{method: http.MethodPost, path: "/projects", id: "create-project", summary: "Create a project from an idea, and set it going", status: http.StatusCreated, conflicts: true}, s.createProject),
		onTagged(s, about{method: http.MethodGet, path: "/projects/{id}", id: "get-project", summary: "A project, where it stands and what comes next"}, s.getProject),
		list(s, about{method: http.MethodGet, path: "/projects/{id}/events", id: "list-events", summary: "What happened to a project, oldest first"}, s.listEvents),
		list(s, about{method: http.MethodGet, path: "/projects/{id}/tasks", id: "list-tasks", summary: "The tasks of a change, oldest first"}, s.listTasks),
		on(s, about{method: http.MethodGet, path: "/tasks/{id}", id: "get-task", summary: "A task"}, s.getTask),
		list(s, about{method: http.MethodGet, path: "/projects/{id}/questions", id: "list-questions", summary: "The questions of a change, oldest first"}, s.listQuestions),
		on(s, about{method: http.MethodPost, path: "/questions/{id}/answer", id: "answer-question", summary: "Answer a question", conflicts: true}, s.answerQuestion),
		on(s, about{method: http.MethodGet, path: "/projects/{id}/usage", id: "get-usage", summary: "What the models have used in a change"}, s.getUsage),
	}
}

// ByID names a row in the path.
type ByID struct {
	ID string `path:"id" maxLength:"80"`
}

type listProjectsIn struct {
	Paging
	Query    string `query:"q" maxLength:"200" doc:"Part of the name or of the idea, in any case."`
	Archived bool   `query:"archived" doc:"Those that were put away, and only those."`
}

// ProjectRow is a project in a list, with the gates of its newest change.
type ProjectRow struct {
	project.Project
	Gates []GateMark `json:"gates" nullable:"false"`
}

// GateMark is where a gate stands.
type GateMark struct {
	Code   string      `json:"code"`
	Status gate.Status `json:"status"`
	Stale  bool        `json:"stale"`
}

func (s *Server) listProjects(ctx context.Context, in *listProjectsIn) (out page[ProjectRow], err error) {
	a, err := s.signedIn(ctx)
	if err != nil {
		return out, err
	}
	after, err := in.after()
	if err != nil {
		return out, err
	}
	err = s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		found, err := project.Page(ctx, tx, project.Filter{Organizations: a.Organizations(), Text: in.Query, Archived: in.Archived, Before: after, Limit: in.Limit + 1})
		if err != nil {
			return err
		}
		if len(found) > in.Limit {
			found = found[:in.Limit]
			out.next = cursor(found[in.Limit-1].ID)
		}
		ids := make([]string, len(found))
		for i, p := range found {
			ids[i] = p.ID
		}
		marks, err := gate.OfProjects(ctx, tx, ids)
		for _, p := range found {
			row := ProjectRow{Project: p, Gates: []GateMark{}}
			for _, g := range marks[p.ID] {
				row.Gates = append(row.Gates, GateMark{g.Code, g.Status, g.Stale})
			}
			out.items = append(out.items, row)
		}
		return err
	})
	return out, err
}

type createProjectIn struct {
	Body struct {
		Idea           string  `json:"idea" doc:"What is to be built, in your words." maxLength:"65536"`
		Name           string  `json:"name,omitempty" maxLength:"320" doc:"Made from the idea when left out."`
		Type           string  `json:"type,omitempty" enum:"traditional,ai_ml,hybrid,enhancement" default:"traditional"`
		DeploymentMode string  `json:"deploymentMode,omitempty" enum:"local_only,optional,required,undetermined" default:"local_only"`
		QualityTier    string  `json:"qualityTier,omitempty" enum:"mvp,standard,enterprise" default:"standard"`
		Blueprint      string  `json:"blueprint,omitempty" maxLength:"80" doc:"A blueprint that ships with LayerCake; the one of the type when left out."`
		BudgetUSD      float64 `json:"budgetUsd,omitempty" minimum:"0" maximum:"1000000000" doc:"A hard cap; 0 is none."`
	}
}

func (s *Server) createProject(ctx context.Context, in *createProjectIn) (project.Project, error) {
	a, err := s.signedIn(ctx)
	if err != nil {
		return project.Project{}, err
	}
	home := a.Home()
	if err := account.Can(a, account.Write, account.Resource{Organization: home, What: "such organization"}); err != nil {
		return project.Project{}, err
	}
	b := in.Body
	name := b.Blueprint
	if name == "" {
		name = b.Type
	}
	plan, err := blueprint.Load(name)
	if err != nil {
		return project.Project{}, named("blueprint", err)
	}
	text, err := plan.YAML()
	if err != nil {
		return project.Project{}, fmt.Errorf("write blueprint: %w", err)
	}
	p := project.Project{
		Organization: home, Name: b.Name, Idea: strings.TrimSpace(b.Idea), Type: b.Type, Mode: b.DeploymentMode, Tier: b.QualityTier, Teaching: "intermediate",
		Blueprint: plan.Name,
	}
	if p.BudgetMicro, err = micros("budgetUsd", b.BudgetUSD); err != nil {
		return project.Project{}, err
	}
	if p.Name == "" {
		p.Name = project.NameFrom(p.Idea)
	}
	// A client that leaves now leaves no half of a project.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	_, err = s.Flow.Create(ctx, decider(a, home), &p, text, func(ctx context.Context, id string) error {
		_, err := s.Repos.Create(ctx, id)
		return err
	})
	if err != nil {
		return p, err
	}
	return s.read(ctx, p.ID)
}

// named makes what a client named and what is not there a mistake of the field.
func named(field string, err error) error {
	if f, ok := fault.As(err); ok && f.Kind == fault.KindNotFound {
		return fault.Invalid(f.Code, "%s", f.Message).WithDetails(fault.Detail{Field: field, Message: f.Message})
	}
	return err
}

// decider is a signed-in person who decides in an organization.
func decider(a account.Actor, organization string) gate.Decider {
	return gate.Decider{Actor: a.Event(), Method: gate.Session, Role: a.Role(organization)}
}

func (s *Server) read(ctx context.Context, id string) (p project.Project, err error) {
	err = s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		p, err = project.Get(ctx, tx, id)
		return err
	})
	return p, err
}

// may returns the project and who asks, when that one may do verb to it. What one
// may not see is not there.
func (s *Server) may(ctx context.Context, verb account.Verb, projectID string) (account.Actor, project.Project, error) {
	return s.mayOf(ctx, verb, "project "+projectID, func(context.Context, *db.Tx) (string, error) { return projectID, nil })
}

// mayOf is may for what belongs to a project.
func (s *Server) mayOf(ctx context.Context, verb account.Verb, what string, owner func(ctx context.Context, tx *db.Tx) (string, error)) (a account.Actor, p project.Project, err error) {
	if a, err = s.signedIn(ctx); err != nil {
		return a, p, err
	}
	err = s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		projectID, err := owner(ctx, tx)
		if err != nil {
			return err
		}
		p, err = project.Get(ctx, tx, projectID)
		return err
	})
	if fault.KindOf(err) == fault.KindNotFound {
		err = account.Can(a, verb, account.Resource{What: what}) // as for what is another's
	} else if err == nil {
		err = account.Can(a, verb, account.Resource{Organization: p.Organization, What: what})
	}
	return a, p, err
}

// ProjectState is a project, where it stands and what comes next.
type ProjectState struct {
	project.Project
	Change   project.Change        `json:"change"`
	Sentence string                `json:"sentence" doc:"Where it stands, in plain words."`
	Next     string                `json:"next" doc:"What you can do now, in plain words."`
	Busy     bool                  `json:"busy" doc:"Agents, checks or the platform are at work."`
	Unmet    []gate.UnmetCondition `json:"unmet" nullable:"false" doc:"What keeps the gate whose turn it is from being approved."`
}

func (s *Server) getProject(ctx context.Context, in *ByID) (out tagged[ProjectState], err error) {
	_, p, err := s.may(ctx, account.Read, in.ID)
	if err != nil {
		return out, err
	}
	o, err := s.Flow.Overview(ctx, p.ID)
	if err != nil {
		return out, err
	}
	next, err := s.Flow.NextAction(ctx, o)
	if err != nil {
		return out, err
	}
	return tagged[ProjectState]{
		ProjectState{Project: o.Project, Change: o.Change, Sentence: o.Sentence(), Next: next, Busy: o.Busy, Unmet: append([]gate.UnmetCondition{}, o.Unmet()...)},
		versionTag(o.Project.Version),
	}, nil
}

type listEventsIn struct {
	OfProject
	Since int64 `query:"since" minimum:"0" doc:"Only events with a higher number."`
}

func (s *Server) listEvents(ctx context.Context, in *listEventsIn) (out page[event.Event], err error) {
	_, p, err := s.may(ctx, account.Read, in.ID)
	if err != nil {
		return out, err
	}
	since, err := in.number(in.Since)
	if err != nil {
		return out, err
	}
	err = s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		out.items, err = event.Since(ctx, tx, p.ID, since, in.Limit+1)
		return err
	})
	if len(out.items) > in.Limit {
		out.items = out.items[:in.Limit]
		out.next = cursor(strconv.FormatInt(out.items[in.Limit-1].Seq, 10))
	}
	return out, err
}

func (s *Server) listTasks(ctx context.Context, in *OfChange) (page[project.Task], error) {
	return rowsOf(ctx, s, in, func(t project.Task) string { return t.ID }, project.Tasks)
}

func (s *Server) getTask(ctx context.Context, in *ByID) (t project.Task, err error) {
	_, _, err = s.mayOf(ctx, account.Read, "task "+in.ID, func(ctx context.Context, tx *db.Tx) (_ string, err error) {
		t, err = project.GetTask(ctx, tx, in.ID)
		return t.Project, err
	})
	return t, err
}

func (s *Server) listQuestions(ctx context.Context, in *OfChange) (page[project.Question], error) {
	return rowsOf(ctx, s, in, func(q project.Question) string { return q.ID }, project.Questions)
}

type answerQuestionIn struct {
	ByID
	Body struct {
		Answer string `json:"answer" minLength:"1" maxLength:"65536"`
	}
}

func (s *Server) answerQuestion(ctx context.Context, in *answerQuestionIn) (project.Question, error) {
	var q project.Question
	a, p, err := s.mayOf(ctx, account.Write, "question "+in.ID, func(ctx context.Context, tx *db.Tx) (_ string, err error) {
		q, err = project.GetQuestion(ctx, tx, in.ID)
		return q.Project, err
	})
	if err != nil {
		return project.Question{}, err
	}
	if err := s.Flow.Answer(ctx, decider(a, p.Organization), in.ID, in.Body.Answer); err != nil {
		return project.Question{}, err
	}
	err = s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		q, err = project.GetQuestion(ctx, tx, in.ID)
		return err
	})
	return q, err
}

type getUsageIn struct {
	ByID
	Change int64 `query:"change" minimum:"0" doc:"Number of a change; the newest one when left out."`
}

func (s *Server) getUsage(ctx context.Context, in *getUsageIn) (sum project.UsageSum, err error) {
	_, p, err := s.may(ctx, account.Read, in.ID)
	if err != nil {
		return sum, err
	}
	err = s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		c, err := OfChange{Change: in.Change}.change(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		sum, err = project.SumUsage(ctx, tx, c.ID)
		return err
	})
	return sum, err
}

// stopOf is what a decision on a gate covers.
func stopOf(o *flow.Overview, code string) flow.Stop { return flow.Stop{Views: o.Joined(code)} }
