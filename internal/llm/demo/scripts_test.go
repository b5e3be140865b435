package demo_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/llm"
	"github.com/layercake-app/layercake/internal/llm/demo"
)

// planned is a workspace in which everything up to G4 is done.
func planned(t *testing.T, m *demo.Model, idea string) *bench {
	t.Helper()
	b := newBench(t)
	for _, s := range steps("")[:5] {
		b.run(m, brief{role: s.role, gate: s.gate, idea: idea})
	}
	return b
}

func (b *bench) copyOf() *bench {
	c := *b
	c.files = map[string]string{}
	for name, text := range b.files {
		c.files[name] = text
	}
	c.refused, c.outputs, c.finished, c.asked, c.blockers = nil, nil, nil, nil, nil
	return &c
}

// compiles reports whether the workspace compiles.
func compiles(t *testing.T, b *bench) (log string, ok bool) {
	t.Helper()
	return goTool(t, b.onDisk(), "build", "./...")
}

// asWithout reports files of b that differ from those of a run without script.
func (b *bench) asWithout(base *bench, br brief) {
	b.t.Helper()
	plain := base.copyOf()
	plain.run(newModel(b.t, demo.Options{}), br)
	if !maps.Equal(b.files, plain.files) {
		b.t.Errorf("the work was not done as it is without the script: %q, want %q", b.paths(), plain.paths())
	}
}

func TestEveryScriptIsDescribed(t *testing.T) {
	t.Parallel()
	want := []string{"build-broken", "loop", "ask", "malformed", "length", "rate-limited", "conflict", "merged-red", "forge"}
	var names []string
	for _, s := range demo.Scripts {
		names = append(names, s.Name)
		if !strings.HasSuffix(s.Does, ".") || len(s.Does) < 20 {
			t.Errorf("script %s is not described: %q", s.Name, s.Does)
		}
		newModel(t, demo.Options{Script: s.Name})
	}
	if !slices.Equal(names, want) {
		t.Errorf("scripts are %q, want %q", names, want)
	}
	_, err := demo.New(demo.Options{Script: "nonsense"})
	if err == nil || !strings.Contains(err.Error(), "build-broken") {
		t.Errorf("an unknown script gives %v, want the list of scripts", err)
	}
}

func TestScriptLoop(t *testing.T) {
	t.Parallel()
	m := newModel(t, demo.Options{Script: "loop@architect"})
	b := newBench(t)
	_, done := b.runTurns(m, brief{role: "architect", gate: "G3", idea: ideas[0]}, 20, 8192)
	if done {
		t.Fatal("the loop ended")
	}
	for _, out := range b.outputs {
		if len(out.Calls) != 1 || out.Calls[0].Name != "list_files" || string(out.Calls[0].Input) != string(b.outputs[0].Calls[0].Input) {
			t.Fatalf("a turn differs: %+v", out.Calls)
		}
	}
	b.run(m, brief{role: "product-manager", gate: "G2", idea: ideas[0]})
}

func TestScriptAsk(t *testing.T) {
	t.Parallel()
	m := newModel(t, demo.Options{Script: "ask"})
	b := planned(t, m, ideas[0])
	before := len(b.asked)
	b.run(m, brief{role: "backend-developer", gate: "G5", idea: ideas[0]})
	if len(b.asked) != before+1 {
		t.Fatalf("asked %d questions more, want 1: %q", len(b.asked)-before, b.asked)
	}
	question := b.asked[before]
	b.run(m, brief{role: "backend-developer", gate: "G5", idea: ideas[0], answers: [][2]string{{question, "Thirty days."}}})
	if len(b.asked) != before+1 {
		t.Error("an answered question was asked again")
	}
}

func TestScriptMalformed(t *testing.T) {
	t.Parallel()
	br := brief{role: "backend-developer", gate: "G5", idea: ideas[0]}
	base := planned(t, newModel(t, demo.Options{}), ideas[0])
	b := base.copyOf()
	b.run(newModel(t, demo.Options{Script: "malformed"}), br)
	first := b.outputs[0].Calls
	if len(first) != 3 || json.Valid(first[0].Input) || slices.Contains(toolNames, first[1].Name) {
		t.Fatalf("the first turn is well formed: %+v", first)
	}
	if len(b.refused) != 3 {
		t.Errorf("%d calls were refused, want 3: %+v", len(b.refused), b.refused)
	}
	b.asWithout(base, br)
}

func TestScriptLength(t *testing.T) {
	t.Parallel()
	br := brief{role: "backend-developer", gate: "G5", idea: ideas[0]}
	base := planned(t, newModel(t, demo.Options{}), ideas[0])
	b := base.copyOf()
	b.run(newModel(t, demo.Options{Script: "length"}), br)
	if first := b.outputs[0]; first.Stop != llm.StopLength || len(first.Calls) != 1 || json.Valid(first.Calls[0].Input) {
		t.Fatalf("the first turn was not cut off: %+v", b.outputs[0])
	}
	b.asWithout(base, br)
}

