package demo

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/layercake-app/layercake/internal/llm/demo/product"
)

const (
	intakePath  = "docs/INTAKE.md"
	tasksPath   = "docs/TASKS.md"
	prdPath     = "docs/PRD.md"
	storiesPath = "docs/USER_STORIES.md"
)

// intakeQuestions are the five questions of the interview, each with options
// and a suggestion taken from the idea.
func (w *work) intakeQuestions(m product.Model) []askInput {
	main := m.Entities[0]
	reach := "Only this computer, with a current browser."
	if w.project["mode"] == "required" {
		reach = "A server that the team reaches with a current browser."
	}
	questions := []askInput{
		{Question: "Who is it for?", Options: []string{m.Persona, "one person", "a small team"}, Suggestion: m.Persona},
		{Question: "What must it do first?", Suggestion: firstUse(m)},
		{Question: "What must it not do?", Options: []string{"No accounts and no payments.", "Nothing leaves this computer."}, Suggestion: "No accounts and no payments."},
		{Question: "What must it work with?", Options: []string{"Only this computer, with a current browser.", "A server that the team reaches with a current browser."}, Suggestion: reach},
		{Question: "How will you see that it is a success?", Suggestion: fmt.Sprintf("Every %s is kept in one place and found again within ten seconds.", product.Within(main.Label, m.Lang))},
	}
	if w.change > 1 || w.project["type"] == "enhancement" {
		questions[0].Question = "Who is the change for?"
		questions[1].Question = "What must the change do first?"
		questions[2] = askInput{Question: "What must stay as it is?", Suggestion: "Everything the request does not name, and all data."}
		questions[3].Question = "What must the change work with?"
		questions[4].Question = "How will you see that the change is a success?"
	}
	if w.change > 1 {
		for i := range questions {
			questions[i].Question = fmt.Sprintf("Change %d: %s", w.change, questions[i].Question)
		}
		questions[1].Suggestion = oneLine(w.idea, 200)
	}
	for i := range questions {
		questions[i].Blocking = true
	}
	return questions
}

func firstUse(m product.Model) string {
	e := m.Entities[0]
	names := make([]string, min(3, len(e.Fields)))
	for i := range names {
		names[i] = product.Within(e.Fields[i].Label, m.Lang)
	}
	return fmt.Sprintf("Keep %s with %s; list and find them again.", product.Within(e.LabelPlural, m.Lang), product.List(names))
}

func onboarding(w *work) {
	t := w.target()
	questions := w.intakeQuestions(t.after)
	answers := make([]string, len(questions))
	for i, q := range questions {
		answer, origin := w.answerTo(q)
		if answers[i] = sayable(answer); origin != "" {
			answers[i] += " (" + origin + ")"
		}
	}
	w.tell("Writing %s from the answers.", intakePath)
	w.deliver(intakePath, "", intake(w.idea, questions, answers), func(current string) string {
		var d markdown
		d.p("### Change %d\n", w.change)
		d.quote(w.idea)
		d.p("")
		for i, q := range questions {
			d.item("%s %s", strings.TrimPrefix(q.Question, fmt.Sprintf("Change %d: ", w.change)), oneLine(answers[i], 400))
		}
		return addTo(current, "Later changes", d.String())
	})
	w.finish()
}

func intake(idea string, questions []askInput, answers []string) string {
	var d markdown
	d.h1("Intake")
	d.p("")
	d.quote(idea)
	for i, q := range questions {
		d.h2(fmt.Sprintf("%d. %s", i+1, q.Question))
		d.quote(answers[i])
	}
	d.origin()
	return d.String()
}

var noWords = regexp.MustCompile(`(?i)^[(\[]?(?:no answer.*|unanswered|not (?:yet )?answered.*|pending|awaiting.*)[)\]]?[.!]?$`)

// sayable makes an answer of signs alone, or of words that read like none, into
// a sentence.
func sayable(answer string) string {
	if strings.IndexFunc(answer, unicode.IsLetter) < 0 && strings.IndexFunc(answer, unicode.IsDigit) < 0 || noWords.MatchString(strings.TrimSpace(answer)) {
		return "They said: “" + oneLine(answer, 200) + "”"
	}
	return answer
}

