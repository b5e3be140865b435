package product

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// DesignSystem is docs/DESIGN_SYSTEM.md for a style: its colours with their
// contrast, type, spacing and components, as the style sheet has them.
func (m Model) DesignSystem(s Style) []byte {
	a := m.accent(s)
	var b strings.Builder
	fmt.Fprintf(&b, "# Design system: %s\n\n%s %s\n\n## Colours\n\n", s.Name, s.Summary, m.fit(s))
	fmt.Fprintf(&b, "The accent is %s. All colours are custom properties in `internal/web/app.css`; dark follows the system.\n\n| Role | Property | Light | Dark |\n|---|---|---|---|\n", a.name)
	for _, row := range [][4]string{
		{"Background", "--bg", s.light.bg, s.dark.bg},
		{"Surface", "--panel", s.light.panel, s.dark.panel},
		{"Text", "--ink", s.light.ink, s.dark.ink},
		{"Secondary text", "--soft", s.light.soft, s.dark.soft},
		{"Rules", "--line", s.light.line, s.dark.line},
		{"Edges of inputs", "--edge", s.light.edge, s.dark.edge},
		{"Accent: links, buttons", "--accent", a.light, a.dark},
		{"Text on the accent", "--on", onLight, onDark},
		{"Danger, errors", "--bad", badLight, badDark},
	} {
		fmt.Fprintf(&b, "| %s | `%s` | `%s` | `%s` |\n", row[0], row[1], row[2], row[3])
	}
	fmt.Fprintf(&b, "\n## Typography\n\nText: %s. Headings: %s. Only fonts of the system; nothing is loaded. Body 1rem with line height 1.55, small print 0.875rem, figures in tables have equal width.\n", firstFont(s.Body), firstFont(s.Display))
	b.WriteString("\n## Spacing\n\nIn rem, so that it grows with the reader's font: 0.4 between small things, 0.75 within a group, 1.25 around controls, 2.5 between sections. Corners: `--round`, " + s.Round + ".\n")
	fmt.Fprintf(&b, "\n## Components\n\n- Menu: start page and %s; the open one is marked by colour and `aria-current`.\n- List: %s.\n- Button: filled for the main action of a page, `quiet` for others, `danger` for deleting, `act` on a record.\n- Form: label above the input, an example as placeholder, the problem below it.\n- Note after a change; empty state with the next step; confirmation before deleting.\n", localList(m.labelsWithin(), "en"), map[string]string{"table": "a table that becomes blocks on a narrow screen", "cards": "cards in a grid that fills the width", "index": "entries in one column with their facts in a line"}[s.Layout])
	fmt.Fprintf(&b, "\n## Accessibility\n\n| Pair | Light | Dark |\n|---|---|---|\n")
	for _, pair := range m.pairs(s) {
		fmt.Fprintf(&b, "| %s | %.1f : 1 | %.1f : 1 |\n", pair.name, contrast(pair.light[0], pair.light[1]), contrast(pair.dark[0], pair.dark[1]))
	}
	b.WriteString("\nAll text has at least 4.5 : 1 (WCAG 2.2 AA). Every control is a link, a button or an input with a visible focus and an accessible name; the first link skips to the content; nothing needs a script, a pointer or colour alone; motion only where the reader has not asked for less; it works from 320 px on.\n")
	return []byte(b.String())
}

func (m Model) labelsWithin() []string {
	var all []string
	for _, e := range m.Entities {
		all = append(all, Within(e.LabelPlural, m.Lang))
	}
	return all
}

func firstFont(stack string) string {
	first, _, _ := strings.Cut(stack, ",")
	return strings.Trim(first, `"`) + " and its relatives"
}

// pair is two colours that must be told apart, in light and in dark.
type pair struct {
	name        string
	light, dark [2]string
}

func (m Model) pairs(s Style) []pair {
	a := m.accent(s)
	return []pair{
		{"Text on background", [2]string{s.light.ink, s.light.bg}, [2]string{s.dark.ink, s.dark.bg}},
		{"Secondary text on background", [2]string{s.light.soft, s.light.bg}, [2]string{s.dark.soft, s.dark.bg}},
		{"Secondary text on surface", [2]string{s.light.soft, s.light.panel}, [2]string{s.dark.soft, s.dark.panel}},
		{"Link on background", [2]string{a.light, s.light.bg}, [2]string{a.dark, s.dark.bg}},
		{"Link on surface", [2]string{a.light, s.light.panel}, [2]string{a.dark, s.dark.panel}},
		{"Button", [2]string{onLight, a.light}, [2]string{onDark, a.dark}},
		{"Text on tint", [2]string{s.light.ink, mix(a.light, s.light.panel)}, [2]string{s.dark.ink, mix(a.dark, s.dark.panel)}},
		{"Error on background", [2]string{badLight, s.light.bg}, [2]string{badDark, s.dark.bg}},
		{"Error on surface", [2]string{badLight, s.light.panel}, [2]string{badDark, s.dark.panel}},
	}
}

// rgb reads #rrggbb as parts from 0 to 1.
func rgb(hex string) [3]float64 {
	n, err := strconv.ParseUint(strings.TrimPrefix(hex, "#"), 16, 32)
	if err != nil {
		panic("not a colour: " + hex)
	}
	return [3]float64{float64(n>>16&255) / 255, float64(n>>8&255) / 255, float64(n&255) / 255}
}

// mix is what color-mix makes of 12 % of one colour in another.
func mix(some, most string) string {
	a, b := rgb(some), rgb(most)
	out := "#"
	for i := range a {
		out += fmt.Sprintf("%02x", int(math.Round(255*(0.12*a[i]+0.88*b[i]))))
	}
	return out
}

// contrast is the ratio of WCAG 2.2, 1 to 21.
func contrast(one, other string) float64 {
	light := func(hex string) float64 {
		sum := 0.0
		for i, c := range rgb(hex) {
			if c <= 0.04045 {
				c /= 12.92
			} else {
				c = math.Pow((c+0.055)/1.055, 2.4)
			}
			sum += c * [3]float64{0.2126, 0.7152, 0.0722}[i]
		}
		return sum
	}
	a, b := light(one), light(other)
	return (max(a, b) + 0.05) / (min(a, b) + 0.05)
}
