package blueprint_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/fault"
)

// small is the least that is a blueprint; the broken ones below are made of it.
const small = `name: small
title: Small
description: One gate that builds and one that tests.
version: 1
for: [traditional, ai_ml]
tiers: {mvp: 60, standard: 80, enterprise: 90}
gates:
  - code: G0
    name: Setup
    purpose: The workspace stands.
  - code: G5
    name: Development
    purpose: The code is written.
    stop: build
    agents:
      - role: backend-developer
        title: Back-end developer
        brief: Build it.
      - role: frontend-developer
        title: Front-end developer
        brief: Show it.
        after: [backend-developer]
        when: ui
    deliverables:
      - name: Source
        kind: source
        path: "**/*.go"
        role: backend-developer
      - name: Pages
        kind: source
        path: web/**
        role: frontend-developer
        when: "!no_ui and go"
    proofs:
      - type: build_output
        repair: backend-developer
    inputs: [go.mod]
    approval: {roles: [owner, admin], quorum: 2, separate_author: true}
    skip:
      - when: fast_track
        reason: Nothing is built.
  - code: G6
    name: Testing
    purpose: The code is tested.
    stop: build
    approval: {roles: [admin, owner], quorum: 2, separate_author: true}
proofs:
  build_output: {inputs: ["**", "!docs/**"]}
`

func TestTheSmallBlueprintIsValid(t *testing.T) {
	t.Parallel()
	for _, src := range []string{small, strings.ReplaceAll(small, "\n", "\r\n"), "# a comment\n---\n" + small} {
		if err := blueprint.Validate([]byte(src), known); err != nil {
			f, _ := fault.As(err)
			t.Errorf("%v: %+v", err, f.Details)
		}
	}
}

// broken is one mistake: old becomes new, and the problem stands at the line that
// holds at (new when empty) with this field, message and next step.
type broken struct {
	name, old, new, at   string
	field, message, next string
}

