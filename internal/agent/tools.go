package agent

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/llm"
	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/sandbox"
)

//go:embed tool_*.md
var descriptions embed.FS

// Env is what a tool call may touch, and for whom it acts.
type Env struct {
	// Tree is the run's worktree, the only files there are.
	Tree *repo.Worktree
	// Sandbox runs commands.
	Sandbox *sandbox.Sandbox
	// Command is what every command of this run starts from: mounts, tools,
	// environment and limits. The workspace is added to it at Workspace.
	Command sandbox.Spec
	// Checks runs the named checks, or all that apply, on what the worktree
	// holds, and returns what people and models read.
	Checks func(ctx context.Context, types []string) (string, error)
	// Role and Gate are those of the run's task.
	Role, Gate string
	// RecipesOpen says that G3 is not decided, so that the architect may still
	// write .layercake/checks.yaml.
	RecipesOpen bool
}

// Workspace is where commands see the worktree.
const Workspace = "/workspace"

// Outcome is the answer to a tool call. Effect, when not nil, is to be written
// in the same transaction as the call's journal row. Err is set when the
// platform failed rather than the model: its text is for the log, and Content
// says only that the same call may be tried again.
type Outcome struct {
	Content string
	IsError bool
	Effect  Effect
	Err     error
}

// tool is one entry of the table below.
type tool struct {
	name   string
	role   string // the only role that has it; "" is everyone
	gate   string // the only gate at which it is there; "" is all
	except string // the role that does not have it
	schema schema
	call   func(ctx context.Context, env Env, input json.RawMessage) (Outcome, error)
}

// table lists every tool there is. None of them decides a gate.
var table = []tool{
	define("read_file", readFile),
	define("write_file", writeFile).not("reviewer"),
	define("edit_file", editFile).not("reviewer"),
	define("list_files", listFiles),
	define("search_files", searchFiles),
	define("run_command", runCommand).not("reviewer"),
	define("run_checks", runChecks),
	define("ask_human", askHuman),
	define("record_decision", recordDecision),
	define("raise_blocker", raiseBlocker),
	define("note_risk", noteRisk),
	define("save_design", saveDesign).only("ux-ui-designer", "G4"),
	define("finish_task", finishTask),
}

// define makes a tool of a function; the schema of its input is T's.
func define[T any](name string, do func(ctx context.Context, env Env, in T) (Outcome, error)) tool {
	s := schemaOf[T]()
	return tool{name: name, schema: s, call: func(ctx context.Context, env Env, input json.RawMessage) (Outcome, error) {
		var in T
		if err := s.decode(name, input, &in); err != nil {
			return Outcome{}, err
		}
		return do(ctx, env, in)
	}}
}

func (t tool) only(role, gate string) tool { t.role, t.gate = role, gate; return t }
func (t tool) not(role string) tool        { t.except = role; return t }

func (t tool) offered(role, gate string) bool {
	return (t.role == "" || t.role == role) && (t.gate == "" || t.gate == gate) && (t.except == "" || t.except != role)
}

// Tools returns the tools a role has at a gate, in a fixed order.
func Tools(role, gate string) []llm.Tool {
	var out []llm.Tool
	for _, t := range table {
		if t.offered(role, gate) {
			out = append(out, llm.Tool{Name: t.name, Description: describe(t.name), Schema: t.schema.text})
		}
	}
	return out
}

// describe returns the text of tool_<name>.md.
func describe(name string) string {
	text, err := descriptions.ReadFile("tool_" + name + ".md")
	if err != nil {
		panic(fmt.Sprintf("agent: description of %s: %v", name, err))
	}
	return strings.TrimSpace(string(text))
}

// Call carries out one tool call. It never panics on what a model sends, and
// what went wrong comes back as words the model can act on.
func Call(ctx context.Context, env Env, call llm.Call) Outcome {
	i := slices.IndexFunc(table, func(t tool) bool { return t.name == call.Name && t.offered(env.Role, env.Gate) })
	if i < 0 {
		var names []string
		for _, t := range Tools(env.Role, env.Gate) {
			names = append(names, t.Name)
		}
		return refused("There is no tool %q for %s at %s. The tools are: %s.", cutEnd(call.Name, 100), env.Role, env.Gate, strings.Join(names, ", "))
	}
	out, err := table[i].call(ctx, env, call.Input)
	if err == nil {
		return out
	}
	if ctx.Err() != nil || fault.KindOf(err) == fault.KindInternal {
		return Outcome{Content: fault.Public(err), IsError: true, Err: fmt.Errorf("call %s: %w", call.Name, errors.Join(err, ctx.Err()))}
	}
	return refused("%s", explain(err))
}

func refused(format string, args ...any) Outcome {
	return Outcome{Content: fmt.Sprintf(format, args...), IsError: true}
}

// explain is the public text of a fault with its details, one a line.
func explain(err error) string {
	text := fault.Public(err)
	if f, ok := fault.As(err); ok {
		for _, d := range f.Details {
			text += "\n- "
			if d.Field != "" {
				text += d.Field + ": "
			}
			text += d.Message
			if d.Next != "" {
				text += " " + d.Next
			}
		}
	}
	return text
}
