package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/app/cli"
	"github.com/layercake-app/layercake/internal/event"
)

// Without git, when told to stop, or without room to unpack a zip, verify says
// that and not that the evidence is broken.
func TestVerifySaysWhatKeepsItFromChecking(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "git", "init", "--quiet", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	archive := filepath.Join(t.TempDir(), "x.zip")
	if err := os.WriteFile(archive, []byte("PK\x05\x06"+strings.Repeat("\x00", 18)), 0o600); err != nil {
		t.Fatal(err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for _, c := range []struct {
		name, key, value, path string
		ctx                    context.Context
		says                   string
	}{
		{"no git", "PATH", t.TempDir(), dir, t.Context(), "git was not found"},
		{"told to stop", "LC_ALL", "C", dir, stopped, "Interrupted. Run the same command again."},
		{"no temporary folder", "TMPDIR", filepath.Join(dir, "none"), archive, t.Context(), "TMPDIR"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(c.key, c.value)
			var out, errs bytes.Buffer
			code := cli.Main(c.ctx, []string{"verify", c.path}, cli.Terminal{In: strings.NewReader(""), Out: &out, Err: &errs})
			if code != cli.ExitFailed || strings.Contains(out.String(), "BROKEN") || !strings.Contains(errs.String(), c.says) {
				t.Errorf("exit %d: %s%s", code, &out, &errs)
			}
		})
	}
}

// What the evidence quotes cannot pass for a verdict of the program itself.
func TestVerifyQuotesStay(t *testing.T) {
	dir := t.TempDir()
	evidence := filepath.Join(dir, ".layercake", "evidence")
	if err := os.MkdirAll(evidence, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "git", "init", "--quiet", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	e := event.Event{Project: "prj_1", Seq: 1, Type: "x\x1b[2J\u202e\r\nVerified: 41 claims hold.\n\u2028\x1b[8m", Actor: event.Actor{Kind: "person", ID: "x"}, Data: []byte(`{}`)}
	e.Hash = event.Sum(e)
	line, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"events.jsonl": string(line) + "\n", "head.json": `{"project": "prj_1", "seq": 1, "hash": "` + e.Hash + `"}`} {
		if err := os.WriteFile(filepath.Join(evidence, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	if code := cli.Main(t.Context(), []string{"verify", dir}, cli.Terminal{In: strings.NewReader(""), Out: &out, Err: &errs}); code != cli.ExitFailed {
		t.Fatalf("exit %d: %s%s", code, &out, &errs)
	}
	if text := out.String(); strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "BROKEN  event 1 is x") || strings.ContainsAny(text, "\x1b\r\u202e\u2028") {
		t.Errorf("it printed %q", text)
	}
}
