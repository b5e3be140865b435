package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/bundle"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/job"
)

type verifyCmd struct {
	Path         string `arg:"" help:"A data folder, a repository or a zip." type:"path"`
	RequireHuman bool   `help:"Refuse decisions that were delegated to the machine."`
	Expect       string `help:"Refuse another history: the hash of the last event, as verify printed it." placeholder:"HASH"`
}

// Run checks every claim and prints the first broken one last. What keeps it from
// checking is an error like any other, and not called broken. What the claims
// quote was written by whoever made the evidence.
func (c *verifyCmd) Run(e *env) error {
	if err := something(c.Path); err != nil {
		return err
	}
	report, err := bundle.Verify(e.ctx, c.Path, bundle.Options{RequireHuman: c.RequireHuman, Expect: c.Expect})
	for _, claim := range report.Claims {
		fmt.Fprintf(e.term.Out, "holds   %s\n", oneLine(claim))
	}
	switch {
	case err != nil && e.ctx.Err() == nil && bundle.Broken(err):
		fmt.Fprintf(e.term.Out, "BROKEN  %s\n", oneLine(fault.Public(err)))
		return exit(ExitFailed)
	case err != nil:
		return err // nothing was found out
	}
	fmt.Fprintf(e.term.Out, "Verified: %d claims hold.\n", len(report.Claims))
	return nil
}

type migrateCmd struct {
	Up     migrateUp     `cmd:"" help:"Bring the database to this version's schema."`
	Down   migrateDown   `cmd:"" help:"Take the newest migration back. What it holds is lost."`
	Status migrateStatus `cmd:"" help:"Say which migrations are applied."`
}

type (
	migrateUp struct {
		Data string `help:"Data folder."`
	}
	migrateDown struct {
		Data string `help:"Data folder."`
		Yes  bool   `help:"Say yes to losing what the migration holds."`
	}
	migrateStatus struct {
		Data string `help:"Data folder."`
	}
)

// withDatabase opens the database alone, without workers, and makes it only when
// it may. No other process has the folder or the database meanwhile.
func withDatabase(e *env, data string, make bool, fn func(ctx context.Context, d *db.DB) error) error {
	if data != "" {
		e.settings.Data = data
	}
	if !make && !app.HasDatabase(e.settings) {
		return noDatabase(e.settings)
	}
	unlock, err := app.LockData(e.settings.Data)
	if err != nil {
		return err
	}
	d, err := app.OpenDatabase(e.ctx, e.settings)
	if err != nil {
		return errors.Join(err, unlock())
	}
	release, err := app.LockDatabase(e.ctx, d)
	if err != nil {
		return errors.Join(err, d.Close(), unlock())
	}
	err = fn(e.ctx, d)
	release()
	return errors.Join(err, d.Close(), unlock())
}

func noDatabase(s app.Settings) error {
	return fault.NotFound("data.none", "There is no database in %s. Name the data folder with --data; `layercake run` makes one.", s.Data)
}

// Run migrates up.
func (c migrateUp) Run(e *env) error {
	return withDatabase(e, c.Data, true, func(ctx context.Context, d *db.DB) error {
		if err := d.MigrateUp(ctx); err != nil {
			return err
		}
		if err := job.NewQueue(d, job.Options{Logger: e.log}).Migrate(ctx); err != nil {
			return err
		}
		return printStatus(ctx, e, d)
	})
}

// Run migrates one step down.
func (c migrateDown) Run(e *env) error {
	if !c.Yes {
		return fault.Invalid("migrate.yes", "Migrating down deletes what the newest migration holds. Make a copy of the data folder, then add --yes.")
	}
	return withDatabase(e, c.Data, false, func(ctx context.Context, d *db.DB) error {
		if err := d.MigrateDown(ctx); err != nil {
			return err
		}
		return printStatus(ctx, e, d)
	})
}

// Run prints the state of the migrations.
func (c migrateStatus) Run(e *env) error {
	return withDatabase(e, c.Data, false, func(ctx context.Context, d *db.DB) error { return printStatus(ctx, e, d) })
}

func printStatus(ctx context.Context, e *env, d *db.DB) error {
	list, err := d.Status(ctx)
	if err != nil {
		return err
	}
	for _, m := range list {
		state := "pending"
		if !m.Applied.IsZero() {
			state = "applied"
		}
		fmt.Fprintf(e.term.Out, "%-8s %s\n", state, m.Name)
	}
	return nil
}

type blueprintCmd struct {
	Show     blueprintShow     `cmd:"" help:"Print a blueprint, or the list of them."`
	Validate blueprintValidate `cmd:"" help:"Check a blueprint file; every mistake is named with its line."`
	Schema   blueprintSchema   `cmd:"" help:"Print the JSON schema of blueprints."`
}

type (
	blueprintShow struct {
		Name string `arg:"" optional:"" help:"Name of an embedded blueprint."`
	}
	blueprintValidate struct {
		File string `arg:"" help:"A YAML file." type:"path"`
	}
	blueprintSchema struct{}
)

// Run prints a blueprint.
func (c blueprintShow) Run(e *env) error {
	if c.Name == "" {
		for _, name := range blueprint.Names() {
			b, err := blueprint.Load(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(e.term.Out, "%-12s %s: %s\n", name, b.Title, b.Description)
		}
		return nil
	}
	text, err := blueprint.Show(c.Name)
	if err != nil {
		return asUsage(err)
	}
	_, err = e.term.Out.Write(text)
	return err
}

// Run checks a file.
func (c blueprintValidate) Run(e *env) error {
	src, err := readFile(c.File, 1<<20)
	if err != nil {
		return err
	}
	if err := blueprint.Validate(src, known()); err != nil {
		printError(e.term.Err, err)
		return exit(ExitFailed)
	}
	fmt.Fprintf(e.term.Out, "%s is a valid blueprint.\n", c.File)
	return nil
}

// Run prints the schema.
func (blueprintSchema) Run(e *env) error {
	_, err := e.term.Out.Write(blueprint.Schema())
	return err
}

type doctorCmd struct {
	Data string `help:"Data folder to look at."`
}

// Run looks at what LayerCake needs and says how to get what is missing.
func (c doctorCmd) Run(e *env) error {
	if c.Data != "" {
		e.settings.Data = c.Data
	}
	missing := 0
	for _, f := range app.Examine(e.ctx, e.settings) {
		mark := "ok     "
		if !f.OK {
			mark = "missing"
			if f.Needed {
				missing++
			} else {
				mark = "note   "
			}
		}
		fmt.Fprintf(e.term.Out, "%s  %-12s %s\n", mark, f.Name, f.Text)
		if !f.OK && f.Next != "" {
			fmt.Fprintf(e.term.Out, "         %-12s %s\n", "", f.Next)
		}
	}
	if missing > 0 {
		words := "1 needed thing is missing"
		if missing > 1 {
			words = fmt.Sprintf("%d needed things are missing", missing)
		}
		fmt.Fprintf(e.term.Out, "%s.\n", words)
		return exit(ExitFailed)
	}
	fmt.Fprintln(e.term.Out, "Everything that is needed is here.")
	return nil
}
