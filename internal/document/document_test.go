package document_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/document"
)

// good holds one valid file of each kind.
var good = map[string]string{
	"markdown": "# Architecture\n\n## Overview\n\nOne server keeps the plants and shows them.\n\n## Non-goals\n\nNo phone application in the first edition.\n",
	"intake": `# Intake

## 1. Who is it for?

**Answer:** Two flatmates.

## 2. What must it do first?
Show which plant needs water.
## 3. What must it not do?

> Nothing leaves the house.

## 4. What must it work with?

- Firefox

## 5. How is success seen?

Yes.
`,
	"prd": `# Plants

## Problem
Plants die because nobody waters them in time.

## Features

### F-1 Keep plants
People note which plants they have.

### F-2: See what is thirsty
The list begins with the plant that waits longest.
`,
	"user_stories": `# User stories

## US-1 Add a plant

As a flatmate, I want to add a plant
so that nobody forgets it.

Feature: F-1

### Acceptance criteria

- AC-1.1: Given an empty list, when I add "Fern", then the list shows "Fern".
- [ ] **AC-1.2**: Given a plant "Fern",
  when I add "Fern" again,
  then I am told that it exists.

## US-2: See what is thirsty

**As an** owner **I want** the thirsty plants first **so that** I water them.

- **Feature:** F-2
* AC-2.1 – a list
  - Given two plants
  - When I open the list
  - Then the thirstier one is first
`,
	"test_plan": "# Test plan\n\n## Strategy\nEvery criterion has a test of its own.\n\n## Traceability\n\n| Criterion | Test | Level |\n|---|:---:|---|\n| AC-1.1 | `TestAC_1_1_Adds` | unit |\n| AC-1.2 | TestAC_1_2_Refuses, TestAC_1_2_Says | integration |\n| AC-2.1 | AC-2.1 lists, thirsty first | End-to-end |\n",
	"openapi":   "openapi: 3.1.0\ninfo: {title: Plants, version: \"1\"}\npaths:\n  /plants: {get: {responses: {}}}\n",
	"data_model": `entities:
  - name: Plant
    plural: Plants
    fields:
      - {name: title, label: Title, type: text, required: true}
      - {name: place, label: Place, type: choice, options: [Window, Shade]}
      - {name: parent, label: Parent, type: reference, ref: Plant}
`,
	"checks":     "version: 1\nstack: go\nchecks:\n  unit_test_output: {packages: [./internal/...]}\n",
	"design":     "<!doctype html>\n<html lang=\"en\"><head><title>Calm</title>\n<meta name=viewport content='width=device-width'>\n<style>b{background:url(data:image/png;base64,AA)}</style></head>\n<body><a href=\"https://example.org\">out</a><!-- <img src=\"https://example.org/x.png\"> --><svg xmlns=\"http://www.w3.org/2000/svg\"></svg>\n<script>const t = `{{x}}`</script></body></html>\n",
	"source":     "package main\n\n// TODO: nothing wrong with that here\nfunc main() {}\n",
	"dockerfile": "# syntax=docker/dockerfile:1\nARG V=1 \\\n  W=2\nFROM scratch\nCOPY app /app\n",
	"workflow":   "name: CI\non: [push]\njobs:\n  check:\n    runs-on: ubuntu-latest\n    steps: [{run: make check}]\n  shared: {uses: ./.github/workflows/x.yml}\n",
	"file":       "\x00 any bytes \xff",
}

var goodSections = map[string][]string{
	"markdown": {"Overview", "Non goals"}, "prd": {"Problem", "Features"}, "test_plan": {"Strategy", "Traceability"},
}

func TestGoodFilesHaveNoProblems(t *testing.T) {
	t.Parallel()
	for _, kind := range document.Kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			content, ok := good[kind]
			if !ok {
				t.Fatal("no example of this kind")
			}
			variants := map[string]string{"plain": content}
			if kind != "file" {
				variants["CRLF"] = strings.ReplaceAll(content, "\n", "\r\n")
				variants["byte order mark"] = "\uFEFF" + content
			}
			for name, v := range variants {
				for _, p := range document.Validate(kind, "x", goodSections[kind], []byte(v)) {
					t.Errorf("%s: line %d: %s (%s)", name, p.Line, p.Message, p.Next)
				}
			}
		})
	}
	if len(good) != len(document.Kinds) {
		t.Errorf("%d examples for %d kinds", len(good), len(document.Kinds))
	}
}

