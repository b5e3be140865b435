package document

import (
	"regexp"
	"slices"
	"strings"
)

// Row says which test proves a criterion, and at which level.
type Row struct {
	Criterion string `json:"criterion"` // AC-1.2
	Test      string `json:"test"`      // TestAC_1_2_…
	Level     string `json:"level"`     // one of Levels
	Line      int    `json:"line"`
}

// Levels lists the levels a test may have.
var Levels = []string{"unit", "integration", "e2e"}

var (
	criterionID = regexp.MustCompile(`^AC-[1-9]\d{0,5}\.[1-9]\d{0,5}$`)
	tableRule   = regexp.MustCompile(`^\s*\|?(?:\s*:?-+:?\s*\|)+(?:\s*:?-+:?\s*)?$`)
	goTests     = regexp.MustCompile(`^Test\w+(?:[,;\s]+Test\w+)+$`)
	lineBreak   = regexp.MustCompile(`(?i)<br\s*/?>`)
)

// Traceability reads the tables of a test plan's section Traceability, with the
// columns Criterion, Test and Level. A cell that lists several Go tests gives a
// row for each.
func Traceability(testPlan []byte) ([]Row, []Problem) {
	s := scan(testPlan)
	rows, problems := s.traceability()
	return rows, inOrder(problems)
}

func (s *source) traceability() ([]Row, []Problem) {
	r := tableReader{known: map[[3]string]bool{}}
	found := 0
	for _, h := range s.sections() {
		if sectionName(h.Title) != "traceability" || found > 0 {
			continue
		}
		found = h.Line
		for i := h.first; i < h.last; i++ {
			ruled := i+1 < h.last && s.lines[i+1].kind == text && tableRule.MatchString(s.lines[i+1].text)
			if s.lines[i].kind == text && ruled && strings.Contains(s.lines[i].text, "|") {
				i = r.table(s.lines[:h.last], i)
			}
		}
	}
	switch {
	case found == 0:
		r.add(max(len(s.lines), 1), "Add the section \"## Traceability\" with the table Criterion, Test, Level.", "the section \"Traceability\" is missing")
	case !r.seen:
		r.add(found, "Add a table with the header | Criterion | Test | Level |.", "the section \"Traceability\" has no table with the columns Criterion, Test and Level")
	case len(r.rows) == 0 && len(r.problems) == 0:
		r.add(found, "Add a row for every acceptance criterion.", "the traceability table has no rows")
	}
	return r.rows, r.problems
}

type tableReader struct {
	rows     []Row
	problems []Problem
	seen     bool               // a table with our columns
	known    map[[3]string]bool // rows by criterion, test and level
}

func (r *tableReader) add(line int, next, format string, args ...any) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, problem(line, next, format, args...))
	}
}

// table reads the table whose header is line i, when it has the three columns,
// and returns the index of its last line.
func (r *tableReader) table(lines []line, i int) int {
	header := cells(lines[i].text)
	column := func(name string) int {
		return slices.IndexFunc(header, func(h string) bool { return strings.EqualFold(plain(h), name) })
	}
	criterion, test, level := column("Criterion"), column("Test"), column("Level")
	ours := criterion >= 0 && test >= 0 && level >= 0
	r.seen = r.seen || ours
	end := i + 1
	for _, l := range lines[i+2:] {
		if l.kind != text || !strings.Contains(l.text, "|") {
			break
		}
		end++
		if !ours {
			continue
		}
		c := cells(l.text)
		if len(c) <= max(criterion, test, level) {
			r.add(l.n, "Fill in Criterion, Test and Level, separated by |.", "the row has %d cells, fewer than its header", len(c))
			continue
		}
		r.row(l.n, plain(c[criterion]), c[test], plain(c[level]))
	}
	return end
}

func (r *tableReader) row(n int, criterion, test, level string) {
	if !criterionID.MatchString(criterion) {
		r.add(n, "Name one criterion of docs/USER_STORIES.md, for example AC-1.2.", "%q is not the name of a criterion", short(criterion))
		return
	}
	level = strings.ToLower(level)
	if level == "end-to-end" || level == "end to end" {
		level = "e2e"
	}
	if !slices.Contains(Levels, level) {
		r.add(n, "Use one of: "+strings.Join(Levels, ", ")+".", "the level %q of %s is unknown", short(level), criterion)
		return
	}
	for _, name := range tests(test) {
		switch {
		case name == "":
			r.add(n, "Name the test that proves it.", "the criterion %s has no test", criterion)
		case !carries(name, criterion):
			r.add(n, "Let the test's name carry the criterion, for example Test"+underscored(criterion)+"_….", "the test %q does not carry the name of %s", short(name), criterion)
		case r.known[[3]string{criterion, name, level}]:
			r.add(n, "Keep one of them.", "the row %s, %s is there twice", criterion, short(name))
		default:
			r.known[[3]string{criterion, name, level}] = true
			r.rows = append(r.rows, Row{Criterion: criterion, Test: name, Level: level, Line: n})
		}
	}
}

// tests splits a cell that lists several Go tests; any other cell is one name,
// because the title of a test may hold commas.
func tests(cell string) []string {
	name := strings.TrimSpace(strings.ReplaceAll(lineBreak.ReplaceAllString(cell, " "), "`", ""))
	if goTests.MatchString(name) {
		return strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune(",; \t", r) })
	}
	return []string{name}
}

func underscored(criterion string) string {
	return strings.NewReplacer("-", "_", ".", "_").Replace(criterion)
}

// carries reports whether a test's name holds a criterion's: AC-1.2 or AC_1_2,
// and not as the beginning of AC_1_20.
func carries(test, criterion string) bool {
	for _, form := range []string{criterion, underscored(criterion)} {
		for rest := test; ; {
			i := strings.Index(rest, form)
			if i < 0 {
				break
			}
			rest = rest[i+len(form):]
			if rest == "" || rest[0] < '0' || rest[0] > '9' {
				return true
			}
		}
	}
	return false
}

// cells splits a row of a table at its bars; \| is a bar within a cell.
func cells(row string) []string {
	const bar = "\x00"
	row = strings.TrimSpace(strings.ReplaceAll(row, `\|`, bar))
	row = strings.TrimSuffix(strings.TrimPrefix(row, "|"), "|")
	parts := strings.Split(row, "|")
	for i, p := range parts {
		parts[i] = strings.TrimSpace(strings.ReplaceAll(p, bar, "|"))
	}
	return parts
}
