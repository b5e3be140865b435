package product

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// understood is what an idea must at least be read as.
type understood struct {
	idea     string
	title    string
	lang     string
	entities string // names in order
	fields   string // Entity.field:type, an arrow for references
	actions  string // Entity.verb
	persona  string
}

var ideas = []understood{
	{"A tool to track the plants I own and when I last watered them", "Plant Tracker", "en", "Plant", "Plant.name:text! Plant.last_watered:date Plant.species:text", "Plant.water", "plant owner"},
	{"invoices for freelancers", "Invoices for Freelancers", "en", "Invoice Client", "Invoice.number:text! Invoice.amount:money! Invoice.status:choice Invoice.client→Client Client.email:email", "Invoice.pay", "freelancer"},
	{"a chess club ladder", "Chess Club Ladder", "en", "Player Match", "Player.rank:number Match.player→Player Match.opponent→Player Match.result:choice", "Player.win Player.lose", "club member"},
	{"Kochrezepte mit Zutaten", "Kochrezepte mit Zutaten", "de", "Kochrezept Zutat", "Kochrezept.titel:text! Kochrezept.portionen:number Zutat.kochrezept→Kochrezept Zutat.menge:number", "", "home cook"},
	{"bookmarks", "Bookmarks", "en", "Bookmark", "Bookmark.link:url! Bookmark.favourite:bool", "Bookmark.star", "reader"},
	{"🌱🌱", "Plants", "en", "Plant", "Plant.last_watered:date", "Plant.water", "plant owner"},
	{"记录我的植物", "植物", "en", "Plant", "Plant.last_watered:date", "Plant.water", "plant owner"},
	{"أريد تطبيقا لتتبع الكتب", "الكتب", "en", "Book", "Book.author:text", "Book.read", "reader"},
	{"Приложение для учёта растений и полива", "Растений", "en", "Plant", "Plant.last_watered:date", "Plant.water", "plant owner"},
	{"Список моих спектаклей", "Спектаклей", "en", "Spektakley", "Spektakley.name:text!", "", "user"},
	{"!!! ??? ...", "Items", "en", "Item", "Item.name:text!", "", "user"},
	{"", "Items", "en", "Item", "Item.name:text!", "", "user"},
	{"A small app for our beekeeping club to log hive inspections, with weight, temperature and queen age", "Hive Log", "en", "Hive", "Hive.weight_kg:number Hive.temperature:number Hive.queen_age:number", "Hive.inspect", "beekeeper"},
	{"I want to lend tools to neighbours and see who has what, and when it is due back", "Loans", "en", "Loan Tool Neighbour", "Loan.lent_to→Neighbour Loan.tool→Tool Loan.due_date:date", "", "lender"},
	{"Job applications with company, position, salary, status and next interview date", "Job Applications", "en", "JobApplication", "JobApplication.salary:money JobApplication.next_interview_date:date JobApplication.status:choice", "", "job seeker"},
	{"track my spaceships with fuel level and whether they are insured", "Spaceship Tracker", "en", "Spaceship", "Spaceship.fuel_level:text Spaceship.insured:bool", "", "user"},
	{"expense tracker where I can see how much I spent per category", "Expense Tracker", "en", "Expense", "Expense.amount:money! Expense.category:text", "", "careful spender"},
	{"Une application pour suivre mes plantes et leur dernier arrosage", "Plantes", "fr", "Plante", "Plante.nom:text! Plante.dernier_arrosage:date", "Plante.arroser", "plant owner"},
	{"Una lista de gastos con fecha y categoría", "Gastos", "es", "Gasto", "Gasto.importe:money! Gasto.fecha:date! Gasto.categoria:text", "", "careful spender"},
	{"Verwaltung von Rechnungen und Kunden für Handwerker", "Rechnungen", "de", "Rechnung Kunde", "Rechnung.betrag:money! Rechnung.kunde→Kunde", "Rechnung.als-bezahlt-markieren", "freelancer"},
	{"Zugverspätungen", "Zugverspätungen", "de", "Zugverspaetung", "Zugverspaetung.datum:date", "", "user"},
	{"train delays", "Train Delays", "en", "TrainDelay", "TrainDelay.date:date", "", "user"},
	{"a todo list", "Todo List", "en", "Task", "Task.due_date:date Task.priority:choice", "Task.finish", "busy person"},
	{"mark invoices as paid", "Invoices", "en", "Invoice Client", "Invoice.status:choice", "Invoice.pay", "freelancer"},
	{"An inventory of lab samples with storage temperature and expiry date", "Lab Samples", "en", "LabSample", "LabSample.storage_temperature:number LabSample.expiry_date:date", "", "user"},
	{"An app called \"Leafy\" to care for my houseplants", "Leafy", "en", "Houseplant", "Houseplant.last_watered:date", "Houseplant.water", "plant owner"},
	{"Manage bookings for a small campsite with guests, arrival date and number of nights", "Bookings", "en", "Booking", "Booking.start_date:date! Booking.guests:number Booking.arrival_date:date Booking.nights:number", "", "host"},
	{"A reading journal: books I read, with author, rating and quotes", "Book Journal", "en", "Book Quote", "Book.author:text Book.rating:choice Quote.book→Book", "Book.read", "reader"},
	{"ghost-sightings register for our old castle hotel", "Ghost Sighting Register", "en", "GhostSighting", "GhostSighting.date:date! GhostSighting.location:text", "", "observer"},
	{"ledger of bee hives: inspections, honey harvest in kg", "Ledger of Bee Hives", "en", "Hive Inspection", "Hive.honey_harvest_kg:number Inspection.hive→Hive", "Hive.inspect", "beekeeper"},
	{"Kassenbuch: Einnahmen, Ausgaben, Belege", "Kassenbuch", "de", "Einnahme Ausgabe Beleg", "Einnahme.betrag:money! Ausgabe.betrag:money! Beleg.nummer:text!", "", "treasurer"},
	{"Guitar lessons for my students: a lesson tracker with the songs they practise and how long each session was", "Lesson Tracker", "en", "Lesson Student Song", "Lesson.topic:text! Lesson.student→Student Lesson.minutes:number Lesson.date:date!", "Song.star", "teacher"},
	{"piano lessons", "Piano Lessons", "en", "Lesson", "Lesson.student:text Lesson.topic:text!", "", "teacher"},
	{"A fossil collection: find spot, period, weight in g and a photo", "Fossil Collection", "en", "Fossil", "Fossil.weight_g:number Fossil.find_spot:text Fossil.period:text Fossil.photo_link:url", "", "user"},
	{"Vereinsverwaltung für unseren Schachclub: Mitglieder, Turniere, Partien", "Vereinsverwaltung für unseren Schachclub", "de", "Mitglied Turnier Partie", "", "", "club secretary"},
	{"Aquarium diary: water tests, fish, feedings", "Aquarium Diary", "en", "Aquarium WaterTest Fish Feeding", "WaterTest.aquarium→Aquarium Feeding.aquarium→Aquarium", "", "user"},
	{"Werkzeugverleih für die Nachbarschaft", "Werkzeugverleih für die Nachbarschaft", "de", "Werkzeug Leihgabe", "Leihgabe.werkzeug→Werkzeug", "", "caretaker"},
	{"Laborbuch für Experimente mit Proben und Ergebnissen", "Experimente", "de", "Experiment", "Experiment.ergebnis:text", "", "user"},
	{"petty cash book for our kindergarten", "Cash Book", "en", "Income Expense", "Income.amount:money! Expense.amount:money!", "", "treasurer"},
	{"Fahrtenbuch für Firmenwagen: Datum, Strecke, Zweck", "Fahrtenbuch für Firmenwagen", "de", "Fahrt", "Fahrt.strecke_km:number Fahrt.zweck:text", "", "traveller"},
	{"soil samples database for our research group with pH, depth in cm and site", "Soil Samples", "en", "SoilSample", "SoilSample.depth_cm:number SoilSample.ph:number SoilSample.location:text", "", "user"},
	{"meteorite catalogue for the museum: mass in g, find date, classification", "Meteorite Catalogue for the Museum", "en", "Meteorite", "Meteorite.mass_g:number Meteorite.find_date:date Meteorite.classification:text", "", "user"},
	{"Wartungsbuch für Aufzüge: Prüfungen, Mängel, Reparaturen", "Wartungsbuch für Aufzüge", "de", "Wartung Aufzug Pruefung Mangel", "Wartung.aufzug→Aufzug", "Pruefung.erledigen", "owner"},
	{"type", "Types", "en", "Type", "Type.name:text!", "", "user"},
	{"text", "Texts", "en", "TextItem", "TextItem.name:text!", "", "user"},
	{"{{.Evil}} [[.Evil]] `rm` */ \" \\ notes", "", "en", "", "", "", ""},
}

