package demo

import (
	"strings"

	"github.com/layercake-app/layercake/internal/llm/demo/product"
)

const (
	mlRequirementsPath = "docs/ML_REQUIREMENTS.md"
	mlArchitecturePath = "docs/ML_ARCHITECTURE.md"
	mlSecurityPath     = "docs/ML_SECURITY.md"
	privacyPath        = "docs/DATA_PRIVACY.md"
)

// learned names what is suggested from what, in words.
func learned(m product.Model) (label, from string) {
	s, ok := suggestionFor(m)
	if !ok {
		return "a value", "the words of the records"
	}
	var names []string
	for _, f := range s.Texts {
		names = append(names, f.Label)
	}
	if s.Same() {
		return "the most similar record of " + s.Entity.LabelPlural, strings.Join(names, ", ")
	}
	return s.Label.Label + " of a new record of " + s.Entity.LabelPlural, strings.Join(names, ", ")
}

func mlRequirements(m product.Model) string {
	label, from := learned(m)
	var d markdown
	d.h1(m.Title + ": requirements of the learning part")
	d.h2("Task")
	d.p("Suggest %s from %s. A person always decides; a suggestion changes nothing by itself.", label, from)
	d.h2("Data")
	d.p("The records that people enter into this application. There are none before it is used, so it starts without suggestions.")
	d.h2("Metrics")
	d.item("Accuracy on held-out examples, reported beside the baseline of the same run.")
	d.item("No suggestion where nothing is similar: a wrong one costs more trust than a missing one.")
	d.h2("Baseline")
	d.p("The most frequent value. The suggestion has to beat it on held-out examples, or it is not worth its code.")
	d.origin()
	return d.String()
}

func mlArchitecture(m product.Model) string {
	label, from := learned(m)
	var d markdown
	d.h1(m.Title + ": architecture of the learning part")
	d.h2("Pipeline")
	d.p("`internal/store` -> `internal/examples` (text from %s; label) -> `internal/suggest`. Learning and measuring use the same preparation.", from)
	d.h2("Model")
	d.p("The nearest neighbour by weighted words: rare words count more. It is learned anew at each question, so there is no file of weights to keep, and no state to go stale.")
	d.h2("Evaluation")
	d.p("A test compares the accuracy on held-out examples with the most frequent value, and a second test shows that shuffled labels make it worse.")
	d.h2("Serving")
	d.p("`GET %s?text=…` answers with %s, a score and the number of examples. Below a fixed similarity the label is empty. Texts above 2000 characters are refused.", suggestRoute, label)
	d.origin()
	return d.String()
}

func mlSecurity(m product.Model, evidence string) string {
	var d markdown
	d.h1(m.Title + ": security of the learning part")
	d.h2("Threats")
	d.item("Poisoning: whoever may add records can steer suggestions. There are no accounts, so that is everyone who reaches the port.")
	d.item("Leakage: a suggestion shows a value that another record has.")
	d.item("Exhaustion: each question reads all records.")
	d.item("Instructions inside records: texts are compared word by word and never interpreted.")
	d.h2("Controls")
	d.item("Suggestions are shown and never stored by themselves.")
	d.item("The text of a question is bounded; below a fixed similarity nothing is suggested.")
	d.item("No data leaves the application, and no outside model is called.")
	d.item("%s", evidence)
	d.origin()
	return d.String()
}

func dataPrivacy(m product.Model) string {
	var d markdown
	d.h1(m.Title + ": data privacy")
	d.h2("Data held")
	for _, e := range m.Entities {
		var names []string
		for _, f := range e.Fields {
			names = append(names, f.Label)
		}
		d.item("%s: %s.", e.LabelPlural, strings.Join(names, ", "))
	}
	d.item("Nothing about visitors: no accounts, no cookies of its own, no statistics about persons.")
	d.h2("Legal basis")
	d.p("To be decided by whoever operates the application; templates cannot know it. Where records name persons, that is a contract with them, their consent, or a legitimate interest that is written down.")
	d.h2("Retention")
	d.p("Records stay until somebody deletes them; deleting is immediate in the data folder, and backups keep their own copies.")
	d.h2("Rights")
	d.item("Access: the pages and the API show every record.")
	d.item("Correction and deletion: on the record's page.")
	d.item("Portability: the data folder holds plain JSON.")
	d.origin()
	return d.String()
}
