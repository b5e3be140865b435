package repo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
)

// MergeResult is either a merged commit, or the conflicts that prevent it with
// a commit on which they can be resolved: it has both sides as parents, holds
// what merged by itself, and carries conflict markers in the files that did not.
type MergeResult struct {
	Commit    string
	Conflicts []Conflict // sorted by path
	Marked    string
}

// Conflict is a file the two sides changed differently. A side that has no
// such file is nil.
type Conflict struct {
	Path   string
	Ours   []byte
	Theirs []byte
	Base   []byte
}

// Merge merges theirs into ours, line by line, and follows renamed files. The
// result is always a commit with both as parents, so that history shows what
// was merged; only when theirs holds nothing new is it ours. What spec says of
// parents and files must be empty; spec.Allow counts for what differs from ours.
func (r *Repo) Merge(ctx context.Context, ours, theirs string, spec CommitSpec) (MergeResult, error) {
	if spec.Parent != "" || len(spec.Parents) > 0 || len(spec.Put) > 0 || len(spec.Delete) > 0 {
		return MergeResult{}, fmt.Errorf("merge: parents and files come from the two sides")
	}
	mine, err := r.files(ctx, ours)
	if err != nil {
		return MergeResult{}, err
	}
	if _, err := r.files(ctx, theirs); err != nil {
		return MergeResult{}, err
	}
	if ours == theirs {
		return MergeResult{Commit: ours}, nil
	}
	start := time.Now()
	tree, stages, err := r.mergeTree(ctx, ours, theirs)
	if err != nil {
		return MergeResult{}, err
	}
	if trees := buildTree(mine); tree == trees[len(trees)-1].id { // perhaps nothing new; only then it pays to ask
		base, err := r.mergeBase(ctx, ours, theirs)
		if err != nil {
			return MergeResult{}, err
		}
		if base == theirs {
			return MergeResult{Commit: ours}, nil
		}
	}
	merged, err := r.listTree(ctx, tree)
	if err != nil {
		return MergeResult{}, fmt.Errorf("merge %s: %w", theirs, err)
	}
	if err := checkChange(mine, merged, spec.Allow); err != nil {
		return MergeResult{}, err
	}
	var res MergeResult
	if len(stages) > 0 {
		if res.Conflicts, err = r.conflicts(ctx, stages); err != nil {
			return MergeResult{}, err
		}
	}
	commit, err := r.commitObject(ctx, tree, []string{ours, theirs}, spec)
	if err != nil {
		return MergeResult{}, err
	}
	if err := r.syncObjectsSince(start); err != nil {
		return MergeResult{}, err
	}
	if err := r.writeObjects(ctx, []object{commit}); err != nil {
		return MergeResult{}, err
	}
	r.store.cache.put(r.id, commit.id, merged)
	if len(res.Conflicts) > 0 {
		res.Marked = commit.id
	} else {
		res.Commit = commit.id
	}
	return res, nil
}

func (r *Repo) mergeBase(ctx context.Context, ours, theirs string) (string, error) {
	out, err := r.run(ctx, call{args: []string{"merge-base", "--end-of-options", ours, theirs}})
	if exitCode(err) == 1 {
		return "", fault.Conflict("repo.unrelated", "The commits %s and %s have no common history and cannot be merged. Import one as files instead.", ours[:12], theirs[:12])
	}
	if err != nil {
		return "", fmt.Errorf("find merge base: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// stage is one side of a conflict: 1 base, 2 ours, 3 theirs.
type stage struct {
	path, blob string
	side       byte
}

func (r *Repo) mergeTree(ctx context.Context, ours, theirs string) (string, []stage, error) {
	out, err := r.run(ctx, call{args: []string{"merge-tree", "--write-tree", "-z", "--no-messages", ours, theirs}})
	conflict := exitCode(err) == 1
	if err != nil && !conflict {
		if _, unrelated := r.mergeBase(ctx, ours, theirs); fault.KindOf(unrelated) == fault.KindConflict {
			return "", nil, unrelated
		}
		return "", nil, fmt.Errorf("merge %s into %s: %w", theirs, ours, err)
	}
	tree, rest, _ := strings.Cut(string(out), "\x00")
	if !validID(tree) {
		return "", nil, fmt.Errorf("merge %s: git says %q", theirs, cut(string(out), 200))
	}
	var stages []stage
	for line := range strings.SplitSeq(rest, "\x00") {
		if line == "" {
			break
		}
		head, path, ok := strings.Cut(line, "\t")
		fields := strings.Fields(head)
		if !ok || len(fields) != 3 {
			return "", nil, fmt.Errorf("merge %s: git says %q", theirs, line)
		}
		stages = append(stages, stage{path: path, blob: fields[1], side: fields[2][0]})
	}
	if conflict && len(stages) == 0 {
		return "", nil, fault.Conflict("repo.merge", "The commits %s and %s cannot be merged by rule. Do the change again on the newer one.", ours[:12], theirs[:12])
	}
	return tree, stages, nil
}

func (r *Repo) conflicts(ctx context.Context, stages []stage) ([]Conflict, error) {
	byPath := map[string]*Conflict{}
	ids := make([]string, len(stages))
	for i, s := range stages {
		ids[i] = s.blob
		byPath[s.path] = &Conflict{Path: s.path}
	}
	err := r.eachBlob(ctx, ids, func(i int, data []byte) error {
		c := byPath[stages[i].path]
		switch stages[i].side {
		case '1':
			c.Base = data
		case '2':
			c.Ours = data
		default:
			c.Theirs = data
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read conflict: %w", err)
	}
	out := make([]Conflict, 0, len(byPath))
	for _, c := range byPath {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Conflict) int { return cmp.Compare(a.Path, b.Path) })
	return out, nil
}
