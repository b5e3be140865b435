package project_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/layercake-app/layercake/internal/bus"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/project"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ada   = event.Actor{Kind: "person", ID: "ada"}
	grace = event.Actor{Kind: "person", ID: "grace"}
)

// begin stores a project with its first change.
func begin(t testing.TB, d *db.DB) (project.Project, project.Change) {
	t.Helper()
	p := create(t, d, 0, 0)
	c := project.Change{Project: p.ID, Idea: "A garden", Blueprint: "name: x", CreatedBy: "person:ada", CreatedMethod: "session", CreatedRole: "owner"}
	write(t, d, func(ctx context.Context, tx *db.Tx) error { return project.CreateChange(ctx, tx, &c) })
	return p, c
}

func TestProjectsAreStoredAsTheyWereGiven(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := valid()
		p.Idea, p.BudgetMicro, p.TokenCap, p.HasUI, p.Origin, p.Blueprint = "庭 🌱\n\"quotes\" and 'more'", 5, 6, true, "/somewhere", "express"
		write(t, d, func(ctx context.Context, tx *db.Tx) error { return project.Create(ctx, tx, &p) })
		if diff := cmp.Diff(p, get(t, d, p.ID)); diff != "" {
			t.Error(diff)
		}
		bad := valid()
		bad.Tier = "gold"
		refused(t, d, "project.invalid", func(ctx context.Context, tx *db.Tx) error { return project.Create(ctx, tx, &bad) })
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			list, err := project.List(ctx, tx)
			if err == nil && (len(list) != 1 || list[0].ID != p.ID) {
				t.Errorf("list %+v", list)
			}
			return err
		})
		for _, missing := range []func(ctx context.Context, tx *db.Tx) error{
			func(ctx context.Context, tx *db.Tx) error { _, err := project.Get(ctx, tx, "prj_none"); return err },
			func(ctx context.Context, tx *db.Tx) error { _, err := project.Lock(ctx, tx, "prj_none"); return err },
		} {
			refused(t, d, "project.not_found", missing)
		}
		refused(t, d, "mode.unknown", func(ctx context.Context, tx *db.Tx) error { return project.SetMode(ctx, tx, p.ID, "somewhere") })
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			if err := project.SetMode(ctx, tx, p.ID, "local_only"); err != nil {
				return err
			}
			return project.SetPaused(ctx, tx, p.ID, true)
		})
		if got := get(t, d, p.ID); got.Mode != "local_only" || !got.Paused || got.Version != 3 {
			t.Errorf("after two changes %+v", got)
		}
	})
}

func TestTheHeadMovesOnlyFromWhereItIs(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := create(t, d, 0, 0)
		step := func(from, to string, want bool) {
			t.Helper()
			write(t, d, func(ctx context.Context, tx *db.Tx) error {
				moved, err := project.MoveHead(ctx, tx, project.Move{Project: p.ID, From: from, To: to, Kind: "person", Actor: ada, Gate: "G1"})
				if moved != want {
					t.Errorf("from %q to %q: moved %v", from, to, moved)
				}
				return err
			})
		}
		step("", "a", true)
		step("", "b", false)
		step("a", "b", true)
		step("a", "c", false)
		step("b", "a", true)
		if got := get(t, d, p.ID); got.Head != "a" {
			t.Errorf("head %q", got.Head)
		}
		var path []string
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			return tx.All(ctx, &path, `SELECT from_commit || '>' || to_commit || ' ' || actor FROM moves WHERE project_id = $1 ORDER BY seq`, p.ID)
		})
		if got := strings.Join(path, ", "); got != ">a person:ada, a>b person:ada, b>a person:ada" {
			t.Errorf("moves %s", got)
		}
	})
}

func TestOfManyMovesAtOnceOneWins(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := create(t, d, 0, 0)
		var won atomic.Int64
		var wait sync.WaitGroup
		for i := range 20 {
			wait.Go(func() {
				err := d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
					moved, err := project.MoveHead(ctx, tx, project.Move{Project: p.ID, To: strings.Repeat("a", i+1), Kind: "run", Actor: ada})
					if moved {
						won.Add(1)
					}
					return err
				})
				if err != nil {
					t.Errorf("move: %v", err)
				}
			})
		}
		wait.Wait()
		if won.Load() != 1 {
			t.Errorf("%d moves from the same head won", won.Load())
		}
	})
}

