package proof

import (
	"context"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/sandbox"
)

// seeded stores a project with a change, and returns a row that asks for a
// proof of it.
func seeded(t *testing.T, d *db.DB) Row {
	t.Helper()
	p := project.Project{Name: "n", Idea: "Keep a list of plants.", Type: "traditional", Mode: "local_only", Tier: "mvp", Teaching: "expert", Blueprint: "b"}
	c := project.Change{Idea: "Keep a list of plants.", Blueprint: "b", CreatedBy: "usr_1", CreatedMethod: "terminal", CreatedRole: "owner"}
	write(t, d, func(ctx context.Context, tx *db.Tx) error {
		if err := project.Create(ctx, tx, &p); err != nil {
			return err
		}
		c.Project = p.ID
		return project.CreateChange(ctx, tx, &c)
	})
	return Row{Project: p.ID, Change: c.ID, Gate: "G6", Type: Unit, Commit: "c1", Inputs: "d1", AskedBy: "platform"}
}

func write(t *testing.T, d *db.DB, fn func(ctx context.Context, tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func result(verdict Verdict) Result {
	key := strings.Repeat("a", 64)
	return Result{
		Type: Unit, Commit: "c1", Verdict: verdict, Reason: "3 tests passed", Command: "go test", Inputs: "d2",
		Isolation: sandbox.Isolation{Kind: "bubblewrap", Enforced: []string{"network"}}, Figures: map[string]float64{"tests": 3}, LogKey: key, LogSHA256: key, ReportKey: key,
	}
}

// obtained queues, begins and finishes a proof.
func obtained(ctx context.Context, tx *db.Tx, r Row, res Result) (string, error) {
	id, err := Queue(ctx, tx, r)
	if err != nil {
		return "", err
	}
	if _, err := Begin(ctx, tx, id); err != nil {
		return "", err
	}
	res.Type, res.Commit = r.Type, r.Commit
	return id, Finish(ctx, tx, id, res)
}

func TestRowsFromQueueToVerdict(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ask := seeded(t, d)
		var first, second string
		write(t, d, func(ctx context.Context, tx *db.Tx) (err error) {
			if first, err = Queue(ctx, tx, ask); err != nil {
				return err
			}
			rows, err := Latest(ctx, tx, ask.Change)
			if err != nil || len(rows) != 1 || rows[0].Status != Queued || rows[0].Source != Platform || rows[0].Figure("tests") != 0 {
				t.Errorf("queued: %+v, %v", rows, err)
			}
			for range 2 { // a process that died begins again
				if r, err := Begin(ctx, tx, first); err != nil || r.Status != Running || r.StartedAt.IsZero() {
					t.Errorf("begun: %+v, %v", r, err)
				}
			}
			return Finish(ctx, tx, first, result(Fail))
		})
		write(t, d, func(ctx context.Context, tx *db.Tx) (err error) {
			second, err = obtained(ctx, tx, ask, result(Pass))
			return err
		})
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			rows, err := Latest(ctx, tx, ask.Change)
			if err != nil || len(rows) != 1 {
				t.Fatalf("latest: %+v, %v", rows, err)
			}
			r := rows[0]
			if r.ID != second || r.Verdict != Pass || r.Status != Done || r.Inputs != "d2" || r.Figure("tests") != 3 || r.Isolation != "bubblewrap" ||
				!strings.Contains(r.IsolationDetail, "network") || r.LogSHA256 == "" || r.EndedAt.IsZero() || r.Reason != "3 tests passed" {
				t.Errorf("row %+v", r)
			}
			all, err := History(ctx, tx, ask.Change)
			if err != nil || len(all) != 2 || all[0].ID != first || all[0].SupersededBy != second || all[0].Verdict != Fail {
				t.Errorf("history %+v, %v", all, err)
			}
			return nil
		})
	})
}

// TestSupersedingKeepsApart lists proofs that do not replace each other.
func TestSupersedingKeepsApart(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ask := seeded(t, d)
		release, staging, lint := ask, ask, ask
		release.Release = true
		staging.Gate = "G8"
		lint.Type = Lint
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			for _, r := range []Row{ask, release, staging, lint, ask} {
				if _, err := obtained(ctx, tx, r, result(Pass)); err != nil {
					return err
				}
			}
			rows, err := Latest(ctx, tx, ask.Change)
			if len(rows) != 4 {
				t.Errorf("%d rows are the latest, want 4: %+v", len(rows), rows)
			}
			return err
		})
	})
}

