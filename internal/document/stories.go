package document

import (
	"regexp"
	"strings"
)

// Feature is one feature of the requirements.
type Feature struct {
	ID    string `json:"id"` // F-1
	Title string `json:"title"`
	Line  int    `json:"line"`
}

// Story is one user story.
type Story struct {
	ID       string      `json:"id"` // US-1
	Title    string      `json:"title"`
	Feature  string      `json:"feature"` // F-1
	Criteria []Criterion `json:"criteria"`
	Line     int         `json:"line"`
}

// Criterion is one acceptance criterion of a story.
type Criterion struct {
	ID   string `json:"id"`   // AC-1.2: the second of US-1
	Text string `json:"text"` // Given … when … then …
	Line int    `json:"line"`
}

// Identifiers count from 1 without leading zeros, so that each has one spelling.
var (
	featureHeading = regexp.MustCompile(`^(F-[1-9]\d{0,5})(?:[\s:.–—-]+(.*))?$`)
	featureLike    = regexp.MustCompile(`(?i)^F(?:eature)?[\s_-]*\d`)
	storyHeading   = regexp.MustCompile(`^(US-[1-9]\d{0,5})(?:[\s:.–—-]+(.*))?$`)
	storyLike      = regexp.MustCompile(`(?i)^(?:US|story|user story)[\s_-]*\d`)
	featureLine    = regexp.MustCompile(`(?i)^features?\s*:\s*(.*)$`)
	featureID      = regexp.MustCompile(`^F-[1-9]\d{0,5}$`)
	criterionStart = regexp.MustCompile("^[*_`]*(AC-([1-9]\\d{0,5})\\.[1-9]\\d{0,5})[*_`]*(?:[\\s:–—-][\\s:–—*_`-]*(.*))?$")
	criterionLike  = regexp.MustCompile("(?i)^[*_`]*AC[\\s_-]*\\d")
	checkbox       = regexp.MustCompile(`^\[[ xX]\]\s+`)
	asAPerson      = regexp.MustCompile(`(?is)\bas (?:a|an|the)\b.+\bi want\b.+\bso that\b`)
	givenWhenThen  = regexp.MustCompile(`(?is)\bgiven\b.*\bwhen\b.*\bthen\b`)
)

// Features reads the features of a PRD, headings "### F-1 Title".
func Features(prd []byte) ([]Feature, []Problem) {
	s := scan(prd)
	features, problems := s.features()
	return features, inOrder(problems)
}

func (s *source) features() ([]Feature, []Problem) {
	var features []Feature
	var problems []Problem
	ids := map[string]int{}
	within := 0 // level of the section Features while we are in it
	for _, l := range s.lines {
		if l.kind != heading {
			continue
		}
		switch {
		case sectionName(l.title) == "features":
			within = l.level
			continue
		case l.level <= within:
			within = 0
		}
		m := featureHeading.FindStringSubmatch(l.title)
		if m == nil {
			if within > 0 && featureLike.MatchString(l.title) {
				problems = append(problems, problem(l.n, `Write it as "### F-1 Title".`, "the heading %q is not the name of a feature", l.title))
			}
			continue
		}
		if first, twice := ids[m[1]]; twice {
			problems = append(problems, problem(l.n, "Give each feature its own number.", "the feature %s is there twice, first in line %d", m[1], first))
			continue
		}
		ids[m[1]] = l.n
		if m[2] == "" {
			problems = append(problems, problem(l.n, `Write it as "### F-1 Title".`, "the feature %s has no title", m[1]))
		}
		features = append(features, Feature{ID: m[1], Title: m[2], Line: l.n})
	}
	if len(features) == 0 {
		problems = append(problems, problem(1, `Add features as headings "### F-1 Title" in the section Features.`, "the document names no feature"))
	}
	return features, problems
}

// Stories reads user stories, headings "## US-1 Title" with their sentence, the
// line "Feature: F-1" and criteria "- AC-1.1: Given … when … then …".
func Stories(content []byte) ([]Story, []Problem) {
	s := scan(content)
	stories, problems := s.stories()
	return stories, inOrder(problems)
}

func (s *source) stories() ([]Story, []Problem) {
	r := storyReader{source: s, ids: map[string]int{}}
	for i, l := range s.lines {
		switch l.kind {
		case heading:
			r.heading(l)
		case text:
			r.text(i, l)
		}
	}
	r.finish()
	if len(r.stories) == 0 {
		r.add(1, `Add stories as headings "## US-1 Title".`, "the document holds no user story")
	}
	return r.stories, r.problems
}

// storyReader is in the story that is the last of stories while open.
type storyReader struct {
	source   *source
	stories  []Story
	problems []Problem
	ids      map[string]int
	open     bool
	level    int
	prose    strings.Builder
	misnamed bool // its feature line was already complained of
}

func (r *storyReader) add(line int, next, format string, args ...any) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, problem(line, next, format, args...))
	}
}

