package app

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/llm/demo"
	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/sandbox"
)

// Finding is one line of `layercake doctor`.
type Finding struct {
	Name   string
	OK     bool
	Needed bool // a run cannot finish without it
	Text   string
	Next   string
}

// Examine looks at what LayerCake needs on this machine.
func Examine(ctx context.Context, s Settings) []Finding {
	out := []Finding{examineData(s), examineGit()} //nolint:contextcheck // it bounds its own time: it must end also when the caller is gone
	out = append(out, examineSandbox(ctx, s)...)
	out = append(out, Finding{Name: "model", OK: true, Text: demo.Label + ": needs no key and no network"})
	return append(out, examineDatabase(ctx, s))
}

func examineData(s Settings) Finding {
	f := Finding{Name: "data", Needed: true, Text: s.Data}
	dir := s.Data
	for {
		if _, err := os.Stat(dir); err == nil || filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	var fs unix.Statfs_t
	if err := unix.Access(dir, unix.W_OK); err != nil {
		f.Text, f.Next = s.Data+" cannot be written", "Name another folder with --data or LAYERCAKE_DATA."
		return f
	}
	if err := unix.Statfs(dir, &fs); err == nil {
		free := fs.Bavail * uint64(fs.Bsize)
		f.Text = fmt.Sprintf("%s, %.1f GB free", s.Data, float64(free)/1e9)
		if free < 1<<30 {
			f.Next = "Free some space: a project with its compiler cache takes about 0.5 GB."
			return f
		}
	}
	f.OK = true
	return f
}

// goNeeded is the oldest Go that works; package repo knows the oldest git.
var goNeeded = [2]int{1, 26}

func examineGit() Finding {
	f := Finding{Name: "git", Needed: true}
	version, err := repo.GitVersion()
	if err != nil {
		f.Text = fault.Public(err) // it says what to do
		return f
	}
	f.OK, f.Text = true, version
	return f
}

var versionNumber = regexp.MustCompile(`(\d+)\.(\d+)`)

// older reports whether a version, as a program says it, is before the one that
// is needed, or is none.
func older(said string, needed [2]int) bool {
	found := versionNumber.FindStringSubmatch(said)
	if found == nil {
		return true
	}
	major, err1 := strconv.Atoi(found[1])
	minor, err2 := strconv.Atoi(found[2])
	return err1 != nil || err2 != nil || major < needed[0] || major == needed[0] && minor < needed[1]
}

func examineSandbox(ctx context.Context, s Settings) []Finding {
	box, err := sandbox.Open(ctx, sandbox.Config{Kind: s.Sandbox, Path: s.Path})
	if err == nil {
		err = box.Check()
	}
	if err != nil {
		f := Finding{Name: "sandbox", Needed: true, Text: fault.Public(err)}
		if s.Sandbox == sandbox.KindNone {
			f.Text, f.Next = "The variable SANDBOX is none: no check runs, and no gate turns green.", "Unset SANDBOX, or set it to bubblewrap."
		}
		return []Finding{f}
	}
	iso := box.Isolation()
	out := []Finding{{Name: "sandbox", OK: true, Needed: true, Text: strings.TrimSpace(iso.Kind+" "+iso.Version) + ": " + strings.Join(iso.Enforced, ", ")}}
	for _, n := range iso.NotEnforced {
		out = append(out, Finding{Name: "sandbox", Text: "not limited here: " + n})
	}
	return append(out, examineTool(ctx, box, "go", "version", "checks of Go products"), examineTool(ctx, box, "node", "--version", "checks of Node products"))
}

// examineTool asks a program for its version where checks run it: in the sandbox.
func examineTool(ctx context.Context, box *sandbox.Sandbox, name, ask, what string) Finding {
	f := Finding{Name: name, Needed: name == "go", Text: what + " are blocked"}
	tool, err := box.Tool(name)
	if err != nil {
		f.Next = fault.Public(err)
		return f
	}
	var said bytes.Buffer
	res, err := box.Run(ctx, sandbox.Spec{
		Argv: []string{name, ask}, Tools: []sandbox.Tool{tool}, Env: []string{"GOENV=off", "GOTOOLCHAIN=local", "GOTELEMETRY=off"},
		Stdout: &said, Stderr: &said, Limits: sandbox.Limits{Time: 30 * time.Second},
	})
	version, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
	switch {
	case err != nil:
		f.Next = fault.Public(err)
	case res.ExitCode != 0:
		f.Next = fmt.Sprintf("%s %s ends with exit code %d in the sandbox: %s", name, ask, res.ExitCode, version)
	case name == "go" && older(strings.TrimPrefix(version, "go version "), goNeeded):
		f.Text, f.Next = version+" is too old: "+f.Text, "Install Go 1.26 or newer from https://go.dev/dl."
	default:
		f.OK, f.Text = true, version+": "+what
	}
	return f
}

func examineDatabase(ctx context.Context, s Settings) Finding {
	f := Finding{Name: "database", OK: true, Needed: true, Text: "SQLite, in the data folder"}
	if s.DatabaseURL.Reveal() == "" {
		if _, err := os.Stat(filepath.Join(s.Data, "layercake.db")); err != nil {
			return f // made by the first run
		}
	}
	d, err := OpenDatabase(ctx, s)
	if err == nil {
		if s.DatabaseURL.Reveal() != "" {
			f.Text = "PostgreSQL"
		}
		err = d.Close()
	}
	if err != nil {
		f.OK, f.Text = false, fault.Public(err)
	}
	return f
}
