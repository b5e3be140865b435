package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
)

func (s *Server) inboxRoutes() []route {
	return []route{
		list(s, about{method: http.MethodGet, path: "/inbox", id: "list-inbox", summary: "What waits for you: decisions, questions, budget stops, failures, mentions; the newest first"}, s.listInbox),
		on(s, about{method: http.MethodPut, path: "/inbox/read", id: "mark-read", summary: "Mark an item of the inbox as read or unread"}, s.markRead),
	}
}

type listInboxIn struct {
	Paging
	Unread bool   `query:"unread" doc:"Only what is not marked as read."`
	Kind   string `query:"kind" enum:"decision,question,budget,failure,mention"`
}

func (s *Server) listInbox(ctx context.Context, in *listInboxIn) (out page[flow.Waiting], err error) {
	all, err := s.inbox(ctx)
	if err != nil {
		return out, err
	}
	all = slices.DeleteFunc(all, func(w flow.Waiting) bool { return in.Unread && w.Read || in.Kind != "" && w.Kind != in.Kind })
	return cut(in.Paging, all, func(w flow.Waiting) string { return w.ID })
}

func (s *Server) inbox(ctx context.Context) (all []flow.Waiting, err error) {
	a, err := s.signedIn(ctx)
	if err != nil {
		return nil, err
	}
	err = s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		all, err = flow.Inbox(ctx, tx, a.User.ID, a.Organizations())
		return err
	})
	return all, err
}

type markReadIn struct {
	Body struct {
		ID   string `json:"id" minLength:"1" maxLength:"120" doc:"Of the item."`
		Read bool   `json:"read" doc:"false takes the mark away."`
	}
}

func (s *Server) markRead(ctx context.Context, in *markReadIn) (flow.Waiting, error) {
	all, err := s.inbox(ctx)
	if err != nil {
		return flow.Waiting{}, err
	}
	i := slices.IndexFunc(all, func(w flow.Waiting) bool { return w.ID == in.Body.ID })
	if i < 0 {
		return flow.Waiting{}, fault.NotFound("inbox.not_found", "Nothing of that name waits for you. It may have been settled meanwhile.")
	}
	a, err := s.signedIn(ctx)
	if err != nil {
		return flow.Waiting{}, err
	}
	all[i].Read = in.Body.Read
	return all[i], s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return flow.MarkRead(ctx, tx, a.User.ID, in.Body.ID, in.Body.Read)
	})
}
