package demo_test

import (
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/llm/demo"
)

var designNames = []string{"Ledger", "Gallery", "Almanac"}

// other is a design that is not the recommended one, by its number as notes name it.
func (b *bench) other() (note, name string) {
	for i, name := range designNames {
		if !strings.HasPrefix(b.files["docs/DESIGN_SYSTEM.md"], "# Design system: "+name+"\n") {
			return "- design: " + string(rune('1'+i)), name
		}
	}
	b.t.Fatal("no other design")
	return "", ""
}

// TestTheChosenDesignIsBuiltAndDescribed chooses another design than the recommended
// one, at first and again after the pages stand, by each way in which the work comes
// back.
func TestTheChosenDesignIsBuiltAndDescribed(t *testing.T) {
	t.Parallel()
	m := newModel(t, demo.Options{})
	base := planned(t, m, ideas[0])
	for _, kind := range []string{"build", "rework", "repair", "delta"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := base.copyOf()
			fresh := base.copyOf()
			note, name := b.other()
			fresh.run(m, brief{role: "frontend-developer", gate: "G5", idea: ideas[0], notes: note})
			if !strings.HasPrefix(fresh.files["docs/DESIGN_SYSTEM.md"], "# Design system: "+name+"\n") {
				t.Fatalf("the design system describes another design than %s:\n%.80s", name, fresh.files["docs/DESIGN_SYSTEM.md"])
			}
			b.run(m, brief{role: "frontend-developer", gate: "G5", idea: ideas[0]}) // the recommended one
			css := b.cssFile()
			if b.files[css] == fresh.files[css] {
				t.Fatal("both designs have the same styles")
			}
			edit := "\n/* by hand */\nmark { color: #123456; }\n"
			if kind != "build" {
				b.files[css] += edit
			}
			br := brief{role: "frontend-developer", gate: "G5", kind: kind, idea: ideas[0], notes: "- decision at G4: design: 1 was weighed\n" + note, feedback: map[string]string{"rework": "Choose the other one", "repair": "build_output failed"}[kind]}
			b.run(m, br)
			want := fresh.files[css]
			if kind == "rework" || kind == "delta" {
				want += edit
			}
			if b.files[css] != want {
				t.Errorf("the styles are not those of %s, or an edit by hand was lost", name)
			}
			for path, text := range fresh.files {
				if path != css && b.files[path] != text {
					t.Errorf("%s is not that of %s", path, name)
				}
			}
			after := b.copyOf()
			b.run(m, br)
			for path, text := range after.files {
				if b.files[path] != text {
					t.Errorf("the same once more changes %s", path)
				}
			}
			if kind == "build" || kind == "delta" {
				if last := b.finished[len(b.finished)-1]; !strings.Contains(last, "No file was written.") || !strings.Contains(last, "nothing was changed") {
					t.Errorf("it does not say that nothing changed: %s", last)
				}
			}
		})
	}
}

// TestALaterChangeKeepsTheDesign: the design that stands is the one put forward.
func TestALaterChangeKeepsTheDesign(t *testing.T) {
	t.Parallel()
	m := newModel(t, demo.Options{})
	b := planned(t, m, ideas[0])
	note, name := b.other()
	b.run(m, brief{role: "frontend-developer", gate: "G5", idea: ideas[0], notes: note})
	b.run(m, brief{role: "ux-ui-designer", gate: "G4", idea: pricePlease, original: ideas[0], change: 2})
	if !strings.HasPrefix(b.files["docs/DESIGN_SYSTEM.md"], "# Design system: "+name+"\n") {
		t.Errorf("the second change describes another design:\n%.80s", b.files["docs/DESIGN_SYSTEM.md"])
	}
	if last := b.finished[len(b.finished)-1]; !strings.Contains(last, "number "+note[len(note)-1:]+" is recommended") {
		t.Errorf("another design is recommended: %s", last)
	}
}

// TestSuggestedAnswersAreMarked: what nobody said never stands as somebody's words.
func TestSuggestedAnswersAreMarked(t *testing.T) {
	t.Parallel()
	m := newModel(t, demo.Options{})
	const mark = "(suggested by the demo model, AUTO-APPROVED)"
	for _, delegated := range []bool{true, false} {
		b := newBench(t)
		b.answer = func(string) string {
			if delegated {
				return "gardener\n(AUTO-APPROVED: the suggestion was taken; no person answered.)"
			}
			return "gardener"
		}
		for _, s := range steps("")[:3] {
			b.run(m, brief{role: s.role, gate: s.gate, idea: ideas[0]})
		}
		for path, line := range map[string]string{"docs/INTAKE.md": "> gardener", "docs/PRD.md": "It is for: gardener"} {
			if delegated {
				line += " " + mark
			}
			if !strings.Contains(b.files[path], line+"\n") {
				t.Errorf("%s does not hold %q:\n%s", path, line, b.files[path])
			}
		}
		if !delegated && strings.Contains(b.files["docs/INTAKE.md"], "AUTO-APPROVED") {
			t.Error("a person's answer is marked")
		}
	}
	b := newBench(t)
	b.run(m, brief{role: "product-manager-onboarding", gate: "G1", idea: ideas[0], answers: [][2]string{{"Who is it for?", "gardener\n  (AUTO-APPROVED: the suggestion was taken; no person answered.)"}}})
	if !strings.Contains(b.files["docs/INTAKE.md"], "> gardener "+mark+"\n") {
		t.Errorf("an answer told at the start is not marked:\n%s", b.files["docs/INTAKE.md"])
	}
}

// TestDocumentsReadWell looks for what a reader stumbles over.
func TestDocumentsReadWell(t *testing.T) {
	t.Parallel()
	m := newModel(t, demo.Options{})
	b := newBench(t)
	b.checks = func([]string) string {
		return "secret_scan: pass. no secret in 3 files\ndependency_scan: pass. 0 dependencies\nsbom: pass. 0 dependencies listed"
	}
	idea := "Kassenbuch: Einnahmen, Ausgaben, Belege"
	b.build(m, brief{idea: idea})
	b.build(m, brief{idea: "Einen Favoriten hinzufügen", original: idea, change: 2})
	for name, text := range b.files {
		if strings.HasSuffix(name, ".md") && strings.Contains(text, "\n\n\n") {
			at := strings.Index(text, "\n\n\n")
			t.Errorf("%s has two blank lines after %q", name, text[max(0, at-60):at])
		}
		for _, odd := range []string{"ausgaben", "einnahmen", "becomes yes", "scroll for it", "(s) "} {
			if strings.HasSuffix(name, ".md") && strings.Contains(text, " "+odd) {
				t.Errorf("%s says %q", name, odd)
			}
		}
	}
	if !strings.Contains(b.files["docs/SECURITY_AUDIT.md"], "\n- secret_scan: pass. no secret in 3 files\n- dependency_scan: pass.") {
		t.Errorf("the scans are no list:\n%s", b.files["docs/SECURITY_AUDIT.md"])
	}
	invoices := planned(t, m, ideas[1])
	if !strings.Contains(invoices.files["specs/data-model.yaml"], "type: reference\n        required: false\n        ref: ") {
		t.Errorf("a reference is no reference:\n%s", invoices.files["specs/data-model.yaml"])
	}
}
