package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/repo"
)

// checkOut refuses, before anything is opened or made, an output folder that
// cannot be written or that holds what no run of LayerCake can have left there.
func checkOut(s app.Settings, out string) error {
	data, err := filepath.Abs(s.Data)
	if err != nil {
		return fault.Invalid("data.folder", "The data folder %s cannot be used. Name another one with --data.", s.Data).Because(err)
	}
	if data == out || strings.HasPrefix(data, strings.TrimSuffix(out, "/")+"/") {
		return fault.Invalid("out.data", "The output folder %s holds the data folder %s. Name another one with --out.", out, data)
	}
	entries, err := os.ReadDir(out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return writable(out, above(out))
	case err != nil:
		return unusable(out, err)
	case len(entries) == 0:
		return writable(out, out)
	}
	for _, e := range entries {
		if e.Name() == ".git" && app.HasDatabase(s) {
			return nil // it may be what this project left there: its repository knows
		}
	}
	if app.HasDatabase(s) && repo.Unfinished(out) {
		return nil // the same
	}
	return notEmpty(out)
}

// above is the nearest folder above dir that is there.
func above(dir string) string {
	for filepath.Dir(dir) != dir {
		dir = filepath.Dir(dir)
		if _, err := os.Stat(dir); err == nil {
			break
		}
	}
	return dir
}

func writable(out, dir string) error {
	if err := mayWrite(dir); err != nil {
		return unusable(out, err)
	}
	return nil
}

var errNoFolder = errors.New("it is no folder")

// mayWrite reports why nothing can be made in dir.
func mayWrite(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = errNoFolder
	}
	if err != nil {
		return err
	}
	return unix.Access(dir, unix.W_OK|unix.X_OK)
}

func unusable(out string, cause error) error {
	return fault.Invalid("out.unusable", "The output folder %s cannot be used: it is no folder, or may not be written. Name another one with --out.", out).Because(cause)
}

func notEmpty(out string) error {
	if repo.Unfinished(out) {
		return fault.Invalid("out.not_empty", "The output folder %s holds an export that was cut short. Run the command again that made it, which goes on with it, or name another folder with --out.", out)
	}
	return fault.Invalid("out.not_empty", "The output folder %s is not empty. Name another one with --out, or empty it.", out)
}

// checkExport refuses an output folder that something is in, unless it is what
// an earlier run of this very project left there and nobody has changed. What
// was cut short there is finished first, or taken back.
func (c *runCmd) checkExport(ctx context.Context, a *app.App, id string) error {
	entries, err := os.ReadDir(c.Out)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0:
		return nil
	case err != nil:
		return unusable(c.Out, err)
	case id == "":
		return notEmpty(c.Out)
	}
	r := a.Repos.Repo(id)
	if repo.Unfinished(c.Out) {
		if _, err := r.Settle(ctx, c.Out); err != nil {
			return err
		}
		return c.checkExport(ctx, a, id)
	}
	why, err := r.Touched(ctx, c.Out)
	if why != "" {
		return fault.Invalid("out.not_empty", "The output folder %s is not empty, and is left alone: %s. Move it away and run the same command again, or get the repository with `layercake export %s DIR`.", c.Out, why, id)
	}
	return err
}

// export puts the repository into the output folder, in place of what an
// earlier run left there.
func (c *runCmd) export(ctx context.Context, a *app.App, id, commit string) error {
	if err := c.checkExport(ctx, a, id); err != nil {
		return err
	}
	r := a.Repos.Repo(id)
	if entries, err := os.ReadDir(c.Out); err == nil && len(entries) > 0 {
		return r.ReplaceExport(ctx, c.Out, commit)
	}
	return r.ExportCommit(ctx, c.Out, commit)
}
