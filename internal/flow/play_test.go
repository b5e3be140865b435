package flow_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/agent"
	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/document"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/job"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/run"
	"github.com/layercake-app/layercake/internal/sandbox"
)

// edit is what somebody changes in the repository.
type edit struct {
	put    map[string][]byte
	delete []string
}

func (e *edit) file(path string, data []byte) {
	if e.put == nil {
		e.put = map[string][]byte{}
	}
	e.put[path] = data
}

// land commits e on the head and moves the head to it, as whoever does it.
func (w *world) land(ctx context.Context, tx *db.Tx, e edit, kind string, actor event.Actor, code string) error {
	p, err := project.Lock(ctx, tx, w.project)
	if err != nil {
		return err
	}
	if len(e.put)+len(e.delete) == 0 {
		return nil
	}
	commit, err := w.tree.Commit(ctx, w.project, repo.CommitSpec{Parent: p.Head, Put: e.put, Delete: e.delete})
	if err != nil {
		return err
	}
	moved, err := project.MoveHead(ctx, tx, project.Move{Project: w.project, From: p.Head, To: commit, Kind: kind, Actor: actor, Gate: code})
	if err == nil && !moved {
		err = fault.Conflict("head.moved", "the head moved")
	}
	return err
}

// work is what an agent does in one run.
type work struct {
	edit
	status   run.Status // succeeded or failed
	reason   string
	designs  bool // records the alternatives
	blocker  string
	conflict bool
}

// endRun ends a run the way package run does: journal, head, run, task, event
// and the job that wakes flow commit together.
func (w *world) endRun(r run.Run, k work) {
	w.Helper()
	w.carried(r)
	actor := event.Actor{Kind: "agent", ID: r.Role}
	w.write(func(ctx context.Context, tx *db.Tx) error {
		if err := w.land(ctx, tx, k.edit, "run", actor, r.Gate); err != nil {
			return err
		}
		if k.designs {
			for n := range 3 {
				d := project.Design{Change: r.Change, Number: int64(n + 1), Title: fmt.Sprint("Option ", n+1), Path: "designs/option.html", Rationale: "calm", Recommended: n == 1}
				if err := project.SaveDesign(ctx, tx, &d); err != nil {
					return err
				}
			}
		}
		if k.blocker != "" {
			b := project.Blocker{Project: r.Project, Change: r.Change, Gate: r.Gate, Run: r.ID, Kind: project.BlockerAgent, Severity: k.blocker, Title: "Something is in the way"}
			if err := project.RaiseBlocker(ctx, tx, &b); err != nil {
				return err
			}
		}
		if k.conflict {
			t := project.Task{
				Project: r.Project, Change: r.Change, Gate: r.Gate, Role: r.Role, Kind: agent.KindConflict, Title: "Merge both sides",
				Brief: "Two agents changed the same lines.", Priority: "critical", Theirs: r.Base, Round: w.roundOf(ctx, tx, r.Task),
			}
			if err := project.CreateTask(ctx, tx, &t); err != nil {
				return err
			}
		}
		n, err := tx.Exec(ctx, `UPDATE runs SET status = $2, reason = $3, ended_at = $4, waits_for = '' WHERE id = $1 AND status IN ('queued', 'running', 'waiting')`, r.ID, k.status, k.reason, db.Now())
		if err != nil || n != 1 {
			return fmt.Errorf("end run: %d rows, %w", n, err)
		}
		task := map[run.Status]string{run.Succeeded: project.TaskDone, run.Failed: project.TaskFailed}[k.status]
		if err := project.EndTask(ctx, tx, r.Task, task, k.reason); err != nil {
			return err
		}
		return w.wake(ctx, tx, actor, "run."+string(k.status), r.Gate)
	})
	w.drain()
}

// carried asserts that some job carries the run.
func (w *world) carried(r run.Run) {
	w.Helper()
	if !w.seen[turnKey(r.ID, r.Token)] {
		w.die("no job carries run %s of %s at %s with token %d", r.ID, r.Role, r.Gate, r.Token)
	}
}

func (w *world) roundOf(ctx context.Context, tx *db.Tx, task string) int64 {
	t, err := project.GetTask(ctx, tx, task)
	w.must(err) //nolint:contextcheck // the world carries the test's own context
	return t.Round
}

func (w *world) wake(ctx context.Context, tx *db.Tx, actor event.Actor, typ, code string) error {
	if _, err := w.flow.Record.Add(ctx, tx, w.project, actor, typ, map[string]any{"gate": code}); err != nil {
		return err
	}
	return w.queue.Insert(ctx, tx, project.Advance{Project: w.project}, job.Unique())
}

