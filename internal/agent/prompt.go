package agent

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// The kinds of run that a model is told apart.
const (
	KindBuild    = "build"    // do the task
	KindFast     = "fast"     // a small change on the fast track
	KindRework   = "rework"   // a person rejected the work
	KindRepair   = "repair"   // a check failed
	KindConflict = "conflict" // two branches touched the same lines
	KindDelta    = "delta"    // something went stale after a later change
)

// Brief is everything a model is told about one task.
type Brief struct {
	Role, Gate   string
	Project      Project
	Idea         string // the user's words for this change
	OriginalIdea string // those that began the project; told only when Change > 1
	Task         string // title and what is owed
	Deliverables []Deliverable
	Feedback     string // rejection comment, failing proof's log, or conflict
	Answers      []Answer
	Notes        []string
	Files        []string // paths at the run's base
}

// Project is what a model is told about the project's settings, and what kind of
// run this is.
type Project struct {
	Name, Type, Mode, Tier, Teaching string
	Change                           int
	Kind                             string
}

// Deliverable is one file, or pattern of files, that the task owes.
type Deliverable struct {
	Path, Kind, State string
}

// Answer is a question that was answered in this change; Method says how: session,
// terminal, or delegated when nobody answered and the suggestion was taken.
type Answer struct {
	Question, Answer, Method string
}

// delegated is the method of an answer that no person gave.
const delegated = "delegated"

// Told is an answer as a model is told it. What was delegated is marked, so that it
// is never taken for a person's own words.
func Told(answer, method string) string {
	if method != delegated {
		return answer
	}
	return answer + "\n(AUTO-APPROVED: the suggestion was taken; no person answered.)"
}

// Sizes of the parts of the first message, in bytes, and how many lines lists
// may have. What is longer is cut, and says so.
const (
	maxLine     = 400
	maxText     = 32 << 10
	maxFeedback = 96 << 10 // both sides of a conflict must fit
	maxFiles    = 400
	maxItems    = 200
)

// tags are the sections of the first message in their order, and the one of
// later messages.
var tags = []string{
	"role", "gate", "project", "idea", "original_idea", "task", "deliverables",
	"feedback", "answers", "notes", "files", "steering",
}

// Prompt returns the system prompt and the first user message for b. The same
// brief gives the same bytes. The only error is fault agent.role.
func Prompt(b Brief) (system, first string, err error) {
	role, err := Lookup(b.Role)
	if err != nil {
		return "", "", fmt.Errorf("assemble prompt: %w", err)
	}
	system = strings.TrimSpace(role.Text) + "\n\n" + strings.TrimSpace(readRole(houseFile)) + "\n"

	var s sections
	s.add("role", line(b.Role))
	s.add("gate", line(b.Gate))
	s.add("project", projectLines(b.Project))
	s.add("idea", cutEnd(clean(b.Idea), maxText))
	if b.Project.Change > 1 {
		s.add("original_idea", cutEnd(clean(b.OriginalIdea), maxText))
	}
	s.add("task", cutEnd(clean(b.Task), maxText))
	s.add("deliverables", deliverableLines(b.Deliverables))
	s.add("feedback", cutMiddle(clean(b.Feedback), maxFeedback))
	s.add("answers", answerLines(b.Answers))
	s.add("notes", cutEnd(bullets(b.Notes), maxText))
	s.add("files", fileLines(b.Files))
	return system, s.String(), nil
}

// Steering wraps a person's correction for a message between two turns.
func Steering(text string) string {
	var s sections
	s.add("steering", cutEnd(clean(text), maxText))
	return s.String()
}

// sections is a message under construction; empty sections are left out.
type sections struct{ strings.Builder }

// add closes a section over body, in which nothing reads as one of our tags:
// looked for in the whole of it, because two harmless lines can make one.
func (s *sections) add(tag, body string) {
	body = strings.Trim(body, "\n")
	if strings.TrimSpace(body) == "" {
		return
	}
	if s.Len() > 0 {
		s.WriteByte('\n')
	}
	fmt.Fprintf(s, "<%s>\n%s\n</%s>", tag, withoutTags(body), tag)
}

