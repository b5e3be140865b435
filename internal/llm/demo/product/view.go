package product

import (
	"fmt"
	"slices"
	"strings"
)

// view is a model with everything the templates ask for worked out.
type view struct {
	Model
	Kinds []kindView
	Uses  map[string]bool // the types of fields there are
	Refs  bool            // some field refers to another record
	Twins bool            // some record refers to two of a kind
	Disk  bool            // the store writes files
	Style Style
	Icon  string
	T     map[string]string
}

type kindView struct {
	Entity
	Var     string // Go name of its domain.Kind
	Recv    string // Go receiver
	One     string // label within a sentence
	Sort    string
	Focus   string
	Fields  []fieldView
	Actions []actionView
}

type fieldView struct {
	Field
	Go         string
	GoType     string
	Hint       string
	Describe   string // for the README
	RefPlural  string
	EmptyFirst bool
	Stored     bool // present in every stored record
}

type actionView struct {
	Action
	Method   string
	Body     string
	Now      bool // needs to know the time
	Describe string
}

func (m Model) view() view {
	v := view{Model: m, Uses: map[string]bool{}, T: locale(m.Lang), Style: Styles()[0]}
	for _, e := range m.Entities {
		v.Kinds = append(v.Kinds, m.kindView(e))
		for _, f := range e.Fields {
			v.Uses[f.Type] = true
			v.Refs = v.Refs || f.Ref != ""
			v.Twins = v.Twins || f.Ref != "" && slices.ContainsFunc(e.Fields, func(o Field) bool { return o.Ref == f.Ref && o.Name != f.Name })
		}
	}
	v.Icon = m.icon()
	return v
}

func (m Model) kindView(e Entity) kindView {
	k := kindView{
		Entity: e,
		Var:    strings.ToLower(e.Name[:1]) + e.Name[1:] + "Kind",
		Recv:   strings.ToLower(e.Name[:1]),
		One:    Within(e.Label, m.Lang),
		Sort:   sortOf(e),
		Focus:  "-updated_at",
	}
	for _, f := range e.Fields {
		fv := fieldView{Field: f, Go: goName(f.Name), GoType: goTypes[f.Type], Hint: m.hint(e, f), EmptyFirst: m.pastDate(e, f), Stored: f.Required || f.Type == "bool"}
		if p, ok := m.Entity(f.Ref); ok {
			fv.RefPlural = p.Plural
		}
		fv.Describe = describe(fv)
		k.Fields = append(k.Fields, fv)
	}
	for _, f := range slices.Backward(e.Fields) {
		if f.Type == "date" && (m.pastDate(e, f) || dueLabels[f.Label]) {
			k.Focus = f.Name
		}
	}
	if k.Sort == "rank" || strings.HasPrefix(k.Sort, "rang") {
		k.Focus = k.Sort
	}
	for _, a := range m.Actions {
		if a.Entity == e.Name {
			k.Actions = append(k.Actions, actionOf(e, a))
		}
	}
	return k
}

var goTypes = map[string]string{"text": "Text", "longtext": "Text", "choice": "Text", "email": "Text", "url": "Text", "number": "Number", "money": "Money", "date": "Date", "bool": "Bool"}

// dueLabels are dates that come nearer.
var dueLabels = func() map[string]bool {
	m := map[string]bool{}
	for _, key := range []string{"due_date", "expires", "renews"} {
		for _, label := range lex().Fields[key].Labels {
			m[label] = true
		}
	}
	return m
}()

// pastDate reports whether f says when something was last done.
func (m Model) pastDate(e Entity, f Field) bool {
	return f.Type == "date" && slices.ContainsFunc(m.Actions, func(a Action) bool {
		return a.Entity == e.Name && a.Field == f.Name && a.Effect == EffectToday
	})
}

// sortOf chooses how a list is ordered: a ladder by rank, a log newest first, the
// rest by name.
func sortOf(e Entity) string {
	first := e.Fields[0]
	for _, f := range e.Fields {
		if f.Type == "number" && slices.Contains(lex().Fields["rank"].Labels, f.Label) {
			return f.Name
		}
	}
	for _, f := range e.Fields {
		if f.Type == "date" && f.Required {
			return "-" + f.Name
		}
	}
	if first.Ref != "" {
		return "-updated_at"
	}
	return first.Name
}

