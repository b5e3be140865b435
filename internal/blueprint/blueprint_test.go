package blueprint_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/fault"
)

var known = blueprint.Known{
	Roles: []string{
		"product-manager-onboarding", "orchestrator", "product-manager", "architect", "ux-ui-designer", "frontend-developer",
		"backend-developer", "data-engineer", "ml-engineer", "prompt-engineer", "qa-engineer", "model-evaluator",
		"security-engineer", "devops-engineer", "aiops-engineer", "reviewer",
	},
	Proofs: []string{
		"workspace_ready", "requirements_check", "spec_validation", "design_validation", "build_output", "lint_output",
		"preview_startup", "unit_test_output", "integration_test_output", "e2e_test_output", "coverage_report", "secret_scan",
		"dependency_scan", "sbom", "deployment_log", "smoke_test", "manual_verification",
	},
	Facts: blueprint.Facts,
	Kinds: []string{
		"markdown", "intake", "prd", "user_stories", "openapi", "data_model", "checks", "design", "source", "test_plan",
		"dockerfile", "workflow", "file",
	},
}

func load(t *testing.T, name string) *blueprint.Blueprint {
	t.Helper()
	b, err := blueprint.Load(name)
	if err != nil {
		t.Fatalf("load %s: %+v", name, err)
	}
	return b
}

func TestEmbeddedBlueprintsAreValidAndRoundTrip(t *testing.T) {
	t.Parallel()
	for _, name := range blueprint.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := blueprint.Show(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := blueprint.Validate(text, known); err != nil {
				f, _ := fault.As(err)
				t.Fatalf("%v\n%+v", err, f.Details)
			}
			b := load(t, name)
			again, err := b.YAML()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(text), string(again)); diff != "" {
				t.Errorf("text changes when it is read and written:\n%s", diff)
			}
			if b.Name != name || b.Title == "" || b.Version < 1 {
				t.Errorf("name %q, title %q, version %d", b.Name, b.Title, b.Version)
			}
			want := []string{"G0", "G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G9"}
			if diff := cmp.Diff(want, b.Order()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(map[string]int{"mvp": 60, "standard": 80, "enterprise": 90}, b.Tiers); diff != "" {
				t.Error(diff)
			}
			for _, g := range b.Gates {
				want := blueprint.Approval{Roles: []string{"owner", "admin", "member"}, Quorum: 1}
				if diff := cmp.Diff(want, g.Approval); diff != "" {
					t.Errorf("%s: %s", g.Code, diff)
				}
			}
		})
	}
}

func TestLoadGivesTheCallerItsOwnCopy(t *testing.T) {
	t.Parallel()
	a := load(t, "express")
	a.Gates[1].Agents[0].Role = "changed"
	a.Tiers["mvp"] = 1
	b := load(t, "express")
	if b.Gates[1].Agents[0].Role == "changed" || b.Tiers["mvp"] == 1 {
		t.Error("a change to one loaded blueprint shows in the next")
	}
}

func TestUnknownNamesAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "base", "../base", "Traditional", "nope"} {
		if _, err := blueprint.Load(name); fault.KindOf(err) != fault.KindNotFound {
			t.Errorf("Load(%q): %v", name, err)
		}
		if _, err := blueprint.ForType(name); fault.KindOf(err) != fault.KindInvalid {
			t.Errorf("ForType(%q): %v", name, err)
		}
	}
	if _, err := blueprint.ForType("express"); err == nil {
		t.Error("express is no project type")
	}
	for _, projectType := range blueprint.Types {
		b, err := blueprint.ForType(projectType)
		if err != nil || b.Name != projectType || !slices.Contains(b.For, projectType) {
			t.Errorf("ForType(%q) = %v, %v", projectType, b, err)
		}
	}
}

// row is one gate of the plan's table: roles, "kind path" of the deliverables,
// and proofs.
type row struct {
	agents, deliverables, proofs []string
}

