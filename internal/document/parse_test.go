package document_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layercake-app/layercake/internal/document"
)

func TestStories(t *testing.T) {
	t.Parallel()
	got, problems := document.Stories([]byte(good["user_stories"]))
	if problems != nil {
		t.Error(problems)
	}
	want := []document.Story{
		{ID: "US-1", Title: "Add a plant", Feature: "F-1", Line: 3, Criteria: []document.Criterion{
			{ID: "AC-1.1", Text: `Given an empty list, when I add "Fern", then the list shows "Fern".`, Line: 12},
			{ID: "AC-1.2", Text: `Given a plant "Fern", when I add "Fern" again, then I am told that it exists.`, Line: 13},
		}},
		{ID: "US-2", Title: "See what is thirsty", Feature: "F-2", Line: 17, Criteria: []document.Criterion{
			{ID: "AC-2.1", Text: "a list Given two plants When I open the list Then the thirstier one is first", Line: 22},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What follows a criterion belongs to it only when it is its own.
func TestCriterionEndsWhereItEnds(t *testing.T) {
	t.Parallel()
	head := "## US-1 x\n\nAs a person I want this so that it is.\n\nFeature: F-1\n\n- AC-1.1: Given a, when b, then c"
	for after, want := range map[string]string{
		"\n- AC-1.2: Given d, when e, then f":   "Given a, when b, then c",
		"\n  - AC-1.2: Given d, when e, then f": "Given a, when b, then c",
		"\n\nAnother paragraph.":                "Given a, when b, then c",
		"\n## US-2 y":                           "Given a, when b, then c",
		"\nand d":                               "Given a, when b, then c and d",
		"\n\n  and d":                           "Given a, when b, then c and d",
		"\n  1. and d":                          "Given a, when b, then c and d",
		"\n```\ncode\n```":                      "Given a, when b, then c",
	} {
		stories, _ := document.Stories([]byte(head + after + "\n"))
		if len(stories) == 0 || len(stories[0].Criteria) == 0 || stories[0].Criteria[0].Text != want {
			t.Errorf("%q: %+v", after, stories)
		}
	}
}

func TestFeatures(t *testing.T) {
	t.Parallel()
	got, problems := document.Features([]byte(good["prd"]))
	want := []document.Feature{{ID: "F-1", Title: "Keep plants", Line: 8}, {ID: "F-2", Title: "See what is thirsty", Line: 11}}
	if diff := cmp.Diff(want, got); diff != "" || problems != nil {
		t.Error(diff, problems)
	}
	if _, problems := document.Features([]byte("# PRD\n## Features\nNone.\n## Other\n### F1 car\n")); len(problems) != 1 {
		t.Errorf("outside of Features a heading may say F1: %+v", problems)
	}
}

func TestTraceability(t *testing.T) {
	t.Parallel()
	got, problems := document.Traceability([]byte(good["test_plan"]))
	want := []document.Row{
		{Criterion: "AC-1.1", Test: "TestAC_1_1_Adds", Level: "unit", Line: 10},
		{Criterion: "AC-1.2", Test: "TestAC_1_2_Refuses", Level: "integration", Line: 11},
		{Criterion: "AC-1.2", Test: "TestAC_1_2_Says", Level: "integration", Line: 11},
		{Criterion: "AC-2.1", Test: "AC-2.1 lists, thirsty first", Level: "e2e", Line: 12},
	}
	if diff := cmp.Diff(want, got); diff != "" || problems != nil {
		t.Error(diff, problems)
	}
	// Other columns and other tables are left alone; a bar may be escaped.
	plan := "## Traceability\n\n| Word | Meaning |\n|---|---|\n| AC | criterion |\n\nLevel | Notes | test | criterion\n--|--|--|--\nunit | x | AC-3.1 a \\| b | AC-3.1\n"
	got, problems = document.Traceability([]byte(plan))
	want = []document.Row{{Criterion: "AC-3.1", Test: "AC-3.1 a | b", Level: "unit", Line: 9}}
	if diff := cmp.Diff(want, got); diff != "" || problems != nil {
		t.Error(diff, problems)
	}
}

func TestDataModel(t *testing.T) {
	t.Parallel()
	got, problems := document.DataModel([]byte(good["data_model"]))
	want := document.Model{Entities: []document.Entity{{Name: "Plant", Plural: "Plants", Fields: []document.Field{
		{Name: "title", Label: "Title", Type: "text", Required: true},
		{Name: "place", Label: "Place", Type: "choice", Options: []string{"Window", "Shade"}},
		{Name: "parent", Label: "Parent", Type: "reference", Ref: "Plant"},
	}}}}
	if diff := cmp.Diff(want, got); diff != "" || problems != nil {
		t.Error(diff, problems)
	}
}

func seeds(f *testing.F) {
	f.Helper()
	for _, content := range good {
		f.Add([]byte(content))
		f.Add([]byte(strings.ReplaceAll(content, "\n", "\r\n")))
	}
	for _, c := range brokenOnes {
		if len(c.new) < 10_000 {
			f.Add([]byte(strings.Replace(good[c.kind], c.old, c.new, 1)))
		}
	}
	f.Add([]byte("---\na: b\n---\n# x\n\t```\n<!-- a --> <!--\n--> `` ` ``\n- \n===\n"))
}

// sane checks what holds for any content: lines that exist, a next step, order.
func sane(t *testing.T, content []byte, problems []document.Problem) {
	t.Helper()
	lines := strings.Count(string(content), "\n") + 1
	for i, p := range problems {
		if p.Line < 1 || p.Line > lines+1 || p.Message == "" || p.Next == "" || (i > 0 && p.Line < problems[i-1].Line) {
			t.Fatalf("problem %d of %d lines: %+v", i, lines, p)
		}
	}
}

func FuzzValidate(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, kind := range document.Kinds {
			sane(t, content, document.Validate(kind, "docs/X.md", []string{"Overview"}, content))
		}
		document.Describe("docs/X.md", content)
	})
}

func FuzzSections(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		last := 0
		for _, s := range document.Sections(content) {
			if s.Line <= last || s.Level < 1 || s.Level > 6 || !strings.Contains(strings.ReplaceAll(string(content), "\r\n", "\n"), s.Body) {
				t.Fatalf("section %+v after line %d", s, last)
			}
			last = s.Line
		}
	})
}

