package run_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/llm"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/run"
)

// output reads what a run has written from an offset on, piece by piece.
func (w *world) output(r run.Run, from int64, limit int) string {
	w.t.Helper()
	var b strings.Builder
	for {
		out := w.piece(r, from, limit)
		if out.Text == "" {
			return b.String()
		}
		if out.Next != from+int64(len(out.Text)) || len(out.Text) > limit {
			w.t.Fatalf("%d bytes from %d to %d, at most %d", len(out.Text), from, out.Next, limit)
		}
		b.WriteString(out.Text)
		from = out.Next
	}
}

func (w *world) piece(r run.Run, from int64, limit int) (out run.Output) {
	w.t.Helper()
	w.write(func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = run.ReadOutput(ctx, tx, r, from, limit)
		return err
	})
	out, err := w.engine.Written(r.ID, out, limit)
	must(w.t, err)
	return out
}

// Ten megabytes come out as they went in, from any offset, in pieces that end between
// characters.
func TestOutputIsReadByOffset(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		text := strings.Repeat("Gießkanne 🌵\n", 1<<14)
		w := newWorld(t, d, &scripted{price: &llm.Price{}, say: func(llm.Request) (llm.Response, error) { return calls(finish) }}, 0)
		r := w.start()
		answer, err := json.Marshal(llm.Response{Text: text})
		must(t, err)
		for turn := range int64(40) {
			w.write(func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, `INSERT INTO steps (run_id, seq, turn, kind, name, input_digest, input, output, text_end, started_at, ended_at) VALUES ($1, $2, $3, 'model', 'm', '', '', $4, $5, 1, 1)`,
					r.ID, 2*turn+1, turn+1, string(answer), (turn+1)*int64(len(text)))
				if err != nil {
					return err
				}
				_, err = tx.Exec(ctx, `INSERT INTO steps (run_id, seq, turn, kind, name, input_digest, input, output, started_at, ended_at) VALUES ($1, $2, $3, 'tool', 'm', '', '', 'no text of the model', 1, 1)`, r.ID, 2*turn+2, turn+1)
				return err
			})
		}
		want := strings.Repeat(text, 40)
		if len(want) < 10<<20 {
			t.Fatalf("only %d bytes", len(want))
		}
		if w.output(r, 0, 256<<10) != want {
			t.Error("the output is another one")
		}
		if from := len(want) - len(text) - 17; w.output(r, int64(from), 1000) != want[from:] {
			t.Error("the end of the output is another one")
		}
		if out := w.piece(r, int64(len(want)), 100); out.Text != "" || out.Ended || out.Settled != int64(len(want)) {
			t.Errorf("at the end: %+v", out)
		}
		if out := w.piece(r, 1<<40, 100); out.Text != "" {
			t.Errorf("beyond the end: %+v", out)
		}
		err = d.Read(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := run.ReadOutput(ctx, tx, r, 4, 100) // Gieß: ß has two bytes
			return err
		})
		if fault.CodeOf(err) != "output.offset" {
			t.Errorf("within a character: %v", err)
		}
	})
}

// What is being written is read before it is journalled, and taken back when the call
// is made anew.
func TestOutputIsReadWhileItIsWritten(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var w *world
		var r run.Run
		var chunks []run.Chunk
		attempt := 0
		w = newWorld(t, d, &scripted{price: &llm.Price{}, say: func(llm.Request) (llm.Response, error) { return calls(finish) }}, 0)
		r = w.start()
		messages, cancel := w.engine.Record.Bus.Subscribe(project.RunChannel(r.ID), 100)
		defer cancel()
		w.engine.Model = writing{w.model, func(stream func(string)) (llm.Response, error) {
			attempt++
			stream("Once ")
			if attempt == 1 {
				stream("wrong")
				if got := w.output(w.get(r.ID), 0, 100); got != "Once wrong" {
					t.Errorf("while it is written: %q", got)
				}
				return llm.Response{}, &llm.Error{Status: 529, Message: "busy"}
			}
			stream("right")
			resp, err := calls(finish)
			resp.Text = "Once right"
			return resp, err
		}}
		r = w.drive(r.ID)
		if got := w.output(r, 0, 100); got != "Once right" || r.Status != run.Succeeded {
			t.Errorf("%s: %q", r.Status, got)
		}
		for more := true; more; {
			select {
			case m := <-messages:
				if c, ok := m.(run.Chunk); ok {
					chunks = append(chunks, c)
				}
			case <-time.After(10 * time.Millisecond):
				more = false
			}
		}
		have := ""
		for _, c := range chunks {
			if c.Reset {
				have = have[:c.Offset]
			}
			if int(c.Offset) != len(have) {
				t.Errorf("a chunk at %d after %d bytes", c.Offset, len(have))
			}
			have += c.Text
		}
		if have != "Once right" {
			t.Errorf("the chunks say %q", have)
		}
	})
}

// writing is a model that streams.
type writing struct {
	*scripted

	write func(stream func(string)) (llm.Response, error)
}

// Complete streams.
func (m writing) Complete(_ context.Context, _ llm.Request, stream func(string)) (llm.Response, error) {
	return m.write(stream)
}
