package repo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"

	"github.com/layercake-app/layercake/internal/fault"
)

// Worktree is a folder with the files of a commit in which an agent works. It
// holds no .git; what is in it is material, and nothing it holds runs or is
// believed here. Its methods exclude each other.
type Worktree struct {
	repo *Repo
	name string
	dir  string

	mu     sync.Mutex
	synced bool // the folder was brought to commit by this process
	commit string
	files  []File // of commit
	known  map[string]known
}

// Worktree returns the worktree name at commit: it is made, or an existing one
// is reset to exactly that commit. With commit "" it is empty.
func (r *Repo) Worktree(ctx context.Context, name, commit string) (*Worktree, error) {
	w, err := r.worktree(name)
	if err != nil {
		return nil, err
	}
	return w, w.Reset(ctx, commit)
}

func (r *Repo) worktree(name string) (*Worktree, error) {
	if !validName.MatchString(name) {
		return nil, fault.Invalid("repo.name", "%q cannot name a worktree: use letters, digits, - and _, at most 128.", cut(name, 80))
	}
	if err := r.ready(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	w, ok := r.worktrees[name]
	if !ok {
		w = &Worktree{repo: r, name: name, dir: filepath.Join(r.treeRoot(), name)}
		r.worktrees[name] = w
	}
	return w, nil
}

// RemoveWorktree removes the worktree name, also one left by an earlier
// process; none of that name is fine.
func (r *Repo) RemoveWorktree(ctx context.Context, name string) error {
	w, err := r.worktree(name)
	if err != nil {
		return err
	}
	return w.Remove(ctx)
}

// TreeName is a worktree by project and name.
type TreeName struct{ Project, Name string }

// Worktrees lists the worktrees of all projects, also those left by an earlier
// process.
func (s *Store) Worktrees() ([]TreeName, error) {
	projects, err := os.ReadDir(s.root)
	if err != nil {
		return nil, fmt.Errorf("list repositories: %w", err)
	}
	var out []TreeName
	for _, p := range projects {
		if !validName.MatchString(p.Name()) {
			continue
		}
		trees, err := os.ReadDir(s.Repo(p.Name()).treeRoot())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("list worktrees of %s: %w", p.Name(), err)
		}
		for _, tree := range trees {
			if validName.MatchString(tree.Name()) {
				out = append(out, TreeName{Project: p.Name(), Name: tree.Name()})
			}
		}
	}
	return out, nil
}

// Dir returns the absolute path of the folder.
func (w *Worktree) Dir() string { return w.dir }

// Remove removes the folder and ends the use of w.
func (w *Worktree) Remove(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.repo.mu.Lock()
	if w.repo.worktrees[w.name] == w {
		delete(w.repo.worktrees, w.name)
	}
	w.repo.mu.Unlock()
	w.synced, w.known = false, nil
	return RemoveTree(w.dir)
}

// Reset brings the folder to exactly commit: changed files are restored, all
// else is removed, ignored files too. Files that did not change are left alone.
func (w *Worktree) Reset(ctx context.Context, commit string) error {
	files, err := w.repo.filesOrNone(ctx, commit)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.synced {
		w.known = nil // after a crash every file is read
	}
	w.synced = false
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		return fmt.Errorf("make worktree: %w", err)
	}
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		return fmt.Errorf("open worktree: %w", err)
	}
	err = errors.Join(root.Chmod(".", 0o755), w.reset(ctx, root, files))
	if err := errors.Join(err, root.Close()); err != nil {
		return fmt.Errorf("reset worktree %s: %w", w.name, err)
	}
	w.synced, w.commit, w.files = true, commit, files
	return nil
}

func (w *Worktree) reset(ctx context.Context, root *os.Root, files []File) error {
	kept := map[string]known{}
	if err := w.prune(root, "", files, kept); err != nil {
		return err
	}
	w.known = kept
	var missing []File
	for _, f := range files {
		if _, ok := kept[f.Path]; !ok {
			missing = append(missing, f)
		}
	}
	return w.repo.writeFiles(ctx, root, missing)
}

