package run_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/llm"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/run"
)

// answer answers the open question of the run and lets it go on.
func (w *world) answer(id, text string) {
	w.t.Helper()
	w.write(func(ctx context.Context, tx *db.Tx) error {
		all, err := project.Questions(ctx, tx, w.change.ID)
		if err != nil {
			return err
		}
		for _, q := range all {
			if q.Run == id && q.Status == "open" {
				if err := project.Answer(ctx, tx, q.ID, text, person, "terminal"); err != nil {
					return err
				}
			}
		}
		return run.WakeAnswered(ctx, tx, w.engine.Queue, id)
	})
}

// An agent that was told what to do differently gets as many turns for it as it
// had before it was asked.
func TestAfterAnAnswerTheTurnsAreCountedAnew(t *testing.T) {
	t.Parallel()
	n, asked := 0, 0
	w := newWorld(t, dbtest.SQLite(t), &scripted{price: &llm.Price{}, say: func(llm.Request) (llm.Response, error) {
		n++
		switch {
		case asked == 0 || n < asked+8:
			return calls(call("list_files", map[string]any{"pattern": fmt.Sprint(n)}), call("read_file", map[string]any{"path": fmt.Sprint(n)}))
		case n == asked+8:
			return calls(call("write_file", map[string]any{"path": "main.go", "content": "package main\n"}))
		}
		return calls(finish)
	}}, 0)
	id := w.start().ID
	if r := w.drive(id); r.WaitsFor != run.WaitQuestion {
		t.Fatalf("it does not ask: %s %s", r.Status, r.Reason)
	}
	asked = n
	w.answer(id, "Write main.go.")
	if r := w.drive(id); r.Status != run.Succeeded {
		t.Errorf("%d turns after the answer the run is %s: %s", n-asked, r.Status, r.Reason)
	}
}

// A pause that was asked for is not forgotten because something else wakes the
// run first.
func TestAPauseOutlivesAnAnswer(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := 0
		w := newWorld(t, d, &scripted{price: &llm.Price{}, say: func(llm.Request) (llm.Response, error) {
			if n++; n == 1 {
				return calls(call("ask_human", map[string]any{"question": "Which colour?", "options": []string{"Green", "Red"}, "suggestion": "Green", "blocking": true}))
			}
			return calls(finish)
		}}, 0)
		id := w.start().ID
		w.write(func(ctx context.Context, tx *db.Tx) error {
			if _, err := tx.Exec(ctx, `UPDATE runs SET status = 'running', lease_until = 1 WHERE id = $1`, id); err != nil {
				return err
			}
			if err := run.RequestPause(ctx, tx, id); err != nil {
				return err
			}
			_, err := run.Tick(ctx, tx, w.engine.Queue)
			return err
		})
		if r := w.drive(id); r.WaitsFor != run.WaitPause || n != 0 {
			t.Fatalf("after its lease ran out it waits for %q and made %d calls", r.WaitsFor, n)
		}
		w.write(func(ctx context.Context, tx *db.Tx) error { return run.Resume(ctx, tx, w.engine.Queue, id) })
		if r := w.drive(id); r.WaitsFor != run.WaitQuestion {
			t.Fatalf("it was resumed and waits for %q: %s", r.WaitsFor, r.Reason)
		}
		w.write(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE runs SET pause = TRUE WHERE id = $1`, id)
			return err
		})
		w.answer(id, "Green")
		if r := w.drive(id); r.WaitsFor != run.WaitPause || n != 1 {
			t.Errorf("after the answer it waits for %q and made %d calls", r.WaitsFor, n)
		}
	})
}

// The brief asks for what the project owes, and for nothing else.
func TestABriefAsksForWhatIsOwed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t), &scripted{price: &llm.Price{}, say: func(llm.Request) (llm.Response, error) { return calls(finish) }}, 0)
	var r run.Run
	w.write(func(ctx context.Context, tx *db.Tx) error {
		p, err := project.Get(ctx, tx, w.p.ID)
		if err != nil {
			return err
		}
		task := project.Task{Project: w.p.ID, Change: w.change.ID, Gate: "G3", Role: "architect", Kind: "build", Title: "Architecture", Brief: "Write it.", Priority: "high", Round: 1}
		if err := project.CreateTask(ctx, tx, &task); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO gates (id, project_id, change_id, code, position, stop, status) VALUES ('gat_3', $1, $2, 'G3', 3, 'G3', 'PENDING')`, w.p.ID, w.change.ID)
		if err != nil {
			return err
		}
		r, err = run.Start(ctx, tx, w.engine.Queue, task, p.Head, "scripted")
		return err
	})
	w.drive(r.ID)
	_, list, _ := strings.Cut(w.get(r.ID).Opening, "<deliverables>")
	list, _, _ = strings.Cut(list, "</deliverables>")
	if !strings.Contains(list, "docs/ARCHITECTURE.md") {
		t.Errorf("the architecture is not asked for:\n%s", list)
	}
	for _, path := range []string{"specs/openapi", "specs/data-model"} {
		if strings.Contains(list, path) {
			t.Errorf("%s is asked for, and there is neither an API nor data:\n%s", path, list)
		}
	}
}
