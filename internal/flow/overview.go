package flow

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/document"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/run"
)

// Overview is where a project stands, and what it waits for.
type Overview struct {
	*State
	Runs      []run.Run          // that have not ended
	Questions []project.Question // open ones
	Blockers  []project.Blocker  // critical open ones
	Usage     project.UsageSum
	Busy      bool   // agents, checks or flow are at work
	Ready     []Stop // gates that wait for a decision, those of one stop together
}

// Stop is what one decision covers.
type Stop struct{ Views []*gate.View }

// Code is the last gate of the stop, by which it is decided.
func (s Stop) Code() string { return s.Views[len(s.Views)-1].Code }

// Title names the gates of the stop.
func (s Stop) Title() string { return title(s.Views) }

// Overview reads where a project stands.
func (f *Flow) Overview(ctx context.Context, projectID string) (*Overview, error) {
	for range 50 {
		l, err := f.look(ctx, projectID)
		if err != nil {
			return nil, err
		}
		o, err := f.overview(ctx, l)
		if err != nil || o != nil {
			return o, err
		}
	}
	return nil, fmt.Errorf("overview of %s: it changes too fast", projectID)
}

func (f *Flow) overview(ctx context.Context, l *look) (*Overview, error) {
	o := &Overview{}
	stale := false
	err := f.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		p, err := project.Get(ctx, tx, l.project)
		if err != nil {
			return err
		}
		c, err := project.LatestChange(ctx, tx, l.project)
		if err != nil {
			return err
		}
		if stale = !l.of(p, c) || c.ReleaseCommit != l.release; stale {
			return nil
		}
		if o.State, err = f.load(ctx, tx, l, p, c); err != nil {
			return err
		}
		return o.people(ctx, tx)
	})
	if err != nil || stale {
		return nil, err
	}
	o.Busy = o.Busy || len(Next(o.State)) > 0
	for i := range o.Gates {
		v := &o.Gates[i]
		if v.Status == gate.InReview && byItself(o.State, v) {
			o.Busy = true
		}
	}
	o.Ready = ready(o.State)
	return o, nil
}

func (o *Overview) people(ctx context.Context, tx *db.Tx) error {
	runs, err := run.List(ctx, tx, o.Change.ID)
	if err != nil {
		return err
	}
	for _, r := range runs {
		if r.Live() {
			o.Runs = append(o.Runs, r)
			o.Busy = o.Busy || r.Status != run.Waiting
		}
	}
	questions, err := project.Questions(ctx, tx, o.Change.ID)
	if err != nil {
		return err
	}
	for _, q := range questions {
		if q.Status == "open" {
			o.Questions = append(o.Questions, q)
		}
	}
	blockers, err := project.Blockers(ctx, tx, o.Change.ID)
	if err != nil {
		return err
	}
	for _, b := range blockers {
		if b.Status == "open" && b.Severity == "critical" {
			o.Blockers = append(o.Blockers, b)
		}
	}
	rows, err := proof.Latest(ctx, tx, o.Change.ID)
	if err != nil {
		return err
	}
	for _, r := range rows {
		o.Busy = o.Busy || r.Status != proof.Done
	}
	o.Usage, err = project.SumUsage(ctx, tx, o.Change.ID)
	return err
}

// byItself reports whether the gate is decided by the act of creating the change,
// which takes effect without anybody being asked.
func byItself(s *State, v *gate.View) bool {
	return v.Position == 0 && s.Change.CreatedMethod != string(gate.Undecided)
}

// ready lists the stops whose gates are all in review.
func ready(s *State) []Stop {
	var out []Stop
	for i := range s.Gates {
		v := &s.Gates[i]
		if v.Status != gate.InReview || byItself(s, v) || v.Settled() {
			continue
		}
		joined := s.Joined(v.Code)
		if joined[len(joined)-1].Code != v.Code {
			continue
		}
		all := true
		for _, j := range joined {
			all = all && j.Status == gate.InReview
		}
		if all {
			out = append(out, Stop{Views: joined})
		}
	}
	return out
}

// Sentence says in plain words where the project stands and what comes next.
func (o *Overview) Sentence() string {
	switch {
	case o.Change.Status == project.ChangeCompleted:
		return fmt.Sprintf("Change %d is complete.", o.Change.Number)
	case o.Change.Status == project.ChangeCancelled:
		return fmt.Sprintf("Change %d was cancelled.", o.Change.Number)
	case o.Project.Paused:
		return "The project is paused."
	case len(o.Questions) > 0:
		return o.Questions[0].Gate + " waits for an answer: " + o.Questions[0].Text
	case len(o.Ready) > 0:
		if len(o.Ready[0].Views) > 1 {
			return o.Ready[0].Title() + " wait for a decision."
		}
		return o.Ready[0].Title() + " waits for a decision."
	case len(o.Blockers) > 0 && !o.Busy:
		return o.Blockers[0].Gate + " is blocked: " + o.Blockers[0].Title + "."
	case o.Busy:
		return "Work is under way at " + o.current() + "."
	}
	if unmet := o.Unmet(); len(unmet) > 0 {
		return unmet[0].Gate + " waits: " + unmet[0].Message + ". " + unmet[0].Next
	}
	return "Nothing is under way."
}

