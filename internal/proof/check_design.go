package proof

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/document"
)

// Bounds of a design. Options are the same when their look, meaning rules of
// style and structure, agrees in more than maxAlike.
const (
	maxDesign = 1 << 20
	maxAlike  = 0.90
)

var (
	optionName     = regexp.MustCompile(`^designs/option-([123])-[a-z0-9][a-z0-9-]*\.html$`)
	designSections = []string{"Colours", "Typography", "Spacing", "Components", "Accessibility"}
)

const designSystemPath = "docs/DESIGN_SYSTEM.md"

// checkDesign looks at the three alternatives: each a page that needs nothing
// from elsewhere and runs nothing, and no two of them the same.
func checkDesign(_ context.Context, w *work) (outcome, error) {
	w.command = "validate designs/option-{1,2,3}-*.html and " + designSystemPath
	var problems []string
	options := map[string][]string{}
	for _, name := range w.tree.match("designs/*.html") {
		m := optionName.FindStringSubmatch(name)
		if m == nil {
			problems = append(problems, name+" is not named designs/option-1-name.html, with a number from 1 to 3")
			continue
		}
		options[m[1]] = append(options[m[1]], name)
	}
	pages := map[string]*htmlPage{}
	for _, number := range []string{"1", "2", "3"} {
		switch names := options[number]; len(names) {
		case 0:
			problems = append(problems, "option "+number+" is missing; save it as designs/option-"+number+"-name.html")
		case 1:
			page, found := w.designPage(names[0])
			problems = append(problems, found...)
			if page != nil {
				pages[names[0]] = page
			}
		default:
			problems = append(problems, "option "+number+" is there more than once: "+strings.Join(names, ", "))
		}
	}
	problems = append(problems, w.alike(pages)...)
	text, err := w.tree.read(designSystemPath)
	if err != nil {
		problems = append(problems, designSystemPath+" cannot be read; write it")
	} else {
		problems = append(problems, sentences(designSystemPath, document.Validate("markdown", designSystemPath, designSections, text))...)
	}
	w.figure("designs", float64(len(pages)))
	w.figure("findings", float64(len(problems)))
	if len(problems) > 0 {
		w.log.say("%s", strings.Join(problems, "\n"))
		return fail("%s", list(problems)), nil
	}
	return pass("three alternatives, each complete in itself and different from the others"), nil
}

// designPage validates one option.
func (w *work) designPage(name string) (*htmlPage, []string) {
	data, err := w.tree.read(name)
	if err != nil {
		return nil, []string{err.Error()}
	}
	if len(data) >= maxDesign {
		return nil, []string{fmt.Sprintf("%s has %d bytes; a design has less than %d", name, len(data), maxDesign)}
	}
	problems := sentences(name, document.Validate("design", name, nil, data))
	page := scanHTML(string(data))
	for _, tag := range page.tags {
		for _, p := range tagProblems(tag) {
			problems = append(problems, fmt.Sprintf("%s line %d: %s", name, tag.line, p))
		}
	}
	for _, m := range outside.FindAllStringSubmatch(page.style.String(), -1) {
		if target := m[1] + m[2]; !within(target) {
			problems = append(problems, fmt.Sprintf("%s: its style loads %q; put it into the page", name, shorten(target, 60)))
		}
	}
	slices.Sort(problems)
	return page, slices.Compact(problems)
}

// active are elements that run something or show another page.
var active = []string{"script", "iframe", "frame", "object", "embed", "applet", "base", "portal"}

// tagProblems names what makes a page more than a picture of itself.
func tagProblems(t htmlTag) []string {
	var out []string
	if slices.Contains(active, t.name) {
		out = append(out, "<"+t.name+"> does not belong into a design; show what it would show")
	}
	if t.name == "meta" && t.attr("http-equiv") != "" && !strings.EqualFold(t.attr("http-equiv"), "content-type") {
		out = append(out, "<meta http-equiv> does not belong into a design")
	}
	for _, a := range t.attrs {
		key, value := a[0], strings.TrimSpace(a[1])
		switch {
		case strings.HasPrefix(key, "on"):
			out = append(out, "the attribute "+key+" runs a script; leave it out")
		case strings.HasPrefix(strings.ToLower(value), "javascript:"):
			out = append(out, "the attribute "+key+" runs a script; leave it out")
		case loads(t.name, key) && !within(value):
			out = append(out, fmt.Sprintf("<%s> loads %q; put it into the page", t.name, shorten(value, 60)))
		case key == "style":
			for _, m := range outside.FindAllStringSubmatch(value, -1) {
				if !within(m[1] + m[2]) {
					out = append(out, fmt.Sprintf("its style loads %q; put it into the page", shorten(m[1]+m[2], 60)))
				}
			}
		}
	}
	return out
}

// loads reports whether a browser fetches what an attribute names by itself.
func loads(tag, key string) bool {
	switch key {
	case "src", "srcset", "poster", "background", "xlink:href":
		return true
	case "href":
		return tag == "link" || tag == "use" || tag == "image"
	}
	return false
}

// within reports whether a target lies in the page itself.
func within(target string) bool {
	target = strings.ToLower(strings.TrimSpace(target))
	return target == "" || strings.HasPrefix(target, "data:") || strings.HasPrefix(target, "#")
}

// alike names pairs of options that look the same.
func (w *work) alike(pages map[string]*htmlPage) []string {
	var names []string
	for name := range pages {
		names = append(names, name)
	}
	slices.Sort(names)
	var problems []string
	for i, a := range names {
		for _, b := range names[i+1:] {
			look := similarity(pages[a].declarations(), pages[b].declarations())
			said := similarity(pages[a].words(), pages[b].words())
			w.log.say("%s and %s: look %.0f %% the same, words %.0f %%", path.Base(a), path.Base(b), look*100, said*100)
			if look > maxAlike {
				problems = append(problems, fmt.Sprintf("%s and %s look %.0f %% the same; make them real alternatives", path.Base(a), path.Base(b), look*100))
			}
		}
	}
	return problems
}
