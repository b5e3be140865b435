package document

import (
	"regexp"
	"strings"
)

type lineKind int

const (
	text lineKind = iota
	blank
	heading
	code // fenced code, its fences, and front matter
)

// line is one line of Markdown. Comments are cut out of text; title is the plain
// text of a heading.
type line struct {
	n, level    int
	kind        lineKind
	text, title string
	start       int // offset in source
}

// source is scanned Markdown. unclosed is the line of a code block that never
// ends, 0 when all do.
type source struct {
	content  string
	lines    []line
	unclosed int
}

var (
	atxHeading   = regexp.MustCompile(`^ {0,3}(#{1,6})(?:[ \t]+(.*))?$`)
	atxClosing   = regexp.MustCompile(`(?:^|[ \t]+)#+[ \t]*$`)
	setextMark   = regexp.MustCompile(`^ {0,3}(={3,}|-{3,})[ \t]*$`)
	fenceMark    = regexp.MustCompile("^[ \t]*(`{3,}|~{3,})(.*)$")
	listItem     = regexp.MustCompile(`^([ \t]*)(?:[-*+]|\d{1,9}[.)])(?:[ \t]+(.*))?$`)
	notParagraph = regexp.MustCompile(`^(?: {4}|\t| {0,3}(?:>|[-*+][ \t]|\d{1,9}[.)][ \t]|\|))`)
	backquotes   = regexp.MustCompile("`+")
	emphasis     = strings.NewReplacer("**", "", "__", "", "`", "", "*", "")
)

// scan splits Markdown into lines and says what each of them is. It follows
// CommonMark where that decides whether a heading is one: fenced code, comments,
// both styles of headings, front matter; CRLF and a byte order mark are taken.
func scan(content []byte) source {
	s := source{content: strings.ReplaceAll(strings.TrimPrefix(string(content), "\uFEFF"), "\r\n", "\n")}
	c := scanner{}
	offset := 0
	for raw := range strings.Lines(s.content) {
		l := c.next(strings.TrimRight(raw, "\r\n"))
		l.n, l.start = len(s.lines)+1, offset
		offset += len(raw)
		if l.kind == heading && l.title == "" && l.level < 0 { // a setext mark names the line above
			l = s.setext(l)
		}
		s.lines = append(s.lines, l)
	}
	if c.fence != "" {
		s.unclosed = c.opened
	}
	s.frontMatter()
	return s
}

// scanner remembers what a line is inside of.
type scanner struct {
	n       int
	fence   string // what closes the code block we are in
	opened  int
	comment bool
	inList  bool
}

func (c *scanner) next(raw string) line {
	c.n++
	if c.fence != "" {
		if m := fenceMark.FindStringSubmatch(raw); m != nil && strings.HasPrefix(m[1], c.fence) && strings.TrimSpace(m[2]) == "" {
			c.fence = ""
		}
		return line{kind: code, text: raw}
	}
	shown := c.uncomment(raw)
	if strings.TrimSpace(shown) == "" {
		return line{kind: blank}
	}
	indent := len(shown) - len(strings.TrimLeft(shown, " \t"))
	item := listItem.MatchString(shown)
	if item || indent == 0 {
		c.inList = item
	}
	m := fenceMark.FindStringSubmatch(shown)
	// Four blanks make a code block of their own, except below a list item.
	if m != nil && (indent <= 3 || c.inList) && (m[1][0] == '~' || !strings.Contains(m[2], "`")) {
		c.fence, c.opened = m[1], c.n
		return line{kind: code, text: shown}
	}
	if m := atxHeading.FindStringSubmatch(shown); m != nil {
		return line{kind: heading, text: shown, level: len(m[1]), title: plain(atxClosing.ReplaceAllString(m[2], ""))}
	}
	if m := setextMark.FindStringSubmatch(shown); m != nil {
		level := -1
		if m[1][0] == '-' {
			level = -2
		}
		return line{kind: heading, text: shown, level: level}
	}
	return line{kind: text, text: shown}
}

// uncomment cuts HTML comments out of a line, also those that began above. One
// that begins within a line must end there; else it is text.
func (c *scanner) uncomment(raw string) string {
	if c.comment {
		_, rest, ended := strings.Cut(raw, "-->")
		if !ended {
			return ""
		}
		c.comment, raw = false, rest
	}
	masked := blankCode(raw)
	var out strings.Builder
	shown := false
	for from := 0; ; {
		i := strings.Index(masked[from:], "<!--")
		if i < 0 {
			out.WriteString(raw[from:])
			return out.String()
		}
		shown = shown || strings.TrimSpace(raw[from:from+i]) != ""
		end := strings.Index(masked[from+i:], "-->")
		if end < 0 && shown {
			out.WriteString(raw[from:])
			return out.String()
		}
		out.WriteString(raw[from : from+i])
		if end < 0 {
			c.comment = true
			return out.String()
		}
		from += i + end + len("-->")
	}
}