var brokenOnes = []broken{
	{"unknown key", "stop: build\n    agents", "stopp: build\n    agents", "stopp", "gates[1].stopp", `the key "stopp" is unknown`, `Did you mean "stop"?`},
	{"unknown top key", "version: 1", "versoin: 1\nversion: 1", "versoin", "versoin", `"versoin" is unknown`, `"version"`},
	{"unknown key in a deliverable", "kind: source", "sort: source\n        kind: source", "sort:", "gates[1].deliverables[0].sort", "unknown", "Use one of: name, kind"},
	{"key twice", "version: 1", "version: 1\nversion: 2", "version: 2", "version", "there twice", "Keep one"},
	{"text for number", "version: 1", `version: "1"`, "", "version", `must be a whole number, and is the text "1"`, "without quotes"},
	{"number for text", "title: Small", "title: 5", "", "title", "must be text, and is 5", "quotes"},
	{"huge number", "version: 1", "version: 99999999999999999999", "", "version", "must be a whole number", ""},
	{"fraction", "quorum: 2, separate_author: true}\n    skip", "quorum: 1.5, separate_author: true}\n    skip", "quorum: 1.5", "gates[1].approval.quorum", "whole number", ""},
	{"text for bool", "separate_author: true}\nproofs", "separate_author: 'yes'}\nproofs", "separate_author: 'yes'", "gates[2].approval.separate_author", "must be true or false", ""},
	{"text for list", "for: [traditional, ai_ml]", "for: traditional", "", "for", "must be a list", "[one, two]"},
	{"list for group", "tiers: {mvp: 60, standard: 80, enterprise: 90}", "tiers: [60, 80, 90]", "", "tiers", "must be a group of keys, and is a list", ""},
	{"nothing for a list", "inputs: [go.mod]", "inputs:", "", "gates[1].inputs", "must be a list, and is empty", ""},
	{"number as key", "version: 1", "version: 1\n7: x", "7: x", "7", "the key is 7", ""},
	{"empty name", "name: Development", "name: ''", "", "gates[1].name", "name is empty", "Write it out"},
	{"blank purpose", "purpose: The code is written.", "purpose: '  '", "", "gates[1].purpose", "purpose is empty", ""},
	{"missing purpose", "    purpose: The code is written.\n", "", "code: G5", "gates[1].purpose", "purpose is empty", ""},
	{"missing title", "title: Small\n", "", "name: small", "title", "title is empty", ""},
	{"control character", "title: Small", `title: "Sm\u202eall"`, "", "title", "control character", "Remove"},
	{"endless title", "title: Small", "title: " + strings.Repeat("x", 121), "xxx", "title", "more than 120", ""},
	{"bad name", "name: small", "name: Small Things", "", "name", "not the name of a blueprint", "small letters"},
	{"version 0", "version: 1", "version: 0", "", "version", "at least 1", ""},
	{"no project type", "for: [traditional, ai_ml]", "for: []", "", "for", "no project type", "traditional"},
	{"unknown project type", "[traditional, ai_ml]", "[traditional, ai-ml]", "", "for[1]", `project type "ai-ml" is unknown`, `"ai_ml"`},
	{"project type twice", "[traditional, ai_ml]", "[ai_ml, ai_ml]", "", "for[1]", "there twice", ""},
	{"tier 0", "mvp: 60", "mvp: 0", "", "tiers.mvp", "1 to 100, and is 0", ""},
	{"tier 101", "enterprise: 90", "enterprise: 101", "", "tiers.enterprise", "1 to 100, and is 101", ""},
	{"missing tier", "mvp: 60, ", "", "tiers:", "tiers", `tier "mvp" is missing`, "Add `mvp: 80`"},
	{"unknown tier", "{mvp: 60", "{mpv: 60, mvp: 60", "", "tiers.mpv", "unknown", `"mvp"`},
	{"no gates", small[strings.Index(small, "gates:"):strings.Index(small, "\nproofs:\n")], "gates: []", "", "gates", "no gates", "show traditional"},
	{"gate twice", "  - code: G6\n", "  - code: G5 # again\n", "code: G5 # again", "gates[2].code", "the gate G5 is there twice, first in line 11", "its own code"},
	{"gates out of order", "code: G6", "code: G4", "", "gates[2].code", "G4 comes after G5", "order"},
	{"odd code", "code: G6", "code: g6", "", "gates[2].code", `"g6" is not one`, "G0"},
	{"leading zero", "code: G6", "code: G06", "", "gates[2].code", "is not one", ""},
	{"first is not G0", "code: G0", "code: G1", "", "gates[0].code", "the first gate is G1", "G0"},
	{"cycle", "brief: Build it.", "brief: Build it.\n        after: [frontend-developer]", "after: [frontend-developer]", "gates[1].agents[0].after", "backend-developer after frontend-developer after backend-developer", "start first"},
	{"waits for itself", "brief: Build it.", "brief: Build it.\n        after: [backend-developer]", "after: [backend-developer]", "gates[1].agents[0].after", "wait for each other", ""},
	{"after a stranger", "after: [backend-developer]", "after: [architect]", "", "gates[1].agents[1].after[0]", `"architect" does not work in G5`, "same gate"},
	{"unknown role", "role: backend-developer\n        title", "role: backend-develoepr\n        title", "develoepr", "gates[1].agents[0].role", `role "backend-develoepr" is unknown`, `Did you mean "backend-developer"?`},
	{"reviewer at a gate", "role: frontend-developer\n        title", "role: reviewer\n        title", "role: reviewer", "gates[1].agents[1].role", "owns no gate", ""},
	{"role twice", "role: frontend-developer\n        title", "role: backend-developer # again\n        title", "# again", "gates[1].agents[1].role", `role "backend-developer" is there twice in G5`, "once per gate"},
	{"agent for another type", "brief: Show it.", "brief: Show it.\n        for: [hybrid]", "for: [hybrid]", "gates[1].agents[1].for[0]", "unknown", "traditional"},
	{"unknown proof", "type: build_output", "type: built_output", "", "gates[1].proofs[0].type", `proof "built_output" is unknown`, `"build_output"`},
	{"unknown proof below", "proofs:\n  build_output", "proofs:\n  build: {inputs: [x]}\n  build_output", "build: {", "proofs.build", "unknown", ""},
	{"proof without inputs", "  build_output: {inputs: [\"**\", \"!docs/**\"]}", "  sbom: {inputs: [go.mod]}", "type: build_output", "gates[1].proofs[0].type", "declares no inputs", "build_output: {inputs"},
	{"empty inputs", `inputs: ["**", "!docs/**"]`, "inputs: []", "", "proofs.build_output", "has no inputs", "path patterns"},
	{"only exclusions", `inputs: ["**", "!docs/**"]`, `inputs: ["!docs/**"]`, "", "proofs.build_output.inputs", "only take paths out", ""},
	{"proof twice", "repair: backend-developer", "repair: backend-developer\n      - type: build_output", "      - type: build_output\n    inputs", "gates[1].proofs[1].type", "required twice in G5", "once"},
	{"unknown repair role", "repair: backend-developer", "repair: plumber", "", "gates[1].proofs[0].repair", `role "plumber" is unknown`, "Use one of"},
	{"reviewer repairs", "repair: backend-developer", "repair: reviewer", "", "gates[1].proofs[0].repair", "repairs nothing", ""},
	{"unknown fact", "when: ui", "when: gui", "", "gates[1].agents[1].when", `fact "gui" is unknown`, `"ui"`},
	{"unknown fact in a skip", "when: fast_track", "when: fasttrack", "", "gates[1].skip[0].when", "unknown", `"fast_track"`},
	{"unknown fact after and", `"!no_ui and go"`, `"!no_ui and rust"`, "", "gates[1].deliverables[1].when", `fact "rust"`, ""},
	{"half a condition", `"!no_ui and go"`, `"!no_ui and "`, "", "gates[1].deliverables[1].when", "unknown", ""},
	{"unknown kind", "kind: source\n        path: web", "kind: sauce\n        path: web", "sauce", "gates[1].deliverables[1].kind", `kind "sauce" is unknown`, `"source"`},
	{"absolute path", "path: web/**", "path: /etc/**", "", "gates[1].deliverables[1].path", "is absolute", "docs/**"},
	{"drive path", "path: web/**", "path: 'C:/web'", "", "gates[1].deliverables[1].path", "is absolute", ""},
	{"path climbs out", "path: web/**", "path: web/../../x", "", "gates[1].deliverables[1].path", "climbs out", ""},
	{"path climbs out in braces", "path: web/**", "path: 'web/{a,..}/x'", "", "gates[1].deliverables[1].path", "climbs out", ""},
	{"path into git", "path: web/**", "path: .GIT/hooks/*", "", "gates[1].deliverables[1].path", ".git", ""},
	{"backslash", "path: web/**", `path: web\x`, "", "gates[1].deliverables[1].path", "backslash", ""},
	{"open brace", "path: web/**", "path: 'web/{a,b'", "", "gates[1].deliverables[1].path", "does not close", ""},
	{"nested braces", "path: web/**", "path: 'web/{a,{b}}'", "", "gates[1].deliverables[1].path", "braces within", ""},
	{"closing brace", "path: web/**", "path: 'web/a}'", "", "gates[1].deliverables[1].path", "not open", ""},
	{"slash in braces", "path: web/**", "path: 'web/{a/b,c}'", "", "gates[1].deliverables[1].path", "slash within", ""},
	{"endless braces", "path: web/**", "path: '" + strings.Repeat("{a,b}", 10) + "'", "", "gates[1].deliverables[1].path", "too many alternatives", ""},
	{"empty path", "path: web/**", "path: ''", "", "gates[1].deliverables[1].path", "is empty", ""},
	{"folder without name", "path: web/**", "path: web//x", "", "gates[1].deliverables[1].path", "without a name", ""},
	{"exclusion in a deliverable", "path: web/**", "path: '!web/**'", "", "gates[1].deliverables[1].path", "begins with !", ""},
	{"exclusion in a gate's inputs", "inputs: [go.mod]", "inputs: ['!go.mod']", "", "gates[1].inputs[0]", "begins with !", ""},
	{"climbing exclusion", `"!docs/**"]`, `"!../docs/**"]`, "", "proofs.build_output.inputs[1]", "climbs out", ""},
	{"negative min", "kind: source\n        path: web", "kind: source\n        min: -1\n        path: web", "min: -1", "gates[1].deliverables[1].min", "0 to 100", ""},
	{"section twice", "kind: source\n        path: web", "kind: source\n        sections: [A, A]\n        path: web", "sections:", "gates[1].deliverables[1].sections[1]", "there twice", ""},
	{"deliverable without a role", "        role: frontend-developer\n", "", "name: Pages", "gates[1].deliverables[1].role", "has no role", ""},
	{"deliverable of a stranger", "role: frontend-developer\n        when: \"!no", "role: architect\n        when: \"!no", "role: architect", "gates[1].deliverables[1].role", "nobody would write web/**", ""},
	{"owed while its role is absent", `when: "!no_ui and go"`, "when: go", "role: frontend-developer\n        when: go", "gates[1].deliverables[1].role", "can be owed while frontend-developer is not at work", "same `when`"},
	{"owed by a role of another type", "brief: Build it.", "brief: Build it.\n        for: [ai_ml]", "role: backend-developer\n      - name: Pages", "gates[1].deliverables[0].role", "in a project of type traditional", ""},
	{"deliverable twice", "      - name: Pages", "      - {name: Source, kind: source, path: x, role: backend-developer}\n      - name: Pages", "{name: Source", "gates[1].deliverables[1].name", "there twice", "its own"},
	{"stop interrupted", "  - code: G6", "  - code: G6\n    name: Between\n    purpose: It stands between.\n  - code: G7", "stop: build\n    approval", "gates[3].stop", `stop "build" is interrupted between G5 and G7`, "follow one another"},
	{"G0 in a stop", "purpose: The workspace stands.", "purpose: The workspace stands.\n    stop: begin", "stop: begin", "gates[0].stop", "joins no stop", ""},
	{"odd stop", "stop: build\n    agents", "stop: Build it\n    agents", "Build it\n    agents", "gates[1].stop", "not the name of a stop", ""},
	{"stop with two rules", "quorum: 2, separate_author: true}\nproofs", "quorum: 1, separate_author: true}\nproofs", "quorum: 1", "gates[2].approval", "differs from that of G5", "same approval"},
	{"quorum 0", "quorum: 2, separate_author: true}\n    skip", "quorum: 0, separate_author: true}\n    skip", "quorum: 0", "gates[1].approval.quorum", "1 to 100, and is 0", "at least 1"},
	{"nobody may decide", "roles: [owner, admin]", "roles: []", "", "gates[1].approval.roles", "nobody may decide", "owner, admin, member"},
	{"viewer decides", "roles: [owner, admin]", "roles: [owner, viewer]", "", "gates[1].approval.roles[1]", `"viewer" is unknown`, ""},
	{"agent decides", "roles: [owner, admin]", "roles: [backend-developer]", "", "gates[1].approval.roles[0]", "unknown", ""},
	{"always skipped", "when: fast_track", "when: ''", "", "gates[1].skip[0].when", "always be skipped", ""},
	{"skip without a reason", "reason: Nothing is built.", "reason: ''", "", "gates[1].skip[0].reason", "reason is empty", ""},
	{"testing skipped", "purpose: The code is tested.", "purpose: The code is tested.\n    skip: [{when: fast_track, reason: Hurry.}]", "Hurry", "gates[2].skip[0]", "never skipped", "Remove"},
	{"testing skipped by another word", "purpose: The code is tested.", "purpose: The code is tested.\n    skip: [{when: '!mode_required', reason: Hurry.}]", "Hurry", "gates[2].skip[0]", "never skipped", "Remove"},
	{"setup skipped", "purpose: The workspace stands.", "purpose: The workspace stands.\n    skip: [{when: ui, reason: Hurry.}]", "Hurry", "gates[0].skip[0]", "never skipped", ""},
	{"alias used", "title: Small\ndescription: One gate that builds and one that tests.", "title: &t Small\ndescription: *t", "*t", "description", "alias *t is not allowed", "Write the value out"},
	{"merge key", "version: 1", "version: 1\n<<: {title: x}", "<<:", "<<", "the key is <<", ""},
	{"deep nesting", "title: Small", "title: " + strings.Repeat("[", 40) + strings.Repeat("]", 40), "[[[", "title[0][0]", "deeper than 16", ""},
	{"second document", "proofs:\n  build_output", "---\nproofs:\n  build_output", "name: small", "", "more than one document", "---"},
	{"not YAML", "version: 1", "version: [1", "description: One", "", "not YAML", "Mend"},
	{"custom tag", "title: Small", "title: !secret Small", "", "title", "must be text", ""},
	{"binary", "title: Small", "title: !!binary U21hbGw=", "", "title", "must be text", ""},
}

