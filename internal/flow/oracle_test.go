package flow_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/document"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/run"
)

// This file is a second opinion on the rules: it says from the rows and the
// files alone whether a gate may be approved. It shares no rule with package
// gate or flow; where the two disagree, one of them is wrong.

// rows is all that the database says of the newest change.
type rows struct {
	at         time.Time
	project    project.Project
	change     project.Change
	blueprint  *blueprint.Blueprint
	facts      map[string]bool
	gates      []gate.Gate
	tasks      []project.Task
	runs       []run.Run
	questions  []project.Question
	blockers   []project.Blocker
	designs    []project.Design
	decisions  []gate.Decision
	carries    []gate.Carry
	conditions []gate.Condition
	waivers    []gate.Waiver
	proofs     []proof.Row

	files map[string]map[string]string // blob by path, by commit
	tree  *tree
}

var parsed sync.Map // blueprint by text

func parse(text string) (*blueprint.Blueprint, error) {
	if b, ok := parsed.Load(text); ok {
		return b.(*blueprint.Blueprint), nil //nolint:errcheck // nothing else is stored
	}
	b, err := blueprint.Parse([]byte(text))
	if err == nil {
		parsed.Store(text, b)
	}
	return b, err
}

// load reads everything of the newest change.
func (w *world) load() (*rows, error) {
	s := &rows{at: time.Now(), files: map[string]map[string]string{}, tree: w.tree}
	err := w.db.Read(w.ctx, func(ctx context.Context, tx *db.Tx) error {
		var err error
		if s.project, err = project.Get(ctx, tx, w.project); err != nil {
			return err
		}
		if s.change, err = project.LatestChange(ctx, tx, w.project); err != nil {
			return err
		}
		c := s.change.ID
		for _, step := range []func() error{
			func() (err error) { s.gates, err = gate.List(ctx, tx, c); return },
			func() (err error) { s.tasks, err = project.Tasks(ctx, tx, c); return },
			func() (err error) { s.runs, err = run.List(ctx, tx, c); return },
			func() (err error) { s.questions, err = project.Questions(ctx, tx, c); return },
			func() (err error) { s.blockers, err = project.Blockers(ctx, tx, c); return },
			func() (err error) { s.designs, err = project.Designs(ctx, tx, c); return },
			func() (err error) { s.decisions, err = gate.Decisions(ctx, tx, c); return },
			func() (err error) { s.carries, err = gate.Carries(ctx, tx, c); return },
			func() (err error) { s.conditions, err = gate.Conditions(ctx, tx, c); return },
			func() (err error) { s.waivers, err = gate.Waivers(ctx, tx, c); return },
			func() (err error) { s.proofs, err = proof.History(ctx, tx, c); return },
		} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if s.blueprint, err = parse(s.change.Blueprint); err != nil {
		return nil, err
	}
	s.facts = s.factsAt()
	return s, nil
}

func (w *world) rows() *rows {
	w.Helper()
	s, err := w.load()
	w.must(err)
	return s
}

// factsAt are the facts of the product at the head.
func (s *rows) factsAt() map[string]bool {
	var list []repo.File
	s.tree.mu.Lock()
	list = s.tree.commits[s.project.Head]
	s.tree.mu.Unlock()
	facts := proof.Facts(list, func(path string) ([]byte, error) {
		return s.tree.Read(context.Background(), s.project.ID, s.project.Head, path)
	})
	facts["ui"] = facts["ui"] && s.project.HasUI
	facts["no_ui"] = !facts["ui"]
	facts["ml"] = s.project.Type == "ai_ml" || s.project.Type == "hybrid"
	facts["fast_track"] = s.change.Fast
	facts["mode_"+s.project.Mode] = true
	return facts
}

// at returns the blobs of a commit by path.
func (s *rows) filesAt(commit string) map[string]string {
	if f, ok := s.files[commit]; ok {
		return f
	}
	s.tree.mu.Lock()
	defer s.tree.mu.Unlock()
	out := map[string]string{}
	for _, f := range s.tree.commits[commit] {
		out[f.Path] = f.Blob
	}
	s.files[commit] = out
	return out
}

// same reports whether two commits agree on every path that counts.
func (s *rows) same(a, b string, counts func(path string) bool) bool {
	x, y := s.filesAt(a), s.filesAt(b)
	for path, blob := range x {
		if y[path] != blob && counts(path) {
			return false
		}
	}
	for path := range y {
		if _, ok := x[path]; !ok && counts(path) {
			return false
		}
	}
	return true
}

var globs sync.Map // regular expression by pattern

// glob turns a path pattern into a regular expression.
func glob(pattern string) *regexp.Regexp {
	if r, ok := globs.Load(pattern); ok {
		return r.(*regexp.Regexp) //nolint:errcheck // nothing else is stored
	}
	var b strings.Builder
	b.WriteString("^")
	for i := 0; i < len(pattern); i++ {
		switch rest := pattern[i:]; {
		case strings.HasPrefix(rest, "**/"):
			b.WriteString("(?:[^/]+/)*")
			i += 2
		case strings.HasPrefix(rest, "/**") && len(rest) == 3:
			b.WriteString("(?:/.*)?")
			i += 2
		case strings.HasPrefix(rest, "**"):
			b.WriteString(".*")
			i++
		case rest[0] == '*':
			b.WriteString("[^/]*")
		case rest[0] == '?':
			b.WriteString("[^/]")
		case rest[0] == '{':
			b.WriteString("(?:")
		case rest[0] == '}':
			b.WriteString(")")
		case rest[0] == ',':
			b.WriteString("|")
		default:
			b.WriteString(regexp.QuoteMeta(rest[:1]))
		}
	}
	b.WriteString("$")
	r := regexp.MustCompile(b.String())
	globs.Store(pattern, r)
	return r
}

// looksAt reports whether a proof type looks at a path.
func (s *rows) looksAt(typ, path string) bool {
	found := false
	for _, p := range s.blueprint.Proofs[typ].Inputs {
		if out, ok := strings.CutPrefix(p, "!"); ok {
			if glob(out).MatchString(path) {
				return false
			}
			continue
		}
		found = found || glob(p).MatchString(path)
	}
	return found
}

// released reports whether a path is part of what G8 releases: everything but
// the evidence and what G9 owes.
func (s *rows) released(path string) bool {
	return !strings.HasPrefix(path, ".layercake/evidence/") && !slices.ContainsFunc(s.spec("G9").Deliverables, func(d blueprint.Deliverable) bool {
		return glob(d.Path).MatchString(path)
	})
}

// holds is the meaning of a blueprint's condition.
func (s *rows) holds(when string) bool {
	for _, word := range strings.Split(when, " and ") {
		word = strings.TrimSpace(word)
		if fact, not := strings.CutPrefix(word, "!"); word != "" && s.facts[fact] == not {
			return false
		}
	}
	return true
}

func (s *rows) spec(code string) blueprint.Gate {
	for _, g := range s.blueprint.Gates {
		if g.Code == code {
			return g
		}
	}
	return blueprint.Gate{}
}

func (s *rows) gate(code string) gate.Gate {
	for _, g := range s.gates {
		if g.Code == code {
			return g
		}
	}
	return gate.Gate{}
}

func (s *rows) waived(code, rule, subject string) bool {
	return slices.ContainsFunc(s.waivers, func(w gate.Waiver) bool {
		return w.Code == code && w.Rule == rule && (w.Subject == "" || w.Subject == subject) && w.Status == "open" && w.ExpiresAt.After(s.at)
	})
}

// approval is the newest word that approved a gate.
func (s *rows) approval(code string) *gate.Decision {
	for i := len(s.decisions) - 1; i >= 0; i-- {
		if d := &s.decisions[i]; d.Code == code && d.Kind == "approve" && d.Commit != "" {
			return d
		}
	}
	return nil
}

// fresh reports whether an approval still covers what is at the head: the
// documents as they were decided, the work as it was decided or carried forward.
func (s *rows) fresh(code string) bool {
	d := s.approval(code)
	if d == nil {
		return false
	}
	spec, head, seen := s.spec(code), s.project.Head, d.Head
	for _, c := range s.carries {
		if c.Decision == d.ID {
			seen = c.Head
		}
	}
	var documents, work []string
	documents = append(documents, spec.Inputs...)
	for _, o := range spec.Deliverables {
		if o.Carried {
			work = append(work, o.Path)
		} else {
			documents = append(documents, o.Path)
		}
	}
	match := func(patterns []string, path string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return glob(p).MatchString(path) })
	}
	if !s.same(d.Head, head, func(path string) bool { return match(documents, path) }) {
		return false
	}
	if code == "G8" || code == "G9" {
		return s.same(seen, head, s.released)
	}
	return s.same(seen, head, func(path string) bool {
		if match(work, path) {
			return true
		}
		return slices.ContainsFunc(spec.Proofs, func(p blueprint.RequiredProof) bool { return s.holds(p.When) && s.looksAt(p.Type, path) })
	})
}

