package proof

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/layercake-app/layercake/internal/document"
	"github.com/layercake-app/layercake/internal/fault"
)

// checkSpec validates what the architect wrote: the API description, the data
// model, the check recipes and the component list.
func checkSpec(_ context.Context, w *work) (outcome, error) {
	w.command = "validate specs, " + RecipesPath + " and docs/ARCHITECTURE.md"
	var problems []string
	looked := 0
	read := func(name string) []byte {
		data, err := w.tree.read(name)
		if err != nil {
			problems = append(problems, err.Error())
			return nil
		}
		looked++
		return data
	}
	for _, name := range w.tree.match("specs/**") {
		switch {
		case isOpenAPI(name):
			operations, found := openAPIProblems(name, read(name))
			problems = append(problems, found...)
			w.figure("operations", float64(operations))
		case isDataModel(name):
			model, found := document.DataModel(read(name))
			problems = append(problems, sentences(name, found)...)
			w.figure("entities", float64(len(model.Entities)))
		}
	}
	if w.tree.has(RecipesPath) {
		problems = append(problems, recipeProblems(w.wrong)...)
		problems = append(problems, sentences(RecipesPath, document.Validate("checks", RecipesPath, nil, read(RecipesPath)))...)
	}
	if w.tree.has(architecturePath) {
		components := componentNames(read(architecturePath))
		w.figure("components", float64(len(components)))
		w.log.say("components: %s", strings.Join(components, ", "))
		if len(components) == 0 {
			problems = append(problems, architecturePath+": the section Components names none; list them, one item each")
		}
	}
	w.figure("findings", float64(len(problems)))
	switch {
	case len(problems) > 0:
		w.log.say("%s", strings.Join(problems, "\n"))
		return fail("%s", list(problems)), nil
	case looked == 0:
		return blocked("there is nothing to validate; write specs, %s or %s first", RecipesPath, architecturePath), nil
	}
	return pass("%d file(s) are valid", looked), nil
}

const architecturePath = "docs/ARCHITECTURE.md"

func isDataModel(name string) bool {
	ext := path.Ext(name)
	return path.Dir(name) == "specs" && strings.TrimSuffix(path.Base(name), ext) == "data-model" && (ext == ".yaml" || ext == ".yml")
}

func recipeProblems(err error) []string {
	if err == nil {
		return nil
	}
	f, ok := fault.As(err)
	if !ok || len(f.Details) == 0 {
		return []string{RecipesPath + ": " + err.Error()}
	}
	var out []string
	for _, d := range f.Details {
		out = append(out, fmt.Sprintf("%s %s", RecipesPath, d.Message))
	}
	return out
}

// componentNames returns the list items, table rows and sub-headings of the
// section Components, cut to the name.
func componentNames(text []byte) []string {
	var out []string
	level := 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if title := strings.TrimLeft(line, "#"); title != line {
			depth := len(line) - len(title)
			title = strings.TrimSpace(title)
			switch {
			case strings.EqualFold(title, "components"):
				level = depth
			case level > 0 && depth <= level:
				level = 0
			case level > 0 && title != "":
				out = append(out, title)
			}
			continue
		}
		if level == 0 {
			continue
		}
		for _, bullet := range []string{"- ", "* ", "| "} {
			if item, ok := strings.CutPrefix(line, bullet); ok && strings.Trim(item, "|-: ") != "" {
				out = append(out, shorten(strings.TrimSpace(strings.Trim(item, "*`| ")), 60))
				break
			}
		}
	}
	return out
}
