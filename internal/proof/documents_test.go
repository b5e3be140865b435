package proof

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const openapi = `openapi: 3.1.0
info: {title: Plants, version: "1"}
paths:
  /api/plants:
    get:
      operationId: list
      responses:
        "200":
          description: all plants
          content:
            application/json:
              schema: {type: array, items: {$ref: '#/components/schemas/Plant'}}
    post:
      operationId: add
      responses:
        "201": {description: added}
        default: {$ref: '#/components/responses/Error'}
components:
  responses:
    Error: {description: what went wrong}
  schemas:
    Plant:
      type: object
      properties:
        name: {type: string}
        parent: {$ref: '#/components/schemas/Plant'}
`

const dataModel = "entities:\n  - {name: Plant, plural: Plants, fields: [{name: name, label: Name, type: text, required: true}]}\n"

const architecture = "# Architecture\n\n## Overview\n\nOne program.\n\n## Components\n\n- **web**: pages\n- store: file\n\n## Data\n\nA file.\n"

func TestSpecs(t *testing.T) {
	t.Parallel()
	good := files{"specs/openapi.yaml": openapi, "specs/data-model.yaml": dataModel, architecturePath: architecture, RecipesPath: plants[RecipesPath]}
	swap := func(old, new string) files {
		if !strings.Contains(openapi, old) {
			t.Fatalf("openapi has no %q", old)
		}
		return good.with(files{"specs/openapi.yaml": strings.Replace(openapi, old, new, 1)})
	}
	for name, c := range map[string]struct {
		product files
		verdict Verdict
		words   string
	}{
		"valid":                 {good, Pass, "4 file(s) are valid"},
		"as JSON":               {good.with(files{"specs/openapi.yaml": `{"openapi":"3.0.3","info":{"title":"x","version":"1"},"paths":{"/":{"get":{"responses":{"200":{"description":"ok"}}}}}}`}), Pass, "valid"},
		"version 2":             {swap("openapi: 3.1.0", "swagger: '2.0'"), Fail, "the version is not 3.x"},
		"not YAML":              {good.with(files{"specs/openapi.yaml": "a: ["}), Fail, "is not YAML"},
		"no responses":          {swap("operationId: list\n      responses:\n        \"200\":\n          description: all plants\n          content:\n            application/json:\n              schema: {type: array, items: {$ref: '#/components/schemas/Plant'}}\n", "operationId: list\n"), Fail, "line 6: GET /api/plants has no responses"},
		"a wrong status":        {swap(`"201"`, `"2001"`), Fail, `"2001" is not a status`},
		"leads nowhere":         {swap("#/components/schemas/Plant", "#/components/schemas/Tree"), Fail, `leads nowhere`},
		"a file":                {swap("#/components/schemas/Plant", "/etc/passwd#/x"), Fail, "leaves the file"},
		"an address":            {swap("#/components/schemas/Plant", "http://127.0.0.1/x"), Fail, "leaves the file"},
		"twice":                 {swap("operationId: add", "operationId: list"), Fail, `the operationId "list" is there twice`},
		"an alias":              {swap("info: {title: Plants", "x-a: &a {b: 1}\nx-c: *a\ninfo: {title: Plants"), Fail, "aliases are not part"},
		"what the library says": {swap("properties:\n        name: {type: string}", "properties: [1]"), Fail, "specs/openapi.yaml"},
		"a wrong data model":    {good.with(files{"specs/data-model.yaml": "entities: []\n"}), Fail, "the data model has no entities"},
		"wrong recipes":         {good.with(files{RecipesPath: "version: 1\nstack: rust\n"}), Fail, `line 2: stack is "rust"`},
		"no unit tests":         {good.with(files{RecipesPath: "version: 1\nstack: go\n"}), Fail, "no unit tests"},
		"no components":         {good.with(files{architecturePath: "# A\n\n## Components\n\nNothing yet.\n\n## Data\n\n- a\n"}), Fail, "Components names none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want(t, run(t, Spec, c.product), c.verdict, c.words)
		})
	}
}

