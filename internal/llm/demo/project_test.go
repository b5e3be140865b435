package demo_test

import (
	"fmt"
	"go/format"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/llm/demo"
)

// step is one role at one gate.
type step struct{ role, gate string }

// steps are the roles of a project in the order in which the gates call them.
func steps(typ string) []step {
	list := []step{
		{"product-manager-onboarding", "G1"},
		{"orchestrator", "G1"},
		{"product-manager", "G2"},
		{"architect", "G3"},
		{"ux-ui-designer", "G4"},
		{"backend-developer", "G5"},
		{"frontend-developer", "G5"},
	}
	learns := typ == "ai_ml" || typ == "hybrid"
	operator := "devops-engineer"
	if learns {
		operator = "aiops-engineer"
		list = append(list, step{"data-engineer", "G5"}, step{"prompt-engineer", "G5"}, step{"ml-engineer", "G5"})
	}
	list = append(list, step{"qa-engineer", "G6"})
	if learns {
		list = append(list, step{"model-evaluator", "G6"})
	}
	return append(list, step{"security-engineer", "G7"}, step{operator, "G8"}, step{operator, "G9"})
}

// build carries a project through all gates.
func (b *bench) build(m *demo.Model, br brief) {
	b.t.Helper()
	for _, s := range steps(br.typ) {
		br.role, br.gate = s.role, s.gate
		br.notes = "- design: 2"
		b.run(m, br)
	}
}

var ideas = []string{
	"A plant tracker: I want to list my plants with name, location and when I last watered them, and press a button to mark a plant as watered today.",
	"Track invoices for my small business: customer, amount, due date and whether it is paid.",
	"Ein Verzeichnis meiner Rezepte mit Zutaten, Zubereitung und Kategorie (Vorspeise, Hauptgang, Dessert).",
	"TODO",
}

// sectionsOf are the documents a project owes, with the sections of each.
var sectionsOf = map[string]string{
	"docs/PRD.md":            "Problem|Users|Goals|Non-goals|Features|Success metrics|Assumptions",
	"docs/ARCHITECTURE.md":   "Overview|Components|Data|Interfaces|Security|Decisions",
	"docs/TECH_STACK.md":     "Choices|Alternatives|Versions",
	"docs/DESIGN_SYSTEM.md":  "Colours|Typography|Spacing|Components|Accessibility",
	"docs/TEST_PLAN.md":      "Strategy|Levels|Traceability",
	"docs/SECURITY_AUDIT.md": "Scope|Method|Findings|Residual risk",
	"docs/DEPLOYMENT.md":     "Requirements|Configuration|Steps|Rollback",
	"docs/RUNBOOK.md":        "Start and stop|Health|Backup|Incidents",
}

var learningSections = map[string]string{
	"docs/ML_REQUIREMENTS.md": "Task|Data|Metrics|Baseline",
	"docs/ML_ARCHITECTURE.md": "Pipeline|Model|Evaluation|Serving",
	"docs/ML_SECURITY.md":     "Threats|Controls",
	"docs/DATA_PRIVACY.md":    "Data held|Legal basis|Retention|Rights",
}

var (
	placeholder   = regexp.MustCompile(`\b(TODO|TBD|FIXME)\b|\{\{|(?i:lorem ipsum)`)
	inCode        = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	featureLine   = regexp.MustCompile(`(?m)^### (F-\d+) \S`)
	storyHead     = regexp.MustCompile(`(?m)^## (US-\d+) \S`)
	criterionLine = regexp.MustCompile(`(?m)^- (AC-(\d+)\.\d+): Given .+ when .+ then .+\.$`)
	tableRow      = regexp.MustCompile(`(?m)^\| (AC-\d+\.\d+) \| (\w+) \| (unit|integration|e2e) \|$`)
)

// body returns what stands below a heading of the second level.
func body(document, heading string) (string, bool) {
	_, after, ok := strings.Cut("\n"+document, "\n## "+heading+"\n")
	text, _, _ := strings.Cut(after, "\n## ")
	return strings.TrimSpace(text), ok
}

