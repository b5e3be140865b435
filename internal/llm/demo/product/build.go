package product

import (
	"fmt"
	"slices"
	"strings"
)

// build makes entities of concepts; the fields the text asks for go to the entity
// named last before them. Names differ from those of the entities there are.
func (r *reading) build(concepts []concept, have []Entity) ([]Entity, []Action) {
	all := Model{Entities: slices.Clone(have)}
	var actions []Action
	for _, c := range concepts {
		e := Entity{Label: capital(Within(c.one, r.lang)), LabelPlural: capital(Within(c.many, r.lang))}
		e.Name, e.Plural = pascal(c.ident), slug(c.many, "-", 40)
		if e.Name == "" {
			e.Name = pascal(c.one)
		}
		if e.Plural == "" && c.ident != "" {
			e.Plural = slug(plural(c.ident, "en"), "-", 40)
		}
		all.Entities = append(all.Entities, e)
		all.settleEntity(len(all.Entities) - 1)
	}
	entities := all.Entities[len(have):]
	for i, c := range concepts {
		specs := r.specsOf(i, concepts)
		e := &entities[i]
		if c.key != "" {
			actions = append(actions, r.fillKnown(e, c.key, specs)...)
		} else {
			actions = append(actions, r.plain(e, specs)...)
		}
	}
	return entities, actions
}

// specsOf returns what the text says about concept i.
func (r *reading) specsOf(i int, concepts []concept) []spec {
	var mine []spec
	counts := map[string]int{}
	for _, s := range r.specs {
		counts[s.field.Name]++
	}
	for _, s := range r.specs {
		owner, at := 0, -1
		for j, c := range concepts {
			for _, pos := range c.ats {
				if pos <= s.at && pos > at && r.words[pos].sentence == r.words[s.at].sentence {
					owner, at = j, pos
				}
			}
		}
		if r.inList(s.at) >= 0 {
			owner = max(0, slices.IndexFunc(concepts, func(c concept) bool { return !c.listed }))
		} else if home := r.home(s.field.Name, concepts); home >= 0 && !r.usually(concepts[owner], s.field.Name) {
			owner = home
		}
		if len(r.words) > longIdea && at < 0 && counts[s.field.Name] < 2 {
			continue
		}
		if owner == i {
			mine = append(mine, s)
		}
	}
	return mine
}

// usually reports whether things like c have a field called name.
func (r *reading) usually(c concept, name string) bool {
	if c.key == "" {
		return false
	}
	return slices.ContainsFunc(strings.Fields(lex().Things[c.key].Fields), func(f string) bool {
		return lex().fieldOf(strings.TrimSuffix(f, "!"), r.lang, false).Name == name
	})
}

// home returns the first concept that usually has a field called name, or -1.
func (r *reading) home(name string, concepts []concept) int {
	return slices.IndexFunc(concepts, func(c concept) bool { return r.usually(c, name) })
}

// fillKnown fills in an entity of the lexicon: what it must have, what was asked
// for, then what such things usually have.
func (r *reading) fillKnown(e *Entity, key string, specs []spec) []Action {
	t := lex().Things[key]
	var usual []Field
	for _, f := range strings.Fields(t.Fields) {
		name, required := strings.CutSuffix(f, "!")
		field := lex().fieldOf(name, r.lang, required)
		if required {
			e.Fields = append(e.Fields, field)
		} else {
			usual = append(usual, field)
		}
	}
	var actions []Action
	for _, a := range strings.Fields(t.Actions) {
		actions = append(actions, r.lexAction(e.Name, a))
	}
	actions = append(actions, r.addSpecs(e, specs, usual)...)
	long := slices.ContainsFunc(e.Fields, func(f Field) bool { return f.Type == "longtext" })
	for _, f := range usual {
		if len(e.Fields) < maxFields && (!long || f.Type != "longtext") {
			addField(e, f)
		}
	}
	return actions
}

