package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/api"
	"github.com/layercake-app/layercake/internal/app/client"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/llm"
	"github.com/layercake-app/layercake/internal/run"
)

type logsCmd struct {
	jsonFlag

	Project string        `arg:"" help:"Name or id of a project, or the beginning of one."`
	Which   string        `arg:"" optional:"" name:"run" help:"Id of a run, or its beginning; the newest run of the newest change when left out."`
	Follow  bool          `short:"f" help:"Go on until the run ends (exit code 0, or 1 when it failed) or waits for a person (3)."`
	After   int64         `help:"Only steps with a higher number." placeholder:"STEP"`
	Full    bool          `help:"Show all that tools answered, not the first lines."`
	Runs    bool          `help:"List the runs of the newest change."`
	Every   time.Duration `default:"1s" help:"With -f: how often the server is asked."`
}

// Run shows the journal of a run.
func (c *logsCmd) Run(e *env) error {
	e.json = c.JSON
	switch {
	case c.Every < minEvery:
		return fault.Invalid("logs.every", "--every %s is too often. Give at least %s.", c.Every, minEvery)
	case c.After < 0:
		return fault.Invalid("logs.after", "--after %d is no number of a step. Steps are counted from 1.", c.After)
	}
	remote, err := e.remote()
	if err != nil {
		return err
	}
	defer remote.Close()
	p, err := findProject(e.ctx, remote, c.Project)
	if err != nil {
		return err
	}
	if c.Runs {
		all, err := remote.Runs(e.ctx, p.ID)
		if err == nil {
			c.list(e, p, all)
		}
		return err
	}
	r, err := c.pick(e, remote, p)
	if err != nil {
		return err
	}
	if !c.JSON {
		e.say("%s  %s %s, %s", shortID(r.ID), oneLine(r.Gate), oneLine(r.Role), standingOf(r))
	}
	return c.follow(e, remote, r)
}

// pick finds the run that is meant. A whole id may be one of an earlier change.
func (c *logsCmd) pick(e *env, remote *client.Client, p api.ProjectRow) (run.Run, error) {
	all, err := remote.Runs(e.ctx, p.ID)
	if err != nil {
		return run.Run{}, err
	}
	if c.Which == "" {
		if len(all) == 0 {
			return run.Run{}, fault.NotFound("run.none", "No agent has begun to work on the newest change of %s. `layercake status %s` says what it waits for.", oneLine(p.Name), shortID(p.ID))
		}
		return all[len(all)-1], nil
	}
	r, err := byBeginning(all, c.Which, "run", func(r run.Run) string { return r.ID })
	if fault.KindOf(err) != fault.KindNotFound || err == nil {
		return r, err
	}
	if r, second := remote.Run(e.ctx, c.Which); second == nil && r.Project == p.ID {
		return r, nil
	}
	return r, fault.NotFound("run.not_found", "The newest change of %s has no run that begins with %q. `layercake logs %s --runs` lists them.", oneLine(p.Name), c.Which, shortID(p.ID))
}

func (c *logsCmd) list(e *env, p api.ProjectRow, all []run.Run) {
	if c.JSON {
		e.emit(struct {
			Runs []run.Run `json:"runs"`
		}{append([]run.Run{}, all...)})
		return
	}
	if len(all) == 0 {
		e.say("No agent has begun to work on the newest change of %s.", oneLine(p.Name))
	}
	for _, r := range all {
		e.say("%s  %-3s %-28s %s", shortID(r.ID), oneLine(r.Gate), oneLine(r.Role), standingOf(r))
	}
}

// standingOf is where a run stands.
func standingOf(r run.Run) string {
	text := oneLine(string(r.Status))
	if r.WaitsFor != "" {
		text += " for " + oneLine(r.WaitsFor)
	}
	if r.Reason != "" {
		text += ": " + shortened(r.Reason, 160)
	}
	return text
}

