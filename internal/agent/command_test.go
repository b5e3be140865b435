package agent

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/llm"
	"github.com/layercake-app/layercake/internal/sandbox"
)

func TestRunCommand(t *testing.T) {
	t.Parallel()
	env := newEnv(t, "backend-developer", "G5", nil)
	needSandbox(t, env)
	env.Command.Env = []string{"GREETING=hello"}
	for _, c := range []struct {
		command []string
		want    string
		fails   bool
	}{
		{[]string{"cat", "README.md"}, "exit code 0\n# Plants", false},
		{[]string{"sh", "-c", "pwd; echo $GREETING; echo oops >&2"}, "exit code 0\n/workspace\nhello\noops", false},
		{[]string{"echo", "a b", "$(id)", "; ls"}, "exit code 0\na b $(id) ; ls", false},
		{[]string{"sh", "-c", "exit 3"}, "exit code 3", true},
		{[]string{"true"}, "exit code 0", false},
		{[]string{"printf", `\033[31m<task>\000x`}, "exit code 0\n[31m&lt;task>x", false},
	} {
		out := call(t, env, "run_command", in{"command": c.command})
		if out.Content != c.want || out.IsError != c.fails {
			t.Errorf("%q: %q (error %t), want %q", c.command, out.Content, out.IsError, c.want)
		}
	}
	mustCall(t, env, "run_command", in{"command": []string{"sh", "-c", "mkdir made && echo x > made/file"}})
	if got := file(t, env, "made/file"); got != "x\n" {
		t.Errorf("a written file holds %q", got)
	}
	if out := call(t, env, "run_command", in{"command": []string{"no-such-program"}}); !out.IsError {
		t.Errorf("a missing program: %q", out.Content)
	}
	if out := call(t, env, "run_command", in{"command": []string{"sh", "-c", "a\x00b"}}); !out.IsError {
		t.Errorf("a NUL in an argument: %q", out.Content)
	}
}

// What a command prints is cut in its middle, so that a model reads how it
// began and how it ended.
func TestRunCommandOutputIsBounded(t *testing.T) {
	t.Parallel()
	env := newEnv(t, "backend-developer", "G5", nil)
	needSandbox(t, env)
	got := mustCall(t, env, "run_command", in{"command": []string{"sh", "-c", "seq 1 100000"}})
	if len(got) > commandOutput+200 || !strings.HasPrefix(got, "exit code 0\n1\n2\n3\n") || !strings.HasSuffix(got, "\n99999\n100000") || !strings.Contains(got, "bytes left out") {
		t.Errorf("%d bytes: %q … %q", len(got), got[:20], got[len(got)-20:])
	}
	if again := mustCall(t, env, "run_command", in{"command": []string{"sh", "-c", "seq 1 100000"}}); again != got {
		t.Error("the same command with the same result reads differently")
	}
}

// A command sees neither the network, the server's environment and files, nor
// the platform's folder as something to write.
func TestRunCommandIsIsolated(t *testing.T) {
	t.Setenv("LAYERCAKE_TEST_SECRET", secret)
	env := newEnv(t, "backend-developer", "G5", map[string]string{".layercake/checks.yaml": "version: 1\n"})
	needSandbox(t, env)
	planted, unchanged := outsideOf(t, env)
	script := `env; cat "$1" /proc/1/environ; ls "$(dirname "$1")"; echo forged > .layercake/checks.yaml; echo forged > .layercake/proof.json
		mv .layercake away; rm -rf .layercake; cat /sys/class/net/*/address; (exec 3<>/dev/tcp/127.0.0.1/5432) && echo connected; true`
	out := call(t, env, "run_command", in{"command": []string{"bash", "-c", script, "bash", planted}})
	if strings.Contains(out.Content, secret) || strings.Contains(out.Content, "connected") {
		t.Errorf("a command saw what it must not:\n%s", out.Content)
	}
	entries, err := os.ReadDir(filepath.Join(env.Tree.Dir(), ".layercake"))
	if err != nil || len(entries) != 1 || file(t, env, ".layercake/checks.yaml") != "version: 1\n" {
		t.Errorf("the platform's folder was changed: %v %v", entries, err)
	}
	unchanged()
	fresh := newEnv(t, "backend-developer", "G5", nil)
	if out := call(t, fresh, "run_command", in{"command": []string{"sh", "-c", "mkdir -p .layercake/evidence"}}); !out.IsError {
		t.Errorf("a command made a platform folder: %q", out.Content)
	}
	if err := os.RemoveAll(filepath.Join(fresh.Tree.Dir(), ".layercake")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/", filepath.Join(fresh.Tree.Dir(), ".layercake")); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, fresh, "run_command", in{"command": []string{"ls"}}, "not a folder")
}

func TestRunCommandWithoutASandbox(t *testing.T) {
	t.Parallel()
	env := newEnv(t, "backend-developer", "G5", nil)
	none, err := sandbox.Open(t.Context(), sandbox.Config{Kind: sandbox.KindNone})
	if err != nil {
		t.Fatal(err)
	}
	env.Sandbox = none
	mustRefuse(t, env, "run_command", in{"command": []string{"ls"}}, "sandbox")
}

func TestCancelledCallIsNotAnAnswer(t *testing.T) {
	t.Parallel()
	env := newEnv(t, "backend-developer", "G5", nil)
	needSandbox(t, env)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := Call(ctx, env, llm.Call{Name: "run_command", Input: json.RawMessage(`{"command":["sleep","60"]}`)})
	if out.Err == nil {
		t.Errorf("a cancelled call came back as %q", out.Content)
	}
}

func TestEnding(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]sandbox.Result{
		"exit code 0":            {},
		"exit code 137":          {ExitCode: 137},
		"stopped after 2m0s":     {ExitCode: 137, TimedOut: true},
		"used more memory":       {ExitCode: 137, OOM: true},
		"wrote more output than": {ExitCode: 137, OutputCut: true},
	} {
		if got := ending(r); !strings.Contains(got, want) {
			t.Errorf("%+v: %q, want %q", r, got, want)
		}
	}
}
