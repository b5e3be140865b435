package demo

import (
	"fmt"
	"maps"
	"sync"

	"github.com/layercake-app/layercake/internal/llm/demo/product"
)

// cacheLimit is how many sets of files are kept; a project has about a dozen.
const cacheLimit = 128

// cache keeps what the templates make of a product. It changes no answer: a
// replay asks for the same files at every turn, and making them takes longer
// than all the rest.
type cache struct {
	mu   sync.Mutex
	made map[string]map[string][]byte
}

// files returns what produce makes of m, as a map of the caller's own whose
// contents are shared and must not be changed.
func (c *cache) files(kind string, m product.Model, produce func() map[string][]byte) map[string][]byte {
	key := kind + fmt.Sprintf("\x00%#v", m)
	c.mu.Lock()
	found, ok := c.made[key]
	c.mu.Unlock()
	if !ok {
		found = produce()
		c.mu.Lock()
		if c.made == nil || len(c.made) >= cacheLimit {
			c.made = map[string]map[string][]byte{}
		}
		c.made[key] = found
		c.mu.Unlock()
	}
	return maps.Clone(found)
}

func (w *work) scaffoldOf(m product.Model) map[string][]byte {
	return w.cache.files("scaffold", m, m.Scaffold)
}

func (w *work) backendOf(m product.Model) map[string][]byte {
	return w.cache.files("backend", m, m.Backend)
}

func (w *work) frontendOf(m product.Model, style product.Style) map[string][]byte {
	return w.cache.files("frontend "+style.Slug, m, func() map[string][]byte { return m.Frontend(style) })
}

func (w *work) testsOf(m product.Model) map[string][]byte {
	return w.cache.files("tests", m, m.Tests)
}

func (w *work) designOf(m product.Model, n int) (title, html, rationale string) {
	parts := w.cache.files(fmt.Sprintf("design %d", n), m, func() map[string][]byte {
		_, title, html, rationale := m.Design(n)
		return map[string][]byte{"title": []byte(title), "html": []byte(html), "rationale": []byte(rationale)}
	})
	return string(parts["title"]), string(parts["html"]), string(parts["rationale"])
}
