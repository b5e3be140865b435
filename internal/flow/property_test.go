package flow_test

import (
	"flag"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
)

// small is a blueprint of an organization's own: few gates, each decided by
// itself by one person, no release to scan.
const small = `
name: small
title: Small
description: As little as testing allows.
version: 1
for: [traditional, enhancement]
tiers: {mvp: 60, standard: 80, enterprise: 90}
gates:
  - code: G0
    name: Setup
    purpose: The workspace stands.
    deliverables: [{name: Project sheet, kind: markdown, path: docs/PROJECT.md, carried: true}]
    proofs: [{type: workspace_ready}]
  - code: G2
    name: Requirements
    purpose: It is said what is wanted.
    agents: [{role: product-manager, title: Product manager, brief: Write it down.}]
    deliverables: [{name: Product requirements, kind: prd, path: docs/PRD.md, role: product-manager, sections: [Problem]}]
    proofs: [{type: requirements_check, repair: product-manager}]
    skip: [{when: fast_track, reason: It stays as it was.}]
  - code: G5
    name: Development
    purpose: It is built.
    agents: [{role: backend-developer, title: Developer, brief: Build it.}]
    deliverables: [{name: Source code, kind: source, path: "internal/**/*.go", role: backend-developer, carried: true}]
    proofs: [{type: build_output, repair: backend-developer}]
  - code: G6
    name: Testing
    purpose: It is tested.
    agents: [{role: qa-engineer, title: Tester, brief: Test it.}]
    deliverables: [{name: Test plan, kind: test_plan, path: docs/TEST_PLAN.md, role: qa-engineer, sections: [Traceability]}]
    proofs: [{type: unit_test_output, repair: backend-developer}, {type: coverage_report, repair: qa-engineer}]
    approval: {roles: [owner, member], quorum: 1}
  - code: G9
    name: Production
    purpose: It is delivered and seen to work.
    agents: [{role: devops-engineer, title: Operator, brief: Deliver it.}]
    deliverables: [{name: Runbook, kind: markdown, path: docs/RUNBOOK.md, role: devops-engineer}]
    proofs: [{type: deployment_log, repair: devops-engineer}, {type: manual_verification}]
    skip: [{when: mode_local_only, reason: It is used where it was made.}]
proofs:
  workspace_ready: {inputs: [docs/PROJECT.md]}
  requirements_check: {inputs: [docs/PRD.md]}
  build_output: {inputs: ["**/*.go"]}
  unit_test_output: {inputs: ["**/*.go"]}
  coverage_report: {inputs: ["**/*.go", docs/TEST_PLAN.md]}
  deployment_log: {inputs: ["**/*.go", Dockerfile]}
  manual_verification: {inputs: ["**/*.go"]}
`

// blueprints are those that ship, and the small one.
func blueprints(t testing.TB) []*blueprint.Blueprint {
	t.Helper()
	var out []*blueprint.Blueprint
	for _, name := range blueprint.Names() {
		b, err := blueprint.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	b, err := blueprint.Parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	return append(out, b)
}

// soak reports whether a long run was asked for.
func soak() bool { return os.Getenv("LAYERCAKE_SOAK") == "1" }

// How many moves a test run makes at least, an ordinary one and a soak run; the
// environment variable LAYERCAKE_MOVES asks for another number.
const (
	ordinaryMoves = 300
	soakMoves     = 1_000_000
)

func wantedMoves(t *testing.T) int64 {
	text := os.Getenv("LAYERCAKE_MOVES")
	switch {
	case text == "" && soak():
		return soakMoves
	case text == "":
		return ordinaryMoves
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		t.Fatalf("LAYERCAKE_MOVES=%q is not a number of moves", text)
	}
	return n
}

// TestSoakEveryMoveKeepsThePromises plays agents, checks, people and time at
// random on real rows, and holds every move against four promises:
//
//   - no gate is approved against an objection of the second opinion, and none
//     is refused without one;
//   - every decision has a person and a legal method, and whoever may not act
//     changes nothing;
//   - from every state willing people, good agents and green checks lead to the
//     end of the change;
//   - flow that runs again changes nothing.
func TestSoakEveryMoveKeepsThePromises(t *testing.T) {
	wanted := wantedMoves(t)
	between := "5" // projects between two looks at the count
	if wanted < 1000 {
		between = "1"
	}
	if err := flag.Set("rapid.checks", between); err != nil {
		t.Fatal(err)
	}
	plans := blueprints(t)
	var moves, sequences atomic.Int64
	began := time.Now()
	t.Run("players", func(t *testing.T) {
		for _, player := range []string{"one", "two"} {
			t.Run(player, func(t *testing.T) {
				t.Parallel()
				folder := t.TempDir()
				for moves.Load() < wanted {
					rapid.Check(t, func(rt *rapid.T) {
						moves.Add(int64(sequence(rt, folder, plans)))
						sequences.Add(1)
					})
				}
			})
		}
	})
	spent := time.Since(began)
	t.Logf("%d moves in %d projects, %.0f moves per second", moves.Load(), sequences.Load(), float64(moves.Load())/spent.Seconds())
}

// sequence is the life of one project: some way that goes well, random moves,
// and the way to the end; sometimes a further change. It returns how many moves
// it had.
func sequence(t *rapid.T, folder string, plans []*blueprint.Blueprint) int {
	w, end := newWorld(t, folder)
	defer end()
	b := plans[rapid.IntRange(0, len(plans)-1).Draw(t, "blueprint")]
	on := func(label string) bool { return rapid.Bool().Draw(t, label) }
	like := product{ui: on("ui"), api: on("api"), data: on("data"), serves: on("serves"), integration: on("integration"), e2e: on("e2e")}
	p := project.Project{
		Type: rapid.SampledFrom(b.For).Draw(t, "type"), Mode: rapid.SampledFrom(project.Modes).Draw(t, "mode"),
		Tier: rapid.SampledFrom(project.Tiers).Draw(t, "tier"),
	}
	w.begin(rapid.SampledFrom([]gate.Decider{ada, grace, proxy}).Draw(t, "by"), like, p, b)
	for range rapid.IntRange(1, 2).Draw(t, "parts") {
		for range rapid.IntRange(0, 40).Draw(t, "prelude") {
			s := w.rows()
			if s.change.Status != project.ChangeOpen {
				break
			}
			w.help(s)
			w.settled()
		}
		for range rapid.IntRange(0, 60).Draw(t, "moves") {
			if rapid.IntRange(0, 5).Draw(t, "illegal") == 5 {
				w.transgress(t)
				continue
			}
			w.play(t)
			w.settled()
		}
		w.finish()
		w.verify()
		if on("more") {
			w.next(rapid.SampledFrom([]string{"Change the colour of the heading", "Add a report"}).Draw(t, "request"))
		}
	}
	return w.moves
}
