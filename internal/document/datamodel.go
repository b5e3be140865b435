package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Model is the data a product keeps.
type Model struct {
	Entities []Entity `yaml:"entities" json:"entities"`
}

// Entity is one kind of thing the product keeps.
type Entity struct {
	Name        string  `yaml:"name" json:"name"`
	Plural      string  `yaml:"plural" json:"plural"`
	Description string  `yaml:"description" json:"description,omitempty"`
	Fields      []Field `yaml:"fields" json:"fields"`
}

// Field is one property of an entity. Options belong to the type choice; a reference
// names in Ref the entity it refers to.
type Field struct {
	Name        string   `yaml:"name" json:"name"`
	Label       string   `yaml:"label" json:"label"`
	Description string   `yaml:"description" json:"description,omitempty"`
	Type        string   `yaml:"type" json:"type"`
	Required    bool     `yaml:"required" json:"required"`
	Options     []string `yaml:"options" json:"options,omitempty"`
	Ref         string   `yaml:"ref" json:"ref,omitempty"`
}

// FieldTypes lists the types a field may have.
var FieldTypes = []string{"text", "longtext", "number", "money", "date", "bool", "email", "url", "choice", "reference"}

var (
	entityName = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,59}$`)
	pluralName = regexp.MustCompile(`^[A-Z][A-Za-z0-9 ]{0,59}$`)
	fieldName  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,59}$`)
)

// reserved are the fields every entity has without naming them.
var reserved = []string{"id", "created_at", "updated_at"}

// DataModel reads specs/data-model.yaml. Nothing is left out silently: unknown
// keys and types are problems.
func DataModel(content []byte) (Model, []Problem) {
	root, problems := parseYAML(content)
	if root == nil {
		return Model{}, problems
	}
	r := modelReader{names: map[string]bool{}}
	var m Model
	r.fields(root, "the data model", map[string]func(*yaml.Node){
		"entities": func(n *yaml.Node) { m.Entities = readList(&r, n, "entities", r.entity) },
	})
	if len(m.Entities) == 0 && len(r.problems) == 0 {
		r.add(root, "Add `entities:` with at least one of `{name: Plant, plural: Plants, fields: […]}`.", "the data model has no entities")
	}
	r.references(m)
	return m, inOrder(r.problems)
}

type modelReader struct {
	problems []Problem
	names    map[string]bool // of entities, in small letters
	refs     []reference
}

type reference struct {
	node  *yaml.Node
	field Field
}

// references checks that every reference leads to an entity of the model.
func (r *modelReader) references(m Model) {
	for _, ref := range r.refs {
		if !slices.ContainsFunc(m.Entities, func(e Entity) bool { return e.Name == ref.field.Ref }) {
			r.add(ref.node, "Add `ref:` with the name of an entity, for example Plant.", "the reference %q leads to %q, which is no entity", short(ref.field.Name), short(ref.field.Ref))
		}
	}
}

func (r *modelReader) add(n *yaml.Node, next, format string, args ...any) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, problem(max(n.Line, 1), next, format, args...))
	}
}

// fields reads a mapping: each key once, and none that read does not have.
func (r *modelReader) fields(n *yaml.Node, what string, read map[string]func(*yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		r.add(n, "Write it as `key: value`.", "%s must be a group of keys", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		fn, known := read[key.Value]
		switch {
		case !known || key.Kind != yaml.ScalarNode:
			keys := make([]string, 0, len(read))
			for k := range read {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			r.add(key, "Use only: "+strings.Join(keys, ", ")+".", "the key %q of %s is unknown", short(key.Value), what)
		case seen[key.Value]:
			r.add(key, "Keep one of them.", "the key %q of %s is there twice", key.Value, what)
		default:
			fn(n.Content[i+1])
		}
		seen[key.Value] = true
	}
}

func readList[T any](r *modelReader, n *yaml.Node, what string, one func(*yaml.Node) T) []T {
	if n.Kind != yaml.SequenceNode {
		r.add(n, "Write it as a list.", "%s must be a list", what)
		return nil
	}
	out := make([]T, 0, len(n.Content))
	for _, child := range n.Content {
		out = append(out, one(child))
	}
	return out
}

// word reads a scalar as text.
func (r *modelReader) word(into *string, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
			r.add(n, "Write a word or a sentence.", "%s must be text", what)
			return
		}
		*into = strings.TrimSpace(n.Value)
	}
}

func (r *modelReader) entity(n *yaml.Node) Entity {
	var e Entity
	r.fields(n, "an entity", map[string]func(*yaml.Node){
		"name":        r.word(&e.Name, "the name of an entity"),
		"plural":      r.word(&e.Plural, "the plural of an entity"),
		"description": r.word(&e.Description, "the description of an entity"),
		"fields":      func(list *yaml.Node) { e.Fields = readList(r, list, "fields", r.field) },
	})
	if n.Kind != yaml.MappingNode {
		return e
	}
	if !entityName.MatchString(e.Name) {
		r.add(n, "Use letters and digits beginning with a capital, for example Plant.", "%q is not the name of an entity", short(e.Name))
	}
	if !pluralName.MatchString(e.Plural) {
		r.add(n, "Use letters and digits beginning with a capital, for example Plants.", "%q is not the plural of %s", short(e.Plural), short(e.Name))
	}
	if len(e.Fields) == 0 {
		r.add(n, "Add `fields:` with at least one of `{name: title, label: Title, type: text}`.", "the entity %q has no fields", short(e.Name))
	}
	r.unique(n, e)
	return e
}

