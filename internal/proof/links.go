package proof

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// withoutLinks makes the tree of the check one that holds regular files and
// nothing else: a copy, when there are symbolic links or special files in it.
// Every command of the check sees that tree, so that what is compiled, tested,
// measured and deployed is what was listed. It returns, for people, the left out
// entries that a clone of the repository would have compiled or loaded.
func (w *work) withoutLinks(ctx context.Context) ([]string, error) {
	odd := w.tree.odd
	if len(odd) == 0 {
		return nil, nil
	}
	var refused []string
	for _, name := range odd {
		w.log.say("left out: %s is a symbolic link or a special file", name)
		if w.tree.followed(name) {
			refused = append(refused, name+" is a symbolic link or a special file")
		}
	}
	dir := filepath.Join(w.tmp, "plain")
	if err := w.tree.copyTo(ctx, dir); err != nil {
		return nil, fmt.Errorf("copy product: %w", err)
	}
	plain, err := openTree(dir)
	if err != nil {
		return nil, err
	}
	w.tree.close()
	w.tree = plain
	return refused, nil
}

// harmlessLinks are the endings of what no compiler reads and Node does not
// load by itself.
var harmlessLinks = []string{".md", ".txt", ".html", ".css", ".svg", ".png", ".ico", ".yaml", ".yml", ".toml"}

// followed reports whether the go command or Node may follow an odd entry:
// all but links to files of a harmless ending, and the commands that npm links
// in node_modules/.bin, which only a shell would look for.
func (t *tree) followed(name string) bool {
	if path.Base(path.Dir(name)) == ".bin" && strings.Contains("/"+name, "/node_modules/.bin/") {
		return false
	}
	info, err := t.root.Stat(name)
	isFolder := err == nil && info.IsDir()
	return isFolder || !slices.Contains(harmlessLinks, path.Ext(name))
}

// unreadable names, for people, what could not be opened.
func unreadable(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Path + ": permission denied"
	}
	return "permission denied"
}
