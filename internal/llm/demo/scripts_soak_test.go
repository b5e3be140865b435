//go:build soak

package demo_test

import (
	"fmt"
	"testing"

	"github.com/layercake-app/layercake/internal/llm/demo"
)

// The whole runs of package app play these two scripts against the platform's own
// checks; here each step is looked at.

func TestScriptBuildBroken(t *testing.T) {
	t.Parallel()
	idea := ideas[0] + "\n" + fmt.Sprintf(demo.Marker, "build-broken")
	m := newModel(t, demo.Options{})
	b := planned(t, m, idea)
	b.checks = b.goChecks
	b.run(m, brief{role: "backend-developer", gate: "G5", idea: idea})
	b.run(m, brief{role: "frontend-developer", gate: "G5", idea: idea})
	log, ok := compiles(t, b)
	if ok {
		t.Fatal("the first version compiles")
	}
	b.run(m, brief{role: "backend-developer", gate: "G5", idea: idea, kind: "repair", task: "Repair build_output", feedback: "build_output: fail\n" + log})
	if log, ok := compiles(t, b); !ok {
		t.Fatalf("the repaired version does not compile:\n%s", log)
	}
	if len(b.blockers) > 0 {
		t.Errorf("blockers: %q", b.blockers)
	}
}

func TestScriptMergedRed(t *testing.T) {
	t.Parallel()
	m := newModel(t, demo.Options{Script: "merged-red"})
	base := planned(t, m, ideas[0])
	server, pages := base.copyOf(), base.copyOf()
	server.run(m, brief{role: "backend-developer", gate: "G5", idea: ideas[0]})
	pages.run(m, brief{role: "frontend-developer", gate: "G5", idea: ideas[0]})
	for name, branch := range map[string]*bench{"backend": server, "frontend": pages} {
		if log, ok := compiles(t, branch); !ok {
			t.Fatalf("the branch of the %s does not compile by itself:\n%s", name, log)
		}
	}
	merged := server.copyOf()
	merged.checks = merged.goChecks
	for name, text := range pages.files {
		if _, both := server.files[name]; !both || base.files[name] != text {
			merged.files[name] = text
		}
	}
	log, ok := compiles(t, merged)
	if ok {
		t.Fatal("both branches together compile")
	}
	merged.run(m, brief{role: "backend-developer", gate: "G5", idea: ideas[0], kind: "repair", task: "Repair build_output", feedback: log})
	if log, ok := compiles(t, merged); !ok {
		t.Fatalf("the repair did not help:\n%s", log)
	}
}

// goChecks lets run_checks compile the workspace as it is.
func (b *bench) goChecks([]string) string {
	out, ok := goTool(b.t, b.onDisk(), "build", "./...")
	if !ok {
		return "Preliminary results.\n\nbuild_output: fail. go build ./...\n" + out
	}
	return "Preliminary results.\n\nbuild_output: pass. It builds."
}