// plan is the table of gates for a project with a user interface, an API, data
// and a server, deployed somewhere, with all test levels declared.
var plan = map[string]row{
	"G0": {nil, []string{"docs/PROJECT.md"}, []string{"workspace_ready"}},
	"G1": {[]string{"product-manager-onboarding", "orchestrator"}, []string{"docs/INTAKE.md", "docs/TASKS.md"}, nil},
	"G2": {[]string{"product-manager"}, []string{"docs/PRD.md", "docs/USER_STORIES.md"}, []string{"requirements_check"}},
	"G3": {[]string{"architect"}, []string{
		"docs/ARCHITECTURE.md", "docs/TECH_STACK.md", "specs/openapi.yaml", "specs/data-model.yaml", ".layercake/checks.yaml", "README.md",
	}, []string{"spec_validation"}},
	"G4": {[]string{"ux-ui-designer"}, []string{"designs/option-{1,2,3}-*.html", "docs/DESIGN_SYSTEM.md"}, []string{"design_validation"}},
	"G5": {[]string{"frontend-developer", "backend-developer"}, []string{"source"}, []string{"build_output", "lint_output", "preview_startup"}},
	"G6": {[]string{"qa-engineer"}, []string{"docs/TEST_PLAN.md", "source"}, []string{
		"unit_test_output", "integration_test_output", "e2e_test_output", "coverage_report",
	}},
	"G7": {[]string{"security-engineer"}, []string{"docs/SECURITY_AUDIT.md"}, []string{"secret_scan", "dependency_scan", "sbom"}},
	"G8": {[]string{"devops-engineer"}, []string{"Dockerfile", ".github/workflows/ci.yml", "docs/DEPLOYMENT.md"}, []string{"deployment_log", "smoke_test"}},
	"G9": {[]string{"devops-engineer"}, []string{"docs/RUNBOOK.md", "monitoring/**"}, []string{"deployment_log", "smoke_test", "manual_verification"}},
}

// planML is what a learning product adds or puts in another's place.
var planML = map[string]row{
	"G2": {nil, []string{"docs/ML_REQUIREMENTS.md"}, nil},
	"G3": {nil, []string{"docs/ML_ARCHITECTURE.md"}, nil},
	"G5": {[]string{"data-engineer", "ml-engineer", "prompt-engineer"}, nil, nil},
	"G6": {[]string{"model-evaluator"}, nil, nil},
	"G7": {nil, []string{"docs/ML_SECURITY.md", "docs/DATA_PRIVACY.md"}, nil},
}

func fullFacts(projectType string) map[string]bool {
	facts := map[string]bool{"mode_required": true, "ml": blueprint.IsML(projectType)}
	for _, f := range []string{"ui", "api", "data", "serves", "go", "declares_integration", "declares_e2e"} {
		facts[f] = true
	}
	return facts
}

func TestGatesFollowThePlan(t *testing.T) {
	t.Parallel()
	for _, name := range blueprint.Names() {
		b := load(t, name)
		for _, projectType := range b.For {
			for _, g := range b.Gates {
				t.Run(fmt.Sprintf("%s/%s/%s", name, projectType, g.Code), func(t *testing.T) {
					t.Parallel()
					facts := fullFacts(projectType)
					want := plan[g.Code]
					if blueprint.IsML(projectType) {
						extra := planML[g.Code]
						want.agents = append(slices.Clone(want.agents), extra.agents...)
						want.deliverables = append(slices.Clone(want.deliverables), extra.deliverables...)
						if i := slices.Index(want.agents, "devops-engineer"); i >= 0 {
							want.agents[i] = "aiops-engineer"
						}
					}
					if diff := cmp.Diff(want, rowOf(g, facts, projectType), cmp.AllowUnexported(row{})); diff != "" {
						t.Error(diff)
					}
				})
			}
		}
	}
}

func rowOf(g blueprint.Gate, facts map[string]bool, projectType string) row {
	var r row
	for _, a := range g.AgentsFor(facts, projectType) {
		r.agents = append(r.agents, a.Role)
	}
	for _, d := range g.DeliverablesFor(facts) {
		if d.Kind == "source" {
			d.Path = "source"
		}
		r.deliverables = append(r.deliverables, d.Path)
	}
	for _, p := range g.ProofsFor(facts) {
		r.proofs = append(r.proofs, p.Type)
	}
	return r
}

