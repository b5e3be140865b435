// Package product turns an idea in plain words into a small, real web
// application: a data model, user stories with numbered acceptance criteria, and
// the Go source, tests, specifications and designs that carry it out.
//
// It is pure and deterministic: the same words give the same bytes, it reads no
// file, clock or network, and every string, in any language or none, gives a
// model whose generated code compiles.
package product

// Field is one value a person records about an entity.
type Field struct {
	Name     string   `yaml:"name"`  // snake_case; safe as Go, JSON and HTML name
	Label    string   `yaml:"label"` // as people read it
	Type     string   `yaml:"type"`  // text longtext number money date bool email url choice
	Required bool     `yaml:"required"`
	Options  []string `yaml:"options,omitempty"` // the values of a choice
	Ref      string   `yaml:"ref,omitempty"`     // Name of the entity whose id this text holds
}

// Entity is one kind of thing the application keeps.
type Entity struct {
	Name        string  `yaml:"name"`   // Go identifier, singular, PascalCase
	Plural      string  `yaml:"plural"` // URL slug: plants
	Label       string  `yaml:"label"`
	LabelPlural string  `yaml:"label_plural"`
	Fields      []Field `yaml:"fields"`
}

// Action is a verb of the idea that people press as a button: it sets one field
// of a record.
type Action struct {
	Entity string `yaml:"entity"` // Name of the entity
	Verb   string `yaml:"verb"`   // URL slug and Go method in lower case: water
	Label  string `yaml:"label"`  // on the button: Water
	Field  string `yaml:"field"`  // Name of the field it sets
	Effect string `yaml:"effect"` // today, set, increment
	Value  string `yaml:"value,omitempty"`
}

// The effects of an action on its field.
const (
	EffectToday     = "today"     // a date becomes the current day
	EffectSet       = "set"       // a choice or yes/no becomes Value
	EffectIncrement = "increment" // a number grows by one
)

// Change is one thing a later request added to a model; its stories are numbered
// after those that were there.
type Change struct {
	Kind    string `yaml:"kind"` // entity, field, action
	Entity  string `yaml:"entity"`
	Field   string `yaml:"field,omitempty"`
	Verb    string `yaml:"verb,omitempty"`
	Summary string `yaml:"summary"` // one English sentence
}

// Model is what an idea was understood to ask for.
type Model struct {
	App      string   `yaml:"app"`    // slug: plant-tracker
	Module   string   `yaml:"module"` // example.com/plant-tracker
	Title    string   `yaml:"title"`
	Tagline  string   `yaml:"tagline"`
	Lang     string   `yaml:"lang"`    // language of the interface: en de fr es
	Persona  string   `yaml:"persona"` // who the stories speak for: "plant owner"
	Entities []Entity `yaml:"entities"`
	Actions  []Action `yaml:"actions,omitempty"`
	Changes  []Change `yaml:"changes,omitempty"` // what later requests added, oldest first
	Notes    []string `yaml:"notes,omitempty"`   // how the idea was read, with every fallback used
}

// Feature groups stories, one heading of the PRD.
type Feature struct {
	ID    string // F-1
	Title string
	Text  string // one paragraph
}

// Story is a user story with its acceptance criteria.
type Story struct {
	ID       string // US-1
	Title    string
	As       string
	Want     string
	So       string
	Feature  string // F-1
	Criteria []Criterion
}

// Criterion is one acceptance criterion and the test that proves it.
type Criterion struct {
	ID    string // AC-1.1
	Given string
	When  string
	Then  string
	Test  string // TestAC_1_1_…
	Level string // unit, integration, e2e
}

// Entity returns the entity called name.
func (m Model) Entity(name string) (Entity, bool) {
	for _, e := range m.Entities {
		if e.Name == name {
			return e, true
		}
	}
	return Entity{}, false
}

// Field returns the field called name.
func (e Entity) Field(name string) (Field, bool) {
	for _, f := range e.Fields {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}