func FuzzStories(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		stories, problems := document.Stories(content)
		sane(t, content, problems)
		seen := map[string]bool{}
		for _, s := range stories {
			for _, c := range s.Criteria {
				misplaced := !strings.HasPrefix(c.ID, "AC-"+strings.TrimPrefix(s.ID, "US-")+".")
				if seen[c.ID] || (misplaced && problems == nil) {
					t.Fatalf("criterion %+v of %s", c, s.ID)
				}
				seen[c.ID] = true
			}
			if problems == nil && (s.Feature == "" || len(s.Criteria) == 0 || s.Title == "") {
				t.Fatalf("no problem in %+v", s)
			}
		}
		_, problems = document.Features(content)
		sane(t, content, problems)
	})
}

func FuzzTraceability(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		rows, problems := document.Traceability(content)
		sane(t, content, problems)
		if len(rows) == 0 && problems == nil {
			t.Fatal("neither rows nor a problem")
		}
		for _, r := range rows {
			if !strings.HasPrefix(r.Criterion, "AC-") || r.Test == "" || r.Level == "" {
				t.Fatalf("row %+v", r)
			}
		}
	})
}

func FuzzDataModel(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		model, problems := document.DataModel(content)
		sane(t, content, problems)
		if len(model.Entities) == 0 && problems == nil {
			t.Fatal("neither entities nor a problem")
		}
	})
}
