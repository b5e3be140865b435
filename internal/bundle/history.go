package bundle

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/proof"
)

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
	Required  []string    `json:"required"`

	event   event.Event
	nth     int64              // counts the approvals of this gate, from 1
	waivers map[string]granted // those of this gate that were open then
}

func (d decided) String() string { return fmt.Sprintf("%s of change %d", d.Gate, d.Change) }

// finished is what the events say of a finished proof.
type finished struct {
	Change    int64              `json:"change"`
	Gate      string             `json:"gate"`
	Proof     string             `json:"proof"`
	Type      string             `json:"type"`
	Commit    string             `json:"commit"`
	Verdict   string             `json:"verdict"`
	Reason    string             `json:"reason"`
	Figures   map[string]float64 `json:"figures"`
	LogSHA256 string             `json:"logSha256"`
	Isolation string             `json:"isolation"`
	Inputs    string             `json:"inputs"`
	Release   bool               `json:"release"`

	seq    int64
	source string
}

// granted is what the events say of a waiver.
type granted struct {
	Waiver    string  `json:"waiver"`
	Change    int64   `json:"change"`
	Gate      string  `json:"gate"`
	Rule      string  `json:"rule"`
	Subject   string  `json:"subject"`
	Owner     string  `json:"owner"`
	ExpiresAt db.Time `json:"expiresAt"`
}

// promised is what the events say of a condition that is open.
type promised struct {
	Change    int64  `json:"change"`
	Condition string `json:"condition"`
	Due       string `json:"due"`
	Gate      string `json:"gate"`
}

// course is the way of one change through its gates.
type course struct {
	number    int64
	gates     []string
	states    map[string]string // by gate: approved, stale, skipped; absent while it is open
	approvals int
	aside     []string // gates that waivers had set aside when it was completed
	completed bool
	head      string // what it was completed on
}

const (
	stateApproved = "approved"
	stateStale    = "stale"
	stateSkipped  = "skipped"
)

// history is what the chain of events says.
type history struct {
	project   string
	events    []event.Event
	approvals []decided
	proofs    map[string]finished
	changes   map[int64]*course
	last      *course // the newest change

	asked    map[string]int64 // by proof, the change that it was asked for
	waivers  map[string]granted
	promises map[string]promised
	counts   map[string]int64
}

