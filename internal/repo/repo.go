// Package repo keeps the git repository of each project: worktrees for runs,
// commits, merges, diffs, tags and exports, made with the system's git and
// with nothing an agent wrote having any effect on how git behaves. The bare
// repository is never reachable from a worktree; worktrees hold no .git; the
// bytes of files are stored and written back exactly, without filters,
// conversions, hooks or attributes; what would lead out of a tree (symbolic
// links, nested repositories, submodules, hostile paths) is refused with the
// reason. A commit is on the disk before its name is returned, and the same
// input always gives the same commit, so every step may be repeated after a
// crash. One process owns a root at a time.
package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
)

// Limits on what a repository takes; one over them is a fault of kind too large.
const (
	MaxFileSize  = 50 << 20  // bytes of one file
	MaxFiles     = 20_000    // files of one tree
	MaxCommitted = 512 << 20 // bytes of all files that one commit adds or changes
)

// Store is a folder of repositories, one per project.
type Store struct {
	root  string
	git   *git
	lock  *os.File // nil when another process owns the root
	cache *fileCache

	mu    sync.Mutex
	repos map[string]*Repo

	onStep func() // in tests: dies where a process could
}

// step stands between two things of which a process that dies may have done the
// first alone.
func (s *Store) step() {
	if s.onStep != nil {
		s.onStep()
	}
}

// Repo is the repository of one project; it may be used by many goroutines.
type Repo struct {
	store  *Store
	id     string
	dir    string // holds the bare repository, the worktrees and temporary files
	gitDir string

	mu        sync.Mutex // guards the fields below
	opened    bool
	worktrees map[string]*Worktree

	making sync.Mutex // one Create at a time
	refs   sync.Mutex // one change of references at a time
}

// Signature names the author, committer or tagger of an object.
type Signature struct {
	Name  string
	Email string
}

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$`)

// Open opens the folder root, makes it when it is missing, and checks that a
// git of at least version 2.39 is installed (else a fault of kind unavailable).
func Open(root string) (*Store, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("resolve repository folder: %w", err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("make repository folder: %w", err)
	}
	g, err := findGit()
	if err != nil {
		return nil, err
	}
	lock, err := lockRoot(abs)
	if err != nil {
		return nil, fmt.Errorf("lock repository folder: %w", err)
	}
	return &Store{root: abs, git: g, lock: lock, cache: newFileCache(), repos: map[string]*Repo{}}, nil
}

// Owned reports whether this process owns the root: only then leftovers of an
// earlier process are cleared.
func (s *Store) Owned() bool { return s.lock != nil }

// Has reports whether there is a repository of the project.
func (s *Store) Has(projectID string) bool { return s.Repo(projectID).ready() == nil }

// Close gives up the ownership of the root; the process's end does so too.
func (s *Store) Close() error {
	if s.lock == nil {
		return nil
	}
	if err := s.lock.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("unlock repository folder: %w", err)
	}
	return nil
}

// Repo returns the repository of a project. Nothing is read yet: when there is
// none, the first call on it gives a fault of kind not found.
func (s *Store) Repo(projectID string) *Repo {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.repos[projectID]; ok {
		return r
	}
	dir := filepath.Join(s.root, projectID)
	r := &Repo{store: s, id: projectID, dir: dir, gitDir: filepath.Join(dir, "git"), worktrees: map[string]*Worktree{}}
	if validName.MatchString(projectID) {
		s.repos[projectID] = r
	}
	return r
}

// Create makes the empty repository of a project. It may be repeated: an
// existing repository is kept, a half-made one is made anew.
func (s *Store) Create(ctx context.Context, projectID string) (*Repo, error) {
	r := s.Repo(projectID)
	if !validName.MatchString(projectID) {
		return nil, invalidID(projectID)
	}
	r.making.Lock()
	defer r.making.Unlock()
	if err := r.ready(); fault.KindOf(err) != fault.KindNotFound {
		return r, err
	}
	for _, dir := range []string{r.tempRoot(), r.treeRoot()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make folder of repository: %w", err)
		}
	}
	temp, err := os.MkdirTemp(r.tempRoot(), "git-")
	if err != nil {
		return nil, fmt.Errorf("make repository: %w", err)
	}
	defer func() { _ = RemoveTree(temp) }() // already renamed when all went well
	if _, err := s.git.run(ctx, temp, call{args: []string{"init", "--quiet", "--bare", "--template=", "--initial-branch=main", temp}}); err != nil {
		return nil, fmt.Errorf("make repository: %w", err)
	}
	if err := syncTree(temp); err != nil {
		return nil, err
	}
	if err := os.Rename(temp, r.gitDir); err != nil {
		return nil, fmt.Errorf("make repository: %w", err)
	}
	for _, dir := range []string{r.dir, s.root} {
		if err := syncDir(dir); err != nil {
			return nil, err
		}
	}
	return r, r.ready()
}

// Remove removes the repository of a project with its worktrees. It may be
// repeated.
func (s *Store) Remove(projectID string) error {
	r := s.Repo(projectID)
	if !validName.MatchString(projectID) {
		return invalidID(projectID)
	}
	r.making.Lock()
	defer r.making.Unlock()
	// Out of the way first, in one step: nobody finds half of it.
	gone := filepath.Join(s.root, ".removed-"+projectID)
	if err := os.Rename(r.dir, gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove repository of %s: %w", projectID, err)
	}
	r.mu.Lock()
	r.opened = false
	r.mu.Unlock()
	s.mu.Lock()
	delete(s.repos, projectID)
	s.mu.Unlock()
	if err := errors.Join(RemoveTree(gone), RemoveTree(r.dir)); err != nil {
		return fmt.Errorf("remove repository of %s: %w", projectID, err)
	}
	return nil
}

func invalidID(id string) error {
	return fault.Invalid("repo.id", "%q cannot name a repository: use letters, digits, - and _, at most 128.", cut(id, 80))
}

func (r *Repo) tempRoot() string { return filepath.Join(r.dir, "tmp") }
func (r *Repo) treeRoot() string { return filepath.Join(r.dir, "trees") }

// ready checks once per process that the repository exists, and clears what a
// process that died left behind.
func (r *Repo) ready() error {
	if !validName.MatchString(r.id) {
		return invalidID(r.id)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.opened {
		return nil
	}
	if _, err := os.Lstat(filepath.Join(r.gitDir, "HEAD")); errors.Is(err, fs.ErrNotExist) {
		return fault.NotFound("repo.missing", "Project %s has no repository here. Restore its folder from a backup.", r.id)
	} else if err != nil {
		return fmt.Errorf("open repository: %w", err)
	}
	if r.store.lock != nil {
		if err := r.recover(); err != nil {
			return err
		}
	}
	r.opened = true
	return nil
}

// run calls git on this repository.
func (r *Repo) run(ctx context.Context, c call) ([]byte, error) {
	if err := r.ready(); err != nil {
		return nil, err
	}
	return r.store.git.run(ctx, r.gitDir, c)
}

// timeout bounds what must not be cut short by a caller that goes away.
const timeout = 30 * time.Second
