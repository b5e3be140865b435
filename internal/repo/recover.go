package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// attributes outrank every .gitattributes: none of those git knows is set.
const attributes = `# Written by LayerCake.
* !text !eol !crlf !binary !ident !filter !working-tree-encoding !encoding !diff !merge !conflict-marker-size !whitespace !export-ignore !export-subst !delta
`

// recover clears what a process left that died here: locks, half-written
// objects and references, temporary folders. The caller owns the root, so
// nobody is at work in the repository. It also puts our own settings in place.
func (r *Repo) recover() error {
	info := filepath.Join(r.gitDir, "info")
	if err := writeDurably(filepath.Join(info, "attributes"), attributes); err != nil {
		return err
	}
	if err := writeDurably(filepath.Join(info, "exclude"), excludes); err != nil {
		return err
	}
	leftovers, err := os.ReadDir(r.tempRoot())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clear temporary files: %w", err)
	}
	for _, e := range leftovers {
		if err := RemoveTree(filepath.Join(r.tempRoot(), e.Name())); err != nil {
			return err
		}
	}
	for _, dir := range []string{r.tempRoot(), r.treeRoot()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make folder of repository: %w", err)
		}
	}
	err = filepath.WalkDir(r.gitDir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a git that outlived its LayerCake ends, and takes its file along
		}
		if err != nil || !isLeftover(r.gitDir, path, d) {
			return err
		}
		if d.IsDir() {
			if err := RemoveTree(path); err != nil {
				return err
			}
			return fs.SkipDir
		}
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("clear leftovers of git: %w", err)
	}
	return nil
}

func isLeftover(gitDir, path string, d fs.DirEntry) bool {
	if strings.HasSuffix(path, ".lock") {
		return !d.IsDir() // no reference may have such a name
	}
	rel := strings.TrimPrefix(path, gitDir+string(filepath.Separator))
	area, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
	return area != "refs" && strings.HasPrefix(d.Name(), "tmp_")
}
