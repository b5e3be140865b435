package agent

import "context"

type askHumanInput struct {
	Question   string   `json:"question" jsonschema:"minLength=1,maxLength=2000" jsonschema_description:"One question, with what the human must know to answer it."`
	Options    []string `json:"options,omitempty" jsonschema:"minItems=2,maxItems=6" jsonschema_description:"Two to six answers to choose from, where that fits."`
	Suggestion string   `json:"suggestion" jsonschema:"minLength=1,maxLength=2000" jsonschema_description:"What you would do without an answer; one of the options where there are some."`
	Blocking   bool     `json:"blocking,omitempty" jsonschema_description:"True when you cannot go on with the suggestion. The run then waits."`
}

func askHuman(_ context.Context, _ Env, in askHumanInput) (Outcome, error) {
	ask := Ask(in)
	if in.Blocking {
		return Outcome{Content: "The question was put to a human. The run waits for the answer.", Effect: ask}, nil
	}
	return Outcome{Content: "The question was put to a human. Go on with your suggestion: " + in.Suggestion, Effect: ask}, nil
}
