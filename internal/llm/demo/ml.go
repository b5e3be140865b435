package demo

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/layercake-app/layercake/internal/llm/demo/product"
)

const (
	suggestRoute   = "/api/suggest"
	evaluationPath = "docs/MODEL_EVALUATION.md"
	dataPath       = "docs/DATA.md"
	appPath        = "internal/app/app.go"
)

// mlPackages are the packages of the learning part, for the architecture.
var mlPackages = [][2]string{
	{"internal/examples", "turns records into examples, for learning and for measuring"},
	{"internal/suggest", "the suggestion by the most similar record, its baseline, and its HTTP answer"},
	{"internal/prompts", "the sentences of the suggestion, as files"},
}

// suggestion is what the learning part of a product proposes: the value of one
// field, from the words of others.
type suggestion struct {
	Module   string
	Entity   product.Entity
	Label    product.Field
	Texts    []product.Field
	Sample   string // a value of the label, for tests
	Question string // words that lead to it
}

// Same reports whether the label is the text itself, which asks for the most
// similar record by name.
func (s suggestion) Same() bool { return s.Texts[0].Name == s.Label.Name }

// suggestionFor picks the field: a choice with at least two values where there
// is one, else the first text. ok is false when no record has words.
func suggestionFor(m product.Model) (s suggestion, ok bool) {
	for _, withChoice := range []bool{true, false} {
		for _, e := range m.Entities {
			var texts []product.Field
			for _, f := range e.Fields {
				if (f.Type == "text" || f.Type == "longtext") && f.Ref == "" {
					texts = append(texts, f)
				}
			}
			if len(texts) == 0 {
				continue
			}
			s = suggestion{Module: m.Module, Entity: e, Label: texts[0], Texts: texts, Sample: "small green leaf", Question: "small green leaf"}
			i := slices.IndexFunc(e.Fields, func(f product.Field) bool { return f.Type == "choice" && len(f.Options) > 1 })
			if i >= 0 {
				s.Label, s.Sample = e.Fields[i], e.Fields[i].Options[0]
			}
			if (i >= 0) == withChoice {
				return s, true
			}
		}
	}
	return suggestion{}, false
}

// render fills a template of the learning part.
func (s suggestion) render(name string) []byte {
	return fill(path.Join("templates/ml", name+".tmpl"), s)
}

// suggestSkeleton is the empty learning part, which lets every branch compile.
func suggestSkeleton(m product.Model) map[string][]byte {
	s, ok := suggestionFor(m)
	if !ok {
		return nil
	}
	return map[string][]byte{
		"internal/examples/examples.go": s.render("examples_skeleton.go"),
		"internal/suggest/suggest.go":   s.render("suggest_skeleton.go"),
		"internal/prompts/prompts.go":   s.render("prompts_skeleton.go"),
	}
}

// mountSuggest puts the suggestion into the application.
func mountSuggest(m product.Model, files map[string][]byte) {
	if _, ok := suggestionFor(m); !ok {
		return
	}
	text := string(files[appPath])
	text = strings.Replace(text, "\t\""+m.Module+"/internal/store\"\n", "\t\""+m.Module+"/internal/store\"\n\t\""+m.Module+"/internal/suggest\"\n", 1)
	text = strings.Replace(text, "\tmux.Handle(\"/api/\",", "\tmux.Handle(\"GET "+suggestRoute+"\", suggest.New(records))\n\tmux.Handle(\"/api/\",", 1)
	files[appPath] = []byte(text)
}

// mlFiles are the files of one role of the learning part.
func (w *work) mlFiles(m product.Model, role string) map[string][]byte {
	s, ok := suggestionFor(m)
	if !ok {
		return nil
	}
	switch role {
	case "data-engineer":
		return map[string][]byte{
			"internal/examples/examples.go":      s.render("examples.go"),
			"internal/examples/examples_test.go": s.render("examples_test.go"),
		}
	case "ml-engineer":
		return map[string][]byte{
			"internal/suggest/nearest.go":      s.render("nearest.go"),
			"internal/suggest/suggest.go":      s.render("suggest.go"),
			"internal/suggest/suggest_test.go": s.render("suggest_test.go"),
		}
	case "prompt-engineer":
		return map[string][]byte{
			"internal/prompts/prompts.go":      s.render("prompts.go"),
			"internal/prompts/prompts_test.go": s.render("prompts_test.go"),
			"internal/prompts/suggested.md":    s.render("suggested.md"),
			"internal/prompts/unsure.md":       s.render("unsure.md"),
			"internal/prompts/cases.json":      s.render("cases.json"),
		}
	case "model-evaluator":
		return map[string][]byte{
			"internal/suggest/evaluation_test.go":       s.render("evaluation_test.go"),
			"internal/suggest/testdata/evaluation.json": s.evaluationData(),
		}
	}
	return nil
}

// labels are the values that the evaluation uses.
func (s suggestion) labels() []string {
	if s.Same() || len(s.Label.Options) < 2 {
		return []string{"first", "second", "third"}
	}
	return s.Label.Options[:min(len(s.Label.Options), len(cues))]
}