// objections lists everything that speaks against approving the gates codes
// together, now, by a person of this role.
func (s *rows) objections(codes []string, by gate.Decider) (out []string) {
	say := func(code, format string, args ...any) { out = append(out, code+": "+fmt.Sprintf(format, args...)) }
	if s.change.Status != "open" {
		say("change", "it is %s", s.change.Status)
	}
	if by.Actor.Kind != "person" || by.Actor.ID == "" || !slices.Contains([]gate.Method{"session", "terminal", "delegated"}, by.Method) {
		say("person", "%+v may not decide", by)
	}
	for _, code := range codes {
		g, spec := s.gate(code), s.spec(code)
		if g.Status != "IN_REVIEW" {
			say(code, "it is %s", g.Status)
		}
		if !slices.Contains(spec.Approval.Roles, by.Role) {
			say(code, "a %s may not decide it", by.Role)
		}
		if spec.Approval.SeparateAuthor && "person:"+by.Actor.ID == s.change.CreatedBy {
			say(code, "its author may not decide it")
		}
		s.earlier(code, codes, say)
		s.work(code, say)
		s.owed(code, say)
		for _, typ := range s.required(code) {
			if why := s.unproven(code, typ); why != "" && !s.waived(code, "proof", typ) {
				say(code, "%s %s", typ, why)
			} else if why == "" && typ == "coverage_report" && !s.waived(code, "coverage", typ) {
				if got, tier := s.newest(code, typ).Figure("coverage"), s.blueprint.Tiers[s.project.Tier]; got < float64(tier) {
					say(code, "coverage %v below %d", got, tier)
				}
			}
		}
		s.people(code, say)
	}
	return out
}

