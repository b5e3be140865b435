package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/llm"
	"github.com/layercake-app/layercake/internal/run"
)

// view shows a run while it lasts: JSON lines, plain lines, or lines with a
// status line below that is redrawn.
type view struct {
	env   *env
	json  bool
	asks  bool // a person is asked: the desk shows what an agent wants to know
	model llm.Info
	began time.Time
	line  string // the status line on the screen
	steps int
}

func newView(e *env, asJSON bool, model llm.Info) *view {
	return &view{env: e, json: asJSON, model: model, began: time.Now()}
}

// data is what the events carry that a person wants to see.
type data struct {
	Gate     string          `json:"gate"`
	Role     string          `json:"role"`
	Title    string          `json:"title"`
	Kind     string          `json:"kind"`
	Reason   string          `json:"reason"`
	Comment  string          `json:"comment"`
	Method   gate.Method     `json:"method"`
	Type     string          `json:"type"`
	Verdict  string          `json:"verdict"`
	Tool     string          `json:"tool"`
	About    string          `json:"about"`
	Text     string          `json:"text"`
	Answer   string          `json:"answer"`
	Target   string          `json:"target"`
	Tag      string          `json:"tag"`
	Error    bool            `json:"error"`
	Figures  json.RawMessage `json:"figures"`
	Paths    []string        `json:"paths"`
	Message  string          `json:"message"`
	For      string          `json:"for"`
	Severity string          `json:"severity"`
}

// disarm takes out of the texts, which agents wrote, what could steer a terminal.
func (d *data) disarm() {
	for _, text := range []*string{&d.Role, &d.Title, &d.Reason, &d.Comment, &d.Tool, &d.About, &d.Text, &d.Answer, &d.Message, &d.Severity} {
		*text = printable(*text)
	}
	for i, path := range d.Paths {
		d.Paths[i] = printable(path)
	}
}

func (v *view) begin(id string, resumed bool, a *app.App) {
	if v.json {
		return
	}
	word := "Project"
	if resumed {
		word = "Going on with project"
	}
	v.print("%s %s, data in %s", word, id, a.Settings.Data)
	v.print("Model: %s", v.model.Label)
	if err := a.Sandbox.Check(); err != nil {
		v.print("No sandbox: checks will be blocked. %v", err)
	}
}

// event shows one event.
func (v *view) event(e event.Event, o *flow.Overview) {
	if v.json {
		line, err := jsonEvent(e)
		if err == nil {
			fmt.Fprintf(v.env.term.Out, "%s\n", line)
		}
		return
	}
	var d data
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return
	}
	d.disarm()
	if text := v.words(e.Type, d); text != "" {
		v.print("%s", text)
	}
	v.status(e, d, o)
}

// words is what a person reads of an event; what only moves the status line is
// empty.
func (v *view) words(typ string, d data) string {
	switch typ {
	case "gate.opened":
		return fmt.Sprintf("%s  opened", v.bold(d.Gate))
	case "gate.approved":
		return fmt.Sprintf("%s  %s %s", v.bold(d.Gate), v.green("approved"), v.method(d.Method))
	case "gate.skipped":
		return fmt.Sprintf("%s  skipped: %s", v.bold(d.Gate), d.Reason)
	case "gate.rejected", "gate.reopened":
		return fmt.Sprintf("%s  %s, back to %s: %s", v.bold(d.Gate), strings.TrimPrefix(typ, "gate."), d.Target, short(d.Comment, 160))
	case "gate.stale", "gate.delta_review", "gate.fell_back", "gate.unskipped":
		return fmt.Sprintf("%s  %s: %s", v.bold(d.Gate), strings.ReplaceAll(strings.TrimPrefix(typ, "gate."), "_", " "), d.Reason)
	case "gate.carried_forward":
		return fmt.Sprintf("%s  carried forward: its proofs are green again on the new head", v.bold(d.Gate))
	case "run.started":
		return fmt.Sprintf("%s  %s at work", v.bold(d.Gate), d.Role)
	case "run.succeeded":
		return fmt.Sprintf("%s  %s %s: %s", v.bold(d.Gate), d.Role, v.green("done"), v.work(d.Reason))
	case "run.failed", "run.cancelled":
		return fmt.Sprintf("%s  %s %s: %s", v.bold(d.Gate), d.Role, v.red(strings.TrimPrefix(typ, "run.")), d.Reason)
	case "proof.finished":
		return v.proof(d)
	case "question.asked":
		if v.asks {
			return ""
		}
		return fmt.Sprintf("%s  question: %s", v.bold(d.Gate), d.Text)
	case "question.answered":
		return fmt.Sprintf("%s  answer: %s %s", v.bold(d.Gate), short(d.Answer, 160), v.method(d.Method))
	case "blocker.raised":
		return fmt.Sprintf("%s  %s (%s): %s", v.bold(d.Gate), v.red("blocker"), d.Severity, d.Title)
	case "merge.conflict":
		return fmt.Sprintf("%s  %s: conflict in %s", v.bold(d.Gate), d.Role, strings.Join(d.Paths, ", "))
	case "model_call.refused", "model_call.lost":
		return fmt.Sprintf("%s  %s: %s %s", v.bold(d.Gate), d.Role, strings.ReplaceAll(typ, "_", " "), d.Message)
	case "change.slow":
		return "The change leaves the fast track: " + d.Reason
	}
	return ""
}

