package flow

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/repo"
)

// Edit is a person's own change to files, made on the commit Base.
type Edit struct {
	Base    string
	Put     map[string][]byte
	Delete  []string
	Message string
	Author  repo.Signature
}

// paths are those that the edit touches.
func (e Edit) paths() []string {
	return slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Keys(e.Put)), e.Delete)))
}

// Edit commits what a person changed on top of the project's head and moves the
// head there. What else moved since Base does not matter; when one of the files
// itself did, the edit is a conflict with CodeDocumentChanged. Gates whose
// documents it touches become stale.
func (f *Flow) Edit(ctx context.Context, by gate.Decider, projectID string, e Edit) (commit string, err error) {
	if err := present(by); err != nil {
		return "", err
	}
	for range 50 {
		commit, err := f.editOnce(ctx, by, projectID, e)
		if fault.CodeOf(err) == "db.busy" {
			continue
		}
		if commit != "" || err != nil {
			return commit, err
		}
	}
	return "", fault.Conflict("project.busy", "Project %s changes too fast to edit. Try again in a moment.", projectID)
}

// editOnce returns "" when the head moved meanwhile.
func (f *Flow) editOnce(ctx context.Context, by gate.Decider, projectID string, e Edit) (string, error) {
	var p project.Project
	err := f.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		p, err = f.editable(ctx, tx, projectID, project.Get)
		return err
	})
	if err != nil {
		return "", err
	}
	if err := f.untouched(ctx, projectID, e, p.Head); err != nil {
		return "", err
	}
	commit, err := f.Tree.Commit(ctx, projectID, repo.CommitSpec{
		Parent: p.Head, Put: e.Put, Delete: e.Delete, Author: e.Author, When: db.Now().Time, Message: e.Message,
		Trailers: [][2]string{{"Edited-by", by.Actor.ID}},
	})
	if err != nil {
		return "", fmt.Errorf("commit the edit of %s: %w", strings.Join(e.paths(), ", "), err)
	}
	moved := false
	err = f.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if _, err := f.editable(ctx, tx, projectID, project.Lock); err != nil {
			return err
		}
		var err error
		moved, err = project.MoveHead(ctx, tx, project.Move{Project: projectID, From: p.Head, To: commit, Kind: "person", Actor: by.Actor})
		if err != nil || !moved {
			return err
		}
		if _, err := f.Record.Add(ctx, tx, projectID, by.Actor, "document.edited", map[string]any{"paths": e.paths(), "base": p.Head, "commit": commit}); err != nil {
			return err
		}
		return f.after(ctx, tx, projectID)
	})
	if err != nil || !moved {
		return "", err
	}
	return commit, nil
}

// editable returns the project by get, when it has an open change: what nobody
// would decide on is not edited.
func (f *Flow) editable(ctx context.Context, tx *db.Tx, projectID string, get func(ctx context.Context, tx *db.Tx, id string) (project.Project, error)) (project.Project, error) {
	p, err := get(ctx, tx, projectID)
	if err != nil {
		return p, err
	}
	c, err := project.LatestChange(ctx, tx, projectID)
	if err == nil && c.Status != project.ChangeOpen {
		err = fault.Conflict("change.ended", "Change %d has ended, so nobody would decide on an edit. Begin a new change, then edit.", c.Number)
	}
	return p, err
}

// untouched refuses an edit of files that changed between its base and head, and
// one that changes nothing.
func (f *Flow) untouched(ctx context.Context, projectID string, e Edit, head string) error {
	now, err := f.Tree.Files(ctx, projectID, head)
	if err != nil {
		return fmt.Errorf("list files of %s: %w", projectID, err)
	}
	then := now
	if e.Base != head {
		if then, err = f.Tree.Files(ctx, projectID, e.Base); err != nil {
			return err
		}
	}
	var details []fault.Detail
	for _, path := range e.paths() {
		if blobAt(then, path) != blobAt(now, path) {
			details = append(details, fault.Detail{Field: path, Message: "changed since you read it"})
		}
	}
	if len(details) > 0 {
		return fault.Conflict(CodeDocumentChanged, "Somebody else changed %s since you read it. Read it again and bring the two together.", details[0].Field).WithDetails(details...)
	}
	same := len(e.Delete) == 0
	for path, content := range e.Put {
		if blobAt(now, path) == "" {
			same = false
			continue
		}
		has, err := f.Tree.Read(ctx, projectID, head, path)
		if err != nil {
			return err
		}
		same = same && string(has) == string(content)
	}
	if same {
		return fault.Invalid("edit.nothing", "The edit changes nothing.")
	}
	return nil
}

func blobAt(files []repo.File, path string) string {
	for _, f := range files {
		if f.Path == path {
			return f.Blob
		}
	}
	return ""
}
