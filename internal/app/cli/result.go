package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/gate"
)

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

// print writes the result as one line of JSON.
func (r *result) print(w io.Writer) {
	r.Type = "result"
	if r.Gates == nil {
		r.Gates = []gateResult{}
	}
	line, err := json.Marshal(r)
	if err == nil {
		fmt.Fprintf(w, "%s\n", line)
	}
}

// finish exports the repository and says how it ended.
func (c *runCmd) finish(e *env, a *app.App, id string, o app.Outcome, v *view, cause error) error {
	res := result{Status: o.Status, Reason: o.Reason, Project: id, Model: a.Model.Info().Label}
	if o.Last == nil {
		// Interrupted or given up: say where it stands, without the cut context.
		last, err := a.Flow.Overview(context.WithoutCancel(e.ctx), id)
		if err == nil {
			o.Last = last
		}
	}
	if o.Status == "waiting" && o.Reason != app.Interrupted {
		res.Reason = strings.TrimSpace(joined(o.Reason, c.next(e)))
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
		switch err := c.export(e.ctx, a, id, o.Commit); {
		case err == nil:
			res.Out = c.Out
		case e.ctx.Err() != nil:
			o.Status, o.Reason = "waiting", app.Interrupted
		default:
			o.Status, o.Reason, cause = "failed", fault.Public(err), err
			if kind := fault.KindOf(err); kind == fault.KindInternal || kind == fault.KindUnavailable {
				e.log.ErrorContext(e.ctx, "export failed", "out", c.Out, "error", err) // what the message keeps to itself
			}
		}
		if o.Status != "completed" {
			res.Status, res.Reason = o.Status, o.Reason
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

// next says how the run goes on that waits for a human who is not here.
func (c *runCmd) next(e *env) string {
	switch {
	case c.asks(e):
		return ""
	case c.AutoApprove:
		return "This is not delegated: run the same command at a terminal, without --auto-approve."
	}
	return "Run the same command at a terminal to decide and answer, or with --auto-approve to delegate that."
}

// jsonEvent is one line of --json.
func jsonEvent(ev event.Event) ([]byte, error) {
	return json.Marshal(struct {
		Type  string          `json:"type"`
		Seq   int64           `json:"seq"`
		At    db.Time         `json:"at"`
		Actor string          `json:"actor"`
		Data  json.RawMessage `json:"data"`
	}{ev.Type, ev.Seq, ev.At, ev.Actor.String(), ev.Data})
}
