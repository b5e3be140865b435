package document

import (
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// validateOpenAPI looks only at what makes a file an OpenAPI description; the
// proof of the specifications reads the rest.
func validateOpenAPI(content []byte) []Problem {
	root, problems := parseYAML(content)
	if root == nil {
		return problems
	}
	if v := child(root, "openapi"); !strings.HasPrefix(scalarOf(v), "3.") {
		problems = append(problems, problem(lineOf(v, root), "Begin it with `openapi: 3.1.0`.", "the file is not an OpenAPI 3 description"))
	}
	info := child(root, "info")
	if scalarOf(child(info, "title")) == "" {
		problems = append(problems, problem(lineOf(info, root), "Add `info: {title: …, version: …}`.", "the API has no title"))
	}
	paths := child(root, "paths")
	if paths == nil || paths.Kind != yaml.MappingNode || len(paths.Content) == 0 {
		return append(problems, problem(lineOf(paths, root), "Add `paths:` with what the API offers.", "the API has no paths"))
	}
	for i := 0; i+1 < len(paths.Content); i += 2 {
		key := paths.Content[i]
		if !strings.HasPrefix(key.Value, "/") && !strings.HasPrefix(key.Value, "x-") {
			problems = append(problems, problem(key.Line, "Begin it with a slash.", "the path %q does not begin with /", short(key.Value)))
		}
	}
	return problems
}

func lineOf(n, otherwise *yaml.Node) int {
	if n == nil {
		n = otherwise
	}
	return max(n.Line, 1)
}

// validateChecks looks at the outline of .layercake/checks.yaml; running the
// checks reads the rest.
func validateChecks(content []byte) []Problem {
	root, problems := parseYAML(content)
	if root == nil {
		return problems
	}
	if v := child(root, "version"); scalarOf(v) != "1" {
		problems = append(problems, problem(lineOf(v, root), "Begin it with `version: 1`.", "the version of the check recipes must be 1"))
	}
	if v := child(root, "stack"); !slices.Contains([]string{"go", "node"}, scalarOf(v)) {
		problems = append(problems, problem(lineOf(v, root), "Write `stack: go` or `stack: node`.", "the stack %q is not one that LayerCake can check", short(scalarOf(v))))
	}
	checks := child(root, "checks")
	if unit := child(checks, "unit_test_output"); unit == nil {
		problems = append(problems, problem(lineOf(checks, root), "Add `checks:` with `unit_test_output:` and the tests it runs.", "the recipes declare no unit tests, which every product owes"))
	}
	return problems
}

// validateWorkflow looks at the outline of a CI workflow.
func validateWorkflow(content []byte) []Problem {
	root, problems := parseYAML(content)
	if root == nil {
		return problems
	}
	if on := child(root, "on"); on == nil || on.ShortTag() == "!!null" {
		problems = append(problems, problem(lineOf(on, root), "Add `on: [push, pull_request]`.", "the workflow does not say when it runs"))
	}
	jobs := child(root, "jobs")
	if jobs == nil || jobs.Kind != yaml.MappingNode || len(jobs.Content) == 0 {
		return append(problems, problem(lineOf(jobs, root), "Add `jobs:` with the checks of this project.", "the workflow has no jobs"))
	}
	for i := 0; i+1 < len(jobs.Content); i += 2 {
		name, job := jobs.Content[i], jobs.Content[i+1]
		steps := child(job, "steps")
		if child(job, "uses") == nil && (steps == nil || len(steps.Content) == 0) {
			problems = append(problems, problem(name.Line, "Add `steps:` that run the checks.", "the job %q does nothing", short(name.Value)))
		}
	}
	return problems
}

// validateDockerfile checks that there is an image to build on, named before
// anything is done with it.
func validateDockerfile(content []byte) []Problem {
	continued := false
	for i, raw := range strings.Split(strings.TrimPrefix(string(content), "\uFEFF"), "\n") {
		instruction := strings.TrimSpace(raw)
		if instruction == "" || strings.HasPrefix(instruction, "#") {
			continue
		}
		words := strings.Fields(instruction)
		switch {
		case continued:
		case strings.EqualFold(words[0], "FROM") && len(words) > 1:
			return nil
		case !strings.EqualFold(words[0], "ARG"):
			return []Problem{problem(i+1, "Begin with FROM and a pinned image.", "%q comes before FROM", short(words[0]))}
		}
		continued = strings.HasSuffix(instruction, `\`)
	}
	return []Problem{problem(1, "Begin with FROM and a pinned image.", "the Dockerfile has no FROM")}
}

var (
	htmlComment  = regexp.MustCompile(`(?s)<!--.*?-->`)
	htmlTag      = regexp.MustCompile(`<([a-zA-Z][a-zA-Z0-9:-]*)((?:[^>"']|"[^"]*"|'[^']*')*)>`)
	htmlAttr     = regexp.MustCompile(`([^\s"'=/>]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))`)
	htmlCode     = regexp.MustCompile(`(?is)<(?:script|style)\b.*?</(?:script|style)\s*>`)
	remoteStyle  = regexp.MustCompile(`(?i)(?:url\(\s*["']?|@import\s+["'])\s*(?:https?:)?//`)
	remoteSource = regexp.MustCompile(`(?i)^\s*(?:https?:)?//`)
	remoteInSet  = regexp.MustCompile(`(?i)(?:^|,)\s*(?:https?:)?//`)
)

// validateDesign checks that a design is one HTML page that shows without a
// network: language, title, viewport, nothing remote, nothing left to fill in.
func validateDesign(content []byte) []Problem {
	page := blankOut(htmlComment, string(content))
	d := designReader{page: page}
	for _, m := range htmlTag.FindAllStringSubmatchIndex(page, -1) {
		d.tag(m[0], strings.ToLower(page[m[2]:m[3]]), attributes(page[m[4]:m[5]]))
	}
	if m := htmlTitle.FindStringSubmatch(page); m == nil || strings.TrimSpace(m[1]) == "" {
		d.add(0, "Add <title> with the name of the design.", "the page has no title")
	}
	if !d.lang {
		d.add(0, "Begin it with <html lang=\"en\">, in the language of the page.", "the page does not name its language")
	}
	if !d.viewport {
		d.add(0, "Add <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">.", "the page has no viewport and will not fit a phone")
	}
	for _, m := range remoteStyle.FindAllStringIndex(page, -1) {
		d.add(m[0], "Put it into the page, or leave it out.", "the page loads something from elsewhere: %q", short(page[m[0]:m[1]]))
	}
	prose := blankOut(htmlCode, page)
	if m := lorem.FindStringIndex(prose); m != nil {
		d.add(m[0], "Write the words a user would see.", "the placeholder \"lorem ipsum\" stands for something not yet written")
	}
	if i := strings.Index(prose, "{{"); i >= 0 {
		d.add(i, "Write the words a user would see.", "the placeholder \"{{\" stands for something not yet written")
	}
	return d.problems
}

// blankOut replaces what a pattern matches by blanks, so that offsets and lines
// stay.
func blankOut(pattern *regexp.Regexp, s string) string {
	return pattern.ReplaceAllStringFunc(s, func(match string) string {
		blanks := []byte(match)
		for i, b := range blanks {
			if b != '\n' {
				blanks[i] = ' '
			}
		}
		return string(blanks)
	})
}

func attributes(tag string) map[string]string {
	out := map[string]string{}
	for _, m := range htmlAttr.FindAllStringSubmatch(tag, -1) {
		out[strings.ToLower(m[1])] = m[2] + m[3] + m[4]
	}
	return out
}

type designReader struct {
	page           string
	problems       []Problem
	lang, viewport bool
}

func (d *designReader) add(offset int, next, format string, args ...any) {
	if len(d.problems) < maxProblems {
		d.problems = append(d.problems, problem(1+strings.Count(d.page[:offset], "\n"), next, format, args...))
	}
}

func (d *designReader) tag(offset int, name string, attrs map[string]string) {
	switch name {
	case "html":
		d.lang = d.lang || strings.TrimSpace(attrs["lang"]) != ""
	case "meta":
		d.viewport = d.viewport || strings.EqualFold(attrs["name"], "viewport") && attrs["content"] != ""
	}
	// A link to follow is no resource; what the page needs to show is.
	for _, key := range []string{"src", "poster", "data", "href", "xlink:href", "srcset"} {
		value := attrs[key]
		remote := remoteSource.MatchString(value) || key == "srcset" && remoteInSet.MatchString(value)
		if key == "href" && !slices.Contains([]string{"link", "use", "image", "base"}, name) {
			remote = false
		}
		if remote {
			d.add(offset, "Put it into the page, or leave it out.", "<%s> loads %q from elsewhere", name, short(value))
		}
	}
}