// prune removes all below root that is not as files say, and notes what stays.
func (w *Worktree) prune(root *os.Root, above string, files []File, kept map[string]known) error {
	names, err := readNames(root)
	if err != nil {
		return err
	}
	for _, name := range names {
		info, err := root.Lstat(name)
		if err != nil {
			return err
		}
		path := above + name
		if info.IsDir() && hasFolder(files, path) {
			err = w.pruneFolder(root, name, path, info, files, kept)
		} else if k, same := w.unchanged(root, name, path, info, files); same {
			kept[path] = k
		} else {
			err = forceRemove(root, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *Worktree) pruneFolder(root *os.Root, name, path string, info fs.FileInfo, files []File, kept map[string]known) error {
	if info.Mode()&^fs.ModeDir != 0o755 {
		if err := root.Chmod(name, 0o755); err != nil {
			return err
		}
	}
	sub, err := root.OpenRoot(name)
	if err != nil {
		return err
	}
	err = w.prune(sub, path+"/", files, kept)
	return errors.Join(err, sub.Close())
}

// unchanged says whether what stands at path is the file of that path in files.
func (w *Worktree) unchanged(root *os.Root, name, path string, info fs.FileInfo, files []File) (known, bool) {
	f, ok := find(files, path)
	if !ok || modeOf(info) != f.Mode {
		return known{}, false
	}
	if f.Mode == ModeLink {
		target, err := root.Readlink(name)
		return known{}, err == nil && objectID("blob", []byte(target)) == f.Blob
	}
	perm := info.Mode() &^ fs.ModeType
	if info.Size() != f.Size || perm&^0o777 != 0 || perm&0o600 != 0o600 {
		return known{}, false
	}
	k, err := w.identify(root, name, path, info)
	return k, err == nil && k.blob == f.Blob
}

// Commit commits all changes in the folder on the worktree's commit, which it
// then moves to the new one, and returns the changed paths. With no changes,
// and no spec.Parents to record, no commit is made and the present one returned.
// What cannot be committed is a fault that names each path: nested
// repositories, links out of the tree, special files, hostile names, files
// over the limits, and protected paths that spec.Allow does not name.
//
// Files that .gitignore names are left out, as git does it: those already
// committed stay. node_modules/ is left out unless .gitignore says otherwise.
func (w *Worktree) Commit(ctx context.Context, spec CommitSpec) (string, []string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.synced:
		return "", nil, fmt.Errorf("commit worktree %s: it was removed, or its reset failed", w.name)
	case len(spec.Put) > 0 || len(spec.Delete) > 0:
		return "", nil, fmt.Errorf("commit worktree %s: Put and Delete are for Repo.Commit", w.name)
	case spec.Parent != "" && spec.Parent != w.commit:
		return "", nil, fault.Conflict("repo.worktree_moved", "The workspace is not at the commit %s any more. Reset it and do the change again.", cut(spec.Parent, 40))
	}
	found, err := w.scan(ctx, true)
	if err != nil {
		return "", nil, err
	}
	w.known = found.known
	changes := diffFiles(w.files, found.files)
	if len(changes) == 0 && len(spec.Parents) == 0 {
		return w.commit, nil, nil
	}
	if err := checkChange(w.files, found.files, spec.Allow); err != nil {
		return "", nil, err
	}
	blobs, changed, err := w.changedBlobs(changes, found)
	if err != nil {
		return "", nil, err
	}
	var parents []string
	if w.commit != "" {
		parents = []string{w.commit}
	}
	commit, err := w.repo.record(ctx, w.files, found.files, blobs, parents, spec)
	if err != nil {
		return "", nil, fmt.Errorf("commit worktree %s: %w", w.name, err)
	}
	w.commit, w.files = commit, found.files
	return commit, changed, nil
}

func (w *Worktree) changedBlobs(changes []change, found *scan) ([]object, []string, error) {
	var blobs []object
	var changed []string
	total := int64(0)
	for _, c := range changes {
		changed = append(changed, c.path)
		if c.new.Path == "" || c.new.Blob == c.old.Blob {
			continue
		}
		if total += c.new.Size; total > MaxCommitted {
			return nil, nil, changeTooLarge()
		}
		if target, ok := found.links[c.path]; ok {
			blobs = append(blobs, newObject("blob", []byte(target)))
			continue
		}
		blobs = append(blobs, object{id: c.new.Blob, kind: "blob", load: func() ([]byte, error) {
			return w.ReadFile(c.path)
		}})
	}
	return blobs, changed, nil
}

// List returns the paths of the files in the folder, sorted, without those
// that .gitignore leaves out.
func (w *Worktree) List(ctx context.Context) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found, err := w.scan(ctx, false)
	if err != nil {
		return nil, err
	}
	paths := make([]string, len(found.files))
	for i, f := range found.files {
		paths[i] = f.Path
	}
	return paths, nil
}

// ReadFile returns the content of a file of at most MaxFileSize bytes. Links
// are followed within the folder only.
func (w *Worktree) ReadFile(path string) ([]byte, error) {
	f, err := OpenIn(w.dir, path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(data) > MaxFileSize {
		return nil, tooLarge(path)
	}
	return data, nil
}

// WriteFile replaces a file atomically, keeps its executable bit, and makes
// the folders it needs. A link in its place is replaced, not followed.
func (w *Worktree) WriteFile(name string, data []byte) error {
	if err := CheckPath(name); err != nil {
		return err
	}
	if len(data) > MaxFileSize {
		return tooLarge(name)
	}
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		return fmt.Errorf("open worktree: %w", err)
	}
	err = replaceFile(root, name, data)
	if err != nil {
		err = openError(name, err)
	}
	return errors.Join(err, root.Close())
}

func replaceFile(root *os.Root, name string, data []byte) error {
	dir := path.Dir(name)
	if err := root.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	perm := fs.FileMode(0o644)
	if info, err := root.Lstat(name); err == nil {
		if info.IsDir() {
			return fmt.Errorf("replace: %w", fs.ErrExist)
		}
		if modeOf(info) == ModeExecutable {
			perm = 0o755
		}
	}
	temp := path.Join(dir, ".layercake-"+rand.Text())
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	return nil
}

// RemoveFile removes a file or a link, and the folders that are empty then.
func (w *Worktree) RemoveFile(name string) error {
	if err := CheckPath(name); err != nil {
		return err
	}
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		return fmt.Errorf("open worktree: %w", err)
	}
	return errors.Join(removeFile(root, name), root.Close())
}

func removeFile(root *os.Root, name string) error {
	info, err := root.Lstat(name)
	if err != nil {
		return openError(name, err)
	}
	if info.IsDir() {
		return notRegular(name, info.Mode())
	}
	if err := root.Remove(name); err != nil {
		return openError(name, err)
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if root.Remove(dir) != nil {
			break // not empty
		}
	}
	return nil
}
