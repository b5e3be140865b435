package agent

import "context"

type raiseBlockerInput struct {
	Title    string `json:"title" jsonschema:"minLength=1,maxLength=200" jsonschema_description:"What stands in the way, in a few words."`
	Detail   string `json:"detail" jsonschema:"minLength=1,maxLength=8000" jsonschema_description:"Where, how it shows (steps, expected, actual), what you tried, who could mend it."`
	Severity string `json:"severity" jsonschema:"enum=critical,enum=high,enum=medium,enum=low" jsonschema_description:"critical stops the gate until a human resolves it."`
}

func raiseBlocker(_ context.Context, _ Env, in raiseBlockerInput) (Outcome, error) {
	return Outcome{Content: "The blocker was raised: " + in.Title, Effect: Blocker(in)}, nil
}
