package demo

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/layercake-app/layercake/internal/llm/demo/product"
)

var sourceNames = regexp.MustCompile(`\.(go|js|mjs|cjs|ts|tsx|jsx|py|rb|rs|java|kt|php|cs|c|cpp|swift|vue|svelte)$`)

// hasForeignCode reports whether there is source code in the repository.
func (w *work) hasForeignCode() bool {
	return slices.ContainsFunc(w.files, func(name string) bool {
		return sourceNames.MatchString(name) && !strings.HasPrefix(name, "docs/") && !strings.HasPrefix(name, "designs/")
	})
}

// addition is what templates can honestly add to code they do not know: a small
// package of its own, with tests, that touches nothing else.
type addition struct {
	Package, Type, Many string
	Number              int // of the story and the feature: that of the change
	Fields              []additionField
	Needed              additionField
	node                bool
	idea                string
	m                   product.Model
}

type additionField struct{ Name, Go, Label string }

func (w *work) addition(m product.Model) addition {
	e := m.Entities[0]
	a := addition{
		Package: strings.ToLower(e.Name) + "list", Type: e.Name, Many: product.Within(oneLine(e.LabelPlural, 60), m.Lang),
		Number: w.change, node: !slices.Contains(w.files, "go.mod") && slices.Contains(w.files, "package.json"), idea: w.idea, m: m,
	}
	if w.change > 1 {
		a.Package += strconv.Itoa(w.change)
	}
	for _, f := range e.Fields {
		name := camel(f.Name)
		if name != "" && !slices.ContainsFunc(a.Fields, func(o additionField) bool { return o.Go == name }) {
			a.Fields = append(a.Fields, additionField{Name: f.Name, Go: name, Label: f.Label})
		}
	}
	if len(a.Fields) == 0 {
		a.Fields = []additionField{{Name: "name", Go: "Name", Label: "Name"}}
	}
	a.Needed = a.Fields[0]
	return a
}

