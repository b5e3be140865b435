package flow

import (
	"context"
	"fmt"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/job"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/run"
)

// Codes of conflicts that somebody else's change is the reason for.
const (
	CodeProjectChanged  = "project.changed"
	CodeDocumentChanged = "document.changed"
	CodeGateChanged     = "gate.changed"
)

// UpdateProject changes what a person may set of a project. Version is the one the
// person saw, 0 for whatever it is; another one is a conflict with
// CodeProjectChanged.
func (f *Flow) UpdateProject(ctx context.Context, by gate.Decider, projectID string, version int64, to project.Settings) error {
	return f.manage(ctx, by, projectID, version, func(ctx context.Context, tx *db.Tx, s *State) (string, map[string]any, error) {
		p, changed := to.Apply(s.Project)
		if err := p.Validate(); err != nil || len(changed) == 0 {
			return "", nil, err
		}
		for i := range s.Gates { // the tier is a rule of the gate that asks for coverage
			v := &s.Gates[i]
			if _, other := changed["tier"]; !other || !requires(v, proof.Coverage) {
				continue
			}
			if err := gate.MayDecide(by, v.Gate, v.Spec.Approval, nil); err != nil {
				return "", nil, err
			}
		}
		return "project.updated", map[string]any{"changed": changed}, project.Update(ctx, tx, p)
	})
}

// ArchiveProject pauses a project and puts it away, or takes it out again.
func (f *Flow) ArchiveProject(ctx context.Context, by gate.Decider, projectID string, away bool) error {
	return f.manage(ctx, by, projectID, 0, func(ctx context.Context, tx *db.Tx, s *State) (string, map[string]any, error) {
		if s.Project.ArchivedAt.IsZero() != away {
			return "", nil, nil
		}
		typ := map[bool]string{true: "project.archived", false: "project.unarchived"}[away]
		return typ, map[string]any{}, project.Archive(ctx, tx, projectID, away)
	})
}

// DeleteProject makes a project disappear at once. Its rows and its repository are
// removed after.
func (f *Flow) DeleteProject(ctx context.Context, by gate.Decider, projectID, name string) error {
	if err := present(by); err != nil {
		return err
	}
	return f.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		p, err := project.Lock(ctx, tx, projectID)
		if err != nil {
			return err
		}
		if name != p.Name {
			return fault.Invalid("project.name", "To delete a project, give its name as it is written: %q is not it.", name).WithDetails(fault.Detail{Field: "name", Message: "is not the name of the project"})
		}
		if _, err := run.Halt(ctx, tx, p.ID); err != nil {
			return err
		}
		if err := project.Delete(ctx, tx, projectID); err != nil {
			return err
		}
		f.halted(tx, projectID)
		f.Log.InfoContext(ctx, "project was deleted", "project", projectID, "by", by.Actor.String())
		return f.Queue.Insert(ctx, tx, purgeJob{Project: projectID}, job.Unique())
	})
}

// manage lets fn change a project in the name of a person who is there, and records
// what it says; "" is nothing.
func (f *Flow) manage(ctx context.Context, by gate.Decider, projectID string, version int64, fn func(ctx context.Context, tx *db.Tx, s *State) (string, map[string]any, error)) error {
	if err := present(by); err != nil {
		return err
	}
	return f.change(ctx, projectID, func(ctx context.Context, tx *db.Tx, s *State) error {
		if version > 0 && version != s.Project.Version {
			return fault.Conflict(CodeProjectChanged, "Somebody else changed the project since you read it. Look at it again.")
		}
		typ, data, err := fn(ctx, tx, s)
		if err != nil || typ == "" {
			return err
		}
		data["change"] = s.Change.Number
		_, err = f.Record.Add(ctx, tx, projectID, by.Actor, typ, data)
		return err
	})
}

// purgeJob removes what a deleted project left.
type purgeJob struct {
	Project string `json:"project"`
}

// Kind names the job.
func (purgeJob) Kind() string { return "purge" }

func (f *Flow) purge(ctx context.Context, p purgeJob) error {
	// The rows go last: while they are there, what is left is removed at the next tick.
	if err := f.Tree.Remove(ctx, p.Project); err != nil {
		return fmt.Errorf("remove repository of %s: %w", p.Project, err)
	}
	return f.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return project.Purge(ctx, tx, p.Project) })
}

// purgeDeleted removes again what is left of deleted projects.
func (f *Flow) purgeDeleted(ctx context.Context, tx *db.Tx) error {
	ids, err := project.Deleted(ctx, tx)
	for _, id := range ids {
		if err := f.Queue.Insert(ctx, tx, purgeJob{Project: id}, job.Unique()); err != nil {
			return err
		}
	}
	return err
}

// unlessGone lets a job end quietly whose project was deleted meanwhile.
func unlessGone(err error) error {
	if code := fault.CodeOf(err); code == project.CodeGone || code == "change.not_found" {
		return nil
	}
	return err
}
