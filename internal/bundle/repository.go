package bundle

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/repo"
)

// verifyRepository checks an exported or cloned repository: its evidence, and
// that its files are the ones that the evidence speaks of.
func verifyRepository(ctx context.Context, dir string, opt Options, r *Report) error {
	git, err := repo.Inspect(dir) //nolint:contextcheck // it bounds its own time: it must end also when the caller is gone
	if err != nil {
		return err
	}
	// Only what lies in the folder is read until git has been checked.
	events, err := readEvents(func(path string) ([]byte, error) { return repo.ReadIn(dir, path, repo.MaxFileSize) })
	if err != nil {
		return err
	}
	h, err := readHistory(events)
	if err != nil {
		return err
	}
	if len(h.approvals) == 0 {
		return broken("nobody decided anything in these %d events, so there is nothing that could be verified", len(events))
	}
	if err := expected(opt, events); err != nil {
		return err
	}
	r.holds("the chain of %d events is whole, and its head is %s", len(events), events[len(events)-1].Hash)
	if err := obeyed(ctx, git); err != nil {
		return err
	}
	r.holds("nothing in .git makes git run a program or show something else")
	if err := git.Check(ctx); err != nil {
		return damaged(err)
	}
	head, err := git.Show(ctx, "HEAD")
	if err != nil {
		return found(err, "the checked-out commit cannot be read. Check out the branch main.")
	}
	if err := committed(ctx, git, head, dir); err != nil {
		return err
	}
	tags, err := git.Tags(ctx)
	if err != nil {
		return damaged(err)
	}
	p := &place{git: git, head: head, tags: byName(tags), log: func(_ context.Context, sum string) ([]byte, error) {
		return repo.ReadIn(dir, logPath(sum), repo.MaxFileSize)
	}}
	if err := p.approvals(ctx, h, opt, r); err != nil {
		return err
	}
	if err := p.covered(ctx, h, r); err != nil {
		return err
	}
	if err := unchanged(ctx, git, head); err != nil {
		return err
	}
	r.holds("every file of the folder is the one that %s holds", short(head))
	for _, n := range slices.Sorted(maps.Keys(h.changes)) {
		if h.changes[n].completed {
			r.holds("change %d is complete", n)
		}
	}
	return nil
}

func byName(tags []repo.Tag) map[string]repo.Tag {
	out := map[string]repo.Tag{}
	for _, t := range tags {
		out[t.Name] = t
	}
	return out
}

// committed refuses a copy of the events that is not the one of the checked-out
// commit.
func committed(ctx context.Context, git *repo.Repo, head, dir string) error {
	for _, name := range []string{"/events.jsonl", "/head.json"} {
		want, err := git.Read(ctx, head, flow.EvidenceRoot+name)
		if err != nil {
			return found(err, "the commit %s carries no %s%s", short(head), flow.EvidenceRoot, name)
		}
		got, err := repo.ReadIn(dir, flow.EvidenceRoot+name, repo.MaxFileSize)
		if err != nil && !repo.About(err) {
			return err
		}
		if err != nil || !bytes.Equal(got, want) {
			return broken("%s%s was changed since it was committed", flow.EvidenceRoot, name)
		}
	}
	return nil
}

// unread says what to do about a file or folder that cannot be read, which
// proves nothing.
func unread(d *repo.Deviation) error {
	return fault.Unavailable("verify.unread", "%s %s, so nobody knows what it holds. Give yourself the permission to read the whole folder, and verify again.", d.Path, d.What).Because(d)
}

// obeyed refuses a folder in which the next git command would do what somebody
// else wrote into .git, which no commit holds and nobody approved.
func obeyed(ctx context.Context, git *repo.Repo) error {
	err := git.CheckSetup(ctx)
	var d *repo.Deviation
	switch {
	case !errors.As(err, &d):
		return damaged(err)
	case d.Unread != nil:
		return unread(d)
	}
	return broken("%s %s. If that is not your doing, run no git command in the folder and do not use it; if it is, take it out, or clone the repository afresh and verify the clone.", d.Path, d.What)
}

// unchanged refuses a folder that holds anything else than the commit does.
func unchanged(ctx context.Context, git *repo.Repo, head string) error {
	err := git.Compare(ctx, head)
	var d *repo.Deviation
	if errors.As(err, &d) {
		if d.Unread != nil {
			return unread(d)
		}
		return broken("%s %s (%s), so nobody approved the folder as it is. If that is not your doing, do not use it; to verify the commit alone, clone the repository afresh, without conversion of line ends, and verify the clone.", d.Path, d.What, short(head))
	}
	if fault.KindOf(err) == fault.KindInvalid {
		return broken("%s", fault.Public(err))
	}
	return err
}
