package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
)

// found is what the same command began before, and what is left to begin.
type found struct {
	project project.Project // without an id: still to be made
	latest  project.Change  // its newest, without an id: it has none yet
	further bool            // a further change is still to be begun
}

// complete reports whether all that the command asks for is done: what is left
// is to export it.
func (f found) complete() bool {
	return !f.further && f.latest.Status == project.ChangeCompleted
}

// find looks for the work that the same command began before: a project with
// the same words and the same output folder, or the named one with its newest
// change.
func (c *runCmd) find(ctx context.Context, a *app.App, text []byte) (found, error) {
	var f found
	var err error
	if f.project, err = c.findProject(ctx, a); err != nil || f.project.ID == "" {
		return f, err
	}
	err = a.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		f.latest, err = project.LatestChange(ctx, tx, f.project.ID)
		return err
	})
	switch none := fault.KindOf(err) == fault.KindNotFound; {
	case none && c.Change != "":
		return f, fault.Conflict("change.unfinished", "The project %q was not made to its end. Run the command that began it.", f.project.Name)
	case err != nil && !none:
		return f, err
	case c.Change == "":
		return f, nil
	}
	if f.further, err = c.further(f.latest, text); err != nil || text != nil {
		return f, err
	}
	b, err := blueprint.Parse([]byte(f.latest.Blueprint))
	if err != nil {
		return f, err
	}
	return f, c.checkUntil(b)
}

func (c *runCmd) findProject(ctx context.Context, a *app.App) (project.Project, error) {
	all, err := projects(ctx, a)
	if err != nil {
		return project.Project{}, err
	}
	if c.Change != "" {
		return pickProject(a.Settings.Data, all, c.Change)
	}
	for _, p := range all {
		// The mode may have been settled meanwhile by an answer.
		mode := p.Mode == c.Mode || c.Mode == "optional" || c.Mode == "undetermined"
		if p.Idea == c.Idea && p.Origin == c.Out && p.Name == c.Name && p.Type == c.Type && mode && p.Tier == c.Tier && p.Blueprint == c.Blueprint {
			return p, nil
		}
	}
	return project.Project{}, nil
}

// further reports whether the words are a change that is still to be begun. They
// are not when the newest change has them: while it is open it goes on, and once
// it is complete it is exported, unless --again names it.
func (c *runCmd) further(latest project.Change, text []byte) (bool, error) {
	open, same := latest.Status == project.ChangeOpen, latest.Idea == c.Idea
	switch {
	case open && !same:
		return false, fault.Conflict("change.open", "The project still has an open change: %q. Finish it first, with the command that began it.", short(latest.Idea, 80))
	case c.Again < 0 || c.Again > latest.Number:
		return false, fault.Invalid("again.unknown", "--again %d names no change: the project's newest change is %d.", c.Again, latest.Number)
	case open && c.Again == latest.Number:
		return false, fault.Conflict("again.open", "Change %d is still open. Leave --again out to go on with it.", c.Again)
	case !same || latest.Status == project.ChangeCancelled || c.Again == latest.Number:
		return true, nil
	case text != nil && string(text) != latest.Blueprint:
		next := "go on with it"
		if !open {
			next = fmt.Sprintf("export it, or add --again %d to ask for the same once more", latest.Number)
		}
		return false, fault.Conflict("change.blueprint", "This change was begun with another blueprint. Leave --blueprint out to %s.", next)
	}
	return false, nil
}

func projects(ctx context.Context, a *app.App) (all []project.Project, err error) {
	err = a.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		all, err = project.List(ctx, tx)
		return err
	})
	return all, err
}

// pickProject finds the one project that words name: by its id, its name, or
// the beginning of its name. Several of them are refused with the list.
func pickProject(data string, all []project.Project, words string) (project.Project, error) {
	if len(all) == 0 {
		return project.Project{}, fault.NotFound("project.not_found", "The data folder %s holds no project yet. Begin one with `layercake run \"an idea\"`.", data)
	}
	for _, fits := range []func(project.Project) bool{
		func(p project.Project) bool { return p.ID == words },
		func(p project.Project) bool { return strings.EqualFold(p.Name, words) },
		func(p project.Project) bool {
			return strings.HasPrefix(strings.ToLower(p.Name), strings.ToLower(words))
		},
	} {
		found := slices.DeleteFunc(slices.Clone(all), func(p project.Project) bool { return !fits(p) })
		switch len(found) {
		case 0:
			continue
		case 1:
			return found[0], nil
		}
		return project.Project{}, fault.Invalid("project.several", "%q names %d projects: %s. Use the id of one.", words, len(found), listed(found))
	}
	return project.Project{}, fault.NotFound("project.not_found", "There is no project %q in %s. There are: %s.", words, data, listed(all))
}

func listed(all []project.Project) string {
	var names []string
	for _, p := range all {
		names = append(names, p.ID+" ("+p.Name+")")
	}
	return strings.Join(names, ", ")
}

// begin creates what is not there yet: the project, or its further change. A
// budget that is refused begins nothing. It returns the project's id, and what a
// person has to know of the budget.
func (c *runCmd) begin(ctx context.Context, a *app.App, by gate.Decider, f found, text []byte) (id, news string, err error) {
	create := func(ctx context.Context, id string) error {
		_, err := a.Repos.Create(ctx, id)
		return err
	}
	p := f.project
	switch {
	case p.ID == "":
		p = c.project()
		p.BudgetMicro = c.micro
		_, err = a.Flow.Create(ctx, by, &p, text, create)
	case c.Change == "":
		err = a.Flow.Resume(ctx, by, p.ID, text, create)
	case f.further:
		err = c.beginChange(ctx, a, by, f, text)
	}
	switch {
	case err != nil:
		return "", "", err
	case f.complete():
		return p.ID, "", nil // nothing is paid for any more
	case f.project.ID != "" && !f.further:
		if news, err = c.renewBudget(ctx, a, by, p); err != nil {
			return "", "", err
		}
	}
	return p.ID, news, c.remember(ctx, a, by, p.ID)
}

// beginChange opens the further change. It goes by the blueprint of the change
// before, unless another one is named.
func (c *runCmd) beginChange(ctx context.Context, a *app.App, by gate.Decider, f found, text []byte) error {
	if text == nil {
		text = []byte(f.latest.Blueprint)
	}
	if err := c.setBudget(ctx, a, by, f.project); err != nil {
		return err
	}
	_, err := a.Flow.BeginChange(ctx, by, f.project.ID, c.Idea, text)
	return err
}

// short is the beginning of a text, on one line.
func short(text string, limit int) string {
	r := []rune(strings.Join(strings.Fields(text), " "))
	if len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return string(r)
}
