package cli

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
)

// room is a person's desk before a project in which nobody works: the test says
// how things are, and what is typed.
type room struct {
	*testing.T
	app     *app.App
	by      gate.Decider
	project project.Project
	change  project.Change
}

func newRoom(t *testing.T) *room {
	t.Helper()
	r := &room{T: t, by: gate.Decider{Actor: event.Actor{Kind: event.Person, ID: "os:ada"}, Method: gate.Terminal, Role: "owner"}}
	var err error
	r.app, err = app.Open(t.Context(), app.Settings{Data: t.TempDir(), Cache: t.TempDir(), Sandbox: "none", Path: os.Getenv("PATH")}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.app.Close(); err != nil {
			t.Error(err)
		}
	})
	b, err := blueprint.Load("express")
	if err != nil {
		t.Fatal(err)
	}
	text, err := b.YAML()
	if err != nil {
		t.Fatal(err)
	}
	r.project = project.Project{Name: "Plants", Idea: "plants", Type: "traditional", Mode: "local_only", Tier: "standard", Teaching: "expert", Blueprint: b.Name}
	_, err = r.app.Flow.Create(t.Context(), r.by, &r.project, text, func(ctx context.Context, id string) error {
		_, err := r.app.Repos.Create(ctx, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r.rows(func(ctx context.Context, tx *db.Tx) (err error) {
		r.change, err = project.LatestChange(ctx, tx, r.project.ID)
		return err
	})
	return r
}

// rows reads or writes how things are.
func (r *room) rows(fn func(ctx context.Context, tx *db.Tx) error) {
	r.Helper()
	if err := r.app.DB.Write(r.Context(), fn); err != nil {
		r.Fatal(err)
	}
}

func (r *room) look() *flow.Overview {
	r.Helper()
	o, err := r.app.Flow.Overview(r.Context(), r.project.ID)
	if err != nil {
		r.Fatal(err)
	}
	return o
}

// types lets the person type lines at a new desk, and returns what the screen
// shows of it.
func (r *room) types(lines string, at func(d *desk) (bool, error)) string {
	r.Helper()
	var screen strings.Builder
	e := &env{ctx: r.Context(), log: r.app.Log, term: Terminal{In: strings.NewReader(lines), Out: &screen, Err: &screen, Interactive: true}}
	d := &desk{env: e, app: r.app, by: r.by, view: newView(e, false, r.app.Model.Info()), lines: newLines(e.term.In)}
	if _, err := at(d); err != nil {
		r.Fatalf("%v\n%s", err, &screen)
	}
	return screen.String()
}

// The number of an option gives that option, also where options are numbers
// themselves; Enter gives the suggestion, and anything else is the answer.
func TestAnAnswerIsRecordedAsGiven(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for _, c := range []struct{ typed, recorded string }{
		{"1", "2"}, {"2", "3"}, {"3", "5"}, {"", "3"}, {"4", "4"}, {"ten", "ten"},
	} {
		q := project.Question{
			Project: r.project.ID, Change: r.change.ID, Gate: "G1", Kind: project.QuestionAgent, Text: "How many?",
			Options: []string{"2", "3", "5"}, Suggestion: "3", Blocking: true,
		}
		r.rows(func(ctx context.Context, tx *db.Tx) error { return project.Ask(ctx, tx, &q) })
		r.types(c.typed+"\n", func(d *desk) (bool, error) { return d.Answer(t.Context(), r.look(), q) })
		r.rows(func(ctx context.Context, tx *db.Tx) (err error) {
			q, err = project.GetQuestion(ctx, tx, q.ID)
			return err
		})
		if q.Answer != c.recorded || q.Status != "answered" {
			t.Errorf("%q was recorded as %q (%s), not %q", c.typed, q.Answer, q.Status, c.recorded)
		}
	}
}

// What blocks is settled at the gate that it blocks, also where a waiver has set
// the blocker aside: the gates after it only wait.
func TestABlockerIsSettledAtItsGate(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	b := project.Blocker{Project: r.project.ID, Change: r.change.ID, Gate: "G1", Kind: project.BlockerTask, Title: "no paper", Severity: "critical"}
	r.rows(func(ctx context.Context, tx *db.Tx) error {
		for _, code := range []string{"G0", "G1"} {
			if _, err := tx.Exec(ctx, `UPDATE gates SET status = $2 WHERE code = $1`, code, gate.Pending); err != nil {
				return err
			}
		}
		task := project.Task{Project: r.project.ID, Change: r.change.ID, Gate: "G1", Role: "product-manager", Kind: "build", Round: 1}
		if err := project.CreateTask(ctx, tx, &task); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE tasks SET status = $2 WHERE id = $1`, task.ID, project.TaskFailed); err != nil {
			return err
		}
		if err := project.RaiseBlocker(ctx, tx, &b); err != nil {
			return err
		}
		for _, w := range []gate.Waiver{{Code: "G0", Rule: "gate"}, {Code: "G1", Rule: "proof"}, {Code: "G1", Rule: "deliverable"}, {Code: "G1", Rule: "blocker"}} {
			w.Change, w.Owner, w.Reason, w.ExpiresAt = r.change.ID, "ada", "for the test", db.Time{Time: time.Now().Add(time.Hour)}
			if err := gate.Waive(ctx, tx, &w); err != nil {
				return err
			}
		}
		return nil
	})
	said := r.types("resolve there is paper again\n", func(d *desk) (bool, error) { return d.Unblock(t.Context(), r.look()) })
	if !strings.Contains(said, "G1 cannot go on:\n  - ") || !strings.Contains(said, "no paper") || !strings.Contains(said, "G1> ") {
		t.Errorf("it says:\n%s", said)
	}
	r.rows(func(ctx context.Context, tx *db.Tx) error {
		all, err := project.Blockers(ctx, tx, r.change.ID)
		for _, x := range all {
			if x.ID == b.ID && x.Resolution != "there is paper again" {
				t.Errorf("the blocker is %s: %q\n%s", x.Status, x.Resolution, said)
			}
		}
		return err
	})
}

// Where one decision covers several gates, a rejection says whose work is done
// again; nothing is sent back without.
func TestARejectionNamesItsGate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typed, target string
		asked         bool
	}{
		{"reject The button does nothing\ng5\n", "G5", true},
		{"reject The button does nothing\nG2\n", "G2", true},
		{"reject The button does nothing\n\n", "", true},
		{"reject The button does nothing\nthe last one\n", "", true},
		{"reject The button does nothing\n", "", true},
		{"reject\nlater\n", "", false},
		{"reject G5: The button does nothing\n", "G5", false},
	} {
		t.Run(c.typed, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			r.rows(func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE gates SET status = $1 WHERE code <> 'G0' AND code < 'G8'`, gate.InReview)
				return err
			})
			o := r.look()
			s := flow.Stop{Views: []*gate.View{o.Gate("G5"), o.Gate("G6"), o.Gate("G7")}}
			said := r.types(c.typed, func(d *desk) (bool, error) { return d.Decide(t.Context(), o, s) })
			if _, list, asked := strings.Cut(said, "Which gate has to do its work again?"); asked != c.asked || asked && !strings.Contains(list, "\n  G6  "+o.Gate("G6").Spec.Name+": "+o.Gate("G6").Spec.Purpose) {
				t.Errorf("asked: %t\n%s", asked, said)
			}
			var made []gate.Decision
			r.rows(func(ctx context.Context, tx *db.Tx) (err error) {
				made, err = gate.Decisions(ctx, tx, r.change.ID)
				return err
			})
			switch {
			case c.target == "" && len(made) > 0:
				t.Errorf("%+v was recorded\n%s", made[0], said)
			case c.target != "" && (len(made) != 1 || made[0].Code != "G7" || made[0].Target != c.target || made[0].Comment != "The button does nothing"):
				t.Errorf("recorded is %+v\n%s", made, said)
			}
		})
	}
}

// What has come to its end is not called interrupted when Ctrl-C comes too late
// to stop it.
func TestWhatHasEndedIsNotInterrupted(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	if err := r.app.Flow.CancelChange(t.Context(), r.by, r.project.ID, "not needed any more"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out, err := r.app.Drive(ctx, r.project.ID, "", 0, app.Nobody{}, func(e event.Event, _ *flow.Overview) {
		if e.Type == "change.cancelled" {
			cancel()
		}
	})
	if err != nil || ctx.Err() == nil || out.Status != "failed" || !strings.Contains(out.Reason, "was cancelled") {
		t.Errorf("%s: %s (%v)", out.Status, out.Reason, err)
	}
	if out, err := r.app.Drive(ctx, r.project.ID, "", 0, app.Nobody{}, func(event.Event, *flow.Overview) {}); err != nil || out.Reason != app.Interrupted {
		t.Errorf("stopped before it looked: %s: %s (%v)", out.Status, out.Reason, err)
	}
}