// checkDocuments asserts the structure that the contract asks for.
func (b *bench) checkDocuments(learns bool) {
	b.t.Helper()
	for name, list := range sectionsOf {
		b.checkSections(name, list)
	}
	if learns {
		for name, list := range learningSections {
			b.checkSections(name, list)
		}
	}
	for name, text := range b.files {
		if strings.HasSuffix(name, ".md") {
			if found := placeholder.FindString(inCode.ReplaceAllString(text, "")); found != "" {
				b.t.Errorf("%s holds the placeholder %q", name, found)
			}
			if len(strings.TrimSpace(text)) < 40 {
				b.t.Errorf("%s says almost nothing", name)
			}
		}
	}
	b.checkIntake()
	b.checkStories()
	designs := 0
	for name, text := range b.files {
		if strings.HasPrefix(name, "designs/option-") {
			designs++
			if !strings.Contains(text, "<html lang=") || !strings.Contains(text, "<title>") || !strings.Contains(text, "viewport") {
				b.t.Errorf("%s is not a whole page", name)
			}
		}
	}
	if designs != 3 {
		b.t.Errorf("%d designs, want 3", designs)
	}
	for _, name := range []string{"docs/TASKS.md", "specs/openapi.yaml", "specs/data-model.yaml", ".layercake/checks.yaml", "README.md", "Dockerfile", ".github/workflows/ci.yml"} {
		if strings.TrimSpace(b.files[name]) == "" {
			b.t.Errorf("%s is missing", name)
		}
	}
	if !slices.ContainsFunc(b.paths(), func(n string) bool { return strings.HasPrefix(n, "monitoring/") }) {
		b.t.Error("there is no monitoring configuration")
	}
}

func (b *bench) checkSections(name, list string) {
	b.t.Helper()
	for _, heading := range strings.Split(list, "|") {
		text, ok := body(b.files[name], heading)
		if !ok || len(text) < 20 {
			b.t.Errorf("%s: section %q is missing or says nothing: %q", name, heading, text)
		}
	}
}

func (b *bench) checkIntake() {
	b.t.Helper()
	for n := 1; n <= 5; n++ {
		_, after, ok := strings.Cut(b.files["docs/INTAKE.md"], fmt.Sprintf("\n## %d. ", n))
		answer, _, _ := strings.Cut(after, "\n## ")
		_, answer, _ = strings.Cut(answer, "\n")
		if !ok || strings.TrimSpace(answer) == "" {
			b.t.Errorf("docs/INTAKE.md: question %d has no answer", n)
		}
	}
}

// checkStories follows features to stories to criteria to tests.
func (b *bench) checkStories() {
	b.t.Helper()
	b.checkTraceability(b.checkRequirements())
}

// checkRequirements follows features to stories, and returns the criteria.
func (b *bench) checkRequirements() map[string]bool {
	b.t.Helper()
	features := map[string]int{}
	for _, m := range featureLine.FindAllStringSubmatch(b.files["docs/PRD.md"], -1) {
		features[m[1]] = 0
	}
	if len(features) == 0 {
		b.t.Error("docs/PRD.md has no feature")
	}
	parts := storyHead.Split(b.files["docs/USER_STORIES.md"], -1)[1:]
	heads := storyHead.FindAllStringSubmatch(b.files["docs/USER_STORIES.md"], -1)
	criteria := map[string]bool{}
	for i, head := range heads {
		part := parts[i]
		if !regexp.MustCompile(`(?is)as (a|an|the)\b.+i want.+so that`).MatchString(part) {
			b.t.Errorf("%s does not say who wants what and why:\n%s", head[1], part)
		}
		feature := regexp.MustCompile(`(?m)^Feature: (F-\d+)$`).FindStringSubmatch(part)
		if feature == nil {
			b.t.Errorf("%s names no feature", head[1])
			continue
		}
		if _, known := features[feature[1]]; !known {
			b.t.Errorf("%s belongs to %s, which does not exist", head[1], feature[1])
		}
		features[feature[1]]++
		found := criterionLine.FindAllStringSubmatch(part, -1)
		if len(found) == 0 || len(found) != strings.Count(part, "\n- AC-") {
			b.t.Errorf("%s has %d well formed criteria in\n%s", head[1], len(found), part)
		}
		for _, c := range found {
			if criteria[c[1]] || head[1] != "US-"+c[2] {
				b.t.Errorf("%s stands in %s, or twice", c[1], head[1])
			}
			criteria[c[1]] = true
		}
	}
	for id, n := range features {
		if n == 0 {
			b.t.Errorf("no story belongs to %s", id)
		}
	}
	return criteria
}

