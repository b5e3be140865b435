package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/repo"
)

type exportCmd struct {
	Project string `arg:"" help:"Name (or its beginning) or id of a project."`
	Path    string `arg:"" help:"Where it goes: a folder that is empty or absent, or a file that is absent. Folders above it are made." type:"path"`
	As      string `help:"folder, zip or bundle (a file that git clone reads). When left out the ending of PATH says: .zip, .bundle, else a folder." placeholder:"KIND"`
	Data    string `help:"Folder that holds everything LayerCake keeps." placeholder:"DIR"`
}

// Run exports the repository of a project as it is now.
func (c *exportCmd) Run(e *env) error {
	if c.Data != "" {
		e.settings.Data = c.Data
	}
	if err := c.check(); err != nil {
		return err
	}
	if !app.HasDatabase(e.settings) {
		return noDatabase(e.settings)
	}
	a, err := app.Open(e.ctx, e.settings, e.log)
	if err != nil {
		return err
	}
	return errors.Join(c.export(e, a), a.Close())
}

// check settles the kind, and refuses to write over anything.
func (c *exportCmd) check() error {
	switch ending := filepath.Ext(c.Path); {
	case c.As == "" && (ending == ".zip" || ending == ".bundle"):
		c.As = ending[1:]
	case c.As == "":
		c.As = "folder"
	}
	_, err := os.Lstat(c.Path)
	absent := errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
	switch c.As {
	case "folder":
		if entries, err := os.ReadDir(c.Path); !absent && (err != nil || len(entries) > 0) && !repo.Unfinished(c.Path) {
			return fault.Invalid("export.exists", "%s is no empty folder, and nothing is written over. Name another one.", c.Path)
		}
	case "zip", "bundle":
		if !absent {
			return fault.Invalid("export.exists", "%s is there already, and nothing is written over. Name another file.", c.Path)
		}
	default:
		return fault.Invalid("export.kind", "--as %q is unknown. Use folder, zip or bundle.", c.As)
	}
	dir := above(c.Path)
	if c.As == "folder" && !absent {
		dir = c.Path
	}
	if err := mayWrite(dir); err != nil {
		return c.unusable(dir, err)
	}
	return nil
}

func (c *exportCmd) unusable(dir string, cause error) error {
	return fault.Invalid("export.unusable", "Nothing can be written to %s: %s is no folder, or may not be written. Name another path, or give yourself the permission.", c.Path, dir).Because(cause)
}

func (c *exportCmd) export(e *env, a *app.App) error {
	all, err := projects(e.ctx, a)
	if err != nil {
		return err
	}
	p, err := pickProject(a.Settings.Data, all, c.Project)
	if err != nil {
		return err
	}
	commit, err := a.Flow.Export(e.ctx, p.ID)
	if err != nil {
		return err
	}
	if err := c.write(e.ctx, a.Repos.Repo(p.ID), commit); err != nil {
		return err
	}
	fmt.Fprintf(e.term.Out, "%s is exported as %s to %s\n", oneLine(p.Name), c.As, c.Path)
	return nil
}

func (c *exportCmd) write(ctx context.Context, r *repo.Repo, commit string) error {
	switch c.As {
	case "folder":
		return r.ExportCommit(ctx, c.Path, commit)
	case "bundle":
		return r.ExportBundle(ctx, c.Path, commit)
	}
	dir := filepath.Dir(c.Path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return c.unusable(dir, err)
	}
	f, err := os.OpenFile(c.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) // a person's own file, for others to read
	if err != nil {
		return c.unusable(dir, err)
	}
	if err := errors.Join(r.ExportZip(ctx, f, commit), f.Close()); err != nil {
		return errors.Join(err, os.Remove(c.Path)) // half of a zip is none
	}
	return nil
}
