package agent

import (
	"context"
	"fmt"
	"strings"
	"unicode"
)

type saveDesignInput struct {
	Number      int    `json:"number" jsonschema:"minimum=1,maximum=3" jsonschema_description:"Which of the three options this is."`
	Title       string `json:"title" jsonschema:"minLength=1,maxLength=120" jsonschema_description:"What people call it."`
	HTML        string `json:"html" jsonschema:"minLength=1" jsonschema_description:"The whole page: self-contained, with lang, title and viewport, no remote resource."`
	Rationale   string `json:"rationale" jsonschema:"minLength=1,maxLength=4000" jsonschema_description:"For whom it is best, and what it gives up."`
	Recommended bool   `json:"recommended,omitempty" jsonschema_description:"True for exactly one of the three."`
}

// saveDesign leaves one file per number: an option saved again under another
// title replaces the earlier one.
func saveDesign(ctx context.Context, env Env, in saveDesignInput) (Outcome, error) {
	path := fmt.Sprintf("designs/option-%d-%s.html", in.Number, slug(in.Title))
	earlier, err := listWorkspace(ctx, env, fmt.Sprintf("designs/option-%d-*.html", in.Number))
	if err != nil {
		return Outcome{}, err
	}
	if err := writeWorkspace(env, path, in.HTML); err != nil {
		return Outcome{}, err
	}
	for _, old := range earlier {
		if old != path {
			if err := removeWorkspace(env, old); err != nil {
				return Outcome{}, err
			}
		}
	}
	return Outcome{
		Content: "saved " + path,
		Effect:  Design{Number: in.Number, Title: in.Title, Path: path, Rationale: in.Rationale, Recommended: in.Recommended},
	}, nil
}

// slug makes a title part of a file name: lower-case letters and digits of
// ASCII, joined by dashes, at most 40 of them.
func slug(title string) string {
	words := strings.FieldsFunc(strings.ToLower(title), func(r rune) bool {
		return r > unicode.MaxASCII || (!unicode.IsLetter(r) && !unicode.IsDigit(r))
	})
	s := strings.Join(words, "-")
	if s == "" {
		return "design"
	}
	return strings.TrimRight(s[:min(len(s), 40)], "-")
}