// unique checks that no name stands for two things.
func (r *modelReader) unique(n *yaml.Node, e Entity) {
	for _, name := range []string{e.Name, e.Plural} {
		key := strings.ToLower(name)
		if name != "" && r.names[key] {
			r.add(n, "Give each entity its own name, and a plural that differs from it.", "the name %q stands for two things", short(name))
		}
		r.names[key] = true
	}
	fields := map[string]bool{}
	for _, f := range e.Fields {
		if fields[f.Name] && f.Name != "" {
			r.add(n, "Give each field its own name.", "the field %q of %s is there twice", short(f.Name), short(e.Name))
		}
		fields[f.Name] = true
	}
}

func (r *modelReader) field(n *yaml.Node) Field {
	var f Field
	r.fields(n, "a field", map[string]func(*yaml.Node){
		"name":        r.word(&f.Name, "the name of a field"),
		"label":       r.word(&f.Label, "the label of a field"),
		"description": r.word(&f.Description, "the description of a field"),
		"type":        r.word(&f.Type, "the type of a field"),
		"ref":         r.word(&f.Ref, "the entity a field refers to"),
		"required": func(v *yaml.Node) {
			if v.Kind != yaml.ScalarNode || v.ShortTag() != "!!bool" {
				r.add(v, "Write true or false.", "required must be true or false")
				return
			}
			f.Required, _ = strconv.ParseBool(strings.ToLower(v.Value)) // the tag admits only true and false
		},
		"options": func(list *yaml.Node) {
			f.Options = readList(r, list, "options", func(v *yaml.Node) string {
				var option string
				r.word(&option, "an option")(v)
				return option
			})
		},
	})
	if n.Kind == yaml.MappingNode {
		r.checkField(n, f)
	}
	return f
}

func (r *modelReader) checkField(n *yaml.Node, f Field) {
	switch {
	case !fieldName.MatchString(f.Name):
		r.add(n, "Use small letters, digits and _, for example last_watered.", "%q is not the name of a field", short(f.Name))
	case slices.Contains(reserved, f.Name):
		r.add(n, "Leave it out: every entity has it.", "the field %q comes by itself", f.Name)
	}
	if f.Label == "" {
		r.add(n, "Add `label:` with the words people see.", "the field %q has no label", short(f.Name))
	}
	if !slices.Contains(FieldTypes, f.Type) {
		r.add(n, "Use one of: "+strings.Join(FieldTypes, ", ")+".", "the type %q of the field %q is unknown", short(f.Type), short(f.Name))
		return
	}
	if f.Type == "reference" {
		r.refs = append(r.refs, reference{n, f})
	} else if f.Ref != "" {
		r.add(n, "Leave `ref` out, or make it a reference.", "the field %q is no reference and refers to %q", short(f.Name), short(f.Ref))
	}
	if f.Type != "choice" {
		if f.Options != nil {
			r.add(n, "Leave the options out, or make it a choice.", "the field %q is no choice and has options", short(f.Name))
		}
		return
	}
	seen := map[string]bool{"": true}
	for _, o := range f.Options {
		if seen[o] {
			r.add(n, "Give each option its own words.", "the option %q of %q is empty or there twice", short(o), short(f.Name))
			return
		}
		seen[o] = true
	}
	if len(f.Options) == 0 {
		r.add(n, "Add `options: [one, two]`.", "the choice %q has no options", short(f.Name))
	}
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// parseYAML returns the top node of the one document in content, or why there is
// none. Nothing is expanded: an alias is a problem.
func parseYAML(content []byte) (*yaml.Node, []Problem) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var doc yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		message, at := err.Error(), 1
		if m := yamlLine.FindStringSubmatch(message); m != nil {
			message = message[len(m[0]):]
			_, _ = fmt.Sscan(m[1], &at) // no number leaves line 1
		}
		if errors.Is(err, io.EOF) {
			message = "it holds nothing"
		}
		return nil, []Problem{problem(at, "Mend the YAML in this line or next to it; check quotes, brackets and indentation.", "the file is not YAML: %s", message)}
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, []Problem{problem(1, "Remove the line `---` and what follows it.", "the file holds more than one document")}
	}
	if alias := findAlias(&doc, 0); alias != nil {
		return nil, []Problem{problem(alias.Line, "Write the value out where it is used.", "the file uses the alias *%s or nests too deep", short(alias.Value))}
	}
	return doc.Content[0], nil
}

const maxDepth = 100

func findAlias(n *yaml.Node, depth int) *yaml.Node {
	if n.Kind == yaml.AliasNode || depth > maxDepth {
		return n
	}
	for _, child := range n.Content {
		if found := findAlias(child, depth+1); found != nil {
			return found
		}
	}
	return nil
}

// child returns the value of a key of a mapping, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func scalarOf(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return strings.TrimSpace(n.Value)
}
