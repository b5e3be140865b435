package account

import "github.com/layercake-app/layercake/internal/fault"

// Verb is what an actor wants to do with a resource.
type Verb string

// The verbs. Every route declares one.
const (
	Read       Verb = "read"       // look at it
	Write      Verb = "write"      // change it, ask agents to work on it, answer them
	Decide     Verb = "decide"     // a gate, a waiver, a condition
	Manage     Verb = "manage"     // archive, delete, members
	Administer Verb = "administer" // the instance
)

// Resource is what an action is about. Organization is the tenant it belongs to;
// without one it is the instance itself. What names it to the one who may not see it.
type Resource struct {
	Organization string
	What         string // "project prj_…"
}

// least is the smallest role that a verb asks for. The blueprint may ask for more
// before a gate is decided.
var least = map[Verb]string{Read: Viewer, Write: Member, Decide: Member, Manage: Admin}

var rank = map[string]int{Viewer: 1, Member: 2, Admin: 3, Owner: 4}

// Can says whether a may do verb to r: nobody is unauthenticated, what a may not
// even see is not found, and the rest is forbidden.
func Can(a Actor, verb Verb, r Resource) error {
	switch {
	case a.User.ID == "":
		return fault.Unauthenticated("auth.missing", "You are not signed in, or your access has run out. Log in.")
	case verb == Administer && a.User.Admin:
		return nil
	case verb == Administer:
		return fault.Forbidden("auth.administrator", "Only the administrator of this instance may do that.")
	}
	role := a.Role(r.Organization)
	if role == "" {
		return fault.NotFound("not_found", "There is no %s.", r.What)
	}
	if need := least[verb]; need == "" || rank[role] < rank[need] {
		return fault.Forbidden("auth.role", "Your role here is %s; that takes at least the role %s.", role, need)
	}
	return nil
}
