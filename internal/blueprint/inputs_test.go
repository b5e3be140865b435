package blueprint_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/repo"
)

// What one edited file makes the machine prove again, and which gates it makes a
// person look at again. Carried deliverables ask no person.
func TestAnEditTouchesOnlyItsGates(t *testing.T) {
	t.Parallel()
	code := "build_output coverage_report deployment_log e2e_test_output integration_test_output lint_output manual_verification preview_startup secret_scan smoke_test unit_test_output"
	cases := []struct{ path, proofs, gates string }{
		{"docs/PROJECT.md", "secret_scan workspace_ready", ""},
		{"docs/INTAKE.md", "secret_scan", "G1"},
		{"docs/PRD.md", "requirements_check secret_scan", "G2"},
		{"docs/USER_STORIES.md", "coverage_report requirements_check secret_scan", "G2"},
		{"docs/ARCHITECTURE.md", "secret_scan spec_validation", "G3"},
		{"docs/DESIGN_SYSTEM.md", "design_validation secret_scan", ""},
		{"designs/option-2-calm.html", "design_validation secret_scan", "G4"},
		{"internal/web/page.html", code, "G8"},
		{"docs/TEST_PLAN.md", "coverage_report secret_scan", "G6"},
		{"docs/SECURITY_AUDIT.md", "secret_scan", "G7"},
		{"docs/DEPLOYMENT.md", "secret_scan", "G8"},
		{"docs/notes/later.md", "secret_scan", ""},
		{"docs/RUNBOOK.md", "secret_scan", "G9"},
		{"README.md", "secret_scan", ""},
		{"monitoring/alerts.yaml", "secret_scan", "G9"},
		{"monitoring/board.json", "secret_scan", "G9"},
		{"Dockerfile", "deployment_log manual_verification secret_scan smoke_test", ""},
		{".github/workflows/ci.yml", "secret_scan", ""},
		{".layercake/checks.yaml", code + " spec_validation", "G3"},
		{"docs/DATA.md", "secret_scan", ""},
		{".layercake/evidence/G5.json", "", ""},
		{".layercake/journal.jsonl", "", ""},
		{"specs/openapi.yaml", code + " spec_validation", "G3 G8"},
		{"internal/plant/plant.go", code, "G8"},
		{"internal/plant/plant_test.go", code, "G8"},
		{"web/app.css", code, "G8"},
		{"assets/logo.svg", code, "G8"},
		{"favicon.ico", code, "G8"},
		{"main.go", code, "G8"},
		{"go.mod", code + " dependency_scan sbom", "G7 G8"},
		{"vendor/modules.txt", code + " dependency_scan sbom", "G7 G8"},
		{"vendor/example.com/y/y.go", code + " dependency_scan sbom", "G8"},
		{"node_modules/a/data.bin", "dependency_scan sbom secret_scan", ""},
		{"internal/plant/add_amd64.s", code, "G8"},
		{"web/package-lock.json", code + " dependency_scan sbom", "G7 G8"},
	}
	b := load(t, "traditional")
	for _, c := range cases {
		t.Run(c.path, func(t *testing.T) {
			t.Parallel()
			var proofs, gates []string
			for name, p := range b.Proofs {
				if repo.Match(p.Inputs, c.path) {
					proofs = append(proofs, name)
				}
			}
			for _, g := range b.Gates {
				strict := slices.Clone(g.Inputs)
				for _, d := range g.DeliverablesFor(fullFacts("traditional")) {
					if !d.Carried {
						strict = append(strict, d.Path)
					}
				}
				if repo.Match(strict, c.path) {
					gates = append(gates, g.Code)
				}
			}
			slices.Sort(proofs)
			want := strings.Fields(c.proofs)
			slices.Sort(want)
			if diff := cmp.Diff(strings.Join(want, " "), strings.Join(proofs, " ")); diff != "" {
				t.Errorf("proofs: %s", diff)
			}
			if got := strings.Join(gates, " "); got != c.gates {
				t.Errorf("gates %q, want %q", got, c.gates)
			}
		})
	}
}

// Readers join lists, where one's exclusion would silence another's input: what
// is taken out is what the platform writes, and no list looks at that.
func TestExclusionsSilenceNobody(t *testing.T) {
	t.Parallel()
	taken := map[string][]string{
		"!.layercake/*/**/*":            {".layercake/evidence/G5.json", ".layercake/runs/a/b.log"},
		"!.layercake/*.{json,jsonl,md}": {".layercake/journal.jsonl", ".layercake/README.md"},
	}
	for _, name := range blueprint.Names() {
		b := load(t, name)
		lists := map[string][]string{}
		for proof, p := range b.Proofs {
			lists[proof] = p.Inputs
		}
		for _, g := range b.Gates[:len(b.Gates)-1] { // all but G9
			lists[g.Code] = slices.Clone(g.Inputs)
			for _, d := range g.Deliverables {
				lists[g.Code] = append(lists[g.Code], d.Path)
			}
		}
		for list, patterns := range lists {
			for _, p := range patterns {
				if strings.HasPrefix(p, "!") && taken[p] == nil {
					t.Errorf("%s: %s takes out %s, which this test does not know", name, list, p)
				}
			}
			for _, paths := range taken {
				for _, path := range paths {
					if repo.Match(patterns, path) {
						t.Errorf("%s: %s looks at %s", name, list, path)
					}
				}
			}
		}
	}
}

// Everything but what the platform writes is seen.
func TestEverythingIsScanned(t *testing.T) {
	t.Parallel()
	scan := load(t, "traditional").Proofs["secret_scan"].Inputs
	for _, path := range []string{"main.go", ".env", "ops/deploy.sh", "docs/DATA.md", "docs/RUNBOOK.md", "monitoring/alerts.yaml", "docs/a/b.md", ".layercake/checks.yaml", "LICENSE", "Dockerfile"} {
		if !repo.Match(scan, path) {
			t.Errorf("secret_scan does not look at %s", path)
		}
	}
}
