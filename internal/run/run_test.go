package run_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/blob"
	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/bus"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/job"
	"github.com/layercake-app/layercake/internal/llm"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/run"
	"github.com/layercake-app/layercake/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.MaybeRelay()
	os.Exit(m.Run())
}

var person = event.Actor{Kind: event.Person, ID: "os:tester"}

// scripted is a model at the network's edge: it answers what the test says.
type scripted struct {
	price *llm.Price
	say   func(req llm.Request) (llm.Response, error)

	mu    sync.Mutex
	calls []llm.Request
}

func (s *scripted) Info() llm.Info {
	return llm.Info{Provider: "test", Name: "scripted", Label: "scripted", Price: s.price}
}

func (s *scripted) Reach(context.Context) error { return nil }

func (s *scripted) Complete(_ context.Context, req llm.Request, stream func(string)) (llm.Response, error) {
	s.mu.Lock()
	s.calls = append(s.calls, req)
	s.mu.Unlock()
	resp, err := s.say(req)
	if err == nil {
		stream(resp.Text)
	}
	return resp, err
}

func call(name string, input any) llm.Call {
	data, err := json.Marshal(input)
	if err != nil {
		panic(err)
	}
	return llm.Call{ID: "x", Name: name, Input: data}
}

func calls(list ...llm.Call) (llm.Response, error) {
	return llm.Response{Calls: list, Stop: llm.StopTool, Usage: llm.Usage{In: 1000, Out: 100}}, nil
}

var finish = call("finish_task", map[string]any{"summary": "done"})

// world is one project with a task, and an engine that works on it.
type world struct {
	t      *testing.T
	d      *db.DB
	engine *run.Engine
	model  *scripted
	p      project.Project
	change project.Change
}

func newWorld(t *testing.T, d *db.DB, model *scripted, budget int64) *world {
	t.Helper()
	ctx := t.Context()
	q := job.NewQueue(d, job.Options{})
	must(t, q.Migrate(ctx))
	repos, err := repo.Open(t.TempDir())
	must(t, err)
	t.Cleanup(func() { must(t, repos.Close()) })
	box, err := sandbox.Open(ctx, sandbox.Config{Path: os.Getenv("PATH")})
	must(t, err)
	blobs, err := blob.OpenDir(t.TempDir())
	must(t, err)
	checks, err := proof.NewRunner(proof.Config{Sandbox: box, Repos: repos, Blobs: blobs, Cache: t.TempDir(), Deployments: t.TempDir()})
	must(t, err)
	w := &world{t: t, d: d, model: model}
	w.engine = &run.Engine{
		DB: d, Queue: q, Repos: repos, Sandbox: box, Checks: checks, Model: model, Record: project.Recorder{Bus: bus.New()}, Log: slog.New(slog.DiscardHandler),
	}
	w.p = project.Project{Name: "Plants", Idea: "plants", Type: "traditional", Mode: "local_only", Tier: "standard", Teaching: "expert", BudgetMicro: budget}
	b, err := blueprint.Load("traditional")
	must(t, err)
	text, err := b.YAML()
	must(t, err)
	must(t, d.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return project.Create(ctx, tx, &w.p) }))
	r, err := repos.Create(ctx, w.p.ID)
	must(t, err)
	first, err := r.Commit(ctx, repo.CommitSpec{Put: map[string][]byte{"README.md": []byte("# Plants\n")}, Author: repo.Signature{Name: "t", Email: "t@example.com"}, Message: "Begin", When: time.Unix(1, 0)})
	must(t, err)
	w.change = project.Change{Project: w.p.ID, Idea: "plants", Blueprint: string(text), BaseCommit: first, CreatedBy: "person:os:tester", CreatedMethod: "terminal", CreatedRole: "owner"}
	must(t, d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if _, err := project.MoveHead(ctx, tx, project.Move{Project: w.p.ID, To: first, Kind: "platform", Actor: project.Platform}); err != nil {
			return err
		}
		return project.CreateChange(ctx, tx, &w.change)
	}))
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start begins a run on a new task of the backend developer.
func (w *world) start() run.Run {
	w.t.Helper()
	var out run.Run
	w.write(func(ctx context.Context, tx *db.Tx) error {
		p, err := project.Get(ctx, tx, w.p.ID)
		if err != nil {
			return err
		}
		task := project.Task{Project: w.p.ID, Change: w.change.ID, Gate: "G5", Role: "backend-developer", Kind: "build", Title: "Server", Brief: "Write it.", Priority: "high", Round: 1}
		if err := project.CreateTask(ctx, tx, &task); err != nil {
			return err
		}
		out, err = run.Start(ctx, tx, w.engine.Queue, task, p.Head, "scripted")
		return err
	})
	return out
}

