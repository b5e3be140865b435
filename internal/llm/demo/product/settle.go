package product

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// What generated code already uses, so that no entity, field, path or verb may.
var (
	reservedTypes  = set("Kinds Kind Action Row Meta Find Field Problems FromForm FromJSON ErrJSON Value Text Bool Date DateOf Number Money MaxLimit Query ParseQuery")
	reservedPaths  = set("api health metrics static new")
	reservedFields = set("id created_at updated_at q sort limit offset note from")
	reservedGo     = set("Meta Base Fields Copy ID CreatedAt UpdatedAt")
	reservedVerbs  = set("new edit delete id")
)

// settle gives everything in m a name that is valid, free and unique, and lets
// references follow.
func (m *Model) settle() {
	for i := range m.Entities {
		e := &m.Entities[i]
		m.settleEntity(i)
		for j := range e.Fields {
			old := e.Fields[j].Name
			e.settleField(j)
			for k := range m.Actions {
				if a := &m.Actions[k]; a.Entity == e.Name && a.Field == old {
					a.Field = e.Fields[j].Name
				}
			}
		}
	}
	m.settleActions()
}

func (m *Model) settleEntity(i int) {
	e := &m.Entities[i]
	if e.Label == "" {
		e.Label = "Item"
	}
	if e.LabelPlural == "" {
		e.LabelPlural = e.Label
	}
	base := e.Name
	if base == "" {
		base = "Item"
	}
	if reservedTypes[base] {
		base += "Item"
	}
	name := unique(base, "", func(s string) bool {
		return slices.ContainsFunc(m.Entities[:i], func(o Entity) bool { return strings.EqualFold(o.Name, s) })
	})
	m.rename(i, name)
	path := e.Plural
	if path == "" || unicode.IsDigit(rune(path[0])) {
		path = slug(plural(name, "en"), "-", 40)
	}
	if reservedPaths[path] {
		path += "-list"
	}
	e.Plural = unique(path, "-", func(s string) bool {
		return slices.ContainsFunc(m.Entities[:i], func(o Entity) bool { return o.Plural == s })
	})
}

// rename gives entity i another name; what belongs to it follows. Names still
// equal to it in later entities are theirs.
func (m *Model) rename(i int, name string) {
	old := m.Entities[i].Name
	m.Entities[i].Name = name
	if old == name || slices.ContainsFunc(m.Entities[:i], func(o Entity) bool { return o.Name == old }) {
		return
	}
	for k := range m.Actions {
		if m.Actions[k].Entity == old {
			m.Actions[k].Entity = name
		}
	}
	for j := range m.Entities {
		for k := range m.Entities[j].Fields {
			if f := &m.Entities[j].Fields[k]; f.Ref == old && old != "" {
				f.Ref = name
			}
		}
	}
}

// unique adds the lowest number that makes base free.
func unique(base, sep string, taken func(string) bool) string {
	name := base
	for n := 2; taken(name); n++ {
		name = fmt.Sprintf("%s%s%d", base, sep, n)
	}
	return name
}

func (e *Entity) settleField(j int) {
	f := &e.Fields[j]
	base := f.Name
	if base == "" || base[0] < 'a' || base[0] > 'z' {
		base = strings.TrimRight("field_"+base, "_")
	}
	if reservedFields[base] || reservedGo[goName(base)] {
		base += "_value"
	}
	f.Name = unique(base, "_", func(s string) bool {
		return slices.ContainsFunc(e.Fields[:j], func(o Field) bool { return o.Name == s || goName(o.Name) == goName(s) })
	})
	if f.Label == "" {
		f.Label = capital(strings.ReplaceAll(f.Name, "_", " "))
	}
	if f.Type == "choice" && len(f.Options) == 0 {
		f.Type = "text"
	}
}

// settleActions drops actions that point nowhere or do the same as another, and
// makes verbs unique beside the fields of their entity.
func (m *Model) settleActions() {
	var kept []Action
	for _, a := range m.Actions {
		e, ok := m.Entity(a.Entity)
		if _, has := e.Field(a.Field); !ok || !has || a.Verb == "" {
			continue
		}
		same := func(o Action) bool {
			return o.Entity == a.Entity && o.Field == a.Field && o.Effect == a.Effect && o.Value == a.Value
		}
		if slices.ContainsFunc(kept, same) {
			continue
		}
		if a.Verb[0] < 'a' || a.Verb[0] > 'z' || reservedVerbs[a.Verb] {
			a.Verb = "do-" + a.Verb
		}
		a.Verb = unique(a.Verb, "-", func(s string) bool {
			method := pascal(s)
			return reservedGo[method] || method == "" ||
				slices.ContainsFunc(e.Fields, func(f Field) bool { return goName(f.Name) == method }) ||
				slices.ContainsFunc(kept, func(o Action) bool { return o.Entity == a.Entity && pascal(o.Verb) == method })
		})
		kept = append(kept, a)
	}
	m.Actions = kept
}
