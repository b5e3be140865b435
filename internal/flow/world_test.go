package flow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/blob"
	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/bus"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/job"
	"github.com/layercake-app/layercake/internal/project"
)

// memory is where temporary files cost no disk.
const memory = "/dev/shm"

func TestMain(m *testing.M) {
	if info, err := os.Stat(memory); err == nil && info.IsDir() && os.Getenv("TMPDIR") == "" {
		if err := os.Setenv("TMPDIR", memory); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

var quiet = slog.New(slog.DiscardHandler)

// The people of the tests.
var (
	ada   = gate.Decider{Actor: event.Actor{Kind: "person", ID: "ada"}, Method: gate.Session, Role: "owner"}
	grace = gate.Decider{Actor: event.Actor{Kind: "person", ID: "grace"}, Method: gate.Terminal, Role: "member"}
	proxy = gate.Decider{Actor: event.Actor{Kind: "person", ID: "os:ada"}, Method: gate.Delegated, Role: "owner"}
)

// world is one project with everything around it but models, sandboxes and git.
// The test plays the worker, the agents, the checks and the people.
type world struct {
	rapid.TB
	ctx   context.Context
	db    *db.DB
	queue *job.Queue
	flow  *flow.Flow
	tree  *tree
	like  product

	project string
	n       int               // counts contents, so that each is new
	logs    map[string]string // blob key of a log by verdict
	seen    map[string]bool   // jobs of turns and checks that were inserted
	trail   []string          // what was done, for the message of a failure
	moves   int

	decisions int // decision rows that legal moves have made
}

// migrated is an SQLite file with all tables; each world starts from a copy.
var migrated = sync.OnceValues(func() (image []byte, err error) {
	folder, err := os.MkdirTemp("", "layercake-flow-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	path := filepath.Join(folder, "image.db")
	d, err := db.Open(context.Background(), db.Config{Path: path})
	if err != nil {
		return nil, err
	}
	err = d.MigrateUp(context.Background())
	if err == nil {
		err = job.NewQueue(d, job.Options{Logger: quiet}).Migrate(context.Background())
	}
	if err = errors.Join(err, d.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// newWorld opens a world of its own in folder; close it when done.
func newWorld(t rapid.TB, folder string) (w *world, end func()) {
	t.Helper()
	image, err := migrated()
	if err != nil {
		t.Fatalf("prepare database: %v", err)
	}
	path := filepath.Join(folder, "layercake.db")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatalf("write database: %v", err)
	}
	d, err := db.Open(context.Background(), db.Config{Path: path})
	if err != nil {
		t.Fatalf("open database: %v", err)
	}
	return newWorldOn(t, d, folder), func() {
		if err := d.Close(); err != nil {
			t.Errorf("close database: %v", err)
		}
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("remove database: %v", err)
			}
		}
	}
}

func newWorldOn(t rapid.TB, d *db.DB, folder string) *world {
	t.Helper()
	w := &world{TB: t, ctx: context.Background(), db: d, tree: newTree(), seen: map[string]bool{}, logs: map[string]string{}}
	w.queue = job.NewQueue(d, job.Options{Logger: quiet})
	blobs, err := blob.OpenDir(filepath.Join(folder, "blobs"))
	w.must(err)
	w.flow = &flow.Flow{DB: d, Queue: w.queue, Tree: w.tree, Blobs: blobs, Record: project.Recorder{Bus: bus.New()}, Model: "demo", Log: quiet}
	for _, verdict := range []string{"pass", "fail", "blocked"} {
		w.logs[verdict], err = blobs.Put(w.ctx, []byte("$ check\n"+verdict+"\n"))
		w.must(err)
	}
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.die("%v", err)
	}
}

// die fails with what has been done so far.
func (w *world) die(format string, args ...any) {
	w.Helper()
	last := w.trail[max(0, len(w.trail)-60):]
	w.Fatalf("%s\nproject %s, after %d moves, the last of them:\n  %s\n%s", fmt.Sprintf(format, args...), w.project, w.moves, strings.Join(last, "\n  "), w.describe())
}

func (w *world) note(format string, args ...any) {
	w.trail = append(w.trail, fmt.Sprintf(format, args...))
}

func (w *world) write(fn func(ctx context.Context, tx *db.Tx) error) {
	w.Helper()
	w.must(w.db.Write(w.ctx, fn))
}

func (w *world) read(fn func(ctx context.Context, tx *db.Tx) error) {
	w.Helper()
	w.must(w.db.Read(w.ctx, fn))
}

// number reads one number.
func (w *world) number(query string, args ...any) (n int64) {
	w.Helper()
	w.read(func(ctx context.Context, tx *db.Tx) error { return tx.One(ctx, &n, query, args...) })
	return n
}

// begin creates the project.
func (w *world) begin(by gate.Decider, like product, p project.Project, b *blueprint.Blueprint) {
	w.Helper()
	text, err := b.YAML()
	w.must(err)
	w.like = like
	if p.Idea == "" {
		p.Idea = like.idea()
	}
	p.Name, p.Teaching, p.Blueprint, p.Organization = "Garden", "intermediate", b.Name, "org_1"
	_, err = w.flow.Create(w.ctx, by, &p, text, func(context.Context, string) error { return nil })
	w.must(err)
	w.project = p.ID
	w.note("create %s project from %s, mode %s, tier %s, %+v", p.Type, b.Name, p.Mode, p.Tier, like)
	w.drain()
}

// jobRow is a job as the queue stores it.
type jobRow struct {
	ID   int64  `db:"id"`
	Kind string `db:"kind"`
	Args string `db:"args"`
}

// drain plays the worker: it carries out what is in the queue until it is
// empty. Turns and checks are left to the test; it remembers that they came.
func (w *world) drain() {
	w.Helper()
	for range 100 {
		var jobs []jobRow
		w.write(func(ctx context.Context, tx *db.Tx) error {
			return tx.All(ctx, &jobs, `DELETE FROM river_job RETURNING id, kind, json(args) AS args`)
		})
		if len(jobs) == 0 {
			return
		}
		slices.SortFunc(jobs, func(a, b jobRow) int { return int(a.ID - b.ID) })
		for _, j := range jobs {
			w.work(j)
		}
	}
	w.die("the queue does not run empty")
}

func (w *world) work(j jobRow) {
	w.Helper()
	var args struct {
		Project, Change, Run, Proof string
		Token                       int64
	}
	w.must(json.Unmarshal([]byte(j.Args), &args))
	switch j.Kind {
	case "advance":
		w.must(w.flow.Advance(w.ctx, args.Project))
	case "creation":
		w.creation(args.Project, args.Change)
	case "publish":
		w.must(w.flow.Publish(w.ctx, args.Project))
	case "seal":
		w.must(w.flow.Seal(w.ctx, args.Project))
	case "turn":
		w.seen[turnKey(args.Run, args.Token)] = true
	case "check":
		w.seen[args.Proof] = true
	default:
		w.die("unknown job %s", j.Kind)
	}
}

func turnKey(run string, token int64) string { return fmt.Sprint(run, "/", token) }

// changes counts the rows that the writing connection has changed so far, also
// those that were rolled back.
func (w *world) changes() (n int64) {
	w.Helper()
	w.write(func(ctx context.Context, tx *db.Tx) error { return tx.One(ctx, &n, `SELECT total_changes()`) })
	return n
}

// Tables that digest leaves out: the queue's and the migrations'. The log of
// events is covered by its head, which hashes all of it.
func digested(table string) bool {
	return !strings.HasPrefix(table, "river_") && !strings.HasPrefix(table, "goose_") && !strings.HasPrefix(table, "sqlite_") && table != "events"
}

// dumps builds, once per schema, the queries that write a table as text.
var dumps = sync.OnceValues(func() ([]string, error) {
	image, err := migrated()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "layercake-flow-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "image.db")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		return nil, err
	}
	d, err := db.Open(context.Background(), db.Config{Path: path})
	if err != nil {
		return nil, err
	}
	var out []string
	err = d.Read(context.Background(), func(ctx context.Context, tx *db.Tx) error {
		var tables []string
		if err := tx.All(ctx, &tables, `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`); err != nil {
			return err
		}
		for _, table := range tables {
			if !digested(table) {
				continue
			}
			var columns []string
			if err := tx.All(ctx, &columns, `SELECT name FROM pragma_table_info($1)`, table); err != nil {
				return err
			}
			var parts []string
			for _, c := range columns {
				if c == "locks" || c == "blueprint" && table == "changes" {
					continue
				}
				parts = append(parts, "quote("+c+")")
			}
			out = append(out, fmt.Sprintf(`SELECT %s FROM %s ORDER BY rowid`, strings.Join(parts, " || '|' || "), table))
		}
		return nil
	})
	return out, errors.Join(err, d.Close())
})

// digest is a hash over all rows of all tables that count.
func (w *world) digest() uint64 {
	w.Helper()
	queries, err := dumps()
	w.must(err)
	h := fnv.New64a()
	w.read(func(ctx context.Context, tx *db.Tx) error {
		for _, q := range queries {
			var rows []string
			if err := tx.All(ctx, &rows, q); err != nil {
				return err
			}
			for _, r := range rows {
				_, _ = h.Write([]byte(r)) // a hash never fails
			}
			_, _ = h.Write([]byte{0})
		}
		return nil
	})
	return h.Sum64()
}

// describe says where the project stands.
func (w *world) describe() string {
	if w.project == "" {
		return "no project"
	}
	s, err := w.load()
	if err != nil {
		return "cannot be read: " + err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "change %d %s fast=%v mode=%s paused=%v head=%.8s release=%.8s facts=%v\n", s.change.Number, s.change.Status, s.change.Fast, s.project.Mode, s.project.Paused, s.project.Head, s.change.ReleaseCommit, trueOnes(s.facts))
	for _, g := range s.gates {
		fmt.Fprintf(&b, "  %s %-9s stale=%v round=%d decisions=%d stop=%s %s\n", g.Code, g.Status, g.Stale, g.Round, g.Decisions, g.Stop, g.Reason)
		for _, t := range s.tasks {
			if t.Gate == g.Code && t.Round == g.Round {
				fmt.Fprintf(&b, "       task %s %s %s %s\n", t.Kind, t.Role, t.Status, t.Reason)
			}
		}
		for _, p := range s.proofs {
			if p.Gate == g.Code && p.SupersededBy == "" {
				fmt.Fprintf(&b, "       proof %s %s %s release=%v commit=%.8s\n", p.Type, p.Status, p.Verdict, p.Release, p.Commit)
			}
		}
	}
	for _, q := range s.questions {
		if q.Status == "open" {
			fmt.Fprintf(&b, "  question %s %s blocking=%v\n", q.Gate, q.Kind, q.Blocking)
		}
	}
	for _, x := range s.blockers {
		if x.Status == "open" {
			fmt.Fprintf(&b, "  blocker %s %s %s %s\n", x.Gate, x.Kind, x.Severity, x.Title)
		}
	}
	for _, x := range s.conditions {
		if x.Status == "open" {
			fmt.Fprintf(&b, "  condition due at %s\n", x.Due)
		}
	}
	for _, x := range s.waivers {
		if x.Status == "open" {
			fmt.Fprintf(&b, "  waiver %s %s %q until %s\n", x.Code, x.Rule, x.Subject, x.ExpiresAt)
		}
	}
	return b.String()
}

func trueOnes(facts map[string]bool) (out []string) {
	for k, v := range facts {
		if v {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}
