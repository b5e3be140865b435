package flow

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/document"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/job"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/repo"
)

// Creator makes the empty repository of a new project.
type Creator func(ctx context.Context, projectID string) error

// Create stores a project with its first change and its repository, and sets
// it going. blueprintText is the resolved YAML it keeps. Creating is the
// decision on G0, unless by is undecided: then G0 waits like any other gate.
func (f *Flow) Create(ctx context.Context, by gate.Decider, p *project.Project, blueprintText []byte, create Creator) (project.Change, error) {
	b, err := f.admissible(by, blueprintText)
	if err != nil {
		return project.Change{}, err
	}
	p.HasUI = project.WantsUI(p.Idea)
	if err := p.Validate(); err != nil {
		return project.Change{}, err
	}
	err = f.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := project.Create(ctx, tx, p); err != nil {
			return err
		}
		_, err := f.Record.Add(ctx, tx, p.ID, by.Actor, "project.created", map[string]any{
			"name": p.Name, "type": p.Type, "mode": p.Mode, "tier": p.Tier, "blueprint": b.Name, "idea": p.Idea, "ui": p.HasUI,
		})
		return err
	})
	if err != nil {
		return project.Change{}, err
	}
	return f.setUp(ctx, by, *p, b, blueprintText, create)
}

// Resume finishes a creation that was cut short; on a project that has its
// first change it does nothing.
func (f *Flow) Resume(ctx context.Context, by gate.Decider, projectID string, blueprintText []byte, create Creator) error {
	b, err := f.admissible(by, blueprintText)
	if err != nil {
		return err
	}
	var p project.Project
	err = f.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		if p, err = project.Get(ctx, tx, projectID); err != nil {
			return err
		}
		_, err = project.LatestChange(ctx, tx, projectID)
		return err
	})
	if fault.KindOf(err) != fault.KindNotFound || p.ID == "" {
		return err
	}
	_, err = f.setUp(ctx, by, p, b, blueprintText, create)
	return err
}

// setUp makes the repository with its first page, and the first change. Each
// step may be repeated.
func (f *Flow) setUp(ctx context.Context, by gate.Decider, p project.Project, b *blueprint.Blueprint, text []byte, create Creator) (project.Change, error) {
	c := project.Change{Idea: p.Idea, Blueprint: string(text)}
	if err := create(ctx, p.ID); err != nil {
		return c, fmt.Errorf("create repository of %s: %w", p.ID, err)
	}
	first, err := f.Tree.Commit(ctx, p.ID, repo.CommitSpec{
		Put:    map[string][]byte{"docs/PROJECT.md": projectPage(p)},
		Author: author, When: p.CreatedAt.Time, Message: "Begin " + p.Name, Allow: repo.AllowAll,
	})
	if err != nil {
		return c, fmt.Errorf("commit the first page of %s: %w", p.ID, err)
	}
	c.BaseCommit = first
	return c, f.begin(ctx, by, p.ID, "", first, b, &c)
}

// BeginChange opens a further change on a project: its own gates, from the head
// as it is now.
func (f *Flow) BeginChange(ctx context.Context, by gate.Decider, projectID, request string, blueprintText []byte) (project.Change, error) {
	b, err := f.admissible(by, blueprintText)
	if err != nil {
		return project.Change{}, err
	}
	if err := project.CheckIdea("request", request); err != nil {
		return project.Change{}, err
	}
	for range 50 {
		var p project.Project
		err = f.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			p, err = project.Get(ctx, tx, projectID)
			return err
		})
		if err != nil {
			return project.Change{}, err
		}
		c := project.Change{Idea: request, Blueprint: string(blueprintText), BaseCommit: p.Head, Fast: FastTrack(request)}
		err = f.begin(ctx, by, projectID, p.Head, p.Head, b, &c)
		if fault.CodeOf(err) != "head.moved" { // by the record of the change before, perhaps
			return c, err
		}
	}
	return project.Change{}, err
}