func TestScriptRateLimited(t *testing.T) {
	t.Parallel()
	var keys []string
	m := newModel(t, demo.Options{Script: "rate-limited", Calls: func(key string) { keys = append(keys, key) }})
	req := llm.Request{Key: "run/1", Messages: []llm.Message{{Author: llm.User, Text: "<role>\norchestrator\n</role>\n<idea>\nA list\n</idea>"}}, Tools: tools(brief{})}
	for i, want := range []int{429, 529} {
		_, err := m.Complete(context.Background(), req, nil)
		var refusal *llm.Error
		if !errors.As(err, &refusal) || refusal.Status != want || !refusal.Temporary() {
			t.Fatalf("attempt %d: %v, want status %d", i+1, err, want)
		}
		if want == 429 && refusal.RetryAfter <= 0 {
			t.Error("429 does not say when to try again")
		}
	}
	if resp, err := m.Complete(context.Background(), req, nil); err != nil || len(resp.Calls) == 0 {
		t.Fatalf("third attempt: %+v, %v", resp, err)
	}
	if len(keys) != 1 {
		t.Errorf("calls counted: %q, want the completed one alone", keys)
	}
}

func TestScriptConflict(t *testing.T) {
	t.Parallel()
	m := newModel(t, demo.Options{Script: "conflict"})
	base := planned(t, m, ideas[0])
	server, pages := base.copyOf(), base.copyOf()
	server.run(m, brief{role: "backend-developer", gate: "G5", idea: ideas[0]})
	pages.run(m, brief{role: "frontend-developer", gate: "G5", idea: ideas[0]})
	ours, theirs := server.files["README.md"], pages.files["README.md"]
	if ours == theirs || ours == base.files["README.md"] || theirs == base.files["README.md"] {
		t.Fatal("the two branches do not change the same file differently")
	}
	if o, th := firstDifference(base.files["README.md"], ours), firstDifference(base.files["README.md"], theirs); o != th {
		t.Fatalf("the branches change lines %d and %d", o, th)
	}
	merged := server.copyOf()
	merged.run(m, brief{
		role: "frontend-developer", gate: "G5", idea: ideas[0], kind: "conflict", task: "Merge both sides of README.md",
		feedback: "conflict in README.md\n--- ours (already merged)\n" + ours + "\n--- theirs (this role's)\n" + theirs + "\n--- end\n",
	})
	got := merged.files["README.md"]
	if !strings.Contains(got, "server built") || !strings.Contains(got, "pages built") || strings.Contains(got, "<<<<") {
		t.Errorf("the resolved file does not keep both sides:\n%.300s", got)
	}
	if strings.Count(got, "\n") != strings.Count(ours, "\n") {
		t.Errorf("the resolved file has %d lines, each side %d", strings.Count(got, "\n"), strings.Count(ours, "\n"))
	}
}

func firstDifference(a, b string) int {
	la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(la), len(lb)) {
		if la[i] != lb[i] {
			return i
		}
	}
	return -1
}

func TestScriptForge(t *testing.T) {
	t.Parallel()
	m := newModel(t, demo.Options{Script: "forge"})
	b := planned(t, m, ideas[0])
	b.refused = nil
	for _, s := range []step{{"backend-developer", "G5"}, {"frontend-developer", "G5"}, {"qa-engineer", "G6"}} {
		b.run(m, brief{role: s.role, gate: s.gate, idea: ideas[0]})
	}
	attempts := map[string]bool{}
	for _, c := range b.refused {
		attempts[c.Name] = true
		if c.Name == "write_file" {
			var in struct{ Path string }
			if err := json.Unmarshal(c.Input, &in); err != nil {
				t.Fatal(err)
			}
			attempts[in.Path] = true
		}
	}
	for _, want := range []string{"decide", "approve", "../outside.txt", "/tmp/layercake-forged.txt", ".layercake/evidence/G6/build_output.json"} {
		if !attempts[want] {
			t.Errorf("%s was not tried; tried: %v", want, attempts)
		}
	}
	if !strings.Contains(b.files["docs/TEST_RESULTS.md"], "All tests pass") {
		t.Error("no document claims that all tests pass")
	}
	mains, skips, tests := 0, 0, 0
	for name, text := range b.files {
		if strings.HasSuffix(name, "_test.go") {
			mains += strings.Count(text, "func TestMain(")
			skips += strings.Count(text, ".SkipNow()")
			tests += strings.Count(text, "(t *testing.T) {\n")
		}
	}
	if mains == 0 || skips == 0 || skips < tests/2 {
		t.Errorf("%d TestMain, %d of %d tests skipped", mains, skips, tests)
	}
	out, ok := goTool(t, b.onDisk(), "test", "-count=1", "./internal/domain/")
	if !ok {
		t.Errorf("the forged tests do not pass the naive look:\n%s", out)
	}
	b.run(m, brief{role: "qa-engineer", gate: "G6", idea: ideas[0], kind: "repair", task: "Repair unit_test_output", feedback: "unit_test_output: fail. The canary did not turn the run red."})
	for name, text := range b.files {
		if strings.HasSuffix(name, "_test.go") && (strings.Contains(text, ".SkipNow()") || strings.Contains(text, "forgedOS")) {
			t.Errorf("%s is still forged after the repair", name)
		}
	}
}

func TestCallsAreCounted(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "calls")
	var keys []string
	b := newBench(t)
	for range 2 { // a second process appends
		m := newModel(t, demo.Options{CallsFile: file, Calls: func(key string) { keys = append(keys, key) }})
		b.run(m, brief{role: "orchestrator", gate: "G1", idea: ideas[0]})
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(string(written)); !slices.Equal(got, keys) || len(got) != len(b.outputs) {
		t.Errorf("the file has %q, told were %q, made were %d", got, keys, len(b.outputs))
	}
	m := newModel(t, demo.Options{CallsFile: t.TempDir()})
	if _, err := m.Complete(context.Background(), llm.Request{}, nil); err == nil {
		t.Error("a list of calls that cannot be written was no error")
	}
}
