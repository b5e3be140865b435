package flow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
)

// Kind names what an action does.
type Kind string

// The actions of the scheduler. None of them is a decision.
const (
	Open         Kind = "open"          // BLOCKED → PENDING
	Skip         Kind = "skip"          // BLOCKED → SKIPPED, with the reason
	Unskip       Kind = "unskip"        // SKIPPED → BLOCKED: the reason no longer holds
	Slow         Kind = "slow"          // leave the fast track
	CreateTasks  Kind = "create_tasks"  // plan the work of a round
	Retry        Kind = "retry"         // a failed task once more
	Repair       Kind = "repair"        // a failing proof or deliverable goes back to its role
	StartRun     Kind = "start_run"     // an agent takes a task
	RunChecks    Kind = "run_checks"    // obtain proofs
	Release      Kind = "release"       // name the release commit
	CarryForward Kind = "carry_forward" // an approval extends to re-proved work
	MarkStale    Kind = "mark_stale"    // an approval no longer covers what is there
	Freshen      Kind = "freshen"       // what was approved is back
	Delta        Kind = "delta"         // a stale gate opens its delta review
	Review       Kind = "review"        // PENDING → IN_REVIEW
	FallBack     Kind = "fall_back"     // IN_REVIEW → PENDING
	Rework       Kind = "rework"        // REJECTED → PENDING, a new round
	AskMode      Kind = "ask_mode"      // where does the project go live?
	Block        Kind = "block"         // a person is needed
	Complete     Kind = "complete"      // the change is done
)

// Action is one thing that flow does next.
type Action struct {
	Kind     Kind
	Gate     string
	Task     project.Task // create_tasks aside: the task to retry, repair or start
	Types    []string     // run_checks
	Commit   string       // release
	Reason   string
	Feedback string
}

// maxRepairs bounds how often flow sends the same gate back to a role before it
// asks a human; a person who resolves the blocker grants as many again.
const maxRepairs = 3

// State is what Next looks at: the state of the rules, and the paths by which a
// change on the fast track left it.
type State struct {
	gate.State
	SlowPaths []string
	Releases  bool // the release commit's inputs are those of the head

	digests func(typ string) string // of a proof type's inputs at the head
	editors []string                // people who changed files themselves; read for approvals only
}

// Next returns what happens next on a change. It is pure; running it again
// after its actions were carried out returns what is left, in the end nothing.
func Next(s *State) []Action {
	if s.Change.Status != project.ChangeOpen {
		return nil
	}
	if s.Change.Fast && len(s.SlowPaths) > 0 {
		return []Action{{Kind: Slow, Reason: "the change touches more than text, style, documents and assets: " + strings.Join(head(s.SlowPaths, 3), ", ")}}
	}
	var out []Action
	for i := range s.Gates {
		out = append(out, upkeep(s, &s.Gates[i])...)
	}
	done := true
	for i := range s.Gates {
		v := &s.Gates[i]
		if v.Status == gate.Approved && !v.Stale && !v.Fresh() {
			done = false // its re-check has not ended, whoever set the gate aside
		}
		if v.Status == gate.Skipped && len(gate.Promised(v)) > 0 {
			done = false // a promise outlives the gate by which it was due
		}
		if v.Settled() {
			continue
		}
		done = false
		if !reached(s, v) {
			if v.Status == gate.InReview {
				out = append(out, Action{Kind: FallBack, Gate: v.Code, Reason: "an earlier gate is open again"})
			}
			continue
		}
		out = append(out, step(s, v)...)
	}
	if done && len(out) == 0 {
		return []Action{{Kind: Complete}}
	}
	return out
}

func head(list []string, n int) []string { return list[:min(n, len(list))] }

// reached reports whether work on v may go on: all gates before it are settled,
// or in review within the same stop.
func reached(s *State, v *gate.View) bool {
	for i := range s.Gates {
		e := &s.Gates[i]
		if e.Position >= v.Position {
			return true
		}
		if !e.Settled() && (e.Stop != v.Stop || e.Status != gate.InReview) {
			return false
		}
	}
	return true
}

