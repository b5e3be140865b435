package project_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/llm"
	"github.com/layercake-app/layercake/internal/project"
)

func write(t testing.TB, d *db.DB, fn func(ctx context.Context, tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(context.Background(), fn); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// refused runs fn in a transaction of its own, which it must fail with code.
func refused(t *testing.T, d *db.DB, code string, fn func(ctx context.Context, tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), fn); fault.CodeOf(err) != code {
		t.Errorf("got %v (%s), want %s", err, fault.CodeOf(err), code)
	}
}

func create(t testing.TB, d *db.DB, budget, tokens int64) project.Project {
	t.Helper()
	p := valid()
	p.BudgetMicro, p.TokenCap = budget, tokens
	write(t, d, func(ctx context.Context, tx *db.Tx) error { return project.Create(ctx, tx, &p) })
	return p
}

func get(t testing.TB, d *db.DB, id string) (p project.Project) {
	t.Helper()
	err := d.Read(context.Background(), func(ctx context.Context, tx *db.Tx) (err error) {
		p, err = project.Get(ctx, tx, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func reserve(d *db.DB, u *project.Usage) error {
	return d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error { return project.Reserve(ctx, tx, u) })
}

func usage(p project.Project, run string, micro, tokens int64) *project.Usage {
	return &project.Usage{Project: p.ID, Change: "chg", Run: run, Turn: 1, Gate: "G1", Role: "orchestrator", Provider: "demo", Model: "demo", ReservedMicro: micro, ReservedTokens: tokens, CostMicro: &micro}
}

// A cap in money says nothing about a call whose price is unknown.
func TestACallOfUnknownPriceNeedsACapInTokens(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for _, c := range []struct {
			micro, tokens int64
			want          error
		}{{1000, 0, project.ErrBudget}, {1000, 500, nil}, {0, 500, nil}, {0, 0, nil}, {0, 99, project.ErrBudget}} {
			u := usage(create(t, d, c.micro, c.tokens), "run_1", 0, 100)
			u.CostMicro = nil
			if err := reserve(d, u); !errors.Is(err, c.want) {
				t.Errorf("a budget of %d micro-USD and %d tokens: %v", c.micro, c.tokens, err)
			}
		}
	})
}

func TestAReservationIsSettledReleasedOrForfeitedOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := create(t, d, 1000, 500)
		spent := func(micro, tokens int64) {
			t.Helper()
			if got := get(t, d, p.ID); got.SpentMicro != micro || got.SpentTokens != tokens {
				t.Errorf("spent %d micro, %d tokens; want %d, %d", got.SpentMicro, got.SpentTokens, micro, tokens)
			}
		}
		settle := func(u *project.Usage, used llm.Usage, cost *int64) func(ctx context.Context, tx *db.Tx) error {
			return func(ctx context.Context, tx *db.Tx) error { return project.Settle(ctx, tx, *u, used, cost) }
		}
		first := usage(p, "run_1", 400, 100)
		if err := reserve(d, first); err != nil {
			t.Fatal(err)
		}
		spent(400, 100)
		cost := int64(150)
		write(t, d, settle(first, llm.Usage{In: 10, Out: 20, CacheRead: 5, CacheWrite: 1}, &cost))
		spent(150, 36)
		refused(t, d, "usage.settled", settle(first, llm.Usage{In: 1}, &cost))
		spent(150, 36)

		unknown := usage(p, "run_1", 0, 100)
		if err := reserve(d, unknown); err != nil {
			t.Fatal(err)
		}
		write(t, d, settle(unknown, llm.Usage{Out: 30}, nil))
		spent(150, 66)

		back := usage(p, "run_1", 800, 400)
		if err := reserve(d, back); err != nil {
			t.Fatal(err)
		}
		write(t, d, func(ctx context.Context, tx *db.Tx) error { return project.Release(ctx, tx, *back) })
		spent(150, 66)
		refused(t, d, "usage.settled", func(ctx context.Context, tx *db.Tx) error { return project.Release(ctx, tx, *back) })

		for i, run := range []string{"run_1", "run_1", "run_2"} {
			u := usage(p, run, 100, 10)
			if i == 0 {
				u.CostMicro = nil // the first has no price
			}
			if err := reserve(d, u); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []int64{2, 0} {
			write(t, d, func(ctx context.Context, tx *db.Tx) error {
				n, err := project.Forfeit(ctx, tx, "run_1", project.UsageLost)
				if n != want {
					t.Errorf("forfeited %d, want %d", n, want)
				}
				return err
			})
		}
		spent(450, 96)
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			list, err := project.UsageOf(ctx, tx, "run_1")
			if err != nil {
				return err
			}
			var states []string
			for _, u := range list {
				states = append(states, u.State)
			}
			if got, want := fmt.Sprint(states), "[settled settled settled lost lost]"; got != want {
				t.Errorf("states %s, want %s", got, want)
			}
			if list[1].CostMicro != nil {
				t.Errorf("an unknown price became %d", *list[1].CostMicro)
			}
			if list[3].CostMicro != nil {
				t.Errorf("a lost call without a price became %d", *list[3].CostMicro)
			}
			if list[4].CostMicro == nil || *list[4].CostMicro != 100 {
				t.Errorf("a lost call costs %v, want what was reserved", list[4].CostMicro)
			}
			sum, err := project.SumUsage(ctx, tx, "chg")
			if want := (project.UsageSum{Calls: 6, Tokens: 66, CostMicro: 250, Unknown: 2}); sum != want {
				t.Errorf("sum %+v, want %+v", sum, want)
			}
			return err
		})
	})
}

