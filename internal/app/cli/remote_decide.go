package cli

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/api"
	"github.com/layercake-app/layercake/internal/app/client"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
)

type decideCmd struct {
	jsonFlag

	Project   string   `arg:"" help:"Name or id of a project, or the beginning of one."`
	Gate      string   `arg:"" help:"Code of a gate, such as G3."`
	Decision  string   `arg:"" optional:"" help:"approve, reject or reopen; when left out, what there is to decide is shown."`
	Comment   string   `short:"m" help:"Your comment; needed to reject or reopen, for the rework is planned from it." placeholder:"TEXT"`
	To        string   `help:"reject: the earlier gate whose work is done again." placeholder:"GATE"`
	Design    string   `help:"approve: the chosen design by number, title or id; the recommended one when left out." placeholder:"DESIGN"`
	Condition []string `sep:"none" help:"approve: a promise, as \"what must happen;owner;G7\". May be given several times." placeholder:"TEXT;OWNER;DUE"`
	Seen      string   `help:"Decide on what was shown before under this tag, and do not show it again." placeholder:"TAG"`
	Yes       bool     `short:"y" help:"Do not ask whether that is meant."`
}

// Run shows what a gate asks of a person and decides on that, and on nothing else.
func (c *decideCmd) Run(e *env) error {
	e.json = c.JSON
	c.Gate, c.To = strings.ToUpper(c.Gate), strings.ToUpper(c.To)
	d, err := c.decision(e)
	if err != nil {
		return err
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
	g, err := c.gate(e, remote, p)
	if err != nil {
		return err
	}
	seen := look{project: p, gate: g, tag: `"` + strings.Trim(c.Seen, `"`) + `"`}
	if c.Seen == "" {
		if seen.brief, seen.tag, err = remote.Brief(e.ctx, g.ID); err != nil {
			return err
		}
		if seen.tag == "" {
			return fault.Unavailable("server.version", "The server does not say which version of %s it shows, so nothing can be decided on it. Use the same version on both sides.", c.Gate)
		}
	}
	c.show(e, seen)
	if c.Decision == "" {
		return nil
	}
	if ok, err := c.confirmed(e, seen); err != nil || !ok {
		return err
	}
	now, err := remote.Decide(e.ctx, g.ID, seen.tag, d)
	if err != nil {
		return c.changed(e, remote, seen, err)
	}
	return c.done(e, remote, p.ID, now)
}

// look is what a person has seen of a gate.
type look struct {
	project api.ProjectRow
	gate    api.GateState
	brief   api.Brief
	tag     string
}

// decision reads the words, before anything is asked.
func (c *decideCmd) decision(e *env) (d client.Decision, err error) {
	d = client.Decision{Decision: strings.ToLower(c.Decision), Comment: c.Comment, Target: c.To, DesignID: c.Design}
	for _, text := range c.Condition {
		p, err := promise(text)
		if err != nil {
			return d, err
		}
		d.Conditions = append(d.Conditions, p)
	}
	asked := e.term.Interactive && !c.JSON
	switch d.Decision {
	case gate.Approve, gate.Reject, gate.Reopen:
	case "":
		if c.Comment != "" || c.To != "" || c.Design != "" || len(c.Condition) > 0 || c.Seen != "" || c.Yes {
			err = fault.Invalid("decision.missing", "Say what you decide, after the gate: approve, reject or reopen.")
		}
		return d, err
	default:
		return d, fault.Invalid("decision.unknown", "A decision is approve, reject or reopen, not %q.", c.Decision)
	}
	switch {
	case c.To != "" && d.Decision != gate.Reject:
		return d, fault.Invalid("decision.surplus", "--to belongs to reject. Leave it out.")
	case (c.Design != "" || len(c.Condition) > 0) && d.Decision != gate.Approve:
		return d, fault.Invalid("decision.surplus", "--design and --condition belong to approve. Leave them out.")
	case d.Decision != gate.Approve && strings.TrimSpace(c.Comment) == "":
		return d, fault.Invalid("decision.comment", "Say with --comment what has to change: the rework is planned from it.")
	case !asked && !c.Yes:
		return d, fault.Invalid("decision.unconfirmed", "There is nobody to ask whether that is meant. Add --yes if you have looked at it; without a decision the command shows what there is to decide.")
	}
	return d, nil
}

// promise reads "what must happen;owner;G7". The text may have semicolons itself.
func promise(text string) (p client.Promise, err error) {
	parts := strings.Split(text, ";")
	if n := len(parts); n >= 3 {
		p = client.Promise{
			Text: strings.TrimSpace(strings.Join(parts[:n-2], ";")), Owner: strings.TrimSpace(parts[n-2]), Due: strings.ToUpper(strings.TrimSpace(parts[n-1])),
		}
	}
	if p.Text == "" || p.Owner == "" || p.Due == "" {
		return p, fault.Invalid("promise.form", "The condition %q cannot be read. Write it as \"what must happen;owner;G7\".", text)
	}
	return p, nil
}

// gate finds the gate of the newest change.
func (c *decideCmd) gate(e *env, remote *client.Client, p api.ProjectRow) (api.GateState, error) {
	all, err := remote.Gates(e.ctx, p.ID)
	if err != nil {
		return api.GateState{}, err
	}
	var codes []string
	for _, g := range all {
		if g.Code == c.Gate {
			return g, nil
		}
		codes = append(codes, g.Code)
	}
	return api.GateState{}, fault.NotFound("gate.not_found", "%s has no gate %q. Its gates are %s.", oneLine(p.Name), c.Gate, strings.Join(codes, ", "))
}

func (c *decideCmd) show(e *env, seen look) {
	switch {
	case c.Seen != "" || c.JSON && c.Decision != "":
		return
	case c.JSON:
		e.emit(struct {
			Gate  api.GateState `json:"gate"`
			Seen  string        `json:"seen"`
			Brief api.Brief     `json:"brief"`
		}{seen.gate, strings.Trim(seen.tag, `"`), seen.brief})
		return
	}
	e.say("%s", seen.brief.Markdown)
	if c.Decision == "" {
		e.say("Decide on exactly this: layercake decide %s %s approve --seen %s", shortID(seen.project.ID), c.Gate, strings.Trim(seen.tag, `"`))
	}
}

// confirmed asks whether the decision is meant.
func (c *decideCmd) confirmed(e *env, seen look) (bool, error) {
	if c.Yes {
		return true, nil
	}
	what := c.Gate
	if len(seen.brief.Covers) > 0 {
		what = strings.Join(seen.brief.Covers, ", ")
	}
	word := strings.ToLower(c.Decision)
	typed, err := e.prompt(oneLine(fmt.Sprintf("%s %s of %s? Type %s to confirm, anything else leaves it open:", strings.ToUpper(word[:1])+word[1:], what, seen.project.Name, word)))
	if err != nil {
		return false, err
	}
	if strings.EqualFold(typed, word) || word == gate.Approve && gate.ReadWord(typed) == gate.WordApprove {
		return true, nil
	}
	e.say("Nothing was decided.")
	return false, exit(ExitWaiting)
}

// changed says of a lost race what is other than what was seen.
func (c *decideCmd) changed(e *env, remote *client.Client, seen look, err error) error {
	var r *client.Refusal
	if !errors.As(err, &r) || r.Status != http.StatusPreconditionFailed {
		return err
	}
	// What it is now is asked for anew: the answer to the race names no head.
	all, second := remote.Gates(e.ctx, seen.project.ID)
	brief, tag, third := remote.Brief(e.ctx, seen.gate.ID)
	if second != nil || third != nil {
		return err
	}
	var details []fault.Detail
	for _, g := range all {
		if g.ID == seen.gate.ID {
			details = append(details, moved(seen.gate, g)...)
		}
	}
	for _, u := range brief.Unmet {
		if c.Seen == "" && !slices.Contains(seen.brief.Unmet, u) {
			details = append(details, fault.Detail{Code: u.Code, Message: u.Message, Next: u.Next})
		}
	}
	if from, to := head(seen.tag), head(tag); from != "" && to != "" && from != to {
		text := "the files are others: " + from[:min(8, len(from))] + " was shown, " + to[:min(8, len(to))] + " is there now"
		if d, err := remote.Diff(e.ctx, seen.project.ID, from, to); err == nil {
			if paths := touched(d.Text); len(paths) > 0 {
				text += " (" + strings.Join(paths, ", ") + ")"
			}
		}
		details = append(details, fault.Detail{Message: text})
	}
	again := fault.Detail{Message: "nothing was decided", Next: fmt.Sprintf("Look again: layercake decide %s %s", shortID(seen.project.ID), c.Gate)}
	return r.With(append(details, again)...)
}

// moved is what became of a gate itself.
func moved(was, is api.GateState) (out []fault.Detail) {
	switch {
	case was.Status != is.Status:
		out = append(out, fault.Detail{Message: fmt.Sprintf("%s was %s and is %s now", was.Code, was.Status, is.Status)})
	case was.Stale != is.Stale && is.Stale:
		out = append(out, fault.Detail{Message: was.Code + " has become stale"})
	case was.Round != is.Round:
		out = append(out, fault.Detail{Message: fmt.Sprintf("%s is in round %d of its work now, and was in round %d", was.Code, is.Round, was.Round)})
	}
	return out
}

// head is the commit in the tag of a gate, empty when the tag has none.
func head(tag string) string {
	_, commit, _ := strings.Cut(strings.Trim(tag, `"`), ".")
	return commit
}

// touched are the first paths that a difference names.
func touched(diff string) (paths []string) {
	const few = 5
	for line := range strings.Lines(diff) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "diff --git ")
		if !ok {
			continue
		}
		if at := strings.LastIndex(rest, " b/"); at >= 0 {
			if len(paths) == few {
				return append(paths, "and more")
			}
			paths = append(paths, rest[at+len(" b/"):])
		}
	}
	return paths
}

func (c *decideCmd) done(e *env, remote *client.Client, id string, now api.GateState) error {
	state, err := remote.Project(e.ctx, id)
	if err != nil {
		e.note("It is decided; where the project stands now could not be asked.")
		state = api.ProjectState{Project: project.Project{ID: id}}
	}
	if c.JSON {
		e.emit(struct {
			Decision string        `json:"decision"`
			Gate     api.GateState `json:"gate"`
			Sentence string        `json:"sentence"`
		}{strings.ToLower(c.Decision), now, state.Sentence})
		return nil
	}
	word := map[string]string{gate.Approve: "Approved", gate.Reject: "Rejected", gate.Reopen: "Reopened"}[strings.ToLower(c.Decision)]
	e.say("%s: %s is %s now.", word, oneLine(now.Code), oneLine(string(now.Status)))
	if state.Sentence != "" {
		e.say("%s", oneLine(state.Sentence))
	}
	return nil
}