// resting reports whether no agent is at work or about to be: only then are
// checks of the head worth running. A task that waits for its gate's turn is
// not about to be, or the gate and the checks would wait for each other.
func resting(s *State) bool {
	for i := range s.Gates {
		v := &s.Gates[i]
		turn := !v.Settled() && reached(s, v)
		for _, t := range v.Tasks {
			if t.Status == project.TaskRunning || t.Status == project.TaskOpen && turn {
				return false
			}
		}
	}
	return true
}

// upkeep keeps skips and approvals true to what is at the head.
func upkeep(s *State, v *gate.View) []Action {
	if v.Status == gate.Skipped && skipReason(s, v) == "" {
		return []Action{{Kind: Unskip, Gate: v.Code, Reason: "the reason to skip it no longer holds"}}
	}
	if v.Status != gate.Approved || v.Approval == nil {
		return nil
	}
	later := turned(v)
	if v.Fresh() && later == "" {
		if v.Stale {
			return []Action{{Kind: Freshen, Gate: v.Code}}
		}
		return nil
	}
	if v.Stale {
		if resting(s) {
			return []Action{{Kind: Delta, Gate: v.Code, Reason: v.Reason}}
		}
		return nil
	}
	if later != "" {
		return []Action{{Kind: MarkStale, Gate: v.Code, Reason: later}}
	}
	if v.Approval.DocumentDigest != v.DocumentDigest {
		return []Action{{Kind: MarkStale, Gate: v.Code, Reason: "its documents, or the design that was chosen, changed after the decision"}}
	}
	if !resting(s) {
		return nil
	}
	return recheck(s, v)
}

// turned says which machine proof of an approved gate has come out red since the
// approval, "" when none has: nothing that was approved is newer than its proofs.
func turned(v *gate.View) string {
	_, _, red := proofsOf(v)
	for _, r := range red {
		if r.Last.EventSeq > v.Approval.EventSeq {
			return r.Type + " turned to " + string(r.Last.Verdict) + " after the decision"
		}
	}
	return ""
}

// recheck obtains the machine proofs of an approved gate again after later work
// changed their inputs. What later work took away is not carried forward.
func recheck(s *State, v *gate.View) []Action {
	if onRelease(v.Code) && !s.Releases {
		return []Action{{Kind: MarkStale, Gate: v.Code, Reason: "the head is no longer what was released"}}
	}
	for _, d := range v.Deliverables {
		if d.State != "ready" && !v.Waives("deliverable", d.Name) {
			return []Action{{Kind: MarkStale, Gate: v.Code, Reason: "later work left " + d.Name + " " + d.State}}
		}
	}
	missing, pending, red := proofsOf(v)
	switch {
	case len(red) > 0:
		return []Action{{Kind: MarkStale, Gate: v.Code, Reason: "later work turned " + red[0].Type + " to " + string(red[0].Last.Verdict)}}
	case len(missing) > 0:
		return []Action{{Kind: RunChecks, Gate: v.Code, Types: missing}}
	case pending:
		return nil
	}
	return []Action{{Kind: CarryForward, Gate: v.Code}}
}

// proofsOf sorts the machine proofs that v requires: those to obtain, whether
// some are under way, and those that are not green. Waived ones do not count.
func proofsOf(v *gate.View) (missing []string, pending bool, red []gate.Required) {
	for _, r := range v.Required {
		switch {
		case r.Type == proof.Manual || v.Waives("proof", r.Type):
		case r.Last == nil && r.Pending:
			pending = true
		case r.Last == nil:
			missing = append(missing, r.Type)
		case r.Last.Verdict != proof.Pass:
			red = append(red, r)
			pending = pending || r.Pending
		}
	}
	return missing, pending, red
}

// skipReason says why a gate is skipped by rule, "" when it is not.
func skipReason(s *State, v *gate.View) string {
	for _, k := range v.Spec.Skip {
		if s.Blueprint.Holds(k.When, s.Facts) {
			return k.Reason
		}
	}
	return ""
}

