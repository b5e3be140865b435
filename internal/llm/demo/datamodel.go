package demo

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/layercake-app/layercake/internal/llm/demo/product"
)

// The data model stands twice in a repository: dataModelPath is the contract that
// people read and edit, modelPath all that the templates know (labels, actions,
// what each change added).
const (
	dataModelPath = "specs/data-model.yaml"
	modelPath     = "specs/product.yaml"
)

type contractField struct {
	Name     string   `yaml:"name"`
	Label    string   `yaml:"label"`
	Type     string   `yaml:"type"`
	Required bool     `yaml:"required"`
	Options  []string `yaml:"options,omitempty"`
	Ref      string   `yaml:"ref,omitempty"`
}

// contractOf writes a field as the contract has it: what holds the id of another
// record is a reference there, and a text with that id in code.
func contractOf(f product.Field) contractField {
	typ := f.Type
	if f.Ref != "" {
		typ = "reference"
	}
	return contractField{f.Name, f.Label, typ, f.Required, f.Options, f.Ref}
}

// field is contractOf read backwards.
func (f contractField) field() product.Field {
	typ := f.Type
	if typ == "reference" {
		typ = "text"
	}
	return product.Field{Name: f.Name, Label: f.Label, Type: typ, Required: f.Required, Options: f.Options, Ref: f.Ref}
}

type contractEntity struct {
	Name   string          `yaml:"name"`
	Plural string          `yaml:"plural"`
	Fields []contractField `yaml:"fields"`
}

type contract struct {
	Entities []contractEntity `yaml:"entities"`
}

// dataModel is the content of dataModelPath.
func dataModel(m product.Model) []byte {
	var c contract
	for _, e := range m.Entities {
		entity := contractEntity{Name: e.Name, Plural: pluralName(e)}
		for _, f := range e.Fields {
			entity.Fields = append(entity.Fields, contractOf(f))
		}
		c.Entities = append(c.Entities, entity)
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(c); err != nil {
		panic(fmt.Sprintf("demo: encode data model: %v", err))
	}
	return out.Bytes()
}

// pluralName is the plural of an entity as a name, made of its path; it differs
// from every singular.
func pluralName(e product.Entity) string {
	name := strings.ReplaceAll(e.Plural, "-", " ")
	name = strings.ToUpper(name[:1]) + name[1:]
	if strings.EqualFold(name, e.Name) {
		return name + " list"
	}
	return name
}

// storedModel reads the model from the repository, with what people changed in
// the contract: labels, duties, options, and new fields.
func (w *work) storedModel() (m product.Model, found bool) {
	for _, name := range []string{modelPath, dataModelPath} {
		if !w.has(name) {
			continue
		}
		text, ok := w.read(name)
		if !ok {
			continue
		}
		m, err := product.ParseYAML([]byte(text))
		if err == nil {
			return w.withEdits(m, name), true
		}
		if name == modelPath {
			w.problem("%s could not be read: %s", name, oneLine(err.Error(), 160))
		}
	}
	return product.Model{}, false
}

func (w *work) withEdits(m product.Model, source string) product.Model {
	if source == dataModelPath || !w.has(dataModelPath) {
		return m
	}
	text, ok := w.read(dataModelPath)
	var c contract
	if !ok || yaml.Unmarshal([]byte(text), &c) != nil {
		return m
	}
	edited := m
	edited.Entities = slices.Clone(m.Entities)
	for _, e := range c.Entities {
		i := slices.IndexFunc(edited.Entities, func(o product.Entity) bool { return o.Name == e.Name })
		if i < 0 {
			continue
		}
		fields := slices.Clone(edited.Entities[i].Fields)
		for _, f := range e.Fields {
			j := slices.IndexFunc(fields, func(o product.Field) bool { return o.Name == f.Name })
			if j < 0 {
				fields = append(fields, f.field())
				continue
			}
			fields[j].Label, fields[j].Required, fields[j].Options = f.Label, f.Required, f.Options
		}
		edited.Entities[i].Fields = fields
	}
	if _, err := product.ParseYAML(edited.YAML()); err != nil {
		w.problem("the edits in %s cannot be carried out: %s", dataModelPath, oneLine(err.Error(), 160))
		return m
	}
	return edited
}