func (s *rows) earlier(code string, together []string, say func(code, format string, args ...any)) {
	for _, e := range s.gates {
		if e.Code == code {
			break
		}
		joined := e.Stop == s.gate(code).Stop && e.Status == "IN_REVIEW" && slices.Contains(together, e.Code)
		fine := e.Status == "SKIPPED" || e.Status == "APPROVED" && !e.Stale && s.fresh(e.Code)
		if !fine && !joined && !s.waived(e.Code, "gate", e.Code) {
			say(code, "%s before it is %s stale=%v fresh=%v", e.Code, e.Status, e.Stale, s.fresh(e.Code))
		}
	}
	if code == "G8" && s.project.Mode == "undetermined" {
		say(code, "nobody has said where it goes live")
	}
}

func (s *rows) work(code string, say func(code, format string, args ...any)) {
	g, any := s.gate(code), false
	for _, t := range s.tasks {
		if t.Gate != code {
			continue
		}
		any = any || t.Round == g.Round
		if t.Status == "open" || t.Status == "running" {
			say(code, "the %s is at work", t.Role)
		}
	}
	if agents := s.spec(code).AgentsFor(s.facts, s.project.Type); g.Round == 1 && !any && len(agents) > 0 {
		say(code, "nobody has worked on it")
	}
}