// TestOpenAPINeverPanics mangles lines of a description; whatever comes out,
// the reader ends with problems or without.
func TestOpenAPINeverPanics(t *testing.T) {
	t.Parallel()
	lines := strings.Split(openapi, "\n")
	values := []string{"null", "[]", "{}", "1", "{$ref: '#/'}", "{$ref: '#/components/schemas/Plant'}", "{$ref: 3}", "[{}]", "true", "&a [*a]", "!!binary x"}
	rapid.Check(t, func(t *rapid.T) {
		mangled := append([]string{}, lines...)
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			i := rapid.IntRange(0, len(mangled)-1).Draw(t, "line")
			key, _, _ := strings.Cut(mangled[i], ":")
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				mangled[i] = key + ": " + rapid.SampledFrom(values).Draw(t, "value")
			case 1:
				mangled[i] = ""
			case 2:
				j := rapid.IntRange(0, len(mangled)-1).Draw(t, "other")
				mangled[i], mangled[j] = mangled[j], mangled[i]
			}
		}
		operations, problems := openAPIProblems("x.yaml", []byte(strings.Join(mangled, "\n")))
		if operations == 0 && len(problems) == 0 {
			t.Fatal("a description without operations was accepted")
		}
	})
}

func page(title, style, body string) string {
	return fmt.Sprintf("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%s</title><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>%s</style></head><body>%s</body></html>\n", title, style, body)
}

var designed = files{
	"designs/option-1-calm.html":  page("Calm", "body{color:#222;background:#fff;font-family:serif} a{color:green}", "<h1>Plants</h1><p>Water the basil.</p><svg><use href='#leaf'/></svg>"),
	"designs/option-2-bold.html":  page("Bold", "body{color:#fff;background:#111;font-family:sans-serif;display:grid} .card{padding:2rem;border-radius:1rem}", "<main class=card><h2>Your plants</h2><img alt='' src='data:image/gif;base64,R0lGODlhAQABAAAAACw='></main>"),
	"designs/option-3-dense.html": page("Dense", "table{border-collapse:collapse;font-size:12px} td{padding:2px}", "<table><tr><td>Basil<td>today</table><a href='https://example.com'>elsewhere</a>"),
	designSystemPath:              "# Design system\n\n## Colours\n\nGreen on white, dark grey text.\n\n## Typography\n\nOne serif family in three sizes.\n\n## Spacing\n\nMultiples of four pixels only.\n\n## Components\n\nCard, table, button and form.\n\n## Accessibility\n\nContrast of at least 4.5 to 1.\n",
}