// broken turns an example into one with a problem: old becomes new, and the
// problem stands in the line that holds at.
type broken struct {
	name, kind, old, new, at, message string
}

var brokenOnes = []broken{
	{"missing section", "markdown", "## Overview", "## Summary", "first edition", `"Overview" is missing`},
	{"empty section", "markdown", "One server keeps the plants and shows them.", "Soon.", "## Overview", `"Overview" is empty`},
	{"section of a comment", "markdown", "One server keeps the plants and shows them.", "<!-- One server keeps the plants and shows them. -->", "## Overview", `is empty`},
	{"section of headings", "markdown", "One server keeps the plants and shows them.", "### One server keeps\n### The plants", "## Overview", `is empty`},
	{"section of rules", "markdown", "One server keeps the plants and shows them.", "| --------------- | --------------- |", "## Overview", `is empty`},
	{"heading in code", "markdown", "## Overview", "```\n## Overview\n```", "first edition", "is missing"},
	{"heading in a comment", "markdown", "## Overview", "<!--\n## Overview\n-->", "first edition", "is missing"},
	{"heading in tildes", "markdown", "## Overview", "~~~~\n```\n## Overview\n~~~~", "first edition", "is missing"},
	{"indented heading", "markdown", "## Overview", "    ## Overview", "first edition", "is missing"},
	{"hash without blank", "markdown", "## Overview", "##Overview", "first edition", "is missing"},
	{"open code block", "markdown", "## Overview", "## Overview\n```go", "```go", "never ends"},
	{"TODO", "markdown", "One server", "TODO: one server", "TODO", `placeholder "TODO"`},
	{"TBD", "markdown", "One server", "The store is TBD. One server", "TBD", `placeholder "TBD"`},
	{"TODO in a heading", "markdown", "# Architecture", "# TODO", "# TODO", "TODO"},
	{"lorem", "markdown", "One server", "Lorem Ipsum dolor. One server", "Lorem", "Lorem Ipsum"},
	{"braces", "markdown", "One server", "{{ name }} server", "{{", "{{"},
	{"too short", "markdown", good["markdown"], "# A title\n\nShort.\n", "# A title", "almost nothing"},
	{"blank", "markdown", good["markdown"], " \n\t\n", "", "is empty"},
	{"NUL", "markdown", "keeps", "kee\x00ps", "One server", "NUL"},
	{"not UTF-8", "markdown", "keeps", "kee\xffps", "One server", "UTF-8"},
	{"too large", "markdown", good["markdown"], strings.Repeat("word ", 300000), "", "more than 1048576"},

	{"no answer", "intake", "Yes.", "", "## 5.", "question 5 has no answer"},
	{"label without an answer", "intake", "**Answer:** Two flatmates.", "**Answer:**", "## 1.", "question 1 has no answer"},
	{"waiting for an answer", "intake", "Yes.", "_(no answer yet)_", "## 5.", "no answer"},
	{"dots for an answer", "intake", "Yes.", "…", "## 5.", "no answer"},
	{"four questions", "intake", "## 5. How is success seen?\n\nYes.\n", "", "", "question 5 of 5 is missing"},
	{"six questions", "intake", "Yes.\n", "Yes.\n\n## 6. More?\nNo.\n", "## 6.", "more than the interview has"},
	{"questions out of order", "intake", "## 3.", "## 4.", "## 4. What must it not", "stands where 3 is expected"},
	{"question without words", "intake", "## 2. What must it do first?", "## 2.", "## 2.", "has no words"},

	{"no feature", "prd", good["prd"][strings.Index(good["prd"], "### F-1"):], "Whatever flatmates need.\n", "# Plants", "names no feature"},
	{"feature twice", "prd", "### F-2:", "### F-1:", "### F-1: See", "F-1 is there twice, first in line 8"},
	{"feature without title", "prd", "### F-1 Keep plants", "### F-1", "### F-1", "has no title"},
	{"odd feature", "prd", "### F-1 Keep", "### F1 Keep", "### F1", `"F1 Keep plants" is not the name of a feature`},
	{"feature zero", "prd", "### F-1 Keep", "### F-01 Keep", "### F-01", "not the name of a feature"},

	{"no stories", "user_stories", good["user_stories"], "# Stories\n\nThere will be many stories about plants in here.\n", "# Stories", "no user story"},
	{"odd story", "user_stories", "## US-1 Add", "## US1 Add", "## US1", "not the name of a story"},
	{"numbered story", "user_stories", "## US-1 Add", "## Story 1: Add", "## Story 1", "not the name of a story"},
	{"story twice", "user_stories", "## US-2:", "## US-1:", "## US-1:", "US-1 is there twice"},
	{"story without title", "user_stories", "## US-1 Add a plant", "## US-1", "## US-1", "has no title"},
	{"story without a sentence", "user_stories", "I want to add", "it is possible to add", "## US-1", "who wants what and why"},
	{"story without a feature", "user_stories", "Feature: F-1\n", "", "## US-1", "names no feature"},
	{"odd feature of a story", "user_stories", "Feature: F-1", "Feature: plants", "Feature: plants", `"plants" is not the name`},
	{"two features in one line", "user_stories", "Feature: F-1", "Feature: F-1, F-2", "Feature: F-1, F-2", "not the name of one feature"},
	{"two features", "user_stories", "Feature: F-1\n", "Feature: F-1\nFeature: F-3\n", "Feature: F-3", "names two features, F-1 and F-3"},
	{"criterion twice", "user_stories", "**AC-1.2**", "**AC-1.1**", "**AC-1.1**", "AC-1.1 is there twice"},
	{"criterion of another story", "user_stories", "* AC-2.1", "* AC-1.3", "* AC-1.3", "AC-1.3 stands in the story US-2"},
	{"criterion of no story", "user_stories", "# User stories\n", "# User stories\n\n- AC-1.9: Given a, when b, then c.\n", "AC-1.9", "belongs to no story"},
	{"odd criterion", "user_stories", "- AC-1.1:", "- AC1.1:", "- AC1.1", "does not begin with the name of a criterion"},
	{"criterion without a story's number", "user_stories", "- AC-1.1:", "- AC-1:", "- AC-1:", "does not begin with the name of a criterion"},
	{"criterion with three numbers", "user_stories", "- AC-1.1:", "- AC-1.1.1:", "- AC-1.1.1", "does not begin"},
	{"criterion zero", "user_stories", "- AC-1.1:", "- AC-1.0:", "- AC-1.0", "does not begin"},
	{"criterion as a paragraph", "user_stories", "- AC-1.1:", "AC-1.1:", "AC-1.1:", "not an item of a list"},
	{"criterion without then", "user_stories", "then the list shows", "and the list shows", "- AC-1.1", "Given, when, then"},
	{"criterion in the wrong order", "user_stories", "Given an empty list, when I add", "When I add, given", "- AC-1.1", "Given, when, then"},
	{"story without criteria", "user_stories", "* AC-2.1", "* Criterion", "## US-2", "no acceptance criterion"},

	{"no traceability", "test_plan", "## Traceability", "## Trace", "AC-2.1", `"Traceability" is missing`},
	{"no table", "test_plan", "|---|:---:|---|", "", "## Traceability", "no table"},
	{"wrong column", "test_plan", "| Level |", "| Kind |", "## Traceability", "no table with the columns"},
	{"odd criterion in a row", "test_plan", "| AC-1.1 |", "| AC-1 |", "| AC-1 |", `"AC-1" is not the name of a criterion`},
	{"no test", "test_plan", "`TestAC_1_1_Adds`", "", "| AC-1.1", "AC-1.1 has no test"},
	{"test of another criterion", "test_plan", "`TestAC_1_1_Adds`", "TestAC_1_11_Adds", "| AC-1.1", "does not carry the name of AC-1.1"},
	{"test without a name", "test_plan", "`TestAC_1_1_Adds`", "TestAdds", "| AC-1.1", "does not carry"},
	{"odd level", "test_plan", "| unit |", "| manual |", "| AC-1.1", `level "manual"`},
	{"row twice", "test_plan", "| AC-1.1 | `TestAC_1_1_Adds` | unit |\n", "| AC-1.1 | `TestAC_1_1_Adds` | unit |\n| AC-1.1 | TestAC_1_1_Adds | Unit |\n", "| AC-1.1 | TestAC_1_1_Adds", "there twice"},
	{"short row", "test_plan", "| unit |", "|", "| AC-1.1", "2 cells"},

	{"old API", "openapi", "openapi: 3.1.0", "swagger: '2.0'", "swagger", "not an OpenAPI 3"},
	{"untitled API", "openapi", "title: Plants, ", "", "info:", "no title"},
	{"no paths", "openapi", "  /plants: {get: {responses: {}}}\n", "", "paths:", "no paths"},
	{"path without slash", "openapi", "/plants", "plants", "plants:", "does not begin with /"},
	{"API not YAML", "openapi", "{title: Plants", "{title: [Plants", "", "not YAML"},
	{"API with an alias", "openapi", "title: Plants", "title: &a Plants, summary: *a", "info", "alias *a"},

	{"no entities", "data_model", good["data_model"], "entities: []\n", "entities", "no entities"},
	{"unknown key in the model", "data_model", "entities:\n", "version: 2\nentities:\n", "version", `"version" of the data model is unknown`},
	{"small entity", "data_model", "name: Plant", "name: plant", "name: plant", `"plant" is not the name of an entity`},
	{"no plural", "data_model", "    plural: Plants\n", "", "name: Plant", "not the plural"},
	{"plural as the name", "data_model", "plural: Plants", "plural: Plant", "name: Plant", "stands for two things"},
	{"no fields", "data_model", good["data_model"], "entities: [{name: Plant, plural: Plants, fields: []}]\n", "entities", "has no fields"},
	{"odd field", "data_model", "name: title", "name: Title of it", "Title of it", "not the name of a field"},
	{"reserved field", "data_model", "name: title", "name: id", "name: id", "comes by itself"},
	{"field twice", "data_model", "name: place", "name: title", "name: Plant", `"title" of Plant is there twice`},
	{"no label", "data_model", "label: Title, ", "", "name: title", "no label"},
	{"odd type", "data_model", "type: text", "type: string", "type: string", `type "string"`},
	{"odd required", "data_model", "required: true", "required: 'yes'", "required", "true or false"},
	{"choice without options", "data_model", ", options: [Window, Shade]", "", "name: place", "has no options"},
	{"option twice", "data_model", "[Window, Shade]", "[Window, Window]", "name: place", "there twice"},
	{"options without a choice", "data_model", "type: choice", "type: text", "name: place", "is no choice"},
	{"reference to nothing", "data_model", "ref: Plant", "ref: Animal", "name: parent", `leads to "Animal"`},
	{"reference without an entity", "data_model", ", ref: Plant", "", "name: parent", "which is no entity"},
	{"ref without a reference", "data_model", "type: reference", "type: text", "name: parent", "is no reference"},
	{"model of a list", "data_model", good["data_model"], "- a\n", "- a", "group of keys"},
	{"two models", "data_model", "entities:\n", "a: 1\n---\nentities:\n", "a: 1", "more than one document"},

	{"checks of another version", "checks", "version: 1", "version: 2", "version", "must be 1"},
	{"checks of another stack", "checks", "stack: go", "stack: cobol", "stack", `"cobol"`},
	{"no unit tests", "checks", "unit_test_output", "lint_output", "lint_output", "no unit tests"},

	{"no language", "design", " lang=\"en\"", "", "", "language"},
	{"no title", "design", "<title>Calm</title>", "", "", "no title"},
	{"no viewport", "design", "<meta name=viewport content='width=device-width'>", "", "", "no viewport"},
	{"remote image", "design", "<body>", "<body><img alt=x src = 'HTTPS://example.org/x.png'>", "example.org/x.png'", "<img> loads"},
	{"remote script", "design", "<body>", "<body><script src=//example.org/x.js></script>", "x.js", "<script> loads"},
	{"remote style sheet", "design", "<style>", "<link rel=stylesheet href=\"https://example.org/x.css\"><style>", "x.css", "<link> loads"},
	{"remote set", "design", "<body>", "<body><img srcset=\"a.png 1x, https://example.org/b.png 2x\">", "b.png", "<img> loads"},
	{"remote font", "design", "<style>", "<style>@import \"https://example.org/f.css\";", "f.css", "from elsewhere"},
	{"remote background", "design", "<style>", "<style>i{background:url( 'https://example.org/b.png')}", "b.png", "from elsewhere"},
	{"lorem in a design", "design", "<body>", "<body>\n<p>Lorem ipsum</p>", "Lorem", "lorem ipsum"},
	{"braces in a design", "design", "<body>", "<body>é\n<p>{{ name }}</p>", "{{ name", "{{"},

	{"empty source", "source", good["source"], "\n\n", "", "is empty"},
	{"binary source", "source", "package", "\x00package", "", "NUL"},
	{"empty file", "file", good["file"], "", "", "is empty"},
	{"no image", "dockerfile", "FROM scratch\n", "", "COPY", `"COPY" comes before FROM`},
	{"only comments", "dockerfile", good["dockerfile"], "# nothing\n", "", "no FROM"},
	{"workflow that never runs", "workflow", "on: [push]\n", "", "", "when it runs"},
	{"no jobs", "workflow", good["workflow"], "on: [push]\njobs: {}\n", "jobs", "no jobs"},
	{"idle job", "workflow", "    steps: [{run: make check}]\n", "", "check:", `"check" does nothing`},
}

