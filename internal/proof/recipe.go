package proof

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/layercake-app/layercake/internal/fault"
)

// RecipesPath is where a product declares its checks.
const RecipesPath = ".layercake/checks.yaml"

// The stacks whose products can be checked.
const (
	StackGo   = "go"
	StackNode = "node"
)

// Recipes say how a product is built, tested and served. Declared is false when
// they were detected from the files rather than read from RecipesPath.
type Recipes struct {
	Version  int
	Stack    string
	Serve    *Serve
	Checks   map[string]Recipe
	Declared bool
}

// Recipe is how one check runs: Go packages, or a script of package.json whose
// report is "tap" or "junit".
type Recipe struct {
	Packages []string
	Script   string
	Report   string
}

// Serve describes a product that answers HTTP on 127.0.0.1:$PORT.
type Serve struct {
	Package string // Go: the main package
	Script  string // Node: the script that starts it
	Port    int
	Health  string
	Smoke   []Step
}

// Step is one request of a smoke test and what must come back. Status 0 means
// any 2xx.
type Step struct {
	Method   string `json:"method"`
	Path     string `json:"path"`
	Body     string `json:"body,omitempty"`
	Status   int    `json:"status,omitempty"`
	Contains string `json:"contains,omitempty"`
}

// Declares reports whether the product names a recipe for this check.
func (r Recipes) Declares(typ string) bool {
	_, ok := r.Checks[typ]
	return ok
}

// ParseRecipes reads a checks.yaml. Everything that is wrong is reported at
// once, each with its line.
func ParseRecipes(data []byte) (Recipes, error) {
	p := &recipeParser{}
	r := p.document(data)
	if len(p.details) > 0 {
		slices.SortStableFunc(p.details, func(a, b fault.Detail) int { return lineOf(a) - lineOf(b) })
		return Recipes{}, fault.Invalid("proof.recipes", "%s has %d mistake(s): %s",
			RecipesPath, len(p.details), p.details[0].Message).WithDetails(p.details...)
	}
	return r, nil
}

// maxRecipes is far above what a person writes by hand.
const maxRecipes = 64 << 10

type recipeParser struct {
	details []fault.Detail
}

func (p *recipeParser) wrong(n *yaml.Node, field, format string, args ...any) {
	line := 1
	if n != nil && n.Line > 0 {
		line = n.Line
	}
	p.details = append(p.details, fault.Detail{
		Field: field, Code: "line " + strconv.Itoa(line),
		Message: fmt.Sprintf("line %d: %s", line, fmt.Sprintf(format, args...)),
	})
}

func lineOf(d fault.Detail) int {
	n, err := strconv.Atoi(strings.TrimPrefix(d.Code, "line "))
	if err != nil {
		return 0
	}
	return n
}

func (p *recipeParser) document(data []byte) Recipes {
	r := Recipes{Checks: map[string]Recipe{}, Declared: true}
	if len(data) > maxRecipes {
		p.wrong(nil, "", "the file has %d bytes; at most %d are read", len(data), maxRecipes)
		return r
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		p.wrong(nil, "", "not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		return r
	}
	if len(doc.Content) != 1 {
		p.wrong(nil, "", "the file is empty; it needs version, stack and checks")
		return r
	}
	root := doc.Content[0]
	fields := p.mapping(root, "", "version", "stack", "serve", "checks")
	if fields == nil {
		return r
	}
	r.Version = p.number(fields["version"], root, "version", 1, 1)
	r.Stack = p.oneOf(fields["stack"], root, "stack", StackGo, StackNode)
	if n := fields["serve"]; n != nil {
		r.Serve = p.serve(n, r.Stack)
	}
	if n := fields["checks"]; n != nil {
		p.recipes(n, r.Stack, r.Checks)
	}
	return r
}

// mapping returns the entries of a mapping by key; unknown and repeated keys
// are mistakes.
func (p *recipeParser) mapping(n *yaml.Node, field string, allowed ...string) map[string]*yaml.Node {
	if n.Kind != yaml.MappingNode {
		p.wrong(n, field, "%smust be a mapping with the keys %s", prefix(field), strings.Join(allowed, ", "))
		return nil
	}
	out := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case !slices.Contains(allowed, key.Value):
			p.wrong(key, join(field, key.Value), "%sunknown key %q; allowed are %s", prefix(field), key.Value, strings.Join(allowed, ", "))
		case out[key.Value] != nil:
			p.wrong(key, join(field, key.Value), "%skey %q appears twice", prefix(field), key.Value)
		default:
			out[key.Value] = value
		}
	}
	return out
}

func prefix(field string) string {
	if field == "" {
		return ""
	}
	return field + ": "
}

func join(field, key string) string {
	if field == "" {
		return key
	}
	return field + "." + key
}

func (p *recipeParser) number(n, parent *yaml.Node, field string, low, high int) int {
	if n == nil {
		p.wrong(parent, field, "%s is missing", field)
		return 0
	}
	v, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || v < low || v > high {
		p.wrong(n, field, "%s must be a whole number from %d to %d", field, low, high)
	}
	return v
}

func (p *recipeParser) text(n, parent *yaml.Node, field string) string {
	if n == nil {
		p.wrong(parent, field, "%s is missing", field)
		return ""
	}
	if n.Kind != yaml.ScalarNode || n.Value == "" {
		p.wrong(n, field, "%s must be a text", field)
		return ""
	}
	return n.Value
}

func (p *recipeParser) oneOf(n, parent *yaml.Node, field string, allowed ...string) string {
	v := p.text(n, parent, field)
	if v != "" && !slices.Contains(allowed, v) {
		p.wrong(n, field, "%s is %q; allowed are %s", field, v, strings.Join(allowed, ", "))
	}
	return v
}

