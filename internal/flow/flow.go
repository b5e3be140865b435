// Package flow decides what happens next on a project, and is the only one that
// does. Next is a pure function from the state of a change to actions; one
// transaction carries them out and inserts the jobs that follow. Flow runs
// whenever something ended (a run, a proof, a decision, an answer) and running
// it again changes nothing. It never calls a model and never decides a gate:
// Decide and its like carry a person's word.
package flow

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/layercake-app/layercake/internal/blob"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/job"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/repo"
)

// Tree is what flow needs of the repositories. Package repo keeps them in git;
// the property tests keep them in memory, because a million moves need it.
type Tree interface {
	Files(ctx context.Context, projectID, commit string) ([]repo.File, error)
	Read(ctx context.Context, projectID, commit, path string) ([]byte, error)
	Changed(ctx context.Context, projectID, from, to string) ([]string, error)
	Commit(ctx context.Context, projectID string, spec repo.CommitSpec) (string, error)
	Publish(ctx context.Context, projectID, head string, tags []Tag) error
	Remove(ctx context.Context, projectID string) error
}

// Tag is the mark of a decided gate in the repository. Its message names the
// decision's event, so that a log that was cut off later is found out.
type Tag struct {
	Name    string
	Commit  string
	Message string
	At      time.Time
}

// Flow schedules the work on projects. All fields must be set.
type Flow struct {
	DB     *db.DB
	Queue  *job.Queue
	Tree   Tree
	Blobs  *blob.Dir
	Record project.Recorder
	Model  string // name of the model that new runs use
	Log    *slog.Logger

	Runner *proof.Runner

	publishing sync.Map // project id to *sync.Mutex: one look at the head and its publication at a time

	seen    problemCache
	plans   plans
	looks   looks
	matches matches
}

// maxRounds bounds how often Next may ask for more within one transaction; a
// state that does not settle is a bug, and nothing of it is committed.
const maxRounds = 60

// Register lets the queue's workers advance projects.
func (f *Flow) Register(q *job.Queue) {
	job.Handle(q, func(ctx context.Context, a project.Advance) error { return unlessGone(f.Advance(ctx, a.Project)) })
	job.Handle(q, func(ctx context.Context, c Check) error { return unlessGone(f.RunCheck(ctx, f.Runner, c.Proof)) }, job.Timeout(30*time.Minute))
	job.Handle(q, func(ctx context.Context, p Publication) error { return unlessGone(f.Publish(ctx, p.Project)) })
	job.Handle(q, func(ctx context.Context, s sealJob) error { return unlessGone(f.Seal(ctx, s.Project)) })
	job.Handle(q, func(ctx context.Context, c creationJob) error { return unlessGone(f.creation(ctx, c)) })
	job.Handle(q, f.purge)
}

// Advance carries out what happens next on a project until nothing is left.
func (f *Flow) Advance(ctx context.Context, projectID string) error {
	return f.change(ctx, projectID, nil)
}

// change looks at the repository, locks the project, lets fn (nil: nobody) act
// on the state, and advances, all in one transaction. When the head moved between the look
// and the lock it begins again.
func (f *Flow) change(ctx context.Context, projectID string, fn func(ctx context.Context, tx *db.Tx, s *State) error) error {
	for range 50 {
		look, err := f.look(ctx, projectID)
		if err != nil {
			return err
		}
		moved := false
		err = f.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			p, err := project.Lock(ctx, tx, projectID)
			if err != nil {
				return err
			}
			c, err := project.LatestChange(ctx, tx, projectID)
			if err != nil {
				return err
			}
			if moved = !look.of(p, c); moved {
				return nil
			}
			if fn != nil {
				s, err := f.load(ctx, tx, look, p, c)
				if err != nil {
					return err
				}
				if err := fn(ctx, tx, s); err != nil {
					return err
				}
			}
			return f.settle(ctx, tx, look, projectID)
		})
		if fault.CodeOf(err) == "db.busy" {
			continue // two transactions waited for each other, and this one was let go
		}
		if err != nil || !moved {
			return err
		}
	}
	return fault.Conflict("project.busy", "Project %s changes too fast to look at. Try again in a moment.", projectID)
}

// settle lets Next act until it asks for nothing more.
func (f *Flow) settle(ctx context.Context, tx *db.Tx, look *look, projectID string) error {
	var last []Action
	for range maxRounds {
		p, err := project.Get(ctx, tx, projectID)
		if err != nil {
			return err
		}
		c, err := project.LatestChange(ctx, tx, projectID)
		if err != nil {
			return err
		}
		if !look.of(p, c) {
			// A decision moved the head; what it recorded changes no input.
			return f.Queue.Insert(ctx, tx, project.Advance{Project: projectID}, job.Unique())
		}
		s, err := f.load(ctx, tx, look, p, c)
		if err != nil {
			return err
		}
		actions := Next(s)
		if len(actions) == 0 {
			return nil
		}
		for _, a := range actions {
			if err := f.apply(ctx, tx, s, a); err != nil {
				return fmt.Errorf("%s %s: %w", a.Kind, a.Gate, err)
			}
		}
		last = actions
	}
	return fmt.Errorf("flow of %s does not settle: it asks again for %s %s", projectID, last[0].Kind, last[0].Gate)
}

// Git is the Tree of the repositories on disk.
type Git struct{ Store *repo.Store }

// Files lists the files of a commit.
func (g Git) Files(ctx context.Context, projectID, commit string) ([]repo.File, error) {
	return g.Store.Repo(projectID).Files(ctx, commit)
}

// Read returns one file of a commit.
func (g Git) Read(ctx context.Context, projectID, commit, path string) ([]byte, error) {
	return g.Store.Repo(projectID).Read(ctx, commit, path)
}

// Changed lists the paths that differ between two commits.
func (g Git) Changed(ctx context.Context, projectID, from, to string) ([]string, error) {
	return g.Store.Repo(projectID).Changed(ctx, from, to)
}

// Publish lets the branch main and the tags follow the database. It may be
// repeated.
func (g Git) Publish(ctx context.Context, projectID, head string, tags []Tag) error {
	r := g.Store.Repo(projectID)
	if err := r.SetRef(ctx, "refs/heads/main", head); err != nil {
		return fmt.Errorf("move main of %s: %w", projectID, err)
	}
	have, err := r.Tags(ctx)
	if err != nil {
		return fmt.Errorf("list tags of %s: %w", projectID, err)
	}
	for _, t := range tags {
		if slices.ContainsFunc(have, func(h repo.Tag) bool { return h.Name == t.Name }) {
			continue
		}
		if err := r.Tag(ctx, t.Name, t.Commit, t.Message, author, t.At); err != nil {
			return fmt.Errorf("tag %s: %w", t.Name, err)
		}
	}
	return nil
}

// Remove removes the repository of a deleted project.
func (g Git) Remove(_ context.Context, projectID string) error { return g.Store.Remove(projectID) }

// Commit makes a commit without a worktree.
func (g Git) Commit(ctx context.Context, projectID string, spec repo.CommitSpec) (string, error) {
	return g.Store.Repo(projectID).Commit(ctx, spec)
}
