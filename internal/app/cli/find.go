package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
)

// find looks for the work that the same command began before: a project with
// the same words and the same output folder, or the named one. A project
// without an id is one that is still to be made.
func (c *runCmd) find(ctx context.Context, a *app.App) (project.Project, error) {
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

// begin creates what is not there yet: the project, or its further change.
func (c *runCmd) begin(ctx context.Context, a *app.App, by gate.Decider, p project.Project, text []byte, budget int64) (string, error) {
	create := func(ctx context.Context, id string) error {
		_, err := a.Repos.Create(ctx, id)
		return err
	}
	switch {
	case p.ID == "":
		p = c.project()
		p.BudgetMicro = budget
		_, err := a.Flow.Create(ctx, by, &p, text, create)
		return p.ID, err
	case c.Change == "":
		return p.ID, a.Flow.Resume(ctx, by, p.ID, text, create)
	}
	return p.ID, c.beginChange(ctx, a, by, p, text)
}

// beginChange opens the further change, or goes on with it when it is there. It
// goes by the blueprint of the change before, unless another one is named.
func (c *runCmd) beginChange(ctx context.Context, a *app.App, by gate.Decider, p project.Project, text []byte) error {
	var latest project.Change
	err := a.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		latest, err = project.LatestChange(ctx, tx, p.ID)
		return err
	})
	if fault.KindOf(err) == fault.KindNotFound {
		return fault.Conflict("change.unfinished", "The project %q was not made to its end. Run the command that began it.", p.Name)
	}
	if err != nil {
		return err
	}
	open := latest.Status == project.ChangeOpen
	switch {
	case open && latest.Idea != c.Idea:
		return fault.Conflict("change.open", "The project still has an open change: %q. Finish it first, with the command that began it.", short(latest.Idea, 80))
	case open && text != nil && string(text) != latest.Blueprint:
		return fault.Conflict("change.blueprint", "This change was begun with another blueprint. Leave --blueprint out to go on with it.")
	case text == nil:
		text = []byte(latest.Blueprint)
		b, err := blueprint.Parse(text)
		if err != nil {
			return err
		}
		if err := c.checkUntil(b); err != nil {
			return err
		}
	}
	if open {
		return nil
	}
	_, err = a.Flow.BeginChange(ctx, by, p.ID, c.Idea, text)
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
