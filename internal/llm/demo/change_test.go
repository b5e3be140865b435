package demo_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/llm/demo"
)

const pricePlease = "Add a field for the price of a plant."

func TestLaterChange(t *testing.T) {
	t.Parallel()
	m := newModel(t, demo.Options{})
	b := newBench(t)
	b.build(m, brief{idea: ideas[0]})
	b.files["docs/PRD.md"] = strings.Replace(b.files["docs/PRD.md"], "## Non-goals\n", "## Non-goals\n\n- By hand: no dark mode.\n", 1)
	css := b.cssFile()
	b.files[css] += "\n/* by hand */\nh1 { color: #123456; }\n"
	before := b.copyOf()

	b.outputs = nil
	b.build(m, brief{idea: pricePlease, original: ideas[0], change: 2})
	b.checkDocuments(false)
	for name, want := range map[string]string{
		"docs/PRD.md": "### Change 2", "specs/data-model.yaml": "name: price", "docs/INTAKE.md": "### Change 2", "docs/TASKS.md": "### Change 2",
		"docs/ARCHITECTURE.md": "`price`",
	} {
		if !strings.Contains(b.files[name], want) {
			t.Errorf("%s does not hold %q", name, want)
		}
	}
	if !strings.Contains(b.files["docs/PRD.md"], "By hand: no dark mode.") || !strings.Contains(b.files[css], "#123456") {
		t.Error("an edit by hand was lost")
	}
	for _, line := range strings.Split(before.files["docs/USER_STORIES.md"], "\n") {
		if !strings.Contains(b.files["docs/USER_STORIES.md"], line) {
			t.Errorf("an old line of the stories is gone: %q", line)
		}
	}
	kept := 0
	for name, text := range before.files {
		if b.files[name] == text {
			kept++
		}
	}
	if kept < len(before.files)/2 {
		t.Errorf("only %d of %d files were left as they were", kept, len(before.files))
	}
	if log, ok := goTool(t, b.onDisk(), "vet", "./..."); !ok {
		t.Fatalf("after the change:\n%s", log)
	}

	// The same change once more, as after a restart, changes nothing.
	again := b.copyOf()
	again.build(m, brief{idea: pricePlease, original: ideas[0], change: 2})
	for name, text := range b.files {
		if again.files[name] != text {
			t.Errorf("a second run of the same change alters %s", name)
		}
	}
	b.build(m, brief{idea: "Add a field for the shop where it was bought, and a list of suppliers", original: ideas[0], change: 3})
	b.checkDocuments(false)
	if log, ok := goTool(t, b.onDisk(), "vet", "./..."); !ok {
		t.Fatalf("after the third change:\n%s", log)
	}
}

// TestNothingIsAddedThatIsToGo asks for less and for more at once: what is to go is
// not added, stays, and is named as a risk.
func TestNothingIsAddedThatIsToGo(t *testing.T) {
	t.Parallel()
	m := newModel(t, demo.Options{})
	base := planned(t, m, ideas[0])
	for _, c := range []struct{ request, field, stays string }{
		{"Remove the phone field and add the name of the witness", "witness", "the phone field"},
		{"Entferne das Telefon und ergänze einen Witness", "witness", "das Telefon"},
		{"We no longer need the location", "", "the location"},
	} {
		t.Run(c.request, func(t *testing.T) {
			t.Parallel()
			b := base.copyOf()
			before := b.files["specs/data-model.yaml"]
			for _, s := range steps("")[:4] {
				b.run(m, brief{role: s.role, gate: s.gate, change: 2, idea: c.request, original: ideas[0]})
			}
			after := b.files["specs/data-model.yaml"]
			if strings.Contains(after, "name: phone") || strings.Contains(after, "name: telefon") {
				t.Errorf("what was to go was added:\n%s", after)
			}
			if c.field == "" && after != before || !strings.Contains(after, "name: "+c.field) {
				t.Errorf("the data model is now:\n%s", after)
			}
			if !strings.Contains(b.files["docs/PRD.md"], "The demo model can only add; “"+c.stays+"” stays as it was.") {
				t.Errorf("the requirements hide that %s stays:\n%s", c.stays, b.files["docs/PRD.md"])
			}
			if !slices.Contains(b.risks, "Something was to be removed and stays") {
				t.Errorf("risks: %q", b.risks)
			}
		})
	}
}

