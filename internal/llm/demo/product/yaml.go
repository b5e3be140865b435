package product

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/fault"
	"gopkg.in/yaml.v3"
)

// YAML is the content of specs/data-model.yaml.
func (m Model) YAML() []byte {
	return marshal("The data model. Code, tests and specifications are generated from it.", m)
}

// marshal writes v as YAML under a comment. Its callers pass plain data, which
// cannot fail.
func marshal(comment string, v any) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# %s\n", comment)
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("encode yaml: %v", err))
	}
	return out.Bytes()
}

// ParseYAML reads specs/data-model.yaml back, perhaps edited by a person. It
// refuses one that the generators could not carry out, naming everything wrong.
func ParseYAML(data []byte) (Model, error) {
	var m Model
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&m); err != nil {
		return Model{}, fault.Invalid("model.yaml", "specs/data-model.yaml cannot be read: %v. Correct it and try again.", err).Because(err)
	}
	for i := range m.Entities {
		for j := range m.Entities[i].Fields {
			if f := &m.Entities[i].Fields[j]; f.Type == "reference" {
				f.Type = "text" // the id of the other record
			}
		}
	}
	if details := m.check(); len(details) > 0 {
		var all []string
		for _, d := range details {
			all = append(all, d.Field+" "+d.Message)
		}
		return Model{}, fault.Invalid("model.invalid", "specs/data-model.yaml has %d mistakes: %s.", len(all), strings.Join(all, "; ")).WithDetails(details...)
	}
	return m, nil
}

var (
	typeRule   = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,59}$`)
	appRule    = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	pathRule   = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	snakeRule  = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	moduleRule = regexp.MustCompile(`^[a-z0-9]+(\.[a-z0-9]+)+(/[a-z0-9][a-z0-9-]*)+$`)
	fieldTypes = set("text longtext number money date bool email url choice")
)

// hardLimit bounds what later requests and hands may add up to.
const hardLimit = 24

// check lists everything about m that generated code could not carry.
func (m Model) check() []fault.Detail {
	var all []fault.Detail
	bad := func(where, format string, args ...any) {
		all = append(all, fault.Detail{Field: where, Message: fmt.Sprintf(format, args...)})
	}
	if !appRule.MatchString(m.App) {
		bad("app", "must be lower-case words joined by hyphens")
	}
	if !moduleRule.MatchString(m.Module) {
		bad("module", "must be a Go module path such as example.com/plants")
	}
	if !slices.Contains(langs, m.Lang) {
		bad("lang", "must be one of %s", strings.Join(langs, ", "))
	}
	if m.Title == "" || clean(m.Title) != m.Title || clean(m.Tagline) != m.Tagline {
		bad("title", "must be one line, and so must the tagline")
	}
	if len(m.Entities) == 0 || len(m.Entities) > hardLimit {
		bad("entities", "must be 1 to %d", hardLimit)
		return all
	}
	for i, e := range m.Entities {
		m.checkEntity(i, e, bad)
	}
	for i, a := range m.Actions {
		m.checkAction(i, a, bad)
	}
	for i := range m.Entities {
		if m.reaches(i, i) {
			bad("entities."+m.Entities[i].Name, "must not refer to itself, directly or through others")
		}
	}
	return all
}

func (m Model) checkEntity(i int, e Entity, bad func(where, format string, args ...any)) {
	where := fmt.Sprintf("entities.%d", i)
	if !typeRule.MatchString(e.Name) || reservedTypes[e.Name] || slices.ContainsFunc(m.Entities[:i], func(o Entity) bool { return strings.EqualFold(o.Name, e.Name) }) {
		bad(where+".name", "must be a free Go name such as Plant")
	}
	if !pathRule.MatchString(e.Plural) || reservedPaths[e.Plural] || slices.ContainsFunc(m.Entities[:i], func(o Entity) bool { return o.Plural == e.Plural }) {
		bad(where+".plural", "must be a free path such as plants")
	}
	if clean(e.Label) == "" || clean(e.LabelPlural) == "" || clean(e.Label+e.LabelPlural) != e.Label+e.LabelPlural {
		bad(where+".label", "must be one line, and so must label_plural")
	}
	if len(e.Fields) == 0 || len(e.Fields) > hardLimit {
		bad(where+".fields", "must be 1 to %d", hardLimit)
		return
	}
	if !e.Fields[0].Required || e.Fields[0].Type != "text" {
		bad(where+".fields.0", "must be a required text: it names the record")
	}
	if !slices.ContainsFunc(e.Fields, func(f Field) bool { return f.Ref == "" && f.Type != "bool" }) {
		bad(where+".fields", "must hold more than references and yes or no")
	}
	for j, f := range e.Fields {
		m.checkField(fmt.Sprintf("%s.fields.%d", where, j), e, j, f, bad)
	}
}

func (m Model) checkField(where string, e Entity, j int, f Field, bad func(where, format string, args ...any)) {
	same := func(o Field) bool { return goName(o.Name) == goName(f.Name) }
	if !snakeRule.MatchString(f.Name) || len(f.Name) > 60 || reservedFields[f.Name] || reservedGo[goName(f.Name)] || slices.ContainsFunc(e.Fields[:j], same) {
		bad(where+".name", "must be a free name such as last_watered")
	}
	if f.Label == "" || clean(f.Label) != f.Label {
		bad(where+".label", "must be one line")
	}
	if !fieldTypes[f.Type] {
		bad(where+".type", "must be one of text, longtext, number, money, date, bool, email, url, choice")
	}
	if (f.Type == "choice") != (len(f.Options) > 0) || slices.Contains(f.Options, "") {
		bad(where+".options", "belong to a choice, which needs at least one")
	}
	for k, o := range f.Options {
		if clean(o) != o || slices.Contains(f.Options[:k], o) || len([]rune(o)) > 100 {
			bad(where+".options", "must differ and be one line each")
		}
	}
	if f.Type == "bool" && f.Required {
		bad(where+".required", "says nothing about a yes or no")
	}
	if _, ok := m.Entity(f.Ref); f.Ref != "" && (!ok || f.Type != "text") {
		bad(where+".ref", "must name an entity, from a text")
	}
}

func (m Model) checkAction(i int, a Action, bad func(where, format string, args ...any)) {
	where := fmt.Sprintf("actions.%d", i)
	e, ok := m.Entity(a.Entity)
	f, has := e.Field(a.Field)
	if !ok || !has {
		bad(where, "must name an entity and one of its fields")
		return
	}
	method := pascal(a.Verb)
	clash := slices.ContainsFunc(e.Fields, func(o Field) bool { return goName(o.Name) == method }) ||
		slices.ContainsFunc(m.Actions[:i], func(o Action) bool { return o.Entity == a.Entity && pascal(o.Verb) == method })
	if !pathRule.MatchString(a.Verb) || reservedVerbs[a.Verb] || reservedGo[method] || clash {
		bad(where+".verb", "must be a free word such as water")
	}
	if a.Label == "" || clean(a.Label) != a.Label {
		bad(where+".label", "must be one line")
	}
	fits := map[string]bool{
		EffectToday:     f.Type == "date",
		EffectIncrement: f.Type == "number",
		EffectSet:       f.Type == "choice" && slices.Contains(f.Options, a.Value) || f.Type == "bool" && a.Value == "true",
	}
	if !fits[a.Effect] {
		bad(where+".effect", "must be today (a date), increment (a number) or set (a choice to one of its options, a bool to true)")
	}
}
