package proof

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/pb33f/libopenapi"
	"github.com/pb33f/libopenapi/datamodel"
	"gopkg.in/yaml.v3"
)

// methods are the operations that a path of OpenAPI may have.
var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

// Bounds of an API description.
const (
	maxSpec      = 1 << 20
	maxSpecDepth = 60
	maxSpecNodes = 200_000
)

// apiReader collects what is wrong with an API description.
type apiReader struct {
	name       string
	root       *yaml.Node
	problems   []string
	operations int
	nodes      int
	ids        map[string]int
}

// openAPIProblems validates an API description: version 3, every operation
// with responses, every reference to something within it. Only a description
// whose outline is right reaches the library that reads the rest.
func openAPIProblems(name string, data []byte) (operations int, problems []string) {
	r := &apiReader{name: name, ids: map[string]int{}}
	if len(data) > maxSpec {
		return 0, []string{fmt.Sprintf("%s has %d bytes; at most %d are read", name, len(data), maxSpec)}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil || len(doc.Content) != 1 {
		return 0, []string{fmt.Sprintf("%s is not YAML or JSON: %v", name, err)}
	}
	r.root = doc.Content[0]
	r.plain(r.root, 0)
	if len(r.problems) == 0 {
		r.document()
	}
	if len(r.problems) == 0 {
		r.library(data)
	}
	return r.operations, r.problems
}

func (r *apiReader) wrong(n *yaml.Node, format string, args ...any) {
	line := 1
	if n != nil && n.Line > 0 {
		line = n.Line
	}
	if len(r.problems) < 50 {
		r.problems = append(r.problems, fmt.Sprintf("%s line %d: %s", r.name, line, fmt.Sprintf(format, args...)))
	}
}

// plain refuses what no reader should have to expand, and follows every
// reference.
func (r *apiReader) plain(n *yaml.Node, depth int) {
	r.nodes++
	switch {
	case depth > maxSpecDepth || r.nodes > maxSpecNodes:
		if r.nodes <= maxSpecNodes+1 || depth > maxSpecDepth {
			r.wrong(n, "the description nests too deep or is too large")
		}
		return
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.wrong(n, "anchors and aliases are not part of OpenAPI; use $ref")
		return
	case n.Kind == yaml.MappingNode:
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if key.Kind != yaml.ScalarNode || seen[key.Value] {
				r.wrong(key, "the key %q is there twice, or is no name", shorten(key.Value, 60))
				return
			}
			seen[key.Value] = true
			if key.Value == "$ref" && value.Kind == yaml.ScalarNode {
				r.reference(value)
			}
		}
	}
	for _, child := range n.Content {
		r.plain(child, depth+1)
	}
}

// reference resolves "#/a/b" within the document.
func (r *apiReader) reference(n *yaml.Node) {
	pointer, ok := strings.CutPrefix(n.Value, "#/")
	if !ok {
		r.wrong(n, "the reference %q leaves the file; references begin with #/", shorten(n.Value, 80))
		return
	}
	at := r.root
	for part := range strings.SplitSeq(pointer, "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~", "%7B", "{", "%7D", "}").Replace(part)
		if at = step(at, part); at == nil {
			r.wrong(n, "the reference %q leads nowhere", shorten(n.Value, 80))
			return
		}
	}
}

func step(n *yaml.Node, part string) *yaml.Node {
	if n.Kind == yaml.SequenceNode {
		if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i]
		}
		return nil
	}
	return valueOf(n, part)
}

// valueOf returns the value of a key, nil when n is no mapping or lacks it.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func (r *apiReader) document() {
	version := valueOf(r.root, "openapi")
	if version == nil || !strings.HasPrefix(version.Value, "3.") {
		r.wrong(version, "the version is not 3.x; begin with openapi: 3.1.0")
	}
	info := valueOf(r.root, "info")
	for _, key := range []string{"title", "version"} {
		if v := valueOf(info, key); v == nil || v.Kind != yaml.ScalarNode || v.Value == "" {
			r.wrong(info, "info.%s is missing", key)
		}
	}
	paths := valueOf(r.root, "paths")
	if paths == nil || paths.Kind != yaml.MappingNode || len(paths.Content) == 0 {
		r.wrong(paths, "there are no paths; describe at least one")
		return
	}
	for i := 0; i+1 < len(paths.Content); i += 2 {
		r.path(paths.Content[i], paths.Content[i+1])
	}
}

func (r *apiReader) path(key, item *yaml.Node) {
	if strings.HasPrefix(key.Value, "x-") {
		return
	}
	if !strings.HasPrefix(key.Value, "/") {
		r.wrong(key, "the path %q does not begin with a slash", key.Value)
	}
	if item.Kind != yaml.MappingNode {
		r.wrong(item, "the path %q describes nothing", key.Value)
		return
	}
	found := 0
	for i := 0; i+1 < len(item.Content); i += 2 {
		method, op := item.Content[i].Value, item.Content[i+1]
		if slices.Contains(methods, method) {
			found++
			r.operation(key.Value, method, op)
		}
	}
	if found == 0 && valueOf(item, "$ref") == nil {
		r.wrong(key, "the path %q has no operation", key.Value)
	}
}

func (r *apiReader) operation(at, method string, op *yaml.Node) {
	r.operations++
	what := strings.ToUpper(method) + " " + at
	if op.Kind != yaml.MappingNode {
		r.wrong(op, "%s describes nothing", what)
		return
	}
	if id := valueOf(op, "operationId"); id != nil {
		if first, twice := r.ids[id.Value]; twice {
			r.wrong(id, "the operationId %q is there twice, first in line %d", id.Value, first)
		}
		r.ids[id.Value] = id.Line
	}
	responses := valueOf(op, "responses")
	if responses == nil || responses.Kind != yaml.MappingNode || len(responses.Content) == 0 {
		r.wrong(op, "%s has no responses", what)
		return
	}
	for i := 0; i+1 < len(responses.Content); i += 2 {
		status, response := responses.Content[i], responses.Content[i+1]
		switch {
		case strings.HasPrefix(status.Value, "x-"):
		case !isStatus(status.Value):
			r.wrong(status, "%s: %q is not a status", what, status.Value)
		case valueOf(response, "$ref") == nil && valueOf(response, "description") == nil:
			r.wrong(status, "%s: the response %s has no description", what, status.Value)
		}
	}
}

func isStatus(s string) bool {
	if s == "default" {
		return true
	}
	return len(s) == 3 && s[0] >= '1' && s[0] <= '5' && (s[1:] == "XX" || s[1] >= '0' && s[1] <= '9' && s[2] >= '0' && s[2] <= '9')
}

// library has the description read in full, without any file or address.
func (r *apiReader) library(data []byte) {
	cfg := datamodel.NewDocumentConfiguration()
	cfg.AllowFileReferences, cfg.AllowRemoteReferences = false, false
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	doc, err := libopenapi.NewDocumentWithConfiguration(data, cfg)
	if err != nil {
		r.wrong(nil, "%s", shorten(err.Error(), 300))
		return
	}
	defer doc.Release()
	if _, err := doc.BuildV3Model(); err != nil {
		for _, e := range flatten(err) {
			r.wrong(nil, "%s", shorten(e.Error(), 300))
		}
	}
}

// flatten lists the errors that were joined.
func flatten(err error) []error {
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		return many.Unwrap()
	}
	return []error{err}
}
