package app_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/db"
)

// A run that is killed at random points goes on with the same command: no
// journalled step is there twice, and no model call that had ended is made
// again.
func TestKilledRunGoesOn(t *testing.T) {
	t.Parallel()
	const kills = 20
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	p := newPlace(t)
	calls := filepath.Join(filepath.Dir(p.data), "calls")
	// So slow a model that the run cannot end before it was killed so often.
	p.env = append(p.env, "LAYERCAKE_DEMO_CALLS="+calls, "LAYERCAKE_DEMO_DELAY=80ms")
	args := []string{"run", "bookmarks", "--auto-approve", "--json", "--out", p.out}
	for killed := range kills {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(300+random.IntN(1500))*time.Millisecond)
		out, err := p.command(ctx, args...).CombinedOutput() // killed with SIGKILL when the time is over
		over := ctx.Err() != nil
		cancel()
		if !over || err == nil {
			t.Fatalf("it ended by itself after %d kills: %v\n%s", killed, err, tail(string(out)))
		}
	}
	p.env = append(p.env, "LAYERCAKE_DEMO_DELAY=1ms")
	p.run(args...).want(t, 0, "completed")
	freshClone(t, p.out)
	if v := p.run("verify", p.data); v.code != 0 {
		t.Errorf("verify: %s", v.stdout)
	}
	checkJournal(t, filepath.Join(p.data, "layercake.db"), calls)
}

func checkJournal(t *testing.T, database, callsFile string) {
	t.Helper()
	lost := map[string]int{}
	var twice, journalled int
	inspect(t, database, func(ctx context.Context, tx *db.Tx) error {
		query := `SELECT COUNT(*) FROM (SELECT 1 FROM steps GROUP BY run_id, turn, kind, call_id HAVING COUNT(*) > 1) AS twice`
		if err := tx.One(ctx, &twice, query); err != nil {
			return err
		}
		var rows []struct {
			Key string `db:"key"`
			N   int    `db:"n"`
		}
		if err := tx.All(ctx, &rows, `SELECT run_id || '/' || turn AS key, COUNT(*) AS n FROM usage WHERE state <> 'settled' GROUP BY 1`); err != nil {
			return err
		}
		for _, r := range rows {
			lost[r.Key] = r.N
		}
		return tx.One(ctx, &journalled, `SELECT COUNT(*) FROM steps WHERE kind = 'model'`)
	})
	if twice != 0 {
		t.Errorf("%d steps are journalled twice", twice)
	}
	counts := map[string]int{}
	for _, key := range strings.Fields(read(t, filepath.Dir(callsFile), filepath.Base(callsFile))) {
		counts[key]++
	}
	for key, n := range counts {
		if n > 1+lost[key] {
			t.Errorf("the model was called %d times for %s, of which %d were lost in flight", n, key, lost[key])
		}
	}
	if len(counts) < journalled {
		t.Errorf("%d model turns are journalled, the model knows of %d", journalled, len(counts))
	}
	t.Logf("%d model turns journalled, %d turns with lost calls", journalled, len(lost))
}

// inspect opens the database of a run that has ended.
func inspect(t *testing.T, file string, fn func(ctx context.Context, tx *db.Tx) error) {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{Path: file})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(t.Context(), fn); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
