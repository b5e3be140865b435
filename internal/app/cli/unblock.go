package cli

import (
	"context"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
)

const unblockHelp = `Type one of:
  resolve TEXT                             say how the blocker was removed; agents try again
  rerun                                    run the checks again, because what they lacked is there now
  reject COMMENT                           send the gate back to its agents
  reject G3: COMMENT                       send an earlier gate back
  waive RULE SUBJECT until YYYY-MM-DD: WHY set a rule aside (rules: proof, deliverable, coverage, blocker, condition)
  met TEXT                                 say how the condition that is due was met
  confirm TEXT                             confirm that you tried the deployment and that it works (G9)
  later                                    leave it open; the same command asks again
` + alwaysHelp

// turn is the gate whose turn it is: the first that is not settled. One in review
// waits for the others of its stop, so then it is theirs.
func turn(o *flow.Overview) *gate.View {
	for i := range o.Gates {
		if v := &o.Gates[i]; !v.Settled() && v.Status != gate.InReview {
			return v
		}
	}
	return nil
}

// Unblock asks the person to remove what keeps the change from going on.
func (d *desk) Unblock(ctx context.Context, o *flow.Overview) (bool, error) {
	v := turn(o)
	if d.gone || v == nil {
		return false, nil
	}
	var open []string
	for _, u := range gate.Unmet(&o.State.State, v.Code) {
		open = append(open, joined(u.Message, u.Next))
	}
	if len(open) == 0 {
		for _, b := range v.Blockers {
			open = append(open, "set aside, but still open: "+joined(b.Title, "Resolve it, and agents try again."))
		}
	}
	if len(open) == 0 {
		return false, nil
	}
	d.view.clear()
	d.say("\n%s cannot go on:", v.Code)
	for _, text := range open {
		d.say("  - %s", oneLine(text))
	}
	d.say("%s", unblockHelp)
	return d.ask(ctx, v.Code+">", func(text string) (bool, error) { return d.unblock(ctx, o, v, text) })
}

func (d *desk) unblock(ctx context.Context, o *flow.Overview, v *gate.View, text string) (bool, error) {
	word, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	code, id := v.Code, o.Project.ID
	switch strings.ToLower(word) {
	case "reopen", "budget", "cancel":
		return d.always(ctx, o, word, rest)
	case "rerun":
		return true, d.app.Flow.Rerun(ctx, d.by, id, code)
	case "reject":
		return d.reject(ctx, o, upTo(o, v), rest)
	case "waive":
		w, err := d.waiver(code, rest)
		if err != nil {
			return false, err
		}
		_, err = d.app.Flow.Waive(ctx, d.by, id, w)
		return true, err
	case "confirm":
		return true, d.app.Flow.Confirm(ctx, d.by, id, code, rest)
	case "resolve":
		return each(v.Blockers, func(b project.Blocker) error { return d.app.Flow.ResolveBlocker(ctx, d.by, id, code, b.ID, rest) })
	case "met":
		return each(v.Conditions, func(c gate.Condition) error { return d.app.Flow.ResolveCondition(ctx, d.by, id, code, c.ID, rest) })
	}
	d.say("%s", unblockHelp)
	return false, nil
}

// upTo is the part of a gate's stop that has been worked on: it and the gates
// before it.
func upTo(o *flow.Overview, v *gate.View) (s flow.Stop) {
	for _, j := range o.Joined(v.Code) {
		if j.Position <= v.Position {
			s.Views = append(s.Views, j)
		}
	}
	return s
}

// each settles everything that is open.
func each[T any](open []T, settle func(T) error) (bool, error) {
	if len(open) == 0 {
		return false, fault.Invalid("unblock.none", "There is nothing of that kind to settle here.")
	}
	for i, x := range open {
		if err := settle(x); err != nil {
			return i > 0, err
		}
	}
	return true, nil
}

func (d *desk) waiver(code, rest string) (gate.Waiver, error) {
	before, reason, ok := strings.Cut(rest, ":")
	what, until, dated := strings.Cut(before, " until ")
	expires, err := time.ParseInLocation(time.DateOnly, strings.TrimSpace(until), time.Local)
	fields := strings.Fields(what)
	if !ok || !dated || err != nil || len(fields) == 0 || len(fields) > 2 {
		return gate.Waiver{}, fault.Invalid("waive.form", "Write it as: waive proof lint_output until 2030-01-31: why it may be set aside")
	}
	w := gate.Waiver{Code: code, Rule: fields[0], Owner: d.by.Actor.ID, Reason: strings.TrimSpace(reason), ExpiresAt: db.Time{Time: expires.Add(24 * time.Hour)}}
	if len(fields) == 2 {
		w.Subject = fields[1]
	}
	return w, nil
}
