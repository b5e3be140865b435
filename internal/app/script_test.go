package app_test

import (
	"os"
	"path/filepath"
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

// An agent that lies gets nowhere: its tests that print passes do not pass, its
// evidence is not taken, and no gate is decided by it.
func TestForgedEvidence(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "LAYERCAKE_DEMO_SCRIPT=forge@qa-engineer")
	a := p.idea("bookmarks", "--until", "G6")
	if a.gate("G6").Status == "APPROVED" && !strings.Contains(a.stdout, `"verdict":"fail"`) {
		t.Fatalf("G6 was approved on forged tests:\n%s", tail(a.stdout))
	}
	for _, e := range a.events {
		if strings.HasPrefix(e, "decide") {
			t.Errorf("event %s", e)
		}
	}
	if v := p.run("verify", p.data); v.code != 0 {
		t.Errorf("verify: %s", v.stdout)
	}
}
