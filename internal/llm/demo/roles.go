package demo

import (
	"slices"
	"strings"
)

// programs says what each role does in a run of kind build.
var programs = map[string]func(*work){
	"product-manager-onboarding": onboarding,
	"orchestrator":               orchestrate,
	"product-manager":            manageProduct,
	"architect":                  architect,
	"ux-ui-designer":             designUI,
	"backend-developer":          backend,
	"frontend-developer":         frontend,
	"data-engineer":              learn,
	"ml-engineer":                learn,
	"prompt-engineer":            learn,
	"model-evaluator":            evaluate,
	"qa-engineer":                testQuality,
	"security-engineer":          audit,
	"devops-engineer":            operate,
	"aiops-engineer":             operate,
	"reviewer":                   review,
}

// writesCode are the roles whose repair is one of code.
var writesCode = []string{
	"backend-developer", "frontend-developer", "data-engineer", "ml-engineer", "prompt-engineer", "model-evaluator", "qa-engineer",
}

// program picks what a run does by its role and kind.
func (w *work) program() func(*work) {
	own, known := programs[w.role]
	switch {
	case !known:
		return unknown
	case w.role == "reviewer":
		return own
	case w.kind == "conflict":
		return resolve
	case w.kind == "repair" && slices.Contains(writesCode, w.role):
		return (*work).repairCode
	case w.kind == "fast" && (w.role == "backend-developer" || w.role == "frontend-developer"):
		return fast
	}
	return own
}

func unknown(w *work) {
	w.problem("there is no template for the role %q", oneLine(w.role, 60))
	w.block("No template for this role", "The demo model has no template for the role "+oneLine(w.role, 60)+".")
	w.finish()
}

// review reads the files that the task names and says what it can see.
func review(w *work) {
	var names []string
	for _, name := range filePath.FindAllString(w.task+"\n"+w.feedback, -1) {
		if slices.Contains(w.files, name) && !slices.Contains(names, name) && len(names) < 10 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		for _, name := range w.files {
			if strings.HasPrefix(name, "docs/") && len(names) < 5 {
				names = append(names, name)
			}
		}
	}
	w.tell("Reading.")
	texts := w.readAll(names)
	var read, short []string
	for _, name := range names {
		if text, ok := texts[name]; ok {
			read = append(read, name)
			if len(strings.Fields(text)) < 5 {
				short = append(short, name)
			}
		}
	}
	for _, name := range short {
		w.risk(name+" says almost nothing", name+" has fewer than five words. Compare it with what the task asks for.", "medium", "medium")
	}
	report, red := w.checks()
	if red {
		w.block("A check is red", report)
		w.problem("a check is red: %s", verdicts(report))
	}
	w.remark("Read: %s. Templates compare words and do not understand a change; a person has to judge it.", strings.Join(read, ", "))
	w.finish()
}
