package run

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/llm"
	"github.com/layercake-app/layercake/internal/project"
)

// Chunk is a piece of what the model of a run writes, as it comes. Offsets count the
// bytes of all that it has written since the run began. What lies before Settled is
// journalled and never changes. Reset says that what was streamed from Offset on
// counts no more: the call is made anew.
type Chunk struct {
	Run     string `json:"run"`
	Offset  int64  `json:"offset"`
	Settled int64  `json:"settled"`
	Reset   bool   `json:"reset,omitempty"`
	Text    string `json:"text"`
}

// Output is a part of what the model of a run has written. Next is where the next
// part begins; what lies beyond Settled may still be taken back.
type Output struct {
	From    int64  `json:"from"`
	Text    string `json:"text"`
	Next    int64  `json:"next"`
	Settled int64  `json:"settled"`
	Ended   bool   `json:"ended"`
}

// ReadOutput returns at most limit bytes of what the model of a run has journalled
// from an offset on, cut between characters. An offset within a character, or beyond
// the end, is a fault.
func ReadOutput(ctx context.Context, tx *db.Tx, r Run, from int64, limit int) (Output, error) {
	out := Output{From: from, Next: from, Ended: !r.Live()}
	if err := tx.One(ctx, &out.Settled, `SELECT COALESCE(MAX(text_end), 0) FROM steps WHERE run_id = $1`, r.ID); err != nil {
		return out, fmt.Errorf("measure output of %s: %w", r.ID, err)
	}
	if from > out.Settled {
		return out, nil
	}
	var b strings.Builder
	for out.Next < out.Settled && b.Len() < limit {
		var s Step
		err := tx.One(ctx, &s, `SELECT `+stepColumns+` FROM steps WHERE run_id = $1 AND text_end > $2 ORDER BY seq LIMIT 1`, r.ID, out.Next)
		if err != nil {
			return out, fmt.Errorf("read output of %s: %w", r.ID, err)
		}
		var resp llm.Response
		if err := json.Unmarshal([]byte(s.Output), &resp); err != nil {
			return out, fmt.Errorf("decode step %d of %s: %w", s.Seq, r.ID, err)
		}
		skip := out.Next - (s.TextEnd - int64(len(resp.Text)))
		if skip < 0 || skip > int64(len(resp.Text)) {
			return out, fmt.Errorf("the output of %s has a gap before step %d", r.ID, s.Seq)
		}
		part, err := cutText(resp.Text[skip:], limit-b.Len())
		if err != nil {
			return out, err
		}
		if part == "" {
			break
		}
		b.WriteString(part)
		out.Next += int64(len(part))
	}
	out.Text = b.String()
	return out, nil
}

// cutText is the beginning of a text, of at most limit bytes.
func cutText(text string, limit int) (string, error) {
	if text != "" && !utf8.RuneStart(text[0]) {
		return "", fault.Invalid("output.offset", "The offset lies within a character. Go on from where the last answer ended.").WithDetails(fault.Detail{Field: "from", Message: "lies within a character"})
	}
	if len(text) <= limit {
		return text, nil
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit], nil
}

// streams holds, for each run whose model writes right now, what it has written and
// nobody has journalled yet.
type streams struct {
	mu   sync.Mutex
	open map[string]*stream
}

type stream struct {
	base int64
	text strings.Builder
}

// begin opens the stream of a run at the end of its journal.
func (s *streams) begin(runID string, base int64) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string]*stream{}
	}
	st := &stream{base: base}
	s.open[runID] = st
	return st
}

// add notes a piece and returns where it begins; false when another call streams for
// the run by now.
func (s *streams) add(runID string, st *stream, text string) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := st.base + int64(st.text.Len())
	st.text.WriteString(text)
	return at, s.open[runID] == st
}

// end closes the stream of a call, unless another has taken its place.
func (s *streams) end(runID string, st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[runID] == st {
		delete(s.open, runID)
	}
}

// Written adds to a part of a run's output what this process is streaming after it.
func (e *Engine) Written(runID string, out Output, limit int) (Output, error) {
	e.streams.mu.Lock()
	defer e.streams.mu.Unlock()
	st := e.streams.open[runID]
	if st == nil || st.base != out.Settled || out.Next < st.base || len(out.Text) >= limit {
		return out, nil
	}
	text := st.text.String()
	skip := out.Next - st.base
	if skip > int64(len(text)) {
		return out, nil
	}
	part, err := cutText(text[skip:], limit-len(out.Text))
	out.Text += part
	out.Next += int64(len(part))
	return out, err
}

// stream returns what tells subscribers of a model call as it writes, and what ends
// that.
func (t *turn) stream() (say func(text string), end func()) {
	base := t.journal.text
	st := t.streams.begin(t.run.ID, base)
	first := true
	return func(text string) {
		at, ours := t.streams.add(t.run.ID, st, text)
		if ours {
			t.Record.Bus.Publish(project.RunChannel(t.run.ID), Chunk{Run: t.run.ID, Offset: at, Settled: base, Reset: first, Text: text})
		}
		first = false
	}, func() { t.streams.end(t.run.ID, st) }
}
