package product

import (
	"bytes"
	"fmt"
	"html"
	"html/template"
	"regexp"
	"strconv"
	"strings"
)

// Design renders design n (1 to 3) of this model as a self-contained page: the
// application's own templates and style sheet over sample rows, so that what is
// chosen is what will be built.
func (m Model) Design(n int) (slug, title, page, rationale string) {
	s := Styles()[min(max(n, 1), 3)-1]
	v := m.view()
	v.Style = s
	d := designer{v, m.Frontend(s)}
	var body strings.Builder
	for i, screen := range d.screens() {
		app := d.app(screen.page, screen.data)
		if i > 0 {
			app = strings.Replace(app, ` id="main"`, "", 1)
		}
		fmt.Fprintf(&body, "<figure id=%q><figcaption>%s</figcaption><div class=\"frame\">%s</div></figure>\n", screen.id, html.EscapeString(screen.caption), unlink(app))
	}
	rationale = fmt.Sprintf("%s %s The accent is %s.", s.reason, m.fit(s), m.accent(s).name)
	page = fmt.Sprintf("<!doctype html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>Option %d: %s · %s</title>\n<style>\n%s%s</style>\n</head>\n<body>\n<div class=\"stage\">\n%s%s</div>\n</body>\n</html>\n",
		m.Lang, n, s.Name, html.EscapeString(m.Title), v.css(), v.render("css/stage.css", v), m.intro(n, s), body.String())
	return s.Slug, s.Name, page, rationale
}

// Recommended is the number of the design that suits the model best: print for
// words, cards for a collection, a table for the rest.
func (m Model) Recommended() int {
	e := m.Entities[0]
	count := map[string]int{}
	for _, f := range e.Fields {
		count[f.Type]++
	}
	t := thingCalled(e.Label)
	switch {
	case t != nil && (t.key == "quote" || t.key == "entry" || t.key == "note" || t.key == "recipe" || t.key == "question"):
		return 3
	case count["money"] == 0 && len(m.Entities) == 1 && (count["url"] > 0 || count["choice"] > 0 || len(m.Actions) > 0):
		return 2
	}
	return 1
}

// fit says what the style means for this model.
func (m Model) fit(s Style) string {
	e := m.Entities[0]
	many := Within(e.LabelPlural, m.Lang)
	switch s.Layout {
	case "table":
		if n := len(e.Fields) - 1; n > 1 {
			return fmt.Sprintf("Here, %d facts of all %s stand side by side.", n, many)
		}
		return fmt.Sprintf("Here, all %s stand on one screen.", many)
	case "cards":
		return fmt.Sprintf("Here, each of the %s gets a card, and what can be done with it is a button on the card.", many)
	}
	return fmt.Sprintf("Here, the %s read like entries of a book.", many)
}

func (m Model) intro(n int, s Style) string {
	var swatches strings.Builder
	for _, name := range []string{"bg", "panel", "ink", "soft", "line", "accent", "tint", "bad"} {
		fmt.Fprintf(&swatches, "<span><i style=\"background: var(--%s)\"></i>%s</span>", name, name)
	}
	return fmt.Sprintf("<header class=\"stage-intro\">\n<h1>Option %d: %s</h1>\n<p>%s</p>\n<p class=\"swatches\">%s</p>\n</header>\n", n, s.Name, html.EscapeString(s.Summary), swatches.String())
}

// designer fills the application's own templates.
type designer struct {
	v     view
	files map[string][]byte
}

type screen struct {
	id, caption, page string
	data              map[string]any
}

func (d designer) app(name string, data map[string]any) string {
	t := template.New("")
	for _, file := range []string{"layout", "parts", name} {
		template.Must(t.Parse(string(d.files["internal/web/html/"+file+".html"])))
	}
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, "app", data); err != nil {
		panic(fmt.Sprintf("render design %s: %v", name, err))
	}
	return out.String()
}