func TestAProjectHasOneOpenChange(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p, first := begin(t, d)
		next := func() (project.Change, func(ctx context.Context, tx *db.Tx) error) {
			c := project.Change{Project: p.ID, Idea: "More", CreatedBy: "person:ada", CreatedMethod: "session", CreatedRole: "owner", Fast: true, BaseCommit: "b"}
			return c, func(ctx context.Context, tx *db.Tx) error { return project.CreateChange(ctx, tx, &c) }
		}
		_, second := next()
		refused(t, d, "change.open", second)
		empty := project.Change{Project: p.ID, Idea: " "}
		refused(t, d, "idea.empty", func(ctx context.Context, tx *db.Tx) error { return project.CreateChange(ctx, tx, &empty) })
		end := func(id, status string) func(ctx context.Context, tx *db.Tx) error {
			return func(ctx context.Context, tx *db.Tx) error { return project.EndChange(ctx, tx, id, status) }
		}
		write(t, d, end(first.ID, project.ChangeCompleted))
		refused(t, d, "change.ended", end(first.ID, project.ChangeCancelled))
		refused(t, d, "change.ended", end("chg_none", project.ChangeCancelled))
		write(t, d, second)
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			latest, err := project.LatestChange(ctx, tx, p.ID)
			if err != nil {
				return err
			}
			if latest.Number != 2 || !latest.Fast || latest.Status != project.ChangeOpen || latest.ReleaseCommit != "" {
				t.Errorf("latest %+v", latest)
			}
			if err := project.NameRelease(ctx, tx, latest.ID, "r"); err != nil {
				return err
			}
			if err := project.SetFast(ctx, tx, latest.ID, false); err != nil {
				return err
			}
			again, err := project.GetChange(ctx, tx, latest.ID)
			if err == nil && (again.Fast || again.ReleaseCommit != "r") {
				t.Errorf("again %+v", again)
			}
			all, listErr := project.Changes(ctx, tx, p.ID)
			if listErr == nil && (len(all) != 2 || all[0].ID != first.ID || all[0].EndedAt.IsZero()) {
				t.Errorf("changes %+v", all)
			}
			return err
		})
		refused(t, d, "change.not_found", func(ctx context.Context, tx *db.Tx) error {
			_, err := project.LatestChange(ctx, tx, "prj_none")
			return err
		})
		refused(t, d, "change.not_found", func(ctx context.Context, tx *db.Tx) error {
			_, err := project.GetChange(ctx, tx, "chg_none")
			return err
		})
	})
}

func TestATaskGoesOneWay(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p, c := begin(t, d)
		add := func(code string) project.Task {
			task := project.Task{Project: p.ID, Change: c.ID, Gate: code, Role: "architect", Kind: "build", Title: "Build", Brief: "b", Priority: "high", Round: 1, After: []string{"tsk_1", "tsk_2"}}
			write(t, d, func(ctx context.Context, tx *db.Tx) error { return project.CreateTask(ctx, tx, &task) })
			return task
		}
		task := add("G3")
		start := func(ctx context.Context, tx *db.Tx) error { return project.StartTask(ctx, tx, task.ID) }
		end := func(ctx context.Context, tx *db.Tx) error {
			return project.EndTask(ctx, tx, task.ID, project.TaskDone, "done")
		}
		refused(t, d, "task.state", end)
		write(t, d, start)
		refused(t, d, "task.state", start)
		write(t, d, end)
		refused(t, d, "task.state", end)
		refused(t, d, "task.state", start)
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			got, err := project.GetTask(ctx, tx, task.ID)
			if err == nil && (got.Live() || got.Status != project.TaskDone || got.Reason != "done" || got.EndedAt.IsZero() || strings.Join(got.After, " ") != "tsk_1 tsk_2") {
				t.Errorf("task %+v", got)
			}
			return err
		})
		refused(t, d, "task.not_found", func(ctx context.Context, tx *db.Tx) error { _, err := project.GetTask(ctx, tx, "tsk_none"); return err })
		open, running, elsewhere := add("G3"), add("G3"), add("G5")
		write(t, d, func(ctx context.Context, tx *db.Tx) error { return project.StartTask(ctx, tx, running.ID) })
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			ids, err := project.CancelTasks(ctx, tx, c.ID, []string{"G3", "G4"}, "sent back")
			if err != nil {
				return err
			}
			if len(ids) != 2 || !strings.Contains(strings.Join(ids, " "), open.ID) || !strings.Contains(strings.Join(ids, " "), running.ID) {
				t.Errorf("cancelled %v", ids)
			}
			all, err := project.Tasks(ctx, tx, c.ID)
			if err == nil && (len(all) != 4 || all[0].Status != project.TaskDone || all[1].Status != project.TaskCancelled || all[3].ID != elsewhere.ID || !all[3].Live()) {
				t.Errorf("tasks %+v", all)
			}
			return err
		})
	})
}

func TestAQuestionIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p, c := begin(t, d)
		ask := func(code string) project.Question {
			q := project.Question{Project: p.ID, Change: c.ID, Gate: code, Run: "run_1", Call: "c1", Kind: project.QuestionAgent, Text: "Which?", Options: []string{"a", "b"}, Blocking: true}
			write(t, d, func(ctx context.Context, tx *db.Tx) error { return project.Ask(ctx, tx, &q) })
			return q
		}
		q, gone := ask("G1"), ask("G2")
		answer := func(id, words string, by event.Actor) func(ctx context.Context, tx *db.Tx) error {
			return func(ctx context.Context, tx *db.Tx) error { return project.Answer(ctx, tx, id, words, by, "session") }
		}
		refused(t, d, "answer.empty", answer(q.ID, " \n", ada))
		refused(t, d, "answer.too_large", answer(q.ID, strings.Repeat("x", project.MaxIdea+1), ada))
		refused(t, d, "question.answered", answer("qst_none", "a", ada))
		write(t, d, answer(q.ID, "a", ada))
		refused(t, d, "question.answered", answer(q.ID, "b", grace))
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			return project.WithdrawQuestions(ctx, tx, c.ID, []string{"G1", "G2"})
		})
		refused(t, d, "question.answered", answer(gone.ID, "a", ada))
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			got, err := project.GetQuestion(ctx, tx, q.ID)
			if err != nil {
				return err
			}
			if got.Status != "answered" || got.Answer != "a" || got.AnsweredBy != "person:ada" || got.Method != "session" || strings.Join(got.Options, "") != "ab" || !got.Blocking {
				t.Errorf("question %+v", got)
			}
			all, err := project.Questions(ctx, tx, c.ID)
			if err == nil && (len(all) != 2 || all[1].Status != "withdrawn" || all[1].Answer != "") {
				t.Errorf("questions %+v", all)
			}
			return err
		})
		refused(t, d, "question.not_found", func(ctx context.Context, tx *db.Tx) error {
			_, err := project.GetQuestion(ctx, tx, "qst_none")
			return err
		})
	})
}

func TestOfManyAnswersAtOnceOneCounts(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p, c := begin(t, d)
		q := project.Question{Project: p.ID, Change: c.ID, Gate: "G1", Kind: project.QuestionAgent, Text: "Which?"}
		write(t, d, func(ctx context.Context, tx *db.Tx) error { return project.Ask(ctx, tx, &q) })
		var won, lost atomic.Int64
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				err := d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
					return project.Answer(ctx, tx, q.ID, "a", ada, "session")
				})
				switch {
				case err == nil:
					won.Add(1)
				case fault.KindOf(err) == fault.KindConflict:
					lost.Add(1)
				default:
					t.Errorf("answer: %v", err)
				}
			})
		}
		wait.Wait()
		if won.Load() != 1 || lost.Load() != 19 {
			t.Errorf("%d answers counted, %d did not", won.Load(), lost.Load())
		}
	})
}

func TestABlockerIsResolvedOnceAndAtItsGate(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p, c := begin(t, d)
		raise := func(code string) project.Blocker {
			b := project.Blocker{Project: p.ID, Change: c.ID, Gate: code, Kind: project.BlockerAgent, Title: "No", Severity: "critical"}
			write(t, d, func(ctx context.Context, tx *db.Tx) error { return project.RaiseBlocker(ctx, tx, &b) })
			return b
		}
		b, closed := raise("G3"), raise("G5")
		resolve := func(change, code, id, words string) func(ctx context.Context, tx *db.Tx) error {
			return func(ctx context.Context, tx *db.Tx) error {
				return project.ResolveBlocker(ctx, tx, change, code, id, words, ada)
			}
		}
		refused(t, d, "resolution.empty", resolve(c.ID, "G3", b.ID, " "))
		refused(t, d, "blocker.resolved", resolve(c.ID, "G5", b.ID, "Gone."))
		refused(t, d, "blocker.resolved", resolve("chg_other", "G3", b.ID, "Gone."))
		refused(t, d, "blocker.resolved", resolve(c.ID, "G3", "blk_none", "Gone."))
		write(t, d, resolve(c.ID, "G3", b.ID, "Gone."))
		refused(t, d, "blocker.resolved", resolve(c.ID, "G3", b.ID, "Gone again."))
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			return project.CloseBlockers(ctx, tx, c.ID, []string{"G3", "G5"}, "sent back", grace)
		})
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			all, err := project.Blockers(ctx, tx, c.ID)
			if err == nil && (len(all) != 2 || all[0].Resolution != "Gone." || all[0].ResolvedBy != "person:ada" || all[1].ID != closed.ID || all[1].Resolution != "sent back" || all[1].ResolvedBy != "person:grace") {
				t.Errorf("blockers %+v", all)
			}
			return err
		})
	})
}

