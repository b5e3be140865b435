// Package bundle checks the evidence of a project, wherever it lies: in a data
// folder, in a repository, or in a zip of one. It believes nothing that it has
// not recomputed: the chain of events, the logs behind each proof, the
// documents behind each decision, and the tags that anchor the chain. The first
// claim that does not hold is named.
package bundle

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
)

// Options say how strict a verification is.
type Options struct {
	// RequireHuman refuses decisions that were delegated to the machine.
	RequireHuman bool
}

// Report lists what was found to hold, in order.
type Report struct {
	Claims []string
}

func (r *Report) holds(format string, args ...any) {
	r.Claims = append(r.Claims, fmt.Sprintf(format, args...))
}

// broken is a claim that does not hold.
func broken(format string, args ...any) error {
	return fault.Conflict("verify.broken", "%s", fmt.Sprintf(format, args...))
}

// decided is what the event of an approval says.
type decided struct {
	Change    int64       `json:"change"`
	Gate      string      `json:"gate"`
	Decision  string      `json:"decision"`
	Method    gate.Method `json:"method"`
	Head      string      `json:"head"`
	Commit    string      `json:"commit"`
	Tag       string      `json:"tag"`
	Documents string      `json:"documents"`
	Work      string      `json:"work"`

	event event.Event
}

// finished is what the event of a finished proof says.
type finished struct {
	Proof     string `json:"proof"`
	Type      string `json:"type"`
	Commit    string `json:"commit"`
	Verdict   string `json:"verdict"`
	LogSHA256 string `json:"logSha256"`
	Isolation string `json:"isolation"`
}

// history is what the chain of events says, by id.
type history struct {
	approvals []decided
	proofs    map[string]finished
	completed map[int64]bool
}

func readHistory(events []event.Event) (history, error) {
	h := history{proofs: map[string]finished{}, completed: map[int64]bool{}}
	for _, e := range events {
		var err error
		switch e.Type {
		case "gate.approved":
			d := decided{event: e}
			err = json.Unmarshal(e.Data, &d)
			h.approvals = append(h.approvals, d)
		case "proof.finished":
			var f finished
			err = json.Unmarshal(e.Data, &f)
			h.proofs[f.Proof] = f
		case "proof.confirmed":
			var f finished
			if err = json.Unmarshal(e.Data, &f); err == nil {
				f.Verdict = "pass"
				h.proofs[f.Proof] = f
			}
		case "change.completed":
			var c struct {
				Number int64 `json:"number"`
			}
			err = json.Unmarshal(e.Data, &c)
			h.completed[c.Number] = true
		}
		if err != nil {
			return h, broken("event %d (%s) cannot be read", e.Seq, e.Type)
		}
	}
	return h, nil
}

// checkDecision holds a decision against its event.
func checkDecision(d decided, opt Options) error {
	if d.event.Actor.Kind != event.Person {
		return broken("%s of change %d was approved by %s %s, not by a person (event %d)", d.Gate, d.Change, d.event.Actor.Kind, d.event.Actor.ID, d.event.Seq)
	}
	if d.Method != gate.Session && d.Method != gate.Terminal && d.Method != gate.Delegated {
		return broken("%s of change %d was approved by the unknown method %q (event %d)", d.Gate, d.Change, d.Method, d.event.Seq)
	}
	if opt.RequireHuman && d.Method == gate.Delegated {
		return broken("%s of change %d was AUTO-APPROVED in the name of %s; a human has to decide it", d.Gate, d.Change, d.event.Actor.ID)
	}
	return nil
}

// checkStatement holds a statement against the decision's event and its proofs
// against theirs. readLog returns the bytes of a log by its SHA-256.
func checkStatement(st flow.Statement, d decided, h history, readLog func(e flow.Evidence) ([]byte, error), sum func([]byte) string) error {
	where := fmt.Sprintf("the statement of %s of change %d", d.Gate, d.Change)
	switch {
	case st.Decision.ID != d.Decision:
		return broken("%s speaks of another decision than event %d", where, d.event.Seq)
	case st.Decision.Method != d.Method || st.AutoApproved != (d.Method == gate.Delegated):
		return broken("%s names another method than event %d", where, d.event.Seq)
	case st.Decision.Head != d.Head || st.Decision.DocumentDigest != d.Documents || st.Decision.WorkDigest != d.Work:
		return broken("%s saw something else than event %d says", where, d.event.Seq)
	case st.Decision.Actor != d.event.Actor.Kind+":"+d.event.Actor.ID:
		return broken("%s names another person than event %d", where, d.event.Seq)
	}
	for _, e := range st.Proofs {
		if err := checkEvidence(where, st, e, h, readLog, sum); err != nil {
			return err
		}
	}
	return nil
}

func checkEvidence(where string, st flow.Statement, e flow.Evidence, h history, readLog func(e flow.Evidence) ([]byte, error), sum func([]byte) string) error {
	f, ok := h.proofs[e.ID]
	switch {
	case !ok:
		return broken("%s carries %s %s, of which the events know nothing", where, e.Type, e.ID)
	case f.Type != e.Type || f.Verdict != e.Verdict || e.Source == "platform" && (f.LogSHA256 != e.LogSHA256 || f.Commit != e.Commit || f.Isolation != e.Isolation):
		return broken("%s says something else of %s than its event", where, e.Type)
	case e.Verdict != "pass" && !waived(st, e.Type):
		return broken("%s rests on %s with the verdict %s", where, e.Type, e.Verdict)
	case e.Source == "platform" && e.Verdict == "pass" && (e.LogSHA256 == "" || e.Isolation == "" || e.Isolation == "none" || e.Isolation == "host"):
		return broken("%s rests on %s without a log or without isolation", where, e.Type)
	}
	if e.LogSHA256 == "" {
		return nil
	}
	log, err := readLog(e)
	if err != nil {
		return broken("%s rests on %s, whose log %s is missing", where, e.Type, e.LogSHA256)
	}
	if got := sum(log); got != e.LogSHA256 {
		return broken("the log of %s at %s was changed: its SHA-256 is %s, not %s", e.Type, st.Gate, got, e.LogSHA256)
	}
	return nil
}

func waived(st flow.Statement, typ string) bool {
	for _, w := range st.Waivers {
		if w.Rule == "proof" && (w.Subject == "" || w.Subject == typ) {
			return true
		}
	}
	return false
}

// anchored reports whether a tag's message names the decision's event.
func anchored(message string, e event.Event) bool {
	want := fmt.Sprintf("Event: %d %s", e.Seq, e.Hash)
	for _, line := range strings.Split(message, "\n") {
		if strings.TrimSpace(line) == want {
			return true
		}
	}
	return false
}

// Verify checks what lies at path: a data folder, a repository, or a zip of
// one. The report lists what holds; the error names the first claim that does
// not.
func Verify(ctx context.Context, path string, opt Options) (Report, error) {
	var r Report
	kind, err := kindOf(path)
	if err != nil {
		return r, err
	}
	switch kind {
	case kindData:
		err = verifyData(ctx, path, opt, &r)
	case kindZip:
		err = verifyZip(ctx, path, opt, &r)
	default:
		err = verifyRepository(ctx, path, opt, &r)
	}
	return r, err
}
