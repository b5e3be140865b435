package agent

import (
	"context"
	"fmt"
	"strings"
)

// maxListed is how many paths one list_files returns.
const maxListed = 1000

type listFilesInput struct {
	Pattern string `json:"pattern,omitempty" jsonschema:"maxLength=400" jsonschema_description:"For example docs/*.md or internal/**; ** is any folders, * any name. All files when left out."`
}

func listFiles(ctx context.Context, env Env, in listFilesInput) (Outcome, error) {
	files, err := listWorkspace(ctx, env, in.Pattern)
	if err != nil {
		return Outcome{}, err
	}
	if len(files) == 0 {
		return Outcome{Content: "no files"}, nil
	}
	text := strings.Join(files[:min(len(files), maxListed)], "\n")
	if left := len(files) - maxListed; left > 0 {
		text += fmt.Sprintf("\n… and %d more; give a narrower pattern", left)
	}
	return Outcome{Content: text}, nil
}
