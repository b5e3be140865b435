package project_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/project"
)

func TestWordsThatAreNoIdeaAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, idea, code string }{
		{"a sentence", "An app to track my house plants", ""},
		{"several lines", "A garden\n\twith\r\nlines", ""},
		{"another script", "庭のアプリ 🌱", ""},
		{"as much as is allowed", strings.Repeat("x", project.MaxIdea), ""},
		{"nothing", "", "idea.empty"},
		{"blanks", " \t\r\n\u00a0", "idea.empty"},
		{"one byte too much", strings.Repeat("x", project.MaxIdea+1), "idea.too_large"},
		{"much too much of nothing", strings.Repeat(" ", project.MaxIdea+1), "idea.empty"},
		{"a NUL", "a\x00b", "idea.binary"},
		{"an escape", "a\x1b[31mb", "idea.binary"},
		{"a delete", "a\x7fb", "idea.binary"},
		{"broken UTF-8", "a\xffb", "idea.binary"},
		{"a bell", "\a", "idea.binary"},
	} {
		err := project.CheckIdea("request", c.idea)
		switch {
		case c.code == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.code != "":
			f, ok := fault.As(err)
			if !ok || f.Kind != fault.KindInvalid || f.Code != c.code || len(f.Details) != 1 || f.Details[0].Field != "request" || f.Details[0].Next == "" {
				t.Errorf("%s: %v %+v, want %s", c.name, err, f, c.code)
			}
			if !strings.HasPrefix(f.Message, "The request ") {
				t.Errorf("%s: %q does not name the field", c.name, f.Message)
			}
		}
	}
}

func valid() project.Project {
	return project.Project{Name: "Garden", Idea: "A garden", Type: "traditional", Mode: "optional", Tier: "mvp", Teaching: "novice"}
}

func TestAProjectNamesEveryFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		spoil  func(p *project.Project)
		fields string
	}{
		{"nothing", func(*project.Project) {}, ""},
		{"the longest name", func(p *project.Project) { p.Name = strings.Repeat("ü", 80) }, ""},
		{"no name", func(p *project.Project) { p.Name = "" }, "name"},
		{"too long a name", func(p *project.Project) { p.Name = strings.Repeat("ü", 81) }, "name"},
		{"no idea", func(p *project.Project) { p.Idea = " " }, "idea"},
		{"the type", func(p *project.Project) { p.Type = "Traditional" }, "type"},
		{"the mode", func(p *project.Project) { p.Mode = "" }, "deploymentMode"},
		{"the tier", func(p *project.Project) { p.Tier = "gold" }, "qualityTier"},
		{"the teaching level", func(p *project.Project) { p.Teaching = "guru" }, "teachingLevel"},
		{"the budget", func(p *project.Project) { p.BudgetMicro = -1 }, "budget"},
		{"the token cap", func(p *project.Project) { p.TokenCap = -1 }, "budget"},
		{"all of it", func(p *project.Project) { *p = project.Project{BudgetMicro: -1} }, "idea name type deploymentMode qualityTier teachingLevel budget"},
	} {
		p := valid()
		c.spoil(&p)
		err := p.Validate()
		var fields []string
		if f, ok := fault.As(err); ok {
			for _, d := range f.Details {
				fields = append(fields, d.Field)
				if !strings.Contains(f.Message, d.Message) {
					t.Errorf("%s: the message %q leaves %q out", c.name, f.Message, d.Message)
				}
			}
			if f.Code != "project.invalid" {
				t.Errorf("%s: code %s", c.name, f.Code)
			}
		}
		if got := strings.Join(fields, " "); got != c.fields || (err == nil) != (c.fields == "") {
			t.Errorf("%s: fields %q, want %q (%v)", c.name, got, c.fields, err)
		}
	}
	for field, values := range map[string][]string{"type": project.Types, "deploymentMode": project.Modes, "qualityTier": project.Tiers, "teachingLevel": project.Teaching} {
		for _, v := range values {
			p := valid()
			*map[string]*string{"type": &p.Type, "deploymentMode": &p.Mode, "qualityTier": &p.Tier, "teachingLevel": &p.Teaching}[field] = v
			if err := p.Validate(); err != nil {
				t.Errorf("%s %s: %v", field, v, err)
			}
		}
	}
}

