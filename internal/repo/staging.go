package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/fault"
)

// staging is a folder of ours within an output folder or beside it, in which an
// export is made, and into which an earlier one is set aside. Its name says what
// becomes of it when the process dies: while it is "making", the earlier export
// goes back and the new one is thrown away; once it is "finishing", the new one
// moves up and the earlier one is deleted. One rename divides the two. Its lock
// ends with the process.
type staging struct {
	dir   string
	lock  *os.File
	store *Store
}

const (
	making    = ".layercake-export-"
	finishing = ".layercake-finish-"
)

// What a staging folder may hold.
const (
	stagedNew     = "new"
	stagedEarlier = "earlier" // complete only once the folder is finishing
	stagedGone    = "gone"    // an earlier export that is being deleted
	stagedFile    = "file"    // a bundle, before it has its name
)

var stagingName = regexp.MustCompile(`^\.layercake-(export|finish)-[0-9]+$`)

// newStaging makes a staging folder in dir.
func (s *Store) newStaging(dir string) (*staging, error) {
	temp, err := os.MkdirTemp(dir, making)
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	st := &staging{dir: temp, store: s}
	if st.lock, err = lockFolder(temp); err == nil && st.lock == nil {
		err = errors.New("somebody else took the new folder")
	}
	if err == nil {
		err = os.Mkdir(st.path(stagedNew), 0o755)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("export: %w", err), st.drop(), st.close())
	}
	return st, nil
}

func (st *staging) path(name string) string { return filepath.Join(st.dir, name) }

func (st *staging) has(name string) bool {
	_, err := os.Lstat(st.path(name))
	return err == nil
}

func (st *staging) close() error {
	if st.lock == nil {
		return nil
	}
	return unlockFolder(st.lock)
}

// drop deletes the folder, which holds nothing but what an export made.
func (st *staging) drop() error {
	st.store.step()
	return RemoveTree(st.dir)
}

// setAside moves the earlier export from dest into the folder, .git first: what
// is interrupted is not taken for a repository.
func (st *staging) setAside(dest string) error {
	st.store.step()
	if err := os.Mkdir(st.path(stagedEarlier), 0o700); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	entries, err := os.ReadDir(dest)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	for _, e := range gitLast(entries, true) {
		path := filepath.Join(dest, e.Name())
		if path == st.dir {
			continue
		}
		st.store.step()
		if err := os.Rename(path, filepath.Join(st.path(stagedEarlier), e.Name())); err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	return nil
}

// back undoes what was done: the earlier export is where it was before, and the
// new one is gone.
func (st *staging) back(dest string) error {
	if err := st.moveUp(stagedEarlier, dest); err != nil {
		return err
	}
	return st.drop()
}

// decide makes the new export the one that stays.
func (st *staging) decide() error {
	st.store.step()
	decided := filepath.Join(filepath.Dir(st.dir), finishing+strings.TrimPrefix(filepath.Base(st.dir), making))
	if err := os.Rename(st.dir, decided); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	st.dir = decided
	return nil
}

// finish puts the new export in its place and deletes the earlier one, which
// was looked at.
func (st *staging) finish(dest string) error {
	if err := st.moveUp(stagedNew, dest); err != nil {
		return err
	}
	if st.has(stagedEarlier) {
		st.store.step()
		if err := os.Rename(st.path(stagedEarlier), st.path(stagedGone)); err != nil {
			return st.stuck(dest, err)
		}
	}
	return st.drop()
}

// moveUp moves what is in the part name of the folder to dest, .git last: what
// is interrupted is not taken for a repository. It overwrites nothing.
func (st *staging) moveUp(name, dest string) error {
	entries, err := os.ReadDir(st.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // moved before
	}
	if err != nil {
		return st.stuck(dest, err)
	}
	for _, e := range gitLast(entries, false) {
		to := filepath.Join(dest, e.Name())
		if _, err := os.Lstat(to); err == nil {
			return fault.Conflict("repo.unfinished", "The export into %s is not finished, because %s is there already. Move that away and run the same command again; what is missing is in %s.", dest, to, st.path(name))
		}
		st.store.step()
		if err := os.Rename(filepath.Join(st.path(name), e.Name()), to); err != nil {
			return st.stuck(dest, err)
		}
	}
	st.store.step()
	if err := os.Remove(st.path(name)); err != nil {
		return st.stuck(dest, err)
	}
	return nil
}

// stuck says where everything is when the file system does not let us go on.
func (st *staging) stuck(dest string, cause error) error {
	where := "The new one is in " + st.path(stagedNew)
	if st.has(stagedEarlier) {
		where = "The earlier one is in " + st.path(stagedEarlier)
	}
	return fault.Unavailable("repo.unfinished", "The export into %s could not be finished. %s. See that the folder may be written, and run the same command again.", dest, where).Because(cause)
}

// gitLast sorts entries so that .git is the last one, or the first.
func gitLast(entries []os.DirEntry, first bool) []os.DirEntry {
	rank := func(e os.DirEntry) int {
		if (e.Name() == ".git") != first {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(entries, func(a, b os.DirEntry) int { return rank(a) - rank(b) })
	return entries
}

// leftover is a staging folder in dir that the process which made it has left;
// nil when name is none. One at which somebody is at work is a fault of kind
// conflict.
func (s *Store) leftover(dir, name string) (*staging, error) {
	if !isStaging(dir, name) {
		return nil, nil // nothing was left, and that is no error
	}
	path := filepath.Join(dir, name)
	lock, err := lockFolder(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // it was finished meanwhile
	}
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", path, err)
	}
	if lock == nil {
		return nil, fault.Conflict("repo.exporting", "Another LayerCake process is exporting into %s. Wait until it is done, or name another folder.", dir)
	}
	return &staging{dir: path, lock: lock, store: s}, nil
}

// isStaging recognizes a staging folder by its name and by what it holds.
func isStaging(dir, name string) bool {
	if !stagingName.MatchString(name) {
		return false
	}
	path := filepath.Join(dir, name)
	if info, err := os.Lstat(path); err != nil || !info.IsDir() {
		return false
	}
	entries, err := os.ReadDir(path)
	return err == nil && !slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		return !slices.Contains([]string{stagedNew, stagedEarlier, stagedGone, stagedFile}, e.Name())
	})
}

