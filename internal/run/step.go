package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/layercake-app/layercake/internal/agent"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/llm"
	"github.com/layercake-app/layercake/internal/project"
)

// The kinds of step.
const (
	StepModel = "model"
	StepTool  = "tool"
)

// Step is one journalled model turn or tool call. For a model step Output is
// the JSON of llm.Response; for a tool step Input is the call's input and
// Output what the tool answered. Cost is in micro-USD.
type Step struct {
	Run         string  `db:"run_id" json:"run"`
	Seq         int64   `db:"seq" json:"seq"`
	Turn        int64   `db:"turn" json:"turn"`
	Kind        string  `db:"kind" json:"kind"`
	Name        string  `db:"name" json:"name"`
	Call        string  `db:"call_id" json:"callId,omitempty"`
	InputDigest string  `db:"input_digest" json:"inputDigest"`
	Input       string  `db:"input" json:"input"`
	Output      string  `db:"output" json:"output"`
	IsError     bool    `db:"is_error" json:"isError"`
	Commit      string  `db:"commit_hash" json:"commit,omitempty"`
	TextEnd     int64   `db:"text_end" json:"textEnd,omitempty"` // where the text of a model step ends in the output of the run
	TokensIn    int64   `db:"tokens_in" json:"tokensIn"`
	TokensOut   int64   `db:"tokens_out" json:"tokensOut"`
	CostMicro   int64   `db:"cost_micro" json:"costMicro"`
	StartedAt   db.Time `db:"started_at" json:"startedAt"`
	EndedAt     db.Time `db:"ended_at" json:"endedAt"`
}

const stepColumns = `run_id, seq, turn, kind, name, call_id, input_digest, input, output, is_error, commit_hash, text_end, tokens_in, tokens_out, cost_micro, started_at, ended_at`

// Steps returns the journal of a run in order.
func Steps(ctx context.Context, tx *db.Tx, runID string) ([]Step, error) {
	var out []Step
	if err := tx.All(ctx, &out, `SELECT `+stepColumns+` FROM steps WHERE run_id = $1 ORDER BY seq`, runID); err != nil {
		return nil, fmt.Errorf("read journal of %s: %w", runID, err)
	}
	return out, nil
}

// StepsAfter returns at most limit steps of the journal with a number above seq.
func StepsAfter(ctx context.Context, tx *db.Tx, runID string, seq int64, limit int) ([]Step, error) {
	var out []Step
	if err := tx.All(ctx, &out, `SELECT `+stepColumns+` FROM steps WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3`, runID, seq, limit); err != nil {
		return nil, fmt.Errorf("read journal of %s: %w", runID, err)
	}
	return out, nil
}

func addStep(ctx context.Context, tx *db.Tx, s Step) error {
	_, err := tx.Exec(ctx, `INSERT INTO steps (`+stepColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
		s.Run, s.Seq, s.Turn, s.Kind, s.Name, s.Call, s.InputDigest, s.Input, s.Output, s.IsError, s.Commit, s.TextEnd, s.TokensIn, s.TokensOut, s.CostMicro, s.StartedAt, s.EndedAt)
	if err != nil {
		return fmt.Errorf("journal step %d of %s: %w", s.Seq, s.Run, err)
	}
	return nil
}

// nudge is what a model is told that stopped without calling a tool.
const nudge = "You called no tool. Go on with the next step of the task, or call finish_task when all that is owed is there."

// cutOff is what a model is told whose answer hit the token limit.
const cutOff = "Your answer was cut off by the token limit. Go on in smaller pieces: one file or one part of a file per call."

// journal is the conversation of a run as its steps tell it.
type journal struct {
	steps    []Step
	messages []llm.Message
	open     []llm.Call // calls of the last model step that have no answer yet
	unread   []string   // ids of messages that the next model step will have read
	turn     int64      // number of the last model step
	seq      int64      // number of the last step
	text     int64      // bytes that the model has written
}

// replay rebuilds the conversation. Steering messages stand where the agent
// first read them.
func replay(opening string, steps []Step, steering []project.Message) (journal, error) {
	j := journal{steps: steps, messages: []llm.Message{{Author: llm.User, Text: opening}}}
	var last llm.Response
	results := map[string]llm.Result{}
	flush := func() {
		if len(last.Calls) == 0 {
			return
		}
		m := llm.Message{Author: llm.User}
		for _, c := range last.Calls {
			m.Results = append(m.Results, results[c.ID])
		}
		j.messages = append(j.messages, m)
	}
	for _, s := range steps {
		j.seq = s.Seq
		if s.Kind == StepTool {
			results[s.Call] = llm.Result{CallID: s.Call, Name: s.Name, Content: s.Output, IsError: s.IsError}
			continue
		}
		if s.Turn > 1 {
			flush()
			j.follow(last)
		}
		j.steer(steering, func(m project.Message) bool { return m.ReadSeq == s.Seq })
		last = llm.Response{}
		if err := json.Unmarshal([]byte(s.Output), &last); err != nil {
			return j, fmt.Errorf("decode step %d of %s: %w", s.Seq, s.Run, err)
		}
		j.turn = s.Turn
		j.text += int64(len(last.Text))
		results = map[string]llm.Result{}
		j.messages = append(j.messages, llm.Message{Author: llm.Assistant, Text: last.Text, Calls: last.Calls})
	}
	for _, c := range last.Calls {
		if _, done := results[c.ID]; !done {
			j.open = append(j.open, c)
		}
	}
	if len(j.open) > 0 {
		return j, nil
	}
	flush()
	if j.turn > 0 {
		j.follow(last)
	}
	j.unread = j.steer(steering, func(m project.Message) bool { return m.ReadSeq == 0 })
	return j, nil
}

// follow adds what a model is told that stopped without a tool call.
func (j *journal) follow(last llm.Response) {
	switch {
	case last.Stop == llm.StopLength:
		j.say(cutOff)
	case len(last.Calls) == 0:
		j.say(nudge)
	}
}

func (j *journal) steer(all []project.Message, when func(project.Message) bool) []string {
	var ids []string
	for _, m := range all {
		if when(m) {
			ids = append(ids, m.ID)
			j.say(agent.Steering(m.Text))
		}
	}
	return ids
}

// say adds text of the user, joined to the message before when that is the
// user's too: providers want the two sides to alternate.
func (j *journal) say(text string) {
	last := &j.messages[len(j.messages)-1]
	if last.Author != llm.User {
		j.messages = append(j.messages, llm.Message{Author: llm.User, Text: text})
		return
	}
	if last.Text != "" {
		text = last.Text + "\n\n" + text
	}
	last.Text = text
}

// digest is the SHA-256 of what went into a step.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func unmarshal(text string, into any) error { return json.Unmarshal([]byte(text), into) }