func (d designer) screens() []screen {
	main := d.v.Kinds[0]
	var sections []any
	for _, k := range d.v.Kinds {
		sections = append(sections, d.section(k, 3))
	}
	list := d.section(main, 3)
	list["Sorts"] = []map[string]any{{"Value": main.Sort, "Label": main.Fields[0].Label + " ↑", "Here": true}}
	list["Filters"] = d.filters(main)
	list["Search"], list["Prev"], list["Next"], list["Narrowed"], list["Sums"] = "", "", "", false, d.sums(main)
	record := d.record(main, 0, true)
	form := map[string]any{"Action": "/" + main.Plural, "Cancel": "/" + main.Plural, "Wrong": false, "Inputs": d.inputs(main)}
	last := d.v.Kinds[len(d.v.Kinds)-1]
	empty := d.section(last, 0)
	empty["Sorts"], empty["Filters"], empty["Narrowed"], empty["Sums"] = nil, nil, false, nil
	today := map[string]any{"Type": "date", "Text": "2026-06-01", "Ago": d.v.T["today"], "Href": ""}
	return []screen{
		{"overview", "The start page: what wants attention first", "home", d.page(d.v.T["overview"], "/", sections)},
		{"list", "A list: search, sort, filter, act", "list", d.page(main.LabelPlural, "/"+main.Plural, list)},
		{"record", "One record, after it was saved", "show", d.noted(d.page(d.title(main, 0), "/"+main.Plural, map[string]any{
			"Kind": d.kind(main), "Record": record, "Created": today, "Updated": today, "Children": d.children(main),
		}))},
		{"form", "The form", "form", d.page(fmt.Sprintf(d.v.T["add"], main.One), "/"+main.Plural, form)},
		{"empty", "Before there is anything", "list", d.page(last.LabelPlural, "/"+last.Plural, empty)},
	}
}

func (d designer) page(title, here string, body any) map[string]any {
	var kinds []any
	for _, k := range d.v.Kinds {
		kinds = append(kinds, d.kind(k))
	}
	return map[string]any{"Title": title, "Here": here, "Note": "", "Style": "", "Kinds": kinds, "Body": body}
}

func (d designer) noted(page map[string]any) map[string]any {
	page["Note"] = d.v.T["note_saved"]
	return page
}

func (d designer) kind(k kindView) map[string]any {
	var actions []any
	for _, a := range k.Actions {
		actions = append(actions, map[string]any{"Verb": a.Verb, "Label": a.Label})
	}
	return map[string]any{"Plural": k.Plural, "One": k.One, "Many": k.LabelPlural, "Actions": actions}
}

func (d designer) section(k kindView, n int) map[string]any {
	first := titleCount(k)
	var heads []string
	for _, f := range k.Fields[:first] {
		heads = append(heads, f.Label)
	}
	columns := []any{map[string]any{"Label": strings.Join(heads, " – "), "Type": ""}}
	for _, f := range k.Fields[first:] {
		if f.Type != "longtext" {
			columns = append(columns, map[string]any{"Label": f.Label, "Type": f.Type})
		}
	}
	var records []any
	for i := range n {
		records = append(records, d.record(k, i, false))
	}
	return map[string]any{"Kind": d.kind(k), "Total": n, "Columns": columns, "Records": records, "Add": "/" + k.Plural + "/new"}
}

// titleCount mirrors how the application names a record.
func titleCount(k kindView) int {
	n := 0
	for n < len(k.Fields) && k.Fields[n].Ref != "" {
		n++
	}
	return max(1, n)
}

func (d designer) record(k kindView, i int, full bool) map[string]any {
	first := titleCount(k)
	if full && k.Fields[0].Ref != "" {
		first = 0
	}
	var cells []any
	for _, f := range k.Fields[first:] {
		if full || f.Type != "longtext" {
			cells = append(cells, d.cell(k, f, i))
		}
	}
	var actions []any
	for _, a := range k.Actions {
		f, _ := k.Field(a.Field)
		if a.Value == "" || a.Value != d.v.sample(k.Entity, f, i) {
			actions = append(actions, map[string]any{"Verb": a.Verb, "Label": a.Label})
		}
	}
	return map[string]any{"Title": d.title(k, i), "Path": fmt.Sprintf("/%s/%d", k.Plural, i+1), "Cells": cells, "Actions": actions, "From": ""}
}

// title is what the i-th record is called.
func (d designer) title(k kindView, i int) string {
	var names []string
	for j, f := range k.Fields[:titleCount(k)] {
		names = append(names, d.text(k, f, i+j))
	}
	return strings.Join(names, " – ")
}

