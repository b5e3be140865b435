package flow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/document"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/repo"
)

// look is what the repository says at one head: read before the transaction, so
// that no process is started inside one.
type look struct {
	project   string
	change    string
	head      string
	release   string
	blueprint *blueprint.Blueprint
	files     []repo.File
	released  []repo.File // files of the release commit, nil while none is named
	facts     map[string]bool
	owed      map[string][]owedFile // by gate and name of the deliverable
	slow      []string

	match *matches
	memo  *memo
}

// owedFile is a file that a deliverable is made of, with what is wrong with it.
type owedFile struct {
	path     string
	problems []document.Problem
}

// of reports whether the look still shows what the rows speak of.
func (l *look) of(p project.Project, c project.Change) bool {
	return l.head == p.Head && l.change == c.ID
}

// fastPatterns are the paths that a change on the fast track may touch: text,
// style, documents, assets, and the tests that G6 asks for.
var fastPatterns = []string{
	"**/*_test.go", "**/*.test.{js,mjs,ts,tsx}",
	"**/*.{css,scss,md,txt,svg,png,jpg,jpeg,gif,webp,ico,woff,woff2}", "docs/**", "designs/**", ".layercake/**", "LICENSE",
}

func (f *Flow) look(ctx context.Context, projectID string) (*look, error) {
	l := &look{project: projectID, match: &f.matches, memo: &memo{seen: map[string]string{}}}
	var p project.Project
	var c project.Change
	err := f.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		var err error
		if p, err = project.Get(ctx, tx, projectID); err != nil {
			return err
		}
		c, err = project.LatestChange(ctx, tx, projectID)
		return err
	})
	if err != nil {
		return nil, err
	}
	l.head, l.change, l.release = p.Head, c.ID, c.ReleaseCommit
	key := strings.Join([]string{projectID, l.change, l.head, l.release}, "\x00")
	if seen := f.looks.get(key); seen != nil {
		return seen, nil
	}
	if l.blueprint, err = f.plans.get(c.Blueprint); err != nil {
		return nil, fmt.Errorf("read blueprint of change %s: %w", c.ID, err)
	}
	if l.files, err = f.Tree.Files(ctx, projectID, l.head); err != nil {
		return nil, fmt.Errorf("list files of %s: %w", projectID, err)
	}
	if l.release != "" {
		if l.released, err = f.Tree.Files(ctx, projectID, l.release); err != nil {
			return nil, fmt.Errorf("list files of release: %w", err)
		}
	}
	l.facts = proof.Facts(l.files, func(path string) ([]byte, error) { return f.Tree.Read(ctx, projectID, l.head, path) })
	if c.Fast && c.BaseCommit != "" {
		if l.slow, err = f.slowPaths(ctx, projectID, c.BaseCommit, l.head); err != nil {
			return nil, err
		}
	}
	if err := f.inspect(ctx, l); err != nil {
		return nil, err
	}
	f.looks.put(key, l)
	return l, nil
}

func (f *Flow) slowPaths(ctx context.Context, projectID, base, head string) ([]string, error) {
	changed, err := f.Tree.Changed(ctx, projectID, base, head)
	if err != nil {
		return nil, fmt.Errorf("compare with the base of the change: %w", err)
	}
	return slices.DeleteFunc(changed, func(p string) bool { return repo.Match(fastPatterns, p) }), nil
}

// inspect validates every file that a gate owes.
func (f *Flow) inspect(ctx context.Context, l *look) error {
	l.owed = map[string][]owedFile{}
	for _, g := range l.blueprint.Gates {
		for _, d := range g.Deliverables {
			var list []owedFile
			for _, file := range f.matches.of(l.files, []string{d.Path}) {
				found, err := f.seen.get(d, file, func() ([]byte, error) { return f.Tree.Read(ctx, l.project, l.head, file.Path) })
				if err != nil {
					return fmt.Errorf("read %s: %w", file.Path, err)
				}
				list = append(list, owedFile{file.Path, found})
			}
			l.owed[g.Code+"\x00"+d.Name+"\x00"+d.When] = list
		}
	}
	return nil
}