// TestLateProofIsSuperseded finishes what was asked for first after what was
// asked for later: that replaces it, unless both saw the same inputs. Of those the
// last word counts, or a red verdict would be lost behind an older green one.
func TestLateProofIsSuperseded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, inputs string
		early, late  Verdict
		counts       Verdict
	}{
		{"other inputs", "d3", Pass, Fail, Fail},
		{"the same inputs, red at last", "d2", Blocked, Pass, Blocked},
		{"the same inputs, green at last", "d2", Pass, Fail, Pass},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				ask := seeded(t, d)
				write(t, d, func(ctx context.Context, tx *db.Tx) error {
					early, err := Queue(ctx, tx, ask)
					if err != nil {
						return err
					}
					if _, err := Begin(ctx, tx, early); err != nil {
						return err
					}
					late := result(c.late)
					late.Inputs = c.inputs
					if _, err := obtained(ctx, tx, ask, late); err != nil {
						return err
					}
					if open, err := Unfinished(ctx, tx); err != nil || len(open) != 1 || open[0] != early {
						t.Errorf("unfinished %v, %v", open, err)
					}
					if err := Finish(ctx, tx, early, result(c.early)); err != nil {
						return err
					}
					rows, err := Latest(ctx, tx, ask.Change)
					if len(rows) != 1 || rows[0].Verdict != c.counts {
						t.Errorf("the latest are %+v", rows)
					}
					return err
				})
			})
		})
	}
}

// TestNoForgedRows tries to store evidence that is none.
func TestNoForgedRows(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ask := seeded(t, d)
		try := func(fn func(ctx context.Context, tx *db.Tx, id string) error) error {
			var id string
			write(t, d, func(ctx context.Context, tx *db.Tx) (err error) {
				if id, err = Queue(ctx, tx, ask); err == nil {
					_, err = Begin(ctx, tx, id)
				}
				return err
			})
			return d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { return fn(ctx, tx, id) })
		}
		finish := func(change func(*Result)) func(context.Context, *db.Tx, string) error {
			return func(ctx context.Context, tx *db.Tx, id string) error {
				res := result(Pass)
				change(&res)
				return Finish(ctx, tx, id, res)
			}
		}
		for name, c := range map[string]struct {
			fn   func(context.Context, *db.Tx, string) error
			code string
		}{
			"no log":       {finish(func(r *Result) { r.LogKey = "" }), "proof.no_log"},
			"no hash":      {finish(func(r *Result) { r.LogSHA256 = "" }), "proof.no_log"},
			"no real key":  {finish(func(r *Result) { r.LogKey = "log" }), "proof.no_log"},
			"preliminary":  {finish(func(r *Result) { r.Preliminary = true }), "proof.preliminary"},
			"no verdict":   {finish(func(r *Result) { r.Verdict = "ok" }), "proof.verdict"},
			"another type": {finish(func(r *Result) { r.Type = Lint }), "proof.closed"},
			"other commit": {finish(func(r *Result) { r.Commit = "c2" }), "proof.closed"},
			"past the code": {func(ctx context.Context, tx *db.Tx, id string) error {
				_, err := tx.Exec(ctx, `UPDATE proofs SET status = 'done', verdict = 'pass' WHERE id = $1`, id)
				return err
			}, "internal"},
			"twice": {func(ctx context.Context, tx *db.Tx, id string) error {
				if err := Finish(ctx, tx, id, result(Fail)); err != nil {
					return err
				}
				return Finish(ctx, tx, id, result(Pass))
			}, "proof.closed"},
			"never begun": {func(ctx context.Context, tx *db.Tx, _ string) error {
				id, err := Queue(ctx, tx, ask)
				if err != nil {
					return err
				}
				return Finish(ctx, tx, id, result(Pass))
			}, "proof.closed"},
			"unknown type": {func(ctx context.Context, tx *db.Tx, _ string) error {
				r := ask
				r.Type = "magic"
				_, err := Queue(ctx, tx, r)
				return err
			}, "proof.type"},
			"unknown proof": {func(ctx context.Context, tx *db.Tx, _ string) error { return Finish(ctx, tx, "prf_x", result(Pass)) }, "proof.not_found"},
			"a machine for a person": {func(ctx context.Context, tx *db.Tx, _ string) error {
				r := ask
				r.Type = Manual
				id, err := Queue(ctx, tx, r)
				if err != nil {
					return err
				}
				_, err = Begin(ctx, tx, id)
				return err
			}, "proof.closed"},
			"a person for a machine": {func(ctx context.Context, tx *db.Tx, _ string) error {
				_, err := Confirm(ctx, tx, ask, Pass, "trust me")
				return err
			}, "proof.manual"},
		} {
			err := try(c.fn)
			if err == nil || fault.CodeOf(err) != c.code {
				t.Errorf("%s: got %v (%s), want %s", name, err, fault.CodeOf(err), c.code)
			}
		}
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			rows, err := History(ctx, tx, ask.Change)
			for _, r := range rows {
				if r.Verdict == Pass {
					t.Errorf("stored %+v", r)
				}
			}
			return err
		})
	})
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ask := seeded(t, d)
		ask.Type, ask.Gate, ask.AskedBy = Manual, "G9", "usr_1"
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			first, err := Confirm(ctx, tx, ask, Fail, "the page is blank")
			if err != nil {
				return err
			}
			second, err := Confirm(ctx, tx, ask, Pass, "works")
			if err != nil {
				return err
			}
			rows, err := Latest(ctx, tx, ask.Change)
			if err != nil || len(rows) != 1 || rows[0].ID != second || rows[0].Source != Person || rows[0].Verdict != Pass || rows[0].LogKey != "" {
				t.Errorf("rows %+v, %v (first %s)", rows, err, first)
			}
			return nil
		})
	})
}
