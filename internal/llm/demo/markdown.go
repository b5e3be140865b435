package demo

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// markdown is a document under construction.
type markdown struct{ strings.Builder }

func (d *markdown) h1(s string) { fmt.Fprintf(d, "# %s\n", oneLine(s, 120)) }
func (d *markdown) h2(s string) { d.heading("## " + s) }
func (d *markdown) h3(s string) { d.heading("### " + oneLine(s, 120)) }

// heading leaves exactly one blank line before and after it.
func (d *markdown) heading(line string) {
	if text := d.Builder.String(); text != "" && !strings.HasSuffix(text, "\n\n") {
		d.WriteString("\n")
	}
	fmt.Fprintf(d, "%s\n\n", line)
}

func (d *markdown) p(format string, args ...any)    { fmt.Fprintf(d, format+"\n", args...) }
func (d *markdown) item(format string, args ...any) { fmt.Fprintf(d, "- "+format+"\n", args...) }

// row writes a line of a table; a bar in a cell is escaped.
func (d *markdown) row(cells ...string) {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(oneLine(c, 300), "|", "\\|")
	}
	d.p("| %s |", strings.Join(cells, " | "))
}

func (d *markdown) header(cells ...string) {
	d.row(slices.Clone(cells)...)
	d.p("|%s", strings.Repeat("---|", len(cells)))
}

// String returns the document. Words that would read as a gap (a person's idea
// may hold them) are shown as code, and comments are made visible.
func (d *markdown) String() string {
	text := strings.ReplaceAll(d.Builder.String(), "<!--", "&lt;!--")
	parts := strings.Split(text, "`")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = gap.ReplaceAllString(parts[i], "`$0`")
	}
	return strings.Join(parts, "`")
}

var gap = regexp.MustCompile(`\b(?:TODO|TBD|FIXME)\b|\{\{|(?i:\blorem ipsum\b)`)

// quote shows a person's words so that no line of them reads as structure.
func (d *markdown) quote(words string) {
	for _, line := range lines(words) {
		d.p("> %s", line)
	}
}

// origin ends a document with who wrote it.
func (d *markdown) origin() {
	d.p("\nWritten by the %s.", Label)
}

var headingTwo = regexp.MustCompile(`(?m)^## (.+?)[ \t]*$`)

// section is a part of a document under a heading of the second level; body
// includes the heading.
type section struct{ name, body string }

// splitSections returns what stands before the first section, and the sections.
func splitSections(text string) (preamble string, list []section) {
	at := headingTwo.FindAllStringSubmatchIndex(text, -1)
	if len(at) == 0 {
		return text, nil
	}
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		list = append(list, section{name: text[m[2]:m[3]], body: text[m[0]:end]})
	}
	return text[:at[0][0]], list
}

// sectionText returns the text under a heading, trimmed, "" when there is none.
func sectionText(text, name string) string {
	_, list := splitSections(text)
	for _, s := range list {
		if strings.EqualFold(s.name, name) {
			_, body, _ := strings.Cut(s.body, "\n")
			return strings.TrimSpace(body)
		}
	}
	return ""
}

// addTo appends text to the section called name, or appends the section.
func addTo(document, name, text string) string {
	preamble, list := splitSections(document)
	for i, s := range list {
		if strings.EqualFold(s.name, name) {
			list[i].body = strings.TrimRight(s.body, "\n") + "\n\n" + strings.TrimSpace(text) + "\n\n"
			return strings.TrimRight(preamble+joinSections(list), "\n") + "\n"
		}
	}
	return strings.TrimRight(document, "\n") + "\n\n## " + name + "\n\n" + strings.TrimSpace(text) + "\n"
}

func joinSections(list []section) string {
	var b strings.Builder
	for _, s := range list {
		b.WriteString(s.body)
	}
	return b.String()
}

var namedEntry = regexp.MustCompile(`^(#{2,3} (?:F|US)-\d+|- AC-\d+\.\d+:|\| AC-\d+\.\d+ )`)