func TestASmallProjectOwesLess(t *testing.T) {
	t.Parallel()
	b := load(t, "traditional")
	facts := map[string]bool{"no_ui": true, "mode_local_only": true, "go": true}
	g5, _ := b.Gate("G5")
	got := rowOf(g5, facts, "traditional")
	want := row{[]string{"backend-developer"}, []string{"source"}, []string{"build_output", "lint_output"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
		t.Error(diff)
	}
	g3, _ := b.Gate("G3")
	if got := rowOf(g3, facts, "traditional").deliverables; slices.Contains(got, "specs/openapi.yaml") || slices.Contains(got, "specs/data-model.yaml") {
		t.Errorf("without API and data G3 owes %v", got)
	}
	g6, _ := b.Gate("G6")
	if got := rowOf(g6, facts, "traditional").proofs; !slices.Equal(got, []string{"unit_test_output", "coverage_report"}) {
		t.Errorf("without declared levels G6 requires %v", got)
	}
	g8, _ := b.Gate("G8")
	if got := rowOf(g8, facts, "traditional").proofs; !slices.Equal(got, []string{"deployment_log"}) {
		t.Errorf("a product that does not serve owes %v at G8", got)
	}
}

func TestSkipRules(t *testing.T) {
	t.Parallel()
	cases := []struct {
		fact    string
		skipped []string
	}{
		{"fast_track", []string{"G1", "G2", "G3", "G4", "G7"}},
		{"no_ui", []string{"G4"}},
		{"mode_local_only", []string{"G9"}},
		{"mode_required", nil},
		{"ui", nil},
	}
	for _, name := range blueprint.Names() {
		b := load(t, name)
		for _, c := range cases {
			var skipped []string
			for _, g := range b.Gates {
				if s, ok := g.SkippedBy(map[string]bool{c.fact: true}); ok {
					skipped = append(skipped, g.Code)
					if len(s.Reason) < 20 {
						t.Errorf("%s: %s is skipped without a reason a person understands: %q", name, g.Code, s.Reason)
					}
				}
			}
			if diff := cmp.Diff(c.skipped, skipped); diff != "" {
				t.Errorf("%s with %s: %s", name, c.fact, diff)
			}
		}
	}
}

func TestStops(t *testing.T) {
	t.Parallel()
	express, traditional := load(t, "express"), load(t, "traditional")
	for code, want := range map[string]string{
		"G0": "G0", "G1": "G1 G2 G3 G4", "G4": "G1 G2 G3 G4", "G5": "G5 G6 G7", "G7": "G5 G6 G7", "G8": "G8 G9", "G9": "G8 G9", "G10": "", "": "",
	} {
		if got := strings.Join(express.StopOf(code), " "); got != want {
			t.Errorf("express %s is decided with %q, want %q", code, got, want)
		}
		alone := code
		if want == "" {
			alone = "" // there is no such gate
		}
		if got := strings.Join(traditional.StopOf(code), " "); got != alone {
			t.Errorf("traditional %s is decided with %q", code, got)
		}
	}
	if !slices.Equal(express.For, blueprint.Types) {
		t.Errorf("express is for %v", express.For)
	}
}

func TestReleaseProofs(t *testing.T) {
	t.Parallel()
	b := load(t, "traditional")
	all := []string{
		"build_output", "lint_output", "preview_startup", "unit_test_output", "integration_test_output", "e2e_test_output",
		"coverage_report", "secret_scan", "dependency_scan", "sbom",
	}
	if diff := cmp.Diff(all, b.ReleaseProofs(fullFacts("traditional"))); diff != "" {
		t.Error(diff)
	}
	fast := b.ReleaseProofs(map[string]bool{"fast_track": true})
	want := []string{"build_output", "lint_output", "unit_test_output", "coverage_report", "secret_scan", "dependency_scan", "sbom"}
	if diff := cmp.Diff(want, fast); diff != "" {
		t.Errorf("on a fast track: %s", diff)
	}
	for i := range b.Gates {
		b.Gates[i].Proofs = append(b.Gates[i].Proofs, blueprint.RequiredProof{Type: blueprint.ManualVerification})
	}
	if slices.Contains(b.ReleaseProofs(nil), blueprint.ManualVerification) {
		t.Error("a person's proof is listed among those the machine repeats")
	}
}

func TestHolds(t *testing.T) {
	t.Parallel()
	b := &blueprint.Blueprint{}
	facts := map[string]bool{"ui": true, "serves": true, "api": false}
	for when, want := range map[string]bool{
		"": true, "ui": true, "!ui": false, "api": false, "!api": true, "never_heard": false, "!never_heard": true,
		"ui and serves": true, "ui and api": false, "ui and !api": true, "!ui and serves": false, "ui and !api and serves": true,
	} {
		if got := b.Holds(when, facts); got != want {
			t.Errorf("Holds(%q) = %v", when, got)
		}
		if got := b.Holds(when, nil); when == "ui" && got {
			t.Error("a missing fact is true")
		}
	}
}

// Whatever is true of a project, what a gate owes has somebody who owes it, and
// what it requires has inputs and somebody at work who repairs it.
func TestNoDeadEndUnderAnyFacts(t *testing.T) {
	t.Parallel()
	for _, name := range blueprint.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := load(t, name)
			rapid.Check(t, func(t *rapid.T) {
				projectType := rapid.SampledFrom(b.For).Draw(t, "type")
				facts := map[string]bool{}
				for _, f := range blueprint.Facts {
					facts[f] = rapid.Bool().Draw(t, f)
				}
				facts["ml"], facts["no_ui"] = blueprint.IsML(projectType), !facts["ui"]
				everywhere := []string{""}
				for _, g := range b.Gates {
					for _, a := range g.AgentsFor(facts, projectType) {
						everywhere = append(everywhere, a.Role)
					}
				}
				for _, g := range b.Gates {
					var roles []string
					for _, a := range g.AgentsFor(facts, projectType) {
						roles = append(roles, a.Role)
					}
					names := map[string]bool{}
					for _, d := range g.DeliverablesFor(facts) {
						if g.Code != "G0" && !slices.Contains(roles, d.Role) {
							t.Fatalf("%s owes %s by %q, at work are %v", g.Code, d.Path, d.Role, roles)
						}
						if names[d.Name] {
							t.Fatalf("%s owes %q twice", g.Code, d.Name)
						}
						names[d.Name] = true
					}
					for _, p := range g.ProofsFor(facts) {
						if len(b.Proofs[p.Type].Inputs) == 0 || !slices.Contains(everywhere, p.Repair) {
							t.Fatalf("%s requires %+v, inputs %v, roles %v", g.Code, p, b.Proofs[p.Type].Inputs, everywhere)
						}
					}
				}
			})
		})
	}
}

