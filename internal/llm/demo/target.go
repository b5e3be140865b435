package demo

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/layercake-app/layercake/internal/llm/demo/product"
)

// target is what this run builds: the product as it was, and as it will be.
type target struct {
	before, after product.Model
	later         bool // the product stood before this change
	foreign       bool // in a code base that these templates did not write
}

// added lists what the change adds.
func (t target) added() []product.Change { return t.after.Changes[len(t.before.Changes):] }

// target reads what there is, the data model in the repository or else the idea,
// and adds what this change asks for unless it is in there.
func (w *work) target() target {
	w.preload(modelPath, dataModelPath)
	t := w.storedTarget()
	t.later = t.later || w.kind == "fast"
	w.keep = t.later || t.foreign
	if t.later && w.kind != "fast" && !t.foreign {
		t.before, t.after = withRequest(t.after, w.idea)
	}
	for _, remark := range w.revised() {
		t.after = withWish(t.after, remark).after
	}
	if !t.later {
		t.before = t.after
	}
	if w.kind == "rework" && slices.Contains(modelRoles, w.role) {
		wish := withWish(t.after, w.feedback)
		t.before, t.after, w.wish = wish.before, wish.after, wish.what
	}
	return t
}

// modelRoles may change the data model to answer a remark.
var modelRoles = []string{"product-manager", "architect", "backend-developer", "frontend-developer"}

// storedTarget is the product without this change, or with it where an earlier
// run of the change has stored it.
func (w *work) storedTarget() target {
	enhancement := w.project["type"] == "enhancement"
	if m, found := w.storedModel(); found {
		imported := enhancement && m.App != product.Read(withoutGaps(w.idea)).App
		return target{before: m, after: m, later: w.change > 1 || imported}
	}
	idea := w.idea
	foreign := enhancement && w.hasForeignCode()
	if w.change > 1 && w.originalIdea != "" && !foreign {
		idea = w.originalIdea
	}
	m := product.Read(withoutGaps(idea))
	return target{before: m, after: m, later: w.change > 1, foreign: foreign}
}

// withoutGaps takes out of a person's words what would read as text still to be
// written when it became a title.
func withoutGaps(words string) string { return fillers.ReplaceAllString(words, "") }

var fillers = regexp.MustCompile(`\b(?:TBD|FIXME)\b|\{\{|\}\}|(?i:\blorem ipsum\b)`)

// withRequest returns a model without and with what request asks for. Extend
// adds something each time it is called, so the changes a model already carries
// are tried first: the state from which this request leads to all of them is the
// one before it, or else the oldest from which it leads to some.
func withRequest(m product.Model, request string) (before, after product.Model) {
	request = withoutGaps(request)
	found, whole := false, false
	for k := 1; k <= len(m.Changes); k++ {
		earlier := undo(m, k)
		extended, _ := earlier.Extend(request)
		n := len(extended.Changes)
		if n <= len(earlier.Changes) || n > len(m.Changes) || !slices.Equal(extended.Changes, m.Changes[:n]) {
			continue
		}
		if all := n == len(m.Changes); all || !whole {
			before, found, whole = earlier, true, whole || all
		}
	}
	if found {
		return before, m
	}
	extended, _ := m.Extend(request)
	return m, extended
}

// undo returns m without its last k changes.
func undo(m product.Model, k int) product.Model {
	gone := m.Changes[len(m.Changes)-k:]
	m.Changes = slices.Clone(m.Changes[:len(m.Changes)-k])
	m.Actions = slices.DeleteFunc(slices.Clone(m.Actions), func(a product.Action) bool {
		return slices.ContainsFunc(gone, func(c product.Change) bool {
			return c.Entity == a.Entity && (c.Kind == "entity" || c.Kind == "action" && c.Verb == a.Verb)
		})
	})
	var entities []product.Entity
	for _, e := range m.Entities {
		if slices.ContainsFunc(gone, func(c product.Change) bool { return c.Kind == "entity" && c.Entity == e.Name }) {
			continue
		}
		e.Fields = slices.DeleteFunc(slices.Clone(e.Fields), func(f product.Field) bool {
			return slices.ContainsFunc(gone, func(c product.Change) bool {
				return c.Kind == "field" && c.Entity == e.Name && c.Field == f.Name || c.Kind == "entity" && c.Entity == f.Ref
			})
		})
		entities = append(entities, e)
	}
	m.Entities = entities
	return m
}

var (
	additionWords = regexp.MustCompile(`(?i)\b(add|include|also (keep|record|store|track|show)|new field|field|missing|needs? an?|ergänz\w*|hinzufüg\w*|ajoute\w*|añad\w*|agreg\w*)\b`)
	renameWords   = regexp.MustCompile(`(?i)\b(?:rename|call)\s+(?:the\s+)?["“'` + "`" + `]?([\pL][\pL\d _-]{0,40}?)["”'` + "`" + `]?\s+(?:to|as|into)\s+["“'` + "`" + `]?([\pL][\pL\d _-]{0,40}?)["”'` + "`" + `]?\s*(?:[.,;!\n]|$)`)
)

