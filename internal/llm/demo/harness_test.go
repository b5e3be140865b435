package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/llm"
	"github.com/layercake-app/layercake/internal/llm/demo"
)

// maxTurns is far above what any role needs; a run that reaches it loops.
const maxTurns = 60

// brief is what the platform tells a model about a task.
type brief struct {
	role, gate, typ, mode, kind string
	change                      int
	idea, original              string
	task, feedback, notes       string
	answers                     [][2]string
	owed                        []string
}

// bench is a workspace in memory that carries out tool calls the way the
// platform does: strict about inputs, with ids of its own, and with the paths
// that agents may not write refused.
type bench struct {
	t     testing.TB
	files map[string]string
	// answer gives a person's words for a question.
	answer func(question string) string
	// checks answers run_checks.
	checks func(types []string) string
	// refuse lets a tool fail, "" when it may go on.
	refuse func(call llm.Call) string
	// command answers run_command.
	command func(argv []string) (string, bool)

	asked     []string
	blockers  []string
	risks     []string
	decisions []string
	refused   []llm.Call // calls that were answered with an error
	outputs   []llm.Response
	finished  []string // summaries
}

func newBench(t testing.TB) *bench {
	return &bench{
		t: t, files: map[string]string{},
		answer:  func(string) string { return "Yes." },
		checks:  func([]string) string { return "build_output: pass. It builds." },
		refuse:  func(llm.Call) string { return "" },
		command: func([]string) (string, bool) { return "exit code 0", false },
	}
}

func section(b *strings.Builder, tag, body string) {
	if strings.TrimSpace(body) != "" {
		fmt.Fprintf(b, "<%s>\n%s\n</%s>\n", tag, strings.TrimSpace(body), tag)
	}
}

