package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
)

func (s *Server) controlRoutes() []route {
	return []route{
		onTagged(s, about{method: http.MethodPatch, path: "/projects/{id}", id: "update-project", summary: "Change the settings of a project", versioned: true}, s.updateProject),
		on(s, about{method: http.MethodDelete, path: "/projects/{id}", id: "delete-project", summary: "Delete a project for good, by its name"}, s.deleteProject),
		on(s, about{method: http.MethodPost, path: "/projects/{id}/archive", id: "archive-project", summary: "Pause a project and put it away"}, s.onProject(account.Manage, func(ctx context.Context, by gate.Decider, id string) error {
			return s.Flow.ArchiveProject(ctx, by, id, true)
		})),
		on(s, about{method: http.MethodPost, path: "/projects/{id}/unarchive", id: "unarchive-project", summary: "Take a project out of the archive; it stays paused"}, s.onProject(account.Manage, func(ctx context.Context, by gate.Decider, id string) error {
			return s.Flow.ArchiveProject(ctx, by, id, false)
		})),
		on(s, about{method: http.MethodPost, path: "/projects/{id}/pause", id: "pause-project", summary: "Let every agent stop before its next turn"}, s.onProject(account.Write, func(ctx context.Context, by gate.Decider, id string) error { return s.Flow.Pause(ctx, by, id, true) })),
		on(s, about{method: http.MethodPost, path: "/projects/{id}/resume", id: "resume-project", summary: "Let the agents go on", conflicts: true}, s.resumeProject),
		on(s, about{method: http.MethodPost, path: "/projects/{id}/stop", id: "stop-project", summary: "Stop every agent in the middle of what it does; resuming makes the interrupted calls again"}, s.onProject(account.Write, s.Flow.Stop)),
		on(s, about{method: http.MethodPut, path: "/projects/{id}/budget", id: "set-budget", summary: "Give a project another cap; what waited for money goes on"}, s.setBudget),
		on(s, about{method: http.MethodPost, path: "/organizations/{id}/pause", id: "pause-all", summary: "Pause every project of an organization"}, s.onAll(func(ctx context.Context, by gate.Decider, id string) error { return s.Flow.Pause(ctx, by, id, true) })),
		on(s, about{method: http.MethodPost, path: "/organizations/{id}/stop", id: "stop-all", summary: "Stop every agent of an organization in the middle of what it does"}, s.onAll(s.Flow.Stop)),
	}
}

// onProject makes a handler of what a person does to a project as a whole.
func (s *Server) onProject(verb account.Verb, do func(ctx context.Context, by gate.Decider, id string) error) func(context.Context, *ByID) (project.Project, error) {
	return func(ctx context.Context, in *ByID) (project.Project, error) {
		a, p, err := s.may(ctx, verb, in.ID)
		if err != nil {
			return p, err
		}
		if err := do(ctx, decider(a, p.Organization), p.ID); err != nil {
			return p, err
		}
		return s.read(ctx, p.ID)
	}
}

func (s *Server) resumeProject(ctx context.Context, in *ByID) (project.Project, error) {
	a, p, err := s.may(ctx, account.Write, in.ID)
	if err != nil {
		return p, err
	}
	if err := s.Flow.Pause(ctx, decider(a, p.Organization), p.ID, false); err != nil {
		return p, err
	}
	return s.read(ctx, p.ID)
}

// Many says to how many projects something was done.
type Many struct {
	Projects int `json:"projects"`
}

// onAll makes a handler of what is done to every project of an organization.
func (s *Server) onAll(do func(ctx context.Context, by gate.Decider, id string) error) func(context.Context, *ByID) (Many, error) {
	return func(ctx context.Context, in *ByID) (Many, error) {
		a, err := s.signedIn(ctx)
		if err != nil {
			return Many{}, err
		}
		if err := account.Can(a, account.Write, account.Resource{Organization: in.ID, What: "organization " + in.ID}); err != nil {
			return Many{}, err
		}
		var ids []string
		err = s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			ids, err = project.IDsOf(ctx, tx, in.ID)
			return err
		})
		if err != nil {
			return Many{}, err
		}
		n := 0
		var failed error
		for _, id := range ids { // one project's trouble does not keep the others from being stopped
			switch err := do(ctx, decider(a, in.ID), id); {
			case err == nil:
				n++
			case fault.KindOf(err) != fault.KindNotFound: // gone, or not begun yet
				failed = errors.Join(failed, fmt.Errorf("project %s: %w", id, err))
			}
		}
		return Many{Projects: n}, failed
	}
}