// show lists a model's fields in the notation of the table.
func show(m Model) (names, fields, actions []string) {
	for _, e := range m.Entities {
		names = append(names, e.Name)
		for _, f := range e.Fields {
			s := e.Name + "." + f.Name + ":" + f.Type
			if f.Required {
				s += "!"
			}
			if f.Ref != "" {
				s = e.Name + "." + f.Name + "→" + f.Ref
			}
			fields = append(fields, s)
		}
	}
	for _, a := range m.Actions {
		actions = append(actions, a.Entity+"."+a.Verb)
	}
	return names, fields, actions
}

func TestReadUnderstandsIdeas(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, want := range ideas {
		m := Read(want.idea)
		if bad := m.check(); len(bad) > 0 {
			t.Errorf("%q: %v", want.idea, bad)
		}
		if want.entities == "" {
			continue
		}
		names, fields, actions := show(m)
		if m.Title != want.title || m.Lang != want.lang || m.Persona != want.persona {
			t.Errorf("%q: title %q lang %s persona %q", want.idea, m.Title, m.Lang, m.Persona)
		}
		if got := strings.Join(names, " "); got != want.entities {
			t.Errorf("%q: entities %s, want %s", want.idea, got, want.entities)
		}
		for _, f := range strings.Fields(want.fields) {
			if !slices.Contains(fields, f) {
				t.Errorf("%q: no field %s in %v", want.idea, f, fields)
			}
		}
		for _, a := range strings.Fields(want.actions) {
			if !slices.Contains(actions, a) {
				t.Errorf("%q: no action %s in %v", want.idea, a, actions)
			}
		}
		if want.actions == "" && len(want.idea) < 38 && len(actions) > 0 {
			t.Errorf("%q: actions %v", want.idea, actions)
		}
		if len(m.Notes) == 0 {
			t.Errorf("%q: no note on how it was read", want.idea)
		}
		shape := strings.Join(append(names, fields...), " ")
		if other, ok := seen[shape]; ok && names[0] != "Plant" && names[0] != "Item" && names[0] != "Invoice" {
			t.Errorf("%q and %q give the same model", want.idea, other)
		}
		seen[shape] = want.idea
	}
	if len(seen) < 25 {
		t.Errorf("only %d different models of %d ideas", len(seen), len(ideas))
	}
}

