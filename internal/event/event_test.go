package event_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
)

const project = "prj_1"

var ada = event.Actor{Kind: event.Person, ID: "usr_ada"}

func write(t *testing.T, d *db.DB, fn func(ctx context.Context, tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), fn); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func appendSome(t *testing.T, d *db.DB, project string, n int) (events []event.Event) {
	t.Helper()
	write(t, d, func(ctx context.Context, tx *db.Tx) error {
		for i := range n {
			e, err := event.Append(ctx, tx, project, ada, "gate.approved", map[string]any{"n": i, "text": "<ü & \u2028>"})
			if err != nil {
				return err
			}
			events = append(events, e)
		}
		return nil
	})
	return events
}

func verify(t *testing.T, d *db.DB) (broken *event.Broken) {
	t.Helper()
	err := d.Read(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return event.Verify(ctx, tx, project)
	})
	if err != nil && !errors.As(err, &broken) {
		t.Fatalf("verify: %v", err)
	}
	return broken
}

func TestEventsComeBackInOrderAndVerify(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		want := appendSome(t, d, project, 5)
		appendSome(t, d, "prj_2", 2)
		err := d.Read(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			got, err := event.Since(ctx, tx, project, 0, 0)
			if err != nil {
				return err
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			some, err := event.Since(ctx, tx, project, 2, 2)
			if err != nil {
				return err
			}
			if diff := cmp.Diff(want[2:4], some); diff != "" {
				t.Errorf("page (-want +got):\n%s", diff)
			}
			seq, hash, err := event.Head(ctx, tx, project)
			if err != nil {
				return err
			}
			if seq != 5 || hash != want[4].Hash {
				t.Errorf("head %d %s, want 5 %s", seq, hash, want[4].Hash)
			}
			seq, hash, err = event.Head(ctx, tx, "prj_none")
			if seq != 0 || hash != "" || err != nil {
				t.Errorf("head of nothing: %d %q %v", seq, hash, err)
			}
			return event.Verify(ctx, tx, "prj_none")
		})
		if err != nil {
			t.Fatal(err)
		}
		if b := verify(t, d); b != nil {
			t.Error(b)
		}
	})
}

func TestARolledBackEventLeavesNoGap(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		appendSome(t, d, project, 1)
		boom := errors.New("boom")
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			if _, err := event.Append(ctx, tx, project, ada, "lost", nil); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Fatal(err)
		}
		if e := appendSome(t, d, project, 1)[0]; e.Seq != 2 {
			t.Errorf("seq %d, want 2", e.Seq)
		}
		if b := verify(t, d); b != nil {
			t.Error(b)
		}
	})
}

func TestConcurrentAppendsAreNumberedWithoutGaps(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const workers, each = 8, 20
		var group sync.WaitGroup
		for w := range workers {
			group.Go(func() {
				for i := range each {
					err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
						_, err := event.Append(ctx, tx, project, ada, "t", fmt.Sprintf("%d/%d", w, i))
						return err
					})
					if err != nil {
						t.Errorf("append: %v", err)
					}
				}
			})
		}
		group.Wait()
		if b := verify(t, d); b != nil {
			t.Error(b)
		}
		err := d.Read(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			seq, _, err := event.Head(ctx, tx, project)
			if seq != workers*each {
				t.Errorf("%d events, want %d", seq, workers*each)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestVerifyNamesTheFirstThingWrong(t *testing.T) {
	t.Parallel()
	tampers := []struct {
		name, sql string
		seq       int64
	}{
		{"project", "UPDATE events SET project_id = 'prj_2' WHERE seq = 3", 3},
		{"seq", "UPDATE events SET seq = 99 WHERE seq = 3", 3},
		{"type", "UPDATE events SET type = 'gate.rejected' WHERE seq = 3", 3},
		{"actor kind", "UPDATE events SET actor_kind = 'agent' WHERE seq = 3", 3},
		{"actor id", "UPDATE events SET actor_id = 'usr_eve' WHERE seq = 3", 3},
		{"data", `UPDATE events SET data = '{"n":7}' WHERE seq = 3`, 3},
		{"data whitespace", "UPDATE events SET data = data || ' ' WHERE seq = 3", 3},
		{"data not JSON", "UPDATE events SET data = '{' WHERE seq = 3", 3},
		{"time", "UPDATE events SET at = at + 1 WHERE seq = 3", 3},
		{"prev", "UPDATE events SET prev_hash = '' WHERE seq = 3", 3},
		{"hash", "UPDATE events SET hash = 'x' WHERE seq = 3", 3},
		{"moved byte between fields", "UPDATE events SET actor_kind = 'personu', actor_id = 'sr_ada' WHERE seq = 3", 3},
		{"gap", "DELETE FROM events WHERE seq = 3", 3},
		{"first gone", "DELETE FROM events WHERE seq = 1", 1},
		{"cut tail", "DELETE FROM events WHERE seq >= 4", 4},
		{"all gone", "DELETE FROM events", 1},
		{"head seq lower", "UPDATE event_heads SET seq = 2", 3},
		{"head seq higher", "UPDATE event_heads SET seq = 6", 6},
		{"head hash", "UPDATE event_heads SET hash = 'x'", 5},
		{"head gone", "DELETE FROM event_heads", 1},
		{"first changed of two", "UPDATE events SET actor_id = 'x' WHERE seq IN (2, 4)", 2},
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		appendSome(t, d, project, 5)
		undo := errors.New("undo")
		for _, c := range tampers {
			err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				if n, err := tx.Exec(ctx, c.sql); err != nil || n == 0 {
					t.Fatalf("%s: changed %d rows: %v", c.name, n, err)
				}
				err := event.Verify(ctx, tx, project)
				broken, ok := errors.AsType[*event.Broken](err)
				if !ok || broken.Seq != c.seq {
					t.Errorf("%s: %v, want broken at %d", c.name, err, c.seq)
				}
				if fault.CodeOf(err) != "event.broken" {
					t.Errorf("%s: code %s", c.name, fault.CodeOf(err))
				}
				return undo
			})
			if !errors.Is(err, undo) {
				t.Fatal(err)
			}
		}
	})
}

