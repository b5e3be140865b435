package app_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// What models do wrong is repaired, asked about or refused, and never passes.
func TestScripts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		script, until string
		code          int
		status        string
		check         func(t *testing.T, a answer)
	}{
		{"build-broken", "G5", 0, "completed", func(t *testing.T, a answer) {
			if !strings.Contains(a.stdout, `"verdict":"fail"`) || !strings.Contains(a.stdout, `"again":"repair"`) {
				t.Error("the broken build was not seen and repaired")
			}
		}},
		{"loop", "G5", 3, "waiting", func(t *testing.T, a answer) {
			if !strings.Contains(a.result.Reason, "goes in circles") || a.count("step.model") > 60 {
				t.Errorf("reason %q after %d model turns", a.result.Reason, a.count("step.model"))
			}
		}},
		{"ask", "G5", 0, "completed", func(t *testing.T, a answer) {
			if a.count("question.answered") < 6 {
				t.Errorf("%d questions were answered", a.count("question.answered"))
			}
		}},
		{"malformed", "G5", 0, "completed", func(t *testing.T, a answer) {
			if !strings.Contains(a.stdout, `"error":true`) {
				t.Error("no malformed call came back as an error")
			}
		}},
		{"length", "G3", 0, "completed", nil},
		{"rate-limited", "G2", 0, "completed", func(t *testing.T, a answer) {
			if a.count("model_call.refused") < 2 {
				t.Errorf("%d refusals", a.count("model_call.refused"))
			}
		}},
		{"conflict", "G5", 0, "completed", func(t *testing.T, a answer) {
			if a.count("merge.conflict") < 1 {
				t.Error("there was no conflict")
			}
		}},
		{"merged-red", "G5", 0, "completed", func(t *testing.T, a answer) {
			if !strings.Contains(a.stdout, `"verdict":"fail"`) {
				t.Error("both sides together were not red")
			}
		}},
	} {
		t.Run(c.script, func(t *testing.T) {
			t.Parallel()
			if c.until > "G3" && c.script != "loop" {
				wholeRun(t)
			}
			p := newPlace(t, "LAYERCAKE_DEMO_SCRIPT="+c.script)
			a := p.idea("bookmarks", "--until", c.until)
			a.want(t, c.code, c.status)
			if c.check != nil {
				c.check(t, a)
			}
			if v := p.run("verify", p.data); v.code != 0 {
				t.Errorf("verify: %s", v.stdout)
			}
			if c.code != 0 {
				return
			}
			if v := p.run("verify", p.out); v.code != 0 {
				t.Errorf("verify of what was exported half-way: %s", v.stdout)
			}
		})
	}
}

// An agent that lies gets nowhere: what it may not call is refused, its tests
// that print passes turn a proof red, and only tests without the lie are
// approved.
func TestForgedEvidence(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "LAYERCAKE_DEMO_SCRIPT=forge@qa-engineer")
	a := p.idea("bookmarks", "--until", "G6")
	refused := map[string]bool{}
	claimed, red := false, ""
	for _, line := range strings.Split(strings.TrimSpace(a.stdout), "\n") {
		var e struct {
			Type, Actor string
			Data        struct {
				Gate, Role, Tool, About, Type, Verdict string
				Error                                  bool
			}
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		d := e.Data
		switch {
		case e.Type == "step.tool" && d.Role == "qa-engineer" && d.Error:
			refused[strings.TrimSpace(d.Tool+" "+d.About)] = true
		case e.Type == "step.tool" && (d.Tool == "decide" || d.Tool == "approve"):
			t.Errorf("the call of %s was not refused", d.Tool)
		case e.Type == "run.succeeded" && d.Role == "qa-engineer":
			claimed = true
		case e.Type == "proof.finished" && claimed && red == "" && d.Verdict == "fail":
			red = d.Type
		case strings.HasPrefix(e.Type, "gate.") && strings.HasPrefix(e.Actor, "agent:"):
			t.Errorf("%s by %s", e.Type, e.Actor)
		case e.Type == "gate.approved" && d.Gate == "G6" && red == "":
			t.Error("G6 was approved, and no proof failed on the forged tests")
		}
	}
	for _, call := range []string{"write_file .layercake/evidence/G6/build_output.json", "write_file ../outside.txt", "write_file /tmp/layercake-forged.txt", "decide", "approve"} {
		if !refused[call] {
			t.Errorf("the call %q was not refused; refused were %v", call, refused)
		}
	}
	if !claimed || !slices.Contains([]string{"lint_output", "unit_test_output", "integration_test_output", "e2e_test_output", "coverage_report"}, red) {
		t.Errorf("the forger was done: %t; the proof that failed is %q", claimed, red)
	}
	t.Logf("%s failed on the forged tests", red)
	if a.gate("G6").Status == "APPROVED" {
		if test := read(t, p.out, "internal/domain/domain_test.go"); strings.Contains(test, "forged") || strings.Contains(test, "os.Exit(0)") {
			t.Errorf("G6 was approved with tests that print their passes:\n%s", test)
		}
	}
	if v := p.run("verify", p.data); v.code != 0 {
		t.Errorf("verify: %s", v.stdout)
	}
}
