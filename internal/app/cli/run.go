package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/layercake-app/layercake/internal/agent"
	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/document"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/llm"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
)

type runCmd struct {
	Idea string `arg:"" help:"What you want to have, in your own words and in quotes; - reads them from standard input, @FILE from a file. With --change: what is to be changed."`

	AutoApprove bool   `help:"Delegate all decisions of this run to the machine, shown as AUTO-APPROVED everywhere." group:"How it goes:"`
	Until       string `help:"Stop once this gate is approved; the same command without it goes on." placeholder:"G5" group:"How it goes:"`
	Budget      string `help:"Hard cap in USD for all models together. None when left out. The same command again leaves a cap alone that was set since." placeholder:"2.50" group:"How it goes:"`
	JSON        bool   `name:"json" help:"Write one JSON object per line: every event, and the result last. Nobody is asked." group:"How it goes:"`

	Out  string `help:"Folder for the finished repository: empty, absent, or what an earlier run of this project left there (default: ./out)." default:"./out" placeholder:"DIR" group:"Where things are:"`
	Data string `help:"Folder that holds everything LayerCake keeps." placeholder:"DIR" group:"Where things are:"`

	Name      string `help:"Name of the project. Made from the idea when left out." group:"A new project:"`
	Type      string `help:"traditional, ai_ml, hybrid or enhancement (default: traditional)." group:"A new project:"`
	Mode      string `help:"Where it goes live: local_only, optional, required or undetermined (default: local_only)." group:"A new project:"`
	Tier      string `help:"Quality tier: mvp, standard or enterprise, for a coverage of 60, 80 or 90 % (default: standard)." group:"A new project:"`
	Teaching  string `help:"How much agents explain: novice, intermediate or expert (default: intermediate)." group:"A new project:"`
	Blueprint string `help:"A blueprint's name, or the path of a YAML file. When left out the type's own, for a change the project's last." group:"A new project:"`

	Change string `help:"Name (or its beginning) or id of a project: the words are a further change to it." placeholder:"PROJECT" group:"A project that is there:"`
	Again  int64  `help:"With --change: begin another change with the words of change N, which is complete. Without it the same words export change N." placeholder:"N" group:"A project that is there:"`

	micro int64 // what --budget says
}

// Help is shown above the flags.
func (runCmd) Help() string {
	return `At each gate you see the machine's proofs and decide. Without a terminal, and without --auto-approve, the run waits (exit code 3). After an interruption run the same command again: it goes on where it stopped.

Examples:
  layercake run "An app to track my house plants" --name "House plants" --out ./plants
  layercake run --change "House plants" "Add a note to each plant" --out ./plants-2
  layercake run @idea.txt --auto-approve --json`
}

// Run carries the idea on until it is done or a human is needed.
func (c *runCmd) Run(e *env) error {
	err := c.run(e)
	if err == nil || e.ctx.Err() == nil || errors.As(err, new(exit)) {
		return err
	}
	// Told to stop before there was anything to show.
	newView(e, c.JSON, llm.Info{}).end(result{Status: "waiting", Reason: app.Interrupted}, app.Outcome{}, nil)
	return exit(ExitWaiting)
}

func (c *runCmd) run(e *env) error {
	if c.Data != "" {
		e.settings.Data = c.Data
	}
	text, err := c.check(e)
	if err != nil {
		return err
	}
	actor, err := app.OSUser()
	if err != nil {
		return err
	}
	a, err := app.Open(e.ctx, e.settings, e.log)
	if err != nil {
		return err
	}
	by := gate.Decider{Actor: actor, Method: gate.Undecided, Role: "owner"}
	switch {
	case c.AutoApprove:
		by.Method = gate.Delegated
	case c.asks(e):
		by.Method = gate.Terminal
	}
	err = c.carry(e, a, by, text)
	return errors.Join(err, a.Close())
}

// asks reports whether a person is there to be asked.
func (c *runCmd) asks(e *env) bool { return e.term.Interactive && !c.JSON && !c.AutoApprove }

// check refuses everything that is wrong with the words before anything is
// opened or written. The blueprint's text is empty when the project has to say.
func (c *runCmd) check(e *env) (text []byte, err error) {
	if c.Idea, err = readIdea(e, c.Idea); err != nil {
		return nil, err
	}
	word := "idea"
	if c.Change != "" {
		word = "request"
	}
	if err := project.CheckIdea(word, c.Idea); err != nil {
		return nil, err
	}
	if c.Out, err = filepath.Abs(c.Out); err != nil {
		return nil, fmt.Errorf("resolve output folder: %w", err)
	}
	if c.Budget != "" {
		if c.micro, err = flow.ParseUSD(c.Budget); err != nil {
			return nil, err
		}
	}
	c.Until = strings.ToUpper(c.Until)
	if err := c.settle(); err != nil {
		return nil, err
	}
	if c.Change == "" || c.Blueprint != "" {
		b, err := c.blueprint()
		if err != nil {
			return nil, err
		}
		if err := c.checkUntil(b); err != nil {
			return nil, err
		}
		if text, err = b.YAML(); err != nil {
			return nil, err
		}
	}
	return text, checkOut(e.settings, c.Out)
}