// mend puts into a document what a template has and it lacks: sections,
// features, stories, criteria and rows, each after the entry before it. What
// people wrote stays.
func mend(current, template string) string {
	_, have := splitSections(current)
	_, want := splitSections(template)
	for _, s := range want {
		if !slices.ContainsFunc(have, func(h section) bool { return sameEntry(h.name, s.name) }) {
			_, body, _ := strings.Cut(s.body, "\n")
			current = addTo(current, s.name, body)
		}
	}
	blocks := entries(template)
	for i, block := range blocks {
		if block.key == "" || hasEntry(current, block.key) {
			continue
		}
		after := ""
		for j := i - 1; j >= 0 && after == ""; j-- {
			if blocks[j].key != "" && hasEntry(current, blocks[j].key) {
				after = blocks[j].key
			}
		}
		if after == "" {
			after = lastLike(current, block.key)
		}
		if after != "" {
			current = insertAfterEntry(current, after, block.text)
		}
	}
	return current
}

// sameEntry compares headings; "US-1 Add a plant" and "US-1 Add plants" are the
// same story.
func sameEntry(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	idA, idB := storyID.FindString(a), storyID.FindString(b)
	return idA != "" && idA == idB
}

var storyID = regexp.MustCompile(`^(?:US|F)-\d+\b|^[1-9]\.`)

// entry is a run of lines that begins with a numbered heading, criterion or row.
type entry struct{ key, text string }

func entries(text string) []entry {
	var list []entry
	for _, line := range strings.SplitAfter(text, "\n") {
		key := namedEntry.FindString(line)
		ends := key != "" || strings.HasPrefix(line, "#") || len(list) == 0
		if !ends && strings.HasPrefix(list[len(list)-1].key, "-") || !ends && strings.HasPrefix(list[len(list)-1].key, "|") {
			ends = true // a criterion or row is one line
		}
		if ends {
			list = append(list, entry{key: key})
		}
		list[len(list)-1].text += line
	}
	return list
}

func hasEntry(text, key string) bool {
	return slices.ContainsFunc(entries(text), func(e entry) bool { return e.key == key })
}

// lastLike finds the last entry of the same sort: another feature, another row.
func lastLike(text, key string) string {
	sort, last := digits.ReplaceAllString(key, ""), ""
	for _, e := range entries(text) {
		if e.key != "" && digits.ReplaceAllString(e.key, "") == sort {
			last = e.key
		}
	}
	return last
}

var digits = regexp.MustCompile(`\d+`)

func insertAfterEntry(text, key, addition string) string {
	var b strings.Builder
	for _, e := range entries(text) {
		b.WriteString(e.text)
		if e.key == key {
			if !strings.HasSuffix(e.text, "\n") {
				b.WriteString("\n")
			}
			b.WriteString(addition)
		}
	}
	return b.String()
}

const revisionHeading = "Revision"

// addRevision answers a remark at the end of a document, once.
func addRevision(document, remark, answer string, change int) string {
	if isAnswered(document, remark) {
		return document
	}
	return addTo(document, revisionHeading, fmt.Sprintf("### Remark on change %d\n\n%s\n\n%s", change, quoted(remark), answer))
}

func isAnswered(document, remark string) bool { return strings.Contains(document, quoted(remark)+"\n") }

func quoted(remark string) string { return "> " + strings.Join(lines(remark), "\n> ") }

// shorten keeps the first lines of each section; entries with numbers and tables
// stay whole, because other documents refer to them.
func shorten(document string) string {
	preamble, list := splitSections(document)
	for i, s := range list {
		body := strings.Split(strings.TrimSpace(s.body), "\n")
		whole := len(body) <= 5 || strings.EqualFold(s.name, revisionHeading)
		for _, line := range body {
			whole = whole || namedEntry.MatchString(line) || strings.HasPrefix(line, "|")
		}
		if !whole {
			list[i].body = strings.Join(body[:5], "\n") + "\n\n"
		}
	}
	return strings.TrimRight(preamble+joinSections(list), "\n") + "\n"
}

// revisions lists the remarks on a change that a document answers.
func revisions(document string, change int) []string {
	var found []string
	head := fmt.Sprintf("### Remark on change %d", change)
	for _, part := range strings.Split(sectionText(document, revisionHeading), "### Remark on change ")[1:] {
		if !strings.HasPrefix("### Remark on change "+part, head+"\n") {
			continue
		}
		var remark []string
		for _, line := range strings.Split(part, "\n") {
			if words, ok := strings.CutPrefix(line, "> "); ok {
				remark = append(remark, words)
			}
		}
		found = append(found, strings.Join(remark, "\n"))
	}
	return found
}