// readHistory follows the events of a project from the first to the last, and
// refuses what the platform would never have recorded.
func readHistory(events []event.Event) (*history, error) {
	if len(events) == 0 {
		return nil, broken("there is no event, so there is no evidence of anything")
	}
	h := &history{
		project: events[0].Project, events: events, proofs: map[string]finished{}, changes: map[int64]*course{}, asked: map[string]int64{},
		waivers: map[string]granted{}, promises: map[string]promised{}, counts: map[string]int64{},
	}
	if events[0].Type != "project.created" {
		return nil, broken("event 1 is %s, and no project begins with it", events[0].Type)
	}
	for _, e := range events {
		if err := h.add(e); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// read decodes an event's data.
func read[T any](e event.Event) (T, error) {
	var out T
	if err := json.Unmarshal(e.Data, &out); err != nil {
		return out, broken("event %d (%s) cannot be read", e.Seq, e.Type)
	}
	return out, nil
}

func (h *history) add(e event.Event) error {
	switch e.Type {
	case "change.created", "change.completed":
		return h.change(e)
	case "gate.approved", "gate.skipped", "gate.unskipped", "gate.rejected", "gate.reopened", "gate.stale", "gate.fresh", "gate.delta_review":
		return h.gate(e)
	case "proof.queued", "proof.finished", "proof.confirmed":
		return h.proof(e)
	case "waiver.granted", "waiver.closed":
		return h.waiver(e)
	case "condition.promised", "condition.resolved":
		return h.condition(e)
	}
	return nil
}

func (h *history) change(e event.Event) error {
	c, err := read[struct {
		Change int64    `json:"change"`
		Gates  []string `json:"gates"`
		Head   string   `json:"head"`
	}](e)
	if err != nil {
		return err
	}
	at := h.changes[c.Change]
	if e.Type == "change.created" {
		switch {
		case at != nil || c.Change != int64(len(h.changes))+1:
			return broken("event %d begins change %d out of its turn", e.Seq, c.Change)
		case len(c.Gates) == 0:
			return broken("event %d begins change %d without saying which gates it has to pass", e.Seq, c.Change)
		}
		h.last = &course{number: c.Change, gates: c.Gates, states: map[string]string{}}
		h.changes[c.Change] = h.last
		return nil
	}
	switch {
	case at == nil:
		return broken("event %d completes change %d, which no event began", e.Seq, c.Change)
	case at.approvals == 0:
		return broken("event %d completes change %d, of which nobody decided anything", e.Seq, c.Change)
	}
	for _, code := range at.gates {
		switch state := at.states[code]; {
		case state == stateApproved || state == stateSkipped:
		case h.waived(c.Change, code, "gate", code, e.At.Time):
			at.aside = append(at.aside, code)
		case state == stateStale:
			return broken("change %d was completed by event %d, and its %s had to be looked at again", c.Change, e.Seq, code)
		default:
			return broken("change %d was completed by event %d, and no event says that %s was approved or skipped", c.Change, e.Seq, code)
		}
	}
	at.completed, at.head = true, c.Head
	return nil
}

func (h *history) gate(e event.Event) error {
	d, err := read[decided](e)
	if err != nil {
		return err
	}
	at := h.changes[d.Change]
	if at == nil || !slices.Contains(at.gates, d.Gate) {
		return broken("event %d (%s) speaks of %s, a gate that no change has", e.Seq, e.Type, d)
	}
	if at.completed {
		return broken("event %d (%s) speaks of %s after that change was completed", e.Seq, e.Type, d)
	}
	switch e.Type {
	case "gate.approved":
		key := d.String()
		h.counts[key]++
		d.event, d.nth, d.waivers = e, h.counts[key], maps.Clone(h.waivers)
		maps.DeleteFunc(d.waivers, func(_ string, w granted) bool { return w.Change != d.Change || w.Gate != d.Gate })
		at.approvals++
		h.approvals = append(h.approvals, d)
		at.states[d.Gate] = stateApproved
		return h.kept(d)
	case "gate.fresh":
		at.states[d.Gate] = stateApproved
	case "gate.stale":
		at.states[d.Gate] = stateStale
	case "gate.skipped":
		at.states[d.Gate] = stateSkipped
	case "gate.rejected", "gate.reopened":
		back, err := read[struct {
			Target string `json:"target"`
		}](e)
		if err != nil {
			return err
		}
		delete(at.states, back.Target)
	default:
		delete(at.states, d.Gate)
	}
	return nil
}

// kept refuses an approval that came before a promise that was due at its gate.
func (h *history) kept(d decided) error {
	for _, id := range slices.Sorted(maps.Keys(h.promises)) {
		p := h.promises[id]
		if p.Change == d.Change && p.Due == d.Gate && !h.waived(d.Change, d.Gate, "condition", p.Condition, d.event.At.Time) {
			return broken("%s was approved by event %d, and the promise %s that was due at it was still open", d, d.event.Seq, p.Condition)
		}
	}
	return nil
}

func (h *history) proof(e event.Event) error {
	f, err := read[finished](e)
	if err != nil {
		return err
	}
	if e.Type == "proof.queued" {
		h.asked[f.Proof] = f.Change
		return nil
	}
	if _, twice := h.proofs[f.Proof]; twice {
		return broken("event %d gives the proof %s a second verdict", e.Seq, f.Proof)
	}
	f.seq, f.source = e.Seq, "platform"
	switch {
	case e.Type == "proof.finished" && e.Actor.Kind != event.Platform:
		return broken("event %d: the %s %s runs no checks, so it cannot have obtained %s", e.Seq, e.Actor.Kind, e.Actor.ID, f.Type)
	case e.Type == "proof.finished":
		f.Change = h.asked[f.Proof]
	case e.Actor.Kind != event.Person || f.Type != proof.Manual:
		return broken("event %d: %s cannot be given by %s %s", e.Seq, f.Type, e.Actor.Kind, e.Actor.ID)
	default:
		f.source = "person"
	}
	h.proofs[f.Proof] = f
	return nil
}

func (h *history) waiver(e event.Event) error {
	w, err := read[granted](e)
	if err != nil {
		return err
	}
	if e.Type == "waiver.closed" {
		delete(h.waivers, w.Waiver)
		return nil
	}
	if e.Actor.Kind != event.Person {
		return broken("event %d: a rule of %s of change %d was set aside by %s %s, not by a person", e.Seq, w.Gate, w.Change, e.Actor.Kind, e.Actor.ID)
	}
	h.waivers[w.Waiver] = w
	return nil
}

func (h *history) condition(e event.Event) error {
	p, err := read[promised](e)
	if err != nil {
		return err
	}
	if e.Type == "condition.resolved" {
		delete(h.promises, p.Condition)
	} else {
		h.promises[p.Condition] = p
	}
	return nil
}

// slack is how much later than the look behind it an event may be written.
const slack = time.Minute

// waived reports whether a waiver in force at the time set a rule aside. It may
// be asked only while the history has been followed up to then.
func (h *history) waived(change int64, code, rule, subject string, at time.Time) bool {
	for _, w := range h.waivers {
		if w.Change == change && w.Gate == code && w.Rule == rule && (w.Subject == "" || w.Subject == subject) && at.Before(w.ExpiresAt.Time.Add(slack)) {
			return true
		}
	}
	return false
}