func (b *bench) opening(br brief) string {
	change := max(br.change, 1)
	var s strings.Builder
	section(&s, "role", br.role)
	section(&s, "gate", br.gate)
	section(&s, "project", fmt.Sprintf("name: Test\ntype: %s\nmode: %s\ntier: standard\nteaching: expert\nchange: %d\nkind: %s", or(br.typ, "traditional"), or(br.mode, "optional"), change, or(br.kind, "build")))
	section(&s, "idea", br.idea)
	if change > 1 {
		section(&s, "original_idea", br.original)
	}
	section(&s, "task", or(br.task, "Do the work of the "+br.role))
	var owed []string
	for _, p := range br.owed {
		owed = append(owed, p+" — markdown — missing")
	}
	section(&s, "deliverables", strings.Join(owed, "\n"))
	section(&s, "feedback", br.feedback)
	var pairs []string
	for _, a := range br.answers {
		pairs = append(pairs, "Q: "+a[0]+"\nA: "+a[1])
	}
	section(&s, "answers", strings.Join(pairs, "\n\n"))
	section(&s, "notes", br.notes)
	section(&s, "files", strings.Join(b.paths(), "\n"))
	return s.String()
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func (b *bench) paths() []string {
	var names []string
	for name := range b.files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

var toolNames = []string{
	"read_file", "write_file", "edit_file", "list_files", "search_files", "run_command", "run_checks", "ask_human",
	"record_decision", "raise_blocker", "note_risk", "finish_task",
}

func tools(br brief) []llm.Tool {
	var list []llm.Tool
	for _, name := range toolNames {
		if br.role == "reviewer" && slices.Contains([]string{"write_file", "edit_file", "run_command"}, name) {
			continue
		}
		list = append(list, llm.Tool{Name: name, Description: name, Schema: json.RawMessage(`{"type":"object"}`)})
	}
	if br.role == "ux-ui-designer" && br.gate == "G4" {
		list = append(list, llm.Tool{Name: "save_design", Description: "save", Schema: json.RawMessage(`{"type":"object"}`)})
	}
	return list
}

// run lets a model work until it calls finish_task, and returns the
// conversation.
func (b *bench) run(m *demo.Model, br brief) []llm.Message {
	b.t.Helper()
	messages, done := b.runTurns(m, br, maxTurns, 8192)
	if !done {
		b.t.Fatalf("%s at %s (%s) did not finish in %d turns; last words: %s", br.role, br.gate, or(br.kind, "build"), maxTurns, b.outputs[len(b.outputs)-1].Text)
	}
	return messages
}

func (b *bench) runTurns(m *demo.Model, br brief, turns int, maxTokens int64) (messages []llm.Message, done bool) {
	b.t.Helper()
	messages = []llm.Message{{Author: llm.User, Text: b.opening(br)}}
	for turn := 1; turn <= turns; turn++ {
		req := llm.Request{System: "Be good.", Messages: messages, Tools: tools(br), MaxTokens: maxTokens, Key: fmt.Sprintf("%s/%d", br.role, turn)}
		resp := b.complete(m, req)
		b.outputs = append(b.outputs, resp)
		tidy(&resp, turn)
		messages = append(messages, llm.Message{Author: llm.Assistant, Text: resp.Text, Calls: resp.Calls})
		reply := llm.Message{Author: llm.User}
		for _, c := range resp.Calls {
			content, failed, ended := b.act(br, c)
			if failed {
				b.refused = append(b.refused, c)
			}
			if ended {
				return messages, true
			}
			reply.Results = append(reply.Results, llm.Result{CallID: c.ID, Name: c.Name, Content: content, IsError: failed})
		}
		if resp.Stop == llm.StopLength {
			reply.Text = "Your answer was cut off by the token limit. Go on in smaller pieces."
		} else if len(resp.Calls) == 0 {
			reply.Text = "You called no tool."
		}
		messages = append(messages, reply)
	}
	return messages, false
}

// complete makes one call and checks what holds for every answer.
func (b *bench) complete(m *demo.Model, req llm.Request) llm.Response {
	b.t.Helper()
	var streamed strings.Builder
	var resp llm.Response
	var err error
	for range 3 {
		streamed.Reset()
		resp, err = m.Complete(context.Background(), req, func(s string) { streamed.WriteString(s) })
		var refusal *llm.Error
		if !errors.As(err, &refusal) || !refusal.Temporary() {
			break
		}
	}
	if err != nil {
		b.t.Fatalf("complete %s: %v", req.Key, err)
	}
	if streamed.String() != resp.Text {
		b.t.Fatalf("%s: streamed %q, answered %q", req.Key, streamed.String(), resp.Text)
	}
	if req.MaxTokens > 0 && resp.Usage.Out > req.MaxTokens {
		b.t.Fatalf("%s: %d tokens, more than the limit of %d", req.Key, resp.Usage.Out, req.MaxTokens)
	}
	if (resp.Stop == llm.StopTool) != (len(resp.Calls) > 0) && resp.Stop != llm.StopLength {
		b.t.Fatalf("%s: stop %q with %d calls", req.Key, resp.Stop, len(resp.Calls))
	}
	if len(resp.Calls) > 6 {
		b.t.Fatalf("%s: %d calls in one turn", req.Key, len(resp.Calls))
	}
	return resp
}

// tidy does to calls what the platform does: ids of its own, and an input that
// is no JSON becomes a string.
func tidy(resp *llm.Response, turn int) {
	resp.Calls = slices.Clone(resp.Calls)
	for i := range resp.Calls {
		c := &resp.Calls[i]
		c.ID = fmt.Sprintf("t%d_c%d", turn, i+1)
		if !json.Valid(c.Input) {
			c.Input, _ = json.Marshal(string(c.Input))
		}
	}
}

// inputs lists what each tool needs and takes.
var inputs = map[string]struct{ need, take string }{
	"read_file": {"path", "path offset limit"}, "write_file": {"path content", "path content"}, "edit_file": {"path old new", "path old new"},
	"list_files": {"", "pattern"}, "search_files": {"query", "query pattern regexp"}, "run_command": {"command", "command"},
	"run_checks": {"", "types"}, "ask_human": {"question suggestion", "question options suggestion blocking"},
	"record_decision": {"title decision reason", "title decision reason"}, "raise_blocker": {"title detail severity", "title detail severity"},
	"note_risk": {"title detail likelihood impact", "title detail likelihood impact"}, "save_design": {"number title html rationale", "number title html rationale recommended"},
	"finish_task": {"summary", "summary"},
}

// act carries out one call.
func (b *bench) act(br brief, c llm.Call) (content string, failed, ended bool) {
	offered := slices.ContainsFunc(tools(br), func(t llm.Tool) bool { return t.Name == c.Name })
	var in map[string]any
	switch rule, known := inputs[c.Name]; {
	case !known || !offered:
		return "There is no tool " + c.Name, true, false
	case json.Unmarshal(c.Input, &in) != nil:
		return "The input is not one JSON object.", true, false
	default:
		for _, field := range strings.Fields(rule.need) {
			if _, ok := in[field]; !ok {
				return "The field " + field + " is missing.", true, false
			}
		}
		for field := range in {
			if !slices.Contains(strings.Fields(rule.take), field) {
				return "The field " + field + " is unknown.", true, false
			}
		}
	}
	if why := b.refuse(c); why != "" {
		return why, true, false
	}
	content, failed = b.tool(br, c.Name, in)
	return content, failed, c.Name == "finish_task" && !failed
}

func (b *bench) tool(br brief, name string, in map[string]any) (string, bool) {
	text := func(field string) string { s, _ := in[field].(string); return s }
	switch name {
	case "read_file":
		content, ok := b.files[text("path")]
		if !ok {
			return "There is no file " + text("path"), true
		}
		return content, false
	case "write_file":
		return b.write(br, text("path"), text("content"))
	case "edit_file":
		content := b.files[text("path")]
		if strings.Count(content, text("old")) != 1 || text("old") == text("new") {
			return "The old text does not occur exactly once.", true
		}
		return b.write(br, text("path"), strings.Replace(content, text("old"), text("new"), 1))
	case "save_design":
		return b.saveDesign(in)
	case "list_files":
		return strings.Join(b.paths(), "\n"), false
	case "search_files":
		return b.search(text("query"), text("pattern")), false
	case "run_command":
		return b.command(texts(in["command"]))
	case "run_checks":
		return b.checks(texts(in["types"])), false
	case "ask_human":
		b.asked = append(b.asked, text("question"))
		return b.answer(text("question")), false
	case "raise_blocker":
		b.blockers = append(b.blockers, text("title"))
	case "note_risk":
		b.risks = append(b.risks, text("title"))
	case "record_decision":
		b.decisions = append(b.decisions, text("title"))
	case "finish_task":
		b.finished = append(b.finished, text("summary"))
	}
	return "done", false
}

// texts reads a list of strings.
func texts(value any) []string {
	list, _ := value.([]any)
	var out []string
	for _, v := range list {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

func (b *bench) write(br brief, name, content string) (string, bool) {
	switch {
	case path.IsAbs(name) || strings.Contains("/"+name+"/", "/../"):
		return name + " leads out of the workspace", true
	case strings.HasPrefix(name, ".layercake/") && (name != ".layercake/checks.yaml" || br.role != "architect" || br.gate != "G3"):
		return name + " belongs to the platform", true
	}
	b.files[name] = content
	return "wrote " + name, false
}

func (b *bench) saveDesign(in map[string]any) (string, bool) {
	number := fmt.Sprint(in["number"])
	prefix := "designs/option-" + number + "-"
	for name := range b.files {
		if strings.HasPrefix(name, prefix) {
			delete(b.files, name)
		}
	}
	slug := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(fmt.Sprint(in["title"])), "-"), "-")
	b.files[prefix+slug+".html"] = fmt.Sprint(in["html"])
	return "saved " + prefix + slug + ".html", false
}

func (b *bench) search(query, pattern string) string {
	var hits []string
	for _, name := range b.paths() {
		if ext := path.Ext(pattern); ext != "" && path.Ext(name) != ext {
			continue
		}
		for i, line := range strings.Split(b.files[name], "\n") {
			if strings.Contains(line, query) {
				hits = append(hits, fmt.Sprintf("%s:%d: %s", name, i+1, strings.TrimSpace(line)))
			}
		}
	}
	if len(hits) == 0 {
		return "nothing found"
	}
	return strings.Join(hits, "\n")
}

// onDisk writes the workspace into a folder.
func (b *bench) onDisk() string {
	b.t.Helper()
	dir := b.t.TempDir()
	for name, content := range b.files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	return dir
}

// goTool runs the go command in a folder, without network.
func goTool(t testing.TB, dir string, args ...string) (output string, ok bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOTOOLCHAIN=local", "GOWORK=off")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err == nil
}

func newModel(t testing.TB, options demo.Options) *demo.Model {
	t.Helper()
	m, err := demo.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
