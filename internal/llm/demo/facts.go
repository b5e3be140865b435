package demo

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/layercake-app/layercake/internal/llm"
)

// facts is what the first user message says.
type facts struct {
	role, gate           string
	project              map[string]string
	kind                 string // build, fast, rework, repair, conflict, delta
	change               int    // 1 is the initial build
	idea, originalIdea   string
	task, feedback       string
	notes                string
	deliverables         []deliverable
	answers              []answered
	files                []string
	script               string
	filesCut, understood bool
}

// deliverable is one line of the section <deliverables>.
type deliverable struct{ path, kind, state string }

// answered is a question that a person has already answered.
type answered struct {
	question, answer string
	delegated        bool // nobody answered; it is the suggestion
}

// sectionOrder is the order in which sections stand in the first message. They
// are looked for in this order, so that words a person wrote in an earlier one
// are never read as a later one.
var sectionOrder = []string{
	"role", "gate", "project", "idea", "original_idea", "task", "deliverables",
	"feedback", "answers", "notes", "files",
}

// readFacts reads the first user message of a conversation.
func readFacts(messages []llm.Message) facts {
	f := facts{project: map[string]string{}, kind: "build", change: 1}
	for _, m := range messages {
		if m.Author == llm.User {
			f.read(sections(m.Text))
			break
		}
	}
	return f
}

func (f *facts) read(s map[string]string) {
	f.role, f.gate, f.understood = s["role"], s["gate"], s["role"] != ""
	for _, line := range strings.Split(s["project"], "\n") {
		if key, value, ok := strings.Cut(line, ":"); ok {
			f.project[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	if kind := f.project["kind"]; kind != "" {
		f.kind = kind
	}
	if n, err := strconv.Atoi(f.project["change"]); err == nil && n > 0 {
		f.change = n
	}
	f.idea, f.script = takeMarker(s["idea"])
	f.originalIdea, _ = takeMarker(s["original_idea"])
	f.task, f.feedback, f.notes = s["task"], s["feedback"], s["notes"]
	for _, line := range lines(s["deliverables"]) {
		parts := strings.Split(line, " — ")
		d := deliverable{path: strings.TrimSpace(strings.TrimPrefix(parts[0], "- "))}
		if len(parts) > 2 {
			d.kind, d.state = strings.TrimSpace(parts[1]), strings.TrimSpace(parts[2])
		}
		f.deliverables = append(f.deliverables, d)
	}
	f.answers = readAnswers(s["answers"])
	for _, name := range lines(s["files"]) {
		if strings.HasPrefix(name, "…") {
			f.filesCut = true
			continue
		}
		f.files = append(f.files, name)
	}
}

// sections splits a message into its tagged sections.
func sections(text string) map[string]string {
	found := map[string]string{}
	rest := "\n" + text
	for _, tag := range sectionOrder {
		_, after, ok := strings.Cut(rest, "\n<"+tag+">")
		if !ok {
			continue
		}
		body, following, ok := strings.Cut(after, "</"+tag+">")
		if !ok {
			continue
		}
		found[tag] = strings.TrimSpace(body)
		rest = following
	}
	return found
}

// lines returns the lines of text that are not blank, trimmed.
func lines(text string) []string {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// readAnswers reads "Q: …" and "A: …" pairs; either may run over several lines.
func readAnswers(text string) []answered {
	var out []answered
	inAnswer := false
	for _, line := range strings.Split(text, "\n") {
		question, isQuestion := strings.CutPrefix(line, "Q: ")
		answer, isAnswer := strings.CutPrefix(line, "A: ")
		switch {
		case isQuestion:
			out, inAnswer = append(out, answered{question: question}), false
		case len(out) == 0:
		case isAnswer && !inAnswer:
			out[len(out)-1].answer, inAnswer = answer, true
		case inAnswer:
			out[len(out)-1].answer += "\n" + line
		default:
			out[len(out)-1].question += "\n" + line
		}
	}
	for i := range out {
		out[i].question = strings.TrimSpace(out[i].question)
		out[i].answer, out[i].delegated = undelegated(out[i].answer)
	}
	return out
}

var delegatedMark = regexp.MustCompile(`\s*\(AUTO-APPROVED: [^()]*\)\s*$`)

// undelegated takes the mark off an answer that no person gave.
func undelegated(answer string) (plain string, delegated bool) {
	plain = delegatedMark.ReplaceAllString(answer, "")
	return strings.TrimSpace(plain), plain != answer
}

var spaces = regexp.MustCompile(`\s+`)

// oneLine joins the words of s with single spaces, and cuts it at about n
// characters.
func oneLine(s string, n int) string {
	s = strings.TrimSpace(spaces.ReplaceAllString(s, " "))
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return strings.TrimSpace(string(r[:n])) + "…"
}

// knownAnswer finds the answer that a person gave to a question before.
func (f *facts) knownAnswer(question string) (answer string, delegated, ok bool) {
	want := strings.ToLower(oneLine(question, len(question)))
	for _, a := range f.answers {
		if strings.ToLower(oneLine(a.question, len(a.question))) == want {
			return a.answer, a.delegated, true
		}
	}
	return "", false, false
}

// has reports whether a file was in the repository when the run began, or may
// have been where the list of files was cut.
func (f *facts) has(path string) bool {
	for _, p := range f.files {
		if p == path {
			return true
		}
	}
	return f.filesCut
}

// ml reports whether the project has a machine-learning part.
func (f *facts) ml() bool {
	return f.project["type"] == "ai_ml" || f.project["type"] == "hybrid"
}

// owes reports whether the section <deliverables> names a path.
func (f *facts) owes(path string) bool {
	for _, d := range f.deliverables {
		if d.path == path {
			return true
		}
	}
	return false
}