// said returns what the interview recorded under question n, or fallback.
func said(intake string, n int, fallback string) string {
	_, list := splitSections(intake)
	for _, s := range list {
		if strings.HasPrefix(s.name, fmt.Sprintf("%d.", n)) {
			_, body, _ := strings.Cut(s.body, "\n")
			var words []string
			for _, line := range lines(body) {
				if answer, ok := strings.CutPrefix(line, "> "); ok {
					words = append(words, answer)
				}
			}
			if len(words) > 0 {
				return oneLine(strings.Join(words, " "), 400)
			}
		}
	}
	return fallback
}

func orchestrate(w *work) {
	w.tell("Breaking the work down into %s.", tasksPath)
	w.deliver(tasksPath, "", w.tasks(), func(current string) string {
		var d markdown
		d.p("### Change %d\n", w.change)
		d.quote(w.idea)
		d.p("")
		w.taskItems(&d)
		return addTo(current, "Later changes", d.String())
	})
	w.finish()
}

func (w *work) tasks() string {
	var d markdown
	d.h1("Tasks")
	d.p("\nIn the order in which they can start; tasks of one gate that name no other task run side by side.")
	d.h2("Tasks")
	w.taskItems(&d)
	d.origin()
	return d.String()
}

func (w *work) taskItems(d *markdown) {
	also := func(text string) string {
		if w.ml() {
			return text
		}
		return ""
	}
	d.item("G2 product-manager: %s and %s%s, from %s.", prdPath, storiesPath, also(" and "+mlRequirementsPath), intakePath)
	d.item("G3 architect: %s, %s, the specifications and the check recipes%s, from the stories.", architecturePath, techStackPath, also(" and "+mlArchitecturePath))
	d.item("G4 ux-ui-designer: three designs and %s; only where there is a user interface.", designSystemPath)
	d.item("G5 backend-developer: storage, rules and interface of the server, from the specifications.")
	d.item("G5 frontend-developer: the pages in the chosen design; only where there is a user interface.")
	if w.ml() {
		d.item("G5 data-engineer: the path of the data from the records to examples.")
		d.item("G5 ml-engineer: the suggestion and its baseline, after data-engineer.")
		d.item("G5 prompt-engineer: the texts of the suggestion as files with examples.")
	}
	d.item("G6 qa-engineer: the tests of every criterion and %s.", testPlanPath)
	if w.ml() {
		d.item("G6 model-evaluator: %s with measured figures, after qa-engineer.", evaluationPath)
	}
	d.item("G7 security-engineer: %s%s.", auditPath, also(", "+mlSecurityPath+" and "+privacyPath))
	d.item("G8 %s: Dockerfile, CI workflow and %s.", w.operator(), deploymentPath)
	if w.project["mode"] != "local_only" {
		d.item("G9 %s: %s and monitoring.", w.operator(), runbookPath)
	}
}

func (w *work) operator() string {
	if w.ml() {
		return "aiops-engineer"
	}
	return "devops-engineer"
}

func manageProduct(w *work) {
	w.preload(modelPath, dataModelPath, intakePath, prdPath, storiesPath)
	t := w.target()
	words, _ := w.read(intakePath)
	w.tell("Writing the requirements.")
	w.deliver(prdPath, w.prd(t, t.before, words), w.prd(t, t.after, words), func(current string) string {
		return addTo(mend(current, w.prd(t, t.after, words)), "Changes", w.changeNote(t))
	})
	w.deliver(storiesPath, w.stories(t, t.before), w.stories(t, t.after), func(current string) string {
		return mend(current, w.stories(t, t.after))
	})
	if w.ml() {
		w.deliver(mlRequirementsPath, mlRequirements(t.before), mlRequirements(t.after), nil)
	}
	w.decide("Scope of change "+fmt.Sprint(w.change), featureTitles(w.features(t, t.after)), "These features are what the templates understood from the words of the request.")
	if stays := w.stays(); stays != "" {
		w.risk("Something was to be removed and stays", stays+" Take it out by hand where it has to go.", "high", "medium")
		w.remark("%s", stays)
	}
	w.risk("The request may mean more than was understood", "A template reads nouns and verbs of the request; what it did not recognise is missing from the features. Compare "+prdPath+" with the request.", "medium", "medium")
	w.finish()
}

