package document

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

func validateMarkdown(kind string, sections []string, content []byte) []Problem {
	s := scan(content)
	var problems []Problem
	switch kind {
	case "intake":
		problems = s.intake()
	case "prd":
		_, problems = s.features()
	case "user_stories":
		_, problems = s.stories()
	case "test_plan":
		_, problems = s.traceability()
	}
	if s.unclosed > 0 {
		problems = append(problems, problem(s.unclosed, "Close it with the same marks on a line of their own.", "the code block that begins here never ends"))
	}
	if s.weight(0, len(s.lines)) < minProse {
		problems = append(problems, problem(1, "Write what a reader needs to know.", "the document says almost nothing: fewer than %d characters", minProse))
	}
	problems = append(problems, s.required(sections)...)
	return append(problems, s.placeholders()...)
}

// required reports the sections that are missing or say nothing.
func (s *source) required(sections []string) []Problem {
	have := s.sections()
	var problems []Problem
	for _, want := range sections {
		found, full := 0, false
		for _, h := range have {
			if sectionName(h.Title) != sectionName(want) {
				continue
			}
			if found == 0 {
				found = h.Line
			}
			full = full || s.weight(h.first, h.last) >= minBody
		}
		switch {
		case found == 0:
			problems = append(problems, problem(max(len(s.lines), 1), "Add the heading \"## "+want+"\" and write below it.", "the section %q is missing", want))
		case !full:
			problems = append(problems, problem(found, "Write at least a sentence below the heading.", "the section %q is empty", want))
		}
	}
	return problems
}

var (
	numbering  = regexp.MustCompile(`^(?:\d+(?:\.\d+)*[.):]?|[ivxIVX]+[.)])\s+`)
	wordBreaks = strings.NewReplacer("-", " ", "‐", " ", "‑", " ", "–", " ", "—", " ", "_", " ", "&", " and ")
)

// sectionName reduces a heading to what it is recognized by: "2. Non-Goals:" and
// "Non goals" are one.
func sectionName(title string) string {
	name := wordBreaks.Replace(numbering.ReplaceAllString(plain(title), ""))
	return strings.ToLower(strings.Join(strings.Fields(strings.Trim(name, " \t:.#")), " "))
}

var (
	toBeWritten = regexp.MustCompile(`\b(?:TODO|TBD|FIXME)\b`)
	// Products are about to-do lists, too: then the word stands for the thing.
	todoThing  = regexp.MustCompile(`(?i)^[ "'’”*_-]*(?:lists?|apps?|applications?|items?|entr(?:y|ies)|tasks?|managers?|trackers?|boards?|cards?|columns?|products?)\b`)
	todoStates = regexp.MustCompile(`\b(?:DONE|DOING|IN[ _-]PROGRESS)\b`)
	lorem      = regexp.MustCompile(`(?i)\blorem ipsum\b`)
)

// placeholders reports text that stands for text still to be written. Code is
// not looked at, so that a word the product uses can be quoted.
func (s *source) placeholders() []Problem {
	var problems []Problem
	for _, l := range s.lines {
		if l.kind != text && l.kind != heading {
			continue
		}
		if word := placeholder(blankCode(l.text)); word != "" {
			problems = append(problems, problem(l.n, "Write what belongs here; put the word in `backquotes` where the product itself uses it.", "the placeholder %q stands for something not yet written", word))
		}
	}
	return problems
}

func placeholder(prose string) string {
	if m := lorem.FindString(prose); m != "" {
		return m
	}
	if strings.Contains(prose, "{{") {
		return "{{"
	}
	states := todoStates.MatchString(prose)
	for _, at := range toBeWritten.FindAllStringIndex(prose, -1) {
		word := prose[at[0]:at[1]]
		thing := word == "TODO" && (states || todoThing.MatchString(prose[at[1]:]))
		if !thing {
			return word
		}
	}
	return ""
}

var markdownSigns = strings.NewReplacer("{", `\{`, "<", `\<`, "`", "\\`", "[", `\[`, "\\", `\\`)

// Literal writes words of a person as Markdown that shows them as they are, and
// in which no check finds a placeholder or a tag. A line stays a line.
func Literal(words string) string {
	entity := func(word string) string { return fmt.Sprintf("&#%d;%s", word[0], word[1:]) }
	return toBeWritten.ReplaceAllStringFunc(lorem.ReplaceAllStringFunc(markdownSigns.Replace(words), entity), entity)
}

// questions is how many an intake interview has.
const questions = 5

var (
	questionHeading = regexp.MustCompile(`^([1-9])[.)]\s*(.*)$`)
	answerLabel     = regexp.MustCompile(`(?i)^(?:a|answer)\s*:\s*`)
	noAnswer        = regexp.MustCompile(`(?i)^[(\[]?(?:no answer(?: yet| given)?|unanswered|not (?:yet )?answered(?: yet)?|pending|awaiting (?:an )?answer|\.{2,}|…|\?+|-+)[)\]]?[.!]?$`)
)

// intake checks that five numbered questions are there and answered. An answer
// may be short: "Yes" is one.
func (s *source) intake() []Problem {
	var problems []Problem
	next := 1
	for _, h := range s.sections() {
		m := questionHeading.FindStringSubmatch(h.Title)
		if m == nil || h.Level > 3 {
			continue
		}
		number := int(m[1][0] - '0')
		switch {
		case number > questions:
			problems = append(problems, problem(h.Line, "Keep the five questions that matter most.", "the question %d is more than the interview has", number))
			continue
		case number != next:
			problems = append(problems, problem(h.Line, "Number the five questions 1 to 5 in order.", "the question %d stands where %d is expected", number, next))
		}
		next = number + 1
		if m[2] == "" {
			problems = append(problems, problem(h.Line, "Write the question after the number.", "the question %d has no words", number))
		}
		if !s.answered(h) {
			problems = append(problems, problem(h.Line, "Ask the person and write down what they said.", "the question %d has no answer", number))
		}
	}
	if next <= questions {
		problems = append(problems, problem(max(len(s.lines), 1), "Add the headings \"## 1. …\" to \"## 5. …\", each with its answer.", "the question %d of %d is missing", next, questions))
	}
	return problems
}

func (s *source) answered(h Section) bool {
	return slices.ContainsFunc(s.lines[h.first:h.last], func(l line) bool {
		if l.kind != text && l.kind != code {
			return false
		}
		words := answerLabel.ReplaceAllString(strings.Trim(emphasis.Replace(l.text), " \t>-_"), "")
		return words != "" && !noAnswer.MatchString(words)
	})
}