// pauseRun lets a run wait before its next turn, as it does when its project is
// paused.
func (w *world) waitRun(r run.Run, what string, ask *project.Question) {
	w.Helper()
	w.carried(r)
	w.write(func(ctx context.Context, tx *db.Tx) error {
		if ask != nil {
			if err := project.Ask(ctx, tx, ask); err != nil {
				return err
			}
		}
		if what != "" {
			n, err := tx.Exec(ctx, `UPDATE runs SET status = 'waiting', waits_for = $2 WHERE id = $1 AND status IN ('queued', 'running')`, r.ID, what)
			if err != nil || n != 1 {
				return fmt.Errorf("let run wait: %d rows, %w", n, err)
			}
		}
		return w.wake(ctx, tx, event.Actor{Kind: "agent", ID: r.Role}, "run.waiting", r.Gate)
	})
	w.drain()
}

// good is what an agent does that succeeds: everything its role owes at the
// gate, or a piece of source where it owes no document.
func (w *world) good(s *rows, r run.Run) work {
	k := work{status: run.Succeeded, reason: "done"}
	for _, d := range s.owedBy(r.Gate, r.Role) {
		w.deliver(&k, d)
		w.mend(&k, s, d)
	}
	if r.Role == "ux-ui-designer" {
		k.designs = true
	}
	if len(k.put) == 0 {
		w.n++
		path := "internal/" + r.Role + "/work.go"
		if r.Role == "model-evaluator" {
			path = "internal/eval/eval_test.go"
		}
		k.file(path, source(w.n))
	}
	return k
}

func (s *rows) owedBy(code, role string) (out []blueprint.Deliverable) {
	for _, d := range s.spec(code).Deliverables {
		if d.Role == role && s.holds(d.When) {
			out = append(out, d)
		}
	}
	return out
}

func (w *world) deliver(k *work, d blueprint.Deliverable) {
	for _, path := range pathsOf(d) {
		w.n++
		k.file(path, content(d, w.like, w.n))
	}
}

// mend writes anew what belongs to a deliverable and is not valid.
func (w *world) mend(k *work, s *rows, d blueprint.Deliverable) {
	files := s.filesAt(s.project.Head)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if glob(d.Path).MatchString(path) && k.put[path] == nil && len(document.Validate(d.Kind, path, d.Sections, w.tree.blobs[files[path]])) > 0 {
			w.n++
			k.file(path, content(d, w.like, w.n))
		}
	}
}

// endProof concludes a proof the way a check does.
func (w *world) endProof(s *rows, p proof.Row, verdict proof.Verdict, coverage float64) {
	w.Helper()
	w.concludeAll(s, []proof.Row{p}, func(proof.Row) (proof.Verdict, float64) { return verdict, coverage })
}

func (w *world) concludeAll(s *rows, list []proof.Row, judge func(proof.Row) (proof.Verdict, float64)) {
	w.Helper()
	w.write(func(ctx context.Context, tx *db.Tx) error {
		if _, err := project.Lock(ctx, tx, w.project); err != nil {
			return err
		}
		for _, p := range list {
			if !w.seen[p.ID] {
				w.die("no job obtains proof %s of %s", p.Type, p.Gate) //nolint:contextcheck // the world carries the context of the test
			}
			if _, err := proof.Begin(ctx, tx, p.ID); err != nil {
				return err
			}
			verdict, coverage := judge(p)
			files, err := w.tree.Files(ctx, w.project, p.Commit)
			if err != nil {
				return err
			}
			res := proof.Result{
				Type: p.Type, Commit: p.Commit, Verdict: verdict, Reason: "it is " + string(verdict), Command: "check", Figures: map[string]float64{"ms": 1},
				Inputs: repo.Digest(files, s.blueprint.Proofs[p.Type].Inputs), LogKey: w.logs[string(verdict)], LogSHA256: w.logs[string(verdict)],
				Isolation: sandbox.Isolation{Kind: "bubblewrap"},
			}
			if p.Type == proof.Coverage {
				res.Figures["coverage"] = coverage
			}
			if err := w.flow.Conclude(ctx, tx, p, res); err != nil {
				return err
			}
		}
		return nil
	})
	w.drain()
}

