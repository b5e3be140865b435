package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
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
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
)

type runCmd struct {
	Idea        string `arg:"" help:"What you want to have, in your own words. With --change: what is to be changed."`
	Type        string `help:"traditional, ai_ml, hybrid or enhancement." default:"traditional"`
	Mode        string `help:"Where it goes live: local_only, optional, required or undetermined." default:"local_only"`
	Tier        string `help:"Quality tier: mvp, standard or enterprise (coverage 60, 80, 90 %)." default:"standard"`
	Teaching    string `help:"How much agents explain: novice, intermediate or expert." default:"intermediate"`
	Name        string `help:"Name of the project; made from the idea when left out."`
	Blueprint   string `help:"A blueprint's name, or the path of a YAML file. The project type's own when left out."`
	Budget      string `help:"Hard cap in USD, for example 5 or 2.50. None when left out."`
	AutoApprove bool   `help:"Delegate all decisions of this run to the machine, shown as AUTO-APPROVED everywhere."`
	Until       string `help:"Stop once this gate is approved, for example G5."`
	Out         string `help:"Folder for the finished repository; it must be empty or absent." default:"./out"`
	Data        string `help:"Folder that holds everything LayerCake keeps."`
	JSON        bool   `name:"json" help:"Write one JSON object per line: every event, and the result last."`
	Change      string `help:"Id or name of a project: the words are a further change to it." placeholder:"PROJECT"`
}

// result is the last line of `run --json`; scripts rely on it.
type result struct {
	Type    string       `json:"type"`
	Status  string       `json:"status"`
	Reason  string       `json:"reason,omitempty"`
	Project string       `json:"project"`
	Change  int64        `json:"change"`
	Gates   []gateResult `json:"gates"`
	Out     string       `json:"out"`
	Model   string       `json:"model"`
	Cost    int64        `json:"costMicroUsd"`
}

type gateResult struct {
	Code   string      `json:"code"`
	Status gate.Status `json:"status"`
	Method gate.Method `json:"method,omitempty"`
	Reason string      `json:"reason,omitempty"`
	Stale  bool        `json:"stale,omitempty"`
}

// Run carries the idea on until it is done or a human is needed.
func (c *runCmd) Run(e *env) error {
	text, budget, err := c.check()
	if err != nil {
		return err
	}
	if c.Data != "" {
		e.settings.Data = c.Data
	}
	actor, err := app.OSUser()
	if err != nil {
		return err
	}
	a, err := app.Open(e.ctx, e.settings, e.log)
	if err != nil {
		return err
	}
	by := gate.Decider{Actor: actor, Method: gate.Terminal, Role: "owner"}
	if c.AutoApprove || !e.term.Interactive {
		by.Method = gate.Delegated
	}
	err = c.carry(e, a, by, text, budget)
	return errors.Join(err, a.Close())
}

// check refuses everything that is wrong with the words before anything is
// opened or written.
func (c *runCmd) check() (blueprintText []byte, budget int64, err error) {
	word := "idea"
	if c.Change != "" {
		word = "request"
	}
	if err := project.CheckIdea(word, c.Idea); err != nil {
		return nil, 0, err
	}
	out, err := filepath.Abs(c.Out)
	if err != nil {
		return nil, 0, fmt.Errorf("resolve output folder: %w", err)
	}
	c.Out = out
	if c.Budget != "" {
		if budget, err = flow.ParseUSD(c.Budget); err != nil {
			return nil, 0, err
		}
	}
	if c.Name == "" {
		c.Name = project.NameFrom(c.Idea)
	}
	p := c.project("")
	if err := p.Validate(); err != nil {
		return nil, 0, err
	}
	b, err := c.blueprint()
	if err != nil {
		return nil, 0, err
	}
	c.Until = strings.ToUpper(c.Until)
	if _, ok := b.Gate(c.Until); c.Until != "" && !ok {
		return nil, 0, fault.Invalid("until.unknown", "--until %s names no gate of the blueprint %s.", c.Until, b.Name)
	}
	text, err := b.YAML()
	return text, budget, err
}

