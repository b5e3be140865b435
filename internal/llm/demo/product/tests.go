package product

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// testView is a view with sample values and the tests to write.
type testView struct {
	view
	Kinds                 []testKind
	First                 string // index expression of the kind that house stories use
	Unit, Integration     []testCase
	E2E                   []testCase
	Acts, Upgrades        bool
	storeTests, unitTests []testCase
}

type testKind struct {
	kindView
	SampleVar string
	Sample    []sampleValue
	Wrong     []sampleValue
	Refs      []sampleRef
	Search    sampleSearch
	Edit      sampleEdit
	Titled    string
	Twin      *sampleTwin
}

// sampleTwin is two fields that refer to the same kind and must differ.
type sampleTwin struct{ Entity, SampleVar, Field, Other string }

// sampleValue is a value as Go source: Text as typed into a form, JSON as sent to
// the API. Shown is what a page then contains.
type sampleValue struct{ Name, Text, JSON, Shown string }

type sampleRef struct{ Field, SampleVar string }

type sampleSearch struct {
	Field  string
	Values []string // ascending
}

type sampleEdit struct{ Field, Query, JSON, Shown string }

type testCase struct {
	Kind, Test string
	On         testKind
	Act        testAct
	Field      testField
}

type testAct struct {
	Action
	Shown  string // the field's text afterwards
	JSON   string
	OnPage string
}

type testField struct {
	Field
	WrongText string
	Shown     string
}

// Tests is the unit, integration and end-to-end tests, named by criterion. They
// reach at least 92 % of the statements, measured over all packages.
func (m Model) Tests() map[string][]byte {
	v := m.testView()
	unit, stored := v, v
	unit.Unit, stored.Unit = v.unitTests, v.storeTests
	return map[string][]byte{
		"internal/domain/domain_test.go":  v.render("tests/domain_test.go", unit),
		"internal/store/store_test.go":    v.render("tests/store_test.go", stored),
		"integration/integration_test.go": v.render("tests/integration_test.go", v),
		"e2e/e2e_test.go":                 v.render("tests/e2e_test.go", v),
	}
}

func (m Model) testView() testView {
	v := testView{view: m.view()}
	byName := map[string]testKind{}
	for _, k := range v.view.Kinds {
		tk := m.testKind(k)
		byName[k.Name] = tk
		v.Kinds = append(v.Kinds, tk)
	}
	_, drafts := m.plan()
	for _, d := range drafts {
		for j, c := range d.Criteria {
			p := d.proofs[j]
			tc := testCase{Kind: p.kind, Test: c.Test, On: byName[p.entity]}
			e, _ := m.Entity(p.entity)
			if f, ok := e.Field(p.field); ok {
				tc.Field = m.testField(e, f)
			}
			if p.action != "" {
				tc.Act = m.testAct(e, m.action(p.entity, p.action))
				v.Acts = true
			}
			v.Upgrades = v.Upgrades || p.kind == "upgrade"
			switch {
			case p.kind == "diskfull" || p.kind == "damaged":
				v.First = fmt.Sprintf("[%d]", slices.IndexFunc(m.Entities, func(o Entity) bool { return o.Name == p.entity }))
				v.storeTests = append(v.storeTests, tc)
			case c.Level == "unit":
				v.unitTests = append(v.unitTests, tc)
			case c.Level == "integration":
				v.Integration = append(v.Integration, tc)
			default:
				v.E2E = append(v.E2E, tc)
			}
		}
	}
	return v
}

func sampleVar(entity string) string { return strings.ToLower(entity[:1]) + entity[1:] + "Sample" }

func (m Model) testKind(k kindView) testKind {
	e := k.Entity
	t := testKind{kindView: k, SampleVar: sampleVar(e.Name)}
	if e.Fields[0].Ref == "" {
		t.Titled = e.Fields[0].Name
	}
	for _, f := range e.Fields {
		if p, ok := m.Entity(f.Ref); ok {
			for _, r := range e.Fields {
				if r.Ref == f.Ref && r.Name != f.Name && t.Twin == nil && slices.ContainsFunc(t.Refs, func(o sampleRef) bool { return o.Field == r.Name }) {
					t.Twin = &sampleTwin{e.Name, t.SampleVar, f.Name, r.Name}
				}
			}
			t.Refs = append(t.Refs, sampleRef{f.Name, sampleVar(p.Name)})
		} else if text := m.sampleFor(e, f); text != "" {
			t.Sample = append(t.Sample, sampleValue{f.Name, strconv.Quote(text), asJSON(f, text), m.shown(f, text)})
		}
		text, js := wrongValue(f)
		t.Wrong = append(t.Wrong, sampleValue{Name: f.Name, Text: text, JSON: js})
	}
	t.Search = m.searchOf(e)
	t.Edit = m.editOf(e)
	return t
}