func (w *world) write(fn func(ctx context.Context, tx *db.Tx) error) {
	w.t.Helper()
	must(w.t, w.d.Write(w.t.Context(), fn))
}

func (w *world) get(id string) (out run.Run) {
	w.t.Helper()
	w.write(func(ctx context.Context, tx *db.Tx) (err error) { out, err = run.Get(ctx, tx, id); return err })
	return out
}

func (w *world) project() (out project.Project) {
	w.t.Helper()
	w.write(func(ctx context.Context, tx *db.Tx) (err error) { out, err = project.Get(ctx, tx, w.p.ID); return err })
	return out
}

// drive carries turns until the run rests, as the workers would.
func (w *world) drive(id string) run.Run {
	w.t.Helper()
	for range 100 {
		r := w.get(id)
		if r.Status != run.Queued && r.Status != run.Running {
			return r
		}
		must(w.t, w.engine.Turn(w.t.Context(), run.Turn{Run: id, Token: r.Token}))
	}
	w.t.Fatal("the run does not rest")
	return run.Run{}
}

func (w *world) steps(id string) (out []run.Step) {
	w.t.Helper()
	w.write(func(ctx context.Context, tx *db.Tx) (err error) { out, err = run.Steps(ctx, tx, id); return err })
	return out
}

// A run writes, finishes, and its work is on the project's head.
func TestRunMergesItsWork(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		turn := 0
		w := newWorld(t, d, &scripted{price: &llm.Price{}, say: func(llm.Request) (llm.Response, error) {
			turn++
			if turn == 1 {
				return calls(call("write_file", map[string]any{"path": "main.go", "content": "package main\n"}), llm.Call{Name: "write_file", Input: []byte(`{"path": "cut`)})
			}
			return calls(finish)
		}}, 0)
		r := w.drive(w.start().ID)
		if r.Status != run.Succeeded {
			t.Fatalf("the run is %s: %s", r.Status, r.Reason)
		}
		got, err := w.engine.Repos.Repo(w.p.ID).Read(t.Context(), w.project().Head, "main.go")
		if err != nil || string(got) != "package main\n" {
			t.Errorf("main.go at the head: %q, %v", got, err)
		}
		steps := w.steps(r.ID)
		if len(steps) != 5 || !steps[2].IsError {
			t.Errorf("%d steps; the malformed call is an error: %v", len(steps), steps[2].IsError)
		}
		answer := w.model.calls[1].Messages
		if last := answer[len(answer)-1]; len(last.Results) != 2 || !last.Results[1].IsError {
			t.Errorf("the model was told %+v", last)
		}
		// A job that comes late writes nothing and calls nobody.
		must(t, w.engine.Turn(t.Context(), run.Turn{Run: r.ID, Token: r.Token}))
		if len(w.model.calls) != 2 || len(w.steps(r.ID)) != 5 {
			t.Error("a late job did something")
		}
	})
}