func (b *bench) checkTraceability(criteria map[string]bool) {
	b.t.Helper()
	var tests strings.Builder
	for name, text := range b.files {
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".test.mjs") {
			tests.WriteString(text)
		}
	}
	traced := map[string]bool{}
	for _, row := range tableRow.FindAllStringSubmatch(b.files["docs/TEST_PLAN.md"], -1) {
		traced[row[1]] = true
		carried := "Test" + strings.NewReplacer("-", "_", ".", "_").Replace(row[1])
		if !strings.HasPrefix(row[2], carried) || !regexp.MustCompile(`(func `+row[2]+`\(|"`+row[2]+`")`).MatchString(tests.String()) {
			b.t.Errorf("%s is to be proven by %s, which is no test of it", row[1], row[2])
		}
	}
	for id := range criteria {
		if !traced[id] {
			b.t.Errorf("%s has no test in docs/TEST_PLAN.md", id)
		}
	}
	for id := range traced {
		if !criteria[id] {
			b.t.Errorf("docs/TEST_PLAN.md names %s, which is no criterion", id)
		}
	}
}

// checkFormat asserts that Go files are formatted as gofmt does it.
func (b *bench) checkFormat() {
	b.t.Helper()
	for name, text := range b.files {
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		if formatted, err := format.Source([]byte(text)); err != nil || string(formatted) != text {
			b.t.Errorf("%s is not formatted: %v", name, err)
		}
	}
}

func TestProjects(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"traditional", "ai_ml", "hybrid", "enhancement"} {
		for i, idea := range ideas {
			t.Run(fmt.Sprintf("%s/%d", typ, i), func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				b.answer = func(question string) string { return "As you think best: " + question }
				b.build(newModel(t, demo.Options{}), brief{typ: typ, idea: idea})
				b.checkDocuments(typ == "ai_ml" || typ == "hybrid")
				b.checkFormat()
				if len(b.refused) > 0 {
					for _, c := range b.refused {
						if c.Name != "read_file" {
							t.Errorf("%s was refused: %.200s", c.Name, c.Input)
						}
					}
				}
				if len(b.asked) != 5 {
					t.Errorf("%d questions were asked: %q", len(b.asked), b.asked)
				}
				for _, summary := range b.finished {
					if !strings.Contains(summary, demo.Label) {
						t.Errorf("a summary does not say who wrote it: %q", summary)
					}
				}
			})
		}
	}
}

// TestProjectIsTested runs the tests of a whole project with a learning part,
// and measures the coverage of all packages together.
func TestProjectIsTested(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.command = func(argv []string) (string, bool) {
		out, ok := goTool(t, b.onDisk(), argv[1:]...)
		return out, !ok
	}
	b.build(newModel(t, demo.Options{}), brief{typ: "hybrid", idea: ideas[0]})
	dir := b.onDisk()
	if out, ok := goTool(t, dir, "test", "-count=1", "-coverpkg=./...", "-coverprofile=cover.out", "./..."); !ok {
		t.Fatalf("go test:\n%s", out)
	}
	out, _ := goTool(t, dir, "tool", "cover", "-func=cover.out")
	total := regexp.MustCompile(`total:\s+\(statements\)\s+([0-9.]+)%`).FindStringSubmatch(out)
	var percent float64
	if total != nil {
		_, _ = fmt.Sscan(total[1], &percent)
	}
	if percent < 92 {
		t.Errorf("the coverage is %.1f %%, want 92:\n%s", percent, out)
	}
	t.Logf("%d files, coverage %.1f %%", len(b.files), percent)
	if text := b.files["docs/MODEL_EVALUATION.md"]; !regexp.MustCompile(`Accuracy on held-out examples \| 0\.\d+`).MatchString(text) {
		t.Errorf("the evaluation has no measured figure:\n%s", text)
	}
	if !strings.Contains(b.files["internal/app/app.go"], "suggest.New(records)") {
		t.Error("the suggestion is not mounted in the application")
	}
	if !strings.Contains(b.files["specs/openapi.yaml"], "/api/suggest:") {
		t.Error("the suggestion is not in the API description")
	}
}

// TestLearningPartWithAChoice tests the learning part alone where it suggests
// the value of a choice; without one it suggests the most similar record.
func TestLearningPartWithAChoice(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, s := range steps("ai_ml") {
		if s.gate != "G1" && s.gate != "G4" {
			b.run(newModel(t, demo.Options{}), brief{typ: "ai_ml", idea: ideas[2], role: s.role, gate: s.gate})
		}
	}
	if !strings.Contains(b.files["docs/ML_REQUIREMENTS.md"], "Kategorie") {
		t.Errorf("the choice is not what is learned:\n%s", b.files["docs/ML_REQUIREMENTS.md"])
	}
	if out, ok := goTool(t, b.onDisk(), "test", "-count=1", "./internal/examples/", "./internal/suggest/", "./internal/prompts/"); !ok {
		t.Errorf("go test:\n%s", out)
	}
}
