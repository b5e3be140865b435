package blueprint

import (
	"fmt"
	"slices"
	"strings"
)

// gate checks one gate by itself.
func (c *checker) gate(b *Blueprint, i int) {
	g := &b.Gates[i]
	path := fmt.Sprintf("gates[%d]", i)
	c.text(path+".name", g.Name, maxTitle)
	c.text(path+".purpose", g.Purpose, maxText)
	c.agents(b, g, path)
	c.deliverables(b, g, path)
	c.required(b, g, path)
	for j, p := range g.Inputs {
		c.pattern(fmt.Sprintf("%s.inputs[%d]", path, j), p)
	}
	c.approval(g.Approval, path+".approval")
	c.skip(g, path)
}

func (c *checker) agents(b *Blueprint, g *Gate, path string) {
	for j, a := range g.Agents {
		at := fmt.Sprintf("%s.agents[%d]", path, j)
		c.name(at+".role", a.Role, "role")
		c.member(at+".role", a.Role, c.known.Roles, "role")
		if a.Role == reviewer {
			c.problem(at+".role", "Name the role that does the work.", "the reviewer reads what others wrote and owns no gate")
		}
		if slices.ContainsFunc(g.Agents[:j], func(o Agent) bool { return o.Role == a.Role }) {
			c.problem(at+".role", "Name each role once per gate.", "the role %q is there twice in %s", a.Role, g.Code)
		}
		c.text(at+".title", a.Title, maxTitle)
		c.text(at+".brief", a.Brief, maxText)
		c.list(at+".for", a.For, b.For, "project type of this blueprint")
		c.when(at+".when", a.When)
		for k, role := range a.After {
			if !slices.ContainsFunc(g.Agents, func(o Agent) bool { return o.Role == role }) {
				c.problem(fmt.Sprintf("%s.after[%d]", at, k), "Name a role of the same gate.", "the role %q does not work in %s", cut(role), g.Code)
			}
		}
	}
	if circle := g.cycle(); circle != nil {
		j := slices.IndexFunc(g.Agents, func(a Agent) bool { return a.Role == circle[0] })
		c.problem(fmt.Sprintf("%s.agents[%d].after", path, j), "Let one of them start first.", "the agents wait for each other: %s", strings.Join(circle, " after "))
	}
}

// cycle returns roles that wait for each other, the first one repeated at the
// end, or nil.
func (g *Gate) cycle() []string {
	after := map[string][]string{}
	for _, a := range g.Agents {
		after[a.Role] = append(after[a.Role], a.After...)
	}
	done := map[string]bool{}
	var trail []string
	var visit func(role string) []string
	visit = func(role string) []string {
		if i := slices.Index(trail, role); i >= 0 {
			return append(slices.Clone(trail[i:]), role)
		}
		if done[role] {
			return nil
		}
		trail = append(trail, role)
		for _, next := range after[role] {
			if found := visit(next); found != nil {
				return found
			}
		}
		trail = trail[:len(trail)-1]
		done[role] = true
		return nil
	}
	for _, a := range g.Agents {
		if found := visit(a.Role); found != nil {
			return found
		}
	}
	return nil
}

func (c *checker) deliverables(b *Blueprint, g *Gate, path string) {
	for j, d := range g.Deliverables {
		at := fmt.Sprintf("%s.deliverables[%d]", path, j)
		c.text(at+".name", d.Name, maxTitle)
		c.name(at+".kind", d.Kind, "kind")
		c.member(at+".kind", d.Kind, c.known.Kinds, "kind")
		c.pattern(at+".path", d.Path)
		c.when(at+".when", d.When)
		if d.Min < 0 || d.Min > 100 {
			c.problem(at+".min", "Say how many files are owed, 0 for an optional one.", "min must be 0 to 100, and is %d", d.Min)
		}
		for k, section := range d.Sections {
			c.text(fmt.Sprintf("%s.sections[%d]", at, k), section, maxTitle)
			if slices.Contains(d.Sections[:k], section) {
				c.problem(fmt.Sprintf("%s.sections[%d]", at, k), "Name it once.", "the section %q is there twice", section)
			}
		}
		if slices.ContainsFunc(g.Deliverables[:j], func(o Deliverable) bool { return o.Name == d.Name && o.When == d.When }) {
			c.problem(at+".name", "Give each deliverable of a gate its own name, or its own `when`.", "the deliverable %q is there twice", d.Name)
		}
		c.owner(b, g, d, at+".role")
	}
}