func (b *bench) cssFile() string {
	b.t.Helper()
	for _, name := range b.paths() {
		if strings.HasSuffix(name, ".css") {
			return name
		}
	}
	b.t.Fatal("there is no stylesheet")
	return ""
}

func TestFastTrack(t *testing.T) {
	t.Parallel()
	m := newModel(t, demo.Options{})
	base := newBench(t)
	base.build(m, brief{idea: ideas[0]})
	title := strings.TrimPrefix(strings.SplitN(base.files["README.md"], "\n", 2)[0], "# ")
	cases := []struct{ request, want string }{
		{"make the heading green", "h1, h2, h3 { color: #1a7f37"},
		{"Please use a dark background", "background-color: #14171a"},
		{"Make the buttons orange.", "background-color: #b45309"},
		{fmt.Sprintf("Replace %q with %q in the texts", title, title+" of mine"), title + " of mine"},
	}
	for _, c := range cases {
		t.Run(c.request, func(t *testing.T) {
			t.Parallel()
			b := base.copyOf()
			b.asked = nil
			for _, s := range []step{{"backend-developer", "G5"}, {"frontend-developer", "G5"}, {"qa-engineer", "G6"}, {"devops-engineer", "G8"}} {
				b.run(m, brief{role: s.role, gate: s.gate, kind: "fast", change: 2, idea: c.request, original: ideas[0]})
			}
			changed := 0
			for _, name := range b.paths() {
				if b.files[name] == base.files[name] {
					continue
				}
				changed++
				if !strings.HasSuffix(name, ".css") && !strings.HasSuffix(name, ".md") && !strings.HasSuffix(name, ".html") {
					t.Errorf("%s was changed on the fast track", name)
				}
				if !strings.Contains(b.files[name], c.want) {
					t.Errorf("%s does not hold %q", name, c.want)
				}
			}
			if changed == 0 || len(b.asked) > 0 {
				t.Errorf("%d files changed, asked %q", changed, b.asked)
			}
		})
	}
	t.Run("not understood", func(t *testing.T) {
		t.Parallel()
		b := base.copyOf()
		b.answer = func(string) string { return "make the heading green" }
		b.run(m, brief{role: "frontend-developer", gate: "G5", kind: "fast", change: 2, idea: "make it nicer", original: ideas[0]})
		if len(b.asked) != 1 || !strings.Contains(b.files[b.cssFile()], "#1a7f37") {
			t.Errorf("asked %q", b.asked)
		}
		b = base.copyOf()
		b.answer = func(string) string { return "nicer, I said" }
		b.run(m, brief{role: "frontend-developer", gate: "G5", kind: "fast", change: 2, idea: "make it nicer", original: ideas[0]})
		if !strings.Contains(b.finished[0], "Not done") {
			t.Errorf("the summary hides that nothing was done: %q", b.finished[0])
		}
	})
}