// Versioned takes the version of a row that the caller has seen.
type Versioned struct {
	IfMatch string `header:"If-Match" maxLength:"80" doc:"The ETag of what you have read; whatever is there, when left out."`
}

// version reads If-Match as the version of a row, 0 when any will do.
func (v Versioned) version() (int64, error) {
	if v.IfMatch == "" || v.IfMatch == "*" {
		return 0, nil
	}
	n, err := strconv.ParseInt(strings.Trim(strings.TrimPrefix(v.IfMatch, "W/"), `"`), 10, 64)
	if err != nil || n < 1 {
		return 0, errTag()
	}
	return n, nil
}

func errTag() error {
	return fault.Invalid("etag.invalid", "If-Match is no ETag that this address has given.").WithDetails(fault.Detail{Field: "If-Match", Message: "is no ETag of this row"})
}

func versionTag(n int64) string { return fmt.Sprintf(`"%d"`, n) }

type updateProjectIn struct {
	ByID
	Versioned
	Body struct {
		Name           *string `json:"name,omitempty" minLength:"1" maxLength:"320"`
		DeploymentMode *string `json:"deploymentMode,omitempty" enum:"local_only,optional,required,undetermined"`
		QualityTier    *string `json:"qualityTier,omitempty" enum:"mvp,standard,enterprise"`
		TeachingLevel  *string `json:"teachingLevel,omitempty" enum:"novice,intermediate,expert"`
	}
}

func (s *Server) updateProject(ctx context.Context, in *updateProjectIn) (tagged[project.Project], error) {
	var out tagged[project.Project]
	a, p, err := s.may(ctx, account.Write, in.ID)
	if err != nil {
		return out, err
	}
	version, err := in.version()
	if err != nil {
		return out, err
	}
	b := in.Body
	refused := s.Flow.UpdateProject(ctx, decider(a, p.Organization), p.ID, version, project.Settings{Name: b.Name, Mode: b.DeploymentMode, Tier: b.QualityTier, Teaching: b.TeachingLevel})
	if refused != nil && fault.CodeOf(refused) != flow.CodeProjectChanged {
		return out, refused
	}
	now, err := s.read(ctx, p.ID)
	if err == nil && refused != nil {
		err = lost(refused, now)
	}
	return tagged[project.Project]{data: now, tag: versionTag(now.Version)}, err
}

type deleteProjectIn struct {
	ByID
	Name string `query:"name" required:"true" maxLength:"320" doc:"The name of the project, as a confirmation."`
}

func (s *Server) deleteProject(ctx context.Context, in *deleteProjectIn) (Done, error) {
	a, p, err := s.may(ctx, account.Manage, in.ID)
	if err != nil {
		return Done{}, err
	}
	return Done{Done: true}, s.Flow.DeleteProject(ctx, decider(a, p.Organization), p.ID, in.Name)
}

type setBudgetIn struct {
	ByID
	Body struct {
		BudgetUSD float64 `json:"budgetUsd" minimum:"0" maximum:"1000000000" doc:"A hard cap; 0 is none."`
	}
}

func (s *Server) setBudget(ctx context.Context, in *setBudgetIn) (project.Project, error) {
	a, p, err := s.may(ctx, account.Decide, in.ID)
	if err != nil {
		return p, err
	}
	micro, err := micros("budgetUsd", in.Body.BudgetUSD)
	if err != nil {
		return p, err
	}
	if err := s.Flow.SetBudget(ctx, decider(a, p.Organization), p.ID, micro); err != nil {
		return p, err
	}
	return s.read(ctx, p.ID)
}

// micros is an amount in USD as micro-USD. What is too small to be one is no cap
// that anybody could mean.
func micros(field string, usd float64) (int64, error) {
	micro := int64(usd*1e6 + 0.5)
	if usd > 0 && micro == 0 {
		return 0, fault.Invalid("budget.invalid", "%s is less than a millionth of a US dollar, and no budget.", field).WithDetails(fault.Detail{Field: field, Message: "is too small"})
	}
	return micro, nil
}
