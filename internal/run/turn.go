package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/layercake-app/layercake/internal/agent"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/job"
	"github.com/layercake-app/layercake/internal/llm"
	"github.com/layercake-app/layercake/internal/project"
)

// carry does what the journal says comes next: the open tool calls of the last
// model turn, or a new model turn and its calls.
func (t *turn) carry(ctx context.Context) error {
	if err := t.open(ctx); err != nil {
		return err
	}
	if len(t.journal.open) == 0 {
		if t.journal.turn >= maxTurns {
			return t.fail(ctx, "it had not finished after %d model turns", maxTurns)
		}
		if asked, err := t.askIfStuck(ctx); asked || err != nil {
			return err
		}
		if goOn, err := t.think(ctx); !goOn || err != nil {
			return err
		}
	}
	for _, c := range t.journal.open {
		if goOn, err := t.act(ctx, c); !goOn || err != nil {
			return err
		}
	}
	// The next turn has a token of its own: when the queue delivers this job once
	// more, it finds that it no longer carries the run.
	return t.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var token int64
		if err := tx.One(ctx, &token, `UPDATE runs SET token = token + 1 WHERE id = $1 RETURNING token`, t.run.ID); err != nil {
			return fmt.Errorf("hand on run %s: %w", t.run.ID, err)
		}
		return t.Queue.Insert(ctx, tx, Turn{Run: t.run.ID, Token: token})
	})
}

// open brings the workspace to the last journalled commit, and the conversation
// to memory. The first turn writes the prompt down, so that later turns see the
// same words whatever has changed since.
func (t *turn) open(ctx context.Context) error {
	r := t.Repos.Repo(t.run.Project)
	tree, err := r.Worktree(ctx, t.run.ID, t.run.Commit)
	if err != nil {
		return fmt.Errorf("open workspace of %s: %w", t.run.ID, err)
	}
	t.tree = tree
	if t.run.Opening == "" {
		if err := t.brief(ctx, r); err != nil {
			return err
		}
	}
	return t.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		steps, err := Steps(ctx, tx, t.run.ID)
		if err != nil {
			return err
		}
		steering, err := project.Messages(ctx, tx, t.run.ID)
		if err != nil {
			return err
		}
		t.journal, err = replay(t.run.Opening, steps, steering)
		return err
	})
}

// think makes one model call and journals it. It reports false when the turn
// ends here: the run waits for budget, or has failed.
func (t *turn) think(ctx context.Context) (bool, error) {
	req := llm.Request{
		System: t.run.System, Messages: t.journal.messages, Tools: agent.Tools(t.run.Role, t.run.Gate),
		MaxTokens: maxTokens, Key: fmt.Sprintf("%s/%d", t.run.ID, t.journal.turn+1),
	}
	for attempt := 1; ; attempt++ {
		use, ok, err := t.reserve(ctx, req)
		if err != nil || !ok {
			return false, err
		}
		began := db.Now()
		say, end := t.stream()
		resp, err := t.Model.Complete(ctx, req, say)
		if err == nil {
			err = t.journalModel(ctx, req, resp, use, began)
			end()
			return true, err
		}
		end()
		if ctx.Err() != nil {
			return false, fmt.Errorf("call model: %w", err)
		}
		wait, again, err := t.refused(ctx, use, err, attempt)
		if err != nil || !again {
			return false, err
		}
		if err := pauseFor(ctx, wait); err != nil {
			return false, err
		}
	}
}

// refused gives the reservation of a refused call back and says whether and
// when to try again.
func (t *turn) refused(ctx context.Context, use project.Usage, cause error, attempt int) (time.Duration, bool, error) {
	err := t.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := project.Release(ctx, tx, use); err != nil {
			return err
		}
		return t.event(ctx, tx, "model_call.refused", map[string]any{"attempt": attempt, "message": cause.Error()})
	})
	if err != nil {
		return 0, false, err
	}
	var refusal *llm.Error
	if !errors.As(cause, &refusal) || !refusal.Temporary() || attempt >= maxAttempts {
		return 0, false, t.fail(ctx, "the model did not answer: %v", cause)
	}
	wait := max(refusal.RetryAfter, time.Duration(1<<attempt)*50*time.Millisecond)
	return min(wait, time.Minute), true, nil
}

func pauseFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// reserve sets aside the most that the call can cost: every byte of the request
// may be a token, and the answer may use all it is allowed.
func (t *turn) reserve(ctx context.Context, req llm.Request) (project.Usage, bool, error) {
	info := t.Model.Info()
	in := requestBytes(req)
	use := project.Usage{
		Project: t.run.Project, Change: t.run.Change, Run: t.run.ID, Turn: t.journal.turn + 1, Gate: t.run.Gate, Role: t.run.Role,
		Provider: info.Provider, Model: info.Name, ReservedTokens: in + req.MaxTokens,
	}
	if info.Price != nil {
		dearest := *info.Price
		dearest.In = max(dearest.In, dearest.CacheWrite)
		use.ReservedMicro = dearest.Cost(llm.Usage{In: in, Out: req.MaxTokens})
		use.CostMicro = &use.ReservedMicro
	}
	ok := true
	err := t.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		err := project.Reserve(ctx, tx, &use)
		if errors.Is(err, project.ErrBudget) {
			ok = false
			return t.askForBudget(ctx, tx, use)
		}
		return err
	})
	return use, ok, err
}

func requestBytes(req llm.Request) int64 {
	n := len(req.System)
	for _, m := range req.Messages {
		n += len(m.Text)
		for _, c := range m.Calls {
			n += len(c.Name) + len(c.Input)
		}
		for _, r := range m.Results {
			n += len(r.Content)
		}
	}
	for _, tool := range req.Tools {
		n += len(tool.Name) + len(tool.Description) + len(tool.Schema)
	}
	return int64(n)
}

// askForBudget lets the run wait and asks once per project.
func (t *turn) askForBudget(ctx context.Context, tx *db.Tx, use project.Usage) error {
	p, err := project.Get(ctx, tx, t.run.Project)
	if err != nil {
		return err
	}
	open, err := project.Questions(ctx, tx, t.run.Change)
	if err != nil {
		return err
	}
	for _, q := range open {
		if q.Kind == project.QuestionBudget && q.Status == "open" {
			return t.wait(ctx, tx, WaitBudget)
		}
	}
	q := project.Question{
		Project: t.run.Project, Change: t.run.Change, Gate: t.run.Gate, Run: t.run.ID, Kind: project.QuestionBudget, Blocking: true,
		Text: fmt.Sprintf("The budget is used up: %s of %s are spent or reserved, and the next model call may cost up to %s. Answer with a new budget in USD to go on.",
			USD(p.SpentMicro), USD(p.BudgetMicro), USD(use.ReservedMicro)),
	}
	if p.TokenCap > 0 && p.SpentTokens+use.ReservedTokens > p.TokenCap {
		q.Text = fmt.Sprintf("The token cap is used up: %d of %d tokens are spent or reserved, and the next model call may use up to %d. Answer with a new budget in USD to go on; it lifts the token cap.",
			p.SpentTokens, p.TokenCap, use.ReservedTokens)
	}
	if err := project.Ask(ctx, tx, &q); err != nil {
		return err
	}
	if err := t.event(ctx, tx, "question.asked", map[string]any{"question": q.ID, "kind": q.Kind, "text": q.Text}); err != nil {
		return err
	}
	return t.wait(ctx, tx, WaitBudget)
}

// USD writes micro-USD as dollars.
func USD(micro int64) string { return fmt.Sprintf("$%.4f", float64(micro)/1e6) }