func TestBrokenFiles(t *testing.T) {
	t.Parallel()
	for _, c := range brokenOnes {
		t.Run(c.kind+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			content := strings.Replace(good[c.kind], c.old, c.new, 1)
			if content == good[c.kind] {
				t.Fatalf("%q is not in the example", c.old)
			}
			line := 0
			if c.at != "" {
				line = 1 + strings.Count(content[:strings.Index(content, c.at)], "\n")
			}
			problems := document.Validate(c.kind, "docs/X.md", goodSections[c.kind], []byte(content))
			found := slices.ContainsFunc(problems, func(p document.Problem) bool {
				return strings.Contains(p.Message, c.message) && (line == 0 || p.Line == line)
			})
			if !found {
				t.Errorf("want %q in line %d, got %+v", c.message, line, problems)
			}
			for i, p := range problems {
				if p.Line < 1 || p.Next == "" || (i > 0 && p.Line < problems[i-1].Line) {
					t.Errorf("%+v has no line, no next step, or is out of order", p)
				}
			}
		})
	}
}

// What looks like a mistake and is none.
func TestNoFalseAlarm(t *testing.T) {
	t.Parallel()
	base := good["markdown"]
	for name, content := range map[string]string{
		"a product for to-do lists": base + "\nA TODO list has TODO items; the \"TODO\" column comes first.\n",
		"states of cards":           base + "\nCards go from TODO to DONE.\n",
		"quoted word":               base + "\nThe mark is `TODO`, and the workflow says `${{ secrets.KEY }}`.\n",
		"code":                      base + "\n```yaml\nkey: ${{ secrets.KEY }} # TODO\n```\n",
		"code below a list":         base + "\n1. Run this:\n\n   ```sh\n   # not a heading TODO\n   ```\n\n2. Done.\n",
		"nested fences":             base + "\n````md\n```\n# TODO\n```\n````\n",
		"inline fence":              base + "\n```one line of code``` is no block.\n",
		"comment":                   base + "\n<!-- TODO: hidden\n# also hidden\n--> shown\n",
		"arrow that opens nothing":  base + "\nThe mark `<!--` and a lone <!-- within a line hide nothing.\n",
		"numbered sections":         strings.NewReplacer("## Overview", "## 1. Overview", "## Non-goals", "## 2) **Non‑Goals**:").Replace(base),
		"closing hashes":            strings.Replace(base, "## Overview", "## Overview ##", 1),
		"underlined headings":       strings.NewReplacer("## Overview", "Overview\n--------", "# Architecture", "Architecture\n===").Replace(base),
		"rule below a sentence":     strings.Replace(base, "shows them.\n", "shows them.\n---\n", 1),
		"section split in two":      strings.Replace(base, "## Overview\n\nOne", "## Overview\n\n## Overview\n\nOne", 1),
		"front matter":              "---\ntitle: {{ name }}\n---\n" + base,
		"text in sub-sections":      strings.Replace(base, "## Overview\n\nOne", "## Overview\n\n### Parts\n\nOne", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, p := range document.Validate("markdown", "x.md", goodSections["markdown"], []byte(content)) {
				t.Errorf("line %d: %s", p.Line, p.Message)
			}
		})
	}
	if p := document.Validate("source", "pkg/__init__.py", nil, nil); p != nil {
		t.Errorf("an empty __init__.py: %+v", p)
	}
	if p := document.Validate("file", "monitoring/x.bin", nil, []byte{0xff}); p != nil {
		t.Errorf("a binary file: %+v", p)
	}
}

