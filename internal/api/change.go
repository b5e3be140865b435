package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/project"
)

func (s *Server) changeRoutes() []route {
	return []route{
		list(s, about{method: http.MethodGet, path: "/projects/{id}/changes", id: "list-changes", summary: "The changes of a project, the newest first"}, s.listChanges),
		on(s, about{method: http.MethodPost, path: "/projects/{id}/changes", id: "begin-change", summary: "Ask for a further change, with gates of its own", status: http.StatusCreated, conflicts: true}, s.beginChange),
		on(s, about{method: http.MethodGet, path: "/changes/{id}", id: "get-change", summary: "A change"}, s.getChange),
		on(s, about{method: http.MethodPost, path: "/changes/{id}/cancel", id: "cancel-change", summary: "End an open change without finishing it; what was merged stays", conflicts: true}, s.cancelChange),
	}
}

func (s *Server) listChanges(ctx context.Context, in *OfProject) (out page[project.Change], err error) {
	_, p, err := s.may(ctx, account.Read, in.ID)
	if err != nil {
		return out, err
	}
	var all []project.Change
	err = s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		found, err := project.Changes(ctx, tx, p.ID)
		for i := range found {
			all = append(all, found[len(found)-1-i])
		}
		return err
	})
	if err != nil {
		return out, err
	}
	return cut(in.Paging, all, func(c project.Change) string { return c.ID })
}

type beginChangeIn struct {
	ByID
	Body struct {
		Request   string `json:"request" maxLength:"65536" doc:"What is to be changed, in your words."`
		Blueprint string `json:"blueprint,omitempty" maxLength:"80" doc:"A blueprint that ships with LayerCake; the one that the project has when left out."`
	}
}

func (s *Server) beginChange(ctx context.Context, in *beginChangeIn) (project.Change, error) {
	a, p, err := s.may(ctx, account.Write, in.ID)
	if err != nil {
		return project.Change{}, err
	}
	text, err := s.planFor(ctx, p, in.Body.Blueprint)
	if err != nil {
		return project.Change{}, err
	}
	return s.Flow.BeginChange(ctx, decider(a, p.Organization), p.ID, in.Body.Request, text)
}

// planFor returns the resolved YAML of a blueprint by name, or of the one that the
// newest change of a project has.
func (s *Server) planFor(ctx context.Context, p project.Project, name string) ([]byte, error) {
	if name != "" {
		plan, err := blueprint.Load(name)
		if err != nil {
			return nil, named("blueprint", err)
		}
		text, err := plan.YAML()
		if err != nil {
			return nil, fmt.Errorf("write blueprint: %w", err)
		}
		return text, nil
	}
	var c project.Change
	err := s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		c, err = project.LatestChange(ctx, tx, p.ID)
		return err
	})
	return []byte(c.Blueprint), err
}

// changeOf returns a change, for one who may do verb to its project.
func (s *Server) changeOf(ctx context.Context, verb account.Verb, id string) (a account.Actor, p project.Project, c project.Change, err error) {
	a, p, err = s.mayOf(ctx, verb, "change "+id, func(ctx context.Context, tx *db.Tx) (_ string, err error) {
		c, err = project.GetChange(ctx, tx, id)
		return c.Project, err
	})
	return a, p, c, err
}

func (s *Server) getChange(ctx context.Context, in *ByID) (project.Change, error) {
	_, _, c, err := s.changeOf(ctx, account.Read, in.ID)
	return c, err
}

type reasonIn struct {
	ByID
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"2000"`
	}
}

func (s *Server) cancelChange(ctx context.Context, in *reasonIn) (project.Change, error) {
	a, p, c, err := s.changeOf(ctx, account.Decide, in.ID)
	if err != nil {
		return c, err
	}
	if c.Status != project.ChangeOpen {
		return c, project.EndedError(c)
	}
	if err := s.Flow.CancelChange(ctx, decider(a, p.Organization), p.ID, in.Body.Reason); err != nil {
		return c, err
	}
	return s.getChange(ctx, &in.ByID)
}