// NextAction says in plain words what a person can do now.
func (f *Flow) NextAction(ctx context.Context, o *Overview) (string, error) {
	switch {
	case o.Change.Status != project.ChangeOpen:
		return "Export the repository, or ask for a further change.", nil
	case o.Project.Paused:
		return "Resume the project when its agents may go on.", nil
	case len(o.Questions) > 0:
		return "Answer the question at " + o.Questions[0].Gate + ".", nil
	case len(o.Ready) > 0:
		b, err := f.Brief(ctx, o, o.Ready[0])
		if err != nil {
			return "", err
		}
		look := "Look at the proofs"
		if len(b.Documents) > 0 {
			look = fmt.Sprintf("Read %s (about %d min)", several(b.Documents), max(1, int(b.Reading.Minutes()+0.5)))
		}
		return look + ", then approve " + o.Ready[0].Title() + " or send the work back.", nil
	case len(o.Blockers) > 0 && !o.Busy:
		return "Resolve the blocker at " + o.Blockers[0].Gate + ", or set it aside with a reason.", nil
	case o.Busy:
		return "Nothing: agents and checks are at work. You may tell an agent something before its next turn.", nil
	}
	if unmet := o.Unmet(); len(unmet) > 0 {
		return unmet[0].Next, nil
	}
	return "Nothing.", nil
}

func (o *Overview) current() string {
	for _, v := range o.Gates {
		if v.Status == gate.Pending || v.Status == gate.InReview {
			return v.Code
		}
	}
	return "the next gate"
}

// CheckPromise says whether the decision on a stop may carry a condition.
func (o *Overview) CheckPromise(s Stop, p Promise) error {
	if strings.TrimSpace(p.Text) == "" || strings.TrimSpace(p.Owner) == "" {
		return fault.Invalid("condition.incomplete", "A condition needs a text and an owner. Say what must happen and who sees to it.")
	}
	return checkPromises(o.State, o.Gate(s.Code()), []Promise{p})
}

// Unmet lists what keeps the gate whose turn it is from being approved. A gate
// that is in review waits for the others of its stop: then it is their turn.
func (o *Overview) Unmet() []gate.UnmetCondition {
	for i := range o.Gates {
		v := &o.Gates[i]
		var unmet []gate.UnmetCondition
		switch {
		case v.Status == gate.Skipped:
			unmet = gate.Promised(v)
		case !v.Settled():
			unmet = gate.Unmet(&o.State.State, v.Code)
		}
		if len(unmet) > 0 {
			return unmet
		}
	}
	return nil
}

// Brief is what a person needs on one screen to decide a stop. It is computed;
// no model writes any of it.
type Brief struct {
	Stop      Stop
	Delta     bool     // a review of what changed since the last decision
	Changed   []string // paths that changed since the last decision
	Since     string   // the commit that decision was made on
	Asked     string   // why the work was sent back, when that was the decision
	Reading   time.Duration
	Usage     project.UsageSum
	Notes     []project.Note
	Unproven  []gate.UnmetCondition
	Documents []string
}

// Brief computes the decision brief of a stop.
func (f *Flow) Brief(ctx context.Context, o *Overview, s Stop) (Brief, error) {
	b := Brief{Stop: s, Usage: o.Usage, Since: o.Change.BaseCommit}
	first := s.Views[0]
	for i := range o.Gates {
		v := &o.Gates[i]
		if v.Position < first.Position && v.Approval != nil && v.Approval.Commit != "" {
			b.Since = v.Approval.Commit
		}
	}
	if first.Stale && first.Approval != nil {
		b.Delta, b.Since = true, first.Approval.Commit
	}
	if err := f.sentBack(ctx, o, s, &b); err != nil {
		return b, err
	}
	changed, err := f.Tree.Changed(ctx, o.Project.ID, b.Since, o.Project.Head)
	if err != nil {
		return b, fmt.Errorf("compare with the last decision: %w", err)
	}
	for _, path := range changed {
		if !strings.HasPrefix(path, EvidenceRoot) {
			b.Changed = append(b.Changed, path)
		}
	}
	for _, v := range s.Views {
		b.Unproven = append(b.Unproven, gate.Unmet(&o.State.State, v.Code)...)
		for _, d := range v.Deliverables {
			for _, path := range d.Paths {
				if strings.HasSuffix(path, ".md") {
					content, err := f.Tree.Read(ctx, o.Project.ID, o.Project.Head, path)
					if err != nil {
						return b, fmt.Errorf("read %s: %w", path, err)
					}
					b.Reading += document.ReadingTime(content)
					b.Documents = append(b.Documents, path)
				}
			}
		}
	}
	err = f.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		all, err := project.Notes(ctx, tx, o.Change.ID)
		for _, n := range all {
			for _, v := range s.Views {
				if n.Gate == v.Code && n.Kind != "handoff" {
					b.Notes = append(b.Notes, n)
				}
			}
		}
		return err
	})
	return b, err
}

