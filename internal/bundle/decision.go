package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/repo"
)

// place is where a project's repository lies, and where its logs do.
type place struct {
	git   *repo.Repo
	head  string // the commit that is checked out, or the project's head
	tags  map[string]repo.Tag
	later bool // tags may follow later, as they do in a data folder
	log   func(ctx context.Context, sum string) ([]byte, error)
}

// approvals checks every decision of a history.
func (p *place) approvals(ctx context.Context, h *history, opt Options, r *Report) error {
	for _, d := range h.approvals {
		if err := checkDecision(d, opt); err != nil {
			return err
		}
		if err := p.anchor(d); err != nil {
			return err
		}
		if err := p.recorded(ctx, d); err != nil {
			return err
		}
		st, err := p.statement(ctx, d)
		if err != nil {
			return err
		}
		if err := p.checkStatement(ctx, st, d, h); err != nil {
			return err
		}
		r.holds("%s was decided by %s (%s) on %s with all its evidence%s", d, d.event.Actor.ID, d.Method, short(d.Head), aside(st))
	}
	for _, name := range slices.Sorted(maps.Keys(p.tags)) {
		if strings.Contains("/"+name, "/gate/") && !slices.ContainsFunc(h.approvals, func(d decided) bool { return d.Tag == name }) {
			return broken("the tag %s marks a decision of which the events know nothing: the log was cut off or the tag was forged", name)
		}
	}
	return nil
}

