package api

import (
	"context"
	"net/http"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/project"
)

func (s *Server) commentRoutes() []route {
	return []route{
		list(s, about{method: http.MethodGet, path: "/projects/{id}/comments", id: "list-comments", summary: "What people have written on files in a change"}, s.listComments),
		on(s, about{method: http.MethodPost, path: "/projects/{id}/comments", id: "add-comment", summary: "Comment on a file or a line; open comments go back to the agents with the next rejection", status: http.StatusCreated, conflicts: true}, s.addComment),
		on(s, about{method: http.MethodPost, path: "/comments/{id}/resolve", id: "resolve-comment", summary: "Settle a comment, so that it does not go back to the agents", conflicts: true}, s.resolveComment),
	}
}

func (s *Server) listComments(ctx context.Context, in *OfChange) (page[project.Comment], error) {
	return rowsOf(ctx, s, in, func(c project.Comment) string { return c.ID }, project.Comments)
}

type addCommentIn struct {
	ByID
	Body struct {
		Path   string `json:"path" minLength:"1" maxLength:"1000"`
		Commit string `json:"commit,omitempty" pattern:"^([0-9a-f]{40})?$" doc:"The project's head when left out."`
		Line   int64  `json:"line,omitempty" minimum:"0" doc:"From 1; the whole file when left out."`
		Text   string `json:"text" minLength:"1" maxLength:"20000" doc:"@ and the name of a member, without spaces, or an e-mail address tells that person."`
	}
}

func (s *Server) addComment(ctx context.Context, in *addCommentIn) (project.Comment, error) {
	a, p, err := s.may(ctx, account.Write, in.ID)
	if err != nil {
		return project.Comment{}, err
	}
	c := project.Comment{Path: in.Body.Path, Commit: in.Body.Commit, Line: in.Body.Line, Text: in.Body.Text}
	if c.Commit == "" {
		c.Commit = p.Head
	}
	if err := place(ctx, s.Repos.Repo(p.ID), c); err != nil {
		return c, err
	}
	var users []string
	err = s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		users, err = account.Mentioned(ctx, tx, p.Organization, c.Text)
		return err
	})
	if err != nil {
		return c, err
	}
	return s.Flow.AddComment(ctx, decider(a, p.Organization), p.ID, c, users)
}

func (s *Server) resolveComment(ctx context.Context, in *ByID) (c project.Comment, err error) {
	read := func(ctx context.Context, tx *db.Tx) (_ string, err error) {
		c, err = project.GetComment(ctx, tx, in.ID)
		return c.Project, err
	}
	a, p, err := s.mayOf(ctx, account.Write, "comment "+in.ID, read)
	if err != nil {
		return c, err
	}
	if err := s.Flow.ResolveComment(ctx, decider(a, p.Organization), c); err != nil {
		return c, err
	}
	return c, s.again(ctx, read)
}