func TestBrokenBlueprints(t *testing.T) {
	t.Parallel()
	for _, c := range brokenOnes {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			src := mutate(t, c)
			at := c.at
			if at == "" {
				at = c.new
			}
			line := 1 + strings.Count(src[:strings.Index(src, at)], "\n")
			requireProblem(t, src, fmt.Sprintf("line %d", line), c.field, c.message, c.next)
		})
	}
}

func mutate(t *testing.T, c broken) string {
	t.Helper()
	src := strings.Replace(small, c.old, c.new, 1)
	if src == small {
		t.Fatalf("%q is not in the text", c.old)
	}
	return src
}

func requireProblem(t *testing.T, src, line, field, message, next string) {
	t.Helper()
	err := blueprint.Validate([]byte(src), known)
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.KindInvalid || f.Code != "blueprint.invalid" {
		t.Fatalf("want blueprint.invalid, got %v", err)
	}
	want := line
	if field != "" {
		want += ": " + field
	}
	for _, d := range f.Details {
		if strings.HasPrefix(d.Field, want) && strings.Contains(d.Message, message) && strings.Contains(d.Next, next) {
			return
		}
	}
	t.Errorf("want %s, %q, %q; got", want, message, next)
	for _, d := range f.Details {
		t.Errorf("  %s | %s | %s", d.Field, d.Message, d.Next)
	}
}

