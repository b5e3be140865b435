package app_test

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"
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
	p.env = append(p.env, "LAYERCAKE_DEMO_CALLS="+calls, "LAYERCAKE_DEMO_DELAY=1ms")
	args := []string{"run", "bookmarks", "--auto-approve", "--json", "--out", p.out}
	killed := 0
	for killed < kills {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(300+random.IntN(1500))*time.Millisecond)
		cmd := p.command(ctx, args...) // killed with SIGKILL when the time is over
		out, err := cmd.CombinedOutput()
		over := ctx.Err() != nil
		cancel()
		if !over {
			if err != nil {
				t.Fatalf("it ended by itself after %d kills: %v\n%s", killed, err, tail(string(out)))
			}
			break
		}
		killed++
	}
	if _, err := os.Stat(p.out); err != nil {
		p.run(args...).want(t, 0, "completed")
	}
	t.Logf("%d kills", killed)
	freshClone(t, p.out)
	if v := p.run("verify", p.data); v.code != 0 {
		t.Errorf("verify: %s", v.stdout)
	}
	checkJournal(t, filepath.Join(p.data, "layercake.db"), calls)
}

func checkJournal(t *testing.T, database, callsFile string) {
	t.Helper()
	d, err := sql.Open("sqlite", "file:"+database+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	var twice int
	query := `SELECT COUNT(*) FROM (SELECT 1 FROM steps GROUP BY run_id, turn, kind, call_id HAVING COUNT(*) > 1)`
	if err := d.QueryRow(query).Scan(&twice); err != nil || twice != 0 {
		t.Errorf("%d steps are journalled twice (%v)", twice, err)
	}
	lost := map[string]int{}
	rows, err := d.Query(`SELECT run_id || '/' || turn, COUNT(*) FROM usage WHERE state <> 'settled' GROUP BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var key string
		var n int
		if err := rows.Scan(&key, &n); err != nil {
			t.Fatal(err)
		}
		lost[key] = n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	var journalled int
	if err := d.QueryRow(`SELECT COUNT(*) FROM steps WHERE kind = 'model'`).Scan(&journalled); err != nil {
		t.Fatal(err)
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
