package blueprint

import (
	"slices"
	"strings"
)

// Holds reports whether a condition holds for a project: the empty one always,
// "serves" when the fact is true, "!serves" when it is not, and "serves and !ml"
// when both do. A fact that is not in facts is false.
func (b *Blueprint) Holds(when string, facts map[string]bool) bool {
	return holds(when, facts)
}

func holds(when string, facts map[string]bool) bool {
	for _, t := range terms(when) {
		if facts[t.fact] == t.negated {
			return false
		}
	}
	return true
}

type term struct {
	fact    string
	negated bool
}

func (t term) String() string {
	if t.negated {
		return "!" + t.fact
	}
	return t.fact
}

func terms(when string) []term {
	if when == "" {
		return nil
	}
	var out []term
	for part := range strings.SplitSeq(when, " and ") {
		fact, negated := strings.CutPrefix(strings.TrimSpace(part), "!")
		out = append(out, term{fact, negated})
	}
	return out
}

// Order lists the codes of the gates from first to last.
func (b *Blueprint) Order() []string {
	codes := make([]string, len(b.Gates))
	for i, g := range b.Gates {
		codes[i] = g.Code
	}
	return codes
}

// Gate returns the gate with this code, and whether there is one.
func (b *Blueprint) Gate(code string) (Gate, bool) {
	i := slices.IndexFunc(b.Gates, func(g Gate) bool { return g.Code == code })
	if i < 0 {
		return Gate{}, false
	}
	return b.Gates[i], true
}

// StopOf lists the codes that are decided together with this one, itself
// included; none when the gate does not exist.
func (b *Blueprint) StopOf(code string) []string {
	gate, ok := b.Gate(code)
	if !ok {
		return nil
	}
	if gate.Stop == "" {
		return []string{code}
	}
	var joined []string
	for _, g := range b.Gates {
		if g.Stop == gate.Stop {
			joined = append(joined, g.Code)
		}
	}
	return joined
}

// ReleaseProofs lists the machine proofs that a release commit owes: what G5, G6
// and G7 require under these facts, each once. A gate that a fast track skips
// still counts: nobody works or decides there, but nothing is released unscanned.
func (b *Blueprint) ReleaseProofs(facts map[string]bool) []string {
	var types []string
	for _, code := range []string{"G5", "G6", "G7"} {
		gate, ok := b.Gate(code)
		if !ok {
			continue
		}
		for _, p := range gate.ProofsFor(facts) {
			if p.Type != ManualVerification && !slices.Contains(types, p.Type) {
				types = append(types, p.Type)
			}
		}
	}
	return types
}

// SkippedBy returns the first skip rule that holds, and whether one does.
func (g Gate) SkippedBy(facts map[string]bool) (Skip, bool) {
	for _, s := range g.Skip {
		if holds(s.When, facts) {
			return s, true
		}
	}
	return Skip{}, false
}

// DeliverablesFor lists the deliverables that the gate owes under these facts.
func (g Gate) DeliverablesFor(facts map[string]bool) []Deliverable {
	var owed []Deliverable
	for _, d := range g.Deliverables {
		if holds(d.When, facts) {
			owed = append(owed, d)
		}
	}
	return owed
}

// ProofsFor lists the proofs that the gate requires under these facts, each type
// once.
func (g Gate) ProofsFor(facts map[string]bool) []RequiredProof {
	var required []RequiredProof
	for _, p := range g.Proofs {
		known := slices.ContainsFunc(required, func(q RequiredProof) bool { return q.Type == p.Type })
		if !known && holds(p.When, facts) {
			required = append(required, p)
		}
	}
	return required
}

// AgentsFor lists the agents at work in the gate for a project of this type and
// these facts, each after those it waits for. An agent that waits for an absent
// one waits for those the absent one would have waited for, so that nobody waits
// for a task that never comes.
func (g Gate) AgentsFor(facts map[string]bool, projectType string) []Agent {
	present := map[string]bool{}
	for _, a := range g.Agents {
		fits := len(a.For) == 0 || slices.Contains(a.For, projectType)
		present[a.Role] = fits && holds(a.When, facts)
	}
	waiting := g.agentsKept(present)
	done := map[string]bool{}
	ordered := make([]Agent, 0, len(waiting))
	for len(ordered) < len(waiting) {
		before := len(ordered)
		for _, a := range waiting {
			ready := !slices.ContainsFunc(a.After, func(role string) bool { return !done[role] })
			if ready && !done[a.Role] {
				done[a.Role] = true
				ordered = append(ordered, a)
			}
		}
		if len(ordered) == before { // a cycle, which no parsed blueprint has
			break
		}
	}
	return ordered
}

// agentsKept copies the agents that are present, their After bridged over those
// that are not.
func (g Gate) agentsKept(present map[string]bool) []Agent {
	after := map[string][]string{}
	for _, a := range g.Agents {
		after[a.Role] = a.After
	}
	var kept []Agent
	for _, a := range g.Agents {
		if !present[a.Role] {
			continue
		}
		var bridged []string
		seen := map[string]bool{}
		queue := slices.Clone(a.After)
		for len(queue) > 0 {
			role := queue[0]
			queue = queue[1:]
			switch {
			case seen[role]:
			case present[role]:
				bridged = append(bridged, role)
			default:
				queue = append(queue, after[role]...)
			}
			seen[role] = true
		}
		a.After = bridged
		a.For = slices.Clone(a.For)
		kept = append(kept, a)
	}
	return kept
}