func TestReadIsDeterministic(t *testing.T) {
	t.Parallel()
	for _, c := range ideas {
		if a, b := string(Read(c.idea).YAML()), string(Read(c.idea).YAML()); a != b {
			t.Errorf("%q: two readings differ", c.idea)
		}
	}
}

// TestReadLongText reads 5,000 words about one thing with others in passing.
func TestReadLongText(t *testing.T) {
	t.Parallel()
	text := "We keep track of our greenhouse plants. " + strings.Repeat("Every morning somebody walks along the tables, looks at the plants and wonders which of them had water. ", 250) +
		"One day a customer came with a dog. A car stood outside."
	if n := len(strings.Fields(text)); n < 4500 {
		t.Fatalf("only %d words", n)
	}
	lending := Read(strings.Repeat("I lend books to friends and want to know who has which book and since when. ", 320))
	if names, _, _ := show(lending); !slices.Equal(names, []string{"Loan", "Book"}) {
		t.Errorf("what is said often is lost: %v", names)
	}
	m := Read(text)
	if names, _, _ := show(m); !slices.Equal(names, []string{"Plant"}) {
		t.Errorf("entities %v", names)
	}
	if utf8.RuneCountInString(m.Tagline) > 150 {
		t.Errorf("tagline of %d characters", utf8.RuneCountInString(m.Tagline))
	}
	if bad := m.check(); len(bad) > 0 {
		t.Error(bad)
	}
}