// problemCache remembers what validation said of a blob: the same bytes give
// the same problems.
type problemCache struct {
	mu   sync.Mutex
	seen map[string][]document.Problem
}

const maxSeen = 4096

func (c *problemCache) get(d blueprint.Deliverable, file repo.File, read func() ([]byte, error)) ([]document.Problem, error) {
	key := strings.Join(append([]string{d.Kind, file.Path, file.Blob}, d.Sections...), "\x00")
	c.mu.Lock()
	found, ok := c.seen[key]
	c.mu.Unlock()
	if ok {
		return found, nil
	}
	content, err := read()
	if err != nil {
		return nil, err
	}
	found = document.Validate(d.Kind, file.Path, d.Sections, content)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil || len(c.seen) > maxSeen {
		c.seen = map[string][]document.Problem{}
	}
	c.seen[key] = found
	return found, nil
}

// plans remembers parsed blueprints: every change keeps the text it began with,
// and flow looks at it again and again.
type plans struct {
	mu   sync.Mutex
	seen map[string]*blueprint.Blueprint
}

const maxPlans = 64

func (c *plans) get(text string) (*blueprint.Blueprint, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, ok := c.seen[text]; ok {
		return b, nil
	}
	b, err := blueprint.Parse([]byte(text))
	if err != nil {
		return nil, err
	}
	if c.seen == nil || len(c.seen) >= maxPlans {
		c.seen = map[string]*blueprint.Blueprint{}
	}
	c.seen[text] = b
	return b, nil
}

// rows is everything the database says of one change.
type rows struct {
	gates      []gate.Gate
	tasks      []project.Task
	questions  []project.Question
	blockers   []project.Blocker
	designs    []project.Design
	decisions  []gate.Decision
	carries    []gate.Carry
	conditions []gate.Condition
	waivers    []gate.Waiver
	proofs     []proof.Row
}

func loadRows(ctx context.Context, tx *db.Tx, changeID string) (r rows, err error) {
	steps := []func() error{
		func() (err error) { r.gates, err = gate.List(ctx, tx, changeID); return },
		func() (err error) { r.tasks, err = project.Tasks(ctx, tx, changeID); return },
		func() (err error) { r.questions, err = project.Questions(ctx, tx, changeID); return },
		func() (err error) { r.blockers, err = project.Blockers(ctx, tx, changeID); return },
		func() (err error) { r.designs, err = project.Designs(ctx, tx, changeID); return },
		func() (err error) { r.decisions, err = gate.Decisions(ctx, tx, changeID); return },
		func() (err error) { r.carries, err = gate.Carries(ctx, tx, changeID); return },
		func() (err error) { r.conditions, err = gate.Conditions(ctx, tx, changeID); return },
		func() (err error) { r.waivers, err = gate.Waivers(ctx, tx, changeID); return },
		func() (err error) { r.proofs, err = proof.Latest(ctx, tx, changeID); return },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return r, err
		}
	}
	return r, nil
}

// load puts rows and look together.
func (f *Flow) load(ctx context.Context, tx *db.Tx, l *look, p project.Project, c project.Change) (*State, error) {
	r, err := loadRows(ctx, tx, c.ID)
	if err != nil {
		return nil, err
	}
	if c.ReleaseCommit != l.release {
		// Named within this transaction: it is the head that was looked at.
		named := *l
		named.release, named.released = c.ReleaseCommit, l.files
		l = &named
	}
	return assemble(l, p, c, r, db.Now()), nil
}