// stays says what a later request wants removed, which templates cannot do; "" when
// it wants nothing of the kind.
func (w *work) stays() string {
	if w.change < 2 {
		return ""
	}
	gone := product.Removals(w.idea)
	if len(gone) == 0 {
		return ""
	}
	return product.OnlyAdds(gone)
}

func featureTitles(features []product.Feature) string {
	var titles []string
	for _, f := range features {
		titles = append(titles, f.ID+" "+f.Title)
	}
	return strings.Join(titles, "; ")
}

func (w *work) features(t target, m product.Model) []product.Feature {
	if t.foreign {
		return w.addition(m).features()
	}
	return m.Features()
}

// changeNote is the entry of a later change in the PRD.
func (w *work) changeNote(t target) string {
	var d markdown
	d.p("### Change %d\n", w.change)
	d.quote(w.idea)
	d.p("")
	for _, c := range t.added() {
		d.item("%s", oneLine(c.Summary, 200))
	}
	if len(t.added()) == 0 {
		d.item("No feature is added.")
	}
	if stays := w.stays(); stays != "" {
		d.item("%s", oneLine(stays, 400))
	}
	return d.String()
}

func (w *work) prd(t target, m product.Model, words string) string {
	idea := w.idea
	if w.originalIdea != "" {
		idea = w.originalIdea
	}
	var d markdown
	d.h1(m.Title + ": product requirements")
	d.h2("Problem")
	d.p("In the words of the person who asked:\n")
	d.quote(oneLine(idea, 2000))
	d.h2("Users")
	d.p("It is for: %s", said(words, 1, m.Persona))
	d.p("\nThe stories speak for one kind of person: the %s.", m.Persona)
	d.h2("Goals")
	d.item("%s", said(words, 2, firstUse(m)))
	d.item("What was entered is still there after a restart.")
	d.h2("Non-goals")
	d.item("%s", said(words, 3, "No accounts and no payments."))
	d.item("Nothing beyond the features below.")
	d.h2("Features")
	for _, f := range w.features(t, m) {
		d.h3(f.ID + " " + f.Title)
		d.p("%s", oneLine(f.Text, 1000))
	}
	d.h2("Success metrics")
	d.item("%s", said(words, 5, "Every record is kept in one place and found again within ten seconds."))
	d.item("Every acceptance criterion in %s has a passing test.", storiesPath)
	d.h2("Assumptions")
	d.item("It works with: %s", said(words, 4, "this computer, with a current browser."))
	for _, note := range m.Notes {
		d.item("%s", oneLine(note, 300))
	}
	d.origin()
	return d.String()
}

func (w *work) stories(t target, m product.Model) string {
	list := m.Stories()
	if t.foreign {
		list = w.addition(m).stories()
	}
	var d markdown
	d.h1(m.Title + ": user stories")
	for _, s := range list {
		d.h2(s.ID + " " + oneLine(s.Title, 120))
		d.p("As %s, I want %s so that %s.\n", article(oneLine(s.As, 120)), oneLine(s.Want, 300), strings.TrimSuffix(oneLine(s.So, 300), "."))
		d.p("Feature: %s\n", s.Feature)
		for _, c := range s.Criteria {
			d.item("%s: Given %s when %s then %s.", c.ID, oneLine(c.Given, 300), oneLine(c.When, 300), strings.TrimSuffix(oneLine(c.Then, 400), "."))
		}
	}
	return d.String()
}

// article puts a or an before a person's name of role.
func article(who string) string {
	if who != "" && strings.ContainsRune("aeiouAEIOU", rune(who[0])) {
		return "an " + who
	}
	return "a " + who
}