func TestUnknownKind(t *testing.T) {
	t.Parallel()
	p := document.Validate("sauce", "x", nil, []byte("x"))
	if len(p) != 1 || !strings.Contains(p[0].Message, `"sauce"`) {
		t.Errorf("got %+v", p)
	}
}

func TestBlueprintsNameKnownKinds(t *testing.T) {
	t.Parallel()
	for _, name := range blueprint.Names() {
		text, err := blueprint.Show(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := blueprint.Validate(text, blueprint.Known{Kinds: document.Kinds}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		b, err := blueprint.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range b.Gates {
			for _, d := range g.Deliverables {
				if kind := document.KindOf(d.Path); kind != "" && kind != d.Kind {
					t.Errorf("%s: %s is a %s for the blueprint and a %s for the index", name, d.Path, d.Kind, kind)
				}
			}
		}
	}
}

func TestReadingTime(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]time.Duration{
		"":                           0,
		strings.Repeat("word ", 200): time.Minute,
		"# Two words\n\n- and\n- two\n<!-- not these -->\n": 4 * time.Minute / 200,
	} {
		if got := document.ReadingTime([]byte(content)); got != want {
			t.Errorf("%.20q: %s, want %s", content, got, want)
		}
	}
}

func TestTitle(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"":                                   "",
		"text only":                          "",
		"## Second\n\n# **First** `one` #\n": "First one",
		"## Only\n":                          "Only",
		"```\n# code\n```\n# Real\n":         "Real",
		"Underlined\n===\n":                  "Underlined",
		"<!doctype html><title>\n A  page </title>": "A page",
		"# About <title>x</title>\n":                "About <title>x</title>",
	} {
		if got := document.Title([]byte(content)); got != want {
			t.Errorf("%q: %q, want %q", content, got, want)
		}
	}
}

