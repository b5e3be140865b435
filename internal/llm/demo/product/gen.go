package product

import (
	"bytes"
	"embed"
	"fmt"
	"go/format"
	"html"
	"strconv"
	"strings"
	"sync"
	"text/template"
)

//go:embed templates
var templateFiles embed.FS

// templates are the files of the product. Their own marks are double square
// brackets, because some of them are HTML templates with double braces.
var templates = sync.OnceValue(func() *template.Template {
	root := template.New("").Delims("[[", "]]").Funcs(template.FuncMap{
		"quote":   strconv.Quote,
		"comment": clean,
		"html":    htmlText,
		"t":       func(string) string { return "" }, // replaced per language
		"tf":      func(string, string) string { return "" },
		"h":       func(string) string { return "" },
	})
	for _, pattern := range []string{"templates/*/*.tmpl", "templates/*/*/*.tmpl"} {
		for _, path := range glob(pattern) {
			data, err := templateFiles.ReadFile(path)
			if err != nil {
				panic(fmt.Sprintf("read embedded %s: %v", path, err))
			}
			name := strings.TrimSuffix(strings.TrimPrefix(path, "templates/"), ".tmpl")
			template.Must(root.New(name).Parse(string(data)))
		}
	}
	return root
})

func glob(pattern string) []string {
	dir, _, _ := strings.Cut(pattern, "*")
	var all []string
	var walk func(string)
	walk = func(d string) {
		entries, err := templateFiles.ReadDir(d)
		if err != nil {
			panic(fmt.Sprintf("read embedded %s: %v", d, err))
		}
		for _, e := range entries {
			p := d + "/" + e.Name()
			if e.IsDir() {
				walk(p)
			} else if strings.Count(p, "/") == strings.Count(pattern, "/") {
				all = append(all, p)
			}
		}
	}
	walk(strings.TrimSuffix(dir, "/"))
	return all
}

// htmlText escapes s for HTML inside an html/template file.
func htmlText(s string) string {
	return strings.NewReplacer("{", "&#123;", "}", "&#125;").Replace(html.EscapeString(s))
}

// localized returns the templates with the words of one language.
func localized(lang string) *template.Template { return translations()[langIndex(lang)] }

var translations = sync.OnceValue(func() []*template.Template {
	all := make([]*template.Template, len(langs))
	for i, lang := range langs {
		words := locale(lang)
		get := func(key string) string {
			text, ok := words[key]
			if !ok {
				panic("no words for " + key)
			}
			return text
		}
		all[i] = template.Must(templates().Clone()).Funcs(template.FuncMap{
			"t":  func(key string) string { return strconv.Quote(get(key)) },
			"tf": func(key, arg string) string { return fmt.Sprintf("fmt.Sprintf(%q, %s)", get(key), arg) },
			"h":  func(key string) string { return htmlText(get(key)) },
		})
	}
	return all
})

// render executes the template called name. Templates and views are part of the
// program and tested together, so that a failure is a defect of it.
func (v view) render(name string, data any) []byte {
	var out bytes.Buffer
	if err := localized(v.Lang).ExecuteTemplate(&out, name, data); err != nil {
		panic(fmt.Sprintf("render %s: %v", name, err))
	}
	if !strings.HasSuffix(name, ".go") {
		return append(bytes.TrimSpace(out.Bytes()), '\n')
	}
	source, err := format.Source(out.Bytes())
	if err != nil {
		panic(fmt.Sprintf("format %s: %v\n%s", name, err, out.Bytes()))
	}
	return source
}

// Scaffold is what the architect writes: the contract both developers share and a
// walking skeleton, so that the tree builds from here on.
func (m Model) Scaffold() map[string][]byte {
	v := m.view()
	files := map[string][]byte{
		"go.mod":                   v.render("scaffold/go.mod", v),
		"README.md":                v.render("scaffold/README.md", v),
		"Makefile":                 v.render("scaffold/Makefile", v),
		".gitignore":               v.render("scaffold/gitignore", v),
		"cmd/app/main.go":          v.render("scaffold/main.go", v),
		"internal/domain/kind.go":  v.render("scaffold/kind.go", v),
		"internal/domain/field.go": v.render("scaffold/field.go", v),
		"internal/domain/value.go": v.render("scaffold/value.go", v),
		"internal/domain/query.go": v.render("scaffold/query.go", v),
		"internal/store/store.go":  v.render("scaffold/store.go", v),
		"internal/app/app.go":      v.render("scaffold/app.go", v),
		"internal/web/web.go":      v.render("scaffold/web.go", v),
	}
	for _, k := range v.Kinds {
		files["internal/domain/"+strings.ToLower(k.Name)+".go"] = v.render("scaffold/entity.go", k)
	}
	return files
}

// Backend is storage on disk, the JSON API, and the server with its safety
// headers, metrics and graceful stop. It shares no path with Frontend.
func (m Model) Backend() map[string][]byte {
	v := m.view()
	v.Disk = true
	return map[string][]byte{
		"internal/store/store.go": v.render("scaffold/store.go", v),
		"internal/api/api.go":     v.render("backend/api.go", v),
		"internal/app/app.go":     v.render("backend/app.go", v),
		"internal/app/metrics.go": v.render("backend/metrics.go", v),
	}
}

// Frontend is the HTML pages in the chosen style. It shares no path with Backend.
func (m Model) Frontend(s Style) map[string][]byte {
	v := m.view()
	v.Style = FindStyle(s.Slug) // whole, also when only the slug was kept
	files := map[string][]byte{
		"internal/web/web.go":    v.render("frontend/web.go", v),
		"internal/web/pages.go":  v.render("frontend/pages.go", v),
		"internal/web/record.go": v.render("frontend/record.go", v),
		"internal/web/app.css":   v.css(),
	}
	for _, page := range []string{"layout", "parts", "home", "list", "show", "form", "delete", "problem"} {
		files["internal/web/html/"+page+".html"] = v.render("frontend/html/"+page+".html", v)
	}
	return files
}
