package product

import (
	"fmt"
	"slices"
	"strings"
)

// Extend adds what a later request asks for: a field, an action or an entity, at
// least one as long as the model has room, unless it only asks to take things away;
// these stay, and a note says so. What was there stays as it was, so
// that records kept by the older application load in the newer one.
func (m Model) Extend(request string) (Model, []Change) {
	m = m.clone()
	r := newReading(request)
	r.lang = m.Lang
	r.known = m.Entities
	before := len(m.Changes)
	gone := r.takeAway()
	r.markAdded(m)
	fresh := r.newConcepts(m)
	for _, s := range r.specs {
		if e := r.target(m, s.at); e != "" {
			m.grow(e, s)
		}
	}
	for _, c := range fresh {
		m.addEntity(r, c)
	}
	if len(gone) > 0 {
		m.note(OnlyAdds(gone))
	}
	if len(m.Changes) == before && (len(gone) == 0 || r.contentWords() > 0) {
		m.growAnyway(r, request)
	}
	m.settle()
	return m, slices.Clone(m.Changes[before:])
}

func (m Model) clone() Model {
	m.Entities = slices.Clone(m.Entities)
	for i := range m.Entities {
		m.Entities[i].Fields = slices.Clone(m.Entities[i].Fields)
	}
	m.Actions, m.Changes, m.Notes = slices.Clone(m.Actions), slices.Clone(m.Changes), slices.Clone(m.Notes)
	return m
}

// OnlyAdds says what becomes of the things that a request asks to take away.
func OnlyAdds(gone []string) string {
	verb := "stays"
	if len(gone) > 1 {
		verb = "stay"
	}
	return fmt.Sprintf("The demo model can only add; “%s” %s as it was.", strings.Join(gone, "” and “"), verb)
}

func (m *Model) note(text string) {
	if !slices.Contains(m.Notes, text) {
		m.Notes = append(m.Notes, text)
	}
}

// mentioned returns the position of an entity's name in the text, or -1.
func (r *reading) mentioned(e Entity) int {
	for i := range r.words {
		for n := 1; n <= 3; n++ {
			p := r.phrase(i, n)
			if p != "" && (p == strings.ToLower(e.Label) || p == strings.ToLower(e.LabelPlural) || p == strings.ToLower(plural(e.Label, r.lang))) {
				return i
			}
		}
	}
	return -1
}

// target returns the entity a field at position at is for: the nearest one that
// is mentioned, or the first.
func (r *reading) target(m Model, at int) string {
	best, distance := m.Entities[0].Name, len(r.words)+1
	for _, e := range m.Entities {
		if pos := r.mentioned(e); pos >= 0 && max(pos-at, at-pos) < distance {
			best, distance = e.Name, max(pos-at, at-pos)
		}
	}
	return best
}

// markAdded reads nouns in the singular after "add" as fields: add a discount and
// a nickname.
func (r *reading) markAdded(m Model) {
	adding := false
	for i := 0; i < len(r.words); i++ {
		w := r.low(i)
		adding = adding && !r.words[i].start
		switch {
		case addWords[w]:
			adding = true
			continue
		case !adding || determiners[w] || w == "and" || w == "und" || w == "et" || w == "y" || w == "also":
			continue
		}
		if _, width := r.fieldAt(i); width > 0 {
			i += width - 1
			continue
		}
		if !r.content(i) || requestWords[w] || r.isEntity(m, i) || manage[w] {
			adding = r.words[i].comma
			continue
		}
		end := i + 1
		for end < min(i+3, len(r.words)) && !r.words[end-1].comma && r.content(end) && !requestWords[r.low(end)] && !r.isEntity(m, end) {
			end++
		}
		if _, isPlural := singular(r.text(i, end), r.lang); !isPlural && len(lex().nouns[r.low(end-1)]) == 0 {
			s := r.typed(r.text(i, end), "")
			s.at = i
			r.specs = append(r.specs, s)
			for j := i; j < end; j++ {
				r.used[j] = true
			}
		}
		i = end - 1
	}
}

