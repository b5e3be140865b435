package product

import (
	"fmt"
	"slices"
	"strings"
)

// proof says which test of the generated ones shows a criterion, and about what.
type proof struct {
	kind   string // names the test template
	entity string
	action string // verb
	field  string
	words  string // end of the test's name
}

// draft is a story before it is numbered.
type draft struct {
	Story
	proofs []proof
}

// criterion adds one to d; the proof says how it is shown.
func (d *draft) criterion(level, given, when, then string, p proof) {
	d.Criteria = append(d.Criteria, Criterion{Given: given, When: when, Then: then, Level: level})
	d.proofs = append(d.proofs, p)
}

// Features lists the features F-1, F-2, … of the PRD: one for each kind of record,
// one for what must hold throughout, and those that later changes added.
func (m Model) Features() []Feature {
	features, _ := m.plan()
	return features
}

// Stories lists the user stories US-1, US-2, …, those of later changes last, so
// that numbers never move. Tests writes exactly the tests their criteria name.
func (m Model) Stories() []Story {
	_, drafts := m.plan()
	var all []Story
	for _, d := range drafts {
		all = append(all, d.Story)
	}
	return all
}

// plan lays out features and stories and numbers them.
func (m Model) plan() ([]Feature, []draft) {
	var features []Feature
	var drafts []draft
	feature := func(title, text string, ds ...draft) {
		f := Feature{ID: fmt.Sprintf("F-%d", len(features)+1), Title: title, Text: text}
		features = append(features, f)
		for _, d := range ds {
			d.Feature = f.ID
			drafts = append(drafts, d)
		}
	}
	was := m.original()
	for _, e := range was.Entities {
		feature(e.LabelPlural, was.entityText(e), was.entityStories(e)...)
	}
	feature("Dependable and safe", "Records survive a restart and a full disk, other sites cannot change them, and whoever runs the application sees that it is well.", m.houseStories(was.Entities[0])...)
	for _, c := range m.Changes {
		e, ok := m.Entity(c.Entity)
		if !ok {
			continue
		}
		feature(m.changeTitle(c, e), c.Summary, m.changeStories(c, e)...)
	}
	for i := range drafts {
		number(&drafts[i], i+1)
	}
	return features, drafts
}

func number(d *draft, n int) {
	d.ID = fmt.Sprintf("US-%d", n)
	for j := range d.Criteria {
		c := &d.Criteria[j]
		c.ID = fmt.Sprintf("AC-%d.%d", n, j+1)
		c.Test = fmt.Sprintf("TestAC_%d_%d_%s", n, j+1, d.proofs[j].words)
	}
}

// original is the model without what later changes added.
func (m Model) original() Model {
	was := m.clone()
	was.Changes = nil
	for _, c := range m.Changes {
		switch c.Kind {
		case "entity":
			was.Entities = slices.DeleteFunc(was.Entities, func(e Entity) bool { return e.Name == c.Entity })
			was.Actions = slices.DeleteFunc(was.Actions, func(a Action) bool { return a.Entity == c.Entity })
		case "action":
			was.Actions = slices.DeleteFunc(was.Actions, func(a Action) bool { return a.Entity == c.Entity && a.Verb == c.Verb })
		case "field":
			for i := range was.Entities {
				if e := &was.Entities[i]; e.Name == c.Entity {
					e.Fields = slices.DeleteFunc(e.Fields, func(f Field) bool { return f.Name == c.Field })
				}
			}
		}
	}
	return was
}

func (m Model) changeTitle(c Change, e Entity) string {
	switch f, _ := e.Field(c.Field); c.Kind {
	case "entity":
		return e.LabelPlural
	case "action":
		return m.action(c.Entity, c.Verb).Label + " for " + Within(e.LabelPlural, m.Lang)
	default:
		return f.Label + " of " + Within(e.LabelPlural, m.Lang)
	}
}

func (m Model) changeStories(c Change, e Entity) []draft {
	switch c.Kind {
	case "entity":
		return m.withoutChangesTo(e).entityStories(e)
	case "action":
		return []draft{m.actionStory(e, m.action(c.Entity, c.Verb))}
	default:
		f, _ := e.Field(c.Field)
		return []draft{m.fieldStory(e, f)}
	}
}

// withoutChangesTo leaves out the actions on e that came by changes of their own.
func (m Model) withoutChangesTo(e Entity) Model {
	m = m.clone()
	for _, c := range m.Changes {
		if c.Kind == "action" && c.Entity == e.Name {
			m.Actions = slices.DeleteFunc(m.Actions, func(a Action) bool { return a.Entity == e.Name && a.Verb == c.Verb })
		}
	}
	return m
}