func TestRework(t *testing.T) {
	t.Parallel()
	m := newModel(t, demo.Options{})
	planned := planned(t, m, ideas[0])
	cases := []struct {
		name, role, gate, feedback, file, want string
	}{
		{"a field", "product-manager", "G2", "docs/PRD.md: please add a field for the price of a plant", "docs/USER_STORIES.md", "rice"},
		{"the quote", "product-manager", "G2", "The goals are too vague", "docs/PRD.md", "> The goals are too vague"},
		{"a field in the model", "architect", "G3", "please add a field for the price of a plant", "specs/data-model.yaml", "name: price"},
		{"a name", "architect", "G3", `rename "Plant" to "Crop" please`, "docs/ARCHITECTURE.md", "Crop"},
		{"looks", "ux-ui-designer", "G4", "I want a dark background", "docs/DESIGN_SYSTEM.md", "> I want a dark background"},
		{"tasks", "orchestrator", "G1", "This is too long, make it shorter", "docs/TASKS.md", "cut to its first lines"},
		{"code", "backend-developer", "G5", "please add a field for the price of a plant", "specs/data-model.yaml", "name: price"},
		{"code without words understood", "backend-developer", "G5", "the log is hard to read", "docs/REVISIONS.md", "> the log is hard to read"},
		{"tests", "qa-engineer", "G6", "TEST_PLAN.md does not say who runs the tests", "docs/TEST_PLAN.md", "> TEST_PLAN.md does not say"},
		{"audit", "security-engineer", "G7", "Say more about backups", "docs/SECURITY_AUDIT.md", "> Say more about backups"},
		{"deployment", "devops-engineer", "G8", "Say more about rollback", "docs/DEPLOYMENT.md", "> Say more about rollback"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := planned.copyOf()
			if c.gate > "G4" {
				for _, s := range steps("")[5:8] {
					b.run(m, brief{role: s.role, gate: s.gate, idea: ideas[0]})
				}
			}
			before := b.copyOf()
			br := brief{role: c.role, gate: c.gate, kind: "rework", idea: ideas[0], feedback: c.feedback}
			b.run(m, br)
			if strings.Contains(before.files[c.file], c.want) || !strings.Contains(b.files[c.file], c.want) {
				t.Errorf("%s does not show the answer %q:\n%s", c.file, c.want, b.files[c.file])
			}
			after := b.copyOf()
			b.run(m, br)
			if c.role != "security-engineer" && b.files[c.file] != after.files[c.file] {
				t.Errorf("the same remark again changes %s again", c.file)
			}
			if c.role == "backend-developer" {
				if log, ok := compiles(t, b); !ok {
					t.Errorf("after the rework:\n%s", log)
				}
			}
		})
	}
}

// TestReworkReachesLaterRoles follows a remark on the requirements into the data
// model, the code and the tests.
func TestReworkReachesLaterRoles(t *testing.T) {
	t.Parallel()
	m := newModel(t, demo.Options{})
	b := newBench(t)
	b.run(m, brief{role: "product-manager", gate: "G2", idea: ideas[0]})
	b.run(m, brief{role: "product-manager", gate: "G2", kind: "rework", idea: ideas[0], feedback: "Please add a field for the price of a plant"})
	b.build(m, brief{idea: ideas[0]})
	if !strings.Contains(b.files["specs/data-model.yaml"], "name: price") {
		t.Error("the data model does not know the field that the requirements name")
	}
	if !strings.Contains(b.files["docs/PRD.md"], "> Please add a field") {
		t.Error("a build after the rework lost the record of the remark")
	}
	b.checkDocuments(false)
	if log, ok := compiles(t, b); !ok {
		t.Errorf("it does not build:\n%s", log)
	}
}

// TestRemarkOnADesignIsBuilt follows a remark on the designs into the pages.
func TestRemarkOnADesignIsBuilt(t *testing.T) {
	t.Parallel()
	m := newModel(t, demo.Options{})
	b := planned(t, m, ideas[0])
	b.run(m, brief{role: "ux-ui-designer", gate: "G4", kind: "rework", idea: ideas[0], feedback: "I want a dark background"})
	for name, text := range b.files {
		if strings.HasPrefix(name, "designs/") && !strings.Contains(text, "#14171a") {
			t.Errorf("%s is not dark", name)
		}
	}
	for range 2 {
		b.run(m, brief{role: "frontend-developer", gate: "G5", idea: ideas[0], notes: "- design: 3"})
		if n := strings.Count(b.files[b.cssFile()], ":root { color-scheme: dark; --bg: #14171a"); n != 1 {
			t.Errorf("the pages have the dark rules %d times", n)
		}
	}
}

