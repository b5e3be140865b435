package product

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
)

func TestColoursCanBeTold(t *testing.T) {
	t.Parallel()
	if c := contrast("#000000", "#ffffff"); c < 20.9 || c > 21.1 {
		t.Fatalf("black on white is %.2f", c)
	}
	for _, s := range Styles() {
		for i := range accents {
			shifted := s
			shifted.shift = i
			for _, p := range Read("bookmarks").pairs(shifted) {
				for scheme, c := range map[string][2]string{"light": p.light, "dark": p.dark} {
					if got := contrast(c[0], c[1]); got < 4.5 {
						t.Errorf("%s, accent %d, %s, %s: %.2f", s.Name, i, p.name, scheme, got)
					}
				}
			}
		}
		for scheme, n := range map[string]neutrals{"light": s.light, "dark": s.dark} {
			if got := contrast(n.edge, n.panel); got < 2.9 {
				t.Errorf("%s: edge of an input, %s: %.2f", s.Name, scheme, got)
			}
		}
	}
}

var remote = regexp.MustCompile(`(?i)(src|href|url\(|@import|action)\s*[=(]?\s*["']?\s*(https?:)?//`)

func TestDesignsStandAlone(t *testing.T) {
	t.Parallel()
	for _, c := range ideas {
		m := Read(c.idea)
		seen := map[string]bool{}
		for n := 1; n <= 3; n++ {
			slug, title, page, why := m.Design(n)
			if slug != Styles()[n-1].Slug || title == "" || len(why) < 100 || seen[page] {
				t.Errorf("%q, design %d: %s %s %q", c.idea, n, slug, title, why)
			}
			seen[page] = true
			if where := remote.FindString(page); where != "" {
				t.Errorf("%q, design %d reaches out: %s", c.idea, n, where)
			}
			for _, want := range []string{`<html lang="`, `name="viewport"`, "<title>", "prefers-color-scheme: dark", "@media"} {
				if !strings.Contains(page, want) {
					t.Errorf("%q, design %d has no %s", c.idea, n, want)
				}
			}
			if strings.Contains(page, "<script") {
				t.Errorf("%q, design %d has a script", c.idea, n)
			}
			for _, f := range m.Entities[0].Fields {
				if !strings.Contains(page, htmlText(f.Label)) {
					t.Errorf("%q, design %d does not show %s", c.idea, n, f.Label)
				}
			}
			if sample := m.sample(m.Entities[0], m.Entities[0].Fields[0], 1); sample != "" && !strings.Contains(page, sample) {
				t.Errorf("%q, design %d does not show %s", c.idea, n, sample)
			}
			if err := balanced(page); err != nil {
				t.Errorf("%q, design %d: %v", c.idea, n, err)
			}
		}
		if n := m.Recommended(); n < 1 || n > 3 {
			t.Errorf("%q: recommends %d", c.idea, n)
		}
	}
}

// balanced reports tags that do not match.
func balanced(page string) error {
	body := regexp.MustCompile(`(?s)<style>.*?</style>`).ReplaceAllString(page, "")
	d := xml.NewDecoder(strings.NewReader(body))
	d.Strict = false
	d.AutoClose = xml.HTMLAutoClose
	d.Entity = xml.HTMLEntity
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && depth == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		switch token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
}

func TestFindStyle(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"designs/option-2-gallery.html": "gallery", "# Design system: Almanac": "almanac", "ledger": "ledger", "": "ledger", "gallery rather than ledger": "gallery"} {
		if got := FindStyle(text).Slug; got != want {
			t.Errorf("%q: got %s", text, got)
		}
	}
}

func TestDesignSystemHasItsSections(t *testing.T) {
	t.Parallel()
	for _, s := range Styles() {
		doc := string(Read("invoices for freelancers").DesignSystem(s))
		for _, section := range []string{"Colours", "Typography", "Spacing", "Components", "Accessibility"} {
			if !strings.Contains(doc, "\n## "+section+"\n") {
				t.Errorf("%s: no section %s", s.Name, section)
			}
		}
		if FindStyle(doc).Slug != s.Slug {
			t.Errorf("%s is not found again in its own document", s.Name)
		}
	}
}
