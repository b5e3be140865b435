package demo

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/llm/demo/product"
)

const designSystemPath = "docs/DESIGN_SYSTEM.md"

// recommended is the number of the design put forward: the one that the words of
// the idea name, or in which the pages stand already, or else what suits the model.
func (w *work) recommended(m product.Model) int {
	for i, s := range product.Styles() {
		if strings.Contains(strings.ToLower(w.idea), s.Slug) {
			return i + 1
		}
	}
	if standing, ok := w.builtStyle(m); ok {
		styles := product.Styles()
		return slices.IndexFunc(styles[:], func(s product.Style) bool { return s.Slug == standing.Slug }) + 1
	}
	return m.Recommended()
}

func designUI(w *work) {
	t := w.target()
	best := w.recommended(t.after)
	css, words := styleWishes(w.feedback)
	for n := 1; n <= 3; n++ {
		title, html, rationale := w.designOf(t.after, n)
		if w.kind == "rework" && css != "" {
			html = strings.Replace(html, "</head>", "<style>\n"+css+"</style>\n</head>", 1)
			rationale += " Revised: " + words + "."
		}
		if !w.tools["save_design"] {
			w.problem("designs cannot be saved: the tool save_design is not offered")
			break
		}
		w.tell("Saving design %d, %s.", n, title)
		input := designInput{Number: n, Title: title, HTML: html, Rationale: rationale, Recommended: n == best}
		if refusal := w.attempt("save_design", input); refusal != "" {
			w.problem("design %d could not be saved: %s", n, refusal)
		}
	}
	if w.kind == "rework" {
		w.wish = words
	}
	style := product.Styles()[best-1]
	w.deliver(designSystemPath, string(t.before.DesignSystem(style)), string(t.after.DesignSystem(style)), nil)
	w.remark("Three designs were saved; number %d is recommended.", best)
	w.finish()
}

// colours are the words for colours that remarks may use, with a value that
// reads well on white where it is a text colour.
var colours = map[string]string{
	"green": "#1a7f37", "red": "#b3261e", "blue": "#1d4ed8", "orange": "#b45309", "yellow": "#fde047",
	"purple": "#6d28d9", "pink": "#be185d", "teal": "#0f766e", "brown": "#7c4a1e", "black": "#000000",
	"white": "#ffffff", "grey": "#57606a", "gray": "#57606a",
	"grün": "#1a7f37", "rot": "#b3261e", "blau": "#1d4ed8", "gelb": "#fde047", "schwarz": "#000000",
}

// places are the parts of a page that remarks may name, with their selectors.
var places = []struct{ words, selector, property string }{
	{"heading|headings|headline|headlines|title|überschrift", "h1, h2, h3", "color"},
	{"link|links", "a", "color"},
	{"button|buttons", "button, .button", "background-color"},
	{"header|navigation|menu", "header, nav", "background-color"},
	{"background|page|hintergrund", "html, body", "background-color"},
	{"text|font|letters|words", "body", "color"},
}

var (
	colourWord = regexp.MustCompile(`(?i)#[0-9a-f]{6}\b|#[0-9a-f]{3}\b|[\pL]+`)
	darkWords  = regexp.MustCompile(`(?i)\b(dark(er)? (background|mode|theme|page|look)|(make|be|look) (it )?dark(er)?|dunkel\w*)\b`)
	sizeWords  = regexp.MustCompile(`(?i)\b(bigger|larger|big|large|smaller|small)\b[^.;\n]{0,40}\b(text|font|letters|heading|headings|title|button|buttons)\b|\b(text|font|letters|heading|headings|title|button|buttons)\b[^.;\n]{0,40}\b(bigger|larger|smaller)\b`)
)

// styleWishes turns what a remark says about looks into style rules, and says
// in words what was understood.
func styleWishes(remark string) (css, words string) {
	var rules, said []string
	if darkWords.MatchString(remark) {
		rules = append(rules, darkRules)
		said = append(said, "dark background with light text")
	}
	if rule, what := colourWish(remark); rule != "" && (len(rules) == 0 || !strings.Contains(rule, "html, body")) {
		rules, said = append(rules, rule), append(said, what)
	}
	if found := sizeWords.FindString(remark); found != "" {
		size := "1.2em"
		if strings.Contains(strings.ToLower(found), "small") {
			size = "0.85em"
		}
		selector, place := "body", "text"
		if p, ok := placeIn(found); ok && p.selector != "html, body" {
			selector, place = p.selector, strings.SplitN(p.words, "|", 2)[0]
		}
		rules = append(rules, fmt.Sprintf("%s { font-size: %s !important; }", selector, size))
		said = append(said, place+" at "+size)
	}
	if len(rules) == 0 {
		return "", ""
	}
	return strings.Join(rules, "\n") + "\n", strings.Join(said, "; ")
}

// darkRules set the colours of the styles' dark variant, whatever the system
// prefers, and those of a page that has no such variables.
const darkRules = `:root { color-scheme: dark; --bg: #14171a !important; --panel: #1c2126 !important; --ink: #e8eaed !important; --soft: #a3adb8 !important; --line: #2f363d !important; --edge: #6c7783 !important; --accent: #93bbff !important; --on: #14171a !important; }
html, body { background-color: #14171a !important; color: #e8eaed !important; }`

type place = struct{ words, selector, property string }

// placeIn finds the first part of a page that a remark names.
func placeIn(remark string) (place, bool) {
	for _, p := range places {
		if regexp.MustCompile(`(?i)(^|[^\pL])(` + p.words + `)([^\pL]|$)`).MatchString(remark) {
			return p, true
		}
	}
	return place{}, false
}

// colourWish finds one colour and the part of the page it is for.
func colourWish(remark string) (rule, what string) {
	p, ok := placeIn(remark)
	if !ok {
		return "", ""
	}
	for _, word := range colourWord.FindAllString(remark, -1) {
		value, known := colours[strings.ToLower(word)]
		if strings.HasPrefix(word, "#") {
			value, known = word, true
		}
		if !known {
			continue
		}
		root, extra := "", ""
		if p.selector == "html, body" {
			root = fmt.Sprintf(":root { --bg: %s !important; --ink: %s !important; }\n", value, readableOn(value))
		}
		if p.property == "background-color" {
			extra = " color: " + readableOn(value) + " !important;"
		}
		name := strings.SplitN(p.words, "|", 2)[0]
		return root + fmt.Sprintf("%s { %s: %s !important;%s }", p.selector, p.property, value, extra), name + " in " + strings.ToLower(word)
	}
	return "", ""
}

// readableOn is black or white, whichever reads better on a colour.
func readableOn(value string) string {
	var r, g, b int
	value = strings.TrimPrefix(value, "#")
	if len(value) == 3 {
		value = string([]byte{value[0], value[0], value[1], value[1], value[2], value[2]})
	}
	if _, err := fmt.Sscanf(value, "%02x%02x%02x", &r, &g, &b); err != nil || r*299+g*587+b*114 >= 140_000 {
		return "#000000"
	}
	return "#ffffff"
}
