package agent

import "context"

type noteRiskInput struct {
	Title      string `json:"title" jsonschema:"minLength=1,maxLength=200" jsonschema_description:"What may go wrong, in a few words."`
	Detail     string `json:"detail" jsonschema:"minLength=1,maxLength=8000" jsonschema_description:"When it would happen, its early sign, and what would reduce it."`
	Likelihood string `json:"likelihood" jsonschema:"enum=low,enum=medium,enum=high"`
	Impact     string `json:"impact" jsonschema:"enum=low,enum=medium,enum=high"`
}

func noteRisk(_ context.Context, _ Env, in noteRiskInput) (Outcome, error) {
	return Outcome{Content: "The risk was noted: " + in.Title, Effect: Risk(in)}, nil
}