// sentBack adds the last rejection that led to the work of the stop, when none of
// it has been approved since.
func (f *Flow) sentBack(ctx context.Context, o *Overview, s Stop, b *Brief) error {
	var all []gate.Decision
	err := f.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		all, err = gate.Decisions(ctx, tx, o.Change.ID)
		return err
	})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(s.Views, func(v *gate.View) bool { return v.Round > 1 }) {
		return nil // its first work: whatever was sent back before is part of what it began with
	}
	last := s.Views[len(s.Views)-1]
	for _, d := range slices.Backward(all) {
		to := o.Gate(d.Target)
		switch {
		case d.Kind == gate.Approve && slices.ContainsFunc(s.Views, func(v *gate.View) bool { return v.Code == d.Code }):
			return nil
		case d.Kind != gate.Approve && to != nil && to.Position <= last.Position:
			b.Since, b.Asked = d.Head, to.Code+": "+strings.Join(strings.Fields(d.Comment), " ")
			return nil
		}
	}
	return nil
}

// Markdown writes the brief for people.
func (b Brief) Markdown() string {
	var w strings.Builder
	kind := "Decision"
	if b.Delta {
		kind = "Delta review"
	}
	fmt.Fprintf(&w, "# %s: %s\n\n", kind, b.Stop.Title())
	for _, v := range b.Stop.Views {
		fmt.Fprintf(&w, "%s %s: %s\n", v.Code, v.Spec.Name, v.Spec.Purpose)
	}
	fmt.Fprintf(&w, "\nReading time about %d min. Cost so far %s, %d tokens in %d calls", max(1, int(b.Reading.Minutes()+0.5)), run.USD(b.Usage.CostMicro), b.Usage.Tokens, b.Usage.Calls)
	if b.Usage.Unknown > 0 {
		fmt.Fprintf(&w, " (%d of unknown price)", b.Usage.Unknown)
	}
	w.WriteString(".\n")
	if b.Asked != "" {
		fmt.Fprintf(&w, "\nSent back at %s\n", b.Asked)
	}
	w.WriteString("\n## Deliverables\n\n")
	for _, v := range b.Stop.Views {
		for _, d := range v.Deliverables {
			fmt.Fprintf(&w, "- %s %s: %s (%s)\n", v.Code, d.Name, d.State, several(d.Paths))
		}
	}
	w.WriteString("\n## Proofs\n\n")
	n := 0
	for _, v := range b.Stop.Views {
		for _, r := range v.Required {
			if r.Last != nil {
				n++
				fmt.Fprintf(&w, "- %s %s: %s%s — %s\n", v.Code, r.Type, r.Last.Verdict, figures(r.Last.Numbers()), r.Last.Reason)
			}
		}
	}
	if n == 0 {
		w.WriteString("- none is required here\n")
	}
	b.rest(&w)
	return w.String()
}

func (b Brief) rest(w *strings.Builder) {
	for _, v := range b.Stop.Views {
		if len(v.Designs) > 0 && owesDesign(v) {
			w.WriteString("\n## Designs\n\n")
			for _, d := range v.Designs {
				mark := ""
				switch {
				case d.Selected:
					mark = " (chosen before)"
				case d.Recommended:
					mark = " (recommended)"
				}
				fmt.Fprintf(w, "- %d %s%s: %s — %s\n", d.Number, d.Title, mark, d.Path, d.Rationale)
			}
		}
		for _, x := range v.Waivers {
			fmt.Fprintf(w, "\nWaiver in force: %s %s until %s, owner %s: %s\n", x.Rule, x.Subject, x.ExpiresAt.Format(time.DateOnly), x.Owner, x.Reason)
		}
	}
	if len(b.Notes) > 0 {
		w.WriteString("\n## Choices and risks\n\n")
		for _, n := range b.Notes {
			fmt.Fprintf(w, "- %s: %s. %s\n", n.Kind, n.Title, n.Body)
		}
	}
	if len(b.Unproven) > 0 {
		w.WriteString("\n## Not met\n\n")
		for _, u := range b.Unproven {
			fmt.Fprintf(w, "- %s %s. %s\n", u.Gate, u.Message, u.Next)
		}
	}
	fmt.Fprintf(w, "\n## Changed since the last decision\n\n%s\n", several(b.Changed))
}

// several lists a few paths and counts the rest.
func several(paths []string) string {
	const few = 8
	if len(paths) == 0 {
		return "nothing"
	}
	text := strings.Join(head(paths, few), ", ")
	if n := len(paths) - few; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

func figures(f map[string]float64) string {
	var parts []string
	for _, name := range sortedKeys(f) {
		if name != "ms" {
			parts = append(parts, fmt.Sprintf("%s %g", name, f[name]))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