// owner checks that whenever a deliverable is owed, its role is at work in the
// gate: otherwise nobody could ever deliver it.
func (c *checker) owner(b *Blueprint, g *Gate, d Deliverable, path string) {
	if d.Role == "" {
		if len(g.Agents) > 0 {
			c.problem(path, "Name the role of the gate that writes it.", "the deliverable %q has no role", d.Name)
		}
		return
	}
	c.name(path, d.Role, "role")
	i := slices.IndexFunc(g.Agents, func(a Agent) bool { return a.Role == d.Role })
	if i < 0 {
		roles := make([]string, len(g.Agents))
		for k, a := range g.Agents {
			roles[k] = a.Role
		}
		next := "Add the role to the agents of the gate."
		if len(roles) > 0 {
			next = suggest(d.Role, roles)
		}
		c.problem(path, next, "the role %q does not work in %s, so that nobody would write %s", cut(d.Role), g.Code, cut(d.Path))
		return
	}
	agent := g.Agents[i]
	for _, t := range b.For {
		fixed := map[string]bool{"ml": IsML(t)}
		rest, owed := reduce(d.When, fixed)
		if !owed {
			continue
		}
		agentRest, possible := reduce(agent.When, fixed)
		works := possible && (len(agent.For) == 0 || slices.Contains(agent.For, t)) && implies(rest, agentRest)
		if !works {
			c.problem(path, "Give both the same `when`, or another role to one of them.", "in a project of type %s %q can be owed while %s is not at work", t, d.Name, d.Role)
			return
		}
	}
}

// implies reports whether every project for which one condition holds also
// fulfils the other.
func implies(one, other string) bool {
	given := canonical(one)
	for _, t := range canonical(other) {
		if !slices.Contains(given, t) {
			return false
		}
	}
	return true
}

func canonical(when string) []term {
	list := terms(when)
	for i, t := range list {
		if t.fact == "no_ui" {
			list[i] = term{"ui", !t.negated}
		}
	}
	return list
}

func (c *checker) required(b *Blueprint, g *Gate, path string) {
	for j, p := range g.Proofs {
		at := fmt.Sprintf("%s.proofs[%d]", path, j)
		c.name(at+".type", p.Type, "proof")
		c.member(at+".type", p.Type, c.known.Proofs, "proof")
		c.when(at+".when", p.When)
		// A group that is there without inputs is reported where it stands.
		if _, ok := b.Proofs[p.Type]; !ok && namePattern.MatchString(p.Type) && !c.bad["proofs"] {
			c.problem(at+".type", fmt.Sprintf("Add `%s: {inputs: [\"**\"]}` under the top-level proofs.", p.Type), "the required proof %q declares no inputs", p.Type)
		}
		if slices.ContainsFunc(g.Proofs[:j], func(o RequiredProof) bool { return o.Type == p.Type && o.When == p.When }) {
			c.problem(at+".type", "Require it once.", "the proof %q is required twice in %s", p.Type, g.Code)
		}
		if p.Repair == "" {
			continue
		}
		c.name(at+".repair", p.Repair, "role")
		c.member(at+".repair", p.Repair, c.known.Roles, "role")
		if p.Repair == reviewer {
			c.problem(at+".repair", "Name the role that does the work.", "the reviewer reads what others wrote and repairs nothing")
		}
	}
}

func (c *checker) approval(a Approval, path string) {
	c.list(path+".roles", a.Roles, ApprovalRoles, "role of a person")
	if len(a.Roles) == 0 {
		c.problem(path+".roles", "List one or more of: "+strings.Join(ApprovalRoles, ", ")+".", "nobody may decide the gate")
	}
	if a.Quorum < 1 || a.Quorum > 100 {
		c.problem(path+".quorum", "Say how many people must approve, at least 1.", "the quorum must be 1 to 100, and is %d", a.Quorum)
	}
}

func (c *checker) skip(g *Gate, path string) {
	for j, s := range g.Skip {
		at := fmt.Sprintf("%s.skip[%d]", path, j)
		if s.When == "" {
			c.problem(at+".when", "Name the fact that skips it, or leave the gate out.", "the gate %s would always be skipped", g.Code)
		}
		c.when(at+".when", s.When)
		c.text(at+".reason", s.Reason, maxText)
		switch g.Code {
		case "G0":
			c.problem(at, "Remove the rule.", "G0 sets the project up and is never skipped")
		case "G6":
			c.problem(at, "Remove the rule.", "G6 is never skipped: testing is owed even on a fast track")
		}
	}
}