// step is what happens next on an unsettled gate whose turn it is.
func step(s *State, v *gate.View) []Action {
	switch v.Status {
	case gate.Blocked:
		if reason := skipReason(s, v); reason != "" {
			return []Action{{Kind: Skip, Gate: v.Code, Reason: reason}}
		}
		return []Action{{Kind: Open, Gate: v.Code}}
	case gate.Rejected:
		return []Action{{Kind: Rework, Gate: v.Code}}
	case gate.InReview:
		if unmet := gate.Unmet(&s.State, v.Code); len(unmet) > 0 {
			return []Action{{Kind: FallBack, Gate: v.Code, Reason: unmet[0].Message}}
		}
		return nil
	case gate.Pending:
		return pending(s, v)
	}
	return nil
}

func pending(s *State, v *gate.View) []Action {
	if v.Code == "G8" && s.Project.Mode != "local_only" && s.Project.Mode != "required" && len(v.Questions) == 0 {
		return []Action{{Kind: AskMode, Gate: v.Code}}
	}
	if planned := plan(v); planned != nil {
		return planned
	}
	if starts := startable(s, v); len(starts) > 0 {
		return starts
	}
	if slices.ContainsFunc(v.Tasks, func(t project.Task) bool { return t.Status == project.TaskRunning }) {
		return nil
	}
	if acts, waits := afterFailure(v); acts != nil || waits {
		return acts
	}
	if slices.ContainsFunc(v.Tasks, project.Task.Live) {
		return nil // paused
	}
	if acts, waits := mendDeliverables(s, v); acts != nil || waits {
		return acts
	}
	if needsRelease(s, v) {
		return []Action{{Kind: Release, Gate: v.Code, Commit: s.Project.Head}}
	}
	missing, running, red := proofsOf(v)
	switch {
	case len(missing) > 0:
		return []Action{{Kind: RunChecks, Gate: v.Code, Types: missing}}
	case running:
		return nil
	case len(red) > 0:
		if acts, waits := mendProofs(v, red); acts != nil || waits {
			return acts
		}
	}
	if len(gate.Unmet(&s.State, v.Code)) == 0 {
		return []Action{{Kind: Review, Gate: v.Code}}
	}
	return nil
}

// plan asks for the tasks of a round that has none. A delta review (the stale
// mark is still on the gate) begins without work: a look may be all it needs.
func plan(v *gate.View) []Action {
	if v.Stale || len(v.Spec.Agents) == 0 {
		return nil
	}
	if v.Worked() {
		return nil
	}
	return []Action{{Kind: CreateTasks, Gate: v.Code}}
}

// startable lists the tasks whose turn it is: those that come after others wait
// until the newest work of each of those roles is done.
func startable(s *State, v *gate.View) []Action {
	if s.Project.Paused {
		return nil
	}
	role := map[string]string{}
	newest := map[string]project.Task{}
	for _, t := range v.Tasks {
		role[t.ID] = t.Role
		if t.Round == v.Round {
			newest[t.Role] = t
		}
	}
	var out []Action
	for _, t := range v.Tasks {
		ready := t.Status == project.TaskOpen && !slices.ContainsFunc(t.After, func(id string) bool {
			before := newest[role[id]]
			return before.Live() || unfinished(before) != "" && !goesOn(v, unfinished(before))
		})
		if ready {
			out = append(out, Action{Kind: StartRun, Gate: v.Code, Task: t})
		}
	}
	return out
}

// unfinished names the kind of blocker that stands for a task which ended without
// its work being done, "" for any other task.
func unfinished(t project.Task) string {
	switch t.Status {
	case project.TaskFailed:
		return project.BlockerTask
	case project.TaskCancelled:
		return project.BlockerCancelled
	}
	return ""
}

// goesOn reports whether every blocker of the kind is set aside by a waiver, so
// that the gate goes on without what it stands for.
func goesOn(v *gate.View, kind string) bool {
	return v.Blocked(kind) && !slices.ContainsFunc(v.Blockers, func(b project.Blocker) bool {
		return b.Kind == kind && !v.Waives("blocker", b.ID)
	})
}

