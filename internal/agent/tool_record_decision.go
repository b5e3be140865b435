package agent

import "context"

type recordDecisionInput struct {
	Title    string `json:"title" jsonschema:"minLength=1,maxLength=200" jsonschema_description:"What was decided about, in a few words."`
	Decision string `json:"decision" jsonschema:"minLength=1,maxLength=4000" jsonschema_description:"What you chose, in one or two sentences."`
	Reason   string `json:"reason" jsonschema:"minLength=1,maxLength=4000" jsonschema_description:"Why, what you rejected, and what it would cost to change."`
}

func recordDecision(_ context.Context, _ Env, in recordDecisionInput) (Outcome, error) {
	return Outcome{Content: "Recorded: " + in.Title, Effect: Decision(in)}, nil
}