func (m Model) action(entity, verb string) Action {
	for _, a := range m.Actions {
		if a.Entity == entity && a.Verb == verb {
			return a
		}
	}
	return Action{}
}

func (m Model) entityText(e Entity) string {
	var names []string
	for _, f := range e.Fields {
		names = append(names, Within(f.Label, m.Lang))
	}
	return fmt.Sprintf("A list of %s with %s: add, find, correct and remove them, in the browser and through the API.", Within(e.LabelPlural, m.Lang), List(names))
}

// article puts a or an before an English noun, and "one" sense before others.
func (m Model) article(e Entity) string {
	one := Within(e.Label, m.Lang)
	if strings.ContainsAny(one[:1], "aeioAEIO") {
		return "an " + one
	}
	return "a " + one
}

func (m Model) entityStories(e Entity) []draft {
	one, many := m.article(e), Within(e.LabelPlural, m.Lang)
	p := func(kind, words string) proof { return proof{kind: kind, entity: e.Name, words: words} }
	add := draft{Story: Story{Title: "Add " + one, As: m.Persona, Want: "to add " + one, So: "I find it again when I need it"}}
	add.criterion("e2e", "a list without "+many, "I fill in the form and save", "the page of the new record shows every value, and the list names it", p("add", "Add"+e.Name))
	add.criterion("unit", "a form whose every field is wrong", "it is checked", "each wrong field is named, all at once", p("wrong", e.Name+"NamesEveryWrongField"))
	add.criterion("integration", "a program that uses the API", "it posts a record, or a wrong one", "it gets 201 and the record's address, or 422 and every wrong field, and only the right one is stored", p("create", "Create"+e.Name+"ByAPI"))

	find := draft{Story: Story{Title: "Find " + one, As: m.Persona, Want: "to search and sort " + many, So: "I need not look through the whole list"}}
	find.criterion("unit", "three records", "I search for a word in any case, or sort by a field", "only those with the word are listed, in the order asked for", p("search", "Find"+e.Name))
	find.criterion("integration", "more records than fit on a page", "the API is asked for a page", "it returns that page and the total, and refuses parameters it does not know", p("page", "Page"+e.Name+"ByAPI"))
	find.criterion("e2e", "no record, or none that matches", "I open the list or search", "the page says so and offers the next step", p("empty", "Empty"+e.Name+"List"))

	change := draft{Story: Story{Title: "Correct or remove " + one, As: m.Persona, Want: "to correct a mistake or remove " + one, So: "the list stays true"}}
	change.criterion("e2e", "a record", "I change a value and save, first wrongly", "the form keeps what I typed and says what is wrong, then the record shows the new value", p("edit", "Edit"+e.Name))
	change.criterion("e2e", "a record", "I choose to delete it", "I am asked first, and after my yes it is gone", p("delete", "Delete"+e.Name))
	change.criterion("integration", "a program that uses the API", "it replaces or deletes a record", "the change is stored, and an unknown id is 404", p("replace", "Replace"+e.Name+"ByAPI"))

	all := []draft{add, find, change}
	if d, ok := m.linkStory(e); ok {
		all = append(all, d)
	}
	for _, a := range m.Actions {
		if a.Entity == e.Name {
			all = append(all, m.actionStory(e, a))
		}
	}
	return all
}

// linkStory is about the first reference of e.
func (m Model) linkStory(e Entity) (draft, bool) {
	for _, f := range e.Fields {
		parent, ok := m.Entity(f.Ref)
		if !ok {
			continue
		}
		many := Within(e.LabelPlural, m.Lang)
		d := draft{Story: Story{Title: fmt.Sprintf("See the %s of %s", many, m.article(parent)), As: m.Persona, Want: fmt.Sprintf("to see the %s of %s together", many, m.article(parent)), So: "I do not put them together myself"}}
		p := func(kind, words string) proof {
			return proof{kind: kind, entity: e.Name, field: f.Name, words: words}
		}
		d.criterion("e2e", "a record that refers to another", "I open the other one", "it lists the first, with a link, and offers to add one more for it", p("children", e.Name+"Of"+parent.Name))
		d.criterion("integration", "a record that refers to another", "the other is deleted, or a reference to nothing is saved", "both are refused, and nothing changes", p("refs", e.Name+"KeepsIts"+parent.Name))
		return d, true
	}
	return draft{}, false
}