func (c *runCmd) project(id string) project.Project {
	return project.Project{
		ID: id, Name: c.Name, Idea: c.Idea, Type: c.Type, Mode: c.Mode, Tier: c.Tier, Teaching: c.Teaching, Origin: c.Out, Blueprint: c.Blueprint,
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
	if f, ok := fault.As(err); ok && f.Kind == fault.KindNotFound {
		return nil, fault.Invalid(f.Code, "%s", f.Message)
	}
	return b, err
}

func known() blueprint.Known {
	return blueprint.Known{Roles: agent.Roles(), Proofs: proof.Types(), Facts: blueprint.Facts, Kinds: document.Kinds}
}

// carry finds or begins the change, works on it, and exports what came out.
func (c *runCmd) carry(e *env, a *app.App, by gate.Decider, text []byte, budget int64) error {
	id, err := c.find(e.ctx, a)
	if err != nil {
		return err
	}
	resumed := id != ""
	if err := emptyOrAbsent(c.Out); err != nil {
		return err
	}
	view := newView(e, c.JSON, a.Model.Info())
	if id, err = c.begin(e.ctx, a, by, id, text, budget); err != nil {
		return err
	}
	view.begin(id, resumed, a)
	since, err := c.since(e.ctx, a, id, resumed)
	if err != nil {
		return err
	}
	if err := a.Start(e.ctx); err != nil {
		return err
	}
	if resumed && budget > 0 && by.Method == gate.Terminal {
		if err := a.Flow.SetBudget(e.ctx, by, id, budget); err != nil {
			return err
		}
	}
	outcome, err := a.Drive(e.ctx, id, c.Until, since, c.desk(e, a, by, view), view.event)
	if e.ctx.Err() != nil {
		err = nil
	}
	if err != nil && outcome.Status == "" {
		outcome = app.Outcome{Status: "failed", Reason: fault.Public(err)}
		if fault.KindOf(err) == fault.KindInternal {
			e.log.ErrorContext(e.ctx, "run failed", "error", err)
		}
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
	case e.term.Interactive:
		return &desk{env: e, app: a, by: by, view: v, lines: newLines(e.term.In)}
	}
	return app.Nobody{}
}

// find looks for the work that the same command began before: a project with
// the same words and the same output folder, or the named one.
func (c *runCmd) find(ctx context.Context, a *app.App) (string, error) {
	var all []project.Project
	err := a.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		all, err = project.List(ctx, tx)
		return err
	})
	if err != nil {
		return "", err
	}
	var names []string
	for _, p := range all {
		names = append(names, p.ID+" ("+p.Name+")")
		if c.Change != "" && (p.ID == c.Change || strings.EqualFold(p.Name, c.Change)) {
			return p.ID, nil
		}
		if c.Change == "" && p.Idea == c.Idea && p.Origin == c.Out && p.Type == c.Type && p.Mode == c.Mode && p.Tier == c.Tier && p.Blueprint == c.Blueprint {
			return p.ID, nil
		}
	}
	if c.Change == "" {
		return "", nil
	}
	if len(names) == 0 {
		return "", fault.NotFound("project.not_found", "The data folder %s holds no project yet. Begin one with `layercake run \"an idea\"`.", a.Settings.Data)
	}
	return "", fault.NotFound("project.not_found", "There is no project %q in %s. There are: %s.", c.Change, a.Settings.Data, strings.Join(names, ", "))
}

// begin creates what is not there yet: the project, or its further change.
func (c *runCmd) begin(ctx context.Context, a *app.App, by gate.Decider, id string, text []byte, budget int64) (string, error) {
	create := func(ctx context.Context, id string) error {
		_, err := a.Repos.Create(ctx, id)
		return err
	}
	if id == "" {
		p := c.project("")
		p.BudgetMicro = budget
		if budget > 0 && a.Model.Info().Price == nil {
			return "", fault.Invalid("budget.price", "A budget in money needs a model of known price, and that of %s is unknown. Leave --budget out.", a.Model.Info().Label)
		}
		_, err := a.Flow.Create(ctx, by, &p, text, create)
		return p.ID, err
	}
	if c.Change == "" {
		return id, a.Flow.Resume(ctx, by, id, text, create)
	}
	var latest project.Change
	err := a.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		latest, err = project.LatestChange(ctx, tx, id)
		return err
	})
	if err != nil {
		return "", err
	}
	if latest.Status == project.ChangeOpen {
		if latest.Idea == c.Idea {
			return id, nil
		}
		return "", fault.Conflict("change.open", "The project still has an open change: %q. Finish it first, with the command that began it.", short(latest.Idea))
	}
	_, err = a.Flow.BeginChange(ctx, by, id, c.Idea, text)
	return id, err
}

func short(text string) string {
	r := []rune(strings.Join(strings.Fields(text), " "))
	if len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return string(r)
}

// finish exports the repository and says how it ended.
func (c *runCmd) finish(e *env, a *app.App, id string, o app.Outcome, v *view, cause error) error {
	res := result{Type: "result", Status: o.Status, Reason: o.Reason, Project: id, Gates: []gateResult{}, Out: "", Model: a.Model.Info().Label}
	if o.Last == nil {
		// Interrupted or given up: say where it stands, without the cut context.
		last, err := a.Flow.Overview(context.WithoutCancel(e.ctx), id)
		if err == nil {
			o.Last = last
		}
	}
	if o.Last != nil {
		res.Change, res.Cost = o.Last.Change.Number, o.Last.Usage.CostMicro
		for i := range o.Last.Gates {
			g := &o.Last.Gates[i]
			r := gateResult{Code: g.Code, Status: g.Status, Reason: g.Reason, Stale: g.Stale}
			if g.Approval != nil && g.Status == gate.Approved {
				r.Method = g.Approval.Method
			}
			res.Gates = append(res.Gates, r)
		}
	}
	if o.Status == "completed" {
		if err := c.export(e.ctx, a, id, o.Commit); err != nil {
			res.Status, res.Reason, cause = "failed", fault.Public(err), err
			o.Status, o.Reason = res.Status, res.Reason
		} else {
			res.Out = c.Out
		}
	}
	v.end(res, o, cause)
	switch o.Status {
	case "completed":
		return nil
	case "waiting":
		return exit(ExitWaiting)
	}
	return exit(ExitFailed)
}

func (c *runCmd) export(ctx context.Context, a *app.App, id, commit string) error {
	if err := emptyOrAbsent(c.Out); err != nil {
		return err
	}
	return a.Repos.Repo(id).ExportCommit(ctx, c.Out, commit)
}

// emptyOrAbsent refuses an output folder that something is in.
func emptyOrAbsent(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fault.Invalid("out.unusable", "The output folder %s cannot be used. Name another one with --out.", dir).Because(err)
	case len(entries) > 0:
		return fault.Invalid("out.not_empty", "The output folder %s is not empty. Name another one with --out, or empty it.", dir)
	}
	return nil
}

// event is one line of --json.
func jsonEvent(ev event.Event) ([]byte, error) {
	return json.Marshal(struct {
		Type  string          `json:"type"`
		Seq   int64           `json:"seq"`
		At    db.Time         `json:"at"`
		Actor string          `json:"actor"`
		Data  json.RawMessage `json:"data"`
	}{ev.Type, ev.Seq, ev.At, ev.Actor.Kind + ":" + ev.Actor.ID, ev.Data})
}