func (p *recipeParser) serve(n *yaml.Node, stack string) *Serve {
	fields := p.mapping(n, "serve", "package", "script", "port", "health", "smoke")
	if fields == nil {
		return nil
	}
	s := &Serve{
		Port:   p.number(fields["port"], n, "serve.port", 1, 65535),
		Health: p.urlPath(fields["health"], n, "serve.health"),
	}
	switch stack {
	case StackGo:
		s.Package = p.packagePattern(fields["package"], n, "serve.package")
		if strings.Contains(s.Package, "...") {
			p.wrong(fields["package"], "serve.package", "serve.package must name one main package, such as ./cmd/app")
		}
		p.absent(fields["script"], "serve.script", "a Go product is started from serve.package")
	case StackNode:
		s.Script = p.scriptName(fields["script"], n, "serve.script")
		p.absent(fields["package"], "serve.package", "a Node product is started from serve.script")
	}
	smoke := fields["smoke"]
	if smoke == nil || smoke.Kind != yaml.SequenceNode || len(smoke.Content) == 0 {
		p.wrong(firstOf(smoke, n), "serve.smoke", "serve.smoke must be a list of at least one path, such as [/]")
		return s
	}
	for i, item := range smoke.Content {
		s.Smoke = append(s.Smoke, p.step(item, fmt.Sprintf("serve.smoke[%d]", i)))
	}
	return s
}

func firstOf(nodes ...*yaml.Node) *yaml.Node {
	for _, n := range nodes {
		if n != nil {
			return n
		}
	}
	return nil
}

func (p *recipeParser) absent(n *yaml.Node, field, why string) {
	if n != nil {
		p.wrong(n, field, "%s does not belong here: %s", field, why)
	}
}

// step reads "/path", or a mapping that says more.
func (p *recipeParser) step(n *yaml.Node, field string) Step {
	if n.Kind == yaml.ScalarNode {
		return Step{Method: "GET", Path: p.urlPath(n, n, field)}
	}
	fields := p.mapping(n, field, "method", "path", "body", "status", "contains")
	if fields == nil {
		return Step{}
	}
	s := Step{Method: "GET", Path: p.urlPath(fields["path"], n, field+".path")}
	if m := fields["method"]; m != nil {
		s.Method = p.oneOf(m, n, field+".method", "GET", "POST", "PUT", "PATCH", "DELETE")
	}
	if m := fields["status"]; m != nil {
		s.Status = p.number(m, n, field+".status", 200, 499)
	}
	if m := fields["body"]; m != nil {
		s.Body = p.text(m, n, field+".body")
	}
	if m := fields["contains"]; m != nil {
		s.Contains = p.text(m, n, field+".contains")
	}
	return s
}

var urlPathForm = regexp.MustCompile(`^/[A-Za-z0-9_.~!$&'()*+,;=:@%/?-]*$`)

func (p *recipeParser) urlPath(n, parent *yaml.Node, field string) string {
	v := p.text(n, parent, field)
	if v != "" && (!urlPathForm.MatchString(v) || strings.HasPrefix(v, "//")) {
		p.wrong(n, field, "%s is %q; it must be a path that starts with one slash", field, v)
	}
	return v
}

func (p *recipeParser) recipes(n *yaml.Node, stack string, into map[string]Recipe) {
	allowed := []string{Unit, Integration, E2E}
	if stack == StackNode {
		allowed = append(allowed, Build, Lint)
	}
	for typ, node := range p.mapping(n, "checks", allowed...) {
		field := "checks." + typ
		if stack == StackGo {
			into[typ] = Recipe{Packages: p.packages(node, field)}
			continue
		}
		fields := p.mapping(node, field, "script", "report")
		if fields == nil {
			continue
		}
		recipe := Recipe{Script: p.scriptName(fields["script"], node, field+".script"), Report: "tap"}
		if m := fields["report"]; m != nil {
			recipe.Report = p.oneOf(m, node, field+".report", "tap", "junit", "junit.xml")
			recipe.Report = strings.TrimSuffix(recipe.Report, ".xml")
		}
		into[typ] = recipe
	}
}

func (p *recipeParser) packages(n *yaml.Node, field string) []string {
	fields := p.mapping(n, field, "packages")
	if fields == nil {
		return nil
	}
	list := fields["packages"]
	if list == nil || list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		p.wrong(firstOf(list, n), field+".packages", "%s.packages must be a list of at least one package, such as [./internal/...]", field)
		return nil
	}
	var out []string
	for i, item := range list.Content {
		out = append(out, p.packagePattern(item, n, fmt.Sprintf("%s.packages[%d]", field, i)))
	}
	return out
}

var (
	packageForm = regexp.MustCompile(`^\.(/[A-Za-z0-9_.-]+)*$`)
	scriptForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:_.-]*$`)
)

// packagePattern reads a package pattern below the module's root: ".",
// "./dir" or "./dir/...".
func (p *recipeParser) packagePattern(n, parent *yaml.Node, field string) string {
	v := p.text(n, parent, field)
	if v == "" {
		return ""
	}
	if !packageForm.MatchString(v) || slices.Contains(strings.Split(v, "/"), "..") {
		p.wrong(n, field, "%s is %q; it must be a folder of this module, such as ./internal/...", field, v)
	}
	return v
}

func (p *recipeParser) scriptName(n, parent *yaml.Node, field string) string {
	v := p.text(n, parent, field)
	if v != "" && !scriptForm.MatchString(v) {
		p.wrong(n, field, "%s is %q; it must be the name of a script in package.json", field, v)
	}
	return v
}