// Spending never passes the cap, whatever runs at the same time; at the cap the
// run waits and asks, and goes on when there is more.
func TestBudgetHolds(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		price := &llm.Price{In: 1_000_000, Out: 10_000_000} // $1 and $10 a million
		w := newWorld(t, d, &scripted{price: price, say: func(llm.Request) (llm.Response, error) {
			return calls(call("note_risk", map[string]any{"title": "t", "detail": "d", "likelihood": "low", "impact": "low"}), call("list_files", map[string]any{"pattern": fmt.Sprint(time.Now().UnixNano())}))
		}}, 110_000)
		ids := []string{w.start().ID, w.start().ID, w.start().ID}
		var group sync.WaitGroup
		for _, id := range ids {
			group.Go(func() {
				for range 30 {
					r := w.get(id)
					if r.Status == run.Waiting {
						return
					}
					if err := w.engine.Turn(t.Context(), run.Turn{Run: id, Token: r.Token}); err != nil {
						t.Error(err)
						return
					}
					if p := w.project(); p.SpentMicro > p.BudgetMicro {
						t.Errorf("%d of %d are spent", p.SpentMicro, p.BudgetMicro)
					}
				}
			})
		}
		group.Wait()
		var questions []project.Question
		w.write(func(ctx context.Context, tx *db.Tx) (err error) {
			questions, err = project.Questions(ctx, tx, w.change.ID)
			return err
		})
		asked := 0
		for _, q := range questions {
			if q.Kind == project.QuestionBudget {
				asked++
			}
		}
		waits := 0
		for _, id := range ids {
			if r := w.get(id); r.Status == run.Waiting && r.WaitsFor == run.WaitBudget {
				waits++
			}
		}
		if asked != 1 || waits == 0 {
			t.Errorf("%d budget questions, %d runs wait", asked, waits)
		}
		w.model.say = func(llm.Request) (llm.Response, error) { return calls(finish) }
		w.write(func(ctx context.Context, tx *db.Tx) error {
			if err := project.SetBudget(ctx, tx, w.p.ID, 0); err != nil {
				return err
			}
			return run.WakeFunded(ctx, tx, w.engine.Queue, w.p.ID)
		})
		for _, id := range ids {
			if r := w.get(id); r.WaitsFor == "" {
				if r := w.drive(id); r.Status != run.Succeeded {
					t.Errorf("after more budget the run is %s: %s", r.Status, r.Reason)
				}
			}
		}
	})
}

// A call of unknown price is counted as unknown, never as free.
func TestUnknownPriceIsNotZero(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t), &scripted{say: func(llm.Request) (llm.Response, error) { return calls(finish) }}, 0)
	w.drive(w.start().ID)
	w.write(func(ctx context.Context, tx *db.Tx) error {
		sum, err := project.SumUsage(ctx, tx, w.change.ID)
		if sum.Unknown != 1 || sum.Tokens != 1100 || sum.Calls != 1 {
			t.Errorf("the ledger says %+v", sum)
		}
		return err
	})
}

// A provider that refuses for a while is asked again; one that refuses for good
// fails the run, and nothing stays reserved.
func TestRefusals(t *testing.T) {
	t.Parallel()
	n := 0
	w := newWorld(t, dbtest.SQLite(t), &scripted{price: &llm.Price{In: 1}, say: func(llm.Request) (llm.Response, error) {
		n++
		switch n {
		case 1:
			return llm.Response{}, &llm.Error{Status: 429, Message: "slow down", RetryAfter: time.Millisecond}
		case 2:
			return llm.Response{}, &llm.Error{Status: 529, Message: "overloaded"}
		case 3:
			return calls(finish)
		}
		return llm.Response{}, &llm.Error{Status: 401, Message: "wrong key"}
	}}, 0)
	if r := w.drive(w.start().ID); r.Status != run.Succeeded {
		t.Errorf("after two refusals the run is %s: %s", r.Status, r.Reason)
	}
	r := w.drive(w.start().ID)
	if r.Status != run.Failed || !strings.Contains(r.Reason, "wrong key") {
		t.Errorf("the run is %s: %s", r.Status, r.Reason)
	}
	if p := w.project(); p.SpentTokens != 1100 {
		t.Errorf("%d tokens are spent or reserved", p.SpentTokens)
	}
}