var fragments = rapid.SampledFrom([]string{
	"track", "my", "plants", "and", "when", "I", "last", "watered", "them", "with", "recipes", "ingredients", "for", "freelancers", "how much", "cost", "status", "due date",
	"mark", "as", "paid", "meta", "fields", "copy", "id", "note", "type", "func", "map", "range", "select", "value", "date", "text", "number", "api", "new", "edit", "delete",
	"Rezepte", "Zutaten", "zuletzt", "gegossen", "für", "Straßenüberquerung", "plantes", "arrosées", "últimos", "gastos", "植物", "книги", "كتاب", "🌱", "🐝", "👩‍👩‍👧‍👦", "e\u0301", "\u202e", "ß", "ǅ",
	"123", "2nd", "x-1", "O'Brien", "C++", "A&B", "whether", "is", "whose", "of", "number of", "who", "where", "?", ".", ",", "!", "\n", "\x00", "{{", "}}", "[[", "]]", "`", "\"", "\\", "*/", "//go:embed", "</script>", "%s", "%d", "$1",
	"ladder", "tournament", "matches", "players", "lend", "tools", "neighbours", "events", "guests", "Projekt", "Aufgaben", "con", "internal", "error", "String", "Error", "test", "index",
})

// anyIdea draws words that mean something to the rules, mixed with anything.
func anyIdea(t *rapid.T, label string) string {
	parts := rapid.SliceOfN(rapid.OneOf(fragments, fragments, fragments, rapid.String()), 0, 14).Draw(t, label)
	return strings.Join(parts, " ")
}

func TestReadAnyText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := Read(anyIdea(t, "idea"))
		if bad := m.check(); len(bad) > 0 {
			t.Fatal(bad)
		}
		if len(m.Entities) > maxEntities {
			t.Fatalf("%d entities", len(m.Entities))
		}
		for _, e := range m.Entities {
			if len(e.Fields) > maxFields {
				t.Fatalf("%s has %d fields", e.Name, len(e.Fields))
			}
		}
	})
}

func TestVerbs(t *testing.T) {
	t.Parallel()
	for participle, verb := range map[string]string{"watered": "water", "fertilized": "fertilize", "paid": "pay", "fed": "feed", "cleaned": "clean", "planned": "plan", "tidied": "tidy", "changed": "change", "serviced": "service", "oiled": "oil", "baked": "bake", "inspected": "inspect", "visited": "visit", "updated": "update", "brushed": "brush", "called": "call", "used": "use", "groomed": "groom", "red": "", "bed": ""} {
		if got := verbOf(participle); got != verb {
			t.Errorf("%s: got %q, want %q", participle, got, verb)
		}
	}
	for one, many := range map[string]string{"plant": "plants", "dish": "dishes", "city": "cities", "day": "days", "person": "people", "series": "series", "box": "boxes"} {
		if got := plural(one, "en"); got != many {
			t.Errorf("%s: got %q", one, got)
		}
		if got, _ := singular(many, "en"); got != one {
			t.Errorf("%s: got %q", many, got)
		}
	}
}