func TestAReservationThatWouldPassTheCapWritesNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for _, c := range []struct {
			name                          string
			budget, cap, micro, tokens, n int64 // n: how many fit
		}{
			{"no cap at all", 0, 0, 1 << 40, 1 << 40, 3},
			{"money exactly", 300, 0, 100, 1, 3},
			{"money and one over", 299, 0, 100, 1, 2},
			{"tokens exactly", 0, 300, 1, 100, 3},
			{"tokens and one over", 0, 299, 1, 100, 2},
			{"the tighter one counts", 1000, 150, 100, 100, 1},
			{"not even one", 99, 0, 100, 1, 0},
		} {
			p := create(t, d, c.budget, c.cap)
			for i := range c.n {
				if err := reserve(d, usage(p, "run", c.micro, c.tokens)); err != nil {
					t.Fatalf("%s: reservation %d: %v", c.name, i+1, err)
				}
			}
			if c.budget == 0 && c.cap == 0 {
				continue
			}
			if err := reserve(d, usage(p, "run", c.micro, c.tokens)); !errors.Is(err, project.ErrBudget) {
				t.Errorf("%s: one more gave %v", c.name, err)
			}
			if got := get(t, d, p.ID); got.SpentMicro != c.n*c.micro || got.SpentTokens != c.n*c.tokens {
				t.Errorf("%s: spent %d, %d", c.name, got.SpentMicro, got.SpentTokens)
			}
		}
		missing := project.Project{ID: "prj_none"}
		if err := reserve(d, usage(missing, "run", 1, 1)); !errors.Is(err, project.ErrBudget) {
			t.Errorf("a project that is none: %v", err)
		}
	})
}

func TestFiftyReservationsAtOnceNeverPassTheCap(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const each, fit = 70, 17
		p := create(t, d, each*fit+each-1, 0)
		var won, lost atomic.Int64
		var wait sync.WaitGroup
		start := make(chan struct{})
		for range 50 {
			wait.Go(func() {
				<-start
				switch err := reserve(d, usage(p, "run", each, 1)); {
				case err == nil:
					won.Add(1)
				case errors.Is(err, project.ErrBudget):
					lost.Add(1)
				default:
					t.Errorf("reserve: %v", err)
				}
			})
		}
		close(start)
		wait.Wait()
		got := get(t, d, p.ID)
		if won.Load() != fit || lost.Load() != 50-fit || got.SpentMicro != each*fit || got.SpentMicro > got.BudgetMicro {
			t.Errorf("%d won, %d lost, spent %d of %d", won.Load(), lost.Load(), got.SpentMicro, got.BudgetMicro)
		}
		var rows int64
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			return tx.One(ctx, &rows, `SELECT COUNT(*) FROM usage WHERE project_id = $1`, p.ID)
		})
		if rows != fit {
			t.Errorf("%d ledger rows for %d reservations", rows, fit)
		}
	})
}

