package flow

import (
	"context"
	"fmt"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/job"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
)

// Check is the job that obtains one proof.
type Check struct {
	Proof string `json:"proof"`
}

// Kind names the job.
func (Check) Kind() string { return "check" }

// ask stores a proof to be obtained and inserts its job.
func (f *Flow) ask(ctx context.Context, tx *db.Tx, s *State, code, typ, commit string, release bool, by string) (string, error) {
	id, err := proof.Queue(ctx, tx, proof.Row{
		Project: s.Project.ID, Change: s.Change.ID, Gate: code, Type: typ, Commit: commit, Inputs: s.digests(typ), Release: release, AskedBy: by,
	})
	if err != nil {
		return "", err
	}
	return id, f.Queue.Insert(ctx, tx, Check{Proof: id})
}

// RunCheck obtains one proof and records it. It is the only way by which a
// proof of the platform comes to be. When the platform itself is in trouble the
// job fails and is tried again; no verdict is made up.
func (f *Flow) RunCheck(ctx context.Context, runner *proof.Runner, id string) error {
	var row proof.Row
	var subject proof.Subject
	err := f.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var err error
		if row, err = proof.Get(ctx, tx, id); fault.CodeOf(err) == "proof.not_found" {
			row.Status = proof.Done // withdrawn: its change ended before it began
			return nil
		}
		if err != nil || row.Status == proof.Done {
			return err
		}
		if row, err = proof.Begin(ctx, tx, id); err != nil {
			return err
		}
		if subject, err = f.subject(ctx, tx, row); err != nil {
			return err
		}
		_, err = f.Record.Add(ctx, tx, row.Project, project.Platform, "proof.started", map[string]any{"gate": row.Gate, "proof": id, "type": row.Type, "commit": row.Commit})
		return err
	})
	if err != nil || row.Status == proof.Done {
		return err
	}
	result, err := runner.Run(ctx, subject)
	if err != nil {
		return fmt.Errorf("run check %s: %w", row.Type, err)
	}
	return f.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if _, err := project.Lock(ctx, tx, row.Project); err != nil {
			return err
		}
		return f.conclude(ctx, tx, row, result)
	})
}

// conclude stores what a check found out. Its event carries all that verify
// holds the row and its copies against.
func (f *Flow) conclude(ctx context.Context, tx *db.Tx, row proof.Row, result proof.Result) error {
	if err := proof.Finish(ctx, tx, row.ID, result); err != nil {
		return err
	}
	e, err := f.Record.Add(ctx, tx, row.Project, project.Platform, "proof.finished", map[string]any{
		"gate": row.Gate, "proof": row.ID, "type": row.Type, "commit": row.Commit, "verdict": result.Verdict, "reason": result.Reason,
		"figures": result.Figures, "logSha256": result.LogSHA256, "isolation": result.Isolation.Kind, "inputs": result.Inputs, "release": row.Release,
	})
	if err != nil {
		return err
	}
	if err := proof.Recorded(ctx, tx, row.ID, e.Seq); err != nil {
		return err
	}
	c, err := project.GetChange(ctx, tx, row.Change)
	if err != nil {
		return err
	}
	if c.Status != project.ChangeOpen { // the record was sealed without this
		return f.Queue.Insert(ctx, tx, sealJob{Project: row.Project}, job.Unique())
	}
	return f.Queue.Insert(ctx, tx, project.Advance{Project: row.Project}, job.Unique())
}

func (f *Flow) subject(ctx context.Context, tx *db.Tx, row proof.Row) (proof.Subject, error) {
	p, err := project.Get(ctx, tx, row.Project)
	if err != nil {
		return proof.Subject{}, err
	}
	c, err := project.GetChange(ctx, tx, row.Change)
	if err != nil {
		return proof.Subject{}, err
	}
	b, err := blueprint.Parse([]byte(c.Blueprint))
	if err != nil {
		return proof.Subject{}, fmt.Errorf("read blueprint of %s: %w", c.ID, err)
	}
	base := c.BaseCommit
	if c.Number == 1 {
		base = ""
	}
	return proof.Subject{
		Project: row.Project, Change: row.Change, Gate: row.Gate, Type: row.Type, Commit: row.Commit, Base: base,
		Tier: b.Tiers[p.Tier], Inputs: b.Proofs[row.Type].Inputs,
	}, nil
}

// Reclaim puts checks that a dead process was running back into the queue, and
// looks at every project again. It is for a process that just started alone.
func (f *Flow) Reclaim(ctx context.Context) error {
	return f.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		ids, err := proof.Unfinished(ctx, tx)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := f.Queue.Insert(ctx, tx, Check{Proof: id}, job.Unique()); err != nil {
				return err
			}
		}
		if err := f.purgeDeleted(ctx, tx); err != nil {
			return err
		}
		projects, err := project.List(ctx, tx)
		if err != nil {
			return err
		}
		for _, p := range projects {
			c, err := project.LatestChange(ctx, tx, p.ID)
			if f, ok := fault.As(err); ok && f.Kind == fault.KindNotFound {
				continue // the process died between the project and its first change
			}
			if err != nil {
				return err
			}
			if err := f.recall(ctx, tx, p, c); err != nil {
				return err
			}
		}
		return nil
	})
}

// recall inserts the jobs that a project may be missing.
func (f *Flow) recall(ctx context.Context, tx *db.Tx, p project.Project, c project.Change) error {
	jobs := []job.Args{Publication{Project: p.ID}}
	if c.Status == project.ChangeOpen {
		jobs = append(jobs, project.Advance{Project: p.ID}, creationJob{Project: p.ID, Change: c.ID})
	} else {
		jobs = append(jobs, sealJob{Project: p.ID})
	}
	for _, j := range jobs {
		if err := f.Queue.Insert(ctx, tx, j, job.Unique()); err != nil {
			return err
		}
	}
	return nil
}

// Tick looks again at every project with an open change: a waiver or a deadline
// may have run out.
func (f *Flow) Tick(ctx context.Context, tx *db.Tx) error {
	if err := f.purgeDeleted(ctx, tx); err != nil {
		return err
	}
	var ids []string
	if err := tx.All(ctx, &ids, `SELECT project_id FROM changes WHERE status = 'open'`); err != nil {
		return fmt.Errorf("list open changes: %w", err)
	}
	for _, id := range ids {
		if err := f.Queue.Insert(ctx, tx, project.Advance{Project: id}, job.Unique()); err != nil {
			return err
		}
	}
	return nil
}