func TestAgentsForOrdersAndBridges(t *testing.T) {
	t.Parallel()
	g := blueprint.Gate{Agents: []blueprint.Agent{
		{Role: "last", After: []string{"middle"}},
		{Role: "middle", After: []string{"first"}, When: "ui"},
		{Role: "first"},
		{Role: "elsewhere", For: []string{"ai_ml"}},
	}}
	got := g.AgentsFor(nil, "traditional")
	want := []blueprint.Agent{{Role: "first"}, {Role: "last", After: []string{"first"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("who waits for an absent one must wait for those before it:\n%s", diff)
	}
	if got := g.AgentsFor(map[string]bool{"ui": true}, "ai_ml"); len(got) != 4 {
		t.Errorf("all four are present, got %v", got)
	}
	if len(g.Agents[0].After) != 1 || g.Agents[0].After[0] != "middle" {
		t.Error("the gate itself was changed")
	}
}

func TestAgentsForAlwaysEnds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 8).Draw(t, "agents")
		var g blueprint.Gate
		for i := range n {
			a := blueprint.Agent{Role: fmt.Sprintf("r%d", i), When: rapid.SampledFrom([]string{"", "ui", "!ui"}).Draw(t, "when")}
			for j := range i { // only earlier ones: no cycle
				if rapid.Bool().Draw(t, "after") {
					a.After = append(a.After, fmt.Sprintf("r%d", j))
				}
			}
			g.Agents = append(g.Agents, a)
		}
		slices.Reverse(g.Agents)
		var done []string
		for _, a := range g.AgentsFor(map[string]bool{"ui": true}, "hybrid") {
			for _, role := range a.After {
				if !slices.Contains(done, role) {
					t.Fatalf("%s starts before %s: %v", a.Role, role, done)
				}
			}
			done = append(done, a.Role)
		}
		for _, a := range g.Agents {
			if slices.Contains(done, a.Role) != (a.When != "!ui") {
				t.Fatalf("%s with %q: at work are %v", a.Role, a.When, done)
			}
		}
	})
}

func TestCarriedDeliverables(t *testing.T) {
	t.Parallel()
	b := load(t, "hybrid")
	var carried []string
	for _, g := range b.Gates {
		for _, d := range g.Deliverables {
			if d.Carried {
				carried = append(carried, g.Code+" "+d.Name)
			}
		}
	}
	want := []string{"G0 Project sheet", "G3 README", "G4 Design system", "G5 Source code", "G6 Tests", "G8 Container image", "G8 CI workflow"}
	if diff := cmp.Diff(want, carried); diff != "" {
		t.Error(diff)
	}
}

func TestEveryFieldIsWritten(t *testing.T) {
	t.Parallel()
	full := load(t, "express")
	g := &full.Gates[5]
	g.Agents[0].For, g.Agents[0].After, g.Agents[0].When = []string{"hybrid"}, []string{"backend-developer"}, "ui and !ml"
	g.Agents[1].For = []string{"hybrid"}
	g.Deliverables[0] = blueprint.Deliverable{Name: "One: two", Kind: "source", Path: "{a,b}/?*.go", Role: "backend-developer", Min: 0, Sections: []string{"A, b"}, Carried: true, When: "go and ui"}
	g.Inputs = []string{"**/*.go"}
	for i := range full.Gates {
		full.Gates[i].Approval = blueprint.Approval{Roles: []string{"owner"}, Quorum: 2, SeparateAuthor: true}
	}
	full.For = []string{"hybrid"}
	for i := range full.Gates {
		for j := range full.Gates[i].Agents {
			full.Gates[i].Agents[j].For = slices.DeleteFunc(full.Gates[i].Agents[j].For, func(s string) bool { return s != "hybrid" })
			if len(full.Gates[i].Agents[j].For) == 0 {
				full.Gates[i].Agents[j].For = nil
			}
		}
	}
	text, err := full.YAML()
	if err != nil {
		t.Fatal(err)
	}
	read, err := blueprint.Parse(text)
	if err != nil {
		f, _ := fault.As(err)
		t.Fatalf("%v %+v", err, f.Details)
	}
	if !reflect.DeepEqual(full, read) {
		t.Error(cmp.Diff(full, read))
	}
}
