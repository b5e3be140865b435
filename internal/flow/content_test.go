package flow_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/document"
)

// product is what an imagined product is like: it decides which facts of a
// blueprint come to hold.
type product struct {
	ui, api, data, serves, integration, e2e bool
}

// idea is the text by which a person asks for the product.
func (p product) idea() string {
	if p.ui {
		return "A tool for my garden, with screens"
	}
	return "A command line tool for my garden"
}

// pathsOf names the files that satisfy a deliverable.
func pathsOf(d blueprint.Deliverable) []string {
	switch {
	case d.Kind == "design":
		return []string{"designs/option-1-calm.html", "designs/option-2-bold.html", "designs/option-3-dense.html"}
	case d.Kind == "source" && d.Role == "qa-engineer":
		return []string{"internal/app/app_test.go"}
	case d.Kind == "source":
		return []string{"internal/app/app.go"}
	case d.Path == "monitoring/**":
		return []string{"monitoring/alerts.yaml"}
	}
	return []string{d.Path}
}

// content is a valid file for a deliverable; n makes it different from others.
func content(d blueprint.Deliverable, p product, n int) []byte {
	switch d.Kind {
	case "intake":
		var b strings.Builder
		fmt.Fprintf(&b, "# Intake %d\n", n)
		for i := range 5 {
			fmt.Fprintf(&b, "\n## %d. What about matter %d?\n\nIt is like this, says the person who asked.\n", i+1, i+1)
		}
		return []byte(b.String())
	case "prd":
		return []byte(markdown("Requirements", d.Sections, n, p.words()) + "\n### F-1 Watering\n\nThe gardener sees when to water again.\n")
	case "user_stories":
		return fmt.Appendf(nil, "# Stories %d\n\n## US-1 Watering\n\nAs a gardener I want to know when to water so that plants live. %s\n\nFeature: F-1\n\n- AC-1.1: Given a plant when it is dry then it is named\n", n, p.words())
	case "test_plan":
		return []byte(markdown("Test plan", d.Sections, n, "") + "\n| Criterion | Test | Level |\n|---|---|---|\n| AC-1.1 | TestAC_1_1_Dry | unit |\n")
	case "openapi":
		return fmt.Appendf(nil, "openapi: 3.1.0\ninfo: {title: Garden, version: \"%d\"}\npaths:\n  /plants: {get: {responses: {\"200\": {description: fine}}}}\n", n)
	case "data_model":
		return fmt.Appendf(nil, "entities:\n  - name: Plant\n    plural: Plants\n    fields: [{name: f%d, label: Name, type: text, required: true}]\n", n)
	case "checks":
		return []byte(p.recipes(n))
	case "design":
		return fmt.Appendf(nil, "<!doctype html><html lang=\"en\"><head><title>Garden %d</title><meta name=\"viewport\" content=\"width=device-width\"></head><body>Water today</body></html>\n", n)
	case "dockerfile":
		return fmt.Appendf(nil, "FROM scratch\nLABEL n=%d\n", n)
	case "workflow":
		return fmt.Appendf(nil, "name: checks %d\non: [push]\njobs: {test: {runs-on: ubuntu, steps: [{run: make check}]}}\n", n)
	case "source", "file":
		return source(n)
	}
	return []byte(markdown(d.Name, d.Sections, n, ""))
}

func source(n int) []byte { return fmt.Appendf(nil, "package app // %d\n", n) }

func markdown(title string, sections []string, n int, words string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nThis is edition %d of what a reader needs to know here. %s\n", title, n, words)
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\nWhat there is to say about it has been said here.\n", s)
	}
	return b.String()
}

// words are those by which requirements speak of an interface, an API and data.
func (p product) words() string {
	var out []string
	for _, w := range []struct {
		on       bool
		yes, not string
	}{
		{p.ui, "There are pages.", "It works without a user interface."},
		{p.api, "There is an API.", "It has no API."},
		{p.data, "It has a database.", "It is stateless."},
	} {
		if w.on {
			out = append(out, w.yes)
		} else {
			out = append(out, w.not)
		}
	}
	return strings.Join(out, " ")
}

func (p product) recipes(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1 # %d\nstack: go\n", n)
	if p.serves {
		b.WriteString("serve: {package: ./cmd/app, port: 8080, health: /health, smoke: [/health]}\n")
	}
	b.WriteString("checks:\n  unit_test_output: {packages: [./internal/...]}\n")
	if p.integration {
		b.WriteString("  integration_test_output: {packages: [./integration/...]}\n")
	}
	if p.e2e {
		b.WriteString("  e2e_test_output: {packages: [./e2e/...]}\n")
	}
	return b.String()
}

func TestContentOfTheTestsIsValid(t *testing.T) {
	t.Parallel()
	for _, name := range blueprint.Names() {
		b, err := blueprint.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range b.Gates {
			for _, d := range g.Deliverables {
				for _, p := range []product{{}, {ui: true, api: true, data: true, serves: true, integration: true, e2e: true}} {
					for _, path := range pathsOf(d) {
						if !glob(d.Path).MatchString(path) {
							t.Errorf("%s %s: %s does not match %s", g.Code, d.Name, path, d.Path)
						}
						if found := document.Validate(d.Kind, path, d.Sections, content(d, p, 1)); len(found) > 0 {
							t.Errorf("%s %s: %v", g.Code, path, found)
						}
					}
				}
			}
		}
	}
}
