// Package internal_test keeps the layers of the code apart: one ordered list,
// read from here by people and enforced from here by the build.
package internal_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// layers is the order of the packages below internal: a package may import only
// packages named before it. A sub-package counts as its parent. To add a
// package, give it a place here and in ARCHITECTURE.md.
var layers = strings.Fields(`
	fault secret
	db blob bus llm sandbox repo notify
	event job blueprint
	account project document search proof preview deploy agent run gate flow bundle backup
	api mcp app
`)

// TestLayers reads every Go file below internal and cmd.
func TestLayers(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	violations, files, err := checkTree(os.DirFS(root))
	if err != nil {
		t.Fatalf("read the tree: %v", err)
	}
	if files < 10 {
		t.Fatalf("read %d Go files below %s: the test looks in the wrong place", files, root)
	}
	for _, v := range violations {
		t.Error(v)
	}
}

// TestArchitectureNamesTheLayers keeps the list that people read equal to the
// one that is enforced.
func TestArchitectureNamesTheLayers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "<!-- layers -->\n```\n")
	block, _, closed := strings.Cut(after, "\n```")
	if !found || !closed {
		t.Fatal("ARCHITECTURE.md has no fenced block after <!-- layers -->")
	}
	written := strings.Fields(strings.ReplaceAll(block, "·", " "))
	if got, want := strings.Join(written, " "), strings.Join(layers, " "); got != want {
		t.Errorf("ARCHITECTURE.md lists the layers\n%s\nand this test enforces\n%s", got, want)
	}
}
