package internal_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// faults are those of the system before this one that can come back in what is
// built so far, each with tests that fail when it does. Accounts, sessions and
// the web interface are not here yet; neither are their faults.
var faults = []guarded{
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
	{"a page that a model wrote could run scripts beside what is ours", map[string][]string{"app/cli": {"TestAPersonDecidesAtTheTerminal"}}},
	{"migrations lagged the schema", map[string][]string{"app": {"TestCommands"}}},
	{"success was claimed that the code did not support", map[string][]string{"app": {"TestIdeasBecomeVerifiedRepositories"}, "proof": {"TestEmptyTestsFail"}}},
}

// hostile is what an agent may leave in its workspace to reach what is not its
// own. "The workspace is hostile" in the plan lists it.
var hostile = []guarded{
	{"a configuration, hook, filter or monitor that host git would run", map[string][]string{"repo": {"TestRepositoryMadeByAgentRunsNothing", "TestEnvironmentOfTheProcessWouldRunThings", "TestInspectedConfigurationRunsNothing"}}},
	{"attributes that change bytes or hide a difference", map[string][]string{"repo": {"TestAttributesChangeNoBytes", "TestAttributesHideNoConflictAndNoDiff"}}},
	{"replaced or forged objects and history", map[string][]string{"repo": {"TestReplacementsAndPacksChangeNoBytes", "TestForgedHistoryIsNotBelieved"}}},
	{".git in any spelling, a nested or bare repository, a submodule", map[string][]string{"repo": {"TestDotGitInAnyFormIsRefused", "TestBareRepositoryIsRefused", "TestSubmodulesAreRefused"}}},
	{"a link or a path that leads out", map[string][]string{"repo": {"TestLinksOutOfTheTreeAreRefused", "TestLinksLeadNoToolOut", "TestCheckPath"}, "agent": {"TestNoPathLeavesTheWorkspace", "TestNoLinkLeavesTheWorkspace"}}},
	{"a device, a pipe, a tree too large or too deep", map[string][]string{"repo": {"TestSpecialFilesAreRefused", "TestTooManyFilesInWorktree", "TestDeepAndLockedTreesAreRemoved"}}},
	{"writing to the platform's folder", map[string][]string{"repo": {"TestProtected"}, "agent": {"TestPlatformFolder"}, "app": {"TestForgedEvidence"}}},
	{"secrets of the server, the network, other processes", map[string][]string{"sandbox": {"TestSecretsOfTheServerAreNowhere", "TestNetwork", "TestNothingSurvives", "TestIsolation"}}},
	{"using up memory, processes, the disk or the log", map[string][]string{"sandbox": {"TestForkBomb", "TestMemory", "TestDisk", "TestOutputIsCut"}, "agent": {"TestRunCommandOutputIsBounded"}}},
	{"tests that print passes, prove nothing or are none", map[string][]string{"proof": {"TestForgeriesFail", "TestEmptyTestsFail", "TestHollow"}, "app": {"TestForgedEvidence"}}},
	{"text that leaves its place in a prompt or steers the terminal", map[string][]string{"agent": {"TestNoTextLeavesItsSection"}, "app/cli": {"TestTextCannotSteerTheTerminal"}}},
	{"an export that somebody worked in", map[string][]string{"repo": {"TestTouchedExportIsKept"}, "app": {"TestUntilGoesOn"}}},
}

// badInput is what people get wrong.
var badInput = []guarded{
	{"an idea that is empty, a megabyte long or binary; no quotes around it", map[string][]string{"app": {"TestBadInput"}}},
	{"an unknown type, mode, tier, gate, blueprint, role, proof, flag or command", map[string][]string{"app": {"TestBadInput"}}},
	{"a budget that is none, negative, or that a delegation may not raise", map[string][]string{"app": {"TestBadInput", "TestBudgetOfADelegation"}}},
	{"an output folder that is full, a file or a system's", map[string][]string{"app": {"TestBadInput", "TestUntilGoesOn", "TestExport"}}},
	{"a data folder that is in use, somebody else's, or from a newer version", map[string][]string{"app": {"TestDataFolder"}}},
	{"a full disk", map[string][]string{"app": {"TestFullDisk"}}},
	{"a backup that is damaged, hostile, of a newer version, or cut short in the middle", map[string][]string{"backup": {"TestDamagedBackupIsRefused", "TestHostileBackupIsRefused", "TestNewerBackupIsRefused", "TestRestoreDies", "TestUnfinishedBackupLeavesNothing"}}},
	{"no sandbox, no terminal, Ctrl-C, kill -9", map[string][]string{"app": {"TestNoSandbox", "TestNobodyDecides", "TestKilledRunGoesOn"}, "app/cli": {"TestInterrupted"}}},
	{"a change of a project that is not there, is there twice, or goes by another blueprint", map[string][]string{"app": {"TestBadInput", "TestChangeOfAnotherBlueprint"}}},
	{"settings that cannot be read", map[string][]string{"app": {"TestCommands"}}},
	{"ideas in other languages, of one word, of emoji or of markup", map[string][]string{"app": {"TestIdeasBecomeVerifiedRepositories"}}},
	{"wrong words at a prompt", map[string][]string{"app/cli": {"TestAPersonDecidesAtTheTerminal", "TestAPersonChangesTheirMind"}, "gate": {"TestOnlyTheVocabularyApproves"}}},
	{"evidence that was changed, cut off or is not there", map[string][]string{"app": {"TestBadInput", "TestIdeasBecomeVerifiedRepositories"}}},
}

// guarded is something that must not happen, with the tests that fail when it
// does, by package folder.
type guarded struct {
	fault string
	tests map[string][]string
}

// Whoever deletes or renames such a test is told which fault it guards.
func TestFaultsAreGuarded(t *testing.T) {
	t.Parallel()
	for _, f := range slices.Concat(faults, hostile, badInput) {
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
