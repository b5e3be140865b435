package flow

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/job"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/repo"
)

// author signs what the platform itself commits.
var author = repo.Signature{Name: "LayerCake", Email: "platform@layercake.invalid"}

// Promise is a condition that an approver attaches.
type Promise struct {
	Text  string
	Owner string
	Due   string // code of the gate by which it must be resolved
}

// Approval is what a person says with an approval. Design names the chosen
// alternative by id, number or title; empty means the recommended one.
type Approval struct {
	Comment    string
	Design     string
	Conditions []Promise
	// Seen is what was looked at, nil for whatever is there. When the gate or the
	// head is another by then, the approval is a conflict with CodeGateChanged.
	Seen *Seen
}

// Seen names what a person looked at before deciding: the version of the gate and
// the project's head.
type Seen struct {
	Version int64
	Head    string
}

// Of reports whether that is what is there.
func (n *Seen) Of(s *State, v *gate.View) bool {
	return n == nil || n.Version == v.Version && n.Head == s.Project.Head
}

// Approve records a person's approval of a gate, and of all gates joined with
// it in one stop. Conditions are checked inside the deciding transaction: an
// unready gate is a conflict that lists everything unmet, a decided one a
// conflict, and of many at once exactly one wins. It returns the decisions.
func (f *Flow) Approve(ctx context.Context, by gate.Decider, projectID, code string, a Approval) ([]gate.Decision, error) {
	for range 50 {
		decisions, moved, err := f.approveOnce(ctx, by, projectID, code, a)
		if fault.CodeOf(err) == "db.busy" {
			continue // two transactions waited for each other, and this one was let go
		}
		if err != nil || !moved {
			return decisions, err
		}
	}
	return nil, fault.Conflict("project.busy", "Project %s changes too fast to decide on. Try again in a moment.", projectID)
}

func (f *Flow) approveOnce(ctx context.Context, by gate.Decider, projectID, code string, a Approval) (out []gate.Decision, moved bool, err error) {
	l, err := f.look(ctx, projectID)
	if err != nil {
		return nil, false, err
	}
	p, err := f.prepare(ctx, l, by, code, a)
	if err != nil || p == nil {
		return nil, p == nil, err
	}
	err = f.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		row, err := project.Lock(ctx, tx, projectID)
		if err != nil {
			return err
		}
		c, err := project.LatestChange(ctx, tx, projectID)
		if err != nil {
			return err
		}
		if moved = !l.of(row, c); moved {
			return nil
		}
		s, err := f.load(ctx, tx, l, row, c)
		if err != nil {
			return err
		}
		if s.editors, err = project.Editors(ctx, tx, c); err != nil {
			return err
		}
		views, err := decidable(s, by, code, a)
		if err != nil {
			return err
		}
		if moved = !p.covers(views); moved {
			return nil
		}
		out, err = f.record(ctx, tx, s, views, p, a)
		return err
	})
	return out, moved, err
}

// approved is an approval made ready outside the transaction: the commit that
// carries its evidence is written before, the rows follow.
type approved struct {
	by        gate.Decider
	decisions []gate.Decision
	rests     []string // by decision, what its statement rests on
	commit    string   // empty while the quorum is not reached
}

// covers reports whether what was made ready is what has to be decided now: the
// same gates in the same round, on the same proofs and waivers, with the same
// quorum reached.
func (p *approved) covers(views []*gate.View) bool {
	return slices.EqualFunc(p.decisions, views, func(d gate.Decision, v *gate.View) bool { return d.Gate == v.ID && d.Round == v.Round }) &&
		slices.EqualFunc(p.rests, views, func(rests string, v *gate.View) bool { return rests == restsOn(v) }) &&
		reachesQuorum(views) == (p.commit != "")
}

// restsOn names the proofs that a gate asks for, the ones there are, and the
// waivers in force.
func restsOn(v *gate.View) string {
	var out []string
	for _, r := range v.Required {
		out = append(out, r.Type)
		if r.Last != nil {
			out = append(out, r.Last.ID)
		}
	}
	for _, w := range v.Waivers {
		out = append(out, w.ID)
	}
	return strings.Join(out, " ")
}

