package flow_test

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/repo"
)

// tree is a flow.Tree in memory: commits as sorted lists of files, contents by
// blob. A tag that is set twice to different commits is an error, as in git.
type tree struct {
	mu      sync.Mutex
	commits map[string][]repo.File
	blobs   map[string][]byte
	heads   map[string]string            // by project, as published
	tags    map[string]map[string]string // by project and name
	n       int
}

func newTree() *tree {
	return &tree{commits: map[string][]repo.File{}, blobs: map[string][]byte{}, heads: map[string]string{}, tags: map[string]map[string]string{}}
}

func id(parts ...string) string {
	sum := sha1.Sum([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

func comparePath(f repo.File, path string) int { return strings.Compare(f.Path, path) }

func (t *tree) Files(_ context.Context, _, commit string) ([]repo.File, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	files, ok := t.commits[commit]
	if !ok {
		return nil, fault.NotFound("repo.commit", "There is no commit %q.", commit)
	}
	return files, nil
}

func (t *tree) Read(ctx context.Context, projectID, commit, path string) ([]byte, error) {
	files, err := t.Files(ctx, projectID, commit)
	if err != nil {
		return nil, err
	}
	i, ok := slices.BinarySearchFunc(files, path, comparePath)
	if !ok {
		return nil, fault.NotFound("repo.no_file", "There is no file %q.", path)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.blobs[files[i].Blob], nil
}

func (t *tree) Changed(ctx context.Context, projectID, from, to string) ([]string, error) {
	var old []repo.File
	if from != "" {
		var err error
		if old, err = t.Files(ctx, projectID, from); err != nil {
			return nil, err
		}
	}
	now, err := t.Files(ctx, projectID, to)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range now {
		if i, ok := slices.BinarySearchFunc(old, f.Path, comparePath); !ok || old[i].Blob != f.Blob {
			out = append(out, f.Path)
		}
	}
	for _, f := range old {
		if _, ok := slices.BinarySearchFunc(now, f.Path, comparePath); !ok {
			out = append(out, f.Path)
		}
	}
	slices.Sort(out)
	return out, nil
}

// Commit makes a commit that no other one equals.
func (t *tree) Commit(ctx context.Context, projectID string, spec repo.CommitSpec) (string, error) {
	var base []repo.File
	if spec.Parent != "" {
		var err error
		if base, err = t.Files(ctx, projectID, spec.Parent); err != nil {
			return "", err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	files := make([]repo.File, 0, len(base)+len(spec.Put))
	for _, f := range base {
		if _, put := spec.Put[f.Path]; !put && !slices.Contains(spec.Delete, f.Path) {
			files = append(files, f)
		}
	}
	for path, data := range spec.Put {
		blob := id("blob", string(data))
		t.blobs[blob] = data
		files = append(files, repo.File{Path: path, Mode: repo.ModeFile, Blob: blob, Size: int64(len(data))})
	}
	slices.SortFunc(files, func(a, b repo.File) int { return strings.Compare(a.Path, b.Path) })
	t.n++
	commit := id("commit", spec.Parent, fmt.Sprint(t.n))
	t.commits[commit] = files
	return commit, nil
}

func (t *tree) Remove(_ context.Context, projectID string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.heads, projectID)
	delete(t.tags, projectID)
	return nil
}

func (t *tree) Publish(_ context.Context, projectID, head string, tags []flow.Tag) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heads[projectID] = head
	if t.tags[projectID] == nil {
		t.tags[projectID] = map[string]string{}
	}
	for _, tag := range tags {
		if have, ok := t.tags[projectID][tag.Name]; ok && have != tag.Commit {
			return fmt.Errorf("tag %s is at %s and would move to %s", tag.Name, have, tag.Commit)
		}
		t.tags[projectID][tag.Name] = tag.Commit
	}
	return nil
}
