package product

import (
	"fmt"
	"hash/fnv"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Style is one of the three designs an application can be built in.
type Style struct {
	Slug    string // also in the file name designs/option-N-slug.html
	Name    string
	Summary string // one sentence
	Layout  string // how a list is shown: table, cards, index
	Body    string // font of the text
	Display string // font of headings
	Round   string // corner of a control
	reason  string
	shift   int // which accent colour, counted from the model's own
	light   neutrals
	dark    neutrals
}

// neutrals are the colours of a style beside its accent.
type neutrals struct{ bg, panel, ink, soft, line, edge string }

// Styles lists the three styles; Styles()[n-1] is design n.
func Styles() [3]Style {
	const sans = `system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif`
	const round = `ui-rounded, "SF Pro Rounded", "Hiragino Maru Gothic ProN", Quicksand, Nunito, "Segoe UI", "Noto Sans", sans-serif`
	const serif = `"Iowan Old Style", "Palatino Linotype", Palatino, "URW Palladio L", P052, Georgia, "Noto Serif", serif`
	return [3]Style{
		{
			Slug: "ledger", Name: "Ledger", Layout: "table", Body: sans, Display: sans, Round: "8px",
			Summary: "A fixed menu at the side and one dense table: most records on a screen, best for daily work.",
			reason:  "Made for looking things up and comparing. Columns line up, and the button of each row stays in the same place, so that a routine becomes muscle memory. The price is a sober look.",
			light:   neutrals{"#f6f7f9", "#ffffff", "#16191d", "#5a626d", "#dfe3e8", "#8b95a1"},
			dark:    neutrals{"#101316", "#181c20", "#e8ebee", "#9aa5b1", "#2b3138", "#68737f"},
		},
		{
			Slug: "gallery", Name: "Gallery", Layout: "cards", Body: round, Display: round, Round: "14px", shift: 3,
			Summary: "A coloured band on top and large cards to touch: friendly, at home on a phone.",
			reason:  "Made for a collection one likes to look at. Each record is a card with room for its facts, targets are large, and the colour is generous. It shows fewer records at once than a table.",
			light:   neutrals{"#f7f3ee", "#ffffff", "#221d18", "#665c52", "#e6ddd2", "#978b7d"},
			dark:    neutrals{"#17130f", "#221d18", "#f2ece4", "#b3a799", "#3a332b", "#7d7265"},
		},
		{
			Slug: "almanac", Name: "Almanac", Layout: "index", Body: serif, Display: serif, Round: "3px", shift: 5,
			Summary: "One column of print, serif type and fine rules: quiet, made for reading.",
			reason:  "Made for records with words in them. It reads like a well-set index: no boxes, little colour, and the eye moves down one column. It asks for a little scrolling instead of columns.",
			light:   neutrals{"#fbf8f1", "#fffdf8", "#1f1b16", "#655d51", "#d9d0bf", "#978c78"},
			dark:    neutrals{"#15130f", "#1d1a15", "#ece5d8", "#aa9f8d", "#3a342a", "#7b7160"},
		},
	}
}

// FindStyle returns the style whose slug or name occurs in text, such as a path of
// a design, a decision or docs/DESIGN_SYSTEM.md; the first one when none does.
func FindStyle(text string) Style {
	best, at := Styles()[0], -1
	for _, s := range Styles() {
		if i := strings.Index(strings.ToLower(text), s.Slug); i >= 0 && (at < 0 || i < at) {
			best, at = s, i
		}
	}
	return best
}

// accents are pairs for light and dark that keep a contrast of 4.5 to 1 with the
// backgrounds of every style, both as text and under text.
var accents = [8]struct{ name, light, dark string }{
	{"green", "#1c6b40", "#7ed0a0"},
	{"blue", "#1f56b3", "#93bbff"},
	{"plum", "#7a2b74", "#e6a3df"},
	{"terracotta", "#a03c1c", "#f2a387"},
	{"teal", "#0e6266", "#79cdd2"},
	{"ochre", "#775000", "#e5bb5e"},
	{"indigo", "#4a3fc0", "#b3b2ff"},
	{"rose", "#a8174b", "#ff9fba"},
}

// accent chooses the colour of a style for this model: the thing's own where it
// has one, else one drawn from its name.
func (m Model) accent(s Style) struct{ name, light, dark string } {
	own := map[string]int{"plant": 0, "seed": 0, "hive": 5, "recipe": 3, "invoice": 1, "wine": 2, "book": 6, "pet": 5, "trip": 4, "gift": 7, "player": 6, "medication": 4, "workout": 7, "expense": 4}
	base, known := 0, false
	if t := thingCalled(m.Entities[0].Label); t != nil {
		base, known = own[t.key]
	}
	if !known {
		h := fnv.New32a()
		_, _ = h.Write([]byte(m.Entities[0].Name))
		base = int(h.Sum32() % uint32(len(accents)))
	}
	return accents[(base+s.shift)%len(accents)]
}

// cssVars writes the colours of one scheme.
func cssVars(n neutrals, accent, on, bad, indent string, dark bool) string {
	band, bandInk := accent, on
	if dark { // a bright band would glare
		band, bandInk = n.panel, accent
	}
	var b strings.Builder
	for _, v := range [][2]string{
		{"bg", n.bg},
		{"panel", n.panel},
		{"ink", n.ink},
		{"soft", n.soft},
		{"line", n.line},
		{"edge", n.edge},
		{"accent", accent},
		{"on", on},
		{"bad", bad},
		{"band", band},
		{"bandink", bandInk},
		{"tint", fmt.Sprintf("color-mix(in srgb, %s 12%%, %s)", accent, n.panel)},
	} {
		fmt.Fprintf(&b, "%s--%s: %s;\n", indent, v[0], v[1])
	}
	return strings.TrimSuffix(b.String(), "\n")
}

const (
	onLight  = "#ffffff"
	onDark   = "#10120f"
	badLight = "#ab1f1f"
	badDark  = "#ff9c93"
)

// css is the style sheet of the application.
func (v view) css() []byte {
	a := v.accent(v.Style)
	layout := v.render("css/"+v.Style.Slug+".css", v)
	return v.render("css/base.css", struct {
		view
		LightVars, DarkVars, Layout string
	}{v, cssVars(v.Style.light, a.light, onLight, badLight, "  ", false), cssVars(v.Style.dark, a.dark, onDark, badDark, "    ", true), string(layout)})
}

// icon is a letter on the accent colour, as a data URL.
func (m Model) icon() string {
	r, _ := utf8.DecodeRuneInString(m.Title)
	letter := string(unicode.ToUpper(r))
	if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
		letter = "•"
	}
	svg := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="%s"/><text x="16" y="22" font-family="sans-serif" font-size="18" font-weight="700" text-anchor="middle" fill="#fff">%s</text></svg>`, m.accent(Styles()[0]).light, letter)
	return "data:image/svg+xml," + strings.ReplaceAll(url.PathEscape(svg), "'", "%27")
}
