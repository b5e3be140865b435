package proof

import (
	"fmt"

	"github.com/layercake-app/layercake/internal/document"
)

const (
	planPath    = "docs/TEST_PLAN.md"
	storiesPath = "docs/USER_STORIES.md"
	prdPath     = "docs/PRD.md"
)

// planProblems compares the test plan with the tests: every criterion of the
// stories must be in its table, and every test it names must exist, carry the
// criterion in its name (which reading the table checks), and have passed.
// Without a plan there is nothing to compare; the gate asks for the document
// itself.
func (w *work) planProblems(declared, passed map[string]bool) []string {
	if !w.tree.has(planPath) {
		return nil
	}
	text, err := w.tree.read(planPath)
	if err != nil {
		return []string{err.Error()}
	}
	rows, wrong := document.Traceability(text)
	problems := sentences(planPath, wrong)
	named := map[string]bool{}
	for _, row := range rows {
		named[row.Criterion] = true
		switch {
		case !declared[row.Test]:
			problems = append(problems, fmt.Sprintf("%s line %d: no test that was run is called %s", planPath, row.Line, row.Test))
		case !passed[row.Test]:
			problems = append(problems, fmt.Sprintf("%s line %d: %s, which proves %s, did not pass", planPath, row.Line, row.Test, row.Criterion))
		}
	}
	proven := 0
	for _, id := range w.criteria() {
		if named[id] {
			proven++
			continue
		}
		problems = append(problems, fmt.Sprintf("%s of %s has no test in %s", id, storiesPath, planPath))
	}
	w.figure("criteria", float64(proven))
	return problems
}

// sentences writes problems of a document with their place and next step.
func sentences(name string, problems []document.Problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, fmt.Sprintf("%s line %d: %s. %s", name, p.Line, p.Message, p.Next))
	}
	return out
}

// criteria returns the ids of the acceptance criteria.
func (w *work) criteria() []string {
	text, err := w.tree.read(storiesPath)
	if err != nil {
		return nil
	}
	stories, _ := document.Stories(text)
	var out []string
	for _, s := range stories {
		for _, c := range s.Criteria {
			out = append(out, c.ID)
		}
	}
	return out
}
