package gate_test

import (
	"context"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
)

func write(t *testing.T, d *db.DB, fn func(ctx context.Context, tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), fn); err != nil {
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

// begin stores a project with a change and its gates.
func begin(t *testing.T, d *db.DB) (project.Change, []gate.Gate) {
	t.Helper()
	p := project.Project{Name: "Garden", Idea: "A garden", Type: "traditional", Mode: "optional", Tier: "mvp", Teaching: "novice"}
	var c project.Change
	var gates []gate.Gate
	write(t, d, func(ctx context.Context, tx *db.Tx) error {
		if err := project.Create(ctx, tx, &p); err != nil {
			return err
		}
		c = project.Change{Project: p.ID, Idea: "A garden", CreatedBy: "person:ada", CreatedMethod: "session", CreatedRole: "owner"}
		if err := project.CreateChange(ctx, tx, &c); err != nil {
			return err
		}
		b := &blueprint.Blueprint{Gates: []blueprint.Gate{{Code: "G0"}, {Code: "G1", Stop: "plan"}, {Code: "G10", Stop: "plan"}}}
		if err := gate.CreateAll(ctx, tx, p.ID, c.ID, b); err != nil {
			return err
		}
		var err error
		gates, err = gate.List(ctx, tx, c.ID)
		return err
	})
	return c, gates
}

func TestGatesKeepTheOrderOfTheirBlueprint(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		_, gates := begin(t, d)
		for i, want := range []struct{ code, stop string }{{"G0", "G0"}, {"G1", "plan"}, {"G10", "plan"}} {
			if g := gates[i]; g.Code != want.code || g.Stop != want.stop || g.Status != gate.Blocked || g.Round != 1 || g.Stale {
				t.Errorf("gate %d: %+v", i, g)
			}
		}
		err := d.Read(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			got, err := gate.Get(ctx, tx, gates[1].ID)
			if err == nil && got != gates[1] {
				t.Errorf("got %+v, want %+v", got, gates[1])
			}
			if _, missing := gate.Get(ctx, tx, "gat_none"); fault.KindOf(missing) != fault.KindNotFound {
				t.Errorf("a gate that is none: %v", missing)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestAGateMovesOnceFromOneState(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		_, gates := begin(t, d)
		g, old := gates[1], gates[1]
		steps := []struct {
			u                gate.Update
			round, decisions int64
			opened, decided  bool
		}{
			{gate.Update{From: gate.Blocked, To: gate.Pending}, 1, 0, true, false},
			{gate.Update{From: gate.Pending, To: gate.InReview}, 1, 0, true, false},
			{gate.Update{From: gate.InReview, To: gate.Approved, Decided: true}, 1, 1, true, true},
			{gate.Update{From: gate.Approved, To: gate.Approved, Stale: true, Reason: "changed"}, 1, 1, true, true},
			{gate.Update{From: gate.Approved, To: gate.Pending, Stale: true, NewRound: true}, 2, 1, true, true},
			{gate.Update{From: gate.Pending, To: gate.InReview, Stale: true}, 2, 1, true, true},
			{gate.Update{From: gate.InReview, To: gate.Approved, Decided: true}, 2, 2, true, true},
		}
		for i, s := range steps {
			write(t, d, func(ctx context.Context, tx *db.Tx) error {
				if err := gate.Move(ctx, tx, &g, s.u); err != nil {
					return err
				}
				stored, err := gate.Get(ctx, tx, g.ID)
				if err == nil && (stored != g || g.Status != s.u.To || g.Stale != s.u.Stale || g.Reason != s.u.Reason) {
					t.Errorf("step %d: stored %+v, in hand %+v", i, stored, g)
				}
				return err
			})
			if g.Round != s.round || g.Decisions != s.decisions || !g.OpenedAt.IsZero() != s.opened || !g.DecidedAt.IsZero() != s.decided {
				t.Errorf("step %d: %+v", i, g)
			}
			// Whoever still holds the gate as it was is too late, also when the
			// status is the same again.
			stale := old
			refused(t, d, "gate.moved", func(ctx context.Context, tx *db.Tx) error {
				return gate.Move(ctx, tx, &stale, gate.Update{From: s.u.From, To: gate.Rejected})
			})
			if stale != old {
				t.Errorf("step %d: a move that was refused changed what its caller holds", i)
			}
			old = g
			old.Version--
		}
	})
}

func decision(c project.Change, g gate.Gate, kind, actor string) *gate.Decision {
	return &gate.Decision{ID: db.NewID("dec"), Project: c.Project, Change: c.ID, Gate: g.ID, Code: g.Code, Kind: kind, Method: gate.Session, Actor: actor, Comment: "Fine.", Head: "h", Round: g.Round, At: db.Now()}
}

func TestAPersonApprovesARoundOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c, gates := begin(t, d)
		record := func(x *gate.Decision) func(ctx context.Context, tx *db.Tx) error {
			return func(ctx context.Context, tx *db.Tx) error { return gate.Record(ctx, tx, x) }
		}
		g := gates[1]
		first := decision(c, g, gate.Approve, "person:ada")
		write(t, d, record(first))
		refused(t, d, "decision.twice", record(decision(c, g, gate.Approve, "person:ada")))
		write(t, d, record(decision(c, g, gate.Approve, "person:grace")))
		write(t, d, record(decision(c, g, gate.Reject, "person:ada")))
		write(t, d, record(decision(c, g, gate.Reject, "person:ada")))
		write(t, d, record(decision(c, gates[2], gate.Approve, "person:ada")))
		next := g
		next.Round++
		write(t, d, record(decision(c, next, gate.Approve, "person:ada")))
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			all, err := gate.Decisions(ctx, tx, c.ID)
			if err == nil && (len(all) != 6 || all[0] != *first) {
				t.Errorf("decisions %+v", all)
			}
			return err
		})
	})
}

func TestPromisesAreKeptOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c, gates := begin(t, d)
		x := decision(c, gates[1], gate.Approve, "person:ada")
		write(t, d, func(ctx context.Context, tx *db.Tx) error { return gate.Record(ctx, tx, x) })
		promise := gate.Condition{Change: c.ID, Decision: x.ID, Origin: "G1", Due: "G10", Text: "Mend it", Owner: "grace"}
		for _, spoil := range []func(p *gate.Condition){func(p *gate.Condition) { p.Text = " \n" }, func(p *gate.Condition) { p.Owner = "" }} {
			bad := promise
			spoil(&bad)
			refused(t, d, "condition.incomplete", func(ctx context.Context, tx *db.Tx) error { return gate.Promise(ctx, tx, &bad) })
		}
		write(t, d, func(ctx context.Context, tx *db.Tx) error { return gate.Promise(ctx, tx, &promise) })
		keep := func(change, code, id, words string) func(ctx context.Context, tx *db.Tx) error {
			return func(ctx context.Context, tx *db.Tx) error { return gate.Resolve(ctx, tx, change, code, id, words, ada) }
		}
		refused(t, d, "resolution.empty", keep(c.ID, "G10", promise.ID, " "))
		refused(t, d, "condition.resolved", keep(c.ID, "G10", "con_none", "Done."))
		refused(t, d, "condition.resolved", keep(c.ID, "G1", promise.ID, "Done."))
		refused(t, d, "condition.resolved", keep("chg_other", "G10", promise.ID, "Done."))
		write(t, d, keep(c.ID, "G10", promise.ID, "Done."))
		refused(t, d, "condition.resolved", keep(c.ID, "G10", promise.ID, "Done again."))
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			all, err := gate.Conditions(ctx, tx, c.ID)
			if err == nil && (len(all) != 1 || all[0].Status != "resolved" || all[0].Resolution != "Done." || all[0].ResolvedBy != "person:ada" || all[0].ResolvedAt.IsZero()) {
				t.Errorf("conditions %+v", all)
			}
			return err
		})
	})
}