// admissible parses a blueprint and refuses rules that the person alone could
// never satisfy.
func (f *Flow) admissible(by gate.Decider, text []byte) (*blueprint.Blueprint, error) {
	if by.Method == gate.Undecided {
		by.Method = gate.Delegated // it matters here only who asks
	}
	if err := person(by); err != nil {
		return nil, err
	}
	b, err := blueprint.Parse(text)
	if err != nil {
		return nil, err
	}
	return b, gate.CheckPolicies(b, map[string]int{by.Role: 1})
}

// begin stores the change with its gates and wakes flow. from is the head that
// must still be there.
func (f *Flow) begin(ctx context.Context, by gate.Decider, projectID, from, to string, b *blueprint.Blueprint, c *project.Change) error {
	c.Project, c.CreatedBy, c.CreatedMethod, c.CreatedRole = projectID, by.Actor.String(), string(by.Method), by.Role
	return f.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		p, err := project.Lock(ctx, tx, projectID)
		if err != nil {
			return err
		}
		if p.Head != from {
			return fault.Conflict("head.moved", "The project's head moved meanwhile. Try again.")
		}
		if from != to {
			moved, err := project.MoveHead(ctx, tx, project.Move{Project: projectID, From: from, To: to, Kind: "platform", Actor: project.Platform})
			if err != nil {
				return err
			}
			if !moved {
				return fault.Conflict("head.moved", "The project's head moved meanwhile. Try again.")
			}
		}
		if err := project.CreateChange(ctx, tx, c); err != nil {
			return err
		}
		if err := gate.CreateAll(ctx, tx, projectID, c.ID, b); err != nil {
			return err
		}
		codes := make([]string, len(b.Gates))
		for i, g := range b.Gates {
			codes[i] = g.Code
		}
		_, err = f.Record.Add(ctx, tx, projectID, by.Actor, "change.created", map[string]any{
			"change": c.Number, "id": c.ID, "request": c.Idea, "blueprint": b.Name, "fast": c.Fast, "method": by.Method, "base": to, "gates": codes,
		})
		if err != nil {
			return err
		}
		return f.Queue.Insert(ctx, tx, project.Advance{Project: projectID}, job.Unique())
	})
}

func projectPage(p project.Project) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", document.Literal(strings.ReplaceAll(p.Name, "\n", " ")))
	fmt.Fprintf(&b, "This repository was begun by LayerCake. What it is for, in the words of the person who asked for it:\n\n")
	for _, line := range strings.Split(strings.TrimSpace(p.Idea), "\n") {
		fmt.Fprintf(&b, "> %s\n", document.Literal(line))
	}
	fmt.Fprintf(&b, "\n## Settings\n\n- Type: %s\n- Deployment mode: %s\n- Quality tier: %s\n- Blueprint: %s\n", p.Type, p.Mode, p.Tier, p.Blueprint)
	b.WriteString("\n## Where to look\n\nEach gate leaves its documents under `docs/`, the machine's evidence lies under `.layercake/evidence/`,\nand a tag `gate/G…` marks the commit on which each gate was decided.\n")
	return []byte(b.String())
}

var (
	fastWords = regexp.MustCompile(`(?i)\b(typos?|spelling|wording|rephrase|text|label|heading|headline|title|colou?rs?|font|fonts|style|styling|css|background|margin|padding|spacing|icon|logo|favicon|readme|docs?|documentation|comment)\b`)
	slowWords = regexp.MustCompile(`(?i)\b(add|field|entity|feature|api|endpoint|store|save|delete|remove|import|export|login|user|users|database|track|calculate|sort|filter|search|report|support|new)\b`)
)

// FastTrack judges from its words whether a change touches only text, style,
// documents or assets. It is judged again from the actual diff, which may take
// the change off the fast track.
func FastTrack(request string) bool {
	return len(request) < 400 && fastWords.MatchString(request) && !slowWords.MatchString(request)
}

// Seal records the whole event log in the repository once the change has
// ended. It is idempotent; the head it moves to is the last one.
func (f *Flow) Seal(ctx context.Context, projectID string) error {
	for range 50 {
		done, err := f.sealOnce(ctx, projectID)
		if err != nil || done {
			return err
		}
	}
	return fault.Conflict("project.busy", "Project %s changes too fast to seal.", projectID)
}