// prepare checks the approval, and commits its evidence on top of the head. It
// returns nil when the project moved meanwhile.
func (f *Flow) prepare(ctx context.Context, l *look, by gate.Decider, code string, a Approval) (*approved, error) {
	var s *State
	var events []event.Event
	err := f.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		p, err := project.Get(ctx, tx, l.project)
		if err != nil {
			return err
		}
		c, err := project.LatestChange(ctx, tx, l.project)
		if err != nil || !l.of(p, c) {
			return err
		}
		if s, err = f.load(ctx, tx, l, p, c); err != nil {
			return err
		}
		if s.editors, err = project.Editors(ctx, tx, c); err != nil {
			return err
		}
		events, err = event.All(ctx, tx, l.project)
		return err
	})
	if err != nil || s == nil {
		return nil, err
	}
	views, err := decidable(s, by, code, a)
	if err != nil {
		return nil, err
	}
	out := &approved{by: by}
	put := map[string][]byte{}
	for _, v := range views {
		d := gate.Decision{
			ID: db.NewID("dec"), Project: l.project, Change: s.Change.ID, Gate: v.ID, Code: v.Code, Kind: gate.Approve, Method: by.Method,
			Actor: by.Actor.String(), Comment: a.Comment, Head: l.head, DocumentDigest: v.DocumentDigest,
			WorkDigest: v.WorkDigest, Round: v.Round, At: db.Now(), Tag: TagName(s.Change.Number, v.Code, v.Decisions+1),
		}
		if owesDesign(v) {
			chosen, err := project.Pick(v.Designs, a.Design)
			if err != nil {
				return nil, err
			}
			d.Design = chosen.ID
		}
		if err := f.evidenceFiles(ctx, l, s, v, d, put); err != nil {
			return nil, err
		}
		out.decisions, out.rests = append(out.decisions, d), append(out.rests, restsOn(v))
	}
	if !reachesQuorum(views) {
		return out, nil
	}
	if err := eventFiles(l.project, events, put); err != nil {
		return nil, err
	}
	out.commit, err = f.Tree.Commit(ctx, l.project, repo.CommitSpec{
		Parent: l.head, Put: put, Author: author, When: out.decisions[0].At.Time, Message: title(views) + " approved" + auto(by.Method),
		Trailers: [][2]string{{"Decided-by", by.Actor.ID}, {"Method", string(by.Method)}},
		Allow:    repo.AllowAll,
	})
	if err != nil {
		return nil, fmt.Errorf("commit evidence of %s: %w", code, err)
	}
	return out, nil
}

func title(views []*gate.View) string {
	codes := make([]string, len(views))
	for i, v := range views {
		codes[i] = v.Code
	}
	return strings.Join(codes, ", ")
}

func auto(m gate.Method) string {
	if m == gate.Delegated {
		return " (AUTO-APPROVED)"
	}
	return ""
}

func owesDesign(v *gate.View) bool {
	for _, d := range v.Deliverables {
		if d.Kind == "design" {
			return true
		}
	}
	return false
}

func reachesQuorum(views []*gate.View) bool {
	for _, v := range views {
		if v.Approvals+1 < max(v.Spec.Approval.Quorum, 1) {
			return false
		}
	}
	return true
}

func errChanged(code string) error {
	return fault.Conflict(CodeGateChanged, "%s is no longer as you saw it. Look at what changed, then decide.", code)
}

