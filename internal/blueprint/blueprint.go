// Package blueprint is the data of the ten gates: for each gate its agents,
// deliverables, proofs, inputs, approval and skip rules, as YAML that an
// organization may replace with its own. What this package accepts can be
// carried out: every name is known, every deliverable has an agent who owes it
// under the same conditions, every required proof declares its inputs, and
// testing is never skipped. A project keeps the resolved text it began with.
package blueprint

import "slices"

// Blueprint is one way of carrying a project from idea to production.
type Blueprint struct {
	Name        string           `yaml:"name"`
	Title       string           `yaml:"title"`
	Description string           `yaml:"description"`
	Version     int              `yaml:"version"`
	For         []string         `yaml:"for,flow"`   // project types
	Tiers       map[string]int   `yaml:"tiers,flow"` // quality tier -> line coverage in percent
	Gates       []Gate           `yaml:"gates"`
	Proofs      map[string]Proof `yaml:"proofs"` // proof type -> what it looks at
}

// Gate is one decision of a person and all that is owed before it.
type Gate struct {
	Code         string          `yaml:"code"`
	Name         string          `yaml:"name"`
	Purpose      string          `yaml:"purpose"`
	Stop         string          `yaml:"stop,omitempty"` // gates of one stop are decided together
	Agents       []Agent         `yaml:"agents,omitempty"`
	Deliverables []Deliverable   `yaml:"deliverables,omitempty"`
	Proofs       []RequiredProof `yaml:"proofs,omitempty"`
	Inputs       []string        `yaml:"inputs,omitempty,flow"` // what the decision certifies beyond its deliverables
	Approval     Approval        `yaml:"approval"`
	Skip         []Skip          `yaml:"skip,omitempty"`
}

// Agent is a role at work in a gate, at the same time as the others unless it
// comes after them.
type Agent struct {
	Role  string   `yaml:"role"`
	Title string   `yaml:"title"`
	Brief string   `yaml:"brief"`
	After []string `yaml:"after,omitempty,flow"` // roles of the same gate
	For   []string `yaml:"for,omitempty,flow"`   // project types, none meaning all
	When  string   `yaml:"when,omitempty"`
}

// Deliverable is what a gate owes: at least Min files that match Path and are
// valid for their Kind. Min 0 is optional, but must be valid when it is there.
// Role is empty for what the platform writes. A Carried one may be changed by
// later planned work while the gate's machine proofs stay green.
type Deliverable struct {
	Name     string   `yaml:"name"`
	Kind     string   `yaml:"kind"`
	Path     string   `yaml:"path"`
	Role     string   `yaml:"role,omitempty"`
	Min      int      `yaml:"min"`
	Sections []string `yaml:"sections,omitempty,flow"`
	Carried  bool     `yaml:"carried,omitempty"`
	When     string   `yaml:"when,omitempty"`
}

// RequiredProof is a proof that a gate asks for, and the role that repairs a
// failure; without a role a person does.
type RequiredProof struct {
	Type   string `yaml:"type"`
	When   string `yaml:"when,omitempty"`
	Repair string `yaml:"repair,omitempty"`
}

// Proof says which files a proof looks at; it counts while they are unchanged.
type Proof struct {
	Inputs []string `yaml:"inputs,flow"`
}

// Approval says who may decide a gate, how many of them it takes, and whether
// the person who asked for the work may be one of them.
type Approval struct {
	Roles          []string `yaml:"roles,flow"`
	Quorum         int      `yaml:"quorum"`
	SeparateAuthor bool     `yaml:"separate_author"`
}

// Skip leaves a gate out, with the reason that is recorded.
type Skip struct {
	When   string `yaml:"when"`
	Reason string `yaml:"reason"`
}

// What blueprints speak about. Facts is the vocabulary of every `when`: ml holds
// for the types ai_ml and hybrid, no_ui is the opposite of ui, and the declares_
// facts come from .layercake/checks.yaml.
var (
	Types         = []string{"traditional", "ai_ml", "hybrid", "enhancement"}
	Tiers         = []string{"mvp", "standard", "enterprise"}
	ApprovalRoles = []string{"owner", "admin", "member"}
	Facts         = []string{
		"ui", "no_ui", "api", "data", "serves", "node", "go", "ml", "fast_track",
		"mode_local_only", "mode_optional", "mode_required", "mode_undetermined",
		"declares_integration", "declares_e2e",
	}
)

// ManualVerification is the one proof that comes from a person.
const ManualVerification = "manual_verification"

// The reviewer reads what others wrote; it owns no gate.
const reviewer = "reviewer"

// IsML reports whether the fact ml holds for a project type.
func IsML(projectType string) bool {
	return slices.Contains([]string{"ai_ml", "hybrid"}, projectType)
}