// text is the i-th example of a field; of a reference, the name of what it refers
// to.
func (d designer) text(k kindView, f fieldView, i int) string {
	if p, ok := d.v.Entity(f.Ref); ok {
		return d.v.sample(p, p.Fields[0], i)
	}
	return d.v.sample(k.Entity, f.Field, i)
}

func (d designer) cell(k kindView, f fieldView, i int) map[string]any {
	text := d.text(k, f, i)
	c := map[string]any{"Label": f.Label, "Type": f.Type, "Text": text, "Ago": "", "Href": ""}
	switch {
	case f.RefPlural != "":
		c["Type"], c["Href"] = "ref", "/"+f.RefPlural+"/1"
	case f.Type == "bool":
		c["Text"] = d.v.shown(f.Field, text)
	case f.Type == "date":
		c["Ago"] = fmt.Sprintf(d.v.T["days_ago"], []int{15, 4, 2}[i%3])
		if dueLabels[f.Label] {
			c["Ago"] = fmt.Sprintf(d.v.T["in_days"], []int{3, 9, 21}[i%3])
		}
	}
	return c
}

func (d designer) filters(k kindView) []any {
	var all []any
	for _, f := range k.Fields {
		if f.Type != "choice" {
			continue
		}
		links := []any{map[string]any{"Value": "", "Label": d.v.T["all"], "Href": "?", "Here": true}}
		for _, o := range f.Options {
			links = append(links, map[string]any{"Value": o, "Label": o, "Href": "?", "Here": false})
		}
		all = append(all, map[string]any{"Name": f.Name, "Label": f.Label, "Links": links})
	}
	return all
}

func (d designer) sums(k kindView) []any {
	var all []any
	for _, f := range k.Fields {
		if f.Type == "money" {
			total := 0.0
			for i := range 3 {
				n, _ := strconv.ParseFloat(d.text(k, f, i), 64)
				total += n
			}
			all = append(all, map[string]any{"Label": f.Label, "Text": strconv.FormatFloat(total, 'f', 2, 64)})
		}
	}
	return all
}

func (d designer) inputs(k kindView) []any {
	controls := map[string]string{"longtext": "textarea", "bool": "checkbox", "money": "number", "choice": "select"}
	var all []any
	for _, f := range k.Fields {
		in := map[string]any{"Name": f.Name, "Label": f.Label, "Type": f.Type, "Control": f.Type, "Text": "", "Hint": f.Hint, "Required": f.Required, "Problem": "", "Add": ""}
		if c, ok := controls[f.Type]; ok {
			in["Control"] = c
		}
		var choices []any
		for _, o := range f.Options {
			choices = append(choices, map[string]any{"Value": o, "Label": o, "Here": false})
		}
		if f.RefPlural != "" {
			in["Control"] = "select"
			choices = append(choices, map[string]any{"Value": "1", "Label": d.text(k, f, 0), "Here": true})
		}
		in["Choices"] = choices
		all = append(all, in)
	}
	return all
}

// children are the records that refer to the one shown.
func (d designer) children(k kindView) []any {
	var all []any
	for _, child := range d.v.Kinds {
		for _, f := range child.Fields {
			if f.Ref == k.Name {
				all = append(all, d.section(child, 2))
				break
			}
		}
	}
	return all
}

var (
	hrefRule = regexp.MustCompile(`href="([^"]*)"`)
	formRule = regexp.MustCompile(`<form([^>]*?) method="post" action="[^"]*"`)
)

// unlink makes links lead to the screens of the sheet, and forms lead nowhere else.
func unlink(app string) string {
	app = hrefRule.ReplaceAllStringFunc(app, func(s string) string {
		path := hrefRule.FindStringSubmatch(s)[1]
		screen := "record"
		switch {
		case path == "/":
			screen = "overview"
		case strings.HasSuffix(path, "/new"), strings.HasSuffix(path, "/edit"):
			screen = "form"
		case strings.HasPrefix(path, "?"), strings.Count(path, "/") == 1:
			screen = "list"
		}
		return `href="#` + screen + `"`
	})
	app = formRule.ReplaceAllString(app, `<form$1 action="#record"`)
	return strings.ReplaceAll(app, `<form class="search" role="search">`, `<form class="search" role="search" action="#list">`)
}