func TestSections(t *testing.T) {
	t.Parallel()
	got := document.Sections([]byte("intro\n# A\n\na text\n## B\nb text\n### C\n## D\n# E\ne"))
	for i := range got {
		got[i] = document.Section{Level: got[i].Level, Title: got[i].Title, Line: got[i].Line, Body: got[i].Body}
	}
	want := []document.Section{
		{Level: 1, Title: "A", Line: 2, Body: "a text\n## B\nb text\n### C\n## D"},
		{Level: 2, Title: "B", Line: 5, Body: "b text\n### C"},
		{Level: 3, Title: "C", Line: 7},
		{Level: 2, Title: "D", Line: 8},
		{Level: 1, Title: "E", Line: 9, Body: "e"},
	}
	for i := range want {
		if i >= len(got) || got[i].Level != want[i].Level || got[i].Title != want[i].Title || got[i].Line != want[i].Line || got[i].Body != want[i].Body {
			t.Fatalf("section %d: got %+v", i, got)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d sections, want %d", len(got), len(want))
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	type entry struct {
		Kind, Title string
		Sections    int
	}
	for path, want := range map[string]entry{
		"docs/PRD.md":              {"prd", "Plants", 5},
		"README.md":                {"markdown", "Plants", 5},
		"docs/USER_STORIES.md":     {"user_stories", "Plants", 5},
		"specs/openapi.yaml":       {"openapi", "openapi.yaml", 0},
		"specs/data-model.yaml":    {"data_model", "data-model.yaml", 0},
		".layercake/checks.yaml":   {"checks", "checks.yaml", 0},
		".github/workflows/ci.yml": {"workflow", "ci.yml", 0},
		"Dockerfile":               {"dockerfile", "Dockerfile", 0},
		"designs/option-1-a.html":  {"design", "Plants", 0},
	} {
		d, ok := document.Describe(path, []byte(good["prd"]))
		got := entry{d.Kind, d.Title, len(d.Sections)}
		if !ok || d.Path != path || got != want {
			t.Errorf("%s: %s", path, cmp.Diff(want, got))
		}
	}
	for _, path := range []string{"main.go", "web/index.html", "config.yaml", "docs/logo.png"} {
		if d, ok := document.Describe(path, nil); ok {
			t.Errorf("%s is a document: %+v", path, d)
		}
	}
	if d, ok := document.Describe("docs/PRD.md", []byte{0xff, 0}); !ok || d.Title != "PRD.md" || d.Sections != nil {
		t.Errorf("bytes that are no text: %+v, %v", d, ok)
	}
}