// decidable returns the gates that one approval of code covers, or why it may
// not be given.
func decidable(s *State, by gate.Decider, code string, a Approval) ([]*gate.View, error) {
	at := s.Gate(code)
	if at == nil {
		return nil, fault.NotFound("gate.not_found", "There is no gate %s. The gates are G0 to G9.", code)
	}
	if s.Change.Status != project.ChangeOpen {
		return nil, fault.Conflict("change.ended", "Change %d has ended; its gates are decided. Begin a new change.", s.Change.Number)
	}
	if !a.Seen.Of(s, at) {
		return nil, errChanged(code)
	}
	views := s.Joined(code)
	var unmet []gate.UnmetCondition
	for _, v := range views {
		if err := gate.MayDecide(by, v.Gate, v.Spec.Approval, authors(s)); err != nil {
			return nil, err
		}
		if v.Status == gate.Approved {
			return nil, fault.Conflict("gate.decided", "%s is already approved. Reopen it if it has to change.", v.Code)
		}
		if v.Status == gate.Skipped {
			return nil, fault.Conflict("gate.skipped", "%s is skipped: %s.", v.Code, v.Reason)
		}
		unmet = append(unmet, gate.Unmet(&s.State, v.Code)...)
	}
	for _, v := range views {
		if len(unmet) == 0 && v.Status != gate.InReview {
			unmet = append(unmet, gate.UnmetCondition{Gate: v.Code, Code: "gate.not_in_review", Message: "its review has not been requested yet", Next: "Wait a moment; the platform asks as soon as all is there."})
		}
	}
	if len(unmet) > 0 {
		return nil, gate.UnmetError(code, unmet)
	}
	if err := checkPromises(s, views[len(views)-1], a.Conditions); err != nil {
		return nil, err
	}
	if len(views) > 0 && len(a.Comment) > project.MaxIdea {
		return nil, fault.TooLarge("comment.too_large", "The comment has %d bytes, more than %d.", len(a.Comment), project.MaxIdea)
	}
	return views, nil
}

// checkPromises refuses a promise that is not due at a gate which will be decided
// after last, the last one that the decision covers.
func checkPromises(s *State, last *gate.View, list []Promise) error {
	for _, c := range list {
		due := s.Gate(c.Due)
		if due == nil || due.Position <= last.Position || due.Status == gate.Skipped || due.Status == gate.Approved {
			return fault.Invalid("condition.due", "A condition on %s must be due at a later gate that is not decided yet, not at %q.", last.Code, c.Due)
		}
		if reason := skipReason(s, due); reason != "" {
			return fault.Invalid("condition.due", "%s will be skipped: %s Name a gate that will be decided.", due.Code, reason)
		}
	}
	return nil
}

// authors are the people who asked for the change or changed its files themselves,
// for separation of duties.
func authors(s *State) []string { return append([]string{s.Change.CreatedBy}, s.editors...) }

// record writes the decisions, and once the quorum is reached moves head and
// gates.
func (f *Flow) record(ctx context.Context, tx *db.Tx, s *State, views []*gate.View, p *approved, a Approval) ([]gate.Decision, error) {
	if p.commit != "" {
		moved, err := project.MoveHead(ctx, tx, project.Move{Project: s.Project.ID, From: s.Project.Head, To: p.commit, Kind: "platform", Actor: project.Platform, Gate: views[0].Code})
		if err != nil {
			return nil, err
		}
		if !moved {
			return nil, fault.Conflict("head.moved", "The project's head moved while you decided. Look again.")
		}
	}
	for i := range p.decisions {
		d, v := &p.decisions[i], views[i]
		typ := "gate.approved"
		if p.commit == "" {
			typ, d.Tag = "gate.approval_counted", ""
		} else {
			d.Commit = p.commit
			if err := gate.Move(ctx, tx, &v.Gate, gate.Update{From: gate.InReview, To: gate.Approved, Decided: true}); err != nil {
				return nil, err
			}
		}
		if err := f.choose(ctx, tx, s, d); err != nil {
			return nil, err
		}
		e, err := f.Record.Add(ctx, tx, s.Project.ID, p.by.Actor, typ, map[string]any{
			"change": s.Change.Number, "gate": v.Code, "decision": d.ID, "method": d.Method, "comment": d.Comment, "head": d.Head,
			"commit": d.Commit, "tag": d.Tag, "documents": d.DocumentDigest, "work": d.WorkDigest, "design": d.Design, "required": requiredTypes(v),
		})
		if err != nil {
			return nil, err
		}
		d.EventSeq, d.EventHash = e.Seq, e.Hash
		if err := gate.Record(ctx, tx, d); err != nil {
			return nil, err
		}
	}
	last := p.decisions[len(p.decisions)-1]
	for _, c := range a.Conditions {
		promise := gate.Condition{Change: s.Change.ID, Decision: last.ID, Origin: last.Code, Due: c.Due, Text: c.Text, Owner: c.Owner}
		if err := gate.Promise(ctx, tx, &promise); err != nil {
			return nil, err
		}
		if err := f.log(ctx, tx, s, "condition.promised", map[string]any{"gate": last.Code, "condition": promise.ID, "due": c.Due, "text": c.Text, "owner": c.Owner}); err != nil {
			return nil, err
		}
	}
	return p.decisions, f.after(ctx, tx, s.Project.ID)
}

