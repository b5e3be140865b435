package proof

import (
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/repo"
)

// Detect guesses recipes from file names, for a product that declares none: a
// go.mod at the root is a Go product whose tests are its unit tests, a
// package.json a Node product with a script named test.
func Detect(files []string) Recipes {
	r := Recipes{Version: 1, Checks: map[string]Recipe{}}
	switch {
	case slices.Contains(files, "go.mod"):
		r.Stack = StackGo
		r.Checks[Unit] = Recipe{Packages: []string{"./..."}}
	case slices.Contains(files, "package.json"):
		r.Stack = StackNode
		r.Checks[Unit] = Recipe{Script: "test", Report: "tap"}
	}
	return r
}

// Facts answers the questions of a blueprint's conditions from the files of a
// commit; read returns the bytes of a path. A fact that does not hold is
// present and false. What they mean:
//
//	ui        a design, a page template, front-end files, a smoke path "/", or
//	          requirements that speak of pages, forms or buttons and do not rule
//	          a user interface out
//	no_ui     not ui
//	api       specs/openapi.*, a smoke path below /api, or requirements that speak
//	          of an API
//	data      specs/data-model.*, SQL files, or requirements that speak of keeping
//	          something
//	serves    .layercake/checks.yaml declares serve
//	go, node  the stack
//	declares_integration, declares_e2e   checks.yaml declares such tests
func Facts(files []repo.File, read func(path string) ([]byte, error)) map[string]bool {
	names := make([]string, 0, len(files))
	for _, f := range files {
		names = append(names, f.Path)
	}
	recipes := recipesOf(names, read)
	ui := hasUI(names, recipes, read)
	return map[string]bool{
		"ui":                   ui,
		"no_ui":                !ui,
		"api":                  slices.ContainsFunc(names, isOpenAPI) || smokes(recipes, func(p string) bool { return strings.HasPrefix(p, "/api") }) || spokenOf(names, read, apiWords, noAPIWords),
		"data":                 hasData(names, read),
		"serves":               recipes.Serve != nil,
		"go":                   recipes.Stack == StackGo,
		"node":                 recipes.Stack == StackNode,
		"declares_integration": recipes.Declares(Integration),
		"declares_e2e":         recipes.Declares(E2E),
	}
}

// recipesOf reads the declared recipes, and falls back to detected ones when
// there are none or they are wrong; spec_validation reports the latter.
func recipesOf(names []string, read func(string) ([]byte, error)) Recipes {
	if slices.Contains(names, RecipesPath) {
		if data, err := read(RecipesPath); err == nil {
			if r, err := ParseRecipes(data); err == nil {
				return r
			}
		}
	}
	return Detect(names)
}

func smokes(r Recipes, ok func(path string) bool) bool {
	return r.Serve != nil && slices.ContainsFunc(r.Serve.Smoke, func(s Step) bool { return ok(s.Path) })
}

func isOpenAPI(name string) bool {
	return path.Dir(name) == "specs" && strings.HasPrefix(path.Base(name), "openapi.")
}

var (
	pageExts    = []string{".html", ".htm", ".gohtml", ".tmpl", ".tsx", ".jsx", ".vue", ".svelte"}
	frontFolder = regexp.MustCompile(`(^|/)(web|ui|frontend|templates|static|public)/.*\.(css|js|mjs|ts|svg)$`)
	uiWords     = regexp.MustCompile(`(?i)\b(pages?|screens?|forms?|buttons?|browsers?|dashboards?|web ?sites?|web ?app(lication)?|user interface|ui)\b`)
	noUIWords   = regexp.MustCompile(`(?i)\b(no|without an?|without any|never an?|not an?) (graphical )?(user interface|ui|web interface|front ?end)\b|\b(headless|command[- ]line only|api[- ]only)\b`)
	apiWords    = regexp.MustCompile(`(?i)\b(api|endpoints?)\b`)
	noAPIWords  = regexp.MustCompile(`(?i)\b(no|without an?|without any|not an?) (public |http |rest |json )?api\b`)
	dataWords   = regexp.MustCompile(`(?i)\b(sav(e|es|ed|ing)|stor(e|es|ed|ing)|records?|recorded|persist(s|ed|ence)?|database|kept|keeps?|remembers?)\b`)
	noDataWords = regexp.MustCompile(`(?i)\b(stores nothing|stateless|no data is (stored|kept)|keeps no data)\b`)
)

func hasUI(names []string, r Recipes, read func(string) ([]byte, error)) bool {
	for _, name := range names {
		if ignoredDir(path.Dir(name)) || strings.HasPrefix(name, "docs/") {
			continue
		}
		if slices.Contains(pageExts, path.Ext(name)) || frontFolder.MatchString(name) {
			return true
		}
	}
	if smokes(r, func(p string) bool { return p == "/" }) {
		return true
	}
	return spokenOf(names, read, uiWords, noUIWords)
}

// spokenOf reports what the requirements say of a subject: whether they mention
// it and do not rule it out. The first document that says either decides.
func spokenOf(names []string, read func(string) ([]byte, error), mention, ruledOut *regexp.Regexp) bool {
	for _, doc := range []string{"docs/USER_STORIES.md", "docs/PRD.md", "docs/PROJECT.md"} {
		if !slices.Contains(names, doc) {
			continue
		}
		text, err := read(doc)
		if err != nil {
			continue
		}
		if ruledOut.Match(text) {
			return false
		}
		if mention.Match(text) {
			return true
		}
	}
	return false
}

func hasData(names []string, read func(string) ([]byte, error)) bool {
	for _, name := range names {
		if path.Dir(name) == "specs" && strings.HasPrefix(path.Base(name), "data-model.") || path.Ext(name) == ".sql" {
			return true
		}
	}
	return spokenOf(names, read, dataWords, noDataWords)
}

// packageJSON is what the checks read of a Node product's manifest.
type packageJSON struct {
	Name                 string            `json:"name"`
	Version              string            `json:"version"`
	Type                 string            `json:"type"`
	Scripts              map[string]string `json:"scripts"`
	Dependencies         map[string]string `json:"dependencies"`
	DevDependencies      map[string]string `json:"devDependencies"`
	OptionalDependencies map[string]string `json:"optionalDependencies"`
	PeerDependencies     map[string]string `json:"peerDependencies"`
}

func (p packageJSON) dependencies() int {
	return len(p.Dependencies) + len(p.DevDependencies) + len(p.OptionalDependencies)
}

func readPackageJSON(t *tree) (packageJSON, error) {
	var p packageJSON
	data, err := t.read("package.json")
	if err != nil {
		return p, err
	}
	err = json.Unmarshal(data, &p)
	return p, err
}
