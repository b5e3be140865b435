package agent

// Effect is what a tool call wants written to the database. It is one of Ask,
// Decision, Blocker, Risk, Design and Finish; there is none that decides a gate.
type Effect interface{ effect() }

// Ask puts a question to a human. The run waits for the answer when Blocking,
// and otherwise goes on with the suggestion.
type Ask struct {
	Question   string
	Options    []string
	Suggestion string
	Blocking   bool
}

// Decision is a choice of the agent's that others have to live with. It is a
// note, not a decision on a gate.
type Decision struct{ Title, Decision, Reason string }

// Blocker is something that must be mended by another; Severity is critical,
// high, medium or low.
type Blocker struct{ Title, Detail, Severity string }

// Risk is something that may go wrong; Likelihood and Impact are low, medium
// or high.
type Risk struct{ Title, Detail, Likelihood, Impact string }

// Design is one of the three alternatives at G4, already written to Path.
type Design struct {
	Number                 int
	Title, Path, Rationale string
	Recommended            bool
}

// Finish ends the run with the agent's summary.
type Finish struct{ Summary string }

func (Ask) effect()      {}
func (Decision) effect() {}
func (Blocker) effect()  {}
func (Risk) effect()     {}
func (Design) effect()   {}
func (Finish) effect()   {}