func (f *Flow) sealOnce(ctx context.Context, projectID string) (bool, error) {
	var p project.Project
	var c project.Change
	var events []event.Event
	err := f.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		if p, err = project.Get(ctx, tx, projectID); err != nil {
			return err
		}
		if c, err = project.LatestChange(ctx, tx, projectID); err != nil {
			return err
		}
		events, err = event.All(ctx, tx, projectID)
		return err
	})
	if err != nil || c.Status == project.ChangeOpen {
		return true, err
	}
	put := map[string][]byte{}
	if err := eventFiles(projectID, events, put); err != nil {
		return false, err
	}
	have, err := f.Tree.Read(ctx, projectID, p.Head, EvidenceRoot+"/head.json")
	if err == nil && string(have) == string(put[EvidenceRoot+"/head.json"]) {
		return true, nil
	}
	if err != nil && fault.KindOf(err) != fault.KindNotFound {
		return false, fmt.Errorf("read sealed head: %w", err)
	}
	commit, err := f.Tree.Commit(ctx, projectID, repo.CommitSpec{
		Parent: p.Head, Put: put, Author: author, When: events[len(events)-1].At.Time, Message: fmt.Sprintf("Record of change %d", c.Number), Allow: repo.AllowAll,
	})
	if err != nil {
		return false, fmt.Errorf("commit record of %s: %w", projectID, err)
	}
	moved := false
	err = f.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		moved, err = project.MoveHead(ctx, tx, project.Move{Project: projectID, From: p.Head, To: commit, Kind: "platform", Actor: project.Platform})
		if err != nil || !moved {
			return err
		}
		return f.Queue.Insert(ctx, tx, Publication{Project: projectID}, job.Unique())
	})
	return moved, err
}

// Export makes a project ready to leave the house and returns the commit to show:
// "" for where main is, sealed, when its change is complete; what SoFar says of one
// that is open or was cancelled: work that nobody decided may be on main then.
func (f *Flow) Export(ctx context.Context, projectID string) (string, error) {
	var c project.Change
	err := f.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		c, err = project.LatestChange(ctx, tx, projectID)
		return err
	})
	if err != nil {
		return "", err
	}
	if c.Status == project.ChangeCompleted {
		return "", errors.Join(f.Seal(ctx, projectID), f.Publish(ctx, projectID))
	}
	if err := f.Publish(ctx, projectID); err != nil {
		return "", err
	}
	return f.SoFar(ctx, projectID)
}

// SoFar commits the event log as it is on top of what the last decision was made
// on, for an export of a change that is not complete, and returns the commit. The
// project's head stays where it is: work that no gate has decided yet may be
// there. "" when nothing was decided yet.
func (f *Flow) SoFar(ctx context.Context, projectID string) (string, error) {
	var events []event.Event
	var last gate.Decision
	err := f.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		made, err := approvals(ctx, tx, projectID)
		if err != nil {
			return err
		}
		for _, d := range made {
			if d.EventSeq > last.EventSeq {
				last = d
			}
		}
		events, err = event.All(ctx, tx, projectID)
		return err
	})
	if err != nil || last.Commit == "" {
		return "", err
	}
	put := map[string][]byte{}
	if err := eventFiles(projectID, events, put); err != nil {
		return "", err
	}
	commit, err := f.Tree.Commit(ctx, projectID, repo.CommitSpec{
		Parent: last.Commit, Put: put, Author: author, When: events[len(events)-1].At.Time, Message: "Record up to " + last.Code, Allow: repo.AllowAll,
	})
	if err != nil {
		return "", fmt.Errorf("commit record of %s: %w", projectID, err)
	}
	return commit, nil
}

// sealJob seals a project whose change has ended.
type sealJob struct {
	Project string `json:"project"`
}

// Kind names the job.
func (sealJob) Kind() string { return "seal" }
