package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/llm"
)

const (
	callsPerTurn   = 5
	defaultTurn    = 7000 * bytesPerToken // bytes of one turn where the limit allows more
	attemptsPerCut = 3                    // times a call that was cut off is asked for
	wordsPerTurn   = 400                  // bytes kept free for what is said
)

// work is one replay of a role's program over the conversation so far. The
// program runs from its start every time: a call that the conversation has
// answered returns that answer, the first ones it has not are the next turn.
type work struct {
	facts
	cache   *cache
	tools   map[string]bool
	results map[string][]llm.Result // by callKey, in order
	cut     []llm.Call              // calls that were cut off
	barren  int                     // turns at the end that led to no result
	turn    int                     // assistant turns so far
	steered []string

	repeats map[string]int
	pending []llm.Call
	room    int
	chunk   int
	said    []string

	contents map[string]string // what files hold, as far as this run has read or written them
	missing  map[string]bool   // files that this run looked for in vain
	wrote    []string          // its paths, in order
	problems []string
	remarks  []string

	keep       bool     // documents were there before this project's work
	unchanged  []string // documents that needed nothing
	wish       string   // what was understood of the remark on a rework
	revisedOne bool     // the remark has been answered in a document
}

// pause ends a replay at the first answer that is not there yet.
type pause struct{}

// newWork reads a request.
func newWork(req llm.Request, made *cache) *work {
	w := &work{
		facts: readFacts(req.Messages), tools: map[string]bool{}, results: map[string][]llm.Result{},
		cache: made, repeats: map[string]int{}, contents: map[string]string{}, missing: map[string]bool{},
	}
	w.keep = w.change > 1
	for _, t := range req.Tools {
		w.tools[t.Name] = true
	}
	asked := map[string]llm.Call{}
	for _, m := range req.Messages {
		if m.Author == llm.Assistant {
			w.turn++
			w.barren++
			for _, c := range m.Calls {
				asked[c.ID] = c
				if !isObject(c.Input) {
					w.cut = append(w.cut, c)
				}
			}
			continue
		}
		for _, found := range steeringWords.FindAllStringSubmatch(m.Text, -1) {
			w.steered = append(w.steered, strings.TrimSpace(found[1]))
		}
		for _, r := range m.Results {
			if c, ok := asked[r.CallID]; ok && isObject(c.Input) {
				key := callKey(c.Name, c.Input)
				w.results[key] = append(w.results[key], r)
				w.barren = 0
			}
		}
	}
	w.room = turnBytes(req.MaxTokens) - wordsPerTurn
	// A JSON string is longer than the text in it, and the path comes on top.
	w.chunk = w.room - w.room/8 - 200
	return w
}

var steeringWords = regexp.MustCompile(`(?s)<steering>(.*?)</steering>`)

func isObject(raw json.RawMessage) bool {
	return json.Valid(raw) && strings.HasPrefix(strings.TrimSpace(string(raw)), "{")
}

// turnBytes is how much one turn may hold. Limits are rounded down to a power of
// two, so that a limit that shrinks a little between two turns changes nothing.
func turnBytes(maxTokens int64) int {
	limit := int64(defaultTurn / bytesPerToken)
	if maxTokens <= 0 || maxTokens >= limit {
		return defaultTurn
	}
	size := int64(256)
	for size*2 <= maxTokens {
		size *= 2
	}
	return int(size) * bytesPerToken
}

// answer runs the role's program up to the next turn.
func (w *work) answer() llm.Response {
	if !w.understood {
		return say("I am the " + Label + ". I work on projects of LayerCake, from the sections of a task; this message has none, so there is nothing I can do with it.")
	}
	if w.barren >= attemptsPerCut {
		return say("My last answers were cut off before a tool could run, so I stop here: the limit on output tokens is too small for this task.")
	}
	if scripted, ok := w.misbehave(); ok {
		return scripted
	}
	w.replay(w.program())
	if len(w.pending) == 0 {
		return say("There is nothing left for me to do. " + w.summary())
	}
	return llm.Response{Text: w.words(), Calls: w.pending, Stop: llm.StopTool}
}