func (r *storyReader) heading(l line) {
	m := storyHeading.FindStringSubmatch(l.title)
	if m == nil {
		if storyLike.MatchString(l.title) {
			r.add(l.n, `Write it as "## US-1 Title".`, "the heading %q is not the name of a story", l.title)
		}
		if r.open && l.level <= r.level {
			r.finish()
		}
		return
	}
	r.finish()
	if first, twice := r.ids[m[1]]; twice {
		r.add(l.n, "Give each story its own number.", "the story %s is there twice, first in line %d", m[1], first)
	} else {
		r.ids[m[1]] = l.n
	}
	if m[2] == "" {
		r.add(l.n, `Write it as "## US-1 Title".`, "the story %s has no title", m[1])
	}
	r.stories = append(r.stories, Story{ID: m[1], Title: m[2], Line: l.n})
	r.open, r.level, r.misnamed = true, l.level, false
	r.prose.Reset()
}

func (r *storyReader) text(i int, l line) {
	rest, item := l.text, false
	if m := listItem.FindStringSubmatch(l.text); m != nil {
		rest, item = checkbox.ReplaceAllString(m[2], ""), true
	}
	rest = strings.TrimSpace(rest)
	switch m := criterionStart.FindStringSubmatch(rest); {
	case m != nil && item:
		r.criterion(i, l, m)
	case m != nil:
		r.add(l.n, "Begin the line with \"- \".", "the criterion %s is not an item of a list", m[1])
	case item && criterionLike.MatchString(rest):
		r.add(l.n, `Write it as "- AC-1.1: Given … when … then …".`, "%q does not begin with the name of a criterion", short(rest))
	case r.open:
		if m := featureLine.FindStringSubmatch(strings.TrimSpace(emphasis.Replace(rest))); m != nil {
			r.feature(l, strings.Trim(m[1], " \t._"))
			return
		}
		r.prose.WriteString(emphasis.Replace(rest) + " ")
	}
}

func (r *storyReader) feature(l line, id string) {
	story := &r.stories[len(r.stories)-1]
	switch {
	case !featureID.MatchString(id):
		r.misnamed = true
		r.add(l.n, `Write "Feature: F-1" with the one feature of the PRD that the story belongs to.`, "%q is not the name of one feature", short(id))
	case story.Feature != "" && story.Feature != id:
		r.add(l.n, "Split the story, or keep the feature it belongs to.", "the story %s names two features, %s and %s", story.ID, story.Feature, id)
	default:
		story.Feature = id
	}
}

func (r *storyReader) criterion(i int, l line, m []string) {
	id, number := m[1], m[2]
	if !r.open {
		r.add(l.n, "Put it below the heading of its story.", "the criterion %s belongs to no story", id)
		return
	}
	story := &r.stories[len(r.stories)-1]
	if story.ID != "US-"+number {
		r.add(l.n, "Number it AC-"+strings.TrimPrefix(story.ID, "US-")+".1 and so on, or move it to its story.", "the criterion %s stands in the story %s", id, story.ID)
	}
	if first, twice := r.ids[id]; twice {
		r.add(l.n, "Give each criterion its own number.", "the criterion %s is there twice, first in line %d", id, first)
		return
	}
	r.ids[id] = l.n
	words := r.source.itemText(i, m[3])
	if !givenWhenThen.MatchString(words) {
		r.add(l.n, "Say in which situation, on which action, with which result: Given … when … then ….", "the criterion %s is not of the form Given, when, then", id)
	}
	story.Criteria = append(story.Criteria, Criterion{ID: id, Text: words, Line: l.n})
}

// itemText joins a list item with the lines that belong to it: those that go on
// directly, and those indented below it.
func (s *source) itemText(i int, first string) string {
	parts := []string{first}
	indent := indentOf(s.lines[i].text)
	interrupted := false
	for _, l := range s.lines[i+1:] {
		if l.kind == blank {
			interrupted = true
			continue
		}
		if l.kind != text {
			break
		}
		deeper := indentOf(l.text) > indent
		if m := listItem.FindStringSubmatch(l.text); m != nil {
			if !deeper || criterionLike.MatchString(checkbox.ReplaceAllString(strings.TrimSpace(m[2]), "")) {
				break
			}
			parts = append(parts, m[2])
			continue
		}
		if interrupted && !deeper {
			break
		}
		parts = append(parts, l.text)
	}
	return strings.Join(strings.Fields(emphasis.Replace(strings.Join(parts, " "))), " ")
}

func indentOf(s string) int {
	return len(s) - len(strings.TrimLeft(s, " \t"))
}

// finish checks the story that ends here.
func (r *storyReader) finish() {
	if !r.open {
		return
	}
	r.open = false
	story := r.stories[len(r.stories)-1]
	if !asAPerson.MatchString(r.prose.String()) {
		r.add(story.Line, "Begin it with: As a … I want … so that ….", "the story %s does not say who wants what and why", story.ID)
	}
	if story.Feature == "" && !r.misnamed {
		r.add(story.Line, `Add a line "Feature: F-1" with the feature of the PRD it belongs to.`, "the story %s names no feature", story.ID)
	}
	if len(story.Criteria) == 0 {
		r.add(story.Line, `Add criteria as list items "- AC-`+strings.TrimPrefix(story.ID, "US-")+`.1: Given … when … then …".`, "the story %s has no acceptance criterion", story.ID)
	}
}

func short(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