// person changes files by hand.
func (w *world) person(e edit) {
	w.Helper()
	w.write(func(ctx context.Context, tx *db.Tx) error {
		if err := w.land(ctx, tx, e, "person", ada.Actor, ""); err != nil {
			return err
		}
		if err := w.queue.Insert(ctx, tx, flow.Publication{Project: w.project}, job.Unique()); err != nil {
			return err
		}
		return w.wake(ctx, tx, ada.Actor, "document.edited", "")
	})
	w.drain()
}

// approve decides a gate, and compares what became of it with the second
// opinion: approved exactly when there was no objection.
func (w *world) approve(by gate.Decider, code string, a flow.Approval) error {
	w.Helper()
	before := w.rows()
	codes := before.together(code)
	objections := before.objections(codes, by)
	decisions, err := w.flow.Approve(w.ctx, by, w.project, code, a)
	w.judge(before, codes, objections, decisions, err)
	w.drain()
	return err
}

// creation plays the job by which creating the change decides G0.
func (w *world) creation(projectID, changeID string) {
	w.Helper()
	before := w.rows()
	if before.change.ID != changeID {
		w.die("the creation of change %s takes effect while %s is open", changeID, before.change.ID)
	}
	_, id, _ := strings.Cut(before.change.CreatedBy, ":")
	by := gate.Decider{Actor: event.Actor{Kind: "person", ID: id}, Method: gate.Method(before.change.CreatedMethod), Role: before.change.CreatedRole}
	objections := before.objections([]string{"G0"}, by)
	err := w.flow.Creation(w.ctx, projectID, changeID)
	w.must(err)
	after := w.rows()
	if got, want := after.gate("G0").Status == gate.Approved, len(objections) == 0 || before.gate("G0").Status == gate.Approved; got != want {
		w.die("creation decided G0: %v, objections %v", got, objections)
	}
	var decisions []gate.Decision
	if n := len(before.decisions); len(after.decisions) > n {
		decisions = after.decisions[n:]
	}
	w.decisions += len(decisions)
	w.recorded(before, decisions)
}

func (w *world) judge(before *rows, codes, objections []string, decisions []gate.Decision, err error) {
	w.Helper()
	if err != nil {
		kind := fault.KindOf(err)
		if fault.Ours(err) {
			w.die("approve %v: %v", codes, err)
		}
		if len(objections) == 0 && kind != fault.KindInvalid && kind != fault.KindTooLarge {
			w.die("nothing speaks against %v, and it was refused: %v", codes, detail(err))
		}
		return
	}
	if len(objections) > 0 {
		w.die("%v was approved, though\n  %s", codes, strings.Join(objections, "\n  "))
	}
	var got []string
	for _, d := range decisions {
		got = append(got, d.Code)
	}
	if !slices.Equal(got, codes) {
		w.die("one decision covers %v, and %v were decided", codes, got)
	}
	w.decisions += len(decisions)
	w.recorded(before, decisions)
}

func detail(err error) string {
	f, ok := fault.As(err)
	if !ok {
		return err.Error()
	}
	return fmt.Sprint(f.Code, ": ", f.Message, f.Details)
}

// recorded compares fresh approvals with what they left behind.
func (w *world) recorded(before *rows, decisions []gate.Decision) {
	w.Helper()
	after := w.rows()
	for _, d := range decisions {
		was, is := before.gate(d.Code), after.gate(d.Code)
		switch {
		case is.Status != gate.Approved || is.Stale || is.Decisions != was.Decisions+1:
			w.die("after its approval %s is %s stale=%v decisions=%d", d.Code, is.Status, is.Stale, is.Decisions)
		case d.Head != before.project.Head || d.Round != was.Round || d.Commit != after.project.Head || d.EventHash == "":
			w.die("the decision on %s says head %s round %d commit %s", d.Code, d.Head, d.Round, d.Commit)
		case d.Tag != flow.TagName(before.change.Number, d.Code, is.Decisions):
			w.die("the decision on %s has the tag %s", d.Code, d.Tag)
		}
		path := flow.StatementPath(before.change.Number, d.Code, is.Decisions)
		if _, ok := after.filesAt(d.Commit)[path]; !ok {
			w.die("the commit of the decision on %s lacks %s", d.Code, path)
		}
		if d.Code == "G4" && len(before.designs) > 0 {
			chosen := slices.DeleteFunc(slices.Clone(after.designs), func(x project.Design) bool { return !x.Selected })
			if len(chosen) != 1 || chosen[0].ID != d.Design {
				w.die("G4 chose %s, and %d designs are selected", d.Design, len(chosen))
			}
		}
	}
}
