package demo

import (
	"maps"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/llm/demo/product"
)

const (
	architecturePath = "docs/ARCHITECTURE.md"
	techStackPath    = "docs/TECH_STACK.md"
	openAPIPath      = "specs/openapi.yaml"
	checksPath       = ".layercake/checks.yaml"
)

func architect(w *work) {
	w.preload(modelPath, dataModelPath, prdPath, architecturePath, techStackPath, mlArchitecturePath)
	t := w.target()
	if t.foreign {
		w.architectAddition(t)
		return
	}
	w.tell("Writing the architecture, the specifications and the scaffold.")
	w.deliver(architecturePath, w.architecture(t.before), w.architecture(t.after), func(current string) string {
		return addTo(current, "Decisions", w.changeNote(t))
	})
	w.deliver(techStackPath, techStack(t.before), techStack(t.after), nil)
	if w.ml() {
		w.deliver(mlArchitecturePath, mlArchitecture(t.before), mlArchitecture(t.after), nil)
	}
	before, after := w.roleFiles(target{after: t.before}), w.roleFiles(t)
	w.carryOrRestore(before, after, w.later(t))
	w.decide("One Go binary, JSON files, no dependencies", "The standard library serves pages and API; records are kept in one JSON file per kind.", "It builds and runs anywhere without a download, and its data can be read without it. It serves one process and one data folder.")
	w.risk("Whoever reaches the port may change everything", "There are no accounts. The application listens on this computer only; put a proxy that signs people in before it where others can reach it.", "low", "high")
	w.checkSpecs()
	w.finish()
}

// checkSpecs looks at what was written the way the gate will.
func (w *work) checkSpecs() {
	report, red := w.checks("spec_validation")
	if red {
		w.problem("spec_validation is red: %s", verdicts(report))
	}
}

// specs are the contracts that lock with the architecture.
func (w *work) specs(m product.Model) map[string][]byte {
	return map[string][]byte{openAPIPath: w.openAPI(m), dataModelPath: dataModel(m), modelPath: m.YAML(), checksPath: m.ChecksYAML()}
}

// scaffold is what parallel roles share; with a learning part it holds an empty
// one, so that each branch compiles by itself.
func (w *work) scaffold(m product.Model) map[string][]byte {
	files := w.scaffoldOf(m)
	if w.ml() {
		maps.Copy(files, suggestSkeleton(m))
		files["README.md"] = append(slices.Clone(files["README.md"]), "\n## Suggestions\n\n`GET "+suggestRoute+"?text=…` answers with what the most similar record has, or with nothing where none is similar.\n"...)
	}
	return files
}