func TestAllProblemsAtOnceInTheOrderOfLines(t *testing.T) {
	t.Parallel()
	src := strings.NewReplacer(
		"version: 1", "version: one", "mvp: 60", "mvp: 600", "code: G6", "code: G5", "role: backend-developer\n        title", "role: plumber\n        title",
		"when: ui", "when: gui", "type: build_output", "type: nope", "quorum: 2", "quorum: 0",
	).Replace(small)
	err := blueprint.Validate([]byte(src), known)
	f, _ := fault.As(err)
	if f == nil || len(f.Details) < 9 {
		t.Fatalf("too few problems: %+v", f)
	}
	last := 0
	for _, d := range f.Details {
		var line int
		if _, err := fmt.Sscanf(d.Field, "line %d", &line); err != nil || line < last {
			t.Errorf("%q follows line %d", d.Field, last)
		}
		if d.Message == "" || d.Next == "" {
			t.Errorf("%+v does not say what to do", d)
		}
		last = line
	}
	if !strings.Contains(f.Message, f.Details[0].Field) {
		t.Errorf("the message %q does not name the first problem", f.Message)
	}
}

func TestHostileTexts(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for i := 'b'; i <= 'k'; i++ {
		bomb += fmt.Sprintf("%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n", i, i, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1)
	}
	many := "gates:\n" + strings.Repeat("  - {code: G1, nope: 1}\n", 150)
	long := strings.Replace(small, "kind: source\n", "kind: source\n        sections: ["+strings.Repeat("a, ", 300000)+"b]\n", 1)
	for name, c := range map[string]struct{ src, message string }{
		"nothing":     {"", "empty"},
		"a comment":   {"# nothing\n", "empty"},
		"null":        {"null", "group of keys"},
		"a list":      {"- a\n", "group of keys, and is a list"},
		"a word":      {"hello", `the text "hello"`},
		"bomb":        {bomb, "alias *a is not allowed"},
		"self":        {"a: &a [*a]", "not"},
		"too large":   {small + strings.Repeat("# padding\n", 110000), "more than 1048576"},
		"deep":        {strings.Repeat("{a: ", 9000), ""},
		"deep lists":  {strings.Repeat("- ", 9000) + "x", ""},
		"binary":      {"\x00\x01\x02", "not YAML"},
		"bad UTF-8":   {"name: \xff\xfe", "not YAML"},
		"long list":   {long, "more than 200 entries"},
		"many":        {many, "unknown"},
		"tabs":        {"name:\n\t- x", "not YAML"},
		"half a text": {small[:len(small)/2], ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := blueprint.Validate([]byte(c.src), known)
			f, ok := fault.As(err)
			if !ok || f.Code != "blueprint.invalid" || len(f.Details) == 0 || len(f.Details) > 100 {
				t.Fatalf("want up to 100 problems, got %v", err)
			}
			for _, d := range f.Details {
				if strings.Contains(d.Message, c.message) {
					return
				}
			}
			t.Errorf("want %q in %+v", c.message, f.Details)
		})
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	b, err := blueprint.Parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if a := b.Gates[0].Approval; a.Quorum != 1 || len(a.Roles) != 3 || a.SeparateAuthor {
		t.Errorf("without an approval rule: %+v", a)
	}
	if d := b.Gates[1].Deliverables[0]; d.Min != 1 {
		t.Errorf("without min %d files are owed", d.Min)
	}
	half := strings.Replace(small, "purpose: The workspace stands.", "purpose: The workspace stands.\n    approval: {quorum: 3}", 1)
	if b, err = blueprint.Parse([]byte(half)); err != nil || len(b.Gates[0].Approval.Roles) != 3 || b.Gates[0].Approval.Quorum != 3 {
		t.Errorf("half a rule: %+v, %v", b, err)
	}
	optional := strings.Replace(small, "kind: source\n", "kind: source\n        min: 0\n", 1)
	if b, err = blueprint.Parse([]byte(optional)); err != nil || b.Gates[1].Deliverables[0].Min != 0 {
		t.Errorf("optional: %+v, %v", b, err)
	}
}