func TestTheIdeaSaysWhetherPeopleLookAtPages(t *testing.T) {
	t.Parallel()
	for idea, want := range map[string]bool{
		"An app to track my house plants":       true,
		"A web page for my bakery":              true,
		"":                                      true,
		"A tool with a graphical interface":     true,
		"A command line tool that counts words": false,
		"a Command-Line Tool":                   false,
		"A CLI tool for logs":                   false,
		"a CLI for logs":                        false,
		"A library for dates":                   false,
		"A REST API without pages":              false,
		"API only, please":                      false,
		"A service with no UI":                  false,
		"A service without a user interface":    false,
		"A headless daemon":                     false,
		// the word library is taken at its first meaning
		"An app for my local library's readers, with pages?": false,
	} {
		if got := project.WantsUI(idea); got != want {
			t.Errorf("WantsUI(%q) = %v", idea, got)
		}
	}
}

func TestAProjectIsNamedByTheFirstWordsOfItsIdea(t *testing.T) {
	t.Parallel()
	for idea, want := range map[string]string{
		"An app to track my house plants":                         "An app to track my house plants",
		"  A garden \n with beds":                                 "A garden",
		"\n\n A garden":                                           "A garden",
		"A  garden\twith   beds":                                  "A garden with beds",
		strings.Repeat("word ", 20):                               strings.TrimSpace(strings.Repeat("word ", 12)),
		strings.Repeat("x", 100):                                  strings.Repeat("x", 60),
		strings.Repeat("ü", 100):                                  strings.Repeat("ü", 60),
		"A " + strings.Repeat("x", 100):                           "A",
		strings.Repeat("x", 59) + " next":                         strings.Repeat("x", 59),
		"Ein Garten für " + strings.Repeat("ü", 46) + " und mehr": "Ein Garten",
		"Guitar lessons for my students: a lesson tracker with the songs they practise and how long": "Guitar lessons for my students",
		"Kassenbuch: Einnahmen, Ausgaben, Belege":                                                    "Kassenbuch",
		"A tool to track the plants I own and when I last watered them":                              "A tool to track the plants I own",
		"A small app for our beekeeping club to log hive inspections, with weight":                   "A small app for our beekeeping club to log hive inspections",
	} {
		if got := project.NameFrom(idea); got != want {
			t.Errorf("NameFrom(%q) = %q, want %q", idea, got, want)
		}
	}
}

func TestEveryIdeaHasANameThatIsAllowed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		idea := rapid.String().Draw(t, "idea")
		if project.CheckIdea("idea", idea) != nil {
			return
		}
		p := valid()
		p.Idea, p.Name = idea, project.NameFrom(idea)
		if err := p.Validate(); err != nil {
			t.Fatalf("the name %q of %q: %v", p.Name, idea, err)
		}
		if n := utf8.RuneCountInString(p.Name); n > 60 || !utf8.ValidString(p.Name) || strings.Contains(p.Name, "\n") {
			t.Fatalf("the name %q has %d characters", p.Name, n)
		}
	})
}

func TestADesignIsPickedByItsIdNumberOrTitle(t *testing.T) {
	t.Parallel()
	designs := []project.Design{{ID: "des_a", Number: 1, Title: "Calm"}, {ID: "des_b", Number: 2, Title: "Bold", Recommended: true}, {ID: "des_c", Number: 3, Title: "Dense"}}
	for words, want := range map[string]string{
		"": "des_b", "  ": "des_b", "1": "des_a", " 3\n": "des_c", "des_c": "des_c", "calm": "des_a", "DENSE": "des_c",
		"4": "", "0": "", "01": "", "des_z": "", "calmer": "", "-1": "", "1 2": "",
	} {
		got, err := project.Pick(designs, words)
		if got.ID != want || (err == nil) != (want != "") || err != nil && fault.CodeOf(err) != "design.unknown" {
			t.Errorf("Pick(%q) = %q, %v; want %q", words, got.ID, err, want)
		}
	}
	if got, err := project.Pick(designs[:1], ""); err != nil || got.ID != "des_a" {
		t.Errorf("without a recommendation: %q, %v", got.ID, err)
	}
	if _, err := project.Pick(nil, ""); fault.CodeOf(err) != "design.unknown" {
		t.Errorf("without designs: %v", err)
	}
	// A title that is another's number does not decide against the number.
	odd := []project.Design{{ID: "des_a", Number: 1, Title: "2"}, {ID: "des_b", Number: 2, Title: "Two"}}
	if got, err := project.Pick(odd, "2"); err != nil || got.ID != "des_b" {
		t.Errorf("the number 2 names %q, %v", got.ID, err)
	}
}
