package internal_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// faults are those of the system before this one that can come back in what is
// built so far, each with tests that fail when it does. Accounts, sessions and
// the web interface are not here yet; neither are their faults.
var faults = []struct {
	fault string
	tests map[string][]string // by package folder
}{
	{"a passing proof was written whenever an agent wrote a document", map[string][]string{"proof": {"TestNoForgedRows", "TestForgeriesFail"}, "app": {"TestForgedEvidence"}}},
	{"the flow could not finish", map[string][]string{"flow": {"TestEveryBlueprintIsCarriedToItsEnd"}, "app": {"TestIdeasBecomeVerifiedRepositories"}}},
	{"approval by substring: not approved, disapprove, yesterday", map[string][]string{"gate": {"TestOnlyTheVocabularyApproves", "TestWordsAroundAnApprovalMakeItAmbiguous"}}},
	{"reject, block and a failed test were dead ends, an old failure was never superseded", map[string][]string{"flow": {"TestSoakEveryMoveKeepsThePromises"}, "proof": {"TestLateProofIsSuperseded"}, "app": {"TestScripts"}}},
	{"agent-written scripts ran on the host with every server secret", map[string][]string{"sandbox": {"TestSecretsOfTheServerAreNowhere", "TestWithoutSandboxNothingRuns"}}},
	{"path traversal and shell injection", map[string][]string{"agent": {"TestNoPathLeavesTheWorkspace", "TestNoLinkLeavesTheWorkspace"}, "repo": {"TestCheckPath", "TestRefNamesAreGits"}}},
	{"who was not allowed to decide decided", map[string][]string{"gate": {"TestWhoMayDecide"}, "agent": {"TestToolNames"}}},
	{"two schedulers raced", map[string][]string{"flow": {"TestSoakEveryMoveKeepsThePromises"}}},
	{"runs were promises in a process: no resume, no idempotency", map[string][]string{"app": {"TestKilledRunGoesOn", "TestDataFolder"}}},
	{"a missing build script, missing tests or an unreadable audit counted as success", map[string][]string{"proof": {"TestNothingToRunIsBlocked", "TestNode", "TestDependencies"}, "app": {"TestNoSandbox"}}},
	{"model output was cut, truncated or misread", map[string][]string{"app": {"TestScripts"}, "agent": {"TestMalformedInput"}}},
	{"tokens were overwritten with zero, prices matched no model, there was no budget", map[string][]string{"run": {"TestBudgetHolds", "TestUnknownPriceIsNotZero"}}},
	{"migrations lagged the schema", map[string][]string{"app": {"TestCommands"}}},
	{"success was claimed that the code did not support", map[string][]string{"app": {"TestIdeasBecomeVerifiedRepositories"}, "proof": {"TestEmptyTestsFail"}}},
}

// Whoever deletes or renames such a test is told which fault it guards.
func TestFaultsOfTheEarlierSystemAreGuarded(t *testing.T) {
	t.Parallel()
	for _, f := range faults {
		for folder, tests := range f.tests {
			files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			var source []byte
			for _, file := range files {
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				source = append(source, data...)
			}
			for _, name := range tests {
				if !regexp.MustCompile(`(?m)^func ` + name + `\(t \*testing\.T\)`).Match(source) {
					t.Errorf("%s has no %s any more; it guards against: %s", folder, name, f.fault)
				}
			}
		}
	}
}
