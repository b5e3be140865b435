package product

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/fault"
	"pgregory.net/rapid"
)

func TestExtendAddsWhatIsAsked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ idea, request, want string }{
		{ideas[0].idea, "Also let me record when I last fertilized each plant", "field Plant.last_fertilized, action Plant.fertilize"},
		{ideas[0].idea, "add a photo link", "field Plant.photo_link"},
		{"invoices for freelancers", "add a due reminder date and a discount", "field Invoice.discount, field Invoice.due_reminder_date"},
		{"invoices for freelancers", "clients need a phone extension number", "field Client.phone_extension_number"},
		{"a chess club ladder", "track tournaments", "entity Tournament"},
		{"Kochrezepte mit Zutaten", "Bitte noch eine Bewertung für Rezepte", "field Kochrezept.bewertung"},
		{"bookmarks", "add a rating", "field Bookmark.rating"},
		{"maintenance logs for machines", "add tags and suppliers", "field MaintenanceLog.tags, entity Supplier"},
		{"my plants", "Add a field for the price of a plant.", "field Plant.price"},
		{"my cats", "When did I last brush the cat?", "field Cat.last_brushed, action Cat.brush"},
		{"🌱🌱", "🌵", "field Plant.tags"},
		{"workshop attendance", "Make it blue", "field Workshop.tags"},
		{"bookmarks", "", "field Bookmark.rating"},
	} {
		m := Read(c.idea)
		before := string(m.YAML())
		next, changes := m.Extend(c.request)
		var got []string
		for _, ch := range changes {
			what := ch.Entity
			switch ch.Kind {
			case "field":
				what += "." + ch.Field
			case "action":
				what += "." + ch.Verb
			}
			got = append(got, ch.Kind+" "+what)
			if ch.Summary == "" {
				t.Errorf("%q: %v has no summary", c.request, ch)
			}
		}
		if c.request != "" && strings.Join(got, ", ") != c.want || len(got) == 0 {
			t.Errorf("%q on %q: got %v, want %s", c.request, c.idea, got, c.want)
		}
		if string(m.YAML()) != before {
			t.Errorf("%q changed the model it started from", c.request)
		}
		if bad := next.check(); len(bad) > 0 {
			t.Errorf("%q: %v", c.request, bad)
		}
	}
}

func TestExtendNeverAddsWhatIsToGo(t *testing.T) {
	t.Parallel()
	const contacts = "contacts"
	for _, c := range []struct{ idea, request, want, stays string }{
		{contacts, "Remove the phone field and add the name of the witness", "Contact.witness", "the phone field"},
		{"bookmarks", "Remove the phone field and add the name of the witness", "Bookmark.witness", "the phone field"},
		{"bookmarks", "Please add a nickname and get rid of the rating", "Bookmark.nickname", "the rating"},
		{"bookmarks", "Delete the tags", "", "the tags"},
		{"bookmarks", "We no longer need the rating", "", "the rating"},
		{"bookmarks", "The rating is no longer needed, add a price", "Bookmark.price", "The rating"},
		{"bookmarks", "Add a price, the rating is no longer needed", "Bookmark.price", "the rating"},
		{"bookmarks", "The rating and the priority should be removed", "", "The rating the priority"},
		{"bookmarks", "Add a price without a rating", "Bookmark.price", "a rating"},
		{"bookmarks", "Drop the rating but add a location and a due date", "Bookmark.location Bookmark.due_date", "the rating"},
		{"bookmarks", "Replace the rating with a priority", "Bookmark.priority", "the rating"},
		{"bookmarks", "Add a price instead of the rating", "Bookmark.price", "the rating"},
		{"bookmarks", "I want to remove the suppliers and add a date", "Bookmark.date", "the suppliers"},
		{"Kochrezepte mit Zutaten", "Entferne die Bewertung und ergänze einen Preis", "Kochrezept.preis", "die Bewertung"},
		{"Kochrezepte mit Zutaten", "Bewertung löschen und Preis hinzufügen", "Kochrezept.preis", "Bewertung"},
		{"Kochrezepte mit Zutaten", "Einen Preis ohne Währung hinzufügen", "Kochrezept.preis", "Währung"},
		{"Kochrezepte mit Zutaten", "Die Bewertung brauchen wir nicht mehr", "", "Die Bewertung"},
		{"Kochrezepte mit Zutaten", "Löschen Sie die Bewertung", "", "die Bewertung"},
		{"Kochrezepte mit Zutaten", "Den Weg zum Herd hinzufügen", "Kochrezept.weg", ""},
		{"bookmarks", "Add a reason to delete a bookmark", "Bookmark.reason", ""},
	} {
		m := Read(c.idea)
		next, changes := m.Extend(c.request)
		var got []string
		for _, ch := range changes {
			got = append(got, ch.Entity+"."+ch.Field)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q: added %v, want %s", c.request, got, c.want)
		}
		if gone := strings.Join(Removals(c.request), ", "); gone != c.stays {
			t.Errorf("%q: stays %q, want %q", c.request, gone, c.stays)
		}
		if note := strings.Join(next.Notes, " "); c.stays != "" && !strings.Contains(note, "can only add; “"+c.stays) {
			t.Errorf("%q: notes %q", c.request, note)
		}
	}
}