func projectLines(p Project) string {
	var b strings.Builder
	for _, pair := range [][2]string{
		{"name", p.Name},
		{"type", p.Type},
		{"mode", p.Mode},
		{"tier", p.Tier},
		{"teaching", p.Teaching},
		{"change", strconv.Itoa(max(1, p.Change))},
		{"kind", p.Kind},
	} {
		if value := line(pair[1]); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", pair[0], value)
		}
	}
	return b.String()
}

func deliverableLines(list []Deliverable) string {
	var b strings.Builder
	for _, d := range list[:min(len(list), maxItems)] {
		fmt.Fprintf(&b, "%s — %s — %s\n", line(d.Path), line(d.Kind), line(d.State))
	}
	return b.String()
}

// answerLines keeps a question or answer of several lines from looking like
// another pair: what follows its first line is indented.
func answerLines(list []Answer) string {
	var pairs []string
	for _, a := range list[:min(len(list), maxItems)] {
		pairs = append(pairs, "Q: "+indented(a.Question)+"\nA: "+indented(Told(a.Answer, a.Method)))
	}
	return cutEnd(strings.Join(pairs, "\n\n"), maxText)
}

func bullets(list []string) string {
	var b strings.Builder
	for _, note := range list[:min(len(list), maxItems)] {
		fmt.Fprintf(&b, "- %s\n", indented(note))
	}
	return b.String()
}

func fileLines(list []string) string {
	var b strings.Builder
	for _, name := range list[:min(len(list), maxFiles)] {
		b.WriteString(line(name) + "\n")
	}
	if left := len(list) - maxFiles; left > 0 {
		fmt.Fprintf(&b, "… and %d more; use list_files\n", left)
	}
	return b.String()
}

func indented(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(clean(text)), "\n", "\n  ")
}

// line makes text one bounded line.
func line(text string) string {
	return cutEnd(strings.Join(strings.Fields(clean(text)), " "), maxLine)
}

// material makes text from outside safe to show a model: no control characters,
// and nothing that reads as one of our tags.
func material(text string) string { return withoutTags(clean(text)) }

// clean drops control characters and repairs line ends and UTF-8.
func clean(text string) string {
	text = strings.ToValidUTF8(text, "�")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text)
}

// withoutTags writes a "<" that begins one of our tags as "&lt;". Every other
// character stays as it was written.
func withoutTags(text string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(text, '<')
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:i])
		text = text[i+1:]
		if beginsTag(text) {
			b.WriteString("&lt;")
		} else {
			b.WriteByte('<')
		}
	}
}

// beginsTag reports whether what follows a "<" reads as one of our tags,
// whatever case, space or invisible character is strewn in.
func beginsTag(rest string) bool {
	name := make([]rune, 0, 16)
	for _, r := range rest {
		if unicode.IsSpace(r) || unicode.In(r, unicode.Cf, unicode.Mn) || (r == '/' && len(name) == 0) {
			continue
		}
		if !unicode.IsLetter(r) && r != '_' {
			break
		}
		name = append(name, unicode.ToLower(r))
		if len(name) == cap(name) {
			break
		}
	}
	for _, tag := range tags {
		if strings.HasPrefix(string(name), tag) {
			return true
		}
	}
	return false
}

// cutEnd keeps the beginning of text, at most limit bytes of it.
func cutEnd(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	kept := strings.ToValidUTF8(text[:limit], "")
	return fmt.Sprintf("%s … (%d bytes left out)", kept, len(text)-len(kept))
}

// cutMiddle keeps a quarter of limit from the beginning and the rest from the
// end, where logs say what went wrong.
func cutMiddle(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	head := strings.ToValidUTF8(text[:limit/4], "")
	tail := strings.ToValidUTF8(text[len(text)-(limit-limit/4):], "")
	return fmt.Sprintf("%s\n… (%d bytes left out)\n%s", head, len(text)-len(head)-len(tail), tail)
}
