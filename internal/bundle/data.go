package bundle

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/layercake-app/layercake/internal/blob"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
)

// verifyData checks every project of a data folder with an SQLite database.
func verifyData(ctx context.Context, dir string, opt Options, r *Report) (err error) {
	d, err := db.Open(ctx, db.Config{Path: filepath.Join(dir, "layercake.db")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	blobs, err := blob.OpenDir(filepath.Join(dir, "blobs"))
	if err != nil {
		return err
	}
	return Database(ctx, d, blobs, opt, r)
}

// Database checks every project of an open database against its blobs.
func Database(ctx context.Context, d *db.DB, blobs *blob.Dir, opt Options, r *Report) error {
	return d.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		projects, err := project.List(ctx, tx)
		if err != nil {
			return err
		}
		for _, p := range projects {
			if err := verifyProject(ctx, tx, blobs, p, opt, r); err != nil {
				return err
			}
		}
		return nil
	})
}

func verifyProject(ctx context.Context, tx *db.Tx, blobs *blob.Dir, p project.Project, opt Options, r *Report) error {
	if err := event.Verify(ctx, tx, p.ID); err != nil {
		return err
	}
	events, err := allEvents(ctx, tx, p.ID)
	if err != nil {
		return err
	}
	r.holds("%s: the chain of %d events is whole", p.ID, len(events))
	h, err := readHistory(events)
	if err != nil {
		return err
	}
	changes, err := project.Changes(ctx, tx, p.ID)
	if err != nil {
		return err
	}
	for _, c := range changes {
		if err := verifyProofs(ctx, tx, blobs, c, h, r); err != nil {
			return err
		}
		if err := verifyDecisions(ctx, tx, c, h, opt, r); err != nil {
			return err
		}
	}
	return nil
}

func allEvents(ctx context.Context, tx *db.Tx, projectID string) ([]event.Event, error) {
	var out []event.Event
	for {
		var last int64
		if n := len(out); n > 0 {
			last = out[n-1].Seq
		}
		page, err := event.Since(ctx, tx, projectID, last, event.MaxLimit)
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
		if len(page) < event.MaxLimit {
			return out, nil
		}
	}
}

// verifyProofs holds every finished proof against its event and its log.
func verifyProofs(ctx context.Context, tx *db.Tx, blobs *blob.Dir, c project.Change, h history, r *Report) error {
	rows, err := proof.History(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	n := 0
	for _, row := range rows {
		if row.Status != proof.Done {
			continue
		}
		f, ok := h.proofs[row.ID]
		switch {
		case !ok:
			return broken("%s %s of change %d has a verdict of which the events know nothing", row.Type, row.ID, c.Number)
		case f.Verdict != string(row.Verdict) || f.Type != row.Type || row.Source == proof.Platform && (f.LogSHA256 != row.LogSHA256 || f.Commit != row.Commit):
			return broken("%s %s of change %d says something else than its event", row.Type, row.ID, c.Number)
		case row.Source == proof.Platform && row.Verdict == proof.Pass && row.LogSHA256 == "":
			return broken("%s %s of change %d passed without a log", row.Type, row.ID, c.Number)
		}
		if row.LogKey == "" {
			continue
		}
		log, err := blobs.Get(ctx, row.LogKey)
		if err != nil {
			return broken("the log of %s %s of change %d cannot be read: %s", row.Type, row.ID, c.Number, fault.Public(err))
		}
		if sum(log) != row.LogSHA256 {
			return broken("the log of %s %s of change %d was changed", row.Type, row.ID, c.Number)
		}
		n++
	}
	r.holds("change %d: %d proofs with their logs", c.Number, n)
	return nil
}

// verifyDecisions holds every approval against its event.
func verifyDecisions(ctx context.Context, tx *db.Tx, c project.Change, h history, opt Options, r *Report) error {
	rows, err := gate.Decisions(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.Kind != gate.Approve || row.Commit == "" {
			continue
		}
		i := slices.IndexFunc(h.approvals, func(d decided) bool { return d.Decision == row.ID })
		if i < 0 {
			return broken("the approval of %s of change %d is in no event", row.Code, c.Number)
		}
		d := h.approvals[i]
		if d.Method != row.Method || d.Head != row.Head || d.Documents != row.DocumentDigest || d.Work != row.WorkDigest || d.event.Hash != row.EventHash || d.event.Actor.Kind+":"+d.event.Actor.ID != row.Actor {
			return broken("the approval of %s of change %d says something else than its event", row.Code, c.Number)
		}
		if err := checkDecision(d, opt); err != nil {
			return err
		}
		r.holds("change %d: %s was decided by %s (%s)", c.Number, row.Code, d.event.Actor.ID, d.Method)
	}
	gates, err := gate.List(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	for _, g := range gates {
		if g.Status == gate.Approved && !slices.ContainsFunc(rows, func(d gate.Decision) bool { return d.Gate == g.ID && d.Kind == gate.Approve && d.Commit != "" }) {
			return broken("%s of change %d is approved, and nobody decided it", g.Code, c.Number)
		}
	}
	return nil
}
