package proof

import (
	"regexp"
	"strings"
)

// htmlTag is one start tag with its attributes in order, names in lower case.
type htmlTag struct {
	name  string
	attrs [][2]string
	line  int
}

// htmlPage is what a scan of a page found: its tags, the text between them, and
// the content of its style elements.
type htmlPage struct {
	tags  []htmlTag
	text  strings.Builder
	style strings.Builder
}

// scanHTML reads a page as browsers split it into tags, comments and text; it
// accepts anything, since browsers do.
func scanHTML(src string) *htmlPage {
	p := &htmlPage{}
	for i := 0; i < len(src); {
		rest := src[i:]
		switch {
		case strings.HasPrefix(rest, "<!--"):
			end := strings.Index(rest[4:], "-->")
			if end < 0 {
				return p
			}
			i += 4 + end + 3
		case strings.HasPrefix(rest, "</"), strings.HasPrefix(rest, "<!"), strings.HasPrefix(rest, "<?"):
			end := strings.IndexByte(rest, '>')
			if end < 0 {
				return p
			}
			p.text.WriteByte(' ')
			i += end + 1
		case rest[0] == '<' && len(rest) > 1 && isLetter(rest[1]):
			tag, n := scanTag(rest)
			tag.line = 1 + strings.Count(src[:i], "\n")
			p.tags = append(p.tags, tag)
			i += n
			if tag.name == "script" || tag.name == "style" {
				i += p.raw(tag.name, src[i:])
			}
		default:
			p.text.WriteByte(rest[0])
			i++
		}
	}
	return p
}

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

// raw passes over the content of an element that holds no tags.
func (p *htmlPage) raw(name, rest string) int {
	end := strings.Index(strings.ToLower(rest), "</"+name)
	if end < 0 {
		end = len(rest)
	}
	if name == "style" {
		p.style.WriteString(rest[:end] + "\n")
	}
	return end
}

// scanTag reads "<name attr=value …>" and returns its length.
func scanTag(s string) (htmlTag, int) {
	i := 1
	for i < len(s) && !strings.ContainsRune(" \t\r\n\f/>", rune(s[i])) {
		i++
	}
	tag := htmlTag{name: strings.ToLower(s[1:i])}
	for i < len(s) {
		for i < len(s) && strings.ContainsRune(" \t\r\n\f/", rune(s[i])) {
			i++
		}
		if i >= len(s) || s[i] == '>' {
			return tag, min(i+1, len(s))
		}
		start := i
		for i < len(s) && !strings.ContainsRune(" \t\r\n\f/>=", rune(s[i])) || i == start && i < len(s) && s[i] == '=' {
			i++
		}
		name := strings.ToLower(s[start:i])
		for i < len(s) && strings.ContainsRune(" \t\r\n\f", rune(s[i])) {
			i++
		}
		value := ""
		if i < len(s) && s[i] == '=' {
			value, i = scanValue(s, i+1)
		}
		tag.attrs = append(tag.attrs, [2]string{name, value})
	}
	return tag, len(s)
}

func scanValue(s string, i int) (string, int) {
	for i < len(s) && strings.ContainsRune(" \t\r\n\f", rune(s[i])) {
		i++
	}
	if i < len(s) && (s[i] == '"' || s[i] == '\'') {
		end := strings.IndexByte(s[i+1:], s[i])
		if end < 0 {
			return s[i+1:], len(s)
		}
		return s[i+1 : i+1+end], i + 1 + end + 1
	}
	start := i
	for i < len(s) && !strings.ContainsRune(" \t\r\n\f>", rune(s[i])) {
		i++
	}
	return s[start:i], i
}

func (t htmlTag) attr(name string) string {
	for _, a := range t.attrs {
		if a[0] == name {
			return a[1]
		}
	}
	return ""
}

var (
	htmlWord  = regexp.MustCompile(`[\pL\pN]+`)
	styleRule = regexp.MustCompile(`[a-z-]+\s*:\s*[^;{}]+`)
	outside   = regexp.MustCompile(`(?i)url\(\s*["']?\s*([^"')]+)|@import\s+(?:url\()?\s*["']?([^"');]+)`)
)

// words counts what a page says, declarations what it looks like.
func (p *htmlPage) words() map[string]int {
	return count(htmlWord.FindAllString(strings.ToLower(p.text.String()), -1))
}

func (p *htmlPage) declarations() map[string]int {
	style := p.style.String()
	for _, t := range p.tags {
		style += ";" + t.attr("style")
	}
	out := count(styleRule.FindAllString(strings.Join(strings.Fields(strings.ToLower(style)), " "), -1))
	for _, t := range p.tags {
		out["<"+t.name+" "+t.attr("class")]++
	}
	return out
}

func count(words []string) map[string]int {
	out := map[string]int{}
	for _, w := range words {
		out[w]++
	}
	return out
}

// similarity is the share of entries that two counts have in common, from 0 to
// 1 (weighted Jaccard).
func similarity(a, b map[string]int) float64 {
	var both, either int
	for k, n := range a {
		both += min(n, b[k])
		either += max(n, b[k])
	}
	for k, n := range b {
		if _, ok := a[k]; !ok {
			either += n
		}
	}
	if either == 0 {
		return 1
	}
	return float64(both) / float64(either)
}
