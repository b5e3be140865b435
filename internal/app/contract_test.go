package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// contract is what the description of the interface promises.
type contract struct {
	Paths map[string]map[string]operation

	doc any

	mu       sync.Mutex
	compiled map[string]*jsonschema.Schema
}

type operation struct {
	OperationID string
	Security    []any
	Parameters  []struct {
		Name, In string
		Required bool
		Schema   map[string]any
	}
	RequestBody *struct{ Content map[string]media }
	Responses   map[string]struct{ Content map[string]media }
}

type media struct{ Schema map[string]any }

const contractURL = "layercake:///openapi.json"

func readContract(t testing.TB, text []byte) *contract {
	t.Helper()
	c := &contract{compiled: map[string]*jsonschema.Schema{}}
	if err := json.Unmarshal(text, c); err != nil {
		t.Fatal(err)
	}
	var err error
	if c.doc, err = jsonschema.UnmarshalJSON(bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return c
}

// find returns the operation of a request, and the path that describes it.
func (c *contract) find(method, path string) (*operation, string) {
	parts := strings.Split(path, "/")
	for template, methods := range c.Paths {
		want := strings.Split(template, "/")
		if len(want) != len(parts) || !slices.EqualFunc(want, parts, func(w, p string) bool { return w == p || strings.HasPrefix(w, "{") && p != "" }) {
			continue
		}
		if op, ok := methods[strings.ToLower(method)]; ok {
			return &op, template
		}
	}
	return nil, ""
}

// check says in what an answer is not as the description promises.
func (c *contract) check(method, path string, a got) error {
	op, template := c.find(method, path)
	if op == nil {
		return nil
	}
	status := fmt.Sprint(a.status)
	r, ok := op.Responses[status]
	if !ok {
		return fmt.Errorf("%s %s does not describe the answer %s", method, template, status)
	}
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	if _, ok := r.Content[kind]; !ok {
		return fmt.Errorf("%s %s does not describe %q of the answer %s", method, template, kind, status)
	}
	if kind != "application/json" {
		return nil
	}
	schema, err := c.schema(strings.Join([]string{"paths", template, strings.ToLower(method), "responses", status, "content", kind, "schema"}, "\x00"))
	if err != nil {
		return err
	}
	body, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.raw))
	if err != nil {
		return err
	}
	if err := schema.Validate(body); err != nil {
		return fmt.Errorf("%s %s, answer %s: %w", method, template, status, err)
	}
	return nil
}

func (c *contract) schema(at string) (*jsonschema.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.compiled[at]; s != nil {
		return s, nil
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(contractURL, c.doc); err != nil {
		return nil, err
	}
	pointer := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(at)
	s, err := compiler.Compile(contractURL + "#/" + strings.ReplaceAll(pointer, "\x00", "/"))
	if err != nil {
		return nil, err
	}
	c.compiled[at] = s
	return s, nil
}

// resolve follows a reference.
func (c *contract) resolve(schema map[string]any) map[string]any {
	ref, ok := schema["$ref"].(string)
	if !ok {
		return schema
	}
	at := c.doc
	for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		m, _ := at.(map[string]any)
		at = m[part]
	}
	m, _ := at.(map[string]any)
	return m
}

// sample makes a value that a schema takes; with wild now and then, one that it may
// not take.
func (c *contract) sample(r *rand.Rand, schema map[string]any, wild float64) any {
	if r.Float64() < wild {
		return junk(r)
	}
	schema = c.resolve(schema)
	if enum, ok := schema["enum"].([]any); ok {
		return enum[r.IntN(len(enum))]
	}
	kind, _ := schema["type"].(string)
	if several, ok := schema["type"].([]any); ok {
		kind, _ = several[0].(string)
	}
	switch kind {
	case "object":
		out := map[string]any{}
		required, _ := schema["required"].([]any)
		properties, _ := schema["properties"].(map[string]any)
		names := make([]string, 0, len(properties))
		for name := range properties {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			if slices.Contains(required, any(name)) || r.Float64() < 0.4 {
				property, _ := properties[name].(map[string]any)
				out[name] = c.sample(r, property, wild)
			}
		}
		if r.Float64() < wild {
			out["surplus"] = junk(r)
		}
		return out
	case "array":
		items, _ := schema["items"].(map[string]any)
		out := []any{}
		for range r.IntN(3) {
			out = append(out, c.sample(r, items, wild))
		}
		return out
	case "integer", "number":
		low, high := number(schema["minimum"], 0), number(schema["maximum"], 1000)
		n := low + float64(r.Int64N(int64(high-low)+1))
		if kind == "integer" {
			return int64(n)
		}
		return n
	case "boolean":
		return r.IntN(2) == 0
	}
	if schema["format"] == "date-time" {
		return []string{"2099-01-02T03:04:05Z", "1970-01-01T00:00:00+14:00"}[r.IntN(2)]
	}
	if schema["pattern"] != nil {
		return ""
	}
	text := []rune([]string{"Plants", "docs/PRD.md", "G3", "ada@example.org", "correct horse battery", "Käse & 🌵", "x"}[r.IntN(7)])
	return string(text[:min(len(text), int(number(schema["maxLength"], 100)))])
}

