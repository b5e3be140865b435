package app

import (
	"context"
	"os/user"
	"time"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
)

// Desk is where the questions and decisions of a headless run land: a person at
// a terminal, a delegation, or nobody. Each method reports whether it moved
// something; when nothing moves and no agent works, the run waits for a human.
type Desk interface {
	Decide(ctx context.Context, o *flow.Overview, s flow.Stop) (bool, error)
	Answer(ctx context.Context, o *flow.Overview, q project.Question) (bool, error)
	Unblock(ctx context.Context, o *flow.Overview) (bool, error)
}

// Outcome is how a headless run ended.
type Outcome struct {
	Status string // completed, failed, waiting
	Reason string
	Last   *flow.Overview
	Commit string // what there is to export; "" is the project's head
}

// Interrupted is the reason of a run that was told to stop. Nothing is lost by it.
const Interrupted = "interrupted; the same command goes on"

// Drive carries a project on until its change is complete, the gate until is
// approved, or only a human who is not there can move it. show is called with
// each event after the one numbered since, in order. When ctx ends before the
// run has, whatever was under way, it waits: the same command goes on.
func (a *App) Drive(ctx context.Context, projectID, until string, since int64, desk Desk, show func(event.Event, *flow.Overview)) (Outcome, error) {
	out, err := a.drive(ctx, projectID, until, since, desk, show)
	if err != nil && ctx.Err() != nil {
		return Outcome{Status: "waiting", Reason: Interrupted}, nil
	}
	return out, err
}

func (a *App) drive(ctx context.Context, projectID, until string, since int64, desk Desk, show func(event.Event, *flow.Overview)) (Outcome, error) {
	d := driver{App: a, project: projectID, until: until, desk: desk, show: show, seq: since}
	events, cancel := a.Bus.Subscribe(project.Channel(projectID), 1024)
	defer func() { cancel() }()
	for {
		out, done, err := d.look(ctx)
		if err != nil || done {
			return out, err
		}
		timer := time.NewTimer(time.Second)
		select {
		case <-ctx.Done():
			timer.Stop()
			return Outcome{}, ctx.Err()
		case err := <-a.GivenUp:
			timer.Stop()
			return Outcome{Status: "failed", Reason: fault.Public(err)}, err
		case _, ok := <-events:
			if !ok {
				cancel()
				events, cancel = a.Bus.Subscribe(project.Channel(projectID), 1024)
			}
		case <-timer.C:
		}
		timer.Stop()
		drain(events)
	}
}

// drain empties what is already there: one look covers it all.
func drain(events <-chan any) {
	for {
		select {
		case _, ok := <-events:
			if !ok {
				return
			}
		default:
			return
		}
	}
}

type driver struct {
	*App
	project string
	until   string
	desk    Desk
	show    func(event.Event, *flow.Overview)
	seq     int64

	conflicts int
}

func (d *driver) look(ctx context.Context) (Outcome, bool, error) {
	o, err := d.Flow.Overview(ctx, d.project)
	if err != nil {
		return Outcome{}, false, err
	}
	if err := d.tell(ctx, o); err != nil {
		return Outcome{}, false, err
	}
	switch {
	case o.Change.Status == project.ChangeCompleted:
		if err := d.Flow.Seal(ctx, d.project); err != nil {
			return Outcome{}, false, err
		}
		return Outcome{Status: "completed", Last: o}, true, d.Flow.Publish(ctx, d.project)
	case o.Change.Status == project.ChangeCancelled:
		return Outcome{Status: "failed", Reason: "the change was cancelled; what was merged stays. Begin a further change with --change", Last: o}, true, nil
	case d.reached(o):
		commit, err := d.Flow.Export(ctx, d.project)
		return Outcome{Status: "completed", Reason: "stopped after " + d.until + " as asked", Last: o, Commit: commit}, true, err
	}
	acted, err := d.act(ctx, o)
	if err != nil {
		return Outcome{}, false, err
	}
	if acted || o.Busy {
		return Outcome{}, false, nil
	}
	// What was looked at may have changed between the rows and here.
	again, err := d.Flow.Overview(ctx, d.project)
	if err != nil {
		return Outcome{}, false, err
	}
	if again.Busy || again.Change.Status != project.ChangeOpen || len(again.Ready) != len(o.Ready) || len(again.Questions) != len(o.Questions) {
		return Outcome{}, false, nil
	}
	if err := d.tell(ctx, again); err != nil {
		return Outcome{}, false, err
	}
	return Outcome{Status: "waiting", Reason: again.Sentence(), Last: again}, true, d.Flow.Publish(ctx, d.project)
}