func (f *Flow) choose(ctx context.Context, tx *db.Tx, s *State, d *gate.Decision) error {
	if d.Design == "" {
		return nil
	}
	if err := project.SelectDesign(ctx, tx, s.Change.ID, d.Design); err != nil {
		return err
	}
	return f.log(ctx, tx, s, "design.selected", map[string]any{"gate": d.Code, "design": d.Design})
}

// after inserts what follows every decision: flow looks again, and refs and
// tags follow.
func (f *Flow) after(ctx context.Context, tx *db.Tx, projectID string) error {
	if err := f.Queue.Insert(ctx, tx, project.Advance{Project: projectID}, job.Unique()); err != nil {
		return err
	}
	return f.Queue.Insert(ctx, tx, Publication{Project: projectID}, job.Unique())
}

// Reject sends a gate, or an earlier one, back with a comment from which the
// rework is planned. target empty means the gate itself. Work under way on the
// gates in between is cancelled; approvals in between stand while what they
// approved stays as it was.
func (f *Flow) Reject(ctx context.Context, by gate.Decider, projectID, code, target, comment string) error {
	return f.RejectSeen(ctx, by, projectID, code, target, comment, nil)
}

// RejectSeen is Reject of what was looked at: when the gate or the head is another by
// then, it is a conflict with CodeGateChanged.
func (f *Flow) RejectSeen(ctx context.Context, by gate.Decider, projectID, code, target, comment string, seen *Seen) error {
	if target == "" {
		target = code
	}
	return f.sendBackTo(ctx, by, projectID, gate.Reject, code, target, comment, seen)
}

// Reopen takes the decision on an approved gate back; its rework is planned
// from the comment.
func (f *Flow) Reopen(ctx context.Context, by gate.Decider, projectID, code, comment string) error {
	return f.ReopenSeen(ctx, by, projectID, code, comment, nil)
}

// ReopenSeen is Reopen of what was looked at, like RejectSeen.
func (f *Flow) ReopenSeen(ctx context.Context, by gate.Decider, projectID, code, comment string, seen *Seen) error {
	return f.sendBackTo(ctx, by, projectID, gate.Reopen, code, code, comment, seen)
}

func (f *Flow) sendBackTo(ctx context.Context, by gate.Decider, projectID, kind, code, target, comment string, seen *Seen) error {
	if err := project.CheckIdea("comment", comment); err != nil {
		return err
	}
	return f.change(ctx, projectID, func(ctx context.Context, tx *db.Tx, s *State) error {
		v, to, err := returnable(s, by, kind, code, target)
		if err != nil {
			return err
		}
		if !seen.Of(s, v) {
			return errChanged(code)
		}
		id := db.NewID("dec")
		comment, err := review(ctx, tx, s, id, comment)
		if err != nil {
			return err
		}
		d := gate.Decision{
			ID: id, Project: projectID, Change: s.Change.ID, Gate: v.ID, Code: v.Code, Kind: kind, Target: to.Code, Method: by.Method,
			Actor: by.Actor.String(), Comment: comment, Head: s.Project.Head, DocumentDigest: v.DocumentDigest,
			WorkDigest: v.WorkDigest, Round: v.Round, At: db.Now(),
		}
		typ := map[string]string{gate.Reject: "gate.rejected", gate.Reopen: "gate.reopened"}[kind]
		e, err := f.Record.Add(ctx, tx, projectID, by.Actor, typ, map[string]any{
			"change": s.Change.Number, "gate": v.Code, "target": to.Code, "decision": d.ID, "method": d.Method, "comment": comment,
		})
		if err != nil {
			return err
		}
		d.EventSeq, d.EventHash = e.Seq, e.Hash
		if err := gate.Record(ctx, tx, &d); err != nil {
			return err
		}
		return f.unwind(ctx, tx, s, to, by.Actor)
	})
}

