package agent

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/layercake-app/layercake/internal/fault"
)

// Limits on what one search_files reads of a file and returns.
const (
	maxSearched   = 1 << 20 // bytes of a file
	maxHits       = 200
	maxHitsInFile = 20
)

type searchFilesInput struct {
	Query   string `json:"query" jsonschema:"minLength=1,maxLength=1000" jsonschema_description:"The text to find, case and all; or an RE2 expression when regexp is true."`
	Pattern string `json:"pattern,omitempty" jsonschema:"maxLength=400" jsonschema_description:"Which files, for example **/*.go. All when left out."`
	Regexp  bool   `json:"regexp,omitempty" jsonschema_description:"Read query as a regular expression in RE2 syntax, applied to each line."`
}

func searchFiles(ctx context.Context, env Env, in searchFilesInput) (Outcome, error) {
	expression := in.Query
	if !in.Regexp {
		expression = regexp.QuoteMeta(in.Query)
	}
	// RE2 takes time linear in the text, whatever the expression.
	query, err := regexp.Compile(expression)
	if err != nil {
		return Outcome{}, fault.Invalid("agent.query", "The query is not an RE2 expression: %v. Leave regexp out to search for it as it stands.", err)
	}
	files, err := listWorkspace(ctx, env, in.Pattern)
	if err != nil {
		return Outcome{}, err
	}
	var hits []string
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return Outcome{}, fmt.Errorf("search files: %w", err)
		}
		data, err := readWorkspace(env, file)
		if err != nil || len(data) > maxSearched || isBinary(data) {
			continue // a link that leads nowhere, or no text
		}
		hits = append(hits, hitsIn(file, string(data), query)...)
		if len(hits) >= maxHits {
			hits = append(hits[:maxHits], "… and maybe more; give a narrower pattern")
			break
		}
	}
	if len(hits) == 0 {
		return Outcome{Content: "nothing found"}, nil
	}
	return Outcome{Content: strings.Join(hits, "\n")}, nil
}

// hitsIn returns "path:line: text" for the lines of one file that match.
func hitsIn(file, text string, query *regexp.Regexp) []string {
	var hits []string
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if !query.MatchString(line) {
			continue
		}
		if len(hits) == maxHitsInFile {
			return append(hits, fmt.Sprintf("%s: … more in this file", file))
		}
		hits = append(hits, fmt.Sprintf("%s:%d: %s", file, number, cutEnd(strings.TrimSpace(line), maxLine)))
	}
	return hits
}