func (d *driver) reached(o *flow.Overview) bool {
	if d.until == "" {
		return false
	}
	v := o.Gate(d.until)
	return v != nil && v.Settled() && (v.Status == gate.Approved || v.Status == gate.Skipped)
}

// act brings what waits to the desk.
func (d *driver) act(ctx context.Context, o *flow.Overview) (bool, error) {
	for _, q := range o.Questions {
		if acted, err := d.desk.Answer(ctx, o, q); acted || err != nil {
			return d.settled(acted, err)
		}
	}
	for _, s := range o.Ready {
		if acted, err := d.desk.Decide(ctx, o, s); acted || err != nil {
			return d.settled(acted, err)
		}
	}
	if o.Busy || len(o.Ready) > 0 || len(o.Questions) > 0 {
		return false, nil
	}
	return d.settled(d.desk.Unblock(ctx, o))
}

// maxConflicts bounds how often in a row the project may have moved between a
// look and the act on it.
const maxConflicts = 100

// settled forgives a conflict: the project moved between the look and the act,
// and the next look shows how.
func (d *driver) settled(acted bool, err error) (bool, error) {
	if fault.KindOf(err) != fault.KindConflict {
		d.conflicts = 0
		return acted, err
	}
	d.conflicts++
	if d.conflicts > maxConflicts {
		return false, err
	}
	return true, nil
}

// tell shows the events that are new.
func (d *driver) tell(ctx context.Context, o *flow.Overview) error {
	for {
		var page []event.Event
		err := d.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			page, err = event.Since(ctx, tx, d.project, d.seq, 500)
			return err
		})
		if err != nil {
			return err
		}
		for _, e := range page {
			d.show(e, o)
			d.seq = e.Seq
		}
		if len(page) < 500 {
			return nil
		}
	}
}

// Delegation is the desk of `run --auto-approve`: it approves what is ready and
// takes the suggested answers, in the name of the operating-system user. It
// exists in this process only, and gives no manual verification, no waiver, no
// money and no way out of a loop.
type Delegation struct {
	Flow *flow.Flow
	By   gate.Decider
}

// Decide approves the stop.
func (d Delegation) Decide(ctx context.Context, o *flow.Overview, s flow.Stop) (bool, error) {
	_, err := d.Flow.Approve(ctx, d.By, o.Project.ID, s.Code(), flow.Approval{Comment: "AUTO-APPROVED: all conditions were met."})
	return err == nil, err
}

// Answer takes the suggestion of a question that may be delegated.
func (d Delegation) Answer(ctx context.Context, _ *flow.Overview, q project.Question) (bool, error) {
	if q.Suggestion == "" || q.Kind == project.QuestionBudget || q.Kind == project.QuestionStuck {
		return false, nil
	}
	err := d.Flow.Answer(ctx, d.By, q.ID, q.Suggestion)
	return err == nil, err
}

// Unblock does nothing: what blocks needs a person.
func (d Delegation) Unblock(context.Context, *flow.Overview) (bool, error) { return false, nil }

// Nobody is the desk of a run without a terminal and without a delegation.
type Nobody struct{}

// Decide leaves the decision open.
func (Nobody) Decide(context.Context, *flow.Overview, flow.Stop) (bool, error) { return false, nil }

// Answer leaves the question open.
func (Nobody) Answer(context.Context, *flow.Overview, project.Question) (bool, error) {
	return false, nil
}

// Unblock leaves the blocker open.
func (Nobody) Unblock(context.Context, *flow.Overview) (bool, error) { return false, nil }

// OSUser is the person who runs this process, as decisions name them.
func OSUser() (event.Actor, error) {
	u, err := user.Current()
	if err != nil || u.Username == "" {
		return event.Actor{}, fault.Unavailable("user.unknown", "The operating system does not say who runs this process, so nobody could be named for a decision. Run it as a user with a name.").Because(err)
	}
	return event.Actor{Kind: event.Person, ID: "os:" + u.Username}, nil
}
