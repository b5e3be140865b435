package repo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/layercake-app/layercake/internal/fault"
)

// CloneBundle makes dest an ordinary git repository of the bundle at path, as
// ExportFolder does of a project: the branch main checked out, all tags, no
// remote. The bundle may come from anywhere: every object is read and checked
// before anything is put in its place, and nothing in it makes git run a
// program. dest must be empty or absent, and holds either all or nothing
// afterwards. What is no bundle with a branch main, or is damaged, is a fault of
// kind invalid.
func CloneBundle(ctx context.Context, path, dest string) (err error) {
	if path, err = filepath.Abs(path); err != nil {
		return fmt.Errorf("clone bundle: %w", err)
	}
	temp, err := os.MkdirTemp("", "layercake-clone-")
	if err != nil {
		return Full(fmt.Errorf("clone bundle: %w", err))
	}
	defer func() { err = errors.Join(err, RemoveTree(temp)) }()
	g, err := findGit() //nolint:contextcheck // it bounds its own time
	if err != nil {
		return err
	}
	if _, err := g.run(ctx, temp, call{args: []string{"init", "--quiet", "--bare", "--template=", "--initial-branch=main"}}); err != nil {
		return fmt.Errorf("clone bundle: %w", err)
	}
	r, err := InspectBare(temp) //nolint:contextcheck // the same
	if err != nil {
		return err
	}
	refs, err := r.run(ctx, call{args: []string{"bundle", "unbundle", path}, limit: 16 << 20})
	if exitCode(err) > 0 {
		return damaged(err, cut(err.Error(), 300))
	}
	if err != nil {
		return fmt.Errorf("clone bundle: %w", err)
	}
	create, err := unbundled(string(refs))
	if err != nil {
		return err
	}
	_, err = r.run(ctx, call{args: []string{"update-ref", "--stdin"}, stdin: strings.NewReader(create)})
	if exitCode(err) > 0 {
		return damaged(err, cut(err.Error(), 300))
	}
	if err == nil {
		err = r.Check(ctx)
	}
	if err == nil {
		err = r.plainPaths(ctx)
	}
	if err != nil {
		return err
	}
	return r.ExportFolder(ctx, dest)
}

// plainPaths refuses a branch main with a path that no project of ours has.
func (r *Repo) plainPaths(ctx context.Context) error {
	head, err := r.mainCommit(ctx)
	if err != nil {
		return err
	}
	files, err := r.files(ctx, head)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := CheckPath(f.Path); err != nil {
			return err
		}
	}
	return nil
}

// unbundled makes the commands that create main and the tags of what a bundle
// lists: a line with an object and a name for each reference.
func unbundled(refs string) (create string, err error) {
	main := false
	for line := range strings.Lines(refs) {
		id, ref, _ := strings.Cut(strings.TrimSpace(line), " ")
		if ref != MainRef && !strings.HasPrefix(ref, "refs/tags/") {
			continue // HEAD, and what is nothing to a project
		}
		if !validID(id) || strings.ContainsAny(ref, " \t") {
			return "", damaged(nil, fmt.Sprintf("it has the reference %q", cut(line, 120)))
		}
		main = main || ref == MainRef
		create += "create " + ref + " " + id + "\n"
	}
	if !main {
		return "", fault.Invalid("repo.no_main", "The bundle has no branch main, so there is nothing to check out. Export the project again.")
	}
	return create, nil
}
