package demo

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/layercake-app/layercake/internal/llm"
)

const (
	bytesPerToken = 4
	pieceBytes    = 24 // a streamed piece is about this long
)

// tokens estimates the tokens of n bytes, rounded up.
func tokens(n int) int64 {
	return int64((n + bytesPerToken - 1) / bytesPerToken)
}

// requestBytes is the size of all that a provider would read of a request.
func requestBytes(req llm.Request) int {
	n := len(req.System)
	for _, m := range req.Messages {
		n += len(m.Text)
		for _, c := range m.Calls {
			n += callBytes(c)
		}
		for _, r := range m.Results {
			n += len(r.Content)
		}
	}
	for _, t := range req.Tools {
		n += len(t.Name) + len(t.Description) + len(t.Schema)
	}
	return n
}

func callBytes(c llm.Call) int { return len(c.Name) + len(c.Input) }

// cut ends an answer where a real provider would: at maxTokens, in the middle
// of the text or of a call's input. 0 means no limit. It also fills in
// Usage.Out.
func cut(answer llm.Response, maxTokens int64) llm.Response {
	size := len(answer.Text)
	for _, c := range answer.Calls {
		size += callBytes(c)
	}
	if maxTokens <= 0 || tokens(size) <= maxTokens {
		answer.Usage.Out = tokens(size)
		return answer
	}
	room := int(maxTokens) * bytesPerToken
	answer.Stop, answer.Usage.Out = llm.StopLength, maxTokens
	if len(answer.Text) >= room {
		answer.Text, answer.Calls = prefix(answer.Text, room), nil
		return answer
	}
	room -= len(answer.Text)
	var kept []llm.Call
	for _, c := range answer.Calls {
		if room <= len(c.Name) {
			break
		}
		if callBytes(c) > room {
			c.Input = []byte(prefix(string(c.Input), room-len(c.Name)))
			room = 0
		} else {
			room -= callBytes(c)
		}
		kept = append(kept, c)
	}
	answer.Calls = kept
	return answer
}

// prefix returns at most n bytes of s and never half a character.
func prefix(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// emit streams text in pieces, with a pause of delay between them.
func emit(ctx context.Context, text string, delay time.Duration, stream func(string)) error {
	for first := true; text != ""; first = false {
		if !first && delay > 0 {
			timer := time.NewTimer(delay)
			select {
			case <-ctx.Done():
			case <-timer.C:
			}
			timer.Stop()
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("stream the demo model's answer: %w", err)
		}
		piece := prefix(text, pieceBytes)
		if stream != nil {
			stream(piece)
		}
		text = text[len(piece):]
	}
	return nil
}
