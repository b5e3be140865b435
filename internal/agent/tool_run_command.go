package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/sandbox"
)

// A command's time, and what a model gets to read of its output, in bytes.
const (
	commandTime   = 120 * time.Second
	commandOutput = 16 << 10
)

type runCommandInput struct {
	Command []string `json:"command" jsonschema:"minItems=1,maxItems=200" jsonschema_description:"The program and its arguments, one element each. There is no shell unless you name one: [\"sh\", \"-c\", \"…\"]."`
}

// runCommand says nothing of how long a command took: the same result must
// read the same, or nobody notices an agent that goes in circles.
func runCommand(ctx context.Context, env Env, in runCommandInput) (Outcome, error) {
	if err := env.Sandbox.Check(); err != nil {
		return Outcome{}, err
	}
	mounts, err := workspaceMounts(env.Tree.Dir())
	if err != nil {
		return Outcome{}, err
	}
	spec := env.Command
	spec.Argv, spec.Dir = in.Command, Workspace
	spec.Mounts = append(slices.Clone(spec.Mounts), mounts...)
	spec.Limits.Time = commandTime
	var output headTail
	spec.Stdout, spec.Stderr = &output, &output
	result, err := env.Sandbox.Run(ctx, spec)
	if err != nil {
		return Outcome{}, fmt.Errorf("run %s: %w", cutEnd(in.Command[0], 100), err)
	}
	return Outcome{
		Content: strings.TrimRight(ending(result)+"\n"+material(output.String()), "\n"),
		IsError: result.ExitCode != 0,
	}, nil
}

// workspaceMounts gives a command the worktree, with .layercake read-only on
// top of it. The folder is made when it is not there, or a command could make it.
func workspaceMounts(dir string) ([]sandbox.Mount, error) {
	own := filepath.Join(dir, platformFolder)
	if err := os.Mkdir(own, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make %s: %w", platformFolder, err)
	}
	if info, err := os.Lstat(own); err != nil || !info.IsDir() {
		return nil, fault.Invalid("agent.workspace", "%s in this workspace is not a folder, so no command can run. Raise a blocker.", platformFolder).Because(err)
	}
	return []sandbox.Mount{
		{Host: dir, Inside: Workspace, Writable: true},
		{Host: own, Inside: Workspace + "/" + platformFolder},
	}, nil
}

// ending is the first line of a command's result.
func ending(r sandbox.Result) string {
	switch {
	case r.TimedOut:
		return fmt.Sprintf("stopped after %s", commandTime)
	case r.OOM:
		return "stopped: it used more memory than it may"
	case r.OutputCut:
		return "stopped: it wrote more output than it may"
	default:
		return fmt.Sprintf("exit code %d", r.ExitCode)
	}
}

// headTail keeps the beginning and the end of what is written to it.
type headTail struct {
	mu         sync.Mutex
	head, tail []byte
	cut        int
}

// Write keeps p, or as much of it as matters.
func (h *headTail) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(p)
	if room := commandOutput/2 - len(h.head); room > 0 {
		take := min(room, len(p))
		h.head = append(h.head, p[:take]...)
		p = p[take:]
	}
	h.tail = append(h.tail, p...)
	if over := len(h.tail) - commandOutput/2; over > 0 {
		h.tail = slices.Delete(h.tail, 0, over)
		h.cut += over
	}
	return n, nil
}

// String returns what was kept and how much was not.
func (h *headTail) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cut == 0 {
		return string(h.head) + string(h.tail)
	}
	return fmt.Sprintf("%s\n… (%d bytes left out)\n%s", h.head, h.cut, h.tail)
}
