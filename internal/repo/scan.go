package repo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
)

// stamp is what the file system says about a file; it differs once the file
// was written to, because no program can set the time of change.
type stamp struct {
	size     int64
	mode     uint32
	inode    uint64
	device   uint64
	modified int64 // nanoseconds
	changed  int64 // nanoseconds
}

// known is the blob a file had when it was read last.
type known struct {
	stamp
	blob   string
	readAt int64 // nanoseconds
}

// holds says whether a file that now shows s still has the blob. A file that
// was written just before it was read may have been written once more within
// the same tick of the file system's clock, so it is read again.
func (k known) holds(s stamp) bool {
	tick := 100 * time.Millisecond
	if s.changed%int64(time.Second) == 0 { // perhaps a file system that counts seconds
		tick = 3 * time.Second
	}
	return k.blob != "" && k.stamp == s && s.changed < k.readAt-int64(tick)
}

// maxFlaws bounds the list of what is wrong with a folder.
const maxFlaws = 20

// scan is a walk over a worktree.
type scan struct {
	ctx     context.Context
	w       *Worktree
	hash    bool // false: only the paths are wanted
	ignorer *ignorer

	files   []File
	links   map[string]string // targets
	known   map[string]known
	flaws   []*fault.Error
	visited int
}

// entry is a name found in a folder.
type entry struct {
	name, path string
	info       fs.FileInfo
	untracked  bool
}

// scan lists the files of the folder as a commit would hold them; with hash
// false flaws are passed over, and the files have paths only.
func (w *Worktree) scan(ctx context.Context, hash bool) (*scan, error) {
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		return nil, fmt.Errorf("open worktree: %w", err)
	}
	s := &scan{ctx: ctx, w: w, hash: hash, links: map[string]string{}, known: make(map[string]known, len(w.files))}
	s.ignorer = &ignorer{git: w.repo.store.git, gitDir: w.repo.gitDir, dir: w.dir}
	err = s.folder(root, "", 1)
	if errors.Is(err, errEnough) {
		err = nil
	}
	if err := errors.Join(err, s.ignorer.close(), root.Close()); err != nil {
		return nil, fmt.Errorf("scan worktree %s: %w", w.name, err)
	}
	if hash && len(s.flaws) > 0 {
		first := s.flaws[0]
		for _, f := range s.flaws[1:] {
			first = first.WithDetails(fault.Detail{Code: f.Code, Message: f.Message})
		}
		return nil, first
	}
	slices.SortFunc(s.files, byPath)
	return s, nil
}

// folder walks one folder. It is entered by handle, so that a folder replaced
// by a link meanwhile leads nowhere.
func (s *scan) folder(root *os.Root, above string, depth int) error {
	if err := s.ctx.Err(); err != nil {
		return context.Cause(s.ctx)
	}
	entries, err := s.entries(root, above)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.info.IsDir() {
			err = s.subfolder(root, e, depth)
		} else {
			err = s.file(root, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// entries lists what of a folder is not ignored.
func (s *scan) entries(root *os.Root, above string) ([]entry, error) {
	names, err := readNames(root)
	if err != nil {
		return nil, s.flaw(openError(strings.TrimSuffix(above, "/"), err))
	}
	if s.visited += len(names); s.visited > 10*MaxFiles {
		return nil, tooMany()
	}
	entries := make([]entry, 0, len(names))
	var asked []string
	for _, name := range names {
		path := above + name
		if isDotGit(name) {
			err := fault.Invalid("repo.nested", "%s makes this folder a git repository of its own, which is never used here. Remove it: changes are committed for you.", path)
			if err := s.flaw(err); err != nil {
				return nil, err
			}
			continue
		}
		info, err := root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone since the folder was listed
		}
		if err != nil {
			return nil, err
		}
		e := entry{name: name, path: path, info: info}
		if info.IsDir() {
			e.untracked = !hasFolder(s.w.files, path)
		} else {
			_, tracked := find(s.w.files, path)
			e.untracked = !tracked
		}
		if e.untracked {
			asked = append(asked, path)
		}
		entries = append(entries, e)
	}
	ignored, err := s.ignorer.query(s.ctx, asked)
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e entry) bool { return e.untracked && ignored[e.path] })
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return entries, nil
}