func TestDesigns(t *testing.T) {
	t.Parallel()
	one := designed["designs/option-1-calm.html"]
	with := func(body string) files {
		return designed.with(files{"designs/option-1-calm.html": strings.Replace(one, "</body>", body+"</body>", 1)})
	}
	for name, c := range map[string]struct {
		product files
		verdict Verdict
		words   string
	}{
		"three":            {designed, Pass, "three alternatives"},
		"two":              {designed.with(files{"designs/option-2-bold.html": ""}), Fail, "option 2 is missing"},
		"one twice":        {designed.with(files{"designs/option-2-other.html": one}), Fail, "option 2 is there more than once"},
		"a fourth":         {designed.with(files{"designs/option-4-more.html": one}), Fail, "option-4-more.html is not named"},
		"the same":         {designed.with(files{"designs/option-2-bold.html": strings.ReplaceAll(one, "Plants", "Flowers")}), Fail, "look 100 % the same"},
		"no system":        {designed.with(files{designSystemPath: ""}), Fail, "DESIGN_SYSTEM.md cannot be read"},
		"half a system":    {designed.with(files{designSystemPath: "# D\n\n## Colours\n\nGreen on white with dark text.\n"}), Fail, "Typography"},
		"no language":      {designed.with(files{"designs/option-1-calm.html": strings.Replace(one, ` lang="en"`, "", 1)}), Fail, "language"},
		"too large":        {with(strings.Repeat("<p>x</p>", 1<<18)), Fail, "a design has less than"},
		"a script":         {with("<script>fetch('/x')</script>"), Fail, "<script> does not belong"},
		"an upper script":  {with("<SCRIPT\nsrc=x>"), Fail, "<script> does not belong"},
		"an odd script":    {with("<script/src=x>"), Fail, "<script> does not belong"},
		"a handler":        {with("<p onclick=alert(1)>x"), Fail, "the attribute onclick runs a script"},
		"a script address": {with("<a href=' javascript:x'>x</a>"), Fail, "the attribute href runs a script"},
		"a frame":          {with("<iframe srcdoc=x></iframe>"), Fail, "<iframe> does not belong"},
		"a refresh":        {with("<meta http-equiv=refresh content='0;url=http://x'>"), Fail, "http-equiv"},
		"an image":         {with("<img src=/logo.png>"), Fail, `<img> loads "/logo.png"`},
		"a style sheet":    {with("<link rel=stylesheet href=x.css>"), Fail, `<link> loads "x.css"`},
		"an import":        {designed.with(files{"designs/option-1-calm.html": strings.Replace(one, "<style>", "<style>@import 'x.css';", 1)}), Fail, `its style loads "x.css"`},
		"a font":           {designed.with(files{"designs/option-1-calm.html": strings.Replace(one, "<style>", "<style>@font-face{src:url(//x/f.woff)}", 1)}), Fail, `loads`},
		"an inline image":  {with(`<p style="background:url('http://x/y')">x`), Fail, "loads"},
		"only in words":    {with("<p>&lt;script&gt; is a word<!-- <script> --></p><textarea></textarea>"), Pass, "three"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want(t, run(t, Design, c.product), c.verdict, c.words)
		})
	}
}

func TestScanHTMLNeverPanics(t *testing.T) {
	t.Parallel()
	parts := []string{"<", ">", "</", "<!--", "-->", "<script", "</script>", "style", "=", "'", "\"", " ", "a", "/", "<p", "\n", "é"}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(rapid.SampledFrom(parts)).Draw(t, "parts"), "")
		p := scanHTML(text)
		p.words()
		if d := p.declarations(); similarity(d, d) != 1 {
			t.Fatal("a page is not like itself")
		}
	})
}

func TestRequirements(t *testing.T) {
	t.Parallel()
	good := files{prdPath: prd, storiesPath: userStories}
	for name, c := range map[string]struct {
		product files
		verdict Verdict
		words   string
	}{
		"complete":           {good, Pass, "2 feature(s), 2 stories, 4 acceptance criteria"},
		"no stories":         {good.with(files{storiesPath: ""}), Fail, "docs/USER_STORIES.md cannot be read"},
		"a feature left out": {good.with(files{prdPath: prd + "\n### F-3 Remove plants\n"}), Fail, "no story belongs to F-3"},
		"an unknown feature": {good.with(files{storiesPath: strings.Replace(userStories, "Feature: F-2", "Feature: F-9", 1)}), Fail, "US-2 belongs to F-9"},
		"no criterion":       {good.with(files{storiesPath: strings.Replace(strings.Replace(userStories, "- AC-2.1: Given a name, when it is sent, then the plant is added.\n", "", 1), "- AC-2.2: Given the product, when it runs, then it answers.\n", "", 1)}), Fail, "no acceptance criterion"},
		"the same number":    {good.with(files{storiesPath: strings.Replace(userStories, "AC-1.2", "AC-1.1", 1)}), Fail, "AC-1.1 is there twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want(t, run(t, Requirements, c.product), c.verdict, c.words)
		})
	}
}
