// Package project holds what a person asked for and all that hangs on it:
// projects, their changes, tasks, questions, blockers, notes, messages, designs
// and the ledger of what models cost.
//
// Every function takes the transaction first; the caller owns it, so that a
// row, its event and the next job commit together. State changes are
// compare-and-set: what was not in the expected state is a conflict, never
// silently written over.
package project

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
)

// Limits on what a person may hand in.
const (
	MaxIdea = 64 << 10 // bytes of an idea or a change request
	maxName = 80       // runes of a project's name
)

// Types, modes, tiers and teaching levels a project may have.
var (
	Types    = []string{"traditional", "ai_ml", "hybrid", "enhancement"}
	Modes    = []string{"local_only", "optional", "required", "undetermined"}
	Tiers    = []string{"mvp", "standard", "enterprise"}
	Teaching = []string{"novice", "intermediate", "expert"}
)

// Project is one row of projects. BudgetMicro is a hard cap in micro-USD and
// TokenCap one in tokens; 0 means no cap. SpentMicro and SpentTokens include
// what is reserved for calls under way. Origin says what began it, so that the
// same command line finds it again.
type Project struct {
	ID           string  `db:"id" json:"id"`
	Organization string  `db:"organization_id" json:"organization,omitempty"`
	Name         string  `db:"name" json:"name"`
	Idea         string  `db:"idea" json:"idea"`
	Type         string  `db:"type" json:"type"`
	Mode         string  `db:"mode" json:"deploymentMode"`
	Tier         string  `db:"tier" json:"qualityTier"`
	Teaching     string  `db:"teaching" json:"teachingLevel"`
	Blueprint    string  `db:"blueprint" json:"blueprint"`
	HasUI        bool    `db:"has_ui" json:"hasUi"`
	Origin       string  `db:"origin" json:"-"`
	Head         string  `db:"head" json:"head"`
	BudgetMicro  int64   `db:"budget_micro" json:"budgetMicro"`
	SpentMicro   int64   `db:"spent_micro" json:"spentMicro"`
	TokenCap     int64   `db:"token_cap" json:"tokenCap"`
	SpentTokens  int64   `db:"spent_tokens" json:"spentTokens"`
	Paused       bool    `db:"paused" json:"paused"`
	Version      int64   `db:"version" json:"version"`
	CreatedAt    db.Time `db:"created_at" json:"createdAt"`
	ArchivedAt   db.Time `db:"archived_at" json:"archivedAt"`
	DeletedAt    db.Time `db:"deleted_at" json:"-"`
}

const projectColumns = `id, organization_id, name, idea, type, mode, tier, teaching, blueprint, has_ui, origin, head,
  budget_micro, spent_micro, token_cap, spent_tokens, paused, version, created_at, archived_at, deleted_at`

// Validate reports every field of p that a person must change, at once.
func (p *Project) Validate() error {
	var details []fault.Detail
	if err := CheckIdea("idea", p.Idea); err != nil {
		f, _ := fault.As(err)
		details = append(details, f.Details...)
	}
	if strings.ContainsFunc(p.Name, unicode.IsControl) {
		details = append(details, fault.Detail{Field: "name", Message: "the name has a character that cannot be printed", Next: "Write it on one line."})
	}
	if n := utf8.RuneCountInString(p.Name); n == 0 || n > maxName {
		details = append(details, fault.Detail{Field: "name", Message: fmt.Sprintf("name must have 1 to %d characters", maxName)})
	}
	for _, c := range []struct {
		field, word, value string
		allowed            []string
	}{
		{"type", "type", p.Type, Types},
		{"deploymentMode", "mode", p.Mode, Modes},
		{"qualityTier", "tier", p.Tier, Tiers},
		{"teachingLevel", "teaching", p.Teaching, Teaching},
	} {
		if !contains(c.allowed, c.value) {
			details = append(details, fault.Detail{
				Field:   c.field,
				Message: fmt.Sprintf("%s %q is unknown", c.word, c.value),
				Next:    "Use one of: " + strings.Join(c.allowed, ", ") + ".",
			})
		}
	}
	if p.BudgetMicro < 0 || p.TokenCap < 0 {
		details = append(details, fault.Detail{Field: "budget", Message: "a budget cannot be negative", Next: "Give a positive amount, or none for no cap."})
	}
	if len(details) == 0 {
		return nil
	}
	return fault.Invalid("project.invalid", "%s", sentence(details)).WithDetails(details...)
}

