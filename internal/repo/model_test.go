package repo

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// model is the repository as a person would keep it on paper.
type model struct {
	r       *Repo
	trees   []*Worktree
	commits []string
	files   map[string]map[string]string // by commit
	parents map[string][]string
	work    []map[string]string // content of the worktrees
	base    []string            // commit of the worktrees
	n       int
}

var modelPaths = []string{"a", "b.txt", "dir/a", "dir/deep/b", "other/ü", "z"}

// content is new each time, so that git finds no renames to follow.
func (m *model) content(t *rapid.T) string {
	m.n++
	return fmt.Sprintf("%s %d\n", rapid.StringMatching(`[a-z]{30}`).Draw(t, "content"), m.n)
}

func (m *model) spec() CommitSpec {
	m.n++
	return spec(m.n, fmt.Sprintf("step %d", m.n))
}

func (m *model) pick(t *rapid.T) string { return rapid.SampledFrom(m.commits).Draw(t, "commit") }

func (m *model) add(t *rapid.T, commit string, files map[string]string, parents ...string) {
	if !slices.Contains(m.commits, commit) {
		m.commits = append(m.commits, commit)
	}
	m.files[commit], m.parents[commit] = files, parents
	m.check(t, commit)
}

func (m *model) check(t *rapid.T, commit string) {
	files, err := m.r.Files(t.Context(), commit)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range files {
		data, err := m.r.Read(t.Context(), commit, f.Path)
		if err != nil {
			t.Fatal(err)
		}
		got[f.Path] = string(data)
	}
	if diff := cmp.Diff(m.files[commit], got); diff != "" {
		t.Fatalf("commit %s (-model +git):\n%s", commit, diff)
	}
}

func (m *model) commit(t *rapid.T) {
	parent := m.pick(t)
	c, files := m.spec(), maps.Clone(m.files[parent])
	c.Parent, c.Put = parent, map[string][]byte{}
	for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom(modelPaths), 1, 3, rapid.ID).Draw(t, "paths") {
		if _, ok := files[p]; ok && rapid.Bool().Draw(t, "delete") {
			c.Delete = append(c.Delete, p)
			delete(files, p)
			continue
		}
		files[p] = m.content(t)
		c.Put[p] = []byte(files[p])
	}
	commit, err := m.r.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	m.add(t, commit, files, parent)
}

func (m *model) reset(t *rapid.T) {
	i := rapid.IntRange(0, len(m.trees)-1).Draw(t, "worktree")
	m.base[i] = m.pick(t)
	if err := m.trees[i].Reset(t.Context(), m.base[i]); err != nil {
		t.Fatal(err)
	}
	m.work[i] = maps.Clone(m.files[m.base[i]])
}