// follow writes the steps in order, each once, whatever happens to the connection
// or to the server: the next look asks for what comes after the last step that
// was written.
func (c *logsCmd) follow(e *env, remote *client.Client, r run.Run) error {
	wait, last := &patience{env: e}, c.After
	for {
		// First where the run stands, then its steps: after its end there are no more.
		now, err := again(wait, func() (run.Run, error) { return remote.Run(e.ctx, r.ID) })
		if err != nil {
			return err
		}
		type page struct {
			steps []api.StepRow
			more  bool
		}
		for more := true; more; {
			got, err := again(wait, func() (p page, err error) {
				p.steps, p.more, err = remote.Steps(e.ctx, r.ID, last)
				return p, err
			})
			if err != nil {
				return err
			}
			for _, s := range got.steps {
				if s.Seq != last+1 {
					return fault.Unavailable("logs.gap", "The server sent step %d after step %d. Look again with: layercake logs %s %s --after %d", s.Seq, last, shortID(r.Project), shortID(r.ID), last)
				}
				c.step(e, s)
				last = s.Seq
			}
			more = got.more && len(got.steps) > 0
		}
		if !c.Follow || !now.Live() || now.Status == run.Waiting {
			return c.end(e, now, last)
		}
		if err := e.sleep(c.Every); err != nil {
			return err
		}
	}
}

// end says where the run stands, and with -f ends as the run did.
func (c *logsCmd) end(e *env, r run.Run, last int64) error {
	if c.JSON {
		e.emit(struct {
			Type string  `json:"type"`
			Last int64   `json:"lastStep"`
			Run  run.Run `json:"run"`
		}{"run", last, r})
	} else {
		e.say("%s  %s", shortID(r.ID), standingOf(r))
		switch {
		case r.Status == run.Waiting && r.WaitsFor == run.WaitPause:
			e.say("It goes on when somebody lets it (resume).")
		case r.Status == run.Waiting:
			e.say("Answer it, then follow on: layercake answer %s; layercake logs -f %s %s --after %d", shortID(r.Project), shortID(r.Project), shortID(r.ID), last)
		}
	}
	switch {
	case !c.Follow || r.Status == run.Succeeded:
		return nil
	case r.Live():
		return exit(ExitWaiting)
	}
	return exit(ExitFailed)
}

// step writes one step of the journal.
func (c *logsCmd) step(e *env, s api.StepRow) {
	if c.JSON {
		e.emit(struct {
			Type string `json:"type"`
			api.StepRow
		}{"step", s})
		return
	}
	if s.Kind == run.StepModel {
		c.model(e, s)
		return
	}
	mark := "→"
	if s.IsError {
		mark = "✗"
	}
	e.say("%4d %s %s %s", s.Seq, mark, oneLine(s.Name), oneLine(aboutCall(s.Input)))
	c.folded(e, s.Output)
}

// model writes what the model said. Its tool calls are steps of their own.
func (c *logsCmd) model(e *env, s api.StepRow) {
	var said llm.Response
	if err := json.Unmarshal([]byte(s.Output), &said); err != nil {
		said.Text = s.Output
	}
	e.say("%4d turn %d, %d tokens in, %d out", s.Seq, s.Turn, s.TokensIn, s.TokensOut)
	if text := strings.TrimSpace(said.Text); text != "" {
		indented(e, strings.Split(text, "\n"))
	}
}

// folded writes the first lines of what a tool answered.
func (c *logsCmd) folded(e *env, output string) {
	const few = 3
	output = strings.TrimSpace(output)
	if output == "" {
		return
	}
	lines := strings.Split(output, "\n")
	if c.Full {
		indented(e, lines)
		return
	}
	shown := lines[:min(few, len(lines))]
	for i, l := range shown {
		if r := []rune(l); len(r) > 160 {
			l = string(r[:160]) + "…"
		}
		shown[i] = l
	}
	indented(e, shown)
	if n := len(lines) - few; n > 0 {
		e.say("       … %d more lines", n)
	}
}

// indented writes lines of somebody else's so that none passes for one of ours.
func indented(e *env, lines []string) {
	for _, l := range lines {
		e.say("       %s", strings.TrimRight(strings.ReplaceAll(l, "\t", "    "), " \r"))
	}
}

// aboutCall is what a tool call is about: what it names first, in a few words.
func aboutCall(input string) string {
	var in map[string]any
	if err := json.Unmarshal([]byte(input), &in); err != nil {
		return "(malformed input)"
	}
	for _, name := range []string{"path", "command", "question", "title", "query", "pattern", "summary", "checks"} {
		switch v := in[name].(type) {
		case string:
			if v != "" {
				return short(v, 100)
			}
		case []any:
			return short(strings.Trim(fmt.Sprint(v), "[]"), 100)
		}
	}
	return ""
}