func sentence(details []fault.Detail) string {
	parts := make([]string, len(details))
	for i, d := range details {
		parts[i] = strings.TrimSpace(d.Message + ". " + d.Next)
	}
	return strings.Join(parts, " ")
}

// emptyNext says what to write, by what is empty.
var emptyNext = map[string]string{
	"comment":   "Say in a sentence what has to change.",
	"statement": "Say in a sentence what you tried and saw.",
	"request":   "Describe in a sentence what is to be changed.",
}

// CheckIdea refuses words of a person that cannot be an idea, or a comment: none,
// too many bytes, or bytes that are not text.
func CheckIdea(field, idea string) error {
	refuse := func(code, message, next string) error {
		return fault.Invalid(code, "The %s %s. %s", field, message, next).
			WithDetails(fault.Detail{Field: field, Message: "the " + field + " " + message, Next: next})
	}
	switch {
	case strings.TrimSpace(idea) == "":
		next, ok := emptyNext[field]
		if !ok {
			next = "Describe in a sentence what you want to have."
		}
		return refuse("idea.empty", "is empty", next)
	case len(idea) > MaxIdea:
		return refuse("idea.too_large", fmt.Sprintf("has %d bytes, more than %d", len(idea), MaxIdea), "Shorten it; longer material belongs into a document of the project.")
	case !utf8.ValidString(idea) || strings.ContainsFunc(idea, isControl):
		return refuse("idea.binary", "is not text", "Give plain UTF-8 text.")
	}
	return nil
}

func isControl(r rune) bool {
	return r < 0x20 && r != '\n' && r != '\r' && r != '\t' || r == 0x7f
}

// noUI are the words by which a person says that nobody will look at a screen.
var noUI = []string{
	"command line tool", "command-line tool", "cli tool", "a cli", "library", "api only",
	"rest api without", "no ui", "without a ui", "without ui", "no user interface",
	"without a user interface", "headless",
}

// WantsUI reads from the idea whether people will look at pages; G4 is skipped
// when they will not.
func WantsUI(idea string) bool {
	low := strings.ToLower(idea)
	for _, words := range noUI {
		if strings.Contains(low, words) {
			return false
		}
	}
	return true
}

// wholeName is the longest name that NameFrom makes, in characters.
const wholeName = 60

// phraseEnds end a phrase with which a name may end, the strongest first.
var phraseEnds = []*regexp.Regexp{
	regexp.MustCompile(`[:;.!?]\s| [–—-] `),
	regexp.MustCompile(`,\s| \(`),
	regexp.MustCompile(`(?i) (?:and|with|that|which|where|when|who|so|because|und|mit|damit|wo|die|der|das|et|avec|qui|y|con|que) `),
}

// openEnd is a small word with which no name ends.
var openEnd = regexp.MustCompile(`(?i)[\s,;:–—-]+(?:a|an|the|of|for|to|in|on|my|our|their|and|or|with|where|ein|eine|einen|der|die|das|den|für|von|zu|mit|und|meine|unsere|un|une|le|la|les|de|du|des|pour|el|los|las|del|para|mi|mis)$`)

// NameFrom makes a project name from the first words of an idea: all of its first
// line when that is short, and else no more than a whole phrase of it.
func NameFrom(idea string) string {
	line := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.SplitN(strings.TrimSpace(idea), "\n", 2)[0])
	if line = strings.Join(strings.Fields(line), " "); line == "" {
		return "Untitled"
	}
	for i, end := range phraseEnds {
		if i > 0 && utf8.RuneCountInString(line) <= wholeName {
			break
		}
		at := end.FindStringIndex(line)
		if at != nil && at[0] >= 4 && utf8.RuneCountInString(line[:at[0]]) <= wholeName {
			return line[:at[0]]
		}
	}
	name := firstWords(line)
	for openEnd.MatchString(name) && utf8.RuneCountInString(line) > wholeName {
		name = openEnd.ReplaceAllString(name, "")
	}
	return name
}

