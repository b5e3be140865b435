package blueprint

import (
	"reflect"
	"testing"

	"gopkg.in/yaml.v3"
)

// Strict decoding ends at types that decode themselves; this looks below them.
func TestBaseNamesOnlyKnownKeys(t *testing.T) {
	t.Parallel()
	text, err := files.ReadFile("blueprints/base.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var expand func(n *yaml.Node) *yaml.Node
	expand = func(n *yaml.Node) *yaml.Node {
		if n.Kind == yaml.AliasNode {
			return n.Alias
		}
		for i := range n.Content {
			n.Content[i] = expand(n.Content[i])
		}
		return n
	}
	expand(&doc)
	c := &checker{lines: map[string]int{}, bad: map[string]bool{}}
	c.walk(doc.Content[0], reflect.TypeFor[Blueprint](), "")
	for _, p := range c.problems {
		t.Errorf("%s: %s", p.Field, p.Message)
	}
}

func TestReduce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		when, rest string
		possible   bool
	}{
		{"", "", true},
		{"ml", "", true},
		{"!ml", "", false},
		{"ui", "ui", true},
		{"ui and ml", "ui", true},
		{"ml and !ui", "!ui", true},
		{"ui and !ml", "", false},
	} {
		rest, possible := reduce(c.when, map[string]bool{"ml": true})
		if rest != c.rest || possible != c.possible {
			t.Errorf("reduce(%q) = %q, %v", c.when, rest, possible)
		}
	}
}

func TestEdits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"stop", "stopp", 1}, {"mpv", "mvp", 2}, {"kitten", "sitting", 3}, {"same", "same", 0}} {
		if got := edits(c.a, c.b); got != c.want {
			t.Errorf("edits(%q, %q) = %d", c.a, c.b, got)
		}
	}
}
