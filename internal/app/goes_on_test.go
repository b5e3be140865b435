package app_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/project"
)

// rows reads or writes what the last command left in the data folder.
func (p *place) rows(fn func(ctx context.Context, tx *db.Tx) error) {
	p.t.Helper()
	inspect(p.t, filepath.Join(p.data, "layercake.db"), fn)
}

// completes ends the newest change of the one project there is, as if its gates
// had been passed.
func (p *place) completes() {
	p.t.Helper()
	p.rows(func(ctx context.Context, tx *db.Tx) error {
		all, err := project.List(ctx, tx)
		if err != nil {
			return err
		}
		c, err := project.LatestChange(ctx, tx, all[0].ID)
		if err != nil {
			return err
		}
		return project.EndChange(ctx, tx, c.ID, project.ChangeCompleted)
	})
}

// stands is the cap of the one project there is, and how many changes it has.
func (p *place) stands() (budget int64, changes int) {
	p.t.Helper()
	p.rows(func(ctx context.Context, tx *db.Tx) error {
		if err := tx.One(ctx, &budget, `SELECT budget_micro FROM projects`); err != nil {
			return err
		}
		return tx.One(ctx, &changes, `SELECT COUNT(*) FROM changes`)
	})
	return budget, changes
}

func (p *place) setBudget(micro int64) {
	p.t.Helper()
	p.rows(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE projects SET budget_micro = $1`, micro)
		return err
	})
}

// A change that is complete is exported by the same command, however often it
// takes; the same words begin another one only where that is asked for.
func TestTheSameCommandExportsWhatIsComplete(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.idea("bookmarks", "--until", "G0").want(t, 0, "completed")
	p.completes()
	p.out += "-2"
	note := func(more ...string) answer {
		t.Helper()
		return p.idea("Add a note", append([]string{"--change", "bookmarks"}, more...)...)
	}
	note("--until", "G0").want(t, 0, "completed")
	p.completes()
	mine := filepath.Join(p.out, "mine.txt")
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a := note(); a.code != 2 || !strings.Contains(a.stderr, "run the same command again") {
		t.Errorf("a folder that was touched: exit %d: %s", a.code, a.stderr)
	}
	if err := os.Remove(mine); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		a := note()
		a.want(t, 0, "completed")
		if a.result.Change != 2 || a.result.Out != p.out || !strings.Contains(a.result.Reason, "--again 2") {
			t.Errorf("change %d, exported to %q, reason %q", a.result.Change, a.result.Out, a.result.Reason)
		}
	}
	if head := read(t, p.out, ".layercake/evidence/head.json"); !strings.Contains(head, `"seq"`) {
		t.Errorf("what was exported is not sealed: %s", head)
	}
	if a := note("--again", "3"); a.code != 2 || !strings.Contains(a.stderr, "newest change is 2") {
		t.Errorf("exit %d: %s", a.code, a.stderr)
	}
	if a := p.idea("bookmarks", "--again", "1"); a.code != 2 || !strings.Contains(a.stderr, "--again goes with --change") {
		t.Errorf("exit %d: %s", a.code, a.stderr)
	}
	// Asking once more is a command that can be repeated too.
	for range 2 {
		again := note("--again", "2", "--until", "G0")
		again.want(t, 0, "completed")
		if again.result.Change != 3 {
			t.Errorf("it is change %d", again.result.Change)
		}
	}
	if a := note("--again", "3"); a.code != 1 || !strings.Contains(a.stderr, "still open") {
		t.Errorf("exit %d: %s", a.code, a.stderr)
	}
	if _, n := p.stands(); n != 3 {
		t.Errorf("there are %d changes", n)
	}
}

// A change whose budget is refused is not begun.
func TestARefusedBudgetBeginsNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.idea("bookmarks", "--until", "G0", "--budget", "5").want(t, 0, "completed")
	p.completes()
	p.out += "-2"
	for _, c := range []struct {
		says string
		args []string
	}{
		{"may lower it but not raise it", []string{"--auto-approve", "--budget", "10"}},
		{"never delegated", []string{"--auto-approve", "--budget", "0"}},
		{"nobody is there to change it", []string{"--budget", "10"}},
	} {
		a := p.run(append([]string{"run", "Add a note", "--change", "bookmarks", "--json", "--until", "G0", "--out", p.out}, c.args...)...)
		if budget, changes := p.stands(); a.code != 1 || !strings.Contains(a.stderr, c.says) || budget != 5_000_000 || changes != 1 {
			t.Errorf("%v: exit %d, %d changes, a cap of %d: %s", c.args, a.code, changes, budget, a.stderr)
		}
	}
	p.idea("Add a picture", "--change", "bookmarks", "--until", "G0", "--budget", "3").want(t, 0, "completed")
	if budget, changes := p.stands(); budget != 3_000_000 || changes != 2 {
		t.Errorf("%d changes, a cap of %d", changes, budget)
	}
}

// Repeating a command does not undo what was decided on the budget since; another
// budget than it gave before counts.
func TestTheSameCommandKeepsTheBudgetSetSince(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	args := []string{"run", "bookmarks", "--out", p.out, "--budget", "1"}
	waits := func(args ...string) answer {
		t.Helper()
		a := p.run(args...)
		if a.code != 3 {
			t.Fatalf("%v: exit %d: %s%s", args, a.code, a.stdout, a.stderr)
		}
		return a
	}
	waits(args...)
	for _, cap := range []int64{5_000_000, 500_000} { // raised by a person, or lowered
		p.setBudget(cap)
		if a := waits(args...); !strings.Contains(a.stdout, "--budget 1 was given before") {
			t.Errorf("it does not say that the cap stays:\n%s", a.stdout)
		}
		p.run(append(args, "--auto-approve", "--json", "--until", "G0")...).want(t, 0, "completed")
		if budget, _ := p.stands(); budget != cap {
			t.Errorf("the cap is %d instead of %d", budget, cap)
		}
	}
	p.run(append(args[:4:4], "--auto-approve", "--json", "--until", "G0", "--budget", "0.25")...).want(t, 0, "completed")
	if budget, _ := p.stands(); budget != 250_000 {
		t.Errorf("the cap is %d", budget)
	}
	var given []int64
	p.rows(func(ctx context.Context, tx *db.Tx) error {
		var rows []string
		if err := tx.All(ctx, &rows, `SELECT data FROM events WHERE type = 'budget.given' ORDER BY seq`); err != nil {
			return err
		}
		for _, row := range rows {
			var data struct{ Micro int64 }
			if err := json.Unmarshal([]byte(row), &data); err != nil {
				return err
			}
			given = append(given, data.Micro)
		}
		return nil
	})
	if len(given) != 2 || given[0] != 1_000_000 || given[1] != 250_000 {
		t.Errorf("given were %v", given)
	}
	if v := p.run("verify", p.data); v.code != 0 {
		t.Errorf("verify: %s", v.stdout)
	}
}