// firstWords returns as many words as fit into a name.
func firstWords(line string) string {
	words := strings.Fields(line)
	name := ""
	for _, w := range words {
		longer := strings.TrimSpace(name + " " + w)
		if utf8.RuneCountInString(longer) > wholeName {
			break
		}
		name = longer
	}
	if name == "" {
		r := []rune(line)
		name = string(r[:min(len(r), wholeName)])
	}
	return name
}

// Create stores a valid project.
func Create(ctx context.Context, tx *db.Tx, p *Project) error {
	if err := p.Validate(); err != nil {
		return err
	}
	p.ID, p.CreatedAt, p.Version = db.NewID("prj"), db.Now(), 1
	_, err := tx.Exec(ctx, `INSERT INTO projects (organization_id, id, name, idea, type, mode, tier, teaching, blueprint, has_ui, origin, budget_micro, token_cap, created_at)
		VALUES ($14, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		p.ID, p.Name, p.Idea, p.Type, p.Mode, p.Tier, p.Teaching, p.Blueprint, p.HasUI, p.Origin, p.BudgetMicro, p.TokenCap, p.CreatedAt, p.Organization)
	if err != nil {
		return fmt.Errorf("insert project: %w", err)
	}
	return nil
}

// CodeGone is the code of the fault that there is no such project, or no more.
const CodeGone = "project.not_found"

// Get returns a project by id. One that was deleted is not there.
func Get(ctx context.Context, tx *db.Tx, id string) (Project, error) {
	var p Project
	err := tx.One(ctx, &p, `SELECT `+projectColumns+` FROM projects WHERE id = $1 AND deleted_at = 0`, id)
	if errors.Is(err, db.ErrNoRow) {
		return p, fault.NotFound(CodeGone, "There is no project %s here. `layercake run --data DIR` lists the projects of a data folder when the id is wrong.", id)
	}
	if err != nil {
		return p, fmt.Errorf("read project %s: %w", id, err)
	}
	return p, nil
}

// List returns all projects, oldest first.
func List(ctx context.Context, tx *db.Tx) ([]Project, error) {
	var out []Project
	if err := tx.All(ctx, &out, `SELECT `+projectColumns+` FROM projects WHERE deleted_at = 0 ORDER BY id`); err != nil {
		return nil, fmt.Errorf("list projects: %w", err)
	}
	return out, nil
}

// Filter narrows a list of projects. Organizations are the tenants it may come
// from; Before is an id that all of them are older than. Archived asks for those
// that were put away, and only for those.
type Filter struct {
	Organizations []string
	Text          string
	Archived      bool
	Before        string
	Limit         int
}

// Page returns the projects that a filter leaves, the newest first.
func Page(ctx context.Context, tx *db.Tx, f Filter) ([]Project, error) {
	if len(f.Organizations) == 0 {
		return nil, nil
	}
	args := []any{f.Before, like(f.Text), f.Limit, f.Archived}
	in, args := db.In(args, f.Organizations)
	var out []Project
	err := tx.All(ctx, &out, `SELECT `+projectColumns+` FROM projects WHERE organization_id IN (`+in+`) AND deleted_at = 0 AND (archived_at > 0) = $4
		AND ($1 = '' OR id < $1) AND ($2 = '%%' OR LOWER(name) LIKE $2 ESCAPE '!' OR LOWER(idea) LIKE $2 ESCAPE '!') ORDER BY id DESC LIMIT $3`, args...)
	if err != nil {
		return nil, fmt.Errorf("list projects: %w", err)
	}
	return out, nil
}

// like is the pattern of what contains text.
func like(text string) string {
	return "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(strings.ToLower(text)) + "%"
}

// Adopt gives the projects that belong to nobody, begun at the command line, to
// an organization.
func Adopt(ctx context.Context, tx *db.Tx, organization string) error {
	if _, err := tx.Exec(ctx, `UPDATE projects SET organization_id = $1 WHERE organization_id = ''`, organization); err != nil {
		return fmt.Errorf("adopt projects: %w", err)
	}
	return nil
}

// Lock serializes writers of one project until the transaction ends. Whoever
// changes a project's gates, tasks or head takes it first: project, then
// rows, then the event head is the fixed order on PostgreSQL.
func Lock(ctx context.Context, tx *db.Tx, id string) (Project, error) {
	n, err := tx.Exec(ctx, `UPDATE projects SET locks = locks + 1 WHERE id = $1 AND deleted_at = 0`, id)
	if err != nil {
		return Project{}, fmt.Errorf("lock project %s: %w", id, err)
	}
	if n == 0 {
		return Project{}, fault.NotFound(CodeGone, "There is no project %s here.", id)
	}
	return Get(ctx, tx, id)
}

// Move is one step of a project's head.
type Move struct {
	Project string
	From    string
	To      string
	Kind    string // platform, run or person
	Actor   event.Actor
	Gate    string
}

// MoveHead moves the head by compare-and-set. It reports false, and changes
// nothing, when the head is no longer m.From.
func MoveHead(ctx context.Context, tx *db.Tx, m Move) (bool, error) {
	var seq int64
	err := tx.One(ctx, &seq, `UPDATE projects SET head = $3, moves = moves + 1 WHERE id = $1 AND head = $2 RETURNING moves`, m.Project, m.From, m.To)
	if errors.Is(err, db.ErrNoRow) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("move head of %s: %w", m.Project, err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO moves (project_id, seq, from_commit, to_commit, kind, actor, gate, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		m.Project, seq, m.From, m.To, m.Kind, m.Actor.String(), m.Gate, db.Now())
	if err != nil {
		return false, fmt.Errorf("record move of %s: %w", m.Project, err)
	}
	return true, nil
}

// Editors lists the people who moved the head themselves since a change began.
func Editors(ctx context.Context, tx *db.Tx, c Change) ([]string, error) {
	var out []string
	err := tx.All(ctx, &out, `SELECT DISTINCT actor FROM moves WHERE project_id = $1 AND kind = 'person'
		AND seq > COALESCE((SELECT MAX(seq) FROM moves WHERE project_id = $1 AND to_commit = $2), 0) ORDER BY actor`, c.Project, c.BaseCommit)
	if err != nil {
		return nil, fmt.Errorf("list editors of %s: %w", c.Project, err)
	}
	return out, nil
}

// SetMode changes where a project goes live.
func SetMode(ctx context.Context, tx *db.Tx, id, mode string) error {
	if !contains(Modes, mode) {
		return fault.Invalid("mode.unknown", "The deployment mode %q is unknown. Use one of: %s.", mode, strings.Join(Modes, ", "))
	}
	_, err := tx.Exec(ctx, `UPDATE projects SET mode = $2, version = version + 1 WHERE id = $1`, id, mode)
	if err != nil {
		return fmt.Errorf("set mode of %s: %w", id, err)
	}
	return nil
}

// SetPaused stops a project from spending, or lets it go on.
func SetPaused(ctx context.Context, tx *db.Tx, id string, paused bool) error {
	_, err := tx.Exec(ctx, `UPDATE projects SET paused = $2, version = version + 1 WHERE id = $1`, id, paused)
	if err != nil {
		return fmt.Errorf("pause project %s: %w", id, err)
	}
	return nil
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// Facts are what the conditions of a blueprint ask about: those found in the
// repository, and those that the project and its change say of themselves.
func Facts(p Project, c Change, found map[string]bool) map[string]bool {
	out := map[string]bool{}
	maps.Copy(out, found)
	if !p.HasUI {
		out["ui"] = false
	}
	out["no_ui"] = !out["ui"]
	out["ml"] = blueprint.IsML(p.Type)
	out["fast_track"] = c.Fast
	for _, m := range Modes {
		out["mode_"+m] = p.Mode == m
	}
	return out
}