// plain fills in an entity that the lexicon does not know.
func (r *reading) plain(e *Entity, specs []spec) []Action {
	e.Fields = []Field{lex().fieldOf("name", r.lang, true)}
	actions := r.addSpecs(e, specs, nil)
	for _, key := range []string{"category", "date", "notes"} {
		if key == "notes" || len(e.Fields) < 4 {
			if len(e.Fields) < maxFields {
				addField(e, lex().fieldOf(key, r.lang, false))
			}
		}
	}
	return actions
}

// addSpecs adds the fields that were asked for. One that the entity usually has
// keeps its usual form.
func (r *reading) addSpecs(e *Entity, specs []spec, usual []Field) []Action {
	var actions []Action
	for _, s := range specs {
		f := s.field
		for _, u := range usual {
			if u.Name == f.Name {
				f = u
			}
		}
		if s.action != nil && f.Type == "bool" {
			if set, choice, ok := choiceFor(append(slices.Clone(e.Fields), usual...), f.Label); ok {
				actions = append(actions, Action{Entity: e.Name, Verb: s.action.Verb, Label: s.action.Label, Field: choice.Name, Effect: EffectSet, Value: set})
				addField(e, choice)
				continue
			}
		}
		if len(e.Fields) >= maxFields {
			continue
		}
		addField(e, f)
		if s.action != nil {
			a := *s.action
			a.Entity, a.Field = e.Name, f.Name
			actions = append(actions, a)
		}
	}
	return actions
}

// choiceFor finds a choice among fields that has label as one of its values.
func choiceFor(fields []Field, label string) (string, Field, bool) {
	for _, f := range fields {
		for _, o := range f.Options {
			if strings.EqualFold(o, label) {
				return o, f, true
			}
		}
	}
	return "", Field{}, false
}

func addField(e *Entity, f Field) {
	if _, ok := e.Field(f.Name); !ok && f.Name != "" {
		e.Fields = append(e.Fields, f)
	}
}

func (r *reading) lexAction(entity, key string) Action {
	w, i := lex().Actions[key], langIndex(r.lang)
	a := Action{Entity: entity, Label: w.Labels[i], Effect: w.Effect, Field: lex().fieldOf(w.Field, r.lang, false).Name}
	a.Verb = key
	if r.lang != "en" {
		a.Verb = slug(w.Labels[i], "-", 30)
	}
	if a.Verb == "" || a.Verb == "1" {
		a.Verb = key
	}
	if len(w.Values) > 0 {
		a.Value = w.Values[i]
	}
	return a
}

// relate links entities: what the lexicon knows to belong together, and "steps of
// a recipe", "albums with songs".
func (r *reading) relate(m *Model, concepts []concept) {
	for i, child := range concepts {
		if child.key == "" {
			continue
		}
		for _, in := range strings.Fields(lex().Things[child.key].In) {
			in, instead, _ := strings.Cut(in, "=")
			key, required := strings.CutSuffix(in, "!")
			for j, parent := range concepts {
				if parent.key == key {
					m.link(i, j, required, child.key == "match", r.usual(instead))
				}
			}
		}
	}
	main := slices.IndexFunc(concepts, func(c concept) bool { return !c.listed })
	for i, c := range concepts {
		if main >= 0 && c.listed && r.mainBefore(r.listed[0].start-1) && !m.linked(i, main) {
			m.link(i, main, false, false, Field{})
		}
	}
	for i, a := range concepts {
		for j, b := range concepts {
			if i == j || m.linked(i, j) {
				continue
			}
			switch r.linking(a, b) {
			case "of":
				m.link(i, j, false, false, Field{})
			case "with":
				m.link(j, i, true, false, Field{})
			}
		}
	}
}

// usual returns the lexicon's field called key in the language of the text.
func (r *reading) usual(key string) Field {
	if key == "" {
		return Field{}
	}
	return lex().fieldOf(key, r.lang, false)
}

var belongs = set("for of per from für pro von pour par para")

