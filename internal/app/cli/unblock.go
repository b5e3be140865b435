package cli

import (
	"context"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
)

const unblockHelp = `Type one of:
  resolve TEXT                             say how the blocker was removed; agents try again
  rerun                                    run the checks again, because what they lacked is there now
  reject COMMENT                           send the gate back to its agents
  waive RULE SUBJECT until YYYY-MM-DD: WHY set a rule aside (rules: proof, deliverable, coverage, blocker, condition)
  met TEXT                                 say how the condition that is due was met
  confirm TEXT                             confirm that you tried the deployment and that it works (G9)
  later                                    leave it open; the same command asks again
` + alwaysHelp

// Unblock asks the person to remove what keeps the change from going on.
func (d *desk) Unblock(ctx context.Context, o *flow.Overview) (bool, error) {
	unmet := o.Unmet()
	if d.gone || len(unmet) == 0 {
		return false, nil
	}
	d.view.clear()
	d.say("\n%s cannot go on:", unmet[0].Gate)
	for _, u := range unmet {
		d.say("  - %s", oneLine(joined(u.Message, u.Next)))
	}
	d.say("%s", unblockHelp)
	return d.ask(ctx, unmet[0].Gate+">", func(text string) (bool, error) { return d.unblock(ctx, o, unmet, text) })
}

func (d *desk) unblock(ctx context.Context, o *flow.Overview, unmet []gate.UnmetCondition, text string) (bool, error) {
	word, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	code, id := unmet[0].Gate, o.Project.ID
	switch strings.ToLower(word) {
	case "reopen", "budget", "cancel":
		return d.always(ctx, o, word, rest)
	case "rerun":
		return true, d.app.Flow.Rerun(ctx, d.by, id, code)
	case "reject":
		to, comment := target(rest)
		return true, d.app.Flow.Reject(ctx, d.by, id, code, to, comment)
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
		return d.each(unmet, "blocker.open", func(subject string) error { return d.app.Flow.ResolveBlocker(ctx, d.by, id, code, subject, rest) })
	case "met":
		return d.each(unmet, "condition.open", func(subject string) error { return d.app.Flow.ResolveCondition(ctx, d.by, id, code, subject, rest) })
	}
	d.say("%s", unblockHelp)
	return false, nil
}

func (d *desk) each(unmet []gate.UnmetCondition, code string, fn func(subject string) error) (bool, error) {
	acted := false
	for _, u := range unmet {
		if u.Code != code {
			continue
		}
		if err := fn(u.Subject); err != nil {
			return acted, err
		}
		acted = true
	}
	if !acted {
		return false, fault.Invalid("unblock.none", "There is nothing of that kind to settle here.")
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
