package agent

import (
	"context"
	"fmt"
)

// maxReport is what a model gets to read of all checks together, in bytes.
const maxReport = 32 << 10

type runChecksInput struct {
	Types []string `json:"types,omitempty" jsonschema:"maxItems=20" jsonschema_description:"The checks to run, for example build_output or unit_test_output. Left out: all that apply now."`
}

func runChecks(ctx context.Context, env Env, in runChecksInput) (Outcome, error) {
	report, err := env.Checks(ctx, in.Types)
	if err != nil {
		return Outcome{}, fmt.Errorf("run checks: %w", err)
	}
	return Outcome{Content: cutMiddle(material(report), maxReport)}, nil
}
