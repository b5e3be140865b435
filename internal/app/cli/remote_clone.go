package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/layercake-app/layercake/internal/api"
	"github.com/layercake-app/layercake/internal/app/client"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/repo"
)

type cloneCmd struct {
	jsonFlag

	Project string `arg:"" help:"Name or id of a project, or the beginning of one."`
	Dir     string `arg:"" optional:"" help:"The folder for it, empty or absent; one named like the project when left out." type:"path"`
}

// Run makes a working copy of a project's repository.
func (c *cloneCmd) Run(e *env) error {
	e.json = c.JSON
	if c.Dir != "" {
		if err := c.free(); err != nil {
			return err // before anything is asked
		}
	}
	remote, err := e.remote()
	if err != nil {
		return err
	}
	defer remote.Close()
	p, err := findProject(e.ctx, remote, c.Project)
	if err != nil {
		return err
	}
	if c.Dir == "" {
		if c.Dir, err = filepath.Abs(folderName(p)); err != nil {
			return fault.Unavailable("clone.folder", "The present folder is gone. Change to another one, or name DIR.").Because(err)
		}
		if err := c.free(); err != nil {
			return err
		}
	}
	if err := c.clone(e.ctx, remote, p); err != nil {
		return err
	}
	if c.JSON {
		e.emit(struct {
			Project string `json:"project"`
			Name    string `json:"name"`
			Folder  string `json:"folder"`
		}{p.ID, p.Name, c.Dir})
		return nil
	}
	e.say("%s is cloned to %s. Check its evidence with: layercake verify %s", oneLine(p.Name), c.Dir, quoted(c.Dir))
	return nil
}

// free refuses a folder that something is in, or that cannot be written.
func (c *cloneCmd) free() error {
	return (&exportCmd{Path: c.Dir, As: "folder"}).check()
}

// clone fetches the repository as one file beside everything, and makes the folder
// of it when all of it is there.
func (c *cloneCmd) clone(ctx context.Context, remote *client.Client, p api.ProjectRow) (err error) {
	f, err := os.CreateTemp("", "layercake-clone-*.bundle")
	if err != nil {
		return fault.Unavailable("clone.temp", "The repository cannot be fetched to %s, the folder for temporary files. Name another one in the variable TMPDIR.", os.TempDir()).Because(err)
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	if err := errors.Join(remote.Bundle(ctx, p.ID, f), f.Close()); err != nil {
		return repo.Full(err)
	}
	err = repo.CloneBundle(ctx, f.Name(), c.Dir)
	if fault.KindOf(err) == fault.KindInvalid { // it is not the words of the command that are wrong
		return fault.Unavailable("clone.damaged", "What %s sent is no repository that can be used: %s", remote.Address, fault.Public(err)).Because(err)
	}
	return err
}

// folderName is the name of a project as a folder has it.
func folderName(p api.ProjectRow) string {
	name := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return '-'
	}, p.Name)
	for strings.Contains(name, "--") {
		name = strings.ReplaceAll(name, "--", "-")
	}
	if name = strings.Trim(name, "-"); name == "" {
		return shortID(p.ID)
	}
	return name
}
