package bundle

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/layercake-app/layercake/internal/blob"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/repo"
)

const databaseFile = "layercake.db"

// folder is an open data folder. Somebody may be at work in it: the refs of the
// repositories follow the rows, so they are read first.
type folder struct {
	dir   string
	blobs *blob.Dir
	repos map[string]refs
}

// refs are the references of one project's repository at one moment.
type refs struct {
	main string // the commit of the branch main, "" while there is none
	tags map[string]repo.Tag
}

// verifyData checks every project of a data folder with an SQLite database.
func verifyData(ctx context.Context, dir string, opt Options, r *Report) (err error) {
	d, err := db.Open(ctx, db.Config{Path: filepath.Join(dir, databaseFile), ReadOnly: true})
	if fault.CodeOf(err) == "db.foreign" {
		return broken("the database of the data folder cannot be used: %s", fault.Public(err))
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return verifyOpen(ctx, d, dir, opt, r)
}

// VerifyData checks, as Verify does, a data folder whose database is open, such as
// one on PostgreSQL.
func VerifyData(ctx context.Context, d *db.DB, dir string, opt Options) (Report, error) {
	var r Report
	err := verifyOpen(ctx, d, dir, opt, &r)
	return r, err
}

func verifyOpen(ctx context.Context, d *db.DB, dir string, opt Options, r *Report) error {
	f := &folder{dir: dir, blobs: blob.View(filepath.Join(dir, "blobs")), repos: map[string]refs{}}
	if err := f.readRefs(ctx); err != nil {
		return err
	}
	return d.Read(ctx, func(ctx context.Context, tx *db.Tx) error { return f.verify(ctx, tx, opt, r) })
}

func (f *folder) gitDir(projectID string) string {
	return filepath.Join(f.dir, "repos", projectID, "git")
}

// readRefs reads the references of the repositories that are there.
func (f *folder) readRefs(ctx context.Context) error {
	entries, err := os.ReadDir(filepath.Join(f.dir, "repos"))
	if err != nil {
		return nil // which repositories are missing is said project by project
	}
	for _, e := range entries {
		git, err := repo.InspectBare(f.gitDir(e.Name())) //nolint:contextcheck // it bounds its own time
		if fault.CodeOf(err) == "repo.none" {
			continue
		}
		if err != nil {
			return err
		}
		var at refs
		at.main, err = git.Show(ctx, repo.MainRef)
		if err != nil && fault.CodeOf(err) != "repo.ref" {
			return damaged(err)
		}
		tags, err := git.Tags(ctx)
		if err != nil {
			return found(err, "the tags of project %s cannot be read: restore its repository from a backup", e.Name())
		}
		at.tags = byName(tags)
		f.repos[e.Name()] = at
	}
	return nil
}

func (f *folder) verify(ctx context.Context, tx *db.Tx, opt Options, r *Report) error {
	projects, err := project.List(ctx, tx)
	if err != nil {
		return err
	}
	var chains [][]event.Event
	decisions := 0
	for _, p := range projects {
		h, err := f.project(ctx, tx, p, opt, r)
		if err != nil {
			return err
		}
		chains = append(chains, h.events)
		decisions += len(h.approvals)
	}
	switch {
	case opt.Young && decisions == 0:
		return nil
	case len(projects) == 0:
		return broken("the data folder holds no project, so there is nothing that could be verified")
	case decisions == 0:
		return broken("nobody has decided anything in the %d projects of the data folder, so there is nothing that could be verified yet", len(projects))
	}
	return expected(opt, chains...)
}

// project checks one project: its log, its rows and its repository.
func (f *folder) project(ctx context.Context, tx *db.Tx, p project.Project, opt Options, r *Report) (*history, error) {
	if err := event.Verify(ctx, tx, p.ID); errors.As(err, new(*event.Broken)) {
		return nil, broken("%s", fault.Public(err))
	} else if err != nil {
		return nil, err
	}
	events, err := event.All(ctx, tx, p.ID)
	if err != nil {
		return nil, err
	}
	h, err := readHistory(events)
	if err != nil {
		return nil, err
	}
	r.holds("%s: the chain of %d events is whole, and its head is %s", p.ID, len(events), events[len(events)-1].Hash)
	changes, err := project.Changes(ctx, tx, p.ID)
	if err != nil {
		return nil, err
	}
	if len(changes) != len(h.changes) {
		return nil, broken("%s has %d changes, and its events know of %d", p.ID, len(changes), len(h.changes))
	}
	var made []gate.Decision
	for _, c := range changes {
		if err := f.proofs(ctx, tx, c, h, r); err != nil {
			return nil, err
		}
		rows, err := verifyDecisions(ctx, tx, c, h)
		if err != nil {
			return nil, err
		}
		made = append(made, rows...)
	}
	if len(made) != len(h.approvals) {
		return nil, broken("%s has %d approvals, and its events know of %d", p.ID, len(made), len(h.approvals))
	}
	if len(changes) == 0 && p.Head == "" {
		return h, nil // its creation was cut short, and goes on with the next start
	}
	return h, f.repository(ctx, p, h, made, opt, r)
}

// proofs holds every finished proof against its event and its log.
func (f *folder) proofs(ctx context.Context, tx *db.Tx, c project.Change, h *history, r *Report) error {
	rows, err := proof.History(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	n := 0
	for i := range rows {
		row := &rows[i]
		if row.Status != proof.Done {
			continue
		}
		at, ok := h.proofs[row.ID]
		said := finished{
			Type: row.Type, Commit: row.Commit, Verdict: string(row.Verdict), Reason: row.Reason, Figures: row.Numbers(), LogSHA256: row.LogSHA256,
			Isolation: row.Isolation, Inputs: row.Inputs, Release: row.Release, source: string(row.Source),
		}
		switch {
		case !ok:
			return broken("%s %s of change %d has a verdict of which the events know nothing", row.Type, row.ID, c.Number)
		case at.Change != c.Number || at.Gate != row.Gate || !at.says(said):
			return broken("%s %s of change %d says something else than its event", row.Type, row.ID, c.Number)
		case row.Source != proof.Platform:
			continue
		case row.Verdict == proof.Pass && row.LogSHA256 == "":
			return broken("%s %s of change %d passed without a log", row.Type, row.ID, c.Number)
		case row.Verdict == proof.Pass && !isolated(row.Isolation):
			return broken("%s %s of change %d passed without isolation", row.Type, row.ID, c.Number)
		case row.LogKey == "" && row.LogSHA256 == "":
			continue
		}
		log, err := f.blobs.Get(ctx, row.LogKey)
		switch {
		case fault.CodeOf(err) == "blob.corrupt":
			return broken("the log of %s %s of change %d was changed. Restore it from a backup.", row.Type, row.ID, c.Number)
		case err != nil:
			return found(err, "the log of %s %s of change %d cannot be read: %s", row.Type, row.ID, c.Number, fault.Public(err))
		case sum(log) != row.LogSHA256:
			return broken("the log of %s %s of change %d was changed", row.Type, row.ID, c.Number)
		}
		n++
	}
	r.holds("change %d: %d proofs with their logs", c.Number, n)
	return nil
}

// verifyDecisions holds every approval, and where each gate stands, against the
// events. It returns the approvals that took effect, in the order of their tags.
func verifyDecisions(ctx context.Context, tx *db.Tx, c project.Change, h *history) ([]gate.Decision, error) {
	rows, err := gate.Decisions(ctx, tx, c.ID)
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(d gate.Decision) bool { return d.Kind != gate.Approve || d.Commit == "" })
	for _, row := range rows {
		i := slices.IndexFunc(h.approvals, func(d decided) bool { return d.Decision == row.ID })
		if i < 0 {
			return nil, broken("the approval of %s of change %d is in no event", row.Code, c.Number)
		}
		d := h.approvals[i]
		if d.Change != c.Number || d.Gate != row.Code || d.Method != row.Method || d.Head != row.Head || d.Commit != row.Commit || d.Tag != row.Tag ||
			d.Documents != row.DocumentDigest || d.Work != row.WorkDigest || d.event.Hash != row.EventHash || d.event.Actor.String() != row.Actor {
			return nil, broken("the approval of %s of change %d says something else than its event", row.Code, c.Number)
		}
	}
	gates, err := gate.List(ctx, tx, c.ID)
	if err != nil {
		return nil, err
	}
	at := h.changes[c.Number]
	if at == nil {
		return nil, broken("change %d is in no event", c.Number)
	}
	for _, g := range gates {
		state := at.states[g.Code]
		switch {
		case g.Status == gate.Approved && state != stateApproved && state != stateStale:
			return nil, broken("%s of change %d is approved, and no event says so", g.Code, c.Number)
		case g.Status == gate.Skipped && state != stateSkipped:
			return nil, broken("%s of change %d is skipped, and no event says so", g.Code, c.Number)
		}
	}
	if (c.Status == project.ChangeCompleted) != at.completed {
		return nil, broken("change %d is %s, and the events say something else", c.Number, c.Status)
	}
	return rows, nil
}

// repository checks the repository of a project against its log and its rows.
func (f *folder) repository(ctx context.Context, p project.Project, h *history, made []gate.Decision, opt Options, r *Report) error {
	git, err := repo.InspectBare(f.gitDir(p.ID)) //nolint:contextcheck // it bounds its own time: it must end also when the caller is gone
	if err != nil {
		return found(err, "the repository of %s is missing from %s. Restore it from a backup.", p.ID, f.gitDir(p.ID))
	}
	if _, err := git.Files(ctx, p.Head); err != nil {
		return found(err, "the head of %s cannot be read: %s", p.ID, fault.Public(err))
	}
	if err := git.Check(ctx, p.Head); err != nil {
		return damaged(err)
	}
	at := f.repos[p.ID]
	if at.main != "" {
		if within, err := git.IsAncestor(ctx, at.main, p.Head); err != nil {
			return damaged(err)
		} else if !within {
			return broken("the branch main of %s is on %s, which is not in the history of the project's head %s. Starting LayerCake on the data folder moves it back.", p.ID, short(at.main), short(p.Head))
		}
	}
	// Tags are made one after the other, so only the last ones may be missing.
	missing := ""
	for _, d := range made {
		switch _, ok := at.tags[d.Tag]; {
		case !ok && missing == "":
			missing = d.Tag
		case ok && missing != "":
			return broken("the tag %s of %s is missing, though the later tag %s is there. Starting LayerCake on the data folder makes it again.", missing, p.ID, d.Tag)
		}
	}
	where := &place{git: git, head: p.Head, tags: at.tags, later: true, log: f.blobs.Get}
	if err := where.approvals(ctx, h, opt, r); err != nil {
		return err
	}
	if err := copied(ctx, git, p, h); err != nil {
		return err
	}
	if h.last == nil || !h.last.completed || len(h.approvals) == 0 {
		r.holds("%s: the repository at %s carries all of it", p.ID, short(p.Head))
		return nil
	}
	return where.covered(ctx, h, r)
}

// copied checks the copy of the log that the head's commit carries: it is the
// beginning of the log itself.
func copied(ctx context.Context, git *repo.Repo, p project.Project, h *history) error {
	if len(h.approvals) == 0 {
		return nil // the first decision brings the first copy
	}
	events, err := readEvents(func(path string) ([]byte, error) { return git.Read(ctx, p.Head, path) })
	if err != nil {
		return err
	}
	if n := len(events); n == 0 || n > len(h.events) || events[n-1].Hash != h.events[n-1].Hash {
		return broken("%s/events.jsonl at the head of %s is not the beginning of its log", flow.EvidenceRoot, p.ID)
	}
	return nil
}