func number(v any, or float64) float64 {
	n, ok := v.(json.Number)
	if !ok {
		return or
	}
	f, err := n.Float64()
	if err != nil {
		return or
	}
	return f
}

// junk is a value that few schemas take.
func junk(r *rand.Rand) any {
	return []any{
		nil, true, -1, 1e300, 9007199254740993, "", "\x00", "\u202e\ufeff", strings.Repeat("x", 3000), "../../etc/passwd", "'; DROP TABLE users; --", "{{.}}",
		[]any{},
		[]any{[]any{[]any{}}},
		map[string]any{},
		map[string]any{"a.b": 1, "$ref": "#"},
		"-1", "NaN", "0001-01-01T00:00:00Z", "%00", "{id}", "gate/G1", "-rf",
	}[r.IntN(23)]
}

// Whatever is sent to whatever address, the answer is one that the description has,
// in the envelope, and never our fault.
func TestServedFuzz(t *testing.T) {
	t.Parallel()
	eachServer(t, func(s *served) {
		ada := s.register("ada")
		var p struct{ ID string }
		s.good(s.ask(ada, http.MethodPost, "/api/v1/projects", map[string]any{"idea": "A tool to track the plants I own", "blueprint": "express"}), &p)
		ids := s.someOfEach(ada, p.ID)
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 1))
		rounds := 8
		if soak() {
			rounds = 400
		}
		asked, taken := 0, map[string]int{}
		for range rounds {
			for template, methods := range s.contract.Paths {
				for method, op := range methods {
					if op.OperationID == "logout" {
						continue
					}
					a := s.wildly(r, ada, strings.ToUpper(method), template, &op, ids)
					asked++
					taken[fmt.Sprint(a.status/100)]++
					if a.status >= 500 {
						s.Errorf("seed %d: %s %s: %d %.300s", seed, method, template, a.status, a.raw)
					}
				}
			}
		}
		s.Logf("%d requests, by hundreds of status: %v", asked, taken)
		if taken["2"] == 0 || taken["4"] == 0 {
			s.Errorf("all answers are of one kind: %v", taken)
		}
	})
}

// someOfEach returns ids of rows by noun.
func (s *served) someOfEach(token, projectID string) map[string]string {
	g := s.until(token, projectID, "G4")
	ids := map[string]string{"projects": projectID, "gates": g.ID}
	for noun, list := range map[string]string{"runs": "runs", "proofs": "proofs", "questions": "questions", "changes": "changes", "tasks": "tasks"} {
		var rows []struct{ ID string }
		s.get(token, "/api/v1/projects/"+projectID+"/"+list, &rows)
		if len(rows) > 0 {
			ids[noun] = rows[0].ID
		}
	}
	var me struct {
		Organizations []struct{ Organization string }
	}
	s.get(token, "/api/v1/me", &me)
	ids["organizations"] = me.Organizations[0].Organization
	return ids
}

// wildly makes a request for an operation of values that fit and values that do not.
func (s *served) wildly(r *rand.Rand, token, method, template string, op *operation, ids map[string]string) got {
	s.Helper()
	const wild = 0.15
	path, query := template, []string{}
	for _, p := range op.Parameters {
		text := fmt.Sprint(s.contract.sample(r, p.Schema, wild))
		switch {
		case p.In == "path":
			if id := ids[strings.Split(template, "/")[3]]; id != "" && r.Float64() < 0.8 {
				text = id
			}
			text = strings.NewReplacer("/", "%2F", "%", "%25", " ", "%20", "?", "%3F", "#", "%23").Replace(text)
			if text == "" || text == "." || text == ".." || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
				text = "none"
			}
			path = strings.ReplaceAll(path, "{"+p.Name+"}", text)
		case p.In == "query" && (p.Required && r.Float64() > wild || r.Float64() < 0.3):
			query = append(query, p.Name+"="+escape(text))
		}
	}
	var body any
	if op.RequestBody != nil {
		body = s.contract.sample(r, op.RequestBody.Content["application/json"].Schema, wild)
	}
	if len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	return s.ask(token, method, path, body)
}