// since is when a person last resolved a blocker of the gate: attempts before
// it do not count.
func since(v *gate.View) db.Time {
	var at db.Time
	for _, b := range v.Resolved {
		if b.ResolvedAt.After(at.Time) {
			at = b.ResolvedAt
		}
	}
	return at
}

// afterFailure retries a failed task once and then asks a human. One whose run a
// person cancelled is begun anew when a person says that it may. waits is true
// while a person has to act.
func afterFailure(v *gate.View) (acts []Action, waits bool) {
	last := map[string]project.Task{}
	failures := map[string]int{}
	for _, t := range v.Tasks {
		if t.Round != v.Round {
			continue
		}
		last[t.Role] = t
		if t.Status == project.TaskFailed && t.CreatedAt.After(since(v).Time) {
			failures[t.Role]++
		}
	}
	for _, role := range sortedKeys(last) {
		t := last[role]
		kind := unfinished(t)
		if kind == "" || goesOn(v, kind) {
			continue
		}
		if v.Blocked(kind) {
			return nil, true
		}
		if kind == project.BlockerCancelled || failures[role] <= 1 {
			acts = append(acts, Action{Kind: Retry, Gate: v.Code, Task: t})
			continue
		}
		acts = append(acts, Action{Kind: Block, Gate: v.Code, Task: project.Task{Kind: project.BlockerTask}, Reason: "The " + role + " could not finish its task", Feedback: t.Reason})
	}
	return acts, false
}

func repairs(v *gate.View, role string) int {
	n := 0
	for _, t := range v.Tasks {
		if t.Kind == "repair" && t.Role == role && t.Round == v.Round && t.CreatedAt.After(since(v).Time) {
			n++
		}
	}
	return n
}

// mendDeliverables sends missing or invalid deliverables back to the roles that
// owe them.
func mendDeliverables(s *State, v *gate.View) (acts []Action, waits bool) {
	feedback := map[string][]string{}
	for _, u := range gate.Unmet(&s.State, v.Code) {
		if u.Rule() != "deliverable" {
			continue
		}
		for _, d := range v.Deliverables {
			if d.Name == u.Subject && d.Role != "" {
				feedback[d.Role] = append(feedback[d.Role], u.Message)
			}
		}
	}
	return mend(v, feedback)
}

// mendProofs sends failing proofs to the roles that repair them. Blocked ones
// wait for a person: no agent can install what the platform lacks.
func mendProofs(v *gate.View, red []gate.Required) (acts []Action, waits bool) {
	feedback := map[string][]string{}
	for _, r := range red {
		if r.Last.Verdict == proof.Fail && r.Repair != "" {
			feedback[r.Repair] = append(feedback[r.Repair], "proof:"+r.Last.ID+"\n"+r.Type+" failed: "+r.Last.Reason)
		}
	}
	return mend(v, feedback)
}

func mend(v *gate.View, feedback map[string][]string) (acts []Action, waits bool) {
	if len(feedback) == 0 || goesOn(v, project.BlockerExhausted) {
		return nil, false
	}
	if v.Blocked(project.BlockerExhausted) {
		return nil, true
	}
	for _, role := range sortedKeys(feedback) {
		text := strings.Join(feedback[role], "\n\n")
		if repairs(v, role) >= maxRepairs {
			return []Action{{
				Kind: Block, Gate: v.Code, Task: project.Task{Kind: project.BlockerExhausted},
				Reason:   fmt.Sprintf("%d repairs by the %s did not help", maxRepairs, role),
				Feedback: text,
			}}, false
		}
		acts = append(acts, Action{Kind: Repair, Gate: v.Code, Task: project.Task{Role: role}, Feedback: text})
	}
	return acts, false
}

// needsRelease reports whether v's proofs speak of a release commit and none is
// named that still equals the head. G9 names one where G8 was left out.
func needsRelease(s *State, v *gate.View) bool {
	return !s.Releases && slices.ContainsFunc(v.Required, func(r gate.Required) bool { return r.Release })
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
