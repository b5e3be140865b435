package cli

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"

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