// Unfinished reports whether an export into dir was cut short, so that Settle
// has something to do.
func Unfinished(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && slices.ContainsFunc(entries, func(e os.DirEntry) bool { return isStaging(dir, e.Name()) })
}

// Settle finishes in dest, or takes back, what an export left there that was cut
// short, and reports whether it finished one. An earlier export of which
// somebody touched something since is kept, and named in a fault of kind
// conflict. A folder that is absent, or in which nothing was left, stays as it is.
func (r *Repo) Settle(ctx context.Context, dest string) (finished bool, err error) {
	if dest, err = filepath.Abs(dest); err != nil {
		return false, fmt.Errorf("export: %w", err)
	}
	entries, err := os.ReadDir(dest)
	if err != nil {
		return false, nil // what it is, and whether it will do, is asked by whoever writes there
	}
	for _, e := range entries {
		done, err := r.settle(ctx, dest, e.Name())
		if err != nil {
			return finished, err
		}
		finished = finished || done
	}
	return finished, nil
}

func (r *Repo) settle(ctx context.Context, dest, name string) (finished bool, err error) {
	st, err := r.store.leftover(dest, name)
	if st == nil {
		return false, err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	if !strings.HasPrefix(name, finishing) {
		return false, st.back(dest)
	}
	return true, r.settleFinishing(ctx, st, dest)
}

// settleFinishing finishes what was decided, and looks once more at the earlier
// export before it is deleted: somebody may have found it since.
func (r *Repo) settleFinishing(ctx context.Context, st *staging, dest string) error {
	if err := st.moveUp(stagedNew, dest); err != nil {
		return err
	}
	if st.has(stagedEarlier) {
		earlier := st.path(stagedEarlier)
		why, err := r.Touched(ctx, earlier)
		if err != nil {
			return err
		}
		if why != "" {
			return fault.Conflict("repo.touched", "The folder %s holds the earlier export, and is left alone: %s. Move it away and run the same command again.", earlier, why)
		}
	}
	return st.finish(dest)
}

// sweep deletes in dir what exports left that were cut short and were to have
// another place. What cannot be deleted stays for the next time.
func (s *Store) sweep(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), making) {
			s.sweepOne(dir, e.Name())
		}
	}
}

func (s *Store) sweepOne(dir, name string) {
	st, err := s.leftover(dir, name)
	if err != nil || st == nil {
		return
	}
	defer func() { _ = st.close() }() // opened to lock it
	if !st.has(stagedEarlier) {
		_ = st.drop()
	}
}
