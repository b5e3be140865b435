// Package proof obtains evidence by machine: it runs a named check on a clean
// checkout of one commit, inside the sandbox, reads the report itself and gives
// a verdict. A check passes only when everything it looked at says so; what is
// unknown, missing, empty or unreadable is blocked, never passed.
//
// What agents wrote is compiled in one sandbox, where none of it runs, and
// executed in another, which cannot write anything that outlives it. Reports
// are not believed alone: the tests they name must exist in the source, each of
// them must have passed a probe that the platform compiled into it, and a
// canary test that the platform adds must be able to turn the run red.
package proof

import (
	"context"
	"slices"
)

// The types of proof. All but Manual come from the platform.
const (
	Workspace    = "workspace_ready"
	Requirements = "requirements_check"
	Spec         = "spec_validation"
	Design       = "design_validation"
	Build        = "build_output"
	Lint         = "lint_output"
	Preview      = "preview_startup"
	Unit         = "unit_test_output"
	Integration  = "integration_test_output"
	E2E          = "e2e_test_output"
	Coverage     = "coverage_report"
	Secrets      = "secret_scan"
	Dependencies = "dependency_scan"
	SBOM         = "sbom"
	Deployment   = "deployment_log"
	Smoke        = "smoke_test"
	Manual       = "manual_verification"
)

// Verdict is what a check concludes.
type Verdict string

// Pass: all that was looked at is right. Fail: the product is wrong. Blocked:
// it could not be found out, and the reason says what to do about it.
const (
	Pass    Verdict = "pass"
	Fail    Verdict = "fail"
	Blocked Verdict = "blocked"
)

// Source says who obtained a proof.
type Source string

// Platform proofs exist only because the platform ran the check; a Person gives
// Manual ones.
const (
	Platform Source = "platform"
	Person   Source = "person"
)

// check is one way of obtaining evidence. It returns an error only when the
// platform itself is in trouble (a full disk, a cancelled context).
type check func(ctx context.Context, w *work) (outcome, error)

// checks lists every check that the platform can run.
var checks = map[string]check{
	Workspace:    checkWorkspace,
	Requirements: checkRequirements,
	Spec:         checkSpec,
	Design:       checkDesign,
	Build:        checkBuild,
	Lint:         checkLint,
	Preview:      checkPreview,
	Unit:         checkTests,
	Integration:  checkTests,
	E2E:          checkTests,
	Coverage:     checkCoverage,
	Secrets:      checkSecrets,
	Dependencies: checkDependencies,
	SBOM:         checkSBOM,
	Deployment:   checkDeployment,
	Smoke:        checkSmoke,
}

// Types returns every type of proof, sorted.
func Types() []string {
	out := []string{Manual}
	for name := range checks {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Known reports whether typ is a type of proof.
func Known(typ string) bool {
	_, ok := checks[typ]
	return ok || typ == Manual
}

// SourceOf returns who can give a proof of this type.
func SourceOf(typ string) Source {
	if typ == Manual {
		return Person
	}
	return Platform
}