func (s *rows) owed(code string, say func(code, format string, args ...any)) {
	designs := false
	for _, d := range s.spec(code).Deliverables {
		if !s.holds(d.When) {
			continue
		}
		designs = designs || d.Kind == "design"
		found, wrong := 0, 0
		for path, blob := range s.filesAt(s.project.Head) {
			if glob(d.Path).MatchString(path) {
				found++
				wrong += len(document.Validate(d.Kind, path, d.Sections, s.tree.blobs[blob]))
			}
		}
		if (found < d.Min || wrong > 0) && !s.waived(code, "deliverable", d.Name) {
			say(code, "%s: %d files of %d, %d problems", d.Name, found, d.Min, wrong)
		}
	}
	if designs && len(s.designs) == 0 {
		say(code, "no design can be chosen")
	}
}

// required lists the types of proof that a gate needs; the release needs those
// of G5 to G7 again.
func (s *rows) required(code string) (out []string) {
	from := []string{code}
	if code == "G8" {
		from = []string{"G8", "G5", "G6", "G7"}
	}
	for _, c := range from {
		for _, p := range s.spec(c).Proofs {
			if s.holds(p.When) && !slices.Contains(out, p.Type) && (c == code || p.Type != "manual_verification") {
				out = append(out, p.Type)
			}
		}
	}
	return out
}

// newest is the proof of a gate that ended last and counts: it saw the inputs
// that are there now, for a release the release commit.
func (s *rows) newest(code, typ string) *proof.Row {
	release := code == "G8" || code == "G9"
	var out *proof.Row
	for i := range s.proofs {
		p := &s.proofs[i]
		if p.Gate != code || p.Type != typ || p.Status != "done" || p.Release != release {
			continue
		}
		// What G9 writes is no part of the release; that of the gates before is proved
		// again when it is among their inputs.
		counts := p.Commit == s.change.ReleaseCommit
		if !release {
			counts = s.same(p.Commit, s.project.Head, func(path string) bool { return s.looksAt(typ, path) })
		}
		if !counts {
			continue
		}
		if out == nil || !p.EndedAt.Before(out.EndedAt.Time) {
			out = p
		}
	}
	return out
}

// unproven says why a required proof does not count, "" when it does.
func (s *rows) unproven(code, typ string) string {
	if (code == "G8" || code == "G9") && (s.change.ReleaseCommit == "" || !s.same(s.change.ReleaseCommit, s.project.Head, s.released)) {
		return "speaks of a release that is not the head"
	}
	p := s.newest(code, typ)
	switch {
	case p == nil:
		return "was not obtained"
	case p.Verdict != "pass":
		return "is " + string(p.Verdict)
	case typ == "manual_verification" && (p.Source != "person" || !strings.HasPrefix(p.AskedBy, "person:")):
		return "was not given by a person"
	case typ != "manual_verification" && (p.Source != "platform" || p.LogKey == ""):
		return "is not the platform's"
	}
	return ""
}

func (s *rows) people(code string, say func(code, format string, args ...any)) {
	for _, q := range s.questions {
		if q.Gate == code && q.Blocking && q.Status == "open" {
			say(code, "a question is open: %s", q.Text)
		}
	}
	for _, b := range s.blockers {
		if b.Gate == code && b.Status == "open" && b.Severity == "critical" && !s.waived(code, "blocker", b.ID) {
			say(code, "a blocker is open: %s", b.Title)
		}
	}
	for _, c := range s.conditions {
		if c.Due == code && c.Status == "open" && !s.waived(code, "condition", c.ID) {
			say(code, "a promise is due: %s", c.Text)
		}
	}
}

// together lists the gates that one decision on code covers: those of its stop
// that are neither skipped nor set aside nor approved already.
func (s *rows) together(code string) (out []string) {
	at := s.gate(code)
	for _, g := range s.gates {
		open := g.Status != "SKIPPED" && g.Status != "APPROVED" && !s.waived(g.Code, "gate", g.Code)
		if g.Code == code || g.Stop == at.Stop && open {
			out = append(out, g.Code)
		}
	}
	return out
}
