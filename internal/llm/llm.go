// Package llm is one streaming completion call with tools, usage and
// cancellation, whatever provider answers it.
//
// A model gets everything it knows from the Request and acts only by asking for
// tool calls; it has no other way to touch a project.
package llm

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Author says who wrote a message.
type Author string

// The two authors of a conversation. Tool results come from the user side.
const (
	User      Author = "user"
	Assistant Author = "assistant"
)

// Message is one entry of the conversation. An assistant message has Text
// and Calls; a user message has Text or Results.
type Message struct {
	Author  Author   `json:"author"`
	Text    string   `json:"text,omitempty"`
	Calls   []Call   `json:"calls,omitempty"`
	Results []Result `json:"results,omitempty"`
}

// Call is the model's request to run a tool. Input is a JSON object when the
// model is well behaved, and any bytes when it is not.
type Call struct {
	ID    string          `json:"id"`
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"`
}

// Result answers the call with the same ID.
type Result struct {
	CallID  string `json:"callId"`
	Name    string `json:"name"`
	Content string `json:"content"`
	IsError bool   `json:"isError,omitempty"`
}

// Tool is what the model may call: a name, what it is for, and a JSON schema of
// its input.
type Tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema"`
}

// Request is one completion.
type Request struct {
	System    string
	Messages  []Message
	Tools     []Tool
	MaxTokens int64
	// Key names the call in journals and call counters: run and turn.
	Key string
}

// Stop says why a model stopped.
type Stop string

// The reasons a completion ends.
const (
	StopEnd    Stop = "end"    // it said all it wanted
	StopTool   Stop = "tool"   // it waits for tool results
	StopLength Stop = "length" // it was cut off by MaxTokens
)

// Usage counts tokens.
type Usage struct {
	In         int64 `json:"in"`
	Out        int64 `json:"out"`
	CacheRead  int64 `json:"cacheRead"`
	CacheWrite int64 `json:"cacheWrite"`
}

// Response is a whole answer, after the stream ended.
type Response struct {
	Text  string `json:"text"`
	Calls []Call `json:"calls"`
	Stop  Stop   `json:"stop"`
	Usage Usage  `json:"usage"`
}

// Price is in micro-USD per million tokens.
type Price struct {
	In, Out, CacheRead, CacheWrite int64
}

// Cost returns the price of u in micro-USD, rounded up.
func (p Price) Cost(u Usage) int64 {
	total := p.In*u.In + p.Out*u.Out + p.CacheRead*u.CacheRead + p.CacheWrite*u.CacheWrite
	return (total + 999_999) / 1_000_000
}

// Info describes a model.
type Info struct {
	Provider string // "demo", "anthropic", …
	Name     string // the provider's name of the model
	Label    string // what people are shown
	Price    *Price // nil when unknown; unknown is never zero
}

// Model answers completions. Complete calls stream with each piece of text as
// it arrives, and returns when the answer is whole, ctx ends, or it failed.
// stream may be nil. Reach asks the provider whether it would answer, without
// a completion that costs something; its error says what to do about it.
type Model interface {
	Info() Info
	Reach(ctx context.Context) error
	Complete(ctx context.Context, req Request, stream func(text string)) (Response, error)
}

// Error is a provider's refusal. Status is the HTTP status it used (429 too
// many requests, 529 overloaded, 4xx wrong request, 5xx its own failure).
type Error struct {
	Status     int
	Message    string
	RetryAfter time.Duration
}

// Error returns the provider's words.
func (e *Error) Error() string {
	return fmt.Sprintf("model provider answered %d: %s", e.Status, e.Message)
}

// Temporary reports whether the same request may succeed later.
func (e *Error) Temporary() bool {
	return e.Status == 429 || e.Status == 529 || e.Status >= 500
}