var addWords = set("add adds adding include show record store save give need want hinzufügen ergänze ergänzen füge aufnehmen ajouter ajoute añadir añade agregar")

// newConcepts finds things in the request that the model does not keep yet.
func (r *reading) newConcepts(m Model) []concept {
	found := r.concepts()
	for i := range r.words {
		if keys, width := r.domainAt(i); width == 1 && !slices.ContainsFunc(keys, func(key string) bool { return !m.keeps(key) }) {
			found = append(found, r.unknown(i, i+1)) // what its word usually means is there
			found[len(found)-1].score, found[len(found)-1].strong = 5, true
		}
	}
	return slices.DeleteFunc(found, func(c concept) bool {
		if c.key == "" && requestWords[strings.ToLower(c.one)] {
			return true // add a field for the price
		}
		weak := c.score < 4 && !c.strong && len(r.specs) > 0
		return weak || slices.ContainsFunc(m.Entities, func(e Entity) bool {
			return sameNoun(e, c) || strings.EqualFold(e.Name, pascal(c.one))
		})
	})
}

// keeps reports whether the thing called key is among the entities.
func (m Model) keeps(key string) bool {
	one, many := lex().nameOf(key, m.Lang)
	return slices.ContainsFunc(m.Entities, func(e Entity) bool { return sameNoun(e, concept{key: key, one: one, many: many}) })
}

func sameNoun(e Entity, c concept) bool {
	for _, label := range []string{e.Label, e.LabelPlural} {
		if strings.EqualFold(label, c.one) || strings.EqualFold(label, c.many) {
			return true
		}
		for _, n := range lex().nouns[strings.ToLower(label)] {
			if n.key == c.key {
				return true
			}
		}
		if n, _, ok := germanCompound(word{text: label, low: strings.ToLower(label)}); ok && n.key == c.key {
			return true
		}
	}
	return false
}

// grow adds a field, and its action, to an entity that has room and lacks it.
func (m *Model) grow(entity string, s spec) bool {
	i := slices.IndexFunc(m.Entities, func(e Entity) bool { return e.Name == entity })
	e := &m.Entities[i]
	f := s.field
	f.Required = false
	changed := false
	if s.action != nil && f.Type == "bool" {
		if value, choice, ok := choiceFor(e.Fields, f.Label); ok {
			f = choice
			s.action = &Action{Verb: s.action.Verb, Label: s.action.Label, Effect: EffectSet, Value: value}
		}
	}
	if _, has := e.Field(f.Name); !has && f.Name != "" && len(e.Fields) < hardLimit {
		at := len(e.Fields)
		if e.Fields[at-1].Type == "longtext" && f.Type != "longtext" && at > 1 {
			at--
		}
		e.Fields = slices.Insert(e.Fields, at, f)
		e.settleField(at)
		f = e.Fields[at]
		m.Changes = append(m.Changes, Change{
			Kind: "field", Entity: e.Name, Field: f.Name,
			Summary: fmt.Sprintf("%s now have “%s”.", e.LabelPlural, f.Label),
		})
		changed = true
	}
	if s.action == nil || !m.fits(*e, f.Name, *s.action) {
		return changed
	}
	a := *s.action
	a.Entity, a.Field = e.Name, f.Name
	before := len(m.Actions)
	m.Actions = append(m.Actions, a)
	m.settleActions()
	if len(m.Actions) == before {
		return changed
	}
	a = m.Actions[before]
	m.Changes = append(m.Changes, Change{
		Kind: "action", Entity: e.Name, Field: f.Name, Verb: a.Verb,
		Summary: fmt.Sprintf("%s have a button “%s”.", e.LabelPlural, a.Label),
	})
	return true
}

func (m *Model) fits(e Entity, field string, a Action) bool {
	f, ok := e.Field(field)
	return ok && (a.Effect != EffectToday || f.Type == "date") && (a.Effect != EffectIncrement || f.Type == "number") &&
		(a.Effect != EffectSet || f.Type == "bool" || slices.Contains(f.Options, a.Value))
}