func TestVerifyReadsBeyondOnePage(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		appendSome(t, d, project, event.MaxLimit+3)
		if b := verify(t, d); b != nil {
			t.Fatal(b)
		}
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE events SET at = at + 1 WHERE seq = $1", event.MaxLimit+2)
			return err
		})
		if b := verify(t, d); b == nil || b.Seq != event.MaxLimit+2 {
			t.Errorf("%v, want broken at %d", b, event.MaxLimit+2)
		}
	})
}

func TestExportedEventsVerifyAfterJSON(t *testing.T) {
	t.Parallel()
	events := appendSome(t, dbtest.SQLite(t), project, 4)
	head := events[3].Hash
	var plain bytes.Buffer
	noEscape := json.NewEncoder(&plain)
	noEscape.SetEscapeHTML(false)
	if err := noEscape.Encode(events); err != nil {
		t.Fatal(err)
	}
	indented, err := json.MarshalIndent(events, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"plain": plain.Bytes(), "indented": indented} {
		var back []event.Event
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if err := event.VerifyList(back, 4, head); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for cut := range 4 {
			if err := event.VerifyList(back[:cut], 4, head); err == nil {
				t.Errorf("%s: a list cut to %d verifies", name, cut)
			}
		}
		back[0], back[1] = back[1], back[0]
		if err := event.VerifyList(back, 4, head); err == nil {
			t.Errorf("%s: a reordered list verifies", name)
		}
	}
	if err := event.VerifyList(nil, 0, ""); err != nil {
		t.Errorf("empty log: %v", err)
	}
}

func TestAppendRefusesWhatCannotBeStored(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for name, e := range map[string]event.Event{
			"no project": {Type: "t", Actor: ada},
			"no type":    {Project: project, Actor: ada},
			"no actor":   {Project: project, Type: "t"},
			"NUL":        {Project: project, Type: "a\x00b", Actor: ada},
			"not UTF-8":  {Project: project, Type: "t", Actor: event.Actor{Kind: "person", ID: "\xff"}},
			"bad JSON":   {Project: project, Type: "t", Actor: ada, Data: json.RawMessage("{")},
		} {
			write(t, d, func(ctx context.Context, tx *db.Tx) error {
				if _, err := event.Append(ctx, tx, e.Project, e.Actor, e.Type, e.Data); err == nil {
					t.Errorf("%s was accepted", name)
				}
				return nil
			})
		}
	})
}

func TestDifferentEventsHaveDifferentBytes(t *testing.T) {
	t.Parallel()
	// Few letters, so that fields often differ only in where one ends.
	text := rapid.StringMatching(`[1:,]{0,3}`)
	draw := rapid.Custom(func(t *rapid.T) event.Event {
		return event.Event{
			Project: text.Draw(t, "project"), Seq: rapid.Int64Range(0, 2).Draw(t, "seq"), Type: text.Draw(t, "type"),
			Actor: event.Actor{Kind: text.Draw(t, "kind"), ID: text.Draw(t, "id")},
			Data:  json.RawMessage(`"` + text.Draw(t, "data") + `"`),
			At:    db.TimeOf(time.UnixMicro(rapid.Int64Range(1, 3).Draw(t, "at"))), Prev: text.Draw(t, "prev"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		if same := cmp.Equal(a, b); same != (event.Sum(a) == event.Sum(b)) {
			t.Fatalf("equal events: %t, equal hashes: %t", same, !same)
		}
	})
}

// The encoding is a promise to those who verify a bundle with other tools.
func TestCanonicalBytesAreFixed(t *testing.T) {
	t.Parallel()
	e := event.Event{
		Project: "prj_1", Seq: 2, Type: "gate.approved", Actor: ada, Data: json.RawMessage(`{"gate": "G3"}`),
		At: db.TimeOf(time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)), Prev: "ab",
	}
	want := `17:layercake event 1,5:prj_1,1:2,13:gate.approved,6:person,7:usr_ada,13:{"gate":"G3"},16:1767323045000006,2:ab,`
	if got := string(event.Canonical(e)); got != want {
		t.Errorf("canonical:\n got %s\nwant %s", got, want)
	}
	if got, want := event.Sum(e), "aff8bd70687c6541b30da52e5d0992d435421ae29812638130d7cc3fbbf95052"; got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
}