// What a person says is read between turns, once; a pause holds, a resume goes
// on, a cancellation ends.
func TestSteerPauseCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t), &scripted{price: &llm.Price{}, say: func(req llm.Request) (llm.Response, error) {
		last := req.Messages[len(req.Messages)-1]
		if strings.Contains(last.Text, "use metric units") {
			return calls(finish)
		}
		return calls(call("list_files", map[string]any{"pattern": fmt.Sprint(len(req.Messages))}))
	}}, 0)
	id := w.start().ID
	must(t, w.engine.Turn(t.Context(), run.Turn{Run: id, Token: 1}))
	w.write(func(ctx context.Context, tx *db.Tx) error { return run.RequestPause(ctx, tx, id) })
	if r := w.drive(id); r.Status != run.Waiting || r.WaitsFor != run.WaitPause {
		t.Fatalf("the run is %s for %s", r.Status, r.WaitsFor)
	}
	w.write(func(ctx context.Context, tx *db.Tx) error {
		if _, err := project.Steer(ctx, tx, id, "use metric units", person); err != nil {
			return err
		}
		return run.Resume(ctx, tx, w.engine.Queue, id)
	})
	if r := w.drive(id); r.Status != run.Succeeded || r.Turns != 2 {
		t.Errorf("the run is %s after %d turns: %s", r.Status, r.Turns, r.Reason)
	}
	other := w.start().ID
	must(t, w.engine.Turn(t.Context(), run.Turn{Run: other, Token: 1}))
	w.write(func(ctx context.Context, tx *db.Tx) error { return run.RequestCancel(ctx, tx, other, "not needed") })
	if r := w.drive(other); r.Status != run.Cancelled {
		t.Errorf("the run is %s", r.Status)
	}
}

// An agent that goes in circles ends in a question, and after an answer that
// did not help it fails.
func TestCirclesEndInAQuestion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t), &scripted{price: &llm.Price{}, say: func(llm.Request) (llm.Response, error) {
		return calls(call("read_file", map[string]any{"path": "README.md"}))
	}}, 0)
	id := w.start().ID
	r := w.drive(id)
	if r.Status != run.Waiting || r.WaitsFor != run.WaitQuestion || r.Turns != 3 {
		t.Fatalf("after %d turns the run is %s for %s", r.Turns, r.Status, r.WaitsFor)
	}
	w.write(func(ctx context.Context, tx *db.Tx) error {
		all, err := project.Questions(ctx, tx, w.change.ID)
		if err != nil {
			return err
		}
		if err := project.Answer(ctx, tx, all[0].ID, "read something else", person, "terminal"); err != nil {
			return err
		}
		return run.WakeAnswered(ctx, tx, w.engine.Queue, id)
	})
	if r := w.drive(id); r.Status != run.Failed || !strings.Contains(r.Reason, "circles again") {
		t.Errorf("the run is %s: %s", r.Status, r.Reason)
	}
}

// A lease that ran out, or a process that died, gives the run to a new job; the
// old one is fenced off, and its call in flight stays spent as lost.
func TestFencing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t), &scripted{price: &llm.Price{In: 1_000_000}}, 0)
	id := w.start().ID
	w.model.say = func(llm.Request) (llm.Response, error) {
		// While this job waits for its model, another process takes the run over.
		w.model.say = func(llm.Request) (llm.Response, error) { return calls(finish) }
		w.write(func(ctx context.Context, tx *db.Tx) error {
			n, err := run.Reclaim(ctx, tx, w.engine.Queue)
			if n != 1 {
				t.Errorf("%d runs were reclaimed", n)
			}
			return err
		})
		return calls(call("write_file", map[string]any{"path": "stale.go", "content": "package stale\n"}))
	}
	must(t, w.engine.Turn(t.Context(), run.Turn{Run: id, Token: 1}))
	if n := len(w.steps(id)); n != 0 {
		t.Errorf("the fenced job journalled %d steps", n)
	}
	if r := w.drive(id); r.Status != run.Succeeded {
		t.Errorf("the run is %s: %s", r.Status, r.Reason)
	}
	w.write(func(ctx context.Context, tx *db.Tx) error {
		ledger, err := project.UsageOf(ctx, tx, id)
		if len(ledger) != 2 || ledger[0].State != project.UsageLost || ledger[1].State != project.UsageSettled {
			t.Errorf("the ledger is %+v", ledger)
		}
		return err
	})
}
