// Package document says what a file that people read is and whether it has the
// structure its kind promises: sections that are there and say something,
// stories with numbered criteria, a traceability table, a data model. It finds
// every problem with its line and the next step, never changes a file, and
// judges only form: whether the words are right is for people and for checks.
package document

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Kinds lists the kinds of files that Validate knows; a blueprint names no other.
var Kinds = []string{
	"markdown", "intake", "prd", "user_stories", "test_plan", "openapi", "data_model", "checks", "design", "source",
	"dockerfile", "workflow", "file",
}

// Limits of what Validate reads and says.
const (
	maxBytes    = 1 << 20 // of one document; source and other files have none
	maxProblems = 50
	minBody     = 20 // characters a section needs to say something
	minProse    = 40 // characters a document needs to say something
)

const wordsPerMinute = 200

// Problem is one thing that is wrong with a file: where, what, and what to do.
type Problem struct {
	Line    int    `json:"line"`
	Message string `json:"message"`
	Next    string `json:"next"`
}

func problem(line int, next, format string, args ...any) Problem {
	return Problem{Line: line, Message: fmt.Sprintf(format, args...), Next: next}
}

// Document is an entry of the index of files that people read.
type Document struct {
	Path     string
	Kind     string
	Title    string
	Reading  time.Duration
	Sections []Section
}

// Describe returns the index entry of a file, and whether it is a document at
// all. Content that is not text has a title and nothing else.
func Describe(name string, content []byte) (Document, bool) {
	kind := KindOf(name)
	if kind == "" {
		return Document{}, false
	}
	d := Document{Path: name, Kind: kind, Title: path.Base(name)}
	if !isText(content) {
		return d, true
	}
	if title := Title(content); title != "" && (isMarkdown(kind) || kind == "design") {
		d.Title = title
	}
	if isMarkdown(kind) {
		d.Reading, d.Sections = ReadingTime(content), Sections(content)
	}
	return d, true
}

var kindsByPath = map[string]string{
	"docs/INTAKE.md": "intake", "docs/PRD.md": "prd", "docs/USER_STORIES.md": "user_stories", "docs/TEST_PLAN.md": "test_plan",
	"specs/openapi.yaml": "openapi", "specs/openapi.yml": "openapi", "specs/openapi.json": "openapi",
	"specs/data-model.yaml": "data_model", "specs/data-model.yml": "data_model",
	".layercake/checks.yaml": "checks", "Dockerfile": "dockerfile",
}

// KindOf returns the kind of the document at a path, "" when people do not read
// it as one.
func KindOf(name string) string {
	if kind, ok := kindsByPath[name]; ok {
		return kind
	}
	ext := strings.ToLower(path.Ext(name))
	switch {
	case ext == ".md" || ext == ".markdown":
		return "markdown"
	case ext == ".html" && strings.HasPrefix(name, "designs/"):
		return "design"
	case (ext == ".yml" || ext == ".yaml") && path.Dir(name) == ".github/workflows":
		return "workflow"
	}
	return ""
}

func isMarkdown(kind string) bool {
	return slices.Contains([]string{"markdown", "intake", "prd", "user_stories", "test_plan"}, kind)
}

// Validate reports what is wrong with a file of a kind, in the order of lines;
// none means it is structurally valid. sections are headings that must be there
// and say something; only Markdown kinds have them.
func Validate(kind, name string, sections []string, content []byte) []Problem {
	if !slices.Contains(Kinds, kind) {
		return []Problem{problem(1, "Use one of: "+strings.Join(Kinds, ", ")+".", "the kind %q of %s is unknown", kind, name)}
	}
	if problems := readable(kind, name, content); problems != nil {
		return problems
	}
	var problems []Problem
	switch kind {
	case "openapi":
		problems = validateOpenAPI(content)
	case "data_model":
		_, problems = DataModel(content)
	case "checks":
		problems = validateChecks(content)
	case "design":
		problems = validateDesign(content)
	case "dockerfile":
		problems = validateDockerfile(content)
	case "workflow":
		problems = validateWorkflow(content)
	case "source", "file":
	default:
		problems = validateMarkdown(kind, sections, content)
	}
	return inOrder(problems)
}

// readable reports why a file cannot be looked at any further, or nil.
func readable(kind, name string, content []byte) []Problem {
	empty := len(bytes.TrimSpace(content)) == 0
	// An empty __init__.py is how Python marks a package.
	if kind == "source" && path.Base(name) == "__init__.py" {
		empty = false
	}
	switch {
	case empty:
		return []Problem{problem(1, "Write it.", "%s is empty", name)}
	case kind == "file":
		return nil
	case kind != "source" && len(content) > maxBytes:
		return []Problem{problem(1, "Split it or leave out what nobody reads.", "%s has %d bytes, more than %d", name, len(content), maxBytes)}
	}
	if i := bytes.IndexByte(content, 0); i >= 0 {
		return []Problem{problem(lineAt(content, i), "Save it as plain text.", "%s holds a NUL byte and is not text", name)}
	}
	if i := invalidUTF8(content); i >= 0 {
		return []Problem{problem(lineAt(content, i), "Save it as UTF-8.", "%s is not UTF-8", name)}
	}
	return nil
}

func isText(content []byte) bool {
	return len(content) <= maxBytes && utf8.Valid(content) && bytes.IndexByte(content, 0) < 0
}

func invalidUTF8(content []byte) int {
	for i := 0; i < len(content); {
		r, size := utf8.DecodeRune(content[i:])
		if r == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
	return -1
}

func lineAt(content []byte, offset int) int {
	return 1 + bytes.Count(content[:offset], []byte("\n"))
}

// inOrder sorts problems by line and keeps the first of too many.
func inOrder(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int { return a.Line - b.Line })
	return problems[:min(len(problems), maxProblems)]
}

// ReadingTime estimates how long a person reads a document, at 200 words a
// minute; comments are not read.
func ReadingTime(content []byte) time.Duration {
	words := 0
	for _, l := range scan(content).lines {
		for word := range strings.FieldsSeq(l.text) {
			if strings.ContainsFunc(word, isWord) {
				words++
			}
		}
	}
	return time.Duration(words) * time.Minute / wordsPerMinute
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