// aside names the proofs that waivers set aside.
func aside(st flow.Statement) string {
	var out []string
	for _, typ := range st.Required {
		if !passes(st, typ) {
			out = append(out, typ)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return ", but for " + strings.Join(out, ", ") + ", set aside by a waiver"
}

// checkDecision holds a decision against its event.
func checkDecision(d decided, opt Options) error {
	if d.event.Actor.Kind != event.Person {
		return broken("%s was approved by %s %s, not by a person (event %d)", d, d.event.Actor.Kind, d.event.Actor.ID, d.event.Seq)
	}
	if d.Method != gate.Session && d.Method != gate.Terminal && d.Method != gate.Delegated {
		return broken("%s was approved by the unknown method %q (event %d)", d, d.Method, d.event.Seq)
	}
	if opt.RequireHuman && d.Method == gate.Delegated {
		return broken("%s was AUTO-APPROVED in the name of %s; a human has to decide it", d, d.event.Actor.ID)
	}
	if want := flow.TagName(d.Change, d.Gate, d.nth); d.Tag != want {
		return broken("%s was decided under the tag %s (event %d), and its tag has to be %s", d, d.Tag, d.event.Seq, want)
	}
	return nil
}

// anchor checks the tag of a decision, which names its event.
func (p *place) anchor(d decided) error {
	tag, ok := p.tags[d.Tag]
	switch {
	case !ok && p.later:
		return nil
	case !ok:
		return broken("%s was decided, but the tag %s is missing. Fetch the tags too, or get the repository again.", d, d.Tag)
	case tag.Commit != d.Commit:
		return broken("the tag %s is on %s, the decision was recorded on %s", d.Tag, short(tag.Commit), short(d.Commit))
	case !anchored(tag.Message, d.event):
		return broken("the tag %s does not name event %d: the log or the tag was rewritten", d.Tag, d.event.Seq)
	}
	return nil
}

// anchored reports whether a tag's message names the decision's event.
func anchored(message string, e event.Event) bool {
	want := fmt.Sprintf("Event: %d %s", e.Seq, e.Hash)
	for _, line := range strings.Split(message, "\n") {
		if strings.TrimSpace(line) == want {
			return true
		}
	}
	return false
}

// recorded checks that the commit of a decision is part of the history that is
// there, and adds nothing but evidence to what was decided on.
func (p *place) recorded(ctx context.Context, d decided) error {
	for _, id := range []string{d.Head, d.Commit} {
		if _, err := p.git.Files(ctx, id); err != nil {
			return found(err, "%s was decided on %s, and that commit cannot be read: %s", d, short(id), fault.Public(err))
		}
	}
	if within, err := p.git.IsAncestor(ctx, d.Commit, p.head); err != nil {
		return damaged(err)
	} else if !within {
		return broken("%s was recorded on %s, which is not in the history of %s. Check out the branch main.", d, short(d.Commit), short(p.head))
	}
	path, err := p.beyond(ctx, d.Head, d.Commit)
	if err != nil {
		return err
	}
	if path != "" {
		return broken("the commit %s, which records the decision on %s, also changes %s, which nobody looked at", short(d.Commit), d, path)
	}
	return nil
}

// beyond returns the first path outside the evidence that differs between two
// commits, "" when there is none.
func (p *place) beyond(ctx context.Context, from, to string) (string, error) {
	changed, err := p.git.Changed(ctx, from, to)
	if err != nil {
		return "", found(err, "the commits %s and %s cannot be compared: %s", short(from), short(to), fault.Public(err))
	}
	for _, path := range changed {
		if !strings.HasPrefix(path, flow.EvidenceRoot+"/") {
			return path, nil
		}
	}
	return "", nil
}

// covered checks that the head holds what the last decision was made on, and
// nothing that came later but evidence.
func (p *place) covered(ctx context.Context, h *history, r *Report) error {
	last := h.approvals[len(h.approvals)-1]
	base, what := last.Commit, fmt.Sprintf("%s, the last gate that was decided", last)
	if h.last.completed {
		path, err := p.beyond(ctx, last.Commit, h.last.head)
		switch {
		case err != nil:
			return err
		case path != "" && len(h.last.aside) == 0:
			return broken("%s is not what %s, was decided on, though the change was completed with it", path, what)
		case path != "":
			r.holds("change %d was completed with later work on %s and perhaps more, because waivers had set %s aside", h.last.number, path, strings.Join(h.last.aside, ", "))
		}
		base, what = h.last.head, fmt.Sprintf("change %d was completed with", h.last.number)
	}
	path, err := p.beyond(ctx, base, p.head)
	switch {
	case err != nil:
		return err
	case path != "" && h.last.completed:
		return broken("%s at %s is not what %s: nobody approved it. Go back to the commit before, or take it through the gates as a further change.", path, short(p.head), what)
	case path != "":
		return broken("%s at %s is not what %s, was decided on: nobody approved it. Go back to the commit before, or carry the change on through its gates.", path, short(p.head), what)
	}
	r.holds("%s holds what was decided on, and nothing else but evidence", short(p.head))
	return nil
}

// statement reads what a decision rests on, which the commit that records it
// holds and no later one may change.
func (p *place) statement(ctx context.Context, d decided) (st flow.Statement, err error) {
	path := flow.StatementPath(d.Change, d.Gate, d.nth)
	then, err := p.git.Read(ctx, d.Commit, path)
	if err != nil {
		return st, found(err, "%s carries no %s", short(d.Commit), path)
	}
	now, err := p.git.Read(ctx, p.head, path)
	if err != nil && !repo.About(err) {
		return st, err
	}
	if err != nil || !bytes.Equal(now, then) {
		return st, broken("%s was changed since %s was decided", path, d)
	}
	if err := json.Unmarshal(then, &st); err != nil {
		return st, broken("%s cannot be read", path)
	}
	return st, nil
}

// checkStatement holds a statement against the decision's event, its proofs
// against theirs, and its documents against the commit.
func (p *place) checkStatement(ctx context.Context, st flow.Statement, d decided, h *history) error {
	where := "the statement of " + d.String()
	switch {
	case st.Project != h.project || st.Change != d.Change || st.Gate != d.Gate || st.Decision.Code != d.Gate:
		return broken("%s speaks of another gate", where)
	case st.Decision.ID != d.Decision:
		return broken("%s speaks of another decision than event %d", where, d.event.Seq)
	case st.Decision.Method != d.Method || st.AutoApproved != (d.Method == gate.Delegated):
		return broken("%s names another method than event %d", where, d.event.Seq)
	case st.Decision.Head != d.Head || st.Decision.DocumentDigest != d.Documents || st.Decision.WorkDigest != d.Work:
		return broken("%s saw something else than event %d says", where, d.event.Seq)
	case st.Decision.Actor != d.event.Actor.String():
		return broken("%s names another person than event %d", where, d.event.Seq)
	case d.Required == nil || !slices.Equal(st.Required, d.Required):
		return broken("%s asks for other proofs than event %d", where, d.event.Seq)
	}
	for _, w := range st.Waivers {
		if g, ok := d.waivers[w.ID]; !ok || w.Code != d.Gate || g.Rule != w.Rule || g.Subject != w.Subject {
			return broken("%s rests on the waiver %s, which no event granted", where, w.ID)
		}
	}
	for _, typ := range d.Required {
		if !passes(st, typ) && !waived(st, typ) {
			return broken("%s carries no passing %s, which %s asks for", where, typ, d.Gate)
		}
	}
	for _, e := range st.Proofs {
		if err := p.checkEvidence(ctx, where, st, e, d, h); err != nil {
			return err
		}
	}
	return p.certified(ctx, st, d)
}

func passes(st flow.Statement, typ string) bool {
	return slices.ContainsFunc(st.Proofs, func(e flow.Evidence) bool { return e.Type == typ && e.Verdict == "pass" })
}

func waived(st flow.Statement, typ string) bool {
	return slices.ContainsFunc(st.Waivers, func(w gate.Waiver) bool {
		return w.Rule == "proof" && (w.Subject == "" || w.Subject == typ)
	})
}

func (p *place) checkEvidence(ctx context.Context, where string, st flow.Statement, e flow.Evidence, d decided, h *history) error {
	f, ok := h.proofs[e.ID]
	switch {
	case !ok || f.seq > d.event.Seq:
		return broken("%s carries %s %s, of which the events before it know nothing", where, e.Type, e.ID)
	case f.Change != d.Change || f.Gate != d.Gate:
		return broken("%s carries %s %s, which was obtained for %s of change %d", where, e.Type, e.ID, f.Gate, f.Change)
	case !f.says(finished{Type: e.Type, Commit: e.Commit, Verdict: e.Verdict, Reason: e.Reason, Figures: e.Figures, LogSHA256: e.LogSHA256, Isolation: e.Isolation, Inputs: e.InputsDigest, Release: e.Release, source: e.Source}):
		return broken("%s says something else of %s than its event", where, e.Type)
	case e.Verdict != "pass" && !waived(st, e.Type):
		return broken("%s rests on %s with the verdict %s", where, e.Type, e.Verdict)
	case e.Source == "person" && e.LogSHA256 == "" && e.Log == "":
		return nil
	case e.Verdict == "pass" && !isolated(e.Isolation):
		return broken("%s rests on %s without isolation", where, e.Type)
	case e.LogSHA256 == "" && e.Verdict == "pass":
		return broken("%s rests on %s without a log", where, e.Type)
	case e.LogSHA256 == "":
		return nil
	case e.Log != logPath(e.LogSHA256):
		return broken("%s names another log of %s than its event", where, e.Type)
	}
	log, err := p.log(ctx, e.LogSHA256)
	if err != nil {
		return found(err, "%s rests on %s, whose log %s cannot be read. Get it again from where it came from.", where, e.Type, e.LogSHA256)
	}
	if got := sum(log); got != e.LogSHA256 {
		return broken("the log of %s at %s was changed: its SHA-256 is %s, not %s", e.Type, st.Gate, got, e.LogSHA256)
	}
	return nil
}

// says reports whether an event and a copy of it elsewhere say the same. What a
// person confirmed has no inputs, log, figures or isolation.
func (f finished) says(o finished) bool {
	same := f.Type == o.Type && f.Commit == o.Commit && f.Verdict == o.Verdict && f.Reason == o.Reason && f.Release == o.Release && f.source == o.source
	if f.source == "person" {
		return same
	}
	return same && maps.Equal(f.Figures, o.Figures) && f.LogSHA256 == o.LogSHA256 && f.Isolation == o.Isolation && f.Inputs == o.Inputs
}

// isolated refuses what ran without walls around it, whatever it found.
func isolated(isolation string) bool {
	return isolation != "" && isolation != "none" && isolation != "host"
}

// certified checks that the commit holds what the decision saw.
func (p *place) certified(ctx context.Context, st flow.Statement, d decided) error {
	files, err := p.git.Files(ctx, d.Commit)
	if err != nil {
		return err
	}
	blobs := make(map[string]string, len(files))
	for _, f := range files {
		blobs[f.Path] = f.Blob
	}
	for _, c := range st.Deliverables {
		if c.Blob == "" || blobs[c.Path] != c.Blob {
			return broken("%s at %s is not what was decided on", c.Path, d)
		}
	}
	return nil
}

// readEvents reads a repository's copy of the event log and checks its chain
// against the head beside it. get returns a file of the repository.
func readEvents(get func(path string) ([]byte, error)) ([]event.Event, error) {
	const headFile, eventsFile = flow.EvidenceRoot + "/head.json", flow.EvidenceRoot + "/events.jsonl"
	var chain flow.Chain
	data, err := get(headFile)
	if err != nil {
		return nil, found(err, "the repository carries no %s, so it has no evidence", headFile)
	}
	if err := json.Unmarshal(data, &chain); err != nil || chain.Project == "" {
		return nil, broken("%s cannot be read, or names no project", headFile)
	}
	if data, err = get(eventsFile); err != nil {
		return nil, found(err, "the repository carries no %s that can be read", eventsFile)
	}
	var events []event.Event
	for line := range bytes.Lines(data) {
		var e event.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, broken("event %d of %s cannot be read", len(events)+1, eventsFile)
		}
		if e.Project != chain.Project {
			return nil, broken("event %d belongs to another project", e.Seq)
		}
		events = append(events, e)
	}
	if err := event.VerifyList(events, chain.Seq, chain.Hash); err != nil {
		return nil, broken("%s", fault.Public(err))
	}
	return events, nil
}

func logPath(sum string) string { return flow.EvidenceRoot + "/logs/" + sum + ".log" }

func short(commit string) string { return commit[:min(len(commit), 12)] }

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// damaged makes a claim of what git says of a repository.
func damaged(err error) error {
	if f, ok := fault.As(err); ok {
		return found(err, "git finds the repository damaged: %s", f.Message)
	}
	return found(err, "git finds the repository damaged. Get it again from where it came from, or from a backup.")
}
