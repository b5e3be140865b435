// Package demo is a model that needs no network and no key: it answers from
// templates, says so, and acts only through the tools it is offered.
//
// It is stateless and deterministic. Everything it does follows from the
// Request: the tagged sections of the first user message say what to do, and
// the calls and results so far say how much of it is done. Given the same
// Request it gives the same answer, so a run that is killed and resumed goes on
// where it stopped. Scripts make it misbehave in known ways, for tests and
// demonstrations. It never claims to be more than templates.
package demo

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/llm"
)

// How the demo model introduces itself.
const (
	Provider = "demo"
	Name     = "demo-1"
	Label    = "demo model (templates, not AI)"
)

// Options are the settings of a demo model; the zero value is the plain one.
type Options struct {
	// Script makes the model misbehave as the table Scripts says. A marker line
	// in the idea does the same for one project; see Marker.
	Script string
	// Delay is the pause between two streamed pieces of text.
	Delay time.Duration
	// Calls is told the key of each completed call.
	Calls func(key string)
	// CallsFile is a file to which the key of each completed call is appended,
	// one a line and on disk before Complete returns, so that a crash test can
	// count calls over several processes.
	CallsFile string
}

// Model answers from templates. It is safe for use by several goroutines.
type Model struct {
	options  Options
	attempts atomic.Int64
	cache    cache
}

// New returns a demo model, or says which scripts exist when it does not know
// the one asked for.
func New(options Options) (*Model, error) {
	if _, known := knownScript(options.Script); options.Script != "" && !known {
		return nil, fault.Invalid("demo.script", "The demo model has no script %q. Use one of: %s.", options.Script, scriptNames())
	}
	return &Model{options: options}, nil
}

// Info describes the demo model; its price is known, and it is nothing.
func (m *Model) Info() llm.Info {
	return llm.Info{Provider: Provider, Name: Name, Label: Label, Price: &llm.Price{}}
}

// Reach finds the demo model where it is: in this program.
func (m *Model) Reach(ctx context.Context) error { return ctx.Err() }

// Complete answers req. It fails when ctx ends, when the script rate-limited
// says so, and when the file of Options.CallsFile cannot be written.
func (m *Model) Complete(ctx context.Context, req llm.Request, stream func(text string)) (llm.Response, error) {
	if err := ctx.Err(); err != nil {
		return llm.Response{}, fmt.Errorf("complete with the demo model: %w", err)
	}
	w := newWork(req, &m.cache)
	if m.options.Script != "" {
		w.script = m.options.Script
	}
	if s, ok := knownScript(w.script); ok && s.Name == scriptRateLimited {
		if err := m.refuse(); err != nil {
			return llm.Response{}, err
		}
	}
	answer := cut(w.answer(), req.MaxTokens)
	answer.Usage.In = tokens(requestBytes(req))
	if err := emit(ctx, answer.Text, m.options.Delay, stream); err != nil {
		return llm.Response{}, err
	}
	if err := m.record(req.Key); err != nil {
		return llm.Response{}, err
	}
	return answer, nil
}

// record counts a completed call.
func (m *Model) record(key string) error {
	if m.options.Calls != nil {
		m.options.Calls(key)
	}
	if m.options.CallsFile == "" {
		return nil
	}
	f, err := os.OpenFile(m.options.CallsFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the demo model's list of calls: %w", err)
	}
	_, err = f.WriteString(key + "\n")
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("append to the demo model's list of calls: %w", err)
	}
	return nil
}
