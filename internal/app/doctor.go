package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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
	out := []Finding{examineData(s), examineGit(s)} //nolint:contextcheck // it bounds its own time: it must end also when the caller is gone
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

func examineGit(s Settings) Finding {
	f := Finding{Name: "git", Needed: true, OK: true, Text: "2.39 or newer"}
	dir, err := os.MkdirTemp("", "layercake-doctor-")
	if err == nil {
		var store *repo.Store
		if store, err = repo.Open(dir); err == nil {
			err = store.Close()
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		f.OK, f.Text, f.Next = false, fault.Public(err), ""
	}
	return f
}

func examineSandbox(ctx context.Context, s Settings) []Finding {
	box, err := sandbox.Open(ctx, sandbox.Config{Kind: s.Sandbox, Path: s.Path})
	if err != nil {
		return []Finding{{Name: "sandbox", Needed: true, Text: fault.Public(err)}}
	}
	if err := box.Check(); err != nil {
		return []Finding{{Name: "sandbox", Needed: true, Text: fault.Public(err)}}
	}
	iso := box.Isolation()
	out := []Finding{{Name: "sandbox", OK: true, Needed: true, Text: strings.TrimSpace(iso.Kind+" "+iso.Version) + ": " + strings.Join(iso.Enforced, ", ")}}
	for _, n := range iso.NotEnforced {
		out = append(out, Finding{Name: "sandbox", Text: "not limited here: " + n})
	}
	for _, t := range []struct {
		name   string
		needed bool
		what   string
	}{{"go", true, "checks of Go products"}, {"node", false, "checks of Node products"}} {
		f := Finding{Name: t.name, Needed: t.needed, OK: true, Text: t.what}
		if _, err := box.Tool(t.name); err != nil {
			f.OK, f.Text, f.Next = false, t.what+" are blocked", fault.Public(err)
		}
		out = append(out, f)
	}
	return out
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