// setext turns the paragraph above a row of = or - into a heading, or the row
// into plain text when there is none.
func (s *source) setext(mark line) line {
	level := -mark.level
	mark.kind, mark.level = text, 0
	if i := len(s.lines) - 1; i >= 0 && s.names(i) {
		s.lines[i].kind, s.lines[i].level, s.lines[i].title = heading, level, plain(s.lines[i].text)
	}
	if strings.Trim(mark.text, " \t=-") == "" {
		mark.kind, mark.text = blank, ""
	}
	return mark
}

// names reports whether line i can be a heading by what stands below it: one
// short line by itself. A sentence above a rule is a sentence, whatever
// CommonMark says of a missing blank line.
func (s *source) names(i int) bool {
	l := s.lines[i]
	alone := i == 0 || s.lines[i-1].kind != text
	sentence := strings.ContainsAny(l.text[max(len(l.text)-1, 0):], ".!?:;")
	return l.kind == text && alone && !sentence && len(l.text) <= 80 && !notParagraph.MatchString(l.text)
}

// frontMatter takes the block of settings at the top out of the text.
func (s *source) frontMatter() {
	if !strings.HasPrefix(s.content, "---\n") || len(s.lines) < 3 || !strings.Contains(s.lines[1].text, ":") {
		return
	}
	for i := 1; i < len(s.lines); i++ {
		raw := strings.TrimRight(s.raw(i), "\n")
		if raw != "---" && raw != "..." {
			continue
		}
		for j := range i + 1 {
			s.lines[j] = line{n: j + 1, kind: code, start: s.lines[j].start}
		}
		return
	}
}

func (s *source) raw(i int) string {
	end := len(s.content)
	if i+1 < len(s.lines) {
		end = s.lines[i+1].start
	}
	return s.content[s.lines[i].start:end]
}

// plain returns the words of a heading without their marks.
func plain(title string) string {
	return strings.TrimSpace(emphasis.Replace(title))
}

// blankCode replaces code spans by blanks, so that offsets stay. A span ends at
// the next run of as many backquotes as it began with; without one it is text.
func blankCode(s string) string {
	if !strings.Contains(s, "`") {
		return s
	}
	runs := backquotes.FindAllStringIndex(s, -1)
	same := make([]int, len(runs)) // the next run of the same length, or 0
	last := map[int]int{}
	for i := len(runs) - 1; i >= 0; i-- {
		length := runs[i][1] - runs[i][0]
		same[i] = last[length]
		last[length] = i
	}
	out := []byte(s)
	for i := 0; i < len(runs); i++ {
		end := same[i]
		if end == 0 {
			continue
		}
		for j := runs[i][0]; j < runs[end][1]; j++ {
			out[j] = ' '
		}
		i = end
	}
	return string(out)
}

// Section is a heading and what stands below it, deeper headings included.
type Section struct {
	Level int    `json:"level"`
	Title string `json:"title"`
	Line  int    `json:"line"`
	Body  string `json:"-"`

	first, last int // its lines in the source, without the heading
}

// Sections lists the headings of a Markdown document from top to bottom.
// Headings in code blocks and comments are none.
func Sections(content []byte) []Section {
	s := scan(content)
	return s.sections()
}

func (s *source) sections() []Section {
	var out []Section
	var open []int // indexes of the sections we are in
	shut := func(level, i int) {
		for len(open) > 0 && out[open[len(open)-1]].Level >= level {
			last := &out[open[len(open)-1]]
			last.last = i
			last.Body = s.between(last.first, i)
			open = open[:len(open)-1]
		}
	}
	for i, l := range s.lines {
		if l.kind != heading {
			continue
		}
		shut(l.level, i)
		open = append(open, len(out))
		out = append(out, Section{Level: l.level, Title: l.title, Line: l.n, first: i + 1})
	}
	shut(0, len(s.lines))
	return out
}

func (s *source) between(first, last int) string {
	if first >= last {
		return ""
	}
	end := len(s.content)
	if last < len(s.lines) {
		end = s.lines[last].start
	}
	return strings.TrimSpace(s.content[s.lines[first].start:end])
}

// weight counts the characters of prose and code in lines, without headings,
// the rules of tables and the marks of lists.
func (s *source) weight(first, last int) int {
	total := 0
	for _, l := range s.lines[first:last] {
		if l.kind != text && l.kind != code {
			continue
		}
		if l.kind == code && fenceMark.MatchString(l.text) {
			continue
		}
		total += len([]rune(strings.Trim(l.text, " \t|:-*+>#")))
	}
	return total
}

var htmlTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

// Title returns what a document calls itself: the first top heading of Markdown,
// else its first heading, or the title of HTML; "" when there is none.
func Title(content []byte) string {
	if m := htmlTitle.FindSubmatch(content); m != nil && looksLikeHTML(content) {
		return strings.Join(strings.Fields(string(m[1])), " ")
	}
	first := ""
	s := scan(content)
	for _, l := range s.lines {
		if l.kind == heading && l.level == 1 && l.title != "" {
			return l.title
		}
		if l.kind == heading && first == "" {
			first = l.title
		}
	}
	return first
}

func looksLikeHTML(content []byte) bool {
	return strings.HasPrefix(strings.TrimSpace(strings.TrimPrefix(string(content), "\uFEFF")), "<")
}