func (w *work) architecture(m product.Model) string {
	var d markdown
	d.h1(m.Title + ": architecture")
	d.h2("Overview")
	d.p("One process serves HTML pages and a JSON API over the same rules and the same store. It is started with a port and a data folder, keeps everything in that folder, and needs nothing else.\n")
	d.p("```\nbrowser -> internal/web --+\n                          +--> internal/domain (rules) --> internal/store (JSON files)\nprogram -> internal/api --+\n```")
	d.h2("Components")
	d.header("Package", "Responsibility")
	for _, row := range [][2]string{
		{"cmd/app", "settings from the environment, start and stop"},
		{"internal/app", "puts the parts together, limits, headers, health and metrics"},
		{"internal/api", "JSON API as " + openAPIPath + " describes it"},
		{"internal/web", "HTML pages and forms in the chosen design"},
		{"internal/domain", "records, fields, validation, searching and sorting; no input or output"},
		{"internal/store", "JSON files, written whole and renamed into place"},
	} {
		d.row("`"+row[0]+"`", row[1])
	}
	if w.ml() {
		for _, row := range mlPackages {
			d.row("`"+row[0]+"`", row[1])
		}
	}
	d.h2("Data")
	d.p("`%s` is the contract; one JSON file per kind of record below `$DATA_DIR`.", dataModelPath)
	for _, e := range m.Entities {
		d.p("")
		d.header(e.Label+": field", "Type", "Required")
		for _, f := range e.Fields {
			d.row(f.Label+" (`"+f.Name+"`)", fieldType(f), yesNo(f.Required))
		}
	}
	d.h2("Interfaces")
	d.header("Path", "Purpose")
	for _, e := range m.Entities {
		d.row("`GET, POST /api/"+e.Plural+"`", "list and add "+product.Within(e.LabelPlural, m.Lang))
		d.row("`GET, PUT, DELETE /api/"+e.Plural+"/{id}`", "read, replace and delete one")
		d.row("`/"+e.Plural+"`", "the pages of "+product.Within(e.LabelPlural, m.Lang))
	}
	for _, a := range m.Actions {
		if e, ok := m.Entity(a.Entity); ok {
			d.row("`POST /api/"+e.Plural+"/{id}/"+a.Verb+"`", a.Label)
		}
	}
	if w.ml() {
		d.row("`GET "+suggestRoute+"?text=…`", "the suggestion for a text, with its score")
	}
	d.row("`GET /health`", "answers once the data folder could be read")
	d.h2("Security")
	d.item("The application listens on 127.0.0.1 unless it is told otherwise, and has no accounts.")
	d.item("Values are checked on the server; pages escape what they show; a content security policy forbids scripts.")
	d.item("Requests from other sites that would change something are refused; bodies and times are limited.")
	d.item("Ids are looked up, never joined into paths.")
	d.h2("Decisions")
	d.item("Standard library only: nothing to download, nothing to patch but Go itself.")
	d.item("JSON files instead of a database: enough for one process and some thousand records, and readable without the program.")
	d.item("Pages without scripts: they work in every browser, and can be tested as plain HTTP.")
	d.origin()
	return d.String()
}

func fieldType(f product.Field) string {
	switch {
	case len(f.Options) > 0:
		return "one of " + strings.Join(f.Options, ", ")
	case f.Ref != "":
		return "reference to " + f.Ref
	case f.Type == "longtext":
		return "long text"
	case f.Type == "bool":
		return "yes or no"
	}
	return f.Type
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func techStack(m product.Model) string {
	var d markdown
	d.h1(m.Title + ": technology stack")
	d.h2("Choices")
	d.header("Concern", "Choice", "Reason")
	d.row("Language", "Go", "one static binary, fast tests")
	d.row("HTTP and pages", "`net/http`, `html/template`", "routing, escaping and cross-site protection are built in")
	d.row("Storage", "JSON files", "no server to run; a backup is a copy of the folder")
	d.row("Tests", "`testing`, `net/http/httptest`", "no download, real requests against the real handler")
	d.h2("Alternatives")
	d.item("SQLite: stronger queries and transactions, at the price of a dependency. The store is the one package to exchange.")
	d.item("A browser framework: richer pages, at the price of a second tool chain.")
	d.h2("Versions")
	d.p("The Go version is the one in `%s`; there is no other dependency, so there is nothing else to pin.", "go.mod")
	d.origin()
	return d.String()
}

// openAPI is the contract of the API, with the suggestion where there is one.
func (w *work) openAPI(m product.Model) []byte {
	text := string(m.OpenAPI())
	if w.ml() {
		text = strings.Replace(text, "\npaths:\n", "\npaths:\n"+suggestSpec, 1)
	}
	return []byte(text)
}

const suggestSpec = `  ` + suggestRoute + `:
    get:
      operationId: suggest
      summary: What the records so far suggest for a text
      parameters:
        - name: text
          in: query
          required: true
          schema: {type: string, maxLength: 2000}
      responses:
        "200":
          description: The suggestion; label is empty when nothing is similar enough
          content:
            application/json:
              schema:
                type: object
                required: [label, score, examples, why]
                properties:
                  label: {type: string}
                  score: {type: number}
                  examples: {type: integer}
                  why: {type: string}
        "400":
          description: The text is missing or too long
          content:
            application/json:
              schema:
                type: object
                properties:
                  error: {type: string}
`