func say(text string) llm.Response { return llm.Response{Text: text, Stop: llm.StopEnd} }

// replay runs a program until it ends or needs an answer that is not there. The
// panic never leaves this function; without it every program would have to
// check after every step whether it may go on.
func (w *work) replay(program func(*work)) {
	defer func() {
		if r := recover(); r != nil {
			if _, paused := r.(pause); !paused {
				panic(r)
			}
		}
	}()
	program(w)
}

// words is what the turn says before its calls.
func (w *work) words() string {
	var b strings.Builder
	if w.turn == 0 {
		fmt.Fprintf(&b, "I am the %s, working as %s. ", Label, w.role)
	}
	if n := len(w.steered); n > 0 {
		fmt.Fprintf(&b, "I have read your message (%q); templates cannot act on free words, so I carry on and repeat it in my summary. ", oneLine(w.steered[n-1], 80))
	}
	b.WriteString(oneLine(strings.Join(w.said, " "), wordsPerTurn/2))
	return strings.TrimSpace(b.String())
}

func (w *work) tell(format string, args ...any) {
	w.said = append(w.said, fmt.Sprintf(format, args...))
}

// post asks for a call without waiting for its answer. ok says that the answer
// is there already. Calls are recognised by what they ask, because the platform
// gives them ids of its own.
func (w *work) post(name string, input any) (result llm.Result, ok bool) {
	if !w.tools[name] {
		return llm.Result{Name: name, IsError: true, Content: "the tool " + name + " is not offered"}, true
	}
	raw := encode(input)
	key := callKey(name, raw)
	w.repeats[key]++
	if given := w.results[key]; w.repeats[key] <= len(given) {
		return given[w.repeats[key]-1], true
	}
	if w.cutBefore(name, raw) >= attemptsPerCut {
		return llm.Result{Name: name, IsError: true, Content: "this call was cut off by the token limit every time"}, true
	}
	size := len(name) + len(raw)
	if len(w.pending) == callsPerTurn || (len(w.pending) > 0 && size > w.room) {
		panic(pause{})
	}
	id := fmt.Sprintf("demo_%d_%d", w.turn+1, len(w.pending)+1)
	w.pending = append(w.pending, llm.Call{ID: id, Name: name, Input: raw})
	w.room -= size
	return llm.Result{}, false
}

// need asks for a call and waits for its answer.
func (w *work) need(name string, input any) llm.Result {
	result, ok := w.post(name, input)
	if !ok {
		panic(pause{})
	}
	return result
}

// callKey identifies what a call asks, however its JSON is written.
func callKey(name string, raw json.RawMessage) string {
	var value any
	if json.Unmarshal(raw, &value) == nil {
		raw = encode(value)
	}
	return name + "\x00" + string(raw)
}

// cutBefore counts how often this call was sent and cut off. What is left of a
// cut call stands in the conversation as it was, or as a JSON string.
func (w *work) cutBefore(name string, raw json.RawMessage) int {
	n := 0
	for _, c := range w.cut {
		var text string
		if json.Unmarshal(c.Input, &text) != nil {
			text = string(c.Input)
		}
		if c.Name == name && text != "" && strings.HasPrefix(string(raw), text) {
			n++
		}
	}
	return n
}

// encode writes a call's input; it is made of plain maps and structs and cannot
// fail.
func encode(input any) json.RawMessage {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(input)
	return bytes.TrimSpace(b.Bytes())
}

func (w *work) problem(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(w.problems, text) {
		w.problems = append(w.problems, text)
	}
}

func (w *work) remark(format string, args ...any) {
	w.remarks = append(w.remarks, fmt.Sprintf(format, args...))
}
