package proof

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/sandbox"
)

// TestCommandsHaveACacheOfTheirOwn compiles in a run, changes its cache, and
// sees that neither the base nor another run has the change.
func TestCommandsHaveACacheOfTheirOwn(t *testing.T) {
	t.Parallel()
	r := platform(t)
	spec, err := r.Command(t.Context(), "run_1")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module x\n", "main.go": "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"built\") }\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	spec.Argv, spec.Dir, spec.Stdout, spec.Stderr = []string{"sh", "-c", "go run . && echo poison > /gocache/poison"}, "/w", &out, &out
	spec.Mounts = append(spec.Mounts, sandbox.Mount{Host: dir, Inside: "/w", Writable: true})
	res, err := r.cfg.Sandbox.Run(t.Context(), spec)
	if err != nil || res.ExitCode != 0 || !strings.Contains(out.String(), "built") {
		t.Fatalf("%+v %v %s", res, err, out.String())
	}
	own := filepath.Join(r.runCache("run_1"), "poison")
	if _, err := os.Stat(own); err != nil {
		t.Errorf("the command's cache is not where it was looked for: %v", err)
	}
	base, err := r.baseCache(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(base, "poison")); !os.IsNotExist(err) {
		t.Errorf("the base cache was written to: %v", err)
	}
	if err := r.Forget("run_1"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(r.runCache("run_1")); !os.IsNotExist(err) {
		t.Errorf("the cache is still there: %v", err)
	}
	if _, err := r.Command(t.Context(), "../x"); fault.CodeOf(err) != "proof.run" {
		t.Errorf("a path as run gave %v", err)
	}
	if err := r.Forget("../x"); err != nil {
		t.Error(err)
	}
}

// TestPreliminaryRepeats gives the same words for the same files.
func TestPreliminaryRepeats(t *testing.T) {
	t.Parallel()
	r := platform(t)
	dir := t.TempDir()
	for name, text := range half.with(files{"a/a.go": "package a\n\n// Max is wrong.\nfunc Max(x, y int) int { return y }\n"}) {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	say := func(ctx context.Context, dir string) string {
		text, err := r.Preliminary(ctx, Subject{Project: testProject}, dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first := say(t.Context(), dir)
	for _, words := range []string{"Preliminary", "build_output: pass", "unit_test_output: fail. a: TestAC_1_1_max failed", "--- FAIL: TestAC_1_1_max"} {
		if !strings.Contains(first, words) {
			t.Errorf("the text lacks %q:\n%s", words, first)
		}
	}
	if second := say(t.Context(), dir); second != first {
		t.Errorf("the same files gave other words:\n%s\n%s", first, second)
	}
	if empty := say(t.Context(), t.TempDir()); !strings.Contains(empty, "No check applies") {
		t.Errorf("an empty folder gave %q", empty)
	}
}