var cues = [][2]string{
	{"bright", "small"},
	{"heavy", "late"},
	{"round", "cold"},
	{"quick", "tall"},
	{"plain", "soft"},
	{"early", "deep"},
	{"narrow", "warm"},
	{"quiet", "new"},
	{"steep", "dry"},
	{"loud", "thin"},
	{"smooth", "far"},
	{"rough", "near"},
}

// evaluationData is made, not observed: each label has two words of its own
// among words that all share, and one held-out text per label has none of them.
func (s suggestion) evaluationData() []byte {
	type example struct{ Text, Label string }
	var data struct{ Learn, HeldOut []example }
	for i, label := range s.labels() {
		a, b := cues[i][0], cues[i][1]
		for _, text := range []string{a + " one with note", b + " one with note", a + " and " + b + " one with note", "one with note " + b} {
			data.Learn = append(data.Learn, example{text, label})
		}
		for _, text := range []string{a + " with note", "one " + b + " with note too", "one with note " + strconv.Itoa(i+1)} {
			data.HeldOut = append(data.HeldOut, example{text, label})
		}
	}
	raw, err := json.MarshalIndent(data, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("demo: encode evaluation data: %v", err))
	}
	return append(raw, '\n')
}

// learn is the program of the three engineers of the learning part.
func learn(w *work) {
	t := w.target()
	after := w.mlFiles(t.after, w.role)
	if t.foreign || after == nil {
		w.remark("There is nothing here for templates to learn from, so the %s wrote nothing.", w.role)
		w.finish()
		return
	}
	w.tell("Writing my part of the suggestion.")
	w.carry(w.mlFiles(t.before, w.role), after, w.later(t))
	if w.role == "data-engineer" {
		w.deliver(dataPath, dataSheet(t.before), dataSheet(t.after), nil)
	}
	w.checkCode(after, "build_output", "lint_output")
	w.finish()
}

func dataSheet(m product.Model) string {
	s, ok := suggestionFor(m)
	if !ok {
		return ""
	}
	var d markdown
	d.h1(m.Title + ": data of the suggestion")
	d.h2("Source")
	d.p("The %s that people enter themselves, read from the application's own store. Nothing is collected elsewhere.", product.Within(s.Entity.LabelPlural, m.Lang))
	d.h2("Schema")
	d.header("Part", "Fields", "Rule")
	var names []string
	for _, f := range s.Texts {
		names = append(names, f.Label)
	}
	d.row("Text", strings.Join(names, ", "), "joined, cut at 2000 characters")
	d.row("Label", s.Label.Label, "as entered")
	d.h2("Checks")
	d.item("A record without words or without a label is left out.")
	d.item("Words are compared in lower case; signs do not count.")
	d.h2("Limits")
	d.item("With few records there are few suggestions; below a fixed similarity there is none.")
	d.item("Wrong labels are learned like right ones.")
	d.origin()
	return d.String()
}

var measured = regexp.MustCompile(`accuracy=([0-9.]+) baseline=([0-9.]+) learned=(\d+) held-out=(\d+)`)

// evaluate writes the evaluation with the figures that a test printed in this
// run, or says that nothing was measured.
func evaluate(w *work) {
	t := w.target()
	files := w.mlFiles(t.after, w.role)
	if t.foreign || files == nil {
		w.remark("There is no model to evaluate.")
		w.finish()
		return
	}
	w.tell("Writing the evaluation as a test.")
	w.carry(w.mlFiles(t.before, w.role), files, w.later(t))
	command := []string{"go", "test", "-count=1", "-v", "-run", "TestHeldOut|TestShuffledLabelsAreWorse", "./internal/suggest/"}
	output, failed := "the tool run_command is not offered", true
	if w.tools["run_command"] {
		w.tell("Measuring.")
		result := w.need("run_command", map[string][]string{"command": command})
		output, failed = result.Content, result.IsError
	}
	text := evaluationReport(t.after, command, output, failed)
	if w.has(evaluationPath) {
		if current, ok := w.read(evaluationPath); ok {
			text += revisionPart(current)
		}
	}
	if w.kind == "rework" {
		text = w.revise(text)
	}
	w.write(evaluationPath, text)
	w.finish()
}

func evaluationReport(m product.Model, command []string, output string, failed bool) string {
	var d markdown
	d.h1(m.Title + ": evaluation of the suggestion")
	d.h2("Question")
	d.p("Is the value of the most similar record a better guess than the most frequent value?")
	d.h2("Method")
	d.p("The examples in `internal/suggest/testdata/evaluation.json` are made, not observed: each value has two words of its own among words that all share. A third of the held-out texts has none of these words and cannot be guessed. The command:\n")
	d.p("```\n%s\n```", strings.Join(command, " "))
	d.h2("Results")
	figures := measured.FindStringSubmatch(output)
	if figures == nil || failed {
		d.p("Not measured in this run: %s", oneLine(output, 300))
	} else {
		d.header("Measure", "Value")
		d.row("Accuracy on held-out examples", figures[1])
		d.row("Baseline (most frequent value)", figures[2])
		d.row("Examples learned from", figures[3])
		d.row("Examples held out", figures[4])
	}
	d.h2("Limits")
	d.item("The figures say that the parts work together, and nothing about real records; measure again when there are some.")
	d.item("A text without a known word gets no suggestion.")
	d.origin()
	return d.String()
}
