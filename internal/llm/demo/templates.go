package demo

import (
	"bytes"
	"embed"
	"fmt"
	"path"
	"strconv"
	"text/template"
)

// The demo model's own templates; most of what it writes comes from package
// product.
//
//go:embed templates
var templates embed.FS

var parsed = template.Must(template.New("").Delims("[[", "]]").
	Funcs(template.FuncMap{"quote": strconv.Quote}).
	ParseFS(templates, "templates/*/*.tmpl"))

// fill carries out a template. Both the templates and their data are ours, so a
// mistake in them is one of the program.
func fill(name string, data any) []byte {
	var b bytes.Buffer
	if err := parsed.ExecuteTemplate(&b, path.Base(name), data); err != nil {
		panic(fmt.Sprintf("demo: fill template %s: %v", name, err))
	}
	return b.Bytes()
}