func assemble(l *look, p project.Project, c project.Change, r rows, now db.Time) *State {
	s := &State{State: gate.State{Now: now.Time, Project: p, Change: c, Blueprint: l.blueprint, Facts: project.Facts(p, c, l.facts), Tier: l.blueprint.Tiers[p.Tier]}}
	if c.Fast {
		s.SlowPaths = l.slow
	}
	s.digests = func(typ string) string { return l.digest(l.head, l.blueprint.Proofs[typ].Inputs) }
	s.Releases = l.released != nil && releaseDigest(l, l.release) == releaseDigest(l, l.head)
	for _, g := range r.gates {
		spec, ok := l.blueprint.Gate(g.Code)
		if !ok {
			continue
		}
		v := gate.View{Gate: g, Spec: spec}
		v.Spec.Agents = spec.AgentsFor(s.Facts, p.Type)
		people(&v, r, now)
		v.Deliverables = deliverables(l, s.Facts, &spec)
		v.Required = required(l, s, &v, r)
		approval(l, s, &v, r)
		s.Gates = append(s.Gates, v)
	}
	return s
}

// people adds what persons and agents said about the gate.
func people(v *gate.View, r rows, now db.Time) {
	for _, t := range r.tasks {
		if t.Gate == v.Code {
			v.Tasks = append(v.Tasks, t)
		}
	}
	for _, q := range r.questions {
		if q.Gate == v.Code && q.Blocking && q.Status == "open" {
			v.Questions = append(v.Questions, q)
		}
	}
	for _, b := range r.blockers {
		switch {
		case b.Gate != v.Code:
		case b.Status == "open" && b.Severity == "critical":
			v.Blockers = append(v.Blockers, b)
		case b.Status == "resolved" && b.Kind != project.BlockerAgent && b.Kind != project.BlockerPerson:
			v.Resolved = append(v.Resolved, b)
		}
	}
	for _, c := range r.conditions {
		if c.Due == v.Code && c.Status == "open" {
			v.Conditions = append(v.Conditions, c)
		}
	}
	for _, w := range r.waivers {
		if w.Code == v.Code && w.InForce(now.Time) {
			v.Waivers = append(v.Waivers, w)
		}
	}
	v.Designs = r.designs
}

func deliverables(l *look, facts map[string]bool, spec *blueprint.Gate) []gate.Deliverable {
	var out []gate.Deliverable
	for _, d := range spec.Deliverables {
		if !l.blueprint.Holds(d.When, facts) {
			continue
		}
		o := gate.Deliverable{Deliverable: d, State: "ready"}
		for _, file := range l.owed[spec.Code+"\x00"+d.Name+"\x00"+d.When] {
			o.Paths = append(o.Paths, file.path)
			o.Problems = append(o.Problems, file.problems...)
		}
		switch {
		case len(o.Paths) < d.Min:
			o.State = "missing"
		case len(o.Problems) > 0:
			o.State = "invalid"
		}
		out = append(out, o)
	}
	return out
}

// required lists the proofs that a gate needs, with what there is of each. G8
// needs those of G5 to G7 again, on the release commit.
func required(l *look, s *State, v *gate.View, r rows) []gate.Required {
	var out []gate.Required
	for _, p := range v.Spec.Proofs {
		if !l.blueprint.Holds(p.When, s.Facts) {
			continue
		}
		out = append(out, evidence(s, v, r, gate.Required{Type: p.Type, Repair: p.Repair, Release: onRelease(v.Code)}))
	}
	if v.Code == "G8" {
		for _, typ := range l.blueprint.ReleaseProofs(s.Facts) {
			if !slices.ContainsFunc(out, func(o gate.Required) bool { return o.Type == typ }) {
				out = append(out, evidence(s, v, r, gate.Required{Type: typ, Repair: repairOf(l.blueprint, typ), Release: true}))
			}
		}
	}
	return out
}

// onRelease reports whether a gate's proofs speak of the release commit: G8
// names it, G9 deploys that commit and no other.
func onRelease(code string) bool { return code == "G8" || code == "G9" }

func repairOf(b *blueprint.Blueprint, typ string) string {
	for _, g := range b.Gates {
		for _, p := range g.Proofs {
			if p.Type == typ && p.Repair != "" {
				return p.Repair
			}
		}
	}
	return ""
}