// A project keeps its text when LayerCake's lists change: names it does not know
// any more stay readable.
func TestParseTakesUnknownNames(t *testing.T) {
	t.Parallel()
	src := strings.NewReplacer("backend-developer", "builder", "build_output", "built", "kind: source", "kind: sauce").Replace(small)
	if _, err := blueprint.Parse([]byte(src)); err != nil {
		t.Error(err)
	}
	if err := blueprint.Validate([]byte(src), known); err == nil {
		t.Error("Validate takes them too")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	for _, c := range brokenOnes {
		f.Add([]byte(strings.Replace(small, c.old, c.new, 1)))
	}
	f.Add([]byte("name: \"\\n a\"\ntitle: \" \\n\\n x\\n  y\"\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		b, err := blueprint.Parse(src)
		if err != nil {
			if fault.CodeOf(err) != "blueprint.invalid" {
				t.Fatalf("%v is not a fault for people", err)
			}
			return
		}
		text, err := b.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := blueprint.Parse(text)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, text)
		}
		twice, err := again.YAML()
		if err != nil || !bytes.Equal(text, twice) {
			t.Fatalf("text changes: %v\n%s\n%s", err, text, twice)
		}
		for _, g := range b.Gates {
			b.StopOf(g.Code)
			g.AgentsFor(nil, "traditional")
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text, err := blueprint.Show("traditional")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := blueprint.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