// journalModel writes the answer down and settles what it cost, together.
func (t *turn) journalModel(ctx context.Context, req llm.Request, resp llm.Response, use project.Usage, began db.Time) error {
	turnNo := t.journal.turn + 1
	tidy(&resp, turnNo)
	out, err := json.Marshal(resp)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	var cost *int64
	if price := t.Model.Info().Price; price != nil {
		c := price.Cost(resp.Usage)
		cost = &c
	}
	messages, err := json.Marshal(req.Messages)
	if err != nil {
		return fmt.Errorf("encode conversation: %w", err)
	}
	s := Step{
		Run: t.run.ID, Seq: t.journal.seq + 1, Turn: turnNo, Kind: StepModel, Name: t.Model.Info().Name,
		InputDigest: digest(req.System, string(messages)), Output: string(out),
		TextEnd: t.journal.text + int64(len(resp.Text)), TokensIn: resp.Usage.In, TokensOut: resp.Usage.Out, StartedAt: began, EndedAt: db.Now(),
	}
	if cost != nil {
		s.CostMicro = *cost
	}
	err = t.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := addStep(ctx, tx, s); err != nil {
			return err
		}
		if err := project.Settle(ctx, tx, use, resp.Usage, cost); err != nil {
			return err
		}
		if err := project.MarkRead(ctx, tx, t.journal.unread, s.Seq); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE runs SET turns = $2 WHERE id = $1`, t.run.ID, turnNo); err != nil {
			return fmt.Errorf("count turn of %s: %w", t.run.ID, err)
		}
		return t.event(ctx, tx, "step.model", map[string]any{"seq": s.Seq, "turn": turnNo, "tokensIn": s.TokensIn, "tokensOut": s.TokensOut, "costMicro": s.CostMicro})
	})
	if err != nil {
		return err
	}
	t.journal.seq, t.journal.turn, t.journal.open, t.journal.text = s.Seq, turnNo, resp.Calls, s.TextEnd
	t.journal.steps = append(t.journal.steps, s)
	return nil
}

// tidy gives every call an id that is unique in its run, and turns an input that
// is no JSON into a JSON string: it stays readable, and no tool accepts it.
func tidy(resp *llm.Response, turnNo int64) {
	for i := range resp.Calls {
		c := &resp.Calls[i]
		c.ID = fmt.Sprintf("t%d_c%d", turnNo, i+1)
		if !json.Valid(c.Input) {
			quoted, err := json.Marshal(string(c.Input))
			if err != nil {
				quoted = []byte(`""`)
			}
			c.Input = quoted
		}
	}
}

// askIfStuck asks a human when the agent goes in circles: the same call with
// the same result several times, or many turns that changed nothing. After the
// answer counting begins anew; a second time the run fails.
func (t *turn) askIfStuck(ctx context.Context) (bool, error) {
	why := stuck(t.journal.steps)
	if why == "" {
		return false, nil
	}
	asked := false
	err := t.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		all, err := project.Questions(ctx, tx, t.run.Change)
		if err != nil {
			return err
		}
		for _, q := range all {
			if q.Run == t.run.ID && q.Kind == project.QuestionStuck {
				if stuck(after(t.journal.steps, q.AnsweredAt)) == "" {
					return nil
				}
				asked = true
				return t.finish(ctx, tx, Failed, "it went in circles again after a person had answered: "+why)
			}
		}
		asked = true
		q := project.Question{
			Project: t.run.Project, Change: t.run.Change, Gate: t.run.Gate, Run: t.run.ID, Kind: project.QuestionStuck, Blocking: true,
			Text: "The " + t.run.Role + " goes in circles: " + why + ". What should it do differently?",
		}
		if err := project.Ask(ctx, tx, &q); err != nil {
			return err
		}
		if err := t.event(ctx, tx, "question.asked", map[string]any{"question": q.ID, "kind": q.Kind, "text": q.Text}); err != nil {
			return err
		}
		return t.wait(ctx, tx, WaitQuestion)
	})
	return asked, err
}

// stuck says how the journal goes in circles, "" when it does not.
func stuck(steps []Step) string {
	same, idle := 0, 0
	var last *Step
	commit := ""
	for i := range steps {
		s := &steps[i]
		if s.Kind == StepModel {
			idle++
			continue
		}
		if last != nil && last.Name == s.Name && last.InputDigest == s.InputDigest && last.Output == s.Output {
			same++
		} else {
			same = 1
		}
		last = s
		if s.Commit != commit || s.Name == "ask_human" {
			commit, idle = s.Commit, 0
		}
	}
	switch {
	case same >= maxSame && last != nil:
		return fmt.Sprintf("it called %s %d times with the same result", last.Name, same)
	case idle >= maxIdle:
		return fmt.Sprintf("it took %d turns without changing anything", idle)
	}
	return ""
}

// after returns the steps that ended after at, so that an answered question gets
// its chance: what went before it does not count any more.
func after(steps []Step, at db.Time) []Step {
	for i, s := range steps {
		if s.EndedAt.After(at.Time) {
			return steps[i:]
		}
	}
	return nil
}

// wakeFlow lets flow look at the project after this transaction.
func (t *turn) wakeFlow(ctx context.Context, tx *db.Tx) error {
	return t.Queue.Insert(ctx, tx, project.Advance{Project: t.run.Project}, job.Unique())
}