// wish is what a remark changes in a model; what is empty when nothing was
// understood.
type wish struct {
	before, after product.Model
	what          string
}

// withWish applies a remark that a person made on a deliverable, as far as
// templates understand it: something to add, or something to rename.
func withWish(m product.Model, remark string) wish {
	if from, to, ok := renaming(remark); ok {
		if renamed, what := rename(m, from, to); what != "" {
			return wish{before: m, after: renamed, what: what}
		}
	}
	if !additionWords.MatchString(remark) {
		return wish{before: m, after: m}
	}
	before, after := withRequest(m, remark)
	var parts []string
	for _, c := range after.Changes[len(before.Changes):] {
		parts = append(parts, strings.TrimSuffix(c.Summary, "."))
	}
	if gone := product.Removals(remark); len(gone) > 0 {
		parts = append(parts, strings.TrimSuffix(product.OnlyAdds(gone), "."))
	}
	return wish{before: before, after: after, what: strings.Join(parts, "; ")}
}

func renaming(remark string) (from, to string, ok bool) {
	found := renameWords.FindStringSubmatch(remark)
	if found == nil {
		return "", "", false
	}
	return strings.TrimSpace(found[1]), strings.TrimSpace(found[2]), true
}

// rename changes what people read (labels and the title), never the names that
// code and stored data depend on.
func rename(m product.Model, from, to string) (renamed product.Model, what string) {
	same := func(s string) bool { return strings.EqualFold(s, from) }
	m.Entities = slices.Clone(m.Entities)
	for i, e := range m.Entities {
		switch {
		case same(e.Label) || same(e.Name):
			m.Entities[i].Label = to
			return m, fmt.Sprintf("%s is now called %s", e.Label, to)
		case same(e.LabelPlural) || same(e.Plural):
			m.Entities[i].LabelPlural = to
			return m, fmt.Sprintf("%s are now called %s", e.LabelPlural, to)
		}
		for j, f := range e.Fields {
			if same(f.Label) || same(f.Name) {
				m.Entities[i].Fields = slices.Clone(e.Fields)
				m.Entities[i].Fields[j].Label = to
				return m, fmt.Sprintf("the field %s is now called %s", f.Label, to)
			}
		}
	}
	if same(m.Title) {
		m.Title = to
		return m, fmt.Sprintf("the application is now called %s", to)
	}
	return m, ""
}

// revised lists the remarks that led to a revision of the requirements in this
// change. Only those who write the data model need them; the others read it.
func (w *work) revised() []string {
	if (w.role != "architect" && w.role != "product-manager") || w.kind == "fast" || !w.has(prdPath) {
		return nil
	}
	text, ok := w.read(prdPath)
	if !ok {
		return nil
	}
	return revisions(text, w.change)
}

var designNumber = regexp.MustCompile(`(?im)\bdesign(?:Id)?:\s*(?:option[ -])?([123])\b`)

// style is the design that a person chose. Without a word about it, it is the
// one the pages are built in already, and else the recommended one.
func (w *work) style(m product.Model) (style product.Style, chosen bool) {
	for _, text := range []string{w.notes, w.task, w.feedback, w.project["design"]} {
		// The last word on it is the one that counts.
		if all := designNumber.FindAllStringSubmatch(text, -1); all != nil {
			n, _ := strconv.Atoi(all[len(all)-1][1])
			return product.Styles()[n-1], true
		}
	}
	if style, ok := w.builtStyle(m); ok {
		return style, true
	}
	return product.Styles()[w.recommended(m)-1], false
}

// builtStyle compares a file that differs between the styles with what is in
// the repository.
func (w *work) builtStyle(m product.Model) (product.Style, bool) {
	styles := product.Styles()
	pages := [3]map[string][]byte{}
	for i, s := range styles {
		pages[i] = w.frontendOf(m, s)
	}
	for _, name := range sortedKeys(pages[0]) {
		if path.Ext(name) != ".css" || string(pages[0][name]) == string(pages[1][name]) || !w.has(name) {
			continue
		}
		text, ok := w.read(name)
		if !ok {
			continue
		}
		best, most := 0, -1
		for i := range styles {
			if n := sharedLines(text, string(pages[i][name])); n > most {
				best, most = i, n
			}
		}
		return styles[best], true
	}
	return styles[0], false
}

func sharedLines(a, b string) int {
	known := map[string]bool{}
	for _, line := range lines(a) {
		known[line] = true
	}
	n := 0
	for _, line := range lines(b) {
		if known[line] {
			n++
		}
	}
	return n
}
