package repo

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/layercake-app/layercake/internal/fault"
)

// The modes a file of a tree can have.
const (
	ModeFile       = "100644"
	ModeExecutable = "100755"
	ModeLink       = "120000"
)

// File is one file of a commit: its path, its mode, the SHA-1 of its blob and
// its size in bytes.
type File struct {
	Path string
	Mode string
	Blob string
	Size int64
}

func byPath(a, b File) int { return strings.Compare(a.Path, b.Path) }

func validID(id string) bool {
	if len(id) != 40 {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func checkCommit(id string) error {
	if !validID(id) {
		return fault.Invalid("repo.commit", "%q is not the name of a commit: 40 hexadecimal digits, in lower case. Use Show to resolve a branch or tag.", cut(id, 80))
	}
	return nil
}

// Files returns the files of a commit, sorted by path. Submodules are a fault
// of kind invalid, an unknown commit one of kind not found.
func (r *Repo) Files(ctx context.Context, commit string) ([]File, error) {
	files, err := r.files(ctx, commit)
	return slices.Clone(files), err
}

// files is Files without the copy: the caller must not change the list.
func (r *Repo) files(ctx context.Context, commit string) ([]File, error) {
	if err := checkCommit(commit); err != nil {
		return nil, err
	}
	if err := r.ready(); err != nil {
		return nil, err
	}
	if files, ok := r.store.cache.get(r.id, commit); ok {
		return files, nil
	}
	files, err := r.listTree(ctx, commit+"^{commit}")
	if exitCode(err) == 128 {
		if _, missing := r.run(ctx, call{args: []string{"cat-file", "-e", commit + "^{commit}"}}); missing != nil {
			return nil, fault.NotFound("repo.commit", "There is no commit %s in this project.", commit).Because(err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list files of %s: %w", commit, err)
	}
	r.store.cache.put(r.id, commit, files)
	return files, nil
}

// filesOrNone takes "" for the empty tree, as parents and diffs do.
func (r *Repo) filesOrNone(ctx context.Context, commit string) ([]File, error) {
	if commit == "" {
		return nil, r.ready()
	}
	return r.files(ctx, commit)
}

func (r *Repo) listTree(ctx context.Context, tree string) ([]File, error) {
	out, err := r.run(ctx, call{args: []string{"ls-tree", "-r", "-z", "-l", "--full-tree", "--end-of-options", tree}})
	if err != nil {
		return nil, err
	}
	files := make([]File, 0, bytes.Count(out, []byte{0}))
	for line := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if line == "" {
			continue
		}
		head, path, ok := strings.Cut(line, "\t")
		fields := strings.Fields(head)
		if !ok || len(fields) != 4 {
			return nil, fmt.Errorf("read tree: git says %q", line)
		}
		if fields[1] != "blob" {
			return nil, fault.Invalid("repo.submodule", "%s is a submodule, which is not supported. Remove it with git rm, or put its files in its place.", path)
		}
		size, err := strconv.ParseInt(fields[3], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read tree: git says %q", line)
		}
		files = append(files, File{Path: strings.Clone(path), Mode: canonicalMode(fields[0]), Blob: strings.Clone(fields[2]), Size: size})
	}
	slices.SortFunc(files, byPath)
	return files, nil
}

// canonicalMode returns the constant, and with it no part of git's output.
func canonicalMode(mode string) string {
	switch mode {
	case ModeExecutable:
		return ModeExecutable
	case ModeLink:
		return ModeLink
	}
	return ModeFile // also 100664 of very old repositories
}

// Read returns the content of one file of a commit; for a symbolic link its
// target. No such file is a fault of kind not found.
func (r *Repo) Read(ctx context.Context, commit, path string) ([]byte, error) {
	found, err := r.ReadFiles(ctx, commit, path)
	return found[path], err
}

// ReadFiles is Read for several paths at once, by path.
func (r *Repo) ReadFiles(ctx context.Context, commit string, paths ...string) (map[string][]byte, error) {
	files, err := r.files(ctx, commit)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(paths))
	for i, p := range paths {
		if err := CheckPath(p); err != nil {
			return nil, err
		}
		f, ok := find(files, p)
		if !ok {
			return nil, fault.NotFound("repo.no_file", "There is no file %s in commit %s. List the files to see what there is.", p, commit[:12])
		}
		if f.Size > MaxFileSize {
			return nil, tooLarge(p)
		}
		ids[i] = f.Blob
	}
	found := make(map[string][]byte, len(paths))
	err = r.eachBlob(ctx, ids, func(i int, data []byte) error {
		found[paths[i]] = data
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func tooLarge(path string) error {
	return fault.TooLarge("repo.too_large", "%s is larger than %d MB. Make it smaller, or name it in .gitignore.", path, MaxFileSize>>20)
}

func find(files []File, path string) (File, bool) {
	i, ok := slices.BinarySearchFunc(files, path, func(f File, p string) int { return strings.Compare(f.Path, p) })
	if !ok {
		return File{}, false
	}
	return files[i], true
}

// change is a path whose file differs between two lists; "" is no file.
type change struct {
	path     string
	old, new File
}

// diffFiles compares two sorted lists.
func diffFiles(from, to []File) []change {
	var out []change
	for len(from) > 0 || len(to) > 0 {
		switch {
		case len(to) == 0 || len(from) > 0 && from[0].Path < to[0].Path:
			out = append(out, change{path: from[0].Path, old: from[0]})
			from = from[1:]
		case len(from) == 0 || to[0].Path < from[0].Path:
			out = append(out, change{path: to[0].Path, new: to[0]})
			to = to[1:]
		default:
			if from[0].Blob != to[0].Blob || from[0].Mode != to[0].Mode {
				out = append(out, change{path: from[0].Path, old: from[0], new: to[0]})
			}
			from, to = from[1:], to[1:]
		}
	}
	return out
}

// buildTree makes the tree objects of a sorted list; the last one is the root.
func buildTree(files []File) []object {
	var trees []object
	buildFolder(files, 0, &trees)
	return trees
}

// buildFolder makes the tree of files whose paths agree in the first skip
// bytes. The order of whole paths is the order git wants of entries, in which
// a folder counts as its name and a slash.
func buildFolder(files []File, skip int, trees *[]object) string {
	var data []byte
	for len(files) > 0 {
		name, _, deep := strings.Cut(files[0].Path[skip:], "/")
		mode, id, n := files[0].Mode, files[0].Blob, 1
		if deep {
			prefix := files[0].Path[:skip+len(name)+1]
			for n < len(files) && strings.HasPrefix(files[n].Path, prefix) {
				n++
			}
			mode, id = "40000", buildFolder(files[:n], len(prefix), trees)
		}
		data = append(data, mode+" "+name+"\x00"...)
		raw, err := hex.DecodeString(id)
		if err != nil {
			panic(err) // names come from git or from objectID
		}
		data = append(data, raw...)
		files = files[n:]
	}
	tree := newObject("tree", data)
	*trees = append(*trees, tree)
	return tree.id
}

// cachedFiles bounds the file lists kept by a store, counted in files: about
// 150 bytes each.
const cachedFiles = 100_000

// fileCache keeps the lists of the commits used last.
type fileCache struct {
	mu    sync.Mutex
	total int
	lists *simplelru.LRU[cacheKey, []File]
}

type cacheKey struct{ repo, commit string }

func newFileCache() *fileCache {
	c := &fileCache{}
	lists, err := simplelru.NewLRU(4096, func(_ cacheKey, files []File) { c.total -= len(files) })
	if err != nil {
		panic(err) // only for a size below one
	}
	c.lists = lists
	return c
}

func (c *fileCache) get(repo, commit string) ([]File, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lists.Get(cacheKey{repo, commit})
}

func (c *fileCache) put(repo, commit string, files []File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := cacheKey{repo, commit}
	c.lists.Remove(key)
	c.lists.Add(key, files)
	c.total += len(files)
	for c.total > cachedFiles && c.lists.Len() > 1 {
		c.lists.RemoveOldest()
	}
}