func TestOneDesignIsRecommendedAndOneSelected(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		_, c := begin(t, d)
		save := func(number int64, title string, recommended bool) {
			t.Helper()
			x := project.Design{Change: c.ID, Number: number, Title: title, Path: "designs/x.html", Rationale: "calm", Recommended: recommended}
			write(t, d, func(ctx context.Context, tx *db.Tx) error { return project.SaveDesign(ctx, tx, &x) })
		}
		list := func() (out []project.Design) {
			t.Helper()
			write(t, d, func(ctx context.Context, tx *db.Tx) (err error) {
				out, err = project.Designs(ctx, tx, c.ID)
				return err
			})
			return out
		}
		save(2, "Bold", true)
		save(1, "Calm", true)
		save(1, "Calmer", true)
		all := list()
		if len(all) != 2 || all[0].Title != "Calmer" || !all[0].Recommended || all[1].Recommended {
			t.Errorf("designs %+v", all)
		}
		choose := func(id string) func(ctx context.Context, tx *db.Tx) error {
			return func(ctx context.Context, tx *db.Tx) error { return project.SelectDesign(ctx, tx, c.ID, id) }
		}
		refused(t, d, "design.unknown", choose("des_none"))
		write(t, d, choose(all[0].ID))
		write(t, d, choose(all[1].ID))
		if all = list(); all[0].Selected || !all[1].Selected {
			t.Errorf("designs %+v", all)
		}
	})
}

func TestNotesAndMessagesAreKeptInOrder(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p, c := begin(t, d)
		task := project.Task{Project: p.ID, Change: c.ID, Gate: "G1", Role: "architect", Kind: "build", Title: "t", Brief: "b", Priority: "high", Round: 1}
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			if err := project.CreateTask(ctx, tx, &task); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `INSERT INTO runs (id, project_id, change_id, task_id, gate, role, status, base_commit, commit_hash, model, created_at)
				VALUES ('run_1', $1, $2, $3, 'G1', 'architect', 'queued', '', '', 'demo', 1)`, p.ID, c.ID, task.ID)
			return err
		})
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			for _, title := range []string{"one", "two"} {
				if err := project.AddNote(ctx, tx, &project.Note{Project: p.ID, Change: c.ID, Gate: "G1", Kind: "risk", Title: title}); err != nil {
					return err
				}
			}
			notes, err := project.Notes(ctx, tx, c.ID)
			if err == nil && (len(notes) != 2 || notes[0].Title != "one" || notes[1].Title != "two") {
				t.Errorf("notes %+v", notes)
			}
			return err
		})
		var first project.Message
		write(t, d, func(ctx context.Context, tx *db.Tx) (err error) {
			if first, err = project.Steer(ctx, tx, "run_1", "Go left", ada); err != nil {
				return err
			}
			_, err = project.Steer(ctx, tx, "run_1", "Go right", grace)
			return err
		})
		refused(t, d, "idea.empty", func(ctx context.Context, tx *db.Tx) error {
			_, err := project.Steer(ctx, tx, "run_1", "", ada)
			return err
		})
		for _, seq := range []int64{3, 9} {
			write(t, d, func(ctx context.Context, tx *db.Tx) error { return project.MarkRead(ctx, tx, []string{first.ID}, seq) })
		}
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			list, err := project.Messages(ctx, tx, "run_1")
			if err == nil && (len(list) != 2 || list[0].ReadSeq != 3 || list[0].Author != "person:ada" || list[1].ReadSeq != 0) {
				t.Errorf("messages %+v", list)
			}
			return err
		})
	})
}

func TestSubscribersHearOfAnEventAfterItsCommit(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := create(t, d, 0, 0)
		r := project.Recorder{Bus: bus.New()}
		events, cancel := r.Bus.Subscribe(project.Channel(p.ID), 4)
		defer cancel()
		add := func(ctx context.Context, tx *db.Tx) error {
			_, err := r.Add(ctx, tx, p.ID, ada, "something", map[string]any{"n": 1})
			if len(events) > 0 {
				t.Error("the bus heard of it before the commit")
			}
			return err
		}
		refused(t, d, "stop", func(ctx context.Context, tx *db.Tx) error {
			if err := add(ctx, tx); err != nil {
				return err
			}
			return fault.Conflict("stop", "rolled back")
		})
		if len(events) > 0 {
			t.Error("the bus heard of what was rolled back")
		}
		write(t, d, add)
		e, ok := (<-events).(event.Event)
		if !ok || e.Type != "something" || e.Seq != 1 || e.Actor != ada {
			t.Errorf("heard %+v", e)
		}
	})
}