func describe(f fieldView) string {
	text := map[string]string{"longtext": "long text", "date": "date (`2026-05-31`)", "bool": "yes or no", "money": "amount", "email": "e-mail address", "url": "web address"}[f.Type]
	switch {
	case f.Ref != "":
		text = "id of one of `/" + f.RefPlural + "`"
	case f.Type == "choice":
		text = "one of " + strings.Join(f.Options, ", ")
	case text == "":
		text = f.Type
	}
	if f.Required {
		text += ", required"
	}
	return text
}

func actionOf(e Entity, a Action) actionView {
	f, _ := e.Field(a.Field)
	recv := strings.ToLower(e.Name[:1]) + "." + goName(a.Field)
	v := actionView{Action: a, Method: pascal(a.Verb)}
	switch {
	case a.Effect == EffectToday:
		v.Body, v.Now, v.Describe = recv+" = DateOf(now)", true, "“"+f.Label+"” becomes the current day"
	case a.Effect == EffectIncrement:
		v.Body, v.Describe = fmt.Sprintf("%s = Number{Float: %s.Float + 1, Known: true}", recv, recv), "“"+f.Label+"” grows by one"
	case f.Type == "bool":
		v.Body, v.Describe = recv+" = true", "“"+f.Label+"” is set to yes"
	default:
		v.Body, v.Describe = fmt.Sprintf("%s = %q", recv, a.Value), "“"+f.Label+"” becomes “"+a.Value+"”"
	}
	return v
}

// PluralOf returns the path of the entity called name.
func (v view) PluralOf(name string) string {
	e, _ := v.Entity(name)
	return e.Plural
}

// hint is an example that an empty input shows.
func (m Model) hint(e Entity, f Field) string {
	if f.Ref != "" || f.Type != "text" && f.Type != "longtext" && f.Type != "email" && f.Type != "url" {
		return ""
	}
	return m.sample(e, f, 0)
}

// sample returns the n-th example value of a field, as typed into a form.
// References have none.
func (m Model) sample(e Entity, f Field, n int) string {
	switch {
	case f.Ref != "":
		return ""
	case f.Name == e.Fields[0].Name:
		if t := thingCalled(e.Label); t != nil && len(t.Examples) > 0 {
			return pick(inLang(t.Examples, t.Foreign, m.Lang), n)
		}
		return fmt.Sprintf("%s %s", e.Label, string(rune('A'+n%26)))
	case len(f.Options) > 0:
		return f.Options[n%len(f.Options)]
	}
	if examples := examplesOf(f, m.Lang); len(examples) > 0 {
		return pick(examples, n)
	}
	switch f.Type {
	case "number":
		return []string{"3", "12", "7"}[n%3]
	case "money":
		return []string{"120.00", "48.50", "940.00"}[n%3]
	case "date":
		return []string{"2026-05-17", "2026-05-28", "2026-05-30"}[n%3]
	case "bool":
		return []string{"true", "", "true"}[n%3]
	case "email":
		return []string{"sam@example.com", "alex@example.com", "kim@example.com"}[n%3]
	case "url":
		return fmt.Sprintf("https://example.com/%d", n%3+1)
	}
	return fmt.Sprintf("%s %d", f.Label, n%3+1)
}

// thingCalled finds a thing of the lexicon by the label of an entity.
func thingCalled(label string) *thing {
	if nouns := lex().nouns[strings.ToLower(label)]; len(nouns) > 0 {
		return lex().Things[nouns[0].key]
	}
	if n, _, ok := germanCompound(word{text: label, low: strings.ToLower(label)}); ok {
		return lex().Things[n.key]
	}
	for _, key := range lex().order {
		for _, sign := range strings.Fields(lex().Things[key].Signs) {
			if strings.Contains(strings.ToLower(label), sign) {
				return lex().Things[key]
			}
		}
	}
	return nil
}

// examplesOf returns the lexicon's examples for a field of this label and type.
func examplesOf(f Field, lang string) []string {
	for _, known := range lex().labels[f.Label] {
		if known.word.Type == f.Type && len(known.word.Examples) > 0 {
			return inLang(known.word.Examples, known.word.Foreign, lang)
		}
	}
	return nil
}

func inLang(english []string, foreign [][]string, lang string) []string {
	if i := langIndex(lang); i > 0 && i <= len(foreign) {
		return foreign[i-1]
	}
	return english
}

func pick(examples []string, n int) string { return examples[n%len(examples)] }