func (m Model) actionStory(e Entity, a Action) draft {
	f, _ := e.Field(a.Field)
	effect := actionOf(e, a).Describe
	d := draft{Story: Story{Title: fmt.Sprintf("“%s” for %s", a.Label, m.article(e)), As: m.Persona, Want: fmt.Sprintf("to press “%s” on %s", a.Label, m.article(e)), So: fmt.Sprintf("“%s” is up to date with one touch", f.Label)}}
	method := pascal(a.Verb)
	p := func(kind, words string) proof {
		return proof{kind: kind, entity: e.Name, action: a.Verb, field: a.Field, words: words}
	}
	d.criterion("unit", "a record", fmt.Sprintf("“%s” is applied", a.Label), effect, p("act", method+e.Name))
	d.criterion("e2e", "a record on the list", fmt.Sprintf("I press “%s”", a.Label), "I stay on the list, which says that it is done, and the record shows it", p("press", method+e.Name+"FromList"))
	d.criterion("integration", "a program that uses the API", fmt.Sprintf("it posts to …/%s", a.Verb), "the changed record is returned and stored, and an unknown id is 404", p("post", method+e.Name+"ByAPI"))
	return d
}

func (m Model) fieldStory(e Entity, f Field) draft {
	d := draft{Story: Story{Title: fmt.Sprintf("Record “%s” of %s", f.Label, m.article(e)), As: m.Persona, Want: fmt.Sprintf("to record “%s” of %s", f.Label, m.article(e)), So: "I find it beside the rest"}}
	p := func(kind, words string) proof {
		return proof{kind: kind, entity: e.Name, field: f.Name, words: words}
	}
	name := goName(f.Name)
	d.criterion("unit", fmt.Sprintf("“%s” in the wrong format", f.Label), "the record is checked", "exactly this field is named", p("format", e.Name+name+"Format"))
	d.criterion("integration", "records kept before there was this field", "the newer application starts", "they load, and the field can be filled in and is stored", p("upgrade", e.Name+"Gets"+name))
	d.criterion("e2e", "a record without it", "I edit the record and fill it in", "the page of the record shows it", p("fill", "Fill"+e.Name+name))
	return d
}

func (m Model) houseStories(first Entity) []draft {
	p := func(kind, words string) proof { return proof{kind: kind, entity: first.Name, words: words} }
	keep := draft{Story: Story{Title: "Keep my records", As: m.Persona, Want: "that nothing I saved gets lost", So: "I can rely on it"}}
	keep.criterion("integration", "saved records", "the application starts again", "all are there, unchanged", p("restart", "RestartKeepsRecords"))
	keep.criterion("unit", "a disk that refuses a write", "a record is saved", "the error is reported, and what was there stays visible and on disk", p("diskfull", "FailedWriteChangesNothing"))
	keep.criterion("unit", "a damaged file, or one of a newer version", "the application starts", "it names the file and leaves it alone", p("damaged", "DamagedFileIsRefused"))

	safe := draft{Story: Story{Title: "Keep others out", As: m.Persona, Want: "that other web sites cannot act in my name", So: "my records are mine"}}
	safe.criterion("integration", "a page of another site", "it sends a form to the application", "the answer is 403, and nothing is stored", p("crosssite", "OtherSitesAreRefused"))
	safe.criterion("e2e", "a value that contains a script", "it is shown", "it is text, and the page allows no script at all", p("escape", "ScriptsAreText"))
	safe.criterion("integration", "a body that is too large, or not declared as JSON", "it is sent", "it is refused before it is read as a record", p("limits", "BodiesAreLimited"))

	overview := draft{Story: Story{Title: "See where things stand", As: m.Persona, Want: "one page with everything at a glance", So: "I know what to do next"}}
	overview.criterion("e2e", "some records", "I open the start page", "it counts each list and links the records that want attention first", p("overview", "OverviewCountsAndLinks"))

	operate := draft{Story: Story{Title: "Run it", As: "person who runs the application", Want: "to see that it is well and to stop it cleanly", So: "I can leave it alone"}}
	operate.criterion("integration", "a running application", "its health and metrics are read", "it answers 200 and counts requests and records", p("health", "HealthAndMetrics"))
	operate.criterion("e2e", "a running application", "it is told to stop, or cannot start", "it ends within the time allowed, without an error; a start that fails says why", p("stop", "StartAndStop"))
	return []draft{keep, safe, overview, operate}
}
