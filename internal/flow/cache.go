package flow

import (
	"strings"
	"sync"

	"github.com/layercake-app/layercake/internal/repo"
)

// Bounds of what is remembered; past them a cache begins anew.
const (
	maxLooks   = 64
	maxMatches = 1 << 17
)

// looks remembers what the repository said: at one head, for one change and one
// release, it says the same for ever.
type looks struct {
	mu   sync.Mutex
	seen map[string]*look
}

func (c *looks) get(key string) *look {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[key]
}

func (c *looks) put(key string, l *look) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil || len(c.seen) >= maxLooks {
		c.seen = map[string]*look{}
	}
	c.seen[key] = l
}

// matches remembers which paths a list of patterns matches: the lists are few
// and long, and the same paths come again at every head.
type matches struct {
	mu   sync.Mutex
	seen map[string]map[string]bool // by patterns and path
	n    int
}

// of returns the files that patterns match.
func (m *matches) of(files []repo.File, patterns []string) []repo.File {
	key := strings.Join(patterns, "\x00")
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil || m.n > maxMatches {
		m.seen, m.n = map[string]map[string]bool{}, 0
	}
	known := m.seen[key]
	if known == nil {
		known = map[string]bool{}
		m.seen[key] = known
	}
	var out []repo.File
	for _, f := range files {
		hit, ok := known[f.Path]
		if !ok {
			hit = repo.Match(patterns, f.Path)
			known[f.Path] = hit
			m.n++
		}
		if hit {
			out = append(out, f)
		}
	}
	return out
}

// digest is repo.Digest of the files that patterns match.
func (m *matches) digest(files []repo.File, patterns []string) string {
	return repo.Digest(m.of(files, patterns), []string{"**"})
}

// digest remembers the digests of one look; commit is its head or its release.
func (l *look) digest(commit string, patterns []string) string {
	key := commit + "\x00" + strings.Join(patterns, "\x00")
	l.memo.mu.Lock()
	defer l.memo.mu.Unlock()
	if d, ok := l.memo.seen[key]; ok {
		return d
	}
	files := l.files
	if commit != l.head {
		files = l.released
	}
	d := l.match.digest(files, patterns)
	l.memo.seen[key] = d
	return d
}

// memo is what was computed of a look.
type memo struct {
	mu   sync.Mutex
	seen map[string]string
}