// TestExtendKeepsWhatWasThere: names, fields, story numbers and tests of the older
// model stay, and nothing new is required, for any texts; a request that takes
// nothing away adds something.
func TestExtendKeepsWhatWasThere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := Read(anyIdea(t, "idea"))
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			request := anyIdea(t, "request")
			next, changes := m.Extend(request)
			if len(changes) == 0 && len(Removals(request)) == 0 {
				t.Fatal("nothing was added, and nothing was to be taken away")
			}
			if bad := next.check(); len(bad) > 0 {
				t.Fatal(bad)
			}
			keeps(t, m, next, len(changes) > 0)
			m = next
		}
	})
}

func keeps(t *rapid.T, m, next Model, added bool) {
	for i, e := range m.Entities {
		now := next.Entities[i]
		if now.Name != e.Name || now.Plural != e.Plural || now.Fields[0].Name != e.Fields[0].Name {
			t.Fatalf("%s became %s", e.Name, now.Name)
		}
		for _, f := range e.Fields {
			if got, ok := now.Field(f.Name); !ok || got.Type != f.Type || got.Label != f.Label {
				t.Fatalf("%s.%s became %v", e.Name, f.Name, got)
			}
		}
		for _, f := range now.Fields {
			if _, had := e.Field(f.Name); !had && f.Required {
				t.Fatalf("%s.%s is new and required", e.Name, f.Name)
			}
		}
	}
	before, after := m.Stories(), next.Stories()
	if added && len(after) <= len(before) || len(after) < len(before) {
		t.Fatal("no new story")
	}
	for i, s := range before {
		if after[i].ID != s.ID || after[i].Title != s.Title || !slices.Equal(after[i].Criteria, s.Criteria) {
			t.Fatalf("story %s became %v", s.ID, after[i])
		}
	}
}

func TestYAMLRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m, _ := Read(anyIdea(t, "idea")).Extend(anyIdea(t, "request"))
		back, err := ParseYAML(m.YAML())
		if err != nil {
			t.Fatalf("%v in\n%s", err, m.YAML())
		}
		if string(back.YAML()) != string(m.YAML()) {
			t.Fatalf("got\n%s\nwant\n%s", back.YAML(), m.YAML())
		}
	})
}

func TestParseYAMLNamesEveryMistake(t *testing.T) {
	t.Parallel()
	good := string(Read(ideas[0].idea).YAML())
	for _, c := range []struct{ old, new, field string }{
		{"app: plant-tracker", "app: Plant Tracker", "app"},
		{"module: example.com/plant-tracker", "module: ../x", "module"},
		{"lang: en", "lang: xx", "lang"},
		{"title: Plant Tracker", "title: \"a\\nb\"", "title"},
		{"name: Plant\n", "name: Kind\n", "entities.0.name"},
		{"plural: plants", "plural: api", "entities.0.plural"},
		{"name: last_watered", "name: created_at", "entities.0.fields.1.name"},
		{"name: last_watered", "name: name", "entities.0.fields.1.name"},
		{"type: date", "type: moment", "entities.0.fields.1.type"},
		{"type: date", "type: choice", "entities.0.fields.1.options"},
		{"required: true", "required: false", "entities.0.fields.0"},
		{"verb: water", "verb: delete", "actions.0.verb"},
		{"effect: today", "effect: increment", "actions.0.effect"},
		{"field: last_watered", "field: nothing", "actions.0"},
		{"label: Species", "label: Species\n        ref: Nothing", "entities.0.fields.2.ref"},
		{"label: Species", "label: Species\n        ref: Plant", "entities.Plant"},
	} {
		_, err := ParseYAML([]byte(strings.Replace(good, c.old, c.new, 1)))
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.KindInvalid {
			t.Errorf("%s: got %v", c.new, err)
			continue
		}
		if !slices.ContainsFunc(f.Details, func(d fault.Detail) bool { return d.Field == c.field }) {
			t.Errorf("%s: details %v do not name %s", c.new, f.Details, c.field)
		}
	}
	for _, text := range []string{"", "[", "surprise: 1\n", "entities: []\n"} {
		if _, err := ParseYAML([]byte(text)); fault.KindOf(err) != fault.KindInvalid {
			t.Errorf("%q: got %v", text, err)
		}
	}
}