// addEntity adds a new kind of thing, linked to what it belongs to.
func (m *Model) addEntity(r *reading, c concept) {
	if len(m.Entities) >= hardLimit {
		return
	}
	one := *r
	one.specs = nil // they went to what was there, unless the new thing is named before them
	entities, actions := one.build([]concept{c}, m.Entities)
	m.Entities = append(m.Entities, entities...)
	m.Actions = append(m.Actions, actions...)
	last := len(m.Entities) - 1
	m.settle()
	m.linkNew(r, c, last)
	e := m.Entities[last]
	m.Changes = append(m.Changes, Change{Kind: "entity", Entity: e.Name, Summary: fmt.Sprintf("The application now also keeps %s.", Within(e.LabelPlural, m.Lang))})
}

// linkNew refers from the new entity to one that was there: never the other way
// round, which older records could not satisfy.
func (m *Model) linkNew(r *reading, c concept, last int) {
	for i, e := range m.Entities[:last] {
		belongsTo := false
		if c.key != "" {
			for _, in := range strings.Fields(lex().Things[c.key].In) {
				in, _, _ = strings.Cut(in, "=")
				parent := lex().Things[strings.TrimSuffix(in, "!")]
				for _, n := range parent.names[langIndex(m.Lang)] {
					belongsTo = belongsTo || strings.EqualFold(n.one, e.Label)
				}
			}
		}
		for _, at := range c.ats {
			for j := at + 1; j < min(at+5, len(r.words)); j++ {
				if belongs[r.low(j)] || r.low(j) == "to" {
					rest := *r
					rest.words = r.words[j:min(j+5, len(r.words))]
					belongsTo = belongsTo || rest.mentioned(e) >= 0
				}
			}
		}
		if belongsTo {
			m.link(last, i, false, false, Field{})
		}
	}
	e := &m.Entities[last]
	for j := range e.Fields {
		e.settleField(j)
	}
	notesLast(e)
}

// growAnyway adds the field that the request's own words name, or the first
// useful one that is missing.
func (m *Model) growAnyway(r *reading, request string) {
	target := r.target(*m, 0)
	for i := range r.words {
		if !r.content(i) || manage[r.low(i)] || r.isEntity(*m, i) || requestWords[r.low(i)] {
			continue
		}
		end := i + 1
		for end < min(i+3, len(r.words)) && r.content(end) && !r.isEntity(*m, end) && r.words[end].sentence == r.words[i].sentence && !r.words[end-1].comma {
			end++
		}
		if m.grow(target, r.typed(r.text(i, end), "")) {
			return
		}
	}
	for _, key := range []string{"tags", "favourite", "priority", "status", "link", "rating", "location", "date", "owner", "quantity", "category", "color"} {
		for _, e := range m.Entities {
			if m.grow(e.Name, spec{field: lex().fieldOf(key, m.Lang, false)}) {
				m.Notes = append(m.Notes, fmt.Sprintf("The request “%s” names nothing to add; added the most useful field that was missing.", cut(clean(request), 60)))
				return
			}
		}
	}
	for _, e := range m.Entities {
		n := len(e.Fields) + 1
		if m.grow(e.Name, r.typed(fmt.Sprintf("Detail %d", n), "text")) {
			return
		}
	}
}

// requestWords talk about the change, not about what to keep.
var requestWords = set("change changes request field fields column columns option button show shows display sort filter search support allow enable improve update updates edit remove delete rename bigger faster better dark mode look looks possible ability extra additional more entry blue red green yellow black white colorful value values record feld felder spalte champ colonne campo")

func (r *reading) isEntity(m Model, i int) bool {
	one := *r
	one.words = r.words[i:min(i+2, len(r.words))]
	for _, e := range m.Entities {
		if one.mentioned(e) == 0 {
			return true
		}
	}
	return false
}
