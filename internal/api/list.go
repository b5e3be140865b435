package api

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/project"
)

// Paging is what every list takes.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"100"`
	Cursor string `query:"cursor" maxLength:"2000" doc:"nextCursor of the page before."`
}

// after is the name of the row that the cursor stands for.
func (p Paging) after() (string, error) {
	data, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil || !utf8.Valid(data) || strings.ContainsFunc(string(data), unicode.IsControl) {
		return "", errCursor()
	}
	return string(data), nil
}

// number is after for lists whose rows are numbered; without a cursor they begin
// after first.
func (p Paging) number(first int64) (int64, error) {
	after, err := p.after()
	if err != nil || after == "" {
		return first, err
	}
	n, err := strconv.ParseInt(after, 10, 64)
	if err != nil || n < 0 {
		return 0, errCursor()
	}
	return n, nil
}

func errCursor() error {
	return fault.Invalid("cursor.invalid", "The cursor is none that this list has given. Begin again without one.").WithDetails(fault.Detail{Field: "cursor", Message: "is no cursor of this list"})
}

func cursor(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }

// cut is the page of a whole list that was asked for; name is unique among its rows.
func cut[T any](in Paging, all []T, name func(T) string) (out page[T], err error) {
	after, err := in.after()
	if err != nil {
		return out, err
	}
	if after != "" {
		i := slices.IndexFunc(all, func(row T) bool { return name(row) == after })
		if i < 0 {
			return out, errCursor()
		}
		all = all[i+1:]
	}
	if len(all) > in.Limit {
		all = all[:in.Limit]
		out.next = cursor(name(all[len(all)-1]))
	}
	out.items = all
	return out, nil
}

// OfProject asks for a page of a list of a project.
type OfProject struct {
	ByID
	Paging
}

// OfChange asks for a page of a list of one of a project's changes.
type OfChange struct {
	OfProject
	Change int64 `query:"change" minimum:"0" doc:"Number of a change; the newest one when left out."`
}

// change returns the change that is meant.
func (in OfChange) change(ctx context.Context, tx *db.Tx, projectID string) (project.Change, error) {
	if in.Change == 0 {
		return project.LatestChange(ctx, tx, projectID)
	}
	return project.ChangeByNumber(ctx, tx, projectID, in.Change)
}

// rowsOf lists something of a change.
func rowsOf[T any](ctx context.Context, s *Server, in *OfChange, name func(T) string, read func(ctx context.Context, tx *db.Tx, changeID string) ([]T, error)) (out page[T], err error) {
	_, p, err := s.may(ctx, account.Read, in.ID)
	if err != nil {
		return out, err
	}
	var all []T
	err = s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		c, err := in.change(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		all, err = read(ctx, tx, c.ID)
		return err
	})
	if err != nil {
		return out, err
	}
	return cut(in.Paging, all, name)
}