func tooMany() error {
	return fault.TooLarge("repo.too_many", "The workspace holds more than %d files. Remove built files and dependencies, or name their folder in .gitignore.", MaxFiles)
}

func (s *scan) subfolder(root *os.Root, e entry, depth int) error {
	if depth >= MaxDepth {
		return s.flaw(fault.Invalid("repo.path", "%s is refused: folders may be %d deep. Move its files up, or name it in .gitignore.", cut(e.path, 120), MaxDepth-1))
	}
	sub, err := root.OpenRoot(e.name)
	if err != nil {
		return s.flaw(openError(e.path, err))
	}
	if now, err := sub.Stat("."); err != nil || !os.SameFile(now, e.info) {
		return errors.Join(errMoving, sub.Close())
	}
	err = s.folder(sub, e.path+"/", depth+1)
	return errors.Join(err, sub.Close())
}

func (s *scan) file(root *os.Root, e entry) error {
	if e.untracked { // the others passed when they were committed
		if err := CheckPath(e.path); err != nil {
			return s.flaw(err)
		}
	}
	mode := modeOf(e.info)
	if mode == "" {
		return s.flaw(notRegular(e.path, e.info.Mode()))
	}
	if len(s.files) >= MaxFiles {
		return tooMany()
	}
	f := File{Path: e.path, Mode: mode, Size: e.info.Size()}
	if !s.hash {
		s.files = append(s.files, f)
		return nil
	}
	if mode == ModeLink {
		target, err := root.Readlink(e.name)
		if err != nil {
			return errMoving
		}
		if err := CheckLink(e.path, target); err != nil {
			return s.flaw(err)
		}
		s.links[e.path] = target
		f.Blob, f.Size = objectID("blob", []byte(target)), int64(len(target))
	} else {
		if f.Size > MaxFileSize {
			return s.flaw(tooLarge(e.path))
		}
		k, err := s.w.identify(root, e.name, e.path, e.info)
		if err != nil {
			return s.flaw(err)
		}
		s.known[e.path] = k
		f.Blob = k.blob
	}
	s.files = append(s.files, f)
	return nil
}

// flaw notes a fault about the folder's content and goes on; anything else,
// and a folder that is moving, ends the walk.
func (s *scan) flaw(err error) error {
	f, ok := fault.As(err)
	if !ok || f.Kind == fault.KindConflict {
		return err
	}
	s.flaws = append(s.flaws, f)
	if len(s.flaws) == maxFlaws && s.hash {
		return errEnough
	}
	return nil
}

var errEnough = errors.New("enough is wrong")

// identify names the blob of a regular file, by reading it unless it is known
// to be as it was.
func (w *Worktree) identify(root *os.Root, name, path string, info fs.FileInfo) (known, error) {
	now, ok := stampOf(info)
	if k := w.known[path]; ok && k.holds(now) {
		return k, nil
	}
	k := known{stamp: now, readAt: time.Now().UnixNano()}
	f, err := root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return known{}, openError(path, err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	opened, err := f.Stat()
	if err != nil {
		return known{}, fmt.Errorf("read %s: %w", path, err)
	}
	if !os.SameFile(opened, info) {
		return known{}, errMoving
	}
	if k.blob, err = blobID(f, info.Size()); err != nil {
		return known{}, fmt.Errorf("read %s: %w", path, err)
	}
	return k, nil
}

// modeOf returns the mode a tree gives the file, "" when it takes none.
func modeOf(info fs.FileInfo) string {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return ModeLink
	case !info.Mode().IsRegular():
		return ""
	case info.Mode()&0o100 != 0:
		return ModeExecutable
	}
	return ModeFile
}

// hasFolder says whether a sorted list has a file below the folder dir.
func hasFolder(files []File, dir string) bool {
	i, _ := slices.BinarySearchFunc(files, dir+"/", func(f File, p string) int { return strings.Compare(f.Path, p) })
	return i < len(files) && strings.HasPrefix(files[i].Path, dir+"/")
}