func TestWaiversNeedARuleAnOwnerAReasonAndAnEnd(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c, _ := begin(t, d)
		good := gate.Waiver{Change: c.ID, Code: "G1", Rule: "proof", Subject: "sbom", Owner: "ada", Reason: "No network", ExpiresAt: db.Now().Add(time.Hour), CreatedBy: "person:ada"}
		waive := func(w *gate.Waiver) func(ctx context.Context, tx *db.Tx) error {
			return func(ctx context.Context, tx *db.Tx) error { return gate.Waive(ctx, tx, w) }
		}
		for field, spoil := range map[string]func(w *gate.Waiver){
			"rule":      func(w *gate.Waiver) { w.Rule = "question" },
			"owner":     func(w *gate.Waiver) { w.Owner = " " },
			"reason":    func(w *gate.Waiver) { w.Reason = "" },
			"expiresAt": func(w *gate.Waiver) { w.ExpiresAt = db.Now() },
		} {
			bad := good
			spoil(&bad)
			err := d.Write(t.Context(), waive(&bad))
			f, _ := fault.As(err)
			if fault.CodeOf(err) != "waiver.invalid" || len(f.Details) != 1 || f.Details[0].Field != field {
				t.Errorf("a waiver with a bad %s: %v %+v", field, err, f)
			}
		}
		for _, rule := range []string{"earlier", "work", "design", "question", "mode", "decide", "", "proof.failed"} {
			bad := good
			bad.Rule = rule
			refused(t, d, "waiver.invalid", waive(&bad))
		}
		err := d.Write(t.Context(), waive(&gate.Waiver{}))
		if f, _ := fault.As(err); f == nil || len(f.Details) != 4 {
			t.Errorf("an empty waiver: %v", err)
		}
		for _, rule := range gate.WaivableRules {
			w := good
			w.Rule = rule
			write(t, d, waive(&w))
		}
		write(t, d, waive(&good))
		shut := func(change, code, id string) func(ctx context.Context, tx *db.Tx) error {
			return func(ctx context.Context, tx *db.Tx) error { return gate.CloseWaiver(ctx, tx, change, code, id) }
		}
		refused(t, d, "waiver.closed", shut(c.ID, "G1", "wai_none"))
		refused(t, d, "waiver.closed", shut(c.ID, "G0", good.ID))
		refused(t, d, "waiver.closed", shut("chg_other", "G1", good.ID))
		write(t, d, shut(c.ID, "G1", good.ID))
		refused(t, d, "waiver.closed", shut(c.ID, "G1", good.ID))
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			all, err := gate.Waivers(ctx, tx, c.ID)
			if err != nil || len(all) != len(gate.WaivableRules)+1 {
				t.Errorf("waivers %+v", all)
				return err
			}
			if last := all[len(all)-1]; last.Status != "closed" || last.ClosedAt.IsZero() || !all[0].InForce(time.Now()) || last.InForce(time.Now()) {
				t.Errorf("the closed waiver %+v, an open one %+v", last, all[0])
			}
			return nil
		})
	})
}

func TestCarriesFollowTheirDecision(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c, gates := begin(t, d)
		x := decision(c, gates[1], gate.Approve, "person:ada")
		carry := gate.Carry{Change: c.ID, Code: "G1", Decision: x.ID, Head: "h2", WorkDigest: "w2"}
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			if err := gate.Record(ctx, tx, x); err != nil {
				return err
			}
			if err := gate.CarryForward(ctx, tx, &carry); err != nil {
				return err
			}
			all, err := gate.Carries(ctx, tx, c.ID)
			if err == nil && (len(all) != 1 || all[0] != carry) {
				t.Errorf("carries %+v, want %+v", all, carry)
			}
			return err
		})
		if err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			return gate.CarryForward(ctx, tx, &gate.Carry{Change: c.ID, Code: "G1", Decision: "dec_none"})
		}); err == nil {
			t.Error("a carry of a decision that is none was stored")
		}
	})
}
