package product

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// OpenAPI is specs/openapi.yaml, OpenAPI 3.1: exactly what the generated API does.
func (m Model) OpenAPI() []byte {
	v := m.view()
	return v.render("deploy/openapi.yaml", v)
}

// ChecksYAML is .layercake/checks.yaml: how the platform builds, starts and tests
// the product.
func (m Model) ChecksYAML() []byte {
	v := m.view()
	return v.render("deploy/checks.yaml", v)
}

// Deploy is the container image and the CI workflow.
func (m Model) Deploy() map[string][]byte {
	v := m.view()
	return map[string][]byte{
		"Dockerfile":               v.render("deploy/Dockerfile", v),
		".dockerignore":            v.render("deploy/dockerignore", v),
		".github/workflows/ci.yml": v.render("deploy/ci.yml", v),
	}
}

// Monitoring is alert rules and a dashboard over the metrics that the product
// itself serves.
func (m Model) Monitoring() map[string][]byte {
	v := m.view()
	return map[string][]byte{
		"monitoring/alerts.yaml":    v.render("deploy/alerts.yaml", v),
		"monitoring/dashboard.json": m.dashboard(),
	}
}

// dashboard is a Grafana dashboard of four panels.
func (m Model) dashboard() []byte {
	job := fmt.Sprintf("{job=%q}", m.App)
	type target struct {
		Expr   string `json:"expr"`
		Legend string `json:"legendFormat"`
		RefID  string `json:"refId"`
	}
	type panel struct {
		ID      int            `json:"id"`
		Type    string         `json:"type"`
		Title   string         `json:"title"`
		Pos     map[string]int `json:"gridPos"`
		Targets []target       `json:"targets"`
	}
	var panels []panel
	for i, p := range []struct{ kind, title, expr, legend string }{
		{"stat", "Up", "up" + job, "up"},
		{"timeseries", "Requests per second", "sum by (class) (rate(http_requests_total" + job + "[5m]))", "{{class}}"},
		{"timeseries", "Seconds per request", "rate(http_request_seconds_sum" + job + "[5m]) / rate(http_request_seconds_count" + job + "[5m])", "mean"},
		{"timeseries", "Records", "records" + job, "{{kind}}"},
	} {
		panels = append(panels, panel{i + 1, p.kind, p.title, map[string]int{"h": 8, "w": 12, "x": i % 2 * 12, "y": i / 2 * 8}, []target{{p.expr, p.legend, "A"}}})
	}
	data, err := json.MarshalIndent(map[string]any{
		"title": m.Title, "uid": m.App, "schemaVersion": 39, "refresh": "1m", "tags": []string{m.App},
		"time": map[string]string{"from": "now-24h", "to": "now"}, "panels": panels,
	}, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("encode dashboard: %v", err))
	}
	return append(data, '\n')
}

// RequiredNames lists the fields an input must have, as YAML.
func (k kindView) RequiredNames() string {
	var names []string
	for _, f := range k.Fields {
		if f.Required {
			names = append(names, strconv.Quote(f.Name))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// StoredNames lists the fields every stored record has, as YAML.
func (k kindView) StoredNames() string {
	names := []string{"id", "created_at", "updated_at"}
	for _, f := range k.Fields {
		if f.Stored {
			names = append(names, strconv.Quote(f.Name))
		}
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// Schema is the JSON schema of a field as one line of YAML. A stored record leaves
// an empty field out; an input may also say null.
func (f fieldView) Schema(stored bool) string {
	typ, rest := "string", ""
	switch f.Type {
	case "text":
		rest = ", maxLength: 200"
	case "longtext":
		rest = ", maxLength: 10000"
	case "email":
		rest = ", format: email, maxLength: 200"
	case "url":
		rest = ", format: uri, maxLength: 200, pattern: '^https?://'"
	case "date":
		rest = ", format: date"
	case "bool":
		typ = "boolean"
	case "number", "money":
		typ, rest = "number", ", minimum: -100000000000, maximum: 100000000000"
	}
	if f.Required && f.Type != "number" && f.Type != "money" && f.Type != "date" && f.Type != "choice" {
		rest += ", minLength: 1"
	}
	label := f.Label
	switch {
	case f.Type == "money":
		label += ", at most two decimals"
	case f.Ref != "":
		label += ": the id of one of /api/" + f.RefPlural
	}
	options := make([]string, 0, len(f.Options)+1)
	for _, o := range f.Options {
		options = append(options, strconv.Quote(o))
	}
	if !stored && !f.Required {
		typ = "[" + typ + ", \"null\"]"
		options = append(options, "null")
	}
	if len(f.Options) > 0 {
		rest += ", enum: [" + strings.Join(options, ", ") + "]"
	}
	return fmt.Sprintf("{type: %s, description: %s%s}", typ, strconv.Quote(label), rest)
}