// linking says how the text joins two concepts that follow each other.
func (r *reading) linking(a, b concept) string {
	for _, pos := range b.ats {
		start := pos - len(strings.Fields(b.many)) + 1
		j := min(start, pos) - 1
		for j > 0 && determiners[r.low(j)] && !belongs[r.low(j)] {
			j--
		}
		if j <= 0 || !slices.Contains(a.ats, j-1) {
			continue
		}
		switch {
		case belongs[r.low(j)]:
			return "of"
		case with[r.low(j)]:
			return "with"
		}
	}
	return ""
}

// link makes entity child refer to entity parent; twice for the two sides of a
// match. With instead, the reference takes the place of that field.
func (m *Model) link(child, parent int, required, twice bool, instead Field) {
	if child == parent || m.reaches(parent, child) {
		return
	}
	e, p := &m.Entities[child], m.Entities[parent]
	ref := Field{Name: slug(p.Label, "_", 40), Label: p.Label, Type: "text", Required: required, Ref: p.Name}
	if ref.Name == "" {
		ref.Name = slug(p.Name, "_", 40)
	}
	if _, ok := e.Field(instead.Name); ok {
		ref.Name, ref.Label = instead.Name, instead.Label
	}
	if _, taken := e.Field(ref.Name); taken {
		e.Fields = slices.DeleteFunc(e.Fields, func(f Field) bool { return f.Name == ref.Name && !f.Required })
	}
	if twice {
		other := ref
		other.Label = []string{"Opponent", "Gegner", "Adversaire", "Rival"}[langIndex(m.Lang)]
		other.Name = slug(other.Label, "_", 40)
		e.Fields = append([]Field{ref, other}, e.Fields[1:]...) // the two names are the title
		return
	}
	e.Fields = slices.Insert(e.Fields, 1, ref)
}

func (m *Model) linked(i, j int) bool {
	return m.refers(i, j) || m.refers(j, i)
}

func (m *Model) refers(child, parent int) bool {
	return slices.ContainsFunc(m.Entities[child].Fields, func(f Field) bool { return f.Ref == m.Entities[parent].Name })
}

// reaches reports whether from refers to to, directly or through others.
func (m *Model) reaches(from, to int) bool {
	seen := make([]bool, len(m.Entities))
	next := []int{from}
	for len(next) > 0 {
		at := next[0]
		next = next[1:]
		for k := range m.Entities {
			if seen[k] || !m.refers(at, k) {
				continue
			}
			if k == to {
				return true
			}
			seen[k] = true
			next = append(next, k)
		}
	}
	return false
}

// trim keeps every entity within the limit of fields and drops actions whose
// field went.
func (r *reading) trim(m *Model) {
	for i := range m.Entities {
		e := &m.Entities[i]
		for len(e.Fields) > maxFields {
			last := len(e.Fields) - 1
			for last > 0 && (e.Fields[last].Required || e.Fields[last].Ref != "" || r.asked(e.Fields[last]) || m.acted(e.Name, e.Fields[last].Name)) {
				last--
			}
			if last == 0 {
				last = len(e.Fields) - 1
			}
			e.Fields = slices.Delete(e.Fields, last, last+1)
		}
		m.replaced(e)
		notesLast(e)
	}
}

// replaced drops texts of e that a kind of record of its own took the place of.
func (m *Model) replaced(e *Entity) {
	e.Fields = append(e.Fields[:1:1], slices.DeleteFunc(slices.Clone(e.Fields[1:]), func(f Field) bool {
		return f.Ref == "" && f.Type == "text" && slices.ContainsFunc(m.Entities, func(o Entity) bool { return o.Label == f.Label })
	})...)
}

func (r *reading) asked(f Field) bool {
	return slices.ContainsFunc(r.specs, func(s spec) bool { return s.field.Name == f.Name })
}

func (m *Model) acted(entity, field string) bool {
	return slices.ContainsFunc(m.Actions, func(a Action) bool { return a.Entity == entity && a.Field == field })
}

// notesLast moves long texts to the end of the form.
func notesLast(e *Entity) {
	slices.SortStableFunc(e.Fields[1:], func(a, b Field) int {
		return strings.Compare(fmt.Sprint(a.Type == "longtext"), fmt.Sprint(b.Type == "longtext"))
	})
}