// returnable says whether by may send target back from code.
func returnable(s *State, by gate.Decider, kind, code, target string) (v, to *gate.View, err error) {
	v, to = s.Gate(code), s.Gate(target)
	if v == nil || to == nil {
		return nil, nil, fault.NotFound("gate.not_found", "There is no gate %s or %s. The gates are G0 to G9.", code, target)
	}
	if err := gate.MayDecide(by, v.Gate, v.Spec.Approval, nil); err != nil {
		return nil, nil, err
	}
	switch {
	case s.Change.Status != project.ChangeOpen:
		return nil, nil, fault.Conflict("change.ended", "Change %d has ended; its gates are decided. Begin a new change.", s.Change.Number)
	case to.Position > v.Position:
		return nil, nil, fault.Invalid("gate.target", "%s comes after %s. A gate is sent back to itself or to an earlier one.", target, code)
	case len(to.Spec.Agents) == 0:
		return nil, nil, fault.Invalid("gate.target", "%s has no work that could be done again. Send %s back to another gate.", target, code)
	case to.Status == gate.Skipped:
		return nil, nil, fault.Conflict("gate.skipped", "%s is skipped: %s.", target, to.Reason)
	case kind == gate.Reopen && v.Status != gate.Approved:
		return nil, nil, fault.Conflict("gate.state", "%s is %s; only an approved gate can be reopened.", code, v.Status)
	case kind == gate.Reject && v.Status != gate.InReview && v.Status != gate.Pending:
		return nil, nil, fault.Conflict("gate.decided", "%s is %s; only a gate at work or in review can be rejected. Reopen an approved one.", code, v.Status)
	}
	return v, to, nil
}

// unwind rejects to and puts the unsettled gates after it back. Where work had
// begun it is done again when the turn of that gate comes, because what it was
// done for may be another then.
func (f *Flow) unwind(ctx context.Context, tx *db.Tx, s *State, to *gate.View, by event.Actor) error {
	for i := range s.Gates {
		v := &s.Gates[i]
		if v.Position < to.Position || v.Position > to.Position && v.Status != gate.Pending && v.Status != gate.InReview {
			continue
		}
		u := gate.Update{To: gate.Blocked, Stale: v.Stale, Reason: to.Code + " was sent back", NewRound: v.Worked()}
		if v.Code == to.Code {
			u = gate.Update{To: gate.Rejected, Decided: true}
		}
		if err := f.putBack(ctx, tx, s, v, u, to.Code+" was sent back", by); err != nil {
			return err
		}
	}
	return nil
}

// putBack ends what is under way at v and moves the gate.
func (f *Flow) putBack(ctx context.Context, tx *db.Tx, s *State, v *gate.View, u gate.Update, reason string, by event.Actor) error {
	gates := []string{v.Code}
	cancelled, err := project.CancelTasks(ctx, tx, s.Change.ID, gates, reason)
	if err != nil {
		return err
	}
	if err := f.cancelRuns(ctx, tx, s, cancelled); err != nil {
		return err
	}
	if err := project.WithdrawQuestions(ctx, tx, s.Change.ID, gates); err != nil {
		return err
	}
	if err := project.CloseBlockers(ctx, tx, s.Change.ID, gates, reason, by); err != nil {
		return err
	}
	u.From = v.Status
	return gate.Move(ctx, tx, &v.Gate, u)
}
