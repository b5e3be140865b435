package app_test

import (
	"context"
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

// changes counts those of the one project there is.
func (p *place) changes() (n int) {
	p.t.Helper()
	p.rows(func(ctx context.Context, tx *db.Tx) error { return tx.One(ctx, &n, `SELECT COUNT(*) FROM changes`) })
	return n
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
	if n := p.changes(); n != 3 {
		t.Errorf("there are %d changes", n)
	}
}
