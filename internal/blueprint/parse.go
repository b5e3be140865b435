package blueprint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/layercake-app/layercake/internal/fault"
)

// Limits on a blueprint's text; they keep a hostile file from costing anything.
const (
	maxBytes    = 1 << 20
	maxDepth    = 16
	maxEntries  = 200 // of one list or group
	maxProblems = 100
)

// Known names what a blueprint may refer to. Nil Roles, Proofs or Kinds are not
// checked; nil Facts means the package's own.
type Known struct {
	Roles, Proofs, Facts []string
	Kinds                []string
}

// Validate reports every problem of a blueprint's text at once, each with its
// line, as one fault "blueprint.invalid".
func Validate(src []byte, known Known) error {
	_, err := read(src, known)
	return err
}

// Parse reads the resolved text of a blueprint. It is as strict as Validate, but
// takes any well-formed name of a role, proof or kind, so that a project's own
// text stays readable when LayerCake's lists change.
func Parse(src []byte) (*Blueprint, error) {
	return read(src, Known{})
}

func read(src []byte, known Known) (*Blueprint, error) {
	c := &checker{known: known, lines: map[string]int{}, bad: map[string]bool{}}
	if c.known.Facts == nil {
		c.known.Facts = Facts
	}
	b := c.decode(src)
	if b != nil {
		normalize(b)
		c.blueprint(b)
	}
	if err := c.fault(); err != nil {
		return nil, err
	}
	return b, nil
}

// checker collects problems. lines holds the line of every path that the text
// has; bad holds the paths whose shape is wrong, of which nothing more is said.
type checker struct {
	known    Known
	lines    map[string]int
	bad      map[string]bool
	problems []fault.Detail
	order    []int // line of each problem
}

func (c *checker) problem(path, next, format string, args ...any) {
	if c.bad[path] || len(c.problems) >= maxProblems {
		return
	}
	line := c.lineOf(path)
	field := fmt.Sprintf("line %d", line)
	if path != "" {
		field += ": " + path
	}
	c.order = append(c.order, line)
	c.problems = append(c.problems, fault.Detail{Field: field, Message: fmt.Sprintf(format, args...), Next: next})
}

// shape reports a problem and keeps the checks of meaning away from path.
func (c *checker) shape(path, next, format string, args ...any) {
	c.problem(path, next, format, args...)
	c.bad[path] = true
}

