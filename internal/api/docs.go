package api

import (
	"bytes"
	"cmp"
	_ "embed" // the page
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var docsText string

var docsPage = template.Must(template.New("docs").Parse(docsText))

// docsPolicy lets the page have its own style and nothing else.
const docsPolicy = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

//go:embed docs.css
var docsStyle []byte

// docGroup is what the page says of one noun.
type docGroup struct {
	Name string
	Ops  []docOp
}

type docOp struct {
	ID, Method, Path, Summary string
	Open                      bool
	Params, Fields            []docField
	Statuses                  []docField
}

type docField struct {
	Name, Where, Type, Doc string
	Required               bool
}

// docs is a page for people, made from the description.
func (s *Server) docs(doc *huma.OpenAPI) http.HandlerFunc {
	var page bytes.Buffer
	err := docsPage.Execute(&page, map[string]any{"Version": s.Version, "Groups": docGroups(doc)})
	return func(w http.ResponseWriter, r *http.Request) {
		if err != nil {
			s.report(r.Context(), err)
			writeFailure(w, r, failure(r.Context(), err))
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", docsPolicy)
		_, _ = w.Write(page.Bytes()) // the client may be gone
	}
}

func docsCSS(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=3600")
	_, _ = w.Write(docsStyle) // the client may be gone
}

func docGroups(doc *huma.OpenAPI) []docGroup {
	groups := map[string]*docGroup{}
	for path, item := range doc.Paths {
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete} {
			if op == nil {
				continue
			}
			g := groups[op.Tags[0]]
			if g == nil {
				g = &docGroup{Name: op.Tags[0]}
				groups[g.Name] = g
			}
			g.Ops = append(g.Ops, docOpOf(doc, method, path, op))
		}
	}
	var out []docGroup
	for _, g := range groups {
		slices.SortFunc(g.Ops, func(a, b docOp) int {
			return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method))
		})
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b docGroup) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func docOpOf(doc *huma.OpenAPI, method, path string, op *huma.Operation) docOp {
	out := docOp{ID: op.OperationID, Method: method, Path: path, Summary: op.Summary, Open: len(op.Security) == 0}
	for _, p := range op.Parameters {
		text := p.Description
		if text == "" && p.Schema != nil {
			text = p.Schema.Description
		}
		out.Params = append(out.Params, docField{Name: p.Name, Where: p.In, Type: typeOf(p.Schema), Doc: text, Required: p.Required})
	}
	if op.RequestBody != nil {
		if media := op.RequestBody.Content["application/json"]; media != nil {
			out.Fields = fieldsOf(doc, media.Schema)
		}
	}
	for code, r := range op.Responses {
		out.Statuses = append(out.Statuses, docField{Name: code, Doc: r.Description})
	}
	slices.SortFunc(out.Statuses, func(a, b docField) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func fieldsOf(doc *huma.OpenAPI, schema *huma.Schema) (out []docField) {
	if schema != nil && schema.Ref != "" {
		schema = doc.Components.Schemas.SchemaFromRef(schema.Ref)
	}
	if schema == nil {
		return nil
	}
	for name, f := range schema.Properties {
		if name == "$schema" {
			continue
		}
		out = append(out, docField{Name: name, Type: typeOf(f), Doc: f.Description, Required: slices.Contains(schema.Required, name)})
	}
	slices.SortFunc(out, func(a, b docField) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func typeOf(s *huma.Schema) string {
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
	case s.Type == huma.TypeArray:
		return "list of " + typeOf(s.Items)
	case len(s.Enum) > 0:
		parts := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			parts[i], _ = v.(string)
		}
		return strings.Join(parts, " | ")
	case s.Format != "":
		return s.Type + ", " + s.Format
	}
	return s.Type
}
