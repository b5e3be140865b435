package run_test

import (
	"context"
	"testing"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/llm"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/run"
)

// The queue may deliver a job again after its turn has ended. The old job then
// finds that another carries the run: it calls no model and takes nothing away.
func TestAJobDeliveredAgainDoesNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, &scripted{price: &llm.Price{In: 1_000_000}}, 0)
		id := w.start().ID
		w.model.say = func(llm.Request) (llm.Response, error) {
			return calls(call("list_files", map[string]any{"pattern": "*"}))
		}
		must(t, w.engine.Turn(t.Context(), run.Turn{Run: id, Token: 1}))
		w.model.say = func(llm.Request) (llm.Response, error) {
			must(t, w.engine.Turn(t.Context(), run.Turn{Run: id, Token: 1}))
			return calls(finish)
		}
		if r := w.drive(id); r.Status != run.Succeeded || r.Turns != 2 {
			t.Errorf("the run is %s after %d turns: %s", r.Status, r.Turns, r.Reason)
		}
		if n := len(w.model.calls); n != 2 {
			t.Errorf("%d model calls for two turns", n)
		}
		w.write(func(ctx context.Context, tx *db.Tx) error {
			ledger, err := project.UsageOf(ctx, tx, id)
			for _, u := range ledger {
				if u.State != project.UsageSettled {
					t.Errorf("a call of turn %d is %s", u.Turn, u.State)
				}
			}
			return err
		})
	})
}

// A call whose run is cancelled meanwhile stays spent as estimated, and the run's
// folder goes with it.
func TestACancelledCallIsEstimated(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, &scripted{price: &llm.Price{In: 1_000_000}}, 0)
		r := w.start()
		w.model.say = func(llm.Request) (llm.Response, error) {
			w.write(func(ctx context.Context, tx *db.Tx) error {
				return run.CancelOf(ctx, tx, []string{r.Task}, "not needed")
			})
			return calls(finish)
		}
		must(t, w.engine.Turn(t.Context(), run.Turn{Run: r.ID, Token: 1}))
		w.write(func(ctx context.Context, tx *db.Tx) error {
			ledger, err := project.UsageOf(ctx, tx, r.ID)
			if len(ledger) != 1 || ledger[0].State != project.UsageEstimated || ledger[0].CostMicro == nil || *ledger[0].CostMicro == 0 {
				t.Errorf("the ledger is %+v", ledger)
			}
			return err
		})
		if trees, err := w.engine.Repos.Worktrees(); err != nil || len(trees) != 0 {
			t.Errorf("left are %v, %v", trees, err)
		}
	})
}

// A new process removes what runs left behind that ended when nobody could.
func TestSweep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t), &scripted{price: &llm.Price{}, say: func(llm.Request) (llm.Response, error) {
		return calls(call("list_files", map[string]any{"pattern": "*"}))
	}}, 0)
	live, gone := w.start(), w.start()
	for _, id := range []string{live.ID, gone.ID} {
		must(t, w.engine.Turn(t.Context(), run.Turn{Run: id, Token: 1}))
	}
	w.write(func(ctx context.Context, tx *db.Tx) error {
		return run.CancelOf(ctx, tx, []string{gone.Task}, "not needed")
	})
	must(t, w.engine.Sweep(t.Context()))
	trees, err := w.engine.Repos.Worktrees()
	if err != nil || len(trees) != 1 || trees[0].Name != live.ID || trees[0].Project != w.p.ID {
		t.Errorf("left are %v, %v", trees, err)
	}
}