// work is what an agent says of its work, without the name of its model, which
// stands above.
func (v *view) work(reason string) string {
	return short(strings.TrimPrefix(reason, "Written by the "+v.model.Label+". "), 160)
}

func (v *view) proof(d data) string {
	verdict := v.green(d.Verdict)
	if d.Verdict != "pass" {
		verdict = v.red(d.Verdict)
	}
	return fmt.Sprintf("%s  %s %s: %s", v.bold(d.Gate), d.Type, verdict, d.Reason)
}

func (v *view) method(m gate.Method) string {
	if m == gate.Delegated {
		return "(AUTO-APPROVED)"
	}
	return "(" + string(m) + ")"
}

// status redraws the line below: gate, role, step, cost.
func (v *view) status(e event.Event, d data, o *flow.Overview) {
	if e.Type == "step.model" || e.Type == "step.tool" {
		v.steps++
	}
	if !v.env.term.Live || d.Gate == "" {
		return
	}
	what := strings.TrimSpace(d.Role + " " + d.Tool + " " + d.About)
	if d.Type != "" {
		what = d.Type
	}
	line := fmt.Sprintf("%s  %s · step %d · %s · %s", d.Gate, what, v.steps, run.USD(o.Usage.CostMicro), time.Since(v.began).Round(time.Second))
	if r := []rune(line); len(r) >= v.env.term.Width && v.env.term.Width > 1 {
		line = string(r[:v.env.term.Width-1])
	}
	v.line = line
	fmt.Fprintf(v.env.term.Out, "\r\x1b[K%s", line)
}

// print writes one line above the status line.
func (v *view) print(format string, args ...any) {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")
	if !v.env.term.Live {
		fmt.Fprintln(v.env.term.Out, text)
		return
	}
	fmt.Fprintf(v.env.term.Out, "\r\x1b[K%s\n%s", text, v.line)
}

// clear takes the status line away before somebody types.
func (v *view) clear() {
	if v.env.term.Live {
		fmt.Fprint(v.env.term.Out, "\r\x1b[K")
	}
	v.line = ""
}

// end says how it ended.
func (v *view) end(r result, o app.Outcome, cause error) {
	v.clear()
	if cause != nil {
		printError(v.env.term.Err, cause)
	}
	v.env.ended = &r // printed once all is closed
	if v.json {
		return
	}
	w := v.env.term.Out
	switch r.Status {
	case "completed":
		fmt.Fprintf(w, "Done in %s. The repository is in %s", time.Since(v.began).Round(time.Second), r.Out)
		if r.Reason != "" {
			fmt.Fprintf(w, " (%s)", r.Reason)
		}
		fmt.Fprintf(w, ".\nModel: %s. Cost: %s.\n", r.Model, run.USD(r.Cost))
		fmt.Fprintf(w, "Check its evidence with: layercake verify %s\n", r.Out)
	case "waiting":
		if r.Reason == app.Interrupted {
			fmt.Fprintln(w, "Interrupted. The same command goes on from here.")
			return
		}
		fmt.Fprintf(w, "Waiting for a human: %s\n", oneLine(r.Reason))
		v.open(o)
		if v.asks {
			fmt.Fprintln(w, "The same command goes on from here.")
		}
	default:
		if cause == nil {
			fmt.Fprintf(w, "Failed: %s\n", oneLine(r.Reason))
		}
	}
}

// open lists what keeps the change from going on, beyond the sentence above it.
func (v *view) open(o app.Outcome) {
	w := v.env.term.Out
	switch {
	case o.Last == nil:
	case len(o.Last.Questions) > 0: // everything else waits for their answers
		for _, q := range o.Last.Questions[1:] {
			fmt.Fprintf(w, "  - %s %s\n", q.Gate, oneLine(q.Text))
		}
	case len(o.Last.Ready) > 0: // and for the decision
	default:
		for _, u := range o.Last.Unmet() {
			fmt.Fprintf(w, "  - %s %s\n", u.Gate, oneLine(joined(u.Message, u.Next)))
		}
	}
}

func (v *view) bold(s string) string  { return v.paint("1", s) }
func (v *view) green(s string) string { return v.paint("32", s) }
func (v *view) red(s string) string   { return v.paint("31", s) }

func (v *view) paint(code, s string) string {
	if !v.env.term.Live || v.env.settings.NoColor != "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