// camel makes a Go name of a field's name.
func camel(name string) string {
	var b strings.Builder
	for _, part := range strings.Split(name, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

func (a addition) features() []product.Feature {
	return []product.Feature{{
		ID: fmt.Sprintf("F-%d", a.Number), Title: "Keep and find " + a.Many,
		Text: "A part of its own keeps " + a.Many + ", refuses incomplete ones and finds them by a word. Code that was there before stays as it is.",
	}}
}

func (a addition) stories() []product.Story {
	id := func(n int) string { return fmt.Sprintf("AC-%d.%d", a.Number, n) }
	test := func(n int, name string) string { return fmt.Sprintf("TestAC_%d_%d_%s", a.Number, n, name) }
	needed := product.Within(a.Needed.Label, a.m.Lang)
	return []product.Story{{
		ID: fmt.Sprintf("US-%d", a.Number), Title: "Keep and find " + a.Many, As: "a person who works with this program",
		Want: "to keep " + a.Many + " and find them by a word", So: "nothing has to be remembered by heart", Feature: fmt.Sprintf("F-%d", a.Number),
		Criteria: []product.Criterion{
			{ID: id(1), Given: "an empty list", When: "three complete entries are added", Then: "all three are listed in their order", Test: test(1, "AddedAndListed"), Level: "unit"},
			{ID: id(2), Given: "a list with entries", When: "one without " + needed + " is added", Then: "it is refused and the list stays as it was", Test: test(2, "IncompleteRefused"), Level: "unit"},
			{ID: id(3), Given: "a list with entries", When: "somebody looks for a word", Then: "exactly the entries with that word are found, in any case", Test: test(3, "FoundByWord"), Level: "unit"},
		},
	}}
}

func (a addition) code() map[string][]byte {
	if a.node {
		return map[string][]byte{"src/" + a.Package + ".mjs": fill("templates/addition/list.mjs.tmpl", a)}
	}
	return map[string][]byte{"internal/" + a.Package + "/list.go": fill("templates/addition/list.go.tmpl", a)}
}

func (a addition) tests() map[string][]byte {
	if a.node {
		return map[string][]byte{"test/" + a.Package + ".test.mjs": fill("templates/addition/list.test.mjs.tmpl", a)}
	}
	return map[string][]byte{"internal/" + a.Package + "/list_test.go": fill("templates/addition/list_test.go.tmpl", a)}
}

func (a addition) deploy() map[string][]byte {
	build, check := "FROM golang:1.26\nWORKDIR /src\nCOPY . .\nRUN go build ./...\nCMD [\"go\", \"test\", \"./...\"]\n", "      - uses: actions/setup-go@v5\n        with: {go-version-file: go.mod}\n      - run: go build ./...\n      - run: go test ./...\n"
	if a.node {
		build = "FROM node:22-slim\nWORKDIR /src\nCOPY . .\nCMD [\"npm\", \"run\", \"" + nodeScript + "\"]\n"
		check = "      - uses: actions/setup-node@v4\n        with: {node-version: 22}\n      - run: npm run " + nodeScript + "\n"
	}
	return map[string][]byte{
		"Dockerfile":               []byte("# Builds and tests this code base; how it is served is for those who know it to say.\n" + build),
		".github/workflows/ci.yml": []byte("name: ci\non: [push, pull_request]\npermissions: {contents: read}\njobs:\n  check:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n" + check),
	}
}

const nodeScript = "test:layercake"

func (a addition) checks() []byte {
	if a.node {
		return []byte("version: 1\nstack: node\nchecks:\n  unit_test_output: {script: \"" + nodeScript + "\", report: tap}\n")
	}
	return []byte("version: 1\nstack: go\nchecks:\n  unit_test_output: {packages: [./...]}\n")
}

// additionFiles are the files of an addition that a role owns, or all of them.
func (w *work) additionFiles(t target, role string) map[string][]byte {
	a := w.addition(t.after)
	switch role {
	case "backend-developer", "frontend-developer":
		return a.code()
	case "qa-engineer":
		return a.tests()
	case "devops-engineer", "aiops-engineer":
		return w.additionDeploy(a)
	}
	files := a.code()
	for name, content := range a.tests() {
		if w.has(name) {
			files[name] = content
		}
	}
	return files
}

// architectAddition describes what is there, as far as file names tell, and the
// place of what is added.
func (w *work) architectAddition(t target) {
	a := w.addition(t.after)
	w.tell("Describing the code base and the place of the addition.")
	text := w.additionArchitecture(a)
	w.deliver(architecturePath, text, text, func(current string) string { return addTo(current, "Decisions", w.changeNote(t)) })
	stack := w.additionStack(a)
	w.deliver(techStackPath, stack, stack, nil)
	if w.ml() {
		w.deliver(mlArchitecturePath, mlArchitecture(t.before), mlArchitecture(t.after), nil)
	}
	files := map[string][]byte{checksPath: a.checks(), dataModelPath: dataModel(t.after)}
	if w.owes(openAPIPath) && !w.has(openAPIPath) {
		files[openAPIPath] = []byte("openapi: 3.1.0\ninfo:\n  title: " + strconv.Quote(t.after.Title) + "\n  version: \"1\"\n  description: The addition has no HTTP interface of its own.\npaths:\n  x-none: The addition answers no requests.\n")
	}
	if !w.has("README.md") {
		files["README.md"] = []byte("# " + oneLine(t.after.Title, 80) + "\n\n" + oneLine(t.after.Tagline, 300) + "\n")
	}
	if !a.node && !slices.Contains(w.files, "go.mod") {
		files["go.mod"] = []byte("module " + t.after.Module + "\n\ngo 1.24\n")
	}
	w.writeAll(files)
	if a.node {
		w.addNodeScript(a)
	}
	w.decide("The addition is a package of its own", "It touches no file that was there before.", "Templates do not understand code they did not write; a package of its own cannot break it.")
	w.risk("The addition is not connected", "Nothing that was there before calls "+a.Package+" yet. Somebody who knows the code has to connect it.", "high", "medium")
	w.checkSpecs()
	w.finish()
}

// addNodeScript adds the script that runs the addition's tests to package.json.
func (w *work) addNodeScript(a addition) {
	text, ok := w.read("package.json")
	if !ok || strings.Contains(text, `"`+nodeScript+`"`) {
		return
	}
	script := `"` + nodeScript + `": "node --test --test-reporter=tap test/` + a.Package + `.test.mjs"`
	if found := regexp.MustCompile(`"scripts"\s*:\s*\{\s*`).FindString(text); found != "" {
		comma := ","
		if strings.HasPrefix(strings.TrimSpace(text[strings.Index(text, found)+len(found):]), "}") {
			comma = ""
		}
		w.edit("package.json", found, strings.TrimRight(found, " \n\t")+"\n    "+script+comma+"\n    ")
		return
	}
	w.edit("package.json", "{", "{\n  \"scripts\": {\n    "+script+"\n  },")
}

func (w *work) buildAddition(t target) {
	w.tell("Writing the addition.")
	files := w.addition(t.after).code()
	w.carry(files, files, w.later(t))
	w.checkCode(files, "build_output", "lint_output")
	w.remark("The addition is a package of its own; nothing that was there before was changed or is connected with it yet.")
	w.finish()
}