// evidence finds the rows of one required proof. The newest finished one counts
// when it saw the inputs that are there now; a release proof when it looked at
// the release commit.
func evidence(s *State, v *gate.View, r rows, q gate.Required) gate.Required {
	digest := s.digests(q.Type)
	for i := range r.proofs {
		row := &r.proofs[i]
		if row.Gate != v.Code || row.Type != q.Type || row.Release != q.Release {
			continue
		}
		current := row.Inputs == digest
		if q.Release {
			current = s.Releases && row.Commit == s.Change.ReleaseCommit
		}
		switch {
		case row.Status != proof.Done && current:
			q.Pending = true
		case row.Status != proof.Done:
		case current:
			q.Last = row
		default:
			q.Older = row
		}
	}
	if q.Pending && q.Last != nil && q.Last.Verdict != proof.Pass {
		q.Last = nil // asked for again: the old verdict no longer counts
	}
	return q
}

// InputsDigest is the digest of the files that a proof of this type looks at.
func InputsDigest(b *blueprint.Blueprint, typ string, files []repo.File) string {
	return repo.Digest(files, b.Proofs[typ].Inputs)
}

// releaseDigest covers everything but what the platform itself and G9 write:
// the release commit stands for the head while it is the same for both.
func releaseDigest(l *look, commit string) string {
	patterns := []string{"**", "!" + EvidenceRoot + "/**"}
	if g, ok := l.blueprint.Gate("G9"); ok {
		for _, d := range g.Deliverables {
			patterns = append(patterns, "!"+d.Path)
		}
	}
	return l.digest(commit, patterns)
}

// approval adds the approval in force and what the gate looks like now.
func approval(l *look, s *State, v *gate.View, r rows) {
	v.DocumentDigest, v.WorkDigest = gateDigests(l, s.Facts, &v.Spec)
	if id := chosenBefore(s, v, r.designs); id != "" {
		v.DocumentDigest = fmt.Sprintf("%x", sha256.Sum256([]byte(v.DocumentDigest+"\n"+id)))
	}
	for i := range r.decisions {
		d := &r.decisions[i]
		if d.Code != v.Code || d.Kind != gate.Approve {
			continue
		}
		v.Approval, v.SeenWork = d, d.WorkDigest
		if d.Round == v.Round {
			v.Approvals++
		}
	}
	for _, c := range r.carries {
		if v.Approval != nil && c.Decision == v.Approval.ID {
			v.SeenWork = c.WorkDigest
		}
	}
}

// chosenBefore is the id of the design that was chosen at a stop before v, "" when
// there is none. What comes after a choice is approved for that choice.
func chosenBefore(s *State, v *gate.View, designs []project.Design) string {
	for i := range s.Gates {
		if e := &s.Gates[i]; e.Position < v.Position && e.Stop != v.Stop && e.Status != gate.Skipped && owesDesign(e) {
			for _, d := range designs {
				if d.Selected {
					return d.ID
				}
			}
		}
	}
	return ""
}

// gateDigests are the digest of the documents that a decision on a gate
// certifies word by word, and of the work whose machine proofs certify it:
// carried deliverables and the inputs of the required proofs. G8 and G9 certify
// everything that was released.
func gateDigests(l *look, facts map[string]bool, spec *blueprint.Gate) (documents, work string) {
	docs := [][]string{spec.Inputs}
	var carried [][]string
	for _, d := range spec.Deliverables {
		if d.Carried {
			carried = append(carried, []string{d.Path})
		} else {
			docs = append(docs, []string{d.Path})
		}
	}
	if onRelease(spec.Code) {
		return digestOf(l, docs), releaseDigest(l, l.head)
	}
	for _, p := range spec.Proofs {
		if l.blueprint.Holds(p.When, facts) {
			carried = append(carried, l.blueprint.Proofs[p.Type].Inputs)
		}
	}
	return digestOf(l, docs), digestOf(l, carried)
}

// digestOf joins the digests of several lists. Each is taken by itself, because
// an exclusion holds only for the list it stands in.
func digestOf(l *look, lists [][]string) string {
	h := sha256.New()
	for _, patterns := range lists {
		if len(patterns) > 0 {
			fmt.Fprintln(h, l.digest(l.head, patterns))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