func (m *model) edit(t *rapid.T) {
	i := rapid.IntRange(0, len(m.trees)-1).Draw(t, "worktree")
	p := rapid.SampledFrom(modelPaths).Draw(t, "path")
	var err error
	if _, ok := m.work[i][p]; ok && rapid.Bool().Draw(t, "delete") {
		delete(m.work[i], p)
		err = m.trees[i].RemoveFile(p)
	} else {
		m.work[i][p] = m.content(t)
		err = m.trees[i].WriteFile(p, []byte(m.work[i][p]))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (m *model) commitWork(t *rapid.T) {
	i := rapid.IntRange(0, len(m.trees)-1).Draw(t, "worktree")
	base := m.base[i]
	commit, changed, err := m.trees[i].Commit(t.Context(), m.spec())
	if err != nil {
		t.Fatal(err)
	}
	want := differing(m.files[base], m.work[i])
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Fatalf("changed (-model +git):\n%s", diff)
	}
	if len(want) == 0 {
		if commit != base {
			t.Fatalf("%s has no changes and is not %s", commit, base)
		}
		return
	}
	m.base[i] = commit
	m.add(t, commit, maps.Clone(m.work[i]), base)
}

func differing(a, b map[string]string) []string {
	var out []string
	for _, p := range modelPaths {
		left, inA := a[p]
		right, inB := b[p]
		if inA != inB || left != right {
			out = append(out, p)
		}
	}
	return out
}

func (m *model) merge(t *rapid.T) {
	ours, theirs := m.pick(t), m.pick(t)
	result, err := m.r.Merge(t.Context(), ours, theirs, m.spec())
	if err != nil {
		t.Fatal(err)
	}
	past, other := m.past(ours), m.past(theirs)
	if past[theirs] {
		if result.Commit != ours {
			t.Fatalf("%s has nothing new for %s, and yet: %+v", theirs, ours, result)
		}
		return
	}
	base, single := m.base1(past, other)
	if !single {
		if result.Commit != "" { // git merges the bases first; only the sum can be checked
			m.files[result.Commit] = m.read(t, result.Commit)
			m.add(t, result.Commit, m.files[result.Commit], ours, theirs)
		}
		return
	}
	merged, conflicts := map[string]string{}, []string{}
	for _, p := range modelPaths {
		b, o, h := side(m.files[base], p), side(m.files[ours], p), side(m.files[theirs], p)
		switch {
		case o == h || h == b:
			h = o
		case o != b:
			conflicts = append(conflicts, p)
		}
		if h != "" {
			merged[p] = h
		}
	}
	found := []string{}
	for _, c := range result.Conflicts {
		found = append(found, c.Path)
		if string(c.Ours) != side(m.files[ours], c.Path) || string(c.Theirs) != side(m.files[theirs], c.Path) || string(c.Base) != side(m.files[base], c.Path) {
			t.Fatalf("sides of %+v", c)
		}
	}
	if diff := cmp.Diff(conflicts, found); diff != "" {
		t.Fatalf("conflicts (-model +git):\n%s", diff)
	}
	if len(conflicts) == 0 {
		m.add(t, result.Commit, merged, ours, theirs)
	}
}

// side is a file's content, which is never empty; "" is no file.
func side(files map[string]string, path string) string { return files[path] }

func (m *model) read(t *rapid.T, commit string) map[string]string {
	files, err := m.r.Files(t.Context(), commit)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range files {
		data, err := m.r.Read(t.Context(), commit, f.Path)
		if err != nil {
			t.Fatal(err)
		}
		got[f.Path] = string(data)
	}
	return got
}

func (m *model) past(commit string) map[string]bool {
	seen := map[string]bool{}
	todo := []string{commit}
	for len(todo) > 0 {
		c := todo[0]
		todo = todo[1:]
		if !seen[c] {
			seen[c] = true
			todo = append(todo, m.parents[c]...)
		}
	}
	return seen
}

// base1 returns the best common ancestor, if there is a single one.
func (m *model) base1(a, b map[string]bool) (string, bool) {
	var best []string
	for c := range a {
		if !b[c] {
			continue
		}
		covered := false
		for d := range a {
			covered = covered || d != c && b[d] && m.past(d)[c]
		}
		if !covered {
			best = append(best, c)
		}
	}
	return best[0], len(best) == 1
}

func (m *model) compare(t *rapid.T) {
	from, to := m.pick(t), m.pick(t)
	changed, err := m.r.Changed(t.Context(), from, to)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(differing(m.files[from], m.files[to]), changed); diff != "" {
		t.Fatalf("changed (-model +git):\n%s", diff)
	}
	ancestor, err := m.r.IsAncestor(t.Context(), from, to)
	if err != nil || ancestor != m.past(to)[from] {
		t.Fatal(ancestor, err)
	}
}

func TestRepositoryIsItsModel(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		r, err := s.Create(rt.Context(), fmt.Sprintf("prj_%d", n))
		if err != nil {
			rt.Fatal(err)
		}
		m := &model{r: r, files: map[string]map[string]string{}, parents: map[string][]string{}}
		root, err := r.Commit(rt.Context(), m.spec())
		if err != nil {
			rt.Fatal(err)
		}
		m.add(rt, root, map[string]string{})
		for i := range 2 {
			w, err := r.Worktree(rt.Context(), fmt.Sprintf("w%d", i), root)
			if err != nil {
				rt.Fatal(err)
			}
			m.trees, m.work, m.base = append(m.trees, w), append(m.work, map[string]string{}), append(m.base, root)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"commit": m.commit, "reset": m.reset, "edit": m.edit, "edit more": m.edit, "commit worktree": m.commitWork, "merge": m.merge, "compare": m.compare,
		})
		s.cache = newFileCache() // and once more as git reads it
		for _, c := range m.commits {
			m.check(rt, c)
		}
		sound(t, r)
	})
}