// The ledger and the project's total agree after every step, and spending never
// passes the cap when no call costs more than was reserved.
func TestTheLedgerAddsUp(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	rapid.Check(t, func(rt *rapid.T) {
		limit := int64(rapid.IntRange(0, 2000).Draw(rt, "cap"))
		p := create(t, d, limit, 0)
		run := p.ID // a run of its own
		var open []*project.Usage
		for range rapid.IntRange(0, 20).Draw(rt, "steps") {
			switch n := rapid.IntRange(0, 4).Draw(rt, "step"); {
			case n <= 1 || len(open) == 0:
				u := usage(p, run, int64(rapid.IntRange(0, 500).Draw(rt, "micro")), 10)
				u.CostMicro = &u.ReservedMicro
				before := get(t, d, p.ID)
				err := reserve(d, u)
				fits := limit == 0 || before.SpentMicro+u.ReservedMicro <= limit
				if (err == nil) != fits {
					rt.Fatalf("reserve %d of %d with %d spent: %v", u.ReservedMicro, limit, before.SpentMicro, err)
				}
				if err == nil {
					open = append(open, u)
				}
			case n == 2:
				cost := rapid.Int64Range(0, open[0].ReservedMicro).Draw(rt, "cost")
				write(t, d, func(ctx context.Context, tx *db.Tx) error {
					return project.Settle(ctx, tx, *open[0], llm.Usage{In: 4}, &cost)
				})
				open = open[1:]
			case n == 3:
				write(t, d, func(ctx context.Context, tx *db.Tx) error { return project.Release(ctx, tx, *open[0]) })
				open = open[1:]
			default:
				write(t, d, func(ctx context.Context, tx *db.Tx) error {
					_, err := project.Forfeit(ctx, tx, run, project.UsageEstimated)
					return err
				})
				open = nil
			}
			var sum int64
			write(t, d, func(ctx context.Context, tx *db.Tx) error {
				return tx.One(ctx, &sum, `SELECT CAST(COALESCE(SUM(CASE WHEN state = 'reserved' THEN reserved_micro ELSE cost_micro END), 0) AS BIGINT) FROM usage WHERE project_id = $1`, p.ID)
			})
			got := get(t, d, p.ID)
			if got.SpentMicro != sum || limit > 0 && got.SpentMicro > limit {
				rt.Fatalf("spent %d, the ledger adds up to %d, the cap is %d", got.SpentMicro, sum, limit)
			}
		}
	})
}

func TestTheCapCanBeRaisedAndLifted(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := create(t, d, 100, 0)
		raise := func(micro int64) func(ctx context.Context, tx *db.Tx) error {
			return func(ctx context.Context, tx *db.Tx) error { return project.SetBudget(ctx, tx, p.ID, micro) }
		}
		refused(t, d, "budget.negative", raise(-1))
		if err := reserve(d, usage(p, "run", 150, 1)); !errors.Is(err, project.ErrBudget) {
			t.Errorf("over the cap: %v", err)
		}
		write(t, d, raise(150))
		if err := reserve(d, usage(p, "run", 150, 1)); err != nil {
			t.Error(err)
		}
		write(t, d, raise(10)) // below what is spent: nothing more fits
		if err := reserve(d, usage(p, "run", 1, 1)); !errors.Is(err, project.ErrBudget) {
			t.Errorf("under a lowered cap: %v", err)
		}
		write(t, d, raise(0))
		capped := create(t, d, 0, 5)
		write(t, d, func(ctx context.Context, tx *db.Tx) error { return project.SetBudget(ctx, tx, capped.ID, 50) })
		if got := get(t, d, capped.ID); got.TokenCap != 0 || got.BudgetMicro != 50 {
			t.Errorf("a budget in place of a token cap: %+v", got)
		}
		if err := reserve(d, usage(p, "run", 1<<40, 1)); err != nil {
			t.Error(err)
		}
		if got := get(t, d, p.ID); got.Version != p.Version+3 {
			t.Errorf("version %d after three changes of %d", got.Version, p.Version)
		}
	})
}