// settle gives a new project what was left out, and refuses for a further
// change what was decided when its project began.
func (c *runCmd) settle() error {
	fields := []struct {
		flag, usual string
		value       *string
	}{
		{"--type", "traditional", &c.Type},
		{"--mode", "local_only", &c.Mode},
		{"--tier", "standard", &c.Tier},
		{"--teaching", "intermediate", &c.Teaching},
		{"--name", project.NameFrom(c.Idea), &c.Name},
	}
	var given []string
	for _, f := range fields {
		switch {
		case *f.value != "":
			given = append(given, f.flag)
		case c.Change == "":
			*f.value = f.usual
		}
	}
	if c.Change == "" {
		if c.Again != 0 {
			return fault.Invalid("again.flag", "--again goes with --change. To build the same idea anew, give the project another --name or --out.")
		}
		p := c.project()
		return p.Validate()
	}
	if len(given) > 0 {
		return fault.Invalid("change.flags", "%s cannot be given together with --change: a further change keeps what its project began with. Leave it out, or begin a new project without --change.", strings.Join(given, ", "))
	}
	return nil
}

func (c *runCmd) checkUntil(b *blueprint.Blueprint) error {
	if _, ok := b.Gate(c.Until); c.Until != "" && !ok {
		return fault.Invalid("until.unknown", "--until %s names no gate of the blueprint %s. Its gates are %s.", c.Until, b.Name, strings.Join(b.Order(), ", "))
	}
	return nil
}

func (c *runCmd) project() project.Project {
	return project.Project{
		Name: c.Name, Idea: c.Idea, Type: c.Type, Mode: c.Mode, Tier: c.Tier, Teaching: c.Teaching, Origin: c.Out, Blueprint: c.Blueprint,
	}
}

func (c *runCmd) blueprint() (*blueprint.Blueprint, error) {
	switch {
	case c.Blueprint == "":
		b, err := blueprint.ForType(c.Type)
		if err == nil {
			c.Blueprint = b.Name
		}
		return b, err
	case strings.ContainsAny(c.Blueprint, "/.\\"):
		src, err := readFile(c.Blueprint, 1<<20)
		if err != nil {
			return nil, err
		}
		if err := blueprint.Validate(src, known()); err != nil {
			return nil, err
		}
		return blueprint.Parse(src)
	}
	b, err := blueprint.Load(c.Blueprint)
	return b, asUsage(err)
}

// asUsage makes what a person named and what is not there a mistake in the words
// of the command.
func asUsage(err error) error {
	if f, ok := fault.As(err); ok && f.Kind == fault.KindNotFound {
		return fault.Invalid(f.Code, "%s", f.Message)
	}
	return err
}

func known() blueprint.Known {
	return blueprint.Known{Roles: agent.Roles(), Proofs: proof.Types(), Facts: blueprint.Facts, Kinds: document.Kinds}
}

// carry finds or begins the change, works on it, and exports what came out.
func (c *runCmd) carry(e *env, a *app.App, by gate.Decider, text []byte) error {
	f, err := c.find(e.ctx, a, text)
	if err != nil {
		return err
	}
	resumed := f.project.ID != ""
	if err := c.checkExport(e.ctx, a, f.project.ID); err != nil {
		return err
	}
	if err := c.checkBudget(a); err != nil {
		return err
	}
	view := newView(e, c.JSON, a.Model.Info())
	view.asks = c.asks(e)
	id, news, err := c.begin(e.ctx, a, by, f, text)
	if err != nil {
		return err
	}
	view.begin(id, resumed, a)
	switch {
	case news == "":
	case c.JSON:
		fmt.Fprintln(e.term.Err, "layercake: "+news)
	default:
		view.print("%s", news)
	}
	since, err := c.since(e.ctx, a, id, resumed)
	if err != nil {
		return err
	}
	if err := a.Start(e.ctx); err != nil {
		return err
	}
	outcome, err := a.Drive(e.ctx, id, c.Until, since, c.desk(e, a, by, view), view.event)
	if err != nil && outcome.Status == "" {
		outcome = app.Outcome{Status: "failed", Reason: fault.Public(err)}
		if fault.KindOf(err) == fault.KindInternal {
			e.log.ErrorContext(e.ctx, "run failed", "error", err)
		}
	}
	if c.Change != "" && f.complete() && outcome.Status == "completed" {
		outcome.Reason = fmt.Sprintf("change %d was complete already; --again %d asks for the same once more", f.latest.Number, f.latest.Number)
	}
	return c.finish(e, a, id, outcome, view, err)
}

// since is the event after which this command tells what happens: a resumed
// run does not tell its past again, unless a script asks for every event.
func (c *runCmd) since(ctx context.Context, a *app.App, id string, resumed bool) (seq int64, err error) {
	if !resumed || c.JSON {
		return 0, nil
	}
	err = a.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		seq, _, err = event.Head(ctx, tx, id)
		return err
	})
	return seq, err
}

func (c *runCmd) desk(e *env, a *app.App, by gate.Decider, v *view) app.Desk {
	switch {
	case c.AutoApprove:
		return app.Delegation{Flow: a.Flow, By: by}
	case c.asks(e):
		return &desk{env: e, app: a, by: by, view: v, lines: newLines(e.term.In)}
	}
	return app.Nobody{}
}