// sampleFor is a right value that no action of the entity has set already.
func (m Model) sampleFor(e Entity, f Field) string {
	text := m.sample(e, f, 0)
	for _, a := range m.Actions {
		if a.Entity != e.Name || a.Field != f.Name || a.Effect != EffectSet {
			continue
		}
		if f.Type == "bool" {
			return "false"
		}
		for _, o := range f.Options {
			if !m.sets(e, f, o) {
				return o
			}
		}
	}
	return text
}

func (m Model) sets(e Entity, f Field, value string) bool {
	return slices.ContainsFunc(m.Actions, func(a Action) bool {
		return a.Entity == e.Name && a.Field == f.Name && a.Value == value
	})
}

// asJSON writes a form value as the Go value that JSON decodes to.
func asJSON(f Field, text string) string {
	switch f.Type {
	case "number", "money":
		n, _ := strconv.ParseFloat(text, 64)
		s := strconv.FormatFloat(n, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	case "bool":
		return strconv.FormatBool(text == "true")
	}
	return strconv.Quote(text)
}

// shown is what a page contains when f has this value.
func (m Model) shown(f Field, text string) string {
	if f.Type != "bool" {
		return text
	}
	if text == "true" {
		return locale(m.Lang)["yes"]
	}
	return locale(m.Lang)["no"]
}

// wrongValue is Go source of a value that f must refuse, for a form and for JSON.
func wrongValue(f Field) (text, js string) {
	switch f.Type {
	case "number", "money":
		return `"many"`, `"many"`
	case "date":
		return `"soon"`, `"soon"`
	case "bool":
		return `"perhaps"`, `"perhaps"`
	case "choice":
		return `"none of these"`, `"none of these"`
	case "email":
		return `"Nobody <nobody>"`, `"Nobody <nobody>"`
	case "url":
		return `"javascript:alert(1)"`, `"javascript:alert(1)"`
	case "longtext":
		return `strings.Repeat("x", 10001)`, "1"
	}
	if f.Required {
		return `" "`, "nil"
	}
	return `strings.Repeat("x", 201)`, "1"
}

// searchOf chooses the field by which the three records of a search test differ.
func (m Model) searchOf(e Entity) sampleSearch {
	for _, pass := range []string{"text", "longtext", "date", "number", "money"} {
		for _, f := range e.Fields {
			if f.Type != pass || f.Ref != "" {
				continue
			}
			switch f.Type {
			case "date":
				return sampleSearch{f.Name, []string{"2026-01-05", "2026-02-06", "2026-03-07"}}
			case "number":
				return sampleSearch{f.Name, []string{"13", "257", "1090"}}
			case "money":
				return sampleSearch{f.Name, []string{"13.00", "257.00", "1090.00"}}
			}
			return sampleSearch{f.Name, []string{"alpha ärger", "Beta zwei", "Gamma drei"}}
		}
	}
	f := e.Fields[slices.IndexFunc(e.Fields, func(f Field) bool { return f.Ref == "" })]
	return sampleSearch{f.Name, nil}
}

// editOf chooses a text whose value an edit changes.
func (m Model) editOf(e Entity) sampleEdit {
	f := e.Fields[0]
	for _, pass := range []string{"text", "longtext"} {
		for _, g := range e.Fields {
			if g.Type == pass && g.Ref == "" {
				return sampleEdit{g.Name, url.QueryEscape(m.sampleFor(e, g)), `"Changed by hand"`, "Changed by hand"}
			}
		}
	}
	return sampleEdit{f.Name, url.QueryEscape(m.sampleFor(e, f)), `"Changed by hand"`, "Changed by hand"}
}

func (m Model) testAct(e Entity, a Action) testAct {
	f, _ := e.Field(a.Field)
	t := testAct{Action: a, Shown: a.Value}
	switch a.Effect {
	case EffectToday:
		t.Shown = "2026-06-01"
	case EffectIncrement:
		n, _ := strconv.ParseFloat(m.sampleFor(e, f), 64)
		t.Shown = strconv.FormatFloat(n+1, 'f', -1, 64)
	}
	t.JSON, t.OnPage = asJSON(f, t.Shown), m.shown(f, t.Shown)
	return t
}

func (m Model) testField(e Entity, f Field) testField {
	text, _ := wrongValue(f)
	return testField{Field: f, WrongText: text, Shown: m.shown(f, m.sampleFor(e, f))}
}