func TestRepairOfDocuments(t *testing.T) {
	t.Parallel()
	m := newModel(t, demo.Options{})
	base := newBench(t)
	base.build(m, brief{idea: ideas[0]})
	cases := []struct{ role, gate, file string }{
		{"product-manager-onboarding", "G1", "docs/INTAKE.md"},
		{"product-manager", "G2", "docs/PRD.md"},
		{"product-manager", "G2", "docs/USER_STORIES.md"},
		{"architect", "G3", "specs/openapi.yaml"},
		{"architect", "G3", ".layercake/checks.yaml"},
		{"qa-engineer", "G6", "docs/TEST_PLAN.md"},
		{"security-engineer", "G7", "docs/SECURITY_AUDIT.md"},
		{"devops-engineer", "G8", "Dockerfile"},
		{"devops-engineer", "G9", "docs/RUNBOOK.md"},
	}
	for _, c := range cases {
		t.Run(c.file, func(t *testing.T) {
			t.Parallel()
			b := base.copyOf()
			b.files[c.file] = "broken\n"
			b.run(m, brief{role: c.role, gate: c.gate, kind: "repair", idea: ideas[0], task: "Repair " + c.file, feedback: c.file + " is invalid: line 1"})
			b.checkDocuments(false)
			if c.role == "architect" && b.files[c.file] != base.files[c.file] {
				t.Errorf("%s is still broken", c.file)
			}
		})
	}
}

func TestDeltaWritesWhatIsMissing(t *testing.T) {
	t.Parallel()
	m := newModel(t, demo.Options{})
	b := newBench(t)
	b.build(m, brief{idea: ideas[0]})
	before := b.copyOf()
	delete(b.files, "docs/TEST_PLAN.md")
	b.run(m, brief{role: "qa-engineer", gate: "G6", kind: "delta", idea: ideas[0], feedback: "docs/TEST_PLAN.md changed"})
	for name, text := range before.files {
		if b.files[name] != text {
			t.Errorf("%s differs after the review", name)
		}
	}
}

func TestForeignCode(t *testing.T) {
	t.Parallel()
	m := newModel(t, demo.Options{})
	t.Run("go", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		b.files = map[string]string{
			"go.mod": "module example.com/old\n\ngo 1.24\n", "README.md": "# Old program\n\nIt has been here for years and does what it does.\n",
			"main.go": "// Command old says hello.\npackage main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(greeting()) }\n\nfunc greeting() string { return \"hello\" }\n",
		}
		old := b.copyOf()
		b.build(m, brief{typ: "enhancement", idea: "Keep a list of suppliers with name and phone", owed: []string{"specs/openapi.yaml"}})
		b.checkForeign(old)
		second := b.copyOf()
		b.build(m, brief{typ: "enhancement", change: 2, idea: "Keep a list of customers", original: "Keep a list of suppliers with name and phone"})
		b.checkForeign(old)
		if out, ok := goTool(t, b.onDisk(), "test", "-count=1", "./..."); !ok {
			t.Fatalf("after the second addition:\n%s", out)
		}
		if len(b.files) <= len(second.files) {
			t.Error("the second change added nothing")
		}
	})
	t.Run("node", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		b.files = map[string]string{
			"package.json": "{\n  \"name\": \"old\",\n  \"type\": \"module\",\n  \"scripts\": {\n    \"start\": \"node index.js\"\n  }\n}\n",
			"index.js":     "console.log('hello');\n", "README.md": "# Old program\n\nIt has been here for years and does what it does.\n",
		}
		old := b.copyOf()
		b.build(m, brief{typ: "enhancement", idea: "Keep a list of suppliers with name and phone", owed: []string{"specs/openapi.yaml"}})
		manifest := b.files["package.json"]
		if !strings.Contains(manifest, `"test:layercake"`) || !strings.Contains(manifest, `"start"`) {
			t.Errorf("package.json:\n%s", manifest)
		}
		old.files["package.json"] = manifest
		b.checkForeign(old)
	})
}

// checkForeign asserts that documents are whole and that nothing that was there
// before has changed.
func (b *bench) checkForeign(old *bench) {
	b.t.Helper()
	for name, text := range old.files {
		if b.files[name] != text {
			b.t.Errorf("%s was changed", name)
		}
	}
	b.checkDocuments(false)
}
