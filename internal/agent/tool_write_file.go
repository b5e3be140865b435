package agent

import (
	"context"
	"fmt"
	"strings"
)

type writeFileInput struct {
	Path    string `json:"path" jsonschema:"minLength=1" jsonschema_description:"Path from the top of the repository, with / between folders. Folders are made."`
	Content string `json:"content" jsonschema_description:"The whole file."`
}

func writeFile(_ context.Context, env Env, in writeFileInput) (Outcome, error) {
	if err := writeWorkspace(env, in.Path, in.Content); err != nil {
		return Outcome{}, err
	}
	return Outcome{Content: fmt.Sprintf("wrote %s (%d lines)", in.Path, strings.Count(in.Content, "\n"))}, nil
}