// lineOf returns the line of path, or of the nearest thing around it that the
// text has.
func (c *checker) lineOf(path string) int {
	for path != "" {
		if line, ok := c.lines[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return max(c.lines[""], 1)
}

// fault returns all problems in the order of their lines, or nil.
func (c *checker) fault() error {
	if len(c.problems) == 0 {
		return nil
	}
	index := make([]int, len(c.problems))
	for i := range index {
		index[i] = i
	}
	slices.SortStableFunc(index, func(a, b int) int { return c.order[a] - c.order[b] })
	details := make([]fault.Detail, len(index))
	for i, j := range index {
		details[i] = c.problems[j]
	}
	count := "one problem"
	if len(details) > 1 {
		count = fmt.Sprintf("%d problems", len(details))
	}
	if len(details) >= maxProblems {
		count = fmt.Sprintf("%d problems or more", maxProblems)
	}
	first := details[0]
	return fault.Invalid("blueprint.invalid", "The blueprint has %s. %s: %s.", count, first.Field, first.Message).WithDetails(details...)
}

// decode turns src into a blueprint as far as its shape allows; nil when there
// is nothing to check further.
func (c *checker) decode(src []byte) *Blueprint {
	if len(src) > maxBytes {
		c.problem("", "A blueprint is a few hundred lines; leave out what is not one.", "the file has %d bytes, more than %d", len(src), maxBytes)
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		c.syntax(err)
		return nil
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		c.problem("", "Remove the line `---` and what follows it.", "the file holds more than one document")
		return nil
	}
	root := doc.Content[0]
	if !c.harmless(root, "", 0) {
		return nil
	}
	c.walk(root, reflect.TypeFor[Blueprint](), "")
	if c.bad[""] {
		return nil
	}
	var b Blueprint
	err := root.Decode(&b)
	var mismatch *yaml.TypeError
	known := errors.As(err, &mismatch) && len(c.problems) > 0
	if err != nil && !known {
		c.problem("", "Mend the value named in the message.", "the file cannot be read: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		return nil
	}
	return &b
}

var syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func (c *checker) syntax(err error) {
	if errors.Is(err, io.EOF) {
		c.problem("", "Start from `layercake blueprint show traditional`.", "the file is empty")
		return
	}
	text := err.Error()
	line := 1
	if m := syntaxLine.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		_, _ = fmt.Sscan(m[1], &line) // no number leaves line 1
	}
	c.lines[""] = line
	c.problem("", "Mend the YAML in this line or next to it; check quotes, brackets and indentation.", "the file is not YAML: %s", text)
}

// harmless reports whether the tree costs no more than its size to check: no
// alias, no deep nesting, no endless list.
func (c *checker) harmless(n *yaml.Node, path string, depth int) bool {
	if _, ok := c.lines[path]; !ok {
		c.lines[path] = n.Line
	}
	if n.Kind == yaml.AliasNode {
		c.problem(path, "Write the value out where it is used.", "the alias *%s is not allowed", n.Value)
		return false
	}
	if depth > maxDepth {
		c.problem(path, "A blueprint nests five levels deep.", "the text nests deeper than %d levels", maxDepth)
		return false
	}
	entries := len(n.Content)
	if n.Kind == yaml.MappingNode {
		entries /= 2
	}
	if entries > maxEntries {
		c.problem(path, "Leave out what is not needed.", "there are more than %d entries in one place", maxEntries)
		return false
	}
	fine := true
	for i, child := range n.Content {
		below := path
		if n.Kind == yaml.SequenceNode {
			below = fmt.Sprintf("%s[%d]", path, i)
		} else if i%2 == 1 {
			below = join(path, n.Content[i-1].Value)
		}
		fine = c.harmless(child, below, depth+1) && fine
	}
	return fine
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// walk compares a node with the Go type it is meant for.
func (c *checker) walk(n *yaml.Node, want reflect.Type, path string) {
	c.lines[path] = n.Line
	switch want.Kind() {
	case reflect.Struct:
		fields := fieldsOf(want)
		c.mapping(n, path, func(key string) (reflect.Type, []string) {
			return fields[key], fieldNames(want)
		})
	case reflect.Map:
		c.mapping(n, path, func(string) (reflect.Type, []string) { return want.Elem(), nil })
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode || n.ShortTag() != "!!seq" {
			c.shape(path, "Write it as [one, two], or as lines that begin with a dash.", "must be a list, and is %s", describe(n))
			return
		}
		for i, child := range n.Content {
			c.walk(child, want.Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
	default:
		c.scalar(n, want, path)
	}
}

func (c *checker) mapping(n *yaml.Node, path string, field func(string) (reflect.Type, []string)) {
	if n.Kind != yaml.MappingNode || n.ShortTag() != "!!map" {
		c.shape(path, "Write it as lines of `key: value`.", "must be a group of keys, and is %s", describe(n))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		below := join(path, key.Value)
		c.lines[below] = key.Line
		if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" {
			c.shape(below, "Use a plain word as the key.", "the key is %s", describe(key))
			continue
		}
		if seen[key.Value] {
			c.problem(below, "Keep one of them.", "the key %q is there twice", key.Value)
			continue
		}
		seen[key.Value] = true
		want, names := field(key.Value)
		if want == nil {
			c.shape(below, suggest(key.Value, names), "the key %q is unknown", key.Value)
			continue
		}
		c.walk(value, want, below)
	}
}

var scalars = map[reflect.Kind]struct{ tag, name, next string }{
	reflect.String: {"!!str", "text", "Put the value in quotes."},
	reflect.Int:    {"!!int", "a whole number", "Write a number without quotes."},
	reflect.Bool:   {"!!bool", "true or false", "Write true or false without quotes."},
}

func (c *checker) scalar(n *yaml.Node, want reflect.Type, path string) {
	s := scalars[want.Kind()]
	value := reflect.New(want)
	if n.Kind != yaml.ScalarNode || n.ShortTag() != s.tag || n.Decode(value.Interface()) != nil {
		c.shape(path, s.next, "must be %s, and is %s", s.name, describe(n))
	}
}

func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a group of keys"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.ShortTag() == "!!null":
		return "empty"
	case n.ShortTag() == "!!str":
		return fmt.Sprintf("the text %q", cut(n.Value))
	}
	return cut(n.Value)
}

func cut(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i, name := range fieldNames(t) {
		fields[name] = t.Field(i).Type
	}
	return fields
}

func fieldNames(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i], _, _ = strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
	}
	return names
}

// UnmarshalYAML reads a deliverable of which one file is owed unless it says
// otherwise.
func (d *Deliverable) UnmarshalYAML(n *yaml.Node) error {
	type plain Deliverable
	p := plain{Min: 1}
	err := n.Decode(&p)
	*d = Deliverable(p)
	return err
}

// UnmarshalYAML reads an approval rule in which any one member decides unless it
// says otherwise.
func (a *Approval) UnmarshalYAML(n *yaml.Node) error {
	type plain Approval
	p := plain(anyMember())
	err := n.Decode(&p)
	*a = Approval(p)
	return err
}

func anyMember() Approval {
	return Approval{Roles: slices.Clone(ApprovalRoles), Quorum: 1}
}

// normalize gives each text and each list one form, so that equal blueprints
// have equal text.
func normalize(b *Blueprint) {
	trim(&b.Title, &b.Description)
	b.For = filled(b.For)
	for i := range b.Gates {
		g := &b.Gates[i]
		trim(&g.Name, &g.Purpose)
		if g.Approval.Roles == nil {
			g.Approval = anyMember()
		}
		g.Inputs = filled(g.Inputs)
		g.Agents, g.Deliverables = filled(g.Agents), filled(g.Deliverables)
		g.Proofs, g.Skip = filled(g.Proofs), filled(g.Skip)
		for j := range g.Agents {
			a := &g.Agents[j]
			trim(&a.Title, &a.Brief)
			a.After, a.For = filled(a.After), filled(a.For)
		}
		for j := range g.Deliverables {
			trim(&g.Deliverables[j].Name)
			g.Deliverables[j].Sections = filled(g.Deliverables[j].Sections)
		}
		for j := range g.Skip {
			trim(&g.Skip[j].Reason)
		}
	}
}

func trim(texts ...*string) {
	for _, t := range texts {
		*t = strings.TrimSpace(*t)
	}
}

// filled turns an empty list into none.
func filled[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}
